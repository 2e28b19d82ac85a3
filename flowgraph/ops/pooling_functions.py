"""tf.nn.max_pool, avg_pool and their kin: windows of any rank and data format, by name.

Read next: pooling.py, pooling_average.py (the records).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.pooling_windows import CHANNELS
from flowgraph.ops.rules import one_name
from flowgraph.ops.space_batch import required_space_to_batch_paddings

#: Rank -> data formats and those of the op that does it.
_FORMATS = {3: {"NWC": "NHWC", "NCW": "NCHW"}, **{r: {f: f for f in CHANNELS[r]} for r in (4, 5)}}


def _per_axis(numbers: Any, space: int, data_format: str, what: str) -> list[int]:
    """``numbers`` for each of the axes of the format: given for all, for those of space, or one."""
    listed = [int(n) for n in numbers] if isinstance(numbers, Sequence) else [int(numbers)]
    if len(listed) == space + 2:
        return listed
    if len(listed) == 1:
        listed = listed * space
    if len(listed) != space:
        raise ValueError(
            f"{what} should be of length 1, {space} or {space + 2}, not {len(listed)}: {listed}"
        )
    return [1, 1, *listed] if data_format.startswith("NC") else [1, *listed, 1]


def _format(function: str, data_format: str | None, rank: int) -> str:
    known = _FORMATS[rank]
    data_format = data_format or next(iter(known))
    if data_format not in known:
        choices = " or ".join(known)
        raise ValueError(f"{function}: data_format must be {choices}, not {data_format!r}")
    return data_format


def _pool(
    function: str,
    kind: str,
    x: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None,
    rank: int,
    name: str | None,
) -> Tensor:
    """One pooling op of ``kind`` (Max, Avg) over tensors of ``rank`` 4 or 5."""
    data_format = _format(function, data_format, rank)
    k = _per_axis(ksize, rank - 2, data_format, "ksize")
    s = _per_axis(strides, rank - 2, data_format, "strides")
    type = f"{kind}Pool3D" if rank == 5 else f"{kind}Pool"
    return apply_op(
        type, x, ksize=k, strides=s, padding=padding, data_format=data_format, name=name
    )


def _pool_1d(
    function: str,
    kind: str,
    x: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None,
    name: str | None,
) -> Tensor:
    """Pooling of sequences: as images of one row."""
    data_format = _format(function, data_format, 3)
    row = 2 if data_format == "NCW" else 1
    k = _per_axis(ksize, 1, data_format, "ksize")
    s = _per_axis(strides, 1, data_format, "strides")
    with name_scope(name, "MaxPool1d" if kind == "Max" else "AvgPool1D", [x]) as scope:
        pooled = apply_op(
            f"{kind}Pool",
            call.ExpandDims(x, row),
            ksize=[*k[:row], 1, *k[row:]],
            strides=[*s[:row], 1, *s[row:]],
            padding=padding,
            data_format=_FORMATS[3][data_format],
            name=scope,
        )
        return call.Squeeze(pooled, squeeze_dims=[row])


def _given(function: str, value: Any, input: Any) -> Any:
    found = one_name(function, value=value, input=input)
    if found is None:
        raise TypeError(f"{function} needs an input")
    return found


@export("nn.max_pool")
def max_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The greatest element of every window of an image, channel by channel.

    y[n, i, j, c] = max over a, b of x[n, i*s + a - before, j*s + b - before, c]

    Args:
        value: (batch, height, width, channels), or as ``data_format`` says; any real dtype but
            uint32 and uint64.
        ksize: size of the window: one number, [height, width], or one for every axis (a window
            along the channels is allowed where those of space are 1).
        strides: how far windows are apart, as ``ksize``.
        padding: ``"VALID"`` (windows lie inside) or ``"SAME"`` (ceil(size / stride) windows, which
            stick out evenly, by the odd element behind; only elements inside count).
        data_format: ``"NHWC"`` or ``"NCHW"``.
        name: of the operation; ``MaxPool`` by default.
        input: another name of ``value``.

    Returns:
        A tensor of the dtype of ``value``.

    Raises:
        ValueError: the windows do not suit the image.

    Gradient: dy, where the window's first maximum lies in row-major order; second order likewise.
    Numerics: NaN in a window gives NaN.

    >>> x = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
    >>> tf.Session().run(tf.nn.max_pool(x, 2, 2, "VALID"))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """
    x = _given("max_pool", value, input)
    return _pool("max_pool", "Max", x, ksize, strides, padding, data_format, 4, name)


@export("nn.avg_pool", "nn.avg_pool2d")
def avg_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The average of every window of an image, channel by channel.

    With padding ``"SAME"`` a window that sticks out is averaged over its elements inside.

    Args:
        value: (batch, height, width, channels), or as ``data_format`` says; float.
        ksize, strides, padding, data_format: see ``max_pool``.
        name: of the operation; ``AvgPool`` by default.
        input: another name of ``value``.

    Returns:
        A tensor of the dtype of ``value``.

    Raises:
        ValueError: the windows do not suit the image.

    Gradient: dy divided evenly over the elements of its window.

    >>> x = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    >>> tf.Session().run(tf.nn.avg_pool(x, 2, 2, "SAME"))[0, :, :, 0]
    array([[2. , 3.5],
           [6.5, 8. ]], dtype=float32)
    """
    x = _given("avg_pool", value, input)
    return _pool("avg_pool", "Avg", x, ksize, strides, padding, data_format, 4, name)


@export("nn.max_pool2d")
def max_pool2d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """``max_pool`` under another name.

    Args:
        input, ksize, strides, padding, data_format: see ``max_pool``.
        name: of the operation; ``MaxPool2d`` by default.
    """
    with name_scope(name, "MaxPool2d", [input]) as scope:
        return _pool("max_pool2d", "Max", input, ksize, strides, padding, data_format, 4, scope)


@export("nn.max_pool1d")
def max_pool1d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NWC",
    name: str | None = None,
) -> Tensor:
    """The greatest element of every window of a sequence, channel by channel.

    Args:
        input: (batch, width, channels), or (batch, channels, width) for ``"NCW"``.
        ksize, strides: one number, or one for every axis.
        padding, data_format: see ``max_pool``; ``"NWC"`` or ``"NCW"``.
        name: of the operations; ``MaxPool1d`` by default.

    Raises:
        ValueError: the windows do not suit the sequence.

    Gradient: see ``max_pool``.

    >>> tf.Session().run(tf.nn.max_pool1d([[[1.0], [3.0], [2.0]]], 2, 2, "SAME"))[0, :, 0]
    array([3., 2.], dtype=float32)
    """
    return _pool_1d("max_pool1d", "Max", input, ksize, strides, padding, data_format, name)


@export("nn.avg_pool1d")
def avg_pool1d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NWC",
    name: str | None = None,
) -> Tensor:
    """The average of every window of a sequence, channel by channel.

    Args:
        input: (batch, width, channels), or (batch, channels, width) for ``"NCW"``; float.
        ksize, strides, padding, data_format: see ``max_pool1d``.
        name: of the operations; ``AvgPool1D`` by default.

    Raises:
        ValueError: the windows do not suit the sequence.

    Gradient: see ``avg_pool``.

    >>> tf.Session().run(tf.nn.avg_pool1d([[[1.0], [3.0], [2.0]]], 2, 2, "SAME"))[0, :, 0]
    array([2., 2.], dtype=float32)
    """
    return _pool_1d("avg_pool1d", "Avg", input, ksize, strides, padding, data_format, name)


@export("nn.max_pool3d")
def max_pool3d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NDHWC",
    name: str | None = None,
) -> Tensor:
    """The greatest element of every window of a volume, channel by channel.

    Args:
        input: (batch, depth, height, width, channels), or as ``data_format`` says; float.
        ksize, strides: one number, three, or five.
        padding: see ``max_pool``.   data_format: ``"NDHWC"`` or ``"NCDHW"``.
        name: of the operation; ``MaxPool3D`` by default.

    Raises:
        ValueError: the windows do not suit the volume.

    Gradient: see ``max_pool``.
    """
    return _pool("max_pool3d", "Max", input, ksize, strides, padding, data_format, 5, name)


@export("nn.avg_pool3d")
def avg_pool3d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NDHWC",
    name: str | None = None,
) -> Tensor:
    """The average of every window of a volume, channel by channel.

    Args:
        input, ksize, strides, padding, data_format: see ``max_pool3d``.
        name: of the operation; ``AvgPool3D`` by default.

    Raises:
        ValueError: the windows do not suit the volume.

    Gradient: see ``avg_pool``.
    """
    return _pool("avg_pool3d", "Avg", input, ksize, strides, padding, data_format, 5, name)


def _any_rank(
    function: str,
    kind: str,
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None,
    name: str | None,
) -> Tensor:
    """Pooling of sequences, images or volumes, by the rank of ``input`` or the format."""
    x = convert_to_tensor(input, name="input")
    rank = len(data_format or "") if x.dims is None else len(x.dims)
    if rank not in _FORMATS:
        raise ValueError(f"{function}: input must be of rank 3, 4 or 5, not of shape {x.shape}")
    if rank == 3:
        return _pool_1d(function, kind, x, ksize, strides, padding, data_format, name)
    return _pool(function, kind, x, ksize, strides, padding, data_format, rank, name)


@export("nn.max_pool_v2")
def max_pool_v2(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The greatest element of every window of a sequence, an image or a volume.

    Args:
        input: a tensor of rank 3, 4 or 5.
        ksize, strides: one number, one for every axis of space, or one for every axis.
        padding: see ``max_pool``.
        data_format: channels last by default; ``"NCW"``, ``"NCHW"``, ``"NCDHW"``: first.
        name: of the operation; ``MaxPool``, ``MaxPool1d`` or ``MaxPool3D`` by default.

    Raises:
        ValueError: the rank is another or unknown, or the windows do not suit.

    Gradient: see ``max_pool``.
    """
    return _any_rank("max_pool_v2", "Max", input, ksize, strides, padding, data_format, name)


@export("nn.avg_pool_v2")
def avg_pool_v2(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The average of every window of a sequence, an image or a volume.

    Args:
        input, ksize, strides, padding, data_format: see ``max_pool_v2``.
        name: of the operation; ``AvgPool``, ``AvgPool1D`` or ``AvgPool3D`` by default.

    Raises:
        ValueError: the rank is another or unknown, or the windows do not suit.

    Gradient: see ``avg_pool``.
    """
    return _any_rank("avg_pool_v2", "Avg", input, ksize, strides, padding, data_format, name)


def _spatial(numbers: Any, space: int, what: str) -> list[int]:
    """One positive number for each axis of space; 1 by default."""
    listed = [1] * space if numbers is None else [int(n) for n in np.reshape(numbers, -1)]
    if len(listed) != space or min(listed) < 1:
        raise ValueError(f"pool: {what} must be {space} positive numbers, not {listed}")
    return listed


@export("nn.pool")
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    padding: str,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Pooling of sequences, images or volumes whose windows may have gaps.

    y[i] = max (or average) over a of x[i*s + a*r - before]

    Args:
        input: (batch, space, channels), with one to three axes of space.
        window_shape: size of the window along every axis of space.
        pooling_type: ``"MAX"`` or ``"AVG"``.
        padding: see ``max_pool``; ``"VALID"`` with dilations.
        dilation_rate: r, how far elements of a window are apart; 1 by default.
        strides: s, how far windows are apart; 1 by default, and 1 with dilations.
        name: of the operations; ``max_pool`` or ``avg_pool`` by default.
        data_format: channels last by default; ``"NCW"``, ``"NCHW"``, ``"NCDHW"``: first.
        dilations: another name of ``dilation_rate``.

    Raises:
        ValueError: the windows do not suit, or dilations meet strides or ``"SAME"``.

    Gradient: as of ``max_pool`` and ``avg_pool``.

    >>> x = tf.constant([1.0, 5.0, 2.0, 3.0, 0.0], shape=[1, 5, 1])
    >>> tf.Session().run(tf.nn.pool(x, [2], "MAX", "VALID", dilation_rate=[2]))[0, :, 0]
    array([2., 5., 2.], dtype=float32)
    """
    kinds = {"MAX": "Max", "AVG": "Avg"}
    if pooling_type not in kinds:
        raise ValueError(f"pool: pooling_type must be MAX or AVG, not {pooling_type!r}")
    kind, window = kinds[pooling_type], [int(n) for n in window_shape]
    space = len(window)
    if not 1 <= space <= 3:
        raise ValueError(f"pool: window_shape must hold 1, 2 or 3 numbers, not {window}")
    step = _spatial(strides, space, "strides")
    rates = one_name("pool", dilation_rate=dilation_rate, dilations=dilations)
    rate = _spatial(rates, space, "dilation_rate")
    with name_scope(name, f"{pooling_type.lower()}_pool", [input]) as scope:
        x = convert_to_tensor(input, name="input")
        if x.dims is not None and len(x.dims) != space + 2:
            raise ValueError(f"pool: input must have rank {space + 2}, not shape {x.shape}")
        given = ("pool", kind)
        if max(rate) == 1:
            if space == 1:
                return _pool_1d(*given, x, window, step, padding, data_format, scope)
            return _pool(*given, x, window, step, padding, data_format, space + 2, scope)
        if max(step) > 1:
            raise ValueError(f"pool: strides {step} with dilation_rate {rate}: one must be 1")
        if padding != "VALID":
            raise ValueError(f"pool: dilation_rate {rate} needs padding VALID, not {padding!r}")
        # What a window with gaps sees lies side by side in one of the images of a batch.
        first = (data_format or "").startswith("NC")
        block = [1, *rate] if first else rate
        axes = range(1, len(block) + 1)
        if x.dims is not None and None not in x.dims[1 : len(block) + 1]:
            sizes: Any = [x.dims[axis] for axis in axes]
        else:
            sizes = call.Slice(call.Shape(x), [1], [len(block)])
        frame, crops = required_space_to_batch_paddings(sizes, block)
        apart = call.SpaceToBatchND(x, block, frame)
        if space == 1:
            pooled = _pool_1d(*given, apart, window, step, padding, data_format, None)
        else:
            pooled = _pool(*given, apart, window, step, padding, data_format, space + 2, None)
        return call.BatchToSpaceND(pooled, block, crops)
