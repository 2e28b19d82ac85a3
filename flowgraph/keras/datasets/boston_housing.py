"""Prices of houses in Boston's districts, 1978."""

from __future__ import annotations

import numpy as np

from flowgraph.keras.datasets.files import arrays_of, path_of, shuffled

Split = tuple[np.ndarray, np.ndarray]


def load_data(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Split, Split]:
    """506 districts with 13 numbers each, and their prices in 1,000 dollars.

    Args:
        path: of the .npz file, absolute or in ``~/.keras/datasets``.
        test_split: the share that is for testing.
        seed: of the order in which they are split.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: float64 (n, 13) and (n,).

    Raises:
        FileNotFoundError: there is no file.   ValueError: it is damaged, or not between 0 and 1.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split must lie in [0, 1), it is {test_split}")
    file = path_of(path, "boston_housing", "boston_housing.npz of Keras's data sets")
    x, y = shuffled(seed, *arrays_of(file, "x", "y"))
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
