"""Exponential, logarithm and square root of matrices: what samples cannot show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

scipy_linalg = pytest.importorskip("scipy.linalg")


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, shape)
    y = rng.uniform(-1, 1, shape)
    return (x + 1j * y if np.dtype(dtype).kind == "c" else x).astype(dtype)


SIZES = st.sampled_from([1, 2, 3, 7, 20])
TOLERANCE = {"float32": 1e-4, "complex64": 1e-4, "float64": 1e-9, "complex128": 1e-9}


@settings(max_examples=25, deadline=None)
@given(SIZES, st.sampled_from(list(TOLERANCE)), st.sampled_from([1e-3, 1.0, 6.0]))
def test_exponential(n, dtype, scale):
    a = (numbers((2, n, n), dtype, n) * scale).astype(dtype)
    with tf.Graph().as_default():
        got = run(tf.linalg.expm(tf.constant(a)))
    expected = scipy_linalg.expm(a.astype(np.result_type(a, np.float64)))
    assert got.dtype == a.dtype
    assert np.abs(got - expected).max() <= TOLERANCE[dtype] * np.abs(expected).max()


@settings(max_examples=25, deadline=None)
@given(SIZES, st.sampled_from(list(TOLERANCE)))
def test_square_root(n, dtype):
    a = numbers((2, n, n), dtype, n)
    a = (a @ a / 4 + 2 * n * np.eye(n)).astype(dtype)
    with tf.Graph().as_default():
        root = run(tf.linalg.sqrtm(tf.constant(a)))
    np.testing.assert_allclose(root @ root, a, atol=n * TOLERANCE[dtype])
    assert np.linalg.eigvals(root).real.min() >= 0


@settings(max_examples=25, deadline=None)
@given(SIZES, st.sampled_from(["complex64", "complex128"]))
def test_logarithm(n, dtype):
    a = numbers((2, n, n), dtype, n)
    with tf.Graph().as_default():
        x = run(tf.linalg.logm(tf.constant(a)))
    for i in range(2):
        expected = scipy_linalg.logm(a[i].astype("complex128"))
        np.testing.assert_allclose(x[i], expected, atol=n * TOLERANCE[dtype], rtol=1e-4)


def test_logarithm_of_negative_numbers():
    got = run(tf.linalg.logm(tf.constant([[-1.0, 0.0], [0.0, 4.0]], tf.complex128)))
    np.testing.assert_allclose(got, [[1j * np.pi, 0], [0, np.log(4)]], atol=1e-14)


def test_gradient_of_the_logarithm_is_that_of_the_inverse_function():
    # log(exp(X)) = X, so the two derivatives are inverse to one another
    a = numbers((3, 3), "complex128") * 0.5
    g = numbers((3, 3), "complex128", 1)
    x = tf.constant(a)
    y = tf.linalg.logm(tf.linalg.expm(x))
    np.testing.assert_allclose(run(y), a, atol=1e-12)
    (dx,) = tf.gradients(y, x, grad_ys=tf.constant(g))
    np.testing.assert_allclose(run(dx), g, atol=1e-11)


def test_gradients_of_unknown_sizes():
    x = tf.placeholder(tf.float64, [None, None])
    (dx,) = tf.gradients(tf.linalg.expm(x), x)
    got = run(dx, {x: np.zeros((3, 3))})
    np.testing.assert_allclose(got, np.ones((3, 3)))


def test_names_and_aliases():
    assert tf.linalg.expm(tf.ones([2, 2])).op.name == "matrix_exponential"
    assert tf.linalg.sqrtm(tf.ones([2, 2])).op.name == "MatrixSquareRoot"
    assert tf.linalg.sqrtm is tf.matrix_square_root
    with pytest.raises(TypeError, match="float32"):
        tf.linalg.logm(tf.ones([2, 2]))
