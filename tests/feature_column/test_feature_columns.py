"""Feature columns: the numbers, names and errors are TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

F = tf.feature_column


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def value(tensor, **variables):
    """The value of a tensor, once variables have these values."""
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        for v in tf.global_variables():
            if v.op.name in variables:
                v.load(variables[v.op.name], session)
        return session.run(tensor)


def batch() -> dict:
    return {
        "n": tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "a": tf.constant([-1.0, 5.0, 10.0]),
        "h": tf.constant([["p", "q"], ["r", ""], ["p", "p"]]),
        "k": tf.constant([[3], [4], [-1]], tf.int64),
        "i": tf.constant([[1], [9], [3]], tf.int64),
        "v": tf.constant([["x"], ["y"], ["foo"]]),
        "w": tf.constant([[0.5], [2.0], [3.0]]),
    }


def columns() -> dict:
    n = F.numeric_column("n", shape=(2,), normalizer_fn=lambda x: x / 2)
    a = F.bucketized_column(F.numeric_column("a"), [0.0, 10.0])
    h = F.categorical_column_with_hash_bucket("h", 5)
    k = F.categorical_column_with_hash_bucket("k", 7, tf.int64)
    i = F.categorical_column_with_identity("i", 4, default_value=0)
    v = F.categorical_column_with_vocabulary_list("v", ["x", "y", "z"], num_oov_buckets=2)
    x = F.crossed_column(["h", a, "v"], 20)
    w = F.weighted_categorical_column(v, "w")
    return {"n": n, "a": a, "h": h, "k": k, "i": i, "v": v, "x": x, "w": w}




def test_dense_columns_are_tensorflows() -> None:
    c = columns()
    dense = [
        c["n"], c["a"], *map(F.indicator_column, (c["h"], c["k"], c["v"], c["x"], c["w"])),
        F.embedding_column(c["i"], 3),
    ]  # fmt: skip
    layer = F.input_layer(batch(), dense)
    assert layer.op.name == "input_layer/concat" and layer.shape.as_list() == [3, 50]
    assert [v.op.name for v in tf.global_variables()] == [
        "input_layer/i_embedding/embedding_weights"
    ]
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = value(layer, **{"input_layer/i_embedding/embedding_weights": table})
    expected = np.zeros((3, 50), np.float32)
    for row, places in enumerate([
        {0: 1, 9: 1, 17: 1, 26: 2, 28: 3, 29: 4, 30: 5, 33: 1, 38: 0.5, 39: 1, 40: 1, 45: 0.5},
        {1: 1, 9: 1, 16: 1, 26: 1, 29: 1, 30: 2, 37: 1, 38: 1.5, 39: 2, 41: 1, 46: 2},
        {2: 1, 8: 2, 26: 2, 28: 9, 29: 10, 30: 11, 38: 2.5, 39: 3, 44: 1, 49: 3},
    ]):  # fmt: skip
        for place, number in places.items():
            expected[row, place] = number
    np.testing.assert_array_equal(found, expected)


def test_linear_models_are_tensorflows() -> None:
    c, made = columns(), {}
    model = F.linear_model(
        batch(), [c[key] for key in "nahivx"], units=2, cols_to_vars=made
    )
    names = [v.op.name for v in tf.global_variables()]
    assert names == [f"linear_model/{name}" for name in (
        "a_bucketized/weights", "a_bucketized_X_h_X_v/weights", "h/weights", "i/weights",
        "n/weights", "v/weights", "bias_weights",
    )]  # fmt: skip
    assert [v.op.name for v in made[c["h"]]] == ["linear_model/h/weights"]
    assert made["bias"][0].shape == [2] and len(made) == 7
    assert (value(model) == 0).all()
    values = {
        v.op.name: np.arange(1, v.shape.num_elements() + 1).reshape(v.shape.as_list())
        * (0.1 * (k + 1))
        for k, v in enumerate(tf.global_variables())
    }
    expected = [[16.95, 20.5], [17.05, 21.3], [23.75, 29.3]]
    np.testing.assert_allclose(value(model, **values), expected, rtol=1e-6)
    mean = F.linear_model(batch(), [c["h"]], sparse_combiner="mean")
    weights = {"linear_model_1/h/weights": np.arange(5.0).reshape(5, 1)}
    np.testing.assert_allclose(value(mean, **weights), [[3.0], [3.0], [3.0]])


def test_specs_for_parsing() -> None:
    c = columns()
    spec = F.make_parse_example_spec([c["n"], c["a"], F.indicator_column(c["x"]), c["w"]])
    assert spec == {
        "n": tf.FixedLenFeature((2,), tf.float32), "a": tf.FixedLenFeature((1,), tf.float32),
        "h": tf.VarLenFeature(tf.string), "v": tf.VarLenFeature(tf.string),
        "w": tf.VarLenFeature(tf.float32),
    }  # fmt: skip
    assert c["x"].name == "a_bucketized_X_h_X_v" and c["w"].name == "v_weighted_by_w"
    with pytest.raises(ValueError, match="different parse_spec for key a"):
        F.make_parse_example_spec([F.numeric_column("a"), F.numeric_column("a", shape=2)])
    with pytest.raises(ValueError, match="must be feature columns"):
        F.make_parse_example_spec(["a"])


def test_from_examples() -> None:
    Feature = tf.train.Feature
    c = columns()
    wanted = [c["n"], F.indicator_column(c["v"])]
    examples = [
        tf.train.Example(features=tf.train.Features(feature={
            "n": Feature(float_list=tf.train.FloatList(value=[k, k + 1])),
            "v": Feature(bytes_list=tf.train.BytesList(value=words)),
        })).SerializeToString()
        for k, words in enumerate(([b"x", b"z"], [b"y", b"y"], []))
    ]  # fmt: skip
    parsed = tf.parse_example(examples, F.make_parse_example_spec(wanted))
    np.testing.assert_array_equal(value(F.input_layer(parsed, wanted)), [
        [0, 0.5, 1, 0, 1, 0, 0], [0.5, 1, 0, 2, 0, 0, 0], [1, 1.5, 0, 0, 0, 0, 0]
    ])  # fmt: skip


def test_columns_are_values() -> None:
    one, two = F.numeric_column("a", [2]), F.numeric_column("a", (2,))
    assert one == two and hash(one) == hash(two) and one != F.numeric_column("a")
    assert one.shape == (2,) and one.key == one.name == "a"
    assert F.numeric_column("a", (2,), 3.0).default_value == (3.0, 3.0)
    vocabulary = F.categorical_column_with_vocabulary_list("v", np.array(["p", "q"]))
    assert vocabulary.dtype is tf.string and vocabulary.vocabulary_list == ("p", "q")


def test_numbers_of_vocabularies_in_files(tmp_path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("x\ny\nz\n")
    made = F.categorical_column_with_vocabulary_file
    assert made("v", str(path)).num_buckets == 3
    two = made("v", str(path), 2, num_oov_buckets=1)
    layer = F.input_layer(batch(), [F.indicator_column(two)])
    np.testing.assert_array_equal(value(layer), [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    tf.reset_default_graph()
    plain = F.input_layer(batch(), [F.indicator_column(made("v", str(path)))])
    np.testing.assert_array_equal(value(plain), [[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    numbers = F.categorical_column_with_vocabulary_list("i", [9, 1])
    layer = F.input_layer(batch(), [F.indicator_column(numbers)])
    np.testing.assert_array_equal(value(layer), [[0, 1], [1, 0], [0, 0]])


def test_bucketized_columns_of_several_numbers() -> None:
    column = F.bucketized_column(F.numeric_column("n", shape=(2,)), [2.0, 5.0])
    layer = F.input_layer(batch(), [column])
    np.testing.assert_array_equal(
        value(layer), [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1]]
    )
    weights = np.arange(6.0).reshape(6, 1)
    model = F.linear_model(batch(), [column])
    found = value(model, **{"linear_model/n_bucketized/weights": weights})
    np.testing.assert_array_equal(found, [[0 + 4], [1 + 4], [2 + 5]])


def test_embeddings() -> None:
    i = F.categorical_column_with_identity("i", 10)
    j = F.categorical_column_with_identity("k", 10)
    one, two = F.shared_embedding_columns([j, i], 2, initializer=tf.constant_initializer(0.5))
    assert [one.name, two.name] == ["k_shared_embedding", "i_shared_embedding"]
    layer = F.input_layer(batch(), [one, two])
    assert [v.op.name for v in tf.global_variables()] == [
        "input_layer/i_k_shared_embedding/embedding_weights"
    ]
    np.testing.assert_array_equal(value(layer)[2], [0.5, 0.5, 0, 0])  # -1: no category
    tf.reset_default_graph()
    fixed = F.embedding_column(i, 2, trainable=False)
    F.input_layer(batch(), [fixed])
    assert not tf.trainable_variables() and len(tf.get_collection("model_variables")) == 1
    F.input_layer(batch(), [F.embedding_column(i, 2)], trainable=False)
    assert not tf.trainable_variables()
    assert tf.global_variables()[1].op.name == "input_layer_1/i_embedding/embedding_weights"


def test_embeddings_from_a_checkpoint(tmp_path) -> None:
    table = np.arange(20, dtype=np.float32).reshape(10, 2)
    tf.get_variable("vectors", initializer=table)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "m"))
    tf.reset_default_graph()
    column = F.embedding_column(
        F.categorical_column_with_identity("i", 10), 2, ckpt_to_load_from=path,
        tensor_name_in_ckpt="vectors",
    )  # fmt: skip
    np.testing.assert_array_equal(value(F.input_layer(batch(), [column])), table[[1, 9, 3]])


def test_gradients_reach_the_weights() -> None:
    c = columns()
    layer = F.input_layer(batch(), [F.embedding_column(c["i"], 3), F.embedding_column(c["h"], 2)])
    loss = tf.reduce_sum(layer) + tf.reduce_sum(F.linear_model(batch(), [c["n"], c["x"], c["v"]]))
    assert None not in tf.gradients(loss, tf.trainable_variables())


def test_numbers_out_of_range() -> None:
    column = F.indicator_column(F.categorical_column_with_identity("i", 4))
    with pytest.raises(tf.errors.InvalidArgumentError, match="is no number below 4"):
        value(F.input_layer(batch(), [column]))
    column = F.indicator_column(F.categorical_column_with_identity("i", 10))
    negative = {"i": tf.SparseTensor([[0, 0]], tf.constant([-5], tf.int64), [1, 1])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="a category is negative"):
        value(F.input_layer(negative, [column]))


def test_arguments_are_checked(tmp_path) -> None:
    h = F.categorical_column_with_hash_bucket("h", 5)
    n = F.numeric_column("n")
    identity, words = F.categorical_column_with_identity, F.categorical_column_with_vocabulary_list
    in_file = F.categorical_column_with_vocabulary_file
    for call, kind, error in (
        (lambda: F.input_layer(batch(), []), ValueError, "must not be empty"),
        (lambda: F.input_layer(batch(), {"a": n}), ValueError, "found dict"),
        (lambda: F.input_layer(batch(), ["a"]), ValueError, "must be feature columns"),
        (lambda: F.input_layer(batch(), [h]), ValueError, "must be a _DenseColumn"),
        (lambda: F.input_layer(batch(), [n, n]), ValueError, "Duplicate feature column name"),
        (lambda: F.input_layer({}, [n]), ValueError, "Feature n is not in features"),
        (lambda: F.input_layer({"n": tf.constant(1.0)}, [n]), ValueError, "cannot have rank 0"),
        (lambda: F.linear_model({"h": tf.constant([1.5])}, [h]), ValueError, "must be string or"),
        (lambda: F.linear_model({"h": tf.constant([1])}, [h]), ValueError, "must be compatible"),
        (lambda: F.numeric_column(3), ValueError, "key must be a string"),
        (lambda: F.numeric_column("a", 0), ValueError, "must be greater than 0"),
        (lambda: F.numeric_column("a", dtype=tf.string), ValueError, "convertible to float"),
        (lambda: F.numeric_column("a", 2, [1.0]), ValueError, "must be equal to given shape"),
        (lambda: F.numeric_column("a", 1, "x"), TypeError, "compatible with dtype"),
        (lambda: F.numeric_column("a", dtype=tf.int64, default_value=1.5), TypeError, "compatible"),
        (lambda: F.numeric_column("a", normalizer_fn=3), TypeError, "must be a callable"),
        (lambda: F.bucketized_column(n, [3, 1]), ValueError, "must be a sorted list"),
        (lambda: F.bucketized_column(n, []), ValueError, "must not be empty"),
        (lambda: F.bucketized_column(h, [1.0]), ValueError, "numeric_column"),
        (lambda: F.bucketized_column(F.numeric_column("m", (2, 2)), [1.0]), ValueError, "one-dim"),
        (lambda: F.categorical_column_with_hash_bucket("a", 0), ValueError, "at least 1"),
        (lambda: F.categorical_column_with_hash_bucket("a", None), ValueError, "must be set"),
        (lambda: F.categorical_column_with_hash_bucket("a", 2, tf.float32), ValueError, "or int"),
        (lambda: identity("a", 0), ValueError, "num_buckets 0 < 1"),
        (lambda: identity("a", 3, 5), ValueError, r"not in range \[0, 3\)"),
        (lambda: words("a", ["a", "a"]), ValueError, "Duplicate keys"),
        (lambda: words("a", []), ValueError, "must be non-empty"),
        (lambda: words("a", ["a"], default_value=1, num_oov_buckets=1), ValueError, "both num_oov"),
        (lambda: words("a", ["a"], num_oov_buckets=-1), ValueError, "Invalid num_oov_buckets"),
        (lambda: words("a", ["a"], tf.int64), ValueError, "do not match"),
        (lambda: words("a", [1.5]), ValueError, "must be string or integer"),
        (lambda: in_file("a", ""), ValueError, "Missing vocabulary_file"),
        (lambda: in_file("a", str(tmp_path / "none")), ValueError, "does not exist"),
        (lambda: in_file("a", "f", 0), ValueError, "Invalid vocabulary_size"),
        (lambda: F.crossed_column(["a"], 5), ValueError, "length > 1"),
        (lambda: F.crossed_column(["a", h], 5), ValueError, "not supported for crossing"),
        (lambda: F.crossed_column(["a", n], 5), ValueError, "Unsupported key type"),
        (lambda: F.crossed_column(["a", "b"], 0), ValueError, "hash_bucket_size"),
        (lambda: F.weighted_categorical_column(h, "w", tf.string), ValueError, "not convertible"),
        (lambda: F.embedding_column(h, 0), ValueError, "Invalid dimension"),
        (lambda: F.embedding_column(h, 2, ckpt_to_load_from="a"), ValueError, "both"),
        (lambda: F.embedding_column(h, 2, initializer=3), ValueError, "callable"),
        (lambda: F.embedding_column(n, 2), ValueError, "must be a categorical column"),
        (lambda: F.indicator_column(n), ValueError, "must be a categorical column"),
        (lambda: F.shared_embedding_columns([h, identity("a", 5)], 2), ValueError, "same type"),
    ):  # fmt: skip
        with pytest.raises(kind, match=error):
            call()
    sparse = tf.SparseTensor([[0, 0]], [1.0], [1, 1])
    with pytest.raises(ValueError, match="SparseTensor is not supported"):
        F.input_layer({"n": sparse}, [n])


def test_older_names() -> None:
    L = tf.contrib.layers
    assert L.real_valued_column("a", 2) == F.numeric_column("a", (2,))
    words = L.sparse_column_with_keys("v", ["x", "y"])
    assert words == F.categorical_column_with_vocabulary_list("v", ["x", "y"])
    hashed = L.sparse_column_with_hash_bucket("h", 5)
    assert hashed == F.categorical_column_with_hash_bucket("h", 5)
    assert L.crossed_column([hashed, words], 7) == F.crossed_column(["h", words], 7)
    assert L.one_hot_column(words) == F.indicator_column(words)
    assert L.embedding_column(words, 3).dimension == 3
    assert L.sparse_column_with_integerized_feature("i", 4) == (
        F.categorical_column_with_identity("i", 4)
    )
    weighted = L.weighted_sparse_column(words, "w")
    assert list(L.create_feature_spec_for_parsing([weighted])) == ["v", "w"]
    assert L.bucketized_column is F.bucketized_column
    assert L.sparse_column_with_vocabulary_file("v", "f", 1, 3).num_buckets == 4
