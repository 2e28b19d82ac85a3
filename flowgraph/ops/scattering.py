"""Rows put where index tuples say: scatter_nd, tensor_scatter_update, _add, _sub, _min, _max.

Their gradients are gathers; as a dense tensor, the gradient of a gather_nd is a scatter_nd.

Read next: variable_scattering.py (the same in variables), gathering.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, NUMERIC, REAL, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.indices import (
    SCATTER_TUPLES,
    index_depth,
    moved_or_whole,
    scatter_choices,
    scatter_tuples,
    tuple_sizes,
    tuple_updates_shape,
)
from flowgraph.ops.rules import f32, i32, invalid, require_rank
from flowgraph.shapes import Dims, ShapeError


def _scatter_nd_infer(call_: Call) -> list[Dims]:
    (count,) = require_rank(call_.shapes[2], 1, "shape")
    depth, target = index_depth(call_.shapes[0]), call_.partial(2)
    if depth is not None and count is not None and depth > count:
        raise ShapeError(f"indices of {depth} numbers are too long for a shape of {count} axes")
    given = call_.value(2)
    if given is not None and (given < 0).any():
        raise ShapeError(f"shape {given.tolist()} has a negative size")
    tuple_updates_shape(call_.shapes[0], call_.shapes[1], target)
    return [target]


def _scatter_nd_reference(call_: Call, indices: Any, updates: Any, shape: Any) -> Any:
    if (shape < 0).any():
        raise invalid(f"shape {shape.tolist()} has a negative size")
    empty = b"" if updates.dtype.hasobject else 0
    table = np.full(tuple(shape.tolist()), empty, updates.dtype)
    return scatter_tuples("Add", table, indices, updates)


define(
    "ScatterNd",
    "indices: Tindices, updates: T, shape: Tindices -> output: T",
    T=dtypes_of(ALL),
    Tindices=dtypes_of(INDEX, int32),
    infer=_scatter_nd_infer,
    kernel=Procedure(
        SCATTER_TUPLES,
        sizes=lambda call_: tuple_sizes(call_.shapes[0], call_.out_shapes[0]),
        known=(2,),
        fill={0: 0},
        whole=True,
        choices=lambda call_: scatter_choices("Add", "output", call_, 0),
    ),
    grad=lambda op, dy: (None, call.GatherNd(dy, op.indices), None),
    reference=_scatter_nd_reference,
    samples=(
        sample(i32([[0, 1], [3, 2], [0, 1]]), f32(3), i32([4, 3]), const=(2,)),
        sample(i32([[2], [0]]), f32(2, 3), i32([4, 3]), const=(2,)),
        sample(np.zeros((0, 1), np.int32), f32(0), i32([3]), const=(2,)),
        sample(np.zeros((2, 0), np.int32), f32(2, 3), i32([3]), const=(2,)),
        sample(np.array([[[1], [1]]]), f32(1, 2, 2), np.array([2, 2])),
        sample(i32([[0], [2], [2]]), np.array([True, False, True]), i32([3]), const=(2,)),
        sample(i32([[0], [2]]), np.array([b"a", b"b"], object), i32([4]), const=(2,)),
    ),
    errors=(
        error_sample(ValueError, r"must be \[2, 3\]",
                     i32([[2], [0]]), f32(2, 2), i32([4, 3]), const=(2,)),
        error_sample(ValueError, "too long for a shape of 1 axes",
                     i32([[2, 0]]), f32(1), i32([4]), const=(2,)),
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


# ------------------------------------------------------------------------------ into a given tensor


def _tensor_scatter_infer(call_: Call) -> list[Dims]:
    tensor, indices, updates = call_.shapes
    tuple_updates_shape(indices, updates, tensor)
    return [tensor]


def _replaced_grad(op: Any, dy: Any) -> tuple[Any, None, Any]:
    """What was overwritten counts no more."""
    updates = call.GatherNd(dy, op.indices)
    return call.TensorScatterUpdate(dy, op.indices, call.ZerosLike(updates)), None, updates


def _added_grad(op: Any, dy: Any) -> tuple[Any, None, Any]:
    return dy, None, call.GatherNd(dy, op.indices)


def _subtracted_grad(op: Any, dy: Any) -> tuple[Any, None, Any]:
    return dy, None, call.Neg(call.GatherNd(dy, op.indices))


def _extreme_grad(op: Any, dy: Any) -> tuple[Any, None, Any]:
    """dy shared equally by all that are as great (or small) as what came out."""
    dtype = dy.dtype.base_dtype
    kept = call.Cast(call.Equal(op.tensor, op.output), DstT=dtype)
    chosen = call.Cast(call.Equal(op.updates, call.GatherNd(op.output, op.indices)), DstT=dtype)
    ties = call.TensorScatterAdd(kept, op.indices, chosen)
    share = call.DivNoNan(dy, ties)
    return share * kept, None, call.GatherNd(share, op.indices) * chosen


def _into(type: str, which: str, first: str, grad: Any, doc: str, dtypes: Any = NUMERIC) -> None:
    # NB: of two updates for one place only the last counts; finite differences find that too,
    # the gradient gives dy to both, as TensorFlow's does.
    twice = i32([[0], [2], [0]] if which != "Update" else [[0], [2], [1]])
    define(
        type,
        f"{first}: T, indices: Tindices, updates: T -> output: T",
        T=dtypes_of(dtypes),
        Tindices=dtypes_of(INDEX, int32),
        infer=_tensor_scatter_infer,
        kernel=Procedure(
            SCATTER_TUPLES,
            sizes=lambda call_: tuple_sizes(call_.shapes[1], call_.shapes[0]),
            updates={0: 0},
            choices=lambda call_: scatter_choices(which, "output", call_, 1),
            **moved_or_whole(which),
        ),
        grad=grad,
        reference=lambda call_, tensor, indices, updates: scatter_tuples(
            which, tensor, indices, updates
        ),
        samples=(
            sample(f32(4), twice, f32(3, seed=1)),
            sample(f32(4, 3), np.array([[2], [0]]), f32(2, 3, seed=1)),
            sample(f32(2, 3, 2), i32([[1, 2], [0, 0]]), f32(2, 2, seed=1)),
            sample(f32(3), np.zeros((0, 1), np.int32), f32(0)),
            sample(f32(0, 2), np.zeros((0, 1), np.int32), f32(0, 2)),
            sample(i32([1, 2, 3, 4]), i32([[1], [3], [1]]), i32([9, 10, 11])),
        ),
        errors=(
            error_sample(ValueError, r"must be \[2\]", f32(4), i32([[1], [3]]), f32(3)),
            error_sample(ValueError, "too long for shape", f32(4), i32([[1, 3]]), f32(1)),
            error_sample(Exception, r"indices\[1\] = \[4\] does not index shape \[4\]",
                         f32(4), i32([[1], [4]]), f32(2), stage="run"),
        ),
        doc=doc,
    )  # fmt: skip


_into("TensorScatterUpdate", "Update", "tensor", _replaced_grad,
      "A copy of ``tensor`` with ``updates`` in place of what ``indices`` name.", ALL)  # fmt: skip
_into("TensorScatterAdd", "Add", "tensor", _added_grad,
      "A copy of ``tensor`` with ``updates`` added to what ``indices`` name.")  # fmt: skip
_into("TensorScatterSub", "Sub", "tensor", _subtracted_grad,
      "A copy of ``tensor`` with ``updates`` subtracted from what ``indices`` name.")  # fmt: skip
_into("TensorScatterMin", "Min", "tensor", _extreme_grad,
      "A copy of ``tensor`` with the lesser of ``updates`` and what ``indices`` name.",
      REAL)  # fmt: skip
_into("TensorScatterMax", "Max", "tensor", _extreme_grad,
      "A copy of ``tensor`` with the greater of ``updates`` and what ``indices`` name.",
      REAL)  # fmt: skip
_into("ScatterNdNonAliasingAdd", "Add", "input", _added_grad,
      "A copy of ``input`` with ``updates`` added to what ``indices`` name.")  # fmt: skip


def _into_function(
    which: str, effect: str, gradient: str, result: str, twice: str, *names: str
) -> Any:
    type = f"TensorScatter{which}"

    def function(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        return apply_op(type, tensor, indices, updates, name=name)

    function.__name__ = function.__qualname__ = names[0]
    function.__doc__ = f"""A copy of ``tensor`` with ``updates`` {effect} what ``indices`` name.

    Args:
        tensor: a tensor.
        indices: int32 or int64; the last axis holds the numbers of one place.
        updates: of the dtype of ``tensor`` and shape
            indices.shape[:-1] + tensor.shape[indices.shape[-1]:].
        name: of the operation; ``{type}`` by default.

    Returns:
        A tensor of the shape of ``tensor``; {twice}.

    Raises:
        ValueError: the updates do not fit.
        InvalidArgumentError: an index is out of range (when run).

    Gradient: {gradient}.

    >>> print(tf.Session().run(tf.{names[0]}([1, 2, 3, 4], [[1], [3]], [9, 10])))
    {result}
    """
    return export(*names)(function)


tensor_scatter_update = _into_function(
    "Update", "in place of", "dy where it was not overwritten; to the updates, dy of their places",
    "[ 1  9  3 10]", "of updates for one place the last one counts", "tensor_scatter_update",
    "tensor_scatter_nd_update",
)  # fmt: skip
tensor_scatter_add = _into_function(
    "Add", "added to", "dy; to the updates, dy of their places", "[ 1 11  3 14]",
    "updates for one place add up", "tensor_scatter_add", "tensor_scatter_nd_add",
)  # fmt: skip
tensor_scatter_sub = _into_function(
    "Sub", "subtracted from", "dy; to the updates, -dy of their places", "[ 1 -7  3 -6]",
    "updates for one place add up", "tensor_scatter_sub", "tensor_scatter_nd_sub",
)  # fmt: skip
tensor_scatter_nd_min = _into_function(
    "Min", "(where they are less) in place of", "dy, shared equally by the elements and updates "
    "that are equal to the result", "[1 2 3 4]", "the least of all remains",
    "tensor_scatter_nd_min",
)  # fmt: skip
tensor_scatter_nd_max = _into_function(
    "Max", "(where they are greater) in place of", "dy, shared equally by the elements and updates "
    "that are equal to the result", "[ 1  9  3 10]", "the greatest of all remains",
    "tensor_scatter_nd_max",
)  # fmt: skip
