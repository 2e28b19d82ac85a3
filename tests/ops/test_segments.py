"""Segments and running sums: against loops on drawn sizes, TensorFlow's values, errors, staging."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpret import evaluate

import flowgraph as tf

LOWEST, HIGHEST = float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)


def run(y: Any, feeds: Any = None) -> Any:
    return tf.Session().run(y, feeds)


#: name -> (combine, gap of sorted segments, gap of unsorted ones)
KINDS = {
    "sum": (np.sum, 0, 0),
    "prod": (np.prod, 1, 1),
    "max": (np.max, 0, LOWEST),
    "min": (np.min, 0, HIGHEST),
    "mean": (np.mean, 0, 0),
}


def loop(data: Any, ids: Any, count: int, combine: Any, gap: float) -> Any:
    result = np.full((count, *data.shape[1:]), gap, data.dtype)
    for i in range(count):
        if (ids == i).any():
            result[i] = combine(data[ids == i], 0)
    return result


@given(
    st.integers(0, 12),
    st.integers(1, 5),
    st.sampled_from(sorted(KINDS)),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_segments_are_loops(n: int, width: int, kind: str, hidden: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(n, width)).astype(np.float32)
    combine, gap, unsorted_gap = KINDS[kind]
    ids = np.sort(rng.integers(0, 7, n)).astype(np.int32)
    mixed = rng.integers(-2, 6, n).astype(np.int64)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, None])
        at = tf.placeholder(tf.int32, [None]) if hidden else tf.constant(ids)
        of_sorted = getattr(tf, f"segment_{kind}")(x, at)
        of_unsorted = getattr(tf, f"unsorted_segment_{kind}")(x, mixed, 6)
        feeds = {x: data, **({at: ids} if hidden else {})}
        got, other = run([of_sorted, of_unsorted], feeds)
    count = int(ids[-1]) + 1 if n else 0
    np.testing.assert_allclose(got, loop(data, ids, count, combine, gap), 1e-5, 1e-6)
    np.testing.assert_allclose(other, loop(data, mixed, 6, combine, unsorted_gap), 1e-5, 1e-6)


@given(st.integers(0, 9), st.sampled_from(["sum", "mean", "sqrt_n"]), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_sparse_segments_are_gathered_segments(n: int, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(5, 3)).astype(np.float32)
    indices, ids = rng.integers(0, 5, n), np.sort(rng.integers(0, 4, n))

    def combine(rows: Any, axis: int) -> Any:
        total = rows.sum(axis)
        return total / {"sum": 1, "mean": len(rows), "sqrt_n": np.sqrt(len(rows))}[kind]

    expected = loop(data[indices], ids, 6, combine, 0)
    with tf.Graph().as_default():
        function = getattr(tf, f"sparse_segment_{kind}")
        x = tf.constant(data)
        at, of = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.int64, [None])
        y, z = function(x, at, of), function(x, at, of, num_segments=6)
        (dx,) = tf.gradients(z, x)
        got, counted, slope = run([y, z, dx], {at: indices, of: ids})
        np.testing.assert_allclose(got, expected[: ids[-1] + 1 if n else 0], 1e-5, 1e-6)
        np.testing.assert_allclose(counted, expected, 1e-5, 1e-6)
        by = {"sum": np.ones(n), "mean": np.bincount(ids, minlength=1)[ids]}
        by["sqrt_n"] = np.sqrt(by["mean"])
        marked = np.zeros_like(data)
        np.add.at(marked, indices, (1 / by[kind][:, None]).astype(np.float32))
        np.testing.assert_allclose(slope, marked, 1e-5, 1e-6)


def test_what_tensorflow_gives() -> None:
    x = tf.constant([1.0, 2, 3, 4])
    assert run(tf.segment_sum(x, [0, 0, 2, 2])).tolist() == [3, 0, 7]
    assert run(tf.segment_max(x, [0, 0, 2, 2])).tolist() == [2, 0, 4]
    assert run(tf.segment_min(x, [1, 1, 3, 3])).tolist() == [0, 1, 0, 3]
    assert run(tf.segment_prod(x, [1, 1, 3, 3])).tolist() == [1, 2, 1, 12]
    assert run(tf.segment_mean(tf.constant([1, 2, -3, -4]), [1, 1, 3, 3])).tolist() == [0, 1, 0, -3]
    assert run(tf.unsorted_segment_max(x, [0, 0, -1, 2], 4)).tolist() == [2, LOWEST, 4, LOWEST]
    smallest = tf.unsorted_segment_min(tf.constant([1, 2, 3, 4]), [0, 0, -1, 2], 4)
    assert run(smallest).tolist() == [1, 2147483647, 4, 2147483647]
    mean = tf.unsorted_segment_mean(tf.constant([1, 2, 3, 4]), [0, 0, -1, 2], 4)
    assert mean.dtype is tf.float64
    assert mean.name == "UnsortedSegmentMean/truediv:0"
    assert run(mean).tolist() == [1.5, 0, 4, 0]
    root = tf.unsorted_segment_sqrt_n(tf.constant([[1.0, 2], [3, 4], [5, 6]]), [0, 0, 2], 4)
    assert root.name == "UnsortedSegmentSqrtN/truediv:0"
    np.testing.assert_allclose(
        run(root), [[2.8284270763397217, 4.242640972137451], [0, 0], [5, 6], [0, 0]], 1e-6
    )
    table = tf.constant([[1.0, 2], [3, 4], [5, 6]])
    mean = tf.sparse_segment_mean(table, [0, 2, 1], [0, 0, 2])
    assert (mean.name, mean.shape.as_list()[1]) == ("SparseSegmentMean:0", 2)
    assert run(mean).tolist() == [[3, 4], [0, 0], [3, 4]]
    root = tf.sparse_segment_sqrt_n(table, [0, 2, 1], [0, 0, 2], num_segments=4, name="r")
    assert root.shape.as_list() == [4, 2]
    np.testing.assert_allclose(run(root)[0], [4.242640495300293, 5.656854152679443], 1e-6)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("max", [1.0, 2, 2, 4], [0, 0.5, 0.5, 1]),
        ("min", [1.0, 2, 1, 4], [0.5, 0, 0.5, 1]),
        ("mean", [1.0, 2, 2, 4], [1 / 3, 1 / 3, 1 / 3, 1]),
        ("prod", [1.0, 2, 2, 4], [4, 2, 2, 1]),
        ("prod", [0.0, 2, 2, 4], [4, 0, 0, 1]),
        ("prod", [0.0, 2, 0, 4], [0, 0, 0, 1]),
    ],
)
def test_gradients_as_tensorflows(name: str, x: Any, expected: Any) -> None:
    data = tf.constant(x)
    y = getattr(tf, f"segment_{name}")(data, [0, 0, 0, 2])
    np.testing.assert_allclose(run(tf.gradients(y, data)[0]), expected, 1e-6)
    if name != "mean":
        y = getattr(tf, f"unsorted_segment_{name}")(data, [3, 3, 3, 1], 5)
        np.testing.assert_allclose(run(tf.gradients(y, data)[0]), expected, 1e-6)


def test_rows_that_are_dropped_have_no_gradient() -> None:
    hidden = tf.placeholder(tf.float32, None)
    ids = tf.placeholder(tf.int32, None)
    for name in ("sum", "max", "min", "prod", "mean", "sqrt_n"):
        y = getattr(tf, f"unsorted_segment_{name}")(hidden, ids, 2)
        feeds = {hidden: [[2.0], [3.0], [5.0]], ids: [1, -1, 0]}
        assert run(tf.gradients(y, hidden)[0], feeds).tolist() == [[1], [0], [1]], name
    infinite = tf.gradients(tf.unsorted_segment_sum(hidden, ids, 2) * np.inf, hidden)[0]
    assert run(infinite, feeds).tolist() == [[np.inf], [0], [np.inf]]


def test_names_and_shapes() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    ids = tf.placeholder(tf.int32, [None])
    assert tf.segment_sum(x, ids).shape.as_list() == [None, 3]
    assert tf.segment_sum(x, ids, name="s").name == "s:0"
    assert tf.math.segment_max is tf.segment_max
    assert tf.math.unsorted_segment_prod is tf.unsorted_segment_prod
    assert tf.sparse.segment_mean is tf.sparse_segment_mean
    assert tf.unsorted_segment_sum(x, ids, 4).shape.as_list() == [4, 3]
    assert tf.sparse_segment_sum(x, ids, ids, num_segments=2).op.type == (
        "SparseSegmentSumWithNumSegments"
    )


def test_a_result_of_unknown_size_is_used_further() -> None:
    x = tf.placeholder(tf.float32, [None, 2])
    ids = tf.placeholder(tf.int32, [None])
    y = tf.tanh(tf.segment_sum(x, ids)) + 1
    dx = tf.gradients(y, x)[0]
    session = tf.Session()
    for of in ([0, 0, 1], [0, 2, 2], [0, 0, 0]):
        data = np.array([[1, 2], [3, 4], [5, 6]], np.float32) / 10
        total = loop(data, np.array(of), of[-1] + 1, np.sum, 0)
        got, slope = session.run([y, dx], {x: data, ids: of})
        np.testing.assert_allclose(got, np.tanh(total) + 1, 1e-6)
        np.testing.assert_allclose(slope, (1 - np.tanh(total) ** 2)[of], 1e-5)


# ------------------------------------------------------------------------------------ running sums


def test_gradient_of_cumprod_knows_zeros() -> None:
    """Against finite differences; also where two elements of a row are 0."""
    for row in ([1.0, 0, 3], [0.0, 2, 0, 4], [2.0, 3, 4], [0.0, 0, 0]):
        for flags in ({}, {"exclusive": True}, {"reverse": True}):
            x = tf.constant(row, tf.float64)
            u = np.arange(1.0, len(row) + 1)
            total = tf.reduce_sum(tf.cumprod(x, **flags) * u)
            slope = evaluate(tf.gradients(total, x)[0])
            for k in range(len(row)):
                at = [np.array(row), np.array(row)]
                at[0][k] += 1e-6
                at[1][k] -= 1e-6
                high, low = (evaluate(total, {x: a}) for a in at)
                assert abs((high - low) / 2e-6 - slope[k]) < 1e-6, (row, flags, k)


def test_cumulative_logsumexp() -> None:
    x = tf.constant([1.0, 2.0, 3.0])
    exclusive = tf.math.cumulative_logsumexp(x, exclusive=True)
    np.testing.assert_allclose(run(exclusive), [-np.inf, 1, 2.3132617], 1e-6)
    np.testing.assert_allclose(run(tf.gradients(exclusive, x)[0]), [1.268941, 0.731059, 0], 1e-5)
    backward = tf.math.cumulative_logsumexp([[1.0, 2, 3], [3, 4, 5]], axis=1, reverse=True)
    np.testing.assert_allclose(
        run(backward), [[3.407606, 3.3132617, 3], [5.4076056, 5.3132615, 5]], 1e-6
    )
