"""Traced runs: the records, tables and traces made of them, and that results stay the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config, profile
from flowgraph.runtime.timing import Timing

FULL = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)


@pytest.fixture
def model():
    """Two scopes, a matmul between them, a variable, and one host operation at the end."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 8], name="x")
        with tf.name_scope("first"):
            w = tf.Variable(tf.ones([8, 4]), name="w")
            h = tf.tanh(tf.matmul(x, w), name="h")
        with tf.name_scope("second"):
            y = tf.exp(h * 0.5, name="y")
        total = tf.reduce_sum(y, name="total")
        outside = tf.py_func(lambda v: v + 1, [total], tf.float32, name="outside")
        sess.run(tf.global_variables_initializer())
        yield sess, {x: np.linspace(-1, 1, 800, dtype=np.float32).reshape(100, 8)}, [y, outside]


def traced(sess, fetches, feed):
    metadata = tf.RunMetadata()
    return sess.run(fetches, feed, options=FULL, run_metadata=metadata), metadata


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_tracing_changes_no_result(model, target):
    sess, feed, fetches = model
    with config.override(TARGET=target), tf.Session(graph=sess.graph) as other:
        other.run("init")
        plain = other.run(fetches, feed)
        for _ in range(2):
            with_trace, metadata = traced(other, fetches, feed)
            for a, b in zip(plain, with_trace, strict=True):
                np.testing.assert_array_equal(a, b)
            assert metadata.step_stats.dev_stats[0].node_stats


def test_stamps_are_in_order_and_inside_the_run(model):
    sess, feed, fetches = model
    _, metadata = traced(sess, fetches, feed)
    for part in metadata.trace.plans:
        rows, whole = part.times[:-1], part.times[-1]
        assert len(rows) == len(part.plan.instrs)
        assert (rows[:, 0] <= rows[:, 1]).all()
        assert (rows[1:, 0] >= rows[:-1, 0]).all()
        assert (rows[:, 0] >= whole[0]).all()
        assert (rows[:, 1] - rows[:, 0]).sum() <= whole[1] - whole[0]


def test_every_computed_operation_is_in_one_kernel(model):
    sess, feed, fetches = model
    _, metadata = traced(sess, fetches, feed)
    names = [name for row in profile.table(metadata).rows for name in row.ops]
    assert sorted(names) == sorted(set(names))
    expected = {"first/MatMul", "first/h", "second/mul", "second/y", "total", "outside"}
    assert set(names) == expected


def test_records_have_the_protos_fields(model):
    sess, feed, fetches = model
    _, metadata = traced(sess, fetches, feed)
    (device,) = metadata.step_stats.dev_stats
    assert device.device.endswith("device:CPU:0")
    for record in device.node_stats:
        assert sess.graph.get_operation_by_name(record.node_name)
        assert record.all_end_rel_nanos >= record.op_end_rel_nanos > 0
        assert abs(record.all_start_nanos // 1000 - record.all_start_micros) <= 1
        assert abs(record.all_end_rel_nanos / 1000 - record.all_end_rel_micros) <= 1
        assert " = " in record.timeline_label
    (matmul,) = [r for r in device.node_stats if r.node_name == "first/MatMul"]
    assert list(matmul.output[0].tensor_description.shape) == [100, 4]
    assert matmul.output[0].tensor_description.dtype == tf.float32.as_datatype_enum
    assert list(metadata.partition_graphs) == []


def test_flops_and_bytes_of_a_matrix_product(model):
    sess, feed, fetches = model
    _, metadata = traced(sess, fetches, feed)
    (row,) = [r for r in profile.table(metadata).rows if "first/MatMul" in r.ops]
    assert row.flops == 2 * 100 * 8 * 4
    assert row.bytes == 4 * (100 * 8 + 8 * 4 + 100 * 4)


@pytest.mark.parametrize("by", ["op", "type", "scope", "line"])
def test_groupings_share_out_the_same_sums(model, by):
    sess, feed, fetches = model
    runs = [traced(sess, fetches, feed)[1] for _ in range(3)]
    kernels, grouped = profile.table(runs), profile.table(runs, by=by)
    for quantity in ("ns", "flops", "bytes"):
        wanted = sum(getattr(row, quantity) for row in kernels.rows)
        assert sum(getattr(r, quantity) for r in grouped.rows) == pytest.approx(wanted)
    assert grouped.runs == 3
    assert all(row.calls % 3 == 0 for row in kernels.rows)
    assert not any(row.estimated for row in kernels.rows)


def test_divided_kernels_are_marked_as_estimates(model):
    sess, feed, fetches = model
    _, metadata = traced(sess, fetches, feed)
    spanning = [row for row in profile.table(metadata).rows if len({n[:5] for n in row.ops}) > 1]
    assert spanning, "the optimiser fuses first/h and second/mul"
    rows = {row.label: row for row in profile.table(metadata, by="scope").rows}
    assert rows["second/"].estimated
    assert "est." in str(profile.table(metadata, by="scope"))
    assert "est." not in str(profile.table(metadata))


def test_rows_know_the_users_line(model):
    sess, feed, fetches = model
    _, metadata = traced(sess, fetches, feed)
    labels = [row.label for row in profile.table(metadata, by="line").rows]
    assert all(label.startswith("test_profile.py:") for label in labels)
    assert "test_profile.py:" in str(profile.table(metadata))


def test_sorting_and_limits(model):
    sess, feed, fetches = model
    _, metadata = traced(sess, fetches, feed)
    for key, quantity in [("time", "ns"), ("flops", "flops"), ("gbytes", "gbytes")]:
        found = [getattr(r, quantity) for r in profile.table(metadata, sort_by=key).rows]
        assert found == sorted(found, reverse=True)
    whole, short = profile.table(metadata), profile.table(metadata, row_limit=1)
    assert [row.label for row in short.rows][1:] == [f"{len(whole.rows) - 1} more"]
    assert short.kernel_ns == pytest.approx(whole.kernel_ns)


def test_mistakes_are_explained(model):
    sess, feed, fetches = model
    with pytest.raises(ValueError, match="FULL_TRACE"):
        profile.table(tf.RunMetadata())
    _, metadata = traced(sess, fetches, feed)
    with pytest.raises(ValueError, match="did you mean 'scope'"):
        profile.table(metadata, by="scoop")
    with pytest.raises(ValueError, match="did you mean 'flops'"):
        profile.table(metadata, sort_by="flop")
    with pytest.raises(TypeError, match="run_metadata"):
        sess.run(fetches, feed, options=FULL, run_metadata={})


def test_no_trace_is_a_plain_run(model):
    sess, feed, fetches = model
    metadata = tf.RunMetadata()
    sess.run(fetches, feed, options=tf.RunOptions(), run_metadata=metadata)
    assert metadata.trace is None
    assert list(metadata.step_stats.dev_stats) == []
    sess.run(fetches, feed, options=FULL)  # nowhere to put the trace


def test_the_next_trace_replaces_the_last(model):
    sess, feed, fetches = model
    metadata = tf.RunMetadata()
    sess.run(fetches, feed, options=FULL, run_metadata=metadata)
    before = len(metadata.step_stats.dev_stats[0].node_stats)
    sess.run("x:0", feed, options=FULL, run_metadata=metadata)
    assert len(metadata.step_stats.dev_stats[0].node_stats) < before
    copy = tf.RunMetadata()
    copy.CopyFrom(metadata)
    assert copy.trace is metadata.trace


def test_a_traced_error_is_the_same_error(model):
    sess, _, _ = model
    with sess.graph.as_default():
        bad = tf.constant(1) // tf.placeholder(tf.int32, [], name="zero")
    with pytest.raises(tf.errors.InvalidArgumentError):
        traced(sess, bad, {"zero:0": 0})
    with tf.Session(graph=sess.graph) as other, pytest.raises(tf.errors.FailedPreconditionError):
        traced(other, "first/w:0", {})


def test_stages_are_traced_one_by_one():
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None], name="x")
        y = tf.exp(tf.gather(x, tf.where(x > 0)[:, 0]), name="y")
        result, metadata = traced(sess, y, {x: [1.0, -1.0, 2.0]})
    np.testing.assert_allclose(result, np.exp([1.0, 2.0]), rtol=1e-6)
    assert len(metadata.trace.plans) == 2


def test_chrome_trace_is_well_formed(model):
    sess, feed, fetches = model
    _, metadata = traced(sess, fetches, feed)
    text = profile.Timeline(metadata.step_stats).generate_chrome_trace_format()
    events = json.loads(text)["traceEvents"]
    kernels = [event for event in events if event["ph"] == "X"]
    assert len(kernels) == len(metadata.step_stats.dev_stats[0].node_stats)
    for event in kernels:
        assert {"name", "pid", "tid", "ts", "dur", "args"} <= set(event)
        assert event["dur"] > 0
    starts = {e["id"]: e for e in events if e["ph"] == "s"}
    ends = {e["id"]: e for e in events if e["ph"] == "t"}
    assert starts
    assert set(starts) == set(ends)
    assert all(starts[i]["ts"] <= ends[i]["ts"] + 1e-3 for i in starts)
    processes = [event for event in events if event["ph"] == "M"]
    assert "CPU:0" in processes[0]["args"]["name"]
    without = profile.Timeline(metadata.step_stats).generate_chrome_trace_format(False)
    assert {event["ph"] for event in json.loads(without)["traceEvents"]} == {"X", "M"}


def test_callables_can_be_traced(model):
    sess, feed, fetches = model
    (x,) = feed
    run = sess.make_callable(fetches[0], [x], accept_options=True)
    metadata = tf.RunMetadata()
    value = run(feed[x], options=FULL, run_metadata=metadata)
    np.testing.assert_array_equal(value, run(feed[x]))
    assert metadata.trace is not None


def test_a_whole_process_is_profiled_by_a_setting(tmp_path):
    program = """
import flowgraph as tf
x = tf.placeholder(tf.float32, [], name="x")
with tf.Session() as sess:
    for i in range(7):
        assert sess.run(tf.get_default_graph().get_tensor_by_name("x:0") * 2 if i == 0 else "mul:0",
                        {x: i}) == 2 * i
    assert tf.Session().make_callable("mul:0", [x])(3) == 6
"""
    environment = {
        **os.environ, "FLOWGRAPH_PROFILE": "1", "PYTHONPATH": str(Path(tf.__file__).parents[1]),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [line.split() for line in done.stderr.splitlines() if line.startswith("Mul")]
    assert sum(int(row[2]) for row in rows) == 8
    assert sum(int(row[6]) for row in rows) == 8  # one flop a call
    assert "8 runs:" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_rows_of_a_loop_are_summed_over_all_passes(target):
    with tf.Graph().as_default() as graph:
        n = tf.placeholder(tf.int32, [], name="n")
        x = tf.ones([16, 16])

        def body(i, a):
            return i + 1, tf.tanh(tf.matmul(a, x, name="product"))

        _, y = tf.while_loop(lambda i, a: i < n, body, [0, x])
    with config.override(TARGET=target), tf.Session(graph=graph) as sess:
        for steps in (0, 1, 40):
            _, metadata = traced(sess, y, {n: steps})
            rows = profile.table(metadata, by="type").rows
            products = [row for row in rows if row.label == "MatMul"]
            assert sum(row.calls for row in products) == steps
            assert sum(row.flops for row in products) == steps * 2 * 16**3
            (part,) = metadata.trace.plans
            assert part.elapsed.sum() <= part.whole_ns
            records = metadata.step_stats.dev_stats[0].node_stats
            assert sum("MatMul" in r.timeline_label for r in records) in (steps, 2 * steps)
            starts = [r.all_start_nanos for r in records]
            assert starts == sorted(starts)


def test_a_branch_that_was_not_taken_has_no_row():
    with tf.Graph().as_default() as graph:
        p = tf.placeholder(tf.bool, [])
        x = tf.placeholder(tf.float32, [4, 4])
        y = tf.cond(p, lambda: tf.matmul(x, x, name="yes"), lambda: tf.matrix_inverse(x, name="no"))
    with tf.Session(graph=graph) as sess:
        feed = {x: np.eye(4, dtype=np.float32)}
        for taken, left in (("MatMul", "MatrixInverse"), ("MatrixInverse", "MatMul")):
            _, metadata = traced(sess, y, {**feed, p: taken == "MatMul"})
            labels = [row.label for row in profile.table(metadata).rows]
            assert taken in labels
            assert left not in labels


def test_more_passes_than_the_log_holds_are_summed_up_all_the_same(monkeypatch):
    monkeypatch.setattr("flowgraph.runtime.timing.LOG_ROOM", 8)
    with tf.Graph().as_default() as graph:

        def body(i):
            return tf.py_func(lambda v: v + np.int32(1), [i], tf.int32, name="python")

        y = tf.while_loop(lambda i: i < 30, body, [0], shape_invariants=[tf.TensorShape(None)])
        z = tf.while_loop(lambda i: i < 30, lambda i: i + 1, [0])
    with tf.Session(graph=graph) as sess:
        _, metadata = traced(sess, z, {})
        (adds,) = [row for row in profile.table(metadata).rows if "AddV2" in row.label]
        assert adds.calls == 30
        assert len(metadata.step_stats.dev_stats[0].node_stats) <= 8
        with tf.profile() as prof:
            assert sess.run(y) == 30
        assert prof.runs >= 1
    plan = metadata.trace.plans[0].plan
    timing = Timing(len(plan.instrs))
    timing.begin()
    for _ in range(20):
        timing.add(1, 0)
    timing.end()
    timing.finish()
    assert timing.calls[1] == 20
    cycles, host = (np.zeros((len(plan.instrs), 2), np.int64) for _ in range(2))
    timing.add_to(cycles, host)
    assert host[1].tolist() == [timing.elapsed[1], 20]
