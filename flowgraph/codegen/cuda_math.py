"""Scalar ops of kernel/scalar.py as numba.cuda text: ``spell("max", "float32", ["x", "y"])``.

numba widens: ``float32 + 1.0`` is float64 and ``int32 + int32`` is int64.  So every literal is
typed, and every integer result is brought back by a conversion, which is also what makes it wrap.
Only operators and ``math.*`` are used: they mean the same in numba.cuda, in numba's simulator and
in cuda_sim.py, and a kernel that calls no other function compiles without a driver.

Operands are names (``v3``): a spelling may use one several times.

Read next: cuda.py (who calls this), arithmetic.py (the same table for the CPU).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from flowgraph.kernel.ir import KernelError
from flowgraph.kernel.scalar import FLOATS

#: float op -> text; {T} the type, {0} {1} {2} the operands.  NaN rules are written out: max and min
#: give NaN when either operand is NaN, and comparisons with NaN are False.
FLOAT_SPELLING = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "floordiv": "{T}(math.floor({0} / {1}))",
    "truncmod": "{T}(math.fmod({0}, {1}))",
    "pow": "{T}(math.pow({0}, {1}))",
    "min": "{0} if ({0} <= {1}) | ({0} != {0}) else {1}",
    "max": "{0} if ({0} >= {1}) | ({0} != {0}) else {1}",
    "neg": "-{0}",
    "abs": "{T}(math.fabs({0}))",
    "sign": "{T}(1) if {0} > {T}(0) else {T}(-1) if {0} < {T}(0) else {0} * {T}(0)",
    "exp": "{T}(math.exp({0}))",
    "expm1": "{T}(math.expm1({0}))",
    "log": "{T}(math.log({0}))",
    "log1p": "{T}(math.log1p({0}))",
    "sqrt": "{T}(math.sqrt({0}))",
    "rsqrt": "{T}(1) / {T}(math.sqrt({0}))",
    "sin": "{T}(math.sin({0}))",
    "cos": "{T}(math.cos({0}))",
    "tan": "{T}(math.tan({0}))",
    "asin": "{T}(math.asin({0}))",
    "acos": "{T}(math.acos({0}))",
    "atan": "{T}(math.atan({0}))",
    "atan2": "{T}(math.atan2({0}, {1}))",
    "sinh": "{T}(math.sinh({0}))",
    "cosh": "{T}(math.cosh({0}))",
    "asinh": "{T}(math.asinh({0}))",
    "acosh": "{T}(math.acosh({0}))",
    "atanh": "{T}(math.atanh({0}))",
    "erf": "{T}(math.erf({0}))",
    "erfc": "{T}(math.erfc({0}))",
    "lgamma": "{T}(math.lgamma({0}))",
    "tanh": "{T}(math.tanh({0}))",
    "sigmoid": "{T}(1) / ({T}(1) + {T}(math.exp(-{0})))",
    "floor": "{T}(math.floor({0}))",
    "ceil": "{T}(math.ceil({0}))",
    "trunc": "{T}(math.trunc({0}))",
    "isnan": "{0} != {0}",
}

#: integer op -> text; what is not here is in FLOAT_SPELLING's comparisons below or in a function.
INTEGER_SPELLING = {
    "add": "{T}({0} + {1})",
    "sub": "{T}({0} - {1})",
    "mul": "{T}({0} * {1})",
    "floordiv": "{T}({0} // {1})",
    "floormod": "{T}({0} % {1})",
    "min": "{0} if {0} <= {1} else {1}",
    "max": "{0} if {0} >= {1} else {1}",
    "neg": "{T}({T}(0) - {0})",
    "abs": "{0} if {0} >= {T}(0) else {T}({T}(0) - {0})",
    "sign": "{T}(1) if {0} > {T}(0) else {T}(0) if {0} == {T}(0) else {T}(-1)",
    "and": "{T}({0} & {1})",
    "or": "{T}({0} | {1})",
    "xor": "{T}({0} ^ {1})",
    "not": "{T}(~{0})",
}

BOOL_SPELLING = {
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} != {1}",
    "not": "not {0}",
}

ANY_SPELLING = {
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "select": "{1} if {0} else {2}",
}


def spell(op: str, dtype: str, operands: list[str]) -> str:
    """Text of scalar op ``op`` on names of ``dtype`` (for select: of its last two operands).

    >>> spell("add", "float32", ["x", "y"]), spell("add", "int32", ["x", "y"])
    ('x + y', 'int32(x + y)')
    """
    special = _FUNCTIONS.get((op, "float" if dtype in FLOATS else "integer"))
    if special is not None:
        return special(dtype, *operands)
    kind = BOOL_SPELLING if dtype == "bool" else INTEGER_SPELLING
    table = FLOAT_SPELLING if dtype in FLOATS else kind
    text = table.get(op) or ANY_SPELLING.get(op)
    if text is None:
        raise KernelError(f"{op} is not supported by the cuda target (docs/cuda.md)")
    return text.format(*operands, T=dtype)


def is_supported(op: str) -> bool:
    """Whether scalar op ``op`` has a CUDA form."""
    tables = FLOAT_SPELLING, INTEGER_SPELLING, BOOL_SPELLING, ANY_SPELLING
    return any(op in table for table in tables) or any(op == name for name, _ in _FUNCTIONS)


def _float_mod(dtype: str, x: str, y: str) -> str:
    # fmod has the sign of x; when that is wrong, one y more.  y = inf: fmod is x, x + y the limit.
    rest = f"math.fmod({x}, {y})"
    zero = f"{dtype}(0)"
    wrong = f"({rest} != {zero}) & (({rest} < {zero}) != ({y} < {zero}))"
    return f"{dtype}({rest}) + {y} if {wrong} else {dtype}({rest})"


def _rint(dtype: str, x: str) -> str:
    # Adding and taking away 2**23 leaves no bits for a fraction: the addition rounds half to even.
    # A float beyond that (or NaN) is whole already; copysign keeps -0.0.
    big = literal(2.0 ** (23 if dtype == "float32" else 52), dtype)
    shift = f"{dtype}(math.copysign({big}, {x}))"
    rounded = f"{dtype}(math.copysign(({x} + {shift}) - {shift}, {x}))"
    return f"{rounded} if {dtype}(math.fabs({x})) < {big} else {x}"


def _truncated(dtype: str, x: str, y: str) -> tuple[str, str]:
    """Where floor and truncated division differ, and the floor remainder."""
    rest = f"{dtype}({x} % {y})"
    return f"({rest} != {dtype}(0)) & (({x} < {dtype}(0)) != ({y} < {dtype}(0)))", rest


def _trunc_div(dtype: str, x: str, y: str) -> str:
    differs, _ = _truncated(dtype, x, y)
    floor = f"{dtype}({x} // {y})"
    return f"{dtype}({floor} + {dtype}(1)) if {differs} else {floor}"


def _trunc_mod(dtype: str, x: str, y: str) -> str:
    differs, rest = _truncated(dtype, x, y)
    return f"{dtype}({rest} - {y}) if {differs} else {rest}"


def _shift(left: bool) -> Callable[..., str]:
    def text(dtype: str, x: str, y: str) -> str:
        # NB: LLVM leaves shifts by the width or more undefined; NumPy pushes every bit out.
        width = np.dtype(dtype).itemsize * 8
        fits = f"({y} >= {dtype}(0)) & ({y} < {dtype}({width}))"
        if left:
            return f"{dtype}({x} << {y}) if {fits} else {dtype}(0)"
        gone = f"{dtype}({x} >> {dtype}({width - 1}))" if dtype[0] == "i" else f"{dtype}(0)"
        return f"{dtype}({x} >> {y}) if {fits} else {gone}"

    return text


_FUNCTIONS: dict[tuple[str, str], Callable[..., str]] = {
    ("floormod", "float"): _float_mod,
    ("rint", "float"): _rint,
    ("truncdiv", "integer"): _trunc_div,
    ("truncmod", "integer"): _trunc_mod,
    ("shl", "integer"): _shift(left=True),
    ("shr", "integer"): _shift(left=False),
}


def cast(x: str, source: str, target: str) -> str:
    """Text that converts the name ``x``: floats truncate, integers wrap, bool is ``x != 0``.

    A float outside the target's range gives an unspecified number, as on the CPU.
    """
    if source == target:
        return x
    if target == "bool":
        return f"{x} != {source}(0)"
    if source == "bool":
        return f"{target}(1) if {x} else {target}(0)"
    if source in FLOATS and target == "uint64":
        return f"uint64({x}) if {x} >= {source}(0) else uint64(int64({x}))"
    if source in FLOATS and target not in FLOATS and target not in ("int32", "int64"):
        return f"{target}(int64({x}))"  # narrow and unsigned targets wrap
    return f"{target}({x})"


def literal(value: float | bool, dtype: str) -> str:
    """``value`` as text that numba types as ``dtype``.

    >>> literal(0.1, "float32"), literal(float("-inf"), "float64"), literal(True, "bool")
    ('float32(0.1)', 'float64(-math.inf)', 'True')
    """
    if dtype == "bool":
        return str(bool(value))
    if dtype not in FLOATS:
        return f"{dtype}({int(value)})"
    number = float(value)
    if math.isnan(number):
        return f"{dtype}(math.nan)"
    if math.isinf(number):
        return f"{dtype}({'-' if number < 0 else ''}math.inf)"
    return f"{dtype}({number!r})"
