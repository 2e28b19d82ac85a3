"""Local response normalisation, and moments from sums: weighted, shifted, in parts.

    y[..., c] = x[..., c] / (bias + alpha * sum of x[..., k]**2 over |k - c| <= r) ** beta

Read next: batch_norm.py, norms.py (moments, l2_normalize).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, float16, float32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.gradients import gradients
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.rules import concrete, f32, merge_all, number, one_name, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError, is_fully_known, normalize_axis

# --------------------------------------------------------------------- local response normalisation

#: ``spread``: a row of channels between ``radius`` zeros on either side; ``norm``: of a pixel.
_CLEAR = """
for c in independent(C + 2 * radius):
    store(spread, c, {T}(0))
"""

_NORM = """
    for c in independent(C):
        store(spread, radius + c, load({x}, at + c) * load({x}, at + c))
        store(norm, c, {T}(0))
    for k in range(2 * radius + 1):
        for c in independent(C):
            store(norm, c, load(norm, c) + load(spread, k + c))
    for c in independent(C):
        store(norm, c, {bias} + {alpha} * load(norm, c))
"""

_FORWARD = (
    _CLEAR
    + """
for r in range(rows):
    at = r * C
"""
    + _NORM.replace("{x}", "input")
    + """
    for c in independent(C):
        n = load(norm, c)
        store(output, at + c, load(input, at + c) * {power})
return 0
"""
)

#: dx = dy * norm**-beta - 2 alpha beta x * sum over the window of dy y / norm
_BACKWARD = (
    _CLEAR
    + """
for r in range(rows):
    at = r * C
"""
    + _NORM.replace("{x}", "input_image")
    + """
    for c in independent(C):
        n = load(norm, c)
        dy = load(input_grads, at + c)
        store(output, at + c, dy * {power})
        store(spread, radius + c, {twice} * dy * load(output_image, at + c) / n)
        store(norm, c, {T}(0))
    for k in range(2 * radius + 1):
        for c in independent(C):
            store(norm, c, load(norm, c) + load(spread, k + c))
    for c in independent(C):
        bent = load(norm, c) * load(input_image, at + c)
        store(output, at + c, load(output, at + c) - bent)
return 0
"""
)

#: beta -> n**-beta without logarithms.
_POWERS = {
    0.5: "({T}(1) / sqrt(n))",
    0.75: "({T}(1) / (sqrt(n) * sqrt(sqrt(n))))",
    1.0: "({T}(1) / n)",
}


def _infer(call_: Call) -> list[Dims]:
    if call_.attrs["depth_radius"] < 0:
        raise ShapeError(f"depth_radius must not be negative: {call_.attrs['depth_radius']}")
    return [require_rank(merge_all(call_.shapes), 4, "the images")]


def _sizes(call_: Call) -> Mapping[str, int]:
    shape = concrete(call_.shapes[0])
    # a window cannot be wider than all channels
    radius = max(min(int(call_.attrs["depth_radius"]), shape[-1]), 0)
    return {"C": shape[-1], "rows": math.prod(shape[:-1]), "radius": radius}


def _procedure(text: str) -> Procedure:
    def choices(call_: Call) -> Mapping[str, str]:
        attrs, dtype = call_.attrs, call_.dtypes[0].base_dtype.name
        numbers = {name: float(attrs[name]) for name in ("bias", "alpha", "beta")}
        numbers["twice"] = 2 * numbers["alpha"] * numbers["beta"]
        found = {name: f"{dtype}({value!r})" for name, value in numbers.items()}
        power = _POWERS.get(numbers["beta"], f"exp(-{found['beta']} * log(n))")
        return {**found, "power": power.replace("{T}", dtype)}

    def scratch(call_: Call) -> Mapping[str, tuple[str, int]]:
        n, dtype = _sizes(call_), call_.dtypes[0].base_dtype.name
        return {"spread": (dtype, n["C"] + 2 * n["radius"]), "norm": (dtype, n["C"])}

    def flops(call_: Call) -> int:
        return (20 + 4 * call_.attrs["depth_radius"]) * math.prod(concrete(call_.shapes[0]))

    return Procedure(text, sizes=_sizes, scratch=scratch, choices=choices, flops=flops)


def _window_sums(call_: Call, x: Any) -> Any:
    """Sums over windows of the last axis, in float64."""
    radius, count = call_.attrs["depth_radius"], x.shape[-1]
    place = np.arange(count)
    band = np.abs(place[:, None] - place) <= radius
    return x.astype(np.float64) @ band.astype(np.float64)


def _norm(call_: Call, x: Any) -> Any:
    wide = x.astype(np.float64)
    return call_.attrs["bias"] + call_.attrs["alpha"] * _window_sums(call_, wide * wide)


def _forward_reference(call_: Call, x: Any) -> Any:
    return (x * _norm(call_, x) ** -call_.attrs["beta"]).astype(x.dtype)


def _backward_reference(call_: Call, dy: Any, x: Any, y: Any) -> Any:
    norm, beta = _norm(call_, x), call_.attrs["beta"]
    bent = x * _window_sums(call_, dy * y.astype(np.float64) / norm)
    return (dy * norm**-beta - 2 * call_.attrs["alpha"] * beta * bent).astype(x.dtype)


_ATTRS: dict[str, Any] = {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}


def _grad(op: Any, dy: Any) -> tuple[Any]:
    attrs = {name: op.attrs[name] for name in _ATTRS}
    return (call.LRNGrad(dy, op.input, op.output, **attrs),)


def _grad_grad(op: Any, ddx: Any) -> Any:
    """By the gradient of the formula in small operations; a sum over windows is a band matrix."""
    dy, x, y = (call.Identity(t) for t in op.inputs)
    alpha, beta = op.attrs["alpha"], op.attrs["beta"]
    shape = shape_of(x)
    channels = call.Slice(shape, [3], [1])
    place = call.Range(np.array(0, np.int32), call.Squeeze(channels), np.array(1, np.int32))
    away = call.Abs(call.Sub(call.ExpandDims(place, 1), place))
    near = call.LessEqual(away, np.array(op.attrs["depth_radius"], np.int32))
    band = call.Cast(near, DstT=x.dtype.base_dtype)

    def sums(t: Tensor) -> Tensor:
        rows = call.Reshape(t, call.ConcatV2([np.array([-1], np.int32), channels], 0))
        return call.Reshape(call.MatMul(rows, band), shape)

    norm = sums(x * x) * alpha + op.attrs["bias"]
    dx = dy * call.Pow(norm, number(-beta, x)) - x * sums(dy * y / norm) * (2.0 * alpha * beta)
    return gradients(dx, [dy, x, y], ddx)


def _case(x: Any, **attrs: Any) -> Any:
    call_ = Call("LRN", {**_ATTRS, **attrs}, (), ())
    return sample(x[::-1].copy(), x, _forward_reference(call_, x), **attrs)


define(
    "LRN",
    "input: T -> output: T",
    T=dtypes_of(FLOAT),
    **_ATTRS,
    infer=_infer,
    kernel=_procedure(_FORWARD),
    grad=_grad,
    reference=_forward_reference,
    samples=(
        sample(f32(2, 2, 3, 7), depth_radius=2, alpha=0.5, beta=0.75),
        sample(f32(1, 2, 2, 5)),
        sample(f32(1, 1, 2, 4), depth_radius=0, bias=2.0, alpha=-0.1, beta=1.25),
        sample(f32(1, 1, 3, 5), depth_radius=9, beta=1.0),
        sample(f32(0, 2, 2, 3)),
    ),
    errors=(
        error_sample(ValueError, "must be of rank 4", f32(2, 3)),
        error_sample(ValueError, "must not be negative", f32(1, 1, 2, 3), depth_radius=-1),
    ),
    doc="Local response normalisation: every channel divided by a power of the sum of squares of "
    "its neighbours.",
)
define(
    "LRNGrad",
    "input_grads: T, input_image: T, output_image: T -> output: T",
    T=dtypes_of(FLOAT),
    **_ATTRS,
    infer=_infer,
    kernel=_procedure(_BACKWARD),
    grad=_grad_grad,
    reference=_backward_reference,
    samples=(
        _case(f32(2, 2, 2, 7), depth_radius=2, alpha=0.5, beta=0.75),
        _case(f32(1, 2, 2, 5)),
        _case(f32(0, 2, 2, 3)),
    ),
    errors=(
        error_sample(ValueError, "not compatible", f32(1, 2, 2, 3), f32(1, 2, 2, 3),
                     f32(1, 2, 2, 4)),
    ),
    doc="Gradient of LRN, from dy, its input and its output.",
)  # fmt: skip


@export("nn.lrn", "nn.local_response_normalization")
def local_response_normalization(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    name: str | None = None,
) -> Tensor:
    """Every channel of a pixel divided by how strong its neighbours are.

    y[..., c] = x[..., c] / (bias + alpha * sum of x[..., k]**2 over |k - c| <= depth_radius)**beta

    Args:
        input: (batch, height, width, channels), float.
        depth_radius: how many channels to either side count.
        bias: added to the sum; keeps the division from 0.
        alpha: weight of the sum: not divided by the number of channels.
        beta: the exponent.
        name: of the operation; ``LRN`` by default.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: ``input`` is not of rank 4.

    Gradient: ``dy / norm**beta - 2 alpha beta x * sum of dy y / norm over the window``; also twice.

    >>> x = tf.constant([1.0, 1.0, 0.0], shape=[1, 1, 1, 3])
    >>> tf.Session().run(tf.nn.lrn(x, depth_radius=0, beta=1.0))[0, 0, 0]
    array([0.5, 0.5, 0. ], dtype=float32)
    """
    return apply_op(
        "LRN", input, depth_radius=int(depth_radius), bias=float(bias), alpha=float(alpha),
        beta=float(beta), name=name,
    )  # fmt: skip


# ----------------------------------------------------------------------------- moments from sums


@export("nn.sufficient_statistics")
def sufficient_statistics(
    x: Any,
    axes: Any,
    shift: Any = None,
    keep_dims: bool | None = None,
    name: str | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """What ``normalize_moments`` makes mean and variance from: counts and sums, which add up.

    sum(x - shift), sum((x - shift)**2)

    Args:
        x: a float tensor.
        axes: a list of axes to sum over.
        shift: a scalar near the mean, against cancellation; None for 0.
        keep_dims, keepdims: keep summed axes, with size 1.
        name: of the operations; ``sufficient_statistics`` by default.

    Returns:
        (count, sum, sum of squares, shift): count is a scalar of the dtype of ``x``; the shift is
        None when none was given.

    Gradient: as of its parts.

    >>> tf.Session().run(tf.nn.sufficient_statistics([1.0, 3.0], [0])[:3])
    (2.0, 4.0, 10.0)
    """
    keep = bool(one_name("sufficient_statistics", keep_dims=keep_dims, keepdims=keepdims))
    listed = [int(axis) for axis in np.atleast_1d(np.asarray(axes, np.int64))]
    with name_scope(name, "sufficient_statistics", [x, shift]):
        x = convert_to_tensor(x, name="x")
        dtype = x.dtype.base_dtype
        rank = None if x.dims is None else len(x.dims)
        places = [] if rank is None else [normalize_axis(axis, rank) for axis in listed]
        sizes = None if rank is None else tuple(x.dims[axis] for axis in places)
        if sizes is not None and is_fully_known(sizes):
            total = np.array(math.prod(sizes), dtype.np)
            count = call.Const(value=total, dtype=dtype, name="count")
        else:
            chosen = call.GatherV2(call.Shape(x), np.array(listed, np.int32), 0)
            count = call.Prod(call.Cast(chosen, DstT=dtype), [0], name="count")
        if shift is None:
            away, squares = x, call.Square(x)
        else:
            shift = convert_to_tensor(shift, dtype=dtype, name="shift")
            away, squares = call.Sub(x, shift), call.SquaredDifference(x, shift)
        mean = reduce_with("Sum", away, listed, keep, "mean_ss")
        variance = reduce_with("Sum", squares, listed, keep, "var_ss")
        return count, mean, variance, shift


@export("nn.normalize_moments")
def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance from the sums of ``sufficient_statistics``.

    mean = s / n + shift    variance = q / n - (s / n)**2

    Args:
        counts: n, a scalar.
        mean_ss: s, the sum of x - shift.
        variance_ss: q, the sum of (x - shift)**2.
        shift: as given there, or None.
        name: of the operations; ``normalize`` by default.

    Returns:
        (mean, variance), of the shape of ``mean_ss``.

    Gradient: as of its parts.

    >>> tf.Session().run(tf.nn.normalize_moments(2.0, 4.0, 10.0, None))
    (2.0, 1.0)
    """
    with name_scope(name, "normalize", [counts, mean_ss, variance_ss, shift]):
        total = convert_to_tensor(mean_ss, name="mean_ss")
        dtype = total.dtype.base_dtype
        divisor = call.Reciprocal(convert_to_tensor(counts, dtype=dtype), name="divisor")
        if shift is None:
            away = mean = call.Mul(total, divisor, name="mean")
        else:
            away = call.Mul(total, divisor, name="shifted_mean")
            mean = call.AddV2(away, convert_to_tensor(shift, dtype=dtype), name="mean")
        squares = call.Mul(convert_to_tensor(variance_ss, dtype=dtype), divisor)
        return mean, call.Sub(squares, call.Square(away), name="variance")


@export("nn.weighted_moments")
def weighted_moments(
    x: Any,
    axes: Any,
    frequency_weights: Any,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean and variance of ``x`` where some elements count more than others.

    mean = sum(w x) / sum(w)    variance = sum(w (x - mean)**2) / sum(w)

    Args:
        x: a float tensor.
        axes: a list of axes.
        frequency_weights: w, broadcast against ``x``.
        name: of the operations; ``weighted_moments`` by default.
        keep_dims, keepdims: keep reduced axes, with size 1.

    Returns:
        (mean, variance); of float16 they are computed in float32.

    Gradient: as of its parts, also to the weights.

    >>> tf.Session().run(tf.nn.weighted_moments([1.0, 5.0], [0], [3.0, 1.0]))
    (2.0, 3.0)
    """
    keep = bool(one_name("weighted_moments", keep_dims=keep_dims, keepdims=keepdims))
    with name_scope(name, "weighted_moments", [x, frequency_weights, axes]):
        given = convert_to_tensor(x, name="x")
        is_half = given.dtype.base_dtype is float16
        y = call.Cast(given, DstT=float32) if is_half else given
        w = convert_to_tensor(frequency_weights, name="frequency_weights")
        if w.dtype.base_dtype is not y.dtype.base_dtype:
            w = call.Cast(w, DstT=y.dtype.base_dtype)
        full = call.AddV2(w, call.ZerosLike(y))
        total = reduce_with("Sum", full, axes, True, None)
        mean = call.RealDiv(reduce_with("Sum", call.Mul(full, y), axes, True, None), total)
        squares = call.Mul(full, call.SquaredDifference(y, mean))
        variance = call.RealDiv(reduce_with("Sum", squares, axes, True, None), total)
        if not keep:
            dropped = [int(axis) for axis in np.atleast_1d(np.asarray(axes, np.int64))]
            if dropped:
                mean, variance = (call.Squeeze(t, squeeze_dims=dropped) for t in (mean, variance))
        if is_half:
            mean, variance = (call.Cast(t, DstT=float16) for t in (mean, variance))
        return mean, variance
