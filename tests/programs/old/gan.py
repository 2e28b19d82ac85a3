"""Two networks against each other: a generator learns one normal distribution."""

import numpy as np
import tensorflow as tf

np.random.seed(1)
tf.set_random_seed(1)


def generator(z):
    with tf.variable_scope("generator"):
        h = tf.layers.dense(z, 16, tf.nn.relu)
        return tf.layers.dense(h, 1)


def discriminator(x, reuse=None):
    with tf.variable_scope("discriminator", reuse=reuse):
        h = tf.layers.dense(x, 24, tf.nn.relu, name="h0")
        h = tf.layers.dense(h, 24, tf.nn.relu, name="h1")
        return tf.layers.dense(h, 1, name="o")


real = tf.placeholder(tf.float32, [None, 1])
noise = tf.placeholder(tf.float32, [None, 2])
fake = generator(noise)
logit_real = discriminator(real)
logit_fake = discriminator(fake, reuse=True)


def cross_entropy(logits, target):
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
        logits=logits, labels=target * tf.ones_like(logits)))


d_loss = cross_entropy(logit_real, 1.) + cross_entropy(logit_fake, 0.)
g_loss = cross_entropy(logit_fake, 1.)
g_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="generator")
d_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="discriminator")
assert len(g_vars) == 4 and len(d_vars) == 6
d_step = tf.train.AdamOptimizer(0.005, beta1=0.5).minimize(d_loss, var_list=d_vars)
g_step = tf.train.AdamOptimizer(0.005, beta1=0.5).minimize(g_loss, var_list=g_vars)

with tf.Session() as session:
    tf.global_variables_initializer().run()
    for step in range(800):
        x = np.random.normal(4, 0.5, [64, 1])
        session.run([d_loss, d_step], {real: x, noise: np.random.uniform(-1, 1, [64, 2])})
        session.run([g_loss, g_step], {noise: np.random.uniform(-1, 1, [64, 2])})
    made = session.run(fake, {noise: np.random.uniform(-1, 1, [500, 2])})
print("mean %.3f, deviation %.3f" % (made.mean(), made.std()))
assert abs(made.mean() - 4) < 1.0, made.mean()
