"""Batch normalisation, local response normalisation and moments: what samples cannot show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf


def run(value, feeds=None):
    return tf.Session().run(value, feeds)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3, st.integers(1, 40)),
    first=st.booleans(),
    far=st.sampled_from([0.0, 1000.0]),
)
def test_batch_norm_of_any_shape(shape, first, far):
    rng = np.random.default_rng(sum(shape))
    x = (rng.normal(size=shape) + far).astype(np.float32)
    scale, offset = rng.uniform(0.5, 2, (2, shape[-1])).astype(np.float32)
    with tf.Graph().as_default():
        image = np.moveaxis(x, -1, 1) if first else x
        y, mean, variance = tf.nn.fused_batch_norm(
            image, scale, offset, data_format="NCHW" if first else "NHWC"
        )
        y, mean, variance = run([y, mean, variance])
    rows = x.reshape(-1, shape[-1]).astype(np.float64)
    count = len(rows)
    normal = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 0.001) * scale + offset
    wanted = normal.reshape(shape)
    np.testing.assert_allclose(
        np.moveaxis(y, 1, -1) if first else y, wanted, 1e-3 if far else 1e-4, 1e-2 if far else 1e-5
    )
    np.testing.assert_allclose(mean, rows.mean(0), 1e-5, 1e-6)
    np.testing.assert_allclose(variance, rows.var(0) * count / max(count - 1, 1), 1e-4, 1e-6)


def test_fused_batch_norm_reports_the_unbiased_variance():
    y, mean, variance = tf.nn.fused_batch_norm([[[[1.0], [3.0]]]], [1.0], [0.0])
    assert run([mean, variance]) == [2.0, 2.0]
    assert y.op.type == "FusedBatchNormV3"
    assert y.name == "FusedBatchNormV3:0"


def test_fused_batch_norm_of_half_has_float32_statistics():
    x = np.ones((1, 2, 2, 3), np.float16)
    y, mean, variance = tf.nn.fused_batch_norm(x, np.ones(3), np.zeros(3))
    assert [t.dtype for t in (y, mean, variance)] == [tf.float16, tf.float32, tf.float32]
    assert run(mean).tolist() == [1, 1, 1]


def test_fused_batch_norm_wants_statistics_when_not_training():
    with pytest.raises(ValueError, match="must be given"):
        tf.nn.fused_batch_norm(np.ones((1, 1, 1, 1), np.float32), [1.0], [0.0], is_training=False)
    with pytest.raises(ValueError, match="must be None"):
        tf.nn.fused_batch_norm(np.ones((1, 1, 1, 1), np.float32), [1.0], [0.0], [1.0], [1.0])


def test_batch_normalization_has_tensorflows_names():
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    y = tf.nn.batch_normalization(x, [0.0] * 3, [1.0] * 3, [0.5] * 3, [2.0] * 3, 1e-3)
    assert y.name == "batchnorm/add_1:0"
    np.testing.assert_allclose(run(y, {x: np.ones((2, 3))}), 2 / np.sqrt(1.001) + 0.5, 1e-6)
    same = tf.nn.batch_norm_with_global_normalization(
        x, [0.0] * 3, [1.0] * 3, [0.5] * 3, [2.0] * 3, 1e-3, True
    )
    np.testing.assert_array_equal(*run([same, y], {x: np.ones((2, 3))}))


def test_gradients_reach_the_statistics_of_a_batch():
    x = tf.constant(np.arange(6, dtype=np.float32).reshape(1, 3, 1, 2))
    _, mean, _ = tf.nn.fused_batch_norm(x, [1.0, 1.0], [0.0, 0.0])
    np.testing.assert_allclose(run(tf.gradients(mean, x)[0]), np.full((1, 3, 1, 2), 1 / 3), 1e-6)


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 9), radius=st.integers(0, 6), seed=st.integers(0, 99))
def test_local_response_normalization(channels, radius, seed):
    x = np.random.default_rng(seed).normal(size=(2, 1, 2, channels)).astype(np.float32)
    with tf.Graph().as_default():
        y = run(tf.nn.local_response_normalization(x, radius, 2.0, 0.25, 0.75))
    wanted = np.empty_like(x)
    for c in range(channels):
        near = x[..., max(c - radius, 0) : c + radius + 1]
        wanted[..., c] = x[..., c] / (2 + 0.25 * (near**2).sum(-1)) ** 0.75
    np.testing.assert_allclose(y, wanted, 2e-5, 1e-6)


@pytest.mark.parametrize("shift", [None, 5.0])
@pytest.mark.parametrize("keep", [False, True])
def test_moments_in_two_steps(shift, keep):
    x = np.random.default_rng(0).normal(5, 2, (4, 3, 2)).astype(np.float32)
    parts = tf.nn.sufficient_statistics(x, [0, -1], shift=shift, keepdims=keep)
    assert (parts[3] is None) == (shift is None)
    assert parts[0].name == "sufficient_statistics/count:0"
    mean, variance = run(tf.nn.normalize_moments(*parts))
    np.testing.assert_allclose(mean, x.mean((0, 2), keepdims=keep), 1e-5)
    np.testing.assert_allclose(variance, x.var((0, 2), keepdims=keep), 1e-3)


def test_sufficient_statistics_of_unknown_sizes():
    x = tf.placeholder(tf.float32, [None, 3])
    count, total, _, _ = tf.nn.sufficient_statistics(x, [0])
    assert total.shape == [3]
    assert run([count, total], {x: np.ones((4, 3))})[0] == 4


def test_weighted_moments_are_those_of_repeated_elements():
    x = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    mean, variance = run(tf.nn.weighted_moments(x, [0], [[1.0], [2.0], [1.0]]))
    repeated = x[[0, 1, 1, 2]]
    np.testing.assert_allclose(mean, repeated.mean(0), 1e-5, 1e-6)
    np.testing.assert_allclose(variance, repeated.var(0), 1e-5, 1e-6)
    kept, _ = tf.nn.weighted_moments(x, [0, 1], 2, keep_dims=True)
    assert kept.shape == [1, 1]
