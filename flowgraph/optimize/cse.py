"""Pass ``cse``: equal pure computations are done once.

    %1 = Mul(%0, %0)   %2 = Mul(%0, %0)   %3 = Add(%1, %2)   ==>   %1 = Mul(%0, %0)   %3 = Add(%1,
    %1)

Needs: nothing.  Guarantees: no two pure nodes of one type with equal attrs and inputs.  Random,
write and host nodes are never merged.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from flowgraph.optimize.frozen import PURE, UNWRITTEN, FrozenGraph, Node, Value, rewrite

#: Constants up to this size (bytes) are compared by content.
MAX_CONST_BYTES = 1 << 12


def merge_common(graph: FrozenGraph) -> FrozenGraph:
    """Merge equal pure nodes; see the module docstring."""
    seen: dict[Hashable, Node] = {}

    def visit(node: Node, out: list[Node]) -> tuple[Value, ...] | None:
        if node.effect != PURE or node.opdef is None or not node.outputs:
            return None
        key = _key(node)
        if key is None:
            return None
        first = seen.setdefault(key, node)
        return None if first is node else first.outputs

    return rewrite(graph, visit)


def _key(node: Node) -> Hashable:
    const = node.const
    if const is not None:
        if const.dtype.hasobject or node.attrs.get(UNWRITTEN):
            return None
        if const.size > 1 and not any(const.strides):
            return ("Uniform", const.dtype.str, const.shape, const.flat[0].tobytes())
        if const.nbytes > MAX_CONST_BYTES:
            return None
        return ("Const", const.dtype.str, const.shape, const.tobytes())
    attrs = tuple((name, freeze_attr(value)) for name, value in sorted(node.attrs.items()))
    return (node.type, node.inputs, attrs)


def freeze_attr(value: Any) -> Hashable:
    """A hashable stand-in for an attr value; equal for equal values."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, (list, tuple)):
        return tuple(freeze_attr(v) for v in value)
    if isinstance(value, float):
        return ("float", value.hex())  # NB: 0.0 == -0.0 and 1.0 == True as keys
    try:
        hash(value)
    except TypeError:
        return ("id", id(value))
    return (type(value).__name__, value)
