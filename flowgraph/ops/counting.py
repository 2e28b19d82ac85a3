"""How often: bincount, histogram_fixed_width.

Read next: confusion.py, reductions.py (count_nonzero), partitioning.py (unique_with_counts).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, as_dtype, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
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
from flowgraph.ops.reductions import every_axis
from flowgraph.ops.rules import f32, i32, invalid, number, only_one, require_rank
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible

_COUNTED = frozenset(("int32", "int64", "float32", "float64"))

# --------------------------------------------------------------------------------------- bincount

_BINCOUNT = """
for i in range(n):
    if load(arr, i) < int32(0):
        return 3
for k in independent(size):
    store(bins, k, {T}(0))
for i in range(n):
    k = int64(load(arr, i))
    if k < size:
        store(bins, k, load(bins, k) + {weight})
return 0
"""


def _bincount_infer(call_: Call) -> list[Dims]:
    arr, size, weights = call_.shapes
    require_rank(size, 0, "size")
    if not is_compatible(arr, weights) and not is_compatible(weights, (0,)):
        raise ShapeError(
            f"weights of shape {format_dims(weights)} do not fit arr of shape {format_dims(arr)}"
        )
    count = call_.value(1)
    if count is not None and count < 0:
        raise ShapeError(f"size must not be negative: {count}")
    return [(None if count is None else int(count),)]


def _bincount_sizes(call_: Call) -> Mapping[str, int]:
    return {"n": math.prod(call_.shapes[0]), "size": call_.out_shapes[0][0]}  # type: ignore[arg-type,index,dict-item]


def _weighted(call_: Call) -> bool:
    return call_.shapes[0] == call_.shapes[2]


def _bincount_reference(call_: Call, arr: Any, size: Any, weights: Any) -> Any:
    if weights.shape not in (arr.shape, (0,)):
        raise invalid(
            f"weights of shape {list(weights.shape)} do not fit arr of shape {list(arr.shape)}"
        )
    count = only_one(size, "size")
    if count < 0:
        raise invalid(f"size must not be negative: {count}")
    if (arr < 0).any():
        raise invalid(f"arr has a negative number, {arr.min()}")
    kept = arr < count
    result = np.zeros(count, weights.dtype)
    np.add.at(result, arr[kept], weights[kept] if weights.shape == arr.shape else 1)
    return result


define(
    "Bincount",
    "arr: int32, size: int32, weights: T -> bins: T",
    T=dtypes_of(_COUNTED),
    infer=_bincount_infer,
    kernel=Procedure(
        _BINCOUNT,
        sizes=_bincount_sizes,
        known=(1,),
        choices=lambda call_: {
            "weight": "load(weights, i)"
            if _weighted(call_)
            else f"{call_.out_dtypes[0].base_dtype.name}(1)"
        },
    ),
    grad=not_differentiable("TensorFlow defines none; unsorted_segment_sum has one"),
    reference=_bincount_reference,
    samples=(
        sample(i32([1, 1, 5, 3]), i32(6), i32([]), const=(1,)),
        sample(i32([[1, 1], [5, 3]]), i32(4), f32(2, 2), const=(1,)),
        sample(i32([]), i32(2), f32(0), const=(1,)),
        sample(i32(2), i32(3), np.zeros(0, np.int64), const=(1,)),
        sample(i32([2, 0]), i32(0), i32([]), const=(1,)),
        sample(i32([2, 0]), i32(3), f32(2)),
    ),
    errors=(
        error_sample(ValueError, "do not fit arr", i32([1, 2]), i32(3), f32(3), const=(1,)),
        error_sample(ValueError, "size must not be negative",
                     i32([1]), i32(-1), f32(1), const=(1,)),
        error_sample(Exception, "negative number, -1|invalid argument",
                     i32([1, -1]), i32(3), f32(2), const=(1,), stage="run"),
    ),
    doc="bins[k] = number of elements of ``arr`` that are k, or the sum of their weights.",
)  # fmt: skip


@export("bincount", "math.bincount")
def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = int32,
    name: str | None = None,
) -> Tensor:
    """How often every number stands in ``arr``, or the sum of the weights that stand with it.

    bins[k] = sum of weights[i] over arr[i] == k

    Args:
        arr: int32 numbers, not negative, of any shape.
        weights: a tensor of the shape of ``arr``; every number counts 1 by default.
        minlength: a scalar: the result has at least so many bins.
        maxlength: a scalar: numbers from here on are not counted.
        dtype: of the result, where no weights are given.
        name: of the scope of the operations; ``bincount`` by default.

    Returns:
        A vector of max(arr) + 1 bins, within ``minlength`` and ``maxlength``; of the dtype of the
        weights.

    Raises:
        ValueError: the weights do not fit.
        InvalidArgumentError: a number is negative (when run).

    Gradient: none.

    >>> print(tf.Session().run(tf.bincount([1, 1, 4])))
    [0 2 0 0 1]
    """
    with name_scope(name, "bincount", [arr, weights]):
        arr = convert_to_tensor(arr, name="arr")
        if arr.dtype.base_dtype is not int32:
            arr = call.Cast(arr, DstT=int32)
        some = call.Cast(call.Greater(call.Size(arr), 0), DstT=int32)
        size = some * (call.Max(arr, every_axis(arr)) + 1)
        if minlength is not None:
            size = call.Maximum(_scalar_int32(minlength), size)
        if maxlength is not None:
            size = call.Minimum(_scalar_int32(maxlength), size)
        if weights is None:
            weights = np.zeros(0, as_dtype(dtype).np)
        return call.Bincount(arr, size, weights)


def _scalar_int32(value: Any) -> Tensor:
    value = convert_to_tensor(value)
    return value if value.dtype.base_dtype is int32 else call.Cast(value, DstT=int32)


# -------------------------------------------------------------------------- histogram_fixed_width

#: NB: a value above the range may lie further than an integer reaches: compared as a float first.
_HISTOGRAM = """
low = load(value_range, 0)
high = load(value_range, 1)
if not (low < high):
    return 3
step = (float64(high) - float64(low)) / float64(bins)
for i in range(n):
    if isnan(float64(load(values, i))):
        return 3
for k in independent(bins):
    store(out, k, {dtype}(0))
for i in range(n):
    value = maximum(load(values, i), low)
    place = (float64(value) - float64(low)) / step
    k = bins - 1
    if place < float64(bins - 1):
        k = int64(place)
    store(out, k, load(out, k) + {dtype}(1))
return 0
"""


def _histogram_infer(call_: Call) -> list[Dims]:
    (pair,) = require_rank(call_.shapes[1], 1, "value_range")
    require_rank(call_.shapes[2], 0, "nbins")
    if pair not in (2, None):
        raise ShapeError(f"value_range must be two numbers, not {pair}")
    count = call_.value(2)
    if count is not None and count <= 0:
        raise ShapeError(f"nbins must be positive, not {count}")
    return [(None if count is None else int(count),)]


def _histogram_reference(call_: Call, values: Any, value_range: Any, nbins: Any) -> Any:
    count = only_one(nbins, "nbins")
    if count <= 0:
        raise invalid(f"nbins must be positive, not {count}")
    low, high = value_range
    if not low < high:
        raise invalid(f"value_range must rise, and does not: {value_range.tolist()}")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise invalid("values holds NaN, which belongs in no bin")
    step = (float(high) - float(low)) / count
    place = (np.maximum(values, low).astype(np.float64) - float(low)) / step
    which = np.minimum(place, count - 1).astype(np.int64)
    return np.bincount(which.reshape(-1), minlength=count).astype(call_.out_dtypes[0].np)


define(
    "HistogramFixedWidth",
    "values: T, value_range: T, nbins: int32 -> out: dtype",
    T=dtypes_of(_COUNTED),
    dtype=dtypes_of(INDEX, int32),
    infer=_histogram_infer,
    kernel=Procedure(
        _HISTOGRAM,
        sizes=lambda call_: {
            "n": math.prod(call_.shapes[0]),  # type: ignore[arg-type]
            "bins": call_.out_shapes[0][0],  # type: ignore[index,dict-item]
        },
        known=(2,),
    ),
    grad=not_differentiable("its elements are counts"),
    reference=_histogram_reference,
    samples=(
        sample(np.array([-1, 0, 1.5, 2, 5, 15], np.float32), np.array([0, 5], np.float32), i32(5),
               const=(1, 2)),
        sample(f32(3, 4), np.array([-1, 1], np.float32), i32(3), const=(1, 2)),
        sample(i32([1, 2, 3, 7]), i32([0, 5]), i32(5)),
        sample(np.array([np.inf, -np.inf, 1e30], np.float32), np.array([0, 1], np.float32), i32(2),
               const=(1, 2)),
        sample(f32(0), np.array([0, 1], np.float32), i32(2), const=(1, 2)),
    ),
    errors=(
        error_sample(ValueError, "nbins must be positive", f32(2), f32(2), i32(0), const=(2,)),
        error_sample(ValueError, "must be two numbers", f32(2), f32(3), i32(2), const=(2,)),
        error_sample(Exception, "must rise|invalid argument",
                     f32(2), np.array([5, 5], np.float32), i32(2), const=(2,), stage="run"),
        error_sample(Exception, "holds NaN|invalid argument",
                     np.array([np.nan], np.float32), np.array([0, 5], np.float32), i32(2),
                     const=(2,), stage="run"),
    ),
    doc="How many values lie in each of ``nbins`` intervals of equal width of ``value_range``.",
)  # fmt: skip


@export("histogram_fixed_width")
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = int32, name: str | None = None
) -> Tensor:
    """How many values lie in each of ``nbins`` intervals of equal width.

    Args:
        values: real numbers of any shape.
        value_range: two numbers of their dtype: the range that the bins divide.  Smaller values
            count in the first bin, greater ones in the last.
        nbins: how many bins.
        dtype: of the result: tf.int32 or tf.int64.
        name: of the operation; ``histogram_fixed_width`` by default.

    Returns:
        A vector of ``nbins`` counts.

    Raises:
        ValueError: ``nbins`` is not positive, or the range no two numbers.
        InvalidArgumentError: the range does not rise, or a value is NaN (when run).

    Gradient: none.

    >>> values = [-1.0, 0.0, 1.5, 2.0, 5.0, 15.0]
    >>> print(tf.Session().run(tf.histogram_fixed_width(values, [0.0, 5.0], nbins=5)))
    [2 1 1 0 2]
    """
    with name_scope(name, "histogram_fixed_width", [values, value_range, nbins]) as scope:
        return apply_op(
            "HistogramFixedWidth", values, value_range, nbins, dtype=as_dtype(dtype), name=scope
        )


@export("histogram_fixed_width_bins")
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = int32, name: str | None = None
) -> Tensor:
    """In which of ``nbins`` intervals of equal width every value lies.

    Args:
        values: real numbers of any shape.
        value_range: two numbers of their dtype: the range that the bins divide.  Smaller values
            lie in the first bin, greater ones in the last.
        nbins: how many bins.
        dtype: of the result: tf.int32 or tf.int64.
        name: of the scope of the operations; ``histogram_fixed_width_bins`` by default.

    Returns:
        A tensor of the shape of ``values``, numbers in [0, nbins).

    Gradient: none.

    >>> values = [-1.0, 0.0, 1.5, 2.0, 5.0, 15.0]
    >>> print(tf.Session().run(tf.histogram_fixed_width_bins(values, [0.0, 5.0], nbins=5)))
    [0 0 1 2 4 4]
    """
    with name_scope(name, "histogram_fixed_width_bins", [values, value_range, nbins]):
        values = convert_to_tensor(values, name="values")
        bounds = convert_to_tensor(value_range, values.dtype.base_dtype, name="value_range")
        count = convert_to_tensor(nbins, int32, name="nbins")
        low, high = (
            call.StridedSlice(bounds, [k], [k + 1], [1], shrink_axis_mask=1) for k in (0, 1)
        )
        share = (values - low) / (high - low)
        last = call.Cast(count - 1, DstT=share.dtype.base_dtype)
        places = call.Floor(call.Cast(count, DstT=share.dtype.base_dtype) * share)
        kept = call.Minimum(call.Maximum(places, number(0, places)), last)
        return call.Cast(kept, DstT=as_dtype(dtype))
