"""From a name or object to the element of a graph it means, with TensorFlow's error classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.errors import NameNotFoundError, did_you_mean, format_message
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.site import find_site, format_site

if TYPE_CHECKING:
    from flowgraph.graph.core import Graph

_TENSOR_FORM = "a tensor's name is '<operation>:<output number>'"


def element(graph: Graph, obj: Any, *, allow_tensor: bool, allow_operation: bool) -> Any:
    """See Graph.as_graph_element."""
    if not (allow_tensor or allow_operation):
        raise ValueError("allow_tensor and allow_operation cannot both be False")
    wanted = " or ".join(
        kind for kind, on in (("Tensor", allow_tensor), ("Operation", allow_operation)) if on
    )
    if hasattr(obj, "_as_graph_element"):
        obj = obj._as_graph_element()
    if isinstance(obj, str):
        return _by_name(graph, obj, allow_tensor, allow_operation)
    if isinstance(obj, Tensor) and allow_tensor:
        op = obj.op
    elif isinstance(obj, Operation) and allow_operation:
        op = obj
    else:
        kind = type(obj).__name__
        raise TypeError(
            format_message(
                f"a {kind} cannot be converted to a {wanted}: {obj!r}",
                op=("", format_site(find_site())),
                fix=f"give a {wanted} of the graph, or its name",
            )
        )
    if op.graph is not graph:
        kind = "Tensor" if isinstance(obj, Tensor) else "Operation"
        if op.graph.forgotten:
            raise ValueError(replaced(op))
        raise ValueError(
            format_message(
                f"{kind} {obj.name!r} is not an element of this graph: it was made in another one",
                op=(op.name, format_site(op.site)),
                fix="build everything that runs together inside one `with graph.as_default():`",
            )
        )
    return obj


def _by_name(graph: Graph, name: str, allow_tensor: bool, allow_operation: bool) -> Any:
    if ":" not in name:
        if name in graph._by_name:
            if allow_operation:
                return graph._by_name[name]
            raise ValueError(
                f"{name!r} names an operation, not a tensor: {_TENSOR_FORM}; write '{name}:0'"
            )
        if not allow_operation:
            raise ValueError(f"{name!r} is not a tensor's name: {_TENSOR_FORM}")
        raise _missing(graph, name, "")
    op_name, _, number = name.rpartition(":")
    if not allow_tensor:
        raise ValueError(f"{name!r} names a tensor, not an operation; write {op_name!r}")
    if not number.isdigit() or ":" in op_name:
        raise ValueError(f"{name!r} is not a tensor's name: {_TENSOR_FORM}")
    op = graph._by_name.get(op_name)
    if op is None:
        raise _missing(graph, op_name, f"tensor {name!r}: ")
    if int(number) >= len(op.outputs):
        raise NameNotFoundError(
            format_message(
                f"tensor {name!r}: operation {op_name!r} has {len(op.outputs)} output(s)",
                op=(op.name, format_site(op.site)),
                fix="outputs are counted from 0" if op.outputs else "run it as an operation",
            )
        )
    return op.outputs[int(number)]


def _missing(graph: Graph, name: str, lead: str) -> NameNotFoundError:
    near = did_you_mean(name, graph._by_name)
    fix = "names carry their scopes: [op.name for op in graph.get_operations()] lists them"
    return NameNotFoundError(
        format_message(
            f"{lead}no operation of the graph is named {name!r}{near}",
            op=("", format_site(find_site())),
            fix=fix,
        )
    )


def replaced(op: Operation) -> str:
    """The text of the error for an operation that forgetting.py took out of its graph."""
    return format_message(
        f"{op.name!r} was replaced when a cell ran again",
        op=(op.name, format_site(op.site)),
        fix="run the cell again that makes it",
    )
