"""The text form of protocol buffers is read as Google's parser reads it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.protos.graphs import NameAttrList
from flowgraph.protos.reading import parsed, read_message
from flowgraph.protos.text_format import Merge, MessageToString, Parse, ParseError
from flowgraph.protos.wire import DecodeError, delimited

Feature, Example = tf.train.Feature, tf.train.Example


def graph_def() -> tf.GraphDef:
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        v = tf.Variable([[1.5, -2.0]] * 3, name="v")
        tf.matmul(x, v, transpose_b=False, name="y")
        tf.constant(["a\"'\\\n\x00\u00e9", ""], name="texts")
        tf.constant([math.inf, -math.inf, 1e-30, 16777217.0], tf.float64)
        return graph.as_graph_def()


def test_what_is_written_is_read() -> None:
    message = graph_def()
    assert Parse(MessageToString(message), tf.GraphDef()) == message
    assert Parse(str(message).encode(), tf.GraphDef()) == message


@given(
    st.dictionaries(st.text(max_size=5), st.lists(st.binary(max_size=5), max_size=4), max_size=4),
    st.lists(st.floats(width=32)),
)
def test_maps_texts_and_numbers(texts: dict[str, list[bytes]], numbers: list[float]) -> None:
    feature = {key: Feature(bytes_list={"value": value}) for key, value in texts.items()}
    feature["numbers"] = Feature(float_list={"value": numbers})
    message = Example(features=tf.train.Features(feature=feature))
    # NB: the bytes are compared, since nan != nan
    back = Parse(str(message), Example())
    again = list(back.features.feature["numbers"].float_list.value)
    assert str(back) == str(message) and len(again) == len(numbers)


@pytest.mark.parametrize("text", [
    'node { name: "a" op: "B" }',
    "node{name:'a',op:'B'}",
    'node: <name: "a"; op: "B">',
    '# a comment\nnode [{ name: "a" op: "B" }]  # another',
    'node { name: "" "a" op: "\\102" }',
    'node { name: "\\x61" op: \'\\u0042\' }',
])  # fmt: skip
def test_forms_of_the_same(text: str) -> None:
    assert Parse(text, tf.GraphDef()) == tf.GraphDef(node=[tf.NodeDef(name="a", op="B")])


def test_numbers() -> None:
    text = "list { f: [1, -2.5, 3f, .5, 1e3, inf, -inf, nan] i: [0x10, -010, 7] b: [t, false, 1] }"
    value = Parse(text, tf.AttrValue()).list
    assert value.f[:7] == [1.0, -2.5, 3.0, 0.5, 1000.0, math.inf, -math.inf]
    assert math.isnan(value.f[7]) and value.i == [16, -8, 7] and value.b == [True, False, True]
    assert Parse("type: DT_INT32", tf.AttrValue()).type == Parse("type: 3", tf.AttrValue()).type


def test_merge_adds() -> None:
    message = Parse('node { name: "a" }', tf.GraphDef())
    Merge('node { name: "b" } versions { producer: 3 }', message)
    assert [node.name for node in message.node] == ["a", "b"] and message.versions.producer == 3


@pytest.mark.parametrize(("text", "error"), [
    ("node {", "1:7: expected a field of NodeDef, got the end of the text"),
    ("node {\n  name: 3\n}", "2:9: expected a text in quotes, got '3'"),
    ("nodes {}", "GraphDef has no field 'nodes'; did you mean 'node'"),
    ('node { name: "a }', "a text that does not end"),
    ("node { name }", "expected ':'"),
    ("versions { producer: 1e3 }", "is an integer, not '1e3'"),
    ("versions { producer: 99999999999 }", "out of range"),
    ("versions [{}]", "is no list"),
    ('node { attr { key: "a" value { b: maybe } } }', "is true or false"),
    ('node { attr { key: "a" value { type: DT_NONE } } }', "unknown enum label"),
    ('node { attr { keys: "a" } }', "has key and value, not 'keys'"),
    ('node { name: "\\777" }', "is no byte"), ('node { name: "\\q" }', "means nothing"),
    ("node } {", "expected '{'"), ("@", "unexpected '@'"),
    ('node { name: "\\xff" }', "no UTF-8"),
])  # fmt: skip
def test_errors_say_where(text: str, error: str) -> None:
    with pytest.raises(ParseError) as info:
        Parse(text, tf.GraphDef())
    assert error in str(info.value)


def test_unknown_fields_on_request() -> None:
    text = 'later { a: 1 b { [some.type/x] { c: "}" } d: [1, 2] } } node { name: "a" } last: -x'
    assert Parse(text, tf.GraphDef(), allow_unknown_field=True).node[0].name == "a"
    for wrong in ("later {", "later: [1", "later { [x", "later: }"):
        with pytest.raises(ParseError):
            Parse(wrong, tf.GraphDef(), allow_unknown_field=True)
    with pytest.raises(TypeError):
        Parse(3, tf.GraphDef())
    with pytest.raises(ParseError, match="UTF-8"):
        Parse(b"\xff", tf.GraphDef())


def test_depth_has_an_end() -> None:
    text = 'list { func { attr { key: "a" value { ' * 1000
    with pytest.raises(ParseError, match="inside one another"):
        Parse(text, tf.AttrValue())
    with pytest.raises(ParseError, match="inside one another"):
        Parse("u { " * 1000, tf.AttrValue(), allow_unknown_field=True)
    deep = b""  # a func that has an attr that is a func ...
    for _ in range(3000):
        entry = delimited(1, b"a") + delimited(2, delimited(10, deep))
        deep = delimited(2, entry)
    with pytest.raises(DecodeError, match="inside one another"):
        parsed(deep, NameAttrList, "there")


def test_files_of_either_form(tmp_path) -> None:
    message = graph_def()
    (tmp_path / "a.pb").write_bytes(message.SerializeToString())
    (tmp_path / "b.pbtxt").write_text(str(message))
    (tmp_path / "c.meta").write_text(str(message))
    for name in ("a.pb", "b.pbtxt", "c.meta"):
        assert read_message(tmp_path / name, tf.GraphDef) == message
    (tmp_path / "a.pb").write_bytes(message.SerializeToString()[:-3])
    with pytest.raises(DecodeError, match=r"a\.pb.* holds no GraphDef: truncated"):
        read_message(tmp_path / "a.pb", tf.GraphDef)
    (tmp_path / "b.pbtxt").write_text("node {")
    with pytest.raises(DecodeError, match="1:7: expected a field"):
        read_message(tmp_path / "b.pbtxt", tf.GraphDef)
    with pytest.raises(tf.errors.NotFoundError):
        read_message(tmp_path / "none", tf.GraphDef)
