"""Files that appear whole: written under another name, then renamed.

A process that is killed leaves the old file, or the new one; never a part.  What it had begun is
named ``*.tempstate*`` and is removed by the next save beside it.

Read next: bundle.py.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import FileIO
from typing import Any

import numpy as np

from flowgraph.errors import DataLossError
from flowgraph.formats.crc32c import crc32c
from flowgraph.platform.file_io import file_errors
from flowgraph.runtime.state import ALIGNMENT, aligned_empty

_MARK = ".tempstate"

#: Bytes to read or write, and to check, at a time.
_CHUNK = 1 << 19
#: Bytes that Slabs asks for at a time.
_SLAB = 1 << 25


def write_whole(path: str, pieces: Iterable[Any], head: Callable[[], bytes] | None = None) -> None:
    """Write ``pieces`` (bytes or arrays) to ``path``, which changes at the end and at once.

    Args:
        path: the file.
        pieces: its content.
        head: what the beginning is replaced by when all else is written: checksums, perhaps.
    """
    write_together([(path, pieces)], head)


def write_together(
    files: Sequence[tuple[str, Iterable[Any]]], head: Callable[[], bytes] | None = None
) -> None:
    """Write several files, in order, and let them appear when all are written, in order.

    Args:
        files: (path, content) of each.
        head: as in ``write_whole``, for the first.
    """
    new = [f"{path}{_MARK}{os.getpid()}" for path, _ in files]
    try:
        for made, (path, pieces) in zip(new, files, strict=True):
            with file_errors(path), open(made, "wb", buffering=0) as file:
                for piece in pieces:
                    _write(file, piece)
                if head is not None and made == new[0]:
                    file.seek(0)
                    _write(file, head())
        for made, (path, _) in zip(new, files, strict=True):
            with file_errors(path):
                os.replace(made, path)
    except BaseException:
        for made in new:
            with contextlib.suppress(OSError):
                os.remove(made)
        raise


def _write(file: FileIO, piece: Any) -> None:
    rest = memoryview(piece).cast("B") if memoryview(piece).nbytes else b""
    while rest:
        rest = rest[file.write(rest) :]


def clean(prefix: str) -> None:
    """Remove what killed processes left beside ``prefix``."""
    for path in glob.glob(f"{glob.escape(prefix)}*{_MARK}*"):
        pid = path.rpartition(_MARK)[2]
        if pid.isdigit() and not _runs(int(pid)):
            with contextlib.suppress(OSError):
                os.remove(path)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def read_whole(path: str) -> bytes:
    """The content of a small file."""
    with file_errors(path), open(path, "rb") as file:
        return file.read()


def chunks(array: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """The bytes of a contiguous array, in parts that fit the second-level cache."""
    flat = array.reshape(-1).view(np.uint8)
    for start in range(0, flat.size, _CHUNK):
        yield flat[start : start + _CHUNK]


def read_part(path: str, start: int, size: int) -> tuple[np.ndarray[Any, Any], int]:
    """``size`` bytes from ``start`` on, as uint8, and their CRC-32C.

    Raises:
        DataLossError: the file ends before.
    """
    data = np.empty(size, np.uint8)
    with file_errors(path), open(path, "rb", buffering=0) as file:
        return data, read_into(file, start, data)


def read_into(file: FileIO, start: int, data: np.ndarray[Any, Any]) -> int:
    """Fill ``data`` (uint8) with the bytes from ``start`` on; their CRC-32C.

    Raises:
        DataLossError: the file ends before.
    """
    checksum = 0
    file.seek(start)
    rest = memoryview(data)  # type: ignore[arg-type]
    while rest:
        count = file.readinto(rest[:_CHUNK])
        if not count:
            raise _truncated(file, len(rest), start + data.size)
        checksum = crc32c(rest[:count], checksum)  # while the cache holds it
        rest = rest[count:]
    return checksum


def checksum_of_part(file: FileIO, start: int, size: int) -> int:
    """The CRC-32C of ``size`` bytes from ``start`` on, which are not kept.

    Raises:
        DataLossError: the file ends before.
    """
    checksum, rest = 0, size
    scratch = memoryview(np.empty(min(size, _CHUNK), np.uint8))  # type: ignore[arg-type]
    file.seek(start)
    while rest:
        count = file.readinto(scratch[: min(rest, _CHUNK)])
        if not count:
            raise _truncated(file, rest, start + size)
        checksum = crc32c(scratch[:count], checksum)
        rest -= count
    return checksum


def _truncated(file: FileIO, missing: int, end: int) -> DataLossError:
    text = f"{file.name!s} is truncated: it ends {missing} bytes before byte {end}"
    return DataLossError(None, None, text)


class Slabs:
    """Memory for many arrays, in few large pieces, which the system hands out faster."""

    def __init__(self) -> None:
        self._rest = np.empty(0, np.uint8)

    def take(self, nbytes: int) -> np.ndarray[Any, Any]:
        """Uninitialised uint8 memory that starts on a cache line."""
        if nbytes > _SLAB // 8:
            return aligned_empty(nbytes)
        rounded = -(-nbytes // ALIGNMENT) * ALIGNMENT
        if self._rest.size < rounded:
            self._rest = aligned_empty(_SLAB)
        found, self._rest = self._rest[:nbytes], self._rest[rounded:]
        return found
