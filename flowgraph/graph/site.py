"""Sites: the user's file and line that made an operation.

A site is captured for every operation, so it is only ``(file name, line number)``; the text of the
line is read when a message or picture shows it.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import sys

Site = tuple[str, int]

#: Site of what no user line made.
NO_SITE: Site = ("", 0)

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
#: Files whose frames are no user's: ours, and what calls the bodies of our ``with`` blocks.
_is_ours: dict[str, bool] = {contextlib.__file__: True}


def find_site() -> Site:
    """Where the innermost frame outside the flowgraph package stands."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        ours = _is_ours.get(file)
        if ours is None:
            ours = _is_ours[file] = file.startswith(_PACKAGE)
        if not ours:
            return file, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return NO_SITE


def format_site(site: Site) -> str:
    """``train.py:8``; empty for NO_SITE."""
    return f"{os.path.basename(site[0])}:{site[1]}" if site[0] else ""


def source_line(site: Site) -> str:
    """The text of the line at ``site``, stripped; empty when the file cannot be read."""
    return linecache.getline(*site).strip()
