"""What the makers of branches and loops share: results of the user's functions, and effects.

Read next: conditionals.py, loops.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, bool_
from flowgraph.graph.apply import call
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, PURE
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops import nest

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


def parts_of(leaf: Any) -> list[Any]:
    """The tensors that stand for a leaf of a structure: arrays and sparse tensors have several."""
    if hasattr(leaf, "_parts"):
        return list(leaf._parts())
    if isinstance(leaf, SparseTensor):
        return [leaf.indices, leaf.values, leaf.dense_shape]
    if isinstance(leaf, IndexedSlices) and leaf.dense_shape is not None:
        return [leaf.values, leaf.indices, leaf.dense_shape]
    return [leaf]


def with_parts(leaf: Any, parts: Sequence[Tensor]) -> Any:
    """A leaf like ``leaf`` that these tensors stand for."""
    if hasattr(leaf, "_with"):
        return leaf._with(*parts)
    if len(parts) == 3:
        return type(leaf)(*parts)
    return parts[0]


def parts_like(leaf: Any, other: Any) -> list[Any]:
    """The tensors that stand for ``leaf`` where those of ``other`` are expected.

    Raises:
        TypeError: one of them is something else than a tensor, and the other is not that.
    """
    if hasattr(other, "_parts"):
        if type(leaf) is not type(other):
            raise TypeError(f"a {type(other).__name__} becomes {leaf!r}")
        return list(leaf._parts_like(other))
    parts = parts_of(leaf)
    if len(parts) != len(parts_of(other)):
        raise TypeError(f"{other!r} becomes {leaf!r}")
    return parts


def packed(structure: Any, leaves: Sequence[Any], tensors: Sequence[Tensor]) -> Any:
    """``structure``, whose leaves are like ``leaves``, with ``tensors`` as all of their parts."""
    rest = list(tensors)
    made = []
    for leaf in leaves:
        count = len(parts_of(leaf))
        made.append(with_parts(leaf, rest[:count]))
        del rest[:count]
    return nest.pack_sequence_as(structure, made)


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
