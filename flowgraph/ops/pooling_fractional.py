"""Fractional pooling: cells of one or two sizes, in random order, so that 10 rows can become 7.

    seq = [0 1 3 4 6]   ==>   cells [0] [1 2] [3] [4 5]   (overlapping: [0 1] [1 2 3] [3 4] [4 5])

Rows and columns have a sequence of their own.  With ``deterministic`` every run draws the same from
the given seeds, and the sequences are TensorFlow's.

Source: Graham, "Fractional max-pooling" (2014).  Read next: pooling.py.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    RANDOM,
    REQUIRED,
    Attr,
    Call,
    Compiled,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.philox import Stream
from flowgraph.ops.random_seeds import seeds_of
from flowgraph.ops.rules import f32, i32, invalid, merge_all, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError

_DTYPES = frozenset(("float32", "float64", "int32", "int64"))

# -------------------------------------------------------------------------------------- sequences


def _sequence(
    size: int, count: int, pseudo_random: bool, seeds: tuple[int, int], counter: Any
) -> np.ndarray[Any, Any]:
    """Where ``count`` cells of ``size`` elements begin, and their end; advances ``counter``."""
    each = size // count
    if pseudo_random:
        # cell i begins at ceil(ratio * (i + u)) - 1, u such that no cell is larger than each + 1
        u = Stream(*seeds, counter.copy()).uniform(1, np.dtype(np.float64)).item()
        counter += 1
        ratio = size / count
        most = min((each + 2) / ratio - 1, (size + 1 - each) / ratio - (count - 1))
        begins = np.ceil(ratio * (np.arange(1, count) + u * most)).astype(np.int64) - 1
        return np.concatenate([[0], begins, [size]])
    larger = size % count
    sizes = np.array([each + 1] * larger + [each] * (count - larger))
    order = Stream(*seeds, counter.copy()).permutation(count)
    counter += -(-count // 4)
    return np.concatenate([[0], np.cumsum(sizes[order])])


def _cells(sequence: Any, overlapping: bool) -> list[tuple[int, int]]:
    """(begin, end) of every cell."""
    last = int(sequence[-1])
    return [(int(a), min(int(b) + overlapping, last)) for a, b in pairwise(sequence)]


def _check(sequence: Any, size: int, what: str) -> None:
    if sequence.size < 2 or sequence.min() < 0 or sequence.max() > size or np.any(
        np.diff(sequence) < 1
    ):  # fmt: skip
        raise invalid(f"{what} {sequence.tolist()} does not divide {size} elements into cells")


# ---------------------------------------------------------------------------------------- records


def _infer(call_: Call) -> list[Dims]:
    dims = require_rank(call_.shapes[0], 4, "value")
    ratio = call_.attrs["pooling_ratio"]
    if len(ratio) != 4:
        raise ShapeError(f"pooling_ratio must hold 4 numbers, not {len(ratio)}")
    if min(ratio) < 1:
        raise ShapeError(f"pooling_ratio must not be smaller than 1: {list(ratio)}")
    if ratio[0] != 1 or ratio[3] != 1:
        raise ShapeError(f"pooling_ratio must be 1 for batch and channels: {list(ratio)}")
    pooled = [
        None if size is None else math.floor(size / r)
        for size, r in zip(dims, ratio, strict=True)
    ]  # fmt: skip
    if 0 in pooled[1:3]:
        raise ShapeError(f"pooling_ratio {list(ratio)} leaves no cell")
    ends = [None if n is None else n + 1 for n in pooled[1:3]]
    return [tuple(pooled), (ends[0],), (ends[1],)]


def _sequences(call_: Call, counter: Any, x: Any) -> list[Any]:
    """Where rows and columns of cells begin, and their ends."""
    attrs = call_.attrs
    if attrs["deterministic"]:
        counter = np.zeros(1, np.int64)
    seeds = attrs["seed"], attrs["seed2"]
    sequences = []
    for axis in (1, 2):
        count = math.floor(x.shape[axis] / attrs["pooling_ratio"][axis])
        if count == 0:
            raise invalid(f"pooling_ratio leaves no cell of {x.shape[axis]} elements")
        sequences.append(_sequence(x.shape[axis], count, attrs["pseudo_random"], seeds, counter))
    return sequences


def _forward(average: bool) -> Any:
    def reference(call_: Call, counter: Any, x: Any) -> Any:
        sequences = _sequences(call_, counter, x)
        rows, columns = (_cells(s, call_.attrs["overlapping"]) for s in sequences)
        y = np.empty((x.shape[0], len(rows), len(columns), x.shape[3]), x.dtype)
        for i, (a, b) in enumerate(rows):
            for j, (c, d) in enumerate(columns):
                cell = x[:, a:b, c:d]
                y[:, i, j] = _mean(cell) if average else cell.max((1, 2))
        return y, *(s.astype(np.int64) for s in sequences)

    return reference


#: Over every cell of every image and channel; ``element``: what is done with each of its elements.
_CELLS = """
for b in range(batch):
    for i in range(down):
        r0 = load(row_pooling_sequence, i)
        r1 = minimum(load(row_pooling_sequence, i + 1) + overlapping, height)
        for j in range(across):
            c0 = load(col_pooling_sequence, j)
            c1 = minimum(load(col_pooling_sequence, j + 1) + overlapping, width)
            for e in range(channels):
                first = ((b * height + r0) * width + c0) * channels + e
                cell = ((b * down + i) * across + j) * channels + e
                {begin}
                for r in range(r0, r1):
                    for c in range(c0, c1):
                        at = ((b * height + r) * width + c) * channels + e
                        {element}
                {end}
return 0
"""

#: A sequence that does not divide an axis into cells.
_DIVIDED = """
def divides(sequence, count, size):
    right = (load(sequence, 0) >= 0) & (load(sequence, count) <= size)
    for i in range(count):
        right = right & (load(sequence, i) < load(sequence, i + 1))
    return right

"""
_CHECK = """
if not divides(row_pooling_sequence, down, height) or not divides(
    col_pooling_sequence, across, width
):
    return 3
"""
_GREATEST = {
    "begin": "top = load(x, first)",
    "element": "top = maximum(top, load(x, at))",
    "end": "store(y, cell, top)",
}
_SUM = {
    "begin": "total = load(zero, 0)",
    "element": "total = total + load(x, at)",
    "end": "store(y, cell, total)",
}


def _cell_sizes(call_: Call, image: Sequence[int], pooled: Sequence[int]) -> dict[str, int]:
    batch, height, width, channels = (int(n) for n in image)
    return {"batch": batch, "height": height, "width": width, "channels": channels,
            "down": int(pooled[1]), "across": int(pooled[2]),
            "overlapping": int(call_.attrs["overlapping"])}  # fmt: skip


def _pooled(average: bool) -> Compiled:
    def given(call_: Call, counter: Any, x: Any) -> dict[str, Any]:
        rows, columns = (s.astype(np.int64) for s in _sequences(call_, counter, x))
        shape = (x.shape[0], len(rows) - 1, len(columns) - 1, x.shape[3])
        exact = x.astype(np.float64) if average and x.dtype.kind == "f" else x
        return {
            **_cell_sizes(call_, x.shape, shape), "x": np.ascontiguousarray(exact),
            "y": np.empty(shape, exact.dtype), "zero": np.zeros(1, exact.dtype),
            "row_pooling_sequence": rows, "col_pooling_sequence": columns,
        }  # fmt: skip

    def made(call_: Call, values: Any) -> Any:
        y = values["y"]
        sequences = values["row_pooling_sequence"], values["col_pooling_sequence"]
        if average:
            down, across = (
                np.diff(np.array(_cells(s, call_.attrs["overlapping"]))).reshape(-1)
                for s in sequences
            )
            count = (down[:, None] * across)[None, :, :, None]
            y = y / count if y.dtype.kind == "f" else np.sign(y) * (np.abs(y) // count)
        return y, *sequences

    return Compiled(_CELLS.format(**(_SUM if average else _GREATEST)), given, made)


#: The first element of a cell that equals ``top`` (its first, if that is NaN) gets the derivative.
_FIRST_EQUAL = """place = first
                found = False
                for r in range(r0, r1):
                    for c in range(c0, c1):
                        at = ((b * height + r) * width + c) * channels + e
                        if not found and load(orig_input, at) == top:
                            place = at
                            found = True
                store(output, place, load(output, place) + load(out_backprop, cell))"""


def _max_grad_kernel() -> Procedure:
    text = _CHECK + _CELLS.format(
        begin="top = load(orig_input, first)",
        element="top = maximum(top, load(orig_input, at))",
        end=_FIRST_EQUAL,
    )
    return Procedure(
        text,
        sizes=lambda call_: _cell_sizes(call_, call_.shapes[0], call_.shapes[2]),  # type: ignore[arg-type]
        fill={0: 0},
        helpers=_DIVIDED,
        natively=lambda call_: _fits(call_, call_.shapes[0], 2),
    )


def _average_grad_kernel() -> Procedure:
    text = _CHECK + _CELLS.format(
        begin="share = load(out_backprop, cell) {by} {T}((r1 - r0) * (c1 - c0))",
        element="store(output, at, load(output, at) + share)",
        end="",
    )
    return Procedure(
        text,
        sizes=lambda call_: _cell_sizes(call_, call_.value(0), call_.shapes[1]),  # type: ignore[arg-type]
        known=(0,),
        fill={0: 0},
        helpers=_DIVIDED,
        choices=lambda call_: {"by": "/" if call_.dtypes[1].is_floating else "//"},
        natively=lambda call_: _fits(call_, call_.value(0), 1),
    )


def _fits(call_: Call, image: Any, dy: int) -> bool:
    """True when dy has one number for every cell; else the reference says what is wrong."""
    pooled, (rows, columns) = call_.shapes[dy], call_.shapes[dy + 1 : dy + 3]
    wanted = (int(image[0]), rows[0] - 1, columns[0] - 1, int(image[3]))  # type: ignore[index,operator]
    return tuple(pooled) == wanted and 0 not in wanted[1:3]  # type: ignore[arg-type]


def _mean(cell: Any) -> Any:
    """Averages; those of integers are truncated."""
    total = cell.sum((1, 2), dtype=np.float64 if cell.dtype.kind == "f" else cell.dtype)
    count = cell.shape[1] * cell.shape[2]
    if cell.dtype.kind == "f":
        return total / count
    return np.sign(total) * (np.abs(total) // count)


def _max_grad_reference(call_: Call, x: Any, y: Any, dy: Any, rows: Any, columns: Any) -> Any:
    dx = np.zeros(x.shape, np.float64 if dy.dtype.kind == "f" else dy.dtype)
    for i, j, a, b, c, d in _pairs(call_, x.shape, dy.shape, rows, columns):
        cell = x[:, a:b, c:d].reshape(x.shape[0], -1, x.shape[3])
        first = np.argmax(cell == cell.max(1, keepdims=True), 1)
        n, channel = np.indices(first.shape)
        np.add.at(dx, (n, a + first // (d - c), c + first % (d - c), channel), dy[:, i, j])
    return dx.astype(dy.dtype)


def _average_grad_reference(call_: Call, shape: Any, dy: Any, rows: Any, columns: Any) -> Any:
    size = tuple(int(n) for n in shape)
    dx = np.zeros(size, np.float64 if dy.dtype.kind == "f" else dy.dtype)
    for i, j, a, b, c, d in _pairs(call_, size, dy.shape, rows, columns):
        count = (b - a) * (d - c)
        share = dy[:, i, j] / count if dy.dtype.kind == "f" else dy[:, i, j] // count
        dx[:, a:b, c:d] += share[:, None, None].astype(dx.dtype)
    return dx.astype(dy.dtype)


def _pairs(call_: Call, image: Sequence[int], pooled: Any, rows: Any, columns: Any) -> Any:
    """(i, j, first row, end, first column, end) of every cell."""
    _check(rows, image[1], "row_pooling_sequence")
    _check(columns, image[2], "col_pooling_sequence")
    down, across = (_cells(s, call_.attrs["overlapping"]) for s in (rows, columns))
    wanted = (image[0], len(down), len(across), image[3])
    if tuple(pooled) != wanted:
        raise invalid(f"out_backprop of shape {list(pooled)} for cells {list(wanted)}")
    return [(i, j, *row, *column) for i, row in enumerate(down) for j, column in enumerate(across)]


def _grad(op: Any, dy: Any, *rest: Any) -> tuple[Any]:
    x, (y, rows, columns) = op.inputs[0], op.outputs
    overlapping = op.attrs["overlapping"]
    if op.type == "FractionalMaxPool":
        dx = call.FractionalMaxPoolGrad(x, y, dy, rows, columns, overlapping=overlapping)
    else:
        shape = call.Cast(shape_of(x), DstT="int64")
        dx = call.FractionalAvgPoolGrad(shape, dy, rows, columns, overlapping=overlapping)
    return (dx,)


_NO_SECOND = not_differentiable("TensorFlow defines no second order")
_RATIO: dict[str, Any] = {"pooling_ratio": [1.0, 1.44, 1.73, 1.0]}
_FIXED: dict[str, Any] = {**_RATIO, "deterministic": True, "seed": 3, "seed2": 5}

for _type, _average in (("FractionalMaxPool", False), ("FractionalAvgPool", True)):
    define(
        _type,
        "value: T -> output: T, row_pooling_sequence: int64, col_pooling_sequence: int64",
        T=dtypes_of(_DTYPES),
        pooling_ratio=Attr("list(float)", REQUIRED),
        pseudo_random=False,
        overlapping=False,
        deterministic=False,
        seed=0,
        seed2=0,
        infer=_infer,
        grad=_grad,
        reference=_forward(_average),
        kernel=_pooled(_average),
        samples=(
            sample(f32(2, 7, 9, 3), **_FIXED),
            sample(f32(2, 7, 9, 3), **_FIXED, pseudo_random=True, overlapping=True),
            sample(f32(1, 6, 4, 1), pooling_ratio=[1.0, 2.0, 1.5, 1.0], seed=1, seed2=2),
            sample(i32(np.arange(63).reshape(1, 7, 9, 1)), **_FIXED, overlapping=True),
        ),
        errors=(
            error_sample(ValueError, "must not be smaller than 1", f32(1, 4, 4, 1),
                         pooling_ratio=[1.0, 0.5, 2.0, 1.0]),
            error_sample(ValueError, "must hold 4 numbers", f32(1, 4, 4, 1),
                         pooling_ratio=[2.0, 2.0]),
            error_sample(ValueError, "must be 1 for batch and channels", f32(1, 4, 4, 1),
                         pooling_ratio=[2.0, 1.0, 2.0, 1.0]),
            error_sample(ValueError, "leaves no cell", f32(1, 4, 4, 1),
                         pooling_ratio=[1.0, 5.0, 2.0, 1.0]),
        ),
        effect=RANDOM,
        doc=f"The {'average' if _average else 'greatest element'} of every cell of an image that "
        "random rows and columns divide.",
    )  # fmt: skip


def _max_grad_infer(call_: Call) -> list[Dims]:
    merge_all(call_.shapes[1:3])
    return [require_rank(call_.shapes[0], 4, "orig_input")]


def _average_grad_infer(call_: Call) -> list[Dims]:
    shape = call_.partial(0)
    return [(None,) * 4 if shape is None else require_rank(shape, 4, "the image")]


_ROWS, _COLUMNS = np.array([0, 2, 3, 5]), np.array([0, 1, 3])
_X = f32(2, 5, 3, 2)
_Y, _Y_OVERLAPPING = (
    np.stack(
        [np.stack([_X[:, a:b, c:d].max((1, 2)) for c, d in columns], 1) for a, b in rows], 1
    )
    for rows, columns in (
        (((0, 2), (2, 3), (3, 5)), ((0, 1), (1, 3))),
        (((0, 3), (2, 4), (3, 5)), ((0, 2), (1, 3))),
    )
)

define(
    "FractionalMaxPoolGrad",
    "orig_input: T, orig_output: T, out_backprop: T, row_pooling_sequence: int64,"
    " col_pooling_sequence: int64 -> output: T",
    T=dtypes_of(_DTYPES),
    overlapping=False,
    infer=_max_grad_infer,
    grad=_NO_SECOND,
    kernel=_max_grad_kernel(),
    reference=_max_grad_reference,
    samples=(
        sample(_X, _Y, f32(2, 3, 2, 2, seed=1), _ROWS, _COLUMNS, differentiable=()),
        sample(_X, _Y_OVERLAPPING, f32(2, 3, 2, 2), _ROWS, _COLUMNS, overlapping=True,
               differentiable=()),
    ),
    errors=(
        error_sample(Exception, "does not divide 5 elements", _X, _Y, _Y, _ROWS + 1, _COLUMNS,
                     stage="run"),
        error_sample(Exception, "for cells", _X, _Y, _Y, _ROWS[:-1], _COLUMNS, stage="run"),
    ),
    doc="Gradient of FractionalMaxPool: to the first maximum of every cell.",
)  # fmt: skip
define(
    "FractionalAvgPoolGrad",
    "orig_input_tensor_shape: int64, out_backprop: T, row_pooling_sequence: int64,"
    " col_pooling_sequence: int64 -> output: T",
    T=dtypes_of(_DTYPES),
    overlapping=False,
    infer=_average_grad_infer,
    grad=_NO_SECOND,
    kernel=_average_grad_kernel(),
    reference=_average_grad_reference,
    samples=(
        sample(np.array([2, 5, 3, 2]), f32(2, 3, 2, 2), _ROWS, _COLUMNS, const=(0,),
               differentiable=()),
        sample(np.array([2, 5, 3, 2]), f32(2, 3, 2, 2), _ROWS, _COLUMNS, overlapping=True,
               differentiable=()),
    ),
    errors=(
        error_sample(Exception, "does not divide 5 elements", np.array([2, 5, 3, 2]), _Y,
                     _ROWS - 1, _COLUMNS, stage="run"),
    ),
    doc="Gradient of FractionalAvgPool: divided evenly over every cell.",
)  # fmt: skip


FractionalPool = namedtuple(
    "FractionalPool", ["output", "row_pooling_sequence", "col_pooling_sequence"]
)


def _pool(
    type: str,
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool,
    overlapping: bool,
    deterministic: bool,
    seed: int,
    seed2: int,
    name: str | None,
) -> FractionalPool:
    x = convert_to_tensor(value, name="value")
    seeds = {"seed": seed, "seed2": seed2}
    if not deterministic and (seed or seed2):
        raise ValueError(f"{type}: seeds {seed}, {seed2} need deterministic=True")
    if not (seed or seed2):
        seeds = seeds_of(None, name or type)
    found = apply_op(
        type,
        x,
        pooling_ratio=[float(r) for r in pooling_ratio],
        pseudo_random=bool(pseudo_random),
        overlapping=bool(overlapping),
        deterministic=bool(deterministic),
        **seeds,
        name=name,
    )
    return FractionalPool(*found)


@export("nn.fractional_max_pool")
def fractional_max_pool(
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    deterministic: bool = False,
    seed: int = 0,
    seed2: int = 0,
    name: str | None = None,
) -> FractionalPool:
    """The greatest element of every cell of an image that random rows and columns divide.

    Args:
        value: (batch, height, width, channels); float32, float64, int32 or int64.
        pooling_ratio: [1, r, s, 1]: the result has floor(height / r) rows, floor(width / s)
            columns.
        pseudo_random: begin cells at ceil(r * (i + u)) with one random u, instead of shuffling
            cells of the two sizes.
        overlapping: cells share their last row and column with the next.
        deterministic: draw the same cells in every run.
        seed, seed2: which, if deterministic; by default the operation's name decides.
        name: of the operation; ``FractionalMaxPool`` by default.

    Returns:
        A named tuple (output, row_pooling_sequence, col_pooling_sequence); a sequence holds where
        cells begin, and the size.

    Raises:
        ValueError: a ratio below 1, or seeds without ``deterministic``.

    Gradient: dy, where the cell's first maximum lies.

    >>> x = tf.reshape(tf.range(5.0), [1, 1, 5, 1])
    >>> y = tf.nn.fractional_max_pool(x, [1, 1, 2.5, 1], deterministic=True, seed=1)
    >>> tf.Session().run(y.output)[0, 0, :, 0]
    array([1., 4.], dtype=float32)
    """
    return _pool(
        "FractionalMaxPool", value, pooling_ratio, pseudo_random, overlapping, deterministic,
        seed, seed2, name,
    )  # fmt: skip


@export("nn.fractional_avg_pool")
def fractional_avg_pool(
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    deterministic: bool = False,
    seed: int = 0,
    seed2: int = 0,
    name: str | None = None,
) -> FractionalPool:
    """The average of every cell of an image that random rows and columns divide.

    Args:
        value, pooling_ratio, pseudo_random, overlapping, deterministic, seed, seed2: see
            ``fractional_max_pool``; averages of integers are truncated.
        name: of the operation; ``FractionalAvgPool`` by default.

    Returns:
        A named tuple (output, row_pooling_sequence, col_pooling_sequence).

    Raises:
        ValueError: a ratio below 1, or seeds without ``deterministic``.

    Gradient: dy divided evenly over the cell.
    """
    return _pool(
        "FractionalAvgPool", value, pooling_ratio, pseudo_random, overlapping, deterministic,
        seed, seed2, name,
    )  # fmt: skip
