"""Producers, batches and queue runners: whole pipelines as programs of TensorFlow 1 have them."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


def all_of(fetch, limit=1000):
    """What a fetch gives until the end of the data, in a MonitoredSession."""
    found = []
    with tf.train.MonitoredSession() as sess:
        while not sess.should_stop() and len(found) < limit:
            found.append(sess.run(fetch))
    return found


def rows(count, **options):
    (row,) = tf.train.slice_input_producer([tf.range(count)], **options)
    return row


# -------------------------------------------------------------------------------------- producers


def test_each_epoch_has_every_element_once():
    for shuffle in (False, True):
        with tf.Graph().as_default():
            found = [int(x) for x in all_of(rows(7, num_epochs=3, shuffle=shuffle, seed=4))]
            assert len(found) == 21
            for k in range(3):
                epoch = found[7 * k : 7 * k + 7]
                assert sorted(epoch) == list(range(7))
                assert shuffle or epoch == list(range(7))
            if shuffle:
                assert found[:7] != found[7:14]


def test_a_seed_makes_the_order_repeat():
    def order():
        with tf.Graph().as_default():
            row = rows(20, num_epochs=2, seed=9, capacity=3)
            return [int(x) for x in all_of(row)]

    assert order() == order()


def test_strings_and_slices():
    names = tf.train.string_input_producer(["a", "b", "c"], num_epochs=2, shuffle=False)
    assert all_of(names.dequeue()) == [b"a", b"b", b"c"] * 2
    with tf.Graph().as_default():
        x = np.arange(8.0, dtype=np.float32).reshape(4, 2)
        pair = tf.train.slice_input_producer([x, x.sum(1)], num_epochs=1)
        found = all_of(pair)
        assert len(found) == 4 and all(row.sum() == total for row, total in found)
    with tf.Graph().as_default():
        queue = tf.train.range_input_producer(3, num_epochs=1, shuffle=False)
        assert all_of(queue.dequeue()) == [0, 1, 2]
    with tf.Graph().as_default():
        queue = tf.train.input_producer(x, num_epochs=1, shuffle=False)
        np.testing.assert_array_equal(all_of(queue.dequeue()), x)


def test_matching_files_are_looked_for_once(tmp_path):
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_text(name)
    found = tf.train.match_filenames_once(str(tmp_path / "*.csv"))
    assert found.op.name == "matching_filenames"
    assert tf.local_variables() == [found] and tf.global_variables() == []
    queue = tf.train.string_input_producer(found, num_epochs=1, shuffle=False)
    name = queue.dequeue()
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        (tmp_path / "d.csv").write_text("")
        assert [n[-5:] for n in sess.run(found)] == [b"a.csv", b"b.csv"]
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        assert [sess.run(name)[-5:] for _ in range(2)] == [b"a.csv", b"b.csv"]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(name)
        coord.request_stop()
        coord.join(threads)


def test_limit_epochs():
    x = tf.train.limit_epochs(tf.constant(5.0), 2)
    assert tf.train.limit_epochs(x) is x
    assert [v.op.name for v in tf.local_variables()] == ["limit_epochs/epochs"]
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        assert [sess.run(x) for _ in range(2)] == [5.0, 5.0]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(x)


def test_the_number_of_epochs_needs_initialisation():
    row = rows(3, num_epochs=1)
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        with pytest.raises(tf.errors.OutOfRangeError):  # the queue was closed
            sess.run(row)
        with pytest.raises(tf.errors.FailedPreconditionError, match="epochs"):
            coord.join(threads)


@pytest.mark.parametrize(
    ("error", "match", "make"),
    [
        (ValueError, "must be > 0 not 0", lambda: tf.train.limit_epochs(1.0, 0)),
        (ValueError, "non-null input tensor", lambda: tf.train.string_input_producer([])),
        (
            ValueError,
            "fully defined shape or `element_shape`",
            lambda: tf.train.input_producer(tf.placeholder(tf.float32)),
        ),
        (ValueError, "at least one tensor in slice", lambda: tf.train.slice_input_producer([])),
        (
            ValueError,
            "capacity 10 must be bigger than min_after_dequeue 10",
            lambda: tf.train.shuffle_batch([1.0], 4, 10, 10),
        ),
        (
            ValueError,
            "Cannot infer Tensor's rank",
            lambda: tf.train.batch([tf.placeholder(tf.float32)], 4),
        ),
        (
            ValueError,
            "All shapes must be fully defined",
            lambda: tf.train.batch([tf.placeholder(tf.float32, [None])], 4),
        ),
        (
            TypeError,
            "float32 vs. int32",
            lambda: tf.train.batch_join([[tf.constant(1.0)], [tf.constant(1)]], 4),
        ),
        (TypeError, "float32 vs", lambda: tf.train.batch_join([[1.0], [1.0, 2.0]], 4)),
        (ValueError, "at least one tensor in batch", lambda: tf.train.batch([], 4)),
        (ValueError, "at least one set", lambda: tf.train.batch_join([], 4)),
        (
            ValueError,
            "not compatible",
            lambda: tf.train.batch_join([[tf.zeros([2])], [tf.zeros([3])]], 4),
        ),
        (ValueError, "same keys", lambda: tf.train.batch_join([{"a": 1.0}, {"b": 1.0}], 4)),
        (ValueError, "cannot be a vector", lambda: tf.train.maybe_batch([1.0], [True], 4)),
        (
            ValueError,
            "scalar or a vector",
            lambda: tf.train.maybe_batch([[1.0]], [[True]], 4, enqueue_many=True),
        ),
        (ValueError, "Must provide queue", lambda: tf.train.QueueRunner()),
        (
            TypeError,
            "must be a tuple",
            lambda: tf.train.QueueRunner(
                tf.FIFOQueue(1, tf.int32), [tf.no_op()], queue_closed_exception_types=(int,)
            ),
        ),
        (ValueError, "No default session", lambda: tf.train.start_queue_runners()),
        (TypeError, "must be a `tf.Session`", lambda: tf.train.start_queue_runners(3)),
    ],
)
def test_wrong_calls(error, match, make):
    with pytest.raises(error, match=match):
        make()


# ---------------------------------------------------------------------------------------- batches


def test_names_of_a_batch():
    x, y = tf.train.batch([tf.constant(1.0), tf.zeros([3])], 4, num_threads=2)
    assert (x.name, y.name) == ("batch:0", "batch:1")
    assert x.shape.as_list() == [4] and y.shape.as_list() == [4, 3]
    names = {op.name for op in tf.get_default_graph().get_operations()}
    assert {"batch/fifo_queue", "batch/fifo_queue_enqueue", "batch/fraction_of_32_full"} <= names
    (runner,) = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)
    assert [op.name for op in runner.enqueue_ops] == ["batch/fifo_queue_enqueue"] * 2
    (summary,) = tf.get_collection(tf.GraphKeys.SUMMARIES)
    with tf.Session() as sess:
        value = tf.Summary.FromString(sess.run(summary)).value[0]
        assert (value.tag, value.simple_value) == ("batch/fraction_of_32_full", 0.0)
    made = tf.train.shuffle_batch({"b": 1.0, "a": [0.0, 1.0]}, 4, 20, 10)
    assert sorted(made) == ["a", "b"] and made["a"].name == "shuffle_batch:0"
    assert tf.train.batch_join([[1.0], [2.0]], 4).name == "batch_join:0"
    assert tf.train.shuffle_batch_join([[1.0], [2.0]], 4, 20, 10).name == "shuffle_batch_join:0"


def test_batches_with_and_without_what_is_left():
    for smaller in (False, True):
        with tf.Graph().as_default():
            row = rows(10, num_epochs=1, shuffle=False)
            x = tf.train.batch([row * row], 4, allow_smaller_final_batch=smaller)
            assert x.shape.as_list() == [None if smaller else 4]
            found = [b.tolist() for b in all_of(x)]
            assert found == [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]][: 3 if smaller else 2]


def test_several_examples_at_a_time():
    row = rows(3, num_epochs=2, shuffle=False)
    many = tf.stack([row, row + 100])
    x = tf.train.batch({"x": many}, 4, enqueue_many=True, capacity=3)
    assert x["x"].shape.as_list() == [4]
    found = [b["x"].tolist() for b in all_of(x)]
    assert found == [[0, 100, 1, 101], [2, 102, 0, 100], [1, 101, 2, 102]]


def test_padded_batches():
    row = rows(4, num_epochs=1, shuffle=False)
    x = tf.train.batch([tf.range(row), row], 4, dynamic_pad=True)
    assert x[0].shape.as_list() == [4, None]
    ((numbers, sizes),) = all_of(x)
    assert numbers.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 2]]
    assert sizes.tolist() == [0, 1, 2, 3]


def test_examples_that_are_left_out():
    row = rows(10, num_epochs=1, shuffle=False)
    x = tf.train.maybe_batch([row], tf.equal(row % 3, 0), 2)
    assert [b.tolist() for b in all_of(x)] == [[0, 3], [6, 9]]
    with tf.Graph().as_default():
        row = rows(3, num_epochs=1, shuffle=False)
        keep = tf.stack([row > 0, False, True])
        x = tf.train.maybe_batch([[row, row, -row]], keep, 5, enqueue_many=True)
        assert [b.tolist() for b in all_of(x)] == [[0, 1, -1, 2, -2]]
    with tf.Graph().as_default():
        row = rows(10, num_epochs=1)
        x = tf.train.maybe_shuffle_batch([row], 4, 50, 5, row < 4, allow_smaller_final_batch=True)
        assert sorted(np.concatenate(all_of(x)).tolist()) == [0, 1, 2, 3]


def test_shuffled_batches():
    def order(seed):
        with tf.Graph().as_default():
            row = rows(40, num_epochs=1, shuffle=False)
            # nothing comes out before all is in: the order depends on the seed alone
            x = tf.train.shuffle_batch([row], 8, 100, 90, seed=seed)
            with tf.train.MonitoredSession() as sess:
                return np.concatenate([sess.run(x) for _ in range(5)]).tolist()

    assert sorted(order(1)) == list(range(40))
    assert order(1) == order(1) != order(2)


def test_joined_batches():
    sources = [[rows(6, num_epochs=1) + 100 * k, tf.fill([2], k)] for k in range(3)]
    for make in (
        lambda: tf.train.batch_join(sources, 3, allow_smaller_final_batch=True),
        lambda: tf.train.shuffle_batch_join(sources, 3, 9, 2, allow_smaller_final_batch=True),
    ):
        with tf.Graph().as_default():
            sources = [[rows(6, num_epochs=1) + 100 * k, tf.fill([2], k)] for k in range(3)]
            found = all_of(make())
            numbers = np.concatenate([b[0] for b in found])
            kinds = np.concatenate([b[1] for b in found])
            assert Counter(numbers.tolist()) == Counter(
                100 * k + i for k in range(3) for i in range(6)
            )
            np.testing.assert_array_equal(kinds[:, 0], numbers // 100)
    with tf.Graph().as_default():
        sources = [[rows(4, num_epochs=1), tf.constant(k)] for k in range(2)]
        keep = sources[0][0] < 2
        found = all_of(tf.train.maybe_batch_join(sources, keep, 4))
        assert len(found) <= 2


def test_sparse_examples():
    row = rows(4, num_epochs=1, shuffle=False)
    wide = tf.cast(row, tf.int64)
    sparse = tf.SparseTensor([[wide]], [row * 10], [5])
    x, y = tf.train.batch([sparse, row], 2)
    found = all_of([x, y])
    assert [v.indices.tolist() for v, _ in found] == [[[0, 0], [1, 1]], [[0, 2], [1, 3]]]
    assert [v.values.tolist() for v, _ in found] == [[0, 10], [20, 30]]
    assert found[0][0].dense_shape.tolist() == [2, 5]
    with tf.Graph().as_default():
        row = rows(2, num_epochs=1, shuffle=False)
        sparse = tf.SparseTensor([[0, 1], [1, 0]], [row, row + 5], [2, 3])
        (batch,) = all_of(tf.train.batch([sparse, [row, row]], 4, enqueue_many=True)[0])
        assert batch.indices.tolist() == [[0, 1], [1, 0], [2, 1], [3, 0]]
        assert batch.values.tolist() == [0, 5, 1, 6]


def test_many_threads_lose_nothing():
    row = rows(300, num_epochs=1)
    x = tf.train.shuffle_batch(
        [row, tf.cast(row, tf.float32) / 2], 16, 60, 20, num_threads=4,
        allow_smaller_final_batch=True,
    )  # fmt: skip
    numbers, halves = (np.concatenate(parts) for parts in zip(*all_of(x), strict=True))
    assert sorted(numbers.tolist()) == list(range(300))
    np.testing.assert_array_equal(halves * 2, numbers)


# ---------------------------------------------------------------------------------- queue runners


def test_training_with_a_coordinator_as_of_old():
    x = np.linspace(-1, 1, 64, dtype=np.float32)
    xs, ys = tf.train.slice_input_producer([x, 3 * x - 1], num_epochs=60, seed=1)
    bx, by = tf.train.shuffle_batch([xs, ys], 16, 200, 50, seed=2, num_threads=2)
    w, b = tf.Variable(0.0), tf.Variable(0.0)
    loss = tf.reduce_mean(tf.square(w * bx + b - by))
    train = tf.train.GradientDescentOptimizer(0.3).minimize(loss)
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess=sess, coord=coord)
        steps = 0
        try:
            while not coord.should_stop():
                sess.run(train)
                steps += 1
        except tf.errors.OutOfRangeError:
            pass
        finally:
            coord.request_stop()
        coord.join(threads)
        assert steps == 64 * 60 // 16
        np.testing.assert_allclose(sess.run([w, b]), [3, -1], atol=1e-2)


def test_an_error_in_a_thread_is_raised_by_join():
    x = tf.placeholder_with_default(0.0, [])
    checked = tf.check_numerics(1.0 / x * 0.0, "not a number")
    batch = tf.train.batch([checked], 2)
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        with pytest.raises(tf.errors.OpError):
            sess.run(batch)
        with pytest.raises(tf.errors.InvalidArgumentError, match="not a number"):
            coord.join(threads)
    with pytest.raises(tf.errors.OpError), tf.train.MonitoredSession() as sess:
        sess.run(batch)


def test_an_error_without_coordinator_is_kept(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    queue = tf.FIFOQueue(2, tf.float32, [[]])
    fails = queue.enqueue(tf.check_numerics(tf.constant(np.float32("nan")), "bad"))
    runner = tf.train.QueueRunner(queue, [fails])
    with tf.Session() as sess:
        (thread,) = runner.create_threads(sess, daemon=True, start=True)
        thread.join(10)
        assert [type(e) for e in runner.exceptions_raised] == [tf.errors.InvalidArgumentError]


def test_stopping_ends_threads_that_wait():
    batch = tf.train.batch([rows(5)], 2, num_threads=3)
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        sess.run(batch)
        assert tf.train.start_queue_runners(sess, coord) == []  # they run already
        coord.request_stop()
        coord.join(threads, stop_grace_period_secs=10)
        assert not any(thread.is_alive() for thread in threads)


def test_stopping_again_and_again():
    """A thread that is between two elements when the queue is cancelled must not line up again."""
    batch = tf.train.batch([rows(5)], 2, num_threads=3)
    for _ in range(40):
        with tf.Session() as sess:
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess, coord)
            sess.run(batch)
            coord.request_stop()
            coord.join(threads, stop_grace_period_secs=30)


def test_closing_the_session_ends_threads():
    batch = tf.train.batch([rows(5)], 2)
    sess = tf.Session()
    threads = tf.train.start_queue_runners(sess, tf.train.Coordinator())
    sess.run(batch)
    runners = [t for t in threads if "close_on_stop" not in t.name]
    sess.close()
    for thread in runners:
        thread.join(10)
        assert not thread.is_alive()


def test_the_end_closes_the_queue_once_the_last_thread_ends():
    queue = tf.FIFOQueue(100, tf.int32, [[]])
    enqueues = []
    for k in range(3):
        count = tf.Variable(0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
        with tf.control_dependencies([tf.count_up_to(count, 4 * (k + 1))]):
            enqueues.append(queue.enqueue(k))
    runner = tf.train.QueueRunner(queue, enqueues)
    tf.train.add_queue_runner(runner)
    found = Counter(int(x) for x in all_of(queue.dequeue()))
    assert found == Counter({0: 4, 1: 8, 2: 12})


def test_another_exception_may_mean_the_end():
    queue = tf.FIFOQueue(5, tf.float32, [[]])
    fails = queue.enqueue(tf.check_numerics(tf.constant(np.float32("nan")), "bad"))
    runner = tf.train.QueueRunner(
        queue, [fails], queue_closed_exception_types=(tf.errors.InvalidArgumentError,)
    )
    one = queue.dequeue()
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = runner.create_threads(sess, coord, start=True)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(one)
        coord.request_stop()
        coord.join(threads)


def test_two_sessions_run_the_same_runners():
    row = rows(3, shuffle=False)
    coord = tf.train.Coordinator()
    with tf.Session() as a, tf.Session() as b:
        threads = tf.train.start_queue_runners(a, coord) + tf.train.start_queue_runners(b, coord)
        assert [int(s.run(row)) for s in (a, b, a, b)] == [0, 0, 1, 1]
        coord.request_stop()
        coord.join(threads)


def test_messages():
    tf.train.batch([rows(5)], 2, num_threads=2)
    _, second = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)
    said = second.to_proto()
    assert said.queue_name == "batch/fifo_queue"
    assert list(said.enqueue_op_name) == ["batch/fifo_queue_enqueue"] * 2
    assert (said.close_op_name, said.cancel_op_name) == (
        "batch/fifo_queue_Close",
        "batch/fifo_queue_Close_1",
    )
    assert list(said.queue_closed_exception_types) == [tf.errors.OUT_OF_RANGE]
    again = tf.train.QueueRunner.from_proto(said)
    assert again.name == second.name and again.to_proto() == said
    assert again.queue_closed_exception_types == (tf.errors.OutOfRangeError,)
    assert second.to_proto("batch").queue_name == "fifo_queue"
    assert second.to_proto("other") is None
    with pytest.raises(ValueError, match="mutually exclusive"):
        tf.train.QueueRunner(tf.FIFOQueue(1, tf.int32), queue_runner_def=said)


def test_a_meta_graph_keeps_its_runners():
    x = tf.train.batch([rows(6, num_epochs=1, shuffle=False)], 3)
    meta = tf.train.export_meta_graph()
    with tf.Graph().as_default() as graph:
        tf.train.import_meta_graph(meta)
        x = graph.get_tensor_by_name(x.name)
        assert [v.tolist() for v in all_of(x)] == [[0, 1, 2], [3, 4, 5]]


def test_preparing_goes_on_while_the_session_is_used():
    """A thread that waits for room does not stop other runs."""
    batch = tf.train.batch([rows(5)], 2, capacity=4)
    v = tf.Variable(1.0)
    add = v.assign_add(1.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        sess.run(batch)
        time.sleep(0.1)
        assert sess._state.waiters
        for _ in range(100):
            sess.run(add)
        assert sess.run(v) == 101
        coord.request_stop()
        coord.join(threads)
