"""tf.math.special against mpmath; fake quantisation, Sobol points, counting as in TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def fresh_graph() -> None:
    tf.reset_default_graph()


def run(fetches: Any) -> Any:
    return tf.Session().run(fetches)


ORACLES: dict[str, Callable[[Any], Any]] = {
    "bessel_i0": lambda x: mpmath.besseli(0, x),
    "bessel_i0e": lambda x: mpmath.besseli(0, x) * mpmath.exp(-x),
    "bessel_i1": lambda x: mpmath.besseli(1, x),
    "bessel_i1e": lambda x: mpmath.besseli(1, x) * mpmath.exp(-x),
    "bessel_j0": lambda x: mpmath.besselj(0, x),
    "bessel_j1": lambda x: mpmath.besselj(1, x),
    "bessel_k0": lambda x: mpmath.besselk(0, x),
    "bessel_k0e": lambda x: mpmath.besselk(0, x) * mpmath.exp(x),
    "bessel_k1": lambda x: mpmath.besselk(1, x),
    "bessel_k1e": lambda x: mpmath.besselk(1, x) * mpmath.exp(x),
    "bessel_y0": lambda x: mpmath.bessely(0, x),
    "bessel_y1": lambda x: mpmath.bessely(1, x),
    "dawsn": lambda x: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x),
    "expint": mpmath.ei,
    "fresnel_cos": mpmath.fresnelc,
    "fresnel_sin": mpmath.fresnels,
    "spence": lambda x: mpmath.re(mpmath.polylog(2, 1 - x)),
}
POINTS = np.array([1e-9, 1e-3, 0.3, 0.5, 1, 1.5, 2, 3.99, 4.01, 9.7, 24.9, 25, 25.1, 39, 41, 300])


@pytest.mark.parametrize("name", ORACLES)
def test_special_functions_are_mpmaths(name: str) -> None:
    got = run(getattr(tf.math.special, name)(tf.constant(POINTS)))
    with mpmath.workdps(40):
        expected = [float(ORACLES[name](mpmath.mpf(x))) for x in POINTS.tolist()]
    np.testing.assert_allclose(got, expected, 4e-15, 2e-15)


def test_values_at_the_edges_are_tensorflows() -> None:
    x = tf.constant([-1.0, 0.0, np.inf, np.nan], tf.float64)
    inf, nan = np.inf, np.nan
    for name, expected in (
        ("bessel_y0", [-inf, -inf, nan, nan]), ("bessel_k0", [inf, inf, 0, nan]),
        ("bessel_k1e", [inf, inf, 0, nan]), ("expint", [nan, -inf, nan, nan]),
        ("spence", [nan, np.pi**2 / 6, nan, nan]), ("dawsn", [-0.5380795069127684, 0, 0, nan]),
        ("fresnel_sin", [-0.4382591473903547, 0, 0.5, nan]),
        ("bessel_j1", [-0.44005058574493355, 0, nan, nan]),
    ):  # fmt: skip
        np.testing.assert_allclose(run(getattr(tf.math.special, name)(x)), expected, 1e-15)
    slopes = [(tf.math.special.bessel_j1, 0.0, 0.5), (tf.math.special.spence, 1.0, -1.0)]
    for function, at, expected in slopes:
        point = tf.constant(at)
        assert run(tf.gradients(function(point), point)[0]) == expected


X = np.array([-10, -6, -5.99, -0.03, 0, 0.01, 0.024, 0.5, 5.9, 6, 7], np.float32)


@pytest.mark.parametrize(
    ("given", "expected", "slope"),
    [
        ({"min": 0.0, "max": 6.0}, [0, 0, 0, 0, 0, 0, 1, 21, 251, 255, 255], "00001111110"),
        ({"min": 1.0, "max": 6.0}, [0, 0, 0, 0, 0, 1, 1, 26, 255, 255, 255], "00001111000"),
        ({"num_bits": 4}, [-8, -7, -7, 0, 0, 0, 0, 1, 7, 7, 7], "01111111000"),
        ({"narrow_range": True}, [-127, -127, -127, -1, 0, 0, 1, 11, 125, 127, 127],
         "01111111110"),
    ],
)  # fmt: skip
def test_levels_of_fake_quantisation(given: Any, expected: list[int], slope: str) -> None:
    x = tf.constant(X)
    y = tf.fake_quant_with_min_max_args(x, **given)
    low, high = given.get("min", -6.0), given.get("max", 6.0)
    scale = (high - low) / (2 ** given.get("num_bits", 8) - 1 - given.get("narrow_range", 0))
    np.testing.assert_allclose(run(y), np.array(expected) * scale, 1e-5)
    assert run(tf.gradients(y, x)[0]).tolist() == [float(digit) for digit in slope]


def test_fake_quantisation_trains_its_range() -> None:
    x, low, high = tf.constant(X), tf.constant(-1.0), tf.constant(2.0)
    y = tf.fake_quant_with_min_max_vars(x, low, high)
    dx, to_low, to_high = run(tf.gradients(y, [x, low, high]))
    assert (dx.sum(), to_low, to_high) == (5, 3, 3)
    z = tf.constant(np.stack([X[:5], X[5:10]], 1))
    low, high = tf.constant([-1.0, -2.0]), tf.constant([1.0, 3.0])
    y = tf.fake_quant_with_min_max_vars_per_channel(z, low, high)
    dz, to_low, to_high = run(tf.gradients(y, [z, low, high]))
    assert (dz.sum(0).tolist(), to_low.tolist(), to_high.tolist()) == ([2, 3], [3, 0], [0, 2])
    assert run(tf.fake_quant_with_min_max_vars(x, 0.0, 0.0)).tolist() == [0] * len(X)
    assert run(tf.fake_quant_with_min_max_args_gradient([1.0, 2.0, 3.0], [-7.0, 0.0, 7.0])).tolist(
    ) == [0, 2, 0]  # fmt: skip
    parts = tf.fake_quant_with_min_max_vars_gradient([1.0, 2, 3, 4], [-7.0, 0, 7, 1], -6.0, 6.0)
    assert [np.asarray(v).tolist() for v in run(parts)] == [[0, 2, 0, 4], 1, 3]
    rows = tf.fake_quant_with_min_max_vars_per_channel_gradient(
        [[1.0, 2], [3, 4]], [[-7.0, 0], [7, 1]], [-6.0, -1], [6.0, 0.5]
    )
    assert [v.tolist() for v in run(rows)] == [[[0, 2], [0, 0]], [1, 0], [3, 4]]


def test_sobols_points() -> None:
    points = tf.math.sobol_sample(2, 3, skip=4, dtype=tf.float64)
    assert run(points).tolist() == [[0.875, 0.875], [0.625, 0.125], [0.125, 0.625]]
    assert (points.op.name, points.shape.as_list()) == ("sobol/SobolSample", [3, 2])
    grid = run(tf.math.sobol_sample(40, 63, dtype=tf.float64))
    # 64 points with the origin: each axis has one in every 64th
    for axis in range(40):
        assert sorted(np.floor(grid[:, axis] * 64).astype(int)) == list(range(1, 64))


def test_counting_stops_at_the_limit() -> None:
    v = tf.Variable(np.int64(1))
    count = tf.count_up_to(v, 3)
    assert (count.op.name, count.dtype.name, count.shape.as_list()) == ("CountUpTo", "int64", [])
    session = tf.Session()
    session.run(v.initializer)
    assert [session.run(count) for _ in range(2)] == [1, 2]
    with pytest.raises(tf.errors.OutOfRangeError, match="limit of 3"):
        session.run(count)
    assert session.run(v) == 3
    with pytest.raises(TypeError, match="float32"):
        tf.count_up_to(tf.Variable(1.0), 3)
