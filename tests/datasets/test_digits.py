"""The bundled digits: complete, split as promised, and the digits they say they are."""

from __future__ import annotations

import numpy as np

import flowgraph as tf


def test_shapes_dtypes_and_ranges():
    (x_train, y_train), (x_test, y_test) = tf.datasets.digits.load_data()
    assert (x_train.shape, x_test.shape) == ((1438, 8, 8), (359, 8, 8))
    assert (y_train.shape, y_test.shape) == ((1438,), (359,))
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        assert images.dtype == labels.dtype == np.uint8
        assert (images.min(), images.max()) == (0, 16)
        assert set(labels) == set(range(10))


def test_the_split_is_every_fifth_image():
    (x_train, y_train), (x_test, y_test) = tf.datasets.digits.load_data()
    labels = np.empty(1797, np.uint8)
    is_test = np.arange(1797) % 5 == 4
    labels[is_test], labels[~is_test] = y_test, y_train
    # Class counts and first labels as the data set's documentation states them.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert labels[:20].tolist() == [*range(10), *range(10)]
    assert int(x_train.sum()) + int(x_test.sum()) == 561718


def test_images_show_their_digits():
    """Nearest neighbour of the training images is right on nearly all test images."""
    (x_train, y_train), (x_test, y_test) = tf.datasets.digits.load_data()
    a, b = (x.reshape(len(x), 64).astype(float) for x in (x_train, x_test))
    distances = (b**2).sum(1)[:, None] - 2 * b @ a.T + (a**2).sum(1)
    assert (y_train[distances.argmin(1)] == y_test).mean() > 0.97


def test_arrays_are_the_callers_own():
    (first, _), _ = tf.datasets.digits.load_data()
    first[...] = 0
    (again, _), _ = tf.datasets.digits.load_data()
    assert again.any()
