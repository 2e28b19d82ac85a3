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
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.errors import DataLossError, NotFoundError, UnimplementedError
from flowgraph.formats.crc32c import crc32c, masked
from flowgraph.formats.leveldb_table import read_table, table_bytes
from flowgraph.platform.file_io import file_errors
from flowgraph.protos.graphs import VersionDef
from flowgraph.protos.message import Message, declare
from flowgraph.protos.tensors import dims_of, shape_proto
from flowgraph.protos.wire import DecodeError, read_varint, varint
from flowgraph.saving.files import (
    Slabs,
    checksum_of_part,
    chunks,
    read_into,
    read_part,
    read_whole,
    write_together,
)

if TYPE_CHECKING:
    from flowgraph.runtime.state import State

#: Checksums of so many bytes and more are computed beside the writing.
_LARGE = 1 << 23


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

    def pieces(sums: Checksums) -> Iterator[Any]:
        offset = 0
        for name in names:
            array = tensors[name]
            dtype = as_dtype(array.dtype)
            size = 0
            is_text = array.dtype.hasobject
            for piece in _string_bytes(array) if is_text else sums.summed(name, array):
                size += len(piece)
                yield piece
            entries[name] = BundleEntryProto(
                dtype=dtype.as_datatype_enum, shape=shape_proto(array.shape), shard_id=count - 1,
                offset=offset, size=size,
            )  # fmt: skip
            offset += size
        for name in names:
            array = tensors[name]
            found = _string_checksum(array) if array.dtype.hasobject else sums.of(name)
            entries[name].crc32c = masked(found)

    def index() -> Iterator[bytes]:
        header = BundleHeaderProto(num_shards=count, version=VersionDef(producer=1))
        items = [(b"", header.SerializeToString())]
        items += [(name.encode(), entries[name].SerializeToString()) for name in names]
        yield table_bytes(items)

    data_file = _shard(prefix, count - 1, count)
    try:
        with Checksums({n: a for n, a in tensors.items() if not a.dtype.hasobject}) as sums:
            write_together([(data_file, pieces(sums)), (f"{prefix}.index", index())])
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(data_file)
        raise
    for path in old:
        with contextlib.suppress(OSError):
            os.remove(path)


class Checksums:
    """The checksums of arrays that are being written: on another processor, where there is one.

    Args:
        arrays: by name, in the order of writing.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self._found: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None
        several = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1
        if several and sum(array.nbytes for array in arrays.values()) >= _LARGE:
            self._thread = threading.Thread(target=self._work, args=(dict(arrays),), daemon=True)
            self._thread.start()

    def _work(self, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        try:
            for name, array in arrays.items():
                self._found[name] = crc32c(little_endian(array))
        except BaseException as error:  # noqa: BLE001 - raised where the checksum is asked for
            self._failed = error

    def __enter__(self) -> Checksums:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._thread is not None:
            self._thread.join()

    def summed(self, name: str, array: np.ndarray[Any, Any]) -> Iterator[Any]:
        """The bytes of an array, in pieces to be written."""
        if self._thread is not None:
            yield little_endian(array).reshape(-1).view(np.uint8)
            return
        self._found[name] = 0
        for piece in chunks(little_endian(array)):
            self._found[name] = crc32c(piece, self._found[name])
            yield piece

    def of(self, name: str) -> int:
        """The checksum of an array that was written."""
        if self._thread is not None:
            self._thread.join()
        if self._failed is not None:
            raise self._failed
        return self._found[name]


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


def _damaged(path: str, name: str) -> DataLossError:
    return DataLossError(
        None, None, f"{path}: the checksum of {name!r} is wrong: the file is damaged"
    )


class Opened:
    """Files that stay open, and so the same, from when they are checked to when they are read."""

    def __init__(self) -> None:
        self._files: dict[str, FileIO] = {}

    def file(self, path: str) -> FileIO:
        """The file, opened at the first call."""
        if path not in self._files:
            with file_errors(path):
                self._files[path] = open(path, "rb", buffering=0)  # noqa: SIM115  closed by close
        return self._files[path]

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for file in self._files.values():
            file.close()


class Stored:
    """A tensor in a data file, on its way into a variable.

    ``check`` reads it and keeps nothing: where the variable has memory, that is filled by
    ``give_to`` when all tensors of a checkpoint were checked.  ``load`` reads it into new memory,
    which becomes the variable's.
    """

    def __init__(self, name: str, entry: Entry, file: FileIO) -> None:
        self._name, self._entry, self._file = name, entry, file
        self._loaded: np.ndarray[Any, Any] | None = None

    def suits(self, buffer: np.ndarray[Any, Any]) -> bool:
        """Whether ``buffer`` is such a tensor."""
        return buffer.dtype == self._entry.dtype.np and buffer.shape == self._entry.shape

    def check(self) -> None:
        """DataLossError for a truncated file or a wrong checksum."""
        entry = self._entry
        self._compare(checksum_of_part(self._file, entry.offset, entry.size))

    def load(self, slabs: Slabs) -> None:
        """Read it; DataLossError for a truncated file or a wrong checksum."""
        data = slabs.take(self._entry.size)
        self._compare(read_into(self._file, self._entry.offset, data))
        self._loaded = data.view(self._entry.dtype.np).reshape(self._entry.shape)

    def _compare(self, found: int) -> None:
        if masked(found) != self._entry.checksum:
            raise _damaged(str(self._file.name), self._name)

    def give_to(self, state: State, name: str) -> None:
        """Make it the value of the variable ``name``."""
        entry = self._entry
        if self._loaded is None:
            array = state.variable(name, entry.dtype.np, entry.shape)
            self._compare(read_into(self._file, entry.offset, array.reshape(-1).view(np.uint8)))
        elif name in state.variables:
            state.replace(name, self._loaded)
        else:
            state.variables[name] = self._loaded


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

    def stored(self, name: str, opened: Opened) -> Stored | None:
        """The tensor ``name``, not yet read; None for one that lies in parts, or is no number.

        Args:
            name: of a tensor that is there.
            opened: keeps the files open.
        """
        entry = self.entries[name]
        count = int(np.prod(entry.shape, dtype=np.int64))
        if entry.parts or entry.dtype.np.hasobject or sys.byteorder != "little":
            return None
        if count * entry.dtype.np.itemsize != entry.size:
            raise DataLossError(None, None, f"{self.prefix}.index: {name!r} has a wrong size")
        return Stored(name, entry, opened.file(_shard(self.prefix, entry.shard, self._count)))

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
            raise _damaged(path, name)
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
