"""Convolutions over two and three spatial axes, and their gradients with respect to each operand.

    y[n, i, j, o] = sum over r, s, c of x[n, i*stride + r*dilation - before, ..., c] w[r, s, c, o]

y is linear in x and in w.  Its gradients by x (Conv2DBackpropInput) and w (Conv2DBackpropFilter)
are linear too, and the derivatives of the three ops are one another: second order needs no more.

When the input has more channels than the filter, these are groups: the first channels of the input
make the first channels of the output, and so on.

Kernels: lower/convolution.py (packed tiles in the manner of a matrix product).

Read next: windows.py (sizes and padding), convolution_rules.py, convolution_functions.py (the
public functions), depthwise.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, int32
from flowgraph.graph.opdef import Call, Custom, define, dtypes_of, sample
from flowgraph.graph.opdef import error_sample as wrong
from flowgraph.ops.convolution_rules import (
    Geometry,
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
from flowgraph.ops.rules import f32, i32
from flowgraph.ops.windows import axes_of, image_dims
from flowgraph.shapes import Dims, ShapeError

# ---------------------------------------------------------------------------------------- geometry


def _check_groups(channels: int, taken: int, depth: int | None) -> None:
    if channels == taken:
        return
    if not taken or channels % taken:
        raise ShapeError(
            f"the input has {channels} channels, the filter takes {taken}: "
            f"depth of input ({channels}) is not a multiple of input depth of filter ({taken})"
        )
    if depth is not None and depth % (channels // taken):
        raise ShapeError(f"{depth} output channels do not divide into {channels // taken} groups")


def convolved(attrs: Mapping[str, Any], x: Dims, w: Dims, rank: int) -> tuple[int | None, ...]:
    """The shape of the output; ShapeError when input ``x`` and filter ``w`` do not fit."""
    depth = image_dims(w, rank, "filter")[-1]
    result = slid(attrs, x, w, rank, depth)
    if x is not None and w is not None:
        channels, taken = x[axes_of(attrs["data_format"], rank)[0]], w[-2]
        if channels is not None and taken is not None:
            _check_groups(channels, taken, depth)
    return result


# --------------------------------------------------------------------------------------- references


def _groups_of(g: Geometry) -> Iterator[tuple[slice, slice]]:
    """Per group: channels of the input, channels of the output."""
    for k in range(g.groups):
        taken, made = g.channels // g.groups, g.depth // g.groups
        yield slice(k * taken, (k + 1) * taken), slice(k * made, (k + 1) * made)


def _reference(rank: int) -> Any:
    def reference(call_: Call, x: Any, w: Any) -> Any:
        check_again(infer_output(convolved, rank), call_)
        g = geometry(convolved, call_.attrs, x.shape, w.shape)
        padded = framed(channels_last(x, g), g)
        y = np.zeros((g.batch, *g.counts, g.depth))
        for tap, place in taps_of(g):
            for taken, made in _groups_of(g):
                y[..., made] += padded[place][..., taken] @ w[tap][:, made].astype(y.dtype)
        return as_given(y, g, x.dtype)

    return reference


def _input_reference(rank: int) -> Any:
    def reference(call_: Call, sizes: Any, w: Any, dy: Any) -> Any:
        check_again(infer_input(convolved, rank), call_)
        g = geometry(convolved, call_.attrs, input_sizes(call_, rank), w.shape)
        given = channels_last(dy, g)
        padded = framed(np.zeros((g.batch, *g.sizes, g.channels)), g)
        for tap, place in taps_of(g):
            for taken, made in _groups_of(g):
                padded[place][..., taken] += given[..., made] @ w[tap][:, made].T.astype(float)
        return as_given(unframed(padded, g), g, dy.dtype)

    return reference


def _filter_reference(rank: int) -> Any:
    def reference(call_: Call, x: Any, sizes: Any, dy: Any) -> Any:
        check_again(infer_filter(convolved, rank), call_)
        g = geometry(convolved, call_.attrs, x.shape, tuple(sizes.tolist()))
        padded = framed(channels_last(x, g), g)
        given = channels_last(dy, g)
        dw = np.zeros(tuple(sizes.tolist()))
        summed = tuple(range(rank - 1))
        for tap, place in taps_of(g):
            for taken, made in _groups_of(g):
                dw[tap][:, made] += np.tensordot(
                    padded[place][..., taken], given[..., made], (summed, summed)
                )
        return dw.astype(x.dtype)

    return reference


# ------------------------------------------------------------------------------------------ records

_CUDNN: dict[str, Any] = {"use_cudnn_on_gpu": True}
_ONE: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "SAME"}
_VALID: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "VALID"}
_TWO: dict[str, Any] = {"strides": [1, 2, 2, 1], "padding": "SAME"}
_FRAMED: dict[str, Any] = {
    "strides": [1, 2, 1, 1],
    "padding": "EXPLICIT",
    "explicit_paddings": [0, 0, 2, 1, 0, 3, 0, 0],
}
_FIRST: dict[str, Any] = {"data_format": "NCHW", "strides": [1, 1, 2, 1], "padding": "SAME"}

#: (x, w, attrs): every layout, stride, dilation and padding; odd and empty sizes.
_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 5, 4, 3), (3, 3, 3, 4), _ONE),
    ((1, 6, 5, 2), (3, 2, 2, 3), _VALID),
    ((2, 5, 6, 1), (3, 3, 1, 2), _TWO),
    ((1, 7, 6, 2), (2, 3, 2, 3), {"strides": [1, 3, 2, 1], "padding": "VALID"}),
    ((1, 4, 5, 3), (2, 3, 3, 2), _FRAMED),
    ((1, 6, 7, 2), (3, 2, 2, 3), {**_ONE, "dilations": [1, 2, 3, 1]}),
    ((1, 8, 7, 2), (3, 2, 2, 2), {**_TWO, "dilations": [1, 2, 1, 1]}),
    ((2, 3, 5, 4), (3, 2, 3, 2), _FIRST),
    ((1, 4, 4, 6), (1, 1, 6, 5), _ONE),
    ((1, 5, 5, 2), (1, 1, 2, 3), {"strides": [1, 3, 3, 1], "padding": "SAME"}),
    ((1, 3, 4, 6), (2, 2, 3, 4), _ONE),
    ((2, 1, 1, 3), (4, 5, 3, 2), _ONE),
    ((0, 3, 4, 2), (2, 2, 2, 3), _ONE),
    ((1, 4, 3, 0), (2, 2, 0, 3), _ONE),
    ((1, 4, 3, 17), (2, 2, 17, 33), _ONE),
)

_X, _W = image(2, 5, 4, 3), taps(3, 3, 3, 4)
_X3, _W3 = image(1, 3, 4, 5, 2), taps(2, 2, 3, 2, 3)


def _wrong_pairs() -> list[Any]:
    """Wrong attrs and shapes, for each op of the family in turn: (match, x, w, attrs)."""
    return [
        ("not a multiple of input depth of filter", _X, f32(3, 3, 2, 4), _ONE),
        ("5 output channels do not divide into 3 groups", _X, f32(3, 3, 1, 5), _ONE),
        ("negative dimension size", _X, f32(6, 3, 3, 4), _VALID),
        ("strides must be 1 in the batch and channel", _X, _W, {**_ONE, "strides": [2, 1, 1, 1]}),
        ("strides must be 1 in the batch and channel", _X, _W, {**_ONE, "strides": [1, 1, 1, 2]}),
        ("strides must be positive", _X, _W, {**_ONE, "strides": [1, 0, 1, 1]}),
        ("strides must hold 4 numbers, not 3", _X, _W, {**_ONE, "strides": [1, 1, 1]}),
        ("dilations must be positive", _X, _W, {**_ONE, "dilations": [1, 0, 1, 1]}),
        ("padding must be SAME or VALID, not 'same'", _X, _W, {**_ONE, "padding": "same"}),
        ("data_format must be NHWC or NCHW", _X, _W, {**_ONE, "data_format": "NHCW"}),
        (
            "must hold 8 numbers, not 2",
            _X,
            _W,
            {**_ONE, "padding": "EXPLICIT", "explicit_paddings": [1, 1]},
        ),
        (
            "must not be negative",
            _X,
            _W,
            {**_FRAMED, "explicit_paddings": [0, 0, -1, 0, 0, 0, 0, 0]},
        ),
        (
            "must be 0 in the batch",
            _X,
            _W,
            {**_FRAMED, "explicit_paddings": [1, 0, 0, 0, 0, 0, 0, 0]},
        ),
        ("the filter must not be empty", _X, f32(0, 3, 3, 4), _ONE),
        ("input must be of rank 4", f32(5, 4, 3), _W, _ONE),
        ("filter must be of rank 4", _X, f32(3, 3, 4), _ONE),
    ]


_GRAD_2D = gradients_of("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter")
_GRAD_3D = gradients_of("Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2")

define(
    "Conv2D",
    "input: T, filter: T -> output: T",
    T=dtypes_of(FLOAT),
    **_CUDNN,
    **window_attrs(4),
    infer=infer_output(convolved, 4),
    kernel=Custom("conv_forward"),
    grad=_GRAD_2D[0],
    reference=_reference(4),
    samples=[sample(image(*x), taps(*w), **attrs) for x, w, attrs in _CASES],
    errors=[
        *(wrong(ValueError, match, x, w, **attrs) for match, x, w, attrs in _wrong_pairs()),
        wrong(Exception, "negative dimension size", _X, f32(6, 3, 3, 4), stage="run", **_VALID),
    ],
    doc="Images ``input`` convolved with ``filter`` (height, width, channels in, channels out).",
)

define(
    "Conv2DBackpropInput",
    "input_sizes: int32, filter: T, out_backprop: T -> output: T",
    T=dtypes_of(FLOAT),
    **_CUDNN,
    **window_attrs(4),
    infer=infer_input(convolved, 4),
    kernel=Custom("conv_input"),
    grad=_GRAD_2D[1],
    reference=_input_reference(4),
    samples=[
        *(
            sample(i32(x), taps(*w), slopes(convolved, x, w, attrs), const=(0,), **attrs)
            for x, w, attrs in _CASES
        ),
        sample(i32([2, 5, 4, 3]), _W, taps(2, 5, 4, 4), **_ONE),
        sample(i32([5, 4]), _W, taps(2, 5, 4, 4), const=(0,), **_ONE),
        sample(i32([1, 7, 8, 2]), taps(3, 3, 2, 3), image(1, 4, 4, 3), const=(0,), **_TWO),
        sample(i32([1, 8, 7, 2]), taps(3, 3, 2, 3), image(1, 4, 4, 3), const=(0,), **_TWO),
    ],
    errors=[
        wrong(ValueError, r"is \[2, 5, 4, 4\]", i32([2, 5, 4, 3]), _W, f32(2, 5, 3, 4),
              const=(0,), **_ONE),
        wrong(ValueError, "out_backprop is", i32([2, 5, 4, 3]), _W, f32(1, 5, 4, 4),
              const=(0,), **_ONE),
        wrong(ValueError, "not a multiple", i32([2, 5, 4, 4]), _W, f32(2, 5, 4, 4),
              const=(0,), **_ONE),
        wrong(ValueError, "input_sizes must hold 4 numbers", i32([5, 4, 3]), _W, f32(2, 5, 4, 4),
              const=(0,), **_ONE),
        wrong(ValueError, "input_sizes must be a vector", i32([[5, 4, 3, 3]]), _W,
              f32(2, 5, 4, 4), const=(0,), **_ONE),
        wrong(Exception, "out_backprop is", i32([2, 9, 4, 3]), _W, f32(2, 5, 4, 4), stage="run",
              **_ONE),
    ],
    doc="The gradient of a Conv2D by its input, whose shape ``input_sizes`` holds.",
)  # fmt: skip

define(
    "Conv2DBackpropFilter",
    "input: T, filter_sizes: int32, out_backprop: T -> output: T",
    T=dtypes_of(FLOAT),
    **_CUDNN,
    **window_attrs(4),
    infer=infer_filter(convolved, 4),
    kernel=Custom("conv_filter"),
    grad=_GRAD_2D[2],
    reference=_filter_reference(4),
    samples=[
        *(
            sample(image(*x), i32(w), slopes(convolved, x, w, attrs), const=(1,), **attrs)
            for x, w, attrs in _CASES
        ),
        sample(_X, i32([3, 3, 3, 4]), taps(2, 5, 4, 4), **_ONE),
    ],
    errors=[
        wrong(ValueError, r"is \[2, 5, 4, 4\]", _X, i32([3, 3, 3, 4]), f32(2, 6, 4, 4),
              const=(1,), **_ONE),
        wrong(ValueError, "not a multiple", _X, i32([3, 3, 2, 4]), f32(2, 5, 4, 4), const=(1,),
              **_ONE),
        wrong(ValueError, "filter_sizes must be of rank 4", _X, i32([3, 3, 4]), f32(2, 5, 4, 4),
              const=(1,), **_ONE),
        wrong(Exception, "out_backprop is", _X, i32([3, 3, 3, 5]), f32(2, 5, 4, 4), stage="run",
              **_ONE),
    ],
    doc="The gradient of a Conv2D by its filter, whose shape ``filter_sizes`` holds.",
)  # fmt: skip

_ONE3: dict[str, Any] = {"strides": [1, 1, 1, 1, 1], "padding": "SAME"}

_CASES_3D: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ((1, 3, 4, 5, 2), (2, 2, 3, 2, 3), _ONE3),
    ((1, 4, 3, 5, 2), (2, 3, 2, 2, 2), {"strides": [1, 2, 1, 3, 1], "padding": "VALID"}),
    ((1, 2, 4, 3, 5), (2, 3, 2, 2, 3), {
        "strides": [1, 1, 1, 2, 2], "padding": "SAME", "data_format": "NCDHW"}),
    ((1, 5, 4, 4, 1), (2, 2, 2, 1, 2), {**_ONE3, "dilations": [1, 2, 1, 2, 1]}),
    ((0, 3, 2, 2, 2), (2, 2, 2, 2, 3), _ONE3),
)  # fmt: skip

define(
    "Conv3D",
    "input: T, filter: T -> output: T",
    T=dtypes_of(FLOAT),
    **window_attrs(5, explicit=False),
    infer=infer_output(convolved, 5),
    kernel=Custom("conv_forward"),
    grad=_GRAD_3D[0],
    reference=_reference(5),
    samples=[sample(image(*x), taps(*w), **attrs) for x, w, attrs in _CASES_3D],
    errors=[
        wrong(ValueError, "not a multiple of input depth", _X3, f32(2, 2, 3, 4, 3), **_ONE3),
        wrong(ValueError, "input must be of rank 5", _X, _W3, **_ONE3),
        wrong(ValueError, "data_format must be NDHWC or NCDHW", _X3, _W3, data_format="NHWC",
              **_ONE3),
    ],
    doc="Volumes ``input`` convolved with ``filter`` (depth, height, width, channels in and out).",
)  # fmt: skip

define(
    "Conv3DBackpropInputV2",
    "input_sizes: Tshape, filter: T, out_backprop: T -> output: T",
    T=dtypes_of(FLOAT),
    **window_attrs(5, explicit=False),
    Tshape=dtypes_of(INDEX, int32),
    infer=infer_input(convolved, 5),
    kernel=Custom("conv_input"),
    grad=_GRAD_3D[1],
    reference=_input_reference(5),
    samples=[
        *(
            sample(i32(x), taps(*w), slopes(convolved, x, w, attrs), const=(0,), **attrs)
            for x, w, attrs in _CASES_3D
        ),
        sample(np.array(_CASES_3D[0][0], np.int64), _W3, slopes(convolved, *_CASES_3D[0]), **_ONE3),
    ],
    errors=[
        wrong(ValueError, "out_backprop is", i32([1, 3, 4, 5, 2]), _W3, f32(1, 3, 4, 6, 3),
              const=(0,), **_ONE3),
    ],
    doc="The gradient of a Conv3D by its input, whose shape ``input_sizes`` holds.",
)  # fmt: skip

define(
    "Conv3DBackpropFilterV2",
    "input: T, filter_sizes: int32, out_backprop: T -> output: T",
    T=dtypes_of(FLOAT),
    **window_attrs(5, explicit=False),
    infer=infer_filter(convolved, 5),
    kernel=Custom("conv_filter"),
    grad=_GRAD_3D[2],
    reference=_filter_reference(5),
    samples=[
        *(
            sample(image(*x), i32(w), slopes(convolved, x, w, attrs), const=(1,), **attrs)
            for x, w, attrs in _CASES_3D
        ),
        sample(_X3, i32([2, 2, 3, 2, 3]), taps(1, 3, 4, 5, 3), **_ONE3),
    ],
    errors=[
        wrong(ValueError, "out_backprop is", _X3, i32([2, 2, 3, 2, 3]), f32(1, 3, 4, 6, 3),
              const=(1,), **_ONE3),
    ],
    doc="The gradient of a Conv3D by its filter, whose shape ``filter_sizes`` holds.",
)  # fmt: skip
