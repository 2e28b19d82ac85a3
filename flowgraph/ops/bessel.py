"""Bessel functions, Dawson's and Fresnel's integrals, Ei, the dilogarithm; tf.math.special.

TensorFlow has them since 2.4.  They run on the host, in NumPy.

Read next: special.py; kernel/special_integrals.py (the references).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.opdef import Sample, define, dtypes_of, sample
from flowgraph.kernel import special_integrals
from flowgraph.ops.factories import STANDARD, samples_in
from flowgraph.ops.rules import number, same_shape
from flowgraph.ops.special import bessel_i0, bessel_i0e, bessel_i1, bessel_i1e

_FAR = np.array([0.0, 1e-6, 3.9, 4.1, 24.9, 25.1, 60, -2.5], np.float32)


def _function(
    type: str, name: str, doc: str, grad: Callable[..., Any], samples: Sequence[Sample] = STANDARD
) -> None:
    """Register ``type`` and export ``tf.math.special.<name>``."""
    reference = getattr(special_integrals, name)
    define(
        type,
        "x: T -> y: T",
        T=dtypes_of(FLOAT),
        infer=same_shape,
        grad=lambda op, dy: (grad(op, dy),),
        reference=lambda call_, x: reference(x),
        samples=(*samples, sample(_FAR, differentiable=())),
        doc=doc,
    )

    def function(x: Any, name: str | None = None) -> Any:
        with name_scope(name, public, [x]):
            return apply_op(type, x)

    public = name
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{doc}

    Args:
        x: a tensor of any shape; float16, float32 or float64.
        name: of the scope; ``{name}`` by default.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` has another dtype.
    """
    export(f"math.special.{name}")(function)


for _known in (bessel_i0, bessel_i0e, bessel_i1, bessel_i1e):
    export(f"math.special.{_known.__name__}")(_known)

# ------------------------------------------------------------------------------ Bessel functions


def _over_x(y: Any, x: Any) -> Any:
    """y / x, and 1/2 at 0, where it is J_1(x) / x.  The inner Select keeps 0 / 0 out of slopes."""
    zero, ones = call.Equal(x, call.ZerosLike(x)), call.OnesLike(x)
    return call.Select(zero, ones * 0.5, y / call.Select(zero, ones, x))


_POSITIVE = samples_in(0.3, 5.0)

_function("BesselJ0", "bessel_j0",
          "The Bessel function of the first kind of order 0.  Gradient: -dy * J1(x).",
          lambda op, dy: call.Neg(dy * call.BesselJ1(op.x)))  # fmt: skip
_function("BesselJ1", "bessel_j1",
          "The Bessel function of the first kind of order 1.\n\n"
          "    Gradient: dy * (J0(x) - y / x), 1/2 dy at 0.",
          lambda op, dy: dy * (call.BesselJ0(op.x) - _over_x(op.y, op.x)))  # fmt: skip
_function("BesselY0", "bessel_y0",
          "The Bessel function of the second kind of order 0; -inf at 0 and below.\n\n"
          "    Gradient: -dy * Y1(x).",
          lambda op, dy: call.Neg(dy * call.BesselY1(op.x)), _POSITIVE)  # fmt: skip
_function("BesselY1", "bessel_y1",
          "The Bessel function of the second kind of order 1; -inf at 0 and below.\n\n"
          "    Gradient: dy * (Y0(x) - y / x).",
          lambda op, dy: dy * (call.BesselY0(op.x) - op.y / op.x), _POSITIVE)  # fmt: skip
_function("BesselK0", "bessel_k0",
          "The modified Bessel function of the second kind of order 0; inf at 0 and below.\n\n"
          "    Gradient: -dy * K1(x).",
          lambda op, dy: call.Neg(dy * call.BesselK1(op.x)), _POSITIVE)  # fmt: skip
_function("BesselK0e", "bessel_k0e",
          "exp(x) K0(x), which does not underflow.  Gradient: dy * (y - exp(x) K1(x)).",
          lambda op, dy: dy * (op.y - call.BesselK1e(op.x)), _POSITIVE)  # fmt: skip
_function("BesselK1", "bessel_k1",
          "The modified Bessel function of the second kind of order 1; inf at 0 and below.\n\n"
          "    Gradient: -dy * (K0(x) + y / x).",
          lambda op, dy: call.Neg(dy * (call.BesselK0(op.x) + op.y / op.x)),
          _POSITIVE)  # fmt: skip
_function("BesselK1e", "bessel_k1e",
          "exp(x) K1(x), which does not underflow.\n\n"
          "    Gradient: dy * (y (1 - 1 / x) - exp(x) K0(x)).",
          lambda op, dy: dy * (op.y * (1 - 1 / op.x) - call.BesselK0e(op.x)),
          _POSITIVE)  # fmt: skip

# ------------------------------------------------------------------------------------- integrals


def _quarter_turns(x: Any) -> Any:
    return call.Square(x) * number(math.pi / 2, x)


def _spence_grad(op: Any, dy: Any) -> Any:
    # log(x) / (1 - x) goes to -1 at 1
    one = call.OnesLike(op.x)
    at_one = call.Equal(op.x, one)
    rest = call.Select(at_one, one * 0.5, op.x)
    return dy * call.Select(at_one, call.Neg(one), call.Log(rest) / (one - rest))


_function("Dawsn", "dawsn",
          "Dawson's integral: exp(-x**2) times the integral of exp(t**2) from 0 to ``x``.\n\n"
          "    Gradient: dy * (1 - 2 x y).",
          lambda op, dy: dy * (1 - 2 * (op.x * op.y)))  # fmt: skip
_function("Expint", "expint",
          "The exponential integral Ei: that of exp(t) / t from -inf to ``x``; NaN below 0.\n\n"
          "    Gradient: dy * exp(x) / x.",
          lambda op, dy: dy * (call.Exp(op.x) / op.x), _POSITIVE)  # fmt: skip
_function("FresnelCos", "fresnel_cos",
          "Fresnel's C: the integral of cos(pi t**2 / 2) from 0 to ``x``.\n\n"
          "    Gradient: dy * cos(pi x**2 / 2).",
          lambda op, dy: dy * call.Cos(_quarter_turns(op.x)))  # fmt: skip
_function("FresnelSin", "fresnel_sin",
          "Fresnel's S: the integral of sin(pi t**2 / 2) from 0 to ``x``.\n\n"
          "    Gradient: dy * sin(pi x**2 / 2).",
          lambda op, dy: dy * call.Sin(_quarter_turns(op.x)))  # fmt: skip
_function("Spence", "spence",
          "The dilogarithm of 1 - ``x``: minus the integral of log(t) / (t - 1) from 1 to ``x``; "
          "NaN below 0.\n\n    Gradient: dy * log(x) / (1 - x).",
          _spence_grad, samples_in(0.2, 4.0))  # fmt: skip
