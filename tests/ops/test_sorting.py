"""Sorting, ranking, searching: against NumPy on drawn rows; ties, NaN, TensorFlow's values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

NAN, INF = float("nan"), float("inf")


def run(y: Any, feeds: Any = None) -> Any:
    return tf.Session().run(y, feeds)


@st.composite
def _rows(draw: Any) -> np.ndarray:
    """A matrix with many ties, and NaN and infinities among the floats."""
    shape = draw(st.tuples(st.integers(0, 3), st.sampled_from([1, 2, 7, 33, 150])))
    dtype = draw(st.sampled_from(["float32", "float64", "int32", "int64", "int8", "uint16"]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    spread = draw(st.sampled_from([3, 120]))
    low = 0 if dtype.startswith("u") else -spread
    x = rng.integers(low, spread, shape).astype(dtype)
    if dtype.startswith("float") and draw(st.booleans()):
        x[rng.random(shape) < 0.2] = NAN
        x[rng.random(shape) < 0.1] = -INF
        x[rng.random(shape) < 0.1] = INF
        x[x == 0] *= -1
    return x


def _falling(x: np.ndarray) -> np.ndarray:
    """Positions in falling order, equal ones as they stand, NaN last: by Python's sort."""
    order = np.zeros(x.shape, np.int32)
    for r, row in enumerate(x.tolist()):
        order[r] = sorted(
            range(len(row)), key=lambda i: (row[i] != row[i], -row[i] if row[i] == row[i] else 0)
        )
    return order


@given(_rows(), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_top_k_is_a_stable_sort(x: np.ndarray, share: float) -> None:
    k = round(share * x.shape[1])
    with tf.Graph().as_default():
        hidden = tf.placeholder(tf.as_dtype(x.dtype), [None, x.shape[1]])
        values, indices = run(tf.nn.top_k(hidden, k), {hidden: x})
    order = _falling(x)[:, :k]
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, 1))


@given(_rows(), st.sampled_from([0, 1, -1]), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_sort_and_argsort(x: np.ndarray, axis: int, falling: bool, hidden: bool) -> None:
    direction = "DESCENDING" if falling else "ASCENDING"
    with tf.Graph().as_default():
        dims = None if hidden else x.shape
        fed = tf.placeholder(tf.as_dtype(x.dtype), dims)
        both = [tf.sort(fed, axis, direction), tf.argsort(fed, axis, direction)]
        values, order = run(both, {fed: x})
    if x.size:
        expected = np.sort(x, axis)  # NaN last
        if falling:
            order_of = _falling(np.moveaxis(x, axis, -1))
            expected = np.moveaxis(np.take_along_axis(np.moveaxis(x, axis, -1), order_of, -1),
                                   -1, axis)  # fmt: skip
        np.testing.assert_array_equal(values, expected)
        if not falling:
            np.testing.assert_array_equal(order, np.argsort(x, axis, kind="stable"))
    np.testing.assert_array_equal(np.take_along_axis(x, order.astype(int), axis), values)


def test_extremes_of_integers() -> None:
    for dtype in (np.int8, np.int32, np.int64, np.uint8, np.uint64):
        info = np.iinfo(dtype)
        x = np.array([3, info.max, info.min, 1, info.max - 1], dtype)
        assert run(tf.sort(x)).tolist() == sorted(x.tolist())
        assert run(tf.sort(x, direction="DESCENDING")).tolist() == sorted(x.tolist())[::-1]
    assert run(tf.argsort(tf.constant([3, 1, -2147483648]))).tolist() == [2, 1, 0]


def test_top_k_of_nothing_known() -> None:
    x, k = tf.placeholder(tf.float32, None), tf.placeholder(tf.int32, [])
    top = tf.nn.top_k(x, k)
    assert type(top).__name__ == "TopKV2"
    assert top.values.name == "TopKV2:0"
    assert top.values is top[0]
    loss = tf.reduce_sum(top.values * [[1.0, 2], [3, 4]])
    (dx,) = tf.gradients(loss, x)
    feeds = {x: [[1.0, 3, 2, 5], [9, 8, 7, 6]], k: 2}
    values, indices, slope = run([top.values, top.indices, dx], feeds)
    assert values.tolist() == [[5, 3], [9, 8]]
    assert indices.tolist() == [[3, 1], [0, 1]]
    assert slope.tolist() == [[0, 2, 0, 1], [3, 4, 0, 0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="k is 9, but the last axis"):
        run(top.values, {**feeds, k: 9})
    assert tf.nn.top_k(tf.zeros([4, 7]), 3).values.shape.as_list() == [4, 3]
    assert tf.math.top_k is tf.nn.top_k


def test_gradient_of_sort() -> None:
    x = tf.constant([[3.0, 1], [0, 2]])
    y = tf.sort(x, axis=0)
    assert run(tf.gradients(y * [[1.0, 2], [3, 4]], x)[0]).tolist() == [[3, 2], [1, 4]]
    hidden = tf.placeholder(tf.float32, None)
    y = tf.sort(hidden, axis=0)
    assert run(tf.gradients(y * [[1.0], [3.0]], hidden)[0], {hidden: [[3], [1]]}).tolist() == [
        [3], [1],
    ]  # fmt: skip


def test_names_and_errors_of_sort() -> None:
    assert tf.sort([1.0, 2.0]).name == "sort/Neg_1:0"
    assert tf.sort([1.0, 2.0], direction="DESCENDING").name == "sort_1/TopKV2:0"
    assert tf.argsort([1, 2], name="a").name == "a/TopKV2:1"
    with pytest.raises(ValueError, match="direction is ASCENDING or DESCENDING"):
        tf.sort([1], direction="UP")
    with pytest.raises(ValueError, match="axis 2 is out of range"):
        tf.sort([[3, 1], [0, 2]], axis=2)
    with pytest.raises(ValueError, match="no axes"):
        tf.sort(3)
    with pytest.raises(ValueError, match="axis must be an int"):
        tf.argsort([1, 2], axis=[0])
    with pytest.raises(TypeError):
        tf.argsort(tf.constant([True, False]))


def test_nth_element() -> None:
    nth = tf.contrib.nn.nth_element
    x = tf.constant([[5.0, 1, 4, 1, 3], [1, 2, 3, 4, 5]])
    assert run(nth(x, 1)).tolist() == [1, 2]
    assert run(nth(x, 1, reverse=True)).tolist() == [4, 4]
    slope = run(tf.gradients(nth(x, 1), x)[0])
    assert slope.tolist() == [[0, 0.5, 0, 0.5, 0], [0, 1, 0, 0, 0]]
    n = tf.placeholder(tf.int32, [])
    for k in range(5):
        assert run(nth(x, n), {n: k}).tolist() == np.sort(run(x), 1)[:, k].tolist()
    with pytest.raises(tf.errors.InvalidArgumentError, match="n is 5"):
        run(nth(x, n), {n: 5})


def test_in_top_k() -> None:
    predictions = [
        [1.0, 2, 3],
        [3, 3, 1],
        [1, 1, 1],
        [NAN, 1, 2],
        [1, INF, 2],
        [1, 2, 3],
        [1, 2, 3],
    ]
    y = tf.nn.in_top_k(predictions, [2, 1, 0, 1, 2, 5, -1], 1)
    assert y.name == "in_top_k/InTopKV2:0"
    assert run(y).tolist() == [True, True, True, False, False, False, False]
    y = tf.math.in_top_k(predictions[:5], [2, 1, 0, 0, 1], 2, name="n")
    assert y.name == "n/n:0"
    assert run(y).tolist() == [True, True, True, False, False]
    assert run(tf.nn.in_top_k([[1.0, 2, 3]], [2], 0)).tolist() == [False]
    assert run(tf.nn.in_top_k([[1.0, 2, 3]], [0], 10)).tolist() == [True]
    assert run(tf.nn.in_top_k([[1.0, 2, NAN]], [0], 10)).tolist() == [False]
    with pytest.raises(ValueError, match="1 rows of predictions, but 2 targets"):
        tf.nn.in_top_k([[1.0, 2, 3]], [2, 1], 1)


@given(
    st.integers(0, 40), st.integers(0, 20), st.sampled_from(["left", "right"]), st.integers(0, 99)
)
@settings(max_examples=40, deadline=None)
def test_searchsorted_is_numpys(n: int, m: int, side: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sequence = np.sort(rng.integers(0, 20, (2, 1, n)), -1).astype(np.float32)
    values = rng.integers(-1, 21, (2, 1, m)).astype(np.float32)
    with tf.Graph().as_default():
        hidden = tf.placeholder(tf.float32, None)
        y = tf.searchsorted(sequence, hidden, side, tf.int64)
        got = run(y, {hidden: values})
    for r in range(2):
        np.testing.assert_array_equal(
            got[r, 0], np.searchsorted(sequence[r, 0], values[r, 0], side)
        )


def test_searchsorted_arguments() -> None:
    assert run(tf.searchsorted([1.0, 3, 5, 5, 7], [0.0, 1, 4, 5, 8, NAN])).tolist() == [
        0, 0, 2, 2, 5, 0,
    ]  # fmt: skip
    y = tf.searchsorted([1.0, 3, 5, 5, 7], [0.0, 1, 4, 5, 8, NAN], side="right")
    assert run(y).tolist() == [0, 1, 2, 4, 5, 5]
    assert y.dtype is tf.int32
    y = tf.searchsorted([[1, 3, 5], [2, 4, 6]], [[3, 4], [3, 4]], side="right", out_type=tf.int64)
    assert run(y).tolist() == [[2, 2], [1, 2]]
    assert y.dtype is tf.int64
    with pytest.raises(ValueError, match="side is 'left' or 'right'"):
        tf.searchsorted([1, 3], [3], side="mid")
    with pytest.raises(ValueError, match="values is a scalar"):
        tf.searchsorted([1, 3, 5], 3)
    with pytest.raises(TypeError):
        tf.searchsorted([1, 3, 5], [3.0])
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="leading sizes"):
        run(tf.searchsorted([[1, 3, 5], [2, 4, 6]], [[3, 4]]))
