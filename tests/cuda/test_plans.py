"""Plans that the compiler makes for real programs, on the simulated device and the CPU (G21)."""

import numpy as np
import pytest
from rehearsal import Rehearsal

import flowgraph as tf
from flowgraph import config
from flowgraph.codegen import cuda


def compare(sess, fetches, feed_dict, rtol=2e-5):
    """Run ``fetches`` both ways from the same state; the fetched values agree.  The Rehearsal."""
    feeds = [np.asarray(value) for value in feed_dict.values()]
    entry = sess._plan_for(fetches, feed_dict)
    stage = entry.plan.find(feeds)
    rehearsal = Rehearsal(stage.executable, feeds)
    got = rehearsal.run()
    want = [value for value in sess.run(fetches, feed_dict) if value is not None]
    assert len(got) == len(want)
    for simulated, native in zip(got, want, strict=True):
        np.testing.assert_allclose(simulated, native, rtol=rtol, atol=1e-6)
    for name, operand in rehearsal.plan.variables.items():
        native = sess._state.variables[name]
        np.testing.assert_allclose(
            rehearsal.window(operand), native, rtol=rtol, atol=1e-6, err_msg=name
        )
    return rehearsal


@pytest.fixture(params=["as shipped", "split"])
def _schedules(request, monkeypatch):
    """Each test twice: with the shipped thresholds, and with every reduction split."""
    if request.param == "split":
        monkeypatch.setattr(cuda, "SHORT_ROW", 1)
        monkeypatch.setattr(cuda, "LONG_ROW", 2)


pytestmark = pytest.mark.usefixtures("_schedules")


def test_a_training_step_of_a_classifier():
    with config.override(TARGET="reference"):  # no kernel is compiled for this test
        rng = np.random.default_rng(5)
        x = tf.placeholder(tf.float32, [None, 5])
        y = tf.placeholder(tf.int32, [None])
        w1 = tf.Variable(rng.normal(0, 1, (5, 4)).astype(np.float32))
        b1 = tf.Variable(np.zeros(4, np.float32))
        w2 = tf.Variable(rng.normal(0, 1, (4, 3)).astype(np.float32))
        b2 = tf.Variable(np.zeros(3, np.float32))
        hidden = tf.nn.tanh(tf.matmul(x, w1) + b1)
        logits = tf.matmul(hidden, w2) + b2
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        )
        hits = tf.equal(tf.cast(tf.argmax(logits, 1), tf.int32), y)
        accuracy = tf.reduce_mean(tf.cast(hits, tf.float32))
        step = tf.train.AdamOptimizer(0.1).minimize(loss)
        sess = tf.Session()
        sess.run(tf.global_variables_initializer())
        for size in (6, 9):
            batch = {x: rng.normal(0, 1, (size, 5)).astype(np.float32), y: np.arange(size) % 3}
            seen = compare(sess, [step, loss, accuracy], batch)
        assert len(seen.kernels) >= 4, seen.kernels
        assert set(seen.others) == {"MatMul"}


def test_normalisation_and_its_gradient():
    with config.override(TARGET="reference"):
        x = tf.placeholder(tf.float32, [None, 7])
        mean = tf.reduce_mean(x, 1, keepdims=True)
        centred = x - mean
        var = tf.reduce_mean(tf.square(centred), 1, keepdims=True)
        z = tf.nn.softmax(centred * tf.rsqrt(var + 1e-3))
        total = tf.reduce_sum(z * z)
        (dx,) = tf.gradients(total, x)
        sess = tf.Session()
        for rows in (1, 5, 40):
            data = np.random.default_rng(rows).normal(0, 1, (rows, 7)).astype(np.float32)
            seen = compare(sess, [z, total, dx, tf.reduce_sum(z, 0)], {x: data})
        assert not seen.others, seen.others
