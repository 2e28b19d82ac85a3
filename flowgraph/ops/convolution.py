"""Convolutions over two and three spatial axes, and their gradients with respect to each operand.

    y[n, i, j, o] = sum over r, s, c of x[n, i*stride + r*dilation - before, ..., c] w[r, s, c, o]

y is linear in x and in w.  Its gradients by x (Conv2DBackpropInput) and w (Conv2DBackpropFilter)
are linear too, and the derivatives of the three ops are one another: second order needs no more.

When the input has more channels than the filter, these are groups: the first channels of the input
make the first channels of the output, and so on.

Kernels: lower/convolution.py (packed tiles in the manner of a matrix product).

Read next: windows.py (sizes and padding), convolution_functions.py (the public functions),
depthwise.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, int32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.opdef import REQUIRED, Attr, Call, Custom, define, dtypes_of, sample
from flowgraph.graph.opdef import error_sample as wrong
from flowgraph.ops.rules import f32, i32, invalid, shape_of
from flowgraph.ops.windows import Window, axes_of, image_dims, windows
from flowgraph.shapes import Dims, ShapeError, format_dims, merge

# ---------------------------------------------------------------------------------------- geometry


@dataclass(frozen=True, slots=True)
class Geometry:
    """A convolution whose sizes are all known.

    channel, spatial: axes of input and output.   windows, sizes, counts: per spatial axis how the
    filter slides, the input's size, the output's.   channels, depth: of input and output.
    """

    batch: int
    channels: int
    depth: int
    groups: int
    channel: int
    spatial: tuple[int, ...]
    windows: tuple[Window, ...]
    sizes: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def flops(self) -> int:
        """Multiplications and additions of y; the gradients need as many."""
        taps = math.prod(w.taps or 0 for w in self.windows)
        pixels = self.batch * math.prod(self.counts)
        return 2 * pixels * taps * (self.channels // max(self.groups, 1)) * self.depth


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
    channel, spatial = axes_of(attrs["data_format"], rank)
    x, w = image_dims(x, rank, "input"), image_dims(w, rank, "filter")
    slides = windows(attrs, w[:-2], attrs["data_format"], attrs["dilations"])
    if any(taps == 0 for taps in w[:-2]):
        raise ShapeError(f"the filter must not be empty: {format_dims(w)}")
    channels, taken = x[channel], w[-2]
    if channels is not None and taken is not None:
        _check_groups(channels, taken, w[-1])
    result = list(x)
    result[channel] = w[-1]
    for axis, window in zip(spatial, slides, strict=True):
        result[axis] = window.count(x[axis])
    return tuple(result)


def geometry(attrs: Mapping[str, Any], x: Dims, w: Dims) -> Geometry:
    """The Geometry of input shape ``x`` and filter shape ``w``, which fit."""
    assert x is not None
    assert w is not None
    channel, spatial = axes_of(attrs["data_format"], len(x))
    slides = windows(attrs, w[:-2], attrs["data_format"], attrs["dilations"])
    known: Any = x
    depth: Any = w[-1]
    counts: Any = convolved(attrs, x, w, len(x))
    return Geometry(
        known[0],
        known[channel],
        depth,
        known[channel] // w[-2] if w[-2] else 1,
        channel,
        spatial,
        tuple(slides),
        tuple(known[a] for a in spatial),
        tuple(counts[a] for a in spatial),
    )


# --------------------------------------------------------------------------------------- inference


def _infer(rank: int) -> Any:
    return lambda call_: [convolved(call_.attrs, call_.shapes[0], call_.shapes[1], rank)]


def input_sizes(call_: Call, rank: int) -> tuple[int | None, ...]:
    """Input 0 as a shape; two sizes (as newer programs give them) are the spatial ones."""
    given = image_sizes(call_, 0, "input_sizes")
    if given is None:
        return (None,) * rank
    if len(given) == rank:
        return given
    if len(given) != rank - 2:
        raise ShapeError(f"input_sizes must hold {rank} numbers, not {len(given)}")
    channel, spatial = axes_of(call_.attrs["data_format"], rank)
    w, dy = image_dims(call_.shapes[1], rank, "filter"), image_dims(call_.shapes[2], rank, "dy")
    sizes = [dy[0]] * rank
    sizes[channel] = w[-2]
    for axis, size in zip(spatial, given, strict=True):
        sizes[axis] = size
    return tuple(sizes)


def image_sizes(call_: Call, i: int, what: str) -> Dims:
    """Input ``i``, a vector of sizes, as a shape."""
    dims = call_.shapes[i]
    if dims is not None and len(dims) != 1:
        raise ShapeError(f"{what} must be a vector, not of shape {format_dims(dims)}")
    return call_.partial(i)


def _fit(expected: Dims, dy: Dims, x: Dims, w: Dims) -> None:
    try:
        merge(expected, dy)
    except ShapeError:
        raise ShapeError(
            f"out_backprop is {format_dims(dy)}, but the convolution of input {format_dims(x)} "
            f"by filter {format_dims(w)} is {format_dims(expected)}"
        ) from None


def _infer_input(rank: int) -> Any:
    """BackpropInput: (input_sizes, filter, out_backprop)."""

    def infer(call_: Call) -> list[Dims]:
        w, dy = call_.shapes[1:]
        x = input_sizes(call_, rank)
        _fit(convolved(call_.attrs, x, w, rank), image_dims(dy, rank, "out_backprop"), x, w)
        if x[0] is None and dy is not None:
            x = (dy[0], *x[1:])
        return [x]

    return infer


def _infer_filter(rank: int) -> Any:
    """BackpropFilter: (input, filter_sizes, out_backprop)."""

    def infer(call_: Call) -> list[Dims]:
        x, _, dy = call_.shapes
        w = image_dims(image_sizes(call_, 1, "filter_sizes"), rank, "filter_sizes")
        _fit(convolved(call_.attrs, x, w, rank), image_dims(dy, rank, "out_backprop"), x, w)
        return [w]

    return infer


# --------------------------------------------------------------------------------------- references


def channels_last(x: Any, g: Geometry) -> Any:
    """``x`` with its channels behind the spatial axes, in float64 at least."""
    return np.moveaxis(x, g.channel, -1).astype(np.result_type(x.dtype, np.float64))


def framed(x: Any, slides: tuple[Window, ...], sizes: tuple[int, ...]) -> Any:
    """Channels-last ``x`` within the zeros that the windows reach."""
    frames = [w.frame(size) for w, size in zip(slides, sizes, strict=True)]
    return np.pad(x, [(0, 0), *frames, (0, 0)])


def taps_of(slides: tuple[Window, ...], counts: tuple[int, ...]) -> Any:
    """Every tap of the filter with the slice of the framed input that meets it."""
    for tap in np.ndindex(*(w.taps or 0 for w in slides)):
        places = [
            slice(t * w.dilation, t * w.dilation + (count - 1) * w.stride + 1, w.stride)
            if count
            else slice(0, 0)
            for t, w, count in zip(tap, slides, counts, strict=True)
        ]
        yield tap, (slice(None), *places)


def _groups_of(g: Geometry) -> Any:
    """Per group: channels of the input, channels of the output."""
    for k in range(g.groups):
        taken, made = g.channels // g.groups, g.depth // g.groups
        yield slice(k * taken, (k + 1) * taken), slice(k * made, (k + 1) * made)


def _checked(call_: Call, rank: int, kind: str) -> None:
    """The rule of inference again, on the sizes of the run."""
    rule = {"": _infer, "input": _infer_input, "filter": _infer_filter}[kind]
    try:
        rule(rank)(call_)
    except ShapeError as error:
        raise invalid(error.headline) from None


def _reference(rank: int) -> Any:
    def reference(call_: Call, x: Any, w: Any) -> Any:
        _checked(call_, rank, "")
        g = geometry(call_.attrs, x.shape, w.shape)
        padded = framed(channels_last(x, g), g.windows, g.sizes)
        y = np.zeros((g.batch, *g.counts, g.depth))
        for tap, place in taps_of(g.windows, g.counts):
            for taken, made in _groups_of(g):
                y[..., made] += padded[place][..., taken] @ w[tap][:, made].astype(y.dtype)
        return np.moveaxis(y, -1, g.channel).astype(x.dtype)

    return reference


def _input_reference(rank: int) -> Any:
    def reference(call_: Call, sizes: Any, w: Any, dy: Any) -> Any:
        _checked(call_, rank, "input")
        x_shape: Any = input_sizes(call_, rank)
        g = geometry(call_.attrs, x_shape, w.shape)
        slopes = channels_last(dy, g)
        padded = framed(np.zeros((g.batch, *g.sizes, g.channels)), g.windows, g.sizes)
        for tap, place in taps_of(g.windows, g.counts):
            for taken, made in _groups_of(g):
                padded[place][..., taken] += slopes[..., made] @ w[tap][:, made].T.astype(float)
        inside = [
            slice(window.frame(size)[0], window.frame(size)[0] + size)
            for window, size in zip(g.windows, g.sizes, strict=True)
        ]
        return np.moveaxis(padded[(slice(None), *inside)], -1, g.channel).astype(dy.dtype)

    return reference


def _filter_reference(rank: int) -> Any:
    def reference(call_: Call, x: Any, sizes: Any, dy: Any) -> Any:
        _checked(call_, rank, "filter")
        g = geometry(call_.attrs, x.shape, tuple(sizes.tolist()))
        padded = framed(channels_last(x, g), g.windows, g.sizes)
        slopes = channels_last(dy, g)
        dw = np.zeros(tuple(sizes.tolist()))
        summed = tuple(range(rank - 1))
        for tap, place in taps_of(g.windows, g.counts):
            for taken, made in _groups_of(g):
                dw[tap][:, made] += np.tensordot(
                    padded[place][..., taken], slopes[..., made], (summed, summed)
                )
        return dw.astype(x.dtype)

    return reference


# --------------------------------------------------------------------------------------- gradients

#: (the convolution, its gradient by the input, its gradient by the filter)
FAMILY_2D = ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter")
FAMILY_3D = ("Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2")

_HANDED_ON = frozenset(
    (
        "strides",
        "use_cudnn_on_gpu",
        "padding",
        "explicit_paddings",
        "data_format",
        "dilations",
    )
)


def attrs_handed_on(op: Any) -> dict[str, Any]:
    """The attrs that an op of a family shares with its gradients."""
    return {name: value for name, value in op.attrs.items() if name in _HANDED_ON}


def gradients_of(family: tuple[str, str, str]) -> tuple[Any, Any, Any]:
    """The gradient rules of (y = x * w, dx from dy and w, dw from dy and x)."""
    forward, by_input, by_filter = family

    def forward_grad(op: Any, dy: Any) -> tuple[Any, Any]:
        x, w, attrs = op.input, op.filter, attrs_handed_on(op)
        dx = apply_op(by_input, shape_of(x), w, dy, **attrs) if op.wants(x) else None
        return dx, apply_op(by_filter, x, shape_of(w), dy, **attrs) if op.wants(w) else None

    def input_grad(op: Any, ddx: Any) -> tuple[None, Any, Any]:
        w, dy, attrs = op.filter, op.out_backprop, attrs_handed_on(op)
        dw = apply_op(by_filter, ddx, shape_of(w), dy, **attrs) if op.wants(w) else None
        return None, dw, apply_op(forward, ddx, w, **attrs) if op.wants(dy) else None

    def filter_grad(op: Any, ddw: Any) -> tuple[Any, None, Any]:
        x, dy, attrs = op.input, op.out_backprop, attrs_handed_on(op)
        dx = apply_op(by_input, shape_of(x), ddw, dy, **attrs) if op.wants(x) else None
        return dx, None, apply_op(forward, x, ddw, **attrs) if op.wants(dy) else None

    return forward_grad, input_grad, filter_grad


# ------------------------------------------------------------------------------------------ records


def window_attrs(rank: int, explicit: bool = True) -> dict[str, Any]:
    """The attrs of a family, in the order of TensorFlow's registry."""
    return {
        "strides": Attr("list(int)", REQUIRED),
        "padding": Attr("string", REQUIRED),
        **({"explicit_paddings": Attr("list(int)", [])} if explicit else {}),
        "data_format": "NHWC" if rank == 4 else "NDHWC",
        "dilations": Attr("list(int)", [1] * rank),
    }


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


def _image(*shape: int) -> np.ndarray:
    return f32(*shape, low=-1.0, high=1.0)


def _taps(*shape: int) -> np.ndarray:
    # small sums: the tests compare float32 with float64
    return f32(*shape, low=-0.5, high=0.5, seed=1)


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

_X, _W = _image(2, 5, 4, 3), _taps(3, 3, 3, 4)
_X3, _W3 = _image(1, 3, 4, 5, 2), _taps(2, 2, 3, 2, 3)


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


_GRAD_2D = gradients_of(FAMILY_2D)
_GRAD_3D = gradients_of(FAMILY_3D)


def _output(x: tuple[int, ...], w: tuple[int, ...], attrs: dict[str, Any]) -> np.ndarray:
    """A sample array of the output's shape."""
    full = {"data_format": "NHWC", "dilations": [1] * len(x), **attrs}
    shape: Any = convolved(full, x, w, len(x))
    return f32(*shape, low=-0.5, high=0.5, seed=2)


define(
    "Conv2D",
    "input: T, filter: T -> output: T",
    T=dtypes_of(FLOAT),
    **_CUDNN,
    **window_attrs(4),
    infer=_infer(4),
    kernel=Custom("conv_forward"),
    grad=_GRAD_2D[0],
    reference=_reference(4),
    samples=[sample(_image(*x), _taps(*w), **attrs) for x, w, attrs in _CASES],
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
    infer=_infer_input(4),
    kernel=Custom("conv_input"),
    grad=_GRAD_2D[1],
    reference=_input_reference(4),
    samples=[
        *(
            sample(i32(x), _taps(*w), _output(x, w, attrs), const=(0,), **attrs)
            for x, w, attrs in _CASES
        ),
        sample(i32([2, 5, 4, 3]), _W, _taps(2, 5, 4, 4), **_ONE),
        sample(i32([5, 4]), _W, _taps(2, 5, 4, 4), const=(0,), **_ONE),
        sample(i32([1, 7, 8, 2]), _taps(3, 3, 2, 3), _image(1, 4, 4, 3), const=(0,), **_TWO),
        sample(i32([1, 8, 7, 2]), _taps(3, 3, 2, 3), _image(1, 4, 4, 3), const=(0,), **_TWO),
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
    infer=_infer_filter(4),
    kernel=Custom("conv_filter"),
    grad=_GRAD_2D[2],
    reference=_filter_reference(4),
    samples=[
        *(
            sample(_image(*x), i32(w), _output(x, w, attrs), const=(1,), **attrs)
            for x, w, attrs in _CASES
        ),
        sample(_X, i32([3, 3, 3, 4]), _taps(2, 5, 4, 4), **_ONE),
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


def _output_3d(x: tuple[int, ...], w: tuple[int, ...], attrs: dict[str, Any]) -> np.ndarray:
    return _output(x, w, {"data_format": "NDHWC", **attrs})


define(
    "Conv3D",
    "input: T, filter: T -> output: T",
    T=dtypes_of(FLOAT),
    **window_attrs(5, explicit=False),
    infer=_infer(5),
    kernel=Custom("conv_forward"),
    grad=_GRAD_3D[0],
    reference=_reference(5),
    samples=[sample(_image(*x), _taps(*w), **attrs) for x, w, attrs in _CASES_3D],
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
    infer=_infer_input(5),
    kernel=Custom("conv_input"),
    grad=_GRAD_3D[1],
    reference=_input_reference(5),
    samples=[
        *(
            sample(i32(x), _taps(*w), _output_3d(x, w, attrs), const=(0,), **attrs)
            for x, w, attrs in _CASES_3D
        ),
        sample(np.array(_CASES_3D[0][0], np.int64), _W3, _output_3d(*_CASES_3D[0]), **_ONE3),
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
    infer=_infer_filter(5),
    kernel=Custom("conv_filter"),
    grad=_GRAD_3D[2],
    reference=_filter_reference(5),
    samples=[
        *(
            sample(_image(*x), i32(w), _output_3d(x, w, attrs), const=(1,), **attrs)
            for x, w, attrs in _CASES_3D
        ),
        sample(_X3, i32([2, 2, 3, 2, 3]), _taps(1, 3, 4, 5, 3), **_ONE3),
    ],
    errors=[
        wrong(ValueError, "out_backprop is", _X3, i32([2, 2, 3, 2, 3]), f32(1, 3, 4, 6, 3),
              const=(1,), **_ONE3),
    ],
    doc="The gradient of a Conv3D by its filter, whose shape ``filter_sizes`` holds.",
)  # fmt: skip
