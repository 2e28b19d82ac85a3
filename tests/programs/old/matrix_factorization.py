"""Ratings from two tables of factors, with decay of the rate and L2 regularisation."""

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(8)
n_users, n_items, rank = 30, 40, 3
truth = rng.randn(n_users, rank).dot(rng.randn(rank, n_items))
users, items = np.where(rng.rand(n_users, n_items) < 0.6)
ratings = truth[users, items]

user = tf.placeholder(tf.int32, [None], name="user")
item = tf.placeholder(tf.int32, [None], name="item")
rate = tf.placeholder(tf.float32, [None], name="rate")
with tf.variable_scope("factors", regularizer=tf.contrib.layers.l2_regularizer(1e-4),
                       initializer=tf.truncated_normal_initializer(stddev=0.3, seed=1)):
    U = tf.get_variable("users", [n_users, rank])
    V = tf.get_variable("items", [n_items, rank])
    bias = tf.get_variable("bias", [n_items], initializer=tf.zeros_initializer(), regularizer=None)
guess = tf.reduce_sum(tf.multiply(tf.nn.embedding_lookup(U, user), tf.nn.embedding_lookup(V, item)), 1)
guess = tf.add(guess, tf.gather(bias, item), name="guess")
regularizer = tf.add_n(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES))
cost = tf.reduce_mean(tf.squared_difference(guess, rate)) + regularizer
global_step = tf.Variable(0, trainable=False)
learning_rate = tf.train.exponential_decay(0.05, global_step, 100, 0.9)
train = tf.train.AdamOptimizer(learning_rate).minimize(cost, global_step=global_step)
rmse = tf.sqrt(tf.reduce_mean(tf.squared_difference(guess, rate)))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(40):
        order = rng.permutation(len(users))
        for k in range(0, len(order), 128):
            pick = order[k:k + 128]
            sess.run(train, {user: users[pick], item: items[pick], rate: ratings[pick]})
    error, lr = sess.run([rmse, learning_rate], {user: users, item: items, rate: ratings})
    hidden = np.where(np.ones([n_users, n_items]))
    overall = sess.run(rmse, {user: hidden[0], item: hidden[1], rate: truth[hidden]})
print("known %.3f, all %.3f, rate %.4f" % (error, overall, lr))
assert error < 0.2 and overall < 0.8 and lr < 0.05, (error, overall, lr)
