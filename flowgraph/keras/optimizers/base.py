"""Optimizer: gradients and clipping; Stepper: the variables and assignments of a step.

Read next: rules.py (the formulas).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.backend.values import made_outside


def clip_norm(g: Any, c: float, n: Any) -> Any:
    """``g``, made shorter by the factor ``c / n`` where the norm ``n`` is above ``c``.

    Args:
        g: a gradient.
        c: the largest norm; 0 and less stands for no limit.
        n: the norm, a scalar tensor.
    """
    if c <= 0:
        return g
    return tf.convert_to_tensor(g) * tf.where(n >= c, c / n, tf.ones_like(n))


class Optimizer:
    """Base class: gradients, clipping and the list of weights.

    A class derived from it defines ``get_updates`` and ``get_config``.

    Args:
        clipnorm: gradients are made shorter together so that their common norm is at most this.
        clipvalue: every element of a gradient is brought between minus this and this.

    Raises:
        TypeError: an argument has another name.
    """

    def __init__(self, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in ("clipnorm", "clipvalue"):
                raise TypeError(
                    f"Unexpected keyword argument passed to optimizer: {name!r} "
                    f"({type(self).__name__} also takes clipnorm and clipvalue)"
                )
        vars(self).update(kwargs)
        self.updates: list[Any] = []
        self.weights: list[Any] = []

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The operations that make one step.

        Args:
            loss: a scalar tensor.
            params: variables that are to change.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how weights change")

    def get_gradients(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The gradients of ``loss``, clipped.

        Args:
            loss: a scalar tensor.
            params: variables.

        Raises:
            ValueError: the loss does not depend on a variable by differentiable operations.
        """
        grads = K.gradients(loss, list(params))
        missing = [p.name for p, g in zip(params, grads, strict=True) if g is None]
        if missing:
            raise ValueError(
                f"the loss has no gradient with respect to {', '.join(missing)}: no differentiable "
                "operation leads from there to it (K.argmax, K.round and K.eval have none)"
            )
        grads = [tf.convert_to_tensor(g) for g in grads]
        limit = getattr(self, "clipnorm", None)
        if limit is not None and limit > 0:
            norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(g)) for g in grads]))
            grads = [clip_norm(g, limit, norm) for g in grads]
        limit = getattr(self, "clipvalue", None)
        if limit is not None and limit > 0:
            grads = [tf.clip_by_value(g, -limit, limit) for g in grads]
        return grads

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the state to arrays, as ``get_weights`` gave them.

        Args:
            weights: the arrays; those that Keras 2.2 stored may lack the first ones (the number of
                steps), which then stay.

        Raises:
            ValueError: there are too many or too few, or one has another shape.
        """
        ahead = len(self.weights) - len(weights)
        if ahead not in self._may_lack():
            raise ValueError(
                f"{type(self).__name__} has {len(self.weights)} weights, got {len(weights)}"
                + (": its slots are made when training begins" if not self.weights else "")
            )
        for variable, value in zip(self.weights[ahead:], weights, strict=True):
            if tuple(variable.shape.as_list()) != np.shape(value):
                raise ValueError(
                    f"Optimizer weight {variable.name!r} has shape {variable.shape}, "
                    f"the given value {np.shape(value)}"
                )
        K.batch_set_value(zip(self.weights[ahead:], weights, strict=True))

    def _may_lack(self) -> tuple[int, ...]:
        """How many of the first weights a stored state may be without."""
        return (0,)

    def get_weights(self) -> list[Any]:
        """The state as arrays: the number of steps and the slots."""
        return K.batch_get_value(self.weights)

    def get_config(self) -> dict[str, Any]:
        """The numbers that the optimizer is made of."""
        limits = ("clipnorm", "clipvalue")
        return {name: getattr(self, name) for name in limits if hasattr(self, name)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """The optimizer with these numbers.

        Args:
            config: as ``get_config`` gives it.
        """
        return cls(**config)


class Stepper(Optimizer):
    """An optimizer with a rate, a decay and a count of steps, that says how one weight changes.

    Args:
        lr: rate.   decay: of the rate.   numbers: name -> value of further variables.
        kwargs: ``clipnorm``, ``clipvalue``; ``learning_rate``, another name of ``lr``.
    """

    def __init__(self, lr: Any, decay: float, numbers: Mapping[str, Any], **kwargs: Any) -> None:
        lr = kwargs.pop("learning_rate", lr)
        super().__init__(**kwargs)
        self.initial_decay = decay
        self._slots: list[list[Any]] = []
        self._numbers: tuple[str, ...] = ("lr", "decay", *numbers)
        with tf.name_scope(type(self).__name__), tf.control_dependencies(None):
            self.iterations = variable(0, "int64", "iterations")
            self.lr = variable(lr, None, "lr")
            self.decay = variable(decay, None, "decay")
            for name, value in numbers.items():
                setattr(self, name, variable(value, None, name))

    @property
    def learning_rate(self) -> Any:
        """Another name of ``lr``."""
        return self.lr

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The operations that make one step; see Optimizer."""
        params = list(params)
        grads = self.get_gradients(loss, params)
        # NB: everything below reads the state of before the step: reads come before writes.
        taken = tf.cast(self.iterations, K.floatx())
        rate = tf.convert_to_tensor(self.lr)
        if self.initial_decay > 0:
            rate = rate * (1.0 / (1.0 + self.decay * taken))
        shared, changes = self._before(rate, taken + 1.0)
        self._slots = [self._make_slots(p) for p in params]
        for p, g, slots in zip(params, grads, self._slots, strict=True):
            as_p = [tf.cast(x, p.dtype.base_dtype) for x in shared]
            new_p, *new_slots = self._step(p, g, slots, *as_p)
            constraint = getattr(p, "constraint", None)
            if constraint is not None:
                new_p = constraint(new_p)
            changes += zip([*slots, p], [*new_slots, new_p], strict=True)
        count = tf.assign_add(self.iterations, 1)
        writes = [tf.assign(old, new) for old, new in changes if new is not old]
        self.updates = [count, *writes]
        by_kind = zip(*self._slots, strict=True)
        self.weights = [*self._counters(), *(slot for kind in by_kind for slot in kind)]
        return self.updates

    def _counters(self) -> list[Any]:
        return [self.iterations]

    def _before(self, rate: Any, t: Any) -> tuple[list[Any], list[Any]]:
        """What all weights share: tensors for ``_step``; and changes of variables."""
        return [rate], []

    def _make_slots(self, p: Any) -> list[Any]:
        """The slots of one weight: variables."""
        raise NotImplementedError

    def _step(self, p: Any, g: Any, slots: list[Any], *shared: Any) -> tuple[Any, ...]:
        """The new values of the weight and its slots."""
        raise NotImplementedError

    def _config(self, **rest: Any) -> dict[str, Any]:
        values = {name: float(K.get_value(getattr(self, name))) for name in self._numbers}
        return {**super().get_config(), **values, **rest}

    def get_config(self) -> dict[str, Any]:
        """The numbers that the optimizer is made of, as they are now."""
        return self._config()


def variable(value: Any, dtype: Any, name: str) -> Any:
    return tf.Variable(value, trainable=False, dtype=dtype or K.floatx(), name=name)


def slot(p: Any, name: str, shape: Any = None) -> Any:
    shape = p.shape.as_list() if shape is None else shape
    return made_outside(
        lambda: tf.Variable(
            tf.zeros(shape, p.dtype.base_dtype),
            trainable=False,
            name=f"{p.name.split(':')[0]}/{name}",
        )
    )


class StepperWithEpsilon(Stepper):
    """An optimizer with an ``epsilon`` that keeps quotients finite."""

    def __init__(
        self, lr: Any, epsilon: float | None, decay: float, numbers: Mapping[str, Any],
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(lr, decay, numbers, **kwargs)
        self.epsilon = K.epsilon() if epsilon is None else epsilon

    def get_config(self) -> dict[str, Any]:
        """The numbers that the optimizer is made of, as they are now."""
        return self._config(epsilon=self.epsilon)

    def _may_lack(self) -> tuple[int, ...]:
        return (0, len(self._counters()))
