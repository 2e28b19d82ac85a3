"""Losses: how far predictions are from targets, one number per sample.

Every function takes ``y_true`` and ``y_pred`` and reduces the last axis; ``y_true`` may be of any
numeric dtype.  ``keras.losses.get("mse")`` finds one by name.

>>> with tf.Session() as sess:
...     print(sess.run(mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]])))
[2.]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object


def _pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    y_pred = tf.convert_to_tensor(y_pred)
    return tf.cast(y_true, y_pred.dtype), y_pred


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``(y_pred - y_true)^2``.

    Args:
        y_true: targets.
        y_pred: predictions.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return tf.reduce_mean(tf.square(y_pred - y_true), -1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``|y_pred - y_true|``.

    Args:
        y_true: targets.
        y_pred: predictions.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return tf.reduce_mean(tf.abs(y_pred - y_true), -1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 times the mean of ``|y_true - y_pred| / max(|y_true|, epsilon)``.

    Args:
        y_true: targets.
        y_pred: predictions.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    share = tf.abs((y_true - y_pred) / tf.maximum(tf.abs(y_true), K.epsilon()))
    return 100.0 * tf.reduce_mean(share, -1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``(log(y_pred + 1) - log(y_true + 1))^2``, of values not below epsilon.

    Args:
        y_true: targets.
        y_pred: predictions.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    logs = [tf.log(tf.maximum(y, K.epsilon()) + 1.0) for y in (y_pred, y_true)]
    return tf.reduce_mean(tf.square(logs[0] - logs[1]), -1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``max(1 - y_true * y_pred, 0)^2``.

    Args:
        y_true: targets, -1 or 1.
        y_pred: predictions.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return tf.reduce_mean(tf.square(tf.maximum(1.0 - y_true * y_pred, 0.0)), -1)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``max(1 - y_true * y_pred, 0)``.

    Args:
        y_true: targets, -1 or 1.
        y_pred: predictions.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return tf.reduce_mean(tf.maximum(1.0 - y_true * y_pred, 0.0), -1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """``max(0, largest wrong prediction - prediction of the class + 1)``.

    Args:
        y_true: targets, 1 at the class and 0 elsewhere.
        y_pred: predictions.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    right = tf.reduce_sum(y_true * y_pred, -1)
    wrong = tf.reduce_max((1.0 - y_true) * y_pred, -1)
    return tf.maximum(0.0, wrong - right + 1.0)


def logcosh(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``log(cosh(y_pred - y_true))``: x^2/2 for small errors, |x| - log 2 for large ones.

    Args:
        y_true: targets.
        y_pred: predictions.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    x = y_pred - y_true
    # log((e^x + e^-x) / 2) = x + log(1 + e^-2x) - log 2, which does not overflow
    return tf.reduce_mean(x + tf.nn.softplus(-2.0 * x) - math.log(2.0), -1)


def categorical_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """``-sum(y_true * log(y_pred))``, of predictions divided by their sum.

    Args:
        y_true: probabilities of the classes, as of ``to_categorical``.
        y_pred: predicted probabilities.
    """
    return K.categorical_crossentropy(y_true, y_pred)


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """``-log(y_pred[y_true])``.

    Args:
        y_true: classes as numbers, of the shape of ``y_pred`` without, or with 1 as, the last size.
        y_pred: predicted probabilities.
    """
    return K.sparse_categorical_crossentropy(y_true, y_pred)


def binary_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``-y_true * log(y_pred) - (1 - y_true) * log(1 - y_pred)``.

    Args:
        y_true: targets between 0 and 1.
        y_pred: predicted probabilities.
    """
    return tf.reduce_mean(K.binary_crossentropy(y_true, y_pred), -1)


def kullback_leibler_divergence(y_true: Any, y_pred: Any) -> Any:
    """``sum(y_true * log(y_true / y_pred))``, of values cut off at epsilon and 1.

    Args:
        y_true: probabilities.
        y_pred: predicted probabilities.
    """
    p, q = (tf.clip_by_value(y, K.epsilon(), 1.0) for y in _pair(y_true, y_pred))
    return tf.reduce_sum(p * tf.log(p / q), -1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``y_pred - y_true * log(y_pred + epsilon)``.

    Args:
        y_true: counts.
        y_pred: predicted means.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return tf.reduce_mean(y_pred - y_true * tf.log(y_pred + K.epsilon()), -1)


def cosine_proximity(y_true: Any, y_pred: Any) -> Any:
    """Minus the cosine of the angle between the two.

    Args:
        y_true: targets.
        y_pred: predictions.
    """
    p, q = (tf.nn.l2_normalize(y, axis=-1) for y in _pair(y_true, y_pred))
    return -tf.reduce_sum(p * q, -1)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence
cosine = cosine_proximity


def serialize(loss: Any) -> Any:
    """The name of a loss, or the plain data of an object with ``get_config``.

    Args:
        loss: function or object.
    """
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss of that name.

    Args:
        name: as ``serialize`` gives it.
        custom_objects: name -> function, for losses of one's own.
    """
    return deserialize_keras_object(name, _KNOWN, custom_objects, "loss function")


def get(identifier: Any) -> Callable[..., Any] | None:
    """The loss that ``identifier`` means.

    Args:
        identifier: None, a name, plain data, or a function.

    Raises:
        ValueError: it is none of these, or no loss has that name.
    """
    if identifier is None:
        return None
    if isinstance(identifier, (str, dict)):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret loss function identifier: {identifier!r}")


_FUNCTIONS = (
    mean_squared_error, mean_absolute_error, mean_absolute_percentage_error,
    mean_squared_logarithmic_error, squared_hinge, hinge, categorical_hinge, logcosh,
    categorical_crossentropy, sparse_categorical_crossentropy, binary_crossentropy,
    kullback_leibler_divergence, poisson, cosine_proximity,
)  # fmt: skip
#: Every loss under its name and its aliases.
_KNOWN: dict[str, Any] = {
    name: value for name, value in list(vars().items()) if value in _FUNCTIONS
}
