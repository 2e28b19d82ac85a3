"""Operators that Fourier transforms make diagonal: convolutions with periodic ends.

    A = F^-1 diag(spectrum) F,  F the transform along one, two or three axes

Vectors are read as blocks, row by row, of two or three axes.

Read next: base.py.
"""

from __future__ import annotations

import math
from typing import Any

from flowgraph.dtypes import as_dtype, complex64, complex128, float64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.linear_operators.base import LinearOperator
from flowgraph.linear_operators.dense import element_tensor
from flowgraph.ops.matrix_algebra import adjoint_of
from flowgraph.ops.rules import conjugate_of, number
from flowgraph.shapes import Dims
from flowgraph.tensor_shape import TensorShape


class _Circulant(LinearOperator):
    """Of blocks of DEPTH axes."""

    DEPTH = 1

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str | None = None,
    ) -> None:
        name = name or type(self).__name__
        self._spectrum = element_tensor(spectrum, name, "spectrum", self.DEPTH)
        if is_square is False:
            raise ValueError(f"{name}: a circulant operator is square")
        if not self._spectrum.dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError(
                    f"{name}: a real spectrum always corresponds to a self-adjoint operator"
                )
            is_self_adjoint = True
        super().__init__(
            as_dtype(input_output_dtype),
            [self._spectrum],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )

    @property
    def spectrum(self) -> Tensor:
        """The eigenvalues, in a block."""
        return self._spectrum

    @property
    def block_depth(self) -> int:
        """The number of axes of a block."""
        return self.DEPTH

    @property
    def block_shape(self) -> TensorShape:
        """The shape of a block."""
        dims = self._spectrum.dims
        return TensorShape(None if dims is None else dims[-self.DEPTH :])

    def block_shape_tensor(self, name: str = "block_shape_tensor") -> Tensor:
        """The shape of a block as an int32 vector; ``name``: of the scope."""
        with self._scope(name):
            return call.Shape(self._spectrum)[-self.DEPTH :]

    def _dims(self) -> Dims:
        dims = self._spectrum.dims
        if dims is None:
            return None
        block = dims[-self.DEPTH :]
        size = None if None in block else math.prod(block)  # type: ignore[arg-type]
        return (*dims[: -self.DEPTH], size, size)

    def _shape_tensor(self) -> Tensor:
        shape = call.Shape(self._spectrum)
        size = call.Prod(shape[-self.DEPTH :], 0)
        return call.ConcatV2([shape[: -self.DEPTH], call.Pack([size, size])], 0)

    def _wide(self) -> Any:
        wide = (float64, complex128)
        is_wide = self.dtype in wide or self._spectrum.dtype.base_dtype in wide
        return complex128 if is_wide else complex64

    def _transform(self, x: Tensor, inverse: bool) -> Tensor:
        suffix = {1: "", 2: "2D", 3: "3D"}[self.DEPTH]
        return apply_op(("IFFT" if inverse else "FFT") + suffix, x)

    def _filtered(self, x: Tensor, spectrum: Tensor) -> Tensor:
        """F^-1 diag(spectrum) F ``x`` of columns."""
        rows = EXPORTS["matrix_transpose"](EXPORTS["cast"](x, self._wide()))
        block = call.Shape(self._spectrum)[-self.DEPTH :]
        rows = call.Reshape(rows, call.ConcatV2([call.Shape(rows)[:-1], block], 0))
        spectrum = call.ExpandDims(spectrum, -self.DEPTH - 1)
        rows = self._transform(self._transform(rows, inverse=False) * spectrum, inverse=True)
        flat = call.ConcatV2([call.Shape(rows)[: -self.DEPTH], call.Pack([call.Prod(block, 0)])], 0)
        rows = call.Reshape(rows, flat)
        if rows.dims is None and x.dims is not None and self._dims() is not None:
            rank = max(len(x.dims), len(self._dims() or ()))
            rows.set_shape((None,) * rank)
        y = EXPORTS["cast"](EXPORTS["matrix_transpose"](rows), self.dtype)
        if y.dims is not None and x.dims is not None:
            y.set_shape((*y.dims[:-2], self._matrix_dims[0], x.dims[-1]))
        return y

    def _eigenvalues(self, adjoint: bool) -> Tensor:
        spectrum = EXPORTS["cast"](self._spectrum, self._wide())
        return conjugate_of(spectrum) if adjoint else spectrum

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        return self._filtered(x, self._eigenvalues(adjoint))

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        return self._filtered(rhs, call.Reciprocal(self._eigenvalues(adjoint)))

    def _flat(self) -> Tensor:
        shape = call.Shape(self._spectrum)
        size = call.Prod(shape[-self.DEPTH :], 0)
        flat = call.ConcatV2([shape[: -self.DEPTH], call.Pack([size])], 0)
        return call.Reshape(self._spectrum, flat)

    def _eigvals(self) -> Tensor:
        return EXPORTS["cast"](self._flat(), self.dtype)

    def _determinant(self) -> Tensor:
        return EXPORTS["cast"](call.Prod(self._flat(), [-1]), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        logarithms = call.Log(EXPORTS["abs"](self._flat()))
        return EXPORTS["cast"](call.Sum(logarithms, [-1]), self.dtype)

    def _trace(self) -> Tensor:
        return EXPORTS["cast"](call.Sum(self._flat(), [-1]), self.dtype)

    def _diag_part(self) -> Tensor:
        size = call.Shape(self._flat())[-1]
        mean = self._trace() / EXPORTS["cast"](size, self.dtype)
        shape = call.ConcatV2([call.Shape(mean), call.Pack([size])], 0)
        return call.BroadcastTo(call.ExpandDims(mean, -1), shape)

    def _cond(self) -> Tensor:
        sizes = EXPORTS["abs"](self._flat())
        return call.Max(sizes, [-1]) / call.Min(sizes, [-1])

    def convolution_kernel(self, name: str = "convolution_kernel") -> Tensor:
        """What A convolves with: the first column, in a block; ``name``: of the scope."""
        with self._scope(name):
            kernel = self._transform(self._eigenvalues(False), inverse=True)
            return EXPORTS["cast"](kernel, self.dtype)

    def assert_hermitian_spectrum(self, name: str = "assert_hermitian_spectrum") -> Any:
        """An operation that fails where A is not real; ``name``: of the scope."""
        with self._scope(name):
            kernel = self._transform(self._eigenvalues(False), inverse=True)
            sizes = EXPORTS["abs"](EXPORTS["imag"](kernel))
            limit = 1e-5 if self._wide() is complex64 else 1e-10
            return EXPORTS["assert_less"](
                sizes,
                number(limit, sizes),
                message="Imaginary convolution kernel part was not zero: spectrum not hermitian",
            )

    def _inverse(self) -> LinearOperator:
        return type(self)(
            call.Reciprocal(self._spectrum),
            self.dtype,
            True,
            self.is_self_adjoint,
            self.is_positive_definite,
        )

    def _adjoint(self) -> LinearOperator:
        return type(self)(
            conjugate_of(self._spectrum),
            self.dtype,
            self.is_non_singular,
            self.is_self_adjoint,
            self.is_positive_definite,
        )

    def _assert_non_singular(self) -> Any:
        return EXPORTS["assert_positive"](
            EXPORTS["abs"](self._spectrum),
            message="Singular operator: Spectrum contained zero values.",
        )

    def _assert_positive_definite(self) -> Any:
        return EXPORTS["assert_positive"](
            EXPORTS["real"](self._spectrum),
            message="Not positive definite: Real part of spectrum was not positive.",
        )

    def _assert_self_adjoint(self) -> Any:
        imaginary = EXPORTS["imag"](self._spectrum)
        return EXPORTS["assert_equal"](
            imaginary, number(0, imaginary), message="Not self-adjoint: The spectrum was not real."
        )


_ARGS = """
    Args:
        spectrum: (..., {block}) floating or complex: the eigenvalues, which are the Fourier
            transform of the first column.
        input_output_dtype: of A and of what it is applied to.
        is_non_singular, is_self_adjoint, is_positive_definite, is_square: see LinearOperator; of a
            real spectrum it is self-adjoint.
        name: of the scope of the operations.
"""


@export("linalg.LinearOperatorCirculant")
class LinearOperatorCirculant(_Circulant):
    __doc__ = (
        "The operator of circulant matrices, A[i, j] = h[(i - j) % N]: a periodic convolution.\n"
        + _ARGS.format(block="N")
        + """
    >>> import flowgraph as tf
    >>> a = tf.linalg.LinearOperatorCirculant([6.0, 4.0, 2.0, 4.0], tf.float32)
    >>> tf.Session().run(a.convolution_kernel())
    array([4., 1., 0., 1.], dtype=float32)
    """
    )


@export("linalg.LinearOperatorCirculant2D")
class LinearOperatorCirculant2D(_Circulant):
    __doc__ = "A periodic convolution of blocks of two axes, read row by row.\n" + _ARGS.format(
        block="N_0, N_1"
    )
    DEPTH = 2


@export("linalg.LinearOperatorCirculant3D")
class LinearOperatorCirculant3D(_Circulant):
    __doc__ = "A periodic convolution of blocks of three axes, read row by row.\n" + _ARGS.format(
        block="N_0, N_1, N_2"
    )
    DEPTH = 3
