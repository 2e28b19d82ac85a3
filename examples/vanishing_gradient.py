"""Why deep networks of sigmoids did not learn: the gradient vanishes on its way to the first layer.

A sigmoid's slope is at most 1/4, so ten layers of them leave little of the gradient; a ReLU's slope
is 1 wherever it is active.  The same network of ten layers, with each of them: the size of the
gradient at every layer before any training, and what both have learnt after the same number of
steps.

Covers REQUIREMENTS N19.  |gradient of W1| with sigmoids is below 1/1000 of that with ReLUs.

    python examples/vanishing_gradient.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.datasets import digits

LAYERS, WIDTH = 10, 32


def run(activation: Callable[[Any], Any], steps: int) -> tuple[np.ndarray, float]:
    """The mean |gradient| of each layer's weights at the start, and the accuracy after training."""
    (images, labels), (test_images, test_labels) = digits.load_data()
    feeds = [(x.reshape(-1, 64) / np.float32(16) - 0.3, y.astype(np.int32))
             for x, y in ((images, labels), (test_images, test_labels))]  # fmt: skip
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(1)
        x, y = tf.placeholder(tf.float32, [None, 64]), tf.placeholder(tf.int32, [None])
        signal, weights = x, []
        for _ in range(LAYERS - 1):
            inputs = int(signal.shape[1])
            bound = sqrt(6 / inputs)  # keeps the variance under ReLUs
            weights.append(tf.Variable(tf.random_uniform([inputs, WIDTH], -bound, bound)))
            signal = activation(tf.matmul(signal, weights[-1]) + tf.Variable(tf.zeros([WIDTH])))
        bound = sqrt(6 / (WIDTH + 10))
        weights.append(tf.Variable(tf.random_uniform([WIDTH, 10], -bound, bound)))
        logits = tf.matmul(signal, weights[-1]) + tf.Variable(tf.zeros([10]))
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        )
        sizes = [tf.reduce_mean(tf.abs(g)) for g in tf.gradients(loss, weights)]
        right = tf.nn.in_top_k(logits, y, 1)
        train = tf.train.MomentumOptimizer(0.02, 0.9).minimize(loss)
        sess.run(tf.global_variables_initializer())
        found = np.array(sess.run(sizes, dict(zip((x, y), feeds[0], strict=True))))
        rng = np.random.default_rng(0)
        for _ in range(steps):
            batch = rng.integers(0, len(labels), 32)
            sess.run(train, {x: feeds[0][0][batch], y: feeds[0][1][batch]})
        accuracy = sess.run(right, dict(zip((x, y), feeds[1], strict=True))).mean()
    return found, float(accuracy)


def draw(path: Path, sizes: dict[str, np.ndarray]) -> None:
    """The gradient by layer, logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axis = figure.subplots()
    for name, values in sizes.items():
        axis.semilogy(range(1, LAYERS + 1), values, marker="o", label=name)
    axis.set_xlabel("layer")
    axis.set_ylabel("mean |gradient of the weights|")
    axis.set_title(f"{LAYERS} layers, before training")
    axis.set_xticks(range(1, LAYERS + 1))
    axis.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns |gradient of W1| with sigmoids as a part of that with ReLUs, and both accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    sizes, accuracies = {}, {}
    for name, activation in (("sigmoid", tf.sigmoid), ("ReLU", tf.nn.relu)):
        sizes[name], accuracies[name] = run(activation, 500 if options.quick else 2000)
        first, last = sizes[name][[0, -1]]
        print(f"{name:8s} |gradient| of W1 {first:.1e}, of W{LAYERS} {last:.1e}; ", end="")
        print(f"test accuracy after training {accuracies[name]:.3f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "vanishing_gradient.png", sizes)
    return {"ratio": float(sizes["sigmoid"][0] / sizes["ReLU"][0]), **accuracies}


if __name__ == "__main__":
    main()
