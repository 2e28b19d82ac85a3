"""Complex numbers: names, parts, TensorFlow's gradients, every function against a difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config


@pytest.fixture(autouse=True)
def fresh_graph() -> None:
    tf.reset_default_graph()


def run(fetches: Any, feeds: Any = None) -> Any:
    return tf.Session().run(fetches, feeds)


Z = np.array([1 + 2j, 0.5 - 1j, -0.4j], np.complex128)
W = np.array([2 - 1j, 1 + 1j, 3], np.complex128)
G = np.array([1 + 1j, 2 - 1j, 0.5j], np.complex128)

ONE = ["exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "square", "reciprocal", "sin", "cos", "tan",
       "tanh", "sigmoid", "sinh", "cosh", "asin", "acos", "atan", "asinh", "acosh", "atanh",
       "negative", "conj"]  # fmt: skip
TWO = ["add", "subtract", "multiply", "divide", "pow", "squared_difference", "divide_no_nan",
       "multiply_no_nan", "xlogy", "xdivy"]  # fmt: skip


def measured(f: Any, z: np.ndarray, g: np.ndarray) -> np.ndarray:
    """d/da + i d/db of the real part of sum(conj(g) f(z)), by differences."""
    x = tf.placeholder(z.dtype, z.shape)
    y = f(x)
    session = tf.Session()

    def total(at: np.ndarray) -> float:
        return float(np.real(np.sum(np.conj(g) * session.run(y, {x: at}))))

    h = 1e-6
    result = np.zeros(z.shape, np.complex128)
    for i in np.ndindex(z.shape):
        for unit in (1, 1j):
            step = np.zeros(z.shape, np.complex128)
            step[i] = h * unit
            result[i] += unit * (total(z + step) - total(z - step)) / (2 * h)
    return result


@pytest.mark.parametrize("name", ONE)
def test_gradients_are_conjugated_slopes(name: str) -> None:
    f = getattr(tf.math, name)
    x = tf.constant(Z)
    (dx,) = tf.gradients(f(x), x, tf.constant(G))
    np.testing.assert_allclose(run(dx), measured(f, Z, G), 1e-6, 1e-8)


@pytest.mark.parametrize("name", TWO)
def test_gradients_of_two_arguments(name: str) -> None:
    f = getattr(tf.math, name)
    x, y = tf.constant(Z[:, None]), tf.constant(W)
    g = np.ones((3, 1)) * G
    dx, dy = run(tf.gradients(f(x, y), [x, y], tf.constant(g)))
    if name != "squared_difference":  # |x - y|**2, whose slope TensorFlow does not conjugate
        np.testing.assert_allclose(dx, measured(lambda v: f(v, y), Z[:, None], g), 1e-6, 1e-8)
        np.testing.assert_allclose(dy, measured(lambda v: f(x, v), W, g), 1e-6, 1e-8)


@pytest.mark.parametrize("name", ["real", "imag", "angle", "abs"])
def test_gradients_of_parts(name: str) -> None:
    f = getattr(tf.math, name)
    x, g = tf.constant(Z), np.array([1.0, 2.0, 0.5])
    (dx,) = tf.gradients(f(x), x, tf.constant(g))
    assert f(x).dtype is tf.float64
    np.testing.assert_allclose(run(dx), measured(f, Z, g), 1e-6, 1e-8)


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_mean", "reduce_prod"])
def test_gradients_of_reductions(name: str) -> None:
    f = getattr(tf, name)
    x = tf.constant(Z)
    (dx,) = tf.gradients(f(x), x, tf.constant(1 - 2j, tf.complex128))
    np.testing.assert_allclose(run(dx), measured(f, Z, np.array(1 - 2j)), 1e-6, 1e-8)


def test_values_tensorflow_gives() -> None:
    z, w, g = (tf.constant(v) for v in (Z[:2], W[:2], G[:2]))
    sign, difference = tf.sign(z), tf.squared_difference(z, w)
    np.testing.assert_allclose(run(sign), [0.4472136 + 0.8944272j, 0.4472136 - 0.8944272j], 1e-6)
    np.testing.assert_allclose(run(difference), [10, 4.25])
    np.testing.assert_allclose(
        run(tf.gradients(difference, [z, w], g)), [[-8 + 4j, -6 - 7j], [8 - 4j, 6 + 7j]]
    )
    np.testing.assert_allclose(run(abs(z)), np.abs(Z[:2]))
    assert run(tf.cast(tf.constant([1 + 2j, -1j]), tf.bool)).tolist() == [True, False]
    assert run(tf.cast(tf.constant([1.5 + 2j]), tf.int32)).tolist() == [1]
    assert run(tf.equal(z, w)).tolist() == [False, False]
    assert run(tf.add_n([z, w])).tolist() == (Z[:2] + W[:2]).tolist()
    slope = tf.gradients(tf.cast(z, tf.float64), z, tf.constant([1.0, 2.0], tf.float64))[0]
    assert run(slope).tolist() == [1, 2]


def test_the_absolute_value_has_no_slope_at_zero() -> None:
    z = tf.constant([0j, 1 + 0j])
    assert run(tf.gradients(tf.abs(z), z)[0]).tolist() == [0, 1]


def test_names_and_dtypes() -> None:
    for make, name, dtype in (
        (lambda: tf.complex(1.0, 2.0), "Complex", "complex64"),
        (lambda: tf.complex(np.float64(1), np.float64(2)), "Complex", "complex128"),
        (lambda: tf.real(tf.constant(1j)), "Real", "float64"),
        (lambda: tf.imag(tf.constant(1j, tf.complex64)), "Imag", "float32"),
        (lambda: tf.angle(tf.constant(1j)), "Angle", "float64"),
        (lambda: tf.abs(tf.constant(1j)), "Abs", "float64"),
        (lambda: tf.conj(tf.constant(1j)), "Conj", "complex128"),
        (lambda: tf.to_complex64(1.0), "ToComplex64", "complex64"),
        (lambda: tf.to_complex128(1.0), "ToComplex128", "complex128"),
    ):
        tf.reset_default_graph()
        y = make()
        assert (y.op.name, y.dtype.name) == (name, dtype)
    x = tf.constant([1.0, -2.0])
    assert tf.real(x) is x
    assert tf.conj(x) is x
    assert run(tf.imag(x)).tolist() == [0, 0]
    np.testing.assert_allclose(run(tf.angle(x)), [0, np.pi], 1e-6)
    with pytest.raises(TypeError, match="float32 or both float64"):
        tf.complex(1, 2)
    with pytest.raises(TypeError, match="numbers"):
        tf.conj(tf.constant(["a"]))
    with pytest.raises(TypeError, match="bfloat16"):
        tf.to_bfloat16(1.0)
    assert tf.dtypes.complex is tf.complex
    assert tf.math.real is tf.real


def test_complex_matrices() -> None:
    a = np.arange(6).reshape(2, 3) + 1j
    assert run(tf.matmul(tf.constant(a), a, adjoint_b=True)).tolist() == (a @ a.conj().T).tolist()
    x = tf.constant(a)
    loss = tf.reduce_sum(tf.square(tf.abs(tf.matmul(x, a.T))))
    h = 1e-6
    step = np.zeros_like(a)
    step[1, 2] = 1j * h
    slope = run(tf.gradients(loss, x)[0])[1, 2].imag
    high, low = (np.sum(np.abs((a + s * step) @ a.T) ** 2) for s in (1, -1))
    assert slope == pytest.approx((high - low) / (2 * h), rel=1e-6)


def test_bits_read_as_another_dtype() -> None:
    for dims, before, after, expected in (
        ([1], "float32", "int32", [1]), ([1, 2], "float32", "int64", [1]),
        ([], "float32", "uint8", [4]), ([None, None], "float32", "int64", [None]),
        ([None, 4], "uint8", "float32", [None]),
    ):  # fmt: skip
        y = tf.bitcast(tf.placeholder(before, dims), after)
        assert y.shape.as_list() == expected
    assert tf.bitcast(tf.placeholder(tf.float32), tf.uint8).shape.dims is None
    x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    assert run(tf.bitcast(x, tf.int32)).tolist() == x.view(np.int32).tolist()
    assert run(tf.bitcast(x, tf.complex64)).tolist() == x.view(np.complex64)[:, 0].tolist()
    assert run(tf.bitcast(tf.bitcast(x, tf.uint16), tf.float32)).tolist() == x.tolist()
    with pytest.raises(TypeError, match="bool"):
        tf.bitcast(tf.constant([True]), tf.int8)
    with pytest.raises(ValueError, match="made of 2"):
        tf.bitcast(tf.constant([1.0]), tf.int64)


# ------------------------------------------------------------------------------- kernels of parts

RNG = np.random.default_rng(0)


def random(*shape: int, dtype: Any = np.complex64) -> np.ndarray:
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (7,), (3, 5), (37, 65), (2, 3, 1000)])
def test_kernels_are_numpys(shape: tuple[int, ...], dtype: Any) -> None:
    z, w = random(*shape, dtype=dtype), random(*shape, dtype=dtype)
    p, q = tf.placeholder(dtype, shape), tf.placeholder(dtype, shape)
    fetches = [
        (p * q + p) * tf.conj(q) - p / q, tf.exp(p), tf.log(p), tf.sqrt(p), tf.rsqrt(p), abs(p),
        tf.angle(p), tf.sign(p), tf.sin(p), tf.cos(p), tf.sinh(p), tf.cosh(p), 1 / p, -p,
        tf.equal(p, q), tf.not_equal(p, tf.conj(p)), tf.where(abs(p) > 1, p, q),
        tf.complex(tf.imag(p), tf.real(q)), tf.reduce_sum(p), tf.reduce_mean(p, keepdims=True),
        tf.math.expm1(p), tf.math.log1p(p), tf.tanh(p), tf.tan(p), tf.sigmoid(p), tf.asin(p), p**q,
        tf.squared_difference(p, q), tf.add_n([p, q, p]), tf.zeros_like(p), 2 * p + 1,
    ]  # fmt: skip
    with np.errstate(all="ignore"):
        expected = [
            (z * w + z) * w.conj() - z / w, np.exp(z), np.log(z), np.sqrt(z), 1 / np.sqrt(z),
            np.abs(z), np.angle(z), z / np.abs(z), np.sin(z), np.cos(z), np.sinh(z), np.cosh(z),
            1 / z, -z, z == w, z != z.conj(), np.where(np.abs(z) > 1, z, w), z.imag + 1j * w.real,
            z.sum(), z.mean(keepdims=True), np.expm1(z), np.log1p(z), np.tanh(z), np.tan(z),
            1 / (1 + np.exp(-z)), np.arcsin(z), z**w, np.abs(z - w) ** 2, z + w + z, 0 * z,
            2 * z + 1,
        ]  # fmt: skip
    got = run(fetches, {p: z, q: w})
    tolerance = 2e-5 if dtype == np.complex64 else 1e-12
    for k, (g, e) in enumerate(zip(got, expected, strict=True)):
        np.testing.assert_allclose(g, e, tolerance, 10 * tolerance, err_msg=str(k))


def test_reductions_along_every_axis_and_views() -> None:
    z = random(6, 5, 33)
    p = tf.placeholder(tf.complex64, z.shape)
    cases = []
    for axis in (0, 1, 2, (0, 1), (1, 2), (0, 2), (0, 1, 2)):
        cases.append((tf.reduce_sum(p * p, axis), (z * z).sum(axis)))
        cases.append((tf.reduce_mean(abs(p), axis), np.abs(z).mean(axis)))
    turned = tf.transpose(p, [2, 0, 1])
    cases += [
        (turned * 2, z.transpose(2, 0, 1) * 2),
        (p[::2, :, ::-3] + p[1::2, :, ::-3], z[::2, :, ::-3] + z[1::2, :, ::-3]),
        (p - p[:, :1] * p[0, 0], z - z[:, :1] * z[0, 0]),
        (tf.concat([p, p], 1), np.concatenate([z, z], 1)),
        (tf.real(turned[3]), z.transpose(2, 0, 1)[3].real),
        (p - tf.reduce_mean(p, 2, keepdims=True), z - z.mean(2, keepdims=True)),
    ]
    got = run([c[0] for c in cases], {p: z})
    for k, (g, (_, e)) in enumerate(zip(got, cases, strict=True)):
        np.testing.assert_allclose(g, e, 1e-4, 1e-4, err_msg=str(k))


def test_copies_and_diagonals() -> None:
    z = random(3, 4)
    p = tf.placeholder(tf.complex64, z.shape)
    columns = p[:, 1:3]
    cases = [
        (tf.stack([p, p], 1), np.stack([z, z], 1)),
        (tf.tile(p, [2, 3]), np.tile(z, [2, 3])),
        (tf.pad(p, [[1, 0], [2, 1]]), np.pad(z, [[1, 0], [2, 1]])),
        (tf.pad(p, [[1, 0], [0, 1]], constant_values=1j), np.pad(z, [[1, 0], [0, 1]],
                                                                constant_values=1j)),
        (tf.reverse(p, [1]), z[:, ::-1]),
        (tf.gather(p, [2, 0]), z[[2, 0]]),
        (tf.matrix_diag(p)[1], np.diag(z[1])),
        (tf.diag(p[0]), np.diag(z[0])),
        (tf.matrix_band_part(p, 0, 1), np.triu(z) - np.triu(z, 2)),
        (tf.matrix_set_diag(p, p[:, 0])[2, 2], z[2, 0]),
        (tf.gradients(tf.reduce_sum(columns * columns), p, tf.constant(1 + 0j, tf.complex64))[0],
         np.pad(2 * z[:, 1:3].conj(), [[0, 0], [1, 1]])),
        (tf.broadcast_to(p[0], [2, 4]), np.broadcast_to(z[0], [2, 4])),
        (tf.unstack(p)[1], z[1]),
        (tf.cumsum(p, 1), np.cumsum(z, 1)),
    ]  # fmt: skip
    with config.override(CHECK=1):
        got = run([c[0] for c in cases], {p: z})
    for k, (g, (_, e)) in enumerate(zip(got, cases, strict=True)):
        np.testing.assert_allclose(g, e, 1e-5, 1e-6, err_msg=str(k))


def test_variables_are_updated_in_place() -> None:
    z = random(5, 7)
    v = tf.Variable(z)
    p = tf.placeholder(tf.complex64, z.shape)
    step = tf.assign(v, tf.conj(v) * p + 1j)
    more = tf.assign_add(v, p)
    session = tf.Session()
    session.run(v.initializer)
    session.run(step, {p: z})
    expected = z.conj() * z + 1j
    np.testing.assert_allclose(session.run(v), expected, 1e-5)
    np.testing.assert_allclose(session.run(more, {p: z}), expected + z, 1e-5)


def test_extreme_sizes() -> None:
    p = tf.placeholder(tf.complex64, [3])
    z = np.array([200 + 1j, -200 + 1j, 1e-20 + 1e-20j], np.complex64)
    tanh, sigmoid, expm1, log1p = run(
        [tf.tanh(p), tf.sigmoid(p), tf.math.expm1(p), tf.math.log1p(p)], {p: z}
    )
    np.testing.assert_allclose(tanh, [1, -1, 1e-20 + 1e-20j], 1e-6)
    np.testing.assert_allclose(sigmoid, [1, 0, 0.5], 1e-6)
    np.testing.assert_allclose([expm1[2], log1p[2]], [z[2], z[2]], 1e-6)
    for dtype, huge, tiny in ((np.complex64, 1e38, 1e-30), (np.complex128, 1e300, 1e-300)):
        z = np.array([huge * (1 + 1j), tiny * (3 + 4j), complex(np.inf, 1), 0], dtype)
        p = tf.placeholder(dtype, [4])
        size, root, quotient = run([abs(p), tf.sqrt(p), p / p], {p: z})
        np.testing.assert_allclose(size[:2], np.array([huge * 2**0.5, tiny * 5]), 1e-6)
        assert size[2:].tolist() == [np.inf, 0]
        np.testing.assert_allclose(root[:2] ** 2, z[:2], 1e-5)
        np.testing.assert_allclose(quotient[:2], 1, 1e-6)
        assert root[3] == 0


def test_kernels_of_a_gradient_are_the_references() -> None:
    z = tf.placeholder(tf.complex64, [None, 3])
    w = tf.constant(random(3, 2))
    y = tf.matmul(z, w)
    loss = tf.reduce_mean(abs(y * tf.exp(1j * tf.cast(abs(y), tf.complex64))) ** 2)
    with config.override(CHECK=1):
        value, slope = run([loss, tf.gradients(loss, w)[0]], {z: random(5, 3)})
    assert np.isfinite(value)
    assert slope.shape == (3, 2)
