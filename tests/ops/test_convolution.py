"""Convolutions: random geometries against sums over sliding windows, and TensorFlow's facts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import flowgraph as tf
from flowgraph.errors import InvalidArgumentError, OpError

FEEDS: dict = {}


def fed(array):
    """``array`` as a tensor that no pass knows: constants would be folded by the references."""
    tensor = tf.placeholder(array.dtype, array.shape)
    FEEDS[tensor] = array
    return tensor


def run(fetches, feed_dict=None):
    graph = tf.get_default_graph()
    feeds = {t: a for t, a in FEEDS.items() if t.graph is graph}
    with tf.Session() as session:
        return session.run(fetches, {**feeds, **(feed_dict or {})})


def numbers(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


def frame(size, taps, stride, dilation, padding):
    """TensorFlow's rule: the odd zero goes behind, also where the stride exceeds the window."""
    span = (taps - 1) * dilation + 1
    if padding == "VALID":
        return (0, 0), (size - span) // stride + 1
    count = -(-size // stride)
    total = max((count - 1) * stride + span - size, 0)
    return (total // 2, total - total // 2), count


def windows_of(x, taps, strides, dilations, padding):
    """(n, rows, columns, channels, taps...) of channels-last images in float64."""
    frames, counts = zip(
        *(
            frame(*given, padding)
            for given in zip(x.shape[1:-1], taps, strides, dilations, strict=True)
        ),
        strict=True,
    )
    padded = np.pad(x.astype(float), [(0, 0), *frames, (0, 0)])
    spans = [(t - 1) * d + 1 for t, d in zip(taps, dilations, strict=True)]
    space = tuple(range(1, x.ndim - 1))
    views = sliding_window_view(padded, spans, axis=space)
    steps = [slice(None, None, s) for s in strides]
    gaps = [slice(None, None, d) for d in dilations]
    found = views[(slice(None), *steps, slice(None), *gaps)]
    assert found.shape[1 : len(counts) + 1] == counts
    return found


def convolved(x, w, strides, dilations, padding):
    space = w.ndim - 2
    found = windows_of(x, w.shape[:-2], strides, dilations, padding)
    letters = "hwd"[:space]
    return np.einsum(f"n{'abc'[:space]}i{letters},{letters}io->n{'abc'[:space]}o", found, w)


def close(got, expected, terms=1):
    """float32 sums of ``terms`` products of numbers up to 1."""
    tolerance = 4e-7 * np.sqrt(terms) * 4 if got.dtype == np.float32 else 1e-12 * terms
    np.testing.assert_allclose(got, expected, 1e-5 if got.dtype == np.float32 else 1e-9, tolerance)


# ------------------------------------------------------------------------------ random geometries


@st.composite
def geometries(draw, space=2, most=9):
    taps = [draw(st.integers(1, 4)) for _ in range(space)]
    strides = [draw(st.integers(1, 3)) for _ in range(space)]
    dilations = [draw(st.integers(1, 3)) for _ in range(space)]
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    low = [
        (t - 1) * d + 1 if padding == "VALID" else 1 for t, d in zip(taps, dilations, strict=True)
    ]
    sizes = [draw(st.integers(n, max(n, most))) for n in low]
    return sizes, taps, strides, dilations, padding


@settings(max_examples=25, deadline=None)
@given(
    geometries(),
    st.integers(1, 3),
    st.sampled_from([1, 2, 3, 8, 17, 33]),
    st.sampled_from([1, 5, 8, 16, 19, 32, 35]),
    st.sampled_from(["NHWC", "NCHW"]),
    st.sampled_from([np.float32, np.float64]),
)
def test_conv2d_and_its_gradients(shape, batch, channels, depth, data_format, dtype):
    sizes, taps, strides, dilations, padding = shape
    x = numbers(batch, *sizes, channels, dtype=dtype)
    w = numbers(*taps, channels, depth, seed=1, dtype=dtype)
    windows = windows_of(x, taps, strides, dilations, padding)
    y = np.einsum("nabihw,hwio->nabo", windows, w)
    dy = numbers(*y.shape, seed=2, dtype=dtype)
    dw = np.einsum("nabihw,nabo->hwio", windows, dy)

    first = data_format == "NCHW"
    with tf.Graph().as_default():
        image = fed(np.moveaxis(x, -1, 1) if first else x)
        filters = fed(w)
        result = tf.nn.conv2d(
            image, filters, strides, padding, data_format=data_format, dilations=dilations
        )
        slopes = fed(np.moveaxis(dy, -1, 1) if first else dy)
        by_x, by_w = tf.gradients(result, [image, filters], slopes)
        got, dx, got_dw = run([result, by_x, by_w])
    if first:
        got, dx = np.moveaxis(got, 1, -1), np.moveaxis(dx, 1, -1)
    terms = channels * taps[0] * taps[1]
    close(got, y, terms)
    close(got_dw, dw, batch * y.shape[1] * y.shape[2])
    # <dx, u> is the derivative of <y, dy> along u
    u = numbers(*x.shape, seed=3, dtype=np.float64)
    along = np.sum(convolved(u, w.astype(float), strides, dilations, padding) * dy)
    scale = np.sqrt(np.sum(np.square(dx.astype(float)))) + 1
    assert abs(np.sum(dx * u) - along) <= (2e-6 if dtype == np.float32 else 1e-12) * scale * 50


@settings(max_examples=10, deadline=None)
@given(geometries(space=3, most=5), st.sampled_from(["NDHWC", "NCDHW"]))
def test_conv3d(shape, data_format):
    sizes, taps, strides, dilations, padding = shape
    x, w = numbers(2, *sizes, 3), numbers(*taps, 3, 5, seed=1)
    y = convolved(x, w, strides, dilations, padding)
    first = data_format == "NCDHW"
    with tf.Graph().as_default():
        result = tf.nn.conv3d(
            fed(np.moveaxis(x, -1, 1) if first else x),
            w,
            strides,
            padding,
            data_format=data_format,
            dilations=dilations,
        )
        got = run(result)
    close(np.moveaxis(got, 1, -1) if first else got, y, 3 * np.prod(taps))


@settings(max_examples=20, deadline=None)
@given(
    geometries(),
    st.sampled_from([1, 3, 16, 21]),
    st.integers(1, 3),
    st.sampled_from(["NHWC", "NCHW"]),
)
def test_depthwise_and_its_gradients(shape, channels, multiple, data_format):
    sizes, taps, strides, dilations, padding = shape
    x, w = numbers(2, *sizes, channels), numbers(*taps, channels, multiple, seed=1)
    windows = windows_of(x, taps, strides, dilations, padding)
    y = np.einsum("nabihw,hwiq->nabiq", windows, w)
    dy = numbers(*y.shape, seed=2)
    dw = np.einsum("nabihw,nabiq->hwiq", windows, dy)
    flat = (*y.shape[:3], channels * multiple)
    first = data_format == "NCHW"
    with tf.Graph().as_default():
        image, filters = fed(np.moveaxis(x, -1, 1) if first else x), fed(w)
        result = tf.nn.depthwise_conv2d_native(
            image, filters, strides, padding, data_format, dilations
        )
        slopes = dy.reshape(flat)
        slopes = fed(np.moveaxis(slopes, -1, 1) if first else slopes)
        by_x, by_w = tf.gradients(result, [image, filters], slopes)
        got, dx, got_dw = run([result, by_x, by_w])
    if first:
        got, dx = np.moveaxis(got, 1, -1), np.moveaxis(dx, 1, -1)
    close(got, y.reshape(flat), taps[0] * taps[1])
    close(got_dw, dw, y[..., 0, 0].size)
    u = numbers(*x.shape, seed=3, dtype=np.float64)
    moved = np.einsum("nabihw,hwiq->nabiq", windows_of(u, taps, strides, dilations, padding), w)
    assert abs(np.sum(dx * u) - np.sum(moved * dy)) <= 1e-4 * (1 + np.abs(dx).sum() ** 0.5)


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "stride"),
    [
        ((3, 13, 11, 70), (3, 3, 70, 40), 1),  # sums longer than a panel holds
        ((2, 7, 7, 300), (3, 3, 300, 33), 1),  # filter larger than the cache: shared panels
        ((1, 9, 9, 650), (1, 1, 650, 20), 2),  # one tap longer than a panel
        ((5, 6, 5, 40), (5, 4, 40, 8), 3),
        ((40, 3, 3, 5), (2, 2, 5, 64), 1),
        ((1, 40, 41, 1), (7, 5, 1, 3), 2),
    ],
)
def test_sizes_that_need_several_panels(x_shape, w_shape, stride):
    x, w = numbers(*x_shape), numbers(*w_shape, seed=1)
    windows = windows_of(x, w_shape[:2], (stride,) * 2, (1, 1), "SAME")
    y = np.einsum("nabihw,hwio->nabo", windows, w, optimize=True)
    dy = numbers(*y.shape, seed=2)
    dw = np.einsum("nabihw,nabo->hwio", windows, dy, optimize=True)
    image, filters = fed(x), fed(w)
    result = tf.nn.conv2d(image, filters, stride, "SAME")
    by_x, by_w = tf.gradients(result, [image, filters], fed(dy))
    got, dx, got_dw = run([result, by_x, by_w])
    close(got, y, np.prod(w_shape[:3]))
    close(got_dw, dw, np.prod(y.shape[:3]))
    u = numbers(*x_shape, seed=3, dtype=np.float64)
    moved = windows_of(u, w_shape[:2], (stride,) * 2, (1, 1), "SAME")
    along = np.einsum("nabihw,hwio,nabo", moved, w.astype(float), dy.astype(float), optimize=True)
    assert abs(np.sum(dx * u) - along) <= 1e-5 * np.abs(dx * u).sum()


@pytest.mark.parametrize("groups", [2, 3])
def test_groups(groups):
    x, w = numbers(2, 5, 6, 2 * groups), numbers(3, 3, 2, 4 * groups, seed=1)
    parts = [
        convolved(x[..., 2 * k : 2 * k + 2], w[..., 4 * k : 4 * k + 4], (2, 2), (1, 1), "SAME")
        for k in range(groups)
    ]
    image, filters = fed(x), fed(w)
    y = tf.nn.conv2d(image, filters, 2, "SAME")
    split = [
        tf.nn.conv2d(image[..., 2 * k : 2 * k + 2], filters[..., 4 * k : 4 * k + 4], 2, "SAME")
        for k in range(groups)
    ]
    grads = tf.gradients(tf.reduce_sum(tf.sin(y)), [image, filters])
    expected = tf.gradients(
        tf.add_n([tf.reduce_sum(tf.sin(part)) for part in split]), [image, filters]
    )
    got, grads, expected = run([y, grads, expected])
    close(got, np.concatenate(parts, -1), 18)
    for g, e in zip(grads, expected, strict=True):
        close(g, e, 18)


def test_operands_in_any_strides():
    x, w = numbers(2, 8, 9, 4), numbers(3, 3, 4, 5, seed=1)
    given, taps = tf.placeholder(tf.float32, x.shape), tf.placeholder(tf.float32, w.shape)

    def both(view, flipped):
        """The op on views, and on the copies they stand for."""
        y = tf.nn.conv2d(view, flipped, 1, "SAME")
        plain_x, plain_w = run([view, flipped], {given: x, taps: w})
        got = run([y, *tf.gradients(tf.reduce_sum(y * y), [view, flipped])], {given: x, taps: w})
        copies = [fed(plain_x), fed(plain_w)]
        again = tf.nn.conv2d(*copies, 1, "SAME")
        expected = run(
            [again, *tf.gradients(tf.reduce_sum(again * again), copies)], {given: x, taps: w}
        )
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)

    both(tf.transpose(given, [0, 2, 1, 3]), tf.reverse(taps, [0, 1]))
    both(given[:, ::2, 1::3], tf.transpose(taps, [1, 0, 2, 3]))
    both(tf.transpose(tf.transpose(given, [3, 0, 1, 2])[::-1], [1, 2, 3, 0]), taps)
    both(tf.zeros_like(given) + 2.0, taps)
    both(given[:, :, :, 1:3], taps[:, :, 1:3])


def test_an_unknown_batch_serves_any_number_of_images():
    x = tf.placeholder(tf.float32, [None, None, 6, 2])
    w = numbers(3, 3, 2, 4, seed=1)
    y = tf.nn.conv2d(x, w, [1, 2, 1, 1], "SAME")
    assert y.shape.as_list() == [None, None, 6, 4]
    with tf.Session() as session:
        for batch, rows in ((1, 5), (3, 4), (0, 2), (2, 1)):
            image = numbers(batch, rows, 6, 2)
            got = session.run(y, {x: image})
            close(got, convolved(image, w, (2, 1), (1, 1), "SAME"), 18)


def test_second_derivatives_of_a_penalty():
    image, filters = numbers(1, 5, 5, 2, dtype=float), numbers(3, 3, 2, 3, seed=1, dtype=float)
    along = numbers(3, 3, 2, 3, seed=5, dtype=float)
    x, w = fed(image), fed(filters)
    (dx,) = tf.gradients(tf.tanh(tf.nn.conv2d(x, w, 2, "SAME")), x)
    penalty = tf.reduce_sum(tf.square(dx))
    (slope,) = tf.gradients(penalty, w)
    step = 1e-5
    high, low = (run(penalty, {w: filters + d * along}) for d in (step, -step))
    measured = (high - low) / (2 * step)
    assert abs(np.sum(run(slope) * along) - measured) < 1e-6 * abs(measured)


def test_results_are_equal_bit_by_bit():
    x, w = fed(numbers(4, 15, 14, 32)), fed(numbers(5, 5, 32, 40, seed=1))
    y = tf.nn.conv2d(x, w, 1, "SAME")
    grads = tf.gradients(tf.reduce_sum(y * y), [x, w])
    for one, other in zip(run([y, *grads]), run([y, *grads]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_infinities_and_nan_stay_where_they_are():
    x = np.zeros((1, 9, 9, 32), np.float32)
    x[0, 4, 4, 3] = np.inf
    x[0, 0, 0, 5] = np.nan
    w = np.ones((3, 3, 32, 32), np.float32)
    y = run(tf.nn.conv2d(fed(x), w, 1, "SAME"))
    infinite = np.zeros((9, 9), bool)
    infinite[3:6, 3:6] = True
    np.testing.assert_array_equal(np.isinf(y).all(-1)[0], infinite)
    nan = np.zeros((9, 9), bool)
    nan[:2, :2] = True
    np.testing.assert_array_equal(np.isnan(y).all(-1)[0], nan)
    assert (y[0][~(infinite | nan)] == 0).all()


def test_float16():
    x, w = numbers(1, 5, 5, 3).astype(np.float16), numbers(3, 3, 3, 2, seed=1).astype(np.float16)
    y = run(tf.nn.conv2d(fed(x), w, 1, "SAME"))
    assert y.dtype == np.float16
    expected = convolved(x.astype(float), w.astype(float), (1, 1), (1, 1), "SAME")
    np.testing.assert_allclose(y, expected, 2e-3, 2e-3)


# -------------------------------------------------------------------- what TensorFlow does, by name


def image(*shape):
    return tf.placeholder(tf.float32, shape)


X, W = (2, 7, 8, 3), (3, 3, 3, 5)


@pytest.mark.parametrize(
    ("make", "name", "shape"),
    [
        (lambda c: c.conv2d(image(*X), image(*W), [1, 1, 1, 1], "SAME"), "Conv2D", [2, 7, 8, 5]),
        (lambda c: c.conv2d(image(*X), image(*W), 2, "SAME"), "Conv2D", [2, 4, 4, 5]),
        (lambda c: c.conv2d(image(*X), image(*W), [2, 1], "SAME"), "Conv2D", [2, 4, 8, 5]),
        (lambda c: c.conv2d(image(*X), image(*W), padding="SAME"), "Conv2D", [2, 7, 8, 5]),
        (
            lambda c: c.conv2d(image(*X), filters=image(*W), strides=1, padding="VALID"),
            "Conv2D",
            [2, 5, 6, 5],
        ),
        (
            lambda c: c.conv2d(image(*X), image(*W), 1, [[0, 0], [1, 2], [3, 4], [0, 0]]),
            "Conv2D",
            [2, 8, 13, 5],
        ),
        (
            lambda c: c.conv2d(image(2, 3, 7, 8), image(*W), 2, "SAME", data_format="NCHW"),
            "Conv2D",
            [2, 5, 4, 4],
        ),
        (
            lambda c: c.conv1d(image(2, 9, 3), image(3, 3, 5), 2, "SAME"),
            "conv1d/Squeeze",
            [2, 5, 5],
        ),
        (
            lambda c: c.conv1d(input=image(2, 3, 9), filters=image(3, 3, 5), stride=[2],
                               padding="VALID", data_format="NCW"),
            "conv1d/Squeeze",
            [2, 5, 4],
        ),
        (
            lambda c: c.conv1d_transpose(image(2, 5, 3), image(3, 5, 3), [2, 9, 5], 2),
            "conv1d_transpose/Squeeze",
            [2, 9, 5],
        ),
        (
            lambda c: c.conv2d_transpose(image(2, 4, 4, 3), image(3, 3, 5, 3), [2, 8, 8, 5],
                                         [1, 2, 2, 1]),
            "conv2d_transpose",
            [2, 8, 8, 5],
        ),
        (
            lambda c: c.conv2d_transpose(image(2, 4, 4, 3), image(3, 3, 5, 3), [2, 7, 8, 5], 2),
            "conv2d_transpose",
            [2, 7, 8, 5],
        ),
        (
            lambda c: c.conv3d(image(2, 7, 8, 9, 3), image(3, 3, 3, 3, 5), [1, 1, 2, 2, 1], "SAME"),
            "Conv3D",
            [2, 7, 4, 5, 5],
        ),
        (
            lambda c: c.conv3d_transpose(image(2, 4, 4, 4, 3), image(3, 3, 3, 5, 3),
                                         [2, 8, 8, 8, 5], [1, 2, 2, 2, 1]),
            "conv3d_transpose",
            [2, 8, 8, 8, 5],
        ),
        (
            lambda c: c.conv_transpose(image(2, 4, 3), image(3, 5, 3), [2, 8, 5], 2),
            "conv_transpose/Squeeze",
            [2, 8, 5],
        ),
        (
            lambda c: c.conv_transpose(image(2, 4, 4, 3), image(3, 3, 5, 3), [2, 8, 8, 5], 2),
            "conv_transpose",
            [2, 8, 8, 5],
        ),
        (lambda c: c.convolution(image(*X), image(*W), "SAME"), "convolution", [2, 7, 8, 5]),
        (
            lambda c: c.convolution(image(2, 9, 3), image(3, 3, 5), "SAME", strides=[2]),
            "convolution/Squeeze",
            [2, 5, 5],
        ),
        (
            lambda c: c.convolution(image(2, 3, 7, 8, 9), image(3, 3, 3, 3, 5), "SAME",
                                    data_format="NCDHW"),
            "convolution",
            [2, 5, 7, 8, 9],
        ),
        (lambda c: c.atrous_conv2d(image(*X), image(*W), 2, "VALID"), "convolution", [2, 3, 4, 5]),
        (
            lambda c: c.depthwise_conv2d(image(*X), image(3, 3, 3, 2), [1, 1, 1, 1], "SAME"),
            "depthwise",
            [2, 7, 8, 6],
        ),
        (
            lambda c: c.depthwise_conv2d_native(image(*X), image(3, 3, 3, 2), [1, 2, 2, 1], "SAME"),
            "DepthwiseConv2dNative",
            [2, 4, 4, 6],
        ),
        (
            lambda c: c.separable_conv2d(image(*X), image(3, 3, 3, 2), image(1, 1, 6, 4),
                                         [1, 1, 1, 1], "SAME"),
            "separable_conv2d",
            [2, 7, 8, 4],
        ),
        (
            lambda c: c.dilation2d(image(*X), image(3, 3, 3), [1, 2, 2, 1], [1, 2, 2, 1], "VALID"),
            "Dilation2D",
            [2, 2, 2, 3],
        ),
        (
            lambda c: c.erosion2d(image(*X), image(3, 3, 3), [1, 1, 1, 1], [1, 1, 1, 1], "SAME"),
            "erosion2d/Neg_1",
            [2, 7, 8, 3],
        ),
    ],
)  # fmt: skip
def test_names_and_static_shapes(make, name, shape):
    y = make(tf.nn)
    assert y.op.name == name
    assert y.shape.as_list() == shape


def test_operations_under_a_name():
    tf.nn.conv1d(image(2, 9, 3), image(3, 3, 5), 2, "SAME", name="layer")
    types = {op.name: op.type for op in tf.get_default_graph().get_operations()}
    assert types["layer/ExpandDims"] == types["layer/ExpandDims_1"] == "ExpandDims"
    assert types["layer"] == "Conv2D"
    assert types["layer/Squeeze"] == "Squeeze"
    x, w = image(*X), image(*W)
    y = tf.nn.conv2d(x, w, 1, "SAME", name="c")
    dx, dw = tf.gradients(y, [x, w])
    assert dx.op.name == "gradients/c_grad/Conv2DBackpropInput"
    assert dw.op.name == "gradients/c_grad/Conv2DBackpropFilter"
    assert y.op.get_attr("strides") == [1, 1, 1, 1]
    assert y.op.get_attr("padding") in ("SAME", b"SAME")
    s = tf.nn.separable_conv2d(x, image(3, 3, 3, 2), image(1, 1, 6, 4), [1] * 4, "SAME", name="s")
    assert s.op.inputs[0].op.name == "s/depthwise"


def test_aliases():
    nn = tf.nn
    assert nn.conv3d_backprop_filter is nn.conv3d_backprop_filter_v2
    assert nn.depthwise_conv2d_backprop_input is nn.depthwise_conv2d_native_backprop_input
    assert nn.depthwise_conv2d_backprop_filter is nn.depthwise_conv2d_native_backprop_filter


def test_static_shapes_of_unknown_operands():
    unknown = tf.placeholder(tf.float32)
    c = tf.nn
    assert c.conv2d(unknown, image(*W), 1, "SAME").shape.as_list() == [None, None, None, 5]
    assert c.conv2d(unknown, unknown, 1, "SAME").shape.as_list() == [None] * 4
    y = c.conv2d(image(None, None, 8, None), image(*W), 2, "SAME")
    assert y.shape.as_list() == [None, None, 4, 5]


def test_conv2d_transpose_takes_its_shape_from_the_run():
    x = tf.placeholder(tf.float32, [None, 4, 4, 3])
    w = numbers(3, 3, 5, 3, seed=1)
    y = tf.nn.conv2d_transpose(x, w, tf.stack([tf.shape(x)[0], 8, 8, 5]), 2)
    assert y.shape.as_list() == [None, 8, 8, 5]
    shape = tf.placeholder(tf.int32, [4])
    z = tf.nn.conv2d_transpose(x, w, shape, 2)
    assert z.shape.as_list() == [None] * 4
    fed = numbers(2, 4, 4, 3)
    with tf.Session() as session:
        even = session.run(y, {x: fed})
        np.testing.assert_array_equal(session.run(z, {x: fed, shape: [2, 8, 8, 5]}), even)
        odd = session.run(z, {x: fed, shape: [2, 7, 7, 5]})
        assert odd.shape == (2, 7, 7, 5)
        with pytest.raises(InvalidArgumentError, match="out_backprop is"):
            session.run(z, {x: fed, shape: [2, 9, 8, 5]})
    # the seven rows of an odd shape are framed by one zero on each side, the eight by one behind
    dense = np.zeros((2, 9, 9, 5))
    for r in range(3):
        for s in range(3):
            dense[:, r : r + 7 : 2, s : s + 7 : 2] += fed.astype(float) @ w[r, s].T.astype(float)
    close(even, dense[:, :8, :8], 27)
    close(odd, dense[:, 1:8, 1:8], 27)


def test_erosion_is_the_dual_of_dilation():
    x, k = numbers(1, 5, 6, 2), numbers(3, 2, 2, seed=1)
    got = run(tf.nn.erosion2d(fed(x), k, [1] * 4, [1] * 4, "VALID"))
    np.testing.assert_allclose(got, _eroded(x, k), 1e-6)


def _eroded(x, k):
    flipped = k[::-1, ::-1]
    rows, columns = x.shape[1] - k.shape[0] + 1, x.shape[2] - k.shape[1] + 1
    shifts = [
        x[:, r : r + rows, s : s + columns] - flipped[r, s]
        for r in range(k.shape[0])
        for s in range(k.shape[1])
    ]
    return np.min(shifts, 0)


def test_dilation_without_a_tap_inside_the_image():
    """TensorFlow too gives the lowest number; its gradient goes to some tap, here to none."""
    x, w = fed(numbers(1, 1, 1, 2)), fed(numbers(2, 2, 2, seed=1))
    y = tf.nn.dilation2d(x, w, [1] * 4, [1, 3, 3, 1], "SAME")
    value, dx, dw = run([y, *tf.gradients(y, [x, w])])
    np.testing.assert_array_equal(value, np.full((1, 1, 1, 2), np.finfo(np.float32).min))
    assert not dx.any()
    assert not dw.any()


def test_dilation_ties_go_to_the_first_tap():
    x = fed(np.zeros((1, 1, 3, 1), np.float32))
    y = tf.nn.dilation2d(x, tf.zeros([1, 2, 1]), [1] * 4, [1] * 4, "VALID")
    (dx,) = tf.gradients(y, x)
    np.testing.assert_array_equal(run(dx).ravel(), [1, 1, 0])


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("error", "match", "make"),
    [
        (ValueError, "length 1, 2 or 4 but was 5",
         lambda c: c.conv2d(image(*X), image(*W), [1] * 5, "SAME")),
        (ValueError, "padding must be SAME or VALID, not 'same'",
         lambda c: c.conv2d(image(*X), image(*W), 1, "same")),
        (TypeError, "padding", lambda c: c.conv2d(image(*X), image(*W), 1)),
        (ValueError, "must be of size 4", lambda c: c.conv2d(image(*X), image(*W), 1, [[1, 2]])),
        (ValueError, "'EXPLICIT' is not a valid padding",
         lambda c: c.conv2d(image(*X), image(*W), 1, "EXPLICIT")),
        (ValueError, "must not be negative",
         lambda c: c.conv2d(image(*X), image(*W), 1, [[0, 0], [-1, 2], [3, 4], [0, 0]])),
        (ValueError, "filter and filters mean the same",
         lambda c: c.conv2d(image(*X), image(*W), filters=image(*W), padding="SAME")),
        (ValueError, "filter or filters must be given", lambda c: c.conv2d(image(*X))),
        (ValueError, "not a multiple of input depth of filter",
         lambda c: c.conv2d(image(*X), image(3, 3, 4, 5), 1, "SAME")),
        (ValueError, "negative dimension size caused by subtracting 3 from 2",
         lambda c: c.conv2d(image(2, 2, 8, 3), image(*W), 1, "VALID")),
        (TypeError, "is float64",
         lambda c: c.conv2d(image(*X), tf.placeholder(tf.float64, W), 1, "SAME")),
        (TypeError, "cannot be int32",
         lambda c: c.conv2d(tf.zeros(X, tf.int32), tf.zeros(W, tf.int32), 1, "SAME")),
        (ValueError, "NWC or NCW", lambda c: c.conv1d(image(2, 9, 3), image(3, 3, 5), 1, "SAME",
                                                      data_format="foo")),
        (ValueError, "value or input must be given", lambda c: c.conv1d(None, image(3, 3, 5), 1)),
        (ValueError, "out_backprop is",
         lambda c: c.conv2d_transpose(image(2, 4, 4, 3), image(3, 3, 5, 3), [2, 9, 8, 5], 2)),
        (ValueError, "out_backprop is",
         lambda c: c.conv2d_transpose(image(2, 4, 4, 3), image(3, 3, 5, 3), [3, 8, 8, 5], 2)),
        (ValueError, "not a multiple",
         lambda c: c.conv2d_transpose(image(2, 4, 4, 3), image(3, 3, 5, 3), [2, 8, 8, 4], 2)),
        (ValueError, "out_backprop is",
         lambda c: c.conv2d_transpose(image(2, 4, 4, 2), image(3, 3, 5, 3), [2, 8, 8, 5], 2)),
        (ValueError, "one of them must be 1",
         lambda c: c.convolution(image(*X), image(*W), "SAME", [2, 2], [2, 2])),
        (ValueError, "1, 2 or 3 spatial axes",
         lambda c: c.convolution(image(2, 3, 3, 3, 3, 3), image(1, 1, 1, 1, 3, 3), "SAME")),
        (ValueError, "filter must be of rank|input must be of rank",
         lambda c: c.convolution(image(2, 7, 8), image(*W), "SAME")),
        (ValueError, "must be known",
         lambda c: c.convolution(tf.placeholder(tf.float32), tf.placeholder(tf.float32), "SAME")),
        (ValueError, "must be positive",
         lambda c: c.atrous_conv2d(image(*X), image(*W), 0, "SAME")),
        (ValueError, "3, 4 or 5 elements",
         lambda c: c.conv_transpose(image(2, 3), image(3, 3), [2, 3], 1)),
        (ValueError, "must all be 1 where a rate is above 1",
         lambda c: c.depthwise_conv2d(image(*X), image(3, 3, 3, 2), [1, 2, 2, 1], "SAME", [2, 2])),
        (ValueError, "3 channels, the filter is for 4",
         lambda c: c.depthwise_conv2d(image(*X), image(3, 3, 4, 2), [1, 1, 1, 1], "SAME")),
        (ValueError, "must have one tap",
         lambda c: c.separable_conv2d(image(*X), image(3, 3, 3, 2), image(2, 1, 6, 4), [1] * 4,
                                      "SAME")),
        (ValueError, "takes 5 channels",
         lambda c: c.separable_conv2d(image(*X), image(3, 3, 3, 2), image(1, 1, 5, 4), [1] * 4,
                                      "SAME")),
        (ValueError, "3 channels, the filter is for 4",
         lambda c: c.dilation2d(image(*X), image(3, 3, 4), [1] * 4, [1] * 4, "SAME")),
    ],
)  # fmt: skip
def test_wrong_calls(error, match, make):
    with pytest.raises(error, match=match):
        make(tf.nn)


def test_a_filter_that_turns_out_too_large():
    x = tf.placeholder(tf.float32, [None, None, None, 3])
    y = tf.nn.conv2d(x, tf.ones(W), 1, "VALID")
    with tf.Session() as session, pytest.raises(OpError, match="does not fit into 2"):
        session.run(y, {x: np.ones((2, 2, 8, 3))})
