"""The less common half of tf.flags."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import pytest

import flowgraph as tf

flags = tf.flags


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def parsed(values: Any, *words: str) -> Any:
    values(["program", *words])
    return values


def test_flags_of_enums() -> None:
    values = flags.FlagValues()
    one = flags.DEFINE_enum_class("one", "RED", Colour, "A colour.", flag_values=values)
    flags.DEFINE_multi_enum_class("some", None, Colour, "Colours.", flag_values=values)
    flags.DEFINE_multi_enum("names", ["a"], ["a", "b"], "Names.", flag_values=values)
    parsed(values, "--one=blue", "--some=RED", "--some=BLUE", "--names=b", "--names=a")
    assert values.one is Colour.BLUE and values.some == [Colour.RED, Colour.BLUE]
    assert values.names == ["b", "a"]
    assert (one.name, one.value, one.default, one.present) == ("one", Colour.BLUE, Colour.RED, True)
    with pytest.raises(flags.IllegalFlagValueError, match="one of RED, BLUE"):
        parsed(values, "--one=GREEN")
    with pytest.raises(TypeError, match="not a subclass of Enum"):
        flags.EnumClassParser(int)


def test_flags_made_by_hand() -> None:
    values = flags.FlagValues()
    flags.DEFINE_flag(flags.BooleanFlag("on", False, "On."), values)
    flags.DEFINE(flags.IntegerParser(lower_bound=1), "n", 3, "N.", flag_values=values)
    flags.DEFINE_multi(flags.FloatParser(), None, "x", [0.5], "X.", flag_values=values)
    flags.DEFINE_flag(flags.EnumFlag("e", "a", "E.", ["a", "b"]), values, required=True)
    parsed(values, "--on", "--n=0x10", "--x=1", "--x=2.5")
    assert (values.on, values.n, values.x, values.e) == (True, 16, [1.0, 2.5], "a")
    with pytest.raises(flags.IllegalFlagValueError, match="at least 1"):
        parsed(values, "--n=0")
    holder = flags.DEFINE_string("s", "a", "S.", flag_values=values)
    flags.set_default(holder, "b")
    assert (holder.value, holder.default) == ("b", "b")
    flags.override_value(holder, "c")
    assert (holder.value, holder.default) == ("c", "b")
    with pytest.raises(flags.FlagNameConflictsWithMethodError):
        flags.DEFINE_string("set_default", "", "", flag_values=values)


@pytest.mark.parametrize(
    ("words", "works"), [((), True), (("--a=1",), True), (("--a=1", "--b=2"), False)]
)
def test_flags_that_exclude_one_another(words: tuple[str, ...], works: bool) -> None:
    values, switches = flags.FlagValues(), flags.FlagValues()
    for name in ("a", "b"):
        flags.DEFINE_string(name, None, "", flag_values=values)
        flags.DEFINE_bool(name, False, "", flag_values=switches)
    flags.mark_flags_as_mutual_exclusive(["a", "b"], flag_values=values)
    flags.mark_bool_flags_as_mutual_exclusive(["a", "b"], flag_values=switches)
    for found in (values, switches):
        if works:
            parsed(found, *words)
        else:
            with pytest.raises(flags.ValidationError, match="at most one of a, b"):
                parsed(found, *(word[:3] + "=true" for word in words))


def test_checks_of_several_flags() -> None:
    values = flags.FlagValues()
    flags.DEFINE_integer("low", 1, "", flag_values=values)
    flags.DEFINE_integer("high", 2, "", flag_values=values)

    @flags.multi_flags_validator(["low", "high"], "low < high", flag_values=values)
    def check(found: dict[str, Any]) -> bool:
        return found["low"] < found["high"]

    parsed(values, "--high=3")
    with pytest.raises(flags.ValidationError, match="low < high"):
        parsed(values, "--low=9")
    flags.declare_key_flag("low", values)
    with pytest.raises(AttributeError):
        flags.declare_key_flag("lw", values)
    flags.adopt_module_key_flags(tf, values)
    flags.disclaim_key_flags()


def test_files_of_flags(tmp_path: Path) -> None:
    values = flags.FlagValues()
    flags.DEFINE_integer("n", 1, "", flag_values=values)
    flags.DEFINE_string("s", "", "", flag_values=values)
    path = tmp_path / "flags"
    path.write_text(f"# a comment\n--n=5\n\n--flagfile={path}\n--s=from file\n")
    parsed(values, f"--flagfile={path}", "--n=6")
    assert (values.n, values.s) == (6, "from file")
    with pytest.raises(flags.CantOpenFlagFileError):
        parsed(values, "--flagfile", str(tmp_path / "none"))


def test_parsers_and_serializers() -> None:
    assert flags.ListParser().parse("a, b") == ["a", "b"] and flags.ListParser().parse("") == []
    assert flags.WhitespaceSeparatedListParser().parse("a  b") == ["a", "b"]
    assert flags.WhitespaceSeparatedListParser(comma_compat=True).parse("a,b c") == ["a", "b", "c"]
    assert flags.BooleanParser().parse("T") is True
    with pytest.raises(ValueError, match="neither true nor false"):
        flags.BooleanParser().parse("yes")
    with pytest.raises(TypeError):
        flags.IntegerParser().parse(1.5)
    assert flags.ListSerializer("|").serialize(["a", "b"]) == "a|b"
    assert flags.CsvListSerializer(",").serialize(["a,b", 'c"']) == '"a,b","c"""'
    assert flags.EnumClassSerializer(lowercase=True).serialize(Colour.RED) == "red"
    assert flags.EnumClassListSerializer(",").serialize([Colour.RED, Colour.BLUE]) == "RED,BLUE"
    kinds = [flags.IntegerParser(), flags.FloatParser(), flags.ListParser(), flags.ArgumentParser()]
    assert [p.flag_type() for p in kinds] == [
        "int", "float", "comma separated list of strings", "string",
    ]  # fmt: skip


def test_texts() -> None:
    words = {"a": 1, "b": True, "c": False, "d": None, "e": ["x", "y"], "f": [1, 2], "g": "t"}
    assert list(flags.flag_dict_to_args(words, multi_flags=["f"])) == [
        "--a=1", "--b", "--noc", "--d", "--e=x,y", "--f=1", "--f=2", "--g=t",
    ]  # fmt: skip
    assert flags.text_wrap("one two three", 8, "  ", "* ") == "* one\n  two\n  three"
    with pytest.raises(ValueError, match="indent"):
        flags.text_wrap("a", 2, "   ")
    assert flags.doc_to_help("First line\n    and second.\n\n    Other.\n") == (
        "First line and second.\n\nOther."
    )
    assert flags.get_help_width() > 0


def test_arguments_in_absls_order() -> None:
    values = flags.FlagValues()
    flags.DEFINE_integer("n", 1, "N.", 0, 10, values)
    flags.DEFINE_float("x", 1.0, "X.", 0.0, None, flag_values=values, module_name="m")
    flags.DEFINE_spaceseplist("words", "a,b c", "W.", True, values)
    flags.DEFINE_string(flag_name="s", default_value="d", docstring="S.", flag_values=values)
    parsed(values)
    assert (values.n, values.x, values.words, values.s) == (1, 1.0, ["a", "b", "c"], "d")
    with pytest.raises(flags.IllegalFlagValueError, match="at most 10"):
        parsed(values, "--n=11")
    with pytest.raises(TypeError, match="no argument 'lower'"):
        flags.DEFINE_integer("m", 1, "M.", lower=3)
    with pytest.raises(TypeError, match="twice"):
        flags.DEFINE_string("q", "1", default_value="2", flag_values=values)
