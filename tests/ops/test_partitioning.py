"""Results sized by data, masks and assigned parts: against NumPy; stages that are remembered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf


def run(y: Any, feeds: Any = None) -> Any:
    return tf.Session().run(y, feeds)


# ------------------------------------------------------------------------------------ boolean_mask


@given(st.integers(0, 2), st.integers(1, 3), st.booleans(), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_boolean_mask_is_numpys(axis: int, width: int, hidden: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [3, 2, 4, 2]
    axis = min(axis, 4 - width)
    x = rng.normal(size=shape)
    mask = rng.random(shape[axis : axis + width]) < rng.choice([0, 0.5, 1])
    expected = x[(slice(None),) * axis + (mask,)]
    with tf.Graph().as_default():
        t = tf.placeholder(tf.float64, [None] * 4 if hidden else shape)
        m = tf.placeholder(tf.bool, [None] * width if hidden else mask.shape)
        y = tf.boolean_mask(t, m, axis=axis)
        u = rng.normal(size=expected.shape)
        dx = tf.convert_to_tensor(tf.gradients(tf.sin(y) * u, t)[0])
        got, slope = run([y * 1.0, dx], {t: x, m: mask})
        assert y.shape.is_compatible_with(expected.shape)
    np.testing.assert_array_equal(got, expected)
    back = np.zeros(shape)
    back[(slice(None),) * axis + (mask,)] = np.cos(expected) * u
    np.testing.assert_allclose(slope, back, 1e-12)


def test_boolean_mask_arguments() -> None:
    y = tf.boolean_mask([[1, 2], [3, 4], [5, 6]], [True, False], axis=1)
    assert y.name == "boolean_mask/GatherV2:0"
    assert y.shape.as_list() == [3, None]
    assert run(y).tolist() == [[1], [3], [5]]
    assert run(tf.boolean_mask([1, 2], [1, 0])).tolist() == [1]
    assert run(tf.boolean_mask([[1, 2]], [True, False], axis=-1)).tolist() == [[1]]
    with pytest.raises(ValueError, match="the mask is a scalar"):
        tf.boolean_mask([1, 2], True)
    with pytest.raises(ValueError, match="rank of the mask must be known"):
        tf.boolean_mask([1, 2], tf.placeholder(tf.bool, None))
    with pytest.raises(ValueError, match="does not fit the axes"):
        tf.boolean_mask([1, 2], [True, False, True])
    with pytest.raises(ValueError, match="does not fit the axes"):
        tf.boolean_mask([1, 2], [[True, False]])
    x = tf.constant([[1.0, 2], [3, 4]])
    assert run(x[tf.constant([True, False])]).tolist() == [[1, 2]]
    assert run(x[np.array([[True, False], [False, True]])]).tolist() == [1, 4]
    assert isinstance(tf.gradients(tf.boolean_mask(x, [True, False]), x)[0], tf.IndexedSlices)


# ------------------------------------------------------------------------------- unique, setdiff1d


@given(st.lists(st.integers(-3, 3), max_size=12), st.lists(st.integers(-3, 3), max_size=4))
@settings(max_examples=40, deadline=None)
def test_unique_and_setdiff1d(xs: list[int], ys: list[int]) -> None:
    first = list(dict.fromkeys(xs))
    with tf.Graph().as_default():
        x = tf.placeholder(tf.int32, [None])
        found = tf.unique_with_counts(x, out_idx=tf.int64)
        rest = tf.setdiff1d(x, tf.constant(ys, tf.int32))
        (y, idx, count), (out, at) = run([found, rest], {x: xs})
    assert y.tolist() == first
    assert idx.tolist() == [first.index(v) for v in xs]
    assert count.tolist() == [xs.count(v) for v in first]
    assert idx.dtype == np.int64
    assert out.tolist() == [v for v in xs if v not in ys]
    assert at.tolist() == [i for i, v in enumerate(xs) if v not in ys]


def test_unique_of_tensorflow() -> None:
    y, idx = tf.unique([1, 1, 2, 4, 4, 4, 7, 8, 8])
    assert (y.name, idx.name) == ("Unique:0", "Unique:1")
    assert (y.shape.as_list(), idx.shape.as_list()) == ([None], [9])
    assert type(tf.unique([1])).__name__ == "Unique"
    assert run(idx).tolist() == [0, 0, 1, 2, 2, 2, 3, 4, 4]
    y, idx = run(tf.unique([1.0, np.nan, np.nan, 0.0, -0.0]))
    assert idx.tolist() == [0, 1, 2, 3, 3]
    assert run(tf.unique(["a", "b", "a"], out_idx=tf.int64)).y.tolist() == [b"a", b"b"]
    with pytest.raises(ValueError, match="x must be a vector"):
        tf.unique([[1, 2]])
    assert type(tf.setdiff1d([1], [2])).__name__ == "ListDiff"
    with pytest.raises((TypeError, ValueError)):
        tf.setdiff1d([1, 2], [1.5, 2])


# ---------------------------------------------------------------------------- partition and stitch


@given(st.lists(st.integers(0, 2), max_size=8), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_stitch_undoes_partition(groups: list[int], seed: int) -> None:
    n = len(groups)
    x = np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)
    with tf.Graph().as_default():
        data = tf.placeholder(tf.float32, [None, 2])
        which = tf.placeholder(tf.int32, [None])
        parts = tf.dynamic_partition(data, which, 3)
        places = tf.dynamic_partition(tf.range(tf.size(which)), which, 3)
        scaled = [part * float(i + 1) for i, part in enumerate(parts)]
        y = tf.dynamic_stitch(places, scaled)
        dx = tf.gradients(y, data)[0]
        got, back, slope = run([parts, y, dx], {data: x, which: groups})
    factor = np.array(groups, np.float32)[:, None] + 1
    for i in range(3):
        np.testing.assert_array_equal(got[i], x[np.array(groups, int) == i])
    np.testing.assert_array_equal(back.reshape(n, 2), x * factor)
    np.testing.assert_array_equal(slope, np.broadcast_to(factor, (n, 2)))


def test_stitch_of_tensorflow() -> None:
    assert run(tf.dynamic_stitch([[0, 2], [1, 4]], [[1, 2], [3, 5]])).tolist() == [1, 3, 2, 0, 5]
    assert run(tf.dynamic_stitch([[0, 2], [1, 2]], [[1, 2], [3, 5]])).tolist() == [1, 3, 5]
    y = tf.dynamic_stitch(
        [6, [4, 1], [[5, 2], [0, 3]]],
        [[61, 62], [[41, 42], [11, 12]], [[[51, 52], [21, 22]], [[1, 2], [31, 32]]]],
    )
    assert y.shape.as_list() == [7, 2]
    assert run(y)[:, 0].tolist() == [1, 11, 21, 31, 41, 51, 61]
    a, b = tf.constant([1.0, 2]), tf.constant([5.0, 6])
    merged = tf.dynamic_stitch([[0, 2], [1, 2]], [a, b])
    da, db = run(tf.gradients(merged * [1.0, 2, 3], [a, b]))
    assert (da.tolist(), db.tolist()) == ([1, 3], [2, 3])
    with pytest.raises(tf.errors.InvalidArgumentError, match="negative"):
        run(tf.dynamic_stitch([[0, -2], [1, 4]], [[1, 2], [3, 5]]))
    with pytest.raises(ValueError, match="num_partitions must be positive"):
        tf.dynamic_partition([10, 20], [0, 1], 0)
    names = [t.name for t in tf.dynamic_partition([10, 20], [0, 1], 2)]
    assert names == ["DynamicPartition:0", "DynamicPartition:1"]


def test_plans_are_remembered_by_sizes_not_by_data() -> None:
    x = tf.placeholder(tf.int32, [None])
    y = tf.unique(x).y * 2
    z = tf.segment_sum(tf.ones_like(x), x) * 2
    session = tf.Session()
    for k in range(6):
        values = [k, k, k + 1, k + 2]
        assert session.run(y, {x: values}).tolist() == [2 * k, 2 * k + 2, 2 * k + 4]
    for values in ([0, 1, 2], [0, 0, 2], [1, 1, 2]):
        assert session.run(z, {x: values}).tolist() == [2 * values.count(i) for i in range(3)]
    stages = [entry.plan.current for entry in session._entries]
    assert [len(stage.followers) for stage in stages] == [1, 1]


# -------------------------------------------------------------------------- parts that are assigned


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (slice(1, None), [5.0, 6], [1, 5, 6]),
        (1, 5.0, [1, 5, 3]),
        (slice(None, None, -2), [8.0, 9], [9, 2, 8]),
        ((tf.newaxis, slice(1, None)), [[5.0, 6]], [1, 5, 6]),
        (slice(0, 2), 7.0, [7, 7, 3]),
        (slice(3, None), [], [1, 2, 3]),
    ],
)
def test_assigning_a_part(key: Any, value: Any, expected: Any) -> None:
    v = tf.Variable([1.0, 2, 3])
    after = v[key].assign(value)
    assert after.name == "strided_slice/_assign:0"
    session = tf.Session()
    session.run(v.initializer)
    assert session.run(after).tolist() == expected
    assert session.run(v).tolist() == expected


def test_assigning_a_part_named_by_tensors() -> None:
    v = tf.Variable([[1.0, 2, 3], [4, 5, 6]])
    i = tf.placeholder(tf.int32, [])
    first, second = v[:, i].assign([7.0, 8]), v[i:, ::2].assign([[0.0, 0]])
    session = tf.Session()
    session.run(v.initializer)
    assert session.run(first, {i: 2}).tolist() == [[1, 2, 7], [4, 5, 8]]
    assert session.run(second, {i: 1}).tolist() == [[1, 2, 7], [0, 5, 0]]
    with pytest.raises(ValueError, match="cannot be assigned to a part of shape"):
        v[:, 1:].assign([1.0, 2, 3])
    part = tf.strided_slice(v, [0, 0], [1, 2], var=v)
    assert session.run(part.assign([[5.0, 6]])).tolist() == [[5, 6, 7], [0, 5, 0]]
    assert not hasattr(tf.constant([1.0])[0], "assign")


def test_a_variable_updated_from_parts_of_itself() -> None:
    """The new value is made of the old one, whatever order the kernels write in."""
    v, w = tf.Variable([1.0, 2, 3]), tf.Variable([[1.0, 2], [3, 4]])
    session = tf.Session()
    for after, expected in (
        (tf.assign(v, tf.reverse(v, [0])), [3, 2, 1]),
        (tf.assign_add(v, tf.reverse(v, [0])), [4, 4, 4]),
        (tf.assign_add(v, v), [2, 4, 6]),
        (tf.scatter_update(v, [1, 2], v[:2]), [1, 1, 2]),
        (tf.scatter_nd_update(v, [[1], [2]], v[:2]), [1, 1, 2]),
        (v[1:].assign(v[:2]), [1, 1, 2]),
        (v[::-1].assign(v), [3, 2, 1]),
        (tf.scatter_add(v, [2, 1, 0], v), [4, 4, 4]),
        (tf.assign(w, tf.transpose(w)), [[1, 3], [2, 4]]),
    ):
        session.run([v.initializer, w.initializer])
        assert session.run(after).tolist() == expected


def test_sizes_of_data_inside_branches_and_loops() -> None:
    x, m = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.bool, [None])
    feeds = {x: [[1, 2], [3, 4], [5, 6]], m: [True, False, True]}
    chosen = tf.placeholder(tf.bool, [])
    y = tf.cond(chosen, lambda: tf.reduce_sum(tf.boolean_mask(x, m)), lambda: tf.constant(-1.0))
    dx = tf.convert_to_tensor(tf.gradients(y, x)[0])
    assert run(y, {**feeds, chosen: True}) == 14 and run(y, {**feeds, chosen: False}) == -1
    assert run(dx, {**feeds, chosen: True}).tolist() == [[1, 1], [0, 0], [1, 1]]

    def step(i: Any, total: Any) -> Any:
        return i + 1, total + tf.size(tf.unique(tf.stack([i, 1, 2])).y)

    assert run(tf.while_loop(lambda i, total: i < 3, step, [0, 0])[1]) == 3 + 2 + 2
