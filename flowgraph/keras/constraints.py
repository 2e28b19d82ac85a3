"""Constraints: what a weight is set to after every training step.

>>> serialize(max_norm(3))
{'class_name': 'MaxNorm', 'config': {'max_value': 3, 'axis': 0}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flowgraph as tf
from flowgraph.keras.backend.settings import epsilon
from flowgraph.keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object


class Constraint:
    """Base class: ``constraint(w)`` gives the weight that takes the place of ``w``."""

    def __call__(self, w: Any) -> Any:
        """The weight that is allowed.

        Args:
            w: weight.
        """
        return w

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal constraint."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Constraint:
        """The constraint with these arguments.

        Args:
            config: as ``get_config`` gives it.
        """
        return cls(**config)


def _norm(w: Any, axis: Any) -> Any:
    return tf.sqrt(tf.reduce_sum(tf.square(w), axis, keepdims=True))


class MaxNorm(Constraint):
    """Norms of at most ``max_value``: larger ones are scaled down.

    Args:
        max_value: the largest norm.
        axis: along which norms are taken: 0 for the weights into a unit of a Dense layer,
            [0, 1, 2] for those into a channel of a Conv2D layer.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        """``w`` scaled.

        Args:
            w: weight.
        """
        norms = _norm(w, self.axis)
        return w * (tf.clip_by_value(norms, 0.0, float(self.max_value)) / (epsilon() + norms))


class NonNeg(Constraint):
    """No negative weights: they become 0."""

    def __call__(self, w: Any) -> Any:
        """``w`` where it is not negative, else 0.

        Args:
            w: weight.
        """
        w = tf.convert_to_tensor(w)
        return w * tf.cast(tf.greater_equal(w, 0.0), w.dtype)


class UnitNorm(Constraint):
    """Norms of 1.

    Args:
        axis: along which norms are taken, as in MaxNorm.
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        """``w`` scaled.

        Args:
            w: weight.
        """
        return w / (epsilon() + _norm(w, self.axis))


class MinMaxNorm(Constraint):
    """Norms between ``min_value`` and ``max_value``.

    Args:
        min_value: the smallest norm.
        max_value: the largest norm.
        rate: how far a step goes to the allowed norm, from 0 (nowhere) to 1 (there).
        axis: along which norms are taken, as in MaxNorm.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        """``w`` scaled.

        Args:
            w: weight.
        """
        norms = _norm(w, self.axis)
        clipped = tf.clip_by_value(norms, float(self.min_value), float(self.max_value))
        desired = self.rate * clipped + (1 - self.rate) * norms
        return w * (desired / (epsilon() + norms))


max_norm = maxnorm = MaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
min_max_norm = MinMaxNorm


def serialize(constraint: Any) -> Any:
    """The constraint as plain data.

    Args:
        constraint: a constraint, or None.
    """
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint of plain data.

    Args:
        config: as ``serialize`` gives it.
        custom_objects: name -> class, for constraints of one's own.
    """
    return deserialize_keras_object(config, _KNOWN, custom_objects, "constraint")


def get(identifier: Any) -> Any:
    """The constraint that ``identifier`` means.

    Args:
        identifier: None, a name, plain data, or a constraint.

    Raises:
        ValueError: it is none of these.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret constraint identifier: {identifier!r}")


_KNOWN: dict[str, Any] = {
    "MaxNorm": MaxNorm, "max_norm": MaxNorm, "maxnorm": MaxNorm,
    "NonNeg": NonNeg, "non_neg": NonNeg, "nonneg": NonNeg,
    "UnitNorm": UnitNorm, "unit_norm": UnitNorm, "unitnorm": UnitNorm,
    "MinMaxNorm": MinMaxNorm, "min_max_norm": MinMaxNorm,
}  # fmt: skip
