"""Tensors repeated, framed and turned round: tile, pad, reverse.

Read next: joining.py, slicing.py (whose gradient is a pad).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Custom, View, define, dtypes_of, error_sample, sample
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import constant_axes, f32, i32, invalid, require_rank
from flowgraph.shapes import Dims, ShapeError, format_dims, is_fully_known, normalize_axes

# ------------------------------------------------------------------------------------------- tile


def _tile_infer(call_: Call) -> list[Dims]:
    dims, (count,) = call_.shapes[0], require_rank(call_.shapes[1], 1, "multiples")
    if dims is not None and count is not None and count != len(dims):
        raise ShapeError(f"multiples has {count} elements for shape {format_dims(dims)}")
    if dims is None:
        return [None if count is None else (None,) * count]
    times = call_.partial(1) or (None,) * len(dims)
    given = call_.value(1)
    if given is not None and np.any(given < 0):
        raise ShapeError(f"multiples must not be negative: {given.tolist()}")
    return [
        tuple(None if d is None or t is None else d * t for d, t in zip(dims, times, strict=True))
    ]


def _tile_reference(call_: Call, x: Any, multiples: Any) -> Any:
    if np.any(multiples < 0):
        raise invalid(f"multiples must not be negative: {multiples.tolist()}")
    return np.tile(x, tuple(multiples.tolist()))


def _tile_grad(op: Any, dy: Any) -> tuple[Any, None]:
    # Read dy as (multiple, size) along every axis and sum the repetitions.
    rank = len(op.input.dims) if op.input.dims is not None else None
    times = constant_value(op.multiples)
    if times is not None and is_fully_known(op.input.dims):
        pairs = [n for pair in zip(times.tolist(), op.input.dims, strict=True) for n in pair]
        split = constant_axes(pairs)
    else:
        sizes = call.Pack([op.multiples, _like(call.Shape(op.input), op.multiples)], axis=1)
        split = call.Reshape(sizes, [-1])
    every_other = range(0, 2 * (rank or 0), 2)
    axes = call.Range(0, call.Size(split), 2) if rank is None else constant_axes(every_other)
    return call.Sum(call.Reshape(dy, split), axes), None


def _like(x: Tensor, other: Tensor) -> Tensor:
    """``x`` in the dtype of ``other``."""
    return x if x.dtype is other.dtype else call.Cast(x, DstT=other.dtype.base_dtype)


define(
    "Tile",
    "input: T, multiples: Tmultiples -> output: T",
    T=dtypes_of(ALL),
    Tmultiples=dtypes_of(INDEX, int32),
    infer=_tile_infer,
    kernel=Custom("tile", parts=True, moves=True),
    grad=_tile_grad,
    reference=_tile_reference,
    samples=(
        sample(f32(2, 3), i32([2, 1]), const=(1,)),
        sample(f32(3), i32([3]), const=(1,)),
        sample(f32(), i32([]), const=(1,)),
        sample(f32(2, 3), i32([1, 0]), const=(1,)),
        sample(f32(2, 3), i32([1, 2])),
    ),
    errors=(
        error_sample(ValueError, r"multiples has 1 elements for shape \[2, 3\]",
                     f32(2, 3), i32([2]), const=(1,)),
        error_sample(Exception, "must not be negative", f32(2), i32([-1]), stage="run"),
    ),
    doc="``input`` repeated multiples[i] times along axis i.",
)  # fmt: skip


@export("tile", "manip.tile")
def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """``input`` repeated ``multiples[i]`` times along axis i.

    Args:
        input: a tensor.
        multiples: an integer vector, one number for each axis.
        name: of the operation; ``Tile`` by default.

    Raises:
        ValueError: not one number for each axis, or a negative one.

    Gradient: dy summed over the repetitions.

    >>> tf.Session().run(tf.tile([[1, 2]], [2, 2]))
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]], dtype=int32)
    """
    return apply_op("Tile", input, multiples, name=name)


# -------------------------------------------------------------------------------------------- pad


def _pad_infer(call_: Call) -> list[Dims]:
    dims, paddings = call_.shapes[0], call_.shapes[1]
    rows = None
    if paddings is not None:
        if len(paddings) != 2 or paddings[1] not in (2, None):
            raise ShapeError(f"paddings must have shape [rank, 2], not {format_dims(paddings)}")
        rows = paddings[0]
    if dims is not None and rows is not None and rows != len(dims):
        raise ShapeError(f"paddings has {rows} rows for shape {format_dims(dims)}")
    amounts = call_.value(1)
    if amounts is None or dims is None:
        rank = rows if dims is None else len(dims)
        return [None if rank is None else (None,) * rank]
    if np.any(amounts < 0):
        raise ShapeError(f"paddings must not be negative: {amounts.tolist()}")
    added = amounts.sum(axis=1).tolist()
    return [tuple(None if d is None else d + n for d, n in zip(dims, added, strict=True))]


def _pad_reference(call_: Call, x: Any, paddings: Any, value: Any = None) -> Any:
    if np.any(paddings < 0):
        raise invalid(f"paddings must not be negative: {paddings.tolist()}")
    if len(paddings) != x.ndim:
        raise invalid(f"paddings has {len(paddings)} rows for shape {list(x.shape)}")
    fill = np.zeros((), x.dtype) if value is None else value
    if x.ndim == 0:
        return x
    return np.pad(x, paddings, constant_values=fill)


def _pad_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    """dx is the part of dy that the input fills; what frames it goes to the constant."""
    paddings, x = op.inputs[1], op.inputs[0]
    before = constant_value(paddings)
    if before is not None:
        begin: Any = np.ascontiguousarray(before[:, 0])
    else:
        begin = call.Reshape(call.Slice(paddings, [0, 0], [-1, 1]), [-1])
    begin = convert_to_tensor(begin)
    if is_fully_known(x.dims):
        size = convert_to_tensor(np.array(x.dims, begin.dtype.np))
    else:
        size = _like(call.Shape(x), begin)
    dx = call.Slice(dy, begin, size)
    if len(op.inputs) == 2:
        return dx, None

    def total(t: Tensor) -> Tensor:
        return call.Sum(t, call.Range(0, call.Rank(t), 1))

    return dx, None, total(dy) - total(dx)


_PAD_SAMPLES = (
    (f32(2, 3), i32([[1, 2], [0, 1]])),
    (f32(3), i32([[0, 0]])),
    (f32(0), i32([[1, 1]])),
)
_PAD_ERRORS = (
    (ValueError, r"paddings has 1 rows for shape \[2, 3\]", f32(2, 3), i32([[1, 1]])),
    (ValueError, r"must have shape \[rank, 2\], not \[2\]", f32(2), i32([1, 1])),
    (ValueError, "must not be negative", f32(2), i32([[-1, 1]])),
)

define(
    "Pad",
    "input: T, paddings: Tpaddings -> output: T",
    T=dtypes_of(ALL),
    Tpaddings=dtypes_of(INDEX, int32),
    infer=_pad_infer,
    kernel=Custom("pad", parts=True, moves=True),
    grad=_pad_grad,
    reference=_pad_reference,
    samples=[sample(*given, const=(1,)) for given in _PAD_SAMPLES],
    errors=[error_sample(*given, const=(1,)) for given in _PAD_ERRORS],
    doc="``input`` with paddings[i, 0] zeros before and paddings[i, 1] behind it along axis i.",
)

define(
    "PadV2",
    "input: T, paddings: Tpaddings, constant_values: T -> output: T",
    T=dtypes_of(ALL),
    Tpaddings=dtypes_of(INDEX, int32),
    infer=_pad_infer,
    kernel=Custom("pad", parts=True, moves=True),
    grad=_pad_grad,
    reference=_pad_reference,
    samples=[sample(*given, np.float32(1.5), const=(1,)) for given in _PAD_SAMPLES],
    errors=[error_sample(*given, np.float32(0), const=(1,)) for given in _PAD_ERRORS],
    doc="``input`` framed by ``constant_values``, as Pad frames by zeros.",
)


@export("pad")
def pad(
    tensor: Any,
    paddings: Any,
    mode: str = "CONSTANT",
    name: str | None = None,
    constant_values: Any = 0,
) -> Tensor:
    """``tensor`` with a frame of constants, or of its own mirror image.

    Args:
        tensor: a tensor of n axes.
        paddings: (n, 2) integers: how many to add before and behind each axis.
        mode: CONSTANT; REFLECT (the element at the border is not repeated) or SYMMETRIC (it is),
            in any case.
        name: of the operation; ``Pad`` by default (``PadV2`` for another constant than 0,
            ``MirrorPad`` for the other modes).
        constant_values: the scalar to frame with.

    Raises:
        ValueError: the paddings do not fit, ask for more than there is to mirror, or the mode is
            another.

    Gradient: dy within the frame; to the constant, the sum of the frame; of a mirror image, dy
    added to what it shows.

    >>> tf.Session().run(tf.pad([[1, 2]], [[0, 1], [1, 1]]))
    array([[0, 1, 2, 0],
           [0, 0, 0, 0]], dtype=int32)
    >>> print(tf.Session().run(tf.pad([1, 2, 3], [[2, 2]], "REFLECT")))
    [3 2 1 2 3 2 1]
    """
    if mode.upper() in ("REFLECT", "SYMMETRIC"):
        return apply_op("MirrorPad", tensor, paddings, mode=mode.upper(), name=name)
    if mode.upper() != "CONSTANT":
        raise ValueError(f"pad: mode {mode!r} is not CONSTANT, REFLECT or SYMMETRIC")
    if not isinstance(constant_values, Tensor) and constant_values == 0:
        return apply_op("Pad", tensor, paddings, name=name)
    return apply_op("PadV2", tensor, paddings, constant_values, name=name)


# ---------------------------------------------------------------------------------------- reverse


def _reverse_axes(axes: np.ndarray[Any, Any], rank: int) -> tuple[int, ...]:
    chosen = normalize_axes(axes.tolist(), rank)
    if len(chosen) != axes.size:
        raise ShapeError(f"axis {axes.tolist()} names an axis twice")
    return chosen


def _reverse_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[1], 1, "axis")
    axes, dims = call_.value(1), call_.shapes[0]
    if axes is not None and dims is not None:
        _reverse_axes(axes, len(dims))
    return [dims]


def _reverse_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    axes = call_.value(1)
    if axes is None:
        return None
    turned = _reverse_axes(axes, len(shape))
    offset = sum((shape[a] - 1) * strides[a] for a in turned if shape[a])
    return offset, shape, tuple(-s if a in turned else s for a, s in enumerate(strides))


define(
    "ReverseV2",
    "tensor: T, axis: Tidx -> output: T",
    T=dtypes_of(ALL),
    Tidx=dtypes_of(INDEX, int32),
    infer=_reverse_infer,
    kernel=View(_reverse_layout),
    grad=lambda op, dy: (call.ReverseV2(dy, op.axis), None),
    reference=lambda call_, x, axes: np.flip(x, _reverse_axes(axes, x.ndim)),
    samples=(
        sample(f32(2, 3), i32([1]), const=(1,)),
        sample(f32(2, 3, 4), i32([0, -1]), const=(1,)),
        sample(f32(0, 3), i32([0]), const=(1,)),
        sample(f32(3), i32([]), const=(1,)),
        sample(f32(3), i32([0])),
    ),
    errors=(
        error_sample(ValueError, "axis 2 is out of range", f32(2, 3), i32([2]), const=(1,)),
        error_sample(ValueError, "names an axis twice", f32(2, 3), i32([1, -1]), const=(1,)),
    ),
    doc="``tensor`` turned round along each of the axes ``axis``.",
)


@export("reverse", "reverse_v2", "manip.reverse")
def reverse(tensor: Any, axis: Sequence[int] | Any, name: str | None = None) -> Tensor:
    """``tensor`` turned round along each of the given axes.

    Args:
        tensor: a tensor.
        axis: a list of axes, each once.
        name: of the operation; ``ReverseV2`` by default.

    Raises:
        ValueError: an axis is out of range or named twice.

    Gradient: dy turned round again.
    Cost: none: a view.

    >>> tf.Session().run(tf.reverse([[1, 2, 3]], [1]))
    array([[3, 2, 1]], dtype=int32)
    """
    return apply_op("ReverseV2", tensor, axis, name=name)
