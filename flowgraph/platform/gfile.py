"""tf.gfile and tf.io.gfile: looking at directories and moving files, with TensorFlow's errors.

The names with capitals are those of the first releases.  Listings are sorted.

Read next: file_io.py (GFile).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from flowgraph import errors
from flowgraph.graph.export import export
from flowgraph.platform.file_io import failed, file_errors, path_of


class FileStatistics(NamedTuple):
    """What ``stat`` says: ``length`` in bytes, ``mtime_nsec``, ``is_directory``."""

    length: int
    mtime_nsec: int
    is_directory: bool


@export("gfile.Exists")
def Exists(filename: Any) -> bool:
    """Whether there is a file or directory ``filename``."""
    return os.path.exists(path_of(filename))


@export("gfile.IsDirectory")
def IsDirectory(dirname: Any) -> bool:
    """Whether ``dirname`` is a directory."""
    return os.path.isdir(path_of(dirname))


@export("gfile.ListDirectory")
def ListDirectory(dirname: Any) -> list[str]:
    """The names in a directory, sorted.

    Args:
        dirname: its path.

    Raises:
        NotFoundError: it is no directory.
    """
    path = path_of(dirname)
    if not os.path.isdir(path):
        raise failed(errors.NotFoundError, f"Could not find directory {path}")
    with file_errors(path):
        return sorted(os.listdir(path))


@export("gfile.MakeDirs")
def MakeDirs(dirname: Any) -> None:
    """Make a directory, and those above it; one that is there is fine.

    Args:
        dirname: its path.

    Raises:
        FailedPreconditionError: a file is in the way.
    """
    path = path_of(dirname)
    try:
        with file_errors(path):
            os.makedirs(path, exist_ok=True)
    except errors.AlreadyExistsError:
        raise failed(errors.FailedPreconditionError, f"{path} is not a directory") from None


@export("gfile.MkDir")
def MkDir(dirname: Any) -> None:
    """Make a directory; one that is there is fine.

    Args:
        dirname: its path.

    Raises:
        NotFoundError: that above it is not there.
    """
    path = path_of(dirname)
    with file_errors(path):
        if not os.path.isdir(path):
            os.mkdir(path)


@export("gfile.Remove")
def Remove(filename: Any) -> None:
    """Remove a file.

    Args:
        filename: its path.

    Raises:
        NotFoundError: it is not there.   FailedPreconditionError: it is a directory.
    """
    path = path_of(filename)
    with file_errors(path):
        os.remove(path)


@export("gfile.DeleteRecursively")
def DeleteRecursively(dirname: Any) -> None:
    """Remove a directory with all that is in it, or a file.

    Args:
        dirname: its path.

    Raises:
        NotFoundError: it is not there.
    """
    path = path_of(dirname)
    if not os.path.lexists(path):
        raise failed(errors.NotFoundError, f"{path} not found")
    with file_errors(path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def _may_replace(path: str, overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise failed(errors.AlreadyExistsError, f"{path}: file already exists")


@export("gfile.Copy")
def Copy(oldpath: Any, newpath: Any, overwrite: bool = False) -> None:
    """Copy a file.

    Args:
        oldpath, newpath: from where to where.
        overwrite: a file that is there may be replaced.

    Raises:
        AlreadyExistsError: ``newpath`` is there.   NotFoundError: ``oldpath`` is not.
    """
    source, target = path_of(oldpath), path_of(newpath)
    _may_replace(target, overwrite)
    if os.path.isdir(source):
        raise failed(errors.InvalidArgumentError, f"{source} is a directory")
    with file_errors(source):
        shutil.copyfile(source, target)


@export("gfile.Rename")
def Rename(oldname: Any, newname: Any, overwrite: bool = False) -> None:
    """Rename or move a file or directory.

    Args:
        oldname, newname: from where to where.
        overwrite: a file that is there may be replaced.

    Raises:
        AlreadyExistsError: ``newname`` is there.   NotFoundError: ``oldname`` is not.
    """
    source, target = path_of(oldname), path_of(newname)
    _may_replace(target, overwrite)
    with file_errors(source):
        os.replace(source, target)


@export("gfile.Stat")
def Stat(filename: Any) -> FileStatistics:
    """Size, time of change and kind of a file or directory.

    Args:
        filename: its path.

    Returns:
        ``(length, mtime_nsec, is_directory)``.

    Raises:
        NotFoundError: it is not there.
    """
    path = path_of(filename)
    with file_errors(path):
        found = os.stat(path)
    is_directory = os.path.isdir(path)
    return FileStatistics(found.st_size, found.st_mtime_ns, is_directory)


@export("gfile.Walk")
def Walk(top: Any, in_order: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """Every directory from ``top`` on, with what is in it.

    Args:
        top: the path of a directory.
        in_order: a directory comes before those inside it; else after them.

    Yields:
        (path, names of the directories in it, names of the files in it).
    """
    yield from walk(top, in_order)


@export("io.gfile.walk")
def walk(
    top: Any, topdown: bool = True, onerror: Callable[[Exception], Any] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Every directory from ``top`` on, with what is in it.

    Args:
        top: the path of a directory.
        topdown: a directory comes before those inside it; else after them.
        onerror: takes the error of a directory that cannot be listed; it is left out.

    Yields:
        (path, names of the directories in it, names of the files in it).
    """
    path = path_of(top)
    try:
        names = ListDirectory(path)
    except errors.OpError as error:
        if onerror is not None:
            onerror(error)
        return
    folders = [name for name in names if os.path.isdir(os.path.join(path, name))]
    here = (path, folders, [name for name in names if name not in set(folders)])
    if topdown:
        yield here
    for name in folders:
        yield from walk(os.path.join(path, name), topdown, onerror)
    if not topdown:
        yield here


# -------------------------------------------------------------------------------------------- glob


@cache
def _matcher(pattern: str) -> re.Pattern[str]:
    """A regular expression for one part of a path: ``*``, ``?``, ``[a-z]``, ``[!a]``, escapes."""
    parts = []
    for token in re.findall(r"\\.|\[[!^]?\]?[^\]]*\]|.", pattern, re.DOTALL):
        if token == "*":
            parts.append("[^/]*")
        elif token == "?":
            parts.append("[^/]")
        elif token[0] == "[" and len(token) > 2:
            inside = token[1:-1].replace("\\", "\\\\")
            negated = inside[0] in "!^"
            parts.append(
                f"[{'^' if negated else ''}{inside[negated:].replace('[', chr(92) + '[')}]"
            )
        else:
            parts.append(re.escape(token[-1]))
    return re.compile("".join(parts), re.DOTALL)


def _is_pattern(text: str) -> bool:
    return any(c in text for c in "*?[\\")


def matching(pattern: str) -> list[str]:
    """The paths that match a pattern, sorted; ``*`` and ``?`` do not match ``/``.

    A pattern without a directory gives paths that begin with ``./``.
    """
    if not _is_pattern(pattern):
        return [pattern] if os.path.exists(pattern) else []
    first = re.match(r"[^*?\[\\]*", pattern)
    head = os.path.dirname(first[0]) if first else ""
    rest = pattern[len(head) :].lstrip("/") if head else pattern
    if not head:
        head = "/" if pattern.startswith("/") else "."
        rest = pattern.lstrip("/")
    found = [head]
    for part in filter(None, rest.split("/")):
        match = _matcher(part)
        found = [
            os.path.join(folder, name)
            for folder in found
            if os.path.isdir(folder)
            for name in os.listdir(folder)
            if match.fullmatch(name)
        ]
    return sorted(found)


@export("gfile.Glob")
def Glob(filename: Any) -> list[str]:
    """The paths that match a pattern, sorted.

    Args:
        filename: a pattern with ``*``, ``?`` and ``[...]``, which do not match ``/``; or a list of
            patterns.

    Returns:
        A list of paths, empty when there are none.
    """
    patterns = filename if isinstance(filename, (list, tuple)) else [filename]
    return [path for pattern in patterns for path in matching(path_of(pattern))]


# ------------------------------------------------------------------------------------- newer names


@export("io.gfile.exists")
def exists(path: Any) -> bool:
    """Whether there is a file or directory ``path``."""
    return Exists(path)


@export("io.gfile.isdir")
def isdir(path: Any) -> bool:
    """Whether ``path`` is a directory."""
    return IsDirectory(path)


@export("io.gfile.listdir")
def listdir(path: Any) -> list[str]:
    """The names in the directory ``path``, sorted; NotFoundError when it is none."""
    return ListDirectory(path)


@export("io.gfile.makedirs")
def makedirs(path: Any) -> None:
    """Make the directory ``path`` and those above it; see ``tf.gfile.MakeDirs``."""
    MakeDirs(path)


@export("io.gfile.mkdir")
def mkdir(path: Any) -> None:
    """Make the directory ``path``; see ``tf.gfile.MkDir``."""
    MkDir(path)


@export("io.gfile.remove")
def remove(path: Any) -> None:
    """Remove the file ``path``; see ``tf.gfile.Remove``."""
    Remove(path)


@export("io.gfile.rmtree")
def rmtree(path: Any) -> None:
    """Remove ``path`` with all that is in it; see ``tf.gfile.DeleteRecursively``."""
    DeleteRecursively(path)


@export("io.gfile.copy")
def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copy the file ``src`` to ``dst``; ``overwrite`` as in ``tf.gfile.Copy``."""
    Copy(src, dst, overwrite)


@export("io.gfile.rename")
def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Rename ``src`` to ``dst``; ``overwrite`` as in ``tf.gfile.Rename``."""
    Rename(src, dst, overwrite)


@export("io.gfile.stat")
def stat(path: Any) -> FileStatistics:
    """Size, time of change and kind of ``path``; see ``tf.gfile.Stat``."""
    return Stat(path)


@export("io.gfile.glob")
def glob(pattern: Any) -> list[str]:
    """The paths that match ``pattern``, or one of a list of them; see ``tf.gfile.Glob``."""
    return Glob(pattern)


@export("io.gfile.join")
def join(path: Any, *paths: Any) -> str:
    """``path`` and ``paths`` as one path, as ``os.path.join``."""
    return os.path.join(os.fsdecode(path), *map(os.fsdecode, paths))


@export("io.gfile.get_registered_schemes")
def get_registered_schemes() -> list[str]:
    """What paths may begin with: nothing, or ``file://``."""
    return ["", "file"]
