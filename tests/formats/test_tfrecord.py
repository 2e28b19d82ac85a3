"""TFRecord files: bytes are TensorFlow's, damage is found, compressed files are read in pieces."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.formats import tfrecord

DataLoss = tf.errors.DataLossError
Options, Kind = tf.python_io.TFRecordOptions, tf.python_io.TFRecordCompressionType


def write(path: Path, records: list[bytes], options: Any = None) -> bytes:
    with tf.python_io.TFRecordWriter(str(path), options) as writer:
        for record in records:
            writer.write(record)
    return path.read_bytes()


def read(path: Path, options: Any = None) -> list[bytes]:
    return list(tf.python_io.tf_record_iterator(path, options))


def test_bytes_are_tensorflows(tmp_path: Path) -> None:
    data = write(tmp_path / "a", [b"abc", b""])
    assert data.hex() == ("0300000000000000b099490e6162636e57f121000000000000000029039807d8ea82a2")
    assert tf.io.TFRecordWriter is tf.python_io.TFRecordWriter
    assert tf.io.tf_record_iterator is tf.python_io.tf_record_iterator


@given(
    st.lists(st.binary(max_size=300), max_size=6),
    st.sampled_from([None, "", "GZIP", "ZLIB", Kind.GZIP, Options(Kind.ZLIB)]),
    st.integers(1, 40),
)
@settings(max_examples=60)
def test_records_survive(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], options: Any, chunk: int
) -> None:
    path = tmp_path_factory.mktemp("r") / "a"
    whole = tfrecord._CHUNK
    try:
        tfrecord._CHUNK = chunk  # small pieces of the compressed file
        write(path, records, options)
        assert read(path, options) == records
    finally:
        tfrecord._CHUNK = whole


def test_compressed_files_are_what_others_read(tmp_path: Path) -> None:
    plain = write(tmp_path / "a", [b"abc", b"x" * 1000])
    assert gzip.decompress(write(tmp_path / "b", [b"abc", b"x" * 1000], "GZIP")) == plain
    assert zlib.decompress(write(tmp_path / "c", [b"abc", b"x" * 1000], "ZLIB")) == plain
    best = Options("GZIP", compression_level=9, mem_level=9)
    assert gzip.decompress(write(tmp_path / "d", [b"abc", b"x" * 1000], best)) == plain
    (tmp_path / "e").write_bytes(gzip.compress(plain) + gzip.compress(plain))
    assert read(tmp_path / "e", "GZIP") == [b"abc", b"x" * 1000] * 2


@pytest.mark.parametrize("options", [None, "GZIP", "ZLIB"])
def test_every_truncation_is_found(tmp_path: Path, options: Any) -> None:
    path = tmp_path / "a"
    data = write(path, [b"abc", b"defg"], options)
    ends = (0, 19, len(data)) if options is None else (0, len(data))
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        if size in ends:
            read(path, options)
        else:
            with pytest.raises(DataLoss, match="truncated|too early"):
                read(path, options)


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a"
    data = write(path, [b"abc", b"de"])
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(DataLoss, match="corrupted record"):
            read(path)


def test_wrong_files(tmp_path: Path) -> None:
    write(tmp_path / "plain", [b"abc"])
    write(tmp_path / "packed", [b"abc"], "GZIP")
    with pytest.raises(DataLoss, match="compressed data are damaged"):
        read(tmp_path / "plain", "GZIP")
    with pytest.raises(DataLoss, match="Is this even a TFRecord file"):
        read(tmp_path / "packed")
    with pytest.raises(tf.errors.NotFoundError, match="No such file"):
        read(tmp_path / "none")
    with pytest.raises(tf.errors.NotFoundError):
        tf.python_io.TFRecordWriter(str(tmp_path / "no" / "such"))


def test_writing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    writer = tf.python_io.TFRecordWriter(path)
    writer.write("é")
    writer.flush()
    assert read(path) == ["é".encode()]
    writer.close()
    writer.close()
    with pytest.raises(tf.errors.FailedPreconditionError, match="closed"):
        writer.write(b"b")
    packed = tf.python_io.TFRecordWriter(path, "GZIP")
    packed.write(b"early")
    packed.flush()
    assert zlib.decompressobj(31).decompress(path.read_bytes())[12:17] == b"early"
    packed.close()


def test_options() -> None:
    text = Options.get_compression_type_string
    found = [text(x) for x in (None, "", "GZIP", Kind.ZLIB, Options(Kind.GZIP), Kind.NONE)]
    assert found == ["", "", "GZIP", "ZLIB", "GZIP", ""]
    assert Options("ZLIB").compression_type == "ZLIB"
    for wrong in ("FOO", 5):
        with pytest.raises(ValueError, match="Not a valid compression_type"):
            Options(wrong)
