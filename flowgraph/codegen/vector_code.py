"""Writing branch-free float functions as LLVM text: ``Real`` values, operators write instructions.

Read next: vector_math.py and vector_trig.py, the functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowgraph.codegen.llvm_text import FunctionText, Literal, ModuleText, llvm_type


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

    def __init__(self, module: ModuleText, form: Format, f: FunctionText | None = None) -> None:
        self.f = f or FunctionText(module)
        self.form = form
        self.kind, self.word = llvm_type(form.dtype), llvm_type(form.integer)

    def spell(self, value: Real | float) -> str:
        return value.name if isinstance(value, Real) else Literal(value, self.form.dtype)

    def binary(self, op: str, a: Real | float, b: Real | float) -> Real:
        return Real(self, self.f.let(f"{op} contract {self.kind} {self.spell(a)}, {self.spell(b)}"))

    def exact(self, op: str, a: Real | float, b: Real | float) -> Real:
        """``a op b``, which must not become part of a fused multiply-add."""
        return Real(self, self.f.let(f"{op} {self.kind} {self.spell(a)}, {self.spell(b)}"))

    def fma(self, a: Real, b: Real | float, c: Real) -> Real:
        """``a * b + c``, rounded once."""
        operands = [(self.kind, self.spell(v)) for v in (a, b, c)]
        name = f"llvm.fma.{'f32' if self.kind == 'float' else 'f64'}"
        return Real(self, self.f.call(self.kind, name, *operands))

    def wide(self) -> Code:
        """The same function, writing float64."""
        return self if self.form is F64 else Code(self.f.module, F64, self.f)

    def from_float32(self, x: Real) -> Real:
        """``x`` as float64."""
        return Real(self, self.f.let(f"fpext float {x.name} to double"))

    def narrowed(self, x: Real) -> Real:
        """A float64 ``x`` as this function's format."""
        if self.kind == x.code.kind:
            return x
        return Real(self, self.f.let(f"fptrunc double {x.name} to float"))

    def select(self, condition: str, a: Real | float, b: Real | float) -> Real:
        """``a`` where the i1 ``condition`` holds, else ``b``."""
        both = f"{self.kind} {self.spell(a)}, {self.kind} {self.spell(b)}"
        return Real(self, self.f.let(f"select i1 {condition}, {both}"))

    def compare(self, how: str, a: Real, b: Real | float) -> str:
        """Ordered comparison: False when ``a`` is NaN."""
        return self.f.let(f"fcmp {how} {self.kind} {a.name}, {self.spell(b)}")

    def both(self, a: str, b: str) -> str:
        """The i1 values ``a`` and ``b``, combined."""
        return self.f.let(f"and i1 {a}, {b}")

    def either(self, a: str, b: str) -> str:
        return self.f.let(f"or i1 {a}, {b}")

    def opposite(self, a: str) -> str:
        return self.f.let(f"xor i1 {a}, true")

    def rounded(self, x: Real) -> Real:
        """The nearest whole number."""
        name = f"llvm.rint.{'f32' if self.kind == 'float' else 'f64'}"
        return Real(self, self.f.call(self.kind, name, (self.kind, x.name)))

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
