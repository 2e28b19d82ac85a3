"""Kernel -> passes: in what order a renderer computes the statements of a kernel, per row.

A *row* is one point of the map axes.  Softmax needs its row three times: for the maximum, for the
sum of exponentials, for the quotient.  ``passes`` finds these levels once, for all renderers:

    for every row:
        for p in passes(kernel):
            p.rows                              once
            for every point of the reduce axes:     (only when p.loops)
                p.full                          computed again in every pass that needs them
                accumulate p.reductions
                p.stores
            p.row_stores                        once

Read next: ir.py (full and row values), codegen/cpu.py and codegen/cuda.py (the two renderers).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowgraph.kernel.ir import BROADCAST, REDUCE, Kernel
from flowgraph.kernel.scalar import REDUCTIONS


@dataclass(frozen=True, slots=True)
class Pass:
    """Statement numbers, each tuple in body order.

    rows: row statements (and requires) that become computable before this pass's loop.
    full: statements (and requires) of the loop: what ``reductions`` and ``stores`` need, anew.
    reductions: accumulated over the loop, known after it.
    stores: made in the loop.   row_stores: made once, when all else of the row is done.
    """

    rows: tuple[int, ...]
    full: tuple[int, ...]
    reductions: tuple[int, ...]
    stores: tuple[int, ...]
    row_stores: tuple[int, ...]

    @property
    def loops(self) -> bool:
        """Whether this pass walks the reduce axes at all."""
        return bool(self.full or self.reductions or self.stores)


def passes(kernel: Kernel) -> list[Pass]:
    """The passes over a row of ``kernel``, in order; at least one.

    A reduction whose argument needs ``k`` earlier reductions in sequence belongs to pass ``k``.  A
    kernel without reduce axes is one pass with ``rows`` and ``row_stores`` only.

    All stores of the loop stand in the last looping pass, and row stores after everything: an
    output may share memory with an input (element for element), and no pass may read a row after it
    was overwritten.  A ``require`` keeps its place before the statements that follow it in the
    body, so a division stands behind the check of its divisor.

    Statements on which no store and no require depends are left out.

    >>> from flowgraph.kernel.builder import BodyBuilder
    >>> from flowgraph.kernel.ir import Buffer
    >>> s = BodyBuilder()
    >>> e = s.exp(s.load(0, "float32") - s.reduce_max(s.load(0, "float32")))
    >>> s.store(1, e / s.reduce_sum(e))
    >>> row = ("s", "1")
    >>> x, y = Buffer("float32", "in", row), Buffer("float32", "out", row)
    >>> kernel = s.build(("map", "reduce"), (x, y))
    >>> [(p.full, p.reductions, p.stores) for p in passes(kernel)]
    [((0,), (1,), ()), ((0, 2, 3), (4,), ()), ((0, 2, 3, 5), (), (6,))]
    """
    full = kernel.domains()
    levels = _levels(kernel)
    live = _needed(kernel, [n for n, s in enumerate(kernel.body) if s.op in ("store", "require")])
    reductions = [n for n in live if kernel.body[n].op in REDUCTIONS]
    last = max((levels[n] for n in reductions), default=0)

    loop_stores: list[int] = []
    row_stores: list[int] = []
    for number in live:
        if kernel.body[number].op == "store":
            (loop_stores if _varies(kernel, number) else row_stores).append(number)
    last_loop = max([last - 1, 0, *(levels[n] for n in loop_stores)])

    result = []
    for level in range(last + 1):
        now = tuple(n for n in reductions if levels[n] == level + 1)
        stores = tuple(loop_stores) if level == last_loop else ()
        requires = [
            n for n in live if kernel.body[n].op == "require" and full[n] and levels[n] == level
        ]
        inside = _needed(kernel, [*now, *stores, *requires], within=full)
        result.append(
            Pass(
                rows=tuple(n for n in live if _is_row(kernel, n, full) and levels[n] == level),
                full=tuple(inside),
                reductions=now,
                stores=stores,
                row_stores=tuple(row_stores) if level == last else (),
            )
        )
    return result


def _levels(kernel: Kernel) -> list[int]:
    """For each statement: how many reductions, one after another, it waits for."""
    levels: list[int] = []
    for stmt in kernel.body:
        level = max((levels[arg] for arg in stmt.args), default=0)
        levels.append(level + (stmt.op in REDUCTIONS))
    return levels


def _is_row(kernel: Kernel, number: int, full: list[bool]) -> bool:
    op = kernel.body[number].op
    return not full[number] and op != "store" and op not in REDUCTIONS


def _varies(kernel: Kernel, store: int) -> bool:
    """Whether ``store`` writes different elements along the reduce axes."""
    strides = kernel.buffers[int(kernel.body[store].imm)].strides  # type: ignore[arg-type]
    return any(
        stride != BROADCAST
        for stride, kind in zip(strides, kernel.axes, strict=True)
        if kind == REDUCE
    )


def _needed(kernel: Kernel, roots: Iterable[int], within: list[bool] | None = None) -> list[int]:
    """``roots`` and what they depend on, in body order.

    With ``within``: only full values (and full requires), each followed through full arguments.
    """
    found: set[int] = set()
    pending = list(roots)
    if within is not None:
        pending = [n if kernel.body[n].op == "require" else kernel.body[n].args[0] for n in pending]
    while pending:
        number = pending.pop()
        if number in found or (within is not None and not within[number]):
            continue
        found.add(number)
        pending.extend(kernel.body[number].args)
    return sorted(found)
