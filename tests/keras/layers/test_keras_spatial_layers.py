"""Convolutions, pooling, borders: shapes for any sizes, both data formats, NumPy oracles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import layers

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def fresh():
    K.clear_session()
    yield
    K.clear_session()


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def run(layer, x):
    inputs = keras.Input(batch_shape=(None, *x.shape[1:]))
    y = layer(inputs)
    result = K.get_session().run(y, {inputs: x})
    assert layer.compute_output_shape(K.int_shape(inputs)) == K.int_shape(y)
    assert K.int_shape(y)[1:] == result.shape[1:]
    return result


def windows(x, size, strides, dilation):
    """(samples, rows, columns, window rows, window columns, channels), inside."""
    extent = [(s - 1) * d + 1 for s, d in zip(size, dilation, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, extent, (1, 2))
    view = view[:, :: strides[0], :: strides[1], :, :: dilation[0], :: dilation[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


sizes = st.tuples(st.integers(4, 9), st.integers(4, 9))
small = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=25, deadline=None)
@given(sizes, small, small, st.sampled_from(["valid", "same"]), st.booleans())
def test_convolutions_of_any_size(size, window, steps, padding, dilated):
    """K5, K15: shapes, and the sums of products in the windows that lie inside."""
    K.clear_session()
    x = normal(2, *size, 3)
    more = {"dilation_rate": steps} if dilated else {"strides": steps}
    if dilated and any((w - 1) * d >= s for w, d, s in zip(window, steps, size, strict=True)):
        return
    layer = layers.Conv2D(4, window, padding=padding, **more)
    y = run(layer, x)
    kernel = layer.get_weights()[0]
    if padding == "valid":
        strides, dilation = ((1, 1), steps) if dilated else (steps, (1, 1))
        wanted = np.einsum("nijrsc,rscf->nijf", windows(x, window, strides, dilation), kernel)
        np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)
    first = layers.Conv2D(
        4, window, padding=padding, data_format="channels_first", weights=layer.get_weights(),
        **more,
    )  # fmt: skip
    z = run(first, x.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(z.transpose(0, 2, 3, 1), y, rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(sizes, small, small, st.sampled_from(["valid", "same"]))
def test_transposed_convolutions_of_any_size(size, window, steps, padding):
    """It is the gradient of the convolution of the same arguments."""
    K.clear_session()
    x = normal(1, *size, 2)
    layer = layers.Conv2DTranspose(3, window, strides=steps, padding=padding)
    y = run(layer, x)
    kernel = layer.get_weights()[0]
    image = tf.constant(normal(*y.shape))
    forward = K.conv2d(image, kernel, steps, padding)
    if forward.shape.as_list() == list(x.shape):
        back = K.eval(tf.gradients(tf.reduce_sum(forward * x), image)[0])
        np.testing.assert_allclose(y, back, rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(sizes, small, small, st.sampled_from(["valid", "same"]))
def test_pooling_of_any_size(size, window, steps, padding):
    """K15: the largest, or the mean, of every window."""
    K.clear_session()
    x = normal(2, *size, 3)
    for kind, reduce in ((layers.MaxPooling2D, np.max), (layers.AveragePooling2D, np.mean)):
        y = run(kind(window, steps, padding), x)
        if padding == "valid":
            wanted = reduce(windows(x, window, steps, (1, 1)), axis=(3, 4))
            np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
        z = run(kind(window, steps, padding, "channels_first"), x.transpose(0, 3, 1, 2))
        np.testing.assert_allclose(z.transpose(0, 2, 3, 1), y, rtol=1e-5, atol=1e-6)


def test_k15_pooling_and_a_fixed_kernel():
    """K15: 32 x 32 -> 16 x 16; the largest of every 2 x 2; an edge kernel."""
    assert layers.MaxPooling2D().compute_output_shape((None, 32, 32, 3)) == (None, 16, 16, 3)
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert run(layers.MaxPooling2D(), x)[0, :, :, 0].tolist() == [[5, 7], [13, 15]]
    edge = np.array([[-1, 1]], np.float32).reshape(1, 2, 1, 1)
    y = run(layers.Conv2D(1, (1, 2), use_bias=False, weights=[edge]), x)
    assert y[0, :, :, 0].tolist() == [[1, 1, 1]] * 4


def test_k14_counts_of_the_inception_module():
    """K14: 256, 36,928, 256, 102,464, 256: 140,160."""
    x = keras.Input((256, 256, 3))
    made = []

    def conv(filters, size, of):
        made.append(layers.Conv2D(filters, size, padding="same", activation="relu"))
        return made[-1](of)

    towers = [conv(64, (3, 3), conv(64, (1, 1), x)), conv(64, (5, 5), conv(64, (1, 1), x))]
    towers.append(conv(64, (1, 1), layers.MaxPooling2D((3, 3), 1, padding="same")(x)))
    counts = [layer.count_params() for layer in made]
    assert counts == [256, 36_928, 256, 102_464, 256] and sum(counts) == 140_160


def test_causal_outputs_depend_on_no_later_steps():
    x = normal(1, 8, 2)
    layer = layers.Conv1D(3, 3, padding="causal", dilation_rate=2)
    y = run(layer, x)
    later = x.copy()
    later[:, 5:] += 1
    z = run(layer, later)
    np.testing.assert_array_equal(y[:, :5], z[:, :5])
    assert (y[:, 5] != z[:, 5]).any()


def test_spatial_layers_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"Conv2D: strides .* and dilation_rate"):
        layers.Conv2D(4, 3, strides=2, dilation_rate=2)
    with pytest.raises(ValueError, match="Conv2D: padding must be 'valid' or 'same', not 'causal'"):
        layers.Conv2D(4, 3, padding="causal")
    with pytest.raises(ValueError, match="Conv2D: kernel_size"):
        layers.Conv2D(4, (3, 3, 3))
    with pytest.raises(ValueError, match="'conv2d_1'.*rank 4, not 3"):
        layers.Conv2D(4, 3, name="conv2d_1")(keras.Input((5, 5)))
    with pytest.raises(ValueError, match="'c'.*axis -1 must be known.*8, 8, None"):
        layers.Conv2D(4, 3, name="c")(keras.Input((8, 8, None)))
    with pytest.raises(ValueError, match="data_format"):
        layers.MaxPooling2D(data_format="last")
    with pytest.raises(ValueError, match="Cropping2D: cropping"):
        layers.Cropping2D((1, 2, 3))
    with pytest.raises(ValueError, match=r"'k'.*cropping \(3, 3\) takes more .* 5 places"):
        layers.Cropping1D(3, name="k")(keras.Input((5, 2)))
    with pytest.raises(ValueError, match="output_padding"):
        layers.Conv2DTranspose(4, 3, strides=2, output_padding=2)
    with pytest.raises(ValueError, match="LocallyConnected1D: padding must be 'valid'"):
        layers.LocallyConnected1D(4, 3, padding="same")
    with pytest.raises(ValueError, match=r"'l'.*window of \(9,\) does not fit"):
        layers.LocallyConnected1D(4, 9, name="l")(keras.Input((5, 2)))
    with pytest.raises(ValueError, match="UpSampling2D: size must be integers"):
        layers.UpSampling2D(1.5)
    with pytest.raises(ValueError, match="Conv2D: filters must be a positive integer, got None"):
        layers.Conv2D(None, 3)
    with pytest.raises(ValueError, match="depth_multiplier must be a positive integer"):
        layers.SeparableConv2D(3, 3, depth_multiplier=0)
    with pytest.raises(ValueError, match="interpolation"):
        layers.UpSampling2D(interpolation="cubic")


def test_the_setting_of_the_data_format():
    try:
        K.set_image_data_format("channels_first")
        layer = layers.Conv2D(4, 3)
        assert layer.data_format == "channels_first"
        assert layers.Conv1D(4, 3).data_format == "channels_last"
        assert layers.Flatten().data_format == "channels_last"
        assert K.int_shape(layer(keras.Input((3, 8, 9)))) == (None, 4, 6, 7)
        assert K.image_dim_ordering() == "th"
        K.set_image_dim_ordering("tf")
        assert K.image_data_format() == "channels_last"
        with pytest.raises(ValueError, match="'tf' or 'th'"):
            K.set_image_dim_ordering("last")
    finally:
        K.set_image_data_format("channels_last")


def test_up_sampling_between_the_pixels():
    x = normal(1, 3, 4, 2)
    y = run(layers.UpSampling2D((2, 3), interpolation="bilinear"), x)
    assert y.shape == (1, 6, 12, 2)
    np.testing.assert_allclose(y[:, ::2, ::3], x, rtol=1e-5)  # the pixels themselves are there
    z = run(layers.UpSampling2D((2, 3), "channels_first", "bilinear"), x.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(z.transpose(0, 2, 3, 1), y, rtol=1e-5)


def test_images_of_unknown_size():
    x = keras.Input((None, None, 3))
    y = layers.GlobalMaxPooling2D()(
        layers.UpSampling2D()(layers.ZeroPadding2D()(layers.Cropping2D(1)(
            layers.Conv2DTranspose(4, 3, strides=2)(
                layers.MaxPooling2D()(layers.Conv2D(5, 3, padding="same")(x))
            )
        )))
    )  # fmt: skip
    assert K.int_shape(y) == (None, 4)
    session = K.get_session()
    for size in ((8, 9), (5, 12)):
        assert session.run(y, {x: np.ones((2, *size, 3))}).shape == (2, 4)


@pytest.mark.parametrize("first", [False, True])
def test_another_kernel_at_every_place(first):
    x = normal(2, 6, 5, 3)
    form = {"data_format": "channels_first"} if first else {}
    layer = layers.LocallyConnected2D(4, (3, 2), (2, 1), **form)
    y = run(layer, x.transpose(0, 3, 1, 2) if first else x)
    layer.set_weights([normal(*w.shape) for w in layer.get_weights()])
    y = run(layer, x.transpose(0, 3, 1, 2) if first else x)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (2 * 4, 3 * 2 * 3, 4) and bias.shape == (2, 4, 4)
    patches = windows(x, (3, 2), (2, 1), (1, 1))
    if first:  # elements of a window in the order of its axes
        patches = patches.transpose(0, 1, 2, 5, 3, 4)
    patches = patches.reshape(2, 8, -1)
    wanted = np.einsum("npk,pkf->npf", patches, kernel).reshape(2, 2, 4, 4) + bias
    got = y.transpose(0, 2, 3, 1) if first else y
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_masked_mean_of_steps():
    x = keras.Input((4, 2))
    y = layers.GlobalAveragePooling1D()(layers.Masking()(x))
    data = normal(2, 4, 2)
    data[0, 1:3] = 0
    got = K.get_session().run(y, {x: data})
    np.testing.assert_allclose(got[0], data[0, [0, 3]].mean(0), rtol=1e-5)
    np.testing.assert_allclose(got[1], data[1].mean(0), rtol=1e-5)
    assert y._keras_mask is None


# ---------------------------------------------------------------- what the backend has for layers


def test_ctc_cost_and_decoding():
    """The sum over all paths, by hand: labels [0, 1] in three steps of three classes."""
    p = np.array([[[0.6, 0.1, 0.3], [0.2, 0.5, 0.3], [0.1, 0.7, 0.2]]] * 2, np.float32)
    paths = [(0, 1, 1), (0, 0, 1), (0, 2, 1), (2, 0, 1), (0, 1, 2)]  # 2 is the blank
    total = sum(p[0, 0, a] * p[0, 1, b] * p[0, 2, c] for a, b, c in paths)
    labels = np.array([[0, 1, 7], [0, 1, 7]])
    cost = K.ctc_batch_cost(
        tf.constant(labels), tf.constant(p), tf.constant([[3], [3]]), tf.constant([[2], [2]])
    )
    np.testing.assert_allclose(K.eval(cost), np.full((2, 1), -np.log(total)), rtol=1e-4)
    sparse = K.ctc_label_dense_to_sparse(tf.constant(labels), tf.constant([2, 1]))
    assert K.eval(tf.sparse_tensor_to_dense(sparse)).tolist() == [[0, 1, 0], [0, 0, 0]]
    for greedy in (True, False):
        (decoded, *_), score = K.ctc_decode(tf.constant(p), tf.constant([3, 1]), greedy=greedy)
        found, _ = K.get_session().run([decoded, score])
        assert found.tolist() == [[0, 1], [0, -1]]
    paths, scores = K.ctc_decode(tf.constant(p), tf.constant([3, 3]), False, 10, top_paths=2)
    assert len(paths) == 2 and K.eval(scores).shape == (2, 2)
