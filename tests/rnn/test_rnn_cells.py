"""Cells and loops of recurrent networks against NumPy; programs_rnn.py asks TensorFlow too."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import flowgraph as tf

C = tf.nn.rnn_cell
RNG = np.random.default_rng(11)
X = RNG.normal(size=(4, 5, 3))
LENGTHS = [5, 2, 0, 3]


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        tf.set_random_seed(3)
        yield g


def run(tensors, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for k, v in enumerate(tf.global_variables()):
            shape = v.shape.as_list()
            v.load(np.random.default_rng(k).normal(size=shape).astype(v.dtype.np) * 0.5, session)
        return session.run(tensors, feed)


def numbers(shape, k):
    return np.random.default_rng(k).normal(size=shape) * 0.5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --------------------------------------------------------------------------------- NumPy references


def plain(x, h):
    h = np.tanh(np.hstack([x, h]) @ numbers((7, 4), 0) + numbers(4, 1))
    return h, h


def gru(x, h):
    both = sigmoid(np.hstack([x, h]) @ numbers((7, 8), 0) + numbers(8, 1))
    r, u = np.split(both, 2, axis=1)
    c = np.tanh(np.hstack([x, r * h]) @ numbers((7, 4), 2) + numbers(4, 3))
    h = u * h + (1 - u) * c
    return h, h


def lstm(x, state):
    c, h = np.split(state, 2, axis=1)
    i, j, f, o = np.split(np.hstack([x, h]) @ numbers((7, 16), 0) + numbers(16, 1), 4, axis=1)
    c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
    h = sigmoid(o) * np.tanh(c)
    return h, np.hstack([c, h])


def peephole(x, state):
    c, h = state[:, :4], state[:, 4:]
    i, j, f, o = np.split(np.hstack([x, h]) @ numbers((5, 16), 0) + numbers(16, 1), 4, axis=1)
    wf, wi, wo = (numbers(4, k) for k in (2, 3, 4))
    c = np.clip(sigmoid(f + 0.5 + wf * c) * c + sigmoid(i + wi * c) * np.tanh(j), -0.3, 0.3)
    h = np.clip((sigmoid(o + wo * c) * np.tanh(c)) @ numbers((4, 2), 5), -0.05, 0.05)
    return h, np.hstack([c, h])


CASES = {
    "BasicRNNCell": (lambda: C.BasicRNNCell(4), plain, 4, 4),
    "GRUCell": (lambda: C.GRUCell(4), gru, 4, 4),
    "BasicLSTMCell": (lambda: C.BasicLSTMCell(4), lstm, 8, 4),
    "LSTMCell": (lambda: C.LSTMCell(4), lstm, 8, 4),
    "one tensor": (lambda: C.BasicLSTMCell(4, state_is_tuple=False), lstm, 8, 4),
    "LSTMCell with everything": (
        lambda: C.LSTMCell(4, use_peepholes=True, cell_clip=0.3, num_proj=2, proj_clip=0.05,
                           forget_bias=0.5),
        peephole, 6, 2,
    ),
}  # fmt: skip


def reference(step, size, outputs, x, lengths):
    state, found = np.zeros((len(x), size)), np.zeros((*x.shape[:2], outputs))
    for t in range(x.shape[1]):
        y, new = step(x[:, t], state)
        goes_on = (t < np.array(lengths))[:, None]
        found[:, t] = np.where(goes_on, y, 0)
        state = np.where(goes_on, new, state)
    return found, state


def joined(state):
    return tf.concat(tf.nest.flatten(state), 1)


@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("size", [4, None])
@pytest.mark.parametrize("name", CASES)
def test_dynamic_rnn_agrees_with_numpy(name, size, time_major):
    make, step, state_size, output_size = CASES[name]
    shape = [5, size, 3] if time_major else [size, 5 if size else None, 3]
    x = tf.placeholder(tf.float64, shape)
    lengths = tf.placeholder(tf.int64, [size])
    y, state = tf.nn.dynamic_rnn(
        make(), x, lengths, dtype=tf.float64, time_major=time_major
    )
    fed = X.transpose(1, 0, 2) if time_major else X
    got, end = run([y, joined(state)], {x: fed, lengths: LENGTHS})
    expected, last = reference(step, state_size, output_size, X, LENGTHS)
    np.testing.assert_allclose(got, expected.transpose(1, 0, 2) if time_major else expected,
                               rtol=1e-12, atol=1e-14)  # fmt: skip
    np.testing.assert_allclose(end, last, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_one_step_agrees_with_the_loop(name):
    make, step, size, _ = CASES[name]
    cell = make()
    x = tf.constant(X)
    outputs, state = tf.nn.static_rnn(
        cell, tf.unstack(x, axis=1), dtype=tf.float64, sequence_length=LENGTHS
    )
    got, end = run([tf.stack(outputs, 1), joined(state)])
    expected, last = reference(step, size, got.shape[-1], X, LENGTHS)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(end, last, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_gradients_against_finite_differences(name):
    make = CASES[name][0]
    x = tf.placeholder(tf.float64, [4, 5, 3])
    y, state = tf.nn.dynamic_rnn(make(), x, LENGTHS, dtype=tf.float64)
    loss = tf.reduce_sum(tf.sin(y) * 1.3) + tf.reduce_sum(joined(state) ** 2)
    variables = tf.trainable_variables()
    grads = tf.gradients(loss, [x, *variables])
    rng = np.random.default_rng(5)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = [numbers(v.shape.as_list(), k) for k, v in enumerate(variables)]

        def at(x_value, numbers_):
            for v, value in zip(variables, numbers_, strict=True):
                v.load(value, session)
            return session.run(loss, {x: x_value})

        at(X, values)
        found = session.run(grads, {x: X})
        ways = [rng.normal(size=v.shape) for v in (X, *values)]
        step = 1e-6
        for k, way in enumerate(ways):
            shifted = []
            for sign in (1, -1):
                moved = [X, *values]
                moved[k] = moved[k] + sign * step * way
                shifted.append(at(moved[0], moved[1:]))
            slope = (shifted[0] - shifted[1]) / (2 * step)
            np.testing.assert_allclose(np.sum(found[k] * way), slope, rtol=1e-6, atol=1e-7)


# ----------------------------------------------------------------------------------- names, shapes


def described():
    return [(v.name, v.shape.as_list()) for v in tf.global_variables()]


def test_names_of_variables_and_results():
    x = tf.placeholder(tf.float32, [4, 5, 3])
    y, state = tf.nn.dynamic_rnn(C.BasicLSTMCell(7), x, dtype=tf.float32)
    assert described() == [
        ("rnn/basic_lstm_cell/kernel:0", [10, 28]), ("rnn/basic_lstm_cell/bias:0", [28]),
    ]  # fmt: skip
    assert (y.name, state.c.name, state.h.name) == (
        "rnn/transpose_1:0", "rnn/while/Exit_3:0", "rnn/while/Exit_4:0",
    )  # fmt: skip
    assert y.shape.as_list() == [4, 5, 7]


def test_peepholes_and_projection_have_their_names():
    x = tf.placeholder(tf.float32, [4, 5, 3])
    cell = C.LSTMCell(7, use_peepholes=True, num_proj=2)
    y, _state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    assert described() == [
        ("rnn/lstm_cell/kernel:0", [5, 28]), ("rnn/lstm_cell/bias:0", [28]),
        ("rnn/lstm_cell/w_f_diag:0", [7]), ("rnn/lstm_cell/w_i_diag:0", [7]),
        ("rnn/lstm_cell/w_o_diag:0", [7]), ("rnn/lstm_cell/projection/kernel:0", [7, 2]),
    ]  # fmt: skip
    assert (y.shape.as_list(), cell.state_size, cell.output_size) == ([4, 5, 2], (7, 2), 2)


def test_cells_upon_cells():
    x = tf.placeholder(tf.float32, [4, 5, 3])
    cell = C.MultiRNNCell([C.GRUCell(7), C.BasicLSTMCell(2)])
    y, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    assert described() == [
        ("rnn/multi_rnn_cell/cell_0/gru_cell/gates/kernel:0", [10, 14]),
        ("rnn/multi_rnn_cell/cell_0/gru_cell/gates/bias:0", [14]),
        ("rnn/multi_rnn_cell/cell_0/gru_cell/candidate/kernel:0", [10, 7]),
        ("rnn/multi_rnn_cell/cell_0/gru_cell/candidate/bias:0", [7]),
        ("rnn/multi_rnn_cell/cell_1/basic_lstm_cell/kernel:0", [9, 8]),
        ("rnn/multi_rnn_cell/cell_1/basic_lstm_cell/bias:0", [8]),
    ]
    assert [v.name for v in cell.trainable_weights] == [name for name, _ in described()]
    first = tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32, scope=None)[0]
    got, other = run([y, tf.stack(first, 1)], {x: X})
    np.testing.assert_allclose(got, other, rtol=1e-5, atol=1e-6)
    assert isinstance(state[1], C.LSTMStateTuple)


def test_bidirectional_with_lengths():
    x = tf.placeholder(tf.float64, [None, None, 3])
    (fw, bw), (end, begin) = tf.nn.bidirectional_dynamic_rnn(
        C.GRUCell(4), C.GRUCell(4), x, LENGTHS, dtype=tf.float64
    )
    assert [name for name, _ in described()] == [
        f"bidirectional_rnn/{way}/gru_cell/{name}:0"
        for way in ("fw", "bw")
        for name in ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")
    ]
    static = tf.nn.static_bidirectional_rnn(
        C.GRUCell(4), C.GRUCell(4), tf.unstack(tf.constant(X), axis=1), dtype=tf.float64,
        sequence_length=LENGTHS, scope="static",
    )  # fmt: skip
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        variables = tf.global_variables()
        for k, (one, other) in enumerate(zip(variables[:8], variables[8:], strict=True)):
            one.load(numbers(one.shape.as_list(), k), session)
            other.load(numbers(one.shape.as_list(), k), session)
        ours, theirs = session.run([[tf.concat([fw, bw], 2), end, begin],
                                    [tf.stack(static[0], 1), *static[1:]]], {x: X})  # fmt: skip
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    for example, length in enumerate(LENGTHS):
        assert not ours[0][example, length:].any()
        if length:
            np.testing.assert_array_equal(ours[0][example, 0, 4:], ours[2][example])


def test_cells_of_ones_own():
    class Sum(C.RNNCell):
        """Adds up; makes its variable when it is called, as old programs do."""

        state_size = {"count": 1, "total": 3}
        output_size = tf.TensorShape([3])

        def call(self, inputs, state):
            w = tf.get_variable("w", [3], dtype=tf.float64, initializer=tf.ones_initializer())
            total = state["total"] + inputs * w
            return total, {"count": state["count"] + 1, "total": total}

    cell = Sum()
    y, state = tf.nn.dynamic_rnn(cell, tf.constant(X), LENGTHS, dtype=tf.float64)
    assert [v.name for v in cell.variables] == ["rnn/sum/w:0"]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        got, end = session.run([y, state])
    np.testing.assert_array_equal(end["count"][:, 0], LENGTHS)
    np.testing.assert_allclose(got[0], np.cumsum(X[0], 0))
    np.testing.assert_allclose(end["total"][1], X[1, :2].sum(0))


def test_a_subclass_with_a_step_of_its_own_keeps_it():
    class Doubled(C.BasicRNNCell):
        def call(self, inputs, state):
            output, new = super().call(inputs, state)
            return 2 * output, new

    y, _ = tf.nn.dynamic_rnn(Doubled(4), tf.constant(X), dtype=tf.float64)
    expected, _ = reference(plain, 4, 4, X, [5] * 4)
    np.testing.assert_allclose(run(y), 2 * expected, rtol=1e-12)


def test_zero_and_initial_states():
    cell = C.MultiRNNCell([C.LSTMCell(3, num_proj=2), C.GRUCell(4)])
    state = cell.zero_state(5, tf.float32)
    assert [t.shape.as_list() for t in tf.nest.flatten(state)] == [[5, 3], [5, 2], [5, 4]]
    batch = tf.placeholder(tf.int32, [])
    assert C.GRUCell(4).zero_state(batch, tf.float32).shape.as_list() == [None, 4]
    got = run(C.GRUCell(4).get_initial_state(tf.ones([2, 9], tf.float64)))
    assert got.shape == (2, 4)
    assert got.dtype == np.float64
    with pytest.raises(ValueError, match="cannot be None"):
        C.GRUCell(4).get_initial_state(batch_size=3)


def test_errors():
    x = tf.placeholder(tf.float32, [4, 5, 3])
    with pytest.raises(ValueError, match="dtype"):
        tf.nn.dynamic_rnn(C.GRUCell(2), x)
    with pytest.raises(ValueError, match="must be accessible via shape inference"):
        tf.nn.dynamic_rnn(C.GRUCell(2), tf.placeholder(tf.float32, [4, 5, None]), dtype=tf.float32)
    with pytest.raises(TypeError, match="not an RNNCell"):
        tf.nn.dynamic_rnn(lambda x, s: (x, s), x, dtype=tf.float32)
    with pytest.raises(ValueError, match="must be a vector"):
        tf.nn.dynamic_rnn(C.GRUCell(2), x, [[1]], dtype=tf.float32)
    with pytest.raises(ValueError, match="at least one cell"):
        C.MultiRNNCell([])
    with pytest.raises(ValueError, match="between 0 and 1"):
        C.DropoutWrapper(C.GRUCell(2), input_keep_prob=1.5)
    with pytest.raises(ValueError, match="dtype must be provided"):
        C.DropoutWrapper(C.GRUCell(2), variational_recurrent=True)
    lengths = tf.placeholder(tf.int32, [None])
    y, _ = tf.nn.dynamic_rnn(C.GRUCell(2), x, lengths, dtype=tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected shape|do not broadcast"):
        run(y, {x: X, lengths: [1, 2]})


# ---------------------------------------------------------------------------------------- wrappers


def test_residual_and_device():
    x = tf.constant(X)
    inner = C.GRUCell(3)
    cell = C.DeviceWrapper(C.ResidualWrapper(inner), "/cpu:0")
    y, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float64)
    assert [v.name for v in cell.variables] == [v.name for v in tf.global_variables()]
    assert tf.global_variables()[0].name == "rnn/gru_cell/gates/kernel:0"
    plain_, _ = tf.nn.dynamic_rnn(inner, x, dtype=tf.float64)
    got, without = run([y, plain_])
    np.testing.assert_allclose(got, without + X, rtol=1e-12)


class Copy(C.RNNCell):
    """Adds its inputs up."""

    state_size = output_size = 50

    def call(self, inputs, state):
        return inputs, state + inputs


@pytest.mark.parametrize("what", ["input", "output", "state"])
@pytest.mark.parametrize("variational", [False, True])
def test_dropout(what, variational):
    cell = C.DropoutWrapper(
        Copy(), **{f"{what}_keep_prob": 0.5}, variational_recurrent=variational, input_size=50,
        dtype=tf.float32, seed=7,
    )  # fmt: skip
    y, state = tf.nn.dynamic_rnn(cell, tf.ones([2, 6, 50]), dtype=tf.float32)
    got, end = run([y, state])
    if what == "state":
        assert (end == 0).any()
        return
    assert set(np.unique(got)) == {0, 2}
    same = [np.array_equal(got[:, 0], got[:, t]) for t in range(1, 6)]
    assert all(same) if variational else not any(same)


def test_dropout_leaves_the_memory_of_an_lstm():
    cell = C.DropoutWrapper(C.BasicLSTMCell(50), state_keep_prob=0.5)
    state = cell.zero_state(2, tf.float32)
    _, new = cell(tf.ones([2, 3]), state)
    c, h = run([new.c, new.h])
    assert c.all()
    assert not h.all()


# ------------------------------------------------------------------------------------------ raw_rnn


def test_raw_rnn_is_dynamic_rnn():
    cell = C.BasicRNNCell(4)
    rows = tf.TensorArray(tf.float64, 5).unstack(tf.constant(X.transpose(1, 0, 2)))
    lengths = tf.constant(LENGTHS)

    def loop(time, output, state, loop_state):
        new = cell.zero_state(4, tf.float64) if output is None else state
        ended = time >= lengths
        following = tf.cond(
            tf.reduce_all(ended), lambda: tf.zeros([4, 3], tf.float64), lambda: rows.read(time)
        )
        following.set_shape([4, 3])
        return ended, following, new, output, None

    emitted, state, loop_state = tf.nn.raw_rnn(cell, loop)
    assert loop_state is None
    expected, last = reference(plain, 4, 4, X, LENGTHS)
    got, end = run([emitted.stack(), state])
    np.testing.assert_allclose(got, expected.transpose(1, 0, 2), rtol=1e-12)
    np.testing.assert_allclose(end, last, rtol=1e-12)


def test_static_state_saving():
    class Saver:
        saved: list = []

        def state(self, name):
            return tf.ones([4, 4], tf.float64)

        def save_state(self, name, value):
            self.saved.append((name, value))
            return tf.no_op()

    outputs, state = tf.nn.static_state_saving_rnn(
        C.BasicRNNCell(4), tf.unstack(tf.constant(X), axis=1), Saver(), "s"
    )
    assert Saver.saved[0][0] == "s"
    h = np.ones((4, 4))
    for t in range(5):
        h, _ = plain(X[:, t], h)
    np.testing.assert_allclose(run([outputs[-1], state]), [h, h], rtol=1e-12)


EAGERLY = """
import flowgraph as tf
tf.enable_eager_execution()
y, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.LSTMCell(3), tf.ones([2, 4, 5]), [4, 2],
                             dtype=tf.float32)
print(y.shape, state.h.shape, y[1, 2:].numpy().any(), y[0].numpy().all())
"""


def test_executing_at_once():
    done = subprocess.run(
        [sys.executable, "-c", EAGERLY], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(2, 4, 3) (2, 3) False True\n"
