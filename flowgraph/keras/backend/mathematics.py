"""Products, reductions, elementwise functions and comparisons."""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras.backend.settings import floatx
from flowgraph.keras.backend.values import is_sparse, ndim

__all__ = [
    "abs",
    "all",
    "any",
    "argmax",
    "argmin",
    "batch_dot",
    "clip",
    "cos",
    "cumprod",
    "cumsum",
    "dot",
    "equal",
    "exp",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "logsumexp",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "not_equal",
    "pow",
    "prod",
    "round",
    "sign",
    "sin",
    "sqrt",
    "square",
    "std",
    "sum",
    "var",
]


def dot(x: Any, y: Any) -> Any:
    """Sums of products over the last axis of ``x`` and the last but one of ``y``."""
    if is_sparse(x):
        return tf.sparse_tensor_dense_matmul(x, y)
    if ndim(x) == 2 and ndim(y) == 2:
        return tf.matmul(x, y)
    rank = ndim(y)
    if rank is None:
        raise ValueError("dot: the number of axes of y must be known")
    return tf.tensordot(x, y, [[-1], [rank - 2 if rank > 1 else 0]])


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """For every sample, sums of products over an axis of ``x`` and one of ``y``.

    Args:
        x, y: of two or more axes; the first is the batch's.
        axes: a pair of axes, or one for both; by default the last of ``x`` and the last but one of
            ``y`` (the last, if ``y`` has two).

    Returns:
        Shape: batch, other axes of ``x``, other axes of ``y``; (batch, 1) if there are none.

    Raises:
        ValueError: there are too few axes, or the axis is the batch's.
    """
    ranks = [ndim(x), ndim(y)]
    if None in ranks or ranks[0] < 2 or ranks[1] < 2:  # type: ignore[operator]
        raise ValueError(f"batch_dot: x and y need two or more axes, they have {ranks}")
    if axes is None:
        axes = (-1, -1 if ranks[1] == 2 else -2)
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    first, second = (axis % rank for axis, rank in zip(pair, ranks, strict=True))
    if not first or not second:
        raise ValueError(f"batch_dot: axes={axes} has the axis of the batch")
    letters = [chr(ord("a") + i) for i in range(ranks[0] + ranks[1])]  # type: ignore[operator]
    of_x, of_y = letters[: ranks[0]], letters[ranks[0] :]
    of_y[0], of_y[second] = of_x[0], of_x[first]
    left = [a for i, a in enumerate(of_x) if i != first]
    left += [b for i, b in enumerate(of_y) if i not in (0, second)]
    out = tf.einsum(f"{''.join(of_x)},{''.join(of_y)}->{''.join(left)}", x, y)
    return tf.expand_dims(out, 1) if len(left) == 1 else out


def _numbers(x: Any) -> Any:
    x = tf.convert_to_tensor(x)
    return tf.cast(x, floatx()) if x.dtype.base_dtype == tf.bool else x


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element along ``axis``; of all without it."""
    return tf.reduce_max(x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest element along ``axis``; of all without it."""
    return tf.reduce_min(x, axis, keepdims)


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum along ``axis``; of all without it."""
    return tf.reduce_sum(x, axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The product along ``axis``; of all without it."""
    return tf.reduce_prod(x, axis, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean along ``axis``; of all without it.  True counts as 1."""
    return tf.reduce_mean(_numbers(x), axis, keepdims)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean square distance from the mean along ``axis``; of all without it."""
    x = _numbers(x)
    return tf.reduce_mean(tf.square(x - tf.reduce_mean(x, axis, True)), axis, keepdims)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The square root of ``var``."""
    return tf.sqrt(var(x, axis, keepdims))


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element along ``axis`` is not 0; of all without it."""
    return tf.reduce_any(tf.cast(x, tf.bool), axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether no element along ``axis`` is 0; of all without it."""
    return tf.reduce_all(tf.cast(x, tf.bool), axis, keepdims)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))`` along ``axis``, without overflow."""
    return tf.reduce_logsumexp(x, axis, keepdims)


def argmax(x: Any, axis: int = -1) -> Any:
    """Where the largest element along ``axis`` is."""
    return tf.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """Where the smallest element along ``axis`` is."""
    return tf.argmin(x, axis)


def cumsum(x: Any, axis: int = 0) -> Any:
    """The sums of the elements so far along ``axis``."""
    return tf.cumsum(x, axis=axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    """The products of the elements so far along ``axis``."""
    return tf.cumprod(x, axis=axis)


def square(x: Any) -> Any:
    """``x * x``."""
    return tf.square(x)


def abs(x: Any) -> Any:
    """The absolute value."""
    return tf.abs(x)


def sqrt(x: Any) -> Any:
    """The square root; 0 for negative numbers."""
    x = tf.convert_to_tensor(x)
    return tf.sqrt(tf.maximum(x, tf.zeros([], x.dtype)))


def exp(x: Any) -> Any:
    """The exponential."""
    return tf.exp(x)


def log(x: Any) -> Any:
    """The natural logarithm."""
    return tf.log(x)


def round(x: Any) -> Any:
    """The nearest integer; halves to the even one."""
    return tf.round(x)


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return tf.sign(x)


def pow(x: Any, a: Any) -> Any:
    """``x`` to the power ``a``."""
    return tf.pow(x, a)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """``x``, at least ``min_value`` and at most ``max_value``; None is no limit."""
    x = tf.convert_to_tensor(x)
    if max_value is not None and min_value is not None and max_value < min_value:
        max_value = min_value
    if max_value is not None:
        x = tf.minimum(x, tf.cast(max_value, x.dtype))
    return x if min_value is None else tf.maximum(x, tf.cast(min_value, x.dtype))


def equal(x: Any, y: Any) -> Any:
    """Where ``x == y``."""
    return tf.equal(x, y)


def not_equal(x: Any, y: Any) -> Any:
    """Where ``x != y``."""
    return tf.not_equal(x, y)


def greater(x: Any, y: Any) -> Any:
    """Where ``x > y``."""
    return tf.greater(x, y)


def greater_equal(x: Any, y: Any) -> Any:
    """Where ``x >= y``."""
    return tf.greater_equal(x, y)


def less(x: Any, y: Any) -> Any:
    """Where ``x < y``."""
    return tf.less(x, y)


def less_equal(x: Any, y: Any) -> Any:
    """Where ``x <= y``."""
    return tf.less_equal(x, y)


def maximum(x: Any, y: Any) -> Any:
    """The larger one, element by element."""
    return tf.maximum(x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller one, element by element."""
    return tf.minimum(x, y)


def sin(x: Any) -> Any:
    """The sine."""
    return tf.sin(x)


def cos(x: Any) -> Any:
    """The cosine."""
    return tf.cos(x)
