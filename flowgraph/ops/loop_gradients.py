"""The gradient of While: a While that runs backward over what the forward loop kept.

    forward     n = 0                               backward    j = n - 1
                while cond(v):                                  while j >= 0:
                    push(stack, n, what body' needs)                ... stack[j] ...
                    v = body(v);  n = n + 1                         dv = body'(dv);  dc += ...
                                                                    j = j - 1

*Kept* is what the derivative of the body needs and cannot have otherwise: constants and arithmetic
of shapes are made again, what does not change in the loop is computed once outside, and counters
have a closed form.  The stacks have room for as many iterations as there will be: by a formula when
the condition compares counters with limits; else a loop in front of the loop counts, the same one
without all that its condition does not need.

Each part of the forward loop that is added here (counter, stacks) is one more loop variable of the
same While, which no run carries that does not need it (optimize/flow.py, prune).

Read next: branch_gradients.py, stacks.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import call, note_effects
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.flow_rules import is_differentiable, made_in, remade
from flowgraph.ops.slopes import slopes
from flowgraph.ops.trips import Trips


def while_grad(op: Any, *dys: Any) -> list[Any]:
    """Gradient rule of While."""
    operation: Operation = op.op
    none: list[Any] = [None] * len(operation.inputs)
    if not operation.attrs["back_prop"]:
        return none
    return _Backward(Forward.of(operation), op).run(dys) or none


class Forward:
    """A forward loop that gradients add to; one for each While, kept in its attrs.

    Attributes:
        operation: the While.   graph: its graph.
        cond, body: its contexts.   trips: what is known of it before it runs.
    """

    KEY = "_forward"

    def __init__(self, operation: Operation) -> None:
        self.operation, self.graph = operation, operation.graph
        self.cond: Context = operation.attrs["cond"]
        self.body: Context = operation.attrs["body"]
        self._counter: int | None = None
        self._count: Tensor | None = None
        self._room: Tensor | None = None
        self._stacks: dict[Tensor, int] = {}
        starts = operation.inputs[: len(self.body.args)]
        self.trips = Trips(self.graph, self.cond, self.body, starts)
        self.trips.owner = operation

    @classmethod
    def of(cls, operation: Operation) -> Forward:
        """The Forward of a While."""
        found = operation.attrs.get(cls.KEY)
        if found is None:
            found = operation.attrs[cls.KEY] = cls(operation)
        return found

    # ------------------------------------------------------------------------- loop variables

    def inside_it(self) -> Any:
        """Operations made in the block belong to the body."""
        return made_in(self.graph, self.body, self.body.name)

    def add_variable(self, initial: Tensor, name: str, step: Any) -> int:
        """One more loop variable, which becomes ``step(variable)``; its number."""
        operation = self.operation
        dtype, place = initial.dtype.base_dtype, len(self.body.args)
        with made_in(self.graph, self.cond, self.body.name):
            self.cond.args.append(call.Arg(dtype=dtype, shape=initial.dims, name=f"cond/{name}"))
        with self.inside_it():
            arg = call.Arg(dtype=dtype, shape=initial.dims, name=name)
            self.body.args.append(arg)
            result = step(arg)
            self.body.outputs.append(result)
        inputs = list(operation.inputs)
        inputs.insert(place, initial)
        operation.inputs = tuple(inputs)
        initial._consumers = [*(initial._consumers or ()), operation]
        self.trips.starts.append(initial)
        operation.attrs["T"] = [*operation.attrs["T"], dtype]
        operation.outputs.append(Tensor(operation, place, dtype, initial.dims))
        self.graph._edited()
        return place

    @property
    def counter(self) -> int:
        """The number of the variable that counts iterations."""
        if self._counter is None:
            with self.trips.outside_it():
                zero = call.Const(value=np.array(0, np.int32), dtype=int32, name="count/start")
            self._counter = self.add_variable(
                zero, "count", lambda i: call.AddV2(i, make_constant(np.array(1, np.int32)))
            )
        return self._counter

    @property
    def count(self) -> Tensor:
        """How often the loop runs; where a formula tells, it is known as soon as the sizes are."""
        if self._count is None:
            self._count = self.trips.count()
        return self.operation.outputs[self.counter] if self._count is None else self._count

    @property
    def room(self) -> Tensor:
        """How many elements a stack of this loop must hold; known before the loop runs."""
        if self._room is None:
            count = self.count
            if count.op is self.operation:
                captures = self.operation.inputs[len(self.body.args) :]
                count = self.trips.count_beforehand(self.counter, captures)
            self._room = count
            if constant_value(count) is None:
                with self.trips.outside_it():
                    self._room = call.StackCapacity(count, name="capacity")
        return self._room

    # ------------------------------------------------------------------------ what is kept

    def stack(self, tensor: Tensor) -> Tensor:
        """All values of a tensor of the body, in the order of the iterations."""
        place = self._stacks.get(tensor)
        if place is None:
            room, counter = self.room, self.counter
            with self.trips.outside_it():
                initial = call.EmptyStack(
                    room, dtype=tensor.dtype.base_dtype, row_shape=tensor.dims, unwritten=True,
                    name="kept",
                )  # fmt: skip
            place = self.add_variable(
                initial,
                "kept",
                lambda stack: call.StackStore(stack, self.body.args[counter], tensor),
            )
            self._stacks[tensor] = place
        return self.operation.outputs[place]



class _Backward:
    """One backward loop being made."""

    def __init__(self, forward: Forward, op: Any) -> None:
        self.forward, self.op = forward, op
        self.graph, self.operation = forward.graph, forward.operation
        self.context: Context | None = None
        self.index: Tensor | None = None
        self._read: dict[Tensor, Tensor] = {}

    def run(self, dys: Sequence[Any]) -> list[Any] | None:
        """dx for every input of the While."""
        forward, body = self.forward, self.forward.body
        variables = len(body.args)
        captures = self.operation.inputs[variables:]
        flowing = self._flowing([k for k, dy in enumerate(dys) if dy is not None])
        if not flowing:
            return None
        starts = []
        for k in flowing:
            dy = dys[k] if k < len(dys) else None
            starts.append(call.ZerosLike(self.operation.outputs[k]) if dy is None else dy)
        last = call.Sub(forward.count, make_constant(np.array(1, np.int32)))
        wanted = [t for t in captures if is_differentiable(t) and self.op.wants(t)]
        scope = self.graph.get_name_scope()

        with self.graph._inside("body", scope) as context:
            self.context = context
            context.forward, context.substitute = body.origin, self._value_of
            self.index = call.Arg(dtype=int32, shape=(), name="j")
            given = [
                call.Arg(dtype=body.args[k].dtype, shape=body.args[k].dims, name="dy")
                for k in flowing
            ]
            args = [body.args[k] for k in flowing]
            found = slopes(body, flowing, given, [*args, *wanted])
            dxs = []
            for arg, dx in zip(given, found[: len(flowing)], strict=True):
                dxs.append(call.ZerosLike(arg) if dx is None else convert_to_tensor(dx))
            sums, terms = self._sums(wanted, found[len(flowing) :])
            products = {t: dx for t, dx in zip(sums, terms, strict=True) if self._is_product(dx)}
            sums, terms = self._sums(
                sums, [None if t in products else dx for t, dx in zip(sums, terms, strict=True)]
            )
            factors = [factor for dx in products.values() for factor in dx.op.inputs]
            stacks = [
                call.Arg(dtype=f.dtype.base_dtype, shape=(None, *f.dims), name="factors")
                for f in factors
            ]
            totals = [
                call.Arg(dtype=t.dtype.base_dtype, shape=t.dims, name="sum") for t in sums
            ]
            added = [_added(total, term) for total, term in zip(totals, terms, strict=True)]
            back = make_constant(np.array(-1, np.int32))
            context.args = [self.index, *given, *totals, *stacks]
            pushed = [
                call.StackStore(s, self.index, f) for s, f in zip(stacks, factors, strict=True)
            ]
            context.close(self.graph, [call.AddV2(self.index, back), *dxs, *added, *pushed])
        with self.graph._inside("cond", scope) as condition:
            condition.args = [
                call.Arg(dtype=t.dtype.base_dtype, shape=t.dims, name="cond/Arg")
                for t in context.args
            ]
            zero = make_constant(np.array(0, np.int32))
            enters = call.GreaterEqual(condition.args[0], zero)
            condition.close(self.graph, [enters])
        inner = list(dict.fromkeys([*condition.captures, *context.captures]))
        results = call.While(
            [last, *starts, *(call.ZerosLike(t) for t in sums), *map(self._room_for, factors)],
            inner,
            cond=condition,
            body=context,
            back_prop=True,
        )
        note_effects(self.graph, results[0].op, [condition, context])
        dx_of = dict(zip(flowing, results[1:], strict=False))
        position = 1 + len(flowing) + len(sums)
        sum_of = dict(zip(sums, results[1 + len(flowing) : position], strict=True))
        for k, t in enumerate(products):
            sum_of[t] = _product(results[position + 2 * k], results[position + 2 * k + 1], t)
        return [
            dx_of.get(k) if k < variables else sum_of.get(tensor)
            for k, tensor in enumerate(self.operation.inputs)
        ]

    def _flowing(self, starts: Sequence[int]) -> list[int]:
        """Variables that a gradient can flow through, when it enters at ``starts``."""
        body = self.forward.body
        found = [k for k in starts if is_differentiable(body.args[k])]
        for k in found:
            output = body.outputs[k]
            reached = _arguments_of(output, body)
            found += [
                i
                for i, arg in enumerate(body.args)
                if arg in reached and i not in found and is_differentiable(arg)
            ]
        return sorted(found)

    def _is_product(self, term: Any) -> bool:
        """True for ``x^T @ y`` with few rows, when what is added up can be one such product.

        The rows of all iterations are put behind one another, if their number follows from sizes:
        a stack with more room than that would be multiplied with all of its zeros.
        """
        if not isinstance(term, Tensor) or term.op.type != "MatMul":
            return False
        attrs, factors = term.op.attrs, term.op.inputs
        if not attrs.get("transpose_a") or attrs.get("transpose_b"):
            return False
        sizes = [f.dims for f in factors]
        if any(dims is None or len(dims) != 2 or not dims[1] for dims in sizes):
            return False
        if sizes[0][0] is not None and sizes[0][0] > _MANY_ROWS:  # type: ignore[index]
            return False
        return _follows_from_sizes(self.forward.count)

    def _room_for(self, factor: Tensor) -> Tensor:
        dtype = factor.dtype.base_dtype
        room = self.forward.room
        # as many iterations as rows: _is_product
        return call.EmptyStack(
            room, dtype=dtype, row_shape=factor.dims, unwritten=True, name="factors"
        )

    def _sums(self, wanted: Sequence[Tensor], found: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        pairs = [(t, dx) for t, dx in zip(wanted, found, strict=True) if dx is not None]
        return [t for t, _ in pairs], [dx for _, dx in pairs]

    def _value_of(self, tensor: Tensor) -> Tensor:
        """What stands, in the backward body, for a tensor of the forward body."""
        found = self._read.get(tensor)
        if found is None:
            # NB: asked for in a branch inside the body, but there for all of the body
            with made_in(self.graph, self.context, None):
                found = self._read[tensor] = self._make_value(tensor)
        return found

    def _make_value(self, tensor: Tensor) -> Tensor:
        again = remade(tensor)
        if again is not None:
            return again
        forward = self.forward
        invariant = forward.trips.invariant(tensor)
        if invariant is not None:
            return invariant
        assert self.index is not None
        line = forward.trips.line(tensor)
        if line is not None:
            start, step = line
            trips = call.Cast(self.index, DstT=tensor.dtype.base_dtype)
            factor = call.Const(value=step.op.attrs["value"], dtype=step.dtype)
            return call.AddV2(start, call.Mul(trips, factor))
        if self._is_row(tensor):
            return call.GatherV2(*tensor.op.inputs)
        return call.GatherV2(forward.stack(tensor), self.index, 0)

    def _is_row(self, tensor: Tensor) -> bool:
        """True for a row, at a counter, of what does not change: it is read again."""
        op = tensor.op
        if op.type != "GatherV2" or op.attrs.get("batch_dims"):
            return False
        table, index, axis = op.inputs
        trips = self.forward.trips
        return (
            trips.invariant(table) is not None
            and trips.invariant(axis) is not None
            and index.dims == ()
            and (trips.line(index) is not None or trips.invariant(index) is not None)
        )


def _arguments_of(output: Tensor | None, body: Context) -> set[Tensor]:
    """The arguments of a body that one of its outputs depends on."""
    found: set[Tensor] = set()
    seen: set[Tensor] = set()
    stack = [] if output is None else [output]
    while stack:
        tensor = stack.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        if tensor.op.type == "Arg":
            found.add(tensor)
        elif body.has(tensor.op):
            stack.extend(t for t in tensor.op.inputs if is_differentiable(t))
    return found


#: Products of so many rows are as fast alone as together.
_MANY_ROWS = 256


def _product(x: Tensor, y: Tensor, like: Tensor) -> Tensor:
    """The sum of ``x[i]^T @ y[i]`` over all i, as one product."""
    rows = []
    for stack in (x, y):
        assert stack.dims is not None
        rows.append(call.Reshape(stack, np.array([-1, stack.dims[-1]], np.int32)))
    result = call.MatMul(*rows, transpose_a=True)
    if like.dims is not None:
        result.set_shape(like.dims)
    return result


def _follows_from_sizes(number: Tensor) -> bool:
    """True when a number depends on constants and shapes only."""
    seen: set[Operation] = set()
    waiting = [number.op]
    while waiting:
        op = waiting.pop()
        if op in seen or op.type in ("Const", "Shape", "ShapeN", "Size", "Rank"):
            continue
        if not op.inputs or op.type in ("While", "If") or len(seen) > _MANY_ROWS:
            return False
        seen.add(op)
        waiting += [t.op for t in op.inputs]
    return True


def _added(total: Tensor, term: Any) -> Tensor:
    """``total + term``; rows are added to the rows they belong to, in place."""
    if isinstance(term, IndexedSlices):
        rows = call.Reshape(term.indices, make_constant(np.array([-1], np.int32)))
        return call.TensorScatterAdd(total, call.ExpandDims(rows, -1), term.values)
    return call.AddV2(total, term)
