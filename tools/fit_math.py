"""Fit the polynomials of vector_math.py and vector_trig.py (flowgraph/codegen); print the tables.

    python tools/fit_math.py

Chebyshev interpolation with mpmath at 60 digits; for each table the largest error of the
polynomial (before its coefficients are rounded) is printed beside one unit in the last place.
"""

from mpmath import chebyfit, cos, exp, log, mp, mpf, sin, sqrt

mp.dps = 60


def exp_tail(r):
    """(exp(r) - 1 - r) / r**2, by its series near 0."""
    if abs(r) < mpf("1e-12"):
        return mpf(1) / 2 + r / 6
    return (exp(r) - 1 - r) / r**2


def log_tail(f):
    """(log(1 + f) - f + f**2 / 2) / f**3."""
    if abs(f) < mpf("1e-12"):
        return mpf(1) / 3 - f / 4
    return (log(1 + f) - f + f**2 / 2) / f**3


def atanh_tail(z):
    """(log((1 + s) / (1 - s)) - 2 s) / (s * z) with z = s**2."""
    if z < mpf("1e-20"):
        return mpf(2) / 3 + 2 * z / 5
    s = sqrt(z)
    return (log((1 + s) / (1 - s)) - 2 * s) / (s * z)


def sin_tail(z):
    """(sin(r) - r) / r**3 with z = r**2."""
    if z < mpf("1e-20"):
        return -mpf(1) / 6 + z / 120
    r = sqrt(z)
    return (sin(r) - r) / (r * z)


def cos_tail(z):
    """(cos(r) - 1 + z / 2) / z**2 with z = r**2."""
    if z < mpf("1e-14"):
        return mpf(1) / 24 - z / 720
    return (cos(sqrt(z)) - 1 + z / 2) / z**2


TURN = mpf("0.985") ** 2
HALF_LN2 = log(2) / 2 * mpf("1.0001")
LOW, HIGH = (sqrt(mpf(1) / 2) - 1) * mpf("1.0001"), (sqrt(mpf(2)) - 1) * mpf("1.0001")
WIDEST = (HIGH / (2 + HIGH)) ** 2

FITS = [
    ("EXP_TAIL float32", exp_tail, [-HALF_LN2, HALF_LN2], 5, HALF_LN2**2),
    ("EXP_TAIL float64", exp_tail, [-HALF_LN2, HALF_LN2], 10, HALF_LN2**2),
    ("LOG_TAIL float32", log_tail, [LOW, HIGH], 9, HIGH**2),
    ("ATANH_TAIL float64", atanh_tail, [mpf(0), WIDEST], 7, WIDEST / 2),
    ("SIN float32", sin_tail, [mpf(0), TURN], 4, TURN),
    ("COS float32", cos_tail, [mpf(0), TURN], 4, TURN**2),
]

if __name__ == "__main__":
    for name, function, interval, terms, scale in FITS:
        coefficients, error = chebyfit(function, interval, terms, error=True)
        ulp = mpf(2) ** (-24 if "32" in name else -53)
        print(f"{name}  relative error {float(error * scale):.1e}, half an ulp {float(ulp):.1e}")
        print("   ", ", ".join(f"{float(c)!r}" for c in coefficients))
