"""Running sums and products along an axis: cumsum, cumprod.

    x = [a, b, c]    cumsum = [a, a+b, a+b+c]    exclusive = [0, a, a+b]    reverse: from the end

Read next: reductions.py (the last element alone).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, NUMERIC, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.rules import f32, i32, known_axis, only_one
from flowgraph.shapes import Dims, normalize_axis

_SCAN = """
for o in range(start, stop):
    for e in range(inner):
        total = {x}({identity})
        for k in range(n):
            at = (o * n + ((n - 1 - k) if reverse != 0 else k)) * inner + e
            if exclusive != 0:
                store(out, at, total)
                total = total {combine} load(x, at)
            else:
                total = total {combine} load(x, at)
                store(out, at, total)
return 0
"""


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


def _reference(total: Any, identity: int) -> Any:
    def reference(call_: Call, x: Any, axis: Any) -> Any:
        place = normalize_axis(only_one(axis, "axis"), x.ndim)
        if call_.attrs["reverse"]:
            x = np.flip(x, place)
        if call_.attrs["exclusive"]:
            one = np.full((*x.shape[:place], 1, *x.shape[place + 1 :]), identity, x.dtype)
            body = np.take(x, np.arange(max(x.shape[place] - 1, 0)), place)
            x = np.concatenate([one, body], place) if x.shape[place] else x
        result = total(x, place, dtype=x.dtype)
        return np.flip(result, place) if call_.attrs["reverse"] else result

    return reference


def _scan(type: str, total: Any, combine: str, identity: int, grad: Any) -> None:
    define(
        type,
        "x: T, axis: Tidx -> out: T",
        T=dtypes_of(NUMERIC),
        Tidx=dtypes_of(INDEX, int32),
        exclusive=False,
        reverse=False,
        infer=_infer,
        kernel=Procedure(
            _SCAN,
            sizes=_sizes,
            steps=_steps,
            known=(1,),
            choices=lambda call_: {"combine": combine, "identity": str(identity)},
        ),
        grad=grad,
        reference=_reference(total, identity),
        samples=(
            sample(f32(3, 5), i32(1), const=(1,)),
            sample(f32(3, 5), i32(0), const=(1,), exclusive=True),
            sample(f32(2, 3, 4), i32(-2), const=(1,), reverse=True),
            sample(f32(7), i32(0), const=(1,), exclusive=True, reverse=True),
            sample(f32(0, 3), i32(1), const=(1,)),
            sample(f32(3, 0), i32(1), const=(1,), exclusive=True),
            sample(np.array([[1, 2, 3]], np.int64), i32(1)),
        ),
        errors=(
            error_sample(ValueError, "axis 2 is out of range", f32(3, 5), i32(2), const=(1,)),
        ),
        doc=f"Running {'sum' if combine == '+' else 'product'} of ``x`` along ``axis``.",
    )


def _cumsum_grad(op: Any, dy: Any) -> tuple[Any, None]:
    exclusive, reverse = op.attrs["exclusive"], op.attrs["reverse"]
    return call.Cumsum(dy, op.axis, exclusive=exclusive, reverse=not reverse), None


def _cumprod_grad(op: Any, dy: Any) -> tuple[Any, None]:
    """sum over k >= j of dy[k] y[k] / x[j], as a running sum from the other end.

    Right where no x is 0; elements that are 0 give NaN, as in TensorFlow.
    """
    exclusive, reverse = op.attrs["exclusive"], op.attrs["reverse"]
    y = call.Cumprod(op.x, op.axis, exclusive=exclusive, reverse=reverse)
    total = call.Cumsum(y * dy, op.axis, exclusive=exclusive, reverse=not reverse)
    return total / op.x, None


_scan("Cumsum", np.cumsum, "+", 0, _cumsum_grad)
_scan("Cumprod", np.cumprod, "*", 1, _cumprod_grad)


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

    Gradient: ``sum over k of dy[k] out[k] / x[j]``; NaN where ``x`` is 0, as in TensorFlow.

    >>> import flowgraph as tf
    >>> with tf.Session() as sess:
    ...     print(sess.run(tf.cumprod([1, 2, 3])))
    [1 2 6]
    """
    return apply_op("Cumprod", x, axis, exclusive=exclusive, reverse=reverse, name=name)
