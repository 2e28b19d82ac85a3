"""Public names: which function is known under which dotted names of the TensorFlow API.

A function says next to its definition where users find it::

    @export("nn.relu", "relu")
    def relu(features, name=None): ...

``export`` only writes into the table EXPORTS.  ``install`` makes the namespace modules (``tf.nn``,
``tf.math`` ...) that programs see; an attribute is looked up in the table when it is first used,
which loads the file that exports it (families.py).
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flowgraph.errors import did_you_mean
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
        raise AttributeError(_no_such_name(module, prefix + "." if prefix else "", name))
    value = vars(sys.modules[module])[name] = EXPORTS[path]
    return value


def _no_such_name(module: str, prefix: str, name: str) -> str:
    known = {p.removeprefix(prefix).split(".")[0] for p in EXPORTS.known() if p.startswith(prefix)}
    return f"module {module!r} has no attribute {name!r}{did_you_mean(name, known)}"


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
            vars(sys.modules[parent]).setdefault(name, module)
            vars(module).setdefault("__getattr__", functools.partial(attribute, dotted))
            vars(module).setdefault("__dir__", functools.partial(names_of, dotted))
