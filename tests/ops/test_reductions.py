"""Reductions: nothing, NaN, ties, integers, axes and their old names (SEMANTICS 7, 8, 16)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpret import evaluate

import flowgraph as tf


def test_reductions_of_nothing() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    n = tf.placeholder(tf.int32, [None])
    ys = [
        f(x, axis=0)
        for f in (tf.reduce_sum, tf.reduce_prod, tf.reduce_mean, tf.reduce_max, tf.reduce_min)
    ]
    ints = [tf.reduce_mean(n), tf.reduce_max(n), tf.reduce_prod(n)]
    feeds = {x: np.zeros((0, 3)), n: np.zeros(0)}
    for run in (evaluate, tf.Session().run):
        total, product, mean, high, low = run(ys, feeds)
        assert total.tolist() == [0] * 3
        assert product.tolist() == [1] * 3
        assert np.isnan(mean).all()
        assert high.tolist() == [-np.inf] * 3
        assert low.tolist() == [np.inf] * 3
        assert [int(v) for v in run(ints, feeds)] == [0, -(2**31), 1]


def test_means_of_integers_are_rounded_toward_zero() -> None:
    x = tf.constant([-7, 0, 0])
    assert evaluate(tf.reduce_mean(x)) == -2
    assert evaluate(tf.reduce_mean(tf.constant([100, 100, 100], tf.int8))) == 100
    for value in ([-7, 0, 0], [7, 0, 0], [1, 2]):
        n = tf.placeholder(tf.int64, [None])
        assert tf.Session().run(tf.reduce_mean(n), {n: value}) == int(sum(value) / len(value))


def test_nan_wins() -> None:
    x = tf.constant([[1.0, np.nan, 2.0], [3.0, 1.0, 2.0]])
    high, low = tf.Session().run([tf.reduce_max(x, 1), tf.reduce_min(x, 1)])
    np.testing.assert_array_equal(high, [np.nan, 3])
    np.testing.assert_array_equal(low, [np.nan, 1])


def test_maximum_shares_its_gradient_among_ties() -> None:
    x = tf.constant([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    (dx,) = tf.gradients(tf.reduce_max(x, axis=1), x)
    np.testing.assert_allclose(evaluate(dx), [[0, 0.5, 0.5], [1 / 3] * 3])


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([2.0, 3.0, 4.0], [12, 8, 6]),
        ([2.0, 0.0, 4.0], [0, 8, 0]),
        ([0.0, 0.0, 4.0], [0, 0, 0]),
        ([-2.0, 5.0], [5, -2]),
    ],
)
def test_gradient_of_a_product_with_zeros(x: list[float], expected: list[float]) -> None:
    t = tf.constant(x)
    assert evaluate(tf.gradients(tf.reduce_prod(t), t)[0]).tolist() == expected


def test_arg_max_takes_the_first_and_passes_over_nan() -> None:
    x = tf.placeholder(tf.float32, [None])
    ys = [tf.argmax(x, 0), tf.argmin(x, 0)]
    cases = [
        ([3, 3, 1, 1], [0, 2]), ([1, np.nan, 2], [2, 0]), ([np.nan, 1, 2], [2, 1]),
        ([np.nan, np.nan], [0, 0]), ([-np.inf, -np.inf], [0, 0]),
    ]  # fmt: skip
    session = tf.Session()
    for values, expected in cases:
        for run in (evaluate, session.run):
            assert [int(v) for v in run(ys, {x: values})] == expected
    assert ys[0].dtype is tf.int64
    assert tf.argmax(x, 0, output_type=tf.int32).dtype is tf.int32
    assert tf.argmax(tf.zeros([2, 3])).shape.as_list() == [3]
    assert tf.argmax(tf.zeros([2, 3]), dimension=1).shape.as_list() == [2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="is empty"):
        tf.Session().run(ys[0], {x: []})


def test_old_names_of_arguments() -> None:
    x = tf.ones([2, 3])
    assert tf.reduce_sum(x, reduction_indices=[1]).shape.as_list() == [2]
    assert tf.reduce_sum(x, 1, True).shape.as_list() == [2, 1]
    assert tf.reduce_sum(x, 1, keep_dims=True).shape.as_list() == [2, 1]
    with pytest.raises(ValueError, match="axis and reduction_indices mean the same"):
        tf.reduce_sum(x, axis=0, reduction_indices=0)


def test_static_shapes() -> None:
    x = tf.placeholder(tf.float32, [None, 3, None])
    assert tf.reduce_sum(x).shape.as_list() == []
    assert tf.reduce_sum(x, [0, -1]).shape.as_list() == [3]
    assert tf.reduce_sum(x, 1, keepdims=True).shape.as_list() == [None, 1, None]
    axis = tf.placeholder(tf.int32, [])
    assert tf.reduce_sum(x, axis).shape.ndims is None
    assert tf.reduce_sum(x, axis, keepdims=True).shape.as_list() == [None] * 3
    anything = tf.placeholder(tf.float32)
    assert tf.reduce_sum(anything).shape.as_list() == []
    assert evaluate(tf.reduce_mean(anything), {anything: [[1, 2], [3, 6]]}) == 3


def test_names() -> None:
    """The axes of a full reduction are a constant beside it, as in TensorFlow."""
    tf.reduce_mean(tf.placeholder(tf.float32, [2, 3]))
    tf.reduce_sum(tf.placeholder(tf.float32, [2, 3]), 1)
    names = [op.name for op in tf.get_default_graph().get_operations()]
    assert names == [
        "Placeholder",
        "Const",
        "Mean",
        "Placeholder_1",
        "Sum/reduction_indices",
        "Sum",
    ]


@given(st.lists(st.integers(1, 4), max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_sums_and_their_gradients_over_any_axes(shape: list[int], data: st.DataObject) -> None:
    axes = (
        data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), unique=True)) if shape else []
    )
    axes = list({a % len(shape) for a in axes})
    keep, hidden, fed = (data.draw(st.booleans()) for _ in range(3))
    value = np.random.default_rng(0).normal(size=shape)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float64, [None] * len(shape) if hidden else shape)
        axis = tf.placeholder(tf.int32, [None]) if fed else axes
        y = tf.reduce_mean(x, axis, keepdims=keep)
        expected = value.mean(tuple(axes), keepdims=keep)
        u = np.random.default_rng(1).normal(size=expected.shape)
        (dx,) = tf.gradients(y * tf.constant(u), x)
        feeds = {x: value, **({axis: axes} if fed else {})}
        got, slope = evaluate([y, dx], feeds)
    np.testing.assert_allclose(got, expected)
    kept = value.mean(tuple(axes), keepdims=True).shape
    count = value.size / max(np.prod(kept), 1)
    np.testing.assert_allclose(slope, np.broadcast_to(u.reshape(kept), shape) / count)


def test_logsumexp() -> None:
    x = tf.constant([[1000.0, 1000.0], [-1000.0, -1001.0], [-np.inf, -np.inf]])
    y = tf.reduce_logsumexp(x, 1)
    got = tf.Session().run(y)
    np.testing.assert_allclose(got[:2], [1000 + np.log(2), -1000 + np.log1p(np.exp(-1))])
    assert got[2] == -np.inf
    dx = evaluate(tf.gradients(y, x)[0])
    np.testing.assert_allclose(dx[0], [0.5, 0.5])
    assert tf.reduce_logsumexp(x, 1, keepdims=True).shape.as_list() == [3, 1]
    assert evaluate(tf.reduce_logsumexp(tf.zeros([2, 3]))).shape == ()


def test_norms() -> None:
    value = np.array([[3.0, -4.0, 0.0], [1.0, 2.0, 2.0]])
    x = tf.constant(value)
    got = evaluate([
        tf.norm(x), tf.norm(x, axis=1), tf.norm(x, 1, axis=1), tf.norm(x, np.inf, axis=1),
        tf.norm(x, 3, axis=1), tf.norm(x, 1, axis=[0, 1]), tf.norm(x, np.inf, axis=[0, 1]),
        tf.norm(x, axis=[0, 1], keepdims=True),
    ])  # fmt: skip
    expected = [
        np.linalg.norm(value), [5, 3], [7, 5], [4, 2], np.linalg.norm(value, 3, axis=1),
        np.linalg.norm(value, 1), np.linalg.norm(value, np.inf), [[np.linalg.norm(value)]],
    ]  # fmt: skip
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b)
    with pytest.raises(ValueError, match="ord 'max' is not one of"):
        tf.norm(x, "max")


def test_moments_and_l2_normalize() -> None:
    value = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    mean, variance = evaluate(tf.nn.moments(tf.constant(value), [0]))
    np.testing.assert_allclose(mean, value.mean(0), 1e-5)
    np.testing.assert_allclose(variance, value.var(0), 1e-5)
    assert tf.nn.moments(tf.constant(value), [0], keep_dims=True)[0].shape.as_list() == [1, 3]
    unit = evaluate(tf.nn.l2_normalize(tf.constant(value), 1))
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, 1e-6)
    assert evaluate(tf.nn.l2_normalize(tf.zeros([2]))).tolist() == [0, 0]


def test_wrong_axes_and_dtypes() -> None:
    x = tf.zeros([2, 3])
    with pytest.raises(ValueError, match="axis 2 is out of range for rank 2"):
        tf.reduce_sum(x, 2)
    with pytest.raises(TypeError, match="bool"):
        tf.reduce_any(x)
    with pytest.raises(TypeError, match="bool"):
        tf.reduce_sum(tf.constant([True]))
