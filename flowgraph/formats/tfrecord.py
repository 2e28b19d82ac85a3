"""TFRecord files: records of bytes, one behind the other, each with two checksums.

    length (8 bytes) | checksum of the length (4) | the record | its checksum (4)

Numbers are little-endian, checksums are CRC-32C in masked form.  The whole file may be compressed
by zlib or gzip.

Read next: crc32c.py.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, ClassVar, Self

from flowgraph.errors import DataLossError, FailedPreconditionError
from flowgraph.formats.crc32c import crc32c, masked
from flowgraph.graph.export import export
from flowgraph.platform.file_io import file_errors, path_of

#: How much of a compressed file is read at once.
_CHUNK = 1 << 18


@export("python_io.TFRecordCompressionType", "io.TFRecordCompressionType")
class TFRecordCompressionType:
    """How a TFRecord file is compressed: ``NONE``, ``ZLIB`` or ``GZIP``."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


@export("python_io.TFRecordOptions", "io.TFRecordOptions")
class TFRecordOptions:
    """How TFRecord files are written and read.

    Args:
        compression_type: ``"GZIP"``, ``"ZLIB"`` or ``""``, or a TFRecordCompressionType.
        flush_mode, input_buffer_size, output_buffer_size, compression_method: kept, without effect.
        window_bits, compression_level, mem_level, compression_strategy: of zlib's ``deflateInit2``;
            its defaults when None.

    Raises:
        ValueError: another compression.
    """

    compression_type_map: ClassVar[dict[int, str]] = {0: "", 1: "ZLIB", 2: "GZIP"}

    def __init__(
        self,
        compression_type: Any = None,
        flush_mode: int | None = None,
        input_buffer_size: int | None = None,
        output_buffer_size: int | None = None,
        window_bits: int | None = None,
        compression_level: int | None = None,
        compression_method: int | None = None,
        mem_level: int | None = None,
        compression_strategy: int | None = None,
    ) -> None:
        self.get_compression_type_string(compression_type)
        self.compression_type = compression_type
        self.flush_mode = flush_mode
        self.input_buffer_size = input_buffer_size
        self.output_buffer_size = output_buffer_size
        self.window_bits = window_bits
        self.compression_level = compression_level
        self.compression_method = compression_method
        self.mem_level = mem_level
        self.compression_strategy = compression_strategy

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """``"GZIP"``, ``"ZLIB"`` or ``""`` from options, a TFRecordCompressionType, text or None.

        Raises:
            ValueError: it is none of them.
        """
        if not options:
            return ""
        if isinstance(options, TFRecordOptions):
            return cls.get_compression_type_string(options.compression_type)
        kind = cls.compression_type_map.get(options, options)
        if kind not in cls.compression_type_map.values():
            raise ValueError(f'Not a valid compression_type: "{options}"')
        return kind


def _window_bits(kind: str) -> int:
    return zlib.MAX_WBITS | (16 if kind == "GZIP" else 0)


@export("python_io.TFRecordWriter", "io.TFRecordWriter")
class TFRecordWriter:
    """Writes records to a TFRecord file.

    Args:
        path: of the file; one that is there is replaced.
        options: TFRecordOptions, or the name of a compression.

    Raises:
        ValueError: another compression.   NotFoundError: the directory is not there.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.tfrecord")
    >>> with TFRecordWriter(path) as writer:
    ...     writer.write(b"one")
    >>> list(tf_record_iterator(path))
    [b'one']
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        kind = TFRecordOptions.get_compression_type_string(options)
        self._compressor = _compressor(kind, options) if kind else None
        self._path = path_of(path)
        with file_errors(self._path):
            self._file: BinaryIO | None = open(self._path, "wb")  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _put(self, data: bytes) -> None:
        if self._file is None:
            raise FailedPreconditionError(None, None, "Writer is closed.")
        with file_errors(self._path):
            self._file.write(self._compressor.compress(data) if self._compressor else data)

    def write(self, record: bytes | str) -> None:
        """Write one record; text as UTF-8.

        Raises:
            FailedPreconditionError: the file is closed.
        """
        data = record.encode() if isinstance(record, str) else bytes(record)
        length = struct.pack("<Q", len(data))
        head = length + struct.pack("<I", masked(crc32c(length)))
        self._put(head + data + struct.pack("<I", masked(crc32c(data))))

    def flush(self) -> None:
        """Have the file hold all records written so far.

        Raises:
            FailedPreconditionError: the file is closed.
        """
        self._put(b"")
        if self._file is not None:
            if self._compressor:
                self._file.write(self._compressor.flush(zlib.Z_SYNC_FLUSH))
            self._file.flush()

    def close(self) -> None:
        """Finish the file; again does nothing."""
        if self._file is not None:
            with file_errors(self._path):
                if self._compressor:
                    self._file.write(self._compressor.flush())
                self._file.close()
            self._file = None


def _compressor(kind: str, options: Any) -> Any:
    given = options if isinstance(options, TFRecordOptions) else TFRecordOptions(kind)

    def setting(value: int | None, default: int) -> int:
        return default if value is None else value

    return zlib.compressobj(
        setting(given.compression_level, zlib.Z_DEFAULT_COMPRESSION),
        zlib.DEFLATED,
        setting(given.window_bits, _window_bits(kind)),
        setting(given.mem_level, zlib.DEF_MEM_LEVEL),
        setting(given.compression_strategy, zlib.Z_DEFAULT_STRATEGY),
    )


class _Inflated:
    """The bytes of a compressed file, as ``read`` of a file gives them."""

    def __init__(self, file: BinaryIO, kind: str, path: str) -> None:
        self._file, self._bits, self._path = file, _window_bits(kind), path
        self._stream: Any = None

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end."""
        parts, missing = [], size
        while missing > 0:
            found = self._more(missing)
            if not found:
                break
            parts.append(found)
            missing -= len(found)
        return b"".join(parts)

    def _more(self, limit: int) -> bytes:
        """At most ``limit`` further bytes; none at the end.

        Raises:
            DataLossError: the file is not compressed so, or its end is missing.
        """
        while True:
            if self._stream is None or self._stream.eof:  # a file may hold several streams
                waiting = b"" if self._stream is None else self._stream.unused_data
                data = waiting or self._file.read(_CHUNK)
                if not data:
                    return b""
                self._stream = zlib.decompressobj(self._bits)
            else:
                # NB: without input there may still be output that the last limit kept back.
                data = self._stream.unconsumed_tail or self._file.read(_CHUNK)
            try:
                found = self._stream.decompress(data, limit)
            except zlib.error as error:
                raise DataLossError(
                    None, None, f"{self._path}: the compressed data are damaged: {error}"
                ) from None
            if found:
                return found
            if not data and not self._stream.eof:
                raise DataLossError(None, None, f"{self._path}: the compressed data end too early")


@export("python_io.tf_record_iterator", "io.tf_record_iterator")
def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """The records of a TFRecord file, in order.

    Args:
        path: of the file.
        options: TFRecordOptions, or the name of the compression that it was written with.

    Yields:
        The bytes of each record.

    Raises:
        NotFoundError: there is no such file.
        DataLossError: a checksum is wrong, or the file ends within a record.
    """
    kind = TFRecordOptions.get_compression_type_string(options)
    place = path_of(path)
    with file_errors(place), open(place, "rb") as file:
        source: Any = _Inflated(file, kind, place) if kind else file
        at = 0
        while True:
            head = source.read(12)
            if not head:
                return
            length = _checked(head, 12, place, at, " (Is this even a TFRecord file?)")
            (size,) = struct.unpack("<Q", length)
            left = os.fstat(file.fileno()).st_size if not kind else size + 4
            if size + 4 > left:
                raise DataLossError(None, None, f"{place}: truncated record at {at}")
            yield _checked(source.read(size + 4), size + 4, place, at)
            at += 16 + size


def _checked(data: bytes, size: int, path: str, at: int, hint: str = "") -> bytes:
    """``data`` without the checksum behind it.

    Raises:
        DataLossError: there are not ``size`` bytes, or the checksum is not theirs.
    """
    if len(data) < size:
        raise DataLossError(None, None, f"{path}: truncated record at {at}")
    content = data[:-4]
    (stored,) = struct.unpack("<I", data[-4:])
    if masked(crc32c(content)) != stored:
        raise DataLossError(None, None, f"{path}: corrupted record at {at}{hint}")
    return content
