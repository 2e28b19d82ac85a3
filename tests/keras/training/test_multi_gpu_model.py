"""multi_gpu_model: a batch in parts gives the step of the whole batch (G22, G23)."""

from __future__ import annotations

import numpy as np
import pytest

from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import layers
from flowgraph.keras.models import Model, Sequential

X = np.random.RandomState(0).normal(size=(50, 4))
Y = X @ np.array([[1.0, 0.5], [-2.0, 0.1], [0.5, 0.0], [0.1, 3.0]])


@pytest.fixture(autouse=True)
def _new_graph():
    K.clear_session()
    yield
    K.clear_session()


def make():
    np.random.seed(3)
    first = layers.Dense(8, activation="tanh", input_shape=(4,))
    return Sequential([first, layers.Dense(2, name="out")])


@pytest.mark.parametrize("gpus", [2, 4, [0, 3, 5]])
def test_as_with_one_device(gpus):  # G23
    alone = make()
    alone.compile(keras.optimizers.SGD(0.1), "mse")
    wanted = alone.fit(X, Y, 16, 3, verbose=0, shuffle=False).history["loss"]
    weights, predicted = alone.get_weights(), alone.predict(X)
    K.clear_session()
    model = make()
    several = keras.utils.multi_gpu_model(model, gpus)
    several.compile(keras.optimizers.SGD(0.1), "mse")
    assert several.output_names == ["out"]
    assert several.count_params() == model.count_params()
    got = several.fit(X, Y, 16, 3, verbose=0, shuffle=False).history["loss"]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(several.predict(X), predicted, rtol=1e-5, atol=1e-6)


def test_devices_are_noted():  # G22
    several = keras.utils.multi_gpu_model(make(), 2)
    ops = several.output.graph.get_operations()
    made = {op.device for op in ops if "replica_" in op.name and op.type == "MatMul"}
    assert {device.lower()[-5:] for device in made} == {"gpu:0", "gpu:1"}


def test_several_inputs_and_outputs():
    one, other = keras.Input((4,)), keras.Input((4,))
    joined = layers.concatenate([one, other])
    model = Model([one, other], [layers.Dense(2)(joined), layers.Dense(1)(joined)])
    several = keras.utils.multi_gpu_model(model, 3)
    for a, b in zip(several.predict([X, -X]), model.predict([X, -X]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_what_it_refuses():
    with pytest.raises(ValueError, match="2 devices or more, got gpus=1"):
        keras.utils.multi_gpu_model(make(), 1)
    with pytest.raises(ValueError, match="inputs are not known"):
        keras.utils.multi_gpu_model(Sequential([layers.Dense(1)]))
