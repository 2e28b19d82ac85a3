"""crop_and_resize, frames, and the suppression of boxes: what samples cannot show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, (2, 6, 7, 2)).astype(np.float32)
BOXES = np.array(
    [[0.1, 0.2, 0.73, 0.87], [0.9, 0.8, 0.21, 0.13], [-0.3, 0.2, 0.5, 1.33]], np.float32
)


def run(value, feeds=None):
    return tf.Session().run(value, feeds)


@pytest.mark.parametrize("size", [[3, 4], [1, 5], [1, 1]])
def test_gradients_of_crops(size):
    x, boxes = tf.constant(X), tf.constant(BOXES)
    y = tf.image.crop_and_resize(x, boxes, [0, 1, 1], size)
    with tf.Session():
        error = tf.test.compute_gradient_error(x, x.shape, y, y.shape, X, delta=1e-2)
        assert error < 1e-3
        error = tf.test.compute_gradient_error(boxes, boxes.shape, y, y.shape, BOXES, delta=1e-4)
        assert error < 2e-2


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_the_gradient_is_the_transposed_map(method):
    x = tf.placeholder(tf.float32, [None] * 4)
    y = tf.image.crop_and_resize(x, BOXES, box_indices=[0, 1, 0], crop_size=[3, 5], method=method)
    v = tf.constant(RNG.normal(size=(3, 3, 5, 2)).astype(np.float32))
    (dx,) = tf.gradients(y, x, v)
    left, right = run([tf.reduce_sum(y * v), tf.reduce_sum(x * dx)], {x: X})
    np.testing.assert_allclose(left, right, 1e-4)
    (again,) = tf.gradients(dx, v, tf.constant(X))
    np.testing.assert_allclose(*run([again, y], {x: X}), 1e-5, 1e-6)


def test_the_whole_image_is_one_box():
    whole = tf.image.crop_and_resize(X, [[0.0, 0.0, 1.0, 1.0]], [1], [6, 7])
    np.testing.assert_allclose(run(whole)[0], X[1], 1e-5)
    turned = tf.image.crop_and_resize(X, [[1.0, 1.0, 0.0, 0.0]], [1], [6, 7])
    np.testing.assert_allclose(run(turned)[0], X[1, ::-1, ::-1], 1e-4, 1e-6)


def test_boxes_without_meaning_are_filled():
    for box in ([np.nan] * 4, [5.0, 5.0, 6.0, 6.0], [-np.inf, 0.0, 0.0, 0.0]):
        y = tf.image.crop_and_resize(X, [box], [0], [2, 2], extrapolation_value=-3)
        assert (run(y) == -3).all()
    n = tf.placeholder(tf.int32, [1])
    y = tf.image.crop_and_resize(X, [[0.0, 0.0, 1.0, 1.0]], n, [2, 2])
    for wrong in (-1, 2, 2**31 - 1):
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(y, {n: [wrong]})


def test_frames():
    y = run(tf.image.draw_bounding_boxes(tf.zeros([1, 4, 5, 3]), [[[0.0, 0.25, 1.0, 0.75]]]))[0]
    frame = np.array([[0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0]])
    np.testing.assert_array_equal(y[..., 0], frame)
    assert not y[..., 2].any()  # yellow
    colours = [[0.5, 0.25, 1.0]]
    y = tf.image.draw_bounding_boxes(
        tf.zeros([1, 4, 5, 3]), [[[0.0, 0.25, 1.0, 0.75]]], colors=colours
    )
    np.testing.assert_array_equal(run(y)[0], frame[..., None] * np.array(colours, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, -5.0, 7.0])
def test_wild_boxes_draw_nothing_outside(value):
    box = [[[value, 0.0, 0.5, 0.5], [0.0, 0.0, value, value], [value] * 4]]
    y = run(tf.image.draw_bounding_boxes(tf.zeros([1, 4, 4, 1]), np.array(box, np.float32)))
    assert np.isfinite(y).all()
    if not np.isfinite(value):
        assert not y.any()


def _iou(a, b):
    (y1, x1), (y2, x2) = np.minimum(a[:2], a[2:]), np.maximum(a[:2], a[2:])
    (v1, u1), (v2, u2) = np.minimum(b[:2], b[2:]), np.maximum(b[:2], b[2:])
    common = max(0, min(y2, v2) - max(y1, v1)) * max(0, min(x2, u2) - max(x1, u1))
    return common / ((y2 - y1) * (x2 - x1) + (v2 - v1) * (u2 - u1) - common)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(1, 12), size=st.integers(0, 6))
def test_suppression_is_greedy(seed, count, size):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(0, 1, (count, 4)).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32)
    with tf.Graph().as_default():
        got = run(tf.image.non_max_suppression(boxes, scores, size, 0.3, 0.5))
    wanted = []
    for k in np.argsort(-scores):
        if len(wanted) < size and scores[k] > 0.5:
            if all(_iou(boxes[k], boxes[j]) <= 0.3 for j in wanted):
                wanted.append(k)
    assert got.tolist() == wanted


SIX = np.array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11],
                [0, 10.1, 1, 11.1], [0, 100, 1, 101]], np.float32)  # fmt: skip
SCORES = [0.9, 0.75, 0.6, 0.95, 0.5, 0.3]


def test_suppression_as_tensorflow_does():
    assert run(tf.image.non_max_suppression(SIX, SCORES, 3)).tolist() == [3, 0, 5]
    indices, scores = tf.image.non_max_suppression_with_scores(SIX, SCORES, 6, soft_nms_sigma=0.5)
    indices, scores = run([indices, scores])
    assert indices.tolist() == [3, 0, 1, 5, 4, 2]
    np.testing.assert_allclose(scores, [0.95, 0.9, 0.384, 0.3, 0.256, 0.197], atol=1e-3)
    padded, valid = tf.image.non_max_suppression_padded(SIX, SCORES, 5, pad_to_max_output_size=True)
    assert padded.shape == [5]
    assert run([padded, valid])[0].tolist() == [3, 0, 5, 0, 0]
    assert run(valid) == 3
    overlaps = np.eye(6, dtype=np.float32)
    assert run(tf.image.non_max_suppression_overlaps(overlaps, SCORES, 2)).tolist() == [3, 0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="iou_threshold"):
        run(tf.image.non_max_suppression(SIX, SCORES, 3, 1.5))


def test_combined_suppression():
    scores = np.stack([SCORES, SCORES[::-1]], -1)[None].astype(np.float32)
    found = tf.image.combined_non_max_suppression(
        SIX[None, :, None], scores, 2, 5, clip_boxes=False
    )
    assert [t.shape.as_list() for t in found] == [[1, 5, 4], [1, 5], [1, 5], [1]]
    boxes, best, classes, valid = run(found)
    assert valid.tolist() == [4]
    np.testing.assert_allclose(best[0], [0.95, 0.95, 0.9, 0.9, 0])
    assert classes[0].tolist()[4] == 0
    np.testing.assert_array_equal(boxes[0, 4], [0] * 4)
