"""Runs a session's plan on a FakeDevice: loop kernels simulated, the rest by reference."""

from __future__ import annotations

import numpy as np
from fake_device import FakeDevice

from flowgraph.codegen.cuda import emit
from flowgraph.kernel.ir import Kernel
from flowgraph.plan.plan import ARENA, Pointer
from flowgraph.runtime.executor import Executable
from flowgraph.runtime.reference import run_instr


class Rehearsal:
    """The plan of ``executable`` on device memory of its own, with the same arena offsets.

    ``kernels`` holds the labels of what was simulated, ``others`` of what was not.
    """

    def __init__(self, executable: Executable, feeds: list[np.ndarray]) -> None:
        self.plan, self.device = executable.plan, FakeDevice()
        arena = self.device.alloc(max(self.plan.arena_nbytes, 1))
        self.address = {}
        for slot in self.plan.slots:
            inside = slot.kind == ARENA
            nbytes = max(slot.nbytes, 1)
            self.address[slot] = arena + slot.offset if inside else self.device.alloc(nbytes)
            if not inside and slot in executable.memory:
                self.device.h2d(self.address[slot], executable.memory[slot].copy())
        for operand, array in zip(self.plan.feeds, feeds, strict=True):
            given = np.ascontiguousarray(array, operand.dtype.np)
            self.device.h2d(self.address[operand.slot], given)
        self.kernels: list[str] = []
        self.others: list[str] = []

    def run(self) -> list[np.ndarray]:
        """The fetches."""
        for instr in self.plan.instrs:
            if isinstance(instr.kernel, Kernel):
                self.kernels.append(instr.label)
                words = [
                    self.address[word.slot] + word.nbytes if isinstance(word, Pointer) else word
                    for word in instr.words
                ]
                source = emit(instr.kernel)
                extents = words[: len(instr.kernel.axes)]
                scratch = self.device.alloc(max(source.scratch(extents)[1], 1))
                status = np.zeros(len(instr.kernel.body), np.int32)  # at least one per require
                status_at = self.device.alloc(status.nbytes)
                self.device.h2d(status_at, status)
                for launch in source.launches(words, scratch, status_at):
                    self.device.launch(launch.stage, launch.grid, launch.words)
                self.device.d2h(status, status_at)
                assert not status.any(), instr.label
            else:
                self.others.append(instr.label)
                results = run_instr(instr, self.window)
                for value, operand in instr.outputs.items():
                    self.window(operand)[...] = results[value]
        return [self.window(operand).copy() for operand in self.plan.fetches]

    def window(self, operand) -> np.ndarray:
        """The array at ``operand`` in device memory."""
        cells, offset = self.device.find(self.address[operand.slot])
        dtype = operand.dtype.np
        return np.ndarray(
            operand.shape,
            dtype,
            cells,
            offset + operand.offset * dtype.itemsize,
            tuple(step * dtype.itemsize for step in operand.strides),
        )
