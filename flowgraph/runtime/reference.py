"""The reference target: walks a plan's instructions with the ops' NumPy references.

It reads and writes the same slots, at the same offsets and in the same order as the native
executor, so it is an oracle for kernels, lowering and memory planning at once.  Host instructions
run here for every target.

Read next: executor.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flowgraph.graph.opdef import RANDOM
from flowgraph.optimize.frozen import RESIZES, Node, Value
from flowgraph.optimize.views import inputs_read, is_view
from flowgraph.plan.plan import COUNTER, OBJECT, Instr, Operand
from flowgraph.runtime.compiled import implementation
from flowgraph.runtime.interpret import run_flow
from flowgraph.runtime.state import State, set_current_state

Window = Callable[[Operand], np.ndarray]


class NodeError(Exception):
    """What a reference raised, and for which node."""

    def __init__(self, node: Node, error: Exception) -> None:
        super().__init__(str(error))
        self.node, self.error = node, error


def run_node(
    node: Node, arrays: list[np.ndarray], *, native: bool = False
) -> list[np.ndarray]:
    """The node's outputs by its reference (or compiled loops), in the declared dtypes."""
    assert node.opdef is not None
    function = implementation(node.opdef) if native else node.opdef.reference
    with np.errstate(all="ignore"):
        results = function(node.call(), *arrays)
    if not isinstance(results, (tuple, list)):
        results = () if results is None else (results,)
    return [
        np.asarray(result, dtype=value.dtype.np)
        for result, value in zip(results, node.outputs, strict=True)
    ]


def run_instr(instr: Instr, window: Window) -> dict[Value, np.ndarray]:
    """Every Value that a kernel instruction leaves in memory, computed by references instead.

    Nothing is written, except that random ops advance their counter.

    Raises:
        NodeError: a reference refuses its inputs.
    """
    if instr.packs:
        return {}
    if instr.is_copy:
        (source,) = instr.inputs.values()
        (target,) = instr.outputs
        return {target: window(source).copy()}
    known: dict[Value, np.ndarray] = {}

    def compute(node: Node) -> None:
        arrays = [array_of(v) for v in node.inputs]
        if node.effect == RANDOM:
            arrays.insert(0, _counter(instr, window))
        try:
            made = run_node(node, arrays)
        except Exception as error:
            raise NodeError(node, error) from error
        known.update(zip(node.outputs, made, strict=True))

    def array_of(value: Value) -> np.ndarray:
        if value not in known:
            operand = instr.inputs.get(value)
            const = value.node.const
            if operand is not None:
                known[value] = window(operand)
            elif const is not None:
                known[value] = const
            elif value.node.opdef is None or value.node.writes:
                # A variable that is written blindly: no kernel looks at its old value.
                known[value] = np.zeros(value.sizes, value.dtype.np)
            else:
                assert is_view(value.node), f"{value!r} is not at hand"
                compute(value.node)
        return known[value]

    for node in instr.nodes:
        compute(node)
    # NB: what only looks at a slot's memory would change with it (v <- w, w <- v).
    results = {value: known[value] for value in instr.outputs}
    return {v: a if a.base is None else a.copy() for v, a in results.items()}


def run_host(
    instr: Instr, window: Window, state: State, *, native: bool = False
) -> dict[Value, np.ndarray]:
    """The outputs of a host instruction; ``native``: loops may be compiled."""
    (node,) = instr.nodes
    if node.type == "IsVariableInitialized":
        name = node.inputs[0].node.attrs["variable"]
        return {node.outputs[0]: np.array(name in state.initialized)}
    read = set(inputs_read(node))
    arrays = [_host_input(instr, v, v in read, window) for v in node.inputs]
    if node.effect == RANDOM:
        arrays.insert(0, _counter(instr, window))
    before = set_current_state(state)
    try:
        if node.bodies:
            results = run_flow(node, arrays, state)
        else:
            results = run_node(node, arrays, native=native)
    finally:
        set_current_state(before)
    if node.writes and (node.attrs.get(RESIZES) or results[0].dtype.hasobject):
        for name, array in zip(node.writes, results, strict=True):
            state.replace(name, array)
    else:
        for value, operand in instr.outputs.items():
            shape = results[value.index].shape
            if operand.slot.kind != OBJECT and shape != operand.shape:
                raise wrong_shape(results[value.index], operand)
    return dict(zip(node.outputs, results, strict=True))


def wrong_shape(array: np.ndarray, operand: Operand) -> ValueError:
    """The error of a result that is not as large as was said."""
    return ValueError(f"the result has shape {array.shape}, not {operand.shape} as expected")


def _host_input(instr: Instr, value: Value, read: bool, window: Window) -> np.ndarray:
    if value.node.const is not None:
        return value.node.const
    return window(instr.inputs[value]) if read else np.zeros((), value.dtype.np)


def _counter(instr: Instr, window: Window) -> np.ndarray:
    return window(next(o for o in instr.inputs.values() if o.slot.kind == COUNTER))
