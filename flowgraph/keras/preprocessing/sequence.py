"""Sequences as arrays: padding, pairs of words for skip-grams, windows of time series."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence as Row
from typing import Any

import numpy as np

from flowgraph.keras.utils.data_utils import Sequence


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as the rows of one array.

    Args:
        sequences: list of lists; elements may be arrays of one shape.
        maxlen: length of the rows; that of the longest sequence by default.
        dtype: of the result; ``object`` for strings.
        padding: where rows that are too short are filled: "pre" or "post".
        truncating: where sequences that are too long lose elements: "pre" or "post".
        value: what rows are filled with.

    Returns:
        Array (sequences, maxlen), followed by the shape of an element.

    Raises:
        ValueError: a sequence has no length, shapes of elements differ, or an unknown word.

    >>> pad_sequences([[1], [2, 3, 4]], maxlen=2)
    array([[0, 1],
           [3, 4]], dtype=int32)
    """
    for name, word in (("padding", padding), ("truncating", truncating)):
        if word not in ("pre", "post"):
            raise ValueError(f"pad_sequences: {name} is 'pre' or 'post', got {word!r}")
    rows = list(sequences)
    for row in rows:
        if not hasattr(row, "__len__"):
            raise ValueError(f"pad_sequences: sequences must be lists of lists; found {row!r}")
    if isinstance(value, str) and np.dtype(dtype) != object and np.dtype(dtype).kind not in "US":
        raise ValueError(f"pad_sequences: value {value!r} needs dtype=object, not {dtype}")
    length = max((len(row) for row in rows), default=0) if maxlen is None else maxlen
    element = next((np.shape(row)[1:] for row in rows if len(row)), ())
    result = np.full((len(rows), length, *element), value, dtype=dtype)
    for index, row in enumerate(rows):
        if not len(row) or not length:
            continue
        kept = np.asarray(row[-length:] if truncating == "pre" else row[:length], dtype=dtype)
        if kept.shape[1:] != element:
            raise ValueError(
                f"pad_sequences: sequence {index} has elements of shape {kept.shape[1:]}, "
                f"the first one of {element}"
            )
        if padding == "post":
            result[index, : len(kept)] = kept
        else:
            result[index, length - len(kept) :] = kept
    return result


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """How probable it is that the word of each rank is kept, by its frequency (Zipf's law).

    min(1, sqrt(sampling_factor / f(r))), with 1 / f(r) = r (log r + gamma) + 1/2 - 1/(12 r)

    Args:
        size: number of words.
        sampling_factor: smaller ones drop more of the frequent words.

    Returns:
        Array (size,); entry r is for the word of rank r, entry 0 for that of rank 1.
    """
    gamma = 0.577
    rank = np.maximum(np.arange(size), 1)
    factor = sampling_factor * (rank * (np.log(rank) + gamma) + 0.5 - 1.0 / (12.0 * rank))
    return np.minimum(1.0, factor / np.sqrt(factor))


def skipgrams(
    sequence: Row[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs (word, word nearby) with label 1, and (word, random word) with label 0.

    Args:
        sequence: word numbers; 0 is no word.
        vocabulary_size: largest word number plus 1.
        window_size: how far "nearby" reaches to either side.
        negative_samples: random pairs per true pair.
        shuffle: whether the order is random.
        categorical: labels [0, 1] and [1, 0] instead of 1 and 0.
        sampling_table: probability with which each word is kept, as of ``make_sampling_table``.
        seed: of the shuffle.

    Returns:
        The list of pairs and the list of labels.

    NB: numbers come from Python's ``random``; ``random.seed`` makes them the same again.
    """
    pairs: list[list[int]] = []
    for i, word in enumerate(sequence):
        if not word:
            continue
        if sampling_table is not None and sampling_table[word] < random.random():  # noqa: S311
            continue
        nearby = range(max(0, i - window_size), min(len(sequence), i + window_size + 1))
        pairs += [[word, sequence[j]] for j in nearby if j != i and sequence[j]]
    true, false = ([0, 1], [1, 0]) if categorical else (1, 0)
    labels: list[Any] = [true] * len(pairs)
    if negative_samples > 0 and pairs:
        words = [pair[0] for pair in pairs]
        random.shuffle(words)
        count = int(len(pairs) * negative_samples)
        pairs += [
            [words[i % len(words)], random.randint(1, vocabulary_size - 1)]  # noqa: S311
            for i in range(count)
        ]
        labels += [false] * count
    if shuffle:
        seed = random.randint(0, 10**7) if seed is None else seed  # noqa: S311
        for items in (pairs, labels):  # the same order for both
            random.seed(seed)
            random.shuffle(items)
    return pairs, labels


class TimeseriesGenerator(Sequence):
    """Batches of windows of a time series, each with the target of the step behind it.

    Args:
        data: array or list; the first axis is time.
        targets: of the same length.
        length: steps that a window spans.
        sampling_rate: every how manieth step of the window is taken.
        stride: steps from one window to the next.
        start_index: the first step that is used.
        end_index: the last step that is used; that of the data by default.
        shuffle: draw the windows of a batch at random.
        reverse: the latest step of a window comes first.
        batch_size: windows per batch; the last batch may have fewer.

    Raises:
        ValueError: data and targets differ in length, or no window fits.

    >>> x, y = TimeseriesGenerator(np.arange(6), np.arange(6), length=3, batch_size=2)[0]
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3]], [3, 4])
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        if len(data) != len(targets):
            raise ValueError(
                f"TimeseriesGenerator: {len(data)} steps of data but {len(targets)} targets"
            )
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride = sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"TimeseriesGenerator: no window of {length} steps and a target behind it fits "
                f"between steps {start_index} and {self.end_index}"
            )

    def __len__(self) -> int:
        """Batches per epoch."""
        windows = (self.end_index - self.start_index) // self.stride + 1
        return math.ceil(windows / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch ``index``: windows (batch, steps, ...) and targets (batch, ...)."""
        stop = self.end_index + 1
        if self.shuffle:
            rows = np.random.randint(self.start_index, stop, size=self.batch_size)  # noqa: NPY002
        else:
            first = self.start_index + self.batch_size * self.stride * index
            rows = np.arange(first, min(first + self.batch_size * self.stride, stop), self.stride)
        samples = np.array(
            [self.data[row - self.length : row : self.sampling_rate] for row in rows]
        )
        targets = np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1] if self.reverse else samples), targets

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal generator, data and targets as lists."""
        return {
            "data": np.asarray(self.data).tolist(),
            "targets": np.asarray(self.targets).tolist(),
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index - self.length,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }
