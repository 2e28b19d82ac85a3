"""Convolutions: which parts of which operands are multiplied, in which layout.

    Conv2D(x, w)                  one part per group of channels
    Conv2DBackpropInput(dy, w)    parts per residue of a coordinate (stride), the filter transposed
    Conv2DBackpropFilter(x, dy)   one part per group

Channels must be neighbours: images with channels first are brought to channels last, and back.
A filter of one tap that moves by one is a matrix product.

Read next: kernel/conv.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flowgraph.kernel.conv import Axis, Part, Program, filter_product, product
from flowgraph.lower.custom import custom_lowering
from flowgraph.lower.operands import by_value, pointer
from flowgraph.ops.convolution import convolved
from flowgraph.ops.convolution_rules import Geometry, geometry
from flowgraph.ops.windows import Window
from flowgraph.optimize.frozen import Node
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.plan.plan import ARENA, Operand, Pointer, Word

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering

_NATIVE = ("float32", "float64")


@custom_lowering("conv_forward")
def lower_forward(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Conv2D(input, filter), Conv3D."""
    x, w = inputs
    out_shape = node.outputs[0].sizes
    if not is_native(x, w.shape, out_shape):
        lowering.lower_host(node)
        return
    g = geometry(convolved, node.attrs, x.shape, w.shape)
    image = _channels_last(lowering, node, x, g)
    w = lowering.contiguous(w, node)
    y, finish = placed(lowering, node, g)
    axes = [
        Axis(
            count=count,
            size=size,
            stride=stride,
            out=out,
            taps=window.taps or 0,
            first=-window.frame(size)[0],
            step=window.dilation,
            scale=window.stride,
            pitch=pitch,
        )
        for count, size, stride, out, window, pitch in zip(
            g.counts, g.sizes, image.strides[1:-1], y.strides[1:-1], g.windows, w.strides,
            strict=False,
        )
    ]  # fmt: skip
    parts = [
        Part(
            x=k * (g.channels // g.groups),
            w=k * (g.depth // g.groups),
            y=k * (g.depth // g.groups),
            columns=g.depth // g.groups,
            channels=g.channels // g.groups,
            batch=g.batch,
            x_image=image.strides[0],
            y_image=y.strides[0],
            w_channel=g.depth,
            w_column=1,
            axes=_three(axes),
        )
        for k in range(g.groups)
    ]
    program = product(x.dtype.name, x.dtype.np.itemsize, parts)
    _emit(
        lowering,
        node,
        program,
        len(parts),
        g,
        (image, w, y),
        (seen_first(image, g), w),
        seen_first(y, g),
    )
    finish()


@custom_lowering("conv_input")
def lower_input(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Conv2DBackpropInput(input_sizes, filter, out_backprop), Conv3DBackpropInputV2."""
    sizes, w, dy = inputs
    x_shape = node.outputs[0].sizes
    if not is_native(dy, w.shape, x_shape):
        lowering.lower_host(node)
        return
    g = geometry(convolved, node.attrs, x_shape, w.shape)
    image = _channels_last(lowering, node, dy, g)
    w = lowering.contiguous(w, node)
    dx, finish = placed(lowering, node, g)
    choices = [
        _residues(window, size, count, image.strides[1 + a], dx.strides[1 + a], w.strides[a])
        for a, (window, size, count) in enumerate(zip(g.windows, g.sizes, g.counts, strict=True))
    ]
    parts = []
    taken, made = g.channels // g.groups, g.depth // g.groups
    for k in range(g.groups):
        for chosen in _every(choices):
            parts.append(
                Part(
                    x=k * made,
                    w=k * made + sum(w_first for _, w_first, _ in chosen),
                    y=k * taken + sum(out_first for _, _, out_first in chosen),
                    columns=taken,
                    channels=made,
                    batch=g.batch,
                    x_image=image.strides[0],
                    y_image=dx.strides[0],
                    w_channel=1,
                    w_column=g.depth,
                    axes=_three([axis for axis, _, _ in chosen]),
                )
            )
    program = product(dy.dtype.name, dy.dtype.np.itemsize, parts)
    given = (sizes, w, seen_first(image, g))
    _emit(lowering, node, program, len(parts), g, (image, w, dx), given, seen_first(dx, g))
    finish()


@custom_lowering("conv_filter")
def lower_filter(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Conv2DBackpropFilter(input, filter_sizes, out_backprop), Conv3DBackpropFilterV2."""
    x, sizes, dy = inputs
    w_shape = node.outputs[0].sizes
    if not is_native(x, w_shape, dy.shape):
        lowering.lower_host(node)
        return
    g = geometry(convolved, node.attrs, x.shape, w_shape)
    image = _channels_last(lowering, node, x, g)
    slopes = _channels_last(lowering, node, dy, g)
    slopes = evenly(lowering.contiguous(slopes, node))
    dw = lowering.output(node.outputs[0])
    axes = [
        Axis(
            count=count,
            size=size,
            stride=stride,
            out=out,
            taps=window.taps or 0,
            first=-window.frame(size)[0],
            step=window.dilation,
            scale=window.stride,
            pitch=0,
        )
        for count, size, stride, out, window in zip(
            g.counts, g.sizes, image.strides[1:-1], slopes.strides[1:-1], g.windows, strict=True
        )
    ]
    taken, made = g.channels // g.groups, g.depth // g.groups
    parts = [
        Part(
            x=k * taken,
            w=k * made,
            y=k * made,
            columns=made,
            channels=taken,
            batch=g.batch,
            x_image=image.strides[0],
            y_image=slopes.strides[0],
            w_channel=g.depth,
            w_column=1,
            axes=_three(axes),
        )
        for k in range(g.groups)
    ]
    program = filter_product(x.dtype.name, x.dtype.np.itemsize, parts)
    given = (seen_first(image, g), sizes, seen_first(slopes, g))
    _emit(lowering, node, program, len(parts), g, (image, slopes, dw), given, dw)


# ---------------------------------------------------------------------------------------- layouts


def is_native(operand: Operand, *shapes: Sequence[int]) -> bool:
    """True where there is something to multiply, in a dtype that kernels have."""
    empty = any(math.prod(shape) == 0 for shape in (operand.shape, *shapes))
    return operand.dtype.name in _NATIVE and not empty


def seen_last(operand: Operand, g: Geometry) -> Operand:
    """The operand seen with its channels behind."""
    order = [0, *g.spatial, g.channel]
    shape = [operand.shape[a] for a in order]
    return operand.with_view(0, shape, [operand.strides[a] for a in order])


def seen_first(operand: Operand, g: Geometry) -> Operand:
    """The operand, channels last, seen in the op's data_format."""
    order = [0] * len(operand.shape)
    for place, axis in enumerate((0, *g.spatial, g.channel)):
        order[axis] = place
    shape = [operand.shape[a] for a in order]
    return operand.with_view(0, shape, [operand.strides[a] for a in order])


def _channels_last(lowering: Lowering, node: Node, operand: Operand, g: Geometry) -> Operand:
    """The operand with neighbouring channels as its last axis; a copy where it must be."""
    image = seen_last(operand, g)
    neighbours = image.strides[-1] == 1 or image.shape[-1] == 1
    return image if neighbours else lowering.contiguous(image, node)


def evenly(operand: Operand) -> Operand:
    """A contiguous operand with the strides of its shape also along axes of one element."""
    return operand.with_view(0, operand.shape, contiguous_strides(operand.shape))


def placed(lowering: Lowering, node: Node, g: Geometry) -> tuple[Operand, Callable[[], None]]:
    """Memory for the output, channels last, and what brings it to its place afterwards."""
    out = lowering.output(node.outputs[0])
    image = seen_last(out, g)
    if image.is_contiguous():
        return evenly(image), lambda: None
    strides = contiguous_strides(image.shape)
    slot = lowering.new_slot(ARENA, out.size * out.dtype.np.itemsize)
    made = Operand(slot, out.dtype, image.shape, strides)
    return made, lambda: lowering.copy(made, image, node)


def _three(axes: Sequence[Axis]) -> tuple[Axis, Axis, Axis]:
    """Three spatial axes, those missing of one element."""
    # an axis of one element may have any stride: this one keeps pixels evenly spaced
    one = Axis(1, 1, 0, axes[0].out * axes[0].count, 1, 0, 1, 1, 0)
    d, h, w = [one] * (3 - len(axes)) + list(axes)
    return d, h, w


def _residues(
    window: Window, size: int, count: int, stride: int, out: int, pitch: int
) -> list[tuple[Axis, int, int]]:
    """Per residue of the input's coordinate: its Axis, its first tap's place, its first output's.

    ``stride`` of dy, ``out`` of dx, ``pitch`` of the filter.
    """
    before, step = window.frame(size)[0], window.stride
    found = []
    for residue in range(min(step, size)):
        taps = [
            r
            for r in reversed(range(window.taps or 0))
            if (residue + before - r * window.dilation) % step == 0
        ]
        places = [(residue + before - r * window.dilation) // step for r in taps]
        axis = Axis(
            count=-(-(size - residue) // step),
            size=count,
            stride=stride,
            out=out * step,
            taps=len(taps),
            first=places[0] if taps else 0,
            step=places[1] - places[0] if len(taps) > 1 else 1,
            scale=1,
            pitch=(taps[1] - taps[0]) * pitch if len(taps) > 1 else 0,
        )
        found.append((axis, taps[0] * pitch if taps else 0, residue * out))
    return found


def _every(choices: Sequence[list[tuple[Axis, int, int]]]) -> list[list[tuple[Axis, int, int]]]:
    """One choice for each axis, in every combination."""
    result: list[list[tuple[Axis, int, int]]] = [[]]
    for own in choices:
        result = [[*chosen, one] for chosen in result for one in own]
    return result


def _emit(
    lowering: Lowering,
    node: Node,
    program: Program,
    parts: int,
    g: Geometry,
    operands: tuple[Operand, Operand, Operand],
    given: Sequence[Operand],
    made: Operand,
) -> None:
    """Append the instruction; ``given`` are the op's inputs as its reference wants them."""
    itemsize = made.dtype.np.itemsize
    scratch = [lowering.new_slot(ARENA, max(1, count) * itemsize) for count in program.scratch]
    words: list[Word] = [pointer(operand) for operand in operands]
    words += [Pointer(slot) for slot in scratch]
    words += program.words
    lowering.emit_text(
        program.kernel,
        words,
        node,
        by_value(node.inputs, given),
        {node.outputs[0]: made},
        stop=parts,
        flops=g.flops,
        scratch=tuple(scratch),
    )
