"""Staging areas, tensors held by sessions, critical sections."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def sess():
    with tf.Session() as session:
        yield session


def started(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def until_waiting(session, count=1):
    for _ in range(2000):
        if len(session._state.waiters) >= count:
            return
        time.sleep(0.005)
    raise AssertionError("nobody waits")


# ---------------------------------------------------------------------------------- staging areas


def test_staging_areas(sess):
    area = tf.contrib.staging.StagingArea([tf.float32, tf.int32], shapes=[[2], []])
    put, got = area.put([tf.constant([1.0, 2.0]), tf.constant(3)]), area.get()
    size, first, clear = area.size(), area.peek(0), area.clear()
    assert (put.name, got[0].name, size.name) == (
        "StagingArea_put",
        "StagingArea_get:0",
        "StagingArea_size:0",
    )
    assert [t.shape.as_list() for t in got] == [[2], []]
    sess.run(put)
    sess.run(put)
    assert sess.run(size) == 2
    np.testing.assert_array_equal(sess.run(first)[0], [1, 2])
    assert sess.run(got)[1] == 3 and sess.run(size) == 1
    sess.run(clear)
    assert sess.run(size) == 0
    assert tf.contrib.staging.StagingArea([tf.float32]).name == "StagingArea_1"
    named = tf.contrib.staging.StagingArea([tf.float32], names=["x"], shared_name="common")
    sess.run(named.put({"x": 4.0}))
    same = tf.contrib.staging.StagingArea([tf.float32], names=["x"], shared_name="common")
    assert sess.run(same.get()) == {"x": 4.0}


def test_staging_areas_wait(sess):
    area = tf.contrib.staging.StagingArea([tf.int32], shapes=[[]], capacity=2)
    x = tf.placeholder(tf.int32, [])
    put, (got,), (third,) = area.put([x]), area.get(), area.peek(2)
    clear, found = area.clear(), []

    def look():
        with pytest.raises(tf.errors.CancelledError, match="Peek operation"):
            sess.run(third)

    peeker = started(look)
    until_waiting(sess)
    taker = started(lambda: found.append(("get", sess.run(got))))
    until_waiting(sess, 2)
    sess.run(put, {x: 7})  # for the one that takes: who looks does not stand in its way
    taker.join(10)
    assert found == [("get", 7)]
    fillers = [started(lambda k=k: sess.run(put, {x: k})) for k in range(3)]
    until_waiting(sess, 2)
    sess.run(clear)
    for filler in fillers:
        filler.join(10)
    assert sess.run(area.size()) == 1 and peeker.is_alive()


def test_wrong_staging_areas():
    make = tf.contrib.staging.StagingArea
    for error, match, call in (
        (ValueError, "Unexpected number of inputs 2 vs 1", lambda: make([tf.int32]).put([1, 2])),
        (ValueError, "same length", lambda: make([tf.int32], shapes=[[], []])),
        (ValueError, "same length", lambda: make([tf.int32], names=["a", "b"])),
        (ValueError, "negative", lambda: make([tf.int32], capacity=-1)),
        (ValueError, "give a dict", lambda: make([tf.int32], names=["a"]).put([1])),
        (ValueError, "names", lambda: make([tf.int32], names=["a"]).put({"b": 1})),
        (ValueError, "incompatible", lambda: make([tf.int32], shapes=[[2]]).put([[1, 2, 3]])),
        (NotImplementedError, "memory_limit", lambda: make([tf.int32], memory_limit=5)),
    ):
        with pytest.raises(error, match=match):
            call()


# ---------------------------------------------------------------------------- tensors in sessions


def test_tensors_that_stay(sess):
    x = tf.constant([1.0, 2.0])
    keep = tf.get_session_handle(x * 2, name="hh")
    kept = sess.run(keep)
    assert str(kept).startswith("hh;") and kept.handle == str(kept)
    np.testing.assert_array_equal(kept.eval(), [2, 4])
    holder, value = tf.get_session_tensor(kept.handle, tf.float32)
    np.testing.assert_array_equal(sess.run(value * 3, {holder: kept.handle}), [6, 12])
    np.testing.assert_array_equal(sess.run(value * 3, {holder: kept}), [6, 12])
    y = tf.placeholder(tf.float32)
    np.testing.assert_array_equal(sess.run(y + 1, {y: kept}), [3, 5])
    z = tf.placeholder(tf.int32)
    with pytest.raises(ValueError, match="dtype float32, not int32"):
        sess.run(z + 1, {z: kept})
    wrong, number = tf.get_session_tensor(kept.handle, tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="asked for was int32"):
        sess.run(number, {wrong: kept.handle})
    place, forget = tf.delete_session_tensor(kept.handle)
    sess.run(forget, {place: kept.handle})
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not in the session store"):
        sess.run(value, {holder: kept.handle})
    with pytest.raises(TypeError, match="may have already been deleted"):
        kept.eval()
    with pytest.raises(TypeError, match="may have already been deleted"):
        kept.delete()
    both = sess.run([keep, x])
    both[0].delete()
    with pytest.raises(tf.errors.InvalidArgumentError, match="session store"):
        sess.run(value, {holder: both[0].handle})


def test_tensors_are_forgotten_with_their_handles(sess):
    keep = tf.get_session_handle(tf.constant(np.ones(10)))
    kept = [sess.run(keep) for _ in range(3)]
    held = sess._state.resources
    assert len(held) == 3
    raw = kept[0].get_raw_handle()
    del kept
    sess.run(keep)
    gc.collect()
    assert raw in held and len(held) <= 2
    assert isinstance(raw, str)
    holder, value = tf.get_session_tensor(raw, tf.float64)
    assert sess.run(tf.reduce_sum(value), {holder: raw}) == 10


def test_held_tensors_are_copies(sess):
    v = tf.Variable([1.0])
    sess.run(v.initializer)
    kept = sess.run(tf.get_session_handle(v))
    sess.run(v.assign([5.0]))
    assert kept.eval().tolist() == [1.0]
    kept.eval()[0] = 9.0
    assert kept.to_numpy_array().tolist() == [1.0]


# ------------------------------------------------------------------------------ critical sections


def test_results_and_names(sess):
    v = tf.Variable(0.0)
    cs = tf.CriticalSection(name="cs")

    def step():
        added = v.assign_add(1.0)
        with tf.control_dependencies([added]):
            return {"twice": v.read_value() * 2, "three": tf.constant(3), "none": None}

    made = cs.execute(step)
    names = [op.name for op in tf.get_default_graph().get_operations()]
    assert {"cs", "critical_section_execute/MutexLock"} <= set(names)
    sess.run(tf.global_variables_initializer())
    assert cs.name == "cs" and made["none"] is None
    assert sess.run([made["twice"], made["three"]]) == [2.0, 3]
    assert sess.run(made["three"]) == 3
    assert sess.run(v) == 2.0  # the section ran as a whole


def test_a_section_is_entered_by_one_run_at_a_time(sess):
    queue = tf.FIFOQueue(100, tf.int32, [[]])
    inside, worst = tf.Variable(0), tf.Variable(0)
    cs = tf.CriticalSection()

    def step():
        entered = inside.assign_add(1)
        with tf.control_dependencies([worst.assign(tf.maximum(worst, entered))]):
            waited = queue.dequeue()  # others go on here, but not into the section
        with tf.control_dependencies([waited]):
            left = inside.assign_sub(1)
        with tf.control_dependencies([left]):
            return tf.identity(waited)

    run, put = cs.execute(step), queue.enqueue(1)
    sess.run(tf.global_variables_initializer())
    threads = [started(sess.run, run) for _ in range(5)]
    until_waiting(sess, 5)
    for _ in range(5):
        sess.run(put)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert sess.run([inside, worst]) == [0, 1]


def test_a_failed_run_leaves_the_section(sess):
    cs, x = tf.CriticalSection(), tf.placeholder(tf.int32, [])
    divide = cs.execute(lambda: 6 // x)
    check = cs.execute(lambda: tf.check_numerics(1.0 / tf.cast(x, tf.float32), "bad"))
    for fetch in (divide, check):
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(fetch, {x: 0})
    assert sess.run([divide, check], {x: 2}) == [3, 0.5]
    queue = tf.FIFOQueue(1, tf.int32, [[]])
    waits = cs.execute(queue.dequeue)
    with pytest.raises(tf.errors.DeadlineExceededError):
        sess.run(waits, options=tf.RunOptions(timeout_in_ms=30))
    assert sess.run(divide, {x: 3}) == 2


def test_wrong_sections():
    cs, other = tf.CriticalSection(), tf.CriticalSection(name="other")
    with pytest.raises(ValueError, match="already running"):
        cs.execute(lambda: cs.execute(lambda: tf.constant(1)))
    with pytest.raises(ValueError, match="callable"):
        cs.execute(3)
    v = tf.Variable(1.0)
    cs.execute(lambda: v.assign_add(1.0), exclusive_resource_access=False)
    other.execute(lambda: v.assign_add(1.0), exclusive_resource_access=False)
    with pytest.raises(ValueError, match="exclusive"):
        other.execute(lambda: v.assign_add(1.0))
    with pytest.raises(ValueError, match="not supported"):
        tf.CriticalSection(critical_section_def=object())
    with tf.eager_mode(), pytest.raises(RuntimeError, match="eager"):
        tf.CriticalSection()
