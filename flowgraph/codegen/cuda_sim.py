"""Runs the text of a CUDA stage on the CPU, thread by thread, and sees what a GPU would not say.

Stage + arrays  ->  the arrays, changed in place, or SimulationError.

``cuda.syncthreads()`` becomes ``yield``, so every thread of a block is a generator; all are
advanced to the barrier in turn.  Found on the way:

- a barrier that not every thread of the block reaches, or that two reach at different places;
- an index out of bounds, or one that is no integer (int64 with uint64 gives float64, as in numba);
- a float64 stored into float32 memory: an untyped literal widened the expression;
- a race: an element that one thread writes while another reads or writes it, with no barrier
  between them (writing the same value twice is none);
- shared memory used before it is written: it starts as NaN, integers as their lowest value.

float32 arithmetic is that of NumPy scalars: every operation rounds to float32.  Only the
transcendental functions differ from a GPU's, within their error, and a GPU may contract a*b+c.

Read next: cuda_text.py (what is simulated), runtime/cuda.py (the real thing).
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from flowgraph.codegen.cuda import Stage
from flowgraph.kernel.ir import KERNEL_DTYPES
from flowgraph.kernel.scalar import SCALAR_OPS


class SimulationError(Exception):
    """A stage did what no correct CUDA kernel does: a bug in the text generator."""


@dataclass(slots=True)
class _Clock:
    """Who runs, and since which barrier: the identity of an access."""

    block: int = 0
    barrier: int = 0
    thread: int = 0

    def now(self) -> tuple[int, int, int]:
        return self.block, self.barrier, self.thread


def _apart(earlier: tuple[int, int, int], later: tuple[int, int, int]) -> bool:
    """Whether two accesses may happen in any order: other threads, no barrier between them."""
    if earlier[0] != later[0]:
        return True
    return earlier[1] == later[1] and earlier[2] != later[2]


class Memory:
    """A pointer of the simulated kernel: checks every access.

    ``cells`` is the allocation, ``base`` the element pointed to.  ``trace`` is shared by all
    pointers into one allocation: byte offset -> (last write, its value, last reads).
    """

    def __init__(
        self, name: str, cells: np.ndarray, base: int, clock: _Clock, trace: _Trace
    ) -> None:
        self.name, self.cells, self.base = name, cells, base
        self.clock, self.trace = clock, trace

    def _at(self, index: Any) -> int:
        if not isinstance(index, int | np.integer):
            raise SimulationError(f"{self.name}[{index!r}]: the index is a {type(index).__name__}")
        at = self.base + int(index)
        if not 0 <= at < self.cells.size:
            raise SimulationError(
                f"{self.name}[{index}] is out of bounds: element {at} of {self.cells.size}"
            )
        return at

    def __getitem__(self, index: Any) -> Any:
        at = self._at(index)
        self.trace.read(self.name, at * self.cells.itemsize, self.clock.now())
        return self.cells[at]

    def __setitem__(self, index: Any, value: Any) -> None:
        at = self._at(index)
        given = np.asarray(value).dtype
        if given.kind == "f" and given != self.cells.dtype:
            raise SimulationError(f"{self.name}[{index}] = {value!r}: {given} widened or cut")
        if given.kind != self.cells.dtype.kind and "f" in (given.kind, self.cells.dtype.kind):
            raise SimulationError(f"{self.name}[{index}] = {value!r}: {given} is not converted")
        self.cells[at] = value
        place, written = at * self.cells.itemsize, self.cells[at]
        self.trace.write(self.name, place, written.tobytes(), self.clock.now())


class _Trace:
    """Accesses to one allocation since the launch began."""

    def __init__(self) -> None:
        self.writes: dict[int, tuple[tuple[int, int, int], bytes]] = {}
        self.reads: dict[int, set[tuple[int, int, int]]] = {}

    def read(self, name: str, place: int, now: tuple[int, int, int]) -> None:
        write = self.writes.get(place)
        if write is not None and _apart(write[0], now):
            raise SimulationError(f"race on {name}: read at byte {place} beside a write, {now}")
        self.reads.setdefault(place, set()).add(now)

    def write(self, name: str, place: int, value: bytes, now: tuple[int, int, int]) -> None:
        write = self.writes.get(place)
        if write is not None and _apart(write[0], now) and write[1] != value:
            raise SimulationError(f"race on {name}: two writes at byte {place}, {now}")
        if any(_apart(read, now) for read in self.reads.get(place, ())):
            raise SimulationError(f"race on {name}: written at byte {place} beside a read, {now}")
        self.writes[place] = (now, value)


# ---------------------------------------------------------------------------------------- the names


def _convert(dtype: str) -> Callable[[Any], Any]:
    target = np.dtype(dtype)
    kind: Any = target.type

    def convert(value: Any) -> Any:
        # arrays convert as C does (wrap, truncate); Python's own scalars would raise
        if isinstance(value, np.generic):
            return kind(value) if value.dtype.kind == target.kind else value.astype(target)
        return np.asarray(value).astype(target)[()]

    return convert


class _Math:
    """``math`` with C's results in place of Python's exceptions, in the argument's precision."""

    inf, nan = float("inf"), float("nan")

    def pow(self, x: Any, y: Any) -> Any:
        # NB: for scalars NumPy takes y = 0.5 as a square root: pow(-inf, 0.5) is nan, in C inf
        return np.power(np.asarray([x]), np.asarray([y]))[0]

    def __getattr__(self, name: str) -> Any:
        if name in ("erf", "erfc", "lgamma"):
            return SCALAR_OPS[name].numpy
        inverse = name.replace("a", "arc", 1) if name[:2] in ("as", "ac", "at") else name
        return getattr(np, inverse)


_NAMES: dict[str, Any] = {
    "math": _Math(),
    **{dtype: _convert(dtype) for dtype in KERNEL_DTYPES - {"bool"}},
}


class _Barriers(ast.NodeTransformer):
    """``cuda.syncthreads()`` -> ``yield <line>``; shared arrays get their line as identity."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if ast.unparse(node.value) == "cuda.syncthreads()":
            node.value = ast.Yield(ast.Constant(node.lineno))
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) == "cuda.shared.array":
            name = ast.Constant(ast.unparse(node.args[1]))
            node.args = [ast.Constant(node.lineno), node.args[0], name]
        return self.generic_visit(node)


@functools.lru_cache(maxsize=512)
def _load(text: str) -> tuple[str, Any]:
    tree = ast.parse(text)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef), text
    tree = ast.fix_missing_locations(_Barriers().visit(tree))
    return function.name, compile(tree, f"<{function.name}>", "exec")


# --------------------------------------------------------------------------------------- running


def simulate(stage: Stage, grid: int, arguments: Sequence[int | tuple[np.ndarray, int]]) -> None:
    """Run ``stage`` on ``grid`` blocks of ``stage.threads`` threads.

    Args:
        arguments: one per parameter: an int, or for a pointer ``(array, element)`` with a flat
            array of the parameter's dtype and the element that the pointer points to.  Pointers
            into one allocation are views of the whole of one base array.

    Raises:
        SimulationError: see the module docstring.
    """
    name, code = _load(stage.text)
    clock = _Clock()
    traces: dict[int, _Trace] = {}
    values: list[Any] = []
    for parameter, argument in zip(stage.parameters, arguments, strict=True):
        if not isinstance(argument, tuple):
            if parameter.pointer:
                raise SimulationError(f"{parameter.name}: a pointer is (array, element)")
            values.append(np.int64(argument))
            continue
        array, base = argument
        if array.dtype != parameter.dtype or array.ndim != 1:
            raise SimulationError(f"{parameter.name}: {array.dtype} is not {parameter.dtype}")
        owner = array if array.base is None else array.base
        trace = traces.setdefault(id(owner), _Trace())
        values.append(Memory(parameter.name, array, base, clock, trace))
    cuda = SimpleNamespace(
        threadIdx=SimpleNamespace(x=0),
        blockIdx=SimpleNamespace(x=0),
        blockDim=SimpleNamespace(x=stage.threads),
        gridDim=SimpleNamespace(x=grid),
    )
    names = {**_NAMES, "cuda": cuda}
    exec(code, names)  # noqa: S102 - text of this package's own generator
    with np.errstate(all="ignore"):
        for block in range(grid):
            clock.block, clock.barrier = block, 0
            cuda.blockIdx.x = block
            cuda.shared = SimpleNamespace(array=_shared_arrays(clock))
            _run_block(stage, names[name], values, cuda, clock)


def _run_block(
    stage: Stage, function: Callable[..., Any], values: list[Any], cuda: Any, clock: _Clock
) -> None:
    threads: list[Iterator[int] | None] = []
    for thread in range(stage.threads):
        clock.thread = cuda.threadIdx.x = thread
        threads.append(function(*values))  # without a barrier this already runs the thread
    while threads[0] is not None:
        places: set[int | None] = set()
        for thread, body in enumerate(threads):
            clock.thread = cuda.threadIdx.x = thread
            assert body is not None
            places.add(next(body, None))
        if len(places) > 1:
            raise SimulationError(
                f"{stage.name}, block {clock.block}: threads wait at different barriers: lines "
                f"{sorted(str(place) for place in places)}"
            )
        if places == {None}:
            return
        clock.barrier += 1


def _shared_arrays(clock: _Clock) -> Callable[[int, int, str], Memory]:
    arrays: dict[int, Memory] = {}

    def array(line: int, size: int, dtype: str) -> Memory:
        if line not in arrays:
            poison = np.nan if dtype.startswith("f") else np.iinfo(dtype).min or 171
            cells = np.full(size, poison, dtype)
            arrays[line] = Memory(f"shared array of line {line}", cells, 0, clock, _Trace())
        return arrays[line]

    return array
