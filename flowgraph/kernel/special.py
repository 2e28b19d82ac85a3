"""Special functions in NumPy: what the scalar ops of the same names mean.

The oracle of codegen/special_math.py, so written another way: sums that always converge, in the
longest float the machine has, where the kernels use fitted polynomials and expansions; integrals
by the trapezoidal rule; Newton's method.  Slow where that is simpler.

Values at poles and outside the domain are TensorFlow's.  Read next: scalar.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_LONG = np.longdouble
#: Terms after which a series is cut off if it has not converged.
_MANY = 100_000


def _real(function: Callable[..., Array]) -> Callable[..., Array]:
    """``function`` of long floats, broadcast and rounded once to the dtype of its arguments."""

    def rounded(*arguments: Array) -> Array:
        dtype = np.asarray(arguments[0]).dtype
        with np.errstate(all="ignore"):
            wide = [np.asarray(a).astype(_LONG) for a in np.broadcast_arrays(*arguments)]
            shape = wide[0].shape
            result = function(*(np.atleast_1d(a).ravel() for a in wide))
            return np.asarray(result, _LONG).reshape(shape).astype(dtype)

    rounded.__name__ = function.__name__.strip("_")
    rounded.__doc__ = function.__doc__
    return rounded


def _of_math(function: Callable[[float], float], pole: float = math.nan) -> Callable[..., Array]:
    """A function of ``math``, element by element; ``pole`` where it raises."""

    def one(x: float) -> float:
        try:
            return function(x)
        except (ValueError, OverflowError):
            return pole

    def every(x: Array) -> Array:
        values = [one(v) for v in np.asarray(x, np.float64).ravel().tolist()]
        return np.array(values, np.float64).reshape(np.shape(x)).astype(np.asarray(x).dtype)

    return every


erf = _of_math(math.erf)
erfc = _of_math(math.erfc)
lgamma = _of_math(math.lgamma, math.inf)

# -------------------------------------------------------------------------------- inverses of erf


def _inverse_erfc(z: Array) -> Array:
    """The y >= 0 with erfc(y) = z, for 0 < z <= 1, by bisection in float64."""
    low, high = np.zeros(z.shape), np.full(z.shape, 28.0)
    for _ in range(70):
        middle = (low + high) / 2
        above = erfc(middle) > z
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    y = ((low + high) / 2).astype(_LONG)
    # erf is flat against float64 near 0: one Newton step there, on erf itself
    error = (1 - z) - erf(y.astype(np.float64)).astype(_LONG)
    step = error * np.exp(y * y) * _LONG(math.sqrt(math.pi) / 2)
    return np.where(z > 0.5, y + step, y)


@_real
def erfinv(x: Array) -> Array:
    """erf(erfinv(x)) = x; infinite at -1 and 1, NaN beyond."""
    size = np.abs(x)
    inside = size < 1
    y = _inverse_erfc(np.where(inside, 1 - size, 1))
    # 1 - |x| lost what a small x is made of: erf(x) = 2 x / sqrt(pi) - ...
    tiny = size < 1e-4
    small = _LONG(math.sqrt(math.pi) / 2) * size * (1 + math.pi / 12 * size * size)
    y = np.where(tiny, small, y)
    edge = np.where(size == 1, np.inf, np.nan)
    return np.copysign(np.where(inside, y, edge), x)


@_real
def ndtri(p: Array) -> Array:
    """The quantile of the normal distribution: infinite at 0 and 1, NaN beyond."""
    inside = (p > 0) & (p < 1)
    tail = np.where(inside, np.minimum(p, 1 - p), 0.5)
    size = _LONG(math.sqrt(2)) * _inverse_erfc(2 * tail)
    middle = np.abs(p - _LONG(0.5)) < 0.25
    centre = _LONG(math.sqrt(2)) * erfinv(np.where(middle, 2 * p - 1, 0))
    size = np.where(middle, np.abs(centre), size)
    edge = np.where(p == 0, -np.inf, np.where(p == 1, np.inf, np.nan))
    return np.where(inside, np.where(p < 0.5, -size, size), edge)


# -------------------------------------------------------------------------------- gamma functions

_BERNOULLI = [1 / _LONG(6), -1 / _LONG(30), 1 / _LONG(42), -1 / _LONG(30), 5 / _LONG(66),
              -691 / _LONG(2730), 7 / _LONG(6), -3617 / _LONG(510), 43867 / _LONG(798)]  # fmt: skip
_PI = _LONG(3.1415926535897932385) if np.finfo(_LONG).eps < 1e-16 else _LONG(math.pi)


def _long_lgamma(x: Array) -> Array:
    """log Gamma(x) for x > 0: Stirling's series from 30, and down by recurrence."""
    steps = np.maximum(0, np.ceil(30 - x))
    total = np.zeros(x.shape, _LONG)
    for k in range(int(steps.max(initial=0))):
        total = total + np.where(k < steps, np.log(np.where(k < steps, x + k, 1)), 0)
    x = x + steps
    series = sum(
        b / ((2 * j + 2) * (2 * j + 1)) / x ** (2 * j + 1) for j, b in enumerate(_BERNOULLI)
    )
    return (x - 0.5) * np.log(x) - x + np.log(2 * _PI) / 2 + series - total


@_real
def digamma(x: Array) -> Array:
    """The slope of lgamma; NaN at 0, -1, -2 ..."""
    reflect = x < 0.5
    part = x - np.floor(x)
    cotangent = np.cos(_PI * part) / np.sin(_PI * part)
    z = np.where(reflect, 1 - x, x)
    z = np.where(np.isfinite(z), z, 1)
    steps = np.maximum(0, np.ceil(30 - z))
    total = np.zeros(x.shape, _LONG)
    for k in range(int(steps.max(initial=0))):
        total = total + np.where(k < steps, 1 / np.where(k < steps, z + k, 1), 0)
    z = z + steps
    series = sum(b / (2 * j + 2) / z ** (2 * j + 2) for j, b in enumerate(_BERNOULLI))
    result = np.log(z) - 1 / (2 * z) - series - total - np.where(reflect, _PI * cotangent, 0)
    result = np.where(np.isposinf(x), np.inf, result)
    return np.where((x <= 0) & (part == 0) | np.isnan(part) & ~np.isposinf(x), np.nan, result)


def _hurwitz(x: Array, q: Array) -> Array:
    """sum of (q + k)**-x for x > 1, q > 0: 60 terms and the Euler-Maclaurin formula."""
    terms = 60
    total = sum((q + k) ** -x for k in range(terms))
    a = q + terms
    total = total + a ** (1 - x) / (x - 1) + a**-x / 2
    factor = x * a ** (-x - 1)
    for j, b in enumerate(_BERNOULLI, 1):
        total = total + b / math.factorial(2 * j) * factor
        factor = factor * (x + 2 * j - 1) * (x + 2 * j) / (a * a)
    return total


@_real
def zeta(x: Array, q: Array) -> Array:
    """Hurwitz's zeta function, the sum of (q + k)**-x over k >= 0, for x > 1."""
    whole_x, whole_q = np.floor(x) == x, np.floor(q) == q
    even = np.floor(x / 2) == x / 2
    below = np.isfinite(q) & (q < 0)
    part = np.where(below & ~whole_q, q - np.floor(q), 1)
    good = np.isfinite(x) & (x > 1)
    power = np.where(good, x, 2)
    negative = _hurwitz(power, 1 - part + (part == 1)) - _hurwitz(
        power, np.where(below, 1 - q, 1)
    )
    reflected = _hurwitz(power, part) + np.where(even, negative, -negative)
    result = np.where(below, reflected, _hurwitz(power, np.where(q > 0, q, 1)))
    result = np.where(below & ~whole_x, np.nan, result)
    result = np.where((q <= 0) & whole_q, np.where(even, np.inf, np.nan), result)
    infinite = np.where(q == 1, 1, np.where(q > 1, 0, np.where(q > 0, np.inf, np.nan)))
    result = np.where(np.isposinf(x), infinite, result)
    result = np.where(np.isposinf(q), 0, result)
    result = np.where(x == 1, np.inf, np.where(x < 1, np.nan, result))
    return np.where(np.isnan(x) | np.isnan(q), np.nan, result)


@_real
def polygamma(n: Array, x: Array) -> Array:
    """The n-th derivative of digamma: (-1)**(n+1) n! zeta(n + 1, x)."""
    whole = (np.floor(n) == n) & (n >= 0) & np.isfinite(n)
    order = np.where(whole, n, 1)
    series = zeta(order + 1, x)
    sign = np.where(np.floor(order / 2) == order / 2, -1, 1) * np.sign(series)
    size = np.exp(_long_lgamma(order + 1) + np.log(np.abs(series)))
    result = np.where(order == 0, digamma(x), np.where(np.isnan(series), np.nan, sign * size))
    return np.where(whole, result, np.nan)


# -------------------------------------------------------------- incomplete gamma and beta functions


def _series(start: Array, ratio: Callable[[int], Array]) -> Array:
    """sum of start * ratio(1) * ... * ratio(k), until nothing changes."""
    term = total = start
    for k in range(1, _MANY):
        term = term * ratio(k)
        before, total = total, total + term
        if np.array_equal(before, total, equal_nan=True):
            break
    return total


def _lower_gamma(a: Array, x: Array) -> Array:
    """P(a, x) = x**a exp(-x) sum of x**k / Gamma(a + k + 1): all terms are positive."""
    front = np.exp(a * np.log(x) - x - _long_lgamma(a + 1))
    return front * _series(np.ones(a.shape, _LONG), lambda k: x / (a + k))


def _upper_gamma(a: Array, x: Array) -> Array:
    """Q(a, x) for x > a by Legendre's fraction, from its tail upward with twice the terms."""
    fraction = x * 0
    for i in range(4000, 0, -1):
        fraction = -i * (i - a) / (x + 2 * i + 1 - a + fraction)
    return np.exp(a * np.log(x) - x - _long_lgamma(a)) / (x + 1 - a + fraction)


def _gamma_pair(a: Array, x: Array) -> tuple[Array, Array]:
    """(P, Q), each from the side where it does not cancel, for ordinary positive arguments."""
    far = x > a + 1
    upper = _upper_gamma(np.where(far, a, 1), np.where(far, x, 3))
    lower = _lower_gamma(np.where(far, 1, a), np.where(far, 1, x))
    # near 0 Q is small where a is: 1 - x**a / Gamma(1 + a) (1 + a sum (-x)**k / (k! (a + k)))
    small = (x < 1) & (a < 1)
    sa, sx = np.where(small, a, 0.5), np.where(small, x, 0.5)
    term, total = np.ones(a.shape, _LONG), np.zeros(a.shape, _LONG)
    for k in range(1, 60):
        term = term * -sx / k
        total = total + term / (sa + k)
    scale = sa * np.log(sx) - _long_lgamma(1 + sa)
    tail = -np.expm1(scale) - np.exp(scale) * sa * total
    return np.where(far, 1 - upper, lower), np.where(far, upper, np.where(small, tail, 1 - lower))


def _gamma_with_edges(a: Array, x: Array, which: int) -> Array:
    good = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    result = _gamma_pair(np.where(good, a, 1), np.where(good, x, 1))[which]
    result = np.where(np.isposinf(x), 1 - which, result)
    result = np.where(np.isposinf(a), np.where(np.isposinf(x), np.nan, which), result)
    result = np.where(a == 0, np.nan, result)
    result = np.where(x == 0, np.where((a == 0) & (which == 1), np.nan, which), result)
    return np.where((a < 0) | (x < 0) | np.isnan(a) | np.isnan(x), np.nan, result)


@_real
def igamma(a: Array, x: Array) -> Array:
    """P(a, x) = integral of t**(a-1) exp(-t) from 0 to x, over Gamma(a)."""
    return _gamma_with_edges(a, x, 0)


@_real
def igammac(a: Array, x: Array) -> Array:
    """Q(a, x) = 1 - P(a, x)."""
    return _gamma_with_edges(a, x, 1)


@_real
def igamma_grad_a(a: Array, x: Array) -> Array:
    """dP(a, x)/da, by differences of sixth order."""
    good = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    b, z = np.where(good, a, 1), np.where(good, x, 1)
    h = 5e-3 * b / (1 + np.sqrt(b))
    total = np.zeros(a.shape, _LONG)
    # the side that is small keeps its digits
    side = np.where(z > b + 1, 1, 0)
    for step, weight in ((1, 45), (2, -9), (3, 1)):
        ahead, behind = _gamma_pair(b + step * h, z), _gamma_pair(b - step * h, z)
        difference = np.where(side == 1, behind[1] - ahead[1], ahead[0] - behind[0])
        total = total + weight * difference / (60 * h)
    result = np.where(good, total, 0)
    result = np.where(np.isposinf(a) & np.isposinf(x) | (a == 0) & (x != 0), np.nan, result)
    return np.where((a < 0) | (x < 0) | np.isnan(a) | np.isnan(x), np.nan, result)


@_real
def betainc(a: Array, b: Array, x: Array) -> Array:
    """I_x(a, b): the integral of t**(a-1) (1-t)**(b-1) from 0 to x, over that from 0 to 1."""
    good = (a > 0) & (b > 0) & (x > 0) & (x < 1) & np.isfinite(a) & np.isfinite(b)
    a1, b1, z = (np.where(good, v, d) for v, d in ((a, 1), (b, 1), (x, 0.5)))
    swap = (z > a1 / (a1 + b1)) & (z > 0.5)
    p, q = np.where(swap, b1, a1), np.where(swap, a1, b1)
    y = np.where(swap, 1 - z, z)
    beta = _long_lgamma(p + q) - _long_lgamma(p) - _long_lgamma(q)
    front = np.exp(p * np.log(y) + q * np.log1p(-y) + beta) / p
    part = front * _series(np.ones(p.shape, _LONG), lambda k: (p + q + k - 1) / (p + k) * y)
    result = np.where(swap, 1 - part, part)
    edge = np.where((x == 0) | (x == 1), x, np.where(np.isposinf(a), 0, 1))
    edge = np.where(np.isposinf(a) & np.isposinf(b) & (x > 0) & (x < 1), np.nan, edge)
    result = np.where(good, result, edge)
    outside = ~((a > 0) & (b > 0) & (x >= 0) & (x <= 1))
    return np.where(outside, np.nan, result)


# --------------------------------------------------------------------------------- Bessel functions


def _bessel(order: int) -> Callable[..., Array]:
    @_real
    def scaled(x: Array) -> Array:
        size = np.abs(x)
        z = np.where(np.isfinite(size), np.minimum(size, 2000), 1)
        # exp(-z) I_n(z) = mean of exp(z (cos t - 1)) cos(n t): the rule converges geometrically
        total = np.zeros(x.shape, _LONG)
        points = 600
        for k in range(points):
            t = _PI * (2 * k + 1) / (2 * points)
            total = total + np.exp(-2 * z * np.sin(t / 2) ** 2) * np.cos(order * t)
        near = total / points
        # 1/sqrt(2 pi x) (1 - (m-1)/(8x) + (m-1)(m-9)/(2! (8x)**2) ...), m = 4 n**2
        term = large = np.ones(x.shape, _LONG)
        for k in range(1, 12):
            term = term * -(4 * order**2 - (2 * k - 1) ** 2) / (k * 8 * np.maximum(size, 2000))
            large = large + term
        far = large / np.sqrt(2 * _PI * np.maximum(size, 2000))
        result = np.where(size > 2000, far, near)
        if order:  # the mean cancels near 0
            series = size / 2 * (1 + size**2 / 8 + size**4 / 192 + size**6 / 9216)
            result = np.where(size < 1e-2, series * np.exp(-size), result)
            result = np.copysign(result, x)
        result = np.where(np.isinf(size), 0, result)
        return np.where(np.isnan(x), np.nan, result)

    return scaled


bessel_i0e, bessel_i1e = _bessel(0), _bessel(1)
