"""Joining, splitting and formatting strings: join, split, reduce_join, format.

All string operations run their references as host instructions; strings never enter kernels.

Read next: strings_characters.py (what looks inside a string).
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
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import constant_axes, i32, invalid, merge_all, one_name, require_rank
from flowgraph.ops.texts import ends_text, filled, no_ragged, texts
from flowgraph.shapes import Dims, ShapeError, format_dims, normalize_axis

_NO_NUMBERS = not_differentiable("strings have no derivatives")


# -------------------------------------------------------------------------------------------- join


def _join_shape(call_: Call) -> list[Dims]:
    shapes = [s for s in call_.shapes if s != ()]
    known = [s for s in shapes if s is not None]
    if not shapes:
        return [()]
    return [merge_all(known) if known else None]  # what is unknown may also be a scalar


def _join_reference(call_: Call, *arrays: Any) -> np.ndarray[Any, Any]:
    shapes = {a.shape for a in arrays if a.shape}
    if len(shapes) > 1:
        one, other = sorted(shapes)[:2]
        raise invalid(f"shapes {list(one)} and {list(other)} of the inputs do not match")
    if not arrays:
        return filled([b""], ())
    separator = call_.attrs["separator"].encode()
    together = np.broadcast_arrays(*arrays)
    rows = zip(*(a.reshape(-1) for a in together), strict=True)
    return filled([separator.join(row) for row in rows], together[0].shape)


define(
    "StringJoin",
    "inputs: N*string -> output: string",
    separator="",
    infer=_join_shape,
    grad=_NO_NUMBERS,
    reference=_join_reference,
    samples=(
        sample([texts(["a", "b"]), texts(["c", ""])], separator="-"),
        sample([texts("a"), texts([["b", "c"]]), texts("é\0")]),
        sample([texts("a")]),
        sample([texts(np.zeros((0, 2), object)), texts("x")]),
    ),
    errors=(
        error_sample(ValueError, "1.* and .*2", [texts(["a"]), texts(["b", "c"])]),
        error_sample(Exception, "1.* and .*2", [texts(["a"]), texts(["b", "c"])], stage="run"),
    ),
    doc="The strings of the inputs behind one another; scalars are joined to every element.",
)


@export("string_join", "strings.join")
def string_join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Tensor:
    """The strings of several tensors behind one another, element by element.

    ``y[i] = inputs[0][i] + separator + inputs[1][i] + ...``

    Args:
        inputs: a list of string tensors of one shape; scalars are joined to every element.
        separator: a str put between them.
        name: of the operation; ``StringJoin`` by default.

    Returns:
        A string tensor of that shape.

    Raises:
        ValueError: the shapes differ.

    >>> tf.Session().run(tf.strings.join(["x", ["1", "2"]], separator="_"))
    array([b'x_1', b'x_2'], dtype=object)
    """
    return apply_op("StringJoin", list(inputs), separator=separator, name=name)


# ------------------------------------------------------------------------------------- reduce_join


def _reduced_shape(call_: Call) -> list[Dims]:
    dims, keep = call_.shapes[0], call_.attrs["keep_dims"]
    axes = call_.value(1)
    if dims is None:
        return [None]
    if axes is None:
        return [(None,) * len(dims) if keep else None]
    reduced = {normalize_axis(int(axis), len(dims), "axis") for axis in axes.reshape(-1)}
    if keep:
        return [tuple(1 if i in reduced else d for i, d in enumerate(dims))]
    return [tuple(d for i, d in enumerate(dims) if i not in reduced)]


def _reduce_join_reference(call_: Call, array: Any, axes: Any) -> np.ndarray[Any, Any]:
    reduced: list[int] = []
    for axis in axes.reshape(-1).tolist():
        if not -array.ndim <= axis < array.ndim:
            raise invalid(f"axis {axis} of an array of rank {array.ndim}")
        if axis % array.ndim in reduced:
            raise invalid(f"axis {axis} is given twice")
        reduced.append(axis % array.ndim)
    separator = call_.attrs["separator"].encode()
    kept = [i for i in range(array.ndim) if i not in reduced]
    # One axis after the other is joined, so the first one given varies fastest.
    order = [*kept, *reversed(reduced)]
    shape = tuple(array.shape[i] for i in kept)
    count = int(np.prod([array.shape[i] for i in reduced], dtype=np.int64))
    rows = array.transpose(order).reshape(int(np.prod(shape, dtype=np.int64)), count)
    if call_.attrs["keep_dims"]:
        shape = tuple(1 if i in reduced else size for i, size in enumerate(array.shape))
    return filled([separator.join(row) for row in rows], shape)


_SQUARE = texts([["a", "b"], ["c", "d"]])

define(
    "ReduceJoin",
    "inputs: string, reduction_indices: int32 -> output: string",
    keep_dims=False,
    separator="",
    infer=_reduced_shape,
    grad=_NO_NUMBERS,
    reference=_reduce_join_reference,
    samples=(
        sample(_SQUARE, i32(0), const=(1,)),
        sample(_SQUARE, i32([0, 1]), const=(1,), separator="-"),
        sample(_SQUARE, i32([-1, 0]), const=(1,), keep_dims=True),
        sample(texts(np.zeros((0, 2), object)), i32([0]), const=(1,)),
        sample(_SQUARE, i32(np.zeros(0)), const=(1,)),
    ),
    errors=(
        error_sample(ValueError, "axis", _SQUARE, i32(2), const=(1,)),
        error_sample(Exception, "is given twice", _SQUARE, i32([0, -2]), stage="run"),
        error_sample(Exception, "axis 5", _SQUARE, i32([5]), stage="run"),
    ),
    doc="Joins all strings along the given axes, the first one given varying fastest.",
)


@export("reduce_join", "strings.reduce_join")
def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: bool | None = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """All strings along the given axes as one string.

    Args:
        inputs: a string tensor.
        axis: the axes to join over, one after the other (so the first one given varies fastest);
            all of them, the last first, by default.  ``reduction_indices`` is its older name.
        keep_dims: leave the joined axes in place with size 1; ``keepdims`` is the same.
        separator: a str put between the strings.
        name: of the operation; ``ReduceJoin`` by default.
        reduction_indices: see ``axis``.
        keepdims: see ``keep_dims``.

    Returns:
        A string tensor.

    Raises:
        ValueError: an axis that the input does not have; two names of one argument.
        InvalidArgumentError: an axis is given twice (when run).

    >>> tf.Session().run(tf.reduce_join([["a", "b"], ["c", "d"]], axis=1, separator="+"))
    array([b'a+b', b'c+d'], dtype=object)
    """
    axis = one_name("reduce_join", axis=axis, reduction_indices=reduction_indices)
    keep = one_name("reduce_join", keep_dims=keep_dims, keepdims=keepdims)
    with name_scope(None, "ReduceJoin", [inputs, axis]):
        inputs = convert_to_tensor(inputs)
        if axis is None:
            if inputs.dims is not None:
                axis = constant_axes(range(len(inputs.dims) - 1, -1, -1))
            else:
                axis = call.Range(call.Rank(inputs) - 1, -1, -1)
        return apply_op(
            "ReduceJoin", inputs, axis, keep_dims=bool(keep), separator=separator, name=name
        )


# ---------------------------------------------------------------------------- unsorted_segment_join


def _segment_shape(call_: Call) -> list[Dims]:
    inputs, ids, _ = call_.shapes
    require_rank(call_.shapes[2], 0, "num_segments")
    count = call_.value(2)
    if count is not None and count < 0:
        raise ShapeError(f"num_segments must not be negative, got {int(count)}")
    if inputs is None or ids is None:
        return [None]
    if len(ids) > len(inputs):
        raise ShapeError(
            f"segment_ids of shape {format_dims(ids)} has more axes than inputs of shape "
            f"{format_dims(inputs)}"
        )
    merge_all([ids, inputs[: len(ids)]])
    return [(None if count is None else int(count), *inputs[len(ids) :])]


def _segment_reference(call_: Call, inputs: Any, ids: Any, number: Any) -> np.ndarray[Any, Any]:
    count = int(number)
    if count < 0 or inputs.shape[: ids.ndim] != ids.shape:
        raise invalid(
            f"segment_ids of shape {list(ids.shape)}, {count} segments and inputs of shape "
            f"{list(inputs.shape)} do not fit together"
        )
    wrong = ids[(ids < 0) | (ids >= count)]
    if wrong.size:
        raise invalid(f"segment id {int(wrong.flat[0])} is not in [0, {count})")
    inner = inputs.shape[ids.ndim :]
    columns = int(np.prod(inner, dtype=np.int64))
    parts: list[list[list[bytes]]] = [[[] for _ in range(columns)] for _ in range(count)]
    for segment, row in zip(ids.reshape(-1), inputs.reshape(ids.size, columns), strict=True):
        for column, text in enumerate(row):
            parts[segment][column].append(text)
    separator = call_.attrs["separator"].encode()
    return filled([separator.join(p) for row in parts for p in row], (count, *inner))


define(
    "UnsortedSegmentJoin",
    "inputs: string, segment_ids: Tindices, num_segments: Tnumsegments -> output: string",
    Tindices=dtypes_of(INDEX),
    Tnumsegments=dtypes_of(INDEX),
    separator="",
    infer=_segment_shape,
    grad=_NO_NUMBERS,
    reference=_segment_reference,
    samples=(
        sample(texts(["a", "b", "c"]), i32([0, 2, 0]), i32(3), const=(2,), separator=":"),
        sample(_SQUARE, i32([1, 1]), i32(2), const=(2,)),
        sample(_SQUARE, i32([[0, 1], [1, 0]]), np.int64(2), const=(2,)),
        sample(texts(np.zeros(0, object)), i32(np.zeros(0)), i32(1), const=(2,)),
    ),
    errors=(
        error_sample(ValueError, "1.* and .*2|2.* and .*1", texts(["a"]), i32([0, 1]), i32(2),
                     const=(2,)),
        error_sample(ValueError, "must not be negative", texts(["a"]), i32([0]), i32(-1),
                     const=(2,)),
        error_sample(Exception, r"segment id 2 is not in \[0, 2\)", texts(["a"]), i32([2]),
                     i32(2), stage="run"),
        error_sample(Exception, "segment id -1", texts(["a"]), i32([-1]), i32(2), stage="run"),
    ),
    doc="Joins the strings of each segment, in the order of the inputs.",
)  # fmt: skip


@export("strings.unsorted_segment_join")
def unsorted_segment_join(
    inputs: Any, segment_ids: Any, num_segments: Any, separator: str = "", name: str | None = None
) -> Tensor:
    """The strings of each segment as one string, in the order in which they stand.

    ``y[s] = separator.join(inputs[i] for i where segment_ids[i] == s)``; ``""`` for none.

    Args:
        inputs: a string tensor.
        segment_ids: an integer tensor whose shape is the beginning of that of ``inputs``.
        num_segments: an integer scalar: the size of the result.
        separator: a str put between the strings.
        name: of the operation; ``UnsortedSegmentJoin`` by default.

    Returns:
        A string tensor of shape ``[num_segments, ...]``.

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: an id is not in ``[0, num_segments)`` (when run).
    """
    return apply_op(
        "UnsortedSegmentJoin", inputs, segment_ids, num_segments, separator=separator, name=name
    )


# ------------------------------------------------------------------------------------------- split


def _split_shape(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "the strings to split")
    require_rank(call_.shapes[1], 0, "delimiter" if call_.type == "StringSplit" else "sep")
    return [(None, 2), (None,), (2,)]


def _sparse_rows(rows: Sequence[Sequence[bytes]]) -> tuple[Any, Any, Any]:
    """indices, values and shape of a matrix whose rows are filled from the left."""
    lengths = [len(row) for row in rows]
    indices = np.array(
        [(i, j) for i, length in enumerate(lengths) for j in range(length)], np.int64
    ).reshape(-1, 2)
    values = filled([text for row in rows for text in row], (sum(lengths),))
    return indices, values, np.array([len(rows), max(lengths, default=0)], np.int64)


def _split_at_any(text: bytes, delimiters: bytes) -> list[bytes]:
    if not text:
        return []
    if not delimiters:
        return [text[i : i + 1] for i in range(len(text))]
    first = delimiters[:1]
    return text.translate(bytes.maketrans(delimiters, first * len(delimiters))).split(first)


def _string_split_reference(call_: Call, source: Any, delimiter: Any) -> Any:
    rows = [_split_at_any(text, delimiter[()]) for text in source]
    if call_.attrs["skip_empty"]:
        rows = [[part for part in row if part] for row in rows]
    return _sparse_rows(rows)


define(
    "StringSplit",
    "input: string, delimiter: string -> indices: int64, values: string, shape: int64",
    skip_empty=True,
    infer=_split_shape,
    grad=_NO_NUMBERS,
    reference=_string_split_reference,
    samples=(
        sample(texts(["hello world  a", "", " x "]), texts(" ")),
        sample(texts(["hello world  a", "", " x "]), texts(" "), skip_empty=False),
        sample(texts(["a,b;c", "abc"]), texts(",;")),
        sample(texts(["é√x"]), texts("")),
        sample(texts(np.zeros(0, object)), texts(" ")),
    ),
    errors=(
        error_sample(ValueError, "must be a vector", texts("a"), texts(" ")),
        error_sample(ValueError, "delimiter must be a scalar", texts(["a"]), texts([" "])),
    ),
    doc="The parts of each string between any of the delimiter's bytes, as a sparse matrix.",
)


def _split_reference(call_: Call, source: Any, separator: Any) -> Any:
    sep, maxsplit = separator[()] or None, call_.attrs["maxsplit"]
    return _sparse_rows([text.split(sep, maxsplit) for text in source])


define(
    "StringSplitV2",
    "input: string, sep: string -> indices: int64, values: string, shape: int64",
    maxsplit=-1,
    infer=_split_shape,
    grad=_NO_NUMBERS,
    reference=_split_reference,
    samples=(
        sample(texts(["a  b c", " x", ""]), texts("")),
        sample(texts(["a<>b<><>c", ""]), texts("<>")),
        sample(texts([" a  b  c "]), texts(""), maxsplit=1),
        sample(texts(["a,b,,c"]), texts(","), maxsplit=2),
    ),
    errors=(error_sample(ValueError, "sep must be a scalar", texts(["a"]), texts([" "])),),
    doc="The parts of each string between separators, as a sparse matrix.",
)


def _check_result_type(function: str, result_type: str) -> None:
    if result_type == "RaggedTensor":
        raise no_ragged(function, "leave result_type at 'SparseTensor'")
    if result_type != "SparseTensor":
        raise ValueError(f"{function}: result_type must be 'SparseTensor', got {result_type!r}")


@export("string_split")
def string_split(
    source: Any,
    sep: Any = None,
    skip_empty: bool = True,
    delimiter: Any = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> SparseTensor:
    """The parts of each string between single delimiter characters.

    Args:
        source: a vector of strings.
        sep: a scalar string; each of its bytes is a delimiter, and when it is empty, the parts are
            the bytes of the string.  A space by default.
        skip_empty: leave out empty parts.
        delimiter: older name of ``sep``.
        result_type: must be ``"SparseTensor"``.
        name: of the scope; ``StringSplit`` by default.

    Returns:
        A SparseTensor: row i holds the parts of string i, from the left.

    Raises:
        ValueError: ``source`` is no vector or ``sep`` no scalar.
        NotImplementedError: a RaggedTensor is asked for.

    >>> tf.Session().run(tf.string_split(["to be or", "not"])).indices.tolist()
    [[0, 0], [0, 1], [0, 2], [1, 0]]
    """
    sep = one_name("string_split", sep=sep, delimiter=delimiter)
    _check_result_type("string_split", result_type)
    with name_scope(name, "StringSplit", [source]):
        source = convert_to_tensor(source, dtype="string")
        sep = convert_to_tensor(" " if sep is None else sep, dtype="string")
        return SparseTensor(*apply_op("StringSplit", source, sep, skip_empty=skip_empty))


@export("strings.split")
def split(
    input: Any = None,
    sep: Any = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> SparseTensor:
    """The parts of each string between separators, as ``str.split`` of Python.

    Args:
        input: a string tensor of known rank; a scalar counts as a vector of one string.
        sep: a scalar string; when it is empty or None, runs of white space are separators, and
            those at the ends are dropped.
        maxsplit: at most so many splits, the rest stays together; no limit when negative.
        result_type: must be ``"SparseTensor"``.
        source: older name of ``input``.
        name: of the scope; ``StringSplit`` by default.

    Returns:
        A SparseTensor with one axis more than ``input``: the parts of each string, from the left.

    Raises:
        ValueError: the rank of ``input`` is not known.
        NotImplementedError: a RaggedTensor is asked for.

    >>> tf.Session().run(tf.strings.split(["a b", " c"])).values
    array([b'a', b'b', b'c'], dtype=object)
    """
    source = one_name("strings.split", input=input, source=source)
    _check_result_type("strings.split", result_type)
    with name_scope(name, "StringSplit", [source]):
        source = convert_to_tensor(source, dtype="string", name="input")
        sep = convert_to_tensor("" if sep is None else sep, dtype="string")
        if source.dims is None:
            raise ValueError("strings.split: the rank of the input must be known")
        rank = len(source.dims)
        flat = source if rank == 1 else call.Reshape(source, [-1])
        indices, values, shape = apply_op("StringSplitV2", flat, sep, maxsplit=maxsplit)
        if rank > 1:
            indices, shape = _unflatten(source, indices, shape)
        return SparseTensor(indices, values, shape)


def _unflatten(source: Tensor, indices: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
    """Indices and shape of the parts where ``source`` was split row by row as a vector."""
    sizes = call.Shape(source, out_type=int64)
    row, part = call.Unpack(indices, num=2, axis=1)
    columns = []
    for axis in range(len(source.dims or ()) - 1, 0, -1):
        size = call.StridedSlice(sizes, [axis], [axis + 1], [1], shrink_axis_mask=1)
        columns.append(call.FloorMod(row, size))
        row = call.FloorDiv(row, size)
    whole = call.Pack([row, *reversed(columns), part], axis=1)
    return whole, call.ConcatV2([sizes, call.StridedSlice(shape, [1], [2], [1])], 0)


# ------------------------------------------------------------------------------------------ format


def _format_shape(call_: Call) -> list[Dims]:
    places, given = call_.attrs["template"].count(call_.attrs["placeholder"]), len(call_.shapes)
    if places != given:
        raise ShapeError(f"the template has {places} placeholders for {given} tensors")
    return [()]


def _format_reference(call_: Call, *arrays: Any) -> np.ndarray[Any, Any]:
    attrs = call_.attrs
    pieces = attrs["template"].split(attrs["placeholder"])
    said = [pieces[0]]
    for array, piece in zip(arrays, pieces[1:], strict=True):
        said += [ends_text(np.asarray(array), attrs["summarize"]), piece]
    return filled(["".join(said).encode(errors="surrogateescape")], ())


define(
    "StringFormat",
    "inputs: [T] -> output: string",
    T=Attr("list(type)", REQUIRED),
    template="%s",
    placeholder="%s",
    summarize=3,
    infer=_format_shape,
    grad=_NO_NUMBERS,
    reference=_format_reference,
    samples=(
        sample([i32(range(10)), texts(["a", 'b"'])], template="x: {}, {}", placeholder="{}"),
        sample([i32(range(10))], summarize=-1),
        sample([], template="nothing"),
    ),
    errors=(
        error_sample(ValueError, "1 placeholders for 2 tensors", [i32(1), i32(2)]),
    ),
    doc="The template with the tensors' values in place of its placeholders.",
)


@export("strings.format")
def format(
    template: str,
    inputs: Any,
    placeholder: str = "{}",
    summarize: int = 3,
    name: str | None = None,
) -> Tensor:
    """``template`` with the values of tensors in place of its placeholders.

    Args:
        template: a str.
        inputs: a tensor, or a list with one tensor for each placeholder.
        placeholder: what stands for a tensor in the template.
        summarize: how many elements to show at each end of each axis; all when negative.
        name: of the operation; ``StringFormat`` by default.

    Returns:
        A scalar string.

    Raises:
        ValueError: there are more or fewer placeholders than inputs.

    >>> tf.Session().run(tf.strings.format("rates: {}", tf.range(10)))
    b'rates: [0 1 2 ... 7 8 9]'
    """
    given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    return apply_op(
        "StringFormat", given, template=template, placeholder=placeholder, summarize=summarize,
        name=name,
    )  # fmt: skip
