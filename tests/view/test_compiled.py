"""Pictures of the optimised graph with its fused kernels, and of the plan."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import view
from flowgraph.view.compiled import compiled
from flowgraph.view.render import draw


def groups(source: str, kind: str) -> list[str]:
    """All texts of each node, edge or cluster of the rendered picture."""
    svg = "{http://www.w3.org/2000/svg}"
    root = ET.fromstring(draw(source, "svg"))
    return [
        " ".join(text.text or "" for text in group.iter(svg + "text")).strip()
        for group in root.iter(svg + "g")
        if group.get("class") == kind
    ]


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as made:
        yield made


def model():
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    w = tf.Variable(tf.ones([4, 3]), name="w")
    h = tf.nn.relu(tf.matmul(x, w) + 1.0, name="h")
    dead = tf.exp(h, name="dead")
    loss = tf.reduce_mean(h * (2.0 * 3.0), name="loss")
    return x, loss, dead


def test_kernels_are_frames_and_the_dead_is_gone(session):
    x, loss, _ = model()
    session.run(tf.global_variables_initializer())
    feed = {x: np.ones((5, 4), np.float32)}
    source = view.optimized(loss, feed, title="net").source
    assert re.search(r"net: \d+ operations in \d+ kernels", source)
    nodes = groups(source, "node")
    assert any("Relu" in text for text in nodes)
    assert not any("dead" in text for text in nodes)
    assert "float32[5, 4]" in source  # sizes are those of the run
    assert any("kernel" in text for text in groups(source, "cluster"))
    assert any(text == "w" for text in nodes)
    assert sum("fetched" in text for text in nodes) == 1


def test_with_and_without_a_run_the_same_operations(session):
    x, loss, _ = model()
    train = tf.train.AdamOptimizer(0.1).minimize(loss)
    session.run(tf.global_variables_initializer())
    feed = {x: np.ones((5, 4), np.float32)}
    metadata = tf.RunMetadata()
    session.run([loss, train], feed, options=tf.RunOptions(trace_level=3), run_metadata=metadata)
    before = session.run(tf.global_variables())
    planned = compiled([loss, train], feed, session)[0].plan
    np.testing.assert_equal(session.run(tf.global_variables()), before)  # nothing ran
    assert [i.label for i in planned.instrs] == [
        i.label for i in metadata.trace.plans[0].plan.instrs
    ]
    by_time = view.optimized(metadata, colour_by="time").source
    assert re.search(r"kernel \d+  [\d.]+ (ns|us|ms)", by_time)
    nodes = groups(by_time, "node")
    assert sum(text == "w" for text in nodes) == 1  # with Adam's slots
    assert any("learning_rate = 0.1" in text for text in nodes)
    with pytest.raises(ValueError, match="needs the RunMetadata"):
        view.optimized(loss, feed, colour_by="time")
    with pytest.raises(ValueError, match="role or time"):
        view.optimized(loss, feed, colour_by="bytes")
    with pytest.raises(ValueError, match="holds no trace"):
        view.plan(tf.RunMetadata())


def test_the_plan_has_every_instruction_and_its_memory(session, tmp_path):
    x, loss, _ = model()
    session.run(tf.global_variables_initializer())
    feed = {x: np.ones((5, 4), np.float32)}
    plan = compiled(loss, feed, session)[0].plan
    drawing = view.plan(loss, feed)
    nodes = groups(drawing.source, "node")
    numbered = [text for text in nodes if re.match(r"\d+ ", text)]
    assert len(numbered) == len(plan.instrs)
    assert any("MatMul" in text and "flop" in text for text in numbered)
    assert any(text.startswith("fetch") for text in nodes)
    assert f"arena {plan.arena_nbytes} B" in drawing.source
    assert view.save(tmp_path / "plan.svg", drawing).read_bytes().startswith(b"<?xml")


def test_jumps_of_loops_and_branches(session):
    x = tf.placeholder(tf.float32, [3], name="x")
    _, r = tf.while_loop(lambda i, h: i < 5, lambda i, h: (i + 1, tf.tanh(h) * x), [0, x])
    y = tf.cond(r[0] > 0, lambda: tf.exp(r), lambda: r)
    source = view.plan(y, {x: [1.0, 2.0, 3.0]}).source
    assert source.count("shape=diamond") == 4
    assert "when true" in source and "when false" in source and "always" in source
    assert "Tanh" in view.optimized(y, {x: [1.0, 2.0, 3.0]}).source


def test_sizes_that_depend_on_values_need_a_run(session):
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.reduce_sum(tf.boolean_mask(x, x > 0))
    feed = {x: [1.0, -1.0, 2.0]}
    with pytest.raises(ValueError, match="while it runs"):
        view.plan(y, feed)
    metadata = tf.RunMetadata()
    session.run(y, feed, options=tf.RunOptions(trace_level=3), run_metadata=metadata)
    assert len(compiled(metadata)) > 1
    view.plan(metadata)
    view.optimized(metadata)
