"""Sequences of different lengths: are their numbers consecutive or random?"""

import random

import tensorflow as tf


class ToySequenceData(object):
    def __init__(self, n_samples=400, max_seq_len=12, min_seq_len=4, max_value=100):
        self.data, self.labels, self.seqlen = [], [], []
        for i in range(n_samples):
            length = random.randint(min_seq_len, max_seq_len)
            self.seqlen.append(length)
            if random.random() < .5:
                start = random.randint(0, max_value - length)
                s = [[float(i) / max_value] for i in range(start, start + length)]
                self.labels.append([1., 0.])
            else:
                s = [[float(random.randint(0, max_value)) / max_value] for i in range(length)]
                self.labels.append([0., 1.])
            s += [[0.] for i in range(max_seq_len - length)]
            self.data.append(s)
        self.batch_id = 0

    def next(self, batch_size):
        if self.batch_id == len(self.data):
            self.batch_id = 0
        end = min(self.batch_id + batch_size, len(self.data))
        part = slice(self.batch_id, end)
        self.batch_id = end
        return self.data[part], self.labels[part], self.seqlen[part]


random.seed(7)
tf.set_random_seed(7)
trainset, testset = ToySequenceData(), ToySequenceData(n_samples=200)
seq_max_len, n_hidden, n_classes = 12, 24, 2

x = tf.placeholder("float", [None, seq_max_len, 1])
y = tf.placeholder("float", [None, n_classes])
seqlen = tf.placeholder(tf.int32, [None])

cell = tf.nn.rnn_cell.GRUCell(n_hidden)
outputs, last = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, sequence_length=seqlen)
batch_size = tf.shape(outputs)[0]
index = tf.range(0, batch_size) * seq_max_len + (seqlen - 1)
outputs = tf.gather(tf.reshape(outputs, [-1, n_hidden]), index)
pred = tf.layers.dense(outputs, n_classes, name="out")

cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=pred, labels=y))
optimizer = tf.train.AdamOptimizer(0.02).minimize(cost)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1)), tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(200):
        bx, by, bl = trainset.next(80)
        sess.run(optimizer, feed_dict={x: bx, y: by, seqlen: bl})
    feed = {x: testset.data, y: testset.labels, seqlen: testset.seqlen}
    picked, state, result = sess.run([outputs, last, accuracy], feed_dict=feed)
    print("Testing Accuracy:", result)
    assert abs(picked - state).max() < 1e-6  # the state stands still after the end
assert result > 0.8, result
