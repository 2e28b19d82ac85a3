"""GraphDefs with tf.cond as TensorFlow 1 writes it (``Switch`` and ``Merge``), made of plain nodes.

    x, p -> Switch -> false: f(x), true: g(x) -> Merge      =>      Select(p, g(x), f(x))

Both branches are computed, and one is chosen.  So a branch must not do anything: writes of
variables are made to write what is there; other effects are refused.  Loops stay as they are, and
the importer does not know them.

Read next: importing.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flowgraph.dtypes import as_dtype
from flowgraph.graph.opdef import HOST, OPDEFS, WRITE
from flowgraph.protos.graphs import NodeDef

#: (tensor that decides, which value of it) of every branch that a node is in.
Guards = frozenset[tuple[str, bool]]

_LOOPS = {"Enter", "RefEnter", "NextIteration", "RefNextIteration", "Exit", "RefExit", "LoopCond"}
_OF_BRANCHES = {"Switch", "RefSwitch", "Merge"}
_RESOURCE = 20
#: What may be done in a branch that is not taken: an assertion of a branch is about its own
#: condition; a table is only read.
_HARMLESS = {"Assert", "LookupTableFind", "LookupTableFindV2", "HashTable", "HashTableV2"}


def has_branches(nodes: Iterable[NodeDef]) -> bool:
    """Whether there are branches, and no loops."""
    nodes = list(nodes)
    types = {node.op for node in nodes}
    if types & _LOOPS or not types & _OF_BRANCHES:
        return False
    # NB: what is no branch at all is left to the importer, which says so
    return all(len(node.input) >= 2 for node in nodes if node.op in _OF_BRANCHES)


def in_order(nodes: Sequence[NodeDef]) -> Iterator[NodeDef]:
    """The nodes as they stand, but none before its inputs."""
    by_name = {node.name: node for node in nodes}
    done: set[str] = set()
    for first in nodes:
        stack: list[tuple[NodeDef, Iterator[str]]] = []
        waiting: set[str] = set()
        if first.name not in done:
            stack, waiting = [(first, iter(first.input))], {first.name}
        while stack:
            node, inputs = stack[-1]
            for text in inputs:
                name = text.removeprefix("^").partition(":")[0]
                if name in waiting:
                    raise ValueError(f"import_graph_def: node {name!r} is its own input")
                if name not in done and name in by_name:
                    waiting.add(name)
                    stack.append((by_name[name], iter(by_name[name].input)))
                    break
            else:
                stack.pop()
                waiting.discard(node.name)
                done.add(node.name)
                yield node


def without_switches(nodes: list[NodeDef]) -> list[NodeDef]:
    """``nodes``, none before its inputs, with branches made plain; names stay.

    Raises:
        NotImplementedError: a branch has effects, all of which are named; a ``Merge`` is of no
            branch.
    """
    return _Branches(nodes).made


def _parts(text: str) -> tuple[str, int]:
    name, _, port = text.partition(":")
    return name, int(port or 0)


def _dtype(node: NodeDef) -> int:
    # NB: reading an attr that is not there would make it
    return node.attr["T"].type if "T" in node.attr else 0


class _Branches:
    def __init__(self, nodes: list[NodeDef]) -> None:
        self._by_name = {node.name: node for node in nodes}
        self._guards: dict[str, Guards] = {}
        self.made: list[NodeDef] = []
        refused = []
        for node in nodes:
            controls = [text for text in node.input if text.startswith("^")]
            inputs = [text for text in node.input if not text.startswith("^")]
            found = [self._of(text) for text in inputs]
            around = [self._guards.get(text[1:], frozenset()) for text in controls]
            if node.op == "Merge":
                self._merge(node, inputs, controls, found)
                continue
            self._guards[node.name] = frozenset().union(*found, *around)
            if node.op in ("Switch", "RefSwitch"):
                self._switch(node, inputs, controls)
                continue
            new = NodeDef()
            new.CopyFrom(node)
            new.input[:] = [*map(self._direct, inputs), *controls]
            guards = self._guards[node.name]
            opdef = OPDEFS.get(node.op)
            if guards and opdef is not None and opdef.effect in (WRITE, HOST):
                if node.op in ("Assign", "AssignAdd", "AssignSub"):
                    self._write(new, guards)
                elif node.op not in _HARMLESS:
                    refused.append(f"{node.name!r} ({node.op})")
            self.made.append(new)
        if refused:
            raise NotImplementedError(
                "import_graph_def: branches (Switch, Merge) with effects cannot be imported: "
                f"{', '.join(refused)}"
            )

    def _holds_variable(self, node: NodeDef) -> bool:
        return node.op == "RefSwitch" or _dtype(node) == _RESOURCE

    def _direct(self, text: str) -> str:
        """A variable is taken past the switches in front of it."""
        node = self._by_name.get(_parts(text)[0])
        while node is not None and node.op.endswith("Switch") and self._holds_variable(node):
            text = node.input[0]
            node = self._by_name.get(_parts(text)[0])
        return text

    def _decides(self, text: str) -> str:
        """Where the tensor that decides comes from: copies of it are the same."""
        name, port = _parts(text)
        node = self._by_name.get(name)
        while node is not None and node.op in ("Identity", "Switch"):
            name, port = _parts(node.input[0])
            node = self._by_name.get(name)
        return f"{name}:{port}"

    def _of(self, text: str) -> Guards:
        name, port = _parts(text)
        node = self._by_name.get(name)
        own = self._guards.get(name, frozenset())
        if node is not None and node.op in ("Switch", "RefSwitch"):
            return own | {(self._decides(node.input[1]), port == 1)}
        return own

    def _switch(self, node: NodeDef, inputs: list[str], controls: list[str]) -> None:
        new = NodeDef(name=node.name, device=node.device, input=controls, op="NoOp")
        if not self._holds_variable(node):
            new.op = "IdentityN"
            new.input[:] = [inputs[0], inputs[0], *controls]
            new.attr["T"].list.type.extend([_dtype(node)] * 2)
        self.made.append(new)

    def _merge(
        self, node: NodeDef, inputs: list[str], controls: list[str], found: list[Guards]
    ) -> None:
        decides = None
        if len(inputs) == 2:
            first, second = found
            decides = next((p for p, value in sorted(first) if (p, not value) in second), None)
        if decides is None:
            raise NotImplementedError(
                f"import_graph_def: {node.name!r} (Merge) joins no two branches of one condition"
            )
        self._guards[node.name] = frozenset(
            guard for guard in first & second if guard[0] != decides
        )
        yes, no = inputs if (decides, True) in first else reversed(inputs)
        kind = _dtype(node)
        chosen = self._add("Select", f"{node.name}/chosen", [decides, yes, no], T=kind)
        number = self._add(
            "Cast", f"{node.name}/number", [decides], SrcT=as_dtype("bool").as_datatype_enum,
            DstT=as_dtype("int32").as_datatype_enum,
        )  # fmt: skip
        new = NodeDef(name=node.name, op="IdentityN", device=node.device)
        new.input.extend([chosen, number, *controls])
        new.attr["T"].list.type.extend([kind, as_dtype("int32").as_datatype_enum])
        self.made.append(new)

    def _add(self, op: str, name: str, inputs: list[str], **types: int) -> str:
        node = NodeDef(name=name, op=op, input=inputs)
        for key, value in types.items():
            node.attr[key].type = value
        self.made.append(node)
        return name

    def _write(self, node: NodeDef, guards: Guards) -> None:
        """Let a write outside of the branch that is taken write what is there."""
        ref, value, kind = node.input[0], node.input[1], _dtype(node)
        if node.op == "Assign":
            other = self._add("Identity", f"{node.name}/there", [ref], T=kind)
        else:
            other = self._add("ZerosLike", f"{node.name}/nothing", [value], T=kind)
        for number, (decides, wanted) in enumerate(sorted(guards)):
            inputs = [decides, value, other] if wanted else [decides, other, value]
            value = self._add("Select", f"{node.name}/value_{number}", inputs, T=kind)
        node.input[1] = value

