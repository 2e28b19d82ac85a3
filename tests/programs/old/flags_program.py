"""A program with flags, logging and tf.app.run."""

import sys

import numpy as np
import tensorflow as tf

tf.app.flags.DEFINE_integer("max_steps", 200, "Number of steps to run trainer.")
tf.app.flags.DEFINE_float("learning_rate", 0.1, "Initial learning rate.")
tf.app.flags.DEFINE_string("optimizer", "sgd", "sgd or adam")
tf.app.flags.DEFINE_boolean("verbose", False, "Log every step.")
tf.app.flags.DEFINE_enum("loss", "square", ["square", "huber"], "What is minimized.")
tf.flags.DEFINE_list("hidden", "8,4", "Sizes of the hidden layers.")
FLAGS = tf.app.flags.FLAGS


def main(argv):
    assert argv[1:] == ["rest"], argv
    assert (FLAGS.max_steps, FLAGS.optimizer, FLAGS.verbose) == (150, "adam", True)
    tf.logging.set_verbosity(tf.logging.INFO if FLAGS.verbose else tf.logging.WARN)
    np.random.seed(0)
    tf.set_random_seed(0)
    x = tf.placeholder(tf.float32, [None, 2])
    y = tf.placeholder(tf.float32, [None, 1])
    h = x
    for size in FLAGS.hidden:
        h = tf.layers.dense(h, int(size), activation=tf.nn.tanh)
    guess = tf.layers.dense(h, 1)
    if FLAGS.loss == "huber":
        loss = tf.losses.huber_loss(y, guess)
    else:
        loss = tf.losses.mean_squared_error(y, guess)
    kinds = {"sgd": tf.train.GradientDescentOptimizer, "adam": tf.train.AdamOptimizer}
    step = kinds[FLAGS.optimizer](FLAGS.learning_rate).minimize(loss)
    points = np.random.uniform(-1, 1, [128, 2])
    values = np.sin(2 * points[:, :1]) * points[:, 1:]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for k in range(FLAGS.max_steps):
            _, value = sess.run([step, loss], {x: points, y: values})
            if k % 50 == 0:
                tf.logging.info("step %d: loss %.4f", k, value)
    print("final loss %.5f" % value)
    assert value < 0.02, value


if __name__ == "__main__":
    sys.argv[1:] = ["--max_steps=150", "--optimizer", "adam", "--verbose", "--learning_rate=0.02",
                    "rest"]
    tf.app.run()
