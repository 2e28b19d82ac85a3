"""Lookup tables: values, numbers of buckets (TensorFlow's), files, and wrong input."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf

L, C = tf.lookup, tf.contrib.lookup
Fill = tf.lookup.KeyValueTensorInitializer


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


@pytest.fixture
def sess():
    with tf.Session() as session:
        yield session


def run(session, *fetches):
    session.run(tf.tables_initializer())
    return session.run(fetches[0] if len(fetches) == 1 else list(fetches))


# ----------------------------------------------------------------------------------- static tables


def test_a_static_table(sess) -> None:
    table = L.StaticHashTable(Fill(["a", "b"], [1, 2]), -1)
    assert (table.key_dtype, table.value_dtype, table.name) == (tf.string, tf.int64, "hash_table")
    found = table.lookup(tf.constant([["a", "z"], ["b", "a"]]))
    assert found.shape == [2, 2] and found.op.name == "hash_table_Lookup/LookupTableFindV2"
    assert table.initializer.name == "key_value_init/LookupTableImportV2"
    with pytest.raises(tf.errors.FailedPreconditionError, match="is not initialized"):
        sess.run(found)
    values, size, (keys, all_values) = run(sess, found, table.size(), table.export())
    np.testing.assert_array_equal(values, [[1, -1], [2, 1]])
    assert size == 2 and list(keys) == [b"a", b"b"] and list(all_values) == [1, 2]
    sess.run(table.initializer)  # again: nothing changes
    assert tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS) == [table.init]
    one = sess.run(table.lookup(tf.constant("b")))
    assert one == 2 and np.ndim(one) == 0
    assert sess.run(table.lookup(tf.constant([], tf.string))).shape == (0,)
    assert list(sess.run(table["a", "q"])) == [1, -1]


def test_sparse_keys(sess) -> None:
    table = L.StaticHashTable(Fill(["a"], [7]), 0)
    keys = tf.SparseTensor([[0, 1], [2, 0]], ["a", "b"], [3, 2])
    found = run(sess, table.lookup(keys))
    assert list(found.values) == [7, 0] and list(found.dense_shape) == [3, 2]


@given(st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.floats(width=32, allow_nan=False)),
       st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5))  # fmt: skip
def test_any_entries(entries, others) -> None:
    keys = [*entries, *others]
    with tf.Graph().as_default(), tf.Session() as session:
        table = C.HashTable(
            Fill(np.array(list(entries), np.int64), np.array(list(entries.values()), np.float32)),
            0.5,
        )
        found = run(session, table.lookup(tf.constant(keys, tf.int64, [len(keys)])))
    np.testing.assert_array_equal(found, np.array([entries.get(k, 0.5) for k in keys], np.float32))


def test_a_key_with_two_values(sess) -> None:
    L.StaticHashTable(Fill(["a", "a"], [1, 2]), -1)
    with pytest.raises(tf.errors.FailedPreconditionError, match="Key a has 1 and trying to add"):
        sess.run(tf.tables_initializer())


def test_other_data_in_a_full_table(sess) -> None:
    one = L.StaticHashTable(Fill(["a"], [1]), -1, shared_name="t")
    two = L.StaticHashTable(Fill(["a"], [2]), -1, shared_name="t")
    sess.run(one.init)
    with pytest.raises(tf.errors.FailedPreconditionError, match="different data"):
        sess.run(two.init)
    assert sess.run(two.lookup(tf.constant(["a"])))[0] == 1


def test_dtypes_are_checked() -> None:
    table = L.StaticHashTable(Fill(["a"], [1]), -1)
    with pytest.raises(TypeError, match="Keys must be dtype"):
        table.lookup(tf.constant([1]))
    with pytest.raises(TypeError, match="Invalid dtypes of the initializer"):
        Fill([1], [2]).initialize(table)


# ------------------------------------------------------------------------------------ vocabularies


def test_numbers_of_buckets_are_tensorflows(sess) -> None:
    table = L.StaticVocabularyTable(Fill(["a", "b"], [0, 1], tf.string, tf.int64), 3)
    words = tf.constant(["a", "z", "hello", "x"])
    index = C.index_table_from_tensor(["u", "v"], num_oov_buckets=2)
    back = C.index_to_string_table_from_tensor(["u", "v"], default_value="UNK")
    found = run(sess, table.lookup(words), table.size(), index.lookup(tf.constant(["u", "?"])),
                back.lookup(tf.constant([1, 5], tf.int64)))  # fmt: skip
    assert [list(np.atleast_1d(f)) for f in found] == [
        [0, 3, 3, 4], [5], [0, 3], [b"v", b"UNK"]
    ]  # fmt: skip
    only = C.IdTableWithHashBuckets(None, 10)
    assert list(sess.run(only.lookup(tf.constant(["a", "hello"])))) == [9, 6]
    strong = C.IdTableWithHashBuckets(None, 10, C.StrongHashSpec([1, 2]))
    expected = tf.strings.to_hash_bucket_strong(["a", "hello"], 10, [1, 2])
    assert list(sess.run(strong.lookup(tf.constant(["a", "hello"])))) == list(sess.run(expected))


def test_integers_as_words(sess) -> None:
    table = C.index_table_from_tensor([5, 7], num_oov_buckets=1, dtype=tf.int32)
    assert list(run(sess, table.lookup(tf.constant([7, 5, 6])))) == [1, 0, 2]
    plain = C.index_table_from_tensor([5, 7], default_value=9, dtype=tf.int64)
    assert list(run(sess, plain.lookup(tf.constant([7, 6], tf.int64)))) == [1, 9]


def test_files(sess, tmp_path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("red\ngreen\r\nblue\n")
    index = C.index_table_from_file(str(path), num_oov_buckets=1, vocab_size=2)
    back = C.index_to_string_table_from_file(str(path))
    found = run(sess, index.lookup(tf.constant(["green", "blue"])), index.size(),
                back.lookup(tf.constant([2, 3], tf.int64)))  # fmt: skip
    assert [list(np.atleast_1d(f)) for f in found] == [[1, 2], [3], [b"blue", b"UNK"]]
    assert len(tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS)) == 2
    path.write_text("a;1.5;7\nb;2.5;8")
    columns = L.TextFileInitializer(str(path), tf.string, 0, tf.float32, 1, delimiter=";")
    ids = L.TextFileInitializer(
        str(path), tf.int64, 2, tf.int64, L.TextFileIndex.LINE_NUMBER, delimiter=";",
        value_index_offset=10,
    )  # fmt: skip
    numbers = L.StaticHashTable(columns, 0.0), L.StaticHashTable(ids, -1)
    sess.run([table.init for table in numbers])
    assert list(sess.run(numbers[0].lookup(tf.constant(["b", "c"])))) == [2.5, 0.0]
    assert list(sess.run(numbers[1].lookup(tf.constant([7, 8, 9], tf.int64)))) == [10, 11, -1]


@pytest.mark.parametrize(("text", "arguments", "error"), [
    ("a\nb\n", {"vocab_size": 3}, "Invalid vocab_size in .*: expected 3 but got 2"),
    ("a\nb\n", {"key_index": 1}, "Invalid number of columns in .* line 0"),
    ("a\tx\n", {"key_index": 0, "value_index": 1}, "a value that is no int64"),
    ("a\na\n", {}, "Key a has 0 and trying to add value 1"),
])  # fmt: skip
def test_wrong_files(sess, tmp_path, text, arguments, error) -> None:
    path = tmp_path / "words.txt"
    path.write_text(text)
    given = {"key_index": -2, "value_index": -1, **arguments}
    table = L.StaticHashTable(
        L.TextFileInitializer(str(path), tf.string, value_dtype=tf.int64, **given), -1
    )
    with pytest.raises(tf.errors.OpError, match=error):
        sess.run(table.init)
    os.remove(path)
    with pytest.raises(tf.errors.NotFoundError):
        sess.run(table.init)


def test_arguments_are_checked() -> None:
    text = L.TextFileInitializer
    for call, kind, error in (
        (lambda: text("", tf.string, 0, tf.int64, 1), ValueError, "Filename required"),
        (lambda: text("f", tf.string, -3, tf.int64, 1), ValueError, "Invalid key index"),
        (lambda: text("f", tf.string, -1, tf.int64, 1), ValueError, "line numbers must be int64"),
        (lambda: text("f", tf.int64, 0, tf.int64, -2), ValueError, "must be strings"),
        (lambda: text("f", tf.string, 0, tf.int64, 1, 0), ValueError, "vocab_size"),
        (lambda: L.StaticVocabularyTable(None, 0), ValueError, "oov_buckets must be > 0"),
        (lambda: C.IdTableWithHashBuckets(None, 0), ValueError, "oov_buckets"),
        (lambda: C.IdTableWithHashBuckets(None, 1, "fast"), TypeError, "HasherSpec"),
        (lambda: C.IdTableWithHashBuckets(None, 1, key_dtype=tf.float32), TypeError, "key_dtype"),
        (lambda: C.StrongHashSpec([1]), ValueError, "size 2"),
        (lambda: C.StrongHashSpec(["a", 1]), TypeError, "Invalid key"),
        (lambda: C.index_table_from_file(), ValueError, "must be specified"),
        (lambda: C.index_table_from_file("f", -1), ValueError, "num_oov_buckets must be >= 0"),
        (lambda: C.index_table_from_file("f", vocab_size=0), ValueError, "greater than 0"),
        (lambda: C.index_table_from_file("f", key_dtype=tf.float32), TypeError, "keys are supp"),
        (lambda: C.index_table_from_tensor(), ValueError, "must be specified"),
        (lambda: C.index_table_from_tensor([1.0]), (TypeError, ValueError), "float32"),
        (lambda: C.index_table_from_tensor([1]), ValueError, "Invalid dtype"),
        (lambda: C.index_to_string_table_from_tensor(), ValueError, "must be specified"),
        (lambda: C.index_to_string_table_from_file(""), ValueError, "must be specified"),
        (lambda: C.MutableHashTable(tf.string, tf.int64, [1]), ValueError, "must be a scalar"),
    ):  # fmt: skip
        with pytest.raises(kind, match=error):
            call()


# ---------------------------------------------------------------------------------- mutable tables


@pytest.mark.parametrize("dense", [False, True])
def test_tables_that_change(sess, dense) -> None:
    if dense:
        table = L.experimental.DenseHashTable(tf.string, tf.int64, -1, "", "gone")
    else:
        table = L.experimental.MutableHashTable(tf.string, tf.int64, -1)
    keys = tf.placeholder(tf.string, [None])
    put = table.insert(keys, tf.cast(tf.strings.length(keys), tf.int64))
    found, take = table.lookup(keys), table.remove(keys)
    assert found.shape.as_list() == [None]
    assert list(sess.run(found, {keys: ["a"]})) == [-1]
    sess.run(put, {keys: ["a", "bb"]})
    sess.run(put, {keys: ["ccc"]})
    assert list(sess.run(found, {keys: ["bb", "a", "q"]})) == [2, 1, -1]
    assert sess.run(table.size()) == 3
    sess.run(take, {keys: ["a", "q"]})
    all_keys, values = sess.run(table.export())
    assert list(all_keys) == [b"bb", b"ccc"] and list(values) == [2, 3]
    with tf.Session() as other:
        assert other.run(table.size()) == 0  # each session has its own
    if dense:
        for key in ("", "gone"):
            with pytest.raises(tf.errors.InvalidArgumentError, match="cannot be used"):
                sess.run(put, {keys: [key]})


def test_values_that_are_vectors(sess) -> None:
    table = C.MutableDenseHashTable(tf.int64, tf.float32, [0.5, 0.5], 0, -1)
    sess.run(table.insert(tf.constant([3, 4], tf.int64), [[1.0, 2.0], [3.0, 4.0]]))
    found = table.lookup(tf.constant([[4], [9]], tf.int64))
    assert found.shape == [2, 1, 2]
    np.testing.assert_array_equal(sess.run(found), [[[3.0, 4.0]], [[0.5, 0.5]]])
    keys, values = table.export()
    assert values.shape.as_list() == [None, 2] and sess.run(values).shape == (2, 2)
    assert list(sess.run(keys)) == [3, 4]
    with pytest.raises(tf.errors.InvalidArgumentError, match="need values of shape"):
        sess.run(table.insert(tf.constant([3], tf.int64), [[1.0]]))


def test_an_insert_is_seen_by_what_comes_after_it(sess) -> None:
    table = C.MutableHashTable(tf.string, tf.int64, 0)
    with tf.control_dependencies([table.insert(["k"], tf.constant([4], tf.int64))]):
        found = table.lookup(tf.constant(["k"]))
    assert list(sess.run(found)) == [4]


def test_tables_in_saved_models(tmp_path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("red\ngreen\n")
    with tf.Graph().as_default(), tf.Session() as session:
        words = tf.placeholder(tf.string, [None], name="words")
        numbers = C.index_table_from_file(str(path), num_oov_buckets=1).lookup(words)
        tf.saved_model.simple_save(
            session, str(tmp_path / "m"), {"w": words}, {"n": numbers}, tf.tables_initializer()
        )
    os.remove(path)
    predict = tf.contrib.predictor.from_saved_model(str(tmp_path / "m"))
    assert list(predict({"w": ["green", "blue", "red"]})["n"]) == [1, 2, 0]
