"""Zalando's pictures of clothes, in MNIST's form."""

from __future__ import annotations

from flowgraph.datasets.mnist import Split, read_files
from flowgraph.keras.datasets.files import path_of


def load_data() -> tuple[Split, Split]:
    """70,000 pictures of clothes, from the four IDX files in ``datasets/fashion-mnist``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 (n, 28, 28) and (n,).

    Raises:
        FileNotFoundError: they are not there.   ValueError: one is damaged.
    """
    source = "the four files of https://github.com/zalandoresearch/fashion-mnist"
    folder = path_of("fashion-mnist", "fashion_mnist", source)
    found = read_files(folder)
    if found is None:
        raise FileNotFoundError(f"fashion_mnist: there are no IDX files in {folder}; get {source}")
    return found
