"""The method of conjugate gradients: systems of operators of which only products are known.

Y. Saad, "Iterative Methods for Sparse Linear Systems" (2003), algorithm 9.1.

Read next: base.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.linear_operators.base import LinearOperator
from flowgraph.ops.matrix_algebra import real_part
from flowgraph.ops.rules import conjugate_of, number


class CGState(NamedTuple):
    """Where the iteration stands: steps, solution, residual, direction, <r, M r>."""

    i: Tensor
    x: Tensor
    r: Tensor
    p: Tensor
    gamma: Tensor


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return call.Sum(conjugate_of(a) * b, [-1])


def _length(x: Tensor) -> Tensor:
    return call.Sqrt(real_part(_dot(x, x)))


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b; 0 where b is 0, as of systems that are solved while others of the batch go on."""
    is_zero = call.Equal(b, number(0, b))
    return call.SelectV2(is_zero, call.ZerosLike(a), a / call.SelectV2(is_zero, number(1, b), b))


@export("linalg.experimental.conjugate_gradient")
def conjugate_gradient(
    operator: LinearOperator,
    rhs: Any,
    preconditioner: LinearOperator | None = None,
    x: Any = None,
    tol: Any = 1e-5,
    max_iter: Any = 20,
    name: str = "conjugate_gradient",
) -> CGState:
    """The solution x of A x = ``rhs`` for a self-adjoint positive definite operator A.

    Args:
        operator: A, known to be self-adjoint and positive definite.
        rhs: (..., N), of the dtype of A.
        preconditioner: an operator that is nearly the inverse of A, self-adjoint and positive
            definite, too.
        x: (..., N), where to begin; zeros by default.
        tol: stop where every residual is at most ``tol`` times as long as its right side.
        max_iter: the greatest number of steps.
        name: of the scope of the operations.

    Returns:
        (i, x, r, p, gamma): the number of steps, the solution, its residual, and the next direction
        with <r, r> (with a preconditioner M, <r, M r>).

    Raises:
        ValueError: A or the preconditioner is not known to be self-adjoint and positive definite.

    Gradient: of the steps that were made; that of the solution itself is cheaper by
    ``custom_gradient``.

    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorDiag([1.0, 2.0], is_positive_definite=True)
    >>> tf.Session().run(tf.linalg.experimental.conjugate_gradient(a, [1.0, 4.0]).x).round(4)
    array([1., 2.], dtype=float32)
    """
    for what, given in (("operator", operator), ("preconditioner", preconditioner)):
        if given is not None and not (given.is_self_adjoint and given.is_positive_definite):
            raise ValueError(f"Expected a self-adjoint, positive definite {what}.")
    with name_scope(name):
        rhs = convert_to_tensor(rhs, dtype_hint=operator.dtype, name="rhs")
        limit = convert_to_tensor(max_iter, dtype=int32, name="max_iter")
        length = _length(rhs)
        least = length * convert_to_tensor(tol, dtype=length.dtype.base_dtype, name="tol")

        def conditioned(r: Tensor) -> Tensor:
            return r if preconditioner is None else preconditioner.matvec(r)

        if x is None:
            start, residual = call.ZerosLike(rhs), rhs
        else:
            start = convert_to_tensor(x, dtype_hint=operator.dtype, name="x")
            residual = rhs - operator.matvec(start)
        direction = conditioned(residual)
        state = CGState(
            convert_to_tensor(np.int32(0)), start, residual, direction, _dot(residual, direction)
        )

        def goes_on(i: Tensor, x: Tensor, r: Tensor, p: Tensor, gamma: Tensor) -> Tensor:
            far = call.Greater(_length(r), least)
            axes = call.Range(np.int32(0), call.Rank(far), np.int32(1))
            return call.LogicalAnd(call.Less(i, limit), call.Any(far, axes))

        def step(i: Tensor, x: Tensor, r: Tensor, p: Tensor, gamma: Tensor) -> CGState:
            image = operator.matvec(p)
            alpha = call.ExpandDims(_ratio(gamma, _dot(p, image)), -1)
            x, r = x + alpha * p, r - alpha * image
            q = conditioned(r)
            following = _dot(r, q)
            beta = call.ExpandDims(_ratio(following, gamma), -1)
            return CGState(i + 1, x, r, q + beta * p, following)

        return CGState(*EXPORTS["while_loop"](goes_on, step, list(state)))
