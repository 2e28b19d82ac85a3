"""Compiled loops of results whose size depends on values, against their references."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from two_targets import agree

from flowgraph.graph.opdef import OPDEFS
from flowgraph.ops.key_tables import keys_of

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = ["int8", "uint8", "int32", "int64", "float32", "float64", "bool", "float16", "complex64"]


def values_of(rng: np.random.Generator, dtype: str, n: int, spread: int) -> np.ndarray:
    """Numbers many of which are equal; of floats some are -0 and, seldom, NaN."""
    x = rng.integers(-spread, spread + 1, n)
    if dtype == "bool":
        return x > 0
    if dtype in ("int32", "int64") and rng.random() < 0.5:
        x = x * 100_003  # too far apart for a table by value
    if dtype[0] not in "fc":
        return x.astype(dtype)
    y = (x / 4).astype(dtype)
    y[rng.random(n) < 0.2] = -0.0
    if rng.random() < 0.2:
        y[rng.random(n) < 0.2] = np.nan
    return y


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(DTYPES), st.integers(0, 300), st.sampled_from([0, 3, 100]))
def test_unique(seed: int, dtype: str, n: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    x = values_of(rng, dtype, n, spread)
    for index in ("int32", "int64"):
        agree("Unique", [x], out_idx=index, exact=True)
        agree("UniqueWithCounts", [x], out_idx=index, exact=True)
    for axis in ([], [0], [-1]):
        agree("UniqueWithCountsV2", [x, np.array(axis, np.int64)])
    agree("ListDiff", [x, values_of(rng, dtype, n // 3, spread)], out_idx="int64", exact=True)


def test_a_table_keeps_zeros_and_leaves_nan() -> None:
    x = np.array([-0.0, 1, 0.0, np.nan, np.nan, 1], np.float32)
    agree("UniqueWithCounts", [x])
    agree("UniqueWithCounts", [x[:3]], exact=True)
    assert keys_of(x) is None
    assert keys_of(x[:3]) is not None


def test_extreme_integers() -> None:
    for dtype in ("int8", "int64", "uint64"):
        bounds = np.iinfo(dtype)
        x = np.array([bounds.max, bounds.min, 1, bounds.max, 0, bounds.min], dtype)
        agree("UniqueWithCounts", [x])
        agree("ListDiff", [x, x[:2]])


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 5), min_size=1, max_size=4), st.sampled_from(DTYPES))
def test_where(seed: int, dims: list[int], dtype: str) -> None:
    rng = np.random.default_rng(seed)
    n = int(np.prod(dims, dtype=np.int64))
    agree("Where", [values_of(rng, dtype, n, 2).reshape(dims)])


@settings(max_examples=30, deadline=None)
@given(
    SEEDS, st.lists(st.integers(0, 6), max_size=2), st.lists(st.integers(0, 3), max_size=2),
    st.sampled_from([*DTYPES, "complex128"]), st.integers(1, 4),
)  # fmt: skip
def test_partition_and_stitch(
    seed: int, groups: list[int], row: list[int], dtype: str, count: int
) -> None:
    rng = np.random.default_rng(seed)
    n = int(np.prod([*groups, *row], dtype=np.int64))
    data = values_of(rng, dtype, n, 50).reshape([*groups, *row])
    partitions = rng.integers(0, count, groups).astype(np.int32)
    agree("DynamicPartition", [data, partitions], num_partitions=count, exact=True)
    agree("DynamicPartition", [data.T.copy().T, partitions], num_partitions=count, exact=True)
    for type in ("DynamicStitch", "ParallelDynamicStitch"):
        some = slice(None, 1) if groups else ()
        agree(type, [[partitions, partitions[some]], [data, data[some]]], exact=True)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(0, 6), st.integers(1, 3), st.integers(0, 30))
def test_accidental_hits(seed: int, batch: int, each: int, sampled: int) -> None:
    rng = np.random.default_rng(seed)
    classes = [rng.integers(-2, 12, (batch, each)), rng.integers(-2, 12, sampled)]
    agree("ComputeAccidentalHits", classes, num_true=each)


def test_the_references_say_what_is_wrong() -> None:
    wrong = np.array([0, 5], np.int32)
    call = type("Call", (), {"attrs": {"num_partitions": 2}})
    assert OPDEFS["DynamicPartition"].kernel.given(call, np.zeros(2), wrong) is None
    assert OPDEFS["DynamicStitch"].kernel.given(call, wrong - 1, np.zeros(2)) is None
