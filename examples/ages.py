"""Baby, child, teenager, adult or old: five classes from height, weight and sex.

A softmax layer answers five probabilities that sum to 1.  The people are synthetic
(``make_people``): sizes and weights around the ones usual at an age, with the overlap that real
ones have.

Covers REQUIREMENTS K11 (softmax, categorical_crossentropy).  Right on at least 0.9 of the test
people.

    python examples/ages.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import layers

CLASSES = ("baby", "child", "teenager", "adult", "old")
#: Of women: cm, kg; men are taller and heavier by a twelfth from the teens on.
HEIGHTS, HEIGHT_SPREAD = np.array([68.0, 115.0, 158.0, 166.0, 157.0]), 4.0
WEIGHTS, WEIGHT_SPREAD = np.array([7.5, 21.0, 46.0, 66.0, 76.0]), 4.0


def make_people(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic: (height, weight, sex) with sex 0 or 1, and the number of the class."""
    rng = np.random.default_rng(seed)
    kind, sex = rng.integers(0, 5, count), rng.integers(0, 2, count)
    larger = 1 + sex * (kind >= 2) / 12
    height = HEIGHTS[kind] * larger + HEIGHT_SPREAD * rng.normal(size=count)
    weight = WEIGHTS[kind] * larger + WEIGHT_SPREAD * rng.normal(size=count)
    return np.stack([height, weight, sex], axis=1).astype(np.float32), kind


def main(arguments: list[str] | None = None) -> float:
    """Train, evaluate, draw; returns the accuracy on the test people."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    (x_train, y_train), (x_test, y_test) = make_people(3000, 1), make_people(1000, 2)
    mean, deviation = x_train.mean(0), x_train.std(0)

    model = keras.Sequential(
        [
            layers.Dense(32, activation="relu", input_shape=(3,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    answers = keras.utils.to_categorical(y_train, 5)
    epochs = 20 if options.quick else 60
    model.fit((x_train - mean) / deviation, answers, 32, epochs, verbose=0)
    probabilities = model.predict((x_test - mean) / deviation)
    accuracy = float((probabilities.argmax(1) == y_test).mean())
    print(f"test accuracy {accuracy:.4f}")
    for person, row in zip(x_test[:3], probabilities, strict=False):
        likely = [i for i in row.argsort()[::-1] if row[i] > 0.005]
        says = ", ".join(f"{CLASSES[i]} {row[i]:.2f}" for i in likely)
        print(f"{person[0]:.0f} cm, {person[1]:.0f} kg, {('woman', 'man')[int(person[2])]}: {says}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        women = x_test[:, 2] == 0

        def of_a_woman(points: np.ndarray) -> np.ndarray:
            person = np.concatenate([points, np.zeros((len(points), 1), np.float32)], axis=1)
            return model.predict((person - mean) / deviation)

        numbered = ", ".join(f"{i} {name}" for i, name in enumerate(CLASSES))
        tf.view.plot_decision_boundary(
            options.out / "ages.png", of_a_woman, x_test[women, :2], y_test[women],
            title=f"Women by height (cm) and weight (kg):\n{numbered}",
        )  # fmt: skip
    return accuracy


if __name__ == "__main__":
    main()
