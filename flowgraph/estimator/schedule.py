"""train_and_evaluate: train, and after each checkpoint evaluate and export.

Read next: core.py, exporters.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from flowgraph.estimator.core import Estimator
from flowgraph.estimator.exporters import Exporter
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.saving.state import latest_checkpoint
from flowgraph.training_loop.checkpoint_hooks import CheckpointSaverListener
from flowgraph.training_loop.hooks import SecondOrStepTimer
from flowgraph.training_loop.session_run_hook import SessionRunHook


def _hooks(given: Iterable[Any] | None) -> tuple[SessionRunHook, ...]:
    hooks = tuple(given or ())
    for hook in hooks:
        if not isinstance(hook, SessionRunHook):
            raise TypeError(f"All hooks must be `SessionRunHook` instances, given: {hook}")
    return hooks


class _TrainFields(NamedTuple):
    input_fn: Callable[..., Any]
    max_steps: int | None
    hooks: tuple[SessionRunHook, ...]
    saving_listeners: tuple[Any, ...]


@export("estimator.TrainSpec")
class TrainSpec(_TrainFields):
    """How to train.

    Args:
        input_fn: as of ``Estimator.train``.
        max_steps: the global step at which training ends; None: when the data end.
        hooks: SessionRunHooks.
        saving_listeners: CheckpointSaverListeners.

    Raises:
        TypeError: ``input_fn`` is no function, or a hook none.
        ValueError: ``max_steps`` is not positive.
    """

    __slots__ = ()

    def __new__(
        cls,
        input_fn: Callable[..., Any],
        max_steps: int | None = None,
        hooks: Iterable[Any] | None = None,
        saving_listeners: Iterable[Any] | None = None,
    ) -> TrainSpec:
        """Check everything, and make the record."""
        if not callable(input_fn):
            raise TypeError(f"`input_fn` must be callable, given: {input_fn}")
        if max_steps is not None and max_steps <= 0:
            raise ValueError(f"Must specify max_steps > 0, given: {max_steps}")
        return super().__new__(
            cls, input_fn, max_steps, _hooks(hooks), tuple(saving_listeners or ())
        )


class _EvalFields(NamedTuple):
    input_fn: Callable[..., Any]
    steps: int | None
    name: str | None
    hooks: tuple[SessionRunHook, ...]
    exporters: tuple[Exporter, ...]
    start_delay_secs: float
    throttle_secs: float


@export("estimator.EvalSpec")
class EvalSpec(_EvalFields):
    """How to evaluate.

    Args:
        input_fn: as of ``Estimator.evaluate``.
        steps: how many batches; None: all of them.
        name: of the evaluation, for its directory of summaries.
        hooks: SessionRunHooks.
        exporters: an Exporter, or several, called after each evaluation.
        start_delay_secs: accepted: evaluations come after checkpoints.
        throttle_secs: seconds between two evaluations, at least.

    Raises:
        TypeError: ``input_fn`` is no function, a hook or exporter none.
        ValueError: a number is not positive; two exporters have one name.
    """

    __slots__ = ()

    def __new__(
        cls,
        input_fn: Callable[..., Any],
        steps: int | None = 100,
        name: str | None = None,
        hooks: Iterable[Any] | None = None,
        exporters: Any = None,
        start_delay_secs: float = 120,
        throttle_secs: float = 600,
    ) -> EvalSpec:
        """Check everything, and make the record."""
        if not callable(input_fn):
            raise TypeError(f"`input_fn` must be callable, given: {input_fn}")
        if steps is not None and steps <= 0:
            raise ValueError(f"Must specify steps > 0, given: {steps}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"`name` must be string, given: {name}")
        for what, seconds in (("start_delay_secs", start_delay_secs),
                              ("throttle_secs", throttle_secs)):  # fmt: skip
            if seconds < 0:
                raise ValueError(f"Must specify {what} >= 0, given: {seconds}")
        found = (exporters,) if isinstance(exporters, Exporter) else tuple(exporters or ())
        for exporter in found:
            if not isinstance(exporter, Exporter):
                raise TypeError(f"`exporters` must be Exporters, given: {exporter}")
        names = [exporter.name for exporter in found]
        if len(set(names)) != len(names):
            raise ValueError(f"`exporters` must have unique names. Given names: {names}")
        return super().__new__(
            cls, input_fn, steps, name, _hooks(hooks), found, start_delay_secs, throttle_secs
        )


class _Evaluates(CheckpointSaverListener):
    """Evaluates and exports after checkpoints, and at the end of training."""

    def __init__(self, estimator: Estimator, eval_spec: EvalSpec, max_steps: int | None) -> None:
        self._estimator, self._spec, self._max_steps = estimator, eval_spec, max_steps
        self._timer = SecondOrStepTimer(every_secs=eval_spec.throttle_secs)
        self._is_first = True
        self._done: str | None = None
        self.metrics: dict[str, Any] | None = None
        self.exports: list[Any] | None = None

    def begin(self) -> None:
        """Training begins."""
        self._timer = SecondOrStepTimer(every_secs=self._spec.throttle_secs)
        self._is_first = True

    def after_save(self, session: Any, global_step_value: int) -> None:
        """A checkpoint was written: the first one is that of the beginning."""
        if self._is_first:
            self._is_first = False
            return
        if not self._timer.should_trigger_for_step(global_step_value):
            logging.info(
                "Skip the current checkpoint eval due to throttle secs (%s secs).",
                self._spec.throttle_secs,
            )
            return
        self._evaluate(global_step_value)

    def end(self, session: Any, global_step_value: int) -> None:
        """Training is over."""
        self._evaluate(global_step_value)

    def _evaluate(self, step: int) -> None:
        self._timer.update_last_triggered_step(step)
        path = latest_checkpoint(self._estimator.model_dir)
        if path is None or path == self._done:
            return
        spec = self._spec
        self.metrics = self._estimator.evaluate(
            spec.input_fn, spec.steps, spec.hooks, path, spec.name
        )
        self._done = path
        reached = int(self.metrics["global_step"])
        is_final = self._max_steps is not None and reached >= self._max_steps
        folder = os.path.join(self._estimator.model_dir, "export")
        self.exports = [
            exporter.export(
                self._estimator, os.path.join(folder, exporter.name), path, self.metrics, is_final
            )
            for exporter in spec.exporters
        ]


@export("estimator.train_and_evaluate")
def train_and_evaluate(
    estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec
) -> tuple[dict[str, Any] | None, list[Any] | None]:
    """Train; evaluate and export after checkpoints (RunConfig says when they are) and at the end.

    Args:
        estimator: the Estimator.
        train_spec: how to train.
        eval_spec: how to evaluate.

    Returns:
        The metrics of the last evaluation, and what its exporters returned; a pair of None when
        nothing was trained.

    Raises:
        TypeError: an argument is of another type.
    """
    for name, value, kind in (
        ("estimator", estimator, Estimator), ("train_spec", train_spec, TrainSpec),
        ("eval_spec", eval_spec, EvalSpec),
    ):  # fmt: skip
        if not isinstance(value, kind):
            raise TypeError(
                f"`{name}` must have type `tf.estimator.{kind.__name__}`, given {type(value)}"
            )
    listener = _Evaluates(estimator, eval_spec, train_spec.max_steps)
    estimator.train(
        train_spec.input_fn,
        hooks=train_spec.hooks,
        max_steps=train_spec.max_steps,
        saving_listeners=[listener, *train_spec.saving_listeners],
    )
    return listener.metrics, listener.exports
