"""Folding: operations that are drawn inside another one's node.

    W  <-  W/Assign, W/read, the operations of its initial value, optimizer slots W/Adam, W/Adam_1
    Mean  <-  the constant Mean/reduction_indices
    add  <-  the constant add/y

TensorFlow makes three and more operations of one ``tf.Variable``, and a constant of every axis; a
reader thinks of one.  With ``fold=False`` a picture shows every operation by itself.

Read next: scopes.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowgraph.dtypes import INDEX
from flowgraph.graph.node import Operation
from flowgraph.graph.opdef import OPDEFS
from flowgraph.view.roles import (
    GRADIENT,
    INITIAL,
    Neighbours,
    is_initial_assign,
    is_read,
    is_variable,
)


def owners(ops: Sequence[Operation], roles: Mapping[Operation, str]) -> dict[Operation, Operation]:
    """Operation -> the operation whose node shows it, itself for those that have a node.

    Args:
        ops: the operations that are drawn, in the order they were made.   roles: of roles_of.
    """
    neighbours = Neighbours(ops)
    owner = {op: op for op in ops}
    variables = {op.name: op for op in ops if is_variable(op)}
    for op in variables.values():
        owner[op] = _main_variable(op, variables)
    for op in reversed(ops):  # consumers first
        if is_initial_assign(op) or _is_own_read(op):
            owner[op] = owner.get(op.inputs[0].op, op)
        elif roles[op] == INITIAL and op.type != "NoOp":
            shown_in = {owner[n] for n in neighbours.after[op] if n.type != "NoOp"}
            if len(shown_in) == 1:  # an initial value shared by variables stays visible
                owner[op] = shown_in.pop()
        elif op.type == "Const" and not op._control_inputs:
            user = _argument_of(op, neighbours, roles)
            if user is not None:
                owner[op] = owner[user]
    return owner


def _is_own_read(op: Operation) -> bool:
    """True for ``v/read``, ``v/read_1``: reads that using the variable made, not the user."""
    return is_read(op) and op.name.startswith(op.inputs[0].op.name + "/")


def _main_variable(op: Operation, variables: Mapping[str, Operation]) -> Operation:
    """The variable that ``op`` is a slot of (``W`` for ``W/Adam``), or ``op``."""
    parts = op.name.split("/")
    for length in range(1, len(parts)):
        main = variables.get("/".join(parts[:length]))
        if main is not None:
            return main
    return op


def _argument_of(
    constant: Operation, neighbours: Neighbours, roles: Mapping[Operation, str]
) -> Operation | None:
    """The operation that ``constant`` is an argument of: an axis, a shape, the 2 of ``x * 2``.

    What its gradient does with it does not count.
    """
    users = neighbours.after[constant]
    if roles[constant] != GRADIENT:
        users = [user for user in users if roles[user] != GRADIENT]
    if len(users) != 1:
        return None
    (user,) = users
    positions = [i for i, tensor in enumerate(user.inputs) if tensor.op is constant]
    if len(positions) != 1:
        return None
    if constant.name.rpartition("/")[0] == user.name or _is_static_argument(user, positions[0]):
        return user
    return None


def _is_static_argument(op: Operation, position: int) -> bool:
    """True for inputs like axes and sizes: integers whose dtype is no output's dtype."""
    opdef = OPDEFS.get(op.type)
    if opdef is None or any(arg.is_list for arg in opdef.signature.inputs):
        return False
    arg = opdef.signature.inputs[position]
    if op.inputs[position].dtype.name not in INDEX:
        return False
    return not arg.dtype_attr or all(
        arg.dtype_attr != output.dtype_attr for output in opdef.signature.outputs
    )
