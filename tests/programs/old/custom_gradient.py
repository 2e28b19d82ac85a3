"""Gradients of one's own: a registered one, an overridden one, and a function of NumPy's."""

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops


@ops.RegisterGradient("StraightThrough")
def _straight_through(op, grad):
    return grad


@tf.RegisterGradient("MySquareGrad")
def _my_square_grad(op, grad):
    x = op.inputs[0]
    return grad * 20 * x


def binarize(x):
    g = tf.get_default_graph()
    with g.gradient_override_map({"Sign": "StraightThrough"}):
        return tf.sign(x, name="binary")


def py_func(func, inp, Tout, stateful=True, name=None, grad=None):
    rnd_name = "PyFuncGrad" + str(np.random.randint(0, 1E+8))
    tf.RegisterGradient(rnd_name)(grad)
    g = tf.get_default_graph()
    with g.gradient_override_map({"PyFunc": rnd_name}):
        return tf.py_func(func, inp, Tout, stateful=stateful, name=name)


def mysquare(x, name=None):
    with ops.name_scope(name, "Mysquare", [x]) as name:
        sqr_x = py_func(np.square, [x], [tf.float32], name=name, grad=_my_square_grad)
        return sqr_x[0]


@tf.custom_gradient
def clip_gradient(x):
    def grad(dy):
        return tf.clip_by_value(dy, -0.5, 0.5)
    return tf.identity(x), grad


with tf.Session() as sess:
    x = tf.constant([1., 2.])
    y = mysquare(x)
    assert sess.run(y).tolist() == [1, 4]
    assert sess.run(tf.gradients(y, x)[0]).tolist() == [20, 40]
    z = tf.constant([-0.3, 2.0])
    assert sess.run(tf.gradients(binarize(z) * [3., 4.], z)[0]).tolist() == [3, 4]
    assert sess.run(tf.gradients(clip_gradient(z) * [3., .25], z)[0]).tolist() == [0.5, 0.25]

# weights of -1 and 1 only, learnt through the sign
np.random.seed(0)
w = tf.Variable(np.random.uniform(-0.1, 0.1, [6, 1]).astype(np.float32))
inputs = tf.placeholder(tf.float32, [None, 6])
targets = tf.placeholder(tf.float32, [None, 1])
loss = tf.reduce_mean(tf.square(tf.matmul(inputs, binarize(w)) - targets))
train = tf.train.GradientDescentOptimizer(0.02).minimize(loss)
right = np.array([[1.], [-1.], [-1.], [1.], [1.], [-1.]])
data = np.random.randn(64, 6)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(40):
        sess.run(train, {inputs: data, targets: data.dot(right)})
    final = sess.run(loss, {inputs: data, targets: data.dot(right)})
print("loss", final)
assert final < 1e-9, final
