"""Handwritten digits: 1,797 images of 8x8 pixels, 0 to 16 each, with their labels.

The test set of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI
Machine Learning Repository, 1998 (doi 10.24432/C50P49), licensed under CC BY 4.0.  The README.md
beside this file says how the images were made and how this copy was.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

Split = tuple[np.ndarray, np.ndarray]

_FILE = Path(__file__).parent / "optdigits.npz"

#: Every fifth image is a test image.
TEST_EVERY = 5


def load_data() -> tuple[Split, Split]:
    """The digits, split into 1,438 for training and 359 for testing.

    The split is fixed: the images stay in their order, and every fifth one is a test image.  So the
    13 people who wrote them occur in both parts; on people it has never seen (split off the last
    rows of the whole to try), a classifier does about five percent worse.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images as uint8 (n, 8, 8) with values 0 to 16, and
        labels as uint8 (n,) with values 0 to 9.

    Source: the form of ``keras.datasets.mnist.load_data``.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, y_train.shape, x_test.shape, y_test[:5].tolist()
    ((1438, 8, 8), (1438,), (359, 8, 8), [4, 9, 4, 9, 4])
    """
    with np.load(_FILE, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    is_test = np.arange(len(labels)) % TEST_EVERY == TEST_EVERY - 1
    return (images[~is_test], labels[~is_test]), (images[is_test], labels[is_test])
