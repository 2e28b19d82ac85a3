"""FLOWGRAPH_PROFILE=1: every run of the process is timed, and a table is printed when it ends.

    $ FLOWGRAPH_PROFILE=1 python train.py
    ...
    kernel  ops  calls  us  us/call  share  flops  GFLOP/s  bytes  GB/s  line

Times are summed per plan while the program runs, so that long trainings need no memory.

Read next: tables.py.
"""

from __future__ import annotations

import atexit
import sys
import threading
from typing import Any

import numpy as np

from flowgraph.plan.plan import Plan
from flowgraph.profile.run_metadata import PlanTrace, RunMetadata, Trace
from flowgraph.profile.tables import Table, table
from flowgraph.runtime.executor import Executable

#: Rows of the printed table; the others are summed up in one.
ROW_LIMIT = 40

_lock = threading.Lock()
_sums: dict[Plan, tuple[np.ndarray, int]] = {}


def run_timed(executable: Executable) -> list[Any]:
    """Run an executable whose feeds are loaded, and add its times to the sums."""
    times = np.zeros((len(executable.plan.instrs) + 1, 2), np.int64)
    results = executable.run_timed(times)
    with _lock:
        if not _sums:
            atexit.register(_print)
        before, walks = _sums.get(executable.plan, (0, 0))
        _sums[executable.plan] = before + times[:, 1] - times[:, 0], walks + 1
    return results


def summary(**options: Any) -> Table:
    """The table of everything that has run; ``options`` as of ``profile.table``."""
    parts = [
        PlanTrace(plan, np.stack([np.zeros_like(total), total], axis=1), walks)
        for plan, (total, walks) in _sums.items()
    ]
    metadata = RunMetadata()
    metadata.set_trace(Trace(parts, sum(part.walks for part in parts)))
    return table(metadata, **options)


def _print() -> None:
    sys.stderr.write(f"\n{summary(row_limit=ROW_LIMIT)}")
