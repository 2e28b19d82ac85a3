"""keras.applications: sizes, weights in files, pixels, names of classes (K17)."""

from __future__ import annotations

import json

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import applications
from flowgraph.keras import backend as K
from flowgraph.keras.applications.imagenet_utils import decode_predictions, preprocess_input
from flowgraph.keras.models import load_model


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    K.clear_session()
    yield
    K.clear_session()


#: name -> parameters, as Keras's documentation tells.
COUNTS = {
    "VGG16": 138_357_544, "ResNet50": 25_636_712, "ResNeXt50": 25_097_128,
    "InceptionV3": 23_851_784, "DenseNet121": 8_062_504, "Xception": 22_910_480,
    "MobileNet": 4_253_864, "SqueezeNet": 1_235_496, "MobileNetV2": 3_538_984,
}  # fmt: skip
MORE = {
    "VGG19": 143_667_240, "ResNet101": 44_707_176, "ResNet152": 60_419_944,
    "ResNeXt101": 44_315_560, "DenseNet169": 14_307_880, "DenseNet201": 20_242_984,
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_K17(name):
    model = getattr(applications, name)(weights=None)
    assert model.count_params() == COUNTS[name] and model.output_shape == (None, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_parameters_of_larger_ones(name):
    assert getattr(applications, name)(weights=None).count_params() == MORE[name]


@pytest.mark.parametrize("name", ["MobileNet", "SqueezeNet"])
def test_weights_of_a_user_s_file_K17(tmp_path, name):
    make = getattr(applications, name)
    arguments = {"input_shape": (64, 64, 3), "classes": 3}
    if name == "MobileNet":
        arguments["alpha"] = 0.25
    model = make(weights=None, **arguments)
    path = tmp_path / "w.h5"
    model.save_weights(path)
    wanted = model.get_weights()
    K.clear_session()
    again = make(weights=path, **arguments)
    for x, y in zip(wanted, again.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    text = again.to_json()
    assert keras.models.model_from_json(text).count_params() == again.count_params()


@pytest.mark.slow
def test_training_a_small_one(tmp_path):
    model = applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=2)
    model.compile("sgd", "categorical_crossentropy", metrics=["acc"])
    rng = np.random.default_rng(0)
    x, y = rng.random((4, 32, 32, 3)), np.eye(2)[[0, 1, 0, 1]]
    model.fit(x, y, epochs=1, verbose=0)
    before = model.predict(x)
    np.testing.assert_allclose(before.sum(axis=1), 1, rtol=1e-5)
    model.save(tmp_path / "m.zip")
    K.clear_session()
    np.testing.assert_array_equal(load_model(tmp_path / "m.zip").predict(x), before)


def test_layers_of_resnext_come_back():
    text = applications.ResNeXt50(weights=None, input_shape=(32, 32, 3), classes=2).to_json()
    model = keras.models.model_from_json(text)
    assert model.get_layer("conv2_block1_2_reduce").output_shape == (None, 8, 8, 32, 4)


def test_without_the_top():
    base = applications.VGG16(weights=None, include_top=False)
    assert base.output_shape == (None, None, None, 512)
    flat = applications.VGG16(
        weights=None, include_top=False, pooling="max", input_shape=(32, 32, 3)
    )
    assert flat.output_shape == (None, 512)
    image = keras.Input((40, 40, 3))
    twice = applications.MobileNet(
        weights=None, include_top=False, input_tensor=image, pooling="avg", alpha=0.25
    )
    assert twice.inputs == [image] and twice.output_shape == (None, 256)
    fed = tf.zeros([1, 64, 64, 3])
    on_data = applications.SqueezeNet(weights=None, input_tensor=fed, classes=4)
    assert on_data.output_shape == (1, 4)


def test_what_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not downloaded.*squeezenet_weights"):
        applications.SqueezeNet()
    with pytest.raises(ValueError, match="1000 classes, not 3"):
        applications.VGG16(classes=3)
    with pytest.raises(ValueError, match="32 x 32 pixels at least"):
        applications.VGG16(weights=None, include_top=False, input_shape=(16, 64, 3))
    with pytest.raises(ValueError, match="pooling is None"):
        applications.SqueezeNet(weights=None, include_top=False, pooling="sum")
    with pytest.raises(ValueError, match=r"input_shape is \(227, 227, 3\)"):
        applications.SqueezeNet(input_shape=(64, 64, 3))


def test_stored_files_of_keras_are_found(tmp_path):
    model = applications.SqueezeNet(weights=None)
    (tmp_path / "models").mkdir()
    model.save_weights(tmp_path / "models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5")
    found = applications.SqueezeNet()
    np.testing.assert_array_equal(found.get_weights()[0], model.get_weights()[0])


def test_pixels():
    x = np.array([[[0.0, 127.5, 255.0]]])
    np.testing.assert_allclose(preprocess_input(x, mode="tf"), [[[-1, 0, 1]]])
    np.testing.assert_allclose(
        preprocess_input(x), [[[255 - 103.939, 127.5 - 116.779, -123.68]]], rtol=1e-6
    )
    torch = [(0 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(preprocess_input(x, mode="torch"), [[torch]], rtol=1e-5)
    first = preprocess_input(np.moveaxis(x, -1, 0), "channels_first")
    np.testing.assert_allclose(np.moveaxis(first, 0, -1), preprocess_input(x))
    y = K.get_session().run(preprocess_input(tf.constant(x, tf.float32)))
    np.testing.assert_allclose(y, preprocess_input(x))
    assert applications.vgg16.preprocess_input(x)[0, 0, 2] == np.float32(-123.68)
    assert applications.mobilenet.preprocess_input(x)[0, 0, 2] == 1
    with pytest.raises(ValueError, match="mode"):
        preprocess_input(x, mode="keras")


def test_names_of_classes(tmp_path):
    preds = np.array([[0.1, 0.7, 0.2]])
    assert decode_predictions(preds, 2) == [[("1", "class 1", 0.7), ("2", "class 2", 0.2)]]
    path = tmp_path / "names.json"
    path.write_text(json.dumps({"1": ["n01", "cat"]}))
    assert decode_predictions(preds, 1, path) == [[("n01", "cat", 0.7)]]
    with pytest.raises(ValueError, match="images, classes"):
        decode_predictions(preds[0])


def test_modules_have_keras_s_names():
    from flowgraph.keras.applications.resnet50 import ResNet50
    from flowgraph.keras.applications.vgg16 import VGG16

    assert VGG16 is applications.VGG16 and ResNet50 is keras.applications.resnet50.ResNet50
