"""Matrix products: MatMul, BatchMatMul, SparseMatMul; products with vectors; transposes.

Kernels: lower/gemm.py (BLAS for large products, a strided loop for small ones).

Read next: transposing.py, einsum.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import NUMERIC, float32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Custom, define, dtypes_of, error_sample, sample
from flowgraph.ops.matrix_algebra import transposed
from flowgraph.ops.rules import (
    conjugate_of,
    f32,
    i32,
    of_one_dtype,
    require_rank,
    require_rank_at_least,
    sum_to,
)
from flowgraph.shapes import Dims, ShapeError, broadcast, format_dims

# ----------------------------------------------------------------------------------- two matrices


def _product_shape(
    a: tuple[int | None, ...], b: tuple[int | None, ...], swap_a: bool, swap_b: bool
) -> tuple[int | None, int | None]:
    """Shape of op(a) @ op(b) for matrices; ShapeError when the inner sizes differ."""
    rows, inner_a = a[::-1] if swap_a else a
    inner_b, columns = b[::-1] if swap_b else b
    if inner_a is not None and inner_b is not None and inner_a != inner_b:
        raise ShapeError(
            f"inner sizes differ: {format_dims(a)}{' transposed' if swap_a else ''} times "
            f"{format_dims(b)}{' transposed' if swap_b else ''} needs {inner_a} = {inner_b}",
            fix="transpose one of them: transpose_a=True or transpose_b=True",
        )
    return rows, columns


def _matmul_shape(call_: Call) -> list[Dims]:
    a, b = (
        require_rank(dims, 2, what) for dims, what in zip(call_.shapes, ("a", "b"), strict=True)
    )
    return [_product_shape(a, b, call_.attrs["transpose_a"], call_.attrs["transpose_b"])]


def _matmul_gradient(op: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """c = op(a) @ op(b):  d op(a) = dc @ op(b)^H,  d op(b) = op(a)^H @ dc."""
    a, b = op.a, op.b
    swap_a, swap_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
    da = db = None
    if op.wants(a):
        other = conjugate_of(b)
        if swap_a:
            da = call.MatMul(other, dy, transpose_a=swap_b, transpose_b=True)
        else:
            da = call.MatMul(dy, other, transpose_b=not swap_b)
    if op.wants(b):
        other = conjugate_of(a)
        if swap_b:
            db = call.MatMul(dy, other, transpose_a=True, transpose_b=swap_a)
        else:
            db = call.MatMul(other, dy, transpose_a=not swap_a)
    return da, db


def _swapped(x: np.ndarray[Any, Any], swap: bool) -> np.ndarray[Any, Any]:
    return np.swapaxes(x, -1, -2) if swap else x


def _matmul_reference(call_: Call, a: Any, b: Any) -> Any:
    attrs = call_.attrs
    return _swapped(a, attrs["transpose_a"]) @ _swapped(b, attrs["transpose_b"])


def _complex(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """A complex matrix for samples."""
    return (f32(*shape, seed=seed) + 1j * f32(*shape, seed=seed + 1)).astype(np.complex64)


define(
    "MatMul",
    "a: T, b: T -> product: T",
    T=dtypes_of(NUMERIC),
    transpose_a=False,
    transpose_b=False,
    infer=_matmul_shape,
    kernel=Custom("matmul", parts=True),
    grad=_matmul_gradient,
    reference=_matmul_reference,
    samples=(
        sample(f32(3, 5), f32(5, 7)),
        sample(f32(5, 3), f32(5, 7), transpose_a=True),
        sample(f32(3, 5), f32(7, 5), transpose_b=True),
        sample(f32(5, 3), f32(7, 5), transpose_a=True, transpose_b=True),
        sample(f32(17, 33), f32(33, 29)),
        sample(f32(33, 17), f32(29, 33), transpose_a=True, transpose_b=True),
        sample(f32(1, 5), f32(5, 1)),
        sample(f32(0, 3), f32(3, 2)),
        sample(f32(2, 0), f32(0, 3)),
        sample(i32([[1, -2, 3], [4, 5, -6]]), i32([[1, 2], [3, 4], [5, 6]])),
        sample(_complex(3, 5), _complex(5, 2)),
        sample(_complex(5, 3), _complex(2, 5), transpose_a=True, transpose_b=True),
    ),
    errors=(
        error_sample(ValueError, "inner sizes differ", f32(3, 4), f32(3, 4)),
        error_sample(ValueError, "must be a matrix", f32(3), f32(3, 4)),
    ),
    doc="op(a) @ op(b), where op transposes or not.",
)


define(
    "SparseMatMul",
    "a: Ta, b: Tb -> product: float32",
    Ta=dtypes_of(frozenset(("float32",)), float32),
    Tb=dtypes_of(frozenset(("float32",)), float32),
    transpose_a=False,
    transpose_b=False,
    a_is_sparse=False,
    b_is_sparse=False,
    infer=_matmul_shape,
    kernel=Custom("matmul"),
    grad=_matmul_gradient,
    reference=_matmul_reference,
    samples=(
        # float32 only, in which slopes cannot be measured
        sample(f32(3, 5), f32(5, 7), a_is_sparse=True, differentiable=()),
        sample(f32(5, 3), f32(7, 5), transpose_a=True, transpose_b=True, differentiable=()),
    ),
    errors=(error_sample(ValueError, "inner sizes differ", f32(3, 4), f32(3, 4)),),
    doc="MatMul of matrices with many zeros; they are multiplied like other numbers.",
)

# --------------------------------------------------------------------------------------- batches


def _batch_shape(call_: Call, broadcasts: bool) -> list[Dims]:
    a, b = call_.shapes
    require_rank_at_least(a, 2, "x")
    require_rank_at_least(b, 2, "y")
    if a is None or b is None:
        return [None]
    if not broadcasts and len(a) != len(b):
        raise ShapeError(f"ranks differ: {format_dims(a)} and {format_dims(b)}")
    matrix = _product_shape(a[-2:], b[-2:], call_.attrs["adj_x"], call_.attrs["adj_y"])
    batch = broadcast(a[:-2], b[:-2])
    return [None if batch is None else (*batch, *matrix)]


def _batch_gradient(op: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
    x, y, type = op.x, op.y, op.type
    swap_x, swap_y = op.attrs["adj_x"], op.attrs["adj_y"]

    def product(a: Tensor, b: Tensor, adj_a: bool, adj_b: bool) -> Tensor:
        return apply_op(type, a, b, adj_x=adj_a, adj_y=adj_b)

    dx = db = None
    if op.wants(x):
        dx = product(y, dy, swap_y, True) if swap_x else product(dy, y, False, not swap_y)
        dx = sum_to(dx, x, y, trailing=2) if type == "BatchMatMulV2" else dx
    if op.wants(y):
        if not swap_x and _is_matrix(y) and _has_rows(x) and _has_rows(dy):
            # the sum over batches is the inner sum of one product of tall matrices
            x, dy, y = _rows_of(x), _rows_of(dy), None
        db = product(dy, x, True, swap_x) if swap_y else product(x, dy, not swap_x, False)
        if y is not None and type == "BatchMatMulV2":
            db = sum_to(db, y, x, trailing=2)
    return dx, db


def _is_matrix(x: Tensor) -> bool:
    return x.dims is not None and len(x.dims) == 2


def _has_rows(x: Tensor) -> bool:
    """True when ``x`` can be reshaped to the matrix of its rows."""
    return x.dims is not None and len(x.dims) > 2 and bool(x.dims[-1])


def _rows_of(x: Tensor) -> Tensor:
    return call.Reshape(x, np.array([-1, x.dims[-1]], np.int32))  # type: ignore[index]


def _batch_reference(call_: Call, x: Any, y: Any) -> Any:
    swap_x, swap_y = call_.attrs["adj_x"], call_.attrs["adj_y"]
    x, y = np.conj(x) if swap_x else x, np.conj(y) if swap_y else y
    return _swapped(x, swap_x) @ _swapped(y, swap_y)


def _batch_record(type: str, broadcasts: bool, samples: tuple) -> None:
    define(
        type,
        "x: T, y: T -> output: T",
        T=dtypes_of(NUMERIC),
        adj_x=False,
        adj_y=False,
        infer=lambda call_: _batch_shape(call_, broadcasts),
        kernel=Custom("matmul", parts=True),
        grad=_batch_gradient,
        reference=_batch_reference,
        samples=samples,
        errors=(
            error_sample(ValueError, "inner sizes differ", f32(2, 3, 4), f32(2, 3, 4)),
            error_sample(ValueError, "broadcast", f32(2, 3, 4), f32(5, 4, 3)),
        ),
        doc="Matrix products of the last two axes, one per index of the others.",
    )


_BATCH_SAMPLES = (
    sample(f32(2, 3, 5), f32(2, 5, 4)),
    sample(f32(2, 5, 3), f32(2, 4, 5), adj_x=True, adj_y=True),
    sample(f32(2, 5, 3), f32(2, 5, 4), adj_x=True),
    sample(f32(2, 3, 5), f32(2, 4, 5), adj_y=True),
    sample(f32(0, 3, 5), f32(0, 5, 4)),
    sample(f32(3, 16, 17), f32(3, 17, 18)),
    sample(i32([[[1, 2]], [[3, 4]]]), i32([[[5], [6]], [[7], [8]]])),
    sample(_complex(2, 5, 3), _complex(2, 4, 5), adj_x=True, adj_y=True),
    sample(_complex(2, 3, 5), _complex(2, 5, 1)),
)
_batch_record("BatchMatMul", False, _BATCH_SAMPLES)
_batch_record(
    "BatchMatMulV2",
    True,
    (
        *_BATCH_SAMPLES,
        sample(f32(3, 5), f32(2, 5, 4)),
        sample(f32(2, 1, 3, 5), f32(3, 5, 4)),
        sample(f32(2, 3, 9, 8), f32(8, 7)),
        sample(f32(2, 8, 9), f32(7, 8), adj_x=True, adj_y=True),
        sample(f32(2, 9, 8), f32(7, 8), adj_y=True),
        sample(f32(9, 8), f32(40, 8, 1)),
        sample(f32(2, 1, 1, 5), f32(3, 5, 1)),
        sample(f32(2, 3, 0), f32(0, 4)),
        sample(f32(4, 5), f32(5, 3)),
        sample(_complex(1, 5, 3), _complex(3, 5, 2), adj_x=True),
    ),
)


# ------------------------------------------------------------------------------- public functions


@export("matmul", "linalg.matmul")
def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Product of matrices, or of the last two axes of batches of matrices.

    c[..., i, j] = sum_k a[..., i, k] * b[..., k, j]

    Args:
        a: (..., I, K).   b: (..., K, J), of the same dtype.
        transpose_a, transpose_b: exchange the last two axes first.
        adjoint_a, adjoint_b: transpose, and conjugate complex numbers.
        a_is_sparse, b_is_sparse: a hint that most elements are 0; zeros are multiplied like other
            numbers.
        name: of the operation; ``MatMul`` by default.

    Returns:
        (..., I, J); leading axes broadcast.

    Raises:
        ValueError: the inner sizes differ, an argument has fewer than two axes, or one is both
            transposed and adjoint.
        TypeError: dtypes differ.

    Gradient: da = dy @ b^H,  db = a^H @ dy, summed over broadcast axes.
    Numerics: float32 accumulates in float32, in the order of the BLAS; bit-equal from run to run.

    >>> import flowgraph as tf
    >>> tf.matmul(tf.ones([2, 3]), tf.ones([3, 4])).shape
    TensorShape([Dimension(2), Dimension(4)])
    """
    if transpose_a and adjoint_a:
        raise ValueError("Only one of transpose_a and adjoint_a can be True.")
    if transpose_b and adjoint_b:
        raise ValueError("Only one of transpose_b and adjoint_b can be True.")
    swap_a, swap_b = transpose_a or adjoint_a, transpose_b or adjoint_b
    with name_scope(name, "MatMul", [a, b]) as scope:
        a, b = of_one_dtype(a, b)
        sparse = a_is_sparse or b_is_sparse
        if not sparse and not (_surely_no_batch(a) and _surely_no_batch(b)):
            # BatchMatMul conjugates what it transposes
            a = conjugate_of(a) if transpose_a else a
            b = conjugate_of(b) if transpose_b else b
            return call.BatchMatMulV2(a, b, adj_x=swap_a, adj_y=swap_b, name=scope)
        # and MatMul does not
        a = conjugate_of(a) if adjoint_a else a
        b = conjugate_of(b) if adjoint_b else b
        if sparse and a.dtype.base_dtype is float32:
            hints = {"a_is_sparse": a_is_sparse, "b_is_sparse": b_is_sparse}
            return call.SparseMatMul(
                a, b, transpose_a=swap_a, transpose_b=swap_b, **hints, name=scope
            )
        return call.MatMul(a, b, transpose_a=swap_a, transpose_b=swap_b, name=scope)


def _surely_no_batch(x: Tensor) -> bool:
    return x.dims is not None and len(x.dims) <= 2


@export("linalg.matvec")
def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Product of matrices with vectors.

    c[..., i] = sum_k a[..., i, k] * b[..., k]

    Args:
        a: (..., I, K).   b: (..., K), of the same dtype.
        transpose_a, adjoint_a: as for ``matmul``.
        a_is_sparse, b_is_sparse: accepted, see ``matmul``.
        name: of the operations; ``MatVec`` by default.

    Returns:
        (..., I); leading axes broadcast.

    Raises:
        ValueError: the inner sizes differ, or ``a`` is no matrix.   TypeError: dtypes differ.

    Gradient: da = dy b^H,  db = a^H @ dy.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.matvec([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]))
    array([3., 7.], dtype=float32)
    """
    with name_scope(name, "MatVec", [a, b]):
        a, b = of_one_dtype(a, b)
        column = call.ExpandDims(b, -1)
        product = matmul(
            a,
            column,
            transpose_a=transpose_a,
            adjoint_a=adjoint_a,
            a_is_sparse=a_is_sparse,
            b_is_sparse=b_is_sparse,
        )
        return call.Squeeze(product, squeeze_dims=[-1])


@export("sparse_matmul")
def sparse_matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Product of two float32 matrices of which many elements are 0.

    Args:
        a: (I, K).   b: (K, J).
        transpose_a, transpose_b: exchange the axes first.
        a_is_sparse, b_is_sparse: which of them has many zeros.  They are multiplied like other
            numbers.
        name: of the operation; ``SparseMatMul`` by default.

    Returns:
        (I, J) float32.

    Raises:
        ValueError: the inner sizes differ, or an argument is no matrix.

    Gradient: as of ``matmul``.
    """
    return apply_op(
        "SparseMatMul",
        a,
        b,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        a_is_sparse=a_is_sparse,
        b_is_sparse=b_is_sparse,
        name=name,
    )


# ------------------------------------------------------------------------------------ transposes


@export("matrix_transpose", "linalg.matrix_transpose", "linalg.transpose")
def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """``a`` with its last two axes exchanged; no data moves.

    Args:
        a: rank >= 2.
        name: of the operations.
        conjugate: conjugate complex numbers as well.

    Raises:
        ValueError: the rank is below 2.

    Gradient: the transpose of dy.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_transpose([[[1, 2], [3, 4]]]))
    array([[[1, 3],
            [2, 4]]], dtype=int32)
    """
    with name_scope(name, "matrix_transpose", [a]):
        a = convert_to_tensor(a, name="a")
        if a.dims is not None and len(a.dims) < 2:
            raise ValueError(
                f"Argument `a` should be a (batch) matrix, with rank >= 2. Found: {a.shape}"
            )
        swapped = transposed(a, name="transpose")
        return conjugate_of(swapped) if conjugate else swapped


@export("linalg.adjoint")
def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """``matrix`` transposed and conjugated; a plain transpose for real dtypes.

    Args:
        matrix: (..., I, J).
        name: of the operations; ``adjoint`` by default.

    Returns:
        (..., J, I).

    Raises:
        ValueError: the rank is below 2.

    Gradient: the adjoint of dy.

    >>> import flowgraph as tf
    >>> tf.linalg.adjoint(tf.ones([2, 3])).shape
    TensorShape([Dimension(3), Dimension(2)])
    """
    with name_scope(name, "adjoint", [matrix]):
        return matrix_transpose(convert_to_tensor(matrix, name="matrix"), conjugate=True)
