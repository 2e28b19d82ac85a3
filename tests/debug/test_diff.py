"""tf.debugging.diff: targets agree, and where one is made wrong, the operation is named."""

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.debug import rows

TARGETS = ("cpu", "reference", "cuda", "plain")


def line_of(mark):
    with open(__file__, encoding="utf-8") as file:
        found = next(i for i, text in enumerate(file, 1) if f"# {mark}" in text)
    return f"test_diff.py:{found}"


def network():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    w = tf.get_variable("w", [3, 2], initializer=tf.random_normal_initializer(seed=1))
    h = tf.nn.dropout(tf.tanh(tf.matmul(x, w)), 0.7, seed=3)  # HERE: tanh
    loss = tf.reduce_mean(tf.square(h))
    return x, w, loss, tf.train.AdamOptimizer(0.1).minimize(loss)


@pytest.mark.parametrize("a", TARGETS)
def test_targets_agree_on_a_training_step(a):
    x, w, loss, train = network()
    feed = {x: np.random.default_rng(0).random((4, 3))}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        before = sess.run(w)
        for b in TARGETS:
            assert tf.debugging.diff(a, b, [train, loss], feed) is None
        np.testing.assert_array_equal(sess.run(w), before)


def test_loops_branches_strings_and_host_operations():
    x = tf.placeholder(tf.float32, [], name="x")
    calls = []
    noise = tf.py_func(lambda: np.float32(len(calls.append(0) or calls)), [], tf.float32)
    noise.set_shape([])
    _, y = tf.while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, tf.sin(y) + noise), [0, x])
    z = tf.cond(y > 0.0, lambda: y * 2.0, lambda: y - 1.0)
    rows_seen = tf.boolean_mask(tf.range(4.0) * z, [True, False, True, True])
    s = tf.string_join([tf.as_string(tf.constant(3)), "b"])
    with tf.Session():
        for a in TARGETS[:3]:
            for b in TARGETS:
                assert tf.diff(a, b, [z, rows_seen, s], {x: 1.0}) is None
    assert len(calls) == 12, "host operations run once for two targets"


def spoil(monkeypatch, type_, target):
    """Add 1 to what kernels with an op of this type make on a target."""
    plain = rows.run_rows

    def spoiled(executable, own=""):
        for kernel in plain(executable, own):
            if own == target and any(n.type == type_ for n in kernel.instr.nodes):
                for array in kernel.outputs.values():
                    array += 1
            yield kernel

    monkeypatch.setattr(rows, "run_rows", spoiled)


@pytest.mark.parametrize("other", ["reference", "plain", "cuda"])
def test_the_first_operation_that_differs(monkeypatch, other):
    spoil(monkeypatch, "Tanh", "cpu")
    x, _, loss, _ = network()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found = tf.debugging.diff("cpu", other, loss, {x: np.ones([4, 3])})
    assert found.op.type == "Tanh" and found.op.name == "Tanh"
    np.testing.assert_allclose(found.a, found.b + 1, rtol=1e-5)
    text = str(found)
    for part in (
        f"Tanh: cpu and {other} differ first in 'Tanh:0'", line_of("HERE: tanh"),
        "8 of 8 values differ", f"{other:<9} {found.b[found.index]!s} at {list(found.index)}",
    ):  # fmt: skip
        assert part in text


def test_a_kernel_that_is_wrong_only_when_fused(monkeypatch):
    plain = rows.run_rows

    def spoiled(executable, own=""):
        for kernel in plain(executable, own):
            if own == "cpu" and len(kernel.instr.nodes) > 1:
                for array in kernel.outputs.values():
                    array += 1
            yield kernel

    monkeypatch.setattr(rows, "run_rows", spoiled)
    x = tf.placeholder(tf.float32, [3])
    y = tf.exp(tf.sin(x) * 2.0)
    with tf.Session():
        found = tf.debugging.diff("cpu", "reference", y, {x: [1, 2, 3]})
    assert [op.type for op in found.operations] == ["Sin", "Mul", "Exp"]
    assert "one kernel computes Sin 'Sin' (test_diff.py:" in found.message


def test_tolerance():
    x = tf.placeholder(tf.float32, [1000])
    y = tf.reduce_sum(tf.exp(x))
    feed = {x: np.random.default_rng(0).random(1000)}
    with tf.Session():
        assert tf.debugging.diff("cpu", "plain", y, feed) is None
        found = tf.debugging.diff("cpu", "plain", y, feed, rtol=0.0)
        assert found is None or found.a.shape == found.b.shape


def test_arguments():
    with pytest.raises(ValueError, match="no target 'cdua'.*did you mean 'cuda'"):
        tf.diff("cdua", "cpu", tf.ones([]))
    with pytest.raises(ValueError, match="no session"):
        tf.diff("cpu", "plain", tf.ones([]))
