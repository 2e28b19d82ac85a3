"""Variance, standard deviation, and counts: reductions composed of others.

Read next: reductions.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, float32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.rules import number, one_name


@export("math.reduce_variance")
def reduce_variance(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The mean square distance from the mean, along ``axis``.

    mean((x - mean(x))**2), divided by n, not n - 1; of complex numbers mean(|x - mean(x)|**2)

    Args:
        input_tensor: a tensor of floats or complex numbers.
        axis: an int or a list of them; all axes by default.
        keepdims: keep reduced axes, with size 1.
        name: of the operations; ``reduce_variance`` by default.

    Raises:
        TypeError: the elements are integers.

    Gradient: 2 (x - mean(x)) dy / n.

    >>> tf.Session().run(tf.math.reduce_variance([1.0, 3.0]))
    1.0
    """
    with name_scope(name or "reduce_variance"):
        x = convert_to_tensor(input_tensor, name="input_tensor")
        if x.dtype.is_integer:
            raise TypeError(f"reduce_variance: the elements must be floats, not {x.dtype.name}")
        away = x - reduce_with("Mean", x, axis, True, None)
        if x.dtype.is_complex:
            square = call.Real(away * call.Conj(away), Tout=x.dtype.base_dtype.real_dtype)
        else:
            square = call.Square(away)
        return reduce_with("Mean", square, axis, bool(keepdims), None)


@export("math.reduce_std")
def reduce_std(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The standard deviation along ``axis``: the square root of ``reduce_variance``.

    Args:
        input_tensor: a tensor of floats or complex numbers.
        axis: an int or a list of them; all axes by default.
        keepdims: keep reduced axes, with size 1.
        name: of the operations; ``reduce_std`` by default.

    Raises:
        TypeError: the elements are integers.

    Gradient: (x - mean(x)) dy / (n y); NaN where all elements are equal.

    >>> tf.Session().run(tf.math.reduce_std([1.0, 3.0]))
    1.0
    """
    with name_scope(name or "reduce_std"):
        variance = reduce_variance(input_tensor, axis=axis, keepdims=keepdims)
        return call.Sqrt(variance)


@export("count_nonzero", "math.count_nonzero")
def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Tensor:
    """How many elements along ``axis`` are not 0 (of strings: not empty; of bools: True).

    Args:
        input_tensor: a tensor.
        axis: an int or a list of them; all axes by default.
        keepdims: keep reduced axes, with size 1.
        dtype: of the result.
        name: of the operations; ``count_nonzero`` by default.
        reduction_indices, keep_dims, input: the old names of ``axis``, ``keepdims`` and
            ``input_tensor``.

    Raises:
        ValueError: an axis is out of range.

    Gradient: none.

    >>> int(tf.Session().run(tf.count_nonzero([[0, 2], [3, 4]])))
    3
    """
    axis = one_name("count_nonzero", axis=axis, reduction_indices=reduction_indices)
    keep = bool(one_name("count_nonzero", keepdims=keepdims, keep_dims=keep_dims))
    given = one_name("count_nonzero", input_tensor=input_tensor, input=input)
    with name_scope(name, "count_nonzero", [given]):
        x = convert_to_tensor(given, name="input")
        if not x.dtype.is_bool:
            words = x.dtype.base_dtype.np.kind == "O"
            zero = call.Const(value=np.array(b"", object), dtype=x.dtype.base_dtype) if words else (
                number(0, x)
            )  # fmt: skip
            x = call.NotEqual(x, zero)
        total = reduce_with("Sum", call.Cast(x, DstT=int64), axis, keep, None)
        target = as_dtype(dtype)
        return total if target is int64 else call.Cast(total, DstT=target)


@export("math.zero_fraction", "nn.zero_fraction")
def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """Which part of the elements is 0, as a float32 scalar; NaN of nothing.

    Args:
        value: a tensor of numbers.
        name: of the operations; ``zero_fraction`` by default.

    Gradient: none.

    >>> tf.Session().run(tf.math.zero_fraction([0.0, 1.0, 0.0, 2.0]))
    0.5
    """
    with name_scope(name, "zero_fraction", [value]):
        x = convert_to_tensor(value, name="value")
        size = call.Size(x, out_type=int64)
        count = size - count_nonzero(x)
        count, size = call.Cast(count, DstT=float32), call.Cast(size, DstT=float32)
        return apply_op("RealDiv", count, size, name="fraction")
