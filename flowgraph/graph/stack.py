"""The stack of ``with graph.as_default():`` blocks, one per thread.

Apart from default.py so that Graph itself can use it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowgraph.graph.core import Graph


class _Stack(threading.local):
    def __init__(self) -> None:
        self.graphs: list[Graph] = []


stack = _Stack()


@contextmanager
def graph_as_default(graph: Graph) -> Iterator[Graph]:
    """See Graph.as_default."""
    stack.graphs.append(graph)
    try:
        yield graph
    finally:
        if not stack.graphs or stack.graphs[-1] is not graph:
            raise AssertionError("as_default() blocks were left in another order than entered")
        stack.graphs.pop()
