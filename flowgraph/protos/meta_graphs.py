"""MetaGraphDef: a graph, its collections and the settings of its Saver; ``.meta`` files hold one,
and a SavedModel several.

Read next: graphs.py; saving/meta_graphs.py and saved_model/ (who writes and reads them).
"""

from __future__ import annotations

from flowgraph.graph.export import export
from flowgraph.protos.fields import ENUMS
from flowgraph.protos.graphs import GraphDef, OpList
from flowgraph.protos.message import Message, declare
from flowgraph.protos.tensors import TensorShapeProto

ENUMS["Code"] = {
    name: number
    for number, name in enumerate(
        ("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
         "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
         "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
         "UNAUTHENTICATED")
    )
}  # fmt: skip
ENUMS["CheckpointFormatVersion"] = {"LEGACY": 0, "V1": 1, "V2": 2}

#: What the messages here hold.
VALUES = (GraphDef, OpList, TensorShapeProto)


@export("train.SaverDef")
class SaverDef(Message):
    """The settings of a Saver."""

    LEGACY, V1, V2 = 0, 1, 2
    FIELDS = declare("""
        filename_tensor_name          1 string
        save_tensor_name              2 string
        restore_op_name               3 string
        max_to_keep                   4 int32
        sharded                       5 bool
        keep_checkpoint_every_n_hours 6 float
        version                       7 enum:CheckpointFormatVersion
        """)


class VariableDef(Message):
    """The operations of a Variable, by name."""

    FIELDS = declare("""
        variable_name      1 string
        initial_value_name 6 string
        initializer_name   2 string
        snapshot_name      3 string
        is_resource        5 bool
        trainable          7 bool
        """)


class QueueRunnerDef(Message):
    """The operations of a QueueRunner, by name, and the codes of errors that mean the end."""

    FIELDS = declare("""
        queue_name                   1 string
        enqueue_op_name              2 repeated string
        close_op_name                3 string
        cancel_op_name               4 string
        queue_closed_exception_types 5 repeated enum:Code
        """)


class AnyMessage(Message):
    """A message of any kind, as bytes: protocol buffers' ``Any``."""

    FIELDS = declare("""
        type_url 1 string
        value    2 bytes
        """)


class CollectionDef(Message):
    """A collection: names of nodes, bytes (texts, variables), integers, floats or messages."""

    FIELDS = declare("""
        node_list  1 CollectionDef.NodeList  oneof kind
        bytes_list 2 CollectionDef.BytesList oneof kind
        int64_list 3 CollectionDef.Int64List oneof kind
        float_list 4 CollectionDef.FloatList oneof kind
        any_list   5 CollectionDef.AnyList   oneof kind
        """)

    class NodeList(Message):
        """Names of tensors and operations."""

        FIELDS = declare("value 1 repeated string")

    class BytesList(Message):
        """Texts, or messages as bytes."""

        FIELDS = declare("value 1 repeated bytes")

    class Int64List(Message):
        """Integers."""

        FIELDS = declare("value 1 repeated int64")

    class FloatList(Message):
        """Floats."""

        FIELDS = declare("value 1 repeated float")

    class AnyList(Message):
        """Messages of any kind."""

        FIELDS = declare("value 1 repeated AnyMessage")


@export("TensorInfo")
class TensorInfo(Message):
    """Name (or names, of a sparse tensor), dtype and shape of a tensor."""

    FIELDS = declare("""
        name         1 string oneof encoding
        coo_sparse   4 TensorInfo.CooSparse oneof encoding
        dtype        2 enum:DataType
        tensor_shape 3 TensorShapeProto
        """)

    class CooSparse(Message):
        """The tensors that a sparse tensor is made of."""

        FIELDS = declare("""
            values_tensor_name      1 string
            indices_tensor_name     2 string
            dense_shape_tensor_name 3 string
            """)


class SignatureDef(Message):
    """What a graph computes: from which tensors to which."""

    FIELDS = declare("""
        inputs      1 map string TensorInfo
        outputs     2 map string TensorInfo
        method_name 3 string
        """)


class AssetFileDef(Message):
    """A file beside a graph, and the tensor with its path."""

    FIELDS = declare("""
        tensor_info 1 TensorInfo
        filename    2 string
        """)


@export("MetaGraphDef")
class MetaGraphDef(Message):
    """A graph: ``graph_def``, ``collection_def``, ``saver_def``, ``signature_def``.

    >>> meta = MetaGraphDef(saver_def=SaverDef(max_to_keep=3))
    >>> MetaGraphDef.FromString(meta.SerializeToString()).saver_def.max_to_keep
    3
    """

    FIELDS = declare("""
        meta_info_def  1 MetaGraphDef.MetaInfoDef
        graph_def      2 GraphDef
        saver_def      3 SaverDef
        collection_def 4 map string CollectionDef
        signature_def  5 map string SignatureDef
        asset_file_def 6 repeated AssetFileDef
        """)

    class MetaInfoDef(Message):
        """Versions, tags, and the op types that the graph uses."""

        FIELDS = declare("""
            meta_graph_version       1 string
            stripped_op_list         2 OpList
            tags                     4 repeated string
            tensorflow_version       5 string
            tensorflow_git_version   6 string
            stripped_default_attrs   7 bool
            """)


class SavedModel(Message):
    """Graphs that share variables and assets: what ``saved_model.pb`` holds."""

    FIELDS = declare("""
        saved_model_schema_version 1 int64
        meta_graphs                2 repeated MetaGraphDef
        """)
