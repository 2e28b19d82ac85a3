"""docs/operations.md says what the op table says."""

from __future__ import annotations

from tools.operations import PAGE, page


def test_the_page_of_operations_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tools.operations"
