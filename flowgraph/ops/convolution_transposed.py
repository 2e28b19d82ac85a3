"""The transposes of convolutions: conv1d_transpose to conv3d_transpose, conv_transpose.

Each is the gradient of the convolution that goes the other way, under the name of a layer.

Read next: convolution_any_rank.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.convolution_functions import (
    format_of,
    given,
    in_line,
    line_format,
    padding_attrs,
    per_axis,
)


@export("nn.conv2d_transpose")
def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The transpose of conv2d: every input pixel adds its multiple of the filter to the output.

    It is the gradient of the conv2d that would make ``value`` from an image of ``output_shape``.
    With a stride of 2 and padding SAME, four rows can come from seven rows or from eight: the
    output_shape decides.

    Args:
        value: (n, height, width, channels) float.
        filter: (height, width, depth, channels): the last two are those of conv2d, the other way
            round here.
        output_shape: the shape of the result: numbers, scalars, or an int32 vector.
        strides: how much larger the result is; a number, two, or four.
        padding: of that conv2d.
        data_format: ``NHWC`` or ``NCHW``.
        name: of the operation; ``conv2d_transpose`` by default.
        input, filters: other names of ``value`` and ``filter``.
        dilations: distance of the taps, given like ``strides``.

    Returns:
        A tensor of shape ``output_shape``.

    Raises:
        ValueError: channels do not fit, or no conv2d makes ``value`` from that shape.

    Gradient: by the input, conv2d.
    """
    value = given("conv2d_transpose", value=value, input=input)
    filter = given("conv2d_transpose", filter=filter, filters=filters)
    with name_scope(name, "conv2d_transpose", [value, filter, output_shape]) as scope:
        return apply_op(
            "Conv2DBackpropInput",
            given("conv2d_transpose", output_shape=output_shape),
            filter,
            value,
            strides=per_axis(1 if strides is None else strides, 2, data_format, "strides"),
            data_format=data_format,
            dilations=per_axis(1 if dilations is None else dilations, 2, data_format, "dilations"),
            name=scope,
            **padding_attrs(padding),
        )


@export("nn.conv3d_transpose")
def conv3d_transpose(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The transpose of conv3d; see conv2d_transpose.

    Args:
        value: (n, depth, height, width, channels) float.
        filter: (depth, height, width, channels of the result, channels).
        output_shape: the shape of the result: numbers, scalars, or an integer vector.
        strides: a number, three, or five.
        padding: ``SAME`` or ``VALID``.
        data_format: ``NDHWC`` or ``NCDHW``.
        name: of the operation; ``conv3d_transpose`` by default.
        input, filters: other names of ``value`` and ``filter``.
        dilations: distance of the taps, given like ``strides``.

    Returns:
        A tensor of shape ``output_shape``.

    Raises:
        ValueError: channels do not fit, or no conv3d makes ``value`` from that shape.

    Gradient: by the input, conv3d.
    """
    value = given("conv3d_transpose", value=value, input=input)
    filter = given("conv3d_transpose", filter=filter, filters=filters)
    with name_scope(name, "conv3d_transpose", [value, filter, output_shape]) as scope:
        return apply_op(
            "Conv3DBackpropInputV2",
            given("conv3d_transpose", output_shape=output_shape),
            filter,
            value,
            strides=per_axis(1 if strides is None else strides, 3, data_format, "strides"),
            padding=padding,
            data_format=data_format,
            dilations=per_axis(1 if dilations is None else dilations, 3, data_format, "dilations"),
            name=scope,
        )


@export("nn.conv1d_transpose")
def conv1d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: str = "SAME",
    data_format: str = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose of conv1d; see conv2d_transpose.

    Args:
        input: (n, width, channels) float.
        filters: (width, depth, channels).
        output_shape: the shape of the result: three numbers, scalars, or an int32 vector.
        strides: a number (also in a list of one or three).
        padding: ``SAME`` or ``VALID``.
        data_format: ``NWC`` or ``NCW``.
        dilations: distance of the taps.
        name: of the operations; ``conv1d_transpose`` by default.

    Returns:
        A tensor of shape ``output_shape``.

    Raises:
        ValueError: channels do not fit, or no conv1d makes ``input`` from that shape.

    Gradient: by the input, conv1d.
    """
    layout = line_format(data_format, "conv1d_transpose")
    line = 1 if layout == "NHWC" else 2
    with name_scope(name, "conv1d_transpose", [input, filters, output_shape]) as scope:
        image = call.ExpandDims(input, line)
        taps = call.ExpandDims(filters, 0)
        y = apply_op(
            "Conv2DBackpropInput",
            _with_line(output_shape, line),
            taps,
            image,
            strides=in_line(strides, layout, "strides"),
            padding=padding,
            data_format=layout,
            dilations=in_line(1 if dilations is None else dilations, layout, "dilations"),
            name=scope,
        )
        return call.Squeeze(y, squeeze_dims=[line])


def _with_line(shape: Any, line: int) -> Any:
    """A shape of three sizes with a size of 1 at ``line``."""
    if isinstance(shape, Tensor):
        known = constant_value(shape)
        if known is None:
            one = np.array([1], np.int32)
            return call.ConcatV2([shape[:line], one, shape[line:]], 0)
        shape = known
    sizes = list(shape)
    return [*sizes[:line], 1, *sizes[line:]]


@export("nn.conv_transpose")
def conv_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose of a convolution over one, two or three axes, by the length of output_shape.

    Args:
        input, filters, strides, padding, dilations: as of conv1d_transpose, conv2d_transpose and
            conv3d_transpose.
        output_shape: the shape of the result; its length must be known.
        data_format: channels last by default.
        name: of the operations; ``conv_transpose`` by default.

    Raises:
        ValueError: the length of output_shape is not 3, 4 or 5, or as of those functions.

    Gradient: as of those functions.
    """
    if isinstance(output_shape, Tensor):
        dims = output_shape.dims
        rank = dims[0] if dims is not None and len(dims) == 1 else None
    else:
        rank = len(output_shape)
    if rank not in (3, 4, 5):
        raise ValueError(f"conv_transpose: output_shape must have 3, 4 or 5 elements, not {rank}")
    data_format = format_of(data_format, rank, "conv_transpose")
    function = {3: conv1d_transpose, 4: conv2d_transpose, 5: conv3d_transpose}[rank]
    with name_scope(name, "conv_transpose", [input, filters, output_shape]) as scope:
        return function(  # type: ignore[operator]
            input,
            filters,
            output_shape,
            strides,
            padding=padding,
            data_format=data_format,
            dilations=dilations,
            name=scope,
        )
