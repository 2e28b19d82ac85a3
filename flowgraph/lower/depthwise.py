"""Depthwise convolutions and their gradients: operands channels last, one instruction.

Read next: kernel/depthwise.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowgraph.kernel.depthwise import depthwise
from flowgraph.lower.convolution import is_native, placed, seen_first, seen_last
from flowgraph.lower.custom import custom_lowering
from flowgraph.lower.operands import by_value, pointer
from flowgraph.ops.convolution_rules import Geometry, geometry
from flowgraph.ops.depthwise import spread
from flowgraph.optimize.frozen import Node
from flowgraph.plan.plan import ARENA, Operand, Pointer, Word

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering


@custom_lowering("depthwise_forward")
def lower_forward(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """DepthwiseConv2dNative(input, filter)."""
    x, w = inputs
    if not is_native(x, w.shape, node.outputs[0].sizes):
        lowering.lower_host(node)
        return
    g = geometry(spread, node.attrs, x.shape, w.shape)
    image = lowering.contiguous(seen_last(x, g), node)
    w = lowering.contiguous(w, node)
    y, finish = placed(lowering, node, g)
    given = (seen_first(image, g), w)
    _emit(
        lowering, node, "forward", g, (image, w, y), given, seen_first(y, g), g.batch * g.counts[0]
    )
    finish()


@custom_lowering("depthwise_input")
def lower_input(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """DepthwiseConv2dNativeBackpropInput(input_sizes, filter, out_backprop)."""
    sizes, w, dy = inputs
    x_shape = node.outputs[0].sizes
    if not is_native(dy, w.shape, x_shape):
        lowering.lower_host(node)
        return
    g = geometry(spread, node.attrs, x_shape, w.shape)
    slopes = lowering.contiguous(seen_last(dy, g), node)
    w = lowering.contiguous(w, node)
    dx, finish = placed(lowering, node, g)
    given = (sizes, w, seen_first(slopes, g))
    _emit(
        lowering, node, "input", g, (dx, w, slopes), given, seen_first(dx, g), g.batch * g.sizes[0]
    )
    finish()


@custom_lowering("depthwise_filter")
def lower_filter(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """DepthwiseConv2dNativeBackpropFilter(input, filter_sizes, out_backprop)."""
    x, sizes, dy = inputs
    w_shape = node.outputs[0].sizes
    if not is_native(x, w_shape, dy.shape):
        lowering.lower_host(node)
        return
    g = geometry(spread, node.attrs, x.shape, w_shape)
    image = lowering.contiguous(seen_last(x, g), node)
    slopes = lowering.contiguous(seen_last(dy, g), node)
    dw = lowering.output(node.outputs[0])
    given = (seen_first(image, g), sizes, seen_first(slopes, g))
    _emit(lowering, node, "filter", g, (image, dw, slopes), given, dw, 1)


def _emit(
    lowering: Lowering,
    node: Node,
    kind: str,
    g: Geometry,
    operands: tuple[Operand, Operand, Operand],
    given: Sequence[Operand],
    made: Operand,
    stop: int,
) -> None:
    taps = [window.taps or 0 for window in g.windows]
    itemsize = made.dtype.np.itemsize
    slot = lowering.new_slot(ARENA, math.prod(taps) * g.depth * itemsize)
    words: list[Word] = [*(pointer(operand) for operand in operands), Pointer(slot)]
    words += [g.batch, g.channels, g.depth // g.channels, *g.sizes, *g.counts, *taps]
    words += [window.stride for window in g.windows]
    words += [window.dilation for window in g.windows]
    words += [window.frame(size)[0] for window, size in zip(g.windows, g.sizes, strict=True)]
    lowering.emit_text(
        depthwise(kind, made.dtype.name),
        words,
        node,
        by_value(node.inputs, given),
        {node.outputs[0]: made},
        stop=stop,
        flops=g.flops,
        scratch=(slot,),
    )
