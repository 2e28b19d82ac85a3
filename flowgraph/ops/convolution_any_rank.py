"""Convolutions by rank, and dilated ones: convolution, atrous_conv2d, with_space_to_batch.

Read next: depthwise.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.convolution_functions import conv1d, conv2d, conv3d, format_of, given
from flowgraph.ops.convolution_transposed import conv2d_transpose
from flowgraph.ops.rules import one_name


@export("nn.convolution")
def convolution(
    input: Any,
    filter: Any = None,
    padding: str | None = None,
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """A convolution over one, two or three spatial axes, by the rank of ``input``.

    Args:
        input: (n, spatial axes, channels) float; the rank of it or of the filter must be known.
        filter: (spatial axes, channels, depth).
        padding: ``SAME`` or ``VALID``.
        strides: one number, or one for each spatial axis; 1 by default.
        dilation_rate: distance of the taps, given like ``strides``.
        name: of the operations; ``convolution`` by default.
        data_format: channels last by default, or ``NCW``, ``NCHW``, ``NCDHW``.
        filters, dilations: other names of ``filter`` and ``dilation_rate``.

    Returns:
        (n, spatial axes, depth), in the data_format.

    Raises:
        ValueError: the rank is not known or not 3, 4 or 5; a stride and a dilation are both above
            1; or as of conv2d.

    Gradient: as of conv2d.

    >>> y = tf.nn.convolution(tf.ones([2, 9, 3]), tf.ones([3, 3, 5]), "SAME", strides=[2])
    >>> y.shape.as_list()
    [2, 5, 5]
    """
    filter = given("convolution", filter=filter, filters=filters)
    rates = one_name("convolution", dilation_rate=dilation_rate, dilations=dilations)
    with name_scope(name, "convolution", [input, filter]) as scope:
        input = convert_to_tensor(input, name="input")
        filter = convert_to_tensor(filter, dtype=input.dtype.base_dtype, name="filter")
        dims = input.dims if input.dims is not None else filter.dims
        if dims is None:
            raise ValueError("convolution: the rank of input or filter must be known")
        if len(dims) not in (3, 4, 5):
            raise ValueError(f"convolution: input must have 1, 2 or 3 spatial axes (rank 3, 4 or "
                             f"5), not rank {len(dims)}")  # fmt: skip
        space = len(dims) - 2
        steps = _spatial(strides, space, "strides")
        gaps = _spatial(rates, space, "dilation_rate")
        if max(steps) > 1 and max(gaps) > 1:
            raise ValueError(
                f"convolution: strides {steps} and dilation_rate {gaps}: one of them must be 1"
            )
        data_format = format_of(data_format, len(dims), "convolution")
        if space == 1:
            return conv1d(input, filter, steps, padding, None, data_format, scope, dilations=gaps)
        function = conv2d if space == 2 else conv3d
        return function(
            input,
            filter,
            steps,
            padding,
            data_format=data_format,
            dilations=gaps,
            name=scope,
        )


def _spatial(numbers: Any, space: int, what: str) -> list[int]:
    """One positive number for each spatial axis."""
    if numbers is None:
        return [1] * space
    listed = [numbers] * space if isinstance(numbers, (int, np.integer)) else list(numbers)
    if len(listed) == 1:
        listed = listed * space
    if len(listed) != space:
        raise ValueError(f"{what} must hold {space} numbers, not {len(listed)}: {listed}")
    if min(listed) < 1:
        raise ValueError(f"all values of {what} must be positive, not {listed}")
    return [int(n) for n in listed]


@export("nn.atrous_conv2d")
def atrous_conv2d(
    value: Any, filters: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """conv2d with taps ``rate`` pixels apart.

    y[n, i, j, o] = sum over r, s, c of x[n, i + r*rate, j + s*rate, c] w[r, s, c, o]

    Args:
        value: (n, height, width, channels) float.
        filters: (height, width, channels, depth).
        rate: a positive number.
        padding: ``SAME`` or ``VALID``.
        name: of the operation; ``convolution`` by default.

    Raises:
        ValueError: as of conv2d.

    Gradient: as of conv2d.
    """
    return convolution(value, filters, padding, dilation_rate=[rate, rate], name=name)


@export("nn.atrous_conv2d_transpose")
def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """The transpose of atrous_conv2d; see conv2d_transpose.

    Args:
        value: (n, height, width, channels) float.
        filters: (height, width, depth, channels).
        output_shape: the shape of the result.
        rate: a positive number.
        padding: ``SAME`` or ``VALID``.
        name: of the operation; ``atrous_conv2d_transpose`` by default.

    Raises:
        ValueError: as of conv2d_transpose, or the rate is not positive.

    Gradient: by the input, atrous_conv2d.
    """
    if rate < 1:
        raise ValueError(f"rate {rate} cannot be less than one")
    with name_scope(name, "atrous_conv2d_transpose", [value, filters, output_shape]) as scope:
        return conv2d_transpose(
            value, filters, output_shape, 1, padding, dilations=rate, name=scope
        )


@export("nn.with_space_to_batch")
def with_space_to_batch(
    input: Any,
    dilation_rate: Any,
    padding: str,
    op: Any,
    filter_shape: Any = None,
    spatial_dims: Any = None,
    data_format: str | None = None,
) -> Tensor:
    """``op`` applied as if its window had ``dilation_rate - 1`` gaps between neighbouring taps.

    Every rate-th pixel goes to an image of its own (space_to_batch_nd), ``op`` works on those
    images, and its results are put together again.

    Args:
        input: (n, spatial axes, channels), or channels first.
        dilation_rate: one positive number for each spatial axis.
        padding: ``SAME`` or ``VALID``: of the whole.
        op: ``op(images, num_spatial_dims, padding) -> Tensor``, with padding ``VALID`` unless all
            rates are 1.
        filter_shape: sizes of the window, for SAME: numbers, or an integer vector.
        spatial_dims: the axes that are dilated, in ascending order; by default all but the first
            and that of the channels.
        data_format: channels last by default.

    Raises:
        ValueError: the arguments do not fit together.

    Gradient: through the operations it is made of.
    """
    input = convert_to_tensor(input, name="input")
    rates = np.atleast_1d(np.array(dilation_rate, np.int32))
    if rates.ndim != 1 or rates.size == 0 or rates.min() < 1:
        raise ValueError(f"dilation_rate must hold positive numbers: {dilation_rate!r}")
    if spatial_dims is None:
        first = 2 if data_format is not None and data_format.startswith("NC") else 1
        spatial_dims = range(first, first + rates.size)
    axes = [int(axis) for axis in spatial_dims]
    if axes != sorted(set(axes)) or axes[0] < 1 or len(axes) != rates.size:
        raise ValueError(f"spatial_dims must be {rates.size} ascending positive axes: {axes}")
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding must be SAME or VALID, not {padding!r}")
    if (rates == 1).all():
        return op(input, num_spatial_dims=len(rates), padding=padding)
    around: Any = np.zeros((len(rates), 2), np.int32)
    if padding == "SAME":
        if filter_shape is None:
            raise ValueError("filter_shape must be given for padding SAME")
        taps = constant_value(convert_to_tensor(filter_shape, name="filter_shape"))
        if taps is None:
            raise ValueError("filter_shape must be known")
        extra = (taps[: len(rates)].astype(np.int32) - 1) * rates
        around = np.stack([extra // 2, extra - extra // 2], 1)
    return _on_batches(input, op, rates, axes, around)


def _on_batches(
    input: Tensor, op: Any, rates: np.ndarray, axes: list[int], around: np.ndarray
) -> Tensor:
    """space_to_batch_nd, ``op``, batch_to_space_nd over the axes 1 to the last of ``axes``."""
    count = axes[-1]
    block, frame = np.ones(count, np.int32), np.zeros((count, 2), np.int32)
    for axis, rate, pair in zip(axes, rates, around, strict=True):
        block[axis - 1], frame[axis - 1] = rate, pair
    sizes = call.Shape(input)[1 : count + 1]
    known = None if input.dims is None else input.dims[1 : count + 1]
    if known is not None and None not in known:
        sizes = convert_to_tensor(np.array(known, np.int32))
    paddings, crops = EXPORTS["required_space_to_batch_paddings"](
        input_shape=sizes, base_paddings=frame, block_shape=block
    )
    images = call.SpaceToBatchND(input, block, paddings)
    result = op(images, num_spatial_dims=len(rates), padding="VALID")
    return call.BatchToSpaceND(result, block, crops)
