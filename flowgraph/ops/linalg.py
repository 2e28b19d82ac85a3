"""Matrix products: MatMul, BatchMatMul, tensordot, and the transpose of matrices.

Kernels: lower/gemm.py (BLAS for large products, a strided loop for small ones).

Read next: transposing.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import NUMERIC
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Custom, define, dtypes_of, error_sample, sample
from flowgraph.ops.rules import f32, i32, require_rank
from flowgraph.shapes import Dims, ShapeError, broadcast, format_dims, is_fully_known

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
    """c = op(a) @ op(b):  d op(a) = dc @ op(b)^T,  d op(b) = op(a)^T @ dc."""
    a, b = op.a, op.b
    swap_a, swap_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
    da = db = None
    if op.wants(a):
        if swap_a:
            da = call.MatMul(b, dy, transpose_a=swap_b, transpose_b=True)
        else:
            da = call.MatMul(dy, b, transpose_b=not swap_b)
    if op.wants(b):
        if swap_b:
            db = call.MatMul(dy, a, transpose_a=True, transpose_b=swap_a)
        else:
            db = call.MatMul(a, dy, transpose_a=not swap_a)
    return da, db


def _swapped(x: np.ndarray, swap: bool) -> np.ndarray:
    return np.swapaxes(x, -1, -2) if swap else x


define(
    "MatMul",
    "a: T, b: T -> product: T",
    T=dtypes_of(NUMERIC),
    transpose_a=False,
    transpose_b=False,
    infer=_matmul_shape,
    kernel=Custom("matmul"),
    grad=_matmul_gradient,
    reference=lambda call_, a, b: (
        _swapped(a, call_.attrs["transpose_a"]) @ _swapped(b, call_.attrs["transpose_b"])
    ),
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
    ),
    errors=(
        error_sample(ValueError, "inner sizes differ", f32(3, 4), f32(3, 4)),
        error_sample(ValueError, "must be a matrix", f32(3), f32(3, 4)),
    ),
    doc="op(a) @ op(b), where op transposes or not.",
)


# --------------------------------------------------------------------------------------- batches


def _batch_shape(call_: Call, broadcasts: bool) -> list[Dims]:
    a, b = call_.shapes
    for dims, what in ((a, "x"), (b, "y")):
        if dims is not None and len(dims) < 2:
            raise ShapeError(f"{what} must have at least 2 axes, not shape {format_dims(dims)}")
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
        dx = _sum_batches(dx, x, y)
    if op.wants(y):
        db = product(dy, x, True, swap_x) if swap_y else product(x, dy, not swap_x, False)
        db = _sum_batches(db, y, x)
    return dx, db


def _sum_batches(dx: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """Undo the broadcasting of batch axes."""
    x_dims, other_dims = x.dims, other.dims
    if x_dims is not None and other_dims is not None and x_dims[:-2] == other_dims[:-2]:
        if is_fully_known(x_dims[:-2]):
            return dx
    own = call.Shape(x)
    batch = own[:-2]
    axes, _ = call.BroadcastGradientArgs(batch, call.Shape(other)[:-2])
    return call.Reshape(call.Sum(dx, axes), own)


def _batch_record(type: str, broadcasts: bool, samples: tuple) -> None:
    define(
        type,
        "x: T, y: T -> output: T",
        T=dtypes_of(NUMERIC),
        adj_x=False,
        adj_y=False,
        infer=lambda call_: _batch_shape(call_, broadcasts),
        kernel=Custom("matmul"),
        grad=_batch_gradient,
        reference=lambda call_, x, y: (
            _swapped(x, call_.attrs["adj_x"]) @ _swapped(y, call_.attrs["adj_y"])
        ),
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
    sample(i32([[[1, 2]], [[3, 4]]]), i32([[[5], [6]], [[7], [8]]])),
)
_batch_record("BatchMatMul", False, _BATCH_SAMPLES)
_batch_record(
    "BatchMatMulV2",
    True,
    (
        *_BATCH_SAMPLES,
        sample(f32(3, 5), f32(2, 5, 4)),
        sample(f32(2, 1, 3, 5), f32(3, 5, 4)),
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
    """Matrix product of the last two axes.

    y[..., i, j] = sum_k a[..., i, k] * b[..., k, j]

    Args:
        a: (..., I, K), or (..., K, I) with ``transpose_a``.   b: (..., K, J), of the dtype of
        ``a``. transpose_a, transpose_b: read the matrices transposed; costs nothing.
        adjoint_a, adjoint_b: the same for real dtypes (conjugated too for complex ones).
        a_is_sparse, b_is_sparse: accepted hints; zeros are multiplied like other numbers.
        name: of the operation.

    Returns:
        (..., I, J); leading axes broadcast.

    Raises:
        ValueError: the inner sizes differ, an argument has fewer than two axes, or one is both
            transposed and adjoint.
        TypeError: dtypes differ.

    Gradient: da = dy @ b^T,  db = a^T @ dy, summed over broadcast axes.
    Numerics: float32 accumulates in float32, in the order of the BLAS; bit-equal from run to run.

    >>> import flowgraph as tf
    >>> tf.matmul(tf.ones([2, 3]), tf.ones([3, 4])).shape
    TensorShape([Dimension(2), Dimension(4)])
    """
    if transpose_a and adjoint_a:
        raise ValueError("Only one of transpose_a and adjoint_a can be True.")
    if transpose_b and adjoint_b:
        raise ValueError("Only one of transpose_b and adjoint_b can be True.")
    with name_scope(name, "MatMul", [a, b]) as scope:
        a, b = _same_dtype(a, b)
        # NB: an unknown rank beside a rank above two can only be a batch; two unknown ones are
        # taken for matrices, as is a wrong rank, which MatMul then reports.
        ranks = [len(t.dims) for t in (a, b) if t.dims is not None]
        if any(rank > 2 for rank in ranks) and all(rank >= 2 for rank in ranks):
            return call.BatchMatMulV2(
                a, b, adj_x=transpose_a or adjoint_a, adj_y=transpose_b or adjoint_b, name=scope
            )
        return call.MatMul(
            a,
            b,
            transpose_a=transpose_a or adjoint_a,
            transpose_b=transpose_b or adjoint_b,
            name=scope,
        )


def _same_dtype(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors; a plain value takes the dtype of a tensor beside it."""
    if hasattr(b, "dtype") and not hasattr(a, "dtype"):
        b = convert_to_tensor(b, name="b")
        return convert_to_tensor(a, dtype=b.dtype.base_dtype, name="a"), b
    a = convert_to_tensor(a, name="a")
    return a, convert_to_tensor(b, dtype_hint=a.dtype.base_dtype, name="b")


@export("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """Sum of products over pairs of axes.

    Args:
        a, b: tensors of one dtype.
        axes: N: the last N axes of ``a`` against the first N of ``b``; or (axes of a, axes of b).
        name: of the operation.

    Returns:
        The remaining axes of ``a``, then those of ``b``.

    Raises:
        ValueError: the paired sizes differ, or ``axes`` does not suit the ranks.

    Gradient: through the transposes, reshapes and the product it is made of.
    """
    with name_scope(name, "Tensordot", [a, b]) as scope:
        a, b = _same_dtype(a, b)
        if a.dims is None or b.dims is None:
            raise ValueError("tensordot needs tensors of known rank; set_shape tells it")
        axes_a, axes_b = _paired_axes(len(a.dims), len(b.dims), axes)
        free_a = [i for i in range(len(a.dims)) if i not in axes_a]
        free_b = [i for i in range(len(b.dims)) if i not in axes_b]
        left = _as_matrix(a, free_a, axes_a, rows_first=True)
        right = _as_matrix(b, free_b, axes_b, rows_first=False)
        product = call.MatMul(left, right)
        shape = _sizes(a, free_a) + _sizes(b, free_b)
        return call.Reshape(product, _shape_tensor(shape), name=scope)


def _paired_axes(rank_a: int, rank_b: int, axes: Any) -> tuple[list[int], list[int]]:
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(rank_a, rank_b):
            raise ValueError(f"axes={axes} needs at least that many axes in both tensors")
        return list(range(rank_a - axes, rank_a)), list(range(axes))
    first, second = (list(np.atleast_1d(np.asarray(part, int))) for part in axes)
    if len(first) != len(second):
        raise ValueError(f"axes pairs {len(first)} axes of a with {len(second)} of b")
    for axis, rank in [(x, rank_a) for x in first] + [(x, rank_b) for x in second]:
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} is not in [-{rank}, {rank})")
    return [int(x) % rank_a for x in first], [int(x) % rank_b for x in second]


def _as_matrix(x: Tensor, free: list[int], paired: list[int], *, rows_first: bool) -> Tensor:
    """``x`` with free axes as rows and paired ones as columns (or the other way round)."""
    order = free + paired if rows_first else paired + free
    if order != list(range(len(order))):
        x_ordered = call.Transpose(x, np.array(order, np.int32))
    else:
        x_ordered = x
    columns = _product(_sizes(x, paired))
    shape = [-1, columns] if rows_first else [columns, -1]
    if is_fully_known(x.dims):  # -1 could not be solved where a size is 0
        rows = _product(_sizes(x, free))
        shape = [rows, columns] if rows_first else [columns, rows]
    return call.Reshape(x_ordered, _shape_tensor(shape))


def _sizes(x: Tensor, axes: list[int]) -> list[Any]:
    """The sizes of these axes: ints, or scalar tensors where only the run knows."""
    assert x.dims is not None
    return [x.dims[i] if x.dims[i] is not None else call.Shape(x)[i] for i in axes]


def _product(sizes: list[Any]) -> Any:
    result: Any = 1
    for size in sizes:
        result = size if isinstance(result, int) and result == 1 else result * size
    return result


def _shape_tensor(sizes: list[Any]) -> Any:
    if all(isinstance(size, int) for size in sizes):
        return np.array(sizes, np.int32)
    parts = [s if isinstance(s, Tensor) else np.array(s, np.int32) for s in sizes]
    return call.Pack(parts)


@export("matrix_transpose", "linalg.matrix_transpose", "linalg.transpose")
def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """``a`` with its last two axes exchanged; no data moves.

    Args:
        a: rank >= 2.   conjugate: accepted for real dtypes, where it changes nothing.

    Raises:
        ValueError: the rank is below 2 or unknown.
    """
    with name_scope(name, "matrix_transpose", [a]):
        a = convert_to_tensor(a, name="a")
        if a.dims is None or len(a.dims) < 2:
            raise ValueError(
                f"Argument `a` should be a (batch) matrix, with rank >= 2. Found: {a.shape}"
            )
        rank = len(a.dims)
        order = [*range(rank - 2), rank - 1, rank - 2]
        return call.Transpose(a, np.array(order, np.int32), name="transpose")
