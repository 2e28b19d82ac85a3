"""Behaviour of the optimizers, rates and averages that values alone do not show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_programs import OPTIMIZERS

import flowgraph as tf


def run(step, *fetches, times=1):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(times):
            sess.run(step)
        return [sess.run(fetch) for fetch in fetches]


# ----------------------------------------------------------------------------------- gradients


def test_minimize_takes_all_its_arguments():
    a, b = tf.Variable(2.0, name="a"), tf.Variable(3.0, name="b")
    optimizer = tf.train.GradientDescentOptimizer(0.5, name="sgd")
    count = tf.train.create_global_step()
    step = optimizer.minimize(
        a * b, count, [a], optimizer.GATE_GRAPH, tf.AggregationMethod.EXPERIMENTAL_TREE, True,
        "step", tf.constant(2.0),
    )  # fmt: skip
    assert step.name == "step" and optimizer.get_name() == "sgd"
    assert step in tf.get_collection(tf.GraphKeys.TRAIN_OP)
    assert run(step, a, b, count) == [2.0 - 0.5 * 2.0 * 3.0, 3.0, 1]


def test_gates():
    a = tf.Variable(2.0)
    optimizer = tf.train.GradientDescentOptimizer(0.5)
    for gate in (optimizer.GATE_NONE, optimizer.GATE_OP, optimizer.GATE_GRAPH):
        ((gradient, variable),) = optimizer.compute_gradients(a * a, gate_gradients=gate)
        assert variable is a
        assert run(tf.no_op(), gradient) == [4.0]
    with pytest.raises(ValueError, match="gate_gradients must be one of"):
        optimizer.compute_gradients(a * a, gate_gradients=7)


def test_gradients_are_processed_between():
    w = tf.Variable([3.0, -4.0])
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    pairs = optimizer.compute_gradients(tf.reduce_sum(w * w))
    clipped = [(tf.clip_by_norm(g, 5.0), v) for g, v in pairs]
    np.testing.assert_allclose(run(optimizer.apply_gradients(clipped), w)[0], [0.0, 0.0], atol=1e-6)


def test_what_is_refused():
    w = tf.Variable(1.0)
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    with pytest.raises(ValueError, match="Invalid type int32"):
        optimizer.compute_gradients(tf.constant(1))
    with pytest.raises(ValueError, match="Must specify the optimizer name"):
        tf.train.MomentumOptimizer(0.1, 0.9, name="")
    with pytest.raises(NotImplementedError, match="Trying to update a Tensor"):
        optimizer.apply_gradients([(tf.constant(1.0), tf.constant(1.0))])
    with pytest.raises(ValueError, match="must be positive"):
        tf.train.AdagradOptimizer(0.1, initial_accumulator_value=0.0)
    with pytest.raises(ValueError, match="needs to be negative or zero"):
        tf.train.FtrlOptimizer(0.1, learning_rate_power=0.5)
    with pytest.raises(ValueError, match="l1_regularization_strength -1"):
        tf.train.FtrlOptimizer(0.1, l1_regularization_strength=-1.0)
    with pytest.raises(NotImplementedError, match="_apply_dense"):
        tf.train.Optimizer(False, "plain").minimize(w * w)


# ------------------------------------------------------------------------------------------- slots


def test_slots_before_and_after():
    w = tf.Variable([1.0, 2.0], name="w")
    optimizer = tf.train.RMSPropOptimizer(0.1, centered=True)
    assert optimizer.get_slot_names() == [] and optimizer.get_slot(w, "rms") is None
    step = optimizer.minimize(tf.reduce_sum(w * w))
    assert optimizer.get_slot_names() == ["mg", "momentum", "rms"]
    assert [v.name for v in optimizer.variables()] == [
        "w/RMSProp:0", "w/RMSProp_1:0", "w/RMSProp_2:0",
    ]  # fmt: skip
    assert not any(v.trainable for v in optimizer.variables())
    np.testing.assert_array_equal(run(tf.no_op(), optimizer.get_slot(w, "rms"))[0], [1.0, 1.0])
    assert step.type == "NoOp"


def test_slots_are_shared_by_two_steps():
    w = tf.Variable([1.0, 2.0])
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    optimizer.minimize(tf.reduce_sum(w))
    before = len(tf.global_variables())
    optimizer.minimize(tf.reduce_sum(w * w))
    assert len(tf.global_variables()) == before


@pytest.mark.parametrize("make", [
    lambda: tf.train.MomentumOptimizer(0.1, 0.9), lambda: tf.train.AdagradOptimizer(0.1),
])  # fmt: skip
def test_variables_of_unknown_size(make):
    start = tf.placeholder_with_default([1.0, 2.0], [None])
    w = tf.Variable(start, validate_shape=False)
    w.set_shape([None])
    step = make().minimize(tf.reduce_sum(w * w))
    assert run(step, w, times=2)[0].shape == (2,)


def test_hyperparameters_are_numbers_tensors_or_functions():
    results = []
    for rate in (0.25, tf.constant(0.25), lambda: 0.25):
        w = tf.Variable([1.0, 2.0])
        step = tf.train.MomentumOptimizer(rate, rate).minimize(tf.reduce_sum(w * w))
        results.append(run(step, w, times=3)[0])
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_constraints_are_applied_after_the_update():
    w = tf.Variable([1.0, 2.0], constraint=lambda w: tf.maximum(w, 0.5))
    step = tf.train.GradientDescentOptimizer(1.0).minimize(tf.reduce_sum(w))
    np.testing.assert_array_equal(run(step, w)[0], [0.5, 1.0])
    rows = tf.train.GradientDescentOptimizer(1.0)
    with pytest.raises(RuntimeError, match="constraint function on a sparse variable"):
        rows.minimize(tf.reduce_sum(tf.gather(w, [0])))


# ------------------------------------------------------------------------------------------ sparse


@given(st.lists(st.integers(0, 6), min_size=0, max_size=30), st.integers(0, 3), st.integers(0, 99))
def test_duplicates_are_summed(rows, width, seed):
    """Each row named moves once, by the sum of its gradients."""
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((7, width)).astype(np.float32)
    grads = rng.standard_normal((len(rows), width)).astype(np.float32)
    with tf.Graph().as_default():
        w = tf.Variable(start)
        gradient = tf.IndexedSlices(tf.constant(grads), tf.constant(rows, tf.int64, [len(rows)]))
        step = tf.train.AdagradOptimizer(0.5).apply_gradients([(gradient, w)])
        (got,) = run(step, w)
    sums = np.zeros_like(start)
    np.add.at(sums, np.array(rows, int), grads)
    moved = start - 0.5 * sums / np.sqrt(0.1 + sums**2)
    np.testing.assert_allclose(got, moved, rtol=1e-4, atol=1e-5)


def test_rows_that_are_not_there():
    w = tf.Variable([[1.0], [2.0]])
    indices = tf.placeholder(tf.int32, [None])
    gradient = tf.IndexedSlices(tf.constant([[1.0], [1.0]]), indices)
    step = tf.train.MomentumOptimizer(0.1, 0.9).apply_gradients([(gradient, w)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 2"):
            sess.run(step, {indices: [0, 2]})
        np.testing.assert_array_equal(sess.run(w), [[1.0], [2.0]])
        sess.run(step, {indices: [1, 1]})
        np.testing.assert_allclose(sess.run(w), [[1.0], [1.8]])


# ---------------------------------------------------------------------------- optimizers by users


class SignDescent(tf.train.Optimizer):
    """w <- w - rate * sign(g)"""

    def __init__(self, rate):
        super().__init__(False, "SignDescent")
        self._rate = rate

    def _create_slots(self, var_list):
        for var in var_list:
            self._get_or_make_slot(var, tf.ones_like(var.initialized_value()), "scale", self._name)

    def _prepare(self):
        self._rate_tensor = tf.convert_to_tensor(self._rate)

    def _apply_dense(self, grad, var):
        scale = self.get_slot(var, "scale")
        halved = scale.assign(scale / 2.0)
        return tf.group(var.assign_sub(self._rate_tensor * scale * tf.sign(grad)), halved)


def test_an_optimizer_by_a_user():
    w = tf.Variable([1.0, -2.0], name="w")
    optimizer = SignDescent(0.5)
    step = optimizer.minimize(tf.reduce_sum(w * w))
    assert [v.name for v in optimizer.variables()] == ["w/SignDescent:0"]
    assert step.name == "SignDescent"
    values, scale = run(step, w, optimizer.get_slot(w, "scale"), times=1)
    np.testing.assert_array_equal(scale, [0.5, 0.5])
    assert (np.abs(values) < [1.0, 2.0]).all()


# ------------------------------------------------------------------------------------------- eager


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if not n.startswith("adagrad da")])
def test_in_eager_mode(name):
    start = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)

    def loss(w):
        return tf.reduce_sum(tf.square(w - 1.0)) + tf.reduce_sum(tf.gather(w, [1, 1]))

    with tf.Graph().as_default():
        w = tf.Variable(start)
        (expected,) = run(OPTIMIZERS[name](tf).minimize(loss(w)), w, times=3)
    with tf.eager_mode():
        w = tf.Variable(start, name="w")
        optimizer, count = OPTIMIZERS[name](tf), tf.Variable(0, trainable=False)
        for _ in range(2):
            optimizer.minimize(lambda: loss(w), global_step=count)
        with tf.GradientTape() as tape:
            y = loss(w)
        optimizer.apply_gradients([(tape.gradient(y, w), w)], count)
        assert count.numpy() == 3
        np.testing.assert_allclose(w.numpy(), expected, rtol=1e-5, atol=1e-6)
        with pytest.raises(RuntimeError, match="should be a function when eager"):
            optimizer.minimize(y)


def test_a_step_in_a_function():
    with tf.eager_mode():
        w = tf.Variable([1.0, -2.0], name="only_here")
        optimizer = tf.train.AdamOptimizer(0.1)

        @tf.function
        def step(x):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.square(w - x))
            optimizer.apply_gradients([(tape.gradient(loss, w), w)])
            return loss

        losses = [float(step(tf.constant([0.5, 0.5]))) for _ in range(20)]
        assert all(b < a for a, b in itertools.pairwise(losses))
        assert len(step._concrete) == 1
        assert [v.name for v in optimizer.variables()] == [
            "beta1_power:0", "beta2_power:0", "only_here/Adam:0", "only_here/Adam_1:0",
        ]  # fmt: skip


# ------------------------------------------------------------------------------------------- rates


def test_rates_in_an_optimizer():
    count = tf.train.create_global_step()
    rate = tf.train.exponential_decay(1.0, count, 1, 0.5)
    w = tf.Variable(0.0)
    step = tf.train.GradientDescentOptimizer(rate).minimize(-w, global_step=count)
    assert run(step, w, times=3) == [1.0 + 0.5 + 0.25]


def test_rates_in_eager_mode_are_functions():
    with tf.eager_mode():
        count = tf.Variable(0, trainable=False, dtype=tf.int64)
        rate = tf.train.polynomial_decay(1.0, count, 10, 0.0)
        assert rate().numpy() == 1.0
        count.assign(5)
        assert rate().numpy() == 0.5
        stairs = tf.train.piecewise_constant(count, [4, 7], [1.0, 2.0, 3.0])
        assert stairs().numpy() == 2.0


def test_rates_refuse():
    with pytest.raises(ValueError, match="global_step is required"):
        tf.train.cosine_decay(0.1, None, 10)
    with pytest.raises(ValueError, match="1 less than the length of values"):
        tf.train.piecewise_constant(1, [1, 2], [1.0, 2.0])
    with pytest.raises(ValueError, match="one dtype"):
        tf.train.piecewise_constant(1, [1], [1.0, 2])
    assert tf.train.piecewise_constant_decay is tf.train.piecewise_constant


def test_noisy_rates():
    tf.set_random_seed(1)
    rates = [
        tf.train.noisy_linear_cosine_decay(1.0, step, 10, initial_variance=variance)
        for step, variance in ((3, 0.0), (3, 1.0), (10, 1e-6))
    ]
    calm = tf.train.linear_cosine_decay(1.0, 3, 10)
    exact, noisy, late, plain = tf.Session().run([*rates, calm])
    np.testing.assert_allclose(exact, plain, rtol=1e-6)
    assert abs(noisy - plain) > 1e-3 and late < 0.01


# ---------------------------------------------------------------------------------------- averages


def test_averages_of_nothing_yet():
    v = tf.Variable(1.0, name="v")
    average = tf.train.ExponentialMovingAverage(0.9)
    assert average.average(v) is None and average.name == "ExponentialMovingAverage"
    assert average.average_name(v) == "v/ExponentialMovingAverage"
    with pytest.raises(TypeError, match="half, float, or double"):
        average.apply([tf.Variable(1)])


def test_averages_by_the_number_of_updates():
    v = tf.Variable(0.0)
    count = tf.Variable(0, trainable=False)
    average = tf.train.ExponentialMovingAverage(0.9, num_updates=count)
    update = average.apply([v])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        v.load(10.0, sess)
        sess.run(update)  # decay = min(0.9, 1 / 10)
        np.testing.assert_allclose(sess.run(average.average(v)), 9.0, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if not n.startswith("adagrad da")])
def test_rows_without_a_dense_shape(name):
    start = np.arange(8, dtype=np.float32).reshape(4, 2)
    results = []
    for dense_shape in (None, [4, 2]):
        w = tf.Variable(start)
        gradient = tf.IndexedSlices(
            tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([1, 1]),
            None if dense_shape is None else tf.constant(dense_shape),
        )  # fmt: skip
        step = OPTIMIZERS[name](tf).apply_gradients([(gradient, w)])
        results.append(run(step, w, times=2)[0])
    np.testing.assert_array_equal(*results)
    if not name.startswith(("ftrl", "adam", "proximal")):
        np.testing.assert_array_equal(results[0][[0, 2, 3]], start[[0, 2, 3]])
