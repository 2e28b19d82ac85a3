"""Complex numbers: complex, real, imag, conj, angle, and abs of any number.

Gradients of complex numbers are those of TensorFlow: of a real function of z = a + ib the gradient
is d/da + i d/db, so that of y = f(z) with f differentiable as a complex function it is
dx = dy * conj(f'(z)).  factories.py sees to that.

Read next: elementwise.py (exp, log ... take complex numbers too).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype, float32, float64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    Attr,
    Call,
    Loops,
    define,
    dtypes_of,
    elementwise,
    error_sample,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import broadcast_shape, f32, number, same_shape, sum_to

_C = frozenset(("complex64", "complex128"))
_WIDE = frozenset(("float32", "float64"))


def _complex_array(*values: Any) -> Any:
    return np.array(values, np.complex64)


_SAMPLES = (
    sample(_complex_array(1 + 2j, 0.5 - 1j, -1j, 3, -2)),
    sample(np.array(1 - 1j, np.complex64)),
    sample(np.zeros((0, 2), np.complex64)),
)
_WIDE_SAMPLE = sample(np.array([[1 + 2j], [-3j]], np.complex128), Tout=float64)


def _as_complex(dy: Any) -> Any:
    return call.Complex(dy, call.ZerosLike(dy), Tout=_complex_of(dy.dtype.base_dtype))


def _complex_of(dtype: DType) -> DType:
    return as_dtype({"float32": "complex64", "float64": "complex128"}[dtype.name])


def _part(type: str, argument: str, result: str, reference: Callable[..., Any], grad: Any,
          doc: str) -> None:  # fmt: skip
    """Register an op from complex to real numbers."""
    scalar = type.lower().removeprefix("complex")
    define(
        type,
        f"{argument}: T -> {result}: Tout",
        T=dtypes_of(_C, as_dtype("complex64")),
        Tout=dtypes_of(_WIDE, float32),
        infer=same_shape,
        kernel=Loops(
            lambda s, call_, x: s.cast(s.op(scalar, x), call_.attrs["Tout"].name), parts=True
        ),
        grad=lambda op, dy: (grad(op, dy),),
        reference=lambda call_, x: np.asarray(reference(x), call_.attrs["Tout"].np),
        samples=(*_SAMPLES, _WIDE_SAMPLE),
        errors=(error_sample(TypeError, "float32", f32(2)),),
        doc=doc,
    )


def _angle_grad(op: Any, dy: Any) -> Any:
    # d angle / da = -b / |z|**2, d / db = a / |z|**2: together -1 / (b + ia)
    half = {"Tout": dy.dtype.base_dtype}
    turned = call.Complex(
        call.Imag(op.input, **half), call.Real(op.input, **half), Tout=op.input.dtype.base_dtype
    )
    return call.Neg(_as_complex(dy)) / turned


_part("Real", "input", "output", np.real, lambda op, dy: _as_complex(dy),
      "The real part.  Gradient: dy.")  # fmt: skip
_part("Imag", "input", "output", np.imag,
      lambda op, dy: call.Complex(call.ZerosLike(dy), dy, Tout=op.input.dtype.base_dtype),
      "The imaginary part.  Gradient: i dy.")  # fmt: skip
_part("Angle", "input", "output", np.angle, _angle_grad,
      "The angle in (-pi, pi].  Gradient: i z / |z|**2 dy.")  # fmt: skip
_part("ComplexAbs", "x", "y", np.abs,
      lambda op, dy: op.x * call.DivNoNan(_as_complex(dy), _as_complex(op.y)),
      "The absolute value sqrt(a**2 + b**2).  Gradient: z / |z| dy, 0 at 0.")  # fmt: skip

define(
    "Conj",
    "input: T -> output: T",
    T=dtypes_of(_C, as_dtype("complex64")),
    infer=same_shape,
    kernel=elementwise(lambda s, x: s.op("conj", x), parts=True),
    grad=lambda op, dy: (call.Conj(dy),),
    reference=lambda call_, x: np.conj(x),
    samples=_SAMPLES,
    errors=(error_sample(TypeError, "float32", f32(2)),),
    doc="a - ib for a + ib.  Gradient: conj(dy).",
)


def _complex_grad(op: Any, dz: Any) -> tuple[Any, Any]:
    dtype = op.real.dtype.base_dtype
    return (
        sum_to(call.Real(dz, Tout=dtype), op.real, op.imag),
        sum_to(call.Imag(dz, Tout=dtype), op.imag, op.real),
    )


def _complex_reference(call_: Call, real: Any, imag: Any) -> Any:
    result = np.empty(np.broadcast(real, imag).shape, call_.attrs["Tout"].np)
    result.real, result.imag = real, imag
    return result


define(
    "Complex",
    "real: T, imag: T -> out: Tout",
    T=dtypes_of(_WIDE, float32),
    Tout=Attr("type", as_dtype("complex64"), _C),
    infer=broadcast_shape,
    kernel=Loops(
        lambda s, call_, real, imag: s.cast(s.complex(real, imag), call_.attrs["Tout"].name),
        parts=True,
    ),
    grad=_complex_grad,
    reference=_complex_reference,
    samples=(
        # (finite differences of float64 parts would be rounded to complex64)
        sample(f32(3, 4), f32(3, 4, seed=1), differentiable=()),
        sample(f32(2, 1), f32(3, seed=1), differentiable=()),
        sample(f32(), f32(5), differentiable=()),
        sample(f32(0, 3), f32(3), differentiable=()),
        sample(
            np.array([np.inf, np.nan], np.float32), np.array([np.nan, 1], np.float32),
            differentiable=(),
        ),
    ),
    errors=(error_sample(ValueError, "do not broadcast", f32(3), f32(4)),),
    doc="real + i imag.  Gradient: the real part of dz to real, the imaginary part to imag.",
)  # fmt: skip


@export("complex", "dtypes.complex")
def complex(real: Any, imag: Any, name: str | None = None) -> Any:
    """real + i imag, complex64 of float32 parts and complex128 of float64 parts.

    Args:
        real, imag: float32 or float64 tensors of one dtype; shapes broadcast.
        name: of the operation; ``Complex`` by default.

    Raises:
        TypeError: the parts have different dtypes, or others.
        ValueError: the shapes do not broadcast.

    Gradient: the real part of dz to ``real``, the imaginary part to ``imag``.

    >>> tf.Session().run(tf.complex([1.0, 2.0], [0.5, -1.0]))
    array([1.+0.5j, 2.-1.j ], dtype=complex64)
    """
    real = convert_to_tensor(real, name="real")
    imag = convert_to_tensor(imag, name="imag")
    with name_scope(name, "Complex", [real, imag]) as scope:
        dtypes = (real.dtype.base_dtype, imag.dtype.base_dtype)
        if dtypes[0] is not dtypes[1] or dtypes[0].name not in _WIDE:
            raise TypeError(
                f"complex: real and imag must both be float32 or both float64, not "
                f"{dtypes[0].name} and {dtypes[1].name}"
            )
        return apply_op("Complex", real, imag, Tout=_complex_of(dtypes[0]), name=scope)


def _real_of(type: str, x: Any, name: Any) -> Any:
    return apply_op(type, x, Tout=x.dtype.base_dtype.real_dtype, name=name)


@export("real", "math.real")
def real(input: Any, name: str | None = None) -> Any:
    """The real part; a tensor of real numbers is returned as it is.

    Args:
        input: a tensor of numbers.
        name: of the operation; ``Real`` by default.

    Returns:
        float32 of complex64, float64 of complex128.

    Gradient: dy, as the real part.

    >>> tf.Session().run(tf.real([1 + 2j]))
    array([1.])
    """
    with name_scope(name, "Real", [input]) as scope:
        x = convert_to_tensor(input, name="input")
        if x.dtype.is_complex:
            return _real_of("Real", x, scope)
        if x.dtype.is_floating or x.dtype.is_integer:
            return x
        raise TypeError(f"real: needs numbers, not {x.dtype.name}")


@export("imag", "math.imag")
def imag(input: Any, name: str | None = None) -> Any:
    """The imaginary part; zeros of real numbers.

    Args:
        input: a tensor of numbers.
        name: of the operation; ``Imag`` by default.

    Returns:
        float32 of complex64, float64 of complex128.

    Gradient: i dy.

    >>> tf.Session().run(tf.imag([1 + 2j]))
    array([2.])
    """
    with name_scope(name, "Imag", [input]) as scope:
        x = convert_to_tensor(input, name="input")
        if x.dtype.is_complex:
            return _real_of("Imag", x, scope)
        return apply_op("ZerosLike", x, name="zeros_like")


@export("conj", "math.conj")
def conj(x: Any, name: str | None = None) -> Any:
    """a - ib for every a + ib; a tensor of real numbers is returned as it is.

    Args:
        x: a tensor of numbers.
        name: of the operation; ``Conj`` by default.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` has no numbers.

    Gradient: conj(dy).

    >>> tf.Session().run(tf.conj([1 + 2j]))
    array([1.-2.j])
    """
    with name_scope(name, "Conj", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if x.dtype.is_complex:
            return apply_op("Conj", x, name=scope)
        if x.dtype.is_floating or x.dtype.is_integer:
            return x
        raise TypeError(f"conj: needs numbers, not {x.dtype.name}")


@export("angle", "math.angle")
def angle(input: Any, name: str | None = None) -> Any:
    """The angle of each number in the complex plane, in (-pi, pi].

    Args:
        input: a tensor of complex or floating-point numbers; of real ones the angle is 0 or pi.
        name: of the operation; ``Angle`` by default.

    Returns:
        float32 of complex64, float64 of complex128; of real numbers their dtype.

    Raises:
        TypeError: ``input`` has integers.

    Gradient: i z / |z|**2 dy; none of real numbers.

    >>> tf.Session().run(tf.angle([1j, -1.0]))
    array([1.57079633, 3.14159265])
    """
    with name_scope(name, "Angle", [input]) as scope:
        x = convert_to_tensor(input, name="input")
        if x.dtype.is_complex:
            return _real_of("Angle", x, scope)
        if not x.dtype.is_floating:
            raise TypeError(f"angle: needs complex or floating-point numbers, not {x.dtype.name}")
        half_turn = call.OnesLike(x) * number(math.pi, x)
        return call.Select(call.Less(x, number(0, x)), half_turn, call.ZerosLike(x))


@export("abs", "math.abs")
def abs(x: Any, name: str | None = None) -> Any:
    """The absolute value; sqrt(a**2 + b**2) of a + ib.

    Args:
        x: a tensor of numbers, or a SparseTensor.
        name: of the operation; ``Abs`` by default.

    Returns:
        A tensor of the shape of ``x`` and its dtype, of complex numbers that of their parts.

    Raises:
        TypeError: ``x`` has another dtype.

    Gradient: dy * sign(x), so 0 at 0; of complex numbers dy * x / |x|.

    >>> tf.Session().run(tf.abs([-2.0, 3.0]))
    array([2., 3.], dtype=float32)
    """
    if isinstance(x, SparseTensor):
        return x._with_values(abs(x.values, name))
    with name_scope(name, "Abs", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if x.dtype.is_complex:
            return _real_of("ComplexAbs", x, scope)
        return apply_op("Abs", x, name=scope)
