"""Accuracy of the special functions against mpmath, and their values where they have none."""

import mpmath
import numpy as np
import pytest
from harness import run

from flowgraph.codegen.special_math import FUNCTIONS, INLINE
from flowgraph.kernel.builder import BodyBuilder
from flowgraph.kernel.ir import Buffer
from flowgraph.kernel.scalar import SCALAR_OPS

NAN, INF = np.nan, np.inf


def apply(op, *columns):
    """The native value of ``op`` on arrays that broadcast."""
    columns = [np.ascontiguousarray(c) for c in np.broadcast_arrays(*columns)]
    dtype, count = columns[0].dtype.name, len(columns)
    s = BodyBuilder()
    s.store(count, s.op(op, *[s.load(i, dtype) for i in range(count)]))
    buffers = [Buffer(dtype, "in", ("1",))] * count + [Buffer(dtype, "out", ("1",))]
    y = np.empty_like(columns[0])
    assert run(s.build(("map",), tuple(buffers)), [*columns, y], [y.size], [[1]] * (count + 1)) == 0
    return y


def spread(*pieces, seed=0, size=60):
    """Numbers between the ends of each piece; ``("log", low, high)``: evenly in the logarithm."""
    rng = np.random.default_rng(seed)
    parts = []
    for piece in pieces:
        if piece[0] == "log":
            parts.append(np.exp(rng.uniform(np.log(piece[1]), np.log(piece[2]), size)))
        else:
            parts.append(rng.uniform(*piece, size))
    return np.concatenate(parts)


TINY = ("log", 1e-300, 1.0)
HUGE = ("log", 1.0, 1e300)


def scaled_bessel(order):
    return lambda x: mpmath.besseli(order, x) * mpmath.exp(-abs(x))


def quantile(p):
    return -mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * p)


def lower(a, x):
    return mpmath.gammainc(a, 0, x, regularized=True)


def upper(a, x):
    return mpmath.gammainc(a, x, mpmath.inf, regularized=True)


def lower_slope(a, x):
    h = a * mpmath.mpf(2) ** -60
    return (lower(a + h, x) - lower(a - h, x)) / (2 * h)


def beta(a, b, x):
    return mpmath.betainc(a, b, 0, x, regularized=True)


#: op -> (exact value, arguments, bits of working precision, allowed error in ulp of float64).
ONE_ARGUMENT = {
    "asin": (mpmath.asin, spread((-1, 1), TINY), 200, 2),
    "acos": (mpmath.acos, spread((-1, 1), TINY), 200, 1.5),
    "atan": (mpmath.atan, spread((-3, 3), TINY, HUGE), 200, 1),
    "sinh": (mpmath.sinh, spread((-3, 3), TINY, (-710, 710)), 200, 3),
    "cosh": (mpmath.cosh, spread((-3, 3), TINY, (-710, 710)), 200, 2),
    "asinh": (mpmath.asinh, spread((-3, 3), TINY, HUGE), 200, 2),
    "acosh": (mpmath.acosh, spread((1, 3), HUGE), 200, 2),
    "atanh": (mpmath.atanh, spread((-1, 1), TINY), 200, 2),
    "erf": (mpmath.erf, spread((-1, 1), (-6, 6), TINY), 200, 2),
    "erfc": (mpmath.erfc, spread((-6, 6), (0, 27), TINY), 200, 4),
    "erfinv": (mpmath.erfinv, spread((-1, 1), TINY), 200, 3),
    "ndtri": (quantile, spread((0, 1), TINY, size=30), 1200, 3),
    "lgamma": (mpmath.loggamma, spread((0, 3), (0, 20), TINY, HUGE), 200, 3),
    "digamma": (mpmath.digamma, spread((0, 3), (0, 20), TINY, HUGE), 200, 3),
    "bessel_i0e": (scaled_bessel(0), spread((-20, 20), ("log", 1e-100, 1e4)), 200, 3),
    "bessel_i1e": (scaled_bessel(1), spread((-20, 20), ("log", 1e-100, 1e4)), 200, 3),
}

A = spread(("log", 1e-4, 10), (5, 60), ("log", 60, 1e4))
#: Near the diagonal, where the incomplete gamma functions are neither 0 nor 1.
X = A * spread((0.05, 3), (0.4, 2), (0.9, 1.1), seed=1)
MORE_ARGUMENTS = {
    "atan2": (
        mpmath.atan2, (spread((-9, 9), TINY, HUGE), spread((-9, 9), HUGE, TINY, seed=1)), 200, 2,
    ),
    "zeta": (
        mpmath.zeta,
        (
            spread((1, 1.01), (1, 40), ("log", 1.1, 200)),
            spread((0, 20), ("log", 1e-5, 1e3), (1, 99)),
        ),
        1500, 12,
    ),
    "polygamma": (
        lambda n, x: mpmath.polygamma(int(n), x),
        (np.floor(spread((0, 20), (1, 3))), spread(("log", 1e-3, 1e4), (0.1, 9))), 400, 8,
    ),
    "igamma": (lower, (A, X), 300, 60),
    "igammac": (upper, (A, X), 300, 60),
    "igamma_grad_a": (lower_slope, (A, X), 400, 300),
    "betainc": (
        beta,
        (
            spread((0.01, 3), (1, 100)),
            spread((0.5, 3), (1, 100), seed=1),
            spread((0, 1), (0.3, 0.7)),
        ),
        300, 200,
    ),
}  # fmt: skip


def errors(op, exact, columns, bits):
    """(error in ulp, arguments, value) where the exact value is an ordinary number."""
    y = apply(op, *columns)
    found = []
    with mpmath.workprec(bits):
        for *row, got in zip(*[c.tolist() for c in np.broadcast_arrays(*columns)], y.tolist(),
                             strict=True):  # fmt: skip
            want = exact(*[mpmath.mpf(v) for v in row])
            if want == 0 or not 1e-290 < abs(want) < 1e300:
                continue
            ulp = float(np.spacing(abs(float(want))))
            found.append((float(abs(mpmath.mpf(got) - want)) / ulp, row, got))
    return found


@pytest.mark.parametrize("op", [*ONE_ARGUMENT, *MORE_ARGUMENTS])
def test_float64_within_its_bound(op):
    exact, columns, bits, bound = {**ONE_ARGUMENT, **MORE_ARGUMENTS}[op]
    columns = columns if isinstance(columns, tuple) else (columns,)
    worst = max(errors(op, exact, columns, bits))
    assert worst[0] <= bound, worst


@pytest.mark.parametrize("op", [*ONE_ARGUMENT, *MORE_ARGUMENTS])
def test_float32_is_rounded_from_float64(op):
    columns = {**ONE_ARGUMENT, **MORE_ARGUMENTS}[op][1]
    columns = columns if isinstance(columns, tuple) else (columns,)
    with np.errstate(over="ignore"):
        narrow = [c.astype(np.float32) for c in columns]
        wide = apply(op, *[c.astype(np.float64) for c in narrow]).astype(np.float32)
    np.testing.assert_array_equal(apply(op, *narrow), wide)


def test_every_function_is_measured():
    assert set(FUNCTIONS) == {*ONE_ARGUMENT, *MORE_ARGUMENTS}
    assert set(FUNCTIONS) >= INLINE


def test_reflected_arguments():
    """Below 0 errors are absolute near the zeros, else relative."""
    x = -spread((0, 20), ("log", 1e-9, 0.5))
    with mpmath.workprec(200):
        for op, exact in (("lgamma", lambda v: mpmath.re(mpmath.loggamma(v))),
                          ("digamma", mpmath.digamma)):  # fmt: skip
            got = apply(op, x)
            want = np.array([float(exact(mpmath.mpf(v))) for v in x.tolist()])
            np.testing.assert_allclose(got, want, rtol=3e-15, atol=2e-14, err_msg=op)
    q = -spread((0, 20))
    got = apply("zeta", np.full_like(q, 3.0), q)
    with mpmath.workprec(200):
        want = np.array([float(mpmath.zeta(3, mpmath.mpf(v))) for v in q.tolist()])
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_error_functions_keep_small_results():
    assert apply("erfc", np.array([26.5, 27.0, 30.0])).tolist() == pytest.approx(
        [2.211190264000586e-307, 5.237048923789255e-319, 0], rel=1e-4
    )
    assert apply("ndtri", np.array([1e-300]))[0] == pytest.approx(-37.0470962993612, rel=1e-14)


#: Values that TensorFlow gives where the functions have a pole, a limit or nothing.
SPECIAL = {
    "lgamma": ([0, -1, -2, NAN, INF, -INF], [INF, INF, INF, NAN, INF, INF]),
    "digamma": ([0, -1, -2, NAN, INF, -INF], [NAN, NAN, NAN, NAN, INF, NAN]),
    "erf": ([-0.0, NAN, INF, -INF], [-0.0, NAN, 1, -1]),
    "erfc": ([0, NAN, INF, -INF], [1, NAN, 0, 2]),
    "erfinv": ([1, -1, 2, -2, NAN], [INF, -INF, NAN, NAN, NAN]),
    "ndtri": ([0, 1, 0.5, -1, 2], [-INF, INF, 0, NAN, NAN]),
    "bessel_i0e": ([0, INF, -INF, NAN], [1, 0, 0, NAN]),
    "bessel_i1e": ([0, INF, -INF, NAN], [0, 0, -0.0, NAN]),
    "asin": ([1, -1, 1.5, -0.0], [np.pi / 2, -np.pi / 2, NAN, -0.0]),
    "acos": ([1, -1, 0, 1.5], [0, np.pi, np.pi / 2, NAN]),
    "atan": ([INF, -INF, -0.0, NAN], [np.pi / 2, -np.pi / 2, -0.0, NAN]),
    "sinh": ([INF, -INF, -0.0, 711, NAN], [INF, -INF, -0.0, INF, NAN]),
    "cosh": ([INF, -INF, 0, 711, NAN], [INF, INF, 1, INF, NAN]),
    "asinh": ([INF, -INF, -0.0, NAN], [INF, -INF, -0.0, NAN]),
    "acosh": ([1, 0.5, -1, INF, NAN], [0, NAN, NAN, INF, NAN]),
    "atanh": ([1, -1, 2, -0.0, NAN], [INF, -INF, NAN, -0.0, NAN]),
    "zeta": (
        [1, 0.5, 2, 2, 2.5, 3, 2, 0, NAN, INF, 2, 2.5],
        [1, 1, 0, -1, -1, -1, INF, 1, 1, 1, NAN, -0.5],
        [INF, NAN, INF, INF, NAN, NAN, 0, NAN, NAN, 1, NAN, NAN],
    ),
    "polygamma": (
        [1.5, -1, NAN, 1, 1, 2, 0, INF], [1, 1, 1, 0, -1, -1, 0, 1],
        [NAN, NAN, NAN, INF, INF, NAN, NAN, NAN],
    ),
    "igamma": (
        [0, 0, 1, 1, 1, -1, NAN, 1, INF, 5], [0, 1, 0, -1, INF, 1, 1, NAN, 1, 1e-300],
        [0, NAN, 0, NAN, 1, NAN, NAN, NAN, 0, 0],
    ),
    "igammac": (
        [0, 0, 1, 1, 1, -1, NAN, 1, INF, 5], [0, 1, 0, -1, INF, 1, 1, NAN, 1, 1e-300],
        [NAN, NAN, 1, NAN, 0, NAN, NAN, NAN, 1, 1],
    ),
    "igamma_grad_a": ([0, 1, 1, -1, 1], [1, 0, INF, 1, -1], [NAN, 0, 0, NAN, NAN]),
    "betainc": (
        [1, 1, 1, 0, 2, 2, NAN, -1], [1, 1, 0, 1, 3, 3, 1, 1],
        [0, 1, 0.5, 0.5, -0.1, 1.1, 0.5, 0.5],
        [0, 1, NAN, NAN, NAN, NAN, NAN, NAN],
    ),
    "nextafter": (
        [0, 0, -0.0, 0, 1, INF, NAN], [0, 1, -1, -0.0, 1, 0, 1],
        [0, 5e-324, -5e-324, -0.0, 1, 1.7976931348623157e308, NAN],
    ),
}  # fmt: skip


@pytest.mark.parametrize("op", SPECIAL)
def test_special_values(op):
    *columns, expected = [np.array(column, np.float64) for column in SPECIAL[op]]
    got = apply(op, *columns)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(expected[got == 0]))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(SCALAR_OPS[op].numpy(*columns), expected)


def test_the_angle_of_zeros_and_infinities_is_that_of_c():
    x = np.array([0.0, -0.0, 1, -1, INF, -INF, NAN, 1e-320, 1e308])
    y, x = (a.ravel().copy() for a in np.meshgrid(x, x))
    got, expected = apply("atan2", y, x), np.arctan2(y, x)
    np.testing.assert_allclose(got, expected, rtol=1e-15)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(expected[known]))
