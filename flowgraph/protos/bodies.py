"""Functions of a GraphDef and the nodes that call them, as the importer makes them.

    If, StatelessIf                        If; the branches are Contexts, arguments are captures
    While, StatelessWhile                  While; a variable that the body returns as it is: capture
    PartitionedCall, a function's name     the operations of the function, in place

Read next: importing.py; functions.py (the way there).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flowgraph.dtypes import as_dtype, bool_
from flowgraph.graph.apply import call, note_effects
from flowgraph.graph.contexts import Context
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS
from flowgraph.protos.functions import ARG_NAME, CAPTURES, OURS
from flowgraph.protos.graphs import FunctionDef, FunctionDefLibrary, NodeDef
from flowgraph.protos.resource_variables import with_plain_variables
from flowgraph.protos.stack_functions import as_op
from flowgraph.protos.switches import has_branches, in_order, without_switches
from flowgraph.protos.tensors import dims_of
from flowgraph.shapes import Dims

BRANCHES = {"If": "If", "StatelessIf": "If"}
LOOPS = {"While": "While", "StatelessWhile": "While"}
CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
#: A result that only the other branch has.
ABSENT = "FakeParam"


def _functions_of(node: NodeDef) -> list[str]:
    return [value.func.name for value in node.attr.values() if value.WhichOneof("value") == "func"]


class Library:
    """The functions of a GraphDef by name, with their nodes as the importer wants them."""

    def __init__(self, message: FunctionDefLibrary, more: Iterable[FunctionDef] = ()) -> None:
        functions = [*message.function, *more]
        self._functions = {function.signature.name: function for function in functions}
        self._nodes: dict[str, list[NodeDef]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._functions

    def function(self, name: str) -> FunctionDef:
        """A function.

        Raises:
            ValueError: it is not there.
        """
        found = self._functions.get(name)
        if found is None:
            raise ValueError(f"import_graph_def: the library has no function {name!r}")
        return found

    def calls(self, node: NodeDef) -> bool:
        """Whether ``node`` is a branch, a loop or a call."""
        if node.op in BRANCHES or node.op in LOOPS or node.op in CALLS:
            return True
        return node.op in self._functions and node.op not in OPDEFS

    def nodes(self, name: str) -> list[NodeDef]:
        """The nodes of a function, whose inputs are named as in a graph: ``node:number``."""
        if name not in self._nodes:
            function = self.function(name)
            counts = {node.name: _output_places(node, self) for node in function.node_def}
            nodes = []
            for node in function.node_def:
                new = NodeDef()
                new.CopyFrom(node)
                new.input[:] = [plain_text(text, counts) for text in node.input]
                nodes.append(as_op(new))
            nodes = with_plain_variables(nodes)
            self._nodes[name] = (
                without_switches(list(in_order(nodes))) if has_branches(nodes) else nodes
            )
        return self._nodes[name]

    def results(self, name: str) -> list[str]:
        """What a function returns, named like ``nodes`` names it."""
        function = self.function(name)
        counts = {node.name: _output_places(node, self) for node in function.node_def}
        return [plain_text(function.ret[arg.name], counts) for arg in function.signature.output_arg]

    def all_nodes(self, nodes: Sequence[NodeDef]) -> Iterator[NodeDef]:
        """``nodes`` that call nothing, and those of the functions that the others call.

        Raises:
            ValueError: a function is not there, or calls itself.
        """
        yield from self._all_nodes(nodes, ())

    def _all_nodes(self, nodes: Sequence[NodeDef], around: tuple[str, ...]) -> Iterator[NodeDef]:
        for node in nodes:
            if not self.calls(node):
                if node.op != ABSENT:
                    yield node
                continue
            names = [node.op] if node.op in self._functions else _functions_of(node)
            if not names:
                yield node  # not known in this form
            for name in names:
                if name in around:
                    raise ValueError(f"import_graph_def: function {name!r} calls itself")
                yield from self._all_nodes(self.nodes(name), (*around, name))


def _output_places(node: NodeDef, library: Library) -> dict[str, int]:
    """Name of an output argument -> number of its first tensor; empty where there is only one."""
    if node.op in library and node.op not in OPDEFS:
        args = library.function(node.op).signature.output_arg
        return {arg.name: place for place, arg in enumerate(args)}
    opdef = OPDEFS.get(node.op)
    if opdef is None or len(opdef.signature.outputs) < 2:
        return {}
    places, place = {}, 0
    for arg in opdef.signature.outputs:
        places[arg.name] = place
        count = 1
        if arg.is_list and arg.count_attr:
            count = node.attr[arg.count_attr].i
        elif arg.is_list:
            count = len(node.attr[arg.dtype_attr].list.type)
        place += count
    return places


def plain_text(text: str, places: Mapping[str, Mapping[str, int]]) -> str:
    """An input in a function, ``node:argument:number``, as graphs write it: ``node:number``.

    >>> plain_text("moments:variance:0", {"moments": {"mean": 0, "variance": 1}})
    'moments:1'
    """
    parts = text.split(":")
    if text.startswith("^") or len(parts) < 3:
        return text
    name, argument, number = parts
    return f"{name}:{places.get(name, {}).get(argument, 0) + int(number)}"


def make_calling(maker: Any, node: NodeDef) -> tuple[Operation, list[Tensor | None]]:
    """The operation of a branch, loop or call, and its results, by the importer ``maker``."""
    inputs = [maker.tensor(text, node) for text in node.input if not text.startswith("^")]
    controls = [maker.control(text, node) for text in node.input if text.startswith("^")]
    if node.op in BRANCHES:
        return _branches(maker, node, inputs, controls)
    if node.op in LOOPS:
        return _loop(maker, node, inputs, controls)
    name = node.op if node.op in maker.library else node.attr["f"].func.name
    return _inlined(maker, node, name, inputs, controls)


def _prefix(maker: Any, node: NodeDef) -> str:
    """Functions that were written here hold the names of their operations in full."""
    return maker.prefix if OURS in node.attr else f"{maker.prefix}{node.name}/"


def _body(
    maker: Any, name: str, prefix: str, args: Sequence[Tensor], need_effects: bool = True
) -> tuple[list[Tensor | None], list[Operation]]:
    """Makes the operations of a function for ``args``; its results, and what has effects."""
    function = maker.library.function(name)
    if len(function.signature.input_arg) != len(args):
        raise ValueError(
            f"import_graph_def: function {name!r} takes {len(function.signature.input_arg)} "
            f"arguments, {len(args)} are given"
        )
    known = {arg.name: [t] for arg, t in zip(function.signature.input_arg, args, strict=True)}
    inner = maker.inside(prefix, known)
    inner.make(maker.library.nodes(name))
    results = [inner.result(text) for text in maker.library.results(name)]
    effects = [inner.made[text] for text in function.control_ret.values() if text in inner.made]
    if effects and need_effects:
        with maker.graph.control_dependencies(effects):
            results = [
                t if t is None or t.dtype.is_ref else call.Identity(t, name=f"{prefix}result")
                for t in results
            ]
    return results, effects


def _inlined(
    maker: Any, node: NodeDef, name: str, inputs: list[Tensor], controls: list[Operation]
) -> tuple[Operation, list[Tensor | None]]:
    results, effects = _body(maker, name, f"{maker.prefix}{node.name}/", inputs, False)
    plain = [t for t in results if t is not None and not t.dtype.is_ref]
    place = maker.free_name(node.name) + "/"
    with maker.graph.control_dependencies([*controls, *effects]):
        if not plain:
            return call.NoOp(name=place), results
        copies = iter(call.IdentityN(plain, name=place))
    found = [t if t is None or t.dtype.is_ref else next(copies) for t in results]
    op = next(t.op for t in found if t is not None and not t.dtype.is_ref)
    return op, found


def _branches(
    maker: Any, node: NodeDef, inputs: list[Tensor], controls: list[Operation]
) -> tuple[Operation, list[Tensor | None]]:
    condition, *args = inputs
    place = maker.free_name(node.name)
    if condition.dtype.base_dtype is not bool_:
        condition = call.Cast(condition, DstT=bool_, name=f"{place}/pred/")
    contexts: list[Context] = []
    scope = place.rpartition("/")[0] or place
    for kind, key in (("then", "then_branch"), ("else", "else_branch")):
        with maker.graph._inside(kind, scope) as context:
            results, _ = _body(maker, node.attr[key].func.name, _prefix(maker, node), args)
            results = [call.Identity(t) if t is not None and t.dtype.is_ref else t for t in results]
            context.close(maker.graph, [t for t in results if t is not None])
            context.outputs = results
        contexts.append(context)
    captures = list(dict.fromkeys(t for context in contexts for t in context.captures))
    attrs = {
        "Tin": [t.dtype.base_dtype for t in captures],
        "Tout": [as_dtype(enum) for enum in node.attr["Tout"].list.type],
        "then_branch": contexts[0],
        "else_branch": contexts[1],
    }
    op = maker.operation("If", place, [condition, *captures], controls, attrs, node.device)
    note_effects(maker.graph, op, contexts)
    return op, list(op.outputs)


def _loop(
    maker: Any, node: NodeDef, inputs: list[Tensor], controls: list[Operation]
) -> tuple[Operation, list[Tensor | None]]:
    library: Library = maker.library
    functions = {key: node.attr[key].func.name for key in ("cond", "body")}
    moving = _moving(library, node, functions["body"], inputs)
    given = node.attr["output_shapes"].list.shape if "output_shapes" in node.attr else []
    dims: list[Dims] = [None] * len(inputs)
    if len(given) == len(inputs):
        dims = [dims_of(shape) for shape in given]
    place = maker.free_name(node.name)
    scope = place.rpartition("/")[0] or place
    contexts: dict[str, Context] = {}
    for key, name in functions.items():
        function = library.function(name)
        with maker.graph._inside(key, scope) as context:
            args = list(inputs)
            for k in moving:
                said = _argument_name(function, k) if OURS in node.attr else ""
                text = said or f"{node.name}/{function.signature.input_arg[k].name}"
                dtype = inputs[k].dtype.base_dtype
                args[k] = call.Arg(dtype=dtype, shape=dims[k], name=maker.free_name(text) + "/")
                context.args.append(args[k])
            results, _ = _body(maker, name, _prefix(maker, node), args)
            kept = results if key == "cond" else [results[k] for k in moving]
            context.close(maker.graph, [t for t in kept if t is not None])
        contexts[key] = context
    captures = list(dict.fromkeys(t for c in contexts.values() for t in c.captures))
    initial = [inputs[k] for k in moving]
    attrs = {
        "T": [t.dtype.base_dtype for t in initial],
        "Tcaptures": [t.dtype.base_dtype for t in captures],
        **contexts,
        "back_prop": True,
    }
    op = maker.operation("While", place, [*initial, *captures], controls, attrs, node.device)
    note_effects(maker.graph, op, list(contexts.values()))
    found: list[Tensor | None] = list(inputs)
    for k, output in zip(moving, op.outputs, strict=True):
        found[k] = output
    return op, found


def _argument_name(function: FunctionDef, number: int) -> str:
    if number not in function.arg_attr or ARG_NAME not in function.arg_attr[number].attr:
        return ""
    return function.arg_attr[number].attr[ARG_NAME].s.decode()


def _moving(library: Library, node: NodeDef, body: str, inputs: Sequence[Tensor]) -> list[int]:
    """The numbers of the variables that a body changes."""
    if CAPTURES in node.attr:
        return list(range(len(inputs) - node.attr[CAPTURES].i))
    function = library.function(body)
    by_name = {item.name: item for item in library.nodes(body)}
    names = [arg.name for arg in function.signature.input_arg]

    def source(text: str) -> str:
        item = by_name.get(text.partition(":")[0])
        while item is not None and item.op == "Identity" and item.input:
            text = item.input[0]
            item = by_name.get(text.partition(":")[0])
        return text

    same = [
        inputs[k].dtype.is_ref or source(text) == names[k]
        for k, text in enumerate(library.results(body))
    ]
    found = [k for k, is_same in enumerate(same) if not is_same]
    return found or [k for k, t in enumerate(inputs) if not t.dtype.is_ref]
