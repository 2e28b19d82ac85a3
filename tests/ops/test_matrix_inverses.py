"""Least squares, pseudo-inverse, rank, LU helpers, norms: what samples cannot show."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

DTYPES = ["float32", "float64", "complex64", "complex128"]
TOLERANCE = {"float32": 3e-4, "complex64": 3e-4, "float64": 1e-10, "complex128": 1e-10}


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def numbers(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


# ----------------------------------------------------------------------------------- least squares


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 2, 5, 40]),
    st.sampled_from([1, 3, 5, 33]),
    st.sampled_from([0, 1, 4]),
    st.sampled_from(DTYPES),
    st.booleans(),
)
def test_least_squares_of_any_size(m, n, k, dtype, fast):
    a, b = numbers((2, m, n), dtype, m), numbers((2, m, k), dtype, n)
    l2 = 0.5 if fast else 0.0
    with tf.Graph().as_default():
        x = run(tf.linalg.lstsq(tf.constant(a), tf.constant(b), l2_regularizer=l2, fast=fast))
    if fast:
        expected = np.linalg.solve(adjoint(a) @ a + l2 * np.eye(n), adjoint(a) @ b)
    else:
        expected = np.linalg.pinv(a) @ b
    scale = max(1.0, np.abs(expected).max(initial=0)) * max(m, n)
    np.testing.assert_allclose(x, expected, atol=TOLERANCE[dtype] * scale)


def test_least_squares_are_tensorflows():
    a = np.array([[4.0, 1], [1, 3], [0, 1]])
    b = np.array([[1.0], [2], [5]])
    x = tf.constant(a)
    plain = tf.linalg.lstsq(x, b)
    shrunk = tf.linalg.lstsq(x, b, l2_regularizer=0.5)
    values = run([plain, shrunk, tf.gradients(plain, x)[0]])
    np.testing.assert_allclose(values[0], [[-0.13043478], [1.17391304]], atol=1e-8)
    np.testing.assert_allclose(values[1], [[-0.09852217], [1.10344828]], atol=1e-8)
    slopes = [[0.03465658, -0.19596723], [-0.00819156, -0.39004411], [0.12035287, 0.19218652]]
    np.testing.assert_allclose(values[2], slopes, atol=1e-8)
    assert plain.op.name == "matrix_solve_ls"
    assert tf.linalg.lstsq(x, b, fast=False).op.name == "MatrixSolveLs"
    assert tf.matrix_solve_ls is tf.linalg.lstsq


@pytest.mark.parametrize("sizes", [(4, 2), (2, 4), (3, 3)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_where_sizes_are_unknown(sizes, dtype):
    a, b = numbers(sizes, dtype), numbers((sizes[0], 2), dtype, 1)
    found = []
    for shape in (sizes, [None, None], None):
        x, y = tf.placeholder(dtype, shape), tf.placeholder(dtype, [None, 2])
        l2 = tf.placeholder(tf.float64, [])
        z = tf.linalg.lstsq(x, y, l2_regularizer=l2)
        total = tf.reduce_sum(tf.abs(z))
        slopes = tf.gradients(total, [x, y, l2])
        found.append(run(slopes, {x: a, y: b, l2: 0.3}))
        step = 1e-6
        ends = [run(total, {x: a, y: b, l2: 0.3 + s * step}) for s in (1, -1)]
        np.testing.assert_allclose(found[-1][2], (ends[0] - ends[1]) / (2 * step), rtol=1e-6)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-10)


# ------------------------------------------------------------------------ pseudo-inverse and rank


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 6), st.sampled_from(DTYPES[:2]))
def test_pseudo_inverse_and_rank(m, n, rank, dtype):
    rank = min(m, n, rank)
    a = (numbers((2, m, rank), "float64") @ numbers((2, rank, n), "float64", 1)).astype(dtype)
    with tf.Graph().as_default():
        x = tf.placeholder(dtype, [None, None, None])
        got, count = run([tf.linalg.pinv(x), tf.linalg.matrix_rank(x, tol=1e-4)], {x: a})
    np.testing.assert_allclose(a @ got @ a, a, atol=100 * TOLERANCE[dtype])
    np.testing.assert_allclose(adjoint(a @ got), a @ got, atol=100 * TOLERANCE[dtype])
    assert count.tolist() == np.linalg.matrix_rank(a, tol=1e-4).tolist()
    assert count.dtype == np.int32


def test_cuts_of_pseudo_inverses():
    a = np.stack([np.diag([1.0, 0.1])] * 2)
    got = run(tf.linalg.pinv(a, rcond=[0.5, 0.01]))
    np.testing.assert_allclose(got, [np.diag([1.0, 0.0]), np.diag([1.0, 10.0])])
    assert run(tf.linalg.matrix_rank([[[1.0, 2], [2, 4]]], tol=10.0)).tolist() == [0]
    with pytest.raises(TypeError, match="int32"):
        tf.linalg.pinv([[1, 2], [2, 4]])
    for function in (tf.linalg.pinv, tf.linalg.matrix_rank):
        with pytest.raises(ValueError, match="at least 2"):
            function([1.0, 2.0])


def test_gradient_of_the_pseudo_inverse():
    a = numbers((4, 3))
    x = tf.constant(a)
    total = tf.reduce_sum(tf.sin(tf.linalg.pinv(x)))
    (dx,) = tf.gradients(total, x)
    direction = numbers((4, 3), seed=5)
    step = 1e-6
    ends = [np.sin(np.linalg.pinv(a + s * step * direction)).sum() for s in (1, -1)]
    np.testing.assert_allclose((run(dx) * direction).sum(), (ends[0] - ends[1]) / (2 * step), 1e-6)


# -------------------------------------------------------------------------------------- LU factors


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_lu_factors(batch, dtype):
    a, b = numbers((*batch, 4, 4), dtype), numbers((*batch, 4, 2), dtype, 1)
    lu, perm = tf.linalg.lu(tf.constant(a))
    back, inverse, x = run(
        [
            tf.linalg.lu_reconstruct(lu, perm),
            tf.linalg.lu_matrix_inverse(lu, perm),
            tf.linalg.lu_solve(lu, perm, b),
        ]
    )
    tol = 20 * TOLERANCE[dtype]
    np.testing.assert_allclose(back, a, atol=tol)
    np.testing.assert_allclose(inverse @ a, np.broadcast_to(np.eye(4), a.shape), atol=tol)
    np.testing.assert_allclose(a @ x, b, atol=tol)


def test_lu_solve_broadcasts_and_checks():
    a = numbers((2, 3, 3))
    lu, perm = tf.linalg.lu(a)
    x = tf.linalg.lu_solve(lu, perm, np.ones((3, 1)))
    np.testing.assert_allclose(a @ run(x), np.ones((2, 3, 1)), atol=1e-10)
    shared = tf.linalg.lu_solve(*tf.linalg.lu(a[0]), numbers((2, 3, 2)))
    np.testing.assert_allclose(a[0] @ run(shared), numbers((2, 3, 2)), atol=1e-10)
    with pytest.raises(ValueError, match="a row for each row"):
        tf.linalg.lu_solve(lu, perm, np.ones((2, 1)))
    with pytest.raises(ValueError, match="at least 2 axes"):
        tf.linalg.lu_solve(lu, perm, np.ones(3))
    with pytest.raises(ValueError, match="a number for each row"):
        tf.linalg.lu_reconstruct(lu, perm[0])


# ------------------------------------------------------------------------------------------- norms


def test_norms_of_complex_numbers_are_tensorflows():
    z = np.array([[3 + 4j, 1], [0, 2j]])
    norms = {"euclidean": [5.09901951, 2], 1: [6, 2], 2: [5.09901951, 2], np.inf: [5, 2]}
    for ord, wanted in norms.items():
        y = tf.norm(z, ord=ord, axis=1)
        assert y.dtype is (tf.complex128 if ord in ("euclidean", 2) else tf.float64)
        np.testing.assert_allclose(run(y), wanted)
    of_matrices = {"fro": 5.47722558, 1: 5, 2: 5.11667274, np.inf: 6}
    for ord, wanted in of_matrices.items():
        np.testing.assert_allclose(run(tf.norm(z, ord=ord, axis=[0, 1])), wanted)
    y, size = run(tf.linalg.normalize(z, axis=1))
    np.testing.assert_allclose(size, [[5.09901951], [2]])
    np.testing.assert_allclose(y * size, z)


def test_the_2_norm_of_matrices_along_any_axes():
    x = numbers((3, 2, 4))
    y = tf.norm(x, ord=2, axis=[0, -1])
    kept = tf.norm(x, ord=2, axis=[0, -1], keepdims=True)
    wanted = np.linalg.norm(x, ord=2, axis=(0, 2))
    np.testing.assert_allclose(run(y), wanted)
    assert kept.shape.as_list() == [1, 2, 1]
    np.testing.assert_allclose(run(kept)[0, :, 0], wanted)


def test_normalize():
    y, size = run(tf.linalg.normalize([[3.0, 4], [0, 1]], ord=1, axis=0))
    np.testing.assert_allclose(y, [[1, 0.8], [0, 0.2]])
    np.testing.assert_allclose(size, [[3, 5]])
    assert np.isnan(run(tf.linalg.normalize([0.0, 0.0])[0])).all()


def test_logdet():
    a = np.stack([np.eye(2) * 2, np.diag([3.0, 5.0])])
    np.testing.assert_allclose(run(tf.linalg.logdet(a)), np.log([4, 15]))
    y = tf.linalg.logdet(tf.constant(a[0] + 0j))
    assert y.dtype is tf.float64
    np.testing.assert_allclose(run(y), np.log(4))


SIGNATURES = {
    "linalg.lstsq": "matrix rhs l2_regularizer fast name",
    "linalg.pinv": "a rcond validate_args name",
    "linalg.matrix_rank": "a tol validate_args name",
    "linalg.logdet": "matrix name",
    "linalg.normalize": "tensor ord axis name",
    "linalg.lu_solve": "lower_upper perm rhs validate_args name",
    "linalg.lu_matrix_inverse": "lower_upper perm validate_args name",
    "linalg.lu_reconstruct": "lower_upper perm validate_args name",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    function = getattr(tf.linalg, name.partition(".")[2])
    assert " ".join(inspect.signature(function).parameters) == SIGNATURES[name]
