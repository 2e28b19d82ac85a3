"""Where a model's random operations stand, so that training that goes on draws what it would have.

A mask of dropout comes from the operation's seeds and from how many numbers it has drawn.  Without
a seed of its own a layer takes one from NumPy when it is called, which a model that is built again
does differently; so both are stored.

Read next: saving.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flowgraph as tf
from flowgraph.keras.backend.sessions import find_session
from flowgraph.keras.engine.tensors import walk_back


def positions(model: Any) -> list[list[Any]]:
    """[type, seed, seed2, numbers drawn] of every random operation of a model, in order."""
    counters = _counters(model)
    if counters is None:
        return []
    found = []
    for op in _random_operations(model):
        drawn = int(counters[op.name][0]) if op.name in counters else 0
        found.append([op.type, int(op.attrs["seed"]), int(op.attrs["seed2"]), drawn])
    return found


def go_on(model: Any, stored: Sequence[Sequence[Any]]) -> None:
    """Let the random operations of a model that has just been built go on from ``positions``.

    Where its operations are others than those that were stored, they begin anew.
    """
    operations, counters = _random_operations(model), _counters(model)
    if counters is None or [op.type for op in operations] != [row[0] for row in stored]:
        return
    for op, (_, seed, seed2, drawn) in zip(operations, stored, strict=True):
        # NB: nothing has run it yet, so no plan knows other seeds
        op.attrs.update(seed=seed, seed2=seed2)
        _session(model)._state.counter(op.name)[0] = drawn


def _session(model: Any) -> Any:
    with model.outputs[0].graph.as_default():
        return find_session()


def _counters(model: Any) -> Any:
    """What the session has of each operation; None where it has nothing of the kind."""
    if tf.executing_eagerly() or not model.outputs:
        return None
    return getattr(getattr(_session(model), "_state", None), "counters", None)


def _random_operations(model: Any) -> list[Any]:
    """The random operations in the scopes of the model's layers, but for first values."""
    graph = model.outputs[0].graph
    scopes: set[str] = set()
    for node in model._topology.nodes:
        scopes.update(x.op.name.partition("/")[0] for x in node.output_tensors)
    random = [
        op
        for op in graph.get_operations()
        if "seed2" in op.attrs and op.name.partition("/")[0] in scopes
    ]
    if not random:
        return []
    first = walk_back([w.initializer for w in model.weights], lambda op: False)
    return [op for op in random if op not in first]
