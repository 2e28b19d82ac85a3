"""Index tensors: what gathering.py, scattering.py and segments.py ask of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.ops.rules import invalid, require_rank_at_least
from flowgraph.shapes import Dims


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
