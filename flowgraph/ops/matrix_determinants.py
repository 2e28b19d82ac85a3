"""Determinants, and their sign and logarithm.

det A is the product of the pivots of an LU factorisation, negated for each exchange of rows; that
of the transpose, which LAPACK sees, is the same.

Read next: matrix_solvers.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, define, dtypes_of, error_sample, sample
from flowgraph.ops.lapack import (
    LAPACK_DTYPES,
    complex_of,
    cubic,
    factor,
    factors,
    lapack,
    mixed,
    square_dims,
    well_conditioned,
)
from flowgraph.ops.matrix_algebra import real_part
from flowgraph.ops.rules import conjugate_of, f32
from flowgraph.shapes import Dims

_NOT_SQUARE = error_sample(ValueError, "must be square matrices", f32(2, 3))
_NO_MATRIX = error_sample(ValueError, "at least 2 axes", f32(3))
_COMPLEX = complex_of(well_conditioned(2, 3, 3), mixed(2, 3, 3, seed=1))


def _batch_of(call_: Call) -> Dims:
    dims = square_dims(call_.shapes[0])
    return None if dims is None else dims[:-2]


def _as_matrices(x: Tensor) -> Tensor:
    """Two more axes of size 1."""
    return call.ExpandDims(call.ExpandDims(x, -1), -1)


#: (x, y): the product of the pivots, negated for each exchange; and of its absolute value the log.
_DETERMINANT = (
    factor("input")
    + """
    x = {T}(1)
    y = {T}(0)
    for i in range(n):
        re = load(a, i * (n + 1) * parts)
        im = {T}(0)
        if parts == 2:
            im = load(a, i * (n + 1) * parts + 1)
        if int64(load(pivots, i)) != i + 1:
            re = -re
            im = -im
        before = x
        x = before * re
        if parts == 2:
            x = before * re - y * im
            y = before * im + y * re
    store(output, b * parts, x)
    if parts == 2:
        store(output, b * parts + 1, y)
return 0
"""
)

define(
    "MatrixDeterminant",
    "input: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    infer=lambda call_: [_batch_of(call_)],
    kernel=lapack(_DETERMINANT, scratch=factors, flops=lambda call_: cubic(2 / 3, call_)),
    grad=lambda op, dy: (
        call.MatrixInverse(op.input, adjoint=True) * _as_matrices(dy * conjugate_of(op.output)),
    ),
    reference=lambda call_, x: np.linalg.det(x),
    samples=(
        sample(mixed(4, 4)),
        sample(0.5 * mixed(2, 3, 4, 4)),
        sample(mixed(1, 1)),
        sample(_COMPLEX),
        sample(np.zeros((2, 2), np.float32), differentiable=()),
        sample(f32(0, 3, 3)),
        sample(f32(2, 0, 0), differentiable=()),
    ),
    errors=(_NOT_SQUARE, _NO_MATRIX),
    doc="The determinant of matrices; 1 of empty ones.",
)

#: (x, y): the product of the pivots, each of absolute value 1; NB: hypot without overflow.
_LOG_DETERMINANT = (
    factor("input")
    + """
    x = {T}(1)
    y = {T}(0)
    total = {T}(0)
    for i in range(n):
        re = load(a, i * (n + 1) * parts)
        im = {T}(0)
        size = absolute(re)
        if parts == 2:
            im = load(a, i * (n + 1) * parts + 1)
            larger = maximum(size, absolute(im))
            if larger > {T}(0):
                size = larger * sqrt((re / larger) * (re / larger) + (im / larger) * (im / larger))
        total += log(size)
        if int64(load(pivots, i)) != i + 1:
            re = -re
            im = -im
        if size == {T}(0):
            x = {T}(0)
            y = {T}(0)
        else:
            before = x
            x = before * (re / size) - y * (im / size)
            y = before * (im / size) + y * (re / size)
    store(sign, b * parts, x)
    store(log_abs_determinant, b * parts, total)
    if parts == 2:
        store(sign, b * parts + 1, y)
        store(log_abs_determinant, b * parts + 1, {T}(0))
return 0
"""
)


def _log_determinant_gradient(op: Any, dsign: Any, dlog: Tensor | None) -> tuple[Tensor | None]:
    """d log|det A| = A^-H; the sign is constant (its phase, for complex A, counts as that too).

    The logarithm is real, whatever its dtype: so is its share of dy.
    """
    if dlog is None:
        return (None,)
    if dlog.dtype.base_dtype.is_complex:
        dlog = call.Cast(real_part(dlog), DstT=dlog.dtype.base_dtype)
    return (call.MatrixInverse(op.input, adjoint=True) * _as_matrices(dlog),)


define(
    "LogMatrixDeterminant",
    "input: T -> sign: T, log_abs_determinant: T",
    T=dtypes_of(LAPACK_DTYPES),
    infer=lambda call_: [_batch_of(call_)] * 2,
    kernel=lapack(_LOG_DETERMINANT, scratch=factors, flops=lambda call_: cubic(2 / 3, call_)),
    grad=_log_determinant_gradient,
    reference=lambda call_, x: [part.astype(x.dtype) for part in np.linalg.slogdet(x)],
    samples=(
        sample(mixed(4, 4)),
        sample(mixed(2, 3, 5, 5)),
        sample(1e20 * well_conditioned(3, 3)),
        sample(_COMPLEX),
        sample(np.zeros((2, 2), np.float32), differentiable=()),
        sample(f32(0, 3, 3)),
        sample(f32(2, 0, 0), differentiable=()),
    ),
    errors=(_NOT_SQUARE, _NO_MATRIX),
    doc="Sign and logarithm of the absolute value of the determinant; 0 and -inf of singular "
    "matrices, 1 and 0 of empty ones.",
)


@export("matrix_determinant", "linalg.det")
def matrix_determinant(input: Any, name: str | None = None) -> Tensor:
    """The determinant of square matrices.

    Args:
        input: (..., N, N) float32, float64 or complex.
        name: of the operation; ``MatrixDeterminant`` by default.

    Returns:
        (...); 1 where N is 0.

    Raises:
        ValueError: the matrices are not square.

    Gradient: dy conj(y) A^-H; an error when run on singular matrices.
    Numerics: the product of the pivots of an LU factorisation; ``slogdet`` does not overflow.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_determinant([[2.0, 0.0], [0.0, 4.0]]))
    8.0
    """
    return apply_op("MatrixDeterminant", input, name=name)


class LogMatrixDeterminant(NamedTuple):
    """The two outputs of ``tf.linalg.slogdet``."""

    sign: Tensor
    log_abs_determinant: Tensor


@export("linalg.slogdet")
def slogdet(input: Any, name: str | None = None) -> LogMatrixDeterminant:
    """Sign and logarithm of the absolute value of the determinant.

    det A = sign * exp(log_abs_determinant)

    Args:
        input: (..., N, N) float32, float64 or complex.
        name: of the operation; ``LogMatrixDeterminant`` by default.

    Returns:
        (sign, log_abs_determinant), both (...): -1, 0 or 1 (a number of absolute value 1 for
        complex matrices), and -inf for singular ones.

    Raises:
        ValueError: the matrices are not square.

    Gradient: A^-H dy of the logarithm, none of the sign.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.slogdet([[1.0, 0.0], [0.0, -1.0]]))
    LogMatrixDeterminant(sign=-1.0, log_abs_determinant=0.0)
    """
    return LogMatrixDeterminant(*apply_op("LogMatrixDeterminant", input, name=name))


@export("linalg.logdet")
def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """The logarithm of the determinant of self-adjoint positive definite matrices.

    log det A = 2 sum_i log L[i, i]  with  A = L L^H

    Args:
        matrix: (..., N, N) float32, float64 or complex.
        name: of the operations; ``logdet`` by default.

    Returns:
        (...), real.

    Raises:
        ValueError: the matrices are not square.
        InvalidArgumentError: (when run) one is not positive definite; ``slogdet`` takes any matrix.

    Gradient: as of the Cholesky factor.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.logdet([[4.0, 0.0], [0.0, 0.25]]))
    0.0
    """
    with name_scope(name, "logdet", [matrix]):
        pivots = real_part(call.MatrixDiagPart(call.Cholesky(matrix)))
        return 2.0 * call.Sum(call.Log(pivots), [-1])
