"""Questions about pictures: a model with two inputs, of the lecture's figure.

A picture shows two handwritten digits side by side, a question has three words: "which digit left",
"which digit right", "which side larger".  Convolutions read the picture, an LSTM reads the
question, and what both have found is joined to tell the answer: a digit, a side, or "same".

Covers REQUIREMENTS K13 (two inputs; built, trained and drawn).  Answers at least 0.85 of the
questions about digits it has never seen.

    python examples/question_answering.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowgraph import keras
from flowgraph.datasets import digits
from flowgraph.keras import layers

WORDS = ("which", "digit", "side", "left", "right", "larger")
QUESTIONS = (("which", "digit", "left"), ("which", "digit", "right"), ("which", "side", "larger"))
ANSWERS = (*map(str, range(10)), "left", "right", "same")


def examples(images: np.ndarray, labels: np.ndarray, count: int, seed: int) -> tuple:
    """``count`` pictures of two digits with questions about them, and the answers."""
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, len(images), (2, count))
    pictures = np.concatenate([images[left], images[right]], axis=2)[..., np.newaxis]
    asked = rng.integers(0, len(QUESTIONS), count)
    questions = np.array([[WORDS.index(word) for word in QUESTIONS[i]] for i in asked])
    a, b = labels[left], labels[right]
    side = np.where(a == b, 12, np.where(a > b, 10, 11))
    return (pictures, questions), np.choose(asked, [a, b, side])


def make_model() -> keras.Model:
    """Picture and question -> probabilities of the answers."""
    picture = keras.Input((8, 16, 1), name="picture")
    x = layers.Conv2D(32, 3, activation="relu")(picture)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    seen = layers.Flatten(name="seen")(x)
    question = keras.Input((3,), dtype="int32", name="question")
    words = layers.Embedding(len(WORDS), 8)(question)
    read = layers.LSTM(16, name="read")(words)
    x = layers.concatenate([seen, read])
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dense(128, activation="relu")(x)
    answer = layers.Dense(len(ANSWERS), activation="softmax", name="answer")(x)
    return keras.Model([picture, question], answer, name="questions_about_pictures")


def main(arguments: list[str] | None = None) -> float:
    """Train, evaluate, draw; returns the accuracy on new digits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="where the picture of the model goes")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    scale = float(x_train.max())
    train = examples(x_train.reshape(-1, 8, 8) / scale, y_train, 12000, seed=2)
    test = examples(x_test.reshape(-1, 8, 8) / scale, y_test, 2000, seed=3)
    model = make_model()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    epochs = 5 if options.quick else 20
    model.fit(list(train[0]), train[1], batch_size=64, epochs=epochs, verbose=2)
    _, accuracy = model.evaluate(list(test[0]), test[1], verbose=0)
    print(f"accuracy on digits it has not seen: {accuracy:.3f}")
    for i in range(3):
        asked = " ".join(WORDS[word] for word in test[0][1][i])
        probabilities = model.predict([part[i : i + 1] for part in test[0]])
        print(f"{asked}? {ANSWERS[probabilities.argmax()]} ({ANSWERS[test[1][i]]})")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        keras.utils.plot_model(model, options.out / "question_answering.svg", show_shapes=True)
    return float(accuracy)


if __name__ == "__main__":
    main()
