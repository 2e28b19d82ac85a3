"""Passes of a Kernel -> the text of its CUDA stages.

A *stage* is one launch: one Python function that numba.cuda compiles to one entry point.  Its
parameters are the words of ``Kernel.block_layout`` by value, in that order (``n0 n1 b0 s0_0 b1
...``), then what only CUDA needs: ``status`` (one int32 per require), ``splits``, and scratch
(``part4``: partial results of reduction %4, ``done4``: its results, one per row).

Names in the text: ``i0`` index along axis 0, ``v3`` value %3, ``a4`` the running value of reduction
%4, ``row`` a flat index over the map axes, ``k`` one over the reduce axes, ``t`` the thread.

All float sums run in an order that depends on extents and constants of this file alone: threads
take points ``k = t, t + THREADS, ...`` and a tree over shared memory joins them.  No atomics, no
shuffles.

Read next: cuda.py (which stages a kernel gets, and when each is launched), cuda_math.py (spelling).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flowgraph.codegen.cuda_math import cast, literal, spell
from flowgraph.kernel.interpret import identity, integer
from flowgraph.kernel.ir import BROADCAST, MAP, PAIRED, REDUCE, UNIT, Kernel
from flowgraph.kernel.passes import Pass
from flowgraph.kernel.scalar import REDUCTIONS

#: Threads of a block; of a block that joins the partial results of one row.
THREADS, COMBINE_THREADS = 256, 64


class StageText:
    """Writes one stage of ``kernel``: prelude, index arithmetic, statements, reductions."""

    def __init__(self, kernel: Kernel, threads: int = THREADS) -> None:
        self.kernel = kernel
        self.threads = threads
        self.lines: list[str] = []
        self.indent = 1
        self.extras: list[str] = []  # parameters beyond the block layout, in order of first use
        self.shared: dict[str, str] = {}  # name of shared array -> memory dtype
        self.requires = [n for n, stmt in enumerate(kernel.body) if stmt.op == "require"]
        self.rows = self._product(MAP)
        self.points = self._product(REDUCE)

    # ------------------------------------------------------------------------------------ writing

    def line(self, text: str) -> None:
        """Append one line at the present indentation."""
        self.lines.append("    " * self.indent + text)

    @contextmanager
    def nested(self, header: str) -> Iterator[None]:
        """``header`` (an ``if`` or ``while``) around the lines written inside."""
        self.line(header)
        self.indent += 1
        yield
        self.indent -= 1

    def parameter(self, name: str) -> str:
        """Make ``name`` a parameter of this stage."""
        if name not in self.extras:
            self.extras.append(name)
        return name

    def source(self, name: str, layout: Sequence[str]) -> str:
        """The whole function: ``layout`` names the words of the argument block."""
        shared = [
            f"    {array} = cuda.shared.array({self.threads}, {dtype})"
            for array, dtype in self.shared.items()
        ]
        header = f"def {name}({', '.join([*layout, *self.extras])}):"
        return "\n".join([header, *shared, *self.lines]) + "\n"

    # ------------------------------------------------------------------------------------- indices

    def _axes(self, kind: str) -> list[int]:
        return [axis for axis, k in enumerate(self.kernel.axes) if k == kind]

    def _product(self, kind: str) -> str:
        return " * ".join(f"n{axis}" for axis in self._axes(kind)) or "int64(1)"

    def thread(self) -> None:
        """``t``: this thread's number in its block."""
        self.line("t = int64(cuda.threadIdx.x)")

    def flat_thread(self, name: str) -> None:
        """``name``: this thread's number in the grid."""
        self.line(
            f"{name} = int64(cuda.blockIdx.x) * int64({self.threads}) + int64(cuda.threadIdx.x)"
        )

    def divide(self, quotient: str, rest: str, flat: str, divisor: str) -> None:
        """``quotient, rest = divmod(flat, divisor)`` of non-negative numbers."""
        # NB: unsigned: Python's floor rule costs extra, and NVVM replaces an unsigned 64-bit
        # division by a 32-bit one at run time whenever both numbers are small.
        self.line(f"{quotient} = int64(uint64({flat}) // uint64({divisor}))")
        self.line(f"{rest} = {flat} - {quotient} * {divisor}")

    def indices(self, flat: str, axes: Sequence[int]) -> None:
        """``i{axis}`` for ``axes`` (outermost first) from the flat index over them."""
        for axis in reversed(axes[1:]):
            self.divide(f"{flat}_{axis}", f"i{axis}", flat, f"n{axis}")
            flat = f"{flat}_{axis}"
        if axes:
            self.line(f"i{axes[0]} = {flat}")

    def row_indices(self) -> None:
        """Map indices from ``row``."""
        self.indices("row", self._axes(MAP))

    def point_indices(self) -> None:
        """Reduce indices from ``k``."""
        self.indices("k", self._axes(REDUCE))

    def domain_indices(self, flat: str) -> None:
        """All indices from ``flat``, a flat index over the whole domain; and ``row``."""
        self.indices(flat, range(len(self.kernel.axes)))
        row = "int64(0)"
        for position, axis in enumerate(self._axes(MAP)):
            row = f"({row}) * n{axis} + i{axis}" if position else f"i{axis}"
        self.line(f"row = {row}")

    # ---------------------------------------------------------------------------------- statements

    def statements(self, numbers: Sequence[int]) -> None:
        """Statements of the body other than reductions, in the given order."""
        for number in numbers:
            self._statement(number)

    def _statement(self, number: int) -> None:
        stmt = self.kernel.body[number]
        args = [f"v{arg}" for arg in stmt.args]
        if stmt.op == "store":
            self.line(f"{self._cell(integer(stmt))} = {to_memory(args[0], stmt.dtype)}")
            return
        if stmt.op == "require":
            word = self.requires.index(number)
            # every thread that fails writes the same number: no race that could be seen
            with self.nested(f"if not {args[0]}:"):
                self.line(f"{self.parameter('status')}[{word}] = int32({stmt.imm})")
            return
        if stmt.op == "load":
            value = from_memory(self._cell(integer(stmt)), stmt.dtype)
        elif stmt.op == "const":
            assert stmt.imm is not None
            value = literal(stmt.imm, stmt.dtype)
        elif stmt.op == "index":
            value = f"i{stmt.imm}"
        elif stmt.op == "count":
            value = self.points
        elif stmt.op == "cast":
            value = cast(args[0], self.kernel.body[stmt.args[0]].dtype, stmt.dtype)
        else:
            value = spell(stmt.op, self.kernel.body[stmt.args[-1]].dtype, args)
        self.line(f"v{number} = {value}")

    def _cell(self, number: int) -> str:
        terms = [
            {UNIT: f"i{axis}", PAIRED: f"i{axis} * 2"}.get(stride, f"i{axis} * s{number}_{axis}")
            for axis, stride in enumerate(self.kernel.buffers[number].strides)
            if stride != BROADCAST
        ]
        return f"b{number}[{' + '.join(terms) or '0'}]"

    # ---------------------------------------------------------------------------------- reductions

    def combine(self, number: int, left: str, right: str) -> str:
        """Text that joins two partial results of reduction ``number``."""
        stmt = self.kernel.body[number]
        return spell(REDUCTIONS[stmt.op].scalar, stmt.dtype, [left, right])

    def accumulate(self, current: Pass, start: str, step: str) -> None:
        """The loop of ``current`` over points ``start, start + step, ...``: fills ``a{n}``."""
        for number in current.reductions:
            stmt = self.kernel.body[number]
            self.line(f"a{number} = {literal(identity(stmt.op, stmt.dtype), stmt.dtype)}")
        self.line(f"k = {start}")
        with self.nested(f"while k < {self.points}:"):
            self.point_indices()
            self.statements(current.full)
            for number in current.reductions:
                argument = self.kernel.body[number].args[0]
                self.line(f"a{number} = {self.combine(number, f'a{number}', f'v{argument}')}")
            self.statements(current.stores)
            self.line(f"k = k + {step}")

    def tree(self, numbers: Sequence[int]) -> None:
        """``v{n}`` in every thread of the block from ``a{n}`` of each, by a fixed tree."""
        arrays = self._shared_arrays(numbers)
        for number, array in zip(numbers, arrays, strict=True):
            self.line(f"{array}[t] = {to_memory(f'a{number}', self.kernel.body[number].dtype)}")
        self.line("cuda.syncthreads()")
        self.line(f"width = int64({self.threads // 2})")
        with self.nested("while width > int64(0):"):
            with self.nested("if t < width:"):
                for number, array in zip(numbers, arrays, strict=True):
                    dtype = self.kernel.body[number].dtype
                    self.line(f"x{number} = {from_memory(f'{array}[t]', dtype)}")
                    self.line(f"y{number} = {from_memory(f'{array}[t + width]', dtype)}")
                    self.line(f"a{number} = {self.combine(number, f'x{number}', f'y{number}')}")
                    self.line(f"{array}[t] = {to_memory(f'a{number}', dtype)}")
            self.line("cuda.syncthreads()")
            self.line("width = width >> int64(1)")
        for number, array in zip(numbers, arrays, strict=True):
            self.line(f"v{number} = {from_memory(f'{array}[0]', self.kernel.body[number].dtype)}")

    def _shared_arrays(self, numbers: Sequence[int]) -> list[str]:
        arrays: list[str] = []
        for number in numbers:
            dtype = memory_dtype(self.kernel.body[number].dtype)
            ordinal = sum(name.startswith(f"shared_{dtype}_") for name in arrays)
            arrays.append(f"shared_{dtype}_{ordinal}")
            self.shared[arrays[-1]] = dtype
        return arrays


def memory_dtype(dtype: str) -> str:
    """How an element of ``dtype`` lies in memory: bool is one byte, 0 or 1."""
    return "uint8" if dtype == "bool" else dtype


def to_memory(value: str, dtype: str) -> str:
    """Text of ``value`` as it is stored."""
    return f"uint8(1) if {value} else uint8(0)" if dtype == "bool" else value


def from_memory(cell: str, dtype: str) -> str:
    """Text of the value in ``cell``."""
    return f"{cell} != uint8(0)" if dtype == "bool" else cell


# ------------------------------------------------------------------------------------------ stages


def row_per_thread(kernel: Kernel, passes: Sequence[Pass]) -> StageText:
    """All passes of a row by one thread, one point after the other."""
    w = StageText(kernel)
    w.flat_thread("row")
    with w.nested(f"if row < {w.rows}:"):
        w.row_indices()
        for current in passes:
            w.statements(current.rows)
            if current.loops:
                w.accumulate(current, "int64(0)", "int64(1)")
                for number in current.reductions:
                    w.line(f"v{number} = a{number}")
            w.statements(current.row_stores)
    return w


def row_per_block(kernel: Kernel, passes: Sequence[Pass]) -> StageText:
    """All passes of a row by one block: a tree over shared memory ends each reducing pass."""
    w = StageText(kernel)
    w.thread()
    w.line("row = int64(cuda.blockIdx.x)")
    w.row_indices()
    for position, current in enumerate(passes):
        w.statements(current.rows)
        if current.loops:
            w.accumulate(current, "t", f"int64({THREADS})")
        if current.reductions:
            if position:
                w.line("cuda.syncthreads()")  # all have read the results of the pass before
            w.tree(current.reductions)
        if current.row_stores:
            # These may overwrite a row operand: all loaded it before the first tree's barrier.
            with w.nested("if t == int64(0):"):
                w.statements(current.row_stores)
    return w


def partial(kernel: Kernel, passes: Sequence[Pass], level: int, by_thread: bool) -> StageText:
    """Pass ``level`` over one split of a row; a split is every ``splits``-th point or chunk.

    ``by_thread``: one thread per (split, row), rows next to each other, so that columns are read
    in order; otherwise one block per (row, split) and a tree.
    """
    w = StageText(kernel)
    current = passes[level]
    if by_thread:
        w.flat_thread("flat")
        splits = w.parameter("splits")
        with w.nested(f"if flat < {splits} * {w.rows}:"):
            w.line(f"rows = {w.rows}")
            w.divide("split", "row", "flat", "rows")
            w.row_indices()
            _known_rows(w, passes[: level + 1])
            w.accumulate(current, "split", splits)
            for number in current.reductions:
                value = to_memory(f"a{number}", kernel.body[number].dtype)
                w.line(f"{w.parameter(f'part{number}')}[row * {splits} + split] = {value}")
        return w
    w.thread()
    w.line("block = int64(cuda.blockIdx.x)")
    splits = w.parameter("splits")
    w.divide("row", "split", "block", splits)
    w.row_indices()
    _known_rows(w, passes[: level + 1])
    chunk = f"int64({THREADS})"
    w.accumulate(current, f"split * {chunk} + t", f"{splits} * {chunk}")
    w.tree(current.reductions)
    with w.nested("if t == int64(0):"):
        for number in current.reductions:
            value = to_memory(f"v{number}", kernel.body[number].dtype)
            w.line(f"{w.parameter(f'part{number}')}[block] = {value}")
    return w


def combine(kernel: Kernel, passes: Sequence[Pass], level: int, finish: bool) -> StageText:
    """One block per row joins the partial results of pass ``level``.

    ``finish``: its first thread then computes the row's last values and stores them.
    """
    w = StageText(kernel, COMBINE_THREADS)
    current = passes[level]
    w.thread()
    w.line("row = int64(cuda.blockIdx.x)")
    splits = w.parameter("splits")
    for number in current.reductions:
        stmt = kernel.body[number]
        w.line(f"a{number} = {literal(identity(stmt.op, stmt.dtype), stmt.dtype)}")
    w.line("k = t")
    with w.nested(f"while k < {splits}:"):
        for number in current.reductions:
            cell = f"{w.parameter(f'part{number}')}[row * {splits} + k]"
            w.line(f"x{number} = {from_memory(cell, kernel.body[number].dtype)}")
            w.line(f"a{number} = {w.combine(number, f'a{number}', f'x{number}')}")
        w.line(f"k = k + int64({COMBINE_THREADS})")
    w.tree(current.reductions)
    with w.nested("if t == int64(0):"):
        if finish:
            w.row_indices()
            _known_rows(w, passes[: level + 1])
            for following in passes[level + 1 :]:
                w.statements(following.rows)
            w.statements(passes[-1].row_stores)
        else:
            for number in current.reductions:
                value = to_memory(f"v{number}", kernel.body[number].dtype)
                w.line(f"{w.parameter(f'done{number}')}[row] = {value}")
    return w


def _known_rows(w: StageText, passes: Sequence[Pass]) -> None:
    """Row values up to the last of ``passes``, with earlier reductions read from scratch."""
    for position, current in enumerate(passes):
        w.statements(current.rows)
        if position < len(passes) - 1:
            for number in current.reductions:
                cell = f"{w.parameter(f'done{number}')}[row]"
                w.line(f"v{number} = {from_memory(cell, w.kernel.body[number].dtype)}")


def every_point(kernel: Kernel, passes: Sequence[Pass]) -> StageText:
    """The stores of the loop, one thread per point of the domain in memory order."""
    w = StageText(kernel)
    last = next(p for p in reversed(range(len(passes))) if passes[p].loops)
    w.line(f"points = {' * '.join(f'n{axis}' for axis in range(len(kernel.axes))) or 'int64(1)'}")
    w.flat_thread("flat")
    with w.nested("while flat < points:"):
        w.domain_indices("flat")
        _known_rows(w, passes[: last + 1])
        w.statements(passes[last].full)
        w.statements(passes[last].stores)
        w.line(f"flat = flat + int64(cuda.gridDim.x) * int64({THREADS})")
    return w


def every_row(kernel: Kernel, passes: Sequence[Pass]) -> StageText:
    """The statements and stores of rows, one thread per row."""
    w = StageText(kernel)
    w.line(f"rows = {w.rows}")
    w.flat_thread("row")
    with w.nested("while row < rows:"):
        w.row_indices()
        _known_rows(w, passes)
        w.statements(passes[-1].row_stores)
        w.line(f"row = row + int64(cuda.gridDim.x) * int64({THREADS})")
    return w
