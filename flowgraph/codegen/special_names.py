"""What the special functions call: names of kernel text, constants and polynomials.

A polynomial is a name of kernel text too: ``ERF(z)`` is Horner's rule on the coefficients of
special_tables.py.

Read next: special_elementary.py and special_gamma.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flowgraph.codegen import special_tables as tables
from flowgraph.codegen.intrinsics import PRIMITIVES, Primitive
from flowgraph.codegen.llvm_text import FunctionText, Literal

# Typed Any, as numba reads the calls and Python never runs them.
absolute: Any = PRIMITIVES["absolute"]
exp: Any = PRIMITIVES["exp"]
expm1: Any = PRIMITIVES["expm1"]
log: Any = PRIMITIVES["log"]
log1p: Any = PRIMITIVES["log1p"]
sqrt: Any = PRIMITIVES["sqrt"]
sin: Any = PRIMITIVES["sin"]
cos: Any = PRIMITIVES["cos"]
floor: Any = PRIMITIVES["floor"]
fma: Any = PRIMITIVES["fma"]
isnan: Any = PRIMITIVES["isnan"]
select: Any = PRIMITIVES["select"]

PI, HALF_PI, QUARTER_PI = math.pi, math.pi / 2, math.pi / 4
#: What rounding pi / 2 lost.
HALF_PI_REST = 6.123233995736766e-17
LN2, SQRT2, SQRT_PI, TWO_PI = math.log(2), math.sqrt(2), math.sqrt(math.pi), 2 * math.pi
HALF_LOG_TWO_PI = math.log(2 * math.pi) / 2
EULER_GAMMA = 0.5772156649015329
EPS = 2.0**-53
INF, NAN = math.inf, math.nan
#: Steps after which a series or continued fraction is given up (it has converged long before,
#: but for betainc of parameters beyond 1e9).
MANY = 100_000


def polynomial(coefficients: Sequence[float]) -> Any:
    """A name of kernel text: the polynomial with these coefficients (highest first), by Horner."""

    def result(*dtypes: str) -> str:
        assert dtypes == ("float64",), dtypes
        return "float64"

    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        total: str = Literal(coefficients[0], "float64")
        for c in coefficients[1:]:
            product = f.let(f"fmul contract double {total}, {values[0]}")
            total = f.let(f"fadd contract double {product}, {Literal(c, 'float64')}")
        return total

    return Primitive("polynomial", result, emit)


def _derivative(coefficients: Sequence[float]) -> list[float]:
    degree = len(coefficients) - 1
    return [c * (degree - i) for i, c in enumerate(coefficients[:-1])]


#: B(2j) / (2j)! for j = 1, 2, ...
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600, -3617 / 10670622842880000, 43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
)  # fmt: skip

#: B(2j): the asymptotic series of lgamma and digamma.
_B = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)

ERF, ERFCX = polynomial(tables.ERF), polynomial(tables.ERFCX)
LGAMMA_1, LGAMMA_2 = polynomial(tables.LGAMMA_1), polynomial(tables.LGAMMA_2)
DIGAMMA = polynomial(tables.DIGAMMA)
DIGAMMA_ROOT, DIGAMMA_ROOT_REST = tables.DIGAMMA_ROOT, tables.DIGAMMA_ROOT_REST
ATAN, ASIN = polynomial(tables.ATAN), polynomial(tables.ASIN)
I0_LARGE, I1_LARGE = polynomial(tables.I0_LARGE), polynomial(tables.I1_LARGE)
# I0(x) = sum z**k / k!**2 and I1(x) = x/2 sum z**k / (k! (k+1)!) with z = x**2 / 4
I0_SMALL = polynomial([1 / math.factorial(k) ** 2 for k in range(25, -1, -1)])
I1_SMALL = polynomial(
    [1 / (math.factorial(k) * math.factorial(k + 1)) for k in range(25, -1, -1)]
)
STIRLING = polynomial([_B[j] / ((2 * j + 2) * (2 * j + 1)) for j in range(7, -1, -1)])
DIGAMMA_TAIL = polynomial([_B[j] / (2 * j + 2) for j in range(7, -1, -1)])
# (log(1 + m) - 2 r) / -2 r**3 = -(1/3 + r**2/5 + ...) with r = m / (2 + m)
LOG_TAIL = polynomial([-1 / (2 * j + 3) for j in range(18, -1, -1)])
B1, B2, B3, B4, B5, B6, B7, B8, B9, B10 = _BERNOULLI

_C = tables.UNIFORM_GAMMA
C0, C1, C2, C3, C4, C5, C6 = (polynomial(row) for row in _C)
D0, D1, D2, D3, D4, D5, D6 = (polynomial(_derivative(row)) for row in _C)
