"""Fraudulent card payments: two classes, one of them rare.

One sigmoid unit answers the probability of fraud.  The payments are synthetic (``make_payments``):
20 numbers each, 5 percent of them frauds, which differ in how the numbers go together.  Who always
says "honest" is right on 95 percent, so accuracy says little here: recall and precision are
reported, and the area under the ROC curve, which is 0.5 for guessing.

Covers REQUIREMENTS K10 (sigmoid, binary_crossentropy) and N18 (recall).  AUC at least 0.95.

    python examples/fraud.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowgraph import keras
from flowgraph.keras import layers

FRAUDS = 0.05


def make_payments(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic: 20 features, and 1 for the FRAUDS with the highest risk, which is not linear."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 20)).astype(np.float32)
    risk = x[:, 0] + x[:, 1] + 1.5 * x[:, 2] * x[:, 3] - np.abs(x[:, 4])
    risk += 0.3 * rng.normal(size=count)
    return x, (risk > np.quantile(risk, 1 - FRAUDS)).astype(np.float32)


def rates(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The ROC curve and the area under it: false alarms, found frauds, area."""
    ranked = truth[np.argsort(-probabilities)]
    found = np.concatenate([[0], np.cumsum(ranked) / ranked.sum()])
    alarms = np.concatenate([[0], np.cumsum(1 - ranked) / (1 - ranked).sum()])
    return alarms, found, float(np.diff(alarms) @ found[1:])


def draw(path: Path, alarms: np.ndarray, found: np.ndarray, area: float) -> None:
    """The ROC curve."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.plot(alarms, found, label=f"network, area {area:.3f}")
    axis.plot([0, 1], [0, 1], color="gray", linestyle="--", label="guessing, area 0.5")
    axis.set_xlabel("false alarms, of all honest payments")
    axis.set_ylabel("frauds found, of all frauds")
    axis.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns AUC, recall, precision and accuracy on the test payments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    (x_train, y_train), (x_test, y_test) = make_payments(8000, 1), make_payments(4000, 2)

    model = keras.Sequential(
        [
            layers.Dense(64, activation="relu", input_dim=20),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    epochs = 20 if options.quick else 60
    # A missed fraud costs as much as four false alarms.
    model.fit(x_train, y_train, 64, epochs, class_weight={0: 1.0, 1: 4.0}, verbose=0)
    probabilities = model.predict(x_test)[:, 0]

    alarms, found, area = rates(y_test, probabilities)
    guess = probabilities > 0.5
    right = y_test[guess].sum()
    scores = {
        "auc": area,
        "recall": float(right / y_test.sum()),
        "precision": float(right / guess.sum()),
        "accuracy": float((guess == y_test).mean()),
    }
    print("  ".join(f"{name} {score:.3f}" for name, score in scores.items()))
    print(f"always 'honest': accuracy {1 - y_test.mean():.3f}, recall 0")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "fraud.png", alarms, found, area)
    return scores


if __name__ == "__main__":
    main()
