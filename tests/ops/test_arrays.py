"""Reshaping, indexing, joining, padding: against NumPy on drawn shapes; static shapes; names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from interpret import evaluate

import flowgraph as tf
from flowgraph.ops.reshaping import reshaped_strides
from flowgraph.optimize.strides import contiguous_strides


def unknown(x: np.ndarray) -> Any:
    """A placeholder of x's rank that knows no size."""
    return tf.placeholder(tf.as_dtype(x.dtype), [None] * x.ndim)


# ----------------------------------------------------------------------------------------- indexing

_BOUND = st.none() | st.integers(-7, 7)
_STEP = st.none() | st.sampled_from([1, 2, 3, -1, -2, -3])


@st.composite
def _indices(draw: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """A shape and an index that NumPy accepts for it."""
    shape = tuple(draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)))
    index: list[Any] = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        kinds = ["slice", "slice", "new"] + (["int"] if size else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "new":
            index.append(None)
        if kind == "int":
            index.append(draw(st.integers(-size, size - 1)))
        else:
            index.append(slice(draw(_BOUND), draw(_BOUND), draw(_STEP)))
    if draw(st.booleans()):
        taken = sum(i is not None for i in index)
        place = draw(st.integers(0, len(index)))
        index.insert(place, Ellipsis)
        if taken == len(shape) and draw(st.booleans()):
            index.append(None)
    try:
        np.zeros(shape)[tuple(index)]
    except IndexError:  # the ellipsis moved an index to a shorter axis
        reject()
    return shape, tuple(index)


@given(_indices(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_indexing_is_numpys(case: tuple[tuple[int, ...], tuple[Any, ...]], hidden: bool) -> None:
    shape, index = case
    x = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    expected = x[index]
    with tf.Graph().as_default():
        t = unknown(x) if hidden else tf.constant(x)
        y = t[index]
        feeds = {t: x} if hidden else {}
        if not hidden:
            assert y.shape.as_list() == list(expected.shape)
        assert y.shape.is_compatible_with(expected.shape)
        np.testing.assert_array_equal(evaluate(y, feeds), expected)
        # The gradient puts dy where it was read from.
        dx = tf.gradients(y, t)[0] if expected.size else None
        if dx is not None:
            marked = np.zeros_like(x)
            marked[index] = 1
            np.testing.assert_array_equal(evaluate(dx, feeds), marked)


@given(_indices())
@settings(max_examples=25, deadline=None)
def test_indexing_in_a_session(case: tuple[tuple[int, ...], tuple[Any, ...]]) -> None:
    shape, index = case
    x = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    with tf.Graph().as_default():
        t = unknown(x)
        result = tf.Session().run(t[index] + 1.0, {t: x})
    np.testing.assert_array_equal(result, x[index] + 1)


def test_indexing_by_tensors() -> None:
    x = tf.reshape(tf.range(12), [3, 4])
    i, j = tf.placeholder(tf.int32, []), tf.placeholder(tf.int64, [])
    ys = [x[i], x[i, j], x[:, i:], x[i - 1 :: 1, tf.constant(-1)], x[..., i]]
    got = evaluate(ys, {i: 1, j: 2})
    n = np.arange(12).reshape(3, 4)
    for value, expected in zip(got, [n[1], n[1, 2], n[:, 1:], n[0:, -1], n[..., 1]], strict=True):
        np.testing.assert_array_equal(value, expected)
    assert ys[0].shape.as_list() == [4]


def test_bad_indices() -> None:
    x = tf.zeros([2, 3])
    for key in ("a", 1.5, [0.5], tf.constant(1.0), tf.constant([0, 1]), slice("a", None), True):
        with pytest.raises(TypeError, match="cannot be indexed by"):
            x[key]
    with pytest.raises(ValueError, match="3 indices for a tensor of shape"):
        x[0, 0, 0]
    with pytest.raises(ValueError, match="index 2 is out of range"):
        x[2]
    with pytest.raises(ValueError, match="only one ellipsis"):
        x[..., 0, ...]
    with pytest.raises(ValueError, match="must not be 0"):
        x[::0]


def test_python_protocol_of_tensors() -> None:
    x = tf.zeros([2])
    for use in (bool, iter, len):
        with pytest.raises(TypeError):
            use(x)


def test_names_of_indexing() -> None:
    x = tf.zeros([2, 3])
    assert x[0].name == "strided_slice:0"
    made = [op.name for op in tf.get_default_graph().get_operations()][-4:]
    assert made == [
        "strided_slice/stack", "strided_slice/stack_1", "strided_slice/stack_2", "strided_slice",
    ]  # fmt: skip


def test_size_of_a_batch_reaches_static_shapes() -> None:
    """SEMANTICS 10: shape inference sees through shape arithmetic."""
    x = tf.placeholder(tf.float32, [None, 3, 4])
    n = tf.shape(x)[0]
    assert tf.reshape(x, tf.stack([n, 12])).shape.as_list() == [None, 12]
    assert tf.reshape(x, [n, 12]).shape.as_list() == [None, 12]
    assert tf.zeros([tf.shape(x)[1], 2]).shape.as_list() == [3, 2]
    assert tf.fill(tf.concat([[2], tf.shape(x)[1:]], 0), 0.0).shape.as_list() == [2, 3, 4]
    assert tf.random_uniform(tf.shape(x)).shape.as_list() == [None, 3, 4]


# --------------------------------------------------------------------------------- shapes and views


@given(st.lists(st.integers(1, 4), min_size=0, max_size=4), st.data())
@settings(max_examples=200, deadline=None)
def test_reshaped_strides_read_the_same_elements(shape: list[int], data: Any) -> None:
    base = np.arange(np.prod(shape, dtype=int) * 2).reshape(-1)
    x = base[: base.size // 2].reshape(shape)
    perm = data.draw(st.permutations(range(len(shape))))
    x = x.transpose(perm)
    step = tuple(s // x.itemsize for s in x.strides)
    primes, rest = [], x.size
    for p in (2, 3):
        while rest % p == 0:
            primes.append(p)
            rest //= p
    target: list[int] = []
    for p in data.draw(st.permutations(primes)):
        if target and data.draw(st.booleans()):
            target[-1] *= p
        else:
            target.append(p)
        if data.draw(st.booleans()):
            target.append(1)
    found = reshaped_strides(x.shape, step, target)
    if found is None:
        # NumPy, too, has to copy.
        copied = x.reshape(target)
        assert not np.shares_memory(copied, base)
        return
    view = np.lib.stride_tricks.as_strided(x, target, [s * x.itemsize for s in found])
    np.testing.assert_array_equal(view, x.reshape(target))


def test_contiguous_arrays_always_reshape_without_a_copy() -> None:
    for shape, target in (((4, 6), (2, 12)), ((2, 3, 4), (24,)), ((1, 5), (5, 1, 1)), ((), (1,))):
        assert reshaped_strides(shape, contiguous_strides(shape), target) is not None


def test_reshape_errors_and_unknowns() -> None:
    x = tf.placeholder(tf.float32, [None, 6])
    assert tf.reshape(x, [-1, 2, 3]).shape.as_list() == [None, 2, 3]
    assert tf.reshape(tf.zeros([4, 6]), [-1, 8]).shape.as_list() == [3, 8]
    with pytest.raises(ValueError, match=r"24 elements \(\[4, 6\]\) do not fill shape \[5, -1\]"):
        tf.reshape(tf.zeros([4, 6]), [5, -1])
    y = tf.reshape(x, [-1, -1])
    for run in (evaluate, tf.Session().run):
        with pytest.raises(tf.errors.InvalidArgumentError, match="may be -1"):
            run(y, {x: np.zeros((2, 6))})
    np.testing.assert_array_equal(evaluate(tf.reshape(tf.zeros([0, 3]), [3, 0])), np.zeros((3, 0)))


def test_transpose() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    assert tf.transpose(x).shape.as_list() == [4, 3, 2]
    anything = tf.placeholder(tf.int64)
    np.testing.assert_array_equal(evaluate(tf.transpose(anything), {anything: x}), x.T)
    np.testing.assert_array_equal(evaluate(tf.transpose(x, [1, 2, 0])), x.transpose(1, 2, 0))
    assert tf.transpose(x).name == "transpose_3:0"
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a permutation"):
        evaluate(tf.transpose(x, [0, 0, 1]))


def test_expand_and_squeeze_names_of_arguments() -> None:
    x = tf.zeros([2, 1, 3])
    assert tf.expand_dims(x, -1).shape.as_list() == [2, 1, 3, 1]
    assert tf.expand_dims(x, dim=0).shape.as_list() == [1, 2, 1, 3]
    assert tf.squeeze(x, squeeze_dims=[1]).shape.as_list() == [2, 3]
    assert tf.squeeze(x, 1).shape.as_list() == [2, 3]
    with pytest.raises(ValueError, match="mean the same"):
        tf.expand_dims(x, axis=1, dim=1)
    with pytest.raises(ValueError, match="has size 2, not 1"):
        tf.squeeze(x, [0])


# ------------------------------------------------------------------------ joining and taking apart


@given(st.integers(1, 4), st.integers(0, 2), st.data())
@settings(max_examples=40, deadline=None)
def test_concat_split_stack_and_unstack_undo_one_another(n: int, axis: int, data: Any) -> None:
    shape = [2, 3, 2]
    sizes = [data.draw(st.integers(0, 3)) for _ in range(n)]
    parts = []
    for k, size in enumerate(sizes):
        own = list(shape)
        own[axis] = size
        parts.append(np.arange(np.prod(own, dtype=int), dtype=np.float32).reshape(own) + 100 * k)
    with tf.Graph().as_default():
        joined = tf.concat([unknown(p) for p in parts], axis)
        feeds = dict(zip(joined.op.inputs, parts, strict=False))
        expected = np.concatenate(parts, axis)
        np.testing.assert_array_equal(evaluate(joined, feeds), expected)
        for part, again in zip(parts, evaluate(tf.split(expected, sizes, axis)), strict=True):
            np.testing.assert_array_equal(again, part)
        stacked = tf.stack([tf.constant(parts[0])] * n, axis)
        np.testing.assert_array_equal(evaluate(stacked), np.stack([parts[0]] * n, axis))
        for again in evaluate(tf.unstack(stacked, axis=axis)):
            np.testing.assert_array_equal(again, parts[0])


def test_gradients_of_joining() -> None:
    a, b = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.float32, [None, 2])
    y = tf.concat([a, b], 0)
    u = tf.constant(np.arange(10, dtype=np.float32).reshape(5, 2))
    da, db = tf.gradients(y * u, [a, b])
    values = evaluate([da, db], {a: np.zeros((2, 2)), b: np.zeros((3, 2))})
    np.testing.assert_array_equal(values[0], np.arange(4).reshape(2, 2))
    np.testing.assert_array_equal(values[1], np.arange(4, 10).reshape(3, 2))
    x = tf.constant([1.0, 2.0, 3.0])
    first, _, third = tf.unstack(x)
    assert evaluate(tf.gradients(first * 5 + third, x)[0]).tolist() == [5, 0, 1]


def test_lists_of_tensors_become_tensors() -> None:
    x = tf.constant(3)
    assert evaluate(tf.reshape(tf.range(6), [x, 2])).shape == (3, 2)
    assert evaluate(tf.constant([1, 2]) + [x, x]).tolist() == [4, 5]
    assert tf.stack([1, 2]).op.type == "Const"
    assert tf.stack([x, x]).name == "stack_1:0"


def test_split_needs_equal_parts() -> None:
    with pytest.raises(ValueError, match="4 equal parts"):
        tf.split(tf.zeros([2, 6]), 4, axis=1)
    with pytest.raises(ValueError, match="do not add up"):
        tf.split(tf.zeros([2, 6]), [1, 2], axis=1)
    with pytest.raises(ValueError, match="give num"):
        tf.unstack(tf.placeholder(tf.float32, [None]))
    assert [t.name for t in tf.split(tf.zeros([4]), 2)] == ["split_2:0", "split_2:1"]


def test_concat_of_one() -> None:
    x = tf.zeros([2])
    y = tf.concat([x], 0)
    assert y.op.type == "Identity"
    assert y.name == "concat/concat:0"


# ----------------------------------------------------------------------------------------- padding


def test_pad_tile_and_reverse() -> None:
    x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    np.testing.assert_array_equal(
        evaluate(tf.pad(x, [[1, 0], [0, 2]])), np.pad(x, [[1, 0], [0, 2]])
    )
    framed = evaluate(tf.pad(x, [[1, 1], [1, 1]], constant_values=9))
    np.testing.assert_array_equal(framed, np.pad(x, 1, constant_values=9))
    assert tf.pad(x, [[1, 1], [0, 0]], constant_values=3).op.type == "PadV2"
    np.testing.assert_array_equal(evaluate(tf.tile(x, [2, 3])), np.tile(x, [2, 3]))
    np.testing.assert_array_equal(evaluate(tf.reverse(x, [0, -1])), x[::-1, ::-1])
    with pytest.raises(ValueError, match="WRAP"):
        tf.pad(x, [[1, 1], [0, 0]], mode="WRAP")


def test_broadcast_to() -> None:
    x = tf.constant([[1.0], [2.0]])
    y = tf.broadcast_to(x, [3, 2, 2])
    assert y.shape.as_list() == [3, 2, 2]
    assert evaluate(tf.gradients(y, x)[0]).tolist() == [[6], [6]]
    with pytest.raises(ValueError, match="does not broadcast"):
        tf.broadcast_to(x, [3, 2])


def test_sizes() -> None:
    """G16: ranks, shapes and sizes of scalars, vectors, matrices."""
    known = tf.zeros([4, 6])
    assert [tf.shape(known).op.type, tf.size(known).op.type, tf.rank(known).op.type] == [
        "Const"
    ] * 3
    assert evaluate([tf.rank(tf.constant(1)), tf.rank(known), tf.size(known)]) == [0, 2, 24]
    hidden = tf.placeholder(tf.float32)
    got = evaluate(
        [tf.shape(hidden), tf.size(hidden), tf.rank(hidden)], {hidden: np.zeros((3, 2, 2))}
    )
    assert [v.tolist() for v in got] == [[3, 2, 2], 12, 3]
    assert tf.shape(known, out_type=tf.int64).dtype is tf.int64
    assert tf.shape(known, name="s").name == "s:0"
