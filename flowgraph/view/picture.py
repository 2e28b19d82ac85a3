"""Picture: what is drawn of a graph, before any thought of colours.

    Graph --roles, fold--> operations that have a node --scopes--> Boxes and Edges

A Box is an operation, a few operations folded into one node, or a closed scope; an Edge is a tensor
or a control dependency between two boxes.  With everything open and nothing folded, every operation
is one box and every input one edge; otherwise edges between the same two boxes are bundled.

Read next: digraph.py (how it looks).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowgraph.graph.contexts import Context
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.view.fold import owners
from flowgraph.view.repeats import Blocks, crosses, fold_repeats, fold_series
from flowgraph.view.roles import GRADIENT, INITIAL, UPDATE, is_variable, roles_of
from flowgraph.view.scopes import (
    Scope,
    build_tree,
    close_below,
    close_to_fit,
    merge_chains,
    set_open,
    shown_name,
    visible_count,
)

#: Kinds of Box.
OPERATION, VARIABLE, CONSTANT, PLACEHOLDER, GROUP, SCOPE = (
    "operation", "variable", "constant", "placeholder", "group", "scope",
)  # fmt: skip

#: The role of a box whose operations have several.
MIXED = "mixed"


@dataclass(slots=True, eq=False)
class Box:
    """A node of the picture.

    name: the operation's or, with a final slash, the scope's; unique.   title: what it shows.
    op: the operation it stands for, None for a closed scope.   ops: all that is drawn in it.
    alike: of a box that stands for several scopes or operations: their names.
    """

    name: str
    title: str
    kind: str
    role: str
    op: Operation | None
    ops: list[Operation] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Edge:
    """One or more tensors, or control dependencies, from box to box.

    tensors: one entry per input that it stands for; empty for pure control dependencies.
    controls: number of control dependencies.   writes: True when a variable is handed on to be
    changed.   uses: for each tensor the operation and the number of the input.
    is_back: it leads from one of several blocks that are drawn as one to the next of them.
    """

    tail: Box
    head: Box
    tensors: list[Tensor] = field(default_factory=list)
    controls: int = 0
    writes: bool = False
    uses: list[tuple[Operation, int]] = field(default_factory=list)
    is_back: bool = False


@dataclass(slots=True, eq=False)
class Picture:
    """Boxes by the scope that frames them, and the edges between them."""

    top: Scope
    boxes: dict[Scope, list[Box]]
    edges: list[Edge]

    def all_boxes(self) -> list[Box]:
        """Every box, in the order of the scopes."""
        return [box for boxes in self.boxes.values() for box in boxes]


def make_picture(
    what: Any = None,
    depth: float | None = None,
    *,
    opened: Sequence[str] = (),
    closed: Sequence[str] = (),
    fold: bool = True,
    overview: bool = False,
    max_nodes: int = 300,
    fold_blocks: bool | None = None,
) -> Picture:
    """The Picture of a graph or of what some fetches need; arguments as of view.dot."""
    ops = operations_of(what)
    roles = roles_of(ops)
    owner = owners(ops, roles) if fold else {op: op for op in ops}
    shown = [op for op in ops if owner[op] is op]
    top = build_tree(shown)
    if fold:
        # `gradients/Relu_grad/ReluGrad` and `Adam/update_W/ApplyAdam` need no frames of their own.
        merge_chains(top, lambda op: roles[op] in (GRADIENT, UPDATE))
    blocks: Blocks = {}
    alike: dict[Operation, list[str]] = {}
    if fold_blocks or (
        fold_blocks is None and depth is None and fold and visible_count(top) > max_nodes
    ):
        blocks = fold_repeats(top, owner, [*opened, *closed])
        alike = fold_series(top, owner, roles)
    if overview:
        for scope in top.walk():
            scope.is_machinery = _common_role(scope, roles) in (GRADIENT, UPDATE)
    if depth is None:
        close_to_fit(top, max_nodes)
    else:
        close_below(top, depth)
    set_open(top, opened, is_open=True)
    set_open(top, closed, is_open=False)
    boxes, box_of = _make_boxes(top, ops, owner, roles, alike)
    return Picture(top, boxes, _make_edges(ops, box_of, roles, fold, blocks))


def operations_of(what: Any) -> list[Operation]:
    """The operations to draw: a whole graph, or what the fetches need, in the order they were made.

    Args:
        what: a Graph, or anything with a ``graph`` (a Session); None is the default graph; or a
            tensor, operation, variable, Keras model, or a nesting of lists, tuples and dicts of
            them.

    Raises:
        TypeError: nothing of the kind.   ValueError: elements of different graphs.
    """
    if what is None:
        what = get_default_graph()
    if isinstance(what, Graph):
        return what.get_operations()
    roots = [op for item in _leaves(what) for op in _roots(item)]
    if len({op.graph for op in roots}) > 1:
        raise ValueError("the fetches belong to different graphs; draw them one by one")
    found = set(roots)
    waiting = list(roots)
    while waiting:
        op = waiting.pop()
        inner = [t for context in _contexts(op) for t in (*context.outputs, *context.args)]
        results = [t.op for t in inner if t is not None]
        for before in (*(t.op for t in op.inputs), *op._control_inputs, *results):
            if before not in found:
                found.add(before)
                waiting.append(before)
    return sorted(found, key=lambda op: op._id)


def _contexts(op: Operation) -> list[Context]:
    """The branches of an If, the condition and body of a While."""
    return [value for value in op.attrs.values() if isinstance(value, Context)]


def _flowing_in(op: Operation, box_of: Mapping[Operation, Box]) -> list[Tensor]:
    """What an operation takes: of an If or While also the results of its bodies; what they use
    themselves is drawn where they use it.
    """
    contexts = _contexts(op)
    results = [t for c in contexts for t in c.outputs if t is not None and t.op in box_of]
    if not results:
        return list(op.inputs)
    captured = {t for context in contexts for t in context.captures}
    own = [t for t in op.inputs[:1] if op.type == "If"]
    if op.type == "While":
        own = list(op.inputs[: len(contexts[0].args)])
    return [*own, *(t for t in results if t not in captured)]


def _leaves(what: Any) -> Iterable[Any]:
    if isinstance(what, Mapping):
        what = list(what.values())
    if isinstance(what, (list, tuple)):
        for item in what:
            yield from _leaves(item)
    else:
        yield what


def _roots(item: Any) -> list[Operation]:
    if isinstance(item, Operation):
        return [item]
    if isinstance(item, str):
        element = get_default_graph().as_graph_element(item)
        return [element if isinstance(element, Operation) else element.op]
    op = getattr(item, "op", None)
    if isinstance(op, Operation):
        return [op]
    graph = getattr(item, "graph", None)
    if isinstance(graph, Graph):
        return graph.get_operations()
    outputs = getattr(item, "outputs", None)  # a Keras model's
    if isinstance(outputs, (list, tuple)) and outputs:
        return [operation for output in outputs for operation in _roots(output)]
    raise TypeError(
        f"cannot draw {item!r}: give a Graph, a Session, or tensors and operations of one"
    )


# ------------------------------------------------------------------------------------------ boxes


def _make_boxes(
    top: Scope,
    ops: Sequence[Operation],
    owner: Mapping[Operation, Operation],
    roles: Mapping[Operation, str],
    alike: Mapping[Operation, list[str]],
) -> tuple[dict[Scope, list[Box]], dict[Operation, Box]]:
    members: dict[Operation, list[Operation]] = {}
    for op in ops:
        members.setdefault(owner[op], []).append(op)
    boxes: dict[Scope, list[Box]] = {}
    box_of: dict[Operation, Box] = {}

    def add(scope: Scope, box: Box) -> None:
        boxes.setdefault(scope, []).append(box)
        box_of.update(dict.fromkeys(box.ops, box))

    waiting = [top]
    while waiting:
        scope = waiting.pop()
        boxes.setdefault(scope, [])
        for op in scope.ops:
            name = shown_name(op)
            title = name[len(scope.name) + 1 :] if scope.name else name
            title = title or name.rpartition("/")[2]
            kind, same = _kind_of(op), alike.get(op, [])
            add(scope, Box(op.name, title, kind, roles[op], op, members[op], same))
        for inner in scope.scopes.values():
            if inner.is_open:
                waiting.append(inner)
                continue
            inside = [op for head in inner.all_ops() for op in members[head]]
            role = _common_role(inner, roles)
            add(
                scope,
                Box(inner.name + "/", inner.title, SCOPE, role, None, inside, inner.alike),
            )
    return boxes, box_of


def _kind_of(op: Operation) -> str:
    if is_variable(op):
        return VARIABLE
    if op.type == "Const":
        return CONSTANT
    if op.type.startswith("Placeholder"):
        return PLACEHOLDER
    return GROUP if op.type == "NoOp" else OPERATION


def _common_role(scope: Scope, roles: Mapping[Operation, str]) -> str:
    found = {roles[op] for op in scope.all_ops()}
    different = found - {INITIAL} or found
    return different.pop() if len(different) == 1 else MIXED


# ------------------------------------------------------------------------------------------ edges


def _make_edges(
    ops: Sequence[Operation],
    box_of: Mapping[Operation, Box],
    roles: Mapping[Operation, str],
    fold: bool,
    blocks: Blocks,
) -> list[Edge]:
    edges: list[Edge] = []
    bundles: dict[tuple[Any, ...], Edge] = {}

    def edge(before: Operation, after: Operation, kind: str) -> Edge | None:
        tail, head = box_of[before], box_of[after]
        if tail is head:
            return None
        is_back = crosses(before, after, blocks)
        if SCOPE in (tail.kind, head.kind):
            kind = ""  # one line, whatever it carries
        elif len(tail.ops) == len(head.ops) == 1:
            edges.append(Edge(tail, head))
            return edges[-1]
        found = bundles.get((tail, head, kind, is_back))
        if found is None:
            found = bundles[tail, head, kind, is_back] = Edge(tail, head, is_back=is_back)
            edges.append(found)
        return found

    for op in ops:
        for number, tensor in enumerate(_flowing_in(op, box_of)):
            writes = tensor.dtype.is_ref and op.type != "Identity"
            found = edge(tensor.op, op, "writes" if writes else "reads")
            if found is not None:
                found.tensors.append(tensor)
                found.uses.append((op, number))
                found.writes |= writes
        for before in op._control_inputs:
            if fold and roles[op] == INITIAL and op.type == "NoOp":
                continue  # the group of all initial assigns: lines from everywhere say nothing
            if before in box_of:
                found = edge(before, op, "control")
                if found is not None:
                    found.controls += 1
    if not fold:
        return edges
    # A variable's read waits for its update: the double-headed line between them says so already.
    written = {(edge.head, edge.tail) for edge in edges if edge.writes}
    return [e for e in edges if e.tensors or (e.tail, e.head) not in written]
