"""Runs in an environment with TensorBoard: reads event files with its protos.

python tensorboard_worker.py FILE    prints a JSON list, an entry per event: its kind, its bytes as
these protos write them again (hex), and fields that they do not know.
"""

from __future__ import annotations

import json
import struct
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.graph_pb2 import GraphDef


def records(path):
    """The records of a TFRecord file; sums are checked elsewhere."""
    with open(path, "rb") as file:
        while header := file.read(12):
            (length,) = struct.unpack("<Q", header[:8])
            yield file.read(length)
            file.read(4)


def unknown(message):
    """Numbers of fields, at any depth, that the message's class does not have."""
    found = [field.field_number for field in UnknownFieldSet(message)]
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = [v for v in value.values() if hasattr(v, "ListFields")]
        else:
            inner = [value] if hasattr(value, "ListFields") else list(value)
        for item in inner:
            found += unknown(item)
    return found


def main(path):
    rows = []
    for record in records(path):
        event = Event.FromString(record)
        inner = [event]
        if event.WhichOneof("what") == "graph_def":
            inner.append(GraphDef.FromString(event.graph_def))
        if event.WhichOneof("what") == "tagged_run_metadata":
            inner.append(RunMetadata.FromString(event.tagged_run_metadata.run_metadata))
        rows.append({
            "kind": event.WhichOneof("what"),
            "bytes": event.SerializeToString(deterministic=True).hex(),
            "inner": [m.SerializeToString(deterministic=True).hex() for m in inner[1:]],
            "unknown": [number for message in inner for number in unknown(message)],
        })  # fmt: skip
    json.dump(rows, sys.stdout)


main(sys.argv[1])
