"""Callbacks that write down how the training goes: tables, web servers, TensorBoard."""

from __future__ import annotations

import csv
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.callbacks.base import Callback, Logs

#: Seconds that a RemoteMonitor waits for an answer.
_TIMEOUT = 10.0


class CSVLogger(Callback):
    """Writes a line of comma-separated values after every epoch.

    Args:
        filename: of the file.
        separator: between the values.
        append: go on with a file that exists.
    """

    def __init__(self, filename: str, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.writer: Any = None
        self.keys: list[str] | None = None
        self.csv_file: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Open the file; arguments as of Callback's."""
        goes_on = self.append and os.path.exists(self.filename)
        self._has_header = goes_on and os.path.getsize(self.filename) > 0
        self.csv_file = open(  # noqa: SIM115  closed at the end of the training
            self.filename, "a" if self.append else "w", encoding="utf-8", newline=""
        )
        self.writer = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a line; arguments as of Callback's."""
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
        if self.writer is None:
            names = ["epoch", *self.keys]
            self.writer = csv.DictWriter(
                self.csv_file, names, delimiter=self.sep, lineterminator="\n"
            )
            if not self._has_header:
                self.writer.writeheader()
        # NB: an epoch that was cut short has no values of the validation
        row = {name: _text(logs[name]) if name in logs else "NA" for name in self.keys}
        self.writer.writerow({"epoch": epoch, **row})
        self.csv_file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the file; arguments as of Callback's."""
        self.csv_file.close()
        self.writer = self.csv_file = None


def _text(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return '"[' + ", ".join(map(str, value)) + ']"'
    return value


class RemoteMonitor(Callback):
    """Sends the logs of every epoch to a web server, by HTTP POST.

    Args:
        root: address of the server.
        path: at the server.
        field: name of the form's field that holds the logs as JSON.
        headers: further HTTP headers.
        send_as_json: send the logs as a JSON document rather than as a form.

    A server that does not answer is a warning; the training goes on.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        if urllib.parse.urlsplit(root).scheme not in ("http", "https"):
            raise ValueError(f"RemoteMonitor: {root!r} is no address of a web server")
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Send the logs; arguments as of Callback's."""
        text = json.dumps({"epoch": epoch, **{k: _number(v) for k, v in (logs or {}).items()}})
        body, kind = text, "application/json"
        if not self.send_as_json:
            body = urllib.parse.urlencode({self.field: text})
            kind = "application/x-www-form-urlencoded"
        request = urllib.request.Request(  # noqa: S310  http and https only, see __init__
            self.root + self.path, body.encode(), {"Content-Type": kind, **(self.headers or {})}
        )
        try:
            urllib.request.urlopen(request, timeout=_TIMEOUT).close()  # noqa: S310  as above
        except (urllib.error.URLError, OSError) as error:
            warnings.warn(
                f"RemoteMonitor could not reach {self.root}: {error}; the training goes on",
                stacklevel=2,
            )


def _number(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


class TensorBoard(Callback):
    """Writes event files for TensorBoard: curves of the logs, the graph, histograms of weights.

    Args:
        log_dir: the directory.
        histogram_freq: every how many epochs to write histograms of weights and layers' outputs,
            which takes validation data; 0 for never.
        batch_size: of the validation data that layers' outputs are computed of.
        write_graph: whether to write the graph.
        write_grads: with the histograms, those of gradients.
        write_images: with the histograms, weights as images.
        embeddings_freq, embeddings_layer_names, embeddings_metadata, embeddings_data: accepted
            as long as ``embeddings_freq`` is 0.
        update_freq: "epoch"; "batch"; or a number of samples after which batches' logs are written.

    Raises:
        ValueError: embeddings are asked for.
    """

    def __init__(
        self,
        log_dir: str = "./logs",
        histogram_freq: int = 0,
        batch_size: int = 32,
        write_graph: bool = True,
        write_grads: bool = False,
        write_images: bool = False,
        embeddings_freq: int = 0,
        embeddings_layer_names: Any = None,
        embeddings_metadata: Any = None,
        embeddings_data: Any = None,
        update_freq: Any = "epoch",
    ) -> None:
        super().__init__()
        if embeddings_freq:
            raise ValueError(
                "TensorBoard: embeddings are not written; fetch them with K.get_value, and leave "
                "embeddings_freq=0"
            )
        self.log_dir, self.histogram_freq, self.batch_size = log_dir, histogram_freq, batch_size
        self.write_graph, self.write_grads = write_graph, write_grads
        self.write_images = write_images
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.writer: Any = None
        self.merged: Any = None
        self.samples_seen = self.samples_seen_at_last_write = 0
        if self.update_freq != "epoch":
            self.on_batch_end = self._write_batch  # type: ignore[method-assign]

    def set_model(self, model: Any) -> None:
        """Make the histograms' operations and open the file.

        Args:
            model: the model in training.
        """
        super().set_model(model)
        session = K.get_session()
        if self.histogram_freq and self.merged is None:
            with session.graph.as_default():
                self.merged = tf.summary.merge(self._summaries(model))
        graph = session.graph if self.write_graph else None
        self.writer = tf.summary.FileWriter(self.log_dir, graph)

    def _summaries(self, model: Any) -> list[Any]:
        made = []
        for layer in model.layers:
            for weight in layer.weights:
                tag = weight.name.replace(":", "_")
                made.append(tf.summary.histogram(tag, weight))
                if self.write_grads and weight in layer.trainable_weights:
                    (grad,) = K.gradients(model.total_loss, [weight])
                    if grad is not None:
                        values = tf.convert_to_tensor(grad)
                        made.append(tf.summary.histogram(f"{tag}_grad", values))
                if self.write_images:
                    image = _as_image(tf.convert_to_tensor(weight))
                    if image is not None:
                        made.append(tf.summary.image(f"{tag}_image", image))
            outputs = getattr(layer, "output", None)
            for i, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
                if output is not None:
                    tag = f"{layer.name}_out" + f"_{i}" * (i > 0)
                    made.append(tf.summary.histogram(tag, output))
        return made

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the logs, and histograms if it is time; arguments as of Callback's."""
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_histograms(epoch)
        step = epoch if self.update_freq == "epoch" else self.samples_seen
        self._write(logs or {}, step)

    def _write_histograms(self, epoch: int) -> None:
        data = self.validation_data
        if not data:
            raise ValueError(
                "TensorBoard: histograms are made of validation data; give fit validation_data or "
                "validation_split, arrays, or leave histogram_freq=0"
            )
        model = self.model
        keys = [*model.inputs, *model.targets, *model.sample_weights]
        phase = K.learning_phase()
        session = K.get_session()
        for start in range(0, len(data[0]), self.batch_size):
            rows = slice(start, start + self.batch_size)
            feeds = {key: values[rows] for key, values in zip(keys, data, strict=False)}
            if not isinstance(phase, int):
                feeds[phase] = False
            self.writer.add_summary(session.run(self.merged, feeds), epoch)

    def _write_batch(self, batch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        self.samples_seen += logs["size"]
        if self.samples_seen - self.samples_seen_at_last_write >= self.update_freq:
            self._write(logs, self.samples_seen)
            self.samples_seen_at_last_write = self.samples_seen

    def _write(self, logs: Logs, step: int) -> None:
        # NB: the protos of an event file, rather than operations: nothing is added to the graph
        values = [
            tf.Summary.Value(tag=name, simple_value=float(value))
            for name, value in logs.items()
            if name not in ("batch", "size") and np.ndim(value) == 0
        ]
        self.writer.add_summary(tf.Summary(value=values), step)
        self.writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the file; arguments as of Callback's."""
        self.writer.close()


def _as_image(weight: Any) -> Any:
    """A weight as images (count, height, width, 1); None where that makes no sense."""
    sizes = weight.shape.as_list()
    if len(sizes) == 1:
        return tf.reshape(weight, [1, sizes[0], 1, 1])
    if len(sizes) == 2:
        long, short = max(sizes), min(sizes)
        drawn = tf.transpose(weight) if sizes[0] > sizes[1] else weight
        return tf.reshape(drawn, [1, short, long, 1])
    if len(sizes) == 3:
        return tf.expand_dims(tf.transpose(weight, [2, 0, 1]), -1)
    if len(sizes) == 4:
        height, width = sizes[:2]
        flat = tf.reshape(tf.transpose(weight, [2, 3, 0, 1]), [-1, height, width])
        return tf.expand_dims(flat, -1)
    return None
