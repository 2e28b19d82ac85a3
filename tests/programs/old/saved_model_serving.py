"""simple_save and the loader: a model that outlives its program."""

import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.python.saved_model import signature_constants, tag_constants

path = os.path.join(tempfile.mkdtemp(), "1")
x = tf.placeholder(tf.float32, [None, 3], name="x")
w = tf.get_variable("w", [3, 2], initializer=tf.random_normal_initializer(seed=1))
y = tf.nn.softmax(tf.matmul(x, w), name="y")
data = np.random.RandomState(0).randn(5, 3)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    tf.saved_model.simple_save(sess, path, inputs={"x": x}, outputs={"y": y})
    expected = sess.run(y, {x: data})

with tf.Graph().as_default(), tf.Session() as sess:
    meta = tf.saved_model.loader.load(sess, [tag_constants.SERVING], path)
    key = signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
    signature = meta.signature_def[key]
    found = sess.run(signature.outputs["y"].name, {signature.inputs["x"].name: data})
np.testing.assert_array_equal(found, expected)
print("served", found.shape)
