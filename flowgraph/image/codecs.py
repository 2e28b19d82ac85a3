"""Images from and to files: DecodePng, DecodeJpeg, EncodeJpeg and their kin.

JPEG, GIF and PNG of depth 8 are decoded by Pillow (the extra ``image``), PNG and BMP by files.py.
They run on the host.

Read next: files.py.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, as_dtype, uint8, uint16
from flowgraph.errors import UnimplementedError
from flowgraph.graph.opdef import (
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.image import files
from flowgraph.image.files import FormatError
from flowgraph.ops.rules import i32, invalid, only_one, require_rank, require_rank_at_least
from flowgraph.ops.texts import filled, texts
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError

Array = np.ndarray[Any, Any]


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise UnimplementedError(
            None, None, "images of this kind need Pillow: pip install 'flowgraph[image]'"
        ) from None
    return Image


def _opened(data: bytes, *formats: str) -> Any:
    """Pillow's image; FormatError for what it cannot read."""
    image = _pillow()
    try:
        return image.open(io.BytesIO(data), formats=formats)
    except Exception as error:  # noqa: BLE001  decoders raise what they like on corrupt data
        raise FormatError(str(error) or type(error).__name__) from None


def _pixels(image: Any, mode: str) -> Array:
    """Decoded, in a mode of Pillow's."""
    try:
        image.load()
        return np.array(image if image.mode == mode else image.convert(mode))
    except Exception as error:  # noqa: BLE001  as above
        raise FormatError(str(error) or type(error).__name__) from None


# -------------------------------------------------------------------------------------- decoders


def _decoded(data: bytes, channels: int, dtype: str = "uint8", ratio: int = 1) -> Array:
    """PNG, JPEG or the first frame of a GIF, whichever it is: (height, width, channels)."""
    if data.startswith(files.PNG):
        return _as(_of_channels(_png(data), channels), dtype)  # grey first, then the depth
    if data.startswith(files.JPEG):
        return _as(_jpeg(data, channels, ratio), dtype)
    if data.startswith(b"GIF8"):
        return _as(_of_channels(_gif(data)[0], channels), dtype)
    if data.startswith(b"BM"):
        return _as(_of_channels(files.decode_bmp(data), channels), dtype)
    raise FormatError("unknown image file format: one of JPEG, PNG, GIF, BMP required")


def _as(image: Array, dtype: str) -> Array:
    """8 bits, or 16."""
    if dtype == image.dtype.name:
        return image
    return image.astype(np.uint16) * 257 if dtype == "uint16" else (image >> 8).astype(np.uint8)


def _png(data: bytes) -> Array:
    """In the file's depth: uint8 or uint16."""
    _, _, depth, _, _ = files.png_header(data)
    if depth == 16:
        return files.decode_deep_png(data)
    image = _opened(data, "PNG")
    mode = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA"}.get(image.mode, "RGB")
    if "transparency" in image.info:
        mode = "LA" if mode in ("L", "LA") else "RGBA"
    found = _pixels(image, mode)
    return found.reshape(*found.shape[:2], -1)


def _of_channels(image: Array, channels: int) -> Array:
    """Grey from colours, colours from grey, opaque where opacity is wanted; 0: as it is."""
    have = image.shape[2]
    if channels in (0, have):
        return image
    colour, alpha = (image[..., :-1], image[..., -1:]) if have in (2, 4) else (image, None)
    if channels == 1:
        if colour.shape[2] == 1:
            return colour
        # 0.299, 0.587, 0.114 in parts of 2**15; libpng rounds 16 bits and cuts 8 off
        weights = np.array([9797, 19234, 3737])
        half = 1 << 14 if image.dtype == np.uint16 else 0
        grey = (colour.astype(np.int64) @ weights + half) >> 15
        return grey.astype(image.dtype)[..., None]
    colour = np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else colour
    if channels == 3:
        return np.ascontiguousarray(colour)
    if alpha is None:
        alpha = np.full_like(image[..., :1], np.iinfo(image.dtype).max)
    return np.concatenate([colour, alpha], axis=2)


def _jpeg(data: bytes, channels: int, ratio: int = 1, recover: bool = False) -> Array:
    height, width, components = files.jpeg_shape(data)
    if not height * width <= files.MOST_PIXELS:
        raise FormatError(f"JPEG: {width} x {height} pixels")
    wanted = channels or min(components, 3)
    mode = "L" if wanted == 1 else "RGB"
    image = _opened(data + b"\xff\xd9" * (64 if recover else 0), "JPEG")
    if components != 4:
        # the decoder itself makes grey, and fewer pixels
        image.draft(mode, (-(-width // ratio), -(-height // ratio)))
    found = _pixels(image, mode)
    return found.reshape(*found.shape[:2], -1)


def _gif(data: bytes) -> Array:
    image = _opened(data, "GIF")
    frames = []
    try:
        for k in range(image.n_frames):
            image.seek(k)
            frames.append(_pixels(image, "RGB"))
    except FormatError:
        raise
    except Exception as error:  # noqa: BLE001  as above
        raise FormatError(str(error) or type(error).__name__) from None
    return np.stack(frames)


# ------------------------------------------------------------------------------------- references


def _contents(contents: Any) -> Any:
    return contents[()] if isinstance(contents, np.ndarray) else contents


def _guarded(function: Any) -> Any:
    """A reference whose FormatError is the user's InvalidArgumentError."""

    def reference(call_: Call, *inputs: Any) -> Any:
        try:
            return function(call_, *inputs)
        except FormatError as error:
            raise invalid(str(error)) from None

    return reference


@_guarded
def _png_reference(call_: Call, contents: Any) -> Any:
    return _decoded(_contents(contents), call_.attrs["channels"], call_.attrs["dtype"].name)


@_guarded
def _jpeg_reference(call_: Call, contents: Any, window: Any = None) -> Any:
    data, attrs = _contents(contents), call_.attrs
    if data.startswith(files.JPEG):
        found = _jpeg(data, attrs["channels"], attrs["ratio"], attrs["try_recover_truncated"])
    else:
        found = _decoded(data, attrs["channels"])
    if window is None:
        return found
    top, left, height, width = (int(n) for n in window)
    inside = top >= 0 and left >= 0 and height > 0 and width > 0
    if not inside or top + height > found.shape[0] or left + width > found.shape[1]:
        raise invalid(f"crop window {[top, left, height, width]} does not lie in an image of "
                      f"{found.shape[0]} x {found.shape[1]}")  # fmt: skip
    return np.ascontiguousarray(found[top : top + height, left : left + width])


@_guarded
def _bmp_reference(call_: Call, contents: Any) -> Any:
    image = files.decode_bmp(_contents(contents))
    channels = call_.attrs["channels"]
    if channels not in (0, image.shape[2]):
        raise FormatError(f"BMP: channels attribute {channels} does not match bits per pixel from "
                          f"file, {8 * image.shape[2]}")  # fmt: skip
    return image


@_guarded
def _gif_reference(call_: Call, contents: Any) -> Any:
    data = _contents(contents)
    return _gif(data) if data.startswith(b"GIF8") else _decoded(data, 3)[None]


@_guarded
def _image_reference(call_: Call, contents: Any) -> Any:
    data, attrs = _contents(contents), call_.attrs
    dtype, channels = attrs["dtype"].name, attrs["channels"]
    narrow = dtype if dtype == "uint16" else "uint8"
    if dtype == "float32" and data.startswith(files.PNG) and files.png_header(data)[2] == 16:
        narrow = "uint16"
    if data.startswith(b"GIF8") and attrs["expand_animations"]:
        if channels not in (0, 3):
            raise FormatError(f"channels must be 0 or 3 for GIF, not {channels}")
        found = _as(_gif(data), narrow)
    else:
        found = _decoded(data, channels, narrow)
    if dtype == "float32":
        found = found.astype(np.float32) / np.float32(np.iinfo(found.dtype).max)
    return found


@_guarded
def _shape_reference(call_: Call, contents: Any) -> Any:
    return np.array(files.jpeg_shape(_contents(contents)), call_.attrs["output_type"].np)


def _encode_png_reference(call_: Call, image: Any) -> Any:
    level, shape = call_.attrs["compression"], image.shape
    if not 1 <= shape[-1] <= 4:
        raise invalid(f"image must have 1, 2, 3 or 4 channels, not {shape[-1]}")
    if 0 in shape[-3:]:
        raise invalid(f"image must not be empty: {list(shape)}")
    flat = image.reshape(-1, *shape[-3:])
    return filled([files.encode_png(one, level) for one in flat], shape[:-3])


def _encoded_jpeg(image: Array, **options: Any) -> Any:
    height, width, channels = image.shape
    if channels not in (1, 3):
        raise invalid(f"image must have 1 or 3 channels, not {channels}")
    if not 0 < height < 1 << 16 or not 0 < width < 1 << 16:
        raise invalid(f"a JPEG has 1 to 65535 rows and columns, not {height} x {width}")
    buffer = io.BytesIO()
    made = _pillow().fromarray(image[..., 0] if channels == 1 else np.ascontiguousarray(image))
    made.save(buffer, "JPEG", **options)
    return filled([buffer.getvalue()], ())


def _encode_jpeg_reference(call_: Call, image: Any) -> Any:
    attrs = call_.attrs
    expected = {"": image.shape[2], "grayscale": 1, "rgb": 3}[attrs["format"]]
    if image.shape[2] != expected:
        raise invalid(f"format {attrs['format']!r} needs {expected} channels, not {image.shape[2]}")
    scale = 2.54 if attrs["density_unit"] == "cm" else 1.0
    options: dict[str, Any] = {
        "quality": attrs["quality"],
        "progressive": attrs["progressive"],
        "optimize": attrs["optimize_size"],
        "dpi": (round(attrs["x_density"] * scale), round(attrs["y_density"] * scale)),
    }
    if image.shape[2] == 3:
        options["subsampling"] = 2 if attrs["chroma_downsampling"] else 0
    if attrs["xmp_metadata"]:
        options["xmp"] = attrs["xmp_metadata"].encode()
    return _encoded_jpeg(image, **options)


def _encode_by_quality_reference(call_: Call, image: Any, quality: Any) -> Any:
    number = only_one(np.asarray(quality), "quality")
    if not 0 <= number <= 100:
        raise invalid(f"quality must be in [0, 100], not {number}")
    subsampling = 2 if image.shape[2] == 3 else -1
    return _encoded_jpeg(image, quality=number, subsampling=subsampling, dpi=(300, 300))


# ----------------------------------------------------------------------------------------- shapes


def _scalar(call_: Call) -> None:
    require_rank(call_.shapes[0], 0, "contents")


def _decode_infer(*allowed: int) -> Any:
    def infer(call_: Call) -> list[Dims]:
        _scalar(call_)
        channels = call_.attrs["channels"]
        if channels not in allowed:
            known = ", ".join(map(str, allowed))
            raise ShapeError(f"channels must be one of {known}, not {channels}")
        if call_.attrs.get("ratio", 1) not in (1, 2, 4, 8):
            raise ShapeError(f"ratio must be 1, 2, 4 or 8, not {call_.attrs['ratio']}")
        size: Dims = (None, None)
        if len(call_.shapes) > 1:
            (four,) = image_dims(call_.shapes[1], 1, "crop_window")
            if four not in (None, 4):
                raise ShapeError(f"crop_window must hold 4 numbers, not {four}")
            size = (call_.partial(1) or (None,) * 4)[2:]
        return [(*size, channels or None)]  # type: ignore[misc]

    return infer


def _gif_infer(call_: Call) -> list[Dims]:
    _scalar(call_)
    return [(None, None, None, 3)]


def _image_infer(call_: Call) -> list[Dims]:
    _scalar(call_)
    channels = call_.attrs["channels"]
    if channels not in (0, 1, 3, 4):
        raise ShapeError(f"channels must be 0, 1, 3 or 4, not {channels}")
    return [None if call_.attrs["expand_animations"] else (None, None, channels or None)]


def _shape_infer(call_: Call) -> list[Dims]:
    _scalar(call_)
    return [(3,)]


def _encode_png_infer(call_: Call) -> list[Dims]:
    require_rank_at_least(call_.shapes[0], 3, "image")
    if not -1 <= call_.attrs["compression"] <= 9:
        raise ShapeError(f"compression must be in [-1, 9], not {call_.attrs['compression']}")
    return [None if call_.shapes[0] is None else call_.shapes[0][:-3]]


def _encode_jpeg_infer(call_: Call) -> list[Dims]:
    image_dims(call_.shapes[0], 3, "image")
    attrs = call_.attrs
    if len(call_.shapes) > 1:
        require_rank(call_.shapes[1], 0, "quality")
        return [()]
    if attrs["format"] not in ("", "grayscale", "rgb"):
        raise ShapeError(f"format must be '', grayscale or rgb, not {attrs['format']!r}")
    if not 0 <= attrs["quality"] <= 100:
        raise ShapeError(f"quality must be in [0, 100], not {attrs['quality']}")
    if attrs["density_unit"] not in ("in", "cm"):
        raise ShapeError(f"density_unit must be in or cm, not {attrs['density_unit']!r}")
    return [()]


# ---------------------------------------------------------------------------------------- records

_NO_NUMBERS = not_differentiable("files have no derivatives")
_IMAGE = ((np.arange(105) * 37 + 11) % 251).astype(np.uint8).reshape(5, 7, 3)
_DEEP = ((np.arange(105) * 3371 + 11) % 65521).astype(np.uint16).reshape(5, 7, 3)


def _png_of(image: Array) -> Array:
    return filled([files.encode_png(image, -1)], ())


def _bmp_of(image: Array) -> Array:
    height, width, channels = image.shape
    rows = image[::-1, :, [2, 1, 0, 3][:channels]].reshape(height, -1)
    body = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).tobytes()
    head = b"BM" + (54 + len(body)).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    info = [(40, 4), (width, 4), (height, 4), (1, 2), (8 * channels, 2), *[(0, 4)] * 6]
    text = head + b"".join(n.to_bytes(size, "little") for n, size in info) + body
    return filled([text], ())


#: 8 x 8 pixels of grey, and one frame of 1 x 1: the smallest files that can be read.
_JPEG = filled([bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300" + "01" * 64 + "ffc0000b080008000801011100"
    "ffc4001f0000010501010101010100000000000000000102030405060708090a0b"
    "ffc400b5100002010303020403050504040000017d010203000411051221314106135161072271143281"
    "91a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748"
    "494a535455565758595a636465666768696a737475767778797a838485868788898a9293949596979899"
    "9aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5"
    "e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    "ffda0008010100003f00" "2f" "ffd9"
)], ())  # fmt: skip
_GIF = filled([bytes.fromhex(
    "47494638396101000100800000ff0000ffffff2c00000000010001000002024401003b"
)], ())  # fmt: skip
_GARBAGE = texts("this is no image")
_CUT = filled([_png_of(_IMAGE)[()][:60]], ())


def _garbage(error: str = "unknown image file format") -> Any:
    return error_sample(Exception, error, _GARBAGE, stage="run")


define(
    "DecodePng",
    "contents: string -> image: dtype",
    channels=0,
    dtype=dtypes_of(frozenset(("uint8", "uint16")), uint8),
    infer=_decode_infer(0, 1, 3, 4),
    grad=_NO_NUMBERS,
    reference=_png_reference,
    samples=(
        sample(_png_of(_IMAGE)),
        sample(_png_of(_IMAGE), channels=1),
        sample(_png_of(_IMAGE[..., :1]), channels=4),
        sample(_png_of(_DEEP), dtype=uint16),
        sample(_png_of(_DEEP[..., :2]), channels=3),
        sample(_png_of(_IMAGE), dtype=uint16),
    ),
    errors=(
        error_sample(ValueError, "contents must be a scalar", texts(["a"])),
        error_sample(ValueError, "channels must be", _GARBAGE, channels=5),
        _garbage(),
        error_sample(Exception, "", _CUT, stage="run"),
    ),
    doc="The pixels of a PNG file (or of a JPEG, GIF or BMP).",
)
_JPEG_ATTRS: dict[str, Any] = {
    "channels": 0,
    "ratio": 1,
    "fancy_upscaling": True,
    "try_recover_truncated": False,
    "acceptable_fraction": 1.0,
    "dct_method": "",
}
define(
    "DecodeJpeg",
    "contents: string -> image: uint8",
    **_JPEG_ATTRS,
    infer=_decode_infer(0, 1, 3),
    grad=_NO_NUMBERS,
    reference=_jpeg_reference,
    samples=(sample(_JPEG), sample(_JPEG, channels=3), sample(_JPEG, ratio=4),
             sample(_png_of(_IMAGE))),
    errors=(
        error_sample(ValueError, "ratio must be", _GARBAGE, ratio=3),
        _garbage(),
    ),
    doc="The pixels of a JPEG file (or of a PNG, GIF or BMP).",
)  # fmt: skip
define(
    "DecodeAndCropJpeg",
    "contents: string, crop_window: int32 -> image: uint8",
    **_JPEG_ATTRS,
    infer=_decode_infer(0, 1, 3),
    grad=_NO_NUMBERS,
    reference=_jpeg_reference,
    samples=(sample(_JPEG, i32([2, 1, 3, 4]), const=(1,)),),
    errors=(
        error_sample(Exception, "does not lie in", _JPEG, i32([2, 1, 8, 4]), stage="run"),
        error_sample(ValueError, "must hold 4 numbers", _JPEG, i32([2, 1, 8])),
    ),
    doc="The pixels of a rectangle of a JPEG file.",
)
define(
    "DecodeBmp",
    "contents: string -> image: uint8",
    channels=0,
    infer=_decode_infer(0, 1, 3, 4),
    grad=_NO_NUMBERS,
    reference=_bmp_reference,
    samples=(sample(_bmp_of(_IMAGE)), sample(_bmp_of(_IMAGE[..., [0, 1, 2, 0]]), channels=4)),
    errors=(
        error_sample(Exception, "does not match", _bmp_of(_IMAGE), channels=4, stage="run"),
        _garbage("no header"),
    ),
    doc="The pixels of a BMP file.",
)
define(
    "DecodeGif",
    "contents: string -> image: uint8",
    infer=_gif_infer,
    grad=_NO_NUMBERS,
    reference=_gif_reference,
    samples=(sample(_GIF), sample(_png_of(_IMAGE))),
    errors=(_garbage(),),
    doc="The frames of a GIF file.",
)
define(
    "DecodeImage",
    "contents: string -> image: dtype",
    channels=0,
    dtype=dtypes_of(frozenset(("uint8", "uint16", "float32")), uint8),
    expand_animations=True,
    infer=_image_infer,
    grad=_NO_NUMBERS,
    reference=_image_reference,
    samples=(
        sample(_png_of(_IMAGE)),
        sample(_GIF, expand_animations=False),
        sample(_GIF),
        sample(_bmp_of(_IMAGE), dtype=as_dtype("float32")),
        sample(_png_of(_DEEP), dtype=uint16),
    ),
    errors=(error_sample(ValueError, "channels must be", _GARBAGE, channels=2), _garbage()),
    doc="The pixels of a file of any of these kinds.",
)
define(
    "ExtractJpegShape",
    "contents: string -> image_shape: output_type",
    output_type=dtypes_of(INDEX, as_dtype("int32")),
    infer=_shape_infer,
    grad=_NO_NUMBERS,
    reference=_shape_reference,
    samples=(sample(_JPEG), sample(_JPEG, output_type=as_dtype("int64"))),
    errors=(_garbage("no header"),),
    doc="Height, width and channels of a JPEG file, without decoding it.",
)
define(
    "EncodePng",
    "image: T -> contents: string",
    compression=-1,
    T=dtypes_of(frozenset(("uint8", "uint16")), uint8),
    infer=_encode_png_infer,
    grad=_NO_NUMBERS,
    reference=_encode_png_reference,
    samples=(
        sample(_IMAGE),
        sample(_DEEP, compression=9),
        sample(np.stack([_IMAGE, _IMAGE])),
    ),
    errors=(
        error_sample(ValueError, "at least 3 axes", _IMAGE[0]),
        error_sample(ValueError, "compression must be", _IMAGE, compression=10),
        error_sample(Exception, "1, 2, 3 or 4 channels", _IMAGE.reshape(5, 3, 7), stage="run"),
    ),
    doc="A PNG file of an image.",
)
define(
    "EncodeJpeg",
    "image: uint8 -> contents: string",
    format="",
    quality=95,
    progressive=False,
    optimize_size=False,
    chroma_downsampling=True,
    density_unit="in",
    x_density=300,
    y_density=300,
    xmp_metadata="",
    infer=_encode_jpeg_infer,
    grad=_NO_NUMBERS,
    reference=_encode_jpeg_reference,
    samples=(sample(_IMAGE), sample(_IMAGE[..., :1], quality=20, progressive=True)),
    errors=(
        error_sample(ValueError, "quality must be", _IMAGE, quality=101),
        error_sample(ValueError, "format must be", _IMAGE, format="cmyk"),
        error_sample(Exception, "1 or 3 channels", _IMAGE[..., :2], stage="run"),
    ),
    doc="A JPEG file of an image.",
)
define(
    "EncodeJpegVariableQuality",
    "images: uint8, quality: int32 -> contents: string",
    infer=_encode_jpeg_infer,
    grad=_NO_NUMBERS,
    reference=_encode_by_quality_reference,
    samples=(sample(_IMAGE, i32(40)),),
    errors=(error_sample(Exception, "quality must be", _IMAGE, i32(101), stage="run"),),
    doc="A JPEG file of an image, of a quality that the run gives.",
)
