"""Sparse tensors under another shape, in order, with empty rows filled.

Read next: sparse_functions.py (what is composed of these: transpose, retain, reset_shape).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, NUMERIC, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.graph.static import constant_value, constant_value_as_dims
from flowgraph.ops.rules import (
    concrete,
    f32,
    i32,
    invalid,
    number,
    require_rank,
    shape_of,
)
from flowgraph.ops.sparse_loops import FILL
from flowgraph.ops.sparse_rules import (
    SORT_ROWS,
    as_sparse,
    check_inside,
    check_sparse,
    coordinates,
    flat_places,
    parts,
    sort_scratch,
    sorted_rows,
    sparse_parts,
    sparse_sample,
    static_dims,
)
from flowgraph.shapes import (
    Dims,
    ShapeError,
    is_fully_known,
    merge_size,
)

_ONE = sparse_sample(np.where(f32(3, 4) > 0, f32(3, 4), np.float32(0)))
_TWO = sparse_sample(np.where(f32(3, 4, seed=1) > 0, f32(3, 4, seed=1), np.float32(0)))
_NONE = np.zeros((0, 2), np.int64), f32(0), np.array([3, 4])
_WORDS = sparse_sample(np.array([[b"a", b""], [b"", b"b"]], object))

# ---------------------------------------------------------------------------------------- reshape

_RESHAPE = """
for i in range(n):
    at = int64(0)
{numbers}
{places}
{sizes}
return 0
"""


def _new_shape(old: Dims, wanted: Dims, raw: np.ndarray[Any, Any] | None) -> Dims:
    """What is known of the shape after reshaping."""
    if wanted is None or raw is None:
        return wanted
    if (raw < -1).any() or (raw == -1).sum() > 1:
        raise ShapeError(f"new_shape {raw.tolist()} is no shape")
    if not is_fully_known(old):
        return wanted
    total = math.prod(concrete(old))
    rest = math.prod(int(d) for d in raw if d >= 0)
    if -1 in raw:
        if rest == 0 or total % rest:
            raise ShapeError(f"{total} elements cannot take the shape {raw.tolist()}")
        return tuple(total // rest if d < 0 else int(d) for d in raw)
    if rest != total:
        raise ShapeError(f"{total} elements cannot take the shape {raw.tolist()}")
    return tuple(int(d) for d in raw)


def _reshape_infer(call_: Call) -> list[Dims]:
    count, rank = require_rank(call_.shapes[0], 2, "input_indices")
    (axes,) = require_rank(call_.shapes[1], 1, "input_shape")
    (new,) = require_rank(call_.shapes[2], 1, "new_shape")
    try:
        merge_size(rank, axes)
    except ShapeError:
        raise ShapeError(f"indices of {rank} numbers for an input_shape of {axes} axes") from None
    _new_shape(call_.partial(1), call_.partial(2), call_.value(2))
    return [(count, new), (new,)]


def _reshape_sizes(call_: Call) -> Mapping[str, int]:
    old = concrete(call_.partial(1))
    new = concrete(_new_shape(old, call_.partial(2), call_.value(2)))
    sizes = {"n": concrete(call_.shapes[0])[0]}
    sizes |= {f"old{d}": size for d, size in enumerate(old)}
    return sizes | {f"new{d}": size for d, size in enumerate(new)}


def _reshape_choices(call_: Call) -> Mapping[str, str]:
    rank, new = concrete(call_.shapes[0])[1], concrete(call_.shapes[2])[0]
    numbers = []
    for d in range(rank):
        numbers += [
            f"    k{d} = load(input_indices, i * {rank} + {d})",
            f"    if k{d} < 0 or k{d} >= old{d}:",
            "        return 2",
            f"    at = at * old{d} + k{d}",
        ]
    places = []
    for d in reversed(range(new)):
        places += [
            f"    store(output_indices, i * {new} + {d}, at % new{d})",
            f"    at = at // new{d}",
        ]
    sizes = [f"store(output_shape, {d}, new{d})" for d in range(new)]
    return {"numbers": "\n".join(numbers), "places": "\n".join(places), "sizes": "\n".join(sizes)}


def _reshape_reference(call_: Call, indices: Any, old: Any, new: Any) -> Any:
    check_inside(indices, old)
    try:
        shape = concrete(_new_shape(tuple(old.tolist()), tuple(new.tolist()), new))
    except ShapeError as error:
        raise invalid(error.headline) from None
    return coordinates(flat_places(indices, old), shape), np.array(shape, np.int64)


define(
    "SparseReshape",
    "input_indices: int64, input_shape: int64, new_shape: int64 "
    "-> output_indices: int64, output_shape: int64",
    infer=_reshape_infer,
    kernel=Procedure(_RESHAPE, sizes=_reshape_sizes, known=(1, 2), choices=_reshape_choices),
    grad=not_differentiable("its elements are indices"),
    reference=_reshape_reference,
    samples=(
        sample(_ONE[0], _ONE[2], np.array([2, 6]), const=(1, 2)),
        sample(_ONE[0], _ONE[2], np.array([2, -1, 3]), const=(1, 2)),
        sample(_NONE[0], _ONE[2], np.array([12]), const=(1, 2)),
        sample(_ONE[0], _ONE[2], np.array([12, 1])),
    ),
    errors=(
        error_sample(ValueError, r"12 elements cannot take the shape \[5, 2\]",
                     _ONE[0], _ONE[2], np.array([5, 2]), const=(1, 2)),
        error_sample(ValueError, r"12 elements cannot take the shape \[5, -1\]",
                     _ONE[0], _ONE[2], np.array([5, -1]), const=(1, 2)),
        error_sample(Exception, "is outside shape|out of range", np.array([[3, 0]]), _ONE[2],
                     np.array([12]), const=(1, 2), stage="run"),
    ),
    doc="The indices of the same elements under another shape.",
)  # fmt: skip


@export("sparse.reshape", "sparse_reshape")
def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The same elements under another shape.

    Args:
        sp_input: a SparseTensor.
        shape: int64 vector: the new shape, in which one size may be -1: what is left.
        name: of the scope of the operations; ``SparseReshape`` by default.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.
        ValueError: another number of elements; where only the run tells, InvalidArgumentError.

    Gradient: dy to the values.

    >>> x = tf.SparseTensor([[0, 1], [1, 2]], [5, 6], [2, 3])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(tf.sparse_reshape(x, [3, -1]))))
    [[0 5]
     [0 0]
     [0 6]]
    """
    x = as_sparse(sp_input, "sparse_reshape: sp_input")
    shape = convert_to_tensor(shape)
    shape = shape if shape.dtype.base_dtype is int64 else call.Cast(shape, DstT=int64)
    with name_scope(name, "SparseReshape", [x.indices]) as scope:
        indices, sizes = apply_op("SparseReshape", x.indices, x.dense_shape, shape, name=scope)
        values = call.Identity(x.values)
        dims = _new_shape(static_dims(x), constant_value_as_dims(shape), constant_value(shape))
        return SparseTensor(indices, values, sizes)._set_shape(dims)


# ---------------------------------------------------------------------------------------- reorder


def _reorder_infer(call_: Call) -> list[Dims]:
    count, rank = sparse_parts(call_, 0, "input")
    return [(count, rank), (count,)]


_REORDER = """
turned = int64(0)
for i in range(m):
    step = int64(0)
    for d in range(rank):
        k = load(input_indices, i * rank + d)
        if k < 0 or k >= load(input_shape, d):
            return 2
        if i > 0 and step == 0:
            step = k - load(input_indices, (i - 1) * rank + d)
    if step < 0:
        turned = int64(1)
    store(order, i, i)
{sort}
for i in range(m):
    k = load(order, at + i)
    store(output_values, i, load(input_values, k))
    for d in range(rank):
        store(output_indices, i * rank + d, load(input_indices, k * rank + d))
return 0
"""
_REORDER_KEY = "        key = load(input_indices, source * rank + d)"


def _reorder_sizes(call_: Call) -> Mapping[str, int]:
    count, rank = concrete(call_.shapes[0])
    return {"m": count, "rank": rank}


def _reorder_reference(call_: Call, indices: Any, values: Any, shape: Any) -> Any:
    check_sparse(indices, values, shape)
    order = sorted_rows(indices)
    return indices[order], values[order]


def _reorder_grad(op: Any, *dys: Any) -> tuple[Any, ...]:
    """Numbers sorted along tell where every value went."""
    if dys[1] is None:
        return None, None, None
    count = call.GatherV2(shape_of(op.input_values), 0, 0)
    numbers = call.Range(0, count, 1)
    _, order = call.SparseReorder(op.input_indices, numbers, op.input_shape)
    return None, call.GatherV2(dys[1], call.InvertPermutation(order), 0), None


_TURNED = np.array([[2, 1], [0, 3], [0, 1], [2, 1]]), f32(4), np.array([3, 4])
_FAR = np.iinfo(np.int64).max
_LARGE = np.array([[2, 9999], [0, 3], [2, 9999], [0, _FAR - 1]]), f32(4), np.array([_FAR, _FAR])

define(
    "SparseReorder",
    "input_indices: int64, input_values: T, input_shape: int64 "
    "-> output_indices: int64, output_values: T",
    T=dtypes_of(ALL),
    infer=_reorder_infer,
    kernel=Procedure(
        _REORDER,
        sizes=_reorder_sizes,
        choices=lambda call_: {"sort": SORT_ROWS.format(key=_REORDER_KEY)},
        scratch=lambda call_: sort_scratch(concrete(call_.shapes[0])[0]),
        moves=("T",),
    ),
    grad=_reorder_grad,
    reference=_reorder_reference,
    samples=(
        sample(*_TURNED),
        sample(*_LARGE),
        sample(*_ONE, const=(2,)),
        sample(*_NONE),
        sample(_TURNED[0][:2], np.array([b"a", b"b"], object), _TURNED[2]),
    ),
    errors=(
        error_sample(Exception, "is outside shape|out of range", np.array([[3, 0]]), f32(1),
                     _ONE[2], stage="run"),
    ),
    doc="A sparse tensor whose indices are in order.",
)  # fmt: skip


@export("sparse.reorder", "sparse_reorder")
def sparse_reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The same sparse tensor with its indices in row-major order.

    Args:
        sp_input: a SparseTensor, its indices in any order.
        name: of the operation; ``SparseReorder`` by default.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.
        InvalidArgumentError: an index is outside the shape (when run).

    Gradient: dy, put back in the order that was.

    >>> x = tf.SparseTensor([[1, 0], [0, 1]], [5, 6], [2, 2])
    >>> print(tf.Session().run(tf.sparse_reorder(x)).values)
    [6 5]
    """
    x = as_sparse(sp_input, "sparse_reorder: sp_input")
    indices, values = apply_op("SparseReorder", *parts(x), name=name)
    return SparseTensor(indices, values, call.Identity(x.dense_shape))._set_shape(static_dims(x))


# --------------------------------------------------------------------------------- fill_empty_rows


def _fill_infer(call_: Call) -> list[Dims]:
    count, rank = sparse_parts(call_, 0)
    require_rank(call_.shapes[3], 0, "default_value")
    if rank == 0:
        raise ShapeError("a tensor without axes has no rows")
    shape = call_.partial(2)
    return [(None, rank), (None,), (shape[0] if shape else None,), (count,)]


def _fill_reference(call_: Call, indices: Any, values: Any, shape: Any, default: Any) -> Any:
    if default.shape:
        raise invalid(f"default_value must be a scalar, not of shape {list(default.shape)}")
    check_sparse(indices, values, shape)
    if not shape.size:
        raise invalid("a tensor without axes has no rows")
    rows = int(shape[0])
    empty = np.bincount(indices[:, 0], minlength=rows) == 0
    added = np.zeros((int(empty.sum()), shape.size), np.int64)
    added[:, 0] = np.flatnonzero(empty)
    every = np.concatenate([indices, added])
    order = np.argsort(every[:, 0], kind="stable")
    filled = np.concatenate([values, np.full(len(added), default, values.dtype)])
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    return every[order], filled[order], empty, place[: len(indices)]


def _fill_grad(op: Any, *dys: Any) -> tuple[Any, ...]:
    if dys[1] is None:
        return (None,) * 4
    by_values, by_default = call.SparseFillEmptyRowsGrad(op.reverse_index_map, dys[1])
    return None, by_values, None, by_default


define(
    "SparseFillEmptyRows",
    "indices: int64, values: T, dense_shape: int64, default_value: T -> output_indices: int64, "
    "output_values: T, empty_row_indicator: bool, reverse_index_map: int64",
    T=dtypes_of(ALL),
    infer=_fill_infer,
    kernel=FILL,
    grad=_fill_grad,
    reference=_fill_reference,
    samples=(
        sample(*_ONE[:2], np.array([5, 4]), np.float32(0.5)),
        sample(*_NONE, np.float32(0.5)),
        sample(np.array([[2, 0], [0, 1], [2, 3]]), f32(3), np.array([4, 4]), np.float32(9)),
        sample(np.array([[2], [0]]), f32(2), np.array([4]), np.float32(9), const=(2,)),
        sample(np.zeros((0, 2), np.int64), f32(0), np.array([0, 4]), np.float32(1)),
        sample(*_WORDS[:2], np.array([3, 2]), np.array(b"-", object)),
    ),
    errors=(
        error_sample(ValueError, "default_value must be a scalar", *_ONE, f32(1)),
        error_sample(Exception, "is outside shape", np.array([[3, 0]]), f32(1), _ONE[2],
                     np.float32(0), stage="run"),
    ),
    doc="A sparse tensor with ``default_value`` in column 0 of the rows that have no value.",
)  # fmt: skip

_FILL_BACK = """
for k in independent(total):
    store(taken, k, uint8(0))
for i in range(n):
    k = load(reverse_index_map, i)
    if k < 0 or k >= total:
        return 2
    store(taken, k, uint8(1))
    store(d_values, i, load(grad_values, k))
rest = {T}(0)
for k in range(total):
    if load(taken, k) == uint8(0):
        rest += load(grad_values, k)
store(d_default_value, 0, rest)
return 0
"""


def _fill_back_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[1], 1, "grad_values")
    return [require_rank(call_.shapes[0], 1, "reverse_index_map"), ()]


def _fill_back_reference(call_: Call, places: Any, dy: Any) -> Any:
    if ((places < 0) | (places >= dy.size)).any():
        raise invalid(f"reverse_index_map {places.tolist()} leads outside {dy.size} values")
    rest = np.ones(dy.size, bool)
    rest[places] = False
    return dy[places], np.asarray(dy[rest].sum(dtype=dy.dtype))


def _fill_back_grad(op: Any, *dzs: Any) -> tuple[Any, ...]:
    """Every slope came from one place of the values, or joined that of the default."""
    dy, places = op.grad_values, call.ExpandDims(op.reverse_index_map, 1)
    by_default = number(0, dy) if dzs[1] is None else dzs[1]
    by_values = call.GatherV2(dy, op.reverse_index_map, 0) if dzs[0] is None else dzs[0]
    by_values = call.ZerosLike(by_values) if dzs[0] is None else by_values
    return None, call.TensorScatterUpdate(
        call.BroadcastTo(by_default, shape_of(dy)), places, by_values
    )


define(
    "SparseFillEmptyRowsGrad",
    "reverse_index_map: int64, grad_values: T -> d_values: T, d_default_value: T",
    T=dtypes_of(NUMERIC),
    infer=_fill_back_infer,
    kernel=Procedure(
        _FILL_BACK,
        whole=True,
        sizes=lambda call_: {
            "n": concrete(call_.shapes[0])[0],
            "total": concrete(call_.shapes[1])[0],
        },
        scratch=lambda call_: {"taken": ("uint8", concrete(call_.shapes[1])[0])},
    ),
    grad=_fill_back_grad,
    reference=_fill_back_reference,
    samples=(
        sample(np.array([2, 0, 3]), f32(5)),
        sample(np.zeros(0, np.int64), f32(2)),
        sample(np.array([0]), i32([7])),
    ),
    errors=(
        error_sample(Exception, "leads outside 2 values|out of range", np.array([2]), f32(2),
                     stage="run"),
    ),
    doc="The slopes of the values and of the default of SparseFillEmptyRows.",
)  # fmt: skip


@export("sparse.fill_empty_rows", "sparse_fill_empty_rows")
def sparse_fill_empty_rows(
    sp_input: Any, default_value: Any, name: str | None = None
) -> tuple[SparseTensor, Tensor]:
    """A default value in the first column of every row that has no value.

    Args:
        sp_input: a SparseTensor of at least one axis.
        default_value: a scalar of its dtype.
        name: of the scope of the operation; ``SparseFillEmptyRows`` by default.

    Returns:
        (the SparseTensor, its rows in order; bool [rows]: which were empty)

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.

    Gradient: dy to the values; to the default, the sum of dy of what was filled in.

    >>> x = tf.SparseTensor([[0, 1], [2, 0]], [5, 6], [3, 2])
    >>> filled, empty = tf.sparse_fill_empty_rows(x, -1)
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(filled)))
    [[ 0  5]
     [-1  0]
     [ 6  0]]
    """
    x = as_sparse(sp_input, "sparse_fill_empty_rows: sp_input")
    with name_scope(name, "SparseFillEmptyRows", [*parts(x)]):
        default = convert_to_tensor(default_value, dtype=x.values.dtype.base_dtype)
        indices, values, empty, _ = apply_op("SparseFillEmptyRows", *parts(x), default)
        filled = SparseTensor(indices, values, x.dense_shape)
        return filled._set_shape(static_dims(x)), empty
