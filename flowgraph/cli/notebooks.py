"""A notebook as a program: its code cells, one after the other, without Jupyter.

Lines for the notebook itself (``%matplotlib inline``, ``!pip install ...``) and cells that begin
with ``%%`` are left out, which is said.  Tracebacks show ``train.ipynb, cell 3`` and its line.

Read next: run.py.
"""

from __future__ import annotations

import ast
import json
import linecache
import sys
from types import CodeType
from typing import Any


class NotebookError(ValueError):
    """A file that is no notebook."""


def cells_of(text: bytes, path: str) -> list[tuple[str, str]]:
    """(name for tracebacks, source) of every code cell.

    Args:
        text: the .ipynb file.   path: of it, for names.

    Raises:
        NotebookError: it is no notebook.

    >>> source = b'{"cells": [{"cell_type": "code", "source": ["%matplotlib inline", "a = 1"]}]}'
    >>> cells_of(source, "train.ipynb")
    [('train.ipynb, cell 1', '%matplotlib inlinea = 1')]
    """
    try:
        notebook = json.loads(text)
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        found = [
            cell.get("source", cell.get("input", "")) for cell in cells
            if cell["cell_type"] == "code"
        ]  # fmt: skip
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise NotebookError(f"{path} is no notebook: {error!r}") from None
    sources = [source if isinstance(source, str) else "".join(source) for source in found]
    return [(f"{path}, cell {n}", source) for n, source in enumerate(sources, 1)]


def without_magics(source: str) -> tuple[str, list[str]]:
    r"""The Python of a cell, on the same lines, and what was left out.

    >>> without_magics("%matplotlib inline\nx = 5 % 3\n!ls")
    ('pass\nx = 5 % 3\npass', ['%matplotlib inline', '!ls'])
    """
    if source.lstrip().startswith("%%"):
        return "", [source.lstrip().splitlines()[0]]
    try:
        ast.parse(source)
    except SyntaxError:
        pass
    else:
        return source, []  # a line of a text may begin with % too
    lines, left_out = source.split("\n"), []
    for number, line in enumerate(lines):
        stripped = line.lstrip()
        if stripped.startswith(("%", "!")) or (stripped.endswith("?") and "#" not in stripped):
            left_out.append(stripped)
            lines[number] = line[: len(line) - len(stripped)] + "pass"
    return "\n".join(lines), left_out


def compiled(text: bytes, path: str) -> list[CodeType]:
    """The code of every cell.

    Args:
        text: the .ipynb file.   path: of it.

    Raises:
        NotebookError: it is no notebook.   SyntaxError: a cell is no Python.
    """
    codes: list[CodeType] = []
    for name, source in cells_of(text, path):
        source, left_out = without_magics(source)
        for line in left_out:
            sys.stderr.write(f"flowgraph run: {name}: left out {line}\n")
        lines: Any = [line + "\n" for line in source.split("\n")]
        linecache.cache[name] = (len(source), None, lines, name)
        codes.append(compile(source, name, "exec", dont_inherit=True))
    return codes
