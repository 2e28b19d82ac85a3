"""tf.contrib.losses and tf.contrib.metrics: tf.losses and tf.metrics with predictions first.

    tf.contrib.losses.softmax_cross_entropy(logits, labels)
    tf.contrib.metrics.streaming_auc(predictions, labels)

Also known as ``slim.losses`` and ``slim.metrics``.

Read next: flowgraph/losses/functions.py, flowgraph/metrics/streaming.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from flowgraph.dtypes import float32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export, export_value
from flowgraph.graph.node import Tensor
from flowgraph.losses import functions, weighted
from flowgraph.metrics import at_k, classes, counts, streaming, thresholds
from flowgraph.ops.casts import cast
from flowgraph.ops.reductions import reduce_with

_P = inspect.Parameter


def _paths(group: str, name: str) -> list[str]:
    return [f"contrib.{group}.{name}", f"contrib.slim.{group}.{name}"]


def _swapped(group: str, name: str, original: Any, without: tuple[str, ...] = ()) -> None:
    """Export ``original`` as ``name``, its first two arguments the other way round."""
    given = inspect.signature(original).parameters
    first, second, *rest = (p for p in given.values() if p.name not in without)
    signature = inspect.Signature([second.replace(default=_P.empty), first, *rest])

    def function(*args: Any, **kwargs: Any) -> Any:
        return original(**signature.bind(*args, **kwargs).arguments)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__doc__ = (
        f"``{original.__name__}`` with {second.name} before {first.name}.\n\n{original.__doc__}"
    )
    export(*_paths(group, name))(function)


# ------------------------------------------------------------------------------------------- losses

for _name in (
    "absolute_difference", "hinge_loss", "log_loss", "mean_pairwise_squared_error",
    "mean_squared_error", "sigmoid_cross_entropy", "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
):  # fmt: skip
    _swapped("losses", _name, getattr(functions, _name), ("loss_collection", "reduction"))
_swapped("losses", "cosine_distance", functions.cosine_distance, ("loss_collection", "reduction"))
for _function in (
    weighted.add_loss, weighted.compute_weighted_loss, weighted.get_losses,
    weighted.get_regularization_losses, weighted.get_total_loss,
):  # fmt: skip
    export_value(_function, *_paths("losses", _function.__name__))


# ------------------------------------------------------------------------------------------ metrics

_METRICS: Mapping[str, Any] = {
    "accuracy": streaming, "mean_absolute_error": streaming, "mean_cosine_distance": streaming,
    "mean_relative_error": streaming, "mean_squared_error": streaming,
    "root_mean_squared_error": streaming, "mean_iou": classes, "precision": counts,
    "recall": counts, "true_positives": counts, "false_positives": counts,
    "true_negatives": counts, "false_negatives": counts, "auc": thresholds,
    "precision_at_thresholds": thresholds, "recall_at_thresholds": thresholds,
    "true_positives_at_thresholds": thresholds, "false_positives_at_thresholds": thresholds,
    "true_negatives_at_thresholds": thresholds, "false_negatives_at_thresholds": thresholds,
    "sensitivity_at_specificity": thresholds, "specificity_at_sensitivity": thresholds,
}  # fmt: skip
for _name, _module in _METRICS.items():
    _swapped("metrics", f"streaming_{_name}", getattr(_module, _name))
for _name, _old in (
    ("sparse_precision_at_k", "precision_at_k"),
    ("sparse_recall_at_k", "recall_at_k"),
    ("sparse_average_precision_at_k", "average_precision_at_k"),
):
    _swapped("metrics", f"streaming_{_name}", getattr(at_k, _old))
export_value(streaming.mean, *_paths("metrics", "streaming_mean"))
export_value(streaming.mean_tensor, *_paths("metrics", "streaming_mean_tensor"))
export_value(streaming.percentage_below, *_paths("metrics", "streaming_percentage_less"))


@export(*_paths("metrics", "accuracy"))
def accuracy(predictions: Any, labels: Any, weights: Any = None, name: str | None = None) -> Tensor:
    """How many predictions of one batch are equal to their labels, as a share.

    Args:
        predictions, labels: tensors of one shape and dtype.
        weights: None, or numbers of the same shape; the mean is weighted.
        name: of the operations.

    Raises:
        ValueError: dtypes or shapes differ.

    >>> tf.Session().run(tf.contrib.metrics.accuracy([1, 2, 3, 4], [1, 2, 3, 0]))
    0.75
    """
    predictions, labels = convert_to_tensor(predictions), convert_to_tensor(labels)
    if predictions.dtype.base_dtype is not labels.dtype.base_dtype:
        raise ValueError(
            f"accuracy: labels are {labels.dtype.name}, predictions {predictions.dtype.name}"
        )
    predictions.shape.assert_is_compatible_with(labels.shape)
    hits = cast(call.Equal(predictions, labels), float32)
    if weights is None:
        return reduce_with("Mean", hits, None, False, name)
    w = call.Mul(cast(convert_to_tensor(weights), float32), call.OnesLike(hits))
    total = reduce_with("Sum", call.Mul(w, hits), None, False, None)
    return call.RealDiv(total, reduce_with("Sum", w, None, False, None), name=name)


@export(*_paths("metrics", "aggregate_metrics"))
def aggregate_metrics(*value_update_tuples: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
    """(values, updates) of several metrics.

    Args:
        value_update_tuples: what the metrics gave.

    Raises:
        ValueError: there are none.
    """
    if not value_update_tuples:
        raise ValueError("aggregate_metrics: there are no metrics")
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)


@export(*_paths("metrics", "aggregate_metric_map"))
def aggregate_metric_map(
    names_to_tuples: Mapping[str, tuple[Any, Any]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(values by name, updates by name) of several metrics.

    Args:
        names_to_tuples: names -> what the metrics gave.
    """
    values = {name: pair[0] for name, pair in names_to_tuples.items()}
    return values, {name: pair[1] for name, pair in names_to_tuples.items()}
