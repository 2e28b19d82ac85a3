"""Connectionist temporal classification.

The oracle adds up all paths by force; literal expectations are TensorFlow's.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

TIME, BATCH, CLASSES = 4, 3, 3
LOGITS = np.random.default_rng(0).normal(size=(TIME, BATCH, CLASSES)).astype(np.float32)


def run(*fetches: Any, feeds: Any = None) -> Any:
    values = tf.Session().run(list(fetches), feeds)
    return values[0] if len(values) == 1 else values


def sparse(rows: Any) -> Any:
    indices = [(b, i) for b, row in enumerate(rows) for i in range(len(row))]
    values = np.array([v for row in rows for v in row], np.int32)
    longest = max(map(len, rows))
    return tf.SparseTensor(np.array(indices, np.int64).reshape(-1, 2), values, [len(rows), longest])


def log_softmax(x: Any) -> Any:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def collapsed(path: Any, blank: int) -> tuple[int, ...]:
    return tuple(c for c, _ in itertools.groupby(path) if c != blank)


def by_force(logits: Any, blank: int) -> dict[tuple[int, ...], float]:
    """Labels -> their probability, from every path through ``logits`` [time, classes]."""
    y = np.exp(log_softmax(logits.astype(np.float64)))
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(y.shape[1]), repeat=len(y)):
        p = float(np.prod([y[t, c] for t, c in enumerate(path)]))
        key = collapsed(path, blank)
        found[key] = found.get(key, 0) + p
    return found


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 99), st.data())
def test_losses_are_sums_over_all_paths(time: int, classes: int, seed: int, data: Any) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (5, 2, classes))
    count = data.draw(st.integers(1, time))
    labels = rng.integers(0, classes - 1, (2, count))
    x = tf.constant(logits)
    loss = tf.nn.ctc_loss(sparse(labels.tolist()), x, [time, time])
    dense = tf.nn.ctc_loss_v2(labels, x, [count] * 2, [time] * 2, blank_index=-1)
    values, others, slope = run(loss, dense, tf.gradients(loss, x)[0])
    np.testing.assert_array_equal(values, others)
    for b in range(2):
        p = by_force(logits[:time, b], classes - 1).get(tuple(labels[b]), 0.0)
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(values[b], -np.log(p), rtol=1e-9)
    assert (slope[time:] == 0).all()


@pytest.mark.parametrize("merge", [True, False])
def test_gradients_are_slopes(merge: bool) -> None:
    x = tf.placeholder(tf.float64, [TIME, BATCH, CLASSES])
    loss = tf.nn.ctc_loss(sparse([[0, 1], [0, 0], [1]]), x, [4, 4, 3], ctc_merge_repeated=merge)
    total = tf.reduce_sum(loss * [1.0, 2.0, -3.0])
    slope = tf.gradients(total, x)[0]
    session, value, step = tf.Session(), LOGITS.astype(np.float64), 1e-5
    found = session.run(slope, {x: value})
    for at in np.ndindex(value.shape):
        ends = []
        for sign in (1, -1):
            moved = value.copy()
            moved[at] += sign * step
            ends.append(session.run(total, {x: moved}))
        np.testing.assert_allclose(found[at], (ends[0] - ends[1]) / (2 * step), atol=1e-8)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [1.5367543697357178, 3.190971612930298, 2.4794657230377197]),
        ({"ctc_merge_repeated": False}, [2.2003345489501953, 2.8740477561950684, 3.53463768959]),
        ({"preprocess_collapse_repeated": True}, [1.5367543697357178, 2.3876576423, 2.4794657]),
        (
            {"preprocess_collapse_repeated": True, "ctc_merge_repeated": False},
            [2.2003345489501953, 3.0228652954101562, 3.534637689590454],
        ),
    ],
)
def test_losses_are_tensorflows(given: Any, expected: Any) -> None:
    labels = sparse([[0, 1], [0, 0], [1]])
    loss = tf.nn.ctc_loss(labels, LOGITS, [4, 4, 3], **given)
    assert loss.shape.as_list() == [3]
    np.testing.assert_allclose(run(loss), expected, rtol=1e-6)
    turned = LOGITS.transpose(1, 0, 2)
    loss = tf.nn.ctc_loss(
        labels, logits=turned, sequence_length=[4, 4, 3], time_major=False, **given
    )
    np.testing.assert_allclose(run(loss), expected, rtol=1e-6)


def test_labels_that_do_not_fit() -> None:
    x = tf.constant(LOGITS)
    loss = tf.nn.ctc_loss(sparse([[0, 1], [0, 0, 0], [1]]), x, [4, 4, 3])
    value, slope = run(loss, tf.gradients(loss, x)[0])
    assert value[1] == np.inf
    softmax = np.exp(log_softmax(LOGITS))
    np.testing.assert_allclose(slope[:, 1], softmax[:, 1], rtol=1e-6)
    labels = sparse([[0, 1], [0, 1, 0, 1], [1]])
    left_out = tf.nn.ctc_loss(labels, x, [4, 3, 3], ignore_longer_outputs_than_inputs=True)
    value, slope = run(left_out, tf.gradients(left_out, x)[0])
    np.testing.assert_allclose(value, [1.5367543697357178, 0, 2.4794657230377197], rtol=1e-6)
    assert (slope[:, 1] == 0).all()
    # a blank ends the labels
    ended = tf.nn.ctc_loss(sparse([[0, 1, 2], [0, 2, 2], [1]]), x, [4, 4, 3])
    np.testing.assert_allclose(run(ended), [1.5367544, 2.3876576, 2.4794657], rtol=1e-6)


def test_far_logits_neither_overflow_nor_underflow() -> None:
    x = LOGITS.copy()
    x[0, 0] = [1000, -1000, 0]
    value = run(tf.nn.ctc_loss(sparse([[0, 1], [0], [1]]), x, [4, 3, 3]))
    np.testing.assert_allclose(value, [0.6539185, 1.8573020, 2.4794657], rtol=1e-6)
    x[0, 0] = [-1000, 1000, 0]
    value = run(tf.nn.ctc_loss(sparse([[0, 1], [0], [1]]), x, [2, 3, 3]))
    assert 1900 < value[0] < 2100


def test_the_second_derivative_is_refused() -> None:
    x = tf.constant(LOGITS)
    slope = tf.gradients(tf.nn.ctc_loss(sparse([[0], [0], [1]]), x, [4, 4, 3]), x)[0]
    with pytest.raises(LookupError, match="second derivative"):
        tf.gradients(slope, x)


@pytest.mark.parametrize(
    ("labels", "lengths", "times", "blank", "expected"),
    [
        ([[2, 1], [2, 2], [1, 0]], [2, 2, 1], [4, 4, 3], None, [1.4719539, 2.6382709, 1.0010338]),
        ([[2, 0], [2, 2], [2, 0]], [2, 2, 1], [4, 4, 3], 1, [1.8605366, 2.5399070, 2.3739717]),
        ([[2, 0], [2, 2], [2, 0]], [2, 2, 1], [4, 4, 3], -2, [1.8605366, 2.5399070, 2.3739717]),
        ([[2, 1], [2, 2], [1, 0]], [2, 2, 0], [4, 4, 3], 0, [1.4719539, 2.6382709, 2.4143219]),
        ([[2, 1], [2, 0], [1, 0]], [2, 2, 1], [4, 4, 3], 0, [1.4719539, 2.2252660, 1.0010338]),
    ],
)
def test_dense_losses_are_tensorflows(
    labels: Any, lengths: Any, times: Any, blank: Any, expected: Any
) -> None:
    loss = tf.nn.ctc_loss_v2(labels, LOGITS, lengths, times, blank_index=blank)
    np.testing.assert_allclose(run(loss), expected, rtol=1e-6)
    turned = tf.constant(LOGITS.transpose(1, 0, 2))
    unique = tf.nn.ctc_unique_labels(labels)
    loss = tf.nn.ctc_loss_v2(
        labels, turned, lengths, times, logits_time_major=False, unique=unique, blank_index=blank
    )
    np.testing.assert_allclose(run(loss), expected, rtol=1e-6)
    assert np.isfinite(run(tf.gradients(loss, turned)[0])).all()


def test_dense_loss_of_sparse_labels() -> None:
    labels = tf.SparseTensor(
        [[0, 0], [0, 1], [1, 0], [2, 0]], tf.constant([2, 1, 2, 1], tf.int32), [3, 2]
    )
    loss = tf.nn.ctc_loss_v2(labels, LOGITS, None, [4, 4, 3], blank_index=0)
    np.testing.assert_allclose(run(loss), [1.4719537, 2.6693044, 1.0010339], rtol=1e-6)
    with pytest.raises(ValueError, match="blank_index must be given"):
        tf.nn.ctc_loss_v2(labels, LOGITS, None, [4, 4, 3])
    with pytest.raises(ValueError, match="is not in"):
        tf.nn.ctc_loss_v2(labels, LOGITS, None, [4, 4, 3], blank_index=3)


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="must be a SparseTensor"):
        tf.nn.ctc_loss([[1]], LOGITS, [4, 4, 4])
    with pytest.raises(ValueError, match="must be given"):
        tf.nn.ctc_loss(sparse([[1]] * 3), LOGITS)
    with pytest.raises(ValueError, match="label_length must be given"):
        tf.nn.ctc_loss_v2([[1]] * 3, LOGITS, None, [4, 4, 4])


# ---------------------------------------------------------------------------------------- decoders


def decoded(tensors: Any, batch: int) -> list[list[list[int]]]:
    """The labels of each path and item."""
    paths = []
    for value in tf.Session().run(tensors):
        rows = [value.values[value.indices[:, 0] == b].tolist() for b in range(batch)]
        assert value.dense_shape.tolist() == [batch, max(map(len, rows), default=0)]
        paths.append(rows)
    return paths


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 99))
def test_a_wide_beam_finds_the_most_probable_labels(time: int, classes: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 1.5, (5, 2, classes))
    paths, log_p = tf.nn.ctc_beam_search_decoder(
        logits, [time, max(time - 1, 1)], beam_width=400, top_paths=2, merge_repeated=False
    )
    found, values = decoded(paths, 2), run(log_p)
    for b, length in enumerate((time, max(time - 1, 1))):
        all_labels = by_force(logits[:length, b], classes - 1)
        best = sorted(all_labels.items(), key=lambda item: -item[1])[:2]
        assert [tuple(path[b]) for path in found] == [key for key, _ in best]
        np.testing.assert_allclose(values[b], np.log([p for _, p in best]), rtol=1e-9)


def _teacher() -> Any:
    return np.random.RandomState(0).randn(12, 4, 5).astype(np.float32) * 2


def test_narrow_beams_are_tensorflows() -> None:
    paths, log_p = tf.nn.ctc_beam_search_decoder(
        _teacher(), [12, 9, 12, 5], beam_width=3, top_paths=2, merge_repeated=False
    )
    assert decoded(paths, 4) == [
        [[3, 3, 0, 3, 1, 2, 3], [1, 3, 2, 0, 2, 3], [1, 2, 1, 3, 1, 2, 0, 3], [1, 2, 2]],
        [[3, 0, 3, 1, 2, 3], [1, 2, 0, 2, 3], [1, 2, 1, 3, 1, 0, 0, 3], [1, 2, 0, 2]],
    ]
    expected = [
        [-3.4670498, -4.1926169], [-3.6514258, -3.7034144], [-6.0444307, -6.1974949],
        [-2.3509750, -2.4642519],
    ]  # fmt: skip
    np.testing.assert_allclose(run(log_p), expected, rtol=1e-6)
    merged, _ = tf.nn.ctc_beam_search_decoder(_teacher(), [12, 9, 12, 5], beam_width=3)
    assert decoded(merged, 4)[0][0] == [3, 0, 3, 1, 2, 3]
    second, _ = tf.nn.ctc_beam_search_decoder_v2(_teacher(), [12, 9, 12, 5], 3, 2)
    assert decoded(second, 4)[0] == decoded(paths, 4)[0]


def test_greedy_decoding_is_tensorflows() -> None:
    [labels], most = tf.nn.ctc_greedy_decoder(_teacher(), [12, 9, 12, 5])
    assert decoded([labels], 4) == [
        [[3, 3, 0, 3, 1, 2, 3], [1, 3, 2, 0, 2, 3], [1, 2, 1, 3, 1, 0, 0, 3], [1, 0, 2]]
    ]
    expected = [[-35.71137619], [-23.433921814], [-23.02840996], [-9.989475250]]
    np.testing.assert_allclose(run(most), expected, rtol=1e-6)
    [labels], _ = tf.nn.ctc_greedy_decoder(_teacher(), [12, 9, 12, 5], blank_index=1)
    assert run(labels.values).tolist() == [
        3, 4, 3, 4, 0, 3, 4, 4, 2, 3, 3, 2, 0, 2, 3, 2, 3, 0, 4, 0, 3, 0, 4, 2
    ]  # fmt: skip
    with pytest.raises(tf.errors.FailedPreconditionError, match="is not in"):
        run(tf.nn.ctc_greedy_decoder(_teacher(), [13, 9, 12, 5])[1])


def test_shapes_and_names_of_decoders() -> None:
    x, n = tf.placeholder(tf.float32, [None, None, 3]), tf.placeholder(tf.int32, [None])
    paths, log_p = tf.nn.ctc_beam_search_decoder(x, n, top_paths=2)
    assert [p.values.name for p in paths] == ["CTCBeamSearchDecoder:2", "CTCBeamSearchDecoder:3"]
    assert (log_p.name, log_p.shape.as_list()) == ("CTCBeamSearchDecoder:6", [None, 2])
    [path], most = tf.nn.ctc_greedy_decoder(x, n)
    assert path.indices.shape.as_list() == [None, 2]
    assert path.values.dtype is tf.int64
    assert (most.name, most.shape.as_list()) == ("CTCGreedyDecoder:3", [None, 1])


# ---------------------------------------------------------------------------------- label matrices


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(0, 6), st.integers(0, 99))
def test_label_matrices(batch: int, longest: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, lengths = rng.integers(0, 3, (batch, longest)), rng.integers(0, longest + 1, batch)
    fed, count = tf.placeholder(tf.int64, [None, None]), tf.placeholder(tf.int32, [None])
    feeds = {fed: labels, count: lengths}
    unique, places = run(*tf.nn.ctc_unique_labels(fed), feeds=feeds)
    rows = [
        [k for k, _ in itertools.groupby(row[:n])] for row, n in zip(labels, lengths, strict=True)
    ]
    merged, sizes = run(*tf.nn.collapse_repeated(fed, count), feeds=feeds)
    assert sizes.tolist() == [len(row) for row in rows]
    assert merged.tolist() == [row + [0] * (sizes.max() - len(row)) for row in rows]
    for b in range(batch):
        order = list(dict.fromkeys(labels[b].tolist()))
        assert unique[b].tolist() == order + [0] * (longest - len(order))
        assert unique[b][places[b]].tolist() == labels[b].tolist()
