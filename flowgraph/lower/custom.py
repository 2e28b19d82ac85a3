"""Lowering rules of ops that are no loop nest over their inputs, by the name in ``Custom(name)``.

    concat      one copy per part, each into its window of the output
    matmul      a GEMM call

A rule gets the Lowering, the node and its input operands, makes the outputs with
``lowering.output`` and appends instructions.  What cannot be done natively (a dtype without
kernels) falls back to the host.

Read next: gemm.py (matmul), procedures.py (gathers, scatters, sorts), lowering.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flowgraph.errors import STATUS_ASSERTION_FAILED
from flowgraph.graph.opdef import Loops
from flowgraph.kernel.ir import TextKernel
from flowgraph.lower.operands import by_value, pointer
from flowgraph.ops.slicing import written_window
from flowgraph.optimize.frozen import FrozenGraph, Node, Value
from flowgraph.optimize.fuse import runs_on_host
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.plan.plan import Operand

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering

CustomRule = Callable[["Lowering", Node, list[Operand]], None]

#: name -> rule.
CUSTOM_LOWERINGS: dict[str, CustomRule] = {}


def custom_lowering(name: str) -> Callable[[CustomRule], CustomRule]:
    """Register the rule that ``Custom(name)`` refers to."""

    def register(rule: CustomRule) -> CustomRule:
        CUSTOM_LOWERINGS[name] = rule
        return rule

    return register


def window(operand: Operand, axis: int, start: int, size: int) -> Operand:
    """``operand[..., start:start+size, ...]`` along ``axis``."""
    shape = list(operand.shape)
    shape[axis] = size
    return operand.with_view(start * operand.strides[axis], shape, operand.strides)


def static_value(node: Node, position: int) -> list[int] | None:
    """The elements of input ``position``; None where only the run knows them.

    Specialisation makes them constant where the shape of the result depends on them, but that may
    be known without: ``tf.reverse(x, axes)``, the gradient of ``tf.slice(x, begin, [1])``.
    """
    array = node.inputs[position].node.const
    return None if array is None else [int(n) for n in array.reshape(-1)]


@custom_lowering("concat")
def lower_concat(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """ConcatV2(*values, axis)."""
    if static_value(node, len(inputs) - 1) is None:
        lowering.lower_host(node)
        return
    _join(lowering, node, inputs[:-1])


@custom_lowering("pack")
def lower_pack(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Pack(*values): a new axis, one index per value."""
    _join(lowering, node, inputs)


def _join(lowering: Lowering, node: Node, parts: Sequence[Operand]) -> None:
    """Copy the parts into their windows, unless they were made there."""
    value = node.outputs[0]
    out = lowering.operands.get(value) or lowering.output(value)
    for position, part in enumerate(parts):
        place = part_of(node, position, out)
        if part != place:
            lowering.copy(part, place, node)


def part_of(node: Node, position: int, out: Operand) -> Operand:
    """The window of ConcatV2's or Pack's result that input ``position`` fills."""
    if node.type == "Pack":
        axis = int(node.attrs["axis"]) % len(out.shape)
        place = window(out, axis, position, 1)
        shape, strides = list(place.shape), list(place.strides)
        del shape[axis], strides[axis]
        return place.with_view(0, shape, strides)
    axes = static_value(node, len(node.inputs) - 1)
    assert axes is not None
    axis = axes[0] % len(out.shape)
    start = sum(v.sizes[axis] for v in node.inputs[:position])
    return window(out, axis, start, node.inputs[position].sizes[axis])


def joined_values(graph: FrozenGraph) -> dict[Value, tuple[Node, int]]:
    """Values of loop nests that are parts of one ConcatV2 or Pack: they are made in their window.

    Value -> (the node, its position there).
    """
    found: dict[Value, tuple[Node, int]] = {}
    for node in graph.nodes:
        opdef = node.opdef
        if opdef is None or node.type not in ("ConcatV2", "Pack") or runs_on_host(opdef, node):
            continue
        if node.type == "ConcatV2" and node.inputs[-1].node.const is None:
            continue
        for position, value in enumerate(node.inputs):
            made, rule = value.node, value.node.opdef
            if rule is None or not isinstance(rule.kernel, Loops) or made.writes:
                continue
            if not runs_on_host(rule, made):
                found.setdefault(value, (node, position))
    return found


@custom_lowering("tile")
def lower_tile(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Tile(x, multiples): each axis split into (copy, element); copies read with stride 0."""
    source, multiples = inputs[0], static_value(node, 1)
    if multiples is None:
        lowering.lower_host(node)
        return
    out = lowering.output(node.outputs[0])
    shape: list[int] = []
    read: list[int] = []
    for size, stride, count in zip(source.shape, source.strides, multiples, strict=True):
        shape += [count, size]
        read += [0, stride]
    lowering.copy(
        source.with_view(0, shape, read), out.with_view(0, shape, contiguous_strides(shape)), node
    )


@custom_lowering("pad")
def lower_pad(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Pad(x, paddings), PadV2(x, paddings, constant): fill, then copy x into the middle."""
    source, paddings = inputs[0], static_value(node, 1)
    if paddings is None:
        lowering.lower_host(node)
        return
    out = lowering.output(node.outputs[0])
    if len(inputs) > 2:
        filler = inputs[2]
        lowering.copy(filler.with_view(0, out.shape, (0,) * len(out.shape)), out, node)
    else:
        lowering.fill(out, 0, node)
    middle = out
    for axis, size in enumerate(source.shape):
        middle = window(middle, axis, paddings[2 * axis], size)
    lowering.copy(source, middle, node)


@custom_lowering("reverse")
def lower_reverse(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """ReverseV2(x, axes): read backwards."""
    source, axes = inputs[0], static_value(node, 1)
    if axes is None:
        lowering.lower_host(node)
        return
    out = lowering.output(node.outputs[0])
    if source.size:
        strides = list(source.strides)
        offset = 0
        for axis in axes:
            offset += (source.shape[axis] - 1) * strides[axis]
            strides[axis] = -strides[axis]
        source = source.with_view(offset, source.shape, strides)
    lowering.copy(source, out, node)


@custom_lowering("strided_slice_grad")
def lower_strided_slice_grad(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """StridedSliceGrad(shape, begin, end, strides, dy): fill, then copy dy into the slice."""
    place = written_window(node.call())
    if place is None:
        lowering.lower_host(node)
        return
    out = lowering.output(node.outputs[0])
    lowering.fill(out, 0, node)
    lowering.copy(inputs[4], out.with_view(*place), node)


@custom_lowering("strided_slice_assign")
def lower_strided_slice_assign(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """StridedSliceAssign(ref, begin, end, strides, value): copy value into the slice."""
    place = written_window(node.call())
    if place is None:
        lowering.lower_host(node)
        return
    before, value = inputs[0], inputs[4]
    out = lowering.output(node.outputs[0])
    if out.slot is not before.slot:
        lowering.copy(before, out, node)
    target = out.with_view(*place)
    if not value.shape:
        value = value.with_view(0, target.shape, (0,) * len(target.shape))
    lowering.copy(value, target, node)


#: NB: the reference says what the data were.
_ASSERT = TextKernel(
    "assert",
    f"""def kernel(block, start, stop):
    condition = bool_pointer(slot(block, 0))
    if not load(condition, 0):
        return {STATUS_ASSERTION_FAILED}
    return 0
""",
)


@custom_lowering("assert")
def lower_assert(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Assert(condition, *data): data only wait in memory, for the message."""
    given = by_value(node.inputs, inputs)
    lowering.emit_text(_ASSERT, [pointer(inputs[0])], node, given, {}, bytes_moved=1)


@custom_lowering("host")
def lower_on_host(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Run the reference as a host instruction."""
    lowering.lower_host(node)
