"""Tridiagonal matrices and the orthogonal initializer: what samples cannot show."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

DTYPES = ["float32", "float64", "complex64", "complex128"]
TOLERANCE = {"float32": 1e-3, "complex64": 1e-3, "float64": 1e-10, "complex128": 1e-10}


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def numbers(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, shape)
    return (x + 1j * rng.uniform(-1, 1, shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def system(batch, n, dtype):
    middle = numbers((*batch, n), dtype, 1) + 3
    above, below = numbers((*batch, n - 1), dtype, 2), numbers((*batch, n - 1), dtype, 3)
    matrix = np.zeros((*batch, n, n), dtype)
    at = np.arange(n)
    matrix[..., at, at] = middle
    matrix[..., at[:-1], at[1:]] = above
    matrix[..., at[1:], at[:-1]] = below
    return above, middle.astype(dtype), below, matrix


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(), (2,), (2, 3)]),
    st.integers(1, 7),
    st.integers(1, 3),
    st.sampled_from(DTYPES),
    st.sampled_from(["compact", "sequence", "matrix"]),
)
def test_every_form(batch, n, k, dtype, form):
    above, middle, below, matrix = system(batch, n, dtype)
    unread = np.full((*batch, 1), np.nan, dtype)
    rows = [
        np.concatenate([above, unread], -1), middle, np.concatenate([unread, below], -1)
    ]  # fmt: skip
    given = {"compact": np.stack(rows, -2), "sequence": [above, middle, below], "matrix": matrix}
    b = numbers((*batch, n, k), dtype)
    with tf.Graph().as_default():
        x = tf.linalg.tridiagonal_solve(given[form], b, diagonals_format=form)
        one = tf.linalg.tridiagonal_solve(given[form], b[..., 0], diagonals_format=form)
        turned = tf.linalg.tridiagonal_solve(
            given[form], np.swapaxes(b, -1, -2), form, transpose_rhs=True, conjugate_rhs=True
        )
        y = tf.linalg.tridiagonal_matmul(given[form], b, diagonals_format=form)
        values = run([x, one, turned, y])
    tol = TOLERANCE[dtype]
    np.testing.assert_allclose(matrix @ values[0], b, atol=tol)
    np.testing.assert_allclose(values[1], values[0][..., 0], atol=tol)
    np.testing.assert_allclose(matrix @ values[2], b.conj(), atol=tol)
    np.testing.assert_allclose(values[3], matrix @ b, atol=tol)


def test_values_are_tensorflows():
    diagonals = tf.constant([[1.0, 2, 0], [4, 5, 6], [0, 1, 2]])
    x = tf.linalg.tridiagonal_solve(diagonals, [1.0, 2, 3])
    np.testing.assert_allclose(run(x), [0.20408163, 0.18367347, 0.43877551], rtol=1e-6)
    y = tf.linalg.tridiagonal_matmul(diagonals, [[1.0, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(run(y), [[7, 12], [26, 34], [36, 44]])
    singular = tf.linalg.tridiagonal_solve(np.zeros((3, 3)), np.ones(3))
    assert np.isnan(run(singular)).all()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients(dtype):
    above, middle, below, _ = system((), 4, dtype)
    parts = [tf.constant(v) for v in (above, middle, below, numbers((4, 2), dtype))]
    for function in (tf.linalg.tridiagonal_solve, tf.linalg.tridiagonal_matmul):
        y = function(parts[:3], parts[3], diagonals_format="sequence")
        total = tf.reduce_sum(tf.sin(tf.abs(y)))
        slopes = tf.gradients(total, parts)
        step = 1e-6
        for part, slope in zip(parts, slopes, strict=True):
            along = numbers(part.shape.as_list(), dtype, 9)
            value = run(part)
            ends = [run(total, {part: value + s * step * along}) for s in (1, -1)]
            expected = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose((run(slope).conj() * along).sum().real, expected, rtol=1e-5)


def test_errors():
    d = np.ones((3, 3))
    solve = tf.linalg.tridiagonal_solve
    with pytest.raises(ValueError, match="'compact', 'sequence' or 'matrix', not 'x'"):
        solve(d, np.ones(3), diagonals_format="x")
    with pytest.raises(ValueError, match=r"\(..., 3, M\)"):
        solve(np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match="sequence of 3"):
        solve([d[0], d[1]], np.ones(3), diagonals_format="sequence")
    with pytest.raises(ValueError, match="square"):
        solve(np.ones((3, 2)), np.ones(3), diagonals_format="matrix")
    with pytest.raises(ValueError, match="as long as rhs"):
        solve(d, np.ones(2))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.sampled_from(DTYPES), st.data())
def test_eigenvalues(n, dtype, data):
    alpha, beta = numbers((n,), dtype, n).real.astype(dtype), numbers((n - 1,), dtype, n + 1)
    matrix = np.diag(alpha) + np.diag(beta, 1) + np.diag(beta.conj(), -1)
    expected = np.linalg.eigvalsh(matrix)
    low = data.draw(st.integers(0, n - 1))
    high = data.draw(st.integers(low, n - 1))
    with tf.Graph().as_default():
        e, v = tf.linalg.eigh_tridiagonal(alpha, beta, eigvals_only=False)
        some = tf.linalg.eigh_tridiagonal(alpha, beta, select="i", select_range=(low, high))
        near = tf.linalg.eigh_tridiagonal(alpha, beta, False, "v", (-0.5, 0.7))
        e, v, some, (inside, vectors) = run([e, v, some, near])
    tol = TOLERANCE[dtype]
    np.testing.assert_allclose(e, expected, atol=tol)
    np.testing.assert_allclose(matrix @ v, v * e, atol=tol)
    np.testing.assert_allclose(some, expected[low : high + 1], atol=tol)
    assert vectors.shape == (n, len(inside))
    assert e.dtype == alpha.real.dtype


def test_signatures():
    names = {
        "tridiagonal_solve": "diagonals rhs diagonals_format transpose_rhs conjugate_rhs name "
        "partial_pivoting",
        "tridiagonal_matmul": "diagonals rhs diagonals_format name",
        "eigh_tridiagonal": "alpha beta eigvals_only select select_range tol name",
    }
    for name, wanted in names.items():
        assert " ".join(inspect.signature(getattr(tf.linalg, name)).parameters) == wanted
    with pytest.raises(ValueError, match="select must be"):
        tf.linalg.eigh_tridiagonal([1.0], [], select="x")


# ------------------------------------------------------------------------- orthogonal initializer


def test_orthogonal_numbers_are_tensorflows():
    found = run(tf.orthogonal_initializer(seed=1)([3, 4]))
    expected = [
        [-0.30709624, -0.92460054, 0.22439247, -0.02129919],
        [0.47369874, -0.3495173, -0.7679179, 0.25248656],
        [-0.53457505, 0.05568081, -0.5618607, -0.6288414],
    ]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    scaled = run(tf.initializers.orthogonal(gain=2.0, seed=1)([5, 3]))
    np.testing.assert_allclose(scaled[0], [-0.5025127, 1.0097975, -1.0650889], atol=2e-6)


@pytest.mark.parametrize("shape", [[4, 4], [6, 3], [2, 7], [3, 2, 2, 4], [1, 1]])
def test_orthogonal_rows_or_columns(shape):
    w = tf.get_variable("w", shape, tf.float64, initializer=tf.orthogonal_initializer(gain=3.0))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        x = session.run(w).reshape(-1, shape[-1])
    product = x @ x.T if x.shape[0] < x.shape[1] else x.T @ x
    np.testing.assert_allclose(product, 9 * np.eye(min(x.shape)), atol=1e-12)


def test_orthogonal_errors():
    with pytest.raises(ValueError, match="at least two axes"):
        tf.orthogonal_initializer()([3])
    with pytest.raises(ValueError, match="float"):
        tf.orthogonal_initializer(dtype=tf.int32)
    config = tf.orthogonal_initializer(gain=2.0, seed=3).get_config()
    assert config == {"gain": 2.0, "seed": 3, "dtype": "float32"}
