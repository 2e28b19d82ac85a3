"""How rough images are and how alike: total variation, gradients, PSNR, SSIM.

    SSIM = (2 a b + c1) / (a**2 + b**2 + c1) * (2 cov + c2) / (var_a + var_b + c2)

with a, b the means, by a Gaussian window around every pixel, of the two images.

Source: Wang et al., "Image quality assessment: from error visibility to structural similarity"
(2004); Wang, Simoncelli, Bovik, "Multiscale structural similarity" (2003).
Read next: conversion.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import float32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.image.batches import at_least_three_axes
from flowgraph.image.conversion import convert_image_dtype
from flowgraph.ops.depthwise_functions import depthwise_conv2d
from flowgraph.ops.rules import number, shape_of
from flowgraph.shapes import ShapeError, format_dims, merge

_SPACE = np.array([-3, -2], np.int32)


def _ints(*values: int) -> Any:
    return np.array(values, np.int32)


@export("image.total_variation")
def total_variation(images: Any, name: str | None = None) -> Tensor:
    """The sum of the absolute differences of neighbouring pixels.

    Args:
        images: (height, width, channels), or a batch of them.
        name: of the operations; ``total_variation`` by default.

    Returns:
        A scalar, or one number per image, in the dtype of ``images``.

    Raises:
        ValueError: another rank.

    Gradient: sums of the signs of the differences.

    >>> tf.Session().run(tf.image.total_variation([[[1.0], [3.0]], [[1.0], [2.0]]]))
    4.0
    """
    with name_scope(name, "total_variation"):
        x = convert_to_tensor(images, name="images")
        rank = None if x.dims is None else len(x.dims)
        if rank not in (3, 4):
            raise ValueError("total_variation: images must be either 3 or 4-dimensional")
        lead = rank - 3
        axes = _ints(*range(rank)) if rank == 3 else _ints(1, 2, 3)
        sums = []
        for axis in (lead, lead + 1):
            first = [0] * rank
            first[axis] = 1
            ahead = call.Slice(x, _ints(*first), _ints(*[-1] * rank))
            size = call.Sub(shape_of(x), _ints(*first))
            behind = call.Slice(x, _ints(*[0] * rank), size)
            sums.append(call.Sum(call.Abs(call.Sub(ahead, behind)), axes))
        return sums[0] + sums[1]


@export("image.image_gradients")
def image_gradients(image: Any) -> tuple[Tensor, Tensor]:
    """Differences to the next row and to the next column.

    dy[i, j] = x[i + 1, j] - x[i, j]    dx[i, j] = x[i, j + 1] - x[i, j]    0 in the last

    Args:
        image: (batch, height, width, channels).

    Returns:
        (dy, dx), of the shape of ``image``.

    Raises:
        ValueError: another rank.

    Gradient: the reverse differences of dy.

    >>> dy, dx = tf.image.image_gradients(tf.reshape([1.0, 3.0, 6.0], [1, 1, 3, 1]))
    >>> tf.Session().run(dx)[0, 0, :, 0]
    array([2., 3., 0.], dtype=float32)
    """
    x = convert_to_tensor(image, name="image")
    if x.dims is None or len(x.dims) != 4:
        raise ValueError(
            f"image_gradients: a batch of images has 4 axes, not shape {format_dims(x.dims)}"
        )
    made = []
    for axis in (1, 2):
        one = [0] * 4
        one[axis] = 1
        ahead = call.Slice(x, _ints(*one), _ints(-1, -1, -1, -1))
        behind = call.Slice(x, _ints(0, 0, 0, 0), call.Sub(shape_of(x), _ints(*one)))
        frame = [[0, n] for n in one]
        result = call.Pad(call.Sub(ahead, behind), np.array(frame, np.int32))
        result.set_shape(x.dims)
        made.append(result)
    return made[0], made[1]


@export("image.sobel_edges")
def sobel_edges(image: Any) -> Tensor:
    """How fast pixels change along rows and columns: Sobel's filters.

    Args:
        image: (batch, height, width, channels), floats; mirrored at the edges.

    Returns:
        (batch, height, width, channels, 2): down, and to the right.

    Raises:
        ValueError: another rank.

    Gradient: as of a convolution.

    >>> y = tf.image.sobel_edges(tf.reshape(tf.range(9.0), [1, 3, 3, 1]))
    >>> tf.Session().run(y)[0, 1, 1, 0]
    array([24.,  8.], dtype=float32)
    """
    x = convert_to_tensor(image, name="image")
    if x.dims is None or len(x.dims) != 4:
        raise ValueError(
            f"sobel_edges: a batch of images has 4 axes, not shape {format_dims(x.dims)}"
        )
    channels = x.dims[-1]
    if channels is None:
        raise ValueError("sobel_edges: the number of channels must be known")
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], x.dtype.base_dtype.np)
    taps = np.stack([down, down.T], -1)[:, :, None]
    filters = np.broadcast_to(taps, (3, 3, channels, 2)).copy()
    framed = call.MirrorPad(x, np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32), mode="REFLECT")
    strong = depthwise_conv2d(framed, filters, [1, 1, 1, 1], "VALID")
    shape = call.ConcatV2([shape_of(x), _ints(2)], _ints(0)[0])
    result = call.Reshape(strong, shape)
    result.set_shape([*x.dims, 2])
    return result


# ------------------------------------------------------------------------------------ likeness


def _pair(function: str, a: Any, b: Any, max_val: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Two images and their greatest value, as float32; ValueError unless shapes agree."""
    x = convert_to_tensor(a, name="img1")
    y = convert_to_tensor(b, dtype=x.dtype.base_dtype, name="img2")
    for t in (x, y):
        at_least_three_axes(t, function)
    try:
        if x.dims is not None and y.dims is not None:
            merge(x.dims[-3:], y.dims[-3:])
    except ShapeError as error:
        raise ValueError(f"{function}: the images differ: {error.headline}") from None
    most = convert_to_tensor(max_val, dtype_hint=x.dtype.base_dtype)
    if most.dtype.base_dtype is not x.dtype.base_dtype:
        most = call.Cast(most, DstT=x.dtype.base_dtype)
    first, second, greatest = (convert_image_dtype(t, float32) for t in (x, y, most))
    return first, second, greatest


@export("image.psnr")
def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Tensor:
    """The peak signal-to-noise ratio of two images, in decibels.

    20 log10(max_val) - 10 log10(mean((a - b)**2))

    Args:
        a, b: (..., height, width, channels), real.
        max_val: the greatest value that pixels could have: 255 for uint8.
        name: of the operations; ``PSNR`` by default.

    Returns:
        float32, one number per image; inf where they are equal.

    Raises:
        ValueError: shapes differ, or fewer than three axes.

    Gradient: as of its parts.

    >>> tf.Session().run(tf.image.psnr(tf.zeros([1, 2, 1]), tf.ones([1, 2, 1]), 1.0))
    0.0
    """
    with name_scope(name, "PSNR", [a, b]):
        x, y, most = _pair("psnr", a, b, max_val)
        error = call.Mean(call.SquaredDifference(x, y), _ints(-3, -2, -1))
        signal = call.RealDiv(call.Mul(call.Log(most), np.float32(20)), np.float32(np.log(10.0)))
        noise = call.Mul(call.Log(error), np.float32(10 / np.log(10.0)))
        return apply_op("Sub", signal, noise, name="psnr")


def _gaussian(size: int, sigma: float) -> Any:
    """One line of a window, whose weights add up to 1: the window is its product with itself."""
    place = np.arange(size) - (size - 1) / 2
    line = np.exp(-(place**2) / (2 * sigma**2))
    return line / line.sum()


def _averaged(x: Tensor, line: Any) -> Tensor:
    """Every channel of (..., height, width, channels) under a window that lies inside.

    Along columns, then rows: sums of shifted images, which become one kernel each.
    """
    if x.dims is None:
        raise ValueError("ssim: the rank of the images must be known")
    rank = len(x.dims)
    for axis in (rank - 3, rank - 2):
        cut = [0] * rank
        cut[axis] = len(line) - 1
        size = call.Sub(shape_of(x), _ints(*cut))
        terms = []
        for k, weight in enumerate(line):
            begin = [0] * rank
            begin[axis] = k
            terms.append(call.Slice(x, _ints(*begin), size) * number(weight, x))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        x = total
    return x


def _per_channel(x: Tensor, y: Tensor, most: Tensor, window: Any, k1: float, k2: float) -> Any:
    """(SSIM, contrast-structure part) of every image and channel."""
    size = len(window)
    for t in (x, y):
        if t.dims is not None and any(n is not None and n < size for n in t.dims[-3:-1]):
            raise ValueError(
                f"ssim: images {format_dims(t.dims)} are smaller than the window, {size}"
            )
    c1 = call.Square(call.Mul(most, np.float32(k1)))
    c2 = call.Square(call.Mul(most, np.float32(k2)))
    a, b = _averaged(x, window), _averaged(y, window)
    product, squares = a * b * 2.0, call.Square(a) + call.Square(b)
    light = call.RealDiv(product + c1, squares + c1)
    both = _averaged(x * y, window) * 2.0
    each = _averaged(call.Square(x) + call.Square(y), window)
    structure = call.RealDiv(both - product + c2, each - squares + c2)
    return call.Mean(light * structure, _SPACE), call.Mean(structure, _SPACE)


@export("image.ssim")
def ssim(
    img1: Any,
    img2: Any,
    max_val: Any,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """How alike two images look: their structural similarity, 1 where they are equal.

    Args:
        img1, img2: (..., height, width, channels), real, no smaller than the window.
        max_val: the greatest value that pixels could have.
        filter_size, filter_sigma: of the Gaussian window.
        k1, k2: keep the divisions from 0, as parts of ``max_val``.

    Returns:
        float32, one number in (-1, 1] per image: the mean over windows and channels.

    Raises:
        ValueError: shapes differ, or the images are smaller than the window.

    Gradient: as of its parts.
    """
    with name_scope(None, "SSIM", [img1, img2]):
        x, y, most = _pair("ssim", img1, img2, max_val)
        window = _gaussian(int(filter_size), float(filter_sigma))
        likeness, _ = _per_channel(x, y, most, window, k1, k2)
        return call.Mean(likeness, _ints(-1))


_POWERS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@export("image.ssim_multiscale")
def ssim_multiscale(
    img1: Any,
    img2: Any,
    max_val: Any,
    power_factors: Sequence[float] = _POWERS,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """How alike two images look, seen from several distances.

    The contrast-structure part of ``ssim`` at every scale but the last and SSIM at the last, each
    raised to its power, multiplied; images are halved from scale to scale.

    Args:
        img1, img2: (..., height, width, channels), real; the smallest scale still holds the window.
        max_val: the greatest value that pixels could have.
        power_factors: of every scale.
        filter_size, filter_sigma, k1, k2: see ``ssim``.

    Returns:
        float32, one number in [0, 1] per image: the mean over channels.

    Raises:
        ValueError: shapes differ, or the images are too small.

    Gradient: as of its parts; negative likenesses count as 0.
    """
    with name_scope(None, "MS-SSIM", [img1, img2]):
        images = list(_pair("ssim_multiscale", img1, img2, max_val))
        most = images.pop()
        window = _gaussian(int(filter_size), float(filter_sigma))
        parts = []
        for k in range(len(power_factors)):
            if k:
                images = [_halved(x) for x in images]
            likeness, structure = _per_channel(images[0], images[1], most, window, k1, k2)
            parts.append(call.Relu(structure))
        parts[-1] = call.Relu(likeness)
        powers = np.array(power_factors, np.float32)
        scales = call.Pow(call.Pack(parts, axis=-1), powers)
        return call.Mean(call.Prod(scales, _ints(-1)), _ints(-1))


def _halved(x: Tensor) -> Tensor:
    """Averages of 2 x 2 pixels; an odd row or column is first repeated."""
    shape = shape_of(x)
    batch = call.Reshape(x, call.ConcatV2([_ints(-1), shape[-3:]], _ints(0)[0]))
    sizes = shape[-3:-1]
    odd = call.FloorMod(sizes, number(2, sizes))
    zero = _ints(0)
    after = call.ConcatV2([zero, odd, zero], _ints(0)[0])
    frame = call.Pack([call.ZerosLike(after), after], axis=1)
    even = call.MirrorPad(batch, frame, mode="SYMMETRIC")
    if x.dims is not None:
        even.set_shape(
            [None, *(None if n is None else n + n % 2 for n in x.dims[-3:-1]), x.dims[-1]]
        )
    y = call.AvgPool(even, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    result = call.Reshape(y, call.ConcatV2([shape[:-3], shape_of(y)[1:]], _ints(0)[0]))
    if x.dims is not None and y.dims is not None:
        result.set_shape([*x.dims[:-3], *y.dims[1:]])
    return result
