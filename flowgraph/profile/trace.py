"""Running with time stamps: what ``Session.run`` does when it is given RunMetadata.

The session runs as always, stage by stage; only the walk over the instruction table is the one that
notes the time before and after each instruction.

Read next: runtime/executor.py (``run_timed``), run_metadata.py (what is made of it).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.profile.run_metadata import PlanTrace, RunMetadata, Trace
from flowgraph.runtime.executor import Executable


def run_traced(
    plan: Any, values: Sequence[Any], options: Any, run_metadata: RunMetadata
) -> list[Any]:
    """``plan.run(values)`` that fills ``run_metadata``.

    Args:
        plan: a session's RunPlan.   values: for its feeds.
        options: RunOptions; nothing is timed with trace_level NO_TRACE.
        run_metadata: what it held before is replaced.

    Raises:
        TypeError: ``run_metadata`` is no RunMetadata; else as ``Session.run``.
    """
    if not isinstance(run_metadata, RunMetadata):
        raise TypeError(f"run_metadata must be a tf.RunMetadata, got {run_metadata!r}")
    if not options.trace_level:
        return plan.run(tuple(values))
    parts: list[PlanTrace] = []
    # A monotonic clock while running; one offset turns it into time of day.
    offset = time.time_ns() - time.perf_counter_ns()

    def run_timed(executable: Executable) -> list[Any]:
        times = np.zeros((len(executable.plan.instrs) + 1, 2), np.int64)
        results = executable.run_timed(times)
        parts.append(PlanTrace(executable.plan, times + offset))
        return results

    results = plan.run(tuple(values), run_timed)
    run_metadata.set_trace(Trace(parts))
    return results
