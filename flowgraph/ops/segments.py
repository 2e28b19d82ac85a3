"""Rows put together by the number of their segment: segment_sum, unsorted_segment_sum and kin.

    data [a, b, c, d]   segment_ids [0, 0, 2, 2]   segment_sum = [a + b, 0, c + d]

Sorted segments count themselves: the result has one row more than the last id says, so its size is
known beforehand only where the ids are.  Unsorted segments are told how many they are, and drop
rows whose id is negative.

Read next: sparse_segments.py (rows chosen by index first), gathering.py (the gradients).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, NUMERIC, REAL, as_dtype, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.indices import check_indices, check_sorted_ids
from flowgraph.ops.rules import (
    f32,
    i32,
    invalid,
    number,
    only_one,
    require_rank,
    require_rank_at_least,
    shape_of,
)
from flowgraph.ops.segment_kernels import (
    COMBINE,
    FINISH,
    SORTED,
    segment_sizes,
    sorted_count,
    sorted_reduce,
    wide,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size

# ---------------------------------------------------------------------------- identities, gradients


def _identity(which: str, dtype: Any) -> Any:
    """What an unsorted segment without rows holds."""
    if which in ("Max", "Min"):
        return as_dtype(dtype).min if which == "Max" else as_dtype(dtype).max
    return 1 if which == "Prod" else 0


def _identity_text(which: str, dtype: str) -> str:
    """The same as a number of kernel text."""
    value = _identity(which, dtype)
    if dtype.startswith(("float", "complex")):
        return f"{dtype}({float(value)!r})"
    # NB: as int64: the lowest is no literal, and the highest uint64 wraps from -1
    value = int(value) - 2**64 if value >= 2**63 else int(value)
    return f"{dtype}({value + 1} - 1)"


def selected_rows(y: Tensor, ids: Tensor, data: Tensor) -> Tensor:
    """Row ids[i] of ``y`` for every row of ``data``; zeros where the id is negative."""
    zeros = call.ZerosLike(ids)
    rows = call.GatherV2(y, call.Maximum(ids, zeros), 0)
    kept = call.BroadcastTo(
        call.Reshape(call.GreaterEqual(ids, zeros), _leading_shape(ids, data)), call.Shape(rows)
    )
    return call.Select(kept, rows, call.ZerosLike(rows))


def _leading_shape(ids: Tensor, data: Tensor) -> Any:
    """The shape of ``ids`` with axes of size 1 up to the rank of ``data``."""
    if ids.dims is not None and data.dims is not None:
        ones: Any = np.ones(len(data.dims) - len(ids.dims), np.int32)
    else:
        ones = call.Fill(call.ExpandDims(call.Rank(data) - call.Rank(ids), 0), 1)
    return call.ConcatV2([shape_of(ids), ones], 0)


def _extreme_grad(op: Any, dy: Any, gather: Callable[[Any], Any]) -> Any:
    """dy shared equally by the rows that hold the extreme value."""
    data, dtype = op.data, op.data.dtype.base_dtype
    chosen = call.Equal(data, gather(op.output))
    count = call.UnsortedSegmentSum(call.Cast(chosen, DstT=dtype), op.segment_ids, _rows(op.output))
    return call.Select(chosen, gather(dy) / gather(count), call.ZerosLike(data))


def _prod_grad(op: Any, dy: Any, gather: Callable[[Any], Any]) -> Any:
    """dy times the product of the other rows of the segment, which may hold zeros."""
    data, ids = op.data, op.segment_ids
    zero = call.Equal(data, number(0, data))
    filled = call.Select(zero, call.OnesLike(data), data)
    rows = _rows(op.output)
    others = gather(call.UnsortedSegmentProd(filled, ids, rows)) / filled
    zeros = call.Cast(zero, DstT=data.dtype.base_dtype)
    other_zeros = gather(call.UnsortedSegmentSum(zeros, ids, rows)) - zeros
    alone = call.Equal(other_zeros, number(0, data))
    return gather(dy) * call.Select(alone, others, call.ZerosLike(data))


def _rows(x: Tensor) -> Tensor:
    """The size of axis 0."""
    return call.GatherV2(shape_of(x), 0, 0)


# ---------------------------------------------------------------------------------- sorted segments


def _sorted_infer(call_: Call) -> list[Dims]:
    data, ids = call_.shapes
    (count,) = require_rank(ids, 1, "segment_ids")
    require_rank_at_least(data, 1, "data")
    if data is None:
        return [None]
    try:
        merge_size(data[0], count)
    except ShapeError:
        raise ShapeError(
            f"segment_ids of shape {format_dims(ids)} do not fit data of shape {format_dims(data)}"
        ) from None
    return [(sorted_count(call_.value(1)), *data[1:])]


def _sorted_kernel(which: str) -> Procedure:
    def sizes(call_: Call) -> Mapping[str, int]:
        n, row = segment_sizes(call_)
        return {"n": n, "row": row, "count": call_.out_shapes[0][0]}  # type: ignore[index,dict-item]

    def choices(call_: Call) -> Mapping[str, str]:
        dtype = call_.dtypes[0].base_dtype.name
        total = "load(output, k * row + e)"
        divided = f"{total} / {dtype}(size)"
        if not dtype.startswith(("float", "complex")):
            divided = f"truncdiv({total}, {dtype}(size))"
        return {
            "check": "",
            "source": "i",
            "gap": "1" if which == "Prod" else "0",
            "combine": COMBINE[which][0],
            "finish": FINISH.format(divided=divided) if which == "Mean" else "",
        }

    return Procedure(
        SORTED,
        sizes=sizes,
        choices=choices,
        whole=True,
        flops=lambda call_: math.prod(call_.shapes[0]),  # type: ignore[arg-type]
    )


def _sorted_reference(which: str) -> Any:
    def reference(call_: Call, data: Any, ids: Any) -> Any:
        if len(ids) != len(data):
            raise invalid(f"{len(ids)} segment_ids for {len(data)} rows of data")
        check_sorted_ids(ids)
        count = int(ids[-1]) + 1 if ids.size else 0
        gap = 1 if which == "Prod" else 0
        result, sizes = sorted_reduce(COMBINE[which][1], data, ids, count, gap)
        if which == "Mean":
            by = np.maximum(sizes, 1).reshape(-1, *(1,) * (data.ndim - 1))
            if data.dtype.kind in "iu":
                result = np.trunc(result / by)
            else:
                result = result / by
        return result.astype(data.dtype)

    return reference


def _sorted_grad(which: str) -> Any:
    def grad(op: Any, dy: Any) -> tuple[Any, None]:
        def gather(y: Any) -> Any:
            return call.GatherV2(y, op.segment_ids, 0)

        if which == "Sum":
            return gather(dy), None
        if which == "Mean":
            # every row is chosen once
            count = _rows(op.data)
            return call.SparseSegmentMeanGrad(
                dy, call.Range(0, count, 1), op.segment_ids, count
            ), None
        rule = _prod_grad if which == "Prod" else _extreme_grad
        return rule(op, dy, gather), None

    return grad


_NAN = np.array([np.nan, 2, 3, np.nan], np.float32)

for _which in COMBINE:
    define(
        f"Segment{_which}",
        "data: T, segment_ids: Tindices -> output: T",
        T=dtypes_of(REAL if _which in ("Max", "Min") else NUMERIC),
        Tindices=dtypes_of(INDEX, int32),
        infer=_sorted_infer,
        kernel=_sorted_kernel(_which),
        grad=_sorted_grad(_which),
        reference=_sorted_reference(_which),
        samples=(
            sample(f32(5, 3), i32([0, 0, 2, 2, 2]), const=(1,)),
            sample(f32(4), i32([1, 1, 1, 3])),
            sample(f32(3, 2, 2), np.array([0, 1, 2], np.int64), const=(1,)),
            sample(f32(0, 3), i32([])),
            sample(f32(2, 0), i32([0, 2]), const=(1,)),
            sample(i32([[7, -7], [4, 2], [3, 3]]), i32([0, 0, 1]), const=(1,)),
            sample(_NAN, i32([0, 0, 1, 1]), const=(1,), differentiable=()),
        ),
        errors=(
            error_sample(ValueError, "segment_ids must be a vector", f32(2), i32([[0, 0]])),
            error_sample(ValueError, "do not fit data of shape", f32(4, 3), i32([0, 0])),
            error_sample(Exception, r"segment_ids\[2\] = 1 is smaller than the one before it, 2",
                         f32(3), i32([0, 2, 1]), stage="run", const=(1,)),
            error_sample(Exception, r"segment_ids\[0\] = -1 is negative",
                         f32(2), i32([-1, 0]), stage="run"),
            error_sample(Exception, "1 segment_ids for 2 rows|do not fit",
                         f32(2), i32([0]), stage="run"),
        ),
        doc={
            "Sum": "Row i is the sum of the rows of ``data`` of segment i; ids are sorted.",
            "Mean": "Row i is the mean of the rows of ``data`` of segment i; ids are sorted.",
            "Prod": "Row i is the product of the rows of ``data`` of segment i; ids are sorted.",
            "Max": "Row i is the greatest of the rows of ``data`` of segment i; ids are sorted.",
            "Min": "Row i is the least of the rows of ``data`` of segment i; ids are sorted.",
        }[_which],
    )  # fmt: skip


# -------------------------------------------------------------------------------- unsorted segments

_UNSORTED = """
for i in range(n):
    if int64(load(segment_ids, i)) >= count:
        return 2
for e in independent(count * row):
    store(output, e, {identity})
for i in range(n):
    k = int64(load(segment_ids, i))
    if k >= 0:
        for e in independent(row):
            a = load(output, k * row + e)
            b = load(data, i * row + e)
            store(output, k * row + e, {combine})
return 0
"""


def _unsorted_infer(call_: Call) -> list[Dims]:
    data, ids = call_.shapes[:2]
    require_rank(call_.shapes[2], 0, "num_segments")
    count = call_.value(2)
    if count is not None and count < 0:
        raise ShapeError(f"num_segments must not be negative: {count}")
    if data is None or ids is None:
        return [None]
    try:
        merge(data[: len(ids)], ids)
    except ShapeError:
        raise ShapeError(
            f"segment_ids of shape {format_dims(ids)} do not fit the first axes of "
            f"{format_dims(data)}"
        ) from None
    return [(None if count is None else int(count), *data[len(ids) :])]


def _unsorted_kernel(which: str) -> Procedure:
    def sizes(call_: Call) -> Mapping[str, int]:
        n, row = segment_sizes(call_)
        return {"n": n, "row": row, "count": call_.out_shapes[0][0]}  # type: ignore[index,dict-item]

    return Procedure(
        _UNSORTED,
        sizes=sizes,
        known=(2,),
        whole=True,
        choices=lambda call_: {
            "identity": _identity_text(which, call_.dtypes[0].base_dtype.name),
            "combine": COMBINE[which][0],
        },
        flops=lambda call_: math.prod(call_.shapes[0]),  # type: ignore[arg-type]
    )


def _unsorted_reference(which: str) -> Any:
    def reference(call_: Call, data: Any, ids: Any, count: Any) -> Any:
        size, flat = only_one(count, "num_segments"), ids.reshape(-1)
        if size < 0:
            raise invalid(f"num_segments must not be negative: {size}")
        if data.shape[: ids.ndim] != ids.shape:
            raise invalid(
                f"segment_ids of shape {list(ids.shape)} do not fit the first axes of "
                f"{list(data.shape)}"
            )
        kept = flat >= 0  # rows with a negative id are dropped
        if (flat >= size).any():
            check_indices(np.where(ids < 0, 0, ids), size)
        rows = wide(data.reshape(flat.size, *data.shape[ids.ndim :]))
        result = np.full((size, *rows.shape[1:]), _identity(which, data.dtype), rows.dtype)
        COMBINE[which][1].at(result, flat[kept], rows[kept])
        return result.astype(data.dtype)

    return reference


def _unsorted_grad(which: str) -> Any:
    def grad(op: Any, dy: Any) -> tuple[Any, None, None]:
        def gather(y: Any) -> Any:
            return selected_rows(y, op.segment_ids, op.data)

        if which == "Sum":
            return gather(dy), None, None
        rule = _prod_grad if which == "Prod" else _extreme_grad
        return rule(op, dy, gather), None, None

    return grad


for _which in ("Sum", "Max", "Min", "Prod"):
    define(
        f"UnsortedSegment{_which}",
        "data: T, segment_ids: Tindices, num_segments: Tnumsegments -> output: T",
        T=dtypes_of(REAL if _which in ("Max", "Min") else NUMERIC),
        Tindices=dtypes_of(INDEX, int32),
        Tnumsegments=dtypes_of(INDEX, int32),
        infer=_unsorted_infer,
        kernel=_unsorted_kernel(_which),
        grad=_unsorted_grad(_which),
        reference=_unsorted_reference(_which),
        samples=(
            sample(f32(4, 3), i32([1, 0, 1, -1]), i32(2), const=(2,)),
            sample(f32(2, 2), i32([[1, 0], [1, 1]]), i32(2), const=(2,)),
            sample(f32(0, 3), i32([]), i32(0), const=(2,)),
            sample(f32(3), i32([1, 1, 0]), i32(2)),
            sample(i32([3, -5, 4]), np.array([0, 0, 2], np.int64), i32(4), const=(2,)),
            sample(np.zeros((0, 2), np.int8), i32([]), i32(2), const=(2,)),
            sample(np.array([3, 5, 4], np.uint64), i32([0, 0, 2]), i32(4), const=(2,)),
            sample(np.array([3, 5, 4], np.int64), i32([0, 0, 2]), i32(4), const=(2,)),
            sample(_NAN, i32([0, 0, 1, 1]), i32(2), const=(2,), differentiable=()),
        ),
        errors=(
            error_sample(ValueError, "do not fit the first axes",
                         f32(4, 3), i32([0]), i32(2), const=(2,)),
            error_sample(ValueError, "num_segments must not be negative: -1",
                         f32(2), i32([0, 0]), i32(-1), const=(2,)),
            error_sample(Exception, r"indices\[1\] = 2 is not in \[0, 2\)",
                         f32(2), i32([0, 2]), i32(2), const=(2,), stage="run"),
        ),
        doc={
            "Sum": "Row i is the sum of the rows of ``data`` whose segment id is i.",
            "Max": "Row i is the greatest of the rows of ``data`` whose segment id is i.",
            "Min": "Row i is the least of the rows of ``data`` whose segment id is i.",
            "Prod": "Row i is the product of the rows of ``data`` whose segment id is i.",
        }[_which],
    )  # fmt: skip


# --------------------------------------------------------------------------------- public functions


def _example(function: str, result: str, *more: str) -> str:
    given = ", ".join(("[1.0, 2.0, 3.0]", "[0, 0, 2]", *more))
    rounded = ".round(3)" if "sqrt" in function else ""
    return f""">>> print(tf.Session().run(tf.{function}({given})){rounded})
    {result}"""


def _sorted_function(which: str, word: str, empty: str, gradient: str, result: str) -> Any:
    name = f"segment_{which.lower()}"

    def function(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
        return apply_op(f"Segment{which}", data, segment_ids, name=name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The {word} of the rows of each segment; the ids of segments are sorted.

    y[i] = {word} of data[j] over segment_ids[j] == i

    Args:
        data: a tensor of numbers with at least one axis.
        segment_ids: an int32 or int64 vector, one id for each row of ``data``, which never
            decreases; ids may be left out.
        name: of the operation; ``Segment{which}`` by default.

    Returns:
        A tensor with one row for each id up to the last; {empty} where a segment has no rows.

    Raises:
        ValueError: the ids are no vector, or not as many as ``data`` has rows.
        InvalidArgumentError: an id is negative or smaller than the one before it (when run).

    Gradient: {gradient}.
    Numerics: {
        "NaN wins."
        if which in ("Max", "Min")
        else "added up in the order of the rows."
        if which in ("Sum", "Mean")
        else "multiplied in the order of the rows."
    }

    {_example(name, result)}
    """
    return export(name, f"math.{name}")(function)


segment_sum = _sorted_function("Sum", "sum", "0", "dy of the row's segment", "[3. 0. 3.]")
segment_mean = _sorted_function(
    "Mean", "mean", "0", "dy of the row's segment, divided by its size", "[1.5 0.  3. ]"
)
segment_prod = _sorted_function(
    "Prod", "product", "1", "dy times the product of the other rows of the segment", "[2. 1. 3.]"
)
segment_max = _sorted_function(
    "Max", "greatest", "0", "dy, shared equally by the rows that hold the greatest", "[2. 0. 3.]"
)
segment_min = _sorted_function(
    "Min", "least", "0", "dy, shared equally by the rows that hold the least", "[1. 0. 3.]"
)


def _unsorted_doc(name: str, op: str, word: str, empty: str, gradient: str, result: str) -> str:
    return f"""The {word} of the rows of ``data`` that have the same segment id.

    y[i] = {word} of data[j] over segment_ids[j] == i

    Args:
        data: a tensor of numbers.
        segment_ids: int32 or int64, the shape of data's first axes; rows with negative ids are
            dropped.
        num_segments: number of rows of the result; those without data are {empty}.
        name: of the operation; ``{op}`` by default.

    Returns:
        A tensor of shape [num_segments] + data.shape[segment_ids.rank:].

    Raises:
        ValueError: the ids do not fit data's first axes, or ``num_segments`` is negative.
        InvalidArgumentError: an id is not below ``num_segments`` (when run).

    Gradient: {gradient}; 0 for dropped rows.

    {_example(name, result, "4")}
    """


def _unsorted_function(which: str, word: str, empty: str, gradient: str, result: str) -> Any:
    name = f"unsorted_segment_{which.lower()}"

    def function(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
        return apply_op(f"UnsortedSegment{which}", data, segment_ids, num_segments, name=name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _unsorted_doc(name, f"UnsortedSegment{which}", word, empty, gradient, result)
    return export(name, f"math.{name}")(function)


unsorted_segment_sum = _unsorted_function(
    "Sum", "sum", "0", "dy of the row's segment", "[3. 0. 3. 0.]"
)
unsorted_segment_prod = _unsorted_function(
    "Prod", "product", "1", "dy times the product of the other rows of the segment", "[2. 1. 3. 1.]"
)
unsorted_segment_max = _unsorted_function(
    "Max", "greatest", "the lowest number of the dtype",
    "dy, shared equally by the rows that hold the greatest",
    "[ 2.0000000e+00 -3.4028235e+38  3.0000000e+00 -3.4028235e+38]",
)  # fmt: skip
unsorted_segment_min = _unsorted_function(
    "Min", "least", "the highest number of the dtype",
    "dy, shared equally by the rows that hold the least",
    "[1.0000000e+00 3.4028235e+38 3.0000000e+00 3.4028235e+38]",
)  # fmt: skip


def _divided(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None, default: str,
    divisor: Callable[[Tensor], Tensor],
) -> Tensor:  # fmt: skip
    """Sums of segments divided by ``divisor(sizes)``, which counts empty ones as 1."""
    with name_scope(name, default):
        data = convert_to_tensor(data)
        ids = convert_to_tensor(segment_ids)
        total = call.UnsortedSegmentSum(data, ids, num_segments)
        ones = call.Fill(shape_of(ids), number(1, data))
        sizes = call.UnsortedSegmentSum(ones, ids, num_segments)
        rest = _leading_shape(sizes, total)
        return total / divisor(call.Maximum(call.Reshape(sizes, rest), number(1, data)))


@export("unsorted_segment_mean", "math.unsorted_segment_mean")
def unsorted_segment_mean(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """See _unsorted_doc."""
    return _divided(data, segment_ids, num_segments, name, "UnsortedSegmentMean", lambda n: n)


@export("unsorted_segment_sqrt_n", "math.unsorted_segment_sqrt_n")
def unsorted_segment_sqrt_n(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """See _unsorted_doc."""
    return _divided(data, segment_ids, num_segments, name, "UnsortedSegmentSqrtN", call.Sqrt)


unsorted_segment_mean.__doc__ = _unsorted_doc(
    "unsorted_segment_mean", "UnsortedSegmentMean", "mean", "0",
    "dy of the row's segment, divided by its size", "[1.5 0.  3.  0. ]",
)  # fmt: skip
unsorted_segment_sqrt_n.__doc__ = _unsorted_doc(
    "unsorted_segment_sqrt_n", "UnsortedSegmentSqrtN", "sum, divided by the root of the number,",
    "0", "dy of the row's segment, divided by the root of its size",
    "[2.121 0.    3.    0.   ]",
)  # fmt: skip
