"""Index tensors: what gathering.py, scattering.py and segments.py ask of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import call
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call
from flowgraph.ops.rules import invalid, require_rank_at_least, shape_of
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible


def check_indices(indices: np.ndarray[Any, Any], size: int) -> None:
    """InvalidArgumentError naming the first index that is not in [0, size)."""
    wrong = (indices < 0) | (indices >= size)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        at = f"indices{list(place)} = " if place else "index "
        raise invalid(f"{at}{indices[place]} is not in [0, {size})")


def check_sorted_ids(ids: np.ndarray[Any, Any]) -> None:
    """InvalidArgumentError naming the first id that is negative or smaller than its predecessor."""
    if ids.size and ids[0] < 0:
        raise invalid(f"segment_ids[0] = {ids[0]} is negative")
    falls = np.flatnonzero(np.diff(ids) < 0)
    if falls.size:
        i = int(falls[0]) + 1
        raise invalid(
            f"segment_ids[{i}] = {ids[i]} is smaller than the one before it, {ids[i - 1]}"
        )


def rows_of(dims: Dims) -> tuple[int, int]:
    """(number of rows, elements of one) along the last axis of a known shape."""
    assert dims is not None
    return math.prod(dims[:-1]), dims[-1]  # type: ignore[arg-type,return-value]


def index_depth(indices: Dims) -> int | None:
    """How many axes each row of gather_nd's indices picks along, if known."""
    require_rank_at_least(indices, 1, "indices")
    return None if indices is None else indices[-1]


def check_nd(indices: np.ndarray[Any, Any], shape: Sequence[int]) -> None:
    """InvalidArgumentError naming the first row of indices that does not lie in ``shape``."""
    bounds = np.array(shape[: indices.shape[-1]], np.int64)
    wrong = ((indices < 0) | (indices >= bounds)).any(axis=-1)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        at = f"indices{list(place)} = " if place else "indices "
        raise invalid(f"{at}{indices[place].tolist()} does not index shape {list(shape)}")


def batch_tuples(indices: Tensor, batch: int) -> Tensor:
    """``indices`` [b..., n, depth] with the numbers of their ``batch`` leading axes in front."""
    assert indices.dims is not None
    sizes, rank = shape_of(indices), len(indices.dims)
    dtype = indices.dtype.base_dtype
    target = call.ConcatV2([call.StridedSlice(sizes, [0], [-1], [1]), np.ones(1, np.int32)], 0)
    numbers = []
    for axis in range(batch):
        count = call.Range(0, call.GatherV2(sizes, axis, 0), 1)
        aligned = call.Reshape(count, [-1 if a == axis else 1 for a in range(rank)])
        aligned = aligned if dtype is int32 else call.Cast(aligned, DstT=dtype)
        numbers.append(call.BroadcastTo(aligned, target))
    return call.ConcatV2([*numbers, indices], -1) if numbers else indices


# ------------------------------------------------------------------ kernels that take index tuples


def tuple_sizes(indices: Dims, table: Dims) -> Mapping[str, int]:
    """What TUPLES needs to know: ``n`` tuples of indices into ``table``, ``row`` elements each."""
    assert indices is not None and table is not None
    depth = indices[-1]
    sizes: dict[str, Any] = {"n": math.prod(indices[:-1]), "row": math.prod(table[depth:])}
    for d in range(depth):  # type: ignore[arg-type]
        sizes[f"size{d}"] = table[d]
        sizes[f"stride{d}"] = math.prod(table[d + 1 :])
    return sizes


def tuple_choices(indices: Dims) -> Mapping[str, str]:
    """``check_tuples``: all indices, before a write; ``place``: where tuple i stands."""
    assert indices is not None
    depth: Any = indices[-1]
    lines = ["for i in range(n):"] if depth else []
    for d in range(depth):
        lines += [
            f"    k{d} = int64(load(indices, i * {depth} + {d}))",
            f"    if k{d} < 0 or k{d} >= size{d}:",
            "        return 2",
        ]
    terms = [f"int64(load(indices, i * {depth} + {d})) * stride{d}" for d in range(depth)]
    return {"check_tuples": "\n".join(lines), "place": " + ".join(terms) or "int64(0)"}


#: How a scatter combines what stands in the table with what comes: kernel text and NumPy.
SCATTERS: dict[str, tuple[str, Any]] = {
    "Add": ("a + b", np.add),
    "Sub": ("a - b", np.subtract),
    "Mul": ("a * b", np.multiply),
    "Min": ("minimum(a, b)", np.minimum),
    "Max": ("maximum(a, b)", np.maximum),
    "Update": ("b", None),
}

#: output[place of tuple i] = combine(that, updates[i]), in order.
SCATTER_TUPLES = """
{check_tuples}
for i in range(n):
    place = {place}
    for e in independent(row):
        a = load({table}, place + e)
        b = load(updates, i * row + e)
        store({table}, place + e, {combine})
return 0
"""


def scatter_choices(which: str, table: str, call_: Call, indices: int) -> Mapping[str, str]:
    """What SCATTER_TUPLES leaves open; ``table`` is the output's name."""
    combine = SCATTERS[which][0]
    if call_.out_dtypes[0].is_bool and which == "Add":
        combine = "a | b"
    return {**tuple_choices(call_.shapes[indices]), "table": table, "combine": combine}


def moved_or_whole(which: str) -> dict[str, Any]:
    """What the Procedure of a scatter says of dtypes: an update moves, others add, complex too."""
    return {"moves": ("T",)} if which == "Update" else {"whole": True}


def tuple_places(indices: np.ndarray[Any, Any], shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """Which row each tuple names, of an array of ``shape`` whose indexed axes are made one."""
    check_nd(indices, shape)
    depth = indices.shape[-1]
    steps = [math.prod(shape[d + 1 : depth]) for d in range(depth)]
    return (indices.astype(np.int64) @ np.array(steps, np.int64)).reshape(-1)


def as_table(x: np.ndarray[Any, Any], depth: int) -> np.ndarray[Any, Any]:
    """``x`` as a matrix: its first ``depth`` axes made one, and the rest."""
    return x.reshape(math.prod(x.shape[:depth]), math.prod(x.shape[depth:]))


def scatter_tuples(which: str, table: Any, indices: Any, updates: Any) -> Any:
    """A copy of ``table`` with ``updates`` combined into it at index tuples."""
    places = tuple_places(indices, table.shape)
    result = table.copy()
    rows = as_table(result, indices.shape[-1])
    new = updates.reshape(places.size, rows.shape[1])
    if which == "Update":
        rows[places] = new  # NB: of equal places the last one counts
    else:
        SCATTERS[which][1].at(rows, places, new)
    return rows.reshape(table.shape)


def tuple_updates_shape(indices: Dims, updates: Dims, table: Dims) -> None:
    """ShapeError unless ``updates`` holds one row for each index tuple."""
    depth = index_depth(indices)
    if depth is None or indices is None or table is None:
        return
    if depth > len(table):
        raise ShapeError(
            f"indices of {depth} numbers ({format_dims(indices)}) are too long for shape "
            f"{format_dims(table)}"
        )
    expected = indices[:-1] + table[depth:]
    if not is_compatible(updates, expected):
        raise ShapeError(
            f"updates of shape {format_dims(updates)} do not fit: they must be "
            f"{format_dims(expected)}"
        )
