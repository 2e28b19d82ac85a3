"""Operators that differ little from another: low-rank updates and reflections.

Read next: base.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.linear_operators.base import LinearOperator, broadcast_leading
from flowgraph.linear_operators.dense import element_tensor
from flowgraph.ops.matrix_algebra import adjoint_of, product
from flowgraph.ops.rules import conjugate_of, number
from flowgraph.shapes import Dims, broadcast_all


@export("linalg.LinearOperatorLowRankUpdate")
class LinearOperatorLowRankUpdate(LinearOperator):
    """An operator plus a product of thin matrices, A = L + U D V^H.

    With K columns, solving costs that of L and of a K by K system,

        A^-1 = L^-1 - L^-1 U C^-1 V^H L^-1,  C = D^-1 + V^H L^-1 U,

    and det A = det L det D det C.

    Args:
        base_operator: L, (..., M, N).
        u: (..., M, K).
        diag_update: (..., K), the diagonal of D; ones by default.
        v: (..., N, K); ``u`` by default.
        is_diag_update_positive: whether D is positive.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; a
            positive definite L stays so if V is U and D is positive.
        name: of the scope of the operations.

    >>> import flowgraph as tf
    >>> base = tf.linalg.LinearOperatorIdentity(2)
    >>> a = tf.linalg.LinearOperatorLowRankUpdate(base, [[1.0], [1.0]])
    >>> tf.Session().run(a.to_dense())
    array([[2., 1.],
           [1., 2.]], dtype=float32)
    """

    def __init__(
        self,
        base_operator: LinearOperator,
        u: Any,
        diag_update: Any = None,
        v: Any = None,
        is_diag_update_positive: bool | None = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowRankUpdate",
    ) -> None:
        dtype = base_operator.dtype
        with name_scope(name):
            self._u = convert_to_tensor(u, dtype_hint=dtype, name="u")
            self._v = self._u
            if v is not None:
                self._v = convert_to_tensor(v, dtype_hint=dtype, name="v")
            self._diag = None
            if diag_update is not None:
                self._diag = convert_to_tensor(diag_update, dtype_hint=dtype, name="diag_update")
        if diag_update is None:
            is_diag_update_positive = True
        for what, x, rank in (("u", self._u, 2), ("v", self._v, 2), ("diag", self._diag, 1)):
            if x is not None and x.dtype.base_dtype is not dtype:
                raise TypeError(f"{name}: {what} must be {dtype.name}, not {x.dtype.name}")
            if x is not None and x.dims is not None and len(x.dims) < rank:
                raise ValueError(f"{name}: {what} must have at least {rank} axes, not {x.shape}")
        same = v is None
        if base_operator.is_self_adjoint and same and not dtype.is_complex:
            is_self_adjoint = True if is_self_adjoint is None else is_self_adjoint
        if base_operator.is_positive_definite and same and is_diag_update_positive:
            if is_positive_definite is False or is_self_adjoint is False:
                raise ValueError("A positive definite base and update are positive definite.")
            is_positive_definite = True
            if base_operator.is_self_adjoint:
                is_self_adjoint = True
        self._base, self._has_v = base_operator, not same
        self._is_diag_update_positive = is_diag_update_positive
        made_of = (self._u, self._diag, None if same else self._v)
        super().__init__(
            dtype,
            [*base_operator.graph_parents, *(x for x in made_of if x is not None)],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            is_square,
            name,
        )

    @property
    def base_operator(self) -> LinearOperator:
        """L."""
        return self._base

    @property
    def u(self) -> Tensor:
        """U."""
        return self._u

    @property
    def v(self) -> Tensor:
        """V."""
        return self._v

    @property
    def diag_update(self) -> Tensor | None:
        """The diagonal of D, or None for ones."""
        return self._diag

    @property
    def is_diag_update_positive(self) -> bool | None:
        """Whether D is positive."""
        return self._is_diag_update_positive

    def _dims(self) -> Dims:
        dims = self._base._dims()
        if dims is None or self._u.dims is None or self._v.dims is None:
            return None
        batch = broadcast_all([dims[:-2], self._u.dims[:-2], self._v.dims[:-2]])
        return None if batch is None else (*batch, *dims[-2:])

    def _shape_tensor(self) -> Tensor:
        sizes = self._base._sizes()
        batch = call.BroadcastArgs(sizes[:-2], call.Shape(self._u)[:-2])
        batch = call.BroadcastArgs(batch, call.Shape(self._v)[:-2])
        return call.ConcatV2([batch, sizes[-2:]], 0)

    def _scaled(self, x: Tensor, adjoint: bool = False) -> Tensor:
        """D ``x``."""
        if self._diag is None:
            return x
        return call.ExpandDims(conjugate_of(self._diag) if adjoint else self._diag, -1) * x

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        left, right = (self._v, self._u) if adjoint else (self._u, self._v)
        thin = self._scaled(product(right, x, adj_a=True), adjoint)
        return self._base.matmul(x, adjoint=adjoint) + product(left, thin)

    def _capacitance(self) -> Tensor:
        """C."""
        inner = product(self._v, self._base.solve(self._u), adj_a=True)
        if self._diag is None:
            ones = call.OnesLike(call.MatrixDiagPart(inner))
        else:
            ones = call.Reciprocal(self._diag)
        return inner + call.MatrixDiag(ones)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        left, right = (self._v, self._u) if adjoint else (self._u, self._v)
        plain = self._base.solve(rhs, adjoint=adjoint)
        thin = product(right, plain, adj_a=True)
        matrix, thin = broadcast_leading(self._capacitance(), thin)
        thin = call.MatrixSolve(matrix, thin, adjoint=adjoint)
        return plain - self._base.solve(product(left, thin), adjoint=adjoint)

    def _determinant(self) -> Tensor:
        result = self._base.determinant() * call.MatrixDeterminant(self._capacitance())
        return result if self._diag is None else result * call.Prod(self._diag, [-1])

    def _log_abs_determinant(self) -> Tensor:
        result = self._base.log_abs_determinant()
        result = result + call.LogMatrixDeterminant(self._capacitance())[1]
        if self._diag is None:
            return result
        sizes = call.Sum(call.Log(EXPORTS["abs"](self._diag)), [-1])
        return result + EXPORTS["cast"](sizes, result.dtype.base_dtype)

    def _diag_part(self) -> Tensor:
        thin = adjoint_of(self._scaled(adjoint_of(self._v)))
        return self._base.diag_part() + call.Sum(self._u * conjugate_of(thin), [-1])

    def _adjoint(self) -> LinearOperator:
        diag = None if self._diag is None else conjugate_of(self._diag)
        return LinearOperatorLowRankUpdate(
            self._base.adjoint(),
            self._v,
            diag,
            self._u,
            self.is_diag_update_positive,
            self.is_non_singular,
            self.is_self_adjoint,
            self.is_positive_definite,
            self.is_square,
        )


@export("linalg.LinearOperatorHouseholder")
class LinearOperatorHouseholder(LinearOperator):
    """Reflections at the planes orthogonal to given vectors, I - 2 v v^H / ||v||^2.

    Args:
        reflection_axis: v, (..., N), floating or complex.
        is_non_singular, is_self_adjoint: True.   is_positive_definite: False.
        is_square: True.
        name: of the scope of the operations.

    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorHouseholder([1.0, 0.0])
    >>> tf.Session().run(a.matvec([3.0, 4.0]))
    array([-3.,  4.], dtype=float32)
    """

    def __init__(
        self,
        reflection_axis: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorHouseholder",
    ) -> None:
        if is_self_adjoint is False:
            raise ValueError("A Householder operator is always self adjoint.")
        if is_positive_definite:
            raise ValueError("A Householder operator is always non-positive definite.")
        if is_square is False:
            raise ValueError("A Householder operator is always square.")
        self._axis = element_tensor(reflection_axis, name, "reflection_axis", 1)
        super().__init__(self._axis.dtype, [self._axis], is_non_singular, True, False, True, name)

    @property
    def reflection_axis(self) -> Tensor:
        """v."""
        return self._axis

    def _dims(self) -> Dims:
        dims = self._axis.dims
        return None if dims is None else (*dims, dims[-1])

    def _shape_tensor(self) -> Tensor:
        shape = call.Shape(self._axis)
        return call.ConcatV2([shape, shape[-1:]], 0)

    def _unit(self) -> Tensor:
        """v / ||v||, a column."""
        size = call.Sum(self._axis * conjugate_of(self._axis), [-1], keep_dims=True)
        return call.ExpandDims(self._axis * call.Rsqrt(size), -1)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        unit = self._unit()
        return x - 2.0 * (unit * product(unit, x, adj_a=True))

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)

    def _to_dense(self) -> Tensor:
        unit = self._unit()
        outer = -2.0 * product(unit, unit, adj_b=True)
        return call.MatrixSetDiag(outer, 1.0 + call.MatrixDiagPart(outer))

    def _diag_part(self) -> Tensor:
        unit = call.Squeeze(self._unit(), squeeze_dims=[-1])
        return 1.0 - 2.0 * (unit * conjugate_of(unit))

    def _trace(self) -> Tensor:
        # one eigenvalue is -1, the others are 1
        return self._of_batch(call.Cast(call.Shape(self._axis)[-1] - 2, DstT=self.dtype))

    def _of_batch(self, value: Tensor) -> Tensor:
        return call.Fill(call.Shape(self._axis)[:-1], value)

    def _determinant(self) -> Tensor:
        return self._of_batch(number(-1, self._axis))

    def _log_abs_determinant(self) -> Tensor:
        return self._of_batch(number(0, self._axis))

    def _inverse(self) -> LinearOperator:
        return self

    def _eigvals(self) -> Tensor:
        ones = call.OnesLike(self._axis)
        return call.ConcatV2([call.Neg(ones[..., :1]), ones[..., 1:]], -1)

    def _cond(self) -> Tensor:
        real = self.dtype.real_dtype
        return call.Fill(call.Shape(self._axis)[:-1], np.ones((), real.np))

    def _assert_non_singular(self) -> Any:
        return call.NoOp()

    def _assert_self_adjoint(self) -> Any:
        return call.NoOp()
