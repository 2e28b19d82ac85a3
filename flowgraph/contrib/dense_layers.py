"""tf.contrib.layers with weights: fully_connected, the convolutions, bias_add, embed_sequence.

They are tf.layers with other names (``weights``, ``biases``, scopes ``Conv``), relu by default, and
a normalizer between the sum and the activation.

Read next: normalizers.py, small_layers.py; arg_scopes.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flowgraph.contrib.arg_scopes import exported
from flowgraph.contrib.initializers import xavier_initializer
from flowgraph.contrib.model_variables import collect_named_outputs, collect_variable, model_getter
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export, export_value
from flowgraph.graph.node import Tensor
from flowgraph.layers.base import ZEROS, sizes
from flowgraph.layers.convolutional import (
    Conv1D,
    Conv2D,
    Conv3D,
    SeparableConv2D,
)
from flowgraph.layers.convolutional_transposed import Conv2DTranspose, Conv3DTranspose
from flowgraph.layers.core import Dense
from flowgraph.ops.activations import elu as nn_elu
from flowgraph.ops.activations import relu as nn_relu
from flowgraph.ops.activations import relu6 as nn_relu6
from flowgraph.ops.depthwise_functions import depthwise_conv2d
from flowgraph.ops.embedding import embedding_lookup
from flowgraph.ops.layers import bias_add as nn_bias_add
from flowgraph.ops.variable_scope import get_variable, variable_scope

_XAVIER = xavier_initializer()

_RENAMED = {"kernel": "weights", "bias": "biases"}
_SEPARATE = {
    "bias": "biases",
    "depthwise_kernel": "depthwise_weights",
    "pointwise_kernel": "pointwise_weights",
}

_ARGS = """
        activation_fn: a function of the result, relu by default; None for none.
        normalizer_fn: a function of the sum, in place of biases; batch_norm, for instance.
        normalizer_params: its arguments.
        weights_initializer, biases_initializer: as in tf.get_variable; no biases if that is None.
        weights_regularizer, biases_regularizer: functions of the variable, added to the losses.
        reuse: take the variables of the ``scope``.
        variables_collections: collections that the variables join, or a dict from ``weights`` and
            ``biases`` to them.
        outputs_collections: collections that the result joins.
        trainable: whether the variables are trained.
        scope: of the variables and operations."""


def documented(function: Any) -> Any:
    """Put the arguments that all layers have into a docstring."""
    function.__doc__ = function.__doc__.replace("\n        {common}", _ARGS)
    return function


def finished(
    outputs: Tensor,
    normalizer_fn: Any,
    normalizer_params: Any,
    activation_fn: Any,
    collections: Any,
    scope: Any,
) -> Tensor:
    """The sum, normalised and activated, as a member of collections."""
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    if activation_fn is not None:
        outputs = activation_fn(outputs)
    return collect_named_outputs(collections, scope.name, outputs)


def order_of(data_format: str | None) -> str:
    """``channels_first`` for ``NC...``, else ``channels_last``."""
    return "channels_first" if data_format and data_format.startswith("NC") else "channels_last"


# --------------------------------------------------------------------------------- fully connected


@exported("fully_connected")
@documented
def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Any = nn_relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = _XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Tensor:
    """A fully connected layer: ``activation_fn(inputs @ weights + biases)``.

    Args:
        inputs: a float tensor of rank 2 at least; the last axis is multiplied.
        num_outputs: number of units.
        {common}

    Returns:
        A tensor with ``num_outputs`` as last size.

    Raises:
        ValueError: the last size of the inputs is not known; num_outputs is no integer.
    """
    if not isinstance(num_outputs, int):
        raise ValueError(f"fully_connected: num_outputs must be an integer, got {num_outputs!r}")
    with variable_scope(
        scope, "fully_connected", [inputs], reuse=reuse, custom_getter=model_getter(_RENAMED)
    ) as opened:
        layer = Dense(
            units=num_outputs,
            use_bias=normalizer_fn is None and biases_initializer is not None,
            kernel_initializer=weights_initializer,
            bias_initializer=biases_initializer,
            kernel_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=opened.name,
            _scope=opened,
            _reuse=reuse,
        )
        outputs = layer.apply(convert_to_tensor(inputs))
        collect_variable(layer.kernel, variables_collections, "weights")
        collect_variable(layer.bias, variables_collections, "biases")
        return finished(
            outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections, opened
        )


for _name, _function in (("relu", nn_relu), ("relu6", nn_relu6), ("elu", nn_elu), ("linear", None)):
    export_value(
        functools.partial(fully_connected, activation_fn=_function),
        f"contrib.layers.{_name}",
        f"contrib.slim.{_name}",
    )


# ------------------------------------------------------------------------------------ convolutions


def _convolution(
    function: str,
    aliases: tuple[str, ...],
    classes: dict[int, Any],
    default_scope: str,
    transposed: bool = False,
) -> Callable[..., Tensor]:
    """tf.contrib.layers.<function>, which makes the class for the rank of its inputs."""

    def convolve(
        inputs: Any,
        num_outputs: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: str = "SAME",
        data_format: str | None = None,
        rate: Any = 1,
        activation_fn: Any = nn_relu,
        normalizer_fn: Any = None,
        normalizer_params: Any = None,
        weights_initializer: Any = _XAVIER,
        weights_regularizer: Any = None,
        biases_initializer: Any = ZEROS,
        biases_regularizer: Any = None,
        reuse: bool | None = None,
        variables_collections: Any = None,
        outputs_collections: Any = None,
        trainable: bool = True,
        scope: Any = None,
    ) -> Tensor:
        with variable_scope(
            scope, default_scope, [inputs], reuse=reuse, custom_getter=model_getter(_RENAMED)
        ) as opened:
            inputs = convert_to_tensor(inputs)
            rank = len(inputs.dims) - 2 if inputs.dims is not None else 0
            if rank not in classes:
                raise ValueError(
                    f"{function}: inputs of shape {inputs.shape} do not suit: rank "
                    f"{' or '.join(str(r + 2) for r in classes)} is needed"
                )
            layer = classes[rank](
                filters=num_outputs,
                kernel_size=kernel_size,
                strides=stride,
                padding=padding,
                data_format=order_of(data_format),
                **({} if transposed else {"dilation_rate": rate}),
                use_bias=normalizer_fn is None and biases_initializer is not None,
                kernel_initializer=weights_initializer,
                bias_initializer=biases_initializer,
                kernel_regularizer=weights_regularizer,
                bias_regularizer=biases_regularizer,
                trainable=trainable,
                name=opened.name,
                _scope=opened,
                _reuse=reuse,
            )
            outputs = layer.apply(inputs)
            collect_variable(layer.kernel, variables_collections, "weights")
            collect_variable(layer.bias, variables_collections, "biases")
            return finished(
                outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections,
                opened,
            )  # fmt: skip

    what = "The transpose of a convolution" if transposed else "A convolution"
    ranks = " or ".join(str(r + 2) for r in classes)
    convolve.__doc__ = f"""{what}: ``activation_fn(conv(inputs, weights) + biases)``.

    Args:
        inputs: a float tensor of rank {ranks}.
        num_outputs: number of output channels.
        kernel_size: of the window: one number, or one for each axis.
        stride: steps of the window.
        padding: ``SAME`` or ``VALID``.
        data_format: ``NHWC`` and its like (the default), or ``NCHW``.
        rate: distance of the window's taps{" (not used here)" if transposed else ""}.
        {{common}}

    Returns:
        A tensor of the rank of the inputs.

    Raises:
        ValueError: rank, padding or sizes do not suit.
    """
    convolve.__name__ = convolve.__qualname__ = function
    if transposed:  # TensorFlow's have no rate
        convolve = _without_rate(convolve)
    return exported(function, *aliases)(documented(convolve))


def _without_rate(convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def transposed(
        inputs: Any,
        num_outputs: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: str = "SAME",
        data_format: str = "NHWC",
        activation_fn: Any = nn_relu,
        normalizer_fn: Any = None,
        normalizer_params: Any = None,
        weights_initializer: Any = _XAVIER,
        weights_regularizer: Any = None,
        biases_initializer: Any = ZEROS,
        biases_regularizer: Any = None,
        reuse: bool | None = None,
        variables_collections: Any = None,
        outputs_collections: Any = None,
        trainable: bool = True,
        scope: Any = None,
    ) -> Tensor:
        given = {k: v for k, v in locals().items() if k != "convolve"}
        return convolve(**given)

    transposed.__doc__ = "".join(
        line for line in (convolve.__doc__ or "").splitlines(True) if "rate: dist" not in line
    )
    transposed.__name__ = transposed.__qualname__ = convolve.__name__
    return transposed


convolution = _convolution("convolution", (), {1: Conv1D, 2: Conv2D, 3: Conv3D}, "Conv")
conv1d = _convolution("conv1d", ("convolution1d",), {1: Conv1D}, "Conv")
conv2d = _convolution("conv2d", ("convolution2d",), {2: Conv2D}, "Conv")
conv3d = _convolution("conv3d", ("convolution3d",), {3: Conv3D}, "Conv")
conv2d_transpose = _convolution(
    "conv2d_transpose", ("convolution2d_transpose",), {2: Conv2DTranspose}, "Conv2d_transpose", True
)
conv3d_transpose = _convolution(
    "conv3d_transpose", ("convolution3d_transpose",), {3: Conv3DTranspose}, "Conv3d_transpose", True
)


@exported("separable_conv2d", "separable_convolution2d")
@documented
def separable_conv2d(
    inputs: Any,
    num_outputs: int | None,
    kernel_size: Any,
    depth_multiplier: int = 1,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    rate: Any = 1,
    activation_fn: Any = nn_relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = _XAVIER,
    pointwise_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Tensor:
    """A convolution channel by channel, then one that mixes the channels.

    Args:
        inputs: (batch, height, width, channels).
        num_outputs: number of output channels; None leaves out the mixing.
        kernel_size: of the window: one number or two.
        depth_multiplier: number of filters for each channel.
        stride: steps of the window.
        padding: ``SAME`` or ``VALID``.
        data_format: ``NHWC`` or ``NCHW``.
        rate: distance of the window's taps.
        pointwise_initializer: of the weights that mix; weights_initializer by default.
        {common}

    Returns:
        A tensor of rank 4.
    """
    with variable_scope(
        scope, "SeparableConv2d", [inputs], reuse=reuse, custom_getter=model_getter(_SEPARATE)
    ) as opened:
        inputs = convert_to_tensor(inputs)
        if num_outputs is None:
            outputs = _depthwise(
                inputs, kernel_size, depth_multiplier, stride, padding, data_format, rate,
                (weights_initializer, weights_regularizer), trainable,
                None if normalizer_fn is not None else biases_initializer, biases_regularizer,
                variables_collections,
            )  # fmt: skip
        else:
            mixing = weights_initializer if pointwise_initializer is None else pointwise_initializer
            layer = SeparableConv2D(  # type: ignore[call-arg]
                filters=num_outputs,
                kernel_size=kernel_size,
                strides=stride,
                padding=padding,
                data_format=order_of(data_format),
                dilation_rate=rate,
                depth_multiplier=depth_multiplier,
                use_bias=normalizer_fn is None and biases_initializer is not None,
                depthwise_initializer=weights_initializer,
                pointwise_initializer=mixing,
                bias_initializer=biases_initializer,
                depthwise_regularizer=weights_regularizer,
                pointwise_regularizer=weights_regularizer,
                bias_regularizer=biases_regularizer,
                trainable=trainable,
                name=opened.name,
                _scope=opened,
                _reuse=reuse,
            )
            outputs = layer.apply(inputs)
            collect_variable(layer.depthwise_kernel, variables_collections, "weights")
            collect_variable(layer.pointwise_kernel, variables_collections, "weights")
            collect_variable(layer.bias, variables_collections, "biases")
        return finished(
            outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections, opened
        )


def _depthwise(
    inputs: Tensor,
    kernel_size: Any,
    multiplier: int,
    stride: Any,
    padding: str,
    data_format: str,
    rate: Any,
    weights: tuple[Any, Any],
    trainable: bool,
    biases_initializer: Any,
    biases_regularizer: Any,
    collections: Any,
) -> Tensor:
    """The first half of a separable convolution."""
    word = "separable_conv2d"
    first = data_format.startswith("NC")
    assert inputs.dims is not None
    channels = inputs.dims[1 if first else 3]
    if channels is None:
        raise ValueError(f"{word}: the number of channels must be known")
    window, steps = sizes(word, kernel_size, 2, "kernel_size"), sizes(word, stride, 2, "stride")
    initializer, regularizer = weights
    kernel = get_variable(
        "depthwise_weights", [*window, channels, multiplier], inputs.dtype.base_dtype, initializer,
        regularizer, trainable,
    )  # fmt: skip
    collect_variable(kernel, collections, "weights")
    outputs = depthwise_conv2d(
        inputs, kernel, [1, 1, *steps] if first else [1, *steps, 1], padding,
        rate=sizes(word, rate, 2, "rate"), data_format=data_format, name="depthwise",
    )  # fmt: skip
    if biases_initializer is not None:
        biases = get_variable(
            "biases", [channels * multiplier], inputs.dtype.base_dtype, biases_initializer,
            biases_regularizer, trainable,
        )  # fmt: skip
        collect_variable(biases, collections, "biases")
        outputs = nn_bias_add(outputs, biases, data_format=data_format)
    return outputs


# ------------------------------------------------------------------------------------- single parts


@exported("bias_add")
def bias_add(
    inputs: Any,
    activation_fn: Any = None,
    initializer: Any = ZEROS,
    regularizer: Any = None,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Tensor:
    """``inputs`` plus one bias for each channel.

    Args:
        inputs: a tensor of rank 2 at least.
        activation_fn: a function of the result; None for none.
        initializer, regularizer: of the biases.
        reuse: take the variable of the ``scope``.
        variables_collections, outputs_collections: collections that they join.
        trainable: whether the biases are trained.
        data_format: ``NHWC`` or ``NCHW``.
        scope: of the variable and operations.
    """
    with variable_scope(
        scope, "BiasAdd", [inputs], reuse=reuse, custom_getter=model_getter()
    ) as opened:
        inputs = convert_to_tensor(inputs)
        dims = inputs.dims
        count = None if dims is None else dims[1 if data_format.startswith("NC") else -1]
        if count is None:
            raise ValueError("bias_add: the number of channels must be known")
        biases = get_variable(
            "biases", [count], inputs.dtype.base_dtype, initializer, regularizer, trainable
        )
        collect_variable(biases, variables_collections, "biases")
        outputs = nn_bias_add(inputs, biases, data_format=data_format)
        return finished(outputs, None, None, activation_fn, outputs_collections, opened)


@export("contrib.layers.embed_sequence")
def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: bool | None = None,
) -> Tensor:
    """Rows of a table, one for each symbol of a sequence.

    Args:
        ids: integers (batch, length).
        vocab_size: number of symbols.   embed_dim: size of a row.
        unique: look up each symbol once; the result is the same.
        initializer, regularizer: of the table, ``embeddings``.
        trainable: whether it is trained.
        scope: of the variable; ``EmbedSequence`` by default.
        reuse: take the variable of the ``scope``; its sizes need not be given then.

    Returns:
        (batch, length, embed_dim).

    Raises:
        ValueError: sizes are missing.
    """
    if not (reuse or (vocab_size and embed_dim)):
        raise ValueError(
            f"embed_sequence: vocab_size {vocab_size} and embed_dim {embed_dim} must be given"
        )
    with variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        shape = [vocab_size, embed_dim]
        if None in shape:
            shape = None  # type: ignore[assignment]
        table = get_variable(
            "embeddings",
            shape,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
            custom_getter=model_getter(),
        )
        return embedding_lookup(table, call.Identity(convert_to_tensor(ids)))
