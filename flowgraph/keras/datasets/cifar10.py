"""Small colour pictures of ten kinds of things."""

from __future__ import annotations

import os

import numpy as np

from flowgraph.keras.backend import image_data_format
from flowgraph.keras.datasets.files import path_of, unpickled

Split = tuple[np.ndarray, np.ndarray]


def load_batch(path: str, label_key: str = "labels") -> Split:
    """One file of CIFAR's: pictures (n, 3, 32, 32) and labels (n,).

    Args:
        path: of the file.
        label_key: which labels it is read for.

    Raises:
        ValueError: it is damaged.
    """
    batch = unpickled(path)
    try:
        data = np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32)
        labels = np.asarray(batch[label_key], np.uint8).reshape(-1)
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a batch of CIFAR's: {error}") from None
    if len(data) != len(labels):
        raise ValueError(f"{path}: {len(data)} pictures, but {len(labels)} labels")
    return data, labels


def in_order(data: np.ndarray, labels: np.ndarray) -> Split:
    """Pictures with channels where Keras's settings have them, and labels as a column."""
    if image_data_format() == "channels_last":
        data = data.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(data), labels.reshape(-1, 1)


def load_data() -> tuple[Split, Split]:
    """60,000 pictures from ``datasets/cifar-10-batches-py``, the unpacked archive.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 (n, 32, 32, 3) and (n, 1).

    Raises:
        FileNotFoundError: it is not there.   ValueError: a file is damaged.
    """
    source = "cifar-10-python.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html, unpacked"
    folder = path_of("cifar-10-batches-py", "cifar10", source)
    parts = [load_batch(os.path.join(folder, f"data_batch_{i}")) for i in range(1, 6)]
    data, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    return in_order(data, labels), in_order(*load_batch(os.path.join(folder, "test_batch")))
