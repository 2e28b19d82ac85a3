"""Kernels whose last axis is ``map`` behind reduce axes: sums per column, in tiles of columns.

A bias gradient sums a matrix over its first axis.  Walking down one column at a time would stride
through memory; here the innermost loop runs along the contiguous last axis and the running sums of
TILE columns live in a stack array that stays in the first-level cache:

    for j1 in range(0, n1, TILE):                      # a tile of columns
        sum2 = 0 for each column
        for i0 in range(n0):                           # down the rows
            for k1 in independent(w1):                 # along the columns: vectorised
                sum2[k1] += load(b0, i0, j1 + k1)
        for k1 in independent(w1): store(b1, ...)      # row values, once per column

Row values that depend on the column are kept in further stack arrays when a later loop needs
them and they are more than a load.  Float sums add CHUNK rows in their own dtype and the chunks
in float64.

Read next: cpu.py (the other nest, and everything shared).
"""

from __future__ import annotations

from collections.abc import Iterable

from flowgraph.codegen.cpu import Nest, convert, spell
from flowgraph.kernel.ir import MAP, REDUCE, Kernel
from flowgraph.kernel.passes import Pass
from flowgraph.kernel.scalar import REDUCTIONS

#: Columns of a tile: three float32 arrays and the rows that pass by fit a 32 KB cache.
TILE = 512

#: Rows whose float sum is kept in the sum's own dtype before float64 takes over.
CHUNK = 256


class TileNest(Nest):
    """Outer map loops, a tile of the last axis, reduce loops, the columns of the tile inside."""

    def __init__(self, kernel: Kernel) -> None:
        outer = [a for a, k in enumerate(kernel.axes[:-1]) if k == MAP]
        reduces = [a for a, k in enumerate(kernel.axes) if k == REDUCE]
        self.column = len(kernel.axes) - 1
        super().__init__(kernel, [*outer, *reduces, self.column])
        self.outer = outer
        self.arrays = self._arrays()
        self.converted = self._converted()

    def render(self) -> str:
        column = self.column
        self._scalars(0, 0)
        for number in self.arrays:
            dtype = self.kernel.body[number].dtype
            self.write(f"{self._array(number)} = {dtype}_stack({TILE})")
            if self.is_float_sum(number):
                self.write(f"total{number} = float64_stack({TILE})")
        everything = range(len(self.kernel.buffers))
        for position, axis in enumerate(self.outer):
            self.loop(axis, self.bounds(axis), "range", everything)
            self._scalars(0, position + 1)
        self.write(f"for j{column} in range(0, n{column}, {TILE}):")
        self.indent += 1
        self.write(f"w{column} = minimum({TILE}, n{column} - j{column})")
        for level, p in enumerate(self.passes):
            self._row_loop(p, keep=True, stores=not p.loops)
            if p.loops:
                self._reduce_loops(level, p)
                self._row_loop(p, keep=False, stores=True)
        return self.finish()

    # --------------------------------------------------------------------- values, one per column

    def _per_column(self, number: int) -> bool:
        """Whether a row value differs between the columns of a tile."""
        return self.depth[number] == len(self.order)

    def _arrays(self) -> list[int]:
        """Row values kept in stack arrays: reductions, and what a loop after their own needs."""
        body = self.kernel.body
        level_of = {n: level for level, p in enumerate(self.passes) for n in p.rows}
        kept = {n for p in self.passes for n in p.reductions}
        users: list[tuple[float, int]] = [
            (level, n)
            for level, p in enumerate(self.passes)
            for n in (*self.spills.full[level], *p.reductions, *p.stores)
        ]
        users += [(level + 0.5, n) for level, p in enumerate(self.passes) for n in p.rows]
        users += [(level + 0.5, n) for level, p in enumerate(self.passes) for n in p.row_stores]
        for level, user in users:
            for n in body[user].args:
                simple = body[n].op in ("load", "const", "index", "count")
                own_loop = level == level_of.get(n, -1) + 0.5
                if n in level_of and self._per_column(n) and not simple and not own_loop:
                    kept.add(n)
        return sorted(kept)

    def _converted(self) -> set[int]:
        """Float sums that a loop over the reduce axes reads: converted from float64 only once."""
        readers = {n for numbers in self.spills.full for n in numbers}
        readers |= {n for p in self.passes for n in (*p.reductions, *p.stores)}
        taken = {arg for n in readers for arg in self.kernel.body[n].args}
        return {n for n in taken if self.kernel.body[n].op in REDUCTIONS and self.is_float_sum(n)}

    def combined(self, number: int, total: str) -> str:
        # the columns of a tile are added side by side, each in its own order
        stmt = self.kernel.body[number]
        return spell(REDUCTIONS[stmt.op].scalar, [total, self.operand(stmt.args[0])])

    def _array(self, number: int) -> str:
        if self.kernel.body[number].op in REDUCTIONS:
            return self.short(number)
        return f"row{number}"

    def _fetch(self, users: Iterable[int], made: set[int]) -> None:
        """Bring the per-column row values that ``users`` take into this loop body."""
        for number in sorted({n for user in users for n in self.kernel.body[user].args}):
            if number in made or self.full[number] or not self._per_column(number):
                continue
            if number in self.arrays:
                self.write(f"v{number} = {self._kept(number)}")
            elif self.kernel.body[number].op == "load":
                self.statement(number)

    def _kept(self, number: int) -> str:
        """The value of this column that a finished loop left in a stack array."""
        if self.is_float_sum(number) and number not in self.converted:
            total = f"load(total{number}, k{self.column})"
            return f"{convert(self.kernel.body[number].dtype)}({total})"
        return f"load({self._array(number)}, k{self.column})"

    def _columns(self, buffers: Iterable[int]) -> None:
        """Open the loop over the columns of the tile."""
        column = self.column
        self.write(f"for k{column} in independent(w{column}):")
        self.indent += 1
        self.write(f"i{column} = j{column} + k{column}")
        self.offsets(column, buffers)

    def _each_column(self, lines: Iterable[str]) -> None:
        self.write(f"for k{self.column} in independent(w{self.column}):")
        for line in lines:
            self.write(f"    {line}")

    # -------------------------------------------------------------------------------------- loops

    def _scalars(self, level: int, depth: int) -> None:
        """Row statements that are the same for every column."""
        for number in self.passes[level].rows:
            if self.depth[number] == depth and not self._per_column(number):
                self.statement(number)

    def _row_loop(self, p: Pass, keep: bool, stores: bool) -> None:
        """Once per column: row values that are kept and row requires, and the row stores."""
        body = self.kernel.body
        mine = [n for n in p.rows if self._per_column(n)]
        kept = [n for n in mine if n in self.arrays]
        if keep:
            roots = kept + [n for n in mine if body[n].op == "require"]
        else:
            mine = [n for n in mine if n not in kept]
            roots = []
        row_stores = p.row_stores if stores else ()
        if not roots and not row_stores:
            return
        wanted = self._closure([*roots, *(body[n].args[0] for n in row_stores)], mine)
        loads = [n for n in wanted if body[n].op == "load"]
        rest = [n for n in wanted if body[n].op != "load"]
        self._columns([])
        for number in loads:
            self.statement(number)
        self._fetch([*rest, *row_stores], set(wanted))
        for number in rest:
            self.statement(number)
        if keep:
            for number in kept:
                self.write(f"store({self._array(number)}, k{self.column}, v{number})")
        for number in row_stores:
            self.store(number)
        self.indent -= 1

    def _closure(self, roots: Iterable[int], within: list[int]) -> list[int]:
        found: set[int] = set()
        pending = list(roots)
        while pending:
            number = pending.pop()
            if number in within and number not in found:
                found.add(number)
                pending.extend(self.kernel.body[number].args)
        return sorted(found)

    def _reduce_loops(self, level: int, p: Pass) -> None:
        column, axis = f"k{self.column}", self.reduces[-1]
        sums = [n for n in p.reductions if self.is_float_sum(n)]
        if p.reductions:
            starts = [f"store({self.short(n)}, {column}, {self.identity(n)})" for n in p.reductions]
            starts += [f"store(total{n}, {column}, float64(0.0))" for n in sums]
            self._each_column(starts)
        outside = self.indent
        touched = self.touched(level)
        for outer in self.reduces[:-1]:
            self.loop(outer, self.bounds(outer), "range", touched)
            self.full_statements(level, self.order.index(outer) + 1)
        inside, bounds = self.indent, f"n{axis}"
        if sums:
            self.write(f"for c{axis} in range(0, n{axis}, {CHUNK}):")
            self.indent += 1
            bounds = f"c{axis}, minimum(c{axis} + {CHUNK}, n{axis})"
        self.loop(axis, bounds, "range", touched)
        self.full_statements(level, self.order.index(axis) + 1)
        self._innermost(level, p, touched)
        if sums:
            self.indent = inside + 1
            lines = []
            for n in sums:
                total, part = f"total{n}, {column}", f"{self.short(n)}, {column}"
                lines.append(f"store({total}, load({total}) + float64(load({part})))")
                lines.append(f"store({part}, {self.identity(n)})")
            self._each_column(lines)
        self.indent = outside
        done = [n for n in sums if n in self.converted]
        if done:
            lines = []
            for n in done:
                value = f"{convert(self.kernel.body[n].dtype)}(load(total{n}, {column}))"
                lines.append(f"store({self.short(n)}, {column}, {value})")
            self._each_column(lines)

    def _innermost(self, level: int, p: Pass, touched: list[int]) -> None:
        self._columns(touched)
        self._fetch([*self.spills.full[level], *p.reductions, *p.stores], set())
        self.full_statements(level, len(self.order))
        for number in p.reductions:
            place = f"{self.short(number)}, k{self.column}"
            self.write(f"store({place}, {self.combined(number, f'load({place})')})")
        self.full_stores(level)
