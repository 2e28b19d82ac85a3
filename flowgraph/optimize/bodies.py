"""Sizes inside branches and loops, as far as they are known; part of specialize.py.

    If with a known condition          the nodes of its branch
    EmptyStack whose rows are open     rows as large as what the loop pushes

Read next: specialize.py, flow.py (which Values correspond).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowgraph.errors import InvalidArgumentError, UnimplementedError
from flowgraph.graph.report import op_message
from flowgraph.optimize.flow import carried_count
from flowgraph.optimize.fold import known_outputs
from flowgraph.optimize.frozen import (
    ABSENT,
    FEED,
    VARIABLE,
    VARIES,
    FrozenGraph,
    Node,
    Value,
    eliminate_dead,
    rewrite,
)
from flowgraph.shapes import Dims, is_fully_known

Specialize = Callable[[FrozenGraph], Any]


def with_feed_shapes(
    graph: FrozenGraph, shapes: Sequence[tuple[int, ...]], variables: dict[str, tuple[int, ...]]
) -> FrozenGraph:
    """``graph`` with the given shapes on its feeds (in order) and on named variables."""
    shape_of = dict(zip((v.node for v in graph.feeds), shapes, strict=True))
    feeds: dict[Value, Value] = {v: v for v in graph.feeds}

    def visit(node: Node, out: list[Node]) -> tuple[Value, ...] | None:
        shape: Dims
        if node.type == FEED:
            shape = shape_of[node]
            if shape == node.outputs[0].shape:
                return None
        elif node.type == VARIABLE and not is_fully_known(node.outputs[0].shape):
            shape = variables.get(node.attrs["variable"], ())
        else:
            return None
        new = node.like((), [shape])
        out.append(new)
        feeds[node.outputs[0]] = new.outputs[0]
        return new.outputs

    result = rewrite(graph, visit)
    result.feeds = [feeds[v] for v in graph.feeds]
    return result


def specialize_bodies(
    node: Node, out: list[Node], specialize: Specialize
) -> Node | Sequence[Value]:
    """An If or While whose bodies have known sizes, or the Values that stand for its outputs, whose
    nodes are appended to ``out``.
    """
    inputs = list(node.inputs)
    written = len(node.writes)
    carried = written
    if node.type == "If":
        condition = inputs.pop(written).node.const
        if condition is not None:
            name = "then_branch" if bool(condition) else "else_branch"
            taken = node.bodies[name]
            if not any(v.node.type == ABSENT for v in taken.fetches):
                known = all(is_fully_known(v.shape) for v in inputs)
                try:
                    # NB: inlined nodes are visited no more: their sizes must be known before
                    if known:
                        taken = _specialized(
                            _with_constants(taken, inputs, carried),
                            [v.sizes for v in inputs],
                            specialize,
                        )
                    return _inline(taken, inputs, out)
                except _Varies:
                    pass  # it runs as a host instruction, below
    else:
        carried = carried_count(node)
    bodies = {k: _with_constants(g, inputs, carried) for k, g in node.bodies.items()}
    for position, value in enumerate(inputs):
        if is_open(value):
            row = _row_shape(list(bodies.values()), position, inputs, specialize)
            if row is not None and not is_fully_known(row):
                raise _refusal(node, "elements of what it stacks have sizes that depend on values")
            inputs[position] = closed(value, row, out)
    if any(new is not old for new, old in zip(inputs, _given(node), strict=True)):
        given = list(inputs)
        if node.type == "If":
            given.insert(written, node.inputs[written])
        node = node.like(given)
    sizes = [value.sizes for value in inputs]
    try:
        fixed = {k: _specialized(g, sizes, specialize) for k, g in bodies.items()}
        new = node.like(node.inputs, _result_shapes(node, fixed, inputs))
    except InvalidArgumentError:
        if node.type == "While":
            raise
        return _as_host(node)  # sizes do not fit in one branch: perhaps the other one is taken
    except _Varies:
        return _as_host(node)
    new.attrs = {**node.attrs, **fixed}
    return new


def _as_host(node: Node) -> Node:
    """A node that runs as a host instruction: see runtime/interpret.py."""
    new = node.like(node.inputs)
    new.attrs = {**node.attrs, VARIES: True}
    return new


class _Varies(Exception):
    """Sizes inside an If or While change, or depend on values made there."""


def _given(node: Node) -> list[Value]:
    """The inputs that the bodies are fed with."""
    at = len(node.writes)
    return [v for i, v in enumerate(node.inputs) if node.type != "If" or i != at]


def _result_shapes(
    node: Node, bodies: Mapping[str, FrozenGraph], inputs: Sequence[Value]
) -> list[Dims]:
    results = [g.fetches for name, g in bodies.items() if name != "cond"]
    shapes = [
        (results[-1][i] if value.node.type == ABSENT else value).shape
        for i, value in enumerate(results[0])
    ]
    if node.type == "While":
        others = [value.shape for value in inputs[: carried_count(node)]]
    else:
        others = [
            (results[0][i] if value.node.type == ABSENT else value).shape
            for i, value in enumerate(results[1])
        ]
    if shapes != others:
        raise _Varies
    return shapes


def _refusal(node: Node, reason: str) -> UnimplementedError:
    return UnimplementedError(None, node.op, op_message(f"{node.name}: {reason}", node.op))


def _with_constants(body: FrozenGraph, inputs: Sequence[Value], carried: int) -> FrozenGraph:
    """``body`` with the values of captured constants, which it cannot change."""
    constants = {
        feed: value
        for i, (feed, value) in enumerate(zip(body.feeds, inputs, strict=True))
        if i >= carried and value.node.const is not None
    }

    def visit(inner: Node, out: list[Node]) -> Sequence[Value] | None:
        if inner.type == FEED and inner.outputs[0] in constants:
            out.append(inner)  # a feed keeps its place
            value = constants[inner.outputs[0]]
            out.append(value.node)
            return (value,)
        return None

    return rewrite(body, visit) if constants else body


def _specialized(
    body: FrozenGraph, sizes: Sequence[tuple[int, ...]], specialize: Specialize
) -> FrozenGraph:
    staged = specialize(with_feed_shapes(body, sizes, {}))
    if staged.rest is not None:
        raise _Varies
    return staged.first


def _inline(body: FrozenGraph, inputs: Sequence[Value], out: list[Node]) -> list[Value]:
    new = dict(zip(body.feeds, inputs, strict=True))
    copies: dict[Node, Node] = {}
    for inner in body.nodes:
        if inner.type == FEED:
            continue
        copy = inner.like([new.get(v, v) for v in inner.inputs])
        copy.after = tuple(copies[a] for a in inner.after)
        copies[inner] = copy
        new.update(zip(inner.outputs, copy.outputs, strict=True))
        out.append(copy)
    return [new.get(v, v) for v in body.fetches]


# ------------------------------------------------------------------------------------------- stacks


def is_open(value: Value) -> bool:
    """True for a stack whose capacity is known and whose rows are not."""
    node = value.node
    return (
        node.type == "EmptyStack"
        and node.inputs[0].node.const is not None
        and not is_fully_known(value.shape)
        and not is_fully_known(node.attrs["row_shape"])
    )


def closed(stack: Value, row: Dims, out: list[Node]) -> Value:
    """The open ``stack`` with rows of shape ``row``."""
    node = stack.node
    capacity = node.inputs[0].node.const
    assert capacity is not None
    new = node.like(node.inputs, [(int(capacity), *(row or ()))])
    found = known_outputs(new)
    value = new.outputs[0] if found is None else found[0]
    out.append(value.node)
    return value


def _row_shape(
    bodies: Sequence[FrozenGraph], position: int, inputs: Sequence[Value], specialize: Specialize
) -> Dims:
    """The shape of what the bodies push to the stack that is their feed at ``position``."""
    for body in bodies:
        feed = body.feeds[position]
        for node in body.nodes:
            if feed not in node.inputs:
                continue
            if node.type == "StackStore" and node.inputs[0] is feed:
                return _shapes(body, [node.inputs[2]], inputs, specialize)[0].shape
            if node.bodies:
                given = _given(node)
                others = [v for v in given if v is not feed]
                known = iter(_shapes(body, others, inputs, specialize))
                inner = [inputs[position] if v is feed else next(known) for v in given]
                found = _row_shape(list(node.bodies.values()), given.index(feed), inner, specialize)
                if found is not None:
                    return found
    return None


def _shapes(
    body: FrozenGraph, values: Sequence[Value], inputs: Sequence[Value], specialize: Specialize
) -> Sequence[Value]:
    """``values`` of ``body``, specialised."""
    part = eliminate_dead(FrozenGraph(body.nodes, body.feeds, list(values)))
    # NB: rows that are not known yet are not needed to know what is pushed
    sizes = [(0,) if is_open(v) else v.sizes for v in inputs]
    staged = specialize(with_feed_shapes(part, sizes, {}))
    return staged.first.fetches if staged.rest is None else values
