"""Kernel -> CudaSource: numba.cuda text in stages, and the rule that launches them.

    source = emit(kernel)
    for launch in source.launches(words, scratch, status):
        device.launch(device.load(launch.stage), launch.grid, launch.words)

``words`` is the same argument block that the CPU code reads (``Kernel.block_layout``): its words,
eight bytes each, are the first parameters of every stage.  A kernel without reductions is one
launch.  One with reductions can be run in three ways, and the extents decide (never the device, so
results are bit-equal on every GPU):

    threads   a row per thread               for short rows, or many columns
    blocks    a row per block, with a tree   for rows of middle length
    split     several threads or blocks per row, joined by a second stage; for few long rows

Compile only the stages that a launch names: ``emit`` writes text for all.

Read next: cuda_text.py (the text), cuda_compile.py (text to cubin), runtime/cuda.py (the host).
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flowgraph.codegen import cuda_text
from flowgraph.codegen.cuda_text import THREADS, StageText, memory_dtype
from flowgraph.kernel.ir import MAP, REDUCE, UNIT, Kernel, KernelError
from flowgraph.kernel.passes import Pass, passes

#: Bytes of parameters that every CUDA driver takes (newer ones take 32,764).
PARAMETER_BYTES = 4096

#: Scratch buffers start at multiples of this.
ALIGNMENT = 256

#: Rows of at most this many points are walked by one thread.
SHORT_ROW = 32
#: Rows of at most this many points get one block; longer ones are split.
LONG_ROW = 4096
#: From this many columns on, one thread per column fills the device.
MANY_COLUMNS = 16384
#: Threads that a split over columns aims at, and the most splits of a row.
SPLIT_THREADS, MAX_SPLITS = 131072, 1024
#: Most blocks of a stage that strides over the grid.
MAX_BLOCKS = 8192


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a stage: an ``int64`` by value, or a pointer to ``dtype`` in memory."""

    name: str
    dtype: str
    pointer: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """One launch's function.

    ``grid`` is the rule for the number of blocks (see ``CudaSource.launches``): what is counted
    (rows, splits of rows, points of the domain) and what takes one of them: a thread, a block,
    or a thread that strides over the grid.
    """

    name: str
    text: str
    parameters: tuple[Parameter, ...]
    threads: int
    shared_bytes: int
    grid: str


@dataclass(frozen=True, slots=True)
class Launch:
    """A stage with its numbers: ``words`` has one int64 (size or address) per parameter."""

    stage: Stage
    grid: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CudaSource:
    """What a Kernel becomes.

    schedules: ``points``, or ``threads``, ``blocks`` and ``split``; their stages in launch order.
    columns: neighbours in memory are neighbouring rows, so neighbouring threads take rows.
    """

    kernel: Kernel
    schedules: dict[str, tuple[Stage, ...]]
    columns: bool

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages of all schedules."""
        return tuple(stage for stages in self.schedules.values() for stage in stages)

    @property
    def text(self) -> str:
        """The text of every stage, as dumped for a reader."""
        return "\n\n".join(stage.text for stage in self.stages)

    def schedule(self, extents: Sequence[int]) -> tuple[str, int]:
        """The schedule for ``extents`` and its number of splits per row."""
        if "points" in self.schedules:
            return "points", 1
        rows, points = _sizes(self.kernel, extents)
        if points <= SHORT_ROW:
            return "threads", 1
        if self.columns:
            if rows >= MANY_COLUMNS:
                return "threads", 1
            splits = min(-(-points // SHORT_ROW), SPLIT_THREADS // max(rows, 1), MAX_SPLITS)
            return "split", splits
        if points <= LONG_ROW or rows >= MAX_SPLITS:
            return "blocks", 1
        return "split", min(-(-points // LONG_ROW), MAX_SPLITS)

    def scratch(self, extents: Sequence[int]) -> tuple[dict[str, int], int]:
        """Byte offset of every scratch parameter, and the bytes of all."""
        name, splits = self.schedule(extents)
        rows, _ = _sizes(self.kernel, extents)
        offsets: dict[str, int] = {}
        total = 0
        for stage in self.schedules[name]:
            for parameter in stage.parameters:
                part = parameter.name.startswith("part")
                if parameter.name in offsets or not (part or parameter.name.startswith("done")):
                    continue
                offsets[parameter.name] = total
                size = rows * (splits if part else 1) * np.dtype(parameter.dtype).itemsize
                total += -(-size // ALIGNMENT) * ALIGNMENT
        return offsets, total

    def launches(self, words: Sequence[int], scratch: int = 0, status: int = 0) -> list[Launch]:
        """The launches of one execution, in order.

        Args:
            words: the argument block (``Kernel.block_layout``) with device addresses as pointers.
            scratch: address of ``self.scratch(extents)[1]`` bytes, when that is not 0.
            status: address of one int32 per ``require`` of the body, zero before the run, when
                there are any; a stage writes the status code of a require that is False.

        Returns:
            Empty when there are no rows: nothing is stored then.
        """
        extents = words[: len(self.kernel.axes)]
        rows, points = _sizes(self.kernel, extents)
        if rows == 0:
            return []
        name, splits = self.schedule(extents)
        offsets, _ = self.scratch(extents)
        extra = {"splits": splits, "status": status}
        extra |= {parameter: scratch + offset for parameter, offset in offsets.items()}
        blocks = {
            "rows/thread": -(-rows // THREADS),
            "rows/block": rows,
            "splits/thread": -(-rows * splits // THREADS),
            "splits/block": rows * splits,
            "rows/stride": min(-(-rows // THREADS), MAX_BLOCKS),
            "points/stride": min(-(-rows * points // THREADS), MAX_BLOCKS),
        }
        own = len(words)
        return [
            Launch(
                stage,
                blocks[stage.grid],
                (*words, *(extra[parameter.name] for parameter in stage.parameters[own:])),
            )
            for stage in self.schedules[name]
            if blocks[stage.grid]
        ]


@functools.lru_cache(maxsize=4096)
def emit(kernel: Kernel) -> CudaSource:
    """The CUDA stages of a verified ``kernel``.

    Raises:
        KernelError: more buffers and strides than the parameters of one launch can carry.

    Numerics: as written in the body, each operation in its own dtype; ``a * b + c`` may be
    contracted to one rounding.  Float reductions have one fixed order per extents: partial results
    of at most ``ceil(points / threads)`` terms, joined by trees.  Reducing nothing gives the
    identity.

    >>> from flowgraph.kernel.builder import BodyBuilder
    >>> from flowgraph.kernel.ir import Buffer
    >>> s = BodyBuilder()
    >>> s.store(1, s.load(0, "float32") * 0.5)
    >>> vector = ("1",)
    >>> x, y = Buffer("float32", "in", vector), Buffer("float32", "out", vector)
    >>> source = emit(s.build(("map",), (x, y)))
    >>> print(source.text.split(":", 1)[1].lstrip())
    rows = n0
        row = int64(cuda.blockIdx.x) * int64(256) + int64(cuda.threadIdx.x)
        while row < rows:
            i0 = row
            v0 = b0[i0]
            v1 = float32(0.5)
            v2 = v0 * v1
            b1[i0] = v2
            row = row + int64(cuda.gridDim.x) * int64(256)
    <BLANKLINE>
    >>> source.launches([1000, 4096, 8192])[0].grid
    4
    """
    schedule = passes(kernel)
    columns = _columns(kernel)
    reducing = [level for level, current in enumerate(schedule) if current.reductions]
    if not reducing:
        schedules = {"points": tuple(_ending(kernel, schedule))}
    else:
        stage = functools.partial(_stage, kernel)
        schedules = {
            "threads": (
                stage("threads", "rows/thread", cuda_text.row_per_thread(kernel, schedule)),
            ),
            "split": tuple(_split(kernel, schedule, reducing, columns)),
        }
        if not columns:
            schedules["blocks"] = (
                stage("blocks", "rows/block", cuda_text.row_per_block(kernel, schedule)),
            )
    return CudaSource(kernel, schedules, columns)


def _split(kernel: Kernel, schedule: list[Pass], reducing: list[int], columns: bool) -> list[Stage]:
    """For every reducing pass a partial and a joining stage, then what remains to be stored."""
    stages: list[Stage] = []
    ending = _ending(kernel, schedule)
    finish = not any(stage.grid == "points/stride" for stage in ending)
    for level in reducing:
        stages.append(
            _stage(
                kernel,
                f"partial{level}",
                "splits/thread" if columns else "splits/block",
                cuda_text.partial(kernel, schedule, level, columns),
            )
        )
        ends = finish and level == reducing[-1]
        text = cuda_text.combine(kernel, schedule, level, ends)
        stages.append(_stage(kernel, f"join{level}", "rows/block", text))
    return stages if finish else stages + ending


def _ending(kernel: Kernel, schedule: list[Pass]) -> list[Stage]:
    """The stages after the last reduction: stores of the loop, then stores of rows."""
    stages = []
    loops = [current for current in schedule if current.loops]
    if loops and not loops[-1].reductions:
        text = cuda_text.every_point(kernel, schedule)
        stages.append(_stage(kernel, "points", "points/stride", text))
    if any(_acts(kernel, current) for current in schedule):
        text = cuda_text.every_row(kernel, schedule)
        stages.append(_stage(kernel, "rows", "rows/stride", text))
    return stages


def _acts(kernel: Kernel, current: Pass) -> bool:
    """Whether the row part of ``current`` stores or checks anything."""
    checks = any(kernel.body[number].op == "require" for number in current.rows)
    return bool(current.row_stores) or checks


def _stage(kernel: Kernel, name: str, grid: str, text: StageText) -> Stage:
    layout = _layout_parameters(kernel)
    extras = []
    for extra in text.extras:
        dtype = "int32" if extra == "status" else "int64"
        if extra.startswith(("part", "done")):
            dtype = memory_dtype(kernel.body[int(extra[4:])].dtype)
        extras.append(Parameter(extra, dtype, extra != "splits"))
    parameters = (*layout, *extras)
    if 8 * len(parameters) > PARAMETER_BYTES:
        raise KernelError(
            f"a kernel of {len(kernel.buffers)} buffers needs {len(parameters)} parameters; "
            f"CUDA takes {PARAMETER_BYTES // 8}"
        )
    full_name = f"k{_digest(kernel)}_{name}"
    source = text.source(full_name, [parameter.name for parameter in layout])
    shared = sum(np.dtype(dtype).itemsize for dtype in text.shared.values()) * text.threads
    return Stage(full_name, source, parameters, text.threads, shared, grid)


def _layout_parameters(kernel: Kernel) -> tuple[Parameter, ...]:
    """The words of the argument block as parameters, in order."""
    parameters = []
    for kind, number, axis in kernel.block_layout():
        if kind == "extent":
            parameters.append(Parameter(f"n{number}", "int64", pointer=False))
        elif kind == "pointer":
            dtype = memory_dtype(kernel.buffers[number].dtype)
            parameters.append(Parameter(f"b{number}", dtype, pointer=True))
        else:
            parameters.append(Parameter(f"s{number}_{axis}", "int64", pointer=False))
    return tuple(parameters)


def _digest(kernel: Kernel) -> str:
    return hashlib.sha256(repr(kernel).encode()).hexdigest()[:12]


def _sizes(kernel: Kernel, extents: Sequence[int]) -> tuple[int, int]:
    """Rows (points of the map axes) and points of the reduce axes per row."""
    sizes = {
        wanted: math.prod(n for n, kind in zip(extents, kernel.axes, strict=True) if kind == wanted)
        for wanted in (MAP, REDUCE)
    }
    return sizes[MAP], sizes[REDUCE]


def _columns(kernel: Kernel) -> bool:
    """Whether neighbours in memory are neighbouring rows (reduce along columns).

    Counted over the buffers that are contiguous along the last map or the last reduce axis;
    the innermost axis decides a draw.
    """
    last = {kind: axis for axis, kind in enumerate(kernel.axes)}
    if MAP not in last or REDUCE not in last:
        return False
    vote = sum(
        (buffer.strides[last[MAP]] == UNIT) - (buffer.strides[last[REDUCE]] == UNIT)
        for buffer in kernel.buffers
        if buffer.strides[last[REDUCE]] != "0"
    )
    return vote > 0 or (vote == 0 and kernel.axes[-1] == MAP)
