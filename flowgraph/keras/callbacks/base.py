"""Callback, the list of them, and the callbacks that every training has.

An epoch of which no callback wants to see single batches runs inside the native plan.  Those here
(BaseLogger, ProgbarLogger, TerminateOnNaN) are told of many batches at once instead, by
``on_many_batches``; every other class with an ``on_batch_begin`` or ``on_batch_end`` of its own is
called for each.  Both ways the same sums are made in the same order, so logs are equal bit by bit.

Read next: engine/training_loops.py, which calls them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.keras.utils.generic_utils import Progbar

Logs = dict[str, Any]
#: Methods that are called for every batch.
_PER_BATCH = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def say(text: str) -> None:
    """Write a line to the standard output, as it is at the moment."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Callback:
    """Base class: override what is to be done.

    Attributes:
        model: the model in training, set before it begins.
        params: "batch_size", "epochs", "steps", "samples", "verbose", "do_validation", "metrics".
        validation_data: inputs, targets and sample weights of the validation; None without.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}
        self.validation_data: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Called before the training begins.

        Args:
            params: see the class.
        """
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called before the training begins.

        Args:
            model: the model in training.
        """
        self.model = model

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before an epoch.

        Args:
            epoch: its number, from 0.
            logs: empty.
        """

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after an epoch.

        Args:
            epoch: its number, from 0.
            logs: loss and metrics of the epoch, those of the validation with "val_"; what is added
                is seen by the callbacks that follow, and History.
        """

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch.

        Args:
            batch: its number in the epoch, from 0.
            logs: "batch" and "size".
        """

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch.

        Args:
            batch: its number in the epoch, from 0.
            logs: "batch", "size", loss and metrics of the batch.
        """

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The same as ``on_batch_begin``, by its later name.

        Args:
            batch, logs: as there.
        """
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The same as ``on_batch_end``, by its later name.

        Args:
            batch, logs: as there.
        """
        self.on_batch_end(batch, logs)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch.

        Args:
            logs: empty.
        """

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the last epoch.

        Args:
            logs: empty.
        """

    def on_many_batches(
        self, first: int, sizes: np.ndarray, logs: Mapping[str, np.ndarray]
    ) -> None:
        """Called after batches that ran without Python, where ``on_batch_end`` is not overridden.

        Args:
            first: number of the first of them in the epoch.
            sizes: float64, samples of each.
            logs: loss and metrics of each.
        """


class CallbackList:
    """Calls several callbacks, one after the other.

    Args:
        callbacks: the callbacks.
        queue_length: accepted for programs that give it.
    """

    def __init__(self, callbacks: Iterable[Callback] | None = None, queue_length: int = 10) -> None:
        self.callbacks = list(callbacks or ())
        self.queue_length = queue_length

    def append(self, callback: Callback) -> None:
        """Add one behind the others.

        Args:
            callback: the callback.
        """
        self.callbacks.append(callback)

    def set_params(self, params: dict[str, Any]) -> None:
        """Tell all; see Callback.

        Args:
            params: see Callback.
        """
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Tell all; see Callback.

        Args:
            model: the model in training.
        """
        for callback in self.callbacks:
            callback.set_model(model)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Tell all; arguments as of Callback's."""
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Tell all; arguments as of Callback's."""
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Tell all; arguments as of Callback's."""
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            _later(callback, "begin")(batch, logs)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Tell all; arguments as of Callback's."""
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            _later(callback, "end")(batch, logs)

    def on_many_batches(
        self, first: int, sizes: np.ndarray, logs: Mapping[str, np.ndarray]
    ) -> None:
        """Tell all; arguments as of Callback's."""
        for callback in self.callbacks:
            many = getattr(callback, "on_many_batches", None)
            if many is not None:
                many(first, sizes, logs)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Tell all; arguments as of Callback's."""
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_train_begin(logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Tell all; arguments as of Callback's."""
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def want_every_batch(self) -> bool:
        """Whether some callback must be called for each batch."""
        return any(_wants_every_batch(callback) for callback in self.callbacks)

    def __iter__(self) -> Any:
        return iter(self.callbacks)


def _later(callback: Any, when: str) -> Callable[[int, Logs], None]:
    """The callback's method for a batch; those of other libraries have only the older name."""
    method = getattr(callback, f"on_train_batch_{when}", None)
    return getattr(callback, f"on_batch_{when}") if method is None else method


def _wants_every_batch(callback: Any) -> bool:
    for name in _PER_BATCH:
        method = getattr(callback, name, None)
        if method is not None and getattr(method, "__func__", method) not in _TOLD_AT_ONCE:
            return True
    return False


class BaseLogger(Callback):
    """Makes the epoch's loss and metrics out of the batches': means, weighted by their sizes.

    Args:
        stateful_metrics: names of metrics whose last value is the epoch's.
    """

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        self.seen = 0
        self.totals: dict[str, Any] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Begin new sums; arguments as of Callback's."""
        self.seen, self.totals = 0, {}

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Add the batch to the sums; arguments as of Callback's."""
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size
        for name, value in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = _plain(value)
            elif name not in ("batch", "size"):
                self.totals[name] = self.totals.get(name, 0.0) + float(value) * size

    def on_many_batches(
        self, first: int, sizes: np.ndarray, logs: Mapping[str, np.ndarray]
    ) -> None:
        """Add the batches to the sums; arguments as of Callback's."""
        self.seen += int(sizes.sum())
        for name, values in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = _plain(values[-1])
            else:
                # cumsum adds one after the other, as the method above does; sum does not
                terms = np.concatenate([[self.totals.get(name, 0.0)], values * sizes])
                self.totals[name] = float(np.cumsum(terms)[-1])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Put the epoch's values into ``logs``; arguments as of Callback's."""
        if logs is None:
            return
        for name in self.params["metrics"]:
            if name in self.totals:
                total = self.totals[name]
                logs[name] = total if name in self.stateful_metrics else total / self.seen


def _plain(value: Any) -> Any:
    """A float; an array where a metric has several values (of several thresholds)."""
    return float(value) if np.ndim(value) == 0 else np.array(value)


class TerminateOnNaN(Callback):
    """Ends the training at the first batch whose loss is NaN or infinite."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the loss; arguments as of Callback's."""
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            say(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True

    def on_many_batches(
        self, first: int, sizes: np.ndarray, logs: Mapping[str, np.ndarray]
    ) -> None:
        """Look at the last loss, behind which none was run; arguments as of Callback's."""
        self.on_batch_end(first + len(sizes) - 1, {"loss": logs["loss"][-1]})


class ProgbarLogger(Callback):
    """Shows how far each epoch is, and its loss and metrics; see ``keras.utils.Progbar``.

    Args:
        count_mode: "samples" or "steps": what is counted.
        stateful_metrics: names of metrics that are shown as they are, not as means.

    Raises:
        ValueError: ``count_mode`` is neither.
    """

    def __init__(
        self, count_mode: str = "samples", stateful_metrics: Iterable[str] | None = None
    ) -> None:
        super().__init__()
        if count_mode not in ("samples", "steps"):
            raise ValueError(f"Unknown `count_mode`: {count_mode!r}; it is 'samples' or 'steps'")
        self.use_steps = count_mode == "steps"
        self.stateful_metrics = set(stateful_metrics or ())
        self.verbose = self.epochs = self.seen = 0
        self.target: int | None = None
        self.log_values: list[tuple[str, Any]] = []
        self.progbar: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Note what is asked for; arguments as of Callback's."""
        self.verbose, self.epochs = self.params["verbose"], self.params["epochs"]

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Begin a bar; arguments as of Callback's."""
        self.seen, self.log_values = 0, []
        if self.verbose:
            say(f"Epoch {epoch + 1}/{self.epochs}")
            self.target = self.params["steps" if self.use_steps else "samples"]
            self.progbar = Progbar(
                self.target, verbose=self.verbose, stateful_metrics=self.stateful_metrics
            )

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Move the bar; arguments as of Callback's."""
        logs = logs or {}
        self._move(1 if self.use_steps else logs.get("size", 0), logs)

    def on_many_batches(
        self, first: int, sizes: np.ndarray, logs: Mapping[str, np.ndarray]
    ) -> None:
        """Move the bar; arguments as of Callback's."""
        weights = np.ones_like(sizes) if self.use_steps else sizes
        means = {
            k: v[-1] if k in self.stateful_metrics else np.average(v, weights=weights)
            for k, v in logs.items()
        }
        self._move(int(weights.sum()), means)

    def _move(self, count: int, logs: Mapping[str, Any]) -> None:
        self.seen += count
        self.log_values = [(k, logs[k]) for k in self.params["metrics"] if k in logs]
        # NB: the last update is that of the end of the epoch, with the validation's values.
        if self.verbose and (self.target is None or self.seen < self.target):
            self.progbar.update(self.seen, self.log_values)
            self.log_values = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Finish the bar; arguments as of Callback's."""
        if not self.verbose:
            return
        shown, logs = {name for name, _ in self.log_values}, logs or {}
        rest = [name for name in self.params["metrics"] if name in logs and name not in shown]
        validation = [(name, logs[name]) for name in rest if name.startswith("val_")]
        self._finish([*self.log_values, *validation])

    def _finish(self, values: Sequence[tuple[str, Any]]) -> None:
        bar = self.progbar
        if self.target is None or self.seen < self.target:
            bar.target = self.seen  # the epoch ended early, or nobody knew how long it is
        bar.update(self.seen, values)


class History(Callback):
    """Keeps the logs of all epochs; ``fit`` returns it.

    Attributes:
        epoch: the numbers of the epochs.
        history: name of loss or metric -> its value in each epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget an earlier training; arguments as of Callback's."""
        self.epoch, self.history = [], {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Keep the logs; arguments as of Callback's."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """A callback made of functions, each with the arguments of the method of that name.

    Args:
        on_epoch_begin, on_epoch_end, on_batch_begin, on_batch_end: functions of (number, logs).
        on_train_begin, on_train_end: functions of (logs).
        kwargs: further attributes.

    >>> said = []
    >>> LambdaCallback(on_epoch_end=lambda epoch, logs: said.append(epoch)).on_epoch_end(3, {})
    >>> said
    [3]
    """

    def __init__(
        self,
        on_epoch_begin: Any = None,
        on_epoch_end: Any = None,
        on_batch_begin: Any = None,
        on_batch_end: Any = None,
        on_train_begin: Any = None,
        on_train_end: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin, "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin, "on_train_end": on_train_end,
        }  # fmt: skip
        vars(self).update(kwargs)
        vars(self).update({name: f for name, f in given.items() if f is not None})


#: Methods for batches that need not be called where ``on_many_batches`` is.
_TOLD_AT_ONCE = {
    Callback.on_batch_begin, Callback.on_batch_end, Callback.on_train_batch_begin,
    Callback.on_train_batch_end, BaseLogger.on_batch_end, ProgbarLogger.on_batch_end,
    TerminateOnNaN.on_batch_end,
}  # fmt: skip
