"""Shapes and places: joining, reshaping, repeating, padding, gathering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras.backend.settings import normalize_data_format

__all__ = [
    "arange",
    "batch_flatten",
    "concatenate",
    "expand_dims",
    "flatten",
    "gather",
    "one_hot",
    "permute_dimensions",
    "repeat",
    "repeat_elements",
    "reshape",
    "resize_images",
    "resize_volumes",
    "reverse",
    "slice",
    "spatial_2d_padding",
    "spatial_3d_padding",
    "squeeze",
    "stack",
    "temporal_padding",
    "tile",
    "transpose",
]


def transpose(x: Any) -> Any:
    """The axes in reverse order."""
    return tf.transpose(x)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """The axes in the order ``pattern``."""
    return tf.transpose(x, pattern)


def gather(reference: Any, indices: Any) -> Any:
    """Rows of ``reference``; shape ``indices.shape + reference.shape[1:]``."""
    return tf.gather(reference, indices)


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Tensors one behind the other along ``axis``."""
    return tf.concat([tf.convert_to_tensor(x) for x in tensors], axis)


def reshape(x: Any, shape: Any) -> Any:
    """The elements in another shape; one size may be -1."""
    return tf.reshape(x, shape)


def flatten(x: Any) -> Any:
    """All elements on one axis."""
    return tf.reshape(x, [-1])


def batch_flatten(x: Any) -> Any:
    """All elements of a sample on one axis; shape (samples, elements)."""
    x = tf.convert_to_tensor(x)
    known = None if x.shape.ndims is None else x.shape[1:].num_elements()
    size = tf.reduce_prod(tf.shape(x)[1:]) if known is None else known
    return tf.reshape(x, tf.stack([-1, size]))


def expand_dims(x: Any, axis: int = -1) -> Any:
    """With a new axis of size 1."""
    return tf.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Any:
    """Without ``axis``, which has size 1."""
    return tf.squeeze(x, [axis])


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Tensors of one shape on a new axis."""
    return tf.stack(x, axis=axis)


def repeat(x: Any, n: int) -> Any:
    """(samples, size) ``n`` times: (samples, n, size)."""
    return tf.tile(tf.expand_dims(x, 1), [1, n, 1])


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Every element ``rep`` times along ``axis``, as ``numpy.repeat`` does."""
    x = tf.convert_to_tensor(x)
    rank = x.shape.ndims
    axis %= rank
    many = tf.tile(tf.expand_dims(x, axis + 1), [1] * (axis + 1) + [rep] + [1] * (rank - axis - 1))
    sizes = tf.shape(x)
    out = tf.reshape(many, tf.concat([sizes[:axis], [-1], sizes[axis + 1 :]], 0))
    known = x.shape.as_list()
    known[axis] = None if known[axis] is None else known[axis] * rep
    out.set_shape(known)
    return out


def tile(x: Any, n: Any) -> Any:
    """``x`` repeated ``n[i]`` times along axis i."""
    return tf.tile(x, [n] if isinstance(n, int) else n)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    """start, start + step, ... below ``stop``; with one argument from 0 to it."""
    first, last = (0, start) if stop is None else (start, stop)
    if isinstance(last, (int, float, np.number)) and last < 0 and stop is None:
        last = 0
    return tf.cast(tf.range(first, last, step), dtype)


def one_hot(indices: Any, num_classes: int) -> Any:
    """1 at the class and 0 elsewhere, on a new last axis."""
    return tf.one_hot(indices, num_classes, axis=-1)


def reverse(x: Any, axes: Any) -> Any:
    """The elements in reverse order along ``axes``, an int or a list."""
    return tf.reverse(x, [axes] if isinstance(axes, int) else axes)


def slice(x: Any, start: Any, size: Any) -> Any:
    """``size`` elements from ``start``, for every axis."""
    return tf.slice(x, start, size)


def temporal_padding(x: Any, padding: tuple[int, int] = (1, 1)) -> Any:
    """(samples, steps, channels) with zeros before and behind the steps."""
    return tf.pad(x, [[0, 0], list(padding), [0, 0]])


def spatial_2d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Images with zeros around them: (top, bottom), (left, right)."""
    return _padded(x, padding, data_format)


def spatial_3d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Volumes with zeros around them: two numbers for each of the three axes."""
    return _padded(x, padding, data_format)


def _padded(x: Any, padding: Any, data_format: str | None) -> Any:
    pads = [list(pair) for pair in padding]
    last = normalize_data_format(data_format) == "channels_last"
    return tf.pad(x, [[0, 0], *pads, [0, 0]] if last else [[0, 0], [0, 0], *pads])


def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str | None = None,
    interpolation: str = "nearest",
) -> Any:
    """Images that are larger by whole factors.

    Args:
        x: images.
        height_factor, width_factor: whole numbers.
        data_format: "channels_last" or "channels_first".
        interpolation: "nearest" or "bilinear".

    Raises:
        ValueError: the interpolation is neither.
    """
    first = normalize_data_format(data_format) == "channels_first"
    if interpolation == "nearest":
        axis = 2 if first else 1
        return repeat_elements(repeat_elements(x, height_factor, axis), width_factor, axis + 1)
    if interpolation != "bilinear":
        raise ValueError(f"interpolation is 'nearest' or 'bilinear', got {interpolation!r}")
    x = tf.convert_to_tensor(x)
    x = tf.transpose(x, [0, 2, 3, 1]) if first else x
    known = x.shape.as_list()[1:3]
    size = tf.shape(x)[1:3] * tf.constant([height_factor, width_factor])
    if None not in known:
        size = [known[0] * height_factor, known[1] * width_factor]
    out = tf.image.resize_bilinear(x, size)
    return tf.transpose(out, [0, 3, 1, 2]) if first else out


def resize_volumes(
    x: Any,
    depth_factor: int,
    height_factor: int,
    width_factor: int,
    data_format: str | None = None,
) -> Any:
    """Volumes with every element repeated by whole factors along the three axes."""
    axis = 2 if normalize_data_format(data_format) == "channels_first" else 1
    for i, factor in enumerate((depth_factor, height_factor, width_factor)):
        x = repeat_elements(x, factor, axis + i)
    return x
