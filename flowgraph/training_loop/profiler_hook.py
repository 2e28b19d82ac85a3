"""The hook that traces runs, and writes what chrome://tracing shows.

Read next: profile/timeline.py.
"""

from __future__ import annotations

import os
from typing import Any

from flowgraph.client_config import RunOptions
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.platform.file_io import GFile
from flowgraph.platform.gfile import MakeDirs
from flowgraph.profile.timeline import Timeline
from flowgraph.training_loop.hooks import SecondOrStepTimer, needed_global_step
from flowgraph.training_loop.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)


@export("train.ProfilerHook")
class ProfilerHook(SessionRunHook):
    """Traces a run every so often, and writes it to ``timeline-<step>.json``.

    Args:
        save_steps: how often, in steps.   save_secs: or in seconds; one of the two is given.
        output_dir: where the files go; made when it is not there.
        show_dataflow, show_memory: as of ``Timeline.generate_chrome_trace_format``.

    Raises:
        ValueError: both intervals are given, or none.
        RuntimeError (``begin``): there is no global step.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ) -> None:
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._directory = output_dir
        self._show = (show_dataflow, show_memory)

    def begin(self) -> None:
        """Look for the global step."""
        self._step = needed_global_step("ProfilerHook")

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Count from where the session begins."""
        step = session.run(self._step)
        self._timer.update_last_triggered_step(step)
        self._next = step + 1

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step, and for a trace when it is time."""
        self._now = self._timer.should_trigger_for_step(self._next)
        level = RunOptions.FULL_TRACE if self._now else RunOptions.NO_TRACE
        return SessionRunArgs(self._step, options=RunOptions(trace_level=level))

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write the trace, if there is one."""
        step = run_values.results
        if self._now:
            step = run_context.session.run(self._step)
            self._timer.update_last_triggered_step(step)
            MakeDirs(self._directory or ".")
            path = os.path.join(self._directory, f"timeline-{step}.json")
            logging.info("Saving timeline for %d into '%s'.", step, path)
            timeline = Timeline(run_values.run_metadata.step_stats)
            with GFile(path, "w") as file:
                file.write(timeline.generate_chrome_trace_format(*self._show))
        self._next = step + 1
