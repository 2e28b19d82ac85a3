"""Counts at several thresholds, and what follows from them: AUC, sensitivity at specificity, ...

A prediction counts as positive where it is greater than a threshold.  The curves are made of 200
thresholds from a little below 0 to a little above 1.

Read next: counts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import bool_, float32, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies
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
    ratio,
)
from flowgraph.ops.casts import cast
from flowgraph.ops.checks import assert_greater_equal, assert_less_equal
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.variable_scope import variable_scope

#: Short name -> (variable, wanted label, wanted prediction), in the order they are made.
_KINDS = {
    "tp": ("true_positives", True, True),
    "fn": ("false_negatives", True, False),
    "tn": ("true_negatives", False, False),
    "fp": ("false_positives", False, True),
}

_TINY = 1e-7

Counts = dict[str, Any]


def _spread_thresholds(count: int) -> list[float]:
    inner = [(i + 1) / (count - 1) for i in range(count - 2)]
    return [0.0 - _TINY, *inner, 1.0 + _TINY]


def _counts(
    function: str,
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any,
    kinds: Sequence[str],
) -> tuple[Counts, Counts]:
    """(values, updates) of the counts ``kinds``: tensors with one number for each threshold."""
    predictions = convert_to_tensor(predictions)
    checks = [
        assert_greater_equal(predictions, 0.0, message="predictions must be in [0, 1]"),
        assert_less_equal(predictions, 1.0, message="predictions must be in [0, 1]"),
    ]
    with control_dependencies([check for check in checks if check is not None]):
        predictions = cast(call.Identity(predictions, name="checked"), float32)
    truth = cast(convert_to_tensor(labels), bool_)
    predictions, truth, weights = fitted(function, predictions, truth, weights)
    limits = call.Reshape(convert_to_tensor(np.asarray(thresholds, np.float32)), [-1, 1])
    positive = call.Greater(call.Reshape(predictions, [1, -1]), limits)
    true_row = call.Reshape(truth, [1, -1])
    row = None
    if weights is not None:
        row = call.Reshape(broadcast(function, weights, predictions), [1, -1])
    values, updates = {}, {}
    for kind in _KINDS:
        if kind not in kinds:
            continue
        name, wanted_label, wanted_prediction = _KINDS[kind]
        variable = metric_variable([len(thresholds)], name=name)
        values[kind] = variable.value()
        hits = call.LogicalAnd(
            true_row if wanted_label else call.LogicalNot(true_row),
            positive if wanted_prediction else call.LogicalNot(positive),
        )
        numbers = cast(hits, float32)
        if row is not None:
            numbers = call.Mul(numbers, row)
        updates[kind] = call.AssignAdd(variable, reduce_with("Sum", numbers, 1, False, None))
    return values, updates


def _at_thresholds(kind: str) -> Any:
    """tf.metrics.<kind>_at_thresholds."""
    variable, _, _ = _KINDS[kind]
    name_ = f"{variable}_at_thresholds"

    def function(
        labels: Any,
        predictions: Any,
        thresholds: Sequence[float],
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> Metric:
        with variable_scope(name, variable, [v for v in (predictions, labels) if v is not None]):
            values, updates = _counts(name_, labels, predictions, thresholds, weights, [kind])
            value = call.Identity(values[kind])
            return collected(value, updates[kind], metrics_collections, updates_collections)

    function.__name__ = function.__qualname__ = name_
    function.__doc__ = f"""The number of {variable.replace("_", " ")} at each threshold.

    Args:
        labels: True where they are not 0.
        predictions: numbers in [0, 1], of the same shape.
        thresholds: a list of numbers.
        {{common}}

    Returns:
        (value, update): float32 vectors, one number for each threshold.

    Raises:
        ValueError: labels and predictions differ in shape.
        InvalidArgumentError: a prediction is not in [0, 1].
    """
    return export(f"metrics.{name_}")(documented(function))


true_positives_at_thresholds = _at_thresholds("tp")
false_positives_at_thresholds = _at_thresholds("fp")
false_negatives_at_thresholds = _at_thresholds("fn")
true_negatives_at_thresholds = _at_thresholds("tn")


def _share_at_thresholds(name_: str, word: str, miss: str, formula: str) -> Any:
    def function(
        labels: Any,
        predictions: Any,
        thresholds: Sequence[float],
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> Metric:
        with variable_scope(name, name_, [v for v in (predictions, labels) if v is not None]):
            both = _counts(name_, labels, predictions, thresholds, weights, ["tp", miss])
            value, update = (
                call.Div(c["tp"], call.Add(call.Add(c["tp"], _TINY), c[miss]), name=f"{word}_{end}")
                for c, end in zip(both, ("value", "update_op"), strict=True)
            )
            return collected(value, update, metrics_collections, updates_collections)

    function.__name__ = function.__qualname__ = name_
    function.__doc__ = f"""{formula}, at each threshold.

    Args:
        labels: True where they are not 0.
        predictions: numbers in [0, 1], of the same shape.
        thresholds: a list of numbers.
        {{common}}

    Returns:
        (value, update): float32 vectors, one number for each threshold.

    Raises:
        ValueError: labels and predictions differ in shape.
        InvalidArgumentError: a prediction is not in [0, 1].
    """
    return export(f"metrics.{name_}")(documented(function))


precision_at_thresholds = _share_at_thresholds(
    "precision_at_thresholds",
    "precision",
    "fp",
    "true positives / (true positives + false positives + 1e-7)",
)
recall_at_thresholds = _share_at_thresholds(
    "recall_at_thresholds",
    "recall",
    "fn",
    "true positives / (true positives + false negatives + 1e-7)",
)


# ---------------------------------------------------------------------------------------------- AUC


def _area(c: Counts, curve: str, method: str, name: str) -> Tensor:
    if curve == "PR" and method == "careful_interpolation":
        return _interpolated_area(c)
    tp, fn, tn, fp = c["tp"], c["fn"], c["tn"], c["fp"]
    small = 1e-6
    recall = call.Div(call.Add(tp, small), call.Add(call.Add(tp, fn), small))
    if curve == "ROC":
        x, y = call.Div(fp, call.Add(call.Add(fp, tn), small)), recall
    else:
        x, y = recall, call.Div(call.Add(tp, small), call.Add(call.Add(tp, fp), small))
    left, right = y[:-1], y[1:]
    if method == "minoring":
        height = call.Minimum(left, right)
    elif method == "majoring":
        height = call.Maximum(left, right)
    else:
        height = call.Div(call.Add(left, right), 2.0)
    return reduce_with("Sum", call.Mul(x[:-1] - x[1:], height), None, False, name)


def _interpolated_area(c: Counts) -> Tensor:
    """The area below precision over recall, interpolated as Davis and Goadrich (2006) say.

    Between two thresholds the true positives are a line of all positives, TP = a + b P, so that the
    area is the integral of (a + b P) / P over recall.
    """
    tp, p = call.Identity(c["tp"]), call.Add(c["tp"], c["fp"])
    actual = call.Add(c["tp"], c["fn"])
    step = tp[:-1] - tp[1:]
    slope = ratio(step, p[:-1] - p[1:], "prec_slope")
    intercept = tp[1:] - slope * p[1:]
    zero = call.ZerosLike(p[1:])
    some = call.LogicalAnd(call.Greater(p[:-1], zero), call.Greater(p[1:], zero))
    change = call.Select(some, ratio(p[:-1], p[1:], "recall_relative_ratio"), call.OnesLike(zero))
    parts = ratio(slope * (step + intercept * call.Log(change)), actual[1:], "pr_auc_increment")
    return reduce_with("Sum", parts, None, False, "interpolate_pr_auc")


@export("metrics.auc")
@documented
def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Sequence[float] | None = None,
) -> Metric:
    """The area under a curve, from counts at thresholds.

    Args:
        labels: True where they are not 0.
        predictions: numbers in [0, 1], of the same shape.
        num_thresholds: how many points the curve has.
        curve: ``ROC``: true positive rate over false positive rate; ``PR``: precision over recall.
        summation_method: ``trapezoidal``; ``careful_interpolation`` (for ``PR``); ``minoring`` and
            ``majoring``, the lower and the greater of two points.
        thresholds: the inner thresholds, in place of evenly spread ones.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: the curve or method is unknown; labels and predictions differ in shape.
        InvalidArgumentError: a prediction is not in [0, 1].
    """
    if curve not in ("ROC", "PR"):
        raise ValueError(f"tf.metrics.auc: curve must be 'ROC' or 'PR', not {curve!r}")
    methods = ("trapezoidal", "careful_interpolation", "minoring", "majoring")
    if summation_method not in methods:
        raise ValueError(
            f"tf.metrics.auc: summation_method must be one of {methods}, not {summation_method!r}"
        )
    if thresholds is None:
        limits = _spread_thresholds(num_thresholds)
    else:
        limits = [0.0 - _TINY, *sorted(thresholds), 1.0 + _TINY]
    with variable_scope(name, "auc", [v for v in (labels, predictions) if v is not None]):
        both = _counts("auc", labels, predictions, limits, weights, list(_KINDS))
        value, update = (
            _area(c, curve, summation_method, end)
            for c, end in zip(both, ("value", "update_op"), strict=True)
        )
        return collected(value, update, metrics_collections, updates_collections)


# ------------------------------------------------------------------------------ one rate at another


def _sensitivity_at(c: Counts, specificity: float, name: str) -> Tensor:
    tp, fn, tn, fp = (call.Identity(c[kind]) for kind in _KINDS)
    rates = call.Div(tn, call.Add(call.Add(tn, fp), _TINY))
    nearest = call.ArgMin(call.Abs(rates - specificity), 0, output_type=int32)
    hits = call.GatherV2(tp, nearest, 0)
    all_ = call.Add(call.Add(hits, call.GatherV2(fn, nearest, 0)), _TINY)
    return call.Div(hits, all_, name=name)


def _specificity_at(c: Counts, sensitivity: float, name: str) -> Tensor:
    tp, fn, tn, fp = (call.Identity(c[kind]) for kind in _KINDS)
    rates = call.Div(tp, call.Add(call.Add(tp, fn), _TINY))
    distances = call.Abs(rates - sensitivity)
    least = reduce_with("Min", distances, None, False, None)
    # The last of the nearest: the greatest threshold, so the greatest specificity.
    place = call.Cumsum(cast(call.Equal(distances, least), int32), 0)
    nearest = call.ArgMax(place, 0, output_type=int32)
    hits = call.GatherV2(tn, nearest, 0)
    all_ = call.Add(call.Add(hits, call.GatherV2(fp, nearest, 0)), _TINY)
    return call.Div(hits, all_, name=name)


def _rate_at_rate(name_: str, given: str, rate: Callable[[Counts, float, str], Tensor]) -> Any:
    def compute(
        wanted: float,
        labels: Any,
        predictions: Any,
        weights: Any,
        num_thresholds: int,
        metrics: Collections,
        updates: Collections,
        name: str | None,
    ) -> Metric:
        if not 0 <= wanted <= 1:
            raise ValueError(f"tf.metrics.{name_}: {given} must lie in [0, 1], it is {wanted}")
        with variable_scope(name, name_, [v for v in (predictions, labels) if v is not None]):
            limits = _spread_thresholds(num_thresholds)
            both = _counts(name_, labels, predictions, limits, weights, list(_KINDS))
            value, update = (
                rate(c, wanted, end) for c, end in zip(both, ("value", "update_op"), strict=True)
            )
            return collected(value, update, metrics, updates)

    return compute


_sensitivity = _rate_at_rate("sensitivity_at_specificity", "specificity", _sensitivity_at)
_specificity = _rate_at_rate("specificity_at_sensitivity", "sensitivity", _specificity_at)


@export("metrics.sensitivity_at_specificity")
@documented
def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """True positives / positives, at the threshold whose specificity is nearest to the given one.

    Args:
        labels: True where they are not 0.
        predictions: numbers in [0, 1], of the same shape.
        specificity: true negatives / negatives, in [0, 1].
        num_thresholds: how many thresholds are tried.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: the specificity is out of range; labels and predictions differ in shape.
        InvalidArgumentError: a prediction is not in [0, 1].
    """
    return _sensitivity(
        specificity, labels, predictions, weights, num_thresholds, metrics_collections,
        updates_collections, name,
    )  # fmt: skip


@export("metrics.specificity_at_sensitivity")
@documented
def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """True negatives / negatives, at the threshold whose sensitivity is nearest to the given one.

    Args:
        labels: True where they are not 0.
        predictions: numbers in [0, 1], of the same shape.
        sensitivity: true positives / positives, in [0, 1].
        num_thresholds: how many thresholds are tried.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: the sensitivity is out of range; labels and predictions differ in shape.
        InvalidArgumentError: a prediction is not in [0, 1].
    """
    return _specificity(
        sensitivity, labels, predictions, weights, num_thresholds, metrics_collections,
        updates_collections, name,
    )  # fmt: skip
