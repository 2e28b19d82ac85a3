"""A policy gradient learns which arm of a bandit pays in which state."""

import numpy as np
import tensorflow as tf
import tensorflow.contrib.slim as slim

np.random.seed(0)
pay = np.array([[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.9], [0.9, 0.1, 0.1]])


class agent():
    def __init__(self, lr, s_size, a_size):
        self.state_in = tf.placeholder(shape=[1], dtype=tf.int32)
        state_in_OH = slim.one_hot_encoding(self.state_in, s_size)
        output = slim.fully_connected(state_in_OH, a_size, biases_initializer=None,
                                      activation_fn=tf.nn.sigmoid,
                                      weights_initializer=tf.ones_initializer())
        self.output = tf.reshape(output, [-1])
        self.chosen_action = tf.argmax(self.output, 0)
        self.reward_holder = tf.placeholder(shape=[1], dtype=tf.float32)
        self.action_holder = tf.placeholder(shape=[1], dtype=tf.int32)
        self.responsible_weight = tf.slice(self.output, self.action_holder, [1])
        self.loss = -(tf.log(self.responsible_weight) * self.reward_holder)
        self.update = tf.train.GradientDescentOptimizer(learning_rate=lr).minimize(self.loss)


tf.reset_default_graph()
myAgent = agent(lr=0.02, s_size=4, a_size=3)
weights = tf.trainable_variables()[0]
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(2500):
        s = np.random.randint(4)
        if np.random.rand(1) < 0.3:
            action = np.random.randint(3)
        else:
            action = sess.run(myAgent.chosen_action, feed_dict={myAgent.state_in: [s]})
        reward = 1 if np.random.rand() < pay[s, action] else -1
        feed_dict = {myAgent.reward_holder: [reward], myAgent.action_holder: [action],
                     myAgent.state_in: [s]}
        _, ww = sess.run([myAgent.update, weights], feed_dict=feed_dict)
print(np.argmax(ww, axis=1))
assert np.argmax(ww, axis=1).tolist() == [0, 1, 2, 0]
