"""Boxes in images: CropAndResize, its gradients, DrawBoundingBoxes.

A box is (y1, x1, y2, x2) in parts of the image: 0 the first row or column, 1 the last.

    row i of n:   y1 (H - 1) + i (y2 - y1) (H - 1) / (n - 1)     of one row: the middle

Read next: resizing.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, as_dtype
from flowgraph.graph.apply import apply_op, call
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
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import concrete, f32, i32, invalid, one_name, shape_of
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError, format_dims, merge_size

_IMAGES = FLOAT | frozenset(("uint8", "uint16", "int8", "int16", "int32", "int64"))

# --------------------------------------------------------------------------------- shapes


def _method(call_: Call, *allowed: str) -> None:
    if call_.attrs["method"] not in allowed:
        known = " or ".join(allowed)
        raise ShapeError(f"method must be {known}, not {call_.attrs['method']!r}")


def _boxes(boxes: Dims, box_ind: Dims, *more: int | None) -> int | None:
    """The number of boxes."""
    count, four = image_dims(boxes, 2, "boxes")
    if four not in (None, 4):
        raise ShapeError(f"boxes must have 4 numbers each, not shape {format_dims(boxes)}")
    for n in (*image_dims(box_ind, 1, "box_ind"), *more):
        count = merge_size(count, n)
    return count


def _not_empty(dims: tuple[int | None, ...]) -> None:
    if 0 in dims[1:3]:
        raise ShapeError(f"images of {dims[1]} x {dims[2]} pixels have no boxes")


def _crop_infer(call_: Call) -> list[Dims]:
    _method(call_, "bilinear", "nearest")
    dims = image_dims(call_.shapes[0], 4, "image")
    _not_empty(dims)
    count = _boxes(call_.shapes[1], call_.shapes[2])
    (two,) = image_dims(call_.shapes[3], 1, "crop_size")
    if two not in (None, 2):
        raise ShapeError(f"crop_size must hold a height and a width, not {two} numbers")
    value = call_.value(3)
    if value is not None and min(value) < 1:
        raise ShapeError(f"crop_size must be positive, not {value.tolist()}")
    size = call_.partial(3) or (None, None)
    return [(count, *size, dims[3])]


def _grad_image_infer(call_: Call) -> list[Dims]:
    _method(call_, "bilinear", "nearest")
    grads = image_dims(call_.shapes[0], 4, "grads")
    _boxes(call_.shapes[1], call_.shapes[2], grads[0])
    (four,) = image_dims(call_.shapes[3], 1, "image_size")
    if four not in (None, 4):
        raise ShapeError(f"image_size must hold 4 numbers, not {four}")
    size = call_.partial(3) or (None,) * 4
    value = call_.value(3)
    if value is not None and min(value) < 0:
        raise ShapeError(f"image_size must not be negative: {value.tolist()}")
    _not_empty(size)
    return [(*size[:3], merge_size(size[3], grads[3]))]


def _grad_boxes_infer(call_: Call) -> list[Dims]:
    _method(call_, "bilinear")
    grads = image_dims(call_.shapes[0], 4, "grads")
    dims = image_dims(call_.shapes[1], 4, "image")
    _not_empty(dims)
    merge_size(grads[3], dims[3])
    return [(_boxes(call_.shapes[2], call_.shapes[3], grads[0]), 4)]


# --------------------------------------------------------------------------------- kernels

#: The position of row or column ``{i}``; every step rounded, as where it ends decides what is
#: outside.
_PLACE = """
    lo = load(boxes, 4 * b + {k})
    hi = load(boxes, 4 * b + {k} + 2)
    most{A} = float32(I{A} - 1)
    first{A} = float32(float64(lo) * float64(most{A}))
    step{A} = float32(0)
    if O{A} > 1:
        step{A} = float32(float64(hi - lo) * float64(most{A})) / float32(O{A} - 1)
    else:
        first{A} = float32(0.5) * (lo + hi) * most{A}
"""
_HEAD = "for b in range({range}):\n" + _PLACE.format(A="H", k=0) + _PLACE.format(A="W", k=1) + """
    n = int64(load(box_ind, b))
    if (n < 0) | (n >= N):
        return 2
    for i in range(OH):
        y = float32(float64(firstH) + float64(float32(float64(i) * float64(stepH))))
        for j in range(OW):
            x = float32(float64(firstW) + float64(float32(float64(j) * float64(stepW))))
            at = ((b * OH + i) * OW + j) * C
            inside = (y >= float32(0)) & (y <= mostH) & (x >= float32(0)) & (x <= mostW)
"""  # fmt: skip
_CORNERS = """
                top = (n * IH + int64(floor(y))) * IW
                bottom = (n * IH + int64(ceil(y))) * IW
                left = int64(floor(x))
                right = int64(ceil(x))
                tl = (top + left) * C
                tr = (top + right) * C
                bl = (bottom + left) * C
                br = (bottom + right) * C
                dy = y - floor(y)
                dx = x - floor(x)
"""
_NEAREST = """
                here = ((n * IH + int64(floor(y + float32(0.5)))) * IW
                        + int64(floor(x + float32(0.5)))) * C
"""
_OUTSIDE = """
            else:
                for c in independent(C):
                    store(crops, at + c, float32({extrapolation}))
return 0
"""
_CROP = {
    "bilinear": _HEAD.replace("{range}", "start, stop")
    + "            if inside:"
    + _CORNERS
    + """
                for c in independent(C):
                    a = float32(load(image, tl + c))
                    a = a + (float32(load(image, tr + c)) - a) * dx
                    e = float32(load(image, bl + c))
                    e = e + (float32(load(image, br + c)) - e) * dx
                    store(crops, at + c, a + (e - a) * dy)
"""
    + _OUTSIDE,
    "nearest": _HEAD.replace("{range}", "start, stop")
    + "            if inside:"
    + _NEAREST
    + """
                for c in independent(C):
                    store(crops, at + c, float32(load(image, here + c)))
"""
    + _OUTSIDE,
}
_SHARES = {
    "t": "({T}(1) - {T}(dy))", "b": "{T}(dy)",
    "l": "({T}(1) - {T}(dx))", "r": "{T}(dx)",
}  # fmt: skip
_GRAD_IMAGE = {
    "bilinear": _HEAD.replace("{range}", "count")
    + "            if inside:"
    + _CORNERS
    + "".join(
        f"""
                w = {_SHARES[corner[0]]} * {_SHARES[corner[1]]}
                for c in independent(C):
                    more = w * {{T}}(load(grads, at + c))
                    store(output, {corner} + c, load(output, {corner} + c) + more)
"""
        for corner in ("tl", "tr", "bl", "br")
    )
    + "return 0\n",
    "nearest": _HEAD.replace("{range}", "count")
    + "            if inside:"
    + _NEAREST
    + """
                for c in independent(C):
                    more = {T}(load(grads, at + c))
                    store(output, here + c, load(output, here + c) + more)
return 0
""",
}
_GRAD_BOXES = (
    """
for k in range(start * 4, stop * 4):
    store(output, k, float32(0))
"""
    + _HEAD.replace("{range}", "start, stop")
    + "            if inside:"
    + _CORNERS
    + """
                down = float32(0)
                across = float32(0)
                for c in range(C):
                    p = float32(load(image, tl + c))
                    q = float32(load(image, tr + c))
                    r = float32(load(image, bl + c))
                    s = float32(load(image, br + c))
                    g = load(grads, at + c)
                    down += g * ((float32(1) - dx) * (r - p) + dx * (s - q))
                    across += g * ((float32(1) - dy) * (q - p) + dy * (s - r))
                share = float32(0.5)
                if OH > 1:
                    share = float32(i) / float32(OH - 1)
                down = down * mostH
                store(output, 4 * b, load(output, 4 * b) + down * (float32(1) - share))
                store(output, 4 * b + 2, load(output, 4 * b + 2) + down * share)
                share = float32(0.5)
                if OW > 1:
                    share = float32(j) / float32(OW - 1)
                across = across * mostW
                store(output, 4 * b + 1, load(output, 4 * b + 1) + across * (float32(1) - share))
                store(output, 4 * b + 3, load(output, 4 * b + 3) + across * share)
return 0
"""
)


def _sizes(call_: Call) -> Mapping[str, int]:
    images = {"CropAndResize": call_.shapes[0], "CropAndResizeGradImage": call_.out_shapes[0]}
    crops = {"CropAndResize": call_.out_shapes[0]}
    image = concrete(images.get(call_.type, call_.shapes[1]))
    crop = concrete(crops.get(call_.type, call_.shapes[0]))
    return {
        "N": image[0], "IH": image[1], "IW": image[2], "C": image[3],
        "count": crop[0], "OH": crop[1], "OW": crop[2],
    }  # fmt: skip


def _choices(texts: Mapping[str, str]) -> Any:
    def choices(call_: Call) -> Mapping[str, str]:
        # NB: dtypes by hand: a choice is not formatted again
        dtype = call_.out_dtypes[0].base_dtype.name
        value = float(call_.attrs.get("extrapolation_value", 0.0))
        number = "nan" if math.isnan(value) else repr(value)
        number = {"inf": "inf", "-inf": "-inf"}.get(number, number)
        text = texts[call_.attrs["method"]]
        return {"kernel": text.replace("{T}", dtype).replace("{extrapolation}", number)}

    return choices


def _count(call_: Call) -> int:
    return _sizes(call_)["count"]


# ------------------------------------------------------------------------------- references


def _places(boxes: Any, image: Any, crop: Any) -> list[Any]:
    """Rows and columns where the pixels of every crop lie: float32 (boxes, height or width)."""
    found = []
    for k in (0, 1):
        low, high = boxes[:, k].astype(np.float32), boxes[:, k + 2].astype(np.float32)
        most, count = np.float32(image[k + 1] - 1), crop[k + 1]
        if count > 1:
            step = (high - low) * most / np.float32(count - 1)
            i = np.arange(count).astype(np.float32)
            found.append((low * most)[:, None] + i * step[:, None])
        else:
            found.append((np.float32(0.5) * (low + high) * most)[:, None])
    return found


def _check(call_: Call, box_ind: Any, batch: int) -> None:
    wrong = (box_ind < 0) | (box_ind >= batch)
    if wrong.any():
        raise invalid(f"box_ind out of range: {box_ind[wrong][0]} of {batch} images: "
                      "index out of range")  # fmt: skip


def _matrices(call_: Call, boxes: Any, image: Any, crop: Any) -> tuple[Any, Any, Any]:
    """Weights of rows (boxes, OH, H) and columns (boxes, OW, W), and what lies inside."""
    weights, valid = [], []
    for place, size in zip(_places(boxes, image, crop), image[1:3], strict=True):
        inside = (place >= 0) & (place <= size - 1)
        safe = np.where(inside, place, 0)
        if call_.attrs["method"] == "nearest":
            w = np.eye(size)[np.floor(safe + np.float32(0.5)).astype(int)]
        else:
            low = np.floor(safe)
            d = (safe - low).astype(np.float64)[..., None]
            eye = np.eye(size)
            w = (1 - d) * eye[low.astype(int)] + d * eye[np.ceil(safe).astype(int)]
        weights.append(w * inside[..., None])
        valid.append(inside)
    return weights[0], weights[1], valid[0][:, :, None] & valid[1][:, None, :]


def _crop_reference(call_: Call, x: Any, boxes: Any, box_ind: Any, size: Any) -> Any:
    _check(call_, box_ind, x.shape[0])
    if min(size) < 1:
        raise invalid(f"crop_size must be positive, not {size.tolist()}")
    crop = (len(boxes), *size, x.shape[3])
    rows, columns, inside = _matrices(call_, boxes, x.shape, crop)
    y = np.einsum("bih,bjw,bhwc->bijc", rows, columns, x[box_ind].astype(np.float64))
    return np.where(inside[..., None], y, call_.attrs["extrapolation_value"]).astype(np.float32)


def _grad_image_reference(call_: Call, dy: Any, boxes: Any, box_ind: Any, size: Any) -> Any:
    _check(call_, box_ind, size[0])
    rows, columns, _ = _matrices(call_, boxes, size, dy.shape)
    each = np.einsum("bih,bjw,bijc->bhwc", rows, columns, dy.astype(np.float64))
    dx = np.zeros(tuple(size))
    np.add.at(dx, box_ind, each)
    return dx.astype(call_.attrs["T"].base_dtype.np)


def _grad_boxes_reference(call_: Call, dy: Any, x: Any, boxes: Any, box_ind: Any) -> Any:
    _check(call_, box_ind, x.shape[0])
    rows, columns, inside = _matrices(call_, boxes, x.shape, dy.shape)
    crops = x[box_ind].astype(np.float64)
    made = np.zeros((len(boxes), 4))
    dy = dy.astype(np.float64) * inside[..., None]
    for k, (place, size) in enumerate(
        zip(_places(boxes, x.shape, dy.shape), x.shape[1:3], strict=True)
    ):
        safe = np.where((place >= 0) & (place <= size - 1), place, 0)
        eye = np.eye(size)
        slope = eye[np.ceil(safe).astype(int)] - eye[np.floor(safe).astype(int)]
        pair = (slope, columns) if k == 0 else (rows, slope)
        steep = np.einsum("bih,bjw,bhwc->bijc", *pair, crops) * dy * (size - 1)
        along = steep.sum((2, 3) if k == 0 else (1, 3))
        count = dy.shape[k + 1]
        share = np.arange(count) / (count - 1) if count > 1 else np.full(1, 0.5)
        made[:, k], made[:, k + 2] = along @ (1 - share), along @ share
    return made.astype(np.float32)


# -------------------------------------------------------------------------------- gradients


def _crop_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    method, image, dx, dboxes = op.attrs["method"], op.image, None, None
    if image.dtype.is_floating:
        dx = call.CropAndResizeGradImage(
            dy, op.boxes, op.box_ind, shape_of(image), T=image.dtype.base_dtype, method=method
        )
    if method == "bilinear":
        dboxes = call.CropAndResizeGradBoxes(dy, image, op.boxes, op.box_ind)
    return dx, dboxes, None, None


def _grad_image_grad(op: Any, dz: Any) -> tuple[Any, ...]:
    size = call.Slice(shape_of(op.grads), [1], [2])
    back = call.CropAndResize(dz, op.boxes, op.box_ind, size, method=op.attrs["method"])
    return back, None, None, None


# ---------------------------------------------------------------------------------- records

_X = f32(2, 5, 6, 3)
_FOUR = np.array([[0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], [0.9, 0.8, 0.2, 0.1], [-0.3, 0.2, 0.5, 1.4]],
                 np.float32)  # fmt: skip
_IND = i32([0, 1, 1, 0])
_KW: dict[str, Any] = {"const": (3,), "differentiable": ()}
_LIST: dict[str, Any] = {"method": "bilinear"}

define(
    "CropAndResize",
    "image: T, boxes: float32, box_ind: int32, crop_size: int32 -> crops: float32",
    T=dtypes_of(_IMAGES),
    method="bilinear",
    extrapolation_value=0.0,
    infer=_crop_infer,
    kernel=Procedure(
        "{kernel}", sizes=_sizes, steps=_count, known=(3,), choices=_choices(_CROP),
        flops=lambda call_: 8 * math.prod(concrete(call_.out_shapes[0])),
    ),
    grad=_crop_grad,
    reference=_crop_reference,
    # boxes are float32 whatever T is: gradients are checked by tests of their own
    samples=(
        sample(_X, _FOUR, _IND, i32([4, 3]), **_KW),
        sample(_X, _FOUR, _IND, i32([4, 3]), method="nearest", **_KW),
        sample(_X, _FOUR, _IND, i32([1, 1]), extrapolation_value=-2.5, **_KW),
        sample(_X, _FOUR[:0], _IND[:0], i32([2, 2]), **_KW),
        sample(np.array(f32(1, 3, 4, 1, low=0, high=255), np.uint8), _FOUR, _IND * 0, i32([7, 9]),
               **_KW),
        sample(_X, np.full((1, 4), np.nan, np.float32), i32([1]), i32([2, 2]), **_KW),
    ),
    errors=(
        error_sample(ValueError, "4 numbers each", _X, f32(4, 3), _IND, i32([2, 2])),
        error_sample(ValueError, "sizes 4 and 3 differ", _X, _FOUR, _IND[:3], i32([2, 2])),
        error_sample(ValueError, "crop_size must be positive", _X, _FOUR, _IND, i32([0, 2]),
                     const=(3,)),
        error_sample(ValueError, "method must be", _X, _FOUR, _IND, i32([1, 2]), method="area"),
        error_sample(Exception, "out of range", _X, _FOUR, _IND + 1, i32([1, 2]), stage="run"),
    ),
    doc="Boxes cut out of images, resized.",
)  # fmt: skip
define(
    "CropAndResizeGradImage",
    "grads: float32, boxes: float32, box_ind: int32, image_size: int32 -> output: T",
    T=Attr("type", REQUIRED, FLOAT),
    method="bilinear",
    infer=_grad_image_infer,
    kernel=Procedure(
        "{kernel}", sizes=_sizes, known=(3,), fill={0: 0}, choices=_choices(_GRAD_IMAGE),
        flops=lambda call_: 8 * math.prod(concrete(call_.shapes[0])),
    ),
    grad=_grad_image_grad,
    reference=_grad_image_reference,
    samples=(
        sample(f32(4, 4, 3, 2), _FOUR, _IND, i32([2, 5, 6, 2]), T=as_dtype("float32"), **_KW),
        sample(f32(4, 4, 3, 2), _FOUR, _IND, i32([2, 5, 6, 2]), T=as_dtype("float64"), **_KW),
        sample(f32(4, 1, 3, 2), _FOUR, _IND, i32([2, 5, 6, 2]), T=as_dtype("float32"),
               method="nearest", **_KW),
    ),
    errors=(
        error_sample(Exception, "out of range", f32(4, 4, 3, 2), _FOUR, _IND + 1,
                     i32([2, 5, 6, 2]), T=as_dtype("float32"), const=(3,), stage="run"),
    ),
    doc="Gradient of CropAndResize to the images.",
)  # fmt: skip
define(
    "CropAndResizeGradBoxes",
    "grads: float32, image: T, boxes: float32, box_ind: int32 -> output: float32",
    T=dtypes_of(_IMAGES),
    method="bilinear",
    infer=_grad_boxes_infer,
    kernel=Procedure(
        "{kernel}",
        sizes=_sizes,
        steps=_count,
        choices=_choices({"bilinear": _GRAD_BOXES}),
        flops=lambda call_: 20 * math.prod(concrete(call_.shapes[0])),
    ),
    grad=not_differentiable("TensorFlow defines no second order"),
    reference=_grad_boxes_reference,
    samples=(
        sample(f32(4, 4, 3, 3), _X, _FOUR * 0.93, _IND),
        sample(f32(4, 1, 2, 3), _X, _FOUR * 0.93, _IND),
    ),
    errors=(
        error_sample(Exception, "out of range", f32(4, 4, 3, 3), _X, _FOUR, _IND - 1, stage="run"),
    ),
    doc="Gradient of CropAndResize to the boxes.",
)


@export("image.crop_and_resize")
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
    box_indices: Any = None,
) -> Tensor:
    """Boxes cut out of images and brought to one size.

    Args:
        image: (batch, height, width, channels), real.
        boxes: (n, 4) float32, each (y1, x1, y2, x2) in parts of the image: 0 is the first row or
            column, 1 the last.  With y1 > y2 the crop is upside down.
        box_ind: (n,) int32: the image of every box.
        crop_size: [height, width] of the results.
        method: ``"bilinear"`` or ``"nearest"``.
        extrapolation_value: of pixels that lie outside the image.
        name: of the operation; ``CropAndResize`` by default.
        box_indices: another name of ``box_ind``.

    Returns:
        (n, height, width, channels) float32.

    Raises:
        ValueError: shapes, size or method do not suit.
        InvalidArgumentError: an image that there is not (when run).

    Gradient: to the images, and for ``"bilinear"`` to the boxes.

    >>> x = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    >>> y = tf.image.crop_and_resize(x, [[0.0, 0.0, 0.5, 1.0]], [0], [2, 2])
    >>> tf.Session().run(y)[0, :, :, 0]
    array([[0., 2.],
           [3., 5.]], dtype=float32)
    """
    indices = one_name("crop_and_resize", box_ind=box_ind, box_indices=box_indices)
    return apply_op(
        "CropAndResize", image, boxes, indices, crop_size, method=method,
        extrapolation_value=float(extrapolation_value), name=name,
    )  # fmt: skip
