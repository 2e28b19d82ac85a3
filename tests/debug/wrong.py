"""``@wrong``: a small program with a mistake, and what its error must say.

The line at fault carries the comment ``# WRONG``; lines that make its operands carry ``# MADE``.
The message must name all of them as ``file:line``.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Program:
    """A wrong program: what it raises, and texts that the message contains, the fix last."""

    run: Any
    error: type[BaseException]
    texts: tuple[str, ...]
    names_line: bool

    @property
    def name(self):
        return f"{self.run.__module__.rpartition('.')[2]}-{self.run.__name__}"

    def lines(self, mark):
        """Where the comment ``mark`` stands, as ``file:line``."""
        source, first = inspect.getsourcelines(self.run)
        file = inspect.getsourcefile(self.run).rpartition("/")[2]
        return [f"{file}:{first + i}" for i, text in enumerate(source) if f"# {mark}" in text]


PROGRAMS: list[Program] = []


def wrong(error, *texts, names_line=True):
    """Register a program.  ``names_line=False``: Python's traceback says the line."""

    def register(run):
        PROGRAMS.append(Program(run, error, texts, names_line))
        return run

    return register
