"""Graphs as text and back; what verify finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.dtypes import ALL, as_dtype
from flowgraph.graph.text import TextError, from_text, to_text
from flowgraph.graph.verify import verify


def round_trip(graph):
    text = to_text(graph, shown_elements=None)
    again = from_text(text)
    assert to_text(again, shown_elements=None) == text
    verify(again)
    return again


def test_a_line():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    w = tf.constant(np.ones((3, 2), np.float32), name="w")
    y = tf.matmul(x, w, name="dense/MatMul")
    with tf.device("/gpu:1"), tf.control_dependencies([y]):
        tf.no_op("n")
    line = y.op.site[1]
    assert to_text(x.graph).splitlines()[2:] == [
        f"%2 = MatMul(%0, %1)  float32[?, 2]  'dense/MatMul'  test_text.py:{line}",
        f"%3 = NoOp(; %2)    'n'  @/device:GPU:1  test_text.py:{line + 2}",
    ]
    tf.matmul(x, w, transpose_b=True, transpose_a=True)
    assert "{transpose_a: True, transpose_b: True}" in to_text(x.graph)


def test_large_constants_are_left_out_unless_asked_for():
    tf.constant(np.arange(17))
    assert "tensor(int64[17], ...)" in to_text(tf.get_default_graph())
    with pytest.raises(TextError, match="line 1: .*shown_elements=None"):
        from_text(to_text(tf.get_default_graph()))
    again = round_trip(tf.get_default_graph())
    assert again.get_operations()[0].attrs["value"].tolist() == list(range(17))


def test_round_trip_of_a_training_graph():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    v = tf.Variable(np.ones((3, 2), np.float32), name="v")
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.square(tf.matmul(x, v) - [1.0, 2.0]))
    with tf.device("/job:ps/cpu:0"):
        tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    tf.global_variables_initializer()
    a, b = tf.split(x, [1, 2], 1)
    tf.concat([b, a], 1)
    again = round_trip(x.graph)
    for old, new in zip(x.graph.get_operations(), again.get_operations(), strict=True):
        assert (old.name, old.type, old.device) == (new.name, new.type, new.device)
        assert [t.dims for t in old.outputs] == [t.dims for t in new.outputs]
        assert [o.name for o in old.control_inputs] == [o.name for o in new.control_inputs]
        assert set(old.attrs) == set(new.attrs)


values = st.one_of(
    st.floats(width=32), st.integers(-100, 100), st.booleans(), st.text(), st.binary()
)


@given(st.sampled_from(sorted(ALL)), st.lists(values, max_size=5))
def test_constants_of_every_dtype_survive(name, items):
    dtype = as_dtype(name)
    with tf.Graph().as_default() as g:
        if name == "string":
            array = np.array([str(item).encode("utf-8", "replace") for item in items], object)
        else:
            numbers = [0 if isinstance(item, (str, bytes)) else item for item in items]
            with np.errstate(all="ignore"):
                array = np.array(numbers, np.float64).astype(dtype.np)
            if dtype.is_complex:
                array = array * dtype.np.type(1 - 2j)
        x = tf.constant(array)
        value = round_trip(g).get_operations()[0].attrs["value"]
        assert value.dtype == x.op.attrs["value"].dtype and value.shape == array.shape
        assert str(value.tolist()) == str(x.op.attrs["value"].tolist())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = NoOp()  'a'", "expected '%<number> = <type>"),
        ("%0 = Noop()  'a'", "no op type 'Noop'"),
        ("%0 = NoOp(%1)  'a'", "%1:0 is not defined before"),
        ("%0 = NoOp()  abc", "'abc' is no value"),
        ("%0 = Const() {dtype: foo}  float32[]  'a'", "'foo' is no value"),
        ("%0 = NoOp() {", "cannot read"),
    ],
)
def test_what_is_no_graph(text, message):
    with pytest.raises(TextError, match=f"line 1: .*{message}"):
        from_text(text)


def test_empty_graph():
    assert to_text(tf.Graph()) == "" and from_text("\n").get_operations() == []


# ----------------------------------------------------------------------------------------- verify


def damage(change, text):
    """``change`` of a sound graph is found by verify, with ``text``."""
    with tf.Graph().as_default() as g:
        a = tf.constant(1.0, name="a")
        b = tf.add(a, a, name="b")
        v = tf.Variable([1.0], name="v")
        v.assign([2.0], name="w")
        verify(g)
        change(g, a, b, v)
        with pytest.raises(
            tf.errors.InternalError, match=f"broken graph.*{text}.*bug of flowgraph"
        ):
            verify(g)


def set_attr(op, name, value):
    op.attrs[name] = value


DAMAGES = [
    (lambda g, a, b, v: setattr(b.op, "_id", 9), "has number 9"),
    (lambda g, a, b, v: setattr(b.op, "name", "a"), "name that another"),
    (lambda g, a, b, v: g._by_name.pop("b"), "not found by its name"),
    (lambda g, a, b, v: g._operations.reverse(), "has number"),
    (lambda g, a, b, v: setattr(a.op, "inputs", (b,)), "made after it"),
    (lambda g, a, b, v: setattr(b.op, "inputs", (a,)), "asks for more"),
    (lambda g, a, b, v: setattr(b.op, "inputs", (a, a, a)), "asks for 2"),
    (lambda g, a, b, v: setattr(a, "_consumers", []), "missing among the consumers"),
    (lambda g, a, b, v: setattr(b, "dtype", tf.int32), "against its signature"),
    (lambda g, a, b, v: set_attr(b.op, "T", tf.int32), "of float32, not int32"),
    (lambda g, a, b, v: set_attr(b.op, "T", tf.bool), "does not allow"),
    (lambda g, a, b, v: b.op.attrs.pop("T"), "lacks the attr 'T'"),
    (lambda g, a, b, v: setattr(b.op, "type", "Addd"), "not registered"),
    (lambda g, a, b, v: setattr(b, "dims", (-1,)), "shape"),
    (lambda g, a, b, v: setattr(b, "value_index", 1), "says it is"),
    (lambda g, a, b, v: setattr(b.op, "graph", tf.Graph()), "another graph"),
    (lambda g, a, b, v: setattr(v.op.outputs[0], "dtype", tf.float32), "against its signature"),
]


@pytest.mark.parametrize(("change", "text"), DAMAGES, ids=[text for _, text in DAMAGES])
def test_damage_is_found(change, text):
    damage(change, text)


def test_control_input_of_another_graph_is_found():
    with tf.Graph().as_default():
        other = tf.no_op()
    damage(lambda g, a, b, v: setattr(b.op, "_control_inputs", (other,)), "control input")
