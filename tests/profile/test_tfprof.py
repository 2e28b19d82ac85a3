"""``tf.profiler``: reports as TensorFlow 1 makes them; its own figures where they are literal."""

from __future__ import annotations

import json

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.profile.static_flops import FLOPS, static_flops

BUILDER = tf.profiler.ProfileOptionBuilder


@pytest.fixture
def model():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [4, 8], name="x")
        with tf.variable_scope("fc"):
            w, b = tf.get_variable("w", [8, 16]), tf.get_variable("b", [16])
            y = tf.nn.relu(tf.matmul(x, w) + b, name="y")
        init = tf.global_variables_initializer()
    with tf.Session(graph=graph) as sess:
        sess.run(init)
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        sess.run(y, {x: np.ones((4, 8))}, options=options, run_metadata=metadata)
        yield graph, metadata


def test_parameters(model, capsys):
    graph, _ = model
    found = tf.profiler.profile(graph, options=BUILDER.trainable_variables_parameter())
    assert isinstance(found, tf.profiler.GraphNodeProto)
    assert found.name == "_TFProfRoot"
    assert found.total_parameters == 144
    (fc,) = found.children
    assert [(child.name, child.parameters) for child in fc.children] == [
        ("fc/b", 16),
        ("fc/w", 128),
    ]
    # The lines that TensorFlow prints.
    assert capsys.readouterr().out.splitlines()[:5] == [
        "node name | # parameters",
        "_TFProfRoot (--/144 params)",
        "  fc (--/144 params)",
        "    fc/b (16, 16/16 params)",
        "    fc/w (8x16, 128/128 params)",
    ]


def test_flops(model, capsys):
    graph, _ = model
    found = tf.profiler.profile(graph, options=BUILDER.float_operation())
    assert found.total_float_ops == 1378
    assert capsys.readouterr().out.splitlines()[1:7] == [
        "_TFProfRoot (--/1.38k flops)",
        "  fc/MatMul (1.02k/1.02k flops)",
        "  fc/w/Initializer/random_uniform (128/257 flops)",
        "    fc/w/Initializer/random_uniform/mul (128/128 flops)",
        "    fc/w/Initializer/random_uniform/sub (1/1 flops)",
        "  fc/add (64/64 flops)",
    ]
    by_type = tf.profiler.profile(graph, cmd="op", options=BUILDER.float_operation())
    assert isinstance(by_type, tf.profiler.MultiGraphNodeProto)
    assert (by_type.children[0].name, by_type.children[0].float_ops) == ("MatMul", 1024)
    assert [node.name for node in by_type.children[0].graph_nodes] == ["fc/MatMul"]
    assert "MatMul     1.02k flops (74.31%)" in capsys.readouterr().out


def test_flops_of_single_operations():
    """What TensorFlow's registered statistics say of the same shapes."""
    with tf.Graph().as_default() as graph:
        x, y = tf.ones([4, 6]), tf.ones([6])
        images, filters = tf.ones([2, 8, 9, 3]), tf.ones([3, 3, 3, 5])
        strided = tf.nn.conv2d(images, filters, [1, 2, 1, 1], "SAME")
        tf.gradients(strided, [images, filters])
        pooled = tf.nn.max_pool(images, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
        mean_pooled = tf.nn.avg_pool(images, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
        tf.gradients([pooled, mean_pooled], images)
        tf.nn.depthwise_conv2d(images, tf.ones([3, 3, 3, 2]), [1, 1, 1, 1], "SAME")
        tf.gradients([tf.rsqrt(x), tf.nn.bias_add(x, y)], [x, y])
        tf.reduce_mean(x, 1), tf.reduce_sum(x, 1), tf.argmax(x, 1), tf.nn.l2_loss(x)
        tf.nn.softmax(x), tf.squared_difference(x, y), tf.maximum(x, y), tf.exp(x)
        tf.matmul(x, x, transpose_b=True), tf.matmul(tf.ones([2, 4, 6]), tf.ones([2, 6, 5]))
        tf.multiply(tf.placeholder(tf.float32, [None]), 2.0)
    found: dict[str, list[int]] = {}
    for op in graph.get_operations():
        found.setdefault(op.type, []).append(static_flops(op))
    wanted = {
        "Conv2D": 19440, "Conv2DBackpropInput": 19440, "Conv2DBackpropFilter": 19440,
        "MaxPool": 384, "AvgPool": 384, "MaxPoolGrad": 480, "AvgPoolGrad": 768,
        "DepthwiseConv2dNative": 15552, "Rsqrt": 48, "RsqrtGrad": 96, "BiasAdd": 24,
        "BiasAddGrad": 18, "Mean": 24, "Sum": 20, "ArgMax": 20, "L2Loss": 71, "Softmax": 120,
        "SquaredDifference": 48, "Maximum": 24, "Exp": 0, "MatMul": 192, "Mul": 0,
    }  # fmt: skip
    assert {name: found[name][0] for name in wanted} == wanted
    assert max(found.get("BatchMatMulV2") or found["BatchMatMul"]) == 480
    assert set(FLOPS) >= {"AddN", "Dilation2D", "Conv3D"}


def test_times_and_bytes(model, capsys):
    graph, metadata = model
    options = BUILDER(BUILDER.time_and_memory()).with_empty_output().build()
    found = tf.profiler.profile(graph, metadata, cmd="scope", options=options)
    names = {child.name: child for child in found.children}
    assert {"fc/MatMul", "fc/y"} <= set(names)
    assert names["fc/MatMul"].exec_micros >= 1
    assert names["fc/y"].requested_bytes == 4 * 16 * 4
    lines = tf.profiler.profile(graph, metadata, cmd="code", options=options)
    assert all(child.name.startswith("test_tfprof.py:") for child in lines.children)
    assert sum(child.total_exec_micros for child in lines.children) == lines.total_exec_micros
    assert capsys.readouterr().out == ""


def test_options_are_tensorflows():
    assert BUILDER().build() == {
        "max_depth": 100, "min_bytes": 0, "min_micros": 0, "min_params": 0, "min_float_ops": 0,
        "min_occurrence": 0, "order_by": "name", "account_type_regexes": [".*"],
        "start_name_regexes": [".*"], "trim_name_regexes": [], "show_name_regexes": [".*"],
        "hide_name_regexes": [], "account_displayed_op_only": False, "select": ["micros"],
        "step": -1, "output": "stdout",
    }  # fmt: skip
    built = (
        BUILDER()
        .with_max_depth(3).with_min_memory(1, 2, 3, 4).with_min_execution_time(1, 2, 3)
        .with_min_parameters(5).with_min_occurrence(6).with_min_float_operations(7)
        .with_accounted_types(["a"]).with_node_names(["b"], ["c"], ["d"], ["e"])
        .account_displayed_op_only(True).with_step(8).order_by("bytes").select(["bytes"])
        .with_file_output("f").build()
    )  # fmt: skip
    assert built["max_depth"] == 3
    assert [built[f"min_{n}bytes"] for n in ("", "peak_", "residual_", "output_")] == [1, 2, 3, 4]
    assert (built["min_params"], built["min_occurrence"], built["min_float_ops"]) == (5, 6, 7)
    assert built["start_name_regexes"] == ["b"]
    assert built["trim_name_regexes"] == ["e"]
    assert built["output"] == "file:outfile=f"


def test_choosing_by_names_and_types(model):
    graph, _ = model
    quiet = BUILDER(BUILDER.float_operation()).with_empty_output()
    only = quiet.with_accounted_types(["MatMul"]).build()
    assert tf.profiler.profile(graph, options=only).total_float_ops == 1024
    hidden = BUILDER(BUILDER.float_operation()).with_empty_output()
    hidden = hidden.with_node_names(hide_name_regexes=[".*MatMul"]).build()
    assert tf.profiler.profile(graph, options=hidden).total_float_ops == 1378 - 1024
    trimmed = BUILDER(BUILDER.float_operation()).with_empty_output()
    trimmed = trimmed.with_node_names(trim_name_regexes=[".*Initializer"]).build()
    assert tf.profiler.profile(graph, options=trimmed).total_float_ops == 1024 + 64
    started = BUILDER(BUILDER.float_operation()).with_empty_output()
    started = started.with_node_names(start_name_regexes=["fc/w/.*"]).build()
    assert tf.profiler.profile(graph, options=started).total_float_ops == 257


def test_files(model, tmp_path):
    graph, metadata = model
    options = BUILDER(BUILDER.time_and_memory())
    tf.profiler.profile(
        graph, metadata, options=options.with_timeline_output(f"{tmp_path}/t.json").build()
    )
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    tf.profiler.profile(graph, metadata, options=options.with_file_output(f"{tmp_path}/r").build())
    assert (tmp_path / "r").read_text().startswith("node name | execution time | requested bytes")


def test_profiler_over_several_steps(model, capsys):
    graph, metadata = model
    profiler = tf.profiler.Profiler(graph)
    profiler.add_step(1, metadata)
    profiler.add_step(2, metadata)
    options = BUILDER(BUILDER.time_and_memory()).with_empty_output().build()
    one = profiler.profile_operations({**options, "step": 1})
    both = profiler.profile_operations(options)
    assert {c.name for c in one.children} == {c.name for c in both.children} >= {"MatMul"}
    assert profiler.profile_name_scope(options).total_exec_micros > 0
    assert profiler.profile_graph(options).children
    assert profiler.profile_python(options).children
    with pytest.raises(ValueError, match="step 7"):
        profiler.profile_graph({**options, "step": 7})
    assert "fc/MatMul" in str(profiler.advise().checkers["ExpensiveOperationChecker"].reports)
    assert "ExpensiveOperationChecker" in capsys.readouterr().out


def test_advice(capsys):
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        x = tf.placeholder(tf.float64, [3])
        y = tf.py_func(lambda v: v, [x * 2.0], tf.float64, name="python")
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        sess.run(y, {x: [1, 2, 3]}, options=options, run_metadata=metadata)
    found = tf.profiler.advise(graph, metadata, {"OperationChecker": {}})
    (python, doubles) = found.checkers["OperationChecker"].reports
    assert python.startswith("python (PyFunc) is run by Python")
    assert "float64" in doubles
    assert list(found.checkers) == ["OperationChecker"]


def test_mistakes(model):
    graph, _ = model
    with pytest.raises(ValueError, match="did you mean 'scope'"):
        tf.profiler.profile(graph, cmd="scopes")
    with pytest.raises(ValueError, match="output"):
        tf.profiler.profile(graph, options={"output": "pprof:outfile=x"})
