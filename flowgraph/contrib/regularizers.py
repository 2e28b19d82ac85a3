"""Regularizers: functions of a variable that give a scalar to add to the loss.

``tf.get_variable(..., regularizer=l2_regularizer(1e-4))`` puts the scalar into
``GraphKeys.REGULARIZATION_LOSSES``.

Read next: flowgraph/losses/weighted.py (get_regularization_loss).
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from typing import Any

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.arithmetic import add_n
from flowgraph.ops.reductions import reduce_with

Regularizer = Callable[[Any], Tensor | None]


def _checked(function: str, scale: Any, name: str = "scale") -> Any:
    """``scale``, a float that is not negative (or a tensor)."""
    if isinstance(scale, numbers.Integral):
        raise ValueError(f"{function}: {name} must be a float, not the integer {scale}")
    if isinstance(scale, numbers.Real) and not float(scale) >= 0:
        raise ValueError(f"{function}: {name} must not be negative, it is {scale}")
    return scale


def _scaled(
    function: str, scale: Any, scope: str | None, penalty: Callable[[Tensor], Tensor]
) -> Regularizer:
    if isinstance(scale, numbers.Real) and float(_checked(function, scale)) == 0.0:
        return lambda _: None

    def regularizer(weights: Any, name: str | None = None) -> Tensor:
        with name_scope(scope, function, [weights]) as inner:
            weights = convert_to_tensor(weights, name="weights")
            factor = convert_to_tensor(scale, dtype=weights.dtype.base_dtype, name="scale")
            return apply_op("Mul", factor, penalty(weights), name=name or inner)

    regularizer.__name__ = function
    return regularizer


@export("contrib.layers.l1_regularizer", "contrib.slim.l1_regularizer")
def l1_regularizer(scale: float, scope: str | None = None) -> Regularizer:
    """``scale * sum(|w|)``, which drives weights to 0.

    Args:
        scale: a float, not negative; 0.0 regularises nothing.
        scope: the name scope; ``l1_regularizer`` by default.

    Returns:
        A function of the weights.

    Raises:
        ValueError: the scale is negative or an integer.

    >>> tf.Session().run(tf.contrib.layers.l1_regularizer(0.5)([1.0, -3.0]))
    2.0
    """
    _checked("l1_regularizer", scale)
    return _scaled(
        "l1_regularizer",
        scale,
        scope,
        lambda w: reduce_with("Sum", call.Abs(w), None, False, None),
    )


@export("contrib.layers.l2_regularizer", "contrib.slim.l2_regularizer")
def l2_regularizer(scale: float, scope: str | None = None) -> Regularizer:
    """``scale * sum(w^2) / 2``, which keeps weights small.

    Args:
        scale: a float, not negative; 0.0 regularises nothing.
        scope: the name scope; ``l2_regularizer`` by default.

    Returns:
        A function of the weights.

    Raises:
        ValueError: the scale is negative or an integer.

    >>> tf.Session().run(tf.contrib.layers.l2_regularizer(0.5)([1.0, -3.0]))
    2.5
    """
    _checked("l2_regularizer", scale)
    return _scaled("l2_regularizer", scale, scope, call.L2Loss)


@export("contrib.layers.l1_l2_regularizer", "contrib.slim.l1_l2_regularizer")
def l1_l2_regularizer(
    scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None
) -> Regularizer:
    """The sum of ``l1_regularizer(scale_l1)`` and ``l2_regularizer(scale_l2)``.

    Args:
        scale_l1, scale_l2: floats, not negative; 0.0 leaves one of them out.
        scope: the name scope; ``l1_l2_regularizer`` by default.

    Returns:
        A function of the weights.

    Raises:
        ValueError: a scale is negative or an integer.
    """
    _checked("l1_l2_regularizer", scale_l1, "scale_l1")
    _checked("l1_l2_regularizer", scale_l2, "scale_l2")
    scope = scope or "l1_l2_regularizer"
    if scale_l1 == 0.0:
        return l2_regularizer(scale_l2, scope)
    if scale_l2 == 0.0:
        return l1_regularizer(scale_l1, scope)
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope)


@export("contrib.layers.sum_regularizer", "contrib.slim.sum_regularizer")
def sum_regularizer(
    regularizer_list: Iterable[Regularizer | None], scope: str | None = None
) -> Regularizer | Any:
    """The sum of several regularizers; None when the list has none.

    Args:
        regularizer_list: regularizers; None among them is left out.
        scope: the name scope; ``sum_regularizer`` by default.

    Returns:
        A function of the weights.
    """
    parts = [regularizer for regularizer in regularizer_list if regularizer is not None]
    if not parts:
        return None

    def regularizer(weights: Any) -> Tensor | None:
        with name_scope(scope, "sum_regularizer", [weights]) as inner:
            found = [part(weights) for part in parts]
            terms = [term for term in found if term is not None]
            return add_n(terms, name=inner) if terms else None

    return regularizer


@export("contrib.layers.apply_regularization", "contrib.slim.apply_regularization")
def apply_regularization(regularizer: Regularizer, weights_list: Any = None) -> Tensor:
    """The sum of ``regularizer`` over weights; it joins ``GraphKeys.REGULARIZATION_LOSSES``.

    Args:
        regularizer: gives a scalar, or None, for each.
        weights_list: tensors or variables; ``GraphKeys.WEIGHTS`` by default.

    Returns:
        A scalar.

    Raises:
        ValueError: there are no weights; a result is no scalar.
    """
    graph = get_default_graph()
    weights_list = weights_list or graph.get_collection(GraphKeys.WEIGHTS)
    if not weights_list:
        raise ValueError("apply_regularization: there are no weights to regularise")
    with name_scope("get_regularization_penalty", None, weights_list) as scope:
        terms = [regularizer(weights) for weights in weights_list]
        penalties = [term if term is not None else convert_to_tensor(0.0) for term in terms]
        for penalty in penalties:
            if penalty.dims != ():
                raise ValueError(
                    f"apply_regularization: the regularizer must give a scalar, not {penalty!r}"
                )
        total = add_n(penalties, name=scope) if len(penalties) > 1 else _named(penalties[0], scope)
    graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
    return total


def _named(x: Tensor, scope: str) -> Tensor:
    return call.Identity(x, name=scope)
