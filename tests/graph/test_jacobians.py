"""tf.jacobian, tf.jvp, tf.hessians and tf.vectorized_map: shapes, values, structures, errors."""

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


def test_jacobian_of_a_linear_map_is_its_matrix():
    m = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    x = tf.placeholder(tf.float32, [3])
    (j,) = tf.jacobian(
        tf.linalg.matvec(m, x)
        if hasattr(tf.linalg, "matvec")
        else tf.reshape(tf.matmul(m, tf.reshape(x, [3, 1])), [2]),
        x,
    )
    assert j.shape == [2, 3]
    assert run(j, {x: [1, 2, 3]}).tolist() == m.tolist()


def test_ranks_and_several_xs():
    x, y = tf.placeholder(tf.float32, [2, 2]), tf.placeholder(tf.float32, [])
    z = tf.stack([tf.reduce_sum(x, 0) * y, x[0]])  # [2, 2]
    jx, jy, none = tf.jacobian(z, [x, y, tf.constant(1.0)])
    assert jx.shape == [2, 2, 2, 2] and jy.shape == [2, 2] and none is None
    a, b = run([jx, jy], {x: [[1, 2], [3, 4]], y: 5})
    expected = np.zeros((2, 2, 2, 2))
    for k in range(2):
        expected[0, k, :, k] = 5
        expected[1, k, 0, k] = 1
    np.testing.assert_array_equal(a, expected)
    np.testing.assert_array_equal(b, [[4, 6], [0, 0]])
    zeros = tf.jacobian(z, tf.constant([1.0, 2.0]), unconnected_gradients="zero")[0]
    assert run(zeros, {x: np.ones((2, 2)), y: 1}).shape == (2, 2, 2)


def test_columns_when_they_pay():
    """Few inputs, many outputs: forward mode; the result is that of the rows."""
    x = tf.constant([0.5, -1.0])
    y = tf.concat([tf.sin(x * k) for k in range(1, 12)], 0)
    (by_columns,) = tf.jacobian(y, x)
    (by_rows,) = tf.jacobian(y, x, stop_gradients=[])
    assert by_columns.shape == by_rows.shape == [22, 2]
    k = np.repeat(np.arange(1, 12), 2)
    expected = np.zeros((22, 2))
    for i in range(22):
        expected[i, i % 2] = k[i] * np.cos(k[i] * [0.5, -1.0][i % 2])
    for got in run([by_columns, by_rows]):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_open_sizes():
    x = tf.placeholder(tf.float32, [None, 2])
    (j,) = tf.jacobian(tf.reduce_sum(x * x, 1), x)
    assert j.shape.as_list() == [None, None, 2]
    got = run(j, {x: [[1, 2], [3, 4], [5, 6]]})
    expected = np.zeros((3, 3, 2))
    for i, row in enumerate([[1, 2], [3, 4], [5, 6]]):
        expected[i, i] = 2 * np.array(row)
    np.testing.assert_array_equal(got, expected)


def test_of_variables_and_of_sparse_gradients():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    rows = tf.gather(v, [2, 0, 2])
    (j,) = tf.jacobian(tf.reduce_sum(rows * rows, 1), v)
    expected = np.zeros((3, 3, 2))
    expected[0, 2] = expected[2, 2] = [10, 12]
    expected[1, 0] = [2, 4]
    np.testing.assert_array_equal(run(j), expected)
    (h,) = tf.hessians(tf.reduce_sum(rows * rows), v)
    np.testing.assert_array_equal(run(h).reshape(6, 6), np.diag([2.0, 2.0, 0.0, 0.0, 4.0, 4.0]))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**31))
def test_hessian_of_a_quadratic_form(rows, columns, seed):
    rng = np.random.default_rng(seed)
    size = rows * columns
    m = rng.normal(size=(size, size))
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float64, [rows, columns])
        flat = tf.reshape(x, [1, size])
        (h,) = tf.hessians(tf.matmul(tf.matmul(flat, m), flat, transpose_b=True), x)
        assert h.shape == [rows, columns, rows, columns]
        got = tf.Session().run(h, {x: rng.normal(size=(rows, columns))})
    np.testing.assert_allclose(got.reshape(size, size), m + m.T, atol=1e-12)


def test_hessians_graph_does_not_grow_with_the_elements():
    sizes = []
    for n in (3, 300):
        with tf.Graph().as_default() as graph:
            x = tf.placeholder(tf.float32, [n])
            tf.hessians(tf.reduce_sum(tf.sin(x) * x), x)
            sizes.append(len(graph.get_operations()))
    assert sizes[0] == sizes[1]


def test_derivatives_of_a_jacobian():
    x = tf.constant([1.0, 2.0])
    (j,) = tf.jacobian(x**3.0, x)
    (third,) = tf.jacobian(tf.jacobian(j, x)[0], x)
    expected = np.zeros((2, 2, 2, 2))
    expected[0, 0, 0, 0] = expected[1, 1, 1, 1] = 6
    np.testing.assert_allclose(run(third), expected, rtol=1e-5)


def test_jvp():
    x, y = tf.constant([1.0, 2.0]), tf.constant(3.0)
    a, b = tf.jvp([x * y, tf.constant([7.0])], [x, y], [[1.0, 0.0], 2.0])
    assert [v.tolist() for v in run([a, b])] == [[5, 4], [0]]
    (only_y,) = tf.jvp(x * y, [x, y], [None, 2.0])
    assert run(only_y).tolist() == [2, 4]
    (second,) = tf.jvp(tf.jvp(x**3.0, x, [[1.0, 1.0]])[0], x, [[1.0, 1.0]])
    np.testing.assert_allclose(run(second), [6, 12], rtol=1e-6)
    with pytest.raises(ValueError, match="2 xs were given, but 1 tangents"):
        tf.jvp(x, [x, y], [x])
    with pytest.raises(ValueError, match="shape"):
        tf.jvp(x, x, [[1.0]])
    with pytest.raises(TypeError, match="one tensor"):
        tf.jacobian([x, y], x)


Pair = namedtuple("Pair", "left right")


def test_vectorized_map():
    x = tf.placeholder(tf.float32, [None, 3])
    w = tf.constant(np.arange(6.0, dtype=np.float32).reshape(3, 2))

    def layer(row):
        return {"out": tf.tanh(tf.matmul(tf.expand_dims(row, 0), w)), "sum": tf.reduce_sum(row)}

    both = tf.vectorized_map(layer, x)
    data = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    got = run(both, {x: data})
    np.testing.assert_allclose(got["out"][:, 0], np.tanh(data @ np.arange(6).reshape(3, 2)), 1e-5)
    np.testing.assert_allclose(got["sum"], data.sum(1), 1e-5)
    pairs = tf.vectorized_map(
        lambda p: Pair(p.left + p.right, tf.constant(1)), Pair(x, 2.0 * tf.ones([4]))
    )
    got = run(pairs, {x: data})
    np.testing.assert_allclose(got.left, data + 2)
    assert got.right.tolist() == [1] * 4
    (dx,) = tf.gradients(tf.vectorized_map(lambda r: tf.reduce_sum(r * r), x), x)
    np.testing.assert_allclose(run(dx, {x: data}), 2 * data)


def test_vectorized_map_errors():
    with pytest.raises(ValueError, match="no tensor"):
        tf.vectorized_map(lambda x: x, [])
    with pytest.raises(ValueError, match="differ in the size"):
        tf.vectorized_map(lambda p: p[0], [tf.ones([2]), tf.ones([3])])
    with pytest.raises(ValueError, match="at least one axis"):
        tf.vectorized_map(lambda x: x, tf.constant(1.0))
    x = tf.placeholder(tf.float32, [None, 3])
    with pytest.raises(NotImplementedError, match="number of rows is not known"):
        tf.vectorized_map(lambda row: tf.py_func(np.sort, [row], tf.float32), x)
    v = tf.Variable(1.0)
    with pytest.raises(NotImplementedError, match="cannot be applied to a batch"):
        tf.vectorized_map(lambda row: v.assign(tf.reduce_sum(row)), tf.ones([2, 3]))
