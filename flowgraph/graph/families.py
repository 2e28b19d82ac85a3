"""Families: which file defines an op type or a public name, so that it is loaded when first used.

A TensorFlow-sized surface takes a quarter of a second to import and a program uses a tenth of it.
The first import loads every file of FAMILIES and notes who registered what; later ones read that
note, and a name loads its file when it is looked up::

    tf.nn.relu   ->  EXPORTS["nn.relu"] is not there  ->  import flowgraph.ops.activations

The note (a JSON file in the cache directory) is valid for exactly these source files, by size and
time of change; without a cache directory everything is loaded at once, which is the same but
slower.

Read next: export.py and opdef.py (the two tables).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from flowgraph import config

V = TypeVar("V")

#: Packages whose files register op types and public names when they are imported.
FAMILIES = (
    "contrib", "data", "debug", "distributions", "eager", "estimator", "feature_column", "formats",
    "historic", "image", "layers", "linear_operators", "losses", "metrics", "ops", "platform",
    "profile", "protos", "queues", "rnn", "saved_model", "saving", "summary", "tables", "testing",
    "train", "training_loop",
)  # fmt: skip


class Table(dict[str, V], Generic[V]):
    """A registry that importing fills: looking up a key loads the file that registers it.

    Iterating and counting load every file.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        _tables[kind] = self

    def __setitem__(self, key: str, value: V) -> None:
        if _noting is not None:
            _noting.setdefault(self.kind, {})[key] = _module_being_executed()
        super().__setitem__(key, value)

    def __missing__(self, key: str) -> V:
        if not _load(self.kind, key):
            raise KeyError(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, loaded if need be, or ``default``."""
        try:
            return self[key]
        except KeyError:
            return default

    def setdefault(self, key: str, default: V) -> V:
        """The value of ``key``; set to ``default`` when no loaded file has registered it."""
        if not super().__contains__(key):
            self[key] = default
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or _load(self.kind, key)

    def known(self) -> set[str]:
        """All keys, without loading anything."""
        return set(super().keys()) | set(_index.get(self.kind, ()))

    def __iter__(self) -> Iterator[str]:
        load_all()
        return super().__iter__()

    def __len__(self) -> int:
        load_all()
        return super().__len__()

    def keys(self) -> Any:
        """As of a dict, with every file loaded."""
        load_all()
        return super().keys()

    def values(self) -> Any:
        """As of a dict, with every file loaded."""
        load_all()
        return super().values()

    def items(self) -> Any:
        """As of a dict, with every file loaded."""
        load_all()
        return super().items()


_tables: dict[str, Table[Any]] = {}
#: kind -> key -> module.
_index: dict[str, dict[str, str]] = {}
#: As _index, while the note is being made.
_noting: dict[str, dict[str, str]] | None = None
_files: list[tuple[str, str]] = []
_all_loaded = False


def _module_being_executed() -> str:
    frame = sys._getframe(2)
    while frame.f_code.co_name != "<module>" and frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def _load(kind: str, key: Any) -> bool:
    """Import the file that registers ``key``; False when there is none."""
    module = _index.get(kind, {}).get(key)
    if module is None:
        return False
    importlib.import_module(module)
    return dict.__contains__(_tables[kind], key)


def load_all() -> None:
    """Import every file of FAMILIES."""
    global _all_loaded
    if not _all_loaded:
        _all_loaded = True
        for module, _ in _files:
            importlib.import_module(module)


def find(folder: Path) -> None:
    """Read the note of the package in ``folder``, or load everything and make it."""
    _files[:] = sorted(_modules(folder))
    stamp = hashlib.sha256(repr(_files).encode()).hexdigest()
    directory = config.get("CACHE_DIR")
    place = ""
    if directory:
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        place = os.path.join(directory, f"families-{name}.json")
        with contextlib.suppress(OSError, ValueError):
            note = json.loads(Path(place).read_bytes())
            if _is_sound(note, stamp):
                _index.update(note["index"])
                return
    _index.update(_observed())
    if place:
        _write(place, {"stamp": stamp, "index": _index})


def _modules(folder: Path) -> Iterator[tuple[str, str]]:
    """(module, state of its file) of every file of FAMILIES."""
    for family in FAMILIES:
        with os.scandir(folder / family) as entries:
            for entry in entries:
                stem, dot, extension = entry.name.rpartition(".")
                if dot and extension == "py" and stem != "__init__":
                    info = entry.stat()
                    yield f"flowgraph.{family}.{stem}", f"{info.st_size} {info.st_mtime_ns}"


def _is_sound(note: Any, stamp: str) -> bool:
    """True for a note about these files; what it says to import is checked: it is only a file."""
    if not isinstance(note, dict) or note.get("stamp") != stamp:
        return False
    modules = {module for module, _ in _files}
    return all(module in modules for keys in note["index"].values() for module in keys.values())


def _observed() -> dict[str, dict[str, str]]:
    """Load everything and tell who registered what."""
    global _noting
    _noting = {}
    try:
        load_all()
        modules = {module for module, _ in _files}
        return {
            kind: {key: module for key, module in keys.items() if module in modules}
            for kind, keys in _noting.items()
        }
    finally:
        _noting = None


def _write(place: str, note: Any) -> None:
    """Best effort: without a note the next import is slower, nothing else."""
    new = f"{place}.{os.getpid()}.new"
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        Path(new).write_text(json.dumps(note), encoding="utf-8")
        os.replace(new, place)
