"""SyncReplicasOptimizer: one worker, several workers, and the errors."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


def test_one_worker_makes_the_steps_of_the_optimizer_inside():
    def losses(wrap):
        with tf.Graph().as_default():
            w, x = tf.Variable([1.0, -2.0]), tf.placeholder(tf.float32, [2])
            loss = tf.reduce_sum(tf.square(w * x - 1.0))
            step = tf.train.get_or_create_global_step()
            optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
            hooks = []
            if wrap:
                optimizer = tf.train.SyncReplicasOptimizer(optimizer, 1)
            train = optimizer.minimize(loss, global_step=step)
            if wrap:
                hooks = [optimizer.make_session_run_hook(is_chief=True, num_tokens=0)]
                assert optimizer.get_slot_names() == ["momentum"]
                assert len(optimizer.variables()) == 1
            found = []
            with tf.train.MonitoredSession(hooks=hooks) as sess:
                for k in range(6):
                    sess.run(train, {x: [k, 1.0]})
                    found.append(sess.run(w, {x: [0.0, 0.0]}))
                assert sess.run(step, {x: [0.0, 0.0]}) == 6
            return found

    before = time.monotonic()
    np.testing.assert_array_equal(losses(wrap=True), losses(wrap=False))
    assert time.monotonic() - before < 20  # nobody waits for the thread that waits for gradients


def test_several_workers_share_a_step():
    w, x = tf.Variable(0.0), tf.placeholder(tf.float32, [])
    rows = tf.Variable(tf.zeros([4, 1]))
    loss = w * x + tf.reduce_sum(tf.gather(rows, [1, 2])) * x
    step = tf.train.get_or_create_global_step()
    average = tf.train.ExponentialMovingAverage(0.5)
    sync = tf.train.SyncReplicasOptimizer(
        tf.train.GradientDescentOptimizer(1.0), 3, variable_averages=average,
        variables_to_average=[w],
    )  # fmt: skip
    train = sync.minimize(loss, global_step=step)
    hook = sync.make_session_run_hook(is_chief=True, num_tokens=0)
    with tf.train.MonitoredSession(hooks=[hook]) as sess:
        raw = sess._life.session

        def work():
            try:
                while True:
                    raw.run(train, {x: 1.0})
            except (tf.errors.OutOfRangeError, tf.errors.CancelledError):
                pass  # the chief has stopped

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        while raw.run(step) < 20:
            time.sleep(0.001)
        sess._life.coordinator.request_stop()
        for worker in workers:
            worker.join(30)
            assert not worker.is_alive()
        # every step: the mean of three gradients of 1
        steps, weight, found = raw.run([step, w, rows])
        assert weight == -steps
        np.testing.assert_array_equal(found[:, 0], [0, -steps, -steps, 0])
        assert raw.run(average.average(w)) < 0


def test_wrong_calls():
    sync = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(1.0), 4, 2)
    w = tf.Variable(0.0)
    with pytest.raises(ValueError, match="Must supply"):
        sync.apply_gradients([])
    with pytest.raises(ValueError, match="Global step is required"):
        sync.minimize(w * 2.0)
    for call in (sync.get_chief_queue_runner, sync.get_init_tokens_op):
        with pytest.raises(ValueError, match="after apply_gradients"):
            call()
    sync.minimize(w * 2.0, global_step=tf.train.get_or_create_global_step())
    with pytest.raises(ValueError, match="Too few tokens"):
        sync.get_init_tokens_op(1)
    assert sync.get_init_tokens_op(2).type == "QueueEnqueueManyV2"
