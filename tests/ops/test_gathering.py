"""Gather, scatter, one_hot, segments: sparse gradients, bad indices (SEMANTICS 9, 14, 16; G17)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpret import evaluate

import flowgraph as tf
from flowgraph.graph.indexed_slices import IndexedSlices


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.lists(st.integers(0, 3), max_size=2),
    st.integers(0, 2),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_gather_is_take(shape: list[int], count: list[int], axis: int, hidden: bool) -> None:
    axis %= len(shape)
    rng = np.random.default_rng(0)
    x, i = rng.normal(size=shape), rng.integers(0, shape[axis], count)
    with tf.Graph().as_default():
        t = tf.placeholder(tf.float64, [None] * len(shape) if hidden else shape)
        y = tf.gather(t, i, axis=axis)
        np.testing.assert_array_equal(evaluate(y, {t: x}), np.take(x, i, axis))
        assert y.shape.is_compatible_with(np.take(x, i, axis).shape)
        dx = tf.convert_to_tensor(tf.gradients(y, t)[0])
        expected = np.zeros_like(x)
        np.add.at(expected, (slice(None),) * axis + (i,), 1)
        np.testing.assert_array_equal(evaluate(dx, {t: x}), expected)


def test_gradient_of_a_gather_is_sparse() -> None:
    table = tf.constant(np.zeros((5, 2), np.float32))
    y = tf.gather(table, [[3, 0], [3, 3]])
    (g,) = tf.gradients(y, table)
    assert isinstance(g, IndexedSlices)
    values, indices, dense = evaluate([g.values, g.indices, tf.convert_to_tensor(g)])
    assert values.shape == (4, 2)
    assert indices.tolist() == [3, 0, 3, 3]
    assert dense[:, 0].tolist() == [1, 0, 0, 3, 0]


def test_gather_with_batch_axes() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    i = np.array([[2, 0], [1, 1]])
    y = tf.gather(tf.constant(x), i, batch_dims=1)
    np.testing.assert_array_equal(evaluate(y), np.stack([x[b][i[b]] for b in range(2)]))


@pytest.mark.parametrize("index", [5, -1])
def test_an_index_out_of_range_is_an_error_when_run(index: int) -> None:
    """Also where everything is constant: SEMANTICS 9."""
    ys = [
        tf.gather(tf.constant([1.0, 2.0]), [0, index]),
        tf.gather_nd(tf.constant([1.0, 2.0]), [[0], [index]]),
        tf.scatter_nd([[0], [index]], [1.0, 2.0], [2]),
    ]
    for y in ys:
        for run in (evaluate, tf.Session().run):
            with pytest.raises(tf.errors.InvalidArgumentError, match="not in|does not index|range"):
                run(y)


def test_gather_nd_and_scatter_nd() -> None:
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    y = tf.gather_nd(x, [[0, 1], [1, 0], [0, 1]])
    assert evaluate(y).tolist() == [2, 3, 2]
    assert evaluate(tf.gradients(y, x)[0]).tolist() == [[0, 2], [1, 0]]
    assert evaluate(tf.gather_nd(x, [[1]])).tolist() == [[3, 4]]
    assert evaluate(tf.scatter_nd([[1], [1]], [5, 6], [3])).tolist() == [0, 11, 0]


def test_one_hot() -> None:
    """G17: out of range is a row of zeros."""
    session = tf.Session()
    assert session.run(tf.one_hot([0, 2, -1, 3], 3)).tolist() == [
        [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0],
    ]  # fmt: skip
    i = tf.constant([[0, 1], [1, 1]])
    for axis in (-1, 0, 1, 2):
        got = session.run(tf.one_hot(i, 2, axis=axis))
        expected = np.moveaxis(np.eye(2)[[[0, 1], [1, 1]]], -1, axis)
        np.testing.assert_array_equal(got, expected)
    assert tf.one_hot([0], 2).dtype is tf.float32
    assert tf.one_hot([0], 2, on_value=1, off_value=0).dtype is tf.int32
    assert tf.one_hot([0], 2, dtype=tf.bool, on_value=True, off_value=False).dtype is tf.bool
    assert evaluate(tf.one_hot([1], 2, 5.0, -1.0)).tolist() == [[-1, 5]]
    with pytest.raises(TypeError):
        tf.one_hot([0], 2, on_value=1.5, dtype=tf.int32)
    with pytest.raises(TypeError):
        tf.one_hot([0], 2, on_value=tf.constant(1), off_value=tf.constant(1.0))


def test_segments() -> None:
    x = tf.constant([[1.0, 1], [2, 2], [3, 3]])
    y = tf.unsorted_segment_sum(x, [2, 0, -1], 4)
    assert evaluate(y).tolist() == [[2, 2], [0, 0], [1, 1], [0, 0]]
    u = tf.constant(np.arange(8, dtype=np.float32).reshape(4, 2))
    assert evaluate(tf.gradients(y * u, x)[0]).tolist() == [[4, 5], [0, 1], [0, 0]]


def test_gather_reads_a_variable() -> None:
    table = tf.Variable(np.eye(3, dtype=np.float32))
    y = tf.gather(table, [2, 0])
    (g,) = tf.gradients(y, table)
    assert isinstance(g, IndexedSlices)
    with tf.Session() as session:
        session.run(table.initializer)
        assert session.run(y).tolist() == [[0, 0, 1], [1, 0, 0]]
        assert session.run(tf.convert_to_tensor(g)).tolist() == [[1, 1, 1], [0, 0, 0], [1, 1, 1]]
