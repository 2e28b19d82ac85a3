"""tf.contrib.opt against the formulas, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

opt = tf.contrib.opt
START = np.array([[1.0, -2.0], [0.5, 3.0], [-0.25, 0.5]], np.float64)
GRADS = np.random.default_rng(0).standard_normal((4, 3, 2))


def trained(make, *, sparse=False):
    """Values after each of GRADS; rows 0 and 2 alone when sparse."""
    w = tf.Variable(START)
    g = tf.placeholder(tf.float64, [2, 2] if sparse else [3, 2])
    gradient = tf.IndexedSlices(g, tf.constant([0, 2])) if sparse else g
    step = make().apply_gradients([(gradient, w)])
    found = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for grad in GRADS:
            sess.run(step, {g: grad[[0, 2]] if sparse else grad})
            found.append(sess.run(w))
    return found


def adamax(rate=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8):
    w, m, v = START.copy(), 0.0, 0.0
    for t, g in enumerate(GRADS, 1):
        m = beta1 * m + (1 - beta1) * g
        v = np.maximum(beta2 * v, np.abs(g))
        w = w - rate / (1 - beta1**t) * m / (v + epsilon)
        yield w


def nadam(rate=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8):
    w, m, v = START.copy(), 0.0, 0.0
    for t, g in enumerate(GRADS, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        scale = rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        w = w - scale * (beta1 * m + (1 - beta1) * g) / (np.sqrt(v) + epsilon)
        yield w


def add_sign(rate=0.1, alpha=1.0, beta=0.9):
    w, m = START.copy(), 0.0
    for g in GRADS:
        m = beta * m + (1 - beta) * g
        w = w - rate * (alpha + np.sign(g) * np.sign(m)) * g
        yield w


def power_sign(rate=0.1, beta=0.9):
    w, m = START.copy(), 0.0
    for g in GRADS:
        m = beta * m + (1 - beta) * g
        w = w - rate * np.exp(np.sign(g) * np.sign(m)) * g
        yield w


CASES = {
    "AdaMax": (lambda: opt.AdaMaxOptimizer(0.1), adamax),
    "Nadam": (lambda: opt.NadamOptimizer(0.1), nadam),
    "AddSign": (opt.AddSignOptimizer, add_sign),
    "PowerSign": (opt.PowerSignOptimizer, power_sign),
}


@pytest.mark.parametrize("name", CASES)
def test_dense_steps(name):
    make, formula = CASES[name]
    for got, expected in zip(trained(make), formula(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["AdaMax", "LazyAdam"])
def test_rows_that_are_not_named_stay(name):
    makes = {
        "AdaMax": CASES["AdaMax"],
        "LazyAdam": (lambda: opt.LazyAdamOptimizer(0.1), None),
    }
    make, formula = makes[name]
    found = trained(make, sparse=True)
    dense = list(formula()) if formula else trained(lambda: tf.train.AdamOptimizer(0.1))
    for got, expected in zip(found, dense, strict=True):
        np.testing.assert_allclose(got[[0, 2]], expected[[0, 2]], rtol=1e-5)
        np.testing.assert_array_equal(got[1], START[1])


def test_weight_decay():
    for make in (
        lambda: opt.MomentumWOptimizer(0.01, 0.1, 0.0),
        lambda: opt.extend_with_decoupled_weight_decay(tf.train.MomentumOptimizer)(0.01, 0.1, 0.0),
    ):
        w = START
        for got, grad in zip(trained(make), GRADS, strict=True):
            w = w * (1 - 0.01) - 0.1 * grad
            np.testing.assert_allclose(got, w, rtol=1e-6)
    a, b = tf.Variable(1.0), tf.Variable(1.0)
    step = opt.AdamWOptimizer(0.5, learning_rate=0.0).minimize(a * b, decay_var_list=[a])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        assert sess.run([a, b]) == [0.5, 1.0]


def test_moving_averages(tmp_path):
    w = tf.Variable(8.0, name="w")
    optimizer = opt.MovingAverageOptimizer(tf.train.GradientDescentOptimizer(1.0), 0.5)
    step = optimizer.minimize(4.0 * w)
    saver = optimizer.swapping_saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        assert sess.run(w) == 4.0
        path = saver.save(sess, str(tmp_path / "model"))
    assert tf.train.load_variable(path, "w") == 6.0
    assert [v.name for v in optimizer.variables()] == ["w/ExponentialMovingAverage:0"]
    assert optimizer.get_slot_names() == [] and optimizer.get_slot(w, "m") is None
