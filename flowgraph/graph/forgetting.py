"""Taking operations out of a graph again: what a notebook's cell made, when it runs again.

Graphs only grow, so that tensors stay what they are.  ``forget`` is the exception: it takes out
operations with all that depends on them, and their names are free.  Tensors of such operations
belong to no graph any more; to use one is an error that says which line to run again.

Read next: flowgraph/notebook.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

from flowgraph.graph.contexts import Context
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, Tensor


class Forgotten(Graph):
    """The graph of operations that were taken out of another."""

    forgotten = True


def forget(graph: Graph, operations: Iterable[Operation]) -> set[Operation]:
    """Take ``operations`` and what depends on them out of ``graph``.

    Variables go as a whole: with the operation that holds the value, their initializer and the
    read.  Collections lose them, sessions the values.  What the library itself keeps for the whole
    graph (a tensor in a collection under a name that no string equals) stays.

    Args:
        graph: no scope of it is open.
        operations: of the graph.

    Returns:
        All operations that were taken out.
    """
    shared = {
        item.op
        for key in graph.collections
        if not isinstance(key, str)
        for item in graph.get_collection(key)
        if isinstance(item, Tensor)
    }
    gone = {op for op in operations if op.graph is graph} - shared
    size = -1
    while size != len(gone):
        size = len(gone)
        _add_units(graph, gone)
        _add_dependents(graph, gone)
    if gone:
        _take_out(graph, gone)
        names = {op.name for op in gone}
        for listener in list(graph._listeners):
            listener._forget(gone, names)
    return gone


def _add_units(graph: Graph, gone: set[Operation]) -> None:
    """A variable, branch or loop of which a part is gone is gone, and a variable's slots too."""
    for key in graph.collections:
        for item in graph.get_collection(key):
            if hasattr(item, "_snapshot"):
                parts = {item.op, item.initializer, item._snapshot.op}
                if not parts.isdisjoint(gone):
                    gone |= parts
    variables = {op.name for op in gone if op.type == "VariableV2"}
    for op in graph._operations if variables else ():
        scope = op.name.rpartition("/")[0]
        while scope and op not in gone:
            if scope in variables:
                gone.add(op)
            scope = scope.rpartition("/")[0]
    inside: dict[Context, list[Operation]] = {}
    for op in graph._operations:
        context = op._context
        while context is not None:
            inside.setdefault(context, []).append(op)
            context = context.parent
    for op in graph._operations:
        own = [c.origin for c in _contexts_of(op)]
        if own and (op in gone or any(not gone.isdisjoint(inside.get(c, ())) for c in own)):
            gone.add(op)
            for context in own:
                gone.update(inside.get(context, ()))


def _contexts_of(op: Operation) -> Iterator[Context]:
    """The branches or bodies that an operation owns."""
    for value in op.attrs.values():
        if isinstance(value, Context):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from (item for item in value if isinstance(item, Context))


def _add_dependents(graph: Graph, gone: set[Operation]) -> None:
    for op in graph._operations:  # consumers stand behind what they use
        if op not in gone and (
            any(tensor.op in gone for tensor in op.inputs)
            or any(other in gone for other in op._control_inputs)
        ):
            gone.add(op)


def _take_out(graph: Graph, gone: set[Operation]) -> None:
    before = sorted(op._id for op in gone)

    def moved(number: int) -> int:
        return number - bisect_left(before, number)

    kept = [op for op in graph._operations if op not in gone]
    contexts: set[Context] = set()
    for op in kept:
        op._id = moved(op._id)
        for tensor in op.outputs:
            if tensor._consumers:
                tensor._consumers = [c for c in tensor._consumers if c not in gone] or None
        contexts.update(_contexts_of(op))
        if op._context is not None:
            contexts.add(op._context)
    for context in contexts | {context.origin for context in contexts}:
        context.first, context.stop = moved(context.first), moved(context.stop)
    graph._operations[:] = kept
    graph._last_write = {
        op: moved(number) for op, number in graph._last_write.items() if op not in gone
    }
    graph._unfeedable = {tensor for tensor in graph._unfeedable if tensor.op not in gone}
    graph._unfetchable -= gone
    _free_names(graph)
    for items in graph._collections.values():
        for item in items:
            if isinstance(item, dict):
                for name in [n for n, value in item.items() if _is_of(value, gone)]:
                    del item[name]
        items[:] = [item for item in items if not _is_of(item, gone)]
    elsewhere = Forgotten()
    for op in gone:
        op.graph = elsewhere
    graph._edited()


def _is_of(item: Any, gone: set[Operation]) -> bool:
    """Whether an item of a collection is made of operations that are gone."""
    if isinstance(item, Operation):
        return item in gone
    op = getattr(item, "op", None)
    if isinstance(op, Operation):
        return op in gone
    parts = (
        *(getattr(item, name, None) for name in ("values", "indices", "dense_shape")),
        *(getattr(item, "enqueue_ops", None) or ()),
    )
    return any(isinstance(p, (Operation, Tensor)) and getattr(p, "op", p) in gone for p in parts)


def _free_names(graph: Graph) -> None:
    """Only names of operations that are left, and their scopes, are in use."""
    graph._by_name = {op.name: op for op in graph._operations}
    in_use: dict[str, int] = {}
    for name in graph._by_name:
        name = name.lower()
        while name and name not in in_use:
            in_use[name] = 1
            name = name.rpartition("/")[0]
    graph._names_in_use = in_use
