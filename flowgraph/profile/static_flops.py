"""Flops of single operations from their static shapes, counted as TensorFlow's profiler counts.

    MatMul [4, 8] [8, 16]  ->  1024

These are the figures that ``tf.profiler.profile`` shows before anything runs: op types that the
table lacks count as nothing, also where they compute.  What kernels really do is counted elsewhere
(kernel/ir.py), after fusion and for all types.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from flowgraph.graph.node import Operation


def _size(shape: list[int | None]) -> int:
    if None in shape:
        raise ValueError(shape)
    return math.prod(shape)  # type: ignore[arg-type]


class _Shapes:
    """Sizes of an operation's inputs and outputs."""

    def __init__(self, op: Operation) -> None:
        self.op = op

    def input(self, index: int) -> list[int | None]:
        dims = self.op.inputs[index].dims
        if dims is None:
            raise ValueError(index)
        return list(dims)

    def read(self, index: int = 0) -> int:
        return _size(self.input(index))

    @property
    def out(self) -> int:
        dims = self.op.outputs[0].dims
        if dims is None:
            raise ValueError(dims)
        return _size(list(dims))


Count = Callable[[_Shapes], int]


def _each(flops: int) -> Count:
    return lambda s: flops * s.out


def _reduction(reduce: int, finish: int) -> Count:
    return lambda s: s.read() * reduce + s.out * (finish - reduce)


def _product(s: _Shapes) -> int:
    turned = "transpose_a" if s.op.type == "MatMul" else "adj_x"
    k = s.input(0)[-2 if s.op.get_attr(turned) else -1]
    return 2 * s.out * _size([k])


def _area(s: _Shapes) -> int:
    return math.prod(s.op.get_attr("ksize"))


def _filter(places: int, index: int = 1) -> Callable[[_Shapes], int]:
    return lambda s: _size(s.input(index)[:places])


#: Op type -> flops.
FLOPS: dict[str, Count] = {
    **dict.fromkeys(
        ("Add", "AddV2", "AssignAdd", "AssignSub", "BiasAdd", "Equal", "Greater", "GreaterEqual",
         "Less", "LessEqual", "Log", "Maximum", "Minimum", "Mul", "Neg", "NotEqual", "Pow",
         "RealDiv", "Reciprocal", "Square", "Sub"),
        _each(1),
    ),
    "Rsqrt": _each(2), "SquaredDifference": _each(2), "RsqrtGrad": _each(4), "Softmax": _each(5),
    "Mean": _reduction(1, 1), "Sum": _reduction(1, 0), "ArgMax": _reduction(1, 0),
    "ArgMin": _reduction(1, 0), "BiasAddGrad": _reduction(1, 0), "L2Loss": _reduction(3, 2),
    "AddN": lambda s: s.out * (len(s.op.inputs) - 1),
    "MatMul": _product, "BatchMatMul": _product, "BatchMatMulV2": _product,
    "Conv2D": lambda s: 2 * s.out * _filter(3)(s),
    "Conv3D": lambda s: 2 * s.out * _filter(4)(s),
    "Conv2DBackpropInput": lambda s: 2 * s.read(2) * _filter(3)(s),
    "Conv2DBackpropFilter": lambda s: 2 * s.read(2) * _size(
        list(s.op.outputs[0].dims or (None,))[:3]
    ),
    "DepthwiseConv2dNative": lambda s: 2 * s.out * _filter(2)(s),
    "Dilation2D": lambda s: 2 * s.out * _filter(2)(s),
    "MaxPool": lambda s: _area(s) * s.out, "AvgPool": lambda s: _area(s) * s.out,
    "MaxPoolGrad": lambda s: _area(s) * s.read(1) + s.read(2),
    "AvgPoolGrad": lambda s: 2 * _area(s) * s.read(1),
}  # fmt: skip


def static_flops(op: Operation) -> int:
    """Flops of an operation; 0 for other types and where a size is open."""
    count = FLOPS.get(op.type)
    if count is None:
        return 0
    try:
        return count(_Shapes(op))
    except ValueError:
        return 0
