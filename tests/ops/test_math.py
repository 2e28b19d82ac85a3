"""Elementwise functions as TensorFlow has them: names, aliases, edges, gradients as literals.

What every record must satisfy is in test_every_op.py; here is what samples cannot show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import flowgraph as tf

NAN, INF = np.nan, np.inf


@pytest.fixture(autouse=True)
def fresh_graph() -> None:
    tf.reset_default_graph()


def run(fetches: Any, feeds: Any = None) -> Any:
    return tf.Session().run(fetches, feeds)


def names() -> list[str]:
    return [op.name for op in tf.get_default_graph().get_operations()]


@pytest.mark.parametrize(
    "name",
    """abs accumulate_n acos acosh add add_n asin asinh atan atan2 atanh betainc ceil cos cosh
    count_nonzero digamma erf erfc exp expm1 floor floordiv floormod igamma igammac is_finite is_inf
    is_nan is_non_decreasing is_strictly_increasing lbeta lgamma log log1p log_sigmoid maximum
    minimum mod multiply negative polygamma pow reciprocal reduce_all reduce_any reduce_logsumexp
    reduce_max reduce_mean reduce_min reduce_prod reduce_sum rint round rsqrt scalar_mul sigmoid
    sign sin sinh sqrt square squared_difference subtract tan tanh truediv zeta""".split(),  # noqa: SIM905
)
def test_stands_at_both_places(name: str) -> None:
    assert getattr(tf, name) is getattr(tf.math, name)


def test_stands_in_math_alone() -> None:
    for name in """bessel_i0 bessel_i0e bessel_i1 bessel_i1e divide_no_nan erfcinv erfinv
                   multiply_no_nan ndtri nextafter polyval reciprocal_no_nan reduce_euclidean_norm
                   reduce_std reduce_variance xdivy xlog1py xlogy zero_fraction""".split():  # noqa: SIM905
        assert callable(getattr(tf.math, name))
    assert tf.math.divide_no_nan is tf.div_no_nan
    assert tf.debugging.is_strictly_increasing is tf.is_strictly_increasing


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda x: tf.lgamma(x), "Lgamma"),
        (lambda x: tf.log_sigmoid(x), "LogSigmoid"),
        (lambda x: tf.math.xlogy(x, 2.0), "Xlogy"),
        (lambda x: tf.math.reciprocal_no_nan(x), "reciprocal_no_nan"),
        (lambda x: tf.math.multiply_no_nan(x, 2.0), "multiply_no_nan"),
        (lambda x: tf.scalar_mul(2.0, x), "Mul"),
        (lambda x: tf.lbeta(x), "lbeta/sub"),
        (lambda x: tf.math.polyval([x, x], 2.0), "polyval/add"),
        (lambda x: tf.clip_by_norm(x, 1.0), "clip_by_norm"),
        (lambda x: tf.clip_by_average_norm(x, 1.0), "clip_by_average_norm"),
        (lambda x: tf.global_norm([x]), "global_norm/global_norm"),
        (lambda x: tf.clip_by_global_norm([x, None, x], 1.0)[0][2],
         "clip_by_global_norm/clip_by_global_norm/_2"),
        (lambda x: tf.count_nonzero(x), "count_nonzero/Sum"),
        (lambda x: tf.count_nonzero(x, dtype=tf.int32), "count_nonzero/Cast_1"),
        (lambda x: tf.math.reduce_std(x), "reduce_std/Sqrt"),
        (lambda x: tf.math.reduce_variance(x), "reduce_variance/Mean_1"),
        (lambda x: tf.math.reduce_euclidean_norm(x), "EuclideanNorm"),
        (lambda x: tf.math.is_non_decreasing(x), "is_non_decreasing/All"),
        (lambda x: tf.math.zero_fraction(x), "zero_fraction/fraction"),
        (lambda x: tf.where_v2(x > 0, x, 0.0), "SelectV2"),
        (lambda x: tf.where(x > 0, x, x), "Select"),
        (lambda x: tf.where(x > 0), "Where"),
        (lambda x: tf.arg_max(x, 0), "ArgMax"),
    ],
)  # fmt: skip
def test_results_are_named_as_in_tensorflow(make: Any, name: str) -> None:
    assert make(tf.constant([1.0, 2.0])).op.name == name


# ---------------------------------------------------------------------------------------- clipping


def test_clip_by_norm() -> None:
    for given_, limit, expected in (
        ([0.0, 0.0], 1.0, [0, 0]),
        ([3.0, 4.0], 10.0, [3, 4]),
        ([3.0, 4.0], 1.0, [0.6, 0.8]),
        ([INF, 1.0], 1.0, [NAN, 0]),
    ):
        np.testing.assert_allclose(run(tf.clip_by_norm(given_, limit)), expected, 1e-6)
    rows = run(tf.clip_by_norm([[3.0, 4.0], [0.3, 0.4]], 1.0, axes=[1]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.3, 0.4]], 1e-6)
    x = tf.constant([3.0, 4.0])
    slope = run(tf.gradients(tf.clip_by_norm(x, 1.0), x)[0])
    np.testing.assert_allclose(slope, [0.032, -0.024], 1e-4)
    zero = tf.constant([0.0, 0.0])
    assert np.isfinite(run(tf.gradients(tf.clip_by_norm(zero, 1.0), zero)[0])).all()


def test_clip_by_global_norm() -> None:
    t = [tf.constant([3.0, 4.0]), None, tf.constant(12.0)]
    clipped, norm = tf.clip_by_global_norm(t, 6.5)
    assert clipped[1] is None
    assert run(norm) == 13
    np.testing.assert_allclose(run(clipped[0]), [1.5, 2.0], 1e-6)
    assert np.isnan(run(tf.clip_by_global_norm([tf.constant([INF, 1.0])], 1.0)[0][0])).all()
    assert run(tf.clip_by_global_norm([tf.constant([0.0])], 1.0)[0][0]).tolist() == [0]
    half, given_norm = tf.clip_by_global_norm(t, 1.0, use_norm=tf.constant(2.0))
    np.testing.assert_allclose(run(half[0]), [1.5, 2.0])
    assert run(given_norm) == 2
    with pytest.raises(TypeError, match="list"):
        tf.clip_by_global_norm(tf.constant([1.0]), 1.0)


def test_sparse_slices_are_clipped() -> None:
    table = tf.get_variable("table", [4, 2], initializer=tf.ones_initializer())
    slices = tf.gradients(tf.reduce_sum(tf.gather(table, [1, 3]) * 3.0), table)[0]
    assert isinstance(slices, tf.IndexedSlices)
    (clipped,), norm = tf.clip_by_global_norm([slices], 1.0)
    assert isinstance(clipped, tf.IndexedSlices)
    assert run(norm) == 6
    np.testing.assert_allclose(run(clipped.values), np.full((2, 2), 0.5))
    np.testing.assert_allclose(run(tf.clip_by_norm(slices, 3.0).values), np.full((2, 2), 1.5))
    assert run(tf.scalar_mul(2.0, slices).values).tolist() == [[6, 6], [6, 6]]


# ------------------------------------------------------------------------------------------- where


def test_where_broadcasts_in_version_two_only() -> None:
    flags = tf.constant([[True], [False]])
    assert run(tf.where_v2(flags, [1.0, 2.0], 0.0)).tolist() == [[1, 2], [0, 0]]
    assert tf.where_v2(tf.placeholder(tf.bool, [None, 1]), tf.zeros([3]), 0.0).shape.as_list() == [
        None, 3,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="one shape"):
        tf.where(flags, [1.0, 2.0], 0.0)
    with pytest.raises(ValueError, match="both x and y"):
        tf.where_v2(flags, 1.0)
    rows = run(tf.where([True, False], [[1, 2], [3, 4]], [[5, 6], [7, 8]]))
    assert rows.tolist() == [[1, 2], [7, 8]]
    assert run(tf.where([[0, 3], [4, 0]])).tolist() == [[0, 1], [1, 0]]


def test_the_branch_not_taken_gets_exact_zeros() -> None:
    x = tf.constant([-1.0, 4.0])
    for choose in (tf.where, tf.where_v2):
        root = tf.sqrt(x)
        y = choose(x > 0, root, tf.zeros_like(x))
        to_root, to_x = tf.gradients(y, [root, x])
        assert run(to_root).tolist() == [0, 1]
        # the 0 meets the infinite or NaN slope of the user's own square root
        np.testing.assert_array_equal(run(to_x), [NAN, 0.25])


# ---------------------------------------------------------------------------------------- integers


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_shifts_stop_at_the_width(dtype: str) -> None:
    width = 8 * np.dtype(dtype).itemsize
    counts = [0, 1, width - 1, width, width + 5] + ([-1] if dtype[0] == "i" else [])
    x, y = np.full(len(counts), 3, dtype), np.array(counts, dtype)
    stopped = np.clip(counts, 0, width - 1).astype(dtype)
    assert run(tf.bitwise.left_shift(x, y)).tolist() == np.left_shift(x, stopped).tolist()
    assert run(tf.bitwise.right_shift(x, y)).tolist() == np.right_shift(x, stopped).tolist()
    if dtype[0] == "i":
        assert run(tf.bitwise.right_shift(-x, y)).tolist() == np.right_shift(-x, stopped).tolist()


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(np.int32, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)),
    st.sampled_from(["bitwise_and", "bitwise_or", "bitwise_xor"]),
)
def test_bitwise_on_any_shape(x: np.ndarray, name: str) -> None:
    tf.reset_default_graph()
    y = tf.placeholder(tf.int32)
    assert np.array_equal(
        run(getattr(tf.bitwise, name)(x, y), {y: np.int32(0x0F0F)}), getattr(np, name)(x, 0x0F0F)
    )


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_integer_arithmetic_of_every_width(dtype: str) -> None:
    """Sums and products wrap; divisions and comparisons are those of the dtype."""
    limits = np.iinfo(dtype)
    x = np.array([limits.max, limits.min, 7, 100, 0], dtype)
    y = np.array([limits.max, 3, 2, 99, 5], dtype)
    with np.errstate(over="ignore"):
        expected = {
            tf.add: x + y, tf.subtract: x - y, tf.multiply: x * y, tf.floordiv: x // y,
            tf.floormod: x % y, tf.maximum: np.maximum(x, y), tf.minimum: np.minimum(x, y),
            tf.less: x < y, tf.greater_equal: x >= y, tf.equal: x == y, tf.square: None,
        }  # fmt: skip
    a, b = tf.placeholder(dtype, [None]), tf.placeholder(dtype, [None])
    for function, values in expected.items():
        if values is not None:
            got = run(function(a, b), {a: x, b: y})
            assert got.dtype == values.dtype
            assert got.tolist() == values.tolist(), (function.__name__, dtype)
    folded = [tf.reduce_sum(a), tf.reduce_max(a), tf.reduce_min(a), tf.reduce_prod(b)]
    got = run(folded, {a: x, b: y})
    with np.errstate(over="ignore"):
        assert [v.item() for v in got] == [
            x.sum(dtype=dtype).item(), x.max().item(), x.min().item(), y.prod(dtype=dtype).item(),
        ]  # fmt: skip


# ------------------------------------------------------------------------------- other functions


def test_counts_and_spread() -> None:
    assert run(tf.count_nonzero([["a", ""], ["", ""]])) == 1
    assert run(tf.count_nonzero([True, False, True])) == 2
    rows = tf.count_nonzero([[0, 1], [2, 3]], reduction_indices=1, keep_dims=True)
    assert run(rows).tolist() == [[1], [2]]
    assert run(tf.count_nonzero(input=[0.0, NAN])) == 1
    with pytest.raises(ValueError, match="axis"):
        tf.count_nonzero([1], axis=0, reduction_indices=0)
    with pytest.raises(TypeError, match="int32"):
        tf.math.reduce_variance([1, 2, 3])
    x = np.random.default_rng(0).normal(2, 3, (4, 5)).astype(np.float32)
    np.testing.assert_allclose(run(tf.math.reduce_std(x, 1, True)), x.std(1, keepdims=True), 1e-5)
    assert run(tf.math.reduce_euclidean_norm([3, 5])) == 5
    assert np.isnan(run(tf.math.zero_fraction(np.zeros(0, np.float32))))


def test_order_of_neighbours() -> None:
    for values, non_decreasing, increasing in (
        ([], True, True), ([1], True, True), ([1, 1], True, False), ([2, 1], False, False),
        ([[1, 2], [3, 4]], True, True), ([-(2**31), 2**31 - 1], True, True),
    ):  # fmt: skip
        x = np.array(values, np.int32)
        assert run(tf.is_non_decreasing(x)) == non_decreasing
        assert run(tf.is_strictly_increasing(x)) == increasing


def test_sums_of_many() -> None:
    assert run(tf.accumulate_n([[1, 2], [3, 4]], shape=[2])).tolist() == [4, 6]
    with pytest.raises(ValueError, match="at least one"):
        tf.accumulate_n([])
    with pytest.raises(ValueError):
        tf.accumulate_n([[1, 2], [3]])
    with pytest.raises(TypeError, match="tensor_dtype"):
        tf.accumulate_n([[1]], tensor_dtype=tf.float32)
    with pytest.raises(ValueError, match="rank 0"):
        tf.scalar_mul([1.0], [2.0])
    with pytest.raises(ValueError, match="list"):
        tf.math.polyval(tf.constant([1.0]), 2.0)
    assert run(tf.math.polyval([], [1.0, 2.0])).tolist() == [0, 0]
    assert run(tf.math.polyval([2.0, -1.0, 3.0], [0.0, 2.0])).tolist() == [3, 9]


def test_gradients_that_tensorflow_leaves_out() -> None:
    a, b, x = tf.constant(1.5), tf.constant(2.0), tf.constant(0.3)
    assert tf.gradients(tf.betainc(a, b, x), [a, b]) == [None, None]
    assert tf.gradients(tf.zeta(b, a), b) == [None]
    assert tf.gradients(tf.polygamma(b, a), b) == [None]
    assert run(tf.gradients(tf.betainc(a, b, x), x)[0]) == pytest.approx(1.4377717, rel=1e-5)
    one = tf.constant(1.0)
    slopes = run(tf.gradients(tf.igamma(a, one), [a, one]))
    assert slopes == pytest.approx([-0.3746900025, 0.4151074974], rel=1e-5)
    with pytest.raises(LookupError, match="second derivative"):
        tf.gradients(tf.gradients(tf.igamma(a, b), a)[0], a)


def test_products_that_forgive_a_zero() -> None:
    x, y = tf.constant([0.0, 0.0, 2.0]), tf.constant([0.0, NAN, 3.0])
    np.testing.assert_allclose(run(tf.math.xlogy(x, y)), [0, 0, 2 * np.log(3)], 1e-6)
    np.testing.assert_allclose(run(tf.math.xdivy(x, y)), [0, 0, 2 / 3], 1e-6)
    dx, dy = run(tf.gradients(tf.math.xlogy(x, y), [x, y]))
    np.testing.assert_allclose(dx, [0, 0, np.log(3)], 1e-6)
    np.testing.assert_allclose(dy, [0, 0, 2 / 3], 1e-6)
    p, q = tf.constant([1.0, INF]), tf.constant([0.0, 0.0])
    dp, dq = run(tf.gradients(tf.math.multiply_no_nan(p, q), [p, q]))
    assert dp.tolist() == [0, 0]
    assert dq.tolist() == [1, INF]


def test_second_derivative_of_a_product_with_zeros() -> None:
    """d2/dx0 dx1 of x0 x1 x2 is x2, also where x0 and x1 are 0."""
    x = tf.constant([0.0, 0.0, 5.0])
    first = tf.gradients(tf.reduce_prod(x), x)[0]
    assert run(first).tolist() == [0, 0, 0]
    assert run(tf.gradients(first[0], x)[0]).tolist() == [0, 5, 0]


def test_special_functions_of_unknown_shapes() -> None:
    x = tf.placeholder(tf.float32)
    y = tf.igamma(x, tf.constant([1.0, 2.0]))
    assert y.shape.dims is None
    assert run(y, {x: [[1.0], [2.0]]}).shape == (2, 2)
    b = tf.betainc(x, 2.0, 0.5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one shape"):
        run(tf.betainc(x, [1.0, 2.0], 0.5), {x: [1.0, 2.0, 3.0]})
    assert run(b, {x: [1.0, 2.0]}).shape == (2,)
