"""What the makers of branches and loops share: results of the user's functions, and effects.

Read next: conditionals.py, loops.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, bool_
from flowgraph.graph.apply import call, variable_of
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, PURE, WRITE

#: Ops that look at nothing but the shapes of their inputs.
_SHAPE_ONLY = frozenset(("Shape", "ShapeN", "Size", "Rank"))


def as_output(value: Any, dtype: DType | None = None) -> Tensor:
    """What a branch or body returned, as a tensor; an Operation becomes True after it has run.

    ``dtype``: what a value that is no tensor becomes, if it can.
    """
    if isinstance(value, Operation):
        with value.graph.control_dependencies([value]):
            return call.Identity(call.Const(value=np.array(True), dtype=bool_))
    if dtype is not None and not hasattr(value, "dtype"):
        try:
            return convert_to_tensor(value, dtype)
        except (TypeError, ValueError):
            pass  # its own dtype will be told
    tensor = convert_to_tensor(value)
    return call.Identity(tensor) if tensor.dtype.is_ref else tensor


def note_effects(graph: Graph, owner: Operation, contexts: Sequence[Context]) -> None:
    """Let ``owner`` wait for what its operations wait for, and write what they write."""
    owner._control_inputs = tuple(
        dict.fromkeys((*owner._control_inputs, *(c for x in contexts for c in x.controls)))
    )
    for context in contexts:
        for op in graph._operations[context.first : context.stop]:
            if context.has(op) and OPDEFS[op.type].effect == WRITE:
                for tensor in op.inputs:
                    if tensor.dtype.is_ref:
                        graph._last_write[variable_of(tensor)] = owner._id


def is_differentiable(tensor: Tensor) -> bool:
    """True for floats and complex numbers."""
    return tensor.dtype.np.kind in "fc"


@contextmanager
def made_in(graph: Graph, context: Context | None, scope: str | None) -> Iterator[None]:
    """Operations made in the block belong to ``context``, whatever surrounds the caller.

    scope: their name scope; None: the caller's.
    """
    scopes = graph._scopes
    before = scopes.context, scopes.name
    scopes.context = context
    if scope is not None:
        scopes.name = scope
    try:
        with graph.control_dependencies(None):
            yield
    finally:
        scopes.context, scopes.name = before


def remade(tensor: Tensor) -> Tensor | None:
    """A constant, or a number that comes of shapes alone, made again in the current context.

    Gradient rules shape their results by such numbers, and the planner must know them; to bring
    their values along from the forward pass would hide them.  None for other tensors.
    """
    op = tensor.op
    if op.type == "Const":
        return call.Const(value=op.attrs["value"], dtype=tensor.dtype)
    if not _is_shape_arithmetic(op):
        return None
    dtypes = [t.dtype for t in op.outputs]
    dims = [t.dims for t in op.outputs]
    name = op.name.rpartition("/")[2]
    new = op.graph.create_op(op.type, op.inputs, dtypes, dims, name, dict(op.attrs))
    return new.outputs[tensor.value_index]


def _is_shape_arithmetic(op: Operation) -> bool:
    opdef = OPDEFS[op.type]
    if opdef.effect != PURE or not op.inputs:
        return False
    if any(not t.dtype.is_integer for t in op.outputs):
        return False
    return op.type in _SHAPE_ONLY or all(t.dtype.is_integer for t in op.inputs)
