"""Operators of several others side by side: Kronecker products and block diagonals.

Read next: composed.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.linear_operators.base import LinearOperator
from flowgraph.linear_operators.composed import (
    all_true,
    batch_dims,
    batch_tensor,
    checked_operators,
    parents,
)
from flowgraph.ops.matrix_algebra import adjoint_of
from flowgraph.shapes import Dims


class _Several(LinearOperator):
    """What both kinds have: a property holds if it holds for all."""

    SIGN = ""

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        self._operators, name = checked_operators(operators, name, self.SIGN)
        super().__init__(
            self._operators[0].dtype,
            parents(self._operators),
            all_true(self._operators, "is_non_singular", is_non_singular),
            all_true(self._operators, "is_self_adjoint", is_self_adjoint),
            all_true(self._operators, "is_positive_definite", is_positive_definite),
            all_true(self._operators, "is_square", is_square),
            name,
        )

    @property
    def operators(self) -> list[LinearOperator]:
        """The others."""
        return self._operators

    def _combined(self, sizes: list[int | None]) -> int | None:
        raise NotImplementedError

    def _dims(self) -> Dims:
        batch = batch_dims(self._operators)
        if batch is None:
            return None
        sizes = (
            self._combined([operator._matrix_dims[axis] for operator in self._operators])
            for axis in (0, 1)
        )
        return (*batch, *sizes)

    def _leading(self, *others: Tensor) -> Tensor:
        result = batch_tensor(self._operators)
        for other in others:
            result = call.BroadcastArgs(result, call.Shape(other)[:-2])
        return result

    def _spread(self, x: Tensor, trailing: int = 1) -> Tensor:
        """``x`` for every matrix of the batch."""
        shape = call.ConcatV2([self._leading(), call.Shape(x)[-trailing:]], 0)
        return call.BroadcastTo(x, shape)

    def _adjoint(self) -> LinearOperator:
        return type(self)([operator.adjoint() for operator in self._operators])

    def _inverse(self) -> LinearOperator:
        return type(self)([operator.inverse() for operator in self._operators])

    def _cholesky(self) -> LinearOperator:
        return type(self)([operator.cholesky() for operator in self._operators])

    def _by_cholesky(self) -> bool:
        parts = all(operator._by_cholesky() for operator in self._operators)
        return super()._by_cholesky() and parts

    def _assert_non_singular(self) -> Any:
        return EXPORTS["group"](*(op.assert_non_singular() for op in self._operators))

    def _assert_positive_definite(self) -> Any:
        return EXPORTS["group"](*(op.assert_positive_definite() for op in self._operators))

    def _assert_self_adjoint(self) -> Any:
        return EXPORTS["group"](*(op.assert_self_adjoint() for op in self._operators))


@export("linalg.LinearOperatorKronecker")
class LinearOperatorKronecker(_Several):
    """The Kronecker product of operators: a block for each element of the first, and so on.

    Args:
        operators: a list of them, of one dtype.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; so if
            all are.
        name: of the scope; theirs, joined with ``_x_``, by default.

    >>> import flowgraph as tf
    >>> two = tf.linalg.LinearOperatorDiag([1.0, 2.0])
    >>> a = tf.linalg.LinearOperatorKronecker([two, two])
    >>> tf.Session().run(a.diag_part())
    array([1., 2., 2., 4.], dtype=float32)
    """

    SIGN = "_x_"

    def _combined(self, sizes: list[int | None]) -> int | None:
        result = 1
        for size in sizes:
            if size is None:
                return None
            result *= size
        return result

    def _shape_tensor(self) -> Tensor:
        sizes = self._operators[0]._sizes()[-2:]
        for operator in self._operators[1:]:
            sizes = sizes * operator._sizes()[-2:]
        return call.ConcatV2([batch_tensor(self._operators), sizes], 0)

    def _applied(self, x: Tensor, function: Callable[[LinearOperator, Tensor], Tensor]) -> Tensor:
        """One operator after the other, each along its own part of the rows."""
        columns = call.Shape(x)[-1]
        behind = columns  # elements for one of the rows that are left
        before = call.Shape(x)[-2]
        for operator in self._operators[::-1]:
            leading = call.Shape(x)[:-2]
            size = _argument_size(operator, function)
            before = call.FloorDiv(before, size)
            x = call.Reshape(x, call.ConcatV2([leading, call.Pack([before, size, behind])], 0))
            x = _exchanged(x)  # (..., size, before, behind)
            x = call.Reshape(x, call.ConcatV2([leading, call.Pack([size, before * behind])], 0))
            y = function(operator, x)
            leading, size = call.Shape(y)[:-2], call.Shape(y)[-2]
            y = call.Reshape(y, call.ConcatV2([leading, call.Pack([size, before, behind])], 0))
            y = _exchanged(y)  # (..., before, size, behind)
            behind = behind * size
            x = call.Reshape(y, call.ConcatV2([leading, call.Pack([before, behind])], 0))
        rows = call.FloorDiv(behind, call.Maximum(columns, np.int32(1)))
        return call.Reshape(x, call.ConcatV2([call.Shape(x)[:-2], call.Pack([rows, columns])], 0))

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        if adjoint:
            y = self._applied(x, _multiplied_adjoint)
        else:
            y = self._applied(x, _multiplied)
        return self._known(y, x, adjoint)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        y = self._applied(rhs, _solved_adjoint if adjoint else _solved)
        return self._known(y, rhs, adjoint)

    def _known(self, y: Tensor, x: Tensor, adjoint: bool) -> Tensor:
        """``y`` with what is known of its shape."""
        if y.dims is None and x.dims is not None and self._dims() is not None:
            rank = max(len(x.dims), len(self._dims() or ()))
            y.set_shape((None,) * rank)
        if y.dims is not None and x.dims is not None:
            rows = self._matrix_dims[1 if adjoint else 0]
            y.set_shape((*y.dims[:-2], rows, x.dims[-1]))
        return y

    def _diag_part(self) -> Tensor:
        result = self._operators[0].diag_part()
        for operator in self._operators[1:]:
            result = call.ExpandDims(result, -1) * call.ExpandDims(operator.diag_part(), -2)
            shape = call.Shape(result)
            flat = call.ConcatV2([shape[:-2], call.Pack([shape[-2] * shape[-1]])], 0)
            result = call.Reshape(result, flat)
        return result

    def _trace(self) -> Tensor:
        result = self._operators[0].trace()
        for operator in self._operators[1:]:
            result = result * operator.trace()
        return result

    def _shares(self, dtype: Any) -> list[Tensor]:
        """N / n of every operator: how often its eigenvalues occur."""
        total = self._sizes()[-1]
        return [
            call.Cast(call.FloorDiv(total, operator._sizes()[-1]), DstT=dtype)
            for operator in self._operators
        ]

    def _determinant(self) -> Tensor:
        pairs = zip(self._operators, self._shares(self.dtype), strict=True)
        terms = [call.Pow(operator.determinant(), share) for operator, share in pairs]
        result = terms[0]
        for term in terms[1:]:
            result = result * term
        return result

    def _log_abs_determinant(self) -> Tensor:
        logarithms = [operator.log_abs_determinant() for operator in self._operators]
        shares = self._shares(logarithms[0].dtype.base_dtype)
        result = logarithms[0] * shares[0]
        for logarithm, share in zip(logarithms[1:], shares[1:], strict=True):
            result = result + logarithm * share
        return result


def _multiplied(operator: LinearOperator, x: Tensor) -> Tensor:
    return operator.matmul(x)


def _multiplied_adjoint(operator: LinearOperator, x: Tensor) -> Tensor:
    return operator.matmul(x, adjoint=True)


def _solved(operator: LinearOperator, x: Tensor) -> Tensor:
    return operator.solve(x)


def _solved_adjoint(operator: LinearOperator, x: Tensor) -> Tensor:
    return operator.solve(x, adjoint=True)


def _argument_size(operator: LinearOperator, function: Any) -> Any:
    """Rows of what an operator is applied to."""
    axis = -1 if function is _multiplied else -2
    known = operator._matrix_dims[axis]
    return np.int32(known) if known is not None else operator._sizes()[axis]


def _exchanged(x: Tensor) -> Tensor:
    """The third last and second last axes exchanged."""
    rank = call.Rank(x)
    if x.dims is not None:
        n = len(x.dims)
        order: Any = np.array([*range(n - 3), n - 2, n - 3, n - 1], np.int32)
    else:
        behind = call.Pack([rank - 2, rank - 3, rank - 1])
        order = call.ConcatV2([call.Range(0, rank - 3, 1), behind], 0)
    return call.Transpose(x, order)


@export("linalg.LinearOperatorBlockDiag")
class LinearOperatorBlockDiag(_Several):
    """Operators along the diagonal, zeros beside them.

    Args:
        operators: a list of them, of one dtype.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; so if
            all are.
        name: of the scope; theirs, joined with ``_ds_``, by default.

    >>> import flowgraph as tf
    >>> blocks = [tf.linalg.LinearOperatorDiag([2.0]), tf.linalg.LinearOperatorIdentity(2)]
    >>> tf.Session().run(tf.linalg.LinearOperatorBlockDiag(blocks).matvec([1.0, 2.0, 3.0]))
    array([2., 2., 3.], dtype=float32)
    """

    SIGN = "_ds_"

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str | None = None,
    ) -> None:
        super().__init__(
            operators, is_non_singular, is_self_adjoint, is_positive_definite, is_square, name
        )

    def _combined(self, sizes: list[int | None]) -> int | None:
        return None if None in sizes else sum(sizes)  # type: ignore[arg-type]

    def _shape_tensor(self) -> Tensor:
        sizes = self._operators[0]._sizes()[-2:]
        for operator in self._operators[1:]:
            sizes = sizes + operator._sizes()[-2:]
        return call.ConcatV2([batch_tensor(self._operators), sizes], 0)

    def _in_blocks(
        self, x: Tensor, rows_axis: int, function: Callable[[LinearOperator, Tensor], Tensor]
    ) -> Tensor:
        """``function`` of every operator and its rows of ``x``."""
        leading = self._leading(x)
        start: Any = np.int32(0)
        results = []
        for operator in self._operators:
            known = operator._matrix_dims[rows_axis]
            size = np.int32(known) if known is not None else operator._sizes()[rows_axis]
            y = function(operator, x[..., start : start + size, :])
            start = start + size
            shape = call.ConcatV2([leading, call.Shape(y)[-2:]], 0)
            results.append(call.BroadcastTo(y, shape))
        return call.ConcatV2(results, -2)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        axis = -2 if adjoint else -1
        return self._in_blocks(x, axis, _multiplied_adjoint if adjoint else _multiplied)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        return self._in_blocks(rhs, -2, _solved_adjoint if adjoint else _solved)

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

    def _diag_part(self) -> Tensor:
        if not all(operator.is_square for operator in self._operators):
            return super()._diag_part()
        return call.ConcatV2([self._spread(op.diag_part()) for op in self._operators], -1)

    def _trace(self) -> Tensor:
        if not all(operator.is_square for operator in self._operators):
            return super()._trace()
        result = self._operators[0].trace()
        for operator in self._operators[1:]:
            result = result + operator.trace()
        return result

    def _eigvals(self) -> Tensor:
        return call.ConcatV2([self._spread(op.eigvals()) for op in self._operators], -1)
