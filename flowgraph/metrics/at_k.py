"""Measures of the k best predictions: precision, recall and average precision at k.

Labels and predicted classes of an example are sets: what occurs twice counts once.  Sets of a fixed
size are compared all with all, which is one fused kernel.

Read next: streaming.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import float64, int64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.metrics.streaming import (
    Collections,
    Metric,
    broadcast,
    collected,
    documented,
    metric_variable,
    ratio,
    total_of,
)
from flowgraph.ops.casts import cast
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.rules import shape_of
from flowgraph.ops.sorting import top_k
from flowgraph.ops.sparse_dense import sparse_tensor_to_dense

#: Stands where a row of a SparseTensor has no label.
_NO_LABEL = np.iinfo(np.int64).min


def _name(what: str, k: int | None, class_id: int | None = None) -> str:
    at = f"{what}_at_k" if k is None else f"{what}_at_{k}"
    return at if class_id is None else f"{at}_class{class_id}"


# --------------------------------------------------------------------------------------------- sets


def _as_sets(labels: Any, predictions: Tensor) -> tuple[Tensor, Tensor]:
    """(labels, which of them exist): (..., number of labels), of the rank of ``predictions``."""
    if isinstance(labels, SparseTensor):
        dense = sparse_tensor_to_dense(
            SparseTensor(labels.indices, cast(labels.values, int64), labels.dense_shape),
            default_value=np.int64(_NO_LABEL),
        )
        there = call.NotEqual(dense, np.int64(_NO_LABEL))
    else:
        dense = cast(convert_to_tensor(labels), int64)
        there = call.OnesLike(call.Equal(dense, dense))
    have, want = dense.dims, predictions.dims
    if have is not None and want is not None:
        if len(have) == len(want) - 1:
            dense, there = call.ExpandDims(dense, -1), call.ExpandDims(there, -1)
        elif len(have) != len(want):
            raise ValueError(
                f"tf.metrics: labels of rank {len(have)} do not fit predictions of rank {len(want)}"
            )
    return dense, there


def _first(values: Tensor, there: Tensor | None = None) -> Tensor:
    """Where a value of a row occurs for the first time (and exists)."""
    same = _pairs(values, values)
    n = call.Shape(values)[-1]
    place = call.Range(0, n, 1)
    earlier = call.Less(call.ExpandDims(place, 0), call.ExpandDims(place, 1))
    again = reduce_with("Any", call.LogicalAnd(same, earlier), -1, False, None)
    new = call.LogicalNot(again)
    return new if there is None else call.LogicalAnd(new, there)


def _pairs(a: Tensor, b: Tensor) -> Tensor:
    """[..., i, j]: whether a[..., i] is b[..., j]."""
    return call.Equal(call.ExpandDims(a, -1), call.ExpandDims(b, -2))


def _within(a: Tensor, b: Tensor, there: Tensor | None = None) -> Tensor:
    """[..., i]: whether a[..., i] occurs in the row of b."""
    hits = _pairs(a, b)
    if there is not None:
        hits = call.LogicalAnd(hits, call.ExpandDims(there, -2))
    return reduce_with("Any", hits, -1, False, None)


def _number(where: Tensor, values: Tensor, class_id: int | None) -> Tensor:
    """How many elements of each row there are, of one class or of all."""
    if class_id is not None:
        where = call.LogicalAnd(where, call.Equal(values, np.int64(class_id)))
    return reduce_with("Sum", cast(where, float64), -1, False, None)


def _counted(kind: str, labels: Any, predictions: Tensor, class_id: int | None) -> Tensor:
    """True positives (``tp``), false positives or false negatives of each example, float64."""
    truth, there = _as_sets(labels, predictions)
    if kind == "fn":
        missed = call.LogicalNot(_within(truth, predictions))
        return _number(call.LogicalAnd(_first(truth, there), missed), truth, class_id)
    hit = _within(predictions, truth, there)
    wanted = hit if kind == "tp" else call.LogicalNot(hit)
    return _number(call.LogicalAnd(_first(predictions), wanted), predictions, class_id)


# ----------------------------------------------------------------------------- precision and recall

_WORDS = {"tp": "true_positive", "fp": "false_positive", "fn": "false_negative"}


def _streaming(
    kind: str, labels: Any, predictions: Tensor, k: int | None, class_id: int | None, weights: Any
) -> Metric:
    with name_scope(None, _name(_WORDS[kind], k, class_id)) as scope:
        variable = metric_variable([], float64, scope)
        value = variable.value()
        numbers = _counted(kind, labels, predictions, class_id)
        if weights is not None:
            numbers = call.Mul(numbers, broadcast("at_k", weights, numbers, float64))
        return value, call.AssignAdd(variable, total_of(numbers), name="update")


def _share_at_k(
    what: str,
    miss: str,
    labels: Any,
    predictions: Tensor,
    k: int | None,
    class_id: int | None,
    weights: Any,
    collections: tuple[Collections, Collections],
    scope: str,
) -> Metric:
    hit, hit_update = _streaming("tp", labels, predictions, k, class_id, weights)
    no, no_update = _streaming(miss, labels, predictions, k, class_id, weights)
    value = call.Div(hit, call.Add(hit, no), name=scope)
    update = call.Div(hit_update, call.Add(hit_update, no_update), name="update")
    return collected(value, update, *collections)


def _best(predictions: Any, k: int) -> Tensor:
    return cast(top_k(predictions, k).indices, int64)


_COMMON_SETS = """
        labels: classes, integers (..., number of labels), or (...) for one label each; a
            SparseTensor where numbers differ."""


def _pair(what: str, miss: str, formula: str) -> list[Any]:
    """tf.metrics.<what>_at_k and <what>_at_top_k."""

    def at_k(
        labels: Any,
        predictions: Any,
        k: int,
        class_id: int | None = None,
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> Metric:
        with name_scope(name, _name(what, k, class_id)) as scope:
            best = _best(predictions, k)
            both = metrics_collections, updates_collections
            return _share_at_k(what, miss, labels, best, k, class_id, weights, both, scope)

    def at_top_k(
        labels: Any,
        predictions_idx: Any,
        k: int | None = None,
        class_id: int | None = None,
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> Metric:
        with name_scope(name, _name(what, k, class_id)) as scope:
            best = cast(convert_to_tensor(predictions_idx), int64)
            both = metrics_collections, updates_collections
            return _share_at_k(what, miss, labels, best, k, class_id, weights, both, scope)

    made = []
    for function, ending, predictions in (
        (at_k, "at_k", "predictions: (..., number of classes) numbers; the k greatest count"),
        (at_top_k, "at_top_k", "predictions_idx: (..., k) classes that were predicted"),
    ):  # fmt: skip
        function.__name__ = function.__qualname__ = f"{what}_{ending}"
        function.__doc__ = f"""{formula} among the k best predictions.

    Args:{_COMMON_SETS}
        {predictions}.
        k: how many.
        class_id: count this class only; all by default.
        {{common}}

    Returns:
        (value, update): float64 scalars; NaN where there is nothing to count.

    Raises:
        ValueError: labels and predictions do not fit.
    """
        aliases = ["metrics.sparse_precision_at_k"] if function.__name__ == "precision_at_k" else []
        made.append(export(f"metrics.{what}_{ending}", *aliases)(documented(function)))
    return made


precision_at_k, precision_at_top_k = _pair(
    "precision", "fp", "true positives / (true positives + false positives)"
)
recall_at_k, recall_at_top_k = _pair(
    "recall", "fn", "true positives / (true positives + false negatives)"
)


# -------------------------------------------------------------------------------- average precision


@export("metrics.average_precision_at_k", "metrics.sparse_average_precision_at_k")
@documented
def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean over the examples of their average precision.

    sum over i <= k of (precision of the i best) * (the i-th is right) / min(number of labels, k)

    Args:
        labels: classes, integers (..., number of labels), or (...) for one label each; a
            SparseTensor where numbers differ.
        predictions: (..., number of classes) numbers, of which the k greatest are taken.
        k: how many, 1 at least.
        {common}

    Returns:
        (value, update): float64 scalars.

    Raises:
        ValueError: k is less than 1; labels and predictions do not fit.
    """
    if k < 1:
        raise ValueError(f"tf.metrics.average_precision_at_k: k must be 1 at least, it is {k}")
    with name_scope(name, _name("average_precision", k)) as scope:
        best = _best(predictions, k)
        each = _average_precision(labels, best, k)
        if weights is not None:
            whole = broadcast("average_precision_at_k", weights, each, float64)
            each = call.Mul(each, whole)
            number = total_of(whole)
        else:
            number = call.Cast(call.Size(each), DstT=float64)
        greatest = metric_variable([], float64, "max_1")
        total = metric_variable([], float64, "total")
        value = ratio(total.value(), greatest.value(), "mean")
        more = call.AssignAdd(greatest, number)
        update = ratio(call.AssignAdd(total, total_of(each)), more, scope)
        return collected(value, update, metrics_collections, updates_collections)


def _average_precision(labels: Any, best: Tensor, k: int) -> Tensor:
    truth, there = _as_sets(labels, best)
    right = cast(_within(best, truth, there), float64)
    hits = call.Cumsum(right, -1)
    places = np.arange(1, k + 1, dtype=np.float64)
    summed = reduce_with("Sum", hits / places * right, -1, False, None)
    if isinstance(labels, SparseTensor):
        relevant = _number(_first(truth, there), truth, None)
    else:  # NB: as in TensorFlow, labels of a dense tensor count as often as they occur
        relevant = cast(call.Shape(truth)[-1], float64)
    least = call.Minimum(relevant, np.float64(k))
    return call.Div(summed, call.BroadcastTo(least, shape_of(summed)))
