"""Operators of operators: products, adjoints, inverses.

Read next: base.py, blocks.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.linear_operators.base import LinearOperator
from flowgraph.linear_operators.diagonal import (
    LinearOperatorDiag,
    LinearOperatorIdentity,
    LinearOperatorZeros,
)
from flowgraph.ops.matrix_algebra import adjoint_of
from flowgraph.ops.rules import conjugate_of
from flowgraph.shapes import Dims, broadcast_all


def checked_operators(operators: Any, name: str | None, sign: str) -> tuple[list[Any], str]:
    """A list of operators of one dtype, and a name made of theirs."""
    found = list(operators)
    if not found:
        raise ValueError("Expected a non-empty list of operators. Found: []")
    for operator in found:
        if not isinstance(operator, LinearOperator):
            raise TypeError(f"Expected linear operators, found {operator!r}")
    if len({operator.dtype for operator in found}) > 1:
        told = ", ".join(f"{operator.name} {operator.dtype.name}" for operator in found)
        raise TypeError(f"Expected all operators to have the same dtype. Found {told}")
    return found, name or sign.join(operator.name for operator in found)


def all_true(operators: Sequence[LinearOperator], what: str, given: bool | None) -> bool | None:
    """Whether all operators have a property, where nothing else is said."""
    if given is not None:
        return given
    return True if all(getattr(operator, what) for operator in operators) else None


def batch_dims(operators: Sequence[LinearOperator]) -> Dims:
    """The static shape that the batches broadcast to."""
    dims = [operator._dims() for operator in operators]
    return broadcast_all([None if d is None else d[:-2] for d in dims])


def batch_tensor(operators: Sequence[LinearOperator]) -> Tensor:
    """The same as a tensor."""
    result = operators[0]._sizes()[:-2]
    for operator in operators[1:]:
        result = call.BroadcastArgs(result, operator._sizes()[:-2])
    return result


def parents(operators: Sequence[LinearOperator]) -> list[Tensor]:
    """All tensors that operators are made of."""
    return [tensor for operator in operators for tensor in operator.graph_parents]


def product_of(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    """The product, simpler where one of two is."""
    if isinstance(left, LinearOperatorIdentity) and not left._has_batch:
        return right
    if isinstance(right, LinearOperatorIdentity) and not right._has_batch:
        return left
    for one, other in ((left, right), (right, left)):
        if isinstance(one, LinearOperatorZeros) and one.is_square and other.is_square:
            if not (one._has_batch or other.batch_shape.ndims):
                return one
    if isinstance(left, LinearOperatorDiag) and isinstance(right, LinearOperatorDiag):
        return LinearOperatorDiag(left.diag * right.diag)
    parts: list[LinearOperator] = []
    for operator in (left, right):
        is_product = isinstance(operator, LinearOperatorComposition)
        parts += operator.operators if is_product else [operator]  # type: ignore[attr-defined]
    return LinearOperatorComposition(parts)


@export("linalg.LinearOperatorComposition")
class LinearOperatorComposition(LinearOperator):
    """The product of operators, A_1 A_2 ... A_k; the last one is applied first.

    Args:
        operators: a list of them, of one dtype and fitting sizes.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; it is
            non-singular if all are.
        name: of the scope; theirs, joined with ``_o_``, by default.

    >>> import flowgraph as tf
    >>> two = tf.linalg.LinearOperatorScaledIdentity(2, 2.0)
    >>> a = tf.linalg.LinearOperatorComposition([two, tf.linalg.LinearOperatorDiag([1.0, 3.0])])
    >>> tf.Session().run(a.matvec([1.0, 1.0]))
    array([2., 6.], dtype=float32)
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        self._operators, name = checked_operators(operators, name, "_o_")
        super().__init__(
            self._operators[0].dtype,
            parents(self._operators),
            all_true(self._operators, "is_non_singular", is_non_singular),
            is_self_adjoint,
            is_positive_definite,
            is_square,
            name,
        )
        for one, other in zip(self._operators, self._operators[1:], strict=False):
            columns, rows = one._matrix_dims[1], other._matrix_dims[0]
            if columns is not None and rows is not None and columns != rows:
                raise ValueError(
                    f"{name}: operators of shapes {one.shape} and {other.shape} do not fit"
                )

    @staticmethod
    def of(left: LinearOperator, right: LinearOperator) -> LinearOperator:
        """The product of two, simpler where one of them is."""
        return product_of(left, right)

    @property
    def operators(self) -> list[LinearOperator]:
        """The factors."""
        return self._operators

    def _dims(self) -> Dims:
        batch = batch_dims(self._operators)
        if batch is None:
            return None
        return (*batch, self._operators[0]._matrix_dims[0], self._operators[-1]._matrix_dims[1])

    def _shape_tensor(self) -> Tensor:
        rows, columns = self._operators[0]._sizes()[-2], self._operators[-1]._sizes()[-1]
        return call.ConcatV2([batch_tensor(self._operators), call.Pack([rows, columns])], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        order = self._operators if adjoint else self._operators[::-1]
        x = order[0].matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)
        for operator in order[1:]:
            x = operator.matmul(x, adjoint=adjoint)
        return x

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        order = self._operators[::-1] if adjoint else self._operators
        x = order[0].solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        for operator in order[1:]:
            x = operator.solve(x, adjoint=adjoint)
        return x

    def _determinant(self) -> Tensor:
        result = self._operators[0].determinant()
        for operator in self._operators[1:]:
            result = result * operator.determinant()
        return result

    def _log_abs_determinant(self) -> Tensor:
        result = self._operators[0].log_abs_determinant()
        for operator in self._operators[1:]:
            result = result + operator.log_abs_determinant()
        return result

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorComposition([op.adjoint() for op in self._operators[::-1]])

    def _inverse(self) -> LinearOperator:
        return LinearOperatorComposition([op.inverse() for op in self._operators[::-1]])

    def _assert_non_singular(self) -> Any:
        if all(operator.is_square for operator in self._operators):
            return EXPORTS["group"](*(op.assert_non_singular() for op in self._operators))
        return super()._assert_non_singular()


class _Wrapper(LinearOperator):
    """An operator made of one other."""

    def __init__(
        self,
        operator: LinearOperator,
        is_non_singular: bool | None,
        is_self_adjoint: bool | None,
        is_positive_definite: bool | None,
        is_square: bool | None,
        name: str,
    ) -> None:
        self._operator = operator

        def said(what: str, given: bool | None) -> bool | None:
            own = getattr(operator, what)
            if given is not None and own is not None and given != own:
                raise ValueError(f"{name}: {what}={given}, but that of {operator.name} is {own}")
            return own if given is None else given

        super().__init__(
            operator.dtype,
            operator.graph_parents,
            said("is_non_singular", is_non_singular),
            said("is_self_adjoint", is_self_adjoint),
            said("is_positive_definite", is_positive_definite),
            said("is_square", is_square),
            name,
        )

    @property
    def operator(self) -> LinearOperator:
        """The one it is made of."""
        return self._operator

    def _dims(self) -> Dims:
        dims = self._operator._dims()
        return None if dims is None else (*dims[:-2], dims[-1], dims[-2])

    def _shape_tensor(self) -> Tensor:
        sizes = self._operator._sizes()
        return call.ConcatV2([sizes[:-2], sizes[-1:], sizes[-2:-1]], 0)


@export("linalg.LinearOperatorAdjoint")
class LinearOperatorAdjoint(_Wrapper):
    """The adjoint of another operator.

    Args:
        operator: the other one.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; as of
            the other by default.
        name: of the scope; that of the other and ``_adjoint`` by default.

    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorFullMatrix([[1.0, 2.0]])
    >>> tf.Session().run(tf.linalg.LinearOperatorAdjoint(a).to_dense())
    array([[1.],
           [2.]], dtype=float32)
    """

    def __init__(
        self,
        operator: LinearOperator,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        name = name or f"{operator.name}_adjoint"
        super().__init__(
            operator, is_non_singular, is_self_adjoint, is_positive_definite, is_square, name
        )

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.matmul(x, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.solve(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _to_dense(self) -> Tensor:
        return adjoint_of(self._operator.to_dense())

    def _determinant(self) -> Tensor:
        return conjugate_of(self._operator.determinant())

    def _log_abs_determinant(self) -> Tensor:
        return self._operator.log_abs_determinant()

    def _diag_part(self) -> Tensor:
        return conjugate_of(self._operator.diag_part())

    def _trace(self) -> Tensor:
        return conjugate_of(self._operator.trace())

    def _adjoint(self) -> LinearOperator:
        return self._operator

    def _inverse(self) -> LinearOperator:
        return LinearOperatorAdjoint(self._operator.inverse())

    def _assert_non_singular(self) -> Any:
        return self._operator.assert_non_singular()


@export("linalg.LinearOperatorInversion")
class LinearOperatorInversion(_Wrapper):
    """The inverse of another operator; nothing is inverted, products are solutions.

    Args:
        operator: the other one.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; as of
            the other by default.
        name: of the scope; that of the other and ``_inv`` by default.

    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorFullMatrix([[2.0, 0.0], [0.0, 4.0]])
    >>> tf.Session().run(a.inverse().matvec([2.0, 4.0]))
    array([1., 1.], dtype=float32)
    """

    def __init__(
        self,
        operator: LinearOperator,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        if is_square is False or operator.is_square is False:
            raise ValueError("An inverse must be square: is_square=False was given.")
        if is_non_singular is False or operator.is_non_singular is False:
            raise ValueError("An inverse must be non-singular: is_non_singular=False was given.")
        name = name or f"{operator.name}_inv"
        super().__init__(operator, True, is_self_adjoint, is_positive_definite, True, name)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.solve(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.matmul(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _determinant(self) -> Tensor:
        return call.Reciprocal(self._operator.determinant())

    def _log_abs_determinant(self) -> Tensor:
        return call.Neg(self._operator.log_abs_determinant())

    def _inverse(self) -> LinearOperator:
        return self._operator

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorInversion(self._operator.adjoint())

    def _assert_non_singular(self) -> Any:
        return self._operator.assert_non_singular()
