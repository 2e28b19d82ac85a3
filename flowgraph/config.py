"""Every knob of flowgraph, in one table.

A knob ``NAME`` is read from the environment variable ``FLOWGRAPH_NAME`` when it is first needed,
and then kept. Tests and tools change one for a while with ``with override(VERIFY=2):``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flowgraph.errors import did_you_mean

PREFIX = "FLOWGRAPH_"


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting.

    Attributes:
        name: without prefix.   default: its value when the environment says nothing.
        parse: text -> value; raises ValueError for text it does not take.
        takes: what may be written.   doc: what it does.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    takes: str
    doc: str


def _choice(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return parse


def _flag(text: str) -> bool:
    return {"0": False, "1": True}[text]


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _level(text: str) -> int:
    return int(_choice("0", "1", "2")(text))


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


#: Names of the lints (debug/lints.py).
LINTS = (
    "broadcast", "softmax-twice", "batch-twice", "concat-axis", "masked-nan", "unreached-variable",
    "integer-division", "dropout-always-on", "growing-graph",
)  # fmt: skip


def parse_lints(text: str) -> frozenset[str]:
    """Which lints a text switches on: all, none, names, or names with a minus to leave out."""
    names = _names(text)
    if names in ({"all"}, {"1"}):
        return frozenset(LINTS)
    if not names or names in ({"none"}, {"0"}):
        return frozenset()
    for name in names:
        plain = name.removeprefix("-")
        if plain not in LINTS:
            raise ValueError(f"there is no lint {plain!r}{did_you_mean(plain, LINTS)}")
    left_out = {name.removeprefix("-") for name in names if name.startswith("-")}
    if len(left_out) == len(names):
        return frozenset(LINTS) - left_out
    return frozenset(names) - left_out


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _default_cache() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "flowgraph")


_TABLE = [
    Knob(
        "TARGET", "cpu", _choice("cpu", "cuda", "reference"), "cpu, cuda or reference",
        "What runs the plan: native CPU code, CUDA kernels, or the NumPy reference of every op.",
    ),
    Knob(
        "DUMP", "", str, "a directory",
        "Write every form of every run to numbered files there, kernel sources included.",
    ),
    Knob(
        "VERIFY", 1, _level, "0, 1 or 2",
        "Check the forms between stages: 0 never, 1 what is cheap, 2 after every pass.",
    ),
    Knob(
        "CHECK", False, _flag, "0 or 1",
        "Compare every kernel with the NumPy reference and name the first that differs.",
    ),
    Knob(
        "MAX_REWRITES", None, _count, "a number",
        "Stop rewriting after so many algebra rules were applied; bisects a wrong rule.",
    ),
    Knob(
        "DISABLE", frozenset(), _names, "pass names, separated by commas",
        "Leave out these optimiser passes, for instance fuse,cse.",
    ),
    Knob(
        "CACHE_DIR", None, str, "a directory, or nothing for no cache",
        "Where compiled kernels are kept; by default flowgraph in the user's cache directory.",
    ),
    Knob(
        "NUM_THREADS", None, lambda text: int(text) if int(text) > 0 else _threads(), "a number",
        "Threads used by kernels; by default, or for 0, the CPUs this process may use.",
    ),
    Knob(
        "DOT", "", str, "a program",
        "Draws pictures: a Graphviz dot; by default the system's, else the graphviz-pure wheel's.",
    ),
    Knob(
        "LINTS", frozenset(LINTS), parse_lints, "all, none, names, or -names to leave out",
        "Warn of programs that run but seldom do what is meant; docs/debugging.md has the names.",
    ),
    Knob(
        "CHECK_NUMERICS", False, _flag, "0 or 1",
        "Stop a run that gives NaN or inf, and name the operation that made the first.",
    ),
    Knob(
        "AUTO_INIT", False, _flag, "0 or 1",
        "Give a variable without a value its initial one when a run first reads it.",
    ),
    Knob(
        "PROFILE", False, _flag, "0 or 1",
        "Time every kernel of every run and print a table when the process ends.",
    ),
]  # fmt: skip

#: Name -> Knob, in the order of the documentation.
KNOBS: dict[str, Knob] = {knob.name: knob for knob in _TABLE}

_values: dict[str, Any] = {}

#: ``flowgraph.config.auto_init = True``: variables initialise themselves; None: as AUTO_INIT says.
auto_init: bool | None = None

#: ``flowgraph.config.check_numerics = True``: runs compiled from then on are checked for NaN and
#: inf; None: as CHECK_NUMERICS says.
check_numerics: bool | None = None


def get(name: str) -> Any:
    """The value of the knob ``name`` (without prefix).

    Raises:
        ValueError: the environment holds text that the knob does not take.
    """
    if name not in _values:
        _values[name] = _read(KNOBS[name])
    return _values[name]


def _read(knob: Knob) -> Any:
    text = os.environ.get(PREFIX + knob.name)
    if text is None or (text == "" and knob.name != "CACHE_DIR"):
        return _computed_default(knob)
    try:
        return knob.parse(text)
    except (ValueError, KeyError):
        hint = ""
        if isinstance(knob.default, str):
            hint = did_you_mean(text, knob.takes.replace(",", "").split())
        raise ValueError(
            f"{PREFIX}{knob.name}={text!r} in the environment: it takes {knob.takes}{hint}"
        ) from None


def _computed_default(knob: Knob) -> Any:
    if knob.name == "CACHE_DIR":
        return _default_cache()
    return _threads() if knob.name == "NUM_THREADS" else knob.default


def check_environment() -> None:
    """ValueError for a variable ``FLOWGRAPH_...`` that is no knob: most often misspelt."""
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX) not in KNOBS:
            known = [PREFIX + name for name in KNOBS]
            raise ValueError(f"there is no setting {variable}{did_you_mean(variable, known)}")


def set_value(name: str, value: Any) -> None:
    """Set the knob ``name`` from now on."""
    if name not in KNOBS:
        raise KeyError(f"there is no knob {name!r}{did_you_mean(name, KNOBS)}")
    _values[name] = value


@contextmanager
def override(**values: Any) -> Iterator[None]:
    """Set knobs inside the block: ``with override(TARGET="reference"):``."""
    unknown = [name for name in values if name not in KNOBS]
    if unknown:
        raise KeyError(f"there is no knob {unknown[0]!r}{did_you_mean(unknown[0], KNOBS)}")
    before = dict(_values)
    _values.update(values)
    try:
        yield
    finally:
        _values.clear()
        _values.update(before)


def describe() -> str:
    """The table of knobs as text, for the documentation: variable, what it takes, what it does."""
    lines = ["| variable | takes | does |", "|---|---|---|"]
    lines += [f"| `{PREFIX}{k.name}` | {k.takes} | {k.doc} |" for k in KNOBS.values()]
    return "\n".join(lines)
