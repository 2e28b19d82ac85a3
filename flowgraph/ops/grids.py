"""Tensors made of index arithmetic: meshgrid, repeat, sequence_mask, unravel_index.

Read next: sequences.py (range), gathering.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, as_dtype, bool_, int32
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
from flowgraph.graph.static import constant_value
from flowgraph.ops.reductions import every_axis
from flowgraph.ops.rules import i32, invalid, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError, format_dims, is_fully_known, normalize_axis

# ---------------------------------------------------------------------------------- unravel_index

#: Coordinates from the last to the first; what is left of the number must be 0.
_UNRAVEL = """
for d in range(rank):
    if load(dims, d) <= {Tidx}(0):
        return 3
for i in range(n):
    rest = load(indices, i)
    if rest < {Tidx}(0):
        return 2
    for j in range(rank):
        d = rank - 1 - j
        store(output, d * n + i, rest % load(dims, d))
        rest = rest // load(dims, d)
    if rest != {Tidx}(0):
        return 2
return 0
"""


def _unravel_infer(call_: Call) -> list[Dims]:
    indices, (rank,) = call_.shapes[0], require_rank(call_.shapes[1], 1, "dims")
    if indices is not None and len(indices) > 1:
        raise ShapeError(f"indices must be a number or a vector, not {format_dims(indices)}")
    return [None if indices is None else (rank, *indices)]


def _unravel_sizes(call_: Call) -> Mapping[str, int]:
    (rank, *n) = call_.out_shapes[0]  # type: ignore[misc]
    return {"rank": rank, "n": n[0] if n else 1}  # type: ignore[dict-item]


def _unravel_reference(call_: Call, indices: Any, dims: Any) -> Any:
    if (dims <= 0).any():
        raise invalid(f"dims must be positive: {dims.tolist()}")
    size = int(np.prod(dims, dtype=np.int64))
    wrong = np.flatnonzero((indices < 0) | (indices >= size))
    if wrong.size:
        value = indices.reshape(-1)[wrong[0]]
        raise invalid(f"index {value} is not in [0, {size}), the elements of {dims.tolist()}")
    shape = (dims.size, *indices.shape)
    if not dims.size or not indices.size:
        return np.zeros(shape, indices.dtype)
    return np.array(np.unravel_index(indices, tuple(dims.tolist())), indices.dtype).reshape(shape)


define(
    "UnravelIndex",
    "indices: Tidx, dims: Tidx -> output: Tidx",
    Tidx=dtypes_of(INDEX, int32),
    infer=_unravel_infer,
    kernel=Procedure(_UNRAVEL, sizes=_unravel_sizes),
    grad=not_differentiable("its elements are indices"),
    reference=_unravel_reference,
    samples=(
        sample(i32([22, 41, 37]), i32([7, 6])),
        sample(np.array(1621), np.array([6, 7, 8, 9]), const=(1,)),
        sample(i32([]), i32([3, 2])),
        sample(i32([0, 0]), i32([])),
    ),
    errors=(
        error_sample(ValueError, "indices must be a number or a vector", i32([[1]]), i32([2])),
        error_sample(Exception, r"index 42 is not in \[0, 42\)|index out of range",
                     i32([0, 42]), i32([7, 6]), stage="run"),
        error_sample(Exception, "dims must be positive|invalid argument",
                     i32([0]), i32([7, 0]), stage="run"),
    ),
    doc="The coordinates of elements numbered through in row-major order, one column each.",
)  # fmt: skip


@export("unravel_index")
def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Tensor:
    """The coordinates of elements of a tensor of shape ``dims``, given by their numbers.

    indices[i] = sum over d of output[d, i] * product of dims[d + 1:]

    Args:
        indices: int32 or int64: numbers in row-major order; a vector or one number.
        dims: a vector of their dtype: the shape that they number.
        name: of the operation; ``UnravelIndex`` by default.

    Returns:
        A tensor of shape [dims.size] + indices.shape.

    Raises:
        ValueError: ``indices`` has more than one axis.
        InvalidArgumentError: a number is out of range, or a size not positive (when run).

    Gradient: none.

    >>> print(tf.Session().run(tf.unravel_index([2, 5, 7], [3, 3])))
    [[0 1 2]
     [2 2 1]]
    """
    return apply_op("UnravelIndex", indices, dims, name=name)


# --------------------------------------------------------------------------------------- meshgrid


@export("meshgrid")
def meshgrid(*args: Any, **kwargs: Any) -> list[Tensor]:
    """The coordinates of a grid, one tensor for each of its axes.

    ij:  y[k][i_0, ..., i_n] = args[k][i_k]
    xy:  the same with the first two axes of the results swapped, as plots count them

    Args:
        args: n vectors of numbers; those of other ranks are read as vectors.
        kwargs: ``indexing``, "xy" (the default) or "ij", and ``name`` of the scope of the
            operations.

    Returns:
        A list of n tensors of n axes.

    Raises:
        ValueError: ``indexing`` is another.   TypeError: an unknown keyword.

    Gradient: dy summed over the other axes.

    >>> x, y = tf.Session().run(tf.meshgrid([1, 2, 3], [4, 5]))
    >>> print(x)
    [[1 2 3]
     [1 2 3]]
    >>> print(y)
    [[4 4 4]
     [5 5 5]]
    """
    indexing = kwargs.pop("indexing", "xy")
    name = kwargs.pop("name", "meshgrid")
    if kwargs:
        raise TypeError(f"meshgrid: unknown argument {next(iter(kwargs))!r}")
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    if not args:
        return []
    with name_scope(name, "meshgrid", list(args)):
        count = len(args)
        axes = list(range(count))
        if indexing == "xy" and count > 1:
            axes[:2] = 1, 0
        lined = []
        for axis, arg in zip(axes, args, strict=True):
            lined.append(call.Reshape(arg, [-1 if a == axis else 1 for a in range(count)]))
        order = np.argsort(axes)
        if all(is_fully_known(x.dims) for x in lined):
            sizes: Any = np.array([lined[k].dims[a] for a, k in enumerate(order)], np.int32)
        else:
            sizes = call.Pack([call.Size(lined[k]) for k in order])
        return [call.BroadcastTo(x, sizes) for x in lined]


# ----------------------------------------------------------------------------------------- repeat


@export("repeat")
def repeat(input: Any, repeats: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """Every element along an axis repeated, one behind the other.

    ``np.repeat``; ``tf.tile`` repeats the whole.

    Args:
        input: a tensor.
        repeats: an integer: how often; or a vector with a number for each element along ``axis``.
            Negative ones count as 0.
        axis: along which; by default ``input`` is read as a vector.
        name: of the scope of the operations; ``Repeat`` by default.

    Returns:
        A tensor with sum(repeats) elements along ``axis``.

    Raises:
        ValueError: ``repeats`` does not fit, or ``axis`` is out of range.
        TypeError: ``axis`` is no int.

    Gradient: dy summed over the copies.

    >>> print(tf.Session().run(tf.repeat(["a", "b", "c"], [3, 0, 2])))
    [b'a' b'a' b'a' b'c' b'c']
    >>> print(tf.Session().run(tf.repeat([[1, 2], [3, 4]], 2, axis=1)))
    [[1 1 2 2]
     [3 3 4 4]]
    """
    with name_scope(name, "Repeat", [input, repeats]):
        data = convert_to_tensor(input, name="input")
        times = convert_to_tensor(repeats, name="repeats")
        if not times.dtype.is_integer:
            raise TypeError(f"repeat: repeats must be integers, not {times.dtype.name}")
        if times.dims is not None and len(times.dims) > 1:
            raise ValueError(
                f"repeat: repeats must be a number or a vector, not {format_dims(times.dims)}"
            )
        if axis is None:
            data, axis = call.Reshape(data, [-1]), 0
        if not isinstance(axis, (int, np.integer)):
            raise TypeError(f"repeat: axis must be an int, not {axis!r}")
        axis = int(axis)
        if data.dims is not None:
            axis = normalize_axis(axis, len(data.dims))
            count = data.dims[axis]
            given = times.dims[0] if times.dims else 1
            if None not in (count, given) and given not in (1, count):
                raise ValueError(f"repeat: {given} repeats for {count} elements along axis {axis}")
        elif axis < 0:
            raise ValueError("repeat: a negative axis needs an input of known rank")
        if times.dims in ((), (1,)) and data.dims is not None:
            return _equally_often(data, call.Reshape(times, []), axis)
        return call.GatherV2(data, _repeated(data, times, axis), axis)


def _equally_often(data: Tensor, times: Tensor, axis: int) -> Tensor:
    """A copy along a new axis behind ``axis``, which then become one."""
    assert data.dims is not None
    times = call.Maximum(times, call.ZerosLike(times))
    times = times if times.dtype is int32 else call.Cast(times, DstT=int32)
    known = constant_value(times)
    ones: list[Any] = [1] * len(data.dims)
    each = times if known is None else int(known)

    def vector(sizes: list[Any]) -> Any:
        return call.Pack(sizes) if known is None else np.array(sizes, np.int32)

    copies = call.Tile(
        call.ExpandDims(data, axis + 1), vector([*ones[: axis + 1], each, *ones[axis + 1 :]])
    )
    return call.Reshape(copies, shape_of(data) * vector([*ones[:axis], each, *ones[axis + 1 :]]))


def _repeated(data: Tensor, times: Tensor, axis: int) -> Tensor:
    """The number of every element along ``axis``, as often as ``times`` says."""
    count = _size_along(data, axis)
    times = call.Maximum(times, call.ZerosLike(times))
    if times.dtype is not int32:
        times = call.Cast(times, DstT=int32)
    ends = call.Cumsum(call.BroadcastTo(times, call.Reshape(count, [1])), 0)
    total = call.Sum(call.BroadcastTo(times, call.Reshape(count, [1])), [0])
    # Element number j of the result lies before the end of the repetitions of its source, and
    # not before the end of those of the one ahead.
    places = call.Range(0, total, 1)
    found = call.UpperBound(call.ExpandDims(ends, 0), call.ExpandDims(places, 0))
    return call.Squeeze(found, squeeze_dims=[0])


def _size_along(x: Tensor, axis: int) -> Tensor:
    if x.dims is not None and x.dims[axis] is not None:
        return convert_to_tensor(np.array(x.dims[axis], np.int32))
    return call.GatherV2(shape_of(x), axis, 0)


# ---------------------------------------------------------------------------------- sequence_mask


@export("sequence_mask")
def sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: Any = bool_, name: str | None = None
) -> Tensor:
    """Which steps of sequences padded to one length are part of them.

    y[..., j] = j < lengths[...]

    Args:
        lengths: integers of any shape.
        maxlen: a scalar: steps of the result; the greatest of ``lengths`` by default.
        dtype: of the result, in which True is 1.
        name: of the scope of the operations; ``SequenceMask`` by default.

    Returns:
        A tensor of shape lengths.shape + [maxlen].

    Raises:
        ValueError: ``maxlen`` is no scalar.

    Gradient: none.

    >>> print(tf.Session().run(tf.sequence_mask([1, 3, 2], dtype=tf.int32)))
    [[1 0 0]
     [1 1 1]
     [1 1 0]]
    """
    with name_scope(name, "SequenceMask", [lengths, maxlen]):
        lengths = convert_to_tensor(lengths)
        if maxlen is None:
            # NB: the maximum of none is the lowest number
            maxlen = _greatest(lengths)
        else:
            maxlen = convert_to_tensor(maxlen)
            if maxlen.dims not in ((), None):
                raise ValueError(
                    f"sequence_mask: maxlen must be a scalar, not of shape "
                    f"{format_dims(maxlen.dims)}"
                )
        one, zero = (np.array(n, maxlen.dtype.np) for n in (1, 0))
        steps = call.Range(zero, maxlen, one)
        lengths = call.ExpandDims(lengths, -1)
        if lengths.dtype is not maxlen.dtype:
            lengths = call.Cast(lengths, DstT=maxlen.dtype)
        mask = call.Less(steps, lengths)
        wanted = as_dtype(dtype if dtype is not None else bool_).base_dtype
        return mask if wanted is bool_ else call.Cast(mask, DstT=wanted)


def _greatest(lengths: Tensor) -> Tensor:
    """The greatest of ``lengths``, or 0; a constant where they are known."""
    known = constant_value(lengths)
    if known is not None:
        return convert_to_tensor(np.array(max(0, int(known.max(initial=0))), known.dtype))
    greatest = call.Max(lengths, every_axis(lengths))
    return call.Maximum(greatest, call.ZerosLike(greatest))
