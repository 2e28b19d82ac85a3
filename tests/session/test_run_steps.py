"""Session.run_steps: the same as run in a loop, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flowgraph as tf


@pytest.fixture
def model() -> Any:
    """(x, y, loss, train): a small network with Adam and random noise."""
    tf.set_random_seed(3)
    x, y = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None])
    hidden = tf.layers.dense(x + tf.random_normal([3], stddev=0.1), 4, tf.tanh)
    loss = tf.reduce_mean(tf.square(tf.layers.dense(hidden, 1)[:, 0] - y))
    return x, y, loss, tf.train.AdamOptimizer(0.05).minimize(loss)


X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = X.sum(1)


def new_session() -> tf.Session:
    sess = tf.Session()
    sess.run(tf.global_variables_initializer())
    return sess


def test_bit_equal_to_a_python_loop(model: Any) -> None:
    x, y, loss, train = model
    one, other = new_session(), new_session()
    wanted = [one.run([train, loss], {x: X, y: Y})[1] for _ in range(25)]
    nothing, found = other.run_steps([train, loss], 25, {x: X, y: Y})
    assert nothing is None
    np.testing.assert_array_equal(found, np.array(wanted))
    for a, b in zip(*(s.run(tf.global_variables()) for s in (one, other)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_batches_in_order_and_by_index(model: Any) -> None:
    x, y, loss, train = model
    one, other = new_session(), new_session()
    order = np.random.default_rng(1).integers(0, 20, (7, 5))
    wanted = [one.run([loss, train], {x: X[i], y: Y[i]})[0] for i in order]
    found, _ = other.run_steps([loss, train], batches={x: X, y: Y}, order=order)
    np.testing.assert_array_equal(found, np.array(wanted))

    wanted = [one.run(loss, {x: X[i : i + 6], y: Y[i : i + 6]}) for i in (0, 6, 12)]
    found = other.run_steps(loss, batches={x: X, y: Y}, batch_size=6)
    assert found.shape == (3,)  # two rows are left over
    again = other.run_steps(loss, 5, batches={x: X, y: Y}, batch_size=6)
    assert again.shape == (5,)


def test_the_last_alone_and_until(model: Any) -> None:
    x, y, loss, train = model
    sess = new_session()
    feeds = {x: X, y: Y}
    assert np.shape(sess.run_steps([loss, train], 5, feeds, every=False)[0]) == ()
    assert sess.run_steps(loss, 0, feeds, every=False) is None
    assert sess.run_steps(loss, 0, feeds).shape == (0,)
    losses, _ = sess.run_steps([loss, train], 5000, feeds, until=loss < 0.2)
    assert 1 < len(losses) < 5000 and losses[-1] < 0.2 and (losses[:-1] >= 0.2).all()


def test_structures_and_variables() -> None:
    v = tf.Variable([1.0, 2.0])
    step = v.assign_add([1.0, 1.0])
    sess = new_session()
    found = sess.run_steps({"v": v, "twice": step * 2.0, "op": step.op}, 3)
    np.testing.assert_array_equal(found["twice"], [[4, 6], [6, 8], [8, 10]])
    np.testing.assert_array_equal(found["v"], [[2, 3], [3, 4], [4, 5]])
    assert found["op"] is None


def test_wrong_arguments(model: Any) -> None:
    x, y, loss, _ = model
    sess = new_session()
    good = {"batches": {x: X, y: Y}, "batch_size": 5}
    for change, match in (
        ({"batches": {x: X, y: Y[:3]}}, r"arrays of \[3, 20\] rows"),
        ({"batch_size": None}, "give batch_size"),
        ({"batch_size": 0}, "must be positive"),
        ({"batches": None}, "for batches, which are not given"),
        ({"order": [[0, 20]], "batch_size": None}, "rows outside of"),
        ({"order": [0, 1], "batch_size": None}, r"must be \[steps, batch\]"),
        ({"steps": -1}, "number of steps"),
    ):
        with pytest.raises(ValueError, match=match):
            sess.run_steps(loss, **{**good, **change})
    with pytest.raises(ValueError, match="give the number of steps"):
        sess.run_steps(loss)
    with pytest.raises(TypeError, match="until must be a bool"):
        sess.run_steps(loss, until=loss, **good)
    with pytest.raises(tf.errors.FailedPreconditionError):
        tf.Session().run_steps(loss, **good)


def test_errors_of_a_step_name_its_line() -> None:
    v = tf.Variable(3)
    y = 12 // v.assign_sub(1)
    sess = new_session()
    with pytest.raises(tf.errors.InvalidArgumentError, match="division by zero") as caught:
        sess.run_steps(y, 5)
    assert "test_run_steps.py:" in str(caught.value)
