"""Neighbouring strings as one: tf.strings.ngrams.

Read next: strings.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
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
from flowgraph.ops.rules import invalid, require_rank
from flowgraph.ops.texts import filled, texts
from flowgraph.shapes import Dims


def _shapes(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "data")
    (count,) = require_rank(call_.shapes[1], 1, "data_splits")
    return [(None,), (count,)]


def _ngrams_of(row: list[bytes], call_: Call) -> Iterator[bytes]:
    """The n-grams of one row, by width and then from left to right."""
    attrs = call_.attrs
    left, right = attrs["left_pad"].encode(), attrs["right_pad"].encode()
    separator, most = attrs["separator"].encode(), attrs["pad_width"]
    found = False
    for width in attrs["ngram_widths"]:
        pad = width - 1 if most < 0 else min(most, width - 1)
        padded = [left] * pad + row + [right] * pad
        for i in range(len(padded) - width + 1):
            found = True
            yield separator.join(padded[i : i + width])
    if attrs["preserve_short_sequences"] and not found and row:
        pad = max(most, 0)
        yield separator.join([left] * pad + row + [right] * pad)


def _reference(call_: Call, data: Any, splits: Any) -> tuple[Any, Any]:
    if any(width < 1 for width in call_.attrs["ngram_widths"]):
        raise invalid(f"ngram_widths must be at least 1, got {call_.attrs['ngram_widths']}")
    ends = splits.tolist()
    if ends and (ends[0] != 0 or ends[-1] != data.size or np.any(np.diff(splits) < 0)):
        raise invalid(f"data_splits must rise from 0 to {data.size}, got {ends[:8]}")
    items = data.tolist()
    rows = [list(_ngrams_of(items[a:b], call_)) for a, b in itertools.pairwise(ends)]
    found = [text for row in rows for text in row]
    counts = np.cumsum([0, *map(len, rows)]).astype(splits.dtype)
    return filled(found, (len(found),)), counts if ends else splits


_WORDS = texts(["a", "b", "c"])
_SPLITS = np.array([0, 1, 1, 3])
_PLAIN: dict[str, Any] = {
    "separator": " ", "left_pad": "L", "right_pad": "R", "pad_width": -1,
    "preserve_short_sequences": False,
}  # fmt: skip

define(
    "StringNGrams",
    "data: string, data_splits: Tsplits -> ngrams: string, ngrams_splits: Tsplits",
    separator=Attr("string", REQUIRED),
    ngram_widths=Attr("list(int)", REQUIRED),
    left_pad=Attr("string", REQUIRED),
    right_pad=Attr("string", REQUIRED),
    pad_width=Attr("int", REQUIRED),
    preserve_short_sequences=Attr("bool", REQUIRED),
    Tsplits=dtypes_of(INDEX, int64),
    infer=_shapes,
    grad=not_differentiable("strings have no derivatives"),
    reference=_reference,
    samples=(
        sample(_WORDS, _SPLITS, ngram_widths=[2, 1], **_PLAIN),
        sample(_WORDS, _SPLITS, ngram_widths=[4], **(_PLAIN | {
            "pad_width": 1, "preserve_short_sequences": True})),
        sample(_WORDS, _SPLITS.astype(np.int32), ngram_widths=[3, 2], **(_PLAIN | {
            "pad_width": 0, "separator": "", "preserve_short_sequences": True})),
    ),
    errors=(
        error_sample(ValueError, "data must be a vector", texts("a"), _SPLITS, ngram_widths=[2],
                     **_PLAIN),
        error_sample(Exception, "must rise from 0 to 3", _WORDS, np.array([0, 1, 5]),
                     ngram_widths=[2], stage="run", **_PLAIN),
        error_sample(Exception, "must rise from 0 to 3", _WORDS, np.array([1, 3]),
                     ngram_widths=[2], stage="run", **_PLAIN),
    ),
    doc="Every so many neighbours of each row, joined.",
)  # fmt: skip


def _pads(pad_values: Any) -> tuple[str, str]:
    if isinstance(pad_values, (str, bytes)):
        pad_values = (pad_values, pad_values)
    if not isinstance(pad_values, (list, tuple)) or not all(
        isinstance(v, (str, bytes)) for v in pad_values
    ):
        raise TypeError("pad_values must be a string, tuple of strings, or None.")
    if len(pad_values) != 2:
        raise ValueError(f"pad_values must be one or two strings, got {pad_values!r}")
    return pad_values[0], pad_values[1]


@export("strings.ngrams")
def ngrams(
    data: Any,
    ngram_width: int | Sequence[int],
    separator: str = " ",
    pad_values: Any = None,
    padding_width: int | None = None,
    preserve_short_sequences: bool = False,
    name: str | None = None,
) -> Tensor:
    """Every ``ngram_width`` neighbours along the last axis, joined into one string.

    ``y[..., i] = separator.join(data[..., i : i + width])``

    Args:
        data: a string tensor of at least one axis.
        ngram_width: how many neighbours; or several numbers, whose results stand behind one
            another.
        separator: what is put between them.
        pad_values: what stands in front of and behind each row: a str, or one for each side; None:
            nothing.
        padding_width: how often at most; ``ngram_width - 1`` by default.
        preserve_short_sequences: a row without any result gives all of it, padded.
        name: of the scope; ``StringNGrams`` by default.

    Returns:
        A string tensor; only the last size differs from that of ``data``.

    Raises:
        ValueError: a scalar, a width or padding less than 1, padding without values.

    >>> tf.Session().run(tf.strings.ngrams(["to", "be", "or"], 2))
    array([b'to be', b'be or'], dtype=object)
    """
    widths: list[Any] = (
        list(ngram_width) if isinstance(ngram_width, (list, tuple)) else [ngram_width]
    )
    left, right, most = "", "", 0
    if pad_values is not None:
        left, right = _pads(pad_values)
        most = -1 if padding_width is None else padding_width
    if padding_width is not None and pad_values is None:
        raise ValueError("pad_values must be provided if padding_width is set.")
    if padding_width is not None and padding_width < 1:
        raise ValueError("padding_width must be greater than 0.")
    if any(width < 1 for width in widths):
        raise ValueError(f"All ngram_widths must be greater than 0. Got {ngram_width}")
    with name_scope(name, "StringNGrams", [data]):
        words = convert_to_tensor(data, dtype="string", name="data")
        if words.dims is None or words.dims == ():
            raise ValueError("Data must have rank>0, and it must be known")
        sizes = call.Shape(words, out_type=int64)
        length, outer = sizes[-1], sizes[:-1]
        rows = call.Prod(outer, call.Range(0, 1, 1))
        splits = call.Mul(call.Range(np.int64(0), rows + 1, np.int64(1)), length)
        found, _ = apply_op(
            "StringNGrams", call.Reshape(words, [-1]), splits, separator=separator,
            ngram_widths=widths, left_pad=left, right_pad=right, pad_width=most,
            preserve_short_sequences=preserve_short_sequences,
        )  # fmt: skip
        if len(words.dims) == 1:
            return found
        # All rows are of one length, so all have the same number of results.
        count = call.FloorDiv(call.Size(found, out_type=int64), call.Maximum(rows, np.int64(1)))
        result = call.Reshape(found, call.ConcatV2([outer, call.ExpandDims(count, 0)], 0))
        result.set_shape((*words.dims[:-1], None))
        return result
