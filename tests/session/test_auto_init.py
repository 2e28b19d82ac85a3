"""Variables that initialise themselves, on request."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config

WISHED = tf.ConfigProto(auto_init=True)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def test_only_on_request(monkeypatch):
    v = tf.Variable([1.0, 2.0], name="v")
    with tf.Session() as sess:
        with pytest.raises(tf.errors.FailedPreconditionError, match="v"):
            sess.run(v)
    with tf.Session(config=WISHED) as sess:
        np.testing.assert_array_equal(sess.run(v), [1, 2])
    monkeypatch.setattr(tf.config, "auto_init", True)
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(v), [1, 2])
    monkeypatch.setattr(tf.config, "auto_init", None)
    with config.override(AUTO_INIT=True), tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(v + 1.0), [2, 3])


def test_training_without_an_initializer_is_training_with_one():
    tf.set_random_seed(4)
    x = tf.constant(np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))
    w = tf.Variable(tf.random_normal([3, 1]), name="w")
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - 1.0))
    step = tf.train.AdamOptimizer(0.1).minimize(loss)

    def losses(sess):
        return [sess.run([step, loss])[1] for _ in range(5)]

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        expected = losses(sess)
    with tf.Session(config=WISHED) as sess:
        assert losses(sess) == expected
        sess.run(w.assign(tf.zeros_like(w)))
        assert (sess.run(w) == 0).all(), "what has a value keeps it"


def test_values_that_others_follow_from():
    a = tf.Variable(3.0, name="a")
    b = tf.Variable(a * 2.0, name="b")
    c = tf.Variable(b.initialized_value() + 1.0, name="c")
    with tf.Session(config=WISHED) as sess:
        assert sess.run(c) == 7
        assert sess.run([a, b]) == [3, 6]
    with tf.Session(config=WISHED) as sess:
        sess.run(a.assign(10.0))
        assert sess.run(b) == 20


def test_updates_in_place_and_local_variables():
    count = tf.Variable(0, name="count")
    more = count.assign_add(2)
    value, update = tf.metrics.mean(tf.constant([1.0, 3.0]))
    with tf.Session(config=WISHED) as sess:
        assert [sess.run(more) for _ in range(3)] == [2, 4, 6]
        assert sess.run(update) == 2 and sess.run(value) == 2
        function = sess.make_callable(more)
        assert function() == 8


def test_runs_in_stages_with_placeholders_and_open_shapes():
    x = tf.placeholder(tf.float32, [None])
    n = tf.placeholder(tf.int32, [])
    v = tf.Variable(tf.ones([2]), validate_shape=False, name="v")
    w = tf.Variable(5.0, name="w")
    y = tf.reduce_sum(tf.reshape(x, [n, -1]), axis=1) * w
    with tf.Session(config=WISHED) as sess:
        np.testing.assert_array_equal(sess.run(y, {x: [1, 2, 3, 4], n: 2}), [15, 35])
        np.testing.assert_array_equal(sess.run(v * 2.0), [2, 2])


def test_a_saver_initialises_too(tmp_path):
    v = tf.Variable([4.0], name="v")
    with tf.Session(config=WISHED) as sess:
        path = tf.train.Saver().save(sess, str(tmp_path / "m"))
        np.testing.assert_array_equal(tf.train.load_variable(path, "v"), [4])
        assert sess.run(tf.is_variable_initialized(v))


def test_what_fails_says_so():
    v = tf.Variable(tf.check_numerics(tf.constant(np.nan), "first value"), name="v")
    with tf.Session(config=WISHED) as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match="first value"):
            sess.run(v)
        assert not sess.run(tf.is_variable_initialized(v))
