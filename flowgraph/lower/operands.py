"""Operands of instructions: how they are named and addressed."""

from __future__ import annotations

from collections.abc import Sequence

from flowgraph.optimize.frozen import Value
from flowgraph.plan.plan import Operand, Pointer


def by_value(values: Sequence[Value], operands: Sequence[Operand]) -> dict[Value, Operand]:
    """Inputs of an instruction; a Value that is read from two places keeps both alive."""
    found: dict[Value, Operand] = {}
    for value, operand in zip(values, operands, strict=True):
        if found.setdefault(value, operand).slot is not operand.slot:
            found.update(anonymous(operand))
    return found


def anonymous(operand: Operand) -> dict[Value, Operand]:
    """An operand that is no Value of the graph (a scratch copy, a counter), by a fresh key."""
    return {Value(None, 0, operand.dtype, operand.shape): operand}  # type: ignore[arg-type]


def pointer(operand: Operand) -> Pointer:
    """The block word that addresses an operand's first element."""
    return Pointer(operand.slot, operand.offset * operand.dtype.np.itemsize)


def as_parts(operand: Operand) -> Operand:
    """A complex operand as floats, real and imaginary parts along a new last axis."""
    dtype = operand.dtype.real_dtype
    strides = (*(2 * stride for stride in operand.strides), 1)
    return Operand(operand.slot, dtype, (*operand.shape, 2), strides, 2 * operand.offset)
