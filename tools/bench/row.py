"""What a row of the benchmark declares.

A file of rows/ holds ``ROW`` and these functions; each builds the same computation ``case``:

    reference(case) -> results           NumPy, float64: what every library must return
    in_tf1(lib, case) -> call            flowgraph and TensorFlow: ``lib.module`` is tf 1.15's API
    in_keras(lib, case) -> call          ``lib.module`` is tf_keras, Keras 2
    in_jax(lib, case) -> call            ``lib.module`` is jax
    in_torch(lib, case) -> call          eager, or compiled where ``lib.jit`` compiles
    in_pytensor(lib, case) -> call
    in_numpy(lib, case), in_openblas(lib, case)     baselines, where a row names one

``call()`` runs the computation once and returns its results, a sequence of arrays, in the form in
which that library hands them out, finished (no pending asynchronous work).  It is called
``ROW.check_calls`` times for the comparison with the reference (a training step returns another
loss each time) and then timed.  A library whose function a row lacks is not measured there.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

#: What one number of a row is.
SECONDS = "seconds"  # per call, in a process that is warm
CPU_SECONDS = "cpu_seconds"  # of a process with its children, to the end of its first call
CPU_AFTER_IMPORT = "cpu_after_import"  # the same, less what was spent until the import was done
PEAK_BYTES = "peak_bytes"  # of a process, over its size after the import

Call = Callable[[], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Figure:
    """What flowgraph is to reach: the bounds given must all hold.

    Attributes:
        at_most: a number in the row's unit, meant for one core of a quiet Zen 3 CPU.
        ratio: flowgraph / best peer, at most.
        of: (library, number): who was the yardstick there; ``at_most`` scaled by what that
            library needs here says what the bound means on this machine.
        fraction: of the row's baseline (its time / flowgraph's), at least.
    """

    at_most: float | None = None
    ratio: float | None = None
    of: tuple[str, float] | None = None
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One size or way of calling.

    Attributes:
        name: also the row's label, "L1 run".
        size: the number that the row's functions read, where there is one.
        figure: to be reached.
        quick: measured with --quick too.
        cache: "warm" or "empty": the compile caches that a process finds (not for SECONDS).
        after: 0, or the size of a run that comes first and counts with the import (PEAK_BYTES).
        only: libraries to measure, where some would take minutes; None for all.
    """

    name: str
    size: int = 0
    figure: Figure = Figure()
    quick: bool = True
    cache: str = "warm"
    after: int = 0
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Attributes:
        id: "L1".   title: the computation, precisely.
        cases: in order.   metric: one of the four above.
        check_calls: results of so many calls are compared with the reference.
        rtol, atol: of that comparison.
        baseline: library that ``Figure.fraction`` refers to; it is no peer.
        left_out: library -> why it is not measured.
    """

    id: str
    title: str
    cases: tuple[Case, ...]
    metric: str = SECONDS
    check_calls: int = 1
    rtol: float = 1e-4
    atol: float = 1e-6
    baseline: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def case(self, name: str) -> Case:
        """The case of that name."""
        return next(case for case in self.cases if case.name == name)


def row_module(row_id: str) -> ModuleType:
    """The file of a row: "L1c" stands in rows/l1c.py."""
    return importlib.import_module(f"tools.bench.rows.{row_id.lower()}")


def row_ids() -> list[str]:
    """Every row's id, in the order of the files' names."""
    folder = Path(__file__).parent / "rows"
    names = sorted(module.name for module in pkgutil.iter_modules([str(folder)]))
    return [row_module(name).ROW.id for name in names]


def generator(seed: int = 0) -> np.random.RandomState:
    """Random input data: NumPy's legacy generator, whose numbers never change."""
    return np.random.RandomState(seed)
