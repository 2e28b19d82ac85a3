"""Constants, placeholders, zeros, ranges, choice (G2, G6-G9; SEMANTICS 2, 4, 8)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from interpret import evaluate

import flowgraph as tf


def test_a_constant_is_filled_up_with_its_last_value() -> None:
    """G6."""
    assert evaluate(tf.constant(-1.0, shape=[2, 3])).tolist() == [[-1] * 3] * 2
    assert evaluate(tf.constant([1, 2, 3], shape=[2, 3])).tolist() == [[1, 2, 3], [3, 3, 3]]
    assert evaluate(tf.constant([1, 2, 3, 4], shape=[2, 2])).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="3 elements given, shape .2. holds 2"):
        tf.constant([1, 2, 3], shape=[2])
    with pytest.raises(TypeError, match="has shape"):
        tf.constant([1, 2], shape=[4], verify_shape=True)
    with pytest.raises(TypeError, match="no fixed value"):
        tf.constant(tf.constant(1))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (3.0, "float32"), (3, "int32"), (True, "bool"), ("하얀", "string"), (2**40, "int64"),
        (np.float64(1), "float64"), (np.arange(3), "int64"), ([1, 2.5], "float32"),
    ],
)  # fmt: skip
def test_dtypes_of_constants(value: Any, dtype: str) -> None:
    """G2, G12."""
    assert tf.constant(value).dtype.name == dtype


def test_constants_print_as_tensorflow_prints_them() -> None:
    a, b = tf.constant(3.0, tf.float32), tf.constant(4.0)
    assert str(a) == 'Tensor("Const:0", shape=(), dtype=float32)'
    assert str(b) == 'Tensor("Const_1:0", shape=(), dtype=float32)'


def test_zeros_and_ones() -> None:
    """G7."""
    for make, value in ((tf.zeros, 0), (tf.ones, 1)):
        assert make([2, 3]).dtype is tf.float32
        assert make([2, 3]).op.type == "Const"
        assert make([2000]).op.type == "Fill"
        for shape in ([2, 3], [2000], tf.TensorShape([2, 3]), 4, [], tf.constant([2, 3])):
            assert (evaluate(make(shape, tf.int32)) == value).all()
    assert evaluate(tf.zeros([1], tf.bool)).tolist() == [False]
    assert evaluate(tf.zeros([1], tf.string)).tolist() == [b""]
    with pytest.raises(ValueError, match="known completely"):
        tf.zeros([None, 3])


def test_zeros_like() -> None:
    x = tf.placeholder(tf.float32, [None, 2])
    assert tf.zeros_like(tf.ones([2])).op.type == "Const"
    assert tf.zeros_like(x).op.type == "ZerosLike"
    got = evaluate([tf.zeros_like(x), tf.ones_like(x, dtype=tf.int64)], {x: np.ones((3, 2))})
    assert got[0].tolist() == [[0, 0]] * 3
    assert got[1].dtype == np.int64
    assert tf.zeros_like(x).shape.as_list() == [None, 2]


def test_fill() -> None:
    n = tf.placeholder(tf.int32, [])
    y = tf.fill([n, 2], 7.0)
    assert y.shape.as_list() == [None, 2]
    assert tf.Session().run(y, {n: 3}).tolist() == [[7, 7]] * 3
    with pytest.raises(ValueError, match="must not be negative"):
        tf.fill([2, -1], 0.0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((5,), [0, 1, 2, 3, 4]), ((3, 18, 3), [3, 6, 9, 12, 15]), ((3, 1, -0.5), [3, 2.5, 2, 1.5]),
        ((0.0, 1.0, 0.25), [0, 0.25, 0.5, 0.75]), ((5, 5), []), ((10, 0, -4), [10, 6, 2]),
    ],
)  # fmt: skip
def test_range(arguments: tuple[Any, ...], expected: list[float]) -> None:
    """G9: the limit is excluded; negative and float steps."""
    y = tf.range(*arguments)
    assert y.shape.as_list() == [len(expected)]
    for run in (evaluate, tf.Session().run):
        np.testing.assert_allclose(run(y), expected)


def test_range_of_tensors_and_its_errors() -> None:
    n = tf.placeholder(tf.int32, [])
    assert tf.Session().run(tf.range(n), {n: 3}).tolist() == [0, 1, 2]
    assert tf.range(tf.constant(3, tf.int64)).dtype is tf.int64
    assert tf.range(3, dtype=tf.float32).dtype is tf.float32
    with pytest.raises(ValueError, match="delta must not be 0"):
        tf.range(0, 5, 0)
    with pytest.raises(ValueError, match="start 5 <= limit 0"):
        tf.range(5, 0)


def test_linspace() -> None:
    """G8: (10., 12., 3) -> [10 11 12]; the stop is exact; one number is the start."""
    for run in (evaluate, tf.Session().run):
        assert run(tf.linspace(10.0, 12.0, 3)).tolist() == [10, 11, 12]
        assert run(tf.linspace(10.0, 12.0, 1)).tolist() == [10]
        long = run(tf.lin_space(0.0, 0.7, 50))
        assert long[-1] == np.float32(0.7)
        np.testing.assert_allclose(long, np.linspace(0, 0.7, 50), 1e-6, 1e-7)


def test_eye() -> None:
    session = tf.Session()
    assert session.run(tf.eye(2)).tolist() == [[1, 0], [0, 1]]
    assert session.run(tf.eye(2, 3, dtype=tf.int32)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert tf.eye(2, batch_shape=[4]).shape.as_list() == [4, 2, 2]
    n = tf.placeholder(tf.int32, [])
    np.testing.assert_array_equal(session.run(tf.eye(n), {n: 3}), np.eye(3))


def test_placeholder_with_default() -> None:
    x = tf.placeholder_with_default([1.0, 2.0], [None])
    assert x.shape.as_list() == [None]
    y = tf.reduce_sum(x * 2)
    for run in (evaluate, tf.Session().run):
        assert run(y) == 6
        assert run(y, {x: [1, 2, 3]}) == 12
    with pytest.raises(ValueError, match="not compatible"):
        tf.placeholder_with_default([1.0], [2])


def test_a_default_is_no_constant() -> None:
    """Sizes and probabilities that default to something may still be fed."""
    sizes = tf.placeholder_with_default([2, 3], [2])
    keep = tf.placeholder_with_default(1.0, [])
    x, y = tf.zeros(sizes), tf.nn.dropout(tf.ones([100]), keep, seed=1)
    assert x.shape.as_list() == [None, None]
    for run in (evaluate, tf.Session().run):
        assert run(x).shape == (2, 3)
        assert run(x, {sizes: [4, 5]}).shape == (4, 5)
        assert (run(y) == 1).all()
        assert (run(y, {keep: 0.5}) == 0).any()


def test_where() -> None:
    rows = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    zeros = tf.zeros([2, 2])
    session = tf.Session()
    assert session.run(tf.where([True, False], rows, zeros)).tolist() == [[1, 2], [0, 0]]
    assert session.run(tf.where(rows > 2, rows, zeros)).tolist() == [[0, 0], [3, 4]]
    assert session.run(tf.where(True, rows, zeros)).tolist() == [[1, 2], [3, 4]]
    assert session.run(tf.where(rows > 2)).tolist() == [[1, 0], [1, 1]]
    assert tf.where(rows > 2, rows, zeros).op.type == "Select"
    with pytest.raises(ValueError, match="both x and y, or neither"):
        tf.where(True, rows)
    with pytest.raises(ValueError, match="one shape"):
        tf.where(True, rows, 0.0)


def test_comparisons_with_nan() -> None:
    x = tf.constant([np.nan, 1.0])
    got = evaluate([tf.equal(x, x), tf.not_equal(x, x), tf.less(x, 2.0), tf.is_nan(x)])
    assert [v.tolist() for v in got] == [[False, True], [True, False], [False, True], [True, False]]
    assert evaluate(tf.is_finite([1.0, np.inf, np.nan])).tolist() == [True, False, False]
    words = tf.equal(tf.constant(["a", "b"]), "a")
    assert evaluate(words).tolist() == [True, False]


def test_logic() -> None:
    a, b = tf.constant([True, True, False, False]), tf.constant([True, False, True, False])
    got = tf.Session().run([
        tf.logical_and(a, b), tf.logical_or(a, b), tf.logical_xor(a, b), tf.logical_not(a), a ^ b,
    ])  # fmt: skip
    table = np.array([v.tolist() for v in got])
    assert table.astype(int).tolist() == [
        [1, 0, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 1, 1, 0],
    ]  # fmt: skip
    with pytest.raises(TypeError, match="bool"):
        tf.constant(1) & tf.constant(2)
