"""Running with time stamps: what ``Session.run`` does when it is given RunMetadata.

The session runs as always, stage by stage; only the walk over the instruction table is the one that
measures each instruction.

Read next: runtime/timing.py, run_metadata.py (what is made of it).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from flowgraph.plan.plan import Plan
from flowgraph.profile.run_metadata import PlanTrace, RunMetadata, Trace
from flowgraph.runplan import OBSERVERS
from flowgraph.runtime.executor import Executable
from flowgraph.runtime.timing import Timing


def walk(executable: Executable) -> tuple[list[Any], Timing]:
    """The results of an executable whose feeds are loaded, and what took how long."""
    timing = Timing(len(executable.plan.instrs), loops=executable.has_loops)
    return executable.run_timed(timing), timing


def trace_of(plan: Plan, timing: Timing, offset: int) -> PlanTrace:
    """A timing as a trace; ``offset``: from the clock of the one to the clock of the other."""
    timing.finish()
    passes = timing.passes
    if passes is not None:
        passes[:, 1:] += offset
    ran = timing.calls > 0
    timing.times[:-1][ran] += offset
    timing.times[-1] += offset
    return PlanTrace(plan, timing.times, 1, timing.elapsed, timing.calls, passes)


def time_of_day() -> int:
    """What to add to the monotonic clock of a run."""
    return time.time_ns() - time.perf_counter_ns()


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
    parts: list[tuple[Plan, Timing]] = []
    begin = time.perf_counter_ns()

    def run_timed(executable: Executable) -> list[Any]:
        results, timing = walk(executable)
        parts.append((executable.plan, timing))
        return results

    results = plan.run(tuple(values), run_timed)
    if OBSERVERS:
        OBSERVERS[-1].note(parts, time.perf_counter_ns() - begin)
    offset = time_of_day()
    run_metadata.set_trace(lambda: Trace([trace_of(*part, offset) for part in parts]))
    return results
