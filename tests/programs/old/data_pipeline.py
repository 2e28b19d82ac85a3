"""tf.data: shuffled batches for training, another iterator's for testing."""

import numpy as np
import tensorflow as tf

np.random.seed(0)
tf.set_random_seed(0)
points = np.random.randn(600, 2).astype(np.float32)
classes = (np.sum(points ** 2, axis=1) > 1.2).astype(np.int32)

train_data = (tf.data.Dataset.from_tensor_slices((points[:500], classes[:500]))
              .shuffle(buffer_size=500, seed=1)
              .map(lambda p, c: (p, tf.one_hot(c, 2)), num_parallel_calls=2)
              .repeat(30).batch(50).prefetch(1))
test_data = (tf.data.Dataset.from_tensor_slices({"p": points[500:], "c": classes[500:]})
             .batch(100).map(lambda d: (d["p"], tf.one_hot(d["c"], 2))))

iterator = tf.data.Iterator.from_structure(train_data.output_types, train_data.output_shapes)
to_train, to_test = iterator.make_initializer(train_data), iterator.make_initializer(test_data)
features, labels = iterator.get_next()
features.set_shape([None, 2])
hidden = tf.layers.dense(features, 16, tf.nn.relu)
logits = tf.layers.dense(hidden, 2)
loss = tf.losses.softmax_cross_entropy(labels, logits)
train_op = tf.train.AdamOptimizer(0.02).minimize(loss)
acc, acc_update = tf.metrics.accuracy(tf.argmax(labels, 1), tf.argmax(logits, 1))

with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    sess.run(to_train)
    steps = 0
    while True:
        try:
            sess.run(train_op)
            steps += 1
        except tf.errors.OutOfRangeError:
            break
    assert steps == 300, steps
    sess.run(to_test)
    sess.run(acc_update)
    result = sess.run(acc)
print(result)
assert result > 0.9, result

one_shot = tf.data.Dataset.range(10).filter(lambda v: tf.equal(v % 2, 0)).make_one_shot_iterator()
value = one_shot.get_next()
with tf.Session() as sess:
    assert [sess.run(value) for _ in range(5)] == [0, 2, 4, 6, 8]
