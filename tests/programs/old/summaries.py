"""Curves and histograms for TensorBoard."""

import glob
import os
import shutil

import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

log_dir = os.path.join(os.getcwd(), "logs")
if tf.gfile.Exists(log_dir):
    tf.gfile.DeleteRecursively(log_dir)
tf.gfile.MakeDirs(log_dir)
mnist = input_data.read_data_sets("data", one_hot=True)


def variable_summaries(var):
    with tf.name_scope('summaries'):
        mean = tf.reduce_mean(var)
        tf.summary.scalar('mean', mean)
        with tf.name_scope('stddev'):
            stddev = tf.sqrt(tf.reduce_mean(tf.square(var - mean)))
        tf.summary.scalar('stddev', stddev)
        tf.summary.scalar('max', tf.reduce_max(var))
        tf.summary.histogram('histogram', var)


with tf.name_scope('input'):
    x = tf.placeholder(tf.float32, [None, 784], name='x-input')
    y_ = tf.placeholder(tf.float32, [None, 10], name='y-input')
    tf.summary.image('input', tf.reshape(x, [-1, 28, 28, 1]), 3)
with tf.name_scope('layer'):
    with tf.name_scope('weights'):
        W = tf.Variable(tf.truncated_normal([784, 10], stddev=0.01))
        variable_summaries(W)
    with tf.name_scope('Wx_plus_b'):
        y = tf.matmul(x, W) + tf.Variable(tf.zeros([10]))
        tf.summary.histogram('activations', y)
with tf.name_scope('cross_entropy'):
    cross_entropy = tf.losses.softmax_cross_entropy(onehot_labels=y_, logits=y)
tf.summary.scalar('cross_entropy', cross_entropy)
with tf.name_scope('train'):
    train_step = tf.train.AdamOptimizer(0.005).minimize(cross_entropy)
with tf.name_scope('accuracy'):
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1)), tf.float32))
tf.summary.scalar('accuracy', accuracy)

sess = tf.InteractiveSession()
merged = tf.summary.merge_all()
train_writer = tf.summary.FileWriter(log_dir + '/train', sess.graph)
test_writer = tf.summary.FileWriter(log_dir + '/test')
tf.global_variables_initializer().run()
for i in range(60):
    if i % 10 == 0:
        summary, acc = sess.run([merged, accuracy],
                                feed_dict={x: mnist.test.images, y_: mnist.test.labels})
        test_writer.add_summary(summary, i)
        print('Accuracy at step %s: %s' % (i, acc))
    else:
        xs, ys = mnist.train.next_batch(100)
        summary, _ = sess.run([merged, train_step], feed_dict={x: xs, y_: ys})
        train_writer.add_summary(summary, global_step=i)
train_writer.close()
test_writer.close()
sess.close()

curve = {}
for event in tf.train.summary_iterator(glob.glob(log_dir + "/test/events*")[0]):
    for value in event.summary.value:
        if value.tag == "accuracy_1":  # the name scope took the name
            curve[event.step] = value.simple_value
print(curve)
assert sorted(curve) == [0, 10, 20, 30, 40, 50]
assert curve[50] > 0.75 > curve[0]
shutil.rmtree(log_dir)
