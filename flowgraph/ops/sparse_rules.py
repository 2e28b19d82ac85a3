"""What the sparse op records share: SparseTensors taken apart, shapes of results, index checks.

A SparseTensor reaches an op as three tensors: ``indices`` [N, rank], ``values`` [N], ``shape``
[rank].

Read next: sparse_dense.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import int64
from flowgraph.graph.apply import call
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call
from flowgraph.graph.sparse_tensor import SparseTensor, SparseTensorValue
from flowgraph.ops.rules import invalid, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size

Array = np.ndarray[Any, Any]


def as_sparse(value: Any, what: str) -> SparseTensor:
    """``value`` as a SparseTensor; TypeError when it is neither that nor a SparseTensorValue."""
    if isinstance(value, SparseTensorValue):
        return SparseTensor.from_value(value)
    if not isinstance(value, SparseTensor):
        raise TypeError(f"{what} must be a SparseTensor, not {value!r}")
    return value


def parts(x: SparseTensor) -> tuple[Tensor, Tensor, Tensor]:
    """indices, values and dense_shape."""
    return x.indices, x.values, x.dense_shape


def static_dims(*given: SparseTensor) -> Dims:
    """What is known of the shape that all of them have; None where they differ."""
    dims: Dims = None
    for x in given:
        shape = x.shape
        try:
            dims = merge(dims, None if shape.dims is None else tuple(shape.as_list()))
        except ShapeError:
            return None  # the op says so, now or when run
    return dims


# -------------------------------------------------------------------------------------- inference


def sparse_parts(call_: Call, first: int, what: str = "") -> tuple[int | None, int | None]:
    """(number of values, rank) of the three inputs from ``first`` on; ShapeError if they differ."""
    shapes = call_.shapes[first : first + 3]
    label = f"{what}_" if what else ""
    count, rank = require_rank(shapes[0], 2, f"{label}indices")
    (given,) = require_rank(shapes[1], 1, f"{label}values")
    (axes,) = require_rank(shapes[2], 1, f"{label}shape")
    try:
        return merge_size(count, given), merge_size(rank, axes)
    except ShapeError:
        listed = ", ".join(format_dims(dims) for dims in shapes)
        raise ShapeError(
            f"{label}indices [N, rank], {label}values [N] and {label}shape [rank] do not fit "
            f"together: {listed}"
        ) from None


def sparse_result(rank: int | None, count: int | None = None) -> list[Dims]:
    """Shapes of the three parts of a SparseTensor."""
    return [(count, rank), (count,), (rank,)]


# -------------------------------------------------------------------------------------- gradients


def reduced_mask(shape: Tensor, axes: Tensor) -> Tensor:
    """Which axes are reduced."""
    rank = call.GatherV2(shape_of(shape), 0, 0)
    axes = call.Reshape(call.FloorMod(axes, rank), [-1])
    return call.Greater(call.UnsortedSegmentSum(call.OnesLike(axes), axes, rank), 0)


def places_among(indices: Tensor, shape: Tensor, axes: Tensor) -> Tensor:
    """Where, in the reduced tensor with all its axes, every value counts."""
    stretched = call.Cast(call.LogicalNot(reduced_mask(shape, axes)), DstT=int64)
    return indices * stretched


# ---------------------------------------------------------------------------------------- kernels

#: Kernel text that sorts m rows of indices, last axis first, each by digits of 11 bits from the
#: lowest up: no size of the tensor is too large for that.  ``order`` begins with what {key} makes
#: ``key`` of, the number on axis ``d`` of the row ``source``; ``at`` says where in it the sorted
#: rows begin in the end.  ``turned`` is 0 where they are in order already.
SORT_ROWS = """
at = int64(0)
for axis_behind in range(rank if turned != 0 else 0):
    d = rank - 1 - axis_behind
    most = int64(0)
    for i in range(m):
        source = load(order, at + i)
{key}
        store(keys, at + i, key)
        most = most | key
    shift = int64(0)
    while shift < 63 and (most >> shift) > 0:
        for c in range(2048):
            store(counts, c, int64(0))
        for i in range(m):
            c = (load(keys, at + i) >> shift) & 2047
            store(counts, c, load(counts, c) + 1)
        before = int64(0)
        for c in range(2048):
            size = load(counts, c)
            store(counts, c, before)
            before += size
        to = m - at
        for i in range(m):
            key = load(keys, at + i)
            c = (key >> shift) & 2047
            place = load(counts, c)
            store(counts, c, place + 1)
            store(keys, to + place, key)
            store(order, to + place, load(order, at + i))
        at = to
        shift += 11
"""


def sorted_rows(indices: Array) -> Array:
    """The stable lexicographic order of rows that are not negative."""
    bounds = [int(column.max(initial=0)) + 1 for column in indices.T]
    if math.prod(bounds) < 2**62:
        return np.argsort(flat_places(indices, bounds), kind="stable")
    return np.lexsort(indices.T[::-1])


def sort_scratch(count: int) -> dict[str, tuple[str, int]]:
    """What SORT_ROWS works with."""
    return {"keys": ("int64", 2 * count), "order": ("int64", 2 * count), "counts": ("int64", 2048)}


# --------------------------------------------------------------------------------- at the run


def check_inside(indices: Array, shape: Sequence[int] | Array) -> None:
    """InvalidArgumentError naming the first row of ``indices`` that is not inside ``shape``."""
    bounds = np.asarray(shape, np.int64)
    if indices.shape[1] != bounds.size:
        raise invalid(f"indices of {indices.shape[1]} numbers for a shape of {bounds.size} axes")
    columns = list(zip(indices.T, bounds.tolist(), strict=True))
    if all(c.min(initial=0) >= 0 and c.max(initial=-1) < size for c, size in columns):
        return  # the usual case: column by column, which NumPy does faster than along an axis
    wrong = ((indices < 0) | (indices >= bounds)).any(1)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise invalid(f"indices[{i}] = {indices[i].tolist()} is outside shape {bounds.tolist()}")


def check_sparse(indices: Array, values: Array, shape: Array) -> None:
    """InvalidArgumentError unless the three parts fit together and all indices are inside."""
    if (
        indices.ndim != 2
        or values.ndim != 1
        or len(indices) != len(values)
        or indices.shape[1] != shape.size
    ):
        raise invalid(
            f"indices {list(indices.shape)}, values {list(values.shape)} and a shape of "
            f"{shape.size} axes do not fit together"
        )
    if (shape < 0).any():
        raise invalid(f"dense shape {shape.tolist()} has a negative size")
    check_inside(indices, shape)


def check_ordered(indices: Array, unique: bool = True) -> None:
    """InvalidArgumentError unless rows rise in lexicographic order."""
    if len(indices) < 2:
        return
    step = np.diff(indices, axis=0)
    first = np.argmax(step != 0, axis=1)
    lead = np.take_along_axis(step, first[:, None], 1)[:, 0] if step.shape[1] else step.sum(1)
    wrong = (lead < 0) | ((lead == 0) & unique)
    if wrong.any():
        i = int(np.argmax(wrong)) + 1
        how = "is repeated" if lead[i - 1] == 0 else "is out of order"
        raise invalid(f"indices[{i}] = {indices[i].tolist()} {how}")


def flat_places(indices: Array, shape: Sequence[int] | Array) -> Array:
    """The number of every element in row-major order; rows of ``indices`` are inside ``shape``."""
    if math.prod(np.asarray(shape).tolist()) >= 2**62:
        raise invalid(f"a tensor of shape {np.asarray(shape).tolist()} has too many elements")
    numbers = np.zeros(len(indices), np.int64)
    for axis, size in enumerate(np.asarray(shape).tolist()):
        numbers = numbers * size + indices[:, axis]
    return numbers


def coordinates(numbers: Array, shape: Sequence[int] | Array) -> Array:
    """The rows of indices [N, rank] of elements numbered in row-major order."""
    columns = []
    for size in reversed(np.asarray(shape).tolist()):
        rest = numbers // max(size, 1)
        columns.append(numbers - rest * max(size, 1))
        numbers = rest
    if not columns:
        return np.zeros((len(numbers), 0), np.int64)
    return np.stack(columns[::-1], 1).astype(np.int64)


def slopes_at(wanted: Array, given: Array, slopes: Array) -> Array:
    """For every row of ``wanted`` the slope of the equal row of ``given``, or 0."""
    if not len(given) or not len(wanted):
        return np.zeros(len(wanted), slopes.dtype)
    _, numbers = np.unique(np.concatenate([given, wanted]), axis=0, return_inverse=True)
    numbers = numbers.reshape(-1)
    by_number = np.zeros(int(numbers.max()) + 1, slopes.dtype)
    by_number[numbers[: len(given)]] = slopes
    return by_number[numbers[len(given) :]]


# -------------------------------------------------------------------------------- sample tensors


def sparse_sample(dense: Any) -> tuple[Array, Array, Array]:
    """The parts of what is not 0 in an array."""
    dense = np.asarray(dense)
    indices = np.argwhere(dense != (b"" if dense.dtype.hasobject else 0)).astype(np.int64)
    values = dense[tuple(indices.T)] if dense.ndim else dense.reshape(-1)
    return indices.reshape(-1, dense.ndim), values, np.array(dense.shape, np.int64)
