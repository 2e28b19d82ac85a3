"""Tensors put together and taken apart along an axis: concat, stack, split, unstack.

Splitting and unstacking are views of one input; joining copies every input into its part of the
output.

Read next: padding.py (tile, pad, reverse).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor, is_plain
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Custom,
    View,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import f32, i32, invalid, known_axis, only_one, require_rank
from flowgraph.shapes import Dims, ShapeError, format_dims, is_fully_known, merge, normalize_axis
from flowgraph.tensor_shape import dimension_value

# ----------------------------------------------------------------------------------------- concat


def _concat_infer(call_: Call) -> list[Dims]:
    parts, last = call_.shapes[:-1], len(call_.shapes) - 1
    rank = next((len(dims) for dims in parts if dims is not None), None)
    if rank == 0:
        raise ShapeError("scalars cannot be concatenated; use tf.stack")
    axis = known_axis(call_, last, rank)
    require_rank(call_.shapes[last], 0, "axis")
    if rank is None:
        return [None]
    if axis is None:
        for dims in parts:
            if dims is not None and len(dims) != rank:
                raise ShapeError(_ranks_differ(parts))
        return [(None,) * rank]
    total: int | None = 0
    rest: Dims = (None,) * (rank - 1)
    for dims in parts:
        if dims is None:
            total = None
            continue
        if len(dims) != rank:
            raise ShapeError(_ranks_differ(parts))
        try:
            rest = merge(rest, dims[:axis] + dims[axis + 1 :])
        except ShapeError:
            shown = ", ".join(format_dims(d) for d in parts)
            raise ShapeError(f"sizes other than along axis {axis} differ: {shown}") from None
        size = dims[axis]
        total = None if total is None or size is None else total + size
    assert rest is not None
    return [(*rest[:axis], total, *rest[axis:])]


def _ranks_differ(parts: Sequence[Dims]) -> str:
    return "the inputs differ in rank: " + ", ".join(format_dims(dims) for dims in parts)


def _concat_reference(call_: Call, *arrays: Any) -> Any:
    *parts, axis = arrays
    place = normalize_axis(only_one(axis, "axis"), parts[0].ndim)
    try:
        return np.concatenate(parts, place)
    except ValueError:
        shown = ", ".join(str(list(part.shape)) for part in parts)
        raise invalid(f"sizes other than along axis {place} differ: {shown}") from None


def _concat_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    """Each input takes its stretch of dy."""
    axis = constant_value(op.axis)
    if len(op.values) == 1:
        return dy, None
    sizes: Any
    place: Any
    if axis is not None and all(value.dims is not None for value in op.values):
        place = normalize_axis(int(axis), len(op.values[0].dims))
        sizes = [value.dims[place] for value in op.values]
        if None in sizes:
            sizes = [call.GatherV2(call.Shape(value), place, 0) for value in op.values]
    else:
        place = op.axis
        sizes = [
            call.GatherV2(call.Shape(value), call.FloorMod(place, call.Rank(value)), 0)
            for value in op.values
        ]
    if all(isinstance(size, int) for size in sizes):
        sizes = np.array(sizes, np.int32)
    else:
        sizes = call.Pack(sizes)
    return (*call.SplitV(dy, sizes, place, num_split=len(op.values)), None)


define(
    "ConcatV2",
    "values: N*T, axis: Tidx -> output: T",
    T=dtypes_of(ALL),
    N=Attr("int", REQUIRED),
    Tidx=dtypes_of(INDEX, int32),
    infer=_concat_infer,
    kernel=Custom("concat", parts=True, moves=True),
    grad=_concat_grad,
    reference=_concat_reference,
    samples=(
        sample([f32(2, 3), f32(2, 1, seed=1), f32(2, 2, seed=2)], i32(1), const=(1,)),
        sample([f32(2, 3), f32(4, 3, seed=1)], i32(-2), const=(1,)),
        sample([f32(3), f32(0), f32(2, seed=1)], i32(0), const=(1,)),
        sample([i32([1]), i32([2, 3])], i32(0), const=(1,)),
    ),
    errors=(
        error_sample(ValueError, r"other than along axis 1 differ: \[2, 3\], \[3, 3\]",
                     [f32(2, 3), f32(3, 3)], i32(1), const=(1,)),
        error_sample(ValueError, "differ in rank", [f32(2), f32(2, 2)], i32(0), const=(1,)),
        error_sample(ValueError, "axis 2 is out of range",
                     [f32(2, 3), f32(2, 3)], i32(2), const=(1,)),
        error_sample(ValueError, "scalars cannot be concatenated",
                     [f32(), f32()], i32(0), const=(1,)),
        error_sample(Exception, "differ", [f32(2, 3), f32(3, 3)], i32(1), stage="run"),
    ),
    doc="The inputs one behind the other along ``axis``.",
)  # fmt: skip


@export("concat")
def concat(values: Any, axis: Any, name: str | None = "concat") -> Tensor:
    """Tensors one behind the other along ``axis``.

    Args:
        values: a list of tensors of one dtype, whose sizes agree except along ``axis``.
        axis: an int, or an int32 scalar.
        name: of the operation.

    Returns:
        A tensor whose size along ``axis`` is the sum of the inputs'.

    Raises:
        ValueError: other sizes differ, or the axis is out of range.

    Gradient: to each input, its stretch of dy.

    >>> tf.Session().run(tf.concat([[[1, 2]], [[3, 4]]], axis=1))
    array([[1, 2, 3, 4]], dtype=int32)
    """
    if not isinstance(values, (list, tuple)):
        values = [values]
    if len(values) == 1:
        with name_scope(name, "concat"):
            axis = convert_to_tensor(axis, dtype=int32, name="concat_dim")
            axis.shape.assert_is_compatible_with([])
            return apply_op("Identity", values[0], name="concat")
    return apply_op("ConcatV2", list(values), axis, name=name or "concat")


# ------------------------------------------------------------------------------------------ stack


def _pack_infer(call_: Call) -> list[Dims]:
    merged: Dims = None
    for dims in call_.shapes:
        try:
            merged = merge(merged, dims)
        except ShapeError:
            shown = ", ".join(format_dims(d) for d in call_.shapes)
            raise ShapeError(f"the inputs must have one shape: {shown}") from None
    if merged is None:
        return [None]
    axis = normalize_axis(call_.attrs["axis"], len(merged) + 1)
    return [(*merged[:axis], len(call_.shapes), *merged[axis:])]


def _pack_reference(call_: Call, *arrays: Any) -> Any:
    if any(array.shape != arrays[0].shape for array in arrays):
        shown = ", ".join(str(list(array.shape)) for array in arrays)
        raise invalid(f"the inputs must have one shape: {shown}")
    return np.stack(arrays, call_.attrs["axis"])


def _pack_grad(op: Any, dy: Any) -> Any:
    return call.Unpack(dy, num=op.attrs["N"], axis=op.attrs["axis"])


define(
    "Pack",
    "values: N*T -> output: T",
    T=dtypes_of(ALL),
    N=Attr("int", REQUIRED),
    axis=0,
    infer=_pack_infer,
    kernel=Custom("pack", parts=True, moves=True),
    grad=_pack_grad,
    reference=_pack_reference,
    samples=(
        sample([f32(2, 3), f32(2, 3, seed=1)]),
        sample([f32(2, 3), f32(2, 3, seed=1), f32(2, 3, seed=2)], axis=-1),
        sample([f32(), f32(seed=1)]),
        sample([f32(0, 2), f32(0, 2)], axis=1),
    ),
    errors=(
        error_sample(ValueError, r"must have one shape: \[2\], \[3\]", [f32(2), f32(3)]),
        error_sample(ValueError, "axis 2 is out of range", [f32(2), f32(2)], axis=2),
        error_sample(Exception, "must have one shape", [f32(2), f32(3)], stage="run"),
    ),
    doc="Tensors of one shape side by side along a new axis.",
)


@export("stack")
def stack(values: Any, axis: int = 0, name: str | None = "stack") -> Tensor:
    """Tensors of one shape side by side along a new axis.

    Args:
        values: a list of tensors of one shape and dtype.
        axis: where the new axis stands in the result; negative counts from the end.
        name: of the operation.

    Raises:
        ValueError: the shapes differ, or the axis is out of range.

    Gradient: to each input, its slice of dy.

    >>> tf.Session().run(tf.stack([[1, 2], [3, 4]], axis=1))
    array([[1, 3],
           [2, 4]], dtype=int32)
    """
    if axis == 0 and _holds_no_tensor(values):
        try:
            return convert_to_tensor(values, name=name)
        except (TypeError, ValueError):
            pass  # unequal shapes: Pack names them
    if isinstance(values, Tensor):
        values = call.Unpack(values, num=_length(values, 0, "stack"))
    return apply_op("Pack", list(values), axis=axis, name=name or "stack")


def _holds_no_tensor(values: Any) -> bool:
    if isinstance(values, (list, tuple)):
        return all(_holds_no_tensor(value) for value in values)
    return is_plain(values)


# ---------------------------------------------------------------------------------------- unstack


def _length(value: Tensor, axis: int, function: str) -> int:
    """The static size of ``value`` along ``axis``; ValueError when it is not known."""
    size = None
    if value.dims is not None:
        size = value.dims[normalize_axis(axis, len(value.dims))]
    if size is None:
        raise ValueError(
            f"{function}: the size of {value.name!r} {format_dims(value.dims)} along axis {axis} "
            "is not known; give num"
        )
    return size


def _unpack_infer(call_: Call) -> list[Dims]:
    dims, count = call_.shapes[0], call_.attrs["num"]
    if dims is None:
        return [None] * count
    axis = normalize_axis(call_.attrs["axis"], len(dims))
    if dims[axis] is not None and dims[axis] != count:
        raise ShapeError(
            f"num is {count}, axis {axis} of {format_dims(dims)} has size {dims[axis]}"
        )
    return [dims[:axis] + dims[axis + 1 :]] * count


def _unpack_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    axis = normalize_axis(call_.attrs["axis"], len(shape))
    kept = shape[:axis] + shape[axis + 1 :], strides[:axis] + strides[axis + 1 :]
    step = strides[axis] if 0 not in shape else 0  # no element lies anywhere
    return [(i * step, *kept) for i in range(shape[axis])]


def _unpack_reference(call_: Call, x: Any) -> Any:
    axis = normalize_axis(call_.attrs["axis"], x.ndim)
    count = call_.attrs["num"]
    if x.shape[axis] != count:
        raise invalid(f"num is {count}, axis {axis} of {list(x.shape)} has size {x.shape[axis]}")
    return tuple(np.take(x, i, axis) for i in range(count))


def given_or_zeros(dys: Sequence[Any], outputs: Sequence[Tensor]) -> list[Any]:
    """``dys`` with zeros for outputs that nothing depends on."""
    return [call.ZerosLike(y) if dy is None else dy for dy, y in zip(dys, outputs, strict=True)]


define(
    "Unpack",
    "value: T -> output: num*T",
    T=dtypes_of(ALL),
    num=Attr("int", REQUIRED),
    axis=0,
    infer=_unpack_infer,
    kernel=View(_unpack_layout, split=True),
    grad=lambda op, *dys: (call.Pack(given_or_zeros(dys, op.outputs), axis=op.attrs["axis"]),),
    reference=_unpack_reference,
    samples=(
        sample(f32(3, 2), num=3),
        sample(f32(2, 3, 4), num=3, axis=-2),
        sample(f32(2), num=2),
        sample(f32(2, 0), num=2),
    ),
    errors=(
        error_sample(ValueError, r"num is 2, axis 0 of \[3\] has size 3", f32(3), num=2),
        error_sample(Exception, "num is 2", f32(3), num=2, stage="run"),
    ),
    doc="The slices of ``value`` along ``axis``, which goes.",
)


@export("unstack")
def unstack(
    value: Any, num: int | None = None, axis: int = 0, name: str | None = "unstack"
) -> list[Tensor]:
    """The slices of ``value`` along an axis, as a list.

    Args:
        value: a tensor.
        num: its size along the axis; needed where that is not known.
        axis: which axis goes.
        name: of the operation.

    Raises:
        ValueError: the size is not known, or is not ``num``.

    Gradient: the dys stacked.
    Cost: none: views.

    >>> a, b = tf.unstack([[1, 2], [3, 4]])
    >>> tf.Session().run(b)
    array([3, 4], dtype=int32)
    """
    value = convert_to_tensor(value, name="value")
    if num is None:
        num = _length(value, axis, "unstack")
    return apply_op("Unpack", value, num=num, axis=axis, name=name or "unstack")


# ------------------------------------------------------------------------------------------ split


def _split_infer(call_: Call) -> list[Dims]:
    dims, count = call_.shapes[1], call_.attrs["num_split"]
    axis = known_axis(call_, 0, None if dims is None else len(dims), "split_dim")
    if dims is None:
        return [None] * count
    if axis is None:
        return [(None,) * len(dims)] * count
    size = dims[axis]
    if size is not None and size % count:
        raise ShapeError(
            f"{count} equal parts cannot be made of axis {axis} of {format_dims(dims)}"
        )
    part = None if size is None else size // count
    return [(*dims[:axis], part, *dims[axis + 1 :])] * count


def _parts(
    shape: Sequence[int], strides: Sequence[int], axis: int, sizes: Sequence[int]
) -> list[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Views of stretches of ``sizes`` along ``axis``, one behind the other."""
    views, first = [], 0
    step = strides[axis] if 0 not in shape else 0  # no element lies anywhere
    for size in sizes:
        part = (*shape[:axis], size, *shape[axis + 1 :])
        views.append((first * step, part, tuple(strides)))
        first += size
    return views


def _split_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    axis = known_axis(call_, 0, len(shape), "split_dim")
    if axis is None:
        return None
    count = call_.attrs["num_split"]
    return _parts(shape, strides, axis, [shape[axis] // count] * count)


def _split_reference(call_: Call, axis: Any, x: Any) -> Any:
    place, count = normalize_axis(only_one(axis, "split_dim"), x.ndim), call_.attrs["num_split"]
    if x.shape[place] % count:
        raise invalid(f"{count} equal parts cannot be made of axis {place} of {list(x.shape)}")
    return tuple(np.split(x, count, place))


define(
    "Split",
    "split_dim: int32, value: T -> output: num_split*T",
    T=dtypes_of(ALL),
    num_split=Attr("int", REQUIRED),
    infer=_split_infer,
    kernel=View(_split_layout, source=1, split=True),
    grad=lambda op, *dys: (None, call.ConcatV2(given_or_zeros(dys, op.outputs), op.split_dim)),
    reference=_split_reference,
    samples=(
        sample(i32(1), f32(2, 6), num_split=3, const=(0,)),
        sample(i32(-1), f32(2, 6), num_split=2, const=(0,)),
        sample(i32(0), f32(2, 3), num_split=1, const=(0,)),
        sample(i32(0), f32(0, 3), num_split=2, const=(0,)),
    ),
    errors=(
        error_sample(ValueError, r"4 equal parts cannot be made of axis 1 of \[2, 6\]",
                     i32(1), f32(2, 6), num_split=4, const=(0,)),
        error_sample(Exception, "equal parts", i32(1), f32(2, 6), num_split=4, stage="run"),
    ),
    doc="``num_split`` equal parts of ``value`` along ``split_dim``.",
)  # fmt: skip


def _final_sizes(sizes: Sequence[int], extent: int | None) -> list[int | None]:
    """``sizes`` with the one -1 replaced by what is left; ShapeError when they do not fit."""
    if list(sizes).count(-1) > 1:
        raise ShapeError(f"only one of size_splits {list(sizes)} may be -1")
    known = sum(size for size in sizes if size != -1)
    if extent is not None and (known > extent if -1 in sizes else known != extent):
        raise ShapeError(f"size_splits {list(sizes)} do not add up to the size {extent}")
    rest = None if extent is None else extent - known
    return [rest if size == -1 else int(size) for size in sizes]


def _split_v_infer(call_: Call) -> list[Dims]:
    dims, count = call_.shapes[0], call_.attrs["num_split"]
    (given,) = require_rank(call_.shapes[1], 1, "size_splits")
    if given is not None and given != count:
        raise ShapeError(f"size_splits has {given} elements for {count} parts")
    axis = known_axis(call_, 2, None if dims is None else len(dims), "split_dim")
    if dims is None:
        return [None] * count
    sizes = call_.value(1)
    if axis is None:
        return [(None,) * len(dims)] * count
    parts: Sequence[int | None] = [None] * count
    if sizes is not None:
        parts = _final_sizes(sizes.tolist(), dims[axis])
    return [(*dims[:axis], part, *dims[axis + 1 :]) for part in parts]


def _split_v_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    axis, sizes = known_axis(call_, 2, len(shape), "split_dim"), call_.value(1)
    if axis is None or sizes is None:
        return None
    return _parts(shape, strides, axis, _final_sizes(sizes.tolist(), shape[axis]))  # type: ignore[arg-type]


def _split_v_reference(call_: Call, x: Any, sizes: Any, axis: Any) -> Any:
    place = normalize_axis(only_one(axis, "split_dim"), x.ndim)
    try:
        parts = _final_sizes(sizes.tolist(), x.shape[place])
    except ShapeError as error:
        raise invalid(error.headline) from None
    cuts = np.cumsum(np.array(parts, np.int64))[:-1]
    return tuple(np.split(x, cuts, place))


define(
    "SplitV",
    "value: T, size_splits: Tlen, split_dim: int32 -> output: num_split*T",
    T=dtypes_of(ALL),
    Tlen=dtypes_of(INDEX, int64),
    num_split=Attr("int", REQUIRED),
    infer=_split_v_infer,
    kernel=View(_split_v_layout, split=True),
    grad=lambda op, *dys: (
        call.ConcatV2(given_or_zeros(dys, op.outputs), op.split_dim), None, None,
    ),
    reference=_split_v_reference,
    samples=(
        sample(f32(2, 6), i32([1, 3, 2]), i32(1), num_split=3, const=(1, 2)),
        sample(f32(5, 2), i32([2, -1]), i32(0), num_split=2, const=(1, 2)),
        sample(f32(4), i32([4, 0]), i32(0), num_split=2, const=(1, 2)),
    ),
    errors=(
        error_sample(ValueError, r"\[1, 3\] do not add up to the size 6",
                     f32(2, 6), i32([1, 3]), i32(1), num_split=2, const=(1, 2)),
        error_sample(Exception, "do not add up",
                     f32(2, 6), i32([1, 3]), i32(1), num_split=2, stage="run"),
    ),
    doc="Parts of ``value`` of the given sizes along ``split_dim``.",
)  # fmt: skip


@export("split")
def split(
    value: Any,
    num_or_size_splits: Any,
    axis: Any = 0,
    num: int | None = None,
    name: str | None = "split",
) -> list[Tensor]:
    """Parts of ``value`` along an axis, as a list.

    Args:
        value: a tensor.
        num_or_size_splits: a number of equal parts, or a list (or tensor) of their sizes, one of
            which may be -1: what is left.
        axis: the axis that is cut.
        num: the number of parts, where the sizes are a tensor of unknown length.
        name: of the operation.

    Raises:
        ValueError: the parts do not make up the axis.

    Gradient: the dys concatenated.
    Cost: none: views.

    >>> [t.shape.as_list() for t in tf.split(tf.zeros([2, 6]), [1, 3, 2], axis=1)]
    [[2, 1], [2, 3], [2, 2]]
    """
    parts = dimension_value(num_or_size_splits)
    if isinstance(parts, (int, np.integer)):
        return apply_op("Split", axis, value, num_split=int(parts), name=name or "split")
    sizes = convert_to_tensor(parts)
    if sizes.dims == ():
        raise ValueError("split: a scalar tensor cannot be the number of parts; give an int")
    if num is None:
        if not is_fully_known(sizes.dims):
            raise ValueError("split: the number of parts is not known; give num")
        num = sizes.dims[0]  # type: ignore[index]
    return apply_op("SplitV", value, sizes, axis, num_split=num, name=name or "split")
