"""Linear systems: inverse, solutions, general and triangular.

    MatrixInverse   A^-1          MatrixSolve             X with A X = B
                                  MatrixTriangularSolve   the same, A a triangle

LAPACK sees M = A^T and X^T: from A X = B follows X^T = B^T M^-1, a solution from the right that
needs no copies in another order.  With P M = L U that is B^T U^-1 L^-1 P.

Read next: lapack.py (the texts' vocabulary), matrix_least_squares.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, define, dtypes_of, error_sample, sample
from flowgraph.ops.lapack import (
    BLOCK,
    CHECK_PIVOTS,
    LAPACK_DTYPES,
    complex_of,
    cubic,
    factor,
    factors,
    lapack,
    matrices,
    matrix_dims,
    mixed,
    numbers,
    square_dims,
    square_shape,
    well_conditioned,
)
from flowgraph.ops.matrix_algebra import adjoint_of, lower_of, product, upper_of
from flowgraph.ops.rules import f32, invalid, of_one_dtype
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size

_NOT_SQUARE = error_sample(ValueError, "must be square matrices", f32(2, 3))
_NO_MATRIX = error_sample(ValueError, "at least 2 axes", f32(3))
_SINGULAR = "Input is not invertible."
_NO_SOLUTION = "Input matrix is not invertible."

_COMPLEX = complex_of(well_conditioned(2, 3, 3), mixed(2, 3, 3, seed=1))
_COMPLEX_RIGHT = complex_of(mixed(2, 3, 2), mixed(2, 3, 2, seed=1))

# ---------------------------------------------------------------------------------------- inverse

_INVERSE = (
    """
for b in range(batch):
    source = offset(input, b * n * n * parts)
    a = offset(output, b * n * n * parts)
    for i in range(n):
        for j in range(n):
            for e in range(parts):
                x = load(source, (i * n + j) * parts + e)
                at = i * n + j
                if adjoint != 0:
                    at = j * n + i
                    if e == 1:
                        x = -x
                store(a, at * parts + e, x)
    if n > 0:
        @getrf n n *a n *pivots info
"""
    + CHECK_PIVOTS
    + """
    if n > 0:
        @getri n *a n *pivots *work work_size info
return 0
"""
)


def _inverse_sizes(call_: Call) -> dict[str, int]:
    sizes = matrices(call_)
    return {**sizes, "adjoint": call_.attrs["adjoint"], "work_size": BLOCK * max(sizes["n"], 1)}


def _adjoint_array(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def _inverse_reference(call_: Call, x: Any) -> Any:
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        raise invalid(_SINGULAR) from None
    if not np.isfinite(inverse).all():
        raise invalid(_SINGULAR)
    return _adjoint_array(inverse) if call_.attrs["adjoint"] else inverse


def _inverse_gradient(op: Any, dy: Tensor) -> tuple[Tensor]:
    """Y = A^-1:  dA = -Y^H dY Y^H;  of the adjoint's inverse, the adjoint of that."""
    y = op.output
    dx = call.Neg(product(y, product(dy, y, adj_b=True), adj_a=True))
    return (adjoint_of(dx) if op.attrs["adjoint"] else dx,)


define(
    "MatrixInverse",
    "input: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    adjoint=False,
    infer=square_shape,
    kernel=lapack(
        _INVERSE,
        sizes=_inverse_sizes,
        scratch=lambda call_: {
            "pivots": ("int32", matrices(call_)["n"]),
            "work": numbers(call_, BLOCK * max(matrices(call_)["n"], 1)),
        },
        flops=lambda call_: cubic(2, call_),
    ),
    grad=_inverse_gradient,
    reference=_inverse_reference,
    samples=(
        sample(well_conditioned(4, 4)),
        sample(well_conditioned(2, 3, 5, 5)),
        sample(well_conditioned(2, 3, 3), adjoint=True),
        sample(_COMPLEX),
        sample(_COMPLEX, adjoint=True),
        sample(np.array([[0, 1], [2, 0]], np.float32)),
        sample(well_conditioned(40, 40)),
        sample(f32(0, 3, 3)),
        sample(f32(2, 0, 0)),
    ),
    errors=(
        _NOT_SQUARE,
        _NO_MATRIX,
        error_sample(Exception, "not invertible", np.zeros((2, 2), np.float32), stage="run"),
        error_sample(Exception, "not invertible", np.full((2, 2), np.nan, np.float32), stage="run"),
    ),
    doc="The inverse of matrices, or of their adjoints.",
)

# ---------------------------------------------------------------------------------------- systems


def _solution_shape(call_: Call) -> list[Dims]:
    """Of X with A X = B: (..., N, K)."""
    matrix = square_dims(call_.shapes[0], "matrix")
    right = matrix_dims(call_.shapes[1], "rhs")
    if matrix is None or right is None:
        return [None if right is None else (*right[:-2], None, right[-1])]
    try:
        return [(*merge(matrix[:-2], right[:-2]), merge_size(matrix[-1], right[-2]), right[-1])]  # type: ignore[misc]
    except ShapeError:
        raise ShapeError(
            f"matrix of shape {format_dims(matrix)} and rhs of shape {format_dims(right)} need "
            "equal leading axes, and a row of rhs for each row of matrix"
        ) from None


def _system_sizes(call_: Call) -> dict[str, int]:
    shape: Any = call_.shapes[1]
    return {**matrices(call_), "k": shape[-1], "adjoint": call_.attrs["adjoint"]}


_EXCHANGE = """
                other = int64(load(pivots, i)) - 1
                for e in independent(k * parts):
                    moved = load(x, i * k * parts + e)
                    store(x, i * k * parts + e, load(x, other * k * parts + e))
                    store(x, other * k * parts + e, moved)
"""

#: X^T = B^T U^-1 L^-1 P, or from the adjoint B^T P^T L^-H U^-H; exchanges of rows of X by hand.
_SOLVE = (
    factor("matrix")
    + CHECK_PIVOTS
    + """
    x = offset(output, b * n * k * parts)
    right = offset(rhs, b * n * k * parts)
    for e in independent(n * k * parts):
        store(x, e, load(right, e))
    if n * k > 0:
        if adjoint == 0:
            @trsm 'R' 'U' 'N' 'N' k n *one *a n *x k
            @trsm 'R' 'L' 'N' 'U' k n *one *a n *x k
            for i in range(n - 1, -1, -1):
"""
    + _EXCHANGE
    + """
        else:
            for i in range(n):
"""
    + _EXCHANGE
    + """
            @trsm 'R' 'L' 'C' 'U' k n *one *a n *x k
            @trsm 'R' 'U' 'C' 'N' k n *one *a n *x k
return 0
"""
)


def _solve_reference(call_: Call, matrix: Any, rhs: Any) -> Any:
    matrix = _adjoint_array(matrix) if call_.attrs["adjoint"] else matrix
    try:
        x = np.linalg.solve(matrix, rhs)
    except np.linalg.LinAlgError:
        raise invalid(_SINGULAR) from None
    if np.isnan(matrix).any():
        raise invalid(_SINGULAR)
    return x


def _solve_gradient(op: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
    """A X = B:  dB = A^-H dX,  dA = -dB X^H;  of A^H X = B:  dB = A^-1 dX,  dA = -X dB^H."""
    adjoint = op.attrs["adjoint"]
    db = call.MatrixSolve(op.matrix, dy, adjoint=not adjoint)
    one, other = (op.output, db) if adjoint else (db, op.output)
    return call.Neg(product(one, other, adj_b=True)), db


define(
    "MatrixSolve",
    "matrix: T, rhs: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    adjoint=False,
    infer=_solution_shape,
    kernel=lapack(
        _SOLVE,
        sizes=_system_sizes,
        scratch=factors,
        flops=lambda call_: cubic(2 / 3, call_),
    ),
    grad=_solve_gradient,
    reference=_solve_reference,
    samples=(
        sample(well_conditioned(4, 4), mixed(4, 3, seed=1)),
        sample(np.array([[0, 1, 1], [2, 0, 1], [1, 3, 0]], np.float32), mixed(3, 2)),
        sample(np.array([[0, 1, 1], [2, 0, 1], [1, 3, 0]], np.float32), mixed(3, 2), adjoint=True),
        sample(well_conditioned(2, 3, 5, 5), mixed(2, 3, 5, 1, seed=1)),
        sample(well_conditioned(2, 4, 4), mixed(2, 4, 5, seed=1), adjoint=True),
        sample(_COMPLEX, _COMPLEX_RIGHT),
        sample(_COMPLEX, _COMPLEX_RIGHT, adjoint=True),
        sample(f32(0, 3, 3), f32(0, 3, 2)),
        sample(f32(2, 0, 0), f32(2, 0, 2)),
        sample(well_conditioned(3, 3), f32(3, 0)),
    ),
    errors=(
        error_sample(ValueError, "must be square matrices", f32(2, 3), f32(2, 1)),
        error_sample(ValueError, "a row of rhs for each row", f32(3, 3), f32(2, 1)),
        error_sample(ValueError, "equal leading axes", f32(2, 3, 3), f32(3, 1)),
        error_sample(
            Exception, "not invertible", np.zeros((2, 2), np.float32), f32(2, 1), stage="run"
        ),
    ),
    doc="X with ``matrix`` X = ``rhs``, or with the adjoint of ``matrix``.",
)

#: The triangle below the diagonal is the one above it of the transpose.
_TRIANGULAR = """
for b in range(batch):
    a = offset(matrix, b * n * n * parts)
    for i in range(n):
        at = i * (n + 1) * parts
        zero = load(a, at) == {T}(0)
        if parts == 2:
            zero = zero & (load(a, at + 1) == {T}(0))
        if zero:
            return 3
    x = offset(output, b * n * k * parts)
    right = offset(rhs, b * n * k * parts)
    for e in independent(n * k * parts):
        store(x, e, load(right, e))
    if n * k > 0:
        @trsm 'R' $triangle $form 'N' k n *one *a n *x k
return 0
"""


def _triangular_sizes(call_: Call) -> dict[str, int]:
    triangle = ord("U" if call_.attrs["lower"] else "L")
    form = ord("C" if call_.attrs["adjoint"] else "N")
    return {**_system_sizes(call_), "triangle": triangle, "form": form}


def _triangular_reference(call_: Call, matrix: Any, rhs: Any) -> Any:
    matrix = np.tril(matrix) if call_.attrs["lower"] else np.triu(matrix)
    if (np.diagonal(matrix, axis1=-2, axis2=-1) == 0).any():
        raise invalid(_NO_SOLUTION)
    return np.linalg.solve(_adjoint_array(matrix) if call_.attrs["adjoint"] else matrix, rhs)


def _triangular_gradient(op: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
    """As of MatrixSolve, of the triangle that was read."""
    adjoint, lower = op.attrs["adjoint"], op.attrs["lower"]
    db = call.MatrixTriangularSolve(op.matrix, dy, lower=lower, adjoint=not adjoint)
    one, other = (op.output, db) if adjoint else (db, op.output)
    da = call.Neg(product(one, other, adj_b=True))
    return (lower_of if lower else upper_of)(da), db


define(
    "MatrixTriangularSolve",
    "matrix: T, rhs: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    lower=True,
    adjoint=False,
    infer=_solution_shape,
    kernel=lapack(
        _TRIANGULAR,
        sizes=_triangular_sizes,
        flops=lambda call_: cubic(1, call_),
    ),
    grad=_triangular_gradient,
    reference=_triangular_reference,
    samples=(
        sample(well_conditioned(4, 4), mixed(4, 3, seed=1)),
        sample(well_conditioned(2, 4, 4), mixed(2, 4, 3, seed=1), lower=False),
        sample(well_conditioned(2, 4, 4), mixed(2, 4, 3, seed=1), adjoint=True),
        sample(well_conditioned(4, 4), mixed(4, 1, seed=1), lower=False, adjoint=True),
        sample(_COMPLEX, _COMPLEX_RIGHT),
        sample(_COMPLEX, _COMPLEX_RIGHT, adjoint=True, lower=False),
        sample(f32(0, 3, 3), f32(0, 3, 2)),
        sample(f32(2, 0, 0), f32(2, 0, 2)),
        sample(well_conditioned(3, 3), f32(3, 0)),
    ),
    errors=(
        error_sample(ValueError, "must be square matrices", f32(2, 3), f32(2, 1)),
        error_sample(ValueError, "a row of rhs for each row", f32(3, 3), f32(2, 1)),
        error_sample(
            Exception, "not invertible", np.zeros((2, 2), np.float32), f32(2, 1), stage="run"
        ),
    ),
    doc="X with ``matrix`` X = ``rhs``, only one triangle of ``matrix`` being read.",
)

# ------------------------------------------------------------------------------- public functions


@export("matrix_inverse", "linalg.inv")
def matrix_inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The inverse of square matrices.

    Args:
        input: (..., N, N) float32, float64 or complex.
        adjoint: invert the adjoint instead.
        name: of the operation; ``MatrixInverse`` by default.

    Returns:
        (..., N, N).

    Raises:
        ValueError: the matrices are not square.
        InvalidArgumentError: (when run) one is singular: "Input is not invertible."

    Gradient: -Y^H dY Y^H.
    Numerics: LU factors with row exchanges (LAPACK ?getrf, ?getri).

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_inverse([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]], dtype=float32)
    """
    return apply_op("MatrixInverse", input, adjoint=adjoint, name=name)


@export("matrix_solve", "linalg.solve")
def matrix_solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The solution X of ``matrix`` X = ``rhs``.

    Args:
        matrix: (..., N, N) float32, float64 or complex.
        rhs: (..., N, K), of the same dtype and leading axes.
        adjoint: solve with the adjoint of ``matrix``.
        name: of the operation; ``MatrixSolve`` by default.

    Returns:
        (..., N, K).

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: (when run) a matrix is singular: "Input is not invertible."

    Gradient: dB = A^-H dX,  dA = -dB X^H.
    Numerics: LU factors with row exchanges (LAPACK ?getrf).

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_solve([[2.0, 0.0], [0.0, 4.0]], [[2.0], [2.0]]))
    array([[1. ],
           [0.5]], dtype=float32)
    """
    return apply_op("MatrixSolve", matrix, rhs, adjoint=adjoint, name=name)


@export("matrix_triangular_solve", "linalg.triangular_solve")
def matrix_triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """The solution X of ``matrix`` X = ``rhs``, by substitution.

    Args:
        matrix: (..., N, N) float32, float64 or complex; only one triangle is read.
        rhs: (..., N, K), of the same dtype and leading axes.
        lower: the lower triangle, else the upper one.
        adjoint: solve with the adjoint of that triangle.
        name: of the operation; ``MatrixTriangularSolve`` by default.

    Returns:
        (..., N, K).

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: (when run) an element of the diagonal is 0.

    Gradient: dB = A^-H dX,  dA = the triangle of -dB X^H.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_triangular_solve([[2.0, 9.0], [1.0, 1.0]], [[2.0], [3.0]]))
    array([[1.],
           [2.]], dtype=float32)
    """
    return apply_op("MatrixTriangularSolve", matrix, rhs, lower=lower, adjoint=adjoint, name=name)


@export("cholesky_solve", "linalg.cholesky_solve")
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """The solution X of A X = ``rhs``, from the Cholesky factor of A.

    Args:
        chol: (..., N, N), what ``cholesky`` gives.
        rhs: (..., N, K), of the same dtype and leading axes.
        name: of the operations; ``cholesky_solve`` by default.

    Returns:
        (..., N, K).

    Raises:
        ValueError: the shapes do not fit.

    Gradient: as of two triangular systems.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.cholesky_solve([[2.0, 0.0], [1.0, 3.0]], [[4.0], [2.0]]))
    array([[1.],
           [0.]], dtype=float32)
    """
    with name_scope(name, "cholesky_solve", [chol, rhs]):
        chol, rhs = of_one_dtype(chol, rhs)
        half = call.MatrixTriangularSolve(chol, rhs, lower=True)
        return call.MatrixTriangularSolve(chol, half, lower=True, adjoint=True)
