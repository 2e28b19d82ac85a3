"""Stateless gamma, Poisson, binomial and truncated normal numbers; seeds from seeds.

Literal expectations are TensorFlow's numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import flowgraph as tf

SEED = [1, 2]


def run(x: Any, feeds: Any = None) -> Any:
    return tf.Session().run(x, feeds)


def test_gamma_numbers_are_tensorflows() -> None:
    expected = [2.8172736, 1.9241365, 3.3360066, 2.2182806]
    np.testing.assert_allclose(run(tf.random.stateless_gamma([4], SEED, 2.0)), expected, rtol=1e-6)
    both = run(tf.random.stateless_gamma([3, 2], SEED, [0.5, 2.0], beta=3.0))
    expected = [[0.02231787, 0.73942685], [0.20941181, 0.7539975], [0.06045577, 0.4983565]]
    np.testing.assert_allclose(both, expected, rtol=1e-5)
    many = run(tf.random.stateless_gamma([300], SEED, 0.3)[-3:])
    np.testing.assert_allclose(many, [0.00019997, 0.09942944, 0.00776259], rtol=1e-4)


def test_poisson_numbers_are_tensorflows() -> None:
    assert run(tf.random.stateless_poisson([6], SEED, 3.0)).tolist() == [5, 5, 4, 6, 3, 6]
    both = run(tf.random.stateless_poisson([5, 2], SEED, [3.0, 50.0], dtype=tf.float32))
    assert both.tolist() == [[5, 56], [5, 50], [4, 49], [6, 41], [3, 53]]
    many = run(tf.random.stateless_poisson([600], SEED, 30.0)[-5:])
    assert many.tolist() == [20, 30, 41, 32, 11]


def test_binomial_numbers() -> None:
    both = run(tf.random.stateless_binomial([5, 2], SEED, [10.0, 100.0], [0.3, 0.7]))
    assert both[:, 1].tolist() == [66, 70, 70, 76, 68]  # TensorFlow's
    many = run(tf.random.stateless_binomial([600], SEED, 50.0, 0.4)[-6:])
    assert many.tolist() == [20, 15, 20, 27, 21, 9]
    wide = tf.random.stateless_binomial([5], SEED, counts=40.0, probs=0.5, output_dtype=tf.float64)
    assert wide.dtype is tf.float64
    assert run(wide).tolist() == [24, 22, 25, 28, 17]


@pytest.mark.parametrize(("n", "p"), [(10, 0.3), (40, 0.01), (7, 0.9), (200, 0.35), (1000, 0.98)])
def test_binomial_numbers_follow_the_distribution(n: int, p: float) -> None:
    numbers = run(tf.random.stateless_binomial([5000], [3, 4], float(n), p))
    oracle = stats.binom(n, p)
    low, high = int(oracle.ppf(0.02)), int(oracle.ppf(0.98))
    edges = np.arange(low, high + 1)
    expected = np.concatenate([[oracle.cdf(low)], oracle.pmf(edges[1:-1]), [oracle.sf(high - 1)]])
    counts = np.bincount(np.clip(numbers, low, high) - low, minlength=len(edges))
    assert stats.chisquare(counts, expected * 5000 / expected.sum()).pvalue > 1e-3
    assert run(tf.random.stateless_binomial([3], SEED, 9.0, [0.0, 1.0, 0.0])).tolist() == [0, 9, 0]


@settings(deadline=None, max_examples=12)
@given(
    st.floats(-3, 3), st.floats(0.2, 4), st.floats(-6, 6), st.floats(0.1, 8), st.integers(0, 99)
)
def test_truncated_normals(mean: float, stddev: float, low: float, width: float, seed: int) -> None:
    high = low + width
    args = [tf.constant(v, tf.float64) for v in (mean, stddev, low, high)]
    numbers = run(tf.random.stateless_parameterized_truncated_normal([2000], [seed, 1], *args))
    assert numbers.min() >= low
    assert numbers.max() <= high
    oracle = stats.truncnorm((low - mean) / stddev, (high - mean) / stddev, mean, stddev)
    assert stats.kstest(oracle.cdf(numbers), "uniform").pvalue > 1e-5


def test_truncated_normals_have_gradients_and_bounds() -> None:
    mean = tf.constant([0.0, 1.0])
    y = tf.random.stateless_parameterized_truncated_normal([5, 2], SEED, mean, [1.0, 2.0])
    assert y.shape.as_list() == [5, 2]
    slope = run(tf.gradients(tf.reduce_sum(y), mean)[0])
    assert (slope > 0).all()
    assert (slope < 5).all()
    far = run(tf.random.stateless_parameterized_truncated_normal([9], SEED, 0.0, 1.0, 5.0, np.inf))
    assert (far >= 5).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match="minvals must be below maxvals"):
        run(tf.random.stateless_parameterized_truncated_normal([4], SEED, 0.0, 1.0, 6.0, 5.0))


def test_parameters_that_are_none() -> None:
    """TensorFlow hangs on some of them."""
    wrong = [-1.0, np.nan, np.inf]
    y = run(tf.random.stateless_gamma([2, 3], SEED, wrong))
    assert np.isnan(y).all(), y
    y = run(tf.random.stateless_poisson([2, 3], SEED, wrong, dtype=tf.float32))
    assert np.isnan(y[:, 1:]).all()
    assert (run(tf.random.stateless_poisson([2, 3], SEED, wrong)) == [0, -1, -1]).all()
    assert (run(tf.random.stateless_binomial([2, 3], SEED, wrong, 0.5)) == -1).all()
    assert (run(tf.random.stateless_binomial([2, 2], SEED, 9.0, [1.5, np.nan])) == -1).all()


def test_seeds_from_seeds_are_tensorflows() -> None:
    expected = [[1105988140, 1738052849], [-335576002, 370444179], [10670227, -246211131]]
    assert run(tf.random.split(SEED, 3)).tolist() == expected
    assert run(tf.random.fold_in(SEED, 7)).tolist() == [1105988140, 7]
    assert tf.random.experimental.stateless_split is tf.random.split
    whole = tf.random.stateless_uniform([3, 2], SEED, minval=None, maxval=None, dtype=tf.int32)
    assert whole.name == "stateless_random_uniform:0"
    assert run(whole).tolist() == expected
    with pytest.raises(ValueError, match="neither philox"):
        tf.random.split(SEED, alg="threefry")


def test_unknown_shapes() -> None:
    shape, rate = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.float32, [None])
    y = tf.random.stateless_poisson(shape, SEED, rate)
    assert run(y, {shape: [5, 2], rate: [3, 50]})[:, 0].tolist() == [5, 5, 4, 6, 3]
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not end in"):
        run(y, {shape: [5, 3], rate: [3, 50]})
