"""``flowgraph run script.py``: a program as it is, with tensorflow and keras led to flowgraph.

The program is ``__main__``, sees its own arguments and directory, and its tracebacks begin with its
own lines.

Read next: compat/tensorflow.py.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import traceback
import types
from collections.abc import Callable, Sequence
from typing import Any

from flowgraph import errors
from flowgraph.cli.notebooks import compiled

_USAGE = (
    "usage: flowgraph run SCRIPT_OR_NOTEBOOK [ARGUMENTS]\n"
    "       flowgraph run -m MODULE [ARGUMENTS]\n"
)

#: Files whose frames come before those of the program.
_OURS = (__file__, runpy.__file__, "<frozen runpy>")
_LIBRARY = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def version(arguments: Sequence[str]) -> int:
    """Show the versions of flowgraph and Python.

    Args:
        arguments: none.
    """
    flowgraph = importlib.import_module("flowgraph")
    sys.stdout.write(f"flowgraph {flowgraph.__version__}, Python {sys.version.split()[0]}\n")
    return 0


def run(arguments: Sequence[str]) -> int:
    """Run a program to its end.

    Args:
        arguments: the path of a script or notebook, or ``-m`` and a module; then the program's
            own arguments.

    Returns:
        2 for a command that makes no sense, 1 after an error that the program did not catch, else
        0; ``sys.exit`` of the program leaves as it would without us.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        (sys.stdout if arguments else sys.stderr).write(_USAGE)
        return 0 if arguments else 2
    if arguments[0] == "-m":
        if len(arguments) < 2:
            sys.stderr.write("flowgraph run: -m takes the name of a module\n" + _USAGE)
            return 2
        name, rest = arguments[1], arguments[2:]
        sys.argv = [name, *rest]  # runpy puts the file's path in front
        sys.path.insert(0, os.getcwd())
        return _guarded(lambda: runpy.run_module(name, run_name="__main__", alter_sys=True))
    path, rest = arguments[0], arguments[1:]
    if path.startswith("-"):
        sys.stderr.write(f"flowgraph run: there is no option {path!r}\n" + _USAGE)
        return 2
    try:
        text = _source(path)
        if path.endswith(".ipynb"):
            codes = compiled(text, path)
        else:
            codes = [compile(text, path, "exec", dont_inherit=True)]
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, SyntaxError):
            sys.excepthook(SyntaxError, error, None)
        else:
            sys.stderr.write(f"flowgraph run: cannot read {path!r}: {error}\n")
        return 2 if isinstance(error, OSError) else 1
    sys.argv = [path, *rest]
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    main = types.ModuleType("__main__")
    vars(main).update(__file__=path, __builtins__=__builtins__, __spec__=None)
    vars(main)["__package__"] = "" if os.path.isdir(path) else None
    sys.modules["__main__"] = main

    def program() -> None:
        for code in codes:
            exec(code, vars(main))  # noqa: S102  that is the command

    return _guarded(program)


def _source(path: str) -> bytes:
    """The text of a script; of a directory, that of its ``__main__.py``."""
    if os.path.isdir(path):
        path = os.path.join(path, "__main__.py")
    with open(path, "rb") as file:
        return file.read()


def _guarded(program: Callable[[], Any]) -> int:
    """Switch the imports, run the program, and show an error of its without our own frames."""
    importlib.import_module("flowgraph.compat.tensorflow").install()
    try:
        program()
    except SystemExit:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        own = _without_our_frames(error.__traceback__)
        if isinstance(error, errors.MissingNameError):
            own = _program_only(own)
        error.__traceback__ = own
        if sys.excepthook is sys.__excepthook__:
            traceback.print_exception(type(error), error, own)  # knows the lines of notebooks
        else:
            sys.excepthook(type(error), error, own)
        return 1
    return 0


def _without_our_frames(begin: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback from the program's first frame on; all of it when there is none."""
    inner = begin
    while inner is not None and inner.tb_frame.f_code.co_filename in _OURS:
        inner = inner.tb_next
    return inner or begin


def _program_only(begin: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback without the library's frames at its end: it ends at the user's line."""
    frames = []
    while begin is not None:
        frames.append(begin)
        begin = begin.tb_next
    while frames and frames[-1].tb_frame.f_code.co_filename.startswith(_LIBRARY):
        frames.pop()
    result = None
    for entry in reversed(frames):
        result = types.TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result
