"""Program: fetches of a small graph, planned for fixed shapes and run on arrays.

What a Session is to a program that builds one graph, a Program is to eager execution, which has
thousands of small ones: no look-up of fetches and feeds, variables wherever they lie at the moment,
and results that are always arrays.

    program = Program([y], [a, b], [a.shape, b.shape])
    (y_value,) = program.run((a_value, b_value))

Graphs whose sizes depend on values run in stages, as in a Session (runplan.py).

Read next: engine.py, function.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from flowgraph import compile as compiler
from flowgraph import config
from flowgraph.errors import UnimplementedError
from flowgraph.fetching import feed_converter
from flowgraph.graph.node import Operation, Tensor
from flowgraph.optimize.frozen import RESIZES
from flowgraph.optimize.frozen import VARIABLE as VARIABLE_NODE
from flowgraph.plan.plan import FETCH, OBJECT, VARIABLE, Operand, Plan, Slot
from flowgraph.runplan import OBSERVERS, RunPlan
from flowgraph.runtime.executor import Executable
from flowgraph.runtime.reference import NodeError
from flowgraph.runtime.state import State

Array = np.ndarray[Any, Any]


class Storage(Protocol):
    """Where the value of a variable lies (variables.py)."""

    array: Array

    def writable(self) -> Array:
        """The value's array, which nobody else holds; it is about to be written."""


class Program:
    """See the module docstring.

    Args:
        fetches: tensors and operations of one graph.
        feeds: tensors of it.   shapes: what is fed for them, in order.
        variables: for each variable of the graph that is read or written its Ref tensor.
        state: keeps the streams of random ops; a new one by default.

    Attributes:
        is_staged: True when sizes depend on values.
        writes: positions in ``variables`` of those that are written.
    """

    def __init__(
        self,
        fetches: Sequence[Tensor | Operation],
        feeds: Sequence[Tensor],
        shapes: Sequence[tuple[int, ...]],
        variables: Sequence[Tensor] = (),
        state: State | None = None,
    ) -> None:
        self._fetches, self._feeds, self._variables = list(fetches), list(feeds), list(variables)
        self._state = State() if state is None else state
        self._lock = threading.RLock()
        self._names = [ref.op.name for ref in variables]
        dump = compiler.Dump()
        tensors = [f for f in dict.fromkeys(fetches) if isinstance(f, Tensor)]
        others = [f for f in dict.fromkeys(fetches) if not isinstance(f, Tensor)]
        place = {tensor: i for i, tensor in enumerate(tensors)}
        self._places = [place[f] for f in fetches if isinstance(f, Tensor)]
        self._in_order = self._places == list(range(len(tensors)))
        graph = compiler.prepare([*tensors, *others], feeds, dump)
        sizes: Any = {ref.op.name: ref.dims for ref in variables}
        staged = compiler.stage(graph, shapes, sizes)
        resizes = any(node.attrs.get(RESIZES) for node in graph.nodes)
        open_variables = any(
            node.type == VARIABLE_NODE and None in (node.outputs[0].shape or (None,))
            for node in staged.first.nodes
        )
        self.is_staged = staged.rest is not None or resizes or open_variables
        self._writes = {name for node in graph.nodes for name in node.writes}
        self.writes = [i for i, name in enumerate(self._names) if name in self._writes]
        self._executable: _Bound | None = None
        self._run_plan: RunPlan | None = None
        if self.is_staged:
            self._run_plan = RunPlan(_Host(self._state), list(fetches), list(feeds))  # type: ignore[arg-type]
        else:
            self._plan = compiler.make_plan(staged.first, dump, changed=staged.changed)
            self._executable = self._bind()

    def _bind(self) -> _Bound:
        target = config.get("TARGET")
        if target == "cuda":
            raise UnimplementedError(
                None, None, "FLOWGRAPH_TARGET=cuda: eager execution does not run on CUDA devices"
            )
        converts = [feed_converter(t) for t in self._feeds]
        return _Bound(self._plan, self._state, target, converts, self._names)

    def run(self, values: tuple[Array, ...], storages: Sequence[Storage] = ()) -> list[Array]:
        """The fetched tensors' values; ``storages`` are those of ``variables``, in order."""
        with self._lock:
            executable = self._executable
            if executable is None:
                return self._run_staged(values, storages)
            if executable.in_host:
                executable = self._bind()  # a Python function runs the program it is in
            results = executable.run_on(values, storages)
        return results if self._in_order else [results[place] for place in self._places]

    def _run_staged(self, values: tuple[Array, ...], storages: Sequence[Storage]) -> list[Array]:
        assert self._run_plan is not None
        state = self._state
        for name, storage in zip(self._names, storages, strict=True):
            state.replace(name, storage.array)
            state.initialized.add(name)
        results = self._run_plan.run(values)
        for position in self.writes:
            array = state.variables[self._names[position]]
            storage = storages[position]
            if array.shape == storage.array.shape:
                storage.writable()[...] = array
            else:
                storage.array = array.copy()
        return [
            np.asarray(result)
            for result, fetch in zip(results, self._fetches, strict=True)
            if isinstance(fetch, Tensor)
        ]


class _Host:
    """The part of a session that a RunPlan needs."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _variable_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: a.shape for name, a in self._state.variables.items()}

    def _find_guard(self) -> None:
        """Nobody watches for NaN."""


class _Elsewhere(State):
    """A State whose variables lie elsewhere."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.counters = state.counters

    def variable(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> Array:
        """Nothing to make."""
        return np.empty(0, dtype)


class _Bound(Executable):
    """A plan whose variables are bound anew in every run."""

    def __init__(
        self,
        plan: Plan,
        state: State,
        target: str,
        converts: Sequence[Callable[[Any], Array]],
        names: Sequence[str],
    ) -> None:
        self._variable_slots: dict[str, Slot] = {}
        self._storages: Sequence[Storage] = ()
        super().__init__(plan, _Elsewhere(state), target, converts)
        self.to_check = frozenset()
        seen = any(i.kernel is None for i in plan.instrs) or any(
            operand.slot.kind == VARIABLE for operand in plan.fetches
        )
        #: Whether Python looks at variables too, not only kernels.
        self._is_seen = seen or target != "cpu" or self.checks is not None
        #: Per variable: whether it is written, its slot, and its block words.
        self._bindings = [
            (name in plan.writes, slot, self.late[slot])
            if (slot := self._variable_slots.get(name)) is not None
            else None
            for name in names
        ]
        self.state.initialized.update(names)

    def _bind_slot(self, slot: Slot) -> None:
        if slot.kind == VARIABLE:
            self._variable_slots[slot.name] = slot
            self.late[slot] = []
        else:
            super()._bind_slot(slot)

    def _bind_fetches(self) -> None:
        self.fetchers = []
        for operand in self.plan.fetches:
            if operand.slot.kind in (FETCH, OBJECT, VARIABLE) or operand.slot not in self.memory:
                self.fetchers.append(_late(self, operand))
            else:
                self.fetchers.append(self.window(operand).copy)

    def _reference_complaint(self, row: int) -> NodeError | None:
        arrays = [storage.array for storage in self._storages]
        for binding, array in zip(self._bindings, arrays, strict=False):
            if binding is not None and not array.dtype.hasobject:
                self.memory[binding[1]] = array.reshape(-1).view(np.uint8)
        try:
            return super()._reference_complaint(row)
        finally:
            self._forget_variables()

    def _forget_variables(self) -> None:
        for slot in self._variable_slots.values():
            self.memory.pop(slot, None)  # else it would count as a holder of the value

    def run_on(self, values: tuple[Array, ...], storages: Sequence[Storage]) -> list[Array]:
        """Run with these feeds and variables."""
        if storages:
            self._storages = storages
            self._point_at_variables(storages)
        try:
            results = None if OBSERVERS else self.attempt(values)
            if results is None:
                if not self.load(values):
                    raise AssertionError("values of other shapes than the program was made for")
                results = OBSERVERS[-1].walk(self) if OBSERVERS else self.run()
        finally:
            self._storages = ()
            if storages and self._is_seen:
                self._forget_variables()
        return results

    def _point_at_variables(self, storages: Sequence[Storage]) -> None:
        for binding, storage in zip(self._bindings, storages, strict=True):
            if binding is None:
                continue
            written, slot, words = binding
            array = storage.writable() if written else storage.array
            if array.dtype.hasobject:
                self.state.variables[slot.name] = array
                continue
            if words:
                address = array.ctypes.data
                for word, nbytes in words:
                    self.blocks[word] = address + nbytes
            if self._is_seen:
                self.memory[slot] = array.reshape(-1).view(np.uint8)


def _late(executable: Executable, operand: Operand) -> Callable[[], Array]:
    if operand.slot.kind == FETCH:
        return lambda: executable.window(operand)
    return lambda: executable.window(operand).copy()
