"""``flowgraph view``: pictures of graphs in files."""

from __future__ import annotations

import json
import re

import pytest

import flowgraph as tf
from flowgraph import cli


@pytest.fixture
def graph():
    with tf.Graph().as_default() as made:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        with tf.name_scope("layer"):
            tf.nn.relu(tf.matmul(x, tf.get_variable("w", [3, 2])), name="y")
    return made


def names_in(page) -> set[str]:
    text = page.read_text(encoding="utf-8")
    model = json.loads(re.search(r'id="model">(.*?)</script>', text)[1])
    scopes = [scope[0] for scope in model["scopes"]]
    nodes = model["nodes"]
    return {
        scopes[scope] + name if name.startswith("/") else name
        for name, scope in zip(nodes["name"], nodes["scope"], strict=True)
    }


def files(graph, folder):
    """The graph in every kind of file."""
    definition = graph.as_graph_def()
    (folder / "graph.pb").write_bytes(definition.SerializeToString())
    tf.train.write_graph(graph, str(folder), "graph.pbtxt", as_text=True)
    tf.train.export_meta_graph(str(folder / "model.meta"), graph=graph)
    tf.summary.FileWriter(str(folder / "logs"), graph).close()
    with tf.Session(graph=graph) as session:
        session.run(tf.variables_initializer(graph.get_collection("variables")))
        inputs = {"x": graph.get_tensor_by_name("x:0")}
        outputs = {"y": graph.get_tensor_by_name("layer/y:0")}
        tf.saved_model.simple_save(session, str(folder / "saved"), inputs, outputs)
    (event,) = (folder / "logs").iterdir()
    saved = folder / "saved"
    return [
        folder / "graph.pb", folder / "graph.pbtxt", folder / "model.meta", event,
        folder / "logs", saved, saved / "saved_model.pb",
    ]  # fmt: skip


def test_every_kind_of_file(graph, tmp_path, capsys):
    with graph.as_default():
        paths = files(graph, tmp_path)
    for number, path in enumerate(paths):
        out = tmp_path / f"{number}.html"
        assert cli.main(["view", str(path), "-o", str(out)]) == 0, capsys.readouterr().err
        assert {"x", "layer/MatMul", "layer/y", "w"} <= names_in(out), path
        assert f"wrote {out}" in capsys.readouterr().out


def test_other_formats_and_defaults(graph, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    assert cli.main(["view", "graph.pb"]) == 0
    assert "<title>graph.pb</title>" in (tmp_path / "graph.html").read_text(encoding="utf-8")
    assert cli.main(["view", "graph.pb", "-o", "g.dot", "--depth", "0", "--title", "T"]) == 0
    source = (tmp_path / "g.dot").read_text()
    assert '"layer/"' in source and "<B>T</B>" in source
    capsys.readouterr()


def test_what_is_no_graph(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.pb").write_bytes(b"\xff\xff\xff")
    (tmp_path / "wrong.pbtxt").write_text("node {")
    for name, message in (
        ("missing.pb", "there is no"), ("empty", "neither a SavedModel"),
        ("wrong.pb", "is no graph"), ("wrong.pbtxt", "is no graph"),
    ):  # fmt: skip
        assert cli.main(["view", str(tmp_path / name)]) == 1
        assert message in capsys.readouterr().err
    assert cli.main(["view"]) == 2
    assert cli.main(["view", "--help"]) == 0
    assert "flowgraph view" in capsys.readouterr().out
