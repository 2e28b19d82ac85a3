"""Matrix products, transposes, diagonals and bands: what the samples of the records cannot show."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def numbers(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "c":
        return (rng.integers(-4, 5, shape) + 1j * rng.integers(-4, 5, shape)).astype(dtype)
    return rng.integers(-4, 5, shape).astype(dtype)


def instructions(fetches, feeds):
    """The instructions of the plan of a run."""
    session = tf.Session(graph=tf.get_default_graph())
    entry = session._plan_for(fetches, feeds)
    return entry.plan.find([np.asarray(value) for value in feeds.values()]).executable.plan.instrs


# --------------------------------------------------------------------------------------- products


@st.composite
def products(draw):
    """Two batches of matrices to multiply, by shape, and how each lies in memory."""
    m, n, k = (draw(st.sampled_from([0, 1, 2, 3, 7, 16])) for _ in range(3))
    batch = draw(st.lists(st.integers(0, 3), max_size=3))
    sides = []
    for rows, columns in ((m, k), (k, n)):
        own = [draw(st.sampled_from([size, 1])) for size in batch]
        own = own[draw(st.integers(0, len(own))) :]
        rank = len(own) + 2
        order = draw(st.permutations(range(rank)))
        flips = draw(st.lists(st.sampled_from(range(rank)), unique=True, max_size=1))
        sides.append(([*own, rows, columns], order, flips))
    dtype = draw(st.sampled_from(["float32", "float64", "int32", "complex64"]))
    return sides, dtype, draw(st.tuples(*[st.sampled_from(["", "transpose", "adjoint"])] * 2))


@settings(max_examples=150, deadline=None)
@given(products())
def test_products_of_any_layout(case):
    sides, dtype, forms = case
    with tf.Graph().as_default():
        feeds, operands, arrays = {}, [], []
        for seed, (shape, order, flips) in enumerate(sides):
            stored = numbers([shape[i] for i in order], dtype, seed)
            x = feeds_to = tf.placeholder(dtype, stored.shape)
            feeds[feeds_to] = stored
            # a view with these strides: transposed and read backwards
            inverse = np.argsort(order)
            x, array = tf.transpose(x, inverse), np.transpose(stored, inverse)
            if flips:
                x, array = tf.reverse(x, flips), np.flip(array, flips)
            operands.append(x)
            arrays.append(array)
        flags = {}
        for side, (letter, form) in enumerate(zip("ab", forms, strict=True)):
            if form:
                last = operands[side].shape.ndims - 1
                swap = [*range(last - 1), last, last - 1]
                operands[side] = tf.transpose(operands[side], swap)
                if form == "adjoint":
                    arrays[side] = np.conj(arrays[side])
                if form == "adjoint" and dtype == "complex64" and operands[side].shape.ndims == 2:
                    return  # needs the conjugate as an op
                if form == "transpose" and dtype == "complex64":
                    return
                flags[f"{form}_{letter}"] = True
        y = tf.matmul(*operands, **flags)
        expected = arrays[0] @ arrays[1]
        assert y.shape == expected.shape
        got = run(y, feeds)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("a", "b", "kernel"),
    [
        ((8, 32, 16), (8, 16, 10), "blas_gemm_batch"),
        ((8, 4, 4), (8, 4, 4), "small_gemm_batch"),
        ((8, 32, 16), (16, 10), "blas_gemm"),  # more rows
        ((2, 4, 32, 16), (1, 16, 10), "blas_gemm"),
        ((32, 16), (40, 16, 1), "blas_gemm"),  # more columns
        ((2, 3, 8, 8), (2, 1, 8, 8), "blas_gemm_batch"),
        ((40, 1, 16), (16, 10), "blas_gemm"),
    ],
)
def test_a_batch_is_one_instruction(a, b, kernel):
    feeds = {tf.placeholder(tf.float32, shape): numbers(shape, np.float32) for shape in (a, b)}
    y = tf.matmul(*feeds)
    (only,) = instructions([y], feeds)
    assert only.kernel.name == f"{kernel}_float32"
    x, z = feeds.values()
    np.testing.assert_array_equal(run(y, feeds), x @ z)


def test_the_gradient_of_shared_weights_is_one_product():
    x = tf.placeholder(tf.float32, [4, 6, 8])
    w = tf.placeholder(tf.float32, [8, 5])
    loss = tf.reduce_sum(tf.square(tf.matmul(x, w)))
    (dw,) = tf.gradients(loss, w)
    feeds = {x: numbers((4, 6, 8), np.float32), w: numbers((8, 5), np.float32)}
    a = feeds[x].reshape(-1, 8)
    np.testing.assert_allclose(run(dw, feeds), 2 * a.T @ (a @ feeds[w]), rtol=1e-6)
    assert not any(
        op.type == "Sum" and op.outputs[0].shape == (8, 5) for op in dw.graph.get_operations()
    )


def test_matmul_names_and_types():
    a, b = tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.float32, [3, 2])
    assert tf.matmul(a, b).name == "MatMul:0"
    assert tf.matmul(a, b).name == "MatMul_1:0"
    assert tf.matmul(a, b, name="here").name == "here:0"
    assert tf.matmul(a, b, a_is_sparse=True).op.type == "SparseMatMul"
    unknown = tf.placeholder(tf.float32)
    assert tf.matmul(unknown, unknown).op.type == "BatchMatMulV2"
    assert tf.matmul(a, unknown).op.type == "BatchMatMulV2"
    x = numbers((2, 3, 3), np.float32)
    np.testing.assert_array_equal(run(tf.matmul(unknown, unknown), {unknown: x}), x @ x)
    np.testing.assert_array_equal(run(tf.matmul([[1, 2]], [[3], [4]])), [[11]])


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (([3], [3, 2]), "a must be a matrix"),
        (([2, 2, 3], [3]), "y must have at least 2 axes"),
        (([2, 3], [2, 3]), "inner sizes differ"),
        (([2, 3, 4], [3, 4, 5]), "do not broadcast"),
    ],
)
def test_matmul_errors(shapes, message):
    with pytest.raises(ValueError, match=message):
        tf.matmul(*(tf.placeholder(tf.float32, shape) for shape in shapes))


def test_matmul_of_unsuited_values():
    with pytest.raises(ValueError, match="Only one of transpose_a and adjoint_a"):
        tf.matmul([[1.0]], [[1.0]], transpose_a=True, adjoint_a=True)
    with pytest.raises(TypeError):
        tf.matmul(tf.ones([2, 2]), tf.ones([2, 2], tf.float64))
    x = tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="inner sizes differ"):
        run(tf.matmul(x, x), {x: np.ones((2, 3))})


def test_sparse_matmul_has_gradients():
    a, b = numbers((3, 4), np.float32), numbers((5, 4), np.float32, 1)
    x, y = tf.constant(a), tf.constant(b)
    z = tf.sparse_matmul(x, y, transpose_b=True, a_is_sparse=True)
    weights = numbers((3, 5), np.float32, 2)
    dx, dy = tf.gradients(tf.reduce_sum(weights * z), [x, y])
    got = run([z, dx, dy])
    for one, other in zip(got, [a @ b.T, weights @ b, weights.T @ a], strict=True):
        np.testing.assert_array_equal(one, other)


def test_matvec():
    a, b = numbers((2, 3, 4)), numbers((4,))
    assert tf.linalg.matvec(a, b).name == "MatVec/Squeeze:0"
    np.testing.assert_array_equal(run(tf.linalg.matvec(a, b)), a @ b)
    transposed = tf.linalg.matvec(np.swapaxes(a, 1, 2), b, transpose_a=True)
    np.testing.assert_array_equal(run(transposed), a @ b)
    with pytest.raises(ValueError, match="inner sizes differ"):
        tf.linalg.matvec(a, numbers((3,)))


def test_transposes():
    a = numbers((2, 3, 4))
    np.testing.assert_array_equal(run(tf.matrix_transpose(a)), np.swapaxes(a, 1, 2))
    np.testing.assert_array_equal(run(tf.linalg.adjoint(a)), np.swapaxes(a, 1, 2))
    unknown = tf.placeholder(tf.float64)
    y = run(tf.linalg.transpose(unknown), {unknown: a})
    np.testing.assert_array_equal(y, np.swapaxes(a, 1, 2))
    with pytest.raises(ValueError, match="rank >= 2"):
        tf.matrix_transpose(tf.ones([3]))


# ------------------------------------------------------------------------------ parts of matrices


def test_names_of_parts():
    x = tf.ones([2, 3, 3])
    assert tf.trace(x).name == "Trace:0"
    assert tf.matrix_band_part(x, 0, -1).name == "MatrixBandPart:0"
    assert tf.diag([1.0]).name == "Diag:0"
    assert tf.diag_part([[1.0]]).name == "DiagPart:0"
    assert tf.cross(tf.ones([3]), tf.ones([3])).name == "Cross:0"


def test_trace():
    x = numbers((2, 3, 4))
    np.testing.assert_array_equal(run(tf.trace(x)), np.trace(x, axis1=1, axis2=2))


def test_a_diagonal_moves_nothing():
    x = tf.placeholder(tf.float32, [5, 4, 4])
    value = numbers((5, 4, 4), np.float32)
    (only,) = instructions([2 * tf.linalg.tensor_diag_part(x[0])], {x: value})
    assert only.nodes[-1].type == "Mul"


#: name -> parameters, as TensorFlow 1.15 has them.
SIGNATURES = {
    "matmul": "a b transpose_a transpose_b adjoint_a adjoint_b a_is_sparse b_is_sparse name",
    "linalg.matvec": "a b transpose_a adjoint_a a_is_sparse b_is_sparse name",
    "sparse_matmul": "a b transpose_a transpose_b a_is_sparse b_is_sparse name",
    "matrix_transpose": "a name conjugate",
    "linalg.adjoint": "matrix name",
    "diag": "diagonal name",
    "diag_part": "input name",
    "matrix_band_part": "input num_lower num_upper name",
    "trace": "x name",
    "cross": "a b name",
    "tensordot": "a b axes name",
    "einsum": "equation inputs kwargs",
    "eye": "num_rows num_columns batch_shape dtype name",
    "norm": "tensor ord axis keepdims name keep_dims",
}  # fmt: skip

ALIASES = {
    "matmul": "linalg.matmul",
    "matrix_transpose": "linalg.matrix_transpose linalg.transpose",
    "diag": "linalg.tensor_diag",
    "diag_part": "linalg.tensor_diag_part",
    "matrix_band_part": "linalg.band_part",
    "trace": "linalg.trace",
    "cross": "linalg.cross",
    "tensordot": "linalg.tensordot",
    "einsum": "linalg.einsum",
    "eye": "linalg.eye",
    "norm": "linalg.norm",
}


def public(path):
    value = tf
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    assert " ".join(inspect.signature(public(name)).parameters) == SIGNATURES[name]


@pytest.mark.parametrize("name", ALIASES)
def test_aliases(name):
    for alias in ALIASES[name].split():
        assert public(alias) is public(name)


@pytest.mark.parametrize("dtype", ["complex64", "float32"])
def test_products_of_empty_batches(dtype: str) -> None:
    x, y = (tf.placeholder(dtype, shape) for shape in ([0, 0], [2, 0, 2]))
    for a, b in ((x, y), (tf.transpose(x), tf.transpose(y, [0, 2, 1])), (x, y)):
        turned = b.shape[1] != 0
        product = tf.matmul(a, b, transpose_b=turned)
        got = run(product, {x: np.zeros((0, 0), dtype), y: np.zeros((2, 0, 2), dtype)})
        assert got.shape == (2, 0, 2)
