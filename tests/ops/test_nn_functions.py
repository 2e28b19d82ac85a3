"""crelu, swish, losses and their averages, dropout, lookups that forgive.

Literal expectations are TensorFlow's values, names and shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import flowgraph as tf


def run(*fetches: Any, feeds: Any = None) -> Any:
    values = tf.Session().run(list(fetches), feeds)
    return values[0] if len(values) == 1 else values


def test_crelu() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    y = tf.nn.crelu(x)
    assert (y.name, y.shape.as_list()) == ("CRelu/Relu:0", [None, 6])
    value = np.array([[-1, 0, 2]], np.float32)
    assert run(y, feeds={x: value}).tolist() == [[0, 0, 2, 1, 0, 0]]
    assert run(tf.nn.crelu(x, axis=0), feeds={x: value}).tolist() == [[0, 0, 2], [1, 0, 0]]
    assert tf.nn.crelu(x, name="q").name == "q/Relu:0"


def test_swish_and_its_derivatives() -> None:
    assert tf.nn.silu is tf.nn.swish
    x = tf.placeholder(tf.float64, [None])
    y = tf.nn.swish(x)
    first = tf.gradients(y, x)[0]
    second = tf.gradients(first, x)[0]
    v = np.linspace(-30, 30, 61)
    s = special.expit(v)
    bend = s * (1 - s)
    got = run(y, first, second, feeds={x: v})
    np.testing.assert_allclose(got[0], v * s, rtol=1e-12)
    np.testing.assert_allclose(got[1], s + v * bend, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(got[2], 2 * bend + v * bend * (1 - 2 * s), rtol=1e-9, atol=1e-14)


def test_swish_far_out_and_with_beta() -> None:
    x = tf.constant([-1000.0, 1000.0])
    first = tf.gradients(tf.nn.swish(x), x)[0]
    got = run(first, tf.gradients(first, x)[0])
    np.testing.assert_allclose(got, [[0, 1], [0, 0]], atol=1e-20)
    x, beta = tf.constant([[0.5, -1.0], [2.0, 3.0]]), tf.constant([2.0, 0.5])
    dx, dbeta = run(*tf.gradients(tf.nn.swish(x, beta), [x, beta]))
    v, b = np.array([[0.5, -1.0], [2.0, 3.0]]), np.array([2.0, 0.5])
    s = special.expit(b * v)
    np.testing.assert_allclose(dx, s + b * v * s * (1 - s), rtol=1e-6)
    np.testing.assert_allclose(dbeta, (v * v * s * (1 - s)).sum(0), rtol=1e-6)


def test_log_poisson_loss() -> None:
    targets, inputs = [0.0, 1, 2, 0.5, 1e-3, 20], [0.0, 1, 2, 3, 4, 5]
    plain = [1.0, 1.7182817, 3.3890562, 18.585537, 54.594147, 48.413162]
    full = [1.0, 1.7182817, 4.0408626, 18.585537, 54.594147, 90.74461]
    np.testing.assert_allclose(run(tf.nn.log_poisson_loss(targets, inputs)), plain, rtol=1e-6)
    loss = tf.nn.log_poisson_loss(targets, inputs, compute_full_loss=True)
    np.testing.assert_allclose(run(loss), full, rtol=1e-6)
    z = tf.constant(targets)
    slope = tf.gradients(tf.nn.log_poisson_loss(z, inputs, compute_full_loss=True), z)[0]
    assert np.isfinite(run(slope)).all()
    with pytest.raises(ValueError, match="must have one shape"):
        tf.nn.log_poisson_loss(tf.ones([2]), tf.ones([3]))


def test_average_losses() -> None:
    losses = [[1.0, 2.0], [3.0, 4.0]]
    assert run(tf.nn.compute_average_loss(losses)) == 5
    assert run(tf.nn.compute_average_loss(losses, sample_weight=[1.0, 2.0])) == 8.5
    assert run(tf.nn.compute_average_loss(losses, global_batch_size=8)) == 1.25
    assert run(tf.nn.compute_average_loss(np.zeros([0], np.float32))) == 0
    with pytest.raises(ValueError, match="must have an axis"):
        tf.nn.compute_average_loss(2.0)
    with pytest.raises(ValueError, match="is negative"):
        tf.nn.compute_average_loss(losses, global_batch_size=-1)
    with pytest.raises(TypeError, match="must be an integer"):
        tf.nn.compute_average_loss(losses, global_batch_size=2.0)
    assert run(tf.nn.scale_regularization_loss([1.0, 2.0, 3.0])) == 6
    fed = tf.placeholder(tf.float32, [None])
    assert run(tf.nn.compute_average_loss(fed), feeds={fed: [1, 2, 6]}) == 3


def _sparse(values: Any, dtype: Any) -> Any:
    return tf.SparseTensor([[0, 0], [0, 1], [2, 0], [3, 0]], tf.constant(values, dtype), [5, 2])


@pytest.mark.parametrize(
    ("given", "weighted", "expected"),
    [
        ({}, False, [[2, 3], [0, 0], [6, 7], [0, 1], [0, 0]]),
        ({}, True, [[2, 3], [0, 0], [0, 0], [0, 1], [0, 0]]),
        ({"default_id": 5}, False, [[2, 3], [10, 11], [6, 7], [0, 1], [10, 11]]),
        ({"default_id": 5}, True, [[2, 3], [10, 11], [10, 11], [0, 1], [10, 11]]),
        ({"combiner": "sum"}, True, [[2, 3], [0, 0], [0, 0], [0, 2], [0, 0]]),
        ({"combiner": "sqrtn"}, False, [[2, 3], [0, 0], [6, 7], [0, 1], [0, 0]]),
    ],
)
def test_safe_lookup(given: Any, weighted: bool, expected: Any) -> None:
    ids, weights = _sparse([1, -5, 3, 0], tf.int64), _sparse([1, 2, 0, 2], tf.float32)
    table = np.arange(12, dtype=np.float32).reshape(6, 2)
    y = tf.nn.safe_embedding_lookup_sparse(table, ids, weights if weighted else None, **given)
    assert y.shape.as_list() == [5, 2]
    assert run(y).tolist() == expected


def test_safe_lookup_of_higher_rank_and_parts() -> None:
    table = np.arange(12, dtype=np.float32).reshape(6, 2)
    ids = tf.SparseTensor(
        [[0, 0, 0], [0, 1, 1], [1, 0, 0]], tf.constant([1, 2, 3], tf.int64), [2, 3, 2]
    )
    expected = [[[2, 3], [4, 5], [0, 0]], [[6, 7], [0, 0], [0, 0]]]
    assert run(tf.nn.safe_embedding_lookup_sparse(table, ids)).tolist() == expected
    parts = [tf.constant(table[:3]), tf.constant(table[3:])]
    y = tf.nn.safe_embedding_lookup_sparse(parts, ids)
    assert run(y).tolist() == expected
    gradient = run(*[tf.convert_to_tensor(g) for g in tf.gradients(y, parts)])
    assert gradient[0].tolist() == [[0, 0], [1, 1], [1, 1]]
    assert gradient[1].tolist() == [[1, 1], [0, 0], [0, 0]]
    with pytest.raises(ValueError, match="params must be given"):
        tf.nn.safe_embedding_lookup_sparse(None, ids)
    with pytest.raises(TypeError, match="SparseTensor"):
        tf.nn.safe_embedding_lookup_sparse(table, [1])


def test_dropout_draws_tensorflows_mask() -> None:
    tf.set_random_seed(3)
    kept = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 1, 1]], np.float32) / np.float32(0.6)
    y = tf.nn.dropout(tf.ones([2, 5]), keep_prob=0.6, seed=1)
    np.testing.assert_allclose(run(y), kept, rtol=1e-6)
    y = tf.nn.dropout(tf.ones([2, 5]), rate=0.4, seed=1)
    np.testing.assert_allclose(run(y), kept, rtol=1e-6)
    y = tf.nn.experimental.stateless_dropout(tf.ones([2, 5]), 0.4, seed=[1, 2])
    kept = np.array([[1, 0, 1, 0, 0], [1, 0, 0, 1, 0]], np.float32) / np.float32(0.6)
    np.testing.assert_allclose(run(y), kept, rtol=1e-6)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.25, 0.5, 0.9]))
def test_noise_shapes(rows: int, columns: int, rate: float) -> None:
    x = tf.placeholder(tf.float32, [None, None])
    value = np.ones((rows, columns), np.float32)
    for shape in ([None, 1], tf.TensorShape([None, 1]), tf.stack([tf.shape(x)[0], 1])):
        y = run(tf.nn.dropout(x, rate=rate, noise_shape=shape), feeds={x: value})
        assert y.shape == value.shape
        assert (y == y[:, :1]).all()
        assert np.isclose(np.unique(y)[:, None], [0, 1 / (1 - rate)]).any(1).all()


def test_dropout_refuses() -> None:
    x = tf.ones([3])
    both = {"rate": 0.5, "keep_prob": 0.5}
    for wrong in ({"rate": 1.0}, {"keep_prob": 0.0}, {"rate": -0.1}, both, {}):
        with pytest.raises(ValueError, match="rate"):
            tf.nn.dropout(x, **wrong)
    with pytest.raises(ValueError, match="float"):
        tf.nn.dropout(tf.constant([1, 2]), 0.5)
    with pytest.raises(ValueError, match="rng_alg"):
        tf.nn.experimental.stateless_dropout(x, 0.5, [1, 2], rng_alg="mersenne")
    assert tf.nn.dropout(x, rate=0.0) is x
    y = tf.nn.experimental.general_dropout(x, 0.5, lambda shape, dtype: tf.fill(shape, 0.75))
    assert run(y).tolist() == [2, 2, 2]


@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_the_class_axis_is_found_in_logits_of_unknown_rank(axis: int) -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(2, 3, 4)), rng.dirichlet(np.ones(4), (2, 3))
    log_y = logits - special.logsumexp(logits, axis, keepdims=True)
    for dims in (None, [None, 3, None]):
        x, y = tf.placeholder(tf.float64, dims), tf.placeholder(tf.float64)
        for loss in (
            tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x, axis=axis),
            tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x, dim=axis),
        ):
            found = run(loss, feeds={x: logits, y: labels})
            np.testing.assert_allclose(found, -(labels * log_y).sum(axis), rtol=1e-9)
