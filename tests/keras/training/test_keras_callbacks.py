"""keras.callbacks: what each does, and the progress bar."""

from __future__ import annotations

import csv
import http.server
import json
import threading
import urllib.parse

import numpy as np
import pytest
from keras_layers import Affine

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import callbacks

X = np.random.RandomState(0).normal(size=(40, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]])


@pytest.fixture(autouse=True)
def _new_graph():
    K.clear_session()
    np.random.seed(1)
    yield
    K.clear_session()


def linear(rate=0.05, **kwargs):
    model = keras.Sequential([Affine(1, input_shape=(3,), start="ones")])
    model.compile(keras.optimizers.SGD(rate), "mse", **kwargs)
    return model


def fit(model, *some, epochs=3, **kwargs):
    kwargs = {"verbose": 0, "shuffle": False, "batch_size": 20, **kwargs}
    return model.fit(X, Y, epochs=epochs, callbacks=list(some), **kwargs)


class Told(callbacks.Callback):
    """Notes what it is told."""

    def __init__(self):
        super().__init__()
        self.events = []

    def on_train_begin(self, logs=None):
        self.events.append("train begins")

    def on_train_end(self, logs=None):
        self.events.append("train ends")

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(f"epoch {epoch} begins {sorted(logs)}")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(f"epoch {epoch} ends {sorted(logs)}")

    def on_batch_begin(self, batch, logs=None):
        self.events.append(f"batch {batch} begins {sorted(logs)}")

    def on_batch_end(self, batch, logs=None):
        self.events.append(f"batch {batch} ends {sorted(logs)}")


def test_the_order_of_calls():
    told = Told()
    model = linear(metrics=["mae"])
    fit(model, told, epochs=1, validation_split=0.5, batch_size=10)
    batch = [
        f"batch {i} {s}"
        for i in (0, 1)
        for s in (
            "begins ['batch', 'size']",
            "ends ['batch', 'loss', 'mean_absolute_error', 'size']",
        )
    ]
    names = ["loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"]
    assert told.events == [
        "train begins", "epoch 0 begins []", *batch, f"epoch 0 ends {names}", "train ends",
    ]  # fmt: skip
    assert told.model is model
    assert told.params == {
        "batch_size": 10, "epochs": 1, "steps": None, "samples": 20, "verbose": 0,
        "do_validation": True,
        "metrics": ["loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"],
    }  # fmt: skip
    x, y, weights = told.validation_data
    assert (len(x), len(y), weights.tolist()) == (20, 20, [1] * 20)


def test_later_names_of_methods():
    seen = []

    class Later(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    fit(linear(), Later(), epochs=1)
    assert seen == [0, 1]


def test_logs_that_callbacks_add_are_history():
    class Adds(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["double"] = 2 * logs["loss"]

    history = fit(linear(), Adds()).history
    assert history["double"] == [2 * loss for loss in history["loss"]]


def test_lambda_callback_and_stop_training():
    model = linear()
    seen = []

    def stop(epoch, logs):
        seen.append(epoch)
        model.stop_training = epoch == 1

    fit(model, callbacks.LambdaCallback(on_epoch_end=stop), epochs=9)
    assert seen == [0, 1]
    batches = []

    def stop_batch(batch, logs):
        batches.append(batch)
        model.stop_training = True

    history = fit(
        model, callbacks.LambdaCallback(on_batch_end=stop_batch), validation_split=0.5, batch_size=5
    )
    assert batches == [0]
    assert list(history.history) == ["loss"]  # an epoch that was cut short is not validated


def test_early_stopping():
    model = linear()
    stop = callbacks.EarlyStopping("loss", min_delta=1e9, patience=3, restore_best_weights=True)
    history = fit(model, stop, epochs=20)
    assert len(history.epoch) == 4 and stop.stopped_epoch == 3
    best = linear()
    fit(best, epochs=1)
    assert np.array_equal(model.get_weights()[0], best.get_weights()[0])
    stop = callbacks.EarlyStopping("loss", baseline=1e-9)
    assert len(fit(linear(), stop, epochs=20).epoch) == 1
    assert callbacks.EarlyStopping("val_acc").mode == "max"
    assert callbacks.EarlyStopping("val_loss").monitor_op is np.less
    with pytest.warns(UserWarning, match="mode 'up'"):
        callbacks.EarlyStopping(mode="up")
    with pytest.warns(RuntimeWarning, match="'val_loss', which is not there; there are: loss"):
        fit(linear(), callbacks.EarlyStopping(), epochs=1)


def test_early_stopping_says_so(capsys):
    stop = callbacks.EarlyStopping("loss", min_delta=1e9, patience=2, verbose=1)
    fit(linear(), stop, epochs=9)
    assert capsys.readouterr().out == "Epoch 00003: early stopping\n"


class Saves:
    """A model, as a checkpoint sees it."""

    def __init__(self):
        self.saved = []

    def save(self, path, overwrite=True):
        self.saved.append(path)

    def save_weights(self, path, overwrite=True):
        self.saved.append(f"weights {path}")


def checkpoint(values, **kwargs):
    one = callbacks.ModelCheckpoint("m-{epoch:02d}-{val_loss:.1f}", **kwargs)
    one.set_model(Saves())
    for epoch, value in enumerate(values):
        one.on_epoch_end(epoch, {"val_loss": value, "val_acc": value})
    return one.model.saved


def test_checkpoints(capsys):
    values = [3.0, 4.0, 2.0, 2.0]
    assert checkpoint(values) == ["m-01-3.0", "m-02-4.0", "m-03-2.0", "m-04-2.0"]
    assert checkpoint(values, save_best_only=True, verbose=1) == ["m-01-3.0", "m-03-2.0"]
    said = capsys.readouterr().out.split("\n\n")
    assert (
        said[0] == "\nEpoch 00001: val_loss improved from inf to 3.00000, saving model to m-01-3.0"
    )
    assert said[1] == "Epoch 00002: val_loss did not improve from 3.00000"
    best = checkpoint(values, save_best_only=True, monitor="val_acc", save_weights_only=True)
    assert best == ["weights m-01-3.0", "weights m-02-4.0"]
    assert checkpoint(values, period=2) == ["m-02-4.0", "m-04-2.0"]


def test_rates_of_a_schedule():
    model = linear()
    history = fit(model, callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1)))
    np.testing.assert_allclose(history.history["lr"], [0.5, 0.25, 0.5 / 3], rtol=1e-6)
    halves = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = fit(linear(1.0), halves)
    assert history.history["lr"] == [0.5, 0.25, 0.125]
    with pytest.raises(ValueError, match="must give a float, but gave '0.1' for epoch 0"):
        fit(linear(), callbacks.LearningRateScheduler(lambda epoch: "0.1"))


def test_rates_on_a_plateau(capsys):
    model = linear(1e-9)  # nothing gets better
    plateau = callbacks.ReduceLROnPlateau(
        "loss", factor=0.5, patience=2, min_lr=2e-10, verbose=1, cooldown=1
    )
    rates = np.array(fit(model, plateau, epochs=10).history["lr"]) * 1e9
    np.testing.assert_allclose(rates, [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2], rtol=1e-5)
    said = capsys.readouterr().out
    assert "Epoch 00003: ReduceLROnPlateau reducing learning rate to 4.99" in said
    assert said.count("reducing") == 3
    with pytest.raises(ValueError, match=r"factor >= 1\.0, got 1"):
        callbacks.ReduceLROnPlateau(factor=1)


def test_nan_ends_the_training(capsys):
    """At the same batch and with the same weights, whether batches run natively or not."""
    x = X.copy()
    x[25] = np.nan
    found = []
    for extra in ([], [Told()]):
        K.clear_session()
        model = linear()
        history = model.fit(
            x, Y, 5, 4, verbose=0, shuffle=False, callbacks=[callbacks.TerminateOnNaN(), *extra]
        )
        assert len(history.epoch) == 1
        assert capsys.readouterr().out == "Batch 5: Invalid loss, terminating training\n"
        assert K.get_value(model.optimizer.iterations) == 6
        found.append(model.get_weights())
    assert np.array_equal(found[0][0], found[1][0], equal_nan=True)
    K.clear_session()
    assert len(fit(linear(), callbacks.TerminateOnNaN()).epoch) == 3


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    history = fit(linear(metrics=["mae"]), callbacks.CSVLogger(path), validation_split=0.5)
    rows = list(csv.DictReader(path.open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [float(row["val_loss"]) for row in rows] == history.history["val_loss"]
    assert list(rows[0]) == ["epoch", "loss", "mean_absolute_error", "val_loss",
                             "val_mean_absolute_error"]  # fmt: skip
    fit(linear(metrics=["mae"]), callbacks.CSVLogger(path, append=True), epochs=1,
        validation_split=0.5)  # fmt: skip
    assert len(list(csv.DictReader(path.open()))) == 4
    fit(linear(), callbacks.CSVLogger(path, separator=";"), epochs=1)
    assert path.read_text().startswith("epoch;loss\n0;")


def test_tensorboard(tmp_path):  # G26
    model = linear(metrics=["mae"])
    board = callbacks.TensorBoard(
        str(tmp_path), histogram_freq=1, write_grads=True, write_images=True
    )
    history = fit(model, board, validation_split=0.5, epochs=2)
    (file,) = tmp_path.iterdir()
    events = list(tf.train.summary_iterator(str(file)))
    assert sum(e.HasField("graph_def") for e in events) == 1
    values = [(e.step, v) for e in events for v in e.summary.value]
    losses = [v.simple_value for _, v in values if v.tag == "val_loss"]
    np.testing.assert_allclose(losses, history.history["val_loss"], rtol=1e-6)
    tags = {v.tag for _, v in values}
    assert {"loss", "mean_absolute_error", "val_mean_absolute_error"} <= tags
    assert {"affine_1/kernel_0", "affine_1/kernel_0_grad", "affine_1_out"} <= tags
    assert any(tag.startswith("affine_1/kernel_0_image/image") for tag in tags)
    with pytest.raises(ValueError, match="histograms are made of validation data"):
        fit(model, callbacks.TensorBoard(str(tmp_path), histogram_freq=1), epochs=1)
    with pytest.raises(ValueError, match="embeddings"):
        callbacks.TensorBoard(embeddings_freq=1)


def test_tensorboard_per_batch(tmp_path):
    fit(linear(), callbacks.TensorBoard(str(tmp_path), update_freq=15, write_graph=False),
        batch_size=10)  # fmt: skip
    (file,) = tmp_path.iterdir()
    steps = [e.step for e in tf.train.summary_iterator(str(file)) if e.summary.value]
    assert steps == [20, 40, 40, 60, 80, 80, 100, 120, 120]


def test_remote_monitor():
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{server.server_port}"
    try:
        fit(linear(), callbacks.RemoteMonitor(root), epochs=1)
        fit(linear(), callbacks.RemoteMonitor(root, "/x", send_as_json=True), epochs=1)
    finally:
        server.shutdown()
        server.server_close()
    (path, kind, body), (other_path, other_kind, other) = got
    assert (path, other_path) == ("/publish/epoch/end/", "/x")
    assert (kind, other_kind) == ("application/x-www-form-urlencoded", "application/json")
    form = urllib.parse.parse_qs(body)
    assert json.loads(form["data"][0]) == json.loads(other) and json.loads(other)["epoch"] == 0
    with pytest.warns(UserWarning, match="could not reach http://127.0.0.1"):
        fit(linear(), callbacks.RemoteMonitor(root), epochs=2)
    with pytest.raises(ValueError, match="no address of a web server"):
        callbacks.RemoteMonitor("file:///etc")


def test_bars_off_a_terminal(capsys):  # R5
    """Keras's layout; one line per epoch, not one per batch."""
    history = fit(linear(metrics=["mae"]), epochs=2, verbose=1, validation_split=0.25, batch_size=1)
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    assert len(lines) == 4
    assert lines[1].startswith(f"30/30 [{'=' * 30}] - 0s")
    logs = {k: v[0] for k, v in history.history.items()}
    shown = "".join(
        f" - {name}: {logs[name]:.4f}"
        for name in ("loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error")
    )
    assert lines[1].endswith("step" + shown)


def test_bars_one_line_per_epoch(capsys):
    fit(linear(), epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2" and lines[1].startswith(" - 0s - loss: ")
    fit(linear(), epochs=2, verbose=0)
    assert capsys.readouterr().out == ""


def test_bars_of_a_training_that_ends_early(capsys):
    model = linear()
    stop = callbacks.LambdaCallback(
        on_batch_end=lambda batch, logs: setattr(model, "stop_training", batch == 1)
    )
    model.fit(X, Y, 10, callbacks=[stop])
    assert "20/20 [" in capsys.readouterr().out


def test_a_callback_of_ones_own():  # K19
    class Loss(callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.losses = []

        def on_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])

    kept = Loss()
    fit(linear(), kept, epochs=2)
    assert len(kept.losses) == 4
    with pytest.raises(TypeError, match=r"Loss is a class; Loss\(\) is a callback"):
        fit(linear(), Loss)


def test_a_rate_set_between_batches():
    """K.set_value from a callback acts on the next batch."""
    model = linear()

    class Freezes(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            K.set_value(self.model.optimizer.lr, 0.0)

    fit(model, Freezes())
    other = linear()
    other.train_on_batch(X[:20], Y[:20])
    assert np.array_equal(model.get_weights()[0], other.get_weights()[0])


@pytest.mark.parametrize("suffix", ["zip", "h5"])
def test_going_on_from_a_checkpoint(tmp_path, suffix):  # K18: 3 + 3 epochs are 6, bit by bit
    if suffix == "h5":
        pytest.importorskip("h5py")

    def fresh():
        K.clear_session()
        np.random.seed(4)
        hidden = keras.layers.Dense(4, activation="tanh", input_shape=(3,))
        model = keras.Sequential([hidden, keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.02, decay=0.1), "mse", metrics=["mae"])
        return model

    wanted = fit(fresh(), epochs=6).history["loss"]
    path = str(tmp_path / ("m-{epoch}." + suffix))
    first = fit(fresh(), callbacks.ModelCheckpoint(path)).history["loss"]
    K.clear_session()
    again = keras.models.load_model(path.format(epoch=3))
    rest = fit(again, epochs=6, initial_epoch=3).history["loss"]
    assert first + rest == wanted
