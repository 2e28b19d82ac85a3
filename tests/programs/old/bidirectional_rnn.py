"""A bidirectional LSTM finds where a pattern sits."""

import numpy as np
import tensorflow as tf
from tensorflow.contrib import rnn

np.random.seed(0)
tf.set_random_seed(0)
steps, hidden = 6, 12


def batch(n):
    xs = np.random.randint(0, 2, size=[n, steps]).astype(np.float32)
    ys = (xs[:, 0] == xs[:, -1]).astype(np.int64)
    return xs[:, :, np.newaxis], ys


inputs = tf.placeholder(tf.float32, [None, steps, 1])
targets = tf.placeholder(tf.int64, [None])
sequence = tf.unstack(inputs, steps, 1)
fw = rnn.BasicLSTMCell(hidden, forget_bias=1.0)
bw = rnn.BasicLSTMCell(hidden, forget_bias=1.0)
outputs, _, _ = rnn.static_bidirectional_rnn(fw, bw, sequence, dtype=tf.float32)
W = tf.get_variable("W", [2 * hidden, 2], initializer=tf.contrib.layers.xavier_initializer())
b = tf.get_variable("b", [2], initializer=tf.zeros_initializer())
logits = tf.matmul(outputs[-1], W) + b
loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits))
grads = tf.train.AdamOptimizer(0.03).compute_gradients(loss)
clipped = [(tf.clip_by_value(g, -1., 1.), v) for g, v in grads]
train = tf.train.AdamOptimizer(0.03).apply_gradients(clipped)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), targets), tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(120):
        xs, ys = batch(64)
        sess.run(train, {inputs: xs, targets: ys})
    xs, ys = batch(300)
    result = sess.run(accuracy, {inputs: xs, targets: ys})
print(result)
assert result > 0.95, result
