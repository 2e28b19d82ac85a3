"""Least squares: the X for which ||A X - B||^2 + l2 ||X||^2 is least.

    fast       X = (A^H A + l2 I)^-1 A^H B     or, with fewer rows than columns,
               X = A^H (A A^H + l2 I)^-1 B     by Cholesky factors
    else       the shortest X of those for which ||A X - B|| is least, by orthogonal factors

Gradients: G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
problems whose variables separate" (1973).

Read next: lapack.py (the texts' vocabulary), matrix_solvers.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
    real_of,
)
from flowgraph.ops.matrix_algebra import adjoint_of, product, real_part
from flowgraph.ops.rules import conjugate_of, f32, invalid, of_one_dtype, require_rank
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size

_DEFICIENT = (
    "Input matrix was rank deficient or ill-conditioned. Try setting fast=False or provide a "
    "larger l2_regularizer > 0."
)


def _infer(call_: Call) -> list[Dims]:
    matrix = matrix_dims(call_.shapes[0], "matrix")
    right = matrix_dims(call_.shapes[1], "rhs")
    require_rank(call_.shapes[2], 0, "l2_regularizer")
    if matrix is None or right is None:
        return [None if right is None else (*right[:-2], None, right[-1])]
    try:
        merge_size(matrix[-2], right[-2])
        return [(*merge(matrix[:-2], right[:-2]), matrix[-1], right[-1])]  # type: ignore[misc]
    except ShapeError:
        raise ShapeError(
            f"matrix of shape {format_dims(matrix)} and rhs of shape {format_dims(right)} need "
            "equal leading axes, and a row of rhs for each row of matrix"
        ) from None


def _sizes(call_: Call) -> dict[str, int]:
    sizes = matrices(call_)
    m, n, k = sizes["m"], sizes["n"], call_.shapes[1][-1]  # type: ignore[index]
    small, large = min(m, n), max(m, n)
    work = small + max(2 * small, n + 1, small + int(k or 0)) + BLOCK * (n + 1) + int(k or 0)
    return {
        **sizes,
        "k": int(k or 0),
        "small": small,
        "large": large,
        "fast": call_.attrs["fast"],
        "work_size": work,
    }


def _scratch(call_: Call) -> dict[str, tuple[str, int]]:
    sizes = _sizes(call_)
    m, n, k = sizes["m"], sizes["n"], sizes["k"]
    return {
        "a": numbers(call_, m * n),
        "right": numbers(call_, sizes["large"] * k),
        "gram": numbers(call_, sizes["small"] ** 2),
        "solved": numbers(call_, sizes["large"] * k),
        "work": numbers(call_, sizes["work_size"]),
        "real_work": (real_of(call_), 2 * n),
        "order": ("int32", n),
        "flag": ("int32", 1),
    }


_KERNEL = """
zero = {T}_stack(2)
store(zero, 0, {T}(0))
store(zero, 1, {T}(0))
least = {T}_stack(1)
store(least, 0, {T}(small) * {T}({epsilon}))
weight = {T}(load(l2_regularizer, 0))
for b in range(batch):
    source = offset(matrix, b * m * n * parts)
    given = offset(rhs, b * m * k * parts)
    out = offset(output, b * n * k * parts)
    finite = True
    for i in range(m):
        for j in range(n):
            for p in range(parts):
                x = load(source, (i * n + j) * parts + p)
                finite = finite & (not isnan(x - x))
                store(a, (j * m + i) * parts + p, x)
        for j in range(k):
            for p in range(parts):
                store(right, (j * large + i) * parts + p, load(given, (i * k + j) * parts + p))
    for j in range(k):
        for e in range((j * large + m) * parts, (j + 1) * large * parts):
            store(right, e, {T}(0))
    for e in range(large * k * parts):
        store(solved, e, {T}(0))
    if (small > 0) & (k > 0):
        if fast == 0:
            if finite:
                for j in range(n):
                    store(order, j, int32(0))
                if parts == 1:
                    @gelsy m n k *a m *right large *order *least *flag *work work_size info
                else:
                    @gelsy m n k *a m *right large *order *least *flag *work work_size *real_work info
                for e in range(large * k * parts):
                    store(solved, e, load(right, e))
            else:
                for e in range(large * k * parts):
                    store(solved, e, {T}(nan))
        else:
            if m >= n:
                @gemm 'C' 'N' n n m *one *a m *a m *zero *gram n
                @gemm 'C' 'N' n k m *one *a m *right large *zero *solved large
            else:
                @gemm 'N' 'C' m m n *one *a m *a m *zero *gram m
            for i in range(small):
                at = i * (small + 1) * parts
                store(gram, at, load(gram, at) + weight)
            if m >= n:
                @posv 'L' n k *gram n *solved large info
            else:
                @posv 'L' m k *gram m *right large info
            if (load(numbers, 0) != int32(0)) | (not finite):
                return 3
            if m < n:
                @gemm 'C' 'N' n k m *one *a m *right large *zero *solved large
    for i in range(n):
        for j in range(k):
            for p in range(parts):
                store(out, (i * k + j) * parts + p, load(solved, (j * large + i) * parts + p))
return 0
"""  # noqa: E501


def _adjoint_array(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def _reference(call_: Call, a: Any, b: Any, l2: Any) -> Any:
    m, n = a.shape[-2:]
    if not call_.attrs["fast"]:
        valid = np.isfinite(a).all((-2, -1))[..., None, None]
        cut = min(m, n) * np.finfo(a.dtype).eps
        x = np.linalg.pinv(np.where(valid, a, 0), cut) @ b
        return np.where(valid, x, np.nan).astype(a.dtype)
    wide = a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)
    h = _adjoint_array(wide)
    gram = h @ wide if m >= n else wide @ h
    gram = gram + l2 * np.eye(min(m, n))
    narrow = gram.astype(a.dtype)
    try:
        np.linalg.cholesky(narrow)
    except np.linalg.LinAlgError:
        raise invalid(_DEFICIENT) from None
    x = np.linalg.solve(gram, h @ b) if m >= n else h @ np.linalg.solve(gram, b)
    return x.astype(a.dtype)


def _gradient(op: Any, dx: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """dB = A^H+ dX in every case, with A^H+ the solution operator of A^H.

    fast, A tall, Z = (A^H A + l2 I)^-1 dX:   dA = (B - A X) Z^H - dB X^H,   dl2 = -<Z, X>
    fast, A wide, Y = (A A^H + l2 I)^-1 B:    dA = Y (dX - A^H dB)^H - dB X^H,   dl2 = -<dB, Y>
    else                       dA = (B - A X) (A+ dB)^H - dB X^H + (A^H+ X) (dX - A^H dB)^H
    """
    a, b, x, l2, fast = op.matrix, op.rhs, op.output, op.l2_regularizer, op.attrs["fast"]
    h = adjoint_of(a)
    db = call.MatrixSolveLs(h, dx, l2, fast=fast)
    da = call.Neg(product(db, x, adj_b=True))
    dl2 = None
    left = dx - product(a, db, adj_a=True)
    if not fast:
        inner = call.MatrixSolveLs(a, db, l2, fast=False)
        outer = call.MatrixSolveLs(h, x, l2, fast=False)
        residual = b - product(a, x)
        da = da + product(residual, inner, adj_b=True) + product(outer, left, adj_b=True)
        return da, db, None
    tall = _Choice(a)
    gram = product(a, a, adj_a=True) if tall.known else product(a, a, adj_b=True)
    if tall.known is None:
        turned = tall.turned(a)
        gram = product(turned, turned, adj_a=True)
        gram = call.Select(call.Fill(call.Shape(gram), tall.flag), gram, conjugate_of(gram))
    inner = _gram_solve(gram, call.Cast(l2, DstT=a.dtype.base_dtype), tall.of(dx, b))
    one = tall.of(b - product(a, x), inner)
    da = da + product(one, tall.of(inner, left), adj_b=True)
    if op.wants(l2):
        one = conjugate_of(tall.of(inner, db)) * tall.of(x, inner)
        total = call.Sum(call.Reshape(one, [-1]), 0)
        dl2 = call.Neg(call.Cast(real_part(total), DstT=l2.dtype.base_dtype))
    return da, db, dl2


class _Choice:
    """One or the other of two matrices, as A has at least as many rows as columns or not.

    Which is known where the sizes are; else the rows of both stand in one tensor, of which some
    are taken.
    """

    def __init__(self, a: Tensor) -> None:
        m, n = (None, None) if a.dims is None else a.dims[-2:]
        self.known = None if m is None or n is None else m >= n
        if self.known is None:
            shape = call.Shape(a)
            self.flag = call.GreaterEqual(shape[-2], shape[-1])

    def of(self, tall: Tensor, wide: Tensor) -> Tensor:
        """``tall`` or ``wide``."""
        if self.known is not None:
            return tall if self.known else wide
        rows = call.Shape(tall)[-2]
        both = call.ConcatV2([tall, wide], -2)
        first = call.Select(self.flag, call.ZerosLike(rows), rows)
        last = call.Select(self.flag, rows, rows + call.Shape(wide)[-2])
        return both[..., first:last, :]

    def turned(self, a: Tensor) -> Tensor:
        """``a``, transposed if it is wide."""
        rank = call.Rank(a)
        pair = call.Select(
            self.flag, call.Pack([rank - 2, rank - 1]), call.Pack([rank - 1, rank - 2])
        )
        return call.Transpose(a, call.ConcatV2([call.Range(0, rank - 2, 1), pair], 0))


def _gram_solve(gram: Tensor, weight: Tensor, rhs: Tensor) -> Tensor:
    """(gram + weight I)^-1 rhs"""
    gram = call.MatrixSetDiag(gram, call.MatrixDiagPart(gram) + weight)
    factor = call.Cholesky(gram)
    half = call.MatrixTriangularSolve(factor, rhs, lower=True)
    return call.MatrixTriangularSolve(factor, half, lower=True, adjoint=True)


_NONE, _SOME = np.float64(0), np.float64(0.5)
_TALL, _WIDE = mixed(5, 3), mixed(3, 5, seed=1)
_RIGHT_TALL, _RIGHT_WIDE = mixed(5, 2, seed=2), mixed(3, 2, seed=3)
_COMPLEX = complex_of(mixed(2, 4, 3), mixed(2, 4, 3, seed=1))
_COMPLEX_RIGHT = complex_of(mixed(2, 4, 2), mixed(2, 4, 2, seed=1))

define(
    "MatrixSolveLs",
    "matrix: T, rhs: T, l2_regularizer: float64 -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    fast=True,
    infer=_infer,
    kernel=lapack(
        _KERNEL,
        sizes=_sizes,
        scratch=_scratch,
        choices=lambda call_: {"epsilon": repr(float(np.finfo(real_of(call_)).eps))},
        flops=lambda call_: cubic(3, call_),
    ),
    grad=_gradient,
    reference=_reference,
    samples=(
        sample(_TALL, _RIGHT_TALL, _NONE, differentiable=(0, 1)),
        sample(_WIDE, _RIGHT_WIDE, _NONE, differentiable=(0, 1)),
        sample(_TALL, _RIGHT_TALL, _SOME, differentiable=(0, 1)),
        sample(_WIDE, _RIGHT_WIDE, _SOME, differentiable=(0, 1)),
        sample(mixed(2, 3, 3), mixed(2, 3, 1), _SOME, differentiable=(0, 1)),
        sample(_TALL, _RIGHT_TALL, _SOME, fast=False, differentiable=(0, 1)),
        sample(_WIDE, _RIGHT_WIDE, _NONE, fast=False, differentiable=(0, 1)),
        sample(mixed(2, 3, 3), mixed(2, 3, 1), _NONE, fast=False, differentiable=(0, 1)),
        sample(np.ones((3, 2), np.float32), f32(3, 1), _NONE, fast=False, differentiable=()),
        sample(_COMPLEX, _COMPLEX_RIGHT, _SOME, differentiable=()),
        sample(_COMPLEX, _COMPLEX_RIGHT, _NONE, fast=False, differentiable=()),
        sample(f32(0, 3, 2), f32(0, 3, 1), _NONE, differentiable=()),
        sample(f32(2, 3, 0), f32(2, 3, 1), _NONE, differentiable=()),
        sample(f32(0, 3), f32(0, 2), _NONE, fast=False, differentiable=()),
        sample(f32(3, 2), f32(3, 0), _SOME, fast=False, differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "at least 2 axes", f32(3), f32(3, 1), _NONE),
        error_sample(ValueError, "a row of rhs for each row", f32(3, 2), f32(2, 1), _NONE),
        error_sample(ValueError, "equal leading axes", f32(2, 3, 2), f32(3, 1), _NONE),
        error_sample(ValueError, "must be a scalar", f32(3, 2), f32(3, 1), np.zeros(2)),
        error_sample(
            Exception, "rank deficient", np.zeros((3, 2), np.float32), f32(3, 1), _NONE, stage="run"
        ),
    ),
    doc="X for which ``||matrix X - rhs||^2 + l2_regularizer ||X||^2`` is least; without ``fast`` "
    "the shortest X, whatever the rank, and no regulariser.",
)


@export("matrix_solve_ls", "linalg.lstsq")
def matrix_solve_ls(
    matrix: Any, rhs: Any, l2_regularizer: Any = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """Least-squares solutions of systems of linear equations.

    The X for which ||A X - B||^2 + l2 ||X||^2 is least; where several are, the shortest.

    Args:
        matrix: (..., M, N) float32, float64 or complex; of full rank if ``fast``.
        rhs: (..., M, K), of the same dtype and leading axes.
        l2_regularizer: the number l2 >= 0; only for ``fast``.
        fast: by Cholesky factors of A^H A, which squares the condition number: good up to 1e4 in
            float32, 1e8 in float64.  Else by an orthogonal factorisation, for any rank.
        name: of the operation; ``matrix_solve_ls`` (``MatrixSolveLs`` if not ``fast``) by default.

    Returns:
        (..., N, K).

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: (when run) ``fast``, and a matrix has no full rank.

    Gradient: to ``matrix``, ``rhs`` and the regulariser; if not ``fast``, for changes
    that leave the rank.
    Numerics: LAPACK ?posv, ?gelsy.

    >>> import flowgraph as tf
    >>> x, y = [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]], [[1.0], [3.0], [5.0]]
    >>> tf.Session().run(tf.matrix_solve_ls(x, y)).round(4)  # the line 2 x + 1
    array([[2.],
           [1.]], dtype=float32)
    """
    matrix, rhs = of_one_dtype(matrix, rhs)
    name = name or ("matrix_solve_ls" if fast else "MatrixSolveLs")
    return apply_op("MatrixSolveLs", matrix, rhs, l2_regularizer, fast=fast, name=name)
