"""Batches that something makes: generators, Sequences, data sets; and data that do not fit."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from keras_layers import Affine

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import utils

X = np.random.RandomState(0).normal(size=(40, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]])


@pytest.fixture(autouse=True)
def _new_graph():
    K.clear_session()
    np.random.seed(1)
    yield
    K.clear_session()


def linear(loss="mse", units=1, **kwargs):
    model = keras.Sequential([Affine(units, input_shape=(3,), start="ones", name="dense")])
    model.compile(keras.optimizers.SGD(0.05), loss, **kwargs)
    return model


def expected(epochs=2, **kwargs):
    K.clear_session()
    model = linear(**kwargs)
    history = model.fit(X, Y, 10, epochs, verbose=0, shuffle=False)
    return history.history, model.get_weights()


def batches(times=None):
    while times is None or times:
        for i in range(0, 40, 10):
            yield X[i : i + 10], Y[i : i + 10]
        times = None if times is None else times - 1


class Slices(utils.Sequence):
    def __init__(self):
        self.ends = 0
        self.threads = set()

    def __len__(self):
        return 4

    def __getitem__(self, index):
        self.threads.add(threading.current_thread().name)
        return X[10 * index : 10 * index + 10], Y[10 * index : 10 * index + 10]

    def on_epoch_end(self):
        self.ends += 1


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_generators_and_sequences(workers):
    wanted, weights = expected(metrics=["mae"])
    for made, steps in ((batches(), 4), (Slices(), None)):
        K.clear_session()
        model = linear(metrics=["mae"])
        history = model.fit_generator(
            made, steps, epochs=2, verbose=0, shuffle=False, workers=workers,
            use_multiprocessing=True,
        )  # fmt: skip
        assert history.history == wanted  # the same, bit by bit
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))
        if steps is None:
            assert made.ends >= 1
            assert model.evaluate_generator(made) == pytest.approx(model.evaluate(X, Y, verbose=0))
            np.testing.assert_array_equal(model.predict_generator(made), model.predict(X))
    assert not [t for t in threading.enumerate() if "Enqueuer" in t.name]


def test_validation_by_generators():
    model = linear()
    for validation, steps in ((Slices(), None), (batches(), 4), ((X, Y), None)):
        history = model.fit_generator(
            Slices(), epochs=2, verbose=0, validation_data=validation, validation_steps=steps
        )
        assert history.history["val_loss"][-1] == pytest.approx(model.evaluate(X, Y, verbose=0))


def test_fit_takes_them_too(capsys):
    wanted, _ = expected()
    assert linear().fit(batches(), steps_per_epoch=4, epochs=2, verbose=0).history == wanted
    model = linear()
    history = model.fit(Slices(), epochs=2, shuffle=False, validation_data=Slices())
    assert history.history["loss"] == wanted["loss"]
    assert "4/4 [====" in capsys.readouterr().out
    assert model.evaluate(Slices(), verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))


def test_weights_in_batches():
    def weighted():
        while True:
            yield X, Y, np.r_[np.zeros(20), np.ones(20)]

    model = linear()
    loss = model.evaluate_generator(weighted(), 1)
    assert loss == pytest.approx(((X.sum(1) - Y[:, 0])[20:] ** 2).mean(), rel=1e-5)


def test_data_sets():  # G29
    wanted, _ = expected()
    made = tf.data.Dataset.from_tensor_slices((np.float32(X), np.float32(Y))).batch(10)
    model = linear()
    history = model.fit(made, epochs=2, verbose=0)
    assert history.history == wanted
    assert model.evaluate(made, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))
    np.testing.assert_array_equal(model.predict(made), model.predict(X))
    repeated = linear().fit(made.repeat(), epochs=2, steps_per_epoch=4, verbose=0)
    assert repeated.history == wanted
    with pytest.warns(UserWarning, match=r"ended in epoch 2 after 1 batches, but 3 epochs of 3"):
        history = linear().fit(made, epochs=3, steps_per_epoch=3, verbose=0)
    assert len(history.epoch) == 2
    iterator = made.repeat().make_one_shot_iterator()
    assert linear().fit(iterator, epochs=2, steps_per_epoch=4, verbose=0).history == wanted


def test_a_data_set_that_was_batched_twice():  # T4
    made = tf.data.Dataset.from_tensor_slices((np.float32(X), np.float32(Y))).batch(10)
    model = linear()
    with pytest.raises(ValueError, match=r"dense_input.*shape \(None, 3\), found \(4, 10, 3\).*"
                                         "batched twice"):  # fmt: skip
        model.fit(made.batch(4), verbose=0)
    assert model.fit(made, verbose=0)


def test_models_whose_inputs_batches_tell():
    model = keras.Sequential([Affine(1)])
    model.compile("sgd", "mse")
    model.fit_generator(batches(), 4, verbose=0)
    assert model.predict(X).shape == (40, 1)
    model = keras.Sequential([Affine(1)])
    model.compile("sgd", "mse")
    made = tf.data.Dataset.from_tensor_slices((np.float32(X), np.float32(Y))).batch(10)
    assert len(model.fit(made, epochs=2, verbose=0).epoch) == 2


def test_ordered_enqueuer():
    made = Slices()
    enqueuer = utils.OrderedEnqueuer(made, shuffle=True)
    enqueuer.start(workers=2, max_queue_size=3)
    got = enqueuer.get()
    first = [next(got)[0][0, 0] for _ in range(4)]
    assert enqueuer.is_running()
    assert sorted(first) == sorted(X[::10, 0])
    enqueuer.stop()
    assert not enqueuer.is_running()


def test_errors_in_making_batches():
    def broken():
        yield X, Y
        raise OSError("no such picture")

    class Broken(Slices):
        def __getitem__(self, index):
            raise OSError("no such picture")

    for made, steps in ((broken(), 3), (Broken(), None)):
        with pytest.raises(OSError, match="no such picture"):
            linear().fit_generator(made, steps, verbose=0)


# ------------------------------------------------------------------------------- what does not fit


def test_generators_that_do_not_fit():
    model = linear()
    with pytest.raises(ValueError, match="ended in epoch 2 after 2 batches, but 3 epochs of 6"):
        model.fit_generator(batches(2), 6, epochs=3, verbose=0)
    with pytest.raises(ValueError, match="generator ended after 4 batches, but 9 were to come"):
        model.evaluate_generator(batches(1), 9)
    with pytest.raises(ValueError, match=r"fit_generator: a generator has no length.*steps_per_ep"):
        model.fit_generator(batches())
    with pytest.raises(ValueError, match=r"tuple \(inputs, targets\).*got ndarray of 40"):
        model.fit_generator(iter([X]), 1, verbose=0)
    with pytest.raises(TypeError, match="neither a generator nor a Sequence"):
        model.fit_generator(3, 1)
    with pytest.raises(ValueError, match="gives targets too"):
        model.fit(Slices(), Y)
    with pytest.raises(ValueError, match="validation_split needs arrays"):
        model.fit(Slices(), validation_split=0.1)

    class Empty(Slices):
        def __len__(self):
            return 0

    with pytest.raises(ValueError, match="the Empty has no batches"):
        model.fit_generator(Empty())


#: what is called -> what the message says
WRONG = {
    r"input 'dense_input' is expected to have shape \(None, 3\), found \(40, 2\)":
        lambda m: m.fit(X[:, :2], Y),
    r"input 'dense_input' is expected .*found \(3, 1\); one sample alone has the shape \(1, 3\)":
        lambda m: m.predict(X[0]),
    r"target 'dense' is expected to have shape \(None, 1\), found \(40, 2\)":
        lambda m: m.fit(X, X[:, :2]),
    r"40 samples of dense_input; 30 samples of dense, weights of dense":
        lambda m: m.fit(X, Y[:30]),
    "the data have no samples": lambda m: m.fit(X[:0], Y[:0]),
    "evaluate: the data have no samples": lambda m: m.evaluate(X[:0], Y[:0]),
    "predict: the data have no samples": lambda m: m.predict(X[:0]),
    "there are no data": lambda m: m.fit(),
    "no data were given for target 'dense'": lambda m: m.fit(X),
    r"1 inputs, \['dense_input'\], but 2 arrays": lambda m: m.fit([X, X], Y),
    "no data for input 'dense_input'.*the dict has": lambda m: m.fit({"dense": X}, Y),
    "array of Python objects": lambda m: m.fit(np.array([[1], [2, 3]], dtype=object), Y[:2]),
    "validation_split=0.5 leaves 0 of 1 samples for the training":
        lambda m: m.fit(X[:1], Y[:1], validation_split=0.5),
    "validation_split lies between 0 and 1, got 2": lambda m: m.fit(X, Y, validation_split=2),
    "validation_data must be a tuple": lambda m: m.fit(X, Y, validation_data=X),
    "validation_data must be a tuple .*got tuple of 4":
        lambda m: m.fit(X, Y, validation_data=(X, Y, Y, Y)),
    r"sample_weight of 'dense' is expected to have 1 axes, found shape \(40, 2\)":
        lambda m: m.fit(X, Y, sample_weight=np.ones((40, 2))),
    r"sample_weight of 'dense' has shape \(7,\), the target \(40, 1\)":
        lambda m: m.fit(X, Y, sample_weight=np.ones(7)),
    "no weight for the classes.*among the targets": lambda m: m.fit(X, Y, class_weight={0: 1.0}),
    "batch_size must be positive, got 0": lambda m: m.fit(X, Y, batch_size=0),
    "steps_per_epoch is for data that are made": lambda m: m.fit(X, Y, steps_per_epoch=3),
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_data_that_do_not_fit(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message](linear())


def test_arguments_that_do_not_fit():
    model = linear()
    with pytest.raises(TypeError, match="unknown arguments.*'epoch'"):
        model.fit(X, Y, epoch=3)
    with pytest.raises(TypeError, match=r"batch_size must be an integer, got 2\.5"):
        model.fit(X, Y, batch_size=2.5)
    model.fit(X, Y, nb_epoch=1, verbose=0)


def test_targets_that_do_not_fit_the_loss():
    classes = np.arange(40) % 3
    with pytest.raises(ValueError, match=r"to_categorical\(y\), or the loss\s+sparse_categorical"):
        linear("categorical_crossentropy", 1).fit(X, classes)
    with pytest.raises(ValueError, match=r"target 'dense' .* shape \(None, 3\), found \(40, 1\)"):
        linear("categorical_crossentropy", 3).fit(X, classes)
    with pytest.raises(ValueError, match=r"target 'dense' .* shape \(None, 1\), found \(40, 3\)"):
        linear("sparse_categorical_crossentropy", 3).fit(X, np.eye(3)[classes])


def test_models_that_are_not_compiled():
    model = keras.Sequential([Affine(1, input_shape=(3,))])
    calls = [
        lambda: model.fit(X, Y), lambda: model.evaluate(X, Y), lambda: model.metrics_tensors,
        lambda: model.train_on_batch(X, Y), lambda: model.fit(batches(), steps_per_epoch=1),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(RuntimeError, match="You must compile a model before training"):
            call()
    assert model.predict(X).shape == (40, 1)


def test_arguments_of_compile():
    model = keras.Sequential([Affine(1, input_shape=(3,), name="dense")])
    with pytest.raises(ValueError, match="nothing to minimise"):
        model.compile("sgd")
    with pytest.raises(ValueError, match="'out' is no output.*'dense'"):
        with pytest.warns(UserWarning, match="'dense' missing"):
            model.compile("sgd", {"out": "mse"})
    with pytest.raises(ValueError, match="loss is a list of 2, but the model has 1 outputs"):
        model.compile("sgd", ["mse", "mse"])
    with pytest.raises(ValueError, match="Unknown loss function: 'msee'"):
        model.compile("sgd", "msee")
    with pytest.raises(ValueError, match="Unknown metric function: 'acu'"):
        model.compile("sgd", "mse", ["acu"])
    with pytest.raises(TypeError, match=r"metrics must be a list.*write \['acc'\]"):
        model.compile("sgd", "mse", "acc")
    with pytest.raises(TypeError, match=r"loss_weights must be a list or a dict"):
        model.compile("sgd", "mse", loss_weights=2.0)

    def broken(y_true, y_pred):
        return tf.matmul(y_true, y_pred, transpose_b=True) @ tf.ones([7, 7])[0]

    with pytest.raises(ValueError) as caught:
        model.compile("sgd", broken)
    assert any("in the loss broken of output 'dense'" in n for n in caught.value.__notes__)


def test_stateful_models_take_batches_of_one_size():
    class Counts(Affine):
        stateful = True

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.stateful = True

    model = keras.Sequential([Counts(1, batch_input_shape=(10, 3))])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)  # its batches have 10 samples
    with pytest.raises(ValueError, match="40, cannot be divided by batch_size=7"):
        model.fit(X, Y, batch_size=7)
