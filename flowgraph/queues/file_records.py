"""What readers find in files: generators of (key, record).

Read next: reader_ops.py.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from flowgraph.errors import DataLossError
from flowgraph.formats.tfrecord import tf_record_iterator
from flowgraph.graph.opdef import Call
from flowgraph.ops.rules import invalid
from flowgraph.platform.file_io import file_errors, path_of

Records = Iterator[tuple[bytes, bytes]]

#: A TFRecord is so many bytes longer than what it holds: its length, and two checksums.
_TF_RECORD_OVERHEAD = 16


def lines(call_: Call) -> Callable[[bytes], Records]:
    """The lines of a text file, without their ends; the key is ``file:line``, from 1."""
    skipped = call_.attrs["skip_header_lines"]

    def read(name: bytes) -> Records:
        path = path_of(name)
        with file_errors(path), open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if number > skipped:
                    ended = line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else line
                    yield b"%s:%d" % (name, number), ended

    return read


def whole(call_: Call) -> Callable[[bytes], Records]:
    """The file; the key is its name."""

    def read(name: bytes) -> Records:
        path = path_of(name)
        with file_errors(path), open(path, "rb") as file:
            yield name, file.read()

    return read


def itself(call_: Call) -> Callable[[bytes], Records]:
    """What is in the queue, as key and as record."""
    return lambda name: iter([(name, name)])


def tf_records(call_: Call) -> Callable[[bytes], Records]:
    """The records of a TFRecord file; the key is ``file:offset``."""
    kind = call_.attrs["compression_type"]

    def read(name: bytes) -> Records:
        offset = 0
        for record in tf_record_iterator(path_of(name), kind):
            yield b"%s:%d" % (name, offset), record
            offset += len(record) + _TF_RECORD_OVERHEAD

    return read


def fixed_length(call_: Call) -> Callable[[bytes], Records]:
    """Stretches of one length; the key is ``file:number``, from 0."""
    attrs: Any = call_.attrs
    size, header, footer = (attrs[f"{k}_bytes"] for k in ("record", "header", "footer"))
    hop, encoding = attrs["hop_bytes"], attrs["encoding"]
    if size <= 0:
        raise invalid(f"record_bytes must be > 0 not {size}")
    for what, number in (("header", header), ("footer", footer), ("hop", hop)):
        if number < 0:
            raise invalid(f"{what}_bytes must be >= 0 not {number}")
    if encoding not in ("", "ZLIB", "GZIP"):
        raise invalid(f"encoding must be '', 'ZLIB' or 'GZIP', not {encoding!r}")
    step = hop or size

    def read(name: bytes) -> Records:
        path = path_of(name)
        with file_errors(path), open(path, "rb") as file:
            if encoding:
                data = _decompressed(file.read(), encoding, path)
                for number, start in enumerate(range(header, len(data) - footer - size + 1, step)):
                    yield b"%s:%d" % (name, number), data[start : start + size]
                return
            end = os.fstat(file.fileno()).st_size - footer - size
            for number, start in enumerate(range(header, end + 1, step)):
                if step != size or not number:
                    file.seek(start)
                yield b"%s:%d" % (name, number), file.read(size)

    return read


def _decompressed(data: bytes, encoding: str, path: str) -> bytes:
    try:
        return gzip.decompress(data) if encoding == "GZIP" else zlib.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataLossError(None, None, f"{path}: {error}") from None
