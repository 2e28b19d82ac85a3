"""Print, Assert, the assert family, Python functions."""

from __future__ import annotations

import collections
import sys
import time
from typing import Any

import numpy as np
import pytest
from interpret import evaluate

import flowgraph as tf
from flowgraph.ops.texts import head_text


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (1.5, 3, "1.5"), ([1.0, 2, 3, 4, 5], 3, "[1 2 3...]"), ([1, 2], 3, "[1 2]"),
        ([[1, 2], [3, 4]], 3, "[[1 2][3...]...]"), (np.zeros((0, 2)), 3, "[]"),
        (np.arange(24.0).reshape(2, 3, 4), 10, "[[[0 1 2 3][4 5 6 7][8 9...]]...]"),
        ([[1, 2], [3, 4]], -1, "[[1 2][3 4]]"), ([np.nan, np.inf, -0.0], 3, "[nan inf -0]"),
        (np.float32([1e10, 123456789.0, 1e-7]), 3, "[1e+10 123456792 1e-07]"),
        ([1e10, 1 / 3], 3, "[10000000000 0.33333333333333331]"), ([True, False], 3, "[1 0]"),
    ],
)  # fmt: skip
def test_values_as_text_look_as_in_tensorflow(value: Any, limit: int, text: str) -> None:
    assert head_text(np.array(value), limit) == text


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
    assert check.name == "check/Assert"


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


def test_py_function_may_compute_with_the_library() -> None:
    x = tf.placeholder(tf.float32, [None])
    y = tf.py_function(lambda v: tf.reduce_sum(tf.square(v)) + v.numpy()[0], [x], tf.float32)
    assert y.op.type == "EagerPyFunc"
    assert evaluate(tf.py_function(lambda: 1, [], tf.float32)).dtype == np.float32
    pair = tf.py_function(lambda v: (v.shape[0], "é"), [x], [tf.int32, tf.string])
    operations = len(tf.get_default_graph().get_operations())
    with tf.Session() as session:
        assert session.run(y, {x: [1, 2]}) == 6
        assert session.run(pair, {x: [1, 2]}) == [2, b"\xc3\xa9"]
    assert len(tf.get_default_graph().get_operations()) == operations
    assert tf.py_function(lambda: None, [], []).type == "EagerPyFunc"
    with pytest.raises(tf.errors.InvalidArgumentError, match="returns 2 values, Tout lists 1"):
        tf.Session().run(tf.py_function(lambda: (1, 2), [], [tf.int32]))
    with pytest.raises(tf.errors.UnknownError, match="ZeroDivisionError"):
        tf.Session().run(tf.py_function(lambda: 1 / 0, [], tf.int32))


def test_timestamp() -> None:
    now = tf.timestamp()
    assert now.name == "Timestamp:0" and now.dtype is tf.float64 and now.shape.ndims == 0
    with tf.Session() as session:
        before, after = session.run(now), session.run(now)
    assert abs(before - time.time()) < 60 and after >= before


# ------------------------------------------------------------------------------------------- print


def _printed(capfd: Any, *args: Any, **kwargs: Any) -> tuple[str, str]:
    tf.Session().run(tf.print(*args, **kwargs))
    captured = capfd.readouterr()
    return captured.err, captured.out


def test_tf_print_writes_what_tensorflow_writes(capfd: pytest.CaptureFixture[str]) -> None:
    x = tf.constant([1e10, 123456789.0, 0.1, 1e-7, np.nan, -0.0, 3.14159274])
    for args, kwargs, text in [
        (("x:", x), {}, "x: [1e+10 123456792 0.1 ... nan -0 3.14159274]\n"),
        ((x,), {"summarize": -1}, "[1e+10 123456792 0.1 1e-07 nan -0 3.14159274]\n"),
        (("a", "b"), {"sep": "|", "end": "!\n"}, "a|b!\n"), ((), {}, "\n"),
        ((tf.constant("a\nb"),), {}, "a\nb\n"),
        ((tf.constant("a\nb"), "and"), {}, '"a\\nb" and\n'),
        (({"b": tf.constant(1), "a": [tf.constant([1, 2]), "s"]}, (1, 2.5, None)), {},
         "{'a': [[1 2], 's'], 'b': 1} (1, 2.5, None)\n"),
        (("{}", tf.constant(1)), {}, "{} 1\n"), ((np.array([1, 2]),), {}, "array([1, 2])\n"),
        ((tf.constant(True), True, {}), {}, "1 True {}\n"),
        ((tf.SparseTensor([[0, 1]], [2.5], [3, 4]),), {},
         "SparseTensor(indices=[[0 1]], values=[2.5], shape=[3 4])\n"),
    ]:  # fmt: skip
        assert _printed(capfd, *args, **kwargs) == (text, "")
    point = collections.namedtuple("P", "x y")
    assert _printed(capfd, point(1, tf.constant(2)))[0] == "P(x=1, y=2)\n"
    v = tf.Variable(3)
    with tf.Session() as session:
        session.run(v.initializer)
        session.run(tf.print(v))
    assert capfd.readouterr().err == "3\n"


def test_where_tf_print_writes(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    assert _printed(capfd, "here", output_stream=sys.stdout) == ("", "here\n")
    with caplog.at_level("INFO", "tensorflow"):
        tf.Session().run(tf.print("to the log", tf.constant(1), output_stream=tf.logging.info))
    assert caplog.messages == ["to the log 1"]
    path = tmp_path / "log.txt"
    for text in ("one", "two"):
        tf.Session().run(tf.print(text, output_stream=f"file://{path}"))
    assert path.read_text() == "one\ntwo\n"
    with pytest.raises(ValueError, match="output_stream must be"):
        tf.print("a", output_stream="paper")
    with pytest.raises(TypeError):
        tf.print("a", foo=1)


def test_printed_when_something_depends_on_it(capfd: pytest.CaptureFixture[str]) -> None:
    x = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.print("x is", x)]):
        y = x * 2
    assert tf.Session().run(y, {x: 4}) == 8
    assert capfd.readouterr().err == "x is 4\n"
