"""Host instructions with compiled loops against their references, on random data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from two_targets import agree

import flowgraph as tf
from flowgraph.graph.opdef import OPDEFS
from flowgraph.runtime.compiled import implementation

SEEDS = st.integers(0, 2**32 - 1)


def boxes_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Boxes on a grid: corners in either order, many equal, some without area."""
    return (rng.integers(0, 6, (n, 4)) / 6).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 200), st.integers(0, 60), st.sampled_from([0.0, 0.3, 0.9, 1.0]))
def test_suppression(seed: int, n: int, count: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 8, n) / 8).astype(np.float32)  # many ties
    limits = [np.int32(count), np.float32(threshold), np.float32(0.2)]
    boxes = boxes_of(rng, n)
    agree("NonMaxSuppressionV3", [boxes, scores, *limits])
    # NB: exp differs in the last place: of ties another box might be the first
    apart = [rng.random((n, 4)).astype(np.float32), rng.random(n).astype(np.float32)]
    agree("NonMaxSuppressionV5", [*apart, *limits, np.float32(0.5)])
    overlaps = rng.random((n, n)).astype(np.float32)
    agree("NonMaxSuppressionWithOverlaps", [overlaps, scores, *limits])


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 3), st.integers(1, 40), st.integers(1, 4), st.booleans())
def test_suppression_of_classes(seed: int, batch: int, n: int, classes: int, own: bool) -> None:
    rng = np.random.default_rng(seed)
    sets = classes if own else 1
    boxes = boxes_of(rng, batch * n * sets).reshape(batch, n, sets, 4)
    scores = rng.permutation(batch * n * classes).reshape(batch, n, classes) / 100
    limits = [np.int32(5), np.int32(9), np.float32(0.4), np.float32(0.3)]
    for pad in (False, True):
        agree(
            "CombinedNonMaxSuppression", [boxes, scores.astype(np.float32), *limits],
            pad_per_class=pad,
        )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 30), st.integers(0, 30), st.booleans(), st.booleans())
def test_edit_distance(seed: int, a: int, b: int, normalize: bool, words: bool) -> None:
    rng = np.random.default_rng(seed)

    def sparse(count: int) -> list[Any]:
        places = np.unique(rng.integers(0, [3, 2, 12], (count, 3)), axis=0)
        values = rng.integers(0, 3, len(places))
        if words:
            values = np.array([b"a", b"bc", b""], object)[values]
        return [places.astype(np.int64), values, np.array([3, 2, 12])]

    agree("EditDistance", [*sparse(a), *sparse(b)], normalize=normalize)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 20), st.integers(2, 20), st.booleans(), st.booleans(), st.booleans())
def test_fractional_pooling(
    seed: int, height: int, width: int, overlapping: bool, pseudo: bool, whole: bool
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, height, width, 3)).astype(np.float32)
    if whole:
        x = (10 * x).astype(np.int32)
    for type in ("FractionalMaxPool", "FractionalAvgPool"):
        agree(
            type, [x], pooling_ratio=[1.0, 1.5, 1.2, 1.0], pseudo_random=pseudo,
            overlapping=overlapping, deterministic=True, seed=seed % 1000, seed2=7,
        )  # fmt: skip


def test_what_the_reference_refuses() -> None:
    op = OPDEFS["NonMaxSuppression"]
    run = implementation(op)
    with pytest.raises(tf.errors.InvalidArgumentError, match="boxes of shape"):
        run(None, np.zeros((3, 4), np.float32), np.zeros(2, np.float32), np.int32(3))
