"""Message: a record whose class lists its fields, with the methods of Google's Python classes.

    class Feature(Message):
        FIELDS = declare('''
            bytes_list  1  BytesList  oneof kind
            float_list  2  FloatList  oneof kind
            ''')

Reading a field that is not set gives its default and sets nothing; a record inside a record comes
into being when something in it is set.  Bytes are written in the order of the field numbers, maps
in the order of their keys: equal messages have equal bytes.

Read next: example.py, framework.py (the messages).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar

from flowgraph.errors import did_you_mean
from flowgraph.protos import wire
from flowgraph.protos.fields import Field, MessageList, MessageMap, ScalarList, ScalarMap, quoted

M = TypeVar("M", bound="Message")

#: Class name -> class: fields name the classes of their values.
CLASSES: dict[str, type[Message]] = {}


def declare(text: str) -> dict[str, Field]:
    """Fields, one a line: name, number, then ``[repeated | map <key>] <kind> [oneof <group>]``.

    A kind is a scalar kind of protocol buffers, the name of a message class, or ``enum`` with the
    name of an Enum of fields.py behind a colon.

    >>> declare("value 1 repeated int64")["value"].number
    1
    """
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, number, *words = line.split()
        many = words[0] == "repeated"
        key = words[1] if words[0] == "map" else ""
        kind = words[1 if many else 2 if key else 0]
        group = words[-1] if "oneof" in words else ""
        found[name] = Field(name, int(number), kind, many, key, group)
    return dict(sorted(found.items(), key=lambda item: item[1].number))


class Message:
    """A record with the fields that its class lists.

    Raises:
        ValueError: a keyword that is no field; a number out of range.
        AttributeError: reading or setting what is no field, or setting a record or list.
        TypeError: a value of another type than the field's.
    """

    FIELDS: ClassVar[Mapping[str, Field]] = {}
    _BY_NUMBER: ClassVar[Mapping[int, Field]] = {}
    __slots__ = ("_lazy", "_owner", "_unknown", "_values")

    _values: dict[str, Any]
    _lazy: dict[str, Any]
    _unknown: bytes
    _owner: tuple[Message, str] | None

    def __init_subclass__(cls) -> None:
        cls._BY_NUMBER = {field.number: field for field in cls.FIELDS.values()}
        CLASSES[cls.__qualname__] = cls

    def __init__(self, **fields: Any) -> None:
        put = object.__setattr__
        put(self, "_values", {})
        put(self, "_lazy", {})
        put(self, "_unknown", b"")
        put(self, "_owner", None)
        for name, value in fields.items():
            field = self.FIELDS.get(name)
            if field is None:
                raise ValueError(self._no_field(name))
            if value is not None:
                self._fill(field, value)

    def _fill(self, field: Field, value: Any) -> None:
        """Set a field from a keyword argument."""
        if field.repeated:
            getattr(self, field.name).extend(value)
        elif field.key:
            target = getattr(self, field.name)
            for key, item in value.items():
                if isinstance(target, ScalarMap):
                    target[key] = item
                else:
                    target[key].CopyFrom(target.made(item))
        elif field.is_message:
            child = getattr(self, field.name)
            child.CopyFrom(CLASSES[field.kind](**value) if isinstance(value, Mapping) else value)
            child.SetInParent()
        else:
            setattr(self, field.name, value)

    @classmethod
    def _no_field(cls, name: str) -> str:
        hint = did_you_mean(name, cls.FIELDS)
        return f'Protocol message {cls.__name__} has no "{name}" field.{hint}'

    # ------------------------------------------------------------------------------------- fields

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._values.get(name)
        if found is not None:
            return found
        field = self.FIELDS.get(name)
        if field is None:
            raise AttributeError(self._no_field(name))
        if not (field.repeated or field.key or field.is_message):
            return field.default
        made = self._lazy.get(name)
        if made is None:
            made = self._lazy[name] = self._made(field)
        return made

    def _made(self, field: Field) -> Any:
        """The empty value of a field that is a record, list or map."""
        owner = (self, field.name)
        if field.key:
            inner = CLASSES[field.kind] if field.is_message else None
            return MessageMap(field, owner, inner) if inner else ScalarMap(field, owner)
        if not field.is_message:
            return ScalarList(field, owner)
        if field.repeated:
            return MessageList(field, owner, CLASSES[field.kind])
        child = CLASSES[field.kind]()
        object.__setattr__(child, "_owner", owner)
        return child

    def __setattr__(self, name: str, value: Any) -> None:
        field = self.FIELDS.get(name)
        if field is None:
            raise AttributeError(self._no_field(name))
        if field.repeated or field.key or field.is_message:
            raise AttributeError(
                f'Assignment not allowed to message, map, or repeated field "{name}" in protocol '
                "message object."
            )
        value = field.checked(value)
        self._leave(field)
        if value == field.default and not field.group:
            self._values.pop(name, None)
        else:
            self._values[name] = value
        self._touch()

    def _leave(self, field: Field) -> None:
        """Clear the other fields of a oneof."""
        if field.group:
            for other in self.FIELDS.values():
                if other.group == field.group and other is not field:
                    self._values.pop(other.name, None)

    def _touch(self) -> None:
        """Something in this record was set: it belongs to its owner from now on."""
        if self._owner is not None:
            owner, name = self._owner
            object.__setattr__(self, "_owner", None)
            owner._attach(name, self)

    def _attach(self, name: str, value: Any) -> None:
        """A record, list or map of this record was set for the first time."""
        if self._lazy.get(name) is value:
            del self._lazy[name]
            self._leave(self.FIELDS[name])
            self._values[name] = value
        self._touch()

    def SetInParent(self) -> None:
        """Set this record in the one that holds it, empty as it may be."""
        self._touch()

    def HasField(self, name: str) -> bool:
        """Whether a record, or a member of a oneof, is set.

        Raises:
            ValueError: no field, or one that does not know (lists, maps, plain scalars).
        """
        field = self.FIELDS.get(name)
        if field is None:
            if any(f.group == name for f in self.FIELDS.values()):
                return self.WhichOneof(name) is not None
            raise ValueError(self._no_field(name))
        if field.repeated or field.key or not (field.is_message or field.group):
            raise ValueError(f'Field "{name}" of {type(self).__name__} does not have presence.')
        return name in self._values

    def WhichOneof(self, oneof_group: str) -> str | None:
        """The field of a oneof that is set.

        Raises:
            ValueError: there is no such oneof.
        """
        members = [f.name for f in self.FIELDS.values() if f.group == oneof_group]
        if not members:
            raise ValueError(
                f'Protocol message {type(self).__name__} has no oneof "{oneof_group}" field.'
            )
        return next((name for name in members if name in self._values), None)

    def ListFields(self) -> list[tuple[Field, Any]]:
        """(field, value) of everything that is set, by number."""
        return [(self.FIELDS[name], value) for name, value in self._set()]

    def _set(self) -> Iterator[tuple[str, Any]]:
        for name, field in self.FIELDS.items():
            value = self._values.get(name)
            if value is not None and (len(value) if field.repeated or field.key else True):
                yield name, value

    def Clear(self) -> None:
        """Set every field to its default."""
        self._values.clear()
        self._lazy.clear()
        object.__setattr__(self, "_unknown", b"")
        self._touch()

    def ClearField(self, field_name: str) -> None:
        """Set one field, or the field of a oneof that is set, to its default.

        Raises:
            ValueError: there is no such field.
        """
        if field_name not in self.FIELDS:
            member = self.WhichOneof(field_name)
            if member is None:
                return
            field_name = member
        self._values.pop(field_name, None)
        self._lazy.pop(field_name, None)
        self._touch()

    def DiscardUnknownFields(self) -> None:
        """Forget fields that were parsed and that the class does not list."""
        object.__setattr__(self, "_unknown", b"")

    # ------------------------------------------------------------------------------------ merging

    def CopyFrom(self, other_msg: Self) -> None:
        """Become equal to ``other_msg``.

        Raises:
            TypeError: it is of another class.
        """
        if other_msg is not self:
            self._check_class(other_msg, "CopyFrom")
            self.Clear()
            self.MergeFrom(other_msg)

    def MergeFrom(self, other_msg: Self) -> None:
        """Take over what is set in ``other_msg``; lists and maps grow, records merge.

        Raises:
            TypeError: it is of another class.
        """
        self._check_class(other_msg, "MergeFrom")
        for name, value in list(other_msg._set()):
            field = self.FIELDS[name]
            if field.repeated or field.key or field.is_message:
                getattr(self, name).MergeFrom(value)
                if field.is_message and not field.repeated and not field.key:
                    getattr(self, name).SetInParent()
            else:
                setattr(self, name, value)
        object.__setattr__(self, "_unknown", self._unknown + other_msg._unknown)

    def _check_class(self, other: Any, method: str) -> None:
        if type(other) is not type(self):
            raise TypeError(
                f"Parameter to {method}() must be instance of same class: expected "
                f"{type(self).__name__} got {type(other).__name__}."
            )

    # -------------------------------------------------------------------------------------- bytes

    def SerializeToString(self, deterministic: bool | None = None) -> bytes:
        """The message as bytes; ``deterministic`` or not, equal messages give equal bytes."""
        parts = [self.FIELDS[name].written(value) for name, value in self._set()]
        return b"".join(parts) + self._unknown

    SerializePartialToString = SerializeToString

    def ByteSize(self) -> int:
        """How many bytes the message has."""
        return len(self.SerializeToString())

    def IsInitialized(self) -> bool:
        """True: no field is required."""
        return True

    def ParseFromString(self, serialized: bytes) -> int:
        """Become what the bytes say; returns how many they are.

        Raises:
            DecodeError: the bytes are no message of this class.
        """
        self.Clear()
        return self.MergeFromString(serialized)

    def MergeFromString(self, serialized: bytes) -> int:
        """Take over what the bytes say; returns how many they are.

        Raises:
            DecodeError: the bytes are no message of this class.   TypeError: no bytes.
        """
        if isinstance(serialized, str):
            raise TypeError("a message is made from bytes, not from str")
        data = bytes(serialized)
        start = 0
        unknown = [self._unknown]
        for number, wire_type, value, end in wire.fields(data):
            field = self._BY_NUMBER.get(number)
            if field is None or not field.takes(wire_type):
                unknown.append(data[start:end])
            else:
                self._read(field, wire_type, value)
            start = end
        object.__setattr__(self, "_unknown", b"".join(unknown))
        return len(data)

    def _read(self, field: Field, wire_type: int, value: Any) -> None:
        if field.key:
            getattr(self, field.name).read(value)
        elif field.repeated:
            getattr(self, field.name).read(wire_type, value)
        elif field.is_message:
            child = getattr(self, field.name)
            child.MergeFromString(value)
            child.SetInParent()
        else:
            setattr(self, field.name, field.read(value))

    @classmethod
    def FromString(cls: type[M], s: bytes) -> M:
        """The message that the bytes say.

        Raises:
            DecodeError: the bytes are no message of this class.
        """
        message = cls()
        message.MergeFromString(s)
        return message

    # ----------------------------------------------------------------------------------- as Python

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return dict(self._set()) == dict(other._set()) and self._unknown == other._unknown

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: Any) -> Self:
        new = type(self)()
        new.MergeFrom(self)
        return new

    def __reduce__(self) -> Any:
        return type(self).FromString, (self.SerializeToString(),)

    def __dir__(self) -> Iterable[str]:
        return sorted({*super().__dir__(), *self.FIELDS})

    def __str__(self) -> str:
        """The text form of protocol buffers, nested two spaces a level."""
        return "".join(f"{line}\n" for line in self._lines())

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        for name, value in self._set():
            field = self.FIELDS[name]
            if field.key:
                for key in sorted(value):
                    yield f"{name} {{"
                    yield f"  key: {quoted(key)}"
                    inner = value[key]
                    yield from _shown("value", inner, field, "  ")
                    yield "}"
            else:
                for item in value if field.repeated else [value]:
                    yield from _shown(name, item, field, "")


def _shown(name: str, value: Any, field: Field, indent: str) -> Iterator[str]:
    if isinstance(value, Message):
        yield f"{indent}{name} {{"
        for line in value._lines():
            yield f"{indent}  {line}"
        yield f"{indent}}}"
    else:
        yield f"{indent}{name}: {field.text(value)}"
