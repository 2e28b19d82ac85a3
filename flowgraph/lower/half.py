"""Kernels of float16: loops reckon in float32 (regions.py), all others get float32 copies.

    MatMul(a: float16, b: float16) -> float16
      ==>  a32 = copy a    b32 = copy b    y32 = MatMul(a32, b32)    y = copy y32

So an operation rounds once, at its end, and whatever it adds up it adds in float32.  What only
moves elements (``moves`` of Custom and Procedure) moves them as they are.

Read next: copies.py, procedures.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.dtypes import DType, float16, float32
from flowgraph.graph.opdef import OPDEFS
from flowgraph.optimize.frozen import Node, Value, constant

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering


def holds_half(node: Node) -> bool:
    """True when the node reads or makes float16."""
    return any(v.dtype is float16 for v in (*node.inputs, *node.outputs))


def lower_widened(lowering: Lowering, node: Node) -> None:
    """Lower ``node`` as the same operation on float32 copies of its float16 inputs."""
    wide_inputs = {v: _widened(lowering, v, node) for v in node.inputs if v.dtype is float16}
    inputs = [wide_inputs.get(v, v) for v in node.inputs]
    attrs = {name: _wide(value) for name, value in node.attrs.items()}
    wide = Node(node.type, node.opdef, attrs, inputs, node.name, node.op, node.after)
    wide.outputs = tuple(Value(wide, v.index, _wide(v.dtype), v.shape) for v in node.outputs)
    lowering.lower_custom(wide)
    for made, value in zip(wide.outputs, node.outputs, strict=True):
        lowering.copy(lowering.operand(made), lowering.output(value), node)


def _wide(attr: Any) -> Any:
    if isinstance(attr, DType):
        return float32 if attr.base_dtype is float16 else attr
    if isinstance(attr, (list, tuple)) and any(isinstance(one, DType) for one in attr):
        return type(attr)(_wide(one) for one in attr)
    return attr


def _widened(lowering: Lowering, value: Value, node: Node) -> Value:
    """``value`` as float32."""
    const = value.node.const
    if const is not None:
        return constant(const.astype(np.float32), float32, value.node.name, OPDEFS["Const"])
    cast = Node("Cast", OPDEFS["Cast"], {"DstT": float32}, (value,), value.node.name, node.op)
    cast.outputs = (Value(cast, 0, float32, value.shape),)
    (result,) = cast.outputs
    lowering.copy(lowering.operand(value), lowering.output(result), node)
    return result
