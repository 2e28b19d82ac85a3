"""Writing LLVM IR as text: the type table, constants, and functions made of numbered lines.

dtype names ("float32") -> LLVM type names ("float"); Python numbers -> LLVM constants; a
FunctionText collects instructions and the module-level text (declarations, helper functions)
that they need. Text because it is several times cheaper to make than an object per instruction.

Read next: intrinsics.py (the instructions), target.py (who writes functions).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

#: dtype name -> LLVM type of a value.  In memory bool is one byte (i8).
LLVM_TYPES = {
    "bool": "i1",
    "int8": "i8", "uint8": "i8", "int16": "i16", "uint16": "i16",
    "int32": "i32", "uint32": "i32", "int64": "i64", "uint64": "i64",
    "float16": "half", "float32": "float", "float64": "double",
    "complex64": "<2 x float>", "complex128": "<2 x double>",
    "void": "void",
}  # fmt: skip

WIDTHS = {
    "bool": 1,
    "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32,
    "int64": 64, "uint64": 64, "float16": 16, "float32": 32, "float64": 64,
    "complex64": 64, "complex128": 128,
}  # fmt: skip

#: Instructions that read or write memory shared with other iterations carry this group, and loops
#: over ``independent`` promise that no iteration depends on another's accesses of the group.
ACCESS_GROUP = "!0"


def llvm_type(dtype: str) -> str:
    """The LLVM type of a value: pointers ("float32*") are opaque."""
    return "ptr" if dtype.endswith("*") else LLVM_TYPES[dtype]


def memory_type(dtype: str) -> str:
    """The LLVM type of a value in memory."""
    return "i8" if dtype == "bool" else llvm_type(dtype)


def is_float(dtype: str) -> bool:
    return dtype in ("float16", "float32", "float64")


#: dtype of a complex number -> dtype of its parts.
PARTS = {"complex64": "float32", "complex128": "float64"}


def is_signed(dtype: str) -> bool:
    return dtype.startswith("int")


class Literal(str):
    """An LLVM constant that remembers its Python number, so that conversions fold."""

    __slots__ = ("number",)
    number: int | float | bool

    def __new__(cls, number: int | float | bool, dtype: str) -> Literal:
        text = super().__new__(cls, _spell(number, dtype))
        text.number = number
        return text


def _spell(number: int | float | bool, dtype: str) -> str:
    if dtype == "bool":
        return "true" if number else "false"
    if dtype in PARTS:
        kind, part = llvm_type(PARTS[dtype]), Literal(number, PARTS[dtype])
        return f"<{kind} {part}, {kind} {Literal(0, PARTS[dtype])}>"
    if is_float(dtype):
        value = float(number)
        if dtype == "float16":
            return f"0xH{struct.unpack('<H', struct.pack('<e', value))[0]:04X}"
        if dtype == "float32":
            value = _rounded(value)
        # LLVM spells a float constant by the bits of the double that equals it
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    width = WIDTHS[dtype]
    wrapped = int(number) & ((1 << width) - 1)
    if is_signed(dtype) and wrapped >> (width - 1):
        wrapped -= 1 << width
    return str(wrapped)


def _rounded(value: float) -> float:
    """``value`` as float32, as a double; overflow gives an infinity as a conversion does."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


@dataclass(frozen=True, slots=True)
class Tuning:
    """How loops are vectorised.

    vector_bits: the vector width to prefer, 0 for LLVM's own choice.
    masked_tails: run the last, incomplete vector of a loop under a mask, in place of a scalar loop.
    tile_bits: the widest vectors that multiply at full speed (tiles.py writes them itself).
    half: the processor converts float16.
    """

    vector_bits: int = 0
    masked_tails: bool = False
    tile_bits: int = 128
    half: bool = True

    @property
    def attributes(self) -> str:
        """LLVM function attributes."""
        return f' "prefer-vector-width"="{self.vector_bits}"' if self.vector_bits else ""


class ModuleText:
    """Module-level text by name: every declaration and helper function once."""

    def __init__(self, tuning: Tuning) -> None:
        self.tuning = tuning
        self.parts: dict[str, str] = {}
        self.loops: list[str] = []
        self.fixed_loops = False  # whether a range has literal bounds

    def need(self, name: str, text: str) -> None:
        """Have ``text`` (a declaration or definition of ``name``) in the module."""
        self.parts.setdefault(name, text)

    def loop(self, *, sums: bool, heavy: bool) -> str:
        """A fresh loop id that promises independent iterations.

        sums: but for running sums.  Such a loop gets no mask: LLVM interleaves several vectors of
        sums, which must not wait for one another, and masks would cost more than they save.
        heavy: a long chain of dependent arithmetic per element; two vectors at a time overlap.
        """
        identity = f"!{len(self.loops) + 4}"
        hints = ""
        if not sums:
            hints += ", !2" if self.tuning.masked_tails else ""
            hints += ", !3" if heavy else ""
        self.loops.append(f"{identity} = distinct !{{{identity}, !1{hints}}}")
        return identity

    def render(self) -> str:
        lines = list(self.parts.values())
        lines.append("!0 = distinct !{}")
        lines.append('!1 = !{!"llvm.loop.parallel_accesses", !0}')
        lines.append('!2 = !{!"llvm.loop.vectorize.predicate.enable", i1 true}')
        lines.append('!3 = !{!"llvm.loop.interleave.count", i32 2}')
        return "\n".join(lines + self.loops) + "\n"


class FunctionText:
    """One function under construction; values are names such as ``%7``."""

    def __init__(self, module: ModuleText) -> None:
        self.module = module
        self.entry: list[str] = []
        self.lines: list[str] = []
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"%t{self.count}"

    def do(self, instruction: str) -> None:
        """Write an instruction without a value."""
        self.lines.append("  " + instruction)

    def let(self, instruction: str) -> str:
        """Write an instruction; the name of its value."""
        name = self.name()
        self.lines.append(f"  {name} = {instruction}")
        return name

    def alloca(self, type: str, count: int = 1, align: int = 0) -> str:
        """Stack memory that lives until the function returns."""
        name = self.name()
        times = f", i64 {count}" if count != 1 else ""
        where = f", align {align}" if align else ""
        self.entry.append(f"  {name} = alloca {type}{times}{where}")
        return name

    def call(self, result: str, function: str, *operands: tuple[str, str]) -> str:
        """Call ``function`` (declared here); operands are (type, value) pairs."""
        types = ", ".join(t for t, _ in operands)
        self.module.need(function, f"declare {result} @{function}({types})")
        values = ", ".join(f"{t} {v}" for t, v in operands)
        return self.let(f"call {result} @{function}({values})")
