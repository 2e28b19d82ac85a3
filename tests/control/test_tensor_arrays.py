"""TensorArray, map_fn, scan, foldl, foldr: values, shapes, gradients, sizes, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import config

TARGETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "reference": {"TARGET": "reference"},
    "checked": {"CHECK": True},
}


@pytest.fixture(params=TARGETS)
def target(request: Any) -> Any:
    with config.override(**TARGETS[request.param]):
        yield request.param


def run(fetches: Any, feeds: Any = None) -> Any:
    with tf.Session() as sess:
        return sess.run(fetches, feeds)


# ------------------------------------------------------------------------------------- TensorArray


def test_written_and_stacked(target: str) -> None:
    ta = tf.TensorArray(tf.float32, 3).write(2, [5.0, 6.0]).write(0, [1.0, 2.0])
    y = ta.stack()
    assert y.shape.as_list() == [3, 2]
    np.testing.assert_array_equal(run(y), [[1, 2], [0, 0], [5, 6]])
    assert run([ta.read(2), ta.size()])[1] == 3


def test_unstack_gather_scatter_split_concat(target: str) -> None:
    x = np.arange(6.0).reshape(3, 2)
    ta = tf.TensorArray(tf.float64, 3).unstack(x)
    np.testing.assert_array_equal(run(ta.gather([2, 0])), x[[2, 0]])
    np.testing.assert_array_equal(run(ta.concat()), x.reshape(-1))
    assert ta.element_shape.as_list() == [2]
    scattered = tf.TensorArray(tf.float64, 3).scatter([2, 0, 1], x)
    np.testing.assert_array_equal(run(scattered.stack()), x[[1, 2, 0]])
    split = tf.TensorArray(tf.float64, 3).split(x.reshape(-1), [2, 2, 2])
    np.testing.assert_array_equal(run(split.stack()), x)
    np.testing.assert_array_equal(run(split.identity().read(1)), x[1])
    fewer = tf.TensorArray(tf.float64, 4).unstack(x).stack()
    np.testing.assert_array_equal(run(fewer), [*x, [0, 0]])


def test_an_array_without_elements(target: str) -> None:
    y = tf.TensorArray(tf.float32, 0, element_shape=[2]).stack()
    assert run(y).shape == (0, 2)


def test_growing(target: str) -> None:
    ta = tf.TensorArray(tf.float32, 1, dynamic_size=True).write(3, [1.0, 2.0])
    y, size = run([ta.stack(), ta.size()])
    np.testing.assert_array_equal(y, [[0, 0], [0, 0], [0, 0], [1, 2]])
    assert size == 4
    assert run(tf.TensorArray(tf.int32, 0, dynamic_size=True).unstack([4, 5]).size()) == 2
    ta = tf.TensorArray(tf.int32, 0, dynamic_size=True).scatter([1, 4], [7, 8])
    np.testing.assert_array_equal(run(ta.stack()), [0, 7, 0, 0, 8])


@pytest.mark.parametrize("growing", [False, True])
def test_a_loop_reads_and_writes(target: str, growing: bool) -> None:
    x = tf.placeholder(tf.float64, [None, 3])
    n = tf.shape(x)[0]
    rows = tf.TensorArray(tf.float64, n).unstack(x)
    out = tf.TensorArray(tf.float64, 0 if growing else n, dynamic_size=growing)

    def body(i: Any, total: Any, ta: Any) -> Any:
        row = rows.read(i)
        return i + 1, total + row, ta.write(i, total * row)

    start = (0, tf.ones([3], tf.float64), out)
    _, _, out = tf.while_loop(lambda i, *_: i < n, body, start)
    y = out.stack()
    assert y.shape.as_list() == [None, 3]
    dy = tf.gradients(y, x)[0]
    for steps in (4, 1, 0):
        array = np.arange(3.0 * steps).reshape(steps, 3) + 1
        before = 1 + np.cumsum(array, 0) - array
        found, slope, size = run([y, dy, out.size()], {x: array})
        np.testing.assert_allclose(found, before * array)
        later = np.cumsum(array[::-1], 0)[::-1] - array
        np.testing.assert_allclose(slope, before + later)
        assert size == steps


def test_growing_when_only_the_run_knows_how_far(target: str) -> None:
    limit = tf.placeholder(tf.float32, [])
    one = tf.constant(1.0)
    _, ta = tf.while_loop(
        lambda v, ta: v < limit,
        lambda v, ta: (v * 2, ta.write(ta.size(), v)),
        (one, tf.TensorArray(tf.float32, 0, dynamic_size=True)),
    )
    np.testing.assert_array_equal(run(ta.stack(), {limit: 10.0}), [1, 2, 4, 8])
    assert run(ta.stack(), {limit: 0.0}).shape == (0,)


def test_written_in_a_branch(target: str) -> None:
    def body(i: Any, ta: Any) -> Any:
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: ta.write(i, i * i), lambda: ta)

    _, ta = tf.while_loop(lambda i, ta: i < 5, body, (0, tf.TensorArray(tf.int32, 5)))
    np.testing.assert_array_equal(run(ta.stack()), [0, 0, 4, 0, 16])
    with pytest.raises(tf.errors.InvalidArgumentError, match="element 1 is read, but nothing"):
        run(ta.read(1))


def test_misuse_names_the_array_and_the_line(target: str) -> None:
    array = tf.TensorArray(tf.float32, 3, tensor_array_name="states")
    with pytest.raises(ValueError, match="'states'.*nothing was written"):
        array.read(1)
    one = array.write(1, 5.0)
    for fetch, text in (
        (one.read(0), "'states': element 0 is read, but nothing wrote it"),
        (one.write(1, 6.0).stack(), "'states': element 1 is written for the second time"),
        (one.write(3, 6.0).stack(), r"'states': index 3 is not in \[0, 3\)"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=text) as caught:
            run(fetch)
        if target != "checked":  # there the reference's own error comes first
            assert "test_tensor_arrays.py:" in str(caught.value)
    with pytest.raises(ValueError, match="shape .2. *, but the others"):
        one.write(2, [1.0, 2.0])
    with pytest.raises(ValueError, match="4 rows do not fit into 3"):
        array.unstack(tf.ones([4]))
    for arguments in ({}, {"size": -1}, {"size": 1, "handle": 3}):
        with pytest.raises(ValueError):
            tf.TensorArray(tf.float32, **arguments)  # type: ignore[arg-type]


def test_while_executing() -> None:
    with tf.eager_mode():
        ta = tf.TensorArray(tf.float32, 2).write(0, [1.0, 2.0]).write(1, [3.0, 4.0])
        np.testing.assert_array_equal(ta.stack().numpy(), [[1, 2], [3, 4]])
        y = tf.scan(lambda a, x: a * x, tf.constant([1.0, 2.0, 3.0]))
        np.testing.assert_array_equal(y.numpy(), [1, 2, 6])
        assert tf.cond(tf.constant(True), lambda: 1, lambda: 2) == 1
        assert tf.while_loop(lambda i: i < 5, lambda i: i + 2, [0]).numpy() == 6


# --------------------------------------------------------------------------------- map, scan, fold


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 5), st.integers(1, 3), st.booleans(), st.booleans())
def test_scan_is_a_loop(rows: int, width: int, backward: bool, given_start: bool) -> None:
    array = np.random.default_rng(rows).normal(size=(rows, width))
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float64, [None, width])
        start = tf.constant(np.full(width, 0.5)) if given_start else None
        y = tf.scan(lambda a, b: a * 0.5 + tf.sin(b), x, start, reverse=backward)
        if not given_start and not rows:
            return
        order = range(rows - 1, -1, -1) if backward else range(rows)
        state, wanted = np.full(width, 0.5), np.zeros((rows, width))
        for k, i in enumerate(order):
            state = array[i] if k == 0 and not given_start else state * 0.5 + np.sin(array[i])
            wanted[i] = state
        np.testing.assert_allclose(run(y, {x: array}), wanted)


def test_structures(target: str) -> None:
    elems = {"a": tf.constant([1, 2]), "b": tf.constant([3.0, 4.0])}
    y = tf.map_fn(lambda d: (d["a"] * 2, d["b"]), elems, dtype=(tf.int32, tf.float32))
    assert y[0].name == "map/TensorArrayStack/TensorArrayGatherV3:0" and y[0].shape == (2,)
    first, second = run(y)
    np.testing.assert_array_equal(first, [2, 4])
    np.testing.assert_array_equal(second, [3, 4])
    y = tf.scan(lambda a, x: (a[0] + x, a[1] * x), tf.constant([1, 2, 3]), (0, 1))
    np.testing.assert_array_equal(run(y), [[1, 3, 6], [1, 2, 6]])


def test_folds(target: str) -> None:
    x = tf.constant([1, 2, 3])
    assert run(tf.foldl(lambda a, b: a - b, x)) == -4
    assert run(tf.foldr(lambda a, b: a - b, x)) == 0
    assert run(tf.foldl(lambda a, b: a - b, x, 10)) == 4
    assert run(tf.foldr(lambda a, b: a * 2 - b, x, 1)) == -9
    assert run(tf.foldl(lambda a, b: a + b, tf.zeros([0]), 7.0)) == 7.0


def test_nested_maps_have_gradients_of_second_order(target: str) -> None:
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    y = tf.map_fn(lambda row: tf.scan(lambda a, b: a * b, row), x)
    (dy,) = tf.gradients(y, x)
    (d2y,) = tf.gradients(dy, x)
    np.testing.assert_array_equal(run(dy), [[3, 1], [5, 3]])
    np.testing.assert_array_equal(run(d2y), np.ones((2, 2)))


def test_bad_calls_of_map_and_scan() -> None:
    x = tf.constant([1, 2, 3])
    with pytest.raises(ValueError, match="returns float32, not int32"):
        tf.map_fn(lambda v: tf.cast(v, tf.float32), x)
    with pytest.raises(ValueError, match="3 and 2 rows"):
        tf.map_fn(lambda v: v[0], (x, tf.constant([1, 2])), dtype=tf.int32)
    with pytest.raises(TypeError, match="another structure"):
        tf.map_fn(lambda v: (v, v), x)
    with pytest.raises(TypeError, match="must be a function"):
        tf.scan(3, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must have an axis"):
        tf.foldl(lambda a, b: a, tf.constant(1))
    with pytest.raises(ValueError, match="no rows"):
        tf.foldl(lambda a, b: a, tf.zeros([0]))


def test_a_loop_of_a_thousand_rows_takes_memory_in_proportion() -> None:
    sizes = []
    for n in (500, 1000):
        x = tf.zeros([n, 4], tf.float64)
        v = tf.placeholder_with_default(x, [n, 4])
        dy = tf.gradients(tf.scan(lambda a, b: tf.tanh(a + b), v), v)
        with tf.Session() as sess:
            sess.run(dy)
            (entry,) = sess._entries
            sizes.append(entry.plan.find(()).executable.plan.arena_nbytes)
    assert sizes[1] < 2.1 * sizes[0]
