"""What must hold for every graph; checked in tests and between stages.

``verify`` raises InternalError for a broken invariant, which is always a bug of flowgraph, and
InvalidArgumentError for a cycle, which a program can make by adding control inputs afterwards.
"""

from __future__ import annotations

from typing import NoReturn

from flowgraph.errors import InternalError, InvalidArgumentError, format_message
from flowgraph.graph.apply import output_dtypes
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, describe
from flowgraph.graph.opdef import OPDEFS
from flowgraph.graph.site import format_site


def verify(graph: Graph) -> None:
    """Check every invariant of ``graph``.

    Raises:
        InternalError: numbers, names, inputs, consumers, dtypes or attrs are inconsistent.
        InvalidArgumentError: operations wait for each other in a circle.
    """
    names: dict[str, Operation] = {}
    for number, op in enumerate(graph.get_operations()):
        if op._id != number:
            _fail(op, f"has number {op._id}, but stands at {number}")
        if op.name in names:
            _fail(op, "has a name that another operation has")
        names[op.name] = op
        if graph._by_name.get(op.name) is not op:
            _fail(op, "is not found by its name")
        _verify_edges(graph, op)
        _verify_against_opdef(op)
    cycle = find_cycle(graph)
    if cycle:
        ring = " -> ".join(repr(op.name) for op in [*cycle, cycle[0]])
        message = format_message(
            f"the graph contains a cycle: {ring}",
            op=(cycle[0].name, format_site(cycle[0].site)),
            fix="remove one of the control inputs that were added last",
        )
        raise InvalidArgumentError(None, cycle[0], message)


def _verify_edges(graph: Graph, op: Operation) -> None:
    if op.graph is not graph:
        _fail(op, "says that it belongs to another graph")
    for tensor in op.inputs:
        if tensor.op.graph is not graph:
            _fail(op, f"has the input {tensor.name!r} of another graph")
        if tensor.op._id >= op._id:
            _fail(op, f"has the input {tensor.name!r}, which is made after it")
        if tensor.op.outputs[tensor.value_index] is not tensor:
            _fail(op, f"has an input {tensor.name!r} that is no output of its operation")
        if op not in (tensor._consumers or ()):
            _fail(op, f"is missing among the consumers of {tensor.name!r}")
    for other in op._control_inputs:
        if other.graph is not graph:
            _fail(op, f"has the control input {other.name!r} of another graph")
    for position, tensor in enumerate(op.outputs):
        if tensor.op is not op or tensor.value_index != position:
            _fail(op, f"has an output {position} that says it is {tensor.name!r}")
        if tensor.dims is not None and any(d is not None and d < 0 for d in tensor.dims):
            _fail(op, f"has an output of shape {tensor.dims}")


def _verify_against_opdef(op: Operation) -> None:
    opdef = OPDEFS.get(op.type)
    if opdef is None:
        _fail(op, f"is of type {op.type!r}, which is not registered")
    signature = opdef.signature
    missing = [name for name in signature.attrs if name not in op.attrs]
    if missing:
        _fail(op, f"lacks the attr {missing[0]!r}")
    for name, spec in signature.attrs.items():
        if spec.allowed is not None and op.attrs[name].name not in spec.allowed:
            _fail(op, f"has {name}={op.attrs[name].name}, which the op does not allow")
    position = 0
    for arg in signature.inputs:
        given = op.attrs[arg.dtype_attr] if arg.dtype_attr else None
        count = 1
        if arg.is_list:
            count = op.attrs[arg.count_attr] if arg.count_attr else len(given or ())
        for k in range(count):
            if position == len(op.inputs):
                _fail(op, f"has {position} inputs, its signature asks for more")
            tensor = op.inputs[position]
            position += 1
            wanted = given[k] if isinstance(given, list) else given
            name = wanted.name if wanted is not None else arg.dtype
            if tensor.dtype.base_dtype.name != name:
                _fail(op, f"has {arg.name}={tensor.name!r} of {tensor.dtype.name}, not {name}")
            if arg.is_ref and not tensor.dtype.is_ref:
                _fail(op, f"has {arg.name}={tensor.name!r}, which is no reference")
    if position != len(op.inputs):
        _fail(op, f"has {len(op.inputs)} inputs, its signature asks for {position}")
    if [t.dtype for t in op.outputs] != output_dtypes(opdef, op.attrs):
        _fail(op, f"has outputs {[t.dtype.name for t in op.outputs]} against its signature")


def find_cycle(graph: Graph) -> list[Operation]:
    """Operations that wait for each other in a circle, each for the one before it; or []."""
    open_, done = 1, 2
    state: dict[Operation, int] = {}
    for root in graph.get_operations():
        if root in state:
            continue
        state[root] = open_
        path = [(root, iter(_before(root)))]
        while path:
            op, rest = path[-1]
            following = next(rest, None)
            if following is None:
                state[op] = done
                path.pop()
            elif following not in state:
                state[following] = open_
                path.append((following, iter(_before(following))))
            elif state[following] == open_:
                ring = [other for other, _ in path]
                return ring[ring.index(following) :][::-1]
    return []


def _before(op: Operation) -> list[Operation]:
    return [tensor.op for tensor in op.inputs] + list(op._control_inputs)


def _fail(op: Operation, what: str) -> NoReturn:
    message = format_message(
        f"broken graph: operation {op.name!r} {what} (this is a bug of flowgraph)",
        [describe(f"inputs[{i}]", tensor) for i, tensor in enumerate(op.inputs)],
        (op.name, format_site(op.site)),
    )
    raise InternalError(None, op, message)
