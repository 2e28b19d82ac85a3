"""GraphDef and what it is made of: nodes, attrs, functions, versions; the description of clusters.

Read next: tensors.py (the values of attrs).
"""

from __future__ import annotations

from flowgraph.graph.export import export
from flowgraph.protos.message import Message, declare
from flowgraph.protos.tensors import TensorProto, TensorShapeProto

#: What the attrs of nodes hold beside numbers and texts.
VALUES = (TensorProto, TensorShapeProto)


@export("AttrValue")
class AttrValue(Message):
    """The value of an attr: one of ``s``, ``i``, ``f``, ``b``, ``type``, ``shape``, ``tensor``,
    ``list``, ``func`` and ``placeholder``; ``WhichOneof("value")`` tells.

    >>> AttrValue(list=AttrValue.ListValue(i=[1, 2])).WhichOneof("value")
    'list'
    """

    FIELDS = declare("""
        s           2  bytes            oneof value
        i           3  int64            oneof value
        f           4  float            oneof value
        b           5  bool             oneof value
        type        6  enum:DataType    oneof value
        shape       7  TensorShapeProto oneof value
        tensor      8  TensorProto      oneof value
        list        1  AttrValue.ListValue oneof value
        func        10 NameAttrList     oneof value
        placeholder 9  string           oneof value
        """)

    class ListValue(Message):
        """A list of values of one kind."""

        FIELDS = declare("""
            s      2 repeated bytes
            i      3 repeated int64
            f      4 repeated float
            b      5 repeated bool
            type   6 repeated enum:DataType
            shape  7 repeated TensorShapeProto
            tensor 8 repeated TensorProto
            func   9 repeated NameAttrList
            """)


@export("NameAttrList")
class NameAttrList(Message):
    """A function with its attrs."""

    FIELDS = declare("""
        name 1 string
        attr 2 map string AttrValue
        """)


@export("NodeDef")
class NodeDef(Message):
    """One operation: ``name``, ``op`` (its type), ``input`` (names), ``device`` and ``attr``."""

    FIELDS = declare("""
        name                    1 string
        op                      2 string
        input                   3 repeated string
        device                  4 string
        attr                    5 map string AttrValue
        experimental_debug_info 6 NodeDef.ExperimentalDebugInfo
        """)

    class ExperimentalDebugInfo(Message):
        """What the node was made from."""

        FIELDS = declare("""
            original_node_names 1 repeated string
            original_func_names 2 repeated string
            """)


class VersionDef(Message):
    """Who wrote it, and who may read it."""

    FIELDS = declare("""
        producer      1 int32
        min_consumer  2 int32
        bad_consumers 3 repeated int32
        """)


class OpDeprecation(Message):
    """Since when an op type is not to be used, and why."""

    FIELDS = declare("""
        version     1 int32
        explanation 2 string
        """)


class OpDef(Message):
    """The signature of an op type."""

    FIELDS = declare("""
        name                         1  string
        input_arg                    2  repeated OpDef.ArgDef
        output_arg                   3  repeated OpDef.ArgDef
        control_output               20 repeated string
        attr                         4  repeated OpDef.AttrDef
        deprecation                  8  OpDeprecation
        summary                      5  string
        description                  6  string
        is_commutative               18 bool
        is_aggregate                 16 bool
        is_stateful                  17 bool
        allows_uninitialized_input   19 bool
        is_distributed_communication 21 bool
        """)

    class ArgDef(Message):
        """An input or output."""

        FIELDS = declare("""
            name           1  string
            description    2  string
            type           3  enum:DataType
            type_attr      4  string
            number_attr    5  string
            type_list_attr 6  string
            handle_data    7  repeated ResourceHandleProto.DtypeAndShape
            is_ref         16 bool
            """)

    class AttrDef(Message):
        """An attr."""

        FIELDS = declare("""
            name           1 string
            type           2 string
            default_value  3 AttrValue
            description    4 string
            has_minimum    5 bool
            minimum        6 int64
            allowed_values 7 AttrValue
            """)


class OpList(Message):
    """``op``: signatures of op types."""

    FIELDS = declare("op 1 repeated OpDef")


class FunctionDef(Message):
    """A function: its signature, its nodes and what it returns."""

    FIELDS = declare("""
        signature              1 OpDef
        attr                   5 map string AttrValue
        arg_attr               7 map uint32 FunctionDef.ArgAttrs
        resource_arg_unique_id 8 map uint32 uint32
        node_def               3 repeated NodeDef
        ret                    4 map string string
        control_ret            6 map string string
        """)

    class ArgAttrs(Message):
        """The attrs of an argument."""

        FIELDS = declare("attr 1 map string AttrValue")


class GradientDef(Message):
    """Which function is the gradient of which."""

    FIELDS = declare("""
        function_name 1 string
        gradient_func 2 string
        """)


class FunctionDefLibrary(Message):
    """The functions of a graph."""

    FIELDS = declare("""
        function 1 repeated FunctionDef
        gradient 2 repeated GradientDef
        """)


@export("GraphDef")
class GraphDef(Message):
    """A graph: ``node`` is the list of its operations.

    >>> graph = GraphDef(node=[NodeDef(name="a", op="Placeholder")])
    >>> [node.name for node in GraphDef.FromString(graph.SerializeToString()).node]
    ['a']
    """

    FIELDS = declare("""
        node     1 repeated NodeDef
        versions 4 VersionDef
        version  3 int32
        library  2 FunctionDefLibrary
        """)


@export("train.JobDef")
class JobDef(Message):
    """``name`` of a job, and ``tasks``: number -> address."""

    FIELDS = declare("""
        name  1 string
        tasks 2 map int32 string
        """)


@export("train.ClusterDef")
class ClusterDef(Message):
    """``job``: the jobs of a cluster."""

    FIELDS = declare("job 1 repeated JobDef")
