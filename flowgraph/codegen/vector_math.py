"""exp, expm1, log, log1p, tanh and sigmoid as branch-free LLVM functions, which vectorise.

No libm call stands in a loop: each function is arithmetic, selects and bit tricks on one scalar, so
LLVM widens it to whatever vectors the machine has.  They become ``internal alwaysinline`` functions
of the module, written once per process.

Method and accuracy, in units in the last place (ulp) against mpmath
(tests/codegen/test_vector_math.py):

    exp      x = n ln 2 + r, |r| <= ln 2 / 2; 2**n (1 + r + r**2 T(r))                  1 ulp
    expm1    2 (2**(n-1) (r + r**2 T(r)) + (2**(n-1) - 1/2)): relative near 0           2 ulp
    log      x = m 2**n, m in [sqrt 1/2, sqrt 2), f = m - 1; f - f**2/2 + tail + n ln 2   1 ulp
    log1p    as log of u = 1 + x, f corrected by what 1 + x lost: relative near 0       1.5 ulp
    tanh     -h / (1 + h) with h = expm1(-2 |x|) / 2, signed as x: relative near 0     2.5 ulp
    sigmoid  1 or e over 1 + e with e = exp(-|x|): relative in both tails              2 ulp

NaN goes through; denormal arguments and results, infinities and zeros are as in C.  The float32
polynomials are evaluated in float32.  Coefficients come from tools/fit_math.py; ln 2 is split
in two so that n times its high part is exact.

Read next: arithmetic.py (who calls these), intrinsics.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from flowgraph.codegen.llvm_text import FunctionText, Literal, ModuleText, Tuning, llvm_type


@dataclass(frozen=True, slots=True)
class Format:
    """A float format and the constants that the functions need in it."""

    dtype: str
    integer: str  # the integer dtype of the same width
    mantissa: int  # explicit mantissa bits
    bias: int
    exp_tail: tuple[float, ...]  # (exp(r) - 1 - r) / r**2, highest power first
    log_tail: tuple[float, ...]  # in f (float32) or in s**2 (float64): see _log_of
    ln2_high: float
    ln2_low: float
    exp_low: float  # exp is 0 below, inf above
    exp_high: float
    expm1_low: float  # expm1 is -1 below

    @property
    def round_magic(self) -> float:
        """Adding 1.5 * 2**mantissa rounds to an integer, which then stands in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)


F32 = Format(
    "float32", "int32", 23, 127,
    exp_tail=(
        0.0013926183587713494, 0.008363179052722578, 0.041666554617204574,
        0.16666576989698775, 0.5,
    ),
    log_tail=(
        0.06971584812199107, -0.11480068373232372, 0.11685580286754446, -0.12425654632649219,
        0.1424903961133482, -0.16667803062788492, 0.20000716247037995, -0.24999996955327997,
        0.33333331178099007,
    ),
    ln2_high=0.693359375,
    ln2_low=-2.1219444005469057e-4,
    exp_low=-104.0, exp_high=89.0, expm1_low=-18.0,
)  # fmt: skip

F64 = Format(
    "float64", "int64", 52, 1023,
    exp_tail=(
        2.510038549551032e-08, 2.7620088445409746e-07, 2.7557268459997064e-06,
        2.4801521295954376e-05, 0.00019841269863053618, 0.0013888888917213717,
        0.008333333333330062, 0.04166666666662413, 0.16666666666666669, 0.5000000000000001,
    ),
    log_tail=(
        0.146166745924851, 0.1533170340330344, 0.18182889672759556, 0.2222221112727996,
        0.2857142862602153, 0.39999999999899405, 0.666666666666667,
    ),
    ln2_high=float.fromhex("0x1.62e42fee00000p-1"),
    ln2_low=float.fromhex("0x1.a39ef35793c76p-33"),
    exp_low=-746.0, exp_high=710.0, expm1_low=-38.0,
)  # fmt: skip


class Real:
    """A float value inside a function being written; operators write instructions."""

    __slots__ = ("code", "name")

    def __init__(self, code: Code, name: str) -> None:
        self.code, self.name = code, name

    def __add__(self, other: Real | float) -> Real:
        return self.code.binary("fadd", self, other)

    def __radd__(self, other: float) -> Real:
        return self.code.binary("fadd", other, self)

    def __sub__(self, other: Real | float) -> Real:
        return self.code.binary("fsub", self, other)

    def __rsub__(self, other: float) -> Real:
        return self.code.binary("fsub", other, self)

    def __mul__(self, other: Real | float) -> Real:
        return self.code.binary("fmul", self, other)

    def __truediv__(self, other: Real) -> Real:
        return self.code.binary("fdiv", self, other)

    def __neg__(self) -> Real:
        return Real(self.code, self.code.f.let(f"fneg {self.code.kind} {self.name}"))


class Code:
    """Writes one function of one float format."""

    def __init__(self, module: ModuleText, form: Format) -> None:
        self.f = FunctionText(module)
        self.form = form
        self.kind, self.word = llvm_type(form.dtype), llvm_type(form.integer)

    def spell(self, value: Real | float) -> str:
        return value.name if isinstance(value, Real) else Literal(value, self.form.dtype)

    def binary(self, op: str, a: Real | float, b: Real | float) -> Real:
        return Real(self, self.f.let(f"{op} contract {self.kind} {self.spell(a)}, {self.spell(b)}"))

    def select(self, condition: str, a: Real | float, b: Real | float) -> Real:
        """``a`` where the i1 ``condition`` holds, else ``b``."""
        both = f"{self.kind} {self.spell(a)}, {self.kind} {self.spell(b)}"
        return Real(self, self.f.let(f"select i1 {condition}, {both}"))

    def compare(self, how: str, a: Real, b: Real | float) -> str:
        """Ordered comparison: False when ``a`` is NaN."""
        return self.f.let(f"fcmp {how} {self.kind} {a.name}, {self.spell(b)}")

    def at_most(self, x: Real, bound: float) -> Real:
        """min(x, bound) that passes NaN on."""
        return self.select(self.compare("ogt", x, bound), bound, x)

    def at_least(self, x: Real, bound: float) -> Real:
        return self.select(self.compare("olt", x, bound), bound, x)

    def absolute(self, x: Real) -> Real:
        name = f"llvm.fabs.{'f32' if self.kind == 'float' else 'f64'}"
        return Real(self, self.f.call(self.kind, name, (self.kind, x.name)))

    def signed_as(self, magnitude: Real, sign: Real) -> Real:
        name = f"llvm.copysign.{'f32' if self.kind == 'float' else 'f64'}"
        both = (self.kind, magnitude.name), (self.kind, sign.name)
        return Real(self, self.f.call(self.kind, name, *both))

    def bits(self, x: Real) -> str:
        return self.f.let(f"bitcast {self.kind} {x.name} to {self.word}")

    def from_bits(self, n: str) -> Real:
        return Real(self, self.f.let(f"bitcast {self.word} {n} to {self.kind}"))

    def integer(self, op: str, a: str, b: str | int) -> str:
        return self.f.let(f"{op} {self.word} {a}, {b}")

    def float_of(self, n: str) -> Real:
        return Real(self, self.f.let(f"sitofp {self.word} {n} to {self.kind}"))

    def power_of_two(self, n: str) -> Real:
        """2**n for n in the range of normal exponents."""
        biased = self.integer("add", n, self.form.bias)
        return self.from_bits(self.integer("shl", biased, self.form.mantissa))

    def polynomial(self, x: Real, coefficients: tuple[float, ...]) -> Real:
        """By Horner's rule, highest power first."""
        value: Real | float = coefficients[0]
        for c in coefficients[1:]:
            value = x * value + c
        assert isinstance(value, Real)
        return value


def _reduced(c: Code, x: Real) -> tuple[str, Real, Real]:
    """n (an integer), r and exp(r) - 1 - r for x = n ln 2 + r, |r| <= ln 2 / 2."""
    form = c.form
    # NB: NaN must not meet fptosi (poison); rounding by a big addend leaves n in the bits
    shifted = x * (1 / math.log(2)) + form.round_magic
    n = c.integer("sub", c.bits(shifted), _bits_of(form.round_magic, form))
    count = shifted - form.round_magic
    r = x - count * form.ln2_high - count * form.ln2_low
    return n, r, r * r * c.polynomial(r, form.exp_tail)


def _bits_of(value: float, form: Format) -> int:
    exponent = int(math.log2(value))
    fraction = int((value / 2.0**exponent - 1) * 2**form.mantissa)
    return ((exponent + form.bias) << form.mantissa) + fraction


def _exp(c: Code, x: Real) -> Real:
    return _exp_up_to(c, c.at_most(x, c.form.exp_high))


def _exp_up_to(c: Code, x: Real) -> Real:
    """exp(x) for x up to exp_high."""
    n, r, tail = _reduced(c, c.at_least(x, c.form.exp_low))
    # 2**n in two factors: n reaches past the exponents at both ends (infinity, denormals)
    half = c.integer("ashr", n, 1)
    rest = c.integer("sub", n, half)
    return (1.0 + (r + tail)) * c.power_of_two(half) * c.power_of_two(rest)


def _half_expm1(c: Code, x: Real) -> Real:
    """expm1(x) / 2 for x up to exp_high; half, as 2**n may overflow where the result does not."""
    n, r, tail = _reduced(c, c.at_least(x, c.form.expm1_low))
    scale = c.power_of_two(c.integer("sub", n, 1))
    return scale * (r + tail) + (scale - 0.5)


def _expm1(c: Code, x: Real) -> Real:
    form = c.form
    half = _half_expm1(c, c.at_most(x, form.exp_high))
    tiny = c.compare("olt", c.absolute(x), 2.0 ** -(form.mantissa + 2))
    return c.select(tiny, x, half + half)  # keeps -0 and denormals


def _split(c: Code, x: Real) -> tuple[str, Real]:
    """n (an integer) and m in [sqrt 1/2, sqrt 2) with x = m 2**n, for normal positive x."""
    form = c.form
    middle = _bits_of(1.0, form) - (1 << form.mantissa) + _mantissa_of_sqrt2(form)
    above = c.integer("sub", c.bits(x), middle)
    n = c.integer("ashr", above, form.mantissa)
    m = c.integer("add", c.integer("and", above, (1 << form.mantissa) - 1), middle)
    return n, c.from_bits(m)


def _mantissa_of_sqrt2(form: Format) -> int:
    # sqrt 1/2 = sqrt 2 * 2**-1 has the mantissa of sqrt 2
    return int((math.sqrt(2) - 1) * 2**form.mantissa)


def _log_of(c: Code, f: Real, count: Real) -> Real:
    """log(1 + f) + count * ln 2 for 1 + f in [sqrt 1/2, sqrt 2)."""
    form = c.form
    square = f * f
    if form is F32:
        tail = f * square * c.polynomial(f, form.log_tail)
    else:
        # s = f / (2 + f): log(1 + f) = 2 atanh s = f - f**2 / 2 + s (f**2 / 2 + s**2 T(s**2))
        s = f / (f + 2.0)
        z = s * s
        tail = s * (square * 0.5 + z * c.polynomial(z, form.log_tail))
    return f + (tail + count * form.ln2_low - square * 0.5) + count * form.ln2_high


def _log(c: Code, x: Real) -> Real:
    form = c.form
    denormal = c.compare("olt", x, form.smallest_normal)
    n, m = _split(c, c.select(denormal, x * 2.0**form.mantissa, x))
    count = c.float_of(n)
    count = c.select(denormal, count - float(form.mantissa), count)
    return _log_edges(c, x, _log_of(c, m - 1.0, count))


def _log_edges(c: Code, x: Real, result: Real) -> Real:
    """log of zero, negative numbers, infinity and NaN."""
    outside = c.select(c.compare("oeq", x, 0.0), -math.inf, math.nan)
    result = c.select(c.compare("ogt", x, 0.0), result, outside)
    return c.select(c.compare("oeq", x, math.inf), x, result)


def _log1p(c: Code, x: Real) -> Real:
    u = 1.0 + x
    n, m = _split(c, u)
    lost = x - (u - 1.0)
    # what 1 + x rounded away matters for small n only; the clamp keeps 2**-n normal
    small = c.f.call(c.word, f"llvm.smin.{c.word}", (c.word, n), (c.word, "60"))
    scale = c.power_of_two(c.integer("sub", "0", small))
    result = _log_edges(c, u, _log_of(c, m - 1.0 + lost * scale, c.float_of(n)))
    return c.select(c.compare("oeq", x, 0.0), x, result)  # keeps -0


def _tanh(c: Code, x: Real) -> Real:
    h = _half_expm1(c, c.absolute(x) * -2.0)
    return c.signed_as(h / (h + 1.0), x)


def _sigmoid(c: Code, x: Real) -> Real:
    e = _exp_up_to(c, -c.absolute(x))
    return c.select(c.compare("oge", x, 0.0), 1.0, e) / (1.0 + e)


#: op -> how to write it.
FUNCTIONS: dict[str, Callable[[Code, Real], Real]] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
}


@cache
def _definition(op: str, dtype: str) -> tuple[str, dict[str, str]]:
    """The LLVM function of ``op`` and the declarations that it needs."""
    module = ModuleText(Tuning())
    code = Code(module, F32 if dtype == "float32" else F64)
    result = FUNCTIONS[op](code, Real(code, "%x"))
    head = f"define internal {code.kind} @{op}_{dtype}({code.kind} %x) alwaysinline nounwind {{"
    lines = [head, *code.f.lines, f"  ret {code.kind} {result.name}", "}"]
    return "\n".join(lines), module.parts


def call(f: FunctionText, op: str, dtype: str, values: list[str]) -> str:
    """Write a call of ``op`` (a key of FUNCTIONS) into ``f``."""
    text, needed = _definition(op, dtype)
    for name, declaration in needed.items():
        f.module.need(name, declaration)
    name, kind = f"{op}_{dtype}", llvm_type(dtype)
    f.module.need(name, text)
    return f.let(f"call {kind} @{name}({kind} {values[0]})")
