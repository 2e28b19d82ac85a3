"""The compiled loops of results whose size depends on values: Where, Unique, ListDiff, partitions.

    given(call, *arrays) -> {"keys": array, "n": 4, ...}     text     made(call, values)

None from ``given``: the reference computes it, or says what is wrong.

Read next: partitioning.py (the records), graph/opdef.py (the rule Compiled).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.graph.opdef import Call, Compiled
from flowgraph.ops.key_tables import FIND, keys_of, table_for, table_of, words_of

Array = np.ndarray[Any, Any]
_Given = Mapping[str, Any] | None

# ------------------------------------------------------------------------------------------- where

#: ``at`` counts the rows of the last axis, in coordinates.  NB: of up to two axes every place is
#: written, and the next over it where the mask does not hold: branches on data cost more.
_WHERE = """
made = int64(0)
for o in range(outer):
    if rank == 1:
        for i in range(inner):
            store(places, made, i)
            made += int64(load(mask, i))
    elif rank == 2:
        for i in range(inner):
            store(places, 2 * made, o)
            store(places, 2 * made + 1, i)
            made += int64(load(mask, o * inner + i))
    else:
        for i in range(inner):
            if load(mask, o * inner + i):
                row = made * rank
                for d in range(rank - 1):
                    store(places, row + d, load(at, d))
                store(places, row + rank - 1, i)
                made += 1
    d = rank - 2
    while d >= 0:
        k = load(at, d) + 1
        if k < load(shape, d):
            store(at, d, k)
            d = int64(-1)
        else:
            store(at, d, int64(0))
            d -= 1
return 0
"""


def _where_given(call_: Call, x: Array) -> _Given:
    if x.ndim == 0:
        return None
    mask = np.ascontiguousarray(x if x.dtype == bool else x != 0)
    return {
        "mask": mask, "outer": math.prod(x.shape[:-1]), "inner": x.shape[-1], "rank": x.ndim,
        "shape": np.array(x.shape, np.int64), "at": np.zeros(x.ndim, np.int64),
        "places": np.empty((int(np.count_nonzero(mask)) + 1, x.ndim), np.int64),
    }  # fmt: skip


WHERE = Compiled(_WHERE, _where_given, lambda call_, values: values["places"][:-1])

# ------------------------------------------------------------------------------------------ unique

_UNIQUE = """
made = int64(0)
for i in range(n):
    key = load(keys, i)
    at = find(table, known, key, load(lowest, 0), shift, mask)
    number = load(table, at)
    if number < int32(0):
        number = int32(made)
        store(table, at, number)
        store(known, made, key)
        store(first, made, load(words, i))
        {begin}
        made += 1
    store(which, i, number)
    {count}
store(length, 0, made)
return 0
"""


def _is_vector(x: Array, axis: Array | None) -> bool:
    """Whether the op compares the elements of a vector."""
    if x.ndim != 1:
        return False
    return axis is None or axis.size == 0 or (axis.size == 1 and axis.item() in (0, -1))


def _unique_given(call_: Call, x: Array, axis: Array | None = None) -> _Given:
    keys = keys_of(x) if _is_vector(x, axis) else None
    if keys is None:
        return None
    n = x.size
    return {
        "n": n, "keys": keys, "words": words_of(x), **table_for(x, keys),
        "known": np.empty(n, keys.dtype), "first": np.empty(n, keys.dtype),
        "which": np.empty(n, np.int32), "length": np.zeros(1, np.int64),
        **({"counts": np.empty(n, np.int32)} if len(call_.out_dtypes) == 3 else {}),
    }  # fmt: skip


def _unique_made(call_: Call, values: Any) -> Any:
    made = int(values["length"][0])
    index = call_.out_dtypes[1].np
    found = values["first"][:made].copy().view(call_.out_dtypes[0].np)
    each = values["which"].astype(index, copy=False)
    if "counts" not in values:
        return found, each
    return found, each, values["counts"][:made].astype(index)


UNIQUE = Compiled(_UNIQUE.format(begin="pass", count="pass"), _unique_given, _unique_made, FIND)
UNIQUE_WITH_COUNTS = Compiled(
    _UNIQUE.format(
        begin="store(counts, made, int32(0))",
        count="store(counts, int64(number), load(counts, int64(number)) + int32(1))",
    ),
    _unique_given,
    _unique_made,
    FIND,
)

# --------------------------------------------------------------------------------------- ListDiff

_LIST_DIFF = """
for j in range(m):
    key = load(known, j)
    at = find(table, known, key, load(lowest, 0), shift, mask)
    store(table, at, int32(j))
made = int64(0)
for i in range(n):
    key = load(keys, i)
    at = find(table, known, key, load(lowest, 0), shift, mask)
    if load(table, at) < int32(0):
        store(kept, made, load(words, i))
        store(places, made, i)
        made += 1
store(length, 0, made)
return 0
"""


def _list_diff_given(call_: Call, x: Array, y: Array) -> _Given:
    if x.ndim != 1 or y.ndim != 1:
        return None
    keys, known = keys_of(x), keys_of(y)
    if keys is None or known is None:
        return None
    return {
        "n": x.size, "m": y.size, "keys": keys, "known": known, "words": words_of(x),
        **table_of(y.size), "lowest": np.zeros(1, keys.dtype), "kept": np.empty(x.size, keys.dtype),
        "places": np.empty(x.size, np.int64), "length": np.zeros(1, np.int64),
    }  # fmt: skip


def _list_diff_made(call_: Call, values: Any) -> Any:
    made = int(values["length"][0])
    kept = values["kept"][:made].copy().view(call_.out_dtypes[0].np)
    return kept, values["places"][:made].astype(call_.out_dtypes[1].np)


LIST_DIFF = Compiled(_LIST_DIFF, _list_diff_given, _list_diff_made, FIND)

# ---------------------------------------------------------------------------- partition and stitch

#: Row ``i`` of ``source`` becomes row ``place`` of ``target``; rows are ``width`` words.
_MOVE = """
    if width == 1:
        store(target, place, load(source, i))
    else:
        for w in independent(width):
            store(target, place * width + w, load(source, i * width + w))
"""

#: Counting sort: ``ends`` counts, then says where the next row of a part goes.
_PARTITION = f"""
for i in range(n):
    p = int64(load(partitions, i))
    store(ends, p, load(ends, p) + 1)
before = int64(0)
for p in range(count):
    size = load(ends, p)
    store(ends, p, before)
    before += size
for i in range(n):
    p = int64(load(partitions, i))
    place = load(ends, p)
    store(ends, p, place + 1)
{_MOVE}
return 0
"""


def _rows(x: Array, count: int) -> tuple[Array, int]:
    """(words, words of each of the ``count`` rows)"""
    words = words_of(x)
    return words, words.size // max(count, 1)


def _partition_given(call_: Call, data: Array, partitions: Array) -> _Given:
    count = call_.attrs["num_partitions"]
    if data.dtype.hasobject or data.shape[: partitions.ndim] != partitions.shape:
        return None
    if partitions.size and (partitions.min() < 0 or partitions.max() >= count):
        return None
    source, width = _rows(data, partitions.size)
    return {
        "n": partitions.size, "count": count, "width": width, "source": source,
        "partitions": np.ascontiguousarray(partitions), "ends": np.zeros(count, np.int64),
        "target": np.empty_like(source), "row": np.array(data.shape[partitions.ndim :], np.int64),
    }  # fmt: skip


def _partition_made(call_: Call, values: Any) -> Any:
    row = values["row"].tolist()
    rows = values["target"].view(call_.out_dtypes[0].np).reshape(values["n"], *row)
    return tuple(np.split(rows, values["ends"][:-1]))


PARTITION = Compiled(_PARTITION, _partition_given, _partition_made)

_STITCH = f"""
for i in range(n):
    place = int64(load(indices, i))
{_MOVE}
return 0
"""


def _stitch_given(call_: Call, *arrays: Array) -> _Given:
    half = len(arrays) // 2
    indices, data = arrays[:half], arrays[half:]
    row = data[0].shape[indices[0].ndim :]
    if data[0].dtype.hasobject or any(
        x.shape != (*where.shape, *row) for where, x in zip(indices, data, strict=True)
    ):
        return None
    every = np.concatenate([where.reshape(-1) for where in indices])
    if every.min(initial=0) < 0:
        return None
    source, width = _rows(np.concatenate([x.reshape(-1) for x in data]), every.size)
    size = int(every.max(initial=-1)) + 1
    return {
        "n": every.size, "indices": every, "source": source, "width": width,
        "target": np.zeros(size * width, source.dtype), "shape": np.array([size, *row], np.int64),
    }  # fmt: skip


def _stitch_made(call_: Call, values: Any) -> Any:
    return values["target"].view(call_.out_dtypes[0].np).reshape(values["shape"])


STITCH = Compiled(_STITCH, _stitch_given, _stitch_made)

# ------------------------------------------------------------------------------------------- hits

#: Of equal candidates the last counts.
_HITS = """
for j in range(m):
    key = load(known, j)
    at = find(table, known, key, uint64(0), shift, mask)
    store(table, at, int32(j))
made = int64(0)
for i in range(n):
    at = find(table, known, load(keys, i), uint64(0), shift, mask)
    place = load(table, at)
    if place >= int32(0):
        store(rows, made, int32(i // each))
        store(places, made, int64(place))
        made += 1
store(length, 0, made)
return 0
"""


def _hits_given(call_: Call, true_classes: Array, sampled: Array) -> _Given:
    if true_classes.ndim != 2 or sampled.ndim != 1 or true_classes.size > 2**30:
        return None
    n = true_classes.size
    return {
        "n": n, "each": true_classes.shape[1], "keys": words_of(true_classes), "m": sampled.size,
        "known": words_of(sampled), **table_of(sampled.size), "rows": np.empty(n, np.int32),
        "places": np.empty(n, np.int64), "length": np.zeros(1, np.int64),
    }  # fmt: skip


def _hits_made(call_: Call, values: Any) -> Any:
    made = int(values["length"][0])
    lowest = np.full(made, np.finfo(np.float32).min, np.float32)
    return values["rows"][:made].copy(), values["places"][:made].copy(), lowest


HITS = Compiled(_HITS, _hits_given, _hits_made, FIND)
