"""tf.test."""

from __future__ import annotations

import os

import numpy as np
import pytest

import flowgraph as tf


class Example(tf.test.TestCase):
    def test_values(self) -> None:
        x = tf.constant([1.0, 2.0])
        with self.session() as session:
            self.assertAllClose(session.run(x * 2), [2, 4])
            self.assertAllEqual(x, [1, 2])
            self.assertAllClose({"a": [x, 1.0]}, {"a": [np.array([1, 2]), 1.0 + 1e-8]})
            self.assertAllEqual(tf.constant(["a"]), ["a"])
            self.assertNotAllClose(x, [1, 3])
            self.assertShapeEqual(np.zeros(2), x)
            self.assertAllInRange(x, 1, 2)
        for wrong in (
            lambda: self.assertAllClose([1.0], [1.1]),
            lambda: self.assertAllEqual([1], [2]),
            lambda: self.assertAllClose([1.0], [[1.0]]),
        ):
            with pytest.raises(AssertionError):
                wrong()

    def test_sessions(self) -> None:
        v = tf.Variable(1.0)
        with self.cached_session() as session:
            session.run(v.initializer)
        with self.test_session():
            assert self.evaluate(v) == 1
        assert self.evaluate(tf.constant(2)) == 2
        with self.assertRaisesOpError("uninitialized"), self.session():
            self.evaluate(v)

    def test_each_method_has_a_graph_of_its_own(self) -> None:
        assert not tf.get_default_graph().get_operations()
        assert tf.get_default_graph().seed == 87654321
        self.assertNear(1.0, 1.05, 0.1)
        self.assertStartsWith("abc", "ab")
        assert os.path.isdir(self.get_temp_dir())


def test_what_the_machine_has() -> None:
    assert not tf.test.is_gpu_available() and not tf.test.is_built_with_cuda()
    assert tf.test.gpu_device_name() == ""


def test_equal_graph_defs() -> None:
    def graph_def(value: float) -> object:
        with tf.Graph().as_default() as graph:
            tf.constant(value, name="c")
        return graph.as_graph_def()

    tf.test.assert_equal_graph_def(graph_def(1.0), graph_def(1.0))
    with pytest.raises(AssertionError, match="node 'c'"):
        tf.test.assert_equal_graph_def(graph_def(1.0), graph_def(2.0))
