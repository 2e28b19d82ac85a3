"""sin, cos and tan of float32, as LLVM functions whose loops vectorise.

    x 2/pi = n + f, |f| <= 1/2; polynomials in r = f pi/2; n mod 4 says which of them

All in float64, rounded once at the end: errors stay next to half an ulp.  A product with 2/pi is
exact as a sum of two floats while x has its 24 bits and 2/pi is given to 106.  Four quarter turns
do not count: for large x, which is a whole number times 2**26 (2**52, 2**78), that number times
2**26 2/pi modulo 4 takes its place: by selects, so no argument needs a branch.

float64 calls libm: its arguments reach to 2**1024, which selects do not.

Read next: vector_math.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from flowgraph.codegen.vector_code import Code, Real

#: (power of two, 2/pi times it modulo 4 as a sum of two floats)
_TURNS = (
    (0, float.fromhex("0x1.45f306dc9c883p-1"), float.fromhex("-0x1.6b01ec5417056p-55")),
    (26, float.fromhex("0x1.b9391054a7f0ap+0"), float.fromhex("-0x1.505c1596447e5p-55")),
    (52, float.fromhex("0x1.529fc2757d1f5p+0"), float.fromhex("0x1.a6ee06db14acdp-55")),
    (78, float.fromhex("0x1.d5f47d4d37703p+0"), float.fromhex("0x1.b6295993c4390p-54")),
)
_NEAR = 49  # from 2**49 on the next row holds: x is a multiple of 2**26

# for |r| < 0.985, as the sum that makes f may be off by 1/8 above 2**126:
# (sin r - r) / r**3 and (cos r - 1 + r**2 / 2) / r**4 in r**2, highest power first
_SIN = (2.7075330141763836e-06, -0.00019838354834772026, 0.008333327682858138, -0.1666666664953803)
_COS = (
    -2.7155171459215527e-07, 2.4799154242236084e-05, -0.0013888884171913093, 0.04166666665236741,
)  # fmt: skip


def _parts(c: Code, x: Real) -> tuple[str, Real, Real]:
    """The bits of n, and sin r and cos r, of a float64 x that is a float32."""
    size = c.absolute(x)
    scaled = x
    high: Real | float = _TURNS[0][1]
    low: Real | float = _TURNS[0][2]
    for (before, _, _), (power, *parts) in pairwise(_TURNS):
        beyond = c.compare("oge", size, 2.0 ** (before + _NEAR))
        scaled = c.select(beyond, x * 2.0**-power, scaled)
        high, low = (c.select(beyond, a, b) for a, b in zip(parts, (high, low), strict=True))
    # NB: not contracted, as rest is exactly what rounding lost
    turns = c.exact("fmul", scaled, high)
    rest = c.fma(scaled, high, -turns)
    shifted = c.exact("fadd", turns, c.form.round_magic)  # its low bits are those of n
    n = c.exact("fsub", shifted, c.form.round_magic)
    r = ((turns - n) + (rest + scaled * low)) * (math.pi / 2)
    z = r * r
    sine = r + r * z * c.polynomial(z, _SIN)
    cosine = z * z * c.polynomial(z, _COS) + (1.0 - z * 0.5)
    return c.bits(shifted), sine, cosine


def _odd(c: Code, n: str) -> str:
    return c.f.let(f"trunc {c.word} {n} to i1")


def _wave(c: Code, x: Real, quarter_turns: int) -> Real:
    """sin(x + quarter_turns * pi / 2)."""
    n, sine, cosine = _parts(c, x)
    if quarter_turns:
        n = c.integer("add", n, quarter_turns)
    sign = c.integer("shl", c.integer("and", n, 2), 62)
    y = c.select(_odd(c, n), cosine, sine)
    return c.from_bits(c.integer("xor", c.bits(y), sign))


def _sin(c: Code, x: Real) -> Real:
    wide = c.wide()
    v = wide.from_float32(x)
    return c.narrowed(wide.select(wide.compare("oeq", v, 0.0), v, _wave(wide, v, 0)))


def _cos(c: Code, x: Real) -> Real:
    wide = c.wide()
    return c.narrowed(_wave(wide, wide.from_float32(x), 1))


def _tan(c: Code, x: Real) -> Real:
    wide = c.wide()
    v = wide.from_float32(x)
    n, sine, cosine = _parts(wide, v)
    odd = _odd(wide, n)
    y = wide.select(odd, -cosine, sine) / wide.select(odd, sine, cosine)
    return c.narrowed(wide.select(wide.compare("oeq", v, 0.0), v, y))


#: Functions of float32.
FUNCTIONS: dict[str, Callable[[Code, Real], Real]] = {"sin": _sin, "cos": _cos, "tan": _tan}
