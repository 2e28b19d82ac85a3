"""What all tests share: a fresh default graph, and every form verified after every pass."""

from __future__ import annotations

import os

os.environ.setdefault("FLOWGRAPH_VERIFY", "2")

import pytest
from hypothesis import settings

import flowgraph as tf

settings.register_profile("default", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def fresh_default_graph():
    """Each test starts with an empty default graph."""
    tf.reset_default_graph()
    yield
    tf.reset_default_graph()
