"""The public functions of convolutions: conv1d, conv2d, conv3d and their gradients by name.

Strides and dilations are one number, one for each spatial axis, or one for each axis.  A dilated
convolution is one op with the attr ``dilations``; conv1d is a Conv2D over images of one line.

Read next: convolution_transposed.py, convolution_any_rank.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.rules import one_name

# --------------------------------------------------------------------------------------- arguments


def per_axis(numbers: Any, space: int, data_format: str, what: str) -> list[int]:
    """``numbers`` for all axes: from one, one for each spatial axis, or one for each axis."""
    listed = [numbers] if isinstance(numbers, (int, np.integer)) else list(numbers)
    if len(listed) == space + 2:
        return [int(n) for n in listed]
    if len(listed) not in (1, space):
        allowed = sorted({1, space, space + 2})
        raise ValueError(
            f"{what} should be of length {', '.join(map(str, allowed[:-1]))} or {allowed[-1]} "
            f"but was {len(listed)}: {listed}"
        )
    inner = [int(n) for n in listed * (space if len(listed) == 1 else 1)]
    return [1, 1, *inner] if data_format.startswith("NC") else [1, *inner, 1]


def padding_attrs(padding: Any) -> dict[str, Any]:
    """The attrs of ``padding``: a name, or a list of (before, after) for every axis."""
    if isinstance(padding, (list, tuple)):
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in padding):
            raise ValueError(f"padding as a list has two numbers for every axis, not {padding!r}")
        if len(padding) != 4:
            raise ValueError(f"padding as a list must be of size 4, one pair for each axis: "
                             f"{padding!r} has {len(padding)}")  # fmt: skip
        return {"padding": "EXPLICIT", "explicit_paddings": [n for pair in padding for n in pair]}
    if padding == "EXPLICIT":
        raise ValueError("'EXPLICIT' is not a valid padding: give a list of pairs, one per axis")
    return {"padding": padding}


def format_of(data_format: str | None, rank: int, function: str) -> str:
    """``data_format`` spelt for images of ``rank``; channels last when None."""
    names = {3: ("NWC", "NCW"), 4: ("NHWC", "NCHW"), 5: ("NDHWC", "NCDHW")}[rank]
    if data_format is None:
        return names[0]
    if data_format not in names:
        raise ValueError(f"{function}: data_format must be {' or '.join(names)}, "
                         f"not {data_format!r}")  # fmt: skip
    return data_format


def line_format(data_format: str | None, function: str) -> str:
    """The format of images of one line; both spellings are known."""
    if data_format in (None, "NWC", "NHWC"):
        return "NHWC"
    if data_format in ("NCW", "NCHW"):
        return "NCHW"
    raise ValueError(f"{function}: data_format must be NWC or NCW, not {data_format!r}")


def given(function: str, **values: Any) -> Any:
    """The value of an argument with several names, which must be given."""
    found = one_name(function, **values)
    if found is None:
        raise ValueError(f"{function}: {' or '.join(values)} must be given")
    return found


# ----------------------------------------------------------------------------------- convolutions


@export("nn.conv2d")
def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Images convolved with a filter.

    y[n, i, j, o] = sum over r, s, c of x[n, i*stride + r*dilation, j*stride + s*dilation, c]
                    w[r, s, c, o]
    where x stands in a frame of zeros.

    Args:
        input: (n, height, width, channels) float.
        filter: (height, width, channels, depth), of the dtype of ``input``.  Fewer channels than
            the input has make groups: the first ones make the first outputs, and so on.
        strides: a number, two (height, width), or four (all axes); 1 when None.
        padding: ``SAME`` (as many windows as pixels, divided by the stride), ``VALID`` (no zeros),
            or pairs (before, after) for every axis, those of batch and channels 0.
        use_cudnn_on_gpu: accepted; changes nothing.
        data_format: ``NHWC``, or ``NCHW``: channels are the second axis.
        dilations: distance of the taps, given like ``strides``.
        name: of the operation; ``Conv2D`` by default.
        filters: another name of ``filter``.

    Returns:
        (n, rows, columns, depth), in the data_format.

    Raises:
        ValueError: channels or ranks do not fit, a window is larger than the framed image, a
            stride or dilation is not positive, or not 1 along batch or channels.

    Gradient: by the input, the same sum run backwards; by the filter, a sum over all pixels.
    Numerics: float32 sums in float32 in an order fixed by the sizes.

    >>> image = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    >>> y = tf.nn.conv2d(image, tf.ones([2, 2, 1, 1]), strides=1, padding="VALID")
    >>> tf.Session().run(y)[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]], dtype=float32)
    """
    filter = given("conv2d", filter=filter, filters=filters)
    return apply_op(
        "Conv2D",
        input,
        filter,
        strides=per_axis(1 if strides is None else strides, 2, data_format, "strides"),
        use_cudnn_on_gpu=use_cudnn_on_gpu,
        data_format=data_format,
        dilations=per_axis(1 if dilations is None else dilations, 2, data_format, "dilations"),
        name=name,
        **padding_attrs(padding),
    )


@export("nn.conv2d_backprop_input")
def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """The gradient of conv2d by its input.

    Args:
        input_sizes: the shape of that input: numbers or an int32 vector.
        filter, strides, padding, data_format, dilations: of the conv2d.
        out_backprop: gradient of its output.
        use_cudnn_on_gpu: accepted; changes nothing.
        name: of the operation; ``Conv2DBackpropInput`` by default.
        filters: another name of ``filter``.

    Returns:
        A tensor of shape ``input_sizes``.

    Raises:
        ValueError: no conv2d makes ``out_backprop`` from such an input and filter.
    """
    filter = given("conv2d_backprop_input", filter=filter, filters=filters)
    return apply_op(
        "Conv2DBackpropInput",
        input_sizes,
        filter,
        out_backprop,
        strides=per_axis(1 if strides is None else strides, 2, data_format, "strides"),
        use_cudnn_on_gpu=use_cudnn_on_gpu,
        data_format=data_format,
        dilations=per_axis(1 if dilations is None else dilations, 2, data_format, "dilations"),
        name=name,
        **padding_attrs(padding),
    )


@export("nn.conv2d_backprop_filter")
def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of conv2d by its filter.

    Args:
        input, strides, padding, data_format, dilations: of the conv2d.
        filter_sizes: the shape of the filter: numbers or an int32 vector.
        out_backprop: gradient of the output.
        use_cudnn_on_gpu: accepted; changes nothing.
        name: of the operation; ``Conv2DBackpropFilter`` by default.

    Returns:
        A tensor of shape ``filter_sizes``.

    Raises:
        ValueError: no conv2d makes ``out_backprop`` from such an input and filter.
    """
    return apply_op(
        "Conv2DBackpropFilter",
        input,
        filter_sizes,
        out_backprop,
        strides=per_axis(strides, 2, data_format, "strides"),
        use_cudnn_on_gpu=use_cudnn_on_gpu,
        data_format=data_format,
        dilations=per_axis(1 if dilations is None else dilations, 2, data_format, "dilations"),
        name=name,
        **padding_attrs(padding),
    )


@export("nn.conv3d")
def conv3d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Volumes convolved with a filter; conv2d with one more axis.

    Args:
        input: (n, depth, height, width, channels) float.
        filter: (depth, height, width, channels, channels of the result).
        strides: five numbers, the first and last 1; one or three are taken too.
        padding: ``SAME`` or ``VALID``.
        data_format: ``NDHWC``, or ``NCDHW``: channels are the second axis.
        dilations: distance of the taps, given like ``strides``.
        name: of the operation; ``Conv3D`` by default.
        filters: another name of ``filter``.

    Returns:
        (n, planes, rows, columns, channels), in the data_format.

    Raises:
        ValueError: as of conv2d.

    Gradient: as of conv2d.
    """
    filter = given("conv3d", filter=filter, filters=filters)
    return apply_op(
        "Conv3D",
        input,
        filter,
        strides=per_axis(given("conv3d", strides=strides), 3, data_format, "strides"),
        padding=padding,
        data_format=data_format,
        dilations=per_axis(1 if dilations is None else dilations, 3, data_format, "dilations"),
        name=name,
    )


@export("nn.conv3d_backprop_filter", "nn.conv3d_backprop_filter_v2")
def conv3d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Sequence[int],
    padding: str,
    data_format: str = "NDHWC",
    dilations: Sequence[int] = (1, 1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of conv3d by its filter, of shape ``filter_sizes``.

    Args:
        input, strides, padding, data_format, dilations: of the conv3d.
        filter_sizes: the shape of the filter: numbers or an int32 vector.
        out_backprop: gradient of the output.
        name: of the operation; ``Conv3DBackpropFilterV2`` by default.

    Raises:
        ValueError: no conv3d makes ``out_backprop`` from such an input and filter.
    """
    return apply_op(
        "Conv3DBackpropFilterV2",
        input,
        filter_sizes,
        out_backprop,
        strides=per_axis(strides, 3, data_format, "strides"),
        padding=padding,
        data_format=data_format,
        dilations=per_axis(1 if dilations is None else dilations, 3, data_format, "dilations"),
        name=name,
    )


@export("nn.conv1d")
def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: str | None = None,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Sequences convolved with a filter: conv2d over images of one line.

    y[n, i, o] = sum over r, c of x[n, i*stride + r*dilation, c] w[r, c, o]

    Args:
        value: (n, width, channels) float.
        filters: (width, channels, depth).
        stride: a number (also in a list of one or three).
        padding: ``SAME`` or ``VALID``.
        use_cudnn_on_gpu: accepted; changes nothing.
        data_format: ``NWC``, or ``NCW``: channels are the second axis.
        name: of the operations; ``conv1d`` by default.
        input: another name of ``value``.
        dilations: distance of the taps.

    Returns:
        (n, width, depth), in the data_format.

    Raises:
        ValueError: as of conv2d.

    Gradient: as of conv2d.

    >>> x = tf.reshape(tf.constant([1.0, 2.0, 3.0]), [1, 3, 1])
    >>> tf.Session().run(tf.nn.conv1d(x, tf.ones([2, 1, 1]), 1, "VALID")).ravel()
    array([3., 5.], dtype=float32)
    """
    value = given("conv1d", value=value, input=input)
    layout = line_format(data_format, "conv1d")
    line = 1 if layout == "NHWC" else 2
    with name_scope(name, "conv1d", [value, filters]) as scope:
        image = call.ExpandDims(value, line)
        taps = call.ExpandDims(filters, 0)
        y = apply_op(
            "Conv2D",
            image,
            taps,
            strides=in_line(1 if stride is None else stride, layout, "stride"),
            use_cudnn_on_gpu=use_cudnn_on_gpu,
            padding=padding,
            data_format=layout,
            dilations=in_line(1 if dilations is None else dilations, layout, "dilations"),
            name=scope,
        )
        return call.Squeeze(y, squeeze_dims=[line])


def in_line(numbers: Any, layout: str, what: str) -> list[int]:
    """Numbers for all axes of an image of one line."""
    three = per_axis(numbers, 1, layout, what)
    return [three[0], 1, *three[1:]] if layout == "NHWC" else [*three[:2], 1, three[2]]
