"""tf.layers: values, names, reuse, collections; test_programs.py asks TensorFlow too."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

L = tf.layers


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def P(*shape, dtype=tf.float32):
    return tf.placeholder(dtype, shape)


def run(tensors, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensors, feed)


def names():
    return [v.name for v in tf.global_variables()]


# -------------------------------------------------------------------------------------------- names


def test_names_of_variables_and_operations():
    y = L.dense(P(None, 3), 4, activation=tf.nn.relu)
    assert y.name == "dense/Relu:0"
    assert L.conv2d(P(None, 8, 8, 3), 4, 3, name="c").name == "c/BiasAdd:0"
    assert L.batch_normalization(P(None, 3)).name == "batch_normalization/batchnorm/add_1:0"
    assert names() == [
        "dense/kernel:0", "dense/bias:0", "c/kernel:0", "c/bias:0", "batch_normalization/gamma:0",
        "batch_normalization/beta:0", "batch_normalization/moving_mean:0",
        "batch_normalization/moving_variance:0",
    ]  # fmt: skip
    assert len(tf.trainable_variables()) == 6


def test_a_second_call_shares_variables_and_the_name_scope():
    d = L.Dense(4)
    x = P(None, 3)
    assert d.name == "dense_1"
    assert [d(x).name, d(x).name] == ["dense/BiasAdd:0", "dense/BiasAdd_1:0"]
    assert names() == ["dense/kernel:0", "dense/bias:0"]
    assert d.scope_name == "dense"
    assert d.count_params() == 16


def test_reuse_by_name():
    x = P(None, 3)
    L.dense(x, 4, name="a")
    with pytest.raises(ValueError, match="exists, and the scope does not reuse"):
        L.dense(x, 4, name="a")
    assert L.dense(x, 4, name="a", reuse=True).name == "a_2/BiasAdd:0"
    assert L.dense(x, 4, name="a", reuse=tf.AUTO_REUSE) is not None
    assert names() == ["a/kernel:0", "a/bias:0"]
    with pytest.raises(ValueError, match="no variable"):
        L.dense(x, 4, name="b", reuse=True)


def test_scopes_give_prefix_initializer_and_regularizer():
    with tf.variable_scope(
        "net", initializer=tf.ones_initializer(), regularizer=tf.contrib.layers.l1_regularizer(1.0)
    ):
        y = L.dense(tf.ones([1, 3]), 2, use_bias=False)
    assert names() == ["net/dense/kernel:0"]
    value, (loss,) = run([y, tf.losses.get_regularization_losses()])
    assert value.tolist() == [[3.0, 3.0]]
    assert loss == 6.0


def test_losses_of_a_layer_are_added_once():
    half = lambda w: tf.reduce_sum(w) * 0.5
    layer = L.Dense(2, kernel_regularizer=half, activity_regularizer=half)
    x = P(None, 3)
    layer(x)
    assert len(layer.losses) == 2
    assert len(layer.get_losses_for(x)) == len(layer.get_losses_for(None)) == 1
    assert tf.losses.get_regularization_losses() == layer.losses
    L.dense(x, 2, name="dense", reuse=True, kernel_regularizer=half)
    assert len(tf.losses.get_regularization_losses()) == 2


def test_a_layer_can_be_built_before_it_is_called():
    layer = L.Dense(2, dtype=tf.float64)
    layer.build([None, 3])
    assert names() == ["dense/kernel:0", "dense/bias:0"]
    assert layer(P(None, 3, dtype=tf.float64)).dtype is tf.float64


def test_functions_have_tensorflows_signatures():
    assert list(inspect.signature(L.conv2d).parameters) == [
        "inputs", "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate",
        "activation", "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer",
        "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint",
        "trainable", "name", "reuse",
    ]  # fmt: skip
    assert list(inspect.signature(L.dropout).parameters) == [
        "inputs", "rate", "noise_shape", "seed", "training", "name",
    ]  # fmt: skip
    with pytest.raises(TypeError, match=r"tf\.layers\.dense"):
        L.dense(P(None, 3), 4, wrong=1)


# ------------------------------------------------------------------------------------------- values


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.lists(st.integers(1, 4), max_size=2), st.integers(1, 4))
def test_dense_is_a_matrix_product_over_the_last_axis(units, middle, size):
    rng = np.random.default_rng(units * 7 + size)
    x = rng.normal(size=(2, *middle, size)).astype(np.float32)
    with tf.Graph().as_default():
        y = L.dense(x, units)
        value, kernel = run([y, tf.trainable_variables()[0]])
        assert y.shape.as_list() == [2, *middle, units]
    np.testing.assert_allclose(value, x @ kernel, 1e-5, 1e-6)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.sampled_from(["valid", "same"]),
    st.booleans(),
)  # fmt: skip
def test_shapes_of_outputs_are_known_before(rank, window, step, padding, first):
    size = 7
    shape = [2, 3, *[size] * rank] if first else [2, *[size] * rank, 3]
    order = "channels_first" if first else "channels_last"
    with tf.Graph().as_default():
        x = P(*shape)
        conv = getattr(L, f"Conv{rank}D")(4, window, step, padding, order)
        pool = getattr(L, f"MaxPooling{rank}D")(window, step, padding, order)
        transposed = getattr(L, f"Conv{max(rank, 2)}DTranspose")
        back = transposed(4, window, step, padding, order) if rank > 1 else conv
        for layer in (conv, pool, back):
            y = layer(x)
            assert layer.compute_output_shape(shape).as_list() == y.shape.as_list()
            assert list(run(y, {x: np.ones(shape)}).shape) == y.shape.as_list()


def test_layouts_agree():
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype(np.float32)
    last = L.conv2d(x, 4, 3, name="c")
    first = L.conv2d(
        np.moveaxis(x, -1, 1), 4, 3, data_format="channels_first", name="c", reuse=True
    )
    a, b = run([last, first])
    np.testing.assert_allclose(np.moveaxis(b, 1, -1), a, 1e-5, 1e-5)


def test_dropout_only_drops_while_training():
    x = tf.ones([1000])
    t = P(dtype=tf.bool)
    assert L.dropout(x).op.type == "Identity"
    y = L.dropout(x, rate=0.25, training=t)
    assert y.shape.as_list() == [1000]
    assert run(y, {t: False}).tolist() == [1.0] * 1000
    assert set(np.round(run(y, {t: True}), 4)) == {0.0, np.float32(1.3333)}


def test_runs_that_drop_nothing_draw_nothing():
    t = P(dtype=tf.bool)
    y = L.dropout(tf.ones([50]), seed=3, training=t)

    def masks(modes):
        with tf.Session() as session:
            return [session.run(y, {t: mode}).tolist() for mode in modes]

    first, second = masks([True, True])
    assert masks([True, False, True]) == [first, [1.0] * 50, second]


def test_flatten():
    assert L.flatten(P(None, 2, 3)).shape.as_list() == [None, 6]
    assert L.flatten(P(None, None, 3)).shape.as_list() == [None, None]
    assert L.flatten(P(4)).shape.as_list() == [4, 1]
    x = np.arange(24).reshape(2, 3, 2, 2)
    y = L.flatten(x, data_format="channels_first")
    assert run(y).tolist() == np.moveaxis(x, 1, -1).reshape(2, -1).tolist()
    empty = L.flatten(P(None, 0))
    assert run(empty, {empty.op.inputs[0]: np.zeros((3, 0))}).shape == (3, 0)


# ------------------------------------------------------------------------------ batch normalisation


def test_moving_statistics_follow_the_batches():
    x = P(None, 2)
    y = L.batch_normalization(x, training=True, momentum=0.5)
    mean, variance = tf.global_variables()[2:]
    batch = np.array([[0.0, 1.0], [4.0, 1.0]], np.float32)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        assert [op.name for op in updates] == [
            "batch_normalization/AssignMovingAvg", "batch_normalization/AssignMovingAvg_1",
        ]  # fmt: skip
        session.run(updates, {x: batch})
        assert session.run(mean).tolist() == [1.0, 0.5]
        assert session.run(variance).tolist() == [2.5, 0.5]
        np.testing.assert_allclose(session.run(y, {x: batch})[:, 0], [-1, 1], 1e-3)


def test_images_have_the_unbiased_variance():
    x = tf.constant(np.arange(4.0, dtype=np.float32).reshape(1, 2, 2, 1))
    L.batch_normalization(x, training=True, momentum=0.0)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        variance = session.run(tf.global_variables()[3])
    np.testing.assert_allclose(variance, [np.var(np.arange(4.0), ddof=1)], 1e-6)


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 5, 3)])
def test_training_may_be_decided_by_the_run(shape):
    x, t = P(None, *shape[1:]), P(dtype=tf.bool)
    y = L.batch_normalization(x, training=t, name="b")
    same = {True: L.batch_normalization(x, training=True, name="b", reuse=True),
            False: L.batch_normalization(x, name="b", reuse=True)}  # fmt: skip
    batch = np.random.default_rng(1).normal(2, 3, shape).astype(np.float32)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS, "b/")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for mode in (True, False):
            a, b = session.run([y, same[mode]], {x: batch, t: mode})
            np.testing.assert_allclose(a, b, 1e-4, 1e-5)
        before = session.run(tf.global_variables()[2:4])
        session.run(updates, {x: np.full_like(batch, np.nan), t: False})
        np.testing.assert_array_equal(before, session.run(tf.global_variables()[2:4]))


def test_an_untrained_layer_is_frozen_but_normalises_by_the_batch():
    """As TensorFlow 1 does; later releases use the moving statistics then."""
    x = tf.constant([[1.0], [3.0]])
    y = L.batch_normalization(x, training=True, trainable=False)
    assert tf.trainable_variables() == tf.get_collection(tf.GraphKeys.UPDATE_OPS) == []
    np.testing.assert_allclose(run(y), [[-1], [1]], 1e-3)


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: L.dense(P(None, None), 4), ValueError, "along axis -1 must be known"),
        (lambda: L.dense(P(4), 4), ValueError, "rank 2 at least, not 1"),
        (lambda: L.dense(P(None, 3, dtype=tf.int32), 4), TypeError, "must be float, not int32"),
        (lambda: L.Dense(4, bogus=1), TypeError, "unknown argument 'bogus'"),
        (lambda: L.conv2d(P(None, 8, 8), 4, 3), ValueError, "rank 4, not 3"),
        (lambda: L.conv2d(P(None, 8, 8, 3), 4, 3, padding="full"), ValueError, "'valid' or 'same'"),
        (lambda: L.conv2d(P(None, 8, 8, 3), 4, (3, 3, 3)), ValueError, "one number or 2"),
        (lambda: L.conv1d(P(None, 8, 3), 4, 0), ValueError, "kernel_size"),
        (lambda: L.conv2d(P(None, 8, 8, 3), 4, 3, 2, dilation_rate=2), ValueError, "both"),
        (lambda: L.conv1d(P(None, 3, 8), 4, 3, padding="causal", data_format="channels_first"),
         ValueError, "causal"),
        (lambda: L.batch_normalization(P(None, 3), axis=2), ValueError, "does not fit"),
        (lambda: L.batch_normalization(P(None, 3), fused=True), ValueError, "fused"),
        (lambda: L.BatchNormalization(renorm=True), NotImplementedError, "renorm"),
        (lambda: L.Dropout(1.5), ValueError, "between 0 and 1"),
        (lambda: L.max_pooling2d(P(None, 8, 8, 3), 2, None), ValueError, "strides"),
        (lambda: L.Dense(4).scope_name, ValueError, "call it first"),
        (lambda: L.Dense(4).count_params(), ValueError, "call it first"),
        (lambda: L.Layer().compute_output_shape([1]), NotImplementedError, "Layer"),
    ],
)  # fmt: skip
def test_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_built_layer_refuses_other_sizes():
    d = L.Dense(4)
    d(P(None, 3))
    with pytest.raises(ValueError, match="size 3 along axis -1, not 5"):
        d(P(None, 5))


# --------------------------------------------------------------------------------------- eager mode


def test_nothing_is_collected_in_eager_mode():
    with tf.eager_mode():
        x = tf.ones([4, 3])
        layer = L.BatchNormalization(momentum=0.0)
        for _ in range(3):
            layer(x * 2.0, training=True)
        assert layer.moving_mean.numpy().tolist() == [2.0, 2.0, 2.0]
        assert len(layer.updates) == 2
        tf.losses.mean_squared_error(x, x)
        for key in (tf.GraphKeys.UPDATE_OPS, tf.GraphKeys.LOSSES):
            assert tf.get_default_graph().get_collection(key) == []
        with pytest.raises(RuntimeError, match="eager"):
            tf.metrics.mean([1.0])
