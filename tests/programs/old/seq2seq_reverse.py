"""Sequence to sequence: an encoder and a decoder reverse digits."""

import numpy as np
import tensorflow as tf

np.random.seed(1)
tf.set_random_seed(1)
vocab, length, units, embed, GO = 8, 4, 48, 12, 0

encoder_inputs = tf.placeholder(tf.int32, [None, length], name="encoder_inputs")
decoder_inputs = tf.placeholder(tf.int32, [None, length], name="decoder_inputs")
decoder_targets = tf.placeholder(tf.int32, [None, length], name="decoder_targets")
lengths = tf.fill([tf.shape(encoder_inputs)[0]], length)

embeddings = tf.Variable(tf.random_uniform([vocab, embed], -1.0, 1.0), dtype=tf.float32)
with tf.variable_scope("encoder"):
    cell = tf.contrib.rnn.GRUCell(units)
    _, encoder_state = tf.nn.dynamic_rnn(
        cell, tf.nn.embedding_lookup(embeddings, encoder_inputs), dtype=tf.float32)

projection = tf.layers.Dense(vocab, name="projection")
decoder_cell = tf.contrib.rnn.GRUCell(units)
helper = tf.contrib.seq2seq.TrainingHelper(
    tf.nn.embedding_lookup(embeddings, decoder_inputs), lengths)
with tf.variable_scope("decoder"):
    decoder = tf.contrib.seq2seq.BasicDecoder(decoder_cell, helper, encoder_state, projection)
    outputs, _, _ = tf.contrib.seq2seq.dynamic_decode(decoder)
logits = outputs.rnn_output
loss = tf.contrib.seq2seq.sequence_loss(
    logits, decoder_targets, tf.sequence_mask(lengths, length, dtype=tf.float32))
params = tf.trainable_variables()
clipped, _ = tf.clip_by_global_norm(tf.gradients(loss, params), 5.0)
train_op = tf.train.AdamOptimizer(0.01).apply_gradients(zip(clipped, params))

greedy = tf.contrib.seq2seq.GreedyEmbeddingHelper(
    embeddings, tf.fill([tf.shape(encoder_inputs)[0]], GO), vocab - 1)
with tf.variable_scope("decoder", reuse=True):
    inference = tf.contrib.seq2seq.BasicDecoder(decoder_cell, greedy, encoder_state, projection)
    guesses, _, _ = tf.contrib.seq2seq.dynamic_decode(inference, maximum_iterations=length)


def feed(n):
    x = np.random.randint(1, vocab - 1, [n, length])
    y = x[:, ::-1]
    return {encoder_inputs: x, decoder_targets: y,
            decoder_inputs: np.concatenate([np.full([n, 1], GO), y[:, :-1]], axis=1)}


with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(300):
        _, l = sess.run([train_op, loss], feed(64))
        if step % 100 == 0:
            print(step, l)
    test = feed(50)
    made = sess.run(guesses.sample_id, test)
    right = np.mean(made == test[decoder_targets])
print("loss %.3f, %.1f%% of the digits right" % (l, 100 * right))
assert right > 0.9, right
