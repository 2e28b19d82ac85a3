"""Dense and its like: NumPy oracles, masks, functions as layers, messages, Keras 1's arguments."""

from __future__ import annotations

import importlib
import json
import warnings

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


def run(layer, *arrays, training=None, mask=None):
    """The output of a layer for arrays."""
    inputs = [keras.Input(batch_shape=(None, *a.shape[1:]), dtype=a.dtype.name) for a in arrays]
    if mask is not None:
        m = np.array(mask, bool)
        inputs[0]._keras_mask = tf.placeholder_with_default(m, [None, *m.shape[1:]])
    y = layer(inputs if len(inputs) > 1 else inputs[0])
    feed = dict(zip(inputs, arrays, strict=True))
    if training is not None:
        feed[K.learning_phase()] = training
    return K.get_session().run(y, feed)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def test_k5_dense_is_a_product():
    x = normal(3, 4)
    layer = layers.Dense(2, activation="relu")
    y = run(layer, x)
    w, b = layer.get_weights()
    np.testing.assert_allclose(y, np.maximum(x @ w + b, 0), rtol=1e-5, atol=1e-6)
    assert w.shape == (4, 2) and b.tolist() == [0, 0]
    assert [v.name for v in layer.weights] == ["dense_1/kernel:0", "dense_1/bias:0"]
    assert np.abs(w).max() <= np.sqrt(6 / (4 + 2))  # glorot_uniform
    assert layers.Dense(2).activation is keras.activations.linear


def test_dense_says_what_it_expects():
    layer = layers.Dense(2, name="out")
    with pytest.raises(ValueError, match="out.*axis -1 must be known.*None"):
        layer(keras.Input((None,)))
    layer = layers.Dense(2, name="out")
    layer(keras.Input((4,)))
    with pytest.raises(ValueError, match="'out'.*size 4 along axis -1, not 5"):
        layer(keras.Input((5,)))
    for wrong in (0, 2.5, (3,), "three", None):
        with pytest.raises(ValueError, match="Dense: units must be a positive integer"):
            layers.Dense(wrong)
    assert layers.Dense(3.0).units == 3
    with pytest.raises(ValueError, match="Dropout: rate must be a number"):
        layers.Dropout("half")
    with pytest.raises(ValueError, match="takes 1 inputs, got 2"):
        layers.BatchNormalization()([keras.Input((2,)), keras.Input((2,))])
    with pytest.raises(TypeError, match="unknown argument 'unit'"):
        layers.Dense(2, unit=3)
    with pytest.raises(ValueError, match="'out'.*wants|has 2 weights"):
        layer.set_weights([np.zeros((4, 2))])


def test_weights_of_the_argument_weights():
    w, b = normal(3, 2), normal(2)
    layer = layers.Dense(2, weights=[w, b])
    x = normal(1, 3)
    np.testing.assert_allclose(run(layer, x), x @ w + b, rtol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_k6_dropout(training):
    """K6: in training half are 0 and the mean stays; else nothing happens."""
    x = np.ones((200, 200), np.float32)
    y = run(layers.Dropout(0.5, seed=3), x, training=training)
    if training:
        assert set(np.unique(y)) == {0, 2}
        assert abs((y == 0).mean() - 0.5) < 0.02 and abs(y.mean() - 1) < 0.03
    else:
        np.testing.assert_array_equal(x, y)


def test_dropout_in_whole_rows_and_channels():
    x = np.ones((4, 50, 6), np.float32)
    y = run(layers.Dropout(0.5, noise_shape=(None, 1, None)), x, training=True)
    assert (y == y[:, :1]).all() and 0 < (y == 0).mean() < 1
    y = run(layers.SpatialDropout1D(0.5), x, training=True)
    assert (y == y[:, :1]).all() and 0 < (y == 0).mean() < 1
    x = np.ones((4, 6, 5, 8), np.float32)
    y = run(layers.SpatialDropout2D(0.5), x, training=True)
    assert (y == y[:, :1, :1]).all() and 0 < (y == 0).mean() < 1
    y = run(layers.SpatialDropout2D(0.5, data_format="channels_first"), x, training=True)
    assert (y == y[:, :, :1, :1]).all() and 0 < (y == 0).mean() < 1
    x = np.ones((2, 3, 4, 5, 8), np.float32)
    y = run(layers.SpatialDropout3D(0.5), x, training=True)
    assert (y == y[:, :1, :1, :1]).all() and 0 < (y == 0).mean() < 1
    assert layers.Dropout(0)(keras.Input((2,))) is not None  # identity, with a history of its own
    assert (layers.Dropout(7).rate, layers.Dropout(-1).rate) == (1.0, 0.0)


def test_noise():
    x = np.full((300, 300), 2.0, np.float32)
    y = run(layers.GaussianNoise(0.5), x, training=True)
    assert abs(y.mean() - 2) < 0.01 and abs(y.std() - 0.5) < 0.01
    y = run(layers.GaussianDropout(0.2), x, training=True)
    assert abs(y.mean() - 2) < 0.01 and abs(y.std() - 2 * np.sqrt(0.2 / 0.8)) < 0.02
    x = normal(400, 400)
    y = run(layers.AlphaDropout(0.3), x, training=True)
    assert abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02
    for layer in (layers.GaussianNoise(1), layers.GaussianDropout(0.5), layers.AlphaDropout(0.5)):
        np.testing.assert_array_equal(run(layer, x[:3], training=False), x[:3])


def test_masking_goes_through():
    x = normal(2, 4, 3)
    x[0, 1] = x[1, 3] = 0
    inputs = keras.Input((4, 3))
    y = layers.Masking()(inputs)
    z = layers.Dropout(0.5)(layers.Activation("tanh")(layers.Dense(2)(y)))
    wanted = np.array([[1, 0, 1, 1], [1, 1, 1, 0]], bool)
    np.testing.assert_array_equal(K.get_session().run(z._keras_mask, {inputs: x}), wanted)
    with pytest.raises(TypeError, match="flatten_1.*does not support masking"):
        layers.Flatten()(z)
    y = layers.Embedding(9, 2, mask_zero=True)(keras.Input((3,), dtype="int32"))
    assert y._keras_mask.dtype == tf.bool and K.int_shape(y) == (None, 3, 2)
    assert layers.Embedding(9, 2)(keras.Input((3,)))._keras_mask is None


def test_masks_of_merged_inputs():
    a, b, c = (keras.Input((3, 2)) for _ in range(3))
    first, second = np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool)
    a._keras_mask, b._keras_mask = tf.constant(first), tf.constant(second)
    zeros = {x: np.zeros((1, 3, 2)) for x in (a, b, c)}
    session = K.get_session()

    def mask(layer, *inputs):
        return session.run(layer(list(inputs))._keras_mask, zeros).tolist()

    assert mask(layers.Add(), a, b, c) == [[False, True, False]]
    assert mask(layers.Concatenate(axis=1), a, c, b) == [[1, 1, 0, 1, 1, 1, 0, 1, 1]]
    assert mask(layers.Concatenate(), a, b) == [[False, True, False]]
    assert layers.Add()([c, c])._keras_mask is None
    assert layers.Dot(axes=2)([a, b])._keras_mask is None


def test_reshape_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"reshape_1.*\(10,\).*10 elements.*\(3, 4\)"):
        layers.Reshape((3, 4))(keras.Input((10,)))
    with pytest.raises(ValueError, match="reshape_2.*does not fit.*-1"):
        layers.Reshape((3, -1))(keras.Input((10,)))
    with pytest.raises(ValueError, match="at most may be -1"):
        layers.Reshape((-1, -1))
    assert K.int_shape(layers.Reshape((-1, 2))(keras.Input((None, 4)))) == (None, None, 2)
    y = run(layers.Reshape((-1, 2)), normal(2, 3, 4))
    assert y.shape == (2, 6, 2)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_shapes_of_shape_layers(sizes, data):
    K.clear_session()
    x = normal(2, *sizes)
    order = data.draw(st.permutations(range(1, len(sizes) + 1)))
    y = run(layers.Permute(order), x)
    np.testing.assert_array_equal(y, x.transpose(0, *order))
    np.testing.assert_array_equal(run(layers.Flatten(), x), x.reshape(2, -1))
    target = data.draw(st.sampled_from([(-1,), (1, -1), (int(np.prod(sizes)),)]))
    np.testing.assert_array_equal(run(layers.Reshape(target), x), x.reshape(2, *target))


def test_flatten_of_an_unknown_size():
    x = keras.Input((None, 3))
    y = layers.Flatten()(x)
    assert K.int_shape(y) == (None, None)
    assert K.get_session().run(y, {x: np.ones((2, 5, 3))}).shape == (2, 15)


# ------------------------------------------------------------------------------------------ Lambda


def double(x, factor=2.0):
    return x * factor


def test_lambda():
    x = normal(2, 3)
    np.testing.assert_allclose(run(layers.Lambda(double), x), x * 2)
    np.testing.assert_allclose(run(layers.Lambda(double, arguments={"factor": 3.0}), x), x * 3)
    layer = layers.Lambda(lambda t: K.sum(t, axis=1, keepdims=True))
    assert layer.compute_output_shape((None, 3)) == (None, 1)
    assert K.int_shape(layer(keras.Input((3,)))) == (None, 1)
    layer = layers.Lambda(lambda ts: [ts[0] + ts[1], ts[0]])
    a, b = keras.Input((3,)), keras.Input((3,))
    assert [K.int_shape(y) for y in layer([a, b])] == [(None, 3), (None, 3)]
    assert layers.Lambda(double, output_shape=(7,)).compute_output_shape((None, 3)) == (None, 7)
    shape = layers.Lambda(double, output_shape=lambda s: (s[0], 1)).compute_output_shape((5, 3))
    assert shape == (5, 1)
    with pytest.raises(TypeError, match="must be callable"):
        layers.Lambda(3)


def test_lambda_sees_and_makes_masks():
    layer = layers.Lambda(
        lambda x, mask: x * K.expand_dims(K.cast(mask, "float32")), mask=lambda x, mask: mask
    )
    x = normal(2, 3, 2)
    mask = [[1, 0, 1], [0, 1, 1]]
    np.testing.assert_allclose(run(layer, x, mask=mask), x * np.array(mask)[..., None])


def test_lambda_is_found_again_by_name_and_never_by_code():
    layer = layers.Lambda(double, name="twice")
    config = json.loads(json.dumps(layer.get_config()))
    assert layers.Lambda.from_config(config).function is double  # in this process
    config["function"] = "double"
    with pytest.raises(ValueError, match="'twice'.*'double'.*custom_objects=.'double'"):
        layers.Lambda.from_config(config)
    found = layers.deserialize({"class_name": "Lambda", "config": config}, {"double": double})
    assert found.function is double
    # Keras writes the code of lambdas: it is not run, the user says what it was
    config["function"], config["function_type"] = ["4wEAAAA=\n", None, None], "lambda"
    with pytest.raises(ValueError, match="custom_objects=.'twice'"):
        layers.Lambda.from_config(config)
    found = layers.Lambda.from_config(config, {"twice": double})
    assert found.function is double


def test_models_with_functions_are_cloned():
    x = keras.Input((3,))
    factor = 4.0
    model = keras.Model(x, layers.Lambda(lambda t: t * factor)(x))
    clone = keras.models.clone_model(model)
    y = K.get_session().run(clone.output, {clone.input: np.ones((1, 3))})
    assert y.tolist() == [[4, 4, 4]]


# ------------------------------------------------------------------------------------------- merge


def test_merge_says_what_does_not_fit():
    a, b = keras.Input((3,)), keras.Input((4,))
    with pytest.raises(ValueError, match=r"add_1.*\(3,\) and \(4,\).*do not broadcast"):
        layers.add([a, b])
    with pytest.raises(ValueError, match=r"multiply_1.*a list of 2 inputs at least"):
        layers.multiply([a])
    with pytest.raises(ValueError, match=r"subtract_1.*takes two inputs, found 3"):
        layers.subtract([a, a, a])
    with pytest.raises(ValueError, match=r"concatenate_1.*equal sizes but along.*axis 1"):
        layers.concatenate([keras.Input((2, 3)), keras.Input((2, 4))], axis=1)
    with pytest.raises(ValueError, match=r"dot_1.*sizes 3 .* and 4 "):
        layers.dot([a, b], axes=1)
    with pytest.raises(ValueError, match="axis 0 is no axis of samples"):
        layers.dot([a, a], axes=0)


def test_merge_functions():
    x, y = normal(2, 3), normal(2, 3)
    for name, wanted in {
        "add": x + y, "subtract": x - y, "multiply": x * y, "average": (x + y) / 2,
        "maximum": np.maximum(x, y), "minimum": np.minimum(x, y),
        "concatenate": np.concatenate([x, y], -1),
    }.items():  # fmt: skip
        np.testing.assert_allclose(run(getattr(layers, name), x, y), wanted, rtol=1e-6)
    cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    got = run(layers.Dot(axes=1, normalize=True), x, y)
    np.testing.assert_allclose(got[:, 0], cosine, rtol=1e-5)


def test_k14_concatenation_along_an_axis_of_places_is_said():
    """K14, T3: the Inception of the notes joins heights, where channels are meant."""
    x = keras.Input((256, 256, 3))
    towers = [layers.Conv2D(64, n, padding="same")(x) for n in (1, 3, 5)]
    with pytest.warns(UserWarning, match="concatenate_1.*axis 1.*height.*axis=-1"):
        y = layers.concatenate(towers, axis=1)
    assert K.int_shape(y) == (None, 768, 256, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert K.int_shape(layers.concatenate(towers, axis=-1)) == (None, 256, 256, 192)
        assert K.int_shape(layers.concatenate(towers, axis=3)) == (None, 256, 256, 192)


# ------------------------------------------------------------------------------------- activations


def test_n3_activations_with_settings():
    """N3: leaky ReLU, ELU, thresholds, maxout."""
    x = normal(4, 5)
    for layer, wanted in (
        (layers.LeakyReLU(0.1), np.maximum(0.1 * x, x)),
        (layers.ELU(0.5), np.where(x > 0, x, 0.5 * np.expm1(x))),
        (layers.ThresholdedReLU(0.5), np.where(x > 0.5, x, 0)),
        (layers.ReLU(max_value=0.7, negative_slope=0.2, threshold=0.1),
         np.where(x > 0.1, np.minimum(x, 0.7), 0.2 * (x - 0.1))),
        (layers.Softmax(), np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    ):  # fmt: skip
        np.testing.assert_allclose(run(layer, x), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="negative_slope must not be negative"):
        layers.ReLU(negative_slope=-1)
    with pytest.raises(ValueError, match=r"p_re_lu_1.*shared_axes"):
        layers.PReLU(shared_axes=[3])(keras.Input((2, 2)))
    layer = layers.MaxoutDense(3, nb_feature=2)
    y = run(layer, x)
    w, b = layer.get_weights()
    np.testing.assert_allclose(y, (x @ w + b[:, None]).max(0), rtol=1e-5, atol=1e-6)
    layer = layers.Highway(activation="relu")
    y = run(layer, x)
    w, w_carry, b, b_carry = layer.get_weights()
    t = 1 / (1 + np.exp(-(x @ w_carry + b_carry)))
    np.testing.assert_allclose(y, t * np.maximum(x @ w + b, 0) + (1 - t) * x, rtol=1e-5, atol=1e-6)


# --------------------------------------------------------------------------------- normalization


def test_batch_normalization_keeps_moving_averages():
    layer = layers.BatchNormalization(momentum=0.9)
    x = keras.Input((3,))
    y = layer(x)
    assert [v.name.split("/")[1] for v in layer.weights] == [
        "gamma:0", "beta:0", "moving_mean:0", "moving_variance:0",
    ]  # fmt: skip
    assert len(layer.trainable_weights) == 2 and len(layer.updates) == 2
    session, data = K.get_session(), 3 + 2 * normal(50, 3)
    result, _ = session.run([y, layer.updates], {x: data, K.learning_phase(): True})
    mean, var = data.mean(0), data.var(0)
    np.testing.assert_allclose(result, (data - mean) / np.sqrt(var + 1e-3), rtol=1e-3, atol=1e-4)
    moving_mean, moving_var = layer.get_weights()[2:]
    np.testing.assert_allclose(moving_mean, 0.1 * mean, rtol=1e-4)
    unbiased = var * 50 / (50 - 1 - 1e-3)
    np.testing.assert_allclose(moving_var, 0.9 + 0.1 * unbiased, rtol=1e-4)
    quiet = session.run(y, {x: data})
    wanted = (data - moving_mean) / np.sqrt(moving_var + 1e-3)
    np.testing.assert_allclose(quiet, wanted, rtol=1e-4, atol=1e-5)
    assert layer.get_updates_for(x) and not layer.get_updates_for(None)
    layer.trainable = False
    assert layer.updates == [] and layer.trainable_weights == []


def test_batch_normalization_says_which_axis():
    with pytest.raises(ValueError, match=r"batch_normalization_1.*axis 4"):
        layers.BatchNormalization(axis=4)(keras.Input((2, 2)))
    with pytest.raises(ValueError, match="axis -1 must be known"):
        layers.BatchNormalization()(keras.Input((2, None)))


def test_attention_with_masks():
    q, v = normal(2, 3, 4), normal(2, 5, 4)
    a, b = keras.Input((3, 4)), keras.Input((5, 4))
    of_q, of_v = np.array([[1, 1, 0], [1, 0, 1]], bool), RNG.random((2, 5)) < 0.6
    of_v[:, 0] = True
    a._keras_mask = tf.placeholder_with_default(of_q, [None, 3])
    b._keras_mask = tf.placeholder_with_default(of_v, [None, 5])
    y = layers.Attention()([a, b])
    scores = np.where(of_v[:, None], q @ v.transpose(0, 2, 1), -np.inf)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    got, mask = K.get_session().run([y, y._keras_mask], {a: q, b: v})
    np.testing.assert_allclose(got, (weights @ v) * of_q[..., None], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(mask, of_q)
    causal = run(layers.Attention(causal=True), v, v)
    np.testing.assert_allclose(causal[:, 0], v[:, 0], rtol=1e-5)
    with pytest.raises(ValueError, match=r"attention_\d.*one size.*3, 4.*5, 6"):
        layers.Attention()([a, keras.Input((5, 6))])
    with pytest.raises(ValueError, match="query, value"):
        layers.AdditiveAttention()(a)


# --------------------------------------------------------------------------------------- embedding


def test_embedding():
    layer = layers.Embedding(output_dim=4, input_dim=10, input_length=3)
    x = np.array([[1, 2, 9], [0, 0, 5]], np.int32)
    y = run(layer, x)
    np.testing.assert_array_equal(y, layer.get_weights()[0][x])
    assert layer.batch_input_shape == (None, 3)
    y = run(layer, x.astype(np.float32))  # what Input gives by default
    np.testing.assert_array_equal(y, layer.get_weights()[0][x])
    with pytest.raises(ValueError, match=r"embedding_1.*input_length is 3.*\(None, 4\)"):
        layer(keras.Input((4,)))
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(layer, np.full((1, 3), 10, np.int32))
    assert layers.Embedding(10, 4).compute_output_shape((None, 2, 3)) == (None, 2, 3, 4)


# ------------------------------------------------------------------- losses of weights and outputs


def test_regularizers_and_constraints_of_layers():
    layer = layers.Dense(
        2, kernel_regularizer="l2", bias_regularizer=keras.regularizers.l1(0.5),
        activity_regularizer=keras.regularizers.l1(0.1), kernel_constraint="non_neg",
        bias_initializer="ones",
    )  # fmt: skip
    x = keras.Input((3,))
    y = layer(x)
    session, data = K.get_session(), normal(4, 3)
    w, b = layer.get_weights()
    values = session.run(layer.losses, {x: data})
    out = session.run(y, {x: data})
    wanted = [0.01 * (w**2).sum(), 0.5 * np.abs(b).sum(), 0.1 * np.abs(out).sum()]
    np.testing.assert_allclose(values, wanted, rtol=1e-5)
    assert layer.kernel.constraint is layer.kernel_constraint
    assert layer.get_config()["kernel_constraint"]["class_name"] == "NonNeg"


# --------------------------------------------------------------------------------- Keras 1's names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda: layers.Dense(output_dim=4, init="normal", W_regularizer="l2", bias=False),
         lambda: layers.Dense(4, kernel_initializer="normal", kernel_regularizer="l2",
                              use_bias=False)),
        (lambda: layers.Convolution2D(8, 3, 5, border_mode="same", dim_ordering="th"),
         lambda: layers.Conv2D(8, (3, 5), padding="same", data_format="channels_first")),
        (lambda: layers.Convolution2D(nb_filter=8, nb_row=3, nb_col=5, subsample=(2, 2)),
         lambda: layers.Conv2D(8, (3, 5), strides=(2, 2))),
        (lambda: layers.Convolution1D(nb_filter=8, filter_length=3, subsample_length=2),
         lambda: layers.Conv1D(8, 3, strides=2)),
        (lambda: layers.Convolution3D(8, kernel_dim1=1, kernel_dim2=2, kernel_dim3=3),
         lambda: layers.Conv3D(8, (1, 2, 3))),
        (lambda: layers.AtrousConvolution2D(8, 3, 3, atrous_rate=(2, 2)),
         lambda: layers.Conv2D(8, (3, 3), dilation_rate=(2, 2))),
        (lambda: layers.Deconvolution2D(8, 3, 3, output_shape=(None, 9, 9, 8), subsample=(2, 2)),
         lambda: layers.Conv2DTranspose(8, (3, 3), strides=(2, 2))),
        (lambda: layers.MaxPooling1D(pool_length=3, stride=2, border_mode="same"),
         lambda: layers.MaxPooling1D(3, 2, "same")),
        (lambda: layers.MaxPooling2D((2, 2), border_mode="same", dim_ordering="tf"),
         lambda: layers.MaxPooling2D((2, 2), padding="same", data_format="channels_last")),
        (lambda: layers.Dropout(p=0.3), lambda: layers.Dropout(0.3)),
        (lambda: layers.GaussianNoise(sigma=0.3), lambda: layers.GaussianNoise(0.3)),
        (lambda: layers.UpSampling1D(length=3), lambda: layers.UpSampling1D(3)),
        (lambda: layers.LSTM(output_dim=4, inner_activation="sigmoid", inner_init="ones",
                             forget_bias_init="zero", dropout_W=0.1, dropout_U=0.2,
                             consume_less="gpu"),
         lambda: layers.LSTM(4, recurrent_activation="sigmoid", recurrent_initializer="ones",
                             unit_forget_bias=False, dropout=0.1, recurrent_dropout=0.2,
                             implementation=2)),
        (lambda: layers.Embedding(9, 4, init="normal", dropout=0.2),
         lambda: layers.Embedding(9, 4, "normal")),
        (lambda: layers.BatchNormalization(beta_init="ones"),
         lambda: layers.BatchNormalization(beta_initializer="ones")),
    ],
)  # fmt: skip
def test_keras_1_arguments(old, new):
    with pytest.warns(UserWarning, match="Keras 2: "):
        first = old()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = new()
    configs = [{**layer.get_config(), "name": ""} for layer in (first, second)]
    assert configs[0] == configs[1]


def test_keras_1_arguments_that_do_not_go_together():
    with pytest.raises(TypeError, match="both are given"):
        layers.Dense(units=3, output_dim=3)
    with pytest.raises(ValueError, match="three integers"):
        layers.Conv2D(8, 3, 2, padding="same")
    with pytest.raises(TypeError, match="nb_col is missing"):
        layers.Conv2D(8, nb_row=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert layers.Conv2D(8, 3, 2 if False else (2, 2)).strides == (2, 2)


def test_old_class_names_in_files():
    config = layers.Conv2D(4, 3).get_config()
    layer = layers.deserialize({"class_name": "Convolution2D", "config": config})
    assert type(layer) is layers.Conv2D is layers.Convolution2D
    for name in layers.__all__:
        assert hasattr(layers, name)


def test_modules_that_programs_import_from():
    for module, names in {
        "core": "Dense Dropout Activation Flatten Lambda Masking MaxoutDense SpatialDropout2D",
        "convolutional": "Conv2D Convolution2D MaxPooling2D ZeroPadding2D UpSampling2D Cropping2D",
        "pooling": "MaxPooling1D GlobalAveragePooling2D AvgPool2D",
        "recurrent": "RNN SimpleRNN GRU LSTM LSTMCell StackedRNNCells",
        "convolutional_recurrent": "ConvLSTM2D", "cudnn_recurrent": "CuDNNGRU CuDNNLSTM",
        "wrappers": "TimeDistributed Bidirectional Wrapper", "local": "LocallyConnected2D",
        "normalization": "BatchNormalization", "embeddings": "Embedding",
        "merge": "Add concatenate", "advanced_activations": "LeakyReLU PReLU",
        "noise": "GaussianNoise AlphaDropout",
    }.items():  # fmt: skip
        found = importlib.import_module(f"flowgraph.keras.layers.{module}")
        for name in names.split():
            assert hasattr(found, name), f"{module}.{name}"
