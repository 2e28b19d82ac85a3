"""Memory of a plan over its instructions: who lies where in the arena, and when.

    memory_map(loss, feed)  ->  buffers (name, bytes, offset, from row, to row), live bytes per row

Read off the plan, so it is exact, and needs no run.  Read next: plots.py (``plot_memory``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.plan.memory import last_uses
from flowgraph.plan.plan import ARENA, Plan, Slot
from flowgraph.session import BaseSession
from flowgraph.view.compiled import compiled, roles_of_nodes
from flowgraph.view.costs import bytes_text
from flowgraph.view.roles import FORWARD


@dataclass(frozen=True, slots=True)
class Buffer:
    """A place in the arena while something lies there.

    Attributes:
        name: of the operation whose result it is.   role: its part of the program.
        nbytes, offset: in the arena.   first, last: instructions from which and to which it lives.
    """

    name: str
    role: str
    nbytes: int
    offset: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """The arena of a plan.

    Attributes:
        buffers: in the order of their first instructions.   live: bytes alive at each instruction.
        labels: of the instructions.   arena_nbytes: the size of the arena.
        outside: bytes of variables, constants, feeds and large results, which lie elsewhere.
    """

    buffers: list[Buffer]
    live: np.ndarray
    labels: list[str]
    arena_nbytes: int
    outside: dict[str, int]

    @property
    def peak(self) -> int:
        """The instruction at which most is alive."""
        return int(self.live.argmax()) if self.live.size else 0

    def owners(self, row: int | None = None) -> list[Buffer]:
        """What is alive at an instruction (default: at the peak), the largest first."""
        at = self.peak if row is None else row
        alive = [buffer for buffer in self.buffers if buffer.first <= at <= buffer.last]
        return sorted(alive, key=lambda buffer: (-buffer.nbytes, buffer.name))

    def __str__(self) -> str:
        if not self.live.size:
            return "no instructions\n"
        most, where = bytes_text(self.live.max()), self.labels[self.peak]
        arena = bytes_text(self.arena_nbytes)
        lines = [f"arena {arena}, at most {most} alive, at instruction {self.peak} ({where})"]
        lines += [f"  {bytes_text(b.nbytes):>8}  {b.name}" for b in self.owners()]
        outside = ", ".join(f"{kind} {bytes_text(n)}" for kind, n in self.outside.items() if n)
        return "\n".join([*lines, f"besides: {outside}" if outside else "nothing besides"]) + "\n"


def memory_map(
    what: Any, feed_dict: dict[Any, Any] | None = None, *, session: BaseSession | None = None
) -> MemoryMap:
    """Where the results of a run lie, and when.

    Args:
        what: fetches as of ``Session.run``, which are compiled but not run; or a RunMetadata.
        feed_dict: with fetches: what they are fed; the shapes count.
        session: with fetches: whose variables, default the default session.

    Returns:
        A MemoryMap; printing it tells who is alive at the peak.

    Raises:
        ValueError: nothing was traced; sizes depend on values.

    >>> with tf.Graph().as_default(), tf.Session():
    ...     x = tf.placeholder(tf.float32, [16, 16], name="x")
    ...     found = memory_map(tf.matmul(x, tf.matmul(x, x, name="inner")), {x: [[1.0] * 16] * 16})
    >>> [(buffer.name, buffer.nbytes) for buffer in found.owners()][-1]
    ('inner', 1024)
    """
    parts = compiled(what, feed_dict, session)
    largest = max(parts, key=lambda part: part.plan.arena_nbytes)
    return map_of(largest.plan)


def _live_bytes(buffers: list[Buffer], rows: int) -> np.ndarray:
    """Bytes in use at each instruction; results that take over an input's place count once."""
    live = np.zeros(rows, np.int64)
    alive: list[Buffer] = []
    coming = sorted(buffers, key=lambda buffer: buffer.first, reverse=True)
    for row in range(rows):
        while coming and coming[-1].first <= row:
            alive.append(coming.pop())
        alive = [buffer for buffer in alive if buffer.last >= row]
        end = 0
        for buffer in sorted(alive, key=lambda buffer: buffer.offset):
            above = max(end, buffer.offset)
            live[row] += max(buffer.offset + buffer.nbytes - above, 0)
            end = max(end, buffer.offset + buffer.nbytes)
    return live


def map_of(plan: Plan) -> MemoryMap:
    """The arena of one plan."""
    last = last_uses(plan)
    roles = roles_of_nodes(node for instr in plan.instrs for node in instr.nodes)
    made: dict[Slot, Buffer] = {}
    for row, instr in enumerate(plan.instrs):
        names = {o.slot: v.node for v, o in instr.outputs.items() if v.node is not None}
        for slot in instr.writes():
            if slot.kind == ARENA and slot not in made:
                node = names.get(slot)
                name = node.name if node is not None else f"scratch of {instr.label}"
                role = FORWARD if node is None else roles.get(node, FORWARD)
                made[slot] = Buffer(name, role, slot.nbytes, slot.offset, row, last[slot])
    live = _live_bytes(list(made.values()), len(plan.instrs))
    outside: dict[str, int] = {}
    for slot in plan.slots:
        if slot.kind != ARENA:
            outside[slot.kind] = outside.get(slot.kind, 0) + slot.nbytes
    labels = [instr.label or "copy" for instr in plan.instrs]
    return MemoryMap(list(made.values()), live, labels, plan.arena_nbytes, outside)
