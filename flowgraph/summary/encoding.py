"""Graphs and traces as the bytes that an Event holds: GraphDef and RunMetadata.

The records that a traced run makes are plain ones (profile/run_metadata.py); here are the messages
with the same names and fields.

Read next: writer.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.graph.core import Graph
from flowgraph.platform.versions import GRAPH_DEF_VERSION
from flowgraph.protos.exporting import node_def
from flowgraph.protos.fields import Field
from flowgraph.protos.graphs import AttrValue, GraphDef
from flowgraph.protos.message import CLASSES, Message, declare
from flowgraph.protos.tensors import TensorShapeProto, shape_proto

# ------------------------------------------------------------------------------------------ graphs


def shown_graph(graph: Graph) -> GraphDef:
    """The GraphDef of a graph with static shapes, for looking at.

    Unlike ``Graph.as_graph_def`` it has branches and loops, too: as nodes without their bodies.
    """
    made = GraphDef()
    made.versions.producer = GRAPH_DEF_VERSION
    for op in graph.get_operations():
        node = node_def(op, add_shapes=True)
        for name in [name for name, attr in node.attr.items() if _is_function(attr)]:
            del node.attr[name]
        made.node.append(node)
    return made


def _is_function(attr: AttrValue) -> bool:
    """True for bodies, and for what only this library knows."""
    return attr.HasField("func") or bool(attr.HasField("list") and attr.list.func)


# ------------------------------------------------------------------------------------------ traces


class TensorDescription(Message):
    """dtype and shape of an output."""

    FIELDS = declare("""
        dtype 1 enum:DataType
        shape 2 TensorShapeProto
        """)


class NodeOutput(Message):
    """One output of a kernel."""

    FIELDS = declare("""
        slot               1 int32
        tensor_description 3 TensorDescription
        """)


class AllocatorMemoryUsed(Message):
    """What a kernel needs for its results."""

    FIELDS = declare("""
        allocator_name 1 string
        total_bytes    2 int64
        peak_bytes     3 int64
        live_bytes     4 int64
        """)


class NodeExecStats(Message):
    """One run of one kernel."""

    FIELDS = declare("""
        node_name            1 string
        all_start_micros     2 int64
        op_start_rel_micros  3 int64
        op_end_rel_micros    4 int64
        all_end_rel_micros   5 int64
        memory               6 repeated AllocatorMemoryUsed
        output               7 repeated NodeOutput
        timeline_label       8 string
        scheduled_micros     9 int64
        thread_id           10 uint32
        all_start_nanos     13 int64
        op_start_rel_nanos  14 int64
        op_end_rel_nanos    15 int64
        all_end_rel_nanos   16 int64
        scheduled_nanos     17 int64
        """)


class DeviceStepStats(Message):
    """Everything that ran on one device."""

    FIELDS = declare("""
        device       1 string
        node_stats   2 repeated NodeExecStats
        thread_names 3 map uint32 string
        """)


class StepStats(Message):
    """Everything that ran, by device."""

    FIELDS = declare("dev_stats 1 repeated DeviceStepStats")


class RunMetadata(Message):
    """What a traced run tells."""

    FIELDS = declare("step_stats 1 StepStats")


def run_metadata_bytes(run_metadata: Any) -> bytes:
    """A ``tf.RunMetadata`` as TensorFlow serializes it."""
    if hasattr(run_metadata, "SerializeToString"):
        return bytes(run_metadata.SerializeToString())
    return _message(RunMetadata, run_metadata).SerializeToString()


def _message(kind: type[Message], record: Any) -> Message:
    """The message with the fields of ``record`` that its class has, too."""
    given = {name: getattr(record, name) for name in kind.FIELDS}
    return kind(**{name: _value(kind.FIELDS[name], value) for name, value in given.items()})


def _value(field: Field, value: Any) -> Any:
    if not field.is_message:
        return value
    inner = CLASSES[field.kind]
    if inner is TensorShapeProto:
        return shape_proto(tuple(value))
    return [_message(inner, item) for item in value] if field.repeated else _message(inner, value)
