"""Branches and loops in eager mode and in functions, with effects and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def eager():
    with tf.eager_mode():
        yield


def power(x, n):
    """x ** n by a loop."""
    start = [tf.constant(0), tf.ones_like(x)]
    return tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * x), start)[1]


def piecewise(x, v):
    """v * x ** 2 above 2, else x."""
    return tf.cond(x > 2.0, lambda: x * x * v, lambda: tf.identity(x))


BOTH = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["at once", "function"])


@BOTH
def test_values(wrap):
    v = tf.Variable(10.0)
    f = wrap(lambda x: piecewise(x, v))
    assert [f(tf.constant(x)).numpy() for x in (3.0, 1.0)] == [90.0, 1.0]
    g = wrap(power)
    assert g(tf.constant(2.0), tf.constant(5)).numpy() == 32.0
    assert g(tf.constant([2.0, 3.0]), tf.constant(0)).numpy().tolist() == [1.0, 1.0]


@BOTH
def test_gradients(wrap):
    v = tf.Variable(10.0)
    f, g = wrap(lambda x: piecewise(x, v)), wrap(power)
    for start, expected in ((3.0, (60.0, 9.0)), (1.0, (1.0, 0.0))):
        x = tf.constant(start)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        dx, dv = tape.gradient(y, [x, v], unconnected_gradients="zero")
        assert (dx.numpy(), dv.numpy()) == expected
    x = tf.constant([2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = g(x, tf.constant(4))
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), 4 * np.array([8.0, 27.0]))


def test_gradients_inside_a_function():
    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = power(x, 3) + piecewise(x, 1.0)
        return tape.gradient(y, x)

    assert slope(tf.constant(3.0)).numpy() == 27.0 + 6.0
    assert slope(tf.constant(1.0)).numpy() == 3.0 + 1.0


@BOTH
def test_effects_of_the_branch_taken_and_of_every_iteration(wrap):
    v = tf.Variable(0.0)

    def branch(x):
        tf.cond(x > 0.0, lambda: v.assign_add(1.0), lambda: v.assign_add(100.0))
        return v.read_value()

    def loop(n):
        def body(i):
            v.assign_add(1.0)
            return i + 1

        tf.while_loop(lambda i: i < n, body, [tf.constant(0)])
        return v.read_value()

    assert wrap(branch)(tf.constant(1.0)).numpy() == 1.0
    assert wrap(branch)(tf.constant(-1.0)).numpy() == 101.0
    assert wrap(loop)(tf.constant(5)).numpy() == 106.0
    assert v.numpy() == 106.0


def test_a_variable_written_after_it_was_read():
    """The gradient uses the value of the forward run."""
    v = tf.Variable(3.0)

    @tf.function
    def f(x):
        y = piecewise(x, v) * v
        v.assign(100.0)
        return y

    x = tf.constant(4.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    dx, dv = tape.gradient(y, [x, v])
    assert (y.numpy(), dx.numpy(), dv.numpy()) == (16 * 9.0, 8 * 9.0, 16 * 6.0)


def test_structures_of_loops_at_once():
    i = tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)])
    assert i.numpy() == 3
    i = tf.while_loop(lambda i: i < 3, lambda i: [i + 1], [0], return_same_structure=True)
    assert isinstance(i, list) and i[0].numpy() == 3
    i, pair = tf.while_loop(
        lambda i, p: True, lambda i, p: (i + 1, {"a": p["a"] * 2}), (0, {"a": 1}),
        maximum_iterations=4,
    )  # fmt: skip
    assert (i.numpy(), pair["a"].numpy()) == (4, 16)
    assert tf.case([(tf.constant(False), lambda: 1)], default=lambda: tf.constant(7)).numpy() == 7
    with pytest.raises(tf.errors.InvalidArgumentError, match="no condition holds"):
        tf.case([(tf.constant(False), lambda: tf.constant(1)), (tf.constant(False), lambda: 2)])
    assert tf.switch_case(tf.constant(1), [lambda: 10, lambda: tf.constant(20)]).numpy() == 20
