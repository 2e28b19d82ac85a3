"""Branches and loops whose sizes change, one operation after the other in Python.

    while i < n: x = concat([x, x[:1]])     every iteration has other sizes: no plan serves two

What has fixed sizes runs as jumps inside the plan (lower/flow.py); this is the rest: a host
instruction whose bodies are walked with the ops' references.

Read next: optimize/bodies.py (who decides), reference.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.graph.opdef import RANDOM, Call
from flowgraph.optimize.frozen import ABSENT, FEED, FrozenGraph, Node, Value
from flowgraph.optimize.specialize import raise_at_run
from flowgraph.runtime.state import State
from flowgraph.shapes import ShapeError


def run_flow(node: Node, arrays: Sequence[np.ndarray], state: State) -> list[np.ndarray]:
    """The outputs of an If or While."""
    written = len(node.writes)
    if node.type == "If":
        taken = "then_branch" if bool(arrays[written]) else "else_branch"
        given = [*arrays[:written], *arrays[written + 1 :]]
        return _run(node.bodies[taken], given, state)
    cond, body = node.bodies["cond"], node.bodies["body"]
    carried, captured = list(arrays[: len(node.outputs)]), list(arrays[len(node.outputs) :])
    while bool(_run(cond, [*carried, *captured], state)[-1]):
        carried = _run(body, [*carried, *captured], state)
    return carried


def _run(graph: FrozenGraph, feeds: Sequence[np.ndarray], state: State) -> list[np.ndarray]:
    """The fetches of a body."""
    known: dict[Value, np.ndarray] = dict(zip(graph.feeds, feeds, strict=True))
    for node in graph.nodes:
        if node.type == FEED:
            continue
        if node.const is not None:
            known[node.outputs[0]] = node.const
        elif node.type == ABSENT:
            known[node.outputs[0]] = np.zeros((), bool)
        else:
            arrays = [known[v] for v in node.inputs]
            if node.bodies:
                results = run_flow(node, arrays, state)
            else:
                results = evaluate(node, arrays, state)
            known.update(zip(node.outputs, results, strict=True))
    return [known[v] for v in graph.fetches]


def evaluate(node: Node, arrays: list[np.ndarray], state: Any) -> list[np.ndarray]:
    """The outputs of one operation by its reference, with the shapes that the arrays have.

    state: has ``counter(name)``, the position of a random stream.
    """
    assert node.opdef is not None
    call = Call(
        node.type,
        node.attrs,
        [v.dtype for v in node.inputs],
        [a.shape for a in arrays],
        [v.dtype for v in node.outputs],
        value=lambda i: arrays[i],
        name=node.name,
    )
    try:
        call.out_shapes = list(node.opdef.infer(call))
    except ShapeError as error:
        raise_at_run(node, error)
    given = [state.counter(node.name), *arrays] if node.effect == RANDOM else arrays
    with np.errstate(all="ignore"):
        results = node.opdef.reference(call, *given)
    if not isinstance(results, (tuple, list)):
        results = () if results is None else (results,)
    return [
        np.asarray(result, dtype=value.dtype.np)
        for result, value in zip(results, node.outputs, strict=True)
    ]
