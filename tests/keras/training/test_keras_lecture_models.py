"""The models of the lecture notes, trained: regression, two classes, five classes, GANs."""

from __future__ import annotations

import numpy as np
import pytest

from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import layers
from flowgraph.keras.models import Model, Sequential


@pytest.fixture(autouse=True)
def _new_graph():
    K.clear_session()
    np.random.seed(0)
    yield
    K.clear_session()


def test_regression_of_13_features():  # K9, R5
    x = np.random.rand(400, 13)
    y = x @ np.random.rand(13) + np.sin(3 * x[:, 0])
    model = Sequential([layers.Dense(10, activation="relu", input_shape=(13,)),
                        layers.Dense(10, activation="relu"), layers.Dense(1)])  # fmt: skip
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae", "mse"])
    history = model.fit(x, y, epochs=40, batch_size=16, validation_split=0.1, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] * 10 <= losses[0]
    loss, mae, mse = model.evaluate(x, y, verbose=2)
    assert loss == pytest.approx(mse)
    text = f"Testing set Mean Abs Error: {mae:5.2f} MPG"  # K8
    assert text.endswith(" MPG")
    assert model.predict(x).flatten().shape == (400,)


def test_two_classes_both_ways():  # K10
    x = np.random.normal(size=(300, 20))
    y = (x[:, :5].sum(1) > 0).astype(int)
    found = []
    for way in ("sequential", "functional"):
        K.clear_session()
        np.random.seed(5)
        if way == "sequential":
            model = Sequential()
            model.add(layers.Dense(64, input_dim=20, activation="relu"))
            model.add(layers.Dropout(0.5))
            model.add(layers.Dense(1, activation="sigmoid"))
        else:
            inputs = keras.Input((20,))
            hidden = layers.Dense(64, activation="relu")(inputs)
            hidden = layers.Dropout(0.5)(hidden)
            model = Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
        model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
        history = model.fit(x, y, epochs=1, batch_size=32, verbose=0)
        found.append(model.get_weights())
        assert set(history.history) == {"loss", "acc"}  # K7
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_five_classes():  # K11: height, weight and sex -> baby, child, ...
    classes = np.random.randint(0, 5, 600)
    centres = np.array([[60, 6, 0.5], [110, 20, 0.5], [150, 45, 0.5], [170, 65, 0.5], [165, 85, 0]])
    x = centres[classes] + np.random.normal(size=(600, 3)) * [6, 3, 0.1]
    x = (x - x.mean(0)) / x.std(0)
    model = Sequential([layers.Dense(16, activation="relu", input_shape=(3,)),
                        layers.Dense(5, activation="softmax")])  # fmt: skip
    model.compile("adam", "categorical_crossentropy", metrics=["acc"])
    y = keras.utils.to_categorical(classes)
    model.fit(x, y, epochs=30, batch_size=16, verbose=0)
    probabilities = model.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (model.predict_classes(x) == classes).mean() > 0.9
    assert model.evaluate(x, y, verbose=0)[1] > 0.9


def test_xor():  # N7
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    model = Sequential([layers.Dense(8, activation="tanh", input_dim=2),
                        layers.Dense(1, activation="sigmoid")])  # fmt: skip
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["acc"])
    model.fit(x, y, epochs=300, batch_size=4, verbose=0)
    assert model.predict_classes(x)[:, 0].tolist() == [0, 1, 1, 0]


def test_two_networks_that_train_against_each_other():  # K16
    """Each step changes its own weights only."""
    generator = Sequential([layers.Dense(4, activation="relu", input_dim=2), layers.Dense(3)])
    judge = Sequential([layers.Dense(6, input_dim=3, activation="relu"),
                        layers.Dense(1, activation="sigmoid")])  # fmt: skip
    judge.compile("adam", "binary_crossentropy")
    judge.trainable = False
    noise = keras.Input((2,))
    both = Model(noise, judge(generator(noise)))
    both.compile("adam", "binary_crossentropy")
    z, real = np.random.normal(size=(16, 2)), np.random.normal(size=(16, 3))

    def changed(step):
        before = [generator.get_weights(), judge.get_weights()]
        step()
        after = [generator.get_weights(), judge.get_weights()]
        return [
            any(not np.array_equal(a, b) for a, b in zip(*pair, strict=True))
            for pair in zip(before, after, strict=True)
        ]

    assert changed(lambda: both.train_on_batch(z, np.ones(16))) == [True, False]
    with pytest.warns(UserWarning, match="compile again"):
        assert changed(lambda: judge.train_on_batch(real, np.ones(16))) == [False, True]


def test_rate_epochs_and_batch_size():  # K21: the same seed gives the same sweep
    x = np.random.normal(size=(64, 3))
    y = x.sum(1)

    def loss(rate, epochs, batch_size):
        K.clear_session()
        np.random.seed(3)
        model = Sequential([layers.Dense(1, input_dim=3)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        return model.fit(x, y, batch_size, epochs, verbose=0).history["loss"][-1]

    sweep = {(r, e, b): loss(r, e, b) for r in (0.01, 0.1) for e in (1, 4) for b in (8, 32)}
    assert sweep == {k: loss(*k) for k in sweep}
    assert min(sweep, key=sweep.get) == (0.1, 4, 8)
    assert max(sweep, key=sweep.get) == (0.01, 1, 32)


def test_arrays_of_files():
    """What has a shape and gives slices is read batch by batch, rows in order, as files want it."""

    class OfFile:
        def __init__(self, values):
            self.values, self.shape, self.dtype = values, values.shape, values.dtype

        def __len__(self):
            return len(self.values)

        def __getitem__(self, rows):
            if isinstance(rows, list):
                assert rows == sorted(set(rows))
            return self.values[rows]

    x = np.random.normal(size=(50, 3))
    y = x.sum(1, keepdims=True)
    found = []
    for wrap in (lambda a: a, OfFile):
        K.clear_session()
        np.random.seed(3)
        model = Sequential([layers.Dense(1, input_dim=3)])
        model.compile("sgd", "mse")
        model.fit(wrap(x), wrap(y), 16, 2, verbose=0, shuffle="batch")
        found.append([model.get_weights()[0], model.predict(wrap(x)),
                      model.evaluate(wrap(x), wrap(y), verbose=0)])  # fmt: skip
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_sparse_inputs():
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(np.random.rand(40, 6) < 0.3, np.random.rand(40, 6), 0).astype("float32")
    y = x.sum(1, keepdims=True)
    inputs = keras.Input((6,), sparse=True)
    model = Model(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    matrix = sparse.csr_matrix(x)
    losses = model.fit(matrix, y, epochs=4, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(matrix), x @ kernel + bias, rtol=1e-5, atol=1e-6)
