"""Arrays and bytes as bytes; lines of comma-separated values.  Expectations are TensorFlow's."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.ops.csv_records import split_record

InvalidArgument = tf.errors.InvalidArgumentError
DataLoss = tf.errors.DataLossError


def run(fetches: Any) -> Any:
    with tf.Session() as session:
        return session.run(fetches)


# -------------------------------------------------------------------------------------- decode_raw


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1), st.booleans())
def test_decode_raw_reads_both_byte_orders(numbers: list[int], little: bool) -> None:
    data = np.array(numbers, "<i4" if little else ">i4").tobytes()
    y = tf.decode_raw([data, data], tf.int32, little_endian=little)
    assert y.shape.as_list() == [2, None] and y.dtype is tf.int32
    assert run(y).tolist() == [numbers, numbers]


def test_decode_raw() -> None:
    assert tf.decode_raw("ab", tf.uint8).name == "DecodeRaw:0"
    big = tf.io.decode_raw(bytes="\0\1\2\3", out_type=tf.int16, little_endian=False)
    assert run(big).tolist() == [1, 515]
    assert run(tf.decode_raw(tf.zeros([0], tf.string), tf.int16)).shape == (0, 0)
    assert run(tf.decode_raw([""], tf.int16)).shape == (1, 0)
    with pytest.raises(InvalidArgument, match="3 bytes are no whole number of int16"):
        run(tf.decode_raw(["abc"], tf.int16))
    with pytest.raises(ValueError, match="only one"):
        tf.decode_raw("a", tf.uint8, bytes="a")


# ------------------------------------------------------------------------------------------ base64


@given(st.binary(), st.booleans())
def test_base64_survives(text: bytes, pad: bool) -> None:
    x = tf.constant([text], tf.string)
    coded = tf.encode_base64(x, pad=pad)
    assert run(coded)[0] == base64.urlsafe_b64encode(text).rstrip(b"" if pad else b"=")
    assert run(tf.decode_base64(coded))[0] == text


@pytest.mark.parametrize("text", ["//79", "YQ=", "Y", "YQ===", "Y Q", "YQ==YQ==", "====", "YQ==\n"])
def test_wrong_base64(text: str) -> None:
    with pytest.raises(InvalidArgument, match="base64"):
        run(tf.decode_base64(text))


# ------------------------------------------------------------------------------------- compression


@given(st.binary())
def test_compressed_strings(text: bytes) -> None:
    assert run(tf.decode_compressed(zlib.compress(text) + b"more", "ZLIB")) == text
    packed = gzip.compress(text)
    assert run(tf.decode_compressed(packed + packed, "GZIP")) == text + text
    assert run(tf.io.decode_compressed(text)) == text


def test_damaged_compressed_strings() -> None:
    packed = bytearray(zlib.compress(b"hello"))
    with pytest.raises(DataLoss, match="too early"):
        run(tf.decode_compressed(bytes(packed[:-1]), "ZLIB"))
    packed[-1] ^= 1
    with pytest.raises(DataLoss, match="no ZLIB data"):
        run(tf.decode_compressed(bytes(packed), "ZLIB"))
    with pytest.raises(InvalidArgument, match="compression_type"):
        run(tf.decode_compressed("x", "LZO"))


# ---------------------------------------------------------------------------------------- tensors


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (1, b'\x08\x03\x12\x00"\x04\x01\x00\x00\x00'),
        ([1.5, 2], b'\x08\x01\x12\x04\x12\x02\x08\x02"\x08\x00\x00\xc0?\x00\x00\x00@'),
        (["a", "b"], b"\x08\x07\x12\x04\x12\x02\x08\x02B\x01aB\x01b"),
        (True, b'\x08\n\x12\x00"\x01\x01'),
        (np.float16(1.5), b'\x08\x13\x12\x00"\x02\x00>'),
        (np.zeros((0, 2)), b"\x08\x02\x12\x06\x12\x00\x12\x02\x08\x02"),
    ],
)
def test_serialized_tensors_are_tensorflows(value: Any, data: bytes) -> None:
    x = tf.convert_to_tensor(value)
    y = tf.serialize_tensor(x)
    assert run(y) == data and y.shape == [] and y.name == "SerializeTensor:0"
    back = tf.parse_tensor(data, x.dtype)
    assert back.shape.ndims is None
    np.testing.assert_array_equal(run(back), run(x))


def test_wrong_serialized_tensors() -> None:
    for data in (
        b"junk",
        b"",
        b'\x08\x03\x12\x04\x12\x02\x08\x02"\x03abc',
        b"\x08\x03\x12\x02\x18\x01",
    ):
        with pytest.raises(InvalidArgument, match="no serialized tensor"):
            run(tf.io.parse_tensor(data, tf.int32))


# --------------------------------------------------------------------------------------------- csv


@given(
    st.lists(
        st.lists(st.text('ab,"\n é', max_size=5), min_size=2, max_size=4), min_size=1, max_size=4
    )
)
def test_fields_survive_pythons_writer(rows: list[list[str]]) -> None:
    for row in rows:
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(row)
        found = split_record(out.getvalue().encode())
        assert [f.decode() for f in found] == row


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('"a,b","c""d",e', ["a,b", 'c"d', "e"]), ("1,,x", ["1", "", "x"]), ("1,2,", ["1", "2", ""]),
        (",", ["", ""]), ("", []), ("\r\n", []), ("\na,b", ["a", "b"]), ('"a\nb",c', ["a\nb", "c"]),
        ('"",b', ["", "b"]), ('a"b', None), ('"a"b', None), ('"a', None), ("a\nb", None),
        ("a,b\r\n", None), ('"a" ,b', None), (',"', None),
    ],
)  # fmt: skip
def test_lines(line: str, fields: list[str] | None) -> None:
    if fields is None:
        with pytest.raises(InvalidArgument, match="not well formed"):
            split_record(line.encode())
    else:
        assert [f.decode() for f in split_record(line.encode())] == fields


def test_decode_csv() -> None:
    a, b, c = tf.decode_csv(["1,2.5,x", "4,,"], [[0], [7.0], ["none"]])
    assert (a.name, b.name, a.shape, b.dtype) == ("DecodeCSV:0", "DecodeCSV:1", [2], tf.float32)
    assert [x.tolist() for x in run([a, b, c])] == [[1, 4], [2.5, 7.0], [b"x", b"none"]]
    both = tf.io.decode_csv('a|"b"', [[""], [""]], field_delim="|", use_quote_delim=False)
    assert run(both) == [b"a", b'"b"']
    assert run(tf.decode_csv("NA,2", [[5], [6]], na_value="NA")) == [5, 2]
    assert run(tf.decode_csv("1,2,3", [[0], [0]], select_cols=[0, 2])) == [1, 3]
    fed = tf.placeholder(tf.string)
    (y,) = tf.decode_csv(fed, [[0.5]])
    with tf.Session() as session:
        assert session.run(y, {fed: [["1"], ["2e1"]]}).tolist() == [[1], [20]]


@pytest.mark.parametrize(
    ("line", "defaults", "error"),
    [
        ("1,2", [[0]], "has 2 fields, not 1"), ("1", [[0], [0]], "has 1 fields, not 2"),
        ("x", [[0]], "is no int32: 'x'"), ("99999999999", [[0]], "is no int32"),
        ("1,", [[0], []], "has no default"),
    ],
)  # fmt: skip
def test_wrong_lines(line: str, defaults: Any, error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        run(tf.decode_csv(line, defaults))


def test_wrong_csv_arguments() -> None:
    for columns, error in (([2, 0], "increasing"), ([-1, 0], "increasing"), ([0], "1 columns")):
        with pytest.raises(ValueError, match=error):
            tf.decode_csv("1,2,3", [[0], [0]], select_cols=columns)
    with pytest.raises(TypeError, match="bool"):
        tf.decode_csv("1", [[True]])
