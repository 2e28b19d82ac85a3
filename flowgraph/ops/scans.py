"""Running sums and products along an axis: cumsum, cumprod, cumulative_logsumexp.

    x = [a, b, c]    cumsum = [a, a+b, a+b+c]    exclusive = [0, a, a+b]    reverse: from the end

Read next: reductions.py (the last element alone), segments.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, NUMERIC, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.rules import f32, i32, known_axis, number, only_one
from flowgraph.shapes import Dims, normalize_axis

_SCAN = """
for o in range(start, stop):
    for e in range(inner):
        total = {x}({identity})
        for k in range(n):
            at = (o * n + ((n - 1 - k) if reverse != 0 else k)) * inner + e
            value = load(x, at)
            if exclusive != 0:
                store(out, at, total)
                {combine}
            else:
                {combine}
                store(out, at, total)
return 0
"""

#: log(exp(total) + exp(value)); equal ones apart, since the difference of infinities is NaN.
_LOG_ADD = (
    "total = total + {x}(0.6931471805599453) if total == value else "
    "maximum(total, value) + log1p(exp(-absolute(total - value)))"
)


def _infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    known_axis(call_, 1, None if dims is None else len(dims))
    return [dims]


def _sizes(call_: Call) -> Mapping[str, int]:
    shape: Any = call_.shapes[0]
    axis = normalize_axis(only_one(call_.value(1), "axis"), len(shape))  # type: ignore[arg-type]
    return {
        "n": shape[axis],
        "inner": math.prod(shape[axis + 1 :]),
        "exclusive": call_.attrs["exclusive"],
        "reverse": call_.attrs["reverse"],
    }


def _steps(call_: Call) -> int:
    sizes = _sizes(call_)
    row = sizes["n"] * sizes["inner"]
    return math.prod(call_.shapes[0]) // row if row else 0  # type: ignore[arg-type]


def _reference(accumulate: Any, identity: float) -> Any:
    def reference(call_: Call, x: Any, axis: Any) -> Any:
        place = normalize_axis(only_one(axis, "axis"), x.ndim)
        if call_.attrs["reverse"]:
            x = np.flip(x, place)
        if call_.attrs["exclusive"]:
            one = np.full((*x.shape[:place], 1, *x.shape[place + 1 :]), identity, x.dtype)
            body = np.take(x, np.arange(max(x.shape[place] - 1, 0)), place)
            x = np.concatenate([one, body], place) if x.shape[place] else x
        result = accumulate(x, place)
        return np.flip(result, place) if call_.attrs["reverse"] else result

    return reference


def _log_add(x: Any, axis: int) -> Any:
    return np.logaddexp.accumulate(x.astype(np.float64), axis).astype(x.dtype)


def _scan(
    type: str,
    accumulate: Any,
    combine: str,
    identity: str,
    grad: Any,
    doc: str,
    dtypes: frozenset[str] = NUMERIC,
    more: tuple[Any, ...] = (),
) -> None:
    # NB: no finite difference of what begins with -inf
    open_end: Any = () if identity == "-inf" else None
    define(
        type,
        "x: T, axis: Tidx -> out: T",
        T=dtypes_of(dtypes),
        Tidx=dtypes_of(INDEX, int32),
        exclusive=False,
        reverse=False,
        infer=_infer,
        kernel=Procedure(
            _SCAN,
            sizes=_sizes,
            steps=_steps,
            known=(1,),
            whole=True,
            choices=lambda call_: {
                "combine": combine.replace("{x}", call_.dtypes[0].base_dtype.name),
                "identity": identity,
            },
        ),
        grad=grad,
        reference=_reference(accumulate, float(identity)),
        samples=(
            sample(f32(3, 5), i32(1), const=(1,)),
            sample(f32(3, 5), i32(0), const=(1,), exclusive=True, differentiable=open_end),
            sample(f32(2, 3, 4), i32(-2), const=(1,), reverse=True),
            sample(f32(7), i32(0), const=(1,), exclusive=True, reverse=True,
                   differentiable=open_end),
            sample(f32(0, 3), i32(1), const=(1,)),
            sample(f32(3, 0), i32(1), const=(1,), exclusive=True),
            *more,
        ),
        errors=(
            error_sample(ValueError, "axis 2 is out of range", f32(3, 5), i32(2), const=(1,)),
            error_sample(ValueError, "which has no axes", f32(), i32(0), const=(1,)),
        ),
        doc=doc,
    )  # fmt: skip


def _cumsum_grad(op: Any, dy: Any) -> tuple[Any, None]:
    exclusive, reverse = op.attrs["exclusive"], op.attrs["reverse"]
    return call.Cumsum(dy, op.axis, exclusive=exclusive, reverse=not reverse), None


def _cumprod_grad(op: Any, dy: Any) -> tuple[Any, None]:
    """sum over k >= j of dy[k] y[k] / x[j]: a running sum from the other end.

    Where x[j] is the first 0 of its row, y[k] / x[j] is the product of the others, which is y made
    with 1 in its place; behind it every product has that 0 as a factor.

    NB: TensorFlow gives NaN (1.15) or 0 (later) there.  The second derivative with respect to two
    elements that are both 0 is still missing.
    """
    flags = {"exclusive": op.attrs["exclusive"], "reverse": op.attrs["reverse"]}
    back = {"exclusive": op.attrs["exclusive"], "reverse": not op.attrs["reverse"]}
    total = call.Cumsum(op.out * dy, op.axis, **back)
    zero = call.Equal(op.x, number(0, op.x))
    count = call.Cumsum(
        call.Cast(zero, DstT=int32), op.axis, exclusive=True, reverse=op.attrs["reverse"]
    )
    first = call.LogicalAnd(zero, call.Equal(count, 0))
    others = call.Cumprod(call.Select(first, call.OnesLike(op.x), op.x), op.axis, **flags)
    at_zero = call.Cumsum(others * dy, op.axis, **back)
    return call.Select(first, at_zero, call.DivNoNan(total, op.x)), None


def _logsumexp_grad(op: Any, dy: Any) -> tuple[Any, None]:
    """sum over k >= j of dy[k] exp(x[j] - y[k]), summed as logarithms: y may be far from 0."""
    back = {"exclusive": op.attrs["exclusive"], "reverse": not op.attrs["reverse"]}
    lowest = call.ZerosLike(dy) + number(dy.dtype.min, dy)

    def part(sign: Any) -> Any:
        taken = call.Greater(sign, number(0, dy))
        logs = call.Log(call.Select(taken, sign, call.OnesLike(dy)))
        logs = call.Select(taken, logs - op.out, lowest)
        return call.Exp(call.CumulativeLogsumexp(logs, op.axis, **back) + op.x)

    return part(dy) - part(call.Neg(dy)), None


_ZEROS = np.array([[1.5, 0, 2, 3], [0, 0.5, 3, 2], [3, 2, 0.5, 0]], np.float32)

_scan(
    "Cumsum",
    lambda x, axis: np.cumsum(x, axis, dtype=x.dtype),
    "total = total + value",
    "0",
    _cumsum_grad,
    "Running sum of ``x`` along ``axis``.",
    more=(sample(np.array([[1, 2, 3]], np.int64), i32(1)),),
)
_scan(
    "Cumprod",
    lambda x, axis: np.cumprod(x, axis, dtype=x.dtype),
    "total = total * value",
    "1",
    _cumprod_grad,
    "Running product of ``x`` along ``axis``.",
    more=(
        sample(np.array([[1, 2, 3]], np.int64), i32(1)),
        sample(_ZEROS[:1], i32(1), const=(1,)),
        sample(_ZEROS, i32(1), const=(1,), exclusive=True),
        sample(_ZEROS, i32(1), const=(1,), reverse=True),
    ),
)
_scan(
    "CumulativeLogsumexp",
    _log_add,
    _LOG_ADD,
    "-inf",
    _logsumexp_grad,
    "Logarithm of the running sum of exponentials of ``x`` along ``axis``.",
    dtypes=FLOAT,
    more=(
        sample(np.array([-np.inf, -np.inf, 3, 1e4, np.inf, 1], np.float32), i32(0),
               const=(1,), differentiable=()),
        sample(np.array([1, np.nan, 3], np.float32), i32(0), const=(1,), differentiable=()),
    ),
)  # fmt: skip


@export("cumsum", "math.cumsum")
def cumsum(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """Running sum along an axis: ``out[k] = x[0] + ... + x[k]``.

    Args:
        x: a tensor of numbers, at least one axis.
        axis: along which to add; negative counts from the last.
        exclusive: leave ``x[k]`` out of ``out[k]``: the first element is 0.
        reverse: start at the end.
        name: of the operation; ``Cumsum`` by default.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        ValueError: ``axis`` is out of range.

    Gradient: the running sum of dy from the other end.

    >>> import flowgraph as tf
    >>> with tf.Session() as sess:
    ...     print(sess.run(tf.cumsum([1, 2, 3], exclusive=True)))
    [0 1 3]
    """
    return apply_op("Cumsum", x, axis, exclusive=exclusive, reverse=reverse, name=name)


@export("cumprod", "math.cumprod")
def cumprod(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """Running product along an axis: ``out[k] = x[0] * ... * x[k]``.

    Args:
        x: a tensor of numbers, at least one axis.
        axis: along which to multiply; negative counts from the last.
        exclusive: leave ``x[k]`` out of ``out[k]``: the first element is 1.
        reverse: start at the end.
        name: of the operation; ``Cumprod`` by default.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        ValueError: ``axis`` is out of range.

    Gradient: ``sum over k of dy[k] out[k] / x[j]``, right also where ``x`` is 0.

    >>> import flowgraph as tf
    >>> with tf.Session() as sess:
    ...     print(sess.run(tf.cumprod([1, 2, 3])))
    [1 2 6]
    """
    return apply_op("Cumprod", x, axis, exclusive=exclusive, reverse=reverse, name=name)


@export("math.cumulative_logsumexp")
def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """Logarithm of a running sum: ``out[k] = log(exp(x[0]) + ... + exp(x[k]))``.

    Args:
        x: a float tensor, at least one axis.
        axis: along which to add; negative counts from the last.
        exclusive: leave ``x[k]`` out of ``out[k]``: the first element is -inf.
        reverse: start at the end.
        name: of the operation; ``CumulativeLogsumexp`` by default.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        ValueError: ``axis`` is out of range.

    Gradient: ``sum over k of dy[k] exp(x[j] - out[k])``.
    Numerics: no exponential overflows; NaN stays NaN from its place on.

    >>> import flowgraph as tf
    >>> with tf.Session() as sess:
    ...     print(sess.run(tf.math.cumulative_logsumexp([1000.0, 1000.0])))
    [1000.     1000.6932]
    """
    return apply_op("CumulativeLogsumexp", x, axis, exclusive=exclusive, reverse=reverse, name=name)
