"""The gallery: its script draws everything that docs/gallery.md shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import gallery

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_shows_what_the_script_draws():
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert page == gallery.text_of_page(), "run python -m tools.gallery"
    shown = set(re.findall(r"\(gallery/([\w.]+)\)", page))
    drawn = {entry.file for _, entries in gallery.ENTRIES for entry in entries}
    assert shown == drawn | set(gallery.SCREENSHOTS)
    files = {path.name for path in (DOCS / "gallery").iterdir()}
    assert files == shown
    assert sum((DOCS / "gallery" / name).stat().st_size for name in files) < 2_000_000


@pytest.mark.slow
def test_the_script_draws_everything(tmp_path):
    pytest.importorskip("matplotlib")
    gallery.main(["--out", str(tmp_path / "gallery")])
    drawn = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert drawn == {entry.file for _, entries in gallery.ENTRIES for entry in entries}
    for name in ("product.svg", "units.svg", "plan.svg"):
        assert b"<svg" in (tmp_path / "gallery" / name).read_bytes()
