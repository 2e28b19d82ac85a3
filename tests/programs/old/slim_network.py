"""tf.contrib.slim: argument scopes, regularisation and a training op."""

import numpy as np
import tensorflow as tf
import tensorflow.contrib.slim as slim

tf.set_random_seed(4)
(x_train, y_train), (x_test, y_test) = __import__("flowgraph").datasets.digits.load_data()


def network(images, is_training, reuse=None):
    with slim.arg_scope([slim.conv2d, slim.fully_connected], activation_fn=tf.nn.relu,
                        weights_regularizer=slim.l2_regularizer(1e-4)):
        with slim.arg_scope([slim.conv2d], padding="SAME"):
            with tf.variable_scope("net", reuse=reuse):
                net = slim.repeat(images, 2, slim.conv2d, 8, [3, 3], scope="conv1")
                net = slim.max_pool2d(net, [2, 2], scope="pool1")
                net = slim.flatten(net)
                net = slim.fully_connected(net, 32, scope="fc1")
                net = slim.dropout(net, 0.8, is_training=is_training, scope="dropout")
                return slim.fully_connected(net, 10, activation_fn=None, scope="logits")


images = tf.placeholder(tf.float32, [None, 8, 8, 1])
labels = tf.placeholder(tf.int64, [None])
logits = network(images, True)
tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
total = tf.losses.get_total_loss()
assert len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)) == 4
train_op = tf.contrib.layers.optimize_loss(
    total, tf.train.get_or_create_global_step(), learning_rate=0.01, optimizer="Adam",
    clip_gradients=5.0)
test_logits = network(images, False, reuse=True)
accuracy = tf.reduce_mean(tf.to_float(tf.equal(tf.argmax(test_logits, 1), labels)))
names = [v.op.name for v in slim.get_model_variables()]
assert "net/conv1/conv1_1/weights" in names and "net/fc1/biases" in names, names

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(80):
        pick = np.random.RandomState(step).permutation(len(y_train))[:64]
        loss = sess.run(train_op, {images: x_train[pick, :, :, None] / 16., labels: y_train[pick]})
    result = sess.run(accuracy, {images: x_test[..., None] / 16., labels: y_test})
    assert sess.run(tf.train.get_global_step()) == 80
print("loss %.3f, accuracy %.3f" % (loss, result))
assert result > 0.88, result
