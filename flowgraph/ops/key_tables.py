"""Kernel text that finds equal numbers with a hash table of their bits, and what it works with.

    keys   [7 4 7 8]  ==>  table: a hash of 7 -> 0, of 4 -> 1, of 8 -> 2    known [7 4 8]

0 and -0 get the same bits; a NaN equals nothing, so vectors that hold one are left to the
references.

Read next: partitioning_loops.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: ``find``: where in ``table`` the number of ``key`` among ``known`` stands, or the free place
#: for it.  ``shift`` is 0 where keys are places themselves.  Linear probing.
FIND = """
def find(table, known, key, lowest, shift, mask):
    part = uint64(key - lowest)
    at = int64(part)
    if shift > 0:
        mixed = (part ^ (part >> uint64(32))) * uint64(2173292549327716885)
        mixed = (mixed ^ (mixed >> uint64(32))) * uint64(5871781006564002453)
        at = int64(mixed >> uint64(shift))
    number = load(table, at)
    searching = number >= int32(0)
    while searching:
        if load(known, int64(number)) == key:
            searching = False
        else:
            at = (at + 1) & mask
            number = load(table, at)
            searching = number >= int32(0)
    return at

"""

_MOST = 2**30


def words_of(x: Array) -> Array:
    """The elements as unsigned integers of their size; of complex128 there are two each."""
    size = min(x.dtype.itemsize, 8)
    return np.ascontiguousarray(x).reshape(-1).view(f"u{size}")


def keys_of(x: Array) -> Array | None:
    """Unsigned integers that are equal where elements are; None: leave it to the reference."""
    if x.dtype.kind not in "biuf" or x.size > _MOST:
        return None
    if x.dtype.kind == "f":
        if x.dtype.itemsize < 4 or np.isnan(x).any():
            return None
        x = x + x.dtype.type(0)  # -0 + 0 is 0
    return words_of(x)


def table_of(count: int) -> dict[str, Any]:
    """An empty table for up to ``count`` keys."""
    bits = max(4, (2 * count).bit_length())
    return {"table": np.full(1 << bits, -1, np.int32), "shift": 64 - bits, "mask": (1 << bits) - 1}


def table_for(x: Array, keys: Array) -> dict[str, Any]:
    """``table_of`` the elements of ``x``, and ``lowest``: small integers are places themselves."""
    lowest = np.zeros(1, keys.dtype)
    if x.dtype.kind in "iu" and x.size:
        low, span = x.min(), int(x.max()) - int(x.min())
        if span < 4 * x.size + 1000:
            lowest = words_of(low.reshape(1))
            return {"table": np.full(span + 1, -1, np.int32), "shift": 0, "mask": 0,
                    "lowest": lowest}  # fmt: skip
    return {**table_of(x.size), "lowest": lowest}
