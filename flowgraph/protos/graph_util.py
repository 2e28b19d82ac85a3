"""tf.graph_util: smaller GraphDefs from large ones: a part, frozen, without nodes of training.

Read next: importing.py (from a GraphDef to operations).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype
from flowgraph.graph.core import Graph
from flowgraph.graph.export import export
from flowgraph.protos.graphs import GraphDef, NodeDef
from flowgraph.protos.importing import as_graph_def
from flowgraph.protos.tensors import make_tensor_proto
from flowgraph.tensor_shape import TensorShape

_VARIABLES = ("Variable", "VariableV2")


def _node_name(text: str) -> str:
    """The node that an input (``x``, ``x:1``, ``^x``) comes from."""
    return text.removeprefix("^").partition(":")[0]


def _like(graph_def: GraphDef, nodes: Iterable[NodeDef]) -> GraphDef:
    """A GraphDef of ``nodes``, with the rest as it is."""
    made = GraphDef()
    made.library.CopyFrom(graph_def.library)
    made.versions.CopyFrom(graph_def.versions)
    made.node.extend(nodes)
    return made


@export("graph_util.extract_sub_graph")
def extract_sub_graph(graph_def: GraphDef, dest_nodes: Sequence[str]) -> GraphDef:
    """What of a graph is needed to compute some of its nodes.

    Args:
        graph_def: a GraphDef.
        dest_nodes: names of nodes.

    Returns:
        A GraphDef of these nodes and of all that they depend on, in the order they had.

    Raises:
        TypeError: ``graph_def`` is no GraphDef, or ``dest_nodes`` a string.
        AssertionError: a node is not there.

    >>> with tf.Graph().as_default() as graph:
    ...     _ = tf.negative(tf.constant(1.0, name="a"), name="b"), tf.constant(2.0, name="c")
    >>> [n.name for n in tf.graph_util.extract_sub_graph(graph.as_graph_def(), ["b"]).node]
    ['a', 'b']
    """
    message = as_graph_def(graph_def)
    if isinstance(dest_nodes, str):
        raise TypeError("dest_nodes must be a list.")
    by_name = {node.name: node for node in message.node}
    for name in dest_nodes:
        if name not in by_name:
            raise AssertionError(f"{name} is not in graph")
    needed: set[str] = set()
    waiting = list(dest_nodes)
    while waiting:
        name = waiting.pop()
        if name not in needed and name in by_name:
            needed.add(name)
            waiting.extend(map(_node_name, by_name[name].input))
    return _like(message, (node for node in message.node if node.name in needed))


@export("graph_util.convert_variables_to_constants")
def convert_variables_to_constants(
    sess: Any,
    input_graph_def: GraphDef,
    output_node_names: Sequence[str],
    variable_names_whitelist: Iterable[str] | None = None,
    variable_names_blacklist: Iterable[str] | None = None,
) -> GraphDef:
    """A frozen graph: the values of the variables stand in it as constants.

    Args:
        sess: a session in which the variables have values.
        input_graph_def: the GraphDef of its graph.
        output_node_names: names of the nodes that are to be computed; what they do not need is
            left out.
        variable_names_whitelist: names of the only variables to replace; all when None.
        variable_names_blacklist: names of variables that stay.

    Returns:
        A GraphDef.

    Raises:
        AssertionError: an output is not there.
        FailedPreconditionError: a variable has no value.

    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> y = tf.multiply(v, 2.0, name="y")
    >>> with tf.Session() as sess:
    ...     sess.run(v.initializer)
    ...     graph = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, ["y"])
    >>> [(node.name, node.op) for node in graph.node]
    [('v', 'Const'), ('v/read', 'Identity'), ('y/y', 'Const'), ('y', 'Mul')]
    """
    part = extract_sub_graph(input_graph_def, output_node_names)
    kept = set(variable_names_blacklist or ())
    only = None if variable_names_whitelist is None else set(variable_names_whitelist)
    names = [
        node.name
        for node in part.node
        if node.op in _VARIABLES and node.name not in kept and (only is None or node.name in only)
    ]
    values = dict(zip(names, sess.run([f"{name}:0" for name in names]), strict=True))
    made = _like(part, ())
    for node in part.node:
        new = made.node.add()
        if node.name in values:
            new.name, new.op = node.name, "Const"
            new.device = node.device
            new.attr["dtype"].CopyFrom(node.attr["dtype"])
            array = np.asarray(values[node.name], as_dtype(node.attr["dtype"].type).np)
            new.attr["value"].tensor.CopyFrom(make_tensor_proto(array))
        else:
            new.CopyFrom(node)
    return made


@export("graph_util.remove_training_nodes")
def remove_training_nodes(
    input_graph: GraphDef, protected_nodes: Iterable[str] | None = None
) -> GraphDef:
    """A graph without the nodes that only pass a value on: ``Identity`` and ``CheckNumerics``.

    Those that control dependencies start from or lead to stay.

    Args:
        input_graph: a GraphDef, for instance a frozen one.
        protected_nodes: names of nodes that stay.

    Returns:
        A GraphDef.

    >>> with tf.Graph().as_default() as graph:
    ...     _ = tf.negative(tf.identity(tf.constant(1.0, name="a"), name="b"), name="c")
    >>> slim = tf.graph_util.remove_training_nodes(graph.as_graph_def())
    >>> [(node.name, list(node.input)) for node in slim.node]
    [('a', []), ('c', ['a'])]
    """
    message = as_graph_def(input_graph)
    kept = set(protected_nodes or ())
    for node in message.node:
        controls = [_node_name(text) for text in node.input if text.startswith("^")]
        kept.update(controls)
        if controls:
            kept.add(node.name)
    passed = {
        node.name: node.input[0]
        for node in message.node
        if node.op in ("Identity", "CheckNumerics") and node.input and node.name not in kept
    }

    def source(text: str) -> str:
        name = text.removesuffix(":0")
        while name in passed:
            text = passed[name]
            name = text.removesuffix(":0")
        return text

    made = _like(message, (node for node in message.node if node.name not in passed))
    for node in made.node:
        inputs = list(map(source, node.input))
        del node.input[:]
        node.input.extend(inputs)
    return made


@export("graph_util.must_run_on_cpu")
def must_run_on_cpu(node: Any, pin_variables_on_cpu: bool = False) -> bool:
    """Whether an operation has kernels for the CPU alone: those of strings, and on int32 constants.

    Args:
        node: a NodeDef or an Operation.
        pin_variables_on_cpu: whether variables are to stay there, too.
    """
    node = node if hasattr(node, "attr") else node.node_def
    if pin_variables_on_cpu and node.op in _VARIABLES:
        return True
    if node.op == "Const":
        return as_dtype(node.attr["dtype"].type).name in ("string", "int32")
    if node.op in ("DynamicStitch", "ParallelDynamicStitch"):
        return as_dtype(node.attr["T"].type).name == "int32"
    if node.op == "Cast":
        return as_dtype(node.attr["SrcT"].type).name == "int32"
    return node.op == "Size" and as_dtype(node.attr["out_type"].type).name == "int32"


@export("graph_util.tensor_shape_from_node_def_name")
def tensor_shape_from_node_def_name(graph: Graph, input_name: str) -> TensorShape:
    """The static shape of a tensor that is named as in the input of a NodeDef.

    Args:
        graph: a Graph.
        input_name: ``"x"``, ``"x:1"`` or ``"^x"``.
    """
    name = input_name.removeprefix("^")
    return graph.get_tensor_by_name(name if ":" in name else f"{name}:0").get_shape()
