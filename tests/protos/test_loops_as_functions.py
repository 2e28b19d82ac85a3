"""Branches and loops go through GraphDefs as functional If and While."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.protos.text_format import Parse


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def nested(x):
    """A branch in a loop, and a branch that has the loop's result."""
    v = tf.get_variable("v", initializer=2.0)

    def inner(s):
        return tf.cond(s > 10.0, lambda: s - v, lambda: s * x)

    _, s = tf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, inner(s) + 1.0), [0, x])
    return tf.cond(x > 0.0, lambda: tf.sqrt(x) * v + s, lambda: s)


def imported(graph_def) -> tf.Graph:
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(tf.GraphDef.FromString(graph_def.SerializeToString()), name="")
    return graph


def test_a_graph_comes_back_as_it_was() -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    y = tf.identity(nested(x), name="y")
    slope = tf.identity(tf.gradients(y, x)[0], name="slope")
    init = tf.global_variables_initializer()
    given = tf.get_default_graph().as_graph_def()
    graph = imported(given)
    again = graph.as_graph_def()
    known = {node.name: node for node in given.node}
    assert {node.name for node in again.node} == set(known)
    for node in again.node:
        assert node == known[node.name]
    functions = {f.signature.name: f for f in given.library.function}
    assert {f.signature.name for f in again.library.function} == set(functions)
    assert functions and all(functions[f.signature.name] == f for f in again.library.function)
    new_slope = None
    with graph.as_default():
        new_x, new_y = (graph.get_tensor_by_name(f"{name}:0") for name in "xy")
        (new_slope,) = tf.gradients(new_y, new_x)
    with tf.Session() as here, tf.Session(graph=graph) as there:
        here.run(init)
        there.run(init.name)
        for value in (1.5, 0.5, -2.0):
            known_values = here.run([y, slope], {x: value})
            assert there.run(["y:0", "slope:0"], {"x:0": value}) == known_values
            assert there.run(new_slope, {"x:0": value}) == known_values[1]


def test_node_types_arguments_and_results() -> None:
    x = tf.placeholder(tf.float32, [None], name="x")
    tf.cond(x[0] > 0, lambda: tf.split(x, 2)[1], lambda: x, name="c")
    tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0], name="steps")
    message = tf.get_default_graph().as_graph_def()
    nodes = {node.name: node for node in message.node}
    functions = {f.signature.name: f for f in message.library.function}
    assert nodes["c/If"].op == "StatelessIf" and nodes["steps/While"].op == "StatelessWhile"
    then = functions[nodes["c/If"].attr["then_branch"].func.name]
    assert dict(then.ret) == {"output_0": "c/split:output:1"}
    assert [arg.name for arg in then.signature.input_arg] == ["arg_0"]
    assert nodes["c/If"].input == ["c/pred_id", "x"]
    # what stands in functions stands there alone
    assert not any("split" in name or name.endswith("Arg") for name in nodes)


def test_effects_are_not_called_stateless() -> None:
    tf.while_loop(lambda i: i < 3.0, lambda i: i + tf.random_uniform([]), [0.0], name="steps")
    message = tf.get_default_graph().as_graph_def()
    assert {n.op for n in message.node if "steps/While" in n.name} == {"While"}
    assert any(f.signature.is_stateful for f in message.library.function)


def test_a_recurrent_network_is_restored_and_trains_on(tmp_path) -> None:
    batch = np.sin(np.arange(36, dtype=np.float32)).reshape(2, 6, 3)
    feed = {"x:0": batch, "length:0": [6, 4]}
    with tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 6, 3], name="x")
        length = tf.placeholder(tf.int32, [None], name="length")
        cell = tf.nn.rnn_cell.LSTMCell(4, initializer=tf.constant_initializer(0.2))
        outputs, _ = tf.nn.dynamic_rnn(cell, x, sequence_length=length, dtype=tf.float32)
        loss = tf.reduce_sum(tf.square(tf.reduce_mean(outputs, 1) - 1.0), name="loss")
        tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="step")
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "model"))
        known = [session.run(["step", "loss:0"], feed)[1] for _ in range(3)]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(path + ".meta").restore(session, path)
        assert [session.run(["step", "loss:0"], feed)[1] for _ in range(3)] == known


def test_frozen_graphs_keep_their_functions() -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    y = tf.identity(nested(x), name="y")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        known = session.run(y, {x: 1.5})
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ["y"])
    assert not any("Variable" in node.op for node in frozen.node)
    with tf.Session(graph=imported(frozen)) as session:
        assert session.run("y:0", {"x:0": 1.5}) == known


def test_under_a_prefix_twice() -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    tf.while_loop(lambda s: s < 100.0, lambda s: s * x + 1.0, [x], name="steps")
    given = tf.get_default_graph().as_graph_def()
    with tf.Graph().as_default() as graph, tf.Session() as session:
        two = tf.constant(2.0)
        ends = [tf.import_graph_def(given, {"x": two}, ["steps/Exit:0"], name)[0]
                for name in ("a", "a", "b")]  # fmt: skip
        assert session.run(ends) == [191.0] * 3  # 2, 5, 11, 23, 47, 95, 191
        assert graph.get_operation_by_name("b/steps/mul").type == "Mul"


#: y = g(x) by a call, with g(a) = (a + a, a)
CALL = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "y" op: "PartitionedCall" input: "x" attr { key: "f" value { func { name: "g" } } } }
node { name: "z" op: "Identity" input: "y:1" attr { key: "T" value { type: DT_FLOAT } } }
library { function {
  signature {
    name: "g" input_arg { name: "a" type: DT_FLOAT }
    output_arg { name: "r" type: DT_FLOAT } output_arg { name: "s" type: DT_FLOAT }
  }
  node_def { name: "add" op: "AddV2" input: "a" input: "a"
             attr { key: "T" value { type: DT_FLOAT } } }
  ret { key: "r" value: "add:z:0" }
  ret { key: "s" value: "RESULT" }
} }
"""


def test_calls_are_put_in_place() -> None:
    message = Parse(CALL.replace("RESULT", "a"), tf.GraphDef())
    y, z, first = tf.import_graph_def(message, {}, ["y", "z:0", "y:0"], name="")
    assert y.type == "IdentityN" and tf.get_default_graph().get_operation_by_name("y/add")
    assert tf.Session().run([first, z], {"x:0": 3.0}) == [6.0, 3.0]


def test_functions_that_are_not_right() -> None:
    with pytest.raises(ValueError, match="a function returns 'b:0'"):
        tf.import_graph_def(Parse(CALL.replace("RESULT", "b:z:0"), tf.GraphDef()))
    text = CALL.replace("RESULT", "a")
    with pytest.raises(ValueError, match="the library has no function 'h'"):
        tf.import_graph_def(Parse(text.replace('func { name: "g"', 'func { name: "h"'),
                                  tf.GraphDef()))  # fmt: skip
    with pytest.raises(ValueError, match="function 'g' calls itself"):
        tf.import_graph_def(Parse(text.replace('op: "AddV2"', 'op: "g"'), tf.GraphDef()))
    with pytest.raises(ValueError, match="takes 1 arguments, 2 are given"):
        tf.import_graph_def(Parse(text.replace('Call" input: "x"', 'Call" input: "x" input: "x"'),
                                  tf.GraphDef()))  # fmt: skip


def test_a_loop_hides_no_writing_of_files(tmp_path) -> None:
    """What runs by itself when a SavedModel is loaded is looked at in bodies, too."""
    path = str(tmp_path / "written")
    with tf.Session() as session:
        tf.get_variable("v", initializer=0.0)
        session.run(tf.global_variables_initializer())

        def body(i):
            with tf.control_dependencies([tf.io.write_file(path, "x")]):
                return tf.identity(i + 1)

        end = tf.while_loop(lambda i: i < 1, body, [0])
        builder = tf.saved_model.builder.SavedModelBuilder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(session, ["serve"], main_op=end.op)
        builder.save()
    with tf.Graph().as_default(), tf.Session() as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match="WriteFile"):
            tf.saved_model.loader.load(session, ["serve"], str(tmp_path / "model"))
    assert not (tmp_path / "written").exists()


def frame(name, op, *inputs, kind="DT_INT32", **more) -> str:
    lines = [f'name: "{name}" op: "{op}"', *(f'input: "{text}"' for text in inputs)]
    attrs = {"T": f"type: {kind}", **more} if kind else more
    lines += [f'attr {{ key: "{key}" value {{ {value} }} }}' for key, value in attrs.items()]
    return f"node {{ {' '.join(lines)} }}\n"


def frames(ends: str = "w/Less") -> str:
    """i, x while i < n: i + x, as TensorFlow 1 writes it."""
    name = 's: "w"'
    given = {"dtype": "type: DT_INT32", "kind": ""}
    return "".join((
        frame("x", "Placeholder", **given), frame("n", "Placeholder", **given),
        frame("w/Enter", "Enter", "x", frame_name=name),
        frame("w/Enter_n", "Enter", "n", frame_name=name, is_constant="b: true"),
        frame("w/Enter_x", "Enter", "x", frame_name=name, is_constant="b: true"),
        frame("w/Merge", "Merge", "w/Enter", "w/Next", N="i: 2"),
        frame("w/Less", "Less", "w/Merge", "w/Enter_n"),
        frame("w/LoopCond", "LoopCond", ends, kind=""),
        frame("w/Switch", "Switch", "w/Merge", "w/LoopCond"),
        frame("w/Identity", "Identity", "w/Switch:1"),
        frame("w/add", "AddV2", "w/Identity", "w/Enter_x"),
        frame("w/Next", "NextIteration", "w/add"),
        frame("w/Exit", "Exit", "w/Switch"),
        frame("y", "Neg", "w/Exit"),
    ))  # fmt: skip


def test_loops_in_frames_are_loops() -> None:
    tf.import_graph_def(Parse(frames(), tf.GraphDef()), name="")
    graph = tf.get_default_graph()
    assert graph.get_operation_by_name("w/While").type == "While"
    assert graph.get_operation_by_name("w/Exit").type == "Identity"
    assert graph.get_operation_by_name("w/add").type == "AddV2"
    for x, n, y in ((3, 10, -12), (1, 1, -1), (7, -5, -7)):
        assert tf.Session().run("y:0", {"x:0": x, "n:0": n}) == y


def test_frames_that_are_no_loops() -> None:
    text = frames() + frame("z", "LoopCond", "w/Less", kind="")
    with pytest.raises(ValueError, match="the loop 'w' has 2 conditions"):
        tf.import_graph_def(Parse(text, tf.GraphDef()))
    with pytest.raises(ValueError, match="is its own input"):
        tf.import_graph_def(Parse(frames("w/LoopCond"), tf.GraphDef()))


def test_arrays_are_stacks() -> None:
    real = {"kind": "", "dtype": "type: DT_FLOAT"}
    text = "".join((
        frame("n", "Placeholder", kind="", dtype="type: DT_INT32", shape="shape { }"),
        frame("i", "Placeholder", kind="", dtype="type: DT_INT32", shape="shape { }"),
        frame("all", "Placeholder", kind="", dtype="type: DT_INT32", shape="shape { dim { } }"),
        frame("x", "Placeholder", **real, shape="shape { dim { size: 2 } }"),
        frame("a", "TensorArrayV3", "n", **real, element_shape="shape { dim { size: 2 } }"),
        frame("b", "TensorArrayWriteV3", "a", "i", "x", "a:1", kind="DT_FLOAT"),
        frame("read", "TensorArrayReadV3", "a", "i", "b", **real),
        frame("size", "TensorArraySizeV3", "a", "b", kind=""),
        frame("rows", "TensorArrayGatherV3", "a", "all", "b", **real),
    )).replace("dim { }", "dim { size: -1 }")  # fmt: skip
    tf.import_graph_def(Parse(text, tf.GraphDef()), name="")
    feed = {"n:0": 3, "i:0": 1, "x:0": [4.0, 5.0], "all:0": [2, 1]}
    read, size, rows = tf.Session().run(["read:0", "size:0", "rows:0"], feed)
    assert read.tolist() == [4.0, 5.0] and size == 3
    assert rows.tolist() == [[0.0, 0.0], [4.0, 5.0]]
