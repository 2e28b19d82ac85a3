"""Colours in other coordinates: RGBToHSV, HSVToRGB, and the linear ones (YIQ, YUV, grey).

    v = max(r, g, b)    s = (v - min) / v    h: 0 red, 1/3 green, 2/3 blue, between them straight

Read next: adjusting.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, as_dtype
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.gradients import gradients
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.image.batches import at_least_three_axes
from flowgraph.image.conversion import convert_image_dtype
from flowgraph.ops.rules import concrete, f32, number, require_rank_at_least, shape_of
from flowgraph.shapes import Dims, ShapeError, format_dims

# --------------------------------------------------------------------------------------- kernels


def colour_infer(call_: Call) -> list[Dims]:
    """The shape of input 0, whose last axis holds three channels."""
    dims = call_.shapes[0]
    require_rank_at_least(dims, 1, "images")
    if dims is None:
        return [None]
    if dims[-1] not in (None, 3):
        raise ShapeError(f"images must have 3 channels, not shape {format_dims(dims)}")
    return [(*dims[:-1], 3)]


def per_pixel(text: str, known: tuple[int, ...] = ()) -> Procedure:
    """A kernel of every pixel; ``text`` finds its first element at ``at``."""
    body = "for pixel in range(start, stop):\n    at = 3 * pixel\n" + text + "return 0\n"
    return Procedure(
        body,
        sizes=lambda call_: {},
        steps=lambda call_: math.prod(concrete(call_.shapes[0])) // 3,
        known=known,
        flops=lambda call_: 8 * math.prod(concrete(call_.shapes[0])),
    )


LOAD_RGB = """
    r = load(images, at)
    g = load(images, at + 1)
    b = load(images, at + 2)
    v = maximum(maximum(r, g), b)
    low = minimum(minimum(r, g), b)
    away = v - low
"""

#: In sixths of a turn, from -1 to 5.
HUE = """
    hue = {T}(0)
    if away > {T}(0):
        if v == r:
            hue = (g - b) / away
        elif v == g:
            hue = (b - r) / away + {T}(2)
        else:
            hue = (r - g) / away + {T}(4)
"""

#: How much of the way from the least to the greatest channel each goes, by ``hue`` in sixths.
SHARES = """
    red = absolute(hue - {T}(3)) - {T}(1)
    green = {T}(2) - absolute(hue - {T}(2))
    blue = {T}(2) - absolute(hue - {T}(4))
    red = minimum(maximum(red, {T}(0)), {T}(1))
    green = minimum(maximum(green, {T}(0)), {T}(1))
    blue = minimum(maximum(blue, {T}(0)), {T}(1))
"""

_TO_HSV = (
    LOAD_RGB
    + HUE
    + """
    turn = hue / {T}(6)
    store(output, at, select(turn < {T}(0), turn + {T}(1), turn))
    store(output, at + 1, select(v > {T}(0), away / v, {T}(0)))
    store(output, at + 2, v)
"""
)

_TO_RGB = (
    """
    hue = load(images, at) * {T}(6)
    s = load(images, at + 1)
    v = load(images, at + 2)
"""
    + SHARES
    + """
    store(output, at, (({T}(1) - s) + s * red) * v)
    store(output, at + 1, (({T}(1) - s) + s * green) * v)
    store(output, at + 2, (({T}(1) - s) + s * blue) * v)
"""
)

# ------------------------------------------------------------------------------------ references


def hue_of(rgb: Any) -> tuple[Any, Any, Any]:
    """(hue in sixths, from -1 to 5; greatest; least) of float64 pixels."""
    r, g, b = np.moveaxis(rgb, -1, 0)
    v, low = rgb.max(-1), rgb.min(-1)
    with np.errstate(all="ignore"):
        by_red, by_green, by_blue = (x / (v - low) for x in (g - b, b - r, r - g))
    hue = np.where(v == r, by_red, np.where(v == g, by_green + 2, by_blue + 4))
    return np.where(v > low, hue, 0), v, low


def shares_of(hue: Any) -> Any:
    """How far the channels go from the least to the greatest."""
    red, green, blue = np.abs(hue - 3) - 1, 2 - np.abs(hue - 2), 2 - np.abs(hue - 4)
    return np.clip(np.stack([red, green, blue], -1), 0, 1)


def to_hsv(rgb: Any) -> Any:
    """Hue (in turns), saturation and value of float64 pixels."""
    hue, v, low = hue_of(rgb)
    with np.errstate(all="ignore"):
        s = np.where(v > 0, (v - low) / v, 0)
    turn = hue / 6
    return np.stack([np.where(turn < 0, turn + 1, turn), s, v], -1)


def to_rgb(hsv: Any) -> Any:
    """The reverse."""
    s, v = hsv[..., 1:2], hsv[..., 2:]
    return ((1 - s) + s * shares_of(hsv[..., 0] * 6)) * v


def _wide(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda call_, x: function(x.astype(np.float64)).astype(x.dtype)


# -------------------------------------------------------------------------------------- gradients


def _channels(x: Tensor) -> list[Tensor]:
    return call.Unpack(x, num=3, axis=-1)


def _hsv_formula(x: Tensor) -> Tensor:
    """RGBToHSV in small operations."""
    r, g, b = _channels(x)
    v, low = call.Maximum(call.Maximum(r, g), b), call.Minimum(call.Minimum(r, g), b)
    zero = call.ZerosLike(v)
    away = v - low
    by_red, by_green, by_blue = (call.DivNoNan(d, away) for d in (g - b, b - r, r - g))
    hue = call.Select(call.Equal(v, r), by_red,
                      call.Select(call.Equal(v, g), by_green + 2.0, by_blue + 4.0))  # fmt: skip
    turn = call.Select(call.Greater(away, zero), hue, zero) / 6.0
    turn = call.Select(call.Less(turn, zero), turn + 1.0, turn)
    s = call.Select(call.Greater(v, zero), call.DivNoNan(away, v), zero)
    return call.Pack([turn, s, v], axis=-1)


def _rgb_formula(x: Tensor) -> Tensor:
    """HSVToRGB in small operations."""
    h, s, v = _channels(x)
    hue = h * 6.0
    shares = [call.Abs(hue - 3.0) - 1.0, 2.0 - call.Abs(hue - 2.0), 2.0 - call.Abs(hue - 4.0)]
    low, high = number(0.0, v), number(1.0, v)
    clipped = [call.Minimum(call.Maximum(d, low), high) for d in shares]
    return call.Pack([((1.0 - s) + s * d) * v for d in clipped], axis=-1)


def by_formula(formula: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    """The gradient rule of an op of one input that computes ``formula``."""

    def grad(op: Any, dy: Any) -> Any:
        x = call.Identity(op.inputs[0])
        return gradients(formula(x), [x], dy)

    return grad


# --------------------------------------------------------------------------------------- records

_COLOURS = f32(2, 3, 4, 3, low=0.0, high=1.0)
_GREYS = np.array([[[0.5, 0.5, 0.5], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1], [1, 1, 0]]],
                  np.float32)  # fmt: skip

for _type, _text, _function, _formula, _doc in (
    ("RGBToHSV", _TO_HSV, to_hsv, _hsv_formula, "Hue, saturation and value of colours in [0, 1]."),
    ("HSVToRGB", _TO_RGB, to_rgb, _rgb_formula, "Red, green and blue from hue, saturation, value."),
):
    define(
        _type,
        "images: T -> output: T",
        T=dtypes_of(FLOAT, as_dtype("float32")),
        infer=colour_infer,
        kernel=per_pixel(_text),
        grad=by_formula(_formula),
        reference=_wide(_function),
        samples=(
            sample(_COLOURS),
            sample(_GREYS, differentiable=()),
            sample(f32(5, 3), differentiable=()),
            sample(f32(0, 3)),
        ),
        errors=(
            error_sample(ValueError, "3 channels", f32(2, 2, 4)),
            error_sample(ValueError, "at least 1 axes", f32()),
        ),
        doc=_doc,
    )


@export("image.rgb_to_hsv")
def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """Hue, saturation and value of colours.

    v = max(r, g, b)    s = (v - min(r, g, b)) / v    h in [0, 1): 0 red, 1/3 green, 2/3 blue

    Args:
        images: (..., 3) floats in [0, 1].
        name: of the operation; ``RGBToHSV`` by default.

    Returns:
        (..., 3) of the same dtype; h of greys is 0.

    Raises:
        ValueError: the last axis has not 3 channels.

    Gradient: of the formula; 0 for the hue of greys.

    >>> tf.Session().run(tf.image.rgb_to_hsv([0.0, 0.5, 1.0]))[1:]
    array([1., 1.], dtype=float32)
    """
    return apply_op("RGBToHSV", images, name=name)


@export("image.hsv_to_rgb")
def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Red, green and blue from hue, saturation and value.

    Args:
        images: (..., 3) floats in [0, 1].
        name: of the operation; ``HSVToRGB`` by default.

    Returns:
        (..., 3) of the same dtype.

    Raises:
        ValueError: the last axis has not 3 channels.

    Gradient: of the formula.

    >>> tf.Session().run(tf.image.hsv_to_rgb([0.0, 1.0, 1.0]))
    array([1., 0., 0.], dtype=float32)
    """
    return apply_op("HSVToRGB", images, name=name)


# ---------------------------------------------------------------------------- linear coordinates

_GREY = [0.2989, 0.5870, 0.1140]
_YIQ = np.array([[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617],
                 [0.114, -0.32134392, 0.31119955]])  # fmt: skip
_YUV = np.array([[0.299, -0.14714119, 0.61497538], [0.587, -0.28886916, -0.51496512],
                 [0.114, 0.43601035, -0.10001026]])  # fmt: skip
_FROM_YIQ = np.array([[1, 1, 1], [0.95598634, -0.27201283, -1.10674021],
                      [0.6208248, -0.64720424, 1.70423049]])  # fmt: skip
_FROM_YUV = np.array([[1, 1, 1], [0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0]])


def _mixed(images: Any, matrix: Any, function: str) -> Tensor:
    """Every pixel times a 3 x 3 matrix."""
    x = convert_to_tensor(images, name="images")
    at_least_three_axes(x, function)
    if x.dims is None:
        raise ValueError(f"{function}: the rank of the images must be known")
    if x.dims[-1] not in (None, 3):
        raise ValueError(f"{function}: images must have 3 channels, not {format_dims(x.dims)}")
    if not x.dtype.is_floating:
        raise TypeError(f"{function}: images must be floats, not {x.dtype.name}")
    rows = call.Reshape(x, np.array([-1, 3], np.int32))
    mixed = call.MatMul(rows, convert_to_tensor(matrix, dtype=x.dtype.base_dtype, name="kernel"))
    result = apply_op("Reshape", mixed, shape_of(x), name="Tensordot")
    result.set_shape((*x.dims[:-1], 3))
    return result


@export("image.rgb_to_yiq")
def rgb_to_yiq(images: Any) -> Tensor:
    """Luma and two differences of colours, as NTSC television has them.

    Args:
        images: (..., height, width, 3) floats in [0, 1].

    Returns:
        (..., 3) of the same dtype: Y in [0, 1], I and Q around 0.

    Raises:
        ValueError: not three channels.
        TypeError: not floats.

    Gradient: dy times the transposed matrix.

    >>> tf.Session().run(tf.image.rgb_to_yiq([[[1.0, 1.0, 1.0]]])).round(3)[..., 0]
    array([[1.]], dtype=float32)
    """
    return _mixed(images, _YIQ, "rgb_to_yiq")


@export("image.yiq_to_rgb")
def yiq_to_rgb(images: Any) -> Tensor:
    """The reverse of ``rgb_to_yiq``.

    Args:
        images: (..., height, width, 3) floats.

    Raises:
        ValueError: not three channels.
        TypeError: not floats.

    Gradient: dy times the transposed matrix.
    """
    return _mixed(images, _FROM_YIQ, "yiq_to_rgb")


@export("image.rgb_to_yuv")
def rgb_to_yuv(images: Any) -> Tensor:
    """Luma and two differences of colours, as PAL television has them.

    Args:
        images: (..., height, width, 3) floats in [0, 1].

    Returns:
        (..., 3) of the same dtype: Y in [0, 1], U and V around 0.

    Raises:
        ValueError: not three channels.
        TypeError: not floats.

    Gradient: dy times the transposed matrix.
    """
    return _mixed(images, _YUV, "rgb_to_yuv")


@export("image.yuv_to_rgb")
def yuv_to_rgb(images: Any) -> Tensor:
    """The reverse of ``rgb_to_yuv``.

    Args:
        images: (..., height, width, 3) floats.

    Raises:
        ValueError: not three channels.
        TypeError: not floats.

    Gradient: dy times the transposed matrix.
    """
    return _mixed(images, _FROM_YUV, "yuv_to_rgb")


@export("image.rgb_to_grayscale")
def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """How bright colours are.

    y = 0.2989 r + 0.587 g + 0.114 b

    Args:
        images: (..., 3), real; integers are computed in float32 and rounded down.
        name: of the operations; ``rgb_to_grayscale`` by default.

    Returns:
        (..., 1) of the same dtype.

    Raises:
        ValueError: the last axis has not 3 channels.

    Gradient: dy times the three weights.

    >>> tf.Session().run(tf.image.rgb_to_grayscale([[[0.0, 0.0, 1.0]]])).round(3)
    array([[[0.114]]], dtype=float32)
    """
    with name_scope(name, "rgb_to_grayscale", [images]) as scope:
        x = convert_to_tensor(images, name="images")
        if x.dims is not None and x.dims[-1:] not in ((3,), (None,)):
            raise ValueError(f"rgb_to_grayscale: images must have 3 channels, not shape "
                             f"{format_dims(x.dims)}")  # fmt: skip
        wide = convert_image_dtype(x, "float32")
        weights = convert_to_tensor(np.array(_GREY, np.float32), name="rgb_weights")
        rank = call.Rank(wide) if x.dims is None else np.int32(len(x.dims))
        axis = call.Sub(rank, np.int32(1)) if isinstance(rank, Tensor) else np.int32(rank - 1)
        grey = call.Sum(call.Mul(wide, weights), axis, keep_dims=True)
        return convert_image_dtype(grey, x.dtype.base_dtype, name=scope)


@export("image.grayscale_to_rgb")
def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Grey images in three equal channels.

    Args:
        images: (..., 1), any dtype.
        name: of the operations; ``grayscale_to_rgb`` by default.

    Returns:
        (..., 3) of the same dtype.

    Raises:
        ValueError: the last axis has not one channel.

    Gradient: the sum of dy over the channels.

    >>> tf.Session().run(tf.image.grayscale_to_rgb([[[7]]]))
    array([[[7, 7, 7]]], dtype=int32)
    """
    with name_scope(name, "grayscale_to_rgb", [images]) as scope:
        x = convert_to_tensor(images, name="images")
        if x.dims is not None and (not x.dims or x.dims[-1] not in (None, 1)):
            raise ValueError(
                f"grayscale_to_rgb: images must have 1 channel, not shape {format_dims(x.dims)}"
            )
        if x.dims is None:
            ones = call.Fill(call.ExpandDims(call.Sub(call.Rank(x), np.int32(1)), 0), np.int32(1))
            times: Any = call.ConcatV2([ones, np.array([3], np.int32)], 0)
        else:
            times = np.array([1] * (len(x.dims) - 1) + [3], np.int32)
        result = apply_op("Tile", x, times, name=scope)
        if x.dims is not None:
            result.set_shape([*x.dims[:-1], 3])
        return result
