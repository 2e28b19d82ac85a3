"""Programs about recurrent networks; see test_programs.py.  They need tf_keras too."""

from __future__ import annotations

from functools import partial

import numpy as np

RNG = np.random.default_rng(17)
X = RNG.normal(size=(4, 5, 3)).astype(np.float32)
LENGTHS = np.array([5, 2, 0, 3], np.int32)


def fill(tf, session):
    """Every variable gets numbers that depend on its shape and place only."""
    for i, v in enumerate(tf.global_variables()):
        shape = v.get_shape().as_list()
        numbers = np.random.default_rng(i).normal(scale=0.5, size=shape).astype(np.float32)
        v.load(numbers, session)


def flat(tf, results):
    return tf.nest.flatten(results)


def answer(tf, results, feeds, differentiated=()):
    """Names, shapes, values and gradients of everything."""
    tensors = flat(tf, results)
    loss = tf.add_n([tf.reduce_sum(tf.sin(t) * (i + 1)) for i, t in enumerate(tensors)])
    variables = tf.trainable_variables()
    grads = tf.gradients(loss, [*differentiated, *variables])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        fill(tf, session)
        values = session.run([tensors, grads], feeds)
    return {
        "variables": [[v.name, v.get_shape().as_list()] for v in tf.global_variables()],
        "shapes": [t.shape.as_list() for t in tensors],
        "values": values,
    }


def cells(tf):
    c = tf.nn.rnn_cell
    return {
        "basic": lambda: c.BasicRNNCell(4),
        "relu": lambda: c.BasicRNNCell(4, activation=tf.nn.relu),
        "named": lambda: c.BasicRNNCell(4, activation="sigmoid"),
        "gru": lambda: c.GRUCell(4),
        "gru_bias": lambda: c.GRUCell(
            4, kernel_initializer=tf.ones_initializer(), bias_initializer=tf.zeros_initializer()
        ),
        "basic_lstm": lambda: c.BasicLSTMCell(4, forget_bias=0.5),
        "lstm": lambda: c.LSTMCell(4),
        "lstm_flat": lambda: c.LSTMCell(4, state_is_tuple=False),
        "lstm_all": lambda: c.LSTMCell(
            4, use_peepholes=True, cell_clip=0.3, num_proj=2, proj_clip=0.1, activation=tf.nn.relu
        ),
        "multi": lambda: c.MultiRNNCell([c.GRUCell(4), c.BasicLSTMCell(2), c.BasicRNNCell(3)]),
        "multi_flat": lambda: c.MultiRNNCell([c.GRUCell(4), c.GRUCell(2)], state_is_tuple=False),
        "residual": lambda: c.ResidualWrapper(c.GRUCell(3)),
        "residual_fn": lambda: c.ResidualWrapper(c.GRUCell(4), lambda x, y: y * 2),
        "device": lambda: c.DeviceWrapper(c.LSTMCell(3), "/cpu:0"),
        "kept": lambda: c.DropoutWrapper(c.LSTMCell(3), 1.0, 1.0, 1.0),
    }


NAMES = [
    "basic", "relu", "named", "gru", "gru_bias", "basic_lstm", "lstm", "lstm_flat", "lstm_all",
    "multi", "multi_flat", "residual", "residual_fn", "device", "kept",
]  # fmt: skip


def dynamic(tf, name, lengths=True, time_major=False):
    x = tf.placeholder(tf.float32, [5, None, 3] if time_major else [None, 5, 3])
    y = tf.nn.dynamic_rnn(
        cells(tf)[name](), x, LENGTHS if lengths else None, dtype=tf.float32, time_major=time_major
    )
    return answer(tf, y, {x: X.swapaxes(0, 1) if time_major else X}, [x])


def alone(tf, name):
    cell = cells(tf)[name]()
    x = tf.placeholder(tf.float32, [4, 3])
    state = cell.zero_state(4, tf.float32)
    first, state = cell(x, state)
    second, state = cell(x, state)
    return [answer(tf, [first, second, state], {x: X[:, 0]}, [x]), cell.output_size]


def static(tf, name):
    x = tf.placeholder(tf.float32, [4, 5, 3])
    y = tf.nn.static_rnn(
        cells(tf)[name](), tf.unstack(x, axis=1), dtype=tf.float32, sequence_length=LENGTHS
    )
    return answer(tf, y, {x: X}, [x])


def both_ways(tf, static_steps=False):
    x = tf.placeholder(tf.float32, [4, 5, 3])
    make = cells(tf)
    one, other = make["gru"](), make["basic_lstm"]()
    if static_steps:
        y = tf.nn.static_bidirectional_rnn(
            one, other, tf.unstack(x, axis=1), dtype=tf.float32, sequence_length=LENGTHS
        )
    else:
        y = tf.nn.bidirectional_dynamic_rnn(one, other, x, LENGTHS, dtype=tf.float32)
    return answer(tf, y, {x: X}, [x])


def started(tf):
    x = tf.placeholder(tf.float32, [4, None, 3])
    h = tf.placeholder(tf.float32, [4, 4])
    y = tf.nn.dynamic_rnn(cells(tf)["gru"](), x, initial_state=h)
    return answer(tf, y, {x: X, h: X[:, :4, 0]}, [x, h])


def scopes(tf):
    x = tf.placeholder(tf.float32, [4, 5, 3])
    cell = cells(tf)["gru"]()
    with tf.variable_scope("s"):
        tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
        tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
        tf.nn.dynamic_rnn(cells(tf)["lstm"](), x, dtype=tf.float32)
    with tf.variable_scope("s", reuse=True):
        tf.nn.dynamic_rnn(cells(tf)["gru"](), x, dtype=tf.float32)
    tf.nn.dynamic_rnn(cells(tf)["gru"](), x, dtype=tf.float32, scope="mine")
    cells(tf)["gru"]()(x[:, 0], tf.zeros([4, 4]), scope="given")
    return [[v.name, v.get_shape().as_list()] for v in tf.global_variables()]


def raw(tf):
    cell = cells(tf)["lstm"]()
    x = tf.placeholder(tf.float32, [4, 5, 3])
    rows = tf.TensorArray(tf.float32, 5, clear_after_read=False).unstack(tf.transpose(x, [1, 0, 2]))
    lengths = tf.constant(LENGTHS)

    def loop(time, output, state, loop_state):
        if output is None:
            return lengths <= 0, rows.read(0), cell.zero_state(4, tf.float32), output, 0
        return time >= lengths, rows.read(tf.minimum(time, 4)), state, output, loop_state + 1

    emitted, state, count = tf.nn.raw_rnn(cell, loop)
    found = answer(tf, [emitted.stack(), state], {x: X}, [x])
    del found["shapes"]
    return [found, count.dtype.name]


PROGRAMS = {
    **{f"dynamic_{name}": partial(dynamic, name=name) for name in NAMES},
    **{f"alone_{name}": partial(alone, name=name) for name in NAMES},
    **{f"static_{name}": partial(static, name=name) for name in NAMES[3:10]},
    "whole": partial(dynamic, name="basic_lstm", lengths=False),
    "time_major": partial(dynamic, name="lstm_all", time_major=True),
    "both_ways": both_ways,
    "both_ways_static": partial(both_ways, static_steps=True),
    "started": started,
    "scopes": scopes,
    "raw": raw,
}
