"""Text and code points; neighbouring strings.  The expectations are TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.ops.unicode_text import decoded

InvalidArgument = tf.errors.InvalidArgumentError
strings = tf.strings


def run(fetches: Any) -> Any:
    with tf.Session() as session:
        return session.run(fetches)


def listed(y: Any) -> Any:
    found = run(y)
    return [part.tolist() for part in found] if isinstance(y, tuple) else np.asarray(found).tolist()


@pytest.mark.parametrize(
    ("data", "encoding", "points", "places"),
    [
        ("héλ𝄞".encode(), "UTF-8", [104, 233, 955, 119070], [0, 1, 3, 5]),
        (b"a\xffb\xe2\x82", "UTF-8", [97, 65533, 98, 65533], [0, 1, 2, 3]),
        (b"\xed\xa0\x80", "UTF-8", [65533] * 3, [0, 1, 2]),
        ("é𝄞".encode("utf-16-be"), "UTF-16-BE", [233, 119070], [0, 2]),
        (b"\xd8\x00\x00a\x00", "UTF-16-BE", [65533, 97, 65533], [0, 2, 4]),
        (b"\x00\x11\x00\x00\x00\x00\x00a", "UTF-32-BE", [65533, 97], [0, 4]),
        (b"\xff\xfea\x00", "UTF-16", [97], [2]), (b"\x00a", "UTF-16", [97], [0]),
        ("日本a".encode("shift-jis"), "SHIFT-JIS", [26085, 26412, 97], [0, 2, 4]),
        (b"\x80\x93", "windows-1252", [8364, 8220], [0, 1]), (b"\xe9", "latin1", [233], [0]),
        ("\ufeffa".encode(), "UTF-8", [65279, 97], [0, 3]), (b"", "UTF-8", [], []),
    ],
)  # fmt: skip
def test_decoding(data: bytes, encoding: str, points: list[int], places: list[int]) -> None:
    assert listed(strings.unicode_decode(data, encoding)) == points
    assert listed(strings.unicode_decode_with_offsets(data, encoding)) == [points, places]


@given(st.text(), st.sampled_from(["UTF-8", "UTF-16-BE", "UTF-32-BE", "UTF-16-LE"]))
def test_text_survives(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    points, places = decoded(data, encoding, "strict", 0, replace_control=False)
    assert points == [ord(c) for c in text]
    assert places == [len(text[:i].encode(encoding)) for i in range(len(text))]
    if encoding != "UTF-16-LE":
        assert run(strings.unicode_encode(tf.constant(points, tf.int32), encoding)) == data


def test_errors_in_text() -> None:
    bad = b"a\x01\xff"
    decode = strings.unicode_decode
    assert listed(decode(bad, "UTF-8", "ignore")) == [97, 1]
    assert listed(decode(bad, "UTF-8", "ignore", replace_control_characters=True)) == [97]
    assert listed(decode(bad, "UTF-8", replacement_char=65)) == [97, 1, 65]
    assert listed(decode(bad, "UTF-8", replace_control_characters=True)) == [97, 65533, 65533]
    for attrs, error in (
        ({"errors": "strict"}, "byte 2 is no UTF-8"),
        ({"replacement_char": 0x110000}, "code point"),
    ):  # fmt: skip
        with pytest.raises(InvalidArgument, match=error):
            run(decode(bad, "UTF-8", **attrs))
    with pytest.raises(InvalidArgument, match="no encoding 'foo'"):
        run(decode(bad, "foo"))
    with pytest.raises(ValueError, match="errors must be"):
        decode(bad, "UTF-8", errors="bad")
    with pytest.raises(NotImplementedError, match="RaggedTensor"):
        decode(["a"], "UTF-8")


def test_encoding() -> None:
    encode = strings.unicode_encode
    assert listed(encode([[104, 233], [1, 2]], "UTF-16-BE")) == [b"\0h\0\xe9", b"\0\1\0\2"]
    deep = encode([[[104], [105]]], "UTF-32-BE")
    assert deep.shape == [1, 2] and listed(deep) == [[b"\0\0\0h", b"\0\0\0i"]]
    assert run(encode([104, 0xD800, 0x110000, -1], "UTF-8")) == b"h" + b"\xef\xbf\xbd" * 3
    assert run(encode([104, 0xD800], "UTF-8", errors="ignore")) == b"h"
    assert run(encode([104, 0xD800], "UTF-8", replacement_char=66)) == b"hB"
    assert listed(encode(tf.zeros([2, 0], tf.int32), "UTF-8")) == [b"", b""]
    fed = tf.placeholder(tf.int32)
    with tf.Session() as session:
        assert session.run(encode(fed, "UTF-8"), {fed: [[104]]}).tolist() == [b"h"]
    with pytest.raises(InvalidArgument, match="55296 is no code point"):
        run(encode([104, 0xD800], "UTF-8", errors="strict"))
    with pytest.raises(ValueError, match="output_encoding must be"):
        encode([104], "latin1")
    with pytest.raises(ValueError, match="rank must be at least 1"):
        encode(104, "UTF-8")


def test_splitting_and_transcoding() -> None:
    assert listed(strings.unicode_split("hé", "UTF-8")) == [b"h", "é".encode()]
    parts = strings.unicode_split_with_offsets("éa", "UTF-8")
    assert listed(parts) == [["é".encode(), b"a"], [0, 2]]
    assert listed(strings.unicode_split(b"a\xff", "UTF-8")) == [b"a", b"\xef\xbf\xbd"]
    transcode = strings.unicode_transcode
    wide = transcode(["hé", b"a\xff"], "UTF-8", "UTF-16-BE")
    assert listed(wide) == [b"\0h\0\xe9", b"\0a\xff\xfd"]
    assert run(transcode(b"a\xff\x01", "UTF-8", "UTF-8", "replace", 66, True)) == b"aBB"
    with pytest.raises(ValueError, match="output_encoding"):
        transcode("a", "UTF-8", "latin1")


def test_scripts() -> None:
    points = [1, 97, 0x3BB, 0x3042, 0x4E00, 0x10FFFF, -1, 0x110000, 0x30, 0x300, 0xAC00]
    assert listed(strings.unicode_script(points)) == [0, 25, 14, 20, 17, 103, -1, -1, 0, 1, 18]


@pytest.mark.parametrize(
    ("data", "width", "attrs", "expected"),
    [
        (["a", "b", "c"], 2, {}, [b"a b", b"b c"]),
        ([["a", "b", "c"], ["d", "e", "f"]], [1, 2], {},
         [[b"a", b"b", b"c", b"a b", b"b c"], [b"d", b"e", b"f", b"d e", b"e f"]]),
        (["a", "b"], 3, {}, []),
        (["a", "b"], 3, {"preserve_short_sequences": True}, [b"a b"]),
        (["a", "b"], 2, {"pad_values": ("<", ">")}, [b"< a", b"a b", b"b >"]),
        (["a", "b"], 3, {"pad_values": "-", "padding_width": 1}, [b"- a b", b"a b -"]),
        (["a", "b"], 3, {"pad_values": "-"}, [b"- - a", b"- a b", b"a b -", b"b - -"]),
        (["a", "b"], 2, {"separator": ""}, [b"ab"]),
        (["a", "b"], [3, 2], {"preserve_short_sequences": True}, [b"a b"]),
        ([[["a", "b"], ["c", "d"]]], 2, {}, [[[b"a b"], [b"c d"]]]),
    ],
)  # fmt: skip
def test_ngrams(data: Any, width: Any, attrs: Any, expected: Any) -> None:
    assert listed(strings.ngrams(data, width, **attrs)) == expected


@pytest.mark.parametrize(
    ("data", "width", "attrs", "error"),
    [
        (["a"], 0, {}, "greater than 0"), ("a", 1, {}, "rank>0"),
        (["a"], 2, {"padding_width": 1}, "pad_values must be provided"),
        (["a"], 2, {"pad_values": "x", "padding_width": 0}, "greater than 0"),
        (["a"], 2, {"pad_values": ["x"]}, "one or two"),
    ],
)  # fmt: skip
def test_wrong_ngrams(data: Any, width: Any, attrs: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        strings.ngrams(data, width, **attrs)
    with pytest.raises(TypeError, match="pad_values"):
        strings.ngrams(["a"], 2, pad_values=(1, 2))
