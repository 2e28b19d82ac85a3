"""tf.test."""

# ruff: noqa: PT009, PT027  TestCases assert with their own methods
from __future__ import annotations

import os
import platform

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


# ------------------------------------------------------------------------------- more assertions


class Everything(tf.test.TestCase):
    """Each method is called with what holds and with what does not."""

    CASES = (
        ("assertBetween", (2, 1, 3), (4, 1, 3)),
        ("assertSameElements", ([1, 2, 2], [2, 1]), ([1], [1, 2])),
        ("assertNoCommonElements", ([1], [2]), ([1], [2, 1])),
        ("assertContainsSubset", ([1], [2, 1]), ([3], [2, 1])),
        ("assertContainsSubsequence", ([1, 2, 3], [1, 3]), ([1, 2, 3], [3, 1])),
        ("assertContainsExactSubsequence", ([1, 2, 3], [2, 3]), ([1, 2, 3], [1, 3])),
        ("assertContainsInOrder", (["a", "b"], "xaxb"), (["b", "a"], "xaxb")),
        ("assertSequenceAlmostEqual", ([1.0], [1.0 + 1e-9]), ([1.0], [1.1])),
        ("assertDictAlmostEqual", ({"a": 1.0}, {"a": 1.0 + 1e-9}), ({"a": 1.0}, {"b": 1.0})),
        ("assertSequenceStartsWith", ([1], [1, 2]), ([2], [1, 2])),
        ("assertTotallyOrdered", ([1], [2, 2], [3]), ([1], [2, 3])),
        ("assertSameStructure", ({"a": [1, (2,)]}, {"a": [1, (2,)]}), ({"a": [1]}, {"a": [2]})),
        ("assertIsSubclass", (bool, int), (int, bool)),
        ("assertNotIsSubclass", (int, bool), (bool, int)),
        ("assertStartsWith", ("abc", "ab"), ("abc", "b")),
        ("assertEndsWith", ("abc", "bc"), ("abc", "b")),
        ("assertNotEndsWith", ("abc", "b"), ("abc", "c")),
        ("assertNotStartsWith", ("abc", "b"), ("abc", "a")),
        ("assertRegexMatch", ("abc", ["x", "b."]), ("abc", ["^b"])),
        ("assertJsonEqual", ('{"a": 1}', '{ "a":1 }'), ("[1]", "[2]")),
        ("assertProtoEquals", None, None),
        ("assertEquals", (1, 1), (1, 2)),
        ("failUnless", (True,), (False,)),
    )

    def test_each(self):
        for name, good, bad in self.CASES:
            if name == "assertProtoEquals":
                good = ("node { name: 'a' }", tf.GraphDef(node=[tf.NodeDef(name="a")]))
                bad = ("node { name: 'b' }", good[1])
            getattr(self, name)(*good)
            with self.assertRaises(AssertionError, msg=name):
                getattr(self, name)(*bad)
        with self.assertRaisesWithLiteralMatch(ValueError, "exactly"):
            raise ValueError("exactly")
        self.assertRaisesWithLiteralMatch(KeyError, "1", {}.__getitem__, 1)

    def test_files_threads_and_contexts(self):
        path = self.create_tempfile("a/b.txt", content="text").full_path
        with open(path) as file:
            assert file.read() == "text"
        assert os.path.isdir(self.create_tempdir("folder").full_path)
        thread = self.checkedThread(lambda n: 1 // n, args=(0,))
        thread.start()
        with self.assertRaises(ZeroDivisionError):
            thread.join()
        with self.subTest("contexts"):
            self.enter_context(tf.Graph().as_default()).seed = 5
            assert tf.get_default_graph().seed == 5

    def test_evaluate_keeps_values(self):
        v = tf.Variable(3.0)
        self.evaluate(tf.global_variables_initializer())
        self.evaluate(v.assign_add(1.0))
        self.assertEqual(self.evaluate(v), 4.0)
        assert self.evaluate_if_both_tensors(tf.constant(1), tf.constant(2)) == [1, 2]

    @tf.test.disable_with_predicate(lambda: True, "not here")
    def test_skipped(self):
        raise AssertionError

    def test_processors(self):
        assert tf.test.is_cpu_target_available(platform.machine())
        assert not tf.test.is_cpu_target_available("z80")
