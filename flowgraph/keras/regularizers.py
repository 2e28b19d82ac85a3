"""Regularizers: what a weight, or an output, adds to the loss.

>>> serialize(l2(0.5))
{'class_name': 'L1L2', 'config': {'l1': 0.0, 'l2': 0.5}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flowgraph as tf
from flowgraph.keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object


class Regularizer:
    """Base class: ``regularizer(x)`` gives a scalar tensor."""

    def __call__(self, x: Any) -> Any:
        """The term of ``x``.

        Args:
            x: tensor or variable.
        """
        return tf.constant(0.0)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Regularizer:
        """The regularizer with these arguments.

        Args:
            config: as ``get_config`` gives it.
        """
        return cls(**config)


class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x^2)``.

    Args:
        l1: factor of the absolute values.
        l2: factor of the squares.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = float(l1), float(l2)

    def __call__(self, x: Any) -> Any:
        """The term of ``x``.

        Args:
            x: tensor or variable.
        """
        x = tf.convert_to_tensor(x)
        terms = []
        if self.l1:
            terms.append(self.l1 * tf.reduce_sum(tf.abs(x)))
        if self.l2:
            terms.append(self.l2 * tf.reduce_sum(tf.square(x)))
        return tf.add_n(terms) if terms else tf.zeros([], x.dtype)

    def get_config(self) -> dict[str, float]:
        """The factors."""
        return {"l1": self.l1, "l2": self.l2}


def l1(l: float = 0.01) -> L1L2:  # noqa: E741  Keras's name
    """``l * sum(|x|)``.

    Args:
        l: the factor.
    """
    return L1L2(l1=l)


def l2(l: float = 0.01) -> L1L2:  # noqa: E741  Keras's name
    """``l * sum(x^2)``.

    Args:
        l: the factor.
    """
    return L1L2(l2=l)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """``l1 * sum(|x|) + l2 * sum(x^2)``.

    Args:
        l1: factor of the absolute values.
        l2: factor of the squares.
    """
    return L1L2(l1=l1, l2=l2)


def serialize(regularizer: Any) -> Any:
    """The regularizer as plain data.

    Args:
        regularizer: a regularizer, or None.
    """
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer of plain data.

    Args:
        config: as ``serialize`` gives it.
        custom_objects: name -> class or function, for regularizers of one's own.
    """
    return deserialize_keras_object(config, _KNOWN, custom_objects, "regularizer")


def get(identifier: Any) -> Any:
    """The regularizer that ``identifier`` means.

    Args:
        identifier: None, a name ("l2": with its default factor), plain data, or a regularizer.

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
    raise ValueError(f"Could not interpret regularizer identifier: {identifier!r}")


_KNOWN: dict[str, Any] = {"L1L2": L1L2, "l1": l1, "l2": l2, "l1_l2": l1_l2}
