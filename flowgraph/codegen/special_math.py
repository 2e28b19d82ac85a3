"""Special functions as functions of kernel text: erf, lgamma, digamma, zeta, igamma, betainc ...

Each is a Python function of float64 that the target compiles like a helper of a kernel text
(intrinsics.py says what such text may use); float32 goes through it and is rounded once.  Those in
INLINE are free of branches, so that loops over them vectorise; the others are called.

Method, and largest relative error found against mpmath in units in the last place of float64
(tests/codegen/test_special_math.py; near a zero of the function that is no zero of a factor here,
the error is absolute):

    erf, erfc      x R(x**2) below 1; exp(-x**2) R((x - 4) / (x + 4)) / (1 + 2 x) above, x**2 exact
    erfinv, ndtri  a short series or rational guess, two steps of Halley's method
    lgamma         x - 1 or x - 2 times a polynomial; shifted to there; Stirling's series from 10
    digamma        x - root times a polynomial; shifted; asymptotic series from 10; both reflected
    zeta           the first terms, then the Euler-Maclaurin formula with 10 Bernoulli numbers
    igamma, ..c    power series (x < a + 1), continued fraction; uniform expansion (a >= 60, x ~ a)
    betainc        continued fraction, on the side where it converges fast
    bessel         the power series times exp(-x) below 8, sqrt(1/x) P(1/x) above
    asin ... atanh polynomials after one reduction; logarithms and exponentials of vector_math.py

Read next: special_elementary.py and special_gamma.py; target.py (who compiles them).
"""

from __future__ import annotations

from typing import Any

from flowgraph.codegen.special_elementary import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bessel_i0e,
    bessel_i1e,
    cosh,
    erf,
    erfc,
    erfinv,
    ndtri,
    sinh,
)
from flowgraph.codegen.special_gamma import (
    betainc,
    digamma,
    igamma,
    igamma_grad_a,
    igammac,
    lgamma,
    polygamma,
    zeta,
)

#: scalar op -> its function of float64.
FUNCTIONS: dict[str, Any] = {
    function.__name__: function
    for function in (
        asin, acos, atan, atan2, sinh, cosh, asinh, acosh, atanh,
        erf, erfc, erfinv, ndtri, lgamma, digamma, zeta, polygamma,
        igamma, igammac, igamma_grad_a, betainc, bessel_i0e, bessel_i1e,
    )
}  # fmt: skip

#: Those without branches: put into the loop that calls them, which then vectorises.
INLINE = frozenset(
    (
        "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh",
        "erf", "erfc", "bessel_i0e", "bessel_i1e",
    )
)  # fmt: skip
