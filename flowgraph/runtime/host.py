"""Host instructions: one operation of a plan that runs its reference, in Python.

What does not change from run to run is found out once, when the plan is bound: the ``Call``, where
the arguments lie, what becomes of the results.  Random operations, branches, and operations that
write variables go the general way (``reference.run_host``).

Large results are not copied where their operation promises that nobody changes them later
(``KEEPS_RESULTS`` of lower/lowering.py): their slot, like that of a feed, is the array itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.graph.opdef import RANDOM
from flowgraph.optimize.views import inputs_read
from flowgraph.plan.plan import ARENA, FEED, OBJECT, Instr, Operand, Slot
from flowgraph.runtime.compiled import implementation
from flowgraph.runtime.reference import run_host, wrong_shape
from flowgraph.runtime.state import set_current_state

if TYPE_CHECKING:
    from flowgraph.runtime.executor import Executable

#: Operations that only move data: no arithmetic, whose warnings would have to be held back.
_MOVES = frozenset(
    {"IteratorGetNext", "OneShotIterator", "FIFOQueueV2", "PaddingFIFOQueueV2"}
    | {"RandomShuffleQueueV2", "PriorityQueueV2", "QueueEnqueueV2", "QueueEnqueueManyV2"}
    | {"QueueDequeueV2", "QueueDequeueManyV2", "QueueDequeueUpToV2"}
)

#: A host instruction, bound: runs it and puts the results where they belong.
Bound = Callable[[], None]


def bind(instr: Instr, executable: Executable) -> Bound:
    """The function that runs a host instruction of a plan."""
    (node,) = instr.nodes
    if node.bodies or node.writes or node.effect == RANDOM or node.type == "IsVariableInitialized":
        return _in_general(instr, executable)
    assert node.opdef is not None
    native = executable.target == "cpu"
    reference = implementation(node.opdef) if native else node.opdef.reference
    call, state = node.call(), executable.state
    read = set(inputs_read(node))
    arguments = [_argument(instr, v, v in read, executable) for v in node.inputs]
    outputs = [
        (value.dtype.np, receiver(instr.outputs[value], executable), instr.outputs[value])
        for value in node.outputs
    ]

    computes = node.type not in _MOVES

    def run() -> None:
        before = set_current_state(state)
        try:
            given = [argument() for argument in arguments]
            if computes:
                with np.errstate(all="ignore"):
                    results = reference(call, *given)
            else:
                results = reference(call, *given)
        finally:
            set_current_state(before)
        if not isinstance(results, (tuple, list)):
            results = () if results is None else (results,)
        for result, (dtype, receive, operand) in zip(results, outputs, strict=True):
            array = np.asarray(result, dtype)
            if array.shape != operand.shape and operand.slot.kind != OBJECT:
                raise wrong_shape(array, operand)
            receive(array)

    return run


def _in_general(instr: Instr, executable: Executable) -> Bound:
    def run() -> None:
        native = executable.target == "cpu"
        results = run_host(instr, executable.window, executable.state, native=native)
        executable.deliver(instr, results)

    return run


def _argument(
    instr: Instr, value: Any, is_read: bool, executable: Executable
) -> Callable[[], np.ndarray]:
    """What gives one argument."""
    array = value.node.const
    if array is None and not is_read:
        array = np.zeros((), value.dtype.np)
    if array is None:
        operand = instr.inputs[value]
        if operand.slot.kind != ARENA:
            return lambda: executable.window(operand)
        array = executable.window(operand)
    return lambda: array


def receiver(operand: Operand, executable: Executable) -> Callable[[np.ndarray], None]:
    """What takes one result."""
    slot = operand.slot
    if slot.kind == OBJECT:
        return lambda array: executable.objects.__setitem__(slot, array)
    if slot.kind == FEED and slot in executable.late:
        return lambda array: executable.adopt(slot, array)
    if slot.kind != ARENA:
        return lambda array: executable.window(operand).__setitem__(..., array)
    view = executable.window(operand)
    return lambda array: view.__setitem__(..., array)


def given_away(table: dict[Slot, np.ndarray], slot: Slot, more: int) -> np.ndarray | None:
    """``table[slot]`` for the caller to keep, when it is nobody else's; else None.

    Args:
        table: where the array is held.
        slot: of it.
        more: references to it that are ours, beside the table's.
    """
    own = table.pop(slot, None)
    if own is None:
        return None
    alone = own.ndim and sys.getrefcount(own) <= _ALONE + more
    table[slot] = own
    return own if alone and own.flags.owndata and own.flags.writeable else None


def _references_to_what_was_held_once() -> int:
    """As ``given_away`` counts them, which depends on the version of Python."""
    table = {0: np.empty(1)}
    own = table.pop(0, None)
    return sys.getrefcount(own)


_ALONE = _references_to_what_was_held_once()
