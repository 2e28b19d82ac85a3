"""keras.activations, losses, metrics, regularizers and constraints against formulas in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import activations, constraints, losses, metrics, regularizers

RNG = np.random.RandomState(0)
X = np.linspace(-3.0, 3.0, 15, dtype=np.float32).reshape(3, 5)
P = RNG.dirichlet(np.ones(4), 6).astype(np.float32)
T = np.eye(4, dtype=np.float32)[[0, 3, 1, 1, 2, 0]]
Y = RNG.randn(6, 4).astype(np.float32)
EPS = 1e-7


def run(value):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(value)


def close(got, wanted, **tolerance):
    np.testing.assert_allclose(got, wanted, **({"rtol": 2e-5, "atol": 1e-6} | tolerance))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


ACTIVATIONS = {
    "softmax": softmax,
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "exponential": np.exp,
    "linear": lambda x: x,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    function = activations.get(name)
    close(run(tf.convert_to_tensor(function(X))), ACTIVATIONS[name](X.astype(np.float64)))
    assert activations.serialize(function) == name
    assert activations.deserialize(name) is function


def test_activations_with_arguments():
    close(run(activations.softmax(X, axis=0)), softmax(X, 0))
    close(run(activations.elu(X, 0.5)), np.where(X > 0, X, 0.5 * np.expm1(X)))
    close(run(activations.relu(X, alpha=0.1)), np.where(X > 0, X, 0.1 * X))
    close(run(activations.relu(X, max_value=1.5)), np.clip(X, 0, 1.5))
    wanted = np.where(X > 1, np.minimum(X, 2), 0.1 * (X - 1))
    close(run(activations.relu(X, alpha=0.1, max_value=2.0, threshold=1.0)), wanted)
    with pytest.raises(ValueError, match="softmax"):
        activations.softmax(X[0])


def test_softmax_of_the_notes():  # N16
    got = run(activations.softmax([[2.0, 1.0, 0.1], [1e4, 0.0, 0.0]]))
    close(got[0], [0.6590, 0.2424, 0.0986], atol=1e-4)
    assert np.isfinite(got).all()


def kld(t, p):
    t, p = np.clip(t, EPS, 1), np.clip(p, EPS, 1)
    return (t * np.log(t / p)).sum(-1)


def cos(t, p):
    return -(t * p).sum(-1) / np.linalg.norm(t, axis=-1) / np.linalg.norm(p, axis=-1)


def log1(y):
    return np.log(np.maximum(y, EPS) + 1)


SIGN = 2 * T - 1
#: name -> (targets, predictions, formula)
LOSSES = {
    "mean_squared_error": (T, Y, lambda t, p: ((t - p) ** 2).mean(-1)),
    "mean_absolute_error": (T, Y, lambda t, p: np.abs(t - p).mean(-1)),
    "mean_absolute_percentage_error": (
        Y, P, lambda t, p: 100 * np.abs((t - p) / np.maximum(np.abs(t), EPS)).mean(-1),
    ),
    "mean_squared_logarithmic_error": (T, Y, lambda t, p: ((log1(p) - log1(t)) ** 2).mean(-1)),
    "squared_hinge": (SIGN, Y, lambda t, p: (np.maximum(1 - t * p, 0) ** 2).mean(-1)),
    "hinge": (SIGN, Y, lambda t, p: np.maximum(1 - t * p, 0).mean(-1)),
    "categorical_hinge": (
        T, Y, lambda t, p: np.maximum(0, ((1 - t) * p).max(-1) - (t * p).sum(-1) + 1),
    ),
    "logcosh": (T, Y, lambda t, p: np.log(np.cosh(t - p)).mean(-1)),
    "categorical_crossentropy": (T, P, lambda t, p: -(t * np.log(p)).sum(-1)),
    "sparse_categorical_crossentropy": (
        T.argmax(-1)[:, None], P, lambda t, p: -np.log(np.take_along_axis(p, t, 1))[:, 0],
    ),
    "binary_crossentropy": (
        T, P, lambda t, p: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1),
    ),
    "kullback_leibler_divergence": (T, P, kld),
    "poisson": (T, P, lambda t, p: (p - t * np.log(p + EPS)).mean(-1)),
    "cosine_proximity": (T, Y, cos),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    targets, predictions, formula = LOSSES[name]
    wanted = formula(targets, predictions.astype(np.float64))
    function = losses.get(name)
    close(run(function(targets, predictions)), wanted)
    assert losses.serialize(function) == name
    # Targets of unknown shape, as models feed them, of any number type.
    fed = tf.placeholder(targets.dtype)
    with tf.Session() as sess:
        close(sess.run(function(fed, tf.constant(predictions)), {fed: targets}), wanted)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_gradients(name):
    targets, predictions, formula = LOSSES[name]
    x = tf.constant(predictions)
    (got,) = tf.gradients(losses.get(name)(targets, x), x)
    wanted = np.zeros(predictions.shape)
    for index in np.ndindex(predictions.shape):
        up, down = predictions.astype(np.float64), predictions.astype(np.float64)
        up[index] += 1e-6
        down[index] -= 1e-6
        wanted[index] = (formula(targets, up) - formula(targets, down)).sum() / 2e-6
    if "categorical_crossentropy" in name:  # the division by the sum takes part
        wanted = wanted - (wanted * predictions).sum(-1, keepdims=True)
    close(run(got), wanted, rtol=2e-3, atol=2e-3)


def test_sparse_losses_of_sequences():
    p = P.reshape(2, 3, 4)
    got = losses.sparse_categorical_crossentropy(T.argmax(-1).reshape(2, 3, 1), p)
    assert got.shape == (2, 3)
    close(run(got), -np.log((T.reshape(2, 3, 4) * p).sum(-1)))


def test_integer_targets_and_perfect_predictions():
    assert run(losses.mse(np.array([[1, 2]]), np.array([[1.0, 4.0]], np.float32))) == [2.0]
    assert run(losses.binary_crossentropy([[1, 0]], [[1.0, 0.0]]))[0] == pytest.approx(0, abs=1e-6)
    assert np.isfinite(run(losses.binary_crossentropy([[0, 1]], [[1.0, 0.0]]))).all()


def test_cross_entropy_of_the_notes():  # N17
    got = run(losses.categorical_crossentropy([[1, 0, 0]], [[0.6590, 0.2424, 0.0986]]))
    assert got[0] == pytest.approx(0.41703, abs=1e-4)


def test_loss_and_metric_names():
    for name in (
        "mse",
        "MSE",
        "mae",
        "MAE",
        "mape",
        "MAPE",
        "msle",
        "MSLE",
        "kld",
        "KLD",
        "cosine",
    ):
        assert losses.get(name) is getattr(losses, name)
    for name in metrics.__all__:
        if name not in ("get", "serialize", "deserialize"):
            assert metrics.get(name) is getattr(metrics, name)
    assert losses.get(None) is None
    with pytest.raises(ValueError, match="mean_squared_error"):
        losses.get("mean_square_error")
    for module in (losses, metrics, activations, regularizers, constraints, keras.initializers):
        with pytest.raises(ValueError, match="Could not interpret"):
            module.get(3)
        assert module.get(run) is run


def test_metrics():
    labels, ranks = T.argmax(-1), np.argsort(np.argsort(-P, -1), -1)
    hits = ranks[np.arange(6), labels]
    close(run(metrics.categorical_accuracy(T, P)), hits == 0)
    close(run(metrics.sparse_categorical_accuracy(labels[:, None], P)), hits == 0)
    close(run(metrics.sparse_categorical_accuracy(labels.astype(np.float32), P)), hits == 0)
    for k in (1, 2, 4):
        close(run(metrics.top_k_categorical_accuracy(T, P, k)), (hits < k).mean())
        close(
            run(metrics.sparse_top_k_categorical_accuracy(labels[:, None], P, k)), (hits < k).mean()
        )
    close(run(metrics.binary_accuracy([[1, 0, 0, 1]], [[0.9, 0.2, 0.5, 0.4]])), [0.75])


def test_regularizers():
    w = tf.Variable(X)
    close(run(regularizers.l1(0.5)(w)), 0.5 * np.abs(X).sum())
    close(run(regularizers.l2(0.5)(w)), 0.5 * (X**2).sum())
    close(run(regularizers.l1_l2(0.5, 2.0)(w)), 0.5 * np.abs(X).sum() + 2 * (X**2).sum())
    assert run(regularizers.L1L2()(w)) == 0
    assert regularizers.get("l2").get_config() == {"l1": 0.0, "l2": 0.01}
    again = regularizers.get(regularizers.serialize(regularizers.l1(0.25)))
    assert again.get_config() == {"l1": 0.25, "l2": 0.0}
    assert regularizers.get(None) is None
    close(run(tf.get_variable("v", initializer=X, regularizer=regularizers.l2(1.0))), X)
    (term,) = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    close(run(term), (X**2).sum())


def test_constraints():
    norm = np.linalg.norm(X, axis=0)
    close(run(constraints.max_norm(2.0)(X)), X * np.minimum(norm, 2) / (norm + EPS))
    close(run(constraints.non_neg()(X)), np.maximum(X, 0))
    close(run(constraints.unit_norm()(X)), X / (norm + EPS))
    close(
        run(constraints.min_max_norm(2.5, 4.0, 0.5)(X)),
        X * (0.5 * np.clip(norm, 2.5, 4) + 0.5 * norm) / (norm + EPS),
    )
    axis = np.linalg.norm(X, axis=1, keepdims=True)
    close(run(constraints.UnitNorm(axis=1)(tf.Variable(X))), X / axis)
    for name in ("max_norm", "maxnorm", "nonneg", "unitnorm", "min_max_norm", "MinMaxNorm"):
        one = constraints.get(name)
        assert constraints.get(constraints.serialize(one)).get_config() == one.get_config()
    assert constraints.get(None) is None


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_logcosh_does_not_overflow(t, p):
    with tf.Graph().as_default():
        got = run(losses.logcosh(tf.constant([[t]], tf.float64), tf.constant([[p]], tf.float64)))
    assert got[0] == pytest.approx(np.logaddexp(t - p, p - t) - math.log(2), abs=1e-9)
