"""Pictures of graphs, checked on what the renderer makes of them (REQUIREMENTS G26)."""

from __future__ import annotations

import math
import os
import shutil
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import config, view
from flowgraph.dtypes import float32
from flowgraph.shapes import format_dims
from flowgraph.view import picture, roles
from flowgraph.view.render import draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(source: str) -> dict[str, list[ET.Element]]:
    """The nodes, edges and clusters of the rendered picture, as SVG groups."""
    root = ET.fromstring(draw(source, "svg"))
    found: dict[str, list[ET.Element]] = {"node": [], "edge": [], "cluster": []}
    for group in root.iter(SVG + "g"):
        found.get(group.get("class", ""), []).append(group)
    return found


def titles(groups: list[ET.Element]) -> list[str]:
    return [group.find(SVG + "title").text for group in groups]


def texts(group: ET.Element) -> str:
    return " ".join(text.text or "" for text in group.iter(SVG + "text"))


@pytest.fixture
def trained() -> tf.Graph:
    """A small model with scopes, gradients and an optimizer with slots."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        with tf.name_scope("layer"):
            w = tf.Variable(tf.random_uniform([3, 2]), name="w")
            y = tf.tanh(tf.matmul(x, w) * 2.0, name="y")
        with tf.name_scope("loss"):
            loss = tf.reduce_mean(tf.square(y), name="loss")
        with tf.name_scope("train"):
            tf.train.AdamOptimizer(0.01).minimize(loss)
        tf.global_variables_initializer()
    return graph


def test_every_operation_is_one_node_and_every_input_one_edge(trained):
    """G26: fully expanded, every node and edge once, scopes as clusters, specs on edges."""
    with trained.as_default():
        x = trained.get_tensor_by_name("x:0")
        _ = x + x  # two edges between the same nodes
    found = drawn(view.dot(trained, math.inf, fold=False).source)
    ops = trained.get_operations()
    assert sorted(titles(found["node"])) == sorted(op.name for op in ops)
    expected = Counter(
        f"{before}->{op.name}"
        for op in ops
        for before in [*(t.op.name for t in op.inputs), *(c.name for c in op.control_inputs)]
    )
    assert Counter(titles(found["edge"])) == expected
    scopes = {op.name[:i] for op in ops for i, char in enumerate(op.name) if char == "/"}
    assert set(titles(found["cluster"])) == {f"cluster_{scope}/" for scope in scopes}
    for group in found["edge"]:
        tail = trained.get_operation_by_name(titles([group])[0].split("->")[0])
        label = texts(group)
        if label:
            specs = [t.dtype.base_dtype.name + format_dims(t.dims) for t in tail.outputs]
            assert label.strip() in specs
    labelled = sum(bool(texts(group)) for group in found["edge"])
    assert labelled == sum(len(op.inputs) for op in ops)  # control edges carry no text


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=12), st.data())
def test_random_graphs_are_drawn_completely(wiring, data):
    """G26 for any wiring and names: repeated inputs, control inputs, names that are also scopes."""
    graph = tf.Graph()
    names = st.sampled_from(["a", "b", "a/b", "b/a", "a/b/c", "x.y", "a/-z", "back\\slash"])
    for inputs in wiring:
        made = graph.get_operations()
        sources = [made[i % len(made)] for i in inputs] if made else []
        graph.create_op(
            "Test", [op.outputs[0] for op in sources], [float32], [(None, 2)],
            data.draw(names), control_inputs=dict.fromkeys(sources[:1]),
        )  # fmt: skip
    found = drawn(view.dot(graph, math.inf, fold=False).source)
    ops = graph.get_operations()
    assert len(found["node"]) == len(ops)
    assert len(found["edge"]) == sum(len(op.inputs) + len(op.control_inputs) for op in ops)
    # DOT reads no escapes in identifiers, so a backslash that was doubled stays so in the title.
    assert sorted(titles(found["node"])) == sorted(op.name.replace("\\", "\\\\") for op in ops)


def test_a_variable_is_one_cylinder(trained):
    source = view.dot(trained, math.inf).source
    found = drawn(source)
    inside = [title for title in titles(found["node"]) if title.startswith("layer/w")]
    assert inside == ["layer/w"]  # with Assign, read, initial value and Adam's slots
    assert not any("random_uniform" in title for title in titles(found["node"]))
    (line,) = [line for line in source.splitlines() if line.strip().startswith('"layer/w" [')]
    assert "shape=cylinder" in line
    assert "float32[3, 2]" in line


def test_arguments_are_shown_inside_their_operation(trained):
    found = drawn(view.dot(trained, math.inf).source)
    assert "layer/mul/y" not in titles(found["node"])
    (mul,) = [group for group in found["node"] if titles([group]) == ["layer/mul"]]
    assert "y = 2." in texts(mul)
    with tf.Graph().as_default() as graph:  # a constant of its own stays a node (lecture: node1)
        tf.add(tf.constant(3.0), tf.constant(4.0))
    assert set(titles(drawn(view.dot(graph).source)["node"])) == {"Const", "Const_1", "Add"}


def test_roles(trained):
    ops = trained.get_operations()
    role = {op.name: role for op, role in roles.roles_of(ops).items()}
    assert role["layer/w"] == role["layer/y"] == role["loss/loss"] == role["x"] == roles.FORWARD
    assert role["layer/w/Assign"] == role["init"] == roles.INITIAL
    assert role["layer/w/Adam"] == role["train/beta1_power"] == roles.UPDATE
    assert role["train/Adam"] == role["train/Adam/learning_rate"] == roles.UPDATE
    for name, found in role.items():
        assert (found == roles.GRADIENT) == ("gradients/" in name), name
        if name.startswith("layer/random_uniform"):
            assert found == roles.INITIAL, name
        if "train/Adam/update" in name:
            assert found == roles.UPDATE, name


def test_savers_neither_train_nor_are_trained(trained, tmp_path):
    with trained.as_default(), tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "model"))
    with tf.Graph().as_default() as with_saver:
        tf.train.import_meta_graph(f"{path}.meta")
    role = {op.name: role for op, role in roles.roles_of(with_saver.get_operations()).items()}
    assert role["layer/w"] == roles.FORWARD
    assert role["train/beta1_power"] == role["layer/w/Adam"] == roles.UPDATE
    saving = {name: found for name, found in role.items() if name.startswith("save")}
    assert {"save/SaveV2", "save/RestoreV2", "save/restore_all"} <= set(saving)
    assert set(saving.values()) == {roles.INITIAL}


def test_hand_written_updates_are_updates():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2], name="x")
        w = tf.Variable([1.0, 2.0], name="w")
        loss = tf.reduce_sum(w * x, name="loss")
        (grad,) = tf.gradients(loss, [w.value()])
        tf.assign(w, w - tf.multiply(grad, 0.1, name="scaled"), name="step")
        step = tf.Variable(0, name="global_step")
        tf.assign_add(step, 1, name="count")
    role = {op.name: role for op, role in roles.roles_of(graph.get_operations()).items()}
    for name in ("step", "scaled", "count", "global_step"):
        assert role[name] == roles.UPDATE, name
    assert role["w"] == role["loss"] == role["x"] == roles.FORWARD


def test_depth_closes_scopes(trained):
    shown = {box.name: box for box in picture.make_picture(trained, 0).all_boxes()}
    assert {"layer/", "loss/", "train/", "x", "init"} == set(shown)
    assert shown["layer/"].kind == picture.SCOPE
    assert shown["train/"].role == picture.MIXED
    one = [box.name for box in picture.make_picture(trained, 1).all_boxes()]
    assert "train/gradients/" in one
    assert "layer/MatMul" in one
    every_op = {op for box in shown.values() for op in box.ops}
    assert every_op == set(trained.get_operations())


def test_opened_closed_and_overview(trained):
    names = [b.name for b in picture.make_picture(trained, 0, opened=["train/Adam"]).all_boxes()]
    assert "train/gradients/" in names
    assert "train/Adam/beta1" in names
    assert "layer/" in names
    names = [b.name for b in picture.make_picture(trained, closed=["layer"]).all_boxes()]
    assert "layer/" in names
    assert "loss/loss" in names
    boxes = {b.name: b for b in picture.make_picture(trained, overview=True).all_boxes()}
    assert boxes["train/gradients/"].role == roles.GRADIENT
    assert boxes["train/Adam/"].role == roles.UPDATE
    assert "layer/MatMul" in boxes
    with pytest.raises(ValueError, match="no scope named 'lyaer'; did you mean 'layer'"):
        view.dot(trained, closed=["lyaer"])


def test_bundles_count_their_tensors(trained):
    whole = picture.make_picture(trained, 0)
    pairs = Counter((edge.tail.name, edge.head.name) for edge in whole.edges)
    assert set(pairs.values()) == {1}
    box_of = {op: box for box in whole.all_boxes() for op in box.ops}
    crossing = Counter(
        (box_of[t.op].name, box_of[op].name)
        for op in trained.get_operations()
        for t in op.inputs
        if box_of[t.op] is not box_of[op]
    )
    drawn_tensors = {(e.tail.name, e.head.name): len(e.tensors) for e in whole.edges if e.tensors}
    assert drawn_tensors == dict(crossing)


def test_large_graphs_are_collapsed():
    graph = tf.Graph()
    for layer in range(40):
        for _ in range(30):
            graph.create_op("Test", [], [float32], [()], f"layer_{layer}/op")
    boxes = picture.make_picture(graph).all_boxes()
    assert [len(box.ops) for box in boxes] == [40] * 30  # the layers are alike: one is drawn
    assert len(picture.make_picture(graph, fold_blocks=False).all_boxes()) == 40
    flat = tf.Graph()
    last = flat.create_op("Test", [], [float32], [()], "x").outputs[0]
    for _ in range(2000):
        last = flat.create_op("Test", [last], [float32], [()], "x").outputs[0]
        flat.create_op("Other", [], [float32], [()], "block/y")
    boxes = picture.make_picture(flat).all_boxes()
    assert len(boxes) <= 300
    assert sum(len(box.ops) for box in boxes) == 4001


def test_fetches_draw_what_they_need(trained):
    y = trained.get_tensor_by_name("layer/y:0")
    names = {op.name for op in picture.operations_of([{"a": y}])}
    assert {"x", "layer/w", "layer/MatMul"} <= names
    assert not any(name.startswith(("loss", "train", "init")) for name in names)
    assert picture.operations_of(tf.Session(graph=trained)) == trained.get_operations()
    with trained.as_default():
        assert picture.operations_of("x") == [y.graph.get_operation_by_name("x")]
    with pytest.raises(TypeError, match="cannot draw 3"):
        view.dot(3)
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with pytest.raises(ValueError, match="different graphs"):
        view.dot([y, other])


def test_tooltips_tell_the_users_line():
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="here")  # the line that is shown
    assert "test_view.py" in view.dot(graph).source
    assert "# the line that is shown" in view.dot(graph).source


def test_save_formats(trained, tmp_path):
    svg = view.save(tmp_path / "g.svg", trained, overview=True)
    assert svg.read_bytes().startswith(b"<?xml")
    png = view.save(str(tmp_path / "g.png"), trained, overview=True)
    assert png.read_bytes().startswith(b"\x89PNG")
    dot = view.save(tmp_path / "g.dot", trained)
    assert dot.read_text().startswith("digraph")
    page = view.save(tmp_path / "g.html", trained, title="of save")
    assert "<title>of save</title>" in page.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="ending"):
        view.save(tmp_path / "g", trained)
    with pytest.raises(RuntimeError, match="could not draw"):
        view.save(tmp_path / "g.nonsense", trained)


def test_direction_and_title(trained):
    source = view.dot(trained, direction="LR", title="A <model> & more").source
    assert "rankdir=LR" in source
    drawn(source)
    assert "A &lt;model&gt; &amp; more" in source
    with pytest.raises(ValueError, match="direction"):
        view.dot(trained, direction="UP")


def test_without_a_renderer(trained, tmp_path, monkeypatch):
    with config.override(DOT="no-such-program"):
        with pytest.raises(view.RendererNotFoundError, match="FLOWGRAPH_DOT='no-such-program'"):
            view.save(tmp_path / "g.svg", trained)
        assert view.save(tmp_path / "g.dot", trained).exists()
        bundle = trained._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "no picture" in bundle["text/plain"]
    monkeypatch.setattr("flowgraph.view.render.shutil.which", lambda *args, **kwargs: None)
    with pytest.raises(view.RendererNotFoundError, match="pip install graphviz-pure"):
        draw("digraph {}", "svg")


def test_notebooks_show_the_graph(trained):
    bundle = trained._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]
    assert bundle["text/plain"] == f"<tf.Graph with {len(trained.get_operations())} operations>"


def test_values_of_constants_are_shown_when_short():
    with tf.Graph().as_default() as graph:
        tf.constant(0.5, name="half")
        tf.constant(np.zeros((20, 30), np.float32), name="big")
        tf.constant("<a & b>", name="text")
    found = {titles([group])[0]: texts(group) for group in drawn(view.dot(graph).source)["node"]}
    assert "0.5" in found["half"]
    assert "float32[20, 30]" in found["big"]
    assert "text" in found["text"]


@pytest.mark.skipif(shutil.which("dot") is None, reason="no system Graphviz")
def test_system_dot_draws_the_same(trained):
    source = view.dot(trained).source
    by_system = drawn(source)
    pure = shutil.which("graphviz-pure", path=os.path.dirname(os.sys.executable))
    with config.override(DOT=pure):
        by_wheel = drawn(source)
    for kind in by_system:
        assert Counter(titles(by_system[kind])) == Counter(titles(by_wheel[kind]))
