"""Sparse tensors: against dense arithmetic, and TensorFlow's own answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf


def run(y: Any, feeds: Any = None) -> Any:
    return tf.Session().run(y, feeds)


def three() -> tf.SparseTensor:
    return tf.SparseTensor([[0, 1], [1, 0], [2, 3]], [1.0, 2.0, 3.0], [3, 4])


def other() -> tf.SparseTensor:
    return tf.SparseTensor([[0, 1], [1, 1], [2, 0]], [10.0, 20.0, 30.0], [3, 4])


def lists(x: Any) -> tuple[Any, Any, Any]:
    """A fetched SparseTensor as lists."""
    value = run(x)
    return value.indices.tolist(), value.values.tolist(), value.dense_shape.tolist()


def parts_of(dense: np.ndarray) -> tf.SparseTensorValue:
    indices = np.argwhere(dense).astype(np.int64).reshape(-1, dense.ndim)
    return tf.SparseTensorValue(indices, dense[tuple(indices.T)], np.array(dense.shape))


def random_sparse(rng: np.random.Generator, shape: Any) -> np.ndarray:
    return rng.normal(size=shape) * (rng.random(shape) < rng.choice([0.1, 0.5, 1]))


shapes = st.lists(st.integers(1, 4), min_size=2, max_size=3)

# ------------------------------------------------------------------------- against dense arithmetic


@given(shapes, st.integers(0, 99), st.booleans())
@settings(max_examples=40, deadline=None)
def test_is_what_dense_arithmetic_gives(shape: list[int], seed: int, hidden: bool) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_sparse(rng, shape), random_sparse(rng, shape)
    dense = rng.uniform(0.5, 2, shape[-1:])
    axis = int(rng.integers(-len(shape), len(shape)))
    with tf.Graph().as_default():
        x = tf.sparse_placeholder(tf.float64, None if hidden else shape)
        z = tf.sparse_placeholder(tf.float64, None if hidden else shape)
        feeds = {x: parts_of(a), z: parts_of(b)}
        total = tf.sparse_add(x, z)
        ys = {
            "dense": (tf.sparse_tensor_to_dense(x), a),
            "add": (tf.sparse_tensor_to_dense(total), a + b),
            "add dense": (tf.sparse_add(x, tf.sparse_tensor_to_dense(z)), a + b),
            "mul": (tf.sparse_tensor_to_dense(x * dense), a * dense),
            "div": (tf.sparse_tensor_to_dense(x / dense), a / dense),
            "sum": (tf.sparse_reduce_sum(x, axis), a.sum(axis)),
            "all": (tf.sparse_reduce_sum(x), a.sum()),
            "keep": (tf.sparse_reduce_sum(x, axis, keepdims=True), a.sum(axis, keepdims=True)),
            "max": (tf.sparse_tensor_to_dense(tf.sparse_maximum(x, z)), np.maximum(a, b)),
            "min": (tf.sparse_tensor_to_dense(tf.sparse_minimum(x, z)), np.minimum(a, b)),
        }
        got = run({k: y for k, (y, _) in ys.items()}, feeds)
        slope = run(tf.gradients(tf.sin(ys["add"][0]), x.values)[0], feeds)
    for name, (_, expected) in ys.items():
        np.testing.assert_allclose(got[name], expected, 1e-12, 1e-14, err_msg=name)
    np.testing.assert_allclose(slope, np.cos(a + b)[a != 0], 1e-12)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 5), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_matmul_and_its_gradient(m: int, k: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    turned, b_turned, hidden = rng.integers(0, 2, 3).astype(bool)
    a = random_sparse(rng, (k, m) if turned else (m, k))
    b = rng.normal(size=(n, k) if b_turned else (k, n))
    with tf.Graph().as_default():
        x = tf.sparse_placeholder(tf.float64, None if hidden else a.shape)
        w = tf.placeholder(tf.float64, [None, None])
        y = tf.sparse_tensor_dense_matmul(x, w, adjoint_a=turned, adjoint_b=b_turned)
        feeds = {x: parts_of(a), w: b}
        got, dx, dw = run([y, *tf.gradients(tf.sin(y), [x.values, w])], feeds)
    left, right = (a.T if turned else a), (b.T if b_turned else b)
    np.testing.assert_allclose(got, left @ right, 1e-12, 1e-14)
    slope = np.cos(left @ right)
    da, db = slope @ right.T, left.T @ slope
    np.testing.assert_allclose(dx, (da.T if turned else da)[a != 0], 1e-12, 1e-13)
    np.testing.assert_allclose(dw, db.T if b_turned else db, 1e-12, 1e-13)


# ------------------------------------------------------------------------ what TensorFlow answers


def test_placeholders_are_named_and_fed_by_parts() -> None:
    with tf.Graph().as_default() as graph:
        p = tf.sparse_placeholder(tf.float32, [None, 3], name="pp")
        assert p.shape.as_list() == [None, 3]
        assert tf.sparse_placeholder(tf.float32, name="q").shape.dims is None
        assert [op.name for op in graph.get_operations()] == [
            "pp/shape_default", "pp/shape", "pp/values", "pp/indices",
            "q/shape", "q/values", "q/indices",
        ]  # fmt: skip
        y = tf.sparse_tensor_to_dense(p)
        for value in (
            tf.SparseTensorValue([[0, 1]], [5.0], [1, 3]),
            ([[0, 1]], [5.0], [1, 3]),
        ):
            assert tf.Session(graph=graph).run(y, {p: value}).tolist() == [[0, 5, 0]]


def test_made_dense() -> None:
    assert tf.sparse_tensor_to_dense(three()).shape.as_list() == [3, 4]
    assert run(tf.sparse.to_dense(three(), default_value=-1.0)).tolist() == [
        [-1, 1, -1, -1], [2, -1, -1, -1], [-1, -1, -1, 3],
    ]  # fmt: skip
    turned = tf.SparseTensor([[1, 0], [0, 1]], [1, 2], [2, 2])
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.sparse_tensor_to_dense(turned))
    assert run(tf.sparse_tensor_to_dense(turned, validate_indices=False)).tolist() == [
        [0, 2],
        [1, 0],
    ]
    words = tf.SparseTensor([[1, 0]], ["a"], [2, 2])
    assert run(tf.sparse_tensor_to_dense(words)).tolist() == [[b"", b""], [b"a", b""]]
    assert run(tf.sparse_to_dense(2, [4], 1.0)).tolist() == [0, 0, 1, 0]
    assert run(tf.sparse_to_dense([1, 3], [4], 7)).tolist() == [0, 7, 0, 7]
    with pytest.raises(TypeError, match="must be a SparseTensor"):
        tf.sparse_tensor_to_dense([1])
    x = tf.sparse.from_dense([[0, 1], [2, 0]])
    assert x.values.name.startswith("dense_to_sparse") and x.shape.as_list() == [2, 2]
    assert lists(x) == ([[0, 1], [1, 0]], [1, 2], [2, 2])
    assert run(tf.sparse.from_dense([["a", ""]]).values).tolist() == [b"a"]


def test_products() -> None:
    assert run(tf.sparse_tensor_dense_matmul(three(), tf.ones([4, 2]))).tolist() == [
        [1, 1], [2, 2], [3, 3],
    ]  # fmt: skip
    value = tf.SparseTensorValue([[0, 1]], [1.0], [2, 4])
    assert run(tf.sparse.matmul(value, tf.ones([4, 2]))).tolist() == [[1, 1], [0, 0]]
    assert run(tf.sparse.sparse_dense_matmul(tf.ones([1, 3]), three())).tolist() == [[2, 1, 0, 3]]
    assert (three() * 2.0).values.name.startswith("mul")
    assert lists(tf.ones([3, 4]) * three())[1] == [1, 2, 3]
    assert lists(three() * [1.0, 2.0, 3.0, 4.0])[1] == [2, 2, 12]
    halves = tf.SparseTensor([[0, 0]], [3], [1, 2]) / 2
    assert halves.dtype is tf.float64 and lists(halves)[1] == [1.5]
    with pytest.raises(ValueError, match="does not broadcast"):
        three() * tf.ones([3, 5])
    with pytest.raises(TypeError):
        tf.ones([3, 4]) + three()


def test_sums() -> None:
    total = tf.sparse_add(three(), other())
    assert total.shape.as_list() == [3, 4]
    assert lists(total) == (
        [[0, 1], [1, 0], [1, 1], [2, 0], [2, 3]], [11, 2, 20, 30, 3], [3, 4],
    )  # fmt: skip
    assert lists(tf.sparse_add(three(), other(), 11.5))[1] == [2, 20, 30, 3]
    assert lists(tf.sparse_add(three(), other(), thresh=2.5))[1] == [11, 2, 20, 30, 3]
    x = three()
    assert run(tf.gradients(tf.sparse_add(x, other(), 11.5).values, x.values)[0]).tolist() == [
        0, 1, 1,
    ]  # fmt: skip
    with pytest.raises(TypeError, match="neither argument is a SparseTensor"):
        tf.sparse_add(tf.ones([1]), tf.ones([1]))
    with pytest.raises(ValueError, match="must have the same shape"):
        tf.sparse_add(three(), tf.SparseTensor([[0, 1]], [1.0], [3, 5]))
    with pytest.raises(ValueError, match="nothing is broadcast"):
        tf.sparse_add(three(), tf.ones([1, 4]))


def test_reductions() -> None:
    x = tf.SparseTensor([[0, 1], [1, 0]], [-1.0, -2.0], [3, 2])
    assert run(tf.sparse_reduce_max(x, axis=1)).tolist() == [-1, -2, 0]
    assert run(tf.sparse_reduce_sum(three(), [])).shape == (3, 4)
    assert tf.sparse_reduce_sum(three(), 1, keepdims=True).shape.as_list() == [3, 1]
    assert lists(tf.sparse_reduce_sum_sparse(three(), reduction_axes=0)) == (
        [[0], [1], [3]], [2, 1, 3], [4],
    )  # fmt: skip
    assert lists(tf.sparse_reduce_max_sparse(three(), keep_dims=True)) == ([[0, 0]], [3], [1, 1])
    assert lists(tf.sparse_reduce_sum_sparse(three())) == ([[]], [6], [])
    turned = tf.SparseTensor([[1, 0], [0, 1]], [1.0, 2.0], [3, 2])
    assert run(tf.sparse_reduce_sum(turned, axis=1)).tolist() == [2, 1, 0]
    empty = tf.SparseTensor(np.zeros((0, 2)), tf.constant([], tf.float32), [2, 4])
    assert run(tf.sparse_reduce_max(empty)).tolist() == 0
    with pytest.raises(ValueError, match="axis 2 is out of range"):
        tf.sparse_reduce_sum(three(), axis=2)


def test_softmax() -> None:
    x = tf.SparseTensor([[0, 0], [0, 1], [1, 1]], [1.0, 2.0, 3.0], [2, 2])
    y = tf.sparse_softmax(x)
    assert y.values.name.startswith("SparseSoftmax")
    np.testing.assert_allclose(run(y).values, [0.26894143, 0.7310586, 1], 1e-6)
    with pytest.raises(ValueError, match="at least 2 axes"):
        tf.sparse_softmax(tf.SparseTensor([[0], [1]], [1.0, 2.0], [3]))


def test_extremes() -> None:
    y = tf.sparse_minimum(three(), other())
    assert lists(y)[1] == [1, 0, 0, 0, 0] and y.shape.as_list() == [3, 4]
    neg = tf.SparseTensor([[0, 0]], [-1.0], [1, 2]), tf.SparseTensor([[0, 1]], [-2.0], [1, 2])
    assert lists(tf.sparse.maximum(*neg)) == ([[0, 0], [0, 1]], [0, 0], [1, 2])


# ------------------------------------------------------------------------- sets and edit distance


def test_sets_of_tensorflow() -> None:
    a, b = tf.constant([[1, 2], [3, 4]]), tf.constant([[2, 9], [4, 3]])
    both = tf.sets.intersection(a, b)
    assert both.values.op.type == "DenseToDenseSetOperation"
    assert both.indices.shape.as_list() == [None, 2]
    assert lists(both) == ([[0, 0], [1, 0], [1, 1]], [2, 3, 4], [2, 2])
    assert lists(tf.sets.union(a, b))[1] == [1, 2, 9, 3, 4]
    assert lists(tf.sets.difference(a, b)) == ([[0, 0]], [1], [2, 1])
    assert lists(tf.sets.difference(a, b, aminusb=False)) == ([[0, 0]], [9], [2, 1])
    s = tf.SparseTensor([[0, 0], [1, 0], [1, 1], [1, 2]], [2, 4, 5, 5], [2, 3])
    assert lists(tf.sets.set_difference(a, s)) == ([[0, 0], [1, 0]], [1, 3], [2, 1])
    assert lists(tf.sets.set_difference(s, a)) == ([[1, 0]], [5], [2, 1])
    assert lists(tf.sets.set_difference(s, a, aminusb=False))[1] == [1, 3]
    assert lists(tf.sets.set_intersection(s, s))[1] == [2, 4, 5]
    assert run(tf.sets.size(s)).tolist() == [1, 2]
    words = tf.sets.set_union([["b", "a"]], [["c", "a"]])
    assert lists(words)[1] == [b"a", b"b", b"c"]
    assert lists(tf.sets.intersection([[1, 2], [3, 4]], [[9], [9]])) == ([], [], [2, 0])
    with pytest.raises(TypeError, match="sets are of integers or strings"):
        tf.sets.intersection([[1.0]], [[2.0]])
    with pytest.raises(TypeError, match="no elements in common"):
        tf.sets.union([["b"]], [[1]])
    with pytest.raises(TypeError, match="must be a SparseTensor"):
        tf.sets.size([[1, 2]])


@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=7))
@settings(max_examples=40, deadline=None)
def test_edit_distance_is_the_shortest_way(one: list[str], two: list[str]) -> None:
    def distance(a: list[str], b: list[str]) -> int:
        if not a or not b:
            return len(a) + len(b)
        if a[0] == b[0]:
            return distance(a[1:], b[1:])
        return 1 + min(distance(a[1:], b), distance(a, b[1:]), distance(a[1:], b[1:]))

    def sparse(x: list[str]) -> tf.SparseTensor:
        return tf.SparseTensor(
            np.array([[0, k] for k in range(len(x))], np.int64).reshape(-1, 2),
            tf.constant(x, tf.string),
            [1, 8],
        )

    with tf.Graph().as_default():
        got = run(tf.edit_distance(sparse(one), sparse(two), normalize=False))
    assert got.tolist() == [distance(one, two)]


def test_edit_distance_of_tensorflow() -> None:
    guess = tf.SparseTensor([[0, 0, 0], [1, 0, 0]], ["a", "b"], [2, 1, 1])
    truth = tf.SparseTensor(
        [[0, 1, 0], [1, 0, 0], [1, 0, 1], [1, 1, 0]], ["a", "b", "c", "a"], [2, 2, 2]
    )
    y = tf.edit_distance(guess, truth)
    assert y.name == "edit_distance:0" and y.shape.as_list() == [2, 2]
    assert run(y).tolist() == [[np.inf, 1], [0.5, 1]]
    assert run(tf.edit_distance(guess, truth, normalize=False)).tolist() == [[1, 1], [1, 1]]
    with pytest.raises(TypeError, match="hypothesis must be a SparseTensor"):
        tf.edit_distance([1], truth)


# ------------------------------------------------------------------ put together, rearranged, read


@given(shapes, st.integers(0, 99), st.booleans())
@settings(max_examples=40, deadline=None)
def test_rearranging_is_numpys(shape: list[int], seed: int, hidden: bool) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_sparse(rng, shape), random_sparse(rng, shape)
    axis = int(rng.integers(-len(shape), len(shape)))
    perm = rng.permutation(len(shape))
    start = [int(rng.integers(0, n)) for n in shape]
    count = int(rng.integers(1, shape[axis] + 1))
    mask = rng.random(int((a != 0).sum())) < 0.5
    kept = a.copy()
    kept[a != 0] *= mask
    with tf.Graph().as_default():
        x = tf.sparse_placeholder(tf.float64, [None] * len(shape) if hidden else shape)
        z = tf.sparse_placeholder(tf.float64, None if hidden else shape)
        feeds = {x: parts_of(a), z: parts_of(b)}
        window = tuple(slice(k, k + 2) for k in start)
        filled, empty = tf.sparse_fill_empty_rows(x, 7.0)
        no_rows = ~a.any(tuple(range(1, a.ndim)))
        full = a.copy()
        full[(no_rows, *(0,) * (a.ndim - 1))] = 7
        made = {
            "concat": (tf.sparse_concat(axis, [x, z]), np.concatenate([a, b], axis)),
            "transpose": (tf.sparse_transpose(x, perm), a.transpose(perm)),
            "turned": (tf.sparse_transpose(x), a.T),
            "reshape": (tf.sparse_reshape(x, [-1, shape[-1]]), a.reshape(-1, shape[-1])),
            "slice": (tf.sparse_slice(x, start, [2] * len(shape)), a[window]),
            "retain": (tf.sparse_retain(x, mask), kept),
            "expand": (tf.sparse.expand_dims(x, axis), np.expand_dims(a, axis)),
            "fill": (filled, full),
            "many": (tf.deserialize_many_sparse(tf.serialize_many_sparse(x), tf.float64), a),
        }
        pieces = tf.sparse_split(sp_input=x, num_split=count, axis=axis)
        for k, (piece, part) in enumerate(zip(pieces, np.array_split(a, count, axis), strict=True)):
            made[f"split {k}"] = piece, part
        dense = {name: tf.sparse_tensor_to_dense(y) for name, (y, _) in made.items()}
        got = run(dense, feeds)
        for name, (y, expected) in made.items():
            assert y.shape.is_compatible_with(expected.shape), name
            if name == "many":
                expected = expected[tuple(slice(0, n) for n in got[name].shape)]
            np.testing.assert_array_equal(got[name], expected, err_msg=name)
        assert run(empty, feeds).tolist() == no_rows.tolist()
        for name in ("transpose", "reshape", "slice", "retain", "expand", "fill"):
            y, expected = made[name]
            slope = run(tf.convert_to_tensor(tf.gradients(tf.sin(y.values), x.values)[0]), feeds)
            whole = np.cos(a)[a != 0]
            if name == "retain":
                whole = whole * mask
            if name == "slice":
                inside = np.zeros(shape)
                inside[window] = 1
                whole = whole * inside[a != 0]
            np.testing.assert_allclose(slope, whole, 1e-12, err_msg=name)


def test_concat_and_split_of_tensorflow() -> None:
    y = tf.sparse_concat(1, [three(), other()])
    assert y.values.name.startswith("SparseConcat") and y.values.shape.as_list() == [6]
    assert y.shape.as_list() == [3, 8]
    wide = tf.SparseTensor([[0, 1]], [1.0], [3, 9])
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ beside axis 0"):
        run(tf.sparse_concat(0, [three(), wide]))
    expanded = tf.sparse_concat(0, [three(), wide], expand_nonconcat_dim=True)
    assert lists(expanded)[2] == [6, 9]
    lone = three()
    assert tf.sparse.concat(concat_dim=0, sp_inputs=[lone]) is lone
    parts = tf.sparse_split(sp_input=three(), num_split=3, axis=1)
    assert [lists(p)[2] for p in parts] == [[3, 2], [3, 1], [3, 1]]
    with pytest.raises(ValueError, match="given by name"):
        tf.sparse_split(three(), 2, 1)
    with pytest.raises(ValueError, match="cannot be split into 5"):
        tf.sparse_split(sp_input=three(), num_split=5, axis=1)


def test_shapes_of_tensorflow() -> None:
    assert tf.sparse_reshape(three(), [2, -1]).shape.as_list() == [2, 6]
    with pytest.raises(ValueError, match="cannot take the shape"):
        tf.sparse_reshape(three(), [5, 2])
    assert lists(tf.sparse_slice(three(), [9, 0], [5, 9])) == ([], [], [0, 4])
    assert lists(tf.sparse_reset_shape(three()))[2] == [3, 4]
    assert lists(tf.sparse_reset_shape(three(), [4, 5]))[2] == [4, 5]
    with pytest.raises(ValueError, match="is smaller than"):
        tf.sparse_reset_shape(three(), [2, 5])
    with pytest.raises(ValueError, match="a new_shape of shape"):
        tf.sparse_reset_shape(three(), [4, 5, 6])
    empty = tf.SparseTensor(np.zeros((0, 2)), tf.constant([], tf.float32), [3, 4])
    assert lists(tf.sparse_reset_shape(empty))[2] == [0, 0]
    fed = tf.sparse_placeholder(tf.float32, [None, None])
    value = tf.SparseTensorValue([[0, 1]], [1.0], [3, 4])
    grown = tf.sparse_reset_shape(fed, [4, 5])
    assert tf.Session().run(grown, {fed: value}).dense_shape.tolist() == [4, 5]
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.sparse_reset_shape(fed, [2, 5]), {fed: value})
    with pytest.raises(ValueError, match="is no order"):
        tf.sparse_transpose(three(), [0, 1, 2])
    with pytest.raises(ValueError, match="axis 5 is out of range"):
        tf.sparse.expand_dims(three(), 5)
    with pytest.raises(ValueError, match="to_retain of shape"):
        tf.sparse_retain(three(), [True, False])


def test_ids_and_values_of_tensorflow() -> None:
    ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], tf.constant([2, 0, 1], tf.int64), [2, 2])
    values = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [1.0, 2.0, 3.0], [2, 2])
    assert lists(tf.sparse_merge(ids, values, 4)) == (
        [[0, 0], [0, 2], [1, 1]], [2, 1, 3], [2, 4],
    )  # fmt: skip
    raw = tf.sparse_merge(ids, values, 4, already_sorted=True)
    assert lists(raw)[0] == [[0, 2], [0, 0], [1, 1]]
    one = tf.SparseTensor([[0, 0], [1, 0]], tf.constant([2, 1], tf.int64), [2, 2])
    two = tf.SparseTensor([[0, 0], [1, 0]], tf.constant([0, 1], tf.int64), [2, 2])
    pair = tf.SparseTensor([[0, 0], [1, 0]], [1.0, 3.0], [2, 2])
    assert lists(tf.sparse_merge([one, two], pair, [4, 2])) == (
        [[0, 2, 0], [1, 1, 1]], [1, 3], [2, 4, 2],
    )  # fmt: skip
    y = tf.sparse_to_indicator(ids, 4)
    assert y.name.startswith("SparseToIndicator") and y.shape.as_list() == [2, 4]
    assert run(y).astype(int).tolist() == [[1, 0, 1, 0], [0, 1, 0, 0]]
    slices = tf.IndexedSlices(tf.constant([[1, 2], [3, 4], [5, 6]]), tf.constant([4, 7, 9]))
    masked = tf.sparse_mask(slices, [4, 9])
    assert run([masked.values, masked.indices])[0].tolist() == [[3, 4]]
    assert lists(tf.sparse.eye(2, 3, dtype=tf.int32)) == ([[0, 0], [1, 1]], [1, 1], [2, 3])


def test_crosses_of_tensorflow() -> None:
    letters = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], ["a", "b", "c"], [2, 2])
    more = tf.SparseTensor([[0, 0], [1, 0]], ["d", "e"], [2, 1])
    dense = tf.constant([["f"], ["g"]])
    assert lists(tf.sparse.cross([letters, more, dense])) == (
        [[0, 0], [1, 0], [1, 1]],
        [b"a_X_d_X_f", b"b_X_e_X_g", b"c_X_e_X_g"],
        [2, 2],
    )
    numbers = tf.SparseTensor([[0, 0], [1, 0]], tf.constant([1, 2], tf.int64), [2, 1])
    assert lists(tf.sparse.cross([numbers, dense]))[1] == [b"1_X_f", b"2_X_g"]
    hashed = tf.sparse.cross_hashed([letters, dense], num_buckets=100)
    assert lists(hashed) == ([[0, 0], [1, 0], [1, 1]], [16, 6, 89], [2, 2])
    pair = tf.SparseTensor([[0, 0], [1, 0]], ["a", "b"], [2, 1])
    whole = tf.sparse.cross_hashed([pair, tf.constant([[3], [4]], tf.int64)])
    assert lists(whole)[1] == [9216350530976061679, 5665986376437707883]
    keyed = tf.sparse.cross_hashed([pair, dense], num_buckets=1000, hash_key=7)
    assert lists(keyed)[1] == [139, 147]
    with pytest.raises(TypeError, match="integers or strings"):
        tf.sparse.cross([tf.constant([[1.0]])])


def test_serialized_bytes_of_tensorflow() -> None:
    first, values, shape = run(tf.serialize_sparse(three()))
    assert first.startswith(b'\x08\t\x12\x08\x12\x02\x08\x03\x12\x02\x08\x02"0')
    assert values == b'\x08\x01\x12\x04\x12\x02\x08\x03"\x0c\x00\x00\x80?\x00\x00\x00@\x00\x00@@'
    assert shape[:10] == b'\x08\t\x12\x04\x12\x02\x08\x02"\x10'
    rows = tf.stack([tf.serialize_sparse(three()), tf.serialize_sparse(other())])
    y = tf.deserialize_many_sparse(rows, tf.float32, rank=3)
    assert y.shape.ndims == 3
    assert lists(y) == (
        [[0, 0, 1], [0, 1, 0], [0, 2, 3], [1, 0, 1], [1, 1, 1], [1, 2, 0]],
        [1, 2, 3, 10, 20, 30],
        [2, 3, 4],
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="holds float32, not int32"):
        run(tf.deserialize_many_sparse(rows, tf.int32))


def test_sizes_and_other_names_of_sparse_tensors() -> None:
    x = three()
    assert run([tf.shape(x), tf.size(x), tf.rank(x)])[0].tolist() == [3, 4]
    assert tf.size(x, name="count").name == "count:0" and run(tf.size(x)) == 12
    assert tf.shape(x, name="sizes").name == "sizes/Cast:0" and run(tf.rank(x)) == 2
    fed = tf.sparse_placeholder(tf.float32, [None, 3])
    assert run(tf.size(fed), {fed: tf.SparseTensorValue([[0, 1]], [5.0], [2, 3])}) == 6
    assert tf.is_tensor(x) and not tf.is_tensor(tf.SparseTensorValue([[0]], [1], [1]))
    again = tf.identity(x)
    assert lists(again) == lists(x) and again.shape.as_list() == [3, 4]
    (gated,) = tf.tuple([x])
    assert lists(gated) == lists(x)


def test_shapes_of_placeholders_are_passed_on() -> None:
    x = tf.sparse_placeholder(tf.float32, [None, 3])
    z = tf.sparse_placeholder(tf.float32, [2, None])
    assert tf.sparse_add(x, z).shape.as_list() == [2, 3]
    assert tf.sparse_maximum(x, z).shape.as_list() == [2, 3]
    assert tf.sparse_tensor_to_dense(x).shape.as_list() == [None, 3]
    assert tf.sparse_tensor_dense_matmul(z, tf.ones([4, 5])).shape.as_list() == [2, 5]
    for same in (x * 2.0, tf.sparse_softmax(x), tf.sparse_reorder(x), tf.sparse_retain(x, [True])):
        assert same.shape.as_list() == [None, 3]
    assert tf.sparse_fill_empty_rows(x, 0.0)[0].shape.as_list() == [None, 3]
    assert tf.sparse_transpose(x).shape.as_list() == [3, None]
