"""Fit the polynomials of the special functions; prints flowgraph/codegen/special_tables.py.

    python tools/fit_special.py > flowgraph/codegen/special_tables.py

Chebyshev interpolation with mpmath at 60 digits, in a variable that is centred on the interval.
The largest relative error of each polynomial stands beside it; half a unit in the last place of
float64 is 1.1e-16.  (Those of ATAN and ASIN are corrections of a few per cent.)  The coefficients
of the uniform expansion of the incomplete gamma function are exact fractions, rounded.
"""

from fractions import Fraction

from mpmath import (
    asin,
    atan,
    besseli,
    chebyfit,
    digamma,
    erf,
    erfc,
    exp,
    findroot,
    loggamma,
    mp,
    mpf,
    pi,
    sqrt,
    tan,
)

mp.dps = 60

ROOT = findroot(digamma, mpf("1.4616321449683623412626595423257213284681962040064"))


def erf_ratio(z):
    """erf(x) / x with z = x**2."""
    if z < mpf("1e-50"):
        return 2 / sqrt(pi)
    x = sqrt(z)
    return erf(x) / x


def erfcx_scaled(q):
    """(1 + 2 x) exp(x**2) erfc(x) with q = (x - 4) / (x + 4)."""
    if q > 1 - mpf("1e-20"):
        return 2 / sqrt(pi)
    x = 4 * (1 + q) / (1 - q)
    if x > 100:  # the asymptotic series
        term, total = mpf(1), mpf(1)
        for k in range(1, 40):
            term *= -(2 * k - 1) / (2 * x * x)
            total += term
        return (1 + 2 * x) * total / (x * sqrt(pi))
    return (1 + 2 * x) * exp(x * x) * erfc(x)


def lgamma_near_1(t):
    """lgamma(x) / (x - 1) with x = 1.125 + 0.375 t."""
    x = mpf("1.125") + mpf("0.375") * t
    return loggamma(x) / (x - 1) if x != 1 else digamma(1)


def lgamma_near_2(t):
    """lgamma(x) / (x - 2) with x = 2.05 + 0.55 t."""
    x = mpf("2.05") + mpf("0.55") * t
    return loggamma(x) / (x - 2) if x != 2 else digamma(2)


def digamma_ratio(t):
    """digamma(x) / (x - ROOT) with x = 1.5 + t / 2."""
    x = mpf("1.5") + t / 2
    return digamma(x) / (x - ROOT)


def atan_tail(z):
    """(atan(r) - r) / r**3 with z = r**2."""
    if z < mpf("1e-20"):
        return -mpf(1) / 3 + z / 5
    r = sqrt(z)
    return (atan(r) - r) / r**3


def asin_tail(z):
    """(asin(r) - r) / r**3 with z = r**2."""
    if z < mpf("1e-20"):
        return mpf(1) / 6 + 3 * z / 40
    r = sqrt(z)
    return (asin(r) - r) / r**3


def bessel_large(order):
    """sqrt(x) exp(-x) I(x) with x = 16 / (t + 1): t = -1 is infinity, t = 1 is 8."""

    def function(t):
        if t <= -1 + mpf("1e-12"):
            return 1 / sqrt(2 * pi)
        x = 16 / (t + 1)
        return sqrt(x) * exp(-x) * besseli(order, x)

    return function


ONE = [mpf(-1), mpf(1)]
FITS = [
    ("ERF", erf_ratio, [mpf(0), mpf(1)], 12),
    ("ERFCX", erfcx_scaled, [mpf(-1), mpf("0.75")], 23),
    ("LGAMMA_1", lgamma_near_1, ONE, 22),
    ("LGAMMA_2", lgamma_near_2, ONE, 18),
    ("DIGAMMA", digamma_ratio, ONE, 23),
    ("ATAN", atan_tail, [mpf(0), tan(pi / 8) ** 2 * mpf("1.001")], 11),
    ("ASIN", asin_tail, [mpf(0), mpf("0.25")], 12),
    ("I0_LARGE", bessel_large(0), ONE, 23),
    ("I1_LARGE", bessel_large(1), ONE, 23),
]


def uniform_gamma(orders, terms):
    """Rows of d[k][n] in C_k(eta) = sum_n d[k][n] eta**n (DLMF 8.12.7 and 8.12.12), lowest first.

    They come from lambda - 1 = sum_n alpha_n eta**n with eta**2 / 2 = lambda - 1 - log(lambda).
    """
    size = terms + 2 * orders + 4
    alpha = [Fraction(0), Fraction(1), Fraction(1, 3)]
    for n in range(3, size):
        inner = sum(j * alpha[j] * alpha[n - j + 1] for j in range(2, n))
        alpha.append((alpha[n - 1] - inner) / (n + 1))
    first = [(n + 2) * alpha[n + 2] for n in range(size - 2)]
    first[0] = Fraction(-1, 3)
    rows = [first]
    odd = 1
    for k in range(1, orders):
        odd *= 2 * k + 1
        stirling = odd * alpha[2 * k + 1]
        above = rows[-1]
        rows.append(
            [
                (-1) ** k * stirling * first[n] + (n + 2) * above[n + 2]
                for n in range(len(above) - 2)
            ]
        )
    return [row[: terms - 2 * k] for k, row in enumerate(rows)]


HEAD = '''"""Coefficients of special_math.py, highest power first; made by tools/fit_special.py.

Read next: special_math.py, which says what each polynomial is.
"""
# fmt: off
'''


def rows_of(coefficients, indent):
    """The numbers as lines of Python text."""
    lines, line = [], indent
    for c in coefficients:
        text = f" {float(c)!r},"
        if len(line) + len(text) > 100:
            lines.append(line)
            line = indent
        line += text
    return [*lines, line]


def show(name, coefficients, note):
    """One table as Python text."""
    print(f"\n#: {note}\n{name} = (")
    print("\n".join(rows_of(coefficients, "   ")))
    print(")")


if __name__ == "__main__":
    print(HEAD, end="")
    high = float(ROOT)
    print("\n#: The positive zero of digamma, and what rounding it lost.")
    print(f"DIGAMMA_ROOT, DIGAMMA_ROOT_REST = {high!r}, {float(ROOT - mpf(high))!r}")
    for name, function, interval, terms in FITS:
        coefficients, error = chebyfit(function, interval, terms, error=True)
        low, top = interval
        least = min(abs(function(low + (top - low) * k / 64)) for k in range(65))
        note = function.__doc__.splitlines()[0] if function.__doc__ else "bessel_large"
        if name.startswith("I"):
            note = f"sqrt(x) exp(-x) {name[:2]}(x) with t = 16 / x - 1, x >= 8."
        show(name, coefficients, f"{note}  Relative error {float(error / least):.0e}.")
    print("\n#: C_k(eta) of the incomplete gamma function, one row for each k.")
    print("UNIFORM_GAMMA = (")
    for row in uniform_gamma(7, 18):
        print("    (")
        print("\n".join(rows_of(row[::-1], "       ")))
        print("    ),")
    print(")")
