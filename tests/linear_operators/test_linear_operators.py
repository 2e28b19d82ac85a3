"""Every linear operator against its dense matrix."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import flowgraph as tf

L = tf.linalg


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def numbers(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed + 17 * int(np.prod(shape)))
    x = rng.uniform(-1, 1, shape)
    return (x + 1j * rng.uniform(-1, 1, shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def full(n, batch=(), dtype="float64", **kwargs):
    matrix = numbers((*batch, n, n), dtype) + 3 * np.eye(n)
    return L.LinearOperatorFullMatrix(matrix.astype(dtype), **kwargs)


def positive(n, batch=(), dtype="float64"):
    x = numbers((*batch, n, n), dtype)
    matrix = x @ adjoint(x) + np.eye(n)
    return L.LinearOperatorFullMatrix(matrix, is_self_adjoint=True, is_positive_definite=True)


#: name -> function of (batch, dtype) that makes an operator that can be inverted.
MADE = {
    "full": lambda batch, dtype: full(4, batch, dtype),
    "positive": lambda batch, dtype: positive(4, batch, dtype),
    "triangle": lambda batch, dtype: L.LinearOperatorLowerTriangular(
        numbers((*batch, 4, 4), dtype) + (2 * np.eye(4)).astype(dtype)
    ),
    "toeplitz": lambda batch, dtype: L.LinearOperatorToeplitz(
        numbers((*batch, 4), dtype) + np.array([3, 0, 0, 0], dtype), numbers((4,), dtype, 1)
    ),
    "diag": lambda batch, dtype: L.LinearOperatorDiag(numbers((*batch, 4), dtype) + 2),
    "identity": lambda batch, dtype: L.LinearOperatorIdentity(4, batch or None, dtype),
    "scaled": lambda batch, dtype: L.LinearOperatorScaledIdentity(4, numbers(batch, dtype) + 2),
    "composition": lambda batch, dtype: L.LinearOperatorComposition(
        [full(4, batch, dtype), L.LinearOperatorDiag(numbers((4,), dtype) + 2)]
    ),
    "adjoint": lambda batch, dtype: L.LinearOperatorAdjoint(full(4, batch, dtype)),
    "inversion": lambda batch, dtype: L.LinearOperatorInversion(full(4, batch, dtype)),
    "kronecker": lambda batch, dtype: L.LinearOperatorKronecker(
        [full(2, batch, dtype), L.LinearOperatorDiag(numbers((3,), dtype) + 2), full(2, (), dtype)]
    ),
    "positive kronecker": lambda batch, dtype: L.LinearOperatorKronecker(
        [positive(2, batch, dtype), positive(3, (), dtype)]
    ),
    "blocks": lambda batch, dtype: L.LinearOperatorBlockDiag(
        [full(2, batch, dtype), L.LinearOperatorDiag(numbers((3,), dtype) + 2)]
    ),
    "update": lambda batch, dtype: L.LinearOperatorLowRankUpdate(
        L.LinearOperatorDiag(numbers((4,), dtype) + 3), numbers((*batch, 4, 2), dtype),
        numbers((2,), dtype, 3) + 1, numbers((*batch, 4, 2), dtype, 1),
    ),
    "update of itself": lambda batch, dtype: L.LinearOperatorLowRankUpdate(
        positive(4, batch, dtype), numbers((4, 1), dtype)
    ),
    "reflection": lambda batch, dtype: L.LinearOperatorHouseholder(numbers((*batch, 4), dtype)),
    "circulant": lambda batch, dtype: L.LinearOperatorCirculant(
        np.fft.fft(numbers((*batch, 5), dtype) + np.array([4, 0, 0, 0, 0])), dtype
    ),
    "circulant 2d": lambda batch, dtype: L.LinearOperatorCirculant2D(
        np.fft.fft2(numbers((*batch, 2, 3), dtype) + 5 * np.eye(2, 3)[:1] * [[1], [0]]), dtype
    ),
    "circulant 3d": lambda batch, dtype: L.LinearOperatorCirculant3D(
        np.abs(numbers((*batch, 2, 2, 2))) + 1, "complex128"
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
@pytest.mark.parametrize("name", MADE)
def test_everything_is_that_of_the_dense_matrix(name, batch, dtype):
    a = MADE[name](batch, dtype)
    dtype = a.dtype.name
    n = a.shape[-1].value
    dense = run(a.to_dense())
    assert list(dense.shape) == a.shape.as_list() == run(a.shape_tensor()).tolist()
    assert a.to_dense().shape.as_list() == list(dense.shape)
    assert dense.dtype == np.dtype(dtype)
    assert a.batch_shape.as_list() == list(batch) == run(a.batch_shape_tensor()).tolist()
    assert a.tensor_rank == len(batch) + 2 == run(a.tensor_rank_tensor())
    sizes = run([a.domain_dimension_tensor(), a.range_dimension_tensor()])
    assert sizes == [a.domain_dimension.value, a.range_dimension.value] == [n, n]

    x = numbers((*batch, n, 2), dtype, 5)
    wide = numbers((2, *(1 for _ in batch), n, 3), dtype, 6)
    got = run(
        {
            "matmul": a.matmul(x),
            "matmul adjoint": a.matmul(x, adjoint=True),
            "adjoint_arg": a.matmul(adjoint(x), adjoint_arg=True),
            "broadcast": a.matmul(wide),
            "matvec": a.matvec(x[..., 0]),
            "matvec adjoint": a.matvec(x[..., 0], adjoint=True),
            "solve": a.solve(x),
            "solve adjoint": a.solve(x, adjoint=True),
            "solve adjoint_arg": a.solve(adjoint(x), adjoint_arg=True),
            "solve broadcast": a.solve(wide),
            "solvevec": a.solvevec(x[..., 0]),
            "det": a.determinant(),
            "log": tf.cast(a.log_abs_determinant(), tf.float64),
            "diag": a.diag_part(),
            "trace": a.trace(),
            "added": a.add_to_tensor(numbers((n, n), dtype)),
            "cond": a.cond(),
            "adjoint": a.adjoint().to_dense(),
            "H": a.H.matmul(x),
            "inverse": a.inverse().to_dense(),
            "inverse of it": a.inverse().solve(x),
            "product": a.matmul(a).to_dense(),
            "other product": a.matmul(full(n, (), dtype), adjoint=True).to_dense(),
            "quotient": a.solve(full(n, (), dtype)).matmul(x),
        }
    )
    other = numbers((n, n), dtype) + 3 * np.eye(n)
    inverse = np.linalg.inv(dense)
    spread = np.linalg.svd(dense, compute_uv=False)
    expected = {
        "matmul": dense @ x,
        "matmul adjoint": adjoint(dense) @ x,
        "adjoint_arg": dense @ x,
        "broadcast": dense @ wide,
        "matvec": (dense @ x)[..., 0],
        "matvec adjoint": (adjoint(dense) @ x)[..., 0],
        "solve": inverse @ x,
        "solve adjoint": adjoint(inverse) @ x,
        "solve adjoint_arg": inverse @ x,
        "solve broadcast": inverse @ wide,
        "solvevec": (inverse @ x)[..., 0],
        "det": np.linalg.det(dense),
        "log": np.linalg.slogdet(dense)[1],
        "diag": np.diagonal(dense, axis1=-2, axis2=-1),
        "trace": np.trace(dense, axis1=-2, axis2=-1),
        "added": dense + numbers((n, n), dtype),
        "cond": spread[..., 0] / spread[..., -1],
        "adjoint": adjoint(dense),
        "H": adjoint(dense) @ x,
        "inverse": inverse,
        "inverse of it": dense @ x,
        "product": dense @ dense,
        "other product": adjoint(dense) @ other,
        "quotient": inverse @ other @ x,
    }
    for what, wanted in expected.items():
        np.testing.assert_allclose(got[what], wanted, rtol=1e-7, atol=1e-9, err_msg=what)
    # what is said of it is so
    if a.is_self_adjoint:
        np.testing.assert_allclose(dense, adjoint(dense), atol=1e-12)
        values = np.sort(run(tf.cast(a.eigvals(), tf.float64)), -1)
        np.testing.assert_allclose(values, np.linalg.eigvalsh(dense), atol=1e-9)
    if a.is_positive_definite:
        assert np.linalg.eigvalsh(dense).min() > 0
        if a.is_self_adjoint:
            factor = run(a.cholesky().to_dense())
            np.testing.assert_allclose(factor @ adjoint(factor), dense, atol=1e-9)
    run(a.assert_non_singular())


@pytest.mark.parametrize("name", sorted(set(MADE) - {"identity", "scaled"}))
def test_shapes_that_only_the_run_knows(name, monkeypatch):
    """The same, of elements that are fed."""
    feeds = {}
    plain = tf.convert_to_tensor

    def fed(value, *args, **kwargs):
        if isinstance(value, np.ndarray) and value.ndim:
            x = tf.placeholder(value.dtype, [None] * value.ndim)
            feeds[x] = value
            return x
        return plain(value, *args, **kwargs)

    known = MADE[name]((2,), "float64")
    dense = run(known.to_dense())
    for module in ("dense", "updates"):
        monkeypatch.setattr(f"flowgraph.linear_operators.{module}.convert_to_tensor", fed)
    a = MADE[name]((2,), "float64")
    n = dense.shape[-1]
    x = tf.placeholder(a.dtype, [None, None, None])
    feeds[x] = numbers((2, n, 2), a.dtype.name)
    results = [a.matmul(x), a.solve(x), a.determinant(), a.shape_tensor(), a.diag_part()]
    product, solution, determinant, shape, diagonal = run(results, feeds)
    np.testing.assert_allclose(product, dense @ feeds[x], atol=1e-9)
    np.testing.assert_allclose(dense @ solution, feeds[x], atol=1e-9)
    np.testing.assert_allclose(determinant, np.linalg.det(dense), rtol=1e-7)
    np.testing.assert_allclose(diagonal, np.diagonal(dense, axis1=1, axis2=2), atol=1e-9)
    assert shape.tolist() == list(dense.shape)


def test_gradients():
    u = tf.constant(numbers((4, 2)))
    d = tf.constant(numbers((4,)) + 3)
    a = L.LinearOperatorLowRankUpdate(L.LinearOperatorDiag(d), u)
    for y in (a.log_abs_determinant(), tf.reduce_sum(tf.sin(a.solve(numbers((4, 1)))))):
        for x in (u, d):
            (dx,) = tf.gradients(y, x)
            value = run(x)
            along = numbers(value.shape, seed=3)
            step = 1e-6
            ends = [run(y, {x: value + s * step * along}) for s in (1, -1)]
            np.testing.assert_allclose(
                (run(dx) * along).sum(), (ends[0] - ends[1]) / (2 * step), rtol=1e-6
            )


def test_zeros():
    a = L.LinearOperatorZeros(2, 3, [2], is_square=False, is_self_adjoint=False)
    assert a.shape.as_list() == [2, 2, 3]
    np.testing.assert_array_equal(run(a.matmul(tf.ones([3, 4]))), np.zeros((2, 2, 4)))
    np.testing.assert_array_equal(run(a.adjoint().matvec(tf.ones([2]))), np.zeros((2, 3)))
    square = L.LinearOperatorZeros(2)
    assert run([square.determinant(), square.log_abs_determinant(), square.trace()]) == [
        0, -np.inf, 0
    ]  # fmt: skip
    with pytest.raises(NotImplementedError, match="singular"):
        square.solve(tf.ones([2, 1]))
    with pytest.raises(ValueError, match="is_square=True"):
        L.LinearOperatorZeros(2, 3)


def test_simpler_products():
    diag = L.LinearOperatorDiag([1.0, 2.0])
    assert isinstance(diag.matmul(diag), L.LinearOperatorDiag)
    identity = L.LinearOperatorIdentity(2)
    assert identity.matmul(diag) is diag and diag.matmul(identity) is diag
    three = L.LinearOperatorFullMatrix(np.eye(2, dtype=np.float32))
    product = three.matmul(three).matmul(three)
    assert len(product.operators) == 3
    assert isinstance(diag.inverse(), L.LinearOperatorDiag)
    assert three.inverse().inverse() is three


def test_what_is_known_is_tensorflows():
    diag = L.LinearOperatorDiag([1.0, 2.0])
    known = ("is_self_adjoint", "is_square", "is_non_singular", "is_positive_definite")
    assert [getattr(diag, k) for k in known] == [True, True, None, None]
    base = L.LinearOperatorDiag([2.0, 3.0], is_positive_definite=True)
    update = L.LinearOperatorLowRankUpdate(
        base, [[1.0], [2.0]], [0.5], is_diag_update_positive=True
    )
    assert [getattr(update, k) for k in known] == [True, True, True, True]
    house = L.LinearOperatorHouseholder([1.0, 1.0])
    assert [getattr(house, k) for k in known] == [True, True, None, False]
    circulant = L.LinearOperatorCirculant([6.0, 4, 2, 4])
    assert [getattr(circulant, k) for k in known] == [True, True, None, None]
    assert circulant.dtype is tf.complex64 and circulant.block_depth == 1


def test_names_are_tensorflows():
    a, d = full(2), L.LinearOperatorDiag(np.ones(2))
    assert a.matmul(np.eye(2)).op.name.startswith("LinearOperatorFullMatrix/matmul/")
    assert (
        L.LinearOperatorComposition([a, d]).name == "LinearOperatorFullMatrix_o_LinearOperatorDiag"
    )
    assert L.LinearOperatorKronecker([a, d]).name == "LinearOperatorFullMatrix_x_LinearOperatorDiag"
    assert (
        L.LinearOperatorBlockDiag([a, d]).name == "LinearOperatorFullMatrix_ds_LinearOperatorDiag"
    )
    assert L.LinearOperatorAdjoint(a).name == "LinearOperatorFullMatrix_adjoint"
    assert L.LinearOperatorInversion(a).name == "LinearOperatorFullMatrix_inv"


def test_errors():
    a = full(2)
    for call, error, text in (
        (lambda: a.matmul(np.ones((3, 2))), ValueError, "size 2"),
        (lambda: a.matmul(np.ones((2, 2), np.float32)), TypeError, "float64, not float32"),
        (lambda: a.matmul(np.ones(2)), ValueError, "at least 2 axes"),
        (lambda: a.matmul(full(3)), ValueError, "cannot be multiplied"),
        (lambda: a.cholesky(), ValueError, "Cholesky"),
        (lambda: a.assert_positive_definite(), NotImplementedError, "not implemented"),
        (lambda: full(2, is_non_singular=False).solve(np.eye(2)), NotImplementedError, "singular"),
        (lambda: full(2, is_non_singular=False).inverse(), ValueError, "singular"),
        (lambda: full(2, is_positive_definite=True, is_non_singular=False), ValueError, "always"),
        (lambda: L.LinearOperatorFullMatrix(np.ones(2)), ValueError, "at least 2 axes"),
        (lambda: L.LinearOperatorFullMatrix(np.ones((2, 3))).determinant(),
         NotImplementedError, "not be square"),
        (lambda: L.LinearOperatorComposition([]), ValueError, "non-empty"),
        (lambda: L.LinearOperatorComposition([a, L.LinearOperatorIdentity(2)]),
         TypeError, "same dtype"),
        (lambda: L.LinearOperatorDiag([1.0], is_self_adjoint=False), ValueError, "self adjoint"),
    ):  # fmt: skip
        with pytest.raises(error, match=text):
            call()


def test_checks_fail_when_they_should():
    zero = L.LinearOperatorDiag([1.0, 0.0])
    skew = L.LinearOperatorFullMatrix([[1.0, 2.0], [3.0, 4.0]])
    singular = L.LinearOperatorFullMatrix([[1.0, 2.0], [2.0, 4.0]])
    for check in (
        zero.assert_non_singular,
        zero.assert_positive_definite,
        skew.assert_self_adjoint,
        singular.assert_non_singular,
    ):
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(check())


def test_every_class_of_tensorflow_1_is_there():
    names = (
        "Adjoint BlockDiag Circulant Circulant2D Circulant3D Composition Diag FullMatrix "
        "Householder Identity Inversion Kronecker LowRankUpdate LowerTriangular ScaledIdentity "
        "Toeplitz Zeros"
    )
    for name in names.split():
        assert issubclass(getattr(L, f"LinearOperator{name}"), L.LinearOperator)


def test_methods_find_the_classes_they_need():
    """Files are loaded when their names are used: those of results too."""
    text = (
        "import numpy as np, flowgraph as tf\n"
        "a = tf.linalg.LinearOperatorFullMatrix(np.eye(2), is_self_adjoint=True,"
        " is_positive_definite=True)\n"
        "print(a.inverse().name, a.cholesky().name, a.matmul(a).name)\n"
        "b = tf.linalg.LinearOperatorFullMatrix(np.eye(2))\n"
        "print(b.adjoint().name)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "LinearOperatorLowerTriangular"
