"""Models and weights in files of our own and in Keras's HDF5 layout; models exported (G25)."""

from __future__ import annotations

import copy
import io
import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras.layers import (
    Activation,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    GaussianNoise,
    Lambda,
    Layer,
)
from flowgraph.keras.models import Model, Sequential, clone_model, load_model, save_model

ENDINGS = [".zip", ".h5"]


@pytest.fixture(autouse=True)
def _fresh():
    K.clear_session()
    yield
    K.clear_session()


def branched():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = Dense(3, kernel_regularizer=keras.regularizers.l2(0.01))
    inner = Sequential([Dense(5, input_shape=(3,)), BatchNormalization(), Dropout(0.5), Dense(2)])
    joined = Concatenate()([shared(a), shared(b)])
    return Model([a, b], [Dense(1, activation="tanh")(joined), inner(shared(a))])


def values(model):
    feed = {x: np.linspace(-1, 1, 12).reshape(3, 4) + i for i, x in enumerate(model.inputs)}
    return K.get_session().run(model.outputs, feed)


def randomize(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(w.shape) for w in model.get_weights()])


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_model_comes_back_in_a_new_session_K18(tmp_path, ending):
    model = branched()
    randomize(model)
    before, config, path = values(model), model.get_config(), tmp_path / f"model{ending}"
    model.save(path)
    K.clear_session()
    again = load_model(path)
    for x, y in zip(before, values(again), strict=True):
        np.testing.assert_array_equal(x, y)
    assert json.loads(json.dumps(again.get_config())) == json.loads(json.dumps(config))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_same_model_makes_the_same_bytes(tmp_path):
    model = branched()
    for name in ("one", "two"):
        save_model(model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    buffer = io.BytesIO()
    model.save(buffer)
    assert buffer.getvalue() == (tmp_path / "one").read_bytes()
    buffer.seek(0)
    assert load_model(buffer).count_params() == model.count_params()
    with zipfile.ZipFile(buffer) as file:
        assert file.namelist() == ["model.json", "weights.safetensors"]
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "one", overwrite=False)


@pytest.mark.parametrize("name", ["w.safetensors", "w.h5", "whole.zip", "whole.h5"])
def test_weights_alone(tmp_path, name):
    model = branched()
    randomize(model)
    path = str(tmp_path / name)
    (model.save if name.startswith("whole") else model.save_weights)(path)
    for by_name in (False, True):
        other = clone_model(model)
        other.load_weights(path, by_name=by_name)
        for x, y in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", ["w.safetensors", "w.h5"])
def test_weights_that_do_not_fit(tmp_path, name):
    first = Sequential([Dense(3, input_dim=2, name="in"), Dense(4, name="out")])
    path = str(tmp_path / name)
    first.save_weights(path)
    longer = Sequential([Dense(3, input_dim=2, name="in"), Dense(4), Dense(4, name="out")])
    with pytest.raises(ValueError, match="weights of 2 layers.*has 3 layers"):
        longer.load_weights(path)
    before = longer.get_weights()
    with pytest.raises(ValueError, match=r"'out'.*'kernel' has shape \(4, 4\).*\(3, 4\)"):
        longer.load_weights(path, by_name=True)
    for x, y in zip(before, longer.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    with pytest.warns(UserWarning, match="'out' keeps its weights"):
        longer.load_weights(path, by_name=True, skip_mismatch=True)
    np.testing.assert_array_equal(longer.get_weights()[0], first.get_weights()[0])
    with pytest.raises(ValueError, match="needs by_name"):
        longer.load_weights(path, skip_mismatch=True)
    with pytest.raises(ValueError, match="not built"):
        Sequential([Dense(3)]).load_weights(path)
    turned = Sequential([Dense(2, input_dim=3, name="in"), Dense(4, name="out")])
    with pytest.raises(ValueError, match="shape"):
        turned.load_weights(path, by_name=True, reshape=True)


def test_the_layout_of_hdf5_is_keras_s(tmp_path):
    h5py = pytest.importorskip("h5py")
    model = branched()
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert file.attrs["keras_version"] == "2.2.4" and file.attrs["backend"] == "tensorflow"
        assert json.loads(file.attrs["model_config"])["class_name"] == "Model"
        weights = file["model_weights"]
        assert [n.decode() for n in weights.attrs["layer_names"]] == [x.name for x in model.layers]
        dense = weights["dense_1"]
        assert list(dense.attrs["weight_names"]) == [b"dense_1/kernel:0", b"dense_1/bias:0"]
        assert dense["dense_1/kernel:0"].shape == (4, 3)
        assert len(weights["sequential_1"].attrs["weight_names"]) == 8
    with h5py.File(tmp_path / "open.h5", "w") as file:
        model.save(file.create_group("here"))
        assert load_model(file["here"]).count_params() == model.count_params()
    model.save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="weights alone; use model.load_weights"):
        load_model(tmp_path / "w.h5")


def test_many_layers_in_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    x = y = keras.Input((1,))
    for i in range(600):
        y = Activation("linear", name=f"{'a' * 120}_{i}")(y)
    model = Model(x, Dense(1)(y))
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names1" in file.attrs and "layer_names" not in file.attrs
    model.load_weights(tmp_path / "w.h5")


def test_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"flowgraph\[hdf5\]"):
        branched().save(tmp_path / "m.h5")


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="damaged"):
        load_model(path)
    with pytest.raises(ValueError, match="no sound file of weights"):
        branched().load_weights(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "a")
    with pytest.raises(ValueError, match="not of a model.*a.txt"):
        load_model(path)
    model = branched()
    model.save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.h5")


# ------------------------------------------------------------------------------- of one's own


class Scale(Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def twice(x):
    return 2 * x


@pytest.mark.parametrize("ending", ENDINGS)
def test_classes_of_one_s_own_are_named_K19(tmp_path, ending):
    model = Sequential([Scale(3, input_shape=(2,)), Dense(1, activation=twice)])
    path = tmp_path / f"m{ending}"
    model.save(path)
    with pytest.raises(ValueError, match="Unknown layer: 'Scale'.*custom_objects"):
        load_model(path)
    again = load_model(path, custom_objects={"Scale": Scale, "twice": twice})
    assert again.layers[0].factor == 3 and again.layers[1].activation is twice
    with keras.utils.custom_object_scope({"Scale": Scale, "twice": twice}):
        load_model(path)
    assert clone_model(model).layers[1].activation is twice


def test_code_in_files_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    x = keras.Input((2,))
    Model(x, Lambda(lambda v: v + 1, name="plus")(x)).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        data = json.loads(file.attrs["model_config"])
        data["config"]["layers"][1]["config"]["function"] = ["4wEAAAAA", None, None]
        file.attrs["model_config"] = json.dumps(data)
    with pytest.raises(ValueError, match="plus.*never\ncode|plus.*never code"):
        load_model(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5", custom_objects={"plus": lambda v: v + 2})


class Own(Model):
    def __init__(self):
        super().__init__()
        self.stack = [Dense(3), Dense(2)]

    def call(self, inputs):
        return self.stack[1](self.stack[0](inputs))


@pytest.mark.parametrize("name", ["w.safetensors", "w.h5"])
def test_models_with_a_call_have_weights_in_files(tmp_path, name):
    model = Own()
    model.build((None, 4))
    with pytest.raises(NotImplementedError, match="save_weights"):
        model.save(tmp_path / "m.zip")
    model.save_weights(tmp_path / name)
    other = Own()
    other.build((None, 4))
    other.load_weights(tmp_path / name)
    for x, y in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_plain_safetensors_of_others(tmp_path):
    from safetensors.numpy import save_file

    model = Sequential([Dense(2, input_dim=3, name="fc")])
    kernel, bias = np.ones((3, 2), np.float32), np.zeros(2, np.float32)
    save_file({"fc.kernel": kernel, "fc.bias": bias}, str(tmp_path / "w.safetensors"))
    model.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(model.get_weights()[0], kernel)


# --------------------------------------------------------------------------------- later releases


def later(**layer):
    config = {"name": "d", "trainable": True, "dtype": "float32", "units": 2, **layer}
    data = {
        "name": "model",
        "trainable": True,
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {
                    "batch_input_shape": [None, 3],
                    "dtype": "float32",
                    "sparse": False,
                    "ragged": False,
                    "name": "x",
                    "optional": False,
                },
                "name": "x",
                "inbound_nodes": [],
            },
            {
                "module": "keras.layers",
                "class_name": "Dense",
                "config": config,
                "registered_name": None,
                "build_config": {"input_shape": [None, 3]},
                "name": "d",
                "inbound_nodes": [["x", 0, 0, {}]],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["d", 0, 0]],
    }
    return {"class_name": "Functional", "config": data, "keras_version": "2.15.0"}


def test_configs_of_later_releases():
    from flowgraph.keras.engine.newer import adapt_model

    initializer = {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {}}
    data = adapt_model(
        later(
            kernel_initializer=initializer,
            kernel_regularizer={"class_name": "L2", "config": {"l2": 0.5}},
            lora_rank=None,
        )
    )
    model = keras.models.model_from_config(data)
    assert type(model) is Model and model.count_params() == 8
    with pytest.raises(ValueError, match="Dense 'd'.*lora_rank=4.*later release"):
        adapt_model(later(lora_rank=4))
    with pytest.raises(ValueError, match="Keras 3"):
        adapt_model({"class_name": "InputLayer", "config": {"batch_shape": [None, 3]}})


def test_optimizer_states_of_later_releases():
    from flowgraph.keras.engine.newer import adapt_optimizer_state, adapt_training

    class Two:
        outputs = [1]

    found = adapt_training(
        {
            "loss": {"class_name": "MeanSquaredError", "config": {"reduction": "auto"}},
            "metrics": [[{"class_name": "MeanMetricWrapper", "config": {"fn": "binary_accuracy"}}]],
            "optimizer_config": {
                "class_name": "Custom>Adam",
                "config": {
                    "name": "Adam", "learning_rate": 0.5, "weight_decay": None, "use_ema": False,
                    "ema_momentum": 0.99, "jit_compile": False, "beta_1": 0.9, "amsgrad": False,
                },
            },
        },
        Two,
    )  # fmt: skip
    assert found["loss"] == "mean_squared_error" and found["metrics"] == ["binary_accuracy"]
    assert found["optimizer"] == {
        "class_name": "Adam",
        "config": {"learning_rate": 0.5, "beta_1": 0.9, "amsgrad": False},
    }
    with pytest.raises(ValueError, match="from_logits.*compile=False"):
        adapt_training(
            {"loss": {"class_name": "BinaryCrossentropy", "config": {"from_logits": True}}}, Two
        )

    class Optimizer:
        def get_weights(self):
            return [np.zeros(())] + [np.zeros(n) for n in (1, 2, 1, 2, 7)]

    names = [
        "iteration:0",
        "Adam/m/a/k:0",
        "Adam/v/a/k:0",
        "Adam/m/b/k:0",
        "Adam/v/b/k:0",
    ]
    arrays = [np.array(5), np.ones(1), np.full(1, 2), np.full(2, 3), np.full(2, 4)]
    state = adapt_optimizer_state(Optimizer(), list(zip(names, arrays, strict=True)))
    assert [x.tolist() for x in state[:5]] == [5, [1], [3, 3], [2], [4, 4]] and len(state) == 6


def test_graph_of_the_file_does_not_matter(tmp_path):
    branched().save(tmp_path / "m.zip")
    with tf.Graph().as_default():
        load_model(tmp_path / "m.zip")
        assert tf.global_variables()


# ------------------------------------------------------------------------------- training goes on


def trained(optimizer="adam"):
    np.random.seed(3)
    model = Sequential([Dense(8, "tanh", input_dim=4), BatchNormalization(), Dense(3, "softmax")])
    model.compile(optimizer, "categorical_crossentropy", metrics=["acc"])
    return model


def data():
    rng = np.random.default_rng(0)
    return rng.random((50, 4)), np.eye(3)[rng.integers(0, 3, 50)]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_5_and_5_epochs_are_10_K18(tmp_path, ending, name):
    made = {"sgd": {"momentum": 0.9, "decay": 1e-3}, "adam": {"lr": 0.01, "amsgrad": True}}
    optimizers = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
    x, y = data()
    path = tmp_path / f"m{ending}"
    model = trained(optimizers[name](**made[name]))
    model.fit(x, y, epochs=10, verbose=0, batch_size=16)
    wanted = model.get_weights()
    K.clear_session()
    model = trained(optimizers[name](**made[name]))
    model.fit(x, y, epochs=5, verbose=0, batch_size=16)
    model.save(path)
    K.clear_session()
    again = load_model(path)
    assert again.metrics_names == ["loss", "acc"]
    assert again.optimizer.get_config() == optimizers[name](**made[name]).get_config()
    again.fit(x, y, epochs=10, initial_epoch=5, verbose=0, batch_size=16)
    for a, b in zip(wanted, again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_compiling_is_a_choice(tmp_path):
    x, y = data()
    model = trained()
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "m.zip")
    assert not load_model(tmp_path / "m.zip", compile=False)._is_compiled
    model.save(tmp_path / "m.zip", include_optimizer=False)
    assert not load_model(tmp_path / "m.zip")._is_compiled
    model.compile(tf.train.AdamOptimizer(), "mse")
    with pytest.warns(UserWarning, match=r"an optimizer of tf\.train is not stored"):
        model.save(tmp_path / "m.zip")


def own_loss(y_true, y_pred):
    return K.mean(K.abs(y_true - y_pred) ** 3, axis=-1)


def own_metric(y_true, y_pred):
    return K.max(K.abs(y_true - y_pred))


@pytest.mark.parametrize("ending", ENDINGS)
def test_losses_of_several_outputs_and_of_one_s_own_K19(tmp_path, ending):
    model = branched()
    x = [np.ones((6, 4)), np.zeros((6, 4))]
    y = [np.ones((6, 1)), np.ones((6, 2))]
    losses = {model.output_names[0]: own_loss, model.output_names[1]: "mae"}
    model.compile("rmsprop", losses, {model.output_names[0]: own_metric}, loss_weights=[1.0, 0.25])
    model.fit(x, y, epochs=2, verbose=0)
    path = tmp_path / f"m{ending}"
    wanted = model.evaluate(x, y, verbose=0)
    model.save(path)
    own = {"own_loss": own_loss, "own_metric": own_metric}
    again = load_model(path, custom_objects=own)
    np.testing.assert_allclose(again.evaluate(x, y, verbose=0), wanted, rtol=1e-6)
    assert again.loss_weights == [1.0, 0.25]
    with pytest.raises(ValueError, match="own_loss"):
        load_model(path)


# ---------------------------------------------------------------------------- copies and groups


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_models_can_be_copied_and_pickled(way):
    model = Sequential([Scale(3, input_shape=(4,)), Dense(2, activation=twice)])
    model.compile("adam", own_loss, [own_metric])
    x, y = np.ones((4, 4)), np.zeros((4, 2))
    model.fit(x, y, verbose=0)
    again = way(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.optimizer.get_weights()[0] == 1 and again.loss is own_loss
    model.fit(x, y, verbose=0)
    again.fit(x, y, verbose=0)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_groups_of_layers(tmp_path):
    h5py = pytest.importorskip("h5py")
    from flowgraph.keras.engine import saving, topology

    model = branched()
    other = clone_model(model)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        saving.save_weights_to_hdf5_group(file, model.layers)
        saving.load_weights_from_hdf5_group(file, other.layers)
        for x, y in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(x, y)
        topology.load_weights_from_hdf5_group_by_name(file, model.layers[2:3])


def test_a_new_process_predicts_the_same_K18(tmp_path):
    model = branched()
    model.save(tmp_path / "m.zip")
    code = (
        "import sys, numpy as np; from flowgraph import keras;"
        "m = keras.models.load_model(sys.argv[1]);"
        "x = np.linspace(-1, 1, 12).reshape(3, 4);"
        "np.save(sys.argv[2], m.predict([x, x + 1])[1])"
    )
    paths = [str(tmp_path / "m.zip"), str(tmp_path / "y.npy")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    np.testing.assert_array_equal(np.load(paths[1]), model.predict([x, x + 1])[1])


def test_a_config_without_its_arguments_says_so():
    class Forgetful(Scale):
        def get_config(self):
            return Layer.get_config(self)

    model = Sequential([Forgetful(2, input_shape=(1,))])
    with pytest.raises(TypeError) as caught:
        clone_model(model)
    assert "get_config()" in caught.value.__notes__[0]


def test_exported_for_a_program_without_keras_G25(tmp_path):
    model = branched()
    randomize(model)
    model.save(tmp_path / "m.zip")
    wanted = values(model)
    K.clear_session()
    K.set_learning_phase(0)  # without branches for training
    model = load_model(tmp_path / "m.zip", compile=False)
    names = dict(zip("ab", model.inputs, strict=True))
    outputs = {"y": model.outputs[1]}
    tf.saved_model.simple_save(K.get_session(), str(tmp_path / "export"), names, outputs)
    code = (
        "import sys, numpy as np, flowgraph as tf; folder, a, b, y = sys.argv[1:];"
        "session = tf.Session();"
        "tf.saved_model.loader.load(session, ['serve'], folder + '/export');"
        "x = np.linspace(-1, 1, 12).reshape(3, 4);"
        "np.save(folder + '/y.npy', session.run(y, {a: x, b: x + 1}));"
        "assert 'flowgraph.keras' not in sys.modules"
    )
    paths = [str(tmp_path), *(x.name for x in (*model.inputs, model.outputs[1]))]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), wanted[1], rtol=1e-6)


def test_formats_can_be_named(tmp_path):
    model = Sequential([Dense(2, input_dim=3)])
    model.save(tmp_path / "a", save_format="h5")
    model.save(tmp_path / "b.h5", save_format="zip")
    model.save_weights(tmp_path / "c", save_format="h5")
    beginnings = [(tmp_path / name).read_bytes()[:4] for name in ("a", "b.h5", "c")]
    assert beginnings == [b"\x89HDF", b"PK\x03\x04", b"\x89HDF"]
    assert load_model(tmp_path / "a").count_params() == load_model(tmp_path / "b.h5").count_params()
    with pytest.raises(ValueError, match="simple_save"):
        model.save(tmp_path / "d", save_format="tf")
    with pytest.raises(ValueError, match="got 'onnx'"):
        model.save(tmp_path / "d", save_format="onnx")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("fresh", [True, False])
def test_masks_of_dropout_go_on_K18(tmp_path, ending, fresh):
    def made():
        K.clear_session()
        np.random.seed(3)
        inner = Sequential([Dropout(0.25, input_shape=(8,)), Dense(3, "softmax")])
        model = Sequential([Dense(8, "tanh", input_dim=4), GaussianNoise(0.1), inner])
        model.compile("adam", "categorical_crossentropy")
        return model

    x, y = data()
    fit = {"verbose": 0, "batch_size": 16, "shuffle": False}
    model = made()
    model.fit(x, y, epochs=6, **fit)
    wanted = model.get_weights()
    model = made()
    model.fit(x, y, epochs=3, **fit)
    model.save(tmp_path / f"m{ending}")
    if fresh:
        K.clear_session()
    again = load_model(tmp_path / f"m{ending}")
    again.fit(x, y, epochs=6, initial_epoch=3, **fit)
    for a, b in zip(wanted, again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if not fresh:
        model.fit(x, y, epochs=6, initial_epoch=3, **fit)
        for a, b in zip(wanted, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_of_layers_that_look_like_paths(tmp_path, ending):
    names = ["a/b", "a", "a.b", "a/b/kernel"]
    inner = Sequential([Dense(2, input_dim=2, name="b")], name="a_model")
    model = Sequential([*(Dense(2, input_dim=2, name=name) for name in names), inner])
    model.save(tmp_path / f"m{ending}")
    again = load_model(tmp_path / f"m{ending}")
    for x, y in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
