"""An auto-encoder of handwritten digits: 64 pixels through 8 numbers and back.

The encoder must say an image in 8 numbers, from which the decoder draws it again.  The yardstick
are the first 8 principal components, which are the best that *linear* encoders and decoders can do.

Covers REQUIREMENTS K4 (models that share layers: the encoder is a model of its own).  The squared
error on the test images is at most 0.6 of that of the principal components, 0.8 with --quick.

    python examples/autoencoder.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowgraph import keras
from flowgraph.datasets import digits
from flowgraph.keras import layers

CODE = 8


def make_models() -> tuple[keras.Model, keras.Model]:
    """The auto-encoder (pixels -> pixels), and its first half (pixels -> code)."""
    pixels = keras.Input((64,), name="pixels")
    x = layers.Dense(128, activation="relu")(pixels)
    x = layers.Dense(64, activation="relu")(x)
    code = layers.Dense(CODE, name="code")(x)
    x = layers.Dense(64, activation="relu")(code)
    x = layers.Dense(128, activation="relu")(x)
    drawn = layers.Dense(64, activation="sigmoid", name="drawn")(x)
    return keras.Model(pixels, drawn, name="autoencoder"), keras.Model(pixels, code, name="encoder")


def components(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The test images from their first CODE principal components."""
    mean = train.mean(0)
    _, _, axes = np.linalg.svd(train - mean, full_matrices=False)
    return (test - mean) @ axes[:CODE].T @ axes[:CODE] + mean


def draw(path: Path, rows: dict[str, np.ndarray]) -> None:
    """The first ten test images, row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, (title, images) in zip(figure.subplots(len(rows), 10), rows.items(), strict=True):
        for axis, image in zip(axes, images, strict=False):
            axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            axis.set_xticks([])
            axis.set_yticks([])
        axes[0].set_ylabel(title, rotation=0, ha="right", va="center")
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> float:
    """Train, compare, draw; returns the squared error as a part of the components'."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    (train, _), (test, _) = digits.load_data()
    train, test = (x.reshape(-1, 64) / np.float32(16) for x in (train, test))
    model, encoder = make_models()
    model.compile(keras.optimizers.Adam(0.002), "mse")
    model.fit(train, train, 32, 40 if options.quick else 150, verbose=0)
    drawn, best = model.predict(test), components(train, test)
    error, linear = float(((drawn - test) ** 2).mean()), float(((best - test) ** 2).mean())
    print(f"codes {encoder.predict(test).shape} of images {test.shape}")
    print(f"squared error: auto-encoder {error:.5f}, principal components {linear:.5f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        rows = {"image": test, "network": drawn, "linear": best}
        draw(options.out / "autoencoder.png", rows)
    return error / linear


if __name__ == "__main__":
    main()
