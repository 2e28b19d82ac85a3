"""keras.optimizers: every rule against its formula in float64, state, configs, names."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import optimizers

#: What the weights start as, and what they are pulled to with different strength.
START = [np.array([[1.0, -2.0, 0.5], [0.3, 0.0, -4.0]]), np.array([0.2, 3.0])]
STRENGTH = [np.array([[1.0, 3.0, -0.5], [0.1, 2.0, 1.0]]), np.array([5.0, 0.01])]


@pytest.fixture(autouse=True)
def _new_graph():
    K.clear_session()
    yield
    K.clear_session()


def steps(optimizer, count, constraint=None):
    """The weights after ``count`` steps against sum(strength * sin(w))."""
    weights = [tf.Variable(np.float32(w), constraint=constraint) for w in START]
    loss = tf.add_n(
        [tf.reduce_sum(s * tf.sin(w)) for w, s in zip(weights, np_32(STRENGTH), strict=True)]
    )
    train = K.function([], [loss], optimizer.get_updates(loss, weights))
    for _ in range(count):
        train([])
    return K.batch_get_value(weights)


def np_32(arrays):
    return [np.float32(a) for a in arrays]


def expected(rule, count, clip=None):
    """The same in float64 by ``rule(t, w, g, state) -> w``; ``state`` is a dict per weight."""
    weights = [w.copy() for w in START]
    states = [{} for _ in weights]
    for t in range(1, count + 1):
        grads = [s * np.cos(w) for s, w in zip(STRENGTH, weights, strict=True)]
        if clip:
            grads = clip(grads)
        weights = [rule(t, *wgs) for wgs in zip(weights, grads, states, strict=True)]
    return weights


def mean(state, name, rate, value):
    state[name] = rate * state.get(name, 0.0) + (1 - rate) * value
    return state[name]


def sgd(t, w, g, state, lr=0.01, momentum=0.9, decay=1e-2, nesterov=True):
    lr = lr / (1 + decay * (t - 1))
    v = state["v"] = momentum * state.get("v", 0.0) - lr * g
    return w + momentum * v - lr * g if nesterov else w + v


def rmsprop(t, w, g, state, lr=0.02, rho=0.8, decay=0.1):
    a = mean(state, "a", rho, g * g)
    return w - lr / (1 + decay * (t - 1)) * g / (np.sqrt(a) + 1e-7)


def adagrad(t, w, g, state, lr=0.1):
    a = state["a"] = state.get("a", 0.0) + g * g
    return w - lr * g / (np.sqrt(a) + 1e-7)


def adadelta(t, w, g, state, lr=1.0, rho=0.95, eps=1e-3):
    a = mean(state, "a", rho, g * g)
    u = g * np.sqrt(state.get("d", 0.0) + eps) / np.sqrt(a + eps)
    mean(state, "d", rho, u * u)
    return w - lr * u


def adam(t, w, g, state, lr=0.05, b1=0.9, b2=0.999, amsgrad=False):
    m, v = mean(state, "m", b1, g), mean(state, "v", b2, g * g)
    if amsgrad:
        v = state["vhat"] = np.maximum(state.get("vhat", 0.0), v)
    return w - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + 1e-7)


def adamax(t, w, g, state, lr=0.05, b1=0.9, b2=0.99):
    m = mean(state, "m", b1, g)
    u = state["u"] = np.maximum(b2 * state.get("u", 0.0), np.abs(g))
    return w - lr / (1 - b1**t) * m / (u + 1e-7)


def nadam(t, w, g, state, lr=0.05, b1=0.9, b2=0.999, sd=0.004):
    c, c1 = (b1 * (1 - 0.5 * 0.96 ** (k * sd)) for k in (t, t + 1))
    s = state["s"] = state.get("s", 1.0) * c
    m, v = mean(state, "m", b1, g), mean(state, "v", b2, g * g)
    n = (1 - c) * g / (1 - s) + c1 * m / (1 - s * c1)
    return w - lr * n / (np.sqrt(v / (1 - b2**t)) + 1e-7)


RULES = {
    "sgd": (lambda: optimizers.SGD(0.01, 0.9, 1e-2, True), sgd),
    "momentum": (
        lambda: optimizers.SGD(0.02, 0.5),
        lambda *a: sgd(*a, lr=0.02, momentum=0.5, decay=0, nesterov=False),
    ),
    "rmsprop": (lambda: optimizers.RMSprop(0.02, 0.8, decay=0.1), rmsprop),
    "adagrad": (lambda: optimizers.Adagrad(0.1), adagrad),
    "adadelta": (lambda: optimizers.Adadelta(epsilon=1e-3), adadelta),
    "adam": (lambda: optimizers.Adam(learning_rate=0.05), adam),
    "amsgrad": (
        lambda: optimizers.Adam(0.05, beta_2=0.5, amsgrad=True),
        lambda *a: adam(*a, b2=0.5, amsgrad=True),
    ),
    "adamax": (lambda: optimizers.Adamax(0.05, beta_2=0.99), adamax),
    "nadam": (lambda: optimizers.Nadam(0.05), nadam),
}


@pytest.mark.parametrize("name", RULES)
def test_ten_steps_are_the_formula(name):  # N13
    make, rule = RULES[name]
    for got, wanted in zip(steps(make(), 10), expected(rule, 10), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=2e-6)


def test_clipping():
    plain = lambda t, w, g, s: w - 0.1 * g

    def by_norm(grads):
        norm = np.sqrt(sum((g * g).sum() for g in grads))
        return [g * min(1, 1.5 / norm) for g in grads]

    for got, wanted in zip(
        steps(optimizers.SGD(0.1, clipnorm=1.5), 6), expected(plain, 6, by_norm), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
    K.clear_session()
    by_value = lambda grads: [np.clip(g, -0.3, 0.3) for g in grads]
    for got, wanted in zip(
        steps(optimizers.SGD(0.1, clipvalue=0.3), 6), expected(plain, 6, by_value), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
    g, n = tf.constant([3.0, 4.0]), tf.constant(5.0)
    clipped = K.get_session().run([optimizers.clip_norm(g, c, n) for c in (1.0, 10.0, 0)])
    np.testing.assert_allclose(clipped, [[0.6, 0.8], [3, 4], [3, 4]], rtol=1e-6)


def test_constraints_follow_the_step():
    got = steps(optimizers.Adam(0.05), 10, keras.constraints.get("non_neg"))
    assert all((w >= 0).all() for w in got)
    assert got[0][0, 0] > 0


@pytest.mark.parametrize("name", RULES)
def test_state_goes_on(name):  # K18
    make, _ = RULES[name]
    wanted = steps(make(), 7)
    K.clear_session()
    optimizer = make()
    weights = [tf.Variable(np.float32(w)) for w in START]
    loss = tf.add_n(
        [tf.reduce_sum(s * tf.sin(w)) for w, s in zip(weights, np_32(STRENGTH), strict=True)]
    )
    train = K.function([], [loss], optimizer.get_updates(loss, weights))
    for _ in range(3):
        train([])
    kept, state = K.batch_get_value(weights), optimizer.get_weights()
    assert state[0] == 3
    config = optimizers.serialize(optimizer)
    K.clear_session()
    again = optimizers.deserialize(config)
    weights = [tf.Variable(w) for w in kept]
    loss = tf.add_n(
        [tf.reduce_sum(s * tf.sin(w)) for w, s in zip(weights, np_32(STRENGTH), strict=True)]
    )
    train = K.function([], [loss], again.get_updates(loss, weights))
    again.set_weights(state)
    for _ in range(4):
        train([])
    for got, one in zip(K.batch_get_value(weights), wanted, strict=True):
        np.testing.assert_array_equal(got, one)
    with pytest.raises(ValueError, match=r"weights, got 1"):
        again.set_weights(state[:1])
    wrong = [*state[:-1], np.zeros((9, 9))]
    with pytest.raises(ValueError, match=r"has shape .* the given value \(9, 9\)"):
        again.set_weights(wrong)


def test_states_as_keras_2_2_stored_them():
    optimizer = optimizers.RMSprop()
    steps(optimizer, 2)
    slots = [np.full(np.shape(w), 7.0) for w in START]
    optimizer.set_weights(slots)  # without the number of steps
    count, *got = optimizer.get_weights()
    assert count == 2 and (got[0] == 7).all()


def test_rates_are_variables():
    optimizer = optimizers.SGD(0.5)
    w = tf.Variable(1.0)
    train = K.function([], [w + 0.0], optimizer.get_updates(2.0 * w, [w]))
    train([])
    assert K.get_value(w) == 0.0
    K.set_value(optimizer.lr, 0.125)
    train([])
    assert K.get_value(w) == -0.25
    assert optimizer.learning_rate is optimizer.lr
    assert optimizer.get_config() == {
        "lr": 0.125, "decay": 0.0, "momentum": 0.0, "nesterov": False,
    }  # fmt: skip


def test_none_of_its_variables_are_trained():
    steps(optimizers.Adam(), 1)
    assert len(tf.trainable_variables()) == 2


@pytest.mark.parametrize("name", ["SGD", "sgd", "RMSprop", "rmsprop", "Adam", "adam", "Adagrad",
                                  "adadelta", "Adamax", "nadam"])  # fmt: skip
def test_names(name):  # T7
    one = optimizers.get(name)
    assert type(one).__name__.lower() == name.lower()
    config = optimizers.serialize(one)
    assert optimizers.serialize(optimizers.get(config)) == config
    assert optimizers.get(one) is one


def test_what_is_no_optimizer():
    with pytest.raises(ValueError, match="Unknown optimizer: 'adan'.*did you mean 'adam'"):
        optimizers.get("adan")
    with pytest.raises(ValueError, match="Could not interpret optimizer identifier: 3"):
        optimizers.get(3)
    with pytest.raises(ValueError, match=r"Adam is a class; Adam\(\)"):
        optimizers.get(optimizers.Adam)
    with pytest.raises(TypeError, match="'lrate'.*clipnorm"):
        optimizers.Adam(lrate=3)
    w = tf.Variable(1.0, name="w")
    with pytest.raises(ValueError, match="no gradient with respect to w:0.*K.argmax"):
        optimizers.SGD().get_updates(tf.constant(1.0), [w])


def test_optimizers_of_tf_train():
    optimizer = optimizers.get(tf.train.MomentumOptimizer(0.02, 0.5))
    assert isinstance(optimizer, optimizers.TFOptimizer)
    plain = lambda *a: sgd(*a, lr=0.02, momentum=0.5, decay=0, nesterov=False)
    for got, wanted in zip(steps(optimizer, 10), expected(plain, 10), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=2e-6)
    assert optimizer.get_weights()[0] == 10
    assert len(optimizer.weights) == 3
    with pytest.raises(NotImplementedError, match=r"tf\.train"):
        optimizer.get_config()


def test_one_of_ones_own():  # K19
    class Sign(optimizers.Optimizer):
        def __init__(self, rate=0.1, **kwargs):
            super().__init__(**kwargs)
            self.rate = rate

        def get_updates(self, loss, params):
            grads = self.get_gradients(loss, params)
            self.updates = [
                K.update_sub(p, self.rate * K.sign(g)) for p, g in zip(params, grads, strict=True)
            ]
            return self.updates

        def get_config(self):
            return {**super().get_config(), "rate": self.rate}

    config = optimizers.serialize(Sign(0.25, clipvalue=2.0))
    with keras.utils.custom_object_scope({"Sign": Sign}):
        optimizer = optimizers.get(config)
    assert optimizer.get_config() == {"rate": 0.25, "clipvalue": 2.0}
    got = steps(optimizer, 1)
    wanted = START[0] - 0.25 * np.sign(STRENGTH[0] * np.cos(START[0]))
    np.testing.assert_allclose(got[0], wanted, rtol=1e-6)


def test_the_sparse_gradient_of_a_lookup_is_dense():
    """As in Keras: rows that are not looked up move on with the momentum of the others."""
    table = tf.Variable(np.ones((4, 2), np.float32))
    loss = tf.reduce_sum(tf.gather(table, [1, 1]))
    optimizer = optimizers.Adam(0.5)
    K.function([], [loss], optimizer.get_updates(loss, [table]))([])
    np.testing.assert_allclose(K.get_value(table)[:, 0], [1, 0.5, 1, 1], rtol=1e-5)
