"""Elementwise functions of one tensor: abs, exp, log, sqrt, tanh, sigmoid, floor and their kin.

Each is one ``unary(...)`` block: the record of the op type and the public function with its
documentation come from it together.

Read next: factories.py (``unary``), trigonometric.py, arithmetic.py (two tensors), reductions.py
(loops that fold an axis).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import COMPLEX, FLOAT, NUMERIC, SIGNED
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    define,
    dtypes_of,
    elementwise,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.kernel.scalar import FLOATS
from flowgraph.ops.factories import COMPLEX_SAMPLE, STANDARD, samples_in, unary
from flowgraph.ops.rules import conjugate_of, f32, merged_shape

# -------------------------------------------------------------------------------- sign and size

negative = unary(
    "Neg", "negative", "math.negative",
    doc="``-x``.  Gradient: -dy.",
    kernel=lambda s, x: -x,
    grad=lambda op, dy: call.Neg(dy),
    sparse=True,
    reference=np.negative,
    dtypes=FLOAT | SIGNED | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

unary(
    "Abs",
    doc="The absolute value.  Gradient: dy * sign(x), so 0 at 0.",
    kernel=lambda s, x: s.abs(x),
    grad=lambda op, dy: dy * call.Sign(op.x),
    reference=np.abs,
    dtypes=FLOAT | SIGNED,
)  # fmt: skip

sign = unary(
    "Sign", "sign", "math.sign",
    doc="-1, 0 or 1 as ``x`` is negative, zero or positive; NaN stays NaN.\n\n"
    "    Of complex numbers x / |x|, and 0 of 0.  Gradient: zeros.",
    kernel=lambda s, x: s.sign(x),
    grad=lambda op, dy: call.ZerosLike(op.x),
    sparse=True,
    reference=lambda x: np.sign(x) if x.dtype.kind != "c" else np.where(x == 0, x, x / np.abs(x)),
    samples=(*STANDARD, sample(np.array([-3, 0, 5], np.int32)), COMPLEX_SAMPLE),
    dtypes=FLOAT | SIGNED | COMPLEX,
)  # fmt: skip

# --------------------------------------------------------------------- exponentials, logs, powers

exp = unary(
    "Exp", "exp", "math.exp",
    doc="e to the power of ``x``.  Gradient: dy * y.",
    kernel=lambda s, x: s.exp(x),
    grad=lambda op, dy: dy * op.y,
    reference=np.exp,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

expm1 = unary(
    "Expm1", "expm1", "math.expm1",
    doc="exp(x) - 1, accurate near 0.  Gradient: dy * exp(x).",
    kernel=lambda s, x: s.expm1(x),
    grad=lambda op, dy: dy * call.Exp(op.x),
    reference=np.expm1,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

log = unary(
    "Log", "log", "math.log",
    doc="The natural logarithm; -inf at 0, NaN below.  Gradient: dy / x.",
    kernel=lambda s, x: s.log(x),
    grad=lambda op, dy: dy / op.x,
    reference=np.log,
    samples=samples_in(0.1, 3.0, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

log1p = unary(
    "Log1p", "log1p", "math.log1p",
    doc="log(1 + x), accurate near 0.  Gradient: dy / (1 + x).",
    kernel=lambda s, x: s.log1p(x),
    grad=lambda op, dy: dy / (1 + op.x),
    reference=np.log1p,
    samples=samples_in(-0.7, 3.0, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

sqrt = unary(
    "Sqrt", "sqrt", "math.sqrt",
    doc="The square root; NaN below 0.  Gradient: dy / (2 y), infinite at 0.",
    kernel=lambda s, x: s.sqrt(x),
    grad=lambda op, dy: call.SqrtGrad(op.y, dy),
    sparse=True,
    reference=np.sqrt,
    samples=samples_in(0.2, 3.0, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

rsqrt = unary(
    "Rsqrt", "rsqrt", "math.rsqrt",
    doc="1 / sqrt(x).  Gradient: -dy * y**3 / 2.",
    kernel=lambda s, x: s.rsqrt(x),
    grad=lambda op, dy: call.RsqrtGrad(op.y, dy),
    reference=lambda x: 1 / np.sqrt(x),
    samples=samples_in(0.2, 3.0, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

square = unary(
    "Square", "square", "math.square",
    doc="``x * x``.  Gradient: dy * 2x.",
    kernel=lambda s, x: x * x,
    grad=lambda op, dy: dy * (2 * op.x),
    sparse=True,
    reference=np.square,
    dtypes=NUMERIC,
    samples=(*STANDARD, sample(np.array([-3, 0, 5], np.int32)), COMPLEX_SAMPLE),
)  # fmt: skip

reciprocal = unary(
    "Reciprocal", "reciprocal", "math.reciprocal",
    doc="``1 / x``.  Gradient: -dy * y * y.",
    kernel=lambda s, x: 1 / x,
    grad=lambda op, dy: call.ReciprocalGrad(op.y, dy),
    reference=np.reciprocal,
    samples=samples_in(0.3, 2.0, COMPLEX_SAMPLE),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip

# -------------------------------------------------------------------------- tanh and sigmoid

tanh = unary(
    "Tanh", "tanh", "math.tanh", "nn.tanh",
    doc="The hyperbolic tangent, in (-1, 1).  Gradient: dy * (1 - y * y).",
    kernel=lambda s, x: s.tanh(x),
    grad=lambda op, dy: call.TanhGrad(op.y, dy),
    sparse=True,
    reference=np.tanh,
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip

sigmoid = unary(
    "Sigmoid", "sigmoid", "math.sigmoid", "nn.sigmoid",
    doc="1 / (1 + exp(-x)), in (0, 1).  Gradient: dy * y * (1 - y).",
    kernel=lambda s, x: s.sigmoid(x),
    grad=lambda op, dy: call.SigmoidGrad(op.y, dy),
    reference=lambda x: 1 / (1 + np.exp(-x)),
    dtypes=FLOAT | COMPLEX,
    samples=(*STANDARD, COMPLEX_SAMPLE),
)  # fmt: skip


def _output_gradient(
    type: str,
    formula: str,
    body: Callable[..., Any],
    second: Callable[..., Any],
    low: float = -2.0,
) -> None:
    """Register ``<type>Grad(y, dy)``, the gradient of ``type`` from its output: ``body(y, dy)``.

    One node where its parts would be several.  ``second(y, dy, dz)`` is its gradient to y; the one
    to dy is the op again, as it is linear in dy.
    """

    def grad(op: Any, dz: Any) -> tuple[Any, Any]:
        y, dy = op.inputs
        dz = conjugate_of(dz)
        first = conjugate_of(second(y, dy, dz)) if op.wants(y) else None
        return first, conjugate_of(apply_op(f"{type}Grad", y, dz)) if op.wants(dy) else None

    define(
        f"{type}Grad",
        "y: T, dy: T -> z: T",
        T=dtypes_of(FLOAT | COMPLEX),
        infer=merged_shape,
        kernel=elementwise(lambda s, y, dy: body(y, dy), parts=True),
        grad=grad,
        reference=lambda call_, y, dy: np.asarray(body(y, dy), y.dtype),
        samples=(
            sample(f32(3, 5, low=low), f32(3, 5, seed=1)),
            sample(f32(low=low), f32(seed=1)),
            sample(f32(0, 3), f32(0, 3)),
        ),
        errors=(error_sample(ValueError, "not compatible", f32(3), f32(4)),),
        doc=f"{formula}: the gradient of {type} from its output.",
    )


_output_gradient(
    "Tanh", "dy * (1 - y**2)",
    lambda y, dy: dy * (1 - y * y),
    lambda y, dy, dz: dz * dy * (-2 * y),
)  # fmt: skip
_output_gradient(
    "Sigmoid", "dy * y * (1 - y)",
    lambda y, dy: dy * (y * (1 - y)),
    lambda y, dy, dz: dz * dy * (1 - 2 * y),
)  # fmt: skip
_output_gradient(
    "Sqrt", "dy / (2 y)",
    lambda y, dy: dy * 0.5 / y,
    lambda y, dy, dz: call.Neg(dz) * (dy * 0.5 / y / y),
    low=0.3,
)  # fmt: skip
_output_gradient(
    "Rsqrt", "-dy * y**3 / 2",
    lambda y, dy: dy * -0.5 * (y * y * y),
    lambda y, dy, dz: dz * (dy * -1.5 * (y * y)),
)  # fmt: skip
_output_gradient(
    "Reciprocal", "-dy * y**2",
    lambda y, dy: -dy * (y * y),
    lambda y, dy, dz: dz * (dy * (-2 * y)),
)  # fmt: skip

# --------------------------------------------------------------------------------------- rounding

_STEP = not_differentiable("a step function: its slope is zero wherever it has one")
_HALVES = sample(np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5], np.float32))

floor = unary(
    "Floor", "floor", "math.floor",
    doc="The greatest integer that is not above ``x``.  No gradient.",
    kernel=lambda s, x: s.floor(x),
    grad=_STEP,
    reference=np.floor,
    samples=(*STANDARD, _HALVES),
)  # fmt: skip

ceil = unary(
    "Ceil", "ceil", "math.ceil",
    doc="The smallest integer that is not below ``x``.  No gradient.",
    kernel=lambda s, x: s.ceil(x),
    grad=_STEP,
    reference=np.ceil,
    samples=(*STANDARD, _HALVES),
)  # fmt: skip

rint = unary(
    "Rint", "rint", "math.rint",
    doc="The nearest integer; halves go to the even neighbour.  No gradient.",
    kernel=lambda s, x: s.rint(x),
    grad=_STEP,
    reference=np.rint,
    samples=(*STANDARD, _HALVES),
)  # fmt: skip

unary(
    "Round",
    doc="The nearest integer; halves go to the even neighbour (2.5 to 2).  No gradient.",
    kernel=lambda s, x: s.rint(x) if x.dtype in FLOATS else x,
    grad=_STEP,
    reference=lambda x: np.rint(x) if x.dtype.kind == "f" else x,
    samples=(*STANDARD, _HALVES, sample(np.array([-3, 4], np.int32))),
    dtypes=FLOAT | frozenset(("int32", "int64")),
)  # fmt: skip


@export("round", "math.round")
def round(x: Any, name: str | None = None) -> Any:
    """The nearest integer; halves go to the even neighbour (2.5 to 2).  No gradient.

    Args:
        x: a tensor of numbers.
        name: of the operation; ``Round`` by default.

    Returns:
        A tensor of the shape and dtype of ``x``; integers are returned as they are.

    >>> tf.Session().run(tf.round([0.5, 1.5, -2.6]))
    array([ 0.,  2., -3.], dtype=float32)
    """
    x = convert_to_tensor(x, name="x")
    return x if x.dtype.is_integer else apply_op("Round", x, name=name)
