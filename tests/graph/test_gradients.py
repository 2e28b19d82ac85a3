"""tf.gradients: names and structure as TensorFlow's, values against finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import config
from flowgraph.graph.cuts import why_no_gradient
from flowgraph.graph.verify import verify


def run(fetches, feeds=None):
    with config.override(TARGET="reference"), tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


def check_against_differences(build, *arrays, seed=0):
    """d/dx of sum(u * build(x)) with random u, against central differences in float64."""
    rng = np.random.default_rng(seed)
    xs = [tf.placeholder(tf.float64, a.shape) for a in arrays]
    y = build(*xs)
    u = rng.standard_normal(y.shape.as_list())
    direction = [rng.standard_normal(a.shape) for a in arrays]
    dxs = tf.gradients(y, xs, grad_ys=tf.constant(u), unconnected_gradients="zero")
    with config.override(TARGET="reference"), tf.Session() as session:
        exact = session.run(dxs, dict(zip(xs, arrays, strict=True)))
        step = 1e-5
        plus, minus = (
            session.run(
                y, {x: a + s * step * d for x, a, d in zip(xs, arrays, direction, strict=True)}
            )
            for s in (1, -1)
        )
    slope = np.sum(u * (plus - minus)) / (2 * step)
    along = sum(np.sum(dx * d) for dx, d in zip(exact, direction, strict=True))
    np.testing.assert_allclose(along, slope, rtol=1e-6, atol=1e-8)


# ---------------------------------------------------------------------------------------- values


def test_product_and_sum():
    check_against_differences(
        lambda x, y: tf.tanh(x * y) + x * x, np.array([0.5, -1.0, 2.0]), np.array([[1.0], [0.3]])
    )


def test_one_tensor_used_many_times():
    check_against_differences(
        lambda x: x * x * x - x / (1.0 + x * x) + tf.exp(-x), np.array([0.3, 2.0])
    )


@given(
    st.lists(st.tuples(st.sampled_from("+-*tm"), st.integers(0, 9), st.integers(0, 9)), max_size=12)
)
def test_random_graphs(program):
    """Any graph of a few operations, with every tensor reachable from several others."""
    with tf.Graph().as_default():

        def build(x, y):
            values = [x, y]
            for kind, i, j in program:
                a, b = values[i % len(values)], values[j % len(values)]
                values.append(
                    {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: tf.tanh(a) * b,
                     "t": lambda: tf.tanh(a), "m": lambda: tf.sin(a) * 0.5}[kind]()
                )  # fmt: skip
            return values[-1]

        check_against_differences(build, np.array([0.4, -0.7]), np.array([0.9, 0.2]))
        verify(tf.get_default_graph())


def test_higher_orders():
    x = tf.placeholder(tf.float64)
    y = tf.sin(x) * x
    orders = [y]
    for _ in range(4):
        orders.append(tf.gradients(orders[-1], x)[0])
    t = 0.7
    s, c = np.sin(t), np.cos(t)
    expected = [t * s, s + t * c, 2 * c - t * s, -3 * s - t * c, -4 * c + t * s]
    np.testing.assert_allclose(run(orders, {x: t}), expected, rtol=1e-12)


def test_gradients_sum_over_ys_and_use_grad_ys():
    x = tf.constant([1.0, 2.0])
    y, z = x * 3.0, x * x
    assert run(tf.gradients([y, z], x)[0]).tolist() == [5, 7]
    assert run(tf.gradients([y, z], x, grad_ys=[None, [10.0, 0.0]])[0]).tolist() == [23, 3]
    assert run(tf.gradients(y, x, grad_ys=2.0 * tf.ones([2]))[0]).tolist() == [6, 6]


def test_stop_gradients_and_paths_through_other_xs():
    x = tf.constant(1.0)
    u = x * 2.0
    z = x + u * 3.0
    assert run(tf.gradients(z, [x, u])) == [7, 3]
    assert run(tf.gradients(z, [x, u], stop_gradients=[x, u])) == [1, 3]
    assert run(tf.gradients(z, x, stop_gradients=u)) == [1]
    assert run(tf.gradients(tf.stop_gradient(u) * x, x)) == [2]


def test_hessians():
    x = tf.constant([1.0, 2.0])
    m = np.array([[2.0, 1.0], [5.0, 3.0]], np.float32)
    quadratic = tf.reduce_sum(x * tf.reduce_sum(m * x, 1))
    assert run(tf.hessians(quadratic, x)[0]).tolist() == (m + m.T).tolist()
    cube = tf.hessians(tf.reduce_sum(x * x * x), [x])[0]
    assert run(cube).tolist() == [[6, 0], [0, 12]]
    y = tf.constant([[1.0, 2.0]])
    assert tf.hessians(tf.reduce_sum(y * y * y), y)[0].shape == [1, 2, 1, 2]
    p = tf.placeholder(tf.float32, [None])
    (open_size,) = tf.hessians(tf.reduce_sum(p * p * p[0]), p)
    assert open_size.shape.as_list() == [None, None]
    assert run(open_size, {p: [1, 2]}).tolist() == [[6, 4], [4, 2]]
    q = tf.placeholder(tf.float32, None)
    (open_rank,) = tf.hessians(tf.reduce_sum(q * q), q)
    np.testing.assert_array_equal(run(open_rank, {q: np.ones((2, 2))}).reshape(4, 4), 2 * np.eye(4))
    with pytest.raises(ValueError, match="do not depend"):
        tf.hessians(tf.constant(1.0), x)
    with pytest.raises(ValueError, match="only linearly"):
        tf.hessians(x * 3.0, x)


# ------------------------------------------------------------------------------------------- None


def test_none_and_zeros():
    x, y = tf.placeholder(tf.float32, [3]), tf.placeholder(tf.float32, [3])
    i = tf.placeholder(tf.int32)
    for unconnected in (
        tf.gradients(x, y), tf.gradients(tf.constant(1.0), x),
        tf.gradients(tf.cast(x, tf.int32), x),
        tf.gradients(tf.argmax(x, 0), x), tf.gradients(i * i, i), tf.gradients([], x),
        tf.gradients(tf.stop_gradient(x), x), tf.gradients(tf.floor(x), x), tf.gradients(x, 3),
        tf.gradients(tf.shape(x), x), tf.gradients(tf.constant(1), x), tf.gradients(x // 2.0, x),
    ):  # fmt: skip
        assert unconnected == [None]
    assert tf.gradients(x, []) == []
    zero = tf.gradients(x, y, unconnected_gradients=tf.UnconnectedGradients.ZERO)[0]
    assert zero.name == "zeros_like:0" and run(zero, {y: [1, 2, 3]}).tolist() == [0, 0, 0]
    assert run(tf.gradients(tf.sign(x), x)[0], {x: [1, 2, 3]}).tolist() == [0, 0, 0]


def test_reasons_for_none():
    x = tf.placeholder(tf.float32, [3], name="x")
    y = tf.cast(tf.floor(x, name="f") * 2.0, tf.float64)
    assert tf.gradients(y, x) == [None]
    found = why_no_gradient(y, x)
    assert [op.name for op in found.cuts] == ["f"] and "step function" in found.message


# ------------------------------------------------------------------------- names, as TensorFlow


def made_since(version):
    return tf.get_default_graph().get_operations()[version:]


def test_names():
    x, y = (tf.placeholder(tf.float32, [3], name=n) for n in "xy")
    with tf.name_scope("s"):
        z = tf.tanh(x * y)
    w = z + x * x
    before = w.graph.version
    dx, dy = tf.gradients(w, [x, y])
    assert dx.name == "gradients/AddN:0" and dy.name.startswith("gradients/s/mul_grad/")
    scopes = [op.name.rpartition("/")[0] for op in made_since(before)]
    assert list(dict.fromkeys(scope for scope in scopes if scope.endswith("_grad"))) == [
        "gradients/s/Tanh_grad", "gradients/mul_grad", "gradients/s/mul_grad",
    ]  # fmt: skip
    names = [op.name for op in made_since(before)]
    assert names[:3] == ["gradients/Shape", "gradients/grad_ys_0/Const", "gradients/grad_ys_0"]
    assert tf.gradients(x, x)[0].name == "gradients_1/grad_ys_0:0"
    assert tf.gradients(x, x, name="foo")[0].name == "foo/grad_ys_0:0"
    again = tf.gradients([z, x], x, grad_ys=[None, tf.ones([3])])[0]
    assert (
        again.name == "gradients_2/AddN:0" and again.op.inputs[0].name == "gradients_2/grad_ys_1:0"
    )


def test_operations_have_the_callers_line():
    x = tf.placeholder(tf.float32, [3])
    y = tf.tanh(x)
    before = x.graph.version
    dx = tf.gradients(y, x)[0]
    line = dx.op.site[1]
    assert {op.site for op in made_since(before)} == {(__file__, line)} and line == y.op.site[1] + 2


def test_colocation():
    with tf.device("/gpu:1"):
        x = tf.placeholder(tf.float32, [3])
        y = tf.tanh(x)
    assert tf.gradients(y, x, colocate_gradients_with_ops=True)[0].device == "/device:GPU:1"
    assert tf.gradients(y, x)[0].device == ""


def test_unknown_shapes():
    x = tf.placeholder(tf.float32)
    y = tf.reduce_sum(tf.exp(x) * 2.0)
    dx = tf.gradients(y, x)[0]
    np.testing.assert_allclose(run(dx, {x: [[0.0, 1.0]]}), 2 * np.exp([[0.0, 1.0]]), rtol=1e-6)


def test_a_long_chain_does_not_recurse():
    x = y = tf.placeholder(tf.float32, [])
    for _ in range(20000):
        y = tf.negative(y)
    assert tf.gradients(y, x)[0].op.type == "Neg"


# -------------------------------------------------------------------------------------- bad input


def test_wrong_arguments():
    x = tf.placeholder(tf.float32, [3], name="x")
    y = tf.tanh(x)
    for wrong, error, text in [
        (
            lambda: tf.gradients(y, x, grad_ys=[1.0, 2.0]),
            ValueError,
            "1 ys were given, but 2 grad_ys",
        ),
        (
            lambda: tf.gradients(y, x, grad_ys=tf.ones([4])),
            ValueError,
            r"grad_ys\[0\] is \[4\] for shape \[3\]",
        ),
        (
            lambda: tf.gradients(y, x, grad_ys=tf.ones([3], tf.int32)),
            TypeError,
            "int32 for float32",
        ),
        (lambda: tf.gradients(y, [x, None]), TypeError, "x_1 is None"),
        (lambda: tf.gradients(tf.constant("a"), x), TypeError, "no derivative"),
        (lambda: tf.gradients(y, x, unconnected_gradients="foo"), ValueError, "foo"),
        (lambda: tf.gradients(y, x, aggregation_method=7), ValueError, "aggregation_method"),
    ]:
        with pytest.raises(error, match=text):
            wrong()
    assert tf.gradients(
        y, x, gate_gradients=True, aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE
    )
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with pytest.raises(ValueError, match="another graph"):
        tf.gradients(y, other)


# ----------------------------------------------------------------------------------- IndexedSlices


def test_gather_gives_indexed_slices():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    picked = tf.gather(v, [2, 0, 2])
    sparse = tf.gradients(tf.reduce_sum(picked * picked), v)[0]
    assert (
        isinstance(sparse, tf.IndexedSlices)
        and sparse.shape == [3, 2]
        and sparse.dtype is tf.float32
    )
    dense = [[2.0, 4.0], [0, 0], [20.0, 24.0]]
    assert run(tf.convert_to_tensor(sparse)).tolist() == dense
    assert run(sparse.indices).tolist() == [2, 0, 2] and "IndexedSlices(indices=" in str(sparse)
    assert run(tf.convert_to_tensor(-sparse)).tolist() == (-np.array(dense)).tolist()
    value = run(sparse)
    assert value.values.shape == (3, 2) and value.dense_shape.tolist() == [3, 2]


def test_sums_of_sparse_and_dense_gradients():
    v = tf.Variable([1.0, 2.0, 3.0])
    first, second = tf.gather(v, [0, 1]) * 2.0, tf.gather(v, [1])
    sparse = tf.gradients([first, second], v)[0]
    assert isinstance(sparse, tf.IndexedSlices)
    assert run(tf.convert_to_tensor(sparse)).tolist() == [2, 3, 0]
    mixed = tf.gradients([first, tf.reduce_sum(v)], v)[0]
    assert isinstance(mixed, tf.Tensor) and run(mixed).tolist() == [3, 3, 1]
    through = tf.gradients(tf.gather(v * 2.0, [0, 0]), v)[0]  # dense rules get a dense gradient
    assert run(through).tolist() == [4, 0, 0]


def test_indexed_slices_conversion_errors():
    values, indices = tf.ones([1, 2]), tf.constant([0])
    with pytest.raises(ValueError, match="dense_shape"):
        tf.convert_to_tensor(tf.IndexedSlices(values, indices))
    slices = tf.IndexedSlices(values, indices, tf.constant([3, 2]))
    with pytest.raises(ValueError, match="float32"):
        tf.convert_to_tensor(slices, tf.int32)
    assert tf.convert_to_tensor_or_indexed_slices(slices) is slices
    assert tf.convert_to_tensor_or_indexed_slices(1.0).dtype is tf.float32
    with tf.control_dependencies([slices]):
        assert tf.no_op().control_inputs == [values.op]


# ----------------------------------------------------------------------------- gradients by users


def registered(name, function):
    from flowgraph.graph import gradient_registry

    gradient_registry._registered.pop(name, None)
    return tf.RegisterGradient(name)(function)


def test_override_map():
    registered("TestTriple", lambda op, dy: 3.0 * dy * op.inputs[0])
    g, x = tf.get_default_graph(), tf.constant([1.0, 2.0])
    with g.gradient_override_map({"Tanh": "TestTriple"}):
        y = tf.tanh(x)
    assert run(tf.gradients(y, x)[0]).tolist() == [3, 6]
    assert run(tf.gradients(tf.tanh(x) * 0.0, x)[0]).tolist() == [0, 0]  # outside: tanh's own
    with g.gradient_override_map({"Tanh": "TestTrple"}):
        z = tf.tanh(x)
    with pytest.raises(
        LookupError, match="'TestTrple', which is not registered; did you mean 'TestTriple'"
    ):
        tf.gradients(z, x)
    with pytest.raises(TypeError), g.gradient_override_map({"Tanh": 3}):
        pass


def test_registering_twice_and_over_a_builtin():
    registered("TestOnce", lambda op, dy: dy)
    for name in ("TestOnce", "Tanh"):
        with pytest.raises(KeyError):
            tf.RegisterGradient(name)(lambda op, dy: dy)
    with pytest.raises(TypeError):
        tf.RegisterGradient(lambda op, dy: dy)


def test_wrong_gradients_are_reported():
    g, x = tf.get_default_graph(), tf.constant([1.0, 2.0])
    for name, function, error, text in [
        ("TestCount", lambda op, dy: [dy, dy], ValueError, r"gave 2 value\(s\) for 1 input\(s\)"),
        (
            "TestShape",
            lambda op, dy: tf.ones([3]),
            ValueError,
            r"gradient of Tanh is \[3\] for shape \[2\]",
        ),
        ("TestDtype", lambda op, dy: tf.ones([2], tf.int32), TypeError, "int32 for float32"),
    ]:
        registered(name, function)
        with g.gradient_override_map({"Tanh": name}):
            y = tf.tanh(x, name=name)
        with pytest.raises(error, match=text) as caught:
            tf.gradients(y, x)
        assert f"'{name}'" in str(caught.value) and "test_gradients.py" in str(caught.value)


def test_user_gradients_get_zeros_for_unused_outputs():
    seen = []

    def rule(op, *dys):
        seen.extend(dys)
        return tf.concat(dys, 0)

    registered("TestSplit", lambda op, *dys: [None, rule(op, *dys)])
    x = tf.constant([1.0, 2.0])
    with tf.get_default_graph().gradient_override_map({"Split": "TestSplit"}):
        a, _ = tf.split(x, 2)
    tf.gradients(a, x)
    assert seen[1].op.type == "ZerosLike"


def test_custom_gradient():
    @tf.custom_gradient
    def log1pexp(x):
        e = tf.exp(x)
        return tf.log(1.0 + e), lambda dy: dy * (1.0 - 1.0 / (1.0 + e))

    x = tf.constant([0.0, 100.0])
    y = log1pexp(x)
    assert run(tf.gradients(y, x)[0]).tolist() == [0.5, 1.0]  # exact where the plain rule gives NaN

    @tf.custom_gradient
    def two(a, b):
        return (a * b, a + b), lambda d1, d2: (d1 * 10.0, d2 * 100.0)

    p, q = two(x, x)
    assert run(tf.gradients(p, x)[0]).tolist() == [10, 10]
    assert run(tf.gradients([p, q], x)[0]).tolist() == [110, 110]
    assert two.__name__ == "two"


def test_custom_gradient_with_variables():
    v = tf.Variable(3.0)
    x = tf.constant(2.0)

    @tf.custom_gradient
    def scaled(x):
        def grad(dy, variables=None):
            assert variables == [v]
            return dy * 7.0, [dy * 5.0]

        return x * v, grad

    assert run(tf.gradients(scaled(x), [x, v])) == [7, 5]

    @tf.custom_gradient
    def careless(x):
        return x * v, lambda dy: dy

    with pytest.raises(TypeError, match="careless reads the variables 'Variable:0'"):
        careless(x)

    @tf.custom_gradient
    def wrong(x):
        return x * 1.0, lambda dy: (dy, dy)

    with pytest.raises(ValueError, match="wrong has 1 argument"):
        tf.gradients(wrong(x), x)


def test_custom_gradient_structures_and_keywords():
    @tf.custom_gradient
    def f(pair, scale=1.0):
        def grad(dy_total, dy_x):
            return [dy_x * 10.0, dy_total * 100.0]

        return {"x": pair[0] * scale, "total": pair[0] + pair[1]}, grad

    x, y = tf.constant(2.0), tf.constant(3.0)
    out = f([x, y], scale=5.0)
    assert run(out) == {"x": 10, "total": 5}
    assert run(tf.gradients([out["x"], 2.0 * out["total"]], [x, y])) == [10, 200]

    @tf.custom_gradient
    def no_pair(x):
        return x

    with pytest.raises(TypeError, match="no_pair must return"):
        no_pair(x)

    @tf.custom_gradient
    def takes_anything(x):
        return x * tf.trainable_variables()[0], lambda dy, **kw: (dy, [dy * 7.0])

    v = tf.Variable(3.0)
    assert run(tf.gradients(takes_anything(x), [x, v])) == [1, 7]


def test_custom_gradients_nest():
    @tf.custom_gradient
    def f(x):
        @tf.custom_gradient
        def grad(dy):
            return dy * 10.0, lambda ddy: ddy * 1000.0

        return x * 2.0, grad

    x = tf.constant(2.0)
    y = f(x)
    first = tf.gradients(y * y, x)[0]
    assert run([first, tf.gradients(first, x)[0]]) == [80, 20000]


def test_a_custom_gradient_costs_no_host_instruction():
    x = tf.placeholder(tf.float32, [4])
    y = tf.custom_gradient(lambda x: (x * 2.0, lambda dy: dy))(x) + 1.0
    with tf.Session() as session:
        session.run(y, {x: np.ones(4)})
        (entry,) = {id(e): e for e in session._plans.values()}.values()
        assert all(i.kernel is not None for i in entry.plan.current.executable.plan.instrs)


def test_grad_pass_through():
    x, v = tf.constant([2.6, -0.4]), tf.Variable(3.0)
    y = tf.grad_pass_through(tf.round)(x)
    assert [r.tolist() for r in run([y, tf.gradients(y * y, x)[0]])] == [[3, 0], [6, 0]]
    z = tf.grad_pass_through(lambda x: tf.sign(x) * v)(x)
    assert tf.gradients(z, v) == [None]
    assert run(tf.gradients(z, x)[0]).tolist() == [1, 1]


def test_recompute_grad():
    v = tf.Variable(3.0)

    def f(x, y):
        return tf.exp(x) * v, tf.sin(x * y)

    x, y = tf.constant([0.5, 1.0]), tf.constant([1.0, 2.0])
    plain = tf.gradients(f(x, y), [x, y, v])
    again = tf.gradients(tf.recompute_grad(f)(x, y), [x, y, v])
    for one, other in zip(run(plain), run(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    one_way = tf.gradients(tf.recompute_grad(lambda x: [x * x, x])(x)[0], x)[0]
    assert run(one_way).tolist() == [1, 2]


def test_recompute_grad_really_computes_again():
    def exps(f):
        with tf.Graph().as_default():
            x = tf.placeholder(tf.float32, [4])
            y = f(x)
            dx = tf.gradients(y, x)[0]
            with tf.Session() as session:
                session.run([y, dx], {x: np.ones(4)})
                (entry,) = {id(e): e for e in session._plans.values()}.values()
                nodes = entry.plan.graph.nodes
        return sum(node.type == "Exp" for node in nodes)

    assert exps(lambda x: tf.exp(x * x)) == 1
    assert exps(tf.recompute_grad(lambda x: tf.exp(x * x))) == 2


def test_sparse_gradients_stay_sparse():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    through = tf.add_n([tf.cast(-tf.identity(v), tf.float64)])
    sparse = tf.gradients(tf.gather(through, [1, 1]), v)[0]
    assert isinstance(sparse, tf.IndexedSlices) and sparse.dtype is tf.float32
    assert run(tf.convert_to_tensor(sparse)).tolist() == [[0, 0], [-2, -2]]


def test_dtypes_without_derivative():
    x = tf.placeholder(tf.float32, [2])
    i = tf.placeholder(tf.int32, [2])
    assert tf.gradients(tf.equal(x, x), x) == [None]  # bool
    assert tf.gradients(i * 2, i, grad_ys=[tf.ones([2])]) == [None]
    assert tf.gradients(tf.cast(i, tf.float32), i) == [None]
    assert tf.gradients(x, tf.placeholder(tf.string)) == [None]
    with pytest.raises(TypeError, match="grad_ys\\[0\\] must be given"):
        tf.gradients(tf.placeholder(tf.complex64, [2]), x)


# ------------------------------------------------------------------------------------- measuring


def test_compute_gradient():
    x = tf.placeholder(tf.float64, [2, 3])
    y = tf.reduce_sum(tf.sin(x), 1)
    with tf.Session():
        start = np.arange(6.0).reshape(2, 3)
        found, measured = tf.test.compute_gradient(x, [2, 3], y, [2], x_init_value=start)
        assert found.shape == measured.shape == (6, 2) and found.dtype == np.float64
        expected = np.zeros((6, 2))
        expected[:3, 0], expected[3:, 1] = np.cos(start)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        np.testing.assert_allclose(measured, expected, atol=1e-6)
        assert tf.test.compute_gradient_error(x, [2, 3], y, [2]) < 1e-6
        a, b = tf.constant(1.0), tf.constant(2.0)
        pairs = tf.test.compute_gradient([a, b], [[], []], a * b, [], x_init_value=[1.0, 2.0])
        assert [p[0].tolist() for p in pairs] == [[[2]], [[1]]]
        with pytest.raises(TypeError, match="int32"):
            tf.test.compute_gradient(tf.constant(1), [], tf.constant(1) * 2, [])
        with pytest.raises(ValueError, match="does not depend"):
            tf.test.compute_gradient(a, [], b, [])
        with pytest.raises(ValueError, match="x_shape"):
            tf.test.compute_gradient(a, [], a * b, [], x_init_value=[1.0])
    with pytest.raises(ValueError, match="session"):
        tf.test.compute_gradient(a, [], a * b, [])
