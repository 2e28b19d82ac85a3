"""Deep Q learning on a corridor, with a target network and a replay memory."""

import random
from collections import deque

import numpy as np
import tensorflow as tf


class Corridor:
    """Walk right to reach the goal; a step costs, falling off the left end ends the game."""

    size = 6

    def reset(self):
        self.place = 2
        return self.observe()

    def observe(self):
        return np.eye(self.size)[self.place]

    def step(self, action):
        self.place += 1 if action == 1 else -1
        done = self.place in (0, self.size - 1)
        reward = 1.0 if self.place == self.size - 1 else (-1.0 if done else -0.05)
        return self.observe(), reward, done


class DQN:
    def __init__(self, session, input_size, output_size, name="main"):
        self.session = session
        self.input_size = input_size
        self.net_name = name
        with tf.variable_scope(self.net_name):
            self._X = tf.placeholder(tf.float32, [None, input_size], name="input_x")
            W1 = tf.get_variable("W1", shape=[input_size, 16],
                                 initializer=tf.contrib.layers.xavier_initializer())
            layer1 = tf.nn.tanh(tf.matmul(self._X, W1))
            W2 = tf.get_variable("W2", shape=[16, output_size],
                                 initializer=tf.contrib.layers.xavier_initializer())
            self._Qpred = tf.matmul(layer1, W2)
        self._Y = tf.placeholder(shape=[None, output_size], dtype=tf.float32)
        self._loss = tf.reduce_mean(tf.square(self._Y - self._Qpred))
        self._train = tf.train.AdamOptimizer(learning_rate=0.01).minimize(self._loss)

    def predict(self, state):
        x = np.reshape(state, [-1, self.input_size])
        return self.session.run(self._Qpred, feed_dict={self._X: x})

    def update(self, x_stack, y_stack):
        return self.session.run([self._loss, self._train],
                                feed_dict={self._X: x_stack, self._Y: y_stack})


def get_copy_var_ops(dest_scope_name="target", src_scope_name="main"):
    src_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope=src_scope_name)
    dest_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope=dest_scope_name)
    return [dest.assign(src.value()) for src, dest in zip(src_vars, dest_vars)]


random.seed(0)
np.random.seed(0)
tf.set_random_seed(0)
env, memory = Corridor(), deque(maxlen=500)
with tf.Session() as sess:
    mainDQN, targetDQN = DQN(sess, 6, 2, "main"), DQN(sess, 6, 2, "target")
    copy_ops = get_copy_var_ops()
    sess.run(tf.global_variables_initializer())
    sess.run(copy_ops)
    for episode in range(60):
        e, done, state = 1. / ((episode / 8) + 1), False, env.reset()
        while not done:
            action = random.randint(0, 1) if np.random.rand() < e else \
                int(np.argmax(mainDQN.predict(state)))
            next_state, reward, done = env.step(action)
            memory.append((state, action, reward, next_state, done))
            state = next_state
        if len(memory) > 32:
            for _ in range(8):
                batch = random.sample(memory, 32)
                states = np.array([b[0] for b in batch])
                targets = mainDQN.predict(states)
                best = np.max(targetDQN.predict(np.array([b[3] for b in batch])), axis=1)
                for k, (_, action, reward, _, over) in enumerate(batch):
                    targets[k, action] = reward if over else reward + 0.9 * best[k]
                mainDQN.update(states, targets)
            sess.run(copy_ops)
    a, b = sess.run([tf.global_variables()[0], "target/W1:0"])
    assert (a == b).all()
    policy = [int(np.argmax(mainDQN.predict(np.eye(6)[k]))) for k in range(1, 5)]
print(policy)
assert policy == [1, 1, 1, 1]
