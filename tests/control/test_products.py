"""Gradients of x @ w in loops: one product of all iterations' rows, where their number is known."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

RNG = np.random.default_rng(4)
W, X = RNG.normal(size=(3, 3)) * 0.6, RNG.normal(size=(2, 3))


def step(x, w):
    return tf.tanh(tf.matmul(x, w)) + 0.1 * x


def looped(x, w, count):
    return tf.while_loop(lambda i, _: i < count, lambda i, y: (i + 1, step(y, w)), (0, x))[1]


def unrolled(x, w, count):
    for _ in range(count):
        x = step(x, w)
    return x


def derivatives(y, x, w):
    first = tf.gradients(tf.reduce_sum(tf.sin(y)), [x, w])
    second = tf.gradients(tf.reduce_sum(first[1] * first[1]), [x, w])
    return [y, *first, *(g for g in second if g is not None)]


@pytest.mark.parametrize("how", ["number", "size", "value"])
@pytest.mark.parametrize("size", [2, None])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_gradients_agree_with_the_unrolled_graph(count, size, how):
    with tf.Graph().as_default():
        x, w = tf.placeholder(tf.float64, [size, 3]), tf.placeholder(tf.float64, [3, 3])
        rows = tf.placeholder(tf.float64, [None])
        limit = {"number": count, "size": tf.shape(rows)[0],
                 "value": tf.cast(tf.reduce_sum(rows), tf.int32)}[how]  # fmt: skip
        ours = derivatives(looped(x, w, limit), x, w)
        theirs = derivatives(unrolled(x, w, count), x, w) if count else None
        feed = {x: X, w: W, rows: np.ones(count)}
        with tf.Session() as session:
            got = session.run(ours, feed)
            if not count:
                np.testing.assert_array_equal(got[0], X)
                np.testing.assert_allclose(got[1], np.cos(X), rtol=1e-12)
                assert not np.any(got[2])
                return
            for one, other in zip(got, session.run(theirs, feed), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def test_one_product_stands_behind_the_loop():
    with tf.Graph().as_default() as graph:
        x, w = tf.placeholder(tf.float64, [2, 3]), tf.placeholder(tf.float64, [3, 3])
        tf.gradients(looped(x, w, 5), w)
        (backward,) = [op for op in graph.get_operations() if op.type == "While"][1:]
    kept = [t.op.name for t in backward.inputs if t.op.type == "EmptyStack"]
    assert len(kept) == 2
