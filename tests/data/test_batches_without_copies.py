"""Large elements reach kernels and callers without needless copies, and nobody notices."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

ROWS = np.arange(64 * 1000, dtype=np.float32).reshape(64, 1000)


def pipelines():
    base = tf.data.Dataset.from_tensor_slices
    whole = tf.data.Dataset.from_tensors(ROWS)
    return {
        "views": base(ROWS).batch(16).repeat(),
        "views of one size": base(ROWS).repeat().batch(16, drop_remainder=True),
        "prefetched": base(ROWS).repeat().batch(16).prefetch(2),
        "the same again": whole.repeat(),
        "cached": base(ROWS).batch(16).cache().repeat(),
        "mapped": base(ROWS).batch(16).map(lambda x: x + 1.0).cache().repeat(),
        "handed on": whole.map(lambda x: x).repeat(),
        "filtered": whole.filter(lambda x: tf.reduce_sum(x) > 0.0).repeat(),
        "buffered": whole.repeat().shuffle(3, seed=1),
    }


@pytest.mark.parametrize("kind", sorted(pipelines()))
def test_fetched_arrays_are_the_callers(kind):
    with tf.Graph().as_default(), tf.Session() as sess:
        element = pipelines()[kind].make_one_shot_iterator().get_next()
        again = tf.identity(element)
        total = tf.reduce_sum(element, axis=1)
        first = [sess.run(element) for _ in range(4)]
        expected = [a.copy() for a in first]
        for array in first:
            assert array.flags.writeable
            array[...] = -1
        for epoch in range(2):
            found = [sess.run([element, again, total]) for _ in range(4)]
            for (one, other, sums), right in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, right)
                np.testing.assert_array_equal(other, right)
                np.testing.assert_allclose(sums, right.sum(axis=1), rtol=1e-5)
                assert not np.shares_memory(one, other)
                assert not np.shares_memory(one, ROWS)
                one[...] = other[...] = epoch
    assert ROWS[1, 0] == 1000.0


def test_a_generator_may_use_its_buffer_again():
    buffer = np.zeros((8, 1000), np.float32)

    def numbers():
        for n in range(4):
            buffer[...] = n
            yield buffer

    with tf.Graph().as_default(), tf.Session() as sess:
        data = tf.data.Dataset.from_generator(numbers, tf.float32, [8, 1000])
        element = data.make_one_shot_iterator().get_next()
        found = [sess.run([element, tf.reduce_max(element)]) for _ in range(4)]
    assert [(a.min(), a.max(), top) for a, top in found] == [(n, n, n) for n in range(4)]


def test_results_of_python_functions_are_handed_over_once():
    kept = []

    def fresh(n):
        return np.full((n, 1000), 3.0, np.float32)

    def keeping(n):
        kept.append(np.full((n, 1000), 4.0, np.float32))
        return kept[-1]

    n = tf.placeholder(tf.int64, [])
    one = tf.py_func(fresh, [n], tf.float32)
    other = tf.py_func(keeping, [n], tf.float32)
    same = tf.identity(one)
    with tf.Session() as sess:
        for _ in range(3):
            a, b, c = sess.run([one, other, same], {n: 8})
            assert not np.shares_memory(a, c) and not np.shares_memory(b, kept[-1])
            a[...], b[...] = 0, 0
            assert (c == 3).all() and (kept[-1] == 4).all()


def test_a_wrong_size_of_an_element_is_said():
    def grow():
        for n in (4, 5):
            yield np.zeros((n, 1000), np.float32)

    data = tf.data.Dataset.from_generator(grow, tf.float32, [None, 1000])
    element = data.make_one_shot_iterator().get_next()
    element.set_shape([4, 1000])
    with tf.Session() as sess:
        assert sess.run(element).shape == (4, 1000)
        with pytest.raises(tf.errors.OpError):
            sess.run(tf.reduce_sum(element, axis=0))
