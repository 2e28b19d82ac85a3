"""Weighted losses: one number from many, and the collection it joins.

    losses (per element)  *  weights (broadcast)  ->  reduction  ->  GraphKeys.LOSSES

Weights have one element, or the rank of the losses with every axis equal or 1; an element of weight
0 is absent, and the default reduction divides by the number of elements that are present.

Read next: functions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.dtypes import float32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.arithmetic import add_n
from flowgraph.ops.casts import cast
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.rules import shape_of
from flowgraph.shapes import format_dims


@export("losses.Reduction")
class Reduction:
    """How the losses of the elements become one number.

    ``NONE`` keeps them; ``SUM`` adds them; ``MEAN`` divides the sum by the sum of the weights;
    ``SUM_OVER_BATCH_SIZE`` by the number of elements; ``SUM_BY_NONZERO_WEIGHTS`` (also called
    ``SUM_OVER_NONZERO_WEIGHTS``) by the number of elements whose weight is not 0.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Every way."""
        return (
            cls.NONE,
            cls.SUM,
            cls.MEAN,
            cls.SUM_OVER_BATCH_SIZE,
            cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )

    @classmethod
    def validate(cls, key: str) -> None:
        """ValueError unless ``key`` is one of them."""
        if key not in cls.all():
            known = ", ".join(repr(name) for name in dict.fromkeys(cls.all()))
            raise ValueError(f"losses: the reduction {key!r} is none of {known}")


# ---------------------------------------------------------------------------------------- weights


def fit_weights(weights: Tensor, values: Tensor, function: str = "compute_weighted_loss") -> Tensor:
    """``weights``, checked: a scalar, or of the rank of ``values`` with every axis equal or 1.

    What the static shapes leave open is checked by a broadcast when the shapes are known.

    Raises:
        ValueError: the static shapes do not fit.   InvalidArgumentError: those of a run do not.
    """
    have, want = weights.dims, values.dims
    if have == ():
        return weights
    if have is None or want is None:
        return weights if have == want == () else call.BroadcastTo(weights, shape_of(values))
    fits = len(have) == len(want) and all(
        h is None or h == 1 or w is None or h == w for h, w in zip(have, want, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{function}: weights {weights.name!r} of shape {format_dims(have)} do not fit values "
            f"{values.name!r} of shape {format_dims(want)}: they must be a scalar, or have the "
            "same rank and in each axis the same size or 1"
        )
    if all(h == 1 or (h is not None and h == w) for h, w in zip(have, want, strict=True)):
        return weights
    return call.BroadcastTo(weights, shape_of(values))


def count_of(values: Tensor) -> Tensor:
    """The number of elements of ``values``, as a float32 scalar."""
    return call.Cast(call.Size(values), DstT=float32, name="num_elements")


def number_present(values: Tensor, weights: Tensor) -> Tensor:
    """How many elements of ``values`` have a weight other than 0, as a float32 scalar.

    Each element of ``weights`` stands for as many values as it is broadcast to.
    """
    with name_scope("num_present"):
        present = call.Cast(call.NotEqual(weights, call.ZerosLike(weights)), DstT=float32)
        if weights.dims == ():
            return present * count_of(values)
        whole = call.BroadcastTo(present, shape_of(values))
        return reduce_with("Sum", whole, None, False, None)


# ----------------------------------------------------------------------------------------- one loss


@export("losses.compute_weighted_loss")
def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Losses times weights, reduced to one number, which joins a collection.

    sum(losses * weights) / (number of elements whose weight is not 0), and 0 when there is none

    Args:
        losses: a tensor of numbers.
        weights: a scalar, or a tensor of the rank of ``losses`` with each axis equal or 1.
        scope: the name scope; ``weighted_loss`` by default.
        loss_collection: the collection it joins; None for none.
        reduction: one of ``Reduction``.

    Returns:
        A scalar of the dtype of ``losses``, computed in float32; of the shape of ``losses`` for
        ``Reduction.NONE``.

    Raises:
        ValueError: the weights do not fit, or the reduction is unknown.

    Gradient: to the losses, and to the weights (but not by way of the number of elements).

    >>> tf.Session().run(tf.losses.compute_weighted_loss([2.0, 4.0, 6.0], weights=[1.0, 0.0, 2.0]))
    7.0
    """
    Reduction.validate(reduction)
    with name_scope(scope, "weighted_loss", [losses, weights]):
        losses = convert_to_tensor(losses, name="losses")
        dtype = losses.dtype.base_dtype
        losses = cast(losses, float32)
        weights = fit_weights(cast(weights, float32), losses)
        loss = _reduced(call.Mul(losses, weights), losses, weights, reduction)
        loss = cast(loss, dtype)
    add_loss(loss, loss_collection)
    return loss


def _reduced(weighted: Tensor, losses: Tensor, weights: Tensor, reduction: str) -> Tensor:
    if reduction == Reduction.NONE:
        return weighted
    total = reduce_with("Sum", weighted, None, False, None)
    if reduction == Reduction.SUM:
        return total
    if reduction == Reduction.MEAN:
        parts = reduce_with("Sum", weights, None, False, None)
        by = parts * (count_of(losses) / count_of(weights))
    elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
        by = count_of(losses)
    else:
        by = number_present(losses, weights)
    return call.DivNoNan(total, by, name="value")


# -------------------------------------------------------------------------------------- collections


@export("losses.add_loss")
def add_loss(loss: Any, loss_collection: str | None = GraphKeys.LOSSES) -> None:
    """Put ``loss`` into a collection, from which ``get_total_loss`` takes it.

    In eager mode there are no collections.

    Args:
        loss: a tensor.
        loss_collection: the collection; None for none.
    """
    graph = get_default_graph()
    if loss_collection and not graph.executes:
        graph.add_to_collection(loss_collection, loss)


@export("losses.get_losses")
def get_losses(scope: str | None = None, loss_collection: str = GraphKeys.LOSSES) -> list[Tensor]:
    """The losses of the default graph.

    Args:
        scope: only those whose name matches this regular expression from its start.
        loss_collection: the collection.
    """
    return get_default_graph().get_collection(loss_collection, scope)


@export("losses.get_regularization_losses")
def get_regularization_losses(scope: str | None = None) -> list[Tensor]:
    """What the regularizers of variables gave; ``scope`` as in ``get_losses``."""
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


@export("losses.get_regularization_loss")
def get_regularization_loss(
    scope: str | None = None, name: str = "total_regularization_loss"
) -> Tensor:
    """The sum of the regularization losses; 0 when there are none.

    Args:
        scope: only those whose name matches this regular expression from its start.
        name: of the operation.
    """
    found = get_regularization_losses(scope)
    return add_n(found, name=name) if found else convert_to_tensor(0.0)


@export("losses.get_total_loss")
def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Tensor:
    """The sum of all losses of the default graph.

    Args:
        add_regularization_losses: whether the regularizers' count.
        name: of the operation.
        scope: only losses whose name matches this regular expression from its start.

    Raises:
        ValueError: there is no loss.
    """
    found: Sequence[Tensor] = get_losses(scope)
    if add_regularization_losses:
        found = [*found, *get_regularization_losses(scope)]
    return add_n(found, name=name)
