"""Every requirement stands, by its id, in the test or the example that checks it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: The graph (G), neurons and learning (N), Keras (K), the exercises with real tables (R).
COUNTS = {"G": 31, "N": 23, "K": 22, "R": 5}
IDS = [f"{letter}{i}" for letter, count in COUNTS.items() for i in range(1, count + 1)]


def mentions() -> dict[str, set[str]]:
    """id -> the files that name it, as a word or at the end of a test's name."""
    found: dict[str, set[str]] = {}
    for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("examples/*.py")]:
        if path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            for name in re.findall(r"(?<![A-Za-z0-9.])([GNKR][1-9][0-9]?)(?![A-Za-z0-9])", text):
                found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


FOUND = mentions()


@pytest.mark.parametrize("name", IDS)
def test_is_checked_somewhere(name: str) -> None:
    assert FOUND.get(name), f"no test or example names {name}: grep -rn {name} tests examples"


def test_examples_say_what_they_cover() -> None:
    for path in ROOT.glob("examples/*.py"):
        text = path.read_text(encoding="utf-8")
        assert re.search(r"Covers REQUIREMENTS [GNKR]\d", text), path.name
        assert path.name in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
