"""Convolutions as layers: of any rank, and separable ones.

Filters have TensorFlow's layout (window..., channels in, channels out).

Read next: convolutional_transposed.py, base.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.layers.base import ZEROS, Layer, known_size, one_of, sizes
from flowgraph.layers.functional import functional
from flowgraph.layers.input_spec import InputSpec
from flowgraph.ops.convolution_functions import conv1d as nn_conv1d
from flowgraph.ops.convolution_functions import conv2d as nn_conv2d
from flowgraph.ops.convolution_functions import conv3d as nn_conv3d
from flowgraph.ops.depthwise_functions import separable_conv2d as nn_separable_conv2d
from flowgraph.ops.layers import bias_add
from flowgraph.tensor_shape import TensorShape, as_dims, as_shape

Activation = Callable[[Any], Any] | None


def layout(data_format: str, rank: int) -> str:
    """TensorFlow's name of the layout: ``NHWC``, ``NCW`` and so on."""
    space = {1: "W", 2: "HW", 3: "DHW"}[rank]
    return f"NC{space}" if data_format == "channels_first" else f"N{space}C"


def window_size(
    size: int | None, window: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """How many windows fit along an axis of ``size`` elements."""
    if size is None:
        return None
    if padding == "valid":
        size -= (window - 1) * dilation
    return max(-(-size // stride), 0)


class Convolution(Layer):
    """What the convolutions share; ``rank`` is the number of axes of the window."""

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str,
        dilation_rate: Any,
        activation: Activation,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        word = type(self).__name__
        self.rank, self.filters = rank, int(filters)
        self.kernel_size = sizes(word, kernel_size, rank, "kernel_size")
        self.strides = sizes(word, strides, rank, "strides")
        causal = ["causal"] if rank == 1 else []
        self.padding = one_of(word, padding, "padding", "valid", "same", *causal)
        self.data_format = one_of(
            word, data_format, "data_format", "channels_last", "channels_first"
        )
        if self.padding == "causal" and self.data_format != "channels_last":
            raise ValueError(f"{word}: causal padding is for channels_last only")
        self.dilation_rate = sizes(word, dilation_rate, rank, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{word}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot "
                "both be greater than 1"
            )
        self.activation, self.use_bias = activation, use_bias
        self.bias_initializer, self.bias_regularizer = bias_initializer, bias_regularizer
        self.bias_constraint = bias_constraint
        self.bias: Any = None
        self.input_spec = InputSpec(ndim=rank + 2)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    def _channels(self, input_shape: Any) -> int:
        """The number of channels of the inputs, from now on checked."""
        count = known_size(type(self).__name__, input_shape, self._channel_axis)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: count})
        return count

    def _make_bias(self) -> None:
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                [self.filters],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def _padded(self, inputs: Tensor) -> tuple[Tensor, str]:
        """The inputs and the padding that is left to do."""
        if self.padding != "causal":
            return inputs, self.padding.upper()
        before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
        return call.Pad(inputs, np.array([[0, 0], [before, 0], [0, 0]], np.int32)), "VALID"

    def _finished(self, outputs: Tensor) -> Tensor:
        if self.use_bias:
            order = "NCHW" if self.data_format == "channels_first" else "NHWC"
            outputs = bias_add(outputs, self.bias, data_format=order)
        return outputs

    def _activated(self, outputs: Tensor) -> Tensor:
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs."""
        dims = as_dims(as_shape(input_shape))
        assert dims is not None
        first = self.data_format == "channels_first"
        space = dims[2:] if first else dims[1:-1]
        new = [
            window_size(size, self.kernel_size[i], self.padding, self.strides[i],
                        self.dilation_rate[i])
            for i, size in enumerate(space)
        ]  # fmt: skip
        return as_shape([dims[0], *([self.filters] if first else []), *new,
                         *([] if first else [self.filters])])  # fmt: skip


class _Plain(Convolution):
    """A convolution with one filter: Conv1D, Conv2D, Conv3D."""

    def __init__(
        self,
        rank: int,
        arguments: dict[str, Any],
        kernel: dict[str, Any],
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(rank, **arguments, **kwargs)
        self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint = (
            kernel[name] for name in _KERNEL
        )

    def build(self, input_shape: Any) -> None:
        """Make ``kernel`` and ``bias``."""
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(
            "kernel",
            self._kernel_shape(channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._make_bias()

    def _kernel_shape(self, channels: int) -> list[int]:
        return [*self.kernel_size, channels, self.filters]

    def call(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        """The operations of the layer."""
        inputs, padding = self._padded(inputs)
        order = layout(self.data_format, self.rank)
        strides, dilations = ([1, *v, 1] if order.endswith("C") else [1, 1, *v]
                              for v in (self.strides, self.dilation_rate))  # fmt: skip
        if self.rank == 1:
            outputs = nn_conv1d(
                inputs, self.kernel, self.strides[0], padding, data_format=order,
                dilations=self.dilation_rate[0], name="Conv1D",
            )  # fmt: skip
        elif self.rank == 2:
            outputs = nn_conv2d(
                inputs, self.kernel, strides, padding, data_format=order, dilations=dilations,
                name="Conv2D",
            )  # fmt: skip
        else:
            outputs = nn_conv3d(
                inputs, self.kernel, strides, padding, data_format=order, dilations=dilations,
                name="Conv3D",
            )  # fmt: skip
        return self._activated(self._finished(outputs))


_ARGS = """
        filters: number of output channels.
        kernel_size: of the window: one number, or one for each axis.
        strides: steps of the window: one number, or one for each axis.
        padding: ``valid`` or ``same``{causal}.
        data_format: ``channels_last`` or ``channels_first``.
        dilation_rate: distance of the window's taps; above 1 only where the strides are 1.
        activation: a function of the result; None for none.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: as in tf.get_variable.
        kernel_regularizer, bias_regularizer: functions of the variable, added to the losses.
        activity_regularizer: a function of the output, added to the losses.
        kernel_constraint, bias_constraint: functions applied to the variable after an update.
        trainable: whether the variables are trained.
        name: of the layer; ``{name}`` by default."""


_KERNEL = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")


def _arguments(of_init: dict[str, Any]) -> dict[str, Any]:
    """The named arguments among the locals of an ``__init__``."""
    return {k: v for k, v in of_init.items() if k not in ("self", "rank", "kwargs")}


def _plain(rank: int) -> type[_Plain]:
    """The class ConvND."""
    name = f"Conv{rank}D"
    one: Any = 1 if rank == 1 else (1,) * rank

    def init(
        self: Any,
        filters: int,
        kernel_size: Any,
        strides: Any = one,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = one,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        given = _arguments(locals())
        kernel = {x: given.pop(x) for x in list(given) if x in _KERNEL}
        _Plain.__init__(self, rank, given, kernel, kwargs)

    words = {1: "sequences", 2: "images", 3: "volumes"}[rank]
    causal = ", or ``causal`` (no output sees a later input)" if rank == 1 else ""
    doc = (
        f"A convolution of {words}: ``activation(conv(inputs, kernel) + bias)``.\n\n    Args:"
        + _ARGS.format(name=f"conv{rank}d", causal=causal)
    )
    cls = type(name, (_Plain,), {"__init__": init, "__doc__": doc, "__module__": __name__})
    return export(f"layers.{name}")(cls)


Conv1D, Conv2D, Conv3D = (_plain(rank) for rank in (1, 2, 3))
conv1d = functional("conv1d", Conv1D)
conv2d = functional("conv2d", Conv2D)
conv3d = functional("conv3d", Conv3D)


# ---------------------------------------------------------------------------------------- separable


class _Separable(Convolution):
    """A filter for each channel, then one of a single tap that mixes them."""

    def __init__(
        self, rank: int, arguments: dict[str, Any], parts: dict[str, Any], kwargs: dict[str, Any]
    ) -> None:
        super().__init__(rank, **arguments, **kwargs)
        self.depth_multiplier: int = int(parts.pop("depth_multiplier"))
        self._parts = parts
        self.__dict__.update(parts)

    def build(self, input_shape: Any) -> None:
        """Make ``depthwise_kernel``, ``pointwise_kernel`` and ``bias``."""
        channels = self._channels(input_shape)
        shapes = {
            "depthwise": [*self.kernel_size, channels, self.depth_multiplier],
            "pointwise": [*[1] * self.rank, channels * self.depth_multiplier, self.filters],
        }
        self.depthwise_kernel, self.pointwise_kernel = (
            self.add_weight(
                f"{part}_kernel",
                shape,
                **{x: self._parts[f"{part}_{x}"]
                   for x in ("initializer", "regularizer", "constraint")},
            )
            for part, shape in shapes.items()
        )  # fmt: skip
        self._make_bias()

    def call(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        """The operations of the layer."""
        inputs, padding = self._padded(inputs)
        first = self.data_format == "channels_first"
        depthwise: Any = self.depthwise_kernel
        pointwise: Any = self.pointwise_kernel
        steps, rates, line = self.strides, self.dilation_rate, 2 if first else 1
        if self.rank == 1:  # images of one line
            inputs = call.ExpandDims(inputs, line)
            depthwise, pointwise = call.ExpandDims(depthwise, 0), call.ExpandDims(pointwise, 0)
            steps, rates = steps * 2, (1, *rates)
        outputs = nn_separable_conv2d(
            inputs,
            depthwise,
            pointwise,
            strides=[1, 1, *steps] if first else [1, *steps, 1],
            padding=padding,
            rate=rates,
            data_format=layout(self.data_format, 2),
        )
        outputs = self._finished(outputs)
        if self.rank == 1:
            outputs = call.Squeeze(outputs, squeeze_dims=[line])
        return self._activated(outputs)


_SEPARABLE_ARGS = """
        depth_multiplier: number of filters for each input channel.
        depthwise_initializer, pointwise_initializer: as in tf.get_variable.
        depthwise_regularizer, pointwise_regularizer: functions of the variable, added to the
            losses.
        depthwise_constraint, pointwise_constraint: functions applied to the variable after an
            update."""


def _separable(rank: int) -> type[_Separable]:
    """The class SeparableConvND."""
    name = f"SeparableConv{rank}D"
    one: Any = 1 if rank == 1 else (1,) * rank

    def init(
        self: Any,
        filters: int,
        kernel_size: Any,
        strides: Any = one,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = one,
        depth_multiplier: int = 1,
        activation: Activation = None,
        use_bias: bool = True,
        depthwise_initializer: Any = None,
        pointwise_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        given = _arguments(locals())
        parts = {k: given.pop(k) for k in list(given) if k.split("_")[0] in _PARTS}
        _Separable.__init__(self, rank, given, parts, kwargs)

    words = {1: "sequences", 2: "images"}[rank]
    doc = (
        f"A convolution of {words} channel by channel, then one that mixes the channels.\n\n"
        "    Args:"
        + _ARGS.format(name=f"separable_conv{rank}d", causal="").replace(
            "kernel_initializer, bias_initializer", "bias_initializer"
        ).replace("kernel_regularizer, bias_regularizer", "bias_regularizer").replace(
            "kernel_constraint, bias_constraint", "bias_constraint"
        )
        + _SEPARABLE_ARGS
    )  # fmt: skip
    cls = type(name, (_Separable,), {"__init__": init, "__doc__": doc, "__module__": __name__})
    return export(f"layers.{name}")(cls)


_PARTS = ("depth", "depthwise", "pointwise")
SeparableConv1D, SeparableConv2D = _separable(1), _separable(2)
separable_conv1d = functional("separable_conv1d", SeparableConv1D)
separable_conv2d = functional("separable_conv2d", SeparableConv2D)
