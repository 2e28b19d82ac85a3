"""tf.flags, also tf.app.flags: options of the command line as attributes of ``FLAGS``.

    tf.flags.DEFINE_integer("steps", 100, "Number of training steps.")
    FLAGS = tf.flags.FLAGS
    FLAGS.steps          # 100, or what --steps=200 says

Flags are written ``--name=value`` or ``--name value`` (one dash will do), booleans also ``--name``
and ``--noname``; what follows ``--`` is no flag.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from flowgraph.errors import did_you_mean
from flowgraph.graph.export import export_value

# ------------------------------------------------------------------------------------------ errors


class Error(Exception):
    """The base of what goes wrong with flags."""


class DuplicateFlagError(Error):
    """A name is defined twice."""


class IllegalFlagValueError(Error):
    """A value does not suit its flag."""


class UnrecognizedFlagError(Error):
    """The command line holds a flag that is not defined."""


class ValidationError(Error):
    """A validator does not accept the values."""


class UnparsedFlagAccessError(Error):
    """Flags are asked for before the command line is read."""


class CantOpenFlagFileError(Error):
    """The file that ``--flagfile`` names cannot be read."""


class FlagNameConflictsWithMethodError(Error):
    """A flag has the name of a method of FlagValues."""


# ------------------------------------------------------------------------------------------- flags


class Flag:
    """One flag.

    Attributes:
        name, help: as defined.   default: the value when the command line says nothing.
        value: the value of now.   present: how often the command line names it.
    """

    def __init__(
        self, name: str, default: Any, help: str | None, parse: Callable[[Any], Any], kind: str
    ) -> None:
        self.name, self.help, self.kind = name, help, kind
        self.parse = parse
        self.present = 0
        self.default = self.parsed(default)
        self.value = self.default

    @property
    def boolean(self) -> bool:
        """True for flags that are written without a value."""
        return self.kind == "bool"

    def parsed(self, value: Any) -> Any:
        """``value`` in this flag's type; IllegalFlagValueError when it is none."""
        if value is None:
            return None
        try:
            return self.parse(value)
        except (TypeError, ValueError) as error:
            raise IllegalFlagValueError(f"flag --{self.name}={value}: {error}") from None

    def take(self, value: Any) -> None:
        """Read ``value`` from the command line."""
        found = self.parsed(value)
        if self.kind == "multi" and self.present:
            found = [*self.value, *found]
        self.value = found
        self.present += 1


class FlagHolder:
    """A flag that was defined: ``value``, ``default``, ``name`` and ``present`` of now."""

    def __init__(self, flag_values: FlagValues, flag: Flag) -> None:
        self._flag_values, self._flag = flag_values, flag

    @property
    def name(self) -> str:
        """Its name."""
        return self._flag.name

    @property
    def value(self) -> Any:
        """Its value; the command line is read if it was not yet."""
        return getattr(self._flag_values, self.name)

    @property
    def default(self) -> Any:
        """Its value when the command line says nothing."""
        return self._flag.default

    @property
    def present(self) -> bool:
        """Whether the command line names it."""
        return self._flag.present > 0


class FlagValues:
    """All flags; the value of flag ``x`` is the attribute ``x``.

    The first look at a value reads the command line, unless ``tf.app.run`` did so before.
    """

    def __init__(self) -> None:
        self.__dict__["_flags"] = {}
        self.__dict__["_validators"] = []
        self.__dict__["_is_parsed"] = False

    def _define(self, flag: Flag) -> None:
        if flag.name in vars(FlagValues):
            raise FlagNameConflictsWithMethodError(
                f"flag --{flag.name} has the name of a method of FlagValues"
            )
        if flag.name in self._flags:
            raise DuplicateFlagError(f"flag --{flag.name} is defined twice")
        self._flags[flag.name] = flag

    def _find(self, name: str) -> Flag:
        flag = self._flags.get(name)
        if flag is None:
            raise AttributeError(f"there is no flag --{name}{did_you_mean(name, self._flags)}")
        return flag

    def __getattr__(self, name: str) -> Any:
        if name == "__flags":  # old programs look there
            return self._flags
        if name.startswith("__"):
            raise AttributeError(name)
        flag = self._find(name)
        if not self._is_parsed:
            self(sys.argv, known_only=True)
        return flag.value

    def __setattr__(self, name: str, value: Any) -> None:
        flag = self._find(name)
        flag.value = value
        self._validate([name])

    def __delattr__(self, name: str) -> None:
        self._find(name)
        del self._flags[name]

    def __getitem__(self, name: str) -> Flag:
        if name not in self._flags:
            raise KeyError(name)
        return self._flags[name]

    def __contains__(self, name: str) -> bool:
        return name in self._flags

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._flags))

    def __len__(self) -> int:
        return len(self._flags)

    def __dir__(self) -> list[str]:
        return sorted(self._flags)

    def __call__(self, argv: Sequence[str], known_only: bool = False) -> list[str]:
        """Read the flags in ``argv``, whose first item is the program's name.

        Args:
            argv: the command line.
            known_only: leave flags that are not defined among the rest.

        Returns:
            The program's name and the arguments that are no flags.

        Raises:
            UnrecognizedFlagError, IllegalFlagValueError, ValidationError.
        """
        rest = list(argv[:1])
        words = _with_files(list(argv[1:]))
        while words:
            word = words.pop(0)
            if word == "--":
                rest += words
                break
            if not word.startswith("-") or word == "-":
                rest.append(word)
            elif not self._take(word, words):
                if not known_only:
                    name = word.lstrip("-").partition("=")[0]
                    hint = did_you_mean(name, self._flags)
                    raise UnrecognizedFlagError(f"there is no flag {word}{hint}")
                rest.append(word)
        self.__dict__["_is_parsed"] = True
        self._validate(self._flags)
        return rest

    def _take(self, word: str, following: list[str]) -> bool:
        """Read one flag, with its value from ``following`` if need be; False when unknown."""
        name, equals, value = word.lstrip("-").partition("=")
        flag = self._flags.get(name)
        if flag is None and name in ("help", "h", "helpfull"):
            sys.stdout.write(self.get_help())
            raise SystemExit(0)
        if flag is None and name.startswith("no") and not equals:
            flag = self._flags.get(name[2:])
            if flag is not None and flag.boolean:
                flag.take(False)
                return True
            return False
        if flag is None:
            return False
        if equals:
            flag.take(value)
        elif flag.boolean:
            flag.take(True)
        elif following:
            flag.take(following.pop(0))
        else:
            raise IllegalFlagValueError(f"flag --{name} needs a value")
        return True

    def _validate(self, names: Iterable[str]) -> None:
        changed = set(names)
        for needs, check, message in self._validators:
            if changed.intersection(needs) and not check(
                {name: self._flags[name].value for name in needs if name in self._flags}
            ):
                raise ValidationError(f"{', '.join('--' + n for n in needs)}: {message}")

    def _parse_flags(self, args: Sequence[str] | None = None) -> list[str]:
        """What programs for the first TensorFlow releases call."""
        return self(sys.argv if args is None else ["", *args], known_only=True)

    def is_parsed(self) -> bool:
        """Whether the command line was read."""
        return self._is_parsed

    def mark_as_parsed(self) -> None:
        """Take the values as they are; the command line is not read."""
        self.__dict__["_is_parsed"] = True

    def unparse_flags(self) -> None:
        """Have the command line read again at the next look."""
        self.__dict__["_is_parsed"] = False
        for flag in self._flags.values():
            flag.value, flag.present = flag.default, 0

    def flag_values_dict(self) -> dict[str, Any]:
        """Name -> value of every flag."""
        return {name: flag.value for name, flag in self._flags.items()}

    def set_default(self, name: str, value: Any) -> None:
        """Change the default of a flag, and its value unless that was given."""
        flag = self._find(name)
        flag.default = flag.parsed(value)
        if not flag.present:
            flag.value = flag.default

    def get_help(self) -> str:
        """The text that ``--help`` prints."""
        lines = [f"usage: {os.path.basename(sys.argv[0])} [flags]", ""]
        for name in sorted(self._flags):
            flag = self._flags[name]
            shown = f"--[no]{name}" if flag.boolean else f"--{name}"
            lines += [f"  {shown}: {flag.help or ''}", f"    (default: {flag.default!r})"]
        return "\n".join(lines) + "\n"


def _with_files(words: list[str], within: tuple[str, ...] = ()) -> list[str]:
    """``words`` with the lines of a file in place of ``--flagfile=path``."""
    found: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--":
            return [*found, word, *words]
        name, equals, path = word.lstrip("-").partition("=")
        if not word.startswith("-") or name != "flagfile":
            found.append(word)
            continue
        path = os.path.expanduser(path if equals or not words else words.pop(0))
        if path in within:
            continue  # a file that names itself
        try:
            with open(path, encoding="utf-8") as file:
                lines = [line.strip() for line in file]
        except OSError as error:
            raise CantOpenFlagFileError(f"unable to open flagfile: {path}: {error}") from None
        said = [line for line in lines if line and not line.startswith(("#", "//"))]
        found += _with_files(said, (*within, path))
    return found


FLAGS = FlagValues()

# ------------------------------------------------------------------------------------- definitions


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        known = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
        if value.lower() not in known:
            raise ValueError("must be true or false")
        return known[value.lower()]
    if value in (0, 1):
        return bool(value)
    raise ValueError("must be true or false")


def _number(kind: type, lower_bound: Any, upper_bound: Any) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if isinstance(value, float) and kind is int and not value.is_integer():
            raise ValueError("must be an integer")
        number = int(value, 0) if kind is int and isinstance(value, str) else kind(value)
        if lower_bound is not None and number < lower_bound:
            raise ValueError(f"must be at least {lower_bound}")
        if upper_bound is not None and number > upper_bound:
            raise ValueError(f"must be at most {upper_bound}")
        return number

    return parse


def _listed(separator: str | None) -> Callable[[Any], list[str]]:
    def parse(value: Any) -> list[str]:
        if not isinstance(value, str):
            return list(value)
        return [part.strip() for part in value.split(separator)] if value else []

    return parse


def _several(one: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def parse(value: Any) -> list[Any]:
        return [one(v) for v in value] if isinstance(value, (list, tuple)) else [one(value)]

    return parse


def add(flag: Flag, flag_values: FlagValues, required: bool = False) -> FlagHolder:
    """Have ``flag_values`` read a flag."""
    flag_values._define(flag)
    if required:
        mark_flag_as_required(flag.name, flag_values)
    return FlagHolder(flag_values, flag)


def _definer(
    function_name: str,
    parser: Callable[..., Callable[[Any], Any]],
    kind: str,
    what: str,
    own: Sequence[str] = (),
) -> None:
    """Publish a function that defines flags; ``own``: arguments of the parser, behind ``help``."""
    order = ("name", "default", "help", *own, "flag_values", "required")
    older = {"flag_name": "name", "default_value": "default", "docstring": "help"}

    def define(*args: Any, **kwargs: Any) -> FlagHolder:
        if len(args) > len(order):
            raise TypeError(f"{function_name} takes {', '.join(order)}; {len(args)} were given")
        given = dict(zip(order, args, strict=False))
        for word, value in kwargs.items():
            place = older.get(word, word)
            if place in ("short_name", "module_name"):
                continue
            if place not in order:
                raise TypeError(f"{function_name} has no argument {word!r}")
            if given.setdefault(place, value) is not value:
                raise TypeError(f"{function_name} was given {place!r} twice")
        if not given.get("name"):
            raise Error("a flag must have a name")
        parse = parser(**{word: given[word] for word in own if word in given})
        flag = Flag(given["name"], given.get("default"), given.get("help"), parse, kind)
        return add(flag, given.get("flag_values", FLAGS), given.get("required", False))

    define.__name__ = define.__qualname__ = function_name
    define.__doc__ = f"""Define a flag whose value is {what}.

    Args:
        args, kwargs: in this order, {", ".join(order)}:
            name: of the flag; ``flag_name`` in older programs.
            default: its value when the command line does not name it; ``default_value`` in older
                ones.
            help: what it is for; ``docstring`` in older ones.
            lower_bound, upper_bound: of numbers.   comma_compat: commas separate, too.
            flag_values: where it belongs.   required: it must be given.

    Returns:
        A FlagHolder.

    Raises:
        DuplicateFlagError: there is one of that name.
    """
    _publish(function_name, define)


def _publish(name: str, value: Any) -> None:
    globals()[name] = value
    export_value(value, f"flags.{name}", f"app.flags.{name}")


def _text() -> Callable[[Any], Any]:
    return str


def _bounded(kind: type, several: bool = False) -> Callable[..., Callable[[Any], Any]]:
    def parser(lower_bound: Any = None, upper_bound: Any = None) -> Callable[[Any], Any]:
        one = _number(kind, lower_bound, upper_bound)
        return _several(one) if several else one

    return parser


_definer("DEFINE_string", _text, "one", "a str")
def _spaced(comma_compat: bool = False) -> Callable[[Any], list[str]]:
    def parse(value: Any) -> list[str]:
        text = value.replace(",", " ") if comma_compat and isinstance(value, str) else value
        return _listed(None)(text)

    return parse


_BOUNDS = ("lower_bound", "upper_bound")
_definer("DEFINE_integer", _bounded(int), "one", "an int", _BOUNDS)
_definer("DEFINE_float", _bounded(float), "one", "a float", _BOUNDS)
for _name in ("DEFINE_boolean", "DEFINE_bool"):
    _definer(_name, lambda: _boolean, "bool", "a bool")
_definer("DEFINE_list", lambda: _listed(","), "one", "a list of str, written with commas")
_definer("DEFINE_spaceseplist", _spaced, "one", "a list of str, with spaces", ("comma_compat",))
_definer("DEFINE_multi_string", lambda: _several(str), "multi", "a list: it may be given again")
for _name, _kind in (("integer", int), ("float", float)):
    _definer(f"DEFINE_multi_{_name}", _bounded(_kind, several=True), "multi",
             f"a list of {_kind.__name__}: it may be given again", _BOUNDS)  # fmt: skip


def DEFINE_enum(
    name: str,
    default: str | None,
    enum_values: Sequence[str],
    help: str | None = None,
    flag_values: FlagValues = FLAGS,
    module_name: Any = None,
    required: bool = False,
    case_sensitive: bool = True,
    **args: Any,
) -> FlagHolder:
    """Define a flag whose value is one of ``enum_values``.

    Args:
        name, default, help, flag_values, required: as in ``DEFINE_string``.
        enum_values: what it may be.
        case_sensitive: whether upper and lower case differ.
        module_name, args: without effect.
    """

    def parse(value: str) -> str:
        for allowed in enum_values:
            if value == allowed or (not case_sensitive and value.lower() == allowed.lower()):
                return allowed
        raise ValueError(f"must be one of {', '.join(enum_values)}")

    return add(Flag(name, default, help, parse, "one"), flag_values, required)


def register_validator(
    flag_name: str,
    checker: Callable[[Any], bool],
    message: str = "Flag validation failed",
    flag_values: FlagValues = FLAGS,
) -> None:
    """Have ``checker(value)`` be true whenever flags are read or set.

    Args:
        flag_name: the flag.   checker: takes its value.   message: of the ValidationError.
        flag_values: where the flag belongs.
    """
    flag_values._validators.append(
        ((flag_name,), lambda values: checker(values[flag_name]), message)
    )


def register_multi_flags_validator(
    flag_names: Sequence[str],
    multi_flags_checker: Callable[[dict[str, Any]], bool],
    message: str = "Flags validation failed",
    flag_values: FlagValues = FLAGS,
) -> None:
    """Have ``multi_flags_checker({name: value})`` be true whenever flags are read or set.

    Args:
        flag_names: the flags.   multi_flags_checker: takes a dict of their values.
        message: of the ValidationError.   flag_values: where the flags belong.
    """
    flag_values._validators.append((tuple(flag_names), multi_flags_checker, message))


def validator(
    flag_name: str, message: str = "Flag validation failed", flag_values: FlagValues = FLAGS
) -> Callable[[Callable[[Any], bool]], Callable[[Any], bool]]:
    """A decorator: the function checks the value of ``flag_name``; see register_validator."""

    def decorate(function: Callable[[Any], bool]) -> Callable[[Any], bool]:
        register_validator(flag_name, function, message, flag_values)
        return function

    return decorate


def mark_flag_as_required(flag_name: str, flag_values: FlagValues = FLAGS) -> None:
    """Have the flag's value be not None when the command line is read."""
    register_validator(flag_name, lambda v: v is not None, "must be given", flag_values)


def mark_flags_as_required(flag_names: Iterable[str], flag_values: FlagValues = FLAGS) -> None:
    """``mark_flag_as_required`` of several."""
    for name in flag_names:
        mark_flag_as_required(name, flag_values)


def DEFINE_alias(
    name: str, original_name: str, flag_values: FlagValues = FLAGS, module_name: Any = None
) -> None:
    """Let ``name`` be another name of the flag ``original_name``."""
    if name in flag_values:
        raise DuplicateFlagError(f"flag --{name} is defined twice")
    flag_values._flags[name] = flag_values._find(original_name)


for _value in (
    Error, DuplicateFlagError, IllegalFlagValueError, UnrecognizedFlagError, ValidationError,
    UnparsedFlagAccessError, CantOpenFlagFileError, FlagNameConflictsWithMethodError, Flag,
    FlagHolder, FlagValues, DEFINE_enum, DEFINE_alias, register_validator,
    register_multi_flags_validator, validator, mark_flag_as_required, mark_flags_as_required,
):  # fmt: skip
    _publish(_value.__name__, _value)
_publish("FLAGS", FLAGS)
