"""tf.image.resize and its kin: one image or a batch, by whichever method.

Read next: resizing.py (the records).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value_as_dims
from flowgraph.image.batches import as_batch, as_given, height_and_width, known, vector
from flowgraph.image.geometry import pad_to_bounding_box


@export("image.ResizeMethod")
class ResizeMethod:
    """Names of the methods of ``tf.image.resize``."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


_TYPES = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")
#: Also by name, as later releases have it.
_NAMES = {"bilinear": 0, "nearest": 1, "bicubic": 2, "area": 3}


def _type_of(method: Any) -> str:
    number = _NAMES.get(method, method) if isinstance(method, str) else method
    if not isinstance(number, (int, np.integer)) or not 0 <= number < len(_TYPES):
        raise ValueError(
            f"resize: method {method!r} is not implemented, give a tf.image.ResizeMethod"
        )
    return _TYPES[number]


def _as_size(size: Any) -> Tensor:
    wanted = convert_to_tensor(size, name="size")
    if wanted.dims is not None and wanted.dims != (2,) and wanted.dims != (None,):
        raise ValueError("resize: size must be a vector of 2 elements: new height, new width")
    if wanted.dtype.base_dtype.name == "int64":
        return call.Cast(wanted, DstT="int32")
    if wanted.dtype.base_dtype.name != "int32":
        raise ValueError(f"resize: size must be of dtype int32, not {wanted.dtype.name}")
    return wanted


def _fitting(batch: Tensor, wanted: Tensor) -> tuple[Any, Any]:
    """The size of ``batch`` scaled into ``wanted``: float32, not rounded; and ``wanted``, likewise.

    Arrays where both are known, else tensors.
    """
    sizes = height_and_width(batch)
    target = constant_value_as_dims(wanted)
    if target is not None and None not in (*target, *batch.dims[1:3]):  # type: ignore[index]
        goal, now = np.array(target, np.float32), np.array(sizes, np.float32)
        return now / max(now / goal), goal
    goal = call.Cast(wanted, DstT="float32")
    now = call.Cast(convert_to_tensor(vector(*sizes)), DstT="float32")
    ratio = call.Max(_exactly_divided(now, goal), np.array([0], np.int32))
    return _exactly_divided(now, ratio), goal


def _exactly_divided(a: Tensor, b: Tensor) -> Tensor:
    """a / b, rounded once: what is floored next must not depend on how kernels divide."""
    wide = call.RealDiv(call.Cast(a, DstT="float64"), call.Cast(b, DstT="float64"))
    return call.Cast(wide, DstT="float32")


@export("image.resize_images", "image.resize")
def resize_images(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """Images scaled to another size.

    Args:
        images: (batch, height, width, channels) or (height, width, channels); real.
        size: [height, width] of the result.
        method: a ``tf.image.ResizeMethod``: straight lines between pixels, the nearest pixel, cubic
            curves, or averages of areas; also by name (``"bilinear"``, ``"nearest"``,
            ``"bicubic"``, ``"area"``).
        align_corners: the corner pixels stay where they are; else the upper left corner of the
            image does.
        preserve_aspect_ratio: take the largest size within ``size`` that has the image's ratio of
            width to height.
        name: of the operations; ``resize`` by default.

    Returns:
        float32 images; in the dtype of ``images`` for the nearest pixel, and, with no operation at
        all, where they have that size already.

    Raises:
        ValueError: rank, ``size`` or ``method`` do not suit.

    Gradient: of every method: dy spread as the pixels were weighted; also twice.

    >>> y = tf.image.resize_images([[[1.0], [3.0]]], [1, 4], align_corners=False)
    >>> tf.Session().run(y)[0, :, 0]
    array([1., 2., 3., 3.], dtype=float32)
    """
    type = _type_of(method)
    with name_scope(name, "resize", [images, size]):
        batch, added = as_batch(convert_to_tensor(images, name="images"), "resize")
        wanted: Any = _as_size(size)
        if preserve_aspect_ratio:
            size, _ = _fitting(batch, wanted)
            if isinstance(size, Tensor):
                wanted = call.Cast(call.Round(size), DstT="int32")
            else:
                wanted = convert_to_tensor(np.rint(size).astype(np.int32), name="size")
        target = constant_value_as_dims(wanted)
        if target is None or None in target or target != batch.dims[1:3]:  # type: ignore[index]
            batch = apply_op(type, batch, wanted, align_corners=bool(align_corners))
        return as_given(batch, added)


def _resized(type: str, images: Any, size: Any, name: str | None, **flags: bool) -> Tensor:
    return apply_op(type, images, size, name=name, **{k: bool(v) for k, v in flags.items()})


@export("image.resize_bilinear")
def resize_bilinear(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Images scaled to another size by straight lines between pixels.

    y = (1 - d) x[k] + d x[k + 1]  where  k + d = i * in / out,  along rows and columns

    Args:
        images: (batch, height, width, channels), real.
        size: [height, width] of the result.
        align_corners: the corner pixels stay where they are: k + d = i * (in - 1) / (out - 1).
        name: of the operation; ``ResizeBilinear`` by default.
        half_pixel_centers: pixels are squares, not points: k + d = (i + 1/2) * in / out - 1/2.

    Returns:
        float32 images.

    Raises:
        ValueError: rank or ``size`` do not suit, or both flags are set.

    Gradient: dy spread over the pixels as they were weighted; also twice.

    >>> x = tf.constant([1.0, 3.0], shape=[1, 1, 2, 1])
    >>> tf.Session().run(tf.image.resize_bilinear(x, [1, 3], align_corners=True))[0, 0, :, 0]
    array([1., 2., 3.], dtype=float32)
    """
    return _resized("ResizeBilinear", images, size, name, align_corners=align_corners,
                    half_pixel_centers=half_pixel_centers)  # fmt: skip


@export("image.resize_nearest_neighbor")
def resize_nearest_neighbor(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Images scaled to another size, every pixel a copy of the nearest.

    Args:
        images: (batch, height, width, channels), real.
        size: [height, width] of the result.
        align_corners, half_pixel_centers: see ``resize_bilinear``; positions are rounded with the
            first, else floored.
        name: of the operation; ``ResizeNearestNeighbor`` by default.

    Returns:
        Images of the dtype of ``images``.

    Raises:
        ValueError: rank or ``size`` do not suit, or both flags are set.

    Gradient: dy added to the pixels that were copied; also twice.

    >>> x = tf.constant([1, 3], shape=[1, 1, 2, 1])
    >>> tf.Session().run(tf.image.resize_nearest_neighbor(x, [1, 4]))[0, 0, :, 0]
    array([1, 1, 3, 3], dtype=int32)
    """
    return _resized("ResizeNearestNeighbor", images, size, name, align_corners=align_corners,
                    half_pixel_centers=half_pixel_centers)  # fmt: skip


@export("image.resize_bicubic")
def resize_bicubic(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Images scaled to another size by cubic curves through pixels (Keys' kernel).

    Args:
        images: (batch, height, width, channels), real.
        size: [height, width] of the result.
        align_corners, half_pixel_centers: see ``resize_bilinear``; the kernel's parameter is -1/2
            with the second, else -3/4.
        name: of the operation; ``ResizeBicubic`` by default.

    Returns:
        float32 images.

    Raises:
        ValueError: rank or ``size`` do not suit, or both flags are set.

    Gradient: dy spread over the pixels as they were weighted; also twice.
    Numerics: positions between pixels are rounded to 1/1024, as in TensorFlow.
    """
    return _resized("ResizeBicubic", images, size, name, align_corners=align_corners,
                    half_pixel_centers=half_pixel_centers)  # fmt: skip


@export("image.resize_area")
def resize_area(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None
) -> Tensor:
    """Images scaled to another size, every pixel the average of the area it covers.

    Args:
        images: (batch, height, width, channels), real.
        size: [height, width] of the result.
        align_corners: see ``resize_bilinear``.
        name: of the operation; ``ResizeArea`` by default.

    Returns:
        float32 images.

    Raises:
        ValueError: rank or ``size`` do not suit.

    Gradient: dy spread over the areas; also twice.

    >>> x = tf.constant([1.0, 3.0, 5.0, 7.0], shape=[1, 2, 2, 1])
    >>> tf.Session().run(tf.image.resize_area(x, [1, 2]))[0, 0, :, 0]
    array([3., 5.], dtype=float32)
    """
    return _resized("ResizeArea", images, size, name, align_corners=align_corners)


@export("image.resize_image_with_pad")
def resize_image_with_pad(
    image: Any,
    target_height: int,
    target_width: int,
    method: Any = ResizeMethod.BILINEAR,
    align_corners: bool = False,
) -> Tensor:
    """Images scaled, without distortion, to fit into a size, and zeros around.

    Args:
        image: (batch, height, width, channels) or (height, width, channels); real.
        target_height, target_width: of the result.
        method, align_corners: see ``resize_images``.

    Returns:
        A tensor of that size; the image stands in its middle.

    Raises:
        ValueError: a size that is not positive, or rank or ``method`` do not suit.

    Gradient: as of its parts.

    >>> y = tf.image.resize_image_with_pad([[[5.0], [5.0]]], 3, 2)
    >>> tf.Session().run(y)[:, 0, 0]
    array([0., 5., 0.], dtype=float32)
    """
    for value in map(known, (target_height, target_width)):
        if value is not None and value <= 0:
            raise ValueError(f"resize_image_with_pad: target sizes must be > 0, not {value}")
    with name_scope(None, "resize_image_with_pad", [image]):
        batch, added = as_batch(convert_to_tensor(image, name="image"), "resize_image_with_pad")
        wanted = convert_to_tensor(vector(target_height, target_width))
        size, goal = _fitting(batch, wanted)
        # NB: what is left is halved before the size is rounded
        if isinstance(size, Tensor):
            half = call.Floor(call.RealDiv(call.Sub(goal, size), np.float32(2)))
            half = call.Maximum(call.Cast(half, DstT="int32"), np.int32(0))
            top, left = call.Unpack(half, num=2, axis=0)
            inner = call.Cast(call.Floor(size), DstT="int32")
        else:
            top, left = (max(int(n), 0) for n in np.floor((goal - size) / 2))
            inner = np.floor(size).astype(np.int32)
        resized = resize_images(batch, inner, method, align_corners)
        padded = pad_to_bounding_box(resized, top, left, target_height, target_width)
        return as_given(padded, added)
