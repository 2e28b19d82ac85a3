"""Special functions without long loops: inverse trigonometric, hyperbolic, erf, Bessel.

Read next: special_math.py (methods and accuracy), special_gamma.py.
"""

from __future__ import annotations

from flowgraph.codegen.special_names import (
    ASIN,
    ATAN,
    ERF,
    ERFCX,
    HALF_PI,
    HALF_PI_REST,
    I0_LARGE,
    I0_SMALL,
    I1_LARGE,
    I1_SMALL,
    INF,
    LN2,
    NAN,
    PI,
    QUARTER_PI,
    SQRT2,
    SQRT_PI,
    absolute,
    exp,
    expm1,
    fma,
    isnan,
    log,
    log1p,
    select,
    sqrt,
)

# ---------------------------------------------------------- inverse trigonometric and hyperbolic


def _atan_of(x: float, y: float) -> float:
    """atan(y / x) for y >= 0 and x >= 0, not both 0."""
    # tan(pi / 8) and its reciprocal part the three reductions
    steep = y > x * 2.414213562373095
    middle = y > x * 0.41421356237309503
    n = select(steep, -x, select(middle, y - x, y))
    d = select(steep, y, select(middle, y + x, x))
    r = n / d
    base = select(steep, HALF_PI, select(middle, QUARTER_PI, 0.0))
    rest = select(steep, HALF_PI_REST, select(middle, 0.5 * HALF_PI_REST, 0.0))
    z = r * r
    return base + (r + (rest + r * z * ATAN(z)))


def atan(x: float) -> float:
    a = absolute(x)
    y = _atan_of(1.0, a)
    return select(x == 0.0, x, select(x < 0.0, -y, y))


def atan2(y: float, x: float) -> float:
    a, b = absolute(y), absolute(x)
    infinite = (a == INF) & (b == INF)
    a, b = select(infinite, 1.0, a), select(infinite, 1.0, b)
    zero = (a == 0.0) & (b == 0.0)
    # sums of huge numbers must not overflow, nor quotients of tiny ones lose bits
    huge = (a > 1e300) | (b > 1e300)
    tiny = (a < 1e-290) & (b < 1e-290)
    scale = select(huge, 0.125, select(tiny, 1e200, 1.0))
    angle = _atan_of(select(zero, 1.0, b * scale), a * scale)
    # the sign bit of x, also of -0
    back = (x < 0.0) | ((x == 0.0) & (1.0 / x < 0.0))
    angle = select(back, (PI - angle) + 2.0 * HALF_PI_REST, angle)
    below = (y < 0.0) | ((y == 0.0) & (1.0 / y < 0.0))
    angle = select(below, -angle, angle)
    return select(isnan(x), x, select(isnan(y), y, angle))


def _asin_core(x: float) -> float:
    """asin(x) for 0 <= x <= 1/2."""
    z = x * x
    return x + x * z * ASIN(z)


def asin(x: float) -> float:
    a = absolute(x)
    large = a > 0.5
    y = _asin_core(select(large, sqrt(0.5 - 0.5 * a), a))
    y = select(large, HALF_PI - (2.0 * y - HALF_PI_REST), y)
    return select(x == 0.0, x, select(x < 0.0, -y, y))


def acos(x: float) -> float:
    a = absolute(x)
    large = a > 0.5
    y = _asin_core(select(large, sqrt(0.5 - 0.5 * a), a))
    near = 2.0 * y
    far = (PI - near) + 2.0 * HALF_PI_REST
    middle = HALF_PI - (select(x < 0.0, -y, y) - HALF_PI_REST)
    return select(large, select(x < 0.0, far, near), middle)


def sinh(x: float) -> float:
    a = absolute(x)
    e = expm1(select(a > 30.0, 30.0, a))
    half = exp(0.5 * a)  # exp(a) overflows before sinh does
    y = select(a > 30.0, (0.5 * half) * half, 0.5 * (e + e / (e + 1.0)))
    return select(x < 0.0, -y, select(x == 0.0, x, y))


def cosh(x: float) -> float:
    a = absolute(x)
    e = exp(select(a > 30.0, 30.0, a))
    half = exp(0.5 * a)
    return select(a > 30.0, (0.5 * half) * half, 0.5 * e + 0.5 / e)


def asinh(x: float) -> float:
    a = absolute(x)
    large = a > 1e8
    b = select(large, 1.0, a)
    square = b * b
    y = select(large, log(a) + LN2, log1p(b + square / (1.0 + sqrt(1.0 + square))))
    return select(x < 0.0, -y, select(x == 0.0, x, y))


def acosh(x: float) -> float:
    large = x > 1e8
    t = select(large, 1.0, x) - 1.0
    # below 1 the square root is NaN, as it should be
    return select(large, log(x) + LN2, log1p(t + sqrt(t) * sqrt(t + 2.0)))


def atanh(x: float) -> float:
    a = absolute(x)
    y = 0.5 * log1p(2.0 * a / (1.0 - a))
    y = select(a < 0.5, 0.5 * log1p(2.0 * a + 2.0 * a * a / (1.0 - a)), y)
    return select(x < 0.0, -y, select(x == 0.0, x, y))


# ------------------------------------------------------------------------------ error functions


def _erfcx(x: float) -> float:
    """exp(x**2) erfc(x) for 0 <= x <= 28."""
    return ERFCX((x - 4.0) / (x + 4.0)) / (1.0 + 2.0 * x)


def _exp_minus_square(x: float) -> float:
    """exp(-x**2): what rounding x**2 lost is put back, as x**2 may be as large as 784."""
    square = x * x
    lost = fma(x, x, -square)
    y = exp(-square)
    return y - y * lost


def _erfc_tail(x: float) -> float:
    """erfc(x) for x >= 0."""
    x = select(x > 28.0, 28.0, x)
    return _exp_minus_square(x) * _erfcx(x)


def erf(x: float) -> float:
    a = absolute(x)
    large = 1.0 - _erfc_tail(a)
    return select(a < 1.0, x * ERF(x * x), select(x < 0.0, -large, large))


def erfc(x: float) -> float:
    tail = _erfc_tail(absolute(x))
    return select(x < 0.0, 2.0 - tail, tail)


def _erfc_inverse(z: float) -> float:
    """The y with erfc(y) = z, for 0 < z <= 1/2."""
    # Abramowitz and Stegun 26.2.23 to 4.5e-4; erfc(y) is twice the normal tail at y sqrt(2)
    ln = log(z)
    t = sqrt(-2.0 * (ln - LN2))
    upper = 2.515517 + t * (0.802853 + t * 0.010328)
    lower = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    y = (t - upper / lower) / SQRT2
    for _ in range(2):
        # u = (erfc(y) - z) / -erfc'(y), written so that nothing underflows
        u = 0.5 * SQRT_PI * (_erfcx(y) - exp(y * y + ln))
        y = y + u / (1.0 - u * y)
    return y


def erfinv(x: float) -> float:
    a = absolute(x)
    if a <= 0.5:
        z = a * a
        y = 0.127556175 + z * (0.086552129 + z * 0.0646)
        y = a * (0.886226925 + z * (0.232013667 + z * y))
        for _ in range(2):
            u = (a - y * ERF(y * y)) * (0.5 * SQRT_PI) * exp(y * y)
            y = y + u / (1.0 + u * y)
    elif a < 1.0:
        y = _erfc_inverse(1.0 - a)
    else:
        y = select(a == 1.0, INF, NAN)
    return select(x < 0.0, -y, y)


def ndtri(p: float) -> float:
    if p > 0.25:
        if p < 0.75:
            return SQRT2 * erfinv(2.0 * p - 1.0)
        if p < 1.0:
            return SQRT2 * _erfc_inverse(2.0 * (1.0 - p))
        return select(p == 1.0, INF, NAN)
    if p > 0.0:
        return -SQRT2 * _erfc_inverse(2.0 * p)
    return select(p == 0.0, -INF, NAN)


# ------------------------------------------------------------------------------ Bessel functions


def bessel_i0e(x: float) -> float:
    a = absolute(x)
    small = select(a > 8.0, 8.0, a)
    large = select(a < 8.0, 8.0, a)
    below = exp(-small) * I0_SMALL(0.25 * small * small)
    above = I0_LARGE(16.0 / large - 1.0) / sqrt(large)
    return select(isnan(x), x, select(a <= 8.0, below, above))


def bessel_i1e(x: float) -> float:
    a = absolute(x)
    small = select(a > 8.0, 8.0, a)
    large = select(a < 8.0, 8.0, a)
    below = exp(-small) * (0.5 * small) * I1_SMALL(0.25 * small * small)
    above = I1_LARGE(16.0 / large - 1.0) / sqrt(large)
    y = select(a <= 8.0, below, above)
    return select(isnan(x), x, select(x < 0.0, -y, y))
