"""``tf.profile()``: what a block of a program ran, summed up, and the pictures made of it."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import profile, runplan

ROOF = tf.view.Roof(gflops=50.0, gbytes=10.0, cached_gbytes=40.0, double_gflops=25.0)


@pytest.fixture
def model():
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 8], name="x")
        w = tf.Variable(tf.ones([8, 4]), name="w")
        y = tf.reduce_sum(tf.tanh(tf.matmul(x, w, name="product")), name="y")
        train = tf.train.GradientDescentOptimizer(0.1).minimize(y)
        sess.run(tf.global_variables_initializer())
        yield sess, {x: np.linspace(-1, 1, 80, dtype=np.float32).reshape(10, 8)}, [y, train]


def product_row(prof):
    (row,) = [row for row in prof.table().rows if "product" in row.ops and row.label == "MatMul"]
    return row


def test_a_block_is_summed_up_and_nothing_else(model):
    sess, feed, fetches = model
    expected = [sess.run(fetches, feed)[0] for _ in range(3)]
    sess.run("w/Assign")
    with tf.profile() as prof:
        found = [sess.run(fetches, feed)[0] for _ in range(3)]
    sess.run(fetches, feed)
    np.testing.assert_array_equal(found, expected)
    row = product_row(prof)
    assert prof.runs == 3
    assert row.calls == 3
    assert row.flops == 3 * 2 * 10 * 8 * 4
    assert 0 < prof.table().kernel_ns <= prof.run_ns <= prof.wall_ns
    assert "3 runs" in str(prof)
    assert not runplan.OBSERVERS


def test_shortcuts_are_taken_again_afterwards(model):
    sess, feed, fetches = model
    run = sess.make_callable(fetches[0], list(feed))
    values = list(feed.values())
    run(*values)
    with tf.profile() as prof:
        run(*values)
        run(*values)
    run(*values)
    assert prof.runs == 2
    assert any(entry.quick is not None for entry in sess._entries)


def test_profiles_can_be_continued_and_nested(model):
    sess, feed, fetches = model
    prof = profile.Profile()
    for _ in range(2):
        with prof:
            sess.run(fetches, feed)
            with pytest.raises(RuntimeError, match="already"):
                prof.start()
            with tf.profile() as inner:
                sess.run(fetches, feed)
    assert (prof.runs, inner.runs) == (2, 1)
    prof.stop()


def test_compiling_is_told(model):
    sess, feed, _ = model
    with tf.profile() as prof:
        sess.run(tf.exp(sess.graph.get_tensor_by_name("y:0")), feed)
    assert prof.compiled == 1
    assert 0 < prof.compile_ns <= prof.wall_ns


def test_all_threads_and_traced_runs_count(model):
    sess, feed, fetches = model
    options, metadata = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), tf.RunMetadata()
    with tf.profile() as prof:
        threads = [threading.Thread(target=sess.run, args=(fetches, feed)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sess.run(fetches, feed, options=options, run_metadata=metadata)
        sess.run_steps(fetches[1], 5, feed)
    assert prof.runs == 6
    flops = sum(row.flops for row in prof.table().rows if row.label == "MatMul")
    assert flops >= 10 * 2 * 10 * 8 * 4
    assert metadata.trace is not None


def test_a_run_that_fails_is_counted_and_fails_as_before(model):
    sess, _, _ = model
    bad = tf.constant(1) // tf.placeholder(tf.int32, [], name="zero")
    with tf.profile() as prof, pytest.raises(tf.errors.InvalidArgumentError):
        sess.run(bad, {"zero:0": 0})
    assert prof.runs == 1
    assert prof.table().rows == []


def test_the_last_runs_are_kept_for_time_axes(model):
    sess, feed, fetches = model
    with tf.profile(keep=2) as prof:
        for _ in range(5):
            sess.run(fetches, feed)
    assert len(prof.last) == 2
    starts = [m.step_stats.dev_stats[0].node_stats[0].all_start_micros for m in prof.last]
    assert starts[0] <= starts[1]
    events = json.loads(prof.chrome_trace())["traceEvents"]
    assert {"MatMul"} <= {event["name"] for event in events if event["ph"] == "X"}
    counters = [event for event in events if event["ph"] == "C"]
    assert max(event["args"]["bytes"] for event in counters) == prof.memory().arena_peak
    with pytest.raises(ValueError, match="keep=0"):
        profile.Profile(keep=0).chrome_trace()
    with pytest.raises(ValueError, match="nothing ran"):
        profile.Profile().table()


def test_files(model, tmp_path):
    sess, feed, fetches = model
    with tf.profile() as prof:
        sess.run(fetches, feed)
    prof.save_chrome_trace(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_eager_operations_are_seen():
    with tf.eager_mode():
        x = tf.constant(np.ones((8, 8), np.float32))
        with tf.profile() as prof:
            y = tf.matmul(x, x)
    np.testing.assert_array_equal(y.numpy(), np.full((8, 8), 8.0))
    assert sum(row.flops for row in prof.table().rows) == 2 * 8**3


def test_memory_names_the_owners_of_the_peak():
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [64, 64], name="x")
        big = tf.matmul(x, x, name="big")
        small = tf.reduce_sum(tf.matmul(big, tf.matmul(big, x, name="bigger")), name="small")
        with tf.profile() as prof:
            sess.run(small, {x: np.ones((64, 64))})
    found = prof.memory()
    assert found.arena_peak == max(found.map.live) >= 2 * 64 * 64 * 4
    assert {"big", "bigger"} <= {owner.name for owner in found.owners}
    text = str(found)
    assert "bigger  test_profiler.py:" in text
    assert "besides: feeds 16.4 kB" in text
    assert found.peak_bytes == found.arena_peak + sum(found.map.outside.values())


def test_the_share_of_the_roof():
    row = profile.Row("MatMul", ("a",), calls=2, ns=400.0, flops=2000, bytes=400)
    row.work[1000, 200, False] = 2
    assert row.of_roof(ROOF) == 2 * (1000 / 50) / 400
    row.work.clear()
    row.work[1000, 200, True] = 2
    assert row.of_roof(ROOF) == 2 * (1000 / 25) / 400
    row.work.clear()
    row.work[0, 10**6, False] = 1  # more than a cache holds
    assert row.of_roof(ROOF) == 10**6 / 10 / 400


def test_details_list_the_operations_of_a_kernel(model):
    sess, feed, fetches = model
    with tf.profile() as prof:
        sess.run(fetches, feed)
    table = prof.table(details=True)
    for row in table.rows:
        assert [name for name, _, _, _ in row.members] or not row.ops
        assert sum(share for _, _, share, _ in row.members) == pytest.approx(1)
    fused = [row for row in table.rows if len(row.members) > 1]
    assert fused
    text = str(table)
    for name, type_, _, line in fused[0].members:
        assert f"est.  {type_}  {name}  {line}".rstrip() in text
    assert "of roof" in text
    assert "of roof" not in str(prof.table(roof=False))
