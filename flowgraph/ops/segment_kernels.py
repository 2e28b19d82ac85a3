"""What segments.py and sparse_segments.py share: the kernel of sorted segments and its reference.

One pass over the ids: the rows of the result that no id names are filled, the first row of a
segment is copied, the others are combined with it.

Read next: segments.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.graph.opdef import Call
from flowgraph.shapes import is_fully_known

#: How two values of a segment become one, in kernel text and in NumPy.
COMBINE: dict[str, tuple[str, Any]] = {
    "Sum": ("a + b", np.add),
    "Mean": ("a + b", np.add),
    "Prod": ("a * b", np.multiply),
    "Max": ("maximum(a, b)", np.maximum),
    "Min": ("minimum(a, b)", np.minimum),
}


def segment_sizes(call_: Call) -> tuple[int, int]:
    """(number of ids, elements of one row of data) of a call on (data, ids, ...)."""
    data, ids = call_.shapes[:2]
    assert is_fully_known(data) and is_fully_known(ids)
    return math.prod(ids), math.prod(data[len(ids) :])  # type: ignore[arg-type,index]


def wide(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``x`` with room for sums and products of floats."""
    return x.astype(np.float64) if x.dtype.kind == "f" else x


#: One segment after the other: the rows before it that no id names, its first row, the others.
SORTED = """
previous = int64(0)
for i in range(n):
    k = int64(load(segment_ids, i))
    if k < previous:
        return 3
    if k >= count:
        return 2
    previous = k
{check}
made = int64(0)
i = int64(0)
while i < n:
    k = int64(load(segment_ids, i))
    for e in independent((k - made) * row):
        store(output, made * row + e, {data}({gap}))
    first = {source}
    for e in independent(row):
        store(output, k * row + e, load(data, first * row + e))
    size = int64(1)
    i += 1
    while i < n and int64(load(segment_ids, i)) == k:
        at = {source}
        for e in independent(row):
            a = load(output, k * row + e)
            b = load(data, at * row + e)
            store(output, k * row + e, {combine})
        size += 1
        i += 1
    {finish}
    made = k + 1
for e in independent((count - made) * row):
    store(output, made * row + e, {data}({gap}))
return 0
"""

#: Sums divided by what their segment's size says.
FINISH = """for e in independent(row):
        store(output, k * row + e, {divided})"""


def sorted_count(ids: np.ndarray[Any, Any] | None) -> int | None:
    """Segments that sorted ids have; None when they are not known, or wrong."""
    if ids is None or ids.ndim != 1:
        return None
    if not ids.size:
        return 0
    return int(ids[-1]) + 1 if ids[0] >= 0 and bool((np.diff(ids) >= 0).all()) else None


def sorted_reduce(
    combine: Any, rows: np.ndarray[Any, Any], ids: np.ndarray[Any, Any], count: int, gap: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(combined rows, segment sizes); floats in float64."""
    rows = wide(rows)
    result = np.full((count, *rows.shape[1:]), gap, rows.dtype)
    if ids.size:
        starts = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1))
        result[ids[starts]] = combine.reduceat(rows, starts, 0)
    return result, np.bincount(ids, minlength=count)
