"""Activation functions: relu and its kin, elu, selu, softplus, softsign, swish, crelu.

Each has a gradient op of its own, named as TensorFlow names it: ``ReluGrad(gradients, features)``
is gradients times the slope.  One node instead of four keeps gradient graphs small.

Read next: softmax.py; elementwise.py (tanh and sigmoid).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, REAL
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Loops, Sample, define, dtypes_of, error_sample, sample
from flowgraph.ops.rules import f32, i32, merged_shape, number, same_shape, sum_to

#: Scale and negative saturation of selu (Klambauer et al. 2017, appendix A).
SELU_SCALE = 1.0507009873554804934193349852946
SELU_SCALE_ALPHA = SELU_SCALE * 1.6732632423543772848170429916717

_SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 6.0, 200.0, -200.0], np.float32)

Rule = Callable[..., Any]


def activation(
    type: str,
    *names: str,
    doc: str,
    body: Rule,
    reference: Rule,
    slope: Rule,
    slope_reference: Rule,
    second: Rule | None = None,
    from_output: bool = False,
    dtypes: frozenset[str] = FLOAT,
    more: Sequence[Sample] = (),
    **attrs: Any,
) -> Callable[..., Any]:
    """Register ``type`` and ``<type>Grad``; export ``names[0](features, name=None)``.

    ``body(s, attrs, x)`` and ``reference(attrs, x)`` compute y.  ``slope(s, attrs, g, t)`` and
    ``slope_reference(attrs, g, t)`` give g * dy/dx, where t is x, or y with ``from_output``.
    ``second(op, dz)`` is the gradient of the gradient op with respect to t; None: zeros.
    """
    kept = "outputs" if from_output else "features"
    grad_attrs = tuple(attrs)

    def chosen(op: Any) -> dict[str, Any]:
        return {name: op.attrs[name] for name in grad_attrs}

    def gradient(op: Any, dy: Any) -> tuple[Any]:
        basis = op.activations if from_output else op.features
        return (apply_op(f"{type}Grad", dy, basis, **chosen(op)),)

    def gradient_of_gradient(op: Any, dz: Any) -> tuple[Any, Any]:
        basis = op.inputs[1]
        further = call.ZerosLike(basis) if second is None else second(op, dz)
        return apply_op(f"{type}Grad", dz, basis, **chosen(op)), further

    define(
        type,
        "features: T -> activations: T",
        T=dtypes_of(dtypes),
        **attrs,
        infer=same_shape,
        kernel=Loops(lambda s, call_, x: body(s, call_.attrs, x)),
        grad=gradient,
        reference=lambda call_, x: reference(call_.attrs, x),
        samples=(
            sample(f32(3, 5)),
            sample(f32()),
            sample(f32(0, 3)),
            sample(_SPECIAL, differentiable=()),
            *more,
        ),
        doc=doc,
    )
    define(
        f"{type}Grad",
        f"gradients: T, {kept}: T -> backprops: T",
        T=dtypes_of(dtypes),
        **attrs,
        infer=merged_shape,
        kernel=Loops(lambda s, call_, g, t: slope(s, call_.attrs, g, t)),
        grad=gradient_of_gradient,
        reference=lambda call_, g, t: slope_reference(call_.attrs, g, t),
        samples=(
            sample(f32(3, 5), f32(3, 5, seed=1)),
            sample(f32(), f32(seed=1)),
            sample(f32(0, 3), f32(0, 3)),
        ),
        errors=(error_sample(ValueError, "not compatible", f32(3), f32(4)),),
        doc=f"``gradients`` times the slope of {type} at ``{kept}``.",
    )

    def function(features: Any, name: str | None = None) -> Any:
        return apply_op(type, features, name=name)

    if names:
        function.__name__ = function.__qualname__ = names[0].rpartition(".")[2]
    function.__doc__ = f"""{doc}

    Args:
        features: a tensor of any shape; {", ".join(sorted(dtypes))}.
        name: of the operation; ``{type}`` by default.

    Returns:
        A tensor of the shape and dtype of ``features``.

    Raises:
        TypeError: ``features`` has another dtype.
    """
    return export(*names)(function) if names else function


relu = activation(
    "Relu", "nn.relu",
    doc="max(x, 0).  Gradient: dy where x > 0, else 0.",
    body=lambda s, attrs, x: s.max(x, 0),
    reference=lambda attrs, x: np.maximum(x, x.dtype.type(0)),
    slope=lambda s, attrs, g, x: s.select(s.gt(x, 0), g, 0),
    slope_reference=lambda attrs, g, x: np.where(x > 0, g, g.dtype.type(0)),
    dtypes=REAL,
    more=(sample(i32([-2, 0, 3])),),
)  # fmt: skip

relu6 = activation(
    "Relu6", "nn.relu6",
    doc="min(max(x, 0), 6).  Gradient: dy where 0 < x < 6, else 0.",
    body=lambda s, attrs, x: s.min(s.max(x, 0), 6),
    reference=lambda attrs, x: np.minimum(np.maximum(x, x.dtype.type(0)), x.dtype.type(6)),
    slope=lambda s, attrs, g, x: s.select(s.gt(x, 0) & s.lt(x, 6), g, 0),
    slope_reference=lambda attrs, g, x: np.where((x > 0) & (x < 6), g, g.dtype.type(0)),
    dtypes=REAL,
    more=(sample(i32([-2, 0, 3, 9])),),
)  # fmt: skip

activation(
    "LeakyRelu",
    doc="x where x > 0, else alpha * x.  Gradient: dy, or alpha * dy.",
    body=lambda s, attrs, x: s.select(s.gt(x, 0), x, x * attrs["alpha"]),
    reference=lambda attrs, x: np.where(x > 0, x, x * x.dtype.type(attrs["alpha"])),
    slope=lambda s, attrs, g, x: s.select(s.gt(x, 0), g, g * attrs["alpha"]),
    slope_reference=lambda attrs, g, x: np.where(x > 0, g, g * g.dtype.type(attrs["alpha"])),
    more=(sample(f32(4), alpha=0.01),),
    alpha=0.2,
)  # fmt: skip


def _product_where_negative(op: Any, dz: Any) -> Any:
    """dz * gradients where the output is negative, else 0."""
    y = op.inputs[1]
    zeros = call.ZerosLike(y)
    return call.Select(call.Less(y, zeros), dz * op.gradients, zeros)


elu = activation(
    "Elu", "nn.elu",
    doc="x where x > 0, else exp(x) - 1.  Gradient: dy, or dy * (y + 1).",
    body=lambda s, attrs, x: s.select(s.lt(x, 0), s.expm1(x), x),
    reference=lambda attrs, x: np.where(x < 0, np.expm1(x), x),
    slope=lambda s, attrs, g, y: s.select(s.lt(y, 0), g * (y + 1), g),
    slope_reference=lambda attrs, g, y: np.where(y < 0, g * (y + 1), g),
    second=_product_where_negative,
    from_output=True,
)  # fmt: skip


selu = activation(
    "Selu", "nn.selu",
    doc="1.0507 x where x > 0, else 1.7581 (exp(x) - 1) (Klambauer et al. 2017).\n\n"
    "    Gradient: 1.0507 dy, or dy * (y + 1.7581).",
    body=lambda s, attrs, x: s.select(
        s.lt(x, 0), s.expm1(x) * SELU_SCALE_ALPHA, x * SELU_SCALE
    ),
    reference=lambda attrs, x: np.where(
        x < 0, np.expm1(x) * x.dtype.type(SELU_SCALE_ALPHA), x * x.dtype.type(SELU_SCALE)
    ),
    slope=lambda s, attrs, g, y: s.select(
        s.lt(y, 0), g * (y + SELU_SCALE_ALPHA), g * SELU_SCALE
    ),
    slope_reference=lambda attrs, g, y: np.where(
        y < 0, g * (y + y.dtype.type(SELU_SCALE_ALPHA)), g * g.dtype.type(SELU_SCALE)
    ),
    second=_product_where_negative,
    from_output=True,
)  # fmt: skip


def _softplus_second(op: Any, dz: Any) -> Any:
    y = call.Sigmoid(op.features)
    return dz * op.gradients * y * (1 - y)


softplus = activation(
    "Softplus", "nn.softplus", "math.softplus",
    doc="log(1 + exp(x)).  Gradient: dy * sigmoid(x).",
    # max(x, 0) + log(1 + exp(-|x|)) overflows nowhere.
    body=lambda s, attrs, x: s.max(x, 0) + s.log1p(s.exp(-s.abs(x))),
    reference=lambda attrs, x: np.maximum(x, x.dtype.type(0)) + np.log1p(np.exp(-np.abs(x))),
    slope=lambda s, attrs, g, x: g * s.sigmoid(x),
    slope_reference=lambda attrs, g, x: g / (1 + np.exp(-x)),
    second=_softplus_second,
)  # fmt: skip


def _softsign_second(op: Any, dz: Any) -> Any:
    # d/dx 1 / (1 + |x|)^2 = -2 sign(x) / (1 + |x|)^3
    base = 1 + call.Abs(op.features)
    return dz * op.gradients * (-2 * call.Sign(op.features)) / (base * base * base)


softsign = activation(
    "Softsign", "nn.softsign", "math.softsign",
    doc="x / (1 + |x|).  Gradient: dy / (1 + |x|)**2.",
    body=lambda s, attrs, x: x / (s.abs(x) + 1),
    reference=lambda attrs, x: x / (1 + np.abs(x)),
    slope=lambda s, attrs, g, x: g / ((s.abs(x) + 1) * (s.abs(x) + 1)),
    slope_reference=lambda attrs, g, x: g / np.square(1 + np.abs(x)),
    second=_softsign_second,
)  # fmt: skip


@export("nn.leaky_relu")
def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Any:
    """x where x > 0, else alpha * x.

    Args:
        features: a float tensor; integers become float32.
        alpha: the slope below 0.
        name: of the operation; ``LeakyRelu`` by default.

    Returns:
        A tensor of the shape of ``features``.

    Gradient: dy where x > 0, else alpha * dy.

    >>> tf.Session().run(tf.nn.leaky_relu([-1.0, 2.0]))
    array([-0.2,  2. ], dtype=float32)
    """
    features = convert_to_tensor(features, name="features")
    if features.dtype.is_integer:
        features = call.Cast(features, DstT="float32")
    return apply_op("LeakyRelu", features, alpha=float(alpha), name=name)


@export("log_sigmoid", "math.log_sigmoid")
def log_sigmoid(x: Any, name: str | None = None) -> Any:
    """log(1 / (1 + exp(-x))), as ``-softplus(-x)``: finite for every finite ``x``.

    Args:
        x: a float tensor.
        name: of the operation; ``LogSigmoid`` by default.

    Returns:
        A tensor of the shape of ``x``.

    Gradient: dy * sigmoid(-x).

    >>> tf.Session().run(tf.log_sigmoid([-1000.0, 1000.0]))
    array([-1000.,    -0.], dtype=float32)
    """
    with name_scope(name, "LogSigmoid", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return apply_op("Neg", call.Softplus(-x), name=scope)


@export("nn.crelu")
def crelu(features: Any, name: str | None = None, axis: int = -1) -> Tensor:
    """relu of ``features`` beside relu of its negative: twice the channels (Shang et al. 2016).

    Args:
        features: a tensor of a numeric dtype that is not complex.
        name: of the operations; ``CRelu`` by default.
        axis: along which the two are put beside one another.

    Returns:
        A tensor like ``features`` with twice the size along ``axis``.

    Raises:
        ValueError: the axis is out of range.

    Gradient: that of relu, of both parts.

    >>> tf.Session().run(tf.nn.crelu([[-1.0, 2.0]]))
    array([[0., 2., 1., 0.]], dtype=float32)
    """
    with name_scope(name, "CRelu", [features]) as scope:
        features = convert_to_tensor(features, name="features")
        both = apply_op("ConcatV2", [features, call.Neg(features)], axis, name=scope)
        return call.Relu(both)


@export("nn.swish", "nn.silu")
def swish(features: Any, beta: Any = 1.0) -> Tensor:
    """x * sigmoid(beta x) (Ramachandran et al. 2017; silu: Elfwing et al. 2018).

    Args:
        features: x, a float tensor.
        beta: how sharp the bend is; a number or a tensor that broadcasts.  NB: TensorFlow 1.15
            does not have it, later versions do.

    Returns:
        A tensor of the shape of ``features``.

    Gradient: dy (s + beta x s (1 - s)) with s = sigmoid(beta x); and dy x^2 s (1 - s) to beta.  It
    is computed from x alone: between forward and backward no sigmoid is kept in memory.

    >>> tf.Session().run(tf.nn.swish([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.], dtype=float32)
    """

    @EXPORTS["custom_gradient"]
    def swish_of(x: Tensor, slope: Tensor) -> Any:
        def grad(dy: Tensor) -> list[Tensor]:
            # The sigmoid by another formula, as the compiler would keep the one it has; exp of
            # at most 80, so that derivatives of higher order are never inf / inf.
            limit = number(80, x)
            s = 1 / (1 + call.Exp(call.Minimum(-(slope * x), limit)))
            bend = s * (1 - s)
            dx = dy * (s + slope * x * bend)
            return [sum_to(dx, x, slope), sum_to(dy * x * x * bend, slope, x)]

        return x * call.Sigmoid(slope * x), grad

    x = convert_to_tensor(features, name="features")
    if isinstance(beta, (int, float)):
        return _as_tensor(swish_of(x, number(beta, x)))
    return _as_tensor(swish_of(x, convert_to_tensor(beta, dtype=x.dtype.base_dtype, name="beta")))


def _as_tensor(y: Any) -> Tensor:
    return y[0] if isinstance(y, (list, tuple)) else y
