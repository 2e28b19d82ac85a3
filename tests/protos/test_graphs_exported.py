"""Graphs become GraphDefs and operations again; parts and frozen forms of GraphDefs."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.protos.graphs import OpList


def small() -> tf.GraphDef:
    """a -> b -> c, and d after a."""
    with tf.Graph().as_default() as graph:
        a = tf.placeholder(tf.float32, [2], name="a")
        b = tf.identity(a, name="b")
        tf.add(b, 1.0, name="c")
        with tf.control_dependencies([a]):
            tf.no_op(name="d")
        return graph.as_graph_def()


def training(with_steps: bool = True) -> tf.Graph:
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        w = tf.get_variable("w", [3, 2], initializer=tf.constant_initializer(0.5))
        y = tf.tanh(tf.matmul(x, w), name="y")
        if with_steps:
            loss = tf.reduce_sum(y * y, name="loss")
            tf.train.AdamOptimizer(0.1).minimize(loss, name="step")
        tf.global_variables_initializer()
    return graph


X = np.arange(6, dtype=np.float32).reshape(2, 3) / 6


# ----------------------------------------------------------------------------------- there and back


def test_a_graph_comes_back_and_trains_alike() -> None:
    graph = training()
    message = tf.GraphDef.FromString(graph.as_graph_def().SerializeToString())
    with tf.Graph().as_default() as again:
        tf.import_graph_def(message, name="")
    assert again.as_graph_def() == message
    results = []
    for one in (graph, again):
        with tf.Session(graph=one) as session:
            session.run("init")
            for _ in range(3):
                session.run("step", {"x:0": X})
            results.append(session.run(["y:0", "w:0"], {"x:0": X}))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "array",
    [
        np.array(1.5, np.float16), np.array([[True], [False]]), np.array([1 + 2j], np.complex64),
        np.array([b"a", b"\xff\0"], object), np.zeros((0, 2), np.int64), np.array([-1], np.int8),
        np.array(np.nan), np.array([3, 3, 3], np.uint16),
    ],
    ids=str,
)  # fmt: skip
def test_constants(array: np.ndarray) -> None:
    with tf.Graph().as_default() as graph:
        tf.constant(array, name="c")
        message = graph.as_graph_def()
    with tf.Graph().as_default():
        (c,) = tf.import_graph_def(message, return_elements=["c:0"])
        with tf.Session() as session:
            found = session.run(c)
    assert c.dtype is tf.as_dtype(array.dtype)
    np.testing.assert_array_equal(found, array)


def test_what_a_node_says() -> None:
    graph = training(False)
    node = graph.get_operation_by_name("y").node_def
    assert isinstance(node, tf.NodeDef) and node.input == ["MatMul"] and node.op == "Tanh"
    assert node.attr["T"].type == tf.float32.as_datatype_enum
    shown = graph.as_graph_def(add_shapes=True).node[0].attr["_output_shapes"].list.shape[0]
    assert [dim.size for dim in shown.dim] == [-1, 3]
    version = graph.version
    with graph.as_default(), tf.device("/cpu:0"):
        tf.constant(1.0, name="late")
    (late,) = graph.as_graph_def(from_version=version).node
    assert late.name == "late" and late.device == "/device:CPU:0"
    assert graph.as_graph_def().versions.producer == 134


def test_updates_wait_for_uses_of_the_old_value() -> None:
    """TensorFlow updates in place: the gradient of v needs w, which the same step changes."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2, 3], name="x")
        v = tf.get_variable("v", [3, 4])
        w = tf.get_variable("w", [4, 2])
        loss = tf.reduce_sum(tf.matmul(tf.matmul(x, v), w))
        tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="step")
    nodes = graph.as_graph_def().node
    (update,) = [node for node in nodes if node.op.startswith("Apply") and "w" in node.input]
    waits = [text for text in update.input if text.startswith("^gradients/MatMul_1_grad")]
    assert waits and graph.get_operation_by_name(update.name).control_inputs == []


def test_writes_in_branches_and_loops_have_no_form() -> None:
    with tf.Graph().as_default() as graph:
        v = tf.get_variable("v", initializer=0.0)
        tf.while_loop(lambda i: i < 3.0, lambda i: v.assign_add(i), [1.0], name="steps")
        with pytest.raises(NotImplementedError, match="AssignAdd.*writes a variable inside the"):
            graph.as_graph_def()
        assert "While" in str(graph.get_operations()[-1])


# ----------------------------------------------------------------------------------- from GraphDefs


def test_names_and_prefixes() -> None:
    with tf.Graph().as_default() as graph:
        for _ in range(2):
            assert tf.import_graph_def(small()) is None
        tf.import_graph_def(small(), name="x")
        tf.import_graph_def(small(), name="x/")
        tf.import_graph_def(small(), name="")
        tf.import_graph_def(small(), name="")
        names = {op.name for op in graph.get_operations()}
    assert {"import/a", "import_1/a", "x/a", "x/a_1", "a", "a_1"} <= names
    assert graph.get_operation_by_name("c_1").inputs[0].name == "b_1:0"


def test_input_map_and_return_elements() -> None:
    with tf.Graph().as_default():
        one = tf.constant([1.0, 2.0], name="one")
        b, c, d = tf.import_graph_def(small(), {"b": one, "^a": one}, ["b:0", "c:0", "d"])
        assert b is one and c.op.inputs[0] is one and d.control_inputs == [one.op]
        v = tf.Variable([3.0, 4.0], name="v")
        (c,) = tf.import_graph_def(small(), {"b:0": v}, ["c"])
        assert c.inputs[0].op.name == "v"
        (c,) = tf.import_graph_def(small(), {"b": [1.0, 1.0]}, ["c:0"], name="plain")
        assert c.op.inputs[0].name == "plain/_inputs/Const:0"
        with tf.Session() as session:
            np.testing.assert_array_equal(session.run(c), [2.0, 2.0])
        with tf.control_dependencies([one]):
            (a,) = tf.import_graph_def(small(), return_elements=["a"])
        assert a.control_inputs == [one.op]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"return_elements": ["zz"]}, ValueError, "'zz' not found"),
        ({"return_elements": ["c:3"]}, ValueError, "'c:3' not found"),
        ({"return_elements": [3]}, TypeError, "list of names"),
        ({"return_elements": "c"}, TypeError, "list of names"),
        ({"input_map": 3}, TypeError, "a dict"),
        ({"input_map": {"zz": [1.0, 2.0]}}, ValueError, r"not found in graph_def: \[zz:0\]"),
        ({"input_map": {"b": 1.0}, "name": ""}, ValueError, "name must not be empty"),
    ],
)
def test_wrong_arguments(arguments, error, text) -> None:
    with tf.Graph().as_default(), pytest.raises(error, match=text):
        tf.import_graph_def(small(), **arguments)


def test_what_is_no_graph_def() -> None:
    with pytest.raises(TypeError, match="must be a GraphDef"):
        tf.import_graph_def(3)


def _change(**fields) -> tf.GraphDef:
    message = small()
    node = message.node[1]
    for name, value in fields.items():
        if name == "input":
            node.input[:] = value
        else:
            setattr(node, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (_change(input=["q"]), "Node 'b': Unknown input node 'q'"),
        (_change(input=["^q", "a"]), "Unknown input node '\\^q'"),
        (_change(input=["a:2"]), "invalid output 2 of source node a which has 1 outputs"),
        (_change(input=["a", "a"]), r"\(op: Identity\) takes 1 input\(s\), 2 are given"),
        (_change(input=["c"]), "is its own input"),
        (_change(name="a"), "two nodes are named 'a'"),
        (_change(op="Neg", input=["d"]), "invalid output 0"),
    ],
)
def test_nodes_that_do_not_fit(message, text) -> None:
    with tf.Graph().as_default(), pytest.raises(ValueError, match=text):
        tf.import_graph_def(message)


def test_attrs_that_do_not_fit() -> None:
    message = small()
    message.node[1].attr["T"].type = 2
    with tf.Graph().as_default(), pytest.raises(ValueError, match="incompatible with expected fl"):
        tf.import_graph_def(message)
    del message.node[1].attr["T"]
    with tf.Graph().as_default(), pytest.raises(ValueError, match="missing attr 'T'"):
        tf.import_graph_def(message)
    message.node[1].attr["T"].i = 1
    with tf.Graph().as_default(), pytest.raises(ValueError, match="attr 'T': a type is expected"):
        tf.import_graph_def(message)


def test_defaults_and_attrs_of_other_releases() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2, 2], name="x")
        tf.matmul(x, x, name="y")
        message = graph.as_graph_def()
    node = message.node[-1]
    del node.attr["transpose_b"]
    node.attr["grad_a"].b = False
    node.attr["_hint"].s = b"kept"
    with tf.Graph().as_default():
        (y,) = tf.import_graph_def(message, return_elements=["y"])
        assert y.get_attr("transpose_b") is False and y.get_attr("_hint") == b"kept"
        assert "grad_a" not in y.attrs
    node.attr["novelty"].i = 2
    with tf.Graph().as_default(), pytest.raises(ValueError, match="'novelty': it is not known"):
        tf.import_graph_def(message)
    op_list = OpList()
    attr = op_list.op.add(name="MatMul").attr.add(name="novelty")
    attr.default_value.i = 2
    with tf.Graph().as_default():
        tf.import_graph_def(message, producer_op_list=op_list)


def test_unknown_types_are_named_at_once() -> None:
    message = small()
    for name in "pqrstuv":
        message.node.add(name=name, op="Switch")
    message.node.add(name="w", op="Merge")
    message.node.add(name="x", op="While")
    with tf.Graph().as_default() as graph:
        with pytest.raises(tf.errors.NotFoundError) as caught:
            tf.import_graph_def(message)
        assert not graph.get_operations()
    text = str(caught.value)
    assert "3 op type(s)" in text and "Merge (1): w" in text and "While (1): x" in text
    assert "Switch (7): p, q, r, s, t, ..." in text


def test_a_node_may_stand_before_its_inputs() -> None:
    message = small()
    turned = tf.GraphDef(versions=message.versions)
    turned.node.extend(reversed(message.node))
    with tf.Graph().as_default(), tf.Session() as session:
        (c,) = tf.import_graph_def(turned, return_elements=["c:0"])
        found = session.run(c, {"import/a:0": [1.0, 2.0]})
    np.testing.assert_array_equal(found, [2.0, 3.0])


def test_old_placeholders_have_any_shape() -> None:
    message = tf.GraphDef()
    node = message.node.add(name="x", op="Placeholder")
    node.attr["dtype"].type = 1
    node.attr["shape"].shape.SetInParent()
    with tf.Graph().as_default():
        (x,) = tf.import_graph_def(message, return_elements=["x:0"])
        assert x.shape.ndims is None
        message.versions.producer = 24
        (x,) = tf.import_graph_def(message, return_elements=["x:0"])
        assert x.shape.ndims == 0


# --------------------------------------------------------------------------------------- graph_util


def test_freezing() -> None:
    graph = training()
    with tf.Session(graph=graph) as session:
        session.run("init")
        session.run("step", {"x:0": X})
        wanted = session.run("y:0", {"x:0": X})
        convert = tf.graph_util.convert_variables_to_constants
        frozen = convert(session, graph.as_graph_def(), ["y"])
        kept = convert(session, graph.as_graph_def(), ["y"], variable_names_blacklist=["w"])
        none = convert(session, graph.as_graph_def(), ["y"], variable_names_whitelist=[])
    assert [node.op for node in kept.node if node.name == "w"] == ["VariableV2"]
    assert none == kept
    assert [node.name for node in frozen.node] == ["x", "w", "w/read", "MatMul", "y"]
    slim = tf.graph_util.remove_training_nodes(frozen)
    assert [node.name for node in slim.node] == ["x", "w", "MatMul", "y"]
    for message in (frozen, slim):
        with tf.Graph().as_default(), tf.Session() as session:
            (y,) = tf.import_graph_def(message, {"x": X}, ["y:0"])
            np.testing.assert_allclose(session.run(y), wanted, rtol=1e-6)


def test_parts() -> None:
    message = small()
    part = tf.graph_util.extract_sub_graph(message, ["d"])
    assert [node.name for node in part.node] == ["a", "d"]
    assert part.versions == message.versions
    with pytest.raises(AssertionError, match="q is not in graph"):
        tf.graph_util.extract_sub_graph(message, ["q"])
    with pytest.raises(TypeError, match="must be a list"):
        tf.graph_util.extract_sub_graph(message, "a")
    slim = tf.graph_util.remove_training_nodes(message)
    assert [(n.name, list(n.input)) for n in slim.node] == [
        ("a", []), ("c/y", []), ("c", ["a", "c/y"]), ("d", ["^a"])
    ]  # fmt: skip
    slim = tf.graph_util.remove_training_nodes(message, protected_nodes=["b"])
    assert [node.name for node in slim.node] == ["a", "b", "c/y", "c", "d"]


def test_small_questions() -> None:
    graph = training(False)
    shape_of = tf.graph_util.tensor_shape_from_node_def_name
    assert shape_of(graph, "y").as_list() == [None, 2]
    assert shape_of(graph, "^x").as_list() == [None, 3]
    must = tf.graph_util.must_run_on_cpu
    with graph.as_default():
        assert must(tf.constant(1).op) and must(tf.constant("a").op.node_def)
        assert not must(tf.constant(1.0).op)
    w = graph.get_operation_by_name("w")
    assert not must(w) and must(w, pin_variables_on_cpu=True)


def test_files(tmp_path) -> None:
    graph = training(False)
    path = tf.train.write_graph(graph, str(tmp_path / "new"), "g.pbtxt")
    assert path == str(tmp_path / "new" / "g.pbtxt")
    text = (tmp_path / "new" / "g.pbtxt").read_text()
    assert text == str(graph.as_graph_def()) and text.startswith('node {\n  name: "x"\n')
    tf.io.write_graph(graph.as_graph_def(), tmp_path, "g.pb", as_text=False)
    assert tf.GraphDef.FromString((tmp_path / "g.pb").read_bytes()) == graph.as_graph_def()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.pb", "new"]
