"""The loops over arrays: epochs of training, evaluation, prediction.

Read next: training.py, callbacks/base.py.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowgraph.keras.callbacks import (
    BaseLogger,
    CallbackList,
    History,
    ProgbarLogger,
    TerminateOnNaN,
)
from flowgraph.keras.engine.training_data import rows_of, shuffled
from flowgraph.keras.engine.training_steps import Batches, Pace, Step, as_fed, can_run_natively
from flowgraph.keras.utils.generic_utils import Progbar

#: Seconds between two moves of a progress bar: on a terminal, and elsewhere.
_ON_TERMINAL, _ELSEWHERE = 0.1, 5.0


def moves_every() -> float:
    """Seconds between two moves of a progress bar."""
    terminal = getattr(sys.stdout, "isatty", None)
    overwrites = bool(terminal and terminal()) or "ipykernel" in sys.modules
    return _ON_TERMINAL if overwrites else _ELSEWHERE


@dataclass
class Course:
    """The frame of a training: callbacks, epochs, what is validated.

    Attributes:
        model: in training.
        epochs, initial_epoch, verbose: as of ``fit``.
        callbacks: of the user.
        params: what callbacks are told.
        validate: gives loss and metrics of the validation; None without.
        validation_data: what callbacks are given.
    """

    model: Any
    epochs: int
    initial_epoch: int
    verbose: int
    callbacks: Any
    params: dict[str, Any]
    validate: Any = None
    validation_data: Any = None
    listed: CallbackList = field(default_factory=CallbackList)

    def begin(self, count_mode: str) -> None:
        """Make the list of callbacks and tell them."""
        model = self.model
        stateful = list(model.stateful_metric_names)
        model.history = History()
        callbacks: list[Any] = [BaseLogger(stateful)]
        if self.verbose:
            callbacks.append(ProgbarLogger(count_mode, stateful))
        given = self.callbacks or []
        given = given.callbacks if isinstance(given, CallbackList) else given
        if not isinstance(given, (list, tuple)):
            given = [given]
        for callback in given:
            if isinstance(callback, type):
                name = callback.__name__
                raise TypeError(f"callbacks: {name} is a class; {name}() is a callback")
        self.listed = CallbackList([*callbacks, *given, model.history])
        names = list(model.metrics_names)
        metrics = names + [f"val_{n}" for n in names] if self.validate else copy.copy(names)
        self.listed.set_model(getattr(model, "callback_model", None) or model)
        self.listed.set_params(
            {
                "epochs": self.epochs, "verbose": self.verbose,
                "do_validation": self.validate is not None, "metrics": metrics, **self.params,
            }
        )  # fmt: skip
        for callback in self.listed:
            callback.validation_data = self.validation_data
        model.stop_training = False
        self.listed.on_train_begin()

    @property
    def stopped(self) -> bool:
        """Whether a callback has ended the training."""
        return bool(self.model.stop_training)

    def epoch_begins(self, epoch: int) -> None:
        """Before every epoch."""
        for metric in self.model.stateful_metric_functions:
            metric.reset_states()
        self.listed.on_epoch_begin(epoch)

    def epoch_ends(self, epoch: int, complete: bool) -> None:
        """After every epoch: validate, unless it was cut short, and tell."""
        logs: dict[str, Any] = {}
        if complete and self.validate is not None:
            values = self.validate()
            values = values if isinstance(values, list) else [values]
            names = self.model.metrics_names
            logs = {f"val_{name}": value for name, value in zip(names, values, strict=True)}
        self.listed.on_epoch_end(epoch, logs)

    def end(self) -> History:
        """After the training."""
        self.listed.on_train_end()
        return self.model.history


def fit_arrays(
    course: Course, step: Step, arrays: Sequence[Any], batch_size: int, shuffle: Any
) -> History:
    """Train over arrays.

    Args:
        course: the frame.
        step: what a batch runs.
        arrays: one for each feed.
        batch_size: samples of a batch.
        shuffle: as of ``fit``.
    """
    course.begin("samples")
    names = course.model.metrics_names
    arrays = as_fed(arrays, step.feeds)
    native = can_run_natively(arrays)
    one_by_one = course.listed.want_every_batch()
    until_invalid = any(isinstance(c, TerminateOnNaN) for c in course.listed)
    samples = arrays[0].shape[0]
    pace = Pace(moves_every() if course.verbose == 1 else None)
    for epoch in range(course.initial_epoch, course.epochs):
        course.epoch_begins(epoch)
        order = shuffled(samples, shuffle, batch_size)
        batches = Batches(step, arrays, order, batch_size, native)
        at = 0
        while at < batches.count:
            if one_by_one:
                logs: dict[str, Any] = {"batch": at, "size": batches.size(at)}
                course.listed.on_batch_begin(at, logs)
                _, results = batches.run(at, 1, alone=True)
                logs.update((n, v[0]) for n, v in zip(names, results, strict=True))
                course.listed.on_batch_end(at, logs)
                at += 1
            else:
                wanted = pace.begin(batches.count - at)
                sizes, results = batches.run(at, wanted, until_invalid=until_invalid)
                pace.end(len(sizes))
                found = dict(zip(names, results, strict=True))
                course.listed.on_many_batches(at, sizes, found)
                at += len(sizes)
            if course.stopped:
                break
        course.epoch_ends(epoch, complete=at == batches.count and batches.count > 0)
        if course.stopped:
            break
    return course.end()


def fit_steps(course: Course, step: Step, next_batch: Any, steps: int) -> History:
    """Train for a number of steps an epoch, with batches that are made.

    Args:
        course: the frame.
        step: what a batch runs.
        next_batch: gives the values of the feeds, and the batch's size.
        steps: of an epoch.
    """
    course.begin("steps")
    names = course.model.metrics_names
    for epoch in range(course.initial_epoch, course.epochs):
        course.epoch_begins(epoch)
        at = 0
        for at in range(steps):
            logs: dict[str, Any] = {"batch": at, "size": 1}
            course.listed.on_batch_begin(at, logs)
            results = step.once(next_batch())
            logs.update(zip(names, results, strict=True))
            course.listed.on_batch_end(at, logs)
            if course.stopped:
                break
        course.epoch_ends(epoch, complete=at == steps - 1)
        if course.stopped:
            break
    return course.end()


class Means:
    """Loss and metrics over batches: means weighted by the batches' sizes, in their order.

    Args:
        names: of loss and metrics.
        stateful: names of those whose last value counts.
    """

    def __init__(self, names: Sequence[str], stateful: Sequence[str]) -> None:
        self.names = list(names)
        self._logger = BaseLogger(stateful)

    def add(self, first: int, sizes: np.ndarray, results: Sequence[np.ndarray]) -> None:
        """Add batches.

        Args:
            first: number of the first.
            sizes: of the batches.
            results: loss and metrics of each.
        """
        self._logger.on_many_batches(first, sizes, dict(zip(self.names, results, strict=True)))

    def values(self) -> list[float]:
        """The means."""
        logger = self._logger
        totals = [logger.totals[name] for name in self.names]
        return [
            t if n in logger.stateful_metrics else t / logger.seen
            for n, t in zip(self.names, totals, strict=True)
        ]


def evaluate_arrays(
    model: Any, step: Step, arrays: Sequence[Any], batch_size: int, verbose: int
) -> list[float]:
    """Loss and metrics over arrays.

    Args:
        model: the model.
        step: what a batch runs.
        arrays: one for each feed.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar.
    """
    for metric in model.stateful_metric_functions:
        metric.reset_states()
    arrays = as_fed(arrays, step.feeds)
    samples = arrays[0].shape[0]
    means = Means(model.metrics_names, model.stateful_metric_names)
    batches = Batches(step, arrays, np.arange(samples), batch_size, can_run_natively(arrays))
    bar = Progbar(samples) if verbose == 1 else None
    pace = Pace(moves_every() if bar else None)
    at = 0
    while at < batches.count:
        sizes, results = batches.run(at, pace.begin(batches.count - at))
        pace.end(len(sizes))
        means.add(at, sizes, results)
        at += len(sizes)
        if bar is not None:
            bar.update(min(samples, at * batch_size))
    return means.values()


def predict_arrays(
    step: Step, arrays: Sequence[Any], batch_size: int, verbose: int
) -> list[np.ndarray]:
    """The outputs for arrays.

    Args:
        step: what a batch runs; its fetches are the outputs.
        arrays: one for each feed.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar.
    """
    arrays = as_fed(arrays, step.feeds)
    samples, session = arrays[0].shape[0], step.session()
    bar = Progbar(samples) if verbose == 1 else None
    results: list[np.ndarray] = []
    for start in range(0, samples, batch_size):
        stop = min(start + batch_size, samples)
        parts = step.once([rows_of(x, slice(start, stop)) for x in arrays], session)
        if start == 0 and stop == samples:
            results = [np.asarray(part) for part in parts]
        elif start == 0:
            shapes = [(samples, *np.shape(part)[1:]) for part in parts]
            results = [np.empty(s, p.dtype) for s, p in zip(shapes, parts, strict=True)]
        if stop - start < samples:
            for whole, part in zip(results, parts, strict=True):
                whole[start:stop] = part
        if bar is not None:
            bar.update(stop)
    return results
