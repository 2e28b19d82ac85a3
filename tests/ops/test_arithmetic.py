"""Arithmetic: dtype rules, the divisions, special values, names (SEMANTICS 4, 6-8; G12, G13)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpret import evaluate

import flowgraph as tf


def grads(y: Any, xs: list[Any]) -> list[Any]:
    """Gradients as values; None stays None."""
    found = tf.gradients(y, xs)
    values = iter(evaluate([g for g in found if g is not None]))
    return [None if g is None else next(values) for g in found]


def names() -> list[str]:
    return [op.name for op in tf.get_default_graph().get_operations()]


# ------------------------------------------------------------------------------------------ dtypes


@pytest.mark.parametrize(
    ("given_dtype", "result"),
    [
        ("int8", "float32"), ("uint8", "float32"), ("int16", "float32"), ("uint16", "float32"),
        ("int32", "float64"), ("int64", "float64"), ("float32", "float32"), ("float64", "float64"),
    ],
)  # fmt: skip
def test_true_division_of_every_dtype(given_dtype: str, result: str) -> None:
    """G13: 7 / 2 = 3.5, in float32 up to 16 bits and float64 above."""
    for y in (
        tf.truediv(tf.constant(7, given_dtype), tf.constant(2, given_dtype)),
        tf.constant(7, given_dtype) / 2,
        7 / tf.constant(2, given_dtype),
    ):
        assert y.dtype.name == result
        assert evaluate(y) == 3.5


def test_tensors_of_different_dtypes_do_not_mix() -> None:
    a, b, c = tf.constant(1), tf.constant(1.0), tf.constant(1.0, tf.float64)
    for x, y in ((a, b), (b, c), (a, c)):
        for function in (tf.add, tf.truediv, tf.pow, lambda x, y: x * y, tf.equal, tf.maximum):
            with pytest.raises((TypeError, ValueError), match=r"float|int"):
                function(x, y)


def test_numbers_lists_and_arrays_take_the_tensors_dtype() -> None:
    x = tf.constant([1.0, 2.0])
    for y in (2, 2.5, [1, 2], np.array([1, 2]), np.array([1.0, 2.0]), np.float64(2)):
        for z in (x + y, y + x, x * y, tf.add(x, y), tf.maximum(x, y)):
            assert z.dtype is tf.float32
    with pytest.raises(TypeError, match=r"1\.5"):
        tf.constant(1) + 1.5


def test_unsigned_sums_wrap() -> None:
    """G12: uint8 200 + 100 = 44."""
    assert evaluate(tf.constant(200, tf.uint8) + tf.constant(100, tf.uint8)) == 44


def test_strings_are_joined() -> None:
    y = tf.add(tf.constant(["a", "b"]), tf.constant("하얀"))
    assert evaluate(y).tolist() == [b"a" + "하얀".encode(), b"b" + "하얀".encode()]
    assert (tf.constant("x") + "y").op.type == "Add"


# ----------------------------------------------------------------------------------------- division


def test_divisions_of_negative_integers() -> None:
    x, y = tf.constant([7, -7, 7, -7]), tf.constant([2, 2, -2, -2])
    floor, mod, truncated, remainder, div = evaluate(
        [x // y, x % y, tf.truncatediv(x, y), tf.truncatemod(x, y), tf.div(x, y)]
    )
    assert floor.tolist() == div.tolist() == [3, -4, -4, 3]
    assert mod.tolist() == [1, 1, -1, -1]
    assert truncated.tolist() == [3, -3, -3, 3]
    assert remainder.tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize("function", [
    tf.floordiv, tf.mod, tf.truncatediv, tf.truncatemod, tf.div, lambda x, y: x // y,
])  # fmt: skip
def test_integer_division_by_zero_is_an_error_when_run(function: Any) -> None:
    x = tf.placeholder(tf.int32, [None])
    y = function(x, tf.constant([1, 0]))
    for run in (evaluate, lambda t, feeds: tf.Session().run(t, feeds)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="division by zero"):
            run(y, {x: [1, 2]})


def test_float_floor_division_rounds_the_quotient() -> None:
    # NB: Python says 1.0 // 0.1 = 9.0; the rounded quotient 10.0 is its own floor.
    assert evaluate(tf.constant(1.0) // 0.1) == 10.0
    assert evaluate(tf.constant(5.0) // 0.0) == np.inf
    assert np.isnan(evaluate(tf.constant(5.0) % 0.0))


def test_div_no_nan() -> None:
    x, y = tf.constant([1.0, 0.0, 3.0]), tf.constant([0.0, 0.0, 2.0])
    z = tf.div_no_nan(x, y)
    assert evaluate(z).tolist() == [0, 0, 1.5]
    dx, dy = grads(z, [x, y])
    assert dx.tolist() == [0, 0, 0.5]
    assert dy.tolist() == [0, 0, -0.75]


def test_lowest_integer_divided_by_minus_one_wraps() -> None:
    x = tf.placeholder(tf.int32, [1])
    low = -(2**31)
    y = [x // -1, x % -1, tf.truncatediv(x, -1)]
    assert [v.tolist() for v in tf.Session().run(y, {x: [low]})] == [[low], [0], [low]]


# -------------------------------------------------------------------------- gradients: ties, edges


def test_maximum_and_minimum_give_a_tie_to_the_first() -> None:
    a, b = tf.constant([1.0, 2.0, 0.0]), tf.constant([1.0, 1.0, 1.0])
    assert [g.tolist() for g in grads(tf.maximum(a, b), [a, b])] == [[1, 1, 0], [0, 0, 1]]
    assert [g.tolist() for g in grads(tf.minimum(a, b), [a, b])] == [[1, 0, 1], [0, 1, 0]]


def test_gradient_of_pow_at_zero() -> None:
    x, y = tf.constant([0.0, -2.0, 2.0]), tf.constant([2.0, 3.0, 3.0])
    dx, dy = grads(tf.pow(x, y), [x, y])
    np.testing.assert_allclose(dx, [0, 12, 12])
    np.testing.assert_allclose(dy, [0, 0, 8 * np.log(2)], rtol=1e-6)
    second = tf.gradients(tf.gradients(tf.pow(x, y), y)[0], x)[0]
    assert np.isfinite(evaluate(second)).all()


def test_gradients_that_are_none_and_those_that_are_zero() -> None:
    x = tf.constant([1.5, -2.5])
    for f in (
        tf.floor,
        tf.ceil,
        tf.round,
        tf.rint,
        lambda t: t // 2.0,
        tf.stop_gradient,
        tf.ones_like,
        lambda t: tf.cast(tf.cast(t, tf.int32), tf.float32),
    ):
        assert tf.gradients(f(x), x) == [None]
    assert grads(tf.sign(x), [x])[0].tolist() == [0, 0]
    y = tf.constant([2.0, 2.0])
    dx, dy = grads(x % y, [x, y])
    assert dx.tolist() == [1, 1]
    assert dy.tolist() == [0, 2]  # -floor(x / y)


def test_relu_and_abs_have_slope_zero_at_zero() -> None:
    x = tf.constant([-1.0, 0.0, 6.0, 7.0])
    assert grads(tf.nn.relu(x), [x])[0].tolist() == [0, 0, 1, 1]
    assert grads(tf.nn.relu6(x), [x])[0].tolist() == [0, 0, 0, 0]
    assert grads(tf.abs(x), [x])[0].tolist() == [-1, 0, 1, 1]


def test_clip_by_value_passes_the_gradient_at_the_bounds() -> None:
    x = tf.constant([-1.0, 0.0, 0.5, 1.0, 2.0])
    y = tf.clip_by_value(x, 0.0, 1.0)
    assert evaluate(y).tolist() == [0, 0, 0.5, 1, 1]
    assert grads(y, [x])[0].tolist() == [0, 1, 1, 1, 0]
    with pytest.raises(ValueError, match="not compatible|incompatible"):
        tf.clip_by_value(tf.constant([1.0]), tf.zeros([3]), 1.0)


@given(
    st.lists(st.sampled_from([1, 2, 3]), max_size=3),
    st.lists(st.sampled_from([1, 2, 3]), max_size=3),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
@settings(max_examples=80, deadline=None)
def test_gradients_of_broadcasting_have_the_inputs_shapes(
    a: list[int], b: list[int], hidden: list[bool]
) -> None:
    """Whatever is known while the graph is built: the sum runs over the repeated elements."""
    try:
        shape = np.broadcast_shapes(a, b)
    except ValueError:
        return
    with tf.Graph().as_default():
        known = [
            [None if hide else size for size, hide in zip(sizes, hidden[at:], strict=False)]
            for sizes, at in ((a, 0), (b, 3))
        ]
        x, y = (tf.placeholder(tf.float64, sizes) for sizes in known)
        u = tf.constant(np.random.default_rng(1).normal(size=shape))
        dx, dy = tf.gradients(u * (x + 2 * y), [x, y])
        rng = np.random.default_rng(2)
        feeds = {x: rng.normal(size=a), y: rng.normal(size=b)}
        values = evaluate([u, dx, dy], feeds)
    for value, sizes, scale in ((values[1], a, 1), (values[2], b, 2)):
        assert value.shape == tuple(sizes)
        expected = values[0]
        while expected.ndim > len(sizes):
            expected = expected.sum(0)
        for axis, size in enumerate(sizes):
            if size == 1:
                expected = expected.sum(axis, keepdims=True)
        np.testing.assert_allclose(value, scale * expected)


def test_known_shapes_need_no_shape_arithmetic() -> None:
    x, b = tf.placeholder(tf.float32, [None, 3]), tf.constant([1.0, 2.0, 3.0])
    before = len(names())
    tf.gradients(x + b, [x, b])
    added = {op.type for op in tf.get_default_graph().get_operations()[before:]}
    assert "BroadcastGradientArgs" not in added


# --------------------------------------------------------------------------------------- the rest


def test_operators_name_their_operations_as_tensorflow_does() -> None:
    x, i, t = tf.constant(4.0), tf.constant(4), tf.constant(True)
    made = [
        x + 1, x - 1, x * 1, x / 1, x // 1, x % 1, x**1, 1 + x, -x, abs(x), x < 1, x <= 1, x > 1,
        x >= 1, t & True, t | True, ~t, t ^ True, i / 2,
    ]  # fmt: skip
    assert [y.op.name for y in made] == [
        "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "add_1", "Neg", "Abs", "Less",
        "LessEqual", "Greater", "GreaterEqual", "and", "or", "LogicalNot", "xor", "truediv_1",
    ]  # fmt: skip
    assert "truediv_1/Cast" in names()


def test_functions_name_their_operations_as_tensorflow_does() -> None:
    x = tf.constant(4.0)
    assert tf.add(x, 1.0).name == "Add:0"
    assert (x + 1.0).name == "add_1:0"  # names are unique whatever their case
    assert tf.multiply(x, 1.0).name == "Mul:0"
    assert tf.divide(x, 1.0).name == "truediv:0"
    assert tf.add(x, 2.0, name="b").name == "b:0"
    assert "b/y" in names()


def test_comparison_is_identity() -> None:
    x, y = tf.constant(1.0), tf.constant(1.0)
    assert (x == y) is False
    assert (x == x) is True
    assert len({x: 1, y: 2}) == 2


def test_integer_powers() -> None:
    x = tf.placeholder(tf.int64, [3])
    base = [3, -2, 10]
    assert tf.Session().run(x ** tf.constant([5, 3, 18], tf.int64), {x: base}).tolist() == [
        243, -8, 10**18,
    ]  # fmt: skip


def test_add_n() -> None:
    x = tf.constant([1.0, 2.0])
    assert tf.add_n([x]) is x
    assert evaluate(tf.add_n([x, x, x])).tolist() == [3, 6]
    with pytest.raises(ValueError, match="at least one"):
        tf.add_n([])


def test_error_shows_both_operands_and_the_place() -> None:
    x, y = tf.zeros([3, 4], name="hidden"), tf.zeros([5], name="bias")
    with pytest.raises(ValueError, match="do not broadcast") as raised:
        tf.multiply(x, y, name="scale")
    text = str(raised.value)
    assert "'hidden:0'" in text
    assert "float32[3, 4]" in text
    assert "test_arithmetic.py:" in text
    assert "'scale'" in text


def test_saturate_cast() -> None:
    x = tf.constant([300.0, -5.0, 7.9, 3e9])
    assert evaluate(tf.saturate_cast(x, tf.uint8)).tolist() == [255, 0, 7, 255]
    assert evaluate(tf.saturate_cast(x, tf.int32)).tolist() == [300, -5, 7, 2147483520]
    assert evaluate(tf.saturate_cast(tf.constant([300, -5]), tf.int8)).tolist() == [127, -5]


def test_cast() -> None:
    x = tf.constant([1.8, -1.8])
    assert evaluate(tf.cast(x, tf.int32)).tolist() == [1, -1]
    assert evaluate(tf.cast(tf.constant([300, -1]), tf.uint8)).tolist() == [44, 255]
    assert tf.cast(x, tf.float32) is x
    assert tf.to_float(tf.constant(1)).name == "ToFloat:0"
    assert grads(tf.cast(x, tf.float64), [x])[0].dtype == np.float32
