"""Depthwise convolutions: every channel has filters of its own; and separable ones.

    y[n, i, j, c * m + q] = sum over r, s of x[n, i*stride + r*dilation - before, ..., c]
                            w[r, s, c, q]                                      m: filters a channel

A separable convolution is a depthwise one followed by a convolution of one tap, which mixes the
channels.

Kernels: lower/depthwise.py.   Read next: convolution_rules.py, morphology.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.graph.opdef import Call, Custom, define, dtypes_of, error_sample, sample
from flowgraph.ops.convolution_rules import (
    as_given,
    channels_last,
    check_again,
    framed,
    geometry,
    gradients_of,
    image,
    infer_filter,
    infer_input,
    infer_output,
    input_sizes,
    slid,
    slopes,
    taps,
    taps_of,
    unframed,
    window_attrs,
)
from flowgraph.ops.rules import i32
from flowgraph.ops.windows import axes_of, image_dims
from flowgraph.shapes import Dims, ShapeError


def spread(attrs: Mapping[str, Any], x: Dims, w: Dims, rank: int) -> tuple[int | None, ...]:
    """The shape of the output; ShapeError when input ``x`` and filter ``w`` do not fit."""
    channels, multiple = image_dims(w, rank, "filter")[-2:]
    if x is not None and len(x) == rank:
        own = x[axes_of(attrs["data_format"], rank)[0]]
        if None not in (own, channels) and own != channels:
            raise ShapeError(f"the input has {own} channels, the filter is for {channels}")
        channels = own if channels is None else channels
    depth = None if channels is None or multiple is None else channels * multiple
    return slid(attrs, x, w, rank, depth)


def _reference(call_: Call, x: Any, w: Any) -> Any:
    check_again(infer_output(spread, 4), call_)
    g = geometry(spread, call_.attrs, x.shape, w.shape)
    padded = framed(channels_last(x, g), g)
    y = np.zeros((g.batch, *g.counts, *w.shape[2:]))
    for tap, place in taps_of(g):
        y += padded[place][..., None] * w[tap]
    return as_given(y.reshape(g.batch, *g.counts, g.depth), g, x.dtype)


def _input_reference(call_: Call, sizes: Any, w: Any, dy: Any) -> Any:
    check_again(infer_input(spread, 4), call_)
    g = geometry(spread, call_.attrs, input_sizes(call_, 4), w.shape)
    given = channels_last(dy, g).reshape(g.batch, *g.counts, *w.shape[2:])
    padded = framed(np.zeros((g.batch, *g.sizes, g.channels)), g)
    for tap, place in taps_of(g):
        padded[place] += (given * w[tap]).sum(-1)
    return as_given(unframed(padded, g), g, dy.dtype)


def _filter_reference(call_: Call, x: Any, sizes: Any, dy: Any) -> Any:
    check_again(infer_filter(spread, 4), call_)
    shape = tuple(sizes.tolist())
    g = geometry(spread, call_.attrs, x.shape, shape)
    given = channels_last(dy, g).reshape(g.batch, *g.counts, *shape[2:])
    padded = framed(channels_last(x, g), g)
    dw = np.zeros(shape)
    for tap, place in taps_of(g):
        dw[tap] = (padded[place][..., None] * given).sum((0, 1, 2))
    return dw.astype(x.dtype)


_ONE: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "SAME"}
_TWO: dict[str, Any] = {"strides": [1, 2, 2, 1], "padding": "SAME"}
_FRAMED: dict[str, Any] = {
    "strides": [1, 1, 2, 1],
    "padding": "EXPLICIT",
    "explicit_paddings": [0, 0, 2, 1, 0, 1, 0, 0],
}
_FIRST: dict[str, Any] = {"data_format": "NCHW", "strides": [1, 1, 2, 1], "padding": "SAME"}

#: (x, w, attrs)
_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 5, 4, 3), (3, 3, 3, 1), _ONE),
    ((1, 5, 4, 3), (3, 2, 3, 2), _ONE),
    ((1, 6, 5, 2), (3, 2, 2, 3), {"strides": [1, 3, 2, 1], "padding": "VALID"}),
    ((1, 5, 6, 17), (3, 3, 17, 1), _TWO),
    ((1, 4, 5, 2), (2, 3, 2, 1), _FRAMED),
    ((1, 6, 7, 2), (3, 2, 2, 2), {**_ONE, "dilations": [1, 2, 3, 1]}),
    ((2, 3, 5, 4), (3, 2, 3, 2), _FIRST),
    ((0, 3, 4, 2), (2, 2, 2, 1), _ONE),
    ((1, 3, 4, 0), (2, 2, 0, 1), _ONE),
)

_X, _W = image(2, 5, 4, 3), taps(3, 3, 3, 2)
_GRADIENTS = gradients_of(
    "DepthwiseConv2dNative",
    "DepthwiseConv2dNativeBackpropInput",
    "DepthwiseConv2dNativeBackpropFilter",
)

define(
    "DepthwiseConv2dNative",
    "input: T, filter: T -> output: T",
    T=dtypes_of(FLOAT),
    **window_attrs(4),
    infer=infer_output(spread, 4),
    kernel=Custom("depthwise_forward"),
    grad=_GRADIENTS[0],
    reference=_reference,
    samples=[sample(image(*x), taps(*w), **attrs) for x, w, attrs in _CASES],
    errors=[
        error_sample(ValueError, "3 channels, the filter is for 4", _X, taps(3, 3, 4, 2), **_ONE),
        error_sample(ValueError, "negative dimension size", _X, taps(6, 3, 3, 2),
                     strides=[1, 1, 1, 1], padding="VALID"),
        error_sample(ValueError, "strides must be 1 in the batch", _X, _W, strides=[1, 1, 1, 2],
                     padding="SAME"),
        error_sample(ValueError, "input must be of rank 4", image(5, 4, 3), _W, **_ONE),
        error_sample(Exception, "the filter is for 4", _X, taps(3, 3, 4, 2), stage="run", **_ONE),
    ],
    doc="``input`` convolved channel by channel with ``filter`` (rows, columns, channels, m).",
)  # fmt: skip

define(
    "DepthwiseConv2dNativeBackpropInput",
    "input_sizes: int32, filter: T, out_backprop: T -> output: T",
    T=dtypes_of(FLOAT),
    **window_attrs(4),
    infer=infer_input(spread, 4),
    kernel=Custom("depthwise_input"),
    grad=_GRADIENTS[1],
    reference=_input_reference,
    samples=[
        *(
            sample(i32(x), taps(*w), slopes(spread, x, w, attrs), const=(0,), **attrs)
            for x, w, attrs in _CASES
        ),
        sample(i32([2, 5, 4, 3]), _W, taps(2, 5, 4, 6), **_ONE),
    ],
    errors=[
        error_sample(ValueError, "out_backprop is", i32([2, 5, 4, 3]), _W, taps(2, 5, 4, 5),
                     const=(0,), **_ONE),
        error_sample(Exception, "out_backprop is", i32([2, 9, 4, 3]), _W, taps(2, 5, 4, 6),
                     stage="run", **_ONE),
    ],
    doc="The gradient of a DepthwiseConv2dNative by its input, of shape ``input_sizes``.",
)  # fmt: skip

define(
    "DepthwiseConv2dNativeBackpropFilter",
    "input: T, filter_sizes: int32, out_backprop: T -> output: T",
    T=dtypes_of(FLOAT),
    **window_attrs(4),
    infer=infer_filter(spread, 4),
    kernel=Custom("depthwise_filter"),
    grad=_GRADIENTS[2],
    reference=_filter_reference,
    samples=[
        *(
            sample(image(*x), i32(w), slopes(spread, x, w, attrs), const=(1,), **attrs)
            for x, w, attrs in _CASES
        ),
        sample(_X, i32([3, 3, 3, 2]), taps(2, 5, 4, 6), **_ONE),
    ],
    errors=[
        error_sample(ValueError, "out_backprop is", _X, i32([3, 3, 3, 2]), taps(2, 5, 4, 5),
                     const=(1,), **_ONE),
    ],
    doc="The gradient of a DepthwiseConv2dNative by its filter, of shape ``filter_sizes``.",
)  # fmt: skip
