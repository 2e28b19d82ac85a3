"""Fixtures of the op tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    """Every test builds in a graph of its own."""
    with tf.Graph().as_default():
        yield
