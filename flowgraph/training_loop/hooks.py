"""Hooks that stop, count, log, feed, wait and watch for NaN.

Read next: checkpoint_hooks.py (the hook that saves).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.train.step_counter import get_global_step
from flowgraph.training_loop.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)


def needed_global_step(hook: str) -> Any:
    """The global step; RuntimeError naming ``hook`` when there is none."""
    step = get_global_step()
    if step is None:
        raise RuntimeError(f"Global step should be created to use {hook}.")
    return step


@export("train.SecondOrStepTimer")
class SecondOrStepTimer:
    """Says when so many steps, or seconds, have passed since the last time.

    Args:
        every_secs: seconds.   every_steps: steps; one of the two is given.

    Raises:
        ValueError: both are given, or none.

    >>> timer = tf.train.SecondOrStepTimer(every_steps=3)
    >>> timer.update_last_triggered_step(1)
    (None, None)
    >>> [timer.should_trigger_for_step(step) for step in (1, 3, 4)]
    [False, False, True]
    """

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None) -> None:
        if every_secs is None and every_steps is None:
            raise ValueError("Either every_secs or every_steps should be provided.")
        if every_secs is not None and every_steps is not None:
            raise ValueError("Can not provide both every_secs and every_steps.")
        self._every_secs, self._every_steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """Forget the last time."""
        self._last_step: int | None = None
        self._last_time = 0.0

    def should_trigger_for_step(self, step: int) -> bool:
        """Whether it is time again at ``step``; always, the first time."""
        if self._last_step is None:
            return True
        if step == self._last_step:
            return False
        if self._every_secs is not None:
            return time.monotonic() >= self._last_time + self._every_secs
        assert self._every_steps is not None
        return step >= self._last_step + self._every_steps

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Note that now, at ``step``, it was time.

        Returns:
            Seconds and steps since the last time; None and None the first time.
        """
        now, before = time.monotonic(), self._last_step
        elapsed = (None, None) if before is None else (now - self._last_time, step - before)
        self._last_step, self._last_time = step, now
        return elapsed

    def last_triggered_step(self) -> int | None:
        """The step of the last time, or None."""
        return self._last_step


@export("train.StopAtStepHook")
class StopAtStepHook(SessionRunHook):
    """Stops after a number of steps.

    Args:
        num_steps: steps from where this session begins.   last_step: the step to stop at, however
            many were made before; one of the two is given.

    Raises:
        ValueError: both are given, or none.
        RuntimeError (``begin``): there is no global step.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if num_steps is None and last_step is None:
            raise ValueError("One of num_steps or last_step must be specified.")
        if num_steps is not None and last_step is not None:
            raise ValueError("Only one of num_steps or last_step can be specified.")
        self._num_steps, self._last_step = num_steps, last_step

    def begin(self) -> None:
        """Look for the global step."""
        self._step = needed_global_step("StopAtStepHook")

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Compute the last step; a session that replaces a failed one keeps it."""
        if self._last_step is None:
            assert self._num_steps is not None
            self._last_step = int(session.run(self._step)) + self._num_steps

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Ask to stop when the last step was made."""
        # NB: the fetched step may be that of before the increment, which the same run makes
        assert self._last_step is not None
        if (
            run_values.results + 1 >= self._last_step
            and run_context.session.run(self._step) >= self._last_step
        ):
            run_context.request_stop()


@export("train.StepCounterHook")
class StepCounterHook(SessionRunHook):
    """Logs how many steps are made in a second.

    Args:
        every_n_steps: how often, in steps.   every_n_secs: or in seconds.
        output_dir, summary_writer: accepted.

    Raises:
        ValueError: both intervals are given, or none.
        RuntimeError (``begin``): there is no global step.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
    ) -> None:
        if (every_n_steps is None) == (every_n_secs is None):
            raise ValueError("exactly one of every_n_steps and every_n_secs should be provided.")
        self._timer = SecondOrStepTimer(every_steps=every_n_steps, every_secs=every_n_secs)

    def begin(self) -> None:
        """Look for the global step."""
        self._step = needed_global_step("StepCounterHook")

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Log when it is time."""
        if self._timer.should_trigger_for_step(run_values.results + 1):
            step = run_context.session.run(self._step)
            if self._timer.should_trigger_for_step(step):
                seconds, steps = self._timer.update_last_triggered_step(step)
                if seconds and steps is not None:
                    logging.info("%s/sec: %g", self._step.op.name, steps / seconds)


@export("train.LoggingTensorHook")
class LoggingTensorHook(SessionRunHook):
    """Logs the values of tensors.

    Args:
        tensors: a list of tensors or names, or a dict from words to tensors or names.
        every_n_iter: how often, in runs.   every_n_secs: or in seconds.
        at_end: log at the end; with neither interval, only then.
        formatter: function from a dict of values to the text.

    Raises:
        ValueError: both intervals, none without ``at_end``, or one that is not positive.
    """

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict[Any, Any]], str] | None = None,
    ) -> None:
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        if not only_at_end and (every_n_iter is None) == (every_n_secs is None):
            raise ValueError(
                "either at_end and/or exactly one of every_n_iter and every_n_secs must be "
                "provided."
            )
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}.")
        self._given = dict(tensors) if isinstance(tensors, Mapping) else {t: t for t in tensors}
        self._formatter, self._at_end = formatter, at_end
        self._timer = (
            None
            if only_at_end
            else SecondOrStepTimer(every_secs=every_n_secs, every_steps=every_n_iter)
        )

    def begin(self) -> None:
        """Look for the tensors."""
        graph = get_default_graph()
        self._tensors = {tag: graph.as_graph_element(t) for tag, t in self._given.items()}
        self._since = SecondOrStepTimer(every_steps=1) if self._timer is None else self._timer
        self._since.reset()
        self._runs = 0

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Ask for the tensors when it is time."""
        self._now = self._timer is not None and self._timer.should_trigger_for_step(self._runs)
        return SessionRunArgs(self._tensors) if self._now else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Log when it is time."""
        if self._now:
            self._log(run_values.results)
        self._runs += 1

    def end(self, session: Any) -> None:
        """Log the last values, if ``at_end``."""
        if self._at_end:
            self._log(session.run(self._tensors))

    def _log(self, values: dict[Any, Any]) -> None:
        seconds, _ = self._since.update_last_triggered_step(self._runs)
        if self._formatter is not None:
            logging.info("%s", self._formatter(values))
            return
        with np.printoptions(suppress=True):
            text = ", ".join(f"{tag} = {values[tag]}" for tag in self._given)
        took = "" if seconds is None else f" ({seconds:.3f} sec)"
        logging.info("%s", text + took)


@export("train.NanLossDuringTrainingError")
class NanLossDuringTrainingError(RuntimeError):
    """The loss has become NaN."""

    def __str__(self) -> str:
        return "NaN loss during training."


@export("train.NanTensorHook")
class NanTensorHook(SessionRunHook):
    """Ends training when the loss has become NaN.

    Args:
        loss_tensor: a scalar.
        fail_on_nan_loss: raise NanLossDuringTrainingError; else only stop.
    """

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss, self._fail = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the loss."""
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Stop, or raise, when it is NaN."""
        if np.isnan(run_values.results):
            text = "Model diverged with loss = NaN."
            if self._fail:
                logging.error(text)
                raise NanLossDuringTrainingError
            logging.warning(text)
            run_context.request_stop()


@export("train.FinalOpsHook")
class FinalOpsHook(SessionRunHook):
    """Runs operations at the end.

    Args:
        final_ops: what to run; a structure of tensors and operations.
        final_ops_feed_dict: feeds of that run.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._final_ops, self._feeds = final_ops, final_ops_feed_dict
        self._values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """The values of ``final_ops``; None before the end."""
        return self._values

    def end(self, session: Any) -> None:
        """Run them."""
        if self._final_ops is not None:
            self._values = session.run(self._final_ops, self._feeds)


@export("train.FeedFnHook")
class FeedFnHook(SessionRunHook):
    """Feeds what a function returns.

    Args:
        feed_fn: takes nothing, returns a ``feed_dict``.
    """

    def __init__(self, feed_fn: Callable[[], Any]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Add the feeds."""
        return SessionRunArgs(None, self.feed_fn())


@export("train.GlobalStepWaiterHook")
class GlobalStepWaiterHook(SessionRunHook):
    """Waits, before the first run, until the global step has reached a number.

    Args:
        wait_until_step: the number.

    Raises:
        RuntimeError (``begin``): there is no global step.
    """

    def __init__(self, wait_until_step: int) -> None:
        self._until = wait_until_step
        self._reached = wait_until_step <= 0

    def begin(self) -> None:
        """Look for the global step."""
        self._step = needed_global_step("_GlobalStepWaiterHook")

    def before_run(self, run_context: SessionRunContext) -> None:
        """Wait; other threads count."""
        while not self._reached:
            self._reached = run_context.session.run(self._step) >= self._until
            if not self._reached:
                time.sleep(0.5)
