"""What the records of convolutions share: geometry, inference, parts of references, gradients.

A family is three ops, linear in each operand: y from x and w, dx from w and dy, dw from x and dy.
A family says what shape y has (``shape(attrs, x, w, rank)``); the rest follows.  Holds no records.

Read next: convolution.py, depthwise.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op
from flowgraph.graph.opdef import REQUIRED, Attr, Call
from flowgraph.ops.rules import f32, invalid, shape_of
from flowgraph.ops.windows import Window, axes_of, image_dims, windows
from flowgraph.shapes import Dims, ShapeError, format_dims, merge

#: (attrs, shape of x, shape of w, rank) -> shape of y; ShapeError when they do not fit.
Shape = Callable[[Mapping[str, Any], Dims, Dims, int], tuple[int | None, ...]]


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


def geometry(shape: Shape, attrs: Mapping[str, Any], x: Any, w: Any) -> Geometry:
    """The Geometry of the shapes of input and filter, all known, which fit."""
    channel, spatial = axes_of(attrs["data_format"], len(x))
    y: Any = shape(attrs, x, w, len(x))
    return Geometry(
        batch=x[0],
        channels=x[channel],
        depth=y[channel],
        groups=x[channel] // w[-2] if w[-2] else 1,
        channel=channel,
        spatial=spatial,
        windows=tuple(windows(attrs, w[:-2], attrs["data_format"], attrs["dilations"])),
        sizes=tuple(x[a] for a in spatial),
        counts=tuple(y[a] for a in spatial),
    )


def slid(
    attrs: Mapping[str, Any], x: Dims, w: Dims, rank: int, depth: int | None
) -> tuple[int | None, ...]:
    """Shape ``x`` with windows in place of pixels, and ``depth`` channels."""
    channel, spatial = axes_of(attrs["data_format"], rank)
    x, w = image_dims(x, rank, "input"), image_dims(w, rank, "filter")
    slides = windows(attrs, w[:-2], attrs["data_format"], attrs["dilations"])
    if any(taps == 0 for taps in w[:-2]):
        raise ShapeError(f"the filter must not be empty: {format_dims(w)}")
    result = list(x)
    result[channel] = depth
    for axis, window in zip(spatial, slides, strict=True):
        result[axis] = window.count(x[axis])
    return tuple(result)


# --------------------------------------------------------------------------------------- inference


def infer_output(shape: Shape, rank: int) -> Callable[[Call], list[Dims]]:
    """The rule of y: (input, filter)."""
    return lambda call_: [shape(call_.attrs, call_.shapes[0], call_.shapes[1], rank)]


def infer_input(shape: Shape, rank: int) -> Callable[[Call], list[Dims]]:
    """The rule of dx: (input_sizes, filter, out_backprop)."""

    def infer(call_: Call) -> list[Dims]:
        w, dy = call_.shapes[1:]
        x = input_sizes(call_, rank)
        _check_fit(shape(call_.attrs, x, w, rank), image_dims(dy, rank, "out_backprop"), x, w)
        if x[0] is None and dy is not None:
            x = (dy[0], *x[1:])
        return [x]

    return infer


def infer_filter(shape: Shape, rank: int) -> Callable[[Call], list[Dims]]:
    """The rule of dw: (input, filter_sizes, out_backprop)."""

    def infer(call_: Call) -> list[Dims]:
        x, _, dy = call_.shapes
        w = image_dims(_sizes(call_, 1, "filter_sizes"), rank, "filter_sizes")
        _check_fit(shape(call_.attrs, x, w, rank), image_dims(dy, rank, "out_backprop"), x, w)
        return [w]

    return infer


def input_sizes(call_: Call, rank: int) -> tuple[int | None, ...]:
    """Input 0 as a shape; two sizes (as newer programs give them) are the spatial ones."""
    given = _sizes(call_, 0, "input_sizes")
    if given is None:
        return (None,) * rank
    if len(given) == rank:
        return given
    if len(given) != rank - 2:
        raise ShapeError(f"input_sizes must hold {rank} numbers, not {len(given)}")
    channel, spatial = axes_of(call_.attrs["data_format"], rank)
    w = image_dims(call_.shapes[1], rank, "filter")
    dy = image_dims(call_.shapes[2], rank, "out_backprop")
    sizes = [dy[0]] * rank
    sizes[channel] = w[-2]
    for axis, size in zip(spatial, given, strict=True):
        sizes[axis] = size
    return tuple(sizes)


def _sizes(call_: Call, i: int, what: str) -> Dims:
    """Input ``i``, a vector of sizes, as a shape."""
    dims = call_.shapes[i]
    if dims is not None and len(dims) != 1:
        raise ShapeError(f"{what} must be a vector, not of shape {format_dims(dims)}")
    return call_.partial(i)


def _check_fit(expected: Dims, dy: Dims, x: Dims, w: Dims) -> None:
    try:
        merge(expected, dy)
    except ShapeError:
        raise ShapeError(
            f"out_backprop is {format_dims(dy)}, but the convolution of input {format_dims(x)} "
            f"by filter {format_dims(w)} is {format_dims(expected)}"
        ) from None


# --------------------------------------------------------------------------------------- references


def check_again(infer: Callable[[Call], Any], call_: Call) -> None:
    """The rule of inference on the sizes of the run; InvalidArgumentError."""
    try:
        infer(call_)
    except ShapeError as error:
        raise invalid(error.headline) from None


def channels_last(x: Any, g: Geometry) -> Any:
    """``x`` with its channels behind the spatial axes, in float64."""
    return np.moveaxis(x, g.channel, -1).astype(np.float64)


def as_given(x: Any, g: Geometry, dtype: Any) -> Any:
    """Channels-last ``x`` in the data_format and dtype of the op."""
    return np.moveaxis(x, -1, g.channel).astype(dtype)


def framed(x: Any, g: Geometry) -> Any:
    """Channels-last ``x`` within the zeros that the windows reach."""
    frames = [w.frame(size) for w, size in zip(g.windows, g.sizes, strict=True)]
    return np.pad(x, [(0, 0), *frames, (0, 0)])


def unframed(x: Any, g: Geometry) -> Any:
    """What ``framed`` was made of."""
    begins = [w.frame(size)[0] for w, size in zip(g.windows, g.sizes, strict=True)]
    inside = [slice(b, b + size) for b, size in zip(begins, g.sizes, strict=True)]
    return x[(slice(None), *inside)]


def taps_of(g: Geometry) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Every tap of the filter with the slice of the framed input that meets it."""
    for tap in np.ndindex(*(w.taps or 0 for w in g.windows)):
        places = [
            slice(t * w.dilation, t * w.dilation + (count - 1) * w.stride + 1, w.stride)
            if count
            else slice(0, 0)
            for t, w, count in zip(tap, g.windows, g.counts, strict=True)
        ]
        yield tap, (slice(None), *places)


# --------------------------------------------------------------------------------------- gradients

_HANDED_ON = (
    "strides",
    "use_cudnn_on_gpu",
    "padding",
    "explicit_paddings",
    "data_format",
    "dilations",
)


def gradients_of(output: str, by_input: str, by_filter: str) -> tuple[Any, Any, Any]:
    """The gradient rules of a family's ops y, dx and dw."""

    def make(type: str, op: Any, *operands: Any) -> Any:
        handed = {name: op.attrs[name] for name in _HANDED_ON if name in op.attrs}
        return apply_op(type, *operands, **handed)

    def output_grad(op: Any, dy: Any) -> tuple[Any, Any]:
        x, w = op.input, op.filter
        dx = make(by_input, op, shape_of(x), w, dy) if op.wants(x) else None
        return dx, make(by_filter, op, x, shape_of(w), dy) if op.wants(w) else None

    def input_grad(op: Any, ddx: Any) -> tuple[None, Any, Any]:
        w, dy = op.filter, op.out_backprop
        dw = make(by_filter, op, ddx, shape_of(w), dy) if op.wants(w) else None
        return None, dw, make(output, op, ddx, w) if op.wants(dy) else None

    def filter_grad(op: Any, ddw: Any) -> tuple[Any, None, Any]:
        x, dy = op.input, op.out_backprop
        dx = make(by_input, op, shape_of(x), ddw, dy) if op.wants(x) else None
        return dx, None, make(output, op, x, ddw) if op.wants(dy) else None

    return output_grad, input_grad, filter_grad


# ------------------------------------------------------------------------------- parts of records


def window_attrs(rank: int, *, explicit: bool = True) -> dict[str, Any]:
    """The attrs of a family, in the order of TensorFlow's registry."""
    return {
        "strides": Attr("list(int)", REQUIRED),
        "padding": Attr("string", REQUIRED),
        **({"explicit_paddings": Attr("list(int)", [])} if explicit else {}),
        "data_format": "NHWC" if rank == 4 else "NDHWC",
        "dilations": Attr("list(int)", [1] * rank),
    }


def image(*shape: int) -> np.ndarray:
    """A sample input.  Small numbers: the tests compare sums in float32 with sums in float64."""
    return f32(*shape, low=-1.0, high=1.0)


def taps(*shape: int) -> np.ndarray:
    """A sample filter."""
    return f32(*shape, low=-0.5, high=0.5, seed=1)


def slopes(
    shape: Shape, x: tuple[int, ...], w: tuple[int, ...], attrs: Mapping[str, Any]
) -> np.ndarray:
    """A sample gradient of y."""
    full = {"data_format": "NHWC" if len(x) == 4 else "NDHWC", "dilations": [1] * len(x), **attrs}
    dims: Any = shape(full, x, w, len(x))
    return f32(*dims, low=-0.5, high=0.5, seed=2)
