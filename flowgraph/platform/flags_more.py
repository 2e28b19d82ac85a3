"""The rest of tf.flags: flags of enums, flags that exclude one another, texts of help.

Read next: flags.py (what most programs use), flags_parsers.py.
"""

from __future__ import annotations

import enum
import os
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flowgraph.platform.flags import (
    FLAGS,
    Flag,
    FlagHolder,
    FlagValues,
    add,
    register_multi_flags_validator,
)
from flowgraph.platform.flags_parsers import BooleanParser, EnumClassParser, EnumParser, public

# ------------------------------------------------------------------------------------------- flags


def _several(parser: Any) -> Callable[[Any], list[Any]]:
    def parse(value: Any) -> list[Any]:
        many = isinstance(value, (list, tuple))
        return [parser.parse(v) for v in value] if many else [parser.parse(value)]

    return parse


@public("BooleanFlag")
class BooleanFlag(Flag):
    """A flag that is true or false; ``name``, ``default`` and ``help`` as in DEFINE_boolean."""

    def __init__(self, name: str, default: Any, help: str | None, short_name: Any = None) -> None:
        super().__init__(name, default, help, BooleanParser().parse, "bool")


@public("EnumFlag")
class EnumFlag(Flag):
    """A flag whose value is one of ``enum_values``; the rest as in DEFINE_enum."""

    def __init__(
        self,
        name: str,
        default: Any,
        help: str | None,
        enum_values: Sequence[str],
        short_name: Any = None,
        case_sensitive: bool = True,
    ) -> None:
        parser = EnumParser(enum_values, case_sensitive)
        super().__init__(name, default, help, parser.parse, "one")


@public("EnumClassFlag")
class EnumClassFlag(Flag):
    """A flag whose value is a member of ``enum_class``; the rest as in DEFINE_enum_class."""

    def __init__(
        self,
        name: str,
        default: Any,
        help: str | None,
        enum_class: type[enum.Enum],
        short_name: Any = None,
        case_sensitive: bool = False,
    ) -> None:
        parser = EnumClassParser(enum_class, case_sensitive)
        super().__init__(name, default, help, parser.parse, "one")


@public("MultiFlag")
class MultiFlag(Flag):
    """A flag that may be given again: its value is a list of what ``parser`` makes."""

    def __init__(
        self,
        parser: Any,
        serializer: Any,
        name: str,
        default: Any,
        help_string: str | None = None,
        short_name: Any = None,
    ) -> None:
        super().__init__(name, default, help_string, _several(parser), "multi")


@public("MultiEnumClassFlag")
class MultiEnumClassFlag(MultiFlag):
    """A flag that may be given again: its value is a list of members of ``enum_class``."""

    def __init__(
        self,
        name: str,
        default: Any,
        help_string: str | None,
        enum_class: type[enum.Enum],
        case_sensitive: bool = False,
    ) -> None:
        super().__init__(
            EnumClassParser(enum_class, case_sensitive), None, name, default, help_string
        )


@public("DEFINE_flag")
def DEFINE_flag(
    flag: Flag, flag_values: FlagValues = FLAGS, module_name: Any = None, required: bool = False
) -> FlagHolder:
    """Have ``flag_values`` read a Flag that was made by hand; ``module_name`` has no effect."""
    return add(flag, flag_values, required)


@public("DEFINE")
def DEFINE(
    parser: Any,
    name: str,
    default: Any,
    help: str | None,
    flag_values: FlagValues = FLAGS,
    serializer: Any = None,
    module_name: Any = None,
    required: bool = False,
    **args: Any,
) -> FlagHolder:
    """Define a flag whose value is what ``parser`` makes of its text.

    Args:
        parser: an ArgumentParser.
        name, default, help, flag_values, required: as in ``DEFINE_string``.
        serializer, module_name, args: kept for other callers, without effect.
    """
    return add(Flag(name, default, help, parser.parse, "one"), flag_values, required)


@public("DEFINE_multi")
def DEFINE_multi(
    parser: Any,
    serializer: Any,
    name: str,
    default: Any,
    help: str | None,
    flag_values: FlagValues = FLAGS,
    module_name: Any = None,
    required: bool = False,
    **args: Any,
) -> FlagHolder:
    """Define a flag that may be given again: a list of what ``parser`` makes.

    Args:
        parser, serializer, name, default, help, flag_values, module_name, required, args: as in
            ``DEFINE``.
    """
    return add(MultiFlag(parser, serializer, name, default, help), flag_values, required)


@public("DEFINE_enum_class")
def DEFINE_enum_class(
    name: str,
    default: Any,
    enum_class: type[enum.Enum],
    help: str | None,
    flag_values: FlagValues = FLAGS,
    module_name: Any = None,
    case_sensitive: bool = False,
    required: bool = False,
    **args: Any,
) -> FlagHolder:
    """Define a flag whose value is a member of ``enum_class``, written by its name.

    Args:
        name, default, help, flag_values, required: as in ``DEFINE_string``.
        enum_class: a class of enum.Enum.   case_sensitive: whether upper and lower case differ.
        module_name, args: without effect.
    """
    flag = EnumClassFlag(name, default, help, enum_class, case_sensitive=case_sensitive)
    return add(flag, flag_values, required)


@public("DEFINE_multi_enum")
def DEFINE_multi_enum(
    name: str,
    default: Any,
    enum_values: Sequence[str],
    help: str | None,
    flag_values: FlagValues = FLAGS,
    case_sensitive: bool = True,
    required: bool = False,
    **args: Any,
) -> FlagHolder:
    """Define a flag that may be given again: a list of some of ``enum_values``.

    Args:
        name, default, help, flag_values, required: as in ``DEFINE_string``.
        enum_values, case_sensitive: as in ``DEFINE_enum``.   args: without effect.
    """
    parser = EnumParser(enum_values, case_sensitive)
    return add(MultiFlag(parser, None, name, default, help), flag_values, required)


@public("DEFINE_multi_enum_class")
def DEFINE_multi_enum_class(
    name: str,
    default: Any,
    enum_class: type[enum.Enum],
    help: str | None,
    flag_values: FlagValues = FLAGS,
    module_name: Any = None,
    case_sensitive: bool = False,
    required: bool = False,
    **args: Any,
) -> FlagHolder:
    """Define a flag that may be given again: a list of members of ``enum_class``.

    Args:
        name, default, enum_class, help, flag_values, module_name, case_sensitive, required, args:
            as in ``DEFINE_enum_class``.
    """
    flag = MultiEnumClassFlag(name, default, help, enum_class, case_sensitive)
    return add(flag, flag_values, required)


# ------------------------------------------------------------------------------------- validation


@public("multi_flags_validator")
def multi_flags_validator(
    flag_names: Sequence[str],
    message: str = "Flag validation failed",
    flag_values: FlagValues = FLAGS,
) -> Callable[[Callable[[dict[str, Any]], bool]], Callable[[dict[str, Any]], bool]]:
    """A decorator: the function checks a dict of the values of ``flag_names``."""

    def decorate(function: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any]], bool]:
        register_multi_flags_validator(flag_names, function, message, flag_values)
        return function

    return decorate


def _exclude(names: Sequence[str], required: bool, values: FlagValues, given: Any) -> None:
    def at_most_one(found: dict[str, Any]) -> bool:
        count = sum(1 for value in found.values() if given(value))
        return count == 1 or (not required and count == 0)

    needed = "exactly" if required else "at most"
    message = f"{needed} one of {', '.join(names)} must be given"
    register_multi_flags_validator(names, at_most_one, message, values)


@public("mark_flags_as_mutual_exclusive")
def mark_flags_as_mutual_exclusive(
    flag_names: Sequence[str], required: bool = False, flag_values: FlagValues = FLAGS
) -> None:
    """Have at most one of some flags (exactly one where ``required``) be other than None."""
    _exclude(flag_names, required, flag_values, lambda value: value is not None)


@public("mark_bool_flags_as_mutual_exclusive")
def mark_bool_flags_as_mutual_exclusive(
    flag_names: Sequence[str], required: bool = False, flag_values: FlagValues = FLAGS
) -> None:
    """Have at most one of some flags (exactly one where ``required``) be true."""
    _exclude(flag_names, required, flag_values, bool)


@public("declare_key_flag")
def declare_key_flag(flag_name: str, flag_values: FlagValues = FLAGS) -> None:
    """Say that a flag of another module matters; ``--help`` shows all flags anyway.

    Raises:
        AttributeError: there is no such flag.
    """
    flag_values._find(flag_name)


@public("adopt_module_key_flags")
def adopt_module_key_flags(module: Any, flag_values: FlagValues = FLAGS) -> None:
    """Say that the flags of another module matter; ``--help`` shows all flags anyway."""


@public("disclaim_key_flags")
def disclaim_key_flags() -> None:
    """Say that this module's flags belong to its callers; ``--help`` shows all flags anyway."""


@public("set_default")
def set_default(flag_holder: FlagHolder, value: Any) -> None:
    """Change the default of a flag, and its value unless that was given."""
    flag_holder._flag_values.set_default(flag_holder.name, value)


@public("override_value")
def override_value(flag_holder: FlagHolder, value: Any) -> None:
    """Change the value of a flag."""
    setattr(flag_holder._flag_values, flag_holder.name, value)


# -------------------------------------------------------------------------------------------- texts


@public("get_help_width")
def get_help_width() -> int:
    """How wide texts of help are: as the terminal, else 80 columns."""
    return shutil.get_terminal_size((80, 24)).columns if os.environ.get("TERM") else 80


@public("text_wrap")
def text_wrap(
    text: str, length: int | None = None, indent: str = "", firstline_indent: str | None = None
) -> str:
    """``text`` in lines of at most ``length``.

    Args:
        text: paragraphs.
        length: the width of the lines, their indentation included; ``get_help_width()`` if None.
        indent: in front of every line.   firstline_indent: in front of the first one.
    """
    width = get_help_width() if length is None else length
    if len(indent) >= width:
        raise ValueError("Length of indent exceeds length")
    first = indent if firstline_indent is None else firstline_indent
    lines: list[str] = []
    for paragraph in text.strip().splitlines():
        start = first if not lines else indent
        wrapped = textwrap.wrap(
            paragraph, width, initial_indent=start, subsequent_indent=indent,
            break_on_hyphens=False,
        )  # fmt: skip
        lines += wrapped or [""]
    return "\n".join(lines)


@public("doc_to_help")
def doc_to_help(doc: str) -> str:
    """A docstring as a text of help: without indentation, each paragraph in one line."""
    text = textwrap.dedent(doc.strip().partition("\n")[2])
    whole = doc.strip().partition("\n")[0] + "\n" + text
    paragraphs = [" ".join(p.split()) for p in whole.strip().split("\n\n")]
    return "\n\n".join(paragraphs)


@public("flag_dict_to_args")
def flag_dict_to_args(
    flag_map: Mapping[str, Any], multi_flags: Iterable[str] | None = None
) -> Iterable[str]:
    """A command line that says ``flag_map``.

    Args:
        flag_map: name -> value; None gives ``--name`` alone, bools ``--name`` and ``--noname``,
            lists are written with commas.
        multi_flags: the names of those whose lists are written by repetition.

    Yields:
        The arguments.
    """
    repeated = set(multi_flags or ())
    for name, value in flag_map.items():
        if value is None:
            yield f"--{name}"
        elif isinstance(value, bool):
            yield f"--{name}" if value else f"--no{name}"
        elif isinstance(value, (bytes, str)) or not isinstance(value, Iterable):
            yield f"--{name}={value.decode() if isinstance(value, bytes) else value}"
        elif name in repeated:
            for item in value:
                yield f"--{name}={item}"
        else:
            yield f"--{name}={','.join(str(item) for item in value)}"
