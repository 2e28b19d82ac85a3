"""Factorisations of matrices by LAPACK: Cholesky, QR and LU.

    Cholesky   A = L L^H      Qr   A = Q R      Lu   A[p] = L U

All take batches of matrices.  Gradients: I. Murray, "Differentiation of the Cholesky
decomposition" (2016); M. Giles, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008).

Read next: lapack.py (the texts' vocabulary), matrix_spectra.py, matrix_solvers.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from flowgraph.dtypes import INDEX, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, define, dtypes_of, error_sample, sample
from flowgraph.ops.lapack import (
    BLOCK,
    LAPACK_DTYPES,
    complex_of,
    cubic,
    lapack,
    matrices,
    matrix_dims,
    mixed,
    numbers,
    positive_definite,
    square_dims,
    square_shape,
    well_conditioned,
)
from flowgraph.ops.matrix_algebra import (
    adjoint_of,
    diagonal_halved,
    lower_of,
    over_adjoint,
    product,
    upper_of,
    without_diagonal,
)
from flowgraph.ops.rules import f32, i32, invalid
from flowgraph.shapes import Dims

_NOT_SQUARE = error_sample(ValueError, "must be square matrices", f32(2, 3))
_NO_MATRIX = error_sample(ValueError, "at least 2 axes", f32(3))


# --------------------------------------------------------------------------------------- Cholesky

_NOT_POSITIVE = "Cholesky decomposition was not successful. The input might not be valid."


def _cholesky_reference(call_: Call, x: Any) -> Any:
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        raise invalid(_NOT_POSITIVE) from None


def _cholesky_gradient(op: Any, dy: Tensor) -> tuple[Tensor]:
    """dA = sym(L^-H low(L^H dL) L^-1): low halves the diagonal, sym is the mean with the adjoint.

    NB: A counts as self-adjoint, so dA is; only the lower triangle of A was read, though.
    """
    factor = op.output
    inner = diagonal_halved(lower_of(product(factor, lower_of(dy), adj_a=True)))
    left = call.MatrixTriangularSolve(factor, inner, lower=True, adjoint=True)
    right = call.MatrixTriangularSolve(factor, adjoint_of(left), lower=True, adjoint=True)
    return ((adjoint_of(right) + right) * 0.5,)


define(
    "Cholesky",
    "input: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    infer=square_shape,
    # the upper triangle of the transpose, which LAPACK sees, is the lower one
    kernel=lapack(
        """
        size = n * n * parts
        for b in range(batch):
            source = offset(input, b * size)
            out = offset(output, b * size)
            for e in independent(size):
                store(out, e, load(source, e))
            if n > 0:
                @potrf 'U' n *out n info
                if load(numbers, 0) != int32(0):
                    return 3
            for r in range(n):
                for e in range((r * n + r + 1) * parts, (r + 1) * n * parts):
                    store(out, e, {T}(0))
        return 0
        """,
        flops=lambda call_: cubic(1 / 3, call_),
    ),
    grad=_cholesky_gradient,
    reference=_cholesky_reference,
    # the gradient is that to a self-adjoint matrix, which slopes in any direction are not
    samples=(
        sample(positive_definite(4, 4), differentiable=()),
        sample(positive_definite(2, 3, 5, 5), differentiable=()),
        sample(np.array([[4, 100], [2, 3]], np.float32), differentiable=()),
        sample(complex_of(positive_definite(3, 3), i32([[0, -1, 0], [1, 0, 0], [0, 0, 0]]))),
        sample(f32(0, 3, 3)),
        sample(f32(2, 0, 0)),
    ),
    errors=(
        _NOT_SQUARE,
        _NO_MATRIX,
        error_sample(Exception, "not successful", -positive_definite(2, 3, 3), stage="run"),
    ),
    doc="The lower triangular L with positive diagonal for which L L^H is ``input``.",
)

# --------------------------------------------------------------------------------------------- QR


def _qr_infer(call_: Call) -> list[Dims]:
    dims = matrix_dims(call_.shapes[0])
    if dims is None:
        return [None, None]
    m, n = dims[-2:]
    p = m if call_.attrs["full_matrices"] else _smaller(m, n)
    return [(*dims[:-2], m, p), (*dims[:-2], p, n)]


def _smaller(m: int | None, n: int | None) -> int | None:
    return 0 if 0 in (m, n) else None if m is None or n is None else min(m, n)


def _qr_sizes(call_: Call) -> dict[str, int]:
    sizes = matrices(call_)
    small = min(sizes["m"], sizes["n"])
    p = sizes["m"] if call_.attrs["full_matrices"] else small
    return {**sizes, "p": p, "k": small, "work_size": BLOCK * max(sizes["m"], sizes["n"], 1)}


def _qr_scratch(call_: Call) -> dict[str, tuple[str, int]]:
    sizes = _qr_sizes(call_)
    return {
        "a": numbers(call_, sizes["m"] * sizes["n"]),
        "tau": numbers(call_, sizes["k"]),
        "work": numbers(call_, sizes["work_size"]),
    }


def _qr_reference(call_: Call, x: Any) -> Any:
    *batch, m, n = x.shape
    full = call_.attrs["full_matrices"]
    if 0 in (m, n):
        p = m if full else 0
        return np.broadcast_to(np.eye(m, p, dtype=x.dtype), (*batch, m, p)), np.zeros(
            (*batch, p, n), x.dtype
        )
    return np.linalg.qr(x, "complete" if full else "reduced")


def _qr_gradient(op: Any, dq: Tensor | None, dr: Tensor | None) -> tuple[Tensor]:
    """Of A = [X | Y] = Q [U | V], with U square: dY = Q dV, and dX by the formula of tall matrices.

    dX = Q (dU + M U^-H) + (dQ - Q Q^H dQ) U^-H,  M = low(Q^H dQ' - dQ'^H Q + U dU^H - dU U^H)
    with low the lower triangle and dQ' = dQ + Y dV^H.
    """
    a, q, r = op.input, op.q, op.r
    m, n = (None, None) if a.dims is None else a.dims[-2:]
    if op.attrs["full_matrices"] and m is not None and n is not None and m > n:
        raise ValueError(
            "Qr with full_matrices=True has no gradient for matrices with more rows than columns: "
            "the added columns of Q are not determined"
        )
    dq = call.ZerosLike(q) if dq is None else dq
    dr = call.ZerosLike(r) if dr is None else dr
    dv = None
    upper, du = r, dr
    if m is None or n is None or m < n:
        width = call.Shape(q)[-1]
        upper, du, dv = r[..., :width], dr[..., :width], dr[..., width:]
        dq = dq + product(a[..., width:], dv, adj_b=True)
    inner = product(q, dq, adj_a=True)
    middle = inner - adjoint_of(inner)
    du = upper_of(du)  # below lie constant zeros
    outer = product(upper, du, adj_b=True)
    # the diagonal of R is real: of complex numbers, half of the diagonal, which is imaginary
    middle = diagonal_halved(lower_of(middle + outer - adjoint_of(outer)))
    dx = product(q, du + over_adjoint(middle, upper))
    dx = dx + over_adjoint(dq - product(q, inner), upper)
    return (dx if dv is None else call.ConcatV2([dx, product(q, dv)], -1),)


define(
    "Qr",
    "input: T -> q: T, r: T",
    T=dtypes_of(LAPACK_DTYPES),
    full_matrices=False,
    infer=_qr_infer,
    # LAPACK sees A^T = R^T Q^T and factors it into lower triangle times rows
    kernel=lapack(
        """
        for b in range(batch):
            source = offset(input, b * m * n * parts)
            for e in independent(m * n * parts):
                store(a, e, load(source, e))
            if k > 0:
                @gelqf n m *a n *tau *work work_size info
            q_out = offset(q, b * m * p * parts)
            r_out = offset(r, b * p * n * parts)
            for i in range(m):
                for e in range(k * parts):
                    store(q_out, i * p * parts + e, load(a, i * n * parts + e))
                for e in range(k * parts, p * parts):
                    store(q_out, i * p * parts + e, {T}(0))
            if p > 0:
                @orglq|unglq p m k *q_out p *tau *work work_size info
            for i in range(p):
                for e in range(n * parts):
                    x = {T}(0)
                    if e >= i * parts:
                        x = load(a, i * n * parts + e)
                    store(r_out, i * n * parts + e, x)
        return 0
        """,
        sizes=_qr_sizes,
        scratch=_qr_scratch,
        flops=lambda call_: cubic(4, call_),
    ),
    grad=_qr_gradient,
    reference=_qr_reference,
    samples=(
        sample(mixed(4, 4)),
        sample(mixed(5, 3)),
        sample(mixed(3, 5)),
        sample(mixed(2, 2, 4, 3)),
        sample(mixed(5, 3), full_matrices=True, differentiable=()),
        sample(mixed(2, 3, 5), full_matrices=True),
        sample(mixed(5, 1)),
        sample(mixed(1, 5)),
        sample(complex_of(mixed(2, 4, 3), mixed(2, 4, 3, seed=1))),
        sample(complex_of(mixed(4, 3), mixed(4, 3, seed=1)), full_matrices=True),
        sample(f32(0, 3, 2)),
        sample(f32(2, 3, 0), differentiable=()),
        sample(f32(2, 3, 0), full_matrices=True, differentiable=()),
        sample(f32(0, 3), full_matrices=True, differentiable=()),
    ),
    errors=(_NO_MATRIX,),
    doc="Orthonormal columns Q and an upper triangle R with Q R = ``input``.",
)


# --------------------------------------------------------------------------------------------- LU


def _lu_infer(call_: Call) -> list[Dims]:
    dims = square_dims(call_.shapes[0])
    return [dims, None if dims is None else dims[:-1]]


def _lu_one(a: Any) -> tuple[Any, Any]:
    """Gaussian elimination of one matrix, the greatest element of the column as pivot."""
    a, order = a.copy(), np.arange(len(a))
    for k in range(len(a)):
        # LAPACK measures complex numbers by |re| + |im|
        pivot = k + int(np.argmax(np.abs(a[k:, k].real) + np.abs(a[k:, k].imag)))
        if not np.abs(a[pivot, k]) > 0:
            raise invalid(_SINGULAR)
        a[[k, pivot]], order[[k, pivot]] = a[[pivot, k]], order[[pivot, k]]
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return a, order


_SINGULAR = "Input is not invertible."


def _lu_reference(call_: Call, x: Any) -> Any:
    wide = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    dtype = call_.attrs["output_idx_type"].np
    lu, order = np.empty(x.shape, x.dtype), np.empty(x.shape[:-1], dtype)
    for index in np.ndindex(*x.shape[:-2]):
        lu[index], order[index] = _lu_one(wide[index])
    return lu, order


def _lu_gradient(op: Any, dlu: Tensor | None, dp: None) -> tuple[Tensor | None]:
    """A = P^T L U:  dA = P^T L^-H (low(L^H dL) + up(dU U^H)) U^-H, low without the diagonal."""
    if dlu is None:
        return (None,)
    unit = call.MatrixSetDiag(lower_of(op.lu), call.OnesLike(call.MatrixDiagPart(op.lu)))
    upper, strict = upper_of(op.lu), without_diagonal(lower_of(dlu))
    inner = without_diagonal(lower_of(product(unit, strict, adj_a=True)))
    outer = product(upper_of(dlu), upper, adj_b=True)
    middle = inner + upper_of(outer)
    left = call.MatrixTriangularSolve(unit, middle, lower=True, adjoint=True)
    both = over_adjoint(left, upper)
    dtype = op.lu.dtype.base_dtype
    one, zero = (call.Const(value=np.array(v, dtype.np), dtype=dtype) for v in (1, 0))
    rows = call.OneHot(op.p, call.Shape(op.lu)[-1], one, zero)
    return (product(rows, both, adj_a=True),)


define(
    "Lu",
    "input: T -> lu: T, p: output_idx_type",
    T=dtypes_of(LAPACK_DTYPES),
    output_idx_type=dtypes_of(INDEX, int32),
    infer=_lu_infer,
    kernel=lapack(
        """
        for b in range(batch):
            source = offset(input, b * n * n * parts)
            out = offset(lu, b * n * n * parts)
            order = offset(p, b * n)
            for i in range(n):
                for j in range(n):
                    for e in range(parts):
                        store(a, (j * n + i) * parts + e, load(source, (i * n + j) * parts + e))
            if n > 0:
                @getrf n n *a n *pivots info
            for i in range(n):
                store(order, i, {p}(i))
                size = absolute(load(a, i * (n + 1) * parts))
                if parts == 2:
                    size += absolute(load(a, i * (n + 1) * parts + 1))
                if not (size > {T}(0)):
                    return 3
            for i in range(n):
                other = int64(load(pivots, i)) - 1
                moved = load(order, i)
                store(order, i, load(order, other))
                store(order, other, moved)
            for i in range(n):
                for j in range(n):
                    for e in range(parts):
                        store(out, (i * n + j) * parts + e, load(a, (j * n + i) * parts + e))
        return 0
        """,
        scratch=lambda call_: {
            "a": numbers(call_, matrices(call_)["n"] ** 2),
            "pivots": ("int32", matrices(call_)["n"]),
        },
        flops=lambda call_: cubic(2 / 3, call_),
    ),
    grad=_lu_gradient,
    reference=_lu_reference,
    samples=(
        sample(mixed(4, 4)),
        sample(mixed(2, 3, 5, 5)),
        sample(well_conditioned(3, 3), output_idx_type=int64),
        sample(complex_of(mixed(2, 4, 4), mixed(2, 4, 4, seed=1))),
        sample(mixed(1, 1)),
        sample(f32(0, 3, 3)),
        sample(f32(2, 0, 0), differentiable=()),
    ),
    errors=(
        _NOT_SQUARE,
        _NO_MATRIX,
        error_sample(Exception, "not invertible", np.zeros((2, 2), np.float32), stage="run"),
    ),
    doc="The triangles L (below the diagonal of ``lu``; its own is 1) and U (the rest), and the "
    "order ``p`` of rows for which L U = ``input[p]``.",
)


# ------------------------------------------------------------------------------- public functions


class Qr(NamedTuple):
    """The two outputs of ``tf.qr``."""

    q: Tensor
    r: Tensor


class Lu(NamedTuple):
    """The two outputs of ``tf.linalg.lu``."""

    lu: Tensor
    p: Tensor


@export("cholesky", "linalg.cholesky")
def cholesky(input: Any, name: str | None = None) -> Tensor:
    """The Cholesky factor of self-adjoint positive definite matrices.

    A = L L^H, L lower triangular with a positive diagonal.  Only the lower triangle of A is read.

    Args:
        input: (..., N, N) float32, float64 or complex.
        name: of the operation; ``Cholesky`` by default.

    Returns:
        (..., N, N), zeros above the diagonal.

    Raises:
        ValueError: the matrices are not square.
        InvalidArgumentError: (when run) one is not positive definite.

    Gradient: self-adjoint, as if both triangles had been read.
    Numerics: LAPACK ?potrf.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.cholesky([[4.0, 2.0], [2.0, 10.0]]))
    array([[2., 0.],
           [1., 3.]], dtype=float32)
    """
    return apply_op("Cholesky", input, name=name)


@export("qr", "linalg.qr")
def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Qr:
    """The QR factorisation: orthonormal columns times an upper triangle.

    A = Q R

    Args:
        input: (..., M, N) float32, float64 or complex.
        full_matrices: give all M columns of Q, also where N is smaller.
        name: of the operation; ``Qr`` by default.

    Returns:
        (q, r) of shapes (..., M, P) and (..., P, N), where P = min(M, N), or M if
        ``full_matrices``.

    Raises:
        ValueError: ``input`` is no matrix.

    Gradient: defined where the first P columns are linearly independent; not for
    ``full_matrices`` with M > N.
    Numerics: Householder reflections (LAPACK); the diagonal of R is real, of either sign.

    >>> import flowgraph as tf
    >>> q, r = tf.Session().run(tf.qr([[3.0, 1.0], [4.0, 2.0]]))
    >>> float(abs(r[0, 0].round(5)))
    5.0
    """
    return Qr(*apply_op("Qr", input, full_matrices=full_matrices, name=name))


@export("linalg.lu")
def lu(input: Any, output_idx_type: Any = int32, name: str | None = None) -> Lu:
    """The LU factorisation with row exchanges.

    A[p] = L U, L lower triangular with ones on its diagonal, U upper triangular.

    Args:
        input: (..., N, N) float32, float64 or complex.
        output_idx_type: int32 or int64, the dtype of ``p``.
        name: of the operation; ``Lu`` by default.

    Returns:
        (lu, p): (..., N, N) with U on and above the diagonal and L below it; and (..., N), which
        row of A is where.

    Raises:
        ValueError: the matrices are not square.
        InvalidArgumentError: (when run) one is singular.

    Gradient: for the exchanges that were made.
    Numerics: LAPACK ?getrf.

    >>> import flowgraph as tf
    >>> factors, order = tf.Session().run(tf.linalg.lu([[1.0, 2.0], [2.0, 2.0]]))
    >>> factors, order
    (array([[2. , 2. ],
           [0.5, 1. ]], dtype=float32), array([1, 0], dtype=int32))
    """
    return Lu(*apply_op("Lu", input, output_idx_type=output_idx_type, name=name))
