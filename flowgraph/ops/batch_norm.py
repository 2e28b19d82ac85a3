"""Batch normalisation in one kernel: FusedBatchNorm, V2 and V3, their gradients, and the function.

    mean, variance over all axes but the channels    y = (x - mean) / sqrt(variance + eps) * scale
                                                         + offset

Means and variances are those of pieces that fit the first-level cache, joined in float64 (Chan,
Golub, LeVeque 1979): one pass over memory, and no cancellation.

Read next: normalizing.py (the composed forms), norms.py (moments).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.gradients import gradients
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.batch_norm_text import BACKWARD, FORWARD
from flowgraph.ops.rules import concrete, constant_axes, f32, merge_all, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError, format_dims, merge_size

_WIDE = frozenset(("float32", "float64"))
_FORMATS = {4: ("NHWC", "NCHW"), 5: ("NDHWC", "NCDHW")}
#: Least epsilon of the public function (cuDNN's).
_LEAST_EPSILON = 1.001e-5

# ---------------------------------------------------------------------------------- shapes, sizes


def _channel_axis(call_: Call) -> int:
    """The axis of the channels; ShapeError unless rank and format agree."""
    data_format = call_.attrs["data_format"]
    known = [*_FORMATS[4], *(_FORMATS[5] if call_.type.endswith("V3") else ())]
    if data_format not in known:
        raise ShapeError(f"data_format must be {' or '.join(known)}, not {data_format!r}")
    return 1 if data_format.startswith("NC") else len(data_format) - 1


def _shapes(call_: Call, images: Sequence[Dims], vectors: Sequence[tuple[str, Dims]]) -> tuple:
    """(shape of the images, number of channels) that all agree on."""
    axis, rank = _channel_axis(call_), len(call_.attrs["data_format"])
    for dims in images:
        if dims is not None and len(dims) != rank:
            raise ShapeError(f"x must be of rank {rank}, not of shape {format_dims(dims)}")
    dims = require_rank(merge_all(images), rank, "x")
    channels = dims[axis]
    for name, vector in vectors:
        (count,) = require_rank(vector, 1, name)
        try:
            channels = merge_size(channels, count)
        except ShapeError:
            raise ShapeError(f"{name} has {count} elements for {channels} channels") from None
    return (*dims[:axis], channels, *dims[axis + 1 :]), channels


def _forward_infer(call_: Call) -> list[Dims]:
    x, scale, offset, mean, variance = call_.shapes
    vectors = [("scale", scale), ("offset", offset)]
    if not call_.attrs["is_training"]:
        vectors += [("mean", mean), ("variance", variance)]
    dims, channels = _shapes(call_, [x], vectors)
    more: list[Dims] = [None] if call_.type.endswith("V3") else []
    return [dims, *[(channels,)] * 4, *([(0,)] if more else [])]


def _backward_infer(call_: Call) -> list[Dims]:
    dy, x, scale, mean, variance = call_.shapes[:5]
    vectors = [("scale", scale), ("reserve_space_1", mean), ("reserve_space_2", variance)]
    dims, channels = _shapes(call_, [dy, x], vectors)
    return [dims, (channels,), (channels,), (0,), (0,)]


#: Elements of a piece.
_PIECE = 4096


def _sizes(call_: Call) -> Mapping[str, int]:
    shape = concrete(call_.shapes[0])
    axis = _channel_axis(call_)
    c, inner = shape[axis], math.prod(shape[axis + 1 :])
    count = math.prod(shape) // c if c else 0
    last = axis == len(shape) - 1
    return {
        "C": c,
        "count": count,
        "batch": shape[0],
        "inner": inner,
        "piece": max(8, _PIECE // max(c, 1)) if last else _PIECE,
    }


def _procedure(text: Mapping[str, str], scratch: Sequence[str]) -> Procedure:
    def choices(call_: Call) -> Mapping[str, str]:
        dtype = call_.dtypes[0].base_dtype.name
        kernel = text["first" if _channel_axis(call_) == 1 else "last"].format(
            T=dtype,
            eps=f"{dtype}({float(call_.attrs['epsilon'])!r})",
            training=str(bool(call_.attrs["is_training"])),
        )
        return {"kernel": kernel}

    def buffers(call_: Call) -> Mapping[str, tuple[str, int]]:
        count, dtype = _sizes(call_)["C"], call_.dtypes[0].base_dtype.name
        return {name: ("float64" if name.startswith("wide") else dtype, count) for name in scratch}

    return Procedure(
        "{kernel}",
        sizes=_sizes,
        scratch=buffers,
        choices=choices,
        flops=lambda call_: 8 * math.prod(concrete(call_.shapes[0])),
        natively=lambda call_: call_.dtypes[0].base_dtype is call_.dtypes[2].base_dtype,
    )


# ------------------------------------------------------------------------------------- references


def _rows(x: Any, axis: int) -> Any:
    """``x`` as float64 rows of channels."""
    return np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]).astype(np.float64)


def _unrows(rows: Any, like: Any, axis: int) -> Any:
    moved = np.moveaxis(like, axis, -1)
    return np.moveaxis(rows.reshape(moved.shape), -1, axis).astype(like.dtype)


def _forward_reference(call_: Call, x: Any, scale: Any, offset: Any, mean: Any, var: Any) -> Any:
    axis, attrs, number = _channel_axis(call_), call_.attrs, scale.dtype
    rows = _rows(x, axis)
    if attrs["is_training"]:
        count = len(rows)
        nothing = np.full(rows.shape[1], np.nan)
        center = rows.mean(0) if count else nothing
        spread = rows.var(0) if count else nothing
        told = spread * count / max(count - 1, 1)
    else:
        center, spread = mean.astype(np.float64), var.astype(np.float64)
        told = spread
    y = (rows - center) / np.sqrt(spread + attrs["epsilon"]) * scale + offset
    center, spread, told = (v.astype(number) for v in (center, spread, told))
    more = (np.zeros(0, number),) if call_.type.endswith("V3") else ()
    return (_unrows(y, x, axis), center, told, center.copy(), spread, *more)


def _backward_reference(
    call_: Call, dy: Any, x: Any, scale: Any, mean: Any, var: Any, *rest: Any
) -> Any:
    axis, number = _channel_axis(call_), scale.dtype
    up, inverse = _rows(dy, axis), 1 / np.sqrt(var.astype(np.float64) + call_.attrs["epsilon"])
    normal = (_rows(x, axis) - mean) * inverse
    doffset, dscale = up.sum(0), (up * normal).sum(0)
    if call_.attrs["is_training"]:
        count = max(len(up), 1)
        dx = scale * inverse * (up - doffset / count - normal * dscale / count)
    else:
        dx = scale * inverse * up
    none = np.zeros(0, number)
    return _unrows(dx, x, axis), dscale.astype(number), doffset.astype(number), none, none.copy()


# -------------------------------------------------------------------------------------- gradients


def _space(op: Any) -> list[int]:
    """All axes but the channels."""
    data_format = op.attrs["data_format"]
    channels = 1 if data_format.startswith("NC") else len(data_format) - 1
    return [a for a in range(len(data_format)) if a != channels]


def _spread(vector: Tensor, op: Any) -> Tensor:
    """A vector of channels, with axes of size 1 around as it broadcasts against the images."""
    if not op.attrs["data_format"].startswith("NC"):
        return vector
    return call.Reshape(vector, [1, -1] + [1] * (len(op.attrs["data_format"]) - 2))


def _like(x: Tensor, other: Tensor) -> Tensor:
    dtype = other.dtype.base_dtype
    return x if x.dtype.base_dtype is dtype else call.Cast(x, DstT=dtype)


def _count(op: Any, x: Tensor, like: Tensor) -> Tensor:
    sizes = call.GatherV2(shape_of(x), constant_axes(_space(op)), 0)
    return call.Cast(call.Prod(sizes, [0]), DstT=like.dtype.base_dtype)


def _grad(op: Any, dy: Any, dmean: Any, dvar: Any, dmean_2: Any, dvar_2: Any, *rest: Any) -> Any:
    """NB: also through the statistics, where something flows there; TensorFlow ignores that."""
    attrs = {name: op.attrs[name] for name in ("epsilon", "data_format", "is_training")}
    version = op.type.removeprefix("FusedBatchNorm")
    training = attrs["is_training"]
    x, scale = op.x, op.scale
    dx = dscale = doffset = None
    if dy is not None:
        means = (op.outputs[3], op.outputs[4]) if training else (op.mean, op.variance)
        more = (op.outputs[5],) if version == "V3" else ()
        found = apply_op(f"FusedBatchNormGrad{version}", dy, x, scale, *means, *more, **attrs)
        dx, dscale, doffset = found[:3]
    if not training:
        return dx, dscale, doffset, None, None
    total = None
    if any(d is not None for d in (dmean, dvar, dmean_2, dvar_2)):
        wide = _like(x, scale)
        count, about = _count(op, x, scale), wide - _spread(op.outputs[3], op)
        one = call.Maximum(count - 1.0, call.OnesLike(count))
        terms = [
            *(_spread(d / count, op) + 0.0 * wide for d in (dmean, dmean_2) if d is not None),
            *(
                _spread(d * (2.0 / by), op) * about
                for d, by in ((dvar, one), (dvar_2, count))
                if d is not None
            ),
        ]
        total = _like(terms[0] if len(terms) == 1 else call.AddN(terms), x)
    dx = total if dx is None else dx if total is None else dx + total
    return dx, dscale, doffset, None, None


def _grad_grad(op: Any, ddx: Any, ddscale: Any, ddoffset: Any, *rest: Any) -> Any:
    """By the gradient of the formula, written out in small operations."""
    training = op.attrs["is_training"]
    ups = [ddx, ddscale, ddoffset]
    # copies: the given dy may itself depend on x
    dy, x, scale, mean, variance = (
        call.Identity(t) for t in (op.y_backprop, op.x, op.scale, *op.inputs[3:5])
    )
    wide_dy, wide_x = _like(dy, scale), _like(x, scale)
    axes = constant_axes(_space(op))
    if training:
        middle = call.Mean(wide_x, axes, keep_dims=True)
        about = wide_x - middle
        square = call.Mean(about * about, axes, keep_dims=True)
    else:
        about = wide_x - _spread(mean, op)
        square = _spread(variance, op)
    inverse = call.Rsqrt(square + op.attrs["epsilon"])
    normal = about * inverse
    dscale, doffset = call.Sum(wide_dy * normal, axes), call.Sum(wide_dy, axes)
    if training:
        count = _count(op, x, scale)
        inner = wide_dy - _spread(doffset, op) / count - normal * _spread(dscale, op) / count
    else:
        inner = wide_dy
    dx = _like(_spread(scale, op) * inverse * inner, x)
    pairs = [(y, up) for y, up in zip((dx, dscale, doffset), ups, strict=True) if up is not None]
    by = [dy, x, scale]
    found = gradients([y for y, _ in pairs], by, [up for _, up in pairs])
    return (*found, *(None,) * (len(op.inputs) - 3))


# ---------------------------------------------------------------------------------------- records

_X = f32(2, 3, 2, 5)
_SCALE, _OFFSET = f32(5, low=0.5, high=2.0), f32(5, seed=1)
_MEAN, _VARIANCE = f32(5, seed=2), f32(5, low=0.5, high=2.0, seed=3)
_NONE = np.zeros(0, np.float32)


def _first(x: Any) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def _forward_samples(three: bool) -> list[Any]:
    def training(x: Any, scale: Any, offset: Any, **attrs: Any) -> Any:
        return sample(x, scale, offset, _NONE, _NONE, differentiable=(0, 1, 2), epsilon=0.01,
                      **attrs)  # fmt: skip

    def inference(x: Any, **attrs: Any) -> Any:
        return sample(x, _SCALE, _OFFSET, _MEAN, _VARIANCE, differentiable=(0, 1, 2),
                      epsilon=0.01, is_training=False, **attrs)  # fmt: skip

    made = [
        training(_X, _SCALE, _OFFSET),
        training(_first(_X), _SCALE, _OFFSET, data_format="NCHW"),
        training(f32(3, 5, 4, 1), f32(1, low=1.0, high=2.0), f32(1)),
        training(f32(7, 9, 9, 13), f32(13, low=1.0, high=2.0), f32(13)),
        inference(_X),
        inference(_first(_X), data_format="NCHW"),
        inference(f32(0, 3, 2, 5)),
    ]  # fmt: skip
    if three:
        solid = f32(2, 2, 3, 2, 5)
        made += [
            training(solid, _SCALE, _OFFSET, data_format="NDHWC"),
            training(_first(solid), _SCALE, _OFFSET, data_format="NCDHW"),
        ]
    return made


def _backward_samples(three: bool) -> list[Any]:
    made = []
    for x, data_format in (
        (_X, "NHWC"),
        (_first(_X), "NCHW"),
        *([(f32(2, 2, 3, 2, 5), "NDHWC")] if three else []),
    ):
        axis = 1 if data_format == "NCHW" else x.ndim - 1
        rows = _rows(x, axis)
        mean, variance = rows.mean(0).astype(np.float32), rows.var(0).astype(np.float32)
        more = (_NONE,) if three else ()
        for training in (True, False):
            made.append(
                sample(x[::-1].copy(), x, _SCALE, mean, variance, *more, epsilon=0.01,
                       data_format=data_format, is_training=training,
                       differentiable=(0,) if training else (0, 1, 2))
            )  # fmt: skip
    return made


_ERRORS = (
    error_sample(ValueError, "scale has 4 elements for 5 channels", _X, f32(4), _OFFSET, _NONE,
                 _NONE),
    error_sample(ValueError, "mean has 0 elements for 5 channels", _X, _SCALE, _OFFSET, _NONE,
                 _NONE, is_training=False),
    error_sample(ValueError, "x must be of rank 4", f32(2, 5), _SCALE, _OFFSET, _NONE, _NONE),
    error_sample(ValueError, "data_format must be", _X, _SCALE, _OFFSET, _NONE, _NONE,
                 data_format="NHC"),
)  # fmt: skip


def _define_all(version: str) -> None:
    """FusedBatchNorm<version> and its gradient."""
    u, dtypes = ("U", {"U": dtypes_of(_WIDE)}) if version else ("T", {})
    dtypes["T"] = dtypes_of(FLOAT if version else _WIDE)
    three = version == "V3"
    attrs: dict[str, Any] = {
        **dtypes, "epsilon": 1e-4, "data_format": "NHWC", "is_training": True,
    }  # fmt: skip
    define(
        f"FusedBatchNorm{version}",
        f"x: T, scale: {u}, offset: {u}, mean: {u}, variance: {u} -> y: T, batch_mean: {u},"
        f" batch_variance: {u}, reserve_space_1: {u}, reserve_space_2: {u}"
        + (f", reserve_space_3: {u}" if three else ""),
        infer=_forward_infer,
        kernel=_procedure(FORWARD, ("wide_mean", "wide_m2", "part", "center", "slope")),
        grad=_grad,
        reference=_forward_reference,
        samples=_forward_samples(three),
        errors=_ERRORS,
        doc="Batch normalisation.  Training: by the mean and variance over all axes but the "
        "channels, which it also gives (the variance with n - 1); else by those given.",
        **attrs,
    )
    more = f", reserve_space_{'4' if three else '3'}: {u}, reserve_space_{'5' if three else '4'}: "
    define(
        f"FusedBatchNormGrad{version}",
        f"y_backprop: T, x: T, scale: {u}, reserve_space_1: {u}, reserve_space_2: {u}"
        + (f", reserve_space_3: {u}" if three else "")
        + f" -> x_backprop: T, scale_backprop: {u}, offset_backprop: {u}{more}{u}",
        infer=_backward_infer,
        kernel=_procedure(BACKWARD, ("wide_dy", "wide_dyx", "part", "part_x", "slope", "tilt")),
        grad=_grad_grad,
        reference=_backward_reference,
        samples=_backward_samples(three),
        errors=(
            error_sample(ValueError, "scale has 4 elements", _X, _X, f32(4), _MEAN, _VARIANCE,
                         *((_NONE,) if three else ())),
        ),
        doc=f"Gradient of FusedBatchNorm{version} from its mean and (biased) variance.",
        **attrs,
    )  # fmt: skip


for _version in ("", "V2", "V3"):
    _define_all(_version)


@export("nn.fused_batch_norm")
def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation of images in one kernel.

    y = (x - mean) / sqrt(variance + epsilon) * scale + offset, channel by channel

    Args:
        x: (batch, height, width, channels), or as ``data_format`` says; a volume works as well.
        scale, offset: (channels,) float32, also where x is float16.
        mean, variance: (channels,), to normalise by when not training; None when training.
        epsilon: added to the variance; 1.001e-5 at least.
        data_format: ``"NHWC"``, ``"NCHW"``, ``"NDHWC"`` or ``"NCDHW"``.
        is_training: normalise by the statistics of the batch itself.
        name: of the operation; ``FusedBatchNormV3`` by default.

    Returns:
        (y, mean, variance): y in the dtype of ``x``; the statistics used, but for training the
        variance is the unbiased one, divided by n - 1.

    Raises:
        ValueError: statistics are missing, or given when training; shapes do not fit.

    Gradient: training: ``scale / sqrt(variance + epsilon) * (dy - mean(dy) - n * mean(dy * n))``
    with n the normalised x, and the same to second order; also through mean and variance, where
    TensorFlow lets nothing flow.

    >>> y, mean, variance = tf.nn.fused_batch_norm([[[[1.0], [3.0]]]], [1.0], [0.0])
    >>> tf.Session().run([mean, variance])
    [array([2.], dtype=float32), array([2.], dtype=float32)]
    """
    if is_training and (mean is not None or variance is not None):
        raise ValueError("fused_batch_norm: mean and variance must be None if is_training is True")
    if not is_training and (mean is None or variance is None):
        raise ValueError(
            "fused_batch_norm: mean and variance must be given if is_training is False"
        )
    image = convert_to_tensor(x, name="input")
    number = image.dtype.base_dtype if image.dtype.base_dtype.name == "float64" else np.float32
    none = np.zeros(0, np.float32)
    vectors = [
        convert_to_tensor(none if v is None else v, dtype=number, name=label)
        for v, label in ((scale, "scale"), (offset, "offset"), (mean, None), (variance, None))
    ]
    found = apply_op(
        "FusedBatchNormV3",
        image,
        *vectors,
        epsilon=max(float(epsilon), _LEAST_EPSILON),
        data_format=data_format,
        is_training=bool(is_training),
        name=name,
    )
    return found[0], found[1], found[2]


@export("nn.batch_normalization")
def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any,
    scale: Any,
    variance_epsilon: float,
    name: str | None = None,
) -> Tensor:
    """``x`` normalised by a given mean and variance.

    y = (x - mean) / sqrt(variance + variance_epsilon) * scale + offset

    Args:
        x: a float tensor.
        mean, variance: broadcast against ``x``.
        offset, scale: broadcast against ``x``; None for 0 and 1.
        variance_epsilon: added to the variance.
        name: of the operations; ``batchnorm`` by default.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Gradient: as of its parts, to all five tensors.

    >>> tf.Session().run(tf.nn.batch_normalization([1.0, 3.0], 2.0, 4.0, 10.0, None, 0.0))
    array([ 9.5, 10.5], dtype=float32)
    """
    given = [t for t in (x, mean, variance, scale, offset) if t is not None]
    with name_scope(name, "batchnorm", given):
        image = convert_to_tensor(x, name="x")
        dtype = image.dtype.base_dtype
        mean, variance = (
            convert_to_tensor(t, dtype=dtype, name=n)
            for t, n in ((mean, "mean"), (variance, "variance"))
        )
        slope = call.Rsqrt(variance + variance_epsilon)
        if scale is not None:
            slope = call.Mul(slope, scale, name="mul")
        shift = mean * slope
        rest = -shift if offset is None else call.Sub(offset, shift, name="sub")
        return call.AddV2(call.Mul(image, slope, name="mul_1"), rest, name="add")


@export("nn.batch_norm_with_global_normalization")
def batch_norm_with_global_normalization(
    t: Any = None,
    m: Any = None,
    v: Any = None,
    beta: Any = None,
    gamma: Any = None,
    variance_epsilon: Any = None,
    scale_after_normalization: Any = None,
    name: str | None = None,
    input: Any = None,
    mean: Any = None,
    variance: Any = None,
) -> Tensor:
    """``batch_normalization`` under its first name.

    Args:
        t, m, v: x, mean and variance.   input, mean, variance: other names of them.
        beta, gamma: offset and scale.
        variance_epsilon: added to the variance.
        scale_after_normalization: whether to multiply by ``gamma``.
        name: of the operations; ``batchnorm`` by default.
    """
    x, center, spread = (a if b is None else b for a, b in ((t, input), (m, mean), (v, variance)))
    scale = gamma if scale_after_normalization else None
    return batch_normalization(x, center, spread, beta, scale, variance_epsilon, name)
