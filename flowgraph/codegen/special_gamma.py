"""Gamma, digamma, zeta, and the incomplete gamma and beta functions.

Factors like x**a exp(-x) / Gamma(a + 1) are exp(-delta(a) - deviance(a, x)) / sqrt(2 pi a), with
delta what Stirling's formula lacks and deviance = a log(a / x) + x - a computed without
cancellation (Loader 2000, "Fast and accurate computation of binomial probabilities").

Read next: special_math.py (methods and accuracy).
"""

from __future__ import annotations

from flowgraph.codegen.special_elementary import erfc
from flowgraph.codegen.special_names import (
    B1,
    B2,
    B3,
    B4,
    B5,
    B6,
    B7,
    B8,
    B9,
    B10,
    C0,
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    D0,
    D1,
    D2,
    D3,
    D4,
    D5,
    D6,
    DIGAMMA,
    DIGAMMA_ROOT,
    DIGAMMA_ROOT_REST,
    DIGAMMA_TAIL,
    EPS,
    EULER_GAMMA,
    HALF_LOG_TWO_PI,
    INF,
    LGAMMA_1,
    LGAMMA_2,
    LOG_TAIL,
    MANY,
    NAN,
    PI,
    STIRLING,
    TWO_PI,
    absolute,
    cos,
    exp,
    expm1,
    floor,
    isnan,
    log,
    log1p,
    select,
    sin,
    sqrt,
)

# ------------------------------------------------------------------------------ gamma functions


def _lgamma1p(a: float) -> float:
    """log Gamma(1 + a) for -1/4 <= a <= 1/2, relative to a."""
    return a * LGAMMA_1((a - 0.125) / 0.375)


def _lgamma_positive(x: float) -> float:
    if x >= 10.0:
        if x > 1e300:
            return x * (log(x) - 1.0)
        inverse = 1.0 / x
        tail = HALF_LOG_TWO_PI + inverse * STIRLING(inverse * inverse)
        return (x - 0.5) * log(x) - x + tail
    if x < 0.75:
        if x < 1e-17:
            return -log(x)
        if x < 0.5:
            return _lgamma1p(x) - log(x)
        # near 1 both parts vanish: their difference is relative to what is left of 1 + x = 2 - e
        e = x - 1.0
        return e * LGAMMA_2((e - 0.05) / 0.55) - log(x)
    if x < 1.5:
        return _lgamma1p(x - 1.0)
    product = 1.0
    while x >= 2.6:
        x = x - 1.0
        product = product * x
    e = x - 2.0
    return e * LGAMMA_2((e - 0.05) / 0.55) + log(product)


def lgamma(x: float) -> float:
    if x > 0.0:
        return _lgamma_positive(x)
    z = -x
    if z < 1e-17:
        return -log(z)  # also the pole at 0
    part = z - floor(z)
    if (part == 0.0) | (z == INF):
        return INF
    part = select(part > 0.5, 1.0 - part, part)
    # Gamma(-z) Gamma(1 + z) = -pi / sin(pi z)
    return log(PI / (z * sin(PI * part))) - _lgamma_positive(z)


def _digamma_positive(x: float) -> float:
    if x >= 10.0:
        inverse = 1.0 / x
        square = inverse * inverse
        return log(x) - (0.5 * inverse + square * DIGAMMA_TAIL(square))
    total = 0.0
    if x < 1.0:
        total = -1.0 / x
        x = x + 1.0
    while x > 2.0:
        x = x - 1.0
        total = total + 1.0 / x
    root = (x - DIGAMMA_ROOT) - DIGAMMA_ROOT_REST
    return total + root * DIGAMMA(2.0 * (x - 1.5))


def digamma(x: float) -> float:
    if x > 0.0:
        return _digamma_positive(x)
    z = -x
    part = z - floor(z)
    if part == 0.0:
        return NAN  # a pole: the sign of its infinity depends on the side
    if z < 1e-10:
        return 1.0 / z - EULER_GAMMA
    part = select(part > 0.5, part - 1.0, part)
    angle = PI * part
    # psi(-z) = psi(1 + z) + pi cot(pi z)
    return _digamma_positive(z) + 1.0 / z + PI * cos(angle) / sin(angle)


def _zeta_positive(x: float, q: float) -> float:
    """sum of (q + k)**-x over k >= 0, for x > 1 and q > 0."""
    total = 0.0
    a = q
    enough = 10.0 + x
    while a < enough:
        term = a ** (-x)
        total = total + term
        if term <= total * (0.125 * EPS):
            return total
        a = a + 1.0
    power = a ** (-x)
    inverse = 1.0 / (a * a)
    # x (x+1) ... (x+2j-2) B(2j)/(2j)! a**(-x-2j+1): each factor from the one before
    factor = x / a
    tail = B1 * factor
    factor = factor * (x + 1.0) * (x + 2.0) * inverse
    tail = tail + B2 * factor
    factor = factor * (x + 3.0) * (x + 4.0) * inverse
    tail = tail + B3 * factor
    factor = factor * (x + 5.0) * (x + 6.0) * inverse
    tail = tail + B4 * factor
    factor = factor * (x + 7.0) * (x + 8.0) * inverse
    tail = tail + B5 * factor
    factor = factor * (x + 9.0) * (x + 10.0) * inverse
    tail = tail + B6 * factor
    factor = factor * (x + 11.0) * (x + 12.0) * inverse
    tail = tail + B7 * factor
    factor = factor * (x + 13.0) * (x + 14.0) * inverse
    tail = tail + B8 * factor
    factor = factor * (x + 15.0) * (x + 16.0) * inverse
    tail = tail + B9 * factor
    factor = factor * (x + 17.0) * (x + 18.0) * inverse
    tail = tail + B10 * factor
    return total + (a ** (1.0 - x) / (x - 1.0) + power * (0.5 + tail))


def zeta(x: float, q: float) -> float:
    if isnan(x) | isnan(q):
        return NAN
    if x == 1.0:
        return INF
    if x < 1.0:
        return NAN
    if q == INF:
        return 0.0
    if x == INF:  # the first term alone
        return select(q == 1.0, 1.0, select(q > 1.0, 0.0, select(q > 0.0, INF, NAN)))
    if q > 0.0:
        return _zeta_positive(x, q)
    even = floor(0.5 * x) == 0.5 * x
    if floor(q) == q:
        return select(even, INF, NAN)
    if floor(x) != x:
        return NAN  # powers of negative numbers
    part = q - floor(q)
    # the negative terms, turned round, are those of 1 - part up to -q
    negative = _zeta_positive(x, 1.0 - part) - _zeta_positive(x, 1.0 - q)
    return _zeta_positive(x, part) + select(even, negative, -negative)


def polygamma(n: float, x: float) -> float:
    if n == 0.0:
        return digamma(x)
    if (n < 0.0) | (n == INF) | (floor(n) != n):
        return NAN
    series = zeta(n + 1.0, x)
    odd = floor(0.5 * n) != 0.5 * n
    if n <= 170.0:
        k, factorial = n, 1.0
        while k > 1.0:
            factorial = factorial * k
            k = k - 1.0
        size = factorial * series
    else:
        sign = select(series < 0.0, -1.0, 1.0)
        size = sign * exp(_lgamma_positive(n + 1.0) + log(absolute(series)))
    return select(odd, size, -size)


# ------------------------------------------------------------- incomplete gamma and beta functions


def _delta(a: float) -> float:
    """log Gamma(a + 1) - (a + 1/2) log a + a - log(2 pi) / 2: what Stirling's formula lacks."""
    if a < 0.5:
        return _lgamma1p(a) - (a + 0.5) * log(a) + a - HALF_LOG_TWO_PI
    total = 0.0
    while a < 10.0:
        # what delta(a) has more than delta(a + 1)
        total = total + ((a + 0.5) * log1p(1.0 / a) - 1.0)
        a = a + 1.0
    inverse = 1.0 / a
    return total + inverse * STIRLING(inverse * inverse)


def _excess(m: float) -> float:
    """m - log(1 + m), which is m**2 / 2 - ... near 0, relative to itself."""
    if absolute(m) > 0.45:
        return m - log1p(m)
    r = m / (2.0 + m)
    z = r * r
    return r * m + 2.0 * r * z * LOG_TAIL(z)


def _deviance(a: float, x: float, d: float) -> float:
    """a log(a / x) + x - a for positive a and x; d = x - a."""
    m = d / a
    if absolute(m) < 0.45:
        return a * _excess(m)
    if m > 1e100:
        return x
    return a * log(a / x) + d


def _gamma_term(a: float, x: float) -> float:
    """x**a exp(-x) / Gamma(a + 1)."""
    if a < 0.5:
        return x**a * exp(-x - _lgamma1p(a))
    return exp(-_delta(a) - _deviance(a, x, x - a)) / sqrt(TWO_PI * a)


def _uniform_gamma(a: float, x: float, sign: float) -> float:
    """P(a, x) for sign = 1, Q for -1, by Temme's expansion (DLMF 8.12); a large and x near a."""
    m = (x - a) / a
    half_square = _excess(m)
    eta = sqrt(2.0 * half_square)
    eta = select(m < 0.0, -eta, eta)
    s = 1.0 / a
    series = C6(eta)
    series = C5(eta) + s * series
    series = C4(eta) + s * series
    series = C3(eta) + s * series
    series = C2(eta) + s * series
    series = C1(eta) + s * series
    series = C0(eta) + s * series
    rest = exp(-a * half_square) / sqrt(TWO_PI * a) * series
    return 0.5 * erfc(-sign * eta * sqrt(0.5 * a)) - sign * rest


def _gamma_series(a: float, x: float) -> float:
    """sum of x**k / ((a + 1) ... (a + k)), k >= 0."""
    term = 1.0
    total = 1.0
    k = a
    for _ in range(MANY):
        k = k + 1.0
        term = term * (x / k)
        total = total + term
        if term <= total * (0.25 * EPS):
            break
    return total


def _gamma_fraction(a: float, x: float) -> float:
    """Gamma(a, x) exp(x) / x**a by Legendre's continued fraction (Lentz's method), x > a or so."""
    tiny = 1e-300
    b = x + 1.0 - a
    c = 1.0 / tiny
    d = 1.0 / b
    h = d
    i = 0.0
    for _ in range(MANY):
        i = i + 1.0
        top = -i * (i - a)
        b = b + 2.0
        d = top * d + b
        d = 1.0 / select(absolute(d) < tiny, tiny, d)
        c = b + top / c
        c = select(absolute(c) < tiny, tiny, c)
        step = d * c
        h = h * step
        if absolute(step - 1.0) <= EPS:
            break
    return h


def _small_gamma_tail(a: float, x: float) -> float:
    """Q(a, x) for small x, where it is 1 - x**a / Gamma(1 + a) (1 + a sum ...)."""
    term = 1.0
    total = 0.0
    k = 0.0
    for _ in range(MANY):
        k = k + 1.0
        term = term * (-x / k)
        part = term / (a + k)
        total = total + part
        if absolute(part) <= absolute(total) * (0.25 * EPS):
            break
    scale = a * log(x) - (_lgamma1p(a) if a < 0.5 else _lgamma_positive(1.0 + a))
    return -expm1(scale) - exp(scale) * a * total


def _igamma_edge(a: float, x: float, lower: bool) -> float:
    """The value where a or x is not an ordinary positive number, -1 elsewhere."""
    if isnan(a) | isnan(x) | (a < 0.0) | (x < 0.0):
        return NAN
    if x == 0.0:
        if lower:
            return 0.0
        return select(a == 0.0, NAN, 1.0)
    if a == 0.0:
        return NAN
    if a == INF:
        return select(x == INF, NAN, select(lower, 0.0, 1.0))
    if x == INF:
        return select(lower, 1.0, 0.0)
    return -1.0


def igamma(a: float, x: float) -> float:
    edge = _igamma_edge(a, x, True)
    if edge != -1.0:
        return edge
    if (a >= 60.0) & (absolute(x - a) < 0.4 * a):
        return _uniform_gamma(a, x, 1.0)
    if x < a + 1.0:
        return _gamma_term(a, x) * _gamma_series(a, x)
    return 1.0 - _gamma_term(a, x) * a * _gamma_fraction(a, x)


def igammac(a: float, x: float) -> float:
    edge = _igamma_edge(a, x, False)
    if edge != -1.0:
        return edge
    if (a >= 60.0) & (absolute(x - a) < 0.4 * a):
        return _uniform_gamma(a, x, -1.0)
    if (x < 1.0) & (a < 1.0):
        return _small_gamma_tail(a, x)
    if x < a + 1.0:
        return 1.0 - _gamma_term(a, x) * _gamma_series(a, x)
    return _gamma_term(a, x) * a * _gamma_fraction(a, x)


def _uniform_gamma_slope(a: float, x: float) -> float:
    """dP/da of Temme's expansion, term by term."""
    m = (x - a) / a
    half_square = _excess(m)
    eta = sqrt(2.0 * half_square)
    eta = select(m < 0.0, -eta, eta)
    s = 1.0 / a
    ratio = select(absolute(m) < 1e-8, 1.0 + eta / 3.0, m / eta)
    d_eta = -ratio * s  # eta d eta/da = -m / a
    falling = -6.0 * C6(eta)
    slope = D6(eta)
    series = C6(eta)
    falling = s * falling - 5.0 * C5(eta)
    slope = D5(eta) + s * slope
    series = C5(eta) + s * series
    falling = s * falling - 4.0 * C4(eta)
    slope = D4(eta) + s * slope
    series = C4(eta) + s * series
    falling = s * falling - 3.0 * C3(eta)
    slope = D3(eta) + s * slope
    series = C3(eta) + s * series
    falling = s * falling - 2.0 * C2(eta)
    slope = D2(eta) + s * slope
    series = C2(eta) + s * series
    falling = s * falling - C1(eta)
    slope = D1(eta) + s * slope
    series = C1(eta) + s * series
    falling = s * falling
    slope = D0(eta) + s * slope
    series = C0(eta) + s * series
    # P = erfc(-eta sqrt(a/2)) / 2 - exp(-a eta**2/2) / sqrt(2 pi a) * series
    first = 0.5 * eta - ratio
    second = (half_square - m) * series + 0.5 * s * series - slope * d_eta - falling * s
    return exp(-a * half_square) / sqrt(TWO_PI * a) * (first + second)


def igamma_grad_a(a: float, x: float) -> float:
    if isnan(a) | isnan(x) | (a < 0.0) | (x < 0.0):
        return NAN
    if x == 0.0:
        return 0.0
    if a == 0.0:
        return NAN
    if (a == INF) | (x == INF):
        return select(a == x, NAN, 0.0)
    if (a >= 60.0) & (absolute(x - a) < 0.4 * a):
        return _uniform_gamma_slope(a, x)
    front = _gamma_term(a, x)
    if x < a + 1.0 + 0.5 * sqrt(a):
        # d/da of front * sum c_k, where c_k' = -c_k (1/(a+1) + ... + 1/(a+k))
        rate = log(x) - _digamma_positive(a + 1.0)
        term = 1.0
        total = 1.0
        harmonic = 0.0
        slope = 0.0
        k = a
        for _ in range(MANY):
            k = k + 1.0
            term = term * (x / k)
            harmonic = harmonic + 1.0 / k
            total = total + term
            slope = slope - term * harmonic
            if term * harmonic <= absolute(slope) * (0.25 * EPS):
                break
        return front * (rate * total + slope)
    # Q = front * a * (A/B), the convergents of the fraction with their derivatives in a
    rate = log(x) - _digamma_positive(a)
    b = x + 1.0 - a  # its slope is -1
    a0 = 0.0
    a0_slope = 0.0
    b0 = 1.0
    b0_slope = 0.0
    a1 = 1.0
    a1_slope = 0.0
    b1 = b
    b1_slope = -1.0
    value = a1 / b1
    change = -value * b1_slope / b1
    i = 0.0
    for _ in range(MANY):
        i = i + 1.0
        top = -i * (i - a)
        b = b + 2.0
        a2, b2 = b * a1 + top * a0, b * b1 + top * b0
        a2_slope = b * a1_slope - a1 + i * a0 + top * a0_slope
        b2_slope = b * b1_slope - b1 + i * b0 + top * b0_slope
        before = change
        scale = 1.0 / b2  # B is kept at 1
        value = a2 * scale
        change = (a2_slope - value * b2_slope) * scale
        a0, a0_slope = a1 * scale, a1_slope * scale
        b0, b0_slope = b1 * scale, b1_slope * scale
        a1, a1_slope = value, a2_slope * scale
        b1 = 1.0
        b1_slope = b2_slope * scale
        if absolute(change - before) <= absolute(change) * EPS:
            break
    return -front * a * (rate * value + change)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method."""
    tiny = 1e-300
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / select(absolute(d) < tiny, tiny, d)
    h = d
    m = 0.0
    for _ in range(MANY):
        m = m + 1.0
        two = a + 2.0 * m
        top = m * (b - m) * x / ((two - 1.0) * two)
        d = 1.0 + top * d
        d = 1.0 / select(absolute(d) < tiny, tiny, d)
        c = 1.0 + top / c
        c = select(absolute(c) < tiny, tiny, c)
        h = h * (d * c)
        top = -(a + m) * (a + b + m) * x / (two * (two + 1.0))
        d = 1.0 + top * d
        d = 1.0 / select(absolute(d) < tiny, tiny, d)
        c = 1.0 + top / c
        c = select(absolute(c) < tiny, tiny, c)
        step = d * c
        h = h * step
        if absolute(step - 1.0) <= EPS:
            break
    return h


def _beta_part(a: float, b: float, x: float, y: float) -> float:
    """I_x(a, b) for x <= (a + 1) / (a + b + 2), with y = 1 - x."""
    n = a + b
    # n x - a = b x - a y, which the caller's y keeps exact near 1
    d = b * x - a * y
    size = _delta(n) - _delta(a) - _delta(b) - _deviance(a, n * x, d) - _deviance(b, n * y, -d)
    return exp(size) * sqrt(b / (TWO_PI * n * a)) * _beta_fraction(a, b, x)


def _beta_series(a: float, b: float, x: float) -> float:
    """I_x(a, b) for small b: x**a / (a B(a, b)) (1 + a sum (1-b) ... (k-b) x**k / (k! (a + k)))."""
    term = 1.0
    total = 1.0
    k = 0.0
    for _ in range(MANY):
        k = k + 1.0
        term = term * ((k - b) / k * x)
        part = a * term / (a + k)
        total = total + part
        if absolute(part) <= total * (0.25 * EPS):
            break
    # x**a / (a B(a, b)) = (b / n) x**a Gamma(n + 1) / (Gamma(a + 1) Gamma(b + 1)), n = a + b
    n = a + b
    size = _delta(n) - _delta(a) + n * log1p(b / a) - b + 0.5 * log(n / a) + b * log(a)
    scale = _lgamma1p(b) if b < 0.5 else _lgamma_positive(b + 1.0)
    return b / n * x**a * exp(size - scale) * total


def betainc(a: float, b: float, x: float) -> float:
    if isnan(a) | isnan(b) | isnan(x) | (a <= 0.0) | (b <= 0.0) | (x < 0.0) | (x > 1.0):
        return NAN
    if (x == 0.0) | (x == 1.0):
        return x
    if (a == INF) | (b == INF):
        return select(a == b, NAN, select(a == INF, 0.0, 1.0))
    y = 1.0 - x
    if x <= (a + 1.0) / (a + b + 2.0):
        return _beta_part(a, b, x, y)
    if (b < 1.0) & (x <= 0.95):
        return _beta_series(a, b, x)  # the rest from 1 would leave few digits
    return 1.0 - _beta_part(b, a, y, x)
