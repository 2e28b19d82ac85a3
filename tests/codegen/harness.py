"""Running one kernel natively on flat arrays, next to its meaning in NumPy."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from flowgraph.codegen.compile import addresses
from flowgraph.kernel.ir import BROADCAST, UNIT, Kernel, TextKernel

_WORD = ctypes.c_int64
_SIGNATURE = ctypes.CFUNCTYPE(_WORD, _WORD, _WORD, _WORD)


def native(kernel: Kernel | TextKernel):
    """The compiled kernel as a Python function (block address, start, stop)."""
    (address,) = addresses([kernel])
    return _SIGNATURE(address)


def block(
    kernel: Kernel,
    arrays: Sequence[np.ndarray],
    extents: Sequence[int],
    strides: Sequence[Sequence[int]],
    offsets: Sequence[int] | None = None,
) -> np.ndarray:
    """The argument block of ``kernel``."""
    offsets = offsets or [0] * len(arrays)
    words = []
    for kind, number, axis in kernel.block_layout():
        if kind == "extent":
            words.append(extents[number])
        elif kind == "pointer":
            array = arrays[number]
            words.append(array.ctypes.data + offsets[number] * array.itemsize)
        else:
            words.append(strides[number][axis])
    return np.array(words or [0], np.int64)


def run(
    kernel: Kernel,
    arrays: Sequence[np.ndarray],
    extents: Sequence[int],
    strides: Sequence[Sequence[int]],
    offsets: Sequence[int] | None = None,
    bounds: Sequence[tuple[int, int]] | None = None,
) -> int:
    """Run natively (over ``bounds`` of axis 0 one after another); the first nonzero status."""
    words = block(kernel, arrays, extents, strides, offsets)
    function = native(kernel)
    bounds = bounds or [(0, extents[0] if extents else 1)]
    statuses = [function(words.ctypes.data, start, stop) for start, stop in bounds]
    return next((s for s in statuses if s), 0)


def layout(
    kernel: Kernel, extents: Sequence[int], gap: int = 0
) -> tuple[list[list[int]], list[int]]:
    """Strides and element counts of buffers that are contiguous, or have ``gap`` extra elements
    between the lines of their strided axes."""
    strides, sizes = [], []
    for buffer in kernel.buffers:
        line, step = [0] * len(extents), 1
        for axis in reversed(range(len(extents))):
            kind = buffer.strides[axis]
            if kind == BROADCAST:
                continue
            if kind == UNIT:
                line[axis], step = 1, max(step, extents[axis])
            else:
                step += gap
                line[axis], step = step, step * max(extents[axis], 1)
        strides.append(line)
        sizes.append(max(step, 1) + 8)
    return strides, sizes
