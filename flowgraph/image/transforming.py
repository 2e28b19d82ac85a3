"""Images turned, moved, bent by projective maps: ImageProjectiveTransformV2.

    k = c0 x + c1 y + 1     result(x, y) = image((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)

with a transform [a0 a1 a2 b0 b1 b2 c0 c1]: it says where every pixel of the result comes from.

Read next: contrib/image_transforms.py (rotate, translate, transform).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.graph.apply import call
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
from flowgraph.ops.rules import concrete, f32, i32, invalid, shape_of
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError

# --------------------------------------------------------------------------------- shapes


def _infer(call_: Call) -> list[Dims]:
    attrs = call_.attrs
    if attrs["interpolation"] not in ("NEAREST", "BILINEAR"):
        raise ShapeError(
            f"interpolation must be NEAREST or BILINEAR, not {attrs['interpolation']!r}"
        )
    if attrs["fill_mode"] != "CONSTANT":
        raise ShapeError(f"fill_mode must be CONSTANT, not {attrs['fill_mode']!r}")
    dims = image_dims(call_.shapes[0], 4, "images")
    count, eight = image_dims(call_.shapes[1], 2, "transforms")
    if eight not in (None, 8):
        raise ShapeError(f"a transform has 8 numbers, not {eight}")
    if count not in (None, 1) and dims[0] not in (None, count):
        raise ShapeError(f"{count} transforms for {dims[0]} images")
    (two,) = image_dims(call_.shapes[2], 1, "output_shape")
    if two not in (None, 2):
        raise ShapeError(f"output_shape must hold a height and a width, not {two} numbers")
    value = call_.value(2)
    if value is not None and min(value) < 1:
        raise ShapeError(f"output_shape must be positive, not {value.tolist()}")
    size = call_.partial(2) or (None, None)
    return [(dims[0], *size, dims[3])]


# --------------------------------------------------------------------------------- kernel

#: Every step is rounded to float32: which pixel is the nearest must not depend on fused operations.
_HELPERS = """
def line(a, x, b, y, c):
    first = float32(float64(a) * float64(x))
    second = float32(float64(b) * float64(y))
    return float32(float64(float32(float64(first) + float64(second))) + float64(c))

def rounded(v):
    return select(v < float32(0), ceil(v - float32(0.5)), floor(v + float32(0.5)))
"""

_HEAD = """
for n in range(start, stop):
    t = (n * shared) * 8
    for i in range(OH):
        for j in range(OW):
            at = ((n * OH + i) * OW + j) * C
            k = line(load(transforms, t + 6), float32(j), load(transforms, t + 7), float32(i),
                     float32(1))
            x = line(load(transforms, t), float32(j), load(transforms, t + 1), float32(i),
                     load(transforms, t + 2)) / k
            y = line(load(transforms, t + 3), float32(j), load(transforms, t + 4), float32(i),
                     load(transforms, t + 5)) / k
            inside = (x > float32(-1)) & (x < float32(W)) & (y > float32(-1)) & (y < float32(H))
"""

_NEAREST = """
            left = int64(0)
            top = int64(0)
            if inside:
                left = int64(rounded(x))
                top = int64(rounded(y))
            inside = inside & (left >= 0) & (left < W) & (top >= 0) & (top < H)
            if inside:
                here = ((n * H + top) * W + left) * C
                for c in range(C):
                    store(transformed_images, at + c, load(images, here + c))
            else:
                for c in range(C):
                    store(transformed_images, at + c, {T}(0))
return 0
"""

#: Pixels outside count as 0.
_BILINEAR = """
            if inside:
                left = int64(floor(x))
                top = int64(floor(y))
                dx = {W}(x - floor(x))
                dy = {W}(y - floor(y))
                for c in range(C):
                    tl = {W}(0)
                    tr = {W}(0)
                    bl = {W}(0)
                    br = {W}(0)
                    here = ((n * H + top) * W + left) * C + c
                    if top >= 0:
                        if left >= 0:
                            tl = {W}(load(images, here))
                        if left + 1 < W:
                            tr = {W}(load(images, here + C))
                    if top + 1 < H:
                        if left >= 0:
                            bl = {W}(load(images, here + W * C))
                        if left + 1 < W:
                            br = {W}(load(images, here + W * C + C))
                    upper = ({W}(1) - dx) * tl + dx * tr
                    lower = ({W}(1) - dx) * bl + dx * br
                    v = ({W}(1) - dy) * upper + dy * lower
                    store(transformed_images, at + c, {T}(v))
            else:
                for c in range(C):
                    store(transformed_images, at + c, {T}(0))
return 0
"""


def _sizes(call_: Call) -> Mapping[str, int]:
    image, made = concrete(call_.shapes[0]), concrete(call_.out_shapes[0])
    return {
        "H": image[1], "W": image[2], "C": image[3], "OH": made[1], "OW": made[2],
        "shared": 0 if concrete(call_.shapes[1])[0] == 1 else 1,
    }  # fmt: skip


def _choices(call_: Call) -> Mapping[str, str]:
    dtype = call_.dtypes[0].base_dtype.name
    text = _NEAREST if call_.attrs["interpolation"] == "NEAREST" else _BILINEAR
    wide = "float32" if dtype == "float32" else "float64"
    return {"kernel": _HEAD + text.replace("{W}", wide).replace("{T}", dtype)}


# ------------------------------------------------------------------------------ reference


def _places(transforms: Any, size: Any) -> tuple[Any, Any]:
    """Where the pixels come from: float32 (transforms, height, width) columns and rows."""
    t = transforms.astype(np.float32)[:, :, None, None]
    y, x = np.indices(tuple(size)).astype(np.float32)
    with np.errstate(all="ignore"):
        k = t[:, 6] * x + t[:, 7] * y + np.float32(1)
        columns = (t[:, 0] * x + t[:, 1] * y + t[:, 2]) / k
        return columns, (t[:, 3] * x + t[:, 4] * y + t[:, 5]) / k


def _reference(call_: Call, x: Any, transforms: Any, size: Any) -> Any:
    if len(transforms) not in (1, len(x)):
        raise invalid(f"{len(transforms)} transforms for {len(x)} images")
    if min(size) < 1:
        raise invalid(f"output_shape must be positive, not {size.tolist()}")
    batch, height, width, _ = x.shape
    columns, rows = (np.broadcast_to(p, (batch, *p.shape[1:])) for p in _places(transforms, size))
    seen = (columns > -1) & (columns < width) & (rows > -1) & (rows < height)
    columns, rows = (np.where(seen, p, 0) for p in (columns, rows))

    def pixels(top: Any, left: Any) -> Any:
        """Of every image, 0 outside."""
        valid = seen & (top >= 0) & (top < height) & (left >= 0) & (left < width)
        image = np.arange(batch)[:, None, None]
        found = x[image, np.where(valid, top, 0), np.where(valid, left, 0)] if x.size else 0
        return np.where(valid[..., None], found, 0).astype(np.float64)

    if call_.attrs["interpolation"] == "NEAREST":
        top, left = (
            np.where(p < 0, np.ceil(p - np.float32(0.5)), np.floor(p + np.float32(0.5))).astype(int)
            for p in (rows, columns)
        )
        return pixels(top, left).astype(x.dtype)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    dy, dx = ((p - np.floor(p)).astype(np.float64)[..., None] for p in (rows, columns))
    upper = (1 - dx) * pixels(top, left) + dx * pixels(top, left + 1)
    lower = (1 - dx) * pixels(top + 1, left) + dx * pixels(top + 1, left + 1)
    return ((1 - dy) * upper + dy * lower).astype(x.dtype)


# ------------------------------------------------------------------------------- gradient


def to_matrices(transforms: Tensor) -> Tensor:
    """(n, 8) -> (n, 3, 3), whose last element is 1."""
    count = call.Slice(shape_of(transforms), [0], [1])
    ones = call.Fill(call.ConcatV2([count, [1]], 0), np.float32(1))
    return call.Reshape(call.ConcatV2([transforms, ones], 1), [-1, 3, 3])


def to_transforms(matrices: Tensor) -> Tensor:
    """(n, 3, 3) -> (n, 8), divided by the last element."""
    flat = call.Reshape(matrices, [-1, 9])
    return call.Slice(call.RealDiv(flat, call.Slice(flat, [0, 8], [-1, 1])), [0, 0], [-1, 8])


def _grad(op: Any, dy: Any) -> tuple[Any, None, None]:
    """NB: as in TensorFlow dy is mapped back, which is the derivative up to interpolation."""
    if not op.images.dtype.is_floating:
        return None, None, None
    back = to_transforms(call.MatrixInverse(to_matrices(op.transforms)))
    size = call.Slice(shape_of(op.images), [1], [2])
    attrs = {"interpolation": op.attrs["interpolation"]}
    return call.ImageProjectiveTransformV2(dy, back, size, **attrs), None, None


_X = f32(2, 5, 6, 3)
_TURN = np.array([[0.87, 0.51, -1.03, -0.49, 0.86, 1.57, 0, 0]], np.float32)
_BEND = np.array([[1.1, 0.2, -0.5, 0.1, 0.9, 0.3, 0.05, -0.02], [1, 0, 0.7, 0, 1, -1.2, 0, 0]],
                 np.float32)  # fmt: skip
_BYTES = (np.arange(60) * 37 % 251).astype(np.uint8).reshape(1, 5, 12, 1)

define(
    "ImageProjectiveTransformV2",
    "images: dtype, transforms: float32, output_shape: int32 -> transformed_images: dtype",
    dtype=dtypes_of(FLOAT | frozenset(("uint8", "int32", "int64"))),
    interpolation=Attr("string", REQUIRED),
    fill_mode="CONSTANT",
    infer=_infer,
    kernel=Procedure(
        "{kernel}",
        sizes=_sizes,
        steps=lambda call_: concrete(call_.shapes[0])[0],
        known=(2,),
        choices=_choices,
        helpers=_HELPERS,
        flops=lambda call_: 12 * math.prod(concrete(call_.out_shapes[0])),
    ),
    grad=_grad,
    reference=_reference,
    samples=tuple(
        sample(x, t, i32(size), interpolation=method, const=(2,), differentiable=())
        for x, t, size in (
            (_X, _TURN, [5, 6]),
            (_X, _BEND, [4, 9]),
            (_BYTES, _TURN, [5, 12]),
            (_X[:, :1], _BEND, [4, 3]),
        )
        for method in ("NEAREST", "BILINEAR")
    ),
    errors=(
        error_sample(ValueError, "a transform has 8 numbers", _X, f32(1, 7), i32([2, 2]),
                     interpolation="NEAREST"),
        error_sample(ValueError, "3 transforms for 2 images", _X, f32(3, 8), i32([2, 2]),
                     interpolation="NEAREST"),
        error_sample(ValueError, "interpolation must be", _X, _TURN, i32([2, 2]),
                     interpolation="CUBIC"),
        error_sample(Exception, "output_shape must be positive", _X, _TURN, i32([0, 2]),
                     interpolation="NEAREST", stage="run"),
    ),
    doc="Images whose pixels come from where projective maps say; 0 from outside.",
)  # fmt: skip
