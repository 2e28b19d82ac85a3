"""Images in files, as Pillow's objects and as arrays."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from flowgraph.keras.backend import floatx
from flowgraph.keras.backend.settings import normalize_data_format

Array = np.ndarray[Any, Any]

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
COLOR_MODES = {"grayscale": 1, "rgb": 3, "rgba": 4}
EXTENSIONS = ("jpg", "jpeg", "bmp", "png", "ppm", "tif", "tiff")


def pillow() -> Any:
    """Pillow's module Image.

    Raises:
        ImportError: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            "images in files need the package Pillow: pip install 'flowgraph[image]'"
        ) from None
    return Image


def load_img(
    path: Any,
    grayscale: bool = False,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
) -> Any:
    """The image in a file, as Pillow's object.

    Args:
        path: of the file, or a file open for reading bytes.
        grayscale: older way to say ``color_mode="grayscale"``.
        color_mode: "rgb", "rgba" or "grayscale", to which it is converted.  Gray images with more
            than 8 bits keep them.
        target_size: (height, width) that it is resized to.
        interpolation: how: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".

    Returns:
        Pillow's image.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: an unknown word.
    """
    if grayscale:
        warnings.warn("load_img: grayscale is older; say color_mode='grayscale'", stacklevel=2)
        color_mode = "grayscale"
    if color_mode not in COLOR_MODES:
        raise ValueError(f"color_mode is one of {', '.join(COLOR_MODES)}; got {color_mode!r}")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"interpolation is one of {', '.join(INTERPOLATIONS)}; got {interpolation!r}"
        )
    module = pillow()
    image = module.open(path)
    wanted = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}[color_mode]
    if image.mode != wanted and not (wanted == "L" and image.mode.startswith("I")):
        image = image.convert(wanted)
    if target_size is not None:
        size = (target_size[1], target_size[0])
        if image.size != size:
            image = image.resize(size, getattr(module.Resampling, interpolation.upper()))
    return image


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> Array:
    """The pixels of an image, with three axes.

    Args:
        img: Pillow's image, or an array with two axes, or three with the channels last.
        data_format: "channels_last" or "channels_first" for the result; that of the backend by
            default.
        dtype: of the result; ``floatx()`` by default.

    Returns:
        Array (height, width, channels), or (channels, height, width).

    Raises:
        ValueError: an unknown data format, or the image has neither two nor three axes.

    >>> img_to_array(np.array([[1, 2, 3]])).shape
    (1, 3, 1)
    """
    layout = normalize_data_format(data_format)
    pixels = np.array(img, dtype=dtype or floatx())
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3:
        raise ValueError(f"img_to_array: an image has 2 or 3 axes; found shape {pixels.shape}")
    return pixels.transpose(2, 0, 1) if layout == "channels_first" else pixels


def scaled(x: Array) -> Array:
    """Values from 0 to 255: negative ones are lifted to 0, and the largest becomes 255.

    Args:
        x: an image.
    """
    x = x + max(-x.min(initial=0), 0)
    largest = x.max(initial=0)
    return x / largest * 255 if largest else x


def as_bytes(x: Array) -> Array:
    """Values cut off to 0 ... 255 and to integers.

    Args:
        x: an image.
    """
    return np.nan_to_num(np.clip(x, 0, 255)).astype(np.uint8)


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Any:
    """An array as Pillow's image.

    Args:
        x: array (height, width, channels), or (channels, height, width), with 1, 3 or 4 channels.
        data_format: "channels_last" or "channels_first"; that of the backend by default.
        scale: stretch the values so that the largest is 255; negative ones are lifted first.
            Otherwise they are cut off below 0 and above 255 (gray images: 32-bit integers).
        dtype: in which that is computed; ``floatx()`` by default.

    Returns:
        Pillow's image, of mode L, RGB or RGBA (or I).

    Raises:
        ImportError: Pillow is not installed.
        ValueError: another number of axes or channels, or an unknown data format.
    """
    x = np.asarray(x, dtype=dtype or floatx())
    if x.ndim != 3:
        raise ValueError(f"array_to_img: an image has 3 axes; found shape {x.shape}")
    if normalize_data_format(data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    channels = x.shape[2]
    if channels not in (1, 3, 4):
        raise ValueError(f"array_to_img: an image has 1, 3 or 4 channels, not {channels}")
    module = pillow()
    if scale:
        x = scaled(x)
    if channels > 1:
        return module.fromarray(as_bytes(x))
    if x.max(initial=0) > 255:
        return module.fromarray(x[:, :, 0].astype(np.int32))
    return module.fromarray(as_bytes(x[:, :, 0]))


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array as an image file.

    Args:
        path: of the file, or a file open for writing bytes.
        x: array, as for ``array_to_img``.
        data_format: "channels_last" or "channels_first"; that of the backend by default.
        file_format: Pillow's name of the format; by default the path's ending says it.
        scale: stretch the values to 0 ... 255.
        **kwargs: for ``save`` of Pillow's image (quality, for example).

    Raises:
        ImportError: Pillow is not installed.
        ValueError: as of ``array_to_img``.
    """
    image = array_to_img(x, data_format, scale)
    ending = file_format or os.path.splitext(str(path))[1].lstrip(".")
    if image.mode == "RGBA" and ending.lower() in ("jpg", "jpeg"):
        warnings.warn("save_img: JPEG has no opacity; saved as RGB", stacklevel=2)
        image = image.convert("RGB")
    image.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)


def list_pictures(directory: Any, ext: Any = EXTENSIONS) -> list[str]:
    """The paths of the image files in a directory and below, in order.

    Args:
        directory: where to look.
        ext: endings without the dot: a tuple, or one string, with ``|`` between several.

    Returns:
        Sorted list of paths.
    """
    endings = ext.split("|") if isinstance(ext, str) else ext
    allowed = tuple(f".{ending}" for ending in endings)
    return sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(directory)
        for name in names
        if name.lower().endswith(allowed)
    )
