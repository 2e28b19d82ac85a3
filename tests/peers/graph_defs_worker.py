"""Runs in an environment with TensorFlow: writes graphs and what they give, or runs ours.

python graph_defs_worker.py write FOLDER
python graph_defs_worker.py run FOLDER     (FOLDER/*.pb with *.npz of feeds; adds *.answer.npz)
"""

from __future__ import annotations

import glob
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf2  # noqa: ICN001  tf is its compat.v1

tf = tf2.compat.v1


def mlp():
    """Two dense layers and a step of Adam."""
    x = tf.placeholder(tf.float32, [None, 5], name="x")
    w = tf.get_variable("w", [5, 7], initializer=tf.constant_initializer(VALUES[:35]))
    b = tf.get_variable("b", [7], initializer=tf.zeros_initializer())
    h = tf.nn.relu(tf.matmul(x, w) + b)
    v = tf.get_variable("v", [7, 3], initializer=tf.constant_initializer(VALUES[35:56]))
    y = tf.identity(tf.nn.softmax(tf.matmul(h, v)), name="y")
    loss = tf.reduce_mean(tf.reduce_sum(tf.square(y - 0.25), axis=1), name="loss")
    tf.train.AdamOptimizer(0.1).minimize(loss, name="step")
    return np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)


def conv():
    """Convolution, batch normalisation, pooling, dense."""
    x = tf.placeholder(tf.float32, [None, 8, 8, 2], name="x")
    w = tf.get_variable("w", initializer=VALUES[:54].reshape(3, 3, 2, 3))
    h = tf.nn.conv2d(x, w, [1, 2, 2, 1], "SAME")
    scale, offset = tf.get_variable("s", initializer=VALUES[:3]), tf.zeros([3])
    h, _, _ = tf.nn.fused_batch_norm(h, scale, offset)
    h = tf.nn.max_pool(tf.nn.elu(h), [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    v = tf.get_variable("v", initializer=VALUES[:24].reshape(12, 2))
    y = tf.identity(tf.matmul(tf.reshape(h, [-1, 12]), v), name="y")
    loss = tf.reduce_sum(y * y, name="loss")
    tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss, name="step")
    return np.sin(np.arange(3 * 128, dtype=np.float32)).reshape(3, 8, 8, 2)


def branches():
    """Conditions inside and behind one another, trained through; an assertion."""
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    p = tf.placeholder_with_default(True, [], name="p")
    w = tf.get_variable("w", initializer=VALUES[:6].reshape(3, 2))
    b = tf.get_variable("v", initializer=VALUES[6:8])
    h = tf.cond(p, lambda: tf.matmul(x, w) * 2.0, lambda: x[:, :2] + b)
    positive = tf.reduce_sum(x) > 0
    h = tf.cond(positive, lambda: tf.cond(p, lambda: h + b, lambda: h - 1.0), lambda: 5.0 * h)
    with tf.control_dependencies([tf.assert_greater(tf.reduce_sum(x), -100.0)]):
        y = tf.identity(h, name="y")
    loss = tf.reduce_sum(y * y, name="loss")
    tf.train.GradientDescentOptimizer(0.01).minimize(loss, name="step")
    return np.array([[1, 2, 3], [4, 5, 6]], np.float32)


VALUES = np.cos(np.arange(100, dtype=np.float32))
MODELS = {"mlp": mlp, "conv": conv, "branches": branches}


def write(folder):
    """Each model, how it trains, and frozen."""
    tf.disable_v2_behavior()
    for name, model in MODELS.items():
        with tf.Graph().as_default() as graph:
            tf.get_variable_scope().set_use_resource(False)
            x = model()
            tf.global_variables_initializer()
            with tf.Session() as session:
                session.run("init")
                before = session.run("y:0", {"x:0": x})
                path = os.path.join(folder, name)
                tf.train.Saver().save(session, path + ".ckpt")
                frozen = tf.graph_util.convert_variables_to_constants(
                    session, graph.as_graph_def(), ["y"]
                )
                losses = []
                for _ in range(5):
                    session.run("step", {"x:0": x})
                    losses.append(session.run("loss:0", {"x:0": x}))
                tf.io.write_graph(graph, folder, name + ".pb", as_text=False)
                tf.io.write_graph(frozen, folder, name + ".frozen.pb", as_text=False)
                np.savez(path, x=x, y=before, losses=losses)


def saved_models(folder):
    """Each model as a SavedModel, with plain and with resource variables, in bytes and text."""
    tf.disable_v2_behavior()
    for name, model in MODELS.items():
        for kind in ("plain", "resource"):
            with tf.Graph().as_default(), tf.Session() as session:
                tf.get_variable_scope().set_use_resource(kind == "resource")
                x = model()
                tf.global_variables_initializer()
                session.run("init")
                get = session.graph.get_tensor_by_name
                signature = tf.saved_model.predict_signature_def(
                    {"x": get("x:0")}, {"y": get("y:0")}
                )
                place = os.path.join(folder, f"{name}-{kind}")
                builder = tf.saved_model.Builder(place)
                builder.add_meta_graph_and_variables(
                    session, ["serve"], {"serving_default": signature},
                    strip_default_attrs=kind == "resource",
                )  # fmt: skip
                builder.save(as_text=name == "mlp")
                y, losses = session.run("y:0", {"x:0": x}), []
                for _ in range(5):
                    session.run("step", {"x:0": x})
                    losses.append(session.run("loss:0", {"x:0": x}))
                np.savez(place, x=x, y=y, losses=losses)


def run(folder):
    """Imports every graph; its init, y, three steps, loss."""
    tf.disable_v2_behavior()
    for path in sorted(glob.glob(os.path.join(folder, "*.pb"))):
        graph_def = tf.GraphDef()
        with open(path, "rb") as file:
            graph_def.ParseFromString(file.read())
        feeds = dict(np.load(path[:-3] + ".npz"))
        answer = {}
        with tf.Graph().as_default() as graph, tf.Session() as session:
            tf.import_graph_def(graph_def, name="")
            names = {op.name for op in graph.get_operations()}
            if "init" in names:
                session.run("init")
            feed = {f"{key}:0": value for key, value in feeds.items()}
            answer["y"] = session.run("y:0", feed)
            if "step" in names:
                for _ in range(3):
                    session.run("step", feed)
                answer["loss"] = session.run("loss:0", feed)
        np.savez(path[:-3] + ".answer", **answer)
    for path in sorted(glob.glob(os.path.join(folder, "*", "saved_model.pb*"))):
        place = os.path.dirname(path)
        with tf.Graph().as_default(), tf.Session() as session:
            meta = tf.saved_model.load(session, ["serve"], place)
            known = meta.signature_def
            signature = known["serving_default" if "serving_default" in known else "predict"]
            feeds = {signature.inputs[k].name: v for k, v in np.load(place + ".npz").items()}
            y = session.run({k: v.name for k, v in signature.outputs.items()}, feeds)
            np.savez(place + ".answer", **y)
    for path in sorted(glob.glob(os.path.join(folder, "*.meta"))):
        with tf.Graph().as_default(), tf.Session() as session:
            saver = tf.train.import_meta_graph(path)
            saver.restore(session, path[:-5])
            feeds = {f"{k}:0": v for k, v in np.load(path[:-5] + ".npz").items()}
            names = [v.name for v in tf.trainable_variables()]
            np.savez(path[:-5] + ".answer", y=session.run("y:0", feeds), names=names)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
