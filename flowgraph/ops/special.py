"""Special functions: erf, gamma, zeta, Bessel and their kin.

Near zeros that no closed form gives (those of lgamma and digamma below 0) errors are absolute, a
few units in the last place of 1; elsewhere relative: codegen/special_math.py has methods and
figures.

Read next: elementwise.py, arithmetic.py; kernel/special.py (the references).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    Call,
    define,
    dtypes_of,
    elementwise,
    error_sample,
    sample,
)
from flowgraph.kernel import special
from flowgraph.ops.factories import STANDARD, binary, samples_in, unary
from flowgraph.ops.rules import f32, number
from flowgraph.shapes import Dims, ShapeError, format_dims, merge

NAN, INF = np.nan, np.inf
WIDE = frozenset(("float32", "float64"))

# ------------------------------------------------------------------------------- error functions

erf = unary(
    "Erf", "erf", "math.erf",
    doc="The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to ``x``.\n\n"
    "    Gradient: dy * 2 / sqrt(pi) * exp(-x**2).",
    kernel=lambda s, x: s.erf(x),
    grad=lambda op, dy: dy * (number(2 / math.sqrt(math.pi), dy) * call.Exp(-call.Square(op.x))),
    sparse=True,
    reference=special.erf,
)  # fmt: skip

erfc = unary(
    "Erfc", "erfc", "math.erfc",
    doc="1 - erf(x), with all its digits also where that is small.\n\n"
    "    Gradient: -dy * 2 / sqrt(pi) * exp(-x**2).",
    kernel=lambda s, x: s.erfc(x),
    grad=lambda op, dy: dy * (number(-2 / math.sqrt(math.pi), dy) * call.Exp(-call.Square(op.x))),
    reference=special.erfc,
)  # fmt: skip

erfinv = unary(
    "Erfinv", "math.erfinv",
    doc="The number whose erf is ``x``; infinite at -1 and 1, NaN beyond.\n\n"
    "    Gradient: dy * sqrt(pi) / 2 * exp(y**2).",
    kernel=lambda s, x: s.erfinv(x),
    grad=lambda op, dy: dy * (number(math.sqrt(math.pi) / 2, dy) * call.Exp(call.Square(op.y))),
    reference=special.erfinv,
    samples=samples_in(
        -0.95, 0.95, sample(np.array([1, -1, 2, -0.999999], np.float32), differentiable=())
    ),
)  # fmt: skip

ndtri = unary(
    "Ndtri", "math.ndtri",
    doc="The quantile of the normal distribution: the z with P(N <= z) = ``x``.\n\n"
    "    Infinite at 0 and 1, NaN beyond.  Gradient: dy * sqrt(2 pi) * exp(y**2 / 2).",
    kernel=lambda s, x: s.ndtri(x),
    grad=lambda op, dy: dy * (
        number(math.sqrt(2 * math.pi), dy) * call.Exp(call.Square(op.y) / 2)
    ),
    reference=special.ndtri,
    samples=samples_in(
        0.05, 0.95, sample(np.array([0, 1, -1, 2, 1e-30, 0.5], np.float32), differentiable=())
    ),
)  # fmt: skip


@export("math.erfcinv")
def erfcinv(x: Any, name: str | None = None) -> Any:
    """The number whose erfc is ``x``, for ``x`` in [0, 2]: -ndtri(x / 2) / sqrt(2).

    Args:
        x: a float tensor.
        name: of the operation; ``erfcinv`` by default.

    Returns:
        A tensor of the shape of ``x``.

    Gradient: through ndtri.

    >>> tf.Session().run(tf.math.erfcinv(0.5))
    0.47693625
    """
    with name_scope(name, "erfcinv", [x]):
        x = convert_to_tensor(x, name="start")
        return -ndtri(number(0.5, x) * x) * number(math.sqrt(0.5), x)


# ------------------------------------------------------------------------------- gamma functions

_POLES = sample(
    np.array([0, -0.0, -1, -2, -0.5, -7.3, 1, 2, 1e-30, 30, 3e4], np.float32), differentiable=()
)

lgamma = unary(
    "Lgamma", "lgamma", "math.lgamma",
    doc="log |Gamma(x)|; infinite at 0, -1, -2 ...  Gradient: dy * digamma(x).",
    kernel=lambda s, x: s.lgamma(x),
    grad=lambda op, dy: dy * call.Digamma(op.x),
    reference=special.lgamma,
    samples=samples_in(0.2, 5.0, sample(f32(2, 3, low=-0.9, high=-0.1)), _POLES),
)  # fmt: skip

digamma = unary(
    "Digamma", "digamma", "math.digamma",
    doc="The slope of log Gamma(x); NaN at 0, -1, -2 ...  Gradient: dy * polygamma(1, x).",
    kernel=lambda s, x: s.digamma(x),
    grad=lambda op, dy: dy * call.Polygamma(number(1, dy), op.x),
    reference=special.digamma,
    samples=samples_in(0.4, 5.0, sample(f32(2, 3, low=-0.8, high=-0.2)), _POLES),
)  # fmt: skip

_ZETA_EDGES = sample(
    np.array([1, 0.5, 2, 2, 2.5, 3, 3, 2, 2, NAN, INF, 2, 2.5, 40], np.float32),
    np.array([1, 1, 0, -1, -1, -1, -0.5, -0.5, INF, 1, 1, 1e30, -0.5, 3], np.float32),
    differentiable=(),
)

binary(
    "Zeta",
    doc="Hurwitz's zeta function.  Gradient to q: -x * zeta(x + 1, q) dz; none to x.",
    kernel=lambda s, x, q: s.zeta(x, q),
    grad=(
        lambda op, dz: None,
        lambda op, dz: dz * (call.Neg(op.x) * call.Zeta(op.x + 1, op.q)),
    ),
    reference=special.zeta,
    samples=(
        sample(f32(3, 4, low=1.3, high=6), f32(3, 4, low=0.5, high=4, seed=1), differentiable=(1,)),
        sample(f32(2, 1, 3, low=1.3, high=6), f32(4, 1, low=0.5, high=4), differentiable=(1,)),
        sample(f32(low=1.3, high=6), f32(5, low=0.5, high=4, seed=1), differentiable=(1,)),
        sample(f32(0, 3), f32(3, low=0.5, high=4)),
        _ZETA_EDGES,
    ),
    dtypes=WIDE,
    signature="x: T, q: T -> z: T",
)


@export("zeta", "math.zeta")
def zeta(x: Any, q: Any, name: str | None = None) -> Any:
    """Hurwitz's zeta function, the sum of ``(q + k)**-x`` over k = 0, 1, 2 ...

    Args:
        x: a float tensor; the sum is infinite at 1, NaN below.
        q: a tensor of its dtype; shapes broadcast.  At 0, -1 ... the sum is infinite for even x and
            NaN otherwise; between them NaN unless x is whole.
        name: of the operation; ``Zeta`` by default.

    Returns:
        A tensor of the broadcast shape.

    Raises:
        ValueError: the shapes do not broadcast.   TypeError: the dtypes differ.

    Gradient: -x * zeta(x + 1, q) to q; none to x.

    >>> tf.Session().run(tf.zeta(2.0, 1.0))  # pi**2 / 6
    1.644934
    """
    return apply_op("Zeta", x, q, name=name)


binary(
    "Polygamma",
    doc="The a-th derivative of digamma.  Gradient to x: polygamma(a + 1, x) dz; none to a.",
    kernel=lambda s, a, x: s.polygamma(a, x),
    grad=(lambda op, dz: None, lambda op, dz: dz * call.Polygamma(op.a + 1, op.x)),
    reference=special.polygamma,
    samples=(
        sample(np.array([1, 2, 0], np.float32), f32(4, 3, low=0.8, high=4), differentiable=(1,)),
        sample(np.float32(3), f32(5, low=0.8, high=4, seed=1), differentiable=(1,)),
        sample(np.array([1], np.float32), f32(0, 3), differentiable=(1,)),
        sample(
            np.array([1.5, -1, NAN, 1, 1, 2, 0, 1, 20], np.float32),
            np.array([1, 1, 1, 0, -1, -1, 0, -0.5, 3], np.float32),
            differentiable=(),
        ),
    ),
    dtypes=WIDE,
    signature="a: T, x: T -> z: T",
)


@export("polygamma", "math.polygamma")
def polygamma(a: Any, x: Any, name: str | None = None) -> Any:
    """The a-th derivative of digamma at ``x``: (-1)**(a+1) a! zeta(a + 1, x).

    Args:
        a: a float tensor of whole numbers >= 0; others give NaN.
        x: a tensor of its dtype; shapes broadcast.
        name: of the operation; ``Polygamma`` by default.

    Returns:
        A tensor of the broadcast shape.

    Raises:
        ValueError: the shapes do not broadcast.   TypeError: the dtypes differ.

    Gradient: polygamma(a + 1, x) to x; none to a.

    >>> tf.Session().run(tf.polygamma(1.0, 1.0))
    1.644934
    """
    return apply_op("Polygamma", a, x, name=name)


@export("lbeta", "math.lbeta")
def lbeta(x: Any, name: str | None = None) -> Any:
    """log of the Beta function of the vectors along the last axis of ``x``.

    sum_k lgamma(x[..., k]) - lgamma(sum_k x[..., k])

    Args:
        x: (..., K) float.
        name: of the operation; ``lbeta`` by default.

    Returns:
        (...), of the dtype of ``x``.

    Gradient: through lgamma.

    >>> tf.Session().run(tf.lbeta([1.0, 1.0, 1.0]))  # 1 / 2
    -0.6931472
    """
    with name_scope(name, "lbeta", [x]):
        x = convert_to_tensor(x, name="x")
        return call.Sum(call.Lgamma(x), [-1]) - call.Lgamma(call.Sum(x, [-1]))


# ------------------------------------------------------------- incomplete gamma and beta functions


def _gamma_density(op: Any) -> Any:
    """dP(a, x)/dx = x**(a-1) exp(-x) / Gamma(a)."""
    return call.Exp(call.Xlogy(op.a - 1, op.x) - op.x - call.Lgamma(op.a))


_GAMMA_SAMPLES = (
    sample(f32(3, 4, low=0.5, high=4), f32(3, 4, low=0.3, high=6, seed=1)),
    sample(f32(2, 1, 3, low=0.5, high=4), f32(4, 1, low=0.3, high=6, seed=1)),
    sample(f32(low=0.5, high=4), f32(5, low=0.3, high=6, seed=1), differentiable=(1,)),
    sample(f32(0, 3), f32(3, low=0.3, high=6, seed=1), differentiable=(1,)),
    sample(
        np.array([0, 0, 0, 1, 1, 1, -1, NAN, 1, INF, 1, 5, 1, 100, 100, 200, 1e-3], np.float32),
        np.array([0, 1, INF, 0, -1, INF, 1, 1, NAN, 1, -INF, 1e-30, 3e4, 90, 130, 200, 0.3],
                 np.float32),
        differentiable=(),
    ),
)  # fmt: skip

binary(
    "Igamma",
    doc="The lower incomplete gamma function P(a, x).\n\n"
    "    Gradient: IgammaGradA(a, x) dz to a; x**(a-1) exp(-x) / Gamma(a) dz to x.",
    kernel=lambda s, a, x: s.igamma(a, x),
    grad=(
        lambda op, dz: dz * call.IgammaGradA(op.a, op.x),
        lambda op, dz: dz * _gamma_density(op),
    ),
    reference=special.igamma,
    samples=_GAMMA_SAMPLES,
    dtypes=FLOAT,
    signature="a: T, x: T -> z: T",
)

binary(
    "Igammac",
    doc="The upper incomplete gamma function Q(a, x) = 1 - P(a, x).  Gradient: that of -P.",
    kernel=lambda s, a, x: s.igammac(a, x),
    grad=(
        lambda op, dz: call.Neg(dz * call.IgammaGradA(op.a, op.x)),
        lambda op, dz: call.Neg(dz * _gamma_density(op)),
    ),
    reference=special.igammac,
    samples=_GAMMA_SAMPLES,
    dtypes=FLOAT,
    signature="a: T, x: T -> z: T",
)


def _no_second_derivative(op: Any, dz: Any) -> Any:
    raise LookupError(
        f"{op.name}: igamma has no second derivative by a; tf.stop_gradient(a) leaves it out"
    )


binary(
    "IgammaGradA",
    doc="dP(a, x)/da, the slope of igamma in its first argument.\n\n"
    "    Gradient to x: (log(x) - digamma(a)) x**(a-1) exp(-x) / Gamma(a) dz; none to a.",
    kernel=lambda s, a, x: s.igamma_grad_a(a, x),
    # d/dx dP/da = d/da dP/dx
    grad=(
        _no_second_derivative,
        lambda op, dz: dz * ((call.Log(op.x) - call.Digamma(op.a)) * _gamma_density(op)),
    ),
    reference=special.igamma_grad_a,
    samples=(
        sample(f32(3, 4, low=0.5, high=4), f32(3, 4, low=0.3, high=6, seed=1), differentiable=(1,)),
        sample(f32(2, 1, low=0.5, high=4), f32(4, low=0.3, high=6, seed=1), differentiable=(1,)),
        sample(f32(0, 3), f32(3, low=0.3, high=6, seed=1), differentiable=(1,)),
        _GAMMA_SAMPLES[-1],
    ),
    dtypes=WIDE,
    signature="a: T, x: T -> z: T",
)


@export("igamma", "math.igamma")
def igamma(a: Any, x: Any, name: str | None = None) -> Any:
    """The regularised lower incomplete gamma function P(a, x).

    P(a, x) = integral of t**(a-1) exp(-t) from 0 to x / Gamma(a)

    Args:
        a: a float tensor; NaN where it is not positive.
        x: a tensor of its dtype; NaN below 0; shapes broadcast.
        name: of the operation; ``Igamma`` by default.

    Returns:
        A tensor of the broadcast shape, in [0, 1].

    Raises:
        ValueError: the shapes do not broadcast.   TypeError: the dtypes differ.

    Gradient: to a by its own series (not differentiable again by a), to x the gamma density.
    Numerics: in float64 1e-13 relative, and one part in 1e15 more for each unit of -log(P).

    >>> tf.Session().run(tf.igamma(1.0, 1.0))  # 1 - 1/e
    0.63212055
    """
    return apply_op("Igamma", a, x, name=name)


@export("igammac", "math.igammac")
def igammac(a: Any, x: Any, name: str | None = None) -> Any:
    """The regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x).

    It keeps its digits where it is small.

    Args:
        a: a float tensor; NaN where it is not positive.
        x: a tensor of its dtype; NaN below 0; shapes broadcast.
        name: of the operation; ``Igammac`` by default.

    Returns:
        A tensor of the broadcast shape, in [0, 1].

    Raises:
        ValueError: the shapes do not broadcast.   TypeError: the dtypes differ.

    Gradient: minus that of ``igamma``.   Numerics: as ``igamma``.

    >>> tf.Session().run(tf.igammac(1.0, 1.0))  # 1/e
    0.36787945
    """
    return apply_op("Igammac", a, x, name=name)


def _betainc_infer(call_: Call) -> list[Dims]:
    """One shape, or scalars beside it: betainc does not broadcast further."""
    result: Dims = ()
    unknown = False
    for dims in call_.shapes:
        if dims is None:
            unknown = True
        elif dims != ():
            try:
                result = dims if result == () else merge(result, dims)
            except ShapeError:
                raise ShapeError(
                    f"a, b and x must have one shape or be scalars, not "
                    f"{', '.join(format_dims(d) for d in call_.shapes)}"
                ) from None
    return [None if unknown and result == () else result]


def _betainc_grad(op: Any, dz: Any) -> tuple[Any, Any, Any]:
    a, b, x = op.inputs
    log_beta = call.Lgamma(a) + call.Lgamma(b) - call.Lgamma(a + b)
    density = call.Exp(call.Xlog1py(b - 1, call.Neg(x)) + call.Xlogy(a - 1, x) - log_beta)
    dx = dz * density
    if x.dims == ():
        dx = call.Sum(dx, call.Range(0, call.Rank(dx), 1))
    elif x.dims is None:
        dx = _summed_if_scalar(dx, x)
    return None, None, dx


def _summed_if_scalar(dx: Any, x: Any) -> Any:
    axes = call.Range(call.Rank(x), call.Rank(dx), 1)
    return call.Reshape(call.Sum(dx, axes), call.Shape(x))


define(
    "Betainc",
    "a: T, b: T, x: T -> z: T",
    T=dtypes_of(WIDE),
    infer=_betainc_infer,
    kernel=elementwise(lambda s, a, b, x: s.betainc(a, b, x)),
    grad=_betainc_grad,
    reference=lambda call_, a, b, x: special.betainc(a, b, x),
    samples=(
        sample(
            f32(3, 4, low=0.5, high=4), f32(3, 4, low=0.5, high=4, seed=1),
            f32(3, 4, low=0.1, high=0.9, seed=2), differentiable=(2,),
        ),
        sample(
            f32(low=0.5, high=4), f32(5, low=0.5, high=4), f32(5, low=0.1, high=0.9),
            differentiable=(2,),
        ),
        sample(
            f32(4, low=0.5, high=4), f32(low=0.5, high=4), f32(low=0.1, high=0.9),
            differentiable=(2,),
        ),
        sample(f32(0, 2), f32(0, 2), f32(0, 2), differentiable=(2,)),
        sample(
            np.array([1, 1, 1, 0, 1, 2, 2, 2, NAN, 1, 1, 500, 0.01, 200, 3], np.float32),
            np.array([1, 1, 0, 1, 3, 3, 3, 3, 1, NAN, 1, 800, 0.02, 200, 1e-3], np.float32),
            np.array([0.5, 0, 0.5, 0.5, 1, -0.1, 1.1, 0.3, 0.5, 0.5, NAN, 0.4, 0.3, 0.499, 0.9],
                     np.float32),
            differentiable=(),
        ),
    ),
    errors=(
        error_sample(ValueError, "one shape or be scalars", f32(2), f32(3), f32()),
        error_sample(ValueError, "one shape or be scalars", f32(2, 1), f32(1, 3), f32(2, 3)),
    ),
    doc="The regularised incomplete beta function I_x(a, b).  Gradient: to x only.",
)  # fmt: skip


@export("betainc", "math.betainc")
def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Any:
    """The regularised incomplete beta function I_x(a, b).

    I_x(a, b) = integral of t**(a-1) (1-t)**(b-1) from 0 to x / the same from 0 to 1

    Args:
        a, b: float tensors; NaN where one is not positive.
        x: a tensor of their dtype; NaN outside [0, 1].  All have one shape, or are scalars.
        name: of the operation; ``Betainc`` by default.

    Returns:
        A tensor of that shape, in [0, 1].

    Raises:
        ValueError: two shapes differ and neither is a scalar's.   TypeError: the dtypes differ.

    Gradient: x**(a-1) (1-x)**(b-1) / B(a, b) to x; none to a and b.
    Numerics: as ``igamma``.

    >>> tf.Session().run(tf.betainc(2.0, 3.0, 0.5))
    0.6875
    """
    return apply_op("Betainc", a, b, x, name=name)


# --------------------------------------------------------------------------------- Bessel functions

_HUGE = sample(np.array([0, 1e-20, 7.99, 8.01, -30, 3e4], np.float32), differentiable=())

bessel_i0e = unary(
    "BesselI0e", "math.bessel_i0e",
    doc="exp(-|x|) I0(x), the modified Bessel function of order 0, scaled.\n\n"
    "    Gradient: dy * (bessel_i1e(x) - sign(x) y).",
    kernel=lambda s, x: s.bessel_i0e(x),
    grad=lambda op, dy: dy * (call.BesselI1e(op.x) - call.Sign(op.x) * op.y),
    reference=special.bessel_i0e,
    samples=(*STANDARD, _HUGE),
)  # fmt: skip


def _i1e_grad(op: Any, dy: Any) -> Any:
    # I1(x) / x goes to 1/2 at 0.  The inner Select keeps 0 / 0 out of second derivatives.
    x, ones = op.x, call.OnesLike(op.x)
    tiny = call.Equal(x, call.ZerosLike(x))
    quotient = call.Select(tiny, ones * 0.5, op.y / call.Select(tiny, ones, x))
    return dy * (call.BesselI0e(x) - op.y * call.Sign(x) - quotient)


bessel_i1e = unary(
    "BesselI1e", "math.bessel_i1e",
    doc="exp(-|x|) I1(x), the modified Bessel function of order 1, scaled.\n\n"
    "    Gradient: dy * (bessel_i0e(x) - (sign(x) + 1 / x) y), 1/2 at 0.",
    kernel=lambda s, x: s.bessel_i1e(x),
    grad=_i1e_grad,
    reference=special.bessel_i1e,
    samples=(*STANDARD, _HUGE),
)  # fmt: skip


@export("math.bessel_i0")
def bessel_i0(x: Any, name: str | None = None) -> Any:
    """The modified Bessel function of order 0: exp(|x|) * bessel_i0e(x).

    Args:
        x: a float tensor.
        name: of the operation; ``bessel_i0`` by default.

    Returns:
        A tensor of the shape of ``x``.

    Gradient: through bessel_i0e; dy * bessel_i1(x).

    >>> tf.Session().run(tf.math.bessel_i0(0.0))
    1.0
    """
    with name_scope(name, "bessel_i0", [x]):
        x = convert_to_tensor(x, name="x")
        return call.Exp(call.Abs(x)) * call.BesselI0e(x)


@export("math.bessel_i1")
def bessel_i1(x: Any, name: str | None = None) -> Any:
    """The modified Bessel function of order 1: exp(|x|) * bessel_i1e(x).

    Args:
        x: a float tensor.
        name: of the operation; ``bessel_i1`` by default.

    Returns:
        A tensor of the shape of ``x``.

    Gradient: through bessel_i1e; dy * (bessel_i0(x) - bessel_i1(x) / x).

    >>> tf.Session().run(tf.math.bessel_i1(0.0))
    0.0
    """
    with name_scope(name, "bessel_i1", [x]):
        x = convert_to_tensor(x, name="x")
        return call.Exp(call.Abs(x)) * call.BesselI1e(x)


# -------------------------------------------------------------------------------------- neighbours

binary(
    "NextAfter",
    doc="The float after x1 on the way to x2.  Gradient: dz to x1, zeros to x2.",
    kernel=lambda s, x1, x2: s.nextafter(x1, x2),
    grad=(lambda op, dz: dz, lambda op, dz: call.ZerosLike(dz)),
    reference=np.nextafter,
    samples=(
        sample(f32(3, 4), f32(3, 4, seed=1), differentiable=()),
        sample(f32(2, 1), f32(3, seed=1), differentiable=()),
        sample(f32(0, 3), f32(3, seed=1)),
        sample(
            np.array([0, 0, -0.0, 0, 1, 1, -3, NAN, 1, 3e38], np.float32),
            np.array([0, 1, -1, -0.0, 1, INF, 0, 1, NAN, INF], np.float32),
            differentiable=(),
        ),
    ),
    dtypes=WIDE,
    signature="x1: T, x2: T -> output: T",
)


@export("math.nextafter")
def nextafter(x1: Any, x2: Any, name: str | None = None) -> Any:
    """The next representable number after ``x1`` in the direction of ``x2``.

    Args:
        x1, x2: float32 or float64 tensors of one dtype; shapes broadcast.
        name: of the operation; ``NextAfter`` by default.

    Returns:
        A tensor of the broadcast shape; ``x2`` where they are equal, NaN where one is.

    Raises:
        ValueError: the shapes do not broadcast.   TypeError: the dtypes differ.

    Gradient: dz to x1, zeros to x2.

    >>> float(tf.Session().run(tf.math.nextafter(tf.constant(1.0, tf.float64), 2.0)) - 1)
    2.220446049250313e-16
    """
    return apply_op("NextAfter", x1, x2, name=name)
