"""The typed loop IR: one Kernel is a loop nest with a straight-line body in SSA form.

Region (optimiser) --lower--> Kernel --emit--> numba source (codegen/cpu.py) or numba.cuda source
(codegen/cuda.py).

A Kernel names *axes* (outermost first, each ``map`` or ``reduce``), *buffers* (memory it touches,
each with one stride class per axis) and a *body*.  Extents, base pointers and ``s`` strides are
run-time numbers, so a new batch size compiles nothing; what is part of a kernel's identity is its
shape of access and its arithmetic.

    kernel (map n0, reduce n1)
      b0: float32 in [s, 1]
      b1: float32 out [s, 1]
      %0 = load b0           float32
      %1 = reduce_max %0     float32
      %2 = sub %0, %1        float32
      %3 = exp %2            float32
      %4 = reduce_sum %3     float32
      %5 = div %3, %4        float32
      store b1, %5

Domains.  A value is *full* when it depends on a reduce axis (a load with a non-zero stride there,
or ``index`` of it) and *row* otherwise; a reduction turns a full value into a row value.  Row
values may be used next to full ones: they are constant along the reduce axes.

Order.  The body states data flow only.  A renderer picks the loops ("passes" over the reduce axes),
but float reductions must use one fixed order that does not depend on thread count.

Read next: builder.py (how op rules write bodies), text.py (print and parse), codegen/cpu.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowgraph.kernel.scalar import REDUCTIONS, SCALAR_OPS

MAP, REDUCE = "map", "reduce"

#: Stride classes of a buffer along an axis: broadcast, contiguous, every second element (the parts
#: of complex numbers), run-time stride in elements.
BROADCAST, UNIT, PAIRED, STRIDED = "0", "1", "2", "s"

IN, OUT, INOUT = "in", "out", "inout"

#: dtypes (NumPy names) that kernels can hold; bool is one byte in memory; float16 is only loaded,
#: stored and cast.
KERNEL_DTYPES = frozenset(
    [
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64",
    ]
)


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory that a kernel touches: element type, direction, one stride class per axis.

    ``beside``: the number of a buffer before this one, of the same strides, one element in front
    of this one in memory (imaginary parts beside real ones); -1 without.
    """

    dtype: str
    mode: str
    strides: tuple[str, ...]
    beside: int = -1


@dataclass(frozen=True, slots=True)
class Stmt:
    """One body statement; its value is named by its position in the body.

    ``op`` is a row of scalar.SCALAR_OPS, a reduction (``reduce_sum`` ...), or one of
    ``load`` (imm = buffer), ``store`` (args = (value,), imm = buffer), ``const`` (imm = number),
    ``index`` (imm = axis; int64), ``count`` (int64: the product of the reduce extents, 1 without
    reduce axes; a mean divides by it without putting sizes into the code), ``cast`` (to ``dtype``),
    ``require`` (args = (bool value,), imm = status code that the kernel returns when any element is
    False).
    """

    op: str
    args: tuple[int, ...]
    dtype: str
    imm: int | float | bool | None = None

    @property
    def place(self) -> int:
        """``imm`` of the statements where it is a buffer, an axis or a status code."""
        assert isinstance(self.imm, int), self
        return self.imm


@dataclass(frozen=True, slots=True)
class Kernel:
    """A loop nest: see the module docstring.  Hashable; equal kernels share compiled code."""

    axes: tuple[str, ...]
    buffers: tuple[Buffer, ...]
    body: tuple[Stmt, ...]

    def extent_count(self) -> int:
        """Number of run-time extents, one per axis."""
        return len(self.axes)

    def block_layout(self) -> list[tuple[str, int, int]]:
        """Words (int64) of the argument block, in order.

        ``("extent", axis, -1)`` for every axis, then per buffer ``("pointer", buffer, -1)``
        followed by ``("stride", buffer, axis)`` for each of its ``s`` axes, outermost first.
        """
        words = [("extent", axis, -1) for axis in range(len(self.axes))]
        for number, buffer in enumerate(self.buffers):
            words.append(("pointer", number, -1))
            words.extend(
                ("stride", number, axis)
                for axis, stride in enumerate(buffer.strides)
                if stride == STRIDED
            )
        return words

    def domains(self) -> list[bool]:
        """For every body value: True when it is full (varies along a reduce axis)."""
        reduce_axes = {axis for axis, kind in enumerate(self.axes) if kind == REDUCE}
        full: list[bool] = []
        for stmt in self.body:
            if stmt.op == "load":
                strides = self.buffers[stmt.place].strides
                full.append(any(strides[axis] != BROADCAST for axis in reduce_axes))
            elif stmt.op == "index":
                full.append(stmt.imm in reduce_axes)
            elif stmt.op in REDUCTIONS:
                full.append(False)
            else:
                full.append(any(full[arg] for arg in stmt.args))
        return full

    def flops(self, extents: tuple[int, ...]) -> int:
        """Floating-point operations of one launch: what the body does, times how often."""
        points, rows = self._sizes(extents)
        full = self.domains()
        total = 0
        for number, stmt in enumerate(self.body):
            if stmt.op in REDUCTIONS and stmt.dtype.startswith("float"):
                total += points
            elif stmt.op in SCALAR_OPS and stmt.dtype.startswith("float"):
                total += SCALAR_OPS[stmt.op].flops * (points if full[number] else rows)
        return total

    def bytes_moved(self, extents: tuple[int, ...]) -> int:
        """Bytes read and written once per distinct element (no cache model)."""
        total = 0
        for buffer in self.buffers:
            count = 1
            for extent, stride in zip(extents, buffer.strides, strict=True):
                if stride != BROADCAST:
                    count *= extent
            times = 2 if buffer.mode == INOUT else 1
            total += times * count * np.dtype(buffer.dtype).itemsize
        return total

    def _sizes(self, extents: tuple[int, ...]) -> tuple[int, int]:
        points = rows = 1
        for extent, kind in zip(extents, self.axes, strict=True):
            points *= extent
            if kind == MAP:
                rows *= extent
        return points, rows


@dataclass(frozen=True, slots=True)
class TextKernel:
    """A hand-written kernel: numba source of ``def kernel(block, start, stop)`` with its own block.

    For what is not a loop nest over strided operands (GEMM, gather, random).  ``source`` may use
    the names of codegen/intrinsics.py.  The words of the block are chosen by the op's lowering
    rule; ``name`` labels the kernel in profiles and dumps.
    """

    name: str
    source: str


class KernelError(Exception):
    """An ill-formed kernel: a bug in a lowering rule, never the user's mistake."""


def verify(kernel: Kernel) -> None:
    """Raise KernelError unless ``kernel`` keeps the rules of this module."""
    rank = len(kernel.axes)
    for kind in kernel.axes:
        if kind not in (MAP, REDUCE):
            raise KernelError(f"axis kind {kind!r} is not map or reduce")
    for number, buffer in enumerate(kernel.buffers):
        if buffer.dtype not in KERNEL_DTYPES:
            raise KernelError(f"b{number}: dtype {buffer.dtype} cannot be held by a kernel")
        if len(buffer.strides) != rank:
            raise KernelError(f"b{number}: {len(buffer.strides)} strides for {rank} axes")
        if buffer.beside >= 0 and (
            buffer.beside >= number or kernel.buffers[buffer.beside].strides != buffer.strides
        ):
            raise KernelError(f"b{number}: it cannot lie beside b{buffer.beside}")
        if buffer.mode not in (IN, OUT, INOUT):
            raise KernelError(f"b{number}: mode {buffer.mode!r}")
        for axis, stride in enumerate(buffer.strides):
            if stride not in (BROADCAST, UNIT, PAIRED, STRIDED):
                raise KernelError(f"b{number}: stride class {stride!r}")
            if buffer.mode != IN and stride == BROADCAST and kernel.axes[axis] == MAP:
                raise KernelError(f"b{number}: written along map axis {axis} with stride 0")
    stored: set[int] = set()
    for number, stmt in enumerate(kernel.body):
        _verify_stmt(kernel, number, stmt, stored)
    full = kernel.domains()
    for number, stmt in enumerate(kernel.body):
        if stmt.op == "store" and full[stmt.args[0]]:
            strides = kernel.buffers[stmt.place].strides
            along = [s for s, kind in zip(strides, kernel.axes, strict=True) if kind == REDUCE]
            if BROADCAST in along:
                raise KernelError(f"%{number} = store: a full value stored into a row buffer")
    for number, buffer in enumerate(kernel.buffers):
        if buffer.mode != IN and number not in stored:
            raise KernelError(f"b{number} is never stored")


def _verify_stmt(kernel: Kernel, number: int, stmt: Stmt, stored: set[int]) -> None:
    where = f"%{number} = {stmt.op}"
    for arg in stmt.args:
        if not 0 <= arg < number:
            raise KernelError(f"{where}: argument %{arg} is not defined before it")
        if kernel.body[arg].op in ("store", "require"):
            raise KernelError(f"{where}: argument %{arg} has no value")
    dtypes = [kernel.body[arg].dtype for arg in stmt.args]
    if stmt.op in ("load", "store"):
        if not 0 <= stmt.place < len(kernel.buffers):
            raise KernelError(f"{where}: no buffer b{stmt.imm}")
        buffer = kernel.buffers[stmt.place]
        if stmt.dtype != buffer.dtype or (dtypes and dtypes[0] != buffer.dtype):
            raise KernelError(f"{where}: dtype differs from b{stmt.imm}'s {buffer.dtype}")
        if stmt.op == "load" and buffer.mode == OUT:
            raise KernelError(f"{where}: b{stmt.imm} is write-only")
        if stmt.op == "store":
            if buffer.mode == IN or stmt.place in stored:
                raise KernelError(f"{where}: b{stmt.imm} is not an output, or is stored twice")
            stored.add(stmt.place)
    elif stmt.op == "index":
        if not 0 <= stmt.place < len(kernel.axes):
            raise KernelError(f"{where}: no axis {stmt.imm}")
    elif stmt.op == "count":
        if stmt.args or stmt.dtype != "int64":
            raise KernelError(f"{where}: takes no argument and is int64")
    elif stmt.op == "require":
        if dtypes != ["bool"] or not isinstance(stmt.imm, int) or stmt.imm <= 0:
            raise KernelError(f"{where}: needs one bool and a positive status code")
    elif stmt.op in REDUCTIONS:
        if len(dtypes) != 1 or dtypes[0] != stmt.dtype:
            raise KernelError(f"{where}: one argument of its own dtype")
    elif stmt.op not in ("const", "cast"):
        row = SCALAR_OPS.get(stmt.op)
        if row is None:
            raise KernelError(f"{where}: unknown op")
        if row.result_dtype(dtypes) != stmt.dtype:
            raise KernelError(f"{where}: dtype {stmt.dtype} for arguments {dtypes}")
