"""Strided operands over a domain -> a Kernel with as few axes as possible, and its block words.

    domain (32, 1, 64), all operands contiguous       ->   one map axis of extent 2048
    domain (128, 256), bias with strides (0, 1)       ->   axes 128, 256; bias [0, 1], the rest [s,
    1]

Size-1 axes vanish, neighbours that every operand walks as one are merged, strides become classes
(0, 1, run-time).  What remains of sizes and strides goes into the argument block, not the kernel.

Read next: regions.py and copies.py, its two callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flowgraph.kernel.ir import (
    BROADCAST,
    IN,
    MAP,
    PAIRED,
    REDUCE,
    STRIDED,
    UNIT,
    Buffer,
    Kernel,
    Stmt,
)
from flowgraph.kernel.ir import verify as verify_kernel
from flowgraph.plan.plan import Operand, Pointer, Word


@dataclass(frozen=True, slots=True)
class Access:
    """An operand as the loops walk it: one stride per domain axis; ``mode`` of kernel.ir."""

    operand: Operand
    strides: tuple[int, ...]
    mode: str


def build_kernel(
    domain: Sequence[int],
    reduced: Sequence[int],
    accesses: Sequence[Access],
    body: Sequence[Stmt],
) -> tuple[Kernel, tuple[int, ...], tuple[Word, ...]]:
    """The kernel, its extents and its block words.

    ``body`` refers to accesses by number and to domain axes in ``index`` statements; statements
    that reach no store or require are dropped, as are accesses that nothing uses.
    """
    body, accesses = _without_dead(list(body), list(accesses))
    indexed = {int(s.imm) for s in body if s.op == "index"}  # type: ignore[arg-type]
    groups = _merged_axes(domain, set(reduced), accesses, indexed)
    extents = []
    axes = []
    for group in groups:
        extent = 1
        for axis in group:
            extent *= domain[axis]
        extents.append(extent)
        axes.append(REDUCE if group[0] in reduced else MAP)
    buffers: list[Buffer] = []
    strides_of: list[tuple[int, ...]] = []
    for access in accesses:
        strides = tuple(access.strides[group[-1]] for group in groups)
        strides_of.append(strides)
    if not groups:
        # A scalar: one map axis of extent 1, so that it shares the kernel of vectors.
        extents, axes = [1], [MAP]
        strides_of = [
            (0,) if a.mode == IN and a.operand.slot.kind == "const" else (1,) for a in accesses
        ]
    last = len(axes) - 1
    for access, strides in zip(accesses, strides_of, strict=True):
        classes = tuple(
            BROADCAST
            if stride == 0 and (access.mode == IN or axes[axis] == REDUCE)
            else UNIT
            if axis == last and stride == 1
            else PAIRED
            if axis == last and stride == 2
            else STRIDED
            for axis, stride in enumerate(strides)
        )
        beside = _beside(accesses, strides_of, len(buffers)) if PAIRED in classes else -1
        buffers.append(Buffer(access.operand.dtype.name, access.mode, classes, beside))
    kernel = Kernel(tuple(axes), tuple(buffers), _with_kernel_axes(body, groups))
    kernel = _with_stores_inside(kernel)
    verify_kernel(kernel)
    words: list[Word] = []
    for kind, first, axis in kernel.block_layout():
        if kind == "extent":
            words.append(extents[first])
        elif kind == "pointer":
            operand = accesses[first].operand
            words.append(Pointer(operand.slot, operand.offset * operand.dtype.np.itemsize))
        else:
            words.append(strides_of[first][axis])
    return kernel, tuple(extents), tuple(words)


def _with_stores_inside(kernel: Kernel) -> Kernel:
    """The kernel with a stride along reduced axes where a value of every element is stored.

    Such a buffer has stride 0 there only when the axis has one element, and then any stride will
    do; as a BROADCAST one it would be stored behind the loop, like the value of a whole row.
    """
    full = kernel.domains()
    buffers = list(kernel.buffers)
    for stmt in kernel.body:
        if stmt.op == "store" and full[stmt.args[0]]:
            buffer = buffers[stmt.place]
            strides = tuple(
                STRIDED if stride == BROADCAST and kind == REDUCE else stride
                for stride, kind in zip(buffer.strides, kernel.axes, strict=True)
            )
            buffers[stmt.place] = replace(buffer, strides=strides)
    return replace(kernel, buffers=tuple(buffers))


def _beside(accesses: Sequence[Access], strides_of: Sequence[tuple[int, ...]], number: int) -> int:
    """The access one element in front of access ``number`` that walks with it, or -1."""
    this = accesses[number]
    for other in range(number):
        that = accesses[other]
        if (
            that.operand.slot is this.operand.slot
            and that.operand.dtype is this.operand.dtype
            and that.operand.offset + 1 == this.operand.offset
            and that.mode == this.mode
            and strides_of[other] == strides_of[number]
        ):
            return other
    return -1


def _without_dead(body: list[Stmt], accesses: list[Access]) -> tuple[list[Stmt], list[Access]]:
    live = [False] * len(body)
    for number in range(len(body) - 1, -1, -1):
        stmt = body[number]
        if stmt.op in ("store", "require"):
            live[number] = True
        if live[number]:
            for arg in stmt.args:
                live[arg] = True
    number_of: dict[int, int] = {}
    buffer_of: dict[int, int] = {}
    kept: list[Stmt] = []
    used: list[Access] = []
    for number, stmt in enumerate(body):
        if not live[number]:
            continue
        number_of[number] = len(kept)
        imm = stmt.imm
        if stmt.op in ("load", "store"):
            if imm not in buffer_of:
                buffer_of[imm] = len(used)  # type: ignore[index]
                used.append(accesses[imm])  # type: ignore[index]
            imm = buffer_of[imm]  # type: ignore[index]
        kept.append(Stmt(stmt.op, tuple(number_of[a] for a in stmt.args), stmt.dtype, imm))
    return kept, used


def _merged_axes(
    domain: Sequence[int], reduced: set[int], accesses: Sequence[Access], indexed: set[int]
) -> list[list[int]]:
    """Domain axes grouped into kernel axes, outermost first; size-1 axes dropped."""
    groups: list[list[int]] = []
    for axis, extent in enumerate(domain):
        if extent == 1:
            continue
        if groups and axis not in indexed and groups[-1][-1] not in indexed:
            outer = groups[-1][-1]
            same_kind = (outer in reduced) == (axis in reduced)
            if same_kind and all(a.strides[outer] == a.strides[axis] * extent for a in accesses):
                groups[-1].append(axis)
                continue
        groups.append([axis])
    if reduced and not any(g[0] in reduced for g in groups):
        groups.append([max(reduced)])  # every reduction needs a reduce axis, if of extent 1
        groups.sort(key=lambda g: g[0])
    return groups


def _with_kernel_axes(body: list[Stmt], groups: list[list[int]]) -> tuple[Stmt, ...]:
    axis_of = {axis: number for number, group in enumerate(groups) for axis in group}
    result = []
    for stmt in body:
        if stmt.op == "index":
            axis = axis_of.get(stmt.imm)  # type: ignore[arg-type]
            if axis is None:  # a dropped axis of size 1
                stmt = Stmt("const", (), "int64", 0)
            else:
                stmt = Stmt("index", (), "int64", axis)
        result.append(stmt)
    return tuple(result)
