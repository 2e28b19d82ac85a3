"""Convolutions: plain, transposed, separable, depthwise.

Kernels have TensorFlow's layout, (window..., channels in, channels out), with both data formats.

Read next: resizing.py (zero padding, cropping, up-sampling), pooling.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import (
    Configured,
    Shape,
    described,
    positive,
    sizes_of,
    with_shape,
)
from flowgraph.keras.layers.keras1 import CONVOLUTION, keras1
from flowgraph.layers.base import one_of, sizes
from flowgraph.layers.convolutional import window_size

_CONV1D = {
    **CONVOLUTION, "filter_length": "kernel_size", "subsample_length": "strides",
    "atrous_rate": "dilation_rate",
}  # fmt: skip
_CONV2D = {**CONVOLUTION, "subsample": "strides", "atrous_rate": "dilation_rate"}


class Spatial(Configured):
    """What layers over the places of sequences, images and volumes share."""

    #: How many axes a window has, and the data format when none is given (None: the setting).
    _window_axes = 2
    _default_format: str | None = None

    def _format(self, data_format: Any) -> str:
        return K.normalize_data_format(self._default_format if data_format is None else data_format)

    def _sizes(self, value: Any, what: str) -> tuple[int, ...]:
        word, count = type(self).__name__, self._window_axes
        if any(isinstance(v, float) and v != int(v) for v in np.ravel(np.asarray(value, object))):
            raise ValueError(f"{word}: {what} must be integers, got {value!r}")
        return sizes(word, value, count, what)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    @property
    def _places(self) -> range:
        """The axes of the windows in the input."""
        start = 2 if self.data_format == "channels_first" else 1
        return range(start, start + self._window_axes)

    def _shape_with(self, input_shape: Any, places: Any, channels: Any = None) -> Shape:
        """``input_shape`` with other sizes along the axes of the windows, and of the channels."""
        shape = list(input_shape)
        for axis, size in zip(self._places, places, strict=True):
            shape[axis] = size
        if channels is not None:
            shape[self._channel_axis] = channels
        return tuple(shape)


class Conv(Spatial):
    """What Conv1D, Conv2D and Conv3D are.

        y[n, i, f] = activation(bias[f] + sum over s and c of
                                x[n, strides * i + dilation_rate * s, c] * kernel[s, c, f])

    where i and s are places, with as many numbers as the window has axes.

    Args:
        filters: the number of channels of the output.
        kernel_size: of the window: a number, or one for each axis.
        strides: places between two windows: a number, or one for each axis.
        padding: "valid" (windows lie inside), "same" (zeros around, as many places as the input
            for strides 1); along one axis also "causal" (zeros in front only).
        data_format: "channels_last" or "channels_first".
        dilation_rate: places between two elements of a window.
        activation: a name or function; None: linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: the first values of the weights.
        kernel_regularizer, bias_regularizer: what weights add to the loss.
        activity_regularizer: what the output adds to the loss.
        kernel_constraint, bias_constraint: applied to weights after every update.
        kwargs: of every layer.

    Weights: kernel (*kernel_size, channels, filters), bias (filters,).
    """

    _paddings: tuple[str, ...] = ("valid", "same")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle(filters=positive(type(self).__name__, "filters", filters))
        self._settle_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self._settle(
            activation=activation, use_bias=use_bias, kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint, bias_constraint=bias_constraint,
        )  # fmt: skip

    def _settle_windows(
        self, kernel_size: Any, strides: Any, padding: str, data_format: Any, dilation_rate: Any
    ) -> None:
        word = type(self).__name__
        self._settle(
            kernel_size=self._sizes(kernel_size, "kernel_size"),
            strides=self._sizes(strides, "strides"),
            padding=one_of(word, padding, "padding", *self._paddings),
            data_format=self._format(data_format),
            dilation_rate=self._sizes(dilation_rate, "dilation_rate"),
        )
        if self.padding == "causal" and self.data_format != "channels_last":
            raise ValueError(f"{word}: causal padding is for channels_last only")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{word}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot "
                "both be greater than 1"
            )
        self.input_spec = InputSpec(ndim=self._window_axes + 2)

    def _channels(self, input_shape: Any) -> int:
        """The number of channels of the input, checked from now on."""
        axis = self._channel_axis
        count = self._size(input_shape, axis)
        self.input_spec = InputSpec(ndim=self._window_axes + 2, axes={axis: count})
        return count

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        channels = self._channels(input_shape)
        self.kernel = self._weight("kernel", self._kernel_shape(channels))
        self._make_bias(self.filters)

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, channels, self.filters)

    def _make_bias(self, count: int) -> None:
        self.bias = self._weight("bias", (count,)) if self.use_bias else None
        self.built = True

    def _alone(self, values: Any) -> Any:
        """The values of all axes, as the backend's function takes them."""
        return values[0] if self._window_axes == 1 else values

    def _convolved(self, inputs: Any) -> Any:
        functions: dict[int, Any] = {1: K.conv1d, 2: K.conv2d, 3: K.conv3d}
        function = functions[self._window_axes]
        return function(
            inputs, self.kernel, strides=self._alone(self.strides), padding=self.padding,
            data_format=self.data_format, dilation_rate=self._alone(self.dilation_rate),
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        output = self._convolved(inputs)
        if self.use_bias:
            output = K.bias_add(output, self.bias, data_format=self.data_format)
        return self.activation(output)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape with as many places as there are windows."""
        places = [
            window_size(input_shape[axis], self.kernel_size[i], self.padding, self.strides[i],
                        self.dilation_rate[i])
            for i, axis in enumerate(self._places)
        ]  # fmt: skip
        return self._shape_with(input_shape, places, self._channels_out(input_shape))

    def _channels_out(self, input_shape: Any) -> int:
        return self.filters


@keras1(**_CONV1D)
class Conv1D(Conv):
    __doc__ = described(
        "Convolution of sequences (samples, steps, channels).", Conv,
        """
        >>> from flowgraph import keras
        >>> print(Conv1D(8, 3, padding="causal")(keras.Input((100, 4))).shape)
        (?, 100, 8)
        """,
    )  # fmt: skip
    _axes_of_input_dim = 2
    _window_axes = 1
    _default_format = "channels_last"
    _paddings = ("valid", "same", "causal")


@keras1(**_CONV2D)
class Conv2D(Conv):
    __doc__ = described(
        "Convolution of images (samples, rows, columns, channels).", Conv,
        """
        >>> from flowgraph import keras
        >>> layer = Conv2D(32, (3, 3), strides=2, activation="relu")
        >>> print(layer(keras.Input((28, 28, 1))).shape, layer.count_params())
        (?, 13, 13, 32) 320
        """,
    )  # fmt: skip


@keras1(**_CONV2D)
class Conv3D(Conv):
    __doc__ = described("Convolution of volumes (samples, planes, rows, columns, channels).", Conv)
    _window_axes = 3


# ------------------------------------------------------------------------------------- transposed


class _Transposed(Conv):
    """What Conv2DTranspose and Conv3DTranspose are.

    Every place of the input adds its multiples of the kernel to the output.

    Args:
        filters: the number of channels of the output.
        kernel_size: of the window: a number, or one for each axis.
        strides: places of the output between two places of the input.
        padding: "valid" or "same": of the convolution whose transpose this is.
        output_padding: how many places more the output has at its end; by default such that its
            size is that of the input times ``strides`` ("same"), or what all windows cover.
        data_format: "channels_last" or "channels_first".
        dilation_rate: places between two elements of a window.
        kwargs: ``activation``, ``use_bias``, initializers, regularizers and constraints as of
            Conv2D; those of every layer.

    Weights: kernel (*kernel_size, filters, channels), bias (filters,).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, activation,
            use_bias, **kwargs,
        )  # fmt: skip
        word = type(self).__name__
        if output_padding is not None:
            numbers = [output_padding] if isinstance(output_padding, int) else list(output_padding)
            numbers = numbers * self._window_axes if len(numbers) == 1 else numbers
            if len(numbers) != self._window_axes or min(numbers) < 0:
                raise ValueError(
                    f"{word}: output_padding must be a number or {self._window_axes} (0 at least), "
                    f"got {output_padding!r}"
                )
            if any(more >= step for more, step in zip(numbers, self.strides, strict=True)):
                raise ValueError(
                    f"{word}: strides {self.strides} must be greater than output_padding "
                    f"{tuple(numbers)}"
                )
            output_padding = tuple(numbers)
        self._settle(output_padding=output_padding)

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters, channels)

    def _spread(self, size: Any, i: int) -> Any:
        """The size of the output along an axis of ``size`` elements (a number, tensor or None)."""
        if size is None:
            return None
        step = self.strides[i]
        window = (self.kernel_size[i] - 1) * self.dilation_rate[i] + 1
        if self.output_padding is None:
            return size * step + (max(window - step, 0) if self.padding == "valid" else 0)
        less = 2 * (window // 2) if self.padding == "same" else 0
        return (size - 1) * step + window - less + self.output_padding[i]

    def _convolved(self, inputs: Any) -> Any:
        shape = sizes_of(inputs)
        for i, axis in enumerate(self._places):
            shape[axis] = self._spread(shape[axis], i)
        shape[self._channel_axis] = self.filters
        last = self.data_format == "channels_last"
        function = tf.nn.conv2d_transpose if self._window_axes == 2 else tf.nn.conv3d_transpose
        order = "HW" if self._window_axes == 2 else "DHW"
        output = function(
            inputs, self.kernel, tf.stack(shape),
            [1, *self.strides, 1] if last else [1, 1, *self.strides],
            padding=self.padding.upper(), data_format=f"N{order}C" if last else f"NC{order}",
            dilations=list(self.dilation_rate),
        )  # fmt: skip
        return with_shape(output, self.compute_output_shape(K.int_shape(inputs)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape of what all windows cover."""
        places = [self._spread(input_shape[axis], i) for i, axis in enumerate(self._places)]
        return self._shape_with(input_shape, places, self.filters)


@keras1(**_CONV2D, output_shape="")
class Conv2DTranspose(_Transposed):
    __doc__ = described(
        "The transpose of a convolution of images: larger images.", _Transposed,
        """
        >>> from flowgraph import keras
        >>> print(Conv2DTranspose(8, 3, strides=2, padding="same")(keras.Input((7, 7, 4))).shape)
        (?, 14, 14, 8)
        """,
    )  # fmt: skip


@keras1(**_CONV2D, output_shape="")
class Conv3DTranspose(_Transposed):
    __doc__ = described("The transpose of a convolution of volumes.", _Transposed)
    _window_axes = 3


# ------------------------------------------------------------------------- separable and depthwise


class _Separable(Conv):
    """What SeparableConv1D and SeparableConv2D are.

    Every channel is convolved by itself, then all channels of a place are multiplied by a matrix.

    Args:
        filters: the number of channels of the output.
        kernel_size, strides, padding, data_format, dilation_rate: as of Conv2D.
        depth_multiplier: how many channels each one becomes before the matrix.
        activation: a name or function; None: linear.
        use_bias: whether there is a bias.
        depthwise_initializer, pointwise_initializer, bias_initializer: the first values.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: what weights add to the
            loss.
        activity_regularizer: what the output adds to the loss.
        depthwise_constraint, pointwise_constraint, bias_constraint: applied after every update.
        kwargs: of every layer.

    Weights: depthwise_kernel (*kernel_size, channels, depth_multiplier), pointwise_kernel
    (1..., channels * depth_multiplier, filters), bias (filters,).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        for name in ("kernel_initializer", "kernel_regularizer", "kernel_constraint"):
            kwargs.pop(name, None)  # files of other releases have them, without a meaning
        Configured.__init__(self, **kwargs)
        word = type(self).__name__
        self._settle(filters=positive(word, "filters", filters))
        self._settle_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self._settle(
            depth_multiplier=positive(word, "depth_multiplier", depth_multiplier),
            activation=activation, use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer, bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint, bias_constraint=bias_constraint,
        )  # fmt: skip

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        channels, more = self._channels(input_shape), self.depth_multiplier
        self.depthwise_kernel = self._weight(
            "depthwise_kernel", (*self.kernel_size, channels, more), "depthwise"
        )
        ones = (1,) * self._window_axes
        self.pointwise_kernel = self._weight(
            "pointwise_kernel", (*ones, channels * more, self.filters), "pointwise"
        )
        self._make_bias(self.filters)

    def _convolved(self, inputs: Any) -> Any:
        function = K.separable_conv1d if self._window_axes == 1 else K.separable_conv2d
        padding = self.padding
        if padding == "causal":
            before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            inputs, padding = K.temporal_padding(inputs, (before, 0)), "valid"
        return function(
            inputs, self.depthwise_kernel, self.pointwise_kernel,
            strides=self._alone(self.strides), padding=padding, data_format=self.data_format,
            dilation_rate=self._alone(self.dilation_rate),
        )  # fmt: skip


@keras1(**_CONV1D)
class SeparableConv1D(_Separable):
    __doc__ = described("A separable convolution of sequences.", _Separable)
    _axes_of_input_dim = 2
    _window_axes = 1
    _default_format = "channels_last"
    _paddings = ("valid", "same", "causal")


@keras1(**_CONV2D)
class SeparableConv2D(_Separable):
    __doc__ = described("A separable convolution of images.", _Separable)


@keras1(**_CONV2D)
class DepthwiseConv2D(Conv):
    """Every channel of images convolved by itself.

    Args:
        kernel_size, strides, padding, data_format: as of Conv2D.
        depth_multiplier: how many channels each one becomes.
        activation: a name or function; None: linear.
        use_bias: whether there is a bias.
        depthwise_initializer, bias_initializer: the first values of the weights.
        depthwise_regularizer, bias_regularizer: what weights add to the loss.
        activity_regularizer: what the output adds to the loss.
        depthwise_constraint, bias_constraint: applied to weights after every update.
        dilation_rate: places between two elements of a window.
        kwargs: of every layer.

    Weights: depthwise_kernel (*kernel_size, channels, depth_multiplier), bias (channels *
    depth_multiplier,).
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        for name in ("kernel_initializer", "kernel_regularizer", "kernel_constraint"):
            kwargs.pop(name, None)  # files of other releases have them, without a meaning
        Configured.__init__(self, **kwargs)
        self._settle_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self._settle(
            depth_multiplier=positive("DepthwiseConv2D", "depth_multiplier", depth_multiplier),
            activation=activation, use_bias=use_bias,
            depthwise_initializer=depthwise_initializer, bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
        )  # fmt: skip

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        channels, more = self._channels(input_shape), self.depth_multiplier
        self.depthwise_kernel = self._weight(
            "depthwise_kernel", (*self.kernel_size, channels, more), "depthwise"
        )
        self._make_bias(channels * more)

    def _convolved(self, inputs: Any) -> Any:
        return K.depthwise_conv2d(
            inputs, self.depthwise_kernel, strides=self.strides, padding=self.padding,
            data_format=self.data_format, dilation_rate=self.dilation_rate,
        )  # fmt: skip

    def _channels_out(self, input_shape: Any) -> int:
        return self._size(input_shape, self._channel_axis) * self.depth_multiplier


Convolution1D = AtrousConv1D = AtrousConvolution1D = Conv1D
Convolution2D = AtrousConv2D = AtrousConvolution2D = Conv2D
Convolution3D = Conv3D
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
Convolution2DTranspose = Deconvolution2D = Deconv2D = Conv2DTranspose
Convolution3DTranspose = Deconvolution3D = Deconv3D = Conv3DTranspose
