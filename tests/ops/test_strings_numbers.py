"""Strings as numbers: hashes, buckets, fingerprints, numbers as text and back."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import flowgraph as tf

InvalidArgument = tf.errors.InvalidArgumentError


def run(fetches: Any) -> Any:
    with tf.Session() as session:
        return session.run(fetches)


# ------------------------------------------------------------------------------------------ hashes

#: Size of a text -> TensorFlow's hashes of it, modulo 2**63 - 1: plain, fast, strong.
_HASHES = [
    (0, 105434511174508092, 1936946117179621456, 1583518726171341606),
    (1, 2499542889307245882, 5161771770385946686, 5350532851140717699),
    (3, 5276484929406308779, 4662423180930907492, 2282110341036447820),
    (4, 1071300106493060474, 4685977051251400297, 7037592220888199574),
    (7, 8163861758943620691, 8010051901585887497, 6766420045987292500),
    (8, 1792776028251320487, 3403648104430010921, 393172680850448444),
    (16, 995847565073455182, 663651183927826905, 7604832306300627200),
    (17, 3561695271940059065, 7736696382783243920, 321502775070960410),
    (32, 7394170692529615941, 3992320350721670009, 7435946667373331504),
    (33, 7714537626608227854, 3233698670931835598, 2079623856604167705),
    (64, 2817797733315875061, 1859692024977922285, 6812096974871219303),
    (65, 799619217219469469, 444801980686921533, 4211531120391125076),
    (128, 6809310508804416984, 6615484076916436426, 7492889392839610135),
    (200, 7751926599420227859, 202520530910294351, 8403145250870073932),
]


@pytest.mark.parametrize(("size", "plain", "fast", "strong"), _HASHES)
def test_hashes_are_tensorflows(size: int, plain: int, fast: int, strong: int) -> None:
    text, count = bytes((7 * i + size) % 256 for i in range(size)), 2**63 - 1
    assert run(tf.string_to_hash_bucket(text, count)) == plain
    assert run(tf.string_to_hash_bucket_fast(text, count)) == fast
    assert run(tf.string_to_hash_bucket_strong(text, count, [1, -2])) == strong


def test_bucket_functions() -> None:
    y = tf.strings.to_hash_bucket(input=[["a"], ["b"]], num_buckets=10)
    assert (y.name, y.dtype, y.shape) == ("StringToHashBucket:0", tf.int64, [2, 1])
    assert tf.strings.to_hash_bucket_fast("a", 3).name == "StringToHashBucketFast:0"
    assert tf.strings.to_hash_bucket_strong("a", 3, (1, 2)).op.get_attr("key") == [1, 2]
    with pytest.raises(ValueError, match="num_buckets"):
        tf.string_to_hash_bucket_fast("a", 0)
    with pytest.raises(InvalidArgument, match="must have 2 elements"):
        run(tf.string_to_hash_bucket_strong("a", 3, [1, 2, 3]))


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 2**63 - 1))
def test_buckets_are_in_range(texts: list[bytes], count: int) -> None:
    x = tf.constant(texts, tf.string, [len(texts)])
    for y in (tf.strings.to_hash_bucket(x, count), tf.strings.to_hash_bucket_fast(x, count)):
        found = run(y)
        assert found.shape == (len(texts),) and ((found >= 0) & (found < count)).all()


def test_fingerprints() -> None:
    y = tf.fingerprint([[1, 2], [3, 4]])
    assert (y.name, y.dtype, y.shape) == ("Fingerprint:0", tf.uint8, [2, 8])
    assert run(y).tolist() == [
        [76, 18, 253, 133, 168, 204, 240, 10], [254, 162, 60, 240, 103, 244, 53, 255],
    ]  # fmt: skip
    assert run(tf.fingerprint([["a", "b"], ["c", "d"]])).tolist() == [
        [122, 64, 59, 169, 136, 60, 55, 83], [52, 252, 224, 38, 64, 226, 155, 60],
    ]  # fmt: skip
    (one,) = run(tf.fingerprint(["a"]))
    assert struct.unpack("<Q", one.tobytes())[0] % 1000 == run(
        tf.string_to_hash_bucket_fast("a", 1000)
    )


# ----------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("value", "attrs", "text"),
    [
        (np.float32(1.5), {}, b"1.500000"),
        (np.float32(1.5), {"scientific": True}, b"1.500000e+00"),
        (np.float32(1.5), {"shortest": True}, b"1.5"),
        (1e22, {"precision": 3, "width": 10, "fill": "0", "scientific": True}, b"01.000e+22"),
        (np.inf, {"width": 8, "fill": "0"}, b"     inf"),
        (np.nan, {"width": 8, "fill": "-"}, b"nan     "),
        (-0.0, {}, b"-0.000000"),
        (3, {"width": 8, "fill": "+"}, b"      +3"),
        (np.uint8(3), {"width": 8, "fill": "+"}, b"       3"),
        (-3, {"width": 8, "fill": "0"}, b"-0000003"),
        (3, {"precision": -2, "width": -2}, b"3"),
        (True, {"width": 8}, b"true"),
        (np.complex64(1.5 - 2j), {}, b"(1.500000,-2.000000)"),
    ],
)
def test_as_string_is_printf(value: Any, attrs: dict[str, Any], text: bytes) -> None:
    assert run(tf.as_string(value, **attrs)) == text


@pytest.mark.parametrize(
    ("text", "float32", "int32"),
    [
        ("1", 1, 1), ("+1", 1, 1), (" -1\n", -1, -1), ("007", 7, 7), ("1.0", 1, None),
        ("0x10", 16, None), ("0X1.8p1", 3, None), ("1e5", 1e5, None), ("1.e+5", 1e5, None),
        (".5", 0.5, None), ("5.", 5, None), ("", None, None), ("1 2", None, None),
        ("1e", None, None), ("1_000", None, None), ("- 1", None, None), ("1\0", None, None),
        ("INF", np.inf, None), ("-infinity", -np.inf, None), ("infin", None, None),
        ("1e400", np.inf, None), ("1e-400", 0, None), ("2147483647", 2.0**31, 2**31 - 1),
        ("2147483648", 2.0**31, None), ("-2147483648", -(2.0**31), -(2**31)),
        ("1.00000005960464477539062500001", 1 + 2.0**-23, None),
        ("1.000000059604644775390625", 1, None),
    ],
)  # fmt: skip
def test_string_to_number(text: str, float32: float | None, int32: int | None) -> None:
    for dtype, expected in (("float32", float32), ("int32", int32)):
        y = tf.string_to_number(text, dtype)
        if expected is None:
            with pytest.raises(InvalidArgument, match="could not correctly convert"):
                run(y)
        else:
            assert run(y) == expected and run(y).dtype == dtype


@given(st.floats(width=32, allow_nan=False))
@example(1.1754943508222875e-38)
def test_float32_survives_text(number: float) -> None:
    text = tf.as_string(np.float32(number), precision=9, shortest=True)
    assert run(tf.strings.to_number(input=text)) == np.float32(number)


@given(st.integers(-(2**63), 2**63 - 1))
def test_int64_survives_text(number: int) -> None:
    assert run(tf.string_to_number(tf.as_string(np.int64(number)), tf.int64)) == number


def test_number_functions() -> None:
    assert tf.as_string([1.0]).name == "AsString:0" and tf.strings.as_string is tf.as_string
    assert tf.string_to_number("1").name == "StringToNumber:0"
    assert tf.string_to_number("1").dtype is tf.float32
    with pytest.raises(TypeError, match="cannot be int8; it takes float32"):
        tf.string_to_number("1", tf.int8)
