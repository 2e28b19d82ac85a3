"""IDX files, the format of MNIST: a header of big-endian numbers, then the elements of one array.

    00 00 <dtype> <rank>   <size of axis 0: 4 bytes> ...   <elements, last axis fastest>

Compressed files (gzip) are recognised by their first bytes, not by their name.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from typing import IO, Any

import numpy as np

#: Third byte of the header -> dtype of the elements.
_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

_GZIP = b"\x1f\x8b"


def read_idx(file: str | os.PathLike[str] | IO[bytes]) -> np.ndarray:
    """The array in an IDX file, in the machine's byte order.

    Args:
        file: a path, or a file opened for reading bytes; compressed or not.

    Raises:
        ValueError: not an IDX file, or one that is damaged, cut off or too long.
        OSError: the file cannot be read.

    >>> import io
    >>> read_idx(io.BytesIO(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9])))
    array([[7, 8, 9]], dtype=uint8)
    """
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as opened:
            return _read(opened, os.fspath(file))
    return _read(file, str(getattr(file, "name", "the IDX file")))


def _read(stream: IO[bytes], name: str) -> np.ndarray:
    start = stream.read(2)
    stream.seek(-len(start), os.SEEK_CUR)
    if start != _GZIP:
        return _parse(stream, name)
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            return _parse(unpacked, name)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{name}: the compressed file is damaged or cut off: {error}") from None


def _parse(stream: Any, name: str) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or magic[3] == 0:
        raise ValueError(f"{name}: not an IDX file: it begins with {magic!r}")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError(f"{name}: cut off within the header")
    shape = np.frombuffer(sizes, ">u4").tolist()
    dtype = np.dtype(_DTYPES[magic[2]])
    wanted = math.prod(shape) * dtype.itemsize
    # Read in pieces: a wrong header must not make us ask for more memory than the file has.
    pieces, missing = [], wanted
    while missing > 0:
        piece = stream.read(min(missing, 1 << 24))
        if not piece:
            raise ValueError(
                f"{name}: cut off: the header says {wanted} bytes (shape {shape}), "
                f"{wanted - missing} are there"
            )
        pieces.append(piece)
        missing -= len(piece)
    if stream.read(1):
        raise ValueError(f"{name}: more follows after the {wanted} bytes of shape {shape}")
    array = np.frombuffer(bytearray().join(pieces), dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)
