"""Switches, the global step, classes and tests in both modes."""

from __future__ import annotations

import copy
import pickle
import unittest

import numpy as np
import pytest

import flowgraph as tf

tfe = tf.contrib.eager


@pytest.fixture(autouse=True)
def eager(request):
    """Every test executes at once, but for those that say otherwise."""
    if request.node.get_closest_marker("usefixtures"):
        yield
        return
    with tf.eager_mode():
        yield


def test_eager_tensors():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert str(x) == "tf.Tensor(\n[[1. 2.]\n [3. 4.]], shape=(2, 2), dtype=float32)"
    assert repr(tf.constant(3)).endswith("shape=(), dtype=int32, numpy=3>")
    assert x[0, 1].numpy() == 2.0 and len(x) == 2 and [row.numpy()[0] for row in x] == [1.0, 3.0]
    assert bool(x[0, 0] > 0) and int(x[1, 0]) == 3 and float(x[1, 1]) == 4.0
    assert range(5)[tf.constant(2)] == 2
    assert np.asarray(x).sum() == 10.0 and np.sum(x) == 10.0
    assert copy.deepcopy(x) is x and pickle.loads(pickle.dumps(x)).numpy().tolist() == [
        [1, 2],
        [3, 4],
    ]
    y = x.numpy()
    y[:] = 0  # a copy
    assert x.numpy().sum() == 10.0
    assert x == x and x != tf.constant(1.0) and len({x, x}) == 1
    for wrong in (x.eval, x.consumers):
        with pytest.raises(NotImplementedError, match="not supported when eager"):
            wrong()
    with pytest.raises(TypeError, match="Scalar tensor has no"):
        len(tf.constant(1))


def test_variables():
    v = tf.Variable([1.0, 2.0], name="v")
    before = v.read_value()
    assert v.assign_add([1.0, 1.0]) is v
    assert before.numpy().tolist() == [1.0, 2.0] and v.numpy().tolist() == [2.0, 3.0]
    tf.assign(v, [5.0, 6.0])
    tf.scatter_update(v, [1], [7.0])
    assert (v + 1.0).numpy().tolist() == [6.0, 8.0]
    assert v.name == "v:0" and v.initializer is None and v.shape.as_list() == [2]
    with pytest.raises(ValueError, match="cannot be assigned"):
        v.assign([1.0])
    w = copy.deepcopy(v)
    w.assign([0.0, 0.0])
    assert v.numpy().tolist() == [5.0, 7.0]
    assert tf.Variable(lambda: tf.ones([2])).numpy().tolist() == [1.0, 1.0]


def test_seeds_start_the_streams_again():
    draws = []
    for _ in range(2):
        tf.set_random_seed(7)
        draws.append([tf.random_uniform([3]).numpy() for _ in range(2)])
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0][0] != draws[0][1]).all()


def test_the_global_step_is_kept():
    with tf.graph_mode():
        assert not tf.executing_eagerly()
    step = tf.train.get_or_create_global_step()
    assert tf.train.get_or_create_global_step() is step
    assert tf.train.global_step(None, step) == 0
    tf.get_default_graph().clear_collection(tf.GraphKeys.GLOBAL_STEP)


def test_vectorized_map():
    y = tf.vectorized_map(
        lambda row: tf.reduce_sum(row * row), tf.constant([[1.0, 2.0], [3.0, 4.0]])
    )
    assert y.numpy().tolist() == [5.0, 25.0]


def test_switches():
    with tfe.execution_mode(tfe.ASYNC):
        assert tf.constant(1).numpy() == 1
    with pytest.raises(ValueError, match="SYNC/ASYNC"):
        tfe.set_execution_mode(7)
    assert tfe.get_execution_mode() == tfe.SYNC and tfe.num_gpus() == 0
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    v = tf.Variable(1.0)
    optimizer.minimize(lambda: v * v)
    assert len(tfe.get_optimizer_variables(optimizer)) == 1


@pytest.mark.usefixtures("fresh_default_graph")
def test_tests_in_both_modes():
    modes = []

    @tfe.run_all_tests_in_graph_and_eager_modes
    class Both(tf.test.TestCase):
        def test_sum(self):
            modes.append(tf.executing_eagerly())
            self.assertAllEqual(self.evaluate({"y": tf.constant([1, 2]) + 1})["y"], [2, 3])
            self.assertAllClose(tf.constant(2.0) * 2.0, 4.0)

    result = unittest.TestResult()
    Both("test_sum").run(result)
    assert not result.errors and not result.failures, result
    assert modes == [False, True]


def test_a_store_of_variables():
    store = tfe.EagerVariableStore()
    with store.as_default():
        for reuse in (False, True):
            with tf.variable_scope("net", reuse=reuse):
                w = tf.get_variable("w", [2], initializer=tf.ones_initializer())
                tf.get_variable("b", [2], trainable=False)
    assert [v.name for v in store.variables()] == ["net/b:0", "net/w:0"]
    assert store.trainable_variables() == [w]
    assert len(store.non_trainable_variables()) == 1


def test_layers_make_their_variables_once():
    dense, out = tf.layers.Dense(8, activation=tf.nn.relu, name="hidden"), tf.layers.Dense(1)
    x = tf.constant(np.random.default_rng(0).standard_normal((64, 3)), tf.float32)
    y = tf.reduce_sum(x, 1, keepdims=True)
    optimizer = tf.train.AdamOptimizer(0.05)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.losses.mean_squared_error(y, out(dense(x)))
        variables = dense.trainable_variables + out.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    losses = [float(step()) for _ in range(60)]
    assert losses[-1] < 0.05 * losses[0]
    assert [v.name for v in dense.variables] == ["hidden/kernel:0", "hidden/bias:0"]


def test_batch_normalization_moves_its_averages():
    layer = tf.layers.BatchNormalization(momentum=0.5)
    x = tf.constant([[0.0], [2.0]])
    layer(x, training=True)
    assert layer.moving_mean.numpy().tolist() == [0.5]
    layer(x, training=False)
    assert layer.moving_mean.numpy().tolist() == [0.5]


def test_checkpoints(tmp_path):
    v, w = tf.Variable([1.0, 2.0], name="v"), tf.Variable(3, name="w")
    saver = tf.train.Saver({"v": v, "other": w})
    path = saver.save(None, str(tmp_path / "model"), global_step=tf.Variable(7))
    assert path.endswith("model-7")
    assert tf.train.load_variable(path, "other") == 3
    v.assign([0.0, 0.0])
    before = v + 0.0
    saver.restore(None, path)
    assert v.numpy().tolist() == [1.0, 2.0] and before.numpy().tolist() == [0.0, 0.0]
    v.assign_add([1.0, 1.0])
    assert v.numpy().tolist() == [2.0, 3.0]
    tfe.Saver([v]).restore(tfe.Saver([v]).save(str(tmp_path / "second")))
    with pytest.raises(ValueError, match="two variables have the name"):
        tf.train.Saver({"a": v, "b": tf.Variable(1.0, name="v")}).save(None, str(tmp_path / "x"))
