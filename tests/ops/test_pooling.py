"""Pooling: geometry, ties, NaN, formats, names (SEMANTICS 7 and 11)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.graph.apply import call

NAN = np.nan


def run(fetches: Any, feeds: Any = None) -> Any:
    return tf.Session().run(fetches, feeds)


def windows(size: int, k: int, s: int, padding: str) -> list[range]:
    """The elements of every window along one axis, one by one."""
    if padding == "VALID":
        return [range(i, i + k) for i in range(0, size - k + 1, s)]
    count = -(-size // s)
    before = max((count - 1) * s + k - size, 0) // 2
    return [range(max(i * s - before, 0), min(i * s - before + k, size)) for i in range(count)]


def pooled(x: np.ndarray, k: list[int], s: list[int], padding: str, of: Any) -> np.ndarray:
    """NHWC pooling, window by window."""
    rows = windows(x.shape[1], k[0], s[0], padding)
    columns = windows(x.shape[2], k[1], s[1], padding)
    y = np.empty((x.shape[0], len(rows), len(columns), x.shape[3]), x.dtype)
    for (i, r), (j, c) in itertools.product(enumerate(rows), enumerate(columns)):
        y[:, i, j] = of(x[:, r.start : r.stop, c.start : c.stop], axis=(1, 2))
    return y


GEOMETRY = st.tuples(
    st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)),
    st.lists(st.integers(1, 4), min_size=2, max_size=2),
    st.lists(st.integers(1, 5), min_size=2, max_size=2),
    st.sampled_from(["SAME", "VALID"]),
)


@settings(max_examples=60, deadline=None)
@given(GEOMETRY, st.booleans(), st.integers(0, 99))
def test_pooling_is_window_by_window(geometry: Any, first: bool, seed: int) -> None:
    shape, k, s, padding = geometry
    if padding == "VALID" and (k[0] > shape[1] or k[1] > shape[2]):
        return
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    given = x.transpose(0, 3, 1, 2) if first else x
    layout = "NCHW" if first else "NHWC"
    t = tf.placeholder(tf.float32, [None] * 4)
    highest = tf.nn.max_pool(t, k, s, padding, data_format=layout)
    average = tf.nn.avg_pool(t, k, s, padding, data_format=layout)
    got = run([highest, average], {t: given})
    if first:
        got = [y.transpose(0, 2, 3, 1) for y in got]
    np.testing.assert_array_equal(got[0], pooled(x, k, s, padding, np.max))
    np.testing.assert_allclose(got[1], pooled(x, k, s, padding, np.mean), 1e-5, 1e-6)


@settings(max_examples=40, deadline=None)
@given(GEOMETRY, st.integers(0, 99))
def test_gradients_are_window_by_window(geometry: Any, seed: int) -> None:
    shape, k, s, padding = geometry
    if padding == "VALID" and (k[0] > shape[1] or k[1] > shape[2]):
        return
    x = np.random.default_rng(seed).integers(0, 4, shape).astype(np.float32)  # many ties
    t = tf.placeholder(tf.float32, [None, *shape[1:]])
    y, z = tf.nn.max_pool(t, k, s, padding), tf.nn.avg_pool(t, k, s, padding)
    weights = np.arange(1.0, 1 + np.prod([shape[0], *y.shape.as_list()[1:]]), dtype=np.float32)
    dy = weights.reshape(shape[0], *y.shape.as_list()[1:])
    got = run([tf.gradients(y, t, dy)[0], tf.gradients(z, t, dy)[0]], {t: x})
    expected = np.zeros((2, *shape))
    rows, columns = (windows(shape[a + 1], k[a], s[a], padding) for a in (0, 1))
    cells = itertools.product(range(shape[0]), enumerate(rows), enumerate(columns),
                              range(shape[3]))  # fmt: skip
    for n, (i, r), (j, c), ch in cells:
        places = [(n, a, b, ch) for a in r for b in c]
        first = max(places, key=lambda place: x[place])  # the first of equals
        expected[0][first] += dy[n, i, j, ch]
        for place in places:
            expected[1][place] += dy[n, i, j, ch] / len(places)
    np.testing.assert_allclose(got, expected, 1e-5, 1e-5)


def row(values: Any, k: int, s: int | None = None) -> Any:
    """Max pooling of a row, and its gradient for ones."""
    x = tf.constant(np.array(values, np.float32).reshape(1, 1, -1, 1))
    y = tf.nn.max_pool(x, [1, 1, k, 1], [1, 1, s or k, 1], "SAME")
    result = run([y, tf.gradients(y, x)[0]])
    return [v.reshape(-1).tolist() for v in result]


def test_ties_go_to_the_first() -> None:
    assert row([2, 2, 1, 3, 5, 5], 3) == [[2, 5], [1, 0, 0, 0, 1, 0]]
    assert row([-np.inf] * 3, 3) == [[-np.inf], [1, 0, 0]]


def test_nan_is_passed_on() -> None:
    """As in PyTorch and in cuDNN; TensorFlow's kernel for the CPU drops it."""
    for values in ([NAN, 1, 2], [1, NAN, 2], [1, 2, NAN], [NAN] * 3):
        y, dx = row(values, 3)
        assert np.isnan(y).all()
        assert sum(dx) == 1


def test_same_puts_the_odd_element_behind() -> None:
    assert row([9, 1, 2, 3, 4], 2)[0] == [9, 3, 4]
    assert row([1, 9, 2, 3, 4], 2, 4)[0] == [9, 4]  # [0, 1], [4, 5]: strides exceed the window
    assert row([1, 2, 3, 9], 4, 1)[0] == [3, 9, 9, 9]  # one before, two behind


def test_averages_count_what_is_inside() -> None:
    """TensorFlow's numbers."""
    x = np.arange(120, dtype=np.float32).reshape(5, 6, 4)[None, ..., :1]
    y = run(tf.nn.avg_pool(x, [1, 3, 3, 1], [1, 2, 2, 1], "SAME"))
    assert y[0, :, :, 0].tolist() == [[16, 24, 30], [52, 60, 66], [88, 96, 102]]
    y = run(tf.nn.avg_pool(x[:, :4, :4], [1, 3, 2, 1], [1, 2, 1, 1], "SAME"))
    assert y[0, :, :, 0].tolist() == [[26, 30, 34, 36], [62, 66, 70, 72]]


def test_windows_along_the_channels() -> None:
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 2, 6)
    y = run(tf.nn.max_pool(x, [1, 1, 1, 3], [1, 1, 1, 3], "SAME"))
    assert y.tolist() == [[[[2, 5], [8, 11]]]]
    y = run(tf.nn.max_pool(x, [1, 1, 1, 1], [1, 2, 2, 1], "SAME"))
    assert y.tolist() == [[[[0, 1, 2, 3, 4, 5]]]]


X = np.arange(240, dtype=np.float32).reshape(2, 5, 6, 4)


@pytest.mark.parametrize("ksize", [2, [2], [2, 2], [1, 2, 2, 1]])
def test_sizes_may_be_given_short(ksize: Any) -> None:
    expected = run(tf.nn.max_pool(X, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"))
    np.testing.assert_array_equal(run(tf.nn.max_pool(X, ksize, ksize, "SAME")), expected)
    y = tf.nn.max_pool(input=X, ksize=ksize, strides=ksize, padding="SAME")
    assert y.shape.as_list() == [2, 3, 3, 4]


def test_mistakes() -> None:
    for wrong in ([1, 2, 2], [], [1] * 5):
        with pytest.raises(ValueError, match="ksize should be of length 1, 2 or 4"):
            tf.nn.max_pool(X, wrong, 2, "SAME")
    with pytest.raises(ValueError, match="strides should be of length 1, 1 or 3"):
        tf.nn.max_pool1d(X[0], 2, [1, 2], "SAME")
    with pytest.raises(ValueError, match="data_format must be NHWC or NCHW"):
        tf.nn.avg_pool(X, 2, 2, "SAME", data_format="NHCW")
    with pytest.raises(ValueError, match="negative dimension size"):
        tf.nn.max_pool(X, [6, 1], 1, "VALID")
    with pytest.raises(ValueError, match="must be of rank 4"):
        tf.nn.max_pool(X[0], 2, 2, "SAME")
    with pytest.raises(TypeError, match="bool"):
        tf.nn.max_pool(tf.constant(X > 3), 2, 2, "SAME")
    with pytest.raises(TypeError, match="int32"):
        tf.nn.avg_pool(tf.constant(X, tf.int32), 2, 2, "SAME")
    with pytest.raises(TypeError, match="needs an input"):
        tf.nn.max_pool(ksize=2, strides=2, padding="SAME")
    t = tf.placeholder(tf.float32, [None] * 4)
    y = tf.nn.max_pool(t, 7, 1, "VALID")
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not fit"):
        run(y, {t: X})


def test_static_shapes() -> None:
    def shape(dims: Any, k: Any = 2, padding: str = "SAME") -> Any:
        t = tf.placeholder(tf.float32, dims)
        return tf.nn.max_pool(t, k, 2, padding).shape.as_list()

    assert shape(None) == [None] * 4
    assert shape([None, None, 6, None]) == [None, None, 3, None]
    assert shape([None, 7, 7, 3], 3, "VALID") == [None, 3, 3, 3]


def test_names() -> None:
    names = [
        tf.nn.max_pool(X, 2, 2, "SAME"), tf.nn.avg_pool(X, 2, 2, "SAME"),
        tf.nn.max_pool1d(X[0], 2, 2, "SAME"), tf.nn.avg_pool1d(X[0], 2, 2, "SAME", name="q"),
        tf.nn.max_pool2d(X, 2, 2, "SAME"), tf.nn.max_pool3d(X[None], 2, 2, "SAME"),
        tf.nn.pool(X, [2, 2], "MAX", "SAME"), tf.nn.pool(X[0], [2], "AVG", "SAME"),
        tf.nn.pool(X, [2, 2], "AVG", "VALID", dilation_rate=[2, 1]),
        tf.nn.max_pool_with_argmax(X, [1, 2, 2, 1], [1, 2, 2, 1], "SAME").argmax,
    ]  # fmt: skip
    assert [y.op.name for y in names] == [
        "MaxPool", "AvgPool", "MaxPool1d/Squeeze", "q/Squeeze", "MaxPool2d", "MaxPool3D",
        "max_pool", "avg_pool/Squeeze", "avg_pool_1/BatchToSpaceND", "MaxPoolWithArgmax",
    ]  # fmt: skip
    assert tf.nn.avg_pool2d is tf.nn.avg_pool


def test_sequences_and_volumes() -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    expected = pooled(x[:, None], [1, 3], [1, 2], "SAME", np.max)[:, 0]
    y, z = tf.nn.max_pool1d(x, 3, 2, "SAME"), tf.nn.max_pool_v2(x, [1, 3, 1], [2], "SAME")
    swapped = tf.nn.max_pool1d(x.transpose(0, 2, 1), 3, 2, "SAME", data_format="NCW")
    y, z, swapped = run([y, z, swapped])
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(z, expected)
    np.testing.assert_array_equal(swapped.transpose(0, 2, 1), expected)
    v = np.random.default_rng(0).normal(size=(2, 4, 5, 6, 3)).astype(np.float32)
    flat = v.transpose(0, 2, 3, 1, 4).reshape(2, 5, 6, 12)  # windows of depth 1 are images
    expected = pooled(flat, [2, 3], [2, 2], "SAME", np.mean)
    expected = expected.reshape(2, 3, 3, 4, 3).transpose(0, 3, 1, 2, 4)
    y, z = run([tf.nn.avg_pool3d(v, [1, 2, 3], [1, 2, 2], "SAME"),
                tf.nn.avg_pool_v2(v, [1, 1, 2, 3, 1], [1, 2, 2], "SAME")])  # fmt: skip
    np.testing.assert_allclose(y, expected, 1e-5, 1e-6)
    np.testing.assert_array_equal(y, z)
    t = tf.placeholder(tf.float32)
    with pytest.raises(ValueError, match="rank 3, 4 or 5"):
        tf.nn.max_pool_v2(t, 2, 2, "SAME")
    assert tf.nn.max_pool_v2(t, 2, 2, "SAME", data_format="NCHW").shape.as_list() == [None] * 4


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "float16", "float64"]
)
def test_dtypes_of_maxima(dtype: str) -> None:
    x = tf.constant(np.arange(16).reshape(1, 4, 4, 1).astype(dtype))
    y = run(tf.nn.max_pool(x, 2, 2, "SAME"))
    assert y.dtype == dtype
    assert y.reshape(-1).tolist() == [5, 7, 13, 15]


# -------------------------------------------------------------------------------------------- pool


@pytest.mark.parametrize("known", [True, False])
def test_pool_with_gaps(known: bool) -> None:
    """TensorFlow's numbers."""
    x = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    t = tf.placeholder(tf.float32, x.shape if known else [None, None, None, 1])
    highest = tf.nn.pool(t, [2, 2], "MAX", "VALID", dilation_rate=[2, 2])
    average = tf.nn.pool(t, [2, 2], "AVG", "VALID", dilations=[2, 1])
    a, b = run([highest, average], {t: x})
    assert a[0, :, :, 0].tolist() == [[12, 13, 14], [17, 18, 19], [22, 23, 24]]
    assert b[0, :, :, 0].tolist() == [
        [5.5, 6.5, 7.5, 8.5], [10.5, 11.5, 12.5, 13.5], [15.5, 16.5, 17.5, 18.5]
    ]  # fmt: skip
    assert highest.shape.as_list() == ([1, 3, 3, 1] if known else [None, None, None, 1])


def test_pool_with_gaps_channels_first() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8)).astype(np.float32)
    y = tf.nn.pool(x, [2, 3], "MAX", "VALID", dilation_rate=[3, 2], data_format="NCHW")
    z = tf.nn.pool(x.transpose(0, 2, 3, 1), [2, 3], "MAX", "VALID", dilation_rate=[3, 2])
    y, z = run([y, z])
    np.testing.assert_array_equal(y.transpose(0, 2, 3, 1), z)
    brute = [x[:, :, a : a + 4, b : b + 4] for a in (0, 3) for b in (0, 2, 4)]
    np.testing.assert_array_equal(y, np.max(brute, 0))


def test_pool_refuses() -> None:
    for match, kwargs in (
        ("one must be 1", {"strides": [2, 2], "dilation_rate": [2, 1]}),
        ("needs padding VALID", {"dilation_rate": [2, 2]}),
        ("pooling_type must be MAX or AVG", {"pooling_type": "SUM"}),
        ("must have rank 5", {"window_shape": [2, 2, 2]}),
        ("1, 2 or 3 numbers", {"window_shape": [2] * 4}),
        ("strides must be 2 positive numbers", {"strides": [1]}),
    ):
        given = {"window_shape": [2, 2], "pooling_type": "MAX", "padding": "SAME", **kwargs}
        with pytest.raises(ValueError, match=match):
            tf.nn.pool(X, **given)


# ------------------------------------------------------------------------------------------ argmax


def test_argmax() -> None:
    """TensorFlow's numbers: flat indices within the image, or within the batch."""
    x = X[..., :1]
    plain = tf.nn.max_pool_with_argmax(x, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
    batch = tf.nn.max_pool_with_argmax(
        x, [1, 3, 3, 1], [1, 2, 2, 1], "SAME", output_dtype=tf.int32, include_batch_in_index=True
    )
    y, index, wide = run([plain.output, plain.argmax, batch.argmax])
    assert index[0, :, :, 0].tolist() == [[8, 10, 11], [20, 22, 23], [26, 28, 29]]
    assert index[1, :, :, 0].tolist() == index[0, :, :, 0].tolist()
    assert wide[1, :, :, 0].tolist() == [[38, 40, 41], [50, 52, 53], [56, 58, 59]]
    assert (index.dtype, wide.dtype) == (np.int64, np.int32)
    np.testing.assert_array_equal(y, x.reshape(-1)[wide])
    with pytest.raises(ValueError, match="NHWC"):
        tf.nn.max_pool_with_argmax(x, [1] * 4, [1] * 4, "SAME", data_format="NCHW")


def test_gradient_through_argmax_is_that_of_max_pool() -> None:
    t = tf.constant(np.random.default_rng(0).normal(size=(2, 6, 7, 3)).astype(np.float32))
    window = ([1, 3, 3, 1], [1, 2, 2, 1], "SAME")
    y, z = tf.nn.max_pool_with_argmax(t, *window).output, tf.nn.max_pool(t, *window)
    a, b = run([tf.gradients(y * y, t)[0], tf.gradients(z * z, t)[0]])
    np.testing.assert_array_equal(a, b)


def test_indices_beyond_the_image_are_an_error() -> None:
    x = tf.zeros([1, 2, 2, 1])
    index = tf.placeholder(tf.int64, [1, 1, 1, 1])
    attrs = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
    dx = call.MaxPoolGradWithArgmax(x, tf.ones([1, 1, 1, 1]), index, **attrs)
    for wrong in (-1, 4, 2**60):
        with pytest.raises(tf.errors.InvalidArgumentError, match="out of range"):
            run(dx, {index: [[[[wrong]]]]})


# -------------------------------------------------------------------------------------- fractional

FRACTIONAL = {
    (True, "rows"): [0, 1, 3, 5, 7],
    (True, "columns"): [0, 2, 4, 5, 7, 9],
    (False, "rows"): [0, 1, 3, 5, 7],
    (False, "columns"): [0, 2, 3, 5, 7, 9],
}


@pytest.mark.parametrize("pseudo_random", [True, False])
def test_fractional_pooling_draws_as_tensorflow_does(pseudo_random: bool) -> None:
    x = np.arange(63, dtype=np.float32).reshape(1, 7, 9, 1)
    y = tf.nn.fractional_max_pool(
        x, [1, 1.44, 1.73, 1], pseudo_random, deterministic=True, seed=3, seed2=5
    )
    output, rows, columns = run(list(y))
    assert rows.tolist() == FRACTIONAL[pseudo_random, "rows"]
    assert columns.tolist() == FRACTIONAL[pseudo_random, "columns"]
    np.testing.assert_array_equal(output, x[:, rows[1:] - 1][:, :, columns[1:] - 1])


def test_fractional_averages_of_overlapping_cells() -> None:
    """TensorFlow's numbers."""
    t = tf.constant(np.array([1, 5, 5, 2, 5, 5], np.float32).reshape(1, 1, 6, 1))
    y = tf.nn.fractional_avg_pool(
        t, [1, 1, 1.5, 1], overlapping=True, deterministic=True, seed=3, seed2=5
    )
    output, dx = run([y.output, tf.gradients(y.output, t)[0]])
    np.testing.assert_allclose(output.reshape(-1), [11 / 3, 3.5, 4, 5], 1e-6)
    np.testing.assert_allclose(dx.reshape(-1), [1 / 3, 1 / 3, 5 / 6, 5 / 6, 1 / 3, 4 / 3], 1e-6)


def test_fractional_pooling_draws_anew_in_every_run() -> None:
    y = tf.nn.fractional_max_pool(np.zeros((1, 99, 1, 1), np.float32), [1, 1.3, 1, 1])
    with tf.Session() as sess:
        first, second = (sess.run(y.row_pooling_sequence).tolist() for _ in range(2))
    assert first != second
    assert run(y.row_pooling_sequence).tolist() == first
    assert set(np.diff(first)) == {1, 2}
    with pytest.raises(ValueError, match="need deterministic"):
        tf.nn.fractional_max_pool(np.zeros((1, 9, 1, 1), np.float32), [1, 1.3, 1, 1], seed=1)
