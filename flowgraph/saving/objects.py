"""The parts of Python objects that hold variables, named as TensorFlow's checkpoints name them.

    layer -> kernel, bias     list -> 0, 1     dict -> its keys     optimizer -> beta1_power, slots

Read next: object_checkpoints.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from flowgraph.graph.default import get_default_graph
from flowgraph.ops.variables import Variable
from flowgraph.protos.message import Message, declare
from flowgraph.train.optimizer import Optimizer

#: Key of the message that says which object has which parts.
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"


class TrackableObjectGraph(Message):
    """Objects, by number; the first is the Checkpoint."""

    FIELDS = declare("nodes 1 repeated TrackableObjectGraph.TrackableObject")

    class TrackableObject(Message):
        """One object: its parts, its values, and the slots that an optimizer keeps."""

        FIELDS = declare("""
            children       1 repeated TrackableObjectGraph.ObjectReference
            attributes     2 repeated TrackableObjectGraph.SerializedTensor
            slot_variables 3 repeated TrackableObjectGraph.SlotVariableReference
            """)

    class ObjectReference(Message):
        """A part, and what it is called."""

        FIELDS = declare("""
            node_id    1 int32
            local_name 2 string
            """)

    class SerializedTensor(Message):
        """A value, and the key under which it is stored."""

        FIELDS = declare("""
            name           1 string
            full_name      2 string
            checkpoint_key 3 string
            """)

    class SlotVariableReference(Message):
        """A variable that an optimizer keeps for another one."""

        FIELDS = declare("""
            original_variable_node_id 1 int32
            slot_name                 2 string
            slot_variable_node_id     3 int32
            """)


def _is_layer(value: Any) -> bool:
    """Layers and models, of whichever library."""
    return not isinstance(value, type) and hasattr(value, "weights") and hasattr(value, "call")


def is_trackable(value: Any) -> bool:
    """Whether an object can hold variables."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) for key in value) and any(map(is_trackable, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_trackable, value))
    return (
        isinstance(value, (Variable, Optimizer))
        or hasattr(value, "_checkpoint_children")
        or _is_layer(value)
    )


def children_of(value: Any) -> dict[str, Any]:
    """Name -> part, of an object that is trackable."""
    if isinstance(value, Variable):
        return {}
    if hasattr(value, "_checkpoint_children"):
        return value._checkpoint_children()
    if isinstance(value, Mapping):
        return {key: part for key, part in value.items() if is_trackable(part)}
    if isinstance(value, (list, tuple)):
        return {str(i): part for i, part in enumerate(value) if is_trackable(part)}
    if isinstance(value, Optimizer):
        graph = get_default_graph()
        kept = value._non_slot_dict.items()
        return {name: v for (name, home), v in kept if graph.executes or home is graph}
    found: dict[str, Any] = {}
    layers = getattr(value, "layers", None)
    if isinstance(layers, list):
        weighted = 0
        for number, layer in enumerate(layers):
            if layer.weights:
                found[f"layer_with_weights-{weighted}"] = layer
                weighted += 1
            found[f"layer-{number}"] = layer
    own = vars(value).items()
    found.update((name, part) for name, part in own if name[:1] != "_" and is_trackable(part))
    return found


def _escaped(name: str) -> str:
    return name.replace(".", "..").replace("/", ".S")


class Objects:
    """All objects that one holds, breadth first, with the shortest path to each.

    Args:
        root: the object.
    """

    def __init__(self, root: Any) -> None:
        self._objects: list[Any] = [root]
        self._numbers: dict[int, int] = {id(root): 0}
        self._children: list[dict[str, int]] = []
        paths = [""]
        waiting = deque([0])
        while waiting:
            number = waiting.popleft()
            own: dict[str, int] = {}
            for name, part in children_of(self._objects[number]).items():
                if id(part) not in self._numbers:
                    self._numbers[id(part)] = len(self._objects)
                    self._objects.append(part)
                    lead = f"{paths[number]}/" if paths[number] else ""
                    paths.append(f"{lead}{_escaped(name)}")
                    waiting.append(self._numbers[id(part)])
                own[name] = self._numbers[id(part)]
            self._children.append(own)
        self._paths = paths
        #: Key in the checkpoint -> variable.
        self.variables: dict[str, Variable] = {}
        self._keys: dict[int, str] = {}
        #: (number of the optimizer, slot's name, number of the variable) -> the slot.
        self._slots: dict[tuple[int, str, int], Variable] = {}
        for number, value in enumerate(self._objects):
            if isinstance(value, Variable):
                self._note(value, f"{paths[number]}/.ATTRIBUTES/{_VALUE}")
        for number, value in enumerate(list(self._objects)):
            if isinstance(value, Optimizer):
                self._note_slots(number, value)

    def _note(self, variable: Variable, key: str) -> None:
        self.variables[key] = variable
        self._keys[id(variable)] = key

    def _note_slots(self, number: int, optimizer: Optimizer) -> None:
        for name in optimizer.get_slot_names():
            for place, value in enumerate(list(self._objects)):
                slot = optimizer.get_slot(value, name) if isinstance(value, Variable) else None
                if slot is not None:
                    self._slots[number, name, place] = slot
                    self._note(slot, f"{self._paths[place]}/.OPTIMIZER_SLOT/{self._paths[number]}/"
                                     f"{_escaped(name)}/.ATTRIBUTES/{_VALUE}")  # fmt: skip

    def message(self) -> TrackableObjectGraph:
        """What says which object has which parts."""
        made = TrackableObjectGraph()
        for number, value in enumerate(self._objects):
            node = made.nodes.add()
            for name, part in self._children[number].items():
                node.children.add(node_id=part, local_name=name)
            if isinstance(value, Variable):
                self._describe(node, value)
        for (owner, name, place), slot in self._slots.items():
            made.nodes[owner].slot_variables.add(
                original_variable_node_id=place, slot_name=name,
                slot_variable_node_id=len(made.nodes),
            )  # fmt: skip
            self._describe(made.nodes.add(), slot)
        return made

    def _describe(self, node: Any, variable: Variable) -> None:
        key = self._keys[id(variable)]
        node.attributes.add(name=_VALUE, full_name=variable.op.name, checkpoint_key=key)

    def matched(
        self, message: TrackableObjectGraph
    ) -> tuple[list[tuple[Variable, str]], list[str]]:
        """([variable and the key of its value], [keys that no object here has])."""
        nodes = message.nodes
        mine: dict[int, int] = {0: 0} if nodes else {}
        waiting = deque(mine)
        while waiting:
            there = waiting.popleft()
            own = self._children[mine[there]]
            for reference in nodes[there].children:
                number = own.get(reference.local_name)
                if number is None or not 0 <= reference.node_id < len(nodes):
                    continue
                if reference.node_id not in mine:
                    mine[reference.node_id] = number
                    waiting.append(reference.node_id)
        found: dict[int, tuple[Variable, str]] = {}
        used: set[str] = set()

        def take(variable: Variable, there: int) -> None:
            for attribute in nodes[there].attributes if there < len(nodes) else ():
                if attribute.name == _VALUE:
                    found.setdefault(id(variable), (variable, attribute.checkpoint_key))
                    used.add(attribute.checkpoint_key)

        for there, number in mine.items():
            if isinstance(self._objects[number], Variable):
                take(self._objects[number], there)
            for slot in nodes[there].slot_variables:
                place = mine.get(slot.original_variable_node_id)
                kept = self._slots.get((number, slot.slot_name, -1 if place is None else place))
                if kept is not None:
                    take(kept, slot.slot_variable_node_id)
        unused = [
            attribute.checkpoint_key
            for node in nodes
            for attribute in node.attributes
            if attribute.checkpoint_key not in used
        ]
        return list(found.values()), unused
