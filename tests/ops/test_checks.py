"""Assertions about values, ranks, shapes and dtypes; NaN and infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flowgraph as tf

InvalidArgument = tf.errors.InvalidArgumentError


def run(fetches: Any, feeds: Any = None) -> Any:
    with tf.Session() as session:
        return session.run(fetches, feeds)


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


def test_names_and_equal_operands() -> None:
    assert tf.assert_less([1], [2]).name == "assert_less/Assert/Assert"
    assert tf.assert_positive([1]).name == "assert_positive/assert_less/Assert/Assert"
    assert tf.assert_non_negative([1]).name == "assert_non_negative/assert_less_equal/Assert/Assert"
    x = tf.placeholder(tf.float32)
    assert tf.assert_equal(x, x).type == "NoOp"
    assert tf.debugging.assert_equal is tf.assert_equal
    run(tf.assert_equal("a", "a"))
    with pytest.raises(InvalidArgument):
        tf.assert_equal("a", "b")
    with pytest.raises(TypeError):
        tf.assert_equal(1, 1.5)


def test_assert_near() -> None:
    run(tf.assert_near([1.0, 2.0], [1.0, 2.1], atol=0.2))
    run(tf.assert_near([1.0, 2.0], [1.0, 2.1], rtol=tf.constant(0.2)))
    run(tf.assert_near(np.float64(1), np.float64(1) + 1e-15))
    for x, y in (([1.0], [1.1]), ([np.nan], [np.nan]), ([np.inf], [np.inf])):
        check = tf.debugging.assert_near(x, y, message="oops")  # known, and yet told when run
        with pytest.raises(InvalidArgument, match=r"oops.*x - y"):
            run(check)
    with pytest.raises(ValueError, match="exact"):
        tf.assert_near(1, 1)


def test_assert_rank_in() -> None:
    x = tf.zeros([2, 3])
    assert tf.assert_rank_in(x, (1, 2)).name.endswith("static_checks_determined_all_ok")
    with pytest.raises(ValueError, match=r"must be one of \(1, 3\)"):
        tf.assert_rank_in(x, [1, 3])
    with pytest.raises(ValueError, match="scalar"):
        tf.assert_rank_in(x, [[1], [2]])
    with pytest.raises(TypeError, match="int32"):
        tf.assert_rank_in(x, [1.5])
    p = tf.placeholder(tf.float32)
    check = tf.assert_rank_in(p, (1, 3))
    run(check, {p: [1]})
    with pytest.raises(InvalidArgument, match="must be one of"):
        run(check, {p: [[1]]})


def test_dtypes() -> None:
    assert tf.assert_integer(1).type == "NoOp"
    with pytest.raises(TypeError, match="must hold integers, it is float32"):
        tf.assert_integer(tf.constant(1.0))
    one, double = tf.constant(1.0), tf.constant(1.0, tf.float64)
    assert tf.assert_same_float_dtype([one, None, one]) is tf.float32
    assert tf.assert_same_float_dtype([double]) is tf.float64
    assert tf.assert_same_float_dtype() is tf.float32
    for tensors, dtype in (([one, double], None), ([one], tf.float64), ([tf.constant(1)], None),
                           (None, tf.int32)):  # fmt: skip
        with pytest.raises(ValueError):
            tf.assert_same_float_dtype(tensors, dtype)
    assert tf.is_numeric_tensor(one) and tf.is_numeric_tensor(tf.constant(1))
    for value in (tf.constant("a"), tf.constant(True), 1, tf.Variable(1.0)):
        assert not tf.debugging.is_numeric_tensor(value)


def test_proper_iterables() -> None:
    tf.assert_proper_iterable([1])
    tf.assert_proper_iterable({})
    for value in (tf.constant([1]), "abc", 5, np.zeros(3), tf.SparseTensor([[0]], [1], [1])):
        with pytest.raises(TypeError, match="proper_iterable"):
            tf.debugging.assert_proper_iterable(value)


@pytest.mark.parametrize(
    ("values", "falls_not", "rises"),
    [
        ([1, 2, 2], True, False), ([1, 3, 2], False, False), ([1, 2, 3], True, True),
        ([[1, 2], [3, 4]], True, True), ([], True, True), ([1], True, True), (5, True, True),
    ],
)  # fmt: skip
def test_rising_values(values: Any, falls_not: bool, rises: bool) -> None:
    fed = tf.placeholder(tf.float32)
    for x, feeds in ((tf.constant(values, tf.float32), None), (fed, {fed: values})):
        assert run(tf.is_non_decreasing(x), feeds) == falls_not
        assert run(tf.math.is_strictly_increasing(x), feeds) == rises
    assert tf.is_non_decreasing([1], name="nm").name == "nm/All:0"


def test_assert_shapes() -> None:
    check = tf.debugging.assert_shapes
    x, y = tf.zeros([2, 3]), tf.zeros([3])
    for shapes in (
        {x: ("n", "m")}, [(x, ("n", "m")), (y, "m")], [(x, "nm")], [(tf.zeros([]), ())],
        [(tf.zeros([2, 3, 4]), (..., "q")), (tf.zeros([4]), ("q",))], [(x, (None, 3))], [(x, None)],
        [(x, (".", 3))], [], [(tf.zeros([2, 3, 4]), ("*", 3, 4))],
    ):  # fmt: skip
        assert check(shapes).type == "NoOp"
    for shapes, error in (
        ([(x, ("n", "m")), (tf.zeros([4]), ("m",))], "must have size 3 .*specified by"),
        ([(x, ("n", 4))], "must have size 4 .*explicitly"),
        ([(x, ("n",))], "rank"),
        ([(tf.zeros([2, 3, 4]), ("b", ...))], "may stand first only"),
    ):
        with pytest.raises(ValueError, match=error):
            check(shapes)
    p, q = tf.placeholder(tf.float32), tf.placeholder(tf.float32, [None])
    fits = check([(p, ("n", "m")), (q, ("m",))])
    run(fits, {p: np.zeros((2, 3)), q: np.zeros(3)})
    for a, b in ((np.zeros((2, 3)), np.zeros(2)), (np.zeros(3), np.zeros(3))):
        with pytest.raises(InvalidArgument):
            run(fits, {p: a, q: b})


def test_check_numerics() -> None:
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.check_numerics(x, "rates")
    assert y.name == "CheckNumerics:0" and run(y, {x: [1]}) == [1]
    with pytest.raises(InvalidArgument, match="rates : Tensor had NaN values, the first at"):
        run(y, {x: [1, np.nan]})
    with pytest.raises(InvalidArgument, match="Inf and NaN"):
        run(y, {x: [np.inf, np.nan]})
    with tf.control_dependencies([y]):
        waits = tf.constant(1.0) * 1
    with pytest.raises(InvalidArgument, match="rates"):
        run(waits, {x: [np.nan]})
    gradient = tf.gradients(y * [0.0], x, [tf.constant([np.inf])])[0]
    with pytest.raises(InvalidArgument, match="detected in gradient"):
        run(gradient, {x: [1]})
    with pytest.raises(TypeError):
        tf.check_numerics(tf.constant([1]), "m")


def test_all_finite() -> None:
    x = tf.placeholder(tf.float32, [None])
    y = tf.verify_tensor_all_finite(x, "no", name="nm")
    assert y.name == "nm/control_dependency:0" and run(y, {x: [2]}) == [2]
    for check in (y, tf.debugging.assert_all_finite(x=x, message="no")):
        with pytest.raises(InvalidArgument, match="no : Tensor had NaN"):
            run(check, {x: [np.nan]})
    with pytest.raises(ValueError, match="mean the same"):
        tf.verify_tensor_all_finite(t=x, msg="m", x=x)


def test_add_check_numerics_ops() -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    tf.log(x, name="log")
    check = tf.add_check_numerics_ops()
    run(check, {x: 1})
    with pytest.raises(InvalidArgument, match="log:0 : Tensor had Inf"):
        run(check, {x: 0})


def test_checks_run_in_the_native_plan() -> None:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    first = tf.check_numerics(x * 2, "doubled")
    second = tf.check_numerics(tf.sqrt(first), "root")
    with tf.control_dependencies([tf.Assert(tf.reduce_sum(x) < 100, [x, ["so", "much"]])]):
        total = tf.reduce_sum(second)
    with tf.Session() as session:
        assert session.run(total, {x: np.ones((2, 3))}) == pytest.approx(6 * np.sqrt(2))
        (entry,) = session._entries
        plan = entry.plan.current.executable.plan
        assert not any(instr.is_host for instr in plan.instrs)
        # both checks are in one kernel: the error names the one that failed
        with pytest.raises(InvalidArgument, match=r"root : Tensor had NaN .* at \[0, 2\]"):
            session.run(total, {x: [[1, 1, -1]]})
        with pytest.raises(InvalidArgument, match=r"doubled : Tensor had NaN .* at \[0, 1\]"):
            session.run(total, {x: [[1, np.nan, 1]]})
        with pytest.raises(InvalidArgument, match=r"assertion failed: \[\[50 50 .*\] \[so much\]"):
            session.run(total, {x: np.full((1, 3), 50.0)})


def test_a_failed_check_keeps_back_the_writes_that_need_it() -> None:
    x = tf.placeholder(tf.float32, [3])
    v, w = tf.Variable(tf.zeros([3])), tf.Variable(tf.zeros([3]))
    update = v.assign_add(tf.check_numerics(x, "update"))
    with tf.control_dependencies([tf.Assert(tf.reduce_all(x < 5), [x])]):
        waits = w.assign_add(x)
    with tf.Session() as session:
        session.run([v.initializer, w.initializer])
        for values in ([np.nan, 0, 0], [9.0, np.inf, 0]):
            with pytest.raises(InvalidArgument):
                session.run([update, waits], {x: values})
            assert not session.run(v).any() and not session.run(w).any()
        session.run([update, waits], {x: [1, 2, 3]})
        assert session.run(v).tolist() == session.run(w).tolist() == [1, 2, 3]


def test_what_an_assertion_says_of_a_large_feed() -> None:
    x = tf.placeholder(tf.float32, [100, 100])
    with tf.control_dependencies([tf.Assert(x[0, 0] < 5, [x])]):
        y = tf.reduce_sum(x)
    with tf.Session() as session:
        for _ in range(2):  # the second run takes the feed in natively
            assert session.run(y, {x: np.zeros((100, 100), np.float32)}) == 0
            with pytest.raises(InvalidArgument, match=r"assertion failed: \[\[7 7 7\.\.\.\]"):
                session.run(y, {x: np.full((100, 100), 7, np.float32)})


def test_a_check_in_a_loop() -> None:
    loop = tf.while_loop(
        lambda i, a: i < 100,
        lambda i, a: (i + 1, tf.check_numerics(a * 10, "in the loop")),
        [0, tf.constant(1.0)],
    )
    with pytest.raises(InvalidArgument, match="in the loop : Tensor had Inf"):
        run(loop)
