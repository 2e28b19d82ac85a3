"""compile, fit, evaluate, predict: numbers, and that native epochs are batches one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_layers import Affine, Noisy

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import callbacks, metrics

RNG = np.random.RandomState(0)
X = RNG.normal(size=(50, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3
CLASSES = (Y[:, 0] > 0).astype(int)


@pytest.fixture(autouse=True)
def _new_graph():
    K.clear_session()
    np.random.seed(1)
    yield
    K.clear_session()


class EveryBatch(callbacks.Callback):
    """Wants to see every batch, so that no epoch runs natively."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_batch_end(self, batch, logs=None):
        self.seen.append((batch, logs["size"], logs["loss"]))


def linear(**kwargs):
    model = keras.Sequential([Affine(1, input_shape=(3,), start="ones")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", **kwargs})
    return model


def by_hand(x, y, batches, weights=None, rate=0.1):
    """Losses and the kernel and bias of ``linear`` after these batches, in float64."""
    kernel, bias, losses = np.ones((3, 1)), np.zeros(1), []
    for ids in batches:
        error = x[ids] @ kernel + bias - y[ids]
        w = np.ones(len(ids)) if weights is None else weights[ids]
        share = w / (w != 0).mean() / len(ids)
        losses.append((share * error[:, 0] ** 2).sum())
        d = 2 * share[:, None] * error
        kernel, bias = kernel - rate * x[ids].T @ d, bias - rate * d.sum(0)
    return losses, kernel, bias


def in_order(count, size):
    return [np.arange(count)[i : i + size] for i in range(0, count, size)]


def test_an_epoch_is_gradient_descent():  # K8, N12
    model = linear()
    history = model.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    batches = in_order(50, 16)
    losses, kernel, bias = by_hand(X, Y, batches * 2)
    for got, wanted in zip(model.get_weights(), (kernel, bias), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    sizes = [len(ids) for ids in batches]
    means = [np.average(losses[i : i + 4], weights=sizes) for i in (0, 4)]
    np.testing.assert_allclose(history.history["loss"], means, rtol=1e-5)
    assert history.epoch == [0, 1]
    assert list(history.history) == ["loss"]
    assert model.history is history


def test_shuffling_is_numpys():
    model = linear()
    np.random.seed(7)
    model.fit(X, Y, batch_size=20, epochs=2, verbose=0)
    np.random.seed(7)
    batches = []
    for _ in range(2):
        order = np.arange(50)
        np.random.shuffle(order)
        batches += [order[i : i + 20] for i in (0, 20, 40)]
    _, kernel, _ = by_hand(X, Y, batches)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-5)
    seen = keras.engine.training_data.shuffled(10, "batch", 4)
    assert sorted(seen) == list(range(10)) and seen[8:].tolist() == [8, 9]
    assert all((np.diff(seen[i : i + 4]) == 1).all() for i in (0, 4))


def test_weights_of_samples_and_classes():
    weights = np.where(np.arange(50) % 5 == 0, 0.0, RNG.rand(50))
    model = linear()
    model.fit(X, Y, batch_size=16, shuffle=False, verbose=0, sample_weight=weights)
    _losses, kernel, _ = by_hand(X, Y, in_order(50, 16), weights)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-5)
    K.clear_session()
    model = linear()
    y = CLASSES[:, None].astype(float)
    model.fit(X, y, batch_size=16, shuffle=False, verbose=0, class_weight={0: 0.5, 1: 3.0})
    _, kernel, _ = by_hand(X, y, in_order(50, 16), np.where(CLASSES, 3.0, 0.5))
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-5)
    both = model._standardize(X, y, weights, {0: 0.5, 1: 3.0})[2][0]
    np.testing.assert_allclose(both, weights * np.where(CLASSES, 3.0, 0.5), rtol=1e-6)
    one_hot = keras.utils.to_categorical(CLASSES)
    again = keras.engine.training_data.weights_of(one_hot, None, {0: 0.5, 1: 3.0}, False, "y")
    np.testing.assert_array_equal(again, np.where(CLASSES, 3.0, 0.5).astype(np.float32))


def noisy_model():
    np.random.seed(2)
    model = keras.Sequential([Affine(8, "tanh", input_shape=(3,)), Noisy(), Affine(1, "sigmoid")])
    chosen = ["acc", metrics.Recall(), metrics.AUC(20)]
    model.compile("adam", "binary_crossentropy", metrics=chosen)
    return model


def by_single_batches(model, x, y, batch_size, epochs):
    """fit, as a program with train_on_batch does it."""
    losses = []
    for _ in range(epochs):
        order = np.arange(len(x))
        np.random.shuffle(order)
        total = 0.0
        for ids in (order[i : i + batch_size] for i in range(0, len(x), batch_size)):
            total += float(model.train_on_batch(x[ids], y[ids])[0]) * len(ids)
        losses.append(total / len(x))
    return {"loss": losses}


@pytest.mark.parametrize("batch_size", [10, 16])
def test_native_epochs_are_batches_one_by_one(batch_size, monkeypatch):
    found = []
    for way in ("native", "seen", "slices", "single"):
        K.clear_session()
        model = noisy_model()
        given = [EveryBatch()] if way == "seen" else []
        if way == "slices":  # as a progress bar that moves often has it
            monkeypatch.setattr(keras.engine.training_loops, "moves_every", lambda: 0.0)
        np.random.seed(5)
        if way == "single":
            history = by_single_batches(model, X[:40], CLASSES[:40], batch_size, 3)
        else:
            history = model.fit(
                X, CLASSES, batch_size, 3, verbose=int(way == "slices"), callbacks=given,
                validation_split=0.2,
            ).history  # fmt: skip
        monkeypatch.undo()
        state = [*model.get_weights(), *model.optimizer.get_weights()]
        found.append((history, state, model.predict(X)))
        assert model.layers[1].get_weights()[0] == 3 * -(-40 // batch_size)
    for history, state, predicted in found[1:]:
        assert all(found[0][0][name] == values for name, values in history.items())
        assert all(np.array_equal(a, b) for a, b in zip(state, found[0][1], strict=True))
        assert np.array_equal(predicted, found[0][2])
    assert set(found[0][0]) == {
        f"{v}{n}" for v in ("", "val_") for n in ("loss", "acc", "recall", "auc")
    }


def test_epochs_run_natively_where_they_can(monkeypatch):
    model = linear()
    called = []
    step = model._step("train")
    many = type(step).many
    monkeypatch.setattr(type(step), "many", lambda *a, **k: called.append(a[4]) or many(*a, **k))
    model.fit(X, Y, 16, epochs=2, verbose=0)
    assert called == [3, 1, 3, 1]
    called.clear()
    model.fit(X, Y, 25, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=print)])
    assert called == [2]
    called.clear()
    model.fit(X, Y, 25, verbose=0, callbacks=[EveryBatch()])
    assert called == [1, 1]


def test_a_loss_that_cannot_run_natively():
    def loss(y_true, y_pred):
        present = tf.boolean_mask(y_pred - y_true, tf.abs(y_true[:, 0]) > 0.5)
        return K.mean(tf.square(present))

    model = linear(loss=loss)
    history = model.fit(X, Y, 10, epochs=2, verbose=0, shuffle=False)
    assert history.history["loss"][1] < history.history["loss"][0]


def test_evaluate_and_predict():  # K8
    model = linear(metrics=["mae", "mse"])
    predicted = model.predict(X)
    np.testing.assert_allclose(predicted, X.sum(1, keepdims=True), rtol=1e-5, atol=1e-6)
    assert predicted.flatten().shape == (50,)
    loss, mae, mse = model.evaluate(X, Y, verbose=2)
    error = X.sum(1) - Y[:, 0]
    np.testing.assert_allclose([loss, mae, mse], [(error**2).mean(), abs(error).mean(),
                                                  (error**2).mean()], rtol=1e-5)  # fmt: skip
    assert model.metrics_names == ["loss", "mean_absolute_error", "mean_squared_error"]
    assert linear().evaluate(X, Y, verbose=0) == pytest.approx(loss)
    for size in (1, 7, 50, 99):
        np.testing.assert_array_equal(model.predict(X, batch_size=size), predicted)
        assert model.evaluate(X, Y, size, 0) == pytest.approx([loss, mae, mse], rel=1e-5)
    np.testing.assert_array_equal(model.predict_on_batch(X[:4]), predicted[:4])
    assert model.test_on_batch(X[:4], Y[:4])[0] == pytest.approx((error[:4] ** 2).mean())
    weights = np.r_[np.zeros(25), np.ones(25)]
    assert model.evaluate(X, Y, 50, 0, weights)[0] == pytest.approx((error[25:] ** 2).mean())


def test_single_batches():
    model = linear(metrics=["mae"])
    loss, mae = model.train_on_batch(X[:10], Y[:10])
    losses, kernel, _ = by_hand(X, Y, [np.arange(10)])
    assert loss == pytest.approx(losses[0], rel=1e-5)
    assert mae == pytest.approx(abs(X[:10].sum(1) - Y[:10, 0]).mean(), rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-5)


def test_metrics_do_not_train():  # N18
    found = []
    for some in (None, ["acc", "mae"]):
        K.clear_session()
        np.random.seed(3)
        model = keras.Sequential([Affine(1, "sigmoid", input_shape=(3,))])
        model.compile("sgd", "binary_crossentropy", metrics=some)
        model.fit(X, CLASSES, epochs=2, verbose=0, shuffle=False)
        found.append(model.get_weights()[0])
    assert np.array_equal(*found)


def test_recall_is_that_of_all_samples():  # N18: .5, not the mean of the batches, .25
    model = keras.Sequential([Affine(1, input_shape=(1,), start="ones")])
    model.compile("sgd", "mse", metrics=["recall", "precision"])
    x = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    y = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    assert model.evaluate(x, y, batch_size=4, verbose=0)[1:] == [0.5, pytest.approx(2 / 3)]
    assert model.evaluate(x, y, batch_size=8, verbose=0)[1] == 0.5


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10**6))
def test_metrics_with_state_against_numpy(count, seed):
    K.clear_session()
    rng = np.random.RandomState(seed)
    y, p, w = (
        rng.randint(0, 2, (count, 1)), rng.randint(0, 11, (count, 1)) / 10, rng.rand(count),
    )  # fmt: skip
    auc = metrics.AUC(5)
    truth, guess, weight = (K.placeholder(ndim=n) for n in (2, 2, 1))
    some = [metrics.Recall(0.3), metrics.Precision([0.3, 0.6]), auc, metrics.FalsePositives()]
    values = [m(truth, guess, weight) for m in some]
    run = K.function([truth, guess, weight], values, [u for m in some for u in m.updates])
    half = count // 2 + 1
    got = None
    for rows in (slice(0, half), slice(half, count)):
        if len(y[rows]):
            got = run([y[rows], p[rows], w[rows]])

    def counts(level):
        says, yes = np.float32(p[:, 0]) > np.float32(level), y[:, 0] == 1
        return [w[a & b].sum() for a in (yes, ~yes) for b in (says, ~says)]  # tp fn fp tn

    def ratio(a, b):
        return a / b if b else 0.0

    tp, fn, fp, _ = counts(0.3)
    assert got[0] == pytest.approx(ratio(tp, tp + fn), abs=1e-5)
    tp6, _, fp6, _ = counts(0.6)
    assert got[1] == pytest.approx([ratio(tp, tp + fp), ratio(tp6, tp6 + fp6)], abs=1e-5)
    assert got[3] == pytest.approx(counts(0.5)[2], abs=1e-4)
    curve = [counts(t) for t in (-1e-7, 0.25, 0.5, 0.75, 1 + 1e-7)]
    up = [ratio(a, a + b) for a, b, _, _ in curve]
    across = [ratio(c, c + d) for _, _, c, d in curve]
    area = sum((across[i] - across[i + 1]) * (up[i] + up[i + 1]) / 2 for i in range(4))
    assert got[2] == pytest.approx(area, abs=1e-5)
    auc.reset_states()
    assert all((v == 0).all() for v in K.batch_get_value(auc.weights))


def test_metrics_of_several_values(capsys, tmp_path):
    model = linear(metrics=[metrics.Recall([0.0, 0.5, 1.0])])
    writers = [callbacks.CSVLogger(tmp_path / "log"), callbacks.TensorBoard(str(tmp_path))]
    history = model.fit(X, CLASSES, 16, 2, validation_split=0.2, callbacks=writers).history
    assert [v.shape for v in history["val_recall"]] == [(3,), (3,)]
    _, recall = model.evaluate(X, CLASSES, verbose=0)
    p = model.predict(X)[CLASSES == 1, 0]
    np.testing.assert_allclose(recall, [(p > level).mean() for level in (0, 0.5, 1)], rtol=1e-6)
    assert "recall" in capsys.readouterr().out


def test_top_k_over_batches():
    scores = np.eye(6)[[0, 1, 2, 3, 4]] + np.arange(6) / 100
    classes = np.array([0, 5, 2, 4, 0])
    inputs = keras.Input((6,))
    model = keras.Model(inputs, Affine(6, start="identity")(inputs))
    some = [metrics.SparseTopKCategoricalAccuracy(2), "sparse_categorical_accuracy"]
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=some)
    got = model.evaluate(scores, classes, batch_size=3, verbose=0)[1:]
    assert got == pytest.approx([3 / 5, 2 / 5])
    K.clear_session()
    inputs = keras.Input((6,))
    model = keras.Model(inputs, Affine(6, start="identity")(inputs))
    model.compile("sgd", "mse", metrics=[metrics.TopKCategoricalAccuracy(2)])
    got = model.evaluate(scores, np.eye(6)[classes], batch_size=2, verbose=0)[1]
    assert got == pytest.approx(3 / 5)


#: (loss, units, what "acc" means)
ACCURACIES = [
    ("binary_crossentropy", 1, "binary"), ("binary_crossentropy", 3, "binary"),
    ("mse", 1, "binary"), ("mse", 3, "categorical"),
    ("categorical_crossentropy", 3, "categorical"),
    ("sparse_categorical_crossentropy", 3, "sparse"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "units", "kind"), ACCURACIES)
def test_what_accuracy_means(loss, units, kind):  # K7
    model = keras.Sequential([Affine(units, "sigmoid", input_shape=(3,))])
    model.compile("sgd", loss, metrics=["accuracy", "ce"])
    assert model.metrics_names == ["loss", "acc", "ce"]
    y = RNG.randint(0, 2, (50, units)) if kind == "binary" else RNG.randint(0, 3, 50)
    if kind == "categorical":
        y = np.eye(3)[y]
    got = model.evaluate(X, y, verbose=0)[1]
    p = model.predict(X)
    wanted = {
        "binary": lambda: (np.round(p) == y.reshape(p.shape)).mean(),
        "categorical": lambda: (p.argmax(1) == y.argmax(1)).mean(),
        "sparse": lambda: (p.argmax(1) == y).mean(),
    }[kind]()
    assert got == pytest.approx(wanted)


def two_outputs(**kwargs):
    one, other = keras.Input((3,), name="one"), keras.Input((2,), name="other")
    a = Affine(1, start="ones", name="a")(one)
    b = Affine(2, "softmax", start="ones", name="b")(other)
    model = keras.Model([one, other], [a, b])
    model.compile("sgd", **kwargs)
    return model


def test_several_inputs_and_outputs():  # K12
    model = two_outputs(
        loss={"a": "mse", "b": "categorical_crossentropy"},
        loss_weights={"a": 0.5, "b": 2.0},
        metrics={"b": ["acc", "mae"]},
        weighted_metrics=["mae"],
    )
    wanted = ["loss", "a_loss", "b_loss", "b_acc", "b_mean_absolute_error"]
    assert sorted(model.metrics_names) == sorted(
        [*wanted, "a_weighted_mean_absolute_error", "b_weighted_mean_absolute_error"]
    )
    other, classes = RNG.rand(50, 2), np.eye(2)[CLASSES]
    x = {"one": X, "other": other}
    values = dict(
        zip(model.metrics_names, model.evaluate(x, {"a": Y, "b": classes}, verbose=0), strict=True)
    )
    assert values["loss"] == pytest.approx(0.5 * values["a_loss"] + 2 * values["b_loss"])
    assert values["a_loss"] == pytest.approx(((X.sum(1) - Y[:, 0]) ** 2).mean(), rel=1e-5)
    _a, b = model.predict([X, other])
    log = -np.log(b[np.arange(50), CLASSES])
    assert values["b_loss"] == pytest.approx(log.mean(), rel=1e-5)
    weights = RNG.rand(50)
    history = model.fit(
        x, [Y, classes], epochs=2, verbose=0, sample_weight={"b": weights},
        validation_data=([X, other], [Y, classes], [weights, None]),
    )  # fmt: skip
    assert history.history["loss"][1] < history.history["loss"][0]
    assert set(history.history) == {f"{v}{n}" for v in ("", "val_") for n in model.metrics_names}


def test_an_output_without_loss():
    with pytest.warns(UserWarning, match="'a' missing from loss dictionary"):
        model = two_outputs(loss={"b": "mse"})
    before = model.get_layer("a").get_weights()[0]
    other = RNG.rand(50, 2)
    model.get_layer("a").trainable = False
    with pytest.warns(UserWarning, match="'a' missing"):
        model.compile("sgd", {"b": "mse"})
    model.fit([X, other], {"b": np.eye(2)[CLASSES]}, verbose=0)
    model.fit([X, other], np.eye(2)[CLASSES], verbose=0)
    assert np.array_equal(model.get_layer("a").get_weights()[0], before)
    assert len(model.predict([X, other])) == 2


def test_losses_of_layers():
    model = keras.Sequential(
        [Affine(1, input_shape=(3,), start="ones", regularizer=keras.regularizers.l2(0.1))]
    )
    model.compile("sgd", "mse")
    plain = ((X.sum(1) - Y[:, 0]) ** 2).mean()
    assert model.evaluate(X, Y, 50, verbose=0) == pytest.approx(plain + 0.3, rel=1e-5)


def test_weights_per_time_step():
    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, Affine(1, start="ones")(inputs))
    model.compile("sgd", "mse", sample_weight_mode="temporal")
    x, y, w = RNG.rand(6, 4, 3), RNG.rand(6, 4, 1), RNG.rand(6, 4)
    error = ((x.sum(-1) - y[..., 0]) ** 2 * w).mean()
    assert model.evaluate(x, y, verbose=0, sample_weight=w) == pytest.approx(error, rel=1e-5)
    with pytest.raises(ValueError, match=r"2 axes, found shape \(6,\)"):
        model.evaluate(x, y, verbose=0, sample_weight=w[:, 0])
    with pytest.raises(ValueError, match="axis of time"):
        linear(sample_weight_mode="temporal")


def test_training_goes_on():  # K18: 5 + 5 epochs are 10
    np.random.seed(4)
    model = noisy_model()
    start = model.get_weights()
    once = model.fit(X, CLASSES, epochs=6, verbose=0, shuffle=False).history["loss"]
    wanted = model.get_weights()
    K.clear_session()
    np.random.seed(4)
    model = noisy_model()
    model.set_weights(start)
    first = model.fit(X, CLASSES, epochs=3, verbose=0, shuffle=False)
    second = model.fit(X, CLASSES, epochs=6, initial_epoch=3, verbose=0, shuffle=False)
    assert first.history["loss"] + second.history["loss"] == once
    assert second.epoch == [3, 4, 5]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), wanted, strict=True))


def test_what_is_trained_is_what_was_trainable_at_compile():  # K16: GANs
    model = keras.Sequential([Affine(2, input_shape=(3,)), Affine(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.layers[0].trainable = True
    with pytest.warns(UserWarning, match="compile again"):
        model.fit(X, Y, verbose=0)
    after = model.get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sum(changed) == 2


def test_lists_numbers_and_frames():
    model = linear()
    got = model.predict([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(got[:, 0], [6, 1])
    model.fit(X.tolist(), Y[:, 0].tolist(), verbose=0)

    class DataFrame:
        def __init__(self, values):
            self.values = values

    assert model.predict(DataFrame(X)).shape == (50, 1)


def test_models_whose_inputs_data_tell():
    model = keras.Sequential([Affine(4, "relu"), Affine(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, epochs=3, verbose=0, validation_split=0.1)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert model.predict(X).shape == (50, 1)


def test_tensors_as_inputs_and_targets():
    x, y = tf.constant(np.float32(X)), tf.constant(np.float32(Y))
    inputs = keras.Input(tensor=x)
    model = keras.Model(inputs, Affine(1, start="ones")(inputs))
    model.compile(keras.optimizers.SGD(0.1), "mse", target_tensors=y)
    history = model.fit(epochs=2, steps_per_epoch=3, verbose=0)
    losses, kernel, _ = by_hand(X, Y, [np.arange(50)] * 6)
    np.testing.assert_allclose(history.history["loss"], np.reshape(losses, (2, 3)).mean(1), 1e-5)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-5)
    assert model.evaluate(steps=2, verbose=0) < losses[-1]
    assert model.predict(steps=2).shape == (100, 1)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit(epochs=2)


def test_tensors_in_place_of_arrays():
    model = linear()
    x, y = tf.constant(np.float32(X)), tf.constant(np.float32(Y))
    history = model.fit(x, y, epochs=2, steps_per_epoch=2, verbose=0)
    losses, _, _ = by_hand(X, Y, [np.arange(50)] * 4)
    np.testing.assert_allclose(history.history["loss"], np.reshape(losses, (2, 2)).mean(1), 1e-5)


def test_mixing_with_low_level_code():  # G31
    model = linear()
    model.fit(X, Y, verbose=0)
    doubled = model.output * 2.0
    got = K.get_session().run(doubled, {model.input: X[:2]})
    np.testing.assert_allclose(got, 2 * model.predict(X[:2]), rtol=1e-6)


def test_a_loss_of_ones_own():  # K19
    def cubed(y_true, y_pred):
        return K.mean(K.pow(K.abs(y_true - y_pred), 3), axis=-1)

    model = linear(loss=cubed, metrics=[cubed])
    assert model.metrics_names == ["loss", "cubed"]
    loss, metric = model.evaluate(X, Y, 50, verbose=0)
    assert loss == metric == pytest.approx((abs(X.sum(1) - Y[:, 0]) ** 3).mean(), rel=1e-5)


def test_iterations_of_an_epoch():  # G30: 1000 rows in batches of 100 are 10 steps
    x = np.zeros((1000, 3))
    seen = EveryBatch()
    linear().fit(x, x[:, :1], batch_size=100, verbose=0, callbacks=[seen])
    assert [(b, s) for b, s, _ in seen.seen] == [(i, 100) for i in range(10)]
