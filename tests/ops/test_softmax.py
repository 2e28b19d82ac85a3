"""Softmax, cross-entropies, activations, layers' blocks (SEMANTICS 6; N3, N16, N17, K6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from interpret import evaluate

import flowgraph as tf

LOGITS = np.array([[2.0, 1.0, 0.1], [0.0, -1.0, 3.0]], np.float32)
ONE_HOT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], np.float32)


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# ------------------------------------------------------------------------------------------ softmax


def test_softmax_of_the_notes() -> None:
    """N16: softmax([2, 1, .1]) = [.6590 .2424 .0986], finite for 1e4."""
    y, big = tf.Session().run([tf.nn.softmax([2.0, 1.0, 0.1]), tf.nn.softmax([1e4, 0.0])])
    np.testing.assert_allclose(y, [0.6590, 0.2424, 0.0986], atol=5e-5)
    assert big.tolist() == [1, 0]


@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
@pytest.mark.parametrize("known", [True, False])
def test_softmax_along_any_axis(axis: int, known: bool) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    t = tf.placeholder(tf.float32, x.shape if known else [None] * 3)
    y, log, old = (
        tf.nn.softmax(t, axis), tf.nn.log_softmax(t, axis=axis), tf.nn.softmax(t, dim=axis),
    )  # fmt: skip
    values = tf.Session().run([y, log, old], {t: x})
    np.testing.assert_allclose(values[0], softmax(x, axis), 1e-5)
    np.testing.assert_allclose(values[1], np.log(softmax(x, axis)), 1e-4, 1e-5)
    np.testing.assert_array_equal(values[2], values[0])
    if axis in (-1, 2):
        assert y.op.type == "Softmax"  # nothing is transposed for nothing


def test_rows_of_minus_infinity_are_nan() -> None:
    x = [[1.0, -np.inf], [-np.inf, -np.inf]]
    got = tf.Session().run(tf.nn.softmax(tf.constant(x)))
    np.testing.assert_array_equal(got, [[1, 0], [np.nan, np.nan]])


# ----------------------------------------------------------------------------------- cross-entropy


def losses(labels: Any, logits: Any) -> dict[str, Any]:
    return {
        "v1": tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits),
        "v2": tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits),
        "sparse": tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.argmax(labels, -1), logits=logits
        ),
    }


@pytest.mark.parametrize("shape", [(2, 3), (4, 2, 3), (2, 2, 2, 3), (0, 3)])
@pytest.mark.parametrize("known", [True, False])
def test_cross_entropies_agree(shape: tuple[int, ...], known: bool) -> None:
    """N17: D(S, L) = -sum t log y, and its gradient S - L."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=shape)
    labels = np.eye(3)[rng.integers(0, 3, shape[:-1])]
    t = tf.placeholder(tf.float64, shape if known else [None] * len(shape))
    u = tf.placeholder(tf.float64, shape if known else [None] * len(shape))
    expected = -np.sum(labels * np.log(softmax(logits)), -1)
    for kind, loss in losses(u, t).items():
        dx = tf.gradients(loss, t)[0]
        got, slope = tf.Session().run([loss, dx], {t: logits, u: labels})
        np.testing.assert_allclose(got, expected, err_msg=kind)
        np.testing.assert_allclose(slope, softmax(logits) - labels, atol=1e-12, err_msg=kind)


def test_cross_entropy_of_the_notes() -> None:
    """N17: A one-hot against [2, 1, .1]: .41703."""
    for loss in losses(tf.constant([[1.0, 0, 0]]), tf.constant([[2.0, 1.0, 0.1]])).values():
        np.testing.assert_allclose(evaluate(loss), [0.41703], atol=5e-6)


def test_gradient_to_the_labels_only_in_v2() -> None:
    labels, logits = tf.constant(ONE_HOT), tf.constant(LOGITS)
    loss = losses(labels, logits)
    assert tf.gradients(loss["v1"], labels) == [None]
    dl = evaluate(tf.gradients(loss["v2"], labels)[0])
    np.testing.assert_allclose(dl, -np.log(softmax(LOGITS)), rtol=1e-5)


def test_large_logits_are_fine() -> None:
    logits = tf.placeholder(tf.float32, [None, 2])
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=[[1.0, 0.0]], logits=logits)
    got = tf.Session().run([loss, tf.gradients(loss, logits)[0]], {logits: [[-1e4, 1e4]]})
    assert got[0].tolist() == [2e4]
    assert got[1].tolist() == [[-1, 1]]


def test_classes_along_another_axis() -> None:
    x, y = LOGITS.T.copy(), ONE_HOT.T.copy()
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x, axis=0)
    expected = -np.sum(y * np.log(softmax(x, 0)), 0)
    np.testing.assert_allclose(tf.Session().run(loss), expected, rtol=1e-5)


def test_half_precision_is_computed_in_single() -> None:
    logits = tf.constant([[12.0, 0.0, -12.0]], tf.float16)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[2], logits=logits)
    assert loss.dtype is tf.float16
    assert evaluate(loss).tolist() == [24.0]


def test_wrong_arguments_of_cross_entropies() -> None:
    logits, labels = tf.constant(LOGITS), tf.constant(ONE_HOT)
    for function in (
        tf.nn.softmax_cross_entropy_with_logits,
        tf.nn.sparse_softmax_cross_entropy_with_logits,
        tf.nn.sigmoid_cross_entropy_with_logits,
    ):
        with pytest.raises(ValueError, match="by name"):
            function(labels, logits)
        with pytest.raises(ValueError, match="must both be given"):
            function(logits=logits)
    with pytest.raises(ValueError, match=r"logits \[2, 3\] and labels \[2, 4\]"):
        tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.zeros([2, 4]), logits=logits)
    with pytest.raises(ValueError, match="class numbers"):
        tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.zeros([2, 1], tf.int32), logits=logits
        )
    for bad in (3, -1):
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0, bad], logits=logits)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels\[1\]|out of range"):
            tf.Session().run(loss)


def test_sigmoid_cross_entropy() -> None:
    x = tf.constant([-1000.0, -2.0, 0.0, 2.0, 1000.0])
    z = tf.constant([0.0, 1.0, 0.3, 1.0, 1.0])
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
    got, dx, dz = tf.Session().run([loss, *tf.gradients(loss, [x, z])])
    np.testing.assert_allclose(got, [0, 2.126928, 0.6931472, 0.126928, 0], atol=1e-6)
    np.testing.assert_allclose(dx, [0, -0.880797, 0.2, -0.119203, 0], atol=1e-6)
    np.testing.assert_allclose(dz, [1000, 2, 0, -2, -1000])
    assert loss.name == "logistic_loss:0"
    weighted = tf.nn.weighted_cross_entropy_with_logits(targets=z, logits=x, pos_weight=1.0)
    np.testing.assert_allclose(evaluate(weighted), got, atol=1e-5)
    double = tf.nn.weighted_cross_entropy_with_logits(z, x, 2.0)
    np.testing.assert_allclose(evaluate(double)[3], 2 * 0.126928, atol=1e-6)


# ------------------------------------------------------------------------------------- activations


def test_activations_at_special_values() -> None:
    x = tf.placeholder(tf.float32, [None])
    nan, inf = np.nan, np.inf
    expected = {
        tf.nn.relu: ([nan, inf, -inf, -1], [nan, inf, 0, 0]),
        tf.nn.relu6: ([nan, inf, -inf, 7], [nan, 6, 0, 6]),
        tf.nn.elu: ([nan, inf, -inf, 0], [nan, inf, -1, 0]),
        tf.nn.softplus: ([nan, 100, -100, inf], [nan, 100, 0, inf]),
        tf.nn.leaky_relu: ([nan, -1, 2, -inf], [nan, -0.2, 2, -inf]),
        tf.nn.sigmoid: ([nan, 100, -100, 0], [nan, 1, 0, 0.5]),
        tf.nn.tanh: ([nan, 100, -100, 0], [nan, 1, -1, 0]),
        tf.nn.softsign: ([nan, 1, -1, 0], [nan, 0.5, -0.5, 0]),
    }
    session = tf.Session()
    for function, (given, wanted) in expected.items():
        got = session.run(function(x), {x: given})
        np.testing.assert_allclose(got, wanted, 1e-6, 1e-30, err_msg=function.__name__)


def test_saturated_sigmoid_has_no_slope() -> None:
    """N3: sigma'(20) < 1e-8."""
    x = tf.constant([20.0])
    assert evaluate(tf.gradients(tf.sigmoid(x), x)[0])[0] < 1e-8


def test_gradients_use_one_node_each() -> None:
    x = tf.placeholder(tf.float32, [3])
    for f in (tf.nn.relu, tf.tanh, tf.sigmoid, tf.nn.elu, tf.nn.softplus):
        y = f(x)
        before = len(tf.get_default_graph().get_operations())
        tf.gradients(y, x, grad_ys=tf.ones_like(y))
        made = {op.type for op in tf.get_default_graph().get_operations()[before:]}
        assert made == {"Const", "Identity", f"{y.op.type}Grad"}


# ----------------------------------------------------------------------------------- dropout, bias


def test_dropout() -> None:
    """K6: half of the elements are zeros, the mean is kept."""
    x = tf.ones([10000])
    y = tf.nn.dropout(x, keep_prob=0.5, seed=1)
    got, dx = tf.Session().run([y, tf.gradients(y, x)[0]])
    assert abs((got == 0).mean() - 0.5) < 0.02
    assert set(np.unique(got)) == {0, 2}
    np.testing.assert_array_equal(dx, got)
    thin = evaluate(tf.nn.dropout(x, rate=0.1, seed=1))
    assert abs(thin.mean() - 1) < 0.02
    np.testing.assert_allclose(np.unique(thin), [0, 1 / 0.9], rtol=1e-6)


def test_dropout_keeps_the_elements_tensorflow_keeps() -> None:
    y = tf.nn.dropout(tf.ones([8]), keep_prob=0.5, seed=1)
    noise = tf.random_uniform([8], seed=1)
    kept, u = evaluate([y, noise])
    np.testing.assert_array_equal(kept > 0, u >= 0.5)


def test_dropout_arguments() -> None:
    x = tf.ones([2, 3])
    assert tf.nn.dropout(x, 1.0) is x
    assert tf.nn.dropout(x, rate=0.0) is x
    keep = tf.placeholder(tf.float32, [])
    got = evaluate(tf.nn.dropout(x, keep), {keep: 1.0})
    np.testing.assert_array_equal(got, np.ones((2, 3)))
    columns = evaluate(tf.nn.dropout(tf.ones([50, 3]), 0.5, noise_shape=[1, 3], seed=3))
    assert (columns == columns[0]).all()
    rows = evaluate(tf.nn.dropout(tf.ones([50, 3]), 0.5, noise_shape=[None, 1], seed=3))
    assert (rows == rows[:, :1]).all()
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        tf.nn.dropout(x, 0.0)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        tf.nn.dropout(x, 1.5)
    with pytest.raises(ValueError, match="must be given"):
        tf.nn.dropout(x)
    with pytest.raises(ValueError, match="mean the same"):
        tf.nn.dropout(x, keep_prob=0.5, rate=0.5)
    with pytest.raises(ValueError, match="float tensor"):
        tf.nn.dropout(tf.constant([1]), 0.5)


def test_bias_add() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    session = tf.Session()
    last, second = tf.constant([1.0, 2, 3, 4]), tf.constant([1.0, 2, 3])
    np.testing.assert_array_equal(session.run(tf.nn.bias_add(x, last)), x + [1, 2, 3, 4])
    got = session.run(tf.nn.bias_add(x, second, data_format="NCHW"))
    np.testing.assert_array_equal(got, x + np.reshape([1, 2, 3], (3, 1)))
    with pytest.raises(ValueError, match="neither N...C nor NC"):
        tf.nn.bias_add(x, last, data_format="CHWN")
    t = tf.placeholder(tf.float32, [None, 3, 4])
    db = tf.gradients(tf.nn.bias_add(t, second, "NCHW"), second)[0]
    np.testing.assert_array_equal(session.run(db, {t: x}), [8, 8, 8])


def test_xw_plus_b_and_relu_layer() -> None:
    x, w, b = (
        tf.constant([[1.0, -2.0]]),
        tf.constant([[1.0, 1.0], [1.0, 0.0]]),
        tf.constant([0.5, -2]),
    )
    assert evaluate(tf.nn.xw_plus_b(x, w, b)).tolist() == [[-0.5, -1]]
    assert evaluate(tf.nn.relu_layer(x, w, b)).tolist() == [[0, 0]]
    names = [op.name for op in tf.get_default_graph().get_operations()][-3:]
    assert names == ["relu_layer/MatMul", "relu_layer/BiasAdd", "relu_layer"]
