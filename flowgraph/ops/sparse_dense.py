"""Sparse tensors made dense, and multiplied by dense ones.

    sparse_to_dense                       values put at their places, the rest is a default
    sparse_tensor_dense_matmul            one multiply-add per value and column

Read next: sparse_elementwise.py (sparse * dense), sparse_arithmetic.py (sparse with sparse),
sparse_structure.py (rearranged).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, COMPLEX, INDEX, NUMERIC, as_dtype, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.graph.sparse_tensor import SparseTensor, SparseTensorValue
from flowgraph.ops.indices import tuple_choices, tuple_sizes
from flowgraph.ops.reductions import every_axis
from flowgraph.ops.rules import concrete, conjugate_of, f32, i32, invalid, require_rank, shape_of
from flowgraph.ops.sparse_rules import (
    as_sparse,
    check_inside,
    check_ordered,
    check_sparse,
    parts,
    sparse_parts,
    sparse_sample,
    static_dims,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size
from flowgraph.tensor_shape import as_dims

# ----------------------------------------------------------------------------------- placeholder


@export("sparse_placeholder", "sparse.placeholder")
def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A SparseTensor whose value is given to every run.

    Fed by a SparseTensorValue or a tuple (indices, values, dense_shape).

    Args:
        dtype: of the values.
        shape: what is known of the dense shape, or a tensor that holds it; with it, rank is known.
        name: of the parts: ``<name>/values``, ``<name>/indices``, ``<name>/shape``.

    Gradient: none; its ``values`` can be differentiated by.

    >>> x = tf.sparse_placeholder(tf.float32, [None, 3])
    >>> y = tf.sparse_tensor_to_dense(x)
    >>> print(tf.Session().run(y, {x: tf.SparseTensorValue([[0, 1]], [5.0], [2, 3])}))
    [[0. 5. 0.]
     [0. 0. 0.]]
    """

    def part(which: str) -> str | None:
        return None if name is None else f"{name}/{which}"

    known: Dims = None
    rank: int | None = None
    if shape is None:
        dense_shape = call.Placeholder(dtype=int64, shape=(None,), name=part("shape"))
    else:
        if not isinstance(shape, Tensor):
            known = as_dims([None if d == -1 else d for d in as_dims(shape) or ()])
            sizes = np.array([-1 if d is None else d for d in known or ()], np.int64)
            shape = convert_to_tensor(sizes, name=part("shape_default"))
        (rank,) = require_rank(shape.dims, 1, "shape")
        dense_shape = call.PlaceholderWithDefault(shape, shape=(rank,), name=part("shape"))
    values = call.Placeholder(dtype=as_dtype(dtype), shape=(None,), name=part("values"))
    indices = call.Placeholder(dtype=int64, shape=(None, rank), name=part("indices"))
    return SparseTensor(indices, values, dense_shape)._set_shape(known)


# ------------------------------------------------------------------------------- sparse_to_dense

#: Rows in order have rising places.
_TO_DENSE = """
indices = sparse_indices
{check_tuples}
last = int64(-1)
for i in range(n):
    at = {place}
    if ordered != 0 and at <= last:
        return 3
    last = at
fill = load(default_value, 0)
for e in independent(total):
    store(dense, e, fill)
for i in range(n):
    at = {place}
    store(dense, at, load(sparse_values, i * step))
return 0
"""


def _rows(dims: Dims) -> Dims:
    """The shape of sparse_indices as a matrix: one number and a vector are places on one axis."""
    if dims is None or len(dims) == 2:
        return dims
    return (dims[0] if dims else 1, 1)


def _to_dense_infer(call_: Call) -> list[Dims]:
    indices, output, values, default = call_.shapes
    if indices is not None and len(indices) > 2:
        raise ShapeError(f"sparse_indices must be a matrix or less, not {format_dims(indices)}")
    (rank,) = require_rank(output, 1, "output_shape")
    require_rank(default, 0, "default_value")
    rows = _rows(indices)
    if rows is not None and None not in (rows[1], rank) and rows[1] != rank:
        raise ShapeError(f"indices of {rows[1]} numbers for an output_shape of {rank} axes")
    if values is not None and len(values) > 1:
        raise ShapeError(f"sparse_values must be a vector or a number, not {format_dims(values)}")
    if rows is not None and values:
        try:
            merge_size(rows[0], values[0])
        except ShapeError:
            raise ShapeError(f"{values[0]} sparse_values for {rows[0]} indices") from None
    sizes = call_.value(1)
    if sizes is not None and (sizes < 0).any():
        raise ShapeError(f"output_shape {sizes.tolist()} has a negative size")
    return [call_.partial(1)]


def _to_dense_sizes(call_: Call) -> Mapping[str, int]:
    shape = concrete(call_.out_shapes[0])
    return {
        "total": math.prod(shape),
        "ordered": int(call_.attrs["validate_indices"]),
        "step": len(call_.shapes[2]),  # type: ignore[arg-type]
        **tuple_sizes(_rows(call_.shapes[0]), shape),
    }


def _to_dense_reference(call_: Call, indices: Any, shape: Any, values: Any, default: Any) -> Any:
    rows = indices.reshape(-1, 1) if indices.ndim < 2 else indices
    if (shape < 0).any():
        raise invalid(f"output_shape {shape.tolist()} has a negative size")
    if values.shape not in ((), (len(rows),)):
        raise invalid(f"{values.size} sparse_values for {len(rows)} indices")
    if default.shape:
        raise invalid(f"default_value must be a scalar, not of shape {list(default.shape)}")
    check_inside(rows, shape)
    if call_.attrs["validate_indices"]:
        check_ordered(rows)
    dense = np.full(tuple(shape.tolist()), default, values.dtype)
    dense[tuple(rows.T)] = values
    return dense


def _to_dense_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    """Values overwrite the default, which is everywhere else."""
    indices, rank = op.sparse_indices, op.sparse_indices.dims
    if rank is None or len(rank) < 2:
        indices = call.Reshape(indices, [-1, 1]) if rank is None or rank else indices
        indices = call.Reshape(indices, [1, 1]) if rank == () else indices
    chosen = call.GatherNd(dy, indices)
    if op.sparse_values.dims == ():
        by_value = call.Sum(chosen, every_axis(chosen))
    else:
        by_value = call.Reshape(chosen, shape_of(op.sparse_values))
    if not op.wants(op.default_value):
        return None, None, by_value, None
    return None, None, by_value, call.Sum(dy, every_axis(dy)) - call.Sum(chosen, every_axis(chosen))


_EYE = sparse_sample(np.diag(f32(3)))

define(
    "SparseToDense",
    "sparse_indices: Tindices, output_shape: Tindices, sparse_values: T, default_value: T "
    "-> dense: T",
    validate_indices=True,
    T=dtypes_of(ALL),
    Tindices=dtypes_of(INDEX),
    infer=_to_dense_infer,
    kernel=Procedure(
        _TO_DENSE,
        sizes=_to_dense_sizes,
        known=(1,),
        moves=("T",),
        choices=lambda call_: tuple_choices(_rows(call_.shapes[0])),
    ),
    grad=_to_dense_grad,
    reference=_to_dense_reference,
    samples=(
        sample(_EYE[0], np.array([3, 4]), _EYE[1], np.float32(0.5), const=(1,)),
        sample(i32([1, 3]), i32([5]), f32(2), np.float32(-1), const=(1,)),
        sample(i32(2), i32([4]), f32(), np.float32(0), const=(1,)),
        sample(i32([1, 3]), i32([4]), i32(7), i32(0), const=(1,)),
        sample(i32([[1, 0], [0, 1]]), i32([2, 2]), f32(2), np.float32(0), const=(1,),
               validate_indices=False),
        sample(np.zeros((0, 2), np.int64), np.array([2, 3]), f32(0), np.float32(1), const=(1,)),
        sample(i32([[0, 1]]), i32([1, 2]), np.array([b"a"], object), np.array(b"-", object),
               const=(1,)),
        sample(_EYE[0], np.array([3, 4]), _EYE[1], np.float32(0.5)),
    ),
    errors=(
        error_sample(ValueError, "3 sparse_values for 2 indices",
                     i32([0, 1]), i32([4]), f32(3), f32(), const=(1,)),
        error_sample(ValueError, "indices of 2 numbers for an output_shape of 1 axes",
                     i32([[0, 1]]), i32([4]), f32(1), f32(), const=(1,)),
        error_sample(ValueError, "default_value must be a scalar",
                     i32([0, 1]), i32([4]), f32(2), f32(1), const=(1,)),
        error_sample(Exception, r"indices\[1\] = \[4\] is outside shape \[4\]|out of range",
                     i32([0, 4]), i32([4]), f32(2), f32(), const=(1,), stage="run"),
        error_sample(Exception, r"indices\[1\] = \[0\] is out of order|invalid argument",
                     i32([1, 0]), i32([4]), f32(2), f32(), const=(1,), stage="run"),
        error_sample(Exception, r"indices\[1\] = \[1\] is repeated|invalid argument",
                     i32([1, 1]), i32([4]), f32(2), f32(), const=(1,), stage="run"),
    ),
    doc="``sparse_values`` at ``sparse_indices``, ``default_value`` everywhere else.",
)  # fmt: skip


@export("sparse_to_dense")
def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """Values at given places of a tensor, a default everywhere else.

    dense[sparse_indices[i]] = sparse_values[i]

    Args:
        sparse_indices: int32 or int64 [N, rank]; for one axis also [N] or one number.
        output_shape: [rank], of the same dtype.
        sparse_values: N values, or one for all.
        default_value: a scalar.
        validate_indices: make sure that indices are in order and none is repeated.
        name: of the operation; ``SparseToDense`` by default.

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: an index is out of range, out of order or repeated (when run).

    Gradient: to the values dy of their places, to the default the sum of the rest.

    >>> print(tf.Session().run(tf.sparse_to_dense([1, 3], [5], [7, 8], default_value=-1)))
    [-1  7 -1  8 -1]
    """
    return apply_op(
        "SparseToDense", sparse_indices, output_shape, sparse_values, default_value,
        validate_indices=validate_indices, name=name,
    )  # fmt: skip


@export("sparse.to_dense", "sparse_tensor_to_dense")
def sparse_tensor_to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """A SparseTensor as a dense tensor.

    Args:
        sp_input: a SparseTensor.
        default_value: what stands where it has no value; 0 (or b"") by default.
        validate_indices: make sure that its indices are in order and none is repeated.
        name: of the operation; ``SparseToDense`` by default.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.
        InvalidArgumentError: an index is out of range, out of order or repeated (when run).

    Gradient: to the values dy of their places, to the default the sum of the rest.

    >>> x = tf.SparseTensor([[0, 1], [1, 2]], [5, 6], [2, 3])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(x)))
    [[0 5 0]
     [0 0 6]]
    """
    x = as_sparse(sp_input, "sparse_tensor_to_dense: sp_input")
    if default_value is None:
        default_value = _nothing(x)
    dense = sparse_to_dense(
        x.indices, x.dense_shape, x.values, default_value, validate_indices, name=name
    )
    dense.set_shape(static_dims(x))
    return dense


def _nothing(x: Any) -> Any:
    """The zero of its dtype."""
    dtype = x.dtype.base_dtype.np
    return np.array(b"", object) if dtype.hasobject else np.zeros((), dtype)


@export("sparse.from_dense")
def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """The SparseTensor of what is not zero in a dense tensor.

    Args:
        tensor: of any dtype; strings count as zero when empty.
        name: of the scope of the operations; ``dense_to_sparse`` by default.

    Gradient: to the tensor, dy at the places of the values.

    >>> x = tf.sparse.from_dense([[0, 5], [6, 0]])
    >>> print(tf.Session().run(x.indices).tolist(), tf.Session().run(x.values))
    [[0, 1], [1, 0]] [5 6]
    """
    with name_scope(name, "dense_to_sparse"):
        tensor = convert_to_tensor(tensor)
        indices = call.Where(call.NotEqual(tensor, _nothing(tensor)))
        values = call.GatherNd(tensor, indices)
        shape = call.Shape(tensor, out_type=int64)
        return SparseTensor(indices, values, shape)


# ------------------------------------------------------------------- sparse matrix, dense matrix

_MATMUL = """
for i in range(n):
    r = int64(load(a_indices, 2 * i + turned))
    c = int64(load(a_indices, 2 * i + 1 - turned))
    if r < 0 or r >= rows or c < 0 or c >= inner:
        return 2
for e in independent(rows * columns):
    store(product, e, {T}(0))
for i in range(n):
    r = int64(load(a_indices, 2 * i + turned))
    c = int64(load(a_indices, 2 * i + 1 - turned))
    a = {a}
    if adjoint_b == 0:
        for j in independent(columns):
            at = r * columns + j
            store(product, at, load(product, at) + a * load(b, c * columns + j))
    else:
        for j in independent(columns):
            at = r * columns + j
            store(product, at, load(product, at) + a * {turned_b})
return 0
"""


def _matmul_choices(call_: Call) -> Mapping[str, str]:
    a, b = "load(a_values, i)", "load(b, j * inner + c)"
    if call_.dtypes[1].is_complex:
        a = f"conj({a})" if call_.attrs["adjoint_a"] else a
        b = f"conj({b})"
    return {"a": a, "turned_b": b}


def _matmul_dims(call_: Call) -> tuple[int | None, int | None, int | None]:
    """(rows, inner, columns) of the product."""
    _, rank = sparse_parts(call_, 0, "a")
    if rank not in (2, None):
        raise ShapeError(f"a must be a matrix, not of {rank} axes")
    b = require_rank(call_.shapes[3], 2, "b")
    rows, inner = call_.partial(2) or (None, None)
    if call_.attrs["adjoint_a"]:
        rows, inner = inner, rows
    other, columns = b[::-1] if call_.attrs["adjoint_b"] else b
    try:
        return rows, merge_size(inner, other), columns
    except ShapeError:
        raise ShapeError(
            f"the product of [{rows}, {inner}] and [{other}, {columns}] is not defined"
        ) from None


def _matmul_infer(call_: Call) -> list[Dims]:
    rows, _, columns = _matmul_dims(call_)
    return [(rows, columns)]


def _matmul_sizes(call_: Call) -> Mapping[str, int]:
    rows, inner, columns = _matmul_dims(call_)
    return {
        "rows": rows, "inner": inner, "columns": columns, "n": call_.shapes[1][0],  # type: ignore[index,dict-item]
        "turned": int(call_.attrs["adjoint_a"]), "adjoint_b": int(call_.attrs["adjoint_b"]),
    }  # fmt: skip


def _matmul_reference(call_: Call, indices: Any, values: Any, shape: Any, b: Any) -> Any:
    indices = indices.astype(np.int64)
    check_sparse(indices, values, shape)
    wide = np.promote_types(values.dtype, np.float64) if values.dtype.kind in "fc" else values.dtype
    a = np.zeros(tuple(shape.tolist()), wide)
    np.add.at(a, tuple(indices.T), values)
    left = a.conj().T if call_.attrs["adjoint_a"] else a
    right = b.conj().T if call_.attrs["adjoint_b"] else b
    if left.shape[1] != right.shape[0]:
        raise invalid(f"the product of {left.shape} and {right.shape} is not defined")
    return (left @ right.astype(wide)).astype(values.dtype)


def _matmul_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    """db = a^H dy;  da[r, c] = dy[r] . b[c]^*, only at the places that have a value."""
    turned, b_turned = op.attrs["adjoint_a"], op.attrs["adjoint_b"]
    rows, columns = (
        call.StridedSlice(op.a_indices, [0, k], [0, k + 1], [1, 1], begin_mask=1, end_mask=1,
                          shrink_axis_mask=2)
        for k in (0, 1)
    )  # fmt: skip
    by_values = by_b = None
    if op.wants(op.a_values):
        b = conjugate_of(call.Transpose(op.b, [1, 0])) if b_turned else op.b
        left = call.GatherV2(dy, columns if turned else rows, 0)
        right = call.GatherV2(b, rows if turned else columns, 0)
        by_values = call.Sum(left * conjugate_of(right), [1])
        by_values = conjugate_of(by_values) if turned else by_values
    if op.wants(op.b):
        by_b = call.SparseTensorDenseMatMul(
            op.a_indices, op.a_values, op.a_shape, dy, adjoint_a=not turned
        )
        by_b = conjugate_of(call.Transpose(by_b, [1, 0])) if b_turned else by_b
    return None, by_values, None, by_b


_MATRIX = sparse_sample(np.where(f32(3, 4) > 0, f32(3, 4), np.float32(0)))
_WHOLE = sparse_sample(i32([[1, 0], [0, 2]]))

define(
    "SparseTensorDenseMatMul",
    "a_indices: Tindices, a_values: T, a_shape: int64, b: T -> product: T",
    T=dtypes_of(frozenset(("float16", "float32", "float64", "int32")) | COMPLEX),
    Tindices=dtypes_of(INDEX, int64),
    adjoint_a=False,
    adjoint_b=False,
    infer=_matmul_infer,
    kernel=Procedure(
        _MATMUL,
        sizes=_matmul_sizes,
        known=(2,),
        whole=True,
        choices=_matmul_choices,
        flops=lambda call_: 2 * call_.shapes[1][0] * call_.out_shapes[0][1],  # type: ignore[index,operator]
    ),
    grad=_matmul_grad,
    reference=_matmul_reference,
    samples=(
        sample(*_MATRIX, f32(4, 5), const=(2,)),
        sample(*_MATRIX, f32(3, 2), const=(2,), adjoint_a=True),
        sample(*_MATRIX, f32(2, 4), const=(2,), adjoint_b=True),
        sample(*_MATRIX, f32(2, 3), const=(2,), adjoint_a=True, adjoint_b=True),
        sample(i32([[1, 1], [0, 0], [1, 1]]), f32(3), np.array([2, 2]), f32(2, 3), const=(2,)),
        sample(np.zeros((0, 2), np.int64), f32(0), np.array([2, 0]), f32(0, 3), const=(2,)),
        sample(*_WHOLE, i32([[1, 2, 3], [4, 5, 6]]), const=(2,)),
        sample(*_MATRIX, f32(4, 5)),
        sample(_WHOLE[0], np.array([1 + 2j, 3 - 1j], np.complex64), _WHOLE[2],
               np.array([[1j], [2 + 1j]], np.complex64), const=(2,), adjoint_a=True),
    ),
    errors=(
        error_sample(ValueError, r"the product of \[3, 4\] and \[3, 2\] is not defined",
                     *_MATRIX, f32(3, 2), const=(2,)),
        error_sample(ValueError, "a must be a matrix", np.zeros((1, 3), np.int64), f32(1),
                     np.array([1, 1, 1]), f32(3, 2), const=(2,)),
        error_sample(Exception, r"indices\[0\] = \[5, 0\] is outside shape|out of range",
                     np.array([[5, 0]]), f32(1), np.array([2, 4]), f32(4, 2), const=(2,),
                     stage="run"),
    ),
    doc="A sparse matrix times a dense one.",
)  # fmt: skip


@export("sparse_tensor_dense_matmul", "sparse.matmul", "sparse.sparse_dense_matmul")
def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """A sparse matrix times a dense one, ``A @ B``.

    Args:
        sp_a: a SparseTensor of two axes, its indices in any order.
        b: a matrix of the same dtype.  When ``sp_a`` is dense this one may be the sparse one.
        adjoint_a: take the conjugate transpose of A.
        adjoint_b: take the conjugate transpose of B.
        name: of the operation; ``SparseTensorDenseMatMul`` by default.

    Raises:
        ValueError: the inner sizes differ.
        InvalidArgumentError: an index is out of range (when run).

    Gradient: to the values of A the products of rows of dy and B at their places; to B,
    A^H @ dy.
    Cost: 2 * (number of values) * (columns of B).

    >>> a = tf.SparseTensor([[0, 1], [1, 0]], [2.0, 3.0], [2, 2])
    >>> print(tf.Session().run(tf.sparse_tensor_dense_matmul(a, [[1.0], [10.0]])))
    [[20.]
     [ 3.]]
    """
    if isinstance(b, (SparseTensor, SparseTensorValue)):
        # (A B)^H = B^H A^H
        product = sparse_tensor_dense_matmul(b, sp_a, not adjoint_b, not adjoint_a, name)
        return conjugate_of(call.Transpose(product, [1, 0]))
    a = as_sparse(sp_a, "sparse_tensor_dense_matmul: sp_a")
    with name_scope(name, "SparseTensorDenseMatMul", [*parts(a), b]):
        product = apply_op(
            "SparseTensorDenseMatMul", *parts(a), b, adjoint_a=adjoint_a, adjoint_b=adjoint_b
        )
    rows, columns = static_dims(a) or (None, None)
    product.set_shape([columns if adjoint_a else rows, None])
    return product


# ---------------------------------------------------------------------- sparse plus dense tensor

_ADD_TO_DENSE = """
{check_tuples}
for d in range(rank):
    if int64(load(a_shape, d)) != int64(slot(block, d)):
        return 3
for i in range(n):
    at = {place}
    store(output, at, load(output, at) + load(a_values, i))
return 0
"""


def _add_infer(call_: Call) -> list[Dims]:
    _, rank = sparse_parts(call_, 0, "a")
    dims = call_.shapes[3]
    if dims is not None and rank not in (None, len(dims)):
        raise ShapeError(f"a of {rank} axes cannot be added to b of shape {format_dims(dims)}")
    try:
        return [merge(dims, call_.partial(2))]
    except ShapeError:
        raise ShapeError(
            f"a of shape {format_dims(call_.partial(2))} cannot be added to b of shape "
            f"{format_dims(dims)}: nothing is broadcast"
        ) from None


def _add_sizes(call_: Call) -> Mapping[str, int]:
    """NB: the sizes of b come first: the kernel reads them from its block."""
    shape = concrete(call_.shapes[3])
    first = {f"axis{d}": size for d, size in enumerate(shape)}
    return first | {"rank": len(shape)} | dict(tuple_sizes(call_.shapes[0], shape))


def _add_reference(call_: Call, indices: Any, values: Any, shape: Any, b: Any) -> Any:
    indices = indices.astype(np.int64)
    check_sparse(indices, values, shape)
    if tuple(shape.tolist()) != b.shape:
        raise invalid(
            f"a of shape {shape.tolist()} cannot be added to b of shape {list(b.shape)}: nothing "
            "is broadcast"
        )
    result = b.copy()
    np.add.at(result, tuple(indices.T), values)
    return result


define(
    "SparseTensorDenseAdd",
    "a_indices: Tindices, a_values: T, a_shape: Tindices, b: T -> output: T",
    T=dtypes_of(NUMERIC),
    Tindices=dtypes_of(INDEX),
    infer=_add_infer,
    kernel=Procedure(
        _ADD_TO_DENSE.replace("{check_tuples}", "indices = a_indices\n{check_tuples}"),
        sizes=_add_sizes,
        updates={0: 3},
        whole=True,
        choices=lambda call_: tuple_choices(call_.shapes[0]),
    ),
    grad=lambda op, dy: (None, call.GatherNd(dy, op.a_indices), None, dy),
    reference=_add_reference,
    samples=(
        sample(*_MATRIX, f32(3, 4, seed=1)),
        sample(i32([[1], [1]]), f32(2), i32([3]), f32(3, seed=1), const=(2,)),
        sample(np.zeros((0, 2), np.int64), f32(0), np.array([2, 0]), f32(2, 0), const=(2,)),
        sample(*_WHOLE, i32([[1, 2], [4, 5]])),
    ),
    errors=(
        error_sample(ValueError, "nothing is broadcast", *_MATRIX, f32(1, 4), const=(2,)),
        error_sample(Exception, "nothing is broadcast|invalid argument", *_MATRIX, f32(3, 5),
                     stage="run"),
        error_sample(Exception, "is outside shape|out of range", np.array([[5, 0]]), f32(1),
                     np.array([2, 4]), f32(2, 4), stage="run"),
    ),
    doc="A sparse tensor added to a dense one of the same shape.",
)  # fmt: skip
