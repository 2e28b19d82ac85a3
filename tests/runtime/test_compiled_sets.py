"""Compiled loops of sets, decoders and points, against their references."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from two_targets import agree

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(
    SEEDS, st.lists(st.integers(0, 4), min_size=1, max_size=2),
    st.sampled_from(["int8", "uint16", "int32", "int64", "words"]),
    st.sampled_from(["intersection", "union", "a-b", "b-a"]),
)  # fmt: skip
def test_sets(seed: int, groups: list[int], dtype: str, operation: str) -> None:
    rng = np.random.default_rng(seed)

    def elements(count: Any) -> np.ndarray:
        if dtype == "words":
            return np.array([b"", b"a", b"b"], object)[rng.integers(0, 3, count)]
        x = rng.integers(0, 6, count)
        return (x - 3 if dtype[0] == "i" else x).astype(dtype) * (20 if rng.random() < 0.5 else 1)

    def dense() -> list[Any]:
        return [elements([*groups, int(rng.integers(0, 5))])]

    def sparse() -> list[Any]:
        shape = [*groups, 5]
        rows = rng.integers(0, np.maximum(shape, 1), (9 if np.prod(shape) else 0, len(shape)))
        rows = np.unique(rows, axis=0).astype(np.int64)
        return [rows, elements(len(rows)), np.array(shape, np.int64)]

    agree("DenseToDenseSetOperation", [*dense(), *dense()], set_operation=operation)
    agree("DenseToSparseSetOperation", [*dense(), *sparse()], set_operation=operation)
    agree("SparseToSparseSetOperation", [*sparse(), *sparse()], set_operation=operation)
    agree("SetSize", sparse())


def test_sets_of_far_elements() -> None:
    bounds = np.iinfo(np.int64)
    x = np.array([[bounds.max, bounds.min, 0], [1, 1, 1]])
    agree("DenseToDenseSetOperation", [x, x[:, :1]], set_operation="union")
    agree("DenseToDenseSetOperation", [x // 8, x[:, :1] // 8], set_operation="a-b")


@settings(max_examples=40, deadline=None)
@given(
    SEEDS, st.integers(1, 6), st.integers(0, 4), st.integers(1, 5), st.booleans(),
    st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_greedy_decoder(
    seed: int, steps: int, batch: int, classes: int, merge: bool, dtype: str
) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.integers(-3, 3, (steps, batch, classes)) / 2).astype(dtype)  # many ties
    if rng.random() < 0.3:
        x[rng.random(x.shape) < 0.2] = np.nan
    times = rng.integers(0, steps + 1, batch).astype(np.int32)
    blank = int(rng.integers(-classes, classes))
    agree("CTCGreedyDecoder", [x, times], merge_repeated=merge, blank_index=blank)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**31 - 100))
def test_points(dim: int, count: int, skip: int) -> None:
    sizes = [np.int32(dim), np.int32(count), np.int32(skip)]
    for dtype in ("float32", "float64"):
        agree("SobolSample", sizes, dtype=dtype, exact=True)
