"""Several diagonals of matrices at once, anywhere: taken out, put in, made into matrices.

    MatrixDiagPartV3   k=(-1, 0)   [[a, b], [c, d]]         -> [[a, d], [c, -]]
    MatrixDiagV3       k=(-1, 0)   [[a, d], [c, -]]         -> [[a, 0], [c, d]]
    MatrixSetDiagV3    k=(-1, 0)   [[., b], [., .]] and it  -> [[a, b], [c, d]]

``k`` is one diagonal or the lowest and highest of several: 0 is the main one, those above are
positive.  Diagonals lie in rows, the highest first; shorter ones are padded on the right
(``LEFT_LEFT``: those above and those below the main one are left-aligned), or as ``align`` says.
The V2 ops are those of ``LEFT_LEFT``; the first ones (matrix_parts.py) have the main diagonal only.

Read next: matrix_diagonals.py (the public functions).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from flowgraph.dtypes import ALL
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Attr, Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.rules import f32, i32, invalid, number, require_rank, require_rank_at_least
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size

ALIGNMENTS = ("LEFT_LEFT", "RIGHT_LEFT", "LEFT_RIGHT", "RIGHT_RIGHT")


class _Band(NamedTuple):
    """Diagonals ``lower`` to ``upper`` of matrices of ``rows`` and ``columns``."""

    lower: int
    upper: int
    rows: int
    columns: int
    align: str

    def length(self, d: int) -> int:
        """Of diagonal ``d``."""
        return max(0, min(self.rows + min(d, 0), self.columns - max(d, 0)))

    @property
    def longest(self) -> int:
        return max(0, min(self.rows + min(self.upper, 0), self.columns - max(self.lower, 0)))

    def first(self, d: int) -> int:
        """Where diagonal ``d`` begins in its row."""
        above, below = self.align.split("_")
        left = (d >= 0 and above == "LEFT") or (d <= 0 and below == "LEFT")
        return 0 if left else self.longest - self.length(d)

    def places(self, d: int) -> tuple[Any, Any]:
        """Rows and columns of the elements of diagonal ``d``."""
        along = np.arange(self.length(d))
        return along - min(d, 0), along + max(d, 0)


# ------------------------------------------------------------------------------------- inference


def _align(call_: Call) -> str:
    align = call_.attrs.get("align", "LEFT_LEFT")
    if align not in ALIGNMENTS:
        raise ShapeError(f"align must be one of {', '.join(ALIGNMENTS)}, not {align!r}")
    return str(align)


def _range_of(k: Any) -> tuple[int, int]:
    """The lowest and the highest diagonal."""
    values = np.asarray(k).reshape(-1)
    if values.size not in (1, 2):
        raise ShapeError(f"k must be one diagonal or two, not {values.size} numbers")
    lower, upper = int(values[0]), int(values[-1])
    if lower > upper:
        raise ShapeError(f"k must have the lower diagonal first, not {lower} and {upper}")
    return lower, upper


def _known_range(call_: Call, i: int) -> tuple[int, int] | None:
    """That of input ``i``, if its value is known."""
    dims = call_.shapes[i]
    if dims is not None and len(dims) > 1:
        raise ShapeError(f"k must be a scalar or a vector, not of shape {format_dims(dims)}")
    value = call_.value(i)
    return None if value is None else _range_of(value)


def _check_inside(lower: int, upper: int, rows: int | None, columns: int | None) -> None:
    for what, k in (("lower", lower), ("upper", upper)):
        below = rows is not None and k <= -rows
        above = columns is not None and k >= columns
        if k != 0 and (below or above):
            raise ShapeError(
                f"the {what} diagonal, {k}, is outside matrices of {rows} rows and "
                f"{columns} columns"
            )


def _diagonals(dims: Any, k: tuple[int, int]) -> tuple[int | None, ...]:
    """The shape of the diagonals ``k`` of matrices of shape ``dims``, without the leading axes."""
    rows, columns = dims[-2:]
    _check_inside(*k, rows, columns)
    longest = None
    if rows is not None and columns is not None:
        longest = _Band(*k, rows, columns, "").longest
    count = k[1] - k[0] + 1
    return (longest,) if count == 1 else (count, longest)


def _part_infer(call_: Call) -> list[Dims]:
    dims, k = call_.shapes[0], _known_range(call_, 1)
    require_rank_at_least(dims, 2, "input")
    require_rank(call_.shapes[2], 0, "padding_value")
    _align(call_)
    return [None if dims is None or k is None else (*dims[:-2], *_diagonals(dims, k))]


def _set_infer(call_: Call) -> list[Dims]:
    dims, diagonal = call_.shapes[:2]
    require_rank_at_least(dims, 2, "input")
    require_rank_at_least(diagonal, 1, "diagonal")
    _align(call_)
    k = _known_range(call_, 2)
    if dims is None or k is None:
        return [dims]
    expected = (*dims[:-2], *_diagonals(dims, k))
    try:
        merge(diagonal, expected)
    except ShapeError:
        raise ShapeError(
            f"diagonal has shape {format_dims(diagonal)}; the diagonals {k[0]} to {k[1]} of "
            f"shape {format_dims(dims)} have {format_dims(expected)}"
        ) from None
    return [dims]


def _matrix_sizes(
    longest: int, k: tuple[int, int], rows: int | None, columns: int | None
) -> tuple[int, int]:
    """Rows and columns of matrices made of diagonals; -1 and None: what is needed."""
    least_rows, least_columns = longest - min(k[1], 0), longest + max(k[0], 0)
    free_rows, free_columns = rows in (None, -1), columns in (None, -1)
    if free_rows and free_columns:
        return (max(least_rows, least_columns),) * 2
    found_rows: Any = least_rows if free_rows else rows
    found_columns: Any = least_columns if free_columns else columns
    fits = found_rows >= least_rows and found_columns >= least_columns
    if not fits or (found_rows > least_rows and found_columns > least_columns):
        raise ShapeError(
            f"diagonals {k[0]} to {k[1]} of {longest} elements make matrices of {least_rows} rows "
            f"or {least_columns} columns and not fewer, not of {found_rows} and {found_columns}"
        )
    return found_rows, found_columns


def _diag_infer(call_: Call) -> list[Dims]:
    dims, k = call_.shapes[0], _known_range(call_, 1)
    require_rank_at_least(dims, 1, "diagonal")
    for i, what in ((2, "num_rows"), (3, "num_cols"), (4, "padding_value")):
        require_rank(call_.shapes[i], 0, what)
    _align(call_)
    if dims is None or k is None:
        return [None]
    leading = dims[:-1]
    if k[0] < k[1]:
        require_rank_at_least(dims, 2, "diagonal")
        try:
            merge_size(dims[-2], k[1] - k[0] + 1)
        except ShapeError:
            raise ShapeError(
                f"diagonal has {dims[-2]} rows for the diagonals {k[0]} to {k[1]}"
            ) from None
        leading = dims[:-2]
    sizes = [call_.value(i) for i in (2, 3)]
    rows, columns = (None if x is None else int(x.reshape(())) for x in sizes)
    if rows is None or columns is None or dims[-1] is None:
        return [(*leading, *(x if x is not None and x >= 0 else None for x in (rows, columns)))]
    return [(*leading, *_matrix_sizes(dims[-1], k, rows, columns))]


# ---------------------------------------------------------------------------------------- kernels


def _sizes(call_: Call, matrix: Any, k: Any) -> dict[str, int]:
    above, below = _align(call_).split("_")
    lower, upper = _range_of(k)
    rows, columns = matrix[-2:]
    return {
        "batch": math.prod(matrix[:-2]),
        "rows": rows,
        "columns": columns,
        "lower": lower,
        "upper": upper,
        "longest": _Band(lower, upper, rows, columns, "").longest,
        "left_above": above == "LEFT",
        "left_below": below == "LEFT",
        "parts": 2 if call_.dtypes[0].is_complex else 1,
    }


#: Element ``at`` of the diagonals is at (i, j); d = j - i.
_PLACE = """
                first = longest - minimum(rows + minimum(d, 0), columns - maximum(d, 0))
                if ((d >= 0) & (left_above != 0)) | ((d <= 0) & (left_below != 0)):
                    first = int64(0)
                at = ((b * (upper - lower + 1) + upper - d) * longest + first + minimum(i, j))
"""

_PART_TEXT = """
for e in range(batch * (upper - lower + 1) * longest):
    for p in range(parts):
        store(diagonal, e * parts + p, load(padding_value, p))
for b in range(batch):
    for i in range(rows):
        for j in range(maximum(0, i + lower), minimum(columns, i + upper + 1)):
            d = j - i
            if True:
{place}
                for p in range(parts):
                    x = load(input, ((b * rows + i) * columns + j) * parts + p)
                    store(diagonal, at * parts + p, x)
return 0
"""

_DIAG_TEXT = """
for b in range(batch):
    for i in range(rows):
        for j in range(columns):
            d = j - i
            to = (b * rows + i) * columns + j
            if (d >= lower) & (d <= upper):
{place}
                for p in range(parts):
                    store(output, to * parts + p, load(diagonal, at * parts + p))
            else:
                for p in range(parts):
                    store(output, to * parts + p, load({other}))
return 0
"""


def _kernel(text: str, sizes: Any, known: tuple[int, ...], other: str = "") -> Procedure:
    text = text.replace("{place}", _PLACE.strip("\n")).replace("{other}", other)
    return Procedure(text, sizes=sizes, known=known, parts=True)


def _part_kernel() -> Procedure:
    return _kernel(_PART_TEXT, lambda call_: _sizes(call_, call_.shapes[0], call_.value(1)), (1,))


def _set_kernel() -> Procedure:
    return _kernel(
        _DIAG_TEXT,
        lambda call_: _sizes(call_, call_.shapes[0], call_.value(2)),
        (2,),
        "input, to * parts + p",
    )


def _diag_kernel() -> Procedure:
    return _kernel(
        _DIAG_TEXT,
        lambda call_: _sizes(call_, call_.out_shapes[0], call_.value(1)),
        (1, 2, 3),
        "padding_value, p",
    )


# ------------------------------------------------------------------------------------- references


def _checked(function: Any, *given: Any) -> Any:
    """``function`` of values that only the run knows."""
    try:
        return function(*given)
    except ShapeError as error:
        raise invalid(error.headline) from None


def _band_of(call_: Call, shape: tuple[int, ...], k: Any) -> _Band:
    lower, upper = _checked(_range_of, k)
    _checked(_check_inside, lower, upper, *shape[-2:])
    return _Band(lower, upper, shape[-2], shape[-1], _align(call_))


def _part_reference(call_: Call, x: Any, k: Any, padding: Any) -> Any:
    band = _band_of(call_, x.shape, k)
    count = band.upper - band.lower + 1
    out = np.full((*x.shape[:-2], count, band.longest), padding, x.dtype)
    for row, d in enumerate(range(band.upper, band.lower - 1, -1)):
        first = band.first(d)
        i, j = band.places(d)
        out[..., row, first : first + band.length(d)] = x[..., i, j]
    return out[..., 0, :] if count == 1 else out


def _filled_in(out: Any, band: _Band, diagonal: Any) -> Any:
    if band.lower == band.upper:
        diagonal = diagonal[..., None, :]
    for row, d in enumerate(range(band.upper, band.lower - 1, -1)):
        first = band.first(d)
        i, j = band.places(d)
        out[..., i, j] = diagonal[..., row, first : first + band.length(d)]
    return out


def _set_reference(call_: Call, x: Any, diagonal: Any, k: Any) -> Any:
    band = _band_of(call_, x.shape, k)
    expected = (*x.shape[:-2], *_diagonals(x.shape, (band.lower, band.upper)))
    if diagonal.shape != expected:
        raise invalid(
            f"diagonal has shape {list(diagonal.shape)}; the diagonals {band.lower} to "
            f"{band.upper} of shape {list(x.shape)} have {list(expected)}"
        )
    return _filled_in(x.copy(), band, diagonal)


def _diag_reference(call_: Call, x: Any, k: Any, rows: Any, columns: Any, padding: Any) -> Any:
    lower, upper = _checked(_range_of, k)
    leading = x.shape[:-1] if lower == upper else x.shape[:-2]
    if lower < upper and x.shape[-2] != upper - lower + 1:
        raise invalid(f"diagonal has {x.shape[-2]} rows for the diagonals {lower} to {upper}")
    sizes = _checked(_matrix_sizes, x.shape[-1], (lower, upper), int(rows), int(columns))
    out = np.full((*leading, *sizes), padding, x.dtype)
    rows, columns = sizes
    return _filled_in(out, _Band(lower, upper, rows, columns, _align(call_)), x)


# -------------------------------------------------------------------------------------- gradients


def _like(op: Any, what: str) -> tuple[str, dict[str, str]]:
    """The type of another op of the same version, and its ``align``."""
    version = op.type[-2:]
    return f"Matrix{what}{version}", {"align": op.attrs["align"]} if version == "V3" else {}


def _part_gradient(op: Any, dy: Tensor) -> tuple[Tensor, None, Tensor | None]:
    type, align = _like(op, "SetDiag")
    dx = apply_op(type, call.ZerosLike(op.input), dy, op.k, **align)
    if not op.wants(op.padding_value):
        return dx, None, None
    type, align = _like(op, "DiagPart")
    padded = apply_op(type, call.ZerosLike(op.input), op.k, number(1, dy), **align)
    return dx, None, _total(dy * padded)


def _set_gradient(op: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
    type, align = _like(op, "SetDiag")
    dx = apply_op(type, dy, call.ZerosLike(op.diagonal), op.k, **align)
    type, align = _like(op, "DiagPart")
    return dx, apply_op(type, dy, op.k, number(0, dy), **align), None


def _diag_gradient(op: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    type, align = _like(op, "DiagPart")
    dx = apply_op(type, dy, op.k, number(0, dy), **align)
    padding = _total(dy) - _total(dx) if op.wants(op.padding_value) else None
    return dx, None, None, None, padding


def _total(x: Tensor) -> Tensor:
    return call.Sum(call.Reshape(x, [-1]), 0)


# ---------------------------------------------------------------------------------------- records

_PAD = np.float32(0.5)


def _define_part(version: str, attrs: dict[str, Any], shifts: list[dict[str, Any]]) -> None:
    define(
        f"MatrixDiagPart{version}",
        "input: T, k: int32, padding_value: T -> diagonal: T",
        T=dtypes_of(ALL),
        **attrs,
        infer=_part_infer,
        kernel=_part_kernel(),
        grad=_part_gradient,
        reference=_part_reference,
        samples=(
            *(sample(f32(3, 4), i32([-2, 3]), _PAD, const=(1,), **a) for a in shifts),
            *(sample(f32(2, 5, 3), i32([-3, 1]), _PAD, const=(1,), **a) for a in shifts),
            sample(f32(2, 3, 3), i32(1), _PAD, const=(1,)),
            sample(f32(3, 3), i32([0, 1]), _PAD),
            sample(f32(3, 5), i32([2, 3]), _PAD, const=(1,)),
            sample(f32(0, 3, 3), i32([-1, 0]), _PAD, const=(1,)),
            sample(f32(2, 0, 3), i32(0), _PAD, const=(1,), differentiable=()),
            sample(i32([[1, 2], [3, 4]]), i32([-1, 1]), np.int32(9), const=(1,)),
            sample(np.array([[1, 2j], [3, 4]], np.complex64), i32([0, 1]), np.complex64(1j)),
        ),
        errors=(
            error_sample(ValueError, "at least 2 axes", f32(3), i32(0), _PAD),
            error_sample(ValueError, "outside matrices", f32(3, 4), i32(4), _PAD, const=(1,)),
            error_sample(ValueError, "lower diag", f32(3, 4), i32([1, 0]), _PAD, const=(1,)),
            error_sample(Exception, "outside matrices", f32(3, 4), i32([-3, 0]), _PAD, stage="run"),
        ),
        doc="Diagonals ``k[0]`` to ``k[1]`` of matrices, each in a row; see the module.",
    )


def _define_set(version: str, attrs: dict[str, Any], shifts: list[dict[str, Any]]) -> None:
    define(
        f"MatrixSetDiag{version}",
        "input: T, diagonal: T, k: int32 -> output: T",
        T=dtypes_of(ALL),
        **attrs,
        infer=_set_infer,
        kernel=_set_kernel(),
        grad=_set_gradient,
        reference=_set_reference,
        samples=(
            *(sample(f32(3, 4), f32(6, 3), i32([-2, 3]), const=(2,), **a) for a in shifts),
            *(sample(f32(2, 5, 3), f32(2, 5, 3), i32([-3, 1]), const=(2,), **a) for a in shifts),
            sample(f32(2, 3, 3), f32(2, 2, seed=1), i32(1), const=(2,)),
            sample(f32(3, 3), f32(2, 3, seed=1), i32([0, 1])),
            sample(f32(0, 3, 3), f32(0, 2, 3), i32([-1, 0]), const=(2,)),
            sample(i32([[1, 2], [3, 4]]), i32([7]), i32(-1), const=(2,)),
            sample(np.array([[1, 2j], [3, 4]], np.complex64), np.array([1j], np.complex64), i32(1)),
        ),
        errors=(
            error_sample(ValueError, "at least 2 axes", f32(3), f32(3), i32(0)),
            error_sample(ValueError, "have", f32(3, 4), f32(2), i32(0), const=(2,)),
            error_sample(Exception, "have", f32(3, 4), f32(2), i32(0), stage="run"),
        ),
        doc="``input`` with other diagonals ``k[0]`` to ``k[1]``, each in a row; see the module.",
    )


def _define_diag(version: str, attrs: dict[str, Any], shifts: list[dict[str, Any]]) -> None:
    any_size = (i32(-1), i32(-1))
    define(
        f"MatrixDiag{version}",
        "diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T -> output: T",
        T=dtypes_of(ALL),
        **attrs,
        infer=_diag_infer,
        kernel=_diag_kernel(),
        grad=_diag_gradient,
        reference=_diag_reference,
        samples=(
            *(
                sample(f32(3, 3), i32([-1, 1]), *any_size, _PAD, const=(1, 2, 3), **a)
                for a in shifts
            ),
            *(
                sample(f32(2, 4, 2), i32([-2, 1]), i32(4), i32(2), _PAD, const=(1, 2, 3), **a)
                for a in shifts
            ),
            sample(f32(2, 3), i32(1), *any_size, _PAD, const=(1, 2, 3)),
            sample(f32(3), i32(-1), i32(5), i32(-1), _PAD, const=(1, 2, 3)),
            sample(f32(3), i32(-1), i32(-1), i32(5), _PAD),
            sample(f32(0, 3), i32(0), *any_size, _PAD, const=(1, 2, 3)),
            sample(i32([1, 2]), i32([1]), *any_size, np.int32(9), const=(1, 2, 3)),
            sample(np.array([1, 2j], np.complex64), i32(0), *any_size, np.complex64(1j)),
        ),
        errors=(
            error_sample(ValueError, "at least 1 axes", f32(), i32(0), *any_size, _PAD),
            error_sample(
                ValueError, "not fewer", f32(3), i32(-1), i32(5), i32(4), _PAD, const=(1, 2, 3)
            ),
            error_sample(
                ValueError, "rows for the", f32(2, 3), i32([-1, 1]), *any_size, _PAD, const=(1,)
            ),
            error_sample(
                Exception, "not fewer", f32(3), i32(-1), i32(5), i32(4), _PAD, stage="run"
            ),
        ),
        doc="Matrices with given diagonals ``k[0]`` to ``k[1]``, each in a row; see the module.",
    )


_VERSIONS: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("V2", {}, [{}]),
    ("V3", {"align": Attr("string", "RIGHT_LEFT")}, [{"align": a} for a in ALIGNMENTS]),
]
for _version, _attrs, _shifts in _VERSIONS:
    _define_part(_version, _attrs, _shifts)
    _define_set(_version, _attrs, _shifts)
    _define_diag(_version, _attrs, _shifts)
