"""What op records share: inference rules, the gradient of broadcasting, messages, sample arrays.

Files of records import this module and graph/, never one another: a gradient reaches other ops
with ``call.Mul(a, b)``.  Files that only compose (norms.py, losses.py, checks.py, operators.py)
may import them.

Read next: elementwise.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call
from flowgraph.shapes import (
    Dims,
    ShapeError,
    broadcast_all,
    format_dims,
    is_fully_known,
    merge,
    normalize_axis,
    with_rank,
)
from flowgraph.tensor_shape import as_dims

# ---------------------------------------------------------------------------------- inference rules


def same_shape(call_: Call) -> list[Dims]:
    """One output of the shape of input 0."""
    return [call_.shapes[0]]


def broadcast_shape(call_: Call) -> list[Dims]:
    """One output of the broadcast shape of all inputs."""
    return [broadcast_all(call_.shapes)]


def merged_shape(call_: Call) -> list[Dims]:
    """One output; all inputs must have its shape."""
    return [merge_all(call_.shapes)]


def scalar_shape(call_: Call) -> list[Dims]:
    """One rank-0 output."""
    return [()]


def merge_all(shapes: Sequence[Dims]) -> Dims:
    """What is known of the shape that all ``shapes`` are; ShapeError when they differ."""
    result = shapes[0]
    for dims in shapes[1:]:
        result = merge(result, dims)
    return result


def require_rank(dims: Dims, rank: int, what: str) -> tuple[int | None, ...]:
    """``dims`` (all unknown when its rank is); ShapeError ``<what> must have rank <rank>``."""
    if dims is not None and len(dims) != rank:
        kind = {0: "a scalar", 1: "a vector", 2: "a matrix"}.get(rank, f"of rank {rank}")
        raise ShapeError(f"{what} must be {kind}, not of shape {format_dims(dims)}")
    return with_rank(dims, rank)


def require_rank_at_least(dims: Dims, rank: int, what: str) -> None:
    """ShapeError when ``dims`` is known to have fewer axes."""
    if dims is not None and len(dims) < rank:
        raise ShapeError(f"{what} must have at least {rank} axes, not shape {format_dims(dims)}")


def known_axis(call_: Call, i: int, rank: int | None, what: str = "axis") -> int | None:
    """Input ``i``, a scalar axis, counted from the front; None when it or the rank is not known."""
    value = call_.value(i)
    if value is None or rank is None:
        return None
    if value.size != 1:
        raise ShapeError(f"{what} must be one number, not of shape {format_dims(value.shape)}")
    return normalize_axis(int(value.reshape(())), rank, what)


def output_domain(call_: Call) -> tuple[int, ...]:
    """The shape of output 0: the loops of an op that fills it."""
    return call_.out_shapes[0]  # type: ignore[return-value]


def divided(size: int | None, by: int, what: str) -> int | None:
    """``size / by``; ShapeError ``<what> of <size> elements`` when that is no whole number."""
    if size is not None and size % by:
        raise ShapeError(f"{what} of {size} elements is not evenly divisible by {by}")
    return None if size is None else size // by


def concrete(dims: Dims) -> tuple[int, ...]:
    """``dims`` where every size is known."""
    assert is_fully_known(dims)
    return dims  # type: ignore[return-value]


def size_vector(shape: Any) -> Any:
    """``shape`` as apply_op takes it: a tensor, or a vector of int32 (int64 where needed)."""
    if isinstance(shape, Tensor):
        return shape
    try:
        dims = as_dims(shape)
    except (TypeError, ValueError):
        return shape  # holds tensors, or is wrong: conversion tells
    if dims is None or None in dims:
        raise ValueError(f"shape {format_dims(dims)} must be known completely; use tf.shape(x)")
    wide = any(size > np.iinfo(np.int32).max for size in dims)  # type: ignore[operator]
    return np.array(dims, np.int64 if wide else np.int32)


def only_one(value: np.ndarray[Any, Any], what: str) -> int:
    """The single element of ``value``; InvalidArgumentError when it has more."""
    if value.size != 1:
        raise invalid(f"{what} must be one number, not of shape {list(value.shape)}")
    return int(value.reshape(()))


def one_name(function: str, **given: Any) -> Any:
    """The value of an argument that has several names, of which at most one is given.

    Raises:
        ValueError: more than one is.
    """
    values = {key: value for key, value in given.items() if value is not None}
    if len(values) > 1:
        raise ValueError(f"{function}: {' and '.join(values)} mean the same, give only one of them")
    return next(iter(values.values()), None)


# ---------------------------------------------------------------------------------------- messages


def invalid(headline: str) -> InvalidArgumentError:
    """What a reference raises for values that do not suit; the executor adds op and line."""
    return InvalidArgumentError(None, None, headline)


# ------------------------------------------------------------------------ gradient of broadcasting


def sum_to(dx: Tensor, x: Tensor, *others: Tensor, trailing: int = 0) -> Tensor:
    """``dx``, of the broadcast shape of ``x`` and ``others``, summed back to the shape of ``x``.

    y[i, j] = x[j] + z[i, j]  =>  dx[j] = sum_i dy[i, j]

    The last ``trailing`` axes did not broadcast and are left alone (those of matrices).  Static
    sizes decide which axes are summed; only when they do not suffice is the decision left to the
    run (BroadcastGradientArgs), where specialisation folds it.
    """
    axes = _broadcast_axes(*(_leading(t.dims, trailing) for t in (x, *others)))
    if axes is None:
        shapes = [call.Shape(t) for t in (x, *others)]
        leading = [s[:-trailing] for s in shapes] if trailing else shapes
        combined = leading[1]
        for shape in leading[2:]:
            combined = call.BroadcastArgs(combined, shape)
        summed, _ = call.BroadcastGradientArgs(leading[0], combined)
        return call.Reshape(call.Sum(dx, summed), shapes[0])
    added, stretched = axes
    if not added and not stretched:
        return dx
    if not stretched:
        return call.Sum(dx, constant_axes(added))
    result = call.Sum(dx, constant_axes((*added, *stretched)), keep_dims=True)
    return call.Squeeze(result, squeeze_dims=list(added)) if added else result


def _leading(dims: Dims, trailing: int) -> Dims:
    return dims if dims is None else dims[: len(dims) - trailing]


def _broadcast_axes(dims: Dims, *others: Dims) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Axes of the result that ``dims`` lacks, and those it has with size 1 but the result has not.

    None when static sizes do not tell.
    """
    try:
        other = broadcast_all(others)
    except ShapeError:
        return None
    if dims is None or other is None:
        return None
    if dims == other and None not in dims:
        return (), ()
    rank = max(len(dims), len(other))
    added = rank - len(dims)
    stretched = []
    for axis in range(added, rank):
        size = dims[axis - added]
        place = axis - (rank - len(other))
        against = other[place] if place >= 0 else 1
        if against == 1 or (size is not None and size != 1):
            continue
        if size is None or against is None:
            return None
        stretched.append(axis)
    return tuple(range(added)), tuple(stretched)


def constant_axes(axes: Sequence[int]) -> Tensor:
    """An int32 vector constant."""
    return call.Const(value=np.array(axes, np.int32), dtype=int32)


def number(value: float, like: Tensor) -> Tensor:
    """A scalar constant of the dtype of ``like``."""
    dtype = like.dtype.base_dtype
    return call.Const(value=np.array(value, dtype.np), dtype=dtype)


def conjugate_of(x: Tensor) -> Tensor:
    """``x``, conjugated where it is complex."""
    return call.Conj(x) if x.dtype.base_dtype.is_complex else x


def of_one_dtype(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors; a plain value takes the dtype of a tensor beside it."""
    if hasattr(b, "dtype") and not hasattr(a, "dtype"):
        b = convert_to_tensor(b, name="b")
        return convert_to_tensor(a, dtype=b.dtype.base_dtype, name="a"), b
    a = convert_to_tensor(a, name="a")
    return a, convert_to_tensor(b, dtype_hint=a.dtype.base_dtype, name="b")


def shape_of(x: Tensor) -> Tensor:
    """The shape of ``x`` as an int32 vector: a constant when it is known."""
    if is_fully_known(x.dims):
        return constant_axes(x.dims)  # type: ignore[arg-type]
    return call.Shape(x)


# ------------------------------------------------------------------------------------ sample arrays


@cache
def f32(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray[Any, Any]:
    """A float32 array for samples: numbers spread over [low, high), in scrambled order.

    No two are equal and none lies within 1e-3 of 0, so that finite differences see no tie or kink.
    """
    count = int(np.prod(shape, dtype=np.int64))
    order = (np.arange(count) * 7919 + 104729 * (seed + 1)) % 1009 / 1009.0
    values = low + (high - low) * (order + 1e-4 * np.arange(count) / max(count, 1))
    values = np.where(np.abs(values) < 1e-3, values + 0.01, values)
    result = values.astype(np.float32).reshape(shape)
    result.setflags(write=False)  # many samples share it
    return result


def i32(values: Any) -> np.ndarray[Any, Any]:
    """An int32 array for samples."""
    return np.array(values, np.int32)
