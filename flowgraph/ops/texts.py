"""Strings inside arrays, and arrays inside strings.

A string tensor is an object array of bytes.  Here are the ways in and through such arrays, and the
two ways in which TensorFlow writes any array as text: ``Print`` and ``Assert`` cut its end off,
``tf.print`` and ``tf.strings.format`` leave out its middle.

Read next: strings.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

# ------------------------------------------------------------------------------- arrays of strings


def texts(values: Any) -> np.ndarray[Any, Any]:
    """An object array of bytes from nested lists of str and bytes.

    >>> texts(["a", b"b"])
    array([b'a', b'b'], dtype=object)
    """
    array = np.asarray(values, object)
    items = [v.encode() if isinstance(v, str) else v for v in array.reshape(-1)]
    return filled(items, array.shape)


def filled(items: Iterable[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An object array of ``shape`` that holds ``items`` in row-major order.

    NB: ``np.array(items)`` would make bytes of fixed width, which lose trailing zeros.
    """
    flat = np.empty(int(np.prod(shape, dtype=np.int64)), object)
    flat[:] = list(items)
    return flat.reshape(shape)


def each(function: Callable[[bytes], bytes], array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``function`` of every element, as an array of strings."""
    return filled([function(item) for item in array.reshape(-1)], array.shape)


def each_as(
    dtype: Any, function: Callable[[bytes], Any], array: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """``function`` of every element, as an array of numbers."""
    items = [function(item) for item in array.reshape(-1)]
    return np.array(items, dtype).reshape(array.shape)


def no_ragged(function: str, instead: str) -> NotImplementedError:
    """The error of functions whose result would be a RaggedTensor."""
    return NotImplementedError(f"{function}: there is no RaggedTensor here; {instead}")


# ---------------------------------------------------------------------------------- arrays as text

_ESCAPES = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", ord('"'): '\\"',
            ord("'"): "\\'", ord("\\"): "\\\\"}  # fmt: skip
_ESCAPES |= {code: f"\\{code:03o}" for code in (*range(32), 127) if code not in _ESCAPES}


def escaped(text: bytes) -> str:
    r"""``text`` as C would write it; what is no UTF-8 is kept as surrogates.

    >>> print(escaped(b'say "a"\n'))
    say \"a\"\n
    """
    return text.decode(errors="surrogateescape").translate(_ESCAPES)


def element_text(value: Any) -> str:
    """A number or string as TensorFlow prints it: the fewest of 6 or 9 (15 or 17) digits that say
    which number it is.

    >>> [element_text(v) for v in (np.float32(0.1), np.float64(1 / 3), True, b"a")]
    ['0.1', '0.33333333333333331', '1', 'a']
    """
    if isinstance(value, bytes):
        return escaped(value)
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (complex, np.complexfloating)):
        return f"({element_text(value.real)},{element_text(value.imag)})"
    if not isinstance(value, (float, np.floating)):
        return str(value)
    narrow = isinstance(value, (np.float32, np.float16))
    kind = np.float32 if narrow else np.float64
    text = format(float(value), ".6g" if narrow else ".15g")
    if np.isfinite(value) and kind(text) != kind(value):
        text = format(float(value), ".9g" if narrow else ".17g")
    return text


def _rows(array: np.ndarray[Any, Any], limit: int) -> str:
    if array.ndim == 1:
        shown = " ".join(element_text(x) for x in array[:limit])
        return shown + ("..." if limit < len(array) else "")
    parts = []
    for row in array:
        if limit <= 0:
            break
        parts.append(f"[{_rows(row, limit)}]")
        limit -= row.size
    return "".join(parts)


def head_text(array: np.ndarray[Any, Any], limit: int) -> str:
    """``[[1 2][3...]...]``: the first ``limit`` elements (negative: all), as ``Print`` shows them.

    >>> head_text(np.array([[1, 2], [3, 4]]), 3), head_text(np.array(1.5), 3)
    ('[[1 2][3...]...]', '1.5')
    """
    if array.ndim == 0:
        return element_text(array[()])
    limit = array.size if limit < 0 else limit
    cut = "..." if array.ndim > 1 and limit < array.size else ""
    return f"[{_rows(array, limit)}{cut}]"


def listed_text(arrays: Iterable[Any], limit: int, between: str) -> str:
    """``head_text`` of every array, each in brackets."""
    said = (head_text(np.asarray(a), limit) for a in arrays)
    return between.join(t if t.startswith("[") else f"[{t}]" for t in said)


def ends_text(array: np.ndarray[Any, Any], limit: int) -> str:
    """``[1 2 ... 8 9]``: the first and last ``limit`` elements of each axis (negative: all).

    Strings are quoted.  Between the parts of an axis stand as many line ends as it holds axes.

    >>> print(ends_text(np.arange(24).reshape(2, 3, 4), 1))
    [[[0 ... 3]
      ...
      [8 ... 11]]
    <BLANKLINE>
     [[12 ... 15]
      ...
      [20 ... 23]]]
    """
    limit = array.size if limit < 0 else min(limit, array.size)
    return _ends(array, limit, 1)


def _ends(array: Any, limit: int, depth: int) -> str:
    if np.ndim(array) == 0:
        value = array[()] if isinstance(array, np.ndarray) else array
        return f'"{element_text(value)}"' if isinstance(value, bytes) else element_text(value)
    count = len(array)
    parts = [_ends(array[i], limit, depth + 1) for i in range(min(limit, count))]
    if count > 2 * limit:
        parts.append("...")
    parts += [_ends(array[i], limit, depth + 1) for i in range(max(limit, count - limit), count)]
    if array.ndim == 1:
        return f"[{' '.join(parts)}]"
    between = "\n" * (array.ndim - 1) + " " * depth
    if limit == 0:  # an array without elements; TensorFlow's text for it
        return f"[{between}...]" if count else "[]"
    return f"[{between.join(parts)}]"
