"""Variables: nodes and names as TensorFlow's, what a read sees, initialisation."""

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config
from flowgraph.graph.verify import verify


@pytest.fixture
def sess():
    with config.override(TARGET="reference"), tf.Session() as session:
        yield session


def nodes(since=0):
    return [
        (op.name, op.type, [t.name for t in op.inputs], [c.name for c in op.control_inputs])
        for op in tf.get_default_graph().get_operations()[since:]
    ]


def test_nodes_of_a_variable():
    v = tf.Variable([1.0, 2.0], name="v")
    assert nodes() == [
        ("v/initial_value", "Const", [], []),
        ("v", "VariableV2", [], []),
        ("v/Assign", "Assign", ["v:0", "v/initial_value:0"], []),
        ("v/read", "Identity", ["v:0"], []),
    ]
    assert str(v) == repr(v) == "<tf.Variable 'v:0' shape=(2,) dtype=float32_ref>"
    assert v.dtype.name == "float32_ref" and v.value().name == "v/read:0" and v.op.name == "v"
    assert v.initializer.name == "v/Assign" and v.initial_value.name == "v/initial_value:0"
    assert v.shape == [2] == v.get_shape() and v.trainable and v.constraint is None
    assert v.graph.as_graph_element(v) is v._ref() and v.value().op.colocation_groups() == [
        b"loc:@v"
    ]
    verify(v.graph)


def test_names_of_variables():
    tf.Variable(lambda: tf.zeros([2]) + 1.0, name="w")
    assert [n for n, *_ in nodes()][-4:] == ["w/Initializer/add", "w", "w/Assign", "w/read"]
    assert tf.Variable(tf.zeros([3])).name == "Variable:0" and tf.Variable(3).name == "Variable_1:0"
    assert tf.Variable(lambda: 1.0).initial_value.name == "Variable_2/Initializer/initial_value:0"
    with tf.name_scope("sc"):
        assert tf.Variable([1.0], name="z").name == "sc/z:0"
    with tf.control_dependencies([tf.no_op()]):
        z = tf.Variable(1.0, name="z")
    assert z.initializer.control_inputs == [] and z.value().op.control_inputs == []


def test_dtypes_and_shapes():
    assert tf.Variable(1, dtype=tf.float32).dtype.base_dtype is tf.float32
    assert tf.Variable(lambda: 1.0, dtype=tf.float64).dtype.base_dtype is tf.float64
    free = tf.Variable(tf.placeholder(tf.float32), validate_shape=False)
    assert repr(free) == "<tf.Variable 'Variable_2:0' shape=<unknown> dtype=float32_ref>"
    assert tf.Variable([1.0], shape=[None]).shape.as_list() == [None]
    v = tf.Variable([1.0, 2.0])
    v.set_shape([2])
    with pytest.raises(ValueError, match="contradicts"):
        v.set_shape([3])
    for accepted in ({"use_resource": True}, {"expected_shape": [1]}, {"caching_device": "/cpu:0"}):
        tf.Variable([1.0], **accepted)


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda: tf.Variable(None), ValueError, "initial_value must be given"),
        (lambda: tf.Variable(), ValueError, "initial_value must be given"),
        (lambda: tf.Variable(1.5, dtype=tf.int32), TypeError, "expected int32, got 1.5"),
        (
            lambda: tf.Variable(tf.placeholder(tf.float32)),
            ValueError,
            r"shape.*known\n.*made at test_var",
        ),
        (lambda: tf.Variable([1], collections="a"), ValueError, "collections must be a list"),
        (lambda: tf.Variable([1.0], constraint=3), ValueError, "constraint must be callable"),
        (
            lambda: tf.Variable([1.0]).assign([1.0, 2.0]),
            ValueError,
            r"\[2\] cannot be assigned.*\[1\]",
        ),
        (
            lambda: tf.Variable([1.0]).assign(tf.constant([1])),
            TypeError,
            "'value' is int32, but 'ref' is float32",
        ),
        (lambda: tf.Variable([1.0]).scatter_add(tf.constant(1.0)), TypeError, "IndexedSlices"),
        (lambda: iter(tf.Variable([1.0])), TypeError, "tf.unstack"),
        (lambda: tf.Variable([1.0]).eval(), ValueError, "session"),
        (lambda: tf.Variable([1.0]).load([1.0]), ValueError, "session"),
    ],
)
def test_bad_input(wrong, error, text):
    with pytest.raises(error, match=text):
        wrong()


def test_collections():
    a = tf.Variable(1.0, name="a")
    b = tf.Variable(1.0, name="b", trainable=False)
    c = tf.Variable(1.0, name="c", collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False)
    assert tf.global_variables() == [a, b] and tf.trainable_variables() == [
        a
    ] == tf.trainable_variables("a")
    assert (
        tf.local_variables() == [c]
        and tf.global_variables("b") == [b]
        and tf.model_variables() == []
    )


# --------------------------------------------------------------------------------- the read rule


def test_reads_are_shared_until_a_write_or_a_block():
    v = tf.Variable([1.0], name="v")
    first = v.value()
    assert (v + 1.0).op.inputs[0] is first and tf.convert_to_tensor(v) is first
    add = v.assign_add([1.0])
    second = tf.convert_to_tensor(v)
    assert second.name == "v/read_1:0" and (v + 1.0).op.inputs[0] is second
    with tf.control_dependencies([add]):
        inside = tf.convert_to_tensor(v)
        assert inside is not second and inside.op.control_inputs == [add.op]
        assert tf.convert_to_tensor(v) is not inside
    assert tf.convert_to_tensor(v) is second
    tf.assign(add, [5.0])  # a write through the output of a write
    assert tf.convert_to_tensor(v) not in (first, second)
    assert v.read_value().name == "read:0"
    with tf.control_dependencies([]):
        shared = tf.convert_to_tensor(v)
    assert shared is tf.convert_to_tensor(v)


def test_reads_keep_their_names_inside_scopes():
    v = tf.Variable([1.0], name="v")
    v.assign([2.0])
    with tf.name_scope("deep"):
        assert tf.convert_to_tensor(v).name == "v/read_1:0"


def test_values_seen(sess):
    v = tf.Variable(1.0)
    before = v + 0.0
    write = v.assign_add(10.0)
    after = v + 0.0
    sess.run(v.initializer)
    assert sess.run([before, write, after]) == [1, 11, 11]
    assert sess.run([after, before]) == [11, 11] and v.eval(sess) == 11
    with tf.control_dependencies([v.assign_sub(1.0)]):
        seen = v.read_value()
    assert sess.run(seen) == 10
    v.load(3.0, sess)
    assert v.eval() == 3


def test_operators(sess):
    v = tf.Variable([[1.0, -2.0], [3.0, 4.0]])
    sess.run(tf.global_variables_initializer())
    a = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)
    for built, expected in [
        (v + 1, a + 1), (1 - v, 1 - a), (v * v, a * a), (2 / v, 2 / a), (-v, -a), (abs(v), abs(a)),
        (v[0], a[0]), (v[:, 1:], a[:, 1:]), (v > 0, a > 0), (v @ v, a @ a), (v**2, a**2),
        (np.ones(2, np.float32) + v, a + 1), (v // 2, a // 2), (v % 3, a % 3),
    ]:  # fmt: skip
        np.testing.assert_array_equal(sess.run(built), expected)
    assert v == v and len({v, v}) == 1 and bool(v)


# ---------------------------------------------------------------------------------- assignments


def test_assignments(sess):
    v = tf.Variable([1.0, 2.0], name="v")
    sess.run(v.initializer)
    assign = v.assign([3.0, 4.0])
    assert assign.name == "Assign:0" and assign.dtype.is_ref
    assert isinstance(v.assign([3.0, 4.0], name="nm", read_value=False), tf.Operation)
    assert sess.run(assign).tolist() == [3, 4]
    assert sess.run(v.assign_add([1.0, 1.0])).tolist() == [4, 5]
    assert sess.run(tf.assign_sub(v, [1.0, 1.0], name="sub")).tolist() == [3, 4]


def test_scatter(sess):
    v = tf.Variable([1.0, 2.0, 3.0])
    sess.run(v.initializer)
    rows = tf.IndexedSlices(tf.constant([10.0, 20.0]), tf.constant([2, 2]))
    assert v.scatter_add(rows).name == "ScatterAdd:0"
    assert sess.run(v.scatter_add(rows)).tolist() == [1, 2, 33]
    assert sess.run(v.scatter_sub(rows)).tolist() == [1, 2, 3]
    assert sess.run(v.scatter_update(rows, name="u")).tolist() == [1, 2, 20]


# -------------------------------------------------------------------------------- initialisation


def test_initializers_run_in_order(sess):
    a = tf.Variable([1.0, 2.0], name="a")
    b = tf.Variable(a.initialized_value() * 2.0, name="b")
    c = tf.Variable(b, name="c")
    init = tf.global_variables_initializer()
    assert isinstance(init, tf.Operation) and init.type == "NoOp" and init.name == "init"
    assert [op.name for op in init.control_inputs] == ["a/Assign", "b/Assign", "c/Assign"]
    sess.run(init)
    assert [x.tolist() for x in sess.run([a, b, c])] == [[1, 2], [2, 4], [2, 4]]
    assert tf.variables_initializer([a], name="ii").name == "ii"
    assert tf.variables_initializer([]).control_inputs == []
    assert tf.local_variables_initializer().name == "init_2"


def test_uninitialised_variables_are_reported(sess):
    a, b = tf.Variable(1.0, name="a"), tf.Variable(2.0, name="b")
    missing = tf.report_uninitialized_variables()
    assert sess.run(missing).tolist() == [b"a", b"b"]
    assert not sess.run(tf.is_variable_initialized(a))
    sess.run(b.initializer)
    assert sess.run(missing).tolist() == [b"a"] and sess.run(tf.is_variable_initialized(b))
    assert sess.run(tf.report_uninitialized_variables([])).tolist() == []
    with pytest.raises(tf.errors.FailedPreconditionError, match="a"):
        sess.run(a + 1.0)


def test_gradients_reach_the_variable(sess):
    v = tf.Variable([1.0, 2.0])
    early = v * 3.0
    v.assign([5.0, 6.0])
    late = v * v  # another read
    sess.run(tf.global_variables_initializer())
    assert sess.run(tf.gradients([early, late], v)[0]).tolist() == [5, 7]


def test_kernels_read_what_a_change_of_size_left():
    v = tf.Variable([1.0, 2.0], validate_shape=False, expected_shape=None)
    x = tf.placeholder(tf.float32, [None])
    longer = tf.assign(v, x, validate_shape=False)
    twice = tf.assign_add(v, longer)
    with tf.Session() as sess:
        sess.run(v.initializer)
        for value in ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]):
            a, b = sess.run([longer * 2.0, twice * 3.0], {x: value})
            np.testing.assert_array_equal(a, np.array(value) * 2)
            np.testing.assert_array_equal(b, np.array(value) * 6)
            np.testing.assert_array_equal(sess.run(v), np.array(value) * 2)
        assert sess.run(tf.assign(v, [5.0], validate_shape=False) * 2.0).tolist() == [10.0]
