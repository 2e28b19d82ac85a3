"""True and false positives and negatives; precision and recall.

Read next: thresholds.py (the same at several thresholds).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.dtypes import bool_, float32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.metrics.streaming import (
    Collections,
    Metric,
    broadcast,
    collected,
    documented,
    fitted,
    metric_variable,
    total_of,
)
from flowgraph.ops.casts import cast
from flowgraph.ops.variable_scope import variable_scope


def _as_bool(value: Any) -> Tensor:
    return cast(convert_to_tensor(value), bool_)


def _counter(name_: str, what: str, wanted_label: bool, wanted_prediction: bool) -> Any:
    """tf.metrics.<name_>: counts where label and prediction are the wanted ones."""

    def function(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> Metric:
        with variable_scope(name, name_, [v for v in (predictions, labels) if v is not None]):
            given, truth, weights = fitted(name_, _as_bool(predictions), _as_bool(labels), weights)
            hits = call.LogicalAnd(
                truth if wanted_label else call.LogicalNot(truth),
                given if wanted_prediction else call.LogicalNot(given),
            )
            values = cast(hits, float32)
            count = metric_variable([], name="count")
            value = call.Identity(count)
            if weights is not None:
                values = call.Mul(values, broadcast(name_, weights, values))
            update = call.AssignAdd(count, total_of(values))
            return collected(value, update, metrics_collections, updates_collections)

    function.__name__ = function.__qualname__ = name_
    function.__doc__ = f"""The number of {what}.

    Args:
        labels, predictions: tensors of one shape, True where they are not 0.
        {{common}}

    Returns:
        (value, update): float32 scalars, sums of weights.

    Raises:
        ValueError: labels and predictions differ in shape.
    """
    return export(f"metrics.{name_}")(documented(function))


true_positives = _counter("true_positives", "true labels that were predicted", True, True)
false_positives = _counter("false_positives", "false labels predicted to be true", False, True)
false_negatives = _counter("false_negatives", "true labels predicted to be false", True, False)
true_negatives = _counter("true_negatives", "false labels that were predicted", False, False)


def _share(hits: Any, misses: Any, name: str) -> Tensor:
    """hits / (hits + misses), or 0."""
    both = call.Add(hits, misses)
    none = call.ZerosLike(both)
    return call.Select(call.Greater(both, none), call.Div(hits, both), none, name=name)


def _share_of(name_: str, formula: str, misses: Callable[..., Metric]) -> Any:
    def function(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> Metric:
        with variable_scope(name, name_, [v for v in (predictions, labels) if v is not None]):
            given, truth, weights = fitted(name_, _as_bool(predictions), _as_bool(labels), weights)
            hit, hit_update = true_positives(truth, given, weights)
            miss, miss_update = misses(truth, given, weights)
            value = _share(hit, miss, "value")
            update = _share(hit_update, miss_update, "update_op")
            return collected(value, update, metrics_collections, updates_collections)

    function.__name__ = function.__qualname__ = name_
    function.__doc__ = f"""{formula}, and 0 when there are none.

    Args:
        labels, predictions: tensors of one shape, True where they are not 0.
        {{common}}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: labels and predictions differ in shape.
    """
    return export(f"metrics.{name_}")(documented(function))


precision = _share_of(
    "precision", "true positives / (true positives + false positives)", false_positives
)
recall = _share_of("recall", "true positives / (true positives + false negatives)", false_negatives)
