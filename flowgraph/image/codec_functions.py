"""tf.image.decode_png, encode_jpeg and their kin, and what is done to the quality of JPEG.

Read next: codecs.py (the records).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, int32, uint8
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.image.conversion import convert_image_dtype
from flowgraph.image.files import JPEG
from flowgraph.ops.random import random_uniform
from flowgraph.ops.texts import texts


@export("image.decode_png", "io.decode_png")
def decode_png(
    contents: Any, channels: int = 0, dtype: Any = uint8, name: str | None = None
) -> Tensor:
    """The pixels of a PNG file.

    Args:
        contents: a string scalar: the file.
        channels: 1 grey, 3 colours, 4 colours and opacity; 0: as in the file.
        dtype: uint8 or uint16.
        name: of the operation; ``DecodePng`` by default.

    Returns:
        (height, width, channels).  The file may be a JPEG, GIF or BMP as well.

    Raises:
        ValueError: another number of channels.
        InvalidArgumentError: the data are no image, or corrupt (when run).
        UnimplementedError: Pillow is not there (when run).

    Gradient: none.

    >>> png = tf.image.encode_png(tf.constant([[[7], [8]]], tf.uint8))
    >>> tf.Session().run(tf.image.decode_png(png))[0, :, 0]
    array([7, 8], dtype=uint8)
    """
    return apply_op(
        "DecodePng", contents, channels=int(channels or 0), dtype=as_dtype(dtype), name=name
    )


@export("image.decode_jpeg", "io.decode_jpeg")
def decode_jpeg(
    contents: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """The pixels of a JPEG file.

    Args:
        contents: a string scalar: the file.
        channels: 1 grey, 3 colours; 0: as in the file.
        ratio: 1, 2, 4 or 8: decode fewer pixels.
        fancy_upscaling, acceptable_fraction, dct_method: kept for TensorFlow's signature; Pillow
            upscales colours smoothly and computes accurately.
        try_recover_truncated: show what there is of a file that was cut.
        name: of the operation; ``DecodeJpeg`` by default.

    Returns:
        (height, width, channels) uint8.  The file may be a PNG, GIF or BMP as well.

    Raises:
        ValueError: another number of channels, or another ratio.
        InvalidArgumentError: the data are no image, or corrupt (when run).
        UnimplementedError: Pillow is not there (when run).

    Gradient: none.
    Numerics: values differ from TensorFlow's by a few units: decoders round differently.
    """
    return apply_op(
        "DecodeJpeg", contents, **_jpeg_attrs(channels, ratio, fancy_upscaling,
        try_recover_truncated, acceptable_fraction, dct_method), name=name,
    )  # fmt: skip


def _jpeg_attrs(
    channels: int, ratio: int, fancy: bool, recover: bool, fraction: float, method: str
) -> dict[str, Any]:
    return {
        "channels": int(channels or 0),
        "ratio": int(ratio),
        "fancy_upscaling": bool(fancy),
        "try_recover_truncated": bool(recover),
        "acceptable_fraction": float(fraction),
        "dct_method": method,
    }


@export("image.decode_and_crop_jpeg", "io.decode_and_crop_jpeg")
def decode_and_crop_jpeg(
    contents: Any,
    crop_window: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """The pixels of a rectangle of a JPEG file.

    Args:
        contents: a string scalar: the file.
        crop_window: [top, left, height, width].
        channels, ratio, fancy_upscaling, try_recover_truncated, acceptable_fraction, dct_method:
            see ``decode_jpeg``.
        name: of the operation; ``DecodeAndCropJpeg`` by default.

    Returns:
        (height, width, channels) uint8.

    Raises:
        InvalidArgumentError: the window does not lie inside, or the data are no image (when run).

    Gradient: none.
    """
    return apply_op(
        "DecodeAndCropJpeg", contents, crop_window, **_jpeg_attrs(channels, ratio,
        fancy_upscaling, try_recover_truncated, acceptable_fraction, dct_method), name=name,
    )  # fmt: skip


@export("image.decode_bmp", "io.decode_bmp")
def decode_bmp(contents: Any, channels: int = 0, name: str | None = None) -> Tensor:
    """The pixels of an uncompressed BMP file of 8, 24 or 32 bits.

    Args:
        contents: a string scalar: the file.
        channels: 1, 3 or 4, as many as in the file; 0: whatever it has.
        name: of the operation; ``DecodeBmp`` by default.

    Returns:
        (height, width, channels) uint8.

    Raises:
        ValueError: another number of channels.
        InvalidArgumentError: the data are no such image (when run).

    Gradient: none.
    """
    return apply_op("DecodeBmp", contents, channels=int(channels or 0), name=name)


@export("image.decode_gif", "io.decode_gif")
def decode_gif(contents: Any, name: str | None = None) -> Tensor:
    """The frames of a GIF file.

    Args:
        contents: a string scalar: the file.
        name: of the operation; ``DecodeGif`` by default.

    Returns:
        (frames, height, width, 3) uint8.  The file may be a PNG, JPEG or BMP as well: one frame.

    Raises:
        InvalidArgumentError: the data are no image, or corrupt (when run).
        UnimplementedError: Pillow is not there (when run).

    Gradient: none.
    """
    return apply_op("DecodeGif", contents, name=name)


@export("image.decode_image", "io.decode_image")
def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = uint8,
    name: str | None = None,
    expand_animations: bool = True,
) -> Tensor:
    """The pixels of a file: BMP, GIF, JPEG or PNG.

    Args:
        contents: a string scalar: the file.
        channels: 1, 3 or 4; None or 0: as in the file.
        dtype: uint8, uint16, or float32 for values in [0, 1].
        name: of the operations; ``decode_image`` by default.
        expand_animations: False takes the first frame of a GIF, so that results always have three
            axes.

    Returns:
        (height, width, channels), or (frames, height, width, 3) of a GIF; of unknown shape.

    Raises:
        ValueError: another number of channels.
        InvalidArgumentError: the data are no image, or corrupt (when run).
        UnimplementedError: Pillow is not there (when run).

    Gradient: none.
    """
    with name_scope(name, "decode_image"):
        return apply_op(
            "DecodeImage", contents, channels=int(channels or 0), dtype=as_dtype(dtype),
            expand_animations=bool(expand_animations),
        )  # fmt: skip


@export("image.is_jpeg", "io.is_jpeg")
def is_jpeg(contents: Any, name: str | None = None) -> Tensor:
    """Whether strings begin as JPEG files do.

    Args:
        contents: a string tensor.
        name: of the operations; ``is_jpeg`` by default.

    Returns:
        A bool tensor of its shape.

    Gradient: none.

    >>> tf.Session().run(tf.image.is_jpeg(["GIF89a"]))
    array([False])
    """
    with name_scope(name, "is_jpeg"):
        head = call.Substr(contents, np.int32(0), np.int32(len(JPEG)))
        return apply_op("Equal", head, texts(JPEG), name="Equal")


@export("image.extract_jpeg_shape", "io.extract_jpeg_shape")
def extract_jpeg_shape(contents: Any, output_type: Any = int32, name: str | None = None) -> Tensor:
    """[height, width, channels] of a JPEG file, without decoding it.

    Args:
        contents: a string scalar: the file.
        output_type: int32 or int64.
        name: of the operation; ``ExtractJpegShape`` by default.

    Raises:
        InvalidArgumentError: it has no such header (when run).

    Gradient: none.
    """
    return apply_op("ExtractJpegShape", contents, output_type=as_dtype(output_type), name=name)


@export("image.encode_png", "io.encode_png")
def encode_png(image: Any, compression: int = -1, name: str | None = None) -> Tensor:
    """A PNG file of an image.

    Args:
        image: (..., height, width, channels) uint8 or uint16; 1 grey, 2 grey and opacity, 3
            colours, 4 colours and opacity.
        compression: -1 a good choice, 0 none, 9 the smallest file.
        name: of the operation; ``EncodePng`` by default.

    Returns:
        A string scalar, or one string per image.

    Raises:
        ValueError: too few axes, or another ``compression``.
        InvalidArgumentError: another number of channels, or no pixels (when run).

    Gradient: none.
    """
    x = convert_to_tensor(image, name="image")
    return apply_op("EncodePng", x, compression=int(compression), name=name)


@export("image.encode_jpeg", "io.encode_jpeg")
def encode_jpeg(
    image: Any,
    format: str = "",
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density_unit: str = "in",
    x_density: int = 300,
    y_density: int = 300,
    xmp_metadata: str = "",
    name: str | None = None,
) -> Tensor:
    """A JPEG file of an image.

    Args:
        image: (height, width, channels) uint8; 1 or 3 channels.
        format: ``"grayscale"`` or ``"rgb"``; by default as many channels as there are.
        quality: 0 the smallest file, 100 the best.
        progressive: a file that shows a coarse image first.
        optimize_size: a smaller file, in more time.
        chroma_downsampling: keep colours at half the resolution.
        density_unit, x_density, y_density: pixels per ``"in"`` or ``"cm"``, written into the file.
        xmp_metadata: written into the file.
        name: of the operation; ``EncodeJpeg`` by default.

    Returns:
        A string scalar.

    Raises:
        ValueError: an argument does not suit.
        InvalidArgumentError: another number of channels (when run).
        UnimplementedError: Pillow is not there (when run).

    Gradient: none.
    """
    return apply_op(
        "EncodeJpeg", image, format=format, quality=int(quality), progressive=bool(progressive),
        optimize_size=bool(optimize_size), chroma_downsampling=bool(chroma_downsampling),
        density_unit=density_unit, x_density=int(x_density), y_density=int(y_density),
        xmp_metadata=xmp_metadata, name=name,
    )  # fmt: skip


@export("image.adjust_jpeg_quality")
def adjust_jpeg_quality(
    image: Any, jpeg_quality: Any, dct_method: str = "", name: str | None = None
) -> Tensor:
    """An image as it is after having been a JPEG file.

    Args:
        image: (height, width, channels), real; 1 or 3 channels.
        jpeg_quality: 0 to 100: an int or an int32 scalar.
        dct_method: see ``decode_jpeg``.
        name: of the operations; ``adjust_jpeg_quality`` by default.

    Returns:
        A tensor of the dtype of ``image``.

    Raises:
        InvalidArgumentError: the quality lies outside (when run).
        UnimplementedError: Pillow is not there (when run).

    Gradient: none.
    """
    with name_scope(name, "adjust_jpeg_quality", [image]):
        x = convert_to_tensor(image, name="image")
        channels = None if x.dims is None else x.dims[-1]
        narrow = convert_image_dtype(x, uint8, saturate=True)
        quality = convert_to_tensor(jpeg_quality, dtype=int32, name="jpeg_quality")
        packed = call.EncodeJpegVariableQuality(narrow, quality)
        again = call.DecodeJpeg(packed, channels=channels or 0, dct_method=dct_method)
        return convert_image_dtype(again, x.dtype.base_dtype, saturate=True)


@export("image.random_jpeg_quality")
def random_jpeg_quality(
    image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: int | None = None
) -> Tensor:
    """``adjust_jpeg_quality`` by a random quality.

    Args:
        image: (height, width, channels), real; 1 or 3 channels.
        min_jpeg_quality, max_jpeg_quality: 0 <= least < greatest (itself left out) <= 100.
        seed: see ``tf.set_random_seed``.

    Raises:
        ValueError: the bounds are not in order, or outside.
    """
    if not 0 <= min_jpeg_quality <= 100 or not 0 <= max_jpeg_quality <= 100:
        raise ValueError("random_jpeg_quality: qualities must lie between 0 and 100")
    if min_jpeg_quality >= max_jpeg_quality:
        raise ValueError("random_jpeg_quality: min_jpeg_quality must be less than max_jpeg_quality")
    quality = random_uniform([], min_jpeg_quality, max_jpeg_quality, seed=seed, dtype=int32)
    return adjust_jpeg_quality(image, quality)
