"""Checkpoints in TensorFlow's first format (``SaverDef.V1``): read, not written.

One file, or several (``model.ckpt-?????-of-?????``), each a table: under the empty key what tensors
there are, under every other key a part of one.

Read next: reader.py; formats/leveldb_table.py.
"""

from __future__ import annotations

import glob
import os
import struct
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype
from flowgraph.errors import DataLossError, NotFoundError, UnimplementedError
from flowgraph.formats.leveldb_table import MAGIC, read_table
from flowgraph.platform.file_io import file_errors
from flowgraph.protos.graphs import VersionDef
from flowgraph.protos.message import Message, declare
from flowgraph.protos.tensors import TensorProto, array_of, dims_of, shape_proto
from flowgraph.protos.wire import DecodeError
from flowgraph.saving.bundle import Entry, TensorSliceProto
from flowgraph.saving.files import read_whole

#: What the messages here hold.
VALUES = (TensorProto, TensorSliceProto, VersionDef)


class SavedTensorSlices(Message):
    """What a table holds under a key: what tensors there are, or a part of one."""

    FIELDS = declare("""
        meta 1 SavedTensorSlices.Meta
        data 2 SavedTensorSlices.Slice
        """)

    class Meta(Message):
        """What tensors there are."""

        FIELDS = declare("""
            tensor   1 repeated SavedTensorSlices.Tensor
            versions 2 VersionDef
            """)

    class Tensor(Message):
        """One tensor, and the parts it is stored in."""

        FIELDS = declare("""
            name  1 string
            shape 2 TensorShapeProto
            type  3 enum:DataType
            slice 4 repeated TensorSliceProto
            """)

    class Slice(Message):
        """A part of a tensor."""

        FIELDS = declare("""
            name  1 string
            slice 2 TensorSliceProto
            data  3 TensorProto
            """)


def files_of(path: str) -> list[str]:
    """The files of a checkpoint of the first format; none where there is no such."""
    one = [path] if os.path.isfile(path) else []
    # NB: of several files the file `checkpoint` names the pattern
    lead = path.removesuffix("-?????-of-?????")
    found = one or sorted(glob.glob(f"{glob.escape(lead)}-?????-of-?????"))
    return [file for file in found if _is_table(file)]


def _is_table(path: str) -> bool:
    with file_errors(path), open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() < 8:
            return False
        file.seek(-8, os.SEEK_END)
        return file.read() == struct.pack("<Q", MAGIC)


def _place(part: TensorSliceProto, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Where a part lies in its tensor.

    Raises:
        ValueError: outside of it.
    """
    if len(part.extent) != len(shape):
        raise ValueError("a part has another rank than its tensor")
    found = []
    for extent, size in zip(part.extent, shape, strict=True):
        length = extent.length if extent.HasField("length") else size
        if extent.start < 0 or length < 0 or extent.start + length > size:
            raise ValueError("a part lies outside of its tensor")
        found.append(slice(extent.start, extent.start + length))
    return tuple(found)


class FirstFormat:
    """A checkpoint of the first format; all of it is read when it is opened.

    Args:
        path: as ``Saver.save`` returned it.

    Raises:
        DataLossError: it is damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        #: Name -> (where, values) of each part.
        self._parts: dict[str, list[tuple[Any, TensorProto]]] = {}
        for file in files_of(path):
            try:
                self._add(file)
            except (DecodeError, ValueError) as error:
                raise DataLossError(None, None, f"{file}: {error}") from None

    def _add(self, file: str) -> None:
        items = read_table(read_whole(file), file)
        if b"" not in items:
            raise ValueError("the list of tensors is missing")
        meta = SavedTensorSlices.FromString(items.pop(b"")).meta
        for tensor in meta.tensor:
            try:
                dtype = as_dtype(tensor.type)
            except TypeError:
                raise UnimplementedError(
                    None, None, f"{file}: {tensor.name!r} is of a type that is not supported "
                    f"(number {tensor.type})",
                ) from None  # fmt: skip
            dims = dims_of(tensor.shape) or ()
            if None in dims:
                raise ValueError(f"{tensor.name!r} has no complete shape")
            shape = tuple(int(size or 0) for size in dims)
            self.entries[tensor.name] = Entry(dtype, shape, 0, 0, 0, 0)
        for value in items.values():
            part = SavedTensorSlices.FromString(value).data
            self._parts.setdefault(part.name, []).append((part.slice, part.data))

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """The tensor ``name``.

        Raises:
            NotFoundError: there is none.   DataLossError: parts are missing or damaged.
        """
        if name not in self.entries:
            raise NotFoundError(None, None, f"{name!r} is not in the checkpoint {self.path}")
        entry = self.entries[name]
        whole = np.empty(entry.shape, entry.dtype.np)
        known = 0
        for where, values in self._parts.get(name, []):
            try:
                place = _place(where, entry.shape)
                target = whole[place]
                values.dtype = entry.dtype.as_datatype_enum
                values.tensor_shape.CopyFrom(shape_proto(target.shape))
                whole[place] = self._complete(values, target.size)
            except ValueError as error:
                raise DataLossError(None, None, f"{self.path}: {name!r}: {error}") from None
            known += target.size
        if known != whole.size:
            raise DataLossError(None, None, f"{self.path}: parts of {name!r} are missing")
        return whole

    @staticmethod
    def _complete(values: TensorProto, size: int) -> np.ndarray[Any, Any]:
        """The array of a part, all of whose elements are there."""
        lists = [v for field, v in values.ListFields() if field.repeated]
        width = 2 if values.scomplex_val or values.dcomplex_val else 1
        if not values.tensor_content and sum(map(len, lists)) != size * width:
            raise ValueError("a part has another number of elements than it says")
        return array_of(values)
