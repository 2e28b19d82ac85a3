"""tf.function: traces, what they capture, effects, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture(autouse=True)
def eager():
    with tf.eager_mode():
        yield


def counted(python):
    """``python`` as a tf.function, and a list that grows with each trace."""
    traces = []

    @tf.function
    def function(*args, **kwargs):
        traces.append(args)
        return python(*args, **kwargs)

    return function, traces


def test_one_trace_per_signature():
    f, traces = counted(lambda x, k=2: x * k)
    assert f(tf.constant(3.0)).numpy() == 6.0
    assert f(tf.constant(4.0)).numpy() == 8.0
    assert len(traces) == 1
    f(tf.constant([1.0]))
    f(tf.constant(1))
    f(tf.constant(1.0), k=3)
    f(np.float32(7))  # an array counts as a tensor
    assert len(traces) == 4
    assert f(2, 3).numpy() == 6
    assert f(2.0, 3).numpy() == 6.0  # 2 and 2.0 are other values
    assert len(traces) == 6


def test_an_input_signature_is_one_trace():
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def total(x):
        assert not tf.executing_eagerly()
        assert x.shape.as_list() == [None, 2]
        return tf.reduce_sum(x, 0)

    assert total([[1, 2], [3, 4]]).numpy().tolist() == [4, 6]
    assert total(np.ones((5, 2), np.float32)).numpy().tolist() == [5, 5]
    assert len(total._concrete) == 1
    with pytest.raises(ValueError, match="incompatible with input_signature"):
        total(tf.ones([3]))
    concrete = total.get_concrete_function()
    assert [t.name for t in concrete.inputs] == ["x:0"]
    assert concrete(tf.ones([1, 2])).numpy().tolist() == [1, 1]
    assert concrete.output_dtypes is tf.float32


def test_structures_go_in_and_out():
    @tf.function
    def f(pair, *, scale):
        return {"sum": pair[0] + pair[1]["b"], "none": None, "list": [scale * pair[0], 7]}

    result = f((tf.constant(1.0), {"b": tf.constant(2.0)}), scale=tf.constant(10.0))
    assert result["none"] is None
    assert [x.numpy() for x in (result["sum"], *result["list"])] == [3.0, 10.0, 7]


def test_effects_happen_in_order_whether_or_not_fetched():
    v = tf.Variable(1.0)

    @tf.function
    def f():
        v.assign_add(1.0)
        before = v + 0.0
        v.assign(v * 10.0)
        return before

    assert f().numpy() == 2.0
    assert v.numpy() == 20.0
    calls = []

    @tf.function
    def g():
        tf.py_func(lambda: calls.append(1), [], [])

    assert g() is None
    g()
    assert calls == [1, 1]


def test_variables_of_the_first_call():
    class Layer:
        def __init__(self):
            self.w = None

        @tf.function
        def __call__(self, x):
            if self.w is None:
                self.w = tf.Variable(tf.fill([2, 2], 2.0) * 2.0, name="w")
            return tf.matmul(x, self.w)

    one, other = Layer(), Layer()
    assert one(tf.ones([1, 2])).numpy().tolist() == [[8.0, 8.0]]
    one.w.assign_add(tf.ones([2, 2]))
    assert one(tf.ones([1, 2])).numpy().tolist() == [[10.0, 10.0]]
    assert other(tf.ones([1, 2])).numpy().tolist() == [[8.0, 8.0]]

    @tf.function
    def every_time(x):
        return tf.Variable(1.0) + x

    with pytest.raises(ValueError, match="tried to create variables on non-first call"):
        every_time(tf.constant(1.0))


def test_gradients_through_a_function():
    v = tf.Variable([1.0, 2.0])
    c = tf.constant(3.0)

    @tf.function
    def f(x):
        h = tf.exp(x) * v
        return tf.reduce_sum(h * c), h

    def at_once(x):
        h = tf.exp(x) * v
        return tf.reduce_sum(h * c), h

    x = tf.constant([0.5, -1.0])
    found = []
    for function in (f, at_once):
        with tf.GradientTape() as tape:
            tape.watch([x, c])
            y, h = function(x)
        found.append(tape.gradient([y, h], [x, v, c]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)


def test_gradients_of_higher_order():
    @tf.function
    def cube(x):
        return x * x * x

    x = tf.constant(2.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = cube(x)
        dy = inner.gradient(y, x)
    assert outer.gradient(dy, x).numpy() == 12.0
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        dy = tape.gradient(cube(x), x)
    assert dy.numpy() == 12.0
    assert tape.gradient(dy, x).numpy() == 12.0


def test_a_training_step_in_a_function():
    w = tf.Variable([0.0, 0.0])
    target = tf.constant([1.0, -2.0])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(w - target))
        w.assign_sub(0.25 * tape.gradient(loss, w))
        return loss

    losses = [step().numpy() for _ in range(4)]
    assert losses == [5.0, 1.25, 0.3125, 0.078125]


def test_functions_in_functions():
    @tf.function
    def inner(x):
        return x + 1.0

    @tf.function
    def outer(x):
        return inner(x) * inner(x * 2.0)

    assert outer(tf.constant(3.0)).numpy() == 28.0
    with tf.Graph().as_default():
        y = outer(tf.constant(3.0))
        assert tf.Session().run(y) == 28.0


def test_random_streams_go_on_and_differ():
    @tf.function
    def f():
        return tf.random_uniform([4])

    @tf.function
    def g():
        return tf.random_uniform([4])

    draws = [f().numpy(), f().numpy(), g().numpy()]
    assert len({tuple(draw) for draw in draws}) == 3


def test_the_bits_of_a_session():
    """G15: the same function, executed, as a tf.function and in a session."""
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((17, 9)), rng.standard_normal((9, 5))

    def f(x, w):
        h = tf.nn.relu(tf.matmul(x, w))
        return tf.reduce_mean(tf.nn.softmax(h), 1), tf.reduce_sum(h * tf.exp(-h), 0)

    for dtype in (np.float32, np.float64):
        args = x.astype(dtype), w.astype(dtype)
        with tf.Graph().as_default():
            fed = [tf.placeholder(dtype, a.shape) for a in args]
            expected = tf.Session().run(f(*fed), dict(zip(fed, args, strict=True)))
        for one, other in zip(tf.function(f)(*args), expected, strict=True):
            assert one.numpy().tobytes() == other.tobytes()
        # One by one, operations round where a kernel of several fuses a * b + c.
        for one, other in zip(f(*map(tf.constant, args)), expected, strict=True):
            np.testing.assert_allclose(one.numpy(), other, rtol=1e-6)


def test_forward_of_the_notes():
    """G14: W*x + b with W = ones(2, 2), b = 0 and a = [1, 0]."""
    W, b = tf.Variable(tf.ones([2, 2]), name="W"), tf.Variable(tf.zeros([2]), name="b")

    @tf.function
    def forward(x):
        return W * x + b

    for result in (forward(tf.constant([1.0, 0.0])), W * [1.0, 0.0] + b):
        assert str(result) == "tf.Tensor(\n[[1. 0.]\n [1. 0.]], shape=(2, 2), dtype=float32)"


def test_errors_name_the_line():
    @tf.function
    def product(x, y):
        return tf.matmul(x, y)

    with pytest.raises(ValueError, match=r"MatMul: inner sizes differ(.|\n)*test_function.py"):
        product(tf.ones([2, 3]), tf.ones([2, 3]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(.|\n)*test_function.py:\d+"):
        tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))

    @tf.function
    def rows(x, i):
        return tf.gather(x, i)

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"= 7 is not in(.|\n)*function.py"):
        rows(tf.ones([2, 3]), tf.constant([7]))

    @tf.function(autograph=False)
    def branch(x):
        return 1.0 if x > 0 else 2.0

    with pytest.raises(TypeError, match="no truth value"):
        branch(tf.constant(1.0))


def test_run_functions_eagerly():
    f, traces = counted(lambda x: x + 1.0)
    tf.config.experimental_run_functions_eagerly(True)
    try:
        f(tf.constant(1.0))
        f(tf.constant(1.0))
    finally:
        tf.config.experimental_run_functions_eagerly(False)
    assert len(traces) == 2 and not f._concrete


def test_wrap_function():
    def graph_code(x):
        v = tf.get_variable("v", initializer=3.0)
        return v * x

    f = tf.wrap_function(graph_code, [tf.TensorSpec([None], tf.float32)])
    assert f(tf.constant([1.0, 2.0])).numpy().tolist() == [3.0, 6.0]
    (v,) = f.variables
    v.assign(10.0)
    assert f([1.0]).numpy().tolist() == [10.0]


def test_specs():
    spec = tf.TensorSpec([None, 3], tf.float32, name="x")
    assert repr(spec) == "TensorSpec(shape=(?, 3), dtype=tf.float32, name='x')"
    assert spec == tf.TensorSpec([None, 3]) and spec.name == "x"
    assert spec.is_compatible_with(tf.zeros([2, 3]))
    assert not spec.is_compatible_with(tf.zeros([2, 4]))
    assert not spec.is_compatible_with(tf.zeros([2, 3], tf.int32))
    common = spec.most_specific_compatible_type(tf.TensorSpec([5, 4]))
    assert common.shape.as_list() == [None, None]
    with pytest.raises(ValueError, match="No TypeSpec is compatible"):
        spec.most_specific_compatible_type(tf.TensorSpec([5, 3], tf.int32))
    sparse = tf.SparseTensorSpec([None, 2], tf.int32)
    assert sparse.is_compatible_with(tf.SparseTensor([[0, 1]], [7], [3, 2]))
    assert tf.IndexedSlicesSpec([4, 2]).value_type is tf.IndexedSlices
    assert not tf.is_symbolic_tensor(tf.constant(1))
    assert tf.TensorSpec.from_tensor(tf.zeros([2])) == tf.TensorSpec([2])
