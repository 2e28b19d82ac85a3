"""The names a kernel text may use, each with its typing rule and its LLVM spelling.

Kernel text (what cpu.py writes and what a TextKernel holds) is Python that numba reads; the globals
it sees are the rows of ``PRIMITIVES``.  Typing is strict: operands share one dtype and nothing is
promoted, so with a float32 ``x`` it must be ``x + float32(1)``.  A bare integer is int64, a
bare float is float64, a variable has one dtype.

Statements
    Assignments, ``if``, ``while``, ``break``, ``continue``, ``return``, conditional
    expressions, ``for`` over ``range(...)``, over ``independent(...)``: a range whose
    iterations may run in any order and together (none reads memory that another writes), which
    lets LLVM vectorise it, and over ``reducing(...)``: independent but for variables that every
    iteration adds to.  A range's step is a literal.  Helper functions may stand above ``def
    kernel``; they are inlined.
Operators
    ``+ - * / // % ** << >> & | ^ ~ < <= == != > >= not``.  Integers wrap; ``//`` and ``%``
    round toward minus infinity; integer division by zero gives 0 (check first) and never traps.
    ``/`` is for floats.
Conversions
    ``bool_(x)``, ``int8(x)`` ... ``uint64(x)``, ``float32(x)``, ``float64(x)``: floats truncate
    toward zero, integers wrap, ``bool_`` is ``x != 0``.  float16 is only loaded, stored and
    converted.  ``complex64(x)``, ``complex128(x)``: of a real number; complex numbers know
    ``+ - * / == !=``, ``select`` and ``conj``.  ``bits(x)``: a float's bits as an integer;
    ``from_bits(n)``: back.
Memory
    ``slot(block, k)``: int64 word ``k`` at address ``block``; ``put_slot(block, k, n)`` writes one.
    ``float32_pointer(address)``, and so for every dtype: a typed pointer; ``address(p)``: back
    to int64. ``load(p, i)``, ``store(p, i, x)``: element ``i`` (bool is one byte); ``offset(p,
    i)``: a pointer to it. ``float32_stack(n)``, and so for every dtype: pointer to ``n`` (a
    literal) uninitialised elements that live until the kernel returns.  ``copy_bytes(to,
    source, count)``, ``move_bytes(to, source, count)`` (may overlap), ``fill_bytes(to, byte,
    count)``: addresses and counts are int64.
Math
    ``exp expm1 log log1p sqrt rsqrt sin cos tanh sigmoid floor ceil rint trunc isnan sign
    absolute``, ``maximum minimum`` (NaN wins), ``truncdiv truncmod``, ``select(condition, a, b)``;
    ``sum_in_any_order(a, b)``: ``a + b`` that LLVM may regroup (reductions only);
    ``fma(a, b, c)``: ``a * b + c`` rounded once; ``nextafter``; ``tan asin acos atan atan2 sinh
    cosh asinh acosh atanh``; and the special functions of special_math.py: ``erf erfc erfinv ndtri
    lgamma digamma polygamma zeta igamma igammac igamma_grad_a betainc bessel_i0e bessel_i1e``.
Calls
    ``call(kernel, block, start, stop)``: run a kernel by address, its int64 status.
    ``sgemm(function, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)`` and ``dgemm``: a cblas
    ?gemm by address, row-major; ``ta``, ``tb`` nonzero to transpose; a, b, c are addresses.
    ``call_addresses(function, a, b, ...)``: a C or Fortran routine by address that takes
    addresses only (all of LAPACK) and returns nothing.
    ``multiply_rows(a, pitch, b, k, c, c_row, columns, left, add)``: a register tile of a matrix
    product, of at most ``tile_rows(c, columns)`` rows and ``tile_columns(c, columns)`` columns;
    ``pitch`` is a literal; ``multiply_columns(a, step, b, ...)`` reads ``a`` transposed: see
    tiles.py.
    ``cycles()``: a steady counter of the processor, in units of its own.
    ``crc32c_word(register, word)``: the CRC-32C register after 8 bytes (uint64 both); x86 with
    SSE 4.2 only.
Constants
    ``inf``, ``nan``; ``PITCH``, ``DEPTH`` of the panels of kernel/conv.py.

Read next: arithmetic.py and vector_math.py (the math), target.py (numba IR -> LLVM), compiler.py.
"""

from __future__ import annotations

import builtins
import math
import operator
import platform
from collections.abc import Callable
from dataclasses import dataclass

from flowgraph.codegen import tiles
from flowgraph.codegen.arithmetic import COMPLEX_OPS, emit_cast, emit_conj, emit_scalar
from flowgraph.codegen.llvm_text import (
    ACCESS_GROUP,
    PARTS,
    WIDTHS,
    FunctionText,
    Literal,
    is_float,
    llvm_type,
    memory_type,
)
from flowgraph.kernel.conv import DEPTH, PITCH
from flowgraph.kernel.scalar import SCALAR_OPS


class KernelTextError(Exception):
    """A kernel text that cannot be compiled: a bug in the text, never the user's mistake."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """A name of kernel text.

    ``result(*dtypes)`` gives the dtype of a call ("float32", "float32*" for a pointer, "void") or
    raises KernelTextError; ``emit(f, dtypes, values)`` writes it and returns the LLVM value.
    """

    name: str
    result: Callable[..., str]
    emit: Callable[[FunctionText, tuple[str, ...], list[str]], str]


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise KernelTextError(message)


def _fixed(name: str, takes: str, gives: str) -> Callable[..., str]:
    """The typing rule of one signature."""
    expected = tuple(takes.split())

    def result(*dtypes: str) -> str:
        _check(dtypes == expected, f"{name}({', '.join(expected)}) given ({', '.join(dtypes)})")
        return gives

    return result


# ------------------------------------------------------------------------------------- scalar ops


def _scalar(op: str, name: str) -> Primitive:
    def result(*dtypes: str) -> str:
        real = [PARTS.get(d, d) for d in dtypes] if op in COMPLEX_OPS else list(dtypes)
        dtype = SCALAR_OPS[op].result_dtype(real)
        if dtype is not None and real != list(dtypes):
            same = len(set(dtypes[-2:])) == 1
            dtype = None if not same else dtypes[-1] if dtype != "bool" else dtype
        _check(dtype is not None, f"{name} does not take ({', '.join(dtypes)})")
        assert dtype is not None
        return dtype

    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        if op == "neg" and isinstance(values[0], Literal):
            return Literal(-values[0].number, dtypes[0])
        return emit_scalar(f, op, dtypes[-1], values)

    return Primitive(name, result, emit)


#: scalar op -> its name as a function of kernel text, where that differs.
FUNCTION_NAMES = {"max": "maximum", "min": "minimum", "abs": "absolute"}

#: scalar op -> Python operator; the others are functions of their own name.
OPERATORS: dict[str, tuple[Callable, ...]] = {
    "add": (operator.add, operator.iadd),
    "sub": (operator.sub, operator.isub),
    "mul": (operator.mul, operator.imul),
    "div": (operator.truediv, operator.itruediv),
    "floordiv": (operator.floordiv, operator.ifloordiv),
    "floormod": (operator.mod, operator.imod),
    "pow": (operator.pow, operator.ipow),
    "neg": (operator.neg,),
    "eq": (operator.eq,),
    "ne": (operator.ne,),
    "lt": (operator.lt,),
    "le": (operator.le,),
    "gt": (operator.gt,),
    "ge": (operator.ge,),
    "and": (operator.and_, operator.iand),
    "or": (operator.or_, operator.ior),
    "xor": (operator.xor, operator.ixor),
    "not": (operator.invert, operator.not_),
    "shl": (operator.lshift, operator.ilshift),
    "shr": (operator.rshift, operator.irshift),
}

#: Python operator -> Primitive.
OPERATOR_PRIMITIVES: dict[Callable, Primitive] = {
    function: _scalar(op, op) for op, functions in OPERATORS.items() for function in functions
}


# ------------------------------------------------------------------------------------ conversions


def _convert(target: str) -> Primitive:
    def result(*dtypes: str) -> str:
        _check(len(dtypes) == 1 and dtypes[0] in WIDTHS, f"{target}() of {dtypes}")
        return target

    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        return emit_cast(f, values[0], dtypes[0], target)

    return Primitive(target, result, emit)


_BITS = {"float16": "uint16", "float32": "uint32", "float64": "uint64"}
_FROM_BITS = {"uint32": "float32", "int32": "float32", "uint64": "float64", "int64": "float64"}


def _reinterpret(name: str, table: dict[str, str]) -> Primitive:
    def result(*dtypes: str) -> str:
        _check(len(dtypes) == 1 and dtypes[0] in table, f"{name} of {dtypes}")
        return table[dtypes[0]]

    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        target = llvm_type(table[dtypes[0]])
        return f.let(f"bitcast {llvm_type(dtypes[0])} {values[0]} to {target}")

    return Primitive(name, result, emit)


# ----------------------------------------------------------------------------------------- memory


def _element(f: FunctionText, dtype: str, pointer: str, index: str) -> str:
    return f.let(f"getelementptr inbounds {memory_type(dtype)}, ptr {pointer}, i64 {index}")


def _slot(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    base = f.let(f"inttoptr i64 {values[0]} to ptr")
    return f.let(f"load i64, ptr {_element(f, 'int64', base, values[1])}, align 8")


def _put_slot(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    base = f.let(f"inttoptr i64 {values[0]} to ptr")
    f.do(f"store i64 {values[2]}, ptr {_element(f, 'int64', base, values[1])}, align 8")
    return ""


def _alignment(dtype: str) -> int:
    """Bytes; complex numbers are aligned like their parts."""
    return max(1, WIDTHS[PARTS.get(dtype, dtype)] // 8)


def _load_result(*dtypes: str) -> str:
    ok = len(dtypes) == 2 and dtypes[0].endswith("*") and dtypes[1] == "int64"
    _check(ok, f"load(pointer, int64) given {dtypes}")
    return dtypes[0][:-1]


def _load(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    dtype = dtypes[0][:-1]
    where, align = _element(f, dtype, *values), _alignment(dtype)
    kind, group = memory_type(dtype), f"!llvm.access.group {ACCESS_GROUP}"
    value = f.let(f"load {kind}, ptr {where}, align {align}, {group}")
    return f.let(f"icmp ne i8 {value}, 0") if dtype == "bool" else value


def _store_result(*dtypes: str) -> str:
    ok = len(dtypes) == 3 and dtypes[0] == dtypes[2] + "*" and dtypes[1] == "int64"
    _check(ok, f"store(pointer, int64, value) given {dtypes}")
    return "void"


def _store(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    dtype, value = dtypes[2], values[2]
    if dtype == "bool":
        value = f.let(f"zext i1 {value} to i8")
    where, align = _element(f, dtype, *values[:2]), _alignment(dtype)
    f.do(
        f"store {memory_type(dtype)} {value}, ptr {where}, align {align}, "
        f"!llvm.access.group {ACCESS_GROUP}"
    )
    return ""


def _offset_result(*dtypes: str) -> str:
    _load_result(*dtypes)
    return dtypes[0]


def _address_result(*dtypes: str) -> str:
    _check(len(dtypes) == 1 and dtypes[0].endswith("*"), f"address(pointer) given {dtypes}")
    return "int64"


def _stack(dtype: str) -> Primitive:
    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        _check(isinstance(values[0], Literal), f"{dtype}_stack needs a literal size")
        assert isinstance(values[0], Literal)
        return f.alloca(memory_type(dtype), int(values[0].number), align=64)

    name = f"{dtype}_stack"
    return Primitive(name, _fixed(name, "int64", dtype + "*"), emit)


def _pointer(dtype: str) -> Primitive:
    name = f"{dtype}_pointer"
    return Primitive(
        name,
        _fixed(name, "int64", dtype + "*"),
        lambda f, dtypes, values: f.let(f"inttoptr i64 {values[0]} to ptr"),
    )


def _bytes(name: str, intrinsic: str) -> Primitive:
    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        to = f.let(f"inttoptr i64 {values[0]} to ptr")
        if name == "fill_bytes":
            second = ("i8", f.let(f"trunc i64 {values[1]} to i8"))
        else:
            second = ("ptr", f.let(f"inttoptr i64 {values[1]} to ptr"))
        types = f"ptr, {second[0]}, i64, i1 immarg"
        f.module.need(intrinsic, f"declare void @{intrinsic}({types})")
        operands = f"ptr {to}, {second[0]} {second[1]}, i64 {values[2]}, i1 false"
        f.do(f"call void @{intrinsic}({operands})")
        return ""

    return Primitive(name, _fixed(name, "int64 int64 int64", "void"), emit)


# ------------------------------------------------------------------------------------------ calls


def _call(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    kernel = f.let(f"inttoptr i64 {values[0]} to ptr")
    return f.let(f"call i64 {kernel}(i64 {values[1]}, i64 {values[2]}, i64 {values[3]})")


def _call_addresses_result(*dtypes: str) -> str:
    _check(len(dtypes) > 1 and set(dtypes) == {"int64"}, f"call_addresses given {dtypes}")
    return "void"


def _call_addresses(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    function, *given = [f.let(f"inttoptr i64 {value} to ptr") for value in values]
    f.do(f"call void {function}({', '.join('ptr ' + value for value in given)})")
    return ""


ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE = 101, 111, 112  # cblas.h


def _gemm(name: str, dtype: str) -> Primitive:
    takes = f"int64 {'int64 ' * 5}{dtype} int64 int64 int64 int64 {dtype} int64 int64"

    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        function, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc = values
        kind = llvm_type(dtype)

        def order(flag: str) -> str:
            set_ = f.let(f"icmp ne i64 {flag}, 0")
            return f.let(f"select i1 {set_}, i32 {TRANSPOSE}, i32 {NO_TRANSPOSE}")

        def size(value: str) -> str:
            return "i32 " + f.let(f"trunc i64 {value} to i32")

        def pointer(value: str) -> str:
            return "ptr " + f.let(f"inttoptr i64 {value} to ptr")

        target = f.let(f"inttoptr i64 {function} to ptr")
        arguments = [
            f"i32 {ROW_MAJOR}", f"i32 {order(ta)}", f"i32 {order(tb)}", size(m), size(n), size(k),
            f"{kind} {alpha}", pointer(a), size(lda), pointer(b), size(ldb),
            f"{kind} {beta}", pointer(c), size(ldc),
        ]  # fmt: skip
        f.do(f"call void {target}({', '.join(arguments)})")
        return ""

    return Primitive(name, _fixed(name, takes, "void"), emit)


def _tile_size(name: str, what: int) -> Primitive:
    def result(*dtypes: str) -> str:
        ok = len(dtypes) == 2 and dtypes[0] in ("float32*", "float64*") and dtypes[1] == "int64"
        _check(ok, f"{name}(pointer, int64) given {dtypes}")
        return "int64"

    return Primitive(name, result, lambda f, d, v: tiles.pick(f, d[0][:-1], v[1], what))


def _multiply(name: str, *, by_rows: bool) -> Primitive:
    def result(*dtypes: str) -> str:
        p = dtypes[0] if dtypes else ""
        takes = (p, "int64", p, "int64", p, "int64", "int64", "int64", "int64")
        ok = p in ("float32*", "float64*") and dtypes == takes
        _check(ok, f"{name}({', '.join(takes)}) given {dtypes}")
        return "void"

    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        pitch = None
        if by_rows:
            _check(isinstance(values[1], Literal), f"{name} needs a literal distance of rows")
            assert isinstance(values[1], Literal)
            pitch = int(values[1].number)
        tiles.multiply(f, dtypes[0][:-1], pitch, values)
        return ""

    return Primitive(name, result, emit)


def _cycles(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    # elsewhere than on x86 the cycle counter is not for user programs; the timer is
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return f.call("i64", "llvm.readcyclecounter" if x86 else "llvm.readsteadycounter")


def _crc32c_word(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    arguments = (("i64", value) for value in values)
    return f.call("i64", "llvm.x86.sse42.crc32.64.64", *arguments)


def _any_order_result(*dtypes: str) -> str:
    ok = len(dtypes) == 2 and dtypes[0] == dtypes[1] and dtypes[0] in WIDTHS
    _check(ok, f"sum_in_any_order given {dtypes}")
    return dtypes[0]


def _any_order(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    if not is_float(dtypes[0]):
        return emit_scalar(f, "add", dtypes[0], values)
    return f.let(f"fadd reassoc contract {llvm_type(dtypes[0])} {values[0]}, {values[1]}")


def _fma(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
    kind = llvm_type(dtypes[0])
    return f.call(kind, f"llvm.fma.f{WIDTHS[dtypes[0]]}", *((kind, value) for value in values))


def _conj_result(*dtypes: str) -> str:
    _check(len(dtypes) == 1 and dtypes[0] in PARTS, f"conj given {dtypes}")
    return dtypes[0]


def _fma_result(*dtypes: str) -> str:
    ok = len(dtypes) == 3 and len(set(dtypes)) == 1 and is_float(dtypes[0])
    _check(ok, f"fma given {dtypes}")
    return dtypes[0]


def _rows() -> list[Primitive]:
    rows = [_scalar(op, FUNCTION_NAMES.get(op, op)) for op in SCALAR_OPS if op not in OPERATORS]
    for dtype in WIDTHS:
        convert = _convert(dtype)
        if dtype == "bool":
            convert = Primitive("bool_", convert.result, convert.emit)
        rows += [convert, _pointer(dtype), _stack(dtype)]
    rows += [
        _reinterpret("bits", _BITS),
        _reinterpret("from_bits", _FROM_BITS),
        Primitive("slot", _fixed("slot", "int64 int64", "int64"), _slot),
        Primitive("put_slot", _fixed("put_slot", "int64 int64 int64", "void"), _put_slot),
        Primitive("load", _load_result, _load),
        Primitive("store", _store_result, _store),
        Primitive("offset", _offset_result, lambda f, d, v: _element(f, d[0][:-1], *v)),
        Primitive("address", _address_result, lambda f, d, v: f.let(f"ptrtoint ptr {v[0]} to i64")),
        _bytes("copy_bytes", "llvm.memcpy.p0.p0.i64"),
        _bytes("move_bytes", "llvm.memmove.p0.p0.i64"),
        _bytes("fill_bytes", "llvm.memset.p0.i64"),
        Primitive("call", _fixed("call", "int64 int64 int64 int64", "int64"), _call),
        Primitive("call_addresses", _call_addresses_result, _call_addresses),
        _gemm("sgemm", "float32"),
        _gemm("dgemm", "float64"),
        _tile_size("tile_rows", 0),
        _tile_size("tile_columns", 1),
        _multiply("multiply_rows", by_rows=True),
        _multiply("multiply_columns", by_rows=False),
        Primitive("fma", _fma_result, _fma),
        Primitive("conj", _conj_result, emit_conj),
        Primitive("cycles", _fixed("cycles", "", "int64"), _cycles),
        Primitive("crc32c_word", _fixed("crc32c_word", "uint64 uint64", "uint64"), _crc32c_word),
        Primitive("sum_in_any_order", _any_order_result, _any_order),
    ]
    return rows


#: name -> Primitive: the vocabulary.
PRIMITIVES: dict[str, Primitive] = {row.name: row for row in _rows()}

#: Ranges whose iterations are independent, the second but for sums; see target.py.
INDEPENDENT, REDUCING = object(), object()

#: The globals of kernel text.
NAMES: dict[str, object] = {
    **PRIMITIVES,
    "independent": INDEPENDENT,
    "reducing": REDUCING,
    "range": range,
    "inf": math.inf,
    "nan": math.nan,
    "PITCH": PITCH,
    "DEPTH": DEPTH,
    "__builtins__": {"range": builtins.range},
}
