"""Everyday operations in one program: slicing, cond, case, scan, strings, sets of feeds."""

import numpy as np
import tensorflow as tf

a = tf.constant(np.arange(24).reshape(2, 3, 4), dtype=tf.float32)
n = tf.placeholder(tf.int32, [])
piece = a[:, ::-1, 1:-1]
picked = tf.cond(n > 1, lambda: tf.reduce_max(a), lambda: tf.reduce_min(a))
chosen = tf.case({tf.less(n, 0): lambda: tf.constant(-1), tf.greater(n, 0): lambda: tf.constant(1)},
                 default=lambda: tf.constant(0), exclusive=True)
running = tf.scan(lambda s, v: s + v, tf.range(1, 6))
mapped = tf.map_fn(lambda v: v * v, tf.to_float(tf.range(4)))
joined = tf.string_join(["step", tf.as_string(n)], "_")
values, indices = tf.nn.top_k(tf.constant([1., 9., 3., 7.]), k=2)
where = tf.where(tf.constant([True, False, True]))
unique, idx = tf.unique([4, 4, 2, 4, 7])
dense = tf.sparse_tensor_to_dense(tf.SparseTensor([[0, 1], [2, 0]], [5., 6.], [3, 2]))
parts = tf.dynamic_partition(tf.range(6), [0, 1, 0, 1, 1, 0], 2)
printed = tf.Print(picked, [picked, n], message="picked ")
assertion = tf.Assert(tf.greater_equal(n, 0), ["n is negative", n])
with tf.control_dependencies([assertion]):
    checked = tf.identity(n)

with tf.Session() as sess:
    assert sess.run(piece).tolist() == np.arange(24).reshape(2, 3, 4)[:, ::-1, 1:-1].tolist()
    assert sess.run([picked, chosen], {n: 2}) == [23, 1]
    assert sess.run([printed, chosen], {n: 0}) == [0, 0]
    assert sess.run(running).tolist() == [1, 3, 6, 10, 15]
    assert sess.run(mapped).tolist() == [0, 1, 4, 9]
    assert sess.run(joined, {n: 12}) == b"step_12"
    assert sess.run([values, indices])[1].tolist() == [1, 3]
    assert sess.run(where).ravel().tolist() == [0, 2]
    assert sess.run(unique).tolist() == [4, 2, 7]
    assert sess.run(dense).tolist() == [[0, 5], [0, 0], [6, 0]]
    assert [p.tolist() for p in sess.run(parts)] == [[0, 2, 5], [1, 3, 4]]
    try:
        sess.run(checked, {n: -1})
    except tf.errors.InvalidArgumentError as e:
        print("caught:", e.message.splitlines()[0])
    else:
        raise AssertionError("not caught")
