"""SparseTensor: its parts, its static shape, feeding and fetching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


def sparse_placeholder(dtype: Any = tf.float32) -> tf.SparseTensor:
    return tf.SparseTensor(
        tf.placeholder(tf.int64, [None, None]), tf.placeholder(dtype, [None]),
        tf.placeholder(tf.int64, [None]),
    )  # fmt: skip


def assert_same(value: Any, expected: Any) -> None:
    assert type(value) is tf.SparseTensorValue
    for part, wanted in zip(value, expected, strict=True):
        np.testing.assert_array_equal(part, wanted)


def test_parts_names_and_shape() -> None:
    x = tf.SparseTensor([[0, 0], [1, 2]], [1.0, 2.0], [3, 4])
    assert [t.name for t in (x.indices, x.values, x.dense_shape)] == [
        "SparseTensor/indices:0", "SparseTensor/values:0", "SparseTensor/dense_shape:0",
    ]  # fmt: skip
    assert x.indices.dtype is x.dense_shape.dtype is tf.int64
    assert x.dtype is tf.float32 and x.op is x.values.op and x.graph is tf.get_default_graph()
    assert x.get_shape().as_list() == x.shape.as_list() == [3, 4]
    assert sparse_placeholder().shape.ndims is None
    assert str(x).startswith('SparseTensor(indices=Tensor("SparseTensor/indices:0", shape=(2, 2)')
    with tf.control_dependencies([x]):
        assert tf.no_op().control_inputs == [x.op]


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        (([[0, 0]], [1.0, 2.0], [3, 4]), ValueError), (([[0, 0]], [1.0], [3, 4, 5]), ValueError),
        (([0, 0], [1.0], [3, 4]), ValueError), (([[0.0, 0]], [1.0], [3, 4]), TypeError),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit(parts: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        tf.SparseTensor(*parts)


def test_fetching_and_feeding() -> None:
    constant = tf.SparseTensor([[0, 0], [1, 2]], ["a", "b"], [3, 4])
    expected = ([[0, 0], [1, 2]], [b"a", b"b"], [3, 4])
    fed = sparse_placeholder(tf.string)
    other = tf.placeholder(tf.float32)
    with tf.Session() as session:
        value = session.run(constant)
        assert_same(value, expected)
        assert_same(session.run({"key": [constant, constant.values]})["key"][0], expected)
        assert_same(constant.eval(), expected)
        for feed in (value, tuple(value), tf.SparseTensorValue(*expected)):
            assert_same(fed.eval({fed: feed}), expected)
            twice, number = session.run([fed, other], {fed: feed, other: 1})
            assert_same(twice, expected)
            assert number == 1
        assert session.run(fed.values, {fed: value}).tolist() == [b"a", b"b"]
        with pytest.raises(TypeError, match="must be a SparseTensorValue"):
            session.run(fed, {fed: 3})
        with pytest.raises(TypeError, match="must be a SparseTensorValue"):
            session.run(fed, {fed: constant})
        with pytest.raises(ValueError, match="must have 3 parts, it has 2"):
            session.run(fed, {fed: ([[0, 0]], ["a"])})
        with pytest.raises(tf.errors.InvalidArgumentError, match="must feed a value"):
            session.run(fed)


def test_indexed_slices_are_fed_alike() -> None:
    x = tf.IndexedSlices(tf.placeholder(tf.float32), tf.placeholder(tf.int32))
    value = tf.Session().run(x, {x: ([3.0], [5])})
    assert value.values == [3.0] and value.indices == [5] and value.dense_shape is None


def test_conversions() -> None:
    x = tf.SparseTensor([[0, 0]], [1.0], [3, 4])
    value = tf.SparseTensorValue([[0, 0]], [1.0], [3, 4])
    assert tf.SparseTensor.from_value(value).shape.as_list() == [3, 4]
    assert tf.SparseTensor.from_value(x).values is x.values
    with pytest.raises(TypeError, match="no SparseTensor"):
        tf.SparseTensor.from_value(3)
    assert tf.convert_to_tensor_or_sparse_tensor(x) is x
    assert isinstance(tf.convert_to_tensor_or_sparse_tensor(value), tf.SparseTensor)
    assert tf.convert_to_tensor_or_sparse_tensor([1], name="hey").name == "hey:0"
    with pytest.raises(RuntimeError, match="int32 is needed, this one is float32"):
        tf.convert_to_tensor_or_sparse_tensor(x, tf.int32)
    with pytest.raises(TypeError):
        tf.convert_to_tensor(x)
