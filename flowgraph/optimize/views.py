"""How a node meets memory: which inputs it reads, and which Values share a buffer.

A View node's output lies in its input's buffer.  A Loops rule may take inputs that no loop loads
(axes, sizes, the old value of a variable that is assigned blindly).
"""

from __future__ import annotations

from flowgraph.errors import OpError
from flowgraph.graph.opdef import Loops, Procedure, View
from flowgraph.graph.report import op_message
from flowgraph.optimize.frozen import Node, Value
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.shapes import format_dims


def is_view(node: Node) -> bool:
    """True when the node only reads an input with other offset and strides (shapes are known).

    Strings have no buffers to look into: their views are made by the references.
    """
    if node.view is None:
        rule = None if node.opdef is None else node.opdef.kernel
        node.view = False
        if isinstance(rule, View) and not node.inputs[rule.source].dtype.np.hasobject:
            known = all(v.shape is not None and None not in v.shape for v in node.outputs)
            if known:
                shape = node.inputs[rule.source].sizes
                try:
                    layout = rule.layout(node.call(), shape, contiguous_strides(shape))
                except OpError as error:  # the rule knows what is wrong, the node whose it is
                    if error.op is not None or node.op is None:
                        raise
                    text = op_message(f"{node.type}: {error.message}", node.op, shapes=_kinds(node))
                    raise type(error)(None, node.op, text) from None  # type: ignore[call-arg]
                node.view = layout is not None
    return node.view


def _kinds(node: Node) -> list[str]:
    return [f"{v.dtype.name}{format_dims(v.shape)}" for v in node.inputs]


def view_source(node: Node) -> Value:
    """The input that a View node reads."""
    rule = node.opdef.kernel  # type: ignore[union-attr]
    assert isinstance(rule, View)
    return node.inputs[rule.source]


def storage(value: Value) -> Value:
    """The Value whose buffer ``value`` is read from (itself unless made by views)."""
    while is_view(value.node):
        value = view_source(value.node)
    return value


def inputs_read(node: Node) -> tuple[Value, ...]:
    """The inputs whose elements the node looks at."""
    rule = None if node.opdef is None else node.opdef.kernel
    if isinstance(rule, Loops) and rule.reads is not None:
        return tuple(node.inputs[i] for i in rule.reads)
    if isinstance(rule, Procedure) and rule.known:
        return tuple(
            v for i, v in enumerate(node.inputs) if i not in rule.known or v.node.const is None
        )
    return node.inputs
