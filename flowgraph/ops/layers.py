"""Building blocks of layers: bias_add, xw_plus_b, relu_layer, dropout and its kin.

Read next: linalg.py, activations.py.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from flowgraph.dtypes import REAL
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Loops, define, dtypes_of, error_sample, sample
from flowgraph.graph.report import call_message
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import f32, i32, number, one_name, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError, format_dims, merge_size
from flowgraph.tensor_shape import TensorShape, as_dims

# --------------------------------------------------------------------------------------- bias_add


def _channel_axis(call_: Call, rank: int) -> int:
    return 1 if call_.attrs["data_format"] == "NCHW" else rank - 1


def _bias_infer(call_: Call) -> list[Dims]:
    value, (count,) = call_.shapes[0], require_rank(call_.shapes[1], 1, "bias")
    if value is None:
        return [None]
    if len(value) < 2:
        raise ShapeError(f"value must have at least 2 axes, not shape {format_dims(value)}")
    axis = _channel_axis(call_, len(value))
    try:
        size = merge_size(value[axis], count)
    except ShapeError:
        raise ShapeError(
            f"bias of {count} elements for {value[axis]} channels "
            f"(axis {axis} of {format_dims(value)})"
        ) from None
    return [(*value[:axis], size, *value[axis + 1 :])]


def _bias_operands(call_: Call) -> tuple[tuple[int, ...], ...] | None:
    rank = len(call_.shapes[0] or ())
    axis = _channel_axis(call_, rank)
    return None if axis == rank - 1 else (tuple(range(rank)), (axis,))


def _against(bias: Any, rank: int, axis: int) -> Any:
    """``bias`` with axes of size 1 behind it, as it broadcasts against the value."""
    return bias.reshape(-1, *(1,) * (rank - 1 - axis))


def _bias_grad(op: Any, dy: Any) -> tuple[Any, Any]:
    if not op.wants(op.bias):
        return dy, None
    return dy, call.BiasAddGrad(dy, data_format=op.attrs["data_format"])


define(
    "BiasAdd",
    "value: T, bias: T -> output: T",
    T=dtypes_of(REAL),
    data_format="NHWC",
    infer=_bias_infer,
    kernel=Loops(
        lambda s, call_, value, bias: value + bias,
        domain=lambda call_: call_.shapes[0],  # type: ignore[arg-type,return-value]
        operands=_bias_operands,
    ),
    grad=_bias_grad,
    reference=lambda call_, value, bias: (
        value + _against(bias, value.ndim, _channel_axis(call_, value.ndim))
    ),
    samples=(
        sample(f32(3, 5), f32(5, seed=1)),
        sample(f32(2, 3, 4, 5), f32(5, seed=1)),
        sample(f32(2, 3, 4, 5), f32(3, seed=1), data_format="NCHW"),
        sample(f32(0, 3), f32(3, seed=1)),
        sample(i32([[1, 2]]), i32([3, 4])),
    ),
    errors=(
        error_sample(ValueError, r"bias of 3 elements for 5 channels \(axis 1 of \[2, 5\]\)",
                     f32(2, 5), f32(3)),
        error_sample(ValueError, "bias must be a vector", f32(2, 5), f32(1, 5)),
        error_sample(ValueError, "value must have at least 2 axes", f32(5), f32(5)),
    ),
    doc="``value`` plus one bias for each channel.",
)  # fmt: skip


def _bias_sum_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    if dims is not None and len(dims) < 2:
        raise ShapeError(f"out_backprop must have at least 2 axes, not shape {format_dims(dims)}")
    return [(None,) if dims is None else (dims[_channel_axis(call_, len(dims))],)]


def _other_axes(call_: Call) -> tuple[int, ...]:
    rank = len(call_.shapes[0] or ())
    return tuple(a for a in range(rank) if a != _channel_axis(call_, rank))


def _bias_sum_grad(op: Any, dz: Any) -> tuple[Any]:
    """dz repeated over everything but the channels."""
    dy = op.out_backprop
    if op.attrs["data_format"] == "NCHW" and dy.dims is not None:
        ones = [1] * (len(dy.dims) - 2)
        dz = call.Reshape(dz, np.array([-1, *ones], np.int32))
    return (call.BroadcastTo(dz, shape_of(dy)),)


define(
    "BiasAddGrad",
    "out_backprop: T -> output: T",
    T=dtypes_of(REAL),
    data_format="NHWC",
    infer=_bias_sum_infer,
    kernel=Loops(lambda s, call_, dy: s.reduce_sum(dy), reduced=_other_axes),
    grad=_bias_sum_grad,
    reference=lambda call_, dy: np.sum(dy, _other_axes(call_), dy.dtype),
    samples=(
        sample(f32(3, 5)),
        sample(f32(2, 3, 4, 5), data_format="NCHW"),
        sample(f32(0, 3)),
    ),
    errors=(error_sample(ValueError, "at least 2 axes", f32(3)),),
    doc="The sum over everything but the channels.",
)


@export("nn.bias_add")
def bias_add(
    value: Any, bias: Any, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """``value`` plus one bias for each channel.

    Args:
        value: a tensor of at least two axes.
        bias: a vector, as long as the axis of channels.
        data_format: which axis that is: the last (``NHWC``, the default, or any ``N...C``) or the
            second (``NCHW``, or any ``NC...``).
        name: of the operation; ``BiasAdd`` by default.

    Raises:
        ValueError: the bias does not fit, or the format is unknown.

    Gradient: dy to the value; its sum over everything but the channels to the bias.

    >>> tf.Session().run(tf.nn.bias_add([[1, 2], [3, 4]], [10, 20]))
    array([[11, 22],
           [13, 24]], dtype=int32)
    """
    layout = "NHWC"
    if data_format is not None:
        if data_format.startswith("NC"):
            layout = "NCHW"
        elif not (data_format.startswith("N") and data_format.endswith("C")):
            raise ValueError(f"bias_add: data_format {data_format!r} is neither N...C nor NC...")
    return apply_op("BiasAdd", value, bias, data_format=layout, name=name)


@export("nn.xw_plus_b")
def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """``x @ weights + biases``.

    Args:
        x: (n, k) float.   weights: (k, m).   biases: (m,).
        name: of the operations; ``xw_plus_b`` by default.

    Returns:
        (n, m).

    Raises:
        ValueError: the shapes do not fit.

    Gradient: as of matmul and bias_add.
    """
    with name_scope(name, "xw_plus_b", [x, weights, biases]) as scope:
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(weights, dtype=x.dtype.base_dtype, name="weights")
        biases = convert_to_tensor(biases, dtype=x.dtype.base_dtype, name="biases")
        return apply_op("BiasAdd", call.MatMul(x, weights), biases, name=scope)


@export("nn.relu_layer")
def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """``relu(x @ weights + biases)``.

    Args:
        x: (n, k) float.   weights: (k, m).   biases: (m,).
        name: of the operations; ``relu_layer`` by default.

    Returns:
        (n, m).

    Raises:
        ValueError: the shapes do not fit.

    Gradient: as of relu, matmul and bias_add.
    """
    with name_scope(name, "relu_layer", [x, weights, biases]) as scope:
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(weights, dtype=x.dtype.base_dtype, name="weights")
        biases = convert_to_tensor(biases, dtype=x.dtype.base_dtype, name="biases")
        return apply_op("Relu", call.BiasAdd(call.MatMul(x, weights), biases), name=scope)


# ---------------------------------------------------------------------------------------- dropout


def _noise_shape(x: Tensor, noise_shape: Any) -> Any:
    """The shape of the mask: that of ``x``, or as asked, with unknown entries taken from ``x``."""
    if noise_shape is None:
        return shape_of(x)
    if isinstance(noise_shape, Tensor):
        return noise_shape
    wanted = as_dims(noise_shape) if isinstance(noise_shape, TensorShape) else noise_shape
    wanted = list(wanted)  # type: ignore[arg-type]
    if x.dims is not None and len(wanted) == len(x.dims):
        return [
            (call.GatherV2(call.Shape(x), i, 0) if d is None else d) if w is None else w
            for i, (w, d) in enumerate(zip(wanted, x.dims, strict=True))
        ]
    return wanted


@export("nn.dropout")
def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """``x`` with elements set to 0 at random, and the others scaled up so that the mean stays.

    y = x / (1 - rate) where u >= rate, else 0,  with u uniform in [0, 1)

    Args:
        x: a float tensor.
        keep_prob: the probability that an element is kept: 1 - rate; a number or a scalar tensor.
        noise_shape: shape of the mask, which broadcasts: ``[k, 1, 1, n]`` keeps or drops whole
            planes.
        seed: of the operation; see tf.set_random_seed.
        name: of the operations; ``dropout`` by default.
        rate: the probability that an element is dropped.

    Returns:
        A tensor of the shape of ``x``; ``x`` itself when nothing is dropped.

    Raises:
        ValueError: neither or both of keep_prob and rate are given, or not in range; ``x`` is not
            float.

    Gradient: dy / (1 - rate) where the element was kept, else 0.

    >>> tf.nn.dropout(tf.ones([2, 3]), keep_prob=0.5).shape.as_list()
    [2, 3]
    """
    from_keep = None if keep_prob is None else 1 - keep_prob
    rate = one_name("dropout", rate=rate, keep_prob=from_keep)
    if rate is None:
        raise ValueError("dropout: rate or keep_prob must be given")

    def uniform(shape: Any, dtype: Any) -> Tensor:
        return EXPORTS["random_uniform"](shape, seed=seed, dtype=dtype)

    return _dropped("dropout", x, rate, noise_shape, uniform, name)


def _dropped(
    function: str, x: Any, rate: Any, noise_shape: Any, uniform: Any, name: str | None
) -> Tensor:
    """Dropout with the mask from ``uniform(shape, dtype)``."""
    with name_scope(name, function, [x]):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.is_floating:
            raise ValueError(
                f"{function}: x is scaled and must be a float tensor, not "
                f"{x.dtype.base_dtype.name}"
            )
        known = constant_value(rate) if isinstance(rate, Tensor) else rate
        if isinstance(rate, numbers.Real) and not 0 <= float(rate) < 1:
            raise ValueError(
                call_message(
                    f"{function}: rate must lie in [0, 1), it is {rate} "
                    f"(keep_prob {1 - float(rate)})",
                    [("x", x)],
                    fix="rate is the part that is dropped, keep_prob the part that stays",
                )
            )
        if known is not None and np.ndim(known) == 0 and known == 0:
            return x
        rate = convert_to_tensor(rate, dtype=x.dtype.base_dtype, name="rate")
        rate.shape.assert_is_compatible_with([])
        noise = uniform(_noise_shape(x, noise_shape), x.dtype.base_dtype)
        scale = 1 / (1 - rate) if known is None else number(1 / (1 - float(known)), x)
        kept = call.Cast(noise >= rate, DstT=x.dtype.base_dtype)
        result = x * scale * kept
        result.set_shape(x.dims)
        return result


@export("nn.experimental.stateless_dropout")
def stateless_dropout(
    x: Any,
    rate: Any,
    seed: Any,
    rng_alg: str | None = None,
    noise_shape: Any = None,
    name: str | None = None,
) -> Tensor:
    """Dropout with the same mask whenever the seed is the same.

    Args:
        x: a float tensor.
        rate: the probability that an element is dropped; a number or a scalar tensor.
        seed: two integers, or an integer tensor of shape [2].
        rng_alg: None, ``auto_select`` or ``philox``; the same.
        noise_shape: shape of the mask, which broadcasts; see dropout.
        name: of the operations; ``stateless_dropout`` by default.

    Returns:
        A tensor of the shape of ``x``; ``x`` itself when nothing is dropped.

    Raises:
        ValueError: the rate is not in [0, 1); ``x`` is not float; the algorithm is another.

    Gradient: dy / (1 - rate) where the element was kept, else 0.

    >>> tf.Session().run(tf.nn.experimental.stateless_dropout(tf.ones([5]), 0.5, seed=[1, 2]))
    array([2., 0., 2., 0., 0.], dtype=float32)
    """
    if rng_alg not in (None, "auto_select", "philox"):
        raise ValueError(f"stateless_dropout: rng_alg {rng_alg!r} is neither philox nor None")

    def uniform(shape: Any, dtype: Any) -> Tensor:
        return EXPORTS["random.stateless_uniform"](shape, seed=seed, dtype=dtype)

    return _dropped("stateless_dropout", x, rate, noise_shape, uniform, name)


@export("nn.experimental.general_dropout")
def general_dropout(
    x: Any, rate: Any, uniform_sampler: Any, noise_shape: Any = None, name: str | None = None
) -> Tensor:
    """Dropout with a mask from any source of uniform numbers.

    Args:
        x: a float tensor.
        rate: the probability that an element is dropped; a number or a scalar tensor.
        uniform_sampler: ``uniform_sampler(shape, dtype)`` gives numbers uniform in [0, 1).
        noise_shape: shape of the mask, which broadcasts; see dropout.
        name: of the operations; ``dropout`` by default.

    Returns:
        A tensor of the shape of ``x``; ``x`` itself when nothing is dropped.

    Raises:
        ValueError: the rate is not in [0, 1); ``x`` is not float.

    Gradient: dy / (1 - rate) where the element was kept, else 0.
    """
    return _dropped("dropout", x, rate, noise_shape, uniform_sampler, name)
