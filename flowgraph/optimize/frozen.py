"""FrozenGraph: the optimiser's form of a graph, pruned to one run and free of Python state.

Between freeze.py (which makes it from the user's graph) and lower/ (which takes it apart) every
pass is a function FrozenGraph -> FrozenGraph.  It is pure data flow: a variable is a chain of
*versions* (Values), so that reads and writes need no order of their own, and a control dependency
survives only where it can be observed (before a write or a host effect).

    %0 = Feed()                       float32[2, 3]   'x'
    %1 = Variable() {name: 'w'}       float32[3]      'w'
    %2 = Mul(%0, %1)                  float32[2, 3]   'mul'        train.py:7
    fetch %2

Read next: freeze.py, then fold.py, cse.py, algebra.py, specialize.py, fuse.py in that order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.graph.opdef import CHECK, HOST, PURE, RANDOM, WRITE, Call, OpDef
from flowgraph.graph.site import format_site
from flowgraph.shapes import Dims, format_dims

#: Node types that only FrozenGraphs have.
FEED, VARIABLE, ABSENT = "Feed", "Variable", "Absent"

#: Attr of a constant whose elements are all written before one is read.
UNWRITTEN = "_unwritten"

#: Attr of an If or While in which sizes change: it runs as a host instruction.
VARIES = "_varies"

#: Attr of writes to a variable without static shape.
RESIZES = "_resizes"


class Value:
    """One output of a Node: dtype and shape (fully known once specialised)."""

    __slots__ = ("dtype", "index", "node", "shape")

    def __init__(self, node: Node, index: int, dtype: DType, shape: Dims) -> None:
        self.node, self.index, self.dtype, self.shape = node, index, dtype, shape

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape, where specialisation has made it known."""
        assert self.shape is not None and None not in self.shape, f"{self!r}: {self.shape}"
        return self.shape  # type: ignore[return-value]

    @property
    def size(self) -> int:
        """Number of elements, where the shape is known."""
        return math.prod(self.sizes)

    def __repr__(self) -> str:
        return f"<Value {self.node.name}:{self.index}>"


class Node:
    """One operation of a FrozenGraph.

    Attributes:
        type, opdef, attrs: as of the Operation; opdef is None for Feed and Variable.
        inputs: Values, all made by earlier nodes.
        outputs: Values.  A write node has one per variable it updates: the new version.
        after: host nodes that must have run before (only on writes and host nodes).
        writes: names of the variables that the outputs are new versions of.
        op: the user's Operation it stems from (for its line in errors and profiles), or None.
        effects: what the bodies of an If or While do, other than PURE.
        view: cache of views.is_view.
        name: its name; also the key of a random op's stream and of a Variable's storage.
    """

    __slots__ = (
        "after",
        "attrs",
        "effects",
        "inputs",
        "name",
        "op",
        "opdef",
        "outputs",
        "type",
        "view",
        "writes",
    )

    def __init__(
        self,
        type: str,
        opdef: OpDef | None,
        attrs: dict[str, Any],
        inputs: Sequence[Value],
        name: str,
        op: Any = None,
        after: tuple[Node, ...] = (),
        writes: tuple[str, ...] = (),
    ) -> None:
        self.type, self.opdef, self.attrs = type, opdef, attrs
        self.inputs, self.name, self.op = tuple(inputs), name, op
        self.after, self.writes = after, writes
        self.outputs: tuple[Value, ...] = ()
        self.view: bool | None = None
        self.effects: frozenset[str] = frozenset()

    @property
    def effect(self) -> str:
        """PURE, RANDOM, CHECK, WRITE or HOST."""
        if self.effects:
            return next(e for e in (HOST, WRITE, CHECK, RANDOM) if e in self.effects)
        if self.writes:  # also a pure operation that changes a loop variable in place
            return WRITE
        return PURE if self.opdef is None else self.opdef.effect

    @property
    def const(self) -> np.ndarray | None:
        """The array of a Const node, else None."""
        return self.attrs["value"] if self.type == "Const" else None

    def call(self) -> Call:
        """What the op's rules see of this node."""
        inputs = self.inputs
        return Call(
            self.type,
            self.attrs,
            [v.dtype for v in inputs],
            [v.shape for v in inputs],
            [v.dtype for v in self.outputs],
            [v.shape for v in self.outputs],
            value=lambda i: inputs[i].node.const,
            name=self.name,
        )

    def like(self, inputs: Sequence[Value], shapes: Sequence[Dims] | None = None) -> Node:
        """A copy of this node with other inputs (and output shapes)."""
        node = Node(
            self.type, self.opdef, self.attrs, inputs, self.name, self.op, self.after, self.writes
        )
        if shapes is None:
            node.outputs = tuple([Value(node, v.index, v.dtype, v.shape) for v in self.outputs])
        else:
            node.outputs = tuple(
                [
                    Value(node, v.index, v.dtype, s)
                    for v, s in zip(self.outputs, shapes, strict=True)
                ]
            )
        node.effects = self.effects
        return node

    @property
    def bodies(self) -> dict[str, FrozenGraph]:
        """The branches of an If, the condition and body of a While, by attr name."""
        if self.type not in ("If", "While"):
            return {}
        return {k: g for k, g in self.attrs.items() if isinstance(g, FrozenGraph)}

    def __repr__(self) -> str:
        return f"<Node {self.type} {self.name!r}>"


class FrozenGraph:
    """Nodes in an order that respects inputs and ``after``; fetched and fed Values."""

    __slots__ = ("feeds", "fetches", "nodes")

    def __init__(self, nodes: list[Node], feeds: list[Value], fetches: list[Value]) -> None:
        self.nodes, self.feeds, self.fetches = nodes, feeds, fetches

    def consumers(self) -> dict[Value, list[Node]]:
        """Nodes that take each Value, in order, once per use."""
        table: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                table.setdefault(value, []).append(node)
        return table


def constant(array: np.ndarray, dtype: DType, name: str, opdef: OpDef) -> Value:
    """A new Const node's Value."""
    node = Node("Const", opdef, {"value": array, "dtype": dtype}, (), name)
    node.outputs = (Value(node, 0, dtype, array.shape),)
    return node.outputs[0]


def uniform_bits(array: np.ndarray) -> bool:
    """True when all elements (at least one) have the same bits."""
    if array.size <= 1 or not any(array.strides):
        return array.size > 0
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat[-1:].tobytes() != flat[:1].tobytes():
        return False
    raw = flat.view(np.uint8).reshape(flat.size, -1)
    return bool((raw == raw[0]).all())


Replacement = Sequence[Value] | None


def rewrite(graph: FrozenGraph, visit: Callable[[Node, list[Node]], Replacement]) -> FrozenGraph:
    """A new graph in which ``visit(node, out)`` may replace each node's outputs.

    Nodes arrive in order with their inputs already replaced.  ``visit`` returns the Values to use
    in place of the node's outputs, having appended any new nodes it needs to ``out``, or None to
    keep the node.
    """
    new_value: dict[Value, Value] = {}
    new_node: dict[Node, Node] = {}
    out: list[Node] = []
    for node in graph.nodes:
        current = node
        # NB: large graphs spend their time here; keep what is done per node small.
        if new_value and not new_value.keys().isdisjoint(node.inputs):
            current = node.like([new_value.get(v, v) for v in node.inputs])
        if node.after and new_node:
            if current is node:
                current = node.like(node.inputs)
            current.after = tuple([new_node.get(a, a) for a in node.after])
        if current is not node:
            new_node[node] = current
        replaced = visit(current, out)
        if replaced is None:
            out.append(current)
            replaced = current.outputs
        elif replaced:
            new_node[node] = replaced[0].node
        if replaced is not node.outputs:
            new_value.update(zip(node.outputs, replaced, strict=True))
    return FrozenGraph(out, graph.feeds, [new_value.get(v, v) for v in graph.fetches])


def is_live_root(node: Node) -> bool:
    """True when the node runs for its effect, whoever uses its outputs."""
    return node.effect in (WRITE, CHECK, HOST)


def eliminate_dead(graph: FrozenGraph) -> FrozenGraph:
    """Drop nodes that no fetch, write or host effect needs (pass ``dce``)."""
    needed: set[Node] = {v.node for v in graph.fetches}
    needed.update(v.node for v in graph.feeds)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node in needed or is_live_root(node):
            kept.append(node)
            needed.update(v.node for v in node.inputs)
            needed.update(node.after)
    kept.reverse()
    return FrozenGraph(kept, graph.feeds, graph.fetches)


def to_text(graph: FrozenGraph) -> str:
    """The printed form shown in the module docstring."""
    number: dict[Value, int] = {}
    lines = []
    for node in graph.nodes:
        left = ", ".join(f"%{number.setdefault(v, len(number))}" for v in node.outputs)
        args = ", ".join(f"%{number.get(v, '?')}" for v in node.inputs)
        attrs = _attrs_text(node)
        kinds = ", ".join(f"{v.dtype.name}{format_dims(v.shape)}" for v in node.outputs)
        site = f"   {format_site(node.op.site)}" if node.op is not None else ""
        after = f" after {[a.name for a in node.after]}" if node.after else ""
        writes = f" writes {list(node.writes)}" if node.writes else ""
        equals = " = " if left else ""
        what = f"{left}{equals}{node.type}({args}){attrs}   {kinds}"
        lines.append(f"{what}   {node.name!r}{writes}{after}{site}")
    if graph.fetches:
        lines.append("fetch " + ", ".join(f"%{number.get(v, '?')}" for v in graph.fetches))
    return "\n".join(lines) + "\n"


def _attrs_text(node: Node) -> str:
    shown = []
    for name, value in node.attrs.items():
        if isinstance(value, DType) or name.startswith("_"):
            continue
        if isinstance(value, np.ndarray):
            value = value.tolist() if value.size <= 4 else f"<{value.size} numbers>"
        shown.append(f"{name}: {value!r}")
    return " {" + ", ".join(shown) + "}" if shown else ""


class FrozenGraphError(Exception):
    """An ill-formed FrozenGraph: a bug in a pass."""


def verify(graph: FrozenGraph, *, known_shapes: bool = False) -> None:
    """Raise FrozenGraphError unless order, dtypes and shapes hold together."""
    made: set[Value] = set()
    seen: set[Node] = set()
    for node in graph.nodes:
        _defined(node.inputs, made, f"{node!r} takes")
        for other in node.after:
            if other not in seen:
                raise FrozenGraphError(f"{node!r} must run after {other!r}, which stands later")
        for value in node.outputs:
            if value.node is not node:
                raise FrozenGraphError(f"{node!r} has an output that belongs to {value.node!r}")
            if known_shapes and (value.shape is None or None in value.shape):
                raise FrozenGraphError(f"{node!r}: output shape {value.shape} is not known")
        if len(node.writes) > len(node.outputs):
            raise FrozenGraphError(
                f"{node!r} writes {node.writes}, has {len(node.outputs)} outputs"
            )
        made.update(node.outputs)
        seen.add(node)
    _defined(graph.fetches, made, "the graph fetches")
    _defined(graph.feeds, made, "the graph is fed")


def _defined(values: Iterable[Value], made: set[Value], what: str) -> None:
    for value in values:
        if value not in made:
            raise FrozenGraphError(f"{what} {value!r}, which is not made before")


__all__ = [
    "ABSENT",
    "CHECK",
    "FEED",
    "HOST",
    "PURE",
    "RANDOM",
    "VARIABLE",
    "WRITE",
    "FrozenGraph",
    "FrozenGraphError",
    "Node",
    "Value",
    "constant",
    "eliminate_dead",
    "is_live_root",
    "rewrite",
    "to_text",
    "verify",
]
