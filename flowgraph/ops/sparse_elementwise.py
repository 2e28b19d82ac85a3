"""Sparse tensors and dense ones combined where the sparse one has values.

The dense tensor broadcasts to the sparse one, never the other way round.  ``sparse * dense`` and
``sparse / dense`` (operators.py) come here.

Read next: sparse_arithmetic.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import NUMERIC, int64
from flowgraph.graph.apply import call
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.rules import concrete, conjugate_of, f32, i32, invalid, shape_of
from flowgraph.ops.sparse_rules import check_sparse, sparse_parts, sparse_sample
from flowgraph.shapes import Dims, ShapeError, format_dims

#: A dense axis of size 1 is broadcast: its stride is 0.
_CWISE = """
for i in range(n):
{check}
for d in range(dense_rank):
    size = int64(slot(block, d))
    if size != 1 and load(sp_shape, rank - dense_rank + d) != size:
        return 3
for i in range(n):
    a = load(sp_values, i)
    b = load(dense, {place})
{zero}
    store(output, i, {combine})
return 0
"""


def _cwise_infer(call_: Call) -> list[Dims]:
    count, rank = sparse_parts(call_, 0, "sp")
    dense, shape = call_.shapes[3], call_.partial(2)
    if dense is not None and rank is not None:
        known = (None,) * rank if shape is None else shape
        behind = known[rank - len(dense) :] if len(dense) <= rank else None
        if behind is None or any(
            None not in (size, other) and size not in (1, other)
            for size, other in zip(dense, behind, strict=True)
        ):
            raise ShapeError(
                f"a dense tensor of shape {format_dims(dense)} does not broadcast to the sparse "
                f"one of shape {format_dims(known)}"
            )
    return [(count,)]


def _cwise_sizes(call_: Call) -> Mapping[str, int]:
    (count, rank), dense = concrete(call_.shapes[0]), concrete(call_.shapes[3])
    sizes = {f"size{d}": size for d, size in enumerate(dense)}
    for d, size in enumerate(dense):
        sizes[f"stride{d}"] = 0 if size == 1 else math.prod(dense[d + 1 :])
    return sizes | {"n": count, "rank": rank, "dense_rank": len(dense)}


def _cwise_choices(combine: str) -> Any:
    def choices(call_: Call) -> Mapping[str, str]:
        (_, rank), dense = concrete(call_.shapes[0]), concrete(call_.shapes[3])
        check = ["    pass"] if not rank else []
        for d in range(rank):
            check += [
                f"    k{d} = load(sp_indices, i * {rank} + {d})",
                f"    if k{d} < 0 or k{d} >= load(sp_shape, {d}):",
                "        return 2",
            ]
        added = rank - len(dense)
        terms = [
            f"load(sp_indices, i * {rank} + {added + d}) * stride{d}" for d in range(len(dense))
        ]
        dtype = call_.dtypes[1].base_dtype
        whole = dtype.is_integer
        divides = combine == "a / b"
        return {
            "check": "\n".join(check),
            "place": " + ".join(terms) or "int64(0)",
            "zero": f"    if b == {dtype.name}(0):\n        return 1" if whole and divides else "",
            "combine": "truncdiv(a, b)" if whole and divides else combine,
        }

    return choices


def _cwise_reference(which: str) -> Any:
    def reference(call_: Call, indices: Any, values: Any, shape: Any, dense: Any) -> Any:
        check_sparse(indices, values, shape)
        try:
            other = np.broadcast_to(dense, tuple(shape.tolist()))[tuple(indices.T)]
        except ValueError:
            raise invalid(
                f"a dense tensor of shape {list(dense.shape)} does not broadcast to the sparse one "
                f"of shape {shape.tolist()}"
            ) from None
        other = other.reshape(-1)
        if which == "Add":
            return values + other
        if which == "Mul":
            return values * other
        if values.dtype.kind in "iu":
            if not other.all():
                raise invalid("integer division by zero")
            return np.trunc(values / other.astype(np.float64)).astype(values.dtype)
        return values / other

    return reference


def _cwise_places(op: Any) -> Any:
    """Where in the dense tensor each value's partner stands."""
    indices, dense = op.sp_indices, op.dense
    sizes = call.Shape(dense, out_type=int64)
    axes = call.Size(sizes)
    every = call.GatherV2(shape_of(op.sp_shape), 0, 0)
    behind = call.Slice(indices, call.Pack([0, every - axes]), [-1, -1])
    stretched = call.Cast(call.NotEqual(sizes, np.array(1, np.int64)), DstT=int64)
    return behind * stretched


def _cwise_grad(which: str) -> Any:
    def grad(op: Any, dy: Any) -> tuple[Any, ...]:
        places = _cwise_places(op)
        other = call.GatherNd(op.dense, places)
        other.set_shape(op.sp_values.shape)
        if which == "Add":
            by_sparse, by_dense = dy, dy
        elif which == "Mul":
            by_sparse, by_dense = dy * conjugate_of(other), dy * conjugate_of(op.sp_values)
        else:
            by_sparse = dy / conjugate_of(other)
            by_dense = call.Neg(dy * conjugate_of(op.output)) / conjugate_of(other)
        back = call.ScatterNd(places, by_dense, call.Shape(op.dense, out_type=int64))
        back.set_shape(op.dense.shape)
        return None, by_sparse, None, back

    return grad


_MATRIX = sparse_sample(np.where(f32(3, 4) > 0, f32(3, 4), np.float32(0)))
_WHOLE = sparse_sample(i32([[1, 0], [0, 2]]))
_BESIDE = f32(3, 4, low=0.5, high=2.0, seed=3)

for _which, _combine, _word in (
    ("Add", "a + b", "plus"), ("Mul", "a * b", "times"), ("Div", "a / b", "divided by")
):  # fmt: skip
    define(
        f"SparseDenseCwise{_which}",
        "sp_indices: int64, sp_values: T, sp_shape: int64, dense: T -> output: T",
        T=dtypes_of(NUMERIC),
        infer=_cwise_infer,
        kernel=Procedure(
            _CWISE, sizes=_cwise_sizes, choices=_cwise_choices(_combine), whole=True
        ),
        grad=_cwise_grad(_which),
        reference=_cwise_reference(_which),
        samples=(
            sample(*_MATRIX, _BESIDE),
            sample(*_MATRIX, _BESIDE[0], const=(2,)),
            sample(*_MATRIX, _BESIDE[:, :1]),
            sample(*_MATRIX, _BESIDE[0, 0]),
            sample(*_WHOLE, i32([[3, -2], [2, 7]])),
            sample(np.zeros((0, 2), np.int64), f32(0), np.array([3, 4]), _BESIDE),
        ),
        errors=(
            error_sample(ValueError, "does not broadcast to the sparse one", *_MATRIX, f32(3, 5),
                         const=(2,)),
            error_sample(ValueError, "does not broadcast to the sparse one", *_MATRIX,
                         f32(1, 3, 4)),
            error_sample(Exception, "does not broadcast|invalid argument", *_MATRIX, f32(3, 5),
                         stage="run"),
            error_sample(Exception, "is outside shape|out of range", np.array([[5, 0]]), f32(1),
                         np.array([2, 4]), f32(2, 4), stage="run"),
        ),
        doc=f"The values of a sparse tensor {_word} those of a dense one at their places.",
    )  # fmt: skip
