"""Arrays in HDF5 files as data to train with, without reading them whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["HDF5Matrix"]


def h5py_for(path: Any) -> Any:
    """The module h5py.

    Args:
        path: of the file that needs it, for the message.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise ImportError(
            f"{path}: HDF5 files need the package h5py: pip install flowgraph[hdf5]; models and "
            "weights in files with another ending than .h5 and .hdf5 need nothing"
        ) from None
    return h5py


class HDF5Matrix:
    """Rows ``start`` to ``end`` of a data set in an HDF5 file, read when they are asked for.

    Args:
        datapath: the path of the file.
        dataset: the name of the data set in it.
        start: the first row.
        end: the row behind the last; all by default.
        normalizer: a function that is applied to rows that were read.

    Needs h5py (``pip install flowgraph[hdf5]``).  With ``fit`` use ``shuffle="batch"``.
    """

    #: path -> open file, which all data sets in it share.
    refs: dict[str, Any] = {}

    def __init__(
        self,
        datapath: Any,
        dataset: str,
        start: int = 0,
        end: int | None = None,
        normalizer: Callable[[Any], Any] | None = None,
    ) -> None:
        path = str(datapath)
        file = self.refs.get(path)
        if not file:  # h5py's closed files are false
            file = self.refs[path] = h5py_for(path).File(path, "r")
        if dataset not in file:
            raise KeyError(f"{path!r} has no data set {dataset!r}; it has {sorted(file)}")
        self.data, self.start, self.normalizer = file[dataset], start, normalizer
        count = self.data.shape[0]
        self.end = count if end is None else end
        if not 0 <= start <= self.end <= count:
            raise ValueError(f"HDF5Matrix: rows {start} to {self.end} of {count}")

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> Any:
        """Rows: a number, a slice, or numbers in a list or array.

        Raises:
            IndexError: there is no such row.
        """
        count = len(self)
        if isinstance(key, slice):
            first, last, step = key.indices(count)
            rows = self.data[self.start + first : max(self.start + last, 0)][::step]
            if step < 0:
                rows = self.data[self.start : self.end][key]
        elif isinstance(key, (int, np.integer)):
            rows = self.data[int(self._checked(np.asarray([key]))[0])]
        else:
            wanted = self._checked(np.asarray(key))
            # h5py reads rows in order, each once
            present, where = np.unique(wanted, return_inverse=True)
            rows = self.data[present.tolist()][where]
        return rows if self.normalizer is None else self.normalizer(rows)

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        count = len(self)
        if rows.size and not (-count <= rows.min() and rows.max() < count):
            raise IndexError(f"row {rows.tolist()} of {count}")
        return np.where(rows < 0, rows + count, rows) + self.start

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, and their shape after ``normalizer``."""
        rows = self.data.shape[1:] if self.normalizer is None else np.shape(self[0:1])[1:]
        return (len(self), *rows)

    @property
    def dtype(self) -> Any:
        """What rows have after ``normalizer``."""
        return self.data.dtype if self.normalizer is None else np.asarray(self[0:1]).dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))
