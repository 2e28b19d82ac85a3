"""Where the random numbers of the transforms come from.

Functions draw from ``np.random``, as Keras's do, so ``np.random.seed`` makes them the same again.
A batch that an iterator with a seed makes has a stream of its own, with the numbers that
``np.random`` would give behind that seed; threads that make batches at once do not meet in it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_CURRENT = threading.local()


def stream() -> Any:
    """The stream that this thread draws from: that of the batch in making, or ``np.random``."""
    return getattr(_CURRENT, "stream", None) or np.random


def seeded(seed: int | None) -> Any:
    """The stream that begins with a seed.

    Args:
        seed: None for ``np.random``.

    Returns:
        An object with the methods of ``np.random``.
    """
    return np.random if seed is None else np.random.RandomState(seed % 2**32)


@contextmanager
def drawing_from(source: Any) -> Iterator[None]:
    """Inside, ``stream`` is ``source`` in this thread.

    Args:
        source: an object with the methods of ``np.random``.
    """
    before = getattr(_CURRENT, "stream", None)
    _CURRENT.stream = source
    try:
        yield
    finally:
        _CURRENT.stream = before
