"""Public functions of tf.math as TensorFlow has them: names, dtypes, sparse arguments, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowgraph as tf

REAL = ["float16", "float32", "float64", "int8", "int16", "int32", "int64",
        "uint8", "uint16", "uint32", "uint64"]  # fmt: skip


@pytest.fixture(autouse=True)
def fresh_graph() -> None:
    tf.reset_default_graph()


def run(fetches: Any) -> Any:
    return tf.Session().run(fetches)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: tf.div_no_nan(1.0, 2.0), "div_no_nan"),
        (lambda: tf.math.divide_no_nan(1.0, 2.0, name="foo"), "foo"),
        (lambda: tf.math.multiply_no_nan(1.0, 2.0), "multiply_no_nan"),
        (lambda: tf.math.xlogy(1.0, 2.0), "Xlogy"),
        (lambda: tf.imag([1.0]), "Imag/zeros_like"),
        (lambda: tf.round([1.5]), "Round"),
        (lambda: tf.saturate_cast([1.5], tf.int8), "saturate_cast"),
        (lambda: tf.math.special.dawsn(1.0), "dawsn/Dawsn"),
    ],
)
def test_default_names(make: Callable[[], Any], name: str) -> None:
    assert make().op.name == name


def test_round_gives_integers_back() -> None:
    for dtype in (tf.int8, tf.uint8, tf.int32, tf.uint64):
        x = tf.constant([3, 4], dtype)
        assert tf.round(x) is x


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.real("a"),
        lambda: tf.real(tf.constant([True])),
        lambda: tf.angle(tf.constant([1])),
        lambda: tf.ones_like(tf.constant(["a"])),
        lambda: tf.truediv(tf.constant(1.0), tf.constant(1)),
        lambda: tf.constant(1.0) / tf.constant(1.0, tf.float64),
        lambda: tf.div(tf.constant(1), tf.constant(1, tf.int64)),
    ],
)
def test_type_errors(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        make()


def test_functions_of_sparse_tensors() -> None:
    x = tf.SparseTensor([[0, 1]], [-0.25], [2, 3])
    for function, expected in (
        (tf.abs, 0.25), (tf.negative, 0.25), (tf.sign, -1.0), (tf.square, 0.0625),
        (tf.tanh, np.tanh(-0.25)), (tf.erf, -0.27632639),
        (lambda v: tf.sqrt(tf.abs(v)), 0.5), (lambda v: tf.cast(v * 8, tf.int32), -2),
    ):  # fmt: skip
        y = function(x)
        assert isinstance(y, tf.SparseTensor)
        assert y.shape.as_list() == [2, 3]
        np.testing.assert_allclose(run(y).values, [expected], 1e-6)
    slices = tf.IndexedSlices(tf.constant([[1.5]]), tf.constant([0]))
    assert run(tf.cast(slices, tf.int32).values).tolist() == [[1]]


def test_saturation_between_all_dtypes() -> None:
    names = REAL
    for source in names:
        limits = np.finfo(source) if source.startswith("f") else np.iinfo(source)
        x = np.array([limits.min, 0, 100, limits.max], source)
        for target in names:
            y = run(tf.saturate_cast(x, target))
            low, high = tf.as_dtype(target).min, tf.as_dtype(target).max
            assert y.dtype == target
            for before, after in zip(x.tolist(), y.tolist(), strict=True):
                wanted = min(max(before, np.asarray(low).item()), np.asarray(high).item())
                assert after == pytest.approx(wanted, rel=2e-3), (source, target, before)


def test_all_casts_of_small_numbers() -> None:
    names = [*REAL, "bool", "complex64", "complex128"]
    for source in names:
        x = np.array([0, 1, 100]).astype(source)
        for target in names:
            y = run(tf.cast(x, target))
            assert y.dtype == target
            assert y.tolist() == x.astype(target).tolist(), (source, target)


def test_an_axis_is_reduced_once() -> None:
    x = tf.placeholder(tf.float32, [2, 3])
    with pytest.raises(ValueError, match="name one axis twice"):
        tf.reduce_sum(x, [0, -2])
    axes = tf.placeholder(tf.int32, [2])
    total = tf.reduce_sum(x, axes)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.Session().run(total, {x: np.ones((2, 3)), axes: [1, 1]})


def test_variance_of_complex_numbers_is_real() -> None:
    x = np.array([1 + 2j, 1j, -3], np.complex128)
    assert tf.math.reduce_variance(x).dtype is tf.float64
    np.testing.assert_allclose(run(tf.math.reduce_variance(x)), np.var(x))
    np.testing.assert_allclose(run(tf.math.reduce_std(x)), np.std(x))


def test_bits_of_integers_of_all_widths() -> None:
    for dtype in (tf.int8, tf.int16, tf.uint8, tf.uint16, tf.uint32, tf.uint64):
        x = tf.constant([3, 5], dtype)
        assert run([x * x, x // 2, x % 2, tf.square(x), tf.maximum(x, 4)])[3].tolist() == [9, 25]
        assert run(tf.reduce_sum(x)) == 8
        assert run(tf.less(x, 4)).tolist() == [True, False]
