"""Rolls, frames, grids, repeats, masks and counts: against NumPy, and TensorFlow's own answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf


def run(y: Any, feeds: Any = None) -> Any:
    return tf.Session().run(y, feeds)


def slope(y: Any, x: Any, feeds: Any) -> Any:
    return run(tf.convert_to_tensor(tf.gradients(tf.sin(y), x)[0]), feeds)


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


# ------------------------------------------------------------------------------- rolls and frames


@given(shapes, st.integers(0, 99), st.booleans())
@settings(max_examples=40, deadline=None)
def test_roll_is_numpys(shape: list[int], seed: int, hidden: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    count = int(rng.integers(0, 4))
    shift, axis = rng.integers(-9, 9, count), rng.integers(-len(shape), len(shape), count)
    with tf.Graph().as_default():
        t = tf.placeholder(tf.float64, None if hidden else shape)
        s, a = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.int64, [None])
        feeds = {t: x, s: shift, a: axis}
        y = tf.roll(t, s, a)
        expected = np.roll(x, tuple(shift), tuple(axis))
        np.testing.assert_array_equal(run(y, feeds), expected)
        back = np.roll(np.cos(expected), tuple(-shift), tuple(axis))
        np.testing.assert_array_equal(slope(y, t, feeds), back)


@given(shapes, st.sampled_from(["REFLECT", "SYMMETRIC", "reflect"]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_mirrored_frames_are_numpys(shape: list[int], mode: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    edge = mode != "SYMMETRIC"
    paddings = [rng.integers(0, size + 1 - edge, 2).tolist() for size in shape]
    with tf.Graph().as_default():
        t = tf.placeholder(tf.float64, [None] * len(shape))
        y = tf.pad(t, paddings, mode)
        assert y.op.type == "MirrorPad" and y.name == "MirrorPad:0"
        expected = np.pad(x, paddings, mode.lower())
        np.testing.assert_array_equal(run(y, {t: x}), expected)
        places = np.pad(np.arange(x.size).reshape(shape), paddings, mode.lower())
        back = np.bincount(places.reshape(-1), np.cos(expected).reshape(-1), x.size)
        np.testing.assert_allclose(slope(y, t, {t: x}), back.reshape(shape), 1e-12)


@given(st.permutations([0, 1, 2, 3]), st.integers(0, 99), st.booleans())
@settings(max_examples=30, deadline=None)
def test_reverse_sequence_turns_the_first_steps(axes: list[int], seed: int, hidden: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 4, 4)
    x = rng.normal(size=shape)
    batch, steps = axes[:2]
    lengths = rng.integers(0, shape[steps] + 1, shape[batch])
    expected = x.copy()
    rows = np.moveaxis(expected, (batch, steps), (0, 1))
    for row, n in zip(rows, lengths, strict=True):
        row[:n] = row[:n][::-1].copy()
    with tf.Graph().as_default():
        t = tf.placeholder(tf.float64, None if hidden else shape)
        y = tf.reverse_sequence(t, lengths, seq_axis=steps, batch_axis=batch)
        np.testing.assert_array_equal(run(y, {t: x}), expected)


def test_reverse_sequence_takes_older_names() -> None:
    x = [[1, 2, 3], [4, 5, 6]]
    assert run(tf.reverse_sequence(x, [2, 1], seq_dim=1, batch_dim=0)).tolist() == [
        [2, 1, 3],
        [4, 5, 6],
    ]
    with pytest.raises(ValueError, match="seq_axis must be given"):
        tf.reverse_sequence(x, [2, 1])
    with pytest.raises(ValueError, match="mean the same"):
        tf.reverse_sequence(x, [2, 1], seq_axis=1, seq_dim=1)


def test_pad_refuses_other_modes() -> None:
    with pytest.raises(ValueError, match="'EDGE' is not CONSTANT, REFLECT or SYMMETRIC"):
        tf.pad([1, 2], [[1, 1]], "EDGE")


def test_ensure_shape_tells_and_checks() -> None:
    x = tf.placeholder(tf.float32)
    y = tf.ensure_shape(x, [None, 3])
    assert y.shape.as_list() == [None, 3] and y.op.type == "EnsureShape"
    assert run(y * 2, {x: [[1, 2, 3]]}).tolist() == [[2, 4, 6]]
    assert run(tf.gradients(y, x)[0], {x: [[1, 2, 3]]}).tolist() == [[1, 1, 1]]
    for wrong in ([1, 2, 3], [[1, 2]]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not of shape"):
            run(y * 2, {x: wrong})
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not of shape"):
            run(tf.shape(y), {x: wrong})


# ------------------------------------------------------------------------------------------ grids


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_meshgrid_is_numpys(sizes: list[int], ij: bool, hidden: bool) -> None:
    indexing = "ij" if ij else "xy"
    xs = [np.arange(n) + 10.0 * k for k, n in enumerate(sizes)]
    with tf.Graph().as_default():
        ts = [tf.placeholder(tf.float64, [None if hidden else n]) for n in sizes]
        ys = tf.meshgrid(*ts, indexing=indexing)
        got = run(ys, dict(zip(ts, xs, strict=True)))
    for a, b in zip(got, np.meshgrid(*xs, indexing=indexing), strict=True):
        np.testing.assert_array_equal(a, b)


def test_meshgrid_of_tensorflow() -> None:
    assert tf.meshgrid() == []
    assert [y.tolist() for y in run(tf.meshgrid(1, [2, 3]))] == [[[1], [1]], [[2], [3]]]
    x, _ = tf.meshgrid([[1, 2], [3, 4]], [5, 6])
    assert x.shape.as_list() == [2, 4] and x.name.startswith("meshgrid")
    with pytest.raises(ValueError, match="'xy' or 'ij', not 'zz'"):
        tf.meshgrid([1], [2], indexing="zz")
    with pytest.raises(TypeError, match="unknown argument 'foo'"):
        tf.meshgrid([1], [2], foo=1)
    v = tf.constant([1.0, 2.0])
    assert run(tf.gradients(tf.meshgrid(v, [1.0, 2.0, 3.0])[0], v)[0]).tolist() == [3, 3]


@given(shapes, st.integers(0, 99), st.booleans(), st.sampled_from(["one", "vector", "single"]))
@settings(max_examples=50, deadline=None)
def test_repeat_is_numpys(shape: list[int], seed: int, hidden: bool, kind: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    axis = int(rng.integers(-len(shape), len(shape)))
    times: Any = rng.integers(0, 4, {"vector": shape[axis], "single": 1, "one": None}[kind])
    with tf.Graph().as_default():
        t = tf.placeholder(tf.float64, [None] * len(shape) if hidden else shape)
        n = tf.placeholder(tf.int32, np.shape(times)) if hidden else times
        feeds = {t: x, n: times} if hidden else {t: x}
        y = tf.repeat(t, n, axis=axis)
        expected = np.repeat(x, times, axis)
        np.testing.assert_array_equal(run(y, feeds), expected)
        assert y.shape.is_compatible_with(expected.shape)
        back = np.cos(x) * np.expand_dims(
            np.broadcast_to(times, shape[axis]), tuple(range(1, len(shape) - axis % len(shape)))
        )
        np.testing.assert_allclose(slope(y, t, feeds), back, 1e-12)


def test_repeat_of_tensorflow() -> None:
    assert run(tf.repeat(3, 4)).tolist() == [3, 3, 3, 3]
    assert run(tf.repeat([[1, 2], [3, 4]], 2)).tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert run(tf.repeat([[1, 2], [3, 4]], [1, 2, 0, 1])).tolist() == [1, 2, 2, 4]
    assert run(tf.repeat([1, 2], [-1, 2])).tolist() == [2, 2]
    assert run(tf.repeat([1, 2], 0)).tolist() == []
    assert tf.repeat([[1, 2], [3, 4]], [3], axis=1).shape.as_list() == [2, 6]
    assert tf.repeat([1, 2], 2).name.startswith("Repeat")
    with pytest.raises(ValueError, match="3 repeats for 2 elements"):
        tf.repeat([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="a number or a vector"):
        tf.repeat([1, 2], [[1, 2]])
    with pytest.raises(TypeError, match="axis must be an int"):
        tf.repeat([1, 2], 2, axis=0.5)


def test_sequence_mask_of_tensorflow() -> None:
    y = tf.sequence_mask([1, 3, 2], 5)
    assert y.name == "SequenceMask/Less:0" and y.shape.as_list() == [3, 5]
    assert run(y).astype(int).tolist() == [[1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]
    assert tf.sequence_mask([1, 3, 2]).shape.as_list() == [3, 3]
    assert run(tf.sequence_mask([[1, 3], [2, 0]], dtype=tf.float32)).tolist() == [
        [[1, 0, 0], [1, 1, 1]],
        [[1, 1, 0], [0, 0, 0]],
    ]
    assert run(tf.sequence_mask(3, 5)).tolist() == [True, True, True, False, False]
    assert run(tf.sequence_mask([-1, -2])).shape == (2, 0)
    assert run(tf.sequence_mask(tf.constant([], tf.int32))).shape == (0, 0)
    lengths = tf.placeholder(tf.int64, None)
    assert run(tf.sequence_mask(lengths), {lengths: [[2], [1]]}).tolist() == [
        [[True, True]],
        [[True, False]],
    ]
    assert run(tf.sequence_mask(lengths), {lengths: np.zeros((0, 2))}).shape == (0, 2, 0)
    with pytest.raises(ValueError, match="maxlen must be a scalar"):
        tf.sequence_mask([1, 3, 2], [5])


# ----------------------------------------------------------------------------------------- counts


@given(st.lists(st.integers(0, 9), max_size=12), st.booleans(), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_bincount_is_numpys(numbers: list[int], weighted: bool, least: int) -> None:
    weights = np.linspace(-1, 1, len(numbers)) if weighted else None
    with tf.Graph().as_default():
        arr = tf.placeholder(tf.int32, [None])
        y = tf.bincount(arr, weights, minlength=least)
        got = run(y, {arr: numbers})
        none = np.zeros(least)
        expected = np.bincount(numbers, weights, least) if numbers else none
        np.testing.assert_allclose(got, expected)
        assert got.dtype == (np.float64 if weighted else np.int32)
        most = max(least, 3)
        capped = run(tf.bincount(arr, weights, least, most), {arr: numbers})
        np.testing.assert_allclose(capped, expected[:most])


def test_bincount_of_tensorflow() -> None:
    assert tf.math.bincount is tf.bincount
    assert run(tf.bincount([[1, 2], [2, 2]])).tolist() == [0, 1, 3]
    assert run(tf.bincount([1, 1, 5, 3], maxlength=3)).tolist() == [0, 2, 0]
    assert run(tf.bincount([1, 2], dtype=tf.float32)).dtype == np.float32
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.bincount([-1, 1]))


def test_histograms_of_tensorflow() -> None:
    values = [-1.0, 0.0, 1.5, 2.0, 5.0, 15.0]
    y = tf.histogram_fixed_width(values, [0.0, 5.0], nbins=5)
    assert y.name == "histogram_fixed_width:0"
    assert run(y).tolist() == [2, 1, 1, 0, 2]
    bins = tf.histogram_fixed_width_bins(values, [0.0, 5.0], nbins=5)
    assert run(bins).tolist() == [0, 0, 1, 2, 4, 4]
    assert run(tf.histogram_fixed_width_bins([1.0, np.inf, -np.inf], [0.0, 5.0], 2)).tolist() == [
        0, 1, 0,
    ]  # fmt: skip
    counts = run(tf.histogram_fixed_width([1, 2, 3, 7], [0, 5], nbins=5, dtype=tf.int64))
    assert counts.tolist() == [0, 1, 1, 1, 1] and counts.dtype == np.int64


def test_confusion_matrix_of_tensorflow() -> None:
    assert tf.math.confusion_matrix is tf.confusion_matrix
    y = tf.confusion_matrix([1, 2, 4], [2, 2, 4])
    assert y.dtype is tf.int32 and y.name.startswith("confusion_matrix/")
    expected = np.zeros((5, 5))
    expected[[1, 2, 4], [2, 2, 4]] = 1
    np.testing.assert_array_equal(run(y), expected)
    weighted = tf.confusion_matrix(
        [1, 2, 4], [2, 2, 4], num_classes=6, dtype=tf.float32, weights=[1, 2.5, 3]
    )
    assert weighted.shape.as_list() == [6, 6]
    assert run(weighted)[[1, 2, 4], [2, 2, 4]].tolist() == [1, 2.5, 3]
    assert run(tf.confusion_matrix([[1], [2]], [2, 2])).tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
    ]
    empty = tf.constant([], tf.int32)
    assert run(tf.confusion_matrix(empty, empty, num_classes=2)).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels is out of range"):
        run(tf.confusion_matrix([1, 2, 4], [2, 2, 4], num_classes=3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels has a negative number"):
        run(tf.confusion_matrix([1, -2, 4], [2, 2, 4], num_classes=5))
    with pytest.raises(ValueError, match="weights of shape"):
        tf.confusion_matrix([1, 2], [2, 2], weights=[1])
    labels = tf.placeholder(tf.int64, [None])
    fed = tf.confusion_matrix(labels, labels)
    assert run(fed, {labels: [0, 1, 1]}).tolist() == [[1, 0], [0, 2]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="negative number"):
        run(fed, {labels: [0, -1]})


def test_extremes_scattered_share_their_gradient() -> None:
    x, u = tf.constant([1.0, 2.0, 3.0]), tf.constant([2.0, 5.0, 5.0])
    y = tf.tensor_scatter_nd_max(x, [[1], [2], [2]], u)
    assert run(y).tolist() == [1, 2, 5]
    dx, du = run(tf.gradients(y * [1.0, 2.0, 3.0], [x, u]))
    assert dx.tolist() == [1, 1, 0] and du.tolist() == [1, 1.5, 1.5]
    assert run(tf.tensor_scatter_nd_min([1, 2, 3], [[0], [0]], [5, 0])).tolist() == [0, 2, 3]
