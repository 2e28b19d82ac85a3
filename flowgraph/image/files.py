"""The parts of image files that need no library: PNG by zlib, BMP, the markers of JPEG.

    PNG = signature, chunks (length, type, data, CRC); rows are filtered, then compressed

Arrays are (height, width, channels), uint8 or, for PNG of depth 16, uint16.  What is wrong in the
data is a FormatError.

Source: ISO/IEC 15948 (PNG); ITU-T T.81 (JPEG), annex B.  Read next: codecs.py.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PNG = b"\x89PNG\r\n\x1a\n"
#: Channels -> colour type of PNG, and back.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: Pixels of an image at most: what a file claims is not believed beyond.
MOST_PIXELS = 1 << 28


class FormatError(Exception):
    """The data are no such image."""


# ------------------------------------------------------------------------------------------- PNG


def encode_png(image: Array, level: int) -> bytes:
    """An image of 1 to 4 channels; ``level`` is zlib's, -1 to 9."""
    height, width, channels = image.shape
    depth = 8 * image.dtype.itemsize
    head = struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPES[channels], 0, 0, 0)
    rows = image.astype(image.dtype.newbyteorder(">")).view(np.uint8).reshape(height, -1)
    step = channels * image.dtype.itemsize
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 1  # every byte minus that of the pixel to its left
    filtered[:, 1 : step + 1] = rows[:, :step]
    filtered[:, step + 1 :] = rows[:, step:] - rows[:, :-step]
    data = zlib.compress(filtered.tobytes(), level)
    return PNG + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", data, at + 8 + length)
        if crc != zlib.crc32(kind + body):
            raise FormatError(f"PNG: the checksum of chunk {kind!r} is wrong")
        yield kind, body
        if kind == b"IEND":
            return
        at += 12 + length
    raise FormatError("PNG: the data end too early")


def png_header(data: bytes) -> tuple[int, int, int, int, int]:
    """(height, width, depth, colour type, interlaced)."""
    if len(data) < 33 or not data.startswith(PNG) or data[12:16] != b"IHDR":
        raise FormatError("PNG: no header")
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if not 0 < width * height <= MOST_PIXELS:
        raise FormatError(f"PNG: {width} x {height} pixels")
    if colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise FormatError(f"PNG: colour type {colour}, depth {depth}")
    return height, width, depth, colour, interlaced


def decode_deep_png(data: bytes) -> Array:
    """A PNG of depth 16 that is not interlaced, as uint16."""
    height, width, _, colour, interlaced = png_header(data)
    if interlaced:
        raise FormatError("PNG: interlaced images of depth 16 cannot be read")
    channels = _CHANNELS[colour]
    step = 2 * channels
    length = height * (width * step + 1)
    packed = b"".join(body for kind, body in _chunks(data) if kind == b"IDAT")
    try:
        raw = zlib.decompressobj().decompress(packed, length)
    except zlib.error as error:
        raise FormatError(f"PNG: {error}") from None
    if len(raw) != length:
        raise FormatError("PNG: the data end too early")
    rows = np.frombuffer(raw, np.uint8).reshape(height, -1)
    return _unfiltered(rows, step).view(">u2").astype(np.uint16).reshape(height, width, channels)


def _unfiltered(rows: Array, step: int) -> Array:
    """Rows of bytes from rows of filtered ones, each behind the number of its filter."""
    result = np.zeros((len(rows) + 1, rows.shape[1] - 1), np.uint8)
    for i, (kind, line) in enumerate(zip(rows[:, 0].tolist(), rows[:, 1:], strict=True)):
        above, made = result[i], result[i + 1]
        if kind == 0:
            made[:] = line
        elif kind == 1:
            pixels = line.reshape(-1, step)
            made[:] = np.cumsum(pixels, axis=0, dtype=np.uint8).reshape(-1)
        elif kind == 2:
            made[:] = line + above
        elif kind in (3, 4):
            made[:] = _by_neighbours(kind, line.tolist(), above.tolist(), step)
        else:
            raise FormatError(f"PNG: filter {kind}")
    return result[1:].copy()


def _by_neighbours(kind: int, line: list[int], above: list[int], step: int) -> list[int]:
    """The filters that look left and up: each byte depends on the one before."""
    made = [0] * step + line
    up = [0] * step + above
    for k in range(step, len(made)):
        a, b, c = made[k - step], up[k], up[k - step]
        if kind == 3:
            guess = (a + b) // 2
        else:
            p, q, r = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            guess = a if p <= q and p <= r else b if q <= r else c
        made[k] = (made[k] + guess) & 255
    return made[step:]


# ------------------------------------------------------------------------------------------- BMP


def decode_bmp(data: bytes) -> Array:
    """An uncompressed BMP of 8, 24 or 32 bits: 1, 3 or 4 channels (those of 8 as they stand)."""
    if len(data) < 54 or not data.startswith(b"BM"):
        raise FormatError("BMP: no header")
    first, _, width, height, _, bits, packing = struct.unpack_from("<IIiiHHI", data, 10)
    if bits not in (8, 24, 32) or packing not in (0, 3):
        raise FormatError(f"BMP: {bits} bits, compression {packing}")
    rows = abs(height)
    if not 0 < width * rows <= MOST_PIXELS or width < 0:
        raise FormatError(f"BMP: {width} x {rows} pixels")
    channels = bits // 8
    pitch = (width * channels + 3) // 4 * 4
    if first < 54 or first + pitch * (rows - 1) + width * channels > len(data):
        raise FormatError("BMP: the data end too early")
    body = data[first : first + pitch * rows].ljust(pitch * rows, b"\0")
    pixels = np.frombuffer(body, np.uint8).reshape(rows, pitch)[:, : width * channels]
    image = pixels.reshape(rows, width, channels)
    if channels >= 3:
        image = image[..., [2, 1, 0, 3][:channels]]
    return np.ascontiguousarray(image[::-1] if height > 0 else image)


# ------------------------------------------------------------------------------------------ JPEG

JPEG = b"\xff\xd8\xff"
#: Markers of frame headers: SOF0 to SOF15 without DHT, JPG, DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def jpeg_shape(data: bytes) -> tuple[int, int, int]:
    """(height, width, channels) by the frame header."""
    if not data.startswith(JPEG):
        raise FormatError("JPEG: no header")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAMES:
            if at + 10 > len(data):
                break
            height, width, channels = struct.unpack_from(">HHB", data, at + 5)
            if not (height and width and channels in (1, 3, 4)):
                break
            return height, width, channels
        if marker == 0xDA or length < 2:
            break
        at += 2 + length
    raise FormatError("JPEG: no frame header")
