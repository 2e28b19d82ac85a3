"""tf.contrib.layers without variables: pooling, dropout, flatten, one_hot_encoding, stack, repeat.

Read next: dense_layers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.contrib.arg_scopes import exported
from flowgraph.contrib.dense_layers import order_of
from flowgraph.contrib.model_variables import collect_named_outputs
from flowgraph.dtypes import int64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS
from flowgraph.graph.node import Tensor
from flowgraph.layers.core import Dropout
from flowgraph.layers.core import flatten as core_flatten
from flowgraph.layers.input_spec import check_inputs
from flowgraph.layers.pooling import (
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling2D,
    MaxPooling3D,
)
from flowgraph.ops.casts import cast
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.variable_scope import variable_scope


def _pool(function: str, cls: Any, default_scope: str, order: str, what: str) -> Any:
    def pool(
        inputs: Any,
        kernel_size: Any,
        stride: Any = 2,
        padding: str = "VALID",
        data_format: str = order,
        outputs_collections: Any = None,
        scope: str | None = None,
    ) -> Tensor:
        with name_scope(scope, default_scope, [inputs]) as opened:
            inputs = convert_to_tensor(inputs)
            layer = cls(
                pool_size=kernel_size,
                strides=stride,
                padding=padding,
                data_format=order_of(data_format),
            )
            check_inputs(function, layer.input_spec, inputs)
            outputs = layer.call(inputs)
            return collect_named_outputs(outputs_collections, opened.rstrip("/"), outputs)

    pool.__name__ = pool.__qualname__ = function
    pool.__doc__ = f"""{what} of every window, channel by channel.

    Args:
        inputs: a tensor of rank {len(order)}.
        kernel_size: of the window: one number, or one for each axis.
        stride: steps of the window.
        padding: ``VALID`` or ``SAME``.
        data_format: ``{order}``, or channels first.
        outputs_collections: collections that the result joins.
        scope: of the operations; ``{default_scope}`` by default.
    """
    return exported(function)(pool)


max_pool2d = _pool("max_pool2d", MaxPooling2D, "MaxPool2D", "NHWC", "The greatest element")
avg_pool2d = _pool("avg_pool2d", AveragePooling2D, "AvgPool2D", "NHWC", "The mean")
max_pool3d = _pool("max_pool3d", MaxPooling3D, "MaxPool3D", "NDHWC", "The greatest element")
avg_pool3d = _pool("avg_pool3d", AveragePooling3D, "AvgPool3D", "NDHWC", "The mean")


@exported("dropout")
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> Tensor:
    """Elements set to 0 at random, and the others scaled up; see tf.nn.dropout.

    Args:
        inputs: a float tensor.
        keep_prob: the probability that an element is kept.
        noise_shape: shape of the mask, which broadcasts.
        is_training: False keeps everything; or a bool tensor.
        outputs_collections: collections that the result joins.
        scope: of the operations; ``Dropout`` by default.
        seed: of the random numbers.
    """
    with variable_scope(scope, "Dropout", [inputs]) as opened:
        layer = Dropout(rate=1 - keep_prob, noise_shape=noise_shape, seed=seed, _scope=opened)
        outputs = layer.apply(convert_to_tensor(inputs), training=is_training)
        return collect_named_outputs(outputs_collections, opened.name, outputs)


@exported("flatten")
def flatten(inputs: Any, outputs_collections: Any = None, scope: str | None = None) -> Tensor:
    """All axes but the first become one.

    Args:
        inputs: a tensor of rank 2 at least.
        outputs_collections: collections that the result joins.
        scope: of the operations; ``Flatten`` by default.
    """
    with name_scope(scope, "Flatten", [inputs]) as opened:
        outputs = core_flatten(convert_to_tensor(inputs))
        return collect_named_outputs(outputs_collections, opened.rstrip("/"), outputs)


@exported("one_hot_encoding")
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Tensor:
    """tf.one_hot of class numbers.

    Args:
        labels: a vector of integers.
        num_classes: length of a row.
        on_value, off_value: what stands at the label, and elsewhere.
        outputs_collections: collections that the result joins.
        scope: of the operations; ``OneHotEncoding`` by default.
    """
    with name_scope(scope, "OneHotEncoding", [labels]) as opened:
        labels = convert_to_tensor(labels)
        if labels.dtype.base_dtype.name == "int32":
            labels = cast(labels, int64)
        outputs = EXPORTS["one_hot"](labels, num_classes, on_value=on_value, off_value=off_value)
        return collect_named_outputs(outputs_collections, opened.rstrip("/"), outputs)


@exported("softmax")
def softmax(logits: Any, scope: str | None = None) -> Tensor:
    """tf.nn.softmax over the last axis.

    Args:
        logits: a float tensor.
        scope: of the operations; ``softmax`` by default.
    """
    with name_scope(scope, "softmax", [logits]):
        return EXPORTS["nn.softmax"](convert_to_tensor(logits))


@exported("maxout")
def maxout(inputs: Any, num_units: int, axis: int = -1, scope: str | None = None) -> Tensor:
    """The greatest of groups of channels.

    Args:
        inputs: a tensor whose size along ``axis`` is a multiple of ``num_units``.
        num_units: how many groups.
        axis: of the channels.
        scope: of the operations; ``MaxOut`` by default.

    Raises:
        ValueError: the channels do not divide evenly.
    """
    with name_scope(scope, "MaxOut", [inputs]):
        inputs = convert_to_tensor(inputs)
        if inputs.dims is None:
            raise ValueError("maxout: the rank of the inputs must be known")
        rank = len(inputs.dims)
        axis = axis + rank if axis < 0 else axis
        count = inputs.dims[axis]
        if count is None or count % num_units:
            raise ValueError(f"maxout: {count} channels in groups of {num_units}")
        given = call.Shape(inputs)
        sizes = [given[i] if size is None else size for i, size in enumerate(inputs.dims)]
        sizes[axis : axis + 1] = [num_units, count // num_units]
        groups = call.Reshape(inputs, call.Pack(sizes))
        outputs = reduce_with("Max", groups, [axis + 1], False, None)
        outputs.set_shape((*inputs.dims[:axis], num_units, *inputs.dims[axis + 1 :]))
        return outputs


# ------------------------------------------------------------------------------- layers in a row


def _word(layer: Any) -> str:
    function = getattr(layer, "func", layer)
    return str(getattr(layer, "__name__", getattr(function, "__name__", "layer")))


@exported("repeat")
def repeat(
    inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """The same layer several times: ``layer(layer(inputs, ...), ...)``.

    Args:
        inputs: a tensor.
        repetitions: how often.
        layer: a function of a tensor that takes ``scope``.
        args, kwargs: its further arguments; ``scope`` becomes ``scope/scope_1`` and so on.
    """
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Repeat", [inputs]):
        name = scope or _word(layer)
        for number in range(1, repetitions + 1):
            inputs = layer(inputs, *args, **{**kwargs, "scope": f"{name}_{number}"})
        return inputs


@exported("stack")
def stack(inputs: Any, layer: Callable[..., Any], stack_args: Sequence[Any], **kwargs: Any) -> Any:
    """A layer several times, each time with other arguments.

    Args:
        inputs: a tensor.
        layer: a function of a tensor that takes ``scope``.
        stack_args: for each time the argument, or a list of arguments, behind the tensor.
        kwargs: arguments of every time; ``scope`` becomes ``scope/scope_1`` and so on.

    Raises:
        ValueError: ``stack_args`` is no list.
    """
    scope = kwargs.pop("scope", None)
    if not isinstance(stack_args, (list, tuple)):
        raise ValueError("stack: stack_args must be a list or tuple")
    with variable_scope(scope, "Stack", [inputs]):
        name = scope or _word(layer)
        for number, given in enumerate(stack_args, 1):
            more = given if isinstance(given, (list, tuple)) else [given]
            inputs = layer(inputs, *more, **{**kwargs, "scope": f"{name}_{number}"})
        return inputs
