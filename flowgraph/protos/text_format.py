r"""The text form of protocol buffers: from ``node { name: "a" }`` to messages, and back.

    text      tokens: names, numbers, "texts", and one of {}<>[]:,;
    fields    name: value      name { ... }      name: [1, 2]      name < ... >
    maps      entries: attr { key: "T" value { type: DT_FLOAT } }

The names are those of ``google.protobuf.text_format``.  Every error says line and column.

Read next: message.py (``str(message)`` is the way back), reading.py (files of either form).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn, TypeVar

from flowgraph.errors import did_you_mean
from flowgraph.protos.fields import Field
from flowgraph.protos.message import CLASSES, Message

M = TypeVar("M", bound=Message)

#: Records inside records, at most: deeper ones are no graph but an attack on the stack.
MAX_DEPTH = 100


class ParseError(ValueError):
    """Text that is no message of the wanted kind."""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""
      (?P<skip>   (?:\s|\#[^\n]*)+)
    | (?P<text>   "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
    | (?P<number> -?\s*(?:0[xX][0-9a-fA-F]+
                  | (?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?))
    | (?P<name>   -?\s*[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>   [{}<>\[\]:,;./])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\([0-7]{1,3}|[xX][0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_LETTERS = {
    "n": b"\n", "t": b"\t", "r": b"\r", "a": b"\a", "b": b"\b", "f": b"\f", "v": b"\v",
    "\\": b"\\", "'": b"'", '"': b'"', "?": b"?",
}  # fmt: skip
_CLOSING = {"{": "}", "<": ">"}
_TRUE, _FALSE = {"true", "True", "t", "1"}, {"false", "False", "f", "0"}


def Parse(text: Any, message: M, allow_unknown_field: bool = False) -> M:
    """Set ``message`` to what ``text`` says.

    Args:
        text: str, or bytes in UTF-8.
        message: an empty message.
        allow_unknown_field: skip fields that the message does not have.

    Returns:
        ``message``.

    Raises:
        ParseError: with line and column.

    >>> from flowgraph.protos.graphs import NodeDef
    >>> Parse('name: "a" op: "Const"  # a node', NodeDef()).op
    'Const'
    """
    message.Clear()
    return Merge(text, message, allow_unknown_field)


def Merge(text: Any, message: M, allow_unknown_field: bool = False) -> M:
    """Add what ``text`` says to ``message``: lists grow, records merge.

    Args:
        text, message, allow_unknown_field: as of ``Parse``; ``message`` need not be empty.

    Raises:
        ParseError: with line and column.
    """
    _Parser(text, allow_unknown_field).fields_of(message, "", 0)
    return message


def MessageToString(message: Message) -> str:
    """The text form of ``message``; ``Parse`` gives it back."""
    return str(message)


class _Parser:
    """Reads one text."""

    def __init__(self, text: Any, skips_unknown: bool) -> None:
        if isinstance(text, (bytes, bytearray)):
            try:
                text = bytes(text).decode()
            except UnicodeDecodeError as error:
                raise ParseError(f"the text is no UTF-8: {error}") from None
        if not isinstance(text, str):
            raise TypeError(f"a text is expected, got {type(text).__name__}")
        self._text, self._skips_unknown = text, skips_unknown
        self._tokens = self._scanned()
        self._now = next(self._tokens)

    def _scanned(self) -> Iterator[_Token]:
        text, at = self._text, 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                what = "a text that does not end" if text[at] in "\"'" else repr(text[at])
                self._fail(f"unexpected {what}", at)
            kind = found.lastgroup or ""
            if kind != "skip":
                yield _Token(kind, found.group(), at)
            at = found.end()
        while True:
            yield _Token("end", "", len(text))

    def _fail(self, what: str, at: int | None = None) -> NoReturn:
        at = self._now.at if at is None else at
        line = self._text.count("\n", 0, at) + 1
        column = at - self._text.rfind("\n", 0, at)
        raise ParseError(f"{line}:{column}: {what}")

    def _take(self) -> _Token:
        token, self._now = self._now, next(self._tokens)
        return token

    def _takes(self, mark: str) -> bool:
        """Go past ``mark`` if it stands here."""
        if self._now.kind == "mark" and self._now.text == mark:
            self._take()
            return True
        return False

    def _unexpected(self, wanted: str) -> NoReturn:
        said = "the end of the text" if self._now.kind == "end" else repr(self._now.text)
        self._fail(f"expected {wanted}, got {said}")

    # ------------------------------------------------------------------------------------- fields

    def fields_of(self, message: Message, closing: str, depth: int) -> None:
        """Read fields up to ``closing``, which is gone past; to the end of the text when empty."""
        if depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} records inside one another")
        while not self._takes(closing) if closing else self._now.kind != "end":
            if self._now.kind != "name" or self._now.text.startswith("-"):
                self._unexpected(f"a field of {type(message).__name__}")
            at, name = self._now.at, self._take().text
            field = message.FIELDS.get(name)
            if field is None:
                if not self._skips_unknown:
                    hint = did_you_mean(name, message.FIELDS)
                    self._fail(f"{type(message).__name__} has no field {name!r}{hint}", at)
                self._skip_value(depth)
            else:
                self._field(message, field, depth)
            if not self._takes(","):
                self._takes(";")

    def _field(self, message: Message, field: Field, depth: int) -> None:
        has_colon = self._takes(":")
        if not has_colon and not (field.is_message or field.key):
            self._unexpected("':'")
        if not self._takes("["):
            self._one(message, field, depth)
            return
        if not (field.repeated or field.key):
            self._fail(f"field {field.name!r} is no list")
        while not self._takes("]"):
            self._one(message, field, depth)
            if not self._takes(",") and self._now.text != "]":
                self._unexpected("',' or ']'")

    def _one(self, message: Message, field: Field, depth: int) -> None:
        """One value of a field."""
        if field.key:
            self._entry(message, field, depth)
        elif field.is_message:
            if field.repeated:
                target = CLASSES[field.kind]()
            else:
                target = getattr(message, field.name)
                target.SetInParent()
            self.fields_of(target, self._opened(), depth + 1)
            if field.repeated:
                items = getattr(message, field.name)
                list.append(items, target)  # NB: its own append would copy
                items._changed()
        else:
            at = self._now.at
            value = self._scalar(field)
            try:
                if field.repeated:
                    getattr(message, field.name).append(value)
                else:
                    setattr(message, field.name, value)
            except (TypeError, ValueError) as error:
                self._fail(f"field {field.name!r}: {error}", at)

    def _opened(self) -> str:
        """Go past the mark that begins a record; returns the one that ends it."""
        if self._now.text not in _CLOSING:
            self._unexpected("'{'")
        return _CLOSING[self._take().text]

    def _entry(self, message: Message, field: Field, depth: int) -> None:
        """An entry of a map: ``{ key: ... value ... }``."""
        kind = type(
            "Entry", (), {"FIELDS": {"key": Field("key", 1, field.key),
                                     "value": Field("value", 2, field.kind)}},
        )  # fmt: skip
        closing, target = self._opened(), getattr(message, field.name)
        key: Any = kind.FIELDS["key"].default  # type: ignore[attr-defined]
        value: Any = None
        while not self._takes(closing):
            name = self._take().text
            if name == "key":
                if not self._takes(":"):
                    self._unexpected("':'")
                key = self._scalar(kind.FIELDS["key"])  # type: ignore[attr-defined]
            elif name == "value" and field.is_message:
                self._takes(":")
                value = CLASSES[field.kind]()
                self.fields_of(value, self._opened(), depth + 1)
            elif name == "value":
                if not self._takes(":"):
                    self._unexpected("':'")
                value = self._scalar(field)
            else:
                self._fail(f"an entry of {field.name!r} has key and value, not {name!r}")
            if not self._takes(","):
                self._takes(";")
        at = self._now.at
        try:
            if field.is_message:
                made = target[key]
                made.CopyFrom(value if value is not None else type(made)())
            else:
                target[key] = field.default if value is None else value
        except (TypeError, ValueError) as error:
            self._fail(f"field {field.name!r}: {error}", at)

    # ------------------------------------------------------------------------------------ scalars

    def _scalar(self, field: Field) -> Any:
        kind, token = field.kind, self._now
        if kind in ("string", "bytes"):
            raw = self._texts()
            if kind == "bytes":
                return raw
            try:
                return raw.decode()
            except UnicodeDecodeError:
                self._fail(f"field {field.name!r} is no UTF-8", token.at)
        text = token.text.replace(" ", "")
        if token.kind not in ("number", "name"):
            self._unexpected(f"a value of {field.name!r}")
        self._take()
        if kind == "bool":
            if text not in _TRUE | _FALSE:
                self._fail(f"field {field.name!r} is true or false, not {text!r}", token.at)
            return text in _TRUE
        if kind in ("float", "double"):
            return self._float(field, text, token.at)
        if kind.startswith("enum:") and token.kind == "name":
            return text  # the field knows its names
        try:
            return _integer(text)
        except ValueError:
            self._fail(f"field {field.name!r} is an integer, not {text!r}", token.at)

    def _float(self, field: Field, text: str, at: int) -> float:
        plain = text.lower().removeprefix("-")
        if plain in ("inf", "infinity", "inff", "infinityf"):
            return -math.inf if text.startswith("-") else math.inf
        if plain in ("nan", "nanf"):
            return math.nan
        try:
            is_hex = plain.startswith("0x")
            return float(_integer(text)) if is_hex else float(plain.rstrip("f")) * (
                -1.0 if text.startswith("-") else 1.0)  # fmt: skip
        except (ValueError, OverflowError):
            self._fail(f"field {field.name!r} is a number, not {text!r}", at)

    def _texts(self) -> bytes:
        """Texts that stand behind one another are one."""
        if self._now.kind != "text":
            self._unexpected("a text in quotes")
        parts = []
        while self._now.kind == "text":
            at, text = self._now.at, self._take().text
            parts.append(self._unquoted(text[1:-1], at))
        return b"".join(parts)

    def _unquoted(self, text: str, at: int) -> bytes:
        if "\\" not in text:
            return text.encode()
        parts, last = [], 0
        for found in _ESCAPE.finditer(text):
            parts.append(text[last : found.start()].encode())
            code, last = found[1], found.end()
            if code[0] in "01234567":
                number = int(code, 8)
                if number > 255:
                    self._fail(f"{found[0]!r} is no byte", at)
                parts.append(bytes([number]))
            elif code[0] in "xX" and len(code) > 1:
                parts.append(bytes([int(code[1:], 16)]))
            elif code[0] in "uU" and len(code) > 1:
                parts.append(self._character(int(code[1:], 16), at))
            elif code in _LETTERS:
                parts.append(_LETTERS[code])
            else:
                self._fail(f"{found[0]!r} means nothing in a text", at)
        parts.append(text[last:].encode())
        return b"".join(parts)

    def _character(self, number: int, at: int) -> bytes:
        try:
            return chr(number).encode()
        except (ValueError, OverflowError):
            self._fail(f"{number:#x} is no character", at)

    # ------------------------------------------------------------------------------------ unknown

    def _skip_value(self, depth: int) -> None:
        """Go past the value of a field that is not known."""
        if depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} records inside one another")
        self._takes(":")
        if self._now.text in _CLOSING:
            closing = self._opened()
            while not self._takes(closing):
                if self._takes("["):  # an extension, or the name of a type
                    while not self._takes("]"):
                        if self._take().kind == "end":
                            self._unexpected("']'")
                elif self._now.kind == "name":
                    self._take()
                else:
                    self._unexpected("a field")
                self._skip_value(depth + 1)
                if not self._takes(","):
                    self._takes(";")
        elif self._takes("["):
            while not self._takes("]"):
                self._skip_value(depth + 1)
                if not self._takes(",") and self._now.text != "]":
                    self._unexpected("',' or ']'")
        elif self._now.kind == "text":
            self._texts()
        elif self._now.kind in ("number", "name"):
            self._take()
        else:
            self._unexpected("a value")


def _integer(text: str) -> int:
    """Decimal, hexadecimal or, behind a zero, octal."""
    sign, plain = (-1, text[1:]) if text.startswith("-") else (1, text)
    if plain[:2] in ("0x", "0X"):
        return sign * int(plain, 16)
    return sign * int(plain, 8 if len(plain) > 1 and plain.startswith("0") else 10)
