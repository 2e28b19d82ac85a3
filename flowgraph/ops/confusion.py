"""Predictions against labels: confusion_matrix.

Read next: counting.py; scattering.py, which does it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, int32, int64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.checks import assert_less, assert_non_negative
from flowgraph.ops.reductions import every_axis
from flowgraph.shapes import format_dims, is_compatible


def squeeze_last(
    a: Tensor, b: Tensor, expected_difference: int = 0, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Both, without the last axis of the one whose rank is one too high and whose last size is 1.

    Args:
        a, b: labels and predictions; ranks that are not known are taken to be right.
        expected_difference: the rank of ``b`` minus that of ``a`` as it should be.
        name: of the operations.
    """
    if a.dims is None or b.dims is None:
        return a, b
    with name_scope(name, "remove_squeezable_dimensions", [a, b]):
        surplus = len(b.dims) - len(a.dims) - expected_difference
        if surplus == 1 and b.dims[-1] in (1, None):
            b = call.Squeeze(b, squeeze_dims=[-1])
        elif surplus == -1 and a.dims[-1] in (1, None):
            a = call.Squeeze(a, squeeze_dims=[-1])
    return a, b


@export("confusion_matrix", "math.confusion_matrix")
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """How often each class was taken for each: rows are labels, columns are predictions.

    y[i, j] = sum of weights[k] over labels[k] == i and predictions[k] == j

    Args:
        labels: a vector of class numbers, not negative.
        predictions: a vector of class numbers of the same length.
        num_classes: rows and columns of the result; one more than the greatest number by default.
        dtype: of the result.
        name: of the scope of the operations; ``confusion_matrix`` by default.
        weights: how much each pair counts; 1 by default.

    Returns:
        A matrix [num_classes, num_classes].

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: a number is negative or not below ``num_classes``.

    Gradient: to the weights: dy of their places.

    >>> print(tf.Session().run(tf.confusion_matrix([0, 1, 2, 2], [0, 2, 2, 2])))
    [[1 0 0]
     [0 0 1]
     [0 0 2]]
    """
    with name_scope(name, "confusion_matrix", [predictions, labels, num_classes, weights]):
        labels, predictions = squeeze_last(
            convert_to_tensor(labels, name="labels"),
            convert_to_tensor(predictions, name="predictions"),
        )
        if not is_compatible(labels.dims, predictions.dims):
            raise ValueError(
                f"confusion_matrix: labels of shape {format_dims(labels.dims)} for predictions of "
                f"shape {format_dims(predictions.dims)}"
            )
        given = {"labels": labels, "predictions": predictions}
        numbers = {}
        for label, values in given.items():
            values = call.Reshape(call.Cast(values, DstT=int64, name=label), [-1])
            checks = [assert_non_negative(values, message=f"{label} has a negative number")]
            if num_classes is not None:
                most = call.Cast(num_classes, DstT=int64)
                checks.append(assert_less(values, most, message=f"{label} is out of range"))
            with control_dependencies(checks):
                numbers[label] = call.Identity(values)
        if num_classes is None:
            greatest = [call.Max(v, every_axis(v)) for v in numbers.values()]
            size = call.Maximum(*greatest) + np.array(1, np.int64)
        else:
            size = call.Cast(num_classes, DstT=int64)
        wanted = as_dtype(dtype)
        if weights is None:
            weights = call.OnesLike(call.Cast(numbers["labels"], DstT=wanted))
        else:
            weights = call.Cast(weights, DstT=wanted)
            if not is_compatible(predictions.dims, weights.dims):
                raise ValueError(
                    f"confusion_matrix: weights of shape {format_dims(weights.dims)} for "
                    f"predictions of shape {format_dims(predictions.dims)}"
                )
            weights = call.Reshape(weights, [-1])
        places = call.Pack(list(numbers.values()), axis=1)
        return call.ScatterNd(places, weights, call.Pack([size, size]))
