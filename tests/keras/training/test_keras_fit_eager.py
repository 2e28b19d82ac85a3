"""Training where operations are executed at once: the same numbers as in graphs (G15)."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import callbacks, layers, metrics

X = np.random.RandomState(0).normal(size=(50, 4)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5], [0.1]], "float32")


def train(optimizer, **kwargs):
    np.random.seed(1)
    model = keras.Sequential(
        [
            layers.Dense(5, activation="tanh", input_shape=(4,), kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer(), "mse", metrics=["mae", metrics.Recall()])
    random = np.random.RandomState(2)
    model.set_weights([abs(random.normal(size=w.shape)) for w in model.get_weights()])
    options = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0, **kwargs}
    history = model.fit(X, Y, validation_split=0.2, **options)
    found = [*model.get_weights(), model.predict(X), np.array(model.evaluate(X, Y, verbose=0))]
    return history.history, found, model


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.5, decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01),
    "adam": lambda: keras.optimizers.Adam(0.05, clipnorm=1.0),
    "nadam": lambda: keras.optimizers.Nadam(0.05),
    "tf.train": lambda: tf.train.AdamOptimizer(0.05),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_as_in_graphs(name):
    K.clear_session()
    wanted, arrays, _ = train(OPTIMIZERS[name])
    K.clear_session()
    with tf.eager_mode():
        got, others, _ = train(OPTIMIZERS[name])
    assert set(got) == set(wanted)
    for key, values in wanted.items():
        np.testing.assert_allclose(got[key], values, rtol=1e-5, atol=1e-6, err_msg=key)
    for a, b in zip(others, arrays, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_callbacks_and_rates():
    with tf.eager_mode():
        stop = callbacks.EarlyStopping("loss", min_delta=1e9, patience=1, restore_best_weights=True)
        rates = callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))
        history, _, model = train(
            lambda: keras.optimizers.SGD(0.05), callbacks=[stop, rates], epochs=9
        )
        np.testing.assert_allclose(history["lr"], [0.1, 0.05])
        assert K.get_value(model.optimizer.iterations) == 6
        assert len(model.optimizer.get_weights()) == 7


def test_data_sets_generators_and_tensors():
    with tf.eager_mode():
        model = keras.Sequential([layers.Dense(1)])
        model.compile("sgd", "mse")
        made = tf.data.Dataset.from_tensor_slices((X, Y)).batch(10)
        losses = model.fit(made, epochs=4, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
        assert model.evaluate(made, verbose=0) < losses[-1]
        model.fit(tf.constant(X), tf.constant(Y), verbose=0)
        np.testing.assert_allclose(model.predict(tf.constant(X)), model(X).numpy(), rtol=1e-5)
        assert model.predict(made).shape == (50, 1)
        assert model.train_on_batch(X[:5], Y[:5]) > 0

        def forever():
            while True:
                yield X, Y

        model.fit_generator(forever(), 3, verbose=0)
        steps = model.fit(made.repeat(), steps_per_epoch=7, epochs=2, verbose=0)
        assert len(steps.epoch) == 2


def test_dropout_and_classes_of_models():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.drop = layers.Dense(32, activation="relu"), layers.Dropout(0.5)
            self.out = layers.Dense(1)

        def call(self, x, training=None):
            return self.out(self.drop(self.hidden(x), training=training))

    with tf.eager_mode():
        model = Mine()
        model.compile("adam", "mse")
        losses = model.fit(X, Y, 10, epochs=20, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
        # predictions leave nothing out
        np.testing.assert_array_equal(model.predict(X), model.predict(X))
        assert model.evaluate(X, Y, verbose=0) < losses[-1]
