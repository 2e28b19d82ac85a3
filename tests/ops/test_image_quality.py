"""Total variation, gradients of images, PSNR and SSIM."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import flowgraph as tf

RNG = np.random.default_rng(4)
A = RNG.uniform(0, 1, (2, 19, 23, 3)).astype(np.float32)
B = np.clip(A + RNG.normal(0, 0.1, A.shape), 0, 1).astype(np.float32)


def run(value, feeds=None):
    return tf.Session().run(value, feeds)


def test_total_variation():
    wanted = np.abs(np.diff(A, axis=1)).sum((1, 2, 3)) + np.abs(np.diff(A, axis=2)).sum((1, 2, 3))
    np.testing.assert_allclose(run(tf.image.total_variation(A)), wanted, 1e-5)
    assert tf.image.total_variation(A[0]).shape == []
    p = tf.placeholder(tf.float32, [None] * 4)
    np.testing.assert_allclose(run(tf.image.total_variation(p), {p: A}), wanted, 1e-5)
    with pytest.raises(ValueError, match="3 or 4"):
        tf.image.total_variation(A[0, 0])


def test_image_gradients():
    dy, dx = tf.image.image_gradients(A)
    assert dy.shape == dx.shape == A.shape
    dy, dx = run([dy, dx])
    np.testing.assert_allclose(dy[:, :-1], np.diff(A, axis=1))
    np.testing.assert_allclose(dx[:, :, :-1], np.diff(A, axis=2))
    assert not dy[:, -1].any()
    assert not dx[:, :, -1].any()


def test_sobel_edges_are_scipys():
    y = run(tf.image.sobel_edges(A))
    for k, axis in enumerate((1, 2)):
        smooth = ndimage.correlate1d(A, [1, 2, 1], 3 - axis, mode="mirror")
        wanted = ndimage.correlate1d(smooth, [-1, 0, 1], axis, mode="mirror")
        np.testing.assert_allclose(y[..., k], wanted, 1e-4, 1e-5)


def test_psnr():
    wanted = -10 * np.log10(((A - B) ** 2).mean((1, 2, 3)))
    y = tf.image.psnr(A, B, 1.0)
    np.testing.assert_allclose(run(y), wanted, 1e-5)
    assert run(tf.image.psnr(A, A, 1.0)).tolist() == [np.inf, np.inf]
    bytes_ = run(tf.image.psnr((A * 255).astype(np.uint8), (B * 255).astype(np.uint8), 255))
    np.testing.assert_allclose(bytes_, wanted, 1e-2)
    with pytest.raises(ValueError, match="differ"):
        tf.image.psnr(A, B[:, :3], 1.0)


def _ssim(a, b, size, sigma, k1, k2):
    """By definition, window by window."""
    place = np.arange(size) - (size - 1) / 2
    w = np.exp(-(place**2) / (2 * sigma**2))
    w = np.outer(w, w) / np.outer(w, w).sum()

    def average(x):
        view = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
        return np.einsum("nijcab,ab->nijc", view, w)

    a, b = a.astype(np.float64), b.astype(np.float64)
    ma, mb = average(a), average(b)
    va, vb = average(a * a) - ma**2, average(b * b) - mb**2
    cov = average(a * b) - ma * mb
    light = (2 * ma * mb + k1**2) / (ma**2 + mb**2 + k1**2)
    return (light * (2 * cov + k2**2) / (va + vb + k2**2)).mean((1, 2, 3))


def test_ssim_is_its_definition():
    got = run(tf.image.ssim(A, B, 1.0))
    np.testing.assert_allclose(got, _ssim(A, B, 11, 1.5, 0.01, 0.03), 1e-4)
    got = run(tf.image.ssim(A, B, 1.0, 5, 1.0, 0.02, 0.05))
    np.testing.assert_allclose(got, _ssim(A, B, 5, 1.0, 0.02, 0.05), 1e-4)
    np.testing.assert_allclose(run(tf.image.ssim(A, A, 1.0)), [1, 1], 1e-6)
    p = tf.placeholder(tf.float32, [None] * 4)
    later = run(tf.image.ssim(p, B, 1.0), {p: A})
    np.testing.assert_allclose(later, run(tf.image.ssim(A, B, 1.0)), 1e-6)
    with pytest.raises(ValueError, match="smaller than the window"):
        tf.image.ssim(A[:, :5], B[:, :5], 1.0)


def test_ssim_multiscale():
    one = tf.image.ssim_multiscale(A, B, 1.0, (1.0,))
    two = tf.image.ssim_multiscale(A, B, 1.0, (0.5, 0.5), 5)
    one, two, plain = run([one, two, tf.image.ssim(A, B, 1.0)])
    np.testing.assert_allclose(one, plain, 1e-5)
    assert ((two > 0) & (two < 1)).all()
    gradient = tf.gradients(tf.image.ssim_multiscale(tf.constant(A), B, 1.0, (0.5, 0.5), 5), [])
    assert gradient == []


def test_ssim_has_a_gradient():
    x = tf.constant(A)
    y = tf.image.ssim(x, B, 1.0)
    assert np.isfinite(run(tf.gradients(y, x)[0])).all()
