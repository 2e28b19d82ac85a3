"""Layers of one's own for tests of the training, which need no others."""

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K


class Affine(keras.engine.Layer):
    """x @ kernel + bias."""

    def __init__(self, units, activation=None, start="glorot_uniform", regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.start, self.regularizer = units, start, regularizer
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            "kernel", (input_shape[-1], self.units), initializer=self.start,
            regularizer=self.regularizer,
        )  # fmt: skip
        self.bias = self.add_weight("bias", (self.units,), initializer="zeros")
        super().build(input_shape)

    def call(self, x):
        return self.activation(K.dot(x, self.kernel) + self.bias)


class Noisy(keras.engine.Layer):
    """Random in training, with a count of its calls there as an update."""

    def build(self, input_shape):
        self.calls = self.add_weight("calls", (), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, x):
        self.add_update(tf.assign_add(self.calls, 1.0), x)
        return K.in_train_phase(lambda: x + K.random_normal(K.shape(x), stddev=0.1, seed=3), x)
