"""The Inception module: several views of an image side by side, joined along the channels.

Three towers look at the same image, through 1x1 and 3x3, 1x1 and 5x5, pooling and 1x1 windows.  On
images of 256x256x3, with 64 filters, the towers have 140,160 weights, and the result has 3 x 64 =
192 channels.  ``axis=1`` would put them on top of each other, an image of 768x256: flowgraph warns
of that.

A small network around one such module then learns the shipped handwritten digits.

Covers REQUIREMENTS K14 (counts, both axes).  Right on at least 0.95 of the test digits, 0.93 with
--quick.

    python examples/inception.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from flowgraph import keras
from flowgraph.datasets import digits
from flowgraph.keras import layers


def module(image: Any, filters: int, axis: int = -1) -> Any:
    """Three towers over ``image`` (n, height, width, channels), joined along ``axis``."""
    settings = {"padding": "same", "activation": "relu"}
    tower_1 = layers.Conv2D(filters, 1, **settings)(image)
    tower_1 = layers.Conv2D(filters, 3, **settings)(tower_1)
    tower_2 = layers.Conv2D(filters, 1, **settings)(image)
    tower_2 = layers.Conv2D(filters, 5, **settings)(tower_2)
    tower_3 = layers.MaxPooling2D(3, strides=1, padding="same")(image)
    tower_3 = layers.Conv2D(filters, 1, **settings)(tower_3)
    return layers.concatenate([tower_1, tower_2, tower_3], axis=axis)


def towers(axis: int = -1) -> keras.Model:
    """The module alone, on images of 256x256x3."""
    image = keras.Input((256, 256, 3), name="image")
    return keras.Model(image, module(image, 64, axis), name="inception_module")


def classifier() -> keras.Model:
    """One module between a convolution and a softmax over the digits."""
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = layers.MaxPooling2D(2)(module(x, 16))
    x = layers.Dropout(0.25)(layers.Flatten()(x))
    model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(arguments: list[str] | None = None) -> float:
    """Draw the module, train the classifier; returns the accuracy on the test digits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    model = towers()
    model.summary()
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = (x[..., np.newaxis] / np.float32(16) for x in (x_train, x_test))
    network = classifier()
    network.fit(x_train, y_train, 32, 8 if options.quick else 30, verbose=2)
    _, accuracy = network.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {accuracy:.4f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        keras.utils.plot_model(model, options.out / "inception.png", show_shapes=True)
    return float(accuracy)


if __name__ == "__main__":
    main()
