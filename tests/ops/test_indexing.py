"""Gathers and scatters, on tensors and in variables: against loops on drawn sizes; errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf


def run(y: Any, feeds: Any = None) -> Any:
    return tf.Session().run(y, feeds)


# ----------------------------------------------------------------------------------------- gathers


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), max_size=2),
    st.data(),
)
@settings(max_examples=80, deadline=None)
def test_gather_along_any_axis_of_any_batch(shape: list[int], more: list[int], data: Any) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    batch = data.draw(st.integers(0, axis))
    rng = np.random.default_rng(3)
    x = rng.normal(size=shape)
    i = rng.integers(0, shape[axis], shape[:batch] + more)
    expected = np.zeros(shape[:axis] + more + shape[axis + 1 :])
    dx = np.zeros_like(x)
    u = rng.normal(size=expected.shape)
    for b in np.ndindex(*shape[:batch]):
        expected[b] = np.take(x[b], i[b], axis - batch)
        np.add.at(dx[b], (slice(None),) * (axis - batch) + (i[b],), u[b])
    hidden = data.draw(st.sampled_from(["known", "sizes", "rank"]))
    with tf.Graph().as_default():
        dims: Any = {"known": shape, "sizes": [None] * len(shape), "rank": None}[hidden]
        t = tf.placeholder(tf.float64, dims)
        at = tf.placeholder(tf.int64, i.shape if hidden == "known" else None)
        y = tf.gather(t, at, axis=axis, batch_dims=batch)
        grad = tf.convert_to_tensor(tf.gradients(y * u, t)[0])
        got, slope = run([y, grad], {t: x, at: i})
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(slope, dx, 1e-12, 1e-12)


@given(st.integers(0, 2), st.integers(0, 2), st.data())
@settings(max_examples=40, deadline=None)
def test_gather_nd_of_a_batch(batch: int, depth: int, data: Any) -> None:
    shape = [2, 3, 4, 2][: data.draw(st.integers(max(1, batch + max(depth, 1)), 4))]
    rng = np.random.default_rng(5)
    x = rng.normal(size=shape)
    many = 3
    i = np.stack(
        [rng.integers(0, shape[batch + d], [*shape[:batch], many]) for d in range(depth)]
        or [np.zeros([*shape[:batch], many, 0], int)], -1 if depth else 0,
    )  # fmt: skip
    i = i if depth else i[0]
    expected = np.zeros([*shape[:batch], many, *shape[batch + depth :]])
    for b in np.ndindex(*shape[:batch]):
        for k in range(many):
            expected[(*b, k)] = x[(*b, *i[(*b, k)])]
    with tf.Graph().as_default():
        y = tf.gather_nd(x, i, batch_dims=batch)
        assert y.shape.as_list() == list(expected.shape)
        np.testing.assert_array_equal(run(y), expected)


def test_gather_arguments() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    assert tf.gather([1, 2, 3], [0]).name == "GatherV2:0"
    np.testing.assert_array_equal(
        run(tf.gather(x, [[1, 0], [1, 1]], batch_dims=-1)),  # and axis=-1
        run(tf.gather(x, [[1, 0], [1, 1]], batch_dims=1, axis=2)),
    )
    with pytest.raises(ValueError, match="axis 1 is one of the 2 batch axes"):
        tf.gather(x, [[1, 0], [1, 1]], batch_dims=2, axis=1)
    with pytest.raises(ValueError, match="the first 1 axes"):
        tf.gather(x, [[1, 0], [1, 1], [1, 1]], batch_dims=1)
    with pytest.raises(ValueError, match="batch_dims 3 is out of range"):
        tf.gather(x, [[1, 0], [1, 1]], batch_dims=3, axis=2)
    axis = tf.placeholder(tf.int32, [])
    y = tf.gather(x, [0], axis=axis)
    for k in (0, 1, 2, -1):
        np.testing.assert_array_equal(run(y, {axis: k}), np.take(x, [0], k))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1, 0\] = 3 is not in"):
        run(tf.gather(x, [[0], [3]], batch_dims=1))
    assert run(tf.batch_gather([[1, 2, 3], [4, 5, 6]], [[0, 2], [1, 1]])).tolist() == [
        [1, 3], [5, 5],
    ]  # fmt: skip
    for bad in (1, tf.placeholder(tf.int32, None)):
        with pytest.raises(ValueError, match="the rank of indices"):
            tf.batch_gather([1, 2, 3], bad)
    with pytest.raises(ValueError, match="must be below their rank"):
        tf.gather_nd([[1, 2], [3, 4]], [0], batch_dims=2)


# ---------------------------------------------------------------------------------------- scatters

COMBINE = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "min": np.minimum,
    "max": np.maximum,
    "update": lambda a, b: b,
}


def in_order(x: Any, indices: Any, updates: Any, kind: str) -> Any:
    result = x.copy()
    for place in np.ndindex(*indices.shape):
        row = updates if updates.ndim == 0 else updates[place]
        result[indices[place]] = COMBINE[kind](result[indices[place]], row)
    return result


@given(
    st.sampled_from(sorted(COMBINE)),
    st.lists(st.integers(0, 3), max_size=2),
    st.lists(st.integers(0, 4), max_size=2),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_scatter_is_a_loop(
    kind: str, row: list[int], many: list[int], scalar: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(1, 2, [4, *row]).astype(np.float32)
    indices = rng.integers(0, 4, many)
    updates = rng.uniform(1, 2, [] if scalar else [*many, *row]).astype(np.float32)
    with tf.Graph().as_default():
        v = tf.Variable(x)
        after = getattr(tf, f"scatter_{kind}")(v, indices, updates)
        session = tf.Session()
        session.run(v.initializer)
        got = session.run(after)
        expected = in_order(x, indices, updates, kind)
        np.testing.assert_allclose(got, expected, 1e-6)
        np.testing.assert_array_equal(session.run(v), got)


@given(st.sampled_from(["add", "sub", "update"]), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_scatter_nd_is_a_loop(kind: str, depth: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [3, 2, 4]
    x = rng.integers(-9, 9, shape)
    tuples = np.stack([rng.integers(0, n, (2, 3)) for n in shape[:depth]], -1)
    updates = rng.integers(-9, 9, [2, 3, *shape[depth:]])
    expected = x.copy()
    for place in np.ndindex(2, 3):
        at = tuple(tuples[place])
        expected[at] = COMBINE[kind](expected[at], updates[place])
    with tf.Graph().as_default():
        v = tf.Variable(x)
        method = getattr(v, f"scatter_nd_{kind}")(tuples, updates)
        on_tensor = getattr(tf, f"tensor_scatter_{kind}")(x, tuples, updates)
        session = tf.Session()
        session.run(v.initializer)
        np.testing.assert_array_equal(session.run(method), expected)
        np.testing.assert_array_equal(session.run(on_tensor), expected)
        session.run(v.initializer)
        function = getattr(tf, f"scatter_nd_{kind}")(v, tuples, updates)
        np.testing.assert_array_equal(session.run(function), expected)


def test_methods_of_variables() -> None:
    v = tf.Variable([1.0, 2, 3, 4])
    session = tf.Session()
    slices = tf.IndexedSlices(tf.constant([2.0, 3, 4]), tf.constant([1, 1, 3]))
    expected = {
        "add": [1, 7, 3, 8], "sub": [1, -3, 3, 0], "mul": [1, 12, 3, 16],
        "div": [1, 1 / 3, 3, 1], "min": [1, 2, 3, 4], "max": [1, 3, 3, 4],
        "update": [1, 3, 3, 4],
    }  # fmt: skip
    for kind, values in expected.items():
        session.run(v.initializer)
        after = getattr(v, f"scatter_{kind}")(slices)
        np.testing.assert_allclose(session.run(after), values, 1e-6)
        with pytest.raises(TypeError, match="IndexedSlices"):
            getattr(v, f"scatter_{kind}")(3)
    w = tf.Variable([[1.0, 2, 3], [3, 4, 5]])
    rows = tf.IndexedSlices(tf.constant([[9.0, 8], [7, 6]]), tf.constant([[0, 1], [2, 0]]))
    session.run(w.initializer)
    assert session.run(w.gather_nd([[1], [0]])).tolist() == [[3, 4, 5], [1, 2, 3]]
    assert session.run(w.batch_scatter_update(rows)).tolist() == [[9, 8, 3], [6, 4, 7]]
    session.run(w.initializer)
    after = tf.batch_scatter_update(w, [[0, 1], [2, 0]], [[9.0, 8], [7, 6]])
    assert session.run(after).tolist() == [[9, 8, 3], [6, 4, 7]]


def test_an_index_out_of_range_leaves_the_variable_alone() -> None:
    v = tf.Variable([1, 2, 3, 4])
    session = tf.Session()
    session.run(v.initializer)
    at = tf.placeholder(tf.int32, None)
    for after, given_ in (
        (tf.scatter_add(v, at, [9, 9, 9]), [0, 1, 4]),
        (tf.scatter_update(v, at, [9, 9, 9]), [0, -1, 3]),
        (tf.scatter_nd_add(v, at, [9, 9, 9]), [[0], [1], [4]]),
        (tf.scatter_nd_update(v, at, [9, 9, 9]), [[0], [1], [-1]]),
        (tf.scatter_div(v, at, [9, 0, 9]), [0, 1, 2]),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(after, {at: given_})
        assert session.run(v).tolist() == [1, 2, 3, 4]


def test_integers_divide_toward_zero() -> None:
    v = tf.Variable([7, -7, 7, -7, -2147483648])
    session = tf.Session()
    session.run(v.initializer)
    after = tf.scatter_div(v, [0, 1, 2, 3, 4], [2, 2, -2, -2, 3])
    assert session.run(after).tolist() == [3, -3, -3, 3, -715827882]


def test_gradients_of_tensor_scatters_are_tensorflows() -> None:
    x, u = tf.constant([1.0, 2, 3]), tf.constant([4.0, 5])
    for name, expected in (
        ("update", ([0, 3, 0], [2, 4])),
        ("add", ([2, 3, 4], [2, 4])),
        ("sub", ([2, 3, 4], [-2, -4])),
    ):
        y = getattr(tf, f"tensor_scatter_{name}")(x, [[0], [2]], u)
        dx, du = run(tf.gradients(y * [2.0, 3, 4], [x, u]))
        assert (dx.tolist(), du.tolist()) == expected
    assert tf.tensor_scatter_nd_update is tf.tensor_scatter_update
    assert run(tf.tensor_scatter_update([1, 2, 3, 4], [[1], [3], [1]], [9, 10, 11])).tolist() == [
        1, 11, 3, 10,
    ]  # fmt: skip


def test_scatter_nd_of_other_dtypes() -> None:
    assert run(tf.scatter_nd([[0], [2]], ["a", "b"], [4])).tolist() == [b"a", b"", b"b", b""]
    assert run(tf.scatter_nd([[0], [2], [2]], [True, True, False], [4])).tolist() == [
        True, False, True, False,
    ]  # fmt: skip
    assert run(tf.scatter_nd([[1]], [2 + 1j], [2])).tolist() == [0, 2 + 1j]
