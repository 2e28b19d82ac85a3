"""Composed reductions: reduce_logsumexp, norm, l2_normalize, moments.

Read next: reductions.py, softmax.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import float16, float32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.rules import conjugate_of, number, one_name
from flowgraph.shapes import normalize_axis


@export("reduce_logsumexp", "math.reduce_logsumexp")
def reduce_logsumexp(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """log(sum(exp(x))) along ``axis``, without overflow.

    y = m + log(sum(exp(x - m)))  with  m = max(x)

    Args:
        input_tensor: a float tensor.
        axis: an int or a list of them; all axes by default.
        keepdims: keep reduced axes, with size 1.
        name: of the operations; ``ReduceLogSumExp`` by default.
        reduction_indices, keep_dims: the old names of ``axis`` and ``keepdims``.

    Gradient: dy * exp(x - y), a softmax.

    >>> tf.Session().run(tf.reduce_logsumexp([1000.0, 1000.0]))
    1000.6932
    """
    axis = one_name("reduce_logsumexp", axis=axis, reduction_indices=reduction_indices)
    keep = bool(one_name("reduce_logsumexp", keepdims=keepdims, keep_dims=keep_dims))
    with name_scope(name, "ReduceLogSumExp", [input_tensor]) as scope:
        x = convert_to_tensor(input_tensor, name="input_tensor")
        greatest = reduce_with("Max", x, axis, True, None)
        finite = call.Select(call.IsFinite(greatest), greatest, call.ZerosLike(greatest))
        shift = call.StopGradient(finite)
        total = reduce_with("Sum", call.Exp(x - shift), axis, keep, None)
        if not keep:
            shift = call.Reshape(shift, call.Shape(total))
        return apply_op("AddV2", call.Log(total), shift, name=scope)


@export("norm", "linalg.norm")
def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The norm of vectors or matrices.

    (sum |x|**ord) ** (1 / ord) of a vector; of a matrix the Frobenius norm, the greatest singular
    value (2), or the greatest sum of absolute values over a column (1) or row (inf).

    Args:
        tensor: a float or complex tensor.
        ord: ``"euclidean"``, ``"fro"`` (matrices), 1, 2, numpy.inf, or any positive number
            (vectors).
        axis: the axis of the vectors, or two axes of the matrices; by default all elements form one
            vector.
        keepdims: keep reduced axes, with size 1.
        name: of the operations; ``norm`` by default.
        keep_dims: the old name of ``keepdims``.

    Returns:
        The dtype of ``tensor``; for complex numbers only euclidean norms of vectors and Frobenius
        norms are complex (with imaginary part 0), the others real.

    Raises:
        ValueError: the norm is not one of these.

    Gradient: as of its parts; NaN for the euclidean norm of zeros.

    >>> tf.Session().run(tf.norm([3.0, 4.0]))
    5.0
    """
    keep = bool(one_name("norm", keepdims=keepdims, keep_dims=keep_dims))
    is_matrix = isinstance(axis, (list, tuple)) and len(axis) == 2
    if isinstance(axis, (list, tuple)):
        axis = list(axis)
        if len(axis) not in (1, 2) or len(set(axis)) != len(axis):
            raise ValueError(f"norm: axis {axis} must be one axis, or two different ones")
        axis = axis if is_matrix else axis[0]
    allowed = ("euclidean", "fro", 1, 2, np.inf) if is_matrix else ("euclidean", 1, 2, np.inf)
    is_power = not is_matrix and not isinstance(ord, str) and ord > 0
    if ord not in allowed and not is_power:
        raise ValueError(f"norm: ord {ord!r} is not one of {', '.join(map(repr, allowed))}")
    with name_scope(name, "norm", [tensor]):
        x = convert_to_tensor(tensor, name="tensor")
        if is_matrix and ord == 2:
            result = _greatest_singular_value(x, axis)
        elif ord in ("euclidean", "fro", 2):
            result = call.Sqrt(reduce_with("Sum", x * conjugate_of(x), axis, True, None))
        else:
            result = _norm_of_sizes(EXPORTS["abs"](x), ord, axis, is_matrix)
        if keep:
            return result
        dropped = [] if axis is None else axis if is_matrix else [axis]
        if axis is None and result.dims is None:
            return call.Reshape(result, np.zeros(0, np.int32))
        return call.Squeeze(result, squeeze_dims=dropped)


def _norm_of_sizes(sizes: Tensor, ord: Any, axis: Any, is_matrix: bool) -> Tensor:
    """A norm by absolute values; reduced axes have size 1."""
    if is_matrix:
        columns, rows = axis if ord == 1 else axis[::-1]
        sums = reduce_with("Sum", sizes, columns, True, None)
        return reduce_with("Max", sums, rows, True, None)
    if ord == np.inf:
        return reduce_with("Max", sizes, axis, True, None)
    if ord == 1:
        return reduce_with("Sum", sizes, axis, True, None)
    total = reduce_with("Sum", call.Pow(sizes, number(ord, sizes)), axis, True, None)
    return call.Pow(total, number(1.0 / ord, sizes))


def _greatest_singular_value(x: Tensor, axis: list[int]) -> Tensor:
    """Of the matrices along two axes, which keep size 1."""
    if x.dims is None:
        raise ValueError("norm: the 2-norm of matrices needs a known rank")
    rank = len(x.dims)
    pair = [normalize_axis(a, rank, "axis") for a in axis]
    order = [a for a in range(rank) if a not in pair] + pair
    values = EXPORTS["svd"](call.Transpose(x, np.array(order, np.int32)), compute_uv=False)
    greatest = call.Max(values, np.array([-1], np.int32))
    for a in sorted(pair):
        greatest = call.ExpandDims(greatest, a)
    return greatest


@export("linalg.normalize")
def normalize(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """``tensor`` divided by its norm along an axis, and the norm.

    Args:
        tensor: a float or complex tensor.
        ord: which norm, as for ``norm``.
        axis: the axis of the vectors, or two axes of the matrices; by default all elements form one
            vector.
        name: of the operations; ``normalize`` by default.

    Returns:
        (normalized, norm): the shape of ``tensor``, NaN where the norm is 0; and that shape with
        size 1 along the axes.

    Raises:
        ValueError: the norm is not one of those of ``norm``.

    Gradient: as of its parts.

    >>> tf.Session().run(tf.linalg.normalize([[3.0, 4.0]], axis=1))
    (array([[0.6, 0.8]], dtype=float32), array([[5.]], dtype=float32))
    """
    with name_scope(name, "normalize", [tensor]):
        x = convert_to_tensor(tensor, name="tensor")
        size = norm(x, ord=ord, axis=axis, keepdims=True)
        dtype = x.dtype.base_dtype
        divisor = size if size.dtype.base_dtype is dtype else call.Cast(size, DstT=dtype)
        return call.RealDiv(x, divisor), size


@export("nn.l2_normalize", "math.l2_normalize", "linalg.l2_normalize")
def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Tensor:
    """``x`` scaled to euclidean length 1 along ``axis``.

    y = x / sqrt(max(sum(x**2), epsilon))

    Args:
        x: a float tensor.
        axis: an int or a list of them; all axes by default.
        epsilon: the least square length divided by.
        name: of the operation; ``l2_normalize`` by default.
        dim: the old name of ``axis``.

    Gradient: as of its parts.

    >>> tf.Session().run(tf.nn.l2_normalize([3.0, 4.0]))
    array([0.6, 0.8], dtype=float32)
    """
    axis = one_name("l2_normalize", axis=axis, dim=dim)
    with name_scope(name, "l2_normalize", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        total = reduce_with("Sum", call.Square(x), axis, True, None)
        return apply_op("Mul", x, call.Rsqrt(call.Maximum(total, epsilon)), name=scope)


@export("nn.moments")
def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and variance of ``x`` along ``axes``.

    variance = mean((x - mean)**2): the sum is divided by n, not by n - 1.

    Args:
        x: a float tensor.
        axes: a list of axes.
        shift: ignored, as TensorFlow does.
        name: of the operations; ``moments`` by default.
        keep_dims: keep reduced axes, with size 1.
        keepdims: the same.

    Returns:
        (mean, variance); of float16 they are computed in float32.

    Gradient: as of its parts; that of the variance takes the mean for a constant, which changes
    nothing because the deviations sum to 0.

    >>> tf.Session().run(tf.nn.moments([1.0, 3.0], [0]))
    (2.0, 1.0)
    """
    keep = bool(one_name("moments", keepdims=keepdims, keep_dims=keep_dims))
    with name_scope(name, "moments", [x, axes]):
        given = convert_to_tensor(x, name="x")
        is_half = given.dtype.base_dtype is float16
        y = call.Cast(given, DstT=float32) if is_half else given
        mean = reduce_with("Mean", y, axes, True, "mean")
        deviations = call.SquaredDifference(y, call.StopGradient(mean))
        variance = reduce_with("Mean", deviations, axes, True, "variance")
        if not keep:
            mean, variance = (_without(t, axes) for t in (mean, variance))
        if is_half:
            mean, variance = (call.Cast(t, DstT=float16) for t in (mean, variance))
        return mean, variance


def _without(x: Tensor, axes: Any) -> Tensor:
    """``x`` without ``axes``, which have size 1; none listed, none dropped."""
    if isinstance(axes, Tensor):
        axes = constant_value(axes)
        if axes is None:
            raise ValueError("moments: axes must be known while the graph is built")
    dropped = [int(axis) for axis in np.atleast_1d(np.asarray(axes, np.int64))]
    return call.Squeeze(x, squeeze_dims=dropped) if dropped else x
