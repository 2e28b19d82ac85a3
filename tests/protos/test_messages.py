"""Protocol buffers without Google's package: bytes, fields and errors are Google's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.protos import wire
from flowgraph.protos.message import CLASSES
from flowgraph.protos.tensors import TensorProto, dims_of, shape_proto

BytesList, FloatList, Int64List = tf.train.BytesList, tf.train.FloatList, tf.train.Int64List
Feature, Features, Example = tf.train.Feature, tf.train.Features, tf.train.Example

INT64 = st.integers(-(2**63), 2**63 - 1)
FEATURES = st.one_of(
    st.builds(lambda v: Feature(int64_list=Int64List(value=v)), st.lists(INT64, max_size=40)),
    st.builds(
        lambda v: Feature(float_list=FloatList(value=v)),
        st.lists(st.floats(width=32, allow_nan=False), max_size=40),
    ),
    st.builds(lambda v: Feature(bytes_list=BytesList(value=v)), st.lists(st.binary())),
    st.just(Feature()),
)
EXAMPLES = st.builds(
    lambda f: Example(features=Features(feature=f)), st.dictionaries(st.text(), FEATURES)
)


# ------------------------------------------------------------------------------------------- bytes


def test_bytes_are_googles() -> None:
    example = Example(
        features=Features(
            feature={
                "a": Feature(int64_list=Int64List(value=[1, -2, 3])),
                "b": Feature(bytes_list=BytesList(value=[b"x", b""])),
                "c": Feature(float_list=FloatList(value=[0.1])),
                "d": Feature(),
            }
        )
    )
    assert example.SerializeToString() == (
        b"\n;\n\x15\n\x01a\x12\x10\x1a\x0e\n\x0c\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x03"
        b"\n\x0c\n\x01b\x12\x07\n\x05\n\x01x\n\x00\n\r\n\x01c\x12\x08\x12\x06\n\x04\xcd\xcc\xcc="
        b"\n\x05\n\x01d\x12\x00"
    )


@given(EXAMPLES)
def test_messages_survive_bytes_copies_and_pickles(example: Any) -> None:
    data = example.SerializeToString()
    again = Example.FromString(data)
    assert again == example and again.SerializeToString() == data
    assert example.ByteSize() == len(data) == again.ParseFromString(data)
    assert copy.deepcopy(example) == example == pickle.loads(pickle.dumps(example))
    assert str(again) == str(example)


@given(st.lists(INT64, max_size=60))
def test_lists_of_numbers(values: list[int]) -> None:
    one_by_one = b"".join(wire.varint(v) for v in values)
    assert wire.packed_varints(values) == one_by_one
    assert wire.unpacked_varints(one_by_one).tolist() == values
    # A list may also come as separate fields.
    separate = b"".join(b"\x08" + wire.varint(v) for v in values)
    assert Int64List.FromString(separate) == Int64List(value=values)


@given(EXAMPLES, st.data())
def test_damaged_bytes_are_refused_or_read(example: Any, data: Any) -> None:
    whole = example.SerializeToString()
    cut = data.draw(st.integers(0, len(whole)))
    flip = data.draw(st.integers(0, max(len(whole) - 1, 0)))
    broken = bytearray(whole)
    if broken:
        broken[flip] ^= 1 << data.draw(st.integers(0, 7))
    for text in (whole[:cut], bytes(broken), whole + b"\xff"):
        try:
            assert isinstance(Example.FromString(text), Example)
        except wire.DecodeError:
            pass


def test_unknown_fields_are_kept() -> None:
    message = Feature.FromString(b"\x1a\x03\n\x01\x05\x9a\x06\x02hi")
    assert message.int64_list.value == [5]
    assert message.SerializeToString() == b"\x1a\x03\n\x01\x05\x9a\x06\x02hi"
    message.DiscardUnknownFields()
    assert message.SerializeToString() == b"\x1a\x03\n\x01\x05"
    with pytest.raises(wire.DecodeError, match="truncated"):
        Feature.FromString(b"\n\x05a")
    with pytest.raises(wire.DecodeError, match="wire type 3"):
        Feature.FromString(b"\x0b")


# ------------------------------------------------------------------------------------------ fields


def test_reading_sets_nothing_and_writing_sets_all_the_way_up() -> None:
    example = Example()
    values = example.features.feature["age"].int64_list.value
    assert "age" in example.features.feature
    example = Example()
    inner = example.features
    assert not example.HasField("features") and len(inner.feature) == 0
    inner.feature["a"].float_list.value.append(1)
    assert example.HasField("features") and values == []
    empty = Feature()
    empty.bytes_list.SetInParent()
    assert empty.WhichOneof("kind") == "bytes_list" and empty.HasField("kind")
    assert empty.SerializeToString() == b"\n\x00"


def test_oneofs() -> None:
    feature = Feature(int64_list=Int64List(value=[1]))
    feature.float_list.value.extend([2, 3])
    assert feature.WhichOneof("kind") == "float_list" and feature.int64_list.value == []
    assert [f.name for f, _ in feature.ListFields()] == ["float_list"]
    feature.ClearField("kind")
    assert feature == Feature() and feature.WhichOneof("kind") is None


def test_lists_and_maps() -> None:
    values = Int64List(value=np.arange(3)).value
    values += [5]
    values[0] = 7
    values.insert(1, 8)
    del values[-1]
    assert values == [7, 8, 1, 2] and isinstance(values, list)
    features = Features(feature={"a": {"int64_list": {"value": [1]}}})
    assert features.feature.get("b") is None and list(features.feature) == ["a"]
    features.MergeFrom(Features(feature={"a": Feature(), "b": Feature()}))
    assert features.feature["a"] == Feature() and len(features.feature) == 2
    lists = tf.train.FeatureList()
    lists.feature.add().int64_list.value.append(3)
    lists.feature.extend([Feature()])
    assert len(lists.feature) == 2 and lists.feature[0].int64_list.value == [3]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: Int64List(value=[1.5]), TypeError),
        (lambda: Int64List(value=["a"]), TypeError),
        (lambda: Int64List(value=[2**63]), ValueError),
        (lambda: Int64List(value=3), TypeError),
        (lambda: Int64List(values=[3]), ValueError),
        (lambda: BytesList(value=["a"]), TypeError),
        (lambda: BytesList(value=b"abc"), TypeError),
        (lambda: FloatList(value=["1"]), TypeError),
        (lambda: setattr(Int64List(), "value", [3]), AttributeError),
        (lambda: Feature().HasField("x"), ValueError),
        (lambda: Int64List().HasField("value"), ValueError),
        (lambda: Feature().WhichOneof("x"), ValueError),
        (lambda: Feature(int64_list=FloatList()), TypeError),
        (lambda: Int64List().ClearField("x"), ValueError),
        (lambda: Feature().nothing, AttributeError),
        (lambda: setattr(Feature(), "nothing", 3), AttributeError),
        (lambda: Feature.FromString(b"\n"), wire.DecodeError),
        (lambda: Feature.FromString("a"), TypeError),
        (lambda: Feature().CopyFrom(Int64List()), TypeError),
        (lambda: hash(Feature()), TypeError),
        (lambda: Features().feature.__setitem__("a", Feature()), ValueError),
        (lambda: Features().feature[1], TypeError),
    ],
)
def test_errors_are_googles(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        wrong()


def test_text_form() -> None:
    features = Features(feature={"é": Feature(bytes_list=BytesList(value=[b"\xff\n"]))})
    features.feature["b"].float_list.value.extend([1, 0.1, 1e-30, 0.379862517, np.inf])
    assert str(features) == (
        'feature {\n  key: "b"\n  value {\n    float_list {\n      value: 1\n      value: 0.1\n'
        "      value: 1e-30\n      value: 0.379862517\n      value: inf\n    }\n  }\n}\n"
        'feature {\n  key: "é"\n  value {\n    bytes_list {\n'
        '      value: "\\377\\n"\n    }\n  }\n}\n'
    )
    assert "dtype: DT_INT32\n" in str(tf.make_tensor_proto(1))


def test_every_field_names_a_class_that_is_there() -> None:
    for cls in CLASSES.values():
        numbers = [field.number for field in cls.FIELDS.values()]
        assert len(numbers) == len(set(numbers)), cls
        for field in cls.FIELDS.values():
            assert not field.is_message or field.kind in CLASSES, (cls, field.name)


# ----------------------------------------------------------------------------------------- tensors


@pytest.mark.parametrize(
    ("value", "attrs", "data"),
    [
        (1, {}, b"\x08\x03\x12\x00:\x01\x01"),
        (1.5, {}, b"\x08\x01\x12\x00*\x04\x00\x00\xc0?"),
        ("a", {}, b"\x08\x07\x12\x00B\x01a"),
        ([True, False], {}, b"\x08\n\x12\x04\x12\x02\x08\x02Z\x02\x01\x00"),
        ([1, 2], {"dtype": "uint8"}, b'\x08\x04\x12\x04\x12\x02\x08\x02"\x02\x01\x02'),
        (3, {"shape": [2, 2]}, b"\x08\x03\x12\x08\x12\x02\x08\x02\x12\x02\x08\x02:\x01\x03"),
        ([], {}, b"\x08\x01\x12\x04\x12\x02\x08\x00"),
    ],
)  # fmt: skip
def test_tensor_protos(value: Any, attrs: Any, data: bytes) -> None:
    proto = tf.make_tensor_proto(value, **attrs)
    if value != []:
        assert proto.SerializeToString() == data
    found = tf.make_ndarray(TensorProto.FromString(data))
    shape = attrs.get("shape", np.shape(value))
    expected = value.encode() if isinstance(value, str) else value
    assert found.tolist() == np.broadcast_to(expected, shape).tolist()


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float32", "float64", "complex64", "complex128", "bool", "int8", "uint8", "int16",
     "uint16", "int32", "uint32", "int64", "uint64"],
)  # fmt: skip
def test_arrays_survive_tensor_protos(dtype: str) -> None:
    for shape in ((), (1,), (2, 3), (0, 2)):
        array = np.array([0, 1, 100, -3, 5, 6])[: int(np.prod(shape))].astype(dtype).reshape(shape)
        found = tf.make_ndarray(tf.make_tensor_proto(array))
        assert found.dtype == dtype and found.shape == shape
        np.testing.assert_array_equal(found, array)
    assert tf.make_ndarray(tf.make_tensor_proto(["a", b"\xff"])).tolist() == [b"a", b"\xff"]


def test_wrong_tensor_protos() -> None:
    with pytest.raises(ValueError, match="3 values do not fill"):
        tf.make_tensor_proto([1, 2, 3], shape=[2])
    with pytest.raises(TypeError, match=r"shape: \(1, 2\), got \(2,\)"):
        tf.make_tensor_proto([1, 2], shape=[1, 2], verify_shape=True)
    with pytest.raises(TypeError, match="shape"):
        tf.make_tensor_proto([1, 2], shape=[3], allow_broadcast=True)
    with pytest.raises(ValueError, match="None"):
        tf.make_tensor_proto(None)
    proto = TensorProto(dtype=1, tensor_shape=shape_proto((2,)), tensor_content=b"abc")
    with pytest.raises(ValueError, match="3 bytes are no float32 tensor"):
        tf.make_ndarray(proto)
    with pytest.raises(TypeError):
        tf.make_ndarray(TensorProto())
    assert dims_of(shape_proto((None, 2))) == (None, 2) and dims_of(shape_proto(None)) is None


# ------------------------------------------------------------------------------ graphs, summaries


def test_graphs() -> None:
    graph = tf.GraphDef()
    node = graph.node.add(name="x", op="Placeholder")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["shape"].shape.dim.add(size=-1)
    node.attr["_list"].list.i.extend([1, 2])
    node.attr["f"].func.attr["T"].type = 3
    again = tf.GraphDef.FromString(graph.SerializeToString())
    assert again == graph and again.node[0].attr["shape"].WhichOneof("value") == "shape"
    assert "type: DT_FLOAT" in str(again)
    cluster = tf.train.ClusterDef(job=[tf.train.JobDef(name="w", tasks={0: "a:1"})])
    assert cluster.SerializeToString() == b"\n\x0c\n\x01w\x12\x07\x08\x00\x12\x03a:1"


def test_summaries() -> None:
    summary = tf.Summary(value=[tf.Summary.Value(tag="a", simple_value=0.5)])
    assert summary.SerializeToString() == b"\n\x08\n\x01a\x15\x00\x00\x00?"
    event = tf.Event(wall_time=1.5, step=3, summary=summary)
    assert event.WhichOneof("what") == "summary"
    assert event.SerializeToString() == (
        b"\t\x00\x00\x00\x00\x00\x00\xf8?\x10\x03*\n\n\x08\n\x01a\x15\x00\x00\x00?"
    )
    log = tf.SessionLog(status=tf.SessionLog.START)
    assert "status: START" in str(log) and tf.SessionLog(status="STOP").status == 2
    histogram = tf.HistogramProto(min=1, bucket=[1, 2], bucket_limit=[3, 4])
    assert tf.HistogramProto.FromString(histogram.SerializeToString()) == histogram
