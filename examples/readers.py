"""Age, sex and income from what somebody reads: a model with three outputs of three kinds.

One body reads the numbers of the last 20 articles; three heads answer: the age, a number (squared
error), the sex, one of two (sigmoid), and the income, one of four brackets (softmax).  Squared
years are larger numbers than cross-entropies, so ``loss_weights`` brings them to one scale.  The
readers are synthetic (``make_readers``): each topic has readers of its own age, sex and income.

Covers REQUIREMENTS K13 (three outputs; built, trained and drawn).  Test readers: the age within 6
years in the mean, the sex right on at least 0.8, the bracket on at least 0.6.

    python examples/readers.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowgraph import keras
from flowgraph.keras import layers

TOPICS, ARTICLES, BRACKETS = 60, 20, 4


def make_readers(count: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Synthetic: the topics of 20 articles of each reader, and age, sex and income bracket."""
    topics = np.random.default_rng(0)  # the same for every seed
    age_of, sex_of = topics.uniform(20, 70, TOPICS), topics.uniform(0, 1, TOPICS)
    income_of = topics.uniform(0, BRACKETS, TOPICS)
    rng = np.random.default_rng(seed)
    age, sex = rng.uniform(20, 70, count), rng.integers(0, 2, count)
    bracket = rng.integers(0, BRACKETS, count)
    distance = ((age[:, None] - age_of) / 12) ** 2 + 4 * (sex[:, None] - sex_of) ** 2
    distance += 2 * (bracket[:, None] + 0.5 - income_of) ** 2
    distance *= 0.3  # readers look at other topics, too
    # The largest of log-probability + Gumbel noise is a draw with those probabilities.
    noise = rng.gumbel(size=(count, ARTICLES, TOPICS))
    read = (noise - distance[:, None, :]).argmax(2)
    return read, {"age": age, "sex": sex, "income": bracket}


def make_model() -> keras.Model:
    """Articles -> age, sex, income."""
    articles = keras.Input((ARTICLES,), dtype="int32", name="articles")
    x = layers.Embedding(TOPICS, 32)(articles)
    x = layers.Conv1D(64, 1, activation="relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(64, activation="relu")(x)
    age = layers.Dense(1, name="age", bias_initializer=keras.initializers.Constant(45))(x)
    sex = layers.Dense(1, activation="sigmoid", name="sex")(x)
    income = layers.Dense(BRACKETS, activation="softmax", name="income")(x)
    return keras.Model(articles, [age, sex, income], name="readers")


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, evaluate, draw; returns the scores of the three heads on test readers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    (x_train, y_train), (x_test, y_test) = make_readers(3000, 1), make_readers(1000, 2)

    model = make_model()
    model.compile(
        "adam",
        {"age": "mse", "sex": "binary_crossentropy", "income": "sparse_categorical_crossentropy"},
        loss_weights={"age": 0.01, "sex": 1.0, "income": 1.0},
    )
    model.fit(x_train, y_train, 32, 8 if options.quick else 30, verbose=0)
    age, sex, income = model.predict(x_test)
    scores = {
        "years": float(np.abs(age[:, 0] - y_test["age"]).mean()),
        "sex": float(((sex[:, 0] > 0.5) == y_test["sex"]).mean()),
        "income": float((income.argmax(1) == y_test["income"]).mean()),
    }
    print(
        "age off by {years:.1f} years; right: sex {sex:.3f}, income {income:.3f}".format(**scores)
    )
    print("who always says 45 is off by 12.5 years; guessing: 0.5 and 0.25")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        keras.utils.plot_model(model, options.out / "readers.png", show_shapes=True)
    return scores


if __name__ == "__main__":
    main()
