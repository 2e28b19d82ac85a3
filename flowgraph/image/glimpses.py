"""Windows of images around given points: ExtractGlimpse.

Read next: boxes.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Procedure,
    define,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.philox import Stream
from flowgraph.ops.rules import concrete, f32, i32, invalid
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError, merge_size


def _noise(call_: Call) -> str:
    """What stands where a glimpse leaves the image: uniform, gaussian or zero."""
    uniform, noise = call_.attrs["uniform_noise"], call_.attrs["noise"]
    if noise not in ("", "uniform", "gaussian", "zero"):
        raise ShapeError(f"noise must be uniform, gaussian or zero, not {noise!r}")
    if uniform and noise not in ("", "uniform"):
        raise ShapeError(f"uniform_noise=True and noise={noise!r} exclude each other")
    return noise or ("uniform" if uniform else "gaussian")


def _infer(call_: Call) -> list[Dims]:
    _noise(call_)
    dims = image_dims(call_.shapes[0], 4, "input")
    (two,) = image_dims(call_.shapes[1], 1, "size")
    if two not in (None, 2):
        raise ShapeError(f"size must hold a height and a width, not {two} numbers")
    count, pair = image_dims(call_.shapes[2], 2, "offsets")
    if pair not in (None, 2):
        raise ShapeError("offsets must hold two numbers for each image")
    value = call_.value(1)
    if value is not None and min(value) < 1:
        raise ShapeError(f"size must be positive, not {value.tolist()}")
    size = call_.partial(1) or (None, None)
    return [(merge_size(dims[0], count), *size, dims[3])]


def _begins(call_: Call, k: str, size: str, window: str) -> str:
    """The text of where a glimpse begins along one axis, from its offset ``k``."""
    attrs, middle = call_.attrs, f"float32({size}) / float32(2)"
    half = f"float32({window}) / float32(2)"
    if not attrs["normalized"] and attrs["centered"] and call_.type.endswith("V2"):
        return f"{k} + {middle}"
    text = f"{k} * float32({size})" if attrs["normalized"] else k
    if attrs["centered"]:
        return f"({text}) / float32(2) + {middle} - {half}"
    # NB: the offset is the middle of the window in the first version, a corner in the second
    return text if call_.type.endswith("V2") else f"{text} - {half}"


_KERNEL = """
for n in range(start, stop):
    row = load(offsets, 2 * n)
    column = load(offsets, 2 * n + 1)
    y = {y}
    x = {x}
    far = float32(1e9)
    fine = (y > -far) & (y < far) & (x > -far) & (x < far)
    top = int64(0)
    left = int64(0)
    if fine:
        top = int64(y)
        left = int64(x)
    for i in range(GH):
        for j in range(GW):
            to = ((n * GH + i) * GW + j) * C
            inside = fine & (top + i >= 0) & (top + i < H) & (left + j >= 0) & (left + j < W)
            if inside:
                at = ((n * H + top + i) * W + left + j) * C
                for c in independent(C):
                    store(glimpse, to + c, load(input, at + c))
            else:
                for c in independent(C):
                    store(glimpse, to + c, {noise})
return 0
"""

#: A number in [0, 1) that belongs to an element: its index, mixed (Wellons' lowbias32).
_MIX = """
def mixed(index):
    x = uint32(index + 1)
    x = (x ^ (x >> uint32(16))) * uint32(0x7FEB352D)
    x = (x ^ (x >> uint32(15))) * uint32(0x846CA68B)
    x = x ^ (x >> uint32(16))
    return float32(x >> uint32(8)) * float32(5.9604644775390625e-08)
"""


def _sizes(call_: Call) -> Mapping[str, int]:
    image, made = concrete(call_.shapes[0]), concrete(call_.out_shapes[0])
    return {"H": image[1], "W": image[2], "C": image[3], "GH": made[1], "GW": made[2]}


def _choices(call_: Call) -> Mapping[str, str]:
    return {
        "y": _begins(call_, "row", "H", "GH"),
        "x": _begins(call_, "column", "W", "GW"),
        "noise": "float32(0)" if _noise(call_) == "zero" else "mixed(to + c)",
    }


def _reference(call_: Call, x: Any, size: Any, offsets: Any) -> Any:
    if min(size) < 1:
        raise invalid(f"size must be positive, not {size.tolist()}")
    attrs = call_.attrs
    shape = np.array(x.shape[1:3], np.float32)
    at = offsets.astype(np.float32)
    if not attrs["normalized"] and attrs["centered"] and call_.type.endswith("V2"):
        at = at + shape / 2
    else:
        at = at * shape if attrs["normalized"] else at
        half = size.astype(np.float32) / 2
        if attrs["centered"]:
            at = at / 2 + shape / 2 - half
        elif not call_.type.endswith("V2"):
            at = at - half
    made = np.empty((x.shape[0], *size, x.shape[3]), np.float32)
    for n, begin in enumerate(at):
        places = [
            (int(b) if abs(b) < 1e9 else -(10**9)) + np.arange(count)
            for b, count in zip(begin, size, strict=True)
        ]
        inside = [(p >= 0) & (p < most) for p, most in zip(places, x.shape[1:3], strict=True)]
        rows, columns = (np.where(ok, p, 0) for p, ok in zip(places, inside, strict=True))
        found = x[n][rows][:, columns] if x[n].size else np.zeros(made.shape[1:], np.float32)
        seen = inside[0][:, None, None] & inside[1][None, :, None]
        made[n] = np.where(seen, found, _filling(call_, x, made.shape[1:], n))
    return made


def _filling(call_: Call, x: Any, shape: Any, n: int) -> Any:
    """Noise, the same in every run."""
    noise, count = _noise(call_), math.prod(shape)
    if noise == "zero":
        return np.zeros(shape, np.float32)
    if noise == "uniform":
        return _mixed(n * count + np.arange(count)).reshape(shape)
    stream = Stream(0, n, np.zeros(1, np.int64))
    normal = stream.normal(count, np.dtype(np.float32)).reshape(shape)
    return normal * x.std() + x.mean()


def _mixed(index: Any) -> Any:
    x = (index + 1).astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x = x ^ (x >> np.uint32(16))
    return (x >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


_X, _AT = f32(3, 6, 7, 2), np.array([[0, 0], [0.5, -0.4], [-1.2, 0.9]], np.float32)
_ZERO: dict[str, Any] = {"uniform_noise": False, "noise": "zero"}
_FIXED: dict[str, Any] = {"const": (1,), **_ZERO}

for _version in ("", "V2"):
    define(
        "ExtractGlimpse" + _version,
        "input: float32, size: int32, offsets: float32 -> glimpse: float32",
        centered=True,
        normalized=True,
        uniform_noise=True,
        noise="uniform",
        infer=_infer,
        kernel=Procedure(
            _KERNEL,
            sizes=_sizes,
            steps=lambda call_: concrete(call_.shapes[0])[0],
            known=(1,),
            choices=_choices,
            helpers=_MIX,
            natively=lambda call_: _noise(call_) != "gaussian",
        ),
        grad=not_differentiable("TensorFlow defines none"),
        reference=_reference,
        samples=(
            sample(_X, i32([3, 4]), _AT, **_FIXED),
            sample(_X, i32([8, 3]), _AT * 4, normalized=False, **_FIXED),
            sample(_X, i32([2, 2]), np.abs(_AT), centered=False, **_FIXED),
            sample(_X, i32([2, 5]), _AT * 5, centered=False, normalized=False, **_FIXED),
            sample(_X, i32([9, 9]), _AT, const=(1,)),
        ),
        errors=(
            error_sample(ValueError, "a height and a width", _X, i32([3]), _AT),
            error_sample(ValueError, "sizes 3 and 2 differ", _X, i32([3, 4]), _AT[:2]),
            error_sample(ValueError, "exclude each other", _X, i32([3, 4]), _AT, noise="zero"),
            error_sample(ValueError, "size must be positive", _X, i32([0, 4]), _AT, const=(1,)),
        ),
        doc="A window of every image around a point; noise where it leaves the image.",
    )


@export("image.extract_glimpse")
def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    name: str | None = None,
) -> Tensor:
    """A window of every image around a point.

    Args:
        input: (batch, height, width, channels) float32.
        size: [height, width] of the windows.
        offsets: (batch, 2) float32: (y, x) of each.
        centered: (0, 0) is the middle of the image, else its upper left corner; the middle of the
            window is there.
        normalized: offsets are parts of the image's size (centered: -1 to 1), else pixels.
        uniform_noise: kept for TensorFlow's signature: what lies outside the image is uniform noise
            in [0, 1), the same in every run.
        name: of the operation; ``ExtractGlimpse`` by default.

    Returns:
        (batch, *size, channels) float32.

    Raises:
        ValueError: shapes or ``size`` do not suit.

    Gradient: none.

    >>> x = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    >>> tf.Session().run(tf.image.extract_glimpse(x, [1, 3], [[0.0, 0.0]]))[0, 0, :, 0]
    array([3., 4., 5.], dtype=float32)
    """
    x = convert_to_tensor(input, name="input")
    return apply_op(
        "ExtractGlimpse", x, size, offsets, centered=bool(centered), normalized=bool(normalized),
        uniform_noise=bool(uniform_noise), name=name,
    )  # fmt: skip
