"""Brightness, contrast, hue, saturation, gamma: adjusted by a number, given or random.

Functions take images of any real dtype: integers are computed in float32 and converted back.

Read next: colours.py, conversion.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, float32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.gradients import gradients
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.image.batches import at_least_three_axes, known
from flowgraph.image.colours import (
    HUE,
    LOAD_RGB,
    SHARES,
    colour_infer,
    hue_of,
    per_pixel,
    shares_of,
    to_hsv,
    to_rgb,
)
from flowgraph.image.conversion import convert_image_dtype
from flowgraph.ops.random import random_uniform
from flowgraph.ops.rules import concrete, f32, number, require_rank, shape_of
from flowgraph.ops.statistics import reduce_std
from flowgraph.shapes import Dims, ShapeError

_HALF = frozenset(("float16", "float32"))

# -------------------------------------------------------------------------------------- contrast

#: Per image: the rows are added up, then the pixels of the sum; the means stand in a row of their
#: own, so that whole rows are done at once.
_CONTRAST = """
f = {T}(load(contrast_factor, 0))
for n in range(images_given):
    first = n * H * row
    for k in independent(row):
        store(total, k, 0.0)
    for y in range(H):
        at = first + y * row
        for k in independent(row):
            store(total, k, load(total, k) + float64(load(images, at + k)))
    for c in range(C):
        sum = 0.0
        for x in range(W):
            sum += load(total, x * C + c)
        m = {T}(sum / float64(H * W))
        for x in range(W):
            store(mean, x * C + c, m)
    for y in range(H):
        at = first + y * row
        for k in independent(row):
            m = load(mean, k)
            store(output, at + k, (load(images, at + k) - m) * f + m)
return 0
"""


def _contrast_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    if dims is not None and len(dims) < 3:
        raise ShapeError("images must have at least three axes: height, width, channels")
    require_rank(call_.shapes[1], 0, "contrast_factor")
    return [dims]


def _contrast_sizes(call_: Call) -> dict[str, int]:
    *batch, height, width, channels = concrete(call_.shapes[0])
    row = width * channels
    return {"images_given": math.prod(batch), "H": height, "W": width, "C": channels, "row": row}


def _contrast_scratch(call_: Call) -> dict[str, tuple[str, int]]:
    row = _contrast_sizes(call_)["row"]
    return {"total": ("float64", row), "mean": (call_.dtypes[0].base_dtype.name, row)}


def _contrast_reference(call_: Call, x: Any, factor: Any) -> Any:
    wide = x.astype(np.float64)
    if not x.size:
        return x.copy()
    mean = wide.mean((-3, -2), keepdims=True)
    return ((wide - mean) * float(factor) + mean).astype(x.dtype)


def _contrast_grad(op: Any, dy: Any) -> tuple[Any, Any]:
    """y = f x + (1 - f) mean(x)"""
    x, factor = op.images, op.contrast_factor
    axes = np.array([-3, -2], np.int32)
    f = _as(factor, x)
    dx = call.AddV2(dy * f, call.Mean(dy, axes, keep_dims=True) * (1.0 - f))
    away = x - call.Mean(x, axes, keep_dims=True)
    every = call.Range(number(0, _rank(x)), _rank(x), number(1, _rank(x)))
    return dx, _as(call.Sum(dy * away, every), factor)


def _rank(x: Tensor) -> Tensor:
    return call.Rank(x)


def _as(x: Tensor, like: Tensor) -> Tensor:
    dtype = like.dtype.base_dtype
    return x if x.dtype.base_dtype is dtype else call.Cast(x, DstT=dtype)


_FACTOR = np.float32(1.5)
define(
    "AdjustContrastv2",
    "images: T, contrast_factor: float32 -> output: T",
    T=dtypes_of(_HALF, float32),
    infer=_contrast_infer,
    kernel=Procedure(
        _CONTRAST,
        sizes=_contrast_sizes,
        scratch=_contrast_scratch,
        flops=lambda call_: 4 * math.prod(concrete(call_.shapes[0])),
    ),
    grad=_contrast_grad,
    reference=_contrast_reference,
    # the factor is float32 whatever T is: gradients are checked by tests of their own
    samples=(
        sample(f32(2, 3, 4, 3), _FACTOR, differentiable=()),
        sample(f32(5, 2, 1), np.float32(-0.5), differentiable=()),
        sample(f32(2, 0, 4, 3), _FACTOR, differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "at least three axes", f32(2, 3), _FACTOR),
        error_sample(ValueError, "contrast_factor must be a scalar", f32(2, 3, 1), f32(2)),
    ),
    doc="Pixels moved away from the mean of their image and channel, or towards it.",
)

# --------------------------------------------------------------------------- hue and saturation

#: NB: the least and the greatest channel stay, so that colours outside [0, 1] keep their range.
_HUE = (
    LOAD_RGB
    + HUE
    + """
    turned = hue / {T}(6) + {T}(load(delta, 0))
    hue = (turned - floor(turned)) * {T}(6)
"""
    + SHARES
    + """
    store(output, at, low + away * red)
    store(output, at + 1, low + away * green)
    store(output, at + 2, low + away * blue)
"""
)

_SATURATION = (
    LOAD_RGB
    + HUE
    + """
    hue = select(hue < {T}(0), hue + {T}(6), hue)
    s = select(v > {T}(0), away / v, {T}(0)) * {T}(load(scale, 0))
    s = minimum(maximum(s, {T}(0)), {T}(1))
"""
    + SHARES
    + """
    store(output, at, (({T}(1) - s) + s * red) * v)
    store(output, at + 1, (({T}(1) - s) + s * green) * v)
    store(output, at + 2, (({T}(1) - s) + s * blue) * v)
"""
)


def _scalar_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    if dims is not None and len(dims) < 3:
        raise ShapeError("images must have at least three axes: height, width, channels")
    require_rank(call_.shapes[1], 0, "delta" if call_.type == "AdjustHue" else "scale")
    return colour_infer(call_)


def _hue_reference(call_: Call, x: Any, delta: Any) -> Any:
    hue, v, low = hue_of(x.astype(np.float64))
    turned = hue / 6 + float(delta)
    shares = shares_of((turned - np.floor(turned)) * 6)
    return (low[..., None] + (v - low)[..., None] * shares).astype(x.dtype)


def _saturation_reference(call_: Call, x: Any, scale: Any) -> Any:
    hsv = to_hsv(x.astype(np.float64))
    hsv[..., 1] = np.clip(hsv[..., 1] * float(scale), 0, 1)
    return to_rgb(hsv).astype(x.dtype)


def _colour_grad(op: Any, dy: Any) -> tuple[Any, Any]:
    """That of the way over hue, saturation and value, with colours in [0, 1]."""
    x, given = (call.Identity(t) for t in op.inputs)
    h, s, v = call.Unpack(call.RGBToHSV(x), num=3, axis=-1)
    by = _as(given, x)
    if op.type == "AdjustHue":
        turned = h + by
        h = turned - call.StopGradient(call.Floor(turned))
    else:
        s = call.Minimum(call.Maximum(s * by, number(0.0, x)), number(1.0, x))
    y = call.HSVToRGB(call.Pack([h, s, v], axis=-1))
    return tuple(gradients(y, [x, given], dy))


_COLOURS = f32(2, 3, 2, 3, low=0.0, high=1.0)
for _type, _name, _text, _function, _doc in (
    ("AdjustHue", "delta", _HUE, _hue_reference, "Colours turned along the circle of hues."),
    ("AdjustSaturation", "scale", _SATURATION, _saturation_reference,
     "Colours whose saturation is multiplied."),
):  # fmt: skip
    define(
        _type,
        f"images: T, {_name}: float32 -> output: T",
        T=dtypes_of(_HALF, float32),
        infer=_scalar_infer,
        kernel=per_pixel(_text),
        grad=_colour_grad,
        reference=_function,
        samples=(
            sample(_COLOURS, np.float32(0.3), differentiable=()),
            sample(_COLOURS[0], np.float32(1.7), differentiable=()),
            sample(_COLOURS[0], np.float32(-0.4), differentiable=()),
            sample(np.array([[[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0]]], np.float32),
                   np.float32(0.5), differentiable=()),
            sample(f32(0, 2, 2, 3), np.float32(0.3), differentiable=()),
        ),
        errors=(
            error_sample(ValueError, "3 channels", f32(2, 2, 4), np.float32(0)),
            error_sample(ValueError, "at least three axes", f32(2, 3), np.float32(0)),
        ),
        doc=_doc,
    )  # fmt: skip


# -------------------------------------------------------------------------------------- functions


def _as_float(image: Any) -> tuple[Tensor, Tensor]:
    """(as given, in a float dtype that the operations take)."""
    x = convert_to_tensor(image, name="image")
    return x, x if x.dtype.base_dtype.name in _HALF else convert_image_dtype(x, float32)


@export("image.adjust_brightness")
def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """``delta`` added to every pixel.

    Args:
        image: real; integers as fractions of their greatest value.
        delta: a scalar, usually in (-1, 1).

    Returns:
        A tensor of the shape and dtype of ``image``; integers are clipped to their range.

    Gradient: dy.

    >>> tf.Session().run(tf.image.adjust_brightness([[[0.25]]], 0.5))
    array([[[0.75]]], dtype=float32)
    """
    with name_scope(None, "adjust_brightness", [image, delta]) as scope:
        x, wide = _as_float(image)
        away = convert_to_tensor(delta, dtype_hint=wide.dtype.base_dtype)
        moved = apply_op("AddV2", wide, _as(away, wide), name=scope)
        return convert_image_dtype(moved, x.dtype, saturate=True)


@export("image.adjust_contrast")
def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """Pixels moved away from the mean of their image and channel.

    y = (x - mean) * contrast_factor + mean

    Args:
        images: (..., height, width, channels), real.
        contrast_factor: a scalar; 1 changes nothing.

    Returns:
        A tensor of the shape and dtype of ``images``; integers are clipped to their range.

    Raises:
        ValueError: fewer than three axes.

    Gradient: dy * factor + mean(dy) * (1 - factor); also to the factor.

    >>> tf.Session().run(tf.image.adjust_contrast([[[1.0], [3.0]]], 2.0))[0, :, 0]
    array([0., 4.], dtype=float32)
    """
    with name_scope(None, "adjust_contrast", [images, contrast_factor]) as scope:
        x, wide = _as_float(images)
        factor = convert_to_tensor(contrast_factor, dtype_hint=float32, name="contrast_factor")
        made = apply_op("AdjustContrastv2", wide, _as_float32(factor), name=scope)
        return convert_image_dtype(made, x.dtype, saturate=True)


def _as_float32(x: Tensor) -> Tensor:
    return x if x.dtype.base_dtype is float32 else call.Cast(x, DstT=float32)


def _by_colour(type: str, scope: str, image: Any, by: Any, name: str | None) -> Tensor:
    with name_scope(name, scope, [image]):
        x, wide = _as_float(image)
        amount = _as_float32(convert_to_tensor(by, dtype_hint=float32))
        return convert_image_dtype(apply_op(type, wide, amount), x.dtype)


@export("image.adjust_hue")
def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """Colours turned along the circle of hues: red, yellow, green, cyan, blue, magenta.

    Args:
        image: (..., height, width, 3), real.
        delta: by how much of a turn, a scalar in [-1, 1].
        name: of the operations; ``adjust_hue`` by default.

    Returns:
        A tensor of the shape and dtype of ``image``.

    Raises:
        ValueError: not three channels.

    Gradient: of the formula, to both.

    >>> tf.Session().run(tf.image.adjust_hue([[[1.0, 0.0, 0.0]]], 0.5))[0, 0]
    array([0., 1., 1.], dtype=float32)
    """
    return _by_colour("AdjustHue", "adjust_hue", image, delta, name)


@export("image.adjust_saturation")
def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """Colours whose saturation is multiplied: 0 makes them grey.

    Args:
        image: (..., height, width, 3), real.
        saturation_factor: a scalar; results are kept in [0, 1].
        name: of the operations; ``adjust_saturation`` by default.

    Returns:
        A tensor of the shape and dtype of ``image``.

    Raises:
        ValueError: not three channels.

    Gradient: of the formula, to both.

    >>> tf.Session().run(tf.image.adjust_saturation([[[1.0, 0.5, 0.5]]], 2.0))[0, 0]
    array([1., 0., 0.], dtype=float32)
    """
    return _by_colour("AdjustSaturation", "adjust_saturation", image, saturation_factor, name)


@export("image.adjust_gamma")
def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """Pixels raised to a power: above 1 darkens.

    y = gain * x ** gamma

    Args:
        image: real; integers as fractions of their greatest value.
        gamma: a scalar >= 0.
        gain: a scalar.

    Returns:
        A tensor of the shape and dtype of ``image``; integers are clipped to their range.

    Raises:
        ValueError: a negative ``gamma``.

    Gradient: dy * gain * gamma * x ** (gamma - 1).

    >>> tf.Session().run(tf.image.adjust_gamma([[[0.5]]], 2.0))
    array([[[0.25]]], dtype=float32)
    """
    least = known(gamma)
    if least is not None and least < 0:
        raise ValueError(f"adjust_gamma: gamma should be a non-negative real number, not {least}")
    with name_scope(None, "adjust_gamma", [image, gamma, gain]):
        x, wide = _as_float(image)
        power, factor = (
            _as(convert_to_tensor(v, dtype_hint=wide.dtype.base_dtype), wide) for v in (gamma, gain)
        )
        raised = call.Pow(wide, power, name="pow")
        return convert_image_dtype(call.Mul(factor, raised, name="mul"), x.dtype, saturate=True)


def _number(low: Any, high: Any, seed: int | None) -> Tensor:
    return random_uniform([], low, high, seed=seed)


def _check_bounds(function: str, lower: Any, upper: Any) -> None:
    if not upper > lower:
        raise ValueError(f"{function}: upper must be > lower, not {upper} and {lower}")
    if lower < 0:
        raise ValueError(f"{function}: lower must be non-negative, not {lower}")


@export("image.random_brightness")
def random_brightness(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """``adjust_brightness`` by a random number in [-max_delta, max_delta).

    Args:
        image: real.
        max_delta: >= 0.
        seed: see ``tf.set_random_seed``.

    Raises:
        ValueError: a negative ``max_delta``.
    """
    if max_delta < 0:
        raise ValueError(f"random_brightness: max_delta must be non-negative, not {max_delta}")
    return adjust_brightness(image, _number(-max_delta, max_delta, seed))


@export("image.random_contrast")
def random_contrast(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """``adjust_contrast`` by a random factor in [lower, upper).

    Args:
        image: (..., height, width, channels), real.
        lower, upper: 0 <= lower < upper.
        seed: see ``tf.set_random_seed``.

    Raises:
        ValueError: bounds that are not in order, or fewer than three axes.
    """
    _check_bounds("random_contrast", lower, upper)
    return adjust_contrast(image, _number(lower, upper, seed))


@export("image.random_hue")
def random_hue(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """``adjust_hue`` by a random part of a turn in [-max_delta, max_delta).

    Args:
        image: (..., height, width, 3), real.
        max_delta: in [0, 0.5].
        seed: see ``tf.set_random_seed``.

    Raises:
        ValueError: ``max_delta`` lies outside, or not three channels.
    """
    if not 0 <= max_delta <= 0.5:
        raise ValueError(f"random_hue: max_delta must be in [0, 0.5], not {max_delta}")
    return adjust_hue(image, _number(-max_delta, max_delta, seed))


@export("image.random_saturation")
def random_saturation(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """``adjust_saturation`` by a random factor in [lower, upper).

    Args:
        image: (..., height, width, 3), real.
        lower, upper: 0 <= lower < upper.
        seed: see ``tf.set_random_seed``.

    Raises:
        ValueError: bounds that are not in order, or not three channels.
    """
    _check_bounds("random_saturation", lower, upper)
    return adjust_saturation(image, _number(lower, upper, seed))


@export("image.per_image_standardization")
def per_image_standardization(image: Any) -> Tensor:
    """Every image with mean 0 and variance 1.

    y = (x - mean) / max(stddev, 1 / sqrt(number of elements))

    Args:
        image: (..., height, width, channels), real.

    Returns:
        A tensor of that shape; float16 and float32 as they are, others as float32.

    Raises:
        ValueError: fewer than three axes.

    Gradient: as of its parts.

    >>> tf.Session().run(tf.image.per_image_standardization([[[1.0], [3.0]]]))[0, :, 0]
    array([-1.,  1.], dtype=float32)
    """
    with name_scope(None, "per_image_standardization", [image]) as scope:
        given = convert_to_tensor(image, name="image")
        at_least_three_axes(given, "per_image_standardization")
        x = (
            given
            if given.dtype.base_dtype.name in _HALF
            else call.Cast(given, DstT=as_dtype("float32"))
        )
        axes = np.array([-1, -2, -3], np.int32)
        sizes = shape_of(x)[-3:]
        count = call.Cast(call.Prod(sizes, np.array([0], np.int32)), DstT=x.dtype.base_dtype)
        mean = call.Mean(x, axes, keep_dims=True)
        spread = reduce_std(x, axis=[-1, -2, -3], keepdims=True)
        away = call.Sub(x, mean)
        return apply_op("RealDiv", away, call.Maximum(spread, call.Rsqrt(count)), name=scope)
