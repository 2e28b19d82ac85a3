"""Copies and fills between strided windows, as kernels.

Read next: loops.py.
"""

from __future__ import annotations

from flowgraph.kernel.ir import IN, OUT, Kernel, Stmt
from flowgraph.lower.loops import Access, build_kernel
from flowgraph.plan.plan import Operand, Word


def copy_kernel(
    source: Operand, target: Operand
) -> tuple[Kernel, tuple[int, ...], tuple[Word, ...]]:
    """Kernel, extents and words that set ``target`` to ``source``; both have one shape."""
    assert source.shape == target.shape, (source.shape, target.shape)
    dtype = source.dtype.name
    body = (Stmt("load", (), dtype, 0), Stmt("store", (0,), dtype, 1))
    accesses = (Access(source, source.strides, IN), Access(target, target.strides, OUT))
    return build_kernel(source.shape, (), accesses, body)
