"""The hook that writes summaries to an event file.

Read next: summary/writer.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.graph.export import export
from flowgraph.summary.writer import FileWriterCache
from flowgraph.training_loop.hooks import SecondOrStepTimer, needed_global_step
from flowgraph.training_loop.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)


@export("train.SummarySaverHook")
class SummarySaverHook(SessionRunHook):
    """Writes summaries in the first run, and every so often.

    Args:
        save_steps: how often, in steps.   save_secs: or in seconds; one of the two is given.
        output_dir: where the event file goes.   summary_writer: or a FileWriter.
        scaffold: a Scaffold with a ``summary_op``.   summary_op: or a summary, or a list of them.

    Raises:
        ValueError: both or neither of two arguments of which one is to be given.
        RuntimeError (``begin``): there is no global step.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ) -> None:
        if (scaffold is None) == (summary_op is None):
            raise ValueError("Exactly one of scaffold or summary_op must be provided.")
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._directory, self._writer = output_dir, summary_writer
        self._scaffold, self._given = scaffold, summary_op

    def begin(self) -> None:
        """Look for the global step; open the event file."""
        self._step = needed_global_step("SummarySaverHook")
        if self._writer is None and self._directory:
            self._writer = FileWriterCache.get(self._directory)
        self._next: int | None = None
        self._timer.reset()

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step, and for the summaries when it is time."""
        self._now = self._next is None or self._timer.should_trigger_for_step(self._next)
        given = self._given if self._scaffold is None else self._scaffold.summary_op
        asked = [] if given is None or not self._now else given
        asked = list(asked) if isinstance(asked, (list, tuple)) else [asked]
        return SessionRunArgs([self._step, *asked])

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write the summaries, if there are some."""
        step, *summaries = run_values.results
        if self._now:
            step = run_context.session.run(self._step)
            self._timer.update_last_triggered_step(step)
            if self._writer is not None:
                for summary in summaries:
                    self._writer.add_summary(summary, step)
        self._next = step + 1

    def end(self, session: Any) -> None:
        """Have everything written."""
        if self._writer is not None:
            self._writer.flush()
