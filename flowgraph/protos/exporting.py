"""From the Graph to its GraphDef: every Operation becomes a NodeDef message.

The attrs of the op table go in by their kinds; hints (``_class``) by the Python type of their
value.  Read next: importing.py (the way back), graph_util.py (what is done with GraphDefs).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.graph.core import Graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation
from flowgraph.graph.opdef import OPDEFS, REQUIRED, WRITE
from flowgraph.platform.file_io import path_of
from flowgraph.platform.versions import GRAPH_DEF_VERSION, GRAPH_DEF_VERSION_MIN_CONSUMER
from flowgraph.protos.functions import Functions
from flowgraph.protos.graphs import AttrValue, GraphDef, NameAttrList, NodeDef
from flowgraph.protos.message import Message
from flowgraph.protos.tensors import make_tensor_proto, shape_proto

#: Kind of an attr -> (field of AttrValue, what it holds).
_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "type": ("type", lambda value: value.as_datatype_enum),
    "bool": ("b", bool),
    "int": ("i", int),
    "float": ("f", float),
    "string": ("s", lambda value: value if isinstance(value, bytes) else str(value).encode()),
    "shape": ("shape", shape_proto),
    "tensor": ("tensor", make_tensor_proto),
    "func": ("func", lambda value: NameAttrList(name=str(value))),
}


def _kind_of(value: Any) -> str:
    """The kind of a hint, which no op declares."""
    kinds = (
        (bool, "bool"), (int, "int"), (float, "float"), (DType, "type"), ((str, bytes), "string"),
        (np.ndarray, "tensor"), ((tuple, type(None)), "shape"),
    )  # fmt: skip
    if isinstance(value, list):
        return f"list({_kind_of(value[0]) if value else 'int'})"
    return next((kind for types, kind in kinds if isinstance(value, types)), "func")


def attr_value(kind: str, value: Any) -> AttrValue:
    """The AttrValue of an attr of ``kind`` (graph/opdef.py).

    >>> attr_value("list(int)", [1, 2]).list.i
    [1, 2]
    """
    if not kind.startswith("list("):
        name, form = _FIELDS[kind]
        return AttrValue(**{name: form(value)})
    name, form = _FIELDS[kind[5:-1]]
    return AttrValue(list=AttrValue.ListValue(**{name: [form(item) for item in value]}))


def node_def(op: Operation, add_shapes: bool = False) -> NodeDef:
    """The NodeDef of an operation; with ``add_shapes`` also the shapes of its outputs."""
    node = NodeDef(name=op.name, op=op.type, device=op.device)
    node.input.extend(t.name if t.value_index else t.op.name for t in op.inputs)
    node.input.extend(f"^{other.name}" for other in op._control_inputs)
    opdef = OPDEFS.get(op.type)
    specs = opdef.signature.attrs if opdef is not None else {}
    for name, value in op.attrs.items():
        kind = specs[name].kind if name in specs else _kind_of(value)
        node.attr[name].CopyFrom(attr_value(kind, value))
    if add_shapes and op.outputs:
        shapes = attr_value("list(shape)", [tensor.dims for tensor in op.outputs])
        node.attr["_output_shapes"].CopyFrom(shapes)
    return node


def graph_def(operations: Iterable[Operation], add_shapes: bool = False) -> GraphDef:
    """The GraphDef of ``operations``.

    Raises:
        NotImplementedError: a branch or loop writes a variable.
    """
    operations = list(operations)
    made = GraphDef()
    made.versions.producer = GRAPH_DEF_VERSION
    made.versions.min_consumer = GRAPH_DEF_VERSION_MIN_CONSUMER
    waits = updates_wait(operations)
    functions = Functions(lambda op: node_def(op, add_shapes))
    for op in operations:
        if op._context is not None:
            continue  # it stands in a function
        nodes = functions.nodes(op)
        nodes[-1].input.extend(f"^{other.name}" for other in waits.get(op, ()))
        list.extend(made.node, nodes)  # NB: extend of MessageList would copy
    if operations:
        made.node._changed()
    if functions.made:
        list.extend(made.library.function, functions.made)
        made.library.function._changed()
    return made


#: Ops whose result lies in the memory of their input, in TensorFlow.
_SAME_MEMORY = {"Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "Snapshot"}


def updates_wait(operations: Iterable[Operation]) -> dict[Operation, list[Operation]]:
    """What writes must wait for in a GraphDef, beyond their inputs.

    TensorFlow updates variables in place and in no order: where a step (a NoOp) runs updates of
    several variables, an update must not come before the last use of the old value in the
    gradients of the others.  Here the order of creation says so.
    """
    found: dict[Operation, dict[Operation, None]] = {}
    for step in operations:
        if step.type != "NoOp":
            continue
        needed = _ancestors(step)
        for op in needed:
            if len(op.inputs) > 1 and op.inputs[0].dtype.is_ref and _writes(op.type):
                own = _ancestors(op)
                for use in _uses(op.inputs[0].op):
                    if use in needed and use not in own and use._id < op._id:
                        found.setdefault(op, {})[use] = None
    return {op: sorted(uses, key=lambda use: use._id) for op, uses in found.items()}


def _writes(type: str) -> bool:
    opdef = OPDEFS.get(type)
    return opdef is not None and opdef.effect == WRITE


def _ancestors(op: Operation) -> set[Operation]:
    """The operations that run before ``op`` does."""
    found: set[Operation] = set()
    waiting = [op]
    while waiting:
        at = waiting.pop()
        for other in (*(tensor.op for tensor in at.inputs), *at._control_inputs):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _uses(variable: Operation) -> Iterator[Operation]:
    """The operations that read the memory of a variable."""
    waiting, seen = [variable], {variable}
    while waiting:
        for tensor in waiting.pop().outputs:
            for op in tensor.consumers():
                if op in seen:
                    continue
                seen.add(op)
                if op.type in _SAME_MEMORY:
                    waiting.append(op)
                elif not _writes(op.type):
                    yield op


#: Attrs that have a default here, and none in TensorFlow.  So have dtypes and lists, of some types.
_NEEDED_THERE = {"token", "num_true", "num_sampled", "unique", "range_max"}


def strip_default_attrs(message: GraphDef) -> None:
    """Remove the attrs that have their default values, of op types that are known here."""
    for node in message.node:
        opdef = OPDEFS.get(node.op)
        for name, spec in opdef.signature.attrs.items() if opdef is not None else ():
            needed = (
                spec.default is REQUIRED
                or spec.kind == "type"
                or spec.kind.startswith("list(")
                or name in _NEEDED_THERE
                or node.op == "IteratorV2"
            )
            if not needed and name in node.attr:
                if node.attr[name] == attr_value(spec.kind, spec.default):
                    del node.attr[name]


@export("train.write_graph", "io.write_graph")
def write_graph(
    graph_or_graph_def: Graph | GraphDef, logdir: Any, name: str, as_text: bool = True
) -> str:
    """Write a graph to a file, which appears complete or not at all.

    Args:
        graph_or_graph_def: a Graph or a GraphDef.
        logdir: the directory; made when it is not there.
        name: of the file.
        as_text: the text form of protocol buffers (``.pbtxt``), not bytes (``.pb``).

    Returns:
        The path of the file.

    >>> import os, tempfile
    >>> with tf.Graph().as_default() as graph, tempfile.TemporaryDirectory() as folder:
    ...     _ = tf.constant(1.0, name="one")
    ...     path = tf.io.write_graph(graph, folder, "one.pb", as_text=False)
    ...     restored = tf.GraphDef.FromString(open(path, "rb").read())
    >>> restored.node[0].name
    'one'
    """
    given = graph_or_graph_def
    message = given.as_graph_def() if isinstance(given, Graph) else given
    path = os.path.join(path_of(logdir), name)
    write_message(path, message, as_text)
    return path


def write_message(path: str, message: Message, as_text: bool) -> None:
    """Write a message to a file by one rename; the directory is made when it is not there."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    new = Path(f"{path}.{os.getpid()}.{threading.get_ident()}.new")
    try:
        new.write_bytes(str(message).encode() if as_text else message.SerializeToString())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
