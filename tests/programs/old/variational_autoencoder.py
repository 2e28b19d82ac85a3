"""A variational autoencoder with the lower bound written out."""

import numpy as np
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

mnist = input_data.read_data_sets('MNIST', one_hot=False)
tf.set_random_seed(1)
n_z = 4

with tf.variable_scope("encoder"):
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    h = tf.layers.dense(x, 64, activation=tf.nn.softplus, name="hidden")
    z_mean = tf.layers.dense(h, n_z, name="mean")
    z_log_sigma_sq = tf.layers.dense(h, n_z, name="log_sigma_sq")
eps = tf.random_normal(tf.shape(z_mean), 0, 1, dtype=tf.float32)
z = tf.add(z_mean, tf.multiply(tf.sqrt(tf.exp(z_log_sigma_sq)), eps))


def generator(z, reuse=False):
    with tf.variable_scope("decoder", reuse=reuse):
        h = tf.layers.dense(z, 64, activation=tf.nn.softplus, name="hidden")
        return tf.layers.dense(h, 784, activation=tf.nn.sigmoid, name="mean")


x_mean = generator(z)
reconstr_loss = -tf.reduce_sum(
    x * tf.log(1e-10 + x_mean) + (1 - x) * tf.log(1e-10 + 1 - x_mean), 1)
latent_loss = -0.5 * tf.reduce_sum(
    1 + z_log_sigma_sq - tf.square(z_mean) - tf.exp(z_log_sigma_sq), 1)
cost = tf.reduce_mean(reconstr_loss + latent_loss)
train = tf.train.AdamOptimizer(learning_rate=0.005).minimize(cost)
noise = tf.placeholder(tf.float32, [None, n_z])
sample = generator(noise, reuse=True)
assert len(tf.trainable_variables()) == 10

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    costs = [sess.run([train, cost], {x: mnist.train.next_batch(64)[0]})[1] for _ in range(200)]
    images = sess.run(sample, {noise: np.random.normal(size=[3, n_z])})
print(costs[0], costs[-1])
assert images.shape == (3, 784) and 0 <= images.min() <= images.max() <= 1
assert np.mean(costs[-10:]) < 0.5 * np.mean(costs[:3]), costs[::20]
