"""Handwritten digits with a convolutional network: features, pooling, a classifier.

Two convolutions look for strokes in images of 8x8 pixels, pooling keeps the largest of every 2x2
answers, and a softmax layer names the digit.

Covers REQUIREMENTS K15 (the pipeline of a CNN) and K16 (the family CNN).  Right on at least 0.97 of
the test images, 0.95 with --quick.

    python examples/digits_cnn.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import flowgraph as tf
from flowgraph import keras
from flowgraph.datasets import digits
from flowgraph.keras import layers


def make_model() -> keras.Model:
    """Images (8, 8, 1) -> probabilities of the ten digits."""
    model = keras.Sequential(
        [
            layers.Conv2D(16, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def draw(path: Path, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> None:
    """The 16 test images about which the network is least sure of the true answer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    hardest = np.argsort(probabilities[np.arange(len(labels)), labels])[:16]
    for axis, i in zip(figure.subplots(2, 8).ravel(), hardest, strict=True):
        axis.imshow(images[i, ..., 0], cmap="gray_r")
        guess = probabilities[i].argmax()
        colour = "black" if guess == labels[i] else "#B2182B"
        axis.set_title(f"{labels[i]}: {guess}", color=colour, fontsize=10)
        axis.set_axis_off()
    figure.suptitle("The hardest test images (truth: answer; wrong answers red)")
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> float:
    """Train, evaluate, draw; returns the accuracy on the test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = (x[..., np.newaxis] / np.float32(16) for x in (x_train, x_test))
    model = make_model()
    model.summary()
    epochs = 6 if options.quick else 40
    test = (x_test, y_test)
    history = model.fit(x_train, y_train, 32, epochs, verbose=2, validation_data=test)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {accuracy:.4f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        tf.view.plot_history(options.out / "digits_cnn_history.png", history)
        draw(options.out / "digits_cnn.png", x_test, y_test, model.predict(x_test))
    return float(accuracy)


if __name__ == "__main__":
    main()
