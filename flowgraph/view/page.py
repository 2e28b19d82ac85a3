"""Page: the model of a graph -> one HTML file that needs nothing else.

    assets/viewer.html   the frame and its style
    assets/dagre.min.js  layered layout (MIT, see assets/dagre.LICENSE)
    assets/*.js          the viewer
    model.py             the graph, as JSON in a script element

The page loads nothing: its content security policy forbids it.  Names, source lines and values are
the user's text: they stand in JSON whose ``<`` is escaped, and reach the page as text nodes only.

Read next: assets/graph.js, layout.js, draw.js, panels.js.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "assets"
_SCRIPTS = ("graph.js", "layout.js", "draw.js", "panels.js", "start.js")

#: In JSON inside a script element nothing may look like HTML, or end a line of JavaScript.
_ESCAPED = "<>&\u2028\u2029"


class Page:
    """The text of a page; notebooks show it in a frame of its own.

    Attributes:
        text: the HTML.   title: what it is called.
    """

    def __init__(self, text: str, title: str) -> None:
        self.text, self.title = text, title

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Page {self.title!r} of {len(self.text) // 1000} kB>"

    def save(self, path: Any) -> Path:
        """Write it to a file; returns the path."""
        path = Path(path)
        path.write_text(self.text, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        # In a frame without the notebook's rights: its scripts see nothing but the page itself.
        return (
            f'<iframe srcdoc="{html.escape(self.text)}" sandbox="allow-scripts" '
            'style="width: 100%; height: 640px; border: 1px solid #ccc; border-radius: 8px" '
            f'title="{html.escape(self.title)}"></iframe>'
        )


def as_json(model: dict[str, Any]) -> str:
    """``model`` as JSON that may stand in a script element."""
    text = json.dumps(model, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate({ord(letter): f"\\u{ord(letter):04x}" for letter in _ESCAPED})


def to_html(model: dict[str, Any]) -> str:
    """The page."""
    scripts = "\n".join(_read(name) for name in _SCRIPTS)
    parts = {
        "title": html.escape(model["title"]),
        "style": _read("viewer.css"),
        "dagre": f"/* dagre\n{_read('dagre.LICENSE')}*/\n" + _read("dagre.min.js"),
        "model": as_json(model),
        "viewer": f'(function () {{\n"use strict";\n{scripts}\n}})();',
    }
    page = _read("viewer.html")
    pieces = page.split("{{")
    text = pieces[0]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        text += parts[name] + rest
    return text


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
