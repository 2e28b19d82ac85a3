"""Tests of a graph with tf.test."""

import numpy as np
import tensorflow as tf


def soft_threshold(x, level):
    return tf.sign(x) * tf.nn.relu(tf.abs(x) - level)


class SoftThresholdTest(tf.test.TestCase):

    def testValues(self):
        with self.test_session():
            result = soft_threshold(tf.constant([-2., 0.5, 3.]), 1.)
            self.assertAllClose(result.eval(), [-1., 0., 2.])
            self.assertAllEqual(result.get_shape(), [3])

    def testGradient(self):
        with self.test_session():
            x = tf.constant([[-2., 0.5], [3., 1.7]])
            y = soft_threshold(x, 1.)
            error = tf.test.compute_gradient_error(x, [2, 2], y, [2, 2])
            self.assertLess(error, 1e-3)

    def testErrors(self):
        with self.test_session() as sess:
            p = tf.placeholder(tf.float32, [2])
            with self.assertRaisesRegexp(ValueError, "shape"):
                sess.run(p, {p: [1., 2., 3.]})
            with self.assertRaisesOpError("NaN"):
                sess.run(tf.check_numerics(p, "NaN"), {p: [1., np.nan]})

    def testEvaluate(self):
        self.assertEqual(self.evaluate(tf.reduce_sum(tf.ones([3]))), 3.0)
        self.assertFalse(tf.test.is_gpu_available())


if __name__ == "__main__":
    try:
        tf.test.main()
    except SystemExit as done:
        assert not done.code, "tests failed"
