"""Bessel functions, Dawson's and Fresnel's integrals, Ei and the dilogarithm, in NumPy.

Power series near 0 and expansions that converge geometrically elsewhere, so that float64 is right
to a few units in the last place of the largest term; near the zeros of the oscillating ones errors
are absolute.  Values at 0, below it and at infinity are TensorFlow's.

Read next: special.py; ops/bessel.py (the records).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_LONG = np.longdouble
EULER_GAMMA = _LONG("0.577215664901532860606512090082402431")
_PI = _LONG("3.141592653589793238462643383279502884")


def _wide(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """``function`` of a vector of long floats, as a function of arrays of any float dtype."""

    def rounded(x: Array) -> Array:
        with np.errstate(all="ignore"):
            result = function(np.asarray(x).astype(_LONG).ravel())
        return result.reshape(np.shape(x)).astype(np.asarray(x).dtype)

    rounded.__name__, rounded.__doc__ = function.__name__, function.__doc__
    return rounded


def _summed(count: int, term: Array, ratio: Callable[[int], Any]) -> Array:
    """term (1 + r(1) + r(1) r(2) + ...), ``count`` terms."""
    total = term
    for k in range(1, count):
        term = term * ratio(k)
        total = total + term
    return total


# ---------------------------------------------------------------------------- oscillating Bessel

_SPLIT = 25  # Hankel's expansion converges to 1e-18 beyond
_POINTS = 128


def _coefficients(x: Array) -> Array:
    """J_0(x), J_1(x) ... by column: exp(i x sin t) = sum of J_m(x) exp(i m t)."""
    angle = 2 * np.pi * np.arange(_POINTS) / _POINTS
    waves = np.exp(1j * x.astype(np.float64)[:, None] * np.sin(angle))
    return np.fft.fft(waves, axis=1).real / _POINTS


def _hankel(order: int, x: Array) -> tuple[Array, Array]:
    """J and Y for large x: sqrt(2/(pi x)) (P cos - Q sin, P sin + Q cos), of x - (n/2 + 1/4) pi."""
    factor, p, q = np.ones(x.shape, _LONG), np.zeros(x.shape, _LONG), np.zeros(x.shape, _LONG)
    for k in range(40):
        sign = 1 if k % 4 in (0, 1) else -1
        if k % 2:
            q = q + sign * factor
        else:
            p = p + sign * factor
        factor = factor * (4 * order**2 - (2 * k + 1) ** 2) / ((k + 1) * 8 * x)
    sine, cosine = np.sin(x), np.cos(x)
    a, b = (cosine + sine, sine - cosine) if order == 0 else (sine - cosine, -sine - cosine)
    scale = 1 / np.sqrt(_PI * x)
    return scale * (p * a - q * b), scale * (p * b + q * a)


def _j_series(order: int, x: Array) -> Array:
    first = np.ones(x.shape, _LONG) if order == 0 else x / 2
    return _summed(40, first, lambda k: -(x * x) / 4 / (k * (k + order)))


def _bessel_j(order: int) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        size = np.abs(x)
        middle = _coefficients(np.clip(size, 0, _SPLIT))[:, order]
        result = np.where(size < 4, _j_series(order, np.minimum(size, 4)), middle)
        far = _hankel(order, np.where(size > _SPLIT, size, _SPLIT))[0]
        result = np.where(size > _SPLIT, far, result)
        result = result * np.sign(x) if order else result
        return np.where(np.isfinite(x), result, np.nan)

    function.__name__ = f"bessel_j{order}"
    return _wide(function)


def _bessel_y(order: int) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        near = np.where((x > 0) & (x <= _SPLIT), x, 1)
        j = _coefficients(near).astype(_LONG)
        # Neumann's series: Y_n as a logarithm times J_n and a sum over the J of higher orders
        log = np.log(near / 2) + EULER_GAMMA - order
        first = np.where(near < 4, _j_series(order, np.minimum(near, 4)), j[:, order])
        result = 2 * log * first
        for k in range(1, _POINTS // 4 - 1):
            weight = (order + 2 * k) / _LONG(k * (k + order))
            result = result - (-1) ** k * 2 * weight * j[:, 2 * k + order]
        if order:
            result = result - 2 / near * np.where(
                near < 4, _j_series(0, np.minimum(near, 4)), j[:, 0]
            )
        result = result / _PI
        far = _hankel(order, np.where(x > _SPLIT, x, _SPLIT))[1]
        result = np.where(x > _SPLIT, far, result)
        result = np.where(x <= 0, -np.inf, result)
        return np.where(np.isnan(x) | np.isposinf(x), np.nan, result)

    function.__name__ = f"bessel_y{order}"
    return _wide(function)


bessel_j0, bessel_j1 = _bessel_j(0), _bessel_j(1)
bessel_y0, bessel_y1 = _bessel_y(0), _bessel_y(1)

# ---------------------------------------------------------------------------- decaying Bessel


def _k_series(order: int, x: Array) -> Array:
    """K_0 or K_1 for 0 < x <= 1: a logarithm times I, and a series with digamma in it."""
    z, log = x * x / 4, np.log(x / 2)
    total: Array = np.zeros(x.shape, _LONG)
    term: Array = np.ones(x.shape, _LONG)
    harmonic = -EULER_GAMMA  # digamma(k + 1)
    for k in range(20):
        if order == 0:
            total = total + term * (harmonic - log)
            term = term * z / (k + 1) ** 2
        else:
            total = total + term * (2 * harmonic + 1 / _LONG(k + 1) - 2 * log)
            term = term * z / ((k + 1) * (k + 2))
        harmonic = harmonic + 1 / _LONG(k + 1)
    return total if order == 0 else 1 / x - x / 4 * total


def _k_integral(order: int, x: Array) -> Array:
    """exp(x) K_n(x) for x >= 1: the integral of exp(-x (cosh t - 1)) cosh(n t) from 0 on."""
    step = 0.2 / np.sqrt(x)
    total: Array = np.full(x.shape, _LONG(0.5))
    for k in range(1, 200):
        t = k * step
        weight = np.cosh(t) if order else 1
        total = total + np.exp(-2 * x * np.sinh(t / 2) ** 2) * weight
    return total * step


def _bessel_k(order: int, scaled: bool) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        near, far = np.where((x > 0) & (x <= 1), x, 1), np.where(x > 1, x, 1)
        small, large = _k_series(order, near), _k_integral(order, far)
        if scaled:
            small = small * np.exp(near)
        else:
            large = large * np.exp(-far)
        result = np.where(x <= 1, small, np.where(np.isposinf(x), 0, large))
        return np.where(np.isnan(x), np.nan, np.where(x <= 0, np.inf, result))

    function.__name__ = f"bessel_k{order}{'e' if scaled else ''}"
    return _wide(function)


bessel_k0, bessel_k1 = _bessel_k(0, False), _bessel_k(1, False)
bessel_k0e, bessel_k1e = _bessel_k(0, True), _bessel_k(1, True)

# ---------------------------------------------------------------------------------- integrals


@_wide
def dawsn(x: Array) -> Array:
    """exp(-x**2) times the integral of exp(t**2) from 0 to x, by Rybicki's sampling theorem."""
    size = np.abs(x)
    near = np.minimum(size, 10)
    h = _LONG(0.2)
    total = np.zeros(x.shape, _LONG)
    for n in range(1, 101, 2):  # odd n; those of -n are in the sinh, which keeps digits near 0
        both = np.where(
            near < 1,
            2 * np.exp(-(near**2) - (n * h) ** 2) * np.sinh(2 * n * h * np.minimum(near, 1)),
            np.exp(-((near - n * h) ** 2)) - np.exp(-((near + n * h) ** 2)),
        )
        total = total + both / n
    total = total / np.sqrt(_PI)
    far = np.maximum(size, 10)
    large = _summed(30, 1 / (2 * far), lambda k: (2 * k - 1) / (2 * far * far))
    result = np.where(size > 10, large, total)
    return np.where(np.isnan(x), np.nan, np.copysign(np.where(np.isinf(x), 0, result), x))


@_wide
def expint(x: Array) -> Array:
    """Ei(x), the integral of exp(t) / t from -inf to x, for x >= 0; NaN below."""
    near = np.where((x > 0) & (x <= 40), x, 1)
    series = EULER_GAMMA + np.log(near)
    term = np.ones(x.shape, _LONG)
    for k in range(1, 160):
        term = term * near / k
        series = series + term / k
    far = np.where((x > 40) & (x < 11000), x, 41)
    large = _summed(40, np.exp(far) / far, lambda k: k / far)
    result = np.where(x > 11000, np.inf, np.where(x > 40, large, series))
    result = np.where(x == 0, -np.inf, result)
    return np.where((x < 0) | np.isnan(x) | np.isposinf(x), np.nan, result)


def _fresnel(x: Array) -> tuple[Array, Array]:
    """C(x) and S(x) of x >= 0."""
    near = np.minimum(x, 1.5)
    z = -((_PI / 2 * near * near) ** 2)
    cosine, sine = np.zeros(x.shape, _LONG), np.zeros(x.shape, _LONG)
    even, odd = near, near * _PI / 2 * near * near
    for k in range(20):
        cosine = cosine + even / (4 * k + 1)
        sine = sine + odd / (4 * k + 3)
        even = even * z / ((2 * k + 1) * (2 * k + 2))
        odd = odd * z / ((2 * k + 2) * (2 * k + 3))
    # 1/2 + f sin - g cos and 1/2 - f cos - g sin of pi x**2 / 2, f and g by the trapezoidal rule
    far = np.where((x > 1.5) & np.isfinite(x), x, 1.5)
    step = _LONG(0.1) / far
    f, g = np.full(x.shape, _LONG(0.5)), np.zeros(x.shape, _LONG)
    for k in range(1, 70):
        u = k * step
        weight = np.exp(-_PI / 2 * (far * u) ** 2) / (u**4 + 1)
        f, g = f + weight, g + weight * u * u
    f, g = (v * step * np.sqrt(_LONG(2)) / _PI for v in (f, g))
    turn = _PI / 2 * np.fmod(far * far, 4)
    s, c = np.sin(turn), np.cos(turn)
    beyond = x > 1.5
    cosine = np.where(beyond, 0.5 + f * s - g * c, cosine)
    sine = np.where(beyond, 0.5 - f * c - g * s, sine)
    flat = np.isinf(x)
    return np.where(flat, 0.5, cosine), np.where(flat, 0.5, sine)


@_wide
def fresnel_cos(x: Array) -> Array:
    """C(x): the integral of cos(pi t**2 / 2) from 0 to x."""
    return np.copysign(_fresnel(np.abs(x))[0], x) + 0 * np.where(np.isnan(x), x, 0)


@_wide
def fresnel_sin(x: Array) -> Array:
    """S(x): the integral of sin(pi t**2 / 2) from 0 to x."""
    return np.copysign(_fresnel(np.abs(x))[1], x) + 0 * np.where(np.isnan(x), x, 0)


@_wide
def spence(x: Array) -> Array:
    """Li2(1 - x): minus the integral of log(t) / (t - 1) from 1 to x; NaN below 0."""
    good = (x > 0) & np.isfinite(x)
    t = np.where(good, x, 1)
    # 1/t for large t, then 1 - t for small: what is left lies in [1/2, 3/2]
    inverted = t > 1.5
    u = np.where(inverted, 1 / t, t)
    mirrored = u < 0.5
    z = 1 - np.where(mirrored, 1 - u, u)
    z = np.where(mirrored, u, z)
    term, total = np.ones(x.shape, _LONG), np.zeros(x.shape, _LONG)
    for k in range(1, 70):
        term = term * z
        total = total + term / (k * k)
    # z is 1 - (1 - u) = u where mirrored; log1p keeps its digits
    total = np.where(mirrored, _PI**2 / 6 - np.log(u) * np.log1p(-u) - total, total)
    total = np.where(inverted, -total - np.log(t) ** 2 / 2, total)
    return np.where(good, total, np.where(x == 0, _PI**2 / 6, np.nan))


