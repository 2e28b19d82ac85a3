"""A sorted table of (key, value) in one file: the format of LevelDB, as TensorFlow uses it.

    block*  index block  footer          block = entries, restarts, type byte, masked CRC-32C

An entry shares the first bytes of its key with the one before it, except at every 16th, whose
places the restarts list.  The index has one entry a block: a key that is not less than its keys,
and where it lies.  Only what is read here is written: no filters, no compression; blocks that
Snappy compressed are read.

Read next: flowgraph/saving/bundle.py, whose index this is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from flowgraph.errors import DataLossError
from flowgraph.formats.crc32c import crc32c, masked
from flowgraph.protos.wire import DecodeError, read_varint, varint

MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_RESTART_EVERY = 16
_BLOCK_BYTES = 1 << 18


# ------------------------------------------------------------------------------------------ writing


def table_bytes(items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The file that holds ``items``, whose keys ascend."""
    file = bytearray()
    index: list[tuple[bytes, bytes]] = []
    block: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in items:
        block.append((key, value))
        size += len(key) + len(value)
        if size >= _BLOCK_BYTES:
            index.append((key, _append_block(file, block)))
            block, size = [], 0
    if block:
        index.append((block[-1][0], _append_block(file, block)))
    meta = _append_block(file, [])
    handles = meta + _append_block(file, index, restart_every=1)
    return bytes(file + handles.ljust(_FOOTER - 8, b"\0") + struct.pack("<Q", MAGIC))


def _append_block(
    file: bytearray, entries: list[tuple[bytes, bytes]], restart_every: int = _RESTART_EVERY
) -> bytes:
    """Write a block; its handle: where it begins and how long it is."""
    content = bytearray()
    restarts = [0]
    last = b""
    for i, (key, value) in enumerate(entries):
        shared = 0
        if i % restart_every:
            limit = min(len(key), len(last))
            while shared < limit and key[shared] == last[shared]:
                shared += 1
        elif i:
            restarts.append(len(content))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value))
        content += key[shared:] + value
        last = key
    content += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
    handle = varint(len(file)) + varint(len(content))
    content += b"\0"
    file += content + struct.pack("<I", masked(crc32c(bytes(content))))
    return handle


# ------------------------------------------------------------------------------------------ reading


def read_table(data: bytes, name: str) -> dict[bytes, bytes]:
    """All items of the file ``name``, whose content is ``data``.

    Raises:
        DataLossError: it is no such file, is truncated, or a checksum is wrong.
    """
    try:
        return dict(_items(data))
    except (DecodeError, IndexError, struct.error, ValueError) as error:
        raise DataLossError(None, None, f"{name}: not a sound table: {error}") from None


def _items(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(data) < _FOOTER or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise ValueError("the magic number at its end is missing: truncated, or another file")
    footer = data[-_FOOTER:]
    at = 0
    handle = []
    for _ in range(4):
        number, at = read_varint(footer, at)
        handle.append(number)
    for _, place in _entries(_block(data, handle[2], handle[3])):
        start, at = read_varint(place, 0)
        size, _ = read_varint(place, at)
        yield from _entries(_block(data, start, size))


def _block(data: bytes, start: int, size: int) -> bytes:
    end = start + size
    if end + 5 > len(data):
        raise ValueError(f"a block ends at byte {end + 5}, the file at {len(data)}")
    (stored,) = struct.unpack_from("<I", data, end + 1)
    if masked(crc32c(data[start : end + 1])) != stored:
        raise ValueError(f"the checksum of the block at byte {start} is wrong")
    if data[end] not in (0, 1):
        raise ValueError(f"the block at byte {start} is compressed in an unknown way")
    content = data[start:end]
    return content if data[end] == 0 else snappy_expanded(content)


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    (count,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (count + 1)
    if end < 0:
        raise ValueError("a block has more restarts than bytes")
    key, at = b"", 0
    while at < end:
        shared, at = read_varint(block, at)
        fresh, at = read_varint(block, at)
        size, at = read_varint(block, at)
        if shared > len(key) or at + fresh + size > end:
            raise ValueError("an entry is longer than its block")
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + size]
        at += size


def snappy_expanded(data: bytes) -> bytes:
    """What Snappy compressed into ``data``.

    Raises:
        ValueError: it is not what Snappy writes.

    >>> snappy_expanded(bytes([6, 0, 97, 5, 1]))
    b'aaaaaa'
    """
    size, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind, rest = tag & 3, tag >> 2
        if kind == 0:  # a literal, its length in the tag or in 1 to 4 bytes behind it
            wide = max(rest - 59, 0)
            length = (int.from_bytes(data[at : at + wide], "little") if wide else rest) + 1
            at += wide
            if at + length > len(data):
                raise ValueError("Snappy: a literal is longer than the block")
            out += data[at : at + length]
            at += length
            continue
        wide = (1, 2, 4)[kind - 1]
        distance = int.from_bytes(data[at : at + wide], "little")
        length = rest + 1
        if kind == 1:
            distance |= (rest >> 3) << 8
            length = (rest & 7) + 4
        at += wide
        if not 0 < distance <= len(out) or len(out) + length > size:
            raise ValueError("Snappy: a copy from outside the block")
        for _ in range(length):  # it may overlap what it makes
            out.append(out[-distance])
    if len(out) != size:
        raise ValueError(f"Snappy: {len(out)} bytes instead of {size}")
    return bytes(out)
