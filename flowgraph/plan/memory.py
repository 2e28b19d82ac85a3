"""Memory planning: every arena slot gets an offset; slots that live at one time never overlap.

A slot is live from the instruction that writes it to the last that reads it (to the end when
fetched). An output takes the place of an input that dies at the same instruction where the kernel
allows it (in place); otherwise the lowest free gap that fits.

Read next: plan.py.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from flowgraph.plan.plan import ARENA, FETCH, Plan, Slot

#: Offsets are multiples of this (bytes): a cache line, and the widest vector.
ALIGNMENT = 64

#: Feeds and fetches of at least this size (bytes) are not copied: kernels read the fed array itself
#: and write the array that is returned.
DIRECT_NBYTES = 1 << 14


def mark_fetch_slots(plan: Plan) -> None:
    """Give large fetched results memory of their own, so that they need no copy."""
    seen: set[Slot] = set()
    for operand in plan.fetches:
        slot = operand.slot
        if (
            slot.kind == ARENA
            and slot.nbytes >= DIRECT_NBYTES
            and slot not in seen
            and operand.is_contiguous()
            and operand.size * operand.dtype.np.itemsize == slot.nbytes
        ):
            slot.kind = FETCH
        seen.add(slot)


def assign_offsets(plan: Plan) -> None:
    """Set ``offset`` of every arena slot and the plan's ``arena_nbytes``."""
    last_use = last_uses(plan)
    gaps = _Gaps()
    dying: dict[int, list[Slot]] = {}
    for slot, row in last_use.items():
        dying.setdefault(row, []).append(slot)
    taken_over: set[Slot] = set()
    for row, instr in enumerate(plan.instrs):
        for out, source in instr.reuse:
            if (
                out.offset < 0
                and source.kind == ARENA
                and out.kind == ARENA
                and source not in taken_over
                and last_use.get(source) == row
                and _rounded(source.nbytes) == _rounded(out.nbytes)
            ):
                out.offset = source.offset
                taken_over.add(source)
        for slot in instr.writes():
            if slot.kind == ARENA and slot.offset < 0:
                slot.offset = gaps.take(_rounded(slot.nbytes))
        for slot in dying.get(row, ()):
            if slot not in taken_over:
                gaps.give(slot.offset, _rounded(slot.nbytes))
    plan.arena_nbytes = gaps.end


def last_uses(plan: Plan) -> dict[Slot, int]:
    """The row after which each arena slot is free; fetched slots live past the end."""
    last: dict[Slot, int] = {}
    for row, instr in enumerate(plan.instrs):
        for slot in (*instr.reads(), *instr.writes()):
            if slot.kind == ARENA:
                last[slot] = row
    _extend_over_loops(plan, last)
    for operand in plan.fetches:
        if operand.slot.kind == ARENA:
            last[operand.slot] = len(plan.instrs)
    return last


def _extend_over_loops(plan: Plan, last: dict[Slot, int]) -> None:
    """What a loop uses and something before it wrote must last until the loop is left."""
    jumps = [(i.jump.target, row) for row, i in enumerate(plan.instrs) if i.jump is not None]
    loops = [(target, row) for target, row in jumps if target <= row]
    if not loops:
        return
    first: dict[Slot, int] = {}
    for row, instr in enumerate(plan.instrs):
        for slot in instr.writes():
            first.setdefault(slot, row)
    for start, end in sorted(loops, key=lambda loop: loop[1]):  # inner loops end first
        for slot, row in last.items():
            if start <= row < end and first.get(slot, -1) < start:
                last[slot] = end


def _rounded(nbytes: int) -> int:
    return max(ALIGNMENT, -(-nbytes // ALIGNMENT) * ALIGNMENT)


class _Gaps:
    """Free intervals of the arena, by offset; first fit, merged with their neighbours."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.size: dict[int, int] = {}
        self.end = 0

    def take(self, nbytes: int) -> int:
        for place, start in enumerate(self.starts):
            if self.size[start] >= nbytes:
                del self.starts[place]
                rest = self.size.pop(start) - nbytes
                if rest:
                    self.starts.insert(place, start + nbytes)
                    self.size[start + nbytes] = rest
                return start
            if place >= 64:  # many small gaps: do not search them all
                break
        start = self.end
        self.end += nbytes
        return start

    def give(self, start: int, nbytes: int) -> None:
        place = bisect_left(self.starts, start)
        following = self.starts[place] if place < len(self.starts) else None
        if following == start + nbytes:
            nbytes += self.size.pop(following)
            del self.starts[place]
        if place:
            before = self.starts[place - 1]
            if before + self.size[before] == start:
                self.size[before] += nbytes
                return
        insort(self.starts, start)
        self.size[start] = nbytes


def verify(plan: Plan) -> None:
    """Raise AssertionError when two live slots share bytes (other than by ``reuse``)."""
    last = last_uses(plan)
    live: dict[Slot, int] = {}
    for row, instr in enumerate(plan.instrs):
        allowed = {(o, s) for o, s in instr.reuse}
        for slot in instr.writes():
            if slot.kind != ARENA or slot in live:
                continue
            for other in live:
                apart = (
                    slot.offset + slot.nbytes <= other.offset
                    or other.offset + other.nbytes <= slot.offset
                )
                if not apart and not ((slot, other) in allowed and last[other] == row):
                    raise AssertionError(
                        f"row {row}: slots {slot.number} and {other.number} overlap"
                    )
            live[slot] = row
        for slot in [s for s in live if last[s] <= row]:
            del live[slot]
