"""The compiled loops of sparse operations whose result's size is data.

    given(call, *arrays) -> {"places": array, "n": 4, ...}     text     made(call, values)

None from ``given``: the reference computes it, or says what is wrong.

Read next: sparse_arithmetic.py, sparse_rearranging.py, sparse_structure.py, sparse_reductions.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.graph.opdef import Call, Compiled
from flowgraph.ops.key_tables import FIND, table_of, words_of
from flowgraph.ops.rules import only_one
from flowgraph.ops.sparse_rules import check_sparse, coordinates, flat_places

Array = np.ndarray[Any, Any]
_Given = Mapping[str, Any] | None

#: Greater than every place of an element.
_BEHIND = 2**62


def _few(shape: Sequence[int] | Array) -> bool:
    """Whether places in a tensor of that shape are int64."""
    return math.prod(np.asarray(shape).tolist()) < _BEHIND


def _words(values: Array) -> Array | None:
    """One unsigned integer for each value, or None."""
    if values.dtype.hasobject or values.dtype.itemsize > 8:
        return None
    return words_of(values)


def _rows(indices: Array) -> Array:
    return np.ascontiguousarray(indices, np.int64)


# ----------------------------------------------------------------------- two tensors become one

#: Both in order; a place may be repeated.
_MERGE = """
i, j, made = int64(0), int64(0), int64(0)
while i < n or j < m:
    place = minimum(load(places_a, i), load(places_b, j))
    row = made * rank
    for d in range(rank):
        if load(places_a, i) == place:
            store(rows, row + d, load(rows_a, i * rank + d))
        else:
            store(rows, row + d, load(rows_b, j * rank + d))
    x, y, have = load(zero, 0), load(zero, 0), int64(0)
    if load(places_a, i) == place:
        have += 1
    if load(places_b, j) == place:
        have += 1
    while load(places_a, i) == place:
        x = x + load(values_a, i)
        i += 1
    while load(places_b, j) == place:
        y = y + load(values_b, j)
        j += 1
    {combine}
    store(values, made, z)
    {keep}
store(length, 0, made)
return 0
"""

#: NB: a value that stands alone stays, however small
_ADD = _MERGE.format(
    combine="z = x + y\n    size = z if z >= load(zero, 0) else load(zero, 0) - z",
    keep="made += int64(0) if have == 2 and size < load(least, 0) else int64(1)",
)


def _in_order(indices: Array, values: Array, shape: Array) -> tuple[Array, Array, Array]:
    """(places and one behind all, rows, values) in rising order."""
    places, rows = flat_places(indices, shape), _rows(indices)
    if not (places[1:] >= places[:-1]).all():
        order = np.argsort(places, kind="stable")
        places, rows, values = places[order], rows[order], values[order]
    return np.append(places, _BEHIND), rows, np.ascontiguousarray(values)


def _pair_given(call_: Call, *given: Array) -> _Given:
    shape, values = given[2], given[1]
    if given[5].tolist() != shape.tolist() or not _few(shape):
        return None
    if values.dtype.kind not in "iuf" or values.dtype.itemsize < 2 or values.dtype == np.float16:
        return None
    for k in (0, 3):
        check_sparse(*given[k : k + 3])
    places_a, rows_a, values_a = _in_order(*given[:3])
    places_b, rows_b, values_b = _in_order(*given[3:6])
    most = len(rows_a) + len(rows_b)
    found: dict[str, Any] = {
        "n": len(rows_a), "m": len(rows_b), "rank": shape.size, "places_a": places_a,
        "places_b": places_b, "rows_a": rows_a, "rows_b": rows_b, "values_a": values_a,
        "values_b": values_b, "zero": np.zeros(1, values.dtype),
        "rows": np.empty((most, shape.size), np.int64), "values": np.empty(most, values.dtype),
        "length": np.zeros(1, np.int64), "shape": np.array(shape, np.int64),
    }  # fmt: skip
    if len(given) > 6:
        if given[6].dtype != values.dtype or given[6].size != 1:
            return None
        found["least"] = np.array(given[6]).reshape(1)
    return found


def _pair_made(call_: Call, values: Any) -> Any:
    made = int(values["length"][0])
    found = values["rows"][:made].copy(), values["values"][:made].copy()
    return found if len(call_.out_dtypes) == 2 else (*found, values["shape"])


ADD = Compiled(_ADD, _pair_given, _pair_made)
EXTREMES = {
    which: Compiled(
        _MERGE.format(combine=f"z = {which.lower()}(x, y)", keep="made += 1"),
        _pair_given,
        _pair_made,
    )
    for which in ("Maximum", "Minimum")
}

# ----------------------------------------------------------------- slopes of what is at a place

#: ``targets`` places after each other, of several tensors; of equal given places the last counts.
_SLOPES = """
for j in range(m):
    at = find(table, known, load(known, j), uint64(0), shift, mask)
    store(table, at, int32(j))
for i in range(n):
    at = find(table, known, load(keys, i), uint64(0), shift, mask)
    number = load(table, at)
    if number >= int32(0):
        store(found, i, load(slopes, int64(number)))
return 0
"""


def _slopes_given(slopes: Array, given: Array, *wanted: Array) -> _Given:
    words = _words(slopes)
    rank = given.shape[1]
    if words is None or len(slopes) != len(given) or any(x.shape[1] != rank for x in wanted):
        return None
    every = np.concatenate([given, *wanted])
    if rank == 0 or len(every) == 0 or len(every) >= 2**30:
        return None
    low, high = every.min(0), every.max(0)
    spans = [int(b) - int(a) + 1 for a, b in zip(low, high, strict=True)]
    if not _few(spans):
        return None
    places = flat_places(every - low, spans).view(np.uint64)
    n = len(every) - len(given)
    return {
        "n": n, "m": len(given), "known": places[: len(given)], "keys": places[len(given) :],
        **table_of(len(given)), "slopes": words, "found": np.zeros(n, words.dtype),
        "first": len(wanted[0]),
    }  # fmt: skip


def _slopes_of(call_: Call, values: Any) -> Any:
    return values["found"].view(call_.out_dtypes[0].np)


ADD_GRAD = Compiled(
    _SLOPES,
    lambda call_, dy, a, b, sums: _slopes_given(dy, sums, a, b),
    lambda call_, values: tuple(np.split(_slopes_of(call_, values), [values["first"]])),
    FIND,
)
SLICE_GRAD = Compiled(
    _SLOPES,
    lambda call_, dy, indices, start, kept: (
        _slopes_given(dy, kept + start, indices) if start.size == kept.shape[1] else None
    ),
    _slopes_of,
    FIND,
)

# --------------------------------------------------------------------------------- fill_empty_rows

#: ``counts``: of the values of each row; then where its next one goes.
_FILL = """
before = int64(0)
for r in range(rows):
    size = load(counts, r)
    store(counts, r, before)
    store(empty, r, size == 0)
    if size == 0:
        store(filled, before, load(default, 0))
        store(every, before * rank, r)
        for d in range(1, rank):
            store(every, before * rank + d, int64(0))
        before += 1
    before += size
for i in range(n):
    r = load(indices, i * rank)
    place = load(counts, r)
    store(counts, r, place + 1)
    store(reverse, i, place)
    store(filled, place, load(words, i))
    for d in range(rank):
        store(every, place * rank + d, load(indices, i * rank + d))
return 0
"""


def _fill_given(call_: Call, indices: Array, values: Array, shape: Array, default: Array) -> _Given:
    words = _words(values)
    if words is None or default.shape or not shape.size:
        return None
    check_sparse(indices, values, shape)
    rows, rank, n = int(shape[0]), shape.size, len(values)
    counts = np.bincount(indices[:, 0], minlength=rows).astype(np.int64)
    total = n + rows - int(np.count_nonzero(counts))
    return {
        "n": n, "rows": rows, "rank": rank, "counts": counts, "indices": _rows(indices),
        "words": words, "default": words_of(np.asarray(default, values.dtype)),
        "every": np.empty((total, rank), np.int64), "filled": np.empty(total, words.dtype),
        "empty": np.empty(rows, bool), "reverse": np.empty(n, np.int64),
    }  # fmt: skip


def _fill_made(call_: Call, values: Any) -> Any:
    filled = values["filled"].view(call_.out_dtypes[1].np)
    return values["every"], filled, values["empty"], values["reverse"]


FILL = Compiled(_FILL, _fill_given, _fill_made)

# ------------------------------------------------------------------------------------ slice, split

_SLICE = """
made = int64(0)
for i in range(n):
    inside = True
    for d in range(rank):
        k = load(indices, i * rank + d)
        inside = inside & (k >= load(start, d)) & (k < load(end, d))
        store(rows, made * rank + d, k - load(start, d))
    if inside:
        store(kept, made, load(words, i))
        made += 1
store(length, 0, made)
return 0
"""


def _slice_given(
    call_: Call, indices: Array, values: Array, shape: Array, start: Array, size: Array
) -> _Given:
    words = _words(values)
    if words is None or start.size != shape.size or size.size != shape.size:
        return None
    if (start < 0).any() or (size < 0).any():
        return None
    check_sparse(indices, values, shape)
    n = len(values)
    return {
        "n": n, "rank": shape.size, "indices": _rows(indices), "words": words,
        "start": _rows(start), "end": _rows(np.minimum(start + size, shape)),
        "rows": np.empty((n + 1, shape.size), np.int64), "kept": np.empty(n, words.dtype),
        "length": np.zeros(1, np.int64),
    }  # fmt: skip


def _slice_made(call_: Call, values: Any) -> Any:
    made = int(values["length"][0])
    kept = values["kept"][:made].copy().view(call_.out_dtypes[1].np)
    size = np.maximum(values["end"] - values["start"], 0)
    return values["rows"][:made].copy(), kept, size


SLICE = Compiled(_SLICE, _slice_given, _slice_made)

#: The first ``larger`` parts have ``each`` + 1 elements along the axis.
_SPLIT = """
def part_of(k, each, larger):
    border = larger * (each + 1)
    return k // (each + 1) if k < border else larger + (k - border) // each

"""
_SPLIT_ROWS = """
for i in range(n):
    p = part_of(load(indices, i * rank + axis), each, larger)
    store(ends, p, load(ends, p) + 1)
before = int64(0)
for p in range(count):
    size = load(ends, p)
    store(ends, p, before)
    before += size
for i in range(n):
    p = part_of(load(indices, i * rank + axis), each, larger)
    place = load(ends, p)
    store(ends, p, place + 1)
    store(kept, place, load(words, i))
    for d in range(rank):
        store(rows, place * rank + d, load(indices, i * rank + d))
    at = place * rank + axis
    store(rows, at, load(rows, at) - p * each - minimum(p, larger))
return 0
"""


def _split_given(call_: Call, axis: Array, indices: Array, values: Array, shape: Array) -> _Given:
    words, count = _words(values), call_.attrs["num_split"]
    place = only_one(axis, "split_dim")
    if words is None or not -shape.size <= place < shape.size:
        return None
    place %= shape.size
    size = int(shape[place])
    if not 1 <= count <= size:
        return None
    check_sparse(indices, values, shape)
    return {
        "n": len(values), "rank": shape.size, "axis": place, "each": size // count,
        "larger": size % count, "count": count, "indices": _rows(indices), "words": words,
        "ends": np.zeros(count, np.int64), "kept": np.empty_like(words),
        "rows": np.empty((len(values), shape.size), np.int64), "shape": _rows(shape),
    }  # fmt: skip


def _split_made(call_: Call, values: Any) -> Any:
    count, ends = values["count"], values["ends"][:-1]
    shapes = np.tile(values["shape"], (count, 1))
    shapes[:, values["axis"]] = values["each"] + (np.arange(count) < values["larger"])
    kept = values["kept"].view(call_.out_dtypes[count].np)
    return *np.split(values["rows"], ends), *np.split(kept, ends), *shapes


SPLIT = Compiled(_SPLIT_ROWS, _split_given, _split_made, _SPLIT)

# -------------------------------------------------------------------------------------- reductions

#: Places in order: those of one result stand together.
_REDUCE = """
made = int64(0)
i = int64(0)
while i < n:
    place = load(places, i)
    total = load(values, i)
    i += 1
    while load(places, i) == place:
        total = {combine}
        i += 1
    store(kept, made, place)
    store(totals, made, total)
    made += 1
store(length, 0, made)
return 0
"""


def _reduce_given(call_: Call, indices: Array, values: Array, shape: Array, axes: Array) -> _Given:
    rank = shape.size
    chosen = axes.reshape(-1).tolist()
    if values.dtype.kind not in "iuf" or any(not -rank <= d < rank for d in chosen):
        return None
    reduced = {d % rank for d in chosen}
    if len(reduced) < len(chosen):
        return None
    check_sparse(indices, values, shape)
    sizes = shape.tolist()
    rest = [1 if d in reduced else size for d, size in enumerate(sizes)]
    if not _few(rest):
        return None
    stretched = np.array([d not in reduced for d in range(rank)], np.int64)
    places = flat_places(indices * stretched, rest)
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
    if not (places[1:] >= places[:-1]).all():
        order = np.argsort(places, kind="stable")
        places, values = places[order], values[order]
    keep = call_.attrs["keep_dims"]
    final = rest if keep else [size for d, size in enumerate(sizes) if d not in reduced]
    return {
        "n": len(values), "places": np.append(places, _BEHIND),
        "values": np.ascontiguousarray(values), "kept": np.empty(len(values), np.int64),
        "totals": np.empty(len(values), values.dtype), "length": np.zeros(1, np.int64),
        "final": np.array(final, np.int64),
    }  # fmt: skip


def _reduce_made(call_: Call, values: Any) -> Any:
    made, final = int(values["length"][0]), values["final"]
    totals = values["totals"][:made].astype(call_.out_dtypes[1].np)
    return coordinates(values["kept"][:made], final), totals, final


REDUCTIONS = {
    which: Compiled(_REDUCE.format(combine=combine), _reduce_given, _reduce_made)
    for which, combine in (
        ("Sum", "total + load(values, i)"),
        ("Max", "maximum(total, load(values, i))"),
    )
}
