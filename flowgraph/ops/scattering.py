"""Rows added up where index tensors say: scatter_nd.

Its gradient is a gather; as a dense tensor, the gradient of a gather is one of these.

Read next: gathering.py, segments.py, state.py (scatter into variables).
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
from flowgraph.ops.indices import check_nd, index_depth
from flowgraph.ops.rules import (
    f32,
    i32,
    require_rank,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible


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
