"""tf.contrib.layers that normalise: batch_norm, layer_norm, instance_norm, unit_norm.

Read next: flowgraph/layers/normalization.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowgraph.contrib.arg_scopes import exported
from flowgraph.contrib.model_variables import collect_named_outputs, collect_variable, model_getter
from flowgraph.dtypes import float16
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, control_dependencies, get_default_graph, name_scope
from flowgraph.graph.node import Tensor
from flowgraph.layers.base import ONES, ZEROS
from flowgraph.layers.normalization import BatchNormalization
from flowgraph.ops.batch_norm import batch_normalization
from flowgraph.ops.norms import moments
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.ops.variables import Variable


class _BatchNorm(BatchNormalization):
    """The layer, whose updates join the collections that batch_norm is told."""

    _VARIABLES = ("beta", "gamma", "moving_mean", "moving_variance")

    #: Whether beta and gamma are trained; that they are not does not end the training of the rest.
    trains_parameters = True

    def add_weight(self, name: str, *args: Any, **kwargs: Any) -> Variable:
        """A variable of this layer."""
        kwargs["trainable"] = kwargs.get("trainable", True) and self.trains_parameters
        return super().add_weight(name, *args, **kwargs)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Note the updates."""
        self._updates.append((getattr(updates, "op", updates), []))


@exported("batch_norm")
def batch_norm(
    inputs: Any,
    decay: Any = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Any = None,
    param_initializers: Mapping[str, Any] | None = None,
    param_regularizers: Mapping[str, Any] | None = None,
    updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_decay: float = 0.99,
    adjustment: Any = None,
) -> Tensor:
    """Batch normalisation; see tf.layers.batch_normalization.

    Args:
        inputs: a tensor whose last axis is that of the channels, or the second for ``NCHW``.
        decay: how much of the moving statistics stays at a step.
        center, scale: whether there is a ``beta``, a ``gamma``.
        epsilon: added to the variance.
        activation_fn: a function of the result; None for none.
        param_initializers, param_regularizers: dicts for ``beta``, ``gamma``, ``moving_mean``,
            ``moving_variance``.
        updates_collections: what the updates of the moving statistics join; None: they are done
            before the result is used.
        is_training: True: normalise by the batch; False: by the moving statistics; or a tensor.
        reuse: take the variables of the ``scope``.
        variables_collections, outputs_collections: collections that they join.
        trainable: whether beta and gamma are trained.
        fused: False leaves the moving variance biased; by default it is the unbiased one for inputs
            of rank 2 and 4.
        data_format: ``NHWC`` or ``NCHW``.
        scope: of the variables and operations; ``BatchNorm`` by default.
        batch_weights, zero_debias_moving_mean, renorm, renorm_clipping, renorm_decay, adjustment:
            not supported; only their defaults are accepted.

    Returns:
        A tensor of the shape of ``inputs``.

    Raises:
        ValueError: rank or number of channels is not known; the format is not.
        NotImplementedError: an argument that is not supported.
    """
    if batch_weights is not None or zero_debias_moving_mean or renorm or adjustment is not None:
        raise NotImplementedError(
            "batch_norm: batch_weights, zero_debias_moving_mean, renorm and adjustment are not "
            "supported; leave them at their defaults"
        )
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"batch_norm: data_format must be NHWC or NCHW, not {data_format!r}")
    initializers, regularizers = dict(param_initializers or {}), dict(param_regularizers or {})
    with variable_scope(
        scope, "BatchNorm", [inputs], reuse=reuse, custom_getter=model_getter()
    ) as opened:
        inputs = convert_to_tensor(inputs)
        rank = None if inputs.dims is None else len(inputs.dims)
        first = data_format == "NCHW"
        in_one = rank in (2, 4) and fused is not False
        x, axis = inputs, 1 if first else -1
        if in_one and rank == 2:  # as images of one pixel
            assert inputs.dims is not None
            x = call.Reshape(inputs, [-1, 1, 1, _channels(inputs)])
            axis = -1
        # TensorFlow makes the variables in this order, or in that, and knows two meanings of
        # trainable=False.
        is_core = updates_collections == GraphKeys.UPDATE_OPS and x is inputs
        layer = (BatchNormalization if is_core else _BatchNorm)(
            axis=axis,
            momentum=decay,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=initializers.get("beta", ZEROS),
            gamma_initializer=initializers.get("gamma", ONES),
            moving_mean_initializer=initializers.get("moving_mean", ZEROS),
            moving_variance_initializer=initializers.get("moving_variance", ONES),
            beta_regularizer=regularizers.get("beta"),
            gamma_regularizer=regularizers.get("gamma"),
            trainable=trainable or not is_core,
            fused=in_one,
            name=opened.name,
            _scope=opened,
            _reuse=reuse,
        )
        if isinstance(layer, _BatchNorm):
            layer.trains_parameters = trainable
        outputs = layer.apply(x, training=is_training)
        if x is not inputs:
            outputs = call.Reshape(outputs, call.Shape(inputs))
            outputs.set_shape(inputs.dims)
        for kind in layer._VARIABLES:
            collect_variable(getattr(layer, kind), variables_collections, kind)
        if updates_collections is None:
            with control_dependencies(layer.updates):
                outputs = call.Identity(outputs)
        elif not is_core:
            names = updates_collections
            for name in [names] if isinstance(names, str) else names:
                get_default_graph().get_collection_ref(name).extend(layer.updates)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect_named_outputs(outputs_collections, opened.name, outputs)


def _channels(inputs: Tensor) -> int:
    count = inputs.dims[-1] if inputs.dims else None
    if count is None:
        raise ValueError("batch_norm: the number of channels must be known")
    return count


def _parameters(
    shape: list[Any], inputs: Tensor, center: bool, scale: bool, trainable: bool, collections: Any
) -> tuple[Any, Any]:
    """(beta, gamma), None where they are not wanted."""
    found = []
    for name, wanted, initializer in (("beta", center, ZEROS), ("gamma", scale, ONES)):
        made = None
        if wanted:
            made = get_variable(
                name, shape, inputs.dtype.base_dtype, initializer, trainable=trainable
            )
            collect_variable(made, collections, name)
        found.append(made)
    return found[0], found[1]


@exported("layer_norm")
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Any = None,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Tensor:
    """Each example normalised by its own mean and variance (Ba, Kiros, Hinton 2016).

    Args:
        inputs: a float tensor of known rank.
        center, scale: whether there is a ``beta``, a ``gamma``.
        activation_fn: a function of the result; None for none.
        reuse: take the variables of the ``scope``.
        variables_collections, outputs_collections: collections that they join.
        trainable: whether the variables are trained.
        begin_norm_axis: the first axis that is normalised over.
        begin_params_axis: the first axis along which beta and gamma differ.
        scope: of the variables and operations; ``LayerNorm`` by default.

    Raises:
        ValueError: rank or sizes are not known, or an axis is out of range.
    """
    with variable_scope(
        scope, "LayerNorm", [inputs], reuse=reuse, custom_getter=model_getter()
    ) as opened:
        inputs = convert_to_tensor(inputs)
        if inputs.dims is None:
            raise ValueError("layer_norm: the rank of the inputs must be known")
        rank = len(inputs.dims)
        begin = begin_norm_axis + rank if begin_norm_axis < 0 else begin_norm_axis
        if not 0 <= begin < rank or not -rank <= begin_params_axis < rank:
            raise ValueError(f"layer_norm: axes {begin_norm_axis}, {begin_params_axis} of {rank}")
        shape = list(inputs.dims[begin_params_axis:])
        if None in shape:
            raise ValueError(f"layer_norm: the sizes {shape} of beta and gamma must be known")
        beta, gamma = _parameters(shape, inputs, center, scale, trainable, variables_collections)
        mean, variance = moments(inputs, list(range(begin, rank)), keep_dims=True)
        epsilon = 1e-3 if inputs.dtype.base_dtype is float16 else 1e-12
        outputs = batch_normalization(inputs, mean, variance, beta, gamma, epsilon)
        outputs.set_shape(inputs.dims)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect_named_outputs(outputs_collections, opened.name, outputs)


@exported("instance_norm")
def instance_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Any = None,
    param_initializers: Mapping[str, Any] | None = None,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Tensor:
    """Each channel of each example normalised by its own mean and variance.

    Args:
        inputs: a float tensor of known rank.
        center, scale: whether there is a ``beta``, a ``gamma``.
        epsilon: added to the variance.
        activation_fn: a function of the result; None for none.
        param_initializers: a dict for ``beta`` and ``gamma``; zeros and ones by default.
        reuse: take the variables of the ``scope``.
        variables_collections, outputs_collections: collections that they join.
        trainable: whether the variables are trained.
        data_format: ``NHWC`` or ``NCHW``.
        scope: of the variables and operations; ``InstanceNorm`` by default.

    Raises:
        ValueError: rank or number of channels is not known.
    """
    initializers = dict(param_initializers or {})
    with variable_scope(
        scope, "InstanceNorm", [inputs], reuse=reuse, custom_getter=model_getter()
    ) as opened:
        inputs = convert_to_tensor(inputs)
        if inputs.dims is None:
            raise ValueError("instance_norm: the rank of the inputs must be known")
        rank = len(inputs.dims)
        axis = 1 if data_format == "NCHW" else rank - 1
        count = inputs.dims[axis]
        if count is None:
            raise ValueError("instance_norm: the number of channels must be known")
        around = [1] * rank
        around[axis] = count
        vectors: list[Any] = []
        for name, wanted, standard in (("beta", center, ZEROS), ("gamma", scale, ONES)):
            made: Any = None
            if wanted:
                made = get_variable(
                    name, [count], inputs.dtype.base_dtype, initializers.get(name, standard),
                    trainable=trainable,
                )  # fmt: skip
                collect_variable(made, variables_collections, name)
                made = call.Reshape(made, around) if axis == 1 else made
            vectors.append(made)
        others = [a for a in range(1, rank) if a != axis]
        mean, variance = moments(inputs, others, keep_dims=True)
        beta, gamma = vectors
        outputs = batch_normalization(
            inputs, mean, variance, beta, gamma, epsilon, name="instancenorm"
        )
        outputs.set_shape(inputs.dims)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect_named_outputs(outputs_collections, opened.name, outputs)


@exported("unit_norm")
def unit_norm(inputs: Any, dim: int, epsilon: float = 1e-7, scope: str | None = None) -> Tensor:
    """Vectors of length 1: x / sqrt(epsilon + sum(x^2)).

    Args:
        inputs: a float tensor.
        dim: the axis along which the vectors lie.
        epsilon: keeps the division possible.
        scope: of the operations; ``UnitNorm`` by default.
    """
    with name_scope(scope, "UnitNorm", [inputs]):
        inputs = convert_to_tensor(inputs)
        squares = reduce_with("Sum", call.Square(inputs), [dim], True, None)
        return call.RealDiv(inputs, call.Sqrt(epsilon + squares), name="div")
