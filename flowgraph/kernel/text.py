"""Kernels as text and back: ``parse(show(kernel)) == kernel``.

    kernel (map n0, reduce n1)
      b0: float32 in [s, 1]
      b1: float32 out [1, 0]
      %0 = load b0            float32
      %1 = const 0.5          float32
      %2 = mul %0, %1         float32
      %3 = reduce_sum %2      float32
      store b1, %3

A statement's number is its place in the body; stores and requires have places but no names.  Used
by dumps and tests.

Read next: ir.py (what it means).
"""

from __future__ import annotations

import re

from flowgraph.kernel.ir import Buffer, Kernel, KernelError, Stmt, verify

_WIDTH = 24  # column of a statement's dtype, as far as the statement lets it

_HEAD = re.compile(r"kernel \((?P<axes>.*)\)")
_BUFFER = re.compile(
    r"b(?P<number>\d+): (?P<dtype>\w+) (?P<mode>\w+) \[(?P<strides>.*)\]"
    r"(?: beside b(?P<beside>\d+))?"
)
_STORE = re.compile(r"store b(?P<buffer>\d+), %(?P<value>\d+)")
_REQUIRE = re.compile(r"require %(?P<value>\d+) else (?P<code>\d+)")
_VALUE = re.compile(r"%(?P<number>\d+) = (?P<op>\w+)(?: (?P<operands>.*?))?\s+(?P<dtype>\w+)")


def show(kernel: Kernel) -> str:
    """``kernel`` as text, ending in a newline.

    >>> from flowgraph.kernel.ir import Buffer, Kernel, Stmt
    >>> line = ("1",)
    >>> buffers = Buffer("int32", "in", line), Buffer("int32", "out", line)
    >>> load, neg = Stmt("load", (), "int32", 0), Stmt("neg", (0,), "int32")
    >>> kernel = Kernel(("map",), buffers, (load, neg, Stmt("store", (1,), "int32", 1)))
    >>> print(show(kernel), end="")
    kernel (map n0)
      b0: int32 in [1]
      b1: int32 out [1]
      %0 = load b0            int32
      %1 = neg %0             int32
      store b1, %1
    """
    axes = ", ".join(f"{kind} n{axis}" for axis, kind in enumerate(kernel.axes))
    lines = [f"kernel ({axes})"]
    for number, buffer in enumerate(kernel.buffers):
        place = f" beside b{buffer.beside}" if buffer.beside >= 0 else ""
        strides = ", ".join(buffer.strides)
        lines.append(f"  b{number}: {buffer.dtype} {buffer.mode} [{strides}]{place}")
    lines.extend("  " + _line(number, stmt) for number, stmt in enumerate(kernel.body))
    return "\n".join(lines) + "\n"


def _line(number: int, stmt: Stmt) -> str:
    if stmt.op == "store":
        return f"store b{stmt.imm}, %{stmt.args[0]}"
    if stmt.op == "require":
        return f"require %{stmt.args[0]} else {stmt.imm}"
    operands = [f"%{arg}" for arg in stmt.args]
    if stmt.op == "load":
        operands = [f"b{stmt.imm}"]
    elif stmt.op == "index":
        operands = [f"n{stmt.imm}"]
    elif stmt.imm is not None:
        operands.append(repr(stmt.imm))
    left = f"%{number} = {stmt.op} {', '.join(operands)}".rstrip()
    return f"{left:<{_WIDTH - 1}} {stmt.dtype}"


def parse(text: str) -> Kernel:
    """The verified Kernel that ``text`` describes.

    Raises:
        KernelError: the text is not what ``show`` writes, or describes an ill-formed kernel.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    head = _HEAD.fullmatch(lines[0]) if lines else None
    if head is None:
        raise KernelError("a kernel begins with: kernel (map n0, ...)")
    axes = tuple(part.split()[0] for part in head["axes"].split(",") if part.strip())
    buffers: list[Buffer] = []
    body: list[Stmt] = []
    for line in lines[1:]:
        buffer = _BUFFER.fullmatch(line)
        if buffer is None:
            body.append(_stmt(line, len(body)))
            continue
        if int(buffer["number"]) != len(buffers) or body:
            raise KernelError(f"out of place: {line}")
        strides = tuple(part.strip() for part in buffer["strides"].split(",") if part.strip())
        beside = int(buffer["beside"] or -1)
        buffers.append(Buffer(buffer["dtype"], buffer["mode"], strides, beside))
    # a store takes the dtype of its value
    for number, stmt in enumerate(body):
        if stmt.op == "store" and stmt.args[0] < number:
            body[number] = Stmt("store", stmt.args, body[stmt.args[0]].dtype, stmt.imm)
    kernel = Kernel(axes, tuple(buffers), tuple(body))
    verify(kernel)
    return kernel


def _stmt(line: str, number: int) -> Stmt:
    store = _STORE.fullmatch(line)
    if store is not None:
        return Stmt("store", (int(store["value"]),), "", int(store["buffer"]))
    require = _REQUIRE.fullmatch(line)
    if require is not None:
        return Stmt("require", (int(require["value"]),), "bool", int(require["code"]))
    value = _VALUE.fullmatch(line)
    if value is None or int(value["number"]) != number:
        raise KernelError(f"cannot read statement %{number}: {line}")
    op, dtype = value["op"], value["dtype"]
    operands = [part.strip() for part in (value["operands"] or "").split(",") if part.strip()]
    if op in ("load", "index"):
        if len(operands) != 1 or not operands[0][1:].isdigit():
            raise KernelError(f"cannot read statement %{number}: {line}")
        return Stmt(op, (), dtype, int(operands[0][1:]))
    if op == "const":
        return Stmt(op, (), dtype, _number(operands, dtype))
    if not all(re.fullmatch(r"%\d+", operand) for operand in operands):
        raise KernelError(f"cannot read statement %{number}: {line}")
    return Stmt(op, tuple(int(operand[1:]) for operand in operands), dtype)


def _number(operands: list[str], dtype: str) -> int | float | bool:
    try:
        (word,) = operands
        if dtype == "bool":
            return {"True": True, "False": False}[word]
        return float(word) if dtype.startswith("float") else int(word)
    except (ValueError, KeyError):
        raise KernelError(f"not a {dtype} constant: {', '.join(operands)}") from None
