"""Trigonometric and hyperbolic functions and their inverses; angles are in radians.

Read next: elementwise.py (exp, log, tanh), special.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import COMPLEX, FLOAT
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.opdef import sample
from flowgraph.ops.factories import COMPLEX_SAMPLE, STANDARD, binary, samples_in, unary
from flowgraph.ops.rules import f32

_BEYOND = sample(np.array([-1, 1, 1.5, -2, 0.5], np.float32), differentiable=())

sin = unary(
    "Sin", "sin", "math.sin",
    doc="The sine of ``x`` in radians.  Gradient: dy * cos(x).",
    kernel=lambda s, x: s.sin(x),
    grad=lambda op, dy: dy * call.Cos(op.x),
    reference=np.sin,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

cos = unary(
    "Cos", "cos", "math.cos",
    doc="The cosine of ``x`` in radians.  Gradient: -dy * sin(x).",
    kernel=lambda s, x: s.cos(x),
    grad=lambda op, dy: call.Neg(dy) * call.Sin(op.x),
    reference=np.cos,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

tan = unary(
    "Tan", "tan", "math.tan",
    doc="The tangent of ``x`` in radians.  Gradient: dy * (1 + y * y).",
    kernel=lambda s, x: s.tan(x),
    grad=lambda op, dy: dy * (1 + op.y * op.y),
    reference=np.tan,
    samples=samples_in(-1.2, 1.2, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

asin = unary(
    "Asin", "asin", "math.asin",
    doc="The angle in [-pi/2, pi/2] whose sine is ``x``; NaN outside [-1, 1].\n\n"
    "    Gradient: dy / sqrt(1 - x * x), infinite at -1 and 1.",
    kernel=lambda s, x: s.asin(x),
    grad=lambda op, dy: dy * call.Rsqrt(1 - op.x * op.x),
    reference=np.arcsin,
    samples=samples_in(-0.9, 0.9, _BEYOND, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

acos = unary(
    "Acos", "acos", "math.acos",
    doc="The angle in [0, pi] whose cosine is ``x``; NaN outside [-1, 1].\n\n"
    "    Gradient: -dy / sqrt(1 - x * x), infinite at -1 and 1.",
    kernel=lambda s, x: s.acos(x),
    grad=lambda op, dy: call.Neg(dy * call.Rsqrt(1 - op.x * op.x)),
    reference=np.arccos,
    samples=samples_in(-0.9, 0.9, _BEYOND, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

atan = unary(
    "Atan", "atan", "math.atan",
    doc="The angle in (-pi/2, pi/2) whose tangent is ``x``.  Gradient: dy / (1 + x * x).",
    kernel=lambda s, x: s.atan(x),
    grad=lambda op, dy: dy / (1 + op.x * op.x),
    reference=np.arctan,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

sinh = unary(
    "Sinh", "sinh", "math.sinh",
    doc="The hyperbolic sine, (exp(x) - exp(-x)) / 2.  Gradient: dy * cosh(x).",
    kernel=lambda s, x: s.sinh(x),
    grad=lambda op, dy: dy * call.Cosh(op.x),
    reference=np.sinh,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

cosh = unary(
    "Cosh", "cosh", "math.cosh",
    doc="The hyperbolic cosine, (exp(x) + exp(-x)) / 2.  Gradient: dy * sinh(x).",
    kernel=lambda s, x: s.cosh(x),
    grad=lambda op, dy: dy * call.Sinh(op.x),
    reference=np.cosh,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

asinh = unary(
    "Asinh", "asinh", "math.asinh",
    doc="The number whose hyperbolic sine is ``x``.  Gradient: dy / sqrt(x * x + 1).",
    kernel=lambda s, x: s.asinh(x),
    grad=lambda op, dy: dy / call.Cosh(op.y),  # cosh(asinh x) = sqrt(x**2 + 1), and no overflow
    reference=np.arcsinh,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

acosh = unary(
    "Acosh", "acosh", "math.acosh",
    doc="The number >= 0 whose hyperbolic cosine is ``x``; NaN below 1.\n\n"
    "    Gradient: dy / sqrt(x * x - 1), infinite at 1.",
    kernel=lambda s, x: s.acosh(x),
    grad=lambda op, dy: dy / call.Sinh(op.y),
    reference=np.arccosh,
    samples=samples_in(1.2, 5.0, _BEYOND, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

atanh = unary(
    "Atanh", "atanh", "math.atanh",
    doc="The number whose hyperbolic tangent is ``x``; NaN outside [-1, 1].\n\n"
    "    Gradient: dy / (1 - x * x), infinite at -1 and 1.",
    kernel=lambda s, x: s.atanh(x),
    grad=lambda op, dy: dy / (1 - op.x * op.x),
    reference=np.arctanh,
    samples=samples_in(-0.9, 0.9, _BEYOND, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip


def _atan2_grad(op: Any, dz: Any) -> tuple[Any, Any]:
    y, x = op.inputs
    share = dz / (x * x + y * y)
    return x * share, call.Neg(y) * share


_ZEROS = np.array([0.0, -0.0, 0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan], np.float32)

binary(
    "Atan2",
    doc="The angle of the point (x, y), in [-pi, pi].",
    kernel=lambda s, y, x: s.atan2(y, x),
    grad=_atan2_grad,
    reference=np.arctan2,
    samples=(
        sample(f32(3, 4), f32(3, 4, seed=1)),
        sample(f32(2, 1, 3), f32(4, 1, seed=1)),
        sample(f32(), f32(5, seed=1)),
        sample(f32(0, 3), f32(3, seed=1)),
        sample(_ZEROS[:, None], _ZEROS, differentiable=()),
    ),
    dtypes=FLOAT,
    signature="y: T, x: T -> z: T",
)


@export("atan2", "math.atan2")
def atan2(y: Any, x: Any, name: str | None = None) -> Any:
    """The angle of the point (x, y) seen from the origin, in [-pi, pi].

    It is atan(y / x) with the quadrant that the signs tell; the sign of a zero counts.

    Args:
        y, x: float tensors of one dtype; shapes broadcast.
        name: of the operation; ``Atan2`` by default.

    Returns:
        A tensor of the broadcast shape.

    Raises:
        ValueError: the shapes do not broadcast.   TypeError: the dtypes differ.

    Gradient: dz * x / (x**2 + y**2) to y and -dz * y / (x**2 + y**2) to x; NaN at the origin.

    >>> tf.Session().run(tf.atan2([1.0, -1.0], [0.0, -1.0]))
    array([ 1.5707964, -2.3561945], dtype=float32)
    """
    return apply_op("Atan2", y, x, name=name)
