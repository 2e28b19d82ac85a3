"""Accumulators; the numbers are what TensorFlow 2.21 gives."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def sess():
    with tf.Session() as session:
        yield session


def test_means_and_steps(sess):
    mean = tf.ConditionalAccumulator(tf.float32, shape=[2], name="acc")
    g, step = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.int64, [])
    apply, take, count = mean.apply_grad(g, step), mean.take_grad(2), mean.num_accumulated()
    assert take.shape.as_list() == [2] and mean.dtype is tf.float32 and mean.name == "acc"
    assert count.op.name == "acc_NumAccumulated"
    assert apply.name == apply.type == "ResourceAccumulatorApplyGradient"
    sess.run(apply, {g: [1, 2], step: 0})
    sess.run(apply, {g: [3, 5], step: 0})
    assert sess.run(count) == 2
    np.testing.assert_array_equal(sess.run(take), [2, 3.5])
    assert sess.run(count) == 0
    sess.run(apply, {g: [1, 1], step: 0})  # stale now
    assert sess.run(count) == 0
    sess.run(apply, {g: [1, 1], step: 1})
    assert sess.run(count) == 1
    sess.run(mean.set_global_step(3))
    sess.run(apply, {g: [7, 7], step: 2})
    sess.run(apply, {g: [7, 7], step: 3})
    assert sess.run(count) == 2
    np.testing.assert_array_equal(sess.run(mean.take_grad(1)), [4, 4])


def test_sums_and_unknown_shapes(sess):
    total = tf.ConditionalAccumulator(tf.float64, shape=[2], reduction_type="SUM")
    sess.run([total.apply_grad([1.0, 2.0]), total.apply_grad([3.0, 2.0])])
    np.testing.assert_array_equal(sess.run(total.take_grad(1)), [4, 4])
    some = tf.ConditionalAccumulator(tf.float32)
    g = tf.placeholder(tf.float32)
    apply, take = some.apply_grad(g), some.take_grad(1)
    assert take.shape.ndims is None
    sess.run(apply, {g: [1, 2]})
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected \[2\], got \[3\]"):
        sess.run(apply, {g: [1, 2, 3]})
    np.testing.assert_array_equal(sess.run(take), [1, 2])
    sess.run(apply, {g: [1, 2, 3]})


def test_wrong_gradients(sess):
    mean = tf.ConditionalAccumulator(tf.float32, shape=[2])
    with pytest.raises(ValueError, match="incompatible"):
        mean.apply_grad([1.0, 2.0, 3.0])
    g = tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected \[2\], got \[3\]"):
        sess.run(mean.apply_grad(g), {g: [1, 2, 3]})
    for count in (0, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"positive, but was {count}"):
            sess.run(mean.take_grad(count))
    with pytest.raises(ValueError, match="MEAN"):
        tf.ConditionalAccumulator(tf.float32, reduction_type="MAX")
    with pytest.raises(TypeError):
        tf.ConditionalAccumulator(tf.int32)
    tf.ConditionalAccumulator(tf.float32, shared_name="a", shape=[2])
    same = tf.ConditionalAccumulator(tf.float32, shared_name="a", shape=[2])
    other = tf.ConditionalAccumulator(tf.float32, shared_name="a", shape=[3])
    sess.run(same.apply_grad([1.0, 1.0]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Shared accumulator 'a'"):
        sess.run(other.num_accumulated())
    with tf.eager_mode(), pytest.raises(RuntimeError, match="eager"):
        tf.ConditionalAccumulator(tf.float32)


def test_taking_waits(sess):
    mean = tf.ConditionalAccumulator(tf.float32, shape=[])
    g, step = tf.placeholder(tf.float32, []), tf.placeholder(tf.int64, [])
    take, apply = mean.take_grad(3), mean.apply_grad(g, step)
    found: list[float] = []
    threads = [threading.Thread(target=lambda: found.append(sess.run(take))) for _ in range(2)]
    for thread in threads:
        thread.start()
    while len(sess._state.waiters) < 2:
        time.sleep(0.001)
    for k in range(6):
        sess.run(apply, {g: k, step: 9})
    for thread in threads:
        thread.join(10)
    assert sorted(found) == [1.0, 4.0]


def test_many_threads_add_everything(sess):
    total = tf.ConditionalAccumulator(tf.float64, shape=[], reduction_type="SUM")
    # NB: it takes all there are: of at least 10 the last few might never come
    apply, take = total.apply_grad(1.0, local_step=1000), total.take_grad(1)
    workers = [
        threading.Thread(target=lambda: [sess.run(apply) for _ in range(50)]) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    seen = 0.0
    while seen < 200:
        seen += sess.run(take)
    for worker in workers:
        worker.join(10)
    assert seen == 200 and sess.run(total.num_accumulated()) == 0


def test_closing_the_session_wakes():
    mean = tf.ConditionalAccumulator(tf.float32, shape=[])
    take, session, errors = mean.take_grad(1), tf.Session(), []

    def wait():
        try:
            session.run(take)
        except tf.errors.CancelledError as error:
            errors.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    while not session._state.waiters:
        time.sleep(0.001)
    session.close()
    thread.join(10)
    assert "TakeGrad operation was cancelled" in errors[0]


def test_slices(sess):
    sparse = tf.SparseConditionalAccumulator(tf.float32, shape=[4, 2], name="sp")
    one = sparse.apply_grad([0, 2], [[1.0, 2.0], [3.0, 4.0]], [4, 2])
    slices = tf.IndexedSlices(tf.constant([[10.0, 10.0]]), tf.constant([2]), tf.constant([4, 2]))
    two = sparse.apply_indexed_slices_grad(slices, local_step=0)
    take, taken = sparse.take_grad(2), sparse.take_indexed_slices_grad(1)
    assert take._fields == ("indices", "values", "shape")
    sess.run([one, two])
    found = sess.run(take)
    assert found.indices.tolist() == [0, 2] and found.shape.tolist() == [4, 2]
    np.testing.assert_array_equal(found.values, [[1, 2], [6.5, 7]])
    sess.run([one, one])
    assert sess.run(sparse.num_accumulated()) == 0  # stale
    sess.run(sparse.apply_grad([3, 1], [[1.0, 2.0], [3.0, 4.0]], local_step=9))
    found = sess.run(taken)
    assert found.indices.tolist() == [3, 1] and found.dense_shape.tolist() == [4, 2]
    np.testing.assert_array_equal(found.values, [[1, 2], [3, 4]])
    total = tf.SparseConditionalAccumulator(tf.float32, reduction_type="SUM")
    sess.run(total.apply_grad([1], [[1.0, 2.0]]))
    sess.run(total.apply_grad([0, 1], [[3.0, 3.0], [1.0, 2.0]]))
    found = sess.run(total.take_grad(1))
    assert found.indices.tolist() == [0, 1] and found.shape.tolist() == [-1, 2]
    np.testing.assert_array_equal(found.values, [[3, 3], [2, 4]])


def test_slices_against_dense_sums(sess):
    rng = np.random.default_rng(3)
    sparse = tf.SparseConditionalAccumulator(tf.float64, shape=[6, 2])
    i, v = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.float64, [None, 2])
    apply, take = sparse.apply_grad(i, v, local_step=99), sparse.take_indexed_slices_grad(1)
    for _ in range(20):
        total, counts = np.zeros((6, 2)), np.zeros(6)
        for _ in range(rng.integers(1, 5)):
            indices = rng.integers(0, 6, rng.integers(0, 6))
            values = rng.normal(size=(len(indices), 2))
            sess.run(apply, {i: indices, v: values})
            np.add.at(total, indices, values)
            counts[np.unique(indices)] += 1
        found, dense = sess.run(take), np.zeros((6, 2))
        np.add.at(dense, found.indices, found.values)
        np.testing.assert_allclose(dense, total / np.maximum(counts, 1)[:, None], atol=1e-12)


def test_wrong_slices(sess):
    sparse = tf.SparseConditionalAccumulator(tf.float32, shape=[4, 2])
    for arguments, match in (
        (([0], [[1.0, 2.0, 3.0]]), "expected values dim 1 to be 2, got 3"),
        (([[0]], [[1.0, 2.0]]), r"should be vector but received shape: \[1,1\]"),
        (([0, 1], [[1.0, 2.0]]), "Expected 2 non-empty input values, got 1"),
        (([9], [[1.0, 2.0]]), "index is 9 exceeded 4"),
        (([-1], [[1.0, 2.0]]), "index is -1"),
        (([0], [[1.0, 2.0]], [4, 3]), "expected shape dim 1 to be 2, got 3"),
        (([0], [[1.0, 2.0]], [4]), "rank"),
        (([0], [1.0]), "rank"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=match):
            sess.run(sparse.apply_grad(*arguments))
    sess.run(sparse.apply_grad([], np.zeros([0, 2], np.float32)))
    assert sess.run(sparse.num_accumulated()) == 1
