r"""The wire format of protocol buffers: a message is a row of (number, wire type, value).

    b"\x08\x96\x01"  ->  field 1, wire type 0 (VARINT), 150

What a number means is the business of message.py.  Lists of numbers are read and written by NumPy.

Read next: message.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

#: Wire types.  Groups (3 and 4) are of the past, and an error here.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_MASK64 = (1 << 64) - 1


class DecodeError(ValueError):
    """Bytes that are no message of the wanted kind."""


def varint(number: int) -> bytes:
    r"""``number`` in groups of 7 bits, the lowest first; negative ones count as 64-bit.

    >>> varint(150)
    b'\x96\x01'
    """
    number &= _MASK64
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends.

    Raises:
        DecodeError: it does not end, or has more than 64 bits.
    """
    number = shift = 0
    while True:
        if at >= len(data):
            raise DecodeError("truncated: the message ends within a number")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _MASK64, at
        shift += 7
        if shift > 63:
            raise DecodeError("a number of more than 64 bits")


def fields(data: bytes) -> Iterator[tuple[int, int, Any, int]]:
    """(field number, wire type, value, where the field ends) of each field of a message.

    The value is an int for VARINT, else the bytes.

    Raises:
        DecodeError: the bytes are no message.
    """
    at, size = 0, len(data)
    while at < size:
        key, at = read_varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0 or key >= 1 << 32:
            raise DecodeError(f"{number} is no field number")
        if wire == VARINT:
            value, at = read_varint(data, at)
            yield number, wire, value, at
            continue
        if wire == BYTES:
            length, at = read_varint(data, at)
        elif wire in (FIXED32, FIXED64):
            length = 8 if wire == FIXED64 else 4
        else:
            raise DecodeError(f"wire type {wire} is not supported")
        if length > size - at:
            raise DecodeError("truncated: the message ends within a field")
        yield number, wire, data[at : at + length], at + length
        at += length


def key(number: int, wire: int) -> bytes:
    """What stands in front of the value of a field."""
    return varint(number << 3 | wire)


def delimited(number: int, content: bytes) -> bytes:
    """A field of wire type BYTES."""
    return key(number, BYTES) + varint(len(content)) + content


# ------------------------------------------------------------------------------- lists of numbers


def packed_varints(numbers: Sequence[int]) -> bytes:
    """All numbers behind one another."""
    if len(numbers) < 16:
        return b"".join(map(varint, numbers))
    try:
        left = np.array(numbers, np.int64).view(np.uint64)
    except OverflowError:
        left = np.array(numbers, np.uint64)
    groups = np.empty((len(left), 10), np.uint8)
    used = np.ones(len(left), np.int64)
    for k in range(10):
        groups[:, k] = left & np.uint64(0x7F)
        left = left >> np.uint64(7)
        used += left != 0
    more = np.arange(1, 11) < used[:, None]
    groups |= more.astype(np.uint8) << 7
    return groups[np.arange(10) < used[:, None]].tobytes()


def unpacked_varints(data: bytes) -> np.ndarray[Any, Any]:
    """The numbers that stand behind one another, as int64.

    Raises:
        DecodeError: the last one does not end, or one has more than 64 bits.
    """
    groups = np.frombuffer(data, np.uint8)
    if not len(groups):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero(groups < 0x80)
    if not len(ends) or ends[-1] != len(groups) - 1:
        raise DecodeError("truncated: the message ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts > 9).any():
        raise DecodeError("a number of more than 64 bits")
    place = np.arange(len(groups)) - np.repeat(starts, ends - starts + 1)
    shifted = (groups & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.add.reduceat(shifted, starts).view(np.int64)


def unpacked(data: bytes, dtype: str) -> np.ndarray[Any, Any]:
    """Numbers of fixed size: an array of ``dtype`` (``"<f4"``).

    Raises:
        DecodeError: the last one does not end.
    """
    if len(data) % np.dtype(dtype).itemsize:
        raise DecodeError("truncated: the message ends within a number")
    return np.frombuffer(data, dtype)


def signed(number: int, bits: int) -> int:
    """The ``bits`` low bits of ``number`` in two's complement."""
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def as_float32(value: float) -> float:
    """``value`` rounded to float32; beyond its range: infinity."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
