"""Characters of a sentence, one after the other."""

import numpy as np
import tensorflow as tf

tf.set_random_seed(777)
sentence = "if you want to build a ship, teach them to long for the endless sea"
idx2char = sorted(set(sentence))
char2idx = {c: i for i, c in enumerate(idx2char)}
num_classes = hidden_size = len(idx2char)
sequence_length = 10

dataX, dataY = [], []
for i in range(0, len(sentence) - sequence_length):
    dataX.append([char2idx[c] for c in sentence[i:i + sequence_length]])
    dataY.append([char2idx[c] for c in sentence[i + 1: i + sequence_length + 1]])
batch_size = len(dataX)

X = tf.placeholder(tf.int32, [None, sequence_length])
Y = tf.placeholder(tf.int32, [None, sequence_length])
X_one_hot = tf.one_hot(X, num_classes)


def lstm_cell():
    return tf.contrib.rnn.BasicLSTMCell(hidden_size, state_is_tuple=True)


multi_cells = tf.contrib.rnn.MultiRNNCell([lstm_cell() for _ in range(2)], state_is_tuple=True)
outputs, _states = tf.nn.dynamic_rnn(multi_cells, X_one_hot, dtype=tf.float32)
X_for_fc = tf.reshape(outputs, [-1, hidden_size])
outputs = tf.contrib.layers.fully_connected(X_for_fc, num_classes, activation_fn=None)
outputs = tf.reshape(outputs, [batch_size, sequence_length, num_classes])

weights = tf.ones([batch_size, sequence_length])
sequence_loss = tf.contrib.seq2seq.sequence_loss(logits=outputs, targets=Y, weights=weights)
mean_loss = tf.reduce_mean(sequence_loss)
train_op = tf.train.AdamOptimizer(learning_rate=0.03).minimize(mean_loss)

sess = tf.Session()
sess.run(tf.global_variables_initializer())
for i in range(150):
    _, l, results = sess.run([train_op, mean_loss, outputs], feed_dict={X: dataX, Y: dataY})
    if i % 50 == 0:
        print(i, ''.join(idx2char[t] for t in np.argmax(results[0], axis=1)), l)

text = ''
for j, result in enumerate(sess.run(outputs, feed_dict={X: dataX})):
    index = np.argmax(result, axis=1)
    text += ''.join(idx2char[t] for t in index) if j == 0 else idx2char[index[-1]]
print(text)
right = sum(a == b for a, b in zip(text, sentence[1:]))
assert right > 0.85 * len(text), (right, len(text))
