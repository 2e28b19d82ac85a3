"""Headlines and their hour: a model with two inputs and two outputs.

``main_input`` is a headline of 100 word numbers, read by an LSTM; ``aux_input`` is five numbers
about its publication.  ``main_output`` tells from both how well the headline will do;
``aux_output`` tells it from the words alone, so that the LSTM learns directly, too.  The losses are
added, the second with weight 0.2.  The headlines are synthetic (``make_headlines``).

Covers REQUIREMENTS K12 (5,200,610 weights; loss_weights; a loss for each output) and K16 (the
family RNN). The main output is right on at least 0.9 of the test headlines, and better than the one
that sees the words only; 0.85 with --quick.

    python examples/headlines.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import layers

LENGTH, VOCABULARY, EXTRAS = 100, 10_000, 5


def make_headlines(count: int, seed: int, words: int = 60) -> tuple[list, np.ndarray]:
    """Synthetic: 4 to 20 of ``words`` words, filled with zeros in front; half of the words do good.

    What the headline does is the sum over its words and of a part that the five extra numbers tell.
    """
    rng = np.random.default_rng(seed)
    texts = np.zeros((count, LENGTH), np.int32)
    effect = np.where(np.arange(words) % 2, 1.0, -1.0)
    appeal = np.empty(count)
    for row in range(count):
        chosen = rng.integers(0, words, rng.integers(4, 21))
        texts[row, -len(chosen) :] = 1 + chosen
        appeal[row] = effect[chosen].sum()
    extras = rng.normal(size=(count, EXTRAS)).astype(np.float32)
    appeal += 2 * extras[:, 0] - 2 * extras[:, 1]
    return [texts, extras], (appeal > 0).astype(np.float32)


def make_model() -> keras.Model:
    """Words and extra numbers -> main and auxiliary probability."""
    main_input = keras.Input((LENGTH,), dtype="int32", name="main_input")
    x = layers.Embedding(VOCABULARY, 512, input_length=LENGTH)(main_input)
    x = layers.LSTM(32)(x)
    aux_output = layers.Dense(1, activation="sigmoid", name="aux_output")(x)
    aux_input = keras.Input((EXTRAS,), name="aux_input")
    x = layers.concatenate([x, aux_input])
    for _ in range(3):
        x = layers.Dense(64, activation="relu")(x)
    main_output = layers.Dense(1, activation="sigmoid", name="main_output")(x)
    return keras.Model([main_input, aux_input], [main_output, aux_output])


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, evaluate, draw; returns the accuracies of both outputs on the test headlines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer headlines and epochs")
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    x_train, y_train = make_headlines(1000 if options.quick else 4000, 1)
    x_test, y_test = make_headlines(500, 2)

    model = make_model()
    model.summary()
    adam = keras.optimizers.Adam(0.003)
    model.compile(adam, "binary_crossentropy", loss_weights=[1.0, 0.2], metrics=["accuracy"])
    epochs = 3 if options.quick else 6
    history = model.fit(x_train, [y_train, y_train], 64, epochs, verbose=2)
    found = model.evaluate(x_test, [y_test, y_test], verbose=0)
    logs = dict(zip(model.metrics_names, found, strict=True))
    scores = {name: float(logs[f"{name}_acc"]) for name in ("main_output", "aux_output")}
    print("test accuracy:", ", ".join(f"{name} {score:.3f}" for name, score in scores.items()))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        keras.utils.plot_model(model, options.out / "headlines.png", show_shapes=True)
        tf.view.plot_history(options.out / "headlines_history.png", history)
    return scores


if __name__ == "__main__":
    main()
