"""The executor: walks an instruction table (docs/design.md) in native code."""

from __future__ import annotations

import ctypes
from functools import cache

from flowgraph.codegen.compile import addresses
from flowgraph.kernel.ir import TextKernel
from flowgraph.runtime import blas

EXECUTOR = TextKernel(
    "execute",
    """\
def kernel(table, row, unused):
    while True:
        at = table + row * 32
        address = slot(at, 0)
        if address <= 1:
            break
        status = call(address, slot(at, 1), slot(at, 2), slot(at, 3))
        if status != 0:
            return row * 256 + status
        row += 1
    return -1 if address == 0 else row * 256
""",
)


@cache
def _execute():
    (address,) = addresses([EXECUTOR])
    word = ctypes.c_int64
    return ctypes.CFUNCTYPE(word, word, word, word)(address)


def execute(table_address: int, first_row: int) -> int:
    """Run the table from ``first_row``: -1 at its end, else ``row * 256 + status``."""
    return _execute()(table_address, first_row, 0)


def symbol_address(name: str) -> int:
    """The address of a library routine that block words name (``sgemm``, ``dgemm``)."""
    return blas.address(name)
