"""What looks inside a string: length, substr, lower, upper, strip, bytes_split, regex_replace.

Units are bytes, or characters of UTF-8 where an op has the attr ``unit``.

Read next: re2.py (the dialect of regular expressions), strings_unicode.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.re2 import PatternError, Regex
from flowgraph.ops.rules import i32, invalid, require_rank, same_shape
from flowgraph.ops.texts import each, each_as, filled, no_ragged, texts
from flowgraph.shapes import Dims, ShapeError, broadcast_all, merge

_NO_NUMBERS = not_differentiable("strings have no derivatives")
_WORDS = texts(["abc", "é√x", ""])

BYTE, UTF8_CHAR = "BYTE", "UTF8_CHAR"


def _check_unit(call_: Call) -> None:
    if call_.attrs["unit"] not in (BYTE, UTF8_CHAR):
        raise ShapeError(f"unit must be BYTE or UTF8_CHAR, not {call_.attrs['unit']!r}")


def _starts(text: bytes, unit: str) -> range | list[int]:
    """Where the units of ``text`` begin; bytes 10xxxxxx continue a character of UTF-8."""
    if unit == BYTE or text.isascii():
        return range(len(text))
    return [i for i, byte in enumerate(text) if byte & 0xC0 != 0x80]


# ------------------------------------------------------------------------------------------ length


def _length_shape(call_: Call) -> list[Dims]:
    _check_unit(call_)
    return same_shape(call_)


define(
    "StringLength",
    "input: string -> output: int32",
    unit=BYTE,
    infer=_length_shape,
    grad=_NO_NUMBERS,
    reference=lambda call_, x: each_as(
        np.int32, lambda text: len(_starts(text, call_.attrs["unit"])), x
    ),
    samples=(
        sample(_WORDS),
        sample(_WORDS, unit=UTF8_CHAR),
        sample(texts("hé")),
        sample(texts(np.zeros((2, 0), object))),
    ),
    errors=(error_sample(ValueError, "unit must be BYTE", _WORDS, unit="WORD"),),
    doc="The length of each string in bytes or characters.",
)


@export("strings.length")
def string_length(input: Any, name: str | None = None, unit: str = BYTE) -> Tensor:
    """The length of each string.

    Args:
        input: a string tensor.
        name: of the operation; ``StringLength`` by default.
        unit: ``"BYTE"`` or ``"UTF8_CHAR"``, characters of UTF-8.

    Returns:
        An int32 tensor of the shape of ``input``.

    Raises:
        ValueError: another unit.

    >>> tf.Session().run(tf.strings.length(["abc", "é"], unit="UTF8_CHAR"))
    array([3, 1], dtype=int32)
    """
    return apply_op("StringLength", input, unit=unit, name=name)


# ------------------------------------------------------------------------------------------ substr


def _substr_shape(call_: Call) -> list[Dims]:
    _check_unit(call_)
    return [broadcast_all([call_.shapes[0], merge(call_.shapes[1], call_.shapes[2])])]


def _substr_reference(call_: Call, strings: Any, pos: Any, length: Any) -> np.ndarray[Any, Any]:
    unit = call_.attrs["unit"]
    if pos.shape != length.shape:
        raise invalid(f"pos {list(pos.shape)} and len {list(length.shape)} differ in shape")
    strings, pos, length = np.broadcast_arrays(strings, pos, length)
    parts = []
    triples = zip(strings.reshape(-1), pos.reshape(-1).tolist(), length.reshape(-1).tolist(),
                  strict=True)  # fmt: skip
    for i, (text, start, count) in enumerate(triples):
        starts = _starts(text, unit)
        if not -len(starts) <= start <= len(starts):
            raise invalid(
                f"pos {start} is not within the string of length {len(starts)} at index {i}"
            )
        start += len(starts) if start < 0 else 0
        stop = len(starts) if count < 0 else start + count
        parts.append(text[_place(starts, start, text) : _place(starts, stop, text)])
    return filled(parts, strings.shape)


def _place(starts: range | list[int], i: int, text: bytes) -> int:
    return starts[i] if i < len(starts) else len(text)


define(
    "Substr",
    "input: string, pos: T, len: T -> output: string",
    T=dtypes_of(INDEX),
    unit=BYTE,
    infer=_substr_shape,
    grad=_NO_NUMBERS,
    reference=_substr_reference,
    samples=(
        sample(texts(["hello", "wor"]), i32(1), i32(2)),
        sample(texts(["hello", "wor"]), i32([-2, 3]), i32([9, 1])),
        sample(texts([["hello"], ["wor"]]), i32([[0, 1]]), i32([[1, -1]])),
        sample(texts("hé√x"), np.array([1, -2, 4]), np.array([2, 1, 1]), unit=UTF8_CHAR),
        sample(texts(np.zeros(0, object)), i32(3), i32(1)),
    ),
    errors=(
        error_sample(ValueError, "differ|not compatible", texts("a"), i32([0]), i32([1, 1])),
        error_sample(ValueError, "do not broadcast", texts(["a", "b"]), i32([0] * 3), i32([1] * 3)),
        error_sample(ValueError, "unit must be BYTE", texts("a"), i32(0), i32(1), unit="X"),
        error_sample(Exception, "pos 6 is not within the string of length 5 at index 1",
                     texts(["worlds", "hello"]), i32(6), i32(2), stage="run"),
        error_sample(Exception, "pos -3", texts("é√"), i32(-3), i32(2), unit=UTF8_CHAR,
                     stage="run"),
    ),
    doc="The part of each string that begins at ``pos`` and has ``len`` units.",
)  # fmt: skip


@export("substr", "strings.substr")
def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = BYTE) -> Tensor:
    """The part of each string that begins at ``pos`` and is ``len`` long.

    ``y[i] = input[i][pos[i] : pos[i] + len[i]]``

    Args:
        input: a string tensor.
        pos: int32 or int64: where to begin, counted from the end when negative.  Shapes of
            ``input`` and ``pos`` broadcast.
        len: of the dtype and shape of ``pos``; what reaches past the end is cut, and so is nothing
            when negative.
        name: of the operation; ``Substr`` by default.
        unit: ``"BYTE"`` or ``"UTF8_CHAR"``, characters of UTF-8.

    Returns:
        A string tensor of the broadcast shape.

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: ``pos`` is outside of a string (when run).

    >>> tf.Session().run(tf.strings.substr(["hello", "world"], [1, -2], [3, 2]))
    array([b'ell', b'ld'], dtype=object)
    """
    return apply_op("Substr", input, pos, len, unit=unit, name=name)


# ----------------------------------------------------------------------------- lower, upper, strip


def _checked_encoding(call_: Call) -> str:
    encoding = call_.attrs["encoding"]
    if encoding not in ("", "utf-8"):
        raise invalid(f"encoding must be '' or 'utf-8', not {encoding!r}")
    return encoding


def _change_case(
    type: str, in_bytes: Callable[[bytes], bytes], in_text: Callable[[str], str]
) -> None:
    def reference(call_: Call, x: Any) -> np.ndarray[Any, Any]:
        if not _checked_encoding(call_):
            return each(in_bytes, x)
        return each(lambda text: in_text(text.decode(errors="replace")).encode(), x)

    define(
        type,
        "input: string -> output: string",
        encoding="",
        infer=same_shape,
        grad=_NO_NUMBERS,
        reference=reference,
        samples=(
            sample(texts(["Abc É", "ΑΣ ß", ""])),
            sample(texts(["Abc É", "ΑΣ ß", ""]), encoding="utf-8"),
            sample(texts("aB")),
        ),
        errors=(error_sample(Exception, "encoding must be", _WORDS, encoding="x", stage="run"),),
        doc=f"Each string in {type[6:].lower()} case.",
    )


_change_case("StringLower", bytes.lower, str.lower)
_change_case("StringUpper", bytes.upper, str.upper)

define(
    "StringStrip",
    "input: string -> output: string",
    infer=same_shape,
    grad=_NO_NUMBERS,
    reference=lambda call_, x: each(bytes.strip, x),
    samples=(sample(texts(["  a b \n\t\v\f\r ", "\u00a0x", ""])), sample(texts(" x "))),
    doc="Each string without white space (of ASCII) at its ends.",
)


@export("strings.lower")
def lower(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Each string in lower case.

    Args:
        input: a string tensor.
        encoding: ``""`` changes A to Z only, ``"utf-8"`` every letter that has a lower case.
        name: of the operation; ``StringLower`` by default.

    Returns:
        A string tensor of the same shape.

    Raises:
        InvalidArgumentError: another encoding (when run).
    """
    return apply_op("StringLower", input, encoding=encoding, name=name)


@export("strings.upper")
def upper(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Each string in upper case.

    Args:
        input: a string tensor.
        encoding: ``""`` changes a to z only, ``"utf-8"`` every letter that has an upper case.
        name: of the operation; ``StringUpper`` by default.

    Returns:
        A string tensor of the same shape.

    Raises:
        InvalidArgumentError: another encoding (when run).
    """
    return apply_op("StringUpper", input, encoding=encoding, name=name)


@export("string_strip", "strings.strip")
def strip(input: Any, name: str | None = None) -> Tensor:
    """Each string without the white space (of ASCII) at its ends.

    Args:
        input: a string tensor.
        name: of the operation; ``StringStrip`` by default.

    Returns:
        A string tensor of the same shape.
    """
    return apply_op("StringStrip", input, name=name)


@export("strings.bytes_split")
def bytes_split(input: Any, name: str | None = None) -> Tensor:
    """The bytes of a string, each as a string of its own.

    Args:
        input: a scalar string.
        name: of the operation; ``StringsByteSplit`` by default.

    Returns:
        A vector of strings.

    Raises:
        NotImplementedError: ``input`` has axes: the result would be ragged.

    >>> tf.Session().run(tf.strings.bytes_split("abc"))
    array([b'a', b'b', b'c'], dtype=object)
    """
    input = convert_to_tensor(input, dtype="string", name="input")
    if input.dims != ():
        raise no_ragged("bytes_split", "split one scalar string, or use tf.string_split(x, '')")
    return call.Substr(
        input, call.Range(0, call.StringLength(input), 1),
        call.Fill(call.Pack([call.StringLength(input)]), 1), name=name or "StringsByteSplit",
    )  # fmt: skip


# ----------------------------------------------------------------------------- regular expressions


def _compiled(pattern: bytes | str) -> Regex:
    text = pattern.decode(errors="surrogateescape") if isinstance(pattern, bytes) else pattern
    try:
        return Regex.of(text)
    except PatternError as error:
        raise invalid(f"Invalid pattern: {text}, error: {error}") from None


def _replace(call_: Call, x: Any, pattern: Any, rewrite: Any) -> np.ndarray[Any, Any]:
    regex = _compiled(pattern)
    try:
        function = regex.replacer(rewrite, everywhere=call_.attrs["replace_global"])
    except PatternError as error:
        raise invalid(f"Invalid rewrite: {error}") from None
    return each(function, x)


def _scalar_patterns(call_: Call) -> list[Dims]:
    for i, what in enumerate(("pattern", "rewrite")[: len(call_.shapes) - 1], 1):
        require_rank(call_.shapes[i], 0, what)
    return same_shape(call_)


_SENTENCES = texts([["aabc", "xyz"], ["", "é√é"]])

define(
    "RegexReplace",
    "input: string, pattern: string, rewrite: string -> output: string",
    replace_global=True,
    infer=_scalar_patterns,
    grad=_NO_NUMBERS,
    reference=lambda call_, x, pattern, rewrite: _replace(call_, x, pattern[()], rewrite[()]),
    samples=(
        sample(_SENTENCES, texts("a+"), texts(r"<\0>")),
        sample(_SENTENCES, texts("(a)(b)|é"), texts(r"\2\1")),
        sample(texts("abxd"), texts("x*"), texts("-"), replace_global=False),
    ),
    errors=(
        error_sample(ValueError, "pattern must be a scalar", _WORDS, texts(["a"]), texts("b")),
        error_sample(Exception, r"Invalid pattern: \(a", _WORDS, texts("(a"), texts(""),
                     stage="run"),
        error_sample(Exception, "Invalid rewrite", _WORDS, texts("a"), texts(r"\1"), stage="run"),
    ),
    doc="Each string with what the pattern matches replaced; pattern and rewrite are tensors.",
)  # fmt: skip

define(
    "StaticRegexReplace",
    "input: string -> output: string",
    pattern=Attr("string", REQUIRED),
    rewrite=Attr("string", REQUIRED),
    replace_global=True,
    infer=same_shape,
    grad=_NO_NUMBERS,
    reference=lambda call_, x: _replace(
        call_, x, call_.attrs["pattern"], call_.attrs["rewrite"].encode()
    ),
    samples=(
        sample(_SENTENCES, pattern="a+", rewrite=r"<\0>"),
        sample(texts("abxd"), pattern="x*", rewrite="-"),
    ),
    errors=(
        error_sample(Exception, r"Invalid pattern: a\*\*", _WORDS, pattern="a**", rewrite="",
                     stage="run"),
    ),
    doc="Each string with what the pattern matches replaced; pattern and rewrite are attrs.",
)  # fmt: skip


def _full_match(x: Any, pattern: bytes | str) -> np.ndarray[Any, Any]:
    return each_as(np.bool_, _compiled(pattern).matches_whole, x)


define(
    "RegexFullMatch",
    "input: string, pattern: string -> output: bool",
    infer=_scalar_patterns,
    grad=_NO_NUMBERS,
    reference=lambda call_, x, pattern: _full_match(x, pattern[()]),
    samples=(sample(texts(["abc", "abcd", "abc\n"]), texts("a.c")),),
    errors=(
        error_sample(ValueError, "pattern must be a scalar", _WORDS, texts(["a"])),
        error_sample(Exception, "Invalid pattern: a[)]", _WORDS, texts("a)"), stage="run"),
    ),
    doc="Whether the pattern, a tensor, matches each string from end to end.",
)

define(
    "StaticRegexFullMatch",
    "input: string -> output: bool",
    pattern=Attr("string", REQUIRED),
    infer=same_shape,
    grad=_NO_NUMBERS,
    reference=lambda call_, x: _full_match(x, call_.attrs["pattern"]),
    samples=(sample(texts(["ab", "a", "b"]), pattern="a|ab"), sample(texts("ab"), pattern="a$")),
    errors=(error_sample(Exception, "Invalid pattern: [(]", _WORDS, pattern="(", stage="run"),),
    doc="Whether the pattern, an attr, matches each string from end to end.",
)


@export("regex_replace", "strings.regex_replace")
def regex_replace(
    input: Any,
    pattern: Any,
    rewrite: Any,
    replace_global: bool = True,
    name: str | None = None,
) -> Tensor:
    r"""Each string with what ``pattern`` matches replaced by ``rewrite``.

    Args:
        input: a string tensor of UTF-8.
        pattern: a regular expression in the syntax of RE2: that of Perl without references back
            and without looking around; ``\d``, ``\w`` and ``\s`` mean ASCII.  A str, or a scalar
            string tensor.
        rewrite: what to write instead; ``\1`` to ``\9`` are what the groups matched, ``\0`` all of
            it, ``\\`` a backslash.  A str, or a scalar string tensor.
        replace_global: replace every match; else the first one.
        name: of the operation; ``StaticRegexReplace`` by default, ``RegexReplace`` where pattern or
            rewrite is a tensor.

    Returns:
        A string tensor of the shape of ``input``.

    Raises:
        InvalidArgumentError: a pattern or rewrite that means nothing (when run).

    >>> tf.Session().run(tf.strings.regex_replace("2019-10-16", r"(\d+)-(\d+)", r"\2/\1"))
    b'10/2019-16'
    """
    if isinstance(pattern, (str, bytes)) and isinstance(rewrite, (str, bytes)):
        return apply_op(
            "StaticRegexReplace", input, pattern=pattern, rewrite=rewrite,
            replace_global=replace_global, name=name,
        )  # fmt: skip
    return apply_op(
        "RegexReplace", input, pattern, rewrite, replace_global=replace_global, name=name
    )


@export("strings.regex_full_match")
def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Tensor:
    """Whether ``pattern`` matches each string from end to end.

    Args:
        input: a string tensor of UTF-8.
        pattern: a regular expression as in ``tf.strings.regex_replace``: a str, or a scalar string
            tensor.
        name: of the operation; ``StaticRegexFullMatch`` by default, ``RegexFullMatch`` where
            the pattern is a tensor.

    Returns:
        A bool tensor of the shape of ``input``.

    Raises:
        InvalidArgumentError: a pattern that means nothing (when run).
    """
    if isinstance(pattern, (str, bytes)):
        return apply_op("StaticRegexFullMatch", input, pattern=pattern, name=name)
    return apply_op("RegexFullMatch", input, pattern, name=name)
