"""Word vectors by noise contrastive estimation over a made-up language."""

import collections
import math
import random

import numpy as np
import tensorflow as tf

random.seed(3)
np.random.seed(3)
groups = [["cat", "dog", "cow", "hen"], ["red", "blue", "pink", "grey"], ["one", "two", "six", "ten"]]
words = []
for _ in range(800):
    group = random.choice(groups)
    words += [random.choice(group) for _ in range(4)] + ["the"]


def build_dataset(words):
    count = [['UNK', -1]]
    count.extend(collections.Counter(words).most_common(50))
    dictionary = dict()
    for word, _ in count:
        dictionary[word] = len(dictionary)
    data = [dictionary[w] for w in words]
    return data, count, dictionary, dict(zip(dictionary.values(), dictionary.keys()))


data, count, dictionary, reverse_dictionary = build_dataset(words)
vocabulary_size = len(dictionary)
data_index = 0


def generate_batch(batch_size, num_skips, skip_window):
    global data_index
    batch = np.ndarray(shape=(batch_size), dtype=np.int32)
    labels = np.ndarray(shape=(batch_size, 1), dtype=np.int32)
    span = 2 * skip_window + 1
    buffer = collections.deque(maxlen=span)
    for _ in range(span):
        buffer.append(data[data_index])
        data_index = (data_index + 1) % len(data)
    for i in range(batch_size // num_skips):
        context = [w for w in range(span) if w != skip_window]
        for j, w in enumerate(random.sample(context, num_skips)):
            batch[i * num_skips + j] = buffer[skip_window]
            labels[i * num_skips + j, 0] = buffer[w]
        buffer.append(data[data_index])
        data_index = (data_index + 1) % len(data)
    return batch, labels


batch_size, embedding_size = 64, 8
graph = tf.Graph()
with graph.as_default():
    tf.set_random_seed(3)
    train_inputs = tf.placeholder(tf.int32, shape=[batch_size])
    train_labels = tf.placeholder(tf.int32, shape=[batch_size, 1])
    with tf.device('/cpu:0'):
        embeddings = tf.Variable(tf.random_uniform([vocabulary_size, embedding_size], -1.0, 1.0))
        embed = tf.nn.embedding_lookup(embeddings, train_inputs)
        nce_weights = tf.Variable(tf.truncated_normal(
            [vocabulary_size, embedding_size], stddev=1.0 / math.sqrt(embedding_size)))
        nce_biases = tf.Variable(tf.zeros([vocabulary_size]))
    loss = tf.reduce_mean(tf.nn.nce_loss(
        weights=nce_weights, biases=nce_biases, labels=train_labels, inputs=embed,
        num_sampled=6, num_classes=vocabulary_size))
    optimizer = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    norm = tf.sqrt(tf.reduce_sum(tf.square(embeddings), 1, keep_dims=True))
    normalized_embeddings = embeddings / norm
    similarity = tf.matmul(normalized_embeddings, normalized_embeddings, transpose_b=True)
    init = tf.global_variables_initializer()

with tf.Session(graph=graph) as session:
    init.run()
    average_loss = 0
    for step in range(1200):
        batch_inputs, batch_labels = generate_batch(batch_size, 2, 1)
        _, loss_val = session.run([optimizer, loss],
                                  feed_dict={train_inputs: batch_inputs, train_labels: batch_labels})
        average_loss += loss_val
        if step % 400 == 399:
            print('Average loss at step ', step, ': ', average_loss / 400)
            average_loss = 0
    sim = similarity.eval()
good = 0
for group in groups:
    for word in group:
        nearest = (-sim[dictionary[word], :]).argsort()
        nearest = [reverse_dictionary[k] for k in nearest if reverse_dictionary[k] not in ("UNK", "the")]
        good += nearest[1] in group
print("%d of 12 words have a neighbour of their own kind" % good)
assert good >= 9, good
