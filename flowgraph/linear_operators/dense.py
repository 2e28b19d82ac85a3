"""Operators of elements: full, lower triangular, Toeplitz.

Read next: base.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import complex64, complex128, float64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.linear_operators.base import LinearOperator, broadcast_leading
from flowgraph.ops.matrix_algebra import adjoint_of, lower_of
from flowgraph.ops.rules import conjugate_of
from flowgraph.shapes import Dims, broadcast_all


def element_tensor(x: Any, name: str, what: str, rank: int) -> Tensor:
    """The elements, made within the operator's scope, of at least ``rank`` axes."""
    with name_scope(name):
        x = convert_to_tensor(x, name=what)
    if not (x.dtype.is_floating or x.dtype.is_complex):
        raise TypeError(f"{name}: {what} must be floating or complex, not {x.dtype.name}")
    if x.dims is not None and len(x.dims) < rank:
        raise ValueError(f"{name}: {what} must have at least {rank} axes, not shape {x.shape}")
    return x


@export("linalg.LinearOperatorFullMatrix")
class LinearOperatorFullMatrix(LinearOperator):
    """The operator of given matrices.

    Args:
        matrix: (..., M, N) floating or complex.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator.
        name: of the scope of the operations.

    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorFullMatrix([[1.0, 2.0], [3.0, 4.0]])
    >>> tf.Session().run(a.matvec([1.0, 1.0]))
    array([3., 7.], dtype=float32)
    """

    def __init__(
        self,
        matrix: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorFullMatrix",
    ) -> None:
        self._matrix = element_tensor(matrix, name, "matrix", 2)
        super().__init__(
            self._matrix.dtype,
            [self._matrix],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            is_square,
            name,
        )

    @property
    def matrix(self) -> Tensor:
        """The elements."""
        return self._matrix

    def _dims(self) -> Dims:
        return self._matrix.dims

    def _shape_tensor(self) -> Tensor:
        return call.Shape(self._matrix)

    def _to_dense(self) -> Tensor:
        return self._matrix


@export("linalg.LinearOperatorLowerTriangular")
class LinearOperatorLowerTriangular(LinearOperator):
    """The operator of the lower triangles of given matrices.

    Args:
        tril: (..., N, N) floating or complex; what is above the diagonal is not read.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator.
        name: of the scope of the operations.

    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorLowerTriangular([[2.0, 9.0], [1.0, 4.0]])
    >>> tf.Session().run(a.determinant())
    8.0
    """

    def __init__(
        self,
        tril: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowerTriangular",
    ) -> None:
        if is_square is False:
            raise ValueError(f"{name}: only square lower triangular operators are supported")
        self._tril = element_tensor(tril, name, "tril", 2)
        super().__init__(
            self._tril.dtype,
            [self._tril],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )

    @property
    def tril(self) -> Tensor:
        """The elements, those above the diagonal too."""
        return self._tril

    def _dims(self) -> Dims:
        return self._tril.dims

    def _shape_tensor(self) -> Tensor:
        return call.Shape(self._tril)

    def _to_dense(self) -> Tensor:
        return lower_of(self._tril)

    def _diag_part(self) -> Tensor:
        return call.MatrixDiagPart(self._tril)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        tril, rhs = broadcast_leading(self._tril, rhs)
        return call.MatrixTriangularSolve(tril, rhs, lower=True, adjoint=adjoint)

    def _determinant(self) -> Tensor:
        return call.Prod(self._diag_part(), [-1])

    def _log_abs_determinant(self) -> Tensor:
        return call.Sum(call.Log(EXPORTS["abs"](self._diag_part())), [-1])

    def _eigvals(self) -> Tensor:
        return self._diag_part()

    def _assert_non_singular(self) -> Any:
        return EXPORTS["assert_positive"](
            EXPORTS["abs"](self._diag_part()), message="Singular operator: Diagonal contained zeros"
        )


@export("linalg.LinearOperatorToeplitz")
class LinearOperatorToeplitz(LinearOperator):
    """The operator of matrices with constant diagonals.

    A[i, j] = col[i - j] for i >= j, row[j - i] for i < j

    Args:
        col: (..., N), the first column.
        row: (..., N), the first row; its first element is not read.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator.
        name: of the scope of the operations.

    Products are convolutions, by Fourier transforms of 2 N - 1 elements.

    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorToeplitz([1.0, 2.0, 3.0], [1.0, -1.0, -2.0])
    >>> tf.Session().run(a.to_dense())
    array([[ 1., -1., -2.],
           [ 2.,  1., -1.],
           [ 3.,  2.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        col: Any,
        row: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorToeplitz",
    ) -> None:
        if is_square is False:
            raise ValueError(f"{name}: a Toeplitz operator is square")
        self._col = element_tensor(col, name, "col", 1)
        self._row = element_tensor(row, name, "row", 1)
        super().__init__(
            self._col.dtype,
            [self._col, self._row],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )

    @property
    def col(self) -> Tensor:
        """The first column."""
        return self._col

    @property
    def row(self) -> Tensor:
        """The first row."""
        return self._row

    def _around(self) -> Tensor:
        """The first column of the circulant matrix of 2 N - 1 that A is a corner of."""
        behind = call.ReverseV2(self._row[..., 1:], np.array([-1], np.int32))
        leading = call.BroadcastArgs(call.Shape(self._col)[:-1], call.Shape(self._row)[:-1])
        parts = [
            call.BroadcastTo(x, call.ConcatV2([leading, call.Shape(x)[-1:]], 0))
            for x in (self._col, behind)
        ]
        return call.ConcatV2(parts, -1)

    def _dims(self) -> Dims:
        if self._col.dims is None or self._row.dims is None:
            return None
        batch = broadcast_all([self._col.dims[:-1], self._row.dims[:-1]])
        size = self._col.dims[-1] if self._col.dims[-1] is not None else self._row.dims[-1]
        return None if batch is None else (*batch, size, size)

    def _shape_tensor(self) -> Tensor:
        size = call.Shape(self._col)[-1:]
        leading = call.BroadcastArgs(call.Shape(self._col)[:-1], call.Shape(self._row)[:-1])
        return call.ConcatV2([leading, size, size], 0)

    def _to_dense(self) -> Tensor:
        around = self._around()
        size = call.Shape(self._col)[-1]
        along = call.Range(np.int32(0), size, np.int32(1))
        place = call.ExpandDims(along, 1) - call.ExpandDims(along, 0)
        place = call.FloorMod(place, 2 * size - 1)
        return call.GatherV2(around, place, np.int32(-1))

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        wide = complex128 if self.dtype in (float64, complex128) else complex64
        spectrum = call.FFT(call.Cast(self._around(), DstT=wide))
        spectrum = conjugate_of(spectrum) if adjoint else spectrum
        size = call.Shape(x)[-2]
        turned = EXPORTS["matrix_transpose"](call.Cast(x, DstT=wide))
        zeros = call.ZerosLike(turned)[..., 1:]
        columns = call.FFT(call.ConcatV2([turned, zeros], -1))
        y = call.IFFT(columns * call.ExpandDims(spectrum, -2))[..., :size]
        y = EXPORTS["matrix_transpose"](y)
        return EXPORTS["cast"](y, self.dtype)

    def _diag_part(self) -> Tensor:
        return call.BroadcastTo(self._col[..., :1], self._sizes()[:-1])
