"""Warnings about programs that run, but seldom do what their author means.

debug/lints.py looks for them in graphs; a few are seen where something is made (a data set batched
twice).  All go through ``warn``: a Python warning at the user's line, once per line, which can be
switched off by name.

Read next: debug/lints.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from flowgraph import config
from flowgraph.errors import format_message
from flowgraph.graph.site import Site


class LintWarning(UserWarning):
    """A program that runs, but seldom does what its author means; ``str`` tells the fix."""


#: Lints and lines that have warned: names of operations change, and each line warns once.
_warned: set[tuple[str, Site]] = set()


def warn(
    name: str,
    headline: str,
    operands: Sequence[tuple[str, str, str, str]],
    op: tuple[str, str],
    fix: str,
    site: Site,
) -> None:
    """Warn at ``site``, unless ``name`` is switched off.

    Args:
        name: of the lint, one of config.LINTS.
        headline, operands, op, fix: as of errors.format_message.
    """
    if name in config.get("LINTS") and (name, site) not in _warned:
        _warned.add((name, site))
        text = format_message(f"{headline}  [{name}]", operands, op, fix)
        file, line = site if site[0] else ("<unknown>", 1)
        warnings.warn_explicit(text, LintWarning, file, line)
