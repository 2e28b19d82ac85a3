"""tf.summary: bytes that TensorFlow made, tags and scopes, event files."""

from __future__ import annotations

import io
import itertools
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.errors import DataLossError, InvalidArgumentError, NotFoundError
from flowgraph.formats.crc32c import crc32c, masked
from flowgraph.summary.encoding import run_metadata_bytes, shown_graph
from flowgraph.summary.records import bucket_limits, histogram_of, pixels_of, wav_of

RED = np.array([255, 0, 0, 255], np.uint8)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def run(tensor, feeds=None):
    with tf.Session() as session:
        return session.run(tensor, feeds)


def values(tensor):
    return tf.Summary.FromString(run(tensor)).value


# ------------------------------------------------------------------ bytes that TensorFlow wrote


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (lambda: tf.summary.scalar("a b/c:d", 1.5), b"\n\x0e\n\x07a_b/c_d\x15\x00\x00\xc0?"),
        (lambda: tf.summary.scalar("x", 3, family="fam"), b"\n\x10\n\tfam/fam/x\x15\x00\x00@@"),
        (lambda: tf.summary.scalar("/x", 2.0), b"\n\x08\n\x01x\x15\x00\x00\x00@"),
        (lambda: tf.summary.scalar("", 2.0), b"\n\x05\x15\x00\x00\x00@"),
        (
            lambda: tf.summary.scalar("x", tf.constant(2**40 + 1, tf.int64)),
            b"\n\x08\n\x01x\x15\x00\x00\x80S",
        ),
        (
            lambda: tf.summary.histogram("h", tf.zeros([0])),
            (
                b"\n+\n\x01h*&\t\xff\xff\xff\xff\xff\xff\xef\x7f\x11\xff\xff\xff\xff\xff\xff\xef\xff"
                b"2\x08\xff\xff\xff\xff\xff\xff\xef\x7f:\x08\0\0\0\0\0\0\0\0"
            ),
        ),
        (
            lambda: tf.summary.histogram("h", 5.0),
            (
                b"\nf\n\x01h*a\t\0\0\0\0\0\0\x14@\x11\0\0\0\0\0\0\x14@\x19\0\0\0\0\0\0\xf0?!\0\0\0\0\0"
                b"\0\x14@)\0\0\0\0\0\x009@2\x18!\xd1\x0e\x9av\x8b\x12@\xd8\xb2v\xa95f\x14@\xff\xff\xff"
                b"\xff\xff\xff\xef\x7f:\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0?\0\0\0\0\0\0\0\0"
            ),
        ),
        (
            lambda: tf.summary.text("t", "hello"),
            b"\n\x1a\n\x01tB\x0b\x08\x07\x12\x00B\x05helloJ\x08\n\x06\n\x04text",
        ),
        (
            lambda: tf.summary.tensor_summary("ts", [[1.0, 2.0]]),
            (
                b"\n\x1e\n\x02tsB\x16\x08\x01\x12\x08\x12\x02\x08\x01\x12\x02\x08\x02"
                b'"\x08\x00\x00\x80?\x00\x00\x00@J\x00'
            ),
        ),
        (
            lambda: tf.summary.tensor_summary(
                "ts", ["a", "b"], summary_description="desc", display_name="dn", family="f"
            ),
            (
                b"\n$\n\x06f/f/tsB\x0e\x08\x07\x12\x04\x12\x02\x08\x02B\x01aB\x01bJ\n\x12\x02dn\x1a"
                b"\x04desc"
            ),
        ),
        (
            lambda: tf.summary.audio(
                "a", [[0.0, 0.5, -0.5, 1.0, -1.0, 2.0]], 44100.0, max_outputs=1, family="f"
            ),
            (
                b"\n]\n\x0bf/f/a/audio2N\r\x00D,G\x10\x01\x18\x06"
                b'"8RIFF0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0D\xac\0\0\x88X\x01\0\x02\0\x10\0'
                b"data\x0c\0\0\0\0\0\0@\0\xc0\xff\x7f\0\x80\xff\x7f*\taudio/wav"
            ),
        ),
        (
            lambda: tf.summary.merge([tf.summary.scalar("a", 1.0), tf.summary.scalar("b", 2.0)]),
            b"\n\x08\n\x01a\x15\x00\x00\x80?\n\x08\n\x01b\x15\x00\x00\x00@",
        ),
    ],
)
def test_bytes(build, wanted):
    assert run(build()) == wanted


def test_histogram_of_several():
    histo = values(tf.summary.histogram("h", [1.0, 2, 3, -4, 0, 0]))[0].histo
    assert list(histo.bucket_limit) == [
        -4.2147223794714774, -3.8315657995195243, 0, 1e-12, 0.917246389039776, 1.0089710279437536,
        1.9661990955585713, 2.1628190051144287, 2.8787120958073054, 3.1665833053880363,
        1.7976931348623157e308,
    ]  # fmt: skip
    assert list(histo.bucket) == [0, 1, 0, 2, 0, 1, 0, 1, 0, 1, 0]
    assert (histo.min, histo.max, histo.num, histo.sum, histo.sum_squares) == (-4, 3, 6, 2, 30)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_histograms_count_what_lies_between_limits(numbers):
    histo = histogram_of(np.array(numbers))
    limits = np.array(histo.bucket_limit)
    assert histo.num == len(numbers) == sum(histo.bucket)
    assert set(limits) <= set(bucket_limits())
    assert limits[-1] == sys.float_info.max
    below = -np.inf
    for limit, count in zip(limits, histo.bucket, strict=True):
        last = limit == sys.float_info.max
        inside = [x for x in numbers if below <= x and (x < limit or last)]
        assert len(inside) == count
        below = limit
    runs = [count > 0 for count in histo.bucket]
    assert all(a or b for a, b in itertools.pairwise(runs))  # no two empty in a row


@pytest.mark.parametrize(
    ("pixels", "dtype", "wanted"),
    [
        ([-1, 0, 1, np.nan], np.float32, [1, 128, 255, 255]),
        ([0, 1e-7, 5e-7, 0], np.float16, [0, 0, 0, 0]),
        ([-1e-7, 0, 0, 0], np.float64, [128, 128, 128, 128]),
        ([1, 2, 3, 4], np.float64, [63, 127, 191, 255]),
        ([np.inf, -np.inf, 1, 2], np.float32, [255, 255, 127, 255]),
        ([np.nan] * 4, np.float32, [255, 255, 255, 255]),
    ],
)
def test_pixels(pixels, dtype, wanted):
    image = np.array(pixels, dtype).reshape(1, 4, 1)
    assert pixels_of(image, RED).ravel().tolist() == wanted


def test_a_pixel_with_one_bad_channel_is_red():
    image = np.array([-1, 0, 1, np.nan], np.float32).reshape(1, 1, 4)
    assert pixels_of(image, RED).ravel().tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_png(dtype):
    batch = ((np.arange(60) * 37) % 251).astype(np.uint8).reshape(5, 2, 2, 3)
    batch[:, 0, 0, 0] = 255  # the largest of a float image becomes 255: the image is as it was
    found = values(tf.summary.image("i", batch.astype(dtype), max_outputs=2))
    assert [value.tag for value in found] == ["i/image/0", "i/image/1"]
    for value, image in zip(found, batch, strict=False):
        shown = value.image
        assert (shown.height, shown.width, shown.colorspace) == (2, 2, 3)
        assert (run(tf.image.decode_png(shown.encoded_image_string)) == image).all()


def test_one_image_has_no_number():
    assert [v.tag for v in values(tf.summary.image("i", tf.zeros([2, 1, 1, 1]), 1))] == ["i/image"]


def test_sounds():
    half = 0.5 / 32768
    data = wav_of(np.array([[half, -half], [np.nan, np.inf]], np.float32), 0.3)
    assert struct.unpack("<4h", data[44:]) == (1, -1, 0, 32767)
    assert struct.unpack("<HHII", data[20:32]) == (1, 2, 1, 4)


# ------------------------------------------------------------------------- names and collections


def test_names(graph):
    tf.summary.scalar("x", 1.0)
    tf.summary.scalar("x", 2.0, family="f")
    with tf.name_scope("sc"):
        tf.summary.scalar("x", 1.0)
        last = tf.summary.scalar("x", 2.0, family="f")
    tf.summary.audio("a", tf.zeros([1, 1]), 8000)
    merged = tf.summary.merge_all()
    named = tf.summary.merge_all(name="all")
    assert [op.name for op in graph.get_operations() if op.type != "Const"] == [
        "x", "f/x", "sc/x", "sc/f/x", "a", "Merge/MergeSummary", "all/all",
    ]  # fmt: skip
    assert [t.op.name for t in last.op.inputs] == ["sc/f/x/tags", "sc/f/x/values"]
    assert [v.tag for v in values(merged)] == ["x", "f/f/x", "sc/x", "f/sc/f/x", "a/audio/0"]
    assert run(named) == run(merged)


def test_collections(graph):
    a = tf.summary.scalar("a", 1.0)
    b = tf.summary.scalar("b", 1.0, collections=["mine"])
    c = tf.summary.histogram("c", 1.0, collections=[])
    d = tf.summary.merge([a, b], collections=["merged"])
    assert graph.get_collection(tf.GraphKeys.SUMMARIES) == [a]
    assert graph.get_collection("mine") == [b]
    assert graph.get_collection("merged") == [d]
    assert tf.summary.merge_all("mine").op.inputs[0] is b
    assert tf.summary.merge_all(scope="no") is None
    assert tf.summary.merge_all(tf.GraphKeys.SUMMARIES, scope="a").op.inputs[0] is a
    assert [v.tag for v in values(c)] == ["c"]


def test_a_summary_follows_its_variable():
    v = tf.Variable(1.0)
    shown = tf.summary.scalar("v", v)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(v.assign_add(1.0))
        assert tf.Summary.FromString(session.run(shown)).value[0].simple_value == 2


def test_wrong_arguments():
    a = tf.summary.scalar("a", 1.0)
    with pytest.raises(ValueError, match=r"not the same shape: \[\] != \[2\]"):
        tf.summary.scalar("x", [1.0, 2.0])
    with pytest.raises(InvalidArgumentError, match=r"not the same shape: \[\] != \[1\]"):
        run(tf.summary.scalar("x", tf.placeholder_with_default([1.0], None)))
    with pytest.raises(InvalidArgumentError, match="4-D with last dim"):
        run(tf.summary.image("x", tf.placeholder_with_default(np.zeros((1, 1, 1, 2)), None)))
    with pytest.raises(InvalidArgumentError, match="Duplicate tag a"):
        run(tf.summary.merge([a, a]))
    with pytest.raises(InvalidArgumentError, match="Nan in summary histogram"):
        run(tf.summary.histogram("h", np.nan))
    with pytest.raises(TypeError):
        tf.summary.scalar("x", True)
    with pytest.raises(TypeError, match="list of summaries"):
        tf.summary.merge(a)
    with pytest.raises(ValueError, match="at least one"):
        tf.summary.merge([])
    with pytest.raises(ValueError, match="dtype string"):
        tf.summary.text("t", 3)


def test_descriptions():
    node = tf.NodeDef(op="TensorSummary")
    node.attr["description"].s = b'{"typeHint": "scalar"}'
    assert tf.summary.get_summary_description(node).type_hint == "scalar"
    with pytest.raises(ValueError, match="Can't get_summary_description on ScalarSummary"):
        tf.summary.get_summary_description(tf.summary.scalar("a", 1.0).op.node_def)


# ----------------------------------------------------------------------------------- event files


def events(directory):
    return [
        event
        for path in sorted(directory.iterdir(), key=lambda p: p.name)
        for event in tf.train.summary_iterator(str(path))
    ]


def kinds(directory):
    return [(event.WhichOneof("what"), event.step) for event in events(directory)]


def test_event_files(tmp_path):
    directory = tmp_path / "a" / "b"
    summary = tf.Summary(
        value=[
            tf.Summary.Value(tag="t", simple_value=1, metadata=tf.SummaryMetadata(display_name="q"))
        ]
    )
    with tf.summary.FileWriter(str(directory), filename_suffix=".sfx") as writer:
        assert writer.get_logdir() == str(directory)
        (path,) = directory.iterdir()
        assert path.name.startswith("events.out.tfevents.")
        assert path.name.endswith(".sfx")
        assert path.stat().st_size > 0  # a reader finds the version at once
        writer.add_summary(summary.SerializeToString(), 5)
        writer.flush()
        assert kinds(directory)[1:] == [("summary", 5)]
        writer.add_summary(summary, np.int64(6))
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), 7)
        writer.add_event(tf.Event(step=8))
        writer.add_summary(summary)
    found = events(directory)
    assert found[0].file_version == "brain.Event:2"
    assert [event.step for event in found[1:]] == [5, 6, 7, 8, 0]
    assert found[1].summary == summary
    assert not found[2].summary.value[0].HasField("metadata")  # with its first value only
    assert summary.value[0].HasField("metadata")
    assert found[3].session_log.status == tf.SessionLog.START
    assert found[2].wall_time >= found[1].wall_time > 1e9


def test_records_have_masked_checksums(tmp_path):
    tf.summary.FileWriter(str(tmp_path)).close()
    (path,) = tmp_path.iterdir()
    file = io.BytesIO(path.read_bytes())
    head = file.read(8)
    (size,) = struct.unpack("<Q", head)
    assert struct.unpack("<I", file.read(4)) == (masked(crc32c(head)),)
    assert struct.unpack("<I", file.read(4 + size)[size:]) == (
        masked(crc32c(path.read_bytes()[12 : 12 + size])),
    )
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataLossError):
        events(tmp_path)


def test_closing_and_opening_again(tmp_path):
    writer = tf.summary.FileWriter(str(tmp_path))
    writer.reopen()  # is open
    writer.add_event(tf.Event(step=1))
    writer.close()
    writer.close()
    writer.flush()
    with pytest.warns(UserWarning, match="closed FileWriter"):
        writer.add_event(tf.Event(step=2))
    writer.reopen()
    writer.add_event(tf.Event(step=3))
    writer.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert [event.step for event in events(tmp_path)] == [0, 1, 0, 3]


def test_two_writers_in_a_second_have_two_files(tmp_path):
    for _ in range(3):
        tf.summary.FileWriter(str(tmp_path)).close()
    assert len(list(tmp_path.iterdir())) == 3


def test_what_writers_refuse(tmp_path, graph):
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_run_metadata(tf.RunMetadata(), "step", 8)
        with pytest.raises(ValueError, match="already used"):
            writer.add_run_metadata(tf.RunMetadata(), "step", 9)
        with pytest.raises(TypeError, match="instance of `Graph`"):
            writer.add_graph(3)
        with pytest.raises(ValueError, match="not both"):
            writer.add_graph(graph, graph_def=tf.GraphDef())
        with pytest.raises(TypeError):
            writer.add_event(3)
        with pytest.raises(TypeError):
            writer.add_summary("text")
        with pytest.raises(TypeError, match="MetaGraphDef"):
            writer.add_meta_graph(3)
        writer.add_graph(None, 4, graph_def=tf.GraphDef())
    assert kinds(tmp_path)[1:] == [("tagged_run_metadata", 8), ("graph_def", 4)]
    with pytest.raises(NotFoundError):
        list(tf.train.summary_iterator(str(tmp_path / "none")))


def test_graphs(tmp_path, graph):
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = tf.matmul(x, tf.ones([3, 2]), name="y")
    with tf.control_dependencies([x]):
        tf.cond(y[0, 0] > 0, lambda: y, lambda: -y, name="branch")
    tf.summary.FileWriter(str(tmp_path), graph).close()
    event = events(tmp_path)[1]
    definition = tf.GraphDef.FromString(event.graph_def)
    assert definition == shown_graph(graph)
    nodes = {node.name: node for node in definition.node}
    assert list(nodes) == [op.name for op in graph.get_operations()]
    assert nodes["x"].op == "Placeholder"
    assert nodes["x"].attr["dtype"].type == tf.float32.as_datatype_enum
    assert [dim.size for dim in nodes["x"].attr["shape"].shape.dim] == [-1, 3]
    assert list(nodes["y"].input) == ["x", "ones"]
    assert nodes["y"].attr["transpose_a"].WhichOneof("value") == "b"
    (shape,) = nodes["y"].attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [-1, 2]
    assert (tf.make_ndarray(nodes["ones"].attr["value"].tensor) == 1).all()
    assert any("^x" in node.input for node in definition.node)
    branch = next(node for node in definition.node if node.op == "If")
    assert all(attr.WhichOneof("value") != "func" for attr in branch.attr.values())


def test_traces(tmp_path):
    y = tf.reduce_sum(tf.exp(tf.ones([100, 3])), name="y")
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    with tf.Session() as session:
        session.run(y, options=options, run_metadata=metadata)
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_run_metadata(metadata, "first", 1)
    found = events(tmp_path)[1].tagged_run_metadata
    assert found.tag == "first"
    assert found.run_metadata == run_metadata_bytes(metadata) != b""


def test_one_writer_a_directory(tmp_path):
    first = tf.summary.FileWriterCache.get(str(tmp_path))
    assert tf.summary.FileWriterCache.get(str(tmp_path)) is first
    assert kinds(tmp_path) == [("file_version", 0)]
    tf.summary.FileWriterCache.clear()
    assert [kind for kind, _ in kinds(tmp_path)] == ["file_version", "graph_def"]
    assert tf.summary.FileWriterCache.get(str(tmp_path)) is not first
    tf.summary.FileWriterCache.clear()


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array([1.5]), tf.float64),
        ([1, 2], tf.int32),
        (np.array([1, 2]), tf.int64),
        (np.array([1.5], np.float16), tf.float16),
        (1.5, tf.float32),
    ],
)
def test_values_keep_their_dtype(given, dtype):
    assert tf.summary.histogram("h", given).op.inputs[1].dtype == dtype
