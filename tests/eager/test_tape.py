"""tf.GradientTape and the functions made of it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import flowgraph as tf

tfe = tf.contrib.eager


@pytest.fixture(autouse=True)
def eager():
    with tf.eager_mode():
        yield


def values(nest):
    return tf.nest.map_structure(lambda x: None if x is None else x.numpy(), nest)


def test_modes():
    assert tf.executing_eagerly()
    with tf.Graph().as_default():
        assert not tf.executing_eagerly()
        with tf.init_scope():
            assert not tf.executing_eagerly()
    assert isinstance(tf.constant(1.0), tf.Tensor)
    with pytest.raises(RuntimeError, match="not compatible with eager"):
        tf.placeholder(tf.float32)
    with pytest.raises(RuntimeError, match="Use tf.GradientTape"):
        tf.gradients(tf.constant(1.0), tf.constant(1.0))


def test_a_tensor_and_what_derives_from_it():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        z = tf.reduce_sum(y * y)
        other = tf.constant(3.0) * 2.0
    np.testing.assert_array_equal(tape.gradient(z, x), [4.0, 32.0])
    np.testing.assert_array_equal(tape.gradient(z, {"y": y, "x": [x]})["y"], [2.0, 8.0])
    assert tape.gradient(other, x) is None
    assert tape.gradient(z, other) is None
    zeros = tape.gradient(other, x, unconnected_gradients="zero")
    np.testing.assert_array_equal(zeros, [0.0, 0.0])
    np.testing.assert_array_equal(tape.gradient(y, x, output_gradients=[1.0, 10.0]), [2.0, 40.0])
    with pytest.raises(ValueError, match="Unknown value for unconnected_gradients: 'nonsense'"):
        tape.gradient(z, x, unconnected_gradients="nonsense")


def test_a_tape_is_asked_once():
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert tape.gradient(y, x).numpy() == 4.0
    with pytest.raises(RuntimeError, match="can only be called once on non-persistent tapes"):
        tape.gradient(y, x)


def test_variables_are_watched_when_read():
    a, b = tf.Variable(2.0, name="a"), tf.Variable(3.0, name="b")
    fixed = tf.Variable(5.0, trainable=False)
    with tf.GradientTape() as tape:
        y = b * a * a * fixed
    assert tape.watched_variables() == (a, b)
    assert values(tape.gradient(y, [a, b, fixed])) == [60.0, 20.0, None]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(a)
        y = b * a
    assert values(tape.gradient(y, [a, b])) == [3.0, None]


def test_a_variable_that_changes_between_two_reads():
    v = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = v * v
        v.assign(10.0)
        z = y + v * v
    assert tape.gradient(z, v).numpy() == 2 * 3 + 2 * 10


def test_stop_recording_and_reset():
    x = tf.constant(3.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        with tape.stop_recording():
            z = y * x
        w = y + 1.0
    assert tape.gradient(w, x).numpy() == 6.0
    assert tape.gradient(z, x) is None
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        tape.reset()
        tape.watch(x)
        z = y + 5.0 * x
    assert tape.gradient(z, x).numpy() == 5.0
    with pytest.raises(ValueError, match="Tape is not recording"):
        tf.GradientTape()._stop()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_nested_tapes(order):
    x = tf.constant(1.5, tf.float64)

    def derivative(f):
        def df(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = f(x)
            return tape.gradient(y, x)

        return df

    f = tf.sin
    for _ in range(order):
        f = derivative(f)
    expected = [np.cos(1.5), -np.sin(1.5), -np.cos(1.5)][order - 1]
    np.testing.assert_allclose(f(x).numpy(), expected, rtol=1e-15)


def test_second_order_within_one_persistent_tape():
    x = tf.constant(2.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x * x
        dy = tape.gradient(y, x)
    assert tape.gradient(dy, x).numpy() == 12.0


def test_rows_of_a_table_stay_rows():
    table = tf.Variable(np.arange(6, dtype=np.float32).reshape(3, 2))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.gather(table, [0, 0, 2]))
    slices = tape.gradient(y, table)
    assert isinstance(slices, tf.IndexedSlices)
    assert slices.indices.numpy().tolist() == [0, 0, 2]
    dense = tf.convert_to_tensor(slices).numpy()
    np.testing.assert_array_equal(dense, [[2, 2], [0, 0], [1, 1]])


def test_jacobians():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = tf.concat([x * x, x[:, :1] * x[:, 1:]], 1)
    full = tape.jacobian(y, x).numpy()
    assert full.shape == (2, 3, 2, 2)
    batch = tape.batch_jacobian(y, x).numpy()
    np.testing.assert_array_equal(batch, [[[2, 0], [0, 4], [2, 1]], [[6, 0], [0, 8], [4, 3]]])
    np.testing.assert_array_equal(full[0, :, 0], batch[0])
    assert not full[0, :, 1].any()
    with pytest.raises(ValueError, match="agree in the size of axis 0"):
        tape.batch_jacobian(y[:1], x)


def test_gradients_are_those_of_tf_gradients():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))

    def loss(x, w):
        h = tf.tanh(tf.matmul(x, w))
        return tf.reduce_mean(tf.nn.softmax(h) * h) + tf.reduce_max(h)

    x, w = tf.constant(a), tf.constant(b)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        y = loss(x, w)
    got = [y, *tape.gradient(y, [x, w])]
    with tf.Graph().as_default():
        x, w = tf.constant(a), tf.constant(b)
        y = loss(x, w)
        expected = tf.Session().run([y, *tf.gradients(y, [x, w])])
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-12, atol=1e-15)


def test_custom_gradients():
    scale = tf.Variable(4.0)

    @tf.custom_gradient
    def f(x):
        def grad(dy, variables=None):
            return dy * 100.0, [dy * 7.0 for _ in variables]

        return x * scale, grad

    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x) * 3.0
    assert values([y, *tape.gradient(y, [x, scale])]) == [24.0, 300.0, 21.0]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.recompute_grad(lambda x: x * x * scale)(x)
    assert values(tape.gradient(y, [x, scale])) == [16.0, 4.0]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.grad_pass_through(tf.round)(x * 1.3)
    np.testing.assert_allclose(tape.gradient(y, x), 1.3)


def test_a_python_function_is_part_of_the_tape():
    seen = []

    def f(x):
        seen.append(x.numpy())
        return x * x

    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.py_function(f, [x], tf.float32)
        (z,) = tf.py_function(lambda v: v.numpy() + 1, [x], [tf.float32])
    assert seen == [3.0] and z.numpy() == 4.0
    assert tape.gradient(y, x).numpy() == 6.0
    assert tf.numpy_function(lambda v: v + 1, [x], tf.float32).numpy() == 4.0


def test_functions_of_gradients():
    v = tf.Variable(3.0)
    assert values(tfe.gradients_function(lambda x, y: x * y)(2.0, 5.0)) == [5.0, 2.0]
    assert values(tfe.gradients_function(lambda x, y: x * y, params=["y"])(2.0, 5.0)) == [2.0]
    assert values(tfe.gradients_function(lambda x: x * x)(2.0, dy=10.0)) == [40.0]
    value, (dx,) = tfe.value_and_gradients_function(lambda x: x * x)(3.0)
    assert (value.numpy(), dx.numpy()) == (9.0, 6.0)
    ((dv, found),) = tfe.implicit_gradients(lambda x: x * v)(2.0)
    assert found is v and dv.numpy() == 2.0
    with pytest.raises(ValueError, match="No trainable variables were accessed"):
        tfe.implicit_gradients(lambda x: x)(2.0)
    with pytest.raises(ValueError, match="did you forget to return a value"):
        tfe.gradients_function(lambda x: None)(2.0)


def test_a_tape_frees_what_it_held():
    x = tf.constant(np.ones(1000))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * 2.0
        gone = weakref.ref(y * 3.0)
        assert gone() is not None
    tape.gradient(y, x)
    gc.collect()
    assert gone() is None


def test_while_building_a_graph():
    with tf.Graph().as_default():
        v = tf.Variable(3.0)
        x = tf.constant(2.0)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * x * v
        z = y * y
        dx, dv, outside = tape.gradient(y, [x, v, z])
        assert outside is None
        assert tape.gradient(z, x) is None  # made outside
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            assert sess.run([dx, dv]) == [12.0, 4.0]
