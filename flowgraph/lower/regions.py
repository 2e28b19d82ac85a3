"""Loops Region -> one kernel instruction.

The members' kernel rules write one body together: what a member makes and another uses stays a
Scalar; what comes from outside is a load; what is needed outside is a store.

    Region: %2 = Mul(x, w)  %3 = Sum(%2, axis 1)      b0 = x [s,1], b1 = w [0,1], b2 = out [1,0]
        ==>   %0 = load b0   %1 = load b1   %2 = mul %0, %1   %3 = reduce_sum %2   store b2, %3

Read next: loops.py (axes, strides, block words).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flowgraph.dtypes import float16
from flowgraph.graph.opdef import Loops
from flowgraph.kernel.builder import Scalar
from flowgraph.kernel.complex_scalar import ComplexBody, ComplexScalar
from flowgraph.kernel.ir import IN, INOUT, OUT
from flowgraph.lower.loops import Access, build_kernel
from flowgraph.lower.operands import as_parts
from flowgraph.optimize.frozen import Node, Value
from flowgraph.optimize.fuse import Region, is_row_output
from flowgraph.optimize.views import inputs_read
from flowgraph.plan.plan import Instr, Operand, Slot

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering


class _RegionBody(ComplexBody):
    """A ComplexBody whose ``index`` counts along the axes of the member being written."""

    def __init__(self) -> None:
        super().__init__()
        self.axes: tuple[int, ...] = ()

    def index(self, axis: int) -> Scalar:
        return super().index(self.axes[axis])


class RegionLowering:
    """Lowers one region; see the module docstring."""

    def __init__(self, lowering: Lowering, region: Region) -> None:
        self.lowering, self.region = lowering, region
        self.body = _RegionBody()
        self.accesses: list[Access] = []
        self.access_number: dict[tuple, int] = {}
        self.scalars: dict[Value, Scalar | ComplexScalar] = {}
        self.inputs: dict[Value, Operand] = {}
        self.outputs: dict[Value, Operand] = {}

    def run(self) -> None:
        for node in self.region.nodes:
            self.add(node)
        stores = []
        for node in self.region.nodes:
            for value in node.outputs:
                if value in self.lowering.needed:
                    stores.append(value)
        for value in stores:
            self.store(value)
        self.emit()

    def add(self, node: Node) -> None:
        """Write one member's statements."""
        rule = node.opdef.kernel  # type: ignore[union-attr]
        assert isinstance(rule, Loops)
        call = node.call()
        # The member's own domain axes, as axes of the region's domain.
        is_row = node in self.region.rows and not rule.reduced
        self.body.axes = self.member_axes(node, is_row)
        maps = rule.operands(call) if rule.operands else None
        arguments = []
        for position, value in enumerate(inputs_read(node)):
            known = self.scalars.get(value)
            if known is None:
                axes = maps[position] if maps is not None else None
                known = self.load(value, axes)
            arguments.append(known)
        results = rule.body(self.body, call, *arguments)
        if isinstance(results, (Scalar, ComplexScalar)):
            results = (results,)
        for value, scalar in zip(node.outputs, results, strict=True):
            if value.dtype is float16:
                scalar = self.rounded(scalar)
            else:
                assert scalar.dtype == value.dtype.name, (
                    f"{node!r}: kernel makes {scalar.dtype}, the op {value.dtype.name}"
                )
            self.scalars[value] = scalar

    def rounded(self, scalar: Scalar) -> Scalar:
        """A result of dtype float16, as members reckon with it: a float32 that float16 can hold.

        So every member rounds once, as a kernel of its own would.
        """
        assert scalar.dtype in ("float16", "float32"), scalar.dtype
        return self.body.cast(self.body.cast(scalar, "float16"), "float32")

    def member_axes(self, node: Node, is_row: bool) -> tuple[int, ...]:
        region = self.region
        every = tuple(range(len(region.domain)))
        if not is_row:
            return every
        rank = max((len(v.shape) for v in node.outputs), default=0)  # type: ignore[arg-type]
        return every if rank == len(region.domain) else region.kept

    def load(self, value: Value, axes: tuple[int, ...] | None) -> Scalar | ComplexScalar:
        """The element of ``value`` at the current point."""
        operand = self.lowering.operand(value)
        member_axes = self.body.axes
        if axes is None:  # aligned from the right
            axes = tuple(range(len(member_axes) - len(operand.shape), len(member_axes)))
        strides = [0] * len(self.region.domain)
        for axis, extent, stride in zip(axes, operand.shape, operand.strides, strict=True):
            if extent != 1:
                strides[member_axes[axis]] = stride
        self.inputs[value] = operand
        loads = [
            self.body.load(self.access(part, walk, IN), part.dtype.name)
            for part, walk in _parts(operand, strides)
        ]
        if operand.dtype is float16:
            return self.body.cast(loads[0], "float32")
        return ComplexScalar(*loads) if len(loads) == 2 else loads[0]

    def access(self, operand: Operand, strides: tuple[int, ...], mode: str) -> int:
        key = (operand.slot, operand.offset, operand.dtype, strides, mode)
        number = self.access_number.get(key)
        if number is None:
            number = self.access_number[key] = len(self.accesses)
            self.accesses.append(Access(operand, strides, mode))
        return number

    def store(self, value: Value) -> None:
        region = self.region
        operand = self.lowering.output(value)
        row = value.node in region.rows and is_row_output(value, region)
        strides = [0] * len(region.domain)
        if not row or len(operand.shape) == len(region.domain):
            own_axes = tuple(range(len(region.domain)))
        else:
            own_axes = region.kept
        for axis, extent, stride in zip(own_axes, operand.shape, operand.strides, strict=True):
            if extent != 1 and not (row and axis in region.reduced):
                strides[axis] = stride
        self.outputs[value] = operand
        scalar = self.scalars[value]
        made = [scalar] if isinstance(scalar, Scalar) else [scalar.real, scalar.imag]
        for (part, walk), one in zip(_parts(operand, strides), made, strict=True):
            if part.dtype is float16:
                one = self.body.cast(one, "float16")
            self.body.store(self.access(part, walk, OUT), one)

    def emit(self) -> None:
        region = self.region
        accesses, body = _joined_in_out(self.accesses, self.body.body)
        kernel, extents, words = build_kernel(region.domain, region.reduced, accesses, body)
        used = {w.slot for w in words if hasattr(w, "slot")}
        inputs = {v: o for v, o in self.inputs.items() if o.slot in used}
        self.lowering.emit(
            Instr(
                kernel,
                words,
                extents[0],
                tuple(region.nodes),
                inputs,
                self.outputs,
                extents,
                reuse=() if region.reduced or region.refuses() else self.reusable(),
                flops=kernel.flops(extents),
                bytes_moved=kernel.bytes_moved(extents),
            )
        )

    def reusable(self) -> tuple[tuple[Slot, Slot], ...]:
        """Output and input slots that every point reads and writes at one place."""
        pairs = []
        outs = [a for a in self.accesses if a.mode == OUT and a.operand.offset == 0]
        for access in self.accesses:
            slot = access.operand.slot
            if access.mode != IN or access.operand.offset or self.used_twice(slot):
                continue
            for out in outs:
                if (
                    out.strides == access.strides
                    and out.operand.slot.nbytes == slot.nbytes
                    and out.operand.dtype.np.itemsize == access.operand.dtype.np.itemsize
                ):
                    pairs.append((out.operand.slot, slot))
        return tuple(pairs)

    def used_twice(self, slot: Slot) -> bool:
        return sum(a.operand.slot is slot for a in self.accesses) > 1


def _parts(operand: Operand, strides: Sequence[int]) -> list[tuple[Operand, tuple[int, ...]]]:
    """What is accessed, with its strides: the operand, or its real and its imaginary parts."""
    if not operand.dtype.is_complex:
        return [(operand, tuple(strides))]
    real = as_parts(operand)
    imag = real.with_view(1, real.shape, real.strides)
    walk = tuple(2 * stride for stride in strides)
    return [(real, walk), (imag, walk)]


def _joined_in_out(accesses: list[Access], body: list) -> tuple[list[Access], list]:
    """A variable read and written at the same places is one inout buffer."""
    first: dict[tuple, int] = {}
    joined = list(accesses)
    replaced: dict[int, int] = {}
    for number, access in enumerate(accesses):
        operand = access.operand
        if operand.slot.kind != "variable":
            continue
        key = (operand.slot, operand.offset, operand.dtype, access.strides)
        other = first.setdefault(key, number)
        if other != number and {joined[other].mode, access.mode} == {IN, OUT}:
            joined[other] = Access(operand, access.strides, INOUT)
            replaced[number] = other
    if not replaced:
        return joined, body
    body = [
        replace(s, imm=replaced[s.imm]) if s.op in ("load", "store") and s.imm in replaced else s
        for s in body
    ]
    return joined, body


def lower_region(lowering: Lowering, region: Region) -> None:
    """Append the instruction of a loops region."""
    RegionLowering(lowering, region).run()
