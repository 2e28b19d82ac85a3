"""HParams, training as slim wrote it, values from checkpoints, files beside a program."""

from __future__ import annotations

import json

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.graph.advice import ADVICE, ALIASES, CONTENTS

HParams = tf.contrib.training.HParams


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def test_settings():
    h = HParams(rate=0.5, steps=10, name="net", on=False, layers=[64, 32], later=None)
    assert (h.rate, h.steps, h.layers, h.later) == (0.5, 10, [64, 32], None)
    assert h.parse("rate=1e-3, steps=20,on=true,layers=[8,4],name=a b") is h
    assert h.values() == {
        "rate": 1e-3, "steps": 20, "on": True, "layers": [8, 4], "name": "a b", "later": None,
    }  # fmt: skip
    h.parse("layers[1]=7")
    h.set_hparam("rate", 2)
    h.override_from_dict({"steps": 3.0, "layers": (1, 2, 3)})
    assert (h.layers, h.rate, h.steps) == ([1, 2, 3], 2.0, 3) and isinstance(h.rate, float)
    assert json.loads(h.to_json()) == h.values()
    assert h.parse_json('{"name": "x"}').name == "x"
    assert h.get("name") == "x" and h.get("nope", 4) == 4 and "rate" in h and "nope" not in h
    h.add_hparam("more", "m")
    h.del_hparam("rate")
    assert "rate" not in h and not hasattr(h, "rate") and "more='m'" in repr(h)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ratt=1", "Unknown hyperparameter: ratt; did you mean 'rate'"),
        ("rate=x", "Could not parse hyperparameter rate: 'x'"),
        ("steps=1.5", "Could not parse"),
        ("on=maybe", "Could not parse"),
        ("rate=1,rate=2", "given twice"),
        ("layers=1", "takes a list"),
        ("rate=[1,2]", "takes one value"),
        ("layers[5]=1", "no element 5"),
        ("rate", "cannot read"),
    ],
)
def test_settings_that_cannot_be_read(text, message):
    h = HParams(rate=0.5, steps=10, on=False, layers=[64, 32])
    with pytest.raises(ValueError, match=message):
        h.parse(text)


def test_wrong_settings():
    h = HParams(rate=0.5, steps=1)
    with pytest.raises(KeyError, match="nope"):
        h.set_hparam("nope", 1)
    for name, value in (("rate", "x"), ("steps", True), ("steps", 1.5)):
        with pytest.raises(ValueError, match=name):
            h.set_hparam(name, value)
    with pytest.raises(ValueError, match="reserved: rate"):
        h.add_hparam("rate", 1)
    with pytest.raises(ValueError, match="cannot be empty"):
        HParams(layers=[])


def problem():
    x = tf.constant(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    w = tf.get_variable("w", [3, 1], initializer=tf.zeros_initializer())
    target = tf.matmul(x, tf.constant([[1.0], [2.0], [-1.0]]))
    return w, tf.losses.mean_squared_error(target, tf.matmul(x, w))


def test_slim_training(tmp_path):
    slim = tf.contrib.slim
    _, loss = problem()
    counter = tf.Variable(0.0, trainable=False, name="counter")
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, counter.assign_add(1.0))
    optimizer = tf.train.GradientDescentOptimizer(0.2)
    train_op = slim.learning.create_train_op(loss, optimizer, clip_gradient_norm=3.0)
    assert train_op in tf.get_collection(tf.GraphKeys.TRAIN_OP)
    first = slim.learning.train(train_op, str(tmp_path), number_of_steps=20, log_every_n_steps=10)
    last = slim.learning.train(train_op, str(tmp_path), number_of_steps=50)
    assert last < 0.01 * first and tf.train.latest_checkpoint(str(tmp_path)).endswith("-50")
    assert tf.train.load_variable(str(tmp_path), "counter") == 50
    with pytest.raises(NotImplementedError, match="train_step_fn"):
        slim.learning.train(train_op, None, train_step_fn=print)


def test_gradients_may_be_scaled_and_changed():
    w, loss = problem()
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    plain = tf.gradients(loss, w)[0]
    create = tf.contrib.training.create_train_op
    double = create(loss, optimizer, global_step=None, gradient_multipliers={"w": 2.0})
    none = create(loss, optimizer, transform_grads_fn=lambda pairs: [(g * 0, v) for g, v in pairs])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        gradient = sess.run(plain)
        sess.run(double)
        np.testing.assert_allclose(sess.run(w), -2 * gradient, rtol=1e-6)
        before = sess.run(w)
        sess.run(none)
        np.testing.assert_array_equal(sess.run(w), before)
        assert sess.run(tf.train.get_global_step()) == 1


def test_values_from_a_checkpoint(tmp_path):
    a, b = tf.Variable([1.0, 2.0], name="a"), tf.Variable(3.0, name="b")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver([a]).save(sess, str(tmp_path / "m"))
        sess.run(a.assign([0.0, 0.0]))
        op, feeds = tf.contrib.framework.assign_from_checkpoint(path, [a])
        sess.run(op, feeds)
        assert sess.run(a).tolist() == [1, 2]
        sess.run(a.assign([0.0, 0.0]))
        restore = tf.contrib.slim.assign_from_checkpoint_fn
        restore(path, [a, b], ignore_missing_vars=True)(sess)
        assert sess.run(a).tolist() == [1, 2]
        assert restore(path, [b], ignore_missing_vars=True) is None
        with pytest.raises(ValueError, match=r"missing variable \[b\]"):
            tf.contrib.framework.assign_from_checkpoint(path, [a, b])
        with pytest.raises(ValueError, match="shape"):
            tf.contrib.framework.assign_from_checkpoint(path, {"a": b})
        with pytest.raises(ValueError, match="empty"):
            restore(path, [])
    assert tf.contrib.framework.list_variables is tf.train.list_variables


def test_stateless():
    f = tf.contrib.stateless.stateless_random_uniform
    assert f is tf.random.stateless_uniform
    assert tf.contrib.stateless.stateless_truncated_normal is tf.random.stateless_truncated_normal


def test_files_beside_a_program():
    assert tf.resource_loader.get_path_to_datafile("x.txt").endswith("tests/compat/x.txt")
    assert b"resource_loader" in tf.resource_loader.load_resource("test_historic.py")
    assert tf.resource_loader.readahead_file_path("a") == "a"
    assert tf.resource_loader.get_data_files_path().endswith("compat")


def test_the_tables_of_advice_speak_of_what_is_so():
    def find(path):
        found = tf
        for name in path.split("."):
            found = getattr(found, name)
        return found

    for path in ALIASES:
        assert find(path), path  # the name may have come since, under both names
    for path in CONTENTS:
        find(path)
    assert all(text == text.strip() and text for text in (*ADVICE.values(), *CONTENTS.values()))
