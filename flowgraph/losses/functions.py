"""The losses of tf.losses: elements from predictions and labels, reduced by weighted.py."""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import float32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.losses.weighted import Reduction, add_loss, compute_weighted_loss, fit_weights
from flowgraph.ops.casts import cast
from flowgraph.ops.confusion import squeeze_last
from flowgraph.ops.losses import sigmoid_cross_entropy_with_logits
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.rules import one_name, shape_of
from flowgraph.ops.softmax import (
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from flowgraph.shapes import format_dims, is_compatible

_BY_PRESENT = Reduction.SUM_BY_NONZERO_WEIGHTS

_COMMON_ARGS = """
        weights: a scalar, or a tensor of the rank of the losses with each axis equal or 1; 0 leaves
            an element out.
        scope: the name scope of the operations.
        loss_collection: the collection the loss joins; None for none.
        reduction: one of ``tf.losses.Reduction``."""


def _required(function: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is None:
            raise ValueError(f"{function}: {name} must be given, it is None")


def _pair(function: str, first: tuple[str, Any], second: tuple[str, Any]) -> tuple[Tensor, Tensor]:
    """Both as float32 tensors; ValueError when their shapes differ."""
    a, b = (cast(convert_to_tensor(value, name=name), float32) for name, value in (first, second))
    if not is_compatible(a.dims, b.dims):
        raise ValueError(
            call_message(
                f"{function}: {first[0]} {format_dims(a.dims)} and {second[0]} "
                f"{format_dims(b.dims)} must have one shape",
                [(first[0], a), (second[0], b)],
            )
        )
    return a, b


@export("losses.absolute_difference")
def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
) -> Tensor:
    """The mean of |predictions - labels|.

    Args:
        labels, predictions: tensors of one shape.
        {common}

    Returns:
        A float32 scalar, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: labels and predictions differ in shape, or the weights do not fit.

    >>> tf.Session().run(tf.losses.absolute_difference([1.0, 2.0], [2.0, 5.0]))
    2.0
    """
    _required("absolute_difference", labels=labels, predictions=predictions)
    with name_scope(scope, "absolute_difference", [predictions, labels, weights]) as inner:
        predictions, labels = _pair(
            "absolute_difference", ("predictions", predictions), ("labels", labels)
        )
        losses = call.Abs(call.Sub(predictions, labels))
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@export("losses.cosine_distance")
def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
    dim: int | None = None,
) -> Tensor:
    """The mean of 1 - sum(predictions * labels), for vectors that have length 1 already.

    Args:
        labels, predictions: tensors of one shape.
        axis: along which the vectors lie; it stays, with size 1.
        dim: the old name of ``axis``.
        {common}

    Returns:
        A float32 scalar, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: no axis; labels and predictions differ in shape; the weights do not fit.

    >>> tf.Session().run(tf.losses.cosine_distance([[1.0, 0.0]], [[0.0, 1.0]], axis=1))
    1.0
    """
    axis = one_name("cosine_distance", axis=axis, dim=dim)
    if axis is None:
        raise ValueError("cosine_distance: axis must be given")
    _required("cosine_distance", labels=labels, predictions=predictions)
    with name_scope(scope, "cosine_distance_loss", [predictions, labels, weights]) as inner:
        predictions, labels = _pair(
            "cosine_distance", ("predictions", predictions), ("labels", labels)
        )
        losses = 1 - reduce_with("Sum", call.Mul(predictions, labels), [axis], True, None)
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@export("losses.hinge_loss")
def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
) -> Tensor:
    """The mean of max(0, 1 - y x), with y = 2 labels - 1: -1 or 1.

    Args:
        labels: a tensor of zeros and ones.
        logits: x, of the same shape.
        {common}

    Returns:
        A float32 scalar, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: labels and logits differ in shape, or the weights do not fit.

    >>> tf.Session().run(tf.losses.hinge_loss([1.0, 0.0], [3.0, 1.0]))
    1.0
    """
    _required("hinge_loss", labels=labels, logits=logits)
    with name_scope(scope, "hinge_loss", [logits, labels, weights]) as inner:
        logits, labels = _pair("hinge_loss", ("logits", logits), ("labels", labels))
        sides = 2 * labels - 1
        losses = call.Relu(1 - call.Mul(sides, logits))
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@export("losses.huber_loss")
def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
) -> Tensor:
    """The mean of e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2; e is the error.

    Args:
        labels, predictions: tensors of one shape.
        delta: where the loss turns from quadratic to linear.
        {common}

    Returns:
        A float32 scalar, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: labels and predictions differ in shape, or the weights do not fit.

    >>> tf.Session().run(tf.losses.huber_loss([0.0, 0.0], [1.0, 3.0]))
    1.5
    """
    _required("huber_loss", labels=labels, predictions=predictions)
    with name_scope(scope, "huber_loss", [predictions, labels, weights]) as inner:
        predictions, labels = _pair("huber_loss", ("predictions", predictions), ("labels", labels))
        size = call.Abs(call.Sub(predictions, labels))
        # With q = min(|e|, delta): q^2 / 2 + delta (|e| - q) is both cases.
        quadratic = call.Minimum(size, delta)
        linear = call.Sub(size, quadratic)
        losses = 0.5 * (quadratic * quadratic) + delta * linear
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@export("losses.log_loss")
def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
) -> Tensor:
    """The mean of -z log(p + epsilon) - (1 - z) log(1 - p + epsilon).

    Args:
        labels: z, between 0 and 1.
        predictions: p, probabilities, of the same shape.
        epsilon: keeps the logarithms finite.
        {common}

    Returns:
        A float32 scalar, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: labels and predictions differ in shape, or the weights do not fit.

    >>> tf.Session().run(tf.losses.log_loss([1.0], [0.5]))
    0.69314694
    """
    _required("log_loss", labels=labels, predictions=predictions)
    with name_scope(scope, "log_loss", [predictions, labels, weights]) as inner:
        p, z = _pair("log_loss", ("predictions", predictions), ("labels", labels))
        losses = -(z * call.Log(p + epsilon)) - (1 - z) * call.Log(1 - p + epsilon)
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@export("losses.mean_pairwise_squared_error")
def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
) -> Tensor:
    """How far differences of predictions are from differences of labels, within each example.

    The mean over all ordered pairs (i, j), i != j, of elements of one example of
    (d_i - d_j)^2 with d = predictions - labels; for n elements that is

        2 / (n - 1) * (sum(d^2) - sum(d)^2 / n)

    The losses of the examples are added up.

    Args:
        labels, predictions: tensors of one shape, an example for each index of axis 0.
        weights: a scalar, or a tensor of shape (batch, 1, ...) or that of the labels; an element
            of weight 0 does not count in n.
        scope: the name scope; ``mean_pairwise_squared_error`` by default.
        loss_collection: the collection the loss joins; None for none.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: labels and predictions differ in shape, or the weights do not fit.

    >>> tf.Session().run(tf.losses.mean_pairwise_squared_error([[0.0, 0.0]], [[1.0, 3.0]]))
    4.0
    """
    function = "mean_pairwise_squared_error"
    _required(function, labels=labels, predictions=predictions)
    with name_scope(scope, function, [predictions, labels, weights]):
        predictions, labels = _pair(function, ("predictions", predictions), ("labels", labels))
        weights = cast(convert_to_tensor(weights, name="weights"), float32)
        d = call.Sub(predictions, labels)
        weights = fit_weights(weights, d, function)
        present = call.Cast(call.NotEqual(weights, call.ZerosLike(weights)), DstT=float32)
        n = _by_example(call.BroadcastTo(present, shape_of(d)))
        # NB: as in TensorFlow, elements of weight 0 do not count in n but do in the sums.
        square_sum, total = _by_example(call.Square(d)), _by_example(d)
        others = call.Maximum(n - 1, 0.0)
        first = 2.0 * call.DivNoNan(square_sum, others, name="value")
        pairs = call.Maximum(call.Mul(n, n - 1), 0.0)
        second = 2.0 * call.DivNoNan(call.Square(total), pairs, name="value")
        weighted = call.Mul(first - second, weights)
        by_sum = reduce_with("Sum", weighted, None, False, None)
        some = call.Greater(reduce_with("Sum", n, None, False, None), 0.0)
        loss = call.Select(some, by_sum, call.ZerosLike(by_sum), name="value")
    add_loss(loss, loss_collection)
    return loss


def _by_example(x: Tensor) -> Tensor:
    """The sum of each example, with all axes kept."""
    if x.dims is None:
        axes: Any = call.Range(1, call.Rank(x), 1)
    else:
        axes = list(range(1, len(x.dims)))
    return reduce_with("Sum", x, axes, True, None)


@export("losses.mean_squared_error")
def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
) -> Tensor:
    """The mean of (predictions - labels)^2.

    Args:
        labels, predictions: tensors of one shape.
        {common}

    Returns:
        A float32 scalar, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: labels and predictions differ in shape, or the weights do not fit.

    >>> tf.Session().run(tf.losses.mean_squared_error([1.0, 2.0], [2.0, 5.0]))
    5.0
    """
    _required("mean_squared_error", labels=labels, predictions=predictions)
    with name_scope(scope, "mean_squared_error", [predictions, labels, weights]) as inner:
        predictions, labels = _pair(
            "mean_squared_error", ("predictions", predictions), ("labels", labels)
        )
        losses = call.SquaredDifference(predictions, labels)
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@export("losses.sigmoid_cross_entropy")
def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
) -> Tensor:
    """The mean of tf.nn.sigmoid_cross_entropy_with_logits.

    Args:
        multi_class_labels: zeros and ones (or between), of the shape of ``logits``.
        logits: a float tensor.
        label_smoothing: s > 0 moves the labels to z (1 - s) + s / 2.
        {common}

    Returns:
        A scalar of the dtype of ``logits``, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: labels and logits differ in shape, or the weights do not fit.

    >>> tf.Session().run(tf.losses.sigmoid_cross_entropy([[1.0]], [[0.0]]))
    0.6931472
    """
    _required("sigmoid_cross_entropy", multi_class_labels=multi_class_labels, logits=logits)
    values = [logits, multi_class_labels, weights]
    with name_scope(scope, "sigmoid_cross_entropy_loss", values) as inner:
        logits = convert_to_tensor(logits, name="logits")
        labels = cast(convert_to_tensor(multi_class_labels), logits.dtype.base_dtype)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@export("losses.softmax_cross_entropy")
def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
) -> Tensor:
    """The mean of tf.nn.softmax_cross_entropy_with_logits_v2.

    No gradient flows to the labels.

    Args:
        onehot_labels: a distribution along the last axis, of the shape of ``logits``.
        logits: a float tensor.
        label_smoothing: s > 0 moves the labels to z (1 - s) + s / (number of classes).
        {common}

    Returns:
        A scalar of the dtype of ``logits``, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: labels and logits differ in shape, or the weights do not fit.

    >>> tf.Session().run(tf.losses.softmax_cross_entropy([[1.0, 0.0]], [[0.0, 0.0]]))
    0.6931472
    """
    _required("softmax_cross_entropy", onehot_labels=onehot_labels, logits=logits)
    with name_scope(scope, "softmax_cross_entropy_loss", [logits, onehot_labels, weights]) as inner:
        logits = convert_to_tensor(logits, name="logits")
        labels = cast(convert_to_tensor(onehot_labels), logits.dtype.base_dtype)
        if not is_compatible(labels.dims, logits.dims):
            raise ValueError(
                f"softmax_cross_entropy: labels {format_dims(labels.dims)} and logits "
                f"{format_dims(logits.dims)} must have one shape"
            )
        if label_smoothing > 0:
            classes = call.Cast(call.Shape(labels)[-1], DstT=logits.dtype.base_dtype)
            labels = labels * (1 - label_smoothing) + label_smoothing / classes
        labels = call.StopGradient(labels, name="labels_stop_gradient")
        losses = softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@export("losses.sparse_softmax_cross_entropy")
def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_PRESENT,
) -> Tensor:
    """The mean of tf.nn.sparse_softmax_cross_entropy_with_logits.

    Args:
        labels: the class of each example: integers, of the shape of ``logits`` without its last
            axis; a last axis of size 1 more is dropped, from the weights too.
        logits: a float tensor.
        {common}

    Returns:
        A scalar of the dtype of ``logits``, or the losses themselves for ``Reduction.NONE``.

    Raises:
        ValueError: the shapes do not fit.

    >>> tf.Session().run(tf.losses.sparse_softmax_cross_entropy([0], [[0.0, 0.0]]))
    0.6931472
    """
    _required("sparse_softmax_cross_entropy", labels=labels, logits=logits)
    values = [logits, labels, weights]
    with name_scope(scope, "sparse_softmax_cross_entropy_loss", values) as inner:
        logits = convert_to_tensor(logits, name="logits")
        labels, logits = squeeze_last(convert_to_tensor(labels, name="labels"), logits, 1)
        weights = convert_to_tensor(weights, name="weights")
        if labels.dims is not None and weights.dims and len(weights.dims) == len(labels.dims) + 1:
            weights = call.Squeeze(weights, squeeze_dims=[-1])
        losses = sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits, name="xentropy"
        )
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


for _function in list(vars().values()):
    if getattr(_function, "__module__", None) == __name__ and _function.__doc__:
        _function.__doc__ = _function.__doc__.replace("\n        {common}", _COMMON_ARGS)
