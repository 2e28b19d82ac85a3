"""``tf.profile()``: sums over everything that runs inside a ``with`` block.

    with tf.profile() as prof:
        train()
    print(prof)                                 where the time went, kernel by kernel
    prof.table(by="line", sort_by="flops")      and by lines of the program
    prof.memory()                               who fills the memory
    prof.save_chrome_trace("trace.json")        the last run on a time axis
    tf.view.plot_roofline("roofline.svg", prof.run_metadata)

Every run of every session and of eager code is led through here (runplan.py's OBSERVERS); the times
are taken in native code (runtime/timing.py) and added up per plan, so that long trainings need no
memory.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from flowgraph.plan.plan import Plan
from flowgraph.profile.memory_timeline import MemoryTimeline, memory
from flowgraph.profile.run_metadata import PlanTrace, RunMetadata, Trace
from flowgraph.profile.tables import Table, table
from flowgraph.profile.timeline import Timeline
from flowgraph.profile.trace import time_of_day, trace_of, walk
from flowgraph.runplan import COMPILING, OBSERVERS, RunPlan, observe
from flowgraph.runtime import native
from flowgraph.runtime.executor import Executable
from flowgraph.runtime.timing import Timing

#: So many walks wait to be added up together; logs of loops are too large to wait.
_MAX_PENDING = 256


class _Sum:
    """All walks over one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.walks, self.whole = plan, 0, 0
        #: Per row: time and passes, in cycles of native code and in ns of Python's.
        self.cycles = np.zeros((len(plan.instrs), 2), np.int64)
        self.host = np.zeros((len(plan.instrs), 2), np.int64)

    def add(self, timing: Timing) -> None:
        self.walks += 1
        self.whole += timing.whole_ns
        timing.add_to(self.cycles, self.host)

    @property
    def elapsed(self) -> np.ndarray:
        unit = native.nanoseconds_per_cycle()
        return self.host[:, 0] + np.rint(self.cycles[:, 0] * unit).astype(np.int64)

    def trace(self) -> PlanTrace:
        times = np.zeros((len(self.plan.instrs) + 1, 2), np.int64)
        elapsed = self.elapsed
        times[:-1, 1], times[-1, 1] = elapsed, self.whole
        calls = self.cycles[:, 1] + self.host[:, 1]
        return PlanTrace(self.plan, times, self.walks, elapsed, calls)


class Profile:
    """What runs took; see the module.

    Args:
        keep: of so many of the last runs the single passes are kept too, for time axes.

    Attributes:
        runs: how many were watched.   run_ns: time of the runs, with the compiling of kernels.
        compile_ns, compiled: what making plans took meanwhile, and how many were made.
        wall_ns: from start to stop.
    """

    def __init__(self, keep: int = 1) -> None:
        self.runs = self.run_ns = self.compile_ns = self.compiled = self.wall_ns = 0
        self._sums: dict[Plan, _Sum] = {}
        self._last: deque[list[tuple[Plan, Timing]]] = deque(maxlen=keep)
        self._pending: list[tuple[Plan, Timing]] = []
        self._offset = time_of_day()
        self._lock = threading.Lock()
        self._local = threading.local()
        self._began: tuple[int, int, int] | None = None

    # ------------------------------------------------------------------------------- watching

    def start(self) -> None:
        """Watch from now on.

        Raises:
            RuntimeError: it does already.
        """
        if self._began is not None:
            raise RuntimeError("this profile has been started already")
        self._began = time.perf_counter_ns(), COMPILING.ns, COMPILING.plans
        observe(self)

    def stop(self) -> None:
        """Watch no longer; what was measured stays, and ``start`` adds to it."""
        if self._began is None:
            return
        OBSERVERS.remove(self)
        begin, compile_ns, plans = self._began
        self._began = None
        self.wall_ns += time.perf_counter_ns() - begin
        self.compile_ns += COMPILING.ns - compile_ns
        self.compiled += COMPILING.plans - plans

    def __enter__(self) -> Profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def run(self, plan: RunPlan, values: tuple) -> list[Any]:
        """Run a plan and add up what it took."""
        outer, self._local.parts = getattr(self._local, "parts", None), []
        begin = time.perf_counter_ns()
        try:
            return plan.run(values, self.walk)
        finally:
            took = time.perf_counter_ns() - begin
            parts, self._local.parts = self._local.parts, outer
            self.note(parts, took if outer is None else 0)

    def walk(self, executable: Executable) -> list[Any]:
        """Walk over a plan and add up what it took."""
        results, timing = walk(executable)
        parts = getattr(self._local, "parts", None)
        if parts is None:  # an operation that was executed eagerly
            self.note([(executable.plan, timing)], timing.whole_ns)
        else:
            parts.append((executable.plan, timing))
        return results

    def note(self, parts: list[tuple[Plan, Timing]], took: int) -> None:
        """Add a run that was measured elsewhere.

        Args:
            parts: the plans that were walked.   took: time of the run in ns.
        """
        with self._lock:
            self.runs += 1
            self.run_ns += took
            self._last.append(parts)
            self._pending += parts
            if len(self._pending) > _MAX_PENDING or (parts and parts[-1][1].has_log):
                self._add_up()

    def _add_up(self) -> None:
        for plan, timing in self._pending:
            found = self._sums.get(plan)
            if found is None:
                found = self._sums[plan] = _Sum(plan)
            found.add(timing)
        self._pending.clear()

    # -------------------------------------------------------------------------------- reading

    @property
    def run_metadata(self) -> RunMetadata:
        """A RunMetadata with the sums, which everything takes that takes one."""
        with self._lock:
            self._add_up()
            parts = [found.trace() for found in self._sums.values()]
        metadata = RunMetadata()
        metadata.set_trace(Trace(parts, self.runs))
        return metadata

    @property
    def last(self) -> list[RunMetadata]:
        """The last runs, one by one, with their times of day."""
        found = []
        with self._lock:
            for parts in self._last:
                metadata = RunMetadata()
                metadata.set_trace(Trace([trace_of(*part, self._offset) for part in parts]))
                found.append(metadata)
        return found

    def table(self, **options: Any) -> Table:
        """The runs as a Table; ``options`` as of ``tf.profile.table``.

        Raises:
            ValueError: nothing ran; an option makes no sense.
        """
        if not self.runs:
            raise ValueError("nothing ran while this profile was watching")
        return table(self.run_metadata, **options)

    def memory(self) -> MemoryTimeline:
        """The plan that needs most memory: how much at which kernel, and whose.

        Raises:
            ValueError: nothing ran.
        """
        return memory(self.run_metadata)

    def chrome_trace(self) -> str:
        """The last kept run as JSON for chrome://tracing, Perfetto and speedscope.

        Raises:
            ValueError: none was kept.
        """
        if not self._last:
            raise ValueError("no run was kept: nothing ran, or the profile was made with keep=0")
        stats = self.last[-1].step_stats
        return Timeline(stats).generate_chrome_trace_format(show_memory=True)

    def save_chrome_trace(self, path: str | Path) -> None:
        """Write ``chrome_trace`` to a file.

        Args:
            path: of the file, usually ``....json``.

        Raises:
            ValueError: as ``chrome_trace``.
        """
        Path(path).write_text(self.chrome_trace(), encoding="utf-8")

    def summary(self) -> str:
        """How the time between start and stop divides, in lines of text."""
        kernels = sum(int(found.elapsed.sum()) for found in self._sums_now())
        parts = [
            ("program", self.wall_ns, "from start to stop"),
            ("compiling", self.compile_ns, f"{self.compiled} plans"),
            ("runs", self.run_ns, f"{self.runs} runs, with the compiling of their kernels"),
            ("kernels", kernels, "what the table tells"),
        ]
        total = max(self.wall_ns, 1)
        return "".join(
            f"{name:<12}{ns / 1e6:>10.1f} ms  {ns / total:>6.1%}  {what}\n"
            for name, ns, what in parts
        )

    def _sums_now(self) -> list[_Sum]:
        with self._lock:
            self._add_up()
            return list(self._sums.values())

    def __str__(self) -> str:
        if not self.runs:
            return "nothing ran\n"
        return f"{self.summary()}\n{self.table(row_limit=20)}"
