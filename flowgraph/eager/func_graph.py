"""FuncGraph: the graph of a function being traced.

What a function takes from outside becomes an input of its graph: eager tensors are captured as
placeholders (small integers as constants, so that shapes stay known), variables as variables that
a run binds to where they lie.

    def f(x): return v * x + c        Placeholder x · VariableV2 v · Placeholder captured_0 -> ...

Read next: function.py.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from flowgraph.eager.program import Program
from flowgraph.eager.tensor import EagerOperation, EagerTensor, wrap
from flowgraph.eager.variables import EagerRef, EagerVariable
from flowgraph.graph.apply import call
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import HOST, OPDEFS, WRITE

#: Integers captured as constants have at most so many elements.
_MAX_CONSTANT = 128

_numbers = itertools.count()


class TracedContext(Context):
    """A branch or body in a function: its effects happen whether or not a result needs them."""

    __slots__ = ()

    def close(self, graph: Any, outputs: Sequence[Tensor]) -> None:
        """As of Context, with one of the outputs waiting for the effects."""
        made = graph._operations[self.first :]
        effects = [op for op in made if op._context is self and graph._has_effect(op)]
        if effects and outputs:
            # NB: not a counter, which gradients want to recognise.
            place = next(
                (i for i, t in enumerate(outputs) if not t.dtype.is_integer), len(outputs) - 1
            )
            with graph.control_dependencies(effects):
                waiting = call.Identity(outputs[place], name="control_dependency")
            outputs = [*outputs[:place], waiting, *outputs[place + 1 :]]
        super().close(graph, outputs)


class FuncGraph(Graph):
    """The graph of one trace.

    Args:
        name: of the function.
        outer_context: the graph that executes.
        may_make_variables: whether tf.Variable may be called while tracing.

    Attributes:
        captures: id of a captured tensor -> (the tensor, its placeholder), in order.
        refs: variable -> its Ref tensor here, in order.
        variables_made: how many variables were made while tracing.
    """

    building_function = True
    variable_class = EagerVariable
    context_class = TracedContext

    def __init__(self, name: str, outer_context: Graph, *, may_make_variables: bool = True) -> None:
        super().__init__()
        self.name = name
        self.outer_context = outer_context
        self.may_make_variables = may_make_variables
        self.captures: dict[int, tuple[Tensor, Tensor]] = {}
        self.refs: dict[EagerVariable, Tensor] = {}
        self.variables_made = 0
        self.stream_prefix = f"{name}_{next(_numbers)}/"
        #: The last read of a variable outside of branches and loops.
        self._reads: dict[EagerVariable, Tensor] = {}
        self._variables_read: dict[EagerVariable, None] = {}
        self._seed = outer_context.seed

    # ----------------------------------------------------------------------------- from outside

    @property
    def variables_read(self) -> list[EagerVariable]:
        """The variables whose values the function reads."""
        return list(self._variables_read)

    @contextlib.contextmanager
    def _at_the_top(self) -> Any:
        """Outside of the scopes, branches and loops that are open."""
        with (
            self.as_default(), self.control_dependencies(None), self.name_scope(None),
            self._outside_of_contexts(),
        ):  # fmt: skip
            yield

    def capture(self, tensor: Tensor) -> Tensor:
        """What stands for ``tensor``, of outside, in this graph."""
        known = self.captures.get(id(tensor))
        if known is not None:
            return known[1]
        if isinstance(tensor, EagerRef) or not isinstance(tensor, EagerTensor):
            raise ValueError(
                f"{self.name}: the tensor {tensor.name!r} belongs to another function or graph; "
                "pass what a function needs as arguments and return what it computes"
            )
        with self._at_the_top():
            array = tensor._array
            if array.dtype.kind in "iubO" and array.size <= _MAX_CONSTANT:
                inner = make_constant(array.copy())
            else:
                name = f"captured_{len(self.captures)}"
                inner = call.Placeholder(dtype=tensor.dtype, shape=array.shape, name=name)
        self.captures[id(tensor)] = tensor, inner
        return inner

    def _own(self, type: str, inputs: Sequence[Tensor], name: str) -> Sequence[Tensor]:
        return [t if t.op.graph is self else self.capture(t) for t in inputs]

    def captured_variable(self, variable: EagerVariable) -> Tensor:
        """The Ref tensor of ``variable`` in this graph."""
        ref = self.refs.get(variable)
        if ref is None:
            storage = variable._storage
            with self._at_the_top():
                ref = call.VariableV2(
                    shape=storage.dims, dtype=storage.dtype, name=variable.op.name or "Variable"
                )
            self.refs[variable] = ref
        return ref

    def read_variable(self, variable: EagerVariable) -> Tensor:
        """The value of ``variable`` at this place of the function."""
        ref = self.captured_variable(variable)
        self._variables_read[variable] = None
        if self._scopes.context is not None:  # NB: a loop reads anew in every iteration
            return call.Identity(ref, name="ReadVariableOp")
        known = self._reads.get(variable)
        last_write = self._last_write.get(ref.op, -1)
        if known is None or last_write > known.op._id or self._has_control_dependencies():
            known = call.Identity(ref, name="ReadVariableOp")
            self._reads[variable] = known
        return known

    def value_of(self, tensor: Tensor) -> Tensor:
        """The value of ``tensor``, when it depends on no argument; else the tensor itself."""
        todo, seen = [tensor.op], {tensor.op}
        given = [pair for pair in self.captures.values() if pair[1].op.type == "Placeholder"]
        known = {inner.op for _, inner in given}
        while todo:
            op = todo.pop()
            if op.type == "Placeholder" and op not in known:
                return tensor
            todo.extend(t.op for t in op.inputs if t.op not in seen)
            seen.update(t.op for t in op.inputs)
        program = Program(
            [tensor], [inner for _, inner in given], [outer.dims for outer, _ in given],  # type: ignore[misc]
            list(self.refs.values()),
        )  # fmt: skip
        arrays = tuple([outer._array for outer, _ in given])  # type: ignore[attr-defined]
        (value,) = program.run(arrays, [v._storage for v in self.refs])
        return wrap(value)

    # ------------------------------------------------------------------------------ as of Graph

    def control_dependencies(self, control_inputs: Iterable[Any] | None) -> Any:
        """As of Graph; what was executed before is no longer waited for."""
        if control_inputs is not None:
            control_inputs = [item for item in control_inputs if not _is_done(item)]
        return super().control_dependencies(control_inputs)

    def as_graph_element(
        self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True
    ) -> Any:
        """As of Graph; an eager tensor is captured."""
        if isinstance(obj, EagerTensor):
            obj = self.capture(obj)
        return super().as_graph_element(obj, allow_tensor, allow_operation)

    def get_collection_ref(self, name: Any) -> list[Any]:
        """As of Graph; where variables are found by name is a matter of the outer context."""
        if isinstance(name, str):
            return super().get_collection_ref(name)
        return self.outer_context.get_collection_ref(name)

    # ------------------------------------------------------------------------------- what it does

    def effects(self, first: int, stop: int | None = None) -> list[Operation]:
        """The operations that must run whether or not somebody needs their results, in order.

        Of those with numbers from ``first`` on; branches and loops stand for what is in them.
        """
        made = self._operations[first:stop]
        return [op for op in made if op._context is None and self._has_effect(op)]

    def _has_effect(self, op: Operation) -> bool:
        if OPDEFS[op.type].effect in (WRITE, HOST):
            return True
        return any(
            context.has(inner) and OPDEFS[inner.type].effect in (WRITE, HOST)
            for context in op.attrs.values()
            if isinstance(context, Context)
            for inner in self._operations[context.first : context.stop]
        )


def _is_done(item: Any) -> bool:
    """True for what has been executed."""
    return isinstance(item, (EagerTensor, EagerVariable, EagerOperation)) or item is None
