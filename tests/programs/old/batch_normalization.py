"""Batch normalisation: moving averages are updated beside the training step."""

import numpy as np
import tensorflow as tf

(x_train, y_train), (x_test, y_test) = __import__("flowgraph").datasets.digits.load_data()
tf.set_random_seed(9)
x = tf.placeholder(tf.float32, [None, 64])
y = tf.placeholder(tf.int32, [None])
is_training = tf.placeholder_with_default(False, [], name="is_training")

net = tf.layers.dense(x, 32, use_bias=False, kernel_initializer=tf.variance_scaling_initializer())
net = tf.layers.batch_normalization(net, momentum=0.9, training=is_training)
net = tf.nn.elu(net)
net = tf.layers.dropout(net, rate=0.1, training=is_training)
logits = tf.layers.dense(net, 10)
loss = tf.losses.sparse_softmax_cross_entropy(labels=y, logits=logits)
update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
assert len(update_ops) == 2
with tf.control_dependencies(update_ops):
    train_op = tf.train.AdamOptimizer(0.01).minimize(loss)
accuracy = tf.reduce_mean(tf.cast(tf.nn.in_top_k(logits, y, 1), tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    moving = [v for v in tf.global_variables() if "moving_mean" in v.name][0]
    assert (sess.run(moving) == 0).all()
    for step in range(100):
        pick = np.random.RandomState(step).choice(len(y_train), 128)
        sess.run(train_op, {x: x_train[pick].reshape(-1, 64), y: y_train[pick], is_training: True})
    assert (sess.run(moving) != 0).any()
    result = sess.run(accuracy, {x: x_test.reshape(-1, 64), y: y_test})
print(result)
assert result > 0.9, result
