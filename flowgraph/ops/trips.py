"""What is known of a loop before it runs: how often, what does not change, how counters go.

    i = 0;  while i < n: i = i + 2        runs max(0, (n + 1) // 2) times

Gradients need it to keep what they need (loop_gradients.py), growing TensorArrays to have room
(loops.py).

Read next: loop_gradients.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.errors import format_message
from flowgraph.graph.apply import call
from flowgraph.graph.contexts import AS_OF, Context
from flowgraph.graph.convert import make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import CHECK, HOST, OPDEFS, PURE, RANDOM
from flowgraph.graph.site import find_site, format_site
from flowgraph.ops.flow_rules import made_in


class Trips:
    """A loop as its condition and body say, with the tensors that its variables start from.

    Attributes:
        cond, body: the contexts.   starts: initial values, in the order of the variables.
        owner: the While, once there is one.
    """

    def __init__(
        self, graph: Graph, cond: Context, body: Context, starts: Sequence[Tensor]
    ) -> None:
        self.graph, self.cond, self.body, self.starts = graph, cond, body, list(starts)
        self.owner: Operation | None = None
        self._invariant: dict[Tensor, Tensor | None] = {}

    def outside_it(self) -> Any:
        """Operations made in the block stand where the loop stands."""
        return made_in(self.graph, self.body.parent, self.body.name)

    def count(self) -> Tensor | None:
        """How often the loop runs, by a formula, or None: an int32 tensor outside of the loop."""
        return self._count_by_formula(self.cond.outputs[0])

    def count_beforehand(self, result: int, captures: Sequence[Tensor]) -> Tensor:
        """Variable ``result`` at the end of another loop that stands in front: the same one.

        Raises:
            ValueError: it cannot be run twice: it draws random numbers or writes variables.
        """
        self._refuse_effects(result)
        with self.outside_it():
            results = call.While(
                self.starts,
                list(captures),
                cond=self.cond.copy(),
                body=self.body.copy(),
                back_prop=False,
                name="trips",
            )
        return results[result]

    def last(self, tensor: Tensor, count: Tensor) -> Tensor | None:
        """A counter (see ``line``) in the last of ``count`` iterations."""
        line = self.line(tensor)
        if line is None:
            return None
        start, step = line
        with self.outside_it():
            way = call.Sub(count, make_constant(np.array(1, np.int32)))
            number = call.Const(value=step.op.attrs["value"], dtype=step.dtype)
            return call.AddV2(start, call.Mul(call.Cast(way, DstT=start.dtype.base_dtype), number))

    def _count_by_formula(self, condition: Tensor | None) -> Tensor | None:
        """The number of iterations until a comparison of counters with limits fails."""
        if condition is None or not self.cond.has(condition.op):
            return None
        op = condition.op
        if op.type == "Identity":
            return self._count_by_formula(op.inputs[0])
        if op.type == "LogicalAnd":
            counts = [self._count_by_formula(tensor) for tensor in op.inputs]
            if counts[0] is None or counts[1] is None:
                return None
            with self.outside_it():
                return call.Minimum(*counts)
        kind = op.type
        if kind not in _MIRRORED:
            return None
        x, y = op.inputs
        if self.line(x) is None:
            kind, x, y = _MIRRORED[kind], y, x
        line, limit = self.line(x), self.invariant(y)
        if line is None or limit is None:
            return None
        start, step = line
        number = int(step.op.attrs["value"])
        if number == 0 or (number > 0) != kind.startswith("Less"):
            return None
        dtype = start.dtype.base_dtype

        def const(value: int) -> Tensor:
            return make_constant(np.array(value, dtype.np))

        # ceil((limit - start) / step), and one more where equality goes on
        with self.outside_it():
            way = call.Sub(limit, start) if number > 0 else call.Sub(start, limit)
            distance = abs(number) + (0 if kind.endswith("Equal") else -1)
            if distance:
                way = call.AddV2(way, const(distance))
            if abs(number) != 1:
                way = call.FloorDiv(way, const(abs(number)))
            count = call.Maximum(way, const(0))
            return count if dtype is int32 else call.Cast(count, DstT=int32)

    def _refuse_effects(self, result: int) -> None:
        """ValueError when what ``result`` and the condition need cannot be done twice."""
        needed = _needed(self.cond, self.body, result)
        for op in needed:
            effect = OPDEFS[op.type].effect
            if effect in (RANDOM, CHECK, HOST) or any(t.dtype.is_ref for t in op.inputs):
                if effect == PURE and not self._writes(op):
                    continue
                raise ValueError(
                    format_message(
                        f"while_loop: how often the loop {self.body.name!r} runs depends on "
                        f"{op.name!r} ({op.type}), so that it is not known how much must be kept",
                        [],
                        (self.body.name, format_site(find_site())),
                        "let the condition look at a counter",
                    )
                )

    def _writes(self, op: Operation) -> bool:
        """Whether the loop writes a variable that ``op`` reads."""
        written = {
            t.op
            for other in self.body.operations(self.graph)
            for arg, t in zip(OPDEFS[other.type].signature.inputs, other.inputs, strict=False)
            if arg.is_ref
        }
        return any(t.op in written for t in op.inputs if t.dtype.is_ref)

    def invariant(self, tensor: Tensor) -> Tensor | None:
        """A tensor outside of the loop that equals ``tensor`` in every iteration, if there is."""
        if not (self.body.has(tensor.op) or self.cond.has(tensor.op)):
            return tensor
        if tensor not in self._invariant:
            self._invariant[tensor] = self._make_invariant(tensor)
        return self._invariant[tensor]

    def _make_invariant(self, tensor: Tensor) -> Tensor | None:
        op = tensor.op
        if op.type == "Arg":
            place = self._place(tensor)
            unchanged = place is not None and self.body.outputs[place] is self.body.args[place]
            return self.starts[place] if unchanged else None  # type: ignore[index]
        if OPDEFS[op.type].effect != PURE or op.type in ("If", "While") or self._writes(op):
            return None
        inputs = []
        for given in op.inputs:
            found = self.invariant(given)
            if found is None:
                return None
            inputs.append(found)
        attrs = dict(op.attrs)
        if any(t.dtype.is_ref for t in inputs):
            attrs[AS_OF] = self.owner
        with self.outside_it():
            new = self.graph.create_op(
                op.type,
                inputs,
                [t.dtype for t in op.outputs],
                [t.dims for t in op.outputs],
                op.name.rpartition("/")[2],
                attrs,
            )
        self._invariant.update(zip(op.outputs, new.outputs, strict=True))
        return new.outputs[tensor.value_index]

    def _place(self, tensor: Tensor) -> int | None:
        """The number of a loop variable, as the condition or the body sees it."""
        for args in (self.body.args, self.cond.args):
            if tensor in args:
                return args.index(tensor)
        return None

    def line(self, tensor: Tensor) -> tuple[Tensor, Tensor] | None:
        """(start, step) of an integer variable that every iteration adds a constant to."""
        place = self._place(tensor)
        if place is None or not tensor.dtype.is_integer:
            return None
        arg, result = self.body.args[place], self.body.outputs[place]
        op = result.op  # type: ignore[union-attr]
        if op.type not in ("Add", "AddV2") or arg not in op.inputs:
            return None
        step = op.inputs[1] if op.inputs[0] is arg else op.inputs[0]
        if step.op.type != "Const" or step.dims != ():
            return None
        return self.starts[place], step
#: Comparisons, and what they are with sides exchanged.
_MIRRORED = {"Less": "Greater", "LessEqual": "GreaterEqual", "Greater": "Less",
             "GreaterEqual": "LessEqual"}  # fmt: skip


def _needed(cond: Context, body: Context, result: int) -> list[Operation]:
    """Operations of the loop that decide how often it runs, and about a variable."""
    found: dict[Operation, None] = {}
    stack = [t for t in (*cond.outputs, body.outputs[result]) if t is not None]
    while stack:
        tensor = stack.pop()
        op = tensor.op
        if op.type == "Arg":
            for args in (cond.args, body.args):
                if tensor in args:
                    following = body.outputs[args.index(tensor)]
                    if following is not None and following.op not in found:
                        stack.append(following)
            found[op] = None
        elif op not in found and (cond.has(op) or body.has(op)):
            found[op] = None
            stack.extend(op.inputs)
            for inner in op.attrs.values():  # the bodies of an If or While
                if isinstance(inner, Context):
                    stack.extend(t for t in inner.outputs if t is not None)
    return list(found)


