"""Images under affine maps: bilinear interpolation, with four ways to go on beyond the borders.

The values are those of ``scipy.ndimage.affine_transform(order=1)``, which Keras uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def _wrapped(coordinates: Array, size: int) -> Array:
    """Coordinates moved into the image by whole periods.

    The period is size - 1, as in SciPy: the last row takes the place of the first.  Coordinates on
    the border itself stay, and those that come to lie on it keep the end that they came from.
    """
    period = max(size - 1, 1)
    below = coordinates + period * (np.trunc(-coordinates / period) + 1)
    above = coordinates - period * np.trunc(coordinates / period)
    inside = np.where(coordinates < 0, below, coordinates)
    return np.where(coordinates > size - 1, above, inside) if size > 1 else np.zeros_like(inside)


def _neighbours(coordinates: Array, size: int, mode: str) -> tuple[Array, Array, Array]:
    """The rows (or columns) to either side of each coordinate, and the share of the second."""
    if mode == "reflect":  # d c b a | a b c d | d c b a
        low = np.floor(coordinates)
        both = []
        for index in (low, low + 1):
            index = np.mod(index, 2 * size)
            both.append(np.where(index >= size, 2 * size - 1 - index, index).astype(np.intp))
        return both[0], both[1], coordinates - low
    if mode == "wrap":
        coordinates = _wrapped(coordinates, size)
    coordinates = np.clip(coordinates, 0, size - 1)
    low = np.floor(coordinates)
    first = low.astype(np.intp)
    return first, np.minimum(first + 1, size - 1), coordinates - low


def _converted(values: Array, dtype: np.dtype[Any]) -> Array:
    """In ``dtype``; integers are rounded, halves away from zero."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.trunc(values + np.copysign(0.5, values)), limits.min, limits.max)
    return values.astype(dtype)


def affine(image: Array, matrix: Array, offset: Array, mode: str, cval: float) -> Array:
    """The image whose pixel (r, c) is the given one's at matrix @ (r, c) + offset.

    Args:
        image: (rows, columns, channels).
        matrix: (2, 2).
        offset: (2,).
        mode: what lies outside: "nearest" pixels of the border, "constant": ``cval``, "reflect":
            the image mirrored at its edge, "wrap": the image again.
        cval: value outside for "constant".

    Returns:
        Array of the image's shape and dtype; computed in float64.

    Raises:
        ValueError: an unknown mode.

    >>> rows = np.arange(6.0).reshape(3, 2, 1)
    >>> affine(rows, np.eye(2), np.array([0.5, 0.0]), "nearest", 0.0)[:, :, 0].tolist()
    [[1.0, 2.0], [3.0, 4.0], [4.0, 5.0]]
    """
    if mode not in FILL_MODES:
        raise ValueError(f"fill_mode is one of {', '.join(FILL_MODES)}; got {mode!r}")
    height, width, channels = image.shape
    if not image.size:
        return image.copy()
    row, column = np.arange(height)[:, None], np.arange(width)[None, :]
    # NB: SciPy adds in this order; whether a pixel lies outside may hang on the last bit
    y = (offset[0] + row * matrix[0, 0]) + column * matrix[0, 1]
    x = (offset[1] + row * matrix[1, 0]) + column * matrix[1, 1]
    top, bottom, down = _neighbours(y, height, mode)
    left, right, along = _neighbours(x, width, mode)
    pixels = image.reshape(height * width, channels)
    result = np.zeros(image.shape)
    for rows, down_share in ((top, 1 - down), (bottom, down)):
        for columns, share in ((left, 1 - along), (right, along)):
            corner = pixels.take(rows * width + columns, axis=0)
            result += corner * (down_share * share)[:, :, None]
    if mode == "constant":
        result[(y < 0) | (y > height - 1) | (x < 0) | (x > width - 1)] = cval
    return _converted(result, image.dtype)
