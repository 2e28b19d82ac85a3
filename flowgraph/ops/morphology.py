"""Grey-scale morphology: dilation2d and erosion2d, the max-plus relatives of a convolution.

    y[n, i, j, c] = max over r, s of x[n, i*stride + r*rate - before, ..., c] + w[r, s, c]

over the taps that lie inside the image.  Gradients go to the tap that was the maximum, the first of
several.  Numbers that compare with nothing (NaN) are never the maximum.

Read next: windows.py, depthwise.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import REAL
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.ops.rules import f32, i32, invalid, one_name
from flowgraph.ops.windows import Window, image_dims, windows
from flowgraph.shapes import Dims, ShapeError, format_dims, merge

# ----------------------------------------------------------------------------------------- shapes


def _windows(call_: Call) -> list[Window]:
    w = image_dims(call_.shapes[1], 3, "filter")
    return windows(call_.attrs, w[:2], "NHWC", call_.attrs["rates"])


def _output(call_: Call) -> tuple[int | None, ...]:
    x = image_dims(call_.shapes[0], 4, "input")
    w = image_dims(call_.shapes[1], 3, "filter")
    if None not in (x[3], w[2]) and x[3] != w[2]:
        raise ShapeError(f"the input has {x[3]} channels, the filter is for {w[2]}")
    if call_.attrs["padding"] == "EXPLICIT":
        raise ShapeError("padding must be SAME or VALID, not 'EXPLICIT'")
    if 0 in w[:2]:
        raise ShapeError(f"the filter must not be empty: {format_dims(w)}")
    rows, columns = (
        window.count(size) for window, size in zip(_windows(call_), x[1:3], strict=True)
    )
    return x[0], rows, columns, w[2] if x[3] is None else x[3]


def _fits(call_: Call) -> None:
    """out_backprop has the shape of the output."""
    expected = _output(call_)
    try:
        merge(expected, image_dims(call_.shapes[2], 4, "out_backprop"))
    except ShapeError:
        raise ShapeError(
            f"out_backprop is {format_dims(call_.shapes[2])}, but the dilation is "
            f"{format_dims(expected)}"
        ) from None


def _gradient_infer(position: int) -> Any:
    def infer(call_: Call) -> list[Dims]:
        _fits(call_)
        return [image_dims(call_.shapes[position], 4 - position, "")]

    return infer


def _checked(infer: Any, call_: Call) -> None:
    try:
        infer(call_)
    except ShapeError as error:
        raise invalid(error.headline) from None


# ---------------------------------------------------------------------------------------- kernels


def _sizes(call_: Call) -> Mapping[str, int]:
    x: Any = call_.shapes[0]
    slides = _windows(call_)
    rows, columns = _output(call_)[1:3]
    assert rows is not None
    assert columns is not None
    sizes = {
        "height": x[1], "width": x[2], "channels": x[3], "rows": rows, "columns": columns,
    }  # fmt: skip
    for window, axis, size in zip(slides, "hw", x[1:3], strict=True):
        sizes[f"taps_{axis}"] = window.taps or 0
        sizes[f"stride_{axis}"] = window.stride
        sizes[f"rate_{axis}"] = window.dilation
        sizes[f"before_{axis}"] = window.frame(size)[0]
    return sizes


def _lowest(dtype: Any) -> Any:
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def _choices(call_: Call) -> Mapping[str, str]:
    dtype = call_.dtypes[0].np
    if dtype.kind == "f":
        return {"lowest": repr(float(_lowest(dtype)))}
    # as a difference: the least int64 is no literal
    return {"lowest": f"{int(_lowest(dtype)) + 1} - 1"}


def _lines(call_: Call) -> int:
    x: Any = call_.shapes[0]
    return x[0] * (_output(call_)[1] or 0)


_DILATE = """
for line in range(start, stop):
    image = line // rows * height
    for j in range(columns):
        to = (line * columns + j) * channels
        for c in independent(channels):
            store(output, to + c, {T}({lowest}))
        for r in range(taps_h):
            i = line % rows * stride_h + r * rate_h - before_h
            if (i >= 0) & (i < height):
                for s in range(taps_w):
                    k = j * stride_w + s * rate_w - before_w
                    if (k >= 0) & (k < width):
                        at = ((image + i) * width + k) * channels
                        tap = (r * taps_w + s) * channels
                        for c in independent(channels):
                            best = load(output, to + c)
                            other = load(input, at + c) + load(filter, tap + c)
                            store(output, to + c, select(other > best, other, best))
return 0
"""

#: Where the maximum is: ``at`` in the input, ``tap`` in the filter, -1 where there is none.
_SEARCH = """
for n in range(start, stop):
    for i in range(rows):
        for j in range(columns):
            for c in range(channels):
                best = {T}({lowest})
                at = int64(-1)
                tap = int64(-1)
                for r in range(taps_h):
                    y = i * stride_h + r * rate_h - before_h
                    if (y >= 0) & (y < height):
                        for s in range(taps_w):
                            x = j * stride_w + s * rate_w - before_w
                            if (x >= 0) & (x < width):
                                here = ((n * height + y) * width + x) * channels + c
                                there = (r * taps_w + s) * channels + c
                                other = load(input, here) + load(filter, there)
                                if other > best:
                                    best = other
                                    at = here
                                    tap = there
                if at >= 0:
                    out = ((n * rows + i) * columns + j) * channels + c
                    {found}
return 0
"""


def _search(found: str) -> Procedure:
    """``found``: what is done with an output element ``out`` whose maximum is known."""

    def choices(call_: Call) -> Mapping[str, str]:
        return {**_choices(call_), "found": found}

    def batch(call_: Call) -> int:
        x: Any = call_.shapes[0]
        return x[0]

    return Procedure(_SEARCH, sizes=_sizes, steps=batch, fill={0: 0}, choices=choices)


# ------------------------------------------------------------------------------------- references


def _candidates(call_: Call, x: Any, w: Any) -> Any:
    """(sums, whether inside) of shape (taps, *output), and the slices of the framed input."""
    slides = _windows(call_)
    rows, columns = _output(call_)[1:3]
    frames = [window.frame(size) for window, size in zip(slides, x.shape[1:3], strict=True)]
    around = [(0, 0), *frames, (0, 0)]
    padded = np.pad(x, around)
    inside = np.pad(np.ones(x.shape, bool), around)
    sums, valid, places = [], [], []
    for r, s in np.ndindex(*w.shape[:2]):
        first = [t * window.dilation for t, window in zip((r, s), slides, strict=True)]
        place = (
            slice(None),
            *(
                slice(f, f + max(count - 1, 0) * window.stride + 1, window.stride)
                if count
                else slice(0, 0)
                for f, count, window in zip(first, (rows, columns), slides, strict=True)
            ),
        )
        places.append(place)
        sums.append(padded[place] + w[r, s])
        valid.append(inside[place])
    return np.array(sums), np.array(valid), places


def _best(sums: Any, valid: Any) -> tuple[Any, Any]:
    """The maximum over the taps and which one it was, -1 where there is none."""
    best = np.full(sums.shape[1:], _lowest(sums.dtype), sums.dtype)
    which = np.full(sums.shape[1:], -1)
    for tap, (values, inside) in enumerate(zip(sums, valid, strict=True)):
        better = inside & (values > best)
        best = np.where(better, values, best)
        which = np.where(better, tap, which)
    return best, which


def _reference(call_: Call, x: Any, w: Any) -> Any:
    _checked(_output, call_)
    sums, valid, _ = _candidates(call_, x, w)
    return _best(sums, valid)[0]


def _input_reference(call_: Call, x: Any, w: Any, dy: Any) -> Any:
    _checked(_fits, call_)
    sums, valid, places = _candidates(call_, x, w)
    _, which = _best(sums, valid)
    slides = _windows(call_)
    frames = [window.frame(size) for window, size in zip(slides, x.shape[1:3], strict=True)]
    padded = np.pad(np.zeros_like(x), [(0, 0), *frames, (0, 0)])
    for tap, place in enumerate(places):
        padded[place] += np.where(which == tap, dy, 0).astype(x.dtype)
    (top, _), (left, _) = frames
    return padded[:, top : top + x.shape[1], left : left + x.shape[2]]


def _filter_reference(call_: Call, x: Any, w: Any, dy: Any) -> Any:
    _checked(_fits, call_)
    sums, valid, _ = _candidates(call_, x, w)
    _, which = _best(sums, valid)
    chosen = [np.where(which == tap, dy, 0).sum((0, 1, 2)) for tap in range(len(sums))]
    return np.array(chosen).reshape(w.shape).astype(w.dtype)


# ---------------------------------------------------------------------------------------- records

_ATTRS: dict[str, Any] = {
    "strides": Attr("list(int)", REQUIRED),
    "rates": Attr("list(int)", REQUIRED),
    "padding": Attr("string", REQUIRED),
}
_ONE: dict[str, Any] = {"strides": [1, 1, 1, 1], "rates": [1, 1, 1, 1], "padding": "SAME"}
_TWO: dict[str, Any] = {"strides": [1, 2, 1, 1], "rates": [1, 1, 2, 1], "padding": "SAME"}
_VALID: dict[str, Any] = {"strides": [1, 1, 2, 1], "rates": [1, 2, 1, 1], "padding": "VALID"}

_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any], tuple[int, ...]], ...] = (
    ((2, 5, 4, 3), (3, 2, 3), _ONE, (2, 5, 4, 3)),
    ((1, 5, 6, 2), (2, 3, 2), _TWO, (1, 3, 6, 2)),
    ((1, 6, 5, 2), (3, 2, 2), _VALID, (1, 2, 2, 2)),
    ((0, 3, 3, 2), (2, 2, 2), _ONE, (0, 3, 3, 2)),
)


def _gradient(op: Any, dy: Any) -> tuple[Any, Any]:
    x, w = op.input, op.filter
    attrs = {name: op.attrs[name] for name in _ATTRS}
    dx = call.Dilation2DBackpropInput(x, w, dy, **attrs) if op.wants(x) else None
    dw = call.Dilation2DBackpropFilter(x, w, dy, **attrs) if op.wants(w) else None
    return dx, dw


def _winners_infer(position: int) -> Any:
    """The output's shape, when ``gradient`` has that of input ``position``."""

    def infer(call_: Call) -> list[Dims]:
        expected = image_dims(call_.shapes[position], 4 - position, "")
        try:
            merge(expected, image_dims(call_.shapes[2], 4 - position, "gradient"))
        except ShapeError:
            raise ShapeError(
                f"gradient is {format_dims(call_.shapes[2])}, but the input it belongs to is "
                f"{format_dims(expected)}"
            ) from None
        return [_output(call_)]

    return infer


def _input_winners(call_: Call, x: Any, w: Any, gradient: Any) -> Any:
    _checked(_winners_infer(0), call_)
    sums, valid, places = _candidates(call_, x, w)
    _, which = _best(sums, valid)
    slides = _windows(call_)
    frames = [window.frame(size) for window, size in zip(slides, x.shape[1:3], strict=True)]
    padded = np.pad(gradient, [(0, 0), *frames, (0, 0)])
    result = np.zeros(which.shape, x.dtype)
    for tap, place in enumerate(places):
        result = np.where(which == tap, padded[place], result)
    return result


def _filter_winners(call_: Call, x: Any, w: Any, gradient: Any) -> Any:
    _checked(_winners_infer(1), call_)
    sums, valid, _ = _candidates(call_, x, w)
    _, which = _best(sums, valid)
    taps = gradient.reshape(-1, gradient.shape[-1])
    result = np.zeros(which.shape, x.dtype)
    for tap, row in enumerate(taps):
        result = np.where(which == tap, row, result)
    return result


def _by_dy(backward: str) -> Any:
    """A winner's place hangs on ``input`` and ``filter`` by steps alone: a zero gradient."""

    def gradient(op: Any, dy: Any) -> tuple[Any, Any, Any]:
        x, w, _ = op.inputs
        attrs = {name: op.attrs[name] for name in _ATTRS}
        return None, None, getattr(call, backward)(x, w, dy, **attrs)

    return gradient


_INTS = i32([[[[3], [-4]], [[5], [1]]]]), i32([[[1], [-2]]])
_X, _W = f32(2, 5, 4, 3), f32(3, 2, 3, seed=1)

define(
    "Dilation2D",
    "input: T, filter: T -> output: T",
    T=dtypes_of(REAL),
    **_ATTRS,
    infer=lambda call_: [_output(call_)],
    kernel=Procedure(_DILATE, sizes=_sizes, steps=_lines, choices=_choices),
    grad=_gradient,
    reference=_reference,
    samples=[
        *(sample(f32(*x), f32(*w, seed=1), **attrs) for x, w, attrs, _ in _CASES),
        sample(*_INTS, **_ONE),
        sample(*(a.astype(np.int64) for a in _INTS), **_VALID),
        sample(*(abs(a).astype(np.uint8) for a in _INTS), **_ONE),
        sample(
            np.array([1, np.nan, -1, 2, np.inf, 0], np.float32).reshape(1, 2, 3, 1),
            f32(2, 2, 1),
            differentiable=(),
            **_ONE,
        ),
    ],
    errors=[
        error_sample(ValueError, "3 channels, the filter is for 2", _X, f32(3, 2, 2), **_ONE),
        error_sample(ValueError, "filter must be of rank 3", _X, f32(3, 2, 3, 1), **_ONE),
        error_sample(ValueError, "negative dimension size", _X, f32(6, 2, 3),
                     strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="VALID"),
        error_sample(ValueError, "dilations must be positive", _X, _W, strides=[1, 1, 1, 1],
                     rates=[1, 0, 1, 1], padding="SAME"),
        error_sample(ValueError, "not 'EXPLICIT'", _X, _W, strides=[1, 1, 1, 1],
                     rates=[1, 1, 1, 1], padding="EXPLICIT"),
        error_sample(Exception, "the filter is for 2", _X, f32(3, 2, 2), stage="run", **_ONE),
    ],
    doc="The maximum of ``input`` plus ``filter`` over a sliding window, channel by channel.",
)  # fmt: skip

define(
    "Dilation2DBackpropInput",
    "input: T, filter: T, out_backprop: T -> in_backprop: T",
    T=dtypes_of(REAL),
    **_ATTRS,
    infer=_gradient_infer(0),
    kernel=_search("store(in_backprop, at, load(in_backprop, at) + load(out_backprop, out))"),
    grad=_by_dy("Dilation2DInputWinners"),
    reference=_input_reference,
    samples=[
        sample(f32(*x), f32(*w, seed=1), f32(*y, seed=2), **attrs) for x, w, attrs, y in _CASES
    ],
    errors=[
        error_sample(ValueError, r"out_backprop is \[2, 5, 3, 3\]", _X, _W, f32(2, 5, 3, 3), **_ONE)
    ],
    doc="The gradient of a Dilation2D by its input.",
)

define(
    "Dilation2DBackpropFilter",
    "input: T, filter: T, out_backprop: T -> filter_backprop: T",
    T=dtypes_of(REAL),
    **_ATTRS,
    infer=_gradient_infer(1),
    kernel=_search(
        "store(filter_backprop, tap, load(filter_backprop, tap) + load(out_backprop, out))"
    ),
    grad=_by_dy("Dilation2DFilterWinners"),
    reference=_filter_reference,
    samples=[
        sample(f32(*x), f32(*w, seed=1), f32(*y, seed=2), **attrs) for x, w, attrs, y in _CASES
    ],
    errors=[error_sample(ValueError, "out_backprop is", _X, _W, f32(2, 5, 3, 3), **_ONE)],
    doc="The gradient of a Dilation2D by its filter.",
)

define(
    "Dilation2DInputWinners",
    "input: T, filter: T, gradient: T -> chosen: T",
    T=dtypes_of(REAL),
    **_ATTRS,
    infer=_winners_infer(0),
    kernel=_search("store(chosen, out, load(gradient, at))"),
    grad=_by_dy("Dilation2DBackpropInput"),
    reference=_input_winners,
    samples=[
        sample(f32(*x), f32(*w, seed=1), f32(*x, seed=2), **attrs) for x, w, attrs, _ in _CASES
    ],
    errors=[error_sample(ValueError, "gradient is", _X, _W, f32(2, 5, 3, 3), **_ONE)],
    doc="``gradient`` where the input holds the maxima of a Dilation2D: the derivative along it.",
)

define(
    "Dilation2DFilterWinners",
    "input: T, filter: T, gradient: T -> chosen: T",
    T=dtypes_of(REAL),
    **_ATTRS,
    infer=_winners_infer(1),
    kernel=_search("store(chosen, out, load(gradient, tap))"),
    grad=_by_dy("Dilation2DBackpropFilter"),
    reference=_filter_winners,
    samples=[
        sample(f32(*x), f32(*w, seed=1), f32(*w, seed=2), **attrs) for x, w, attrs, _ in _CASES
    ],
    errors=[error_sample(ValueError, "gradient is", _X, _W, f32(3, 3, 3), **_ONE)],
    doc="``gradient`` where the filter holds the maxima of a Dilation2D: the derivative along it.",
)

# --------------------------------------------------------------------------------- public functions


@export("nn.dilation2d")
def dilation2d(
    input: Any,
    filter: Any = None,
    strides: Sequence[int] | None = None,
    rates: Sequence[int] | None = None,
    padding: str | None = None,
    name: str | None = None,
    filters: Any = None,
    dilations: Sequence[int] | None = None,
) -> Tensor:
    """Grey-scale dilation: the maximum of image plus filter over a sliding window.

    y[n, i, j, c] = max over r, s of x[n, i*stride + r*rate, j*stride + s*rate, c] + w[r, s, c]

    Args:
        input: (n, height, width, channels), any real dtype.
        filter: (height, width, channels).
        strides, rates: four numbers, the first and last 1: steps of the window, and distance of
            its taps.
        padding: ``SAME`` or ``VALID``; what lies outside the image is never the maximum.
        name: of the operation; ``Dilation2D`` by default.
        filters, dilations: other names of ``filter`` and ``rates``.

    Returns:
        (n, rows, columns, channels).

    Raises:
        ValueError: channels or ranks do not fit, or a window is larger than the image.

    Gradient: dy goes to the pixel and the tap of the maximum, the first one of several.

    >>> x = tf.constant([1.0, 5.0, 2.0], shape=[1, 1, 3, 1])
    >>> y = tf.nn.dilation2d(x, tf.zeros([1, 2, 1]), [1] * 4, [1] * 4, "VALID")
    >>> tf.Session().run(y).ravel()
    array([5., 5.], dtype=float32)
    """
    filter = one_name("dilation2d", filter=filter, filters=filters)
    rates = one_name("dilation2d", rates=rates, dilations=dilations)
    return apply_op(
        "Dilation2D", input, filter, strides=strides, rates=rates, padding=padding, name=name
    )


@export("nn.erosion2d")
def erosion2d(
    value: Any,
    kernel: Any,
    strides: Sequence[int],
    rates: Sequence[int],
    padding: str,
    name: str | None = None,
) -> Tensor:
    """Grey-scale erosion: the minimum of image minus kernel over a sliding window.

    y[n, i, j, c] = min over r, s of x[n, i*stride - r*rate, j*stride - s*rate, c] - w[r, s, c]

    Args:
        value: (n, height, width, channels), float or signed.
        kernel: (height, width, channels).
        strides, rates, padding: as of dilation2d.
        name: of the operations; ``erosion2d`` by default.

    Raises:
        ValueError: as of dilation2d.

    Gradient: through dilation2d: it is minus the dilation of minus ``value`` by the kernel turned
        round.
    """
    with name_scope(name, "erosion2d", [value, kernel]) as scope:
        value = convert_to_tensor(value, name="value")
        kernel = convert_to_tensor(kernel, dtype=value.dtype.base_dtype, name="kernel")
        turned = call.ReverseV2(kernel, np.array([0, 1], np.int32))
        return call.Neg(
            call.Dilation2D(
                call.Neg(value), turned, strides=strides, rates=rates, padding=padding, name=scope
            )
        )
