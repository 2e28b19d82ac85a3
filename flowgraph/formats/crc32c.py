"""CRC-32C (Castagnoli), the checksum of TensorFlow's files, and their masked form of it.

    crc32c(b"123456789") == 0xE3069283

Many processors have an instruction for 8 bytes; where one has not, the kernel takes 16 bytes at a
time by tables, one for each place (Kounavis and Berry 2005).  Either goes through four parts of the
data at once, since a step waits for the one before, and joins their checksums: the checksum of a
longer text is linear in that of its head.

Read next: leveldb_table.py, which checks its blocks with it.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from typing import Any

import numpy as np

from flowgraph.codegen.compile import addresses
from flowgraph.kernel.ir import TextKernel

#: The polynomial, its bits reversed.
POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF

#: Shorter texts are done in Python, longer ones in four parts.
_SHORT, _LONG = 64, 1 << 16

#: One step of part i: 16 bytes, by tables or by the processor's own instruction.
_BY_TABLES = """
        a{i} = load(p{i}, k) ^ c{i}
        b{i} = load(p{i}, k + 1)
        c{i} = {lookups}
"""
_BY_PROCESSOR = """
        c{i} = crc32c_word(c{i}, load(p{i}, k))
        c{i} = crc32c_word(c{i}, load(p{i}, k + 1))
"""


def _lookups(i: int) -> str:
    """The new checksum: 16 tables, one for each byte that was read."""
    terms = []
    for byte in range(16):
        word, shift = f"{'a' if byte < 8 else 'b'}{i}", 8 * (byte % 8)
        place = (15 - byte) * 256
        terms.append(f"uint64(load(t, {place} + int64(({word} >> uint64({shift})) & m)))")
    return " ^ ".join(terms)


def _kernel(parts: int, step: str) -> TextKernel:
    """``parts`` checksums of pieces of equal length (a multiple of 16), one behind the other."""
    text = "def kernel(block, start, stop):\n    t = uint32_pointer(slot(block, 1))\n"
    text += "    m = uint64(255)\n    words = slot(block, 2)\n"
    for i in range(parts):
        text += f"    p{i} = uint64_pointer(slot(block, 0) + {i} * words * 8)\n"
        text += f"    c{i} = uint64(slot(block, {3 + i}))\n"
    text += "    for half in range(0, words // 2):\n        k = half * 2\n"
    text += "".join(step.format(i=i, lookups=_lookups(i)) for i in range(parts))
    text += "".join(f"    put_slot(block, {3 + i}, int64(c{i}))\n" for i in range(parts))
    return TextKernel(f"crc32c_{parts}", text + "    return 0\n")


def _has_instruction() -> bool:
    from flowgraph.codegen.compiler import host

    return platform.machine().lower() in ("x86_64", "amd64") and "+sse4.2" in host()[2].split(",")


@cache
def _tables() -> np.ndarray[Any, Any]:
    """[k][b]: the checksum register after byte b and k zero bytes."""
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = np.where(first & 1, (first >> 1) ^ np.uint32(POLYNOMIAL), first >> 1)
    tables = [first]
    for _ in range(15):
        last = tables[-1]
        tables.append((last >> 8) ^ first[last & 255])
    return np.ascontiguousarray(np.stack(tables), np.uint32)


@cache
def _function(parts: int) -> Any:
    step = _BY_PROCESSOR if _has_instruction() else _BY_TABLES
    (address,) = addresses([_kernel(parts, step)])
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    return kind(address)


@cache
def _list() -> list[int]:
    return _tables()[0].tolist()


def _in_python(register: int, data: Any) -> int:
    table = _list()
    for byte in bytes(data):
        register = (register >> 8) ^ table[(register ^ byte) & 255]
    return register


@cache
def _zeros_operator(count: int) -> np.ndarray[Any, Any]:
    """What ``count`` zero bytes do to each bit of the register: 32 words, to be xor-ed."""
    if count == 1:
        bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
        return (bits >> 8) ^ _tables()[0][bits & 255]
    half = _zeros_operator(count // 2)
    twice = _applied(half, half)
    return twice if count % 2 == 0 else _applied(_zeros_operator(1), twice)


def _applied(operator: np.ndarray[Any, Any], registers: np.ndarray[Any, Any]) -> Any:
    bits = (registers[:, None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)
    return np.bitwise_xor.reduce(np.where(bits, operator[None, :], np.uint32(0)), axis=1)


@cache
def _zeros_tables(count: int) -> list[list[int]]:
    """What ``count`` zero bytes do to each byte of the register: four tables, to be xor-ed."""
    places = np.arange(256, dtype=np.uint32)
    operator = _zeros_operator(count)
    return [_applied(operator, places << np.uint32(8 * byte)).tolist() for byte in range(4)]


def crc32c(data: Any, value: int = 0) -> int:
    """The checksum of ``data``.

    Args:
        data: bytes, or anything with a buffer (an array of numbers).
        value: the checksum of what came before.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    >>> crc32c(b"6789", crc32c(b"12345")) == crc32c(b"123456789")
    True
    """
    array = np.frombuffer(data, np.uint8) if memoryview(data).nbytes else np.zeros(0, np.uint8)
    register = (value & _ALL) ^ _ALL
    address, start, size = array.ctypes.data, 0, array.size
    while size - start >= _LONG:
        # NB: powers of two, so that there are few tables of what so many zero bytes do.
        piece = 1 << ((size - start).bit_length() - 3)
        register = _joined(_parts(4, address + start, piece, register), piece)
        start += 4 * piece
    if size - start >= _SHORT:
        piece = (size - start) // 16 * 16
        (register,) = _parts(1, address + start, piece, register)
        start += piece
    return _in_python(register, array[start:]) ^ _ALL


def _parts(parts: int, address: int, piece: int, register: int) -> list[int]:
    """The registers after pieces of so many bytes each: the first one goes on, others begin."""
    block = np.array([address, _tables().ctypes.data, piece // 8, register, 0, 0, 0], np.int64)
    _function(parts)(block.ctypes.data, 0, 1)
    return [number & _ALL for number in block[3 : 3 + parts].tolist()]


def _joined(registers: list[int], piece: int) -> int:
    """The register after pieces that lie one behind the other."""
    first, second, third, fourth = _zeros_tables(piece)
    register = 0
    for number in registers:
        register = number ^ (
            first[register & 255]
            ^ second[register >> 8 & 255]
            ^ third[register >> 16 & 255]
            ^ fourth[register >> 24]
        )
    return register


def masked(checksum: int) -> int:
    """How a checksum is stored: turned and shifted, so that text holding one is not its own.

    >>> hex(masked(0xE3069283))
    '0xc78ab0e5'
    """
    return ((checksum >> 15 | checksum << 17) + _MASK_DELTA) & _ALL


def unmasked(stored: int) -> int:
    """The checksum that ``masked`` gave ``stored`` for.

    >>> hex(unmasked(masked(0xE3069283)))
    '0xe3069283'
    """
    turned = (stored - _MASK_DELTA) & _ALL
    return (turned >> 17 | turned << 15) & _ALL
