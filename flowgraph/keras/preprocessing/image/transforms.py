"""Images turned, moved, sheared, zoomed, mirrored and recoloured: by given or random amounts.

Images are arrays with an axis of rows, one of columns and one of channels.  Random amounts are
drawn from ``np.random``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.keras.backend import floatx
from flowgraph.keras.backend.settings import normalize_data_format
from flowgraph.keras.preprocessing.image.files import as_bytes, scaled
from flowgraph.keras.preprocessing.image.randomness import stream
from flowgraph.keras.preprocessing.image.resampling import affine

Array = np.ndarray[Any, Any]


def transform_matrix_offset_center(matrix: Any, x: int, y: int) -> Array:
    """A map of the plane that leaves the centre of an image where it is.

    C M C^-1, where C moves the origin to ((x - 1) / 2, (y - 1) / 2)

    Args:
        matrix: (3, 3), M: a map about the origin, in homogeneous coordinates.
        x: number of rows.
        y: number of columns.

    Returns:
        Matrix (3, 3).

    >>> transform_matrix_offset_center(np.diag([2.0, 2.0, 1.0]), 5, 3)
    array([[ 2.,  0., -2.],
           [ 0.,  2., -1.],
           [ 0.,  0.,  1.]])
    """
    there, back = np.eye(3), np.eye(3)
    there[:2, 2] = x / 2 - 0.5, y / 2 - 0.5
    back[:2, 2] = -there[:2, 2]
    return there @ np.asarray(matrix) @ back


def _matrix(theta: float, tx: float, ty: float, shear: float, zx: float, zy: float) -> Array | None:
    """The map from places in the result to those in the image; None: identity."""
    maps = []
    if theta:
        angle = np.deg2rad(theta)
        c, s = np.cos(angle), np.sin(angle)
        maps.append([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    if tx or ty:
        maps.append([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    if shear:
        angle = np.deg2rad(shear)
        maps.append([[1, -np.sin(angle), 0], [0, np.cos(angle), 0], [0, 0, 1]])
    if zx != 1 or zy != 1:
        maps.append([[zx, 0, 0], [0, zy, 0], [0, 0, 1]])
    if not maps:
        return None
    product = np.array(maps[0], float)
    for factor in maps[1:]:
        product = product @ np.array(factor, float)
    return product


def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 0,
    col_axis: int = 1,
    channel_axis: int = 2,
    fill_mode: str = "nearest",
    cval: float = 0.0,
) -> Array:
    """An image turned, moved, sheared and zoomed about its centre, by bilinear interpolation.

    The pixel at place p of the result is the image's at R(theta) T(tx, ty) S(shear) Z(zx, zy) p.

    Args:
        x: array with three axes.
        theta: angle in degrees.
        tx: rows that the image is moved up.
        ty: columns that the image is moved left.
        shear: angle in degrees.
        zx: rows of the image per row of the result; above 1 the image shrinks.
        zy: the same for columns.
        row_axis: which axis is the rows'.
        col_axis: which axis is the columns'.
        channel_axis: which axis is the channels'.
        fill_mode: what lies outside: "nearest", "constant", "reflect" or "wrap".
        cval: value outside for "constant".

    Returns:
        Array of the same shape and dtype; ``x`` itself when nothing is to be done.

    Raises:
        ValueError: an unknown fill mode, or another number of axes.

    >>> apply_affine_transform(np.arange(3.0).reshape(3, 1, 1), tx=1).ravel().tolist()
    [1.0, 2.0, 2.0]
    """
    x = np.asarray(x)
    if x.ndim != 3:
        raise ValueError(f"apply_affine_transform: an image has 3 axes; found shape {x.shape}")
    about_origin = _matrix(theta, tx, ty, shear, zx, zy)
    if about_origin is None:
        return x
    axes = (row_axis, col_axis, channel_axis)
    image = np.moveaxis(x, axes, (0, 1, 2))
    matrix = transform_matrix_offset_center(about_origin, *image.shape[:2])
    result = affine(image, matrix[:2, :2], matrix[:2, 2], fill_mode, cval)
    return np.moveaxis(result, (0, 1, 2), axes)


def random_rotation(
    x: Any,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
) -> Array:
    """An image turned by a random angle.

    Args:
        x: array with three axes.
        rg: largest angle to either side, in degrees.
        row_axis: which axis is the rows'.
        col_axis: which axis is the columns'.
        channel_axis: which axis is the channels'.
        fill_mode: what lies outside: "nearest", "constant", "reflect" or "wrap".
        cval: value outside for "constant".

    Returns:
        Array of the same shape and dtype.

    Raises:
        ValueError: as of ``apply_affine_transform``.
    """
    theta = stream().uniform(-rg, rg)
    return apply_affine_transform(
        x, theta=theta, row_axis=row_axis, col_axis=col_axis, channel_axis=channel_axis,
        fill_mode=fill_mode, cval=cval,
    )  # fmt: skip


def random_shift(
    x: Any,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
) -> Array:
    """An image moved by a random way.

    Args:
        x: array with three axes.
        wrg: longest way to left and right, as a part of the width.
        hrg: longest way up and down, as a part of the height.
        row_axis: which axis is the rows'.
        col_axis: which axis is the columns'.
        channel_axis: which axis is the channels'.
        fill_mode: what lies outside: "nearest", "constant", "reflect" or "wrap".
        cval: value outside for "constant".

    Returns:
        Array of the same shape and dtype.

    Raises:
        ValueError: as of ``apply_affine_transform``.
    """
    shape = np.shape(x)
    tx = stream().uniform(-hrg, hrg) * shape[row_axis]
    ty = stream().uniform(-wrg, wrg) * shape[col_axis]
    return apply_affine_transform(
        x, tx=tx, ty=ty, row_axis=row_axis, col_axis=col_axis, channel_axis=channel_axis,
        fill_mode=fill_mode, cval=cval,
    )  # fmt: skip


def random_shear(
    x: Any,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
) -> Array:
    """An image sheared by a random angle.

    Args:
        x: array with three axes.
        intensity: largest angle to either side, in degrees.
        row_axis: which axis is the rows'.
        col_axis: which axis is the columns'.
        channel_axis: which axis is the channels'.
        fill_mode: what lies outside: "nearest", "constant", "reflect" or "wrap".
        cval: value outside for "constant".

    Returns:
        Array of the same shape and dtype.

    Raises:
        ValueError: as of ``apply_affine_transform``.
    """
    shear = stream().uniform(-intensity, intensity)
    return apply_affine_transform(
        x, shear=shear, row_axis=row_axis, col_axis=col_axis, channel_axis=channel_axis,
        fill_mode=fill_mode, cval=cval,
    )  # fmt: skip


def random_zoom(
    x: Any,
    zoom_range: Sequence[float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
) -> Array:
    """An image zoomed by random factors, one for rows and one for columns.

    Args:
        x: array with three axes.
        zoom_range: (least, largest) factor; above 1 the image shrinks.
        row_axis: which axis is the rows'.
        col_axis: which axis is the columns'.
        channel_axis: which axis is the channels'.
        fill_mode: what lies outside: "nearest", "constant", "reflect" or "wrap".
        cval: value outside for "constant".

    Returns:
        Array of the same shape and dtype.

    Raises:
        ValueError: ``zoom_range`` is no pair; as of ``apply_affine_transform``.
    """
    zx, zy = zoom_factors(zoom_range)
    return apply_affine_transform(
        x, zx=zx, zy=zy, row_axis=row_axis, col_axis=col_axis, channel_axis=channel_axis,
        fill_mode=fill_mode, cval=cval,
    )  # fmt: skip


def zoom_factors(zoom_range: Sequence[float]) -> tuple[float, float]:
    """Random factors for rows and columns; (1, 1), and no number drawn, for the range (1, 1).

    Args:
        zoom_range: (least, largest).

    Raises:
        ValueError: it is no pair.
    """
    low, high = pair("zoom_range", zoom_range)
    if low == high == 1:
        return 1, 1
    zx, zy = stream().uniform(low, high, 2)
    return zx, zy


def pair(name: str, value: Any) -> tuple[float, float]:
    """A pair of numbers.

    Args:
        name: of the argument, for the message.
        value: what was given.

    Raises:
        ValueError: it is something else.
    """
    if np.ndim(value) != 1 or len(value) != 2:
        raise ValueError(f"{name} is a pair of numbers; got {value!r}")
    return value[0], value[1]


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> Array:
    """A number added to all values, which stay between the image's least and largest one.

    Args:
        x: array.
        intensity: what is added.
        channel_axis: accepted for Keras's programs: all channels get the same number.

    Returns:
        Array of the same shape.

    >>> apply_channel_shift(np.array([1.0, 2.0, 5.0]), 2.0).tolist()
    [3.0, 4.0, 5.0]
    """
    x = np.asarray(x)
    return np.clip(x + intensity, x.min(), x.max()) if x.size else x


def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> Array:
    """A random number added to all values, as ``apply_channel_shift`` does.

    Args:
        x: array.
        intensity_range: largest number to either side.
        channel_axis: as there.

    Returns:
        Array of the same shape.
    """
    return apply_channel_shift(x, stream().uniform(-intensity_range, intensity_range), channel_axis)


def apply_brightness_shift(
    x: Any, brightness: float, scale: bool = True, data_format: str | None = None
) -> Array:
    """An image lighter or darker: its values as whole numbers 0 ... 255, times a factor.

    Args:
        x: array with three axes; a fourth channel, opacity, keeps its values.
        brightness: the factor; 1 changes nothing.
        scale: stretch the values to 0 ... 255 first, as ``array_to_img`` does.  Otherwise only
            where some lie outside, and the result is brought back to the range of the image.
        data_format: "channels_last" or "channels_first"; that of the backend by default.

    Returns:
        Array of the same shape, ``floatx()``.

    Raises:
        ValueError: an unknown data format.

    >>> apply_brightness_shift([[[10.0], [255.0]]], 0.5).ravel().tolist()
    [5.0, 127.0]
    """
    x = np.asarray(x, dtype=floatx())
    channel = 0 if normalize_data_format(data_format) == "channels_first" else x.ndim - 1
    if not x.size:
        return x
    low, high = x.min(), x.max()
    outside = bool(low < 0 or high > 255)
    levels = as_bytes(scaled(x) if scale or outside else x)
    # NB: Pillow multiplies in float32 and cuts off
    result = as_bytes(levels * np.float32(brightness)).astype(floatx())
    if x.shape[channel] == 4:
        opacity = [slice(None)] * x.ndim
        opacity[channel] = slice(3, 4)
        result[tuple(opacity)] = levels[tuple(opacity)]
    if outside and not scale:
        result = result / 255 * (high - low) + low
    return result


def random_brightness(x: Any, brightness_range: Sequence[float], scale: bool = True) -> Array:
    """An image lighter or darker by a random factor.

    Args:
        x: array with three axes.
        brightness_range: (least, largest) factor.
        scale: as of ``apply_brightness_shift``.

    Returns:
        Array of the same shape, ``floatx()``.

    Raises:
        ValueError: ``brightness_range`` is no pair.
    """
    low, high = pair("brightness_range", brightness_range)
    return apply_brightness_shift(x, stream().uniform(low, high), scale)


def flip_axis(x: Any, axis: int) -> Array:
    """An image mirrored: the order along an axis reversed.

    Args:
        x: array.
        axis: which one.

    Returns:
        View of the array.

    >>> flip_axis(np.array([[1, 2, 3]]), 1).tolist()
    [[3, 2, 1]]
    """
    return np.flip(np.asarray(x), axis)
