"""Several diagonals at once: what the samples of the records cannot show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

ALIGNMENTS = ["LEFT_LEFT", "RIGHT_LEFT", "LEFT_RIGHT", "RIGHT_RIGHT"]


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def test_alignments_are_tensorflows():
    x = tf.constant(np.arange(12.0).reshape(3, 4))
    expected = {
        "LEFT_LEFT": [[3, -1, -1], [2, 7, -1], [1, 6, 11], [0, 5, 10], [4, 9, -1], [8, -1, -1]],
        "RIGHT_LEFT": [[-1, -1, 3], [-1, 2, 7], [1, 6, 11], [0, 5, 10], [4, 9, -1], [8, -1, -1]],
        "LEFT_RIGHT": [[3, -1, -1], [2, 7, -1], [1, 6, 11], [0, 5, 10], [-1, 4, 9], [-1, -1, 8]],
        "RIGHT_RIGHT": [[-1, -1, 3], [-1, 2, 7], [1, 6, 11], [0, 5, 10], [-1, 4, 9], [-1, -1, 8]],
    }
    for align, wanted in expected.items():
        y = tf.linalg.diag_part(x, k=(-2, 3), padding_value=-1.0, align=align)
        np.testing.assert_array_equal(run(y), wanted)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.data(), st.sampled_from(ALIGNMENTS))
def test_what_is_taken_out_can_be_put_in(rows, columns, data, align):
    lower = data.draw(st.integers(1 - rows, columns - 1))
    upper = data.draw(st.integers(lower, columns - 1))
    k = lower if lower == upper else (lower, upper)
    x = np.arange(2.0 * rows * columns).reshape(2, rows, columns) + 1
    distance = np.arange(columns) - np.arange(rows)[:, None]
    inside = (distance >= lower) & (distance <= upper)
    with tf.Graph().as_default():
        part = tf.linalg.diag_part(tf.constant(x), k=k, align=align, padding_value=-1.0)
        back = tf.linalg.set_diag(tf.zeros([2, rows, columns], tf.float64), part, k=k, align=align)
        (dx,) = tf.gradients(back, part)
        got, values, slopes = run([back, part, dx])
    np.testing.assert_array_equal(got, np.where(inside, x, 0))
    np.testing.assert_array_equal(slopes, values >= 0)
    assert (values >= 0).sum() == 2 * inside.sum()


def test_sizes_are_tensorflows():
    d = tf.constant([1.0, 2.0, 3.0])
    assert tf.linalg.diag(d, k=1).shape.as_list() == [4, 4]
    assert tf.linalg.diag(d, k=-1, num_rows=5).shape.as_list() == [5, 3]
    assert tf.linalg.diag(d, k=-1, num_cols=4).shape.as_list() == [4, 4]
    assert tf.linalg.diag([d], k=[1]).shape.as_list() == [1, 4, 4]
    unknown = tf.placeholder(tf.float32, [None, None, 4])
    assert tf.linalg.diag_part(unknown, k=(-1, 1)).shape.as_list() == [None, 3, None]
    assert tf.linalg.diag_part(d[None], k=tf.placeholder(tf.int32)).shape.ndims is None


def test_plain_diagonals_are_the_first_ops():
    x = tf.placeholder(tf.float32, [3, 4])
    ops = [tf.matrix_diag(x), tf.matrix_diag_part(x), tf.matrix_set_diag(x, x[:, 0])]
    assert [y.op.name for y in ops] == ["diag", "diag_part", "set_diag"]
    assert [y.op.type for y in ops] == ["MatrixDiag", "MatrixDiagPart", "MatrixSetDiag"]
    assert tf.linalg.diag_part(x, k=1).op.type == "MatrixDiagPartV2"
    assert tf.linalg.diag_part(x, k=1, align="RIGHT_LEFT").op.type == "MatrixDiagPartV3"
    assert tf.matrix_diag is tf.linalg.diag
    assert tf.matrix_diag_part is tf.linalg.diag_part
    assert tf.matrix_set_diag is tf.linalg.set_diag


def test_sizes_and_diagonals_that_only_the_run_knows():
    x = tf.constant(np.arange(9.0).reshape(3, 3))
    k = tf.placeholder(tf.int32, [2])
    part = tf.linalg.diag_part(x, k=k)
    np.testing.assert_array_equal(run(part, {k: [0, 1]}), [[1, 5, 0], [0, 4, 8]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="outside matrices"):
        run(part, {k: [0, 3]})


def test_bools_and_texts():
    assert run(tf.linalg.diag([True, True], k=1)).sum() == 2
    texts = tf.constant([["a", "b"], ["c", "d"]])
    assert run(tf.matrix_diag_part(texts)).tolist() == [b"a", b"d"]
    with pytest.raises(ValueError, match="LEFT_LEFT"):
        tf.linalg.diag([1.0], align="left")
