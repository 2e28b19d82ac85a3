"""Recurrent layers: NumPy oracles, masks, states, cells of one's own, layers around layers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import layers
from flowgraph.keras.layers.cells import Masks

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def fresh():
    K.clear_session()
    yield
    K.clear_session()


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hard(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def step_of(kind, weights, reset_after=False):
    """One step in NumPy: f(x, states) -> states, the first of which is the output."""
    kernel, recurrent, bias = (w.astype(np.float64) for w in weights)
    n = recurrent.shape[0]

    def simple(x, states):
        return [np.tanh(x @ kernel + states[0] @ recurrent + bias)]

    def lstm(x, states):
        h, c = states
        i, f, new, o = np.split(x @ kernel + h @ recurrent + bias, 4, -1)
        c = hard(f) * c + hard(i) * np.tanh(new)
        return [hard(o) * np.tanh(c), c]

    def gru(x, states):
        h = states[0]
        of_x = x @ kernel + (bias[0] if reset_after else bias)
        of_h = h @ recurrent + (bias[1] if reset_after else 0)
        z, r = np.split(hard(of_x[:, : 2 * n] + of_h[:, : 2 * n]), 2, -1)
        inner = r * of_h[:, 2 * n :] if reset_after else (r * h) @ recurrent[:, 2 * n :]
        return [z * h + (1 - z) * np.tanh(of_x[:, 2 * n :] + inner)]

    return {"SimpleRNN": simple, "LSTM": lstm, "GRU": gru}[kind]


def rolled(step, x, states, mask=None, backwards=False):
    """Outputs of all steps in the order of computation, and the states in the end."""
    outputs, count = [], x.shape[1]
    for t in reversed(range(count)) if backwards else range(count):
        new = step(x[:, t].astype(np.float64), states)
        if mask is not None:
            new = [np.where(mask[:, t, None], a, b) for a, b in zip(new, states, strict=True)]
        states = new
        outputs.append(states[0])
    return np.stack(outputs, 1), states


def randomized(layer):
    layer.set_weights([0.5 * normal(*w.shape) for w in layer.get_weights()])
    return layer.get_weights()


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["SimpleRNN", "GRU", "LSTM"]), st.integers(1, 4), st.integers(1, 6),
    st.integers(1, 3), st.integers(1, 5), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_layers_of_any_size(kind, batch, steps, size, units, backwards, masked, unknown):
    K.clear_session()
    layer = getattr(layers, kind)(
        units, return_sequences=True, return_state=True, go_backwards=backwards
    )
    x = keras.Input((None if unknown else steps, size))
    data = normal(batch, steps, size)
    mask = RNG.random((batch, steps)) < 0.6 if masked else None
    if masked:
        x._keras_mask = tf.placeholder_with_default(mask, [None, None])
    y, *ends = layer(x)
    weights = randomized(layer)
    got, *states = K.get_session().run([y, *ends], {x: data})
    zeros = [np.zeros((batch, units))] * len(ends)
    wanted, last = rolled(step_of(kind, weights), data, zeros, mask, backwards)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    for state, value in zip(states, last, strict=True):
        np.testing.assert_allclose(state, value, rtol=1e-4, atol=1e-5)


def test_k12_counts():
    """K12: LSTM(32) over an embedding of 512: 69,760 weights."""
    x = keras.Input((100,), dtype="int32")
    embedding = layers.Embedding(output_dim=512, input_dim=10000, input_length=100)
    lstm = layers.LSTM(32)
    y = lstm(embedding(x))
    assert (embedding.count_params(), lstm.count_params()) == (5_120_000, 69_760)
    assert K.int_shape(y) == (None, 32)
    assert lstm.get_weights()[2].tolist() == [0] * 32 + [1] * 32 + [0] * 64  # unit_forget_bias
    assert [w.name for w in lstm.weights] == [
        "lstm_1/kernel:0", "lstm_1/recurrent_kernel:0", "lstm_1/bias:0",
    ]  # fmt: skip


def test_states_are_given():
    x, h, c = keras.Input((3, 2)), keras.Input((4,)), keras.Input((4,))
    layer = layers.LSTM(4, return_sequences=True)
    y = layer(x, initial_state=[h, c])
    data, first = normal(2, 3, 2), [normal(2, 4), normal(2, 4)]
    weights = randomized(layer)
    got = K.get_session().run(y, {x: data, h: first[0], c: first[1]})
    wanted, _ = rolled(step_of("LSTM", weights), data, first)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    again = layer(x, initial_state=[tf.constant(first[0]), tf.constant(first[1])])  # any tensors
    np.testing.assert_allclose(K.get_session().run(again, {x: data}), got, rtol=1e-5, atol=1e-6)
    # models with them become configs and come back
    model = keras.Model([x, h, c], y)
    config = json.loads(json.dumps(model.get_config()))
    copy = keras.Model.from_config(config)
    copy.set_weights(weights)
    z = K.get_session().run(copy.output, dict(zip(copy.inputs, [data, *first], strict=True)))
    np.testing.assert_array_equal(z, got)
    with pytest.raises(ValueError, match=r"lstm.*2 states have shapes.*\(None, 4\).*passed.*5"):
        layer(x, initial_state=[h, keras.Input((5,))])
    with pytest.raises(ValueError, match="2 states"):
        layer(x, initial_state=h)


def test_states_of_an_encoder_go_to_a_decoder():
    x, y = keras.Input((5, 2)), keras.Input((3, 2))
    _, *states = layers.GRU(4, return_state=True)(x)
    out = layers.GRU(4, return_sequences=True)(y, initial_state=states)
    model = keras.Model([x, y], out)
    assert K.int_shape(out) == (None, 3, 4)
    got = K.get_session().run(model.output, {x: normal(2, 5, 2), y: normal(2, 3, 2)})
    assert got.shape == (2, 3, 4)


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_stateful_layers_go_on_where_they_ended(kind):
    layer = getattr(layers, kind)(4, stateful=True, return_sequences=True)
    x = keras.Input(batch_shape=(2, 3, 2))
    y = layer(x)
    weights = randomized(layer)
    data, session = normal(2, 9, 2), K.get_session()
    parts = [session.run([y, layer.updates], {x: data[:, i : i + 3]})[0] for i in range(0, 9, 3)]
    count = len(layer.states)
    wanted, _ = rolled(step_of(kind, weights), data, [np.zeros((2, 4))] * count)
    np.testing.assert_allclose(np.concatenate(parts, 1), wanted, rtol=1e-4, atol=1e-5)
    layer.reset_states()
    first = session.run(y, {x: data[:, :3]})
    np.testing.assert_array_equal(first, parts[0])
    given_states = [normal(2, 4) for _ in range(count)]
    layer.reset_states(given_states)
    wanted, _ = rolled(step_of(kind, weights), data[:, :3], given_states)
    np.testing.assert_allclose(session.run(y, {x: data[:, :3]}), wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"state 0 has shape \(2, 4\).*\(2, 5\)"):
        layer.reset_states([normal(2, 5)] * count)
    with pytest.raises(ValueError, match=f"has {count} states, 3 values"):
        layer.reset_states([normal(2, 4)] * 3)
    assert not {v.name for v in layer.weights} & {s.name for s in layer.states}
    assert not set(layer.states) & set(tf.trainable_variables())


def test_stateful_layers_must_know_the_batch_size():
    with pytest.raises(ValueError, match=r"'s' is stateful: it must know its batch size.*None, 3"):
        layers.LSTM(4, stateful=True, name="s")(keras.Input((3, 2)))
    with pytest.raises(AttributeError, match="is not stateful"):
        layers.LSTM(4).reset_states()
    with pytest.raises(ValueError, match="no states yet"):
        layers.LSTM(4, stateful=True).reset_states()
    with pytest.raises(ValueError, match=r"'u'.*unroll needs a known number of steps"):
        layers.LSTM(4, unroll=True, name="u")(keras.Input((None, 2)))
    with pytest.raises(ValueError, match="'r'.*rank 3, not 2"):
        layers.LSTM(4, name="r")(keras.Input((2,)))
    layer = layers.LSTM(4, name="d")
    layer(keras.Input((3, 2)))
    with pytest.raises(ValueError, match="'d'.*size 2 along axis 2, not 5"):
        layer(keras.Input((3, 5)))


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("implementation", [1, 2])
def test_dropout_is_the_same_at_every_step(kind, implementation):
    """All inputs are equal and no state is used: with one mask all steps give the same."""
    more = {} if kind == "SimpleRNN" else {"implementation": implementation}
    layer = getattr(layers, kind)(
        4, dropout=0.5, return_sequences=True, recurrent_initializer="zeros",
        activation="linear", **more,
    )  # fmt: skip
    x = keras.Input((6, 20))
    y = layer(x)
    session, ones = K.get_session(), np.ones((3, 6, 20))
    train = {x: ones, K.learning_phase(): True}
    result = session.run(y, train)
    if kind == "SimpleRNN":
        np.testing.assert_allclose(result, np.repeat(result[:, :1], 6, 1), rtol=1e-5, atol=1e-6)
    assert (session.run(y, train) != result).any()  # but not in every run
    quiet = session.run(y, {x: ones})
    np.testing.assert_array_equal(session.run(y, {x: ones}), quiet)
    assert (quiet != result).any()
    inner = getattr(layers, kind)(4, recurrent_dropout=0.5, **more)
    z = inner(x)
    session = K.get_session()  # which gives the new weights their values
    assert (session.run(z, train) != session.run(z, train)).any()
    np.testing.assert_array_equal(session.run(z, {x: ones}), session.run(z, {x: ones}))


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("implementation", [1, 2])
def test_what_dropout_drops(kind, implementation, monkeypatch):
    """With given masks: those of a gate (or of all) on x and on h, wherever h is multiplied."""
    gates = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}[kind]
    count = gates if implementation == 1 else 1
    of_x = [2.0 * (RNG.random((3, 2)) < 0.5) for _ in range(count)]
    of_h = [2.0 * (RNG.random((3, 4)) < 0.5) for _ in range(count)]
    more = {} if kind == "SimpleRNN" else {"implementation": implementation}
    layer = getattr(layers, kind)(4, dropout=0.5, recurrent_dropout=0.5, **more)
    given_masks = [[tf.constant(m, tf.float32) for m in masks] for masks in (of_x, of_h)]
    assert [len(m) for m in vars(real_masks(layer)).values()] == [count, count]
    monkeypatch.setattr(layer.cell, "masks", lambda batch, training: Masks(*given_masks))
    x = keras.Input((5, 2))
    y = layer(x)
    kernel, recurrent, bias = randomized(layer)
    parts = [np.split(w, gates, -1) for w in (kernel, recurrent, bias)]
    data, n = normal(3, 5, 2), range(gates)
    of_x, of_h = of_x * (gates // count), of_h * (gates // count)
    h = c = np.zeros((3, 4))
    for t in range(5):
        a = [data[:, t] * of_x[i] @ parts[0][i] + parts[2][i] for i in n]
        b = [h * of_h[i] @ parts[1][i] for i in n]
        if kind == "SimpleRNN":
            h = np.tanh(a[0] + b[0])
        elif kind == "GRU":
            z, r = hard(a[0] + b[0]), hard(a[1] + b[1])
            h = z * h + (1 - z) * np.tanh(a[2] + (r * h * of_h[2]) @ parts[1][2])
        else:
            i, f, new, o = (p + q for p, q in zip(a, b, strict=True))
            c = hard(f) * c + hard(i) * np.tanh(new)
            h = hard(o) * np.tanh(c)
    np.testing.assert_allclose(K.get_session().run(y, {x: data}), h, rtol=1e-4, atol=1e-5)


def real_masks(layer):
    """The masks that the layer makes for three samples of size 2."""
    layer.cell.build((None, 2))
    masks = layer.cell.masks(3)
    for made in (*masks.inputs, *masks.state):
        values = K.get_session().run(made, {K.learning_phase(): True})
        assert set(np.unique(values)) <= {0, 2}
        assert (K.get_session().run(made) == 1).all()
    return masks


def test_the_phase_as_an_input_of_a_function():
    x = keras.Input((5, 2))
    y = layers.LSTM(3, dropout=0.5)(x)
    f = K.function([x, K.learning_phase()], [y])
    data = np.ones((2, 5, 2))
    np.testing.assert_array_equal(f([data, 0])[0], f([data, 0])[0])
    assert any((f([data, 1])[0] != f([data, 1])[0]).any() for _ in range(5))


# --------------------------------------------------------------------------- cells of one's own


class Mixed(keras.layers.Layer):
    """A cell with a constant, in Keras's form."""

    def __init__(self, units, **kwargs):
        self.units = self.state_size = units
        super().__init__(**kwargs)

    def build(self, shapes):
        shape, constant = shapes
        self.kernel = self.add_weight("kernel", (shape[-1], self.units))
        self.other = self.add_weight("other", (constant[-1], self.units))
        self.built = True

    def call(self, inputs, states, constants):
        y = K.dot(inputs, self.kernel) + states[0] + K.dot(constants[0], self.other)
        return y, [y]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_constants_and_cells_of_ones_own():
    """K19."""
    x, c = keras.Input((4, 2)), keras.Input((3,))
    layer = layers.RNN(Mixed(5), return_sequences=True)
    y = layer(x, constants=c)
    a, b = normal(2, 4, 2), normal(2, 3)
    kernel, other = layer.get_weights()
    got = K.get_session().run(y, {x: a, c: b})
    wanted = np.cumsum(a @ kernel + (b @ other)[:, None], 1)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    model = keras.Model([x, c], y)
    copy = keras.Model.from_config(model.get_config(), custom_objects={"Mixed": Mixed})
    copy.set_weights(model.get_weights())
    again = K.get_session().run(copy.output, dict(zip(copy.inputs, [a, b], strict=True)))
    np.testing.assert_array_equal(again, got)


class Window(keras.layers.Layer):
    """A cell whose output is not its state: the sum of this input and the one before."""

    state_size = 2
    output_size = 1

    def call(self, inputs, states):
        return K.sum(inputs + states[0], axis=-1, keepdims=True), [inputs]


def test_an_output_that_is_no_state_is_copied_by_masks():
    x = keras.Input((5, 2))
    mask = np.array([[0, 1, 0, 1, 1]], bool)
    x._keras_mask = tf.placeholder_with_default(mask, [None, 5])
    for unroll in (False, True):
        y = layers.RNN(Window(), return_sequences=True, unroll=unroll)(x)
        z = layers.RNN(Window(), unroll=unroll)(x)
        data = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
        got, last = K.get_session().run([y, z], {x: data})
        assert got[0, :, 0].tolist() == [0, 5, 5, 5 + 13, 13 + 17]
        assert last[0, 0] == 30 and K.int_shape(y) == (None, 5, 1)


class Begun(layers.AbstractRNNCell):
    """A sum that begins with 7."""

    state_size = [2]

    def call(self, inputs, states):
        total = inputs + states[0]
        return total, [total]

    def get_initial_state(self, inputs=None, batch_size=None, dtype=None):
        return [s + 7 for s in super().get_initial_state(inputs, batch_size, dtype)]


def test_a_cell_may_say_how_it_begins():
    x = keras.Input((3, 2))
    y = layers.RNN(Begun())(x)
    assert K.int_shape(y) == (None, 2)
    assert K.get_session().run(y, {x: np.ones((2, 3, 2))}).tolist() == [[10, 10]] * 2
    for missing in (lambda c: c.state_size, lambda c: c.call(None, [])):
        with pytest.raises(NotImplementedError, match="AbstractRNNCell does not say"):
            missing(layers.AbstractRNNCell())


def test_cells_say_what_they_lack():
    with pytest.raises(ValueError, match="a cell must have state_size"):
        layers.RNN(layers.Dense(3))
    with pytest.raises(ValueError, match="all cells must have state_size"):
        layers.StackedRNNCells([layers.Dense(3)])
    with pytest.raises(ValueError, match="LSTMCell: units must be a positive integer"):
        layers.LSTM(0)
    with pytest.raises(ValueError, match="'four'.*rank 3, not 4"):
        layers.LSTM(3, name="four")(keras.Input((3, 3, 1)))
    with pytest.raises(ValueError, match="its layer 'conv'.*rank 4, found.*steps have shape"):
        layers.TimeDistributed(layers.Conv2D(3, 3, name="conv"))(keras.Input((4, 8, 3)))


def test_stacked_cells_are_layers_behind_each_other():
    x = keras.Input((5, 2))
    stack = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_state=True)
    y, *ends = stack(x)
    lstm, gru = layers.LSTM(3, return_sequences=True, return_state=True), layers.GRU(4)
    inner, *lstm_ends = lstm(x)
    z = gru(inner)
    weights = randomized(stack)
    lstm.set_weights(weights[:3]), gru.set_weights(weights[3:])
    data = normal(2, 5, 2)
    a, b, ours, theirs = K.get_session().run([y, z, ends, lstm_ends], {x: data})
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours[0], b, rtol=1e-5, atol=1e-6)  # the last cell's first
    for one, other in zip(ours[1:], theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_weights_for_cudnn(kind):
    """A matrix of a gate is the transpose of what CuDNN has in the same memory."""
    x = keras.Input((5, 3))
    fast = getattr(layers, f"CuDNN{kind}")(4, return_sequences=True)
    plain = getattr(layers, kind)(
        4, return_sequences=True, recurrent_activation="sigmoid",
        **({"reset_after": True} if kind == "GRU" else {}),
    )  # fmt: skip
    y, z = fast(x), plain(x)
    gates = 4 if kind == "LSTM" else 3
    if kind == "LSTM":  # the bias of f begins with 1 among those of the state
        assert np.flatnonzero(fast.get_weights()[2]).tolist() == [20, 21, 22, 23]
    kernel, recurrent, bias = randomized(fast)

    def turned(w):
        return np.hstack([p.reshape(4, -1).T for p in np.split(w, gates, 1)])

    bias = bias.reshape(2, -1)
    bias = bias.sum(0) if kind == "LSTM" else bias
    plain.set_weights([turned(kernel), turned(recurrent), bias])
    one, other = K.get_session().run([y, z], {x: normal(2, 5, 3)})
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    x._keras_mask = tf.constant(np.ones((2, 5), bool))
    with pytest.raises(TypeError, match="does not support masking"):
        fast(x)
    assert "dropout" not in fast.get_config() and "unroll" not in fast.get_config()


# -------------------------------------------------------------------------- layers around layers


@pytest.mark.parametrize("mode", ["concat", "sum", "ave", "mul", None])
def test_both_directions(mode):
    x = keras.Input((4, 2))
    both = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode=mode)
    y = both(x)
    weights, data = randomized(both), normal(2, 4, 2)
    got = K.get_session().run(y, {x: data})
    zeros = [np.zeros((2, 3))]
    forward, _ = rolled(step_of("GRU", weights[:3]), data, zeros)
    backward, _ = rolled(step_of("GRU", weights[3:]), data, zeros, backwards=True)
    backward = backward[:, ::-1]
    wanted = {
        "concat": np.concatenate([forward, backward], -1), "sum": forward + backward,
        "ave": (forward + backward) / 2, "mul": forward * backward, None: [forward, backward],
    }[mode]  # fmt: skip
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    assert [w.name for w in both.weights][::3] == [
        "bidirectional_1/forward_gru_1/kernel:0", "bidirectional_1/backward_gru_1/kernel:0",
    ]  # fmt: skip


def test_both_directions_in_a_model():
    model = keras.Sequential()
    model.add(layers.Bidirectional(layers.LSTM(3, return_sequences=True), input_shape=(4, 2)))
    model.add(layers.Bidirectional(layers.LSTM(5)))
    assert model.output_shape == (None, 10)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    data, session = normal(2, 4, 2), K.get_session()
    np.testing.assert_array_equal(
        session.run(model.output, {model.input: data}),
        session.run(clone.output, {clone.input: data}),
    )
    inner = layers.LSTM(3, input_shape=(4, 2))
    assert layers.Bidirectional(inner).batch_input_shape == (None, 4, 2)
    with pytest.raises(ValueError, match="merge_mode"):
        layers.Bidirectional(layers.LSTM(3), merge_mode="max")
    with pytest.raises(ValueError, match="takes a recurrent layer"):
        layers.Bidirectional(layers.Dense(3))
    with pytest.raises(ValueError, match="even number; found 1"):
        layers.Bidirectional(layers.GRU(3))(keras.Input((4, 2)), initial_state=[keras.Input((3,))])


def test_both_directions_of_a_cell_of_ones_own():
    y = layers.Bidirectional(layers.RNN(Window(), return_sequences=True))(keras.Input((5, 2)))
    assert K.int_shape(y) == (None, 5, 2)


def test_stateful_in_both_directions():
    both = layers.Bidirectional(layers.LSTM(3, stateful=True))
    x = keras.Input(batch_shape=(2, 4, 2))
    y = both(x)
    data, session = normal(2, 4, 2), K.get_session()
    first = session.run([y, both.updates], {x: data})[0]
    assert len(both.updates) == 4 and (session.run(y, {x: data}) != first).any()
    both.reset_states()
    np.testing.assert_array_equal(session.run(y, {x: data}), first)


def test_a_layer_at_every_step():
    dense = layers.Dense(3)
    x = keras.Input((None, 2))
    layer = layers.TimeDistributed(dense)
    y = layer(x)
    assert K.int_shape(y) == (None, None, 3)
    assert [w.name for w in layer.weights] == [
        "time_distributed_1/kernel:0", "time_distributed_1/bias:0",
    ]  # fmt: skip
    data = normal(2, 5, 2)
    w, b = dense.get_weights()
    got = K.get_session().run(y, {x: data})
    np.testing.assert_allclose(got, data @ w + b, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="takes a layer"):
        layers.TimeDistributed(3)
    with pytest.raises(ValueError, match="rank 3 at least"):
        layers.TimeDistributed(layers.Dense(3))(keras.Input((2,)))


def test_a_model_at_every_step():
    inner = keras.Sequential([
        layers.Conv2D(3, 2, activation="relu", input_shape=(5, 4, 1)),
        layers.BatchNormalization(), layers.Dropout(0.5), layers.Flatten(), layers.Dense(2),
    ])  # fmt: skip
    x = keras.Input((3, 5, 4, 1))
    layer = layers.TimeDistributed(inner)
    y = layer(x)
    assert K.int_shape(y) == (None, 3, 2)
    data, session = normal(2, 3, 5, 4, 1), K.get_session()
    got = session.run(y, {x: data})
    alone = session.run(inner.output, {inner.input: data.reshape(6, 5, 4, 1)})
    np.testing.assert_allclose(got.reshape(6, 2), alone, rtol=1e-5, atol=1e-6)
    assert len(layer.trainable_weights) == 6 and len(layer.get_updates_for(x)) == 2
    assert (session.run(y, {x: data, K.learning_phase(): True}) != got).any()


def test_a_mask_goes_through_every_step():
    x = keras.Input((4, 2))
    y = layers.TimeDistributed(layers.Dense(3))(layers.Masking()(x))
    z = layers.LSTM(3)(y)
    data = normal(1, 4, 2)
    data[0, 2:] = 0
    session = K.get_session()
    assert session.run(y._keras_mask, {x: data}).tolist() == [[1, 1, 0, 0]]
    longer = session.run(z, {x: data})
    short = keras.Input((2, 2))
    assert longer.shape == (1, 3) and K.int_shape(short) == (None, 2, 2)


def test_words_of_characters_keep_their_mask():
    """An Embedding with mask_zero at every step masks characters; a word counts if any does."""
    x = keras.Input((3, 4), dtype="int32")
    y = layers.TimeDistributed(layers.Embedding(9, 2, mask_zero=True))(x)
    data = np.array([[[1, 2, 0, 0], [0, 0, 0, 0], [3, 0, 0, 0]]])
    assert K.get_session().run(y._keras_mask, {x: data}).tolist() == (data != 0).tolist()
    z = layers.TimeDistributed(layers.LSTM(5))(y)
    assert K.get_session().run(z._keras_mask, {x: data}).tolist() == [[1, 0, 1]]


# ---------------------------------------------------------------------------------- convolutional


def test_lstm_of_images():
    """One row of pixels and a window of one is an LSTM of every pixel by itself."""
    layer = layers.ConvLSTM2D(3, 1, return_sequences=True, return_state=True)
    x = keras.Input((4, 1, 2, 5))
    y, *ends = layer(x)
    kernel, recurrent, bias = randomized(layer)
    data = normal(2, 4, 1, 2, 5)
    got, h, c = K.get_session().run([y, *ends], {x: data})
    step = step_of("LSTM", (kernel[0, 0], recurrent[0, 0], bias))
    for place in range(2):
        wanted, last = rolled(step, data[:, :, 0, place], [np.zeros((2, 3))] * 2)
        np.testing.assert_allclose(got[:, :, 0, place], wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(h[:, 0, place], last[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(c[:, 0, place], last[1], rtol=1e-4, atol=1e-5)


def test_lstm_of_images_of_other_kinds():
    data, session = normal(2, 3, 6, 5, 2), K.get_session()
    x = keras.Input(batch_shape=(2, 3, 6, 5, 2))
    layer = layers.ConvLSTM2D(4, (3, 2), padding="same", stateful=True)
    y = layer(x)
    first = K.get_session().run([y, layer.updates], {x: data})[0]
    assert (K.get_session().run(y, {x: data}) != first).any()
    layer.reset_states()
    np.testing.assert_array_equal(K.get_session().run(y, {x: data}), first)
    turned = keras.Input((3, 2, 6, 5))
    other = layers.ConvLSTM2D(4, (3, 2), padding="same", data_format="channels_first")
    z = other(turned)
    other.set_weights(layer.get_weights())
    got = K.get_session().run(z, {turned: data.transpose(0, 1, 4, 2, 3)})
    np.testing.assert_allclose(got.transpose(0, 2, 3, 1), first, rtol=1e-4, atol=1e-5)
    unknown = keras.Input((None, None, None, 2))
    w = layers.ConvLSTM2D(4, 3, return_sequences=True)(unknown)
    assert K.int_shape(w) == (None, None, None, None, 4)
    assert K.get_session().run(w, {unknown: data}).shape == (2, 3, 4, 3, 4)
    dropped = layers.ConvLSTM2D(4, 3, dropout=0.5, recurrent_dropout=0.5)(x)
    train = {x: data, K.learning_phase(): True}
    session = K.get_session()
    assert (session.run(dropped, train) != session.run(dropped, train)).any()
    masked = keras.Input((3, 6, 5, 2))
    masked._keras_mask = tf.placeholder_with_default(np.array([[1, 0, 0]] * 2, bool), [None, 3])
    v = layers.ConvLSTM2D(4, 3, weights=[0.3 * normal(*s) for s in
                                         ((3, 3, 2, 16), (3, 3, 4, 16), (16,))],
                          return_sequences=True)(masked)  # fmt: skip
    got = K.get_session().run(v, {masked: data})
    np.testing.assert_array_equal(got[:, 1], got[:, 0])
    np.testing.assert_array_equal(got[:, 2], got[:, 0])


# ------------------------------------------------------------------------------------------- K.rnn


@pytest.mark.parametrize("unroll", [False, True])
def test_rnn_of_the_backend(unroll):
    x = tf.placeholder(tf.float32, [None, 4, 2])
    kernel, offset = normal(2, 3), normal(3)

    def step(row, states):
        total, constant = states
        new = total + tf.matmul(row, kernel) + constant
        return new * 2, [new]

    last, outputs, (total,) = K.rnn(
        step, x, [tf.zeros([tf.shape(x)[0], 3])], constants=[tf.constant(offset)], unroll=unroll,
        go_backwards=True,
    )  # fmt: skip
    assert K.int_shape(outputs) == (None, 4, 3)
    data = normal(2, 4, 2)
    got = K.get_session().run([last, outputs, total], {x: data})
    sums = np.cumsum((data @ kernel + offset)[:, ::-1], 1)
    np.testing.assert_allclose(got[1], 2 * sums, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got[0], 2 * sums[:, -1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got[2], sums[:, -1], rtol=1e-4, atol=1e-5)


def test_rnn_without_states():
    x = tf.placeholder(tf.float32, [2, None, 3])
    last, outputs, states = K.rnn(lambda row, _: (row * 2, []), x, [])
    data = normal(2, 4, 3)
    got, end = K.get_session().run([outputs, last], {x: data})
    np.testing.assert_array_equal(got, data * 2)
    np.testing.assert_array_equal(end, data[:, -1] * 2)
    assert states == []
    with pytest.raises(ValueError, match="known number of steps"):
        K.rnn(lambda row, _: (row, []), x, [], unroll=True)
    with pytest.raises(ValueError, match="samples, steps"):
        K.rnn(lambda row, _: (row, []), tf.zeros([3]), [])


# ---------------------------------------------------------------------- weights of the other kind


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("both_ways", [False, True])
def test_stored_weights_of_cudnn_and_plain_layers_fit_each_other(kind, both_ways, tmp_path):
    more = {"recurrent_activation": "sigmoid", **({"reset_after": True} if kind == "GRU" else {})}
    x = keras.Input((5, 3))
    made = [getattr(layers, f"CuDNN{kind}")(4), getattr(layers, kind)(4, **more)]
    made = [layers.Bidirectional(layer) if both_ways else layer for layer in made]
    fast, plain = (keras.Model(x, layer(x)) for layer in made)
    data, session = normal(2, 5, 3), K.get_session()
    for one, other in ((fast, plain), (plain, fast)):
        randomized(one)
        one.save_weights(str(tmp_path / "w.safetensors"))
        other.load_weights(str(tmp_path / "w.safetensors"))
        results = session.run([one.output, other.output], {x: data})
        np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)
    fast.load_weights(str(tmp_path / "w.safetensors"))  # of its own kind, too


def test_a_gru_that_computes_something_else(tmp_path):
    x = keras.Input((5, 3))
    fast, plain = keras.Model(x, layers.CuDNNGRU(4)(x)), keras.Model(x, layers.GRU(4)(x))
    for one, other in ((fast, plain), (plain, fast)):
        one.save_weights(str(tmp_path / "w.safetensors"))
        with pytest.raises(ValueError, match="reset_after=False do not fit"):
            other.load_weights(str(tmp_path / "w.safetensors"))
