"""A table from keys to values, as a session keeps it.

Read next: table_ops.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.errors import FailedPreconditionError
from flowgraph.ops.rules import invalid

Array = np.ndarray[Any, Any]


class HostTable:
    """Keys and their values.

    Args:
        kind: op type without version: ``HashTable``, ``MutableHashTable`` ...
        name: for messages.
        key_dtype, value_dtype: of keys and values.
        value_shape: shape of a value.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        key_dtype: DType,
        value_dtype: DType,
        value_shape: tuple[int, ...] = (),
    ) -> None:
        self.kind, self.name = kind, name
        self.key_dtype, self.value_dtype, self.value_shape = key_dtype, value_dtype, value_shape
        self.entries: dict[Any, Any] = {}
        #: A HashTable is filled once, before it is used.
        self.is_ready = kind != "HashTable"
        #: Keys that a dense table keeps for itself.
        self.forbidden: dict[str, Any] = {}

    def __repr__(self) -> str:
        return (
            f"{self.kind} {self.name!r} from {self.key_dtype.name} to {self.value_dtype.name}"
        )

    def close(self) -> None:
        """The session ends."""

    def _check(self, keys: Array, values: Array | None) -> None:
        """Keys and values are of the dtypes and shapes of the table."""
        if keys.dtype != self.key_dtype.np:
            raise invalid(f"{self} does not take keys of {keys.dtype.name}")
        if values is not None and values.dtype != self.value_dtype.np:
            raise invalid(f"{self} does not hold values of {values.dtype.name}")
        if values is not None and values.shape != keys.shape + self.value_shape:
            raise invalid(
                f"{self}: keys of shape {list(keys.shape)} need values of shape "
                f"{list(keys.shape + self.value_shape)}, got {list(values.shape)}"
            )

    def _pairs(self, keys: Array, values: Array) -> Any:
        flat = values.reshape((-1, *self.value_shape))
        own = flat.tolist() if not self.value_shape else [row.copy() for row in flat]
        for what, key in self.forbidden.items():
            if key in keys.reshape(-1).tolist():
                raise invalid(f"{self}: {key!r} is the {what}, and cannot be used")
        return zip(keys.reshape(-1).tolist(), own, strict=True)

    def fill(self, keys: Array, values: Array) -> None:
        """Set all entries, once; again with equal ones does nothing.

        Raises:
            FailedPreconditionError: other entries are there; a key has two values.
        """
        self._check(keys, values)
        entries: dict[Any, Any] = {}
        for key, value in self._pairs(keys, values):
            if entries.setdefault(key, value) != value:
                raise FailedPreconditionError(
                    None, None, "HashTable has different value for same key. Key "
                    f"{_shown(key)} has {_shown(entries[key])} and trying to add value "
                    f"{_shown(value)}",
                )  # fmt: skip
        if self.is_ready and entries != self.entries:
            raise FailedPreconditionError(
                None, None, f"Table {self.name!r} was already initialized with different data."
            )
        self.entries, self.is_ready = entries, True

    def insert(self, keys: Array, values: Array, clears: bool = False) -> None:
        """Set some entries; ``clears`` forgets the others."""
        if self.kind == "HashTable":
            if not clears:
                raise FailedPreconditionError(
                    None, None, f"{self} is initialized once; use a MutableHashTable"
                )
            self.fill(keys, values)
            return
        self._check(keys, values)
        entries = dict(self._pairs(keys, values))
        self.entries = entries if clears else {**self.entries, **entries}

    def remove(self, keys: Array) -> None:
        """Forget some entries; those that are not there do not matter."""
        self._check(keys, None)
        for key in keys.reshape(-1).tolist():
            self.entries.pop(key, None)

    def find(self, keys: Array, default: Array) -> Array:
        """The value of each key, or the default."""
        if not self.is_ready:
            raise FailedPreconditionError(
                None, None, f"Table {self.name!r} is not initialized: run tf.tables_initializer()"
            )
        self._check(keys, None)
        if default.shape != self.value_shape:
            raise invalid(
                f"{self}: the default value must have the shape {list(self.value_shape)}, got "
                f"{list(default.shape)}"
            )
        get, other = self.entries.get, default if self.value_shape else default[()]
        found = [get(key, other) for key in keys.reshape(-1).tolist()]
        made = np.empty((len(found), *self.value_shape), self.value_dtype.np)
        if found:
            made[...] = found
        return made.reshape(keys.shape + self.value_shape)

    def content(self) -> tuple[Array, Array]:
        """All keys and their values, in the order they came."""
        keys = np.empty(len(self.entries), self.key_dtype.np)
        values = np.empty((len(keys), *self.value_shape), self.value_dtype.np)
        if len(keys):
            keys[...] = list(self.entries)
            values[...] = list(self.entries.values())
        return keys, values


def _shown(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
