"""A tiny interpreter: runs a graph with the NumPy references of its ops, in creation order.

It shares nothing with the compiler (no freezing, planning, kernels): an oracle for all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.apply import variable_of
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, RANDOM, WRITE, Call


class Interpreter:
    """Keeps what a session keeps: variables and the positions of random streams."""

    def __init__(self) -> None:
        self.variables: dict[str, np.ndarray] = {}
        self.counters: dict[str, np.ndarray] = {}

    def run(
        self, fetches: Sequence[Tensor | Operation], feeds: Mapping[Tensor, Any] | None = None
    ) -> list[Any]:
        """The values of ``fetches``; None for operations."""
        values: dict[Tensor, np.ndarray] = {
            t: np.asarray(v, t.dtype.np) for t, v in (feeds or {}).items()
        }
        for op in _needed(fetches, values):
            self._run_op(op, values)
        return [self._value(f, values) if isinstance(f, Tensor) else None for f in fetches]

    def _value(self, tensor: Tensor, values: Mapping[Tensor, np.ndarray]) -> Any:
        if tensor in values:
            return values[tensor]
        return self.variables.get(variable_of(tensor).name)

    def _run_op(self, op: Operation, values: dict[Tensor, np.ndarray]) -> None:
        opdef = OPDEFS[op.type]
        if op.type == "VariableV2":
            return
        arrays = [self._value(t, values) for t in op.inputs]
        missing = [t for t, a in zip(op.inputs, arrays, strict=True) if a is None]
        if missing and op.type not in ("Assign", "IsVariableInitialized"):
            raise InvalidArgumentError(None, op, f"{missing[0].name} is not initialized")
        if op.type == "IsVariableInitialized":
            values[op.outputs[0]] = np.array(not missing)
            return
        call = call_of(op, arrays)
        if opdef.effect == RANDOM:
            arrays.insert(0, self.counters.setdefault(op.name, np.zeros(1, np.int64)))
        with np.errstate(all="ignore"):
            results = opdef.reference(call, *arrays)
        if not isinstance(results, (tuple, list)):
            results = (results,)
        if opdef.effect == WRITE:
            refs = [t for t in op.inputs if t.dtype.is_ref]
            for ref, new in zip(refs, results, strict=True):
                self.variables[variable_of(ref).name] = np.array(new, ref.dtype.np)
            for out in op.outputs:
                values[out] = self.variables[variable_of(out).name]
            return
        for tensor, result in zip(op.outputs, results, strict=True):
            if tensor not in values:
                values[tensor] = np.asarray(result)


def call_of(op: Operation, arrays: Sequence[Any]) -> Call:
    """What the rules of ``op`` see when its inputs are ``arrays``."""
    return Call(
        op.type,
        op.attrs,
        [t.dtype.base_dtype for t in op.inputs],
        [None if a is None else np.shape(a) for a in arrays],
        [t.dtype.base_dtype for t in op.outputs],
        [t.dims for t in op.outputs],
        value=lambda i: arrays[i],
    )


def _needed(fetches: Sequence[Tensor | Operation], fed: Mapping[Tensor, Any]) -> list[Operation]:
    """Operations that the fetches reach, in creation order; feeds cut."""
    found: set[Operation] = set()
    stack = [f.op if isinstance(f, Tensor) else f for f in fetches if f not in fed]
    while stack:
        op = stack.pop()
        if op not in found:
            found.add(op)
            stack.extend(t.op for t in op.inputs if t not in fed)
            stack.extend(op.control_inputs)
    return sorted(found, key=lambda op: op._id)


def evaluate(fetches: Any, feeds: Mapping[Tensor, Any] | None = None) -> Any:
    """The value of one tensor, or a list of values, in a fresh interpreter."""
    if isinstance(fetches, (list, tuple)):
        return Interpreter().run(fetches, feeds)
    return Interpreter().run([fetches], feeds)[0]
