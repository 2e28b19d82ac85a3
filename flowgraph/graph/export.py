"""Public names: which function is known under which dotted names of the TensorFlow API.

A function says next to its definition where users find it::

    @export("nn.relu", "relu")
    def relu(features, name=None): ...

``export`` only writes into the table EXPORTS.  ``install`` makes the namespace modules (``tf.nn``,
``tf.math`` ...) that programs see; an attribute is looked up in the table when it is first used,
which loads the file that exports it (families.py).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import opcode
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flowgraph.graph.families import Table

T = TypeVar("T")

#: Dotted public name -> object, e.g. ``"nn.relu" -> relu``.
EXPORTS: Table[Any] = Table("names")


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


def attribute(module: str, name: str) -> Any:
    """``module.name`` by the table, for the ``__getattr__`` of a public module.

    Raises:
        AttributeError: nothing is exported under that name.
    """
    prefix = module.removeprefix("flowgraph").removeprefix(".")
    path = f"{prefix}.{name}" if prefix else name
    if name.startswith("__") or path not in EXPORTS:
        return _by_another_name(module, path, name)
    value = vars(sys.modules[module])[name] = EXPORTS[path]
    return value


def _by_another_name(module: str, path: str, name: str) -> Any:
    """A namespace that is another one; else the error that says what to use instead."""
    if name.startswith("_"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    from flowgraph.graph.advice import ALIASES, missing

    if path in ALIASES:
        with contextlib.suppress(AttributeError):
            found = functools.reduce(getattr, ALIASES[path].split("."), sys.modules["flowgraph"])
            vars(sys.modules[module])[name] = found
            return found
    lead = path.removesuffix(name)
    known = EXPORTS.known()
    siblings = {p.removeprefix(lead).split(".")[0] for p in known if p.startswith(lead)}
    error = missing(module, path, siblings, known)
    if is_import_of_a_name(sys._getframe(2)):
        raise ImportError(str(error), name=module) from None
    raise error


def is_import_of_a_name(frame: types.FrameType | None) -> bool:
    """Whether the user's line is ``from tensorflow import name``.

    Python turns an AttributeError there into an ImportError of its own, which would lose what ours
    says.
    """
    while frame is not None and frame.f_globals.get("__name__") in ("flowgraph", __name__):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_code[frame.f_lasti] == opcode.opmap["IMPORT_FROM"]


def names_of(module: str) -> list[str]:
    """What ``dir`` of a public module shows."""
    prefix = module.removeprefix("flowgraph").removeprefix(".")
    lead = prefix + "." if prefix else ""
    found = {p.removeprefix(lead).split(".")[0] for p in EXPORTS.known() if p.startswith(lead)}
    return sorted(found | set(vars(sys.modules[module])))


def install(folder: Path) -> None:
    """Make the namespaces of all public names, under the flowgraph module.

    A namespace that is a real module (``tf.errors``, ``tf.train``) stays one; the others become
    modules without a file, so that ``from flowgraph.nn import relu`` works too.  Either looks up
    what it does not have in the table.

    Args:
        folder: the directory of the flowgraph package.
    """
    spaces = {path.rpartition(".")[0] for path in EXPORTS.known()}
    for space in sorted(spaces):
        dotted = "flowgraph"
        for name in space.split(".") if space else ():
            parent, dotted = dotted, f"{dotted}.{name}"
            module = sys.modules.get(dotted)
            if module is None:
                place = folder.joinpath(*dotted.split(".")[1:])
                if place.is_dir() or place.with_suffix(".py").exists():
                    module = importlib.import_module(dotted)
                else:
                    module = sys.modules[dotted] = types.ModuleType(dotted, f"tf.{dotted[10:]}")
                    module.__path__ = []  # so that it may be the parent of an import
            vars(sys.modules[parent]).setdefault(name, module)
            vars(module).setdefault("__getattr__", functools.partial(attribute, dotted))
            vars(module).setdefault("__dir__", functools.partial(names_of, dotted))
