"""Runs a kernel's CUDA stages through a FakeDevice, as a plan would through a real one."""

from __future__ import annotations

import numpy as np
from fake_device import FakeDevice
from random_kernels import Case

from flowgraph.codegen.cuda import emit


def run(case: Case, device: FakeDevice | None = None) -> int:
    """Run ``case`` on its arrays in place; the status is the first code in body order."""
    device = device or FakeDevice()
    source = emit(case.kernel)
    bases = []
    pointers = []
    for array, offset in zip(case.arrays, case.offsets, strict=True):
        bases.append(device.alloc(max(array.nbytes, 1)))
        device.h2d(bases[-1], array)
        pointers.append(bases[-1] + offset * array.itemsize)
    status = np.zeros(sum(stmt.op == "require" for stmt in case.kernel.body), np.int32)
    status_at = device.alloc(max(status.nbytes, 1))
    device.memset(status_at, 0, status.nbytes)
    scratch_bytes = source.scratch(case.extents)[1]
    scratch = device.alloc(max(scratch_bytes, 1))
    for launch in source.launches(case.block(pointers), scratch, status_at):
        device.launch(device.load(launch.stage), launch.grid, launch.words)
    device.d2h(status, status_at)
    for array, base, buffer in zip(case.arrays, bases, case.kernel.buffers, strict=True):
        before = array.copy()
        device.d2h(array, base)
        if buffer.mode == "in":
            np.testing.assert_array_equal(array, before)
    device.sync()
    return next((int(code) for code in status if code), 0)
