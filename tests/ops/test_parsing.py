"""Serialized examples become tensors.  The expectations are TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf

InvalidArgument = tf.errors.InvalidArgumentError
Fixed, Var, Sequence = tf.FixedLenFeature, tf.VarLenFeature, tf.FixedLenSequenceFeature


def ints(*values: int) -> Any:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def floats(*values: float) -> Any:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def strings(*values: bytes) -> Any:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def example(**features: Any) -> bytes:
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


ONE = example(a=ints(1, 2), b=floats(0.5), c=strings(b"x", b"yz"), i=ints(3, 0), v=floats(1.5, 2.5))
TWO = example(a=ints(-3, 4), c=strings(), d=ints(7), i=ints(9), v=floats(7))
THREE = example(a=ints(5, 6), b=tf.train.Feature(), d=ints(8, 9))


def run(fetches: Any) -> Any:
    with tf.Session() as session:
        return session.run(fetches)


def sparse(value: Any) -> list[Any]:
    return [part.tolist() for part in value]


def test_dense_and_sparse_features() -> None:
    parsed = tf.parse_example(
        [ONE, TWO, THREE],
        {"a": Fixed([2], tf.int64), "b": Fixed([], tf.float32, -1.0), "c": Var(tf.string),
         "d": Var(tf.int64)},
    )  # fmt: skip
    assert parsed["a"].name == "ParseExample/ParseExample:6"
    assert parsed["a"].shape == [3, 2] and parsed["b"].shape == [3]
    found = run(parsed)
    assert found["a"].tolist() == [[1, 2], [-3, 4], [5, 6]]
    assert found["b"].tolist() == [0.5, -1, -1]
    assert sparse(found["c"]) == [[[0, 0], [0, 1]], [b"x", b"yz"], [3, 2]]
    assert sparse(found["d"]) == [[[1, 0], [2, 0], [2, 1]], [7, 8, 9], [3, 2]]


def test_sequences_are_padded() -> None:
    features = {
        "d": Sequence([], tf.int64, allow_missing=True, default_value=-1),
        "c": Sequence([1], tf.string, allow_missing=True),
        "a": Sequence([2], tf.int64, allow_missing=True),
    }
    parsed = tf.io.parse_example([ONE, TWO, THREE], features)
    assert parsed["c"].shape.as_list() == [3, None, 1]
    found = run(parsed)
    assert found["d"].tolist() == [[-1, -1], [7, -1], [8, 9]]
    assert found["c"].tolist() == [[[b"x"], [b"yz"]], [[b""], [b""]], [[b""], [b""]]]
    assert found["a"].tolist() == [[[1, 2]], [[-3, 4]], [[5, 6]]]


def test_sparse_features_are_put_together_and_sorted() -> None:
    parsed = tf.parse_example([ONE, TWO, THREE], {"s": tf.SparseFeature("i", "v", tf.float32, 10)})
    assert sparse(run(parsed["s"])) == [[[0, 0], [0, 3], [1, 9]], [2.5, 1.5, 7.0], [3, 10]]
    as_is = tf.SparseFeature("i", "v", tf.float32, 10, already_sorted=True)
    parsed = tf.parse_example([ONE], {"s": as_is, "i": Var(tf.int64)})
    assert sparse(run(parsed["s"])) == [[[0, 3], [0, 0]], [1.5, 2.5], [1, 10]]
    assert sparse(run(parsed["i"])) == [[[0, 0], [0, 1]], [3, 0], [1, 2]]
    twice = tf.SparseFeature(["i", "a"], "v", tf.float32, [10, 5])
    parsed = tf.parse_single_example(ONE, {"s": twice})
    assert sparse(run(parsed["s"])) == [[[0, 2], [3, 1]], [2.5, 1.5], [10, 5]]


def test_no_examples() -> None:
    parsed = tf.parse_example(
        tf.zeros([0], tf.string),
        {"a": Fixed([2], tf.int64), "c": Var(tf.string), "d": Sequence([], tf.int64, True)},
    )
    found = run(parsed)
    assert found["a"].shape == (0, 2) and found["d"].shape == (0, 0)
    assert sparse(found["c"]) == [[], [], [0, 0]]


def test_single_examples() -> None:
    parsed = tf.parse_single_example(
        ONE,
        {"a": Fixed([1, 2], tf.int64), "b": Fixed([], tf.float32), "c": Var(tf.string),
         "d": Var(tf.int64), "e": Sequence([], tf.int64, True)},
    )  # fmt: skip
    assert parsed["a"].name == "ParseSingleExample/ParseSingleExample:6"
    found = run(parsed)
    assert found["a"].tolist() == [[1, 2]] and found["b"] == 0.5 and found["e"].tolist() == []
    assert sparse(found["c"]) == [[[0], [1]], [b"x", b"yz"], [2]]
    assert sparse(found["d"]) == [[], [], [0]]


@pytest.mark.parametrize(
    ("features", "error"),
    [
        ({"b": Fixed([], tf.float32)}, "'b' of example 'n2' .* is required"),
        ({"a": Fixed([3], tf.int64)}, r"has 2 values, but a tensor of shape \[3\]"),
        ({"a": Fixed([2], tf.float32)}, "holds int64, but float32 was expected"),
        ({"a": Var(tf.string)}, "holds int64, but string was expected"),
        ({"i": Sequence([2], tf.int64, True)}, "has 1 values, no multiple of the 2"),
    ],
)
def test_examples_that_do_not_fit(features: Any, error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        run(tf.parse_example([ONE, TWO], features, example_names=["n1", "n2"]))


@pytest.mark.parametrize(
    ("features", "error", "kind"),
    [
        ({}, "Missing", ValueError),
        ({"a": Fixed([2], tf.int32)}, "cannot be int32", TypeError),
        ({"a": Fixed(None, tf.int64)}, "Missing shape", ValueError),
        ({"a": Fixed([None], tf.int64)}, "Consider using FixedLenSequenceFeature", ValueError),
        ({"a": Var(None)}, "Missing type", ValueError),
        ({"a": "x"}, "Invalid feature", ValueError),
        ({"a": Sequence([], tf.int64)}, "allow_missing", ValueError),
        ({"a": Fixed([2], tf.int64, [1, 2, 3])}, "reshape|Reshape", ValueError),
        ({"s": tf.SparseFeature("a", "a", tf.float32, 3)}, "Conflicting type", ValueError),
    ],
)
def test_wrong_descriptions(features: Any, error: str, kind: Any) -> None:
    with pytest.raises(kind, match=error):
        tf.parse_example([ONE], features)


def test_bytes_that_are_no_example() -> None:
    for parse, data in ((tf.parse_example, ["junk"]), (tf.parse_single_example, "junk")):
        with pytest.raises(InvalidArgument, match="could not parse an example"):
            run(parse(data, {"a": Var(tf.int64)}))
    # A message without the fields that are asked for is an empty example.
    assert run(tf.parse_example([""], {"b": Fixed([], tf.float32, 7.0)})) == {"b": [7.0]}


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30),
            st.lists(st.floats(width=32, allow_nan=False), max_size=30),
            st.lists(st.binary(max_size=9), max_size=5),
        ),
        max_size=4,
    )
)
def test_values_survive(rows: Any) -> None:
    data = [example(a=ints(*a), b=floats(*b), c=strings(*c)) for a, b, c in rows]
    features = {"a": Var(tf.int64), "b": Var(tf.float32), "c": Var(tf.string)}
    found = run(tf.parse_example(tf.constant(data, tf.string, [len(data)]), features))
    for key, values in zip("abc", zip(*rows, strict=True), strict=False):
        whole = [v for row in values for v in row]
        assert found[key].values.tolist() == [np.float32(v) if key == "b" else v for v in whole]
        counts = np.bincount(found[key].indices[:, 0], minlength=len(rows))
        assert counts.tolist() == [len(row) for row in values]


# ------------------------------------------------------------------------------- sequence examples


def _sequence() -> bytes:
    lists = {
        "x": [floats(1, 2), floats(3, 4)],
        "y": [ints(1, 2, 3), tf.train.Feature(), ints(4)],
        "e": [],
    }
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={"n": ints(3), "w": strings(b"a", b"b")}),
        feature_lists=tf.train.FeatureLists(
            feature_list={k: tf.train.FeatureList(feature=v) for k, v in lists.items()}
        ),
    ).SerializeToString()


def test_sequence_examples() -> None:
    context, steps = tf.parse_single_sequence_example(
        _sequence(),
        {"n": Fixed([], tf.int64), "w": Var(tf.string), "m": Fixed([2], tf.float32, [1, 2])},
        {"x": Sequence([2], tf.float32), "y": Var(tf.int64), "e": Sequence([3], tf.int64),
         "z": Sequence([2], tf.float32, allow_missing=True)},
    )  # fmt: skip
    assert steps["x"].shape.as_list() == [None, 2]
    found, lists = run([context, steps])
    assert found["n"] == 3 and found["m"].tolist() == [1, 2]
    assert sparse(found["w"]) == [[[0], [1]], [b"a", b"b"], [2]]
    assert lists["x"].tolist() == [[1, 2], [3, 4]]
    assert sparse(lists["y"]) == [[[0, 0], [0, 1], [0, 2], [2, 0]], [1, 2, 3, 4], [3, 3]]
    assert lists["e"].shape == (0, 3) and lists["z"].shape == (0, 2)


@pytest.mark.parametrize(
    ("context", "steps", "error"),
    [
        (None, {"z": Sequence([2], tf.float32)}, "feature list 'z' of the example is required"),
        (None, {"x": Sequence([3], tf.float32)}, r"step 0 of feature list 'x'.*shape \[3\]"),
        (None, {"x": Sequence([2], tf.int64)}, "holds float32, but int64"),
        (None, {"y": Sequence([3], tf.int64)}, "step 1"),
        ({"n": Fixed([], tf.float32)}, None, "holds int64, but float32"),
        ({"k": Fixed([], tf.int64)}, None, "is required"),
    ],
)
def test_sequence_examples_that_do_not_fit(context: Any, steps: Any, error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        run(tf.parse_single_sequence_example(_sequence(), context, steps))


def test_wrong_sequence_descriptions() -> None:
    for context, steps in (
        (None, None),
        ({"n": Sequence([], tf.int64)}, None),
        (None, {"x": Fixed([2], tf.float32)}),
    ):
        with pytest.raises(ValueError, match="Missing|Invalid feature"):
            tf.parse_single_sequence_example(_sequence(), context, steps)


def _batch() -> list[bytes]:
    """Three SequenceExamples, of which each lacks something."""
    def made(context: dict[str, Any], lists: dict[str, Any]) -> bytes:
        listed = {k: tf.train.FeatureList(feature=v) for k, v in lists.items()}
        return tf.train.SequenceExample(
            context=tf.train.Features(feature=context),
            feature_lists=tf.train.FeatureLists(feature_list=listed),
        ).SerializeToString()

    return [
        made({"n": ints(3), "w": strings(b"x", b"y")},
             {"t": [floats(1, 2), floats(3, 4)], "s": [ints(1), ints(), ints(2, 3)]}),
        made({"n": ints(4)}, {"t": [floats(5, 6)], "s": []}),
        made({"w": strings(b"z")}, {"s": [ints(9)]}),
    ]  # fmt: skip


def test_batches_of_sequence_examples() -> None:
    # what TensorFlow 2.21 gives
    context = {"n": Fixed([], tf.int64, default_value=-1), "w": tf.VarLenFeature(tf.string)}
    steps = {"t": Sequence([2], tf.float32, allow_missing=True), "s": tf.VarLenFeature(tf.int64)}
    made = tf.io.parse_sequence_example(_batch(), context, steps, example_names=["a", "b", "c"])
    assert made[0]["n"].shape == [3] and made[1]["t"].shape.as_list() == [3, None, 2]
    assert made[1]["s"].indices.shape.as_list() == [None, 3]
    first, second, lengths = run(made)
    assert first["n"].tolist() == [3, 4, -1]
    assert first["w"].indices.tolist() == [[0, 0], [0, 1], [2, 0]]
    assert first["w"].values.tolist() == [b"x", b"y", b"z"]
    assert first["w"].dense_shape.tolist() == [3, 2]
    assert second["s"].indices.tolist() == [[0, 0, 0], [0, 2, 0], [0, 2, 1], [2, 0, 0]]
    assert second["s"].values.tolist() == [1, 2, 3, 9]
    assert second["s"].dense_shape.tolist() == [3, 3, 2]
    assert second["t"].tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]], [[0, 0], [0, 0]]]
    assert {k: v.tolist() for k, v in lengths.items()} == {"t": [2, 1, 0]}
    nothing = tf.zeros([0], tf.string)
    first, second, lengths = run(tf.io.parse_sequence_example(nothing, context, steps))
    assert first["n"].shape == (0,) and second["t"].shape == (0, 0, 2) and lengths["t"].size == 0


def test_batches_agree_with_single_examples() -> None:
    context = {"n": Fixed([1], tf.int64, default_value=[7]), "w": tf.VarLenFeature(tf.string)}
    steps = {"t": Sequence([2, 1], tf.float32, allow_missing=True), "s": tf.VarLenFeature(tf.int64)}
    for data in _batch():
        a, b = run(tf.parse_single_sequence_example(data, context, steps))
        c, d, lengths = run(tf.io.parse_sequence_example([data], context, steps))
        np.testing.assert_array_equal(c["n"][0], a["n"])
        np.testing.assert_array_equal(d["t"][0], b["t"])
        assert lengths["t"].tolist() == [len(b["t"])]
        np.testing.assert_array_equal(d["s"].values, b["s"].values)
        np.testing.assert_array_equal(d["s"].indices[:, 1:], b["s"].indices)


@pytest.mark.parametrize(
    ("context", "steps", "error"),
    [
        ({"n": Fixed([], tf.int64)}, None, "'n' of example 2.*required"),
        (None, {"t": Sequence([2], tf.float32)}, "'t' of example 2 is required"),
        (None, {"t": Sequence([3], tf.float32, allow_missing=True)}, "has 2 values"),
        (None, {"t": tf.VarLenFeature(tf.int64)}, "'t' of example 0 holds float32, but int64"),
    ],
)
def test_batches_that_do_not_fit(context: Any, steps: Any, error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        run(tf.io.parse_sequence_example(_batch(), context, steps))


def test_wrong_descriptions_of_batches() -> None:
    with pytest.raises(ValueError, match="Missing features"):
        tf.io.parse_sequence_example(_batch())
    with pytest.raises(ValueError, match="no default"):
        tf.io.parse_sequence_example(_batch(), None, {"t": Sequence([], tf.float32, False, 1.0)})


# -------------------------------------------------------------------------------------------- json


def test_examples_in_json() -> None:
    text = '{"features": {"feature": {"a": {"int64List": {"value": ["1", -2]}}}}}'
    coded = tf.decode_json_example([text])
    assert coded.shape == [1] and coded.name == "DecodeJSONExample:0"
    assert run(coded)[0] == example(a=ints(1, -2))
    both = '{"features":{"feature":{"b":{"bytes_list":{"value":["YQ=="]}},"f":{"floatList":{"value":[1.5,"-Infinity"]}}}}}'  # noqa: E501
    assert run(tf.io.decode_json_example(both)) == example(b=strings(b"a"), f=floats(1.5, -np.inf))
    for wrong in ("{", "[]", '{"x": 1}', '{"features": {"feature": {"a": 3}}}'):
        with pytest.raises(InvalidArgument, match="no example"):
            run(tf.decode_json_example(wrong))
