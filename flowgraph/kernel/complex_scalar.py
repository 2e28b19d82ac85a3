"""Complex numbers in kernel bodies: pairs of real Scalars.

A kernel holds no complex dtype.  A body that gets a ``ComplexScalar`` works on it as on any other
(``s.exp(x) * 2``); what it records is arithmetic of the parts, by the functions below.

    z w      (ac - bd) + i (ad + bc)             w / z     z scaled by max(|a|, |b|): no overflow
    |z|      max sqrt(1 + (min / max)**2)        sqrt z    sqrt((|z| + |a|) / 2), and b / 2 over it
    exp z    e**a (cos b + i sin b)              log z     log |z| + i atan2(b, a)

The inverse trigonometric functions are W. Kahan's ("Branch cuts for complex elementary functions",
1987), with the cuts where NumPy has them.

Read next: builder.py; lower/regions.py, which loads and stores the parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from flowgraph.kernel.builder import BodyBuilder, Number, Scalar
from flowgraph.kernel.ir import KernelError

#: complex dtype -> dtype of its parts.
PARTS = {"complex64": "float32", "complex128": "float64"}
_WHOLE = {part: whole for whole, part in PARTS.items()}


class ComplexScalar:
    """a + ib of two Scalars of one float dtype."""

    __slots__ = ("body", "dtype", "imag", "real")

    def __init__(self, real: Scalar, imag: Scalar) -> None:
        self.body, self.real, self.imag = real.body, real, imag
        self.dtype = _WHOLE[real.dtype]

    def _binary(self, op: str, other: Any, swap: bool = False) -> Any:
        body: Any = self.body
        return body.op(op, other, self) if swap else body.op(op, self, other)

    def __add__(self, other: Any) -> Any:
        return self._binary("add", other)

    def __radd__(self, other: Any) -> Any:
        return self._binary("add", other, swap=True)

    def __sub__(self, other: Any) -> Any:
        return self._binary("sub", other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary("sub", other, swap=True)

    def __mul__(self, other: Any) -> Any:
        return self._binary("mul", other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary("mul", other, swap=True)

    def __truediv__(self, other: Any) -> Any:
        return self._binary("div", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary("div", other, swap=True)

    def __neg__(self) -> Any:
        return OPS["neg"](self.body, self)


Value = Scalar | ComplexScalar
C = ComplexScalar


class ComplexBody(BodyBuilder):
    """A BodyBuilder whose ops, casts and constants take complex values too."""

    def op(self, name: str, *args: Value | Number) -> Any:
        typed = next((a for a in args if isinstance(a, ComplexScalar)), None)
        if typed is None:
            return super().op(name, *args)  # type: ignore[arg-type]
        function = OPS.get(name)
        if function is None:
            raise KernelError(f"{name} does not take {typed.dtype}")
        return function(
            self, *(a if isinstance(a, (Scalar, C)) else self.const(a, typed.dtype) for a in args)
        )

    def const(self, value: Number, dtype: str) -> Any:
        part = PARTS.get(dtype)
        if part is None:
            return super().const(value, dtype)
        return ComplexScalar(super().const(value, part), super().const(0, part))

    def cast(self, x: Value, dtype: str) -> Any:
        """As of real numbers; of a complex one that becomes real, the real part counts."""
        part = PARTS.get(dtype)
        if isinstance(x, ComplexScalar):
            if part is None:
                return super().cast(x.real, dtype)
            return ComplexScalar(super().cast(x.real, part), super().cast(x.imag, part))
        if part is None:
            return super().cast(x, dtype)
        return ComplexScalar(super().cast(x, part), super().const(0, part))

    def complex(self, real: Scalar, imag: Scalar) -> ComplexScalar:
        """real + i imag."""
        return ComplexScalar(real, imag)


# ------------------------------------------------------------------------------------- arithmetic


def _partwise(name: str) -> Callable[..., C]:
    def function(s: ComplexBody, *args: C) -> C:
        return C(s.op(name, *(a.real for a in args)), s.op(name, *(a.imag for a in args)))

    return function


def _mul(s: ComplexBody, x: C, y: C) -> C:
    return C(x.real * y.real - x.imag * y.imag, x.real * y.imag + x.imag * y.real)


def _div(s: Any, x: C, y: C) -> C:
    size = s.max(s.abs(y.real), s.abs(y.imag))
    c, d = y.real / size, y.imag / size
    length = (c * c + d * d) * size
    return C((x.real * c + x.imag * d) / length, (x.imag * c - x.real * d) / length)


def _abs(s: Any, x: C) -> Scalar:
    a, b = s.abs(x.real), s.abs(x.imag)
    if x.dtype == "complex64":  # squares fit into float64
        wide = (s.cast(part, "float64") for part in (a, b))
        size = s.cast(s.sqrt(_sum_of_squares(*wide)), "float32")
    else:
        large, small = s.max(a, b), s.min(a, b)
        ratio = s.select(s.eq(large, 0.0), 0.0, small / large)
        size = large * s.sqrt(1.0 + ratio * ratio)
    infinite = s.eq(a, math.inf) | s.eq(b, math.inf)
    return s.select(infinite, math.inf, size)


def _sum_of_squares(a: Scalar, b: Scalar) -> Scalar:
    return a * a + b * b


def _sign(s: Any, x: C) -> C:
    size = _abs(s, x)
    zero = s.eq(size, 0.0)
    return C(s.select(zero, 0.0, x.real / size), s.select(zero, 0.0, x.imag / size))


def _conj(s: Any, x: C) -> C:
    return C(x.real, -x.imag)


def _eq(s: Any, x: C, y: C) -> Scalar:
    return s.eq(x.real, y.real) & s.eq(x.imag, y.imag)


def _ne(s: Any, x: C, y: C) -> Scalar:
    return s.ne(x.real, y.real) | s.ne(x.imag, y.imag)


def _select(s: Any, condition: Scalar, x: C, y: C) -> C:
    return C(s.select(condition, x.real, y.real), s.select(condition, x.imag, y.imag))


# ----------------------------------------------------------------------------------- functions


def _exp(s: Any, x: C) -> C:
    size = s.exp(x.real)
    return C(size * s.cos(x.imag), size * s.sin(x.imag))


def _log(s: Any, x: C) -> C:
    return C(s.log(_abs(s, x)), _angle(s, x))


def _angle(s: Any, x: C) -> Scalar:
    return s.atan2(x.imag, x.real)


def _sqrt(s: Any, x: C) -> C:
    near = s.sqrt(0.5 * (_abs(s, x) + s.abs(x.real)))
    far = s.select(s.eq(near, 0.0), 0.0, 0.5 * s.abs(x.imag) / near)
    right = s.ge(x.real, 0.0)
    real, imag = s.select(right, near, far), s.select(right, far, near)
    infinite = s.eq(s.abs(x.imag), math.inf)
    real, imag = s.select(infinite, math.inf, real), s.select(infinite, math.inf, imag)
    return C(real, s.select(s.lt(x.imag, 0.0), -imag, imag))


def _rsqrt(s: Any, x: C) -> C:
    return _div(s, s.const(1, x.dtype), _sqrt(s, x))


def _sin(s: Any, x: C) -> C:
    return C(s.sin(x.real) * s.cosh(x.imag), s.cos(x.real) * s.sinh(x.imag))


def _cos(s: Any, x: C) -> C:
    return C(s.cos(x.real) * s.cosh(x.imag), -(s.sin(x.real) * s.sinh(x.imag)))


def _sinh(s: Any, x: C) -> C:
    return C(s.sinh(x.real) * s.cos(x.imag), s.cosh(x.real) * s.sin(x.imag))


def _cosh(s: Any, x: C) -> C:
    return C(s.cosh(x.real) * s.cos(x.imag), s.sinh(x.real) * s.sin(x.imag))


def _expm1(s: Any, x: C) -> C:
    half = s.sin(0.5 * x.imag)
    real = s.expm1(x.real) * s.cos(x.imag) - 2.0 * (half * half)
    return C(real, s.exp(x.real) * s.sin(x.imag))


def _log1p(s: Any, x: C) -> C:
    size = _abs(s, x)
    # |1 + z|**2 - 1, for small z
    lost = x.real * (x.real + 2.0) + x.imag * x.imag
    far = s.log(_abs(s, C(x.real + 1.0, x.imag)))
    near = 0.5 * s.log1p(lost)
    return C(s.select(s.lt(size, 0.5), near, far), s.atan2(x.imag, x.real + 1.0))


def _tanh(s: Any, x: C) -> C:
    # beyond 20 it is 1 to the last digit, and squares stay finite
    a = s.min(s.max(x.real, -20.0), 20.0)
    sinh, cosine = s.sinh(a), s.cos(x.imag)
    below = sinh * sinh + cosine * cosine
    return C(sinh * s.cosh(a) / below, s.sin(x.imag) * cosine / below)


def _tan(s: Any, x: C) -> C:
    y = _tanh(s, C(-x.imag, x.real))  # tan z = -i tanh(iz)
    return C(y.imag, -y.real)


def _pow(s: Any, x: C, y: C) -> C:
    power = _exp(s, y * _log(s, x))
    from_zero, to_zero = s.eq(x, 0), s.eq(y, 0)
    # 0 ** y is 0 where Re y > 0, and without meaning elsewhere
    nothing = s.select(s.gt(y.real, 0.0), s.const(0.0, y.real.dtype), math.nan)
    power = _select(s, from_zero, C(nothing, nothing), power)
    return _select(s, to_zero, s.const(1, x.dtype), power)


def _roots(s: Any, x: C) -> tuple[C, C]:
    """sqrt(1 - z) and sqrt(1 + z)."""
    return _sqrt(s, C(1.0 - x.real, -x.imag)), _sqrt(s, C(1.0 + x.real, x.imag))


def _acos(s: Any, x: C) -> C:
    less, more = _roots(s, x)
    imag = s.asinh(more.real * less.imag - more.imag * less.real)
    return C(2.0 * s.atan2(less.real, more.real), imag)


def _asin(s: Any, x: C) -> C:
    less, more = _roots(s, x)
    real = s.atan2(x.real, less.real * more.real - less.imag * more.imag)
    return C(real, s.asinh(less.real * more.imag - less.imag * more.real))


def _acosh(s: Any, x: C) -> C:
    less, more = _sqrt(s, C(x.real - 1.0, x.imag)), _sqrt(s, C(x.real + 1.0, x.imag))
    real = s.asinh(less.real * more.real + less.imag * more.imag)
    return C(real, 2.0 * s.atan2(less.imag, more.real))


def _asinh(s: Any, x: C) -> C:
    y = _asin(s, C(-x.imag, x.real))  # asinh z = -i asin(iz)
    return C(y.imag, -y.real)


def _atanh(s: Any, x: C) -> C:
    far = 1.0 - x.real
    real = 0.25 * s.log1p(4.0 * x.real / (far * far + x.imag * x.imag))
    imag = 0.5 * s.atan2(2.0 * x.imag, far * (1.0 + x.real) - x.imag * x.imag)
    infinite = s.eq(s.abs(x.real), math.inf) | s.eq(s.abs(x.imag), math.inf)
    side = s.select(s.lt(x.imag, 0.0), s.const(-0.5 * math.pi, x.imag.dtype), 0.5 * math.pi)
    return C(s.select(infinite, 0.0, real), s.select(infinite, side, imag))


def _atan(s: Any, x: C) -> C:
    y = _atanh(s, C(-x.imag, x.real))  # atan z = -i atanh(iz)
    return C(y.imag, -y.real)


def _sigmoid(s: Any, x: C) -> C:
    right = s.ge(x.real, 0.0)
    e = _exp(s, _select(s, right, -x, x))  # never overflows
    one = s.const(1, x.dtype)
    return _div(s, _select(s, right, one, e), C(e.real + 1.0, e.imag))


#: scalar op or reduction -> what it records of complex arguments.
OPS: dict[str, Callable[..., Any]] = {
    "add": _partwise("add"), "sub": _partwise("sub"), "neg": _partwise("neg"),
    "reduce_sum": _partwise("reduce_sum"),
    "mul": _mul, "div": _div, "abs": _abs, "sign": _sign, "conj": _conj, "angle": _angle,
    "real": lambda s, x: x.real, "imag": lambda s, x: x.imag,
    "eq": _eq, "ne": _ne, "select": _select,
    "exp": _exp, "log": _log, "sqrt": _sqrt, "rsqrt": _rsqrt,
    "expm1": _expm1, "log1p": _log1p, "tanh": _tanh, "sigmoid": _sigmoid,
    "sin": _sin, "cos": _cos, "tan": _tan, "sinh": _sinh, "cosh": _cosh,
    "pow": _pow, "asin": _asin, "acos": _acos, "atan": _atan,
    "asinh": _asinh, "acosh": _acosh, "atanh": _atanh,
}  # fmt: skip
