"""Layers and models while operations are executed at once."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras.layers import BatchNormalization, Dense, Dropout, concatenate
from flowgraph.keras.models import Model, Sequential, load_model


@pytest.fixture(autouse=True)
def _eager():
    with tf.eager_mode():
        yield


def test_layers_give_values():
    layer = Dense(3, weights=[np.ones((4, 3)), np.arange(3.0)])
    np.testing.assert_array_equal(layer(np.ones((2, 4))).numpy(), [[4, 5, 6]] * 2)
    np.testing.assert_array_equal(layer.get_weights()[1], [0, 1, 2])
    layer.set_weights([np.zeros((4, 3)), np.zeros(3)])
    assert not layer(np.ones((2, 4))).numpy().any()


def test_a_tape_sees_the_weights():
    model = Sequential([Dense(3, "relu", kernel_regularizer="l2"), Dropout(0.5), Dense(2)])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(model(tf.ones([2, 4]), training=True)) + tf.add_n(model.losses)
    gradients = tape.gradient(y, model.trainable_variables)
    assert [g.shape.as_list() for g in gradients] == [[4, 3], [3], [3, 2], [2]]


def test_models_of_inputs_and_outputs(tmp_path):
    a, b = keras.Input((4,)), keras.Input((4,))
    hidden = BatchNormalization()(Dense(3, kernel_regularizer="l2")(a))
    model = Model([a, b], Dense(2)(concatenate([hidden, b])))
    values = [tf.ones([2, 4]), tf.zeros([2, 4])]
    before = model(values).numpy()
    assert before.shape == (2, 2) and model.losses[0].numpy() > 0 and model.updates == []
    model(values, training=True)
    norm = next(layer for layer in model.layers if isinstance(layer, BatchNormalization))
    assert norm.get_weights()[2].any()  # the moving mean
    model.save(tmp_path / "m.zip")
    again = load_model(tmp_path / "m.zip")
    np.testing.assert_array_equal(again(values).numpy(), model(values).numpy())


def test_a_call_of_one_s_own():
    class Own(Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = Dense(5, "relu"), Dense(1)

        def call(self, inputs):
            return self.out(self.hidden(inputs))

    model = Own()
    assert model(tf.ones([2, 3])).shape.as_list() == [2, 1] and model.count_params() == 26

    @tf.function
    def double(x):
        return model(x) * 2.0

    np.testing.assert_allclose(double(tf.ones([2, 3])), model(tf.ones([2, 3])).numpy() * 2)
