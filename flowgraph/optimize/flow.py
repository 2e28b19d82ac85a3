"""Passes over branches and loops: what one does not need goes, what it does not change leaves it.

    prune   loop variables, results and captures that nobody looks at; variables that never change
    sink    operations that only one branch uses move into it
    hoist   operations of a body that see nothing of the loop move in front of it

The Values of an If or While (made by freeze.py) correspond by position:

    While   inputs = [carried..., captured...]   outputs = [carried...]
            cond, body: feeds as inputs; body fetches as outputs; cond: ..., condition
    If      inputs = [versions..., condition, captured...]   outputs = [versions..., results...]
            branches: feeds as inputs without the condition; fetches as outputs

where *carried* begins with the versions of the session's variables that the bodies write.

Read next: specialize.py (sizes), lower/flow.py.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from flowgraph.graph.opdef import Custom, Loops, View
from flowgraph.optimize.frozen import (
    ABSENT,
    FEED,
    PURE,
    FrozenGraph,
    Node,
    Value,
    eliminate_dead,
    is_live_root,
    rewrite,
)


def carried_count(node: Node) -> int:
    """How many inputs of a While are carried: the rest is captured."""
    return len(node.outputs)


# -------------------------------------------------------------------------------------------- prune


def prune(graph: FrozenGraph) -> FrozenGraph:
    """Drop what Ifs and Whiles carry for nobody; see the module docstring."""
    if not any(node.bodies for node in graph.nodes):
        return graph
    alive = _alive_outputs(graph)

    def visit(node: Node, out: list[Node]) -> Sequence[Value] | None:
        if not node.bodies:
            return None
        place = alive.get(id(node.attrs), frozenset())
        shrink = _shrunk_while if node.type == "While" else _shrunk_if
        return shrink(node, place, out)

    return rewrite(graph, visit)


def _alive_outputs(graph: FrozenGraph) -> dict[int, frozenset[int]]:
    """For each If and While (by its attrs, which a rewrite keeps) the outputs that are used."""
    used: set[Value] = set(graph.fetches)
    found: dict[int, frozenset[int]] = {}
    for node in reversed(graph.nodes):
        if is_live_root(node) or not used.isdisjoint(node.outputs) or not node.outputs:
            used.update(node.inputs)
        if node.bodies:
            found[id(node.attrs)] = frozenset(v.index for v in node.outputs if v in used)
    return found


class _Reach:
    """Which feeds of a body Values depend on; what was walked once is not walked again."""

    def __init__(self, body: FrozenGraph) -> None:
        self.position = {value: i for i, value in enumerate(body.feeds)}
        self.seen: set[Value] = set()

    def more(self, starts: Iterable[Value]) -> set[int]:
        """Positions of the feeds that ``starts`` depend on, less those found before."""
        found: set[int] = set()
        stack = list(starts)
        while stack:
            value = stack.pop()
            if value in self.seen:
                continue
            self.seen.add(value)
            if value in self.position:
                found.add(self.position[value])
            else:
                stack.extend(value.node.inputs)
                stack.extend(v for node in value.node.after for v in node.inputs)
        return found


def _effects(body: FrozenGraph) -> list[Value]:
    """What the nodes that run for their effect need."""
    return [v for node in body.nodes if is_live_root(node) for v in node.inputs]


def _select(body: FrozenGraph, feeds: Sequence[int], fetches: Sequence[Value]) -> FrozenGraph:
    return eliminate_dead(FrozenGraph(body.nodes, [body.feeds[i] for i in feeds], list(fetches)))


def _shrunk_while(node: Node, alive: frozenset[int], out: list[Node]) -> Sequence[Value] | None:
    cond, body = node.bodies["cond"], node.bodies["body"]
    carried, written = carried_count(node), len(node.writes)
    unchanged = {i for i in range(written, carried) if body.fetches[i] is body.feeds[i]}
    needed = set(range(written)) | _Reach(cond).more([*cond.fetches, *_effects(cond)])
    reach = _Reach(body)
    needed |= reach.more(_effects(body))
    todo = [i for i in {*needed, *alive} if i < carried]
    needed.update(todo)
    while todo:
        more = reach.more([body.fetches[todo.pop()]]) - needed
        needed |= more
        todo += [i for i in more if i < carried]
    kept = [i for i in range(carried) if i in needed and i not in unchanged]
    captured = [i for i in range(len(node.inputs)) if i in needed and i not in kept]
    if len(kept) == carried and len(captured) == len(node.inputs) - carried:
        return None
    order = [*kept, *captured]
    new = _without(node, [node.inputs[i] for i in order], kept)
    new.attrs = {
        **node.attrs,
        "cond": _select(cond, order, [*cond.fetches[:written], cond.fetches[-1]]),
        "body": _select(body, order, [body.fetches[i] for i in kept]),
    }
    if kept or new.effects:
        out.append(new)
    place = {i: k for k, i in enumerate(kept)}
    # what never changes is what it was at the start; what nobody looks at may be anything
    return [
        new.outputs[place[i]] if i in place else node.inputs[i] for i in range(carried)
    ]


def _shrunk_if(node: Node, alive: frozenset[int], out: list[Node]) -> Sequence[Value] | None:
    written, count = len(node.writes), len(node.outputs)
    kept = [i for i in range(count) if i < written or i in alive]
    needed: set[int] = set(range(written))
    for branch in node.bodies.values():
        starts = [*(branch.fetches[i] for i in kept), *_effects(branch)]
        needed |= _Reach(branch).more(starts)
    feeds = sorted(needed)
    given = [v for i, v in enumerate(node.inputs) if i != written]
    if len(kept) == count and len(feeds) == len(given):
        return None
    inputs = [given[i] for i in feeds]
    inputs.insert(written, node.inputs[written])
    new = _without(node, inputs, kept)
    new.attrs = {
        **node.attrs,
        **{
            name: _select(branch, feeds, [branch.fetches[i] for i in kept])
            for name, branch in node.bodies.items()
        },
    }
    if kept or new.effects:
        out.append(new)
    place = {i: k for k, i in enumerate(kept)}
    return [new.outputs[place[i]] if i in place else node.inputs[written] for i in range(count)]


def _without(node: Node, inputs: Sequence[Value], kept: Sequence[int]) -> Node:
    """``node`` with these inputs and some of its outputs."""
    new = node.like(inputs)
    new.outputs = tuple(
        Value(new, k, node.outputs[i].dtype, node.outputs[i].shape) for k, i in enumerate(kept)
    )
    return new


# --------------------------------------------------------------------------------------------- sink


def sink(graph: FrozenGraph) -> FrozenGraph:
    """Move what only one branch of an If uses into it; see the module docstring."""
    if not any(node.type == "If" for node in graph.nodes):
        return graph
    consumers = graph.consumers()
    fetched = set(graph.fetches)
    moved: dict[Node, tuple[Node, str]] = {}  # node -> If and branch

    def goes_with(node: Node) -> tuple[Node, str] | None:
        """The one If and branch that use what ``node`` makes."""
        if node.effect != PURE or node.opdef is None or node.type in ("Const", ABSENT, "If"):
            return None
        targets: set[tuple[Node, str]] = set()
        for value in node.outputs:
            if value in fetched:
                return None
            for consumer in consumers.get(value, ()):
                if consumer in moved:
                    targets.add(moved[consumer])
                    continue
                if consumer.type != "If":
                    return None
                users = _users(consumer, value)
                if users is None:
                    return None
                targets.update((consumer, name) for name in users)
        return targets.pop() if len(targets) == 1 else None

    for node in reversed(graph.nodes):
        target = goes_with(node)
        if target is not None:
            moved[node] = target
    if not moved:
        return graph
    return _with_moved(graph, moved)


def _users(node: Node, value: Value) -> list[str] | None:
    """The branches of an If that use an input; None when it is more than a capture."""
    written = len(node.writes)
    positions = [i for i, v in enumerate(node.inputs) if v is value]
    if any(i <= written for i in positions):
        return None
    names = []
    for name, branch in node.bodies.items():
        feeds = {branch.feeds[i - 1] for i in positions}
        used = {v for inner in branch.nodes for v in inner.inputs} | set(branch.fetches)
        if feeds & used:
            names.append(name)
    return names


def _with_moved(graph: FrozenGraph, moved: dict[Node, tuple[Node, str]]) -> FrozenGraph:
    arriving: dict[Node, dict[Node, str]] = {}
    for node in graph.nodes:
        if node in moved:
            owner, name = moved[node]
            arriving.setdefault(owner, {})[node] = name
    nodes: list[Node] = []
    new: dict[Value, Value] = {}
    copies: dict[Node, Node] = {}
    for node in graph.nodes:
        if node in moved:
            continue
        current = _taking(node, arriving[node]) if node in arriving else node
        touched = not new.keys().isdisjoint(current.inputs) or any(a in copies for a in node.after)
        if touched or current is not node:
            current = current.like([new.get(v, v) for v in current.inputs])
            current.after = tuple(copies.get(a, a) for a in node.after)
            copies[node] = current
            new.update(zip(node.outputs, current.outputs, strict=True))
        nodes.append(current)
    return FrozenGraph(nodes, graph.feeds, [new.get(v, v) for v in graph.fetches])


def _taking(node: Node, arriving: dict[Node, str]) -> Node:
    """An If into whose branches the nodes of ``arriving`` have moved."""
    written = len(node.writes)
    made = {v for moved in arriving for v in moved.outputs}
    captured = node.inputs[written + 1 :]
    kept = [i for i, v in enumerate(captured) if v not in made]
    more = dict.fromkeys(
        v for n in arriving for v in n.inputs if v not in made and v.node.const is None
    )
    attrs = dict(node.attrs)
    for name, branch in node.bodies.items():
        given = {value: feed_like(value) for value in more}
        feeds = [*branch.feeds[:written], *(branch.feeds[written + i] for i in kept)]
        feeds += given.values()
        first: list[Node] = []
        new: dict[Value, Value] = dict(given)
        for moved, goal in arriving.items():
            if goal == name:
                first += [v.node for v in moved.inputs if v.node.const is not None]
                copy = moved.like([new.get(v, v) for v in moved.inputs])
                first.append(copy)
                new.update(zip(moved.outputs, copy.outputs, strict=True))
        replace = {branch.feeds[written + i]: new[v] for i, v in enumerate(captured) if v in new}
        gone = {v.node for v in branch.feeds} - {v.node for v in feeds}
        attrs[name] = rebuilt(branch, feeds, first, replace, gone)
    inputs = [*node.inputs[: written + 1], *(captured[i] for i in kept), *more]
    result = node.like(inputs)
    result.attrs = attrs
    return result


def feed_like(value: Value) -> Value:
    """A feed of a body that stands for a Value outside."""
    node = Node(FEED, None, {}, (), value.node.name, value.node.op)
    node.outputs = (Value(node, 0, value.dtype, value.shape),)
    return node.outputs[0]


def rebuilt(
    body: FrozenGraph,
    feeds: list[Value],
    first: Iterable[Node],
    replace: Mapping[Value, Value],
    gone: Container[Node],
) -> FrozenGraph:
    """``body`` behind the nodes ``first``, with other feeds and Values, without the nodes ``gone``.

    The feeds stand in front.
    """
    nodes = [v.node for v in feeds]
    known = set(nodes)
    for node in first:
        if node not in known:
            known.add(node)
            nodes.append(node)
    new: dict[Value, Value] = dict(replace)
    copies: dict[Node, Node] = {}
    for node in body.nodes:
        if node in gone or node in known:
            continue
        if new.keys().isdisjoint(node.inputs) and not any(a in copies for a in node.after):
            nodes.append(node)
            continue
        copy = node.like([new.get(v, v) for v in node.inputs])
        copy.after = tuple(copies.get(a, a) for a in node.after)
        copies[node] = copy
        new.update(zip(node.outputs, copy.outputs, strict=True))
        nodes.append(copy)
    return FrozenGraph(nodes, feeds, [new.get(v, v) for v in body.fetches])


# -------------------------------------------------------------------------------------------- hoist

#: They may fail, and the loop may not run at all.
_MAY_FAIL = frozenset(("FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod", "Div", "Mod"))


def hoist(graph: FrozenGraph) -> FrozenGraph:
    """Move what a loop computes anew each time in front of it; see the module docstring."""
    if not any(node.type == "While" for node in graph.nodes):
        return graph

    def visit(node: Node, out: list[Node]) -> Sequence[Value] | None:
        if node.type != "While":
            return None
        new = node
        for name in ("cond", "body"):
            new = _hoisted(new, name, out)
        if new is node:
            return None
        out.append(new)
        return new.outputs

    return rewrite(graph, visit)


def _can_leave(node: Node) -> bool:
    if node.effect != PURE or node.opdef is None or node.bodies:
        return False
    rule = node.opdef.kernel
    if not isinstance(rule, (View, Loops, Custom)) or node.type in _MAY_FAIL:
        return False
    # what it makes must not be much larger than what it is made of
    return all(v.shape is not None and None not in v.shape for v in node.outputs) and sum(
        v.size for v in node.outputs
    ) <= 2 * max((v.size for v in node.inputs if v.shape and None not in v.shape), default=1)


def _hoisted(node: Node, name: str, out: list[Node]) -> Node:
    body = node.bodies[name]
    carried = carried_count(node)
    outside = dict(list(zip(body.feeds, node.inputs, strict=True))[carried:])
    leaving: dict[Node, Node] = {}
    for inner in body.nodes:
        if not inner.inputs or not _can_leave(inner):
            continue
        if all(v in outside or v.node.const is not None for v in inner.inputs) and any(
            v in outside for v in inner.inputs
        ):
            copy = inner.like([outside.get(v, v) for v in inner.inputs])
            leaving[inner] = copy
            outside.update(zip(inner.outputs, copy.outputs, strict=True))
    if not leaving:
        return node
    stays = [n for n in body.nodes if n not in leaving]
    used = {v for n in stays for v in n.inputs} | set(body.fetches)
    wanted = [v for n in leaving for v in n.outputs if v in used]
    for copy in leaving.values():
        out.extend(v.node for v in copy.inputs if v.node.const is not None)
        out.append(copy)
    new = node.like([*node.inputs, *(outside[v] for v in wanted)])
    attrs = dict(node.attrs)
    for key, other in node.bodies.items():
        given = {value: feed_like(value) for value in wanted}
        feeds = [*other.feeds, *given.values()]
        mine = key == name
        attrs[key] = rebuilt(other, feeds, (), given if mine else {}, leaving if mine else ())
    new.attrs = attrs
    return new
