"""Signals cut into frames that overlap, and put together again.

    frame            [a b c d e]   length 3, step 2    ->  [[a b c] [c d e]]
    overlap_and_add  [[a b c] [d e f]]   step 2        ->  [a b c+d e f]

Read next: signal_spectra.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import constant_axes
from flowgraph.shapes import normalize_axis


def static_size(x: Any) -> int | None:
    """A scalar's value, if it is known."""
    value = constant_value(x) if isinstance(x, Tensor) else x
    return None if value is None else int(np.asarray(value).reshape(()))


def as_size(x: Any, function: str, what: str) -> tuple[Any, int | None]:
    """A size as a number if it is known, else as a scalar int32 tensor; and what is known."""
    if isinstance(x, Tensor):
        if x.dims not in ((), None):
            raise ValueError(f"{function}: {what} must be one number, not of shape {x.shape}")
        if not x.dtype.is_integer:
            raise ValueError(f"{function}: {what} must be an integer, not {x.dtype.name}")
    elif isinstance(x, (float, np.floating)):
        raise ValueError(f"{function}: {what} must be an integer, not {x!r}")
    value = static_size(x)
    if value is not None:
        if value < 1:
            raise ValueError(f"{function}: {what} must be at least 1, not {value}")
        return value, value
    return call.Cast(x, DstT=int32) if x.dtype.base_dtype is not int32 else x, None


def _int(x: Any) -> Any:
    return np.int32(x) if isinstance(x, int) else x


def _count_of_frames(size: Any, length: Any, step: Any, pad_end: bool) -> Any:
    """How many frames there are; numbers where all is known."""
    if all(isinstance(v, int) for v in (size, length, step)):
        return -(-size // step) if pad_end else max(0, 1 + (size - length) // step)
    size, length, step = (call.Identity(_int(v)) for v in (size, length, step))
    if pad_end:
        return call.Neg(call.FloorDiv(call.Neg(size), step))
    return call.Maximum(np.int32(0), 1 + call.FloorDiv(size - length, step))


@export("signal.frame")
def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: int = -1,
    name: str | None = None,
) -> Tensor:
    """A signal cut into frames of one length.

    y[..., i, j, ...] = signal[..., i * frame_step + j, ...]

    Args:
        signal: (..., samples, ...), of any dtype.
        frame_length: samples of a frame.
        frame_step: samples from the beginning of a frame to that of the next.
        pad_end: a frame begins at every ``frame_step``-th sample, and those that reach beyond the
            end are filled up; else only frames that lie inside are given.
        pad_value: what they are filled up with.
        axis: of the samples.
        name: of the operations; ``frame`` by default.

    Returns:
        (..., frames, frame_length, ...).

    Raises:
        ValueError: a size is no positive integer, or the axis does not exist.

    Gradient: dy of all frames that a sample is in, summed.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.frame([1, 2, 3, 4, 5], 3, 2))
    array([[1, 2, 3],
           [3, 4, 5]], dtype=int32)
    """
    with name_scope(name, "frame", [signal, frame_length, frame_step, pad_value]):
        x = convert_to_tensor(signal, name="signal")
        length, known_length = as_size(frame_length, "frame", "frame_length")
        step, _ = as_size(frame_step, "frame", "frame_step")
        axis = constant_value(axis) if isinstance(axis, Tensor) else axis
        if axis is None:
            raise ValueError("frame: axis must be known while the graph is built")
        axis = int(axis)
        rank = None if x.dims is None else len(x.dims)
        if rank is not None:
            axis = normalize_axis(axis, rank, "axis") if rank else axis
            if rank == 0:
                raise ValueError("frame: signal must have at least 1 axis")
        size: Any = None if x.dims is None else x.dims[axis]
        size = call.Shape(x)[axis] if size is None else size
        frames = _count_of_frames(size, length, step, pad_end)
        if pad_end:
            needed = (_int(frames) - 1) * step + length
            missing = needed - size
            if isinstance(missing, (int, np.integer)):
                missing = np.int32(max(0, missing))
            else:
                missing = call.Maximum(np.int32(0), missing)
            x = _padded_at_end(x, missing, axis, pad_value)
        if isinstance(frames, int) and isinstance(length, int) and isinstance(step, int):
            places: Any = (np.arange(frames)[:, None] * step + np.arange(length)).astype(np.int32)
        else:
            starts = call.Range(np.int32(0), _int(frames), np.int32(1)) * _int(step)
            places = call.ExpandDims(starts, 1) + call.Range(np.int32(0), _int(length), np.int32(1))
        # one more axis in front: gathers along the first axis have sparse gradients
        axis_behind = axis + 1 if axis >= 0 else axis
        result = call.GatherV2(call.ExpandDims(x, 0), places, np.int32(axis_behind))
        result = call.Squeeze(result, squeeze_dims=[0])
        if rank is not None:
            dims: Any = x.dims
            count = frames if isinstance(frames, int) else None
            result.set_shape((*dims[:axis], count, known_length, *dims[axis + 1 :]))
        return result


def _padded_at_end(x: Tensor, missing: Any, axis: int, value: Any) -> Tensor:
    """``missing`` times ``value`` behind an axis."""
    rank = call.Rank(x) if x.dims is None else np.int32(len(x.dims))
    place = rank + np.int32(axis) if axis < 0 else np.int32(axis)
    after = call.OneHot(place, rank, missing, np.int32(0))
    paddings = call.Pack([call.ZerosLike(after), after], axis=1)
    value = convert_to_tensor(value, dtype=x.dtype.base_dtype, name="pad_value")
    return call.PadV2(x, paddings, value)


@export("signal.overlap_and_add")
def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Tensor:
    """Frames laid one ``frame_step`` behind the other and added.

    y[..., t] = sum_i signal[..., i, t - i * frame_step]

    Args:
        signal: (..., frames, frame_length) numbers.
        frame_step: an integer.
        name: of the operations; ``overlap_and_add`` by default.

    Returns:
        (..., (frames - 1) * frame_step + frame_length).

    Raises:
        ValueError: fewer than two axes, or ``frame_step`` is no positive integer.

    Gradient: dy cut into frames.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.overlap_and_add([[1, 2, 3], [4, 5, 6]], 2))
    array([1, 2, 7, 5, 6], dtype=int32)
    """
    with name_scope(name, "overlap_and_add", [signal, frame_step]):
        x = convert_to_tensor(signal, name="signal")
        if x.dims is not None and len(x.dims) < 2:
            raise ValueError(
                f"overlap_and_add: signal must have at least 2 axes, not shape {x.shape}"
            )
        step, known_step = as_size(frame_step, "overlap_and_add", "frame_step")
        shape = call.Shape(x)
        dims = x.dims
        frames, length = (None, None) if dims is None else dims[-2:]
        count: Any = shape[-2] if frames is None else frames
        size: Any = shape[-1] if length is None else length
        step, size = _int(step), _int(size)
        # every frame in pieces of one step; piece p of frame i belongs at i + p
        pieces = call.Neg(call.FloorDiv(call.Neg(size), step))
        x = _padded_at_end(x, pieces * step - size, -1, 0)
        leading = shape[:-2]

        def shaped(*sizes: Any) -> Tensor:
            return call.ConcatV2([leading, call.Pack([_int(v) for v in sizes])], 0)

        x = call.Reshape(x, shaped(count, pieces, step))
        x = _exchanged(x)  # (..., pieces, frames, step)
        x = _padded_at_end(x, pieces, -2, 0)
        # row p of a block that is one row longer than the next begins p rows later
        x = call.Reshape(x, shaped(pieces * (count + pieces), step))
        x = x[..., : pieces * (count + pieces - 1), :]
        x = call.Reshape(x, shaped(pieces, (count + pieces - 1) * step))
        y = call.Sum(x, constant_axes([-2]))
        total = (_int(count) - 1) * step + size
        y = y[..., :total]
        if dims is not None:
            last = None
            if frames is not None and length is not None and known_step is not None:
                last = (frames - 1) * known_step + length
            y.set_shape((*dims[:-2], last))
        return y


def _exchanged(x: Tensor) -> Tensor:
    """The third last and second last axes exchanged."""
    if x.dims is not None:
        rank = len(x.dims)
        order: Any = np.array([*range(rank - 3), rank - 2, rank - 3, rank - 1], np.int32)
    else:
        unknown = call.Rank(x)
        behind = call.Pack([unknown - 2, unknown - 3, unknown - 1])
        order = call.ConcatV2([call.Range(0, unknown - 3, 1), behind], 0)
    return call.Transpose(x, order)
