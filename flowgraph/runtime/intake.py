"""Feeds taken in natively: one call reads the fed Python objects, checks them and runs the plan.

For small plans the Python that checks and copies feeds costs more than the kernels.  The kernel
below does it on the objects themselves: a Python float is stored as the feed's dtype, an ndarray
of the expected dtype, shape and layout is copied (or, when large, pointed at).  Anything else makes
it decline, and executor.py does the same in Python.

    record of one feed, int64 words
      0 dtype code     1 dtype object   2 rank     3 sizes      address of int64[rank]
      4 bytes          5 where to copy (0: point at it)
      6 patch count    7 patches        address of (word address, bytes to add) pairs

The layout of Python's and NumPy's objects is read from their own ``__basicsize__``; it is part of
their stable binary interface; where it is not the usual one (native.has_usual_objects) there is
no intake.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from flowgraph.codegen.compile import addresses
from flowgraph.kernel.ir import TextKernel
from flowgraph.runtime import native

#: Words of PyObject (reference count, type), and where a tuple's items and a float's value start.
_HEAD = object.__basicsize__ // 8
_TUPLE_ITEMS = tuple.__basicsize__ // 8
_RECORD_WORDS = 8

#: Dtypes that take a Python float directly.
_DTYPE_CODES = {"float32": 1, "float64": 2}

#: Words before the records: table, feed count, types of float and ndarray, the objects to return
#: (None: ran to its end; False: see the code), the code, by how much to count a reference up, and
#: for a scalar result its type (0: none), how to allocate one, where its value is, and its bytes.
(
    _TABLE, _COUNT, _FLOAT, _ARRAY, _NONE, _FALSE, _CODE, _REFERENCE,
    _SCALAR, _ALLOCATE, _VALUE, _VALUE_BYTES, _RECORDS,
) = range(13)  # fmt: skip

#: The code of an intake that declined: nothing has run.
DECLINED = -2

_SOURCE = (
    native.WALK
    + f"""

def take_in(values, block):
    record = block + {8 * _RECORDS}
    for i in range(slot(block, {_COUNT})):
        value = slot(values, {_TUPLE_ITEMS} + i)
        kind = slot(value, 1)
        rank = slot(record, 2)
        place = slot(record, 5)
        if kind == slot(block, {_FLOAT}):
            code = slot(record, 0)
            if rank != 0 or code == 0 or place == 0:
                return False
            number = load(float64_pointer(value + {8 * _HEAD}), 0)
            if code == 1:
                store(float32_pointer(place), 0, float32(number))
            else:
                store(float64_pointer(place), 0, number)
        elif kind == slot(block, {_ARRAY}):
            if slot(value, {_HEAD + 5}) != slot(record, 1):
                return False
            if int64(load(int32_pointer(value + {8 * (_HEAD + 1)}), 0)) != rank:
                return False
            if int64(load(int32_pointer(value + {8 * (_HEAD + 6)}), 0)) & 257 != 257:
                return False
            given = slot(value, {_HEAD + 2})
            expected = slot(record, 3)
            for axis in range(rank):
                if slot(given, axis) != slot(expected, axis):
                    return False
            data = slot(value, {_HEAD})
            if place != 0:
                copy_bytes(place, data, slot(record, 4))
            else:
                patches = slot(record, 7)
                for p in range(slot(record, 6)):
                    put_slot(slot(patches, 2 * p), 0, data + slot(patches, 2 * p + 1))
        else:
            return False
        record += {8 * _RECORD_WORDS}
    return True


def kernel(owner, values, unused):
    block = slot(owner, {_HEAD})
    result = slot(block, {_FALSE})
    if take_in(values, block):
        table = slot(block, {_TABLE})
        code = walk(table, 0) if table != 0 else int64(-1)
        put_slot(block, {_CODE}, code)
        if code == -1:
            scalar = slot(block, {_SCALAR})
            if scalar != 0:
                result = call(slot(block, {_ALLOCATE}), scalar, 0, 0)
                copy_bytes(result + {8 * _HEAD}, slot(block, {_VALUE}), slot(block, {_VALUE_BYTES}))
                return result
            result = slot(block, {_NONE})
    else:
        put_slot(block, {_CODE}, {DECLINED})
    put_slot(result, 0, slot(result, 0) + slot(block, {_REFERENCE}))
    return result
"""
)

_KERNEL = TextKernel("intake", _SOURCE)


#: The calling convention of a built-in function of one argument.
_METH_O = 0x0008


@cache
def _method() -> native.MethodDef:
    (address,) = addresses([_KERNEL])
    return native.MethodDef(b"intake", address, _METH_O, None)


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """What the kernel must know of one feed: see the module docstring.

    place: array to copy into, or None: fill the block words of ``patches`` (address, bytes to add).
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    place: np.ndarray | None
    patches: tuple[tuple[int, int], ...] = ()


class Intake:
    """``call(values)`` for a tuple of values: None when taken in (and run), False otherwise.

    After False, ``code()`` is DECLINED or where the table stopped (as native.execute).

    Args:
        records: one per feed.
        table_address: the table to run, or 0 to take the feeds in only.  The GIL is held
        throughout.
        scalar: (type, rank-0 array): ``call`` returns a new object of this NumPy scalar type with
        the
            array's value instead of None.
    """

    def __init__(
        self,
        records: Sequence[FeedRecord],
        table_address: int,
        scalar: tuple[type, np.ndarray] | None = None,
    ) -> None:
        self.kept: list[Any] = [records]
        words = [0] * (_RECORDS + _RECORD_WORDS * len(records))
        words[_TABLE], words[_COUNT] = table_address, len(records)
        words[_FLOAT], words[_ARRAY] = id(float), id(np.ndarray)
        words[_NONE], words[_FALSE] = id(None), id(False)
        words[_REFERENCE] = 1 if sys.version_info < (3, 12) else 0  # immortal since 3.12
        if scalar is not None:
            kind, value = scalar
            self.kept.append(scalar)
            assert kind.__basicsize__ >= 8 * _HEAD + value.itemsize
            words[_SCALAR], words[_VALUE], words[_VALUE_BYTES] = (
                id(kind),
                value.ctypes.data,
                value.itemsize,
            )
            words[_ALLOCATE] = (
                ctypes.cast(ctypes.pythonapi.PyType_GenericAlloc, ctypes.c_void_p).value or 0
            )
        for number, record in enumerate(records):
            start = _RECORDS + _RECORD_WORDS * number
            words[start : start + _RECORD_WORDS] = self._record_words(record)
        self.block = np.array(words, np.int64)
        self.call: Callable[[tuple], Any] = native.builtin(_method(), self.block)

    def _record_words(self, record: FeedRecord) -> list[int]:
        sizes = np.array(record.shape or (0,), np.int64)
        patches = np.array(record.patches or ((0, 0),), np.int64)
        self.kept += [sizes, patches, record.dtype]
        place = 0 if record.place is None else record.place.ctypes.data
        size = int(np.prod(record.shape, dtype=np.int64))
        return [
            _DTYPE_CODES.get(record.dtype.name, 0),
            id(record.dtype),
            len(record.shape),
            sizes.ctypes.data,
            size * record.dtype.itemsize,
            place,
            len(record.patches),
            patches.ctypes.data,
        ]

    def code(self) -> int:
        """Why the last call gave False."""
        return int(self.block[_CODE])
