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

_MARK = ".tempstate"

#: Bytes to read or write, and to check, at a time.
_CHUNK = 1 << 19


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
    checksum = 0
    with file_errors(path), open(path, "rb", buffering=0) as file:
        file.seek(start)
        rest = memoryview(data)  # type: ignore[arg-type]
        while rest:
            count = file.readinto(rest[:_CHUNK])
            if not count:
                raise DataLossError(
                    None, None,
                    f"{path} is truncated: it ends {len(rest)} bytes before byte "
                    f"{start + size}",
                )  # fmt: skip
            checksum = crc32c(rest[:count], checksum)  # while the cache holds it
            rest = rest[count:]
    return data, checksum
