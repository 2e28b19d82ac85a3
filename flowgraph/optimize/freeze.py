"""Graph -> FrozenGraph: what one run needs, as pure data flow.

    v = Variable(0.); a = v.assign_add(1.)        %0 = Variable() {v}
    with control_dependencies([a]):        ==>    %1 = AssignAdd(%0, 1.)  writes ['v']
        y = v.read_value()                        fetch %1
    run(y)

Operations are walked in creation order, which is program order.  Per variable the walk carries the
*current version*: a read yields it, a write replaces it.  So a read sees exactly the writes created
before it and run with it, and the result has no race whatever order kernels run in.  Fetching a
variable itself (its Ref output) gives the version at the end of the run.

A control dependency matters here in two ways only: it keeps an effect from being pruned, and a
write or a host effect must not run before a host effect (an Assert, say) it depends on.

Read next: frozen.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import HOST, OPDEFS, WRITE
from flowgraph.graph.report import op_message
from flowgraph.optimize.frozen import FEED, RESIZES, VARIABLE, FrozenGraph, Node, Value, constant
from flowgraph.shapes import format_dims, is_fully_known


def freeze(fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor]) -> FrozenGraph:
    """The FrozenGraph of one run.

    Args:
        fetches: tensors to return and operations to run; the result's ``fetches`` are the
            tensors' Values, in order.
        feeds: tensors given from outside, in order; nothing upstream of them is kept for their
        sake.
    Raises:
        InvalidArgumentError: a placeholder is needed and not fed, or control dependencies form a
            cycle.
    """
    fed = set(feeds)
    return _Freezer(feeds).run(_needed(fetches, fed), fetches)


def _needed(fetches: Iterable[Tensor | Operation], fed: set[Tensor]) -> list[Operation]:
    """Operations that the fetches reach, in program order (topological)."""
    needed: set[Operation] = set()
    stack: list[Operation] = []
    for fetch in fetches:
        if isinstance(fetch, Tensor):
            if fetch not in fed:
                stack.append(fetch.op)
        else:
            stack.append(fetch)
    in_order = True
    while stack:
        op = stack.pop()
        if op in needed:
            continue
        needed.add(op)
        for tensor in op.inputs:
            if tensor not in fed:
                stack.append(tensor.op)
        for control in op._control_inputs:
            in_order = in_order and control._id < op._id
            stack.append(control)
    ordered = sorted(needed, key=lambda op: op._id)
    return ordered if in_order else _topological(ordered, fed)


def _topological(ordered: list[Operation], fed: set[Tensor]) -> list[Operation]:
    """``ordered`` re-sorted for control inputs added later; a cycle is the user's error."""
    state: dict[Operation, int] = {}  # 1: on the stack, 2: done
    result: list[Operation] = []

    def before(op: Operation) -> list[Operation]:
        return [t.op for t in op.inputs if t not in fed] + list(op._control_inputs)

    for root in ordered:
        stack = [(root, iter(before(root)))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            op, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                if state[op] == 1:
                    state[op] = 2
                    result.append(op)
            elif state.get(following) == 1:
                path = [o for o, _ in stack]
                cycle = path[path.index(following) :]
                names = " -> ".join(repr(o.name) for o in [*cycle, following])
                raise InvalidArgumentError(
                    None,
                    following,
                    op_message(
                        f"the graph contains a cycle: {names}",
                        following,
                        fix="remove one of the control inputs that were added last",
                    ),
                )
            elif following not in state:
                state[following] = 1
                stack.append((following, iter(before(following))))
    return result


class _Freezer:
    def __init__(self, feeds: Sequence[Tensor]) -> None:
        self.nodes: list[Node] = []
        self.value: dict[Tensor, Value] = {}
        self.variable_of: dict[Tensor, str] = {}  # Ref tensors
        self.version: dict[str, Value] = {}
        self.sizeless: set[str] = set()  # variables made with validate_shape=False
        #: The latest host node that whoever depends on an Operation must come after.
        self.barrier: dict[Operation, Node] = {}
        self.hosts: dict[Node, int] = {}
        self.last_host: Node | None = None
        self.feeds: list[Value] = []
        for tensor in feeds:
            node = Node(FEED, None, {}, (), tensor.op.name, tensor.op)
            value = Value(node, 0, tensor.dtype.base_dtype, tensor.dims)
            node.outputs = (value,)
            self.nodes.append(node)
            self.value[tensor] = value
            self.feeds.append(value)

    def run(self, ops: list[Operation], fetches: Sequence[Tensor | Operation]) -> FrozenGraph:
        for op in ops:
            self.add(op)
        # Fetched variables are read last: they show the state after the step.
        values = [self.read(fetch) for fetch in fetches if isinstance(fetch, Tensor)]
        return FrozenGraph(self.nodes, self.feeds, values)

    def read(self, tensor: Tensor) -> Value:
        """The Value of ``tensor`` at this point of the program."""
        value = self.value.get(tensor)
        if value is not None:
            return value
        return self.version[self.variable_of[tensor]]

    def add(self, op: Operation) -> None:
        opdef = OPDEFS[op.type]
        if op.type in ("VariableV2", "Variable"):
            self.add_variable(op)
            return
        barrier = self.barrier_of(op)
        if barrier is not None:
            self.barrier[op] = barrier
        if op.type == "Placeholder" and op.outputs[0] not in self.value:
            kind = f"{op.outputs[0].dtype.name}{format_dims(op.outputs[0].dims)}"
            raise InvalidArgumentError(
                None,
                op,
                op_message(
                    f"You must feed a value for placeholder tensor {op.name!r} with dtype and "
                    f"shape {kind}",
                    op,
                    fix=f"add it to feed_dict: {{..., {op.name}: value}}",
                ),
            )
        if op.type == "NoOp":
            return
        inputs = [self.read(t) for t in op.inputs]
        after: tuple[Node, ...] = ()
        if opdef.effect == HOST:
            after = (self.last_host,) if self.last_host is not None else ()
        elif opdef.effect == WRITE and barrier is not None:
            after = (barrier,)
        if op.type == "Identity" and op.inputs[0].dtype.is_ref:
            self.value.setdefault(op.outputs[0], inputs[0])  # a read is the version itself
            return
        if op.type == "IdentityN":
            for tensor, value in zip(op.outputs, inputs, strict=True):
                self.value.setdefault(tensor, value)
            return
        if op.type == "IsVariableInitialized" and inputs[0].node.type != VARIABLE:
            known = constant(np.array(True), op.outputs[0].dtype, op.name, OPDEFS["Const"])
            self.value.setdefault(op.outputs[0], known)
            self.nodes.append(known.node)
            return
        node = Node(op.type, opdef, op.attrs, inputs, op.name, op, after)
        if opdef.effect == WRITE:
            self.add_write(op, node)
        else:
            node.outputs = tuple(
                Value(node, i, t.dtype.base_dtype, t.dims) for i, t in enumerate(op.outputs)
            )
            for tensor, value in zip(op.outputs, node.outputs, strict=True):
                self.value.setdefault(tensor, value)
        if opdef.effect == HOST:
            self.last_host = self.barrier[op] = node
            self.hosts[node] = len(self.hosts)
        self.nodes.append(node)

    def add_variable(self, op: Operation) -> None:
        tensor = op.outputs[0]
        if tensor in self.value:  # fed
            return
        self.variable_of[tensor] = op.name
        node = Node(VARIABLE, None, {"variable": op.name}, (), op.name, op)
        if not is_fully_known(tensor.dims):
            self.sizeless.add(op.name)
        node.outputs = (Value(node, 0, tensor.dtype.base_dtype, tensor.dims),)
        self.version[op.name] = node.outputs[0]
        self.nodes.append(node)

    def add_write(self, op: Operation, node: Node) -> None:
        """Make the new versions of the variables that ``op`` updates its outputs."""
        written = [
            (t, self.variable_of.get(t))
            for arg, t in zip(OPDEFS[op.type].signature.inputs, op.inputs, strict=False)
            if arg.is_ref
        ]
        for tensor, name in written:
            if name is None:
                raise InvalidArgumentError(
                    None,
                    op,
                    op_message(
                        f"{op.type} writes {tensor.name!r}, a variable that is fed in this run",
                        op,
                        fix="do not feed a variable that the run updates",
                    ),
                )
        node.writes = tuple(name for _, name in written if name is not None)
        node.outputs = tuple(
            Value(node, i, t.dtype.base_dtype, self.version[name].shape)
            for i, (t, name) in enumerate(written)
            if name is not None
        )
        for name, value in zip(node.writes, node.outputs, strict=True):
            self.version[name] = value
        if self.sizeless.intersection(node.writes):
            # The write may change the size: a host instruction replaces the session's buffer.
            node.attrs = {**node.attrs, RESIZES: True}
            for value in node.outputs:
                value.shape = None
        for tensor in op.outputs:
            # NB: the output is the value this write left, also when later writes follow.
            self.variable_of[tensor] = node.writes[0]
            self.value.setdefault(tensor, node.outputs[0])

    def barrier_of(self, op: Operation) -> Node | None:
        """The latest host node that must come before ``op`` and all that uses it."""
        before = (*(t.op for t in op.inputs), *op._control_inputs)
        barriers = [self.barrier[other] for other in before if other in self.barrier]
        return max(barriers, key=self.hosts.__getitem__, default=None)
