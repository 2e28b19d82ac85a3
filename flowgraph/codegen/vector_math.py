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
    pow      float32 only: exp(y log |x|) in float64, rounded once                   0.51 ulp
    sin, cos, tan of float32: vector_trig.py                                         0.56 ulp

NaN goes through; denormal arguments and results, infinities and zeros are as in C.  The float32
polynomials are evaluated in float32.  Coefficients come from tools/fit_math.py; ln 2 is split
in two so that n times its high part is exact.

Read next: vector_trig.py, arithmetic.py (who calls these), intrinsics.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from flowgraph.codegen import vector_trig
from flowgraph.codegen.llvm_text import FunctionText, ModuleText, Tuning, llvm_type
from flowgraph.codegen.vector_code import F32, F64, Code, Format, Real


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


def _pow(c: Code, x: Real, y: Real) -> Real:
    """x ** y of float32, with the edges of C's pow."""
    wide = c.wide()
    x, y = wide.from_float32(x), wide.from_float32(y)
    size = wide.absolute(x)
    result = _exp(wide, y * _log(wide, size))
    either = wide.either(wide.compare("oeq", size, 1.0), wide.compare("oeq", y, 0.0))
    result = wide.select(either, 1.0, result)  # also where log is 0 and y infinite, and the reverse
    whole = wide.compare("oeq", wide.rounded(y), y)
    half = y * 0.5
    odd = wide.both(whole, wide.compare("one", wide.rounded(half), half))
    sign = wide.integer("and", wide.bits(x), -(1 << 63))  # of -0, too
    turned = wide.from_bits(wide.integer("xor", wide.bits(result), sign))
    result = wide.select(odd, turned, result)
    # of negative numbers (but -inf) there is no broken power; NaN as y is no whole number
    finite = wide.both(wide.compare("olt", x, 0.0), wide.compare("olt", size, math.inf))
    broken = wide.both(finite, wide.opposite(whole))
    return c.narrowed(wide.select(broken, math.nan, result))


#: op -> how to write it, of float32 alone; float64 has libm.
FLOAT32_FUNCTIONS: dict[str, Callable[..., Real]] = {**vector_trig.FUNCTIONS, "pow": _pow}


def writes(op: str, dtype: str) -> bool:
    """True when ``op`` of ``dtype`` is a function of this module."""
    return op in FUNCTIONS or (dtype == "float32" and op in FLOAT32_FUNCTIONS)


@cache
def _definition(op: str, dtype: str) -> tuple[str, dict[str, str]]:
    """The LLVM function of ``op`` and the declarations that it needs."""
    module = ModuleText(Tuning())
    code = Code(module, F32 if dtype == "float32" else F64)
    names = ["%x", "%y"] if op == "pow" else ["%x"]
    function: Callable[..., Real] = {**FUNCTIONS, **FLOAT32_FUNCTIONS}[op]
    result = function(code, *(Real(code, name) for name in names))
    parameters = ", ".join(f"{code.kind} {name}" for name in names)
    head = f"define internal {code.kind} @{op}_{dtype}({parameters}) alwaysinline nounwind {{"
    lines = [head, *code.f.lines, f"  ret {code.kind} {result.name}", "}"]
    return "\n".join(lines), module.parts


def call(f: FunctionText, op: str, dtype: str, values: list[str]) -> str:
    """Write a call of ``op`` (see ``writes``) into ``f``."""
    text, needed = _definition(op, dtype)
    for name, declaration in needed.items():
        f.module.need(name, declaration)
    name, kind = f"{op}_{dtype}", llvm_type(dtype)
    f.module.need(name, text)
    return f.let(f"call {kind} @{name}({', '.join(f'{kind} {v}' for v in values)})")
