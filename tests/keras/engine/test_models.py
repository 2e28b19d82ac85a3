"""Layers of one's own, models of them, their inputs (G20), order, configs, copies and tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import config, keras
from flowgraph.keras import backend as K
from flowgraph.keras import layers
from flowgraph.keras.engine import InputLayer, InputSpec, Layer
from flowgraph.keras.models import (
    Model,
    Sequential,
    clone_model,
    model_from_config,
    model_from_json,
    model_from_yaml,
)


class Affine(Layer):
    def __init__(self, units, regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.regularizer = units, regularizer
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            "kernel", (input_shape[-1], self.units), regularizer=self.regularizer
        )
        self.bias = self.add_weight("bias", (self.units,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        return K.bias_add(K.dot(inputs, self.kernel), self.bias)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Join(Layer):
    def call(self, inputs):
        return K.concatenate(inputs)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], sum(shape[-1] for shape in input_shape))


class Noisy(Layer):
    def call(self, inputs, training=None):
        return K.in_train_phase(inputs + 1.0, inputs, training)


class Counting(Layer):
    """Adds a loss and an update with every call."""

    def build(self, input_shape):
        self.seen = self.add_weight("seen", (), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs):
        self.add_loss(K.sum(inputs), inputs)
        self.add_update(K.update_add(self.seen, K.sum(inputs)), inputs)
        return inputs * 2.0


OWN = {"Affine": Affine, "Join": Join}


@pytest.fixture(autouse=True)
def _fresh():
    K.clear_session()
    yield
    K.clear_session()


def run(x, feed=None):
    return K.get_session().run(x, feed)


def branched():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = Affine(3)
    inner = Sequential([Affine(5, input_shape=(3,)), Affine(2)])
    joined = Join()([shared(a), shared(b)])
    first = Affine(1)(joined)
    second = Join()([inner(shared(a)), Affine(2)(joined)])
    return Model([a, b], [first, second])


# ------------------------------------------------------------------------------------------ layers


def test_input_prints_as_in_the_notes_G20():
    assert str(keras.Input(shape=(13,))) == ('Tensor("input_1:0", shape=(?, 13), dtype=float32)')


def test_names_are_numbered_for_each_class():
    assert [Affine(1).name, Affine(1).name, Join().name, Affine(1, name="out").name] == [
        "affine_1",
        "affine_2",
        "join_1",
        "out",
    ]


def test_a_call_notes_where_tensors_come_from():
    x = keras.Input((4,))
    layer = Affine(3)
    y, z = layer(x), layer(x)
    assert y._keras_history == (layer, 0, 0) and z._keras_history == (layer, 1, 0)
    assert y._keras_shape == (None, 3) and K.is_keras_tensor(y)
    assert layer.get_output_at(1) is z and layer.get_input_at(1) is x
    assert layer.input_shape == (None, 4) and layer.output_shape == (None, 3)
    with pytest.raises(AttributeError, match="multiple inbound nodes"):
        layer.output
    with pytest.raises(AttributeError, match="not called"):
        Affine(1).output


def test_weights_can_be_given_and_set():
    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    layer = Affine(3, weights=[w, np.ones(3)])
    layer(keras.Input((2,)))
    np.testing.assert_array_equal(layer.get_weights()[0], w)
    layer.set_weights([w + 1, np.zeros(3)])
    np.testing.assert_array_equal(layer.get_weights()[0], w + 1)
    with pytest.raises(ValueError, match=r"affine_1/kernel.* \(2, 3\).*\(3, 2\)"):
        layer.set_weights([w.T, np.zeros(3)])
    with pytest.raises(ValueError, match="has 2 weights, but 1 arrays"):
        layer.set_weights([w])
    with pytest.raises(ValueError, match="not built"):
        Affine(3).set_weights([w])


def test_layers_take_plain_tensors_and_give_fetchable_ones_G31():
    x = tf.placeholder(tf.float32, [None, 2])
    y = Affine(3)(x * 2.0) + 1.0
    assert run(y, {x: np.zeros((5, 2))}).shape == (5, 3)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(y, {x: np.zeros((5, 2))}).shape == (5, 3)


def test_errors_name_the_layer_and_its_line():
    layer = Affine(3)
    with pytest.raises(ValueError, match="affine_1.*rank 2 at least.*") as caught:
        layer(keras.Input(()))
    assert "test_models.py" in caught.value.__notes__[0]
    with pytest.raises(TypeError, match="Affine: unknown argument 'unit'"):
        Affine(3, unit=4)
    with pytest.raises(ValueError, match="size of the input is not known"):
        layer(keras.Input((None,)))
    with pytest.raises(ValueError, match="not a tensor but dict|not a tensor but object"):
        layer(object())


def test_input_shape_arguments():
    assert Affine(1, input_dim=3).batch_input_shape == (None, 3)
    assert Affine(1, input_shape=(2, 3)).batch_input_shape == (None, 2, 3)
    assert Affine(1, input_shape=(3,), batch_size=8).batch_input_shape == (8, 3)
    assert Affine(1, batch_input_shape=(8, 3)).batch_input_shape == (8, 3)
    assert Affine(1, input_dim=3, input_length=7).batch_input_shape == (None, 7, 3)


def test_layers_in_attributes_are_parts():
    class Block(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first, self.others = Affine(3), [Affine(2)]
            self.others.append(Affine(1))

        def call(self, inputs):
            x = self.first(inputs)
            for layer in self.others:
                x = layer(x)
            return x

    block = Block()
    block(keras.Input((4,)))
    assert len(block.weights) == 6 and block.count_params() == 15 + 8 + 3
    block.first.trainable = False
    assert len(block.trainable_weights) == 4 and len(block.weights) == 6
    block.trainable = False
    assert block.trainable_weights == [] and len(block.non_trainable_weights) == 6


def test_the_graph_is_right_where_compute_output_shape_is_not():
    class Forgetful(Layer):
        def call(self, inputs):
            return K.concatenate([inputs, inputs])

        def compute_output_shape(self, input_shape):
            return input_shape

    assert Forgetful()(keras.Input((3,)))._keras_shape == (None, 6)


def test_compute_output_shape_adds_what_the_graph_does_not_know():
    class Opaque(Layer):
        def call(self, inputs):
            return tf.py_func(lambda x: x, [inputs], tf.float32)

        def compute_output_shape(self, input_shape):
            return input_shape

    assert Opaque()(keras.Input((3,)))._keras_shape == (None, 3)


def test_masks_go_through_layers_that_support_them():
    class Mask(Layer):
        def compute_mask(self, inputs, mask=None):
            return K.any(K.not_equal(inputs, 0.0), axis=-1)

    class Through(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, inputs, mask=None):
            return inputs if mask is None else inputs * K.expand_dims(K.cast(mask, "float32"))

    x = keras.Input((3, 2))
    y = Through()(Mask()(x))
    assert y._keras_mask is not None
    model = Model(x, y)
    value = np.ones((1, 3, 2), np.float32)
    assert run(model(keras.Input(tensor=tf.constant(value)))).sum() == 6
    with pytest.raises(TypeError, match="does not support masking"):
        Join()([y, y])


# ------------------------------------------------------------------------------------------ models


def test_layers_stand_in_keras_s_order():
    names = [layer.name for layer in branched().layers]
    # as Keras 2 orders the same model
    assert names == [
        "a", "b", "affine_1", "join_1", "sequential_1", "affine_5", "affine_4", "join_2",
    ]  # fmt: skip


def test_a_model_called_again_shares_its_weights():
    model = branched()
    a, b = keras.Input((4,)), keras.Input((4,))
    again = model([a, b])
    x, z = np.random.rand(2, 4), np.random.rand(2, 4)
    one = run(model.outputs, dict(zip(model.inputs, [x, z], strict=True)))
    two = run(again, {a: x, b: z})
    for p, q in zip(one, two, strict=True):
        np.testing.assert_array_equal(p, q)
    assert model.count_params() == 68 and len(model.weights) == len(model.get_weights()) == 10
    assert model.compute_output_shape([(7, 4), (7, 4)]) == [(7, 1), (7, 4)]
    assert model.input_shape == [(None, 4), (None, 4)] and model.output_shape[1] == (None, 4)


def test_a_dict_goes_by_names():
    model = branched()
    a, b = keras.Input((4,)), keras.Input((4,))
    model({"b": b, "a": a})
    with pytest.raises(ValueError, match="no value for input 'b'"):
        model({"a": a})
    with pytest.raises(ValueError, match="has 2 inputs.*called with 1"):
        model(a)


def test_disconnected_and_twice():
    x, y = keras.Input((3,), name="x"), keras.Input((3,), name="y")
    out = Affine(2)(x)
    with pytest.raises(ValueError, match="Graph disconnected: the value of 'x:0'"):
        Model(y, out)
    with pytest.raises(ValueError, match="given twice"):
        Model([x, x], out)
    with pytest.raises(ValueError, match="must come out of layers.*Lambda"):
        Model(x, out + 1.0)
    with pytest.raises(ValueError, match="must be made by Input"):
        Model(out, Affine(2)(out))
    named = Affine(2, name="same")(Affine(2, name="same")(x))
    with pytest.raises(ValueError, match="'same' is used 2 times"):
        Model(x, named)


def test_get_layer():
    model = branched()
    assert model.get_layer("affine_4").units == 1 and model.get_layer(index=-1).name == "join_2"
    with pytest.raises(ValueError, match="No such layer: 'afine_4'.*did you mean 'affine_4'"):
        model.get_layer("afine_4")
    with pytest.raises(ValueError, match="8 layers"):
        model.get_layer(index=8)


def test_freezing():
    model = branched()
    model.layers[2].trainable = False
    assert len(model.trainable_weights) == 8 and len(model.non_trainable_weights) == 2
    model.trainable = False
    assert model.trainable_weights == [] and len(model.weights) == 10
    assert [w.op.name for w in model.weights] != []


def test_deep_models_need_no_recursion():
    x = y = keras.Input((1,))
    for _ in range(1500):
        y = Noisy()(y)
    assert len(Model(x, y).layers) == 1501


def test_losses_and_updates_of_each_model():
    x, y = keras.Input((2,)), keras.Input((2,))
    layer = Counting()
    one, two = Model(x, layer(x)), Model(y, layer(y))
    assert len(one.losses) == len(one.updates) == len(two.updates) == 1
    assert one.updates != two.updates and len(layer.updates) == 2
    z = keras.Input((2,))
    outer = Model(z, one(z))
    assert len(outer.losses) == len(outer.updates) == 1 and outer.updates != one.updates
    run(outer.updates, {z: np.ones((3, 2))})
    assert layer.get_weights() == [6.0]
    layer.trainable = False
    assert outer.updates == []


def test_regularizers_of_weights_and_of_outputs():
    class Regular(Affine):
        activity_regularizer = staticmethod(lambda y: K.sum(y))

    x = keras.Input((2,))
    layer = Regular(1, regularizer=lambda w: 0.5 * K.sum(w * w), weights=[[[2.0], [2.0]], [0.0]])
    model = Model(x, layer(x))
    assert sorted(run(model.losses, {x: [[1.0, 1.0]]})) == [4.0, 4.0]
    assert len(layer.get_losses_for(None)) == 1 and len(layer.get_losses_for(x)) == 1


def test_the_learning_phase_and_the_argument_training():
    x = keras.Input((1,))
    model = Model(x, Noisy()(x))
    assert model.uses_learning_phase and not Model(x, Affine(1)(x)).uses_learning_phase
    feed = {x: [[0.0]]}
    assert run(model.output, feed) == 0 and run(model.output, {**feed, K.learning_phase(): 1}) == 1
    assert run(model(x, training=True), feed) == 1


# -------------------------------------------------------------------------------------- Sequential


def test_list_and_add_are_the_same_K1():
    listed = Sequential([Affine(10, input_dim=2), Affine(1)])
    added = Sequential()
    added.add(Affine(10, input_shape=(2,)))
    added.add(Affine(1))
    lines: list[list[str]] = [[], []]
    for model, found in zip((listed, added), lines, strict=True):
        model.summary(print_fn=found.append)
    strip = [[line[10:] for line in found] for found in lines]
    assert strip[0] == strip[1] and listed.count_params() == 41


def test_counts_of_the_notes_K3():
    for sizes, counts, total in (
        ((2, 10, 10, 1), (30, 110, 11), 151),
        ((13, 10, 10, 1), (140, 110, 11), 261),
        ((784, 32, 10), (25120, 330), 25450),
        ((20, 64, 64, 10), (1344, 4160, 650), 6154),
        ((64, 32, 32, 10), (2080, 1056, 330), 3466),
    ):
        model = Sequential([Affine(n) for n in sizes[1:]])
        model.build((None, sizes[0]))
        assert tuple(layer.count_params() for layer in model.layers) == counts
        assert model.count_params() == total


def test_building_later():
    model = Sequential([Affine(3), Affine(2)])
    assert not model.built and model.inputs is None
    with pytest.raises(ValueError, match="is not built"):
        model.summary()
    with pytest.raises(ValueError, match="input shape is not known"):
        model.build()
    model.build((None, 4))
    assert model.built and model.output_shape == (None, 2)
    other = Sequential([Affine(3), Affine(2)])
    other(keras.Input((5,)))
    assert other.count_params() == 18 + 8


def test_pop_and_add():
    model = Sequential([Affine(3, input_dim=2), Affine(4)])
    model.pop()
    assert model.output_shape == (None, 3)
    model.add(Affine(5))
    assert model.output_shape == (None, 5) and len(model.layers) == 2
    model.pop()
    model.pop()
    assert model.layers == [] and model.inputs is None
    with pytest.raises(TypeError, match="no layers"):
        model.pop()
    with pytest.raises(TypeError, match="make one, with"):
        model.add(Affine)


def test_first_may_be_an_input_or_a_model():
    inner = Model(x := keras.Input((3,)), Affine(2)(x))
    assert Sequential([inner, Affine(1)]).output_shape == (None, 1)
    model = Sequential([InputLayer(input_shape=(3,), dtype="int32")])
    assert model.inputs[0].dtype == tf.int32 and model.layers == []
    again = Sequential.from_config(model.get_config())
    assert again.inputs[0].dtype == tf.int32
    two = Sequential([keras.Input((3,)), Affine(2)])
    assert two.output_shape == (None, 2)
    nested = Sequential([Sequential([Affine(3, input_dim=2)]), Affine(1)])
    assert nested.count_params() == 9 + 4


# ------------------------------------------------------------------------------------- subclassing


class Own(Model):
    def __init__(self, units):
        super().__init__()
        self.hidden, self.stack = Affine(units), [Affine(2)]

    def call(self, inputs):
        return self.stack[0](self.hidden(inputs))


def test_a_call_of_one_s_own():
    model = Own(3)
    assert model.name == "own_1" and len(model.layers) == 2
    model.build((None, 4))
    assert model.count_params() == 15 + 8
    y = model(keras.Input((4,)))
    assert y.shape.as_list() == [None, 2]
    with pytest.raises(NotImplementedError, match=r"call\(\) of its own"):
        model.to_json()
    data = Own(3)
    data._set_inputs(np.zeros((5, 4)))
    assert data.input_names == ["input_1"] and data.output_names == ["output_1"]

    class Early(Model):
        def __init__(self):
            self.hidden = Affine(3)

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Early()


# ----------------------------------------------------------------------------- configs, clones


def test_configs_and_back():
    model = branched()
    text = model.to_json()
    again = model_from_json(text, OWN)
    assert json.loads(again.to_json()) == json.loads(text)
    assert again.count_params() == 68 and again.name == model.name
    assert json.loads(model_from_yaml(model.to_yaml(), OWN).to_json()) == json.loads(text)
    with keras.utils.custom_object_scope(OWN):
        model_from_config(json.loads(text))
    with pytest.raises(ValueError, match="Unknown layer: 'Affine'"):
        model_from_json(text)
    with pytest.raises(ValueError, match="PyYAML"):
        model_from_yaml("class_name: Model")
    data = json.loads(text)["config"]
    assert data["layers"][4]["inbound_nodes"] == [[["affine_1", 2, 0, {}]]]
    assert data["layers"][7]["inbound_nodes"] == [
        [["sequential_1", 1, 0, {}], ["affine_5", 0, 0, {}]]
    ]


def test_clones_have_weights_of_their_own():
    model = branched()
    clone = clone_model(model)
    assert not set(clone.weights) & set(model.weights)
    assert json.loads(clone.to_json()) == json.loads(model.to_json())
    clone.set_weights(model.get_weights())
    x = tf.constant(np.random.rand(2, 4), tf.float32)
    on_data = clone_model(model, [keras.Input(tensor=x), x + 0.0])
    on_data.set_weights(model.get_weights())
    one = run(on_data.outputs)
    two = run(model.outputs, dict.fromkeys(model.inputs, run(x)))
    np.testing.assert_allclose(one[1], two[1], rtol=1e-6)
    chain = Sequential([Affine(3, input_dim=4)])
    assert clone_model(chain).count_params() == 15
    assert clone_model(chain, tf.zeros([2, 4])).output_shape == (2, 3)
    with pytest.raises(ValueError, match="call"):
        clone_model(Own(2))


# ------------------------------------------------------------------------------ tables and pictures


def lines_of(model, **options):
    lines: list[str] = []
    model.summary(print_fn=lines.append, **options)
    return lines


def test_summary_of_a_chain_K2():
    model = Sequential([Affine(10, input_dim=13), Affine(10), Affine(1)])
    assert "\n".join(lines_of(model)) == (
        "_________________________________________________________________\n"
        "Layer (type)                 Output Shape              Param #   \n"
        "=================================================================\n"
        "affine_1 (Affine)            (None, 10)                140       \n"
        "_________________________________________________________________\n"
        "affine_2 (Affine)            (None, 10)                110       \n"
        "_________________________________________________________________\n"
        "affine_3 (Affine)            (None, 1)                 11        \n"
        "=================================================================\n"
        "Total params: 261\n"
        "Trainable params: 261\n"
        "Non-trainable params: 0\n"
        "_________________________________________________________________"
    )


def test_summary_with_branches():
    lines = lines_of(branched())
    assert lines[0] == "_" * 98
    assert lines[1] == (
        "Layer (type)                    Output Shape         Param #     Connected to            "
        "         "
    )
    at = next(i for i, line in enumerate(lines) if line.startswith("affine_1"))
    assert [line[65:].strip() for line in lines[at : at + 3]] == ["a[0][0]", "b[0][0]", "a[0][0]"]
    assert lines[at][:65] == "affine_1 (Affine)               (None, 3)            15          "
    assert any(line.endswith("sequential_1[1][0]               ") for line in lines)
    short = lines_of(branched(), line_length=60, positions=[0.3, 0.6, 0.8, 1.0])
    assert {len(line) for line in short if line[0] in "_="} == {60}


def test_pictures(tmp_path):
    model = branched()
    source = keras.utils.model_to_dot(model, show_shapes=True).to_string()
    assert '"a" -> "affine_1";' in source and "(None, 4)" in source
    assert source.count("->") == 8
    nested = keras.utils.model_to_dot(model, expand_nested=True, rankdir="LR").source
    assert 'subgraph "cluster_sequential_1"' in nested and "rankdir=LR" in nested
    assert '"affine_1" -> "sequential_1/affine_2_input";' in nested
    assert '"sequential_1/affine_3" -> "join_2";' in nested
    for name in ("model.png", "model.svg", "model.dot"):
        keras.utils.plot_model(model, tmp_path / name, show_shapes=True, expand_nested=True)
        assert (tmp_path / name).stat().st_size > 200
    built = Own(2)
    built.build((None, 3))
    assert '"affine_6" -> "affine_7";' in keras.utils.model_to_dot(built).source
    with pytest.raises(ValueError, match="rankdir"):
        keras.utils.model_to_dot(model, rankdir="up")


# ---------------------------------------------------------------------- models of the notes


def test_two_inputs_two_outputs_K12():
    first = keras.Input((100,), dtype="int32", name="main_input")
    x = layers.Embedding(output_dim=512, input_dim=10000, input_length=100)(first)
    read = layers.LSTM(32)(x)
    aux = layers.Dense(1, activation="sigmoid", name="aux_output")(read)
    second = keras.Input((5,), name="aux_input")
    x = layers.concatenate([read, second])
    for _ in range(3):
        x = layers.Dense(64, activation="relu")(x)
    main = layers.Dense(1, activation="sigmoid", name="main_output")(x)
    model = Model(inputs=[first, second], outputs=[main, aux])
    counts = {layer.name: layer.count_params() for layer in model.layers if layer.weights}
    assert counts == {
        "embedding_1": 5120000, "lstm_1": 69760, "dense_1": 2432, "dense_2": 4160,
        "dense_3": 4160, "main_output": 65, "aux_output": 33,
    }  # fmt: skip
    lines = lines_of(model)
    assert "Total params: 5,200,610" in lines
    # the table that Keras 2.2.4 prints of this model
    at = next(i for i, line in enumerate(lines) if line.startswith("concat"))
    assert lines[at] == (
        "concatenate_1 (Concatenate)     (None, 37)           0           lstm_1[0][0]            "
        "         "
    )
    assert lines[at + 1].split() == ["aux_input[0][0]"]


@pytest.mark.parametrize(
    ("axis", "shape"), [(1, (None, 768, 256, 64)), (-1, (None, 256, 256, 192))]
)
@pytest.mark.filterwarnings("ignore")
def test_inception_module_K14(axis, shape):
    def conv(x, size):
        return layers.Conv2D(64, (size, size), padding="same", activation="relu")(x)

    image = keras.Input((256, 256, 3))
    pooled = layers.MaxPooling2D((3, 3), strides=(1, 1), padding="same")(image)
    towers = [conv(conv(image, 1), 3), conv(conv(image, 1), 5), conv(pooled, 1)]
    model = Model(image, layers.concatenate(towers, axis=axis))
    counts = sorted(layer.count_params() for layer in model.layers if layer.weights)
    assert counts == [256, 256, 256, 36928, 102464] and model.count_params() == 140160
    assert model.output_shape == shape


def test_programs_find_things_where_keras_has_them():
    from flowgraph.keras.backend import tensorflow_backend as KTF
    from flowgraph.keras.engine import saving, topology, training

    assert KTF.get_session is K.get_session and KTF.tf is tf and tf.keras is keras
    assert topology.Layer is Layer and training.Model is Model
    assert saving.load_model is keras.models.load_model
    assert topology.get_source_inputs(branched().outputs[0])[1].op.name == "b"


def test_models_with_a_call_are_trained():
    model = Own(3)
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(np.ones((8, 4)), np.zeros((8, 2)), epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert model.predict(np.ones((5, 4))).shape == (5, 2)
    assert "Total params: 23" in lines_of(model)
    late = Sequential([Affine(3), Affine(2)])
    late.compile("sgd", "mse")
    late.fit(np.ones((8, 4)), np.zeros((8, 2)), verbose=0)
    assert late.count_params() == 23 and late.predict_classes(np.ones((3, 4))).shape == (3,)


# ------------------------------------------------------------------------- habits of programs


def test_layers_as_programs_write_them():
    class Older(Layer):
        def __init__(self, units, **kwargs):
            self.units = units  # before the base class is made
            super().__init__(**kwargs)

        def build(self, input_shape):
            self.w = K.variable(np.ones((input_shape[1], self.units)), name="w")
            self.b = K.zeros((self.units,))
            self.trainable_weights = [self.w]
            self.trainable_weights.append(self.b)
            self.non_trainable_weights.append(K.zeros(()))
            super().build(input_shape)

        def call(self, x, mask=None):
            return K.dot(x, self.w) + self.b

        def get_output_shape_for(self, input_shape):
            return (input_shape[0], self.units)

    model = Sequential([Older(3, input_shape=(2,)), Affine(1)])
    assert [len(model.layers[0].trainable_weights), model.layers[0].count_params()] == [2, 10]
    assert model.compute_output_shape((5, 2)) == (5, 1)
    seen = K.function([model.layers[0].input, K.learning_phase()], [model.layers[0].output])
    np.testing.assert_array_equal(seen([np.ones((1, 2)), 0])[0], [[2, 2, 2]])
    inner = Model(model.input, model.layers[0].output)
    np.testing.assert_array_equal(inner.predict(np.ones((1, 2))), [[2, 2, 2]])
    model.layers[0].name = "first"
    assert model.get_layer("first") is model.layers[0]
    model.layers[-1].outbound_nodes = []


def test_losses_of_a_model_s_own():
    x = keras.Input((6,))
    code = Affine(2)(x)
    model = Model(x, Affine(6)(code))
    model.add_loss(K.mean(K.square(code)) + K.mean(K.square(x - model.output)))
    model.compile("rmsprop")
    history = model.fit(np.random.rand(32, 6), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    z = keras.Input((6,))
    assert Model(z, model(z)).losses == []  # of data that this one has not


def test_adversaries_train_their_own_weights_K16():
    maker = Sequential([Affine(8, input_dim=3), layers.BatchNormalization(), Affine(2)])
    judge = Sequential([Affine(8, input_dim=2), layers.Dense(1, activation="sigmoid")])
    judge.compile("adam", "binary_crossentropy")
    judge.trainable = False
    z = keras.Input((3,))
    both = Model(z, judge(maker(z)))
    both.compile("adam", "binary_crossentropy")
    noise, seen = np.random.rand(4, 3), np.random.rand(4, 2)

    def changed(train):
        before = [model.get_weights() for model in (maker, judge)]
        train()
        after = [model.get_weights() for model in (maker, judge)]
        return [
            [not np.array_equal(a, b) for a, b in zip(x, y, strict=True)]
            for x, y in zip(before, after, strict=True)
        ]

    with pytest.warns(UserWarning, match="changed after compile"):
        found = changed(lambda: judge.train_on_batch(seen, np.ones((4, 1))))
    assert found == [[False] * 8, [True] * 4]
    found = changed(lambda: both.train_on_batch(noise, np.ones((4, 1))))
    assert found == [[True] * 8, [False] * 4]


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_random_models_are_what_they_were_made_of(data):
    K.clear_session()
    tensors = [keras.Input((3,)) for _ in range(data.draw(st.integers(1, 3)))]
    inputs, shared = list(tensors), [Affine(3) for _ in range(2)]
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            layer = data.draw(st.sampled_from([*shared, None])) or Affine(3)
            tensors.append(layer(data.draw(st.sampled_from(tensors))))
        else:
            pair = [data.draw(st.sampled_from(tensors)) for _ in range(2)]
            tensors.append(layers.Add()(pair))
    outputs = tensors[-data.draw(st.integers(1, 2)) :]
    model = Model(inputs, outputs)
    again = model_from_json(model.to_json(), OWN)
    assert again.to_json() == model.to_json() and len(again.layers) == len(model.layers)
    assert [n.count_params() for n in again.layers] == [n.count_params() for n in model.layers]
    clone = clone_model(model)
    values = [np.random.rand(2, 3) for _ in inputs]
    feed = dict(zip(inputs, values, strict=True))
    wanted = run(outputs, feed)
    for copy in (again, clone):
        copy.set_weights(model.get_weights())
        for x, y in zip(
            wanted, run(copy.outputs, dict(zip(copy.inputs, values, strict=True))), strict=True
        ):
            np.testing.assert_array_equal(x, y)


def test_tensors_as_further_arguments():
    class Weighted(Layer):
        def call(self, inputs, by=None, times=1.0):
            return inputs * by * times

    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    y = Weighted(name="w")(Affine(3)(a), by=Affine(3, name="d")(b), times=2.0)
    model = Model([a, b], y)
    assert len(model.layers) == 5 and '"d" -> "w";' in keras.utils.model_to_dot(model).source
    with pytest.raises(ValueError, match="Graph disconnected: the value of 'b:0'"):
        Model(a, y)
    values = [np.random.rand(2, 3) for _ in "ab"]
    p, q = keras.Input((3,)), keras.Input((3,))
    wanted = run(y, {a: values[0], b: values[1]})
    found = run(model([p, q]), {p: values[0], q: values[1]})
    np.testing.assert_array_equal(found, wanted)
    again = model_from_json(model.to_json(), {**OWN, "Weighted": Weighted})
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(
        run(again.output, dict(zip(again.inputs, values, strict=True))), wanted
    )
    assert clone_model(model).to_json() == model.to_json() == again.to_json()


def test_a_list_of_one_stays_a_list():
    class Sum(Layer):
        def call(self, inputs):
            return K.sum(K.stack(list(inputs)), axis=0)

    x = keras.Input((3,))
    model = Model(x, Sum()([x]))
    assert model(keras.Input((3,))).shape.as_list() == [None, 3]


# --------------------------------------------------------------------------------- and of all kinds


def test_functional_models_are_sequential_ones_K4():
    x = keras.Input((4,))
    first, second = Affine(3), Affine(2)
    model = Model(inputs=x, outputs=second(first(x)))
    chain = Sequential([Affine(3, input_dim=4), Affine(2)])
    chain.set_weights(model.get_weights())
    data = np.random.rand(5, 4)
    np.testing.assert_array_equal(model.predict(data), chain.predict(data))
    # a layer that is called twice has its parameters once
    twice = Model(x, Affine(3)(layers.Add()([first(x), first(x)])))
    assert twice.count_params() == 15 + 12 and len(twice.weights) == 4


def test_three_outputs_of_one_input_K13(tmp_path):
    """Age, sex and income of what somebody writes: the figure of the notes."""
    posts = keras.Input((40,), dtype="int32", name="posts")
    x = layers.Embedding(50, 16)(posts)
    x = layers.Conv1D(16, 5, activation="relu")(x)
    x = layers.GlobalMaxPooling1D()(layers.MaxPooling1D(3)(x))
    x = layers.Dense(16, activation="relu")(x)
    outputs = [
        layers.Dense(1, name="age")(x),
        layers.Dense(5, activation="softmax", name="income")(x),
        layers.Dense(1, activation="sigmoid", name="sex")(x),
    ]
    model = Model(posts, outputs)
    losses = {
        "age": "mse",
        "income": "categorical_crossentropy",
        "sex": "binary_crossentropy",
    }
    model.compile("rmsprop", loss=losses, loss_weights={"age": 0.25, "income": 1.0, "sex": 10.0})
    words = np.random.randint(0, 50, (8, 40))
    targets = {"age": np.ones(8), "income": np.eye(5)[[0, 1, 2, 3, 4, 0, 1, 2]], "sex": np.ones(8)}
    found = model.train_on_batch(words, targets)
    assert model.metrics_names == ["loss", "age_loss", "income_loss", "sex_loss"]
    assert found[0] == pytest.approx(0.25 * found[1] + found[2] + 10 * found[3], rel=1e-5)
    keras.utils.plot_model(model, tmp_path / "model.svg", show_shapes=True)
    drawn = (tmp_path / "model.svg").read_text()
    assert all(f"{name}: Dense" in drawn for name in losses)


def test_one_model_on_two_back_ends_K20():
    rng = np.random.default_rng(0)
    model = Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    x, y = rng.random((6, 8, 8, 1)), np.eye(3)[[0, 1, 2, 0, 1, 2]]
    start, found = model.get_weights(), []
    for target in ("cpu", "reference"):  # kernels, and NumPy
        with config.override(TARGET=target):
            model.set_weights(start)
            model.compile("sgd", "categorical_crossentropy")
            loss = model.train_on_batch(x, y)
            found.append([loss, *model.get_weights(), model.predict(x)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
