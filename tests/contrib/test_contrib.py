"""tf.contrib.layers and arg_scope; test_programs.py asks TensorFlow's successor of it (tf_slim)."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

L = tf.contrib.layers
arg_scope = tf.contrib.framework.arg_scope


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def P(*shape, dtype=tf.float32):
    return tf.placeholder(dtype, shape)


def run(tensors, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensors, feed)


def names(variables=None):
    return [v.op.name for v in (tf.global_variables() if variables is None else variables)]


def test_names():
    assert L.fully_connected(P(None, 3), 4).name == "fully_connected/Relu:0"
    assert L.conv2d(P(None, 8, 8, 3), 4, 3, activation_fn=None).name == "Conv/BiasAdd:0"
    assert L.max_pool2d(P(None, 8, 8, 3), 2).name == "MaxPool2D/MaxPool:0"
    assert L.flatten(P(None, 2, 3)).name == "Flatten/flatten/Reshape:0"
    assert L.batch_norm(P(None, 8, 8, 3)).name == "BatchNorm/FusedBatchNormV3:0"
    assert names() == [
        "fully_connected/weights", "fully_connected/biases", "Conv/weights", "Conv/biases",
        "BatchNorm/beta", "BatchNorm/moving_mean", "BatchNorm/moving_variance",
    ]  # fmt: skip
    assert names(tf.contrib.framework.get_model_variables()) == names()
    assert tf.contrib.slim.conv2d is L.conv2d is L.convolution2d


def test_normalizers_take_the_place_of_biases():
    y = L.fully_connected(
        tf.ones([2, 3]), 4, normalizer_fn=L.batch_norm, normalizer_params={"scale": True},
        activation_fn=None,
    )  # fmt: skip
    assert names() == [
        "fully_connected/weights", "fully_connected/BatchNorm/beta",
        "fully_connected/BatchNorm/gamma", "fully_connected/BatchNorm/moving_mean",
        "fully_connected/BatchNorm/moving_variance",
    ]  # fmt: skip
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2
    np.testing.assert_allclose(run(y), np.zeros((2, 4)), atol=1e-5)


def test_updates_in_place():
    x = tf.constant([[1.0], [3.0]])
    y = L.batch_norm(x, decay=0.0, updates_collections=None)
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == []
    mean = tf.global_variables()[1]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(y)
        assert session.run(mean).tolist() == [2.0]


def test_training_may_be_decided_by_the_run():
    x, t = P(None, 2), P(dtype=tf.bool)
    y = L.batch_norm(x, is_training=t, scope="b")
    for mode in (True, False):
        z = L.batch_norm(x, is_training=mode, scope="b", reuse=True)
        a, b = run([y, z], {x: [[1, 2], [3, 5]], t: mode})
        np.testing.assert_allclose(a, b, 1e-4, 1e-5)


def test_collections_and_regularizers():
    with tf.variable_scope("net"):
        x = P(None, 3)
        y = L.fully_connected(
            x, 2, weights_regularizer=L.l2_regularizer(0.1), outputs_collections="ends",
            variables_collections={"weights": ["ws"]},
        )  # fmt: skip
    assert [loss.name for loss in tf.losses.get_regularization_losses()] == [
        "net/fully_connected/weights/Regularizer/l2_regularizer:0"
    ]
    assert names(tf.get_collection("ws")) == ["net/fully_connected/weights"]
    ends = tf.contrib.slim.utils.convert_collection_to_dict("ends")
    assert ends == {"net/fully_connected": y}


def test_embed_sequence():
    ids = P(None, None, dtype=tf.int32)
    y = L.embed_sequence(ids, 10, 4, scope="e", initializer=tf.ones_initializer())
    z = L.embed_sequence(ids, scope="e", reuse=True)
    assert names() == ["e/embeddings"]
    assert y.shape.as_list() == [None, None, 4]
    a, b = run([y, z], {ids: [[1, 2, 3]]})
    assert a.tolist() == b.tolist() == np.ones((1, 3, 4)).tolist()
    with pytest.raises(ValueError, match="vocab_size"):
        L.embed_sequence(ids, vocab_size=3)


def test_one_hot_dropout_stack():
    assert run(L.one_hot_encoding([1, 0], 3)).tolist() == [[0, 1, 0], [1, 0, 0]]
    x = tf.ones([10, 10])
    assert run(L.dropout(x, is_training=False)).tolist() == np.ones((10, 10)).tolist()
    assert set(np.unique(run(L.dropout(x, 0.5)))) == {0.0, 2.0}
    y = L.stack(P(None, 3), L.fully_connected, [4, 5], scope="st")
    assert y.name == "st/st_2/Relu:0"
    images = P(None, 8, 8, 3)
    assert L.repeat(images, 2, L.conv2d, 4, [3, 3]).name == "Repeat/conv2d_2/Relu:0"


def test_initializers():
    with tf.Session() as session:
        uniform = session.run(L.xavier_initializer()([300, 100]))
        normal = session.run(L.variance_scaling_initializer()([200, 50]))
        window = session.run(L.xavier_initializer(uniform=False)([3, 3, 20, 30]))
    assert abs(np.abs(uniform).max() - np.sqrt(6 / 400)) < 1e-3
    assert abs(normal.std() - np.sqrt(2 / 200)) < 2e-3
    assert abs(window.std() - np.sqrt(2 / (9 * 50))) < 2e-3
    with pytest.raises(TypeError, match="FAN_IN"):
        L.variance_scaling_initializer(mode="ALL")
    with pytest.raises(TypeError, match="float"):
        L.xavier_initializer(dtype=tf.int32)


# ---------------------------------------------------------------------------------------- arg_scope


def test_defaults_of_blocks():
    images = P(None, 8, 8, 3)
    with arg_scope([L.conv2d, L.fully_connected], activation_fn=None) as outer:
        with arg_scope([L.conv2d], stride=2) as inner:
            assert L.conv2d(images, 4, 3).shape.as_list() == [None, 4, 4, 4]
            assert L.conv2d(images, 4, 3, stride=1).shape.as_list() == [None, 8, 8, 4]
        assert L.conv2d(images, 4, 3).op.type == "BiasAdd"
    assert L.conv2d(images, 4, 3).op.type == "Relu"
    with arg_scope(inner):
        assert L.conv2d(images, 4, 3).name == "Conv_4/BiasAdd:0"
        assert tf.contrib.framework.current_arg_scope() == inner != outer


def test_own_functions_take_defaults():
    @tf.contrib.framework.add_arg_scope
    def scaled(x, by=1.0, plus=0.0):
        return x * by + plus

    with arg_scope([scaled], by=3.0, plus=1.0):
        assert scaled(2.0) == 7.0
        assert scaled(2.0, plus=0.0) == 6.0
        assert scaled(2.0, 5.0) == 11.0
    assert scaled(2.0) == 2.0
    assert tf.contrib.framework.arg_scoped_arguments(scaled) == ("x", "by", "plus")
    assert not tf.contrib.framework.has_arg_scope(abs)
    with pytest.raises(ValueError, match="add_arg_scope"):
        with arg_scope([abs], x=1):
            pass
    with pytest.raises(ValueError, match="no further"):
        with arg_scope({}, x=1):
            pass
    with pytest.raises(TypeError, match="list of functions"):
        with arg_scope(scaled, by=1):
            pass


# ---------------------------------------------------------------------------------------- variables


def test_finding_variables():
    framework = tf.contrib.framework
    with tf.variable_scope("a"):
        framework.model_variable("w", [2])
        framework.variable("free", [3], collections=["mine"])
    with tf.variable_scope("b"):
        framework.model_variable("w", [2], trainable=False)
    framework.local_variable(0, name="here")
    assert names(framework.get_model_variables()) == ["a/w", "b/w"]
    assert names(framework.get_variables("a/")) == ["a/w", "a/free"]
    assert names(framework.get_variables_by_name("w")) == ["a/w", "b/w"]
    assert names(framework.get_trainable_variables("b")) == []
    assert names(framework.get_local_variables()) == ["here"]
    assert names(framework.get_variables_to_restore(exclude=["b"])) == ["a/w", "a/free"]
    assert names(framework.get_variables_to_restore(include=["b"])) == ["b/w"]
    assert framework.get_unique_variable("a/free") is tf.get_collection("mine")[0]
    everything = tf.global_variables()
    assert names(framework.filter_variables(everything, ["w$"], ["^a"])) == ["b/w"]
    with pytest.raises(ValueError, match="no variable"):
        framework.get_unique_variable("w")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: L.fully_connected(P(None, 3), 4.5), ValueError, "integer"),
        (lambda: L.conv2d(P(None, 8, 3), 4, 3), ValueError, "rank 4"),
        (lambda: L.max_pool2d(P(None, 8, 8), 2), ValueError, "rank 4"),
        (lambda: L.batch_norm(P(None, 3), renorm=True), NotImplementedError, "renorm"),
        (lambda: L.batch_norm(P(None, 3), data_format="X"), ValueError, "NHWC"),
        (lambda: L.batch_norm(P(None, None)), ValueError, "channels"),
        (lambda: L.layer_norm(P(None, None)), ValueError, "must be known"),
        (lambda: L.maxout(P(None, 5), 2), ValueError, "groups"),
    ],
)
def test_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()


# ----------------------------------------------------------------------------------- optimize_loss


@pytest.mark.parametrize("optimizer", ["SGD", "Momentum", "Adam", "Adagrad", "RMSProp", "Ftrl"])
def test_optimize_loss_trains(optimizer):
    w = tf.get_variable("w", [2], initializer=tf.ones_initializer())
    step = tf.train.get_or_create_global_step()
    loss = L.optimize_loss(tf.reduce_sum(tf.square(w - 3.0)), None, 0.05, optimizer)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        losses = [session.run(loss) for _ in range(20)]
        assert session.run(step) == 20
    assert losses[0] == 8.0
    assert losses[-1] < losses[0]
    assert "OptimizeLoss/learning_rate" in names()


def test_optimize_loss_options():
    w = tf.get_variable("w", [], initializer=tf.ones_initializer())
    v = tf.get_variable("v", [], initializer=tf.ones_initializer())
    step = tf.train.get_or_create_global_step()
    counter = tf.get_variable("n", [], initializer=tf.zeros_initializer(), trainable=False)
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, counter.assign_add(1.0))
    loss = L.optimize_loss(
        3.0 * w + 4.0 * v, step, 1.0, tf.train.GradientDescentOptimizer,
        gradient_multipliers={"v:0": 0.0}, clip_gradients=0.5,
        learning_rate_decay_fn=lambda rate, step: rate / 2.0, increment_global_step=False,
    )  # fmt: skip
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(loss) == 7.0
        assert session.run([w, v, step, counter]) == [0.75, 1.0, 0, 1.0]


def test_optimize_loss_refuses():
    w = tf.get_variable("w", [])
    for rate, optimizer in ((-1.0, "SGD"), (None, "SGD"), (0.1, "Best"), (0.1, 3), ("0.1", "SGD")):
        with tf.variable_scope(None, "x"), pytest.raises(ValueError, match="optimize_loss"):
            L.optimize_loss(w * w, None, rate, optimizer)


# ------------------------------------------------------------------------------- predictions first


def test_losses_with_logits_first():
    old, logits, labels = tf.contrib.losses, tf.constant([[2.0, 1.0]]), tf.constant([[1.0, 0.0]])
    a = old.softmax_cross_entropy(logits, labels, weights=2.0)
    b = tf.losses.softmax_cross_entropy(labels, logits, weights=2.0)
    c = tf.contrib.slim.losses.mean_squared_error([1.0, 2.0], [1.0, 4.0], scope="mse")
    assert c.name == "mse/value:0"
    assert tf.losses.get_losses() == [a, b, c]
    x, y, z = run([a, b, c])
    assert x == y
    assert z == 2.0
    np.testing.assert_allclose(run(old.get_total_loss()), x + y + z, 1e-6)
    with pytest.raises(TypeError):
        old.hinge_loss([1.0], [1.0], reduction="none")


def test_streaming_metrics():
    old = tf.contrib.metrics
    predictions, labels = tf.constant([1, 0, 1, 1]), tf.constant([1, 1, 0, 1])
    found = {
        "accuracy": old.streaming_accuracy(predictions, labels),
        "recall": old.streaming_recall(predictions, labels),
        "iou": old.streaming_mean_iou(predictions, labels, num_classes=2),
        "best": old.streaming_sparse_recall_at_k([[0.1, 0.9]], [[1]], k=1),
    }
    values, updates = old.aggregate_metric_map(found)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        session.run(updates)
        got = session.run(values)
    assert got["accuracy"] == 0.5
    np.testing.assert_allclose(got["recall"], 2 / 3, 1e-6)
    np.testing.assert_allclose(got["iou"], (0 / 2 + 2 / 4) / 2, 1e-6)
    assert got["best"] == 1.0
    assert run(old.accuracy(predictions, labels, weights=[1.0, 0.0, 0.0, 1.0])) == 1.0
    assert old.aggregate_metrics((1, 2), (3, 4)) == ([1, 3], [2, 4])
    with pytest.raises(ValueError, match="labels are"):
        old.accuracy([1.0], [1])
