"""The features inside serialized Examples and SequenceExamples, without making messages of them.

Only what is asked for is read, and lists of numbers at once.

Read next: parsing.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from flowgraph.ops.rules import invalid
from flowgraph.ops.texts import filled
from flowgraph.protos import wire
from flowgraph.protos.wire import BYTES, FIXED32, VARINT, DecodeError

#: Field number in a Feature -> dtype name.
_KINDS = {1: "string", 2: "float32", 3: "int64"}

#: Name of a feature -> its bytes.
Entries = Mapping[bytes, bytes]


def _entries(data: bytes, number: int) -> dict[bytes, bytes]:
    """The map that stands in the fields ``number`` of a message; the last of equal keys counts."""
    found: dict[bytes, bytes] = {}
    for n, wire_type, entry, _ in wire.fields(data):
        if n == number and wire_type == BYTES:
            name, value = b"", b""
            for k, kind, part, _ in wire.fields(entry):
                if kind == BYTES and k == 1:
                    name = part
                elif kind == BYTES and k == 2:
                    value += part
            found[name] = value
    return found


def _joined(data: bytes, number: int) -> bytes:
    """The message in field ``number``: that of several is all behind one another."""
    parts = [v for n, kind, v, _ in wire.fields(data) if n == number and kind == BYTES]
    return b"".join(parts)


def example_entries(data: bytes, number: int = 1) -> dict[bytes, bytes]:
    """The features of an Example: the map inside its field ``number``.

    Raises:
        InvalidArgumentError: the bytes are no Example.
    """
    try:
        return _entries(_joined(data, number), 1)
    except DecodeError as error:
        raise invalid(f"could not parse an example: {error}; it begins {data[:20]!r}") from None


def list_of_features(data: bytes) -> list[bytes]:
    """The features of a FeatureList."""
    try:
        return [v for n, kind, v, _ in wire.fields(data) if n == 1 and kind == BYTES]
    except DecodeError as error:
        raise invalid(f"could not parse a feature list: {error}") from None


def feature_values(data: bytes | None, dtype: str, what: str) -> np.ndarray[Any, Any] | None:
    """The values of a Feature, as a vector of ``dtype``; None where it is not there or not set.

    Raises:
        InvalidArgumentError: they are of another kind; the bytes are no Feature.
    """
    if not data:
        return None
    kind, content = 0, b""
    try:
        for number, wire_type, value, _ in wire.fields(data):
            if number in _KINDS and wire_type == BYTES:
                content = content + value if number == kind else value
                kind = number
        if not kind:
            return None
        if _KINDS[kind] != dtype:
            raise invalid(f"{what} holds {_KINDS[kind]}, but {dtype} was expected")
        return _values(content, dtype)
    except DecodeError as error:
        raise invalid(f"could not parse {what}: {error}") from None


def _values(content: bytes, dtype: str) -> np.ndarray[Any, Any]:
    if dtype == "string":
        items = [v for n, kind, v, _ in wire.fields(content) if n == 1 and kind == BYTES]
        return filled(items, (len(items),))
    parts = list(_numbers(content, dtype))
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)


def _numbers(content: bytes, dtype: str) -> Iterator[np.ndarray[Any, Any]]:
    """The numbers of a list, packed or one by one."""
    for number, wire_type, value, _ in wire.fields(content):
        if number != 1:
            continue
        if dtype == "float32" and wire_type in (BYTES, FIXED32):
            yield wire.unpacked(value, "<f4").astype(np.float32)
        elif dtype == "int64" and wire_type == BYTES:
            yield wire.unpacked_varints(value)
        elif dtype == "int64" and wire_type == VARINT:
            yield np.array([wire.signed(value, 64)])
