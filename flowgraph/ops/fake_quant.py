"""Fake quantisation: numbers rounded to the levels of a few bits, but kept as float32.

    levels     nudged_min + k * scale, k = 0 ... 2**num_bits - 1 (from 1 where the range is narrow)
    scale      (max - min) / number of steps; the range is nudged so that 0 is a level

Gradients pass where the number was inside the nudged range; what was outside goes to min or max.

Read next: elementwise.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    Call,
    Loops,
    define,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, invalid, merge_all, output_domain, require_rank
from flowgraph.shapes import Dims, ShapeError, merge

_F = np.float32

# ------------------------------------------------------------------------------------ the levels


def _ends(call_: Call) -> tuple[float, float]:
    """Numbers of the lowest and the highest level."""
    bits = call_.attrs["num_bits"]
    return float(call_.attrs["narrow_range"]), float(2**bits - 1)


def _checked(call_: Call) -> None:
    bits = call_.attrs["num_bits"]
    if not 2 <= bits <= 16:
        raise ShapeError(f"num_bits must be between 2 and 16, not {bits}")
    if "min" in call_.attrs and not call_.attrs["min"] < call_.attrs["max"]:
        raise ShapeError(
            f"min must be less than max, not {call_.attrs['min']:g} and {call_.attrs['max']:g}"
        )


def _nudged(call_: Call, low: Any, high: Any) -> tuple[Any, Any, Any]:
    """(nudged min, nudged max, scale) in float32, as arrays."""
    first, last = map(_F, _ends(call_))
    with np.errstate(all="ignore"):
        scale = (high - low) / (last - first)
        exact = first - low / scale
        # halves away from zero; never negative here
        near = np.floor(exact + _F(0.5))
        zero = np.where(exact < first, first, np.where(exact > last, last, near))
        return (first - zero) * scale, (last - zero) * scale, scale


def _nudged_scalars(s: Any, call_: Call, low: Any, high: Any) -> tuple[Any, Any, Any]:
    """The same inside a kernel."""
    first, last = _ends(call_)
    scale = (high - low) / (last - first)
    exact = first - low / scale
    zero = s.select(exact < first, first, s.select(exact > last, last, s.floor(exact + 0.5)))
    return (first - zero) * scale, (last - zero) * scale, scale


def _rounded(x: Any, low: Any, high: Any, scale: Any) -> Any:
    inside = np.maximum(np.minimum(x, high), low) - low
    return np.floor(inside / scale + _F(0.5)) * scale + low


def _rounded_scalar(s: Any, x: Any, low: Any, high: Any, scale: Any) -> Any:
    inside = s.max(s.min(x, high), low) - low
    return s.floor(inside / scale + 0.5) * scale + low


def _of_attrs(call_: Call) -> tuple[np.float32, np.float32, np.float32]:
    low, high, scale = _nudged(call_, _F(call_.attrs["min"]), _F(call_.attrs["max"]))
    return _F(low), _F(high), _F(scale)


_ATTRS: dict[str, Any] = {"num_bits": 8, "narrow_range": False}
_VALUES = np.array([[-7.0, -6.0, -0.03, 0.0], [0.02, 0.51, 5.9, 8.0]], _F)
_SPECIAL = np.array([np.nan, np.inf, -np.inf], _F)
_ONCE = not_differentiable("TensorFlow has no second derivative of a staircase")
_BITS = "num_bits must be between 2 and 16"

# ----------------------------------------------------------------------------- range by attributes


def _args_shape(call_: Call) -> list[Dims]:
    _checked(call_)
    return [merge_all(call_.shapes)]


def _args_kernel(s: Any, call_: Call, x: Any) -> Any:
    low, high, scale = (float(v) for v in _of_attrs(call_))
    return _rounded_scalar(s, x, low, high, scale)


def _args_gradient_kernel(s: Any, call_: Call, dy: Any, x: Any) -> Any:
    low, high, _ = (float(v) for v in _of_attrs(call_))
    return s.select((x >= low) & (x <= high), dy, 0.0)


def _args_gradient(call_: Call, dy: Any, x: Any) -> Any:
    low, high, _ = _of_attrs(call_)
    return np.where((x >= low) & (x <= high), dy, _F(0))


def _chosen(op: Any) -> dict[str, Any]:
    return {key: op.attrs[key] for key in ("min", "max", "num_bits", "narrow_range")
            if key in op.attrs}  # fmt: skip


define(
    "FakeQuantWithMinMaxArgs",
    "inputs: float32 -> outputs: float32",
    min=-6.0,
    max=6.0,
    **_ATTRS,
    infer=_args_shape,
    kernel=Loops(_args_kernel),
    grad=lambda op, dy: (call.FakeQuantWithMinMaxArgsGradient(dy, op.inputs[0], **_chosen(op)),),
    reference=lambda call_, x: _rounded(x, *_of_attrs(call_)),
    samples=(
        # (a staircase: its gradient is that of the line through the steps)
        sample(_VALUES, differentiable=()),
        sample(_VALUES, min=0.0, max=6.0, num_bits=4, differentiable=()),
        sample(_VALUES, min=-1.0, max=3.0, num_bits=2, narrow_range=True, differentiable=()),
        sample(_SPECIAL, differentiable=()),
        sample(f32(0, 2), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, _BITS, f32(2), num_bits=1),
        error_sample(ValueError, _BITS, f32(2), num_bits=17),
        error_sample(ValueError, "min must be less than max", f32(2), min=3.0, max=2.0),
    ),
    doc="The nearest level of the range from attr min to attr max.  Gradient: dy inside it.",
)

define(
    "FakeQuantWithMinMaxArgsGradient",
    "gradients: float32, inputs: float32 -> backprops: float32",
    min=-6.0,
    max=6.0,
    **_ATTRS,
    infer=_args_shape,
    kernel=Loops(_args_gradient_kernel),
    grad=_ONCE,
    reference=_args_gradient,
    samples=(
        sample(f32(2, 4), _VALUES),
        sample(f32(2, 4), _VALUES, min=0.0, max=6.0, num_bits=4),
        sample(f32(3), _SPECIAL),
        sample(f32(0, 2), f32(0, 2)),
    ),
    errors=(error_sample(ValueError, "not compatible", f32(2), f32(3)),),
    doc="gradients where inputs lie in the nudged range, else 0.",
)

# ------------------------------------------------------------------------------- range by tensors


def _range_shape(call_: Call, first: int) -> Dims:
    """The shape of min and max: scalars, or one number per channel."""
    _checked(call_)
    if "PerChannel" not in call_.type:
        for which, dims in zip(("min", "max"), call_.shapes[first:], strict=True):
            require_rank(dims, 0, which)
        return ()
    channels: Dims = (None,)
    for which, dims in zip(("min", "max"), call_.shapes[first:], strict=True):
        channels = merge(channels, require_rank(dims, 1, which))
    inputs = call_.shapes[0]
    if inputs is not None:
        if not inputs:
            raise ShapeError("inputs must have at least one axis")
        channels = merge(channels, inputs[-1:])
    return channels


def _vars_shape(call_: Call) -> list[Dims]:
    channels, inputs = _range_shape(call_, 1), call_.shapes[0]
    return [inputs if not channels or inputs is None else (*inputs[:-1], *channels)]


def _vars_gradient_shape(call_: Call) -> list[Dims]:
    inputs = merge_all(call_.shapes[:2])
    channels = _range_shape(call_, 2)
    if channels and inputs is not None:
        inputs = (*inputs[:-1], *channels)
    return [inputs, channels, channels]


def _flat_zero(low: Any, high: Any) -> Any:
    """Where min = max = 0: every level is 0."""
    return (low == 0) & (high == 0)


def _vars_reference(call_: Call, x: Any, low: Any, high: Any) -> Any:
    with np.errstate(all="ignore"):
        rounded = _rounded(x, *_nudged(call_, low, high))
    return np.where(_flat_zero(low, high), _F(0), rounded)


def _vars_kernel(s: Any, call_: Call, x: Any, low: Any, high: Any) -> Any:
    flat = _flat_zero_scalar(s, low, high)
    rounded = _rounded_scalar(s, x, *_nudged_scalars(s, call_, low, high))
    return s.select(flat, 0.0, rounded)


def _flat_zero_scalar(s: Any, low: Any, high: Any) -> Any:
    return s.eq(low, 0.0) & s.eq(high, 0.0)


def _vars_gradient_reference(call_: Call, dy: Any, x: Any, low: Any, high: Any) -> Any:
    if dy.shape != x.shape:
        raise invalid(f"gradients of shape {dy.shape} for inputs of shape {x.shape}")
    axes = tuple(range(x.ndim - low.ndim))
    flat = _flat_zero(low, high)
    nudged_low, nudged_high, _ = _nudged(call_, low, high)
    below, above = (x < nudged_low) & ~flat, (x > nudged_high) & ~flat
    inside = flat | (x >= nudged_low) & (x <= nudged_high)
    return (
        np.where(inside, dy, _F(0)),
        np.where(below, dy, _F(0)).sum(axes, _F),
        np.where(above, dy, _F(0)).sum(axes, _F),
    )


def _vars_gradient_kernel(s: Any, call_: Call, dy: Any, x: Any, low: Any, high: Any) -> Any:
    flat = _flat_zero_scalar(s, low, high)
    nudged_low, nudged_high, _ = _nudged_scalars(s, call_, low, high)
    below, above = (x < nudged_low) & ~flat, (x > nudged_high) & ~flat
    inside = flat | ((x >= nudged_low) & (x <= nudged_high))
    return (
        s.select(inside, dy, 0.0),
        s.reduce_sum(s.select(below, dy, 0.0)),
        s.reduce_sum(s.select(above, dy, 0.0)),
    )


def _leading_axes(call_: Call) -> tuple[int, ...]:
    rank = len(call_.shapes[0])  # type: ignore[arg-type]
    return tuple(range(rank - len(call_.shapes[2])))  # type: ignore[arg-type]


def _by_tensors(suffix: str, low: Any, high: Any, misfit: Any) -> None:
    type = f"FakeQuantWithMinMaxVars{suffix}"

    def grad(op: Any, dy: Any) -> Any:
        return apply_op(f"{type}Gradient", dy, *op.inputs, **_chosen(op))

    define(
        type,
        "inputs: float32, min: float32, max: float32 -> outputs: float32",
        **_ATTRS,
        infer=_vars_shape,
        kernel=Loops(_vars_kernel, domain=output_domain),
        grad=grad,
        reference=_vars_reference,
        samples=(
            sample(_VALUES, low, high, differentiable=()),
            sample(_VALUES, low, high, num_bits=4, narrow_range=True, differentiable=()),
            sample(_VALUES, low * 0, high * 0, differentiable=()),
            sample(_VALUES, low + 10, high + 10, differentiable=()),
            sample(np.zeros((3, 0, 4), _F), low, high, differentiable=()),
        ),
        errors=(
            error_sample(ValueError, _BITS, _VALUES, low, high, num_bits=1),
            misfit,
        ),
        doc="The nearest level of the range from min to max.\n\n"
        "Gradient: dy inside the range; its sum below goes to min, above to max.",
    )
    define(
        f"{type}Gradient",
        "gradients: float32, inputs: float32, min: float32, max: float32 -> "
        "backprops_wrt_input: float32, backprop_wrt_min: float32, backprop_wrt_max: float32",
        **_ATTRS,
        infer=_vars_gradient_shape,
        kernel=Loops(_vars_gradient_kernel, reduced=_leading_axes),
        grad=_ONCE,
        reference=_vars_gradient_reference,
        samples=(
            sample(f32(2, 4), _VALUES, low, high),
            sample(f32(2, 4), _VALUES, low, high, num_bits=4, narrow_range=True),
            sample(f32(2, 4), _VALUES, low * 0, high * 0),
            sample(f32(3, 0, 4), np.zeros((3, 0, 4), _F), low, high),
        ),
        errors=(error_sample(ValueError, "not compatible", f32(2, 4), f32(3, 4), low, high),),
        doc="The gradients of the op without ``Gradient`` in its name.",
    )


_by_tensors(
    "", np.array(-6.0, _F), np.array(5.0, _F),
    error_sample(ValueError, "min must be a scalar", _VALUES, f32(4), f32(4)),
)  # fmt: skip
_by_tensors(
    "PerChannel",
    np.array([-6.0, -1.0, -0.5, 0.0], _F),
    np.array([5.0, 0.5, 0.25, 6.0], _F),
    error_sample(ValueError, "not compatible", _VALUES, f32(3), f32(3)),
)

# ------------------------------------------------------------------------------- public functions

@export("fake_quant_with_min_max_args", "quantization.fake_quant_with_min_max_args")
def fake_quant_with_min_max_args(
    inputs: Any,
    min: float = -6,
    max: float = 6,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """``inputs`` rounded to the nearest of 2**num_bits levels between ``min`` and ``max``.

    The range is nudged so that 0 is a level.

    Args:
        inputs: a float32 tensor.
        min, max: the range.
        num_bits: 2 to 16.
        narrow_range: one level less, the lowest.
        name: of the operation; ``FakeQuantWithMinMaxArgs`` by default.

    Returns:
        A tensor of the shape of ``inputs``.

    Raises:
        ValueError: ``num_bits`` is out of its range, or ``min`` not below ``max``.

    Gradient: dy inside the nudged range, 0 outside.

    >>> tf.Session().run(tf.fake_quant_with_min_max_args([-2.0, 0.4, 3.0], 0, 6, num_bits=2))
    array([0., 0., 4.], dtype=float32)
    """
    attrs = {"min": float(min), "max": float(max)}
    return apply_op("FakeQuantWithMinMaxArgs", inputs, **attrs, num_bits=num_bits,
                    narrow_range=narrow_range, name=name)  # fmt: skip


@export(
    "fake_quant_with_min_max_args_gradient",
    "quantization.fake_quant_with_min_max_args_gradient",
)
def fake_quant_with_min_max_args_gradient(
    gradients: Any,
    inputs: Any,
    min: float = -6,
    max: float = 6,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """``gradients`` where ``inputs`` lie in the nudged range of fake_quant_with_min_max_args.

    Args:
        gradients: a float32 tensor of the shape of ``inputs``.
        inputs, min, max, num_bits, narrow_range: as of the forward function.
        name: of the operation; ``FakeQuantWithMinMaxArgsGradient`` by default.

    Returns:
        A tensor of the shape of ``inputs``.

    Raises:
        ValueError: the shapes differ, or as for the forward function.
    """
    attrs = {"min": float(min), "max": float(max)}
    return apply_op("FakeQuantWithMinMaxArgsGradient", gradients, inputs, **attrs,
                    num_bits=num_bits, narrow_range=narrow_range, name=name)  # fmt: skip


@export("fake_quant_with_min_max_vars", "quantization.fake_quant_with_min_max_vars")
def fake_quant_with_min_max_vars(
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """``inputs`` rounded to the nearest of 2**num_bits levels of a range that can be trained.

    Args:
        inputs: a float32 tensor.
        min, max: float32 scalars, the range; it is nudged so that 0 is a level.
        num_bits: 2 to 16.
        narrow_range: one level less, the lowest.
        name: of the operation; ``FakeQuantWithMinMaxVars`` by default.

    Returns:
        A tensor of the shape of ``inputs``; zeros when ``min`` and ``max`` are 0.

    Raises:
        ValueError: ``num_bits`` is out of its range, or ``min`` or ``max`` no scalar.

    Gradient: dy inside the nudged range; its sum below goes to ``min``, above to ``max``.

    >>> tf.Session().run(tf.fake_quant_with_min_max_vars([-2.0, 0.4, 3.0], 0.0, 6.0, num_bits=2))
    array([0., 0., 4.], dtype=float32)
    """
    return apply_op("FakeQuantWithMinMaxVars", inputs, min, max, num_bits=num_bits,
                    narrow_range=narrow_range, name=name)  # fmt: skip


@export(
    "fake_quant_with_min_max_vars_gradient",
    "quantization.fake_quant_with_min_max_vars_gradient",
)
def fake_quant_with_min_max_vars_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """The gradients of fake_quant_with_min_max_vars.

    Args:
        gradients: a float32 tensor of the shape of ``inputs``.
        inputs, min, max, num_bits, narrow_range: as of the forward function.
        name: of the operation; ``FakeQuantWithMinMaxVarsGradient`` by default.

    Returns:
        (to ``inputs``, to ``min``, to ``max``).

    Raises:
        ValueError: the shapes do not agree, or as for the forward function.
    """
    return apply_op("FakeQuantWithMinMaxVarsGradient", gradients, inputs, min, max,
                    num_bits=num_bits, narrow_range=narrow_range, name=name)  # fmt: skip


@export(
    "fake_quant_with_min_max_vars_per_channel",
    "quantization.fake_quant_with_min_max_vars_per_channel",
)
def fake_quant_with_min_max_vars_per_channel(
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """As fake_quant_with_min_max_vars, with a range for every index of the last axis.

    Args:
        inputs: a float32 tensor of one axis at least, of size d the last.
        min, max: float32 tensors of shape [d].
        num_bits: 2 to 16.
        narrow_range: one level less, the lowest.
        name: of the operation; ``FakeQuantWithMinMaxVarsPerChannel`` by default.

    Returns:
        A tensor of the shape of ``inputs``.

    Raises:
        ValueError: ``num_bits`` is out of its range, or the sizes of ``min`` or ``max`` do not fit.

    Gradient: dy inside the nudged range; its sum below goes to ``min``, above to ``max``.
    """
    return apply_op("FakeQuantWithMinMaxVarsPerChannel", inputs, min, max, num_bits=num_bits,
                    narrow_range=narrow_range, name=name)  # fmt: skip


@export(
    "fake_quant_with_min_max_vars_per_channel_gradient",
    "quantization.fake_quant_with_min_max_vars_per_channel_gradient",
)
def fake_quant_with_min_max_vars_per_channel_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """The gradients of fake_quant_with_min_max_vars_per_channel.

    Args:
        gradients: a float32 tensor of the shape of ``inputs``.
        inputs, min, max, num_bits, narrow_range: as of the forward function.
        name: of the operation; ``FakeQuantWithMinMaxVarsPerChannelGradient`` by default.

    Returns:
        (to ``inputs``, to ``min``, to ``max``).

    Raises:
        ValueError: the shapes do not agree, or as for the forward function.
    """
    return apply_op("FakeQuantWithMinMaxVarsPerChannelGradient", gradients, inputs, min, max,
                    num_bits=num_bits, narrow_range=narrow_range, name=name)  # fmt: skip
