"""The largest element, or the mean, of every window of places, or of all.

Read next: convolutions.py.
"""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Shape
from flowgraph.keras.layers.convolutions import Spatial
from flowgraph.keras.layers.keras1 import keras1
from flowgraph.layers.base import one_of
from flowgraph.layers.convolutional import window_size

_ARGS = """

    Args:
        pool_size: of the window: a number, or one for each axis.
        strides: places between two windows; ``pool_size`` by default.
        padding: "valid" (windows lie inside) or "same" (they may lie half outside).
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.
    """


class _Pooling(Spatial):
    """A window of places of every channel becomes one number."""

    _mode = "max"

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle(
            pool_size=self._sizes(pool_size, "pool_size"),
            strides=self._sizes(pool_size if strides is None else strides, "strides"),
            padding=one_of(type(self).__name__, padding, "padding", "valid", "same"),
            data_format=self._format(data_format),
        )
        self.input_spec = InputSpec(ndim=self._window_axes + 2)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        if self._window_axes == 3:
            pool = K.pool3d
        else:
            pool = K.pool2d
        window, strides = self.pool_size, self.strides
        line = 3 if self.data_format == "channels_first" else 2
        if self._window_axes == 1:  # images of one column
            inputs, window, strides = tf.expand_dims(inputs, line), (*window, 1), (*strides, 1)
        output = pool(inputs, window, strides, self.padding, self.data_format, self._mode)
        return tf.squeeze(output, [line]) if self._window_axes == 1 else output

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape with as many places as there are windows."""
        places = [
            window_size(input_shape[axis], self.pool_size[i], self.padding, self.strides[i])
            for i, axis in enumerate(self._places)
        ]
        return self._shape_with(input_shape, places)


class _Pooling1D(_Pooling):
    _window_axes = 1
    _axes_of_input_dim = 2
    _default_format = "channels_last"


_OLD_1D = {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}


@keras1(**_OLD_1D)
class MaxPooling1D(_Pooling1D):
    __doc__ = f"The largest element of every window of sequences.{_ARGS}"


@keras1(**_OLD_1D)
class AveragePooling1D(_Pooling1D):
    __doc__ = f"The mean of every window of sequences.{_ARGS}"
    _mode = "avg"


@keras1(border_mode="padding")
class MaxPooling2D(_Pooling):
    __doc__ = f"""The largest element of every window of images.{_ARGS}
    >>> from flowgraph import keras
    >>> print(MaxPooling2D()(keras.Input((32, 32, 3))).shape)
    (?, 16, 16, 3)
    """


@keras1(border_mode="padding")
class AveragePooling2D(_Pooling):
    __doc__ = f"The mean of every window of images.{_ARGS}"
    _mode = "avg"


@keras1(border_mode="padding")
class MaxPooling3D(_Pooling):
    __doc__ = f"The largest element of every window of volumes.{_ARGS}"
    _window_axes = 3


@keras1(border_mode="padding")
class AveragePooling3D(_Pooling):
    __doc__ = f"The mean of every window of volumes.{_ARGS}"
    _window_axes = 3
    _mode = "avg"


# ----------------------------------------------------------------------------------------- global


class _GlobalPooling(Spatial):
    """All places of every channel become one number."""

    _reduce: Any = staticmethod(K.max)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(data_format=self._format(data_format))
        self.input_spec = InputSpec(ndim=self._window_axes + 2)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return self._reduce(inputs, axis=list(self._places))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(samples, channels)."""
        return (input_shape[0], input_shape[self._channel_axis])


_GLOBAL_ARGS = """

    Args:
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.

    Output shape: (samples, channels).
    """


class GlobalMaxPooling1D(_GlobalPooling):
    __doc__ = f"The largest element of every channel of sequences.{_GLOBAL_ARGS}"
    _window_axes = 1
    _axes_of_input_dim = 2
    _default_format = "channels_last"


class GlobalAveragePooling1D(_GlobalPooling):
    __doc__ = f"""The mean of every channel of sequences, of the steps that are not masked.{
        _GLOBAL_ARGS
    }"""
    _window_axes = 1
    _axes_of_input_dim = 2
    _default_format = "channels_last"

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The operations of the layer."""
        axis = self._places[0]
        if mask is None:
            return K.mean(inputs, axis=axis)
        counted = tf.expand_dims(tf.cast(mask, inputs.dtype), 2 if axis == 1 else 1)
        return K.sum(inputs * counted, axis=axis) / K.sum(counted, axis=axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: there are no steps left."""
        return None


@keras1()
class GlobalMaxPooling2D(_GlobalPooling):
    __doc__ = f"The largest element of every channel of images.{_GLOBAL_ARGS}"


@keras1()
class GlobalAveragePooling2D(_GlobalPooling):
    __doc__ = f"The mean of every channel of images.{_GLOBAL_ARGS}"
    _reduce = staticmethod(K.mean)


@keras1()
class GlobalMaxPooling3D(_GlobalPooling):
    __doc__ = f"The largest element of every channel of volumes.{_GLOBAL_ARGS}"
    _window_axes = 3


@keras1()
class GlobalAveragePooling3D(_GlobalPooling):
    __doc__ = f"The mean of every channel of volumes.{_GLOBAL_ARGS}"
    _window_axes = 3
    _reduce = staticmethod(K.mean)


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalAvgPool1D = GlobalMaxPooling1D, GlobalAveragePooling1D
GlobalMaxPool2D, GlobalAvgPool2D = GlobalMaxPooling2D, GlobalAveragePooling2D
GlobalMaxPool3D, GlobalAvgPool3D = GlobalMaxPooling3D, GlobalAveragePooling3D
