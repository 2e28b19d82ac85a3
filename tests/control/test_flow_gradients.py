"""Gradients of cond and while_loop: equal to those of the same program without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config

X = np.array([0.5, -1.25, 2.0])


#: Passes that are no need.
OFF = frozenset(("fuse", "cse", "fold", "algebra", "prune", "sink", "hoist"))


def evaluate(fetches: Any, feeds: Any = None) -> Any:
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(fetches, feeds)


def loop(n: Any, body: Callable[..., Any], start: Any, **kwargs: Any) -> Any:
    """``start`` after ``n`` times ``body(i, v)``."""
    return tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, body(i, v)), [0, start],
                         **kwargs)[1]  # fmt: skip


def unrolled(n: int, body: Callable[..., Any], start: Any) -> Any:
    for i in range(n):
        start = body(tf.constant(i), start)
    return start


def derivatives(y: Any, x: Any, order: int = 3) -> list[Any]:
    found = []
    for _ in range(order):
        (y,) = tf.gradients(y, x)
        found.append(y)
    return found


BODIES = {
    "product": lambda x: lambda i, v: v * tf.sin(x) + x,
    "matrix": lambda x: lambda i, v: tf.tanh(tf.tensordot(tf.tensordot(x, x, 0), v, 1)),
    "index": lambda x: lambda i, v: v * tf.gather(x, i % 3) + tf.cast(i, tf.float64) * x,
    "row": lambda x: lambda i, v: v + x[i % 3] * v[0],
    "branch": lambda x: lambda i, v: tf.cond(
        tf.equal(i % 2, 0), lambda: v * x * x, lambda: tf.exp(-v) + x
    ),
    "inner": lambda x: lambda i, v: loop(2, lambda j, u: u * tf.cos(x) + v, x * v),
    "constant": lambda x: lambda i, v: v * 2.0,
    "broken": lambda x: lambda i, v: tf.stop_gradient(v * x) + x,
    "select": lambda x: lambda i, v: tf.where(v > 0, v * x, tf.exp(v) * x),
}


@pytest.mark.parametrize("steps", [0, 1, 4])
@pytest.mark.parametrize("known", [True, False], ids=["known", "fed"])
@pytest.mark.parametrize("name", BODIES)
def test_a_loop_has_the_derivatives_of_its_iterations(name: str, known: bool, steps: int) -> None:
    x = tf.placeholder(tf.float64, [3])
    n = tf.placeholder(tf.int32, [])
    body = BODIES[name](x)
    results = [
        loop(steps if known else n, body, tf.ones([3], tf.float64)),
        unrolled(steps, body, tf.ones([3], tf.float64)),
    ]
    fetches = []
    for y in results:
        y = tf.reduce_sum(y * tf.constant([1.0, 2.0, 3.0], tf.float64))
        ds: list[Any] = []
        for _ in range(2):
            (y,) = tf.gradients(y, x)
            if y is None:
                break
            ds.append(y)
        fetches.append(ds)
    got, wanted = evaluate(fetches, {x: X, n: steps})
    for k, value in enumerate(got):
        expected = wanted[k] if k < len(wanted) else np.zeros(3)  # no iteration, no path
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9, err_msg=f"order {k + 1}")


@pytest.mark.parametrize("target", [{"TARGET": "reference"}, {"CHECK": True}, {"DISABLE": OFF}],
                         ids=["reference", "checked", "unfused"])  # fmt: skip
@pytest.mark.parametrize("name", ["index", "branch", "inner"])
def test_other_targets(name: str, target: Any) -> None:
    x = tf.placeholder(tf.float64, [3])
    n = tf.placeholder(tf.int32, [])
    body = BODIES[name](x)
    start = tf.ones([3], tf.float64)
    fetches = [tf.gradients(loop(n, body, start), x), tf.gradients(unrolled(3, body, start), x)]
    with config.override(**target):
        got, wanted = evaluate(fetches, {x: X, n: 3})
    np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_third_order() -> None:
    x = tf.placeholder(tf.float64, [])
    ds = derivatives(loop(3, lambda i, v: v * v * x, x), x)
    # x -> x^3 -> x^7 -> x^15
    got = evaluate(ds, {x: 1.5})
    expected = [15 * 1.5**14, 15 * 14 * 1.5**13, 15 * 14 * 13 * 1.5**12]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_variables_and_slices_of_tables() -> None:
    table = tf.get_variable("table", initializer=np.arange(8.0).reshape(4, 2))
    rows = tf.constant([3, 1, 3, 0])

    def body(i: Any, v: Any) -> Any:
        return v * tf.nn.embedding_lookup(table, rows[i]) + 1.0

    y = tf.reduce_sum(loop(4, body, tf.ones([2], tf.float64)))
    z = tf.reduce_sum(unrolled(4, body, tf.ones([2], tf.float64)))
    (dy,), (dz,) = tf.gradients(y, table), tf.gradients(z, table)
    got, wanted = evaluate([tf.convert_to_tensor(dy), tf.convert_to_tensor(dz)])
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_an_assignment_after_the_loop_does_not_change_its_gradient() -> None:
    w = tf.get_variable("w", initializer=3.0)
    y = loop(2, lambda i, v: v * w, 1.0)
    with tf.control_dependencies([y]):
        change = w.assign(100.0)
    with tf.control_dependencies([change]):
        (dw,) = tf.gradients(y, w)
    assert evaluate([dw, change])[0] == 6.0  # 2 w


def test_several_variables_and_unused_ones() -> None:
    x = tf.placeholder(tf.float64, [3])

    def body(i: Any, a: Any, b: Any, unused: Any) -> Any:
        return i + 1, b * x, a + tf.reduce_sum(b), unused * 2.0

    start = (0, x, x * 2.0, tf.ones([5]))
    _, a, b, unused = tf.while_loop(lambda i, *_: i < 3, body, start)
    u, v = x, x * 2.0
    for _ in range(3):
        u, v = v * x, u + tf.reduce_sum(v)
    got, wanted = evaluate([tf.gradients([a, b], x), tf.gradients([u, v], x)], {x: X})
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert tf.gradients(unused, x) == [None]


def test_back_prop_false_lets_nothing_through() -> None:
    x = tf.placeholder(tf.float64, [])
    y = loop(3, lambda i, v: v * x, x, back_prop=False)
    assert tf.gradients(y, x) == [None]


def test_a_condition_on_the_value() -> None:
    """The number of iterations follows from x: counted beforehand."""
    x = tf.placeholder(tf.float64, [])
    y = tf.while_loop(lambda v: v < 100.0, lambda v: v * v, [x])
    dy, d2y = derivatives(y, x, 2)
    for value, power in ((2.0, 8), (3.0, 8), (4.0, 4), (200.0, 1)):
        found = evaluate([y, dy, d2y], {x: value})
        expected = [
            value**power,
            power * value ** (power - 1),
            power * (power - 1) * value ** (power - 2),
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_maximum_iterations() -> None:
    x = tf.placeholder(tf.float64, [])
    y = tf.while_loop(lambda v: True, lambda v: v * x, [x], maximum_iterations=4)
    assert evaluate(tf.gradients(y, x), {x: 2.0}) == [80.0]


def test_loops_in_branches_and_branches_around_loops() -> None:
    x = tf.placeholder(tf.float64, [3])
    p = tf.placeholder(tf.bool, [])
    y = tf.cond(p, lambda: loop(3, lambda i, v: v * x, x), lambda: tf.sin(x))
    ds = derivatives(y, x, 2)
    got = evaluate(ds, {x: X, p: True})
    np.testing.assert_allclose(got, [4 * X**3, 12 * X**2], rtol=1e-12)
    got = evaluate(ds, {x: X, p: False})
    np.testing.assert_allclose(got, [np.cos(X), -np.sin(X)], rtol=1e-12)


def test_a_random_condition_is_refused_by_name() -> None:
    x = tf.placeholder(tf.float32, [])
    y = tf.while_loop(lambda v: tf.random_uniform([]) < 0.9, lambda v: v * x, [x])
    with pytest.raises(ValueError, match=r"how often the loop 'while' runs depends on .*uniform"):
        tf.gradients(y, x)


def test_random_numbers_of_the_body_are_those_of_the_forward_loop() -> None:
    x = tf.placeholder(tf.float64, [])

    def body(i: Any, v: Any, factors: Any) -> Any:
        r = tf.random_uniform([], 1.0, 2.0, tf.float64, seed=5)
        return i + 1, v * r * x, factors * r

    one = tf.constant(1.0, tf.float64)
    _, y, factors = tf.while_loop(lambda i, v, f: i < 3, body, [0, one, one])
    dy, known = evaluate([tf.gradients(y, x)[0], factors], {x: 2.0})
    np.testing.assert_allclose(dy, known * 3 * 2.0**2, rtol=1e-12)


def _arena_nbytes(fetches: Any) -> int:
    """Memory that the plan of a run works in."""
    with tf.Session() as sess:
        sess.run(fetches)
        (entry,) = sess._entries
        return int(entry.plan.find(()).executable.plan.arena_nbytes)


def test_memory_grows_by_what_is_kept() -> None:
    """tanh keeps its result only: 8 bytes an element and iteration."""
    sizes = []
    for n in (100, 200):
        x = tf.constant(X)
        y = loop(n, lambda i, v: tf.tanh(v + x), tf.zeros([3], tf.float64))
        sizes.append(_arena_nbytes(tf.gradients(y, x)))
    assert abs(sizes[1] - sizes[0] - 100 * 3 * 8) < 128  # alignment
