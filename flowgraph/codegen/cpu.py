"""Kernel -> kernel text: the loops of one kernel as readable Python for numba.

    kernel (map n0, reduce n1)              def kernel(block, start, stop):
      b0: float32 in [s, 1]                     n0, n1, b0, b0_s0, b1, b1_s0 = slot(block, 0), ...
      b1: float32 out [s, 1]                    for i0 in range(start, stop):
      %0 = load b0                                  ... max1 over i1, then sum4 of exp(v0 - v1),
      %1 = reduce_max %0            ->              the exponentials kept in b1 ...
      ...                                           for i1 in independent(n1):
      store b1, %5                                      v5 = v3 / v4
                                                        store(b1, b1_at0 + i1, v5)

Every literal is typed, base pointers and strides are read before the loops, each statement
stands in the outermost loop in which it can (so broadcast loads are hoisted), and the innermost
loop is ``independent`` or ``reducing``: LLVM vectorises it.

Two nests.  When the last axis is ``map`` and there are reduce axes before it, the innermost
loop runs along that contiguous axis and sums are kept per column (cpu_tiles.py).  Otherwise map
loops stand outside, reduce loops inside, and sums are scalars (here).

Float sums have a fixed order: chunks of CHUNK points, inside a chunk the lanes that LLVM chose when
it compiled the kernel, and chunk sums added in float64.  The result depends on the extents only.

``require`` does not stop the loops (that would keep them scalar): failures are collected and the
code of the first one in body order is returned at the end.

Read next: kernel/passes.py (levels of reductions), spill.py, cpu_tiles.py, intrinsics.py (the
names).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowgraph.codegen.spill import Spills, find_spills
from flowgraph.kernel.interpret import identity, integer
from flowgraph.kernel.ir import BROADCAST, IN, MAP, PAIRED, REDUCE, UNIT, Kernel
from flowgraph.kernel.passes import Pass, passes
from flowgraph.kernel.scalar import REDUCTIONS

#: scalar op -> kernel text; {0} {1} {2} are the operands.  The others are functions of their name.
SPELLING = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "floordiv": "{0} // {1}",
    "floormod": "{0} % {1}",
    "pow": "{0} ** {1}",
    "min": "minimum({0}, {1})",
    "max": "maximum({0}, {1})",
    "neg": "-{0}",
    "abs": "absolute({0})",
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
}


def spell(op: str, operands: Sequence[str]) -> str:
    """Kernel text of scalar op ``op``.

    >>> spell("add", ["x", "y"]), spell("exp", ["x"])
    ('x + y', 'exp(x)')
    """
    text = SPELLING.get(op)
    return text.format(*operands) if text else f"{op}({', '.join(operands)})"


#: Points whose float sum is kept in the sum's own dtype before float64 takes over.
CHUNK = 4096


def convert(dtype: str) -> str:
    """The name in kernel text that converts to ``dtype``."""
    return "bool_" if dtype == "bool" else dtype


def literal(value: int | float | bool, dtype: str) -> str:
    """A typed literal of kernel text.

    >>> literal(0.5, "float32"), literal(float("-inf"), "float64")
    ('float32(0.5)', 'float64(-inf)')
    """
    return f"{convert(dtype)}({value!r})"


def render(kernel: Kernel) -> str:
    """Kernel text of ``kernel``: Python source of ``def kernel(block, start, stop)``."""
    if kernel.axes and kernel.axes[-1] == MAP and REDUCE in kernel.axes:
        from flowgraph.codegen.cpu_tiles import TileNest

        return TileNest(kernel).render()
    return RowNest(kernel).render()


class Nest:
    """What both nests share: header, offsets, statements, requires."""

    def __init__(self, kernel: Kernel, order: Sequence[int]) -> None:
        self.kernel = kernel
        self.order = tuple(order)  # axes, outermost loop first
        self.maps = [axis for axis, kind in enumerate(kernel.axes) if kind == MAP]
        self.reduces = [axis for axis, kind in enumerate(kernel.axes) if kind == REDUCE]
        self.passes = passes(kernel)
        self.full = kernel.domains()
        self.spills: Spills = find_spills(kernel, self.passes)
        self.depth = self._depths()
        self.lines: list[str] = []
        self.indent = 1

    def _depths(self) -> list[int]:
        """For every value: how many loops of ``order`` must stand around it."""
        place = {axis: position + 1 for position, axis in enumerate(self.order)}
        rows = max((place[axis] for axis in self.maps), default=0)
        depths: list[int] = []
        for stmt in self.kernel.body:
            depth = max((depths[arg] for arg in stmt.args), default=0)
            if stmt.op == "load":
                depth = max((place[axis] for axis in self._axes_of(integer(stmt))), default=0)
            elif stmt.op == "index":
                depth = place[integer(stmt)]
            elif stmt.op in REDUCTIONS:
                depth = rows
            depths.append(depth)
        return depths

    def _axes_of(self, buffer: int) -> list[int]:
        """The axes along which ``buffer`` moves, in loop order."""
        strides = self.kernel.buffers[buffer].strides
        return [axis for axis in self.order if strides[axis] != BROADCAST]

    # -------------------------------------------------------------------------------------- lines

    def write(self, line: str) -> None:
        self.lines.append("    " * self.indent + line)

    def finish(self) -> str:
        """The text: header, the lines written so far, and the status."""
        body, self.lines, self.indent = self.lines, ["def kernel(block, start, stop):"], 1
        for word, (kind, number, axis) in enumerate(self.kernel.block_layout()):
            if kind == "extent":
                self.write(f"n{number} = slot(block, {word})")
            elif kind == "pointer":
                dtype = self.kernel.buffers[number].dtype
                self.write(f"b{number} = {dtype}_pointer(slot(block, {word}))")
            else:
                self.write(f"b{number}_s{axis} = slot(block, {word})")
        requires = [n for n, stmt in enumerate(self.kernel.body) if stmt.op == "require"]
        for number in requires:
            self.write(f"failed{number} = bool_(False)")
        self.lines += body
        if requires:
            sizes = [self.extent(axis) for axis in range(len(self.kernel.axes))]
            self.write(f"points = {' * '.join(sizes) or 1}")
        for number in requires:
            self.write(f"if failed{number} & (points > 0):")
            self.write(f"    return {self.kernel.body[number].imm}")
        self.write("return 0")
        return "\n".join(self.lines) + "\n"

    def extent(self, axis: int) -> str:
        """How far this call goes along ``axis``."""
        return "(stop - start)" if axis == 0 and self.kernel.axes[0] == MAP else f"n{axis}"

    def bounds(self, axis: int) -> str:
        return "start, stop" if axis == 0 and self.kernel.axes[0] == MAP else f"n{axis}"

    def loop(self, axis: int, bounds: str, kind: str, buffers: Iterable[int]) -> None:
        """Open the loop over ``axis``; the offsets of ``buffers`` that move on inside it follow."""
        self.write(f"for i{axis} in {kind}({bounds}):")
        self.indent += 1
        self.offsets(axis, buffers)

    def offsets(self, axis: int, buffers: Iterable[int]) -> None:
        for buffer in buffers:
            axes = self._axes_of(buffer)
            if axis in axes and axis != axes[-1]:
                self.write(f"b{buffer}_at{axis} = {self._offset(buffer, axis)}")

    def _offset(self, buffer: int, axis: int) -> str:
        """The element that ``buffer`` has reached by the loops down to ``axis``."""
        axes = self._axes_of(buffer)
        kind = self.kernel.buffers[buffer].strides[axis]
        known = {UNIT: f"i{axis}", PAIRED: f"i{axis} * 2"}
        step = known.get(kind, f"i{axis} * b{self._base(buffer)}_s{axis}")
        position = axes.index(axis)
        return f"b{buffer}_at{axes[position - 1]} + {step}" if position else step

    def place(self, buffer: int) -> str:
        """``pointer, index`` of the current element of ``buffer``."""
        axes, base = self._axes_of(buffer), self._base(buffer)
        index = self._offset(buffer, axes[-1]) if axes else "0"
        return f"b{base}, {index}" if base == buffer else f"b{base}, {index} + 1"

    def _base(self, buffer: int) -> int:
        """Whose pointer and strides are used: LLVM sees neighbours only through one pointer."""
        beside = self.kernel.buffers[buffer].beside
        return buffer if beside < 0 else beside

    def _mapping(self) -> str:
        """The kind of the innermost map loop.

        Stores that interleave (PAIRED) become whole vectors only without a masked tail.
        """
        paired = any(PAIRED in b.strides and b.mode != IN for b in self.kernel.buffers)
        return "reducing" if paired else "independent"

    # --------------------------------------------------------------------------------- statements

    def operand(self, number: int) -> str:
        stmt = self.kernel.body[number]
        if stmt.op == "const":
            assert stmt.imm is not None
            return literal(stmt.imm, stmt.dtype)
        return f"i{stmt.imm}" if stmt.op == "index" else f"v{number}"

    def statement(self, number: int) -> None:
        """Write one statement that is neither a store nor a reduction."""
        stmt = self.kernel.body[number]
        args = [self.operand(arg) for arg in stmt.args]
        if stmt.op in ("const", "index"):
            return
        if stmt.op == "require":
            self.write(f"failed{number} = failed{number} | ~{args[0]}")
        elif stmt.op == "load":
            self.write(f"v{number} = load({self.place(integer(stmt))})")
        elif stmt.op == "count":
            sizes = " * ".join(f"n{axis}" for axis in self.reduces)
            self.write(f"v{number} = {sizes or 1}")
        elif stmt.op == "cast":
            self.write(f"v{number} = {convert(stmt.dtype)}({args[0]})")
        else:
            self.write(f"v{number} = {spell(stmt.op, args)}")

    def store(self, number: int) -> None:
        stmt = self.kernel.body[number]
        self.write(f"store({self.place(integer(stmt))}, {self.operand(stmt.args[0])})")

    def full_statements(self, level: int, depth: int) -> None:
        """The statements of pass ``level`` that stand in the loop of ``depth``."""
        for number in self.spills.full[level]:
            if self.depth[number] != depth:
                continue
            reload = self.spills.reloads[level].get(number)
            if reload is not None:
                self.write(f"v{number} = load({self.place(reload)})")
            else:
                self.statement(number)

    def full_stores(self, level: int) -> None:
        """The stores of the loop of pass ``level``: after its loads, which may share memory."""
        for number, buffer in self.spills.stores[level].items():
            self.write(f"store({self.place(buffer)}, v{number})")
        for number in self.passes[level].stores:
            self.store(number)

    def touched(self, level: int) -> list[int]:
        """The buffers that the loop of pass ``level`` reads or writes."""
        found = {
            integer(self.kernel.body[n])
            for n in self.spills.full[level]
            if self.kernel.body[n].op == "load"
        }
        found |= {integer(self.kernel.body[n]) for n in self.passes[level].stores}
        found |= set(self.spills.reloads[level].values())
        found |= set(self.spills.stores[level].values())
        return sorted(found)

    def combined(self, number: int, total: str) -> str:
        """``total`` with the argument of reduction ``number`` taken in."""
        stmt = self.kernel.body[number]
        value = self.operand(stmt.args[0])
        if self.is_float_sum(number):
            return f"sum_in_any_order({total}, {value})"
        return spell(REDUCTIONS[stmt.op].scalar, [total, value])

    def is_float_sum(self, number: int) -> bool:
        stmt = self.kernel.body[number]
        return stmt.op == "reduce_sum" and stmt.dtype.startswith("float")

    def identity(self, number: int) -> str:
        stmt = self.kernel.body[number]
        return literal(identity(stmt.op, stmt.dtype), stmt.dtype)

    def short(self, number: int) -> str:
        """The name of the running value of reduction ``number``: ``sum4``."""
        return self.kernel.body[number].op.removeprefix("reduce_") + str(number)


class RowNest(Nest):
    """Map loops outside, reduce loops inside: one row at a time, sums in scalars."""

    def __init__(self, kernel: Kernel) -> None:
        kinds = kernel.axes
        order = [a for a, k in enumerate(kinds) if k == MAP]
        order += [a for a, k in enumerate(kinds) if k == REDUCE]
        super().__init__(kernel, order)

    def render(self) -> str:
        everything = range(len(self.kernel.buffers))
        loops_inside = bool(self.reduces) and any(p.loops for p in self.passes)
        self._rows(self.passes[0].rows, 0)
        for position, axis in enumerate(self.maps):
            last = position == len(self.maps) - 1
            kind = self._mapping() if last and not loops_inside else "range"
            self.loop(axis, self.bounds(axis), kind, everything)
            self._rows(self.passes[0].rows, position + 1)
        for level, p in enumerate(self.passes):
            if level:
                self._rows(p.rows, None)
            if self.reduces and p.loops:
                self._reduce_loops(level, p)
            elif not self.reduces:
                for number in p.reductions:  # over a single point
                    self.write(f"v{number} = {self.operand(self.kernel.body[number].args[0])}")
            for number in p.row_stores:
                self.store(number)
        return self.finish()

    def _rows(self, numbers: Iterable[int], depth: int | None) -> None:
        for number in numbers:
            if depth is None or self.depth[number] == depth:
                self.statement(number)

    def _reduce_loops(self, level: int, p: Pass) -> None:
        sums = [n for n in p.reductions if self.is_float_sum(n)]
        for number in p.reductions:
            if number in sums:
                self.write(f"total{number} = float64(0.0)")
            else:
                self.write(f"{self.short(number)} = {self.identity(number)}")
        outside = self.indent
        touched = self.touched(level)
        for axis in self.reduces[:-1]:
            self.loop(axis, self.bounds(axis), "range", touched)
            self.full_statements(level, self.order.index(axis) + 1)
        self._last_reduce_loop(level, p, sums, touched)
        self.indent = outside
        for number in p.reductions:
            dtype = self.kernel.body[number].dtype
            done = f"{dtype}(total{number})" if number in sums else self.short(number)
            self.write(f"v{number} = {done}")

    def _last_reduce_loop(self, level: int, p: Pass, sums: list[int], touched: list[int]) -> None:
        axis = self.reduces[-1]
        if sums:
            self.write(f"for c{axis} in range(0, n{axis}, {CHUNK}):")
            self.indent += 1
            for number in sums:
                self.write(f"{self.short(number)} = {self.identity(number)}")
            self.loop(axis, f"c{axis}, minimum(c{axis} + {CHUNK}, n{axis})", "reducing", touched)
        else:
            self.loop(axis, f"n{axis}", "reducing" if p.reductions else self._mapping(), touched)
        self.full_statements(level, len(self.order))
        for number in p.reductions:
            running = self.short(number)
            self.write(f"{running} = {self.combined(number, running)}")
        self.full_stores(level)
        if sums:
            self.indent -= 1
            for number in sums:
                self.write(f"total{number} = total{number} + float64({self.short(number)})")
