"""A run, one operation after the other: the user's operations, not optimised, by their references.

    FrozenGraph of the run  ->  Step, Step, Step ...      results and new values of variables

This is the slow and obvious way to run a graph.  What blames NaNs, compares targets and steps
through programs looks at its steps: the operation, its operands, its results, and where in which
loop it ran.  Branches and loops are entered.

Nothing of the session changes unless the owner of the walk says so: variables, random streams and
the results of host operations come from a Source, which may be the session itself (debugger), or a
copy of what it held before a run and a record of what its host operations returned (blame).

Read next: blame.py, debugger.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.errors import OpError
from flowgraph.graph.apply import argument_labels
from flowgraph.graph.node import Operation
from flowgraph.graph.report import op_message
from flowgraph.graph.site import Site, format_site
from flowgraph.optimize.frozen import ABSENT, FEED, HOST, VARIABLE, FrozenGraph, Node, Value
from flowgraph.runtime import faults
from flowgraph.runtime.interpret import evaluate
from flowgraph.runtime.state import State, set_current_state
from flowgraph.shapes import format_dims, is_fully_known

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """A branch or loop that a step is in.

    body: ``then_branch``, ``else_branch``, ``cond`` or ``body``.   iteration: of a loop, from 0.
    """

    node: Node
    body: str
    iteration: int

    def __str__(self) -> str:
        name = self.node.name.rpartition("/")[0] or self.node.name
        if self.node.type == "If":
            return f"the {self.body.partition('_')[0]} branch of {name!r}"
        what = "the condition" if self.body == "cond" else "iteration"
        return f"{what} {self.iteration} of the loop {name!r}"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operation that ran.

    Attributes:
        number: from 0, in order of execution.
        node: of the FrozenGraph.   op: the user's Operation, or None.
        inputs, outputs: arrays.   frames: branches and loops around it, outermost first.
    """

    number: int
    node: Node
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    frames: tuple[Frame, ...]

    @property
    def op(self) -> Operation | None:
        """The user's operation."""
        return self.node.op

    @property
    def name(self) -> str:
        """Of the operation."""
        return self.node.name

    @property
    def type(self) -> str:
        """The op type."""
        return self.node.type

    @property
    def site(self) -> Site:
        """The user's (file, line) that made it."""
        return ("", 0) if self.node.op is None else self.node.op.site

    @property
    def line(self) -> str:
        """``train.py:8``."""
        return format_site(self.site)

    def labels(self) -> list[str]:
        """What its inputs are called: ``x``, ``y``."""
        op = self.node.op
        if op is None or len(op.inputs) != len(self.inputs):
            return [f"input {i}" for i in range(len(self.inputs))]
        return argument_labels(op)

    def __str__(self) -> str:
        outputs = ", ".join(f"{a.dtype.name}{list(a.shape)}" for a in self.outputs)
        at = f"   {self.line}" if self.line else ""
        inside = "".join(f"   in {frame}" for frame in self.frames[-1:])
        return f"{self.number}: {self.type} {self.name!r}  {outputs}{at}{inside}"


#: Steps, and in the end the results of a body.
Steps = Generator[Step, None, list[Array]]


class Source:
    """Where a walk gets variables, random streams and the results of host operations.

    Args:
        state: of the session.
        variables: values by name (default: the state's own).
        initialized: names of variables that have a value.
        counters: positions of random streams, which the walk advances (default: the state's own).
        hosts: results of host operations by name, in order, taken instead of running them again.
        strict: reading a variable without a value is an error.
    """

    def __init__(
        self,
        state: State,
        variables: Mapping[str, Array] | None = None,
        initialized: set[str] | None = None,
        counters: dict[str, Array] | None = None,
        hosts: Mapping[str, deque[tuple[Array, ...]]] | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self.state, self.strict = state, strict
        self.variables = state.variables if variables is None else variables
        self.initialized = state.initialized if initialized is None else initialized
        self.hosts = hosts
        self._counters = counters

    def counter(self, name: str) -> Array:
        """The position of the random stream of an operation."""
        if self._counters is None:
            return self.state.counter(name)
        return self._counters.setdefault(name, np.zeros(1, np.int64))

    def variable(self, value: Value) -> Array:
        """The value of a variable; zeros for one that has none yet (nobody may read it)."""
        name = value.node.attrs["variable"]
        array = self.variables.get(name)
        if array is not None and name in self.initialized:
            return array.copy()
        sizes = [0 if size is None else size for size in value.shape or ()]
        return np.zeros(sizes, value.dtype.np)

    def host(self, node: Node, arrays: list[Array]) -> list[Array]:
        """The outputs of a host operation."""
        if self.hosts is not None and not node.writes:
            known = self.hosts.get(node.name)
            if known:
                return list(known.popleft())
        before = set_current_state(self.state)
        try:
            return evaluate(node, arrays, self)
        finally:
            set_current_state(before)


class Walk:
    """One run of a graph, step by step.

    Args:
        graph: not optimised, or optimised but not specialised.
        feeds: one array per feed of the graph.
        source: see Source.
    """

    def __init__(self, graph: FrozenGraph, feeds: Sequence[Array], source: Source) -> None:
        self.graph, self.feeds, self.source = graph, feeds, source
        #: After the last step: the fetched arrays.
        self.results: list[Array] = []
        #: New values of variables so far.
        self.written: dict[str, Array] = {}
        self._number = 0
        #: id of an array that stands for no value yet -> it, and the capacity of a stack.
        self._hollow: dict[int, tuple[Array, int]] = {}

    def steps(self) -> Iterator[Step]:
        """Run; every operation is yielded when it has run."""
        results = yield from self._run(self.graph, self.feeds, ())
        self.results = [
            self._hollow_array(value, len(array) if array.ndim else 0)
            if id(array) in self._hollow
            else array
            for value, array in zip(self.graph.fetches, results, strict=True)
        ]

    def _run(self, graph: FrozenGraph, feeds: Sequence[Array], frames: tuple[Frame, ...]) -> Steps:
        known: dict[Value, Array] = dict(zip(graph.feeds, feeds, strict=True))
        for node in graph.nodes:
            if node.type == FEED:
                continue
            if node.type == VARIABLE:
                if node.outputs[0] not in known:
                    known[node.outputs[0]] = self.source.variable(node.outputs[0])
                continue
            if node.type == ABSENT:
                known[node.outputs[0]] = self._hollow_array(node.outputs[0])
                continue
            if self.source.strict:
                self._check_values(node)
            arrays = [known[v] for v in node.inputs]
            if node.const is not None:
                results = [node.const]
            elif node.bodies:
                results = yield from self._flow(node, arrays, frames)
            else:
                results = self._one(node, arrays)
            known.update(zip(node.outputs, results, strict=True))
            if not frames:
                self.written.update(zip(node.writes, results, strict=False))
            yield Step(self._number, node, tuple(arrays), tuple(results), frames)
            self._number += 1
        return [known[v] for v in graph.fetches]

    def _flow(self, node: Node, arrays: list[Array], frames: tuple[Frame, ...]) -> Steps:
        written = len(node.writes)
        if node.type == "If":
            taken = "then_branch" if bool(arrays[written]) else "else_branch"
            given = [*arrays[:written], *arrays[written + 1 :]]
            frame = Frame(node, taken, 0)
            return (yield from self._run(node.bodies[taken], given, (*frames, frame)))
        cond, body = node.bodies["cond"], node.bodies["body"]
        carried, captured = arrays[: len(node.outputs)], arrays[len(node.outputs) :]
        iteration = 0
        while True:
            inside = (*frames, Frame(node, "cond", iteration))
            decided = yield from self._run(cond, [*carried, *captured], inside)
            if not bool(decided[-1]):
                return carried
            inside = (*frames, Frame(node, "body", iteration))
            carried = yield from self._run(body, [*carried, *captured], inside)
            iteration += 1

    def _check_values(self, node: Node) -> None:
        """FailedPreconditionError when ``node`` reads a variable that has no value."""
        if node.bodies or node.type == "IsVariableInitialized":
            return
        blind = node.writes and node.type == "Assign"
        for value in node.inputs[1 if blind else 0 :]:
            name = str(value.node.attrs.get("variable"))
            if value.node.type == VARIABLE and name not in self.source.initialized:
                raise faults.uninitialized({name: value.node.op}, [name])

    def _one(self, node: Node, arrays: list[Array]) -> list[Array]:
        if node.type == "IsVariableInitialized":
            variable = node.inputs[0].node.attrs.get("variable")
            known = variable is None or variable in self.source.initialized
            return [np.array(known or variable in self.written)]
        if self._hollow or node.type == "EmptyStack":
            results = self._without_values(node, arrays)
            if results is not None:
                return results
        try:
            if node.effect == HOST:
                return self.source.host(node, arrays)
            return evaluate(node, arrays, self.source)
        except OpError as error:
            if error.op is not None or node.op is None or type(error) is OpError:
                raise
            raise _at(node, arrays, type(error), error.message) from None
        except Exception as error:
            if node.op is None:
                raise
            what = f"{type(error).__name__}: {error}"
            raise _at(node, arrays, faults.class_of(error), what) from error

    # ------------------------------------------------------------------------- values not there yet

    def _hollow_array(self, value: Value, capacity: int = 0) -> Array:
        rest = () if value.shape is None else value.shape[1:]
        sizes = (capacity, *(0 if size is None else size for size in rest))
        array = np.zeros(sizes if value.shape != () else (), value.dtype.np)
        self._hollow[id(array)] = (array, capacity)
        return array

    def _without_values(self, node: Node, arrays: list[Array]) -> list[Array] | None:
        """The outputs of a node that has to do with values that are not there yet, or None.

        A stack of elements whose size is not known gets its memory with the first element; what
        only the other branch makes is stored nowhere.
        """
        hollow = [id(array) in self._hollow for array in arrays]
        if node.type == "EmptyStack" and not is_fully_known(node.attrs["row_shape"]):
            return [self._hollow_array(node.outputs[0], int(arrays[0]))]
        if not any(hollow):
            return None
        if node.type == "StackStore":
            stack, _, value = arrays
            if hollow[2]:
                return [stack]
            capacity = self._hollow[id(stack)][1]
            arrays[0] = np.zeros((capacity, *value.shape), value.dtype)
            return None
        if node.type == "StackResize" and hollow[0]:
            return [self._hollow_array(node.outputs[0], int(arrays[1]))]
        if node.type == "Identity":
            return arrays
        return [self._hollow_array(value) for value in node.outputs]


def _at(node: Node, arrays: Sequence[Array], kind: type[OpError], what: str) -> OpError:
    """The error of an operation, with its operands and line."""
    shapes = [f"{a.dtype.name}{format_dims(a.shape)}" for a in arrays]
    text = op_message(f"{node.type}: {what}", node.op, shapes=shapes)
    return kind(None, node.op, text)  # type: ignore[call-arg]
