"""tf.data: what elements come, in what order, with which static shapes.

Literal orders and values are those of TensorFlow 2.21's tf.compat.v1.
"""

from __future__ import annotations

import collections
import gc
import gzip
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.eager.context import eager_mode

Dataset = tf.data.Dataset


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def elements(dataset, starts=1, feed=None):
    """All elements, by an initializable iterator; of the last of several initialisations."""
    iterator = tf.data.make_initializable_iterator(dataset)
    value = iterator.get_next()
    with tf.Session() as sess:
        for _ in range(starts):
            sess.run(iterator.initializer, feed)
            found = []
            with pytest.raises(tf.errors.OutOfRangeError, match="End of sequence"):
                while True:
                    found.append(sess.run(value))
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(value)
    return found


def numbers(dataset, starts=1, feed=None):
    return [np.asarray(x).tolist() for x in elements(dataset, starts, feed)]


# ---------------------------------------------------------------------------------------- sources


def test_from_tensor_slices_of_nested_structures():
    ds = Dataset.from_tensor_slices(({"a": [1, 2], "b": np.ones((2, 3))}, ["x", "y"]))
    assert ds.output_types == ({"a": tf.int32, "b": tf.float64}, tf.string)
    assert ds.output_shapes == ({"a": [], "b": [3]}, [])
    assert tf.data.get_output_classes(ds)[1] is tf.Tensor
    (first, _) = elements(ds)
    assert first[0]["a"] == 1
    assert first[1] == b"x"
    assert first[0]["b"].tolist() == [1, 1, 1]


def test_lists_are_tensors_and_tuples_are_structures():
    assert numbers(Dataset.from_tensor_slices([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]
    assert elements(Dataset.from_tensor_slices(([1, 2], [3.0, 4.0]))) == [(1, 3.0), (2, 4.0)]
    assert elements(Dataset.from_tensors((1, 2.0))) == [(1, 2.0)]


def test_from_placeholders():
    x = tf.placeholder(tf.float32, [None, 2])
    ds = Dataset.from_tensor_slices(x).batch(2)
    assert ds.output_shapes.as_list() == [None, 2]
    assert numbers(ds, feed={x: [[1, 2], [3, 4], [5, 6]]}) == [[[1, 2], [3, 4]], [[5, 6]]]


def test_unequal_rows_and_scalars_are_refused():
    with pytest.raises(ValueError, match="equally many rows, not 2 and 3"):
        Dataset.from_tensor_slices(([1, 2], [1, 2, 3]))
    with pytest.raises(ValueError, match="a scalar has no rows"):
        Dataset.from_tensor_slices(3)
    x = tf.placeholder(tf.float32, [None])
    with pytest.raises(tf.errors.InvalidArgumentError, match="equally many rows, not 1 and 2"):
        elements(Dataset.from_tensor_slices((x, [1, 2])), feed={x: [1.0]})


def test_the_users_array_may_change_later():
    array = np.arange(3)
    ds = Dataset.from_tensor_slices(array)
    array[:] = 9
    assert numbers(ds) == [0, 1, 2]


def test_from_generator():
    def pairs(stop):
        for i in range(stop):
            yield i, str(i)

    ds = Dataset.from_generator(pairs, (tf.int64, tf.string), ([], []), args=(3,))
    assert elements(ds.repeat(2)) == [(0, b"0"), (1, b"1"), (2, b"2")] * 2
    assert Dataset.from_generator(lambda: [1], tf.int32).output_shapes.ndims is None


@pytest.mark.parametrize(
    ("value", "shape", "match"),
    [("a", [], "is no int32"), ([1, 2], [3], r"shape \(2,\)"), ((1, 2), [], "structure|shape")],
)
def test_generators_must_keep_their_promise(value, shape, match):
    ds = Dataset.from_generator(lambda: iter([value]), tf.int32, shape)
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        elements(ds)


def test_errors_of_a_generator_come_out_of_get_next():
    def broken():
        yield 1
        raise OSError("no more disk")

    value = Dataset.from_generator(broken, tf.int32, []).prefetch(2)
    value = value.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert sess.run(value) == 1
        with pytest.raises(tf.errors.OpError, match=r"no more disk[\s\S]*test_datasets.py"):
            sess.run(value)


# ------------------------------------------------------------------------------------------ order


def test_shuffle_has_tensorflows_order():
    ds = Dataset.range(10)
    once = [0, 5, 3, 6, 7, 4, 9, 8, 2, 1]
    assert numbers(ds.shuffle(5, seed=1), starts=2) == once
    assert numbers(ds.shuffle(10, seed=1)) == [0, 9, 5, 1, 2, 7, 3, 8, 6, 4]
    assert numbers(ds.shuffle(100, seed=1)) == [0, 9, 5, 1, 2, 7, 3, 8, 6, 4]
    again = [3, 0, 4, 6, 8, 1, 7, 9, 2, 5]
    assert numbers(ds.shuffle(5, seed=1).repeat(2), starts=2) == once + again
    same = [2, 5, 1, 0, 6, 9, 8, 3, 7, 4]
    assert numbers(ds.shuffle(5, 1, reshuffle_each_iteration=False).repeat(2)) == same + same
    mixed = [0, 5, 3, 1, 7, 2, 4, 9, 6, 0, 7, 9, 4, 8, 1, 3, 5, 8, 2, 6]
    assert numbers(ds.repeat(2).shuffle(15, seed=1)) == mixed
    tf.set_random_seed(7)
    assert numbers(ds.shuffle(5, seed=1)) == [0, 3, 2, 4, 6, 9, 1, 5, 8, 7]


def test_shuffled_rows_come_in_the_order_of_shuffled_elements():
    rows = Dataset.from_tensor_slices(np.arange(50)).shuffle(7, seed=3).repeat(3).batch(4)
    single = Dataset.range(50).shuffle(7, seed=3).repeat(3).batch(4)
    assert numbers(rows) == numbers(single)


def test_without_seed_every_start_has_another_order_and_every_process_the_same():
    def orders():
        tf.reset_default_graph()
        ds = Dataset.range(20).shuffle(20)
        return numbers(ds), numbers(ds, starts=2)

    first, second = orders()
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert orders() == (first, second)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12), st.integers(1, 15), st.integers(1, 5), st.booleans(), st.integers(-1, 3))
def test_batches_of_rows_and_of_elements_are_the_same(count, buffer, size, drop, times):
    tf.reset_default_graph()
    if times < 0 and count == 0:
        times = 1
    data = np.arange(count * 3).reshape(count, 3)

    def build(source):
        ds = source.shuffle(buffer, seed=5).repeat(times).batch(size, drop_remainder=drop)
        return ds.take(7)

    rows = numbers(build(Dataset.from_tensor_slices(data)))
    single = numbers(build(Dataset.range(count).map(lambda i: 3 * i + tf.range(3, dtype=tf.int64))))
    assert rows == single


def test_repeat_take_skip_shard():
    ds = Dataset.range(5)
    assert numbers(ds.repeat(2).skip(3).take(4)) == [3, 4, 0, 1]
    assert numbers(ds.take(-1)) == numbers(ds) == [0, 1, 2, 3, 4]
    assert numbers(ds.skip(-1)) == numbers(ds.repeat(0)) == []
    assert numbers(ds.shard(2, 1)) == [1, 3]
    assert numbers(ds.repeat().take(6)) == [0, 1, 2, 3, 4, 0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="index must be between 0 and 1"):
        elements(ds.shard(2, 2))


def test_zip_concatenate_enumerate():
    ds = Dataset.range(3)
    assert elements(Dataset.zip((ds, {"q": Dataset.range(4)})))[2] == (2, {"q": 2})
    assert numbers(ds.concatenate(Dataset.from_tensors(np.int64(5)))) == [0, 1, 2, 5]
    assert elements(ds.enumerate(5)) == [(5, 0), (6, 1), (7, 2)]
    images, labels = Dataset.from_tensor_slices([[1], [2], [3]]), Dataset.from_tensor_slices([4, 5])
    pairs = elements(Dataset.zip((images, labels)).batch(2))
    assert [x.tolist() for x in pairs[0]] == [[[1], [2]], [4, 5]]
    with pytest.raises(TypeError, match="different types"):
        ds.concatenate(Dataset.from_tensors(1.0))
    with pytest.raises(TypeError, match="use a tuple"):
        Dataset.zip([ds])


def test_interleave_takes_turns():
    ds = Dataset.range(1, 4).interleave(
        lambda x: Dataset.from_tensors(x).repeat(5), cycle_length=2, block_length=2
    )
    assert numbers(ds) == [1, 1, 2, 2, 1, 1, 2, 2, 1, 2, 3, 3, 3, 3, 3]


def test_cache_uses_the_input_once():
    calls = []

    def note(x):
        calls.append(int(x))
        return x

    ds = Dataset.range(3).map(lambda x: tf.py_func(note, [x], tf.int64)).cache().repeat(3)
    assert numbers(ds) == [0, 1, 2] * 3
    assert calls == [0, 1, 2]


# -------------------------------------------------------------------------------------- functions


def test_map_over_structures():
    ds = Dataset.from_tensor_slices(([1, 2], [3.0, 4.0]))
    mapped = ds.map(lambda a, b: {"sum": tf.cast(a, tf.float32) + b, "a": [a, a]})
    assert mapped.output_shapes == {"sum": [], "a": [2]}
    assert [e["sum"] for e in elements(mapped)] == [4.0, 6.0]
    assert Dataset.range(2).map(lambda x: [x, x + 1]).output_types == (tf.int64, tf.int64)
    keyed = ds.map(lambda a, b: {"a": a, "b": b}).map(lambda d: d["b"])
    assert numbers(keyed) == [3.0, 4.0]


def test_functions_use_tensors_as_they_were_at_the_start():
    scale = tf.placeholder(tf.int64, [])
    v = tf.Variable(np.int64(100))
    ds = Dataset.range(3).map(lambda x: x * scale + v)
    iterator = ds.make_initializable_iterator()
    value = iterator.get_next()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(iterator.initializer, {scale: 10})
        assert sess.run(value) == 100
        sess.run(v.assign(0))
        assert sess.run(value) == 110
        sess.run(iterator.initializer, {scale: 1})
        assert [sess.run(value), sess.run(value)] == [0, 1]


def test_functions_cannot_change_variables():
    v = tf.Variable(np.int64(1))
    with pytest.raises(ValueError, match="variable"):
        Dataset.range(3).map(lambda x: tf.assign(v, x))
    with pytest.raises(ValueError, match="cannot make variables"):
        Dataset.range(3).map(lambda x: tf.get_variable("w", []))


def test_random_numbers_with_a_seed_start_anew_and_go_on_through_repeats():
    ds = Dataset.range(3).map(lambda x: tf.random_uniform([], seed=1)).repeat(2)
    expected = [0.2390374, 0.22267115, 0.34304976, 0.8514762, 0.97840536, 0.93370306]
    np.testing.assert_allclose(numbers(ds, starts=2), expected, rtol=1e-6)
    free = Dataset.range(3).map(lambda x: tf.random_uniform([]))
    assert numbers(free) != numbers(free, starts=2)


def test_filter_flat_map_and_nested_functions():
    ds = Dataset.range(6).filter(lambda x: tf.equal(x % 2, 0))
    assert numbers(ds) == [0, 2, 4]
    nested = Dataset.range(3).flat_map(lambda x: Dataset.range(x).map(lambda y: 10 * x + y))
    assert numbers(nested) == [10, 20, 21]
    offset = tf.placeholder(tf.int64, [])
    nested = Dataset.range(3).flat_map(lambda x: Dataset.range(x).map(lambda y: y + x + offset))
    assert numbers(nested, feed={offset: 100}) == [101, 102, 103]
    with pytest.raises(ValueError, match="must return a scalar bool"):
        ds.filter(lambda x: x)
    with pytest.raises(TypeError, match="must return a `Dataset`"):
        ds.flat_map(lambda x: x)


def test_named_tuples_are_one_argument_and_sparse_tensors_are_refused():
    Pair = collections.namedtuple("Pair", "a b")
    ds = Dataset.from_tensor_slices(Pair([1, 2], [3, 4])).map(lambda p: Pair(p.b, p.a))
    assert elements(ds) == [Pair(3, 1), Pair(4, 2)]
    with pytest.raises(TypeError, match="sparse_tensor_to_dense"):
        Dataset.range(2).map(lambda x: tf.SparseTensor([[0]], [x], [1]))


def test_python_branches_in_functions_become_branches():
    def halve(x):
        if tf.equal(x % 2, 0):
            x = x // 2
        return x

    assert numbers(Dataset.range(5).map(halve)) == [0, 1, 1, 3, 2]


def test_parallel_calls_keep_the_order():
    ds = Dataset.range(40).map(lambda x: x * x, num_parallel_calls=4)
    assert numbers(ds, starts=2) == [x * x for x in range(40)]
    auto = Dataset.range(9).map(lambda x: x + 1, num_parallel_calls=tf.data.experimental.AUTOTUNE)
    assert numbers(auto.prefetch(3)) == list(range(1, 10))


def test_an_error_in_an_element_names_the_line_and_the_others_still_come():
    ds = Dataset.from_tensor_slices([1, 0, 2]).map(lambda x: 6 // x)
    value = ds.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert sess.run(value) == 6
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"test_datasets\.py"):
            sess.run(value)
        assert sess.run(value) == 3
    assert numbers(ds.apply(tf.data.experimental.ignore_errors())) == [6, 3]


# ---------------------------------------------------------------------------------------- batches


def test_batches():
    ds = Dataset.range(5)
    assert numbers(ds.batch(2)) == [[0, 1], [2, 3], [4]]
    assert numbers(ds.batch(2, drop_remainder=True)) == [[0, 1], [2, 3]]
    assert ds.batch(2).output_shapes.as_list() == [None]
    assert ds.batch(2, drop_remainder=True).output_shapes.as_list() == [2]
    words = Dataset.from_tensor_slices(["a", "bc\0"]).map(tf.strings.length).batch(2)
    assert numbers(words) == [[1, 3]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"shape \[0\] and element 1 had"):
        elements(ds.map(lambda x: tf.fill([x], x)).batch(2))
    with pytest.raises(tf.errors.InvalidArgumentError, match="batch_size must be greater"):
        elements(ds.batch(0))


def test_padded_batches():
    ds = Dataset.range(4).map(lambda x: tf.fill([x], x))
    assert numbers(ds.padded_batch(2, [None])) == [[[0], [1]], [[2, 2, 0], [3, 3, 3]]]
    wide = ds.padded_batch(2, padded_shapes=[5], padding_values=np.int64(-1), drop_remainder=True)
    assert wide.output_shapes.as_list() == [2, 5]
    assert numbers(wide)[0] == [[-1] * 5, [1, -1, -1, -1, -1]]
    pair = ds.map(lambda x: (x, tf.as_string(x))).padded_batch(4, ([None], [None]))
    assert elements(pair)[0][1][1].tolist() == [b"1", b"", b""]
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger"):
        elements(ds.padded_batch(4, [2]))


def test_windows():
    ds = Dataset.range(10).window(3, shift=2, stride=2, drop_remainder=True)
    assert numbers(ds.flat_map(lambda w: w.batch(3))) == [[0, 2, 4], [2, 4, 6], [4, 6, 8]]
    ragged = Dataset.range(5).window(2).flat_map(lambda w: w.batch(2))
    assert numbers(ragged) == [[0, 1], [2, 3], [4]]
    with pytest.raises(TypeError, match="flat_map"):
        Dataset.range(5).window(2).make_one_shot_iterator().get_next()


def test_reduce_and_single_elements():
    total = Dataset.range(7).reduce(np.int64(0), lambda s, x: s + x)
    with tf.Session() as sess:
        assert sess.run(total) == 21
        one = tf.data.experimental.get_single_element(Dataset.from_tensors((1, "a")))
        assert sess.run(one) == (1, b"a")
        two = tf.data.experimental.get_single_element(Dataset.range(2))
        with pytest.raises(tf.errors.InvalidArgumentError, match="more than one"):
            sess.run(two)


def test_experimental_transformations():
    e = tf.data.experimental
    ds = Dataset.range(5)
    assert numbers(ds.apply(e.map_and_batch(lambda x: x + 1, 2))) == [[1, 2], [3, 4], [5]]
    assert numbers(ds.batch(2).apply(e.unbatch())) == [0, 1, 2, 3, 4]
    assert numbers(ds.apply(e.take_while(lambda x: x < 3))) == [0, 1, 2]
    sums = ds.apply(e.scan(np.int64(0), lambda s, x: (s + x, s + x)))
    assert numbers(sums) == [0, 1, 3, 6, 10]
    both = [Dataset.range(3), Dataset.range(10, 13)]
    choice = Dataset.from_tensor_slices(np.array([1, 0, 0, 1]))
    assert numbers(e.choose_from_datasets(both, choice)) == [10, 0, 1, 11]
    mixed = numbers(e.sample_from_datasets(both, [0.5, 0.5], seed=1))
    assert sorted(mixed) == [0, 1, 2, 10, 11, 12]
    order = [0, 9, 5, 1, 2, 7, 3, 8, 6, 4, 8, 9, 7, 5, 4, 6, 2, 1, 0, 3]
    assert numbers(Dataset.range(10).apply(e.shuffle_and_repeat(15, 2, seed=1))) == order
    assert numbers(e.Counter(2, 3).take(3)) == [2, 5, 8]


def test_strings_in_batches():
    ds = Dataset.from_tensor_slices(["a", "bb\0", "c"]).map(lambda s: tf.strings.join([s, "!"]))
    assert [x.tolist() for x in elements(ds.batch(2))] == [[b"a!", b"bb\0!"], [b"c!"]]
    assert [x.tolist() for x in elements(ds.padded_batch(2, []))] == [[b"a!", b"bb\0!"], [b"c!"]]


def test_groups_of_equal_keys():
    e = tf.data.experimental
    ds = Dataset.range(10)
    grouped = ds.apply(e.group_by_window(lambda x: x % 3, lambda k, w: w.batch(2), 2))
    assert numbers(grouped) == [[0, 3], [1, 4], [2, 5], [6, 9], [7], [8]]
    by_key = e.group_by_window(
        lambda x: x % 3,
        lambda k, w: w.map(lambda v: v + k * 100).batch(4),
        window_size_func=lambda k: k + 2,
    )
    assert numbers(ds.apply(by_key)) == [[0, 3], [101, 104, 107], [6, 9], [202, 205, 208]]
    varied = Dataset.range(12).map(lambda x: tf.fill([x * 7 % 5], x))
    buckets = e.bucket_by_sequence_length(lambda x: tf.shape(x)[0], [2, 4], [3, 2, 2])
    assert numbers(varied.apply(buckets)) == [
        [[1, 1, 0], [4, 4, 4]], [[0], [3], [0]], [[2, 2, 2, 2], [7, 7, 7, 7]],
        [[6, 6, 0], [9, 9, 9]], [[8], [0]], [[11, 11]],
    ]  # fmt: skip
    assert numbers(Dataset.from_tensor_slices([1, 2, 1, 3, 2]).apply(e.unique())) == [1, 2, 3]


# ------------------------------------------------------------------------------------------ files


def test_tables(tmp_path):
    e = tf.data.experimental
    path = str(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text('name,age,w,ok\n"a, b",1,1.5,x\nc,,2.5,y\n"d\ne",3,,z\n')
    defaults = [tf.string, [7], tf.constant([0.5])]
    rows = elements(e.CsvDataset(path, defaults, header=True, select_cols=[0, 1, 2]))
    assert rows == [(b"a, b", 1, 1.5), (b"c", 7, 2.5), (b"d\ne", 3, 0.5)]
    ds = e.make_csv_dataset(path, 2, num_epochs=1, shuffle=False, label_name="ok")
    (first, label), (last, _) = elements(ds)
    assert list(first) == ["name", "age", "w"]
    assert first["name"].tolist() == [b"a, b", b"c"]
    assert first["age"].tolist() == [1, 0]
    assert first["w"].tolist() == [1.5, 2.5]
    assert label.tolist() == [b"x", b"y"]
    assert last["name"].tolist() == [b"d\ne"]
    two = e.make_csv_dataset(
        path, 3, select_columns=["age", "w"], column_defaults=[[0], [0.0]], num_epochs=1
    )
    assert sorted(elements(two)[0]["age"].tolist()) == [0, 1, 3]
    with pytest.raises(ValueError, match="no column 'x'"):
        e.make_csv_dataset(path, 2, select_columns=["x"])


def test_files_of_records(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\n\nlast")
    (tmp_path / "b.txt").write_bytes(b"x\n")
    names = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    lines = [b"one", b"two", b"", b"last", b"x"]
    assert elements(tf.data.TextLineDataset(names)) == lines
    assert elements(tf.data.TextLineDataset(Dataset.from_tensor_slices(names))) == lines
    found = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)
    assert [os.fsdecode(x) for x in elements(found)] == names
    packed = tmp_path / "c.gz"
    packed.write_bytes(gzip.compress(b"one\ntwo"))
    assert elements(tf.data.TextLineDataset(str(packed), "GZIP")) == [b"one", b"two"]
    with pytest.raises(tf.errors.NotFoundError):
        elements(tf.data.TextLineDataset(str(tmp_path / "none")))
    with pytest.raises(tf.errors.InvalidArgumentError, match="No files matched"):
        elements(Dataset.list_files(str(tmp_path / "none*")))


def test_records_of_fixed_length_and_tfrecords(tmp_path):
    path = str(tmp_path / "fixed")
    (tmp_path / "fixed").write_bytes(b"hhaabbccf")
    ds = tf.data.FixedLengthRecordDataset(path, 2, header_bytes=2, footer_bytes=1)
    assert elements(ds) == [b"aa", b"bb", b"cc"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no multiple"):
        elements(tf.data.FixedLengthRecordDataset(path, 2))
    records = str(tmp_path / "r")
    with tf.python_io.TFRecordWriter(records) as writer:
        for text in (b"a", b"bc"):
            writer.write(text)
    assert elements(tf.data.TFRecordDataset([records, records])) == [b"a", b"bc"] * 2


# -------------------------------------------------------------------------------------- iterators


def test_one_shot_iterators_start_once_in_each_session():
    value = Dataset.range(3).make_one_shot_iterator().get_next()
    assert value.shape.as_list() == []
    assert value.op.type == "IteratorGetNext"
    for _ in range(2):
        with tf.Session() as sess:
            assert [sess.run(value) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(tf.errors.OutOfRangeError, match=r"test_datasets\.py"):
                sess.run(value)


def test_one_shot_iterators_refuse_what_may_change():
    x = tf.placeholder(tf.int64, [None])
    with pytest.raises(ValueError, match="Cannot capture a placeholder"):
        Dataset.from_tensor_slices(x).make_one_shot_iterator()
    v = tf.Variable(np.int64(1))
    with pytest.raises(ValueError, match="Cannot capture a stateful node"):
        Dataset.range(3).map(lambda x: x + v).make_one_shot_iterator()


def test_iterators_must_be_initialized():
    iterator = Dataset.range(3).make_initializable_iterator()
    value = iterator.get_next()
    with (
        tf.Session() as sess,
        pytest.raises(tf.errors.FailedPreconditionError, match="has not been initialized"),
    ):
        sess.run(value)


def test_reinitializable_iterators():
    training = Dataset.range(3)
    iterator = tf.data.Iterator.from_structure(training.output_types, training.output_shapes)
    value = iterator.get_next()
    train = iterator.make_initializer(training)
    test = iterator.make_initializer(Dataset.range(10, 12))
    with tf.Session() as sess:
        for _ in range(2):
            sess.run(train)
            assert [sess.run(value) for _ in range(3)] == [0, 1, 2]
            sess.run(test)
            assert [sess.run(value) for _ in range(2)] == [10, 11]
    with pytest.raises(TypeError, match="Expected output types"):
        iterator.make_initializer(Dataset.from_tensors(1.0))
    with pytest.raises(ValueError, match="does not have an initializer"):
        _ = iterator.initializer


def test_feedable_iterators():
    handle = tf.placeholder(tf.string, [])
    a, b = Dataset.range(10), Dataset.range(100, 110)
    iterator = tf.data.Iterator.from_string_handle(handle, a.output_types, a.output_shapes)
    value = iterator.get_next() * 2
    first, second = a.make_one_shot_iterator(), b.make_initializable_iterator()
    with tf.Session() as sess:
        sess.run(second.initializer)
        one, two = sess.run([first.string_handle(), second.string_handle()])
        found = [sess.run(value, {handle: h}) for h in (one, two, one, two)]
        assert found == [0, 200, 2, 202]


def test_elements_inside_loops_and_many_steps():
    value = Dataset.range(100).make_one_shot_iterator().get_next()
    v = tf.Variable(np.int64(0))
    added = v.assign_add(value)
    one = Dataset.range(100).make_one_shot_iterator()
    _, total = tf.while_loop(
        lambda i, s: i < 5, lambda i, s: (i + 1, s + one.get_next()), [0, tf.zeros([], tf.int64)]
    )
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run_steps(added, 5).tolist() == [0, 1, 3, 6, 10]
        assert sess.run(total) == 10
        assert sess.run(total) == 35


def test_graphs_with_iterators_have_a_graph_def():
    Dataset.range(3).make_one_shot_iterator().get_next()
    x = Dataset.range(3).batch(2).make_initializable_iterator().get_next(name="x")
    doubled = tf.multiply(x, tf.Variable(np.int64(2)), name="y")
    nodes = {node.name: node for node in tf.get_default_graph().as_graph_def().node}
    assert nodes["x"].op == "IteratorGetNext"
    assert nodes["MakeIterator"].attr["dataset_factory"].func.name == "BatchDataset"
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        frozen = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, ["y"])
    assert doubled.op.name in [node.name for node in frozen.node]


def test_each_run_takes_one_element_whatever_uses_it():
    x, y = Dataset.range(10).map(lambda x: (x, -x)).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert sess.run([x, y, x + y]) == [0, 0, 0]
        assert sess.run([x + 1, y]) == [2, -1]


def test_training_on_batches():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(64, 3)).astype(np.float32)
    targets = inputs @ np.array([[1.0], [-2.0], [0.5]], np.float32)
    ds = Dataset.from_tensor_slices((inputs, targets)).shuffle(64, seed=1).repeat().batch(16)
    x, y = ds.prefetch(1).make_one_shot_iterator().get_next()
    w = tf.Variable(tf.zeros([3, 1]))
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - y))
    step = tf.train.GradientDescentOptimizer(0.2).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(60):
            sess.run(step)
        np.testing.assert_allclose(sess.run(w)[:, 0], [1.0, -2.0, 0.5], atol=1e-3)


# ------------------------------------------------------------------------------------- background


def running_threads():
    return {t for t in threading.enumerate() if t.name.startswith("flowgraph")}


def wait_for_the_end_of(threads):
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_prefetched_elements_are_prepared_while_nobody_asks():
    calls = []

    def note(x):
        calls.append(int(x))
        return x

    before = running_threads()
    ds = Dataset.range(100).map(lambda x: tf.py_func(note, [x], tf.int64)).prefetch(3)
    value = ds.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert sess.run(value) == 0
        end = time.monotonic() + 10
        while len(calls) < 4 and time.monotonic() < end:
            time.sleep(0.01)
        assert calls[:4] == [0, 1, 2, 3]
        assert len(calls) <= 5
        started = running_threads() - before
        assert started
    wait_for_the_end_of(started)


def test_threads_end_when_the_iterator_starts_anew():
    iterator = Dataset.range(100).prefetch(2).make_initializable_iterator()
    value = iterator.get_next()
    before = running_threads()
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        sess.run(value)
        first = running_threads() - before
        sess.run(iterator.initializer)
        wait_for_the_end_of(first)
        assert sess.run(value) == 0
    wait_for_the_end_of(running_threads() - before)


def test_threads_end_with_a_session_that_nobody_closed():
    value = Dataset.range(100).prefetch(2).make_one_shot_iterator().get_next()
    before = running_threads()
    sess = tf.Session()
    sess.run(value)
    started = running_threads() - before
    del sess
    gc.collect()
    wait_for_the_end_of(started)


def test_waiting_for_an_element_can_be_interrupted():
    program = """
import os, signal, threading, time
import flowgraph as tf

def slow(x):
    time.sleep(60)
    return x

ds = tf.data.Dataset.range(9).map(lambda x: tf.py_func(slow, [x], tf.int64)).prefetch(2)
value = ds.make_one_shot_iterator().get_next()
# a background job of a shell is started with SIGINT ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    tf.Session().run(value)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout == "interrupted\n"


def test_the_end_stays_the_end_behind_prefetch():
    assert numbers(Dataset.range(3).prefetch(10), starts=2) == [0, 1, 2]


# ------------------------------------------------------------------------------------------ eager


def test_eager_iteration():
    with eager_mode():
        ds = tf.data.Dataset.range(5).map(lambda x: x * tf.constant(2, tf.int64)).batch(2)
        found = [x.numpy().tolist() for x in ds]
        assert found == [[0, 2], [4, 6], [8]]
        windows = [[int(x) for x in w] for w in tf.data.Dataset.range(4).window(2)]
        assert windows == [[0, 1], [2, 3]]
        total = tf.data.Dataset.range(5).reduce(np.int64(0), lambda s, x: s + x)
        assert int(total) == 10


def test_iteration_in_python_needs_eager_execution():
    with pytest.raises(RuntimeError, match="make_one_shot_iterator"):
        iter(Dataset.range(3))
