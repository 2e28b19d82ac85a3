"""Text in an encoding as code points and back, with the place of each in the bytes.

Names of encodings are Python's, which has those of IANA.  ``UTF-16`` and ``UTF-32`` are in
big-endian order unless a byte order mark says otherwise, which is left out then.

Read next: strings_unicode.py.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from functools import cache

from flowgraph.ops.rules import invalid

#: What a code point of another kind becomes.
REPLACEMENT = 0xFFFD
_LAST = 0x10FFFF

#: The bytes that a character has, from its code point.
_SIZES: dict[str, Callable[[int], int]] = {
    "utf-8": lambda c: 1 + (c > 0x7F) + (c > 0x7FF) + (c > 0xFFFF),
    "utf-16": lambda c: 2 + 2 * (c > 0xFFFF),
    "utf-32": lambda c: 4,
}


@cache
def codec_of(encoding: str) -> str:
    """Python's name of an encoding.

    Raises:
        InvalidArgumentError: there is none of that name.
    """
    try:
        info = codecs.lookup(encoding)
    except LookupError:
        info = None
    if info is None or not info._is_text_encoding:
        raise invalid(f"there is no encoding {encoding!r}")
    return info.name


_MARKS = {
    "utf-16": {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"},
    "utf-32": {codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be"},
}


def _with_order(data: bytes, codec: str) -> tuple[str, int]:
    """``codec`` with its byte order, and the size of the mark that says so."""
    for mark, ordered in _MARKS.get(codec, {}).items():
        if data.startswith(mark):
            return ordered, len(mark)
    return (f"{codec}-be" if codec in _MARKS else codec), 0


def decoded(
    data: bytes, encoding: str, errors: str, replacement: int, replace_control: bool
) -> tuple[list[int], list[int]]:
    r"""The code points of a text, and where each begins.

    Args:
        data: the text.
        encoding: its name.
        errors: what to do about bytes that are no character: ``replace``, ``ignore``, ``strict``.
        replacement: the code point to put there.
        replace_control: U+0000 to U+001F are no characters either.

    Raises:
        InvalidArgumentError: no such encoding; ``strict``, and there are such bytes.

    >>> decoded("aé".encode() + b"\xff", "UTF-8", "replace", 63, False)
    ([97, 233, 63], [0, 1, 3])
    """
    codec, at = _with_order(data, codec_of(encoding))
    family = codec.removesuffix("-be").removesuffix("-le")
    size_of = _SIZES.get(family) or (lambda c: len(chr(c).encode(codec)))
    points: list[int] = []
    places: list[int] = []
    while at < len(data):
        try:
            text, bad, end = data[at:].decode(codec), len(data), len(data)
        except UnicodeDecodeError as error:
            if errors == "strict":
                raise invalid(f"byte {at + error.start} is no {encoding}: {error.reason}") from None
            bad, end = at + error.start, at + error.end
            text = data[at:bad].decode(codec)
        for point in map(ord, text):
            control = replace_control and point < 0x20
            if control and errors == "strict":
                raise invalid(f"byte {at} is the control character {point}")
            if not control or errors == "replace":
                points.append(replacement if control else point)
                places.append(at)
            at += size_of(point)
        at = end
        if bad < end and errors == "replace":
            points.append(replacement)
            places.append(bad)
    return points, places


def is_character(point: int) -> bool:
    """Whether a code point can be encoded: it is in range and no surrogate."""
    return 0 <= point <= _LAST and not 0xD800 <= point <= 0xDFFF


def encoded(points: Iterable[int], encoding: str, errors: str, replacement: int) -> bytes:
    """Code points as text; ``errors`` says what to do about those that are no character.

    Raises:
        InvalidArgumentError: ``strict``, and there are such.
    """
    kept = []
    for point in points:
        if is_character(point):
            kept.append(point)
        elif errors == "strict":
            raise invalid(f"{point} is no code point of a character (or is a surrogate)")
        elif errors == "replace":
            kept.append(replacement if is_character(replacement) else REPLACEMENT)
    return "".join(map(chr, kept)).encode(codec_of(encoding))


def check_replacement(point: int) -> None:
    """Raises:
    InvalidArgumentError: no code point.
    """
    if not 0 <= point <= _LAST:
        raise invalid(f"replacement_char {point} is no code point of Unicode")
