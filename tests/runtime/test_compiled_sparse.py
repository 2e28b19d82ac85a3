"""Compiled loops of sparse operations, against their references."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from two_targets import agree

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from(["int8", "int32", "float32", "float64", "float16", "complex64"])
DIMS = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def sparse_of(
    rng: np.random.Generator, dims: list[int], dtype: str, order: bool = True, again: bool = False
) -> list[Any]:
    """A SparseTensor's parts: some indices in no order or repeated; some values NaN, -0."""
    count = int(rng.integers(0, 12))
    rows = rng.integers(0, dims, (count, len(dims))).astype(np.int64)
    if not again:
        rows = np.unique(rows, axis=0).reshape(-1, len(dims))
    if not order:
        rows = rng.permutation(rows)
    values = rng.integers(-8, 9, len(rows)) / (4 if dtype[0] in "fc" else 1)
    values = values.astype(dtype)
    if dtype[0] == "f" and rng.random() < 0.3:
        values[rng.random(len(rows)) < 0.3] = np.nan
        values[rng.random(len(rows)) < 0.3] = -0.0
    return [rows, values, np.array(dims, np.int64)]


@settings(max_examples=60, deadline=None)
@given(SEEDS, DIMS, DTYPES, st.booleans(), st.booleans())
def test_sums_and_extremes(
    seed: int, dims: list[int], dtype: str, order: bool, again: bool
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (sparse_of(rng, dims, dtype, order, again) for _ in range(2))
    real = "float32" if dtype == "complex64" else dtype
    for least in (0, 1):
        agree("SparseAdd", [*a, *b, np.array(least, real)], exact=True)
    agree("SparseAdd", [*a, *b, np.float32(0.5)], exact=True)
    if dtype != "complex64":
        agree("SparseSparseMaximum", [*a, *b], exact=True)
        agree("SparseSparseMinimum", [*a, *b], exact=True)
    sums = rng.permutation(np.concatenate([a[0], b[0]]))[: rng.integers(0, 9)]
    dy = np.arange(1, len(sums) + 1).astype(dtype)
    agree("SparseAddGrad", [dy, a[0], b[0], sums], exact=True)
    start = rng.integers(-2, 3, len(dims))
    agree("SparseSliceGrad", [dy, a[0], start, sums - start], exact=True)


@settings(max_examples=60, deadline=None)
@given(SEEDS, DIMS, DTYPES, st.booleans())
def test_rows_slices_and_parts(seed: int, dims: list[int], dtype: str, order: bool) -> None:
    rng = np.random.default_rng(seed)
    x = sparse_of(rng, dims, dtype, order, again=not order)
    agree("SparseFillEmptyRows", [*x, np.array(7, dtype)], exact=True)
    start, size = rng.integers(0, 4, len(dims)), rng.integers(0, 6, len(dims))
    agree("SparseSlice", [*x, start, size], exact=True)
    axis = int(rng.integers(-len(dims), len(dims)))
    count = int(rng.integers(1, dims[axis] + 1))
    agree("SparseSplit", [np.array(axis), *x], num_split=count, exact=True)


@settings(max_examples=60, deadline=None)
@given(SEEDS, DIMS, DTYPES, st.booleans(), st.booleans())
def test_reductions(seed: int, dims: list[int], dtype: str, order: bool, keep: bool) -> None:
    rng = np.random.default_rng(seed)
    x = sparse_of(rng, dims, dtype, order, again=not order)
    axes = [d for d in range(len(dims)) if rng.random() < 0.5]
    given_axes = np.array([d - len(dims) * int(rng.integers(2)) for d in axes], np.int32)
    agree("SparseReduceSumSparse", [*x, given_axes], keep_dims=keep)
    if dtype != "complex64":
        agree("SparseReduceMaxSparse", [*x, given_axes], keep_dims=keep)
