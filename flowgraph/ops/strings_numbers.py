"""Numbers as text and back: as_string, string_to_number.

Read next: encoding.py (numbers as bytes).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, DType, float32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.number_text import read_number
from flowgraph.ops.rules import f32, i32, invalid, one_name, same_shape
from flowgraph.ops.texts import each_as, filled, texts

_NO_NUMBERS = not_differentiable("strings have no derivatives")

# --------------------------------------------------------------------------------------- as_string


def _number_format(call_: Call, dtype: DType) -> str:
    """The format of C for one number (the real part of a complex one)."""
    attrs = call_.attrs
    inexact = dtype.is_floating or dtype.is_complex
    if attrs["precision"] > -1 and not inexact:
        raise invalid(f"precision is not supported for {dtype.name}")
    if (attrs["scientific"] or attrs["shortest"]) and not inexact:
        raise invalid(f"scientific and shortest are not supported for {dtype.name}")
    if attrs["scientific"] and attrs["shortest"]:
        raise invalid("scientific and shortest exclude each other")
    fill = attrs["fill"]
    if len(fill) > 1 or fill not in "+-0 #":
        raise invalid(f"fill must be one of '+', '-', '0', ' ', '#' or nothing, not {fill!r}")
    width = str(attrs["width"]) if attrs["width"] > -1 else ""
    precision = f".{attrs['precision']}" if attrs["precision"] > -1 else ""
    if not inexact:
        kind = "d"
        if dtype.is_unsigned and fill in ("+", " "):
            fill = ""  # C knows no sign there
    else:
        kind = "e" if attrs["scientific"] else "g" if attrs["shortest"] else "f"
    return f"%{fill if fill != '#' else ''}{width}{precision}{kind}"


def _as_string_reference(call_: Call, x: Any) -> np.ndarray[Any, Any]:
    dtype = call_.dtypes[0]
    form = _number_format(call_, dtype)
    unfilled = form.replace("%0", "%", 1)  # C fills infinities and NaN with spaces

    def written(value: Any) -> str:
        return (form if math.isfinite(value) else unfilled) % value

    values = x.reshape(-1).tolist()
    if dtype.is_bool:
        said = ["true" if value else "false" for value in values]
    elif dtype.is_complex:
        said = [f"({written(value.real)},{written(value.imag)})" for value in values]
    elif dtype.np.hasobject:
        return x
    else:
        said = [written(value) for value in values]
    return filled([text.encode() for text in said], x.shape)


define(
    "AsString",
    "input: T -> output: string",
    T=dtypes_of(ALL),
    precision=-1,
    scientific=False,
    shortest=False,
    width=-1,
    fill="",
    infer=same_shape,
    grad=_NO_NUMBERS,
    reference=_as_string_reference,
    samples=(
        sample(f32(2, 3)),
        sample(f32(3), precision=2, width=8, fill="0"),
        sample(np.array([1e10, -np.inf, np.nan], np.float32), scientific=True, width=12, fill="-"),
        sample(np.array([0.1, 1e22], np.float32), shortest=True, precision=17),
        sample(i32([1, -2]), width=5, fill="+"),
        sample(np.array([True, False]), width=8),
        sample(np.array([1 + 2j], np.complex64), precision=2),
        sample(np.uint64(2**64 - 1)),
        sample(f32(0, 2)),
    ),
    errors=(
        error_sample(Exception, "precision is not", i32([1]), precision=2, stage="run"),
        error_sample(Exception, "scientific and shortest are", i32([1]), shortest=True,
                     stage="run"),
        error_sample(Exception, "exclude each other", f32(1), shortest=True, scientific=True,
                     stage="run"),
        error_sample(Exception, "fill must be one of", f32(1), fill="x", stage="run"),
    ),
    doc="Each number as text, by the rules of C's printf.",
)  # fmt: skip


@export("as_string", "dtypes.as_string", "strings.as_string")
def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Tensor:
    """Each number as text, as C's ``printf`` writes it.

    Args:
        input: numbers or bools (``true`` and ``false``); strings stay as they are.
        precision: digits after the point (all digits where ``shortest``); 6 when negative.  For
            floats only, as the next two.
        scientific: ``%e``, with exponent.
        shortest: ``%g``: with or without exponent, whichever is shorter; else ``%f``.
        width: at least so many characters.
        fill: how to get there: ``""`` or ``" "`` spaces in front, ``"0"`` zeros in front, ``"-"``
            spaces behind, ``"+"`` always with a sign.
        name: of the operation; ``AsString`` by default.

    Returns:
        A string tensor of the shape of ``input``.

    Raises:
        InvalidArgumentError: attributes that do not go together (when run).

    >>> tf.Session().run(tf.as_string([1.5, 3.14159], precision=2))
    array([b'1.50', b'3.14'], dtype=object)
    """
    return apply_op(
        "AsString", input, precision=precision, scientific=scientific, shortest=shortest,
        width=width, fill=fill, name=name,
    )  # fmt: skip


# -------------------------------------------------------------------------------- string_to_number

def _to_number_reference(call_: Call, x: Any) -> np.ndarray[Any, Any]:
    dtype = call_.attrs["out_type"]

    def read(text: bytes) -> Any:
        try:
            return read_number(text, dtype)
        except ValueError:
            shown = text.decode(errors="replace")
            raise invalid(f"could not correctly convert string: {shown!r}") from None

    with np.errstate(over="ignore"):
        return each_as(dtype.np, read, x)


define(
    "StringToNumber",
    "string_tensor: string -> output: out_type",
    out_type=Attr("type", float32, frozenset(("float32", "float64", "int32", "int64"))),
    infer=same_shape,
    grad=_NO_NUMBERS,
    reference=_to_number_reference,
    samples=(
        sample(texts(["1", "-2.5e1", " .5\n", "0x1p3", "inf", "NaN", "1e-50", "4e38"])),
        sample(texts([["0.1", "5."]]), out_type="float64"),
        sample(texts(["12", " -7 ", "+5"]), out_type="int32"),
        sample(texts("9223372036854775807"), out_type="int64"),
        sample(texts(np.zeros((2, 0), object))),
    ),
    errors=(
        error_sample(Exception, "could not correctly convert string: '1.5x'", texts(["1.5x"]),
                     stage="run"),
        error_sample(Exception, "'3000000000'", texts(["3000000000"]), out_type="int32",
                     stage="run"),
        error_sample(Exception, "''", texts(""), stage="run"),
        error_sample(TypeError, "'out_type' cannot be int8", texts("1"), out_type="int8"),
    ),
    doc="The number that each string says.",
)  # fmt: skip


@export("string_to_number", "strings.to_number")
def string_to_number(
    string_tensor: Any = None,
    out_type: Any = float32,
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The number that each string says.

    Args:
        string_tensor: a string tensor; white space around a number is fine.
        out_type: float32, float64, int32 or int64.
        name: of the operation; ``StringToNumber`` by default.
        input: newer name of ``string_tensor``.

    Returns:
        A tensor of ``out_type`` and of the same shape.

    Raises:
        InvalidArgumentError: a string is no number, or none of that dtype (when run).

    >>> tf.Session().run(tf.string_to_number(["1.5", " -2e3"]))
    array([ 1.5e+00, -2.0e+03], dtype=float32)
    """
    given = one_name("string_to_number", string_tensor=string_tensor, input=input)
    return apply_op("StringToNumber", given, out_type=out_type, name=name)
