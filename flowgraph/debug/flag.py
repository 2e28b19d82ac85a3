"""A graph that also says whether its results are finite: one more fetch, 0 or NaN.

    fetch loss;  writes w            fetch loss, flag;  writes w
                              ==>    flag = sum(loss * 0) + sum(w' * 0) + ...

``x * 0`` is 0 for every finite x and NaN for inf and NaN.  The products and sums are ordinary
nodes, so they are fused into the kernels that make the values (an optimizer's update, most often)
and cost next to nothing.

What is looked at is what leaves the run: fetched values and the variables it leaves behind.  An inf
that reaches none of them (a mask, exp of a large number under a division) does no harm.

Read next: guard.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import DType, float32, float64, int32
from flowgraph.graph.opdef import HOST, OPDEFS
from flowgraph.optimize.frozen import RESIZES, VARIABLE, FrozenGraph, Node, Value, constant
from flowgraph.shapes import Dims

#: Names of the nodes made here.
PREFIX = "check_numerics/"


def checked_values(graph: FrozenGraph, *, fetches: bool = True) -> list[tuple[str, Value]]:
    """(name of the variable or "", value) of what leaves the run and may be non-finite."""
    last: dict[str, Value] = {}
    for node in graph.nodes:
        last.update(zip(node.writes, node.outputs, strict=False))
    found = [(name, value) for name, value in last.items() if _is_smooth(value)]
    if fetches:
        found += [("", value) for value in dict.fromkeys(graph.fetches) if _is_smooth(value)]
    # NB: what changes a variable's size runs in Python, and its result is no memory of kernels.
    return [(name, value) for name, value in found if not value.node.attrs.get(RESIZES)]


def is_first_values(graph: FrozenGraph) -> bool:
    """True for a run that only gives variables first values: it keeps its way of running."""
    if graph.feeds or graph.fetches:
        return False
    for node in graph.nodes:
        if node.effect == HOST or (node.writes and node.type != "Assign"):
            return False
        reads = node.inputs[1:] if node.type == "Assign" else node.inputs
        if any(value.node.type == VARIABLE for value in reads):
            return False
    return True


def with_flag(graph: FrozenGraph, *, fetches: bool = True) -> FrozenGraph:
    """``graph`` with one more fetch, the last: a float32 that is 0, or NaN.

    fetches: look at fetched values too.
    """
    maker = _Maker(graph)
    flags = [maker.flag(value) for _, value in checked_values(graph, fetches=fetches)]
    total = maker.const(np.float32(0), float32)
    for flag in flags:
        total = maker.make("AddV2", (total, flag), float32, (), T=float32)
    return FrozenGraph([*graph.nodes, *maker.nodes], graph.feeds, [*graph.fetches, total])


class _Maker:
    def __init__(self, graph: FrozenGraph) -> None:
        self.nodes: list[Node] = []
        self._consts: dict[tuple[DType, bytes], Value] = {}

    def make(
        self, type: str, inputs: tuple[Value, ...], dtype: DType, dims: Dims, **attrs: Any
    ) -> Value:
        """A new node's only output."""
        node = Node(type, OPDEFS[type], attrs, inputs, PREFIX + type)
        node.outputs = (Value(node, 0, dtype, dims),)
        self.nodes.append(node)
        return node.outputs[0]

    def const(self, value: Any, dtype: DType) -> Value:
        """A constant, made once."""
        array = np.asarray(value, dtype.np)
        key = (dtype, array.tobytes())
        if key not in self._consts:
            made = constant(array, dtype, PREFIX + "Const", OPDEFS["Const"])
            self._consts[key] = made
            self.nodes.append(made.node)
        return self._consts[key]

    def flag(self, value: Value) -> Value:
        """float32 [] that is 0 when all elements are finite, else NaN."""
        dtype = value.dtype
        zeros = self.make("Mul", (value, self.const(0, dtype)), dtype, value.shape, T=dtype)
        if value.shape is None:
            flat = self.const([-1], int32)
            zeros = self.make("Reshape", (zeros, flat), dtype, (None,), T=dtype, Tshape=int32)
        if zeros.shape:
            axes = self.const(np.arange(len(zeros.shape)), int32)
            attrs = {"T": dtype, "Tidx": int32, "keep_dims": False}
            zeros = self.make("Sum", (zeros, axes), dtype, (), **attrs)
        if dtype.is_complex:
            real = float32 if dtype.np.itemsize == 8 else float64
            zeros = self.make("ComplexAbs", (zeros,), real, (), T=dtype, Tout=real)
        if zeros.dtype is not float32:
            attrs = {"SrcT": zeros.dtype, "DstT": float32, "Truncate": False}
            zeros = self.make("Cast", (zeros,), float32, (), **attrs)
        return zeros


def _is_smooth(value: Value) -> bool:
    return value.dtype.np.kind in "fc"
