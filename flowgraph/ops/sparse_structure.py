"""Sparse tensors put together and taken apart: concat, split, slice.

Read next: sparse_rearranging.py, sparse_functions.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, NUMERIC, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import (
    concrete,
    f32,
    invalid,
    one_name,
    only_one,
    require_rank,
)
from flowgraph.ops.sparse_loops import SLICE, SLICE_GRAD, SPLIT
from flowgraph.ops.sparse_rules import (
    SORT_ROWS,
    as_sparse,
    check_sparse,
    parts,
    slopes_at,
    sort_scratch,
    sorted_rows,
    sparse_parts,
    sparse_result,
    sparse_sample,
)
from flowgraph.shapes import (
    Dims,
    ShapeError,
    merge,
    merge_size,
    normalize_axis,
)

_ONE = sparse_sample(np.where(f32(3, 4) > 0, f32(3, 4), np.float32(0)))
_TWO = sparse_sample(np.where(f32(3, 4, seed=1) > 0, f32(3, 4, seed=1), np.float32(0)))
_NONE = np.zeros((0, 2), np.int64), f32(0), np.array([3, 4])
_WORDS = sparse_sample(np.array([[b"a", b""], [b"", b"b"]], object))

# ----------------------------------------------------------------------------------------- concat


def _concat_infer(call_: Call) -> list[Dims]:
    count = len(call_.shapes) // 3
    total: int | None = 0
    rank: int | None = None
    for k in range(count):
        indices, values, shape = (call_.shapes[part * count + k] for part in range(3))
        one = Call(call_.type, {}, (), [indices, values, shape])
        size, axes = sparse_parts(one, 0, f"input {k}:")
        total = None if total is None or size is None else total + size
        try:
            rank = merge_size(rank, axes)
        except ShapeError:
            raise ShapeError(f"input {k} has {axes} axes, those before it {rank}") from None
    if rank is not None:
        normalize_axis(call_.attrs["concat_dim"], rank, "concat_dim")
    return sparse_result(rank, total)


_CONCAT = """
for d in range(rank):
    store(last, d, int64(0))
{counts_of}
first = int64_pointer(slot(block, shapes))
whole = int64(0)
for j in range(lists):
    shape = int64_pointer(slot(block, shapes + j))
    for d in range(rank):
        if d == axis:
            whole += load(shape, d)
        elif load(shape, d) != load(first, d):
            return 3
for d in range(rank):
    store(output_shape, d, whole if d == axis else load(first, d))
turned = int64(0)
start = int64(0)
m = int64(0)
for j in range(lists):
    shape = int64_pointer(slot(block, shapes + j))
    rows = int64_pointer(slot(block, indices + j))
    for i in range(load(lengths, j)):
        step = int64(0)
        for d in range(rank):
            k = load(rows, i * rank + d)
            if k < 0 or k >= load(shape, d):
                return 2
            k = k + start if d == axis else k
            if step == 0:
                step = k - load(last, d)
            store(last, d, k)
        if m > 0 and step < 0:
            turned = int64(1)
        store(order, m, (j << 40) + i)
        m += 1
    store(starts, j, start)
    start += load(shape, axis)
{sort}
for i in range(m):
    source = load(order, at + i)
    j = source >> 40
    source = source & ((1 << 40) - 1)
    column = {T}_pointer(slot(block, values + j))
    rows = int64_pointer(slot(block, indices + j))
    store(output_values, i, load(column, source))
    for d in range(rank):
        k = load(rows, source * rank + d)
        store(output_indices, i * rank + d, k + load(starts, j) if d == axis else k)
return 0
"""


_CONCAT_KEY = """
        j = source >> 40
        rows = int64_pointer(slot(block, indices + j))
        key = load(rows, (source & ((1 << 40) - 1)) * rank + d)
        key = key + load(starts, j) if d == axis else key
"""


def _concat_lengths(call_: Call) -> list[int]:
    return [concrete(dims)[0] for dims in call_.shapes[: call_.attrs["N"]]]


def _concat_sizes(call_: Call) -> Mapping[str, int]:
    lengths, rank = _concat_lengths(call_), concrete(call_.shapes[0])[1]
    return {
        "lists": len(lengths), "rank": rank,
        "axis": normalize_axis(call_.attrs["concat_dim"], rank),
        **{f"n{j}": length for j, length in enumerate(lengths)},
    }  # fmt: skip


def _concat_choices(call_: Call) -> Mapping[str, str]:
    return {
        "sort": SORT_ROWS.format(key=_CONCAT_KEY.strip("\n")),
        "counts_of": "\n".join(f"store(lengths, {j}, n{j})" for j in range(call_.attrs["N"])),
    }


def _concat_reference(call_: Call, *given: Any) -> Any:
    count = len(given) // 3
    shapes = given[2 * count :]
    for k in range(count):
        check_sparse(given[k], given[count + k], shapes[k])
    axis = normalize_axis(call_.attrs["concat_dim"], shapes[0].size)
    start, moved = 0, []
    for k, shape in enumerate(shapes):
        if np.delete(shape, axis).tolist() != np.delete(shapes[0], axis).tolist():
            raise invalid(
                f"inputs of shape {shapes[0].tolist()} and {shape.tolist()} differ beside axis "
                f"{axis}"
            )
        step = np.zeros(shape.size, np.int64)
        step[axis] = start
        moved.append(given[k] + step)
        start += int(shape[axis])
    whole = shapes[0].copy()
    whole[axis] = start
    indices = np.concatenate(moved)
    order = sorted_rows(indices)
    return indices[order], np.concatenate(given[count : 2 * count])[order], whole


define(
    "SparseConcat",
    "indices: N*int64, values: N*T, shapes: N*int64 "
    "-> output_indices: int64, output_values: T, output_shape: int64",
    concat_dim=Attr("int", REQUIRED),
    N=Attr("int", REQUIRED),
    T=dtypes_of(ALL),
    infer=_concat_infer,
    kernel=Procedure(
        _CONCAT,
        sizes=_concat_sizes,
        moves=("T",),
        choices=_concat_choices,
        scratch=lambda call_: {
            **sort_scratch(sum(_concat_lengths(call_))),
            "lengths": ("int64", call_.attrs["N"]),
            "starts": ("int64", call_.attrs["N"]),
            "last": ("int64", concrete(call_.shapes[0])[1]),
        },
    ),
    grad=not_differentiable("TensorFlow defines none"),
    reference=_concat_reference,
    samples=(
        *(
            sample([_ONE[0], _TWO[0]], [_ONE[1], _TWO[1]], [_ONE[2], _TWO[2]], concat_dim=axis)
            for axis in (0, 1, -1)
        ),
        sample([_ONE[0], _NONE[0]], [_ONE[1], _NONE[1]], [_ONE[2], _NONE[2]], concat_dim=1),
        sample([_WORDS[0]] * 2, [_WORDS[1]] * 2, [_WORDS[2]] * 2, concat_dim=1),
    ),
    errors=(
        error_sample(ValueError, "concat_dim 2 is out of range", [_ONE[0]], [_ONE[1]], [_ONE[2]],
                     concat_dim=2),
        error_sample(Exception, "differ beside axis 0|invalid argument", [_ONE[0], _TWO[0]],
                     [_ONE[1], _TWO[1]], [_ONE[2], np.array([3, 5])], concat_dim=0, stage="run"),
    ),
    doc="Sparse tensors one behind the other along an axis.",
)  # fmt: skip


@export("sparse.concat", "sparse_concat")
def sparse_concat(
    axis: Any = None,
    sp_inputs: Any = None,
    name: str | None = None,
    expand_nonconcat_dim: bool = False,
    concat_dim: Any = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:
    """Sparse tensors one behind the other along an axis.

    Args:
        axis: along which; negative counts from the last.
        sp_inputs: a list of SparseTensors of equal rank, and equal sizes along the other axes.
        name: of the operation; ``SparseConcat`` by default.
        expand_nonconcat_dim: let sizes along the other axes differ: the greatest counts.
        concat_dim: older name of ``axis``.
        expand_nonconcat_dims: another name of ``expand_nonconcat_dim``.

    Raises:
        TypeError: an input is no SparseTensor.   ValueError: the axis is out of range.
        InvalidArgumentError: sizes differ (when run).

    Gradient: none, as in TensorFlow.

    >>> a = tf.SparseTensor([[0, 1]], [1], [1, 2])
    >>> b = tf.SparseTensor([[0, 0]], [2], [1, 3])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(tf.sparse_concat(1, [a, b]))))
    [[0 1 2 0 0]]
    """
    place = one_name("sparse_concat", axis=axis, concat_dim=concat_dim)
    if place is None or sp_inputs is None:
        raise TypeError("sparse_concat: axis and sp_inputs must be given")
    place = int(place)
    given = [as_sparse(x, "sparse_concat: an input") for x in sp_inputs]
    if len(given) == 1:
        return given[0]
    shapes = [x.dense_shape for x in given]
    static = [x.shape.dims and x.shape.as_list() for x in given]
    if expand_nonconcat_dim or expand_nonconcat_dims:
        shapes = _expanded(shapes, place)
        static = [None] * len(given)
    indices, values, shape = apply_op(
        "SparseConcat", [x.indices for x in given], [x.values for x in given], shapes,
        concat_dim=place, name=name,
    )  # fmt: skip
    return SparseTensor(indices, values, shape)._set_shape(_joined_dims(static, place))


def _expanded(shapes: Sequence[Tensor], axis: int) -> list[Tensor]:
    """Shapes with the greatest sizes, but for ``axis``."""
    table = call.Pack(list(shapes), axis=0)
    most = call.Max(table, [0])
    rank = call.Size(most)
    place = call.FloorMod(np.array(axis, np.int32), rank)
    along = call.Equal(call.Range(0, rank, 1), place)
    return [call.Select(along, shape, most) for shape in shapes]


def _joined_dims(shapes: Sequence[Any], axis: int) -> Dims:
    if any(shape is None for shape in shapes):
        return None
    sizes = [shape[axis] for shape in shapes]
    try:
        merged: Dims = None
        for shape in shapes:
            other = tuple(None if d == axis % len(shape) else n for d, n in enumerate(shape))
            merged = merge(merged, other)
    except ShapeError:
        return None  # the run tells
    assert merged is not None
    place = axis % len(merged)
    total = None if None in sizes else sum(sizes)
    return (*merged[:place], total, *merged[place + 1 :])


# ------------------------------------------------------------------------------------------ split


def _split_infer(call_: Call) -> list[Dims]:
    count = call_.attrs["num_split"]
    _, rank = sparse_parts(call_, 1)
    axis, shape = call_.value(0), call_.partial(3)
    if axis is not None and rank is not None:
        place = normalize_axis(int(axis.reshape(())), rank, "split_dim")
        size = None if shape is None else shape[place]
        if size is not None and count > size:
            raise ShapeError(f"{size} elements along axis {place} cannot be split into {count}")
    one = sparse_result(rank)
    return [dims for dims in one for _ in range(count)]


def _split_reference(call_: Call, axis: Any, indices: Any, values: Any, shape: Any) -> Any:
    check_sparse(indices, values, shape)
    count = call_.attrs["num_split"]
    place = normalize_axis(only_one(axis, "split_dim"), shape.size, "split_dim")
    size = int(shape[place])
    if not 1 <= count <= size:
        raise invalid(f"{size} elements along axis {place} cannot be split into {count}")
    # the first of them get what is left over
    sizes = np.full(count, size // count)
    sizes[: size % count] += 1
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    found: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for first, last in itertools.pairwise(bounds):
        chosen = (indices[:, place] >= first) & (indices[:, place] < last)
        rows, part = indices[chosen].copy(), shape.copy()
        rows[:, place] -= first
        part[place] = last - first
        for column, array in zip(found, (rows, values[chosen], part), strict=True):
            column.append(array)
    return (*found[0], *found[1], *found[2])


define(
    "SparseSplit",
    "split_dim: int64, indices: int64, values: T, shape: int64 "
    "-> output_indices: num_split*int64, output_values: num_split*T, output_shape: num_split*int64",
    num_split=Attr("int", REQUIRED),
    T=dtypes_of(ALL),
    infer=_split_infer,
    kernel=SPLIT,
    grad=not_differentiable("TensorFlow defines none"),
    reference=_split_reference,
    samples=(
        sample(np.array(1), *_ONE, num_split=2, const=(0,)),
        sample(np.array(-1), *_ONE, num_split=3, const=(0,)),
        sample(np.array(0), *_WORDS, num_split=2),
        sample(np.array(0), *_NONE, num_split=1),
    ),
    errors=(
        error_sample(ValueError, "4 elements along axis 1 cannot be split into 5",
                     np.array(1), *_ONE, num_split=5, const=(0, 3)),
        error_sample(Exception, "cannot be split into 5", np.array(1), *_ONE, num_split=5,
                     const=(0,), stage="run"),
    ),
    doc="A sparse tensor in ``num_split`` parts along an axis.",
)  # fmt: skip

_POSITIONAL = object()


@export("sparse.split", "sparse_split")
def sparse_split(
    keyword_required: Any = _POSITIONAL,
    sp_input: Any = None,
    num_split: Any = None,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> list[SparseTensor]:
    """A sparse tensor in parts along an axis; the first get what does not divide evenly.

    Args:
        keyword_required: give the other arguments by name.
        sp_input: a SparseTensor.
        num_split: into how many parts.
        axis: along which.
        name: of the operation; ``SparseSplit`` by default.
        split_dim: older name of ``axis``.

    Returns:
        A list of SparseTensors.

    Raises:
        ValueError: arguments are not given by name, or missing; there are fewer elements than
            parts.   TypeError: ``sp_input`` is no SparseTensor.

    Gradient: none, as in TensorFlow.

    >>> x = tf.SparseTensor([[0, 1], [0, 2]], [5, 6], [1, 4])
    >>> first, second = tf.sparse_split(sp_input=x, num_split=2, axis=1)
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(second)))
    [[6 0]]
    """
    if keyword_required is not _POSITIONAL:
        raise ValueError("sparse_split: its arguments must be given by name")
    place = one_name("sparse_split", axis=axis, split_dim=split_dim)
    for label, value in (("sp_input", sp_input), ("num_split", num_split), ("axis", place)):
        if value is None:
            raise ValueError(f"sparse_split: {label} must be given")
    x = as_sparse(sp_input, "sparse_split: sp_input")
    count = int(num_split)
    place = convert_to_tensor(place)
    place = place if place.dtype.base_dtype is int64 else call.Cast(place, DstT=int64)
    found = apply_op("SparseSplit", place, *parts(x), num_split=count, name=name)
    return [SparseTensor(*found[k::count]) for k in range(count)]


# ------------------------------------------------------------------------------------------ slice


def _slice_infer(call_: Call) -> list[Dims]:
    _, rank = sparse_parts(call_, 0)
    for k, what in ((3, "start"), (4, "size")):
        (given,) = require_rank(call_.shapes[k], 1, what)
        try:
            rank = merge_size(rank, given)
        except ShapeError:
            raise ShapeError(f"{what} has {given} numbers for {rank} axes") from None
    return sparse_result(rank)


def _slice_reference(call_: Call, *given: Any) -> Any:
    indices, values, shape, start, size = given
    check_sparse(indices, values, shape)
    if start.size != shape.size or size.size != shape.size:
        raise invalid(f"start and size need {shape.size} numbers, not {start.size} and {size.size}")
    if (start < 0).any() or (size < 0).any():
        raise invalid(f"start {start.tolist()} and size {size.tolist()} must not be negative")
    end = np.minimum(start + size, shape)
    kept = ((indices >= start) & (indices < end)).all(1)
    return indices[kept] - start, values[kept], np.maximum(end - start, 0)


def _slice_grad(op: Any, *dys: Any) -> tuple[Any, ...]:
    if dys[1] is None:
        return (None,) * 5
    back = call.SparseSliceGrad(dys[1], op.indices, op.start, op.output_indices)
    back.set_shape(op.values.shape)
    return None, back, None, None, None


_PART = np.array([1, 0]), np.array([5, 2])

define(
    "SparseSlice",
    "indices: int64, values: T, shape: int64, start: int64, size: int64 "
    "-> output_indices: int64, output_values: T, output_shape: int64",
    T=dtypes_of(ALL),
    infer=_slice_infer,
    kernel=SLICE,
    grad=_slice_grad,
    reference=_slice_reference,
    samples=(
        sample(*_ONE, *_PART),
        sample(*_ONE, np.array([0, 0]), np.array([3, 4]), const=(3, 4)),
        sample(*_ONE, np.array([9, 0]), np.array([1, 4]), const=(3, 4)),
        sample(*_WORDS, *_PART),
    ),
    errors=(
        error_sample(ValueError, "start has 1 numbers for 2 axes", *_ONE, np.array([1]),
                     np.array([1, 1])),
        error_sample(Exception, "must not be negative", *_ONE, np.array([-1, 0]),
                     np.array([1, 1]), stage="run"),
    ),
    doc="The part of a sparse tensor from ``start`` on, of at most ``size``.",
)  # fmt: skip


def _slice_grad_reference(call_: Call, dy: Any, indices: Any, start: Any, kept: Any) -> Any:
    if len(dy) != len(kept):
        raise invalid(f"{len(dy)} slopes for {len(kept)} values")
    return slopes_at(indices, kept + start, dy)


def _slice_grad_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "backprop_val_grad")
    require_rank(call_.shapes[2], 1, "input_start")
    require_rank(call_.shapes[3], 2, "output_indices")
    return [(require_rank(call_.shapes[1], 2, "input_indices")[0],)]


_KEPT = _slice_reference(None, *_ONE, *_PART)[0]  # type: ignore[arg-type]

define(
    "SparseSliceGrad",
    "backprop_val_grad: T, input_indices: int64, input_start: int64, output_indices: int64 "
    "-> val_grad: T",
    T=dtypes_of(NUMERIC),
    infer=_slice_grad_infer,
    kernel=SLICE_GRAD,
    # what was put back is taken out again: the other way round, by the negative start
    grad=lambda op, dz: (
        call.SparseSliceGrad(dz, op.output_indices, call.Neg(op.input_start), op.input_indices),
        None,
        None,
        None,
    ),
    reference=_slice_grad_reference,
    samples=(
        sample(f32(len(_KEPT)), _ONE[0], _PART[0], _KEPT),
        sample(f32(0), _ONE[0], _PART[0], _NONE[0]),
    ),
    doc="The slopes of the values of a sparse tensor, given those of a part of it.",
)


@export("sparse.slice", "sparse_slice")
def sparse_slice(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """The part of a sparse tensor from ``start`` on, of at most ``size``.

    Args:
        sp_input: a SparseTensor.
        start: int64 [rank]: where the part begins.
        size: int64 [rank]: how large it is; what lies outside the tensor is left away.
        name: of the operation; ``SparseSlice`` by default.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.   ValueError: not one number for each axis.
        InvalidArgumentError: a number is negative (when run).

    Gradient: dy of the values in the part; 0 to the others.

    >>> x = tf.SparseTensor([[0, 1], [1, 2]], [5, 6], [2, 4])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(tf.sparse_slice(x, [0, 1], [2, 2]))))
    [[5 0]
     [0 6]]
    """
    x = as_sparse(sp_input, "sparse_slice: sp_input")
    start, size = (convert_to_tensor(v, int64, k) for k, v in (("start", start), ("size", size)))
    with name_scope(name, "SparseSlice", [*parts(x)]) as scope:
        return SparseTensor(*apply_op("SparseSlice", *parts(x), start, size, name=scope))
