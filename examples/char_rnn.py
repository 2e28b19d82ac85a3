"""A text, letter by letter: a recurrent network reads a story and goes on in its manner.

Two LSTM layers guess the next letter from those before.  The story (``story``) is made here: the
same kinds of sentences over and over with other animals and things, so that spelling and grammar
can be learnt from 20,000 letters.  The text goes through the network in order, and the state stays
from batch to batch (``stateful=True``).  Then the trained weights move to a model of one letter a
step, which writes.

Covers REQUIREMENTS K16 (the family RNN).  Costs at most 0.4 bits a letter on a part of the story
that it has not read, where counting letters alone costs 4.1; 2.0 with --quick.

    python examples/char_rnn.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import layers

WHO = ("fox", "heron", "badger", "old owl", "hedgehog", "young hare")
WHERE = ("river", "hollow oak", "stone bridge", "meadow", "mill")
DID = ("slept", "waited", "sang a song", "counted the stars", "looked for berries")
WHEN = ("In the morning", "At noon", "When it rained", "Late at night", "After the storm")
ROWS, WINDOW = 16, 50


def story(sentences: int, seed: int) -> str:
    """Synthetic: sentences of one grammar."""
    rng = np.random.default_rng(seed)

    def one_of(words: tuple) -> str:
        return words[rng.integers(len(words))]

    text = []
    for _ in range(sentences):
        who, other = one_of(WHO), one_of(WHO)
        text.append(
            one_of((
                f"{one_of(WHEN)} the {who} {one_of(DID)} by the {one_of(WHERE)}.",
                f"The {who} met the {other} near the {one_of(WHERE)}.",
                f'"Who {one_of(DID)} here?" asked the {who}. "The {other}," said the fox.',
            ))
        )  # fmt: skip
    return " ".join(text)


def make_model(letters: int, rows: int, window: int) -> keras.Sequential:
    """Letters (rows, window) -> the probabilities of the next letter at every place."""
    return keras.Sequential(
        [
            layers.Embedding(letters, 24, batch_input_shape=(rows, window)),
            layers.LSTM(96, return_sequences=True, stateful=True),
            layers.LSTM(96, return_sequences=True, stateful=True),
            layers.Dense(letters, activation="softmax"),
        ]
    )


def windows(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ROWS places of the text side by side: row r of the next batch goes on where it ended here."""
    length = (len(codes) - 1) // (ROWS * WINDOW) * WINDOW
    x = codes[: ROWS * length].reshape(ROWS, -1, WINDOW).swapaxes(0, 1)
    y = codes[1 : ROWS * length + 1].reshape(ROWS, -1, WINDOW).swapaxes(0, 1)
    return x.reshape(-1, WINDOW), y.reshape(-1, WINDOW, 1)


def write(model: keras.Model, alphabet: str, start: str, count: int) -> str:
    """``start`` and ``count`` more letters, each drawn from what the model expects."""
    rng = np.random.default_rng(0)
    text = start
    for place in range(len(start) + count - 1):
        expected = model.predict(np.array([[alphabet.index(text[place])]]), batch_size=1)[0, 0]
        if place + 1 >= len(start):
            sharper = expected.astype(float) ** 1.5  # more of the likely ones
            text += alphabet[rng.choice(len(alphabet), p=sharper / sharper.sum())]
    return text


def main(arguments: list[str] | None = None) -> float:
    """Train, write, draw; returns the bits a letter on a part not read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    train, test = story(450, 1), story(80, 2)
    alphabet = "".join(sorted(set(train + test)))
    coded = [np.array([alphabet.index(letter) for letter in text]) for text in (train, test)]
    frequency = np.bincount(coded[0], minlength=len(alphabet)) / len(coded[0])
    alone = float(-np.log2(frequency[coded[1]]).mean())

    model = make_model(len(alphabet), ROWS, WINDOW)
    model.compile(keras.optimizers.Adam(0.005, clipnorm=1.0), "sparse_categorical_crossentropy")
    reset = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: model.reset_states())
    history = model.fit(
        *windows(coded[0]), batch_size=ROWS, epochs=4 if options.quick else 30, shuffle=False,
        callbacks=[reset], verbose=0,
    )  # fmt: skip
    model.reset_states()
    bits = float(model.evaluate(*windows(coded[1]), batch_size=ROWS, verbose=0)) / np.log(2)
    print(f"{len(train)} letters of {len(alphabet)} kinds; ", end="")
    print(f"bits a letter: {bits:.3f}, from frequencies alone {alone:.3f}")
    writer = make_model(len(alphabet), 1, 1)
    writer.set_weights(model.get_weights())
    print(write(writer, alphabet, "The ", 60 if options.quick else 300))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        curve = {"bits a letter (training)": np.array(history.history["loss"]) / np.log(2)}
        tf.view.plot_history(options.out / "char_rnn.png", curve, title="Learning a story")
    return float(bits)


if __name__ == "__main__":
    main()
