"""FrozenGraph + the sizes of one run -> FrozenGraph in which every shape is known.

Walks the nodes once with the ops' own infer rules; shape arithmetic (``shape(x)[0]``, reshape
targets, broadcast axes of gradients) folds to constants on the way.

Where a size depends on a value that only the run can give (``reshape(x, fed_shape)``, a py_func
without static shape), the graph is cut into stages: what can be planned runs first; its boundary
values then enter the rest as feeds, or, when a shape depends on them, as constants.

Read next: session.py drives the stages; fuse.py takes the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.opdef import OPDEFS, Compiled, Procedure
from flowgraph.graph.report import op_message
from flowgraph.optimize.bodies import closed, is_open, specialize_bodies
from flowgraph.optimize.fold import known_outputs
from flowgraph.optimize.frozen import (
    ABSENT,
    CHECK,
    FEED,
    HOST,
    RESIZES,
    VARIABLE,
    WRITE,
    FrozenGraph,
    Node,
    Value,
    constant,
    rewrite,
)
from flowgraph.optimize.views import inputs_read
from flowgraph.shapes import Dims, ShapeError, format_dims, is_fully_known

#: Integer tensors up to this many elements may be shapes, axes or sizes.
MAX_SHAPE_VALUE_SIZE = 64


@dataclass(frozen=True, slots=True)
class Staged:
    """The outcome of specialising.

    changed: False when every size was known before, so that ``first`` is as the passes left it.
    first: the part that can be planned now; its fetches are the boundary Values.
    boundary: Values of ``rest`` that ``first``'s fetches stand for, in order; empty when all is
    planned.
    by_value: for each boundary Value, whether ``rest`` needs its value (else its shape alone).
    rest: the remaining FrozenGraph, in which boundary Values are still made by nodes of the first
    part;
        None when all is planned.
    """

    first: FrozenGraph
    changed: bool = True
    boundary: tuple[Value, ...] = ()
    by_value: tuple[bool, ...] = ()
    rest: FrozenGraph | None = None


def specialize(graph: FrozenGraph) -> Staged:
    """Make every shape known, or cut the graph where that needs a run."""
    blocked: set[Node] = set()
    blocked_writes: set[str] = set()
    host_blocked = False
    stuck: list[Node] = []

    def visit(node: Node, out: list[Node]) -> Sequence[Value] | None:
        nonlocal host_blocked
        waits = bool(blocked) and (
            any(v.node in blocked for v in node.inputs)
            or any(a in blocked for a in node.after)
            or any(name in blocked_writes for name in node.writes)
            or (node.effect in (CHECK, HOST) and host_blocked)
        )
        if node.type == ABSENT or _is_open_stack(node):
            return None  # whoever pushes to the stack will know its rows
        given = node
        if node.type == "StackStore" and is_open(node.inputs[0]):
            stack = closed(node.inputs[0], node.inputs[2].shape, out)
            node = node.like([stack, *node.inputs[1:]])
        current = node
        if not waits and node.bodies:
            found = specialize_bodies(node, out, specialize)
            if not isinstance(found, Node):
                return found
            current = found
            if not _has_known_sizes(current):
                stuck.append(current)
                waits = True
        elif not waits:
            if not _has_known_sizes(node):
                current = node.like(node.inputs, _infer(node))
            elif _was_open(node):
                _infer(node)
            values = known_outputs(current)
            if values is not None:
                out.extend(v.node for v in values)
                return values
            if not _has_known_sizes(current):
                stuck.append(current)
                waits = True
        if waits:
            blocked.add(current)
            blocked_writes.update(current.writes)
            host_blocked = host_blocked or current.effect in (CHECK, HOST)
        if current is given:
            return None
        out.append(current)
        return current.outputs

    result = rewrite(graph, visit)
    if not blocked:
        pairs = zip(result.nodes, graph.nodes, strict=False)
        return Staged(result, changed=any(new is not old for new, old in pairs))
    return _cut(result, blocked, stuck)


def _is_open_stack(node: Node) -> bool:
    return node.type == "EmptyStack" and is_open(node.outputs[0])


def _was_open(node: Node) -> bool:
    """True when the user's op saw unknown sizes, so that whether they fit is not settled yet.

    NB: its outputs may be known all the same: ``[5, ?] @ [3, 2]`` is ``[5, 2]``.
    """
    if node.op is None or node.opdef is None:
        return False
    return any(not is_fully_known(t.dims) for t in node.op.inputs)


def _has_known_sizes(node: Node) -> bool:
    return all(v.shape is not None and None not in v.shape for v in node.outputs)


def _infer(node: Node) -> Sequence[Dims]:
    assert node.opdef is not None, f"{node!r} has no shape"
    try:
        inferred = node.opdef.infer(node.call())
    except ShapeError as error:
        raise_at_run(node, error)
    if node.effect == WRITE and not node.attrs.get(RESIZES):
        return [node.inputs[i].shape for i in range(len(node.writes))]
    if node.effect == WRITE:  # the first variable may get another size, the others keep theirs
        inferred = [*inferred, *(node.inputs[i].shape for i in range(1, len(node.writes)))]
    merged = []
    for old, new in zip((v.shape for v in node.outputs), inferred, strict=True):
        if old is not None and new is not None and len(old) == len(new):
            new = tuple(b if a is None else a for a, b in zip(old, new, strict=True))
        merged.append(old if new is None else new)
    return merged


def raise_at_run(node: Node, error: ShapeError) -> NoReturn:
    """Shapes that turn out wrong only now: InvalidArgumentError at the op's line."""
    shapes = [f"{v.dtype.name}{format_dims(v.shape)}" for v in node.inputs]
    headline = f"{node.type}: {error.headline}"
    raise InvalidArgumentError(
        None, node.op, op_message(headline, node.op, shapes=shapes, fix=error.fix)
    ) from None


def _cut(graph: FrozenGraph, blocked: set[Node], stuck: list[Node]) -> Staged:
    """Split before the nodes in ``stuck``; see the module docstring."""
    wanted: dict[Value, bool] = {}
    run_now: set[Node] = set()
    for node in stuck:
        if any(v.node in blocked for v in node.inputs):
            continue
        unknown = [v for v in _deciding(node) if v.node.const is None]
        shape_values = [v for v in unknown if _may_be_shape(v)]
        if not shape_values:  # the limit of a range may be a float
            shape_values = [v for v in unknown if v.dtype.is_floating and v.shape == ()]
        if shape_values:
            for value in shape_values:
                wanted[value] = True
        else:
            run_now.add(node)  # its sizes are data: run it by its reference, then look
            for value in node.outputs:
                wanted.setdefault(value, False)
    first_nodes = [n for n in graph.nodes if n not in blocked or n in run_now]
    in_first = set(first_nodes)
    rest_nodes = [n for n in graph.nodes if n not in in_first]
    read = {value for node in rest_nodes for value in inputs_read(node)}
    overwritten: dict[Node, None] = {}
    for node in rest_nodes:
        for value in node.inputs:
            if value.node in in_first and not _is_portable(value.node):
                if value.node.type == VARIABLE and value not in read:
                    overwritten[value.node] = None  # it need not have a value yet
                else:
                    wanted.setdefault(value, False)
    for value in graph.fetches:
        if value.node in in_first:
            wanted.setdefault(value, False)
    for node in rest_nodes:
        node.after = tuple(a for a in node.after if a not in in_first)
    boundary = tuple(wanted)
    both = [n for n in overwritten if n.outputs[0] not in wanted]
    portable = [n for n in graph.nodes if _is_portable(n) or n in both]
    others = [n for n in rest_nodes if not _is_portable(n)]
    rest = FrozenGraph(portable + others, [], graph.fetches)
    first = FrozenGraph(first_nodes, graph.feeds, list(boundary))
    return Staged(first, True, boundary, tuple(wanted.values()), rest)


def _is_portable(node: Node) -> bool:
    """True when it may stand in both parts."""
    return node.type == "Const" or _is_open_stack(node)


def _deciding(node: Node) -> Sequence[Value]:
    """The inputs whose values may say how large the outputs are.

    NB: those of a reference decide by all of their values (unique, a py_func): no plan could be
    remembered by them.
    """
    rule = None if node.opdef is None else node.opdef.kernel
    if isinstance(rule, Procedure):
        return [node.inputs[i] for i in rule.known]
    return () if rule is None or isinstance(rule, Compiled) else node.inputs


def _may_be_shape(value: Value) -> bool:
    """A small integer vector or number: sizes, axes."""
    if not value.dtype.is_integer or value.shape is None or None in value.shape:
        return False
    return len(value.sizes) <= 1 and value.size <= MAX_SHAPE_VALUE_SIZE


def continue_with(staged: Staged, arrays: Sequence[Any]) -> tuple[FrozenGraph, list[int]]:
    """The rest as a FrozenGraph of its own, given the boundary arrays of one run.

    Returns it and the positions (in ``boundary``) that became its feeds, in order.
    """
    rest = staged.rest
    assert rest is not None
    new: dict[Value, Value] = {}
    nodes: list[Node] = []
    feeds: list[Value] = []
    fed: list[int] = []
    for position, (value, by_value, array) in enumerate(
        zip(staged.boundary, staged.by_value, arrays, strict=True)
    ):
        if by_value:
            new[value] = constant(array, value.dtype, value.node.name, OPDEFS["Const"])
            nodes.append(new[value].node)
            continue
        node = Node(FEED, None, {}, (), value.node.name, value.node.op)
        node.outputs = (Value(node, 0, value.dtype, array.shape),)
        new[value] = node.outputs[0]
        nodes.append(node)
        feeds.append(node.outputs[0])
        fed.append(position)

    # A rewrite whose boundary Values are already replaced.
    copies: dict[Node, Node] = {}
    for node in rest.nodes:
        copy = node.like([new.get(v, v) for v in node.inputs])
        copy.after = tuple(copies[a] for a in node.after)
        copies[node] = copy
        new.update(zip(node.outputs, copy.outputs, strict=True))
        nodes.append(copy)
    return FrozenGraph(nodes, feeds, [new.get(v, v) for v in rest.fetches]), fed
