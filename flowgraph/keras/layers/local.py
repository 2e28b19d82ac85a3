"""Convolutions with another kernel at every place: LocallyConnected1D, LocallyConnected2D.

Read next: convolutions.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Shape, described, positive
from flowgraph.keras.layers.convolutions import Spatial
from flowgraph.keras.layers.keras1 import CONVOLUTION, keras1
from flowgraph.layers.convolutional import window_size


class _LocallyConnected(Spatial):
    """What LocallyConnected1D and LocallyConnected2D are.

    A convolution whose kernel and bias are others at every place.

    Args:
        filters: the number of channels of the output.
        kernel_size: of the window: a number, or one for each axis.
        strides: places between two windows.
        padding: "valid".
        data_format: "channels_last" or "channels_first".
        activation: a name or function; None: linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: the first values of the weights.
        kernel_regularizer, bias_regularizer: what weights add to the loss.
        activity_regularizer: what the output adds to the loss.
        kernel_constraint, bias_constraint: applied to weights after every update.
        kwargs: of every layer.

    The input must have known sizes.
    Weights: kernel (windows, size of a window, filters), bias (places of the output..., filters).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
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
        if kwargs.pop("implementation", 1) != 1:  # files of later releases have it
            raise ValueError(f"{type(self).__name__}: only implementation 1 is known")
        super().__init__(**kwargs)
        if str(padding).lower() != "valid":
            raise ValueError(f"{type(self).__name__}: padding must be 'valid', got {padding!r}")
        self._settle(
            filters=positive(type(self).__name__, "filters", filters),
            kernel_size=self._sizes(kernel_size, "kernel_size"),
            strides=self._sizes(strides, "strides"), padding="valid",
            data_format=self._format(data_format), activation=activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )  # fmt: skip
        self.input_spec = InputSpec(ndim=self._window_axes + 2)

    def _windows(self, input_shape: Any) -> tuple[Any, ...]:
        """How many windows there are along each axis."""
        return tuple(
            window_size(input_shape[axis], self.kernel_size[i], "valid", self.strides[i])
            for i, axis in enumerate(self._places)
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        axes = [*self._places, self._channel_axis]
        known = {axis: self._size(input_shape, axis) for axis in axes}
        windows, count = self._windows(input_shape), 1
        for number in windows:
            count *= number
        if not count:
            raise ValueError(
                f"{self._word}: a window of {self.kernel_size} does not fit into an input of shape "
                f"{tuple(input_shape)}"
            )
        size = known[self._channel_axis]
        for width in self.kernel_size:
            size *= width
        self._output_places = windows
        self.kernel = self._weight("kernel", (count, size, self.filters))
        self.bias = self._weight("bias", (*windows, self.filters)) if self.use_bias else None
        self.input_spec = InputSpec(ndim=self._window_axes + 2, axes=known)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        if self._window_axes == 1:
            output = K.local_conv1d(
                inputs, self.kernel, self.kernel_size, self.strides, self.data_format
            )
        else:
            output = K.local_conv2d(
                inputs, self.kernel, self.kernel_size, self.strides, self._output_places,
                self.data_format,
            )  # fmt: skip
        if self.use_bias:
            output = K.bias_add(output, self.bias, data_format=self.data_format)
        return self.activation(output)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape with as many places as there are windows."""
        return self._shape_with(input_shape, self._windows(input_shape), self.filters)


@keras1(**CONVOLUTION, filter_length="kernel_size", subsample_length="strides")
class LocallyConnected1D(_LocallyConnected):
    __doc__ = described("Windows of sequences times matrices of their own.", _LocallyConnected)
    _axes_of_input_dim = 2
    _window_axes = 1
    _default_format = "channels_last"


@keras1(**CONVOLUTION, subsample="strides")
class LocallyConnected2D(_LocallyConnected):
    __doc__ = described("Windows of images times matrices of their own.", _LocallyConnected)
