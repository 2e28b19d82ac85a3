"""Lets the comparisons use the cases of tests/ops, and ask only for what was selected."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))

#: Types of the records whose tests were selected: the peer is asked about no others.
SELECTED: set[str] = set()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note what -k left."""
    for item in session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if hasattr(params.get("op"), "type"):  # other tests have other parameters of that name
            SELECTED.add(params["op"].type)


@pytest.fixture(scope="session")
def selected() -> frozenset[str]:
    """Types of the records whose tests were selected."""
    return frozenset(SELECTED)
