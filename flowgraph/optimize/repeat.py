"""One run's FrozenGraph -> a FrozenGraph that runs it many times: the loop around training steps.

    step:   loss, w' = f(x, w)      ==>     i = 0
                                            while i < steps:  x = data[order[i]]
                                                              losses[i], w = f(x, w)
                                                              i = i + 1

It becomes a While, so all that holds for loops (optimize/flow.py, lower/flow.py) holds here:
variables are updated in their buffers, and no Python runs in between.

Read next: steps.py, who asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype, bool_, int32
from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.opdef import OPDEFS, PURE
from flowgraph.graph.report import op_message
from flowgraph.optimize.flow import feed_like, rebuilt
from flowgraph.optimize.frozen import (
    FEED,
    RESIZES,
    VARIABLE,
    FrozenGraph,
    Node,
    Value,
    constant,
)
from flowgraph.shapes import Dims


def _feed(name: str, dtype: DType, dims: Dims, op: Any = None) -> Value:
    node = Node(FEED, None, {}, (), name, op)
    node.outputs = (Value(node, 0, dtype, dims),)
    return node.outputs[0]


def _const(value: Any) -> Value:
    array = np.asarray(value)
    return constant(array, as_dtype(array.dtype), "const", OPDEFS["Const"])


def _made(type: str, inputs: Sequence[Value], of: DType, dims: Dims, **attrs: Any) -> Value:
    node = Node(type, OPDEFS[type], attrs, inputs, f"steps/{type}")
    node.outputs = (Value(node, 0, of, dims),)
    return node.outputs[0]


def _row(table: Value, index: Value, dims: Dims) -> Value:
    attrs = {"Tparams": table.dtype, "Tindices": index.dtype, "Taxis": int32, "batch_dims": 0}
    return _made("GatherV2", (table, index, _const(np.int32(0))), table.dtype, dims, **attrs)


def repeat(
    step: FrozenGraph, batched: Sequence[bool], room: int, *, every: bool, until: int | None
) -> FrozenGraph:
    """The graph that runs ``step`` again and again.

    Args:
        step: the graph of one step.
        batched: for each of its feeds, whether it is a batch of rows of a larger array.
        room: the most steps.
        every: keep the fetches of every step; else of the last.
        until: the fetch of ``step`` that says whether to stop after the step, if there is one.

    Returns:
        A graph whose feeds are: the number of steps (int32), the rows of each step's batch (int32
        [steps, batch]), then ``step``'s feeds, or the arrays they are rows of.  Its fetches are the
        number of steps done and, for each fetch of ``step``, a stack (of one, unless ``every``).

    Raises:
        InvalidArgumentError: a variable may change its size.
    """
    variables = [n for n in step.nodes if n.type == VARIABLE]
    written = dict.fromkeys(name for n in step.nodes for name in n.writes)
    for node in step.nodes:
        if node.attrs.get(RESIZES):
            raise InvalidArgumentError(
                None, node.op, op_message(f"{node.name} may change the size of a variable", node.op)
            )
    own = {n.attrs["variable"]: n.outputs[0] for n in variables}
    versions = [own[name] for name in written]
    others = [own[name] for name in own if name not in written]

    steps, order = _feed("steps", int32, ()), _feed("order", int32, (None, None))
    arrays = []
    for value, rows in zip(step.feeds, batched, strict=True):
        dims = value.shape
        if rows and dims is not None:
            dims = (None, *dims[1:])
        arrays.append(_feed(value.node.name, value.dtype, dims, value.node.op))

    capacity = _const(np.int32(room if every else 1))
    stacks = [
        _made("EmptyStack", (capacity,), v.dtype, None, dtype=v.dtype, row_shape=None,
              unwritten=True)
        for v in step.fetches
    ]  # fmt: skip
    zero, never = _const(np.int32(0)), _const(np.bool_(False))
    stops = until is not None
    carried = [*versions, zero, *([never] if stops else []), *stacks]
    inputs = [*carried, steps, order, *arrays, *others]

    owner = Node("While", OPDEFS["While"], {"back_prop": False}, inputs, "steps")
    owner.writes = tuple(written)
    owner.outputs = tuple(Value(owner, i, v.dtype, v.shape) for i, v in enumerate(carried))
    owner.attrs["cond"] = _condition(inputs, len(versions), stops)
    owner.attrs["body"] = _body(step, inputs, versions, others, batched, every=every, until=until)
    effects = {n.effect for n in step.nodes if n.effect != PURE}
    owner.effects = frozenset(effects)

    feeds = [steps, order, *arrays]
    nodes = [*(v.node for v in feeds), *variables, capacity.node, zero.node, never.node]
    nodes += [v.node for v in stacks]
    nodes.append(owner)
    first = len(versions) + 1 + stops
    fetches = [owner.outputs[len(versions)], *owner.outputs[first:]]
    return FrozenGraph(nodes, feeds, fetches)


def _condition(inputs: Sequence[Value], place: int, until: bool) -> FrozenGraph:
    """``i < steps``, and not stopped.  ``place``: where i is."""
    feeds = [feed_like(v) for v in inputs]
    position = {v: k for k, v in enumerate(inputs)}
    steps = next(k for v, k in position.items() if v.node.name == "steps" and v.node.type == FEED)
    goes_on = _made("Less", (feeds[place], feeds[steps]), bool_, (), T=int32)
    nodes = [v.node for v in feeds] + [goes_on.node]
    if until:
        running = _made("LogicalNot", (feeds[place + 1],), bool_, ())
        goes_on = _made("LogicalAnd", (goes_on, running), bool_, ())
        nodes += [running.node, goes_on.node]
    return FrozenGraph(nodes, feeds, [*feeds[:place], goes_on])


def _body(
    step: FrozenGraph,
    inputs: Sequence[Value],
    versions: Sequence[Value],
    others: Sequence[Value],
    batched: Sequence[bool],
    *,
    every: bool,
    until: int | None,
) -> FrozenGraph:
    """One step, and what is kept of it."""
    feeds = [feed_like(v) for v in inputs]
    place = len(versions)
    index = feeds[place]
    first_array = len(feeds) - len(others) - len(batched)
    order = feeds[first_array - 1]
    first_stack = place + 1 + (until is not None)
    replace = dict(zip(versions, feeds, strict=False))
    replace.update(zip(others, feeds[len(feeds) - len(others) :], strict=True))
    made: list[Node] = []
    rows = None
    for k, (value, is_batch) in enumerate(zip(step.feeds, batched, strict=True)):
        array = feeds[first_array + k]
        if is_batch:
            if rows is None:
                rows = _row(order, index, (None,))
                made += [rows.node.inputs[2].node, rows.node]
            dims = value.shape
            batch = _row(array, rows, None if dims is None else (None, *dims[1:]))
            made += [batch.node.inputs[2].node, batch.node]
            array = batch
        replace[value] = array
    gone = {n for n in step.nodes if n.type in (FEED, VARIABLE)}
    body = rebuilt(step, feeds, made, replace, gone)
    nodes = body.nodes
    stop = [] if until is None else [body.fetches[until]]
    last = {v.node.attrs["variable"]: feeds[k] for k, v in enumerate(versions)}
    for node in nodes:
        last.update(zip(node.writes, node.outputs, strict=False))
    one = _const(np.int32(1))
    following = _made("AddV2", (index, one), int32, (), T=int32)
    at = index
    if not every:
        at = _const(np.int32(0))
        nodes.append(at.node)
    pushed = [
        _made("StackStore", (stack, at, value), value.dtype, None, T=value.dtype)
        for stack, value in zip(feeds[first_stack:], body.fetches, strict=False)
    ]
    nodes += [one.node, following.node, *(v.node for v in pushed)]
    return FrozenGraph(nodes, feeds, [*last.values(), following, *stop, *pushed])
