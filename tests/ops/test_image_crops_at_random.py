"""Random crops around objects, and glimpses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

BOXES = np.array([[[0.1, 0.2, 0.6, 0.7], [0.5, 0.5, 0.95, 0.9]]], np.float32)


def run(value, feeds=None):
    return tf.Session().run(value, feeds)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 80), width=st.integers(1, 80), seed=st.integers(1, 999),
    least=st.sampled_from([0.0, 0.3, 0.9]),
)  # fmt: skip
def test_a_crop_lies_inside_and_covers_enough(height, width, seed, least):
    with tf.Graph().as_default():
        begin, size, box = run(
            tf.image.sample_distorted_bounding_box(
                [height, width, 3], BOXES, seed=seed, min_object_covered=least,
                area_range=(0.1, 0.8),
            )
        )  # fmt: skip
    assert begin[2] == 0
    assert size[2] == -1
    end = begin[:2] + size[:2]
    assert (begin >= 0).all() and (size[:2] > 0).all() and (end <= [height, width]).all()
    np.testing.assert_allclose(box[0, 0, :2], begin[:2] / [height, width], 1e-5)
    np.testing.assert_allclose(box[0, 0, 2:], end / [height, width], 1e-5)
    if tuple(size[:2]) != (height, width):
        assert 0.099 <= size[0] * size[1] / (height * width) <= 0.801


def test_seeds_give_tensorflows_crops():
    crop = tf.image.sample_distorted_bounding_box([47, 63, 3], BOXES, seed=1, seed2=2)
    session = tf.Session()
    first, second = session.run(crop), session.run(crop)
    assert [v.tolist() for v in first[:2]] != [v.tolist() for v in second[:2]]
    again = run(crop)
    np.testing.assert_array_equal(again.size, first.size)


def test_without_seeds_the_name_decides():
    names = {
        tuple(run(tf.image.sample_distorted_bounding_box([90, 90, 3], BOXES)).size.tolist())
        for _ in range(5)
    }
    assert len(names) > 1


def test_boxes_are_checked():
    empty = BOXES[:, :0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no bounding boxes"):
        run(tf.image.sample_distorted_bounding_box([4, 4, 3], empty))
    whole = tf.image.sample_distorted_bounding_box(
        [40, 40, 3], empty, use_image_if_no_bounding_boxes=True
    )
    assert run(whole).bboxes.shape == (1, 1, 4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be in"):
        run(tf.image.sample_distorted_bounding_box([4, 4, 3], BOXES * 2))
    with pytest.raises(tf.errors.InvalidArgumentError, match="y1 < y2"):
        run(tf.image.sample_distorted_bounding_box([4, 4, 3], BOXES[..., ::-1]))


def test_glimpses_are_windows():
    x = np.arange(70, dtype=np.float32).reshape(1, 7, 10, 1)
    y = tf.image.extract_glimpse(x, [3, 4], [[0.0, 0.0]])
    np.testing.assert_array_equal(run(y)[0, :, :, 0], x[0, 2:5, 3:7, 0])
    y = tf.image.extract_glimpse(x, [2, 2], [[3.0, 4.0]], centered=False, normalized=False)
    np.testing.assert_array_equal(run(y)[0, :, :, 0], x[0, 2:4, 3:5, 0])


def test_noise_surrounds_the_image():
    x = np.full((2, 3, 3, 1), 7, np.float32)
    y = run(tf.image.extract_glimpse(x, [9, 9], [[0.0, 0.0], [5.0, 5.0]]))
    noise = y[y != 7]
    assert noise.size == 9 * 9 * 2 - 9
    assert ((noise >= 0) & (noise < 1)).all()
    assert noise.std() > 0.2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_wild_offsets_show_no_pixel(value):
    x = np.full((1, 3, 3, 1), 7, np.float32)
    y = run(tf.image.extract_glimpse(x, [2, 2], [[value, 0.0]]))
    assert (y != 7).all()
