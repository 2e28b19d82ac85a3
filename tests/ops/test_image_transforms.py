"""tf.contrib.image: rotations, translations, projective maps, warps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import flowgraph as tf

image = tf.contrib.image


def run(value, feeds=None):
    return tf.Session().run(value, feeds)


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 7), turns=st.integers(-4, 4), channels=st.integers(1, 3))
def test_right_angles_are_rot90(size, turns, channels):
    x = np.arange(size * size * channels, dtype=np.float32).reshape(size, size, channels)
    with tf.Graph().as_default():
        got = run(image.rotate(x, turns * np.pi / 2))
    np.testing.assert_array_equal(got, np.rot90(x, turns))


@settings(max_examples=20, deadline=None)
@given(
    dx=st.integers(-4, 4), dy=st.integers(-4, 4), method=st.sampled_from(["NEAREST", "BILINEAR"])
)
def test_translations(dx, dy, method):
    x = np.arange(1, 31, dtype=np.float32).reshape(5, 6)
    with tf.Graph().as_default():
        got = run(image.translate(x, [float(dx), float(dy)], method))
    np.testing.assert_array_equal(got, ndimage.shift(x, (dy, dx), order=0, cval=0))


def test_projective_maps_as_tensorflow_does():
    x = np.arange(1, 13, dtype=np.float32).reshape(1, 3, 4, 1)
    affine, bent = [1, 0.2, -0.5, 0.1, 1, 0.3, 0, 0], [1, 0.2, -0.5, 0.1, 1, 0.3, 0.1, -0.5]

    def result(*args):
        return run(image.transform(x, *args))[0, :, :, 0]

    np.testing.assert_allclose(result(affine), [[0, 2, 7, 8], [5, 6, 11, 12], [9, 10, 0, 0]])
    np.testing.assert_allclose(result(bent), [[0, 1, 2, 3], [0, 10, 11, 12], [0, 0, 0, 0]])
    np.testing.assert_allclose(
        result(affine, "BILINEAR"),
        [[1.1, 3.1, 4.5, 5.9], [4.34, 7.3, 8.7, 10.1], [5.67, 5.94, 5.45, 4.76]],
        1e-5,
    )


def test_shapes_of_transforms():
    for shape in ([4, 5], [4, 5, 3], [2, 4, 5, 3]):
        assert image.rotate(tf.zeros(shape), 0.3).shape == shape
    assert image.rotate(tf.zeros([2, 4, 5, 3]), [0.3, 0.4]).shape == [2, 4, 5, 3]
    y = image.transform(tf.zeros([4, 5, 3]), [1.0] * 8, output_shape=[7, 8])
    assert y.shape == [7, 8, 3]
    p = tf.placeholder(tf.float32, [None, None, None, 3])
    assert run(image.rotate(p, 1.0), {p: np.ones((2, 4, 4, 3))}).shape == (2, 4, 4, 3)
    with pytest.raises(TypeError):
        image.rotate(tf.zeros([4]), 0.3)
    with pytest.raises(ValueError, match="8 numbers"):
        image.transform(tf.zeros([4, 4]), [1.0] * 7)
    with pytest.raises(ValueError, match="3 transforms for 2 images"):
        image.rotate(tf.zeros([2, 4, 5, 3]), [0.3, 0.4, 0.5])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -1e30])
@pytest.mark.parametrize("method", ["NEAREST", "BILINEAR"])
def test_wild_transforms_show_no_pixel(value, method):
    y = image.transform(np.ones((4, 4), np.float32), [value] * 6 + [0.0, 0.0], method)
    assert not run(y).any()
    y = image.transform(np.ones((4, 4), np.float32), [1.0, 0, 0, 0, 1, 0, value, -1.0], method)
    assert np.isfinite(run(y)).all()


def test_composition():
    a = image.angles_to_projective_transforms(0.4, 5.0, 6.0)
    b = image.translations_to_projective_transforms([1.5, -2.0])
    both = image.compose_transforms(a, b)
    matrices = run([image.flat_transforms_to_matrices(t) for t in (a, b, both)])
    np.testing.assert_allclose(matrices[0] @ matrices[1], matrices[2], 1e-5, 1e-5)
    np.testing.assert_allclose(*run([image.matrices_to_flat_transforms(matrices[2]), both]), 1e-5)


def test_gradient_of_a_right_angle_turns_back():
    x = tf.placeholder(tf.float32, [3, 3])
    dy = np.arange(9, dtype=np.float32).reshape(3, 3)
    (dx,) = tf.gradients(image.rotate(x, np.pi / 2), x, tf.constant(dy))
    np.testing.assert_allclose(run(dx, {x: dy}), np.rot90(dy, -1), atol=1e-5)


def test_dense_image_warp():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 6, 3)).astype(np.float32)
    whole, part = rng.integers(-2, 2, (2, 5, 6, 2)), rng.uniform(0.2, 0.8, (2, 5, 6, 2))
    flow = (whole + part).astype(np.float32)
    got = run(image.dense_image_warp(x, flow))
    for b in range(2):
        i, j = np.indices((5, 6))
        places = [np.clip(i - flow[b, ..., 0], 0, 4), np.clip(j - flow[b, ..., 1], 0, 5)]
        for c in range(3):
            wanted = ndimage.map_coordinates(x[b, ..., c], places, order=1)
            np.testing.assert_allclose(got[b, ..., c], wanted, 1e-4, 1e-5)
    f = tf.constant(flow)
    y = image.dense_image_warp(x, f)
    with tf.Session():
        error = tf.test.compute_gradient_error(f, f.shape, y, y.shape, flow, delta=1e-3)
    assert error < 0.05
