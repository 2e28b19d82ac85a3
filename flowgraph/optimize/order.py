"""Pass ``order``: make variable versions safe to keep in one buffer.

A write puts version k+1 where version k was.  Every user of version k must therefore have run
before the write; where one cannot (it depends on the write itself) it gets a copy of version k made
in time.

    %1 = AssignAdd(v@0, 1)   %2 = Mul(v@0, %1)   ==>   %c = Copy(v@0)   %1 = AssignAdd(v@0, 1)   %2
    = Mul(%c, %1)

Needs: known shapes.  Guarantees: in the returned order, and in any other that keeps inputs,
``after`` and the returned ``earlier`` edges, no old version is used after its overwriting.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from flowgraph.graph.opdef import Loops, OpDef, elementwise, not_differentiable, parse_signature
from flowgraph.optimize.frozen import VARIABLE, FrozenGraph, Node, Value
from flowgraph.optimize.views import inputs_read, is_view, storage

Edges = dict[Node, list[Node]]

#: A materialised copy; exists only after this pass.
COPY = OpDef(
    "Copy",
    parse_signature("x: T -> y: T", {"T": ""}),
    infer=lambda call: [call.shapes[0]],
    kernel=elementwise(lambda s, x: x),
    grad=not_differentiable("made after gradients"),
    reference=lambda call, x: x.copy(),
    samples=(),
    errors=(),
    effect="",
    doc="A copy of a value in a buffer of its own.",
)


def copy_of(value: Value, name: str) -> Node:
    """A Copy node of ``value``."""
    node = Node("Copy", COPY, {}, (value,), f"{name}/copy", value.node.op)
    node.outputs = (Value(node, 0, value.dtype, value.shape),)
    return node


def order_effects(graph: FrozenGraph) -> tuple[FrozenGraph, Edges]:
    """The ordered graph and, per write, the nodes that must run earlier."""
    writes = [n for n in graph.nodes if n.writes]
    if not writes:
        return graph, {}
    graph = _protect_old_versions(graph, writes)
    earlier = _users_before_writes(graph)
    position = {node: i for i, node in enumerate(graph.nodes)}
    nodes = _kahn(graph.nodes, earlier, position.__getitem__)
    return FrozenGraph(nodes, graph.feeds, graph.fetches), earlier


def _protect_old_versions(graph: FrozenGraph, writes: list[Node]) -> FrozenGraph:
    """Insert a Copy wherever an old version is used after (or fetched beside) its overwriting."""
    latest_last = _kahn(graph.nodes, {}, lambda n: (bool(n.writes), 0))
    place = {node: i for i, node in enumerate(latest_last)}
    graph = FrozenGraph(latest_last, graph.feeds, graph.fetches)
    users = _users_by_storage(graph)
    overwritten: dict[Value, Node] = {}
    for write in sorted(writes, key=place.__getitem__):
        for old in _versions_before(write):
            overwritten.setdefault(old, write)
    late: set[tuple[Node, Value]] = set()
    copied: set[Value] = set()
    for old, write in overwritten.items():
        for user, value in users.get(old, ()):
            if user is not write and not is_view(user) and place[user] > place[write]:
                late.add((user, value))
                copied.add(value)
    for write in writes:
        for value in _read_elsewhere(write):
            late.add((write, value))
            copied.add(value)
    fetched = {v for v in graph.fetches if storage(v) in overwritten}
    copied |= fetched
    if not copied:
        return graph
    copies: dict[Value, Value] = {}
    nodes: list[Node] = []
    # Values keep their identity here: only the late users and fetches are pointed at the copies.
    for node in graph.nodes:
        if any((node, v) in late for v in node.inputs):
            refs = len(node.writes)  # the versions that a write overwrites stay what they are
            node.inputs = node.inputs[:refs] + tuple(
                copies[v] if (node, v) in late else v for v in node.inputs[refs:]
            )
        nodes.append(node)
        for value in node.outputs:
            if value in copied:
                copy = copy_of(value, node.name)
                nodes.append(copy)
                copies[value] = copy.outputs[0]
    fetches = [copies[v] if v in fetched else v for v in graph.fetches]
    return FrozenGraph(nodes, graph.feeds, fetches)


def _read_elsewhere(write: Node) -> list[Value]:
    """What ``write`` reads of the memory it overwrites, other than each element at its own place.

    ``v <- transpose(v)`` reads elements after it has overwritten them.
    """
    old = set(_versions_before(write))
    rule = None if write.opdef is None else write.opdef.kernel
    by_element = isinstance(rule, Loops) and rule.reduced is None and rule.operands is None
    return [
        value
        for value in write.inputs[len(write.writes) :]
        if storage(value) in old and not (by_element and value in old)
    ]


def _versions_before(write: Node) -> list[Value]:
    """The versions whose buffers ``write`` overwrites."""
    return [storage(write.inputs[i]) for i in range(len(write.writes))]


def _users_by_storage(graph: FrozenGraph) -> dict[Value, list[tuple[Node, Value]]]:
    """Who reads each stored Value, directly or through views: (node, the input it reads)."""
    users: dict[Value, list[tuple[Node, Value]]] = {}
    for node in graph.nodes:
        for value in inputs_read(node):
            users.setdefault(storage(value), []).append((node, value))
    return users


def _users_before_writes(graph: FrozenGraph) -> Edges:
    users = _users_by_storage(graph)
    earlier: Edges = {}
    for write in graph.nodes:
        if write.writes:
            earlier[write] = [
                user
                for old in _versions_before(write)
                if old.node.type == VARIABLE or old.node.writes
                for user, _ in users.get(old, ())
                if user is not write
            ]
    return earlier


def _kahn(nodes: list[Node], earlier: Edges, key: Callable[[Node], object]) -> list[Node]:
    """Topological order, smallest ``key`` first (ties: given order)."""
    waiting: dict[Node, int] = {}
    then: Edges = {}
    for node in nodes:
        before = {v.node for v in node.inputs}
        before.update(node.after)
        before.update(earlier.get(node, ()))
        before.discard(node)
        waiting[node] = len(before)
        for other in before:
            then.setdefault(other, []).append(node)
    position = {node: i for i, node in enumerate(nodes)}
    heap = [(key(n), position[n], n) for n in nodes if not waiting[n]]
    heapq.heapify(heap)
    ordered: list[Node] = []
    ready: deque[Node] = deque()
    while heap:
        _, _, node = heapq.heappop(heap)
        ordered.append(node)
        for other in then.get(node, ()):
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
        while ready:
            other = ready.popleft()
            heapq.heappush(heap, (key(other), position[other], other))
    assert len(ordered) == len(nodes), "effect order has a cycle"
    return ordered
