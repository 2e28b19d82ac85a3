"""Images resized, flipped, cropped, padded, cut into patches: what samples cannot show.

Literal expectations are TensorFlow's own answers.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

RAMP = np.arange(1, 13, dtype=np.float32).reshape(1, 3, 4, 1)
RESIZERS = [
    tf.image.resize_bilinear, tf.image.resize_nearest_neighbor, tf.image.resize_bicubic,
    tf.image.resize_area,
]  # fmt: skip


def run(value, feeds=None):
    return tf.Session().run(value, feeds)


# ----------------------------------------------------------------------------------------- resize


@settings(max_examples=30, deadline=None)
@given(
    method=st.integers(0, 3),
    shape=st.tuples(*[st.integers(1, 6)] * 2, st.integers(1, 4)),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    align=st.booleans(),
)
def test_constant_images_stay_constant(method, shape, size, align):
    with tf.Graph().as_default():
        y = tf.image.resize_images(np.full(shape, 7, np.float32), size, method, align)
        assert y.shape == [*size, shape[-1]]
        np.testing.assert_allclose(run(y), np.full(y.shape.as_list(), 7), 1e-6)


@settings(max_examples=30, deadline=None)
@given(
    resizer=st.sampled_from(RESIZERS),
    shape=st.tuples(*[st.integers(1, 6)] * 4),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    flag=st.sampled_from(["", "align_corners", "half_pixel_centers"]),
    known=st.booleans(),
)
def test_gradients_are_the_transposed_map(resizer, shape, size, flag, known):
    """<A x, v> = <x, A' v>, and A' twice transposed is A."""
    if resizer is tf.image.resize_area and flag == "half_pixel_centers":
        flag = ""
    rng = np.random.default_rng(sum(shape))
    feed = rng.normal(size=shape).astype(np.float32)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, shape if known else [None] * 4)
        y = resizer(x, size, **({flag: True} if flag else {}))
        v = tf.constant(rng.normal(size=(shape[0], *size, shape[3])).astype(np.float32))
        w = tf.constant(rng.normal(size=shape).astype(np.float32))
        (dx,) = tf.gradients(y, x, v)
        (dv,) = tf.gradients(dx, v, w)
        again = resizer(w, size, **({flag: True} if flag else {}))
        left, right, dv, again = run(
            [tf.reduce_sum(y * v), tf.reduce_sum(x * dx), dv, again], {x: feed}
        )
    np.testing.assert_allclose(left, right, 1e-3, 1e-3)
    np.testing.assert_allclose(dv, again, 1e-4, 1e-4)


def test_resizing_as_tensorflow_does():
    def row(resizer, **flags):
        y = run(resizer(RAMP, [2, 3], **flags))[0, :, :, 0]
        return y.astype(np.float64).round(4).tolist()

    bilinear, nearest, cubic, area = RESIZERS
    assert row(bilinear) == [[1, 2.3333, 3.6667], [7, 8.3333, 9.6667]]
    assert row(bilinear, align_corners=True) == [[1, 2.5, 4], [9, 10.5, 12]]
    assert row(bilinear, half_pixel_centers=True) == [[2.1667, 3.5, 4.8333], [8.1667, 9.5, 10.8333]]
    assert row(nearest) == [[1, 2, 3], [5, 6, 7]]
    assert row(nearest, align_corners=True) == [[1, 3, 4], [9, 11, 12]]
    assert row(nearest, half_pixel_centers=True) == [[1, 3, 4], [9, 11, 12]]
    np.testing.assert_allclose(run(area(RAMP, [1, 2]))[0, :, :, 0], [[5.5, 7.5]], 1e-6)
    assert cubic(RAMP, [2, 3]).dtype == tf.float32


def test_images_of_that_size_already_are_returned():
    x = tf.placeholder(tf.uint8, [3, 4, 2])
    assert tf.image.resize_images(x, [3, 4]).dtype == tf.uint8
    assert tf.image.resize_images(x, [6, 5]).dtype == tf.float32
    assert tf.image.resize_images(x, [6, 5], 1).dtype == tf.uint8
    assert tf.image.resize_images(x, [6, 5]).name == "resize_3/Squeeze:0"


@pytest.mark.parametrize(
    ("shape", "size", "wanted"),
    [
        ([2, 10, 20, 3], [7, 7], [2, 4, 7, 3]),
        ([2, 7, 3, 3], [5, 5], [2, 5, 2, 3]),
        ([2, 30, 41, 3], [9, 15], [2, 9, 12, 3]),
        ([5, 15, 1], [3, 3], [1, 3, 1]),
    ],
)
def test_aspect_ratio_is_kept(shape, size, wanted):
    y = tf.image.resize_images(tf.zeros(shape), size, preserve_aspect_ratio=True)
    assert y.shape == wanted
    x = tf.placeholder(tf.float32, [None] * len(shape))
    y = tf.image.resize_images(x, size, preserve_aspect_ratio=True)
    assert list(run(y, {x: np.zeros(shape)}).shape) == wanted


def test_resize_takes_names_of_methods_and_refuses_others():
    x = tf.zeros([2, 2, 1])
    assert tf.image.resize(x, [3, 3], "area").op.inputs[0].op.type == "ResizeArea"
    for method in (4, "lanczos", None):
        with pytest.raises(ValueError, match="not implemented"):
            tf.image.resize(x, [3, 3], method)
    for size in ([3], [3, 3, 3], [3.0, 3.0]):
        with pytest.raises(ValueError, match="size must be"):
            tf.image.resize(x, size)
    with pytest.raises(ValueError, match="3 axes"):
        tf.image.resize(tf.zeros([2, 2]), [3, 3])


def test_resize_image_with_pad():
    y = run(tf.image.resize_image_with_pad(tf.ones([1, 3, 2, 1]), 4, 8))[0, :, :, 0]
    np.testing.assert_allclose(y, [[0, 0, 1, 1, 0, 0, 0, 0]] * 4)
    x = tf.placeholder(tf.float32, [None] * 4)
    y = run(tf.image.resize_image_with_pad(x, 5, 4), {x: np.ones([1, 3, 7, 1])})[0, :, :, 0]
    np.testing.assert_allclose(y, [[0] * 4, [1] * 4, [0] * 4, [0] * 4, [0] * 4])
    with pytest.raises(ValueError, match="must be > 0"):
        tf.image.resize_image_with_pad(tf.zeros([2, 2, 1]), 0, 1)


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 30)] * 2), h=st.integers(1, 30), w=st.integers(1, 30))
def test_sizes_do_not_depend_on_what_is_known(shape, h, w):
    x = np.ones((*shape, 1), np.float32)
    with tf.Graph().as_default():
        p = tf.placeholder(tf.float32, [None] * 3)
        try:
            known = [
                tf.image.resize_image_with_pad(x, h, w),
                tf.image.resize_images(x, [h, w], preserve_aspect_ratio=True),
            ]
        except ValueError:
            return  # scaled to nothing
        later = [
            tf.image.resize_image_with_pad(p, h, w),
            tf.image.resize_images(p, [h, w], preserve_aspect_ratio=True),
        ]
        for a, b in zip(run(known), run(later, {p: x}), strict=True):
            np.testing.assert_allclose(a, b, 1e-6)


# ------------------------------------------------------------------------------- flips, crops, pads

images = st.tuples(*[st.integers(1, 5)] * 4)


@settings(max_examples=20, deadline=None)
@given(shape=images, k=st.integers(-5, 5), one=st.booleans(), dynamic=st.booleans())
def test_turns_are_those_of_numpy(shape, k, one, dynamic):
    x = np.arange(np.prod(shape)).reshape(shape)
    x = x[0] if one else x
    axes = (0, 1) if one else (1, 2)
    with tf.Graph().as_default():
        if dynamic:
            turns = tf.placeholder(tf.int32, [])
            got = run(tf.image.rot90(x, turns), {turns: k})
        else:
            got = run(tf.image.rot90(x, k))
    np.testing.assert_array_equal(got, np.rot90(x, k, axes))


@settings(max_examples=20, deadline=None)
@given(shape=images, one=st.booleans(), known=st.sampled_from(["all", "rank", "nothing"]))
def test_flips_and_transposes(shape, one, known):
    x = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    x = x[0] if one else x
    with tf.Graph().as_default():
        given = {"all": x.shape, "rank": [None] * x.ndim, "nothing": None}[known]
        p = tf.placeholder(tf.int32, given)
        found = run(
            [tf.image.flip_left_right(p), tf.image.flip_up_down(p), tf.image.transpose_image(p)],
            {p: x},
        )
    for y, wanted in zip(
        found,
        (np.flip(x, -2), np.flip(x, -3), np.swapaxes(x, -2, -3)),
        strict=True,
    ):
        np.testing.assert_array_equal(y, wanted)


def test_flips_need_an_image():
    with pytest.raises(ValueError, match="at least three-dimensional"):
        tf.image.flip_left_right(tf.zeros([2, 3]))
    with pytest.raises(ValueError, match="3 or 4 axes"):
        tf.image.flip_left_right(tf.zeros([2, 3, 4, 5, 6]))


@pytest.mark.parametrize("flip", ["left_right", "up_down"])
def test_random_flips_toss_a_coin_for_each_image(flip):
    x = np.arange(64 * 4, dtype=np.float32).reshape(64, 2, 2, 1)
    y = run(getattr(tf.image, "random_flip_" + flip)(x, seed=1))
    turned = run(getattr(tf.image, "flip_" + flip)(x))
    same, flipped = ((y == other).all((1, 2, 3)) for other in (x, turned))
    assert (same ^ flipped).all()
    assert 16 < flipped.sum() < 48
    one = getattr(tf.image, "random_flip_" + flip)(x[0], seed=1)
    assert one.shape == [2, 2, 1]
    session = tf.Session()
    found = {tuple(session.run(one).ravel()) for _ in range(20)}
    assert len(found) == 2


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 7), width=st.integers(1, 7), h=st.integers(1, 9), w=st.integers(1, 9),
    known=st.booleans(),
)  # fmt: skip
def test_crop_or_pad_keeps_the_middle(height, width, h, w, known):
    x = np.arange(1, 1 + height * width, dtype=np.int32).reshape(height, width, 1)
    with tf.Graph().as_default():
        p = tf.placeholder(tf.int32, x.shape if known else [None] * 3)
        y = tf.image.resize_image_with_crop_or_pad(p, h, w)
        assert y.shape.as_list()[:2] == [h, w]
        got = run(y, {p: x})
    for axis, size in ((0, h), (1, w)):
        more = size - x.shape[axis]
        if more < 0:
            x = np.take(x, np.arange(size) + -more // 2, axis)
        else:
            frame = [(0, 0)] * 3
            frame[axis] = (more // 2, more - more // 2)
            x = np.pad(x, frame)
    np.testing.assert_array_equal(got, x)


def test_boxes_must_fit():
    x = tf.zeros([5, 6, 3])
    for numbers in ((1, 2, 5, 3), (-1, 2, 2, 2), (1, 2, 0, 3), (0, 4, 1, 3)):
        with pytest.raises(ValueError, match="crop_to_bounding_box"):
            tf.image.crop_to_bounding_box(x, *numbers)
    for numbers in ((1, 2, 5, 9), (-1, 0, 9, 9)):
        with pytest.raises(ValueError, match="pad_to_bounding_box"):
            tf.image.pad_to_bounding_box(x, *numbers)
    p = tf.placeholder(tf.float32, [None] * 3)
    feeds = {p: np.zeros((5, 6, 3))}
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.image.crop_to_bounding_box(p, 1, 2, 5, 3), feeds)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.image.pad_to_bounding_box(p, 1, 2, 5, 9), feeds)


@pytest.mark.parametrize(
    ("fraction", "wanted"),
    [(1, [5, 6, 3]), (0.5, [3, 4, 3]), (0.875, [5, 6, 3]), (0.1, [1, 2, 3])],
)
def test_central_crop(fraction, wanted):
    x = np.arange(90, dtype=np.float32).reshape(5, 6, 3)
    y = tf.image.central_crop(x, fraction)
    assert y.shape == wanted
    p = tf.placeholder(tf.float32, [None, None, 3])
    f = tf.placeholder(tf.float64, [])
    np.testing.assert_array_equal(run(tf.image.central_crop(p, fraction), {p: x}), run(y))
    np.testing.assert_array_equal(run(tf.image.central_crop(p, f), {p: x, f: fraction}), run(y))
    with pytest.raises(ValueError, match="within"):
        tf.image.central_crop(x, 0.0)


def test_random_crop_is_a_block_of_the_tensor():
    x = np.arange(60).reshape(3, 4, 5)
    y = tf.random_crop(x, [2, 2, 2], seed=3)
    assert y.name == "random_crop:0"
    got = run(y)
    assert (got[0] + 20 == got[1]).all()
    assert (got[:, 0] + 5 == got[:, 1]).all()
    assert (got[..., 0] + 1 == got[..., 1]).all()
    with pytest.raises(ValueError, match="does not fit"):
        tf.random_crop(x, [2, 5, 2])
    p = tf.placeholder(tf.int64, [None] * 3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.random_crop(p, [2, 5, 2]), {p: x})


# ---------------------------------------------------------------------------------------- patches


@settings(max_examples=20, deadline=None)
@given(
    shape=images,
    k=st.tuples(*[st.integers(1, 3)] * 2),
    stride=st.integers(1, 3),
    rate=st.integers(1, 2),
)
def test_patches_are_windows(shape, k, stride, rate):
    x = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)
    args = ([1, *k, 1], [1, stride, stride, 1], [1, rate, rate, 1], "SAME")
    with tf.Graph().as_default():
        p = tf.placeholder(tf.float32, [None, None, None, shape[-1]])
        y = tf.extract_image_patches(p, *args)
        depth = k[0] * k[1] * shape[-1]
        assert y.shape.as_list() == [None, None, None, depth]
        # a convolution with the identity does the same
        eye = np.eye(depth, dtype=np.float32).reshape(*k, shape[-1], depth)
        same = tf.nn.conv2d(
            p, eye, [1, 1, 1, 1] if rate > 1 else args[1], "SAME", dilations=args[2]
        )
        got, wanted, dx = run([y, same, tf.gradients(y, p)[0]], {p: x})
    if rate == 1:
        np.testing.assert_allclose(got, wanted)
    assert dx.sum() == np.count_nonzero(got)


def test_patches_have_tensorflows_names():
    x = tf.zeros([1, 4, 4, 1])
    ones = [1, 1, 1, 1]
    assert tf.image.extract_patches(x, [1, 2, 2, 1], ones, ones, "VALID").op.type == (
        "ExtractImagePatches"
    )
    a = tf.image.extract_image_patches(
        x, sizes=[1, 2, 2, 1], strides=ones, rates=ones, padding="SAME"
    )
    assert a.shape == [1, 4, 4, 4]
    volume = tf.extract_volume_patches(
        tf.zeros([1, 4, 4, 4, 2]), [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], "VALID"
    )
    assert volume.shape == [1, 2, 2, 2, 16]
