"""Which values a later pass reads back from memory instead of computing them again.

A pass recomputes what it needs from earlier passes (passes.py).  Softmax would compute its
exponentials twice; but its output buffer is idle until the last pass, so the pass that sums
them also stores them there, and the last pass loads them.

A spill may not destroy what is still to be read: an output may share memory with an input of the
same strides, element for element.  So a value is spilled only when no later pass loads a buffer
that could be such an input.

Read next: kernel/passes.py (passes), cpu.py (who renders them).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from flowgraph.kernel.interpret import integer
from flowgraph.kernel.ir import BROADCAST, OUT, Kernel
from flowgraph.kernel.passes import Pass
from flowgraph.kernel.scalar import SCALAR_OPS

#: Flops (kernel/scalar.py) from which a load and a store are cheaper than computing anew.
COSTLY = 10


@dataclass(frozen=True, slots=True)
class Spills:
    """Per pass: full statements, ``stores`` (value -> buffer) and ``reloads`` (value -> buffer)."""

    full: list[tuple[int, ...]]
    stores: list[dict[int, int]]
    reloads: list[dict[int, int]]


def find_spills(kernel: Kernel, passes: list[Pass]) -> Spills:
    """The spills of ``kernel``, the costliest value per idle output buffer."""
    spills = Spills([p.full for p in passes], [{} for _ in passes], [{} for _ in passes])
    for last, p in enumerate(passes):
        for store in p.stores:
            buffer = integer(kernel.body[store])
            _spill_into(kernel, passes, spills, buffer, last)
    return spills


def _spill_into(kernel: Kernel, passes: list[Pass], spills: Spills, buffer: int, last: int) -> None:
    target = kernel.buffers[buffer]
    if target.mode != OUT or BROADCAST in target.strides:
        return
    best: tuple[int, int, int] | None = None
    for first in range(last):
        for number in spills.full[first]:
            known = number in spills.reloads[first] or number in spills.stores[first]
            stmt = kernel.body[number]
            if known or stmt.op in ("load", "require") or stmt.dtype != target.dtype:
                continue
            if any(number in spills.full[earlier] for earlier in range(first)):
                continue
            cost = _cost(kernel, spills, first, number)
            if cost >= COSTLY and (best is None or cost > best[0]):
                later = [n for n in range(first + 1, last + 1) if number in spills.full[n]]
                if later and _safe(kernel, passes, spills, buffer, number, first, last):
                    best = cost, number, first
    if best is not None:
        _, number, first = best
        spills.stores[first][number] = buffer
        for level in range(first + 1, last + 1):
            if number in spills.full[level]:
                spills.reloads[level][number] = buffer
                spills.full[level] = _remaining(kernel, passes[level], spills, level)


def _cost(kernel: Kernel, spills: Spills, level: int, number: int) -> int:
    """Flops per point to compute ``number`` in the loop of pass ``level``."""
    inside = set(spills.full[level])
    pending, found = [number], set()
    while pending:
        n = pending.pop()
        if n in inside and n not in found:
            found.add(n)
            pending.extend(kernel.body[n].args)
    return sum(SCALAR_OPS[op].flops for n in found if (op := kernel.body[n].op) in SCALAR_OPS)


def _safe(
    kernel: Kernel,
    passes: list[Pass],
    spills: Spills,
    buffer: int,
    number: int,
    first: int,
    last: int,
) -> bool:
    """Whether no pass after ``first`` reads a buffer that may share memory with ``buffer``."""
    target = kernel.buffers[buffer]
    size = np.dtype(target.dtype).itemsize
    for level in range(first + 1, last + 1):
        cut = {*spills.reloads[level], number} & set(spills.full[level])
        for n in _needed(kernel, passes[level], spills.full[level], cut):
            stmt = kernel.body[n]
            if stmt.op == "load" and n not in cut:
                source = kernel.buffers[integer(stmt)]
                same_size = np.dtype(source.dtype).itemsize == size
                if same_size and BROADCAST not in source.strides:
                    return False
    return True


def _remaining(kernel: Kernel, p: Pass, spills: Spills, level: int) -> tuple[int, ...]:
    return _needed(kernel, p, spills.full[level], set(spills.reloads[level]))


def _needed(kernel: Kernel, p: Pass, full: Iterable[int], cut: set[int]) -> tuple[int, ...]:
    """What the loop of ``p`` computes when the values of ``cut`` come from memory."""
    inside = set(full)
    found: set[int] = set()
    pending = [kernel.body[n].args[0] for n in (*p.reductions, *p.stores)]
    pending += [n for n in inside if kernel.body[n].op == "require"]
    while pending:
        n = pending.pop()
        if n in inside and n not in found:
            found.add(n)
            if n not in cut:
                pending.extend(kernel.body[n].args)
    return tuple(sorted(found))
