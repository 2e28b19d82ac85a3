"""Lines of comma-separated values as columns: decode_csv.

The format is RFC 4180: fields between delimiters; a field in double quotes may hold delimiters,
line ends, and quotes written twice.

Read next: number_text.py (how fields become numbers).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    define,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.number_text import read_number
from flowgraph.ops.rules import f32, i32, invalid
from flowgraph.ops.texts import filled, texts
from flowgraph.shapes import Dims, ShapeError, format_dims

_COLUMNS = frozenset(("float32", "float64", "int32", "int64", "string"))


@cache
def _field(delimiter: bytes, quoted: bool) -> re.Pattern[bytes]:
    """One field: group 1 in quotes, or group 2 bare.  Line ends in front of it do not count."""
    d = re.escape(delimiter)
    if not quoted:
        return re.compile(rb"[\r\n]*+()([^\r\n" + d + rb"]*+)(?=" + d + rb"|\Z)")
    bare = rb'([^"\r\n' + d + rb"]*+)"
    return re.compile(rb'[\r\n]*+(?:"((?:[^"]|"")*+)"|' + bare + rb")(?=" + d + rb"|\Z)")


def split_record(line: bytes, delimiter: bytes = b",", quoted: bool = True) -> list[bytes]:
    """The fields of one line; InvalidArgumentError where quotes do not fit.

    >>> split_record(b'1,"a ""b"", c",')
    [b'1', b'a "b", c', b'']
    """
    if line and not (b"\n" in line or b"\r" in line or (quoted and b'"' in line)):
        return line.split(delimiter)
    pattern = _field(delimiter, quoted)
    fields: list[bytes] = []
    # NB: line ends alone are no field.
    at, end = 0, len(line.rstrip(b"\r\n"))
    while at < end:
        match = pattern.match(line, at)
        if match is None:
            raise invalid(
                f"field {len(fields)} of {_shown(line)} is not well formed: quotes stand around a "
                "whole field, are written twice inside it, and line ends are inside quotes"
            )
        inside = match[1]
        fields.append(inside.replace(b'""', b'"') if quoted and inside is not None else match[2])
        at = match.end() + 1
    if line.endswith(delimiter):
        fields.append(b"")
    return fields


def _shown(text: bytes) -> str:
    said = repr(text.decode(errors="replace"))
    return said if len(said) < 60 else said[:50] + "...'"


def _csv_shape(call_: Call) -> list[Dims]:
    attrs = call_.attrs
    columns = attrs["select_cols"]
    if not attrs["OUT_TYPE"]:
        raise ShapeError("record_defaults must name at least one column")
    rising = all(a < b for a, b in itertools.pairwise([-1, *columns]))
    if not rising:
        raise ShapeError(f"select_cols must be increasing and not negative, got {columns}")
    if columns and len(columns) != len(attrs["OUT_TYPE"]):
        raise ShapeError(
            f"select_cols has {len(columns)} columns, record_defaults {len(attrs['OUT_TYPE'])}"
        )
    for dims in call_.shapes[1:]:
        if dims is not None and (len(dims) > 1 or (dims and dims[0] is not None and dims[0] > 1)):
            raise ShapeError(
                f"a default must be a scalar or a vector of at most one element, not of shape "
                f"{format_dims(dims)}"
            )
    return [call_.shapes[0]] * len(attrs["OUT_TYPE"])


def _csv_reference(call_: Call, records: Any, *defaults: Any) -> tuple[np.ndarray[Any, Any], ...]:
    attrs = call_.attrs
    delimiter, missing = attrs["field_delim"].encode(), attrs["na_value"].encode()
    if len(delimiter) != 1:
        raise invalid(f"field_delim must be one character, not {attrs['field_delim']!r}")
    wrong = next((d for d in defaults if d.size > 1 or d.ndim > 1), None)
    if wrong is not None:
        raise invalid(f"a default has at most one element, not shape {list(wrong.shape)}")
    dtypes = attrs["OUT_TYPE"]
    rows = []
    for number, line in enumerate(records.reshape(-1)):
        fields = split_record(line, delimiter, attrs["use_quote_delim"])
        if attrs["select_cols"]:
            fields = [fields[k] for k in attrs["select_cols"] if k < len(fields)]
        if len(fields) != len(dtypes):
            raise invalid(
                f"record {number}, {_shown(line)}, has {len(fields)} fields, not {len(dtypes)}"
            )
        rows.append(
            [
                _value(field, k, number, dtype, default, missing)
                for k, (field, dtype, default) in enumerate(
                    zip(fields, dtypes, defaults, strict=True)
                )
            ]
        )
    columns = zip(*rows, strict=True) if rows else [()] * len(dtypes)
    made = []
    with np.errstate(over="ignore"):
        for dtype, column in zip(dtypes, columns, strict=True):
            array = filled(column, records.shape)
            made.append(array if dtype.name == "string" else array.astype(dtype.np))
    return tuple(made)


def _value(field: bytes, k: int, number: int, dtype: Any, default: Any, missing: bytes) -> Any:
    """A field as a value of its column."""
    if not field or field == missing:
        if not default.size:
            raise invalid(f"field {k} of record {number} is empty, and has no default")
        return default.reshape(-1)[0]
    if dtype.name == "string":
        return field
    try:
        return read_number(field, dtype)
    except ValueError:
        raise invalid(f"field {k} of record {number} is no {dtype.name}: {_shown(field)}") from None


_LINES = texts(["1,2.5,a", "-4,,b", ' 7 ,1e3,"x, ""y"""'])
_DEFAULTS = [i32([0]), f32(1), texts([""])]

define(
    "DecodeCSV",
    "records: string, record_defaults: [OUT_TYPE] -> output: [OUT_TYPE]",
    OUT_TYPE=Attr("list(type)", REQUIRED, _COLUMNS),
    field_delim=",",
    use_quote_delim=True,
    na_value="",
    select_cols=Attr("list(int)", []),
    infer=_csv_shape,
    grad=not_differentiable("strings have no derivatives"),
    reference=_csv_reference,
    samples=(
        sample(_LINES, _DEFAULTS),
        sample(texts([["1|NA"], ['"2|']]), [texts("")] * 2, field_delim="|",
               use_quote_delim=False, na_value="NA"),
        sample(texts("1,2,3"), [i32(0), np.array([], np.int64)], select_cols=[0, 2]),
        sample(texts('"a\nb",'), [texts("x"), texts("y")]),
        sample(texts(np.zeros((0, 2), object)), [i32(0), texts("")]),
    ),
    errors=(
        error_sample(ValueError, "increasing", _LINES, _DEFAULTS, select_cols=[2, 1, 0]),
        error_sample(ValueError, "select_cols has 1 columns", _LINES, _DEFAULTS, select_cols=[0]),
        error_sample(ValueError, "at least one column", _LINES, []),
        error_sample(ValueError, "at most one element", _LINES, [i32([1, 2])]),
        error_sample(TypeError, "cannot be bool", _LINES, [np.array([True])]),
        error_sample(Exception, "at most one element", texts("1"), [i32([1, 2])], stage="run"),
        error_sample(Exception, "has 2 fields, not 1", texts("1,2"), [i32(0)], stage="run"),
        error_sample(Exception, "has 0 fields, not 1", texts(""), [i32(0)], stage="run"),
        error_sample(Exception, "is no int32: '1.5'", texts("1.5"), [i32(0)], stage="run"),
        error_sample(Exception, "has no default", texts(","), [i32(0), f32(0)], stage="run"),
        error_sample(Exception, "not well formed", texts('a"b'), [texts("")], stage="run"),
        error_sample(Exception, "not well formed", texts('"ab'), [texts("")], stage="run"),
        error_sample(Exception, "not well formed", texts('"a"b'), [texts("")], stage="run"),
        error_sample(Exception, "not well formed", texts("a\nb"), [texts("")], stage="run"),
        error_sample(Exception, "must be one character", texts("a"), [texts("")], stage="run",
                     field_delim=";;"),
    ),
    doc="The fields of lines of comma-separated values, one tensor a column.",
)  # fmt: skip


@export("decode_csv", "io.decode_csv")
def decode_csv(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    name: str | None = None,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
) -> list[Tensor]:
    """The columns of lines of comma-separated values (RFC 4180).

    Args:
        records: a string tensor; each string is a line.
        record_defaults: one for each column: what an empty field means, a scalar or a vector of
            one element; an empty vector when there must be a value.  Its dtype is that of the
            column: float32, float64, int32, int64 or string.
        field_delim: the character between fields.
        use_quote_delim: fields may stand in double quotes; else a quote is like any character.
        name: of the operation; ``DecodeCSV`` by default.
        na_value: a field like this counts as empty.
        select_cols: the columns to take, in increasing order; all when None.

    Returns:
        A list of tensors of the shape of ``records``, one for each column.

    Raises:
        ValueError: defaults or ``select_cols`` do not fit.   TypeError: a default's dtype.
        InvalidArgumentError: a line with more or fewer fields, or one that is no number (when
            run).

    >>> tf.Session().run(tf.decode_csv(["1,a", "2,"], [[0], ["none"]]))
    [array([1, 2], dtype=int32), array([b'a', b'none'], dtype=object)]
    """
    return apply_op(
        "DecodeCSV", records, list(record_defaults), field_delim=field_delim,
        use_quote_delim=use_quote_delim, na_value=na_value, select_cols=list(select_cols or ()),
        name=name,
    )  # fmt: skip
