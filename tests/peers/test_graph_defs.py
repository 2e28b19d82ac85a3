"""Graphs of TensorFlow run here with its results, and ours there.

FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers/test_graph_defs.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import flowgraph as tf

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")
WORKER = Path(__file__).parent / "graph_defs_worker.py"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not PEER, reason="FLOWGRAPH_TENSORFLOW names no interpreter"),
]


def worker(what: str, folder: Path) -> None:
    subprocess.run([PEER, str(WORKER), what, str(folder)], check=True)


def imported(path: Path) -> tf.Session:
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(tf.GraphDef.FromString(path.read_bytes()), name="")
    return tf.Session(graph=graph)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs")
    worker("write", folder)
    return folder


@pytest.mark.parametrize("model", ["mlp", "conv", "branches"])
def test_graphs_of_tensorflow_run_here(theirs, model):
    known = np.load(theirs / f"{model}.npz")
    feed = {"x:0": known["x"]}
    with imported(theirs / f"{model}.pb") as session:
        session.run("init")
        np.testing.assert_allclose(session.run("y:0", feed), known["y"], rtol=2e-5, atol=1e-6)
        for loss in known["losses"]:
            session.run("step", feed)
            np.testing.assert_allclose(session.run("loss:0", feed), loss, rtol=1e-4)
    with imported(theirs / f"{model}.frozen.pb") as session:
        np.testing.assert_allclose(session.run("y:0", feed), known["y"], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("model", ["mlp", "conv"])
def test_a_graph_comes_back_as_it_was(theirs, model):
    given = tf.GraphDef.FromString((theirs / f"{model}.pb").read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(given, name="")
    known = {node.name: node for node in graph.as_graph_def().node}
    assert [node.name for node in given.node] == list(known)
    for node in given.node:
        assert known[node.name].input == node.input and known[node.name].op == node.op
        assert known[node.name].attr["T"] == node.attr["T"]


def mlp() -> np.ndarray:
    x = tf.placeholder(tf.float32, [None, 5], name="x")
    h = tf.layers.dense(x, 7, tf.nn.tanh, kernel_initializer=tf.constant_initializer(0.3))
    y = tf.identity(tf.layers.dense(h, 3), name="y")
    loss = tf.reduce_sum(tf.nn.softplus(y), name="loss")
    tf.train.AdamOptimizer(0.05).minimize(loss, name="step")
    return np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)


def conv() -> np.ndarray:
    x = tf.placeholder(tf.float32, [None, 8, 8, 2], name="x")
    h = tf.layers.conv2d(x, 4, 3, padding="same", activation=tf.nn.relu)
    h = tf.layers.max_pooling2d(h, 2, 2)
    y = tf.identity(tf.layers.dense(tf.layers.flatten(h), 3), name="y")
    labels = tf.one_hot([0, 1, 2], 3)
    loss = tf.losses.softmax_cross_entropy(labels, y)
    tf.identity(loss, name="loss")
    tf.train.RMSPropOptimizer(0.01).minimize(loss, name="step")
    return np.sin(np.arange(3 * 128, dtype=np.float32)).reshape(3, 8, 8, 2)


@pytest.mark.parametrize("model", [mlp, conv])
def test_our_graphs_run_there(tmp_path, model):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = model()
        variables = tf.global_variables()
        tf.global_variables_initializer()
        session.run("init")
        # TensorFlow draws other numbers: give both the same.
        values = [np.cos(np.arange(v.shape.num_elements())).reshape(v.shape.as_list())
                  for v in tf.trainable_variables()]  # fmt: skip
        fresh = tf.group(*[v.initializer for v in variables if not v.trainable])
        gives = [v.assign(a * 0.3) for v, a in zip(tf.trainable_variables(), values, strict=True)]
        ready = tf.group(fresh, *gives)
        graph_def = graph.as_graph_def()
        init = next(node for node in graph_def.node if node.name == "init")
        init.input[:] = [f"^{ready.op.name if hasattr(ready, 'op') else ready.name}"]
        session.run(ready)
        feed = {"x:0": x}
        y = session.run("y:0", feed)
        frozen = tf.graph_util.convert_variables_to_constants(session, graph_def, ["y"])
        for _ in range(3):
            session.run("step", feed)
        loss = session.run("loss:0", feed)
    for name, message in (("whole", graph_def), ("frozen", frozen)):
        tf.io.write_graph(message, tmp_path, f"{name}.pb", as_text=False)
        np.savez(tmp_path / f"{name}.npz", x=x)
    worker("run", tmp_path)
    whole, part = np.load(tmp_path / "whole.answer.npz"), np.load(tmp_path / "frozen.answer.npz")
    np.testing.assert_allclose(whole["y"], y, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(part["y"], y, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(whole["loss"], loss, rtol=1e-4)


def test_saved_models_of_tensorflow_go_on_here(theirs):
    """What a .meta file and a checkpoint of TensorFlow hold is restored, trains and is saved."""
    for model in ("mlp", "conv"):
        known = np.load(theirs / f"{model}.npz")
        feed = {"x:0": known["x"]}
        with tf.Graph().as_default(), tf.Session() as session:
            saver = tf.train.import_meta_graph(str(theirs / f"{model}.ckpt.meta"))
            saver.restore(session, str(theirs / f"{model}.ckpt"))
            np.testing.assert_allclose(session.run("y:0", feed), known["y"], rtol=2e-5, atol=1e-6)
            for loss in known["losses"]:
                session.run("step", feed)
                np.testing.assert_allclose(session.run("loss:0", feed), loss, rtol=1e-4)
            assert {"w:0", "v:0"} <= {v.name for v in tf.trainable_variables()}


def test_our_saved_models_are_restored_there(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        x = mlp()
        session.run(tf.global_variables_initializer())
        session.run("step", {"x:0": x})
        path = tf.train.Saver().save(session, str(tmp_path / "ours"))
        y = session.run("y:0", {"x:0": x})
        names = [v.name for v in tf.trainable_variables()]
    np.savez(tmp_path / "ours.npz", x=x)
    worker("run", tmp_path)
    answer = np.load(f"{path}.answer.npz")
    np.testing.assert_allclose(answer["y"], y, rtol=2e-5, atol=1e-6)
    assert list(answer["names"]) == names


@pytest.fixture(scope="module")
def their_saved_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    worker("saved_models", folder)
    return folder


@pytest.mark.parametrize("kind", ["plain", "resource"])
@pytest.mark.parametrize("model", ["mlp", "conv", "branches"])
def test_saved_models_in_directories_run_here(their_saved_models, model, kind):
    place = their_saved_models / f"{model}-{kind}"
    known = np.load(f"{place}.npz")
    with tf.Graph().as_default(), tf.Session() as session:
        meta = tf.saved_model.loader.load(session, ["serve"], str(place))
        signature = meta.signature_def["serving_default"]
        feed = {signature.inputs["x"].name: known["x"]}
        y = session.run(signature.outputs["y"].name, feed)
        np.testing.assert_allclose(y, known["y"], rtol=2e-5, atol=1e-6)
        for loss in known["losses"]:
            session.run("step", feed)
            np.testing.assert_allclose(session.run("loss:0", feed), loss, rtol=1e-4)


@pytest.mark.parametrize("model", [mlp, conv])
@pytest.mark.parametrize("as_text", [False, True])
def test_our_saved_models_in_directories_run_there(tmp_path, model, as_text):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = model()
        session.run(tf.global_variables_initializer())
        session.run("step", {"x:0": x})
        inputs, outputs = ({k: graph.get_tensor_by_name(f"{k}:0")} for k in "xy")
        signature = tf.saved_model.predict_signature_def(inputs, outputs)
        builder = tf.saved_model.builder.SavedModelBuilder(str(tmp_path / "m"))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, strip_default_attrs=as_text
        )
        builder.save(as_text=as_text)
        y = session.run("y:0", {"x:0": x})
    np.savez(tmp_path / "m.npz", x=x)
    worker("run", tmp_path)
    answer = np.load(tmp_path / "m.answer.npz")
    np.testing.assert_allclose(answer["y"], y, rtol=2e-5, atol=1e-6)


def test_our_estimators_run_there(tmp_path):
    """Vocabularies, hashes, crosses and buckets, exported without default attrs."""
    x = np.cos(np.arange(80, dtype=np.float32)).reshape(20, 4)
    words = np.array(["r", "g", "b", "other"])[np.arange(20) % 4]
    (tmp_path / "words.txt").write_text("r\ng\nb\n")
    column = tf.feature_column
    numbers = column.numeric_column("x", shape=4)
    buckets = column.bucketized_column(column.numeric_column("a"), [0.0, 0.5])
    in_list = column.categorical_column_with_vocabulary_list("c", ["r", "b"], num_oov_buckets=2)
    in_file = column.categorical_column_with_vocabulary_file("d", str(tmp_path / "words.txt"))
    hashed = column.categorical_column_with_hash_bucket("h", 7)
    features = {"x": x, "a": x[:, 0], "c": words, "d": words, "h": words}
    model = tf.estimator.DNNLinearCombinedRegressor(
        str(tmp_path / "model"),
        linear_feature_columns=[buckets, in_list, column.crossed_column(["c", "h"], 11)],
        dnn_feature_columns=[
            numbers, column.embedding_column(in_list, 2), column.indicator_column(hashed),
            column.indicator_column(in_file),
        ],
        dnn_hidden_units=[5],
    )  # fmt: skip
    data = tf.estimator.inputs.numpy_input_fn
    model.train(data(features, x[:, 1] * 2, 10, None, True), steps=30)
    known = [row["predictions"] for row in model.predict(data(features, shuffle=False))]
    receiver = tf.estimator.export.build_raw_serving_input_receiver_fn(features)
    path = model.export_saved_model(str(tmp_path / "there"), receiver).decode()
    (tmp_path / "words.txt").unlink()
    np.savez(f"{path}.npz", **features)
    worker("run", tmp_path / "there")
    answer = np.load(f"{path}.answer.npz")
    np.testing.assert_allclose(answer["predictions"], known, rtol=1e-5, atol=1e-6)
