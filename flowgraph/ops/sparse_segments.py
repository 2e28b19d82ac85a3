"""Segments of rows that are chosen by index first: sparse_segment_sum, mean and sqrt_n.

    y[i] = sum of data[indices[j]] over segment_ids[j] == i

What an embedding lookup with several ids for each example computes; the chosen rows are never
written out.

Read next: segments.py, whose kernel this is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, REAL, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.indices import check_indices, check_sorted_ids
from flowgraph.ops.rules import (
    f32,
    i32,
    invalid,
    only_one,
    require_rank,
    require_rank_at_least,
    shape_of,
)
from flowgraph.ops.segment_kernels import (
    COMBINE,
    FINISH,
    SORTED,
    sorted_count,
    sorted_reduce,
)
from flowgraph.shapes import Dims, ShapeError, merge_size

# --------------------------------------------------------------------------------------- the sums

_CHECK = """for i in range(n):
    k = int64(load(indices, i))
    if k < 0 or k >= table:
        return 2"""

_DIVISOR = {"Mean": "{T}(size)", "SqrtN": "sqrt({T}(size))"}


def _counted(call_: Call) -> tuple[int | None, int | None]:
    """(number of indices, of segments), as far as they are known."""
    (n,), (ids,) = (require_rank(call_.shapes[i], 1, w) for i, w in ((1, "indices"), (2, "ids")))
    try:
        n = merge_size(n, ids)
    except ShapeError:
        raise ShapeError(f"{n} indices, but {ids} segment_ids") from None
    if len(call_.shapes) < 4:
        return n, sorted_count(call_.value(2))
    require_rank(call_.shapes[3], 0, "num_segments")
    given = call_.value(3)
    if given is not None and given < 0:
        raise ShapeError(f"num_segments must not be negative: {given}")
    return n, None if given is None else int(given)


def _infer(call_: Call) -> list[Dims]:
    data = call_.shapes[0]
    require_rank_at_least(data, 1, "data")
    _, count = _counted(call_)
    return [None if data is None else (count, *data[1:])]


def _sizes(call_: Call) -> Mapping[str, int]:
    data: Any = call_.shapes[0]
    (n,), (count, *_) = call_.shapes[1], call_.out_shapes[0]  # type: ignore[misc]
    return {"n": n, "row": math.prod(data[1:]), "count": count, "table": data[0]}


def _divided(which: str) -> Any:
    def choices(call_: Call) -> Mapping[str, str]:
        dtype = call_.dtypes[0].base_dtype.name
        finish = ""
        if which in _DIVISOR:
            by = _DIVISOR[which].format(T=dtype)
            finish = FINISH.format(divided=f"load(output, k * row + e) / {by}")
        return {
            "check": _CHECK,
            "source": "int64(load(indices, i))",
            "gap": "0",
            "combine": COMBINE["Sum"][0],
            "finish": finish,
        }

    return choices


def _flops(call_: Call) -> int:
    sizes = _sizes(call_)
    return sizes["n"] * sizes["row"]


def _reference(which: str) -> Any:
    def reference(call_: Call, data: Any, indices: Any, ids: Any, count: Any = None) -> Any:
        if len(indices) != len(ids):
            raise invalid(f"{len(indices)} indices, but {len(ids)} segment_ids")
        check_sorted_ids(ids)
        check_indices(indices, len(data))
        size = int(ids[-1]) + 1 if ids.size else 0
        if count is not None:
            given = only_one(count, "num_segments")
            if given < 0:
                raise invalid(f"num_segments must not be negative: {given}")
            if size > given:
                raise invalid(f"segment id {size - 1} is not below num_segments, {given}")
            size = given
        result, sizes = sorted_reduce(np.add, data[indices], ids, size, 0)
        by = np.maximum(sizes, 1).reshape(-1, *(1,) * (data.ndim - 1))
        if which == "Mean":
            result = result / by
        elif which == "SqrtN":
            result = result / np.sqrt(by)
        return result.astype(data.dtype)

    return reference


def _rows(x: Tensor) -> Tensor:
    return call.GatherV2(shape_of(x), 0, 0)


def _grad(which: str) -> Any:
    def grad(op: Any, dy: Any) -> tuple[Any, ...]:
        rest = (None,) * (len(op.inputs) - 1)
        rows = _rows(op.data)
        if which == "Sum":
            chosen = call.GatherV2(dy, op.segment_ids, 0)
            return (call.UnsortedSegmentSum(chosen, op.indices, rows), *rest)
        back = call.SparseSegmentMeanGrad if which == "Mean" else call.SparseSegmentSqrtNGrad
        return (back(dy, op.indices, op.segment_ids, rows), *rest)

    return grad


_WHAT = {"Sum": "sum", "Mean": "mean", "SqrtN": "sum, divided by the root of the number,"}

_SAMPLES: tuple[tuple[Any, ...], ...] = (
    (f32(4, 3), i32([3, 0, 3]), i32([0, 0, 2])),
    (f32(5), i32([1, 2, 2, 4]), i32([1, 1, 1, 3])),
    (f32(2, 2, 2), np.array([1], np.int64), i32([0])),
    (f32(2, 3), i32([]), i32([])),
)

for _which, _word in _WHAT.items():
    _attrs: dict[str, Any] = {
        "T": dtypes_of(REAL if _which == "Sum" else FLOAT),
        "Tidx": dtypes_of(INDEX, int32),
        "Tsegmentids": dtypes_of(INDEX, int32),
    }
    _bad = (
        (ValueError, "2 indices, but 3 segment_ids", f32(2), i32([0, 1]), i32([0, 1, 1])),
        (ValueError, "indices must be a vector", f32(2), i32([[0]]), i32([0])),
    )
    _bad_run = (
        (Exception, r"indices\[1\] = 2 is not in \[0, 2\)", f32(2), i32([0, 2]), i32([0, 1])),
        (Exception, "is smaller than the one before it", f32(2), i32([0, 1]), i32([1, 0])),
        (Exception, "is negative", f32(2), i32([0, 1]), i32([-1, 0])),
    )
    define(
        f"SparseSegment{_which}",
        "data: T, indices: Tidx, segment_ids: Tsegmentids -> output: T",
        **_attrs,
        infer=_infer,
        kernel=Procedure(SORTED, sizes=_sizes, choices=_divided(_which), flops=_flops),
        grad=_grad(_which),
        reference=_reference(_which),
        samples=[sample(*given, const=(2,)) for given in _SAMPLES] + [sample(*_SAMPLES[0])],
        errors=[
            *(error_sample(*given) for given in _bad),
            *(error_sample(*given, stage="run", const=(2,)) for given in _bad_run),
        ],
        doc=f"Row i is the {_word} of the rows data[indices[j]] of segment i; ids are sorted.",
    )
    define(
        f"SparseSegment{_which}WithNumSegments",
        "data: T, indices: Tidx, segment_ids: Tsegmentids, num_segments: Tnumsegments -> output: T",
        **_attrs,
        Tnumsegments=dtypes_of(INDEX, int32),
        infer=_infer,
        kernel=Procedure(SORTED, sizes=_sizes, known=(3,), choices=_divided(_which), flops=_flops),
        grad=_grad(_which),
        reference=_reference(_which),
        samples=[
            *(sample(*given, i32(4), const=(3,)) for given in _SAMPLES),
            sample(*_SAMPLES[0], i32(3)),
        ],
        errors=[
            *(error_sample(*given, i32(4)) for given in _bad),
            *(error_sample(*given, i32(4), stage="run", const=(3,)) for given in _bad_run),
            error_sample(Exception, "segment id 3 is not below num_segments, 3",
                         f32(2), i32([0]), i32([3]), i32(3), stage="run", const=(3,)),
            error_sample(ValueError, "num_segments must not be negative",
                         f32(2), i32([0]), i32([0]), i32(-1), const=(3,)),
        ],
        doc=f"Row i < num_segments is the {_word} of the rows data[indices[j]] of segment i.",
    )  # fmt: skip


# ------------------------------------------------------------------------------- gradients of means

_BACK = """
for i in range(n):
    k = int64(load(segment_ids, i))
    at = int64(load(indices, i))
    if k < 0 or k >= rows or at < 0 or at >= count:
        return 2
for k in range(rows):
    store(sizes, k, {T}(0))
for i in range(n):
    k = int64(load(segment_ids, i))
    store(sizes, k, load(sizes, k) + {T}(1))
for e in independent(count * row):
    store(output, e, {T}(0))
for i in range(n):
    k = int64(load(segment_ids, i))
    at = int64(load(indices, i))
    size = load(sizes, k)
    for e in independent(row):
        share = load(grad, k * row + e) / {by}
        store(output, at * row + e, load(output, at * row + e) + share)
return 0
"""


def _back_infer(call_: Call) -> list[Dims]:
    grad = call_.shapes[0]
    require_rank_at_least(grad, 1, "grad")
    require_rank(call_.shapes[3], 0, "output_dim0")
    (n,), (ids,) = (require_rank(call_.shapes[i], 1, w) for i, w in ((1, "indices"), (2, "ids")))
    merge_size(n, ids)
    count = call_.value(3)
    if count is not None and count < 0:
        raise ShapeError(f"output_dim0 must not be negative: {count}")
    return [None if grad is None else (None if count is None else int(count), *grad[1:])]


def _back_sizes(call_: Call) -> Mapping[str, int]:
    grad: Any = call_.shapes[0]
    (n,), (count, *_) = call_.shapes[1], call_.out_shapes[0]  # type: ignore[misc]
    return {"n": n, "row": math.prod(grad[1:]), "rows": grad[0], "count": count}


def _back_reference(which: str) -> Any:
    def reference(call_: Call, grad: Any, indices: Any, ids: Any, count: Any) -> Any:
        size = only_one(count, "output_dim0")
        if size < 0:
            raise invalid(f"output_dim0 must not be negative: {size}")
        check_indices(ids, len(grad))
        check_indices(indices, size)
        sizes = np.maximum(np.bincount(ids, minlength=len(grad)), 1).astype(np.float64)
        by = sizes if which == "Mean" else np.sqrt(sizes)
        shares = grad.astype(np.float64) / by.reshape(-1, *(1,) * (grad.ndim - 1))
        result = np.zeros((size, *grad.shape[1:]))
        np.add.at(result, indices, shares[ids])
        return result.astype(grad.dtype)

    return reference


def _back_grad(which: str) -> Any:
    def grad(op: Any, dz: Any) -> tuple[Any, ...]:
        forward = apply_op(
            f"SparseSegment{which}WithNumSegments", dz, op.indices, op.segment_ids, _rows(op.grad)
        )
        return forward, None, None, None

    return grad


for _which in ("Mean", "SqrtN"):
    define(
        f"SparseSegment{_which}Grad",
        "grad: T, indices: Tidx, segment_ids: Tsegmentids, output_dim0: int32 -> output: T",
        T=dtypes_of(FLOAT),
        Tidx=dtypes_of(INDEX, int32),
        Tsegmentids=dtypes_of(INDEX, int32),
        infer=_back_infer,
        kernel=Procedure(
            _BACK.replace("{by}", "size" if _which == "Mean" else "sqrt(size)"),
            sizes=_back_sizes,
            known=(3,),
            scratch=lambda call_: {"sizes": (call_.dtypes[0].base_dtype.name, call_.shapes[0][0])},  # type: ignore[index,dict-item]
        ),
        grad=_back_grad(_which),
        reference=_back_reference(_which),
        samples=(
            sample(f32(3, 2), i32([3, 0, 3]), i32([0, 0, 2]), i32(4), const=(3,)),
            sample(f32(2), np.array([1, 1], np.int64), i32([1, 1]), i32(2), const=(3,)),
            sample(f32(0, 2), i32([]), i32([]), i32(4), const=(3,)),
            sample(f32(3, 2), i32([3, 0, 3]), i32([0, 0, 2]), i32(4)),
        ),
        errors=(
            error_sample(ValueError, "output_dim0 must not be negative",
                         f32(2), i32([0]), i32([0]), i32(-1), const=(3,)),
            error_sample(Exception, r"indices\[0\] = 4 is not in \[0, 4\)",
                         f32(2), i32([4]), i32([0]), i32(4), stage="run", const=(3,)),
        ),
        doc=f"The gradient of SparseSegment{_which}: row indices[j] gets its share of the gradient "
        "of segment_ids[j].",
    )  # fmt: skip


# --------------------------------------------------------------------------------- public functions


def _function(which: str, word: str, *names: str, result: str) -> Any:
    def function(
        data: Any,
        indices: Any,
        segment_ids: Any,
        name: str | None = None,
        num_segments: Any = None,
    ) -> Tensor:
        if num_segments is None:
            return apply_op(f"SparseSegment{which}", data, indices, segment_ids, name=name)
        return apply_op(
            f"SparseSegment{which}WithNumSegments",
            data, indices, segment_ids, num_segments, name=name,
        )  # fmt: skip

    function.__name__ = function.__qualname__ = names[0]
    function.__doc__ = f"""The {word} of chosen rows of each segment; ids are sorted.

    y[i] = {word} of data[indices[j]] over segment_ids[j] == i

    Args:
        data: a tensor of numbers with at least one axis.
        indices: an int32 or int64 vector: which row stands at place j.
        segment_ids: an int32 or int64 vector of the same length, which never decreases.
        name: of the operation; ``SparseSegment{which}`` by default, with ``WithNumSegments``
            behind it where ``num_segments`` is given.
        num_segments: rows of the result; one more than the last id by default.

    Returns:
        A tensor with one row for each segment; 0 where it has no rows.

    Raises:
        ValueError: indices and ids are no vectors of one length.
        InvalidArgumentError: an index is out of range, an id not below ``num_segments``, negative
            or smaller than the one before it (when run).

    Gradient: its segment's share of dy added to every chosen row.

    >>> print(tf.Session().run(tf.{names[0]}([1.0, 2.0, 3.0], [2, 1, 0], [0, 0, 2])).round(3))
    {result}
    """
    return export(*names)(function)


sparse_segment_sum = _function(
    "Sum", _WHAT["Sum"], "sparse_segment_sum", "sparse.segment_sum", result="[5. 0. 1.]"
)
sparse_segment_mean = _function(
    "Mean", _WHAT["Mean"], "sparse_segment_mean", "sparse.segment_mean", result="[2.5 0.  1. ]"
)
sparse_segment_sqrt_n = _function(
    "SqrtN", _WHAT["SqrtN"], "sparse_segment_sqrt_n", "sparse.segment_sqrt_n",
    result="[3.536 0.    1.   ]",
)  # fmt: skip
