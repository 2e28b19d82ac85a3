"""Text and code points: unicode_decode, unicode_encode, unicode_split, unicode_transcode.

What would be ragged (the code points of several texts) is not there: a function takes one text, and
the operations give all code points in one vector, with the place where each text begins.

Read next: unicode_text.py (how it is done), unicode_scripts.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import i32, invalid, require_rank, same_shape
from flowgraph.ops.texts import each, filled, no_ragged, texts
from flowgraph.ops.unicode_scripts import script_of
from flowgraph.ops.unicode_text import check_replacement, decoded, encoded
from flowgraph.shapes import Dims, ShapeError

_NO_NUMBERS = not_differentiable("strings have no derivatives")
_ERRORS = ("strict", "replace", "ignore")
_OUTPUTS = ("UTF-8", "UTF-16-BE", "UTF-32-BE")


def _check_names(call_: Call) -> None:
    attrs = call_.attrs
    if attrs["errors"] not in _ERRORS:
        raise ShapeError(f"errors must be one of {', '.join(_ERRORS)}, not {attrs['errors']!r}")
    given = attrs.get("output_encoding", "UTF-8")
    if given not in _OUTPUTS:
        raise ShapeError(f"output_encoding must be one of {', '.join(_OUTPUTS)}, not {given!r}")


# ------------------------------------------------------------------------------------------ decode


def _decode_shape(call_: Call) -> list[Dims]:
    _check_names(call_)
    dims = call_.shapes[0]
    known = dims is not None and None not in dims
    count = int(np.prod(dims, dtype=np.int64)) + 1 if known else None  # type: ignore[arg-type]
    return [(count,), (None,), (None,)]


def _decoded(call_: Call, text: bytes) -> tuple[list[int], list[int]]:
    attrs = call_.attrs
    check_replacement(attrs["replacement_char"])
    return decoded(
        text, attrs["input_encoding"], attrs["errors"], attrs["replacement_char"],
        attrs["replace_control_characters"],
    )  # fmt: skip


def _decode_all(call_: Call, x: Any) -> tuple[np.ndarray[Any, Any], ...]:
    found = [_decoded(call_, text) for text in x.reshape(-1)]
    points = [point for row, _ in found for point in row]
    places = [place for _, row in found for place in row]
    splits = np.cumsum([0, *(len(row) for row, _ in found)])
    values = np.array(points, np.int32)
    return splits.astype(call_.attrs["Tsplits"].np), values, np.array(places, np.int64)


_TEXTS = texts(["héλ𝄞", "", b"a\xffb\xe2\x82", "a\x01\n"])

_DECODE_SAMPLES = (
    sample(_TEXTS, input_encoding="UTF-8"),
    sample(_TEXTS, input_encoding="UTF-8", errors="ignore", replace_control_characters=True),
    sample(_TEXTS, input_encoding="UTF-8", replacement_char=65),
    sample(texts([["é𝄞".encode("utf-16-be"), b"\xd8\x00\x00a\x00"]]), input_encoding="UTF-16-BE"),
    sample(texts("日本a".encode("shift-jis")), input_encoding="SHIFT-JIS"),
    sample(texts([[""]]), input_encoding="UTF-8"),
)
_DECODE_ERRORS = (
    error_sample(ValueError, "errors must be one of", _TEXTS, input_encoding="UTF-8", errors="x"),
    error_sample(Exception, "no encoding 'foo'", _TEXTS, input_encoding="foo", stage="run"),
    error_sample(
        Exception, "byte 1 is no UTF-8", _TEXTS, input_encoding="UTF-8", errors="strict",
        stage="run",
    ),
    error_sample(
        Exception, "replacement_char", _TEXTS, input_encoding="UTF-8", replacement_char=0x110000,
        stage="run",
    ),
)  # fmt: skip

define(
    "UnicodeDecode",
    "input: string -> row_splits: Tsplits, char_values: int32",
    input_encoding=Attr("string", REQUIRED),
    more_attrs={"errors": "replace"},
    replacement_char=0xFFFD,
    replace_control_characters=False,
    Tsplits=dtypes_of(INDEX, int64),
    infer=lambda call_: _decode_shape(call_)[:2],
    grad=_NO_NUMBERS,
    reference=lambda call_, x: _decode_all(call_, x)[:2],
    samples=_DECODE_SAMPLES,
    errors=_DECODE_ERRORS,
    doc="The code points of all texts in one vector, and where each text begins.",
)

define(
    "UnicodeDecodeWithOffsets",
    "input: string -> row_splits: Tsplits, char_values: int32, char_to_byte_starts: int64",
    input_encoding=Attr("string", REQUIRED),
    more_attrs={"errors": "replace"},
    replacement_char=0xFFFD,
    replace_control_characters=False,
    Tsplits=dtypes_of(INDEX, int64),
    infer=_decode_shape,
    grad=_NO_NUMBERS,
    reference=_decode_all,
    samples=_DECODE_SAMPLES,
    errors=_DECODE_ERRORS[:1],
    doc="As UnicodeDecode, with the byte where each code point begins in its text.",
)


def _single(function: str, input: Any) -> Tensor:
    """``input`` as one text; what would be ragged is refused."""
    text = convert_to_tensor(input, dtype="string", name="input")
    if text.dims != ():
        raise no_ragged(function, "give it one scalar string, or use tf.map_fn")
    return text


def _decode(
    function: str, type_: str, input: Any, name: str | None, attrs: dict[str, Any]
) -> list[Tensor]:
    with name_scope(name, type_, [input]):
        return apply_op(type_, _single(function, input), **attrs)[1:]


@export("strings.unicode_decode")
def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Tensor:
    """The code points of a text.

    Args:
        input: a scalar string.
        input_encoding: how it is encoded: ``"UTF-8"``, ``"UTF-16-BE"``, ``"UTF-32-BE"``,
            ``"latin1"`` ...
        errors: what to do about bytes that are no character: ``"replace"`` them,``"ignore"`` them,
            or be ``"strict"``: fail.
        replacement_char: the code point to put there.
        replace_control_characters: U+0000 to U+001F are no characters either.
        name: of the scope; ``UnicodeDecode`` by default.

    Returns:
        An int32 vector.

    Raises:
        NotImplementedError: ``input`` has axes: the result would be ragged.
        InvalidArgumentError: no such encoding; bytes that are no character (when run).

    >>> tf.Session().run(tf.strings.unicode_decode("aé", "UTF-8")).tolist()
    [97, 233]
    """
    attrs = {
        "input_encoding": input_encoding, "errors": errors, "replacement_char": replacement_char,
        "replace_control_characters": replace_control_characters,
    }  # fmt: skip
    return _decode("unicode_decode", "UnicodeDecode", input, name, attrs)[0]


@export("strings.unicode_decode_with_offsets")
def unicode_decode_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The code points of a text, and the byte where each begins.

    Args:
        input, input_encoding, errors, replacement_char, replace_control_characters: as of
            ``tf.strings.unicode_decode``.
        name: of the scope; ``UnicodeDecodeWithOffsets`` by default.

    Returns:
        An int32 vector and an int64 vector.

    Raises:
        NotImplementedError, InvalidArgumentError: as ``tf.strings.unicode_decode``.
    """
    attrs = {
        "input_encoding": input_encoding, "errors": errors, "replacement_char": replacement_char,
        "replace_control_characters": replace_control_characters,
    }  # fmt: skip
    points, places = _decode(
        "unicode_decode_with_offsets", "UnicodeDecodeWithOffsets", input, name, attrs
    )
    return points, places


# ------------------------------------------------------------------------------------------ encode


def _encode_shape(call_: Call) -> list[Dims]:
    _check_names(call_)
    require_rank(call_.shapes[0], 1, "input_values")
    (count,) = require_rank(call_.shapes[1], 1, "input_splits")
    return [(None if count is None else max(count - 1, 0),)]


def check_splits(splits: Sequence[int], size: int) -> None:
    """Where parts begin and end: from 0 to ``size``, never decreasing.

    Raises:
        InvalidArgumentError: otherwise.
    """
    if len(splits) and (
        splits[0] != 0 or splits[-1] != size or any(np.diff(np.asarray(splits)) < 0)
    ):
        raise invalid(f"the splits must rise from 0 to {size}, got {list(splits)[:8]}")


def _encode(call_: Call, values: Any, splits: Any) -> np.ndarray[Any, Any]:
    attrs = call_.attrs
    check_replacement(attrs["replacement_char"])
    check_splits(splits.tolist(), values.size)
    points = values.tolist()
    rows = [
        encoded(points[a:b], attrs["output_encoding"], attrs["errors"], attrs["replacement_char"])
        for a, b in zip(splits[:-1].tolist(), splits[1:].tolist(), strict=True)
    ]
    return filled(rows, (len(rows),))


_POINTS = i32([104, 233, 0x1D11E, 0xD800, 955])
_SPLITS = np.array([0, 2, 2, 5])

define(
    "UnicodeEncode",
    "input_values: int32, input_splits: Tsplits -> output: string",
    more_attrs={"errors": "replace"},
    output_encoding=Attr("string", REQUIRED),
    replacement_char=0xFFFD,
    Tsplits=dtypes_of(INDEX, int64),
    infer=_encode_shape,
    grad=_NO_NUMBERS,
    reference=_encode,
    samples=(
        sample(_POINTS, _SPLITS, output_encoding="UTF-8"),
        sample(_POINTS, _SPLITS, output_encoding="UTF-16-BE", errors="ignore"),
        sample(_POINTS, _SPLITS, output_encoding="UTF-32-BE", replacement_char=66),
        sample(i32([]), np.array([0, 0]), output_encoding="UTF-8"),
    ),
    errors=(
        error_sample(ValueError, "output_encoding must be", _POINTS, _SPLITS,
                     output_encoding="latin1"),
        error_sample(ValueError, "input_values must be a vector", i32(1), _SPLITS,
                     output_encoding="UTF-8"),
        error_sample(Exception, "55296 is no code point", _POINTS, _SPLITS, errors="strict",
                     output_encoding="UTF-8", stage="run"),
        error_sample(Exception, "must rise from 0 to 5", _POINTS, np.array([0, 9]),
                     output_encoding="UTF-8", stage="run"),
    ),
    doc="Code points as texts.",
)  # fmt: skip


@export("strings.unicode_encode")
def unicode_encode(
    input: Any,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    name: str | None = None,
) -> Tensor:
    """Code points as texts: one for each row of ``input``.

    Args:
        input: an int32 tensor of at least one axis; the last one runs along the texts.
        output_encoding: ``"UTF-8"``, ``"UTF-16-BE"`` or ``"UTF-32-BE"``.
        errors: what to do about numbers that are no character: ``"replace"``, ``"ignore"``, or
            ``"strict"``: fail.
        replacement_char: the code point to put there.
        name: of the scope; ``UnicodeEncode`` by default.

    Returns:
        A string tensor of the shape of ``input`` without its last axis.

    Raises:
        ValueError: ``input`` is a scalar; another encoding.
        InvalidArgumentError: a number that is no character (when run).

    >>> tf.Session().run(tf.strings.unicode_encode([[104, 105], [97, 98]], "UTF-8"))
    array([b'hi', b'ab'], dtype=object)
    """
    with name_scope(name, "UnicodeEncode", [input]):
        points = convert_to_tensor(input, dtype="int32")
        if points.dims == ():
            raise ValueError("unicode_encode: input_tensor's rank must be at least 1.")
        sizes = call.Shape(points, out_type=int64)
        length, outer = sizes[-1], sizes[:-1]
        count = call.Prod(outer, call.Range(0, 1, 1))
        splits = call.Mul(call.Range(np.int64(0), count + 1, np.int64(1)), length)
        rows = apply_op(
            "UnicodeEncode", call.Reshape(points, [-1]), splits, errors=errors,
            output_encoding=output_encoding, replacement_char=replacement_char,
        )  # fmt: skip
        result = call.Reshape(rows, outer)
        if points.dims is not None:
            result.set_shape(points.dims[:-1])
        return result


# ------------------------------------------------------------------------------------------- split


def _characters(points: Tensor, encoding: str, errors: str, replacement_char: int) -> Tensor:
    """Each code point as a text of its own."""
    splits = call.Range(0, call.Size(points) + 1, 1)
    return apply_op(
        "UnicodeEncode", points, splits, output_encoding=encoding, errors=errors,
        replacement_char=replacement_char,
    )  # fmt: skip


@export("strings.unicode_split")
def unicode_split(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    name: str | None = None,
) -> Tensor:
    """The characters of a text, each as a text in the same encoding.

    Args:
        input: a scalar string.
        input_encoding: ``"UTF-8"``, ``"UTF-16-BE"`` or ``"UTF-32-BE"``.
        errors: what to do about bytes that are no character: ``"replace"``, ``"ignore"``, or
            ``"strict"``: fail.
        replacement_char: the code point to put there.
        name: of the scope; ``UnicodeSplit`` by default.

    Returns:
        A vector of strings.

    Raises:
        NotImplementedError: ``input`` has axes: the result would be ragged.
        ValueError: another encoding.

    >>> tf.Session().run(tf.strings.unicode_split("ab", "UTF-8"))
    array([b'a', b'b'], dtype=object)
    """
    with name_scope(name, "UnicodeSplit", [input]):
        points = unicode_decode(input, input_encoding, errors, replacement_char)
        return _characters(points, input_encoding, errors, replacement_char)


@export("strings.unicode_split_with_offsets")
def unicode_split_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The characters of a text, and the byte where each begins.

    Args:
        input, input_encoding, errors, replacement_char: as of ``tf.strings.unicode_split``.
        name: of the scope; ``UnicodeSplitWithOffsets`` by default.

    Returns:
        A vector of strings and an int64 vector.

    Raises:
        NotImplementedError, ValueError: as ``tf.strings.unicode_split``.
    """
    with name_scope(name, "UnicodeSplitWithOffsets", [input]):
        points, places = unicode_decode_with_offsets(
            input, input_encoding, errors, replacement_char
        )
        return _characters(points, input_encoding, errors, replacement_char), places


# ------------------------------------------------------------------------------- transcode, scripts


def _transcode_shape(call_: Call) -> list[Dims]:
    _check_names(call_)
    return same_shape(call_)


def _transcode(call_: Call, x: Any) -> np.ndarray[Any, Any]:
    target = call_.attrs["output_encoding"]
    return each(lambda text: encoded(_decoded(call_, text)[0], target, "replace", 0xFFFD), x)


define(
    "UnicodeTranscode",
    "input: string -> output: string",
    input_encoding=Attr("string", REQUIRED),
    output_encoding=Attr("string", REQUIRED),
    more_attrs={"errors": "replace"},
    replacement_char=0xFFFD,
    replace_control_characters=False,
    infer=_transcode_shape,
    grad=_NO_NUMBERS,
    reference=_transcode,
    samples=(
        sample(_TEXTS, input_encoding="UTF-8", output_encoding="UTF-16-BE"),
        sample(_TEXTS, input_encoding="UTF-8", output_encoding="UTF-8", replacement_char=66,
               replace_control_characters=True),
        sample(texts([[b"\xe9"]]), input_encoding="latin1", output_encoding="UTF-32-BE"),
        sample(_TEXTS, input_encoding="UTF-8", output_encoding="UTF-8", errors="ignore"),
    ),
    errors=(
        error_sample(ValueError, "output_encoding must be", _TEXTS, input_encoding="UTF-8",
                     output_encoding="latin1"),
        error_sample(Exception, "is no UTF-8", _TEXTS, input_encoding="UTF-8", errors="strict",
                     output_encoding="UTF-8", stage="run"),
        error_sample(Exception, "no encoding", _TEXTS, input_encoding="foo",
                     output_encoding="UTF-8", stage="run"),
    ),
    doc="Each text in another encoding.",
)  # fmt: skip


@export("strings.unicode_transcode")
def unicode_transcode(
    input: Any,
    input_encoding: str,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Tensor:
    r"""Each text in another encoding.

    Args:
        input: a string tensor.
        input_encoding: how it is encoded.
        output_encoding: ``"UTF-8"``, ``"UTF-16-BE"`` or ``"UTF-32-BE"``.
        errors: what to do about bytes that are no character: ``"replace"``, ``"ignore"``, or
            ``"strict"``: fail.
        replacement_char: the code point to put there.
        replace_control_characters: U+0000 to U+001F are no characters either.
        name: of the operation; ``UnicodeTranscode`` by default.

    Returns:
        A string tensor of the same shape.

    Raises:
        ValueError: another output encoding.
        InvalidArgumentError: no such encoding; bytes that are no character (when run).

    >>> tf.Session().run(tf.strings.unicode_transcode(b"a\xff", "UTF-8", "UTF-8", "ignore"))
    b'a'
    """
    return apply_op(
        "UnicodeTranscode", input, input_encoding=input_encoding, output_encoding=output_encoding,
        errors=errors, replacement_char=replacement_char,
        replace_control_characters=replace_control_characters, name=name,
    )  # fmt: skip


define(
    "UnicodeScript",
    "input: int32 -> output: int32",
    infer=same_shape,
    grad=not_differentiable("its result is an integer"),
    reference=lambda call_, x: script_of(x).astype(np.int32),
    samples=(
        sample(i32([1, 97, 0x3BB, 0x3042, 0x4E00, 0x10FFFF, -1, 0x110000, 0x30, 0x300])),
        sample(i32([[0xAC00]])),
        sample(i32(0x410)),
    ),
    doc="The script that each code point belongs to.",
)


@export("strings.unicode_script")
def unicode_script(input: Any, name: str | None = None) -> Tensor:
    """The script (Latin, Greek, Han ...) that each code point belongs to.

    Args:
        input: an int32 tensor of code points.
        name: of the operation; ``UnicodeScript`` by default.

    Returns:
        An int32 tensor of the same shape: numbers of ISO 15924 as ICU has them, -1 for what is no
        code point.

    >>> tf.Session().run(tf.strings.unicode_script([97, 0x3bb, 0x30])).tolist()
    [25, 14, 0]
    """
    return apply_op("UnicodeScript", input, name=name)
