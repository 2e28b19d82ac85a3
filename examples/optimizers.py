"""Optimizers compared: their ways down a valley, and how fast they train the digits.

Three pictures: the paths of six optimizers down a long narrow valley; gradient descent on all
samples beside mini-batches, on the squared error of a line; and the training loss of seven
optimizers on the shipped handwritten digits, all from the same weights and with the same batches.

Covers REQUIREMENTS N13 (the optimizers by name) and N14 (trajectories, the same in every run).
With every optimizer the loss on the digits falls below 0.7 of that at the start, with all but
plain SGD, which takes longest, below 0.2.

    python examples/optimizers.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import flowgraph as tf
from flowgraph import keras
from flowgraph.datasets import digits
from flowgraph.keras import layers

START = (-4.0, 1.5)


def valley(x, y):
    """Ten times as steep across as along."""
    return x * x / 2 + 5 * y * y


def ways() -> dict[str, np.ndarray]:
    """The points that six optimizers visit on the way down."""
    optimizers = {
        "gradient descent": tf.train.GradientDescentOptimizer(0.18),
        "momentum": tf.train.MomentumOptimizer(0.03, 0.85),
        "Nesterov": tf.train.MomentumOptimizer(0.03, 0.85, use_nesterov=True),
        "Adagrad": tf.train.AdagradOptimizer(0.8),
        "RMSprop": tf.train.RMSPropOptimizer(0.12),
        "Adam": tf.train.AdamOptimizer(0.25),
    }
    return tf.view.trajectories(valley, optimizers, START, steps=50)


class Line:
    """A line through 60 synthetic points, by (slope, intercept): all points, or ten at a time."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.uniform(-1, 1, 60).astype(np.float32)
        self.y = (1.5 * self.x + 0.5 + 0.5 * rng.normal(size=60)).astype(np.float32)

    def error(self, slope, intercept):
        """The mean squared error of arrays of slopes and intercepts."""
        points = slope[..., None] * self.x + intercept[..., None] - self.y
        return (points**2).mean(-1)

    def way(self, batch_size: int, steps: int = 60) -> np.ndarray:
        """(slope, intercept) after every step of gradient descent on batches of that size."""
        rng = np.random.default_rng(1)
        with tf.Graph().as_default(), tf.Session() as sess:
            x, y = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32, [None])
            w = tf.Variable([-2.0, 2.0])
            loss = tf.reduce_mean(tf.square(w[0] * x + w[1] - y))
            train = tf.train.GradientDescentOptimizer(0.15).minimize(loss)
            sess.run(tf.global_variables_initializer())
            found = [sess.run(w)]
            for _ in range(steps):
                batch = rng.permutation(60)[:batch_size]
                sess.run(train, {x: self.x[batch], y: self.y[batch]})
                found.append(sess.run(w))
        return np.array(found)


def losses_on_digits(epochs: int) -> dict[str, list[float]]:
    """Training loss by epoch of seven optimizers."""
    (x, y), _ = digits.load_data()
    x = x.reshape(-1, 64) / np.float32(16)
    sgd = keras.optimizers.SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True)
    optimizers = {"SGD": "sgd", "SGD, Nesterov": sgd, "Adagrad": "adagrad", "Adadelta": "adadelta",
                  "RMSprop": "rmsprop", "Adam": "adam", "Nadam": "nadam"}  # fmt: skip
    found = {}
    first = None
    for name, optimizer in optimizers.items():
        np.random.seed(1)  # noqa: NPY002  the order of the batches
        model = keras.Sequential(
            [
                layers.Dense(32, activation="relu", input_shape=(64,)),
                layers.Dense(10, activation="softmax"),
            ]
        )
        first = first or model.get_weights()
        model.set_weights(first)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        start = model.evaluate(x, y, verbose=0)
        found[name] = [start, *model.fit(x, y, 32, epochs, verbose=0).history["loss"]]
    return found


def draw_losses(path: Path, losses: dict[str, list[float]]) -> None:
    """Loss over epochs, logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axis = figure.subplots()
    for name, values in losses.items():
        axis.semilogy(values, label=name)
    axis.set_xlabel("epoch")
    axis.set_ylabel("training loss")
    axis.set_title("Digits, 64-32-10, from the same weights")
    axis.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Compare, draw; returns the last loss of each optimizer as a part of the first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    options = parser.parse_args(arguments)
    paths = ways()
    for name, points in paths.items():
        print(f"{name:17s} valley: {valley(*points[0]):.2f} -> {valley(*points[-1]):.5f}")
    losses = losses_on_digits(10 if options.quick else 30)
    for name, values in losses.items():
        print(f"{name:17s} digits: {values[0]:.3f} -> {values[-1]:.4f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        title = "Down a narrow valley in 50 steps"
        tf.view.plot_trajectories(options.out / "optimizers.svg", valley, paths, title=title)
        line = Line()
        batches = {"all 60 points": line.way(60), "10 at a time": line.way(10), "one": line.way(1)}
        path = options.out / "optimizers_batches.png"
        title = "A line's slope and intercept by gradient descent"
        tf.view.plot_trajectories(path, line.error, batches, title=title)
        draw_losses(options.out / "optimizers_digits.png", losses)
    return {name: values[-1] / values[0] for name, values in losses.items()}


if __name__ == "__main__":
    main()
