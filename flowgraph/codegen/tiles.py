"""Register tiles of matrix products: the micro-kernel of convolutions, as LLVM vector IR.

    c[r, j] (+)= sum over p of a[r, p] * b[p, j]     r < rows, j < columns

A tile's sums stay in vector registers.  ``b`` is a packed panel, ``columns`` numbers for each p; of
``a`` one number at a time is repeated over a vector.  How large a tile is depends on the registers
of the machine: kernel text asks ``tile_rows`` and ``tile_columns``, so that the same text serves
all.

    AVX-512    12 x 32, or 24 x 16 where there are no more columns       (float64: half the columns)
    AVX2        6 x 16, or 12 x 8
    others      6 x 8,  or 12 x 4

Where fewer rows are left, tiles of two thirds and of one third of them waste less.

Two functions, by how ``a`` lies in its panel: in ``multiply_rows`` the rows are a literal distance
apart, so that every address is one register plus a displacement; in ``multiply_columns`` rows are
neighbours and p moves by a given step.

Read next: intrinsics.py (the other names of kernel text), kernel/conv.py (who uses these).
"""

from __future__ import annotations

from flowgraph.codegen.llvm_text import FunctionText, ModuleText, Tuning, llvm_type

_SIZES = {"float32": 4, "float64": 8}


def _vectors(dtype: str, tuning: Tuning, wide: bool) -> tuple[int, int]:
    """(vectors in a row of a tile, lanes of a vector)."""
    return 2 if wide else 1, tuning.tile_bits // (8 * _SIZES[dtype])


def _heights(tuning: Tuning, wide: bool) -> tuple[int, int, int]:
    """Rows of a full tile, and of those for the rest of a matrix."""
    rows = (12 if tuning.tile_bits == 512 else 6) * (1 if wide else 2)
    return rows, rows * 2 // 3, rows // 3


def pick(f: FunctionText, dtype: str, columns: str, what: int) -> str:
    """``tile_rows`` (what = 0) or ``tile_columns`` (1) for a matrix of so many columns."""
    found = []
    for wide in (True, False):
        vectors, lanes = _vectors(dtype, f.module.tuning, wide)
        found.append((_heights(f.module.tuning, wide)[0], vectors * lanes)[what])
    narrow = f.let(f"icmp sle i64 {columns}, {lanes}")
    return f.let(f"select i1 {narrow}, i64 {found[1]}, i64 {found[0]}")


def multiply(f: FunctionText, dtype: str, pitch: int | None, values: list[str]) -> None:
    """Call the tile function that suits ``columns`` and the rows left.

    ``pitch``: distance of a's rows, None where they are neighbours.
    ``values``: a, step of a, b, k, c, row distance of c, columns, rows left, whether to add to c.
    """
    *given, columns, left, add = values
    tuning = f.module.tuning
    chosen = []
    for wide in (True, False):
        vectors, lanes = _vectors(dtype, tuning, wide)
        function = ""
        for rows in _heights(tuning, wide):
            symbol = f"tile_{dtype}_{rows}x{vectors}x{lanes}_{pitch or 'columns'}"
            if symbol not in f.module.parts:
                _define(f.module, symbol, dtype, (rows, vectors, lanes), pitch)
            if not function:
                function = f"@{symbol}"
            else:
                few = f.let(f"icmp sle i64 {left}, {rows}")
                function = f.let(f"select i1 {few}, ptr @{symbol}, ptr {function}")
        chosen.append(function)
    narrow = f.let(f"icmp sle i64 {columns}, {lanes}")
    function = f.let(f"select i1 {narrow}, ptr {chosen[1]}, ptr {chosen[0]}")
    kinds = ("ptr", "i64", "ptr", "i64", "ptr", "i64")
    operands = ", ".join(f"{k} {v}" for k, v in zip(kinds, given, strict=True))
    f.do(f"call void {function}({operands}, i64 {add})")


State = dict[str, str]


def _define(
    module: ModuleText, symbol: str, dtype: str, tile: tuple[int, int, int], pitch: int | None
) -> None:
    """Have the tile function in the module."""
    lines = _Tile(dtype, *tile, pitch).function()
    size, lanes = _SIZES[dtype], tile[2]
    vector = f"<{lanes} x {llvm_type(dtype)}>"
    name = f"llvm.fmuladd.v{lanes}f{8 * size}"
    head = (
        f"define internal void @{symbol}(ptr %a, i64 %step, ptr noalias %b, i64 %k, ptr noalias %c,"
        f" i64 %c_row, i64 %add) noinline nounwind{module.tuning.attributes} {{"
    )
    module.need(name, f"declare {vector} @{name}({vector}, {vector}, {vector})")
    module.need(symbol, "\n".join([head, *lines, "}"]))


_POINTERS = {"a": "ptr", "b": "ptr", "i": "i64"}


class _Tile:
    """The lines of one tile function; values are numbered.

    The state of its loop is a dictionary: ``a``, ``b``, the count ``i``, and the sums.
    """

    def __init__(self, dtype: str, rows: int, vectors: int, lanes: int, pitch: int | None) -> None:
        self.kind, self.size = llvm_type(dtype), _SIZES[dtype]
        self.rows, self.vectors, self.lanes, self.pitch = rows, vectors, lanes, pitch
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
        """A loop over p, then the sums to memory.

        NB: not unrolled: a step is long enough to hide what the loop costs.
        """
        sums = [_sum(r, v) for r in range(self.rows) for v in range(self.vectors)]
        start = {"i": "0", "a": "%a", "b": "%b", **dict.fromkeys(sums, "zeroinitializer")}
        self.lines.append("entry:")
        some = self.let("icmp sgt i64 %k, 0")
        self.do(f"br i1 {some}, label %next, label %done")
        self.lines.append("next:")
        place = len(self.lines)
        head = {key: f"%next_{key}" for key in start}
        state = self.step(head)
        self.lines[place:place] = [
            f"  {head[key]} = phi {self.type_of(key)} [{start[key]}, %entry], [{state[key]}, %next]"
            for key in start
        ]
        more = self.let(f"icmp slt i64 {state['i']}, %k")
        self.do(f"br i1 {more}, label %next, label %done")
        self.lines.append("done:")
        total = {
            key: self.let(f"phi {self.vector} [{start[key]}, %entry], [{state[key]}, %next]")
            for key in sums
        }
        adds = self.let("icmp ne i64 %add, 0")
        self.do(f"br i1 {adds}, label %add_to, label %set")
        self.finish("add_to", total, add=True)
        self.finish("set", total, add=False)
        return self.lines

    def step(self, state: State) -> State:
        """The products of one p added."""
        b = []
        for v in range(self.vectors):
            place = self.at(state["b"], v * self.lanes)
            b.append(self.let(f"load {self.vector}, ptr {place}, align {self.size}"))
        new = dict(state)
        for r in range(self.rows):
            place = self.at(state["a"], r * (self.pitch or 1))
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
        new["a"] = self.at(state["a"], "%step" if self.pitch is None else 1)
        new["b"] = self.at(state["b"], self.vectors * self.lanes)
        new["i"] = self.let(f"add nuw nsw i64 {state['i']}, 1")
        return new

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
