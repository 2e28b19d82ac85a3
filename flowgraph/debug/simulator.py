"""Plans on the simulated CUDA device: the text of every kernel's CUDA form, thread by thread.

The memory is a copy of the plan's, in this process.  What has no CUDA form (products of matrices,
host operations) runs by its reference; on a device a library or the host would do it.

Read next: codegen/cuda_sim.py, rows.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.codegen.cuda import emit
from flowgraph.codegen.cuda_sim import simulate
from flowgraph.kernel.ir import Kernel
from flowgraph.plan.plan import Instr, Pointer, Slot
from flowgraph.runtime.executor import Executable

_Bytes = np.ndarray[Any, Any]


def can_simulate(instr: Instr) -> bool:
    """True for instructions that have a CUDA form."""
    return isinstance(instr.kernel, Kernel) and instr.jump is None


def run_simulated(executable: Executable, instr: Instr) -> None:
    """Run one instruction of a plan whose feeds are loaded.

    Raises:
        SimulationError: the kernel did what no correct CUDA kernel does.
        ValueError: it stopped with a status: a division by zero, an index out of range.
    """
    assert isinstance(instr.kernel, Kernel)
    # Every slot has memory of its own: in the arena a result may lie where an operand was, which
    # is right only for a loop that runs from front to back.
    copies: dict[Slot, _Bytes] = {}
    words = []
    for word in instr.words:
        if isinstance(word, Pointer):
            if word.slot not in copies:
                copies[word.slot] = executable.memory[word.slot].copy()
            words.append(copies[word.slot].ctypes.data + word.nbytes)
        else:
            assert isinstance(word, int), "library routines have no CUDA form"
            words.append(word)
    source = emit(instr.kernel)
    scratch = np.full(max(source.scratch(words[: len(instr.kernel.axes)])[1], 1), 0xFF, np.uint8)
    status = np.zeros(4 * len(instr.kernel.body), np.uint8)
    cells = {own.ctypes.data: own for own in (*copies.values(), scratch, status)}
    for launch in source.launches(words, scratch.ctypes.data, status.ctypes.data):
        arguments: list[int | tuple[np.ndarray, int]] = []
        for parameter, word in zip(launch.stage.parameters, launch.words, strict=True):
            if parameter.pointer:
                arguments.append(_place(cells, word, np.dtype(parameter.dtype)))
            else:
                arguments.append(word)
        simulate(launch.stage, launch.grid, arguments)
    for slot in instr.writes():
        if slot in copies:
            executable.memory[slot][...] = copies[slot]
    if status.any():
        raise ValueError(f"the kernel of {instr.label} stopped with a status")


def _place(cells: dict[int, _Bytes], address: int, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """The memory around an address, as ``dtype``, and which element the address is."""
    for start, memory in cells.items():
        if start <= address <= start + memory.size:
            whole = memory[: memory.size // dtype.itemsize * dtype.itemsize].view(dtype)
            return whole, (address - start) // dtype.itemsize
    raise AssertionError("a pointer points nowhere")
