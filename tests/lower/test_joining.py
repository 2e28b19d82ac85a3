"""Parts of a concatenation are made where they are joined."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf


def plan_of(session: tf.Session):
    (entry,) = session._entries
    return entry.plan.current.executable.plan


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat_makes_no_copies(axis: int) -> None:
    x, y = tf.placeholder(tf.float32, [4, 6, 5]), tf.placeholder(tf.float32, [4, 6, 5])
    parts = [tf.exp(x), x * y, tf.tanh(y) + 1]
    joined = tf.concat(parts, axis)
    a, b = np.random.default_rng(0).standard_normal((2, 4, 6, 5)).astype(np.float32)
    with tf.Session() as session:
        got = session.run(joined, {x: a, y: b})
        assert not any(instr.is_copy for instr in plan_of(session).instrs)
    exact = np.concatenate([np.exp(a), a * b, np.tanh(b) + 1], axis)
    np.testing.assert_allclose(got, exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_stack_makes_no_copies(axis: int) -> None:
    x = tf.placeholder(tf.float64, [3, 7])
    joined = tf.stack([x + 1, x * x], axis)
    a = np.random.default_rng(0).standard_normal((3, 7))
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(joined, {x: a}), np.stack([a + 1, a * a], axis))
        assert not any(instr.is_copy for instr in plan_of(session).instrs)


def test_parts_that_others_use_too() -> None:
    x = tf.placeholder(tf.float32, [8, 8])
    part, w = tf.nn.relu(x), tf.constant(np.eye(8, dtype=np.float32) * 2)
    twice = tf.concat([part, x, part], 1)  # once in its place, once copied, and a feed
    also = tf.stack([part, part * 3])
    product, total, turned = tf.matmul(part, w), tf.reduce_sum(part, 0), tf.transpose(part)
    sliced = part[2:5, ::3]
    a = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    r = np.maximum(a, 0)
    with tf.Session() as session:
        fetched = [twice, also, product, total, turned, sliced, part, tf.reshape(part, [64])]
        got = session.run(fetched, {x: a})
    expected = [
        np.concatenate([r, a, r], 1), np.stack([r, r * 3]), r * 2, r.sum(0), r.T, r[2:5, ::3], r,
        r.reshape(64),
    ]  # fmt: skip
    for value, exact in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, exact, rtol=1e-6, atol=1e-6)


def test_concatenations_of_concatenations_and_their_gradients() -> None:
    x = tf.Variable(np.arange(6, dtype=np.float64).reshape(2, 3))
    inner = tf.concat([x * 2, x + 1], 0)
    outer = tf.concat([tf.sin(inner), inner * inner, tf.zeros([4, 0], tf.float64)], 1)
    loss = tf.reduce_sum(outer * outer)
    (slope,) = tf.gradients(loss, x)
    with tf.Session() as session:
        session.run(x.initializer)
        value, derivative = session.run([outer, slope])
        v = session.run(x)
    rows = np.concatenate([v * 2, v + 1], 0)
    np.testing.assert_allclose(value, np.concatenate([np.sin(rows), rows * rows], 1))
    each = 2 * np.sin(rows) * np.cos(rows) + 4 * rows**3
    np.testing.assert_allclose(derivative, 2 * each[:2] + each[2:])
