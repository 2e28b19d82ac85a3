"""Diagonals of matrices, one or several, by their old and new names.

The main diagonal alone is the op of TensorFlow 1.0 (matrix_parts.py), whose kernel is a view;
everything else is one of matrix_bands.py.

Read next: matrix_bands.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.matrix_bands import ALIGNMENTS


def _padding(value: Any, beside: Tensor) -> Any:
    """0 is False among bools."""
    is_bool = beside.dtype.base_dtype.is_bool
    return bool(value) if is_bool and not isinstance(value, Tensor) else value


def _apply(what: str, align: str, *inputs: Any, name: str | None) -> Tensor:
    if align not in ALIGNMENTS:
        raise ValueError(f"align must be one of {', '.join(ALIGNMENTS)}, not {align!r}")
    if align == "LEFT_LEFT":
        return apply_op(f"Matrix{what}V2", *inputs, name=name)
    return apply_op(f"Matrix{what}V3", *inputs, align=align, name=name)


def _is(value: Any, plain: Any) -> bool:
    """Whether ``value`` is that number."""
    return not isinstance(value, Tensor) and np.ndim(value) == 0 and value == plain


def _as_k(k: Any) -> Any:
    return convert_to_tensor(k if isinstance(k, Tensor) else np.asarray(k), dtype=int32, name="k")


@export("matrix_diag", "linalg.diag")
def matrix_diag(
    diagonal: Any,
    name: str = "diag",
    k: Any = 0,
    num_rows: Any = -1,
    num_cols: Any = -1,
    padding_value: Any = 0,
    align: str = "LEFT_LEFT",
) -> Tensor:
    """Matrices with given diagonals.

    y[..., i, j] = diagonal[..., i] where i = j, else ``padding_value``; other diagonals with ``k``.

    Args:
        diagonal: (..., N), or (..., D, N) for D diagonals, the highest first.
        name: of the operation.
        k: which diagonal: 0 the main one, above positive, below negative; or the lowest and the
            highest of several.
        num_rows, num_cols: sizes of the matrices; -1: what is needed, square if both are.
        padding_value: what is beside the diagonals.
        align: on which side diagonals shorter than N begin in their row, those above and those
            below the main one: ``"LEFT_LEFT"``, ``"RIGHT_LEFT"``, ``"LEFT_RIGHT"`` or
            ``"RIGHT_RIGHT"``.

    Returns:
        (..., num_rows, num_cols), the dtype of ``diagonal``.

    Raises:
        ValueError: sizes do not fit, ``k`` is no range, or ``align`` is not one of these.

    Gradient: the diagonals of dy.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_diag([1, 2], k=1))
    array([[0, 1, 0],
           [0, 0, 2],
           [0, 0, 0]], dtype=int32)
    """
    plain = (k, 0), (num_rows, -1), (num_cols, -1), (padding_value, 0)
    if align == "LEFT_LEFT" and all(_is(*pair) for pair in plain):
        return apply_op("MatrixDiag", diagonal, name=name)
    diagonal = convert_to_tensor(diagonal, name="diagonal")
    padding_value = _padding(padding_value, diagonal)
    return _apply("Diag", align, diagonal, _as_k(k), num_rows, num_cols, padding_value, name=name)


@export("matrix_diag_part", "linalg.diag_part")
def matrix_diag_part(
    input: Any,
    name: str = "diag_part",
    k: Any = 0,
    padding_value: Any = 0,
    align: str = "LEFT_LEFT",
) -> Tensor:
    """Diagonals of matrices.

    y[..., i] = input[..., i, i]; other diagonals with ``k``.

    Args:
        input: (..., I, J).
        name: of the operation.
        k: which diagonal: 0 the main one, above positive, below negative; or the lowest and the
            highest of several.
        padding_value: what follows diagonals that are shorter than the longest of several.
        align: as for ``matrix_diag``.

    Returns:
        (..., N), or (..., D, N) for D diagonals, the highest first; N is the greatest length.

    Raises:
        ValueError: ``input`` is no matrix, a diagonal is outside it, ``k`` is no range, or
            ``align`` is not as for ``matrix_diag``.

    Gradient: dy on the diagonals.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_diag_part([[1, 2], [3, 4]], k=(-1, 0)))
    array([[1, 4],
           [3, 0]], dtype=int32)
    """
    if align == "LEFT_LEFT" and _is(k, 0):
        return apply_op("MatrixDiagPart", input, name=name)
    input = convert_to_tensor(input, name="input")
    padding_value = _padding(padding_value, input)
    return _apply("DiagPart", align, input, _as_k(k), padding_value, name=name)


@export("matrix_set_diag", "linalg.set_diag")
def matrix_set_diag(
    input: Any, diagonal: Any, name: str = "set_diag", k: Any = 0, align: str = "LEFT_LEFT"
) -> Tensor:
    """Matrices with other diagonals.

    y[..., i, j] = diagonal[..., i] where i = j, else input[..., i, j]; other diagonals with ``k``.

    Args:
        input: (..., I, J).
        diagonal: (..., N), or (..., D, N) for D diagonals, the highest first; the same dtype.
        name: of the operation.
        k: which diagonal: 0 the main one, above positive, below negative; or the lowest and the
            highest of several.
        align: as for ``matrix_diag``.

    Returns:
        The shape and dtype of ``input``.

    Raises:
        ValueError: shapes do not fit, a diagonal is outside the matrices, ``k`` is no range, or
            ``align`` is not as for ``matrix_diag``.

    Gradient: dy without the diagonals, and they.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_set_diag([[1, 2], [3, 4]], [7, 8]))
    array([[7, 2],
           [3, 8]], dtype=int32)
    """
    if align == "LEFT_LEFT" and _is(k, 0):
        return apply_op("MatrixSetDiag", input, diagonal, name=name)
    return _apply("SetDiag", align, input, diagonal, _as_k(k), name=name)
