"""Kernel -> numba text."""

from __future__ import annotations

from flowgraph.kernel.ir import BROADCAST, REDUCE, STRIDED, UNIT, Kernel

#: scalar op -> kernel text; {0} {1} {2} are the operands.
SPELLING = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "floordiv": "{0} // {1}",
    "floormod": "{0} % {1}",
    "truncdiv": "truncdiv({0}, {1})",
    "truncmod": "truncmod({0}, {1})",
    "pow": "{0} ** {1}",
    "min": "minimum({0}, {1})",
    "max": "maximum({0}, {1})",
    "neg": "-{0}",
    "abs": "absolute({0})",
    "sign": "sign({0})",
    "exp": "exp({0})",
    "expm1": "expm1({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "sqrt": "sqrt({0})",
    "rsqrt": "rsqrt({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "tanh": "tanh({0})",
    "sigmoid": "sigmoid({0})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "rint": "rint({0})",
    "trunc": "trunc({0})",
    "isnan": "isnan({0})",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} ^ {1}",
    "not": "~{0}",
    "shl": "{0} << {1}",
    "shr": "{0} >> {1}",
    "select": "select({0}, {1}, {2})",
}


def convert(dtype: str) -> str:
    """The kernel-text name that converts to ``dtype``."""
    return "bool_" if dtype == "bool" else dtype


def literal(value: int | float | bool, dtype: str) -> str:
    """A typed literal of kernel text."""
    return f"{convert(dtype)}({value!r})"


def render(kernel: Kernel) -> str:
    """numba text of ``kernel``: ``def kernel(block, start, stop)``."""
    if REDUCE in kernel.axes:
        raise NotImplementedError
    lines = ["def kernel(block, start, stop):"]
    for word, (kind, number, axis) in enumerate(kernel.block_layout()):
        if kind == "extent":
            lines.append(f"    n{number} = slot(block, {word})")
        elif kind == "pointer":
            lines.append(f"    b{number} = {kernel.buffers[number].dtype}_pointer(slot(block, {word}))")
        else:
            lines.append(f"    b{number}_s{axis} = slot(block, {word})")
    rank = len(kernel.axes)
    depth = _depths(kernel)
    for level in range(rank + 1):
        indent = "    " * (level + 1)
        if level:
            axis = level - 1
            loop = "independent" if level == rank else "range"
            bounds = "start, stop" if axis == 0 else f"n{axis}"
            lines.append(f"{'    ' * level}for i{axis} in {loop}({bounds}):")
            for number, buffer in enumerate(kernel.buffers):
                if buffer.strides[axis] != BROADCAST:
                    lines.append(indent + _offset(number, buffer.strides, axis))
        for number, stmt in enumerate(kernel.body):
            if depth[number] == level:
                lines.append(indent + _statement(kernel, number))
    lines.append("    return 0")
    return "\n".join(lines) + "\n"


def _offset(number: int, strides: tuple[str, ...], axis: int) -> str:
    step = f"i{axis}" if strides[axis] == UNIT else f"i{axis} * b{number}_s{axis}"
    before = next((a for a in reversed(range(axis)) if strides[a] != BROADCAST), None)
    return f"b{number}_at{axis} = " + (step if before is None else f"b{number}_at{before} + {step}")


def _where(kernel: Kernel, number: int) -> str:
    strides = kernel.buffers[number].strides
    last = next((a for a in reversed(range(len(strides))) if strides[a] != BROADCAST), None)
    return f"b{number}, 0" if last is None else f"b{number}, b{number}_at{last}"


def _depths(kernel: Kernel) -> list[int]:
    """For every statement: how many loops stand around it."""
    rank = len(kernel.axes)
    depths: list[int] = []
    for stmt in kernel.body:
        depth = max((depths[arg] for arg in stmt.args), default=0)
        if stmt.op == "load":
            strides = kernel.buffers[stmt.imm].strides
            depth = max((a + 1 for a in range(rank) if strides[a] != BROADCAST), default=0)
        elif stmt.op == "index":
            depth = stmt.imm + 1
        elif stmt.op in ("store", "require"):
            depth = rank
        depths.append(depth)
    return depths


def _statement(kernel: Kernel, number: int) -> str:
    stmt = kernel.body[number]
    args = [f"v{arg}" for arg in stmt.args]
    if stmt.op == "store":
        return f"store({_where(kernel, stmt.imm)}, {args[0]})"
    if stmt.op == "require":
        return f"if not {args[0]}: return {stmt.imm}"
    if stmt.op == "load":
        value = f"load({_where(kernel, stmt.imm)})"
    elif stmt.op == "const":
        value = literal(stmt.imm, stmt.dtype)
    elif stmt.op == "index":
        value = f"i{stmt.imm}"
    elif stmt.op == "count":
        value = "1"
    elif stmt.op == "cast":
        value = f"{convert(stmt.dtype)}({args[0]})"
    else:
        value = SPELLING[stmt.op].format(*args)
    return f"v{number} = {value}"
