"""Register tiles of matrix products: the micro-kernel of convolutions, as LLVM vector IR.

    c[r, j] (+)= sum over p of a[r, p] * b[p, j]     r < rows, j < columns

A tile's sums stay in vector registers.  ``b`` is a packed panel, ``columns`` numbers for each p; of
``a`` one number at a time is repeated over a vector.  How large a tile is depends on the registers
of the machine: kernel text asks ``tile_rows`` and ``tile_columns``, so that the same text serves
all.

    AVX-512    12 x 32, or 24 x 16 where there are no more columns       (float64: half the columns)
    AVX2        6 x 16, or 12 x 8
    others      6 x 8,  or 12 x 4

Two functions, by how ``a`` lies in its panel: in ``multiply_rows`` the rows are PITCH apart, a
literal, so that every address is one register plus a displacement; in ``multiply_columns`` rows are
neighbours and p moves by a given step.

Read next: intrinsics.py (the other names of kernel text), kernel/conv.py (who uses these).
"""

from __future__ import annotations

from flowgraph.codegen.llvm_text import FunctionText, ModuleText, Tuning, llvm_type
from flowgraph.kernel.conv import PITCH

_UNROLL = 4


def shape(dtype: str, tuning: Tuning, wide: bool) -> tuple[int, int, int]:
    """(rows, vectors in a row, lanes of a vector) of a tile."""
    bits = tuning.tile_bits
    lanes = bits // (32 if dtype == "float32" else 64)
    rows = 12 if bits == 512 else 6
    return (rows, 2, lanes) if wide else (2 * rows, 1, lanes)


def pick(f: FunctionText, dtype: str, columns: str, what: int) -> str:
    """``tile_rows`` (what = 0) or ``tile_columns`` (1) for a matrix of so many columns."""
    found = []
    for wide in (True, False):
        rows, vectors, lanes = shape(dtype, f.module.tuning, wide)
        found.append((rows, vectors * lanes)[what])
    lanes = shape(dtype, f.module.tuning, wide=False)[2]
    narrow = f.let(f"icmp sle i64 {columns}, {lanes}")
    return f.let(f"select i1 {narrow}, i64 {found[1]}, i64 {found[0]}")


def multiply(f: FunctionText, dtype: str, adjacent: bool, values: list[str]) -> None:
    """Call the tile function that suits ``columns``.

    ``values``: a, step of a, b, k, c, row distance of c, columns, whether to add to c.
    """
    *given, columns, add = values
    symbols = []
    for wide in (True, False):
        rows, vectors, lanes = shape(dtype, f.module.tuning, wide)
        symbol = f"tile_{dtype}_{rows}x{vectors}x{lanes}_{'columns' if adjacent else 'rows'}"
        if symbol not in f.module.parts:
            _define(f.module, symbol, dtype, (rows, vectors, lanes), adjacent)
        symbols.append(symbol)
    lanes = shape(dtype, f.module.tuning, wide=False)[2]
    narrow = f.let(f"icmp sle i64 {columns}, {lanes}")
    function = f.let(f"select i1 {narrow}, ptr @{symbols[1]}, ptr @{symbols[0]}")
    kinds = ("ptr", "i64", "ptr", "i64", "ptr", "i64")
    operands = ", ".join(f"{k} {v}" for k, v in zip(kinds, given, strict=True))
    f.do(f"call void {function}({operands}, i64 {add})")


State = dict[str, str]


def _define(
    module: ModuleText, symbol: str, dtype: str, tile: tuple[int, int, int], adjacent: bool
) -> None:
    """Have the tile function in the module."""
    lines = _Tile(dtype, *tile, adjacent).function()
    size, lanes = _SIZES[dtype], tile[2]
    vector = f"<{lanes} x {llvm_type(dtype)}>"
    name = f"llvm.fmuladd.v{lanes}f{8 * size}"
    head = (
        f"define internal void @{symbol}(ptr %a, i64 %step, ptr noalias %b, i64 %k, ptr noalias %c,"
        f" i64 %c_row, i64 %add) noinline nounwind{module.tuning.attributes} {{"
    )
    module.need(name, f"declare {vector} @{name}({vector}, {vector}, {vector})")
    module.need(symbol, "\n".join([head, *lines, "}"]))


_SIZES = {"float32": 4, "float64": 8}
_POINTERS = {"a": "ptr", "b": "ptr", "i": "i64"}


class _Tile:
    """The lines of one tile function; values are numbered.

    The state of its loops is a dictionary: ``a``, ``b``, the count ``i``, and the sums.
    """

    def __init__(self, dtype: str, rows: int, vectors: int, lanes: int, adjacent: bool) -> None:
        self.kind, self.size = llvm_type(dtype), _SIZES[dtype]
        self.rows, self.vectors, self.lanes, self.adjacent = rows, vectors, lanes, adjacent
        self.vector = f"<{lanes} x {self.kind}>"
        self.lines: list[str] = []
        self.count = 0

    def let(self, instruction: str) -> str:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {instruction}")
        return f"%v{self.count}"

    def do(self, instruction: str) -> None:
        self.lines.append("  " + instruction)

    def at(self, pointer: str, offset: int | str) -> str:
        return self.let(f"getelementptr {self.kind}, ptr {pointer}, i64 {offset}")

    def type_of(self, key: str) -> str:
        return _POINTERS.get(key, self.vector)

    def function(self) -> list[str]:
        """Steps of k by _UNROLL, the rest one by one, then the sums to memory."""
        sums = [_sum(r, v) for r in range(self.rows) for v in range(self.vectors)]
        start = {"i": "0", "a": "%a", "b": "%b", **dict.fromkeys(sums, "zeroinitializer")}
        self.lines.append("entry:")
        most = self.let(f"and i64 %k, {-_UNROLL}")
        some = self.let(f"icmp sgt i64 {most}, 0")
        self.do(f"br i1 {some}, label %main, label %middle")
        main = self.loop("main", "entry", start, most, _UNROLL, "middle")
        state = self.join("middle", [("entry", start), ("main", main)])
        left = self.let(f"icmp slt i64 {state['i']}, %k")
        self.do(f"br i1 {left}, label %rest, label %done")
        rest = self.loop("rest", "middle", state, "%k", 1, "done")
        state = self.join("done", [("middle", state), ("rest", rest)])
        adds = self.let("icmp ne i64 %add, 0")
        self.do(f"br i1 {adds}, label %add_to, label %set")
        self.finish("add_to", state, add=True)
        self.finish("set", state, add=False)
        return self.lines

    def step(self, state: State, u: int) -> State:
        """The products of one p added; ``b`` stands u rows before it, and so does ``a``."""
        b = []
        for v in range(self.vectors):
            place = self.at(state["b"], (u * self.vectors + v) * self.lanes)
            b.append(self.let(f"load {self.vector}, ptr {place}, align {self.size}"))
        new = dict(state)
        for r in range(self.rows):
            place = self.at(state["a"], r if self.adjacent else r * PITCH + u)
            one = self.let(f"load {self.kind}, ptr {place}, align {self.size}")
            first = self.let(f"insertelement {self.vector} poison, {self.kind} {one}, i64 0")
            spread = self.let(
                f"shufflevector {self.vector} {first}, {self.vector} poison, "
                f"<{self.lanes} x i32> zeroinitializer"
            )
            for v in range(self.vectors):
                operands = ", ".join(f"{self.vector} {x}" for x in (spread, b[v], new[_sum(r, v)]))
                name = f"llvm.fmuladd.v{self.lanes}f{8 * self.size}"
                new[_sum(r, v)] = self.let(f"call {self.vector} @{name}({operands})")
        if self.adjacent:
            new["a"] = self.at(state["a"], "%step")
        return new

    def loop(
        self, name: str, before: str, start: State, count: str, unroll: int, after: str
    ) -> State:
        """Up to ``count`` in steps of ``unroll``; block ``name`` between ``before`` and ``after``.

        The state at its end.
        """
        head = {key: f"%{name}_{key}" for key in start}
        self.lines.append(f"{name}:")
        body = len(self.lines)
        state = head
        for u in range(unroll):
            state = self.step(state, u)
        if not self.adjacent:
            state["a"] = self.at(state["a"], unroll)
        state["b"] = self.at(state["b"], unroll * self.vectors * self.lanes)
        state["i"] = self.let(f"add nuw nsw i64 {state['i']}, {unroll}")
        self.lines[body:body] = [
            f"  {head[key]} = phi {self.type_of(key)} "
            f"[{start[key]}, %{before}], [{state[key]}, %{name}]"
            for key in start
        ]
        more = self.let(f"icmp slt i64 {state['i']}, {count}")
        self.do(f"br i1 {more}, label %{name}, label %{after}")
        return state

    def join(self, label: str, ways: list[tuple[str, State]]) -> State:
        """Block ``label``, reached from several blocks with their states."""
        self.lines.append(f"{label}:")
        return {
            key: self.let(
                f"phi {self.type_of(key)} "
                + ", ".join(f"[{state[key]}, %{block}]" for block, state in ways)
            )
            for key in ways[0][1]
        }

    def finish(self, label: str, state: State, *, add: bool) -> None:
        """Block ``label``: the sums to memory, or added to what is there."""
        self.lines.append(f"{label}:")
        row = "%c"
        for r in range(self.rows):
            for v in range(self.vectors):
                place, value = self.at(row, v * self.lanes), state[_sum(r, v)]
                if add:
                    old = self.let(f"load {self.vector}, ptr {place}, align {self.size}")
                    value = self.let(f"fadd {self.vector} {old}, {value}")
                self.do(f"store {self.vector} {value}, ptr {place}, align {self.size}")
            row = self.at(row, "%c_row")
        self.do("ret void")


def _sum(row: int, vector: int) -> str:
    return f"sum{row}_{vector}"
