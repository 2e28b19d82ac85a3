"""Parts of matrices: diagonals and bands, taken out and put in; trace; the cross product.

    MatrixDiagPart   [[a, b], [c, d]]        -> [a, d]          a view: nothing moves
    MatrixDiag       [a, d]                  -> [[a, 0], [0, d]]
    MatrixSetDiag    [[a, b], [c, d]] [x, y] -> [[x, b], [c, y]]

Read next: linalg.py, matrix_bands.py (several diagonals at once).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, NUMERIC, REAL, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Loops,
    Procedure,
    View,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.ops.rules import (
    f32,
    i32,
    invalid,
    merge_all,
    output_domain,
    require_rank,
    require_rank_at_least,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size

# ------------------------------------------------------------------------- diagonals of matrices


def _smaller(rows: int | None, columns: int | None) -> int | None:
    return None if rows is None or columns is None else min(rows, columns)


def _matrix_diag_infer(call_: Call) -> list[Dims]:
    (dims,) = call_.shapes
    require_rank_at_least(dims, 1, "diagonal")
    return [None if dims is None else (*dims, dims[-1])]


def _matrix_diag_reference(call_: Call, diagonal: Any) -> Any:
    out = np.zeros((*diagonal.shape, diagonal.shape[-1]), diagonal.dtype)
    place = np.arange(diagonal.shape[-1])
    out[..., place, place] = diagonal
    return out


def _along_rows(call_: Call) -> tuple[tuple[int, ...], ...]:
    """The diagonal runs along the rows of the matrix."""
    rank = len(call_.out_shapes[0])  # type: ignore[arg-type]
    return (tuple(range(rank - 1)),)


def _on_diagonal(s: Any, call_: Call) -> Any:
    rank = len(call_.out_shapes[0])  # type: ignore[arg-type]
    return s.eq(s.index(rank - 2), s.index(rank - 1))


define(
    "MatrixDiag",
    "diagonal: T -> output: T",
    T=dtypes_of(ALL),
    infer=_matrix_diag_infer,
    kernel=Loops(
        lambda s, call_, x: s.select(_on_diagonal(s, call_), x, s.const(0, x.dtype)),
        domain=output_domain,
        operands=_along_rows,
        parts=True,
    ),
    grad=lambda op, dy: (call.MatrixDiagPart(dy),),
    reference=_matrix_diag_reference,
    samples=(
        sample(f32(4)),
        sample(f32(2, 3)),
        sample(f32(2, 1, 5)),
        sample(f32(2, 0)),
        sample(f32(0, 3)),
        sample(i32([[1, 2], [3, 4]])),
        sample(np.array([True, False, True])),
        sample(np.array([np.nan, np.inf], np.float32), differentiable=()),
    ),
    errors=(error_sample(ValueError, "at least 1 axes", f32()),),
    doc="Matrices with ``diagonal`` on their diagonal and zeros beside it.",
)


def _diag_part_infer(call_: Call) -> list[Dims]:
    (dims,) = call_.shapes
    require_rank_at_least(dims, 2, "input")
    return [None if dims is None else (*dims[:-2], _smaller(*dims[-2:]))]


def _diag_part_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    return 0, (*shape[:-2], min(shape[-2:])), (*strides[:-2], strides[-2] + strides[-1])


def _diag_part_grad(op: Any, dy: Any) -> tuple[Any]:
    dims = op.input.dims
    if dims is not None and dims[-1] is not None and dims[-1] == dims[-2]:
        return (call.MatrixDiag(dy),)
    return (call.MatrixSetDiag(call.ZerosLike(op.input), dy),)


define(
    "MatrixDiagPart",
    "input: T -> diagonal: T",
    T=dtypes_of(ALL),
    infer=_diag_part_infer,
    kernel=View(_diag_part_layout),
    grad=_diag_part_grad,
    reference=lambda call_, x: np.diagonal(x, axis1=-2, axis2=-1).copy(),
    samples=(
        sample(f32(3, 3)),
        sample(f32(2, 3, 5)),
        sample(f32(2, 5, 3)),
        sample(f32(2, 0, 3)),
        sample(f32(0, 3, 3)),
        sample(i32([[1, 2], [3, 4]])),
    ),
    errors=(error_sample(ValueError, "at least 2 axes", f32(3)),),
    doc="The diagonal of matrices.",
)


def _set_diag_infer(call_: Call) -> list[Dims]:
    dims, diagonal = call_.shapes
    require_rank_at_least(dims, 2, "input")
    require_rank_at_least(diagonal, 1, "diagonal")
    if dims is None:
        return [None if diagonal is None else (*diagonal[:-1], None, None)]
    expected = (*dims[:-2], _smaller(*dims[-2:]))
    try:
        found = merge(diagonal, expected)
    except ShapeError:
        raise ShapeError(
            f"diagonal has shape {format_dims(diagonal)}; input of shape {format_dims(dims)} "
            f"has a diagonal of shape {format_dims(expected)}"
        ) from None
    return [(*found[:-1], *dims[-2:])]  # type: ignore[index]


def _set_diag_axes(call_: Call) -> tuple[tuple[int, ...], ...]:
    """The diagonal runs along the shorter side, or it would be read past its end."""
    shape: Any = call_.out_shapes[0]
    rank = len(shape)
    shorter = rank - 2 if shape[-2] <= shape[-1] else rank - 1
    return tuple(range(rank)), (*range(rank - 2), shorter)


def _set_diag_reference(call_: Call, x: Any, diagonal: Any) -> Any:
    size = min(x.shape[-2:])
    if diagonal.shape != (*x.shape[:-2], size):
        raise invalid(
            f"diagonal has shape {list(diagonal.shape)}; input of shape {list(x.shape)} has a "
            f"diagonal of shape {[*x.shape[:-2], size]}"
        )
    out, place = x.copy(), np.arange(size)
    out[..., place, place] = diagonal
    return out


def _set_diag_grad(op: Any, dy: Any) -> tuple[Any, Any]:
    return call.MatrixSetDiag(dy, call.ZerosLike(op.diagonal)), call.MatrixDiagPart(dy)


define(
    "MatrixSetDiag",
    "input: T, diagonal: T -> output: T",
    T=dtypes_of(ALL),
    infer=_set_diag_infer,
    kernel=Loops(
        lambda s, call_, x, diagonal: s.select(_on_diagonal(s, call_), diagonal, x),
        domain=output_domain,
        operands=_set_diag_axes,
        parts=True,
    ),
    grad=_set_diag_grad,
    reference=_set_diag_reference,
    samples=(
        sample(f32(3, 3), f32(3, seed=1)),
        sample(f32(2, 3, 5), f32(2, 3, seed=1)),
        sample(f32(2, 5, 3), f32(2, 3, seed=1)),
        sample(f32(2, 5, 1), f32(2, 1, seed=1)),
        sample(f32(0, 3, 3), f32(0, 3)),
        sample(f32(2, 0, 3), f32(2, 0)),
        sample(i32([[1, 2], [3, 4]]), i32([7, 8])),
    ),
    errors=(
        error_sample(ValueError, "at least 2 axes", f32(3), f32(3)),
        error_sample(ValueError, r"diagonal of shape \[2, 3\]", f32(2, 3, 4), f32(2, 4)),
    ),
    doc="``input`` with ``diagonal`` on its diagonal.",
)

# --------------------------------------------------------------------------- diagonals of tensors


def _diag_infer(call_: Call) -> list[Dims]:
    (dims,) = call_.shapes
    require_rank_at_least(dims, 1, "diagonal")
    return [None if dims is None else (*dims, *dims)]


def _diag_reference(call_: Call, x: Any) -> Any:
    return np.diag(x.reshape(-1)).reshape(x.shape + x.shape)


def _diag_body(s: Any, call_: Call, x: Any) -> Any:
    rank = len(call_.shapes[0])  # type: ignore[arg-type]
    same = s.eq(s.index(0), s.index(rank))
    for axis in range(1, rank):
        same = same & s.eq(s.index(axis), s.index(rank + axis))
    return s.select(same, x, s.const(0, x.dtype))


define(
    "Diag",
    "diagonal: T -> output: T",
    T=dtypes_of(NUMERIC),
    infer=_diag_infer,
    kernel=Loops(
        _diag_body,
        domain=output_domain,
        operands=lambda call_: (tuple(range(len(call_.shapes[0]))),),  # type: ignore[arg-type]
        parts=True,
    ),
    grad=lambda op, dy: (call.DiagPart(dy),),
    reference=_diag_reference,
    samples=(
        sample(f32(4)),
        sample(f32(2, 3)),
        sample(f32(2, 1, 3)),
        sample(f32(0, 2)),
        sample(i32([1, 2, 3])),
    ),
    errors=(error_sample(ValueError, "at least 1 axes", f32()),),
    doc="``output[i, j, ..., i, j, ...] = diagonal[i, j, ...]``, zeros elsewhere.",
)


def _halves(dims: Dims) -> Dims:
    if dims is None:
        return None
    if not dims or len(dims) % 2:
        raise ShapeError(f"input must have an even number of axes, not shape {format_dims(dims)}")
    half = len(dims) // 2
    try:
        return merge_all([dims[:half], dims[half:]])
    except ShapeError:
        raise ShapeError(
            f"both halves of the shape must be equal, not {format_dims(dims)}"
        ) from None


def _tensor_diag_part_reference(call_: Call, x: Any) -> Any:
    try:
        shape: Any = _halves(x.shape)
    except ShapeError as error:
        raise invalid(error.headline) from None
    size = math.prod(shape)
    return np.diagonal(x.reshape(size, size)).reshape(shape).copy()


def _tensor_diag_part_layout(call_: Call, shape: Any, strides: Any) -> Any:
    half = len(shape) // 2
    if shape[:half] != shape[half:]:
        return None
    pairs = zip(strides[:half], strides[half:], strict=True)
    return 0, shape[:half], tuple(a + b for a, b in pairs)


define(
    "DiagPart",
    "input: T -> diagonal: T",
    T=dtypes_of(NUMERIC),
    infer=lambda call_: [_halves(call_.shapes[0])],
    kernel=View(_tensor_diag_part_layout),
    grad=lambda op, dy: (call.Diag(dy),),
    reference=_tensor_diag_part_reference,
    samples=(
        sample(f32(3, 3)),
        sample(f32(2, 3, 2, 3)),
        sample(f32(0, 2, 0, 2)),
        sample(i32([[1, 2], [3, 4]])),
    ),
    errors=(
        error_sample(ValueError, "even number of axes", f32(2, 2, 2)),
        error_sample(ValueError, "halves of the shape must be equal", f32(2, 3)),
        error_sample(Exception, "halves of the shape must be equal", f32(2, 3), stage="run"),
    ),
    doc="``diagonal[i, j, ...] = input[i, j, ..., i, j, ...]``.",
)

# ------------------------------------------------------------------------------------------ bands


def _band_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    require_rank_at_least(dims, 2, "input")
    for i, what, axis in ((1, "num_lower", -2), (2, "num_upper", -1)):
        require_rank(call_.shapes[i], 0, what)
        value = call_.value(i)
        size = None if dims is None else dims[axis]
        if value is not None and size is not None and int(value) > size:
            side = "rows" if axis == -2 else "columns"
            raise ShapeError(
                f"{what} must be negative or at most the number of {side}, {size}, not {value}"
            )
    return [dims]


def _band_body(s: Any, call_: Call, x: Any, lower: Any, upper: Any) -> Any:
    rank = len(call_.shapes[0])  # type: ignore[arg-type]
    row, column = s.index(rank - 2), s.index(rank - 1)
    lower, upper = s.cast(lower, "int64"), s.cast(upper, "int64")
    below = (lower < 0) | (row - column <= lower)
    above = (upper < 0) | (column - row <= upper)
    return s.select(below & above, x, s.const(0, x.dtype))


def _band_reference(call_: Call, x: Any, lower: Any, upper: Any) -> Any:
    distance = np.arange(x.shape[-2])[:, None] - np.arange(x.shape[-1])
    below = (lower < 0) | (distance <= lower)
    above = (upper < 0) | (-distance <= upper)
    return np.where(below & above, x, np.zeros((), x.dtype))


define(
    "MatrixBandPart",
    "input: T, num_lower: Tindex, num_upper: Tindex -> band: T",
    T=dtypes_of(ALL),
    Tindex=dtypes_of(INDEX, int64),
    infer=_band_infer,
    kernel=Loops(_band_body, domain=output_domain, parts=True),
    grad=lambda op, dy: (call.MatrixBandPart(dy, op.num_lower, op.num_upper), None, None),
    reference=_band_reference,
    samples=(
        sample(f32(4, 5), i32(1), i32(2), const=(1, 2)),
        sample(f32(2, 5, 4), i32(-1), i32(0)),
        sample(f32(2, 3, 3), i32(0), i32(-1)),
        sample(f32(3, 3), np.int64(-1), np.int64(-1), const=(1, 2)),
        sample(f32(0, 3), i32(0), i32(0)),
        sample(np.full((2, 2), np.nan, np.float32), i32(0), i32(0), differentiable=()),
        sample(i32([[1, 2], [3, 4]]), i32(2), i32(0)),
    ),
    errors=(
        error_sample(ValueError, "at least 2 axes", f32(3), i32(0), i32(0)),
        error_sample(ValueError, "number of rows, 3", f32(3, 4), i32(4), i32(0), const=(1, 2)),
    ),
    doc="The elements at most ``num_lower`` below and ``num_upper`` above the diagonal.",
)

# ---------------------------------------------------------------------------------- cross product


def _cross_infer(call_: Call) -> list[Dims]:
    dims = merge_all(call_.shapes)
    require_rank_at_least(dims, 1, "a")
    if dims is not None:
        try:
            merge_size(dims[-1], 3)
        except ShapeError:
            raise ShapeError(
                f"vectors of a cross product have 3 elements, not {dims[-1]}"
            ) from None
    return [dims]


def _cross_reference(call_: Call, a: Any, b: Any) -> Any:
    if a.shape != b.shape or a.shape[-1] != 3:
        raise invalid(f"cross product of vectors of shapes {list(a.shape)} and {list(b.shape)}")
    (a0, a1, a2), (b0, b1, b2) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1)


define(
    "Cross",
    "a: T, b: T -> product: T",
    T=dtypes_of(REAL),
    infer=_cross_infer,
    kernel=Procedure(
        """
        for i in range(start, stop):
            a0 = load(a, 3 * i)
            a1 = load(a, 3 * i + 1)
            a2 = load(a, 3 * i + 2)
            b0 = load(b, 3 * i)
            b1 = load(b, 3 * i + 1)
            b2 = load(b, 3 * i + 2)
            store(product, 3 * i, a1 * b2 - a2 * b1)
            store(product, 3 * i + 1, a2 * b0 - a0 * b2)
            store(product, 3 * i + 2, a0 * b1 - a1 * b0)
        return 0
        """,
        sizes=lambda call_: {},
        steps=lambda call_: math.prod(call_.shapes[0][:-1]),  # type: ignore[index, arg-type]
        flops=lambda call_: 3 * math.prod(call_.shapes[0]),  # type: ignore[arg-type]
    ),
    grad=lambda op, dy: (call.Cross(op.b, dy), call.Cross(dy, op.a)),
    reference=_cross_reference,
    samples=(
        sample(f32(3), f32(3, seed=1)),
        sample(f32(2, 5, 3), f32(2, 5, 3, seed=1)),
        sample(f32(0, 3), f32(0, 3)),
        sample(i32([[1, 2, 3]]), i32([[4, -5, 6]])),
        sample(np.array([1, 0, 0], np.uint8), np.array([0, 0, 1], np.uint8)),
    ),
    errors=(
        error_sample(ValueError, "have 3 elements, not 2", f32(2), f32(2)),
        error_sample(ValueError, "not compatible", f32(2, 3), f32(1, 3)),
    ),
    doc="The cross product of vectors of 3 elements along the last axis.",
)

# ------------------------------------------------------------------------------- public functions


@export("diag", "linalg.tensor_diag")
def tensor_diag(diagonal: Any, name: str | None = None) -> Tensor:
    """A tensor with ``diagonal`` on its diagonal: ``y[i, ..., i, ...] = x[i, ...]``.

    Args:
        diagonal: numbers, at least one axis.
        name: of the operation; ``Diag`` by default.

    Returns:
        A tensor of twice the rank, zeros beside the diagonal.

    Raises:
        ValueError: ``diagonal`` is a scalar.

    Gradient: the diagonal of dy.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.diag([1, 2]))
    array([[1, 0],
           [0, 2]], dtype=int32)
    """
    return apply_op("Diag", diagonal, name=name)


@export("diag_part", "linalg.tensor_diag_part")
def tensor_diag_part(input: Any, name: str | None = None) -> Tensor:
    """The diagonal of a tensor: ``y[i, ...] = x[i, ..., i, ...]``; no data moves.

    Args:
        input: numbers; the first half of the shape is equal to the second.
        name: of the operation; ``DiagPart`` by default.

    Returns:
        A tensor of half the rank.

    Raises:
        ValueError: the halves of the shape differ, or the rank is odd.

    Gradient: dy on the diagonal.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.diag_part([[1, 2], [3, 4]]))
    array([1, 4], dtype=int32)
    """
    return apply_op("DiagPart", input, name=name)


@export("matrix_band_part", "linalg.band_part")
def matrix_band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Tensor:
    """The band of matrices around the diagonal, zeros outside it.

    Element (i, j) stays where ``i - j <= num_lower`` and ``j - i <= num_upper``; a negative number
    is no bound.  (-1, 0) is the lower triangle, (0, -1) the upper one, (0, 0) the diagonal.

    Args:
        input: (..., I, J).
        num_lower: integer scalar, diagonals kept below the main one.
        num_upper: of the same dtype, diagonals kept above it.
        name: of the operation; ``MatrixBandPart`` by default.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: ``input`` is no matrix, or a constant bound exceeds its size.

    Gradient: the same band of dy.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.matrix_band_part([[1, 2], [3, 4]], 0, -1))
    array([[1, 2],
           [0, 4]], dtype=int32)
    """
    return apply_op("MatrixBandPart", input, num_lower, num_upper, name=name)


@export("trace", "linalg.trace")
def trace(x: Any, name: str | None = None) -> Tensor:
    """The sum of the diagonal of matrices.

    Args:
        x: (..., I, J) numbers.
        name: of the operations; ``Trace`` by default.

    Returns:
        (...), the dtype of ``x``.

    Raises:
        ValueError: ``x`` is no matrix.

    Gradient: dy on the diagonal.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.trace([[1, 2], [3, 4]]))
    5
    """
    with name_scope(name, "Trace", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return call.Sum(call.MatrixDiagPart(x), [-1], name=scope)


@export("cross", "linalg.cross")
def cross(a: Any, b: Any, name: str | None = None) -> Tensor:
    """The cross product of vectors of 3 elements.

    c = [a1 b2 - a2 b1, a2 b0 - a0 b2, a0 b1 - a1 b0]

    Args:
        a, b: (..., 3) real numbers, of one shape and dtype.
        name: of the operation; ``Cross`` by default.

    Returns:
        A tensor of their shape and dtype.

    Raises:
        ValueError: shapes differ, or the last axis has not 3 elements.

    Gradient: da = b x dy,  db = dy x a.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.cross([1, 0, 0], [0, 1, 0]))
    array([0, 0, 1], dtype=int32)
    """
    return apply_op("Cross", a, b, name=name)
