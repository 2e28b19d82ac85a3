"""Field: one field of a message, and the lists and maps that hold repeated ones.

Everything that goes into a field is checked here, in the classes of errors that Google's Python
classes raise.

Read next: message.py.
"""

from __future__ import annotations

import math
import numbers
import operator
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

import numpy as np

from flowgraph.protos import wire

#: Enum name -> (name of a value -> number).
ENUMS: dict[str, Mapping[str, int]] = {}

_INTEGERS = {
    "int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1), "uint64": (0, 2**64 - 1), "fixed32": (0, 2**32 - 1),
    "fixed64": (0, 2**64 - 1),
}  # fmt: skip
_FORMATS = {"float": "<f", "double": "<d", "fixed32": "<I", "fixed64": "<Q"}
_DEFAULTS = {"string": "", "bytes": b"", "bool": False, "float": 0.0, "double": 0.0}


@dataclass(slots=True, eq=False)
class Field:
    """One field: its name, number and kind; whether it is a list, a map or of a oneof."""

    name: str
    number: int
    kind: str
    repeated: bool = False
    key: str = ""
    group: str = ""
    is_message: bool = field(init=False)
    default: Any = field(init=False)
    wire_type: int = field(init=False)
    #: A value, as it should be kept.
    checked: Callable[[Any], Any] = field(init=False)

    def __post_init__(self) -> None:
        kind = self.kind
        self.is_message = kind[0].isupper()
        self.default = _DEFAULTS.get(kind, 0)
        form = _FORMATS.get(kind)
        if self.is_message or kind in ("string", "bytes"):
            self.wire_type = wire.BYTES
        elif form:
            self.wire_type = wire.FIXED32 if struct.calcsize(form) == 4 else wire.FIXED64
        else:
            self.wire_type = wire.VARINT
        self.checked = {
            "string": self._as_text, "bytes": self._as_bytes, "bool": self._as_bool,
            "float": self._as_float32, "double": self._as_float,
        }.get(kind, self._as_integer)  # fmt: skip

    # ----------------------------------------------------------------------------------- checking

    def _wrong(self, value: Any, expected: str) -> TypeError:
        return TypeError(
            f"{value!r} has type {type(value).__name__}, but field {self.name!r} expected one of: "
            f"{expected}"
        )

    def _as_text(self, value: Any) -> str:
        if isinstance(value, bytes):
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise ValueError(f"{value!r} for field {self.name!r} is no UTF-8") from None
        if not isinstance(value, str):
            raise self._wrong(value, "bytes, str")
        return str(value)

    def _as_bytes(self, value: Any) -> bytes:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise self._wrong(value, "bytes")
        return bytes(value)

    def _as_bool(self, value: Any) -> bool:
        return bool(value) if isinstance(value, np.bool_) else bool(self._index(value, "bool, int"))

    def _index(self, value: Any, expected: str = "int") -> int:
        try:
            return operator.index(value)
        except TypeError:
            raise self._wrong(value, expected) from None

    def _as_integer(self, value: Any) -> int:
        if self.kind.startswith("enum:"):
            if isinstance(value, str):
                try:
                    return ENUMS[self.kind[5:]][value]
                except KeyError:
                    raise ValueError(f"unknown enum label {value!r}") from None
            return self._index(value)
        number = self._index(value)
        low, high = _INTEGERS[self.kind]
        if not low <= number <= high:
            raise ValueError(f"Value out of range: {number}")
        return number

    def _as_float(self, value: Any) -> float:
        if isinstance(value, (str, bytes)) or not isinstance(value, (numbers.Real, np.number)):
            if not hasattr(value, "__float__"):
                raise self._wrong(value, "int, float")
        return float(value)

    def _as_float32(self, value: Any) -> float:
        return wire.as_float32(self._as_float(value))

    # -------------------------------------------------------------------------------------- bytes

    def takes(self, wire_type: int) -> bool:
        """Whether a value of that wire type may stand in this field."""
        packed = self.repeated and wire_type == wire.BYTES
        return packed or wire_type == self.wire_type or (self.key != "" and wire_type == wire.BYTES)

    def read(self, value: Any) -> Any:
        """The value from what wire.fields gives."""
        form = _FORMATS.get(self.kind)
        if form:
            return struct.unpack(form, value)[0]
        if self.wire_type == wire.BYTES:
            if self.kind == "bytes":
                return value
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise wire.DecodeError(f"field {self.name!r} is no UTF-8") from None
        if self.kind == "bool":
            return value != 0
        if self.kind.startswith("u"):
            return value & (2**32 - 1) if self.kind == "uint32" else value
        return wire.signed(value, 64 if self.kind == "int64" else 32)

    def read_packed(self, data: bytes) -> list[Any]:
        """Numbers that stand behind one another."""
        form = _FORMATS.get(self.kind)
        if form:
            kind = {"f": "<f4", "d": "<f8", "I": "<u4", "Q": "<u8"}[form[1]]
            return wire.unpacked(data, kind).tolist()
        numbers = wire.unpacked_varints(data)
        if self.kind == "bool":
            return (numbers != 0).tolist()
        if self.kind == "int64":
            return numbers.tolist()
        return [self.read(n & (2**64 - 1)) for n in numbers.tolist()]

    def content(self, value: Any) -> bytes:
        """One value without its key."""
        form = _FORMATS.get(self.kind)
        if form:
            return struct.pack(form, value)
        if self.wire_type == wire.VARINT:
            return wire.varint(value)
        raw = value.SerializeToString() if self.is_message else value
        raw = raw.encode() if isinstance(raw, str) else raw
        return wire.varint(len(raw)) + raw

    def written(self, value: Any) -> bytes:
        """The whole field: a value, list or map."""
        if self.key:
            entry_key = Field("key", 1, self.key)
            entry_value = Field("value", 2, self.kind)
            return b"".join(
                wire.delimited(self.number, entry_key.written(k) + entry_value.written(value[k]))
                for k in sorted(value)
            )
        key = wire.key(self.number, self.wire_type)
        if not self.repeated:
            return key + self.content(value)
        if self.wire_type == wire.BYTES:
            return b"".join(key + self.content(item) for item in value)
        form = _FORMATS.get(self.kind)
        if form:
            packed = struct.pack(f"<{len(value)}{form[1]}", *value)
        else:
            packed = wire.packed_varints(value)
        return wire.delimited(self.number, packed)

    def text(self, value: Any) -> str:
        """A scalar in the text form."""
        if self.kind in ("string", "bytes"):
            return quoted(value)
        if self.kind == "bool":
            return "true" if value else "false"
        if self.kind in ("float", "double"):
            short, full = (".6g", ".9g") if self.kind == "float" else (".15g", ".17g")
            text = format(value, short)
            exact = self.checked(float(text)) == value or math.isnan(value)
            return text if exact else format(value, full)
        if self.kind.startswith("enum:"):
            named = {number: name for name, number in ENUMS[self.kind[5:]].items()}
            return named.get(value, str(value))
        return str(value)


_ESCAPES = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 39: "\\'", 92: "\\\\"}


def quoted(value: Any) -> str:
    r"""A string or bytes of the text form, which keeps UTF-8 of strings; numbers as they are.

    >>> print(quoted(b'a"\x00'))
    "a\"\000"
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    plain = range(128, 0x110000) if isinstance(value, str) else ()
    codes = map(ord, value) if isinstance(value, str) else value
    said = [
        _ESCAPES.get(c) or (chr(c) if 32 <= c < 127 or c in plain else f"\\{c:03o}") for c in codes
    ]
    return f'"{"".join(said)}"'


# ------------------------------------------------------------------------------------ containers


class _List(list[Any]):
    """A list that checks what it gets, and tells its owner when it changes."""

    __slots__ = ("_field", "_owner")

    def __init__(self, field: Field, owner: Any) -> None:
        super().__init__()
        self._field, self._owner = field, owner

    def _changed(self) -> None:
        owner, name = self._owner
        owner._attach(name, self)

    def _taken(self, value: Any) -> Any:
        return self._field.checked(value)

    def append(self, value: Any) -> None:
        """Add one value."""
        super().append(self._taken(value))
        self._changed()

    def insert(self, key: SupportsIndex, value: Any) -> None:
        """Put one value in front of position ``key``."""
        super().insert(key, self._taken(value))
        self._changed()

    def extend(self, elem_seq: Iterable[Any] | None) -> None:
        """Add several values."""
        if elem_seq is None:
            return
        if isinstance(elem_seq, np.ndarray):
            elem_seq = elem_seq.tolist() if elem_seq.ndim == 1 else list(elem_seq)
        added = [self._taken(value) for value in elem_seq]
        if added:
            super().extend(added)
            self._changed()

    MergeFrom = extend

    def __iadd__(self, other: Iterable[Any]) -> Any:  # type: ignore[misc]
        self.extend(other)
        return self

    def __reduce__(self) -> Any:
        return list, (list(self),)

    def __deepcopy__(self, memo: Any) -> Any:
        return [value.__deepcopy__(memo) if hasattr(value, "_touch") else value for value in self]


class ScalarList(_List):
    """The values of a repeated field of numbers or strings."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            super().__setitem__(key, [self._taken(v) for v in value])
        else:
            super().__setitem__(key, self._taken(value))
        self._changed()

    def read(self, wire_type: int, value: Any) -> None:
        """Add what wire.fields gives."""
        if wire_type == wire.BYTES and self._field.wire_type != wire.BYTES:
            list.extend(self, self._field.read_packed(value))
        else:
            list.append(self, self._field.read(value))
        self._changed()


class MessageList(_List):
    """The messages of a repeated field."""

    __slots__ = ("_class",)

    def __init__(self, field: Field, owner: Any, message_class: type) -> None:
        super().__init__(field, owner)
        self._class = message_class

    def _taken(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self._class(**value)
        new = self._class()
        new.CopyFrom(value)
        return new

    def add(self, **fields: Any) -> Any:
        """Add a message with these fields, and return it."""
        made = self._class(**fields)
        list.append(self, made)
        self._changed()
        return made

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("a message in a list cannot be replaced; change it, or use CopyFrom")

    def read(self, wire_type: int, value: Any) -> None:
        """Add what wire.fields gives."""
        list.append(self, self._class.FromString(value))  # type: ignore[attr-defined]
        self._changed()


class _Map(dict[Any, Any]):
    __slots__ = ("_field", "_keys", "_owner")

    def __init__(self, field: Field, owner: Any) -> None:
        super().__init__()
        self._field, self._owner = field, owner
        self._keys = Field("key", 1, field.key)

    def _changed(self) -> None:
        owner, name = self._owner
        owner._attach(name, self)

    def _entry(self, data: bytes) -> tuple[Any, Any]:
        """(key, value as it was read) of an entry."""
        key, value = self._keys.default, None
        for number, wire_type, item, _ in wire.fields(data):
            if number == 1 and wire_type == self._keys.wire_type:
                key = self._keys.read(item)
            elif number == 2 and wire_type == self._field.wire_type:
                value = item
        return key, value

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


class ScalarMap(_Map):
    """Key -> number or string; reading a key that is not there sets its default."""

    __slots__ = ()

    def __missing__(self, key: Any) -> Any:
        self[key] = self._field.default
        return self._field.default

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(self._keys.checked(key), self._field.checked(value))
        self._changed()

    def update(self, *others: Any, **items: Any) -> None:
        """As of a dict."""
        for key, value in dict(*others, **items).items():
            self[key] = value

    MergeFrom = update

    def read(self, data: bytes) -> None:
        """Add the entry that the bytes say."""
        key, value = self._entry(data)
        super().__setitem__(key, self._field.default if value is None else self._field.read(value))
        self._changed()


class MessageMap(_Map):
    """Key -> message; reading a key that is not there makes an empty one."""

    __slots__ = ("_class",)

    def __init__(self, field: Field, owner: Any, message_class: type) -> None:
        super().__init__(field, owner)
        self._class = message_class

    def __missing__(self, key: Any) -> Any:
        made = self._class()
        super().__setitem__(self._keys.checked(key), made)
        self._changed()
        return made

    get_or_create = dict.__getitem__

    def __setitem__(self, key: Any, value: Any) -> None:
        raise ValueError("Direct assignment of submessage not allowed; use my_map[key].CopyFrom()")

    def made(self, value: Any) -> Any:
        """A message from a message or a dict of its fields."""
        return self._class(**value) if isinstance(value, Mapping) else value

    def MergeFrom(self, other: Mapping[Any, Any]) -> None:
        """Take over every message of ``other``."""
        for key, value in other.items():
            self[key].CopyFrom(value)

    def read(self, data: bytes) -> None:
        """Add the entry that the bytes say."""
        key, value = self._entry(data)
        super().__setitem__(key, self._class.FromString(value or b""))  # type: ignore[attr-defined]
        self._changed()
