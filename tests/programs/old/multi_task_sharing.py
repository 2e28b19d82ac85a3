"""Two heads over shared layers: get_variable, reuse, templates, moving averages, stop_gradient."""

import numpy as np
import tensorflow as tf

tf.set_random_seed(2)


def trunk(x):
    with tf.variable_scope("trunk", reuse=tf.AUTO_REUSE):
        w = tf.get_variable("w", [4, 10], initializer=tf.glorot_uniform_initializer())
        return tf.nn.tanh(tf.matmul(x, w))


def head(x, size):
    return tf.layers.dense(x, size, name="dense")


first = tf.make_template("first", head, size=1)
x1, x2 = tf.placeholder(tf.float32, [None, 4]), tf.placeholder(tf.float32, [None, 4])
y1, y2 = tf.placeholder(tf.float32, [None, 1]), tf.placeholder(tf.float32, [None, 1])
loss1 = tf.losses.mean_squared_error(y1, first(trunk(x1)))
shared = tf.stop_gradient(trunk(x2))
with tf.variable_scope("second"):
    loss2 = tf.losses.mean_squared_error(y2, head(shared, 1))
again = first(trunk(x1))
assert [v.op.name for v in tf.trainable_variables()] == [
    "trunk/w", "first/dense/kernel", "first/dense/bias",
    "second/dense/kernel", "second/dense/bias"]
ema = tf.train.ExponentialMovingAverage(decay=0.95)
train = tf.train.AdamOptimizer(0.03).minimize(tf.losses.get_total_loss())
with tf.control_dependencies([train]):
    train = tf.group(ema.apply(tf.trainable_variables()), name="train")
w = tf.trainable_variables()[0]
assert tf.gradients(loss2, w) == [None]

rng = np.random.RandomState(0)
data = rng.uniform(-1, 1, [100, 4])
feed = {x1: data, y1: data[:, :1] * 0.5 - data[:, 1:2], x2: data, y2: data[:, 2:3] + 0.1}
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(300):
        sess.run(train, feed)
    a, b, value, average = sess.run([loss1, loss2, w, ema.average(w)], feed)
    saver = tf.train.Saver(ema.variables_to_restore())
print(a, b)
assert a < 0.01 and b < 0.05, (a, b)
assert 0 < np.abs(value - average).max() < 0.2
