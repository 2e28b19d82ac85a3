"""Handwritten digits with a multi-layer perceptron: build a graph, train it, look at it, time it.

1,438 images of 8x8 pixels train a network of two hidden layers, 359 test it.  Afterwards the output
folder holds

    graph.svg, graph.png   the graph; in the SVG, point at a node to see the line that made it
    graph.html             the same to look into with a browser, coloured by measured time
    profile.txt            where the time of a training step went, by kernel, scope and line
    trace.json             the same on a time axis, for https://ui.perfetto.dev

Covers REQUIREMENTS N23 (at least 0.95 on the test images), G1, G10 and G26.

    python examples/digits_mlp.py [--quick] [--out FOLDER] [--epochs N]
"""

from __future__ import annotations

import argparse
import sys
import time
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

import flowgraph as tf

BATCH_SIZE = 32
#: Of the pixels of the training images.
MEAN, DEVIATION = 4.9, 6.0
#: Training steps that the profile sums up.
PROFILED_STEPS = 20


def dense(x: Any, units: int, name: str, activation: Any = None) -> Any:
    """A fully connected layer: activation(x W + b)."""
    with tf.name_scope(name):
        inputs = int(x.shape[1])
        bound = sqrt(6 / (inputs + units))  # Glorot & Bengio, 2010
        W = tf.Variable(tf.random_uniform([inputs, units], -bound, bound), name="weights")
        b = tf.Variable(tf.zeros([units]), name="biases")
        y = tf.matmul(x, W) + b
        return activation(y) if activation is not None else y


class Classifier:
    """The graph: attributes are the tensors and operations to run."""

    def __init__(self) -> None:
        with tf.name_scope("input"):
            self.images = tf.placeholder(tf.float32, [None, 64], name="images")
            self.labels = tf.placeholder(tf.int32, [None], name="labels")
        hidden = dense(self.images, 128, "hidden1", tf.nn.relu)
        hidden = dense(hidden, 64, "hidden2", tf.nn.relu)
        logits = dense(hidden, 10, "logits")
        with tf.name_scope("loss"):
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=self.labels, logits=logits
            )
            self.loss = tf.reduce_mean(losses, name="loss")
        with tf.name_scope("accuracy"):
            guess = tf.argmax(logits, 1, output_type=tf.int32)
            right = tf.equal(guess, self.labels)
            self.accuracy = tf.reduce_mean(tf.cast(right, tf.float32), name="accuracy")
        with tf.name_scope("train"):
            self.train = tf.train.AdamOptimizer(0.001).minimize(self.loss)

    def feed(self, images: np.ndarray, labels: np.ndarray) -> dict[Any, np.ndarray]:
        """The feed_dict for some images; pixels, 0 to 16, become numbers around 0."""
        pixels = images.reshape(-1, 64).astype(np.float32)
        return {self.images: (pixels - MEAN) / DEVIATION, self.labels: labels}


class Progress:
    """A line that is rewritten while training; plain lines where the output is no terminal."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.live = sys.stdout.isatty()

    def show(self, epoch: int, done: float, text: str) -> None:
        """``done``: the part of the epoch that is over, 0 to 1."""
        if self.live or done == 1:
            bar = ("=" * int(30 * done)).ljust(30, ".")
            line = f"epoch {epoch:2d}/{self.epochs} [{bar}] {text}"
            end = "\n" if done == 1 else ""
            print(f"\r{line:<78}{end}" if self.live else line, end="" if self.live else "\n")
            sys.stdout.flush()


def train(sess: Any, model: Classifier, epochs: int) -> float:
    """Train and return the accuracy on the test images."""
    (x_train, y_train), (x_test, y_test) = tf.datasets.digits.load_data()
    test = model.feed(x_test, y_test)
    random = np.random.default_rng(0)
    progress = Progress(epochs)
    steps = len(x_train) // BATCH_SIZE
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        order = random.permutation(len(x_train))
        total = 0.0
        for step in range(steps):
            batch = order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            feed = model.feed(x_train[batch], y_train[batch])
            _, loss = sess.run([model.train, model.loss], feed)
            total += loss
            progress.show(epoch, step / steps, f"loss {total / (step + 1):.4f}")
        accuracy = float(sess.run(model.accuracy, test))
        progress.show(epoch, 1, f"loss {total / steps:.4f}  test accuracy {accuracy:.4f}")
    return accuracy


def profile(sess: Any, model: Classifier, out: Path) -> list[Any]:
    """Trace some training steps, write profile.txt and trace.json, and return the traces."""
    (images, labels), _ = tf.datasets.digits.load_data()
    feed = model.feed(images[:BATCH_SIZE], labels[:BATCH_SIZE])
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    traced = [tf.RunMetadata() for _ in range(PROFILED_STEPS)]
    for metadata in traced:
        sess.run(model.train, feed, options=options, run_metadata=metadata)
    tables = [f"A training step on {BATCH_SIZE} images, {PROFILED_STEPS} times\n"]
    tables += [
        str(tf.profile.table(traced, by="op")),
        str(tf.profile.table(traced, by="scope", scope_depth=2)),
        str(tf.profile.table(traced, by="line")),
    ]
    (out / "profile.txt").write_text("\n".join(tables))
    timeline = tf.profile.Timeline(traced[-1].step_stats)
    (out / "trace.json").write_text(timeline.generate_chrome_trace_format())
    return traced


def main(arguments: list[str] | None = None) -> float:
    """Do everything; returns the accuracy on the test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    options = parser.parse_args(arguments)
    epochs = options.epochs or (10 if options.quick else 20)
    options.out.mkdir(parents=True, exist_ok=True)

    with tf.Graph().as_default() as graph, tf.Session() as sess:
        tf.set_random_seed(1)
        model = Classifier()
        init = tf.global_variables_initializer()
        print(f"graph of {len(graph.get_operations())} operations")

        start = time.perf_counter()
        sess.run(init)
        accuracy = train(sess, model, epochs)
        print(f"trained in {time.perf_counter() - start:.1f} s, compiling included")

        traced = profile(sess, model, options.out)
        page = options.out / "graph.html"
        tf.view.html(page, graph, run_metadata=traced, title="Digits: a training step")
        for name in ("graph.svg", "graph.png"):
            tf.view.save(options.out / name, graph, overview=True, title="Digits: the whole graph")
    print(f"test accuracy {accuracy:.4f}")
    print(f"wrote graph.svg, .png, .html, profile.txt and trace.json to {options.out}/")
    return accuracy


if __name__ == "__main__":
    sys.exit(0 if main() >= 0.95 else "the test accuracy is below 0.95")
