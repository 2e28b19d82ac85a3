"""Old input pipeline: files, a reader, decode_csv, shuffle_batch, a coordinator."""

import os
import tempfile

import numpy as np
import tensorflow as tf

folder = tempfile.mkdtemp()
rng = np.random.RandomState(0)
names = []
for k in range(3):
    names.append(os.path.join(folder, "part%d.csv" % k))
    with open(names[-1], "w") as f:
        f.write("a,b,c,target\n")
        for row in rng.randn(60, 3):
            f.write("%f,%f,%f,%f\n" % (tuple(row) + (row.dot([1., -1., 2.]) + 0.5,)))

filename_queue = tf.train.string_input_producer(names, shuffle=True, name="filename_queue")
reader = tf.TextLineReader(skip_header_lines=1)
key, value = reader.read(filename_queue)
columns = tf.decode_csv(value, record_defaults=[[0.], [0.], [0.], [0.]])
features = tf.stack(columns[:3])
train_x_batch, train_y_batch = tf.train.shuffle_batch(
    [features, columns[3:]], batch_size=20, capacity=200, min_after_dequeue=60, num_threads=2)

W = tf.Variable(tf.zeros([3, 1]), name="weight")
b = tf.Variable(tf.zeros([1]), name="bias")
X = tf.placeholder(tf.float32, shape=[None, 3])
Y = tf.placeholder(tf.float32, shape=[None, 1])
cost = tf.reduce_mean(tf.square(tf.matmul(X, W) + b - Y))
train = tf.train.GradientDescentOptimizer(learning_rate=0.1).minimize(cost)

sess = tf.Session()
sess.run(tf.global_variables_initializer())
coord = tf.train.Coordinator()
threads = tf.train.start_queue_runners(sess=sess, coord=coord)
try:
    for step in range(100):
        x_batch, y_batch = sess.run([train_x_batch, train_y_batch])
        cost_val, _ = sess.run([cost, train], feed_dict={X: x_batch, Y: y_batch})
finally:
    coord.request_stop()
    coord.join(threads)
found = sess.run([W, b])
print(cost_val, found)
assert cost_val < 1e-3
np.testing.assert_allclose(found[0].ravel(), [1, -1, 2], atol=0.05)
sess.close()
