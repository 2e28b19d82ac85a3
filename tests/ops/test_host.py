"""Print, Assert, the assert family, Python functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from interpret import evaluate

import flowgraph as tf
from flowgraph.ops.host import summarize


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (1.5, 3, "1.5"), ([1.0, 2, 3, 4, 5], 3, "[1 2 3...]"), ([1, 2], 3, "[1 2]"),
        ([[1, 2], [3, 4]], 3, "[[1 2][3...]...]"), (np.zeros((0, 2)), 3, "[]"),
        (np.arange(24.0).reshape(2, 3, 4), 10, "[[[0 1 2 3][4 5 6 7][8 9...]]...]"),
        ([[1, 2], [3, 4]], -1, "[[1 2][3 4]]"), ([np.nan, np.inf, -0.0], 3, "[nan inf -0]"),
        ([1e10, 123456789.0, 1e-7], 3, "[1e+10 1.23457e+08 1e-07]"), ([True, False], 3, "[1 0]"),
    ],
)  # fmt: skip
def test_values_as_text_look_as_in_tensorflow(value: Any, limit: int, text: str) -> None:
    assert summarize(np.array(value), limit) == text


def test_print_writes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    x = tf.placeholder(tf.float32, [None])
    y = tf.Print(x, [x, tf.constant("hi"), x[0]], message="now: ", first_n=2)
    with tf.Session() as session:
        for _ in range(3):
            assert session.run(y * 2, {x: [1, 2, 3, 4]}).tolist() == [2, 4, 6, 8]
    assert capfd.readouterr().err == "now: [1 2 3...][hi][1]\n" * 2
    assert tf.gradients(y, x)[0] is not None


def test_assert_fails_only_when_run() -> None:
    ok = tf.placeholder(tf.bool, [])
    check = tf.Assert(ok, [tf.constant([1, 2, 3, 4]), "text"])
    with tf.control_dependencies([check]):
        y = tf.identity(tf.constant(1.0))
    with tf.Session() as session:
        assert session.run(y, {ok: True}) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[1 2 3\.\.\.\] \[text\]"):
            session.run(y, {ok: False})


def test_assertions_known_to_fail_fail_at_once() -> None:
    cases = [
        (tf.assert_equal, (1, 2), "x == y"), (tf.assert_less, ([3, 4], [2, 5]), "x < y"),
        (tf.assert_greater_equal, (1, 2), "x >= y"), (tf.assert_none_equal, (1, 1), "x != y"),
        (tf.assert_positive, ([3, -4],), "x > 0"), (tf.assert_non_negative, ([-1],), "x >= 0"),
    ]  # fmt: skip
    for function, arguments, claim in cases:
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"oops\n.*{claim} did not hold"):
            function(*arguments, message="oops")
    tf.assert_equal(1, 1)
    tf.assert_equal(tf.zeros([0]), tf.ones([0]))


def test_assertions_on_fed_values() -> None:
    x = tf.placeholder(tf.float32, [None])
    with tf.control_dependencies([tf.assert_positive(x, message="rates")]):
        y = tf.reduce_sum(x)
    with tf.Session() as session:
        assert session.run(y, {x: [1, 2]}) == 3
        with pytest.raises(tf.errors.InvalidArgumentError, match="rates"):
            session.run(y, {x: [1, -2]})


def test_static_assertions_on_rank_and_dtype() -> None:
    x = tf.zeros([2, 3])
    assert tf.assert_rank(x, 2).type == "NoOp"
    assert tf.assert_rank_at_least(x, 1).type == "NoOp"
    assert tf.assert_rank(tf.placeholder(tf.float32), 2).type == "Assert"
    with pytest.raises(ValueError, match=r"must have rank 1, its shape is \[2, 3\]"):
        tf.assert_rank(x, 1)
    with pytest.raises(ValueError, match="at least rank 3"):
        tf.assert_rank_at_least(x, 3)
    with pytest.raises(TypeError, match="must be int32, it is float32"):
        tf.assert_type(x, tf.int32)
    with pytest.raises(ValueError, match="must be a scalar"):
        tf.assert_scalar(x)


def test_errors_of_host_ops_name_the_op_and_its_line() -> None:
    x = tf.placeholder(tf.float32, [None], name="rates")
    check = tf.Assert(tf.reduce_all(x > 0), [x], name="check")
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        tf.Session().run(check, {x: [1, -2]})
    text = str(raised.value)
    assert text.startswith("Assert: assertion failed: [1 -2]")
    assert "'rates:0'" in text
    assert "test_host.py:" in text
    assert raised.value.op is check


# -------------------------------------------------------------------------------- Python functions


def test_py_func_gets_arrays_and_scalars() -> None:
    seen: list[Any] = []

    def function(a: Any, b: Any, c: Any) -> Any:
        seen.extend([type(a), type(b), type(c)])
        a[:] = -1  # its own copy
        return np.float32(b)

    x = tf.constant([1.0, 2.0])
    y = tf.py_func(function, [x, 3.0, "s"], tf.float32)
    assert y.shape.ndims is None
    with tf.Session() as session:
        assert session.run([y, x + 0.0])[1].tolist() == [1, 2]
    assert seen == [np.ndarray, np.float32, bytes]


def test_py_func_outputs() -> None:
    several = tf.py_func(lambda: (np.int64(1), "a"), [], [tf.int64, tf.string])
    assert evaluate(several) == [1, b"a"]
    assert evaluate(tf.py_func(lambda x: x + 1, [tf.constant([1])], [tf.int32]))[0].tolist() == [2]
    nothing = tf.py_func(lambda: None, [], [])
    assert nothing.type == "PyFunc"
    assert tf.py_func(lambda: 1, [], tf.int64, stateful=False).op.type == "PyFuncStateless"
    assert tf.numpy_function(lambda: 1, [], tf.int64).op.type == "PyFunc"


def test_mistakes_in_python_functions() -> None:
    def run(function: Any, tout: Any) -> None:
        tf.Session().run(tf.py_func(function, [], tout))

    with pytest.raises(tf.errors.InvalidArgumentError, match="is float64, Tout says int32"):
        run(lambda: 1.5, tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="returns 2 values, Tout lists 1"):
        run(lambda: (1, 2), tf.int32)
    with pytest.raises(tf.errors.UnknownError, match="ZeroDivisionError"):
        run(lambda: 1 / 0, tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="ValueError: bad"):

        def bad() -> None:
            raise ValueError("bad")

        run(bad, tf.float32)
    with pytest.raises(ValueError, match="must be callable"):
        tf.py_func(1, [], tf.float32)


def test_py_func_has_no_gradient_unless_one_is_given() -> None:
    x = tf.constant([2.0, 3.0])
    assert tf.gradients(tf.py_func(np.square, [x], tf.float32), x) == [None]

    @tf.RegisterGradient("SquareOfNumpy")
    def _gradient(op: Any, dy: Any) -> Any:
        return dy * 2 * op.inputs[0]

    with tf.get_default_graph().gradient_override_map({"PyFunc": "SquareOfNumpy"}):
        y = tf.py_func(np.square, [x], tf.float32)
    assert evaluate(tf.gradients(y, x)[0]).tolist() == [4, 6]


def test_host_functions_run_in_program_order() -> None:
    order: list[int] = []
    ops = [tf.py_func(lambda k=k: order.append(k), [], []) for k in range(5)]
    tf.Session().run(ops[::-1])
    assert order == [0, 1, 2, 3, 4]
