"""tf.contrib.training.bucket and bucket_by_sequence_length."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


def all_of(fetch):
    found = []
    with tf.train.MonitoredSession() as sess:
        while not sess.should_stop():
            found.append(sess.run(fetch))
    return found


def numbers(count, **options):
    (row,) = tf.train.slice_input_producer([tf.range(count)], num_epochs=1, **options)
    return row


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_have_one_bucket_each(threads):
    n = numbers(40)
    which, batch = tf.contrib.training.bucket(
        {"n": n, "square": n * n}, n % 3, 4, 3, num_threads=threads, allow_smaller_final_batch=True
    )
    assert which.shape.as_list() == [] and batch["n"].shape.as_list() == [None]
    seen: list[int] = []
    for k, found in all_of([which, batch]):
        assert set(found["n"] % 3) == {k} and len(found["n"]) <= 4
        np.testing.assert_array_equal(found["square"], found["n"] ** 2)
        seen += found["n"].tolist()
    assert sorted(seen) == list(range(40))


def test_sizes_of_each_bucket():
    n = numbers(24, shuffle=False)
    which, batch = tf.contrib.training.bucket(
        [n], n % 2, [2, 3], 2, bucket_capacities=[5, 9], keep_input=n < 18
    )
    assert batch.shape.as_list() == [None]
    found = all_of([which, batch])
    assert sorted(b.tolist() for k, b in found if k == 0) == [[0, 2], [4, 6], [8, 10], [12, 14]]
    assert sorted(b.tolist() for k, b in found if k == 1) == [[1, 3, 5], [7, 9, 11], [13, 15, 17]]


def test_sequences_of_like_length():
    n = numbers(30, seed=3)
    lengths, batch = tf.contrib.training.bucket_by_sequence_length(
        n, {"x": tf.range(n), "n": n}, 4, [5, 10, 20], dynamic_pad=True,
        allow_smaller_final_batch=True, num_threads=2,
    )  # fmt: skip
    assert lengths.shape.as_list() == [None] and batch["x"].shape.as_list() == [None, None]
    seen: list[int] = []
    for sizes, found in all_of([lengths, batch]):
        assert len({int(np.searchsorted([5, 10, 20], s, "right")) for s in sizes}) == 1
        np.testing.assert_array_equal(sizes, found["n"])
        assert found["x"].shape == (len(sizes), sizes.max())
        for row, size in zip(found["x"], sizes, strict=True):
            assert row.tolist() == [*range(size), *[0] * (sizes.max() - size)]
        seen += sizes.tolist()
    assert sorted(seen) == list(range(30))


def test_wrong_calls():
    by_length = tf.contrib.training.bucket_by_sequence_length
    for error, match, call in (
        (TypeError, "list or tuple", lambda: by_length(3, [1.0], 2, 5)),
        (TypeError, "integers", lambda: by_length(3, [1.0], 2, [1.5])),
        (ValueError, "increasing", lambda: by_length(3, [1.0], 2, [3, 3])),
        (ValueError, "batch_size is a list", lambda: by_length(3, [1.0], [2, 3, 4], [3])),
        (ValueError, "must be positive", lambda: tf.contrib.training.bucket([1.0], 0, 2, 0)),
        (
            ValueError,
            "bucket_capacities is a list",
            lambda: tf.contrib.training.bucket([1.0], 0, 2, 2, bucket_capacities=[3]),
        ),
    ):
        with pytest.raises(error, match=match):
            call()
