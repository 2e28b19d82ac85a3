"""LinearOperator: a (batch of) matrices A, of which a class says how to multiply.

A class gives ``_dims`` and ``_shape_tensor``, and ``_matmul`` or ``_to_dense``; everything else
follows from these, by the dense matrix, and classes that know something faster say so.  Methods
with an underscore get tensors that were checked, within the scope of the operation.

Read next: dense.py, composed.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.ops.matrix_algebra import adjoint_of, product, real_part
from flowgraph.ops.rules import constant_axes
from flowgraph.shapes import Dims, ShapeError, is_fully_known, merge_size
from flowgraph.tensor_shape import Dimension, TensorShape


def broadcast_leading(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both matrices with the leading axes that they broadcast to."""
    if a.dims is not None and b.dims is not None and a.dims[:-2] == b.dims[:-2]:
        if None not in a.dims[:-2]:
            return a, b
    shape_a, shape_b = call.Shape(a), call.Shape(b)
    both = call.BroadcastArgs(shape_a[:-2], shape_b[:-2])
    return (
        call.BroadcastTo(a, call.ConcatV2([both, shape_a[-2:]], 0)),
        call.BroadcastTo(b, call.ConcatV2([both, shape_b[-2:]], 0)),
    )


def leading_of(x: Any) -> Tensor:
    """The shape without the last two axes, as a tensor."""
    return call.Shape(x)[:-2]


@export("linalg.LinearOperator")
class LinearOperator:
    """A batch of matrices that are known by what they do.

    Subclasses say how A is multiplied; see the module for what they give.

    Args:
        dtype: of A and of what it is applied to.
        graph_parents: tensors that A is made of.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: what is known of A: True,
            False, or None: it may be so or not.  They choose algorithms and are not checked when
            run (``assert_non_singular`` and its like do that).
        name: of the scope of the operations; the name of the class by default.
        parameters: the arguments that made it.

    Raises:
        ValueError: what is known contradicts itself.

    >>> import flowgraph as tf
    >>> operator = tf.linalg.LinearOperatorDiag([1.0, 2.0])
    >>> tf.Session().run(operator.solvevec([3.0, 4.0]))
    array([3., 2.], dtype=float32)
    """

    def __init__(
        self,
        dtype: Any,
        graph_parents: Any = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
        parameters: Any = None,
    ) -> None:
        if is_positive_definite:
            if is_non_singular is False:
                raise ValueError("A positive definite matrix is always non-singular.")
            is_non_singular = True
        if is_non_singular or is_self_adjoint:
            if is_square is False:
                kind = "non-singular" if is_non_singular else "self-adjoint"
                raise ValueError(f"A {kind} operator is always square.")
            is_square = True
        self._dtype = None if dtype is None else as_dtype(dtype).base_dtype
        self._graph_parents = list(graph_parents or ())
        self._is_non_singular = is_non_singular
        self._is_self_adjoint = is_self_adjoint
        self._is_positive_definite = is_positive_definite
        self._is_square_hint = is_square
        self._name = name or type(self).__name__
        self._parameters = parameters

    # --------------------------------------------------------------------- what is known

    @property
    def dtype(self) -> DType:
        """Of the elements."""
        return self._dtype  # type: ignore[return-value]

    @property
    def name(self) -> str:
        """Of the scope of the operations."""
        return self._name

    @property
    def parameters(self) -> Any:
        """The arguments that made it."""
        return self._parameters

    @property
    def graph_parents(self) -> list[Tensor]:
        """Tensors that it is made of."""
        return self._graph_parents

    @property
    def is_non_singular(self) -> bool | None:
        """Whether there is an inverse; None: not known."""
        return self._is_non_singular

    @property
    def is_self_adjoint(self) -> bool | None:
        """Whether A is its own adjoint; None: not known."""
        return self._is_self_adjoint

    @property
    def is_positive_definite(self) -> bool | None:
        """Whether the real part of x^H A x is positive for all x; None: not known."""
        return self._is_positive_definite

    @property
    def is_square(self) -> bool | None:
        """Whether A has as many rows as columns; None: not known."""
        rows, columns = self._matrix_dims
        if rows is None or columns is None:
            return self._is_square_hint
        if self._is_square_hint is not None and self._is_square_hint != (rows == columns):
            raise ValueError(
                f"{self.name}: is_square={self._is_square_hint} was given, but the matrices are "
                f"{rows} by {columns}"
            )
        return rows == columns

    # --------------------------------------------------------------------------- shapes

    def _dims(self) -> Dims:
        """The static shape."""
        raise NotImplementedError(f"{type(self).__name__} has no shape")

    def _shape_tensor(self) -> Tensor:
        return call.Shape(self._to_dense())

    @property
    def _matrix_dims(self) -> tuple[int | None, int | None]:
        """Rows and columns as far as they are known."""
        dims = self._dims()
        return (None, None) if dims is None else (dims[-2], dims[-1])

    @property
    def shape(self) -> TensorShape:
        """[..., rows, columns] as far as it is known."""
        return TensorShape(self._dims())

    @property
    def batch_shape(self) -> TensorShape:
        """The shape without rows and columns."""
        dims = self._dims()
        return TensorShape(None if dims is None else dims[:-2])

    @property
    def tensor_rank(self) -> int | None:
        """The number of axes, if it is known."""
        dims = self._dims()
        return None if dims is None else len(dims)

    @property
    def domain_dimension(self) -> Dimension:
        """The number of columns."""
        return Dimension(self._matrix_dims[1])

    @property
    def range_dimension(self) -> Dimension:
        """The number of rows."""
        return Dimension(self._matrix_dims[0])

    def _sizes(self) -> Tensor:
        dims = self._dims()
        if is_fully_known(dims):
            return constant_axes(dims)  # type: ignore[arg-type]
        return self._shape_tensor()

    def shape_tensor(self, name: str = "shape_tensor") -> Tensor:
        """The shape as an int32 vector; ``name``: of the scope."""
        with self._scope(name):
            return self._sizes()

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The shape without rows and columns, as an int32 vector; ``name``: of the scope."""
        with self._scope(name):
            return self._sizes()[:-2]

    def tensor_rank_tensor(self, name: str = "tensor_rank_tensor") -> Tensor:
        """The number of axes, int32; ``name``: of the scope."""
        with self._scope(name):
            return call.Size(self._sizes())

    def domain_dimension_tensor(self, name: str = "domain_dimension_tensor") -> Tensor:
        """The number of columns, int32; ``name``: of the scope."""
        with self._scope(name):
            return self._sizes()[-1]

    def range_dimension_tensor(self, name: str = "range_dimension_tensor") -> Tensor:
        """The number of rows, int32; ``name``: of the scope."""
        with self._scope(name):
            return self._sizes()[-2]

    @contextmanager
    def _scope(self, name: str | None) -> Iterator[None]:
        with name_scope(f"{self.name}/{name}" if name else self.name):
            yield

    # ----------------------------------------------------------------- what A is applied to

    def _checked(self, x: Any, what: str) -> Tensor:
        # NB: lists become what A is; arrays and tensors must be it
        hint = None if hasattr(x, "dtype") else self.dtype
        x = convert_to_tensor(x, dtype_hint=hint, name=what)
        if x.dtype.base_dtype is not self.dtype:
            raise TypeError(
                f"{self.name}: {what} must be {self.dtype.name}, not {x.dtype.base_dtype.name}"
            )
        return x

    def _check_rows(self, x: Tensor, axis: int, needed: int | None, what: str) -> None:
        if x.dims is None:
            return
        if len(x.dims) < -axis:
            raise ValueError(
                f"{self.name}: {what} must have at least {-axis} axes, not shape {x.shape}"
            )
        try:
            merge_size(x.dims[axis], needed)
        except ShapeError:
            raise ValueError(
                f"{self.name}: {what} of shape {x.shape} must have size {needed} along axis "
                f"{axis}: A has shape {self.shape}"
            ) from None

    # ---------------------------------------------------------------------------- products

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return product(self._to_dense(), x, adj_a=adjoint, adj_b=adjoint_arg)

    def matmul(
        self, x: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "matmul"
    ) -> Any:
        """A ``x``, of matrices ``x`` or of another operator.

        Args:
            x: (..., N, R), or an operator; leading axes broadcast.
            adjoint: multiply with the adjoint of A.
            adjoint_arg: take the adjoint of ``x``.
            name: of the scope.

        Returns:
            (..., M, R), or an operator.

        Raises:
            ValueError: sizes do not fit.   TypeError: dtypes differ.
        """
        if isinstance(x, LinearOperator):
            left = self.adjoint() if adjoint else self
            right = x.adjoint() if adjoint_arg else x
            columns, rows = left._matrix_dims[1], right._matrix_dims[0]
            if columns is not None and rows is not None and columns != rows:
                raise ValueError(
                    f"{self.name}: operators of shapes {left.shape} and {right.shape} cannot be "
                    "multiplied"
                )
            with self._scope(name):
                return EXPORTS["linalg.LinearOperatorComposition"].of(left, right)
        with self._scope(name):
            x = self._checked(x, "x")
            rows, columns = self._matrix_dims
            self._check_rows(x, -1 if adjoint_arg else -2, rows if adjoint else columns, "x")
            return self._matmul(x, adjoint, adjoint_arg)

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other)

    def matvec(self, x: Any, adjoint: bool = False, name: str = "matvec") -> Tensor:
        """A ``x`` of vectors.

        Args:
            x: (..., N); leading axes broadcast.
            adjoint: multiply with the adjoint of A.
            name: of the scope.

        Returns:
            (..., M).
        """
        with self._scope(name):
            x = self._checked(x, "x")
            rows, columns = self._matrix_dims
            self._check_rows(x, -1, rows if adjoint else columns, "x")
            y = self._matmul(call.ExpandDims(x, -1), adjoint, False)
            return call.Squeeze(y, squeeze_dims=[-1])

    # ------------------------------------------------------------------------ the other way

    def _by_cholesky(self) -> bool:
        return bool(self.is_self_adjoint and self.is_positive_definite)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        matrix = self._to_dense()
        if self._by_cholesky():
            factor, rhs = broadcast_leading(call.Cholesky(matrix), rhs)
            half = call.MatrixTriangularSolve(factor, rhs, lower=True)
            return call.MatrixTriangularSolve(factor, half, lower=True, adjoint=True)
        matrix, rhs = broadcast_leading(matrix, rhs)
        return call.MatrixSolve(matrix, rhs, adjoint=adjoint)

    def _require_solvable(self) -> None:
        if self.is_non_singular is False:
            raise NotImplementedError(
                "Exact solve not implemented for an operator that is expected to be singular."
            )
        if self.is_square is False:
            raise NotImplementedError(
                "Exact solve not implemented for an operator that is expected to not be square."
            )

    def solve(
        self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "solve"
    ) -> Any:
        """The X with A X = ``rhs``.

        Args:
            rhs: (..., N, R), or an operator; leading axes broadcast.
            adjoint: solve with the adjoint of A.
            adjoint_arg: take the adjoint of ``rhs``.
            name: of the scope.

        Returns:
            (..., N, R), or an operator.

        Raises:
            NotImplementedError: A is known to be singular, or not to be square.
            ValueError: sizes do not fit.   TypeError: dtypes differ.
        """
        self._require_solvable()
        if isinstance(rhs, LinearOperator):
            left = self.adjoint() if adjoint else self
            right = rhs.adjoint() if adjoint_arg else rhs
            return left.inverse().matmul(right, name=name)
        with self._scope(name):
            rhs = self._checked(rhs, "rhs")
            self._check_rows(rhs, -1 if adjoint_arg else -2, self._matrix_dims[0], "rhs")
            return self._solve(rhs, adjoint, adjoint_arg)

    def solvevec(self, rhs: Any, adjoint: bool = False, name: str = "solve") -> Tensor:
        """The x with A x = ``rhs`` of vectors.

        Args:
            rhs: (..., N); leading axes broadcast.
            adjoint: solve with the adjoint of A.
            name: of the scope.

        Returns:
            (..., N).
        """
        self._require_solvable()
        with self._scope(name):
            rhs = self._checked(rhs, "rhs")
            self._check_rows(rhs, -1, self._matrix_dims[0], "rhs")
            x = self._solve(call.ExpandDims(rhs, -1), adjoint, False)
            return call.Squeeze(x, squeeze_dims=[-1])

    # ---------------------------------------------------------------------------- numbers

    def _log_abs_determinant(self) -> Tensor:
        if self._by_cholesky():
            pivots = call.MatrixDiagPart(call.Cholesky(self._to_dense()))
            return 2.0 * call.Sum(call.Log(real_part(pivots)), [-1])
        return call.LogMatrixDeterminant(self._to_dense())[1]

    def _determinant(self) -> Tensor:
        if self._by_cholesky():
            return call.Exp(self._log_abs_determinant())
        return call.MatrixDeterminant(self._to_dense())

    def _require_square(self) -> None:
        if self.is_square is False:
            raise NotImplementedError(
                "Determinant not implemented for an operator that is expected to not be square."
            )

    def determinant(self, name: str = "det") -> Tensor:
        """The determinants, of the batch shape; ``name``: of the scope."""
        self._require_square()
        with self._scope(name):
            return EXPORTS["cast"](self._determinant(), self.dtype)

    def log_abs_determinant(self, name: str = "log_abs_det") -> Tensor:
        """The logarithms of the absolute determinants; ``name``: of the scope."""
        self._require_square()
        with self._scope(name):
            return EXPORTS["cast"](self._log_abs_determinant(), self.dtype)

    def _diag_part(self) -> Tensor:
        return call.MatrixDiagPart(self._to_dense())

    def diag_part(self, name: str = "diag_part") -> Tensor:
        """The diagonals, (..., min(M, N)); ``name``: of the scope."""
        with self._scope(name):
            return self._diag_part()

    def _trace(self) -> Tensor:
        return call.Sum(self._diag_part(), [-1])

    def trace(self, name: str = "trace") -> Tensor:
        """The sums of the diagonals; ``name``: of the scope."""
        with self._scope(name):
            return self._trace()

    def _eigvals(self) -> Tensor:
        return call.SelfAdjointEigV2(self._to_dense(), compute_v=False)[0]

    def eigvals(self, name: str = "eigvals") -> Tensor:
        """The eigenvalues of self-adjoint matrices; ``name``: of the scope."""
        if not self.is_self_adjoint:
            raise NotImplementedError("eigvals: only of self-adjoint operators")
        with self._scope(name):
            return self._eigvals()

    def _cond(self) -> Tensor:
        s = EXPORTS["svd"](self._to_dense(), compute_uv=False)
        return call.Max(s, [-1]) / call.Min(s, [-1])

    def cond(self, name: str = "cond") -> Tensor:
        """The greatest singular values divided by the least; ``name``: of the scope."""
        with self._scope(name):
            return self._cond()

    # ------------------------------------------------------------------------------ tensors

    def _to_dense(self) -> Tensor:
        columns = self._sizes()[-1]
        ones = call.Fill(call.Pack([columns]), np.ones((), self.dtype.np))
        return self._matmul(call.MatrixDiag(ones), False, False)

    def to_dense(self, name: str = "to_dense") -> Tensor:
        """A as a tensor; ``name``: of the scope."""
        with self._scope(name):
            y = self._to_dense()
            y.set_shape(self._dims())
            return y

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return self._to_dense() + x

    def add_to_tensor(self, x: Any, name: str = "add_to_tensor") -> Tensor:
        """A + ``x``, (..., M, N); leading axes broadcast; ``name``: of the scope."""
        with self._scope(name):
            return self._add_to_tensor(self._checked(x, "x"))

    # ----------------------------------------------------------------------- other operators

    def _adjoint(self) -> LinearOperator:
        return EXPORTS["linalg.LinearOperatorAdjoint"](self)

    def adjoint(self, name: str = "adjoint") -> LinearOperator:
        """The operator of the adjoint matrices; ``name``: of the scope."""
        if self.is_self_adjoint is True:
            return self
        with self._scope(name):
            return self._adjoint()

    H = property(adjoint, None, doc="The operator of the adjoint matrices.")

    def _inverse(self) -> LinearOperator:
        return EXPORTS["linalg.LinearOperatorInversion"](self)

    def inverse(self, name: str = "inverse") -> LinearOperator:
        """The operator of the inverse matrices; ``name``: of the scope."""
        if self.is_square is False:
            raise ValueError(
                "Cannot take the Inverse: This operator represents a non square matrix."
            )
        if self.is_non_singular is False:
            raise ValueError("Cannot take the Inverse: This operator represents a singular matrix.")
        with self._scope(name):
            return self._inverse()

    def _cholesky(self) -> LinearOperator:
        factor = call.Cholesky(self._to_dense())
        triangle = EXPORTS["linalg.LinearOperatorLowerTriangular"]
        return triangle(factor, is_non_singular=True, is_self_adjoint=False)

    def cholesky(self, name: str = "cholesky") -> LinearOperator:
        """The operator of the Cholesky factors; ``name``: of the scope."""
        if not self._by_cholesky():
            raise ValueError(
                "Cannot take the Cholesky decomposition: Not a positive definite self adjoint "
                "matrix."
            )
        with self._scope(name):
            return self._cholesky()

    # ------------------------------------------------------------------------------ checks

    def _assert_non_singular(self) -> Any:
        limit = 1 / np.finfo(self.dtype.real_dtype.np).eps
        condition = self._cond()
        return EXPORTS["assert_less"](
            condition,
            np.asarray(limit, condition.dtype.base_dtype.np),
            message="Singular matrix up to precision epsilon.",
        )

    def assert_non_singular(self, name: str = "assert_non_singular") -> Any:
        """An operation that fails where A is singular up to rounding; ``name``: of the scope."""
        with self._scope(name):
            return self._assert_non_singular()

    def _assert_positive_definite(self) -> Any:
        if not self.is_self_adjoint:
            raise NotImplementedError("assert_positive_definite is not implemented.")
        pivots = real_part(call.MatrixDiagPart(call.Cholesky(self._to_dense())))
        return EXPORTS["assert_positive"](pivots, message="Matrix was not positive definite.")

    def assert_positive_definite(self, name: str = "assert_positive_definite") -> Any:
        """An operation that fails where A is not positive definite; ``name``: of the scope."""
        with self._scope(name):
            return self._assert_positive_definite()

    def _assert_self_adjoint(self) -> Any:
        dense = self._to_dense()
        return EXPORTS["assert_equal"](
            dense, adjoint_of(dense), message="Matrix was not equal to its adjoint."
        )

    def assert_self_adjoint(self, name: str = "assert_self_adjoint") -> Any:
        """An operation that fails where A is not self-adjoint; ``name``: of the scope."""
        with self._scope(name):
            return self._assert_self_adjoint()

    def __repr__(self) -> str:
        return f"<tf.linalg.{type(self).__name__} {self.name!r} {self.shape} {self.dtype.name}>"
