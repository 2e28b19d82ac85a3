"""Fetched rank-0 results: NumPy scalars that print as plain numbers.

NumPy 2 prints ``[np.float32(3.0), np.float32(4.0)]`` where TensorFlow 1 programs and the books
about them show ``[3.0, 4.0]``.  These subclasses change ``repr`` alone; arithmetic gives NumPy's
own types, and they pickle as those.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _printing_plainly(base: Any) -> type:
    def __repr__(self: Any) -> str:  # noqa: N807
        return base.__str__(self)

    def __reduce__(self: Any) -> tuple:  # noqa: N807
        return (base, (self.item(),))

    body = {
        "__slots__": (),
        "__repr__": __repr__,
        "__reduce__": __reduce__,
        "__doc__": base.__doc__,
    }
    return type(base.__name__, (base,), body)


_TYPES = {
    np.dtype(base): _printing_plainly(base)
    for base in (
        np.float16,
        np.float32,
        np.float64,
        np.int8,
        np.int16,
        np.int32,
        np.int64,
        np.uint8,
        np.uint16,
        np.uint32,
        np.uint64,
    )
}


def scalar_type(dtype: np.dtype) -> type | None:
    """The plainly printing scalar type of ``dtype``, or None where NumPy's own is used."""
    return _TYPES.get(dtype)
