"""Progbar: one line that shows how far a loop is, how long it takes and what it measures.

     7/10 [====================>.........] - ETA: 3s - loss: 0.2500
    10/10 [==============================] - 10s 1s/step - loss: 0.2100

On a terminal the line is written over itself.  Elsewhere (a file, a pipe) lines would pile up, so
apart from the last one at most one is written every ten seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

#: Seconds between two lines where a line cannot be written over.
_SECONDS_BETWEEN_LINES = 10.0


class Progbar:
    """A progress bar as Keras prints it.

    Args:
        target: how many steps there are; None when that is not known.
        width: of the bar, in characters.
        verbose: 1 for the bar, 2 for one line at the end, 0 for nothing.
        interval: seconds that pass at least between two updates of the bar.
        stateful_metrics: names of values that are shown as given; others are averaged over steps.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
    ) -> None:
        self.target, self.width, self.verbose, self.interval = target, width, verbose, interval
        self.stateful_metrics = set(stateful_metrics or ())
        # NB: whoever redirects sys.stdout between two bars gets each bar where it belongs.
        terminal = getattr(sys.stdout, "isatty", None)
        self._overwrites = bool(terminal and terminal()) or "ipykernel" in sys.modules
        self._sums: dict[str, list[Any]] = {}
        self._seen_so_far = self._total_width = 0
        self._start = time.time()
        self._last_update = 0.0
        if not self._overwrites:
            self.interval = max(interval, _SECONDS_BETWEEN_LINES)
            self._last_update = self._start

    def update(self, current: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that ``current`` steps are done.

        Args:
            current: number of steps done so far.
            values: (name, value) pairs of the steps since the last update.
        """
        steps = current - self._seen_so_far
        for name, value in values or ():
            if name in self.stateful_metrics:
                self._sums[name] = [value, 1]
            else:
                sums = self._sums.setdefault(name, [0, 0])
                sums[0] += value * steps
                sums[1] += steps
        self._seen_so_far = current
        now = time.time()
        over = self.target is not None and current >= self.target
        if self.verbose == 1:
            if now - self._last_update < self.interval and not over:
                return
            self._write_bar(current, now, over)
            self._last_update = now
        elif self.verbose == 2 and (over or self.target is None):
            sys.stdout.write(f" - {now - self._start:.0f}s{self._values_text()}\n")
            sys.stdout.flush()

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that ``n`` more steps are done.

        Args:
            n: number of steps since the last call.
            values: as in ``update``.
        """
        self.update(self._seen_so_far + n, values)

    # -------------------------------------------------------------------------------- the text

    def _write_bar(self, current: int, now: float, over: bool) -> None:
        line = self._bar_text(current) + self._time_text(current, now, over) + self._values_text()
        blanks = " " * (self._total_width - len(line))
        if self._overwrites:
            text = "\b" * self._total_width + "\r" + line + blanks + "\n" * over
        else:
            text = line + "\n"
        self._total_width = len(line)
        sys.stdout.write(text)
        sys.stdout.flush()

    def _bar_text(self, current: int) -> str:
        if self.target is None:
            return f"{current:7d}/Unknown"
        digits = len(str(self.target))
        done = min(int(self.width * current / max(self.target, 1)), self.width)
        head = "" if not done else "=" * (done - 1) + (">" if current < self.target else "=")
        return f"{current:{digits}d}/{self.target} [{head}{'.' * (self.width - done)}]"

    def _time_text(self, current: int, now: float, over: bool) -> str:
        passed = now - self._start
        per_step = passed / current if current else 0.0
        if self.target is not None and not over:
            left = per_step * (self.target - current)
            hours, minutes, seconds = int(left // 3600), int(left % 3600 // 60), int(left % 60)
            if left > 3600:
                return f" - ETA: {hours}:{minutes:02d}:{seconds:02d}"
            return f" - ETA: {minutes}:{seconds:02d}" if left > 60 else f" - ETA: {int(left)}s"
        for unit, size in (("s", 1.0), ("ms", 1e-3)):
            if per_step >= size:
                return f" - {passed:.0f}s {per_step / size:.0f}{unit}/step"
        return f" - {passed:.0f}s {per_step * 1e6:.0f}us/step"

    def _values_text(self) -> str:
        return "".join(f" - {name}:{_number(sums)}" for name, sums in self._sums.items())


def _number(sums: list[Any]) -> str:
    average = float(np.mean(sums[0] / max(1, sums[1])))
    return f" {average:.4f}" if abs(average) > 1e-3 else f" {average:.4e}"
