"""Runs in an environment with TensorFlow: graphs with branches and loops, both ways.

python loops_worker.py write FOLDER
python loops_worker.py run FOLDER     (FOLDER/*.meta with *.npz of feeds; adds *.answer.npz)
"""

from __future__ import annotations

import glob
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf2  # noqa: ICN001  tf is its compat.v1

tf = tf2.compat.v1


def collatz(x):
    """A branch in a loop, and a variable that both read."""
    v = tf.get_variable("v", initializer=0.5)

    def body(i, s):
        return i + 1, tf.cond(s > 10.0, lambda: s * v, lambda: s * 3.0 + v)

    _, s = tf.while_loop(lambda i, s: i < 7, body, [0, x])
    return tf.cond(x > 2.0, lambda: tf.sqrt(x) * v + s, lambda: -s)


def sums(x):
    """A loop without end but for its condition, in a loop."""

    def outer(i, s):
        _, t = tf.while_loop(
            lambda j, t: tf.logical_and(j < i, t < 50.0), lambda j, t: (j + 1, t + x), [0, s]
        )
        return i + 1, t

    return tf.while_loop(lambda i, s: i < 6, outer, [0, x])[1]


def recurrent(folder):
    """A recurrent network over arrays, frozen."""
    tf.disable_control_flow_v2()
    given = np.sin(np.arange(36, dtype=np.float32)).reshape(2, 6, 3)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 6, 3], name="x")
        length = tf.placeholder(tf.int32, [None], name="length")
        kernel = np.cos(np.arange(28, dtype=np.float32)).reshape(7, 4)
        w = tf.get_variable("w", initializer=kernel)
        elements = tf.TensorArray(tf.float32, 6).unstack(tf.transpose(x, [1, 0, 2]))

        def body(t, h, out):
            new = tf.tanh(tf.matmul(tf.concat([elements.read(t), h], 1), w))
            new = tf.where(tf.tile((t < length)[:, None], [1, 4]), new, h)
            return t + 1, new, out.write(t, new)

        start = [0, tf.zeros([tf.shape(x)[0], 4]), tf.TensorArray(tf.float32, 6)]
        _, h, out = tf.while_loop(lambda t, *_: t < elements.size(), body, start)
        y = tf.identity(tf.reduce_sum(out.stack(), 0) + h, name="y")
        session.run(tf.global_variables_initializer())
        feeds = {"x": given, "length": np.array([6, 4], np.int32)}
        answer = session.run(y, {f"{key}:0": value for key, value in feeds.items()})
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
    np.savez(f"{folder}/recurrent", y=answer, **feeds)
    with open(f"{folder}/recurrent.frozen", "wb") as file:
        file.write(frozen.SerializeToString())


def write(folder):
    recurrent(folder)
    for kind in ("v2", "frames"):
        (tf.enable_control_flow_v2 if kind == "v2" else tf.disable_control_flow_v2)()
        for resource in (False, True):
            for model in (collatz, sums):
                name = f"{folder}/{model.__name__}-{kind}-{'resource' if resource else 'ref'}"
                with tf.Graph().as_default() as graph, tf.Session() as session:
                    tf.get_variable_scope().set_use_resource(resource)
                    x = tf.placeholder(tf.float32, [], name="x")
                    y = tf.identity(model(x), name="y")
                    session.run(tf.variables_initializer(tf.global_variables(), name="init"))
                    values = [session.run(y, {x: value}) for value in (1.5, 4.0)]
                    np.savez(name, x=[1.5, 4.0], y=values)
                    with open(f"{name}.pb", "wb") as file:
                        file.write(graph.as_graph_def().SerializeToString())


class Model(tf2.Module):
    """A function with a branch, a loop and a call."""

    def __init__(self):
        super().__init__()
        self.v = tf2.Variable(0.5)

    @tf2.function
    def scaled(self, x):
        return x * self.v

    @tf2.function(input_signature=[tf2.TensorSpec([None], tf2.float32, name="x")])
    def __call__(self, x):
        i, total = tf2.constant(0), tf2.zeros_like(x)
        while i < 4:
            if tf2.reduce_sum(total) > 3.0:
                total = total - self.scaled(x)
            else:
                total = total + self.v + x
            i += 1
        return {"y": total}


def save_model(folder):
    model = Model()
    tf2.saved_model.save(model, f"{folder}/function", signatures=model.__call__)
    x = np.array([0.25, 1.0, 1.5], np.float32)
    np.savez(f"{folder}/function", x=x, y=model(x)["y"])


def run(folder):
    for path in sorted(glob.glob(os.path.join(folder, "*.meta"))):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.train.import_meta_graph(path).restore(session, path[:-5])
            known = np.load(path[:-5] + ".npz")
            feeds = {f"{k}:0": v for k, v in known.items()}
            answer = {"y": session.run("y:0", feeds)}
            answer["losses"] = [session.run(["step", "loss:0"], feeds)[1] for _ in range(3)]
            np.savez(path[:-5] + ".answer", **answer)


if __name__ == "__main__":
    if sys.argv[1] != "save_model":
        tf.disable_eager_execution()
    globals()[sys.argv[1]](sys.argv[2])
