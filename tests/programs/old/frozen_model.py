"""Freeze a trained network into one file, and run that file."""

import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import graph_util
from tensorflow.python.platform import gfile

x = tf.placeholder(tf.float32, [None, 2], name="input")
with tf.variable_scope("hidden"):
    h = tf.layers.dense(x, 8, activation=tf.tanh, kernel_initializer=tf.random_normal_initializer(seed=3))
output = tf.sigmoid(tf.layers.dense(h, 1, kernel_initializer=tf.random_normal_initializer(seed=4)),
                    name="output")
target = tf.placeholder(tf.float32, [None, 1])
loss = tf.reduce_mean(tf.square(output - target))
train = tf.train.AdamOptimizer(0.1).minimize(loss)
corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
xor = np.array([[0], [1], [1], [0]], np.float32)
path = os.path.join(tempfile.mkdtemp(), "frozen.pb")

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(300):
        sess.run(train, {x: corners, target: xor})
    before = sess.run(output, {x: corners})
    constant = graph_util.convert_variables_to_constants(sess, sess.graph_def, ["output"])
    with tf.gfile.FastGFile(path, mode="wb") as f:
        f.write(constant.SerializeToString())
print(before.ravel(), os.path.getsize(path), "bytes")
assert np.abs(before - xor).max() < 0.2, before

with gfile.FastGFile(path, "rb") as f:
    graph_def = tf.GraphDef()
    graph_def.ParseFromString(f.read())
assert not [n for n in graph_def.node if n.op.startswith("Variable") or "Adam" in n.name]
with tf.Graph().as_default() as graph:
    found, = tf.import_graph_def(graph_def, name="frozen", return_elements=["output:0"])
    with tf.Session(graph=graph) as sess:
        after = sess.run(found, {"frozen/input:0": corners})
np.testing.assert_allclose(after, before, rtol=1e-6)
