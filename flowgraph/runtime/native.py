"""The executor: walks an instruction table (docs/design.md) in native code.

    execute(table, row)          run from a row on; other Python threads run meanwhile
    execute_held(table, row)     the same without giving up the GIL: for short plans
    execute_timed(table, row, times)   adds up times and passes of each row, for the profiler

The walk is kernel text like any other, compiled and cached the same way.  Python calls it as a
built-in function made of its address (PyCFunction_NewEx), which costs a tenth of a ctypes call
(0.1 against 1.0 us); where objects have not the usual layout it goes through ctypes.

Read next: intake.py (feeds taken in natively), executor.py (binding a plan to memory).
"""

from __future__ import annotations

import ctypes
import platform
import sys
import time
from collections.abc import Callable
from functools import cache

import numpy as np

from flowgraph.codegen.compile import addresses
from flowgraph.kernel.ir import TextKernel
from flowgraph.runtime import blas

#: The status of a loop that has run for a while (2e8 cycles): Python looks for Ctrl-C, and the walk
#: goes on at that row.
PAUSED = 255

#: Kernel text of ``walk(table, row)``, for every kernel that runs a table.
WALK = """\
def walk(table, row):
    began = cycles()
    while True:
        at = table + row * 32
        address = slot(at, 0)
        if address <= 3:
            if address <= 1:
                break
            if address == 3 and load(bool_pointer(slot(at, 1)), 0) != (slot(at, 3) != 0):
                row += 1
                continue
            back = slot(at, 2) <= row
            row = slot(at, 2)
            if back and cycles() - began > 200000000:
                return row * 256 + 255
            continue
        status = call(address, slot(at, 1), slot(at, 2), slot(at, 3))
        if status != 0:
            return row * 256 + status
        row += 1
    if address == 0:
        return -1
    return row * 256
"""

#: ``kernel(table, row, unused)``: the walk itself.
EXECUTOR = TextKernel(
    "execute", WALK + "\n\ndef kernel(table, row, unused):\n    return walk(table, row)\n"
)

#: The same with ``times`` (see ``execute_timed``): every pass over a row is measured.
TIMED_EXECUTOR = TextKernel(
    "execute_timed",
    """\
def kernel(table, row, times):
    began = cycles()
    before = began
    while True:
        at = table + row * 32
        address = slot(at, 0)
        if address <= 1:
            break
        following = row + 1
        if address <= 3:
            if address == 2 or load(bool_pointer(slot(at, 1)), 0) == (slot(at, 3) != 0):
                following = slot(at, 2)
        else:
            status = call(address, slot(at, 1), slot(at, 2), slot(at, 3))
            if status != 0:
                return row * 256 + status
        now = cycles()
        mark = times + 32 + row * 32
        passes = slot(mark, 3)
        if passes == 0:
            put_slot(mark, 0, before)
            put_slot(mark, 1, now)
        put_slot(mark, 2, slot(mark, 2) + now - before)
        put_slot(mark, 3, passes + 1)
        logged = slot(times, 2)
        if logged < slot(times, 1):
            entry = slot(times, 0) + logged * 24
            put_slot(entry, 0, row)
            put_slot(entry, 1, before)
            put_slot(entry, 2, now)
            put_slot(times, 2, logged + 1)
        before = now
        back = following <= row
        row = following
        if back and now - began > 200000000:
            return row * 256 + 255
    if address == 0:
        return -1
    return row * 256
""",
)

_CLOCK = TextKernel("clock", "def kernel(a, b, c):\n    return cycles()\n")

#: Words of PyObject: reference count and type; an array's data pointer comes next.
_HEAD = object.__basicsize__ // 8

#: Functions of Python that the entries call, in the order of their block's words.
_PYTHON_API = (
    "PyLong_AsLongLong", "PyLong_FromLongLong", "PyEval_SaveThread", "PyEval_RestoreThread",
)  # fmt: skip

#: ``kernel(owner, arguments, count)``: a METH_FASTCALL function (table, row) -> code.
_ENTRY = (
    WALK
    + """

def kernel(owner, arguments, count):
    api = slot(owner, {head})
    as_int = slot(api, 0)
    table = call(as_int, slot(arguments, 0), 0, 0)
    row = call(as_int, slot(arguments, 1), 0, 0)
{before}
    code = walk(table, row)
{after}
    return call(slot(api, 1), code, 0, 0)
"""
)
_RELEASE = {
    "before": "    state = call(slot(api, 2), 0, 0, 0)",
    "after": "    call(slot(api, 3), state, 0, 0)",
}
_HOLD = {"before": "", "after": ""}


class MethodDef(ctypes.Structure):
    """PyMethodDef of Python's C interface."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


METH_FASTCALL = 0x0080


def has_usual_objects() -> bool:
    """Whether objects are laid out so that built-in functions can be made of addresses."""
    return (
        platform.python_implementation() == "CPython"
        and object.__basicsize__ == 16
        and sys.maxsize == 2**63 - 1
    )


def builtin(definition: MethodDef, owner: object) -> Callable[..., int]:
    """A built-in function of ``definition`` (compiled; must outlive it), bound to ``owner``."""
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return make(ctypes.addressof(definition), owner, None)


def foreign(address: int, *, holds_gil: bool = False) -> Callable[..., int]:
    """A ctypes function of three int64 at ``address``."""
    word = ctypes.c_int64
    make = ctypes.PYFUNCTYPE if holds_gil else ctypes.CFUNCTYPE
    return make(word, word, word, word)(address)


@cache
def entry(*, holds_gil: bool) -> Callable[[int, int], int]:
    """``execute`` or ``execute_held`` as the cheapest callable there is: for hot paths."""
    if not has_usual_objects():
        (address,) = addresses([EXECUTOR])
        function = foreign(address, holds_gil=holds_gil)
        return lambda table, row: function(table, row, 0)
    text = _ENTRY.format(head=_HEAD, **(_HOLD if holds_gil else _RELEASE))
    (address,) = addresses([TextKernel("execute_entry", text)])
    functions = [getattr(ctypes.pythonapi, name) for name in _PYTHON_API]
    api = [ctypes.cast(function, ctypes.c_void_p).value for function in functions]
    _kept.append(MethodDef(b"execute", address, METH_FASTCALL, None))
    return builtin(_kept[-1], np.array(api, np.int64))


#: Method definitions, which built-in functions point to.
_kept: list[MethodDef] = []

_released: Callable[[int, int], int] | None = None
_held: Callable[[int, int], int] | None = None


def execute(table_address: int, first_row: int) -> int:
    """Run the table from ``first_row``: -1 at its end, else ``row * 256 + status``.

    Status 0: a host instruction at ``row``.  The GIL is released meanwhile; Ctrl-C is seen
    afterwards.
    """
    global _released
    if _released is None:
        _released = entry(holds_gil=False)
    return _released(table_address, first_row)


def execute_held(table_address: int, first_row: int) -> int:
    """``execute`` that keeps the GIL: 0.1 us cheaper, for plans of a few microseconds."""
    global _held
    if _held is None:
        _held = entry(holds_gil=True)
    return _held(table_address, first_row)


@cache
def _timed() -> Callable[..., int]:
    (address,) = addresses([TIMED_EXECUTOR])
    return foreign(address)


def execute_timed(table_address: int, first_row: int, times_address: int) -> int:
    """``execute`` that measures each row, in cycles of the processor's counter.

    Args:
        times_address: of int64[rows + 1, 4], zeros at first.  ``times[r + 1]``: begin and end of
            the first pass over row ``r``, the sum of all passes, and their number; rows that did
            not run leave theirs alone.  ``times[0]``: the address of a log of passes (row, begin,
            end: int64[n, 3]), the number for which it has room, and how many it holds.

    Several calls may add to one ``times``.
    """
    return _timed()(table_address, first_row, times_address)


def prepare_timing() -> None:
    """Load what ``execute_timed`` needs, so that its first use is not slower than the others."""
    _timed()
    nanoseconds_per_cycle()


@cache
def _clock() -> Callable[..., int]:
    (address,) = addresses([_CLOCK])
    return foreign(address, holds_gil=True)


def read_cycles() -> int:
    """The processor's counter now."""
    return _clock()(0, 0, 0)


@cache
def nanoseconds_per_cycle() -> float:
    """The unit of ``execute_timed``'s stamps, measured once against the clock (5 ms)."""
    clock = _clock()

    def both() -> tuple[float, int]:
        # The reading with the least between its two times: no other thread ran meanwhile.
        now = time.perf_counter_ns
        readings = [(now(), clock(0, 0, 0), now()) for _ in range(5)]
        before, cycles, after = min(readings, key=lambda reading: reading[2] - reading[0])
        return (before + after) / 2, cycles

    start, first = both()
    while time.perf_counter_ns() - start < 5_000_000:
        pass
    end, last = both()
    return (end - start) / (last - first)


def symbol_address(name: str) -> int:
    """The address of a library routine that block words name (``sgemm``, ``dgemm``)."""
    return blas.address(name)
