"""Accuracy of the polynomials, in units in the last place, over the whole range with its edges."""

import math
import re

import mpmath
import numpy as np
import pytest
from harness import run

from flowgraph.codegen import compiler
from flowgraph.codegen.compile import source
from flowgraph.codegen.special_math import INLINE
from flowgraph.codegen.vector_math import FUNCTIONS
from flowgraph.kernel.builder import BodyBuilder
from flowgraph.kernel.ir import Buffer

#: Largest errors in ulp that the module docstring promises.
BOUNDS = {"exp": 1.1, "expm1": 2, "log": 1, "log1p": 1.5, "tanh": 2.6, "sigmoid": 2.4}


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


FLOAT64 = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh,
    "sigmoid": sigmoid,
}  # fmt: skip

EXACT = {
    "exp": mpmath.exp, "expm1": mpmath.expm1, "log": mpmath.log, "log1p": mpmath.log1p,
    "tanh": mpmath.tanh, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}  # fmt: skip


def kernel_of(op, dtype):
    s = BodyBuilder()
    s.store(1, s.op(op, s.load(0, dtype)))
    return s.build(("map",), (Buffer(dtype, "in", ("1",)), Buffer(dtype, "out", ("1",))))


def apply(op, x):
    y = np.empty_like(x)
    assert run(kernel_of(op, x.dtype.name), [x, y], [x.size], [[1], [1]]) == 0
    return y


def float32_points():
    everywhere = np.arange(0, 2**32, 4999, dtype=np.uint64).astype(np.uint32).view(np.float32)
    dense = [np.linspace(-width, width, 300_001) for width in (1e-3, 1, 20, 110)]
    return np.concatenate([everywhere, *[d.astype(np.float32) for d in dense], edges(np.float32)])


def edges(dtype):
    limits = np.finfo(dtype)
    numbers = [0, np.inf, 1, 2, limits.max, limits.tiny, limits.smallest_subnormal, limits.eps]
    numbers += [1 - limits.epsneg, limits.tiny * (1 - limits.eps)]
    turns = [88.72283, 88.72284, 103.97, 104.0, 17.3, 709.782, 709.783, 745.13, 745.14, 36.7, 9.01]
    both = np.array(numbers + turns, dtype)
    return np.concatenate([both, -both, np.array([np.nan], dtype)])


@pytest.mark.parametrize("op", list(FUNCTIONS))
def test_float32_within_its_bound_everywhere(op):
    x = float32_points()
    y = apply(op, x)
    with np.errstate(all="ignore"):
        exact = FLOAT64[op](x.astype(np.float64))
        expected = exact.astype(np.float32)
        finite = np.isfinite(expected)
        error = np.abs(y.astype(np.float64) - exact) / np.spacing(np.abs(expected))
    special = ~finite
    np.testing.assert_array_equal(y[special], expected[special])
    zero = (expected == 0) & (y == 0)
    np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]))
    worst = np.argmax(np.where(finite, error, 0))
    assert error[worst] <= BOUNDS[op], f"{op}({x[worst]!r}) = {y[worst]!r}, {error[worst]:.2f} ulp"


@pytest.mark.parametrize("op", list(FUNCTIONS))
def test_float64_within_its_bound(op):
    rng = np.random.default_rng(0)
    x = [rng.uniform(-width, width, 250) for width in (1e-8, 0.4, 3, 40, 750)]
    x.append(np.exp(rng.uniform(-700, 700, 200)))
    x = np.concatenate([*x, 1 + rng.uniform(-1e-3, 1e-3, 50), edges(np.float64)])
    y = apply(op, x)
    mpmath.mp.prec = 200
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        expected = reference(op, a)
        if expected is None or expected == 0 or mpmath.isinf(expected):
            with np.errstate(all="ignore"):
                np.testing.assert_equal(b, float(FLOAT64[op](np.float64(a))))
            continue
        if abs(expected) > np.finfo(float).max:
            assert np.isinf(b), f"{op}({a!r}) = {b!r}"
            continue
        ulp = float(np.spacing(abs(float(expected))))
        error = float(abs(mpmath.mpf(b) - expected) / ulp)
        assert error <= BOUNDS[op], f"{op}({a!r}) = {b!r}, {error:.2f} ulp"


def reference(op, a):
    """The exact value, or None where it is not a number."""
    outside = {"log": a < 0, "log1p": a < -1}.get(op, False)
    if np.isnan(a) or outside or (np.isinf(a) and op == "sigmoid"):
        return None
    return EXACT[op](mpmath.mpf(a))


@pytest.mark.parametrize("op", ["sin", "cos", "tan"])
def test_trigonometric_float32_is_nearly_rounded_once(op):
    x = float32_points()
    turns = np.arange(1, 200_000, 7) * (np.pi / 2)
    x = np.concatenate([x, turns.astype(np.float32), (turns * 2.0**40).astype(np.float32)])
    y = apply(op, x)
    with np.errstate(all="ignore"):
        exact = getattr(np, op)(x.astype(np.float64))
        error = np.abs(y - exact) / np.spacing(np.abs(exact).astype(np.float32))
    infinite = ~np.isfinite(x)
    assert np.isnan(y[infinite]).all()
    np.testing.assert_array_equal(np.signbit(y[x == 0]), np.signbit(exact[x == 0]))
    worst = np.argmax(np.where(infinite, 0, error))
    assert error[worst] <= 0.56, f"{op}({x[worst]!r}) = {y[worst]!r}, {error[worst]:.2f} ulp"


def test_powers_of_float32_are_nearly_rounded_once():
    rng = np.random.default_rng(1)
    x = np.exp(rng.uniform(-80, 80, 200_000)).astype(np.float32)
    y = (rng.uniform(-120, 120, x.size) / np.log(x)).astype(np.float32)
    x[::3] = rng.uniform(0.1, 3, x[::3].size)
    y[::3] = rng.uniform(-20, 20, x[::3].size)
    whole = slice(1, None, 3)
    x[whole], y[whole] = -rng.uniform(0, 3, x[whole].size), rng.integers(-9, 10, x[whole].size)
    z = power(x, y)
    with np.errstate(all="ignore"):
        exact = x.astype(np.float64) ** y
        expected = exact.astype(np.float32)
        error = np.abs(z - exact) / np.spacing(np.abs(expected))
    normal = np.isfinite(expected) & (np.abs(expected) > np.finfo(np.float32).tiny)
    np.testing.assert_array_equal(z[~normal], expected[~normal])
    worst = np.argmax(np.where(normal, error, 0))
    assert error[worst] <= 0.51, f"{x[worst]!r} ** {y[worst]!r}, {error[worst]:.2f} ulp"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_at_the_edges_are_those_of_c(dtype):
    bases = [0, 1, 2, 0.5, 3, np.inf, np.finfo(dtype).max, np.finfo(dtype).tiny]
    powers = [0, 1, 2, 3, 0.5, 1.5, 1 / 3, 2.0**24, 2.0**24 - 1, 1e30, np.inf]
    bases, powers = ([*v, *[-n for n in v], np.nan] for v in (bases, powers))
    x, y = (v.ravel().astype(dtype) for v in np.meshgrid(bases, powers))
    z = power(x, y)
    expected = [c_power(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    with np.errstate(all="ignore"):
        expected = np.array(expected).astype(dtype)
    np.testing.assert_allclose(z, expected, 1e-6)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(z[number]), np.signbit(expected[number]))


def c_power(a, b):
    """math.pow, with infinities and NaN in place of its errors."""
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        if a != 0:
            return math.nan
        return math.copysign(math.inf, a) if b % 2 == 1 else math.inf


def power(x, y):
    s = BodyBuilder()
    s.store(2, s.op("pow", s.load(0, x.dtype.name), s.load(1, x.dtype.name)))
    buffers = [Buffer(x.dtype.name, mode, ("1",)) for mode in ("in", "in", "out")]
    z = np.empty_like(x)
    assert run(s.build(("map",), tuple(buffers)), [x, y, z], [x.size], [[1], [1], [1]]) == 0
    return z


needs_avx = pytest.mark.skipif(
    "x86" in compiler.host()[0] and "+avx2" not in compiler.host()[2],
    reason="not every loop is worth vectorising without AVX2",
)


@needs_avx
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "op",
    [*FUNCTIONS, *sorted(INLINE - {"atan2"}), "sqrt", "rsqrt", "max", "sign", "floor", "rint"],
)
def test_loops_are_vectorised(op, dtype):
    s = BodyBuilder()
    x = s.load(0, dtype)
    s.store(1, s.op(op, x, x * 2.0) if op == "max" else s.op(op, x))
    line = ("1",)
    kernel = s.build(("map",), (Buffer(dtype, "in", line), Buffer(dtype, "out", line)))
    text = compiler.assembly(source(kernel))
    assert has_vectors(text), text
    assert "call" not in text


def has_vectors(text):
    """Whether assembly works on whole vectors of floats."""
    if "x86" not in compiler.host()[0]:
        return ".4s" in text or ".2d" in text
    names = r"(add|mul|fn?m(add|sub)\d+|sqrt|max|div|round|rndscale|cmp\w*)p[sd]\b"
    packed = re.search(names, text)
    return packed is not None and ("ymm" in text or "zmm" in text)


@needs_avx
@pytest.mark.parametrize("op", ["reduce_sum", "reduce_max"])
@pytest.mark.parametrize("axes", [("map", "reduce"), ("reduce", "map"), ("reduce", "reduce")])
def test_reductions_are_vectorised(op, axes):
    s = BodyBuilder()
    s.store(1, s.op(op, s.load(0, "float32") * 2.0))
    out = {"map": "1", "reduce": "0"}
    kinds = tuple(out[kind] for kind in axes)
    kernel = s.build(axes, (Buffer("float32", "in", ("s", "1")), Buffer("float32", "out", kinds)))
    text = compiler.assembly(source(kernel))
    assert has_vectors(text), text
