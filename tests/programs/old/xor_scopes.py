"""XOR with a hidden layer, as lectures show it: names, shapes, printing."""

import numpy as np
import tensorflow as tf

node1 = tf.constant(3.0, tf.float32)
node2 = tf.constant(4.0)
node3 = tf.add(node1, node2)
print("node1:", node1, "node2:", node2)
assert str(node3) == 'Tensor("Add:0", shape=(), dtype=float32)', str(node3)
sess = tf.Session()
print("sess.run(node1, node2): ", sess.run([node1, node2]))
assert sess.run(node3) == 7.0

tf.set_random_seed(777)
x_data = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
y_data = np.array([[0], [1], [1], [0]], dtype=np.float32)
X = tf.placeholder(tf.float32, [None, 2], name='x-input')
Y = tf.placeholder(tf.float32, [None, 1], name='y-input')
with tf.name_scope("layer1") as scope:
    W1 = tf.Variable(tf.random_normal([2, 4]), name='weight1')
    b1 = tf.Variable(tf.random_normal([4]), name='bias1')
    layer1 = tf.sigmoid(tf.matmul(X, W1) + b1)
with tf.name_scope("layer2") as scope:
    W2 = tf.Variable(tf.random_normal([4, 1]), name='weight2')
    b2 = tf.Variable(tf.random_normal([1]), name='bias2')
    hypothesis = tf.sigmoid(tf.matmul(layer1, W2) + b2)
cost = -tf.reduce_mean(Y * tf.log(hypothesis) + (1 - Y) * tf.log(1 - hypothesis))
train = tf.train.GradientDescentOptimizer(learning_rate=1.0).minimize(cost)
predicted = tf.cast(hypothesis > 0.5, dtype=tf.float32)
accuracy = tf.reduce_mean(tf.cast(tf.equal(predicted, Y), dtype=tf.float32))
assert W1.name == "layer1/weight1:0" and X.get_shape().as_list() == [None, 2]

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(4001):
        sess.run(train, feed_dict={X: x_data, Y: y_data})
        if step % 1000 == 0:
            print(step, sess.run(cost, feed_dict={X: x_data, Y: y_data}))
    h, c, a = sess.run([hypothesis, predicted, accuracy], feed_dict={X: x_data, Y: y_data})
    print("\nHypothesis: ", h, "\nCorrect: ", c, "\nAccuracy: ", a)
assert a == 1.0
