"""Metrics as functions: one number per sample, as losses are, whose mean is shown in training.

Metrics that are no means over batches (recall, AUC) are objects: metrics_with_state.py.

``keras.metrics.get("categorical_accuracy")`` finds one by name; every loss is a metric, too.

>>> with tf.Session() as sess:
...     print(sess.run(categorical_accuracy([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]])))
[1. 0.]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras import losses
from flowgraph.keras.losses import (
    MAE,
    MAPE,
    MSE,
    MSLE,
    binary_crossentropy,
    categorical_crossentropy,
    cosine,
    cosine_proximity,
    hinge,
    kullback_leibler_divergence,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from flowgraph.keras.metrics_with_state import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Mean,
    Metric,
    Precision,
    Recall,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
)
from flowgraph.keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object

__all__ = [
    "AUC",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "FalseNegatives",
    "FalsePositives",
    "Mean",
    "Metric",
    "Precision",
    "Recall",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "cosine",
    "cosine_proximity",
    "deserialize",
    "get",
    "hinge",
    "kullback_leibler_divergence",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]


def _as_float(x: Any) -> Any:
    return tf.cast(x, K.floatx())


def binary_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Share of predictions that round to the target (0.5 rounds to 0).

    Args:
        y_true: targets, 0 or 1.
        y_pred: predicted probabilities.
    """
    y_pred = tf.convert_to_tensor(y_pred)
    return tf.reduce_mean(_as_float(tf.equal(tf.cast(y_true, y_pred.dtype), tf.round(y_pred))), -1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is at the place of the largest target, else 0.

    Args:
        y_true: targets, as of ``to_categorical``.
        y_pred: predictions.
    """
    return _as_float(tf.equal(tf.argmax(y_true, -1), tf.argmax(y_pred, -1)))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is at the place ``y_true``, else 0.

    Args:
        y_true: classes as numbers, of the shape of ``y_pred`` without, or with 1 as, the last size.
        y_pred: predictions.
    """
    y_true, y_pred = tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)
    if y_true.shape.ndims is not None and y_true.shape.ndims == y_pred.shape.ndims:
        y_true = tf.squeeze(y_true, [-1])
    return _as_float(tf.equal(tf.cast(y_true, tf.int64), tf.argmax(y_pred, -1)))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Share of samples whose class is among the ``k`` largest predictions.

    Args:
        y_true: targets, as of ``to_categorical``.
        y_pred: predictions (samples, classes).
        k: how many of the largest predictions count.

    Returns:
        A scalar.
    """
    return tf.reduce_mean(_as_float(tf.nn.in_top_k(y_pred, tf.argmax(y_true, -1), k)))


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Share of samples whose class is among the ``k`` largest predictions.

    Args:
        y_true: classes as numbers.
        y_pred: predictions (samples, classes).
        k: how many of the largest predictions count.

    Returns:
        A scalar.
    """
    classes = tf.reshape(tf.cast(y_true, tf.int32), [-1])
    return tf.reduce_mean(_as_float(tf.nn.in_top_k(y_pred, classes, k)))


def serialize(metric: Any) -> Any:
    """The name of a metric, or the plain data of an object with ``get_config``.

    Args:
        metric: function or object.
    """
    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric of that name or plain data.

    Args:
        config: as ``serialize`` gives it.
        custom_objects: name -> function, for metrics of one's own.
    """
    return deserialize_keras_object(config, _KNOWN, custom_objects, "metric function")


def get(identifier: Any) -> Any:
    """The metric that ``identifier`` means.

    Args:
        identifier: a name, plain data, or a function.

    Raises:
        ValueError: it is none of these, or no metric has that name.
    """
    if isinstance(identifier, (str, dict)):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret metric function identifier: {identifier!r}")


_CLASSES = (
    AUC, FalseNegatives, FalsePositives, Mean, Metric, Precision, Recall,
    SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy, TrueNegatives, TruePositives,
)  # fmt: skip
#: Every metric under its name and its aliases.
_KNOWN: dict[str, Any] = {
    **losses._KNOWN,
    **{
        f.__name__: f
        for f in (
            binary_accuracy, categorical_accuracy, sparse_categorical_accuracy,
            top_k_categorical_accuracy, sparse_top_k_categorical_accuracy, *_CLASSES,
        )
    },
    **{cls.__name__.lower(): cls for cls in (AUC, Precision, Recall)},
}  # fmt: skip
