"""Digits through a narrow layer and back."""

from __future__ import division, print_function, absolute_import

import numpy as np
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

mnist = input_data.read_data_sets("/nowhere/MNIST_data", one_hot=True)
tf.set_random_seed(5)

num_hidden_1, num_hidden_2, num_input = 64, 24, 784
X = tf.placeholder("float", [None, num_input])

weights = {
    'encoder_h1': tf.Variable(tf.random_normal([num_input, num_hidden_1], stddev=0.1)),
    'encoder_h2': tf.Variable(tf.random_normal([num_hidden_1, num_hidden_2], stddev=0.1)),
    'decoder_h1': tf.Variable(tf.random_normal([num_hidden_2, num_hidden_1], stddev=0.1)),
    'decoder_h2': tf.Variable(tf.random_normal([num_hidden_1, num_input], stddev=0.1)),
}
biases = {name: tf.Variable(tf.zeros([size])) for name, size in [
    ('encoder_b1', num_hidden_1), ('encoder_b2', num_hidden_2),
    ('decoder_b1', num_hidden_1), ('decoder_b2', num_input)]}


def encoder(x):
    layer_1 = tf.nn.sigmoid(tf.add(tf.matmul(x, weights['encoder_h1']), biases['encoder_b1']))
    return tf.nn.sigmoid(tf.add(tf.matmul(layer_1, weights['encoder_h2']), biases['encoder_b2']))


def decoder(x):
    layer_1 = tf.nn.sigmoid(tf.add(tf.matmul(x, weights['decoder_h1']), biases['decoder_b1']))
    return tf.nn.sigmoid(tf.add(tf.matmul(layer_1, weights['decoder_h2']), biases['decoder_b2']))


encoder_op = encoder(X)
y_pred, y_true = decoder(encoder_op), X
loss = tf.reduce_mean(tf.pow(y_true - y_pred, 2))
optimizer = tf.train.RMSPropOptimizer(0.01).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    losses = []
    for i in range(1, 301):
        batch_x, _ = mnist.train.next_batch(128)
        _, l = sess.run([optimizer, loss], feed_dict={X: batch_x})
        losses.append(l)
        if i % 100 == 0:
            print('Step %i: Minibatch Loss: %f' % (i, l))
    g = sess.run(decoder(encoder_op), feed_dict={X: mnist.test.images[:4]})
    assert g.shape == (4, 784)
assert np.mean(losses[-10:]) < 0.45 * np.mean(losses[:3]), losses[::50]
