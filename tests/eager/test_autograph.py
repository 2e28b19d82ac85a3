"""AutoGraph: functions on tensors give what they give on numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

# ------------------------------------------------------------- functions for numbers and tensors


def if_else(x, y):
    if x > y:
        z = x - y
        big = x
    else:
        z = y - x
        big = y
    return z * 2 + big


def if_alone(x, y):
    if x > 3:
        y = y + x
    return y


def elifs(x, y):
    if x > 5:
        z = 1
    elif x > y:
        z = 2
    elif y > 5:
        z = 3
    else:
        z = 4
    return z + x


def early_returns(x, y):
    if x > 5:
        return x * 10
    y = y + 1
    if y > 5:
        z = y * 100
        return z + 0
    return x - y


def nested_ifs(x, y):
    z = 0
    if x > 0:
        z = z + 1
        if y > 0:
            z = z + 10
            if x > y:
                z = z + 100
        else:
            z = z - 1
    return z


def while_loop(x, y):
    total = 0
    while x < 7:
        total = total + x
        x = x + 2
    return total * y


def breaks_and_continues(x, y):
    total = 0
    n = 0
    while n < 10:
        n = n + 1
        if n > x + 4:
            break
        if n > y and n < y + 2:
            continue
        total = total + n
    return total * 100 + n


def for_range(x, y):
    total = 0
    for i in range(x):
        for j in range(i):
            if j > y:
                break
            total = total + i * j
        else_ = i
        total = total + else_
    return total


def logic(x, y):
    a = (x > 0 and y > 0) or not x > -3
    b = 0 < x < 5
    return (1 if a else 0) + (10 if b else 20)


def _helper(x, n):
    while n > 0:
        x = x * 2
        n = n - 1
    return x


def calls_others(x, y):
    if y > 0:
        result = _helper(x, y)
    else:
        result = _helper(y, 2)
    return result


def temporaries(x, y):
    i = 0
    while i < y:
        step = x + i
        x = step + 1
        i = i + 1
    return x


def chains(x, y):
    while x > 0 and y > 0:
        if x > y:
            x = x - y
        else:
            y = y - x
    return x + y


FUNCTIONS = [
    if_else, if_alone, elifs, early_returns, nested_ifs, while_loop, breaks_and_continues,
    for_range, logic, calls_others, temporaries, chains,
]  # fmt: skip

TRACED = {function: tf.function(function) for function in FUNCTIONS}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@settings(max_examples=15)
@given(x=st.integers(-6, 9), y=st.integers(-6, 9))
def test_on_tensors_as_on_numbers(function, x, y):
    expected = function(x, y)
    with tf.eager_mode():
        traced = TRACED[function]
        assert traced(tf.constant(x), tf.constant(y)).numpy() == expected
        assert traced(x, tf.constant(y)).numpy() == expected
        assert traced(x, y).numpy() == expected


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_in_sessions(function):
    x, y = tf.placeholder(tf.int32, []), tf.placeholder(tf.int32, [])
    z = tf.autograph.to_graph(function)(x, y)
    with tf.Session() as session:
        for a in (-2, 0, 3, 8):
            for b in (-4, 1, 6):
                assert session.run(z, {x: a, y: b}) == function(a, b), (a, b)


# ------------------------------------------------------------------------------------ one by one


@pytest.fixture
def eager():
    with tf.eager_mode():
        yield


@pytest.mark.usefixtures("eager")
def test_rows_of_tensors():
    @tf.function
    def total(rows):
        result = tf.zeros([2])
        for row in rows:
            if tf.reduce_sum(row) < 0:
                continue
            result += row
        return result

    rows = tf.constant([[1.0, 2.0], [-5.0, 1.0], [3.0, 4.0]])
    assert total(rows).numpy().tolist() == [4.0, 6.0]
    with tf.GradientTape() as tape:
        tape.watch(rows)
        y = tf.reduce_sum(total(rows) * [1.0, 10.0])
    assert tape.gradient(y, rows).numpy().tolist() == [[1.0, 10.0], [0.0, 0.0], [1.0, 10.0]]


@pytest.mark.usefixtures("eager")
def test_python_stays_python():
    seen = []

    @tf.function
    def f(x, deep):
        layers = []
        for i in range(3):
            if deep or i > 1:
                layers.append(x * i)
                seen.append(i)
        config = {"sum": None}
        if config["sum"] is None:
            config["sum"] = tf.add_n(layers)
        return config["sum"], len(layers)

    result, count = f(tf.constant(2.0), False)
    assert (result.numpy(), count.numpy(), seen) == (4.0, 1, [2])


@pytest.mark.usefixtures("eager")
def test_methods_closures_and_effects():
    class Counter:
        def __init__(self):
            self.v = tf.Variable(0)

        @tf.function
        def add(self, n):
            for _ in tf.range(n):
                self.v.assign_add(offset)
            if n > 3:
                self.v.assign(self.v * 2)
            return self.v.read_value()

    offset = 5
    counter = Counter()
    assert counter.add(tf.constant(2)).numpy() == 10
    assert counter.add(tf.constant(4)).numpy() == 60


@pytest.mark.usefixtures("eager")
def test_builtins_on_tensors():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        n = len(x)
        assert n > 0, "empty"
        return float(n) + x[0], int(x[0])

    assert [y.numpy() for y in f([2.75, 1.0])] == [4.75, 2]
    with pytest.raises(tf.errors.InvalidArgumentError):
        f([])


@pytest.mark.usefixtures("eager")
def test_what_is_refused():
    @tf.function
    def one_branch(x):
        if x > 0:
            y = 1
        return y

    with pytest.raises(ValueError, match="'y' must get a value in both branches"):
        one_branch(tf.constant(1.0))

    @tf.function
    def objects(x):
        kind = "positive"
        if x < 0:
            kind = "negative"
        return x if kind == "positive" else -x

    with pytest.raises(TypeError, match="only tensors and numbers can differ"):
        objects(tf.constant(1.0))

    @tf.function
    def after(n):
        i = 0
        while i < n:
            last = i
            i += 1
        return last + 1

    with pytest.raises(UnboundLocalError, match="'last' is used before it has a value"):
        after(tf.constant(3))

    @tf.function
    def returning_loop(n):
        i = 0
        while i < n:
            if i > 2:
                return i
            i += 1
        return i

    with pytest.raises(TypeError, match="no truth value"):
        returning_loop(tf.constant(5))
    assert returning_loop(5).numpy() == 3


def test_conversion_by_hand():
    def f(x):
        return tf.square(x) if x > 0 else x

    assert "ag__.if_expression" in tf.autograph.to_code(f)
    left = tf.autograph.experimental.do_not_convert(f)
    assert left is f
    with pytest.raises(ValueError, match="takes a Python function"):
        tf.autograph.to_graph(3)
    with pytest.raises(ValueError, match="it is no `def`"):
        tf.autograph.to_graph(lambda x: x)

    def generator(x):
        yield x

    with pytest.raises(ValueError, match="generator"):
        tf.autograph.to_graph(generator)

    def defaults(x, n=3, *, scale=2.0):
        """Keeps what it is called with."""
        while n > 0:
            x, n = x * scale, n - 1
        return x

    made = tf.autograph.to_graph(defaults)
    assert made.__doc__ == defaults.__doc__ and made(np.float32(1)) == 8.0
    assert tf.Session().run(made(tf.constant(1.0), tf.constant(4), scale=3.0)) == 81.0


@pytest.mark.usefixtures("eager")
def test_lines_are_the_users():
    @tf.function
    def f(x):
        if x[0, 0] > 0:
            y = x
        else:
            y = tf.matmul(x, x)
        return y

    line = f.python_function.__code__.co_firstlineno + 5
    with pytest.raises(ValueError, match=f"test_autograph.py:{line}"):
        f(tf.ones([2, 3]))
