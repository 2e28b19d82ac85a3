"""Pass ``fold``: what is known before running becomes a Const; IdentityN is seen through.

    %0 = Shape(x)  with x float32[?, 3] known as float32[8, 3]   ==>   %0 = Const {value: [8, 3]}

Needs: nothing.  Guarantees: no pure node has only constant inputs, unless its result is large or
its reference refuses (that error belongs to the run).

Read next: specialize.py, which folds again once sizes are known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowgraph.graph.opdef import OPDEFS
from flowgraph.optimize.frozen import (
    PURE,
    UNWRITTEN,
    FrozenGraph,
    Node,
    Value,
    constant,
    rewrite,
)

#: A folded result may take this much more memory than the constants it came from (bytes).
MAX_GROWTH_BYTES = 1 << 16

#: Ops whose result depends on the input's static shape alone.
_SHAPE_OPS = ("Shape", "ShapeN", "Size", "Rank")

#: Ops that repeat one number: type -> that number, or the input that holds it.
_FILLS = {"ZerosLike": 0, "OnesLike": 1, "EmptyStack": 0, "Fill": "value", "BroadcastTo": "x"}

_KEPT = ("Const", "Placeholder")


def fold(graph: FrozenGraph) -> FrozenGraph:
    """Replace nodes whose value is known; see the module docstring."""

    def visit(node: Node, out: list[Node]) -> Sequence[Value] | None:
        if node.type == "IdentityN":
            return node.inputs
        values = known_outputs(node)
        if values is not None:
            out.extend(v.node for v in values)
        return values

    return rewrite(graph, visit)


def known_outputs(node: Node) -> list[Value] | None:
    """Const Values equal to the node's outputs, or None when they are not known."""
    if node.opdef is None or node.type in _KEPT or node.effect != PURE or not node.outputs:
        return None
    if node.type in _FILLS:
        return _filled(node)
    if node.type == "StackCapacity":  # a known count needs no rounding
        return None if node.inputs[0].node.const is None else list(node.inputs)
    if node.inputs and node.inputs[-1].node.const is None and node.type not in _SHAPE_OPS:
        return None  # the usual case, told cheaply
    if node.type in _SHAPE_OPS:
        if any(v.shape is None or None in v.shape for v in node.inputs):
            return None
        # Only shapes are looked at: stand-ins that take no memory will do.
        arrays = [np.broadcast_to(np.zeros((), v.dtype.np), v.sizes) for v in node.inputs]
    else:
        arrays = []
        for value in node.inputs:
            array = value.node.const
            if array is None:
                return None
            arrays.append(array)
        # NB: a repeated number has strides 0 and takes the memory of one.
        budget = MAX_GROWTH_BYTES + sum(a.nbytes if any(a.strides) else a.itemsize for a in arrays)
        for value in node.outputs:
            if value.shape is not None and None not in value.shape:
                budget -= value.size * value.dtype.np.itemsize
        if budget < 0:
            return None
    try:
        with np.errstate(all="ignore"):
            results = node.opdef.reference(node.call(), *arrays)
    except Exception:  # noqa: BLE001 - whatever is wrong is reported when the op runs
        return None
    if len(node.outputs) == 1 and not isinstance(results, (tuple, list)):
        results = (results,)
    return [
        constant(
            np.asarray(result, dtype=value.dtype.np, order="C"),
            value.dtype,
            node.name,
            OPDEFS["Const"],
        )
        for result, value in zip(results, node.outputs, strict=True)
    ]


def _filled(node: Node) -> list[Value] | None:
    """One number repeated over a known shape: a constant that takes the memory of the number."""
    (value,) = node.outputs
    if value.shape is None or None in value.shape or value.dtype.np.hasobject:
        return None
    what = _FILLS[node.type]
    if isinstance(what, int):
        number = np.array(what, value.dtype.np)
    else:
        const = node.inputs[1 if what == "value" else 0].node.const
        if const is None or const.size != 1:
            return None
        number = const.reshape(())
    array = np.broadcast_to(number, value.sizes)
    result = constant(array, value.dtype, node.name, OPDEFS["Const"])
    if node.attrs.get("unwritten"):
        result.node.attrs[UNWRITTEN] = True
    return [result]
