"""Axes in another order: transpose, invert_permutation.

Transpose is a view: it permutes strides and moves nothing.

Read next: reshaping.py, linalg.py (matrix products read transposed operands in place).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Procedure,
    View,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import f32, i32, invalid, require_rank
from flowgraph.shapes import Dims, ShapeError, format_dims, normalize_axis


def _transpose_infer(call_: Call) -> list[Dims]:
    dims, (count,) = call_.shapes[0], require_rank(call_.shapes[1], 1, "perm")
    if dims is not None and count is not None and len(dims) != count:
        raise ShapeError(f"perm has {count} axes for a tensor of shape {format_dims(dims)}")
    perm = call_.value(1)
    if perm is None or dims is None:
        rank = count if dims is None else len(dims)
        return [None if rank is None else (None,) * rank]
    return [tuple(dims[normalize_axis(int(axis), len(dims))] for axis in perm)]


def _transpose_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    perm = call_.value(1)
    if perm is None:
        return None
    axes = _permutation(perm, len(shape))
    return 0, tuple(shape[a] for a in axes), tuple(strides[a] for a in axes)


def _permutation(perm: np.ndarray[Any, Any], rank: int) -> list[int]:
    axes = [int(a) + rank if a < 0 else int(a) for a in perm]
    if sorted(axes) != list(range(rank)):
        raise invalid(f"{perm.tolist()} is not a permutation of the {rank} axes")
    return axes


def _transpose_grad(op: Any, dy: Any) -> tuple[Any, Any]:
    perm = constant_value(op.perm)
    if perm is None:
        return call.Transpose(dy, call.InvertPermutation(op.perm)), None
    return call.Transpose(dy, np.argsort(perm % max(perm.size, 1)).astype(np.int32)), None


define(
    "Transpose",
    "x: T, perm: Tperm -> y: T",
    T=dtypes_of(ALL),
    Tperm=dtypes_of(INDEX, int32),
    infer=_transpose_infer,
    kernel=View(_transpose_layout),
    grad=_transpose_grad,
    reference=lambda call_, x, perm: np.transpose(x, _permutation(perm, x.ndim)),
    samples=(
        sample(f32(2, 3, 4), i32([2, 0, 1]), const=(1,)),
        sample(f32(3, 5), i32([1, 0]), const=(1,)),
        sample(f32(), i32([]), const=(1,)),
        sample(f32(0, 3), i32([1, 0]), const=(1,)),
        sample(f32(2, 3), i32([1, 0])),
    ),
    errors=(
        error_sample(
            ValueError, r"perm has 3 axes .* \[2, 3\]", f32(2, 3), i32([0, 1, 2]), const=(1,)
        ),
        error_sample(
            Exception, "not a permutation", f32(2, 3), i32([0, 0]), const=(1,), stage="run"
        ),
    ),
    doc="``x`` with axis i of the result taken from axis perm[i].",
)


@export("transpose")
def transpose(
    a: Any, perm: Any = None, name: str | None = "transpose", conjugate: bool = False
) -> Tensor:
    """``a`` with its axes in another order.

    y[i0, i1, ...] = a[j0, j1, ...]  with  j[perm[k]] = i[k]

    Args:
        a: a tensor.
        perm: axis k of the result is axis ``perm[k]`` of ``a``; reversed order by default.
        name: of the operation.
        conjugate: accepted as TensorFlow does; real numbers are their own conjugates.

    Raises:
        ValueError: ``perm`` has another length than ``a`` has axes.
        InvalidArgumentError: ``perm`` is no permutation (when run).

    Gradient: dy with the inverse permutation.
    Cost: none; at most a copy.

    >>> tf.Session().run(tf.transpose([[1, 2, 3], [4, 5, 6]]))
    array([[1, 4],
           [2, 5],
           [3, 6]], dtype=int32)
    """
    with name_scope(name, "transpose", [a]) as scope:
        if perm is None:
            a = convert_to_tensor(a, name="a")
            if a.dims is None:
                rank = call.Rank(a)
                perm = (rank - 1) - call.Range(0, rank, 1)
            else:
                perm = np.arange(len(a.dims) - 1, -1, -1, dtype=np.int32)
        return apply_op("Transpose", a, perm, name=scope)


define(
    "InvertPermutation",
    "x: T -> y: T",
    T=dtypes_of(INDEX, int32),
    infer=lambda call_: [require_rank(call_.shapes[0], 1, "x")],
    kernel=Procedure(
        """
for i in range(n):
    at = int64(load(x, i))
    if (at < 0) | (at >= n):
        return 3
    if load(y, at) >= {T}(0):
        return 3
    store(y, at, {T}(i))
return 0
""",
        sizes=lambda call_: {"n": call_.shapes[0][0]},  # type: ignore[dict-item,index]
        fill={0: -1},
    ),
    grad=not_differentiable("its elements are indices"),
    reference=lambda call_, x: np.argsort(_permutation(x, x.size)).astype(x.dtype),
    samples=(sample(i32([2, 0, 1, 3])), sample(i32([]))),
    errors=(
        error_sample(Exception, "not a permutation", i32([0, 0, 1]), stage="run"),
        error_sample(ValueError, "x must be a vector", i32([[0]])),
    ),
    doc="The inverse of a permutation: y[x[i]] = i.",
)


@export("invert_permutation", "math.invert_permutation")
def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """The inverse of a permutation: ``y[x[i]] = i``.

    Args:
        x: an integer vector that holds 0 .. n-1, each once.
        name: of the operation; ``InvertPermutation`` by default.

    Raises:
        InvalidArgumentError: ``x`` is no permutation (when run).

    >>> tf.Session().run(tf.invert_permutation([2, 0, 1]))
    array([1, 2, 0], dtype=int32)
    """
    return apply_op("InvertPermutation", x, name=name)
