"""Roles: which part of a training program an operation belongs to.

    forward    what the user computes            W, x, MatMul, loss
    gradient   what tf.gradients added           gradients/MatMul_grad/MatMul_1
    update     what changes variables, and all   Adam/beta1, Adam/update_W/ApplyAdam, Adam
               that exists for that alone
    initial    what gives variables their        W/Assign, random_uniform/mul, init, save/...
               first values, or saves them

A role is read off the graph and TensorFlow's names, never stored: graphs that were imported, or
built by hand, are told apart as well.

Read next: fold.py (which operations share a node of the picture).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowgraph.graph.node import Operation
from flowgraph.graph.opdef import OPDEFS, WRITE

FORWARD, GRADIENT, UPDATE, INITIAL = "forward", "gradient", "update", "initial"

#: Operations that write and read checkpoints.
_SAVING = frozenset((
    "Save", "SaveSlices", "SaveV2", "Restore", "RestoreSlice", "RestoreV2", "ShardedFilename",
    "ShardedFilespec", "MergeV2Checkpoints",
))  # fmt: skip

#: ``tf.gradients`` opens the scope ``gradients`` and, in it, ``<operation>_grad`` per operation.
_GRADIENT_SCOPE = re.compile(r"(?:^|/)(?:gradients(?:_\d+)?|[^/]+_grad(?:_\d+)?)/")


def is_variable(op: Operation) -> bool:
    """True for the operation that holds a variable: it makes a reference and takes none."""
    return (
        bool(op.outputs)
        and op.outputs[0].dtype.is_ref
        and not any(tensor.dtype.is_ref for tensor in op.inputs)
    )


def is_initial_assign(op: Operation) -> bool:
    """True for ``v/Assign``, which gives the variable ``v`` its first value."""
    return op.type == "Assign" and op.name == op.inputs[0].op.name + "/Assign"


def _is_saving(op: Operation) -> bool:
    """True for what a Saver made: it saves variables, restores them, or waits for that."""
    return (
        op.type in _SAVING
        or (writes_variable(op) and any(tensor.op.type in _SAVING for tensor in op.inputs))
        or (op.type == "Identity" and any(c.type in _SAVING for c in op._control_inputs))
    )


def is_read(op: Operation) -> bool:
    """True for ``v/read``, the value of variable ``v``."""
    return op.type == "Identity" and op.inputs[0].dtype.is_ref


def writes_variable(op: Operation) -> bool:
    """True when running ``op`` changes a variable."""
    opdef = OPDEFS.get(op.type)
    return opdef is not None and opdef.effect == WRITE


class Neighbours:
    """Who follows whom, within the operations that are drawn."""

    def __init__(self, ops: Sequence[Operation]) -> None:
        self.ops = ops
        #: Operations that use each operation's outputs or wait for it.
        self.after: dict[Operation, list[Operation]] = {op: [] for op in ops}
        for op in ops:
            for before in self.before(op):
                self.after[before].append(op)

    def before(self, op: Operation) -> list[Operation]:
        """Operations that ``op`` takes values from or waits for, each once."""
        found = dict.fromkeys([tensor.op for tensor in op.inputs])
        found.update(dict.fromkeys(op._control_inputs))
        return [other for other in found if other in self.after]


def roles_of(ops: Sequence[Operation]) -> dict[Operation, str]:
    """The role of every operation.

    Args:
        ops: the operations that are drawn, in the order they were made.
    """
    neighbours = Neighbours(ops)
    role = dict.fromkeys(ops, FORWARD)
    for op in ops:
        if _GRADIENT_SCOPE.search(op.name):
            role[op] = GRADIENT
    _mark_initial(neighbours, role)
    _mark_updates(neighbours, role)
    return role


def _mark_initial(neighbours: Neighbours, role: dict[Operation, str]) -> None:
    for op in reversed(neighbours.ops):  # consumers first
        after = [n for n in neighbours.after[op] if n.type != "NoOp"]
        if (
            is_initial_assign(op)
            or _is_saving(op)
            or (
                after
                and not is_variable(op)
                and not is_read(op)
                and all(role[n] == INITIAL for n in after)
            )
        ):
            role[op] = INITIAL
    for op in neighbours.ops:  # the group of all initial assigns
        if op.type == "NoOp" and op._control_inputs:
            waits_for = neighbours.before(op)
            if waits_for and all(role[n] == INITIAL for n in waits_for):
                role[op] = INITIAL


def _mark_updates(neighbours: Neighbours, role: dict[Operation, str]) -> None:
    derived: set[Operation] = set()  # depends on a gradient or an update
    fed: set[Operation] = set()  # depends on what the user feeds
    for op in neighbours.ops:
        before = neighbours.before(op)
        gives_first = is_initial_assign(op) or _is_saving(op)
        if role[op] in (FORWARD, INITIAL) and writes_variable(op) and not gives_first:
            role[op] = UPDATE
        elif op.type == "NoOp" and any(role[n] == UPDATE for n in before):
            role[op] = UPDATE
        if any(n in derived or role[n] in (GRADIENT, UPDATE) for n in before):
            derived.add(op)
        if op.type.startswith("Placeholder") or any(n in fed for n in before):
            fed.add(op)
    # Learning rates, Adam's beta powers and scaled gradients exist for the updates alone.
    for op in reversed(neighbours.ops):
        after = [
            n for n in neighbours.after[op] if role[n] != INITIAL and not _is_unused(n, neighbours)
        ]
        if (
            role[op] == FORWARD
            and after
            and all(role[n] == UPDATE for n in after)
            and (op in derived or op not in fed)
        ):
            role[op] = UPDATE
    for op in neighbours.ops:
        if _is_unused(op, neighbours):
            role[op] = role.get(op.inputs[0].op, role[op])


def _is_unused(op: Operation, neighbours: Neighbours) -> bool:
    """True for a read that nothing uses: every variable has one, needed or not."""
    return is_read(op) and not neighbours.after[op]
