"""cond, case, switch_case, while_loop: values, structures, effects and errors, on every target."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import config

TARGETS = {
    "cpu": {},
    "reference": {"TARGET": "reference"},
    "checked": {"CHECK": True},
    "unfused": {"DISABLE": frozenset(("fuse", "cse", "fold", "algebra"))},
}


@pytest.fixture(params=TARGETS)
def target(request):
    with config.override(**TARGETS[request.param]):
        yield request.param


def run(fetches, feeds=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(fetches, feeds)


def scalar_py_func(function, x):
    y = tf.py_func(lambda x: np.float32(function(x)), [x], tf.float32)
    y.set_shape([])
    return y


# ------------------------------------------------------------------------------------------- cond


def test_cond_takes_one_branch(target):
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [None, 3])
    y = tf.cond(p, lambda: x * 2.0, lambda: x + 10.0)
    assert y.name == "cond/Merge:0" and y.shape.as_list() == [None, 3]
    for size in (1, 4, 0):
        array = np.arange(3 * size, dtype=np.float32).reshape(size, 3)
        np.testing.assert_array_equal(run(y, {p: True, x: array}), array * 2)
        np.testing.assert_array_equal(run(y, {p: False, x: array}), array + 10)


def test_effects_of_the_other_branch_do_not_happen(target):
    p, v = tf.placeholder(tf.bool, []), tf.Variable(1.0)
    y = tf.cond(p, lambda: v.assign_add(10.0), lambda: v.assign(-1.0))
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(y, {p: True}) == 11.0 and sess.run(v) == 11.0
        assert sess.run(y, {p: False}) == -1.0 and sess.run(v) == -1.0


def test_a_read_sees_the_writes_of_a_branch_before_it(target):
    p, v = tf.placeholder(tf.bool, []), tf.Variable(1.0)
    before = v * 1.0
    step = tf.cond(p, lambda: v.assign_add(1.0).op, lambda: tf.no_op())
    after = v + 0.0
    assert run([before, step, after], {p: True}) == [1.0, True, 2.0]
    assert run([before, step, after], {p: False}) == [1.0, True, 1.0]


def test_host_operations_of_the_other_branch_do_not_run(target):
    calls = []

    def note(mark):
        return lambda x: (calls.append(mark), np.float32(x + 1))[1]

    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [])
    y = tf.cond(p, lambda: scalar_py_func(note("then"), x), lambda: scalar_py_func(note("else"), x))
    assert run(y * 2.0, {p: True, x: 1.0}) == 4.0
    assert calls == ["then"]
    run(y, {p: False, x: 1.0})
    assert calls == ["then", "else"]


def test_structures_of_branches():
    Pair = namedtuple("Pair", "a b")
    p, x = tf.placeholder(tf.bool, []), tf.constant(3.0)
    y = tf.cond(p, lambda: Pair(x, [x, {"k": x}]), lambda: Pair(-x, [x * 2, {"k": x}]))
    assert isinstance(y, Pair)
    got = run(y, {p: False})
    assert got == Pair(-3.0, [6.0, {"k": 3.0}])
    assert isinstance(tf.cond(p, lambda: [x], lambda: [x]), tf.Tensor)
    assert isinstance(tf.cond(p, lambda: [x], lambda: [x], strict=True), list)
    assert run(tf.cond(p, lambda: tf.no_op(), lambda: tf.no_op()), {p: True}) == True  # noqa: E712


def test_shapes_of_branches_are_joined():
    p = tf.placeholder(tf.bool, [])
    joined = tf.cond(p, lambda: tf.zeros([2, 3]), lambda: tf.zeros([2, 4]))
    assert joined.shape.as_list() == [2, None]
    assert tf.cond(p, lambda: tf.zeros([2]), lambda: tf.zeros([3, 1])).shape.ndims is None


def test_conditions_that_are_known_leave_no_branch(target):
    y = tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2))
    x = tf.placeholder(tf.float32, [None])
    by_size = tf.cond(tf.size(x) > 2, lambda: tf.zeros([3]), lambda: tf.ones([1]))
    assert run(y) == 1
    np.testing.assert_array_equal(run(by_size, {x: np.zeros(5)}), np.zeros(3))
    np.testing.assert_array_equal(run(by_size, {x: np.zeros(1)}), np.ones(1))


def test_nested_conds(target):
    x = tf.placeholder(tf.float32, [])
    y = tf.cond(
        x > 0,
        lambda: tf.cond(x > 10, lambda: x * 100.0, lambda: x * 10.0),
        lambda: tf.cond(x < -10, lambda: x - 100.0, lambda: x - 10.0),
    )
    for value, expected in ((20, 2000), (5, 50), (-20, -120), (-5, -15)):
        assert run(y, {x: value}) == expected


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda p, x: tf.cond(True, lambda: x, lambda: x), TypeError, "not a Python bool"),
        (lambda p, x: tf.cond(p, lambda: x), TypeError, "false_fn must be given"),
        (lambda p, x: tf.cond(p, 3, lambda: x), TypeError, "must be a function"),
        (lambda p, x: tf.cond(p, lambda: x, lambda: x, fn1=lambda: x), TypeError, "same"),
        (lambda p, x: tf.cond(p, lambda: None, lambda: x), ValueError, "returned None"),
        (lambda p, x: tf.cond(p, lambda: x, lambda: (x, x)), ValueError, "different structures"),
        (lambda p, x: tf.cond(p, lambda: x, lambda: tf.cast(x, tf.int32)), ValueError, "float32"),
        (lambda p, x: tf.cond([p, p], lambda: x, lambda: x), ValueError, "must be a scalar"),
        (lambda p, x: tf.cond(x, lambda: x, lambda: x), ValueError, "bool"),
    ],
)
def test_errors_of_cond(make, error, text):
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [2])
    with pytest.raises((error, TypeError), match=text):
        make(p, x)


def test_what_a_branch_made_stays_inside():
    p, x, kept = tf.placeholder(tf.bool, []), tf.constant(1.0), []

    def branch():
        kept.append(x * 2.0)
        return kept[0]

    tf.cond(p, branch, lambda: x)
    with pytest.raises(ValueError, match="'cond/mul:0' was made inside a branch of the cond"):
        kept[0] + 1.0
    with tf.Session() as sess, pytest.raises(ValueError, match="inside a branch of the cond"):
        sess.run(kept[0])


def test_case_and_switch_case(target):
    x = tf.placeholder(tf.int32, [])
    sign = tf.case([(x < 0, lambda: -1), (x > 0, lambda: 1)], default=lambda: 0)
    only = tf.case([(x < 0, lambda: -1), (x > 0, lambda: 1)], exclusive=True)
    both = tf.case([(x < 5, lambda: 1), (x < 7, lambda: 2)], exclusive=True, default=lambda: 3)
    assert [run(sign, {x: n}) for n in (-3, 0, 9)] == [-1, 0, 1]
    assert run(only, {x: 2}) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="no condition holds"):
        run(only, {x: 0})
    assert run(both, {x: 6}) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than one condition"):
        run(both, {x: 3})
    switch = tf.switch_case(x, [lambda: 10, lambda: 20], default=lambda: -1)
    assert [run(switch, {x: n}) for n in (0, 1, 2, -5)] == [10, 20, -1, -1]
    last = tf.switch_case(x, {1: lambda: 20, 0: lambda: 10})
    assert [run(last, {x: n}) for n in (0, 1, 7)] == [10, 20, 20]
    with pytest.raises(ValueError, match="without gaps"):
        tf.switch_case(x, {1: lambda: 20, 3: lambda: 10})
    with pytest.raises(TypeError, match="a list of pairs"):
        tf.case(3)
    with pytest.raises(ValueError, match="empty"):
        tf.case([])


# ------------------------------------------------------------------------------------- while_loop


def test_loops_count(target):
    n = tf.placeholder(tf.int32, [])
    i, s = tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + i), [0, 0])
    assert (i.name, s.name) == ("while/Exit:0", "while/Exit_1:0")
    for count in (0, 1, 2, 17):
        assert run([i, s], {n: count}) == [count, sum(range(count))]


def test_loop_variables_change_places(target):
    n = tf.placeholder(tf.int32, [])
    _, a, _ = tf.while_loop(lambda i, a, b: i < n, lambda i, a, b: (i + 1, b, a + b), [0, 0, 1])
    assert [run(a, {n: k}) for k in range(9)] == [0, 1, 1, 2, 3, 5, 8, 13, 21]
    x, y = tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])
    _, x, y = tf.while_loop(lambda i, x, y: i < n, lambda i, x, y: (i + 1, y, x), [0, x, y])
    np.testing.assert_array_equal(run([x, y], {n: 3}), [[3, 4], [1, 2]])


@given(rows=st.integers(1, 5), cols=st.integers(1, 5), count=st.integers(0, 4))
def test_matrices_in_loops(rows, cols, count):
    with tf.Graph().as_default():
        rng = np.random.default_rng(0)
        w = rng.normal(size=(cols, cols)).astype(np.float32) * 0.5
        x = rng.normal(size=(rows, cols)).astype(np.float32)
        h = tf.placeholder(tf.float32, [None, cols])
        _, y = tf.while_loop(
            lambda i, h: i < count, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w)) + x), [0, h]
        )
        expected = x
        for _ in range(count):
            expected = np.tanh(expected @ w) + x
        np.testing.assert_allclose(run(y, {h: x}), expected, 1e-5, 1e-6)


@pytest.mark.parametrize(
    ("body", "step"),
    [
        (lambda m: tf.transpose(m), lambda m: m.T),
        (lambda m: m[::-1], lambda m: m[::-1]),
        (lambda m: tf.matmul(m, m), lambda m: m @ m),
        (lambda m: tf.reduce_sum(m, 0, keepdims=True) + m, lambda m: m.sum(0, keepdims=True) + m),
        (lambda m: tf.concat([m[1:], m[:1]], 0), lambda m: np.roll(m, -1, 0)),
        (lambda m: tf.constant(np.eye(3, dtype=np.float32)), lambda m: np.eye(3)),
        (lambda m: m, lambda m: m),
    ],
)
def test_bodies_read_their_variable_whole(target, body, step):
    start = (np.arange(9, dtype=np.float32).reshape(3, 3) % 4) / 4
    n = tf.placeholder(tf.int32, [])
    _, y = tf.while_loop(lambda i, m: i < n, lambda i, m: (i + 1, body(m)), [0, tf.constant(start)])
    for count in (0, 1, 3):
        expected = start
        for _ in range(count):
            expected = step(expected)
        np.testing.assert_allclose(run(y, {n: count}), expected, 1e-6)


def test_variables_in_loops(target):
    v, n = tf.Variable(0.0), tf.placeholder(tf.int32, [])
    before = v * 1.0
    _, seen = tf.while_loop(
        lambda i, _: i < n, lambda i, seen: (i + 1, seen + v.assign_add(1.0)), [0, 0.0]
    )
    after = v + 0.0
    assert run([before, seen, after], {n: 4}) == [0.0, 1.0 + 2 + 3 + 4, 4.0]
    assert run([before, seen, after], {n: 0}) == [0.0, 0.0, 0.0]


def test_a_read_in_a_body_is_made_in_every_iteration(target):
    v, n = tf.Variable(1.0), tf.placeholder(tf.int32, [])

    def body(i, total):
        twice = v * 2.0
        with tf.control_dependencies([v.assign(twice)]):
            return i + 1, total + twice

    _, total = tf.while_loop(lambda i, _: i < n, body, [0, 0.0])
    assert run(total, {n: 3}) == 2.0 + 4.0 + 8.0


def test_variables_made_in_a_body_are_made_once():
    def body(i, x):
        w = tf.get_variable("w", [], initializer=tf.constant_initializer(3.0))
        return i + 1, x * w

    _, y = tf.while_loop(lambda i, x: i < 4, body, [0, 1.0])
    assert [v.name for v in tf.global_variables()] == ["w:0"]
    assert run(y) == 81.0


def test_random_numbers_are_drawn_in_every_iteration(target):
    _, draws = tf.while_loop(
        lambda i, t: i < 3, lambda i, t: (i + 1, t * 10.0 + tf.random_uniform([], seed=1)), [0, 0.0]
    )
    once = run(draws)
    digits = (once * 100 % 10, once * 10 % 10)
    assert digits[0] != digits[1]
    assert run(draws) == once


def test_nested_loops_and_conds(target):
    n = tf.placeholder(tf.int32, [])

    def row(i, total):
        def cell(j, total):
            even = tf.equal(tf.floormod(i + j, 2), 0)
            return j + 1, total + tf.cond(even, lambda: i * j, lambda: 0)

        _, total = tf.while_loop(lambda j, _: j < i, cell, [0, total])
        return i + 1, total

    _, total = tf.while_loop(lambda i, _: i < n, row, [0, 0])
    for count in (0, 1, 6):
        expected = sum(i * j for i in range(count) for j in range(i) if (i + j) % 2 == 0)
        assert run(total, {n: count}) == expected


def test_structures_of_loop_variables():
    state = {"b": (tf.constant(1), [tf.constant(2)]), "a": tf.constant(0)}
    (result,) = tf.while_loop(
        lambda s: s["a"] < 3,
        lambda s: [{"a": s["a"] + 1, "b": (s["b"][1][0], [s["b"][0]])}],
        [state],
        return_same_structure=True,
    )
    assert run(result) == {"b": (2, [1]), "a": 3}
    assert isinstance(tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0]), tf.Tensor)
    assert isinstance(tf.while_loop(lambda i: i < 3, lambda i: [i + 1], (0,)), tf.Tensor)


def test_maximum_iterations(target):
    n = tf.placeholder(tf.int32, [])
    i = tf.while_loop(lambda i: i < 100, lambda i: i + 1, [0], maximum_iterations=n)
    assert [run(i, {n: k}) for k in (0, 3, 200)] == [0, 3, 100]


def test_host_operations_in_loops(target):
    seen = []
    _, x = tf.while_loop(
        lambda i, x: i < 3,
        lambda i, x: (i + 1, scalar_py_func(lambda x: (seen.append(float(x)), x * 2)[1], x)),
        [0, 1.0],
    )
    assert run(x) == 8.0
    assert seen == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: tf.while_loop(3, lambda i: i, [0]), TypeError, "cond must be a function"),
        (lambda: tf.while_loop(lambda: True, lambda: (), []), ValueError, "holds no variables"),
        (lambda: tf.while_loop(lambda i: i < 3, lambda i: i, [0], parallel_iterations=0),
         TypeError, "must be a positive integer"),
        (lambda: tf.while_loop(lambda i: i, lambda i: i + 1, [0]), TypeError, "return a bool"),
        (lambda: tf.while_loop(lambda i: tf.constant([True]), lambda i: i, [0]), ValueError,
         "must return a scalar"),
        (lambda: tf.while_loop(lambda i: i < 3, lambda i: (i, i), [0]), ValueError,
         "another structure"),
        (lambda: tf.while_loop(lambda i: i < 3, lambda i: tf.cast(i, tf.float32), [0]), TypeError,
         "loop variable 0 is int32, the body returns float32"),
        (lambda: tf.while_loop(lambda x: True, lambda x: tf.concat([x, x], 0), [tf.zeros([1])]),
         ValueError, r"enters with shape \[1\] and has shape \[2\] after one iteration"),
        (lambda: tf.while_loop(lambda i: i < 3, lambda i: i, [0], maximum_iterations=[1, 2]),
         ValueError, "maximum_iterations must be a scalar"),
        (lambda: tf.while_loop(lambda x: True, lambda x: x, [tf.zeros([2])],
                               shape_invariants=[tf.TensorShape([3])]), ValueError,
         "does not allow"),
        (lambda: tf.while_loop(lambda x: True, lambda x: x, [tf.zeros([2])],
                               shape_invariants=[]), ValueError, "0 shape_invariants"),
    ],
)  # fmt: skip
def test_errors_of_while_loop(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_what_a_body_made_stays_inside():
    kept = []

    def body(i):
        kept.append(i + 1)
        return kept[0]

    tf.while_loop(lambda i: i < 3, body, [0])
    with pytest.raises(ValueError, match="'while/add:0' was made inside the loop 'while'"):
        kept[0] * 2
    with tf.Session() as sess, pytest.raises(ValueError, match="inside the loop"):
        sess.run(kept[0])


def test_an_error_inside_a_loop_names_the_operation():
    n = tf.placeholder(tf.int32, [])
    _, x = tf.while_loop(
        lambda i, x: i < 5, lambda i, x: (i + 1, tf.gather(tf.constant([1, 2, 3]), i)), [0, 0]
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="while/GatherV2"):
        run(x, {n: 1})


# ----------------------------------------------------------------------------------- interrupting


def test_an_endless_loop_can_be_interrupted_and_the_session_goes_on():
    v = tf.Variable(0.0)

    def body(x):
        return tf.sin(x) + 1.0

    endless = tf.while_loop(lambda x: x < 10.0, body, [0.5])
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(tf.while_loop(lambda x: x < 1.0, body, [0.5]))  # kernels are compiled
        pressed = []

        def press():
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(0.3, press)
        # in a background job of a shell SIGINT is ignored, and Python leaves it at that
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                sess.run(endless)
        finally:
            timer.join()
            signal.signal(signal.SIGINT, before)
        assert time.monotonic() - pressed[0] < 1.0
        assert sess.run(v.assign_add(2.0)) == 2.0
        assert sess.run(tf.while_loop(lambda x: x < 1.0, body, [0.5])) > 1.0
