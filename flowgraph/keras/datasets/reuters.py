"""News as lists of word numbers, in 46 topics."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from flowgraph.keras.datasets.files import (
    arrays_of,
    lists_of_words,
    of_lists,
    path_of,
    shuffled,
)

Split = tuple[np.ndarray, np.ndarray]


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[Split, Split]:
    """11,228 news; words are numbered by how frequent they are.

    Args:
        path: of the .npz file, absolute or in ``~/.keras/datasets``.
        num_words: words with this number or a higher one are replaced.
        skip_top: words with a lower number are replaced.
        maxlen: news of this length and more are left out.
        test_split: the share that is for testing.
        seed: of the order.
        start_char: put in front of every text.
        oov_char: what replaces words; None: they are left out.
        index_from: what is added to words' numbers.
        kwargs: ``nb_words``, the older name of ``num_words``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists, and topics 0 to 45.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is damaged; no text is shorter than ``maxlen``.
        TypeError: another keyword.
    """
    num_words = kwargs.pop("nb_words", num_words)
    if kwargs:
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
    file = path_of(path, "reuters", "reuters.npz of Keras's data sets")
    x, y = shuffled(seed, *arrays_of(file, "x", "y"))
    xs, labels = lists_of_words(x, y, num_words, skip_top, maxlen, start_char, oov_char, index_from)
    cut = int(len(xs) * (1 - test_split))
    texts, found = of_lists(xs), np.array(labels)
    return (texts[:cut], found[:cut]), (texts[cut:], found[cut:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Word -> number, before ``index_from`` is added.

    Args:
        path: of the JSON file, absolute or in ``~/.keras/datasets``.

    Raises:
        FileNotFoundError: there is no file.
    """
    file = path_of(path, "reuters", "reuters_word_index.json of Keras's data sets")
    with open(file, encoding="utf-8") as opened:
        found: dict[str, int] = json.load(opened)
    return found
