"""Operators that multiply element by element: diagonal, identity and its multiples, zeros.

Read next: base.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, float32
from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.linear_operators.base import LinearOperator
from flowgraph.linear_operators.dense import element_tensor
from flowgraph.ops.matrix_algebra import adjoint_of
from flowgraph.ops.rules import conjugate_of, number, size_vector
from flowgraph.shapes import Dims


@export("linalg.LinearOperatorDiag")
class LinearOperatorDiag(LinearOperator):
    """The operator of diagonal matrices.

    Args:
        diag: (..., N) floating or complex.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; real
            ones are self-adjoint.
        name: of the scope of the operations.

    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorDiag([2.0, 4.0])
    >>> tf.Session().run(a.solvevec([2.0, 2.0]))
    array([1. , 0.5], dtype=float32)
    """

    def __init__(
        self,
        diag: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorDiag",
    ) -> None:
        self._diag = element_tensor(diag, name, "diag", 1)
        if not self._diag.dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError("A real diagonal operator is always self adjoint.")
            is_self_adjoint = True
        if is_square is False:
            raise ValueError("Only square diagonal operators currently supported.")
        super().__init__(
            self._diag.dtype,
            [self._diag],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )

    @property
    def diag(self) -> Tensor:
        """The diagonals."""
        return self._diag

    def _dims(self) -> Dims:
        dims = self._diag.dims
        return None if dims is None else (*dims, dims[-1])

    def _shape_tensor(self) -> Tensor:
        shape = call.Shape(self._diag)
        return call.ConcatV2([shape, shape[-1:]], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        return call.ExpandDims(conjugate_of(self._diag) if adjoint else self._diag, -1) * x

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        return rhs / call.ExpandDims(conjugate_of(self._diag) if adjoint else self._diag, -1)

    def _to_dense(self) -> Tensor:
        return call.MatrixDiag(self._diag)

    def _diag_part(self) -> Tensor:
        return self._diag

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        diagonal = call.MatrixDiagPart(x) + self._diag
        shape = call.ConcatV2([call.Shape(diagonal), call.Shape(self._diag)[-1:]], 0)
        return call.MatrixSetDiag(call.BroadcastTo(x, shape), diagonal)

    def _determinant(self) -> Tensor:
        return call.Prod(self._diag, [-1])

    def _log_abs_determinant(self) -> Tensor:
        sizes = call.Sum(call.Log(EXPORTS["abs"](self._diag)), [-1])
        return EXPORTS["cast"](sizes, self.dtype)

    def _eigvals(self) -> Tensor:
        return self._diag

    def _cond(self) -> Tensor:
        sizes = EXPORTS["abs"](self._diag)
        return call.Max(sizes, [-1]) / call.Min(sizes, [-1])

    def _adjoint(self) -> LinearOperator:
        return self._similar(conjugate_of(self._diag))

    def _inverse(self) -> LinearOperator:
        return self._similar(call.Reciprocal(self._diag))

    def _cholesky(self) -> LinearOperator:
        return self._similar(call.Sqrt(self._diag))

    def _similar(self, diag: Tensor) -> LinearOperator:
        return LinearOperatorDiag(
            diag, self.is_non_singular, self.is_self_adjoint, self.is_positive_definite, True
        )

    def _assert_non_singular(self) -> Any:
        return EXPORTS["assert_positive"](
            EXPORTS["abs"](self._diag), message="Singular operator: Diagonal contained zero values."
        )

    def _assert_positive_definite(self) -> Any:
        real = EXPORTS["real"](self._diag)
        return EXPORTS["assert_positive"](
            real, message="Not positive definite: real part of diagonal was not positive."
        )

    def _assert_self_adjoint(self) -> Any:
        imaginary = EXPORTS["imag"](self._diag)
        return EXPORTS["assert_equal"](
            imaginary,
            number(0, imaginary),
            message="This diagonal operator contained non-zero imaginary values.",
        )


def _size_tensor(x: Any, name: str, what: str) -> tuple[Tensor, int | None]:
    """A size as an int32 scalar, and its value if it is known."""
    x = convert_to_tensor(x, name=what)
    if not x.dtype.is_integer:
        raise TypeError(f"{name}: {what} must be an integer, not {x.dtype.name}")
    if x.dims not in ((), None):
        raise ValueError(f"{name}: {what} must be one number, not of shape {x.shape}")
    value = constant_value(x)
    if value is not None and value < 0:
        raise ValueError(f"{name}: {what} must not be negative, not {value}")
    return EXPORTS["cast"](x, "int32"), None if value is None else int(value)


class _Sized(LinearOperator):
    """Operators of a given size and batch shape."""

    def _set_sizes(self, name: str, rows: Any, columns: Any, batch_shape: Any) -> None:
        with name_scope(name):
            self._rows, self._known_rows = _size_tensor(rows, name, "num_rows")
            self._columns, self._known_columns = self._rows, self._known_rows
            if columns is not None:
                self._columns, self._known_columns = _size_tensor(columns, name, "num_columns")
            self._has_batch = batch_shape is not None
            given = np.zeros(0, np.int32) if batch_shape is None else size_vector(batch_shape)
            self._batch = EXPORTS["cast"](convert_to_tensor(given, name="batch_shape"), "int32")
            if self._batch.dims is not None and len(self._batch.dims) != 1:
                raise ValueError(
                    f"{name}: batch_shape must be a vector, not of shape {self._batch.shape}"
                )
            known = constant_value(self._batch)
            count = None if self._batch.dims is None else self._batch.dims[0]
            self._batch_dims: Dims = (
                tuple(int(d) for d in known)
                if known is not None
                else None
                if count is None
                else (None,) * count
            )

    def _dims(self) -> Dims:
        if self._batch_dims is None:
            return None
        return (*self._batch_dims, self._known_rows, self._known_columns)

    def _shape_tensor(self) -> Tensor:
        return call.ConcatV2([self._batch, call.Pack([self._rows, self._columns])], 0)

    def _filled(self, shape: Tensor, value: float) -> Tensor:
        return call.Fill(shape, np.asarray(value, self.dtype.np))

    def _spread(self, x: Tensor) -> Tensor:
        """``x`` for every matrix of the batch."""
        if not self._has_batch:
            return x
        leading = call.BroadcastArgs(self._batch, call.Shape(x)[:-2])
        return call.BroadcastTo(x, call.ConcatV2([leading, call.Shape(x)[-2:]], 0))


@export("linalg.LinearOperatorIdentity")
class LinearOperatorIdentity(_Sized):
    """The operator that changes nothing.

    Args:
        num_rows: the size N.
        batch_shape: of the batch; none by default.
        dtype: float32 by default.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: True.
        assert_proper_shapes: accepted; sizes are checked in any case.
        name: of the scope of the operations.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.LinearOperatorIdentity(2).to_dense())
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    def __init__(
        self,
        num_rows: Any,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = True,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = True,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorIdentity",
    ) -> None:
        if not (is_non_singular and is_self_adjoint and is_positive_definite and is_square):
            raise ValueError("An identity operator is self adjoint, positive definite and square.")
        super().__init__(dtype or float32, None, True, True, True, True, name)
        self._set_sizes(name, num_rows, None, batch_shape)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._spread(adjoint_of(x) if adjoint_arg else x)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)

    def _diag_part(self) -> Tensor:
        return self._filled(self._sizes()[:-1], 1)

    def _to_dense(self) -> Tensor:
        return call.MatrixDiag(self._diag_part())

    def _trace(self) -> Tensor:
        size = call.Cast(self._rows, DstT=self.dtype)
        return self._filled(self._batch, 1) * size

    def _determinant(self) -> Tensor:
        return self._filled(self._batch, 1)

    def _log_abs_determinant(self) -> Tensor:
        return self._filled(self._batch, 0)

    def _eigvals(self) -> Tensor:
        return self._diag_part()

    def _cond(self) -> Tensor:
        return call.Fill(self._batch, np.ones((), self.dtype.real_dtype.np))

    def _inverse(self) -> LinearOperator:
        return self

    def _cholesky(self) -> LinearOperator:
        return self

    def _assert_non_singular(self) -> Any:
        return call.NoOp()

    def _assert_positive_definite(self) -> Any:
        return call.NoOp()

    def _assert_self_adjoint(self) -> Any:
        return call.NoOp()


@export("linalg.LinearOperatorScaledIdentity")
class LinearOperatorScaledIdentity(_Sized):
    """The operator that multiplies with one number.

    Args:
        num_rows: the size N.
        multiplier: the number, floating or complex; its shape is the batch shape.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; real
            ones are self-adjoint.
        assert_proper_shapes: accepted; sizes are checked in any case.
        name: of the scope of the operations.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.LinearOperatorScaledIdentity(3, 2.0).determinant())
    8.0
    """

    def __init__(
        self,
        num_rows: Any,
        multiplier: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorScaledIdentity",
    ) -> None:
        if not is_square:
            raise ValueError("A ScaledIdentity operator is always square.")
        self._multiplier = element_tensor(multiplier, name, "multiplier", 0)
        if not self._multiplier.dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError("A real diagonal operator is always self adjoint.")
            is_self_adjoint = True
        super().__init__(
            self._multiplier.dtype,
            [self._multiplier],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )
        self._set_sizes(name, num_rows, None, None)
        self._batch_dims = self._multiplier.dims

    @property
    def multiplier(self) -> Tensor:
        """The number."""
        return self._multiplier

    def _shape_tensor(self) -> Tensor:
        batch = call.Shape(self._multiplier)
        return call.ConcatV2([batch, call.Pack([self._rows, self._rows])], 0)

    def _factor(self, adjoint: bool, axes: int) -> Tensor:
        x = conjugate_of(self._multiplier) if adjoint else self._multiplier
        for _ in range(axes):
            x = call.ExpandDims(x, -1)
        return x

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return (adjoint_of(x) if adjoint_arg else x) * self._factor(adjoint, 2)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return (adjoint_of(rhs) if adjoint_arg else rhs) / self._factor(adjoint, 2)

    def _diag_part(self) -> Tensor:
        return self._filled(call.Pack([self._rows]), 1) * self._factor(False, 1)

    def _to_dense(self) -> Tensor:
        return call.MatrixDiag(self._diag_part())

    def _count(self, dtype: Any) -> Tensor:
        return call.Cast(self._rows, DstT=dtype)

    def _trace(self) -> Tensor:
        return self._multiplier * self._count(self.dtype)

    def _determinant(self) -> Tensor:
        return call.Pow(self._multiplier, self._count(self.dtype))

    def _log_abs_determinant(self) -> Tensor:
        logarithm = call.Log(EXPORTS["abs"](self._multiplier))
        return logarithm * self._count(logarithm.dtype.base_dtype)

    def _eigvals(self) -> Tensor:
        return self._diag_part()

    def _adjoint(self) -> LinearOperator:
        return self._similar(conjugate_of(self._multiplier))

    def _inverse(self) -> LinearOperator:
        return self._similar(call.Reciprocal(self._multiplier))

    def _cholesky(self) -> LinearOperator:
        return self._similar(call.Sqrt(self._multiplier))

    def _similar(self, multiplier: Tensor) -> LinearOperator:
        return LinearOperatorScaledIdentity(
            self._rows,
            multiplier,
            self.is_non_singular,
            self.is_self_adjoint,
            self.is_positive_definite,
        )

    def _assert_non_singular(self) -> Any:
        return EXPORTS["assert_positive"](
            EXPORTS["abs"](self._multiplier), message="LinearOperator was singular"
        )

    def _assert_positive_definite(self) -> Any:
        return EXPORTS["assert_positive"](
            EXPORTS["real"](self._multiplier), message="LinearOperator was not positive definite."
        )

    def _assert_self_adjoint(self) -> Any:
        imaginary = EXPORTS["imag"](self._multiplier)
        return EXPORTS["assert_equal"](
            imaginary, number(0, imaginary), message="LinearOperator was not self-adjoint"
        )


@export("linalg.LinearOperatorZeros")
class LinearOperatorZeros(_Sized):
    """The operator whose results are zeros.

    Args:
        num_rows: the number of rows.
        num_columns: of columns; as many by default.
        batch_shape: of the batch; none by default.
        dtype: float32 by default.
        is_non_singular, is_positive_definite: False.
        is_self_adjoint, is_square: see LinearOperator; say False where there are more rows or
            columns.
        assert_proper_shapes: accepted; sizes are checked in any case.
        name: of the scope of the operations.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.LinearOperatorZeros(2).matvec([1.0, 2.0]))
    array([0., 0.], dtype=float32)
    """

    def __init__(
        self,
        num_rows: Any,
        num_columns: Any = None,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = False,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = False,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorZeros",
    ) -> None:
        if is_non_singular or is_positive_definite:
            raise ValueError("A zero operator is always singular and never positive definite.")
        super().__init__(
            as_dtype(dtype or float32), None, False, is_self_adjoint, False, is_square, name
        )
        self._set_sizes(name, num_rows, num_columns, batch_shape)
        rows, columns = self._known_rows, self._known_columns
        if rows is not None and columns is not None and is_square is not None:
            if is_square != (rows == columns):
                raise ValueError(
                    f"{name}: is_square={is_square}, but there are {rows} rows and {columns} "
                    "columns"
                )

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        leading = call.BroadcastArgs(self._batch, call.Shape(x)[:-2])
        rows = self._columns if adjoint else self._rows
        sizes = call.Pack([rows, call.Shape(x)[-1]])
        return self._filled(call.ConcatV2([leading, sizes], 0), 0)

    def _to_dense(self) -> Tensor:
        return self._filled(self._sizes(), 0)

    def _diag_part(self) -> Tensor:
        size = call.Minimum(self._rows, self._columns)
        return self._filled(call.ConcatV2([self._batch, call.Pack([size])], 0), 0)

    def _trace(self) -> Tensor:
        return self._filled(self._batch, 0)

    def _determinant(self) -> Tensor:
        return self._filled(self._batch, 0)

    def _log_abs_determinant(self) -> Tensor:
        return self._filled(self._batch, -np.inf)

    def _eigvals(self) -> Tensor:
        return self._diag_part()

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorZeros(
            self._columns, self._rows, self._batch, self.dtype, is_self_adjoint=None, is_square=None
        )

    def _assert_non_singular(self) -> Any:
        raise InvalidArgumentError(None, None, "Zeros operators are always non-invertible.")

    def _assert_positive_definite(self) -> Any:
        raise InvalidArgumentError(None, None, "Zeros operators are always non-positive definite.")

    def _assert_self_adjoint(self) -> Any:
        return call.NoOp()
