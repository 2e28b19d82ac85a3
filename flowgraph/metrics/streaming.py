"""What the metrics share: local variables, weights, the streaming mean; and the means built on it.

    value, update = tf.metrics.mean(x)     mean/total, mean/count: local variables
    update:  total += sum(x w), count += sum(w), gives total / count      value: total / count

A value that is run together with its update is the one from before.

Read next: counts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flowgraph.dtypes import DType, float32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.losses.weighted import fit_weights
from flowgraph.ops.arithmetic import div
from flowgraph.ops.casts import cast
from flowgraph.ops.confusion import squeeze_last
from flowgraph.ops.constants import zeros
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.rules import shape_of
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.ops.variables import Variable
from flowgraph.shapes import format_dims, is_compatible

#: Names of collections to join: one, several, or None.
Collections = str | Sequence[str] | None

Metric = tuple[Tensor, Tensor]

ARGS = """
        weights: None, a scalar, or a tensor of the rank of the values with each axis equal or 1; 0
            leaves an element out.
        metrics_collections: collections that the value joins.
        updates_collections: collections that the update joins.
        name: of the scope of operations and variables."""


def documented(function: Callable[..., Any]) -> Callable[..., Any]:
    """Put the arguments that all metrics have into a docstring."""
    assert function.__doc__ is not None
    function.__doc__ = function.__doc__.replace("\n        {common}", ARGS)
    return function


def metric_variable(
    shape: Sequence[int | None], dtype: DType = float32, name: str | None = None
) -> Variable:
    """A local variable that begins with zeros.

    Raises:
        RuntimeError: in eager mode, where there is nothing to run twice.
    """
    if get_default_graph().executes:
        raise RuntimeError(
            "tf.metrics needs a graph: it gives an update to run; in eager mode compute the "
            "measure from sums of your own"
        )
    return Variable(
        partial(zeros, shape, dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        name=name,
        dtype=dtype,
    )


def collected(value: Tensor, update: Tensor, metrics: Collections, updates: Collections) -> Metric:
    """Both, as members of the collections that were asked for."""
    graph = get_default_graph()
    for names, tensor in ((metrics, value), (updates, update)):
        for name in [names] if isinstance(names, str) else names or ():
            graph.add_to_collection(name, tensor)
    return value, update


def fitted(
    function: str, predictions: Any, labels: Any, weights: Any
) -> tuple[Tensor, Tensor, Tensor | None]:
    """All three as tensors, without a last axis of size 1 that only some of them have.

    Raises:
        ValueError: predictions and labels differ in shape.
    """
    predictions, labels = convert_to_tensor(predictions), convert_to_tensor(labels)
    labels, predictions = squeeze_last(labels, predictions)
    if not is_compatible(predictions.dims, labels.dims):
        raise ValueError(
            f"tf.metrics.{function}: predictions {format_dims(predictions.dims)} and labels "
            f"{format_dims(labels.dims)} must have one shape"
        )
    return predictions, labels, aligned(weights, predictions)


def aligned(weights: Any, values: Tensor) -> Tensor | None:
    """``weights`` as a tensor of the rank of ``values``, where a last axis of size 1 makes that."""
    if weights is None:
        return None
    weights = convert_to_tensor(weights, name="weights")
    if weights.dims and values.dims is not None:
        if len(weights.dims) == len(values.dims) + 1:
            return call.Squeeze(weights, squeeze_dims=[-1])
        if len(weights.dims) == len(values.dims) - 1:
            return call.ExpandDims(weights, -1)
    return weights


def broadcast(function: str, weights: Any, values: Tensor, dtype: DType = float32) -> Tensor:
    """``weights`` as ``dtype``, repeated as the shape of ``values`` needs it.

    Raises:
        ValueError: the static shapes do not fit.   InvalidArgumentError: those of a run do not.
    """
    weights = fit_weights(cast(convert_to_tensor(weights), dtype), values, f"tf.metrics.{function}")
    return call.BroadcastTo(weights, shape_of(values))


def total_of(x: Tensor) -> Tensor:
    """The sum of all elements."""
    return reduce_with("Sum", x, None, False, None)


def ratio(numerator: Any, denominator: Any, name: str | None) -> Tensor:
    """Numerator / denominator; 0 where the denominator is 0 (or less)."""
    return call.DivNoNan(
        numerator, call.Maximum(denominator, call.ZerosLike(denominator)), name=name
    )


# --------------------------------------------------------------------------------------------- mean


@export("metrics.mean")
@documented
def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean of all values: sum(v w) / sum(w).

    Args:
        values: a tensor of numbers.
        {common}

    Returns:
        (value, update): float32 scalars; 0 before the first update.

    >>> value, update = tf.metrics.mean([1.0, 2.0, 6.0])
    >>> with tf.Session() as session:
    ...     session.run(tf.local_variables_initializer())
    ...     print(session.run(update), session.run(value))
    3.0 3.0
    """
    return _mean(values, weights, metrics_collections, updates_collections, name, "mean")


def _mean(
    values: Any,
    weights: Any,
    metrics: Collections,
    updates: Collections,
    name: str | None,
    function: str,
) -> Metric:
    given = [values] if weights is None else [values, weights]
    with variable_scope(name, function, given):
        values = cast(convert_to_tensor(values), float32)
        total, count = metric_variable([], name="total"), metric_variable([], name="count")
        value = ratio(total.value(), count.value(), "value")
        if weights is None:
            number = call.Cast(call.Size(values), DstT=float32)
        else:
            whole = broadcast(function, aligned(weights, values), values)
            values, number = call.Mul(values, whole), total_of(whole)
        more = call.AssignAdd(total, total_of(values))
        update = ratio(more, call.AssignAdd(count, number), "update_op")
        return collected(value, update, metrics, updates)


@export("metrics.accuracy")
@documented
def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """How many predictions are equal to their labels: the mean of 1 or 0.

    Args:
        labels, predictions: tensors of one shape.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: labels and predictions differ in shape.

    >>> value, update = tf.metrics.accuracy([1, 2, 3, 4], [1, 2, 3, 0])
    >>> with tf.Session() as session:
    ...     session.run(tf.local_variables_initializer())
    ...     print(session.run(update))
    0.75
    """
    predictions, labels, weights = fitted("accuracy", predictions, labels, weights)
    predictions = cast(predictions, labels.dtype.base_dtype)
    hits = cast(call.Equal(predictions, labels), float32)
    return _mean(hits, weights, metrics_collections, updates_collections, name, "accuracy")


@export("metrics.mean_absolute_error")
@documented
def mean_absolute_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean of |predictions - labels|.

    Args:
        labels, predictions: tensors of one shape.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: labels and predictions differ in shape.
    """
    function = "mean_absolute_error"
    predictions, labels, weights = fitted(function, predictions, labels, weights)
    errors = call.Abs(predictions - labels)
    return _mean(errors, weights, metrics_collections, updates_collections, name, function)


@export("metrics.mean_squared_error")
@documented
def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean of (predictions - labels)^2.

    Args:
        labels, predictions: tensors of one shape.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: labels and predictions differ in shape.
    """
    function = "mean_squared_error"
    predictions, labels, weights = fitted(function, predictions, labels, weights)
    errors = call.SquaredDifference(labels, predictions)
    return _mean(errors, weights, metrics_collections, updates_collections, name, function)


@export("metrics.root_mean_squared_error")
@documented
def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The square root of the mean of (predictions - labels)^2.

    Args:
        labels, predictions: tensors of one shape.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: labels and predictions differ in shape.
    """
    function = "root_mean_squared_error"
    value, update = mean_squared_error(labels, predictions, weights, name=name or function)
    root, update_root = call.Sqrt(value), call.Sqrt(update)
    return collected(root, update_root, metrics_collections, updates_collections)


@export("metrics.mean_relative_error")
@documented
def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean of |labels - predictions| / normalizer; 0 where the normalizer is 0.

    Args:
        labels, predictions: tensors of one shape.
        normalizer: what errors are compared with, of the same shape.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: labels, predictions and normalizer differ in shape.
    """
    function = "mean_relative_error"
    predictions, labels, weights = fitted(function, predictions, labels, weights)
    predictions, normalizer, _ = fitted(function, predictions, normalizer, None)
    none = call.Equal(normalizer, call.ZerosLike(normalizer))
    errors = call.Select(
        none, call.ZerosLike(labels), div(call.Abs(labels - predictions), normalizer)
    )
    return _mean(errors, weights, metrics_collections, updates_collections, name, function)


@export("metrics.mean_cosine_distance")
@documented
def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """1 - the mean of sum(predictions * labels), for vectors that have length 1 already.

    Args:
        labels, predictions: tensors of one shape.
        dim: the axis along which the vectors lie; weights have size 1 there.
        {common}

    Returns:
        (value, update): float32 scalars.

    Raises:
        ValueError: labels and predictions differ in shape.
    """
    function = "mean_cosine_distance"
    predictions, labels, weights = fitted(function, predictions, labels, weights)
    cosines = reduce_with("Sum", call.Mul(predictions, labels), [dim], True, None)
    value, update = _mean(cosines, weights, None, None, name, function)
    value, update = call.Sub(1.0, value), call.Sub(1.0, update)
    return collected(value, update, metrics_collections, updates_collections)


@export("metrics.percentage_below")
@documented
def percentage_below(
    values: Any,
    threshold: float,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """How many values are less than ``threshold``: the mean of 1 or 0.

    Args:
        values: a tensor of numbers.
        threshold: a number, or a tensor that broadcasts.
        {common}

    Returns:
        (value, update): float32 scalars.
    """
    below = cast(call.Less(values, threshold), float32)
    function = "percentage_below_threshold"
    return _mean(below, weights, metrics_collections, updates_collections, name, function)


@export("metrics.mean_tensor")
@documented
def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean of tensors, element by element.

    Args:
        values: a tensor of numbers, of known shape.
        {common}

    Returns:
        (value, update): float32 tensors of the shape of ``values``.
    """
    given = [values] if weights is None else [values, weights]
    with variable_scope(name, "mean", given):
        values = cast(convert_to_tensor(values), float32)
        if values.dims is None or None in values.dims:
            raise ValueError(
                f"tf.metrics.mean_tensor: the shape {format_dims(values.dims)} of the values must "
                "be known"
            )
        total = metric_variable(values.dims, name="total_tensor")
        count = metric_variable(values.dims, name="count_tensor")
        value = ratio(total.value(), count.value(), "value")
        number = call.OnesLike(values)
        if weights is not None:
            whole = broadcast("mean_tensor", aligned(weights, values), values)
            values, number = call.Mul(values, whole), whole
        more = call.AssignAdd(total, values)
        update = ratio(more, call.AssignAdd(count, number), "update_op")
        return collected(value, update, metrics_collections, updates_collections)
