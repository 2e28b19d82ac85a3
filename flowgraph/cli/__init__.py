"""The command line: ``flowgraph COMMAND ...``, also as ``python -m flowgraph COMMAND ...``.

COMMANDS is the one table; a command is a function in a file of its own, which is imported when the
command is used.

Read next: run.py.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from flowgraph.errors import did_you_mean


class Command(NamedTuple):
    """One command.

    Attributes:
        function: ``module:name`` of what takes the arguments after the command and returns the exit
            status.
        usage: the arguments, as shown.   does: one line.
    """

    function: str
    usage: str
    does: str


#: Name -> command, in the order in which they are shown.
COMMANDS = {
    "run": Command(
        "flowgraph.cli.run:run", "SCRIPT_OR_NOTEBOOK [ARGUMENTS] | -m MODULE [ARGUMENTS]",
        "run a program written for TensorFlow 1 or Keras 2, unchanged",
    ),
    "view": Command(
        "flowgraph.cli.view:view_file", "GRAPH [-o PICTURE]",
        "draw the graph in a .pb, .pbtxt, .meta or event file, or in a SavedModel's folder",
    ),
    "profile": Command(
        "flowgraph.cli.profile:profile", "[OPTIONS] SCRIPT [ARGUMENTS]",
        "run a program, and show where its time and memory went",
    ),
    "explain": Command(
        "flowgraph.cli.profile:explain", "[OPTIONS] SCRIPT [ARGUMENTS]",
        "run a program, and tell what the compiler does with it and what it costs",
    ),
    "version": Command("flowgraph.cli.run:version", "", "show the version"),
}  # fmt: skip


def usage() -> str:
    """What ``flowgraph --help`` shows."""
    lines = ["usage: flowgraph COMMAND ...", ""]
    for name, command in COMMANDS.items():
        lines += [f"  flowgraph {name} {command.usage}".rstrip(), f"      {command.does}"]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        name = "version"
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS, cutoff=0.6)
        sys.stderr.write(f"flowgraph: there is no command {name!r}{hint}\n{usage()}")
        return 2
    module, _, function = COMMANDS[name].function.partition(":")
    status: int = getattr(importlib.import_module(module), function)(rest)
    return status
