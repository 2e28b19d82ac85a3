"""Elementwise losses from logits, l2_loss, and averages of losses.

Read next: softmax.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, float32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Loops, define, dtypes_of, sample
from flowgraph.graph.report import call_message
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import f32, number, one_name, scalar_shape, shape_of
from flowgraph.ops.softmax import only_by_name
from flowgraph.shapes import format_dims, is_compatible

define(
    "L2Loss",
    "t: T -> output: T",
    T=dtypes_of(FLOAT),
    infer=scalar_shape,
    kernel=Loops(
        lambda s, call_, t: s.reduce_sum(t * t) * 0.5,
        reduced=lambda call_: tuple(range(len(call_.shapes[0] or ()))),
    ),
    grad=lambda op, dy: (op.t * dy,),
    reference=lambda call_, t: np.sum(t * t, dtype=t.dtype) * t.dtype.type(0.5),
    samples=(sample(f32(3, 5)), sample(f32()), sample(f32(0, 2))),
    doc="sum(t**2) / 2.",
)


@export("nn.l2_loss")
def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """Half the sum of squares: sum(t**2) / 2.

    Args:
        t: a float tensor.
        name: of the operation; ``L2Loss`` by default.

    Returns:
        A scalar.

    Gradient: dy * t.

    >>> tf.Session().run(tf.nn.l2_loss([3.0, 4.0]))
    12.5
    """
    return apply_op("L2Loss", t, name=name)


def _pair(
    function: str, labels: Any, logits: Any, names: tuple[str, str] = ("labels", "logits")
) -> tuple[Tensor, Tensor]:
    """Both as tensors of one dtype; ValueError when a shape differs or one is missing."""
    if labels is None or logits is None:
        raise ValueError(f"{function}: {names[0]} and {names[1]} must both be given")
    logits = convert_to_tensor(logits, name=names[1])
    labels = convert_to_tensor(labels, dtype=logits.dtype.base_dtype, name=names[0])
    if not is_compatible(labels.dims, logits.dims):
        raise ValueError(
            call_message(
                f"{function}: {names[1]} {format_dims(logits.dims)} and {names[0]} "
                f"{format_dims(labels.dims)} must have one shape",
                [(names[1], logits), (names[0], labels)],
            )
        )
    return labels, logits


@export("nn.sigmoid_cross_entropy_with_logits")
def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross-entropy of a sigmoid, element by element.

    -z log(s) - (1 - z) log(1 - s)  with  s = sigmoid(x)
        = max(x, 0) - x z + log(1 + exp(-|x|))

    Args:
        labels: z, of the shape and dtype of ``logits``, between 0 and 1.
        logits: x, a float tensor.
        name: of the operations; ``logistic_loss`` by default.

    Returns:
        A tensor of the shape of ``logits``.

    Raises:
        ValueError: the shapes differ; an argument is missing or given by position.

    Gradient: dy * (sigmoid(x) - z) to the logits, -dy * x to the labels.

    >>> tf.Session().run(tf.nn.sigmoid_cross_entropy_with_logits(labels=[1.0], logits=[0.0]))
    array([0.6931472], dtype=float32)
    """
    only_by_name("sigmoid_cross_entropy_with_logits", _sentinel)
    with name_scope(name, "logistic_loss", [logits, labels]) as scope:
        z, x = _pair("sigmoid_cross_entropy_with_logits", labels, logits)
        zeros = call.ZerosLike(x)
        is_positive = call.GreaterEqual(x, zeros)
        upper = call.Select(is_positive, x, zeros)
        minus_size = call.Select(is_positive, call.Neg(x), x)
        tail = call.Log1p(call.Exp(minus_size))
        return apply_op("AddV2", upper - x * z, tail, name=scope)


@export("nn.weighted_cross_entropy_with_logits")
def weighted_cross_entropy_with_logits(
    labels: Any = None,
    logits: Any = None,
    pos_weight: Any = None,
    name: str | None = None,
    targets: Any = None,
) -> Tensor:
    """The cross-entropy of a sigmoid with the positive term weighted, element by element.

    -q z log(s) - (1 - z) log(1 - s)  with  s = sigmoid(x)
        = (1 - z) x + (1 + (q - 1) z) (log(1 + exp(-|x|)) + max(-x, 0))

    Args:
        labels: z, of the shape and dtype of ``logits``.
        logits: x, a float tensor.
        pos_weight: q, a number or a tensor that broadcasts.
        name: of the operations; ``logistic_loss`` by default.
        targets: the old name of ``labels``.

    Returns:
        A tensor of the shape of ``logits``.

    Raises:
        ValueError: the shapes differ.

    Gradient: as of its parts.
    """
    labels = one_name("weighted_cross_entropy_with_logits", labels=labels, targets=targets)
    with name_scope(name, "logistic_loss", [logits, labels]) as scope:
        z, x = _pair("weighted_cross_entropy_with_logits", labels, logits)
        q = convert_to_tensor(pos_weight, dtype=x.dtype.base_dtype, name="pos_weight")
        weight = 1 + (q - 1) * z
        tail = call.Log1p(call.Exp(call.Neg(call.Abs(x)))) + call.Relu(call.Neg(x))
        return apply_op("AddV2", (1 - z) * x, weight * tail, name=scope)


@export("nn.log_poisson_loss")
def log_poisson_loss(
    targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None
) -> Tensor:
    """The loss of a Poisson distribution with rate exp(c), element by element.

    exp(c) - z c,  with ``compute_full_loss`` and z > 1 also  + z log z - z + log(2 pi z) / 2

    Args:
        targets: z, of the shape and dtype of ``log_input``.
        log_input: c, a float tensor.
        compute_full_loss: whether to add Stirling's approximation of log(z!), which does not depend
            on c.
        name: of the operations; ``log_poisson_loss`` by default.

    Returns:
        A tensor of the shape of ``log_input``.

    Raises:
        ValueError: the shapes differ.

    Gradient: dy * (exp(c) - z) to c; as of the formula to z.

    >>> tf.Session().run(tf.nn.log_poisson_loss(targets=[2.0], log_input=[0.0]))
    array([1.], dtype=float32)
    """
    with name_scope(name, "log_poisson_loss", [log_input, targets]):
        z, c = _pair("log_poisson_loss", targets, log_input, ("targets", "log_input"))
        result = call.Exp(c) - c * z
        if not compute_full_loss:
            return result
        ones = call.OnesLike(z)
        zeros = call.ZerosLike(z)
        is_small = call.LogicalAnd(call.GreaterEqual(z, zeros), call.LessEqual(z, ones))
        larger = call.Select(is_small, ones, z)  # neither log nor its slope is NaN at 0
        stirling = larger * call.Log(larger) - larger + 0.5 * call.Log(2 * np.pi * larger)
        return result + call.Select(is_small, zeros, stirling)


@export("nn.compute_average_loss")
def compute_average_loss(
    per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None
) -> Tensor:
    """The sum of losses over the size of the batch: sum(w l) / n.

    Args:
        per_example_loss: l, the losses; one for each example, or several (further axes).
        sample_weight: w, numbers that broadcast, or one for each example; 1 by default.
        global_batch_size: n, an integer; the size of axis 0 by default.

    Returns:
        A scalar; 0 when n is 0.

    Raises:
        ValueError: ``per_example_loss`` is a scalar; n is negative or not one number.
        TypeError: n is no integer.

    Gradient: w dy / n.

    >>> tf.Session().run(tf.nn.compute_average_loss([1.0, 2.0], global_batch_size=4))
    0.75
    """
    losses = convert_to_tensor(per_example_loss, name="per_example_loss")
    if losses.dims == ():
        raise ValueError("compute_average_loss: per_example_loss must have an axis of examples")
    dtype = losses.dtype.base_dtype
    if sample_weight is not None:
        weights = convert_to_tensor(sample_weight, name="sample_weight")
        if not dtype.is_floating:
            losses = call.Cast(losses, DstT=float32)
        if weights.dtype.base_dtype is not losses.dtype.base_dtype:
            weights = call.Cast(weights, DstT=losses.dtype.base_dtype)
        if weights.dims is not None and losses.dims is not None and weights.dims != ():
            for _ in range(len(losses.dims) - len(weights.dims)):
                weights = call.ExpandDims(weights, -1)
        losses = losses * weights
    if global_batch_size is None:
        count = call.GatherV2(shape_of(losses), 0, 0)
    else:
        count = convert_to_tensor(global_batch_size, name="global_batch_size")
        if not count.dtype.is_integer:
            raise TypeError(
                "compute_average_loss: global_batch_size must be an integer, not "
                f"{count.dtype.base_dtype.name}"
            )
        if count.dims not in ((), None):
            raise ValueError("compute_average_loss: global_batch_size must be one number")
        known = constant_value(count)
        if known is not None and known < 0:
            raise ValueError(f"compute_average_loss: global_batch_size {known} is negative")
    axes = None if losses.dims is None else range(len(losses.dims))
    total = EXPORTS["reduce_sum"](losses, axes if axes is None else list(axes))
    if not total.dtype.is_floating:
        total = call.Cast(total, DstT=float32)
    result = call.DivNoNan(total, call.Cast(count, DstT=total.dtype.base_dtype))
    wanted = dtype if dtype.is_floating else result.dtype.base_dtype
    return result if wanted is result.dtype.base_dtype else call.Cast(result, DstT=wanted)


@export("nn.scale_regularization_loss")
def scale_regularization_loss(regularization_loss: Any) -> Tensor:
    """The sum of regularization losses, divided by the number of replicas (here 1).

    Args:
        regularization_loss: a tensor of losses.

    Returns:
        A scalar.

    Gradient: dy to every loss.

    >>> tf.Session().run(tf.nn.scale_regularization_loss([1.0, 2.0]))
    3.0
    """
    losses = convert_to_tensor(regularization_loss, name="regularization_loss")
    total = EXPORTS["reduce_sum"](losses)
    return total / number(1, total) if total.dtype.is_floating else total
