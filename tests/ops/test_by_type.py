"""tf.raw_ops: operations by their types."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import flowgraph as tf


def run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


def test_an_operation_by_its_type():
    y = tf.raw_ops.MatMul(a=[[1.0, 2.0]], b=[[3.0, 4.0]], transpose_b=True, name="product")
    assert y.op.type == "MatMul" and y.name == "product:0" and run(y) == [[11]]
    assert run(tf.raw_ops.ConcatV2(values=[[1], [2, 3]], axis=0)).tolist() == [1, 2, 3]
    assert run(tf.raw_ops.Cast(x=[1.5], DstT=tf.int32)) == [1]


def test_several_outputs_have_names():
    found = tf.raw_ops.TopKV2(input=[1.0, 4.0, 3.0], k=2)
    assert run(found.values).tolist() == [4, 3] and run(found.indices).tolist() == [1, 2]
    assert type(found).__name__ == "TopKV2"
    assert isinstance(tf.raw_ops.NoOp(), tf.Operation)


def test_gradients_flow_through():
    x = tf.constant(3.0)
    assert run(tf.gradients(tf.raw_ops.Square(x=x), x)) == [6]


def test_signatures():
    found = inspect.signature(tf.raw_ops.MatMul)
    assert list(found.parameters) == ["a", "b", "transpose_a", "transpose_b", "name"]
    assert tf.raw_ops.MatMul.__doc__ and "MatMul" in dir(tf.raw_ops)


def test_wrong_calls():
    with pytest.raises(AttributeError, match="MatMul"):
        tf.raw_ops.MatMull
    with pytest.raises(TypeError, match="positional"):
        tf.raw_ops.Add(1.0, 2.0)
    with pytest.raises(TypeError, match="y is missing"):
        tf.raw_ops.Add(x=1.0)
    with pytest.raises(TypeError, match="no argument 'z'"):
        tf.raw_ops.Add(x=1.0, y=2.0, z=3.0)
    with pytest.raises(ValueError, match="MatMul"):
        tf.raw_ops.MatMul(a=np.ones((2, 3)), b=np.ones((2, 3)))
