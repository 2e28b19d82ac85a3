

def test_a_range_up_to_a_float_that_only_the_run_knows() -> None:
    limit = tf.placeholder(tf.float64, [])
    y = tf.range(np.float64(0), limit + 1.0, np.float64(1)) - limit
    with tf.Session() as sess:
        for value in (2.0, 0.5, -3.0):
            expected = np.arange(0.0, value + 1.0) - value
            np.testing.assert_array_equal(sess.run(y, {limit: value}), expected)
