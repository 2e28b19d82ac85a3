"""Local files in a cache directory, and data that is made batch by batch.

Nothing is downloaded: ``get_file`` takes what lies in the cache directory, or copies a local file
there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import urllib.parse
import urllib.request
import zipfile
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any


class Sequence:
    """Data of which batch ``i`` can be made whenever it is wanted.

    Override ``__getitem__`` and ``__len__``; ``on_epoch_end`` may, for example, shuffle.
    """

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """Batch ``index``.

        Args:
            index: from 0 to ``len(self) - 1``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what batch {index} is")

    @abstractmethod
    def __len__(self) -> int:
        """How many batches an epoch has."""
        raise NotImplementedError(f"{type(self).__name__} does not say how many batches it has")

    def on_epoch_end(self) -> None:
        """Called after every epoch."""

    def __iter__(self) -> Iterator[Any]:
        """The batches in order, over and over."""
        while True:
            for index in range(len(self)):
                yield self[index]


def get_file(
    fname: str,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: str | None = None,
) -> str:
    """The path of a file in the cache directory, copied there from ``origin`` if need be.

    Args:
        fname: name in the cache, or the absolute path of a file, which is then used as it is.
        origin: path or ``file:`` address of the file to be copied.
        untar: the file is ``fname + ".tar.gz"``; unpack it and return ``fname``.
        md5_hash: older name of ``file_hash``.
        file_hash: the file's MD5 or SHA-256 in hexadecimal digits.
        cache_subdir: directory under ``cache_dir``, or an absolute one.
        hash_algorithm: "md5", "sha256", or "auto": by the number of digits.
        extract: unpack the file, a tar or zip archive, beside itself.
        archive_format: "auto", "tar", "zip", a list of them, or None for neither.
        cache_dir: by default ``$KERAS_HOME``, or ``~/.keras``.

    Returns:
        The path.

    Raises:
        ValueError: the file does not have the given hash, or an archive member lies outside.
        FileNotFoundError: it is not in the cache and ``origin`` is no local file.
    """
    base = cache_dir or os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    folder = os.path.join(os.path.expanduser(base), cache_subdir)
    target = os.path.join(folder, fname)
    path = target + ".tar.gz" if untar else target
    wanted = file_hash or md5_hash
    algorithm = "md5" if file_hash is None and md5_hash else hash_algorithm
    if not os.path.exists(path) or (wanted and not validate_file(path, wanted, algorithm)):
        _copy(origin, path)
        if wanted and not validate_file(path, wanted, algorithm):
            raise ValueError(f"get_file: {origin!r} does not have the hash {wanted} ({algorithm})")
    if untar:
        if not os.path.exists(target):
            _extract(path, folder, "tar")
        return target
    if extract:
        _extract(path, folder, archive_format)
    return path


def validate_file(
    fpath: str, file_hash: str, algorithm: str = "auto", chunk_size: int = 65535
) -> bool:
    """Whether the file at ``fpath`` has the hash.

    Args:
        fpath: path.
        file_hash: in hexadecimal digits.
        algorithm: "md5", "sha256", or "auto": by the number of digits.
        chunk_size: bytes that are read at a time.
    """
    sha = algorithm == "sha256" or (algorithm == "auto" and len(file_hash) == 64)
    hasher = hashlib.sha256() if sha else hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        for chunk in iter(lambda: file.read(chunk_size), b""):
            hasher.update(chunk)
    return hasher.hexdigest() == file_hash.lower()


def _copy(origin: str | None, path: str) -> None:
    source = origin
    if origin is not None and "://" in origin:
        address = urllib.parse.urlsplit(origin)
        source = urllib.request.url2pathname(address.path) if address.scheme == "file" else None
    if source is None or not os.path.isfile(source):
        raise FileNotFoundError(
            f"get_file: {path!r} does not exist and {origin!r} is no local file. Nothing is "
            f"downloaded: put the file there yourself, or name a local one with origin="
        )
    os.makedirs(os.path.dirname(path), exist_ok=True)
    unfinished = f"{path}.{os.getpid()}.new"
    shutil.copyfile(source, unfinished)
    os.replace(unfinished, path)


def _extract(path: str, folder: str, archive_format: Any) -> bool:
    """Unpack the archive at ``path`` into ``folder``; False when it is none of the formats."""
    if archive_format is None:
        return False
    formats = ["tar", "zip"] if archive_format == "auto" else archive_format
    for kind in [formats] if isinstance(formats, str) else formats:
        if kind == "tar" and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                try:
                    archive.extractall(folder, filter="data")
                except tarfile.FilterError as error:
                    raise ValueError(f"get_file: {path!r} is refused: {error}") from error
            return True
        if kind == "zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:  # NB: drops ".." and leading "/" itself
                archive.extractall(folder)  # noqa: S202  see above
            return True
    return False
