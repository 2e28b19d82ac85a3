"""The public functions of depthwise and separable convolutions.

Read next: depthwise.py (the records).
"""

from __future__ import annotations

from typing import Any

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.convolution_functions import padding_attrs, per_axis
from flowgraph.ops.rules import one_name
from flowgraph.ops.windows import image_dims


@export("nn.depthwise_conv2d_native")
def depthwise_conv2d_native(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """Images convolved channel by channel, each with ``m`` filters of its own.

    y[n, i, j, c*m + q] = sum over r, s of x[n, i*stride + r*dilation, j*stride + s*dilation, c]
                          w[r, s, c, q]

    Args:
        input: (n, height, width, channels) float.
        filter: (height, width, channels, m), of the dtype of ``input``.
        strides: four numbers, the first and last 1; one or two are taken too.
        padding: ``SAME``, ``VALID``, or pairs (before, after) for every axis.
        data_format: ``NHWC``, or ``NCHW``: channels are the second axis.
        dilations: distance of the taps, given like ``strides``.
        name: of the operation; ``DepthwiseConv2dNative`` by default.

    Returns:
        (n, rows, columns, channels * m), in the data_format.

    Raises:
        ValueError: as of conv2d.

    Gradient: as of conv2d, channel by channel.

    >>> x = tf.reshape(tf.range(8.0), [1, 2, 2, 2])
    >>> w = tf.constant([1.0, 10.0], shape=[1, 1, 2, 1])
    >>> tf.Session().run(tf.nn.depthwise_conv2d_native(x, w, [1, 1, 1, 1], "SAME"))[0, 1]
    array([[ 4., 50.],
           [ 6., 70.]], dtype=float32)
    """
    return apply_op(
        "DepthwiseConv2dNative",
        input,
        filter,
        name=name,
        **_attrs(strides, padding, data_format, dilations),
    )


def _attrs(strides: Any, padding: Any, data_format: str, dilations: Any) -> dict[str, Any]:
    return {
        "strides": per_axis(strides, 2, data_format, "strides"),
        "data_format": data_format,
        "dilations": per_axis(1 if dilations is None else dilations, 2, data_format, "dilations"),
        **padding_attrs(padding),
    }


@export("nn.depthwise_conv2d_native_backprop_input", "nn.depthwise_conv2d_backprop_input")
def depthwise_conv2d_native_backprop_input(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of depthwise_conv2d_native by its input, of shape ``input_sizes``.

    Args:
        input_sizes: the shape of that input: numbers or an int32 vector.
        filter, strides, padding, data_format, dilations: of the depthwise_conv2d_native.
        out_backprop: gradient of its output.
        name: of the operation; ``DepthwiseConv2dNativeBackpropInput`` by default.

    Raises:
        ValueError: no such convolution makes ``out_backprop``.
    """
    return apply_op(
        "DepthwiseConv2dNativeBackpropInput",
        input_sizes,
        filter,
        out_backprop,
        name=name,
        **_attrs(strides, padding, data_format, dilations),
    )


@export("nn.depthwise_conv2d_native_backprop_filter", "nn.depthwise_conv2d_backprop_filter")
def depthwise_conv2d_native_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of depthwise_conv2d_native by its filter, of shape ``filter_sizes``.

    Args:
        input, strides, padding, data_format, dilations: of the depthwise_conv2d_native.
        filter_sizes: the shape of the filter: numbers or an int32 vector.
        out_backprop: gradient of the output.
        name: of the operation; ``DepthwiseConv2dNativeBackpropFilter`` by default.

    Raises:
        ValueError: no such convolution makes ``out_backprop``.
    """
    return apply_op(
        "DepthwiseConv2dNativeBackpropFilter",
        input,
        filter_sizes,
        out_backprop,
        name=name,
        **_attrs(strides, padding, data_format, dilations),
    )


@export("nn.depthwise_conv2d")
def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """depthwise_conv2d_native, with taps ``rate`` pixels apart.

    Args:
        input: (n, height, width, channels) float.
        filter: (height, width, channels, m).
        strides: four numbers, the first and last 1; all 1 where a rate is above 1.
        padding: ``SAME``, ``VALID``, or pairs (before, after) for every axis.
        rate: two positive numbers (or one for both axes).
        name: of the operation; ``depthwise`` by default.
        data_format: ``NHWC`` (the default) or ``NCHW``.
        dilations: another name of ``rate``.

    Returns:
        (n, rows, columns, channels * m), in the data_format.

    Raises:
        ValueError: a stride and a rate are both above 1, or as of conv2d.

    Gradient: as of depthwise_conv2d_native.
    """
    rate = one_name("depthwise_conv2d", rate=rate, dilations=dilations)
    data_format = data_format or "NHWC"
    with name_scope(name, "depthwise", [input, filter]) as scope:
        attrs = _attrs(strides, padding, data_format, rate)
        _one_of(attrs, "depthwise_conv2d")
        return apply_op("DepthwiseConv2dNative", input, filter, name=scope, **attrs)


def _one_of(attrs: dict[str, Any], function: str) -> None:
    if max(attrs["strides"]) > 1 and max(attrs["dilations"]) > 1:
        raise ValueError(
            f"{function}: strides {attrs['strides']} must all be 1 where a rate is above 1: "
            f"{attrs['dilations']}"
        )


@export("nn.separable_conv2d")
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """A depthwise convolution, then one of a single tap that mixes its channels.

    Args:
        input: (n, height, width, channels) float.
        depthwise_filter: (height, width, channels, m).
        pointwise_filter: (1, 1, channels * m, depth).
        strides, padding, rate: of the depthwise convolution; see depthwise_conv2d.
        name: of the operations; ``separable_conv2d`` by default.
        data_format: ``NHWC`` (the default) or ``NCHW``.
        dilations: another name of ``rate``.

    Returns:
        (n, rows, columns, depth), in the data_format.

    Raises:
        ValueError: the pointwise filter has more than one tap or other channels, or as of
            depthwise_conv2d.

    Gradient: through both.
    """
    rate = one_name("separable_conv2d", rate=rate, dilations=dilations)
    data_format = data_format or "NHWC"
    with name_scope(name, "separable_conv2d", [input, depthwise_filter, pointwise_filter]) as scope:
        input = convert_to_tensor(input, name="tensor_in")
        dtype = input.dtype.base_dtype
        pointwise = convert_to_tensor(pointwise_filter, dtype=dtype, name="pointwise_filter")
        depthwise = convert_to_tensor(depthwise_filter, dtype=dtype, name="depthwise_filter")
        _check_pointwise(pointwise, depthwise)
        attrs = _attrs(strides, padding, data_format, rate)
        _one_of(attrs, "separable_conv2d")
        spread = apply_op("DepthwiseConv2dNative", input, depthwise, name="depthwise", **attrs)
        return call.Conv2D(
            spread,
            pointwise,
            strides=[1, 1, 1, 1],
            padding="VALID",
            data_format=data_format,
            name=scope,
        )


def _check_pointwise(pointwise: Tensor, depthwise: Tensor) -> None:
    """One tap, which takes what the depthwise convolution makes."""
    rows, columns, taken, _ = image_dims(pointwise.dims, 4, "pointwise_filter")
    if rows not in (None, 1) or columns not in (None, 1):
        raise ValueError(
            f"separable_conv2d: pointwise_filter must have one tap, not {rows} x {columns}"
        )
    channels, multiple = image_dims(depthwise.dims, 4, "depthwise_filter")[2:]
    if taken is not None and channels is not None and multiple is not None:
        if taken != channels * multiple:
            raise ValueError(
                f"separable_conv2d: pointwise_filter takes {taken} channels, the depthwise "
                f"convolution makes {channels * multiple}"
            )
