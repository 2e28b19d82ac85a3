"""Compiled loops of candidate samplers, against their references."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import config
from flowgraph.graph.apply import apply_op


def agree_in_every_run(type: str, true_classes: np.ndarray, **attrs: object) -> None:
    """A session's later runs go on in the stream, and know what was learned."""
    found = []
    for target in ("cpu", "reference"):
        with tf.Graph().as_default(), config.override(TARGET=target):
            place = tf.placeholder(tf.int64, true_classes.shape)
            outputs = apply_op(type, place, num_true=true_classes.shape[1], **attrs)
            with tf.Session() as session:
                found.append([session.run(outputs, {place: true_classes}) for _ in range(4)])
    for got, expected in zip(*found, strict=True):
        for one, other in zip(got, expected, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**62), st.booleans(), st.data())
def test_unigrams(classes: int, seed: int, unique: bool, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    attrs = {
        "range_max": classes, "unique": unique, "seed": seed, "seed2": -seed // 3,
        "num_sampled": data.draw(st.integers(1, max(1, classes // 2) if unique else 50)),
    }  # fmt: skip
    true_classes = rng.integers(0, classes, (int(rng.integers(0, 4)), int(rng.integers(1, 4))))
    for type in ("LearnedUnigramCandidateSampler", "ThreadUnsafeUnigramCandidateSampler"):
        agree_in_every_run(type, true_classes, **attrs)
    weights = rng.integers(1, 9, classes).tolist()
    agree_in_every_run(
        "FixedUnigramCandidateSampler", true_classes, unigrams=[float(w) for w in weights],
        distortion=0.75, **attrs,
    )  # fmt: skip
