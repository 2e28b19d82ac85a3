"""Conversions between dtypes: cast and its shorthands, saturate_cast.

Read next: arithmetic.py (dtypes never change by themselves).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import (
    BOOL,
    NUMERIC,
    DType,
    as_dtype,
    bool_,
    complex64,
    complex128,
    float32,
    float64,
    int32,
    int64,
    uint8,
)
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Loops,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import f32, i32, number, same_shape
from flowgraph.shapes import Dims, ShapeError, format_dims


def _cast_grad(op: Any, dy: Any) -> tuple[Any]:
    source, target = op.x.dtype.base_dtype, op.attrs["DstT"]
    if not source.is_integer and not target.is_integer and bool_ not in (source, target):
        return (call.Cast(dy, DstT=source),)
    return (None,)


def _cast_reference(call_: Call, x: Any) -> Any:
    target = call_.attrs["DstT"].np
    if x.dtype.kind == "c" and target.kind != "c":
        x = x.real  # also of bools: 1j becomes False, as in TensorFlow
    if x.dtype.kind == "f" and target.kind in "iu" and target.itemsize < 4:
        # NB: NumPy leaves floats outside the target's range to the C compiler.  By way of int32
        # small targets wrap, as they do in TensorFlow and in kernels.
        return x.astype(np.int32).astype(target)
    return x.astype(target)


define(
    "Cast",
    "x: SrcT -> y: DstT",
    SrcT=dtypes_of(NUMERIC | BOOL),
    DstT=dtypes_of(NUMERIC | BOOL),
    Truncate=False,
    infer=same_shape,
    kernel=Loops(lambda s, call_, x: s.cast(x, call_.attrs["DstT"].name), parts=True),
    grad=_cast_grad,
    reference=_cast_reference,
    samples=(
        sample(f32(3, 5), DstT=float64),
        sample(np.array([1.9, -1.9, 0.5, -0.5], np.float32), DstT=int32, differentiable=()),
        sample(np.array([300, -1, 5], np.int32), DstT=uint8),
        sample(np.array([0.0, 0.5, np.nan], np.float32), DstT=bool_, differentiable=()),
        sample(np.array([True, False]), DstT=float32),
        sample(f32(0, 2), DstT=int64, differentiable=()),
        sample(np.float32(2.5), DstT=int64, differentiable=()),
        sample(np.array([1 + 2j, -1j], np.complex64), DstT=complex128),
        sample(np.array([1 + 2j, -1j], np.complex64), DstT=float32),
        sample(np.array([1 + 2j, -1j], np.complex64), DstT=bool_),
        sample(i32([3, 4]), DstT=complex64),
    ),
    doc="``x`` as another dtype.  Gradient: dy cast back between floats, none through integers.",
)


@export("cast", "dtypes.cast")
def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """``x`` converted to ``dtype``.

    Floats lose their fraction (toward zero) on the way to integers, wide integers wrap into narrow
    ones, and anything but zero is True.

    Args:
        x: a tensor, SparseTensor or IndexedSlices; of the latter two the values are converted.
        dtype: what to convert to.
        name: of the operation; ``Cast`` by default.

    Returns:
        A tensor of the shape of ``x``; ``x`` itself when it has the dtype already.

    Raises:
        TypeError: there is no such dtype, or no conversion to it.

    Gradient: dy cast back, between floats; none through integers and bools.

    >>> tf.Session().run(tf.cast([1.8, -1.8], tf.int32))
    array([ 1, -1], dtype=int32)
    """
    target = as_dtype(dtype).base_dtype
    if isinstance(x, Tensor) and x.dtype is target:
        return x  # and no name is used up
    if isinstance(x, SparseTensor):
        return x._with_values(cast(x.values, target, name))
    if isinstance(x, IndexedSlices):
        return IndexedSlices(cast(x.values, target, name), x.indices, x.dense_shape)
    with name_scope(name, "Cast", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if x.dtype.base_dtype is target:
            return x
        return apply_op("Cast", x, DstT=target, name=scope)


def _shorthand(function_name: str, target: DType, default: str) -> Any:
    def function(x: Any, name: str = default) -> Any:
        return cast(x, target, name=name)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"``x`` as {target.name}: ``tf.cast(x, tf.{target.name})``."
    return export(function_name)(function)


to_float = _shorthand("to_float", float32, "ToFloat")
to_double = _shorthand("to_double", float64, "ToDouble")
to_int32 = _shorthand("to_int32", int32, "ToInt32")
to_int64 = _shorthand("to_int64", int64, "ToInt64")
to_complex64 = _shorthand("to_complex64", complex64, "ToComplex64")
to_complex128 = _shorthand("to_complex128", complex128, "ToComplex128")


@export("to_bfloat16")
def to_bfloat16(x: Any, name: str = "ToBFloat16") -> Any:
    """Refused: there is no bfloat16 here (NumPy has none); float16 and float32 are the nearest.

    Args:
        x: a tensor.
        name: of the operation.

    Raises:
        TypeError: always.
    """
    raise TypeError("to_bfloat16: there is no bfloat16 here; use tf.to_float or tf.float16")


def _bitcast_shape(call_: Call) -> list[Dims]:
    """A wider dtype takes the last axis in, a narrower one adds an axis."""
    dims, before, after = call_.shapes[0], call_.dtypes[0].size, call_.attrs["type"].size
    if dims is None:
        return [None]
    if before == after:
        return [dims]
    if before > after:
        return [(*dims, before // after)]
    many = after // before
    if not dims or dims[-1] not in (None, many):
        raise ShapeError(
            f"a {call_.attrs['type'].name} is made of {many} {call_.dtypes[0].base_dtype.name} "
            f"along the last axis, which shape {format_dims(dims)} has not"
        )
    return [dims[:-1]]


def _bitcast_reference(call_: Call, x: Any) -> Any:
    (shape,) = _bitcast_shape(call_)
    return np.ascontiguousarray(x).view(call_.attrs["type"].np).reshape(shape)


define(
    "Bitcast",
    "input: T -> output: type",
    T=dtypes_of(NUMERIC),
    type=dtypes_of(NUMERIC),
    infer=_bitcast_shape,
    kernel=Procedure(
        "copy_bytes(address(output), address(input), count)\nreturn 0\n",
        sizes=lambda call_: {"count": _byte_count(call_)},
        parts=True,
    ),
    grad=not_differentiable("bits have no slope"),
    reference=_bitcast_reference,
    samples=(
        sample(i32([1, -1, 2**30]), type=float32),
        sample(i32([[1, -1], [0, 7]]), type=int64),
        sample(i32([[1, -1], [0, 7]]), type=uint8),
        sample(i32(5), type=uint8),
        sample(i32(np.zeros((0, 2))), type=float64),
        sample(np.array([2**62, -1], np.int64), type=float64),
        sample(i32([[1, -1], [0, 7]]), type=complex64),
    ),
    errors=(
        error_sample(ValueError, "made of 2 int32", i32([1, 2, 3]), type=int64),
        error_sample(ValueError, "made of 4 int32", i32(1), type=complex128),
    ),
    doc="The same bytes read as another dtype.",
)


def _byte_count(call_: Call) -> int:
    return call_.dtypes[0].size * math.prod(call_.shapes[0])  # type: ignore[arg-type]


@export("bitcast")
def bitcast(input: Any, type: Any, name: str | None = None) -> Any:
    """The bytes of ``input`` read as elements of another dtype, without conversion.

    Args:
        input: a tensor of numbers.
        type: the dtype to read.  One that is n times wider joins the n elements of the last axis,
            which goes; a narrower one adds an axis.
        name: of the operation; ``Bitcast`` by default.

    Returns:
        A tensor of dtype ``type``; the lowest bytes of an element come first.

    Raises:
        ValueError: the last axis has another size than a wider dtype needs.
        TypeError: strings and bools have no such form.

    Gradient: none.

    >>> hex(tf.Session().run(tf.bitcast(1.0, tf.uint32)))
    '0x3f800000'
    """
    return apply_op("Bitcast", input, type=as_dtype(type).base_dtype, name=name)


@export("saturate_cast", "dtypes.saturate_cast")
def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Any:
    """``value`` converted to ``dtype``; what lies outside its range becomes its nearest limit.

    Args:
        value: a tensor of numbers; of complex ones the real part counts.
        dtype: what to convert to.
        name: of the operation; ``saturate_cast`` by default.

    Returns:
        A tensor of the shape of ``value``.

    >>> tf.Session().run(tf.saturate_cast([300.0, -5.0, 7.9], tf.uint8))
    array([255,   0,   7], dtype=uint8)
    """
    target = as_dtype(dtype).base_dtype
    with name_scope(name, "saturate_cast", [value]) as scope:
        value = convert_to_tensor(value, name="value")
        if value.dtype.is_complex:
            value = call.Real(value, Tout=value.dtype.base_dtype.real_dtype)
        source = value.dtype.base_dtype
        if target is not bool_ and not target.is_complex:
            lowest, highest = _limits(target)
            if _limits(source)[0] < lowest:
                value = call.Maximum(value, number(_within(source, lowest), value))
            if _limits(source)[1] > highest:
                value = call.Minimum(value, number(_within(source, highest), value))
        return cast(value, target, name=scope)


def _limits(dtype: DType) -> tuple[float, float]:
    """Least and greatest number as Python's, whose integers and floats compare exactly."""
    return np.asarray(dtype.min).item(), np.asarray(dtype.max).item()


def _within(source: DType, limit: float) -> Any:
    """The number of ``source`` nearest to ``limit`` on the side of zero.

    NB: 2**31 - 1 rounds up to 2**31 as a float32, which no int32 holds.
    """
    nearest = source.np.type(limit)
    if source.is_floating and abs(nearest.item()) > abs(limit):
        nearest = np.nextafter(nearest, source.np.type(0))
    return nearest
