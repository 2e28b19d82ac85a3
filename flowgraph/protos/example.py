"""tf.train.Example and its like: what TFRecord files of examples hold.

    tf.train.Example(features=tf.train.Features(feature={
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[3])),
    })).SerializeToString()

Read next: ops/parsing.py, which reads them into tensors.
"""

from __future__ import annotations

from flowgraph.graph.export import export
from flowgraph.protos.message import Message, declare


@export("train.BytesList")
class BytesList(Message):
    """``value``: a list of bytes."""

    FIELDS = declare("value 1 repeated bytes")


@export("train.FloatList")
class FloatList(Message):
    """``value``: a list of numbers, kept as float32."""

    FIELDS = declare("value 1 repeated float")


@export("train.Int64List")
class Int64List(Message):
    r"""``value``: a list of integers.

    >>> Int64List(value=[3, 1]).SerializeToString()
    b'\n\x02\x03\x01'
    """

    FIELDS = declare("value 1 repeated int64")


@export("train.Feature")
class Feature(Message):
    """One of ``bytes_list``, ``float_list`` and ``int64_list``; ``WhichOneof("kind")`` tells."""

    FIELDS = declare("""
        bytes_list 1 BytesList oneof kind
        float_list 2 FloatList oneof kind
        int64_list 3 Int64List oneof kind
        """)


@export("train.Features")
class Features(Message):
    """``feature``: a map from names to Features."""

    FIELDS = declare("feature 1 map string Feature")


@export("train.Example")
class Example(Message):
    """``features``: the Features of one example.

    >>> example = Example()
    >>> example.features.feature["age"].int64_list.value.append(29)
    >>> print(Example.FromString(example.SerializeToString()), end="")
    features {
      feature {
        key: "age"
        value {
          int64_list {
            value: 29
          }
        }
      }
    }
    """

    FIELDS = declare("features 1 Features")


@export("train.FeatureList")
class FeatureList(Message):
    """``feature``: a list of Features, one for each step of a sequence."""

    FIELDS = declare("feature 1 repeated Feature")


@export("train.FeatureLists")
class FeatureLists(Message):
    """``feature_list``: a map from names to FeatureLists."""

    FIELDS = declare("feature_list 1 map string FeatureList")


@export("train.SequenceExample")
class SequenceExample(Message):
    """``context``: the Features of all steps; ``feature_lists``: those of each step."""

    FIELDS = declare("""
        context 1 Features
        feature_lists 2 FeatureLists
        """)
