"""tf.contrib.image: images rotated, translated, warped.

Read next: image/transforming.py (the record).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import float32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.image.transforming import to_matrices, to_transforms
from flowgraph.ops.rules import shape_of
from flowgraph.shapes import format_dims


def _rows(values: Any, width: int, what: str) -> Tensor:
    """(n, width) from one row or several."""
    x = convert_to_tensor(values, dtype=float32, name=what)
    if x.dims is None or len(x.dims) not in (1, 2):
        raise ValueError(
            f"{what} must be one vector or a matrix of them, not {format_dims(x.dims)}"
        )
    if x.dims[-1] not in (None, width):
        raise ValueError(f"{what} must have {width} numbers each, not {format_dims(x.dims)}")
    return call.ExpandDims(x, 0) if len(x.dims) == 1 else x


def _with_four_axes(images: Any) -> tuple[Tensor, list[int]]:
    """A batch, and the axes that were added."""
    x = convert_to_tensor(images, name="images")
    if x.dims is None or len(x.dims) not in (2, 3, 4):
        raise TypeError(f"images must have 2, 3 or 4 axes, not shape {format_dims(x.dims)}")
    if len(x.dims) == 2:
        return call.ExpandDims(call.ExpandDims(x, 0), 3), [0, 3]
    return (call.ExpandDims(x, 0), [0]) if len(x.dims) == 3 else (x, [])


@export("contrib.image.transform")
def transform(
    images: Any,
    transforms: Any,
    interpolation: str = "NEAREST",
    output_shape: Any = None,
    name: str | None = None,
) -> Tensor:
    """Images whose pixels come from where projective maps say.

    result(x, y) = image((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)  with  k = c0 x + c1 y + 1

    Args:
        images: (batch, height, width, channels), (height, width, channels) or (height, width).
        transforms: [a0, a1, a2, b0, b1, b2, c0, c1], or one such row per image.
        interpolation: ``"NEAREST"`` or ``"BILINEAR"``.
        output_shape: [height, width] of the results; that of the images by default.
        name: of the operations; ``transform`` by default.

    Returns:
        A tensor of the dtype of ``images``; 0 where pixels come from outside.

    Raises:
        ValueError, TypeError: shapes do not suit.

    Gradient: dy mapped back by the inverse; none to the transforms.

    >>> move = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    >>> tf.Session().run(tf.contrib.image.transform([[1.0, 2.0, 3.0]], move))
    array([[2., 3., 0.]], dtype=float32)
    """
    with name_scope(name, "transform"):
        batch, added = _with_four_axes(images)
        rows = _rows(transforms, 8, "transforms")
        size = call.Slice(shape_of(batch), [1], [2]) if output_shape is None else output_shape
        made = call.ImageProjectiveTransformV2(batch, rows, size, interpolation=interpolation)
        return call.Squeeze(made, squeeze_dims=added) if added else made


@export("contrib.image.angles_to_projective_transforms")
def angles_to_projective_transforms(
    angles: Any, image_height: Any, image_width: Any, name: str | None = None
) -> Tensor:
    """The transforms that turn images counter-clockwise around their middle.

    Args:
        angles: in radians: one, or one per image.
        image_height, image_width: of the images, floats.
        name: of the operations; ``angles_to_projective_transforms`` by default.

    Returns:
        (n, 8) float32.

    Raises:
        TypeError: angles of more than one axis.
    """
    with name_scope(name, "angles_to_projective_transforms"):
        given = convert_to_tensor(angles, dtype=float32, name="angles")
        if given.dims is None or len(given.dims) > 1:
            raise TypeError("angles must be one number or a vector")
        a = call.Reshape(given, [-1])
        wide, tall = (call.Sub(_float(size), np.float32(1)) for size in (image_width, image_height))
        cos, sin = call.Cos(a), call.Sin(a)
        x = (wide - (cos * wide - sin * tall)) / 2.0
        y = (tall - (sin * wide + cos * tall)) / 2.0
        zero = call.ZerosLike(a)
        return call.Pack([cos, call.Neg(sin), x, sin, cos, y, zero, zero], axis=1)


def _float(value: Any) -> Tensor:
    x = convert_to_tensor(value)
    return x if x.dtype.base_dtype is float32 else call.Cast(x, DstT=float32)


@export("contrib.image.rotate")
def rotate(
    images: Any, angles: Any, interpolation: str = "NEAREST", name: str | None = None
) -> Tensor:
    """Images turned counter-clockwise around their middle.

    Args:
        images: (batch, height, width, channels), (height, width, channels) or (height, width).
        angles: in radians: one, or one per image.
        interpolation: ``"NEAREST"`` or ``"BILINEAR"``.
        name: of the operations; ``rotate`` by default.

    Returns:
        A tensor of the shape and dtype of ``images``; 0 where pixels come from outside.

    Raises:
        TypeError: shapes do not suit.

    Gradient: dy turned back.

    >>> y = tf.contrib.image.rotate(tf.reshape(tf.range(1, 10), [3, 3]), np.pi / 2)
    >>> tf.Session().run(y)
    array([[3, 6, 9],
           [2, 5, 8],
           [1, 4, 7]], dtype=int32)
    """
    with name_scope(name, "rotate"):
        batch, added = _with_four_axes(images)
        size = shape_of(batch)
        height, width = (call.Cast(size[k], DstT=float32) for k in (1, 2))
        turned = transform(
            batch, angles_to_projective_transforms(angles, height, width), interpolation
        )
        return call.Squeeze(turned, squeeze_dims=added) if added else turned


@export("contrib.image.translations_to_projective_transforms")
def translations_to_projective_transforms(translations: Any, name: str | None = None) -> Tensor:
    """The transforms that move images.

    Args:
        translations: [dx, dy]: to the right and down, or one such row per image.
        name: of the operations; ``translations_to_projective_transforms`` by default.

    Returns:
        (n, 8) float32.

    Raises:
        ValueError: the shape does not suit.
    """
    with name_scope(name, "translations_to_projective_transforms"):
        x, y = call.Unpack(_rows(translations, 2, "translations"), num=2, axis=1)
        zero, one = call.ZerosLike(x), call.OnesLike(x)
        return call.Pack([one, zero, call.Neg(x), zero, one, call.Neg(y), zero, zero], axis=1)


@export("contrib.image.translate")
def translate(
    images: Any, translations: Any, interpolation: str = "NEAREST", name: str | None = None
) -> Tensor:
    """Images moved to the right and down.

    Args:
        images: (batch, height, width, channels), (height, width, channels) or (height, width).
        translations: [dx, dy] in pixels, or one such row per image.
        interpolation: ``"NEAREST"`` or ``"BILINEAR"``.
        name: of the operations; ``translate`` by default.

    Returns:
        A tensor of the shape and dtype of ``images``; 0 where pixels come from outside.

    Raises:
        ValueError, TypeError: shapes do not suit.

    Gradient: dy moved back.

    >>> tf.Session().run(tf.contrib.image.translate([[1, 2, 3]], [1.0, 0.0]))
    array([[0, 1, 2]], dtype=int32)
    """
    with name_scope(name, "translate"):
        return transform(images, translations_to_projective_transforms(translations), interpolation)


@export("contrib.image.compose_transforms")
def compose_transforms(*transforms: Any) -> Tensor:
    """One transform that does what several do one after the other.

    Args:
        transforms: each (8,) or (n, 8); of the result of the first the second is taken, and so on.

    Returns:
        (n, 8) float32.

    Raises:
        ValueError: none is given, or shapes do not suit.
    """
    if not transforms:
        raise ValueError("compose_transforms: at least one transform must be given")
    with name_scope(None, "compose_transforms"):
        matrices = [to_matrices(_rows(t, 8, "transforms")) for t in transforms]
        product = matrices[0]
        for matrix in matrices[1:]:
            product = call.BatchMatMulV2(product, matrix)
        return to_transforms(product)


@export("contrib.image.flat_transforms_to_matrices")
def flat_transforms_to_matrices(transforms: Any) -> Tensor:
    """Transforms as 3 x 3 matrices.

    Args:
        transforms: (8,) or (n, 8).

    Returns:
        (n, 3, 3) float32, whose last elements are 1.

    Raises:
        ValueError: the shape does not suit.
    """
    return to_matrices(_rows(transforms, 8, "transforms"))


@export("contrib.image.matrices_to_flat_transforms")
def matrices_to_flat_transforms(transform_matrices: Any) -> Tensor:
    """3 x 3 matrices as transforms: divided by their last elements.

    Args:
        transform_matrices: (3, 3) or (n, 3, 3).

    Returns:
        (n, 8) float32.

    Raises:
        ValueError: the shape does not suit.
    """
    x = convert_to_tensor(transform_matrices, dtype=float32, name="transform_matrices")
    if x.dims is None or len(x.dims) not in (2, 3) or x.dims[-2:] != (3, 3):
        raise ValueError(f"transform_matrices must be 3 x 3, not {format_dims(x.dims)}")
    return to_transforms(x)


@export("contrib.image.dense_image_warp")
def dense_image_warp(image: Any, flow: Any, name: str = "dense_image_warp") -> Tensor:
    """Images whose pixels come from where a flow says.

    result[b, i, j] = image[b, i - flow[b, i, j, 0], j - flow[b, i, j, 1]], between pixels bilinear

    Args:
        image: (batch, height, width, channels), float, at least 2 x 2.
        flow: (batch, height, width, 2), float.
        name: of the operations.

    Returns:
        A tensor of the shape and dtype of ``image``; beyond the edges their pixels.

    Raises:
        ValueError: shapes do not suit.

    Gradient: as of its parts, also to the flow.

    >>> x = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
    >>> tf.Session().run(tf.contrib.image.dense_image_warp(x, tf.ones([1, 2, 2, 2])))[0, :, :, 0]
    array([[0., 0.],
           [0., 0.]], dtype=float32)
    """
    with name_scope(name):
        x, moved = convert_to_tensor(image, name="image"), convert_to_tensor(flow, name="flow")
        for t, what in ((x, "image"), (moved, "flow")):
            if t.dims is None or len(t.dims) != 4:
                raise ValueError(f"{what} must have 4 axes, not shape {format_dims(t.dims)}")
        shape = shape_of(x)
        batch, height, width, channels = (shape[k] for k in range(4))
        zero, one = np.int32(0), np.int32(1)
        lows, shares = [], []
        for k, size in enumerate((height, width)):
            place = call.Cast(call.Range(zero, size, one), DstT=moved.dtype.base_dtype)
            place = call.ExpandDims(place, 1) if k == 0 else place
            query = place - moved[..., k]
            last = call.Cast(size - 2, DstT=moved.dtype.base_dtype)
            low = call.Minimum(call.Maximum(call.Floor(query), call.ZerosLike(last)), last)
            low = call.StopGradient(low)
            share = call.Minimum(call.Maximum(query - low, 0.0), 1.0)
            lows.append(call.Cast(low, DstT="int32"))
            shares.append(_like(call.ExpandDims(share, 3), x))
        rows = call.Reshape(x, call.Pack([-1, channels]))
        image_of = call.Reshape(call.Range(zero, batch, one), [-1, 1, 1])
        first = (image_of * height + lows[0]) * width + lows[1]
        tl, tr, bl, br = (
            call.GatherV2(rows, first + more, zero) for more in (zero, one, width, width + 1)
        )
        upper, lower = tl + (tr - tl) * shares[1], bl + (br - bl) * shares[1]
        result = upper + (lower - upper) * shares[0]
        result.set_shape(x.dims)
        return result


def _like(x: Tensor, other: Tensor) -> Tensor:
    dtype = other.dtype.base_dtype
    return x if x.dtype.base_dtype is dtype else call.Cast(x, DstT=dtype)
