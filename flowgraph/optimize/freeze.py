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

from flowgraph.dtypes import DType, bool_
from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.apply import variable_of
from flowgraph.graph.contexts import AS_OF, Context
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import CHECK, HOST, OPDEFS, PURE, WRITE
from flowgraph.graph.report import op_message
from flowgraph.optimize.frozen import (
    ABSENT,
    FEED,
    RESIZES,
    VARIABLE,
    FrozenGraph,
    Node,
    Value,
    constant,
)
from flowgraph.shapes import Dims, format_dims, is_fully_known

#: Op types with bodies -> the attrs that hold them.
BRANCHING: dict[str, tuple[str, ...]] = {
    "If": ("then_branch", "else_branch"),
    "While": ("cond", "body"),
}


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


def _needed(
    fetches: Iterable[Tensor | Operation], fed: set[Tensor], context: Context | None = None
) -> list[Operation]:
    """Operations made in ``context`` that the fetches reach, in program order (topological)."""
    needed: set[Operation] = set()
    stack: list[Operation] = []
    context = None if context is None else context.origin
    for fetch in fetches:
        if isinstance(fetch, Tensor):
            if fetch not in fed:
                stack.append(fetch.op)
        else:
            stack.append(fetch)
    in_order = True
    while stack:
        op = stack.pop()
        if op in needed or op._context is not context:
            continue
        needed.add(op)
        if op.type in BRANCHING:  # its gradient may have given it inputs made later
            in_order = in_order and all(t.op._id < op._id for t in op.inputs)
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
    def __init__(self, feeds: Sequence[Tensor], context: Context | None = None) -> None:
        self.context = context
        self.nodes: list[Node] = []
        self.value: dict[Tensor, Value] = {}
        self.variable_of: dict[Tensor, str] = {}  # Ref tensors
        self.version: dict[str, Value] = {}
        self.sizeless: set[str] = set()  # variables made with validate_shape=False
        #: The latest host node that whoever depends on an Operation must come after.
        self.barrier: dict[Operation, Node] = {}
        self.hosts: dict[Node, int] = {}
        #: If or While -> the versions of variables that it saw.
        self.seen: dict[Operation | None, dict[str | None, Value]] = {}
        self.last_host: Node | None = None
        self.feeds: list[Value] = []
        for tensor in feeds:
            node = Node(FEED, None, {}, (), tensor.op.name, tensor.op)
            value = Value(node, 0, tensor.dtype.base_dtype, tensor.dims)
            node.outputs = (value,)
            self.nodes.append(node)
            self.value[tensor] = value
            self.feeds.append(value)
            if tensor.dtype.is_ref:  # bodies find it by the variable's name
                self.version[tensor.op.name] = value

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
        if op.type in BRANCHING:
            self.add_flow(op, barrier)
            return
        inputs = [self.read(t) for t in op.inputs]
        after: tuple[Node, ...] = ()
        if opdef.effect in (CHECK, HOST):
            after = (self.last_host,) if self.last_host is not None else ()
        elif opdef.effect == WRITE and barrier is not None:
            after = (barrier,)
        if op.type == "Identity" and op.inputs[0].dtype.is_ref:
            earlier = self.seen.get(op.attrs.get(AS_OF), {})
            version = earlier.get(self.variable_of.get(op.inputs[0]), inputs[0])
            self.value.setdefault(op.outputs[0], version)  # a read is the version itself
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
        if opdef.effect in (CHECK, HOST):
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

    # ----------------------------------------------------------------------------- control flow

    def add_flow(self, op: Operation, barrier: Node | None) -> None:
        """An If or While: one node, whose bodies are FrozenGraphs of their own.

        Its inputs are the versions of the variables that the bodies write, the operation's own
        inputs, and the versions of variables that they only read.  A body's feeds are the same
        Values, without the condition of an If.
        """
        bodies = {name: op.attrs[name] for name in BRANCHING[op.type]}
        written, read = self._variables_of(bodies.values())
        node = Node(op.type, OPDEFS[op.type], {}, (), op.name, op)
        own = [t for t in op.inputs if t not in self.variable_of or t in self.value]
        versions = [self.version[name] for name in written]
        others = [self.version[name] for name in read]
        self.seen[op] = {name: self.version[name] for name in (*written, *read)}
        node.inputs = (*versions, *(self.read(t) for t in own), *others)
        frozen: dict[str, FrozenGraph] = {}
        for name, context in bodies.items():
            is_loop = op.type == "While"
            given = own if is_loop else own[1:]
            names = [*context.args, *given[len(context.args) :]]
            frozen[name] = self._freeze_body(context, names, given, written, read)
        node.attrs = {**op.attrs, **frozen}
        node.writes = tuple(written)
        node.outputs = tuple(
            [Value(node, i, v.dtype, v.shape) for i, v in enumerate(versions)]
            + [
                Value(node, len(written) + i, t.dtype.base_dtype, t.dims)
                for i, t in enumerate(op.outputs)
            ]
        )
        for name, value in zip(written, node.outputs, strict=False):
            self.version[name] = value
        for tensor, value in zip(op.outputs, node.outputs[len(written) :], strict=True):
            self.value.setdefault(tensor, value)
        node.effects = frozenset(n.effect for g in frozen.values() for n in g.nodes) - {PURE}
        if node.effects & {CHECK, HOST}:
            node.after = (self.last_host,) if self.last_host is not None else ()
            self.last_host = self.barrier[op] = node
            self.hosts[node] = len(self.hosts)
        elif written and barrier is not None:
            node.after = (barrier,)
        self.nodes.append(node)

    def _variables_of(self, contexts: Iterable[Context]) -> tuple[list[str], list[str]]:
        """Names of the variables that operations needed by the contexts write, and only read."""
        used: dict[str, bool] = {}
        stack = list(contexts)
        while stack:
            context = stack.pop()
            outputs = [t for t in context.outputs if t is not None]
            for op in _needed(outputs, set(context.args), context):
                writes = OPDEFS[op.type].effect == WRITE
                refs = [
                    (t, writes and arg.is_ref)
                    for arg, t in zip(OPDEFS[op.type].signature.inputs, op.inputs, strict=False)
                    if t.dtype.is_ref
                ]
                for tensor, written in refs:
                    name = self.variable_of.get(tensor, variable_of(tensor).name)
                    used[name] = used.get(name, False) or written
                stack += [op.attrs[name] for name in BRANCHING.get(op.type, ())]
            for tensor in outputs:
                if tensor.dtype.is_ref:
                    used.setdefault(self.variable_of[tensor], False)
        return [n for n in used if used[n]], [n for n in used if not used[n]]

    def _freeze_body(
        self,
        context: Context,
        names: Sequence[Tensor],
        given: Sequence[Tensor],
        written: Sequence[str],
        read: Sequence[str],
    ) -> FrozenGraph:
        """The FrozenGraph of one body: fetches are the versions it leaves, then its outputs."""
        inner = _Freezer((), context)
        inner.variable_of.update(self.variable_of)

        def feed(name: str, dtype: DType, dims: Dims, op: Operation | None) -> Value:
            node = Node(FEED, None, {}, (), name, op)
            node.outputs = (Value(node, 0, dtype, dims),)
            inner.nodes.append(node)
            inner.feeds.append(node.outputs[0])
            return node.outputs[0]

        def version(name: str) -> None:
            old = self.version[name]
            inner.version[name] = feed(name, old.dtype, old.shape, old.node.op)

        for name in written:
            version(name)
        for tensor, outer in zip(names, given, strict=True):
            value = feed(tensor.op.name, tensor.dtype.base_dtype, tensor.dims, tensor.op)
            known = self.value.get(outer)
            if tensor is outer and known is not None and known.node.type == "Const":
                value = known  # a constant stays one inside
                inner.nodes.append(known.node)
            inner.value[tensor] = value
        for name in read:
            version(name)
        outputs = [t for t in context.outputs if t is not None]
        for op in _needed(outputs, set(inner.value), context):
            inner.add(op)
        fetches = [inner.version[name] for name in written]
        for output in context.outputs:
            fetches.append(inner.absent() if output is None else inner.read(output))
        return FrozenGraph(inner.nodes, inner.feeds, fetches)

    def absent(self) -> Value:
        """A result that only the other branch of an If has; nobody looks at it here."""
        node = Node(ABSENT, None, {}, (), "absent")
        node.outputs = (Value(node, 0, bool_, None),)
        self.nodes.append(node)
        return node.outputs[0]

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
