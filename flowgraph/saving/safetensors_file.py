"""Checkpoints as one safetensors file, with checksums.

    8 bytes: length of the header    header: JSON    the tensors, one behind the other

The header says of each tensor its dtype, shape and place; under ``__metadata__`` stand the CRC-32C
of each tensor, and of all the rest.  Other programs read these files, and files of other programs
are read here, without checksums.  Nothing in them is ever executed.

Read next: reader.py.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.errors import DataLossError, NotFoundError, UnimplementedError
from flowgraph.formats.crc32c import crc32c
from flowgraph.platform.file_io import file_errors
from flowgraph.saving.bundle import little_endian
from flowgraph.saving.files import chunks, read_part, write_whole

EXTENSION = ".safetensors"

_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "int16": "I16", "uint16": "U16", "int32": "I32",
    "uint32": "U32", "int64": "I64", "uint64": "U64", "float16": "F16", "float32": "F32",
    "float64": "F64", "complex64": "C64",
}  # fmt: skip
_DTYPES = {name: as_dtype(dtype) for dtype, name in _NAMES.items()}
_MAX_HEADER = 100_000_000


def write(path: str, tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write ``tensors`` to ``path``, at once.

    Raises:
        UnimplementedError: a dtype that the format does not have (strings, complex128).
    """
    header: dict[str, Any] = {}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    at = 0
    # Wide elements first, so that all are aligned.
    for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name)):
        given = tensors[name]
        kind = _NAMES.get(as_dtype(given.dtype).name)
        if kind is None:
            raise UnimplementedError(
                None, None, f"{path}: safetensors files cannot hold {name!r}, which is "
                f"{as_dtype(given.dtype).name}; save without the ending {EXTENSION!r}",
            )  # fmt: skip
        array = little_endian(given)
        header[name] = {
            "dtype": kind, "shape": list(given.shape), "data_offsets": [at, at + array.nbytes],
        }  # fmt: skip
        at += array.nbytes
        arrays[name] = array

    def head() -> bytes:
        """The header, with the checksums that are known by now; its length stays."""
        listed = json.dumps({name: f"{number:08x}" for name, number in sums.items()})
        metadata = {"format": "flowgraph", "crc32c": listed}
        metadata["header_crc32c"] = _of_header(header, listed)
        text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text

    def pieces() -> Iterator[Any]:
        yield head()
        for name, array in arrays.items():
            for piece in chunks(array):
                sums[name] = crc32c(piece, sums[name])
                yield piece

    sums = dict.fromkeys(arrays, 0)
    write_whole(path, pieces(), head)


def _of_header(header: Mapping[str, Any], sums: str) -> str:
    return f"{crc32c((json.dumps(header, sort_keys=True) + sums).encode()):08x}"


class _Entry:
    """One tensor: what it is, and where its bytes are."""

    def __init__(self, dtype: DType, shape: tuple[int, ...], begin: int, end: int) -> None:
        self.dtype, self.shape, self.begin, self.end = dtype, shape, begin, end


class SafetensorsFile:
    """An open file: its header is read and checked, tensors are read when asked for.

    Raises:
        NotFoundError: there is no such file.   DataLossError: it is damaged, or another kind.
    """

    def __init__(self, path: str) -> None:
        self.prefix = path
        with file_errors(path):
            size = os.path.getsize(path)
        (length,) = struct.unpack("<Q", read_part(path, 0, 8)[0].tobytes())
        if length > min(size - 8, _MAX_HEADER):
            raise self._damaged("its header would be longer than it")
        self._start = 8 + length
        try:
            header = json.loads(read_part(path, 8, length)[0].tobytes())
            metadata = header.pop("__metadata__", {})
            self._sums: dict[str, str] = json.loads(metadata.get("crc32c", "{}"))
            if "header_crc32c" in metadata and metadata["header_crc32c"] != _of_header(
                header, metadata["crc32c"]
            ):
                raise self._damaged("the checksum of its header is wrong")
            self.entries = {name: self._entry(name, item) for name, item in header.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._damaged(f"its header is wrong ({error})") from None
        end = self._start + max((entry.end for entry in self.entries.values()), default=0)
        if end > size:
            raise self._damaged(f"it is truncated: {size} bytes instead of {end}")

    def _damaged(self, what: str) -> DataLossError:
        return DataLossError(None, None, f"{self.prefix} is no sound safetensors file: {what}")

    def _entry(self, name: str, item: Mapping[str, Any]) -> _Entry:
        begin, end = (int(n) for n in item["data_offsets"])
        shape = tuple(int(n) for n in item["shape"])
        if item["dtype"] not in _DTYPES:
            raise UnimplementedError(
                None, None, f"{self.prefix}: {name!r} is of a type that is not supported: "
                f"{item['dtype']!r}",
            )  # fmt: skip
        dtype = _DTYPES[item["dtype"]]
        count = 1
        for number in shape:
            count *= number
        if min((begin, *shape)) < 0 or end - begin != count * dtype.np.itemsize:
            raise ValueError(f"the size of {name!r}")
        return _Entry(dtype, shape, begin, end)

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """The tensor ``name``.

        Raises:
            NotFoundError: there is none.
            DataLossError: the file is truncated, or the checksum is wrong.
        """
        if name not in self.entries:
            raise NotFoundError(None, None, f"{name!r} is not in the checkpoint {self.prefix}")
        entry = self.entries[name]
        size = entry.end - entry.begin
        data, checksum = read_part(self.prefix, self._start + entry.begin, size)
        if name in self._sums and f"{checksum:08x}" != self._sums[name]:
            raise self._damaged(f"the checksum of {name!r} is wrong")
        little = entry.dtype.np.newbyteorder("<")
        return data.view(little).astype(entry.dtype.np, copy=False).reshape(entry.shape)
