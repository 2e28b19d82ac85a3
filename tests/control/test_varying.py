"""Loops and branches whose sizes change or depend on values: right, on every target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config

TARGETS: dict[str, dict[str, Any]] = {"cpu": {}, "reference": {"TARGET": "reference"}}


@pytest.fixture(params=TARGETS)
def target(request: Any) -> Any:
    with config.override(**TARGETS[request.param]):
        yield request.param


def run(fetches: Any, feeds: Any = None) -> Any:
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(fetches, feeds)


SHAPES = [tf.TensorShape([]), tf.TensorShape([None])]


def test_a_list_that_grows(target: str) -> None:
    n = tf.placeholder(tf.int32, [])

    def body(i: Any, found: Any) -> Any:
        return i + 1, tf.concat([found, [tf.cast(i * i, tf.float32)]], 0)

    _, y = tf.while_loop(lambda i, _: i < n, body, [0, tf.zeros([0])], shape_invariants=SHAPES)
    assert y.shape.as_list() == [None]
    for steps in (5, 0, 1):
        found, total = run([y, tf.reduce_sum(y)], {n: steps})
        np.testing.assert_array_equal(found, np.arange(steps, dtype=np.float32) ** 2)
        assert total == found.sum()


def test_branches_of_different_sizes(target: str) -> None:
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [None])
    y = tf.cond(p, lambda: x * 2.0, lambda: tf.concat([x, x], 0))
    (dy,) = tf.gradients(tf.reduce_sum(y * 3.0), x)
    for taken, size in ((True, 2), (False, 4)):
        found, slope = run([y, dy], {p: taken, x: [1.0, 2.0]})
        assert found.shape == (size,)
        np.testing.assert_array_equal(slope, [6, 6])


def test_an_inner_loop_whose_sizes_depend_on_the_outer_one(target: str) -> None:
    v = tf.Variable(0.0)

    def body(i: Any, total: Any) -> Any:
        _, row = tf.while_loop(
            lambda j, a: j < i,
            lambda j, a: (j + 1, tf.concat([a, a], 0)),
            [0, tf.ones([1])],
            shape_invariants=SHAPES,
        )
        with tf.control_dependencies([v.assign_add(tf.reduce_sum(row))]):
            return i + 1, total + tf.reduce_sum(row)

    _, total = tf.while_loop(lambda i, _: i < 4, body, [0, 0.0])
    assert run([total, v]) == [15.0, 15.0]


def test_sizes_that_are_data(target: str) -> None:
    x = tf.constant([3.0, -1.0, 2.0, -5.0])

    def body(i: Any, total: Any) -> Any:
        return i + 1, total + tf.reduce_sum(tf.boolean_mask(x, x > tf.cast(i, tf.float32)))

    assert run(tf.while_loop(lambda i, _: i < 3, body, [0, 0.0])[1]) == 13.0


def test_strings(target: str) -> None:
    _, y = tf.while_loop(
        lambda i, _: i < 3, lambda i, a: (i + 1, tf.string_join([a, "x"])), [0, tf.constant("a")]
    )
    assert run(y) == b"axxx"
    p = tf.placeholder(tf.bool, [])
    z = tf.cond(p, lambda: tf.constant("yes"), lambda: tf.constant("no"))
    assert run(z, {p: False}) == b"no"


def test_random_numbers_are_those_of_the_stream(target: str) -> None:
    """Interpreted, planned or unrolled: an op draws the numbers that its seeds say."""

    def drawn(varies: bool) -> Any:
        def body(i: Any, found: Any, more: Any) -> Any:
            number = tf.random_uniform([1], seed=7)
            more = tf.concat([more, more], 0) if varies else more
            return i + 1, tf.concat([found[1:], number], 0), more

        shapes = [tf.TensorShape([]), tf.TensorShape([3]), tf.TensorShape([None])]
        start = [0, tf.zeros([3]), tf.zeros([1])]
        return tf.while_loop(lambda i, *_: i < 3, body, start, shape_invariants=shapes)[1]

    tf.set_random_seed(1)
    first, second = run([drawn(True), drawn(False)])
    np.testing.assert_array_equal(first, second)


def test_the_gradient_of_a_growing_list_is_refused_at_its_line(target: str) -> None:
    x = tf.placeholder(tf.float32, [None])
    y = tf.while_loop(
        lambda a: tf.shape(a)[0] < 5,
        lambda a: tf.concat([a, a * a], 0),
        [x],
        shape_invariants=[tf.TensorShape([None])],
    )
    with pytest.raises(tf.errors.OpError, match="elements? of"):
        run(tf.gradients(y, x), {x: [1.0]})


def test_a_branch_that_a_default_decides_has_known_sizes(target: str) -> None:
    """The condition folds when it is run, not before; what its branch makes has sizes then."""
    x = tf.placeholder(tf.float32, [None, 5])
    p = tf.placeholder_with_default(False, ())
    square = x * x
    y = tf.cond(p, lambda: tf.identity(square), lambda: x * 2.0)
    (dy,) = tf.gradients(tf.reduce_sum(tf.sin(y)), x)
    data = np.arange(10, dtype=np.float32).reshape(2, 5)
    np.testing.assert_allclose(run(dy, {x: data}), 2 * np.cos(2 * data), rtol=1e-5)
    found = run(dy, {x: data, p: True})
    np.testing.assert_allclose(found, 2 * data * np.cos(data**2), rtol=1e-4, atol=1e-5)


def test_a_variable_that_is_fed_is_fed_in_bodies_too(target: str) -> None:
    v = tf.Variable([1.0, 2.0])
    _, y = tf.while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, t + v), [0, tf.zeros([2])])
    z = tf.cond(tf.placeholder_with_default(True, ()), lambda: v * 2.0, lambda: v)
    assert [x.tolist() for x in run([y, z], {v: [10.0, 20.0]})] == [[30, 60], [20, 40]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="a variable that is fed"):
        run(tf.cond(tf.constant(True), lambda: tf.assign(v, v + 1), lambda: v + 0), {v: [0.0, 0.0]})
