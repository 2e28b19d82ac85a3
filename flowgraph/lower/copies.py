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
    """Kernel, extents and words that set ``target`` to ``source``, cast to its dtype; both have one
    shape.
    """
    assert source.shape == target.shape, (source.shape, target.shape)
    given, wanted = source.dtype.name, target.dtype.name
    body = [Stmt("load", (), given, 0)]
    if wanted != given:
        body.append(Stmt("cast", (0,), wanted))
    body.append(Stmt("store", (len(body) - 1,), wanted, 1))
    accesses = (Access(source, source.strides, IN), Access(target, target.strides, OUT))
    return build_kernel(source.shape, (), accesses, body)
