"""From the Graph to a MetaGraphDef, with the operations of a Saver.

A Saver here adds no operations to the graph; what is written has TensorFlow's, so that its Saver
finds them::

    save/filename -> save/Const -> save/SaveV2 -> save/control_dependency
                     save/Const -> save/RestoreV2 -> save/Assign ... -> save/restore_all

Read next: meta_graphs_read.py (the way back); protos/exporting.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import string
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.variable_messages import variable_def
from flowgraph.ops.variables import Variable
from flowgraph.platform.file_io import path_of
from flowgraph.protos.exporting import attr_value, write_message
from flowgraph.protos.graphs import GraphDef, NodeDef
from flowgraph.protos.importing import as_graph_def
from flowgraph.protos.meta_graphs import CollectionDef, MetaGraphDef, SaverDef

#: A longer MetaGraphDef is not kept between saves.
_MAX_KEPT = 1 << 26


@export("train.export_meta_graph")
def export_meta_graph(
    filename: Any = None,
    meta_info_def: Any = None,
    graph_def: GraphDef | None = None,
    saver_def: SaverDef | None = None,
    collection_list: Iterable[str] | None = None,
    as_text: bool = False,
    graph: Graph | None = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
) -> MetaGraphDef:
    """The default graph with its collections, as a message and in a file.

    Collections of variables, tensors, operations, numbers and texts are written; others are not.

    Args:
        filename: where to write it, or None.
        meta_info_def: a MetaGraphDef.MetaInfoDef to take over.
        graph_def: a GraphDef in place of the graph's.
        saver_def: the settings of a Saver (``saver.as_saver_def()``); its operations, for all
            global variables, are then part of what is written.
        collection_list: names of the collections; all by default.
        as_text: write the text form.
        graph: a Graph in place of the default one.
        export_scope: must be None: only whole graphs can be exported.
        clear_devices: leave out the devices.
        clear_extraneous_savers, strip_default_attrs, save_debug_info: accepted.

    Returns:
        The MetaGraphDef.

    Raises:
        NotImplementedError: a branch or loop writes a variable; ``export_scope`` is given.

    >>> v = tf.Variable(1.0, name="v")
    >>> meta = tf.train.export_meta_graph()
    >>> sorted(meta.collection_def), meta.HasField("saver_def")
    (['trainable_variables', 'variables'], False)
    """
    if export_scope is not None:
        raise NotImplementedError("export_meta_graph: only whole graphs can be exported")
    graph = get_default_graph() if graph is None else graph
    meta = MetaGraphDef()
    if meta_info_def is not None:
        meta.meta_info_def.CopyFrom(meta_info_def)
    meta.meta_info_def.tensorflow_version = EXPORTS["version.VERSION"]
    given = graph.as_graph_def() if graph_def is None else as_graph_def(graph_def)
    meta.graph_def.versions.CopyFrom(given.versions)
    meta.graph_def.library.CopyFrom(given.library)
    if graph_def is None and given.node:
        list.extend(meta.graph_def.node, given.node)  # NB: they are new; MergeFrom would copy them
        meta.graph_def.node._changed()
    else:
        meta.graph_def.node.extend(given.node)
    keys = graph.get_all_collection_keys() if collection_list is None else collection_list
    for key in keys:
        found = _collection(key, graph.get_collection(key))
        if found is not None:
            meta.collection_def[key].CopyFrom(found)
    if saver_def is not None:
        meta.saver_def.CopyFrom(saver_def)
        if not saver_def.restore_op_name:
            variables = graph.get_collection(GraphKeys.GLOBAL_VARIABLES)
            _add_saver(meta, {variable.op.name: variable for variable in variables})
    if clear_devices:
        for node in meta.graph_def.node:
            node.device = ""
    if filename is not None:
        write_message(path_of(filename), meta, as_text)
    return meta


def of_saver(graph: Graph, saver_def: SaverDef, variables: Mapping[str, Any]) -> MetaGraphDef:
    """The MetaGraphDef that a Saver of ``variables`` (key in checkpoints -> variable) writes."""
    meta = export_meta_graph(graph=graph)
    meta.saver_def.CopyFrom(saver_def)
    if not saver_def.restore_op_name:
        _add_saver(meta, variables)
    return meta


class KeptMetaGraph:
    """The bytes of ``of_saver``, made anew when something of it has changed."""

    def __init__(self) -> None:
        self._stamp: Any = None
        self._bytes = b""

    def get(self, graph: Graph, saver_def: SaverDef, variables: Mapping[str, Any]) -> bytes:
        """The MetaGraphDef that a Saver writes, as bytes."""
        items = {key: list(graph.get_collection(key)) for key in graph.get_all_collection_keys()}
        stamp = (
            graph, graph.version, graph._edits, [op.device for op in graph.get_operations()],
            saver_def.SerializeToString(), dict(variables),
            {key: [id(item) for item in found] for key, found in items.items()},
        )  # fmt: skip
        if self._stamp is not None and self._stamp[0] == stamp:
            return self._bytes
        found = of_saver(graph, saver_def, variables).SerializeToString()
        # Items are kept, so that no other gets the id of one that is gone.
        self._stamp = (stamp, items) if len(found) <= _MAX_KEPT else None
        self._bytes = found if self._stamp else b""
        return found


def _collection(key: str, items: list[Any]) -> CollectionDef | None:
    """A collection as a message; None where its items have no such form."""
    if all(isinstance(item, Variable) for item in items):
        values = [_bytes(item) for item in items]
        return CollectionDef(bytes_list={"value": values})
    if key == GraphKeys.QUEUE_RUNNERS and items:
        values = [item.to_proto().SerializeToString() for item in items]
        return CollectionDef(bytes_list={"value": values})
    if all(isinstance(item, (Tensor, Operation)) for item in items):
        return CollectionDef(node_list={"value": [item.name for item in items]})
    if all(isinstance(item, (str, bytes)) for item in items):
        values = [item.encode() if isinstance(item, str) else item for item in items]
        return CollectionDef(bytes_list={"value": values})
    if all(isinstance(item, int) and -(2**63) <= item < 2**63 for item in items):
        return CollectionDef(int64_list={"value": items})
    if all(isinstance(item, float) for item in items):
        return CollectionDef(float_list={"value": items})
    return None


def _bytes(variable: Variable) -> bytes:
    said = variable_def(variable)
    return b"" if said is None else said.SerializeToString()


def _add_saver(meta: MetaGraphDef, variables: Mapping[str, Any]) -> None:
    """Put the operations of a Saver into the graph, and their names into ``saver_def``."""
    graph_def = meta.graph_def
    taken = {node.name.partition("/")[0] for node in graph_def.node}
    scope, number = "save", 0
    while scope in taken:
        number += 1
        scope = f"save_{number}"

    def add(name: str, op: str, inputs: Iterable[str] = (), **attrs: tuple[str, Any]) -> NodeDef:
        node = graph_def.node.add(name=f"{scope}/{name}", op=op, input=inputs)
        for key, (kind, value) in attrs.items():
            node.attr[key].CopyFrom(attr_value(kind, value))
        return node

    def constant(name: str, value: Any) -> str:
        array = np.array(value, object)
        return add(name, "Const", dtype=("type", string), value=("tensor", array)).name

    scalar, text = ("shape", ()), ("type", string)
    start = constant("filename/input", b"model")
    start = add("filename", "PlaceholderWithDefault", [start], dtype=text, shape=scalar).name
    path = add("Const", "PlaceholderWithDefault", [start], dtype=text, shape=scalar).name
    names = [key.encode() for key in variables]
    ops = [variable.op for variable in variables.values()]
    dtypes = ("list(type)", [op.outputs[0].dtype.base_dtype for op in ops])

    def inputs(of: str) -> list[str]:
        whole = [b""] * len(names)
        return [path, constant(f"{of}/tensor_names", names),
                constant(f"{of}/shape_and_slices", whole)]  # fmt: skip

    saved = add("SaveV2", "SaveV2", [*inputs("SaveV2"), *(op.name for op in ops)], dtypes=dtypes)
    done = add("control_dependency", "Identity", [path, f"^{saved.name}"], T=text)
    read = add("RestoreV2", "RestoreV2", inputs("RestoreV2"), dtypes=dtypes)
    sets = []
    for i, op in enumerate(ops):
        value = f"{read.name}:{i}" if i else read.name
        node = add(
            f"Assign_{i}" if i else "Assign", "Assign", [op.name, value],
            T=("type", op.outputs[0].dtype.base_dtype), validate_shape=("bool", True),
            use_locking=("bool", True), _class=("list(string)", [f"loc:@{op.name}"]),
        )  # fmt: skip
        sets.append(f"^{node.name}")
    restored = add("restore_all", "NoOp", sets)
    meta.saver_def.filename_tensor_name = f"{path}:0"
    meta.saver_def.save_tensor_name = f"{done.name}:0"
    meta.saver_def.restore_op_name = restored.name
