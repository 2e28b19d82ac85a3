"""A Python function, traced for one signature: its graph, its plans, its gradient.

Tracing runs the Python code with symbolic tensors (FuncGraph); everything that has effects is run,
in order, whether or not its result is returned.  A tape notes a call as one entry; its gradient is
a graph of its own, which takes what it needs of the forward run from there.  With more than one
tape around, or for derivatives of that gradient, the Python function itself is executed.

Read next: func_graph.py, program.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.eager.func_graph import FuncGraph
from flowgraph.eager.program import Program
from flowgraph.eager.recording import Record, note, paused, start, stop, tapes
from flowgraph.eager.specs import TensorSpec
from flowgraph.eager.tape import backward
from flowgraph.eager.tensor import EagerTensor, wrap
from flowgraph.eager.variables import EagerVariable
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.gradients import _Backward
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.nest import map_structure
from flowgraph.ops.variables import Variable


class ConcreteFunction:
    """A function traced for one signature.

    Calling it with tensors runs its plan; made by ``Function.get_concrete_function``.

    Attributes:
        graph: its FuncGraph.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        #: The Python function, of the tensors alone.
        self._python: Callable[..., Any]
        self.graph: FuncGraph
        self._inputs: list[Tensor] = []
        self._outputs: list[Tensor] = []
        self._structure: Any = None
        self._is_single = False
        #: (dtypes and shapes, with what the gradient needs) -> program, and its variables
        self._programs: dict[Any, tuple[Program, list[EagerVariable]]] = {}
        self._gradient: _Gradient | None = None

    # ---- tracing

    def trace(
        self,
        python: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        may_make_variables: bool,
    ) -> None:
        """Run ``python(*args, **kwargs)`` on symbols: TensorSpecs become placeholders."""
        graph = FuncGraph(self.name, EagerTensor._executing, may_make_variables=may_make_variables)
        inputs: list[Tensor] = []

        def symbol(leaf: Any) -> Any:
            if not isinstance(leaf, TensorSpec):
                return leaf
            inputs.append(call.Placeholder(dtype=leaf.dtype, shape=leaf.shape, name=leaf.name))
            return inputs[-1]

        with graph.as_default(), paused():
            symbols = map_structure(symbol, (args, kwargs))
            result = python(*symbols[0], **symbols[1])
            outputs: list[Tensor] = []
            self._structure = map_structure(functools.partial(_taken, outputs), result)
        self.graph, self._inputs, self._outputs = graph, inputs, outputs
        self._is_single = self._structure.__class__ is _Place and self._structure.kind == "tensor"
        self._python = functools.partial(_of_tensors, python, args, kwargs)

    # ---- what it is

    @property
    def inputs(self) -> list[Tensor]:
        """The placeholders: of the arguments, then of what is captured."""
        return self._inputs + [
            inner for _, inner in self.graph.captures.values() if inner.op.type == "Placeholder"
        ]

    @property
    def captured_inputs(self) -> list[Any]:
        """The tensors from outside that it uses."""
        return list(self._captured())

    @property
    def outputs(self) -> list[Tensor]:
        """The symbols of the results."""
        return list(self._outputs)

    @property
    def structured_outputs(self) -> Any:
        """The symbols of the results, in the structure that the function returns."""
        return _filled(self._structure, self._outputs)

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables that it uses."""
        return tuple(self.graph.refs)

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """Those that are trainable."""
        return tuple(v for v in self.graph.refs if v.trainable)

    @property
    def output_shapes(self) -> Any:
        """The static shapes of the results."""
        return map_structure(lambda t: None if t is None else t.shape, self.structured_outputs)

    @property
    def output_dtypes(self) -> Any:
        """The dtypes of the results."""
        return map_structure(lambda t: None if t is None else t.dtype, self.structured_outputs)

    def __repr__(self) -> str:
        return f"<flowgraph ConcreteFunction {self.name}>"

    # ---- running

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it.

        Args:
            args: one tensor per placeholder, or what converts to one.
            kwargs: those, by the names of the arguments.
        """
        given = [*args]
        for placeholder in self._inputs[len(args) :]:
            if placeholder.op.name not in kwargs:
                raise TypeError(f"{self.name}: the argument {placeholder.op.name!r} is missing")
            given.append(kwargs.pop(placeholder.op.name))
        if kwargs or len(given) != len(self._inputs):
            raise TypeError(
                f"{self.name} takes {len(self._inputs)} tensors, {len(args)} and {list(kwargs)} "
                "were given"
            )
        if not get_default_graph().executes:
            return self._python(*given)
        tensors: list[Any] = [
            convert_to_tensor(x, dtype=p.dtype) for x, p in zip(given, self._inputs, strict=True)
        ]
        return self.run(tensors)

    def _captured(self) -> Sequence[EagerTensor]:
        captures = self.graph.captures
        if not captures:
            return ()
        pairs = captures.values()
        return [tensor for tensor, inner in pairs if inner.op.type == "Placeholder"]  # type: ignore[misc]

    def run(self, tensors: Sequence[EagerTensor]) -> Any:
        """The results for these arguments."""
        records = tapes()
        values = [*tensors, *self._captured()]
        if records and self._is_noted(records, tensors):
            if len(records) > 1:
                return self._python(*tensors)
            return _filled(self._structure, self._run_noted(tensors))
        outputs = self._run(values)
        if self._is_single:
            return outputs[0]
        return _filled(self._structure, outputs)

    def _is_noted(self, records: Sequence[Record], tensors: Sequence[EagerTensor]) -> bool:
        values = [*tensors, *self._captured()]
        return any(
            any(id(tensor) in record.known for tensor in values)
            or any(
                v in record.variables or (record.watches_variables and v.trainable)
                for v in self.graph.refs
            )
            for record in records
        )

    def _run(
        self, values: Sequence[EagerTensor], extra: Sequence[Tensor] = ()
    ) -> list[EagerTensor]:
        """The results, and the values of ``extra``."""
        key = tuple([tensor._spec for tensor in values]), bool(extra)
        known = self._programs.get(key)
        if known is None:
            graph = self.graph
            stop = self._gradient.first if self._gradient is not None else None
            fetches: list[Any] = [*self._outputs, *extra, *graph.effects(0, stop)]
            shapes = [tensor._spec.dims for tensor in values]
            program = Program(fetches, self.inputs, shapes, list(graph.refs.values()))
            known = self._programs[key] = program, list(graph.refs)
        program, variables = known
        storages = [variable._storage for variable in variables]
        arrays = program.run(tuple([tensor._array for tensor in values]), storages)
        return [wrap(array) for array in arrays]

    def _run_noted(self, tensors: Sequence[EagerTensor]) -> list[EagerTensor]:
        """Run it and tell the tape."""
        gradient = self._gradient = self._gradient or _Gradient(self)
        values = [*tensors, *self._captured()]
        read = self.graph.variables_read
        before = [variable._read_value() for variable in read]
        results = self._run(values, gradient.needed)
        count = len(self._outputs)
        outputs, needed = results[:count], results[count:]
        inputs = [*values, *before]

        def going_back(dys: Sequence[Any]) -> Sequence[Any]:
            if tapes():
                at_once = functools.partial(self._python, *tensors)
                return _at_once(at_once, [*values, *read], dys)
            return gradient.run(outputs, needed, dys, len(values))

        note(self.name, {}, inputs, outputs, going_back)
        return outputs


def _at_once(
    function: Callable[[], Any], sources: Sequence[Any], dys: Sequence[Any]
) -> Sequence[Any]:
    """The gradients of what ``function`` returns, by executing it under a tape."""
    record = Record(watches_variables=False)
    for source in sources:
        if isinstance(source, EagerVariable):
            record.watch_variable(source, source._storage.read())
        elif source.dtype.np.kind in "fc":
            record.watch(source)
    start(record)
    try:
        outputs: list[Any] = []
        map_structure(functools.partial(_taken, outputs), function())
    finally:
        stop(record)
    present = [(y, dy) for y, dy in zip(outputs, dys, strict=True) if dy is not None]
    return backward(record, [y for y, _ in present], sources, [dy for _, dy in present])


class _Gradient:
    """The gradient of a ConcreteFunction: more operations of its graph, for its backward run.

        forward run     arguments                       ->  results, and what is needed
        backward run    dys, what is needed             ->  dxs

    *Needed* is every tensor of the forward run that an operation of the backward run takes; there
    it is fed.  Reads of variables belong to the forward run, which has their values of that moment.

    Attributes:
        needed: tensors of the function's graph.
    """

    def __init__(self, function: ConcreteFunction) -> None:
        graph = self._graph = function.graph
        self.first = graph.version
        self._places = [i for i, y in enumerate(function._outputs) if y.dtype.np.kind in "fc"]
        ys = [function._outputs[i] for i in self._places]
        inputs = function.inputs
        self._count = len(inputs)
        xs = [*inputs, *(graph.refs[v] for v in graph.variables_read)]
        with graph._at_the_top(), paused():
            dys = [call.Placeholder(dtype=y.dtype, shape=y.dims, name="dy") for y in ys]
            walk = _Backward(graph, ys, xs, (), False)
            for y, dy in zip(ys, dys, strict=True):
                walk.give(y, dy)
            walk.run()
            self._fetches: list[Tensor] = []
            self._structure = [_taken(self._fetches, walk.gradient_of(x)) for x in xs]
        self.needed = self._frontier(set(dys))
        self._feeds = [*dys, *self.needed]
        self._programs: dict[Any, tuple[Program, list[EagerVariable]]] = {}

    def _frontier(self, dys: set[Tensor]) -> list[Tensor]:
        found: dict[Tensor, None] = {}
        for op in self._graph._operations[self.first :]:
            if op._context is not None:
                continue  # its owner takes what it uses from outside
            if op.type == "Identity" and op.inputs[0].dtype.is_ref:
                found[op.outputs[0]] = None
                continue
            for tensor in op.inputs:
                own = tensor.op
                # NB: branches take variables themselves, but only for their shapes.
                is_before = own._id < self.first and own._context is None
                if is_before and own.type != "Const" and not tensor.dtype.is_ref:
                    found[tensor] = None
        return [tensor for tensor in found if tensor not in dys]

    def run(
        self, outputs: Sequence[EagerTensor], needed: Sequence[EagerTensor], dys: Sequence[Any],
        count: int,
    ) -> list[Any]:  # fmt: skip
        """dx for each of ``count`` arguments and captured tensors, then for the variables."""
        values: list[EagerTensor] = []
        for i in self._places:
            y, dy = outputs[i], dys[i]
            dense = np.zeros(y._spec.dims, y.dtype.np) if dy is None else None
            values.append(wrap(dense) if dense is not None else _dense(dy))
        values += needed
        key = tuple([tensor._spec for tensor in values])
        known = self._programs.get(key)
        if known is None:
            graph = self._graph
            shapes = [tensor._spec.dims for tensor in values]
            fetches: list[Any] = [*self._fetches, *graph.effects(self.first)]
            program = Program(fetches, self._feeds, shapes, list(graph.refs.values()))
            known = self._programs[key] = program, list(graph.refs)
        program, variables = known
        arrays = program.run(
            tuple([tensor._array for tensor in values]), [v._storage for v in variables]
        )
        found = [wrap(array) for array in arrays]
        dxs = [_filled(part, found) for part in self._structure]
        later = [None] * (count - self._count)  # captured by the gradient itself
        return [*dxs[: self._count], *later, *dxs[self._count :]]


def _dense(dy: Any) -> EagerTensor:
    tensor: Any = convert_to_tensor(dy)
    return tensor


# ------------------------------------------------------------------- results and their structure


class _Place:
    """Stands in a structure for the result number ``number``, or for a composite of several."""

    __slots__ = ("kind", "parts")

    def __init__(self, kind: str, parts: list[int | None]) -> None:
        self.kind, self.parts = kind, parts


def _taken(outputs: list[Any], leaf: Any) -> Any:
    """A place for ``leaf``, whose tensors are appended to ``outputs``."""

    def add(tensor: Any) -> int:
        tensor = convert_to_tensor(tensor)
        if not get_default_graph().executes:
            tensor = call.Identity(tensor)
        outputs.append(tensor)
        return len(outputs) - 1

    if leaf is None or isinstance(leaf, Operation):
        return None
    if isinstance(leaf, IndexedSlices):
        parts = (leaf.values, leaf.indices, leaf.dense_shape)
        return _Place("slices", [None if part is None else add(part) for part in parts])
    if isinstance(leaf, SparseTensor):
        return _Place("sparse", [add(p) for p in (leaf.indices, leaf.values, leaf.dense_shape)])
    if isinstance(leaf, Variable):
        leaf = leaf.value()
    try:
        return _Place("tensor", [add(leaf)])
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"a function given to tf.function returns {leaf!r}; it must return tensors, nests of "
            "tensors, or None"
        ) from error


def _filled(structure: Any, outputs: Sequence[Any]) -> Any:
    """``structure`` with the results at their places."""

    def fill(place: Any) -> Any:
        if place is None:
            return None
        parts: list[Any] = [None if i is None else outputs[i] for i in place.parts]
        if place.kind == "slices":
            return IndexedSlices(*parts)
        if place.kind == "sparse":
            return SparseTensor(*parts)
        return parts[0]

    if structure.__class__ is _Place or structure is None:
        return fill(structure)
    return map_structure(fill, structure)


def _of_tensors(python: Callable[..., Any], args: Any, kwargs: Any, *tensors: Any) -> Any:
    """``python(*args, **kwargs)`` with ``tensors`` in the places of TensorSpecs."""
    rest = iter(tensors)
    filled = map_structure(lambda x: next(rest) if isinstance(x, TensorSpec) else x, (args, kwargs))
    return python(*filled[0], **filled[1])
