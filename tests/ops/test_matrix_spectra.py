"""Eigenvalues and singular values: what the samples of the records cannot show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

DTYPES = ["float32", "float64", "complex64", "complex128"]


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def tolerance(dtype):
    return 2e-4 if dtype in ("float32", "complex64") else 1e-10


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=2),
    st.sampled_from([0, 1, 2, 3, 8, 33]),
    st.sampled_from(DTYPES),
)
def test_eigenvectors_of_any_size(batch, n, dtype):
    a = numbers((*batch, n, n), dtype, n)
    a = a + adjoint(a)
    with tf.Graph().as_default():
        e, v = run(tf.linalg.eigh(tf.constant(a)))
    tol = tolerance(dtype) * max(n, 1)
    assert e.dtype == v.dtype == a.dtype
    np.testing.assert_allclose(e.real, np.linalg.eigvalsh(a), atol=tol)
    np.testing.assert_allclose(v * e[..., None, :] @ adjoint(v), a, atol=tol)
    np.testing.assert_allclose(adjoint(v) @ v, np.broadcast_to(np.eye(n), a.shape), atol=tol)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=1),
    st.tuples(*[st.sampled_from([0, 1, 2, 3, 9, 34])] * 2),
    st.sampled_from(DTYPES),
    st.booleans(),
)
def test_singular_vectors_of_any_size(batch, sizes, dtype, full):
    a = numbers((*batch, *sizes), dtype, sum(sizes))
    with tf.Graph().as_default():
        s, u, v = run(tf.svd(tf.constant(a), full_matrices=full))
    tol, k = tolerance(dtype) * max(*sizes, 1), min(sizes)
    assert s.dtype == a.real.dtype and u.dtype == v.dtype == a.dtype
    np.testing.assert_allclose(s, np.linalg.svd(a, compute_uv=False), atol=tol)
    np.testing.assert_allclose(u[..., :k] * s[..., None, :] @ adjoint(v[..., :k]), a, atol=tol)
    for x in (u, v):
        unit = np.broadcast_to(np.eye(x.shape[-1]), (*batch, x.shape[-1], x.shape[-1]))
        np.testing.assert_allclose(adjoint(x) @ x, unit, atol=tol)


def test_names_and_aliases():
    x = tf.placeholder(tf.float32, [None, 3, 2], name="x")
    s, u, v = tf.svd(x)
    assert [t.name for t in (s, u, v)] == ["Svd:0", "Svd:1", "Svd:2"]
    assert [t.shape.as_list() for t in (s, u, v)] == [[None, 2], [None, 3, 2], [None, 2, 2]]
    assert tf.svd(x, compute_uv=False).shape.as_list() == [None, 2]
    assert tf.linalg.svd is tf.svd
    assert tf.linalg.eigh is tf.self_adjoint_eig
    assert tf.linalg.eigvalsh is tf.self_adjoint_eigvals
    e, v = tf.self_adjoint_eig(tf.ones([2, 2]), name="spectrum")
    assert (e.name, v.name) == ("spectrum:0", "spectrum:1")


def test_equal_values_have_finite_gradients():
    x = tf.constant(np.eye(3))
    e, v = tf.self_adjoint_eig(x)
    s, u, w = tf.svd(x)
    gradients = tf.gradients([e[0], v[0, 1], s[0], u[0, 0], w[1, 1]], [x])
    assert np.isfinite(run(gradients)).all()


def test_the_nuclear_norm_and_its_gradient():
    a = numbers((4, 3), "float64")
    x = tf.constant(a)
    (dx,) = tf.gradients(tf.reduce_sum(tf.svd(x, compute_uv=False)), [x])
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    np.testing.assert_allclose(run(dx), u @ vh, atol=1e-12)


def test_the_added_columns_have_no_gradient():
    x = tf.constant(numbers((4, 3), "float64"))
    _, u, _ = tf.svd(x, full_matrices=True)
    with pytest.raises(ValueError, match="square matrices of known size only"):
        tf.gradients(u[0, 0], [x])
