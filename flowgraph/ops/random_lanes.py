"""Gamma, Poisson and binomial numbers: each from a lane of its own of a stream.

Rejection takes an unknown count of uniforms and normals, so every number has a stretch of the
stream (philox.Lanes).  Of every method: kernel text, and the same in NumPy for many lanes at once.

Sources: Marsaglia and Tsang, "A simple method for generating gamma variables" (2000); Hormann, "The
transformed rejection method for generating Poisson random variables" (1993), its PTRS; the same,
"The generation of binomial random variates" (1993), its BTRS.

Read next: random_distributions.py and random_stateless_lanes.py, whose records use it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.ops.philox import Lanes
from flowgraph.ops.rules import invalid


def sizes_of(shape: Any) -> tuple[int, ...]:
    """A vector of sizes, checked."""
    if np.any(shape < 0):
        raise invalid(f"shape must not be negative: {shape.tolist()}")
    return tuple(int(n) for n in shape)


def whole(numbers: Any, dtype: np.dtype[Any]) -> Any:
    """Float64 numbers as ``dtype``; NaN, which is no integer, as -1."""
    if dtype.kind == "i":
        numbers = np.where(np.isnan(numbers), -1, np.minimum(numbers, np.iinfo(dtype).max))
    return numbers.astype(dtype)


def whole_text(drawn: str, dtype: DType) -> str:
    """``whole`` of the kernel text ``drawn``."""
    if dtype.np.kind == "i":
        bound = float(np.iinfo(dtype.np).max) - (512 if dtype.np.itemsize == 8 else 0)
        return f"{dtype.name}(maximum(-1.0, minimum({drawn}, {bound})))"
    return f"{dtype.name}({drawn})"


# ------------------------------------------------------------------------------------------- gamma

GAMMA_LANE = """
def gamma(alpha, state, kept, words, seed, seed2):
    result = nan
    if alpha == 1.0:
        result = -log1p(-next_uniform(state, kept, words, seed, seed2))
    elif alpha > 0.0 and alpha < inf:
        d = alpha + (0.6666666666666666 if alpha < 1.0 else -0.3333333333333333)
        c = 0.3333333333333333 / sqrt(d)
        waiting = True
        while waiting:
            x = next_normal(state, kept, words, seed, seed2)
            v = 1.0 + c * x
            if v > 0.0:
                v = v * v * v
                u = next_uniform(state, kept, words, seed, seed2)
                if u < 1.0 - 0.0331 * (x * x) * (x * x):
                    waiting = False
                elif log(u) < 0.5 * x * x + d * (1.0 - v + log(v)):
                    waiting = False
                if not waiting:
                    result = d * v
        if alpha < 1.0:
            result = result * next_uniform(state, kept, words, seed, seed2) ** (1.0 / alpha)
    return result

"""


def gamma_numbers(a: Any, lanes: Lanes) -> Any:
    """A float64 number for each shape parameter ``a``; NaN where it is not positive and finite."""
    result = np.full(a.size, np.nan)
    ones = np.flatnonzero(a == 1)
    result[ones] = -np.log1p(-lanes.uniform(ones))
    others = np.flatnonzero((a != 1) & (a > 0) & (a < np.inf))
    d = a + np.where(a < 1, 2 / 3, -1 / 3)
    c = 1 / 3 / np.sqrt(d)
    waiting = others
    while waiting.size:
        x = lanes.normal(waiting)
        v = 1 + c[waiting] * x
        tried = v > 0
        at, x, v = waiting[tried], x[tried], v[tried] ** 3
        u = lanes.uniform(at)
        accepted = u < 1 - 0.0331 * (x * x) * (x * x)
        accepted |= np.log(u) < 0.5 * x * x + d[at] * (1 - v + np.log(v))
        result[at[accepted]] = (d[at] * v)[accepted]
        waiting = np.setdiff1d(waiting, at[accepted])
    small = others[a[others] < 1]
    result[small] *= lanes.uniform(small) ** (1 / a[small])
    return result


# ----------------------------------------------------------------------------------------- Poisson

LOG_FACTORIAL = """
def log_factorial(k):
    x = k + 1.0
    product = 1.0
    while x < 10.0:
        product = product * x
        x = x + 1.0
    z = 1.0 / (x * x)
    tail = (0.08333333333333333 - z * (0.002777777777777778 - z * (7.936507936507937e-4
        - z * 5.952380952380953e-4))) / x
    return (x - 0.5) * log(x) - x + 0.9189385332046727 + tail - log(product)

"""

POISSON_LANE = """
def poisson(rate, state, kept, words, seed, seed2):
    result = nan
    if rate < 10.0:
        bound = exp(-rate)
        product = next_uniform(state, kept, words, seed, seed2)
        result = 0.0
        while product > bound:
            result = result + 1.0
            product = product * next_uniform(state, kept, words, seed, seed2)
    elif rate < inf:
        b = 0.931 + 2.53 * sqrt(rate)
        a = -0.059 + 0.02483 * b
        inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
        low = 0.9277 - 3.6224 / (b - 2.0)
        log_rate = log(rate)
        waiting = True
        while waiting:
            u = next_uniform(state, kept, words, seed, seed2) - 0.5
            v = next_uniform(state, kept, words, seed, seed2)
            inside = 0.5 - absolute(u)
            result = floor((2.0 * a / inside + b) * u + rate + 0.43)
            if inside >= 0.07 and v <= low:
                waiting = False
            elif result >= 0.0 and (inside >= 0.013 or v <= inside):
                s = log(v * inverse_alpha / (a / (inside * inside) + b))
                if s <= result * log_rate - rate - log_factorial(result):
                    waiting = False
    return result

"""


def poisson_numbers(mean: Any, lanes: Lanes) -> Any:
    """A float64 number for each ``mean``; NaN where that is not finite, 0 where negative."""
    result = np.full(mean.size, np.nan)
    few = np.flatnonzero(mean < 10)
    product, result[few] = lanes.uniform(few), 0
    while few.size:
        more = product > np.exp(-mean[few])
        few, product = few[more], product[more]
        result[few] += 1
        product = product * lanes.uniform(few)
    waiting = np.flatnonzero((mean >= 10) & (mean < np.inf))
    while waiting.size:
        m = mean[waiting]
        b = 0.931 + 2.53 * np.sqrt(m)
        a = -0.059 + 0.02483 * b
        u, v = lanes.uniform(waiting) - 0.5, lanes.uniform(waiting)
        inside = 0.5 - np.abs(u)
        k = np.floor((2 * a / inside + b) * u + m + 0.43)
        accepted = (inside >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
        s = np.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (inside * inside) + b))
        possible = (k >= 0) & ((inside >= 0.013) | (v <= inside))
        accepted |= possible & (s <= k * np.log(m) - m - _log_factorial(np.maximum(k, 0)))
        result[waiting[accepted]] = k[accepted]
        waiting = waiting[~accepted]
    return result


def _log_factorial(k: Any) -> Any:
    return np.array([math.lgamma(n + 1) for n in k])


# ---------------------------------------------------------------------------------------- binomial

BINOMIAL_LANE = """
def binomial_below(n, p, state, kept, words, seed, seed2):
    result = 0.0
    if n * p < 10.0:
        # numbers of trials up to the next success, until they exceed n
        scale = 1.0 / log1p(-p)
        total = -floor(-log(next_uniform(state, kept, words, seed, seed2)) * scale)
        while total <= n and p > 0.0:
            result = result + 1.0
            total = total - floor(-log(next_uniform(state, kept, words, seed, seed2)) * scale)
    else:
        deviation = sqrt(n * p * (1.0 - p))
        b = 1.15 + 2.53 * deviation
        a = -0.0873 + 0.0248 * b + 0.01 * p
        low = 0.92 - 4.2 / b
        log_odds = log(p / (1.0 - p))
        alpha = (2.83 + 5.1 / b) * deviation
        m = floor((n + 1.0) * p)
        top = log_factorial(m) + log_factorial(n - m)
        waiting = True
        while waiting:
            u = next_uniform(state, kept, words, seed, seed2) - 0.5
            v = next_uniform(state, kept, words, seed, seed2)
            inside = 0.5 - absolute(u)
            result = floor((2.0 * a / inside + b) * u + n * p + 0.5)
            if inside >= 0.07 and v <= low:
                waiting = False
            elif result >= 0.0 and result <= n:
                s = log(v * alpha / (a / (inside * inside) + b))
                bound = top - log_factorial(result) - log_factorial(n - result)
                if s <= bound + (result - m) * log_odds:
                    waiting = False
    return result

def binomial(n, p, state, kept, words, seed, seed2):
    result = nan
    if n >= 0.0 and n < inf and p >= 0.0 and p <= 1.0:
        n = floor(n)
        lesser = p if p <= 0.5 else 1.0 - p
        result = binomial_below(n, lesser, state, kept, words, seed, seed2)
        if p > 0.5:
            result = n - result
    return result

"""


def binomial_numbers(n: Any, p: Any, lanes: Lanes) -> Any:
    """A float64 number for each pair; NaN where ``n`` or ``p`` is out of range."""
    result = np.full(n.size, np.nan)
    valid = (n >= 0) & (n < np.inf) & (p >= 0) & (p <= 1)
    n, lesser = np.floor(n), np.where(p <= 0.5, p, 1 - p)
    few = np.flatnonzero(valid & (n * lesser < 10))
    result[few] = 0
    total = np.zeros(n.size)
    while few.size:
        with np.errstate(divide="ignore"):
            total[few] += np.ceil(np.log(lanes.uniform(few)) / np.log1p(-lesser[few]))
        few = few[(total[few] <= n[few]) & (lesser[few] > 0)]
        result[few] += 1
    waiting = np.flatnonzero(valid & (n * lesser >= 10))
    while waiting.size:
        count, q = n[waiting], lesser[waiting]
        deviation = np.sqrt(count * q * (1 - q))
        b = 1.15 + 2.53 * deviation
        a = -0.0873 + 0.0248 * b + 0.01 * q
        m = np.floor((count + 1) * q)
        u, v = lanes.uniform(waiting) - 0.5, lanes.uniform(waiting)
        inside = 0.5 - np.abs(u)
        k = np.floor((2 * a / inside + b) * u + count * q + 0.5)
        accepted = (inside >= 0.07) & (v <= 0.92 - 4.2 / b)
        s = np.log(v * (2.83 + 5.1 / b) * deviation / (a / (inside * inside) + b))
        possible = (k >= 0) & (k <= count)
        at = np.where(possible, k, 0)
        bound = _log_factorial(m) + _log_factorial(count - m)
        bound = bound - _log_factorial(at) - _log_factorial(count - at)
        accepted |= possible & (s <= bound + (at - m) * np.log(q / (1 - q)))
        result[waiting[accepted]] = k[accepted]
        waiting = waiting[~accepted]
    return np.where(p > 0.5, n - result, result)
