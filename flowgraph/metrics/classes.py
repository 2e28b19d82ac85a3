"""Measures over classes: mean intersection over union, mean accuracy of the classes.

Read next: streaming.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import float32, float64, int64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.metrics.streaming import (
    Collections,
    Metric,
    collected,
    documented,
    metric_variable,
    ratio,
    total_of,
)
from flowgraph.ops.casts import cast
from flowgraph.ops.confusion import confusion_matrix
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.shapes import format_dims, is_compatible


def _flat(value: Any, dtype: Any) -> Tensor:
    """``value`` as a vector."""
    tensor = cast(convert_to_tensor(value), dtype)
    if tensor.dims is not None and len(tensor.dims) == 1:
        return tensor
    return call.Reshape(tensor, [-1])


def _check_shapes(function: str, labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    labels, predictions = convert_to_tensor(labels), convert_to_tensor(predictions)
    if not is_compatible(labels.dims, predictions.dims):
        raise ValueError(
            f"tf.metrics.{function}: predictions {format_dims(predictions.dims)} and labels "
            f"{format_dims(labels.dims)} must have one shape"
        )
    return labels, predictions


@export("metrics.mean_iou")
@documented
def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean over the classes of intersection / union.

    iou = true positives / (true positives + false positives + false negatives), averaged over the
    classes that occur in labels or predictions.

    Args:
        labels, predictions: classes, integers of one shape.
        num_classes: how many classes there are.
        {common}

    Returns:
        (value, update): a float32 scalar; the update gives the confusion matrix, float64.

    Raises:
        ValueError: labels and predictions differ in shape.
        InvalidArgumentError: a class is not in [0, num_classes).
    """
    labels, predictions = _check_shapes("mean_iou", labels, predictions)
    with variable_scope(name, "mean_iou", [predictions, labels]):
        matrix = metric_variable([num_classes, num_classes], float64, "total_confusion_matrix")
        value = _mean_iou(cast(matrix.value(), float32), "mean_iou")
        seen = confusion_matrix(
            _flat(labels, int64),
            _flat(predictions, int64),
            num_classes,
            dtype=float64,
            weights=None if weights is None else _flat(weights, float64),
        )
        update = call.AssignAdd(matrix, seen)
        return collected(value, update, metrics_collections, updates_collections)


def _mean_iou(matrix: Tensor, name: str) -> Tensor:
    rows = reduce_with("Sum", matrix, 1, False, None)
    columns = reduce_with("Sum", matrix, 0, False, None)
    both = call.MatrixDiagPart(matrix)
    union = rows + columns - both
    zero = call.ZerosLike(union)
    occurring = total_of(cast(call.NotEqual(union, zero), float32))
    union = call.Select(call.Greater(union, zero), union, call.OnesLike(union))
    total = reduce_with("Sum", call.Div(both, union), None, False, name)
    return ratio(total, occurring, None)


@export("metrics.mean_per_class_accuracy")
@documented
def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean over the classes of (rightly predicted) / (examples of the class).

    Args:
        labels, predictions: classes, integers of one shape.
        num_classes: how many classes there are.
        {common}

    Returns:
        (value, update): a float32 scalar; the update gives the accuracy of each class.

    Raises:
        ValueError: labels and predictions differ in shape.
        InvalidArgumentError: a label is not in [0, num_classes).
    """
    labels, predictions = _check_shapes("mean_per_class_accuracy", labels, predictions)
    with variable_scope(name, "mean_accuracy", [predictions, labels]):
        labels, predictions = _flat(labels, int64), _flat(predictions, int64)
        total = metric_variable([num_classes], name="total")
        count = metric_variable([num_classes], name="count")
        each = ratio(count.value(), total.value(), None)
        value = reduce_with("Mean", each, None, False, "mean_accuracy")
        ones = cast(call.OnesLike(labels), float32)
        hits = cast(call.Equal(predictions, labels), float32)
        if weights is not None:
            w = _flat(weights, float32)
            ones, hits = call.Mul(ones, w), call.Mul(hits, w)
        more = call.ScatterAdd(total, labels, ones)
        update = ratio(call.ScatterAdd(count, labels, hits), more, "update_op")
        return collected(value, update, metrics_collections, updates_collections)
