"""Rows added up where index tensors say: scatter_nd, unsorted_segment_sum.

The gradient of each is a gather; as a dense tensor, the gradient of a gather is one of these.

Read next: gathering.py, state.py (scatter into variables).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, REAL, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Custom,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.ops.indices import check_indices, check_nd, index_depth
from flowgraph.ops.rules import (
    f32,
    i32,
    only_one,
    require_rank,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible, merge


def _scatter_nd_infer(call_: Call) -> list[Dims]:
    indices, updates, _ = call_.shapes
    (count,) = require_rank(call_.shapes[2], 1, "shape")
    depth, target = index_depth(indices), call_.partial(2)
    if depth is not None and count is not None and depth > count:
        raise ShapeError(f"indices of {depth} numbers are too long for a shape of {count} axes")
    if indices is not None and depth is not None and target is not None:
        merged = indices[:-1] + target[depth:]
        if not is_compatible(updates, merged):
            raise ShapeError(
                f"updates of shape {format_dims(updates)} do not fit: they must be "
                f"{format_dims(merged)}"
            )
    return [target]


def _scatter_nd_reference(call_: Call, indices: Any, updates: Any, shape: Any) -> Any:
    result = np.zeros(tuple(shape.tolist()), updates.dtype)
    check_nd(indices, result.shape)
    np.add.at(result, tuple(np.moveaxis(indices, -1, 0)), updates)
    return result


define(
    "ScatterNd",
    "indices: Tindices, updates: T, shape: Tindices -> output: T",
    T=dtypes_of(REAL),
    Tindices=dtypes_of(INDEX, int32),
    infer=_scatter_nd_infer,
    kernel=Custom("scatter_nd"),
    grad=lambda op, dy: (None, call.GatherNd(dy, op.indices), None),
    reference=_scatter_nd_reference,
    samples=(
        sample(i32([[0, 1], [3, 2], [0, 1]]), f32(3), i32([4, 3]), const=(2,)),
        sample(i32([[2], [0]]), f32(2, 3), i32([4, 3]), const=(2,)),
        sample(np.zeros((0, 1), np.int32), f32(0), i32([3]), const=(2,)),
    ),
    errors=(
        error_sample(ValueError, r"must be \[2, 3\]",
                     i32([[2], [0]]), f32(2, 2), i32([4, 3]), const=(2,)),
        error_sample(Exception, "does not index shape",
                     i32([[4]]), f32(1), i32([4]), const=(2,), stage="run"),
    ),
    doc="Zeros of ``shape`` to which ``updates`` are added at ``indices``.",
)  # fmt: skip


@export("scatter_nd", "manip.scatter_nd")
def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Tensor:
    """Zeros of ``shape`` to which ``updates`` are added at ``indices``.

    Args:
        indices: int32 or int64; the last axis holds the numbers of one place.
        updates: of shape indices.shape[:-1] + shape[indices.shape[-1]:].
        shape: of the result, in the dtype of ``indices``.
        name: of the operation; ``ScatterNd`` by default.

    Raises:
        ValueError: the updates do not fit.
        InvalidArgumentError: an index is out of range (when run).

    Gradient: gather_nd of dy.

    >>> tf.Session().run(tf.scatter_nd([[1], [3], [1]], [5, 6, 7], [4]))
    array([ 0, 12,  0,  6], dtype=int32)
    """
    return apply_op("ScatterNd", indices, updates, shape, name=name)


def _segment_infer(call_: Call) -> list[Dims]:
    data, ids = call_.shapes[:2]
    count = call_.value(2)
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


def _segment_reference(call_: Call, data: Any, ids: Any, count: Any) -> Any:
    size, flat = only_one(count, "num_segments"), ids.reshape(-1)
    kept = flat >= 0  # rows with a negative id are dropped
    if (flat >= size).any():
        check_indices(np.where(ids < 0, 0, ids), size)
    rows = data.reshape(flat.size, *data.shape[ids.ndim :])
    result = np.zeros((size, *rows.shape[1:]), data.dtype)
    np.add.at(result, flat[kept], rows[kept])
    return result


def _segment_grad(op: Any, dy: Any) -> tuple[Any, None, None]:
    # Rows whose id is negative were dropped: their gradient is 0.
    ids = op.segment_ids
    zeros = call.ZerosLike(ids)
    rows = call.GatherV2(dy, call.Maximum(ids, zeros), 0)
    kept = call.GreaterEqual(ids, zeros)
    if ids.dims is None or rows.dims is None:
        raise NotImplementedError("the gradient of unsorted_segment_sum needs known ranks")
    for _ in range(len(rows.dims) - len(ids.dims)):
        kept = call.ExpandDims(kept, -1)
    return rows * call.Cast(kept, DstT=rows.dtype.base_dtype), None, None


define(
    "UnsortedSegmentSum",
    "data: T, segment_ids: Tindices, num_segments: Tnumsegments -> output: T",
    T=dtypes_of(REAL),
    Tindices=dtypes_of(INDEX, int32),
    Tnumsegments=dtypes_of(INDEX, int32),
    infer=_segment_infer,
    kernel=Custom("unsorted_segment_sum"),
    grad=_segment_grad,
    reference=_segment_reference,
    samples=(
        sample(f32(4, 3), i32([2, 0, 2, -1]), i32(4), const=(2,)),
        sample(f32(2, 2), i32([[1, 0], [1, 1]]), i32(2), const=(2,)),
        sample(f32(0, 3), i32([]), i32(2), const=(2,)),
    ),
    errors=(
        error_sample(
            ValueError, "do not fit the first axes", f32(4, 3), i32([0]), i32(2), const=(2,)
        ),
        error_sample(
            Exception,
            r"is not in \[0, 2\)|index out of range",
            f32(2),
            i32([0, 2]),
            i32(2),
            const=(2,),
            stage="run",
        ),
    ),
    doc="Row i is the sum of the rows of ``data`` whose segment id is i.",
)


@export("unsorted_segment_sum", "math.unsorted_segment_sum")
def unsorted_segment_sum(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """Sums of the rows of ``data`` that have the same segment id.

    y[i] = sum of data[j] over segment_ids[j] == i

    Args:
        data: a real tensor.
        segment_ids: int32 or int64, the shape of data's first axes; rows with negative ids are
            dropped.
        num_segments: number of rows of the result; those without data are 0.
        name: of the operation; ``UnsortedSegmentSum`` by default.

    Raises:
        ValueError: the ids do not fit data's first axes.
        InvalidArgumentError: an id is not below ``num_segments`` (when run).

    Gradient: dy gathered by the ids; 0 for dropped rows.

    >>> tf.Session().run(tf.unsorted_segment_sum([1, 2, 3], [1, 0, 1], 3))
    array([2, 4, 0], dtype=int32)
    """
    return apply_op("UnsortedSegmentSum", data, segment_ids, num_segments, name=name)
