"""What layers compute: activations, dropout, convolutions, pooling, normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras.activations import elu, hard_sigmoid, relu
from flowgraph.keras.backend.settings import normalize_data_format

__all__ = [
    "batch_normalization",
    "bias_add",
    "conv1d",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "depthwise_conv2d",
    "dropout",
    "elu",
    "foldl",
    "foldr",
    "hard_sigmoid",
    "in_top_k",
    "l2_normalize",
    "map_fn",
    "normalize_batch_in_training",
    "pool2d",
    "pool3d",
    "relu",
    "separable_conv1d",
    "separable_conv2d",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]

#: data_format of tf.nn by (spatial axes, whether channels are last).
_FORMATS = {
    (1, True): "NWC", (1, False): "NCW", (2, True): "NHWC", (2, False): "NCHW",
    (3, True): "NDHWC", (3, False): "NCDHW",
}  # fmt: skip


def _format(spatial: int, data_format: str | None) -> str:
    return _FORMATS[spatial, normalize_data_format(data_format) == "channels_last"]


def _padding(padding: str) -> str:
    if padding not in ("same", "valid"):
        raise ValueError(f"padding is 'same' or 'valid', got {padding!r}")
    return padding.upper()


def _everywhere(spatial: Sequence[int], data_format: str) -> list[int]:
    """Strides of the spatial axes as those of all axes."""
    return [1, *spatial, 1] if data_format.endswith("C") else [1, 1, *spatial]


def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x) / sum(exp(x))`` along ``axis``."""
    return tf.nn.softmax(x, axis=axis)


def softplus(x: Any) -> Any:
    """``log(exp(x) + 1)``."""
    return tf.nn.softplus(x)


def softsign(x: Any) -> Any:
    """``x / (|x| + 1)``."""
    return tf.nn.softsign(x)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return tf.sigmoid(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return tf.tanh(x)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """0 with probability ``level``, else ``x / (1 - level)``; equal along axes of size 1 in
    ``noise_shape``; without ``seed`` NumPy's generator gives one.
    """
    if seed is None:
        seed = int(np.random.randint(10**7))  # noqa: NPY002  as of initializers
    return tf.nn.dropout(x, noise_shape=noise_shape, seed=seed, rate=level)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """``x`` over its Euclidean norm along ``axis``."""
    return tf.nn.l2_normalize(x, axis=axis)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether the class is among the ``k`` largest predictions of each row."""
    return tf.nn.in_top_k(predictions, targets, k)


# -------------------------------------------------------------------- convolutions and pooling


def _conv(x: Any, kernel: Any, strides: Any, padding: str, data_format: str, rate: Any) -> Any:
    return tf.nn.convolution(
        x, kernel, _padding(padding), strides=strides, dilation_rate=rate, data_format=data_format
    )


def conv1d(
    x: Any,
    kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:
    """Convolution along one axis.

    Args:
        x: (samples, steps, channels), or (samples, channels, steps) with channels_first.
        kernel: (width, channels, filters).
        strides: steps between two outputs.
        padding: "valid", "same", or "causal": outputs depend on no later steps.
        data_format: "channels_last" or "channels_first".
        dilation_rate: steps between two elements of the kernel.
    """
    form = _format(1, data_format)
    if padding == "causal":
        before = [dilation_rate * (int(kernel.shape[0]) - 1), 0]
        x = tf.pad(x, [[0, 0], before, [0, 0]] if form == "NWC" else [[0, 0], [0, 0], before])
        padding = "valid"
    return _conv(x, kernel, [strides], padding, form, [dilation_rate])


def conv2d(
    x: Any,
    kernel: Any,
    strides: Sequence[int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sequence[int] = (1, 1),
) -> Any:
    """Convolution of images; ``kernel`` is (height, width, channels, filters)."""
    return _conv(x, kernel, strides, padding, _format(2, data_format), dilation_rate)


def conv3d(
    x: Any,
    kernel: Any,
    strides: Sequence[int] = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sequence[int] = (1, 1, 1),
) -> Any:
    """Convolution of volumes; ``kernel`` is (depth, height, width, channels, filters)."""
    return _conv(x, kernel, strides, padding, _format(3, data_format), dilation_rate)


def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Sequence[int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The gradient of ``conv2d`` with respect to its images, for an output of ``output_shape``;
    ``kernel`` is (height, width, filters, channels).
    """
    form = _format(2, data_format)
    return tf.nn.conv2d_transpose(
        x, kernel, _sizes(output_shape), _everywhere(strides, form), _padding(padding), form
    )


def conv3d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Sequence[int] = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The gradient of ``conv3d`` with respect to its volumes, for an output of ``output_shape``;
    ``kernel`` is (depth, height, width, filters, channels).
    """
    form = _format(3, data_format)
    return tf.nn.conv3d_transpose(
        x, kernel, _sizes(output_shape), _everywhere(strides, form), _padding(padding), form
    )


def _sizes(shape: Any) -> Any:
    known = isinstance(shape, (list, tuple)) and not any(isinstance(s, tf.Tensor) for s in shape)
    return list(shape) if known else tf.stack(shape)


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Sequence[int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sequence[int] = (1, 1),
) -> Any:
    """Every channel convolved by itself; the kernel is (height, width, channels, multiplier)."""
    form = _format(2, data_format)
    return tf.nn.depthwise_conv2d(
        x, depthwise_kernel, _everywhere(strides, form), _padding(padding),
        rate=dilation_rate, data_format=form,
    )  # fmt: skip


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Sequence[int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sequence[int] = (1, 1),
) -> Any:
    """``depthwise_conv2d``, then a convolution by ``pointwise_kernel`` of 1 x 1 pixel."""
    form = _format(2, data_format)
    return tf.nn.separable_conv2d(
        x, depthwise_kernel, pointwise_kernel, _everywhere(strides, form), _padding(padding),
        rate=dilation_rate, data_format=form,
    )  # fmt: skip


def separable_conv1d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:
    """``separable_conv2d`` along one axis; the kernels are (width, channels, multiplier) and
    (1, channels * multiplier, filters).
    """
    axis = 1 if _format(1, data_format) == "NWC" else 2
    out = separable_conv2d(
        tf.expand_dims(x, axis), tf.expand_dims(depthwise_kernel, 0),
        tf.expand_dims(pointwise_kernel, 0), (strides, strides), padding, data_format,
        (1, dilation_rate),
    )  # fmt: skip
    return tf.squeeze(out, [axis])


def pool2d(
    x: Any,
    pool_size: Sequence[int],
    strides: Sequence[int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The largest, or the mean ("avg"), of every window of images."""
    return _pool(x, pool_size, strides, padding, _format(2, data_format), pool_mode)


def pool3d(
    x: Any,
    pool_size: Sequence[int],
    strides: Sequence[int] = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The largest, or the mean ("avg"), of every window of volumes."""
    return _pool(x, pool_size, strides, padding, _format(3, data_format), pool_mode)


def _pool(x: Any, size: Any, strides: Any, padding: str, data_format: str, mode: str) -> Any:
    if mode not in ("max", "avg"):
        raise ValueError(f"pool_mode is 'max' or 'avg', got {mode!r}")
    return tf.nn.pool(
        x, size, mode.upper(), _padding(padding), strides=strides, data_format=data_format
    )


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """``x + bias``.

    Args:
        x: samples, spatial axes and channels.
        bias: a number per channel; or one per place and channel, channels last.
        data_format: "channels_last" or "channels_first".

    Raises:
        ValueError: the bias has another number of axes.
    """
    x, bias = tf.convert_to_tensor(x), tf.convert_to_tensor(bias)
    first = normalize_data_format(data_format) == "channels_first"
    rank, own = x.shape.ndims, bias.shape.ndims
    if own not in (1, rank - 1):
        raise ValueError(f"bias_add: the bias has {own} axes; 1 or {rank - 1} fit shape {x.shape}")
    if not first or rank == 2:
        return x + bias
    if own == 1:
        return x + tf.reshape(bias, [1, -1] + [1] * (rank - 2))
    return x + tf.transpose(bias, [own - 1, *range(own - 1)])


# ------------------------------------------------------------------------------- normalization


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """``gamma * (x - mean) / sqrt(var + epsilon) + beta``; None for beta is 0, for gamma 1.

    Args:
        x: tensor.
        mean, var, beta, gamma: vectors along ``axis``, or tensors that broadcast.
        axis: of the channels.
        epsilon: keeps the quotient finite.
    """
    x = tf.convert_to_tensor(x)
    rank = x.shape.ndims

    def along(v: Any) -> Any:
        if v is None or rank is None or axis in (-1, rank - 1):
            return v
        v = tf.convert_to_tensor(v)
        shape = [1] * rank
        shape[axis] = -1
        return tf.reshape(v, shape) if v.shape.ndims == 1 else v

    return tf.nn.batch_normalization(x, along(mean), along(var), along(beta), along(gamma), epsilon)


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Sequence[int], epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """``x`` normalized by its own mean and variance over ``reduction_axes``; those two as well."""
    x = tf.convert_to_tensor(x)
    kept = [i for i in range(x.shape.ndims) if i not in {a % x.shape.ndims for a in reduction_axes}]
    mean, var = tf.nn.moments(x, list(reduction_axes))
    shape = [-1 if i in kept else 1 for i in range(x.shape.ndims)]
    if len(kept) == 1:
        wide = [None if v is None else tf.reshape(v, shape) for v in (mean, var, beta, gamma)]
    else:
        wide = [*tf.nn.moments(x, list(reduction_axes), keep_dims=True), beta, gamma]
    return tf.nn.batch_normalization(x, *wide, epsilon), mean, var


# --------------------------------------------------------------------------- functions of slices


def map_fn(fn: Any, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """``fn`` of every slice of ``elems`` along the first axis."""
    return tf.map_fn(fn, elems, name=name, dtype=dtype)


def foldl(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """``fn(fn(initializer, first), second)`` and so on; without it the first slice begins."""
    return tf.foldl(fn, elems, initializer=initializer, name=name)


def foldr(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """As ``foldl`` from the last slice to the first."""
    return tf.foldr(fn, elems, initializer=initializer, name=name)
