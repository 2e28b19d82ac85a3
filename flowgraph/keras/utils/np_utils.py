"""Arrays of labels and of samples, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_categorical(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Rows with a 1 at the class and 0 elsewhere.

    Args:
        y: integer classes from 0, of any shape; a last axis of size 1 is dropped.
        num_classes: how many there are; the largest one plus 1 by default.
        dtype: of the result.

    Returns:
        Array of shape ``y.shape + (num_classes,)``.

    Raises:
        ValueError: a class is negative, or not below ``num_classes``.

    >>> to_categorical([0, 2], dtype="int32")
    array([[1, 0, 0],
           [0, 0, 1]], dtype=int32)
    """
    classes = np.asarray(y).astype(np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    if num_classes is None:
        count = int(classes.max()) + 1 if classes.size else 0
    else:
        count = int(num_classes)
    if classes.size and (classes.min() < 0 or classes.max() >= count):
        raise ValueError(
            f"to_categorical: classes are between {classes.min()} and {classes.max()}; "
            f"with num_classes={count} they must be in [0, {count})"
        )
    return (classes[..., None] == np.arange(count)).astype(dtype)


def normalize(x: Any, axis: int = -1, order: Any = 2) -> np.ndarray:
    """``x`` over its norm along ``axis``; where the norm is 0, ``x`` itself.

    Args:
        x: array.
        axis: along which the norm is taken.
        order: of the norm, as in ``numpy.linalg.norm``: 2 is the Euclidean one.

    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    norms = np.atleast_1d(np.linalg.norm(x, order, axis))
    norms[norms == 0] = 1
    return np.asarray(x) / np.expand_dims(norms, axis)
