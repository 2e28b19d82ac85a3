"""Regions -> instructions over operands: the state shared by all lowering rules.

One Lowering turns one specialised FrozenGraph into a Plan.  It owns the slots, knows the Operand of
every Value (views are resolved here: they cost no instruction), and collects instructions.

    Region(Mul, Sum)   ->   regions.py   ->  Instr(Kernel, words)
    MatMul             ->   custom.py    ->  Instr(TextKernel, words)
    PyFunc             ->   here         ->  host Instr

Read next: regions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import int64
from flowgraph.graph.opdef import RANDOM, Procedure, View
from flowgraph.kernel.ir import TextKernel
from flowgraph.lower import convolution, depthwise, gemm  # noqa: F401  they register lowering rules
from flowgraph.lower.copies import copy_kernel
from flowgraph.lower.custom import CUSTOM_LOWERINGS, joined_values, part_of
from flowgraph.lower.flow import lower_flow
from flowgraph.lower.half import holds_half, lower_widened
from flowgraph.lower.moving import lower_moving_row, lower_stored, row_of_stack
from flowgraph.lower.operands import anonymous, as_parts
from flowgraph.lower.procedures import lower_procedure
from flowgraph.lower.regions import lower_region
from flowgraph.optimize.frozen import (
    FEED,
    RESIZES,
    VARIABLE,
    FrozenGraph,
    Node,
    Value,
    uniform_bits,
)
from flowgraph.optimize.fuse import CUSTOM, FLOW, LOOPS, Region, external_outputs
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.optimize.views import inputs_read, is_view
from flowgraph.plan.memory import DIRECT_NBYTES
from flowgraph.plan.plan import (
    ARENA,
    CONST,
    COUNTER,
    OBJECT,
    Instr,
    Operand,
    Plan,
    Slot,
    Word,
)
from flowgraph.plan.plan import FEED as FEED_SLOT
from flowgraph.plan.plan import VARIABLE as VARIABLE_SLOT

#: Host operations whose results are new arrays, or parts of some that stay as they are.
KEEPS_RESULTS = frozenset(
    {"IteratorGetNext", "QueueDequeueV2", "QueueDequeueManyV2", "QueueDequeueUpToV2"}
)


class Lowering:
    """See the module docstring."""

    def __init__(self, graph: FrozenGraph, regions: list[Region]) -> None:
        self.graph = graph
        self.regions = regions
        self.slots: list[Slot] = []
        self.instrs: list[Instr] = []
        self.operands: dict[Value, Operand] = {}
        self.variables: dict[str, Operand] = {}
        self.counters: dict[str, Slot] = {}
        self.outer: Lowering | None = None
        self.written_out: dict[tuple[Slot, tuple[int, ...]], Operand] = {}
        #: Matrices that a loop multiplies by, as gemm.py has laid them out.
        self.packed: dict[tuple[Any, ...], Slot] = {}
        #: Values that are made in their rows of stacks, by moving.py.
        self.stored: dict[Value, Node] = {}
        #: Values that are made in their window of a larger one, by custom.py.
        self.joined = joined_values(graph)
        self.needed = external_outputs(regions, graph)

    def inside(self, graph: FrozenGraph, regions: list[Region]) -> Lowering:
        """The Lowering of a body: its instructions follow in this plan."""
        inner = Lowering(graph, regions)
        inner.slots, inner.instrs, inner.counters = self.slots, self.instrs, self.counters
        inner.packed = self.packed
        inner.outer = self
        return inner

    def lower_regions(self) -> None:
        """Append the instructions of every region."""
        for region in self.regions:
            if region.kind == LOOPS:
                lower_region(self, region)
            elif region.kind == CUSTOM:
                self.lower_custom(region.nodes[0])
            elif region.kind == FLOW:
                lower_flow(self, region.nodes[0])
            else:
                self.lower_host(region.nodes[0])

    def run(self) -> Plan:
        """The Plan, its arena offsets not yet assigned."""
        feeds: list[Operand] = []
        for value in self.graph.feeds:
            kind = FEED_SLOT if not value.dtype.np.hasobject else OBJECT
            self.operands[value] = operand = self.new_operand(value, kind, value.node.name)
            feeds.append(operand)
        self.lower_regions()
        fetches = [self.operand(v) for v in self.graph.fetches]
        reads = variables_read(self.graph)
        writes = tuple(dict.fromkeys(w for n in self.graph.nodes for w in n.writes))
        ops = {n.attrs["variable"]: n.op for n in self.graph.nodes if n.type == VARIABLE}
        return Plan(self.slots, self.instrs, feeds, fetches, reads, writes, self.variables, ops)

    # ------------------------------------------------------------------------------ slots

    def new_slot(
        self, kind: str, nbytes: int, name: str = "", array: np.ndarray | None = None
    ) -> Slot:
        """A new buffer of the plan."""
        slot = Slot(len(self.slots), kind, nbytes, name, array)
        self.slots.append(slot)
        return slot

    def new_operand(self, value: Value, kind: str = ARENA, name: str = "") -> Operand:
        """A contiguous operand in a slot of its own."""
        nbytes = 0 if kind == OBJECT else value.size * value.dtype.np.itemsize
        slot = self.new_slot(kind, nbytes, name)
        return Operand(slot, value.dtype, value.sizes, contiguous_strides(value.sizes))

    def variable(self, name: str, like: Value) -> Operand:
        """The session's buffer of a variable with ``like``'s dtype and shape."""
        operand = self.variables.get(name)
        if operand is None and self.outer is not None:
            return self.outer.variable(name, like)
        if operand is None:
            operand = self.variables[name] = self.new_operand(like, VARIABLE_SLOT, name)
        return operand

    def counter(self, node: Node) -> Operand:
        """The stream position of a random op, kept by the session: int64[1]."""
        slot = self.counters.get(node.name)
        if slot is None:
            slot = self.counters[node.name] = self.new_slot(COUNTER, 8, node.name)
        return Operand(slot, int64, (1,), (1,))

    # --------------------------------------------------------------------------- operands

    def operand(self, value: Value) -> Operand:
        """Where ``value`` lies; makes constants, variables and views on first use."""
        found = self.operands.get(value)
        if found is None:
            found = self.operands[value] = self._make_operand(value)
        return found

    def _make_operand(self, value: Value) -> Operand:
        node = value.node
        if node.type == "Const":
            return self._constant_operand(value, node.attrs["value"])
        if node.type == VARIABLE:
            return self.variable(node.attrs["variable"], value)
        assert is_view(node), f"{node!r} is used before it is lowered"
        assert node.type != FEED
        rule = node.opdef.kernel  # type: ignore[union-attr]
        assert isinstance(rule, View)
        source = self.operand(node.inputs[rule.source])
        layout = rule.layout(node.call(), source.shape, source.strides)
        if layout is None:
            source = self.contiguous(source, node)
            layout = rule.layout(node.call(), source.shape, source.strides)
        assert layout is not None, f"{node!r} has no layout"
        view = source.with_view(*(layout[value.index] if rule.split else layout))
        assert view.shape == value.shape, f"{node!r}: layout {view.shape} for {value.shape}"
        return view

    def _constant_operand(self, value: Value, array: np.ndarray) -> Operand:
        if array.dtype.hasobject:
            slot = self.new_slot(OBJECT, 0, value.node.name, array)
            return Operand(slot, value.dtype, array.shape, contiguous_strides(array.shape))
        strides = contiguous_strides(array.shape)
        if array.size > 1 and uniform_bits(array):
            # One number stands for all: nothing to stream, and no copy of the constant to keep.
            strides = (0,) * array.ndim
            array = np.asarray(array.flat[0], array.dtype).reshape(1)
        slot = self.new_slot(CONST, array.nbytes, value.node.name, np.ascontiguousarray(array))
        return Operand(slot, value.dtype, value.sizes, strides)

    def output(self, value: Value) -> Operand:
        """Memory for a Value that an instruction is about to make: contiguous, unless a loop nest
        makes it as a part of a larger one.

        New versions of a variable go straight into its buffer.
        """
        node = value.node
        if value in self.stored:
            return row_of_stack(self, value, self.stored[value])
        if value in self.joined:
            whole, position = self.joined[value]
            made = whole.outputs[0]
            out = self.operands.get(made) or self.output(made)
            operand = self.operands[value] = part_of(whole, position, out)
            return operand
        if value.index < len(node.writes) and not node.attrs.get(RESIZES):
            operand = self.variable(node.writes[value.index], value)
        else:
            operand = self.new_operand(value)
        self.operands[value] = operand
        return operand

    # ------------------------------------------------------------------------ instructions

    def emit(self, instr: Instr) -> None:
        """Append an instruction."""
        self.instrs.append(instr)

    def emit_text(
        self,
        kernel: TextKernel,
        words: Sequence[Word],
        node: Node,
        inputs: dict[Value, Operand],
        outputs: dict[Value, Operand],
        *,
        stop: int = 1,
        flops: int = 0,
        bytes_moved: int | None = None,
        scratch: tuple[Slot, ...] = (),
    ) -> None:
        """Append an instruction that runs a TextKernel; every operand counts once by default."""
        if bytes_moved is None:
            operands = (*inputs.values(), *outputs.values())
            bytes_moved = sum(o.size * o.dtype.np.itemsize for o in operands)
        self.emit(
            Instr(
                kernel,
                tuple(words),
                stop,
                (node,),
                inputs,
                outputs,
                flops=flops,
                bytes_moved=bytes_moved,
                scratch=scratch,
            )
        )

    def copy(self, source: Operand, target: Operand, node: Node) -> None:
        """Append a copy between operands of one shape; the source may repeat (strides 0), and is
        cast to the target's dtype.
        """
        if source.dtype.is_complex:
            source, target = as_parts(source), as_parts(target)
        kernel, extents, words = copy_kernel(source, target)
        self.emit(
            Instr(
                kernel,
                words,
                extents[0],
                (node,),
                anonymous(source),
                anonymous(target),
                extents,
                bytes_moved=kernel.bytes_moved(extents),
                is_copy=True,
            )
        )

    def fill(self, target: Operand, number: float, node: Node) -> None:
        """Append an instruction that sets every element of ``target`` to ``number``."""
        array = np.full((), number, target.dtype.np)
        slot = self.new_slot(CONST, array.nbytes, node.name, array)
        zeros = (0,) * len(target.shape)
        self.copy(Operand(slot, target.dtype, target.shape, zeros), target, node)

    def contiguous(self, operand: Operand, node: Node) -> Operand:
        """``operand`` itself, or a row-major copy of it."""
        if operand.is_contiguous():
            return operand
        array = operand.slot.array
        if self.outer is not None and array is not None and not any(operand.strides):
            # a repeated number, in a loop: written out once, not in every iteration
            return self._written_out(operand, array)
        slot = self.new_slot(ARENA, operand.size * operand.dtype.np.itemsize)
        target = Operand(slot, operand.dtype, operand.shape, contiguous_strides(operand.shape))
        self.copy(operand, target, node)
        return target

    def _written_out(self, operand: Operand, array: np.ndarray) -> Operand:
        """A constant that repeats one number, as a constant with all of its elements."""
        key = (operand.slot, operand.shape)
        found = self.written_out.get(key)
        if found is None:
            full = np.full(operand.shape, array.flat[0], operand.dtype.np)
            slot = self.new_slot(CONST, full.nbytes, operand.slot.name, full)
            strides = contiguous_strides(operand.shape)
            found = Operand(slot, operand.dtype, operand.shape, strides)
            self.written_out[key] = found
        return found

    def lower_custom(self, node: Node) -> None:
        rule = node.opdef.kernel  # type: ignore[union-attr]
        if self.stored.get(node.inputs[-1]) is node:
            lower_stored(self, node)
            return
        if lower_moving_row(self, node):
            return
        if holds_half(node) and not rule.moves:  # type: ignore[union-attr]
            lower_widened(self, node)
            return
        if isinstance(rule, Procedure):
            lower_procedure(self, node, rule)
            return
        inputs = [self.operand(v) for v in node.inputs]
        CUSTOM_LOWERINGS[rule.name](self, node, inputs)  # type: ignore[union-attr]

    def _is_kept(self, value: Value) -> bool:
        """True for a large result that lies where its operation made it, and that nobody changes.

        NB: in a loop, an iteration's result may become a variable of the next one.
        """
        if value.node.type not in KEEPS_RESULTS or self.outer is not None:
            return False
        return value.size * value.dtype.np.itemsize >= DIRECT_NBYTES

    def lower_host(self, node: Node) -> None:
        """A host instruction: the reference runs on arrays that view the operands."""
        inputs = {v: self.operand(v) for v in node.inputs}
        if node.effect == RANDOM:
            inputs.update(anonymous(self.counter(node)))
        outputs: dict[Value, Operand] = {}
        for value in node.outputs:
            known = value.shape is not None and None not in value.shape
            if known and node.attrs.get(RESIZES) and not value.dtype.np.hasobject:
                # The session's buffer gets another size; kernels read a copy.
                outputs[value] = self.operands[value] = self.new_operand(value)
                continue
            if known and not value.dtype.np.hasobject:
                if self._is_kept(value):
                    self.operands[value] = self.new_operand(value, FEED_SLOT, node.name)
                    outputs[value] = self.operands[value]
                    continue
                outputs[value] = self.output(value)
            else:
                slot = self.new_slot(OBJECT, 0, node.name)
                outputs[value] = Operand(slot, value.dtype, (), ())
                self.operands[value] = outputs[value]
        self.emit(Instr(None, (), 0, (node,), inputs, outputs))


def variables_read(graph: FrozenGraph) -> tuple[str, ...]:
    """Variables whose value at the start of the run is used."""
    names: dict[str, None] = {}
    for node in graph.nodes:
        for value in inputs_read(node):
            if value.node.type == VARIABLE and node.type != "IsVariableInitialized":
                names[value.node.attrs["variable"]] = None
    for value in graph.fetches:
        if value.node.type == VARIABLE:
            names[value.node.attrs["variable"]] = None
    return tuple(names)
