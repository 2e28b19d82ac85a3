r"""Object code on disk, named by what it was made from.

    <CACHE_DIR>/<key>.o      key = sha256(kernel text, versions of the tools and of this package's
                                          code generator, CPU name and features)
    file = b"FGKERN1\\0" + key (32 bytes) + sha256 of the object code (32 bytes) + object code

An entry that is damaged or is not what its name says is made again; a directory that others may
write to, that belongs to somebody else or cannot be written is not used.  Either is reported by one
warning per process.  Files appear whole (written aside, then renamed), so processes may fill
the cache together.  The oldest entries go when it outgrows MAX_BYTES.

Object code is trusted as much as the user's own files: the digest finds damage, the ownership rule
keeps other users out.

Read next: compile.py (who asks), loader.py (object code -> addresses).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import stat
import sys
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path

from flowgraph import config

MAGIC = b"FGKERN1\0"
_HEADER = len(MAGIC) + 64

#: Total size above which the oldest entries are deleted, down to KEEP of it.
MAX_BYTES, KEEP = 256 * 1024 * 1024, 0.75

#: An entry that is used gets a new time stamp when its own is older than this (seconds).
REFRESH = 86_400

#: The files whose text decides what object code a kernel text becomes.
_GENERATOR = (
    "llvm_text.py", "arithmetic.py", "vector_code.py", "vector_math.py", "vector_trig.py",
    "special_tables.py", "special_names.py", "special_elementary.py", "special_gamma.py",
    "special_math.py", "intrinsics.py", "target.py", "compiler.py",
)  # fmt: skip

_warned = False


def _warn(problem: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(f"kernel cache: {problem}", RuntimeWarning, stacklevel=3)


@cache
def fingerprint() -> bytes:
    """A digest of everything but the kernel text that object code depends on."""
    import llvmlite

    from flowgraph.codegen.compiler import host

    digest = hashlib.sha256(MAGIC)
    tools = sys.version_info[:3], sys.platform, llvmlite.__version__
    digest.update(repr((*tools, *host())).encode())
    here = Path(__file__).parent
    for name in _GENERATOR:
        digest.update((here / name).read_bytes())
    digest.update((here.parent / "kernel" / "scalar.py").read_bytes())
    # numba's version without importing it
    spec = importlib.util.find_spec("numba")
    if spec is not None and spec.origin is not None:
        digest.update(Path(spec.origin).with_name("_version.py").read_bytes())
    return digest.digest()


def key_of(source: str) -> bytes:
    """The key of kernel text ``source`` on this machine."""
    return hashlib.sha256(fingerprint() + source.encode()).digest()


def symbol_of(key: bytes) -> str:
    """The name of the kernel with ``key`` in its object file."""
    return "kernel_" + key.hex()[:40]


class Cache:
    """The cache in one directory; ``get`` and ``put`` never raise.

    Args:
        directory: where; made when the first entry is written.  None or "": no cache.
    """

    def __init__(self, directory: str | None) -> None:
        self.directory = Path(directory) if directory else None
        self.usable: bool | None = None  # not looked yet
        self.trimmed = False

    def get(self, key: bytes) -> bytes | None:
        """The object code of ``key``, or None."""
        if self.directory is None or not self._is_trusted():
            return None
        try:
            with open(self._path(key), "rb") as file:
                found = os.fstat(file.fileno())
                if not _is_own(found):
                    _warn(f"{file.name} belongs to another user; it is not used")
                    return None
                data = file.read()
        except OSError:
            return None
        payload = data[_HEADER:]
        if data[:_HEADER] != MAGIC + key + hashlib.sha256(payload).digest() or not payload:
            _warn(f"{self._path(key)} is damaged; the kernel is compiled again")
            return None
        if time.time() - found.st_mtime > REFRESH:
            with contextlib.suppress(OSError):
                os.utime(self._path(key))
        return payload

    def put(self, key: bytes, payload: bytes) -> None:
        """Keep object code for later processes."""
        if self.directory is None or self.usable is False:
            return
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_trusted():
                return
            handle, name = tempfile.mkstemp(dir=self.directory, suffix=".new")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(MAGIC + key + hashlib.sha256(payload).digest() + payload)
                os.replace(name, self._path(key))
            except OSError:
                os.unlink(name)
                raise
            if not self.trimmed:
                self.trimmed = True
                self._trim()
        except OSError as error:
            self.usable = False
            _warn(f"{self.directory} cannot be written ({error}); kernels are not kept")

    def _path(self, key: bytes) -> Path:
        assert self.directory is not None
        return self.directory / f"{key.hex()}.o"

    def _is_trusted(self) -> bool:
        """Whether the directory is there, ours, and closed to writing by others."""
        if self.usable is None:
            assert self.directory is not None
            try:
                found = os.stat(self.directory)
            except FileNotFoundError:
                return False
            except OSError as error:
                self.usable = False
                _warn(f"{self.directory} cannot be read ({error}); kernels are not kept")
                return False
            self.usable = _is_own(found) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if not self.usable:
                _warn(f"{self.directory} can be written by other users; it is not used")
        return self.usable

    def _trim(self) -> None:
        """Delete the oldest entries when there are too many, and what dead writers left."""
        assert self.directory is not None
        entries = []
        with os.scandir(self.directory) as files:
            for file in files:
                with contextlib.suppress(OSError):
                    info = file.stat(follow_symlinks=False)
                    if file.name.endswith(".o"):
                        entries.append((info.st_mtime, info.st_size, file.path))
                    elif file.name.endswith(".new") and time.time() - info.st_mtime > REFRESH:
                        os.unlink(file.path)
        total = sum(size for _, size, _ in entries)
        if total <= MAX_BYTES:
            return
        for _, size, path in sorted(entries):
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= size
            if total <= KEEP * MAX_BYTES:
                return


def _is_own(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


_caches: dict[str, Cache] = {}


def current() -> Cache:
    """The cache in the directory that the knob CACHE_DIR names now."""
    directory = config.get("CACHE_DIR") or ""
    if directory not in _caches:
        _caches[directory] = Cache(directory)
    return _caches[directory]
