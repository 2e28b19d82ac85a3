"""Composed from factors of matrices: systems by LU factors, pseudo-inverse, rank.

Read next: factorizations.py, matrix_spectra.py, matrix_solvers.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.matrix_algebra import lower_of, product, real_part, upper_of
from flowgraph.ops.rules import number
from flowgraph.shapes import ShapeError, format_dims, merge_size


def _matrix(x: Any, function: str, what: str) -> Tensor:
    """``x`` as a tensor of at least two axes."""
    x = convert_to_tensor(x, name=what)
    if x.dims is not None and len(x.dims) < 2:
        raise ValueError(f"{function}: {what} must have at least 2 axes, not shape {x.shape}")
    return x


def _largest_size(a: Tensor) -> Tensor | int:
    """The greater of the last two sizes."""
    m, n = (None, None) if a.dims is None else a.dims[-2:]
    if m is not None and n is not None:
        return max(m, n)
    shape = call.Shape(a)
    return call.Maximum(shape[-2], shape[-1])


def _epsilon(a: Tensor) -> float:
    return float(np.finfo(a.dtype.base_dtype.real_dtype.np).eps)


def _singular_values_above(a: Tensor, factor: float, s: Tensor) -> Tensor:
    """The cut that rounding of ``a`` suggests: factor * max(M, N) * eps * max(s)."""
    size = _largest_size(a)
    scale: Any = factor * _epsilon(a)
    scale = (
        number(scale * size, s)
        if isinstance(size, int)
        else number(scale, s) * call.Cast(size, DstT=s.dtype.base_dtype)
    )
    return scale * call.Max(s, [-1], keep_dims=True)


# ------------------------------------------------------------------------------------- LU factors


def _factors(lower_upper: Any, perm: Any, function: str) -> tuple[Tensor, Tensor]:
    """Both as tensors of fitting shapes."""
    lower_upper = _matrix(lower_upper, function, "lower_upper")
    perm = convert_to_tensor(perm, dtype_hint=int32, name="perm")
    if lower_upper.dims is not None and perm.dims is not None:
        fits = len(lower_upper.dims) == len(perm.dims) + 1
        try:
            size = merge_size(*lower_upper.dims[-2:])
            merge_size(size, perm.dims[-1] if perm.dims else None)
        except ShapeError:
            fits = False
        if not fits:
            raise ValueError(
                f"{function}: lower_upper of shape {format_dims(lower_upper.dims)} must be square "
                f"matrices, and perm of shape {format_dims(perm.dims)} a number for each row"
            )
    return lower_upper, perm


def _unit_lower(lower_upper: Tensor) -> Tensor:
    """The triangle below the diagonal, with ones on it."""
    ones = call.OnesLike(call.MatrixDiagPart(lower_upper))
    return call.MatrixSetDiag(lower_of(lower_upper), ones)


def _rows(x: Tensor, perm: Tensor) -> Tensor:
    """``x[perm]`` of every matrix; leading axes of ``x`` broadcast to those of ``perm``."""
    if perm.dims is not None and len(perm.dims) == 1:
        return call.GatherV2(x, perm, -2)
    batch = call.Shape(perm)[:-1]
    both = call.BroadcastArgs(batch, call.Shape(x)[:-2])
    x = call.BroadcastTo(x, call.ConcatV2([both, call.Shape(x)[-2:]], 0))
    perm = call.BroadcastTo(perm, call.ConcatV2([both, call.Shape(perm)[-1:]], 0))
    order = call.OneHot(perm, call.Shape(x)[-2], number(1, x), number(0, x))
    return product(order, x)


@export("linalg.lu_solve")
def lu_solve(
    lower_upper: Any, perm: Any, rhs: Any, validate_args: bool = False, name: str | None = None
) -> Tensor:
    """The solution X of A X = ``rhs``, from the LU factors of A.

    Args:
        lower_upper, perm: what ``tf.linalg.lu(A)`` gives: (..., N, N) and (..., N).
        rhs: (..., N, K), of the same dtype; leading axes broadcast.
        validate_args: accepted; shapes are checked in any case.
        name: of the operations; ``lu_solve`` by default.

    Returns:
        (..., N, K).

    Raises:
        ValueError: the shapes do not fit.

    Gradient: as of two triangular systems.

    >>> import flowgraph as tf
    >>> factors, order = tf.linalg.lu([[0.0, 2.0], [4.0, 0.0]])
    >>> tf.Session().run(tf.linalg.lu_solve(factors, order, [[2.0], [4.0]]))
    array([[1.],
           [1.]], dtype=float32)
    """
    with name_scope(name, "lu_solve", [lower_upper, perm, rhs]):
        lower_upper, perm = _factors(lower_upper, perm, "lu_solve")
        rhs = _matrix(
            convert_to_tensor(rhs, dtype_hint=lower_upper.dtype.base_dtype), "lu_solve", "rhs"
        )
        if lower_upper.dims is not None and rhs.dims is not None:
            try:
                merge_size(lower_upper.dims[-1], rhs.dims[-2])
            except ShapeError:
                raise ValueError(
                    f"lu_solve: rhs of shape {format_dims(rhs.dims)} must have a row for each row "
                    f"of lower_upper of shape {format_dims(lower_upper.dims)}"
                ) from None
        rhs = _rows(rhs, perm)
        if not _same_leading(lower_upper, rhs):
            shape = call.ConcatV2([call.Shape(rhs)[:-2], call.Shape(lower_upper)[-2:]], 0)
            lower_upper = call.BroadcastTo(lower_upper, shape)
        half = call.MatrixTriangularSolve(_unit_lower(lower_upper), rhs, lower=True)
        return call.MatrixTriangularSolve(lower_upper, half, lower=False)


def _same_leading(a: Tensor, b: Tensor) -> bool:
    return a.dims is not None and b.dims is not None and a.dims[:-2] == b.dims[:-2]


@export("linalg.lu_matrix_inverse")
def lu_matrix_inverse(
    lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None
) -> Tensor:
    """The inverse of matrices, from their LU factors.

    Args:
        lower_upper, perm: what ``tf.linalg.lu(A)`` gives: (..., N, N) and (..., N).
        validate_args: accepted; shapes are checked in any case.
        name: of the operations; ``lu_matrix_inverse`` by default.

    Returns:
        (..., N, N).

    Raises:
        ValueError: the shapes do not fit.

    Gradient: as of two triangular systems.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.lu_matrix_inverse(*tf.linalg.lu([[0.0, 2.0], [4.0, 0.0]])))
    array([[0.  , 0.25],
           [0.5 , 0.  ]], dtype=float32)
    """
    with name_scope(name, "lu_matrix_inverse", [lower_upper, perm]):
        lower_upper, perm = _factors(lower_upper, perm, "lu_matrix_inverse")
        ones = call.OnesLike(call.MatrixDiagPart(lower_upper))
        return lu_solve(lower_upper, perm, call.MatrixDiag(ones))


@export("linalg.lu_reconstruct")
def lu_reconstruct(
    lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None
) -> Tensor:
    """The matrices that LU factors belong to.

    A[perm] = L U

    Args:
        lower_upper, perm: what ``tf.linalg.lu(A)`` gives: (..., N, N) and (..., N).
        validate_args: accepted; shapes are checked in any case.
        name: of the operations; ``lu_reconstruct`` by default.

    Returns:
        A, (..., N, N).

    Raises:
        ValueError: the shapes do not fit.

    Gradient: as of the product.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.lu_reconstruct(*tf.linalg.lu([[1.0, 2.0], [2.0, 2.0]])))
    array([[1., 2.],
           [2., 2.]], dtype=float32)
    """
    with name_scope(name, "lu_reconstruct", [lower_upper, perm]):
        lower_upper, perm = _factors(lower_upper, perm, "lu_reconstruct")
        both = product(_unit_lower(lower_upper), upper_of(lower_upper))
        one, zero = number(1, both), number(0, both)
        # row i of A stands where perm is i
        order = call.OneHot(perm, call.Shape(lower_upper)[-1], one, zero)
        return product(order, both, adj_a=True)


# ----------------------------------------------------------------------- by the singular values


@export("linalg.pinv")
def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The pseudo-inverse of Moore and Penrose.

    A+ = V diag(1 / s) U^T  of  A = U diag(s) V^T,  with 0 for 1 / s where s is small.

    Args:
        a: (..., M, N) float32 or float64.
        rcond: (...), how small: singular values up to ``rcond`` times the greatest count as 0; by
            default 10 max(M, N) eps.
        validate_args: accepted; shapes are checked in any case.
        name: of the operations; ``pinv`` by default.

    Returns:
        (..., N, M).

    Raises:
        ValueError: ``a`` is no matrix.   TypeError: it is not real floating point.

    Gradient: as of the singular value decomposition.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.pinv([[2.0, 0.0], [0.0, 0.0]]))
    array([[0.5, 0. ],
           [0. , 0. ]], dtype=float32)
    """
    with name_scope(name, "pinv", [a]):
        a = convert_to_tensor(a, name="a")
        if not a.dtype.is_floating:
            raise TypeError(f"pinv: a must be float32 or float64, not {a.dtype.base_dtype.name}")
        a = _matrix(a, "pinv", "a")
        s, u, v = call.Svd(a)
        if rcond is None:
            cut = _singular_values_above(a, 10.0, s)
        else:
            rcond = convert_to_tensor(rcond, dtype=a.dtype.base_dtype, name="rcond")
            cut = call.ExpandDims(rcond * call.Max(s, [-1]), -1)
        is_large = call.Greater(s, cut)
        safe = call.SelectV2(is_large, s, number(1, s))
        inverse = call.SelectV2(is_large, call.Reciprocal(safe), number(0, s))
        return product(v * call.ExpandDims(inverse, -2), u, adj_b=True)


@export("linalg.matrix_rank")
def matrix_rank(
    a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None
) -> Tensor:
    """How many singular values of matrices are not small.

    Args:
        a: (..., M, N) float32, float64 or complex.
        tol: up to which size they count as 0; by default max(M, N) eps times the greatest.
        validate_args: accepted; shapes are checked in any case.
        name: of the operations; ``matrix_rank`` by default.

    Returns:
        (...) int32.

    Raises:
        ValueError: ``a`` is no matrix.

    Gradient: none.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.matrix_rank([[1.0, 2.0], [2.0, 4.0]]))
    1
    """
    with name_scope(name, "matrix_rank", [a]):
        a = _matrix(a, "matrix_rank", "a")
        s = real_part(call.Svd(a, compute_uv=False)[0])
        cut = _singular_values_above(a, 1.0, s) if tol is None else tol
        return call.Sum(call.Cast(call.Greater(s, cut), DstT=int32), [-1])
