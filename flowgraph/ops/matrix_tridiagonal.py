"""Tridiagonal matrices: systems, products, eigenvalues.

    [[b0, a0,  0],         compact:  [[a0, a1,  -],
     [c1, b1, a1],   <==>             [b0, b1, b2],
     [ 0, c2, b2]]                    [ -, c1, c2]]

Read next: lapack.py (the texts' vocabulary), matrix_bands.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, define, dtypes_of, error_sample, sample
from flowgraph.ops.lapack import (
    LAPACK_DTYPES,
    complex_of,
    lapack,
    matrix_dims,
    mixed,
    numbers,
    parts_of,
)
from flowgraph.ops.matrix_algebra import real_part, transposed
from flowgraph.ops.rules import conjugate_of, f32, number, of_one_dtype
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size, with_rank

# ----------------------------------------------------------------------------------------- shapes


def _merged(call_: Call, rows: tuple[int, ...]) -> list[Dims]:
    """The shape of the last input, whose rows are as many as the diagonals are long."""
    right = matrix_dims(call_.shapes[-1], "rhs")
    for dims, count in zip(call_.shapes, rows, strict=False):
        diagonals = matrix_dims(dims, "diagonals")
        if diagonals is None:
            continue
        right = with_rank(right, len(diagonals))
        try:
            merge_size(diagonals[-2], count)
            size = merge_size(diagonals[-1], right[-2])
            right = (*merge(diagonals[:-2], right[:-2]), size, right[-1])  # type: ignore[misc]
        except ShapeError:
            raise ShapeError(
                f"diagonals of shape {format_dims(diagonals)} must be {count} rows, as long as rhs "
                f"of shape {format_dims(call_.shapes[-1])} has rows, with the same leading axes"
            ) from None
    return [right]


def _sizes(call_: Call) -> dict[str, int]:
    shape: Any = call_.shapes[-1]
    return {
        "batch": int(np.prod(shape[:-2], dtype=np.int64)),
        "m": shape[-2],
        "k": shape[-1],
        "parts": parts_of(call_),
    }


def _moved(x: Tensor, by: int, axis: int = -1) -> Tensor:
    """Elements moved one place to the right (1) or left (-1) along an axis; a zero moves in."""
    keep: Any = (slice(None),) if axis == -2 else ()
    zero = call.ZerosLike(x[(..., slice(0, 1), *keep)])
    if by > 0:
        return call.ConcatV2([zero, x[(..., slice(None, -1), *keep)]], axis)
    return call.ConcatV2([x[(..., slice(1, None), *keep)], zero], axis)


def _outer(left: Tensor, right: Tensor, by: int) -> Tensor:
    """sum_k left[i, k] conj(right[i - by, k]), a row; 0 where there is no such row of ``right``."""
    other = conjugate_of(right) if by == 0 else _moved(conjugate_of(right), by, -2)
    return call.ExpandDims(call.Sum(left * other, [-1]), -2)


# ---------------------------------------------------------------------------------------- systems

_SOLVE = """
for b in range(batch):
    rows = offset(diagonals, b * 3 * m * parts)
    given = offset(rhs, b * m * k * parts)
    out = offset(output, b * m * k * parts)
    for e in range(m * parts):
        store(middle, e, load(rows, m * parts + e))
    for e in range((m - 1) * parts):
        store(above, e, load(rows, e))
        store(below, e, load(rows, (2 * m + 1) * parts + e))
    for i in range(m):
        for j in range(k):
            for p in range(parts):
                store(x, (j * m + i) * parts + p, load(given, (i * k + j) * parts + p))
    valid = True
    if m * k > 0:
        @gtsv m k *below *middle *above *x m info
        valid = load(numbers, 0) == int32(0)
    for i in range(m):
        for j in range(k):
            for p in range(parts):
                value = {T}(nan)
                if valid:
                    value = load(x, (j * m + i) * parts + p)
                store(out, (i * k + j) * parts + p, value)
return 0
"""


def _solve_scratch(call_: Call) -> dict[str, tuple[str, int]]:
    sizes = _sizes(call_)
    m = numbers(call_, sizes["m"])
    return {"below": m, "middle": m, "above": m, "x": numbers(call_, sizes["m"] * sizes["k"])}


def _dense(above: Any, middle: Any, below: Any) -> Any:
    """The matrices of three rows."""
    size = middle.shape[-1]
    out = np.zeros((*middle.shape, size), middle.dtype)
    at = np.arange(size)
    out[..., at, at] = middle
    out[..., at[:-1], at[1:]] = above[..., :-1]
    out[..., at[1:], at[:-1]] = below[..., 1:]
    return out


def _solve_reference(call_: Call, diagonals: Any, rhs: Any) -> Any:
    matrix = _dense(*np.moveaxis(diagonals, -2, 0))
    out = np.empty_like(rhs)
    for index in np.ndindex(*rhs.shape[:-2]):
        try:
            out[index] = np.linalg.solve(matrix[index], rhs[index])
        except np.linalg.LinAlgError:
            out[index] = np.nan
    return out


def _adjoint(above: Tensor, middle: Tensor, below: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    above, middle, below = (conjugate_of(x) for x in (above, middle, below))
    return _moved(below, -1), middle, _moved(above, 1)


def _solve_gradient(op: Any, dx: Tensor) -> tuple[Tensor, Tensor]:
    """A X = B:  dB = A^-H dX,  dA = -dB X^H on the three diagonals."""
    rows = (op.diagonals[..., i : i + 1, :] for i in range(3))
    turned = call.ConcatV2(list(_adjoint(*rows)), -2)
    db = call.TridiagonalSolve(turned, dx, partial_pivoting=op.attrs["partial_pivoting"])
    da = [_outer(db, op.output, by) for by in (-1, 0, 1)]
    return call.Neg(call.ConcatV2(da, -2)), db


def _system(*batch: int, m: int, k: int) -> tuple[Any, Any]:
    diagonals = mixed(*batch, 3, m) + np.array([[0], [4], [0]], np.float32)
    return diagonals, mixed(*batch, m, k, seed=1)


_COMPLEX = complex_of(_system(2, m=4, k=2)[0], mixed(2, 3, 4, seed=3))
_COMPLEX_RIGHT = complex_of(mixed(2, 4, 2), mixed(2, 4, 2, seed=1))

define(
    "TridiagonalSolve",
    "diagonals: T, rhs: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    partial_pivoting=True,
    infer=lambda call_: _merged(call_, (3,)),
    kernel=lapack(_SOLVE, sizes=_sizes, scratch=_solve_scratch),
    grad=_solve_gradient,
    reference=_solve_reference,
    samples=(
        sample(*_system(m=4, k=3)),
        sample(*_system(2, 3, m=5, k=1)),
        sample(*_system(2, m=3, k=2), partial_pivoting=False),
        sample(np.array([[1, 1, 0], [0, 0, 2], [0, 3, 1]], np.float32), mixed(3, 2)),
        sample(*_system(m=1, k=1)),
        sample(*_system(m=2, k=1)),
        sample(_COMPLEX, _COMPLEX_RIGHT),
        sample(np.zeros((3, 3), np.float32), mixed(3, 1), differentiable=()),
        sample(f32(0, 3, 4), f32(0, 4, 2)),
        sample(f32(3, 4), f32(4, 0), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "must be 3 rows", f32(2, 3), f32(3, 1)),
        error_sample(ValueError, "as long as rhs", f32(3, 3), f32(2, 1)),
        error_sample(ValueError, "same leading axes", f32(1, 3, 3), f32(2, 3, 1)),
        error_sample(ValueError, "at least 2 axes", f32(3), f32(3, 1)),
    ),
    doc="X with A X = ``rhs`` for tridiagonal A, given as three rows: above the diagonal, it, and "
    "below; NaN where A is singular.",
)

# --------------------------------------------------------------------------------------- products

_PRODUCT = """
for b in range(batch):
    right = offset(rhs, b * m * k * parts)
    out = offset(output, b * m * k * parts)
    for i in range(m):
        at = (b * m + i) * parts
        for e in range(k * parts):
            store(out, i * k * parts + e, {T}(0))
        for d in range(3):
            row = i + 1 - d
            if (row >= 0) & (row < m):
                re = load(superdiag, at)
                im = {T}(0)
                if d == 1:
                    re = load(maindiag, at)
                if d == 2:
                    re = load(subdiag, at)
                if parts == 2:
                    im = load(superdiag, at + 1)
                    if d == 1:
                        im = load(maindiag, at + 1)
                    if d == 2:
                        im = load(subdiag, at + 1)
                for j in range(k):
                    to = (i * k + j) * parts
                    x = load(right, (row * k + j) * parts)
                    if parts == 1:
                        store(out, to, load(out, to) + re * x)
                    else:
                        y = load(right, (row * k + j) * parts + 1)
                        store(out, to, load(out, to) + (re * x - im * y))
                        store(out, to + 1, load(out, to + 1) + (re * y + im * x))
return 0
"""


def _product_reference(call_: Call, above: Any, middle: Any, below: Any, rhs: Any) -> Any:
    return _dense(*(x[..., 0, :] for x in (above, middle, below))) @ rhs


def _product_gradient(op: Any, dy: Tensor) -> tuple[Tensor, ...]:
    """Y = A X:  dX = A^H dY,  dA = dY X^H on the three diagonals."""
    dx = call.TridiagonalMatMul(*_adjoint(op.superdiag, op.maindiag, op.subdiag), dy)
    return *(_outer(dy, op.rhs, by) for by in (-1, 0, 1)), dx


def _rows(*shape: int) -> list[Any]:
    return [mixed(*shape[:-1], 1, shape[-1], seed=i) for i in range(3)]


define(
    "TridiagonalMatMul",
    "superdiag: T, maindiag: T, subdiag: T, rhs: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    infer=lambda call_: _merged(call_, (1, 1, 1)),
    kernel=lapack(_PRODUCT, sizes=_sizes),
    grad=_product_gradient,
    reference=_product_reference,
    samples=(
        sample(*_rows(4), mixed(4, 3)),
        sample(*_rows(2, 3, 5), mixed(2, 3, 5, 1)),
        sample(*_rows(1), mixed(1, 2)),
        sample(*(complex_of(x, x[..., ::-1]) for x in _rows(2, 4)), _COMPLEX_RIGHT),
        sample(*_rows(0, 3), f32(0, 3, 2)),
        sample(*_rows(3), f32(3, 0), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "must be 1 rows", f32(2, 3), f32(1, 3), f32(1, 3), f32(3, 1)),
        error_sample(ValueError, "as long as rhs", f32(1, 3), f32(1, 2), f32(1, 3), f32(3, 1)),
        error_sample(ValueError, "at least 2 axes", f32(1, 3), f32(1, 3), f32(1, 3), f32(3)),
    ),
    doc="The product of a tridiagonal matrix with ``rhs``.",
)

# ------------------------------------------------------------------------------- public functions


def _three_rows(diagonals: Any, form: str, function: str) -> list[Tensor]:
    """The three diagonals as (..., 1, M), in any of their forms."""
    if form == "compact":
        diagonals = convert_to_tensor(diagonals, name="diagonals")
        if diagonals.dims is not None and (
            len(diagonals.dims) < 2 or diagonals.dims[-2] not in (3, None)
        ):
            raise ValueError(
                f"{function}: diagonals must be (..., 3, M), not of shape {diagonals.shape}"
            )
        return [diagonals[..., i : i + 1, :] for i in range(3)]
    if form == "sequence":
        if not isinstance(diagonals, (list, tuple)) or len(diagonals) != 3:
            raise ValueError(f"{function}: diagonals must be a sequence of 3 tensors")
        middle = convert_to_tensor(diagonals[1], name="maindiag")
        above, below = (
            convert_to_tensor(x, dtype_hint=middle.dtype.base_dtype) for x in diagonals[::2]
        )
        size = None if middle.dims is None else middle.dims[-1]
        if size is not None and above.dims is not None and above.dims[-1] == size - 1:
            above = call.ConcatV2([above, call.ZerosLike(middle[..., :1])], -1)
        if size is not None and below.dims is not None and below.dims[-1] == size - 1:
            below = call.ConcatV2([call.ZerosLike(middle[..., :1]), below], -1)
        return [call.ExpandDims(x, -2) for x in (above, middle, below)]
    if form == "matrix":
        matrix = convert_to_tensor(diagonals, name="diagonals")
        if matrix.dims is not None and None not in matrix.dims[-2:]:
            if len(matrix.dims) < 2 or matrix.dims[-2] != matrix.dims[-1]:
                raise ValueError(
                    f"{function}: diagonals must be square matrices, not of shape {matrix.shape}"
                )
            if matrix.dims[-1] == 1:
                return [call.ZerosLike(matrix), matrix, call.ZerosLike(matrix)]
        band = call.MatrixDiagPartV3(
            matrix, np.array([-1, 1], np.int32), number(0, matrix), align="LEFT_RIGHT"
        )
        return [band[..., i : i + 1, :] for i in range(3)]
    raise ValueError(
        f"{function}: diagonals_format must be 'compact', 'sequence' or 'matrix', not {form!r}"
    )


@export("linalg.tridiagonal_solve")
def tridiagonal_solve(
    diagonals: Any,
    rhs: Any,
    diagonals_format: str = "compact",
    transpose_rhs: bool = False,
    conjugate_rhs: bool = False,
    name: str | None = None,
    partial_pivoting: bool = True,
) -> Tensor:
    """The solution X of A X = ``rhs`` for tridiagonal matrices A.

    Args:
        diagonals: A, as ``diagonals_format`` says.
        rhs: (..., M, K), or (..., M) for one right side.
        diagonals_format: ``"compact"``: (..., 3, M), the diagonal above (its last element is not
            read), the main one, and the one below (its first is not read); ``"sequence"``: a list
            of the three, the outer ones of M or M - 1 elements; ``"matrix"``: (..., M, M), of
            which only the three diagonals are read.
        transpose_rhs: ``rhs`` is (..., K, M).
        conjugate_rhs: conjugate ``rhs`` first.
        name: of the operation; ``TridiagonalSolve`` by default.
        partial_pivoting: exchange rows where that is more accurate; here it is always done.

    Returns:
        (..., M, K), or (..., M); NaN where A is singular.

    Raises:
        ValueError: the shapes do not fit, or the format is none of these.

    Gradient: dB = A^-H dX, dA = -dB X^H on the three diagonals.
    Numerics: LAPACK ?gtsv.

    >>> import flowgraph as tf
    >>> diagonals = [[0.0, 0.0], [2.0, 4.0], [0.0, 2.0]]
    >>> tf.Session().run(tf.linalg.tridiagonal_solve(diagonals, [2.0, 6.0]))
    array([1., 1.], dtype=float32)
    """
    rows = _three_rows(diagonals, diagonals_format, "tridiagonal_solve")
    rhs = convert_to_tensor(rhs, dtype_hint=rows[1].dtype.base_dtype, name="rhs")
    is_vector = (
        rhs.dims is not None and rows[1].dims is not None and len(rhs.dims) == len(rows[1].dims) - 1
    )
    if is_vector:
        rhs = call.ExpandDims(rhs, -1)
    elif transpose_rhs:
        rhs = transposed(rhs)
    rhs = conjugate_of(rhs) if conjugate_rhs else rhs
    stacked = call.ConcatV2(rows, -2)
    if is_vector:
        x = call.TridiagonalSolve(stacked, rhs, partial_pivoting=partial_pivoting)
        return call.Squeeze(x, squeeze_dims=[-1], name=name)
    return apply_op("TridiagonalSolve", stacked, rhs, partial_pivoting=partial_pivoting, name=name)


@export("linalg.tridiagonal_matmul")
def tridiagonal_matmul(
    diagonals: Any, rhs: Any, diagonals_format: str = "compact", name: str | None = None
) -> Tensor:
    """The product of tridiagonal matrices with other matrices.

    Args:
        diagonals: the tridiagonal ones, as ``diagonals_format`` says.
        rhs: (..., M, K), of the same dtype.
        diagonals_format: as for ``tridiagonal_solve``.
        name: of the operation; ``TridiagonalMatMul`` by default.

    Returns:
        (..., M, K).

    Raises:
        ValueError: the shapes do not fit, or the format is none of these.

    Gradient: dX = A^H dY, dA = dY X^H on the three diagonals.

    >>> import flowgraph as tf
    >>> diagonals = [[1.0, 0.0], [2.0, 4.0], [0.0, 2.0]]
    >>> tf.Session().run(tf.linalg.tridiagonal_matmul(diagonals, [[1.0], [1.0]]))
    array([[3.],
           [6.]], dtype=float32)
    """
    rows = _three_rows(diagonals, diagonals_format, "tridiagonal_matmul")
    first, rhs = of_one_dtype(rows[0], rhs)
    return apply_op("TridiagonalMatMul", first, *rows[1:], rhs, name=name)


@export("linalg.eigh_tridiagonal")
def eigh_tridiagonal(
    alpha: Any,
    beta: Any,
    eigvals_only: bool = True,
    select: str = "a",
    select_range: Any = None,
    tol: Any = None,
    name: str | None = None,
) -> Any:
    """Eigenvalues of one self-adjoint tridiagonal matrix.

    Args:
        alpha: (N,) the diagonal, real (of complex numbers the real part counts).
        beta: (N - 1,) the diagonal above it, of the same dtype; the one below is its conjugate.
        eigvals_only: give no eigenvectors.
        select: which eigenvalues: ``"a"`` all, ``"i"`` those numbered ``select_range[0]`` to
            ``select_range[1]``, ``"v"`` those in the interval (low, high] of ``select_range``.
        select_range: two integers or two floats, see ``select``.
        tol: accepted; eigenvalues are as exact as the dtype allows.
        name: of the operations; ``eigh_tridiagonal`` by default.

    Returns:
        The eigenvalues, ascending and real; and if wanted the orthonormal eigenvectors, in
        columns.

    Raises:
        ValueError: the shapes do not fit, or ``select`` and ``select_range`` do not.

    Gradient: as of ``self_adjoint_eig``.
    Numerics: of the full matrix, by LAPACK ?syevd.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.eigh_tridiagonal([1.0, 3.0], [0.0]))
    array([1., 3.], dtype=float32)
    """
    choose = _selection(select, select_range)
    with name_scope(name, "eigh_tridiagonal", [alpha, beta]):
        alpha, beta = of_one_dtype(alpha, beta)
        below = call.ConcatV2([call.ZerosLike(alpha[:1]), conjugate_of(beta)], 0)
        size = call.Shape(alpha)[:1]
        below = call.Reshape(below, size)  # an error where there is not one element fewer
        rows = call.Pack([alpha, below])
        place = np.array([-1, 0], np.int32)
        sizes = np.array(-1, np.int32)
        matrix = call.MatrixDiagV3(rows, place, sizes, sizes, number(0, alpha), align="LEFT_RIGHT")
        e, v = call.SelfAdjointEigV2(matrix, compute_v=not eigvals_only)
        values, pick = choose(real_part(e))
        return values if eigvals_only else (values, pick(v))


def _selection(select: str, limits: Any) -> Callable[[Tensor], tuple[Tensor, Any]]:
    """From all eigenvalues: those selected, and a function that selects their vectors."""
    if select == "a":
        return lambda e: (e, lambda v: v)
    if select not in ("i", "v"):
        raise ValueError(f"eigh_tridiagonal: select must be 'a', 'i' or 'v', not {select!r}")
    if limits is None or len(limits) != 2 or not limits[0] <= limits[1]:
        raise ValueError(f"eigh_tridiagonal: select_range must be low and high, not {limits!r}")
    low, high = limits
    if select == "i":
        low, high = int(low), int(high) + 1
        return lambda e: (e[low:high], lambda v: v[:, low:high])

    def between(e: Tensor) -> tuple[Tensor, Any]:
        inside = call.LogicalAnd(
            call.Greater(e, number(low, e)), call.LessEqual(e, number(high, e))
        )
        mask = EXPORTS["boolean_mask"]
        return mask(e, inside), lambda v: mask(v, inside, axis=1)

    return between
