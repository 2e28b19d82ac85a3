"""The same elements at other places: roll, reverse_sequence; and frames that mirror, MirrorPad.

    roll [1 2 3 4] by 1              [4 1 2 3]
    mirror pad [1 2 3] by 2          REFLECT 3 2 [1 2 3] 2 1     SYMMETRIC 2 1 [1 2 3] 3 2

Their kernels go row by row: every coordinate but the last is mapped once for a row, and the row is
copied (or added) in one or three pieces.

Read next: padding.py (frames of constants, reverse).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, NUMERIC, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.ops.rules import (
    concrete,
    f32,
    i32,
    invalid,
    one_name,
    require_rank,
    require_rank_at_least,
)
from flowgraph.shapes import (
    Dims,
    ShapeError,
    format_dims,
    is_compatible,
    merge_size,
    normalize_axis,
)

# ------------------------------------------------------------------------------------------- roll

#: Behind the last axis that moves, elements stay together: a row is copied in two pieces.
_ROLL = """
{extents}
for d in range(rank):
    store(turn, d, int64(0))
for j in range(count):
    a = int64(load(axis, j))
    a = a + rank if a < 0 else a
    if a < 0 or a >= rank:
        return 3
    store(turn, a, load(turn, a) + int64(load(shift, j)))
if total == 0:
    return 0
for d in range(rank):
    store(turn, d, load(turn, d) % load(extent, d))
last = rank - 1
block = int64(1)
while last > 0 and load(turn, last) == 0:
    block = block * load(extent, last)
    last -= 1
row = block * load(extent, last)
by = block * load(turn, last)
for r in range(total // row):
    rest = r
    source = int64(0)
    step = row
    for j in range(last):
        d = last - 1 - j
        size = load(extent, d)
        source += (rest % size - load(turn, d)) % size * step
        rest = rest // size
        step = step * size
    for e in independent(by):
        store(output, r * row + e, load(input, source + row - by + e))
    for e in independent(row - by):
        store(output, r * row + by + e, load(input, source + e))
return 0
"""


def _roll_infer(call_: Call) -> list[Dims]:
    dims, shift, axis = call_.shapes
    require_rank_at_least(dims, 1, "input")
    for what, given in (("shift", shift), ("axis", axis)):
        if given is not None and len(given) > 1:
            raise ShapeError(f"{what} must be a number or a vector, not {format_dims(given)}")
    if shift is not None and axis is not None:
        if not is_compatible(shift, axis):
            raise ShapeError(
                f"shift of shape {format_dims(shift)} and axis of shape {format_dims(axis)} must "
                "have the same size"
            )
    axes = call_.value(2)
    if axes is not None and dims is not None:
        for number in axes.reshape(-1):
            normalize_axis(int(number), len(dims))
    return [dims]


def _roll_sizes(call_: Call) -> Mapping[str, int]:
    shape = concrete(call_.shapes[0])
    sizes = {f"size{d}": size for d, size in enumerate(shape)}
    count = math.prod(concrete(call_.shapes[1]))
    return sizes | {"rank": len(shape), "count": count, "total": math.prod(shape)}


def _roll_choices(call_: Call) -> Mapping[str, str]:
    rank = len(concrete(call_.shapes[0]))
    return {"extents": "\n".join(f"store(extent, {d}, size{d})" for d in range(rank))}


def _roll_reference(call_: Call, x: Any, shift: Any, axis: Any) -> Any:
    if shift.shape != axis.shape:
        raise invalid(f"{shift.size} shifts for {axis.size} axes")
    for by, number in zip(shift.reshape(-1), axis.reshape(-1), strict=True):
        try:
            place = normalize_axis(int(number), x.ndim)
        except ShapeError as error:
            raise invalid(error.headline) from None
        x = np.roll(x, int(by) % max(x.shape[place], 1), place)
    return x


define(
    "Roll",
    "input: T, shift: Tshift, axis: Taxis -> output: T",
    T=dtypes_of(ALL),
    Tshift=dtypes_of(INDEX, int32),
    Taxis=dtypes_of(INDEX, int32),
    infer=_roll_infer,
    kernel=Procedure(
        _ROLL,
        sizes=_roll_sizes,
        choices=_roll_choices,
        scratch=lambda call_: {
            name: ("int64", len(concrete(call_.shapes[0]))) for name in ("turn", "extent")
        },
        moves=("T",),
    ),
    grad=lambda op, dy: (call.Roll(dy, call.Neg(op.shift), op.axis), None, None),
    reference=_roll_reference,
    samples=(
        sample(f32(5), i32(2), i32(0)),
        sample(f32(3, 4), i32([1, -2]), i32([0, -1]), const=(1, 2)),
        sample(f32(2, 3, 5), i32([7, 1, 1]), np.array([1, 0, 1])),
        sample(f32(3, 4), i32([]), i32([])),
        sample(f32(0, 3), i32([1]), i32([0])),
        sample(f32(3, 0), np.array(5), i32(1)),
        sample(np.array([b"a", b"b", b"c"], object), i32(1), i32(0)),
        sample(i32([[1, 2], [3, 4]]), i32(-1), i32(0)),
    ),
    errors=(
        error_sample(ValueError, "input must have at least 1 axes", f32(), i32(1), i32(0)),
        error_sample(ValueError, "must have the same size", f32(3), i32([1, 2]), i32([0])),
        error_sample(ValueError, "axis 1 is out of range", f32(3), i32(1), i32(1), const=(2,)),
        error_sample(Exception, "axis 1 is out of range|invalid argument",
                     f32(3), i32(1), i32(1), stage="run"),
    ),
    doc="``input`` moved by shift[j] places along axis[j], round the end.",
)  # fmt: skip


@export("roll", "manip.roll")
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """Elements moved along axes; what leaves at the end comes in again at the beginning.

    output[..., (i + shift) % n, ...] = input[..., i, ...]

    Args:
        input: a tensor of at least one axis.
        shift: by how many places, positive toward the end: a number, or one for each of ``axis``.
        axis: along which: a number or a vector; shifts of an axis named twice add up.
        name: of the operation; ``Roll`` by default.

    Raises:
        ValueError: ``shift`` and ``axis`` do not fit together, or an axis is out of range.
        InvalidArgumentError: the same, where only the run tells.

    Gradient: dy moved back.

    >>> print(tf.Session().run(tf.roll([0, 1, 2, 3, 4], shift=2, axis=0)))
    [3 4 0 1 2]
    """
    return apply_op("Roll", input, shift, axis, name=name)


# ------------------------------------------------------------------------------- reverse_sequence

#: Two of the axes matter, ``first`` and ``second``; the others make outer, middle and row.
_REVERSE = """
for i in range(batch):
    n = int64(load(seq_lengths, i))
    if n < 0 or n > steps:
        return 3
for o in range(outer):
    for i in range(first):
        for m in range(middle):
            for j in range(second):
                b = i if batch_first != 0 else j
                s = j if batch_first != 0 else i
                n = int64(load(seq_lengths, b))
                t = n - 1 - s if s < n else s
                p = i if batch_first != 0 else t
                q = t if batch_first != 0 else j
                source = (((o * first + p) * middle + m) * second + q) * row
                target = (((o * first + i) * middle + m) * second + j) * row
                for e in independent(row):
                    store(output, target + e, load(input, source + e))
return 0
"""


def _sequence_axes(call_: Call, rank: int) -> tuple[int, int]:
    """(axis of the steps, axis of the batch)"""
    places = []
    for what in ("seq_dim", "batch_dim"):
        number = call_.attrs[what]
        if not 0 <= number < rank:
            raise ShapeError(f"{what} {number} is out of range for {rank} axes")
        places.append(number)
    if places[0] == places[1]:
        raise ShapeError(f"seq_dim and batch_dim are the same axis, {places[0]}")
    return places[0], places[1]


def _reverse_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    (count,) = require_rank(call_.shapes[1], 1, "seq_lengths")
    if dims is None:
        return [None]
    _, batch = _sequence_axes(call_, len(dims))
    try:
        size = merge_size(dims[batch], count)
    except ShapeError:
        raise ShapeError(f"{count} seq_lengths for a batch of {dims[batch]}") from None
    return [(*dims[:batch], size, *dims[batch + 1 :])]


def _reverse_sizes(call_: Call) -> Mapping[str, int]:
    shape: Any = call_.shapes[0]
    steps, batch = _sequence_axes(call_, len(shape))
    low, high = sorted((steps, batch))
    return {
        "outer": math.prod(shape[:low]), "first": shape[low], "second": shape[high],
        "middle": math.prod(shape[low + 1 : high]), "row": math.prod(shape[high + 1 :]),
        "batch": shape[batch], "steps": shape[steps], "batch_first": int(batch < steps),
    }  # fmt: skip


def _reverse_reference(call_: Call, x: Any, lengths: Any) -> Any:
    steps, batch = _sequence_axes(call_, x.ndim)
    if len(lengths) != x.shape[batch]:
        raise invalid(f"{len(lengths)} seq_lengths for a batch of {x.shape[batch]}")
    wrong = np.flatnonzero((lengths < 0) | (lengths > x.shape[steps]))
    if wrong.size:
        i = int(wrong[0])
        raise invalid(f"seq_lengths[{i}] = {lengths[i]} is not in [0, {x.shape[steps]}]")
    result = x.copy()
    rows, given = (np.moveaxis(a, (batch, steps), (0, 1)) for a in (result, x))
    for i, n in enumerate(lengths):
        rows[i, :n] = given[i, :n][::-1]
    return result


define(
    "ReverseSequence",
    "input: T, seq_lengths: Tlen -> output: T",
    seq_dim=Attr("int", REQUIRED),
    batch_dim=0,
    T=dtypes_of(ALL),
    Tlen=dtypes_of(INDEX, int64),
    infer=_reverse_infer,
    kernel=Procedure(_REVERSE, sizes=_reverse_sizes, moves=("T",)),
    grad=lambda op, dy: (
        call.ReverseSequence(
            dy, op.seq_lengths, seq_dim=op.attrs["seq_dim"], batch_dim=op.attrs["batch_dim"]
        ),
        None,
    ),
    reference=_reverse_reference,
    samples=(
        sample(f32(3, 4), np.array([2, 4, 0]), seq_dim=1),
        sample(f32(4, 2, 3), i32([1, 3, 2]), seq_dim=0, batch_dim=2),
        sample(f32(2, 3, 4, 2), i32([3, 2, 1]), seq_dim=2, batch_dim=1),
        sample(f32(0, 3), i32([]), seq_dim=1),
        sample(f32(2, 0), i32([0, 0]), seq_dim=1),
        sample(np.array([[b"a", b"b"]], object), i32([2]), seq_dim=1),
    ),
    errors=(
        error_sample(ValueError, "2 seq_lengths for a batch of 3", f32(3, 4), i32([1, 1]),
                     seq_dim=1),
        error_sample(ValueError, "are the same axis", f32(3, 4), i32([1, 1, 1]), seq_dim=0),
        error_sample(ValueError, "seq_dim 2 is out of range", f32(3, 4), i32([1, 1, 1]),
                     seq_dim=2),
        error_sample(Exception, r"seq_lengths\[1\] = 5 is not in \[0, 4\]|invalid argument",
                     f32(2, 4), i32([1, 5]), seq_dim=1, stage="run"),
        error_sample(Exception, r"seq_lengths\[0\] = -1 is not in|invalid argument",
                     f32(2, 4), i32([-1, 3]), seq_dim=1, stage="run"),
    ),
    doc="The first seq_lengths[b] steps of every batch entry b turned round.",
)  # fmt: skip


@export("reverse_sequence")
def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """The first ``seq_lengths[b]`` steps of every batch entry b turned round, the others as is.

    Args:
        input: a tensor of at least two axes.
        seq_lengths: an int32 or int64 vector, one number for each batch entry, at most as many as
            there are steps.
        seq_axis: the axis of the steps.
        batch_axis: the axis of the batch; 0 by default.
        name: of the operation; ``ReverseSequence`` by default.
        seq_dim: older name of ``seq_axis``.
        batch_dim: older name of ``batch_axis``.

    Raises:
        ValueError: the lengths do not fit the batch, or an axis is out of range.
        InvalidArgumentError: a length is negative or too large (when run).

    Gradient: dy turned round again.

    >>> print(tf.Session().run(tf.reverse_sequence([[1, 2, 3], [4, 5, 6]], [2, 3], seq_axis=1)))
    [[2 1 3]
     [6 5 4]]
    """
    steps = one_name("reverse_sequence", seq_axis=seq_axis, seq_dim=seq_dim)
    if steps is None:
        raise ValueError("reverse_sequence: seq_axis must be given")
    batch = one_name("reverse_sequence", batch_axis=batch_axis, batch_dim=batch_dim)
    return apply_op(
        "ReverseSequence", input, seq_lengths, seq_dim=int(steps), batch_dim=int(batch or 0),
        name=name,
    )  # fmt: skip


# ------------------------------------------------------------------------------------- mirror pad

#: For every row of the padded tensor, the row of the other one that it mirrors.
_ROWS = """
for r in range(rows):
    rest = r
    other = int64(0)
    step = int64(1)
{coordinates}
"""

_MIRROR = f"""{_ROWS}
    for e in independent(before):
        store(output, r * row + e, load(input, other * n + before - e - 1 + edge))
    for e in independent(n):
        store(output, r * row + before + e, load(input, other * n + e))
    for e in independent(row - before - n):
        store(output, r * row + before + n + e, load(input, other * n + n - 1 - e - edge))
return 0
"""

_MIRROR_GRAD = f"""
for e in independent(total):
    store(output, e, {{T}}(0))
{_ROWS}
    for e in range(row):
        k = e - before
        k = -k - 1 + edge if k < 0 else k
        k = 2 * n - 1 - k - edge if k >= n else k
        store(output, other * n + k, load(output, other * n + k) + load(input, r * row + e))
return 0
"""


def _edge(call_: Call) -> int:
    """Places between an element at the border and the first that mirrors it, less one."""
    mode = call_.attrs["mode"]
    if mode not in ("REFLECT", "SYMMETRIC"):
        raise ShapeError(f"mode {mode!r} is neither REFLECT nor SYMMETRIC")
    return int(mode == "REFLECT")


def _check_mirror(inner: Any, paddings: np.ndarray[Any, Any], edge: int) -> None:
    if np.any(paddings < 0):
        raise ShapeError(f"paddings must not be negative: {paddings.tolist()}")
    for axis, (size, most) in enumerate(zip(inner, paddings.max(1).tolist(), strict=True)):
        if size is not None and most > max(size - edge, 0):
            raise ShapeError(
                f"paddings[{axis}] = {paddings[axis].tolist()} mirror more than axis {axis} of "
                f"size {size} has"
            )


def _mirror_infer(backward: bool) -> Any:
    def infer(call_: Call) -> list[Dims]:
        dims = call_.shapes[0]
        rows, pair = require_rank(call_.shapes[1], 2, "paddings")
        edge = _edge(call_)
        if pair not in (2, None):
            raise ShapeError(f"paddings must have shape [rank, 2], not [{rows}, {pair}]")
        if dims is not None and rows is not None and rows != len(dims):
            raise ShapeError(f"paddings has {rows} rows for shape {format_dims(dims)}")
        amounts = call_.value(1)
        if amounts is None or dims is None:
            rank = rows if dims is None else len(dims)
            return [None if rank is None else (None,) * rank]
        added = amounts.sum(axis=1).tolist()
        sign = -1 if backward else 1
        other = [None if d is None else d + sign * n for d, n in zip(dims, added, strict=True)]
        if any(d is not None and d < 0 for d in other):
            raise ShapeError(f"paddings {amounts.tolist()} are larger than {format_dims(dims)}")
        _check_mirror(other if backward else dims, amounts, edge)
        return [tuple(other)]

    return infer


def _inner_and_outer(call_: Call) -> tuple[Any, Any]:
    """The shapes without and with the frame."""
    shapes = (call_.shapes[0], call_.out_shapes[0])
    return shapes if call_.type == "MirrorPad" else shapes[::-1]


def _mirror_sizes(call_: Call) -> Mapping[str, int]:
    inner, outer = _inner_and_outer(call_)
    paddings: Any = call_.value(1)
    sizes = {
        "edge": _edge(call_),
        "row": outer[-1] if outer else 1,
        "n": inner[-1] if inner else 1,
        "before": int(paddings[-1, 0]) if inner else 0,
        "rows": math.prod(outer[:-1]) if 0 not in outer else 0,
        "total": math.prod(inner),
    }
    for d in range(len(inner) - 1):
        sizes |= {f"outer{d}": outer[d], f"inner{d}": inner[d], f"before{d}": int(paddings[d, 0])}
    return sizes


def _mirror_choices(call_: Call) -> Mapping[str, str]:
    lines = []
    for d in reversed(range(len(_inner_and_outer(call_)[0]) - 1)):
        lines += [
            f"k = rest % outer{d} - before{d}",
            f"rest = rest // outer{d}",
            "k = -k - 1 + edge if k < 0 else k",
            f"k = 2 * inner{d} - 1 - k - edge if k >= inner{d} else k",
            "other += k * step",
            f"step = step * inner{d}",
        ]
    return {"coordinates": "\n".join("    " + line for line in lines)}


def _mirror_kernel(text: str) -> Procedure:
    return Procedure(text, sizes=_mirror_sizes, choices=_mirror_choices, known=(1,), whole=True)


def _places(size: int, frame: list[int], edge: int) -> np.ndarray[Any, Any]:
    """Where every element of a mirrored axis comes from."""
    before, behind = frame
    numbers = np.arange(size)
    left = numbers[edge : edge + before][::-1]
    right = numbers[size - edge - behind : size - edge][::-1]
    return np.concatenate([left, numbers, right])


def _checked_paddings(call_: Call, inner: Any, paddings: Any) -> Any:
    try:
        _check_mirror(inner, paddings, _edge(call_))
    except ShapeError as error:
        raise invalid(error.headline) from None
    return paddings.tolist()


def _mirror_reference(call_: Call, x: Any, paddings: Any) -> Any:
    for axis, pair in enumerate(_checked_paddings(call_, x.shape, paddings)):
        x = np.take(x, _places(x.shape[axis], pair, _edge(call_)), axis)
    return x


def _mirror_grad_reference(call_: Call, dy: Any, paddings: Any) -> Any:
    inner = np.array(dy.shape, np.int64) - paddings.sum(1)
    for axis, pair in enumerate(_checked_paddings(call_, inner, paddings)):
        rows = np.moveaxis(dy, axis, 0)
        total = np.zeros((inner[axis], *rows.shape[1:]), dy.dtype)
        np.add.at(total, _places(inner[axis], pair, _edge(call_)), rows)
        dy = np.moveaxis(total, 0, axis)
    return dy


_FRAMES: tuple[tuple[Any, Any, str], ...] = (
    (f32(3, 4), i32([[1, 2], [3, 0]]), "REFLECT"),
    (f32(3, 4), i32([[3, 2], [0, 4]]), "SYMMETRIC"),
    (f32(2, 3, 4), i32([[1, 0], [0, 0], [2, 3]]), "REFLECT"),
    (f32(2, 1), i32([[2, 1], [1, 1]]), "SYMMETRIC"),
    (f32(), np.zeros((0, 2), np.int32), "REFLECT"),
    (f32(0, 3), i32([[0, 0], [1, 1]]), "SYMMETRIC"),
    (i32([1, 2, 3]), np.array([[1, 2]]), "REFLECT"),
)


def _framed(x: Any, paddings: Any) -> Any:
    shape = np.array(x.shape, np.int64) + paddings.sum(1)
    return np.resize(x, shape) if x.size else np.zeros(shape, x.dtype)


_BAD_FRAMES: tuple[tuple[Any, ...], ...] = (
    (ValueError, r"paddings\[0\] = \[3, 0\] mirror more than axis 0", [[3, 0]], "REFLECT"),
    (ValueError, r"paddings\[0\] = \[0, 4\] mirror more", [[0, 4]], "SYMMETRIC"),
    (ValueError, "must not be negative", [[-1, 0]], "SYMMETRIC"),
    (ValueError, "neither REFLECT nor SYMMETRIC", [[1, 0]], "CONSTANT"),
)

define(
    "MirrorPad",
    "input: T, paddings: Tpaddings -> output: T",
    T=dtypes_of(ALL),
    Tpaddings=dtypes_of(INDEX, int32),
    mode=Attr("string", REQUIRED),
    infer=_mirror_infer(backward=False),
    kernel=_mirror_kernel(_MIRROR),
    grad=lambda op, dy: (call.MirrorPadGrad(dy, op.paddings, mode=op.attrs["mode"]), None),
    reference=_mirror_reference,
    samples=[
        *(sample(x, paddings, mode=mode, const=(1,)) for x, paddings, mode in _FRAMES),
        sample(*_FRAMES[0][:2], mode="REFLECT"),
        sample(np.array([b"a", b"b"], object), i32([[1, 1]]), mode="REFLECT", const=(1,)),
    ],
    errors=[
        *(
            error_sample(error, match, f32(3), i32(paddings), mode=mode, const=(1,))
            for error, match, paddings, mode in _BAD_FRAMES
        ),
        error_sample(ValueError, "paddings has 1 rows for shape", f32(2, 2), i32([[1, 1]]),
                     mode="REFLECT"),
        error_sample(Exception, "mirror more than axis 0", f32(3), i32([[3, 0]]), mode="REFLECT",
                     stage="run"),
    ],
    doc="``input`` framed by its own mirror image: REFLECT leaves out the border, SYMMETRIC not.",
)  # fmt: skip

define(
    "MirrorPadGrad",
    "input: T, paddings: Tpaddings -> output: T",
    T=dtypes_of(NUMERIC),
    Tpaddings=dtypes_of(INDEX, int32),
    mode=Attr("string", REQUIRED),
    infer=_mirror_infer(backward=True),
    kernel=_mirror_kernel(_MIRROR_GRAD),
    grad=lambda op, dz: (call.MirrorPad(dz, op.paddings, mode=op.attrs["mode"]), None),
    reference=_mirror_grad_reference,
    samples=[
        *(
            sample(_framed(x, paddings), paddings, mode=mode, const=(1,))
            for x, paddings, mode in _FRAMES
        ),
        sample(f32(6, 7), _FRAMES[0][1], mode="REFLECT"),
    ],
    errors=(
        error_sample(ValueError, "are larger than", f32(2), i32([[2, 2]]), mode="REFLECT",
                     const=(1,)),
        error_sample(ValueError, "mirror more than axis 0", f32(4), i32([[2, 0]]), mode="REFLECT",
                     const=(1,)),
    ),
    doc="What MirrorPad's frame repeats, added to where it came from.",
)  # fmt: skip
