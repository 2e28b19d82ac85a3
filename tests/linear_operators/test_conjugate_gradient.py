"""Conjugate gradients."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

L = tf.linalg


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def run(fetches, feeds=None):
    return tf.Session(graph=tf.get_default_graph()).run(fetches, feeds)


def system(n=6, dtype="float64"):
    rng = np.random.default_rng(n)
    x = rng.uniform(-1, 1, (n, n)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.uniform(-1, 1, (n, n))
    matrix = x @ x.conj().T + np.eye(n)
    operator = L.LinearOperatorFullMatrix(matrix, is_self_adjoint=True, is_positive_definite=True)
    return matrix, operator


def test_steps_are_tensorflows():
    a = np.array([[4.0, 1], [1, 3]])
    operator = L.LinearOperatorFullMatrix(a, is_self_adjoint=True, is_positive_definite=True)
    state = L.experimental.conjugate_gradient(operator, tf.constant([1.0, 2.0], tf.float64))
    i, x, r = run([state.i, state.x, state.r])
    assert i == 2
    np.testing.assert_allclose(x, [0.09090909, 0.63636364])
    np.testing.assert_allclose(r, [0, 0], atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("conditioned", [False, True])
def test_solutions(dtype, conditioned):
    matrix, operator = system(dtype=dtype)
    rhs = np.arange(1.0, 13.0).reshape(2, 6).astype(dtype)
    preconditioner = None
    if conditioned:
        preconditioner = L.LinearOperatorDiag(
            1 / np.diagonal(matrix), is_self_adjoint=True, is_positive_definite=True
        )
    start = np.ones((2, 6), dtype)
    state = L.experimental.conjugate_gradient(
        operator, tf.constant(rhs), preconditioner, tf.constant(start), 1e-10, 50
    )
    i, x = run([state.i, state.x])
    assert i <= 12
    np.testing.assert_allclose(x, np.linalg.solve(matrix, rhs.T).T, atol=1e-7)


def test_limits_and_errors():
    matrix, operator = system()
    limit = tf.placeholder(tf.int32, [])
    state = L.experimental.conjugate_gradient(operator, np.ones(6), tol=0.0, max_iter=limit)
    assert run(state.i, {limit: 3}) == 3
    with pytest.raises(ValueError, match="positive definite operator"):
        L.experimental.conjugate_gradient(L.LinearOperatorFullMatrix(matrix), np.ones(6))


def test_a_system_that_is_solved_at_once_beside_another():
    matrix, operator = system()
    rhs = np.stack([np.zeros(6), np.ones(6)])
    state = L.experimental.conjugate_gradient(operator, rhs, tol=1e-12, max_iter=50)
    x = run(state.x)
    np.testing.assert_array_equal(x[0], 0)
    np.testing.assert_allclose(x[1], np.linalg.solve(matrix, rhs[1]), atol=1e-8)
