"""Elementwise losses from logits, and l2_loss.

Read next: softmax.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Loops, define, dtypes_of, sample
from flowgraph.ops.rules import f32, one_name, scalar_shape
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


def _pair(function: str, labels: Any, logits: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors of one dtype; ValueError when a shape differs or one is missing."""
    if labels is None or logits is None:
        raise ValueError(f"{function}: labels and logits must both be given")
    logits = convert_to_tensor(logits, name="logits")
    labels = convert_to_tensor(labels, dtype=logits.dtype.base_dtype, name="labels")
    if not is_compatible(labels.dims, logits.dims):
        raise ValueError(
            f"{function}: logits {format_dims(logits.dims)} and labels "
            f"{format_dims(labels.dims)} must have one shape"
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
