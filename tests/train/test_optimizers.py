"""Optimizers against their formulas in NumPy, and their names against TensorFlow 1.15's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def adam(w, grads, lr=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Adam in float64, as TensorFlow states it: the numbers and powers of beta are float32."""
    power1, power2 = np.float32(1), np.float32(1)
    beta1, beta2 = np.float32(beta1), np.float32(beta2)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for g in grads:
        power1, power2 = power1 * beta1, power2 * beta2
        root = np.sqrt(1 - np.float64(power2))
        rate = np.float64(np.float32(lr)) * root / (1 - np.float64(power1))
        beta1, beta2 = np.float64(beta1), np.float64(beta2)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        w = w - rate * m / (np.sqrt(v) + np.float64(np.float32(epsilon)))
        beta1, beta2 = np.float32(beta1), np.float32(beta2)
    return w


@pytest.mark.parametrize("shape", [(), (5,), (3, 7), (0, 2)])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_adam_follows_its_formula(shape, dtype):
    rng = np.random.default_rng(1)
    start = rng.standard_normal(shape)
    grads = [rng.standard_normal(shape) for _ in range(5)]
    w = tf.Variable(start, dtype=dtype)
    g = tf.placeholder(dtype, shape)
    step = tf.train.AdamOptimizer(0.05).apply_gradients([(g, w)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for grad in grads:
            sess.run(step, {g: grad})
        tolerance = 1e-5 if dtype is tf.float32 else 1e-12
        expected = adam(np.asarray(start), grads, lr=0.05)
        np.testing.assert_allclose(sess.run(w), expected, rtol=tolerance, atol=tolerance)


def test_gradient_descent_steps_exactly():
    """N12: w+ = w - eta * dE/dw, and the loss of a convex quadratic falls monotonically."""
    w = tf.Variable([3.0, -2.0])
    loss = tf.reduce_sum(tf.square(w - [1.0, 1.0]))
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        np.testing.assert_allclose(sess.run(w), [3 - 0.1 * 4, -2 + 0.1 * 6], rtol=1e-6)
        losses = []
        for _ in range(20):
            losses.append(sess.run(loss))
            sess.run(step)
        assert all(b < a for a, b in itertools.pairwise(losses))


def test_gradients_use_values_from_before_the_step():
    a, b = tf.Variable(2.0), tf.Variable(3.0)
    step = tf.train.GradientDescentOptimizer(0.1).minimize(a * b)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        np.testing.assert_allclose(sess.run([a, b]), [2 - 0.3, 3 - 0.2], rtol=1e-6)


@pytest.mark.parametrize("make", [
    lambda: tf.train.GradientDescentOptimizer(0.1), lambda: tf.train.AdamOptimizer(0.1),
])  # fmt: skip
def test_sparse_gradients_equal_dense_ones(make):
    """SEMANTICS 13: duplicates add up; Adam decays all rows."""
    start = np.arange(12, dtype=np.float32).reshape(6, 2)
    rows = [1, 4, 1]
    results = []
    for dense in (False, True):
        tf.reset_default_graph()
        table = tf.Variable(start)
        picked = tf.gather(table, rows)
        if dense:
            picked = tf.matmul(tf.one_hot(rows, 6), table)
        loss = tf.reduce_sum(tf.square(picked) * [[1.0, 2.0]])
        step = make().minimize(loss)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for _ in range(3):
                sess.run(step)
            results.append(sess.run(table))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_names_are_tensorflow_s():
    with tf.name_scope("net"):
        w = tf.Variable([1.0], name="w")
    step = tf.train.AdamOptimizer().minimize(tf.reduce_sum(w * w))
    names = {v.name for v in tf.global_variables()}
    assert names == {"net/w:0", "net/w/Adam:0", "net/w/Adam_1:0", "beta1_power:0", "beta2_power:0"}
    assert step.name == "Adam"
    operations = {op.name for op in tf.get_default_graph().get_operations()}
    assert "Adam/update_net/w/ApplyAdam" in operations
    assert "Adam/learning_rate" in operations
    assert [v.name for v in tf.trainable_variables()] == ["net/w:0"]
    again = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(w * w))
    assert again.name == "GradientDescent"
    assert "GradientDescent/update_net/w/ApplyGradientDescent" in {
        op.name for op in tf.get_default_graph().get_operations()
    }


def test_global_step_counts_after_the_update():
    w = tf.Variable(1.0)
    steps = tf.Variable(0, trainable=False, name="global_step")
    step = tf.train.GradientDescentOptimizer(0.1).minimize(w * w, global_step=steps)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(step)
        assert sess.run(steps) == 3


def test_a_rate_that_is_fed():
    w, rate = tf.Variable(1.0), tf.placeholder(tf.float32, [])
    step = tf.train.GradientDescentOptimizer(rate).minimize(w * 3.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step, {rate: 0.5})
        assert sess.run(w) == -0.5


def test_mistakes():
    w = tf.Variable(1.0)
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        optimizer.minimize(tf.constant(1.0))
    with pytest.raises(ValueError, match="No variables to optimize"):
        optimizer.compute_gradients(w * w, var_list=[])
    with pytest.raises(ValueError, match="No variables provided"):
        optimizer.apply_gradients([])
    with pytest.raises(TypeError):
        optimizer.apply_gradients([(object(), w)])
    assert optimizer.compute_gradients(tf.constant(1.0), [w]) == [(None, w)]


def test_training_repeats_bit_for_bit():
    """DESIGN 5: equal results from session to session, random initial values included."""

    def losses() -> list[bytes]:
        tf.reset_default_graph()
        x = tf.placeholder(tf.float32, [None, 9])
        w1 = tf.Variable(tf.truncated_normal([9, 33]))
        w2 = tf.Variable(tf.random_uniform([33, 1], -1.0, 1.0))
        loss = tf.reduce_mean(tf.square(tf.matmul(tf.tanh(tf.matmul(x, w1)), w2)))
        step = tf.train.AdamOptimizer(0.01).minimize(loss)
        data = np.random.default_rng(0).standard_normal((200, 9)).astype(np.float32)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            return [sess.run([loss, step], {x: data})[0].tobytes() for _ in range(20)]

    assert losses() == losses()
