"""Files with TensorFlow's errors: tf.gfile.GFile.

A file is opened when it is first read or written.  Paths may begin with ``file://``; other schemes
(``gs://``) are UnimplementedError.

Read next: gfile.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, Self

from flowgraph import errors
from flowgraph.graph.export import export

_CLASSES: dict[int, type[errors.OpError]] = {
    errno.ENOENT: errors.NotFoundError,
    errno.EEXIST: errors.AlreadyExistsError,
    errno.EACCES: errors.PermissionDeniedError,
    errno.EPERM: errors.PermissionDeniedError,
    errno.EROFS: errors.PermissionDeniedError,
    errno.ENOTDIR: errors.FailedPreconditionError,
    errno.EISDIR: errors.FailedPreconditionError,
    errno.ENOTEMPTY: errors.FailedPreconditionError,
    errno.EBADF: errors.FailedPreconditionError,
    errno.EINVAL: errors.InvalidArgumentError,
    errno.ENAMETOOLONG: errors.InvalidArgumentError,
    errno.ENOSPC: errors.ResourceExhaustedError,
    errno.EMFILE: errors.ResourceExhaustedError,
}


def failed(kind: type[Any], message: str) -> Exception:
    """An error of a class of tf.errors."""
    return kind(None, None, message)


@contextlib.contextmanager
def file_errors(path: str) -> Iterator[None]:
    """What the operating system says inside the block is raised as an error of tf.errors."""
    try:
        yield
    except OSError as error:
        kind = _CLASSES.get(error.errno or 0, errors.UnknownError)
        raise failed(kind, f"{path}; {error.strerror or error}") from error


def path_of(path: Any) -> str:
    """A path from text, bytes or a path object, without ``file://``.

    Raises:
        TypeError: it is none of them.   UnimplementedError: another scheme.

    >>> path_of("file:///tmp/x"), path_of(b"y")
    ('/tmp/x', 'y')
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"Expected binary or unicode string, got {path!r}")
    text = os.fsdecode(path)
    scheme, found, rest = text.partition("://")
    if not found or not scheme.isalnum():
        return text
    if scheme != "file":
        raise failed(
            errors.UnimplementedError,
            f"File system scheme '{scheme}' not implemented (file: '{text}')",
        )
    return rest


_MODES = ("r", "w", "a", "r+", "w+", "a+")


@export("gfile.GFile", "gfile.Open", "gfile.FastGFile", "io.gfile.GFile")
class GFile:
    """A file; text of UTF-8, or bytes with a ``b`` in the mode.

    Args:
        name: its path.
        mode: ``"r"``, ``"w"``, ``"a"``, ``"r+"``, ``"w+"``, ``"a+"``, each with ``"b"`` for bytes.

    Raises:
        InvalidArgumentError: another mode.  What is wrong with the file itself is raised when it is
            first read or written: NotFoundError, PermissionDeniedError ...
    """

    def __init__(self, name: Any, mode: str = "r") -> None:
        self._name, self._mode = name, mode
        self._path = path_of(name)
        self._binary = "b" in mode
        self._bare = mode.replace("b", "")
        if self._bare not in _MODES:
            raise failed(
                errors.InvalidArgumentError, "mode is not 'r' or 'w' or 'a' or 'r+' or 'w+' or 'a+'"
            )
        self._opened: BinaryIO | None = None
        self._was_opened = False

    @property
    def name(self) -> Any:
        """The path, as it was given."""
        return self._name

    @property
    def mode(self) -> str:
        """The mode, as it was given."""
        return self._mode

    def _file(self) -> BinaryIO:
        if self._opened is None:
            mode = self._bare
            if self._was_opened and mode.startswith("w"):
                mode = "r+"  # closed and used again: what was written stays
            with file_errors(self._path):
                self._opened = open(self._path, f"{mode}b")  # type: ignore[assignment] # noqa: SIM115
            self._was_opened = True
        assert self._opened is not None
        return self._opened

    def _reader(self) -> BinaryIO:
        if self._bare in ("w", "a"):
            raise failed(errors.PermissionDeniedError, "File isn't open for reading")
        return self._file()

    def _as_asked(self, data: bytes) -> Any:
        return data if self._binary else data.decode()

    def size(self) -> int:
        """How many bytes the file has."""
        if self._opened is not None and self._bare != "r":
            self.flush()
        with file_errors(self._path):
            return os.stat(self._path).st_size

    def write(self, file_content: bytes | str) -> None:
        """Write text (as UTF-8) or bytes at the present place.

        Raises:
            PermissionDeniedError: the file is open for reading only.
        """
        if self._bare == "r":
            raise failed(errors.PermissionDeniedError, "File isn't open for writing")
        if not isinstance(file_content, (bytes, bytearray, str)):
            raise TypeError(f"Expected binary or unicode string, got {file_content!r}")
        data = file_content.encode() if isinstance(file_content, str) else file_content
        with file_errors(self._path):
            self._file().write(data)

    def read(self, n: int = -1) -> Any:
        """The next ``n`` bytes, or all that are left, as text or bytes.

        Raises:
            PermissionDeniedError: the file is open for writing only.
            UnicodeDecodeError: they are not the UTF-8 that they should be.
        """
        with file_errors(self._path):
            return self._as_asked(self._reader().read(n))

    def readline(self) -> Any:
        """The next line with its end; empty at the end of the file."""
        with file_errors(self._path):
            return self._as_asked(self._reader().readline())

    def readlines(self) -> list[Any]:
        """The lines that are left, with their ends."""
        return list(self)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def next(self) -> Any:
        """The next line; StopIteration at the end of the file."""
        return self.__next__()

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Go to another place.

        Args:
            offset: in bytes.
            whence: from where it counts: 0 the beginning, 1 the present place, 2 the end.
            position: older name of ``offset``.

        Raises:
            OutOfRangeError: behind the end.   InvalidArgumentError: before the beginning.
        """
        offset = position if offset is None else offset
        if offset is None:
            raise TypeError("seek(): offset argument required")
        if whence not in (0, 1, 2):
            raise failed(
                errors.InvalidArgumentError,
                f"Invalid whence argument: {whence}. Valid values are 0, 1, or 2.",
            )
        file = self._file()
        place = offset + (0, file.tell(), self.size())[whence]
        if place < 0:
            raise failed(errors.InvalidArgumentError, f"Seeking to a negative position: {place}")
        if place > self.size():
            raise failed(errors.OutOfRangeError, "reached end of file")
        file.seek(place)

    def seekable(self) -> bool:
        """True: one can."""
        return True

    def tell(self) -> int:
        """The present place, in bytes from the beginning."""
        return self._file().tell()

    def flush(self) -> None:
        """Have the file hold all that was written so far."""
        if self._opened is not None:
            with file_errors(self._path):
                self._opened.flush()

    def close(self) -> None:
        """Close the file; using it again opens it again.  One to be written is made by now."""
        if self._opened is None and not self._was_opened and self._bare[0] in "wa":
            self._file()
        if self._opened is not None:
            with file_errors(self._path):
                self._opened.close()
            self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
