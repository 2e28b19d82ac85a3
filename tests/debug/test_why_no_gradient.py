"""tf.why_no_gradient: reasons, cuts, paths and the error of optimizers."""

import re

import numpy as np
import pytest

import flowgraph as tf


def line_of(text):
    """The line number of the first line of this file that contains ``text``."""
    with open(__file__, encoding="utf-8") as file:
        return next(i for i, line in enumerate(file, 1) if text in line)


@pytest.fixture
def w():
    return tf.get_variable("w", [4, 3])


def check(loss, x, reason, cuts=(), *texts):
    found = tf.why_no_gradient(loss, x)
    assert found.reason == reason and [op.type for op in found.cuts] == list(cuts)
    assert found.is_none == (tf.gradients(loss, x) == [None]) if reason != "other graph" else True
    assert str(found) == found.message
    for text in texts:
        assert text in found.message
    if reason in ("cut", "flows"):
        assert found.path[0] is loss and found.path[-1].op.name == getattr(x, "op", x).name
        assert re.search(r"made at test_why_no_gradient\.py:\d+", found.message)
    return found


def test_it_flows(w):
    x = tf.placeholder(tf.float32, [None, 4])
    found = check(tf.reduce_sum(tf.tanh(tf.matmul(x, w))), w, "flows")
    assert [t.op.type for t in found.path] == ["Sum", "Tanh", "MatMul", "Identity", "VariableV2"]


def test_integers_on_the_way_are_blamed_where_they_are_made(w):
    predicted = tf.argmax(tf.nn.relu(w), 1, name="predicted")  # HERE: argmax
    loss = tf.reduce_mean(tf.square(tf.cast(predicted, tf.float32) - 1.0))
    found = check(loss, w, "cut", ["ArgMax"], "its result is int64", "softmax_cross_entropy")
    line = line_of("HERE: argmax")
    assert (
        "op   = 'predicted'" in found.message
        and f"made at test_why_no_gradient.py:{line}" in found.message
    )
    (marked,) = [x for x in found.message.splitlines() if x.endswith("<- no gradient passes here")]
    assert "'predicted:0'" in marked and f"test_why_no_gradient.py:{line}" in marked


def test_the_usual_cuts(w):
    flat = tf.reduce_sum
    check(flat(tf.stop_gradient(w * 2.0)), w, "cut", ["StopGradient"], "leave out")
    check(flat(tf.round(w)), w, "cut", ["Round"], "step function")
    check(flat(tf.cast(w > 0.0, tf.float32)), w, "cut", ["Greater"], "bool")
    check(flat(tf.cast(tf.cast(w, tf.int32), tf.float32)), w, "cut", ["Cast"], "int32")
    check(tf.py_func(lambda a: a, [w], tf.float32), w, "cut", ["PyFunc"], "tf.custom_gradient")
    check(tf.one_hot(tf.cast(w[0], tf.int32), 3), w, "cut", ["Cast"], "int32")
    check(tf.assign(w, w * 2.0) * 2.0, w, "cut", ["Assign"], "the value that is assigned")


def test_own_gradients(w):
    @tf.custom_gradient
    def none(x):
        return x * 2.0, lambda dy: None

    check(none(w), w, "cut", ["IdentityN"], "returns None")
    with tf.get_default_graph().gradient_override_map({"Tanh": "cut_here"}):
        y = tf.tanh(w)
    tf.RegisterGradient("cut_here")(lambda op, dy: None)
    check(y, w, "cut", ["Tanh"], "'cut_here' returns None")


def test_several_cuts(w):
    loss = tf.reduce_sum(tf.floor(w)) + tf.reduce_sum(tf.sign(tf.round(w)))
    found = check(loss, w, "cut", ["Floor", "Round"], "other paths end at\n    Round")
    assert found.cuts[0].type == "Floor"


def test_inside_branches_and_loops(w):
    total = tf.reduce_sum(w)
    y = tf.cond(total > 0.0, lambda: tf.reduce_sum(tf.round(w)), lambda: 0.0)
    check(y, w, "cut", ["Greater", "Round"], "lets no gradient pass: a step function")
    _, r = tf.while_loop(
        lambda i, r: i < 3, lambda i, r: (i + 1, tf.floor(w) + r), [0, tf.zeros_like(w)]
    )
    check(r, w, "cut", ["Floor"])
    _, s = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, w * s), [0, 1.0 + w])
    check(s, w, "flows")


def test_not_connected(w):
    other = tf.get_variable("other", [4, 3])
    loss = tf.reduce_sum(w)
    check(loss, other, "not connected", (), "nothing uses x", "lead to the loss: 'w'")
    with tf.control_dependencies([tf.identity(other)]):
        check(tf.reduce_sum(w * 1.0), other, "not connected", (), "only waits for it")
    check(loss, loss * 2.0, "not connected", (), "the other way round")
    again = tf.get_variable("w_1", [4, 3])
    check(loss, again, "not connected", (), "'w' is used instead", "reuse=True")
    tf.square(again, name="elsewhere")
    check(loss, again, "not connected", (), "x is used by 'elsewhere'")
    check(tf.constant(1.0), w, "not connected", (), "no trainable variable leads to the loss")


def test_no_loss_at_all(w):
    check(tf.argmax(w, 1), w, "loss", ["ArgMax"], "int64, which has no derivative")
    with tf.Graph().as_default():
        other = tf.Variable(1.0)
    check(tf.reduce_sum(w), other, "other graph", (), "two graphs")


def test_nothing_is_added_to_the_graph(w):
    loss = tf.reduce_sum(tf.round(w))
    before = len(tf.get_default_graph().get_operations())
    tf.why_no_gradient(loss, w)
    assert len(tf.get_default_graph().get_operations()) == before


def test_long_paths_are_shortened(w):
    y = w
    for _ in range(40):
        y = tf.tanh(y)
    y = tf.stop_gradient(y)
    for _ in range(40):
        y = tf.tanh(y)
    text = tf.why_no_gradient(y, w).message
    assert "StopGradient" in text and "    ...\n" in text and len(text.splitlines()) < 30


def test_optimizers_say_why(w):
    loss = tf.reduce_mean(tf.cast(tf.argmax(w, 1), tf.float32))
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    with pytest.raises(ValueError, match="No gradients provided for any variable") as caught:
        optimizer.minimize(loss)
    assert "ArgMax lets no gradient pass" in str(caught.value)
    assert "made at test_why_no_gradient.py" in str(caught.value)
    with pytest.raises(ValueError, match=r"tf\.why_no_gradient\(loss, variable\)"):
        optimizer.apply_gradients([(None, w)])


def test_agrees_with_gradients_on_random_programs():
    """The diagnosis says None exactly when tf.gradients does."""
    rng = np.random.default_rng(0)
    steps = [
        tf.tanh, tf.round, tf.stop_gradient, tf.sign, lambda a: a * 2.0, tf.floor, tf.nn.softmax,
        lambda a: tf.cast(tf.cast(a, tf.int64), tf.float32), lambda a: a + tf.ones_like(a),
        lambda a: tf.ones_like(a), lambda a: tf.cast(tf.rank(a), tf.float32) * a,
        lambda a: tf.where(a > 0.0, a, tf.zeros_like(a)), lambda a: tf.gather(a, [0, 0, 1]),
    ]  # fmt: skip
    kinds = set()
    for _ in range(40):
        x = tf.placeholder(tf.float32, [3])
        values = [x]
        for _ in range(rng.integers(1, 7)):
            a, b = (values[rng.integers(len(values))] for _ in range(2))
            y = steps[rng.integers(len(steps))](a)
            values.append(y + b if rng.integers(3) == 0 else y)
        kinds.add(tf.why_no_gradient(values[-1], x).reason)
        found = tf.why_no_gradient(values[-1], x)
        assert found.is_none == (tf.gradients(values[-1], x) == [None]), found.message
    assert {"flows", "cut"} <= kinds
