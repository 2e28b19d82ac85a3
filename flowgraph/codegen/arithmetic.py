"""Scalar ops of kernel/scalar.py as LLVM instructions: ``emit_scalar(f, "mul", "float32", ...)``.

Float arithmetic carries ``contract`` (a*b+c may become one fused multiply-add) and nothing
else: NaN and infinities are data, and results must not depend on how LLVM groups terms.
Integers wrap and their division never traps.

Read next: vector_math.py (exp, log, tanh ...), intrinsics.py (who calls this).
"""

from __future__ import annotations

from flowgraph.codegen import vector_math
from flowgraph.codegen.llvm_text import (
    PARTS,
    WIDTHS,
    FunctionText,
    Literal,
    is_float,
    is_signed,
    llvm_type,
)

#: op -> instruction for floats; {t} the type, {a} {b} {c} the operands.
FLOAT_SPELLING = {
    "add": "fadd contract {t} {a}, {b}",
    "sub": "fsub contract {t} {a}, {b}",
    "mul": "fmul contract {t} {a}, {b}",
    "div": "fdiv contract {t} {a}, {b}",
    "neg": "fneg {t} {a}",
    "eq": "fcmp oeq {t} {a}, {b}",
    "ne": "fcmp une {t} {a}, {b}",
    "lt": "fcmp olt {t} {a}, {b}",
    "le": "fcmp ole {t} {a}, {b}",
    "gt": "fcmp ogt {t} {a}, {b}",
    "ge": "fcmp oge {t} {a}, {b}",
    "isnan": "fcmp uno {t} {a}, {a}",
    "select": "select i1 {a}, {t} {b}, {t} {c}",
}

#: op -> instruction for integers and bool; {u} is "u" or "s".
INTEGER_SPELLING = {
    "add": "add {t} {a}, {b}",
    "sub": "sub {t} {a}, {b}",
    "mul": "mul {t} {a}, {b}",
    "neg": "sub {t} 0, {a}",
    "and": "and {t} {a}, {b}",
    "or": "or {t} {a}, {b}",
    "xor": "xor {t} {a}, {b}",
    "not": "xor {t} {a}, -1",
    "eq": "icmp eq {t} {a}, {b}",
    "ne": "icmp ne {t} {a}, {b}",
    "lt": "icmp {u}lt {t} {a}, {b}",
    "le": "icmp {u}le {t} {a}, {b}",
    "gt": "icmp {u}gt {t} {a}, {b}",
    "ge": "icmp {u}ge {t} {a}, {b}",
    "select": "select i1 {a}, {t} {b}, {t} {c}",
}

#: Float ops that are LLVM intrinsics; llvm.maximum and llvm.minimum give NaN back.
FLOAT_INTRINSICS = {
    "max": "llvm.maximum",
    "min": "llvm.minimum",
    "abs": "llvm.fabs",
    "sqrt": "llvm.sqrt",
    "floor": "llvm.floor",
    "ceil": "llvm.ceil",
    "rint": "llvm.rint",
    "trunc": "llvm.trunc",
    "sin": "llvm.sin",
    "cos": "llvm.cos",
    "tan": "llvm.tan",
    "pow": "llvm.pow",
}


def emit_scalar(f: FunctionText, op: str, dtype: str, values: list[str]) -> str:
    """Write scalar op ``op`` on operands of ``dtype`` (for select: of its last two operands)."""
    if dtype in PARTS:
        return _emit_complex(f, op, dtype, values)
    floating = is_float(dtype)
    spelling = (FLOAT_SPELLING if floating else INTEGER_SPELLING).get(op)
    if spelling is not None:
        a, b, c = (*values, "", "")[:3]
        unsigned = "s" if is_signed(dtype) else "u"
        return f.let(spelling.format(t=llvm_type(dtype), u=unsigned, a=a, b=b, c=c))
    if floating:
        return _emit_float(f, op, dtype, values)
    return _emit_integer(f, op, dtype, values)


#: Scalar ops that complex numbers (vectors of their parts) have.
COMPLEX_OPS = frozenset(("add", "sub", "neg", "mul", "div", "eq", "ne", "select"))


def _emit_complex(f: FunctionText, op: str, dtype: str, values: list[str]) -> str:
    kind, part = llvm_type(dtype), PARTS[dtype]
    if op in ("add", "sub", "neg", "select"):
        a, b, c = (*values, "", "")[:3]
        return f.let(FLOAT_SPELLING[op].format(t=kind, a=a, b=b, c=c))

    def scalar(name: str, *operands: str) -> str:
        return emit_scalar(f, name, part, list(operands))

    (a, b), (c, d) = (
        [f.let(f"extractelement {kind} {value}, i32 {place}") for place in (0, 1)]
        for value in values
    )
    if op in ("eq", "ne"):
        parts = scalar(op, a, c), scalar(op, b, d)
        return f.let(f"{'and' if op == 'eq' else 'or'} i1 {parts[0]}, {parts[1]}")
    if op == "mul":
        real = scalar("sub", scalar("mul", a, c), scalar("mul", b, d))
        imag = scalar("add", scalar("mul", a, d), scalar("mul", b, c))
    else:  # Smith (1962): divided by the greater part first, so that nothing overflows
        turned = scalar("lt", scalar("abs", c), scalar("abs", d))
        great, small = scalar("select", turned, d, c), scalar("select", turned, c, d)
        ratio = scalar("div", small, great)
        below = scalar("add", great, scalar("mul", small, ratio))
        x, y = scalar("select", turned, b, a), scalar("select", turned, a, b)
        real = scalar("div", scalar("add", x, scalar("mul", y, ratio)), below)
        imag = scalar("sub", y, scalar("mul", x, ratio))
        imag = scalar("div", scalar("select", turned, scalar("neg", imag), imag), below)
    return _complex(f, dtype, real, imag)


def emit_conj(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    """The complex conjugate."""
    kind, part = llvm_type(dtypes[0]), llvm_type(PARTS[dtypes[0]])
    imag = f.let(f"extractelement {kind} {values[0]}, i32 1")
    turned = f.let(f"fneg {part} {imag}")
    return f.let(f"insertelement {kind} {values[0]}, {part} {turned}, i32 1")


def _complex(f: FunctionText, dtype: str, real: str, imag: str) -> str:
    kind, part = llvm_type(dtype), llvm_type(PARTS[dtype])
    half = f.let(f"insertelement {kind} undef, {part} {real}, i32 0")
    return f.let(f"insertelement {kind} {half}, {part} {imag}, i32 1")


def _emit_float(f: FunctionText, op: str, dtype: str, values: list[str]) -> str:
    kind = llvm_type(dtype)
    if vector_math.writes(op, dtype):
        return vector_math.call(f, op, dtype, values)
    if op in FLOAT_INTRINSICS:
        suffix = "f32" if dtype == "float32" else "f64"
        name = f"{FLOAT_INTRINSICS[op]}.{suffix}"
        # nsz lets max and min of zeros skip the sign: NumPy promises none either
        flags = "nsz " if op in ("max", "min") else ""
        types = ", ".join([kind] * len(values))
        f.module.need(name, f"declare {kind} @{name}({types})")
        return f.let(f"call {flags}{kind} @{name}({', '.join(f'{kind} {v}' for v in values)})")
    x = values[0]
    if op == "rsqrt":
        root = _emit_float(f, "sqrt", dtype, [x])
        return f.let(f"fdiv {kind} {Literal(1, dtype)}, {root}")
    if op == "sign":
        zero, one = Literal(0, dtype), Literal(1, dtype)
        positive = f.let(f"fcmp ogt {kind} {x}, {zero}")
        negative = f.let(f"fcmp olt {kind} {x}, {zero}")
        nan = f.let(f"fcmp uno {kind} {x}, {x}")
        rest = f.let(f"select i1 {nan}, {kind} {x}, {kind} {zero}")
        rest = f.let(f"select i1 {negative}, {kind} {Literal(-1, dtype)}, {kind} {rest}")
        return f.let(f"select i1 {positive}, {kind} {one}, {kind} {rest}")
    x, y = values
    if op == "nextafter":
        return _next_after(f, dtype, x, y)
    if op == "floordiv":
        return _emit_float(f, "floor", dtype, [f.let(f"fdiv {kind} {x}, {y}")])
    remainder = f.let(f"frem {kind} {x}, {y}")
    if op == "truncmod":
        return remainder
    # the sign of the divisor: add it when the remainder is not zero and of the other sign
    zero = Literal(0, dtype)
    nonzero = f.let(f"fcmp une {kind} {remainder}, {zero}")
    remainder_negative = f.let(f"fcmp olt {kind} {remainder}, {zero}")
    divisor_negative = f.let(f"fcmp olt {kind} {y}, {zero}")
    differ = f.let(f"xor i1 {remainder_negative}, {divisor_negative}")
    wrong = f.let(f"and i1 {nonzero}, {differ}")
    moved = f.let(f"fadd {kind} {remainder}, {y}")
    return f.let(f"select i1 {wrong}, {kind} {moved}, {kind} {remainder}")


def _next_after(f: FunctionText, dtype: str, x: str, y: str) -> str:
    """The float after ``x`` on the way to ``y``: its bits, as an integer, one up or down."""
    kind, word = llvm_type(dtype), f"i{WIDTHS[dtype]}"
    zero = Literal(0, dtype)
    away = f.let(f"fcmp olt {kind} {x}, {y}")
    negative = f.let(f"fcmp olt {kind} {x}, {zero}")
    # farther from zero when x > 0 goes up, or x < 0 goes down
    outward = f.let(f"xor i1 {away}, {negative}")
    step = f.let(f"select i1 {outward}, {word} 1, {word} -1")
    bits = f.let(f"bitcast {kind} {x} to {word}")
    moved = f.let(f"add {word} {bits}, {step}")
    # from either zero: the least number with the sign of the way
    least = f.let(f"select i1 {away}, {word} 1, {word} {-(1 << (WIDTHS[dtype] - 1)) + 1}")
    from_zero = f.let(f"fcmp oeq {kind} {x}, {zero}")
    moved = f.let(f"select i1 {from_zero}, {word} {least}, {word} {moved}")
    result = f.let(f"bitcast {word} {moved} to {kind}")
    same = f.let(f"fcmp oeq {kind} {x}, {y}")
    result = f.let(f"select i1 {same}, {kind} {y}, {kind} {result}")
    nan = f.let(f"fcmp uno {kind} {x}, {y}")
    total = f.let(f"fadd {kind} {x}, {y}")
    return f.let(f"select i1 {nan}, {kind} {total}, {kind} {result}")


def _emit_integer(f: FunctionText, op: str, dtype: str, values: list[str]) -> str:
    kind, width, signed = llvm_type(dtype), WIDTHS[dtype], is_signed(dtype)
    x = values[0]
    if op in ("max", "min"):
        name = f"llvm.{'s' if signed else 'u'}{op}.{kind}"
        return f.call(kind, name, (kind, x), (kind, values[1]))
    if op == "abs":
        return f.call(kind, f"llvm.abs.{kind}", (kind, x), ("i1", "false")) if signed else x
    if op == "sign":
        one = f.let(f"icmp ne {kind} {x}, 0")
        positive = f.let(f"zext i1 {one} to {kind}") if kind != "i1" else one
        if not signed:
            return positive
        negative = f.let(f"ashr {kind} {x}, {width - 1}")
        return f.let(f"or {kind} {negative}, {positive}")
    y = values[1]
    if op in ("shl", "shr"):
        return _emit_shift(f, op, kind, width, signed, x, y)
    return _emit_division(f, op, kind, width, signed, x, y)


def _emit_shift(
    f: FunctionText, op: str, kind: str, width: int, signed: bool, x: str, y: str
) -> str:
    """Shifts by the width or more (or negative counts) push every bit out, as in NumPy."""
    fits = f.let(f"icmp ult {kind} {y}, {width}")
    if op == "shr" and signed:
        count = f.let(f"select i1 {fits}, {kind} {y}, {kind} {width - 1}")
        return f.let(f"ashr {kind} {x}, {count}")
    count = f.let(f"select i1 {fits}, {kind} {y}, {kind} 0")
    shifted = f.let(f"{'shl' if op == 'shl' else 'lshr'} {kind} {x}, {count}")
    return f.let(f"select i1 {fits}, {kind} {shifted}, {kind} 0")


def _emit_division(
    f: FunctionText, op: str, kind: str, width: int, signed: bool, x: str, y: str
) -> str:
    """Quotients and remainders that never trap: by 0 they are 0, and lowest / -1 wraps."""
    by_zero = f.let(f"icmp eq {kind} {y}, 0")
    unsafe = by_zero
    if signed:
        by_minus_one = f.let(f"icmp eq {kind} {y}, -1")
        lowest = f.let(f"icmp eq {kind} {x}, {-(1 << (width - 1))}")
        overflow = f.let(f"and i1 {by_minus_one}, {lowest}")
        unsafe = f.let(f"or i1 {by_zero}, {overflow}")
    divisor = f.let(f"select i1 {unsafe}, {kind} 1, {kind} {y}")
    prefix = "s" if signed else "u"
    quotient = f.let(f"{prefix}div {kind} {x}, {divisor}")
    remainder = f.let(f"{prefix}rem {kind} {x}, {divisor}")
    if signed and op in ("floordiv", "floormod"):
        nonzero = f.let(f"icmp ne {kind} {remainder}, 0")
        signs = f.let(f"xor {kind} {remainder}, {divisor}")
        differ = f.let(f"icmp slt {kind} {signs}, 0")
        wrong = f.let(f"and i1 {nonzero}, {differ}")
        lower = f.let(f"sub {kind} {quotient}, 1")
        moved = f.let(f"add {kind} {remainder}, {divisor}")
        quotient = f.let(f"select i1 {wrong}, {kind} {lower}, {kind} {quotient}")
        remainder = f.let(f"select i1 {wrong}, {kind} {moved}, {kind} {remainder}")
    result = quotient if op in ("floordiv", "truncdiv") else remainder
    return f.let(f"select i1 {by_zero}, {kind} 0, {kind} {result}")


def _from_half(f: FunctionText, value: str) -> str:
    """A float16 as float32."""
    if f.module.tuning.half:
        return f.let(f"fpext half {value} to float")
    f.module.need("widen_half", _WIDEN_HALF)
    return f.let(f"call float @widen_half(half {value})")


def _to_half(f: FunctionText, value: str, source: str) -> str:
    """A number as float16, to nearest even."""
    if source == "float64":
        # NB: rounding to float32 first would round twice.  Cut off with a sticky last bit it
        # still lies on the same side of every middle between two float16.
        bits = f.let(f"bitcast double {value} to i64")
        lost = f.let(f"and i64 {bits}, {(1 << 29) - 1}")
        inexact = f.let(f"icmp ne i64 {lost}, 0")
        sticky = f.let(f"select i1 {inexact}, i64 {1 << 29}, i64 0")
        kept = f.let(f"or i64 {bits}, {sticky}")
        kept = f.let(f"and i64 {kept}, {-(1 << 29)}")
        value = f.let(f"bitcast i64 {kept} to double")
    single = emit_cast(f, value, source, "float32")
    if f.module.tuning.half:
        return f.let(f"fptrunc float {single} to half")
    f.module.need("narrow_to_half", _NARROW_TO_HALF)
    return f.let(f"call half @narrow_to_half(float {single})")


#: The conversions of processors without instructions for them: float16's exponent ends where
#: float32's has 112 more, so one multiplication widens normal and subnormal numbers alike.
_WIDEN_HALF = """
define internal float @widen_half(half %x) nounwind alwaysinline {
  %h = bitcast half %x to i16
  %w = zext i16 %h to i32
  %m = and i32 %w, 32767
  %e = shl i32 %m, 13
  %small = bitcast i32 %e to float
  %scaled = fmul float %small, 0x46F0000000000000
  %bits = bitcast float %scaled to i32
  %special = or i32 %e, 2139095040
  %is_special = icmp uge i32 %m, 31744
  %magnitude = select i1 %is_special, i32 %special, i32 %bits
  %s = and i32 %w, 32768
  %sign = shl i32 %s, 16
  %all = or i32 %magnitude, %sign
  %result = bitcast i32 %all to float
  ret float %result
}"""

#: 0.5 has the last place of a subnormal float16: adding it rounds them.
_NARROW_TO_HALF = """
define internal half @narrow_to_half(float %x) nounwind alwaysinline {
  %b = bitcast float %x to i32
  %a = and i32 %b, 2147483647
  %last = lshr i32 %a, 13
  %odd = and i32 %last, 1
  %r0 = add i32 %a, 4095
  %r1 = add i32 %r0, %odd
  %r2 = sub i32 %r1, 939524096
  %normal = lshr i32 %r2, 13
  %positive = bitcast i32 %a to float
  %t = fadd float %positive, 5.000000e-01
  %t_bits = bitcast float %t to i32
  %subnormal = sub i32 %t_bits, 1056964608
  %is_subnormal = icmp ult i32 %a, 947912704
  %finite = select i1 %is_subnormal, i32 %subnormal, i32 %normal
  %is_large = icmp uge i32 %a, 1199566848
  %m1 = select i1 %is_large, i32 31744, i32 %finite
  %payload = and i32 %last, 1023
  %quiet = or i32 %payload, 32256
  %is_nan = icmp ugt i32 %a, 2139095040
  %m2 = select i1 %is_nan, i32 %quiet, i32 %m1
  %s = lshr i32 %b, 16
  %sign = and i32 %s, 32768
  %all = or i32 %m2, %sign
  %h = trunc i32 %all to i16
  %result = bitcast i16 %h to half
  ret half %result
}"""


def emit_cast(f: FunctionText, value: str, source: str, target: str) -> str:
    """Convert: floats truncate toward zero, integers wrap, bool is ``x != 0``."""
    if source == target:
        return value
    if isinstance(value, Literal):
        number = value.number
        if not is_float(target) and target != "bool" and isinstance(number, float):
            number = int(number)
        return Literal(number, target)
    if target in PARTS:
        part = PARTS[target]
        return _complex(f, target, emit_cast(f, value, source, part), Literal(0, part))
    a, b = llvm_type(source), llvm_type(target)
    if source == "float16":
        return emit_cast(f, _from_half(f, value), "float32", target)
    if target == "float16":
        return _to_half(f, value, source)
    if target == "bool":
        return emit_scalar(f, "ne", source, [value, Literal(0, source)])
    if is_float(source) and is_float(target):
        return f.let(f"{'fpext' if b == 'double' else 'fptrunc'} {a} {value} to {b}")
    if is_float(target):
        return f.let(f"{'si' if is_signed(source) else 'ui'}tofp {a} {value} to {b}")
    if is_float(source):
        # NB: out of range fptosi is poison; frozen it is what the machine gives.  Narrow
        # and unsigned targets wrap from a wider signed integer.
        wide = "i32" if WIDTHS[target] < 32 or target == "int32" else "i64"
        raw = f.let(f"{'fptoui' if target == 'uint64' else 'fptosi'} {a} {value} to {wide}")
        whole = f.let(f"freeze {wide} {raw}")
        return whole if wide == b else f.let(f"trunc {wide} {whole} to {b}")
    if WIDTHS[source] == WIDTHS[target]:
        return value
    if WIDTHS[source] > WIDTHS[target]:
        return f.let(f"trunc {a} {value} to {b}")
    return f.let(f"{'sext' if is_signed(source) else 'zext'} {a} {value} to {b}")
