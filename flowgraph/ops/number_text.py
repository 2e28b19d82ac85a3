"""Text as a number, by the rules of C's strtol and strtof.

Read next: strings_numbers.py and csv_records.py, which read numbers.
"""

from __future__ import annotations

import math
import re
import struct
from fractions import Fraction
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, float32

_SPACE = b" \t\n\v\f\r"
_INTEGER = re.compile(rb"[+-]?\d+")
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_HEXADECIMAL = re.compile(rb"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)([pP][+-]?\d+)?")
_SPECIAL = re.compile(rb"([+-]?)(inf|infinity|nan(?:\(\w*\))?)", re.IGNORECASE)


def read_number(text: bytes, dtype: DType) -> Any:
    """The number of ``dtype`` that ``text`` says; ValueError when it says none.

    >>> read_number(b" 0x1p3 ", float32)
    8.0
    """
    text = text.strip(_SPACE)
    if dtype.is_integer:
        if not _INTEGER.fullmatch(text):
            raise ValueError
        number = int(text)
        if not dtype.min <= number <= dtype.max:
            raise ValueError
        return number
    special = _SPECIAL.fullmatch(text)
    if special is not None:
        size: float = math.inf if special[2][:1] in b"iI" else math.nan
        return -size if special[1] == b"-" else size
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text.decode())
        except OverflowError:
            return -math.inf if text.startswith(b"-") else math.inf
    if not _DECIMAL.fullmatch(text):
        raise ValueError
    value = float(text)
    return _rounded_once(value, text) if dtype is float32 else value


def _rounded_once(number: float, text: bytes) -> float:
    """``number``, moved off the middle between two float32 to where ``text`` lies.

    Rounding to float64 first may land on that middle, and rounding it again go the wrong way.
    """
    size = abs(number)
    if not 1e-46 < size < 1e39:  # zeros and NaN, too
        return number
    # A middle is a one behind the 24 bits of a float32, and zeros behind that.
    (bits,) = struct.unpack("<Q", struct.pack("<d", number))
    if size >= 2.0**-126 and bits & 0x1FFFFFFF != 0x10000000:
        return number
    with np.errstate(over="ignore"):
        near = np.float32(number)
        if not np.isfinite(near):
            return number
        # NB: NumPy compares a float with a float32 after rounding it.
        other = float(np.nextafter(near, np.float32(math.copysign(math.inf, number - float(near)))))
    if math.isinf(other):  # what would come behind the greatest float32
        other = math.copysign(2.0**128, other)
    if Fraction(float(near)) + Fraction(other) != 2 * Fraction(number):
        return number
    exact = Fraction(text.decode())
    if exact == Fraction(number):
        return number
    return float(np.nextafter(number, math.inf if exact > Fraction(number) else -math.inf))
