"""Matrix products: which GEMM kernel, in which order of arguments.

    out[b] = op(x[b]) @ op(y[b])      op: transposed (and conjugated) or not, by attrs

A transposed operand costs nothing: BLAS takes a flag, the small kernel takes strides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from flowgraph.kernel.gemm import BLAS_ROUTINES, SMALL_GEMM_LIMIT, blas_gemm, small_gemm
from flowgraph.lower.custom import custom_lowering
from flowgraph.lower.operands import by_value, pointer
from flowgraph.optimize.frozen import Node, Value
from flowgraph.plan.plan import Operand, Symbol, Word

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering


@custom_lowering("matmul")
def lower_matmul(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """MatMul (transpose_a, transpose_b), BatchMatMul and BatchMatMulV2 (adj_x, adj_y)."""
    attrs = node.attrs
    x, y = inputs
    if attrs.get("transpose_a") or attrs.get("adj_x"):
        x = _transposed(x)
    if attrs.get("transpose_b") or attrs.get("adj_y"):
        y = _transposed(y)
    out = lowering.output(node.outputs[0])
    batch = out.shape[:-2]
    if not batch:
        emit_gemm(lowering, node, x, y, out)
        return
    x, y = (_broadcast(o, batch) for o in (x, y))
    for index in np.ndindex(*batch):
        emit_gemm(lowering, node, _at_index(x, index), _at_index(y, index), _at_index(out, index))


def _transposed(operand: Operand) -> Operand:
    shape, strides = operand.shape, operand.strides
    return operand.with_view(
        0, (*shape[:-2], shape[-1], shape[-2]), (*strides[:-2], strides[-1], strides[-2])
    )


def _broadcast(operand: Operand, batch: tuple[int, ...]) -> Operand:
    own = operand.shape[:-2]
    missing = len(batch) - len(own)
    strides = [0] * missing + [
        0 if size == 1 else stride for size, stride in zip(own, operand.strides, strict=False)
    ]
    return operand.with_view(0, batch + operand.shape[-2:], (*strides, *operand.strides[-2:]))


def _at_index(operand: Operand, index: tuple[int, ...]) -> Operand:
    offset = sum(i * s for i, s in zip(index, operand.strides, strict=False))
    return operand.with_view(offset, operand.shape[-2:], operand.strides[-2:])


def emit_gemm(lowering: Lowering, node: Node, x: Operand, y: Operand, out: Operand) -> None:
    """Append out = x @ y; the operands are matrices as multiplied (transposed already)."""
    (m, k), n = x.shape, y.shape[1]
    dtype = x.dtype.name
    flops = 2 * m * n * k
    if dtype not in BLAS_ROUTINES or m * n * k <= SMALL_GEMM_LIMIT or 0 in (m, n, k):
        words: list[Word] = [n, k]
        for operand in (x, y, out):
            words += [pointer(operand), *operand.strides]
        inputs = _as_given(node, x, y)
        lowering.emit_text(
            small_gemm(dtype), words, node, inputs, {node.outputs[0]: out}, stop=m, flops=flops
        )
        return
    x, *x_words = _blas_form(lowering, node, x)
    y, *y_words = _blas_form(lowering, node, y)
    words = [m, n, k, pointer(x), *x_words, pointer(y), *y_words, pointer(out), max(n, 1)]
    words.append(Symbol(BLAS_ROUTINES[dtype]))
    inputs = _as_given(node, x, y)
    lowering.emit_text(blas_gemm(dtype), words, node, inputs, {node.outputs[0]: out}, flops=flops)


def _as_given(node: Node, x: Operand, y: Operand) -> dict[Value, Operand]:
    """The operands in the orientation of the op's inputs, for the reference."""
    attrs = node.attrs
    if attrs.get("transpose_a") or attrs.get("adj_x"):
        x = _transposed(x)
    if attrs.get("transpose_b") or attrs.get("adj_y"):
        y = _transposed(y)
    return by_value(node.inputs, (x, y))


def _blas_form(lowering: Lowering, node: Node, operand: Operand) -> tuple[Operand, int, int]:
    """The operand (copied if no axis is contiguous), its leading dimension, transposed or not."""
    (rows, cols), (row_stride, col_stride) = operand.shape, operand.strides
    if col_stride == 1 and row_stride >= cols:
        return operand, max(row_stride, 1), 0
    if row_stride == 1 and col_stride >= rows:
        return operand, max(col_stride, 1), 1
    if cols == 1 and row_stride >= 1:
        return operand, row_stride, 0
    copy = lowering.contiguous(operand, node)
    if not copy.is_contiguous() or copy.strides != (cols, 1):
        copy = copy.with_view(0, copy.shape, (cols, 1))
    return copy, max(cols, 1), 0
