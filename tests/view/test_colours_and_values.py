"""Colours by device, type and cost; values and gradients on edges; repeated blocks drawn once."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import view
from flowgraph.view import colours, costs
from flowgraph.view.picture import SCOPE, make_picture
from flowgraph.view.recording import value_text


def traced(session, fetches, feed=None):
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    session.run(fetches, feed, options=options, run_metadata=metadata)
    return metadata


def fill_of(source: str, name: str) -> str:
    (line,) = [li for li in source.splitlines() if re.match(rf'\s*"?{re.escape(name)}"? \[', li)]
    return re.search(r'fillcolor="?([#\w]+)', line)[1]


@pytest.fixture
def deep():
    """Twelve layers that are alike, with gradients and updates."""
    with tf.Graph().as_default() as graph:
        h = tf.placeholder(tf.float32, [None, 8], name="x")
        for i in range(12):
            with tf.name_scope(f"layer_{i}"):
                w = tf.Variable(tf.zeros([8, 8]), name="w")
                with tf.name_scope("mix"):
                    a = tf.matmul(h, w)
                h = tf.nn.relu(a) + h
        loss = tf.reduce_mean(h, name="loss")
        tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    return graph


# ------------------------------------------------------------------------------------- recordings


@pytest.mark.parametrize(
    ("build", "gradients"),
    [(tf.add, [1.3, 1.3]), (tf.multiply, [6.5, 13.0])],
)
def test_figures_of_backpropagation(build, gradients):
    """N8: 10+5=15 with 1.3 upstream gives 1.3 and 1.3; 10x5=50 gives 6.5 and 13."""
    with tf.Graph().as_default():
        x, y = tf.constant(10.0, name="x"), tf.constant(5.0, name="y")
        result = build(x, y, name="result")
        made = view.record(result, gradients_of=True, grad_ys=1.3)
        np.testing.assert_allclose([made.gradients[x], made.gradients[y]], gradients, rtol=1e-6)
        source = view.dot(result, values=made, direction="LR").source
    for number in (10.0, 5.0, float(made.values[result]), 1.3, *gradients):
        assert f">{number}<" in source or f"\u2190 {number}<" in source, number


def test_sigmoid_multiplies_what_flows_back_by_y_times_1_minus_y():
    """N8: sigmoid g * y * (1 - y)."""
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float64, [], name="x")
        y = tf.sigmoid(x)
        made = view.record(y, {x: 0.7}, gradients_of=y, grad_ys=2.0)
    at = 1 / (1 + np.exp(-0.7))
    np.testing.assert_allclose(made.gradients[x], 2 * at * (1 - at), rtol=1e-12)


def test_recordings_agree_with_tf_gradients_and_leave_the_graph_alone():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float64, [None, 3])
        w = tf.Variable(np.arange(6.0).reshape(3, 2) / 7, name="w")
        h = tf.tanh(tf.matmul(x, w) + 1.0)
        loss = tf.reduce_sum(h * h + tf.exp(h))
        wanted = tf.gradients(loss, [w, h, x])
        session.run(tf.global_variables_initializer())
        feed = {x: np.random.default_rng(0).normal(size=(4, 3))}
        before = graph.version
        made = view.record(loss, feed, session=session, gradients_of=loss)
        assert graph.version == before
        expected = session.run(wanted, feed)
        reads = [t for t in made.gradients if t.op.type == "Identity"]
        for tensor, array in zip([reads[0], h, x], expected, strict=True):
            np.testing.assert_allclose(made.gradients[tensor], array, rtol=1e-12)
        # h is used three times; its gradient is the sum of what flows along its lines
        flows = [array for (op, i), array in made.flows.items() if op.inputs[i] is h]
        assert len(flows) == 3
        np.testing.assert_allclose(sum(flows), made.gradients[h], rtol=1e-12)
        np.testing.assert_allclose(made.values[loss], session.run(loss, feed), rtol=1e-12)


def test_recordings_of_fed_tensors_loops_and_updates():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [2], name="unused")
        h = tf.exp(x, name="h")
        v = tf.Variable(3.0)
        _, total = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s * v), [0, tf.sin(h)[0]])
        step = tf.assign_add(v, 1.0)
        session.run(tf.global_variables_initializer())
        made = view.record([total, step.op], {h: [0.0, 1.0]}, session=session, gradients_of=h)
        assert x not in made.values and h in made.values  # what is fed needs nothing
        assert float(made.values[total]) == 0.0
        assert session.run(v) == 4.0  # ran once
        with pytest.raises(ValueError, match="do not need"):
            view.record(h, {h: [0.0, 1.0]}, session=session, gradients_of=total)
        with pytest.raises(TypeError, match="must be a tensor"):
            view.record(h, {h: [0.0, 1.0]}, session=session, gradients_of="h")


def test_values_as_text():
    assert value_text(np.float32(0.1)) == "0.1"
    assert value_text(np.array([[1, 2], [3, 4]])) == "[[1, 2], [3, 4]]"
    assert value_text(np.arange(20.0)) == "[20] 0.0 to 19.0, mean 9.5"
    assert value_text(np.array([True] * 9)) == "[9] all True"
    assert value_text(np.array([b"a<b", "\ud558\uc580".encode()], object)) == "['a<b', '하얀']"
    assert value_text(np.full(9, np.nan)).startswith("[9] nan to nan")
    assert value_text(np.zeros((0, 3))) == "[]"


# ----------------------------------------------------------------------------------------- colours


def test_colours_by_type_and_device():
    with tf.Graph().as_default() as graph:
        with tf.device("/cpu:0"):
            a = tf.constant(1.0, name="a")
            b = tf.exp(a, name="b")
        tf.exp(b, name="c")
    by_type = view.dot(graph, colour_by="type").source
    assert fill_of(by_type, "b") == fill_of(by_type, "c") != fill_of(by_type, "a")
    assert ">Exp<" in by_type and ">Const<" in by_type  # the legend
    by_device = view.dot(graph, colour_by="device").source
    assert fill_of(by_device, "a") == fill_of(by_device, "b") != fill_of(by_device, "c")
    assert "CPU:0" in by_device and "no device asked for" in by_device


def test_colours_by_time_and_bytes():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 512], name="x")
        big = tf.matmul(x, tf.ones([512, 512]), name="big")
        tf.reduce_sum(big, name="sum")
        tf.exp(x, name="idle")
        metadata = traced(session, "sum:0", {x: np.ones((512, 512), np.float32)})
        for measure in ("time", "flops", "bytes"):
            source = view.dot(graph, colour_by=measure, run_metadata=metadata).source
            assert fill_of(source, "big") == colours.HEAT[-1]
            assert fill_of(source, "idle") == colours.ABSENT[0]
            assert "did not run" in source
        static = view.dot(graph, colour_by="bytes").source
        assert "1.05 MB" in static or fill_of(static, "x") == colours.ABSENT[0]
    with pytest.raises(ValueError, match="needs run_metadata"):
        view.dot(graph, colour_by="time")
    with pytest.raises(ValueError, match="'tiem'.*did you mean 'time'"):
        view.dot(graph, colour_by="tiem")
    with pytest.raises(ValueError, match="holds no trace"):
        view.dot(graph, colour_by="time", run_metadata=tf.RunMetadata())


def test_costs_of_fused_kernels_are_shared_and_marked():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [1000], name="x")
        y = tf.tanh(tf.exp(x, name="a"), name="b")
        runs = [traced(session, y, {x: np.zeros(1000, np.float32)}) for _ in range(3)]
    found = costs.costs_of(runs)
    assert found["a"].estimated and found["b"].estimated
    elapsed = [m.trace.plans[0].times[0, 1] - m.trace.plans[0].times[0, 0] for m in runs]
    np.testing.assert_allclose(found["a"].ns + found["b"].ns, np.mean(elapsed))
    assert costs.time_text(1234.0) == "1.23 us"
    assert costs.bytes_text(0) == "0 B"


# ------------------------------------------------------------------------------------------ blocks


def test_blocks_that_are_alike_are_drawn_once(deep):
    picture = make_picture(deep, fold_blocks=True, depth=2)
    frames = {scope.name: scope.alike for scope in picture.boxes}
    assert frames["layer_0"] == [f"layer_{i}" for i in range(12)]
    assert "layer_5" not in frames
    shown = Counter(op for box in picture.all_boxes() for op in box.ops)
    assert set(shown) == set(deep.get_operations()) and set(shown.values()) == {1}
    back = [(edge.tail.name, edge.head.name) for edge in picture.edges if edge.is_back]
    assert ("layer_0/add", "layer_0/mix/MatMul") in back
    source = view.dot(deep, 2, fold_blocks=True).source
    assert "layer_0 ... layer_11" in source and "12 alike" in source
    assert "to the next: 11x float32[?, 8]" in source


def test_closed_blocks_and_names_that_are_asked_for(deep):
    boxes = {box.name: box for box in make_picture(deep, 0, fold_blocks=True).all_boxes()}
    assert boxes["layer_0/"].kind == SCOPE and len(boxes["layer_0/"].alike) == 12
    names = {
        b.name for b in make_picture(deep, 0, fold_blocks=True, opened=["layer_3"]).all_boxes()
    }
    assert "layer_3/mix/" in names and "layer_0/" in names
    small = {box.name for box in make_picture(deep, max_nodes=30).all_boxes()}
    assert len(small) <= 30  # folded by itself where it would not fit
    assert "layer_0/mix/MatMul" in small


def test_blocks_of_other_sizes_are_not_alike():
    with tf.Graph().as_default() as graph:
        h = tf.placeholder(tf.float32, [None, 8])
        for i, units in enumerate((8, 8, 4, 2, 2, 2)):
            with tf.name_scope(f"layer_{i}"):
                h = tf.nn.relu(tf.matmul(h, tf.ones([int(h.shape[1]), units])))
    picture = make_picture(graph, fold_blocks=True, depth=3)
    assert not any(scope.alike for scope in picture.boxes if scope.name != "layer_4")


def test_ten_thousand_operations_draw_their_top_level():
    """Within 5 s; what is measured stands in docs/performance.md."""
    graph = tf.Graph()
    with graph.as_default():
        h = tf.placeholder(tf.float32, [8])
        for i in range(100):
            with tf.name_scope(f"part_{i}"):
                for _ in range(100):
                    h = tf.sin(h)
    assert len(make_picture(graph).all_boxes()) <= 300
    assert len(make_picture(graph, 0).all_boxes()) == 101
