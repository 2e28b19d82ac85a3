"""Matrix products: which GEMM kernel, in which order of arguments, over how many batches.

    out[b] = op(x[b]) @ op(y[b])      op: transposed (and conjugated) or not, by attrs

A transposed operand costs nothing: BLAS takes a flag, the small kernel takes strides.  Batches are
one instruction.  Where one operand is the same for all indices of a batch axis and the strides of
the others allow it, that axis becomes more rows (or columns) of one product:

    (8, 32, 64) @ (64, 10)  ==>  (256, 64) @ (64, 10)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowgraph.graph.opdef import Custom
from flowgraph.kernel.gemm import (
    BLAS_ROUTINES,
    COMPLEX_ROUTINES,
    SMALL_GEMM_LIMIT,
    blas_gemm,
    blas_gemm_batch,
    complex_gemm_batch,
    is_worth_packing,
    pack_right,
    packed_count,
    packed_gemm,
    small_gemm,
    small_gemm_batch,
)
from flowgraph.lower.custom import custom_lowering
from flowgraph.lower.operands import anonymous, by_value, pointer
from flowgraph.optimize.frozen import Node, Value
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.plan.plan import ARENA, Instr, Operand, Pointer, Symbol, Word

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering


@dataclass(slots=True)
class _Axis:
    """An axis of the product: its size, and its stride in x, y and out (0 where they lack it)."""

    size: int
    x: int
    y: int
    out: int


@dataclass(slots=True)
class _Product:
    """out[batch, row, col] = sum over inner of x[batch, row, inner] * y[batch, inner, col]."""

    x: Operand
    y: Operand
    out: Operand
    row: _Axis
    col: _Axis
    inner: _Axis
    batch: list[_Axis]  # outermost first
    conjugate_x: bool = False
    conjugate_y: bool = False

    @property
    def multiplications(self) -> int:
        """Of one index of the batch."""
        return self.row.size * self.col.size * self.inner.size

    def transposed(self) -> _Product:
        """The same product as out^T = y^T @ x^T."""

        def swap(axis: _Axis) -> _Axis:
            return _Axis(axis.size, axis.y, axis.x, axis.out)

        batch = [swap(axis) for axis in self.batch]
        row, col, inner = swap(self.col), swap(self.row), swap(self.inner)
        conjugate = self.conjugate_y, self.conjugate_x
        return _Product(self.y, self.x, self.out, row, col, inner, batch, *conjugate)

    @property
    def layout_of_x(self) -> tuple[int, int] | None:
        row, inner = self.row, self.inner
        return _layout(row.size, inner.size, row.x, inner.x, self.conjugate_x)

    @property
    def layout_of_y(self) -> tuple[int, int] | None:
        inner, col = self.inner, self.col
        return _layout(inner.size, col.size, inner.y, col.y, self.conjugate_y)


@custom_lowering("matmul")
def lower_matmul(lowering: Lowering, node: Node, inputs: list[Operand]) -> None:
    """MatMul (transpose_a, transpose_b), BatchMatMul and BatchMatMulV2 (adj_x, adj_y)."""
    swaps = _swaps(node)
    x, y = inputs
    conjugate = "adj_x" in node.attrs and x.dtype.is_complex
    out = lowering.output(node.outputs[0])
    product = _product(x, y, out, swaps, conjugate)
    if _lower_packed(lowering, node, product, y):
        return
    dtype = x.dtype.name
    blas = dtype in COMPLEX_ROUTINES or (
        dtype in BLAS_ROUTINES and product.multiplications > SMALL_GEMM_LIMIT
    )
    if blas and (product.layout_of_x is None or product.layout_of_y is None):
        x = x if product.layout_of_x else _copied(lowering, x, node)
        y = y if product.layout_of_y else _copied(lowering, y, node)
        product = _product(x, y, out, swaps, conjugate)
    count = math.prod(axis.size for axis in product.batch)
    words, stop = _blas_words(product) if blas else _small_words(product), count
    if dtype in COMPLEX_ROUTINES:
        kernel = complex_gemm_batch(dtype, product.conjugate_x, product.conjugate_y)
    elif product.batch:
        kernel = (blas_gemm_batch if blas else small_gemm_batch)(dtype)
    else:
        kernel = (blas_gemm if blas else small_gemm)(dtype)
        stop = 1 if blas else product.row.size
    if product.batch or dtype in COMPLEX_ROUTINES:
        words.append(len(product.batch))
        for axis in reversed(product.batch):
            words += [axis.size, axis.x, axis.y, axis.out]
    lowering.emit_text(
        kernel,
        words,
        node,
        by_value(node.inputs, (x, y)),
        {node.outputs[0]: out},
        stop=stop,
        flops=(8 if x.dtype.is_complex else 2) * count * product.multiplications,
    )


def pack_constants(lowering: Lowering, nodes: Iterable[Node], outside: dict[Value, Value]) -> None:
    """Lay out the right matrices of products in a loop that is about to begin.

    Args:
        lowering: of what surrounds the loop.
        nodes: of its body.
        outside: Value of the body -> the Value around the loop that it always is.
    """
    for node in nodes:
        right = node.inputs[1] if _is_matmul(node) else None
        if right not in outside or len(right.sizes) != 2 or len(node.inputs[0].sizes) != 2:
            continue
        (m, n), dtype = node.outputs[0].sizes, right.dtype.name
        left_turned, turned = _swaps(node)
        k = right.sizes[1 if turned else 0]
        y = lowering.operand(outside[right])
        key = _packed_key(y, turned)
        if left_turned or key in lowering.packed or not is_worth_packing(dtype, m, n, k):
            continue
        slot = lowering.new_slot(ARENA, packed_count(n, k) * y.dtype.np.itemsize)
        row, col = reversed(y.strides) if turned else y.strides
        words: list[Word] = [n, k, pointer(y), row, col, Pointer(slot)]
        lowering.emit(
            Instr(
                pack_right(dtype), tuple(words), 1, (node,), {outside[right]: y}, {},
                bytes_moved=2 * slot.nbytes, scratch=(slot,), packs=True,
            )
        )  # fmt: skip
        lowering.packed[key] = slot


def _is_matmul(node: Node) -> bool:
    rule = None if node.opdef is None else node.opdef.kernel
    return isinstance(rule, Custom) and rule.name == "matmul"


def _packed_key(y: Operand, turned: bool) -> tuple[Any, ...]:
    return y.slot, y.offset, y.strides, turned


def _lower_packed(lowering: Lowering, node: Node, product: _Product, y: Operand) -> bool:
    """Use the right matrix as pack_constants has laid it out, if it has."""
    slot = lowering.packed.get(_packed_key(y, _swaps(node)[1]))
    row, col, inner = product.row, product.col, product.inner
    fits = product.y is y and inner.x == 1 and col.out == 1 and not product.batch
    sizes = row.size, col.size, inner.size
    if slot is None or not fits or not is_worth_packing(y.dtype.name, *sizes):
        return False
    packed = Operand(slot, y.dtype, (slot.nbytes // y.dtype.np.itemsize,), (1,))
    words: list[Word] = [*sizes, pointer(product.x), pointer(packed)]
    lowering.emit_text(
        packed_gemm(y.dtype.name, row.x),
        [*words, pointer(product.out), row.out],
        node,
        {**by_value(node.inputs, (product.x, y)), **anonymous(packed)},
        {node.outputs[0]: product.out},
        flops=2 * product.multiplications,
    )
    return True


def _swaps(node: Node) -> tuple[bool, bool]:
    """Whether each matrix is transposed."""
    attrs = node.attrs
    return (
        bool(attrs.get("transpose_a") or attrs.get("adj_x")),
        bool(attrs.get("transpose_b") or attrs.get("adj_y")),
    )


def _product(
    x: Operand, y: Operand, out: Operand, swaps: tuple[bool, bool], conjugate: bool
) -> _Product:
    """The axes of the product, as few batch axes as strides allow; out has columns of stride 1."""
    (x_row, x_inner), (y_inner, y_col) = x.strides[-2:], y.strides[-2:]
    inner = x.shape[-1]
    if swaps[0]:
        x_row, x_inner, inner = x_inner, x_row, x.shape[-2]
    if swaps[1]:
        y_inner, y_col = y_col, y_inner
    (m, n), (out_row, out_col) = out.shape[-2:], out.strides[-2:]
    product = _Product(
        x,
        y,
        out,
        _Axis(m, x_row, 0, out_row),
        _Axis(n, 0, y_col, out_col),
        _Axis(inner, x_inner, y_inner, 0),
        _batch_axes(x, y, out),
        conjugate and swaps[0],
        conjugate and swaps[1],
    )
    _into_matrix(product)
    rows_are_columns = product.col.size > 1 and product.col.out != 1
    return product.transposed() if rows_are_columns else product


def _batch_axes(x: Operand, y: Operand, out: Operand) -> list[_Axis]:
    """The batch axes; neighbours that all three operands can walk as one are one."""
    rank = len(out.shape) - 2
    strides = (_broadcast_strides(x, rank), _broadcast_strides(y, rank), out.strides[:rank])
    axes: list[_Axis] = []
    for size, *own in zip(out.shape[:rank], *strides, strict=True):
        axis = _Axis(size, *own)
        if size == 1:
            continue
        if axes and _continues(axes[-1], axis):
            axis.size *= axes.pop().size
        axes.append(axis)
    return axes


def _broadcast_strides(operand: Operand, rank: int) -> list[int]:
    """Strides of its batch axes, 0 for those it lacks or has with size 1."""
    shape, strides = operand.shape[:-2], operand.strides[:-2]
    own = [0 if size == 1 else stride for size, stride in zip(shape, strides, strict=True)]
    return [0] * (rank - len(own)) + own


def _into_matrix(product: _Product) -> None:
    """Turn inner batch axes that one operand lacks into rows or columns of one product."""
    while product.batch:
        axis = product.batch[-1]
        if axis.y == 0 and _continues(axis, product.row):
            target = product.row
        elif axis.x == 0 and _continues(axis, product.col):
            target = product.col
        else:
            return
        if target.size == 1:
            target.x, target.y, target.out = axis.x, axis.y, axis.out
        target.size *= axis.size
        product.batch.pop()


def _continues(outer: _Axis, inner: _Axis) -> bool:
    """True when both can be walked as one axis."""
    pairs = ((outer.x, inner.x), (outer.y, inner.y), (outer.out, inner.out))
    return inner.size == 1 or all(a == inner.size * b for a, b in pairs)


def _small_words(product: _Product) -> list[Word]:
    row, col, inner = product.row, product.col, product.inner
    return [
        row.size, col.size, inner.size,
        pointer(product.x), row.x, inner.x,
        pointer(product.y), inner.y, col.y,
        pointer(product.out), row.out, col.out,
    ]  # fmt: skip


def _blas_words(product: _Product) -> list[Word]:
    row, col, inner = product.row, product.col, product.inner
    x, y = product.layout_of_x, product.layout_of_y
    assert x is not None and y is not None
    leading = max(row.out if row.size > 1 else col.size, 1)
    return [
        row.size, col.size, inner.size,
        pointer(product.x), *x, pointer(product.y), *y, pointer(product.out), leading,
        Symbol((BLAS_ROUTINES | COMPLEX_ROUTINES)[product.x.dtype.name]),
    ]  # fmt: skip


def _layout(rows: int, cols: int, row: int, col: int, conjugate: bool) -> tuple[int, int] | None:
    """Leading dimension and whether stored transposed, of a matrix with these strides.

    None when BLAS cannot read it.  NB: BLAS conjugates only what it transposes.
    """
    if 0 in (rows, cols):
        return max(cols, 1), 0  # nothing is read
    if (col == 1 or cols == 1) and (row >= cols or rows == 1) and not conjugate:
        return max(row if rows > 1 else cols, 1), 0
    if (row == 1 or rows == 1) and (col >= rows or cols == 1):
        return max(col if cols > 1 else rows, 1), 1
    return None


def _copied(lowering: Lowering, operand: Operand, node: Node) -> Operand:
    """A row-major copy, also of an operand whose repeated elements count as row-major."""
    slot = lowering.new_slot(ARENA, operand.size * operand.dtype.np.itemsize)
    strides = contiguous_strides(operand.shape)
    copy = Operand(slot, operand.dtype, operand.shape, strides)
    lowering.copy(operand, copy, node)
    return copy
