"""Results whose size depends on values: boolean_mask, unique, setdiff1d, dynamic_partition.

They are host instructions with compiled loops (partitioning_loops.py); the plan of a run ends there
and goes on when the size is known (optimize/specialize.py).

Read next: masking.py (Where), segments.py (parts put together again).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from flowgraph.dtypes import ALL, INDEX, as_dtype, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.report import call_message
from flowgraph.graph.static import constant_value
from flowgraph.ops.partitioning_loops import (
    LIST_DIFF,
    PARTITION,
    STITCH,
    UNIQUE,
    UNIQUE_WITH_COUNTS,
)
from flowgraph.ops.rules import f32, i32, invalid, require_rank, shape_of
from flowgraph.shapes import (
    Dims,
    ShapeError,
    format_dims,
    is_compatible,
    is_fully_known,
    merge,
    normalize_axis,
)

# ------------------------------------------------------------------------------------------ unique


def _first_places(x: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """(places of the first of equal rows, rising; for every row, which of those it equals)."""
    if x.dtype.hasobject:
        seen: dict[Any, int] = {}
        first: list[int] = []
        which = np.zeros(len(x), np.int64)
        for i, row in enumerate(x.reshape(len(x), -1).tolist()):
            key = tuple(row)
            if key not in seen:
                seen[key] = len(first)
                first.append(i)
            which[i] = seen[key]
        return np.array(first, np.int64), which
    rows = x.reshape(len(x), int(np.prod(x.shape[1:], dtype=np.int64)))
    if rows.shape[1] == 1 and x.dtype.kind in "iu" and len(x):
        span = int(rows.max()) - int(rows.min())
        if span < 4 * len(x) + 1000:
            unsigned = f"u{rows.dtype.itemsize}"  # the difference of two int8 may be no int8
            least = rows[:, 0].min().astype(unsigned)
            return _first_places_by_table((rows[:, 0].astype(unsigned) - least).astype(np.int64))
    if rows.shape[1] == 1:
        # NB: NaN equals nothing, not even itself; 0 equals -0
        _, place, inverse = np.unique(
            rows[:, 0], return_index=True, return_inverse=True, equal_nan=False
        )
    elif rows.shape[1] == 0:
        place, inverse = np.zeros(min(1, len(x)), np.int64), np.zeros(len(x), np.int64)
    else:
        rows = rows + 0.0 if rows.dtype.kind == "f" else rows  # -0 + 0 is 0
        _, place, inverse = np.unique(rows, return_index=True, return_inverse=True, axis=0)
    order = np.argsort(place)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return place[order], rank[inverse.reshape(-1)]


def _first_places_by_table(x: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """The same of small numbers, without sorting them."""
    numbers = np.arange(x.size)
    table = np.zeros(int(x.max()) + 1, np.int64)
    table[x[::-1]] = numbers[::-1]  # of equal places the last one written counts
    first = np.flatnonzero(table[x] == numbers)
    table[x[first]] = np.arange(first.size)
    return first, table[x]


def _unique_axis(call_: Call, axis: Any, rank: int) -> int:
    """Along which the op compares: the only one, or what ``axis`` (one number or none) says."""
    if axis is None or axis.size == 0:
        if rank != 1:
            raise invalid(f"x must be a vector, not of rank {rank}; or give an axis")
        return 0
    if axis.size != 1:
        raise invalid(f"axis must be one number, not {axis.tolist()}")
    return normalize_axis(int(axis.reshape(())), rank)


def _unique_reference(call_: Call, x: Any, axis: Any = None) -> Any:
    try:
        place = _unique_axis(call_, axis, x.ndim)
    except ShapeError as error:
        raise invalid(error.headline) from None
    first, which = _first_places(np.moveaxis(x, place, 0))
    index = call_.out_dtypes[1].np
    found = np.take(x, first, place), which.astype(index)
    if len(call_.out_dtypes) == 2:
        return found
    return (*found, np.bincount(which, minlength=first.size).astype(index))


def _unique_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    axis: int | None = 0
    if len(call_.shapes) == 1:
        dims = require_rank(dims, 1, "x")
    else:
        require_rank(call_.shapes[1], 1, "axis")
        given = call_.value(1)
        axis = None
        if given is not None and given.size == 0:
            dims, axis = require_rank(dims, 1, "x"), 0
        elif given is not None and dims is not None:
            axis = normalize_axis(int(given.reshape(-1)[0]), len(dims))
    if dims is None or axis is None:
        found: list[Dims] = [None if dims is None else (None,) * len(dims), (None,), (None,)]
    else:
        found = [(*dims[:axis], None, *dims[axis + 1 :]), (dims[axis],), (None,)]
    return found[: _outputs(call_)]


def _outputs(call_: Call) -> int:
    return 3 if "Counts" in call_.type else 2


_NUMBERS = not_differentiable("where it is constant it has no slope, and elsewhere it jumps")
_VALUES = np.array([1, np.nan, -0.0, 3, np.nan, 0.0, 1], np.float32)

for _counts in (False, True):
    _type = "UniqueWithCounts" if _counts else "Unique"
    _out = "y: T, idx: out_idx" + (", count: out_idx" if _counts else "")
    _which = "each element is which of them" + (", and how often each stands there" * _counts)
    define(
        _type,
        f"x: T -> {_out}",
        T=dtypes_of(ALL),
        out_idx=dtypes_of(INDEX, int32),
        infer=_unique_infer,
        kernel=UNIQUE_WITH_COUNTS if _counts else UNIQUE,
        grad=_NUMBERS,
        reference=_unique_reference,
        samples=(
            sample(i32([1, 1, 2, 4, 4, 4, 7, 8, 8, 2])),
            sample(_VALUES),
            sample(f32(0)),
            sample(np.array([b"a", b"b", b"a"], object), out_idx=int64),
        ),
        errors=(error_sample(ValueError, "x must be a vector", f32(1, 2)),),
        doc=f"Every value of ``x`` once; {_which}.",
    )
    define(
        f"{_type}V2",
        f"x: T, axis: Taxis -> {_out}",
        T=dtypes_of(ALL),
        Taxis=dtypes_of(INDEX, int64),
        out_idx=dtypes_of(INDEX, int32),
        infer=_unique_infer,
        kernel=UNIQUE_WITH_COUNTS if _counts else UNIQUE,
        grad=_NUMBERS,
        reference=_unique_reference,
        samples=(
            sample(i32([[1, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([0]), const=(1,)),
            sample(i32([[1, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([-1]), const=(1,)),
            sample(f32(3, 2), np.array([0])),
            sample(i32([3, 1, 3]), np.zeros(0, np.int64), const=(1,)),
            sample(f32(3, 0), np.array([0]), const=(1,)),
        ),
        errors=(
            error_sample(ValueError, "axis 2 is out of range",
                         f32(1, 2), np.array([2]), const=(1,)),
        ),
        doc=f"Every slice of ``x`` along ``axis`` once; {_which.replace('element', 'slice')}.",
    )  # fmt: skip


class Unique(NamedTuple):
    """What ``tf.unique`` returns."""

    y: Tensor
    idx: Tensor


class UniqueWithCounts(NamedTuple):
    """What ``tf.unique_with_counts`` returns."""

    y: Tensor
    idx: Tensor
    count: Tensor  # type: ignore[assignment]  # TensorFlow's name hides tuple's method


@export("unique")
def unique(x: Any, out_idx: Any = int32, name: str | None = None) -> Unique:
    """Every value of a vector once, in the order of first appearance.

    y[idx[i]] = x[i]

    Args:
        x: a vector.
        out_idx: dtype of ``idx``: tf.int32 or tf.int64.
        name: of the operation; ``Unique`` by default.

    Returns:
        A namedtuple (y, idx): the values, and which of them each element of ``x`` is.

    Raises:
        ValueError: ``x`` is no vector.

    Gradient: none.
    Numerics: 0 and -0 are one value; every NaN is one of its own.

    >>> print(*tf.Session().run(tf.unique([7, 4, 7, 8])))
    [7 4 8] [0 1 0 2]
    """
    return Unique(*apply_op("Unique", x, out_idx=as_dtype(out_idx), name=name))


@export("unique_with_counts")
def unique_with_counts(x: Any, out_idx: Any = int32, name: str | None = None) -> UniqueWithCounts:
    """Every value of a vector once, with how often it stands there.

    Args:
        x: a vector.
        out_idx: dtype of ``idx`` and ``count``: tf.int32 or tf.int64.
        name: of the operation; ``UniqueWithCounts`` by default.

    Returns:
        A namedtuple (y, idx, count): as ``tf.unique``, and the number of each value.

    Raises:
        ValueError: ``x`` is no vector.

    Gradient: none.

    >>> print(*tf.Session().run(tf.unique_with_counts([7, 4, 7, 8])))
    [7 4 8] [0 1 0 2] [2 1 1]
    """
    return UniqueWithCounts(*apply_op("UniqueWithCounts", x, out_idx=as_dtype(out_idx), name=name))


# --------------------------------------------------------------------------------------- setdiff1d


def _list_diff_reference(call_: Call, x: Any, y: Any) -> Any:
    if x.dtype.hasobject:
        known = set(y.tolist())
        kept = np.array([item not in known for item in x.tolist()], bool)
    else:
        kept = ~np.isin(x, y)
    return x[kept], np.flatnonzero(kept).astype(call_.out_dtypes[1].np)


def _list_diff_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "x")
    require_rank(call_.shapes[1], 1, "y")
    return [(None,), (None,)]


define(
    "ListDiff",
    "x: T, y: T -> out: T, idx: out_idx",
    T=dtypes_of(ALL),
    out_idx=dtypes_of(INDEX, int32),
    infer=_list_diff_infer,
    kernel=LIST_DIFF,
    grad=_NUMBERS,
    reference=_list_diff_reference,
    samples=(
        sample(i32([1, 2, 3, 4, 5, 6, 3]), i32([1, 3, 5])),
        sample(f32(4), f32(0), out_idx=int64),
        sample(_VALUES, _VALUES[:4]),
        sample(np.array([b"a", b"b", b"a"], object), np.array([b"a"], object)),
    ),
    errors=(error_sample(ValueError, "x must be a vector", i32([[1, 2]]), i32([1])),),
    doc="The elements of ``x`` that are not in ``y``, and where they stand.",
)


class ListDiff(NamedTuple):
    """What ``tf.setdiff1d`` returns."""

    out: Tensor
    idx: Tensor


@export("setdiff1d")
def setdiff1d(x: Any, y: Any, index_dtype: Any = int32, name: str | None = None) -> ListDiff:
    """The elements of ``x`` that are not in ``y``, in their order.

    Args:
        x: a vector.
        y: a vector of its dtype.
        index_dtype: dtype of the places: tf.int32 or tf.int64.
        name: of the operation; ``ListDiff`` by default.

    Returns:
        A namedtuple (out, idx): the elements, and where they stand in ``x``.

    Raises:
        ValueError: ``x`` or ``y`` is no vector.

    Gradient: none.

    >>> print(*tf.Session().run(tf.setdiff1d([1, 2, 3, 4, 3], [1, 4])))
    [2 3 3] [1 2 4]
    """
    return ListDiff(*apply_op("ListDiff", x, y, out_idx=as_dtype(index_dtype), name=name))


# ---------------------------------------------------------------------------- partition and stitch


def _partition_infer(call_: Call) -> list[Dims]:
    data, partitions = call_.shapes
    if data is None or partitions is None:
        return [None] * call_.attrs["num_partitions"]
    try:
        merge(data[: len(partitions)], partitions)
    except ShapeError:
        raise ShapeError(
            f"partitions of shape {format_dims(partitions)} do not fit the first axes of "
            f"{format_dims(data)}"
        ) from None
    return [(None, *data[len(partitions) :])] * call_.attrs["num_partitions"]


def _partition_reference(call_: Call, data: Any, partitions: Any) -> Any:
    if data.shape[: partitions.ndim] != partitions.shape:
        raise invalid(
            f"partitions of shape {list(partitions.shape)} do not fit the first axes of "
            f"{list(data.shape)}"
        )
    count = call_.attrs["num_partitions"]
    wrong = np.argwhere((partitions < 0) | (partitions >= count))
    if wrong.size:
        place = tuple(int(i) for i in wrong[0])
        raise invalid(f"partitions{list(place)} = {partitions[place]} is not in [0, {count})")
    order = np.argsort(partitions, axis=None, kind="stable")
    rows = data.reshape(partitions.size, *data.shape[partitions.ndim :])[order]
    ends = np.cumsum(np.bincount(partitions.reshape(-1), minlength=count))
    return tuple(np.split(rows, ends[:-1]))


def _partition_grad(op: Any, *dys: Any) -> tuple[Any, None]:
    """Every row of data went to one place of one output."""
    sizes = shape_of(op.partitions)
    count = call.Prod(sizes, [0])
    numbers = call.Reshape(call.Range(0, count, 1), sizes)
    places = call.DynamicPartition(numbers, op.partitions, num_partitions=len(dys))
    given = [call.ZerosLike(y) if dy is None else dy for dy, y in zip(dys, op.outputs, strict=True)]
    rows = call.ConcatV2(given, 0) if len(given) > 1 else given[0]
    order = call.ConcatV2(places, 0) if len(given) > 1 else places[0]
    return call.Reshape(call.UnsortedSegmentSum(rows, order, count), shape_of(op.data)), None


define(
    "DynamicPartition",
    "data: T, partitions: int32 -> outputs: num_partitions*T",
    T=dtypes_of(ALL),
    num_partitions=Attr("int", REQUIRED),
    infer=_partition_infer,
    kernel=PARTITION,
    grad=_partition_grad,
    reference=_partition_reference,
    samples=(
        sample(f32(5), i32([0, 0, 1, 1, 0]), num_partitions=2),
        sample(f32(3, 2), i32([1, 0, 1]), num_partitions=3),
        sample(f32(2, 2, 3), i32([[0, 1], [1, 0]]), num_partitions=2),
        sample(f32(3), i32([0, 0, 0]), num_partitions=1),
        sample(f32(0, 2), i32([]), num_partitions=2),
        sample(np.array([b"a", b"b"], object), i32([1, 0]), num_partitions=2),
    ),
    errors=(
        error_sample(ValueError, "do not fit the first axes", f32(5), i32([0, 1]),
                     num_partitions=2),
        error_sample(Exception, r"partitions\[3\] = 2 is not in \[0, 2\)",
                     f32(5), i32([0, 0, 1, 2, 0]), num_partitions=2, stage="run"),
    ),
    doc="Output i holds the parts of ``data`` where ``partitions`` is i.",
)  # fmt: skip


@export("dynamic_partition")
def dynamic_partition(
    data: Any, partitions: Any, num_partitions: int, name: str | None = None
) -> list[Tensor]:
    """The parts of ``data`` by the number of their group, as a list.

    outputs[i] = data[partitions == i]

    Args:
        data: a tensor.
        partitions: int32 numbers in [0, num_partitions), of the shape of data's first axes.
        num_partitions: an int: how many outputs.
        name: of the operation; ``DynamicPartition`` by default.

    Returns:
        A list of tensors of shape [number of parts] + data.shape[partitions.rank:].

    Raises:
        ValueError: the shapes do not fit, or ``num_partitions`` is not positive.
        InvalidArgumentError: a number is out of range (when run).

    Gradient: each dy back to where its part came from.

    >>> print(*tf.Session().run(tf.dynamic_partition([10, 20, 30], [1, 0, 1], 2)))
    [20] [10 30]
    """
    if num_partitions < 1:
        raise ValueError(f"dynamic_partition: num_partitions must be positive: {num_partitions}")
    return apply_op(
        "DynamicPartition", data, partitions, num_partitions=int(num_partitions), name=name
    )


def _stitch_infer(call_: Call) -> list[Dims]:
    half = len(call_.shapes) // 2
    rest: Dims = None
    size: int | None = 0
    for i, (indices, data) in enumerate(zip(call_.shapes[:half], call_.shapes[half:], strict=True)):
        numbers = call_.value(i)
        known = None if numbers is None else int(numbers.max(initial=-1)) + 1
        size = None if size is None or known is None else max(size, known)
        if indices is None or data is None:
            continue
        if len(data) < len(indices) or not is_compatible(data[: len(indices)], indices):
            raise ShapeError(
                f"indices[{i}] of shape {format_dims(indices)} do not fit the first axes of "
                f"data[{i}], {format_dims(data)}"
            )
        rest = merge(rest, data[len(indices) :])
    return [None if rest is None else (size, *rest)]


def _stitch_reference(call_: Call, *arrays: Any) -> Any:
    half = len(arrays) // 2
    pairs = list(zip(arrays[:half], arrays[half:], strict=True))
    size = max((int(indices.max(initial=-1)) for indices, _ in pairs), default=-1) + 1
    row = pairs[0][1].shape[pairs[0][0].ndim :]
    empty = b"" if pairs[0][1].dtype.hasobject else 0
    merged = np.full((size, *row), empty, pairs[0][1].dtype)
    for i, (indices, data) in enumerate(pairs):
        if data.shape != (*indices.shape, *row):
            raise invalid(f"data[{i}] must be of shape {[*indices.shape, *row]}, not "
                          f"{list(data.shape)}")  # fmt: skip
        if (indices < 0).any():
            raise invalid(f"indices[{i}] has a negative number")
        merged[indices] = data  # of equal indices the last one counts
    return merged


def _stitch_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    count = len(op.inputs) // 2
    return (
        *(None,) * count,
        *(call.GatherV2(dy, indices, 0) for indices in op.inputs[:count]),
    )


for _type in ("DynamicStitch", "ParallelDynamicStitch"):
    define(
        _type,
        "indices: N*int32, data: N*T -> merged: T",
        N=Attr("int", REQUIRED),
        T=dtypes_of(ALL),
        infer=_stitch_infer,
        kernel=STITCH,
        grad=_stitch_grad,
        reference=_stitch_reference,
        samples=(
            sample([i32([0, 2]), i32([1, 4])], [f32(2), f32(2, seed=1)], const=(0,)),
            sample([i32(1), i32([[0, 3]])], [f32(2), f32(1, 2, 2, seed=1)]),
            sample([i32([2, 2])], [i32([7, 8])]),
            sample([i32([])], [f32(0, 3)], const=(0,)),
        ),
        errors=(
            error_sample(ValueError, r"indices\[0\] of shape \[2\] do not fit",
                         [i32([0, 2])], [f32(3)], const=(0,)),
            error_sample(Exception, r"indices\[0\] has a negative number",
                         [i32([0, -2])], [f32(2)], stage="run"),
        ),
        doc="merged[indices[n][i...]] = data[n][i...]; of equal indices the last one counts.",
    )  # fmt: skip


@export("dynamic_stitch")
def dynamic_stitch(indices: Sequence[Any], data: Sequence[Any], name: str | None = None) -> Tensor:
    """Rows of several tensors put where index tensors say: undoes ``tf.dynamic_partition``.

    merged[indices[n][i...]] = data[n][i...]

    Args:
        indices: a list of int32 tensors.
        data: as many tensors; data[n] has the shape of indices[n], and one more shape behind it
            that is the same for all.
        name: of the operation; ``DynamicStitch`` by default.

    Returns:
        A tensor with one row for each number up to the greatest index; rows that no index names
        are 0, and of equal indices the last one counts.

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: an index is negative (when run).

    Gradient: dy gathered by the indices.

    >>> print(tf.Session().run(tf.dynamic_stitch([[0, 2], [1]], [[10, 30], [20]])))
    [10 20 30]
    """
    return apply_op("DynamicStitch", list(indices), list(data), name=name)


# ------------------------------------------------------------------------------------ boolean_mask


@export("boolean_mask")
def boolean_mask(
    tensor: Any, mask: Any, name: str | None = "boolean_mask", axis: Any = None
) -> Tensor:
    """The parts of ``tensor`` where ``mask`` holds, one behind the other: ``tensor[mask]``.

    Args:
        tensor: a tensor.
        mask: bool, of known rank, of the shape of some neighbouring axes of ``tensor``.
        name: of the scope of the operations.
        axis: the first of those axes; 0 by default.

    Returns:
        A tensor in which the masked axes have become one.

    Raises:
        ValueError: the mask is a scalar, its rank is not known, or its shape does not fit.

    Gradient: dy back to where it came from, as IndexedSlices when ``axis`` is 0.

    >>> print(tf.Session().run(tf.boolean_mask([[1, 2], [3, 4], [5, 6]], [True, False, True])))
    [[1 2]
     [5 6]]
    """
    with name_scope(name, "boolean_mask", [tensor, mask]):
        tensor = convert_to_tensor(tensor, name="tensor")
        mask = convert_to_tensor(mask, name="mask")
        if mask.dims is None:
            raise ValueError(
                "boolean_mask: the rank of the mask must be known; give its placeholder a shape "
                "such as [None]"
            )
        width = len(mask.dims)
        if width == 0:
            raise ValueError("boolean_mask: the mask is a scalar; use tf.cond")
        place: Any = 0 if axis is None else constant_value(convert_to_tensor(axis))
        if place is None:
            raise ValueError("boolean_mask: axis must be known; give an int")
        place = int(place)
        if tensor.dims is not None:
            place = normalize_axis(place, len(tensor.dims))
            if not is_compatible(tensor.dims[place : place + width], mask.dims):
                raise ValueError(
                    call_message(
                        f"boolean_mask: a mask of shape {format_dims(mask.dims)} does not fit the "
                        f"axes from {place} on of {format_dims(tensor.dims)}",
                        [("tensor", tensor), ("mask", mask)],
                        fix="give the axis that the mask is about: axis=...",
                    )
                )
        elif place < 0 and width > 1:
            raise ValueError("boolean_mask: a negative axis needs a tensor of known rank")
        if width > 1:
            tensor = _joined_axes(tensor, place, width)
            mask = call.Reshape(mask, [-1])
        places = call.Squeeze(call.Where(mask), squeeze_dims=[1])
        return call.GatherV2(tensor, places, place)


def _joined_axes(x: Tensor, axis: int, width: int) -> Tensor:
    """``x`` with ``width`` axes from ``axis`` on made one."""
    if is_fully_known(x.dims):
        dims: Any = x.dims
        size = int(np.prod(dims[axis : axis + width], dtype=np.int64))
        return call.Reshape(x, np.array([*dims[:axis], size, *dims[axis + width :]], np.int32))
    sizes = call.Shape(x)
    joined = call.Prod(call.StridedSlice(sizes, [axis], [axis + width], [1]), [0])
    before = call.Slice(sizes, [0], [axis])
    behind = call.Slice(sizes, [axis + width], [-1])
    result = call.Reshape(x, call.ConcatV2([before, call.Reshape(joined, [1]), behind], 0))
    if x.dims is not None:
        result.set_shape([*x.dims[:axis], None, *x.dims[axis + width :]])
    return result
