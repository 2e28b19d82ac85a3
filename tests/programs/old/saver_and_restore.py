"""Checkpoints: save while training, go on from the last, restore without the program."""

import os
import shutil

import numpy as np
import tensorflow as tf

if os.path.exists("model"):
    shutil.rmtree("model")
os.makedirs("model")


def build():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = tf.placeholder(tf.float32, [None, 1], name="y")
    global_step = tf.Variable(0, trainable=False, name="global_step")
    w = tf.Variable(tf.zeros([3, 1]), name="w")
    guess = tf.matmul(x, w, name="guess")
    loss = tf.reduce_mean(tf.square(guess - y), name="loss")
    train = tf.train.MomentumOptimizer(0.05, 0.9).minimize(loss, global_step=global_step)
    return x, y, global_step, w, loss, train


rng = np.random.RandomState(0)
data = rng.randn(64, 3).astype(np.float32)
wanted = data.dot([[1.], [-2.], [0.5]])


def train_for(steps):
    tf.reset_default_graph()
    x, y, global_step, w, loss, train = build()
    saver = tf.train.Saver(tf.global_variables(), max_to_keep=2)
    with tf.Session() as sess:
        ckpt = tf.train.get_checkpoint_state("./model")
        if ckpt and tf.train.checkpoint_exists(ckpt.model_checkpoint_path):
            print("going on from", ckpt.model_checkpoint_path)
            saver.restore(sess, ckpt.model_checkpoint_path)
        else:
            sess.run(tf.global_variables_initializer())
        for _ in range(steps):
            sess.run(train, feed_dict={x: data, y: wanted})
            if sess.run(global_step) % 10 == 0:
                saver.save(sess, "./model/net.ckpt", global_step=global_step)
        return sess.run([global_step, loss, w], feed_dict={x: data, y: wanted})


first = train_for(30)
second = train_for(80)
assert (first[0], second[0]) == (30, 110), (first[0], second[0])
assert second[1] < first[1] and second[1] < 1e-3
names = sorted(name for name in os.listdir("model") if name.endswith(".index"))
assert names == ["net.ckpt-%d.index" % n for n in (100, 110, 20, 30)]  # two of each run, names
assert tf.train.latest_checkpoint("model").endswith("net.ckpt-110")

# without the program: the graph comes from the .meta file
tf.reset_default_graph()
with tf.Session() as sess:
    restored = tf.train.import_meta_graph("./model/net.ckpt-110.meta")
    restored.restore(sess, tf.train.latest_checkpoint("./model"))
    graph = tf.get_default_graph()
    value = sess.run("guess:0", {graph.get_tensor_by_name("x:0"): data})
    np.testing.assert_allclose(value, wanted, atol=0.1)

# only one of the variables, under another name
tf.reset_default_graph()
other = tf.get_variable("other", [3, 1])
with tf.Session() as sess:
    tf.train.Saver({"w": other}).restore(sess, "./model/net.ckpt-110")
    np.testing.assert_array_equal(sess.run(other), second[2])
print("restored", second[2].ravel())
