"""From a MetaGraphDef to operations, collections and a Saver: tf.train.import_meta_graph.

Read next: meta_graphs.py (the way there).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import EXPORTS, export
from flowgraph.ops.variable_messages import variable_of
from flowgraph.ops.variables import Variable
from flowgraph.protos.importing import import_graph_def
from flowgraph.protos.meta_graphs import MetaGraphDef, QueueRunnerDef, VariableDef
from flowgraph.protos.reading import read_message
from flowgraph.saving.saver import Saver

#: Collections whose bytes are variables.
_OF_VARIABLES = {
    GraphKeys.GLOBAL_VARIABLES, GraphKeys.TRAINABLE_VARIABLES, GraphKeys.LOCAL_VARIABLES,
    GraphKeys.MODEL_VARIABLES, GraphKeys.MOVING_AVERAGE_VARIABLES, GraphKeys.GLOBAL_STEP,
    GraphKeys.METRIC_VARIABLES,
}  # fmt: skip
#: Collections whose bytes are objects that are not made again.
_LEFT_OUT = {"cond_context", "while_context", "savers"}


@export("train.import_meta_graph")
def import_meta_graph(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    import_scope: str | None = None,
    input_map: Mapping[str, Any] | None = None,
    return_elements: Any = None,
) -> Any:
    """Add what a ``.meta`` file holds to the default graph: operations and collections.

    Args:
        meta_graph_or_file: a MetaGraphDef, or the path of a file with one.
        clear_devices: leave out the devices.
        import_scope: prefix of the names; none by default.
        input_map, return_elements: as of ``tf.import_graph_def``.

    Returns:
        A Saver that restores the graph's variables; None when it has none.  With
        ``return_elements`` a pair of it and the list of these.

    Raises:
        ValueError: the file holds no MetaGraphDef, in bytes or text.
        NotFoundError: there is no such file, or op types are not known here.

    >>> import os, tempfile
    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> with tf.Session() as sess, tempfile.TemporaryDirectory() as folder:
    ...     sess.run(v.initializer)
    ...     path = tf.train.Saver().save(sess, os.path.join(folder, "model.ckpt"))
    ...     with tf.Graph().as_default(), tf.Session() as other:
    ...         saver = tf.train.import_meta_graph(path + ".meta")
    ...         saver.restore(other, path)
    ...         print(other.run(tf.trainable_variables()))
    [array([1., 2.], dtype=float32)]
    """
    meta = _message(meta_graph_or_file)
    graph = get_default_graph()
    scope = graph.unique_name(import_scope, mark_as_used=False) if import_scope else ""
    message = meta.graph_def
    if clear_devices:
        message = type(message).FromString(message.SerializeToString())
        for node in message.node:
            node.device = ""
    found = import_graph_def(
        message, input_map, return_elements, name=import_scope or "",
        producer_op_list=meta.meta_info_def.stripped_op_list,
    )  # fmt: skip
    _import_collections(graph, meta, f"{scope}/" if scope else "")
    saver: Saver | None = None
    if meta.HasField("saver_def"):
        saver = Saver.from_proto(meta.saver_def, scope)
    elif graph.get_collection(GraphKeys.GLOBAL_VARIABLES, f"{scope}/" if scope else None):
        saver = Saver()
    return saver if return_elements is None else (saver, found)


def _message(given: Any) -> MetaGraphDef:
    if isinstance(given, MetaGraphDef):
        return given
    if type(given).__name__ == "MetaGraphDef":  # of Google's classes
        return MetaGraphDef.FromString(given.SerializeToString())
    return read_message(given, MetaGraphDef)


def _import_collections(graph: Graph, meta: MetaGraphDef, prefix: str) -> None:
    made: dict[str, Variable] = {}
    for key, collection in meta.collection_def.items():
        kind = collection.WhichOneof("kind")
        if key in _LEFT_OUT or kind is None:
            continue
        for item in getattr(collection, kind).value:
            if kind == "node_list":
                item = graph.as_graph_element(prefix + item)
            elif kind == "bytes_list" and key in _OF_VARIABLES:
                said = VariableDef.FromString(item)
                if said.variable_name not in made:
                    made[said.variable_name] = variable_of(graph, said, prefix)
                item = made[said.variable_name]
            elif kind == "bytes_list" and key == GraphKeys.QUEUE_RUNNERS:
                runner = QueueRunnerDef.FromString(item)
                with graph.as_default():
                    item = EXPORTS["train.QueueRunner"].from_proto(runner, prefix.rstrip("/"))
            graph.add_to_collection(key, item)
