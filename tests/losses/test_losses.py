"""tf.losses and regularizers: values, names, collections; test_programs.py asks TensorFlow too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

L = tf.losses


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def run(tensor, feed=None):
    with tf.Session() as session:
        return session.run(tensor, feed)


def test_names_are_tensorflows():
    a, b = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None, 3])
    assert L.mean_squared_error(a, b).name == "mean_squared_error/value:0"
    assert L.mean_squared_error(a, b).name == "mean_squared_error_1/value:0"
    assert L.absolute_difference(a, b, reduction="none").name == "absolute_difference/Mul:0"
    assert L.hinge_loss(a, b, reduction="weighted_sum").name == "hinge_loss/Sum:0"
    assert L.mean_pairwise_squared_error(a, b).name == "mean_pairwise_squared_error/value_2:0"
    assert L.softmax_cross_entropy(a, b, scope="s").name == "s/value:0"
    assert L.compute_weighted_loss(a).name == "weighted_loss/value:0"


def test_losses_join_the_collection_and_are_added_up(graph):
    one = L.mean_squared_error([1.0], [3.0])
    two = L.absolute_difference([1.0], [3.0], loss_collection="others")
    L.hinge_loss([1.0], [3.0], loss_collection=None)
    assert L.get_losses() == [one]
    assert L.get_losses(loss_collection="others") == [two]
    assert L.get_losses(scope="other") == []
    total = L.get_total_loss()
    assert total.name == "total_loss:0"
    assert run(total) == 4.0


def test_no_losses():
    assert run(L.get_regularization_loss()) == 0.0
    with pytest.raises(ValueError, match="add_n"):
        L.get_total_loss()


def test_regularizers_of_variables_count():
    half = tf.contrib.layers.l2_regularizer(0.5)
    ones = tf.ones_initializer()
    with tf.variable_scope("net", regularizer=half):
        tf.get_variable("w", [4], initializer=ones)
    L.mean_squared_error([0.0], [2.0])
    assert [loss.name for loss in L.get_regularization_losses()] == [
        "net/w/Regularizer/l2_regularizer:0"
    ]
    both, alone = L.get_total_loss(), L.get_total_loss(False)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([both, alone]) == [5.0, 4.0]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**31))
def test_default_reduction_divides_by_the_weights_that_are_present(rows, columns, seed):
    rng = np.random.default_rng(seed)
    losses = rng.normal(size=(rows, columns)).astype(np.float32)
    weights = rng.integers(0, 3, (rows, 1)).astype(np.float32)
    present = np.sum(np.broadcast_to(weights, losses.shape) != 0)
    wanted = (losses * weights).sum() / present if present else 0.0
    with tf.Graph().as_default():
        found = run(L.compute_weighted_loss(losses, weights))
    np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 2**31))
def test_pairwise_is_the_mean_over_pairs(n, seed):
    rng = np.random.default_rng(seed)
    labels, predictions = rng.normal(size=(2, 3, n)).astype(np.float32)
    d = predictions - labels
    pairs = (d[:, :, None] - d[:, None, :]) ** 2
    wanted = (pairs.sum((1, 2)) / (n * (n - 1))).sum()
    with tf.Graph().as_default():
        found = run(L.mean_pairwise_squared_error(labels, predictions))
    np.testing.assert_allclose(found, wanted, 1e-4, 1e-5)


def test_weights_must_fit():
    losses = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"weights 'Const.*\[3\] do not fit"):
        L.compute_weighted_loss(losses, tf.constant([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="do not fit"):
        L.compute_weighted_loss(losses, np.ones((2, 2), np.float32))
    w = tf.placeholder(tf.float32, [None, 1])
    loss = L.compute_weighted_loss(losses, w)
    assert run(loss, {w: [[1.0], [3.0]]}) == 2.0
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(loss, {w: [[1.0], [3.0], [5.0]]})


def test_bad_arguments():
    with pytest.raises(ValueError, match="'sum' is none of 'none'"):
        L.compute_weighted_loss([1.0], reduction="sum")
    with pytest.raises(ValueError, match="labels must be given"):
        L.mean_squared_error(None, [1.0])
    with pytest.raises(ValueError, match=r"predictions \[2\] and labels \[3\]"):
        L.mean_squared_error([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="axis"):
        L.cosine_distance([1.0], [1.0])
    with pytest.raises(ValueError):
        L.softmax_cross_entropy([[1.0, 0.0]], [[1.0, 2.0, 3.0]])


def test_no_gradient_flows_to_the_labels_of_softmax():
    z, x = tf.constant([[1.0, 0.0]]), tf.constant([[0.5, 1.0]])
    loss = L.softmax_cross_entropy(z, x, label_smoothing=0.1)
    assert tf.gradients(loss, [z]) == [None]
    np.testing.assert_allclose(run(tf.gradients(loss, x)[0]), [[-0.572459, 0.572459]], 1e-4)


# ------------------------------------------------------------------------------------ regularizers

R = tf.contrib.layers


def test_values_of_regularizers():
    w = tf.constant([[1.0, -2.0], [0.0, 4.0]])
    assert run(R.l1_regularizer(0.5)(w)) == 3.5
    assert run(R.l2_regularizer(0.5)(w)) == 5.25
    assert run(R.l1_l2_regularizer(0.5, 0.5)(w)) == 8.75
    assert run(R.sum_regularizer([R.l1_regularizer(1.0), None])(w)) == 7.0
    assert R.l2_regularizer(0.0)(w) is None
    assert R.sum_regularizer([None]) is None


def test_names_of_regularizers():
    w = tf.constant([1.0])
    assert R.l1_regularizer(0.1)(w).name == "l1_regularizer:0"
    assert R.l2_regularizer(0.1, scope="mine")(w).name == "mine:0"
    assert R.l1_l2_regularizer()(w).name == "l1_l2_regularizer:0"
    assert R.sum_regularizer([R.l1_regularizer(0.1)])(w).name == "sum_regularizer:0"


def test_apply_regularization():
    v = tf.constant([2.0])
    total = R.apply_regularization(R.l2_regularizer(1.0), [v, v])
    assert total.name == "get_regularization_penalty:0"
    assert L.get_regularization_losses() == [total]
    assert run(total) == 4.0
    with pytest.raises(ValueError, match="no weights"):
        R.apply_regularization(R.l2_regularizer(1.0))
    with pytest.raises(ValueError, match="scalar"):
        R.apply_regularization(lambda w: w, [v])


def test_scales():
    with pytest.raises(ValueError, match="integer"):
        R.l2_regularizer(1)
    with pytest.raises(ValueError, match="negative"):
        R.l1_regularizer(-0.5)
    assert R.l2_regularizer(2.0) is not None
