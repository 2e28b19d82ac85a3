"""Checkpoints in TensorFlow's second format: an index, and the bytes of the tensors.

    model.ckpt-7.index                  a table: name -> dtype, shape, place, checksum
    model.ckpt-7.data-00000-of-00001    the tensors, one behind the other, in little-endian order

The index appears last and at once.  Where a checkpoint of the same name exists its data must last
until then, so the new data goes into a file of another number of shards (``-00001-of-00002``),
which any reader finds by the index; the old file is removed after.

Read next: reader.py; flowgraph/formats/leveldb_table.py (the table).
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.errors import DataLossError, NotFoundError, UnimplementedError
from flowgraph.formats.crc32c import crc32c, masked
from flowgraph.formats.leveldb_table import read_table, table_bytes
from flowgraph.protos.graphs import VersionDef
from flowgraph.protos.message import Message, declare
from flowgraph.protos.tensors import dims_of, shape_proto
from flowgraph.protos.wire import DecodeError, read_varint, varint
from flowgraph.saving.files import chunks, read_part, read_whole, write_together


class BundleHeaderProto(Message):
    """What the index says under the empty key."""

    FIELDS = declare("""
        num_shards 1 int32
        endianness 2 int32
        version    3 VersionDef
        """)


class TensorSliceProto(Message):
    """A part of a tensor: where it begins and how long it is along each axis."""

    FIELDS = declare("""
        extent 1 repeated TensorSliceProto.Extent
        """)

    class Extent(Message):
        """Along one axis; no length: all of it."""

        FIELDS = declare("""
            start  1 int64
            length 2 int64 oneof has_length
            """)


class BundleEntryProto(Message):
    """What the index says of one tensor."""

    FIELDS = declare("""
        dtype    1 int32
        shape    2 TensorShapeProto
        shard_id 3 int32
        offset   4 int64
        size     5 int64
        crc32c   6 fixed32
        slices   7 repeated TensorSliceProto
        """)


@dataclass
class Entry:
    """One tensor: what it is, and where its bytes are."""

    dtype: DType
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    #: Of a tensor in parts: (begin, shape) of each, and its Entry.
    parts: list[tuple[tuple[int, ...], Entry]] = field(default_factory=list)


# ------------------------------------------------------------------------------------------ writing


def write(prefix: str, tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write ``tensors`` as the checkpoint ``prefix``; one of this name is replaced at once."""
    old = set(_data_files(prefix))
    count = next(n for n in range(1, len(old) + 2) if _shard(prefix, n - 1, n) not in old)
    names = sorted(tensors, key=str.encode)
    entries: dict[str, BundleEntryProto] = {}

    def pieces() -> Iterator[Any]:
        offset = 0
        for name in names:
            array = tensors[name]
            dtype = as_dtype(array.dtype)
            size = checksum = 0
            is_text = array.dtype.hasobject
            for piece in _string_bytes(array) if is_text else chunks(little_endian(array)):
                size += len(piece)
                checksum = 0 if is_text else crc32c(piece, checksum)
                yield piece
            checksum = _string_checksum(array) if is_text else checksum
            entries[name] = BundleEntryProto(
                dtype=dtype.as_datatype_enum, shape=shape_proto(array.shape), shard_id=count - 1,
                offset=offset, size=size, crc32c=masked(checksum),
            )  # fmt: skip
            offset += size

    def index() -> Iterator[bytes]:
        header = BundleHeaderProto(num_shards=count, version=VersionDef(producer=1))
        items = [(b"", header.SerializeToString())]
        items += [(name.encode(), entries[name].SerializeToString()) for name in names]
        yield table_bytes(items)

    data_file = _shard(prefix, count - 1, count)
    try:
        write_together([(data_file, pieces()), (f"{prefix}.index", index())])
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(data_file)
        raise
    for path in old:
        with contextlib.suppress(OSError):
            os.remove(path)


def _shard(prefix: str, number: int, count: int) -> str:
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


def _data_files(prefix: str) -> list[str]:
    found = glob.glob(f"{glob.escape(prefix)}.data-?????-of-?????")
    return [path for path in found if re.search(r"\.data-\d{5}-of-\d{5}$", path)]


def little_endian(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``array`` as files hold it.  NB: of rank 1 at least, which its bytes do not show."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _lengths(array: np.ndarray[Any, Any]) -> list[int]:
    return [len(text) for text in array.reshape(-1)]


def _string_bytes(array: np.ndarray[Any, Any]) -> list[bytes]:
    """Lengths, the checksum of the lengths, then all texts."""
    head = b"".join(varint(length) for length in _lengths(array))
    return [head, struct.pack("<I", masked(crc32c(_fixed(_lengths(array))))),
            b"".join(array.reshape(-1))]  # fmt: skip


def _fixed(lengths: list[int]) -> bytes:
    """The lengths as checksums see them: 4 bytes each, or 8 where that is too few."""
    return b"".join(struct.pack("<I" if n < 1 << 32 else "<Q", n) for n in lengths)


def _string_checksum(array: np.ndarray[Any, Any]) -> int:
    lengths = _fixed(_lengths(array))
    head = struct.pack("<I", masked(crc32c(lengths)))
    return crc32c(b"".join(array.reshape(-1)), crc32c(head, crc32c(lengths)))


# ------------------------------------------------------------------------------------------ reading


def exists(prefix: str) -> bool:
    """Whether there is an index of this name."""
    return os.path.isfile(f"{prefix}.index")


class Bundle:
    """An open checkpoint: its index is read and checked, tensors are read when asked for.

    Raises:
        NotFoundError: there is no such index.   DataLossError: it is damaged.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        path = f"{prefix}.index"
        items = read_table(read_whole(path), path)
        if b"" not in items:
            raise DataLossError(None, None, f"{path}: the header is missing")
        header = self._parsed(BundleHeaderProto, items.pop(b""))
        if header.endianness != 0:
            raise UnimplementedError(None, None, f"{path}: written in big-endian order")
        self._count = header.num_shards
        protos = {key: self._parsed(BundleEntryProto, value) for key, value in items.items()}
        parts = {key for key in protos if key.startswith(b"\0")}
        self.entries: dict[str, Entry] = {}
        for key, proto in protos.items():
            if key in parts:
                continue
            name = key.decode("utf-8", "replace")
            self.entries[name] = self._entry(name, proto)
            if proto.slices:
                self._attach(self.entries[name], key, proto, protos, sorted(parts))

    def _parsed(self, kind: Any, data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError as error:
            raise DataLossError(None, None, f"{self.prefix}.index: {error}") from None

    def _entry(self, name: str, proto: BundleEntryProto) -> Entry:
        try:
            dtype = as_dtype(proto.dtype or 1)
        except TypeError:
            raise UnimplementedError(
                None, None, f"{self.prefix}: {name!r} is of a type that is not supported "
                f"(number {proto.dtype})",
            ) from None  # fmt: skip
        dims = dims_of(proto.shape) or ()
        if None in dims or min([proto.offset, proto.size, *dims], default=0) < 0:
            raise DataLossError(None, None, f"{self.prefix}.index: {name!r} has negative sizes")
        shape = tuple(int(size or 0) for size in dims)
        return Entry(dtype, shape, proto.shard_id, proto.offset, proto.size, proto.crc32c)

    def _attach(
        self,
        whole: Entry,
        key: bytes,
        proto: BundleEntryProto,
        protos: dict[bytes, BundleEntryProto],
        keys: list[bytes],
    ) -> None:
        """Find the parts of a tensor: their keys ascend as (start, length) of their axes do."""
        lead = b"\0" + key.replace(b"\xff", b"\xff\0").replace(b"\0", b"\0\xff") + b"\0\1"
        mine = [k for k in keys if k.startswith(lead)]
        name = key.decode("utf-8", "replace")
        places = []
        for part in proto.slices:
            whole_axis = [not e.HasField("length") for e in part.extent]
            places.append(
                [
                    (0, -1, size) if all_ else (e.start, e.length, e.length)
                    for e, all_, size in zip(part.extent, whole_axis, whole.shape, strict=True)
                ]
            )
        if len(places) != len(mine):
            raise DataLossError(None, None, f"{self.prefix}.index: parts of {name!r} are missing")
        for place, k in zip(sorted(places), mine, strict=True):
            entry = self._entry(name, protos[k])
            if entry.shape != tuple(size for _, _, size in place):
                raise DataLossError(None, None, f"{self.prefix}.index: wrong parts of {name!r}")
            whole.parts.append((tuple(start for start, _, _ in place), entry))

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """The tensor ``name``.

        Raises:
            NotFoundError: there is none, or a file is missing.
            DataLossError: a file is truncated, or the checksum is wrong.
        """
        if name not in self.entries:
            raise NotFoundError(None, None, f"{name!r} is not in the checkpoint {self.prefix}")
        entry = self.entries[name]
        if not entry.parts:
            return self._value(name, entry)
        whole = np.zeros(entry.shape, entry.dtype.np)
        for begin, part in entry.parts:
            place = tuple(slice(b, b + n) for b, n in zip(begin, part.shape, strict=True))
            whole[place] = self._value(name, part)
        return whole

    def _value(self, name: str, entry: Entry) -> np.ndarray[Any, Any]:
        path = _shard(self.prefix, entry.shard, self._count)
        count = int(np.prod(entry.shape, dtype=np.int64))
        is_text = entry.dtype.np.hasobject
        if not is_text and count * entry.dtype.np.itemsize != entry.size:
            raise DataLossError(None, None, f"{self.prefix}.index: {name!r} has a wrong size")
        data, found = read_part(path, entry.offset, entry.size)
        if is_text:
            value = self._texts(name, entry, count, data.tobytes())
            found = _string_checksum(value)
        else:
            value = data.view(entry.dtype.np.newbyteorder("<")).astype(entry.dtype.np, copy=False)
        if masked(found) != entry.checksum:
            raise DataLossError(
                None, None, f"{path}: the checksum of {name!r} is wrong: the file is damaged"
            )
        return value.reshape(entry.shape)

    def _texts(self, name: str, entry: Entry, count: int, data: bytes) -> np.ndarray[Any, Any]:
        try:
            lengths, at = [], 0
            for _ in range(count):
                length, at = read_varint(data, at)
                lengths.append(length)
        except DecodeError as error:
            raise DataLossError(None, None, f"{self.prefix}: {name!r}: {error}") from None
        at += 4
        if at + sum(lengths) != len(data):
            raise DataLossError(None, None, f"{self.prefix}: {name!r} has wrong lengths")
        value = np.empty(count, object)
        for i, length in enumerate(lengths):
            value[i] = data[at : at + length]
            at += length
        return value
