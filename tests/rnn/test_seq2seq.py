"""tf.contrib.seq2seq and the other cells of tf.contrib.rnn, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

C, R, S = tf.nn.rnn_cell, tf.contrib.rnn, tf.contrib.seq2seq
X = np.random.default_rng(3).normal(size=(3, 6, 4)).astype(np.float32)
LENGTHS = [6, 2, 4]


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        tf.set_random_seed(5)
        yield g


def run(tensors, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensors, feed)


@pytest.mark.parametrize("size", [3, None])
def test_training_is_dynamic_rnn(size):
    x, lengths = tf.placeholder(tf.float32, [size, None, 4]), tf.placeholder(tf.int32, [size])
    cell, layer = C.BasicLSTMCell(5), tf.layers.Dense(7)
    decoder = S.BasicDecoder(
        cell, S.TrainingHelper(x, lengths), cell.zero_state(tf.shape(x)[0], tf.float32), layer
    )
    outputs, state, taken = S.dynamic_decode(decoder, impute_finished=True)
    assert [v.name for v in tf.global_variables()] == [
        "decoder/basic_lstm_cell/kernel:0", "decoder/basic_lstm_cell/bias:0",
        "decoder/dense/kernel:0", "decoder/dense/bias:0",
    ]  # fmt: skip
    assert outputs.rnn_output.shape.as_list() == [size, None, 7]
    plain, last = tf.nn.dynamic_rnn(cell, x, lengths, dtype=tf.float32)
    inside = tf.sequence_mask(lengths, dtype=tf.float32)[:, :, None]
    expected = layer(plain) * inside
    variables = tf.trainable_variables()
    ours = [outputs.rnn_output, *state, *tf.gradients(outputs.rnn_output**2, [x, *variables])]
    theirs = [expected, *last, *tf.gradients(expected**2, [x, *variables])]
    got, wanted, ids, steps = run(
        [ours, theirs, outputs.sample_id, taken], {x: X, lengths: LENGTHS}
    )
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(steps, LENGTHS)
    np.testing.assert_array_equal(ids * (ids > 0), np.where(np.any(got[0], 2), got[0].argmax(2), 0))


class Countdown(C.RNNCell):
    """The largest output is the class below that of the inputs."""

    state_size = 1
    output_size = 5

    def call(self, inputs, state):
        return tf.concat([inputs[:, 1:], inputs[:, :1]], 1), state + 1


@pytest.mark.parametrize("limit", [None, 2, 9])
def test_greedy_decoding(limit):
    cell = Countdown()
    helper = S.GreedyEmbeddingHelper(tf.eye(5), [3, 1, 2], 0)
    decoder = S.BasicDecoder(cell, helper, cell.zero_state(3, tf.float32))
    outputs, state, lengths = S.dynamic_decode(
        decoder, impute_finished=True, maximum_iterations=limit
    )
    ids, end, taken = run([outputs.sample_id, state, lengths])
    steps = min(limit or 3, 3)
    np.testing.assert_array_equal(ids, np.array([[2, 1, 0], [0, 0, 0], [1, 0, 0]])[:, :steps])
    np.testing.assert_array_equal(taken, np.minimum([3, 1, 2], steps))
    np.testing.assert_array_equal(end[:, 0], taken)


def test_sampling():
    cell = Countdown()
    helper = S.SampleEmbeddingHelper(tf.eye(5), [3] * 40, 0, softmax_temperature=1e-3, seed=1)
    decoder = S.BasicDecoder(cell, helper, cell.zero_state(40, tf.float32))
    cold = S.dynamic_decode(decoder, maximum_iterations=5, output_time_major=True)[0].sample_id
    helper = S.SampleEmbeddingHelper(tf.eye(5), [3] * 40, 0, seed=1)
    decoder = S.BasicDecoder(cell, helper, cell.zero_state(40, tf.float32))
    warm = S.dynamic_decode(decoder, maximum_iterations=5)[0].sample_id
    cold, warm = run([cold, warm])
    np.testing.assert_array_equal(cold, np.repeat([[2], [1], [0]], 40, 1))
    assert len(np.unique(warm[:, 0])) > 2


def test_custom_helper():
    helper = S.CustomHelper(
        lambda: (tf.zeros([2], tf.bool), tf.ones([2, 5])),
        lambda time, outputs, state: tf.fill([2], time),
        lambda time, outputs, state, sample_ids: (sample_ids >= [0, 2], outputs, state),
    )
    cell = Countdown()
    decoder = S.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32))
    outputs, _, lengths = S.dynamic_decode(decoder)
    ids, taken = run([outputs.sample_id, lengths])
    np.testing.assert_array_equal(ids, [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(taken, [1, 3])


@pytest.mark.parametrize("size", [0, 3])
def test_no_steps(size):
    x = tf.placeholder(tf.float32, [2, None, 4])
    cell = C.GRUCell(5)
    helper = S.TrainingHelper(x, [0, 0])
    decoder = S.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32))
    outputs, _, lengths = S.dynamic_decode(decoder)
    got, taken = run([outputs.rnn_output, lengths], {x: np.ones((2, size, 4))})
    assert got.shape == (2, 0, 5)
    np.testing.assert_array_equal(taken, [0, 0])


def test_errors():
    with pytest.raises(ValueError, match="start_tokens must be a vector"):
        S.GreedyEmbeddingHelper(tf.eye(5), 1, 0)
    with pytest.raises(ValueError, match="end_token must be a scalar"):
        S.GreedyEmbeddingHelper(tf.eye(5), [1], [0])
    with pytest.raises(ValueError, match="to be a vector"):
        S.TrainingHelper(tf.ones([2, 3, 4]), [[1, 2]])
    with pytest.raises(TypeError, match="must be a Helper"):
        S.BasicDecoder(C.GRUCell(2), None, None)
    with pytest.raises(TypeError, match="type Decoder"):
        S.dynamic_decode(None)
    with pytest.raises(ValueError, match="Logits must be"):
        S.sequence_loss(tf.ones([2, 3]), [[1]], [[1.0]])
    with pytest.raises(ValueError, match="cannot be set to True"):
        S.sequence_loss(tf.ones([2, 3, 4]), tf.ones([2, 3], tf.int32), tf.ones([2, 3]),
                        sum_over_batch=True)  # fmt: skip


@pytest.mark.parametrize("how", [(1, 1, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 1),
                                 (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 0)])  # fmt: skip
def test_sequence_loss(how):
    rng = np.random.default_rng(2)
    logits, targets = rng.normal(size=(2, 3, 4)), rng.integers(0, 4, (2, 3))
    weights = np.array([[1, 0.5, 0], [2, 0, 0]])
    names = ("average_across_timesteps", "average_across_batch", "sum_over_timesteps",
             "sum_over_batch")  # fmt: skip
    options = {name: bool(v) for name, v in zip(names, how, strict=True)}
    got = run(S.sequence_loss(tf.constant(logits), tf.constant(targets), tf.constant(weights),
                              **options))  # fmt: skip
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = -np.take_along_axis(log_p, targets[..., None], 2)[..., 0] * weights
    axes = tuple(axis for axis, wanted in ((0, how[1] or how[3]), (1, how[0] or how[2])) if wanted)
    counted = weights if how[0] or how[1] else weights != 0
    if axes:
        count = np.sum(counted, axes)
        losses = np.where(count, losses.sum(axes) / np.where(count, count, 1), 0)
    np.testing.assert_allclose(got, losses, rtol=1e-12)


def test_tile_batch():
    state = C.LSTMStateTuple(tf.constant([1.0]), tf.constant([2]))
    got = run(S.tile_batch((tf.constant([[1, 2], [3, 4]]), state), 3))
    np.testing.assert_array_equal(got[0], np.repeat([[1, 2], [3, 4]], 3, 0))
    np.testing.assert_array_equal(got[1].h, [2, 2, 2])


# -------------------------------------------------------------------------------------- other cells


def test_block_cells_are_the_plain_ones():
    x = tf.constant(X)
    y, _ = tf.nn.dynamic_rnn(R.LSTMBlockCell(5, use_peephole=True), x, dtype=tf.float32)
    assert [v.name for v in tf.global_variables()] == [
        f"rnn/lstm_cell/{name}:0" for name in ("kernel", "bias", "w_i_diag", "w_f_diag", "w_o_diag")
    ]
    with tf.variable_scope("", reuse=True):
        other, _ = tf.nn.dynamic_rnn(C.LSTMCell(5, use_peepholes=True), x, dtype=tf.float32)
    z, _ = tf.nn.dynamic_rnn(R.GRUBlockCell(5), x, dtype=tf.float32)
    got, same, gru = run([y, other, z])
    np.testing.assert_allclose(got, same, rtol=1e-6)
    assert gru.shape == (3, 6, 5)


def test_fused_cell():
    fused = R.LSTMBlockFusedCell(5)
    x = tf.constant(X.swapaxes(0, 1))
    y, state = fused(x, dtype=tf.float32, sequence_length=LENGTHS)
    names = ["lstm_fused_cell/kernel:0", "lstm_fused_cell/bias:0"]
    assert [v.name for v in fused.variables] == names
    got, end = run([y, state])
    assert got.shape == (6, 3, 5)
    np.testing.assert_array_equal(got[1, 1], end.h[1])
    assert not got[2:, 1].any()


def test_layer_normalisation():
    cell = R.LayerNormBasicLSTMCell(4)
    y, state = cell(tf.constant(X[:, 0]), cell.zero_state(3, tf.float32))
    assert [v.name.partition("/")[2] for v in cell.variables] == [
        "kernel:0", *(f"{part}/{name}:0" for part in ("input", "transform", "forget", "output",
                                                      "state") for name in ("gamma", "beta")),
    ]  # fmt: skip
    c = run(state.c)
    np.testing.assert_allclose(c.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(c.std(1), 1, rtol=1e-4)
    assert y.shape.as_list() == [3, 4]


def test_projections():
    cell = R.OutputProjectionWrapper(R.InputProjectionWrapper(C.GRUCell(3), 6), 2)
    y, state = tf.nn.dynamic_rnn(cell, tf.constant(X), dtype=tf.float32)
    assert (y.shape.as_list(), state.shape.as_list()) == ([3, 6, 2], [3, 3])
    assert len(cell.variables) == 8
    cell = R.EmbeddingWrapper(C.GRUCell(3), 7, 2)
    y, _ = tf.nn.dynamic_rnn(cell, tf.ones([2, 5, 1], tf.int32), dtype=tf.float32)
    assert run(y).shape == (2, 5, 3)


def test_stacked_both_ways():
    y, fw, bw = R.stack_bidirectional_dynamic_rnn(
        [C.GRUCell(3), C.GRUCell(2)], [C.GRUCell(4), C.GRUCell(5)], tf.constant(X),
        dtype=tf.float32, sequence_length=LENGTHS,
    )  # fmt: skip
    assert y.shape.as_list() == [3, 6, 7]
    assert [s.shape.as_list() for s in (*fw, *bw)] == [[3, 3], [3, 2], [3, 4], [3, 5]]
    assert tf.global_variables()[0].name == (
        "stack_bidirectional_rnn/cell_0/bidirectional_rnn/fw/gru_cell/gates/kernel:0"
    )
    assert not run(y)[1, 2:].any()
