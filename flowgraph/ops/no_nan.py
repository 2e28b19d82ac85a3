"""Products and quotients that forgive a zero: xlogy, xdivy, multiply_no_nan, div_no_nan.

    x log y, x / y     0 where x is 0, whatever y is
    x y                0 where y is 0, whatever x is
    x / y              0 where y is 0

Read next: arithmetic.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import COMPLEX, FLOAT
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.opdef import sample
from flowgraph.ops.factories import COMPLEX_PAIR, DIVISIBLE, INF, NAN, PAIRS, binary
from flowgraph.ops.rules import f32, number

binary(
    "DivNoNan",
    doc="``x / y``, and 0 where ``y`` is 0.  Gradient: 0 there too.",
    kernel=lambda s, x, y: s.select(s.eq(y, 0), 0, x / y),
    grad=lambda op, dz: (
        call.DivNoNan(dz, op.y),
        dz * call.DivNoNan(call.DivNoNan(call.Neg(op.x), op.y), op.y),
    ),
    reference=lambda x, y: np.where(y == 0, y.dtype.type(0), np.true_divide(x, y)),
    samples=(
        COMPLEX_PAIR, *DIVISIBLE,
        sample(np.array([1, 0, NAN], np.float32), f32(3) * 0, differentiable=()),
    ),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip


binary(
    "MulNoNan",
    doc="``x * y``, and 0 where ``y`` is 0 even if ``x`` is infinite or NaN.\n\n"
    "    Gradient: dz * y to x and x * dz to y, with the same rule.",
    kernel=lambda s, x, y: s.select(s.eq(y, 0), 0, x * y),
    grad=(
        lambda op, dz: call.MulNoNan(dz, op.y),
        lambda op, dz: call.MulNoNan(op.x, dz),
    ),
    reference=lambda x, y: np.where(y == 0, y.dtype.type(0), x * y),
    samples=(COMPLEX_PAIR, *PAIRS, sample(
        np.array([NAN, INF, 1, 0, NAN], np.float32), np.array([0, 0, 0, NAN, 1], np.float32),
        differentiable=())),
    dtypes=FLOAT | COMPLEX,
)  # fmt: skip


@export("div_no_nan", "math.divide_no_nan")
def div_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """``x / y``, and 0 where ``y`` is 0.

    Args:
        x: a tensor of floats or complex numbers.
        y: a tensor of the same dtype; shapes broadcast.
        name: of the operation; ``div_no_nan`` by default.

    Returns:
        A tensor of the broadcast shape.

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: the dtypes differ.

    Gradient: dz / y to x, -x / y**2 dz to y; 0 where ``y`` is 0.

    >>> tf.Session().run(tf.math.divide_no_nan([1.0, 2.0], [0.0, 4.0]))
    array([0. , 0.5], dtype=float32)
    """
    return _named("DivNoNan", "div_no_nan", x, y, name)


@export("math.multiply_no_nan")
def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """``x * y``, and 0 where ``y`` is 0 even if ``x`` is infinite or NaN.

    Args:
        x: a tensor of floats or complex numbers.
        y: a tensor of the same dtype; shapes broadcast.
        name: of the operation; ``multiply_no_nan`` by default.

    Returns:
        A tensor of the broadcast shape.

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: the dtypes differ.

    Gradient: dz * y to x and x * dz to y, with the same rule.

    >>> tf.Session().run(tf.math.multiply_no_nan([np.inf, 2.0], [0.0, 4.0]))
    array([0., 8.], dtype=float32)
    """
    return _named("MulNoNan", "multiply_no_nan", x, y, name)


def _named(type: str, default: str, x: Any, y: Any, name: str | None) -> Any:
    with name_scope(name, default, [x, y]) as scope:
        return apply_op(type, x, y, name=scope)


@export("math.reciprocal_no_nan")
def reciprocal_no_nan(x: Any, name: str | None = None) -> Any:
    """``1 / x``, and 0 where ``x`` is 0.

    Args:
        x: a float tensor.
        name: of the operation; ``reciprocal_no_nan`` by default.

    Returns:
        A tensor of the shape of ``x``.

    Gradient: -dy / x**2; 0 where x is 0.

    >>> tf.Session().run(tf.math.reciprocal_no_nan([2.0, 0.0]))
    array([0.5, 0. ], dtype=float32)
    """
    with name_scope(name, "reciprocal_no_nan", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return apply_op("DivNoNan", number(1, x), x, name=scope)

# --------------------------------------------------------------------- products that forgive a zero


def _zero_first(function: Any) -> Any:
    """``function(x, y)``, and 0 where x is 0 whatever y is."""
    return lambda x, y: np.where(x == 0, x.dtype.type(0), function(x, y))


_FORGIVEN = sample(
    np.array([0, 0, 0, 0, 1, 1, -2], np.float32),
    np.array([0, NAN, INF, -3, 0, -1, 2], np.float32),
    differentiable=(),
)


def _forgiving(type: str, function: str, formula: str, low: float, body: Any, ref: Any, grad: Any,
               slopes: str) -> Any:  # fmt: skip
    return binary(
        type, f"math.{function}",
        doc=f"{formula}, and 0 where ``x`` is 0.  Gradient: {slopes}, with the same rule.",
        kernel=lambda s, x, y: s.select(s.eq(x, 0), 0, body(s, x, y)),
        grad=grad,
        reference=_zero_first(ref),
        samples=(
            sample(f32(3, 4), f32(3, 4, low=low, high=2.0, seed=1)),
            sample(f32(2, 1, 3), f32(4, 1, low=low, high=2.0, seed=1)),
            sample(f32(), f32(5, low=low, high=2.0, seed=1)),
            sample(f32(0, 3), f32(3, low=low, high=2.0)),
            _FORGIVEN,
            COMPLEX_PAIR,
        ),
        dtypes=FLOAT | COMPLEX,
    )  # fmt: skip


def _one_where_nonzero(x: Any) -> Any:
    return call.Cast(call.NotEqual(x, number(0, x)), DstT=x.dtype.base_dtype)


xlogy = _forgiving(
    "Xlogy", "xlogy", "x * log(y)", 0.3,
    lambda s, x, y: x * s.log(y),
    lambda x, y: x * np.log(y),
    (
        lambda op, dz: dz * call.Xlogy(_one_where_nonzero(op.x), op.y),
        lambda op, dz: dz * call.Xdivy(op.x, op.y),
    ),
    "log(y) dz to x, x / y dz to y",
)  # fmt: skip

xlog1py = _forgiving(
    "Xlog1py", "xlog1py", "x * log1p(y)", -0.6,
    lambda s, x, y: x * s.log1p(y),
    lambda x, y: x * np.log1p(y),
    (
        lambda op, dz: dz * call.Xlog1py(_one_where_nonzero(op.x), op.y),
        lambda op, dz: dz * call.Xdivy(op.x, op.y + 1),
    ),
    "log1p(y) dz to x, x / (1 + y) dz to y",
)  # fmt: skip

xdivy = _forgiving(
    "Xdivy", "xdivy", "x / y", 0.4,
    lambda s, x, y: x / y,
    lambda x, y: x / y,
    (
        lambda op, dz: dz * call.Xdivy(_one_where_nonzero(op.x), op.y),
        lambda op, dz: dz * call.Xdivy(call.Neg(op.x), call.Square(op.y)),
    ),
    "dz / y to x, -x / y**2 dz to y",
)  # fmt: skip
