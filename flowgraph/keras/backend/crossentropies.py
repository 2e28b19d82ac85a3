"""Cross-entropies between targets and predicted probabilities, or logits."""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras.backend.settings import epsilon

__all__ = ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]


def _pair(target: Any, output: Any) -> tuple[Any, Any]:
    output = tf.convert_to_tensor(output)
    return tf.cast(target, output.dtype), output


def _inner(output: Any) -> Any:
    """Probabilities away from 0 and 1, so that logarithms are finite."""
    return tf.clip_by_value(output, epsilon(), 1.0 - epsilon())


def _last(axis: int, output: Any) -> int:
    """``axis`` from the front.

    Raises:
        ValueError: there is no such axis.
    """
    rank = output.shape.ndims
    if rank is None:
        if axis != -1:
            raise ValueError(f"axis={axis} needs an output whose number of axes is known")
        return -1
    if not -rank <= axis < rank:
        raise ValueError(f"axis={axis} does not exist in an output of shape {output.shape}")
    return axis % rank


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """``-sum(target * log(p))`` along ``axis``.

    Args:
        target: probabilities of the classes, of the shape of ``output``.
        output: predictions, which are divided by their sum along ``axis``; or logits.
        from_logits: whether ``output`` is logits: p is then their softmax.
        axis: of the classes.
    """
    target, output = _pair(target, output)
    axis = _last(axis, output)
    if from_logits:
        return tf.nn.softmax_cross_entropy_with_logits_v2(target, output, axis=axis)
    p = _inner(output / tf.reduce_sum(output, axis, keepdims=True))
    return -tf.reduce_sum(target * tf.log(p), axis)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """``-log(p[target])`` along ``axis``.

    Args:
        target: classes as numbers, of the shape of ``output`` without ``axis``; that axis may
            also be there, of size 1.
        output: probabilities; or logits.
        from_logits: whether ``output`` is logits: p is then their softmax.
        axis: of the classes.

    Returns:
        For an ``output`` of two axes a vector; else a tensor of its shape without ``axis``.
    """
    output = tf.convert_to_tensor(output)
    rank = output.shape.ndims
    axis = _last(axis, output)
    if rank is not None and axis != rank - 1:
        order = [*(i for i in range(rank) if i != axis), axis]
        output = tf.transpose(output, order)
    logits = output if from_logits else tf.log(_inner(output))
    classes = tf.reshape(tf.cast(target, tf.int64), [-1])
    shape = tf.shape(logits)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=classes, logits=tf.reshape(logits, tf.stack([-1, shape[-1]]))
    )
    if rank is None or rank < 3:
        return losses
    losses = tf.reshape(losses, shape[:-1])
    losses.set_shape(logits.shape[:-1])
    return losses


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """``-target * log(p) - (1 - target) * log(1 - p)`` of every element.

    Args:
        target: between 0 and 1.
        output: probabilities; or logits.
        from_logits: whether ``output`` is logits: p is then their sigmoid.
    """
    target, output = _pair(target, output)
    if not from_logits:
        p = _inner(output)
        output = tf.log(p / (1.0 - p))
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=output)
