"""Small colour pictures of a hundred kinds of things, in twenty groups."""

from __future__ import annotations

import os

import numpy as np

from flowgraph.keras.datasets.cifar10 import in_order, load_batch
from flowgraph.keras.datasets.files import path_of

Split = tuple[np.ndarray, np.ndarray]


def load_data(label_mode: str = "fine") -> tuple[Split, Split]:
    """60,000 pictures from ``datasets/cifar-100-python``, the unpacked archive.

    Args:
        label_mode: ``"fine"``: 100 kinds; ``"coarse"``: 20 groups.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 (n, 32, 32, 3) and (n, 1).

    Raises:
        FileNotFoundError: it is not there.
        ValueError: a file is damaged; another ``label_mode``.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f"label_mode is 'fine' or 'coarse', not {label_mode!r}")
    source = "cifar-100-python.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html, unpacked"
    folder = path_of("cifar-100-python", "cifar100", source)
    train, test = (
        load_batch(os.path.join(folder, name), f"{label_mode}_labels") for name in ("train", "test")
    )
    return in_order(*train), in_order(*test)
