"""K-means as one tf.while_loop."""

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(6)
centres = np.array([[0., 0.], [5., 5.], [0., 6.]], np.float32)
points = np.concatenate([c + 0.5 * rng.randn(60, 2) for c in centres]).astype(np.float32)

data = tf.constant(points, name="points")
start = tf.gather(data, [0, 70, 130])


def assign(means):
    distances = tf.reduce_sum(tf.square(tf.expand_dims(data, 1) - tf.expand_dims(means, 0)), 2)
    return tf.cast(tf.argmin(distances, axis=1), tf.int32)


def body(i, means, moved):
    new = tf.unsorted_segment_sum(data, assign(means), 3)
    counts = tf.unsorted_segment_sum(tf.ones([180, 1]), assign(means), 3)
    new = new / tf.maximum(counts, 1.)
    return i + 1, new, tf.reduce_max(tf.abs(new - means))


steps, means, moved = tf.while_loop(
    lambda i, means, moved: tf.logical_and(i < 50, moved > 1e-5), body,
    [tf.constant(0), start, tf.constant(np.inf, tf.float32)])
groups = assign(means)
with tf.Session() as sess:
    n, found, members = sess.run([steps, means, groups])
print(n, found)
assert 1 <= n < 50
np.testing.assert_allclose(found, centres, atol=0.3)
assert np.bincount(members).tolist() == [60, 60, 60]
