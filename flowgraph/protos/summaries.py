"""What event files hold: summaries, histograms, logs; TensorBoard reads them.

    tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=0.5)])

Read next: tensors.py.
"""

from __future__ import annotations

from flowgraph.graph.export import export
from flowgraph.protos.fields import ENUMS
from flowgraph.protos.message import Message, declare
from flowgraph.protos.tensors import TensorProto

ENUMS["DataClass"] = {
    "DATA_CLASS_UNKNOWN": 0, "DATA_CLASS_SCALAR": 1, "DATA_CLASS_TENSOR": 2,
    "DATA_CLASS_BLOB_SEQUENCE": 3,
}  # fmt: skip
ENUMS["Level"] = {
    "UNKNOWN": 0, "DEBUGGING": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50,
}  # fmt: skip
ENUMS["SessionStatus"] = {"STATUS_UNSPECIFIED": 0, "START": 1, "STOP": 2, "CHECKPOINT": 3}

#: What summaries of any tensor hold.
VALUES = (TensorProto,)


@export("HistogramProto")
class HistogramProto(Message):
    """How values are spread: ``bucket[i]`` of them lie up to ``bucket_limit[i]``."""

    FIELDS = declare("""
        min          1 double
        max          2 double
        num          3 double
        sum          4 double
        sum_squares  5 double
        bucket_limit 6 repeated double
        bucket       7 repeated double
        """)


@export("SummaryMetadata")
class SummaryMetadata(Message):
    """What shows a summary (``plugin_data``), and under what name."""

    FIELDS = declare("""
        plugin_data         1 SummaryMetadata.PluginData
        display_name        2 string
        summary_description 3 string
        data_class          4 enum:DataClass
        """)

    class PluginData(Message):
        """The name of a plugin, and what it wants to know."""

        FIELDS = declare("""
            plugin_name 1 string
            content     2 bytes
            """)


@export("SummaryDescription", "summary.SummaryDescription")
class SummaryDescription(Message):
    """The type of a summary."""

    FIELDS = declare("type_hint 1 string")


@export("Summary", "summary.Summary")
class Summary(Message):
    """``value``: a list of Summary.Value, each with a ``tag`` and one kind of value.

    >>> summary = Summary(value=[Summary.Value(tag="loss", simple_value=0.5)])
    >>> summary.value[0].WhichOneof("value")
    'simple_value'
    """

    FIELDS = declare("value 1 repeated Summary.Value")

    class Value(Message):
        """One value: ``simple_value``, ``image``, ``histo``, ``audio`` or ``tensor``."""

        FIELDS = declare("""
            node_name                    7 string
            tag                          1 string
            metadata                     9 SummaryMetadata
            simple_value                 2 float          oneof value
            obsolete_old_style_histogram 3 bytes          oneof value
            image                        4 Summary.Image  oneof value
            histo                        5 HistogramProto oneof value
            audio                        6 Summary.Audio  oneof value
            tensor                       8 TensorProto    oneof value
            """)

    class Image(Message):
        """An encoded picture (PNG), its size and number of channels (``colorspace``)."""

        FIELDS = declare("""
            height               1 int32
            width                2 int32
            colorspace           3 int32
            encoded_image_string 4 bytes
            """)

    class Audio(Message):
        """Encoded sound."""

        FIELDS = declare("""
            sample_rate          1 float
            num_channels         2 int64
            length_frames        3 int64
            encoded_audio_string 4 bytes
            content_type         5 string
            """)


@export("LogMessage")
class LogMessage(Message):
    """A line of a log."""

    UNKNOWN, DEBUGGING, INFO, WARN, ERROR, FATAL = 0, 10, 20, 30, 40, 50
    FIELDS = declare("""
        level   1 enum:Level
        message 2 string
        """)


@export("SessionLog", "summary.SessionLog")
class SessionLog(Message):
    """That a session has started, stopped, or saved a checkpoint."""

    STATUS_UNSPECIFIED, START, STOP, CHECKPOINT = 0, 1, 2, 3
    FIELDS = declare("""
        status          1 enum:SessionStatus
        checkpoint_path 2 string
        msg             3 string
        """)


@export("summary.TaggedRunMetadata")
class TaggedRunMetadata(Message):
    """A RunMetadata (as bytes) under a name."""

    FIELDS = declare("""
        tag          1 string
        run_metadata 2 bytes
        """)


class SourceMetadata(Message):
    """Who wrote the file."""

    FIELDS = declare("writer 1 string")


@export("Event", "summary.Event")
class Event(Message):
    """One record of an event file: ``wall_time`` in seconds, ``step``, and one kind of content."""

    FIELDS = declare("""
        wall_time           1  double
        step                2  int64
        file_version        3  string            oneof what
        graph_def           4  bytes             oneof what
        summary             5  Summary           oneof what
        log_message         6  LogMessage        oneof what
        session_log         7  SessionLog        oneof what
        tagged_run_metadata 8  TaggedRunMetadata oneof what
        meta_graph_def      9  bytes             oneof what
        source_metadata     10 SourceMetadata
        """)
