"""Public names: which function is known under which dotted names of the TensorFlow API.

A function says next to its definition where users find it::

    @export("nn.relu", "relu")
    def relu(features, name=None): ...

``export`` only writes into the table EXPORTS; flowgraph/__init__.py turns the table into the
attributes and namespace modules (``tf.nn``, ``tf.math`` ...) that programs see.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flowgraph.errors import did_you_mean

T = TypeVar("T")

#: Dotted public name -> object, e.g. ``"nn.relu" -> relu``.
EXPORTS: dict[str, Any] = {}


def export_value(value: Any, *names: str) -> None:
    """Publish ``value`` (a constant, dtype, or anything that takes no decorator) as ``names``."""
    for name in names:
        if EXPORTS.setdefault(name, value) is not value:
            raise ValueError(f"public name {name!r} is exported twice, for different objects")


def export(*names: str) -> Callable[[T], T]:
    """Decorator: publish a function or class under the dotted ``names``.

    >>> @export("math.twice_", "twice_")
    ... def twice(x): return 2 * x
    >>> EXPORTS["math.twice_"] is twice
    True
    """

    def publish(value: T) -> T:
        export_value(value, *names)
        return value

    return publish


def export_all(values: Mapping[str, Any], *prefixes: str) -> None:
    """Publish every entry of ``values`` under each prefix: ``""`` or ``"errors."``."""
    for name, value in values.items():
        export_value(value, *(prefix + name for prefix in prefixes))


# ------------------------------------------------------------------------- from table to modules


class Namespace(types.ModuleType):
    """A module of the public API without a file of its own: ``tf.nn``, ``tf.math``."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        prefix = self.__name__.removeprefix("flowgraph.")
        raise AttributeError(did_you_mean_public(self.__name__, prefix + ".", name))


def did_you_mean_public(module: str, prefix: str, name: str) -> str:
    """The text of the AttributeError for ``module.name``, where ``prefix`` leads its exports."""
    known = {path.removeprefix(prefix).split(".")[0] for path in EXPORTS if path.startswith(prefix)}
    return f"module {module!r} has no attribute {name!r}{did_you_mean(name, known)}"


def install(root: dict[str, Any], folder: Path) -> None:
    """Make every exported name an attribute of the flowgraph module or one of its namespaces.

    A namespace that exists as a real module (``tf.errors``, ``tf.train``) gets the names as
    attributes; the others become Namespace modules, so that ``from flowgraph.nn import relu`` works
    too.

    Args:
        root: the globals of the flowgraph module.
        folder: its directory.
    """
    for path, value in EXPORTS.items():
        *parents, name = path.split(".")
        target = root
        dotted = "flowgraph"
        for depth, parent in enumerate(parents):
            dotted += f".{parent}"
            module = sys.modules.get(dotted)
            if module is None:
                place = folder.joinpath(*parents[: depth + 1])
                if place.is_dir() or place.with_suffix(".py").exists():
                    module = importlib.import_module(dotted)
                else:
                    module = sys.modules[dotted] = Namespace(dotted, f"tf.{dotted[10:]}")
            target.setdefault(parent, module)
            target = vars(module)
        target[name] = value
