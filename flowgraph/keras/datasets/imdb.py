"""Film reviews as lists of word numbers, good or bad."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from flowgraph.keras.datasets.files import (
    again_shuffled,
    arrays_of,
    lists_of_words,
    of_lists,
    path_of,
    shuffled,
)

Split = tuple[np.ndarray, np.ndarray]


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[Split, Split]:
    """50,000 reviews; words are numbered by how frequent they are.

    Args:
        path: of the .npz file, absolute or in ``~/.keras/datasets``.
        num_words: words with this number or a higher one are replaced.
        skip_top: words with a lower number are replaced.
        maxlen: reviews of this length and more are left out.
        seed: of the order.
        start_char: put in front of every review.
        oov_char: what replaces words; None: they are left out.
        index_from: what is added to words' numbers.
        kwargs: ``nb_words``, the older name of ``num_words``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists, and labels 0 or 1.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is damaged; no review is shorter than ``maxlen``.
        TypeError: another keyword.
    """
    num_words = kwargs.pop("nb_words", num_words)
    if kwargs:
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
    file = path_of(path, "imdb", "imdb.npz of Keras's data sets")
    x_train, y_train, x_test, y_test = arrays_of(file, "x_train", "y_train", "x_test", "y_test")
    x_train, y_train = shuffled(seed, x_train, y_train)
    x_test, y_test = again_shuffled(x_test, y_test)
    if not num_words:
        extra = 0 if start_char is None else 1
        shorter = [x for x in (*x_train, *x_test) if not maxlen or len(x) + extra < maxlen]
        num_words = max((max(x) for x in shorter if len(x)), default=0) + index_from
    how = num_words, skip_top, maxlen, start_char, oov_char, index_from
    parts = [lists_of_words(x, y, *how) for x, y in ((x_train, y_train), (x_test, y_test))]
    train, test = ((of_lists(texts), np.array(labels)) for texts, labels in parts)
    return train, test


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Word -> number, before ``index_from`` is added.

    Args:
        path: of the JSON file, absolute or in ``~/.keras/datasets``.

    Raises:
        FileNotFoundError: there is no file.
    """
    file = path_of(path, "imdb", "imdb_word_index.json of Keras's data sets")
    with open(file, encoding="utf-8") as opened:
        found: dict[str, int] = json.load(opened)
    return found
