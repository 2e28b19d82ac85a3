"""Readers; the expectations are what TensorFlow 2.21 gives for the same files."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections import Counter

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"h1\nh2\nl\r1\r\n\nlast")
    (tmp_path / "b.txt").write_bytes(b"x\ny\n")
    (tmp_path / "empty.txt").write_bytes(b"")
    data = b"HHHaaabbbcccdFF"
    (tmp_path / "f.bin").write_bytes(data)
    (tmp_path / "f.gz").write_bytes(gzip.compress(data))
    (tmp_path / "f.z").write_bytes(zlib.compress(data))
    with tf.python_io.TFRecordWriter("r.tfr") as writer:
        for record in (b"one", b"three", b""):
            writer.write(record)
    with tf.python_io.TFRecordWriter("r.gz", "GZIP") as writer:
        for record in (b"one", b"three"):
            writer.write(record)
    return tmp_path


def read_all(reader, files, up_to=None):
    """(key, value) pairs to the end; with the counts of records and files after each run."""
    queue = tf.FIFOQueue(10, tf.string, [[]])
    fetch = reader.read(queue) if up_to is None else reader.read_up_to(queue, up_to)
    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
    found, counted = [], []
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([files]))
        sess.run(queue.close())
        while True:
            try:
                key, value = sess.run(fetch)
            except tf.errors.OutOfRangeError:
                counted.append([int(n) for n in sess.run(counts)])
                break
            pair = (key, value) if up_to is None else (key.tolist(), value.tolist())
            found.append(pair)
            counted.append([int(n) for n in sess.run(counts)])
        sess.run(reader.reset())
        assert sess.run(counts) == [0, 0]
    return found, counted


def test_lines(folder):
    found, counted = read_all(tf.TextLineReader(), ["a.txt", "empty.txt", "b.txt"])
    assert found == [
        (b"a.txt:1", b"h1"),
        (b"a.txt:2", b"h2"),
        (b"a.txt:3", b"l\r1"),
        (b"a.txt:4", b""),
        (b"a.txt:5", b"last"),
        (b"b.txt:1", b"x"),
        (b"b.txt:2", b"y"),
    ]
    files = [0, 0, 0, 0, 0, 2, 2, 3]
    assert counted == [[min(k + 1, 7), n] for k, n in enumerate(files)]
    found, _ = read_all(tf.TextLineReader(skip_header_lines=2), ["a.txt", "b.txt"])
    assert found == [(b"a.txt:3", b"l\r1"), (b"a.txt:4", b""), (b"a.txt:5", b"last")]


def test_lines_several_at_a_time(folder):
    found, counted = read_all(tf.TextLineReader(), ["a.txt", "b.txt", "empty.txt"], up_to=3)
    assert found == [
        ([b"a.txt:1", b"a.txt:2", b"a.txt:3"], [b"h1", b"h2", b"l\r1"]),
        ([b"a.txt:4", b"a.txt:5"], [b"", b"last"]),
        ([b"b.txt:1", b"b.txt:2"], [b"x", b"y"]),
    ]
    assert counted == [[3, 0], [5, 1], [7, 2], [7, 3]]


def test_whole_files_and_the_queue_itself(folder):
    text = b"h1\nh2\nl\r1\r\n\nlast"
    found, counted = read_all(tf.WholeFileReader(), ["a.txt", "b.txt"])
    assert found == [(b"a.txt", text), (b"b.txt", b"x\ny\n")]
    assert counted == [[1, 1], [2, 2], [2, 2]]
    found, _ = read_all(tf.WholeFileReader(), ["a.txt", "b.txt"], up_to=5)
    assert found == [([b"a.txt"], [text]), ([b"b.txt"], [b"x\ny\n"])]
    found, counted = read_all(tf.IdentityReader(), ["a", "b"])
    assert found == [(b"a", b"a"), (b"b", b"b")] and counted == [[1, 1], [2, 2], [2, 2]]
    found, _ = read_all(tf.IdentityReader(), ["a", "b"], up_to=2)
    assert found == [([b"a"], [b"a"]), ([b"b"], [b"b"])]


def test_tf_records(folder):
    found, counted = read_all(tf.TFRecordReader(), ["r.tfr"])
    assert found == [(b"r.tfr:0", b"one"), (b"r.tfr:19", b"three"), (b"r.tfr:40", b"")]
    assert counted == [[1, 0], [2, 0], [3, 0], [3, 1]]
    found, _ = read_all(tf.TFRecordReader(), ["r.tfr", "r.tfr"], up_to=2)
    assert [v for _, v in found] == [[b"one", b"three"], [b""]] * 2
    options = tf.python_io.TFRecordOptions(tf.python_io.TFRecordCompressionType.GZIP)
    found, _ = read_all(tf.TFRecordReader(options=options), ["r.gz"])
    assert found == [(b"r.gz:0", b"one"), (b"r.gz:19", b"three")]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("f.bin", [3], ["HHH", "aaa", "bbb", "ccc", "dFF"]),
        ("f.bin", [3, 3, 2], ["aaa", "bbb", "ccc"]),
        ("f.bin", [3, 3, 3], ["aaa", "bbb", "ccc"]),
        ("f.bin", [3, 3, 3, 1], ["aaa", "aab", "abb", "bbb", "bbc", "bcc", "ccc"]),
        ("f.bin", [3, 3, 3, 5], ["aaa", "bcc"]),
        ("f.z", [3, 3, 3], ["aaa", "bbb", "ccc"]),
        ("f.z", [3, 3, 3, 2], ["aaa", "abb", "bbc", "ccc"]),
        ("f.gz", [3, 3, 3], ["aaa", "bbb", "ccc"]),
        ("empty.txt", [3], []),
    ],
)
def test_records_of_fixed_length(folder, name, arguments, expected):
    encoding = {"z": "ZLIB", "gz": "GZIP"}.get(name.partition(".")[2])
    found, _ = read_all(tf.FixedLengthRecordReader(*arguments, encoding=encoding), [name])
    keys = [b"%s:%d" % (name.encode(), k) for k in range(len(expected))]
    assert found == list(zip(keys, [e.encode() for e in expected], strict=True))


def test_fixed_length_several_at_a_time(folder):
    reader = tf.FixedLengthRecordReader(3, 3, 3)
    found, _ = read_all(reader, ["f.bin", "f.bin"], up_to=2)
    assert [v for _, v in found] == [[b"aaa", b"bbb"], [b"ccc"]] * 2


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"record_bytes": 0}, "record_bytes must be > 0 not 0"),
        ({"record_bytes": 1, "header_bytes": -1}, "header_bytes must be >= 0 not -1"),
        ({"record_bytes": 1, "footer_bytes": -2}, "footer_bytes must be >= 0 not -2"),
        ({"record_bytes": 1, "hop_bytes": -1}, "hop_bytes must be >= 0"),
        ({"record_bytes": 1, "encoding": "LZ"}, "encoding must be"),
    ],
)
def test_wrong_lengths(folder, arguments, match):
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        read_all(tf.FixedLengthRecordReader(**arguments), ["f.bin"])


def test_files_that_are_missing_or_damaged(folder):
    queue = tf.FIFOQueue(10, tf.string, [[]])
    put, close = queue.enqueue_many([["none.txt", "b.txt"]]), queue.close()
    reader = tf.TextLineReader()
    line = reader.read(queue)[1]
    with tf.Session() as sess:
        sess.run([put, close])
        with pytest.raises(tf.errors.NotFoundError, match="none.txt; No such file"):
            sess.run(line)
        assert sess.run(reader.num_work_units_completed()) == 0
        assert [sess.run(line) for _ in range(2)] == [b"x", b"y"]
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(10, tf.string, [[]])
        put, reader = queue.enqueue_many([["a.txt", "r.tfr"]]), tf.TFRecordReader()
        record = reader.read(queue)[1]
        with tf.Session() as sess:
            sess.run(put)
            for _ in range(2):
                with pytest.raises(tf.errors.DataLossError):
                    sess.run(record)
            sess.run(reader.reset())
            assert sess.run(record) == b"one"
    for name, encoding in (("f.bin", "GZIP"), ("f.bin", "ZLIB"), ("f.gz", "ZLIB")):
        with tf.Graph().as_default(), pytest.raises(tf.errors.DataLossError, match=name):
            read_all(tf.FixedLengthRecordReader(3, encoding=encoding), [name])


def test_state(folder):
    reader, queue = tf.IdentityReader(), tf.FIFOQueue(10, tf.string, [[]])
    assert reader.supports_serialize and not tf.TextLineReader().supports_serialize
    read, state, count = reader.read(queue), reader.serialize_state(), reader.num_records_produced()
    given = tf.placeholder(tf.string, [])
    restore = reader.restore_state(given)
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([["a", "b", "c"]]))
        sess.run(read)
        saved = sess.run(state)
        assert saved == b"\x08\x01\x10\x01\x18\x01"
        sess.run(read)
        assert sess.run(count) == 2
        sess.run(restore, {given: saved})
        assert sess.run(count) == 1
        for bad in (b"x", b"\x08\x01\x10\x05", b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"):
            with pytest.raises(tf.errors.InvalidArgumentError, match="state for reader"):
                sess.run(restore, {given: bad})
        # in the middle of a work
        sess.run(restore, {given: b'\x08\x02\x10\x01\x18\x01"\x03mid'})
        assert tuple(sess.run(read)) == (b"mid", b"mid")
        with pytest.raises(tf.errors.UnimplementedError, match="SerializeState"):
            sess.run(tf.TextLineReader().serialize_state())


def test_queues_that_do_not_suit(folder):
    reader = tf.TextLineReader()
    with tf.Session() as sess:
        for queue in (tf.FIFOQueue(3, tf.int32), tf.FIFOQueue(3, [tf.string, tf.string])):
            with pytest.raises(tf.errors.InvalidArgumentError, match="one string at a time"):
                sess.run(reader.read(queue))
        with pytest.raises(tf.errors.InvalidArgumentError, match="not a queue, but reader"):
            sess.run(reader.read(reader.reader_ref))
    with pytest.raises(NotImplementedError, match="TFRecordReader"):
        tf.LMDBReader()
    with tf.eager_mode(), pytest.raises(RuntimeError, match="tf.data"):
        tf.TextLineReader()


def test_names():
    queue = tf.FIFOQueue(3, tf.string, [[]])
    reader = tf.TextLineReader()
    key, value = reader.read(queue)
    keys, values = reader.read_up_to(queue.queue_ref, 5)
    reader.reset(), reader.serialize_state(), reader.restore_state("")
    assert (key.name, value.name) == ("ReaderReadV2:0", "ReaderReadV2:1")
    assert key.shape.as_list() == value.shape.as_list() == []
    assert keys.shape.as_list() == values.shape.as_list() == [None]
    names = [op.name for op in tf.get_default_graph().get_operations()]
    expected = {"TextLineReaderV2", "ReaderReadUpToV2", "ReaderReadUpToV2/num_records"}
    assert expected | {"ReaderResetV2", "ReaderRestoreStateV2"} <= set(names)


def test_threads_share_a_reader(folder):
    for number in range(4):
        lines = "".join(f"{number},{k}\n" for k in range(50))
        (folder / f"part{number}.csv").write_text(lines)
    names = tf.train.string_input_producer(
        tf.train.match_filenames_once("part*.csv"), num_epochs=2, capacity=2
    )
    _, line = tf.TextLineReader().read(names)
    x, y = tf.decode_csv(line, [[0], [0]])
    batch = tf.train.shuffle_batch(
        [x, y], 16, 100, 40, num_threads=4, allow_smaller_final_batch=True
    )
    found: Counter = Counter()
    with tf.train.MonitoredSession() as sess:
        while not sess.should_stop():
            a, b = sess.run(batch)
            found.update(zip(a.tolist(), b.tolist(), strict=True))
    assert found == Counter({(i, k): 2 for i in range(4) for k in range(50)})


def test_the_session_goes_on_while_a_reader_waits(folder):
    queue = tf.FIFOQueue(3, tf.string, [[]])
    line, put = tf.TextLineReader().read(queue)[1], queue.enqueue("b.txt")
    found: list = []
    with tf.Session() as sess:
        threads = [threading.Thread(target=lambda: found.append(sess.run(line))) for _ in range(2)]
        for thread in threads:
            thread.start()
        while len(sess._state.waiters) < 2:
            pass
        sess.run(put)
        for thread in threads:
            thread.join(10)
    assert sorted(found) == [b"x", b"y"]


def test_images_of_a_binary_file(folder):
    """The pipeline of the CIFAR-10 tutorial."""
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (20, 1 + 12), dtype=np.uint8)
    (folder / "data.bin").write_bytes(records.tobytes())
    names = tf.train.string_input_producer(["data.bin"], num_epochs=1)
    _, value = tf.FixedLengthRecordReader(record_bytes=13).read(names)
    raw = tf.decode_raw(value, tf.uint8)
    label = tf.reshape(tf.cast(tf.strided_slice(raw, [0], [1]), tf.int32), [])
    image = tf.transpose(tf.reshape(tf.strided_slice(raw, [1], [13]), [3, 2, 2]), [1, 2, 0])
    images, labels = tf.train.batch([image, label], 5, capacity=10)
    with tf.train.MonitoredSession() as sess:
        got = [sess.run([images, labels]) for _ in range(4)]
    np.testing.assert_array_equal(np.concatenate([g[1] for g in got]), records[:, 0])
    expected = records[:, 1:].reshape(20, 3, 2, 2).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(np.concatenate([g[0] for g in got]), expected)
