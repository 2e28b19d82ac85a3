"""Plan: what one run does, as data: slots of memory, instructions over them, feeds and fetches.

    slot 0 feed     24 B   'x'                       0: kernel 3f2a91  [2, 3]   reads 0 1 2  writes
    3   mul+add slot 1 variable 12 B   'w'              and      1: host   PyFunc           reads 3
    writes 4 slot 3 arena    24 B @ 0                         fetch slot 3 [2, 3]

A Plan holds no addresses: runtime/executor.py binds it to memory.  Both the native executor and the
NumPy reference target walk the same instructions.

Read next: memory.py (offsets in the arena), runtime/executor.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.graph.node import Operation
from flowgraph.kernel.ir import Kernel, TextKernel
from flowgraph.optimize.frozen import Node, Value
from flowgraph.optimize.strides import contiguous_strides

#: Kinds of slot: who owns the memory.
ARENA, CONST, FEED, FETCH, VARIABLE, COUNTER, OBJECT, MOVING = (
    "arena",
    "const",
    "feed",
    "fetch",
    "variable",
    "counter",
    "object",
    "moving",
)


@dataclass(slots=True, eq=False)
class Slot:
    """A buffer of the plan.

    ``name`` keys variables and counters in the session; ``array`` is a const's data; ``offset`` is
    the place in the arena (bytes), set by the memory planner.  A fetch slot is an array made for
    each run and handed to the caller.  An object slot holds a NumPy array that the arena cannot
    (strings, results whose size only the run knows).  A moving slot is a part of slot ``base``,
    another one in each round of a loop: an instruction says where (Instr.points).
    """

    number: int
    kind: str
    nbytes: int
    name: str = ""
    array: np.ndarray | None = None
    offset: int = -1
    base: Slot | None = None


@dataclass(frozen=True, slots=True)
class Operand:
    """A strided window on a slot: offset and strides in elements of ``dtype``."""

    slot: Slot
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def is_contiguous(self) -> bool:
        """True when the elements lie in row-major order without gaps."""
        return self.size <= 1 or all(
            stride == expected or extent == 1
            for extent, stride, expected in zip(
                self.shape, self.strides, contiguous_strides(self.shape), strict=True
            )
        )

    def with_view(self, offset: int, shape: Sequence[int], strides: Sequence[int]) -> Operand:
        """The same slot under another index map; ``offset`` counts from this operand's."""
        return Operand(self.slot, self.dtype, tuple(shape), tuple(strides), self.offset + offset)


@dataclass(frozen=True, slots=True)
class Pointer:
    """A block word that the executor fills with an address: slot base plus bytes."""

    slot: Slot
    nbytes: int = 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """A block word that the executor fills with the address of a library routine."""

    name: str


Word = int | Pointer | Symbol


@dataclass(slots=True, eq=False)
class Jump:
    """Where the table walk goes on: at row ``target``, if ``condition`` (a bool) is ``when``.

    Without condition: in any case.  A target before the jump makes a loop.
    """

    target: int = -1
    condition: Operand | None = None
    when: bool = True


@dataclass(slots=True, eq=False)
class Instr:
    """One row of the instruction table.

    kernel: what runs natively, with its block ``words`` and the bounds of its outer loop; or None
    for a
        host instruction, which runs the reference of its only node.
    nodes: the FrozenGraph nodes it computes, in order (for profile, errors and the reference
    target). inputs, outputs: memory operands by Value; members that stay in registers are in
    neither.
    reuse: (output slot, input slot) pairs that may share memory if the input dies here.
    scratch: memory that the kernel uses while it runs.
    packs: it only lays out an input for later kernels, in ``scratch``; references need nothing.
    points: the moving slot that it sets: its last words are a list of the block words that point
        there, and their number.
    jump: for a row that only says where to go on (kernel is None).
    """

    kernel: Kernel | TextKernel | None
    words: tuple[Word, ...]
    stop: int
    nodes: tuple[Node, ...]
    inputs: dict[Value, Operand]
    outputs: dict[Value, Operand]
    extents: tuple[int, ...] = ()
    reuse: tuple[tuple[Slot, Slot], ...] = ()
    flops: int = 0
    bytes_moved: int = 0
    is_copy: bool = False
    scratch: tuple[Slot, ...] = ()
    packs: bool = False
    points: Slot | None = None
    jump: Jump | None = None

    @property
    def is_host(self) -> bool:
        """True when Python runs it."""
        return self.kernel is None and self.jump is None

    @property
    def label(self) -> str:
        """Types of the ops it computes, e.g. ``Mul+Add+Tanh``."""
        types = [n.type for n in self.nodes]
        return (
            "+".join(types) if len(types) <= 8 else "+".join(types[:7]) + f"+{len(types) - 7} more"
        )

    def reads(self) -> list[Slot]:
        """Slots it reads."""
        return _with_bases(o.slot for o in self.inputs.values())

    def writes(self) -> list[Slot]:
        """Slots it writes."""
        return [*_with_bases(o.slot for o in self.outputs.values()), *self.scratch]


def _with_bases(slots: Iterable[Slot]) -> list[Slot]:
    found: list[Slot] = []
    for slot in slots:
        found += [slot] if slot.base is None else [slot, slot.base]
    return found


@dataclass(slots=True, eq=False)
class Plan:
    """See the module docstring.

    feeds: per feed, in order: its operand.
    fetches: operands to copy out, in order.
    reads: variables that must be initialised before.   writes: variables updated.
    variables: the operand of each variable it touches.
    variable_ops: the user's operation behind each variable it touches.
    """

    slots: list[Slot]
    instrs: list[Instr]
    feeds: list[Operand]
    fetches: list[Operand]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    variables: dict[str, Operand] = field(default_factory=dict)
    variable_ops: dict[str, Operation | None] = field(default_factory=dict)
    arena_nbytes: int = 0


def to_text(plan: Plan) -> str:
    """The printed form shown in the module docstring."""
    lines = [f"arena {plan.arena_nbytes} B"]
    for slot in plan.slots:
        place = f" @ {slot.offset}" if slot.kind == ARENA else ""
        name = f"   {slot.name!r}" if slot.name else ""
        lines.append(f"slot {slot.number} {slot.kind} {slot.nbytes} B{place}{name}")
    for number, instr in enumerate(plan.instrs):
        kind = "host" if instr.is_host else "kernel"
        if instr.jump is not None:
            kind = f"jump to {instr.jump.target}"
            if instr.jump.condition is not None:
                kind += f" if slot {instr.jump.condition.slot.number} is {instr.jump.when}"
        reads = " ".join(str(s.number) for s in instr.reads())
        writes = " ".join(str(s.number) for s in instr.writes())
        lines.append(
            f"{number}: {kind} {list(instr.extents)}  "
            f"reads {reads}  writes {writes}   {instr.label}"
        )
    for operand in plan.fetches:
        lines.append(f"fetch slot {operand.slot.number} {list(operand.shape)}")
    return "\n".join(lines) + "\n"
