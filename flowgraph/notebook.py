"""Notebooks: a cell that runs again replaces what it made before, on request.

    import flowgraph as tf
    tf.notebook.replace()                 # from here on; or: %load_ext flowgraph.notebook

Without it a cell that runs twice adds to the graph twice: ``dense_1`` after ``dense``, variables
that exist already, collections that grow.  With it the graph first forgets what the cell made when
it ran last, and what other cells made of that; names and numbers are then the same as the first
time.  A tensor that was forgotten says which line has to run again.  Variables of other cells keep
their values; with ``tf.config.auto_init`` the new ones need no initializer.

In other programs, and to name a part oneself::

    with tf.notebook.cell("model"):
        w = tf.get_variable("w", [3])

Cells are known by the id that notebooks give them; where they have none, by their text.

Read next: graph/forgetting.py.
"""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.forgetting import forget
from flowgraph.graph.node import Operation


class _Run:
    """What the last run of a cell made.

    Attributes:
        graph: where.   operations: what.   start: how many were there before.
        counts: of generated names, when it first began.   others: the same, when it last began.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = weakref.ref(graph)
        self.operations: list[Operation] = []
        self.counts = _copies(graph)
        self.others: dict[Hashable, Counter[str]] = {}
        self.start = graph.version


def _counters(graph: Graph) -> dict[Hashable, Counter[str]]:
    """What numbers the generated names of layers and scopes."""
    found = {}
    for key in graph.collections:
        for item in graph.get_collection(key) if not isinstance(key, str) else ():
            counter = getattr(item, "opened", item)
            if isinstance(counter, Counter):
                found[key] = counter
    return found


def _copies(graph: Graph) -> dict[Hashable, Counter[str]]:
    return {key: Counter(counter) for key, counter in _counters(graph).items()}


_runs: dict[Hashable, _Run] = {}


def _begin(key: Hashable) -> None:
    graph = get_default_graph()
    if graph.executes:
        return
    last = _runs.get(key)
    if last is None or last.graph() is not graph:
        _runs[key] = _Run(graph)
        return
    forget(graph, last.operations)
    last.operations = []
    last.start = graph.version
    last.others = _copies(graph)
    for place, counter in _counters(graph).items():
        counter.clear()
        counter.update(last.counts.get(place, Counter()))


def _end(key: Hashable) -> None:
    graph = get_default_graph()
    run = _runs.get(key)
    if run is None or graph.executes:
        return
    if run.graph() is not graph:  # the cell began with tf.reset_default_graph()
        run = _runs[key] = _Run(graph)
        run.start, run.counts = 0, {}
    run.operations = graph.get_operations()[run.start :]
    for place, counter in _counters(graph).items():
        counter |= run.others.get(place, Counter())


@contextmanager
def cell(name: Hashable) -> Iterator[None]:
    """What is made inside replaces what was made inside a block of the same name before.

    Args:
        name: of the block; any two blocks of one name are runs of the same.

    >>> import flowgraph as tf
    >>> for size in (2, 3):
    ...     with tf.notebook.cell("model"):
    ...         w = tf.get_variable("replaced", [size])
    >>> w.name, w.shape.as_list()
    ('replaced:0', [3])
    """
    key = ("named", name)
    _begin(key)
    try:
        yield
    finally:
        _end(key)


# ----------------------------------------------------------------------------------- IPython


def _key(info: Any) -> Hashable:
    cell_id = getattr(info, "cell_id", None)
    return ("id", cell_id) if cell_id is not None else ("text", getattr(info, "raw_cell", ""))


def _before(info: Any = None) -> None:
    _begin(_key(info))


def _after(result: Any = None) -> None:
    _end(_key(getattr(result, "info", None)))


_shells: weakref.WeakSet[Any] = weakref.WeakSet()


def replace(on: bool = True, shell: Any = None) -> None:
    """Let cells of this notebook replace what they made before.

    The cell that calls it, too: from its next run on.

    Args:
        on: False switches it off.
        shell: of IPython; the one that runs by default.

    Raises:
        RuntimeError: this is no notebook.
    """
    if shell is None and "IPython" in sys.modules:
        shell = sys.modules["IPython"].get_ipython()
    if shell is None:
        raise RuntimeError(
            "tf.notebook.replace: this is no notebook; write `with tf.notebook.cell('model'):` "
            "around what is to be replaced"
        )
    if on == (shell in _shells):
        return
    change = shell.events.register if on else shell.events.unregister
    change("pre_run_cell", _before)
    change("post_run_cell", _after)
    (_shells.add if on else _shells.discard)(shell)


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext flowgraph.notebook``.

    Args:
        ipython: the shell.
    """
    replace(on=True, shell=ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """``%unload_ext flowgraph.notebook``.

    Args:
        ipython: the shell.
    """
    replace(on=False, shell=ipython)
