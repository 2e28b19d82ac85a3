"""What goes wrong while a plan runs, as errors at the user's line.

A kernel returns a status code, a host instruction raises; both become one of tf.errors' classes
that names the op, its line, and the variables that were already updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from flowgraph.errors import (
    STATUS_DIVISION_BY_ZERO,
    STATUS_MESSAGES,
    STATUS_NOT_FINITE,
    AbortedError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    OpError,
    OutOfRangeError,
    ResourceExhaustedError,
    UnimplementedError,
    UnknownError,
)
from flowgraph.graph.node import Operation
from flowgraph.graph.report import op_message
from flowgraph.optimize.frozen import Node
from flowgraph.plan.plan import Instr, Plan
from flowgraph.runtime.reference import NodeError
from flowgraph.shapes import format_dims

#: Python's exceptions in host functions, as TensorFlow's py_func maps them.
_CLASS_OF = (
    (StopIteration, OutOfRangeError),
    ((TypeError, ValueError), InvalidArgumentError),
    (MemoryError, ResourceExhaustedError),
    (NotImplementedError, UnimplementedError),
)


def _updated_before(plan: Plan, row: int) -> str:
    variables = set(plan.writes)  # loop variables count for nothing
    done = [w for i in plan.instrs[:row] for n in i.nodes for w in n.writes if w in variables]
    done = list(dict.fromkeys(done))
    if not done:
        return "no variable was changed by this run"
    return "already updated by this run: " + ", ".join(done)


#: Op types that return each status; the last such member of a fused kernel is named.
_RAISED_BY = {
    STATUS_DIVISION_BY_ZERO: frozenset(
        ("FloorDiv", "FloorMod", "Div", "TruncateDiv", "TruncateMod")
    ),
    STATUS_NOT_FINITE: frozenset(("CheckNumerics",)),
}


def kernel_error(
    plan: Plan, row: int, status: int, complaint: NodeError | None = None
) -> OpError:
    """The error of a kernel that returned ``status``; ``complaint``: what the reference says."""
    nodes = plan.instrs[row].nodes
    types = _RAISED_BY.get(status)
    if complaint is not None and (types is None or complaint.node.type in types):
        return _error(InvalidArgumentError, plan, row, complaint.node, str(complaint))
    node = next((n for n in reversed(nodes) if types is None or n.type in types), nodes[-1])
    return _error(InvalidArgumentError, plan, row, node, STATUS_MESSAGES[status])


def host_error(plan: Plan, row: int, error: Exception, node: Node | None = None) -> OpError:
    """The error to raise for an exception of a host instruction, or of ``node``'s reference."""
    node = plan.instrs[row].nodes[-1] if node is None else node
    if isinstance(error, OpError):
        if error.op is not None or type(error) is OpError:
            return error
        # References know the words, and only here is known whose they are.
        return _error(type(error), plan, row, node, error.message)
    return _error(class_of(error), plan, row, node, f"{type(error).__name__}: {error}")


def class_of(error: Exception) -> type[OpError]:
    """The class of tf.errors for an exception of a Python function."""
    return next((mapped for kinds, mapped in _CLASS_OF if isinstance(error, kinds)), UnknownError)


def _error(kind: type[OpError], plan: Plan, row: int, node: Node, what: str) -> OpError:
    shapes = [f"{v.dtype.name}{format_dims(v.shape)}" for v in node.inputs]
    notes = [_updated_before(plan, row)]
    text = op_message(f"{node.type}: {what}", node.op, shapes=shapes, notes=notes)
    return kind(None, node.op, text)  # type: ignore[call-arg]


def wrong_kernel(instr: Instr, row: int, expected: np.ndarray, found: np.ndarray) -> OpError:
    """FLOWGRAPH_CHECK found a kernel that disagrees with its reference: our bug."""
    node = instr.nodes[-1]
    text = op_message(
        f"this is a bug in flowgraph: kernel {row} ({instr.label}) differs from its reference",
        node.op,
        notes=[f"reference {expected.reshape(-1)[:4]}", f"kernel    {found.reshape(-1)[:4]}"],
        fix="report it with the files that FLOWGRAPH_DUMP=<directory> writes",
    )
    return InternalError(None, node.op, text)


def resized_meanwhile(name: str) -> OpError:
    """The error of a run that waited while another changed the size of a variable it uses."""
    return AbortedError(
        None, None, f"the variable {name!r} got another size while this run waited; run it again"
    )


def uninitialized(variables: Mapping[str, Operation | None], names: Iterable[str]) -> OpError:
    """The error of a run that reads variables without a value; ``variables``: name -> its op."""
    missing = sorted(names)
    first = variables.get(missing[0])
    others = f" (nor have {', '.join(missing[1:])})" if len(missing) > 1 else ""
    text = op_message(
        f"Attempting to use uninitialized value {missing[0]}: the variable has no value in this "
        f"session{others}",
        first,
        fix="run tf.global_variables_initializer() in this session first",
    )
    return FailedPreconditionError(None, first, text)
