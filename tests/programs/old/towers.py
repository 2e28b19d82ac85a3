"""Data parallelism the old way: towers, shared variables, averaged gradients."""

import numpy as np
import tensorflow as tf

num_gpus = 2


def average_gradients(tower_grads):
    average_grads = []
    for grad_and_vars in zip(*tower_grads):
        grads = [tf.expand_dims(g, 0) for g, _ in grad_and_vars]
        grad = tf.reduce_mean(tf.concat(grads, 0), 0)
        average_grads.append((grad, grad_and_vars[0][1]))
    return average_grads


def tower_loss(x, y):
    w = tf.get_variable("w", [3, 1], initializer=tf.constant_initializer(0.1))
    b = tf.get_variable("b", [1], initializer=tf.constant_initializer(0.0))
    return tf.reduce_mean(tf.square(tf.matmul(x, w) + b - y), name="tower_loss")


with tf.Graph().as_default(), tf.device("/cpu:0"):
    x = tf.placeholder(tf.float32, [20, 3])
    y = tf.placeholder(tf.float32, [20, 1])
    opt = tf.train.GradientDescentOptimizer(0.1)
    tower_grads, losses = [], []
    parts = zip(tf.split(x, num_gpus), tf.split(y, num_gpus))
    with tf.variable_scope(tf.get_variable_scope()):
        for i, (px, py) in enumerate(parts):
            with tf.device("/gpu:%d" % i):
                with tf.name_scope("tower_%d" % i) as scope:
                    loss = tower_loss(px, py)
                    tf.get_variable_scope().reuse_variables()
                    losses.append(loss)
                    tower_grads.append(opt.compute_gradients(loss))
    assert losses[1].op.name == "tower_1/tower_loss", losses[1].op.name
    train_op = opt.apply_gradients(average_gradients(tower_grads))
    assert [v.op.name for v in tf.trainable_variables()] == ["w", "b"]
    whole = tf.gradients(tf.add_n(losses) / num_gpus, tf.trainable_variables())

    rng = np.random.RandomState(0)
    data = rng.randn(20, 3)
    feed = {x: data, y: data.dot([[1.], [2.], [3.]]) + 0.5}
    config = tf.ConfigProto(allow_soft_placement=True, log_device_placement=False)
    config.gpu_options.allow_growth = True
    with tf.Session(config=config) as sess:
        sess.run(tf.global_variables_initializer())
        one, other = sess.run([[g for g, _ in average_gradients(tower_grads)], whole], feed)
        for a, b in zip(one, other):
            np.testing.assert_allclose(a, b, rtol=1e-5)
        for _ in range(150):
            sess.run(train_op, feed)
        final = sess.run(losses, feed)
print(final)
assert max(final) < 1e-3, final
