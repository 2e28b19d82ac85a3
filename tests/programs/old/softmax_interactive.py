"""An InteractiveSession: eval and run without naming the session."""

import tensorflow as tf
from tensorflow.contrib.learn.python.learn.datasets.mnist import read_data_sets

data = read_data_sets("data", one_hot=True, validation_size=100)
sess = tf.InteractiveSession()

images = tf.placeholder(tf.float32, shape=[None, 784], name="images")
labels = tf.placeholder(tf.float32, shape=[None, 10], name="labels")
W = tf.Variable(tf.truncated_normal([784, 10], stddev=0.1), name="W")
b = tf.Variable(tf.constant(0.1, shape=[10]), name="b")
logits = tf.nn.xw_plus_b(images, W, b)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits))
step = tf.train.AdamOptimizer(1e-2).minimize(loss)
right = tf.nn.in_top_k(logits, tf.argmax(labels, axis=1), 1)
accuracy = tf.reduce_mean(tf.to_float(right))

tf.initialize_all_variables().run()
before = accuracy.eval(feed_dict={images: data.test.images, labels: data.test.labels})
for i in range(200):
    batch = data.train.next_batch(64)
    step.run(feed_dict={images: batch[0], labels: batch[1]})
    if i % 100 == 0:
        print("step %d, training accuracy %g" % (i, accuracy.eval(
            feed_dict={images: batch[0], labels: batch[1]})))
after = accuracy.eval(feed_dict={images: data.test.images, labels: data.test.labels})
print("test accuracy %g -> %g" % (before, after))
sess.close()
assert after > 0.85 > 0.4 > before
