r"""Regular expressions of RE2, which TensorFlow uses, run by Python's ``re``.

Patterns are read piece by piece and written anew in Python's dialect:

    (?i)\pL+$    ->    (?i:[A-Za-z...])+\Z

RE2 has no references back, does not look around, means ASCII by ``\d``, ``\w``, ``\s`` and
``\b``, and lets ``$`` match at the very end only.  Texts are UTF-8; bytes that are none are kept
(Python's surrogateescape) and match no class, as in RE2.

Read next: strings_characters.py, which uses Regex.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from flowgraph.ops.unicode_scripts import NAMES, stretches

#: Closed ranges of code points, in order, apart from one another.
Ranges = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
#: Bytes that are no UTF-8, as decoding with surrogateescape leaves them.
BAD_BYTES = (0xDC80, 0xDCFF)
MAX_REPEATS = 1000


class PatternError(ValueError):
    """A pattern or rewrite that RE2 does not take; the text says why."""


# ----------------------------------------------------------------------------------------- classes


def _tidy(ranges: list[tuple[int, int]]) -> Ranges:
    """The union as Ranges."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _others(ranges: Ranges) -> Ranges:
    """All code points but those, and without BAD_BYTES."""
    edges = [-1, *(edge for pair in _tidy([*ranges, BAD_BYTES]) for edge in pair), LAST + 1]
    return tuple(
        (low + 1, high - 1)
        for low, high in zip(edges[::2], edges[1::2], strict=True)
        if low + 1 <= high - 1
    )


def _of(text: str) -> Ranges:
    """Ranges from pairs of characters: ``"azAZ"``."""
    return _tidy([(ord(a), ord(b)) for a, b in zip(text[::2], text[1::2], strict=True)])


_PERL = {"d": _of("09"), "s": _of("\t\n\f\r  "), "w": _of("09AZaz__")}
_POSIX = {
    "alnum": _of("09AZaz"), "alpha": _of("AZaz"), "ascii": _of("\0\x7f"), "blank": _of("\t\t  "),
    "cntrl": _of("\0\x1f\x7f\x7f"), "digit": _of("09"), "graph": _of("!~"), "lower": _of("az"),
    "print": _of(" ~"), "punct": _of("!/:@[`{~"), "space": _of("\t\r  "), "upper": _of("AZ"),
    "word": _of("09AZaz__"), "xdigit": _of("09AFaf"),
}  # fmt: skip


@cache
def _property(name: str) -> Ranges:
    """The code points of a general category (``L``, ``Lu``), a script, or ``Any``."""
    if name == "Any":
        return ((0, LAST),)
    if name in NAMES:
        starts, scripts = stretches()
        stops = np.append(starts[1:], LAST + 1)
        wanted = scripts == NAMES.index(name)
        pairs = zip(starts[wanted].tolist(), (stops[wanted] - 1).tolist(), strict=True)
        return _tidy(list(pairs))
    category = unicodedata.category
    found = [(i, i) for i in range(LAST + 1) if category(chr(i)).startswith(name)]
    if not found or len(name) > 2:
        raise PatternError(f"invalid character class range: \\p{{{name}}}")
    return _tidy(found)


def _written(ranges: Ranges, *, negated: bool = False) -> str:
    """A class of Python's dialect."""
    if not ranges and not negated:
        return "(?!)"
    ranges = _tidy([*ranges, BAD_BYTES]) if negated else ranges
    inside = "".join(
        f"\\U{low:08x}" + (f"-\\U{high:08x}" if high > low else "") for low, high in ranges
    )
    return f"[{'^' if negated else ''}{inside}]"


# ---------------------------------------------------------------------------------- the translator


@dataclass(frozen=True, slots=True)
class _Flags:
    """What ``(?imsU)`` has set: case, lines, dot, swapped greed."""

    i: bool = False
    m: bool = False
    s: bool = False
    U: bool = False

    def changed(self, letters: str) -> _Flags:
        values = {name: getattr(self, name) for name in "imsU"}
        on = True
        for letter in letters:
            if letter == "-":
                on = False
            else:
                values[letter] = on
        return _Flags(**values)


_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")
_FLAGS = re.compile(r"\(\?([imsU]*(?:-[imsU]+)?)([:)])")
_NAMED = re.compile(r"\(\?P<(\w+)>")
_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


class _Translator:
    """Reads one pattern; ``run`` gives it in Python's dialect."""

    def __init__(self, pattern: str) -> None:
        self.text, self.at = pattern, 0
        self.flags = _Flags()
        self.groups = 0
        self.out: list[str] = []

    def run(self) -> str:
        outer: list[_Flags] = []
        #: 0: nothing to repeat; 1: an atom stands before; 2: an atom with its repetition.
        state = 0
        last = 0  # where the last repetition began
        while self.at < len(self.text):
            char = self.text[self.at]
            begin = self.at
            if char == "(":
                opened = self._open_group()
                if opened is not None:  # else only flags changed
                    outer.append(opened)
                    state = 0
            elif char == ")":
                if not outer:
                    raise PatternError(f"unexpected ): {self.text}")
                self._take(1, ")")
                self.flags = outer.pop()
                state = 1
            elif char == "|":
                self._take(1, "|")
                state = 0
            elif char in "*+?" or (char == "{" and _REPEAT.match(self.text, self.at)):
                if state == 0:
                    raise PatternError(f"no argument for repetition operator: {char}")
                if state == 2:
                    self._repetition()
                    raise PatternError(f"bad repetition operator: {self.text[last : self.at]}")
                last = begin
                self._repetition()
                state = 2
            elif self.text.startswith("\\Q", self.at):
                state = 1 if self._quoted() else state
            else:
                self._atom(char)
                state = 1
        if outer:
            raise PatternError(f"missing ): {self.text}")
        return "".join(self.out)

    def _take(self, count: int, written: str) -> None:
        self.at += count
        self.out.append(written)

    def _open_group(self) -> _Flags | None:
        """Read ``(``, ``(?:``, ``(?P<name>`` or ``(?flags:``: the flags to restore at its end."""
        before = self.flags
        named = _NAMED.match(self.text, self.at)
        flags = _FLAGS.match(self.text, self.at)
        if named is not None:
            self.groups += 1
            self._take(named.end() - self.at, f"(?P<{named[1]}>")
        elif flags is not None:
            self.flags = self.flags.changed(flags[1])
            self.at = flags.end()
            if flags[2] == ")":
                return None
            self.out.append("(?:")
        elif self.text.startswith("(?", self.at):
            raise PatternError(f"invalid perl operator: {self.text[self.at : self.at + 3]}")
        else:
            self.groups += 1
            self._take(1, "(")
        return before

    def _repetition(self) -> None:
        braces = _REPEAT.match(self.text, self.at)
        if braces is not None:
            low = int(braces[1])
            high = low if braces[2] is None else int(braces[3] or low)
            if not low <= high <= MAX_REPEATS:
                raise PatternError(f"invalid repetition size: {braces[0]}")
            self._take(len(braces[0]), braces[0])
        else:
            self._take(1, self.text[self.at])
        lazy = self.text.startswith("?", self.at)
        self.at += lazy
        if lazy != self.flags.U:
            self.out.append("?")

    def _quoted(self) -> bool:
        end = self.text.find("\\E", self.at + 2)
        end = len(self.text) if end < 0 else end
        for char in self.text[self.at + 2 : end]:
            self._literal(char)
        found = end > self.at + 2
        self.at = end + 2
        return found

    def _atom(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif char == "[":
            self._class()
        elif char == ".":
            self._take(1, _written(() if self.flags.s else _of("\n\n"), negated=True))
        elif char == "^":
            self._take(1, "(?m:^)" if self.flags.m else r"(?:\A)")
        elif char == "$":
            self._take(1, "(?m:$)" if self.flags.m else r"(?:\Z)")
        else:
            self.at += 1
            self._literal(char)

    def _literal(self, char: str) -> None:
        self.out.append(self._in_case(re.escape(char)))

    def _in_case(self, written: str) -> str:
        return f"(?i:{written})" if self.flags.i else written

    # ---- escapes

    def _escape(self) -> None:
        """Read an escape sequence outside of a class."""
        letter = self.text[self.at + 1 : self.at + 2]
        special = {"A": r"(?:\A)", "z": r"(?:\Z)", "b": r"(?a:\b)", "B": r"(?a:\B)"}.get(letter)
        if special is not None:
            self._take(2, special)
            return
        ranges = self._class_escape()
        if ranges is not None:
            self.out.append(self._in_case(_written(ranges)))
        else:
            self._literal(chr(self._character()))

    def _class_escape(self) -> Ranges | None:
        r"""Read ``\d`` or ``\p{Greek}`` or their like, if one stands here."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter.lower() in _PERL and letter:
            self.at += 2
            found = _PERL[letter.lower()]
            return found if letter.islower() else _others(found)
        if letter not in ("p", "P"):
            return None
        match = re.compile(r"\\[pP](?:\{(\^?)(\w+)\}|(\w))").match(self.text, self.at)
        if match is None:
            raise PatternError(f"invalid character class range: {self.text[self.at :]}")
        self.at = match.end()
        found = _property(match[2] or match[3])
        return _others(found) if (letter == "P") != bool(match[1]) else found

    def _character(self) -> int:
        """Read an escape sequence that means one character."""
        rest = self.text[self.at + 1 :]
        if not rest:
            raise PatternError("trailing \\")
        letter = rest[0]
        octal = re.match(r"0[0-7]{0,2}|[1-7][0-7]{1,2}", rest)
        hexadecimal = re.match(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})", rest)
        if octal is not None:
            self.at += 1 + octal.end()
            return int(octal[0], 8)
        if hexadecimal is not None:
            code = int(hexadecimal[1] or hexadecimal[2], 16)
            if code <= LAST:
                self.at += 1 + hexadecimal.end()
                return code
        if letter in _CONTROL:
            self.at += 2
            return _CONTROL[letter]
        if letter.isascii() and not letter.isalnum() and letter != "_":
            self.at += 2
            return ord(letter)
        raise PatternError(f"invalid escape sequence: \\{letter}")

    # ---- classes in brackets

    def _class(self) -> None:
        begin = self.at
        self.at += 1
        negated = self.text.startswith("^", self.at)
        self.at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise PatternError(f"missing ]: {self.text[begin:]}")
            first = False
            ranges.extend(self._class_item(begin))
        self.at += 1
        self.out.append(self._in_case(_written(_tidy(ranges), negated=negated)))

    def _class_item(self, begin: int) -> Ranges:
        if self.text.startswith("[:", self.at):
            match = re.compile(r"\[:(\^?)(\w+):\]").match(self.text, self.at)
            if match is not None:
                if match[2] not in _POSIX:
                    raise PatternError(f"invalid character class range: {match[0]}")
                self.at = match.end()
                return _others(_POSIX[match[2]]) if match[1] else _POSIX[match[2]]
        if self.text.startswith("\\", self.at):
            ranges = self._class_escape()
            if ranges is not None:
                return ranges
        start = self.at
        low = high = self._class_character(begin)
        if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
            self.at += 1
            high = self._class_character(begin)
            if high < low:
                raise PatternError(f"invalid character class range: {self.text[start : self.at]}")
        return ((low, high),)

    def _class_character(self, begin: int) -> int:
        if self.at >= len(self.text):
            raise PatternError(f"missing ]: {self.text[begin:]}")
        if self.text[self.at] == "\\":
            return self._character()
        self.at += 1
        return ord(self.text[self.at - 1])


# ------------------------------------------------------------------------------------- the matcher


class Regex:
    """A compiled pattern.

    >>> Regex.of("x*").replacer(b"-", everywhere=True)(b"abxd")
    b'-a-b-d-'
    """

    def __init__(self, pattern: str) -> None:
        translator = _Translator(pattern)
        text = translator.run()
        self.groups = translator.groups
        try:
            self.compiled = re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            raise PatternError(str(error)) from None

    @staticmethod
    @lru_cache(maxsize=256)
    def of(pattern: str) -> Regex:
        """The Regex of ``pattern``, compiled once.

        Raises:
            PatternError: it is none.
        """
        return Regex(pattern)

    def matches_whole(self, text: bytes) -> bool:
        """Whether the pattern matches ``text`` from end to end."""
        return self.compiled.fullmatch(text.decode(errors="surrogateescape")) is not None

    def replacer(self, rewrite: bytes | str, *, everywhere: bool) -> Callable[[bytes], bytes]:
        r"""A function that replaces the first match, or every one, by ``rewrite``.

        Raises:
            PatternError: ``rewrite`` has a backslash that means nothing, or names a group that the
                pattern has not.
        """
        if isinstance(rewrite, bytes):
            rewrite = rewrite.decode(errors="surrogateescape")
        pieces = _rewrite_pieces(rewrite, self.groups)

        def written(match: re.Match[str]) -> str:
            return "".join(p if isinstance(p, str) else match[p] or "" for p in pieces)

        def replace(text: bytes) -> bytes:
            given = text.decode(errors="surrogateescape")
            return self._replaced(given, written, everywhere).encode(errors="surrogateescape")

        return replace

    def _replaced(
        self, text: str, written: Callable[[re.Match[str]], str], everywhere: bool
    ) -> str:
        # NB: re.sub also replaces an empty match right behind another match; RE2 does not.
        parts: list[str] = []
        at, last_end = 0, -1
        while at <= len(text):
            match = self.compiled.search(text, at)
            if match is None:
                break
            parts.append(text[at : match.start()])
            if match.end() == match.start() == last_end:
                parts.append(text[last_end : last_end + 1])
                at = last_end + 1
                continue
            parts.append(written(match))
            at = last_end = match.end()
            if not everywhere:
                break
        return "".join([*parts, text[at:]])


def _rewrite_pieces(rewrite: str, groups: int) -> list[str | int]:
    """Literal text and numbers of groups, in order."""
    pieces: list[str | int] = []
    for literal, escape in re.findall(r"([^\\]+)|\\(.?)", rewrite, re.DOTALL):
        if literal:
            pieces.append(literal)
        elif escape == "\\":
            pieces.append("\\")
        elif escape.isascii() and escape.isdigit():
            if int(escape) > groups:
                raise PatternError(f"\\{escape} in {rewrite!r}: the pattern has {groups} groups")
            pieces.append(int(escape))
        else:
            raise PatternError(f"\\{escape} in {rewrite!r} means nothing")
    return pieces
