"""Branches and loops in a GraphDef: TensorFlow's functional ``If`` and ``While``.

    If(p, captures)                 if_(cond, captures)        then_branch, else_branch
    While(initial, captures)   =>   while_(initial + captures) cond, body

The Contexts become functions of the library of the GraphDef.  A FunctionDef sees nothing outside of
itself: what a branch captures is an argument, and what a loop captures is one more loop variable,
which the body returns as it is (``_captures`` says how many they are).  Variables are read before.

Read next: exporting.py; bodies.py (the way back).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from flowgraph.dtypes import DType
from flowgraph.graph.contexts import AS_OF, Context
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, PURE, WRITE
from flowgraph.protos.graphs import AttrValue, FunctionDef, NameAttrList, NodeDef, OpDef
from flowgraph.protos.stack_functions import as_call, function_name, function_of, is_stack
from flowgraph.protos.tensors import shape_proto

#: Attr of a While: how many of its last loop variables are captures.
CAPTURES = "_captures"
#: Attr of an If or While of this library: the functions hold the names of operations in full.
OURS = "_full_names"
#: Attr of an argument: the name of the operation that it is here.
ARG_NAME = "_arg_name"

Text = Callable[[Tensor], str]
MakeNode = Callable[[Operation], NodeDef]


def has_bodies(op: Operation) -> bool:
    """True for branches and loops; the datasets of tf.data are no bodies: their names suffice."""
    return any(isinstance(value, Context) for value in op.attrs.values())


class Functions:
    """The functions of one GraphDef, and the nodes that call them.

    Args:
        make_node: makes the NodeDef of an operation without bodies.
    """

    def __init__(self, make_node: MakeNode) -> None:
        self.made: list[FunctionDef] = []
        self._form = make_node
        self._stacks: dict[str, str] = {}
        self._names: set[str] = set()

    def _make_node(self, op: Operation) -> NodeDef:
        node = self._form(op)
        if not is_stack(node):
            return node
        key = function_name(node)
        if key not in self._stacks:
            self._stacks[key] = self._free(key)
            list.append(self.made, function_of(node, self._stacks[key]))
        return as_call(node, self._stacks[key])

    def nodes(self, op: Operation) -> list[NodeDef]:
        """The node of an operation; of an If or While, behind the reads of its variables."""
        if not has_bodies(op):
            return [self._make_node(op)]
        reads: list[NodeDef] = []

        def text(tensor: Tensor) -> str:
            if not tensor.dtype.is_ref:
                return tensor.name if tensor.value_index else tensor.op.name
            read = NodeDef(name=f"{op.name}/read_{len(reads)}", op="Identity")
            read.input.append(tensor.name if tensor.value_index else tensor.op.name)
            read.input.extend(f"^{other.name}" for other in op._control_inputs)
            read.attr["T"].type = tensor.dtype.base_dtype.as_datatype_enum
            reads.append(read)
            return read.name

        node = self._node(op, text)
        node.input.extend(f"^{other.name}" for other in op._control_inputs)
        return [*reads, node]

    def _node(self, op: Operation, text: Text) -> NodeDef:
        node = NodeDef(name=op.name, op=op.type, device=op.device)
        node.attr[OURS].b = True
        node.input.extend(map(text, op.inputs))
        if op.type == "If":
            captures = op.inputs[1:]
            contexts = {key: op.attrs[key] for key in ("then_branch", "else_branch")}
            node.attr["Tcond"].type = op.inputs[0].dtype.base_dtype.as_datatype_enum
            node.attr["Tin"].CopyFrom(_types(t.dtype for t in captures))
            node.attr["Tout"].CopyFrom(_types(t.dtype for t in op.outputs))
            shapes = [t.dims for t in op.outputs]
        else:
            count = len(op.attrs["T"])
            captures = op.inputs[count:]
            contexts = {key: op.attrs[key] for key in ("cond", "body")}
            node.attr["T"].CopyFrom(_types(t.dtype for t in op.inputs))
            node.attr[CAPTURES].i = len(captures)
            node.attr["parallel_iterations"].i = 10
            shapes = [t.dims for t in (*op.attrs["body"].args, *captures)]
        listed = AttrValue.ListValue(shape=[shape_proto(dims) for dims in shapes])
        node.attr["output_shapes"].CopyFrom(AttrValue(list=listed))
        pure = True
        for key, context in contexts.items():
            function, is_pure = self._function(op, key, context, captures)
            node.attr[key].CopyFrom(AttrValue(func=NameAttrList(name=function.signature.name)))
            pure = pure and is_pure
        if pure:
            node.op = f"Stateless{op.type}"
        return node

    def _free(self, name: str) -> str:
        base = name = re.sub(r"\W", "_", name)
        number = 0
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    def _function(
        self, owner: Operation, key: str, context: Context, captures: Sequence[Tensor]
    ) -> tuple[FunctionDef, bool]:
        function = FunctionDef(signature=OpDef(name=self._free(f"{owner.name}_{key}")))
        known: dict[Tensor, str] = {}
        for k, tensor in enumerate([*context.args, *captures]):
            known.setdefault(tensor, f"arg_{k}")
            function.signature.input_arg.append(_argument(f"arg_{k}", tensor.dtype))
            if k < len(context.args):
                function.arg_attr[k].attr[ARG_NAME].s = tensor.op.name.encode()
        inside = _needed(context, set(known))

        def text(tensor: Tensor) -> str:
            return known.get(tensor) or _output_text(tensor)

        pure = True
        for op in inside:
            opdef = OPDEFS[op.type]
            if opdef.effect == WRITE:
                raise NotImplementedError(
                    f"{op.name!r} ({op.type}) writes a variable {context.place()}: functions of a "
                    "GraphDef take values, so it has no GraphDef form; write it outside, "
                    "with the value that the branch or loop returns"
                )
            if has_bodies(op):
                node = self._node(op, text)
                pure = pure and node.op.startswith("Stateless")
            else:
                pure = pure and opdef.effect == PURE
                node = self._make_node(op)
                if AS_OF in node.attr:
                    del node.attr[AS_OF]
                node.input[:] = [text(tensor) for tensor in op.inputs]
            own = (c for c in op._control_inputs if c._context is context.origin)
            node.input.extend(f"^{other.name}" for other in own if other.type != "Arg")
            list.append(function.node_def, node)
        if inside:
            function.node_def._changed()
        results = [None if t is None else text(t) for t in context.outputs]
        dtypes = [t.dtype for t in context.outputs if t is not None]
        if key == "body":
            results += [known[t] for t in captures]
            dtypes += [t.dtype for t in captures]
        if None in results:
            dtypes = [t.dtype for t in owner.outputs]
        for k, (result, dtype) in enumerate(zip(results, dtypes, strict=True)):
            if result is None:
                result = _add_absent(function, f"absent_{k}", owner.outputs[k])
            function.signature.output_arg.append(_argument(f"output_{k}", dtype))
            function.ret[f"output_{k}"] = result
        if not pure:
            function.signature.is_stateful = True
        list.append(self.made, function)
        return function, pure


def _types(dtypes: Iterable[DType]) -> AttrValue:
    enums = [dtype.base_dtype.as_datatype_enum for dtype in dtypes]
    return AttrValue(list=AttrValue.ListValue(type=enums))


def _argument(name: str, dtype: DType) -> OpDef.ArgDef:
    return OpDef.ArgDef(name=name, type=dtype.base_dtype.as_datatype_enum)


def _add_absent(function: FunctionDef, name: str, tensor: Tensor) -> str:
    """A result that only the other branch has, as TensorFlow writes it."""
    node = NodeDef(name=name, op="FakeParam")
    node.attr["dtype"].type = tensor.dtype.base_dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(shape_proto(tensor.dims))
    function.node_def.append(node)
    return f"{name}:output:0"


def _output_text(tensor: Tensor) -> str:
    """A tensor as nodes of a function name it: node, argument of the op type, place in it."""
    op = tensor.op
    place = tensor.value_index
    for arg in OPDEFS[op.type].signature.outputs:
        count = 1
        if arg.is_list:
            count = op.attrs[arg.count_attr] if arg.count_attr else len(op.attrs[arg.dtype_attr])
        if has_bodies(op):
            count = len(op.outputs)
        if place < count:
            return f"{op.name}:{arg.name}:{place}"
        place -= count
    raise AssertionError(f"{op.type} has no output {tensor.value_index}")


def _needed(context: Context, known: set[Tensor]) -> list[Operation]:
    """The operations of ``context`` that its outputs need, in the order they were made."""
    found: set[Operation] = set()
    waiting = [t.op for t in context.outputs if t is not None and t not in known]
    while waiting:
        op = waiting.pop()
        if op in found or op._context is not context.origin or op.type == "Arg":
            continue
        found.add(op)
        waiting.extend(t.op for t in op.inputs if t not in known)
        waiting.extend(op._control_inputs)
    return sorted(found, key=lambda op: op._id)
