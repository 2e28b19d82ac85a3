"""If and While -> jumps around the instructions of their bodies, in the same table and arena.

    If(p, x)                                While(i, captures)
        jump to E unless p                      i' = i
        ... then branch, results to r           c = cond(i')
        jump to N                               jump to N unless c
    E:  ... else branch, results to r       L:  ... body; i' = its results; c = cond(i')
    N:                                          jump to L if c
                                            N:

Loop variables and results are variables that live in the arena: the body ends by assigning them.
So what keeps a session's variables in one buffer (optimize/order.py) updates them in place too, and
the update, and the condition after it, fuse with what computes them.

Read next: plan/memory.py (what lives through a loop), runtime/native.py (the walk).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowgraph.graph.opdef import OPDEFS, Procedure
from flowgraph.lower.gemm import pack_constants
from flowgraph.lower.moving import rows_first, stored_values
from flowgraph.optimize import fuse
from flowgraph.optimize.frozen import (
    ABSENT,
    FEED,
    UNWRITTEN,
    VARIABLE,
    FrozenGraph,
    Node,
    Value,
    eliminate_dead,
)
from flowgraph.optimize.order import order_effects
from flowgraph.optimize.views import is_view, storage
from flowgraph.plan.plan import ARENA, Instr, Jump, Operand, Slot

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering


def lower_flow(lowering: Lowering, node: Node) -> None:
    """Append the instructions of an If or While."""
    if node.type == "While":
        _While(lowering, node).run()
    else:
        _If(lowering, node).run()


class Program:
    """Bodies being turned into one graph over carried variables.

    given: feed of the program -> the Value outside that it stands for.
    """

    def __init__(self, node: Node, inputs: Sequence[Value]) -> None:
        self.owner, self.inputs = node, inputs
        self.nodes: list[Node] = []
        self.given: dict[Value, Value] = {}
        self.fetches: list[Value] = []

    def variable(self, name: str, like: Value) -> Value:
        """A carried variable as it is when the program starts."""
        node = Node(VARIABLE, None, {"variable": name}, (), name, like.node.op)
        node.outputs = (Value(node, 0, like.dtype, like.shape),)
        self.nodes.append(node)
        return node.outputs[0]

    def add(self, body: FrozenGraph, versions: Sequence[Value]) -> list[Value]:
        """Append a copy of ``body``, whose first feeds are ``versions``; its results."""
        new = dict(zip(body.feeds, versions, strict=False))
        for feed, outer in list(zip(body.feeds, self.inputs, strict=True))[len(versions) :]:
            new[feed] = self._feed_for(outer)
        copies: dict[Node, Node] = {}
        for node in body.nodes:
            if node.type == FEED:
                continue
            copy = node.like([new.get(v, v) for v in node.inputs])
            copy.after = tuple(copies[a] for a in node.after)
            copies[node] = copy
            new.update(zip(node.outputs, copy.outputs, strict=True))
            self.nodes.append(copy)
        return [new.get(v, v) for v in body.fetches]

    def _feed_for(self, outer: Value) -> Value:
        for feed, value in self.given.items():
            if value is outer:
                return feed
        node = Node(FEED, None, {}, (), outer.node.name, outer.node.op)
        node.outputs = (Value(node, 0, outer.dtype, outer.shape),)
        self.given[node.outputs[0]] = outer
        self.nodes.append(node)
        return node.outputs[0]

    def assign(self, name: str, old: Value, value: Value) -> Value:
        """Append ``name = value``; the new version.

        An operation that changes part of ``old`` becomes a write of the variable instead.
        """
        made = value.node
        rule = None if made.opdef is None else made.opdef.kernel
        if isinstance(rule, Procedure) and rule.updates == {0: 0} and made.inputs[0] is old:
            made.writes = (name,)
            return value
        attrs = {"T": value.dtype, "validate_shape": True, "use_locking": True}
        node = Node("Assign", OPDEFS["Assign"], attrs, (old, value), name, self.owner.op)
        node.writes = (name,)
        node.outputs = (Value(node, 0, value.dtype, value.shape),)
        self.nodes.append(node)
        return node.outputs[0]

    def graph(self) -> FrozenGraph:
        """The program so far, less what it does not need."""
        return eliminate_dead(FrozenGraph(self.nodes, list(self.given), self.fetches))


class _Flow:
    """What If and While share.

    names: of the carried variables: first the session's own that the bodies write, then one for
        each other output of the node.
    """

    def __init__(self, lowering: Lowering, node: Node) -> None:
        self.lowering, self.node = lowering, node
        self.written = len(node.writes)
        self.names = [*node.writes]
        self.names += [f"{node.name}/{i}" for i in range(len(node.outputs) - self.written)]
        self.carried: dict[str, Operand] = {}
        self.unwritten: list[Slot] = []
        #: Inputs of a loop that lie in another order outside, as they are read inside.
        self.laid_out: dict[Value, Operand] = {}

    def carry(self, starts: Sequence[Value | None]) -> None:
        """Make the operands of the carried variables, with their values at the start."""
        lowering = self.lowering
        for name, value, start in zip(self.names, self.node.outputs, starts, strict=True):
            if start is not None and self.takes_over(value, start):
                self.carried[name] = lowering.operands[value] = lowering.operand(start)
                continue
            operand = self.carried[name] = lowering.output(value)
            if start is None or start.node.attrs.get(UNWRITTEN):
                self.unwritten.append(operand.slot)
                continue
            source = lowering.operand(start)
            if source.slot is not operand.slot:
                lowering.copy(source, operand, self.node)

    def takes_over(self, value: Value, start: Value) -> bool:
        """True when a carried variable may lie where its first value lies: nobody else looks."""
        node = start.node
        if value.index < self.written or node.type in (FEED, VARIABLE, "Const") or is_view(node):
            return False
        operand = self.lowering.operand(start)
        nbytes = operand.size * operand.dtype.np.itemsize
        if operand.slot.kind != ARENA or operand.slot.nbytes != nbytes:
            return False
        graph = self.lowering.graph
        uses = [v for n in graph.nodes for v in n.inputs if storage(v) is start]
        return len(uses) == 1 and all(storage(v) is not start for v in graph.fetches)

    def program(self, inputs: Sequence[Value]) -> tuple[Program, list[Value]]:
        """An empty program and the carried variables at its start."""
        program = Program(self.node, inputs)
        outputs = zip(self.names, self.node.outputs, strict=True)
        return program, [program.variable(name, value) for name, value in outputs]

    def assign_results(
        self, program: Program, versions: Sequence[Value], results: Sequence[Value]
    ) -> list[Value]:
        """Let the carried variables be ``results``; their new versions."""
        after = []
        for i, (name, old, value) in enumerate(zip(self.names, versions, results, strict=True)):
            in_place = i < self.written and name in value.node.writes
            unchanged = value is old
            absent = value.node.type == ABSENT
            if in_place or unchanged or absent:
                after.append(value)
            else:
                after.append(program.assign(name, old, value))
        return after

    def emit(self, program: Program) -> list[Operand]:
        """Append the instructions of a program; the operands of its fetches."""
        ordered, earlier = order_effects(program.graph())
        if self.node.type == "While":
            ordered = rows_first(ordered)
        inner = self.lowering.inside(ordered, fuse.fuse(ordered, earlier))
        inner.variables = dict(self.carried)
        if self.node.type == "While":
            inner.stored = stored_values(ordered)
        for feed, value in program.given.items():
            inner.operands[feed] = self.laid_out.get(value) or self.lowering.operand(value)
        inner.lower_regions()
        return [inner.operand(value) for value in ordered.fetches]

    def jump(self, condition: Operand | None = None, *, when: bool = True) -> Jump:
        """Append a jump whose target is set later."""
        jump = Jump(condition=condition, when=when)
        read = {}
        if condition is not None:
            read = {Value(self.node, 0, condition.dtype, ()): condition}
        # what nothing has written yet must lie somewhere from here on
        scratch, self.unwritten = tuple(self.unwritten), []
        self.lowering.emit(Instr(None, (), 0, (self.node,), read, {}, jump=jump, scratch=scratch))
        return jump

    def here(self) -> int:
        """The row of the next instruction."""
        return len(self.lowering.instrs)


class _While(_Flow):
    def run(self) -> None:
        node = self.node
        cond, body = node.bodies["cond"], node.bodies["body"]
        self.carry(node.inputs[: len(self.names)])
        packed_before = dict(self.lowering.packed)
        self.lay_out(body)
        program, versions = self.program(node.inputs)
        program.fetches = program.add(cond, versions)[self.written :]
        (enters,) = self.emit(program)
        leave = self.jump(enters, when=False)
        start = self.here()
        program, versions = self.program(node.inputs)
        after = self.assign_results(program, versions, program.add(body, versions))
        program.fetches = program.add(cond, after)[self.written :]
        (again,) = self.emit(program)
        self.jump(again).target = start
        leave.target = self.here()
        self.lowering.packed.clear()
        self.lowering.packed.update(packed_before)  # others may change from here on

    def lay_out(self, body: FrozenGraph) -> None:
        """Copy what procedures of the body read row by row, and pack what it multiplies by: once,
        not in every iteration.
        """
        lowering, count = self.lowering, len(self.names)
        outside = dict(zip(body.feeds[count:], self.node.inputs[count:], strict=True))
        for node in body.nodes:
            if node.opdef is not None and isinstance(node.opdef.kernel, Procedure):
                for value in [outside[v] for v in node.inputs if v in outside]:
                    operand = lowering.operand(value)
                    if value not in self.laid_out and not operand.is_contiguous():
                        self.laid_out[value] = lowering.contiguous(operand, self.node)
        if self.node.op is not None:  # the steps of run_steps multiply as single runs do
            pack_constants(lowering, body.nodes, outside)


class _If(_Flow):
    def run(self) -> None:
        node = self.node
        condition = self.lowering.operand(node.inputs[self.written])
        made = [None] * (len(self.names) - self.written)
        self.carry([*node.inputs[: self.written], *made])
        to_else = self.jump(condition, when=False)
        self.branch(node.bodies["then_branch"])
        to_end = self.jump()
        to_else.target = self.here()
        self.branch(node.bodies["else_branch"])
        to_end.target = self.here()

    def branch(self, body: FrozenGraph) -> None:
        """Append a branch, which ends by assigning the results."""
        inputs = [v for i, v in enumerate(self.node.inputs) if i != self.written]
        program, versions = self.program(inputs)
        results = program.add(body, versions[: self.written])
        self.assign_results(program, versions, results)
        self.emit(program)
