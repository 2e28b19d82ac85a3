"""Sequences of numbers: range, linspace; and the identity matrix, eye.

Read next: constants.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, REAL, DType, as_dtype, float32, float64, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Loops,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32, invalid, output_domain, require_rank, size_vector
from flowgraph.shapes import Dims, ShapeError


def _range_size(start: Any, limit: Any, delta: Any) -> int:
    """ceil((limit - start) / delta) of NumPy scalars; ShapeError for steps that lead nowhere."""
    if delta == 0:
        raise ShapeError("delta must not be 0")
    if (limit < start) if delta > 0 else (limit > start):
        order, sign = ("<=", ">") if delta > 0 else (">=", "<")
        raise ShapeError(
            f"start {start} {order} limit {limit} is required when delta {sign} 0 (it is {delta})"
        )
    if delta.dtype.kind == "f":
        return int(np.ceil((limit - start) / delta))
    return -((start.item() - limit.item()) // delta.item())


def _range_infer(call_: Call) -> list[Dims]:
    values = []
    for i, argument in enumerate(("start", "limit", "delta")):
        require_rank(call_.shapes[i], 0, argument)
        values.append(call_.value(i))
    if any(value is None for value in values):
        return [(None,)]
    return [(_range_size(*(value[()] for value in values)),)]  # type: ignore[index]


def _range_reference(call_: Call, start: Any, limit: Any, delta: Any) -> Any:
    try:
        size = _range_size(start[()], limit[()], delta[()])
    except ShapeError as error:
        raise invalid(error.headline) from None
    return start + np.arange(size).astype(start.dtype) * delta


define(
    "Range",
    "start: Tidx, limit: Tidx, delta: Tidx -> output: Tidx",
    Tidx=dtypes_of(REAL, int32),
    infer=_range_infer,
    kernel=Loops(
        lambda s, call_, start, delta: start + s.cast(s.index(0), start.dtype) * delta,
        domain=output_domain,
        reads=(0, 2),
    ),
    grad=not_differentiable("its size depends on its inputs"),
    reference=_range_reference,
    samples=(
        sample(np.int32(3), np.int32(18), np.int32(3), const=(0, 1, 2)),
        sample(np.int32(5), np.int32(-2), np.int32(-2), const=(0, 1, 2)),
        sample(np.float32(0), np.float32(1), np.float32(0.3), const=(0, 1, 2)),
        sample(np.int32(4), np.int32(4), np.int32(1), const=(0, 1, 2)),
    ),
    errors=(
        error_sample(ValueError, "delta must not be 0", i32(0), i32(5), i32(0), const=(0, 1, 2)),
        error_sample(ValueError, "start 5 <= limit 0", i32(5), i32(0), i32(1), const=(0, 1, 2)),
        error_sample(Exception, "delta must not be 0", i32(0), i32(5), i32(0), stage="run"),
    ),
    doc="Numbers from ``start`` in steps of ``delta`` that stop before ``limit``.",
)

_RANGE_ORDER = (int32, int64, float32, float64)


@export("range")
def range(
    start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = "range"
) -> Tensor:
    """Numbers from ``start`` in steps of ``delta`` that stop before ``limit``.

    Args:
        start: the first number; with ``limit`` left out, the limit, and the first number is 0.
        limit: the bound, itself left out.
        delta: the step, which may be negative.
        dtype: of the result; by default the widest of the arguments' dtypes.
        name: of the operation.

    Returns:
        A vector of ceil((limit - start) / delta) numbers.

    Raises:
        ValueError: delta is 0, or leads away from the limit.

    Gradient: none.

    >>> tf.Session().run(tf.range(3, 18, 3))
    array([ 3,  6,  9, 12, 15], dtype=int32)
    """
    if limit is None:
        start, limit = 0, start
    with name_scope(name, "range", [start, limit, delta]) as scope:
        given = {"start": start, "limit": limit, "delta": delta}
        wanted = None if dtype is None else as_dtype(dtype).base_dtype
        tensors = {
            k: convert_to_tensor(v, None if isinstance(v, Tensor) else wanted, k)
            for k, v in given.items()
        }
        if wanted is None:
            wanted = _widest([t.dtype.base_dtype for t in tensors.values()])
        cast = [
            t if t.dtype.base_dtype is wanted else call.Cast(t, DstT=wanted)
            for t in tensors.values()
        ]
        return apply_op("Range", *cast, name=scope)


def _widest(dtypes: list[DType]) -> DType:
    if all(dtype in _RANGE_ORDER for dtype in dtypes):
        return max(dtypes, key=_RANGE_ORDER.index)
    return dtypes[0]


def _linspace_infer(call_: Call) -> list[Dims]:
    for i, argument in enumerate(("start", "stop", "num")):
        require_rank(call_.shapes[i], 0, argument)
    count = call_.value(2)
    if count is None:
        return [(None,)]
    if count <= 0:
        raise ShapeError(f"num must be positive, not {count}")
    return [(int(count),)]


def _linspace_kernel(s: Any, call_: Call, start: Any, stop: Any, num: Any) -> Any:
    last = s.cast(num, "int64") - 1
    step = (stop - start) / s.cast(s.max(last, 1), start.dtype)
    index = s.index(0)
    # The end point exactly, whatever the rounding of step; for one number the start wins.
    at_end = s.eq(index, last) & s.gt(last, 0)
    return s.select(at_end, stop, start + s.cast(index, start.dtype) * step)


def _linspace_reference(call_: Call, start: Any, stop: Any, num: Any) -> Any:
    if num <= 0:
        raise invalid(f"num must be positive, not {num}")
    step = (stop - start) / np.asarray(max(int(num) - 1, 1), start.dtype)
    result = start + np.arange(int(num)).astype(start.dtype) * step
    if num > 1:
        result[-1] = stop
    return result


define(
    "LinSpace",
    "start: T, stop: T, num: Tidx -> output: T",
    T=dtypes_of(FLOAT),
    Tidx=dtypes_of(INDEX, int32),
    infer=_linspace_infer,
    kernel=Loops(_linspace_kernel, domain=output_domain),
    grad=not_differentiable("TensorFlow defines none"),
    reference=_linspace_reference,
    samples=(
        sample(np.float32(10), np.float32(12), np.int32(3), const=(2,), differentiable=()),
        sample(np.float32(1), np.float32(-2), np.int32(7), const=(2,), differentiable=()),
        sample(np.float32(5), np.float32(6), np.int32(1), const=(2,), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "num must be positive, not 0", f32(), f32(), i32(0), const=(2,)),
    ),
    doc="``num`` numbers from ``start`` to ``stop``, both included, at equal distances.",
)


@export("linspace", "lin_space")
def linspace(start: Any, stop: Any, num: Any, name: str | None = None) -> Tensor:
    """``num`` numbers from ``start`` to ``stop``, both included, at equal distances.

    Args:
        start: the first number, float.
        stop: the last number; ignored when ``num`` is 1.
        num: how many, at least 1.
        name: of the operation; ``LinSpace`` by default.

    Raises:
        ValueError: ``num`` is not positive.

    Gradient: none.

    >>> tf.Session().run(tf.linspace(10.0, 12.0, 3))
    array([10., 11., 12.], dtype=float32)
    """
    return apply_op("LinSpace", start, stop, num, name=name)


@export("eye", "linalg.eye")
def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = float32,
    name: str | None = None,
) -> Tensor:
    """The identity matrix: ones on the diagonal, zeros beside it.

    Args:
        num_rows: number of rows.
        num_columns: number of columns; as many as rows by default.
        batch_shape: leading axes along which the matrix is repeated.
        dtype: of the matrix.
        name: of the operations; ``eye`` by default.

    Returns:
        A tensor of shape batch_shape + [num_rows, num_columns].

    Gradient: none.

    >>> tf.Session().run(tf.eye(2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """
    dtype = as_dtype(dtype).base_dtype
    columns = num_rows if num_columns is None else num_columns
    with name_scope(name, "eye", [num_rows, num_columns, batch_shape]) as scope:
        on, off = (make_constant(np.array(v, dtype.np), n) for v, n in ((1, "on"), (0, "off")))
        named = scope if batch_shape is None else None
        matrix = apply_op("OneHot", range(num_rows), columns, on, off, name=named)
        if batch_shape is None:
            return matrix
        batch = convert_to_tensor(size_vector(batch_shape), int32, "batch_shape")
        shape = call.ConcatV2([batch, call.Shape(matrix)], 0)
        return apply_op("BroadcastTo", matrix, shape, name=scope)
