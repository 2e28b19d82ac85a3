"""Timing: what one measured walk over a plan took, row by row.

    row 3   ran 1000 times, 2.1 ms together, the first from 10.2 to 12.3 us

Rows of a loop run many times: their times and passes are added up where they are measured, in
native code, and the first passes of all rows are logged one by one, for time axes.

Read next: native.py (``execute_timed``, which fills it), profile/run_metadata.py (who reads it).
"""

from __future__ import annotations

import time

import numpy as np

from flowgraph.runtime import native

#: How many passes over rows are logged one by one, where a plan has loops.
LOG_ROOM = 16384

#: A walk of this length (ns) calibrates its own clock.
_LONG = 20_000_000


class Timing:
    """Measurements of one walk; times in ns of ``time.perf_counter_ns``.

    Making one and walking with it is cheap; ``finish`` makes readable what was measured.

    Args:
        rows: of the plan.   loops: whether it has loops, whose passes are logged.

    Attributes, after ``finish``:
        times: int64[rows + 1, 2]: begin and end of the first pass over each row; last: the whole.
        elapsed: per row the sum of all passes.   calls: per row their number.
        passes: int64[n, 3], where the plan has loops: row, begin, end of the first LOG_ROOM passes;
            else None.
    """

    times: np.ndarray
    elapsed: np.ndarray
    calls: np.ndarray
    passes: np.ndarray | None = None

    def __init__(self, rows: int, *, loops: bool = False) -> None:
        self._marks = np.zeros((rows + 1, 4), np.int64)
        self._log: np.ndarray | None = None
        #: Passes over rows that Python runs, and time and number of those that came later.
        self._host: list[tuple[int, int, int]] = []
        self._later: dict[int, tuple[int, int]] = {}
        if loops:
            self._log = np.empty((LOG_ROOM, 3), np.int64)
            self._marks[0, :2] = self._log.ctypes.data, LOG_ROOM
        #: Where native code writes.
        self.address = self._marks.__array_interface__["data"][0]

    def begin(self) -> None:
        """The walk begins now."""
        native.prepare_timing()
        self._begin = time.perf_counter_ns()
        self._first = native.read_cycles()

    def add(self, row: int, start: int) -> None:
        """A pass over a row that Python runs ends now; it began at ``start``."""
        end = time.perf_counter_ns()
        if len(self._host) < LOG_ROOM:
            self._host.append((row, start, end))
        else:
            ns, passes = self._later.get(row, (0, 0))
            self._later[row] = ns + end - start, passes + 1

    def end(self) -> None:
        """The walk ends now, with the copies of its results."""
        self._end = time.perf_counter_ns()
        self._last = native.read_cycles()

    @property
    def has_log(self) -> bool:
        """Whether single passes are logged, which takes memory."""
        return self._log is not None

    @property
    def whole_ns(self) -> int:
        """From begin to end."""
        return self._end - self._begin

    def add_to(self, cycles: np.ndarray, host: np.ndarray) -> None:
        """Add up what was measured, in the units in which it was.

        Args:
            cycles: int64[rows, 2]: cycles and passes of each row in native code.
            host: the same in Python, in ns.
        """
        cycles += self._marks[1:, 2:]
        for row, start, end in self._host:
            host[row, 0] += end - start
            host[row, 1] += 1
        for row, sums in self._later.items():
            host[row] += sums

    def finish(self) -> Timing:
        """Set the attributes; itself."""
        unit = native.nanoseconds_per_cycle()
        if self.whole_ns > _LONG:
            unit = self.whole_ns / (self._last - self._first)
        marks = self._marks[1:]
        self.times = np.zeros((len(self._marks), 2), np.int64)
        ran = marks[:, 3] > 0
        self.times[:-1][ran] = self._begin + (marks[ran, :2] - self._first) * unit
        self.times[-1] = self._begin, self._end
        self.elapsed = np.rint(marks[:, 2] * unit).astype(np.int64)
        self.calls = marks[:, 3].copy()
        for row, start, end in self._host:
            if not self.calls[row]:
                self.times[row] = start, end
            self.elapsed[row] += end - start
            self.calls[row] += 1
        for row, (ns, passes_later) in self._later.items():
            self.elapsed[row] += ns
            self.calls[row] += passes_later
        once = self.calls == 1
        self.elapsed[once] = np.diff(self.times[:-1][once])[:, 0]
        if self._log is not None:
            passes = self._log[: self._marks[0, 2]].copy()
            passes[:, 1:] = self._begin + (passes[:, 1:] - self._first) * unit
            if self._host:
                passes = np.concatenate([passes, np.array(self._host, np.int64)])
                passes = passes[np.argsort(passes[:, 1], kind="stable")][:LOG_ROOM]
            self.passes = passes
        return self
