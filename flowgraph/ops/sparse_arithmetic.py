"""Sparse tensors added and compared; softmax of sparse rows.

    sparse_add              of two sparse ones a sparse one, of a sparse and a dense one a dense one
    sparse_maximum          what one of them lacks counts as 0
    sparse_softmax          along the last axis, among the values that are there

Read next: sparse_reductions.py, sparse_structure.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, NUMERIC, REAL
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor, SparseTensorValue
from flowgraph.ops.rules import concrete, f32, i32, invalid, one_name, require_rank
from flowgraph.ops.sparse_loops import ADD, ADD_GRAD, EXTREMES
from flowgraph.ops.sparse_rules import (
    as_sparse,
    check_ordered,
    check_sparse,
    coordinates,
    flat_places,
    parts,
    places_among,
    slopes_at,
    sorted_rows,
    sparse_parts,
    sparse_result,
    sparse_sample,
    static_dims,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size

_ONE = sparse_sample(np.where(f32(3, 4) > 0, f32(3, 4), np.float32(0)))
_OTHER = sparse_sample(np.where(f32(3, 4, seed=1) > 0, f32(3, 4, seed=1), np.float32(0)))
_WHOLE = sparse_sample(i32([[1, 0], [0, 2]]))
_WHOLE_TOO = sparse_sample(i32([[-1, 3], [0, 0]]))
_NONE = np.zeros((0, 2), np.int64), f32(0), np.array([3, 4])
_MOST = np.iinfo(np.int64).max
_FAR = np.array([[0, 3], [0, _MOST - 1], [2, 9]]), f32(3), np.array([_MOST, _MOST])

# -------------------------------------------------------------------------------------------- add


def _pair_infer(call_: Call) -> tuple[int | None, Dims]:
    """(rank, shape) of two sparse inputs of one shape, as far as they are known."""
    ranks = [sparse_parts(call_, k, what)[1] for k, what in ((0, "a"), (3, "b"))]
    shapes = call_.partial(2), call_.partial(5)
    try:
        return merge_size(*ranks), merge(*shapes)
    except ShapeError:
        raise ShapeError(
            f"a of shape {format_dims(shapes[0])} and b of shape {format_dims(shapes[1])} must "
            "have the same shape"
        ) from None


def _united(given: Any) -> tuple[Any, Any, Any, Any]:
    """Places of all values of two sparse tensors, and for each of them its value in a and b.

    Returns (coordinates, values in a, values in b, how many of both have one).
    """
    for k in (0, 3):
        check_sparse(*given[k : k + 3])
    shape = given[2]
    if given[5].tolist() != shape.tolist():
        raise invalid(
            f"a of shape {shape.tolist()} and b of shape {given[5].tolist()} must have the same "
            "shape"
        )
    rows = np.concatenate([given[0], given[3]])
    order = sorted_rows(rows)
    new = np.ones(order.size, bool)
    in_order = rows[order]
    new[1:] = np.logical_or.reduce([c[1:] != c[:-1] for c in in_order.T])
    heads = np.flatnonzero(new)
    number = np.empty(order.size, np.int64)
    number[order] = np.repeat(np.arange(heads.size), np.diff(heads, append=order.size))
    columns, have = [], np.zeros(heads.size, np.int64)
    for where, values in zip(np.split(number, [len(given[1])]), (given[1], given[4]), strict=True):
        column = np.zeros(heads.size, values.dtype)
        np.add.at(column, where, values)  # an index may be repeated
        columns.append(column)
        have += np.bincount(where, minlength=heads.size) > 0
    return in_order[heads], columns[0], columns[1], have


def _add_reference(call_: Call, *given: Any) -> Any:
    places, a, b, have = _united(given[:6])
    total = a + b
    # NB: a value that stands alone stays, however small
    kept = (have == 1) | ~(np.abs(total) < given[6])
    return places[kept], total[kept], given[2]


def _add_grad(op: Any, *dys: Any) -> tuple[Any, ...]:
    if dys[1] is None:
        return (None,) * 7
    da, db = call.SparseAddGrad(dys[1], op.a_indices, op.b_indices, op.sum_indices)
    return None, da, None, None, db, None, None


define(
    "SparseAdd",
    "a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, b_shape: int64, "
    "thresh: Treal -> sum_indices: int64, sum_values: T, sum_shape: int64",
    T=dtypes_of(NUMERIC),
    Treal=dtypes_of(REAL),
    infer=lambda call_: sparse_result(_pair_infer(call_)[0]),
    kernel=ADD,
    grad=_add_grad,
    reference=_add_reference,
    samples=(
        sample(*_ONE, *_OTHER, np.float32(0), const=(6,)),
        sample(*_ONE, *_OTHER, np.float32(0.75), const=(6,)),
        sample(*_ONE, *_NONE, np.float32(0), const=(6,)),
        sample(*_WHOLE, *_WHOLE_TOO, i32(1), const=(6,)),
        sample(*_FAR, *_FAR, np.float32(0), const=(6,)),
    ),
    errors=(
        error_sample(ValueError, "must have the same shape", *_ONE, *_OTHER[:2], np.array([3, 5]),
                     np.float32(0), const=(2, 5)),
        error_sample(Exception, "must have the same shape", *_ONE, *_OTHER[:2], np.array([3, 5]),
                     np.float32(0), stage="run"),
        error_sample(Exception, "is outside shape", *_ONE, np.array([[3, 0]]), f32(1),
                     np.array([3, 4]), np.float32(0), stage="run"),
    ),
    doc="The sum of two sparse tensors; sums of two values less than ``thresh`` are left out.",
)  # fmt: skip


def _add_grad_reference(call_: Call, dy: Any, a: Any, b: Any, sums: Any) -> Any:
    """Every value gets the slope of the sum at its place; 0 where that was left out."""
    if len(dy) != len(sums):
        raise invalid(f"{len(dy)} slopes for {len(sums)} values")
    return slopes_at(a, sums, dy), slopes_at(b, sums, dy)


def _add_grad_grad(op: Any, *dzs: Any) -> tuple[Any, ...]:
    """A sum's slope went to the values at its place."""
    total = call.ZerosLike(op.backprop_val_grad)
    for dz, indices in zip(dzs, (op.a_indices, op.b_indices), strict=True):
        if dz is not None:
            total += call.SparseAddGrad(dz, op.sum_indices, op.sum_indices, indices)[0]
    return total, None, None, None


def _add_grad_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "backprop_val_grad")
    counts = [
        require_rank(call_.shapes[k], 2, what)[0]
        for k, what in ((1, "a_indices"), (2, "b_indices"), (3, "sum_indices"))
    ]
    return [(counts[0],), (counts[1],)]


_ALL = np.union1d(flat_places(_ONE[0], [3, 4]), flat_places(_OTHER[0], [3, 4]))

define(
    "SparseAddGrad",
    "backprop_val_grad: T, a_indices: int64, b_indices: int64, sum_indices: int64 "
    "-> a_val_grad: T, b_val_grad: T",
    T=dtypes_of(NUMERIC),
    infer=_add_grad_infer,
    kernel=ADD_GRAD,
    grad=_add_grad_grad,
    reference=_add_grad_reference,
    samples=(
        sample(f32(_ALL.size), _ONE[0], _OTHER[0], coordinates(_ALL, [3, 4])),
        sample(f32(2), _ONE[0], _OTHER[0], coordinates(_ALL, [3, 4])[1:3]),
        sample(f32(0), _ONE[0], _NONE[0], _NONE[0]),
    ),
    doc="The slopes of the values of two sparse tensors, given those of their sum.",
)


@export("sparse.add", "sparse_add")
def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """The sum of two tensors of the same shape, at least one of them sparse.

    Args:
        a: a SparseTensor or a tensor.
        b: a SparseTensor or a tensor of the same dtype and shape; nothing is broadcast.
        threshold: of two sparse tensors: sums of two values less than this in magnitude are left
            out.
        thresh: older name of ``threshold``.

    Returns:
        A SparseTensor; a Tensor when one of the two is dense.

    Raises:
        TypeError: neither is sparse.   ValueError: the shapes differ.

    Gradient: dy at the places of the values.

    >>> a = tf.SparseTensor([[0, 0], [0, 1]], [1.0, 2.0], [1, 3])
    >>> b = tf.SparseTensor([[0, 1], [0, 2]], [3.0, 4.0], [1, 3])
    >>> print(tf.Session().run(tf.sparse_add(a, b)).values)
    [1. 5. 4.]
    """
    a, b = (SparseTensor.from_value(v) if isinstance(v, SparseTensorValue) else v for v in (a, b))
    sparse = [isinstance(v, SparseTensor) for v in (a, b)]
    if not any(sparse):
        raise TypeError("sparse_add: neither argument is a SparseTensor; tf.add adds dense tensors")
    if not all(sparse):
        a, b = (a, b) if sparse[0] else (b, a)
        return apply_op("SparseTensorDenseAdd", *parts(a), b)
    least = one_name("sparse_add", threshold=threshold, thresh=thresh)
    real = a.dtype.base_dtype.real_dtype
    least = convert_to_tensor(0 if least is None else least, real, "thresh")
    indices, values, _ = apply_op("SparseAdd", *parts(a), *parts(b), least)
    return SparseTensor(indices, values, a.dense_shape)._set_shape(static_dims(a, b))


# ------------------------------------------------------------------------------- maximum, minimum


def _extreme_reference(function: Any) -> Any:
    def reference(call_: Call, *given: Any) -> Any:
        places, a, b, _ = _united(given)
        return places, function(a, b)

    return reference


for _which, _function, _word in (
    ("Maximum", np.maximum, "greater"), ("Minimum", np.minimum, "lesser")
):  # fmt: skip
    define(
        f"SparseSparse{_which}",
        "a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, "
        "b_shape: int64 -> output_indices: int64, output_values: T",
        T=dtypes_of(REAL),
        infer=lambda call_: sparse_result(_pair_infer(call_)[0])[:2],
        kernel=EXTREMES[_which],
        grad=not_differentiable("TensorFlow defines none"),
        reference=_extreme_reference(_function),
        samples=(
            sample(*_ONE, *_OTHER),
            sample(*_ONE, *_NONE),
            sample(*_WHOLE, *_WHOLE_TOO),
        ),
        errors=(
            error_sample(ValueError, "must have the same shape", *_ONE, *_OTHER[:2],
                         np.array([3, 5]), const=(2, 5)),
            error_sample(Exception, "must have the same shape", *_ONE, *_OTHER[:2],
                         np.array([3, 5]), stage="run"),
        ),
        doc=f"The {_word} of two sparse tensors wherever one of them has a value.",
    )  # fmt: skip


def _extreme_function(which: str, word: str, result: str) -> Any:
    function_name = f"sparse_{which.lower()}"

    def function(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
        a, b = as_sparse(sp_a, f"{function_name}: sp_a"), as_sparse(sp_b, f"{function_name}: sp_b")
        with name_scope(name, f"SparseSparse{which}", [*parts(a), *parts(b)]):
            indices, values = apply_op(f"SparseSparse{which}", *parts(a), *parts(b))
        return SparseTensor(indices, values, a.dense_shape)._set_shape(static_dims(a, b))

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""The {word} of two sparse tensors, wherever one of them has a value.

    What one of them lacks counts as 0.

    Args:
        sp_a: a SparseTensor of real numbers.
        sp_b: a SparseTensor of the same dtype and shape.
        name: of the scope of the operation; ``SparseSparse{which}`` by default.

    Raises:
        TypeError: one is no SparseTensor.   ValueError: the shapes differ.

    Gradient: none.

    >>> a = tf.SparseTensor([[0, 0], [0, 1]], [-1.0, 2.0], [1, 3])
    >>> b = tf.SparseTensor([[0, 1], [0, 2]], [3.0, 4.0], [1, 3])
    >>> print(tf.Session().run(tf.{function_name}(a, b)).values)
    {result}
    """
    return export(f"sparse.{which.lower()}", function_name)(function)


sparse_maximum = _extreme_function("Maximum", "greater", "[0. 3. 4.]")
sparse_minimum = _extreme_function("Minimum", "lesser", "[-1.  2.  0.]")


# ---------------------------------------------------------------------------------------- softmax

#: Values of one row stand together, since the indices are in order.
_SOFTMAX = """
for i in range(n):
    for d in range(rank):
        k = load(sp_indices, i * rank + d)
        if k < 0 or k >= load(sp_shape, d):
            return 2
first = int64(0)
while first < n:
    last = first + 1
    same = bool_(1)
    while same and last < n:
        step = int64(0)
        for d in range(rank):
            if step == 0:
                step = load(sp_indices, last * rank + d) - load(sp_indices, (last - 1) * rank + d)
                if step != 0 and d < rank - 1:
                    same = bool_(0)
        if step <= 0:
            return 3
        if same:
            last += 1
    most = load(sp_values, first)
    for i in range(first + 1, last):
        most = maximum(most, load(sp_values, i))
    total = {T}(0)
    for i in range(first, last):
        value = exp(load(sp_values, i) - most)
        store(output, i, value)
        total += value
    for i in range(first, last):
        store(output, i, load(output, i) / total)
    first = last
return 0
"""


def _softmax_infer(call_: Call) -> list[Dims]:
    count, rank = sparse_parts(call_, 0, "sp")
    if rank is not None and rank < 2:
        raise ShapeError(f"a sparse tensor of at least 2 axes is needed, not of {rank}")
    return [(count,)]


def _softmax_reference(call_: Call, indices: Any, values: Any, shape: Any) -> Any:
    check_sparse(indices, values, shape)
    check_ordered(indices)
    if shape.size < 2:
        raise invalid(f"a sparse tensor of at least 2 axes is needed, not of {shape.size}")
    _, row = np.unique(flat_places(indices[:, :-1], shape[:-1]), return_inverse=True)
    row = row.reshape(-1)
    wide = values.astype(np.float64)
    most = np.full(row.max(initial=-1) + 1, -np.inf)
    np.maximum.at(most, row, wide)
    weights = np.exp(wide - most[row])
    return (weights / np.bincount(row, weights, most.size)[row]).astype(values.dtype)


def _softmax_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    """y (dy - sum of y dy over the row)"""
    product = op.output * dy
    last = np.array([-1], np.int32)
    total = call.SparseReduceSum(op.sp_indices, product, op.sp_shape, last, keep_dims=True)
    row = places_among(op.sp_indices, op.sp_shape, convert_to_tensor(last))
    shared = call.GatherNd(total, row)
    shared.set_shape(op.sp_values.shape)
    return None, product - op.output * shared, None


define(
    "SparseSoftmax",
    "sp_indices: int64, sp_values: T, sp_shape: int64 -> output: T",
    T=dtypes_of(FLOAT),
    infer=_softmax_infer,
    kernel=Procedure(
        _SOFTMAX,
        sizes=lambda call_: dict(zip(("n", "rank"), concrete(call_.shapes[0]), strict=True)),
    ),
    grad=_softmax_grad,
    reference=_softmax_reference,
    samples=(
        sample(*_ONE, const=(2,)),
        sample(*sparse_sample(f32(2, 3, 4)), const=(2,)),
        sample(*_NONE, const=(2,)),
        sample(np.array([[0, 0], [0, 1]]), np.array([1000, 999], np.float32), np.array([1, 2]),
               const=(2,)),
    ),
    errors=(
        error_sample(ValueError, "at least 2 axes", *sparse_sample(f32(3))),
        error_sample(Exception, "is out of order|invalid argument", np.array([[1, 0], [0, 1]]),
                     f32(2), np.array([2, 2]), const=(2,), stage="run"),
        error_sample(Exception, "is outside shape|out of range", np.array([[2, 0]]), f32(1),
                     np.array([2, 2]), const=(2,), stage="run"),
    ),
    doc="exp(x) / sum of exp(x) over the values of every row.",
)  # fmt: skip


@export("sparse.softmax", "sparse_softmax")
def sparse_softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Softmax along the last axis, among the values that are there.

    y[i] = exp(x[i]) / sum of exp(x[j]) over the values j of its row

    Args:
        sp_input: a SparseTensor of floats, at least two axes, its indices in order.
        name: of the scope of the operation; ``SparseSoftmax`` by default.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.   ValueError: it has fewer than two axes.
        InvalidArgumentError: its indices are not in order (when run).

    Gradient: y (dy - sum of y dy over the row).

    >>> x = tf.SparseTensor([[0, 0], [0, 2], [1, 1]], [1.0, 1.0, 5.0], [2, 3])
    >>> print(tf.Session().run(tf.sparse_softmax(x)).values)
    [0.5 0.5 1. ]
    """
    x = as_sparse(sp_input, "sparse_softmax: sp_input")
    with name_scope(name, "SparseSoftmax", list(parts(x))):
        values = apply_op("SparseSoftmax", *parts(x))
    return SparseTensor(x.indices, values, x.dense_shape)._set_shape(static_dims(x))
