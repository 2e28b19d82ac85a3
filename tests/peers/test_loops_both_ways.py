"""Branches and loops of TensorFlow run here with its results, and ours there.

FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers/test_loops_both_ways.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import flowgraph as tf

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")
WORKER = Path(__file__).parent / "loops_worker.py"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not PEER, reason="FLOWGRAPH_TENSORFLOW names no interpreter"),
]


def worker(what: str, folder: Path) -> None:
    subprocess.run([PEER, str(WORKER), what, str(folder)], check=True)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loops")
    worker("write", folder)
    worker("save_model", folder)
    return folder


@pytest.mark.parametrize("kind", ["ref", "resource"])
@pytest.mark.parametrize("model", ["collatz", "sums"])
@pytest.mark.parametrize("form", ["v2", "frames"])
def test_loops_of_tensorflow_run_here(theirs, model, form, kind):
    path = theirs / f"{model}-{form}-{kind}"
    known = np.load(f"{path}.npz")
    with tf.Graph().as_default(), tf.Session() as session:
        message = tf.GraphDef.FromString(Path(f"{path}.pb").read_bytes())
        tf.import_graph_def(message, name="")
        session.run("init")
        for x, y in zip(known["x"], known["y"], strict=True):
            np.testing.assert_allclose(session.run("y:0", {"x:0": x}), y, rtol=1e-6)


def test_arrays_in_loops_of_tensorflow_run_here(theirs):
    known = dict(np.load(theirs / "recurrent.npz"))
    y = known.pop("y")
    with tf.Graph().as_default(), tf.Session() as session:
        message = tf.GraphDef.FromString((theirs / "recurrent.frozen").read_bytes())
        tf.import_graph_def(message, name="")
        found = session.run("y:0", {f"{key}:0": value for key, value in known.items()})
    np.testing.assert_allclose(found, y, rtol=2e-5, atol=1e-6)


def test_functions_of_tensorflow_2_run_here(theirs):
    known = np.load(theirs / "function.npz")
    with tf.Graph().as_default(), tf.Session() as session:
        meta = tf.saved_model.loader.load(session, ["serve"], str(theirs / "function"))
        signature = meta.signature_def["serving_default"]
        feed = {signature.inputs["x"].name: known["x"]}
        y = session.run(signature.outputs["y"].name, feed)
    np.testing.assert_allclose(y, known["y"], rtol=1e-6)


def recurrent() -> dict[str, np.ndarray]:
    x = tf.placeholder(tf.float32, [None, 6, 3], name="x")
    length = tf.placeholder(tf.int32, [None], name="length")
    cell = tf.nn.rnn_cell.LSTMCell(4, initializer=tf.constant_initializer(0.2))
    outputs, _ = tf.nn.dynamic_rnn(cell, x, sequence_length=length, dtype=tf.float32)
    y = tf.reduce_mean(outputs, 1, name="y")
    loss = tf.reduce_sum(tf.square(y - 1.0), name="loss")
    tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="step")
    return {
        "x": np.sin(np.arange(36, dtype=np.float32)).reshape(2, 6, 3),
        "length": np.array([6, 4], np.int32),
    }


def branches() -> dict[str, np.ndarray]:
    x = tf.placeholder(tf.float32, [None], name="x")
    v = tf.get_variable("v", initializer=0.5)

    def step(i, s):
        return i + 1, tf.cond(tf.reduce_sum(s) > 4.0, lambda: s * v, lambda: s + x + v)

    _, y = tf.while_loop(lambda i, s: i < 9, step, [0, x])
    y = tf.identity(y, name="y")
    loss = tf.reduce_sum(tf.cond(v > 0.4, lambda: tf.square(y) * v, lambda: tf.abs(y)), name="loss")
    tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss, name="step")
    return {"x": np.array([0.5, 1.0, -0.25], np.float32)}


def mapped() -> dict[str, np.ndarray]:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    w = tf.get_variable("w", initializer=[[0.5, -1.0], [2.0, 0.25]])
    rows = tf.map_fn(lambda row: tf.linalg.matvec(w, row), x)
    y = tf.scan(lambda a, b: 0.5 * a + tf.tanh(b), rows, name="scan")
    y = tf.identity(y, name="y")
    loss = tf.reduce_sum(tf.square(y), name="loss")
    tf.train.GradientDescentOptimizer(0.01).minimize(loss, name="step")
    return {"x": np.linspace(-1, 1, 10, dtype=np.float32).reshape(5, 2)}


def test_our_loops_train_there(tmp_path):
    """What a Saver writes is restored by TensorFlow, runs, and trains on."""
    known = {}
    for model in (recurrent, branches, mapped):
        with tf.Graph().as_default(), tf.Session() as session:
            given = model()
            session.run(tf.global_variables_initializer())
            path = tf.train.Saver().save(session, str(tmp_path / model.__name__))
            np.savez(path, **given)
            feed = {f"{key}:0": value for key, value in given.items()}
            y = session.run("y:0", feed)
            losses = [session.run(["step", "loss:0"], feed)[1] for _ in range(3)]
            known[path] = y, losses
    worker("run", tmp_path)
    for path, (y, losses) in known.items():
        answer = np.load(f"{path}.answer.npz")
        np.testing.assert_allclose(answer["y"], y, rtol=2e-5, atol=1e-6, err_msg=path)
        np.testing.assert_allclose(answer["losses"][0], losses[0], rtol=2e-5, err_msg=path)
        np.testing.assert_allclose(answer["losses"], losses, rtol=1e-4, err_msg=path)
