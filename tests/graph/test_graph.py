"""Graph: names, scopes, control dependencies, devices, look-up, collections.

Expected names, strings and error classes were read off TensorFlow (compat.v1) with the same
programs.
"""

import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import config
from flowgraph.graph.devices import merge_devices, parse_device
from flowgraph.graph.verify import verify


def names(graph=None):
    return [op.name for op in (graph or tf.get_default_graph()).get_operations()]


# ----------------------------------------------------------------------------------------- names


def test_unique_names_ignore_case():
    g = tf.Graph()
    assert [g.unique_name(n) for n in ["x", "x", "X", "x_1", "x_1"]] == [
        "x", "x_1", "X_2", "x_1_1", "x_1_2",
    ]  # fmt: skip
    assert g.unique_name("x", mark_as_used=False) == g.unique_name("x") == "x_3"


@given(st.lists(st.sampled_from(["a", "A", "a_1", "b", "a_1_1", "a_2"]), max_size=30))
def test_unique_names_never_collide(wanted):
    g = tf.Graph()
    got = [g.unique_name(name).lower() for name in wanted]
    assert len(set(got)) == len(got)
    assert all(new.startswith(old.lower()) for old, new in zip(wanted, got, strict=True))


def test_operator_and_function_names():
    a = tf.constant(1.0)
    b = tf.constant(2.0, name="b")
    assert (a + b).name == "add:0" and (a + 1).name == "add_1:0" and (2 * a).name == "mul:0"
    assert tf.add(a, 2, name="bb").name == "bb:0"
    assert names() == ["Const", "b", "add", "add_1/y", "add_1", "mul/x", "mul", "bb/y", "bb"]
    assert (-a).name == "Neg:0" and (a < b).name == "Less:0" and abs(a).name == "Abs:0"
    assert (a / b).name == "truediv:0" and (a - b).name == "sub:0" and (a**b).name == "pow:0"
    assert tf.add(a, b).name == "Add_2:0" and (a + b).name == "add_3:0"


def test_name_scopes():
    with tf.name_scope("a") as scope:
        assert scope == "a/" and tf.constant(1).name == "a/Const:0"
        with tf.name_scope("b") as inner:
            assert inner == "a/b/"
        with tf.name_scope(None) as top:
            assert top == "" and tf.constant(1, name="t").name == "t:0"
    with tf.name_scope("a") as scope:
        assert scope == "a_1/"
    with tf.name_scope("w"), tf.name_scope("a/") as scope:
        assert scope == "a/" and tf.constant(1).name == "a/Const_1:0"
    with tf.name_scope("") as scope:
        assert scope == ""
    assert tf.constant(1, name="q/r").name == "q/r:0" and tf.constant(1, name="q").name == "q:0"
    assert tf.constant(1, name="q/r").name == "q/r_1:0"


def test_name_scope_class():
    x = tf.constant(1.0)
    with tf.name_scope(None, "default", [x]) as scope:
        assert scope == "default/"
    other = tf.Graph()
    with other.as_default():
        y = tf.constant(1.0)
    with tf.name_scope("s", values=[y]):
        assert tf.constant(1).graph is other
    with (
        pytest.raises(ValueError, match="belongs to another graph"),
        tf.name_scope("s", values=[x, y]),
    ):
        pass
    with pytest.raises(ValueError, match="needs a name"):
        tf.name_scope(None, None, [x])
    with pytest.raises(TypeError):
        tf.name_scope(3)


@pytest.mark.parametrize("wrong", ["_q", "q q", "ä", "-x"])
def test_invalid_names(wrong):
    with pytest.raises(ValueError, match="not a valid"):
        tf.constant(1, name=wrong)
    with pytest.raises(ValueError, match="not a valid"), tf.name_scope(wrong):
        pass


def test_exact_names():
    tf.constant(1, name="q")
    with pytest.raises(ValueError, match="already an operation named 'q'"):
        tf.constant(1, name="q/")


# --------------------------------------------------------------------------- control dependencies


def controls(op):
    return [other.name for other in getattr(op, "op", op).control_inputs]


def test_control_dependencies_bind_what_does_not_depend_anyway():
    x, y = tf.constant(1.0, name="x"), tf.constant(2.0, name="y")
    with tf.control_dependencies([x]):
        p = tf.identity(y, name="p")
        q = tf.identity(p, name="q")
        r = tf.identity(x, name="r")
        n = tf.no_op("n")
        with tf.control_dependencies([y]):
            s = tf.identity(p, name="s")
            with tf.control_dependencies(None):
                u = tf.identity(p, name="u")
            u2 = tf.identity(y, name="u2")
        with tf.control_dependencies([x]):
            u3 = tf.no_op("u3")
    assert [controls(op) for op in (p, q, r, n, s, u, u2, u3)] == [
        ["x"], [], [], ["x"], ["y"], [], ["x"], ["x"],
    ]  # fmt: skip
    assert controls(tf.no_op()) == []
    verify(tf.get_default_graph())


def test_control_inputs_can_be_names_and_variables():
    x = tf.constant(1.0, name="x")
    v = tf.Variable(1.0, name="v")
    with tf.control_dependencies(["x", v, v.initializer, x.op]):
        assert controls(tf.no_op()) == ["x", "v", "v/Assign"]
    for wrong in (3, tf.Graph()):
        with pytest.raises(TypeError), tf.control_dependencies([wrong]):
            pass
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with pytest.raises(ValueError, match="not an element of this graph"):
        with tf.get_default_graph().control_dependencies([other]):
            pass


def test_added_control_inputs_and_cycles():
    a, b = tf.no_op("a"), tf.no_op("b")
    b._add_control_input(a)
    b._add_control_input(a)
    assert controls(b) == ["a"] and a._control_outputs == [b]
    a._add_control_input(b)
    with pytest.raises(tf.errors.InvalidArgumentError, match="cycle: '[ab]' -> '[ab]' -> '[ab]'"):
        verify(tf.get_default_graph())
    with pytest.raises(TypeError):
        a._add_control_input("b")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="another graph"):
        tf.no_op()._add_control_input(a)


def test_control_inputs_added_after_a_run_count_from_the_next_run_on():
    v = tf.Variable(1.0)
    add, n = v.assign_add(1.0), tf.no_op("n")
    with config.override(TARGET="reference"), tf.Session() as session:
        session.run(v.initializer)
        session.run(n)
        assert session.run(v) == 1
        n._add_control_input(add.op)
        session.run(n)
        assert session.run(v) == 2


def test_scopes_are_left_after_an_error():
    g = tf.get_default_graph()
    with pytest.raises(KeyError), tf.name_scope("n"), tf.control_dependencies([tf.no_op()]):
        with tf.device("/gpu:0"), tf.Graph().as_default():
            raise KeyError
    assert tf.get_default_graph() is g and g.get_name_scope() == ""
    op = tf.no_op()
    assert op.device == "" and op.control_inputs == []


# --------------------------------------------------------------------------------------- devices


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        ("/cpu:0", "/device:CPU:0"), ("/gpu:1", "/device:GPU:1"), ("cpu:0", "/device:CPU:0"),
        ("/job:worker/task:3", "/job:worker/task:3"), ("/CPU", "/device:CPU:*"), ("", ""),
        ("/job:ps/replica:1/task:0/cpu:0", "/job:ps/replica:1/task:0/device:CPU:0"),
        ("/device:GPU:0", "/device:GPU:0"),
    ],
)  # fmt: skip
def test_device_strings(given_, canonical):
    with tf.device(given_):
        assert tf.no_op().device == canonical
    assert parse_device(canonical).to_string() == canonical


def test_nested_devices():
    with tf.device("/job:worker/task:1/cpu:0"):
        for inner, expected in [
            ("/gpu:0", "/job:worker/task:1/device:GPU:0"),
            ("/job:ps", "/job:ps/task:1/device:CPU:0"),
            (None, ""),
            ("", "/job:worker/task:1/device:CPU:0"),
            (lambda op: "/gpu:2", "/job:worker/task:1/device:GPU:2"),
            (lambda op: "", "/job:worker/task:1/device:CPU:0"),
        ]:
            with tf.device(inner):
                assert tf.no_op().device == expected
    with tf.device(lambda op: "/job:a" if op.type == "NoOp" else "/job:b"):
        assert tf.no_op().device == "/job:a" and tf.constant(1).device == "/job:b"
    assert merge_devices("/job:a", "/gpu:0") == "/job:a/device:GPU:0"


@pytest.mark.parametrize("wrong", ["/foo", "/gpu:x", "/task:a", "/device"])
def test_wrong_devices(wrong):
    with pytest.raises(ValueError, match="is not understood|not a number"), tf.device(wrong):
        pass


def test_colocation():
    with tf.device("/gpu:0"):
        w = tf.constant(1, name="w")
    with tf.device("/cpu:0"), tf.colocate_with(w):
        z = tf.constant(1)
    assert z.op.colocation_groups() == [b"loc:@w"] and z.device == "/device:GPU:0"
    with tf.colocate_with(w), tf.colocate_with(None):
        assert tf.no_op().colocation_groups() != [b"loc:@w"]


# --------------------------------------------------------------------------------------- looking up


def test_printing():
    x = tf.constant(1.0, name="x")
    p = tf.placeholder(tf.float32, [None, 3], name="p")
    q = tf.placeholder(tf.float32, name="q")
    assert str(x) == 'Tensor("x:0", shape=(), dtype=float32)'
    assert repr(x) == "<tf.Tensor 'x:0' shape=() dtype=float32>"
    assert str(p) == 'Tensor("p:0", shape=(?, 3), dtype=float32)'
    assert str(q) == 'Tensor("q:0", dtype=float32)' and "shape=<unknown>" in repr(q)
    assert repr(x.op) == "<tf.Operation 'x' type=Const>"
    with tf.device("/cpu:0"):
        assert str(tf.constant(1)).endswith("dtype=int32, device=/device:CPU:0)")
    text = str(tf.identity(x, name="i").op)
    assert text.startswith('name: "i"\nop: "Identity"\ninput: "x"\n') and "type: DT_FLOAT" in text


LOOKUPS = [
    (lambda g, x: g.get_tensor_by_name("x"), ValueError, "names an operation, not a tensor"),
    (lambda g, x: g.get_tensor_by_name("x:1"), KeyError, "has 1 output"),
    (lambda g, x: g.get_tensor_by_name("y:0"), KeyError, "no operation of the graph is named 'y'"),
    (lambda g, x: g.get_tensor_by_name("x:0:0"), ValueError, "is not a tensor's name"),
    (lambda g, x: g.get_tensor_by_name("x:a"), ValueError, "is not a tensor's name"),
    (lambda g, x: g.get_tensor_by_name(3), TypeError, "is a string"),
    (lambda g, x: g.get_operation_by_name("x:0"), ValueError, "names a tensor, not an operation"),
    (lambda g, x: g.get_operation_by_name("zz"), KeyError, "zz"),
    (lambda g, x: g.get_operation_by_name(x.op), TypeError, "is a string"),
    (lambda g, x: g.as_graph_element("^x"), KeyError, "x"),
    (lambda g, x: g.as_graph_element(x, allow_tensor=False), TypeError, "Operation"),
    (lambda g, x: g.as_graph_element(x.op, allow_operation=False), TypeError, "Tensor"),
    (lambda g, x: g.as_graph_element("n", allow_operation=False), ValueError, "not a tensor's"),
    (lambda g, x: g.as_graph_element(x, False, False), ValueError, "cannot both be False"),
    (lambda g, x: g.as_graph_element(3), TypeError, "int"),
    (lambda g, x: tf.Graph().as_graph_element(x), ValueError, "not an element of this graph"),
    (lambda g, x: tf.Graph().as_graph_element(x.op), ValueError, "not an element of this graph"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "text"), LOOKUPS)
def test_lookup_errors(wrong, error, text):
    x = tf.constant(1.0, name="x")
    with pytest.raises(error, match=text):
        wrong(tf.get_default_graph(), x)


def test_lookups():
    g = tf.get_default_graph()
    x = tf.constant(1.0, name="x")
    v = tf.Variable(1.0, name="v")
    assert g.get_tensor_by_name("x:0") is x and g.get_operation_by_name("x") is x.op
    assert g.as_graph_element("x") is x.op and g.as_graph_element("x:0") is x
    assert g.as_graph_element(x) is x and g.as_graph_element(v) is v.op.outputs[0]
    with pytest.raises(KeyError, match="did you mean 'dense/MatMul'"):
        g.create_op("NoOp", [], [], [], "dense/MatMul")
        g.get_operation_by_name("dense/Matmull")


# --------------------------------------------------------------------------------- tensor protocol


def test_python_protocol():
    x = tf.constant([1.0, 2.0])
    assert x == x and (x == 1) is False and len({x, x, tf.constant(1.0)}) == 2
    for wrong, text in (
        (bool, "tf.cond"),
        (iter, "tf.unstack"),
        (len, r"x.shape\[0\]"),
        (list, "tf.unst"),
    ):
        with pytest.raises(TypeError, match=text):
            wrong(x)
    for wrong in (np.array, np.sin):
        with pytest.raises(NotImplementedError, match="NumPy"):
            wrong(x)
    with pytest.raises(TypeError):
        float(x)
    with pytest.raises(AttributeError):
        x.foo
    x._keras_shape = (1, 2)  # programs do hang attributes on tensors
    assert x._keras_shape == (1, 2)
    assert (np.ones(2) + x).dtype is tf.float32 and (np.float64(2) * x).dtype is tf.float32


def test_set_shape_only_refines():
    p = tf.placeholder(tf.float32, [None, 3])
    p.set_shape([2, None])
    assert p.shape.as_list() == [2, 3]
    for wrong in ([None, 4], [2], [3, 3]):
        with pytest.raises(ValueError, match="contradicts.*\n.*made at test_graph.py"):
            p.set_shape(wrong)
    q = tf.placeholder(tf.float32)
    q.set_shape([None])
    assert q.get_shape().as_list() == [None]


def test_operation_attributes():
    x = tf.constant(1.0, name="x")
    y = tf.identity(x)
    z = tf.add(y, y)
    assert x.op.values() == (x,) and x.op.outputs == [x] and list(z.op.inputs) == [y, y]
    assert y.consumers() == [z.op] and x.consumers() == [y.op] and z.consumers() == []
    assert x.op.get_attr("dtype") is tf.float32 and x.op.get_attr("value") == np.float32(1)
    with pytest.raises(ValueError, match="no attr named 'dtpe'; did you mean 'dtype'"):
        x.op.get_attr("dtpe")
    p = tf.placeholder(tf.float32, [None, 3])
    assert p.op.get_attr("shape").as_list() == [None, 3]
    assert x.op.node_def.op == "Const" and z.op.node_def.input == ["Identity", "Identity"]
    with pytest.raises(NotImplementedError):
        import copy

        copy.deepcopy(x)
    assert __file__ in x.op.traceback[0][0] and "tf.constant(1.0" in x.op.traceback[0][2]


def test_site_is_the_users_line():
    x = tf.constant(1.0)
    y = x * 2.0 + tf.Variable(3.0)
    assert {op.site[0] for op in y.graph.get_operations()} == {__file__}
    assert y.op.site[1] == x.op.site[1] + 1


def test_without_session():
    x = tf.constant(1.0)
    with pytest.raises(ValueError, match="session"):
        x.eval()
    with pytest.raises(ValueError, match="session"):
        x.op.run()


# ----------------------------------------------------------------- collections, state of the graph


def test_collections():
    g = tf.Graph()
    with g.as_default():
        x = tf.constant(1.0, name="x")
        assert g.get_collection("nope") == []
        g.add_to_collections(["a", "b", "a"], x)
        tf.add_to_collections("cc", x)
        tf.add_to_collection("a", 3)
        assert tf.get_collection("a") == [x, 3] and g.get_collection("cc") == [x]
        assert g.get_collection("a", "x") == [x] == g.get_collection(
            "a", "^x"
        ) and not g.get_collection("a", "y")
        g.get_collection("a").append(1)
        assert len(g.get_collection("a")) == 2
        g.get_collection_ref("a").append(1)
        assert len(g.get_collection("a")) == 3
        assert sorted(g.get_all_collection_keys()) == ["a", "b", "cc"]
        g.clear_collection("a")
        assert g.get_collection("a") == []


def test_finalize():
    g = tf.Graph()
    with g.as_default():
        a, b = tf.no_op(), tf.no_op()
        assert g.version == 2 and not g.finalized
        g.finalize()
        for change in (
            lambda: tf.constant(1), lambda: g.add_to_collection("a", 1),
            lambda: b._add_control_input(a),
        ):  # fmt: skip
            with pytest.raises(RuntimeError, match="finalized"):
                change()
        assert g.version == 2 and g.finalized


def test_default_graph():
    outer, inner = tf.Graph(), tf.Graph()
    with outer.as_default() as g:
        assert g is outer and tf.get_default_graph() is outer
        with inner.as_default():
            assert tf.constant(1).graph is inner
        assert tf.constant(1).graph is outer
        with pytest.raises(AssertionError):
            tf.reset_default_graph()
    first = tf.get_default_graph()
    tf.reset_default_graph()
    assert tf.get_default_graph() is not first
    tf.set_random_seed(7)
    assert tf.get_default_graph().seed == 7


def test_feedable():
    g = tf.get_default_graph()
    x = tf.constant(1.0)
    assert g.is_feedable(x) and g.is_fetchable(x)
    g.prevent_feeding(x)
    g.prevent_fetching(x.op)
    assert not g.is_feedable(x) and not g.is_fetchable(x)


def test_threads_have_their_own_scopes_and_default():
    g = tf.Graph()
    seen = []

    def build(number):
        seen.append(tf.get_default_graph() is not g)
        with g.as_default(), tf.name_scope(f"t{number}"), tf.control_dependencies([first]):
            for _ in range(200):
                tf.no_op("n")

    with g.as_default():
        first = tf.no_op("first")
        threads = [threading.Thread(target=build, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(seen) and g.version == 801
    assert sorted(names(g)) == sorted(
        ["first"] + [f"t{i}/n" + (f"_{k}" if k else "") for i in range(4) for k in range(200)]
    )
    verify(g)


def test_threads_never_get_the_same_name():
    g, errors = tf.Graph(), []

    def build():
        try:
            with g.as_default():
                for _ in range(300):
                    tf.constant(1.0) + 1.0
        except ValueError as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=build) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == [] and g.version == 4 * 300 * 3
    verify(g)


def test_inputs_of_two_graphs():
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with pytest.raises(ValueError, match="another graph.*\n.*test_graph.py:.*\n.*test_graph.py:"):
        tf.add(tf.constant(1.0), other)
    assert tf.add(other, 1.0).graph is other.graph  # the inputs' graph, not the default one


def test_graph_keys_are_tensorflows():
    assert tf.GraphKeys.GLOBAL_VARIABLES == "variables" and tf.GraphKeys.UPDATE_OPS == "update_ops"


def test_to_networkx():
    a = tf.constant(1.0, name="a")
    with tf.control_dependencies([tf.no_op("n")]):
        tf.add(a, a, name="b")
    nx = tf.get_default_graph().to_networkx()
    assert set(nx.nodes) == {"a", "b", "n"} and nx.nodes["b"]["type"] == "Add"
    assert sorted(d["control"] for _, _, d in nx.edges(data=True)) == [False, False, True]
    assert {d["input"] for _, _, d in nx.edges(data=True) if not d["control"]} == {0, 1}


def test_is_tensor():
    v = tf.Variable(1.0)
    assert tf.is_tensor(v) and tf.is_tensor(v.value()) and not tf.is_tensor(1.0)


def calls_of(function):
    """How many Python and C calls ``function()`` makes: a measure of work without a clock."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_building_and_gradients_are_linear():
    def build(length):
        with tf.Graph().as_default():
            x = y = tf.placeholder(tf.float32, [3])
            for _ in range(length):
                y = tf.tanh(y) + x
            tf.gradients(y, x)

    build(1)
    short, long = calls_of(lambda: build(50)), calls_of(lambda: build(500))
    assert long < 11 * short
