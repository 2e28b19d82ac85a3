"""Activations: functions of one tensor, by name.

>>> get("relu").__name__, serialize(tanh), get(None).__name__
('relu', 'tanh', 'linear')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flowgraph as tf
from flowgraph.keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object


def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x) / sum(exp(x))`` along ``axis``.

    Args:
        x: tensor of two or more axes.
        axis: along which the results sum to 1.

    Raises:
        ValueError: ``x`` has fewer than two axes.
    """
    x = tf.convert_to_tensor(x)
    if x.shape.ndims is not None and x.shape.ndims < 2:
        raise ValueError(
            f"Cannot apply softmax to a tensor of shape {x.shape}: the first axis is the batch's"
        )
    return tf.nn.softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` where x > 0, else ``alpha * (exp(x) - 1)``.

    Args:
        x: tensor.
        alpha: minus the limit at minus infinity.
    """
    y = tf.nn.elu(x)
    return y if alpha == 1 else tf.where(tf.greater(x, 0), y, alpha * y)


def selu(x: Any) -> Any:
    """The scaled ELU, which keeps mean 0 and variance 1 (Klambauer et al. 2017).

    Args:
        x: tensor; weights before it should be ``lecun_normal``.
    """
    return tf.nn.selu(x)


def softplus(x: Any) -> Any:
    """``log(exp(x) + 1)``.

    Args:
        x: tensor.
    """
    return tf.nn.softplus(x)


def softsign(x: Any) -> Any:
    """``x / (|x| + 1)``.

    Args:
        x: tensor.
    """
    return tf.nn.softsign(x)


def relu(x: Any, alpha: Any = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """``x`` from ``threshold`` to ``max_value``, ``alpha * (x - threshold)`` below.

    Args:
        x: tensor.
        alpha: slope below ``threshold``.
        max_value: what larger values become; None: they stay.
        threshold: where the function starts to be x.
    """
    x = tf.convert_to_tensor(x)
    if threshold == 0 and max_value is None:
        plain = isinstance(alpha, (int, float)) and alpha == 0
        return tf.nn.relu(x) if plain else tf.where(x > 0, x, alpha * x)
    upper = x if max_value is None else tf.minimum(x, tf.cast(max_value, x.dtype))
    # NB: at the threshold itself the value is 0, but where that is 0 both sides agree.
    return tf.where(x > threshold, upper, alpha * (x - threshold))


def tanh(x: Any) -> Any:
    """The hyperbolic tangent.

    Args:
        x: tensor.
    """
    return tf.tanh(x)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``.

    Args:
        x: tensor.
    """
    return tf.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """``0.2 x + 0.5``, but at least 0 and at most 1.

    Args:
        x: tensor.
    """
    return tf.clip_by_value(0.2 * tf.convert_to_tensor(x) + 0.5, 0.0, 1.0)


def exponential(x: Any) -> Any:
    """``exp(x)``.

    Args:
        x: tensor.
    """
    return tf.exp(x)


def linear(x: Any) -> Any:
    """``x``.

    Args:
        x: anything.
    """
    return x


def serialize(activation: Any) -> Any:
    """The name of an activation.

    Args:
        activation: a function.
    """
    return serialize_keras_object(activation)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The activation of that name.

    Args:
        name: as ``serialize`` gives it.
        custom_objects: name -> function, for activations of one's own.
    """
    return deserialize_keras_object(name, _KNOWN, custom_objects, "activation function")


def get(identifier: Any) -> Callable[..., Any]:
    """The activation that ``identifier`` means.

    Args:
        identifier: None (linear), a name, or a function, which is given back.

    Raises:
        ValueError: it is neither, or no activation has that name.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, (str, dict)):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret activation function identifier: {identifier!r}")


_KNOWN = {
    f.__name__: f
    for f in (
        softmax, elu, selu, softplus, softsign, relu, tanh, sigmoid, hard_sigmoid, exponential,
        linear,
    )
}  # fmt: skip
