"""Arithmetic of two tensors with broadcasting: +, -, *, the divisions, pow, min and max; add_n.

Dtypes never promote: both inputs have one dtype.  Division has five forms::

    realdiv   x / y                      truncatediv   toward zero     floordiv   toward -infinity
    truediv   ints become floats first   truncatemod   sign of x       floormod   sign of y

Read next: operators.py (``a + b``), comparison.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import (
    COMPLEX,
    FLOAT,
    INT,
    NUMERIC,
    REAL,
    SIGNED,
    STRING,
    as_dtype,
    float32,
    float64,
)
from flowgraph.errors import STATUS_DIVISION_BY_ZERO, STATUS_INVALID_ARGUMENT
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    define,
    dtypes_of,
    elementwise,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.kernel.scalar import FLOATS
from flowgraph.ops.factories import (
    BY_ZERO,
    COMPLEX_PAIR,
    DIVISIBLE,
    INF,
    INTEGERS,
    NAN,
    PAIRS,
    binary,
)
from flowgraph.ops.rules import conjugate_of, f32, i32, invalid, merge_all, number
from flowgraph.tensor_shape import as_dims

# ------------------------------------------------------------------------- sums and products

_add_doc = "``x + y``.  Gradient: dz to both.  Strings are joined."
add = binary(
    "Add", "add", "math.add",
    doc=_add_doc,
    kernel=lambda s, x, y: x + y,
    grad=lambda op, dz: (dz, dz),
    reference=np.add,
    samples=(COMPLEX_PAIR, *PAIRS, sample(i32([1, 2]), i32(3)), sample(
        np.array([b"a", b"b"], object), np.array(b"c", object))),
    dtypes=REAL | STRING | COMPLEX,
)  # fmt: skip

binary(
    "AddV2",
    doc="``x + y``: what the operator ``+`` makes.  Gradient: dz to both.",
    kernel=lambda s, x, y: x + y,
    grad=lambda op, dz: (dz, dz),
    reference=np.add,
    samples=(COMPLEX_PAIR, *PAIRS, sample(np.array([200], np.uint8), np.array([100], np.uint8))),
    dtypes=NUMERIC,
)

subtract = binary(
    "Sub", "subtract", "math.subtract",
    doc="``x - y``.  Gradient: dz to x, -dz to y.",
    kernel=lambda s, x, y: x - y,
    grad=lambda op, dz: (dz, call.Neg(dz)),
    reference=np.subtract,
    dtypes=NUMERIC,
    samples=(*PAIRS, COMPLEX_PAIR),
)  # fmt: skip

multiply = binary(
    "Mul", "multiply", "math.multiply",
    doc="``x * y``, element by element.  Gradient: dz * y to x, dz * x to y.",
    kernel=lambda s, x, y: x * y,
    grad=(lambda op, dz: dz * op.y, lambda op, dz: op.x * dz),
    reference=np.multiply,
    dtypes=NUMERIC,
    samples=(*PAIRS, COMPLEX_PAIR),
)  # fmt: skip

def _squared_difference_grad(op: Any, dz: Any) -> tuple[Any, Any]:
    # NB: (x - y) conj(x - y) is not holomorphic: of complex numbers it is 2 (x - y) dz, without a
    # conjugate (binary() takes that of dz before and of this after)
    dx = conjugate_of(2 * (conjugate_of(dz) * (op.x - op.y)))
    return dx, call.Neg(dx)


def _squared_difference_kernel(s: Any, x: Any, y: Any) -> Any:
    difference = x - y
    if difference.dtype in COMPLEX:
        return difference * s.op("conj", difference)
    return difference * difference


def _square_of_size(x: Any) -> Any:
    return (x * np.conj(x)).real.astype(x.dtype)


squared_difference = binary(
    "SquaredDifference", "squared_difference", "math.squared_difference",
    doc="``(x - y)**2``.  Gradient: 2 (x - y) dz to x, its negative to y.",
    kernel=_squared_difference_kernel,
    grad=_squared_difference_grad,
    reference=lambda x, y: np.square(x - y) if x.dtype.kind != "c" else _square_of_size(x - y),
    dtypes=FLOAT | frozenset(("int32", "int64")) | COMPLEX,
    samples=(*PAIRS, COMPLEX_PAIR),
)  # fmt: skip

# ---------------------------------------------------------------------------------- divisions


def _divisor(s: Any, y: Any) -> Any:
    """Integer ``y`` made safe to divide by: zero is reported, and -1 is left to the caller.

    NB: the hardware traps on a zero divisor and on (lowest integer) / -1.
    """
    ok = s.ne(y, 0)
    s.require(ok, STATUS_DIVISION_BY_ZERO)
    if y.dtype.startswith("int"):
        ok = ok & s.ne(y, -1)
    return s.select(ok, y, 1)


def _quotient(divide: str) -> Callable[..., Any]:
    def body(s: Any, x: Any, y: Any) -> Any:
        if x.dtype in FLOATS or x.dtype in COMPLEX:
            return s.floor(x / y) if divide == "floordiv" else x / y
        if divide == "truncdiv" and x.dtype.startswith("uint"):
            return s.floordiv(x, _divisor(s, y))
        quotient = getattr(s, divide)(x, _divisor(s, y))
        # x / -1 = -x, which wraps for the lowest integer as every other operation does.
        return s.select(s.eq(y, -1), -x, quotient) if x.dtype.startswith("int") else quotient

    return body


def _remainder(modulo: str) -> Callable[..., Any]:
    def body(s: Any, x: Any, y: Any) -> Any:
        # x mod -1 = x mod 1 = 0
        return getattr(s, modulo)(x, y if x.dtype in FLOATS else _divisor(s, y))

    return body


def _nonzero(divide: Callable[..., Any]) -> Callable[..., Any]:
    """``divide(x, y)`` that refuses integer zeros."""

    def checked(x: Any, y: Any) -> Any:
        if y.dtype.kind in "iu" and not np.all(y) and np.broadcast(x, y).size:
            raise invalid("integer division by zero")
        return divide(x, y)

    return checked


def _truncated_quotient(x: Any, y: Any) -> Any:
    # np.fmod is the remainder toward zero, so the division below leaves nothing over.
    return x / y if x.dtype.kind in "fc" else (x - np.fmod(x, y)) // y


def _real_div_grad(op: Any, dz: Any) -> tuple[Any, Any]:
    # d(x / y)/dy = -x / y^2 = -z / y
    return dz / op.y, dz * (call.Neg(op.x) / op.y / op.y)


_NO_FLOOR = not_differentiable("the quotient is rounded: its slope is zero wherever it has one")

realdiv = binary(
    "RealDiv", "realdiv",
    doc="``x / y`` of floats.  Gradient: dz / y to x, -dz * x / y**2 to y.",
    kernel=lambda s, x, y: x / y,
    grad=_real_div_grad,
    reference=np.true_divide,
    samples=(
        COMPLEX_PAIR, *DIVISIBLE,
        sample(np.array([1, -1, 0], np.float32), f32(3) * 0, differentiable=()),
    ),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

binary(
    "Div",
    doc="``x / y``; of integers, rounded toward zero.  Gradient: as RealDiv.",
    kernel=_quotient("truncdiv"),
    grad=_real_div_grad,
    reference=_nonzero(_truncated_quotient),
    samples=(COMPLEX_PAIR, *DIVISIBLE, INTEGERS),
    errors=(BY_ZERO,),
    dtypes=NUMERIC,
)

floor_div = binary(
    "FloorDiv", "floor_div", "math.floor_div",
    doc="``floor(x / y)``: rounded toward -infinity.  No gradient.",
    kernel=_quotient("floordiv"),
    grad=_NO_FLOOR,
    reference=_nonzero(lambda x, y: np.floor(x / y) if x.dtype.kind == "f" else x // y),
    samples=(*DIVISIBLE, INTEGERS, sample(np.array([-(2**31)], np.int32), i32([-1]))),
    errors=(BY_ZERO,),
)  # fmt: skip

truncatediv = binary(
    "TruncateDiv", "truncatediv",
    doc="The quotient of integers, rounded toward zero.  No gradient.",
    kernel=_quotient("truncdiv"),
    grad=_NO_FLOOR,
    reference=_nonzero(_truncated_quotient),
    samples=(INTEGERS, sample(np.array([250], np.uint8), np.array([7], np.uint8))),
    errors=(BY_ZERO,),
    dtypes=INT,
)  # fmt: skip


def _mod_grad(op: Any, dz: Any) -> tuple[Any, Any]:
    # x mod y = x - y * q with q an integer wherever the slope exists, and q = (x - z) / y
    return dz, call.Neg(dz) * call.Rint((op.x - op.z) / op.y)


floormod = binary(
    "FloorMod", "floormod", "mod", "math.floormod", "math.mod",
    doc="``x - y * floor(x / y)``: the remainder with the sign of ``y``.\n\n"
    "    Gradient: dz to x, -dz * floor(x / y) to y.",
    kernel=_remainder("floormod"),
    grad=_mod_grad,
    reference=_nonzero(np.mod),
    samples=(*DIVISIBLE, INTEGERS),
    errors=(BY_ZERO,),
)  # fmt: skip

truncatemod = binary(
    "TruncateMod", "truncatemod",
    doc="The remainder of division toward zero: it has the sign of ``x``.\n\n"
    "    Gradient: dz to x, -dz times the quotient to y.",
    kernel=_remainder("truncmod"),
    grad=_mod_grad,
    reference=_nonzero(np.fmod),
    samples=(*DIVISIBLE, INTEGERS),
    errors=(BY_ZERO,),
    dtypes=FLOAT | frozenset(("int32", "int64")),
)  # fmt: skip

def float_for(dtype: Any) -> Any:
    """What ``/`` turns an integer dtype into: float32 up to 16 bits, float64 above."""
    return float32 if dtype.size <= 2 else float64


@export("truediv", "math.truediv")
def truediv(x: Any, y: Any, name: str | None = None) -> Any:
    """``x / y`` as Python 3 means it: integers are divided as floats.

    int8, uint8, int16 and uint16 become float32, wider integers float64.

    Args:
        x: a numeric tensor.   y: a tensor of the same dtype; shapes broadcast.
        name: of the operation; ``truediv`` by default.

    Returns:
        A float tensor of the broadcast shape.

    Raises:
        TypeError: the dtypes differ.
        ValueError: the shapes do not broadcast.

    Gradient: through RealDiv; none to integers.

    >>> tf.Session().run(tf.truediv(7, 2))
    3.5
    """
    with name_scope(name, "truediv", [x, y]) as scope:
        x, y = _same_dtype(x, y)
        if x.dtype.is_integer:
            dtype = float_for(x.dtype)
            x, y = (call.Cast(v, DstT=dtype) for v in (x, y))
        return apply_op("RealDiv", x, y, name=scope)


@export("div")
def div(x: Any, y: Any, name: str | None = None) -> Any:
    """``x / y`` as Python 2 meant it: integers are rounded toward -infinity, floats divided.

    Args:
        x: a real tensor.   y: a tensor of the same dtype; shapes broadcast.
        name: of the operation; ``div`` by default.

    Raises:
        TypeError: the dtypes differ.
        InvalidArgumentError: an integer divisor is 0 (when run).

    >>> tf.Session().run(tf.div(-7, 2))
    -4
    """
    with name_scope(name, "div", [x, y]) as scope:
        x, y = _same_dtype(x, y)
        return apply_op("FloorDiv" if x.dtype.is_integer else "RealDiv", x, y, name=scope)


@export("divide", "math.divide")
def divide(x: Any, y: Any, name: str | None = None) -> Any:
    """``x / y``, as the operator: see ``truediv``."""
    if name is not None:
        return truediv(x, y, name=name)
    x, y = _same_dtype(x, y)
    return x / y


@export("floordiv", "math.floordiv")
def floordiv(x: Any, y: Any, name: str | None = None) -> Any:
    """``x // y``: the quotient rounded toward -infinity, in the dtype of ``x``.

    Args:
        x: a real tensor.   y: a tensor of the same dtype; shapes broadcast.
        name: of the operation; ``floordiv`` by default.

    Raises:
        InvalidArgumentError: an integer divisor is 0 (when run).

    Gradient: none.
    """
    with name_scope(name, "floordiv", [x, y]) as scope:
        return apply_op("FloorDiv", x, y, name=scope)


def _same_dtype(x: Any, y: Any) -> tuple[Any, Any]:
    """Both as tensors; a Python number or array takes the dtype of the tensor beside it."""
    hint = getattr(y, "dtype", None) if hasattr(y, "op") and not hasattr(x, "op") else None
    x = convert_to_tensor(x, dtype=hint and hint.base_dtype, name="x")
    if hasattr(y, "op") and y.dtype.base_dtype is not x.dtype.base_dtype:
        raise TypeError(
            f"x is {x.dtype.base_dtype.name}, but y is {y.dtype.base_dtype.name}: dtypes are not "
            "promoted; use tf.cast"
        )
    return x, convert_to_tensor(y, dtype=x.dtype.base_dtype, name="y")


# ------------------------------------------------------------------------------- pow, min, max


def _pow_kernel(s: Any, x: Any, y: Any) -> Any:
    if x.dtype in FLOATS or x.dtype in COMPLEX:
        return s.pow(x, y)
    # Square and multiply, one step for each bit of the exponent; products wrap.
    s.require(s.ge(y, 0), STATUS_INVALID_ARGUMENT)
    result, base = s.const(1, x.dtype), x
    for bit in range(8 * np.dtype(x.dtype).itemsize - 1):
        is_set = s.ne(s.and_(s.shr(y, bit), 1), 0)
        result = s.select(is_set, result * base, result)
        base = base * base
    return result


def _pow_reference(x: Any, y: Any) -> Any:
    if y.dtype.kind == "i" and np.any(y < 0) and np.broadcast(x, y).size:
        raise invalid("integers to negative integer powers are not allowed")
    return np.power(x, y)


def _pow_grad(op: Any, dz: Any) -> tuple[Any, Any]:
    # d(x^y)/dy = z log(x), and 0 where the logarithm does not exist.  The inner Select keeps its
    # infinity out of second derivatives, where 0 * inf would be NaN.
    positive = call.NotEqual(op.x, number(0, op.x)) if op.x.dtype.is_complex else op.x > 0
    log = call.Log(call.Select(positive, op.x, call.OnesLike(op.x)))
    log = call.Select(positive, log, call.ZerosLike(op.x))
    return dz * op.y * call.Pow(op.x, op.y - 1), dz * op.z * log


pow = binary(
    "Pow", "pow", "math.pow",
    doc="``x`` to the power of ``y``; negative integer exponents are refused when run.\n\n"
    "    Gradient: dz * y * x**(y-1) to x; dz * z * log(x) to y, 0 where x <= 0.",
    kernel=_pow_kernel,
    grad=_pow_grad,
    reference=_pow_reference,
    samples=(COMPLEX_PAIR,
        sample(f32(3, 4, low=0.3, high=2.0), f32(3, 4, seed=1)),
        sample(f32(2, 1, low=0.3, high=2.0), f32(3, seed=1)),
        sample(f32(4), np.array(2, np.float32), differentiable=(0,)),
        sample(f32(0, 3), f32(3, seed=1)),
        sample(np.array([0, 0, -2, NAN, INF], np.float32),
               np.array([0, 2, 3, 0, -1], np.float32), differentiable=()),
        sample(i32([2, -3, 7, 0, 3]), i32([10, 3, 0, 0, 30])),
    ),
    errors=(error_sample(Exception, "negative integer powers|invalid argument",
                         i32([2]), i32([-1]), stage="run"),),
    dtypes=FLOAT | SIGNED | COMPLEX,
)  # fmt: skip


def _pick_grad(first_wins: Callable[..., Any]) -> Callable[..., Any]:
    def grad(op: Any, dz: Any) -> tuple[Any, Any]:
        first = first_wins(op.x, op.y)
        zeros = call.ZerosLike(dz)
        return call.Select(first, dz, zeros), call.Select(first, zeros, dz)

    return grad


_TIES = sample(np.array([1, 2, 3], np.float32), np.array([1, 3, 2], np.float32), differentiable=())

maximum = binary(
    "Maximum", "maximum", "math.maximum",
    doc="The greater of ``x`` and ``y``; NaN if either is.\n\n"
    "    Gradient: dz to the greater one; to x when they are equal.",
    kernel=lambda s, x, y: s.max(x, y),
    grad=_pick_grad(lambda x, y: x >= y),
    reference=np.maximum,
    samples=(*PAIRS, _TIES),
)  # fmt: skip

minimum = binary(
    "Minimum", "minimum", "math.minimum",
    doc="The lesser of ``x`` and ``y``; NaN if either is.\n\n"
    "    Gradient: dz to the lesser one; to x when they are equal.",
    kernel=lambda s, x, y: s.min(x, y),
    grad=_pick_grad(lambda x, y: x <= y),
    reference=np.minimum,
    samples=(*PAIRS, _TIES),
)  # fmt: skip

# ---------------------------------------------------------------------------------- many inputs


def _sum_all(s: Any, *inputs: Any) -> Any:
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    return total


def _add_many(type: str, doc: str, **attrs: Any) -> None:
    shape: dict[str, Any] = {"shape": (2,)} if attrs else {}
    define(
        type,
        "inputs: N*T -> sum: T",
        T=dtypes_of(NUMERIC),
        **attrs,
        infer=lambda call_: [merge_all([*call_.shapes, call_.attrs.get("shape")])],
        kernel=elementwise(_sum_all, parts=True),
        grad=lambda op, dy: (dy,) * op.attrs["N"],
        reference=lambda call_, *inputs: _sum_all(None, *inputs),
        samples=tuple(
            sample(inputs, **({"shape": inputs[0].shape} if attrs else {}))
            for inputs in (
                [f32(2, 3), f32(2, 3, seed=1), f32(2, 3, seed=2)],
                [f32()],
                [f32(0, 2), f32(0, 2)],
                [i32([1, 2]), i32([3, 4])],
            )
        ),
        errors=(
            error_sample(
                ValueError, r"\[2\] and \[3\]", [f32(2), f32(3)],
                **shape,
            ),
        ),
        doc=doc,
    )  # fmt: skip


_add_many("AddN", "The sum of tensors of one shape.  Gradient: dy to each.")
_add_many(
    "AccumulateNV2",
    "The sum of tensors of one shape, which is also an attr.  Gradient: dy to each.",
    shape=Attr("shape", REQUIRED),
)


@export("add_n", "math.add_n")
def add_n(inputs: Any, name: str | None = None) -> Any:
    """The sum of all ``inputs``, element by element.

    Args:
        inputs: a list of tensors of one shape and dtype.
        name: of the operation; ``AddN`` by default.

    Returns:
        A tensor of that shape.

    Raises:
        ValueError: the list is empty, or shapes differ.

    Gradient: dy to every input.

    >>> tf.Session().run(tf.add_n([1.0, 2.0, 3.0]))
    6.0
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("add_n: inputs must be a list of at least one tensor")
    if len(inputs) == 1:
        tensor = convert_to_tensor(inputs[0])
        return tensor if name is None else apply_op("Identity", tensor, name=name)
    return apply_op("AddN", list(inputs), name=name)


@export("accumulate_n", "math.accumulate_n")
def accumulate_n(
    inputs: Any, shape: Any = None, tensor_dtype: Any = None, name: str | None = None
) -> Any:
    """The sum of all ``inputs``, element by element: ``add_n`` that also checks.

    Args:
        inputs: a list of tensors of one shape and dtype.
        shape: what that shape must be compatible with; by default what the inputs know of it.
        tensor_dtype: the dtype that the inputs must have; any by default.
        name: of the operation; ``AccumulateNV2`` by default.

    Returns:
        A tensor of that shape.

    Raises:
        ValueError: the list is empty, or shapes or dtypes differ.
        TypeError: ``tensor_dtype`` is not that of the inputs.

    Gradient: dy to every input.

    >>> tf.Session().run(tf.accumulate_n([[1, 2], [3, 4], [5, 6]]))
    array([ 9, 12], dtype=int32)
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("accumulate_n: inputs must be a list of at least one tensor")
    tensors = [convert_to_tensor(value) for value in inputs]
    if any(t.dtype.base_dtype is not tensors[0].dtype.base_dtype for t in tensors):
        raise ValueError("accumulate_n: the inputs must have one dtype")
    if tensor_dtype is not None and as_dtype(tensor_dtype) is not tensors[0].dtype.base_dtype:
        raise TypeError(
            f"accumulate_n: tensor_dtype is {as_dtype(tensor_dtype).name}, the inputs are "
            f"{tensors[0].dtype.base_dtype.name}"
        )
    dims = merge_all([as_dims(shape), *(t.dims for t in tensors)])
    if len(tensors) == 1:
        return tensors[0] if name is None else apply_op("Identity", tensors[0], name=name)
    result = apply_op("AccumulateNV2", tensors, shape=dims, name=name)
    result.set_shape(dims)
    return result


@export("scalar_mul", "math.scalar_mul")
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """``scalar * x``, where ``x`` may be IndexedSlices.

    Args:
        scalar: a number, or a tensor of rank 0 and of the dtype of ``x``.
        x: a tensor or IndexedSlices.
        name: of the operation; ``Mul`` by default.

    Returns:
        What ``x`` is, multiplied.

    Raises:
        ValueError: ``scalar`` is not of rank 0.

    Gradient: that of ``multiply``.

    >>> tf.Session().run(tf.scalar_mul(2.0, [1.0, 3.0]))
    array([2., 6.], dtype=float32)
    """
    slices = isinstance(x, IndexedSlices)
    values = x.values if slices else convert_to_tensor(x, name="x")
    scalar = convert_to_tensor(scalar, dtype=values.dtype.base_dtype, name="scalar")
    if scalar.dims != ():
        raise ValueError(f"scalar_mul: scalar must be of rank 0, not of shape {scalar.shape}")
    product = apply_op("Mul", scalar, values, name=name)
    return IndexedSlices(product, x.indices, x.dense_shape) if slices else product


@export("math.polyval")
def polyval(coeffs: Any, x: Any, name: str | None = None) -> Any:
    """The polynomial with coefficients ``coeffs``, the highest power first, at ``x``.

    ((coeffs[0] x + coeffs[1]) x + ...) + coeffs[n - 1], by Horner's rule

    Args:
        coeffs: a list of n tensors or numbers that broadcast against ``x``; [] gives zeros.
        x: a tensor.
        name: of the operation; ``polyval`` by default.

    Returns:
        A tensor of the broadcast shape.

    Raises:
        ValueError: ``coeffs`` is no list.

    Gradient: through the sums and products.

    >>> tf.Session().run(tf.math.polyval([1.0, 0.0, -1.0], 3.0))
    8.0
    """
    if not isinstance(coeffs, (list, tuple)):
        raise ValueError(f"polyval: coeffs must be a list, not {type(coeffs).__name__}")
    with name_scope(name, "polyval", [*coeffs, x]):
        x = convert_to_tensor(x, name="x")
        if not coeffs:
            return call.ZerosLike(x)
        coeffs = [convert_to_tensor(c, name=f"coeff{i}") for i, c in enumerate(coeffs)]
        total = coeffs[0]
        for c in coeffs[1:]:
            total = c + total * x
        return total
