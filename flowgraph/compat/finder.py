"""The import hook: ``tensorflow``, ``keras`` and everything below them lead to flowgraph.

    import tensorflow as tf                          ->  flowgraph itself
    import tensorflow.contrib.slim as slim           ->  the namespace flowgraph.contrib.slim
    from tensorflow.python.ops import array_ops      ->  a module of public names (modules.py)
    from keras.layers.core import Dense              ->  flowgraph.keras.layers, as far as it goes
    import tensorflow.contrib.crf                    ->  ModuleNotFoundError that says what to use

Real modules are entered into ``sys.modules`` under the other name too, so ``tensorflow`` is
flowgraph, not a copy of it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from importlib.machinery import PathFinder
from typing import Any

from flowgraph.compat.modules import KERAS, places
from flowgraph.errors import MissingNameError, did_you_mean
from flowgraph.graph.advice import ALIASES, advice, missing_module
from flowgraph.graph.export import EXPORTS, is_import_of_a_name

#: The packages that lead here.
ROOTS = ("tensorflow", "keras")

#: Modules that are ours where Google's package is not installed.
_GOOGLES = {"google", "google.protobuf", "google.protobuf.text_format"}

#: Packages whose names are not in the table of public names.
PACKAGES = ("debug", "keras", "profile")


class _Enter(importlib.abc.Loader):
    """Enters a module that exists already under another name."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """None: Python makes an empty module, which exec_module replaces."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Put the real module in the place of ``module``."""
        sys.modules[module.__name__] = self._module


class Finder(importlib.abc.MetaPathFinder):
    """Finds ``tensorflow...`` and ``keras...`` in flowgraph."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module below ``tensorflow`` or ``keras``; None for all others.

        Raises:
            ModuleNotFoundError: flowgraph has no such module; the text says what to use instead.
        """
        root, _, rest = fullname.partition(".")
        if fullname in _GOOGLES and PathFinder.find_spec(fullname, path) is None:
            module = _of_google(fullname)
            return importlib.machinery.ModuleSpec(fullname, _Enter(module), is_package=True)
        if root not in ROOTS:
            return None
        if root == "tensorflow":
            module = _of_tensorflow(fullname, rest)
        else:
            module = _of_keras(fullname, rest)
        return importlib.machinery.ModuleSpec(fullname, _Enter(module), is_package=True)


def _of_google(fullname: str) -> types.ModuleType:
    """The part of Google's package that programs read graphs in text with, for our messages."""
    if fullname == "google.protobuf.text_format":
        return importlib.import_module("flowgraph.protos.text_format")
    module = types.ModuleType(fullname)
    module.__path__ = []
    return module


def _of_tensorflow(fullname: str, rest: str) -> types.ModuleType:
    for lead in ("compat.v1", "_api.v1"):
        if rest == lead or rest.startswith(lead + "."):
            rest = rest.removeprefix(lead).removeprefix(".")
    for lead in ("keras", "python.keras", "contrib.keras.api.keras", "contrib.keras"):
        if rest == lead or rest.startswith(lead + "."):
            return _of_keras(fullname, rest.removeprefix(lead).removeprefix("."))
    found = places(rest)
    if found is not None:
        return facade(fullname, found)
    module = public_namespace(rest)
    if module is None:
        raise missing_module(fullname, "tf.", rest)
    return module


def public_namespace(path: str) -> types.ModuleType | None:
    """The module of the public names that begin with ``path``; None when there are none."""
    path = ALIASES.get(path, path)
    lead = path + "." if path else ""
    if path in PACKAGES or any(known.startswith(lead) for known in EXPORTS.known()):
        return importlib.import_module(f"flowgraph.{path}" if path else "flowgraph")
    return None


def _of_keras(fullname: str, rest: str) -> types.ModuleType:
    real = "flowgraph.keras" + (f".{rest}" if rest else "")
    try:
        return importlib.import_module(real)
    except ModuleNotFoundError as error:
        # What keras itself lacks is passed on: only "there is no such file" is ours.
        if error.name is None or not (real + ".").startswith(error.name + "."):
            raise
    keras = importlib.import_module("flowgraph.keras")
    try:
        found = functools.reduce(getattr, rest.split("."), keras)
    except AttributeError:
        found = None
    if isinstance(found, types.ModuleType):
        return found
    spaces = places(rest, KERAS)
    if not spaces:
        raise missing_module(fullname, "keras.", rest)
    return facade(fullname, tuple(f"keras.{space}" for space in spaces))


# ----------------------------------------------------------------- modules of names from elsewhere


def facade(name: str, spaces: tuple[str, ...]) -> types.ModuleType:
    """A module whose names are those of public namespaces, looked up when they are used.

    Args:
        name: of the module, as programs import it.
        spaces: below flowgraph; earlier ones go first.
    """
    module = types.ModuleType(
        name, f"Names of {', '.join(f'tf.{s}' if s else 'tf' for s in spaces)}."
    )
    module.__path__ = []  # so that what lies below it can be imported
    vars(module)["__flowgraph__"] = True
    vars(module)["__getattr__"] = functools.partial(_name_in, module, spaces)
    vars(module)["__dir__"] = functools.partial(_names_in, spaces)
    return module


def _name_in(module: types.ModuleType, spaces: tuple[str, ...], name: str) -> Any:
    """``module.name``: the first of ``spaces`` that has it."""
    if not name.startswith("_"):
        for space in spaces:
            found = _lookup(space, name)
            if found is not None:
                vars(module)[name] = found
                return found
    path = f"{module.__name__.removeprefix('tensorflow.')}.{name}"
    text = "" if name.startswith("_") else advice(path)
    hint = f"; instead: {text}" if text else did_you_mean(name, _names_in(spaces))
    message = (
        f"module {module.__name__!r} has no attribute {name!r}: flowgraph has no such name{hint}"
    )
    if is_import_of_a_name(sys._getframe(1)):
        raise ImportError(message, name=module.__name__)
    raise MissingNameError(message, name=name)


def _lookup(space: str, name: str) -> Any:
    """The public name, or namespace, ``name`` in ``space``; None when there is none."""
    if space.partition(".")[0] in PACKAGES:
        try:
            return getattr(importlib.import_module(f"flowgraph.{space}"), name, None)
        except ModuleNotFoundError:
            return None
    path = f"{space}.{name}" if space else name
    if path in EXPORTS:
        return EXPORTS[path]
    if places(path) is not None:
        return importlib.import_module(f"tensorflow.{path}")
    return public_namespace(path)


def _names_in(spaces: tuple[str, ...]) -> list[str]:
    """What ``dir`` of such a module shows."""
    names: set[str] = set()
    for space in spaces:
        if space.partition(".")[0] in PACKAGES:
            try:
                names |= set(dir(importlib.import_module(f"flowgraph.{space}")))
            except ModuleNotFoundError:
                continue
        else:
            lead = space + "." if space else ""
            known = (path.removeprefix(lead) for path in EXPORTS.known() if path.startswith(lead))
            names |= {path.split(".")[0] for path in known}
    return sorted(name for name in names if not name.startswith("_"))
