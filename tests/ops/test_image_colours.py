"""Colours and adjustments of images: what samples cannot show.

Literal expectations are TensorFlow's own answers.
"""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf


def run(value, feeds=None):
    return tf.Session().run(value, feeds)


def colours(seed=0, shape=(2, 3, 4, 3)):
    return np.random.default_rng(seed).uniform(0.05, 0.95, shape).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99))
def test_hsv_is_that_of_the_standard_library(seed):
    x = colours(seed, (7, 3))
    with tf.Graph().as_default():
        hsv = tf.image.rgb_to_hsv(x)
        got, back = run([hsv, tf.image.hsv_to_rgb(hsv)])
    np.testing.assert_allclose(got, [colorsys.rgb_to_hsv(*p) for p in x.tolist()], 1e-5, 1e-6)
    np.testing.assert_allclose(back, x, 1e-5, 1e-6)


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (tf.image.adjust_hue, 0.2),
        (tf.image.adjust_saturation, 0.5),
        (tf.image.adjust_contrast, 1.5),
    ],
)
def test_gradients_of_adjustments(function, value):
    x, by = tf.constant(colours()), tf.constant(value)
    y = function(x, by)
    for at, shape in ((x, x.shape), (by, [])):
        with tf.Session():
            start = at.eval()
            error = tf.test.compute_gradient_error(at, shape, y, y.shape, start, delta=1e-3)
        assert error < 5e-3
        second = tf.gradients(tf.gradients(tf.square(y), at), at)[0]
        assert np.isfinite(run(second)).all()


def test_adjustments_of_bytes():
    x = np.array([[[0, 50, 250], [10, 20, 30]]], np.uint8)
    got = run(tf.image.adjust_brightness(x, 0.1))
    assert got.tolist() == [[[25, 75, 255], [35, 45, 55]]]
    assert run(tf.image.adjust_brightness(x, -0.1)).tolist() == [[[0, 24, 224], [0, 0, 4]]]
    for f in (tf.image.adjust_contrast, tf.image.adjust_hue, tf.image.adjust_saturation):
        assert f(x, 0.5).dtype == tf.uint8
    assert run(tf.image.adjust_gamma(x, 1)).tolist() == x.tolist()


@pytest.mark.parametrize(
    ("source", "target", "values", "wanted"),
    [
        ("uint8", "float32", [0, 51, 255], [0, 0.2, 1]),
        ("float32", "uint8", [0, 0.2, 1], [0, 51, 255]),
        ("uint8", "uint16", [0, 1, 255], [0, 256, 65280]),
        ("uint16", "uint8", [0, 511, 65535], [0, 1, 255]),
        ("uint8", "int16", [0, 1, 255], [0, 128, 32640]),
        ("float64", "float32", [0, 0.5], [0, 0.5]),
    ],
)
def test_convert_image_dtype(source, target, values, wanted):
    y = tf.image.convert_image_dtype(np.array(values, source), target)
    assert y.dtype == tf.as_dtype(target)
    np.testing.assert_allclose(run(y), wanted, 1e-6)


def test_conversion_saturates_when_asked():
    x = tf.constant([-1.0, 0.5, 2.0])
    saturated = tf.image.convert_image_dtype(x, tf.uint8, saturate=True)
    assert run(saturated).tolist() == [0, 127, 255]
    assert saturated.name == "convert_image:0"


def test_grey():
    x = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    y = tf.image.rgb_to_grayscale(x)
    assert y.shape == [1, 4, 1]
    assert run(y)[0, :, 0].tolist() == [76, 149, 29, 255]
    assert run(tf.image.grayscale_to_rgb(y)).shape == (1, 4, 3)
    p = tf.placeholder(tf.float32)
    assert run(tf.image.rgb_to_grayscale(p), {p: np.ones((2, 3))}).shape == (2, 1)
    assert run(tf.image.grayscale_to_rgb(p), {p: np.ones((2, 1))}).shape == (2, 3)
    with pytest.raises(ValueError, match="3 channels"):
        tf.image.rgb_to_grayscale(tf.zeros([2, 2]))
    with pytest.raises(ValueError, match="1 channel"):
        tf.image.grayscale_to_rgb(tf.zeros([2, 2]))


@pytest.mark.parametrize("kind", ["yiq", "yuv"])
def test_linear_coordinates_go_there_and_back(kind):
    x = colours()
    there = getattr(tf.image, "rgb_to_" + kind)(x)
    y, back = run([there, getattr(tf.image, kind + "_to_rgb")(there)])
    np.testing.assert_allclose(back, x, 1e-4, 1e-4)
    np.testing.assert_allclose(y[..., 0], x @ [0.299, 0.587, 0.114], 1e-5)
    with pytest.raises(ValueError, match="3 channels"):
        getattr(tf.image, "rgb_to_" + kind)(tf.zeros([2, 2, 2]))
    with pytest.raises(TypeError, match="floats"):
        getattr(tf.image, "rgb_to_" + kind)(tf.zeros([2, 2, 3], tf.uint8))


def test_random_adjustments_lie_in_their_bounds():
    x = np.full((1, 1, 3), 0.5, np.float32)
    y = tf.image.random_brightness(x, 0.25, seed=3)
    session = tf.Session()
    found = np.array([session.run(y)[0, 0, 0] for _ in range(50)])
    assert found.min() >= 0.25 and found.max() < 0.75 and found.std() > 0.05
    for wrong in (
        lambda: tf.image.random_brightness(x, -0.1),
        lambda: tf.image.random_contrast(x, 0.5, 0.5),
        lambda: tf.image.random_contrast(x, -0.5, 0.5),
        lambda: tf.image.random_saturation(x, 0.6, 0.5),
        lambda: tf.image.random_hue(x, 0.6),
        lambda: tf.image.adjust_gamma(x, -1.0),
    ):
        with pytest.raises(ValueError):
            wrong()
    for f in (tf.image.random_contrast, tf.image.random_saturation):
        assert f(x, 0.5, 1.5).shape == x.shape


def test_per_image_standardization():
    x = np.random.default_rng(0).normal(3, 2, (2, 4, 5, 3)).astype(np.float32)
    p = tf.placeholder(tf.float32, [None] * 4)
    y, same = run(
        [tf.image.per_image_standardization(x), tf.image.per_image_standardization(p)], {p: x}
    )
    np.testing.assert_allclose(y.mean((1, 2, 3)), [0, 0], atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2, 3)), [1, 1], 1e-4)
    np.testing.assert_allclose(y, same, 1e-5, 1e-5)
    flat = run(tf.image.per_image_standardization(np.full((2, 2, 1), 7, np.uint8)))
    assert flat.tolist() == np.zeros((2, 2, 1)).tolist()
