"""Strings: the array operations on them, joining and splitting, characters, patterns, numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.ops.re2 import PatternError, Regex
from flowgraph.ops.texts import element_text, ends_text, head_text, texts

InvalidArgument = tf.errors.InvalidArgumentError


def run(fetches: Any, feeds: Any = None) -> Any:
    with tf.Session() as session:
        return session.run(fetches, feeds)


def listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


# --------------------------------------------------------------------------------- array operations

_GRID = [["a", "bc"], ["", "é"]]

_ARRAY_OPS: dict[str, Any] = {
    "identity": lambda x: (tf.identity(x), lambda a: a),
    "equal": lambda x: (tf.equal(x, "a"), lambda a: a == b"a"),
    "not_equal": lambda x: (tf.not_equal(x, x), lambda a: a != a),
    "fill": lambda x: (tf.fill(tf.shape(x), "z"), lambda a: np.full(a.shape, b"z", object)),
    "tile": lambda x: (tf.tile(x, [2, 1]), lambda a: np.tile(a, (2, 1))),
    "concat": lambda x: (tf.concat([x, x], 1), lambda a: np.concatenate([a, a], 1)),
    "stack": lambda x: (tf.stack([x, x]), lambda a: np.stack([a, a])),
    "unstack": lambda x: (tf.unstack(x, axis=1)[1], lambda a: a[:, 1]),
    "gather": lambda x: (tf.gather(x, [1, 0]), lambda a: a[[1, 0]]),
    "gather_nd": lambda x: (tf.gather_nd(x, [[1, 0]]), lambda a: a[[1], [0]]),
    "reshape": lambda x: (tf.reshape(x, [-1]), lambda a: a.reshape(-1)),
    "where": lambda x: (tf.where(tf.equal(x, "a")), lambda a: np.argwhere(a == b"a")),
    "select": lambda x: (
        tf.where(tf.equal(x, ""), tf.fill(tf.shape(x), "z"), x),
        lambda a: np.where(a == b"", b"z", a),
    ),
    "slice": lambda x: (tf.slice(x, [0, 1], [1, 1]), lambda a: a[:1, 1:]),
    "strided_slice": lambda x: (x[::-1, 0], lambda a: a[::-1, 0]),
    "element": lambda x: (x[0, 1], lambda a: a[0, 1]),
    "expand_dims": lambda x: (tf.expand_dims(x, 0), lambda a: a[None]),
    "squeeze": lambda x: (tf.squeeze(x[:1], 0), lambda a: a[0]),
    "transpose": lambda x: (tf.transpose(x), lambda a: a.T),
    "reverse": lambda x: (tf.reverse(x, [0]), lambda a: a[::-1]),
    "split": lambda x: (tf.split(x, 2, 1)[1], lambda a: a[:, 1:]),
    "zeros_like": lambda x: (tf.zeros_like(x), lambda a: np.full(a.shape, b"", object)),
    "pad": lambda x: (
        tf.pad(x, [[1, 0], [0, 0]], constant_values="p"),
        lambda a: np.concatenate([[[b"p", b"p"]], a]),
    ),
    "broadcast_to": lambda x: (
        tf.broadcast_to(x, [3, 2, 2]), lambda a: np.broadcast_to(a, (3, 2, 2)),
    ),
    "one_hot": lambda x: (
        tf.one_hot([0, 1], 2, on_value="y", off_value="n"),
        lambda a: np.array([[b"y", b"n"], [b"n", b"y"]], object),
    ),
    "size": lambda x: (tf.size(x), lambda a: np.int32(a.size)),
    "reshaped by its shape": lambda x: (
        tf.reshape(x[:1], tf.stack([tf.shape(x)[0], 1])), lambda a: a[:1].reshape(2, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _ARRAY_OPS)
def test_array_operations_take_strings(name: str) -> None:
    array = texts(_GRID)
    fed = tf.placeholder(tf.string, [None, 2])
    for x, feeds in ((tf.constant(_GRID), None), (fed, {fed: _GRID})):
        result, expected = _ARRAY_OPS[name](x)
        assert listed(run(result, feeds)) == listed(expected(array))


def test_python_text_is_utf8_wherever_it_comes_from() -> None:
    x = tf.placeholder(tf.string)
    for value in ("é", "é".encode(), np.array("é"), np.array("é", object)):
        assert run(x, {x: value}) == b"\xc3\xa9"
        assert run(tf.identity(x), {x: value}) == b"\xc3\xa9"
    assert listed(run(x, {x: np.array([b"a", "b"], object)})) == [b"a", b"b"]
    assert run(tf.constant("é")) == b"\xc3\xa9"
    with pytest.raises(ValueError, match="text or bytes"):
        run(x, {x: [1]})


def test_fed_and_fetched_arrays_are_not_shared() -> None:
    x = tf.placeholder(tf.string, [2])
    given = texts(["a", "b"])
    found = run(tf.identity(x), {x: given})
    found[0] = b"changed"
    assert given[0] == b"a"


def test_string_variables() -> None:
    v = tf.Variable(["a", "b"], name="v")
    w = tf.get_variable("w", initializer=tf.constant("hi"))
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(v)
        session.run(tf.global_variables_initializer())
        assert listed(session.run([v, w])[0]) == [b"a", b"b"] and session.run(w) == b"hi"
        before = tf.identity(v)
        assigned = v.assign(["c", tf.string_join(["d", w])])
        after = tf.identity(v)
        values = session.run([before, assigned, after])
        assert [listed(x) for x in values] == [[b"a", b"b"], [b"c", b"dhi"], [b"c", b"dhi"]]
        assert listed(session.run(v)) == [b"c", b"dhi"]
        assert listed(session.run(tf.equal(v, "c"))) == [True, False]
    free = tf.Variable(["x"], validate_shape=False)
    with tf.Session() as session:
        session.run(free.initializer)
        longer = tf.assign(free, ["y", "z"], validate_shape=False)
        assert listed(session.run(longer)) == listed(session.run(free)) == [b"y", b"z"]


# ---------------------------------------------------------------------------------- join and split


def test_join() -> None:
    x = tf.placeholder(tf.string, [None, 2])
    y = tf.strings.join([x, "-", "z"], separator=":", name="nm")
    assert y.name == "nm:0" and y.shape.as_list() == [None, 2]
    assert listed(run(y, {x: [["a", ""]]})) == [[b"a:-:z", b":-:z"]]
    assert run(tf.string_join([])) == b""
    assert tf.string_join(["a"]).name == "StringJoin_1:0"
    with pytest.raises(InvalidArgument, match="1.* and .*2"):
        p = tf.placeholder(tf.string, [None])
        run(tf.string_join([["a"], p]), {p: ["b", "c"]})
    with pytest.raises(TypeError):
        tf.string_join(["a", 1])


@given(st.lists(st.lists(st.text(max_size=3), min_size=2, max_size=2), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_reduce_join_joins_one_axis_after_the_other(rows: list[list[str]]) -> None:
    with tf.Graph().as_default():
        first = tf.reduce_join(rows, [0, 1], separator="|")
        steps = tf.reduce_join(tf.reduce_join(rows, 0, separator="|"), 0, separator="|")
        whole = tf.reduce_join(rows, separator="|")
        one, other, everything = run([first, steps, whole])
    assert one == other
    assert everything == "|".join("|".join(row) for row in rows).encode()


def test_reduce_join() -> None:
    square = [["a", "b"], ["c", "d"]]
    assert run(tf.reduce_join(square, [0, 1])) == b"acbd"
    assert run(tf.reduce_join(square, [1, 0])) == b"abcd"
    assert listed(run(tf.reduce_join(square, -1, keep_dims=True))) == [[b"ab"], [b"cd"]]
    assert listed(run(tf.strings.reduce_join(square, reduction_indices=0))) == [b"ac", b"bd"]
    assert listed(run(tf.reduce_join(square, []))) == [[b"a", b"b"], [b"c", b"d"]]
    assert listed(run(tf.reduce_join(tf.zeros([0, 2], tf.string), 0))) == [b"", b""]
    assert tf.reduce_join(square, axis=0, keepdims=True).shape.as_list() == [1, 2]
    anything = tf.placeholder(tf.string)
    assert run(tf.reduce_join(anything), {anything: square}) == b"abcd"
    assert tf.reduce_join(["a"]).op.name.endswith("/ReduceJoin")
    with pytest.raises(ValueError, match="mean the same"):
        tf.reduce_join(square, axis=0, reduction_indices=0)


def test_unsorted_segment_join() -> None:
    join = tf.strings.unsorted_segment_join
    assert listed(run(join(["a", "b", "c"], [0, 1, 0], 3, separator=":"))) == [b"a:c", b"b", b""]
    assert listed(run(join([["a", "x"], ["b", "y"]], [[0, 1], [1, 0]], 2))) == [b"ay", b"xb"]


def test_string_split() -> None:
    value = run(tf.string_split(["hello world  a", "", " x "]))
    assert value.indices.tolist() == [[0, 0], [0, 1], [0, 2], [2, 0]]
    assert value.values.tolist() == [b"hello", b"world", b"a", b"x"]
    assert value.dense_shape.tolist() == [3, 3]
    assert run(tf.string_split(["a||b|c"], "||")).values.tolist() == [b"a", b"b", b"c"]
    assert run(tf.string_split(["ab"], delimiter="")).values.tolist() == [b"a", b"b"]
    kept = run(tf.string_split([" x"], skip_empty=False))
    assert kept.values.tolist() == [b"", b"x"]
    nothing = run(tf.string_split(tf.constant([], tf.string)))
    assert nothing.dense_shape.tolist() == [0, 0] and nothing.indices.shape == (0, 2)
    with pytest.raises(ValueError, match="mean the same"):
        tf.string_split(["a"], sep=" ", delimiter=",")
    with pytest.raises(NotImplementedError, match="RaggedTensor"):
        tf.string_split(["a"], result_type="RaggedTensor")
    with pytest.raises(ValueError, match="result_type"):
        tf.string_split(["a"], result_type="Tensor")


def test_split_as_python_does() -> None:
    rows = ["a  b c", " x", "", "a,b,,c"]
    for sep, limit in (("", -1), (",", -1), (",", 1), ("", 1)):
        value = run(tf.strings.split(rows, sep, maxsplit=limit))
        expected = [row.encode().split(sep.encode() or None, limit) for row in rows]
        assert value.values.tolist() == [part for row in expected for part in row]
        assert value.dense_shape.tolist() == [4, max(map(len, expected))]
    assert run(tf.strings.split(source=["a b"])).values.tolist() == [b"a", b"b"]
    assert run(tf.strings.split("a b")).dense_shape.tolist() == [1, 2]
    deep = tf.placeholder(tf.string, [None, None])
    value = run(tf.strings.split(deep), {deep: [["a b", "c"], ["", "d e f"]]})
    assert value.indices.tolist() == [
        [0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 2],
    ]  # fmt: skip
    assert value.dense_shape.tolist() == [2, 2, 3]
    with pytest.raises(ValueError, match="rank of the input"):
        tf.strings.split(tf.placeholder(tf.string))


# ------------------------------------------------------------------------------------------ format


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (np.float32([1.5, np.nan, 1e10, 123456789.0]), 3, "[1.5 nan 1e+10 123456792]"),
        ([1.5, 0.1, 1e10, 123456789.0], 3, "[1.5 0.1 10000000000 123456789]"),
        (np.arange(10), 3, "[0 1 2 ... 7 8 9]"), (np.arange(10), 1, "[0 ... 9]"),
        (np.arange(4), -1, "[0 1 2 3]"), (np.array([], int), 3, "[]"),
        (np.zeros((2, 0)), 3, "[\n ...]"), ([True, False], 3, "[1 0]"),
        ([[1, 2], [3, 4]], 3, "[[1 2]\n [3 4]]"), (np.array(b"hi"), 3, '"hi"'),
        (np.array(["hi", 'a"\n'], object), 3, None),
    ],
)  # fmt: skip
def test_arrays_as_text(value: Any, limit: int, text: str | None) -> None:
    array = np.asarray(value)
    if text is None:
        assert ends_text(texts(value), limit) == '["hi" "a\\"\\n"]'
    elif array.dtype.kind == "S":
        assert ends_text(texts("hi"), limit) == text
    else:
        assert ends_text(array, limit) == text


@given(st.floats(width=32, allow_nan=False))
def test_printed_floats_can_be_read_back(value: float) -> None:
    assert np.float32(element_text(np.float32(value))) == np.float32(value)


def test_format() -> None:
    y = tf.strings.format("x: {}, {}", (tf.range(10), tf.constant([[1.5, 2], [3, 4]])))
    assert y.op.type == "StringFormat" and y.shape.as_list() == []
    assert run(y) == b"x: [0 1 2 ... 7 8 9], [[1.5 2]\n [3 4]]"
    assert run(tf.strings.format("%s", tf.constant("a"), placeholder="%s")) == b'"a"'
    assert head_text(np.arange(5), 2) == "[0 1...]"
    with pytest.raises(ValueError, match="2 placeholders for 1 tensors"):
        tf.strings.format("{} {}", tf.constant(1))


# -------------------------------------------------------------------------------------- characters


def test_length_and_substr() -> None:
    assert listed(run(tf.strings.length(["abc", "é√"]))) == [3, 5]
    assert listed(run(tf.strings.length(["abc", "é√"], unit="UTF8_CHAR"))) == [3, 2]
    assert run(tf.substr("hello", -3, 2)) == b"ll"
    assert run(tf.substr("hello", 1, -1)) == b"ello"
    assert run(tf.substr("hello", 5, 2)) == b""
    assert listed(run(tf.substr("abc", [0, 1], [1, 1]))) == [b"a", b"b"]
    assert run(tf.strings.substr("hé√x", 1, 2, unit="UTF8_CHAR")) == "é√".encode()
    assert tf.substr("abc", tf.constant(0, tf.int64), 1).op.get_attr("T") is tf.int64
    with pytest.raises(InvalidArgument, match="pos -6"):
        run(tf.substr("hello", -6, 2))
    with pytest.raises(TypeError):
        tf.substr("abc", 0.5, 1)


@given(st.lists(st.text(min_size=2, max_size=6), min_size=1, max_size=4), st.integers(-2, 2),
       st.integers(0, 5))  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_substr_of_characters_is_a_slice(words: list[str], pos: int, count: int) -> None:
    with tf.Graph().as_default():
        got = run(tf.substr(words, pos, count, unit="UTF8_CHAR"))
    starts = [pos + len(w) if pos < 0 else pos for w in words]
    expected = [w[s : s + count].encode() for w, s in zip(words, starts, strict=True)]
    assert got.tolist() == expected


def test_case_and_ends() -> None:
    assert run(tf.strings.lower("ABC É")) == "abc É".encode()
    assert run(tf.strings.lower("ABC É ΑΣ", encoding="utf-8")) == "abc é ας".encode()
    assert run(tf.strings.upper("é ß", encoding="utf-8")) == "É SS".encode()
    assert run(tf.strings.upper(b"a\xff", encoding="utf-8")) == "A\ufffd".encode()
    assert run(tf.string_strip("\t x\v ")) == b"x"
    assert listed(run(tf.strings.bytes_split("aé"))) == [b"a", b"\xc3", b"\xa9"]
    with pytest.raises(NotImplementedError):
        tf.strings.bytes_split(["a"])


# ---------------------------------------------------------------------------------------- patterns


@pytest.mark.parametrize(
    ("text", "pattern", "rewrite", "expected"),
    [
        ("aabc", "a+", r"<\0>", "<aa>bc"), ("aabc", "(a)(b)", r"\2\1", "abac"),
        ("abxd", "x*", "-", "-a-b-d-"), ("aaa", "a", r"\\", "\\" * 3),
        ("abc", "", "X", "XaXbXcX"),
        ("a\n", "a$", "X", "a\n"), ("a\nb", "a.b", "X", "a\nb"), ("a\nb", "(?s)a.b", "X", "X"),
        ("a\nb", "(?m)^b", "X", "a\nX"), ("abc", "$", "X", "abcX"), ("é1 x", r"\w", "X", "éX X"),
        ("٣ 3", r"\d", "X", "٣ X"), ("a b\u00a0c", r"\s", "X", "aXb\u00a0c"),
        ("ab1É", "[[:alpha:]]", "X", "XX1É"), ("abΔ1É", r"\p{Greek}", "X", "abX1É"),
        ("abΔ1É", r"[^\pL]", "X", "abΔXÉ"), ("abΔ1É", r"\p{Lu}", "X", "abX1X"),
        ("É", "(?i)é", "X", "X"), ("aBC", "a(?i)bc", "X", "X"), ("ABC", "a(?i)b", "X", "ABC"),
        ("a.b", r"\Q.\E", "X", "aXb"), ("aaa", "a{2,}?", "X", "Xa"), ("a+", r"a\+\z", "X", "X"),
        ("ab", "(?U)a.*", "X", "Xb"), ("aé", r"\x{e9}", "X", "aX"), ("a]b", "[]]", "X", "aXb"),
        ("a-]b", r"[a\-\]]", "X", "XXXb"), ("x{1", "x{", "X", "X1"), ("x{,1}", "x{,1}", "X", "X"),
        ("ab_c", r"[\W_]", "X", "abXc"), ("ab1c", "[[:^alpha:]]", "X", "abXc"),
        ("\v \t", r"\s", "X", "\vXX"), ("\v \t", "[[:space:]]", "X", "XXX"),
        ("a\x01", r"\01", "X", "aX"), ("aab", "(a*)*", "X", "XbX"),
        ("aab", "(a|b)*?", "X", "XaXaXbX"),
    ],
)  # fmt: skip
def test_patterns_mean_what_they_mean_in_re2(
    text: str, pattern: str, rewrite: str, expected: str
) -> None:
    assert Regex.of(pattern).replacer(rewrite, everywhere=True)(text.encode()).decode() == expected


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        ("(a", r"missing \): \(a"), ("(?=a)", r"invalid perl operator: \(\?="),
        (r"(a)\1", "invalid escape sequence"), ("a{1001}", "invalid repetition size"),
        ("a**", r"bad repetition operator: \*\*"), ("a++", r"bad repetition operator: \+\+"),
        (r"a\Z", "invalid escape"), ("a[b-a]", "invalid character class range: b-a"),
        ("a[b", r"missing \]: \[b"), ("a)", r"unexpected \): a\)"), ("*a", "no argument for"),
        ("a\\", r"trailing \\"), ("(?x) a", r"\(\?x"), (r"\p{Foo}", "character class"),
        ("[[:foo:]]", "character class"), ("(?P<a>x)(?P<a>y)", "redefinition"), (r"\C", "escape"),
    ],
)  # fmt: skip
def test_patterns_that_re2_refuses(pattern: str, error: str) -> None:
    with pytest.raises(PatternError, match=error):
        Regex.of(pattern)


@given(st.text("ab.*+?|()[^-]\\dwé", max_size=8), st.text("aabé \n", max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_pattern_matches_or_is_refused(pattern: str, text: str) -> None:
    try:
        regex = Regex(pattern)
    except PatternError:
        return
    replaced = regex.replacer("", everywhere=True)(text.encode())
    assert len(replaced) <= len(text.encode())
    if re.fullmatch(r"[abé|]*", pattern):
        assert regex.matches_whole(text.encode()) == bool(re.fullmatch(pattern, text))


def test_bytes_that_are_no_utf8_match_nothing_but_themselves() -> None:
    assert Regex.of(".").replacer("e", everywhere=True)(b"\xff\xfea") == b"\xff\xfee"
    assert Regex.of("[^b]").replacer("e", everywhere=True)(b"\xff\xfea") == b"\xff\xfee"


def test_regex_ops() -> None:
    static = tf.regex_replace(["aab", "b"], "a", "x", replace_global=False)
    assert static.op.type == "StaticRegexReplace" and static.name == "StaticRegexReplace:0"
    assert listed(run(static)) == [b"xab", b"b"]
    dynamic = tf.strings.regex_replace(["aab"], tf.constant("a+"), r"[\0]")
    assert dynamic.op.type == "RegexReplace"
    assert listed(run(dynamic)) == [b"[aa]b"]
    match = tf.strings.regex_full_match(["ab", "abc", "ab\n"], "a|ab")
    assert match.op.type == "StaticRegexFullMatch" and match.dtype is tf.bool
    assert listed(run(match)) == [True, False, False]
    assert tf.strings.regex_full_match(["a"], tf.constant("a")).op.type == "RegexFullMatch"
    with pytest.raises(InvalidArgument, match=r"Invalid pattern: \(a, error: missing \)"):
        run(tf.regex_replace("aaa", "(a", "b"))
