"""Matrix algebra on tensors, as gradients and composed functions write it.

Nothing here is a record; ranks may be unknown.

Read next: linalg.py, factorizations.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.node import Tensor
from flowgraph.ops.rules import conjugate_of


def product(a: Any, b: Any, *, adj_a: bool = False, adj_b: bool = False) -> Tensor:
    """``a b`` of batches of matrices, either one adjoint."""
    return call.BatchMatMulV2(a, b, adj_x=adj_a, adj_y=adj_b)


def transposed(x: Tensor, name: str | None = None) -> Tensor:
    """The last two axes exchanged."""
    if x.dims is not None:
        rank = len(x.dims)
        order: Any = np.array([*range(rank - 2), rank - 1, rank - 2], np.int32)
    else:
        unknown = call.Rank(x)
        last = call.Pack([unknown - 1, unknown - 2])
        order = call.ConcatV2([call.Range(0, unknown - 2, 1), last], 0)
    return call.Transpose(x, order, name=name)


def adjoint_of(x: Tensor) -> Tensor:
    """Transposed and conjugated."""
    return conjugate_of(transposed(x))


def real_part(x: Tensor) -> Tensor:
    """The real part, of the real dtype; ``x`` itself if it is real."""
    dtype = x.dtype.base_dtype
    return call.Real(x, Tout=dtype.real_dtype) if dtype.is_complex else x


def lower_of(x: Tensor) -> Tensor:
    """The lower triangle, with the diagonal."""
    return call.MatrixBandPart(x, -1, 0)


def upper_of(x: Tensor) -> Tensor:
    """The upper triangle, with the diagonal."""
    return call.MatrixBandPart(x, 0, -1)


def without_diagonal(x: Tensor) -> Tensor:
    """Zeros on the diagonal."""
    return call.MatrixSetDiag(x, call.ZerosLike(call.MatrixDiagPart(x)))


def diagonal_halved(x: Tensor) -> Tensor:
    """Half of the diagonal."""
    return call.MatrixSetDiag(x, call.MatrixDiagPart(x) * 0.5)


def over_adjoint(x: Tensor, upper: Tensor) -> Tensor:
    """``x upper^-H`` of an upper triangle."""
    return adjoint_of(call.MatrixTriangularSolve(upper, adjoint_of(x), lower=False))


def columns_times(x: Tensor, factors: Tensor) -> Tensor:
    """``x diag(factors)``."""
    return x * call.ExpandDims(factors, -2)
