"""What a Kernel means, executed by NumPy: the oracle of every code generator.

Kernel + flat arrays, extents, strides  ->  the arrays, changed in place, and a status code.

Nothing here is fast or clever.  Every statement is evaluated over the whole domain at once, with a
size of 1 along the axes on which its value does not depend; that is the definition in ir.py, read
literally.  Tests of codegen/cpu.py and codegen/cuda.py compare against it.

Read next: ir.py (the definition), passes.py (the same kernel as loops).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from flowgraph.kernel.ir import (
    BROADCAST,
    IN,
    PAIRED,
    REDUCE,
    UNIT,
    Buffer,
    Kernel,
    KernelError,
    Stmt,
)
from flowgraph.kernel.scalar import FLOATS, REDUCTIONS, SCALAR_OPS


def interpret(
    kernel: Kernel,
    arrays: Sequence[np.ndarray],
    extents: Sequence[int],
    strides: Sequence[Sequence[int]],
    offsets: Sequence[int] | None = None,
) -> int:
    """Run ``kernel`` on ``arrays`` and return its status.

    Every load sees memory as it was before the run; stores happen after all of them.

    Args:
        kernel: a verified Kernel.
        arrays: one flat (rank 1) array per buffer, of the buffer's dtype; written in place unless
            the buffer's mode is ``in``.
        extents: the size of each axis.
        strides: for each buffer, one stride in elements per axis.  Only those of ``s`` axes are
            read; the classes ``0`` and ``1`` fix the others.
        offsets: for each buffer, the element that its base pointer points to (default 0; a
            negative stride needs more).

    Returns:
        0, or the code of the first ``require`` in body order that is False anywhere.  Outputs are
        then unspecified, as they are after a native kernel that stopped early.

    Raises:
        KernelError: the arguments do not fit the kernel (rank, dtype, out of bounds).

    Numerics: each operation rounds to the statement's dtype.  Sums use NumPy's pairwise order, so
    float reductions of another order agree within rounding only.

    >>> from flowgraph.kernel.builder import BodyBuilder
    >>> from flowgraph.kernel.ir import Buffer
    >>> s = BodyBuilder()
    >>> s.store(1, s.reduce_max(s.load(0, "float32")))
    >>> x, y = Buffer("float32", "in", ("s", "1")), Buffer("float32", "out", ("1", "0"))
    >>> kernel = s.build(("map", "reduce"), (x, y))
    >>> out = np.zeros(2, np.float32)
    >>> interpret(kernel, [np.arange(6, dtype=np.float32), out], (2, 3), [(3, 1), (1, 0)])
    0
    >>> out
    array([2., 5.], dtype=float32)
    """
    _check(kernel, arrays, extents, strides)
    offsets = offsets if offsets is not None else [0] * len(arrays)
    cells = [
        _cells(kernel.buffers[b], extents, strides[b], offsets[b], arrays[b].size)
        for b in range(len(arrays))
    ]
    domain = tuple(extents)
    values: list[np.ndarray] = []
    stores: list[tuple[int, np.ndarray]] = []
    status = 0
    with np.errstate(all="ignore"):
        for stmt in kernel.body:
            args = [values[arg] for arg in stmt.args]
            if stmt.op == "load":
                value = arrays[integer(stmt)][cells[integer(stmt)]]
            elif stmt.op == "store":
                stores.append((integer(stmt), args[0]))
                value = args[0]
            elif stmt.op == "require":
                value = np.broadcast_to(args[0], np.broadcast_shapes(args[0].shape, domain))
                if status == 0 and not value.all():
                    status = integer(stmt)
            else:
                value = _evaluate(kernel, stmt, args, domain)
            if value.dtype != stmt.dtype:
                raise KernelError(f"{stmt.op} gave {value.dtype}, the kernel says {stmt.dtype}")
            values.append(value)
    for number, value in stores:
        where = cells[number]
        # NB: a row buffer is stored once per row also when there is nothing to reduce over.
        shape = np.broadcast_shapes(where.shape, value.shape)
        arrays[number][where] = np.broadcast_to(value, shape)
    return status


def integer(stmt: Stmt) -> int:
    """The immediate of a statement whose immediate is a buffer, an axis or a status code."""
    assert isinstance(stmt.imm, int), stmt
    return int(stmt.imm)


def _evaluate(
    kernel: Kernel, stmt: Stmt, args: list[np.ndarray], domain: tuple[int, ...]
) -> np.ndarray:
    """The value of a statement that touches no memory."""
    if stmt.op == "const":
        return np.full((1,) * len(domain), stmt.imm, stmt.dtype)
    if stmt.op == "index":
        axis = integer(stmt)
        shape = [1] * len(domain)
        shape[axis] = domain[axis]
        return np.arange(domain[axis], dtype=np.int64).reshape(shape)
    reduced = tuple(axis for axis, kind in enumerate(kernel.axes) if kind == REDUCE)
    if stmt.op == "count":
        points = math.prod(domain[axis] for axis in reduced)
        return np.full((1,) * len(domain), points, np.int64)
    if stmt.op == "cast":
        return np.asarray(args[0] != 0 if stmt.dtype == "bool" else args[0].astype(stmt.dtype))
    if stmt.op in REDUCTIONS:
        return _reduce(stmt.op, args[0], domain, reduced)
    return np.asarray(SCALAR_OPS[stmt.op].numpy(*args))


def _check(
    kernel: Kernel,
    arrays: Sequence[np.ndarray],
    extents: Sequence[int],
    strides: Sequence[Sequence[int]],
) -> None:
    if len(extents) != len(kernel.axes) or len(arrays) != len(kernel.buffers):
        raise KernelError(f"{len(extents)} extents and {len(arrays)} arrays for {kernel}")
    for number, (buffer, array) in enumerate(zip(kernel.buffers, arrays, strict=True)):
        if array.ndim != 1 or array.dtype != buffer.dtype:
            got = f"{array.dtype}{array.shape}"
            raise KernelError(f"b{number}: a flat {buffer.dtype} array, not {got}")
        if len(strides[number]) != len(kernel.axes):
            raise KernelError(f"b{number}: one stride per axis")


def element_strides(buffer: Buffer, strides: Sequence[int]) -> tuple[int, ...]:
    """``buffer``'s stride along each axis: fixed by its class, or else taken from ``strides``."""
    fixed = {BROADCAST: 0, UNIT: 1, PAIRED: 2}
    return tuple(fixed.get(kind, int(n)) for kind, n in zip(buffer.strides, strides, strict=True))


def _cells(
    buffer: Buffer, extents: Sequence[int], strides: Sequence[int], offset: int, size: int
) -> np.ndarray:
    """The element numbers that ``buffer`` touches, with size 1 along its broadcast axes."""
    rank = len(extents)
    cells = np.full((1,) * rank, offset, np.int64)
    for axis, step in enumerate(element_strides(buffer, strides)):
        if buffer.strides[axis] == BROADCAST:
            continue
        shape = [1] * rank
        shape[axis] = extents[axis]
        cells = cells + (np.arange(extents[axis], dtype=np.int64) * step).reshape(shape)
    if cells.size and (cells.min() < 0 or cells.max() >= size):
        kind = "read" if buffer.mode == IN else "written"
        raise KernelError(f"{kind} out of bounds: {cells.min()} to {cells.max()} of {size}")
    return cells


def _reduce(
    op: str, value: np.ndarray, domain: tuple[int, ...], reduced: tuple[int, ...]
) -> np.ndarray:
    row = REDUCTIONS[op]
    # A value that does not vary along a reduce axis still counts once per point of that axis.
    shape = list(value.shape)
    for axis in reduced:
        shape[axis] = domain[axis]
    points = np.broadcast_to(value, shape)
    initial = identity(op, value.dtype.name)
    if op in ("reduce_max", "reduce_min"):
        return np.asarray(row.numpy(points, axis=reduced, keepdims=True, initial=initial))
    if op in ("reduce_any", "reduce_all"):
        return np.asarray(row.numpy(points, axis=reduced, keepdims=True))
    return np.asarray(row.numpy(points, axis=reduced, keepdims=True, dtype=value.dtype))


def identity(op: str, dtype: str) -> int | float | bool:
    """The value of reduction ``op`` over nothing, in ``dtype``.

    >>> [identity("reduce_max", dtype) for dtype in ("float32", "int8", "uint8")]
    [-inf, -128, 0]
    """
    kind = REDUCTIONS[op].identity
    if kind in ("false", "true"):
        return kind == "true"
    if kind in ("zero", "one"):
        number = int(kind == "one")
        return float(number) if dtype in FLOATS else number
    if dtype in FLOATS:
        return float("-inf") if kind == "lowest" else float("inf")
    limits = np.iinfo(dtype)
    return int(limits.min if kind == "lowest" else limits.max)
