"""One operation at once: found by the kinds of its inputs, run on their arrays.

    execute("MatMul", (a, b), None, {"transpose_b": True})
      key   MatMul · float32[2, 3] · float32[4, 3] · transpose_b     ->  Runner, or make one
      run   the runner's function on the arrays of a and b           ->  EagerTensor

A Runner holds what building a graph finds out once: attrs, dtypes, shapes, and a plan of the one
operation with the kernel that a Session would use (program.py), so results have the same bits.

Ops that only move, compare or count elements run by their NumPy reference, which is the same to the
bit and needs no plan: those whose kernel is a view or a host instruction, and those without a
floating number among inputs and outputs.  The rule looks at the op and its dtypes alone.

Values that shape rules look at (axes, sizes) are part of the key where a plan depends on them.

Read next: program.py, tape.py (what is noted on the way).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, int64
from flowgraph.eager.complaints import as_of_now, inferred
from flowgraph.eager.program import Program
from flowgraph.eager.recording import _active, note
from flowgraph.eager.tensor import EagerTensor, Spec, spec_of, wrap
from flowgraph.eager.variables import EagerRef, EagerVariable
from flowgraph.eager.writing import write, write_as_before
from flowgraph.errors import did_you_mean
from flowgraph.graph.apply import _Inputs, apply_op, call, output_dtypes
from flowgraph.graph.attrs import given_attrs
from flowgraph.graph.convert import make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    CHECK,
    HOST,
    OPDEFS,
    PURE,
    RANDOM,
    WRITE,
    Arg,
    Call,
    Compiled,
    Custom,
    OpDef,
    View,
)
from flowgraph.graph.stack import graph_as_default
from flowgraph.lower.custom import CUSTOM_LOWERINGS, lower_on_host
from flowgraph.ops.variables import Variable
from flowgraph.runtime.compiled import implementation
from flowgraph.runtime.state import State
from flowgraph.shapes import Dims, is_fully_known

Array = np.ndarray[Any, Any]

#: Runners kept, and of each those for other values; the oldest go first.  One takes some 20 KB.
MAX_RUNNERS, MAX_VALUES = 8192, 256

#: Random streams, by (type, seeds, dtype): drawing again goes on where the last draw ended.
streams = State()

_runners: dict[tuple[Any, ...], Runner] = {}
_lock = threading.RLock()


class Runner:
    """What is known about one kind of call.

    Attributes:
        opdef, attrs, dtypes: the op, its complete attrs, and the dtypes of its outputs.
        run: arrays in, arrays out.
        specs: of the outputs; None when only the values tell.
        single: whether a call gives one tensor, not a list.
        scalars: (position, dtype) of the inputs that are given as Python numbers.
        fixed: (position, array) of the inputs whose value is part of the key.
        statics: positions whose values choose among ``by_value``; then ``run`` is not used.
    """

    __slots__ = (
        "attrs", "by_value", "dtypes", "fixed", "opdef", "run", "scalars", "single", "specs",
        "statics",
    )  # fmt: skip

    def __init__(self, opdef: OpDef, attrs: dict[str, Any], dtypes: Sequence[DType]) -> None:
        self.opdef, self.attrs, self.dtypes = opdef, attrs, dtypes
        self.run: Callable[[tuple[Array, ...]], Sequence[Array]] = _not_made
        self.specs: tuple[Spec, ...] | None = None
        outputs = opdef.signature.outputs
        self.single = len(outputs) == 1 and not outputs[0].is_list
        self.scalars: tuple[tuple[int, np.dtype[Any]], ...] = ()
        self.fixed: tuple[tuple[int, Array], ...] = ()
        self.statics: tuple[int, ...] = ()
        self.by_value: dict[tuple[bytes, ...], Runner] = {}


def _not_made(values: tuple[Array, ...]) -> Sequence[Array]:
    raise AssertionError("a runner without a function was run")


# --------------------------------------------------------------------------------------- the call


def execute(type: str, inputs: Sequence[Any], name: str | None, attrs: Mapping[str, Any]) -> Any:
    """The result of one operation: see ``apply_op``, whose arguments these are.

    Returns:
        An EagerTensor, a list of them, or None for an op without outputs.
    """
    # NB: this is the path of every operation; what is not usual goes to _execute.
    key: list[Any] = [type]
    values: list[Any] = []
    for x in inputs:
        kind = x.__class__
        if kind is EagerTensor:
            key.append(x._spec)
            values.append(x._array)
        elif kind is float or kind is int or kind is bool:
            key.append(kind)
            values.append(x)
        elif kind is EagerVariable or kind is EagerRef:
            if OPDEFS[type].effect == WRITE:
                written = write_as_before(type, inputs, attrs)
                return _execute(type, inputs, name, attrs) if written is None else written
            tensor = x._read_value() if kind is EagerVariable else x.storage.read()
            key.append(tensor._spec)
            values.append(tensor._array)
        elif (kind is list or kind is tuple) and x:
            part: list[Any] = []
            for item in x:
                kind = item.__class__
                if kind is EagerTensor:
                    part.append(item._spec)
                    values.append(item._array)
                elif kind is int:
                    part.append(item)
                else:
                    return _execute(type, inputs, name, attrs)
            if part[0].__class__ is int:
                values.append(None)
            key.append(tuple(part))
        else:
            return _execute(type, inputs, name, attrs)
    if attrs:
        key.append(tuple(attrs.items()))
    try:
        runner = _runners[tuple(key)]
    except (KeyError, TypeError):
        return _execute(type, inputs, name, attrs, tuple(key))
    try:
        for position, dtype in runner.scalars:
            values[position] = np.array(values[position], dtype)
    except (OverflowError, ValueError, TypeError):
        return _execute(type, inputs, name, attrs)
    for position, array in runner.fixed:
        values[position] = array
    if runner.statics:
        found = runner.by_value.get(tuple([values[i].tobytes() for i in runner.statics]))
        if found is None:
            return _execute(type, inputs, name, attrs, tuple(key))
        runner = found
    arrays = tuple(values)
    results = _run(runner, arrays, name)
    specs = runner.specs
    if specs is None:
        outputs = _tensors(results, runner.dtypes)
    elif len(specs) == 1:
        outputs = [EagerTensor(results[0], specs[0])]
    else:
        outputs = [EagerTensor(a, s) for a, s in zip(results, specs, strict=True)]
    if _active.records:
        note(type, runner.attrs, _flat_tensors(inputs, arrays), outputs)
    return outputs[0] if runner.single else outputs or None


def _run(runner: Runner, arrays: tuple[Array, ...], name: str | None) -> Sequence[Array]:
    try:
        return runner.run(arrays)
    except Exception as error:
        raise as_of_now(error, runner.opdef.type, name, arrays) from error


def _tensors(arrays: Sequence[Array], dtypes: Sequence[DType]) -> list[EagerTensor]:
    return [EagerTensor(a, spec_of(d, a.shape)) for a, d in zip(arrays, dtypes, strict=True)]


def _flat_tensors(inputs: Sequence[Any], arrays: tuple[Array, ...]) -> list[EagerTensor]:
    """The inputs one by one: those that are tensors themselves, the others made from ``arrays``."""
    found: list[EagerTensor] = []
    for x in inputs:
        items = x if isinstance(x, (list, tuple)) and isinstance(x[0], EagerTensor) else (x,)
        for item in items:
            if isinstance(item, EagerVariable):
                item = item._storage.read()
            found.append(item if isinstance(item, EagerTensor) else wrap(arrays[len(found)]))
    return found


# ------------------------------------------------------------------- the call, in its general form


def _execute(
    type: str,
    inputs: Sequence[Any],
    name: str | None,
    attrs: Mapping[str, Any],
    key: tuple[Any, ...] | None = None,
) -> Any:
    """``execute`` for what has no runner; makes one and keeps it under ``key``."""
    opdef = OPDEFS.get(type)
    if opdef is None:
        raise TypeError(f"there is no op type {type!r}{did_you_mean(type, OPDEFS.known())}")
    special = _SPECIAL.get(type)
    if special is not None:
        return special(attrs)
    other = _other_graph(inputs)
    if other is not None:
        with graph_as_default(other):
            return apply_op(type, *inputs, name=name, **attrs)
    label = (name or type).rstrip("/")
    complete = given_attrs(opdef, attrs)
    flat = _Inputs(opdef, inputs, complete, label).tensors()
    for attr, spec in opdef.signature.attrs.items():
        if attr not in complete:
            raise TypeError(f"{type}: attr {attr!r} ({spec.kind}) must be given")
    if opdef.effect == WRITE:
        return write(opdef, complete, flat, inputs, attrs, label)
    tensors = [_value_of(tensor) for tensor in flat]
    arrays = tuple([tensor._array for tensor in tensors])
    runner = _prepare(opdef, complete, tensors, label)
    if key is not None:
        _keep(key, runner, opdef, inputs, tensors)
    outputs = _tensors(_run(runner, arrays, label), runner.dtypes)
    if _active.records:
        note(type, complete, tensors, outputs)
    return outputs[0] if runner.single else outputs or None


def _constant(attrs: Mapping[str, Any]) -> EagerTensor:
    array = attrs["value"]
    array.setflags(write=False)
    return wrap(array)


def _placeholder(attrs: Mapping[str, Any]) -> Any:
    raise RuntimeError("tf.placeholder() is not compatible with eager execution.")


#: Ops that are no computation: type -> what they give for their attrs.
_SPECIAL: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "Const": _constant,
    "NoOp": lambda attrs: None,
    "IsVariableInitialized": lambda attrs: wrap(np.array(True)),
    "Placeholder": _placeholder,
}


def _other_graph(inputs: Sequence[Any]) -> Graph | None:
    """The graph of an input that is a tensor of a graph: the operation is added to it."""
    for value in inputs:
        if isinstance(value, Tensor):
            if not value.graph.executes:
                return value.graph
        elif isinstance(value, (list, tuple)):
            found = _other_graph(value)
            if found is not None:
                return found
        elif isinstance(value, Variable) and not isinstance(value, EagerVariable):
            return value.graph
    return None


def _value_of(tensor: Tensor) -> EagerTensor:
    if isinstance(tensor, EagerRef):
        return tensor.storage.read()
    assert isinstance(tensor, EagerTensor)
    return tensor


def _prepare(
    opdef: OpDef, attrs: dict[str, Any], tensors: Sequence[EagerTensor], label: str
) -> Runner:
    """A runner for inputs like these (and with these values where a shape rule looks at them)."""
    dtypes = output_dtypes(opdef, attrs)
    runner = Runner(opdef, attrs, dtypes)
    arrays = [tensor._array for tensor in tensors]
    shapes, looked_at = inferred(opdef, attrs, tensors, arrays, dtypes, label)
    if runs_by_reference(opdef, [t.dtype for t in tensors], dtypes):
        runner.run = _Reference(runner, tensors)
        known = not looked_at and opdef.effect == PURE
    else:
        runner.run = _planned(runner, tensors, shapes, sorted(looked_at))
        runner.statics = tuple(sorted(looked_at))
        known = True
    if known and all(is_fully_known(dims) for dims in shapes):
        runner.specs = tuple(spec_of(d, s) for d, s in zip(dtypes, shapes, strict=True))  # type: ignore[arg-type]
    return runner


def runs_by_reference(opdef: OpDef, inputs: Sequence[DType], outputs: Sequence[DType]) -> bool:
    """The rule of the module docstring."""
    kernel = opdef.kernel
    if kernel is None or isinstance(kernel, (View, Compiled)) or opdef.effect == CHECK:
        return True
    if isinstance(kernel, Custom) and CUSTOM_LOWERINGS.get(kernel.name) is lower_on_host:
        return True
    return opdef.effect == PURE and not any(d.np.kind in "fc" for d in (*inputs, *outputs))


class _Reference:
    """Runs the NumPy reference of one op."""

    __slots__ = ("input_dtypes", "runner")

    def __init__(self, runner: Runner, tensors: Sequence[EagerTensor]) -> None:
        self.runner = runner
        self.input_dtypes = [t.dtype for t in tensors]

    def __call__(self, values: tuple[Array, ...]) -> list[Array]:
        runner = self.runner
        opdef = runner.opdef
        rule_call = Call(
            opdef.type,
            runner.attrs,
            self.input_dtypes,
            [a.shape for a in values],
            runner.dtypes,
            value=values.__getitem__,
        )
        if runner.specs is not None:
            rule_call.out_shapes = [spec.dims for spec in runner.specs]
        else:
            rule_call.out_shapes = opdef.infer(rule_call)
        given: Sequence[Array] = values
        if opdef.effect == RANDOM:
            given = (streams.counter(stream_name(opdef.type, runner.attrs)), *values)
        with np.errstate(all="ignore"):
            results = implementation(opdef)(rule_call, *given)
        if not isinstance(results, (tuple, list)):
            results = () if results is None else (results,)
        return [
            np.asarray(result, dtype=dtype.np, order="C")
            for result, dtype in zip(results, runner.dtypes, strict=True)
        ]


def stream_name(type: str, attrs: Mapping[str, Any]) -> str:
    """What the stream of a random op is kept by: operations of equal attrs share one."""
    parts = [attrs[name] for name in sorted(attrs) if not name.startswith("_")]
    words = [getattr(part, "name", part) for part in parts]
    return "_".join([type, *(re.sub(r"[^A-Za-z0-9.]", "m", str(word)) for word in words)])


def _planned(
    runner: Runner, tensors: Sequence[EagerTensor], shapes: Sequence[Dims], statics: Sequence[int]
) -> Callable[[tuple[Array, ...]], Sequence[Array]]:
    """The op with its kernel, as a program; inputs in ``statics`` are constants of it."""
    opdef = runner.opdef
    graph = Graph()
    feeds: list[Tensor] = []
    positions: list[int] = []
    inputs: list[Tensor] = []
    with graph.as_default():
        for i, tensor in enumerate(tensors):
            if i in statics:
                inputs.append(make_constant(tensor._array.copy()))
                continue
            inputs.append(call.Placeholder(dtype=tensor.dtype, shape=tensor.dims))
            feeds.append(inputs[-1])
            positions.append(i)
        name = stream_name(opdef.type, runner.attrs) if opdef.effect == RANDOM else opdef.type
        op = graph.create_op(opdef.type, inputs, runner.dtypes, shapes, name, runner.attrs)
    program = Program(op.outputs, feeds, [t.dims for t in feeds], state=streams)  # type: ignore[misc]
    if len(positions) == len(tensors):
        return program.run
    if len(positions) == 1:
        (only,) = positions
        return lambda values: program.run((values[only],))
    if not positions:
        return lambda values: program.run(())
    pick = itemgetter(*positions)
    return lambda values: program.run(pick(values))


def _keep(
    key: tuple[Any, ...],
    runner: Runner,
    opdef: OpDef,
    inputs: Sequence[Any],
    tensors: Sequence[EagerTensor],
) -> None:
    """Remember ``runner`` for calls like this one, where the key says all there is to know."""
    if opdef.effect == HOST or any(name.startswith("_") for name in runner.attrs):
        return
    scalars: list[tuple[int, np.dtype[Any]]] = []
    fixed: list[tuple[int, Array]] = []
    position = 0
    for arg, x in zip(opdef.signature.inputs, inputs, strict=True):
        if arg.is_list:
            if not all(isinstance(item, EagerTensor) for item in x):
                return
            position += len(x)
            continue
        tensor = tensors[position]
        if isinstance(x, (float, int)):
            if isinstance(x, int) and tensor.dtype is int64 and not _decided(opdef, arg, inputs):
                return  # its size made it int64; a smaller one would be int32
            scalars.append((position, tensor.dtype.np))
        elif isinstance(x, (list, tuple)):
            fixed.append((position, tensor._array))
        position += 1
    try:
        hash(key)
    except TypeError:
        return
    known = {i for i, _ in fixed}
    statics = tuple(i for i in runner.statics if i not in known)
    runner.scalars, runner.fixed = tuple(scalars), tuple(fixed)
    with _lock:
        if not statics:
            _runners[key] = runner
        else:
            base = _runners.get(key)
            if base is None or base.statics != statics:
                base = Runner(opdef, runner.attrs, runner.dtypes)
                base.scalars, base.fixed, base.statics = runner.scalars, runner.fixed, statics
                _runners[key] = base
            values = tuple([tensors[i]._array.tobytes() for i in statics])
            if len(base.by_value) >= MAX_VALUES:
                base.by_value.pop(next(iter(base.by_value)))
            base.by_value[values] = runner
        if len(_runners) > MAX_RUNNERS:
            _runners.pop(next(iter(_runners)))


def _decided(opdef: OpDef, arg: Arg, inputs: Sequence[Any]) -> bool:
    """Whether a tensor among the inputs decides the dtype of ``arg``."""
    return any(
        other.dtype_attr == arg.dtype_attr and isinstance(x, EagerTensor)
        for other, x in zip(opdef.signature.inputs, inputs, strict=True)
    )
