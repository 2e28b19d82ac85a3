"""Sums and maxima of the values of sparse tensors over some axes, dense or sparse.

What is not there adds nothing to a sum, and is no 0 for a maximum.

Read next: sparse_arithmetic.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import NUMERIC, REAL, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import concrete, f32, i32, invalid, one_name, require_rank
from flowgraph.ops.sparse_loops import REDUCTIONS
from flowgraph.ops.sparse_rules import (
    as_sparse,
    check_sparse,
    coordinates,
    flat_places,
    parts,
    places_among,
    reduced_mask,
    sparse_parts,
    sparse_result,
    sparse_sample,
)
from flowgraph.shapes import Dims, ShapeError, normalize_axes

_ONE = sparse_sample(np.where(f32(3, 4) > 0, f32(3, 4), np.float32(0)))
_WHOLE = sparse_sample(i32([[-1, 3], [0, 0]]))
_NONE = np.zeros((0, 2), np.int64), f32(0), np.array([3, 4])

#: Strides of axes that are reduced are 0.
_REDUCE = """
for e in independent(total):
    store(output, e, {T}(0))
{clear}
for i in range(n):
    at = int64(0)
{place}
    {combine}
return 0
"""


def _reduced(axes: Any, rank: int) -> tuple[int, ...]:
    return normalize_axes(np.asarray(axes).reshape(-1).tolist(), rank)


def _kept_shape(shape: Any, axes: Any, keep: bool) -> tuple[Any, ...]:
    chosen = _reduced(axes, len(shape))
    if keep:
        return tuple(1 if d in chosen else size for d, size in enumerate(shape))
    return tuple(size for d, size in enumerate(shape) if d not in chosen)


def _reduce_infer(call_: Call) -> list[Dims]:
    sparse_parts(call_, 0, "input")
    shape, axes = call_.partial(2), call_.value(3)
    if shape is None or axes is None:
        keep = call_.attrs["keep_dims"] and shape is not None
        return [(None,) * len(shape) if keep else None]  # type: ignore[arg-type]
    return [_kept_shape(shape, axes, call_.attrs["keep_dims"])]


def _reduce_sizes(call_: Call) -> Mapping[str, int]:
    shape, chosen = call_.partial(2), call_.value(3)
    assert shape is not None
    kept = _kept_shape(shape, chosen, True)
    reduced = _reduced(chosen, len(shape))
    sizes: dict[str, Any] = {"n": call_.shapes[1][0], "total": math.prod(kept)}  # type: ignore[index]
    for d, size in enumerate(shape):
        sizes[f"size{d}"] = size
        sizes[f"stride{d}"] = 0 if d in reduced else math.prod(kept[d + 1 :])
    return sizes


def _reduce_choices(which: str) -> Any:
    def choices(call_: Call) -> Mapping[str, str]:
        rank = concrete(call_.shapes[0])[1]
        lines = []
        for d in range(rank):
            lines += [
                f"    k{d} = load(input_indices, i * {rank} + {d})",
                f"    if k{d} < 0 or k{d} >= size{d}:",
                "        return 2",
                f"    at += k{d} * stride{d}",
            ]
        value, before = "load(input_values, i)", "load(output, at)"
        if which == "Sum":
            clear, combine = "", f"store(output, at, {before} + {value})"
        else:
            clear = "for e in independent(total):\n    store(seen, e, uint8(0))"
            combine = (
                f"store(output, at, {value} if load(seen, at) == uint8(0) else "
                f"maximum({before}, {value}))\n    store(seen, at, uint8(1))"
            )
        return {"clear": clear, "combine": combine, "place": "\n".join(lines)}

    return choices


def _reduced_values(which: str, given: Any, keep: bool) -> tuple[Any, Any, Any]:
    """(kept shape, places that have a value, their values)"""
    indices, values, shape, axes = given
    check_sparse(indices, values, shape)
    try:
        chosen = _reduced(axes, shape.size)
    except ShapeError as error:
        raise invalid(error.headline) from None
    kept = _kept_shape(shape.tolist(), axes, True)
    stretched = np.array([d not in chosen for d in range(shape.size)], np.int64)
    numbers, which_row = np.unique(flat_places(indices * stretched, kept), return_inverse=True)
    order = np.argsort(which_row.reshape(-1), kind="stable")
    function = np.add if which == "Sum" else np.maximum
    wide = values.astype(np.float64) if values.dtype.kind == "f" else values
    if numbers.size:
        starts = np.searchsorted(which_row.reshape(-1)[order], np.arange(numbers.size))
        reduced = function.reduceat(wide[order], starts)
    else:
        reduced = wide[:0]
    final = _kept_shape(shape.tolist(), axes, keep)
    return final, numbers, reduced.astype(values.dtype)


def _reduce_reference(which: str) -> Any:
    def reference(call_: Call, *given: Any) -> Any:
        final, numbers, values = _reduced_values(which, given, call_.attrs["keep_dims"])
        result = np.zeros(final, values.dtype)
        result.reshape(-1)[numbers] = values
        return result

    return reference


def _reduce_sparse_reference(which: str) -> Any:
    def reference(call_: Call, *given: Any) -> Any:
        final, numbers, values = _reduced_values(which, given, call_.attrs["keep_dims"])
        return coordinates(numbers, final), values, np.array(final, np.int64)

    return reference


def _reduce_sparse_infer(call_: Call) -> list[Dims]:
    _, rank = sparse_parts(call_, 0, "input")
    axes = call_.value(3)
    if call_.attrs["keep_dims"]:
        return sparse_result(rank)
    if rank is None or axes is None:
        return sparse_result(None)
    return sparse_result(rank - len(_reduced(axes, rank)))


def _with_every_axis(op: Any, y: Tensor) -> Tensor:
    shape = op.input_shape
    mask = reduced_mask(shape, op.reduction_axes)
    return call.Reshape(y, call.Select(mask, call.OnesLike(shape), shape))


def _reduce_grad(which: str) -> Any:
    def grad(op: Any, dy: Any) -> tuple[Any, ...]:
        places = places_among(op.input_indices, op.input_shape, op.reduction_axes)

        def at_places(y: Tensor) -> Tensor:
            found = call.GatherNd(_with_every_axis(op, y), places)
            found.set_shape(op.input_values.shape)
            return found

        slope = at_places(dy)
        if which == "Max":
            chosen = call.Equal(op.input_values, at_places(op.output))
            count = call.Cast(chosen, DstT=dy.dtype.base_dtype)
            ties = call.SparseReduceSum(
                op.input_indices, count, op.input_shape, op.reduction_axes,
                keep_dims=op.attrs["keep_dims"],
            )  # fmt: skip
            slope = call.Select(chosen, slope / at_places(ties), call.ZerosLike(slope))
        return None, slope, None, None

    return grad


_AXES: tuple[tuple[Any, bool], ...] = (
    (i32([1]), False), (i32([0]), True), (i32([-1, 0]), False), (i32([]), False), (i32(1), False),
)  # fmt: skip

for _which, _allowed, _word in (("Sum", NUMERIC, "sum"), ("Max", REAL, "greatest")):
    _bad = (
        error_sample(ValueError, "axis 2 is out of range", *_ONE, i32([2]), const=(2, 3)),
        error_sample(Exception, "is outside shape|out of range", np.array([[3, 0]]), f32(1),
                     np.array([3, 4]), i32([0]), const=(2, 3), stage="run"),
    )  # fmt: skip
    define(
        f"SparseReduce{_which}",
        "input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32 "
        "-> output: T",
        keep_dims=False,
        T=dtypes_of(_allowed),
        infer=_reduce_infer,
        kernel=Procedure(
            _REDUCE,
            sizes=_reduce_sizes,
            known=(2, 3),
            whole=True,
            choices=_reduce_choices(_which),
            scratch=lambda call_: {"seen": ("uint8", _reduce_sizes(call_)["total"])},
            flops=lambda call_: concrete(call_.shapes[1])[0],
        ),
        grad=_reduce_grad(_which),
        reference=_reduce_reference(_which),
        samples=(
            *(sample(*_ONE, axes, const=(2, 3), keep_dims=keep) for axes, keep in _AXES),
            sample(*sparse_sample(f32(2, 3, 2)), i32([0, 2]), const=(2, 3)),
            sample(*_NONE, i32([1]), const=(2, 3)),
            sample(*_WHOLE, i32([0]), const=(2, 3)),
            sample(*_ONE, i32([1])),
        ),
        errors=_bad,
        doc=f"The {_word} of the values of a sparse tensor over some axes, as a dense tensor.",
    )
    define(
        f"SparseReduce{_which}Sparse",
        "input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32 "
        "-> output_indices: int64, output_values: T, output_shape: int64",
        keep_dims=False,
        T=dtypes_of(_allowed),
        infer=_reduce_sparse_infer,
        kernel=REDUCTIONS[_which],
        grad=not_differentiable("TensorFlow defines none; the dense form has one"),
        reference=_reduce_sparse_reference(_which),
        samples=(
            *(sample(*_ONE, axes, const=(2, 3), keep_dims=keep) for axes, keep in _AXES),
            sample(*_NONE, i32([1])),
        ),
        errors=_bad,
        doc=f"The {_word} of the values of a sparse tensor over some axes, as a sparse tensor.",
    )


def _reduction(which: str, word: str, empty: str, gradient: str, result: str, sparse: bool) -> Any:
    function_name = f"sparse_reduce_{which.lower()}{'_sparse' if sparse else ''}"
    type = f"SparseReduce{which}{'Sparse' if sparse else ''}"

    def function(
        sp_input: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        reduction_axes: Any = None,
        keep_dims: bool | None = None,
    ) -> Any:
        x = as_sparse(sp_input, f"{function_name}: sp_input")
        axes = one_name(function_name, axis=axis, reduction_axes=reduction_axes)
        keep = bool(one_name(function_name, keepdims=keepdims, keep_dims=keep_dims))
        if axes is None:
            (rank,) = require_rank(x.dense_shape.dims, 1, "dense_shape")
            axes = call.Range(0, call.Size(x.dense_shape), 1)
            if rank is not None:
                axes = np.arange(rank, dtype=np.int32)
        else:
            axes = convert_to_tensor(axes)
            axes = axes if axes.dtype.base_dtype is int32 else call.Cast(axes, DstT=int32)
        made = apply_op(type, *parts(x), axes, keep_dims=keep)
        return SparseTensor(*made) if sparse else made

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""The {word} of the values of a sparse tensor over some axes.

    {empty}

    Args:
        sp_input: a SparseTensor.
        axis: the axes to reduce, one or several; all by default.
        keepdims: keep them, with size 1.
        reduction_axes: older name of ``axis``.
        keep_dims: older name of ``keepdims``.

    Returns:
        A {"SparseTensor" if sparse else "dense Tensor"}.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.   ValueError: an axis is out of range.

    Gradient: {"none" if sparse else gradient}.

    >>> x = tf.SparseTensor([[0, 0], [0, 2], [2, 1]], [1.0, 2.0, -3.0], [3, 3])
    >>> print(tf.Session().run(tf.{function_name}(x, axis=1)){".values" if sparse else ""})
    {result}
    """
    names = (f"sparse.{function_name.removeprefix('sparse_')}", function_name)
    return export(*names)(function)


_SUM = ("Sum", "sum", "What is not there adds nothing.", "dy of the place where the value counts")
_MAX = (
    "Max", "greatest", "What is not there does not count; a result without values is 0.",
    "dy, shared equally by the values that are the greatest",
)  # fmt: skip
sparse_reduce_sum = _reduction(*_SUM, result="[ 3.  0. -3.]", sparse=False)
sparse_reduce_sum_sparse = _reduction(*_SUM, result="[ 3. -3.]", sparse=True)
sparse_reduce_max = _reduction(*_MAX, result="[ 2.  0. -3.]", sparse=False)
sparse_reduce_max_sparse = _reduction(*_MAX, result="[ 2. -3.]", sparse=True)
