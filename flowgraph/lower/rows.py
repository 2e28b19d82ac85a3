"""Gather and scatter: rows of a table chosen by index, as TextKernels.

    block  [outer, axis_size, row, indices, table, rows]     row: elements of one row

Every index is checked before anything is written, so a variable is as it was when one is out of
range.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from flowgraph.kernel.ir import TextKernel
from flowgraph.lower.custom import custom_lowering
from flowgraph.lower.operands import by_value, pointer
from flowgraph.optimize.frozen import Node, Value
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.plan.plan import Operand, Word

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering

_HEAD = """\
def kernel(block, start, stop):
    outer = slot(block, 0)
    axis_size = slot(block, 1)
    row = slot(block, 2)
    indices = {index}_pointer(slot(block, 3))
    table = {dtype}_pointer(slot(block, 4))
    rows = {dtype}_pointer(slot(block, 5))
    for i in range(start, stop):
        k = int64(load(indices, i))
        if {skip}k >= axis_size:
            return 2
"""

_GATHER = (
    _HEAD
    + """\
    for o in range(outer):
        for i in range(start, stop):
            k = int64(load(indices, i))
            source = (o * axis_size + k) * row
            target = (o * stop + i) * row
            for e in independent(row):
                store(rows, target + e, load(table, source + e))
    return 0
"""
)

_SCATTER = (
    _HEAD
    + """\
    for i in range(start, stop):
        k = int64(load(indices, i))
        if k >= 0:
            target = k * row
            source = i * row
            for e in independent(row):
                x = load(table, target + e)
                y = load(rows, source + e)
                store(table, target + e, {combine})
    return 0
"""
)

_COMBINE = {
    "ScatterAdd": "x + y",
    "ScatterSub": "x - y",
    "ScatterUpdate": "y",
}


#: block  [row, depth, indices, table, rows, sizes..., strides...]     depth: indices per row
_BY_TUPLE = """\
def kernel(block, start, stop):
    row = slot(block, 0)
    depth = slot(block, 1)
    indices = {index}_pointer(slot(block, 2))
    table = {dtype}_pointer(slot(block, 3))
    rows = {dtype}_pointer(slot(block, 4))
    for i in range(start, stop):
        for d in range(depth):
            k = int64(load(indices, i * depth + d))
            if k < 0 or k >= slot(block, 5 + d):
                return 2
    for i in range(start, stop):
        place = int64(0)
        for d in range(depth):
            place += int64(load(indices, i * depth + d)) * slot(block, 5 + depth + d)
        here = i * row
        for e in independent(row):
            {move}
    return 0
"""

_MOVES = {
    "GatherNd": "store(rows, here + e, load(table, place + e))",
    "ScatterNd": "store(table, place + e, load(table, place + e) + load(rows, here + e))",
}


@cache
def tuple_kernel(op: str, dtype: str, index: str) -> TextKernel:
    """GatherNd: rows[i] = table[indices[i, 0], ...];  ScatterNd: table[...] += rows[i]."""
    source = _BY_TUPLE.format(dtype=dtype, index=index, move=_MOVES[op])
    return TextKernel(f"{op}_{dtype}_{index}", source)


@cache
def gather_kernel(dtype: str, index: str) -> TextKernel:
    """rows[o, i] = table[o, indices[i]]."""
    source = _GATHER.format(dtype=dtype, index=index, skip="k < 0 or ")
    return TextKernel(f"gather_{dtype}_{index}", source)


@cache
def scatter_kernel(op: str, dtype: str, index: str) -> TextKernel:
    """table[indices[i]] = combine(that, rows[i]), in order."""
    source = _SCATTER.format(dtype=dtype, index=index, skip="k < 0 or ", combine=_COMBINE[op])
    return TextKernel(f"{op}_{dtype}_{index}", source)


@custom_lowering("gather")
def lower_gather(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """Gather(params, indices), GatherV2(params, indices, axis)."""
    place = node.inputs[2].node.const if len(inputs) > 2 else np.zeros((), np.int32)
    if place is None or int(node.attrs.get("batch_dims", 0)):
        lowering.lower_host(node)  # an axis that only the run knows, or tables by the batch
        return
    params, indices = (lowering.contiguous(o, node) for o in inputs[:2])
    axis = int(place) % len(params.shape)
    out = lowering.output(node.outputs[0])
    outer = int(np.prod(params.shape[:axis], dtype=np.int64))
    row = int(np.prod(params.shape[axis + 1 :], dtype=np.int64))
    words: list[Word] = [
        outer,
        params.shape[axis],
        row,
        pointer(indices),
        pointer(params),
        pointer(out),
    ]
    kernel = gather_kernel(params.dtype.name, indices.dtype.name)
    values = by_value(node.inputs[:2], (params, indices))
    lowering.emit_text(
        kernel,
        words,
        node,
        values,
        {node.outputs[0]: out},
        stop=indices.size,
        bytes_moved=2 * out.size * out.dtype.np.itemsize,
    )


@custom_lowering("scatter")
def lower_scatter(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """ScatterAdd, ScatterSub, ScatterUpdate(ref, indices, updates): in the variable's buffer."""
    ref, indices = inputs[0], lowering.contiguous(inputs[1], node)
    updates = _as_rows(lowering, node, inputs[2], indices.shape + ref.shape[1:])
    out = lowering.output(node.outputs[0])
    if out.slot is not ref.slot:
        lowering.copy(ref, out, node)
    _emit_scatter(lowering, node, out, indices, updates)


@custom_lowering("gather_nd")
def lower_gather_nd(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """GatherNd(params, indices): rows chosen by index tuples."""
    params, indices = (lowering.contiguous(o, node) for o in inputs)
    out = lowering.output(node.outputs[0])
    values = by_value(node.inputs, (params, indices))
    _emit_by_tuple(lowering, node, params, indices, out, values, out)


@custom_lowering("scatter_nd")
def lower_scatter_nd(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """ScatterNd(indices, updates, shape): zeros, then add rows at index tuples."""
    indices, updates = (lowering.contiguous(o, node) for o in inputs[:2])
    out = lowering.output(node.outputs[0])
    lowering.fill(out, 0, node)
    values = by_value(node.inputs[:2], (indices, updates))
    _emit_by_tuple(lowering, node, out, indices, updates, values, out)


def _emit_by_tuple(
    lowering: Lowering,
    node: Node,
    table: Operand,
    indices: Operand,
    rows: Operand,
    values: dict[Value, Operand],
    out: Operand,
) -> None:
    depth = indices.shape[-1]
    row = math.prod(table.shape[depth:])
    strides = contiguous_strides(table.shape)[:depth]
    words: list[Word] = [row, depth, pointer(indices), pointer(table), pointer(rows)]
    words += [*table.shape[:depth], *strides]
    lowering.emit_text(
        tuple_kernel(node.type, table.dtype.name, indices.dtype.name),
        words,
        node,
        values,
        {node.outputs[0]: out},
        stop=math.prod(indices.shape[:-1]),
        bytes_moved=2 * rows.size * rows.dtype.np.itemsize,
    )


def _emit_scatter(
    lowering: Lowering, node: Node, table: Operand, indices: Operand, rows: Operand
) -> None:
    row = int(np.prod(table.shape[1:], dtype=np.int64))
    words: list[Word] = [1, table.shape[0], row, pointer(indices), pointer(table), pointer(rows)]
    kernel = scatter_kernel(node.type, table.dtype.name, indices.dtype.name)
    values = by_value(node.inputs, (table, indices, rows))
    lowering.emit_text(
        kernel,
        words,
        node,
        values,
        {node.outputs[0]: table},
        stop=indices.size,
        flops=rows.size,
        bytes_moved=3 * rows.size * rows.dtype.np.itemsize,
    )


def _as_rows(lowering: Lowering, node: Node, updates: Operand, shape: tuple[int, ...]) -> Operand:
    """``updates`` as one contiguous row per index (a scalar update goes to every element)."""
    if updates.shape != shape:
        padded = (0,) * (len(shape) - len(updates.strides)) + updates.strides
        updates = updates.with_view(0, shape, padded)
    return lowering.contiguous(updates, node)
