"""Callbacks that change the training: what is kept of it, its rate, its end."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.callbacks.base import Callback, Logs, say


class _Monitor(Callback):
    """Looks at one value after every epoch, and knows what "better" means for it."""

    #: Names of values of which more is better, where ``mode`` is "auto": parts of names.
    _more_is_better: tuple[str, ...] = ("acc", "auc", "recall", "precision", "fmeasure")

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__}: mode {mode!r} is unknown, auto is used", stacklevel=3
            )
            mode = "auto"
        if mode == "auto":
            mode = "max" if any(part in monitor for part in self._more_is_better) else "min"
        self.monitor, self.mode = monitor, mode
        self.monitor_op: Callable[[Any, Any], Any] = np.greater if mode == "max" else np.less
        self.min_delta = abs(min_delta) * (1 if mode == "max" else -1)
        self.best = self._worst()

    def _worst(self) -> float:
        return -np.inf if self.mode == "max" else np.inf

    def _improves(self, current: Any) -> bool:
        """Whether ``current`` is better than the best by more than ``min_delta``."""
        return bool(self.monitor_op(current - self.min_delta, self.best))

    def _current(self, logs: Logs | None) -> Any:
        """The value, or None with a warning."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__} looks at {self.monitor!r}, which is not there; there are: "
                f"{', '.join(logs or ())}",
                RuntimeWarning,
                stacklevel=4,
            )
        return value


class ModelCheckpoint(_Monitor):
    """Saves the model after epochs.

    Args:
        filepath: where to; may contain ``{epoch:02d}`` and names of values, ``{val_loss:.2f}``.
        monitor: the value that says which epoch is best.
        verbose: 1 says what is saved.
        save_best_only: save only when the value is better than before.
        save_weights_only: save the weights, not the whole model.
        mode: "min", "max", or "auto": max for accuracies and the like.
        period: every how many epochs to look.
    """

    def __init__(
        self,
        filepath: str,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        period: int = 1,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath, self.verbose, self.period = filepath, verbose, period
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.epochs_since_last_save = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save if it is time; arguments as of Callback's."""
        self.epochs_since_last_save += 1
        if self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        path = str(self.filepath).format(epoch=epoch + 1, **(logs or {}))
        if self.save_best_only:
            current = self._current(logs)
            if current is None:
                return
            if not self._improves(current):
                self._say(
                    f"\nEpoch {epoch + 1:05d}: {self.monitor} did not improve from {self.best:0.5f}"
                )
                return
            self._say(
                f"\nEpoch {epoch + 1:05d}: {self.monitor} improved from {self.best:0.5f} to "
                f"{current:0.5f}, saving model to {path}"
            )
            self.best = current
        else:
            self._say(f"\nEpoch {epoch + 1:05d}: saving model to {path}")
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            say(text)


class EarlyStopping(_Monitor):
    """Ends the training when a value gets no better.

    Args:
        monitor: the value.
        min_delta: what counts as better: a change by more than this.
        patience: for how many epochs it may fail to get better.
        verbose: 1 says so.
        mode: "min", "max", or "auto": max for accuracies and the like.
        baseline: the value that must be reached first.
        restore_best_weights: whether the weights of the best epoch are set at the end.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights = restore_best_weights
        self.wait = self.stopped_epoch = 0
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew; arguments as of Callback's."""
        self.wait = self.stopped_epoch = 0
        self.best_weights = None
        self.best = self._worst() if self.baseline is None else self.baseline

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the value; arguments as of Callback's."""
        current = self._current(logs)
        if current is None:
            return
        if self._improves(current):
            self.best, self.wait = current, 0
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.best_weights is not None:
                if self.verbose > 0:
                    say("Restoring model weights from the end of the best epoch")
                self.model.set_weights(self.best_weights)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Say why it ended; arguments as of Callback's."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            say(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")


class LearningRateScheduler(Callback):
    """Sets the rate before every epoch.

    Args:
        schedule: function of (number of the epoch from 0, rate) or of the number alone.
        verbose: 1 says so.
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the rate; arguments as of Callback's.

        Raises:
            ValueError: the schedule gives no float, or the optimizer has no ``lr``.
        """
        rate = _rate_of(self.model)
        try:
            new = self.schedule(epoch, float(K.get_value(rate)))
        except TypeError:  # a schedule of one argument
            new = self.schedule(epoch)
        if not isinstance(new, (float, np.floating)):
            raise ValueError(f"the schedule must give a float, but gave {new!r} for epoch {epoch}")
        K.set_value(rate, new)
        if self.verbose > 0:
            say(f"\nEpoch {epoch + 1:05d}: LearningRateScheduler setting learning rate to {new}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Log the rate as "lr"; arguments as of Callback's."""
        if logs is not None:
            logs["lr"] = K.get_value(_rate_of(self.model))


def _rate_of(model: Any) -> Any:
    rate = getattr(model.optimizer, "lr", None)
    if rate is None:
        raise ValueError(f"{type(model.optimizer).__name__} has no rate `lr` that could be set")
    return rate


class ReduceLROnPlateau(_Monitor):
    """Makes the rate smaller when a value gets no better.

    Args:
        monitor: the value.
        factor: the new rate divided by the old one.
        patience: for how many epochs it may fail to get better.
        verbose: 1 says so.
        mode: "min", "max", or "auto": max for accuracies and the like.
        min_delta: what counts as better: a change by more than this.
        cooldown: how many epochs to wait after a change.
        min_lr: the rate gets no smaller than this.
        kwargs: ``epsilon``, an older name of ``min_delta``.

    Raises:
        ValueError: ``factor`` is 1 or more.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(monitor, mode, kwargs.pop("epsilon", min_delta))
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau: unknown arguments {sorted(kwargs)}")
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0, got {factor}")
        self.factor, self.min_lr, self.patience, self.verbose = factor, min_lr, patience, verbose
        self.cooldown = cooldown
        self.cooldown_counter = self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew; arguments as of Callback's."""
        self.best = self._worst()
        self.cooldown_counter = self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether the rate was changed a short while ago."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the value, log the rate as "lr"; arguments as of Callback's."""
        logs = {} if logs is None else logs
        rate = _rate_of(self.model)
        old = float(K.get_value(rate))
        logs["lr"] = K.get_value(rate)
        current = self._current(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._improves(current):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            # NB: the variable holds min_lr rounded
            if self.wait >= self.patience and old > float(K.cast_to_floatx(self.min_lr)):
                new = max(old * self.factor, self.min_lr)
                K.set_value(rate, new)
                if self.verbose > 0:
                    say(
                        f"\nEpoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to "
                        f"{new}."
                    )
                self.cooldown_counter, self.wait = self.cooldown, 0
