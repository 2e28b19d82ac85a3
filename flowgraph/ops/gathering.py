"""Parts chosen by index tensors: gather, gather_nd, one_hot.

An index out of range is an error when running, also where it is a constant.  The gradient of a
gather adds dy to the rows it came from: as IndexedSlices along axis 0, so that large tables stay
sparse.

Read next: scattering.py (the other way), slicing.py (parts given by bounds).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, as_dtype, float32, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Loops,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.static import constant_value
from flowgraph.ops.indices import (
    as_table,
    batch_tuples,
    check_indices,
    index_depth,
    tuple_choices,
    tuple_places,
    tuple_sizes,
)
from flowgraph.ops.rules import (
    constant_axes,
    f32,
    i32,
    invalid,
    known_axis,
    only_one,
    output_domain,
    require_rank,
    require_rank_at_least,
    shape_of,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, is_fully_known, normalize_axis
from flowgraph.tensor_shape import dimension_value

# ----------------------------------------------------------------------------------------- gather


def _gather_dims(params: Dims, indices: Dims, axis: int | None, batch: int) -> Dims:
    if params is None or indices is None:
        return None
    if axis is None:
        return None if batch < 0 else (None,) * (len(params) + len(indices) - 1 - batch)
    for a, b in zip(params[:batch], indices[:batch], strict=False):
        if None not in (a, b) and a != b:
            raise ShapeError(
                f"the first {batch} axes of {format_dims(params)} and {format_dims(indices)} differ"
            )
    return params[:axis] + indices[batch:] + params[axis + 1 :]


def _batch_dims(call_: Call) -> int:
    """Leading axes that params and indices share."""
    batch, indices = call_.attrs["batch_dims"], call_.shapes[1]
    return batch + len(indices) if batch < 0 and indices is not None else batch


def _gather_v2_infer(call_: Call) -> list[Dims]:
    params, indices = call_.shapes[:2]
    require_rank_at_least(params, 1, "params")
    axis = known_axis(call_, 2, None if params is None else len(params))
    batch = _batch_dims(call_)
    if indices is not None and not 0 <= batch <= len(indices):
        raise ShapeError(
            f"batch_dims {call_.attrs['batch_dims']} is out of range for indices of shape "
            f"{format_dims(indices)}"
        )
    if axis is not None and axis < batch:
        raise ShapeError(f"axis {axis} is one of the {batch} batch axes; it must come behind them")
    return [_gather_dims(params, indices, axis, batch)]


def _gather_v2_reference(call_: Call, params: Any, indices: Any, axis: Any) -> Any:
    place = normalize_axis(only_one(axis, "axis"), params.ndim)
    check_indices(indices, params.shape[place])
    batch = _batch_dims(call_)
    if not batch:
        return np.take(params, indices, place)
    count = int(np.prod(params.shape[:batch], dtype=np.int64))
    rows = params.reshape(count, *params.shape[batch:])
    chosen = indices.reshape(count, *indices.shape[batch:])
    parts = [np.take(p, i, place - batch) for p, i in zip(rows, chosen, strict=True)]
    shape = params.shape[:place] + indices.shape[batch:] + params.shape[place + 1 :]
    return np.array(parts, params.dtype).reshape(shape)


#: output[b, o, i] = params[b, o, indices[b, i]]: rows of params.
_GATHER = """
for i in range(batch * count):
    k = int64(load(indices, i))
    if k < 0 or k >= size:
        return 2
for o in range(batch * outer):
    first = (o // outer) * count
    if row == 1:
        for i in independent(count):
            k = int64(load(indices, first + i))
            store(output, o * count + i, load(params, o * size + k))
    else:
        for i in range(count):
            source = (o * size + int64(load(indices, first + i))) * row
            target = (o * count + i) * row
            for e in independent(row):
                store(output, target + e, load(params, source + e))
return 0
"""


def _gather_sizes(call_: Call) -> Mapping[str, int]:
    params, indices = call_.shapes[:2]
    assert is_fully_known(params) and is_fully_known(indices)
    axis = 0
    batch = _batch_dims(call_) if call_.type == "GatherV2" else 0
    if len(call_.shapes) > 2:
        axis = normalize_axis(only_one(call_.value(2), "axis"), len(params))  # type: ignore[arg-type]
    return {
        "batch": math.prod(params[:batch]),  # type: ignore[arg-type,index]
        "outer": math.prod(params[batch:axis]),  # type: ignore[arg-type,index]
        "size": params[axis],  # type: ignore[index,dict-item]
        "row": math.prod(params[axis + 1 :]),  # type: ignore[arg-type,index]
        "count": math.prod(indices[batch:]),  # type: ignore[arg-type,index]
    }


def _rows_grad(params: Tensor, indices: Tensor, dy: Tensor) -> IndexedSlices:
    """dx[i] = sum of dy over the places where index i stands, not yet added up."""
    flat = call.Reshape(indices, [-1])
    tail = params.dims[1:] if params.dims is not None else (None,)
    if None not in tail:
        values = call.Reshape(dy, constant_axes([-1, *tail]))  # type: ignore[list-item]
        if dy.dims is not None and 0 in tail:
            values = call.Reshape(dy, call.ConcatV2([call.Shape(flat), constant_axes(tail)], 0))  # type: ignore[arg-type]
    else:
        rest = call.Slice(call.Shape(params), [1], [-1])
        values = call.Reshape(dy, call.ConcatV2([call.Shape(flat), rest], 0))
    return IndexedSlices(values, flat, shape_of(params))


def _gather_v2_grad(op: Any, dy: Any) -> tuple[Any, None, None]:
    params, axis = op.params, constant_value(op.axis)
    batch = op.attrs["batch_dims"]
    if not batch and axis is not None and (int(axis) == 0 or _counts_to_first(axis, params)):
        return _rows_grad(params, op.indices, dy), None, None
    if params.dims is None or op.indices.dims is None or axis is None:
        return _open_gather_grad(op, dy), None, None
    rank, width = len(params.dims), len(op.indices.dims)
    place = normalize_axis(int(axis), rank)
    batch = batch + width if batch < 0 else batch
    # Bring the chosen axis behind the batch axes, add up there, and bring it back.
    front = constant_axes(_moved(rank + width - 1 - batch, place, width - batch, batch))
    back = constant_axes(_moved(rank, batch, 1, place))
    sizes = call.GatherV2(shape_of(params), constant_axes(_moved(rank, place, 1, batch)), 0)
    total = _add_up(op.indices, call.Transpose(dy, front), sizes, batch)
    return call.Transpose(total, back), None, None


def _counts_to_first(axis: Any, params: Tensor) -> bool:
    return params.dims is not None and int(axis) == -len(params.dims)


def _moved(rank: int, first: int, count: int, to: int) -> list[int]:
    """The permutation that moves ``count`` axes from ``first`` on so that they start at ``to``."""
    block = list(range(first, first + count))
    others = [i for i in range(rank) if i not in block]
    return others[:to] + block + others[to:]


def _add_up(indices: Tensor, dy: Tensor, sizes: Tensor, batch: Any) -> Tensor:
    """``result[b, indices[b, j], ...] += dy[b, j, ...]`` for b over ``batch`` axes.

    Every batch entry is a table of its own: number the rows through, and add up once.

    Args:
        sizes: the shape of the result, ``[*b, size, ...]``.
        batch: a number, or a scalar tensor.
    """
    leading = call.Slice(sizes, [0], call.Reshape(batch, [1]))
    tables = call.Prod(leading, [0])
    size = call.GatherV2(sizes, batch, 0)
    numbers = call.Range(0, tables, 1) * size
    per_table = call.Size(indices) // call.Maximum(tables, 1)
    shifted = call.Reshape(call.Cast(indices, DstT=int32), call.Pack([tables, per_table]))
    flat = call.Reshape(shifted + call.ExpandDims(numbers, 1), [-1])
    rest = call.Slice(sizes, call.Reshape(batch + 1, [1]), [-1])
    rows = call.Reshape(dy, call.ConcatV2([call.Shape(flat), rest], 0))
    return call.Reshape(call.UnsortedSegmentSum(rows, flat, tables * size), sizes)


def _open_gather_grad(op: Any, dy: Any) -> Tensor:
    """The gradient where ranks or the axis are known only when running."""
    rank, width = call.Rank(op.params), call.Rank(op.indices)
    given = op.attrs["batch_dims"]
    batch = width + given if given < 0 else convert_to_tensor(np.array(given, np.int32))
    axis = call.Cast(op.axis, DstT=int32)
    place = call.FloorMod(axis, rank)

    def moved(total: Any, first: Any, count: Any, to: Any) -> Tensor:
        """``_moved`` of numbers that only the run knows."""
        numbers = call.Range(0, total, 1)
        inside = call.LogicalAnd(
            call.GreaterEqual(numbers, first), call.Less(numbers, first + count)
        )
        before = call.Select(call.Less(numbers, first), numbers, numbers - count)
        place_of_other = call.Select(call.Less(before, to), before, before + count)
        target = call.Select(inside, numbers - first + to, place_of_other)
        return call.InvertPermutation(target)

    sizes = call.GatherV2(call.Shape(op.params), moved(rank, place, 1, batch), 0)
    front = moved(rank + width - 1 - batch, place, width - batch, batch)
    total = _add_up(op.indices, call.Transpose(dy, front), sizes, batch)
    dx = call.Transpose(total, moved(rank, batch, 1, place))
    dx.set_shape(op.params.shape)
    return dx


_ROW_ERRORS = (
    error_sample(Exception, r"indices\[1\] = 5 is not in \[0, 4\)|index out of range",
                 f32(4, 3), i32([0, 5]), i32(0), const=(2,), stage="run"),
    error_sample(Exception, r"indices\[0\] = -1 is not in \[0, 4\)|index out of range",
                 f32(4, 3), i32([-1]), i32(0), const=(2,), stage="run"),
    error_sample(ValueError, "axis 2 is out of range", f32(4, 3), i32([0]), i32(2), const=(2,)),
    error_sample(ValueError, "params must have at least 1 axes",
                 f32(), i32([0]), i32(0), const=(2,)),
)  # fmt: skip

define(
    "GatherV2",
    "params: Tparams, indices: Tindices, axis: Taxis -> output: Tparams",
    Tparams=dtypes_of(ALL),
    Tindices=dtypes_of(INDEX, int32),
    Taxis=dtypes_of(INDEX, int32),
    batch_dims=0,
    infer=_gather_v2_infer,
    kernel=Procedure(_GATHER, sizes=_gather_sizes, known=(2,), moves=("Tparams",)),
    grad=_gather_v2_grad,
    reference=_gather_v2_reference,
    samples=(
        sample(f32(5, 3), i32([4, 0, 4]), i32(0), const=(2,)),
        sample(f32(5, 3), i32([[2, 0], [1, 1]]), i32(1), const=(2,)),
        sample(f32(5), i32(3), i32(0), const=(2,)),
        sample(f32(2, 3, 4), i32([[0, 2, 2], [1, 1, 0]]), i32(1), const=(2,), batch_dims=1),
        sample(f32(4, 2), i32([]), i32(0), const=(2,)),
        sample(f32(2, 3, 4), i32([1]), i32(-1), const=(2,)),
    ),
    errors=_ROW_ERRORS,
    doc="Slices of ``params`` along ``axis``, chosen by ``indices``.",
)


def _gather_reference(call_: Call, params: Any, indices: Any) -> Any:
    check_indices(indices, params.shape[0])
    return np.take(params, indices, 0)


def _gather_infer(call_: Call) -> list[Dims]:
    params, indices = call_.shapes
    require_rank_at_least(params, 1, "params")
    return [_gather_dims(params, indices, 0, 0)]


define(
    "Gather",
    "params: Tparams, indices: Tindices -> output: Tparams",
    Tparams=dtypes_of(ALL),
    Tindices=dtypes_of(INDEX, int32),
    validate_indices=True,
    infer=_gather_infer,
    kernel=Procedure(_GATHER, sizes=_gather_sizes, moves=("Tparams",)),
    grad=lambda op, dy: (_rows_grad(op.params, op.indices, dy), None),
    reference=_gather_reference,
    samples=(sample(f32(5, 3), i32([4, 0, 4])), sample(f32(5), i32(3)), sample(f32(4, 2), i32([]))),
    errors=(
        error_sample(
            Exception, r"is not in \[0, 4\)|index out of range", f32(4, 3), i32([0, 5]), stage="run"
        ),
    ),
    doc="Rows of ``params``, chosen by ``indices``.",
)


@export("gather", "manip.gather")
def gather(
    params: Any,
    indices: Any,
    validate_indices: bool | None = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """Slices of ``params`` along an axis, chosen by ``indices``.

    y[..., i, ...] = params[..., indices[i], ...]

    Args:
        params: a tensor of at least one axis, or a variable.
        indices: int32 or int64, any shape.
        validate_indices: accepted as TensorFlow does; indices are always checked.
        name: of the operation; ``GatherV2`` by default.
        axis: the axis that is indexed; by default the one behind the batch axes.
        batch_dims: number of leading axes that params and indices share.

    Returns:
        A tensor of shape params[:axis] + indices[batch_dims:] + params[axis+1:].

    Raises:
        ValueError: the axis is out of range.
        InvalidArgumentError: an index is out of range (when run).

    Gradient: dy added to the rows it came from, as IndexedSlices when ``axis`` is 0.

    >>> tf.Session().run(tf.gather([10, 20, 30], [2, 0, 2]))
    array([30, 10, 30], dtype=int32)
    """
    axis = batch_dims if axis is None else axis
    return apply_op("GatherV2", params, indices, axis, batch_dims=batch_dims, name=name)


# -------------------------------------------------------------------------------------- gather_nd


def _gather_nd_infer(call_: Call) -> list[Dims]:
    params, indices = call_.shapes
    depth = index_depth(indices)
    if params is None or indices is None or depth is None:
        return [None]
    if depth > len(params):
        raise ShapeError(
            f"indices of {depth} numbers ({format_dims(indices)}) are too long for params of shape "
            f"{format_dims(params)}"
        )
    return [indices[:-1] + params[depth:]]


_GATHER_ND = """
{check_tuples}
for i in range(n):
    place = {place}
    for e in independent(row):
        store(output, i * row + e, load(params, place + e))
return 0
"""


def _gather_nd_reference(call_: Call, params: Any, indices: Any) -> Any:
    places = tuple_places(indices, params.shape)
    depth = indices.shape[-1]
    return as_table(params, depth)[places].reshape(indices.shape[:-1] + params.shape[depth:])


define(
    "GatherNd",
    "params: Tparams, indices: Tindices -> output: Tparams",
    Tparams=dtypes_of(ALL),
    Tindices=dtypes_of(INDEX, int32),
    infer=_gather_nd_infer,
    kernel=Procedure(
        _GATHER_ND,
        sizes=lambda call_: tuple_sizes(call_.shapes[1], call_.shapes[0]),
        choices=lambda call_: tuple_choices(call_.shapes[1]),
        moves=("Tparams",),
    ),
    grad=lambda op, dy: (call.ScatterNd(op.indices, dy, _shape_like(op.params, op.indices)), None),
    reference=_gather_nd_reference,
    samples=(
        sample(f32(4, 3), i32([[0, 1], [3, 2], [0, 1]])),
        sample(f32(4, 3), i32([[2], [0]])),
        sample(f32(2, 3, 2), i32([[[1, 0]], [[0, 2]]])),
        sample(f32(4, 3), i32([1, 1])),
        sample(f32(4), np.zeros((0, 1), np.int32)),
        sample(f32(4, 3), np.zeros((2, 0), np.int32)),
        sample(f32(0, 3), np.zeros((0, 2), np.int64)),
    ),
    errors=(
        error_sample(ValueError, "are too long for params", f32(3), i32([[0, 0]])),
        error_sample(Exception, r"\[4, 0\] does not index shape \[4, 3\]",
                     f32(4, 3), i32([[0, 1], [4, 0]]), stage="run"),
    ),
    doc="Slices of ``params``, each chosen by the numbers of one row of ``indices``.",
)  # fmt: skip


def _shape_like(x: Tensor, indices: Tensor) -> Tensor:
    """The shape of ``x`` in the dtype of ``indices``."""
    shape = shape_of(x)
    dtype = indices.dtype.base_dtype
    return shape if shape.dtype is dtype else call.Cast(shape, DstT=dtype)


@export("gather_nd", "manip.gather_nd")
def gather_nd(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Tensor:
    """Slices of ``params``, each chosen by the numbers in the last axis of ``indices``.

    y[i, ...] = params[indices[i, 0], indices[i, 1], ..., ...]

    Args:
        params: a tensor.
        indices: int32 or int64; its last axis has at most as many numbers as params has axes.
        name: of the operation; ``GatherNd`` by default.
        batch_dims: number of leading axes that params and indices share; the numbers count
            along the axes behind them.

    Returns:
        A tensor of shape indices.shape[:-1] + params.shape[batch_dims + indices.shape[-1]:].

    Raises:
        ValueError: an index has too many numbers, or ``batch_dims`` is out of range.
        InvalidArgumentError: an index is out of range (when run).

    Gradient: dy added to the places it came from.

    >>> tf.Session().run(tf.gather_nd([[1, 2], [3, 4]], [[0, 0], [1, 1]]))
    array([1, 4], dtype=int32)
    """
    batch = int(dimension_value(batch_dims))
    if batch == 0:
        return apply_op("GatherNd", params, indices, name=name)
    with name_scope(name, "BatchGatherND", [params, indices]):
        params = convert_to_tensor(params, name="params")
        indices = convert_to_tensor(indices, name="indices")
        if indices.dims is None:
            raise ValueError("gather_nd: batch_dims needs indices of known rank")
        if not 0 < batch < len(indices.dims):
            raise ValueError(
                f"gather_nd: batch_dims {batch} is out of range for indices of shape "
                f"{format_dims(indices.dims)}: it must be below their rank"
            )
        if params.dims is not None and batch >= len(params.dims):
            raise ValueError(
                f"gather_nd: batch_dims {batch} leaves no axis of params of shape "
                f"{format_dims(params.dims)}"
            )
        return call.GatherNd(params, batch_tuples(indices, batch))


@export("batch_gather")
def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """``y[b..., i, ...] = params[b..., indices[b..., i], ...]``: a gather in every batch entry.

    ``tf.gather`` with as many batch axes as ``indices`` has leading ones.

    Args:
        params: a tensor of shape [b..., size, ...].
        indices: int32 or int64 of shape [b..., n].
        name: of the scope of the operations; ``BatchGather`` by default.

    Raises:
        ValueError: ``indices`` is a scalar or its rank is not known.
        InvalidArgumentError: an index is out of range (when run).

    Gradient: dy added to the rows it came from.

    >>> print(tf.Session().run(tf.batch_gather([[1, 2, 3], [4, 5, 6]], [[0, 2], [1, 1]])))
    [[1 3]
     [5 5]]
    """
    with name_scope(name, "BatchGather", [params, indices]):
        indices = convert_to_tensor(indices, name="indices")
        params = convert_to_tensor(params, name="params")
        if not indices.dims:
            raise ValueError("batch_gather: the rank of indices must be known, and at least 1")
        return gather(params, indices, batch_dims=len(indices.dims) - 1)


# ---------------------------------------------------------------------------------------- one_hot


def _one_hot_infer(call_: Call) -> list[Dims]:
    indices, depth = call_.shapes[0], call_.value(1)
    for i, argument in ((1, "depth"), (2, "on_value"), (3, "off_value")):
        require_rank(call_.shapes[i], 0, argument)
    if depth is not None and depth < 0:
        raise ShapeError(f"depth must not be negative: {depth}")
    if indices is None:
        return [None]
    axis = normalize_axis(call_.attrs["axis"], len(indices) + 1)
    size = None if depth is None else int(depth)
    return [(*indices[:axis], size, *indices[axis:])]


def _one_hot_axis(call_: Call) -> int:
    return normalize_axis(call_.attrs["axis"], len(call_.shapes[0] or ()) + 1)


def _one_hot_body(s: Any, call_: Call, index: Any, on: Any, off: Any) -> Any:
    return s.select(s.eq(s.index(_one_hot_axis(call_)), s.cast(index, "int64")), on, off)


def _one_hot_operands(call_: Call) -> tuple[tuple[int, ...], ...]:
    axis, rank = _one_hot_axis(call_), len(call_.shapes[0] or ())
    return tuple(i if i < axis else i + 1 for i in range(rank)), (), ()


def _one_hot_reference(call_: Call, indices: Any, depth: Any, on: Any, off: Any) -> Any:
    size = only_one(depth, "depth")
    if size < 0:
        raise invalid(f"depth must not be negative: {size}")
    axis = normalize_axis(call_.attrs["axis"], indices.ndim + 1)
    numbers = np.arange(size).reshape(-1, *(1,) * (indices.ndim - axis))
    return np.where(np.expand_dims(indices, axis) == numbers, on, off)


define(
    "OneHot",
    "indices: TI, depth: int32, on_value: T, off_value: T -> output: T",
    T=dtypes_of(ALL),
    TI=dtypes_of(frozenset(("uint8", "int8", "int32", "int64")), int64),
    axis=-1,
    infer=_one_hot_infer,
    kernel=Loops(
        _one_hot_body,
        domain=output_domain,
        operands=_one_hot_operands,
        reads=(0, 2, 3),
        parts=True,
    ),
    grad=not_differentiable("it is a step function of the indices"),
    reference=_one_hot_reference,
    samples=(
        sample(i32([2, 0, -1, 5]), i32(3), np.float32(1), np.float32(0), const=(1,),
               differentiable=()),
        sample(i32([[0, 1], [2, 2]]), i32(4), i32(5), i32(-1), const=(1,), axis=0),
        sample(i32([[0, 1], [2, 2]]), i32(3), np.float32(2), np.float32(0), const=(1,), axis=1,
               differentiable=()),
        sample(i32(1), i32(3), np.float32(1), np.float32(0), const=(1,), differentiable=()),
        sample(i32([0]), i32(0), np.float32(1), np.float32(0), const=(1,), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "depth must not be negative",
                     i32([0]), i32(-1), f32(), f32(), const=(1,)),
        error_sample(ValueError, "axis 2 is out of range",
                     i32([0]), i32(3), f32(), f32(), const=(1,), axis=2),
    ),
    doc="Rows that are ``off_value`` but for ``on_value`` at the index.",
)  # fmt: skip


@export("one_hot")
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Rows of zeros with a one at each index.

    Args:
        indices: integers of any shape; one outside [0, depth) gives a row of zeros.
        depth: the length of a row.
        on_value, off_value: what to write instead of 1 and 0.
        axis: where the new axis stands in the result; last by default.
        dtype: of the result; that of on_value or off_value, else float32.
        name: of the operation; ``one_hot`` by default.

    Raises:
        ValueError: the depth is negative, or the axis out of range.
        TypeError: the dtypes of the values differ, or are not ``dtype``.

    Gradient: none.

    >>> tf.Session().run(tf.one_hot([2, 0], 3))
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    with name_scope(name, "one_hot", [indices, depth, on_value, off_value, axis, dtype]) as scope:
        wanted = None if dtype is None else as_dtype(dtype).base_dtype
        values: list[Any] = [on_value, off_value]
        found = [
            convert_to_tensor(v).dtype.base_dtype if isinstance(v, Tensor) else None for v in values
        ]
        given = wanted or found[0] or found[1]
        for i, (value, label) in enumerate(zip(values, ("on_value", "off_value"), strict=True)):
            if value is not None:
                try:
                    values[i] = convert_to_tensor(value, given, label)
                except ValueError as error:
                    raise TypeError(f"one_hot: {label}: {error}") from None
                given = given or values[i].dtype.base_dtype
        given = given or float32
        for i, (value, label) in enumerate(zip(values, ("on_value", "off_value"), strict=True)):
            if value is None:
                values[i] = convert_to_tensor(1 - i, given, label)
            elif value.dtype.base_dtype is not given:
                raise TypeError(
                    f"one_hot: {label} is {value.dtype.base_dtype.name}, not {given.name}"
                )
        place = -1 if axis is None else axis
        return apply_op("OneHot", indices, depth, *values, axis=place, name=scope)
