"""The hook that saves checkpoints, and listeners to it.

Read next: saving/saver.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.platform.gfile import MakeDirs
from flowgraph.training_loop.hooks import SecondOrStepTimer, needed_global_step
from flowgraph.training_loop.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)


@export("train.CheckpointSaverListener")
class CheckpointSaverListener:
    """The base of what is called around the saving of checkpoints: does nothing."""

    def begin(self) -> None:
        """Called once, before the session is made."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Called before a checkpoint of step ``global_step_value`` of ``session`` is written."""

    def after_save(self, session: Any, global_step_value: int) -> bool | None:
        """Called after a checkpoint of step ``global_step_value`` of ``session`` was written.

        Returns:
            True to ask to stop.
        """

    def end(self, session: Any, global_step_value: int) -> None:
        """Called once, at step ``global_step_value`` of ``session``, after the last checkpoint."""


@export("train.CheckpointSaverHook")
class CheckpointSaverHook(SessionRunHook):
    """Saves a checkpoint at the beginning, every so often, and at the end.

    Args:
        checkpoint_dir: where; made when it is not there.
        save_secs: how often, in seconds.   save_steps: or in steps; one of the two is given.
        saver: the Saver; that of ``scaffold``, or of the collection SAVERS, by default.
        checkpoint_basename: name of the checkpoints, before their steps.
        scaffold: a Scaffold with a saver.
        listeners: CheckpointSaverListeners.
        save_graph_def: accepted.

    Raises:
        ValueError: both or neither of two arguments of which one is to be given.
        RuntimeError (``begin``): there is no global step.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Iterable[CheckpointSaverListener] | None = None,
        save_graph_def: bool = True,
    ) -> None:
        if saver is not None and scaffold is not None:
            raise ValueError("You cannot provide both saver and scaffold.")
        self._saver, self._scaffold = saver, scaffold
        self._directory = checkpoint_dir
        self._path = os.path.join(checkpoint_dir, checkpoint_basename)
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._listeners = list(listeners or ())

    def begin(self) -> None:
        """Look for the global step; the listeners begin."""
        self._step = needed_global_step("CheckpointSaverHook")
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Save where the session begins."""
        step = session.run(self._step)
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Save when it is time; stop when a listener asks for it."""
        # NB: the fetched step may be that of before the increment, which the same run makes
        if self._timer.should_trigger_for_step(run_values.results + 1):
            step = run_context.session.run(self._step)
            if self._timer.should_trigger_for_step(step):
                self._timer.update_last_triggered_step(step)
                if self._save(run_context.session, step):
                    run_context.request_stop()

    def end(self, session: Any) -> None:
        """Save the last step, unless it is saved; the listeners end."""
        step = session.run(self._step)
        if step != self._timer.last_triggered_step():
            self._save(session, step)
        for listener in self._listeners:
            listener.end(session, step)

    def _save(self, session: Any, step: int) -> bool:
        """Save; whether a listener asks to stop."""
        logging.info("Saving checkpoints for %d into %s.", step, self._path)
        for listener in self._listeners:
            listener.before_save(session, step)
        MakeDirs(self._directory)
        self._found_saver().save(session, self._path, global_step=step)
        stop = False
        for listener in self._listeners:
            if listener.after_save(session, step):
                logging.info("A listener to checkpoints asked to stop: %s", listener)
                stop = True
        return stop

    def _found_saver(self) -> Any:
        if self._saver is not None:
            return self._saver
        if self._scaffold is not None:
            return self._scaffold.saver
        found = get_default_graph().get_collection(GraphKeys.SAVERS)
        if len(found) != 1:
            raise RuntimeError(
                f"CheckpointSaverHook: there are {len(found)} savers in the collection "
                f"{GraphKeys.SAVERS!r}; pass saver= or scaffold="
            )
        self._saver = found[0]
        return self._saver
