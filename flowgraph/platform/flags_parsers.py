"""What makes values of the texts of flags, and texts of values.

Read next: flags_more.py (flags that use them).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.graph.export import export


def public(*names: str) -> Callable[[Any], Any]:
    """Publish under tf.flags and tf.app.flags."""
    return export(*(f"{space}.{name}" for name in names for space in ("flags", "app.flags")))


@public("ArgumentParser")
class ArgumentParser:
    """Makes a value of the text of a flag: this one leaves it as it is.

    Attributes:
        syntactic_help: what the text must be.
    """

    syntactic_help = ""

    def parse(self, argument: Any) -> Any:
        """The value of ``argument``; ValueError or TypeError when it has none."""
        if not isinstance(argument, str):
            raise TypeError(f"flag value must be a string, found {argument!r}")
        return argument

    def flag_type(self) -> str:
        """What the values are, in a word."""
        return "string"


class _NumberParser(ArgumentParser):
    _kind: type = float

    def __init__(self, lower_bound: Any = None, upper_bound: Any = None) -> None:
        self.lower_bound, self.upper_bound = lower_bound, upper_bound
        limits = [
            f"{word} {bound}"
            for word, bound in (("at least", lower_bound), ("at most", upper_bound))
            if bound is not None
        ]
        self.syntactic_help = f"a number, {' and '.join(limits)}" if limits else ""

    def parse(self, argument: Any) -> Any:
        """The number; ValueError when it is none, or not within the bounds."""
        value = self.convert(argument)
        if self.is_outside_bounds(value):
            raise ValueError(f"{value} is not {self.syntactic_help}")
        return value

    def is_outside_bounds(self, val: Any) -> bool:
        """Whether ``val`` is below the lower or above the upper bound."""
        below = self.lower_bound is not None and val < self.lower_bound
        return below or (self.upper_bound is not None and val > self.upper_bound)

    def convert(self, argument: Any) -> Any:
        """The number, whatever the bounds say."""
        return self._kind(argument)


@public("FloatParser")
class FloatParser(_NumberParser):
    """Makes floats of texts; ``lower_bound`` and ``upper_bound`` may be given."""

    def flag_type(self) -> str:
        """``"float"``."""
        return "float"


@public("IntegerParser")
class IntegerParser(_NumberParser):
    """Makes ints of texts, ``0x`` and ``0o`` too; within ``lower_bound`` and ``upper_bound``."""

    _kind = int

    def convert(self, argument: Any) -> int:
        """The number, whatever the bounds say."""
        if isinstance(argument, str):
            return int(argument, 0 if argument.lstrip("+-")[:2].lower() in ("0x", "0o") else 10)
        if isinstance(argument, bool) or not isinstance(argument, int):
            raise TypeError(f"expected an integer, got {argument!r}")
        return argument

    def flag_type(self) -> str:
        """``"int"``."""
        return "int"


@public("BooleanParser")
class BooleanParser(ArgumentParser):
    """Makes bools of texts: ``true``, ``t``, ``1``, ``false``, ``f``, ``0``."""

    def parse(self, argument: Any) -> bool:
        """The bool; ValueError when it is none."""
        text = str(argument).lower()
        if text not in ("true", "t", "1", "false", "f", "0"):
            raise ValueError(f"{argument!r} is neither true nor false")
        return text in ("true", "t", "1")

    def flag_type(self) -> str:
        """``"bool"``."""
        return "bool"


@public("EnumParser")
class EnumParser(ArgumentParser):
    """Accepts one of ``enum_values``, in another case too unless ``case_sensitive``."""

    def __init__(self, enum_values: Sequence[str], case_sensitive: bool = True) -> None:
        if not enum_values:
            raise ValueError("enum_values cannot be empty")
        self.enum_values, self.case_sensitive = list(enum_values), case_sensitive
        self.syntactic_help = f"one of {', '.join(self.enum_values)}"

    def parse(self, argument: Any) -> str:
        """The value as it stands in ``enum_values``; ValueError when it is none of them."""
        for value in self.enum_values:
            same = value == argument if self.case_sensitive else value.lower() == argument.lower()
            if same:
                return value
        raise ValueError(f"{argument!r} is not {self.syntactic_help}")

    def flag_type(self) -> str:
        """``"string enum"``."""
        return "string enum"


@public("EnumClassParser")
class EnumClassParser(ArgumentParser):
    """Makes members of ``enum_class`` of their names."""

    def __init__(self, enum_class: type[enum.Enum], case_sensitive: bool = True) -> None:
        if not isinstance(enum_class, type) or not issubclass(enum_class, enum.Enum):
            raise TypeError(f"{enum_class!r} is not a subclass of Enum.")
        if not enum_class.__members__:
            raise ValueError(f"enum_class cannot be empty, but {enum_class} is empty.")
        self.enum_class = enum_class
        self._names = EnumParser(list(enum_class.__members__), case_sensitive)
        self.syntactic_help = self._names.syntactic_help

    def parse(self, argument: Any) -> enum.Enum:
        """The member; ValueError when there is none of that name."""
        if isinstance(argument, self.enum_class):
            return argument
        return self.enum_class[self._names.parse(argument)]

    def flag_type(self) -> str:
        """``"enum class"``."""
        return "enum class"


@public("BaseListParser")
class BaseListParser(ArgumentParser):
    """Makes lists of texts, cut at ``token`` (None: at white space); ``name`` says what at."""

    def __init__(self, token: str | None = None, name: str | None = None) -> None:
        self._token, self._name = token, name
        self.syntactic_help = f"a {name} separated list"

    def parse(self, argument: Any) -> list[str]:
        """The parts, without the white space around them."""
        if isinstance(argument, (list, tuple)):
            return list(argument)
        return [part.strip() for part in argument.split(self._token)] if argument else []

    def flag_type(self) -> str:
        """What the values are, in words."""
        return f"{self._name} separated list of strings"


@public("ListParser")
class ListParser(BaseListParser):
    """Makes lists of texts with commas."""

    def __init__(self) -> None:
        super().__init__(",", "comma")


@public("WhitespaceSeparatedListParser")
class WhitespaceSeparatedListParser(BaseListParser):
    """Makes lists of texts with white space; with ``comma_compat`` also where commas stand."""

    def __init__(self, comma_compat: bool = False) -> None:
        self._comma_compat = comma_compat
        super().__init__(None, "whitespace or comma" if comma_compat else "whitespace")

    def parse(self, argument: Any) -> list[str]:
        """The parts."""
        if self._comma_compat and isinstance(argument, str):
            argument = argument.replace(",", " ")
        return super().parse(argument)


@public("ArgumentSerializer")
class ArgumentSerializer:
    """Writes the value of a flag as it would stand on the command line."""

    def serialize(self, value: Any) -> str:
        """``value`` as text."""
        return str(value)


@public("ListSerializer")
class ListSerializer(ArgumentSerializer):
    """Writes lists, with ``list_sep`` between the parts."""

    def __init__(self, list_sep: str) -> None:
        self.list_sep = list_sep

    def serialize(self, value: Any) -> str:
        """``value`` as text."""
        return self.list_sep.join(str(part) for part in value)


@public("CsvListSerializer")
class CsvListSerializer(ListSerializer):
    """Writes lists as a line of comma-separated values."""

    def __init__(self, list_sep: str = ",") -> None:
        super().__init__(list_sep)

    def serialize(self, value: Any) -> str:
        """``value`` as text; parts with commas or quotes stand in quotes."""
        parts = [str(part) for part in value]
        special = (self.list_sep, '"', "\n", "\r")
        quoted = [
            '"' + part.replace('"', '""') + '"' if any(c in part for c in special) else part
            for part in parts
        ]
        return self.list_sep.join(quoted)


@public("EnumClassSerializer")
class EnumClassSerializer(ArgumentSerializer):
    """Writes members of an Enum by their names; ``lowercase`` or not."""

    def __init__(self, lowercase: bool = False) -> None:
        self._written: Callable[[str], str] = str.lower if lowercase else str

    def serialize(self, value: Any) -> str:
        """The name of ``value``."""
        return self._written(value.name)


@public("EnumClassListSerializer")
class EnumClassListSerializer(ListSerializer):
    """Writes lists of members of an Enum."""

    def __init__(self, list_sep: str, **kwargs: Any) -> None:
        super().__init__(list_sep)
        self._one = EnumClassSerializer(**kwargs)

    def serialize(self, value: Any) -> str:
        """The names of the members."""
        members = value if isinstance(value, (list, tuple)) else [value]
        return self.list_sep.join(self._one.serialize(member) for member in members)
