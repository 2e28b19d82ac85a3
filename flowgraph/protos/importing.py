"""From a GraphDef to operations: tf.import_graph_def.

The whole GraphDef is checked for what is not known here before the first operation is made.
Operations are made in the order of the nodes, or later where a node stands before its inputs: the
order in which effects on variables happen (docs/design.md, "Variables and effects").

Read next: exporting.py (the way there), graph/apply.py (how programs make operations).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowgraph.dtypes import DType, as_dtype, int32
from flowgraph.errors import NotFoundError, did_you_mean
from flowgraph.graph.apply import infer_shapes, note_writes, output_dtypes
from flowgraph.graph.attrs import given_attrs
from flowgraph.graph.convert import convert
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, REQUIRED, OpDef
from flowgraph.graph.report import call_message
from flowgraph.platform.versions import GRAPH_DEF_VERSION
from flowgraph.protos.bodies import ABSENT, Library, make_calling
from flowgraph.protos.frames import has_frames, without_frames
from flowgraph.protos.graphs import AttrValue, FunctionDef, GraphDef, NodeDef
from flowgraph.protos.resource_variables import with_plain_variables
from flowgraph.protos.stack_functions import as_op
from flowgraph.protos.switches import has_branches, in_order, without_switches
from flowgraph.protos.tensor_arrays import has_arrays, without_arrays
from flowgraph.protos.tensors import array_of, dims_of

#: Attrs that releases after 1.15 write and that mean 1.15's behaviour with this value.  Any other
#: unknown attr does when it is empty, zero or False.
_NEWER = {"exponential_avg_factor": 1.0, "Tk": int32, "index_type": int32}
#: Attrs of those releases that change no result (which operand is a gradient).
_SILENT = {"grad_a", "grad_b", "grad_x", "grad_y"}
_FIELD_OF_KIND = {
    "type": "type", "bool": "b", "int": "i", "float": "f", "string": "s", "shape": "shape",
    "tensor": "tensor",
}  # fmt: skip


@export("import_graph_def", "graph_util.import_graph_def")
def import_graph_def(
    graph_def: GraphDef,
    input_map: Mapping[str, Any] | None = None,
    return_elements: Sequence[str] | None = None,
    name: str | None = None,
    op_dict: Any = None,
    producer_op_list: Any = None,
) -> list[Operation | Tensor] | None:
    """Add the operations of a GraphDef to the default graph.

    Args:
        graph_def: a GraphDef, of TensorFlow or of ``Graph.as_graph_def``.
        input_map: name of a tensor in ``graph_def`` (``"x"``, ``"x:1"``; ``"^x"`` for control
            inputs) -> what its consumers take instead.
        return_elements: names of operations (``"x"``) and tensors (``"x:0"``) to return.
        name: prefix of the names, ``"import"`` when None; ``""``: no prefix.  A name that is taken
            gets a number.
        op_dict: accepted (it is deprecated in TensorFlow).
        producer_op_list: an OpList with the defaults of who wrote it: attrs that are not known
            here are left out where they have these.

    Returns:
        The operations and tensors of ``return_elements``, or None when there are none.

    Raises:
        TypeError: ``graph_def`` is no GraphDef, or an argument no dict or list of names.
        NotFoundError: op types that are not known here; all are named, with their nodes.
        ValueError: the graph is for later versions; an input, or a name of ``input_map`` or
            ``return_elements``, is not there; a node does not fit its op type, or is its own input.

    >>> with tf.Graph().as_default() as first:
    ...     _ = tf.square(tf.placeholder(tf.float32, name="x"), name="y")
    >>> x = tf.constant(3.0)
    >>> (y,) = tf.import_graph_def(first.as_graph_def(), {"x": x}, ["y:0"], name="again")
    >>> tf.Session().run(y)
    9.0
    """
    message = as_graph_def(graph_def)
    given = {} if input_map is None else input_map
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise TypeError("input_map must be a dict from names to tensors")
    mapped = dict(given)
    wanted = [] if return_elements is None else list(return_elements)
    if isinstance(return_elements, str) or not all(isinstance(item, str) for item in wanted):
        raise TypeError("return_elements must be a list of names")
    _check_versions(message)
    nodes = with_plain_variables(map(as_op, message.node))
    if has_arrays(nodes):
        nodes = without_arrays(nodes)
    functions: list[FunctionDef] = []
    if has_frames(nodes):
        nodes, functions = without_frames(nodes)
    if has_branches(nodes):
        nodes = without_switches(list(in_order(nodes)))
    library = Library(message.library, functions)
    _check_types(library.all_nodes(nodes))
    graph = get_default_graph()
    with name_scope(name, "import", list(mapped.values())) as scope:
        if any(not isinstance(_element(value), (Tensor, Operation)) for value in mapped.values()):
            if not scope:
                raise ValueError("import_graph_def: name must not be empty, since input_map has "
                                 "values that are no tensors")  # fmt: skip
            with name_scope("_inputs"):
                mapped = {key: _as_element(value) for key, value in mapped.items()}
        mapped = {_key(key): _element(value) for key, value in mapped.items()}
        maker = _Importer(graph, scope or "", mapped, _produced(producer_op_list), message,
                          library)  # fmt: skip
        maker.make(nodes)
        elements = [maker.returned(item) for item in wanted]
    unused = sorted(set(mapped) - maker.used)
    if unused:
        raise ValueError(
            call_message(
                f"Attempted to map inputs that were not found in graph_def: [{', '.join(unused)}]",
                fix="write names as the GraphDef has them: [n.name for n in graph_def.node]",
            )
        )
    return None if return_elements is None else elements


def as_graph_def(given: Any) -> GraphDef:
    """``given`` as one of our GraphDefs: it may be one of Google's classes.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(given, GraphDef):
        return given
    if type(given).__name__ != "GraphDef" or not hasattr(given, "SerializeToString"):
        raise TypeError(f"graph_def must be a GraphDef proto, got {type(given).__name__}")
    return GraphDef.FromString(given.SerializeToString())


def _element(value: Any) -> Any:
    return value._as_graph_element() if hasattr(value, "_as_graph_element") else value


def _as_element(value: Any) -> Any:
    value = _element(value)
    return value if isinstance(value, (Tensor, Operation)) else convert(value, None, "Const")


def _key(name: str) -> str:
    """The name of a tensor in full, ``"x:0"``."""
    return name if name.startswith("^") or ":" in name else f"{name}:0"


def _check_types(nodes: Iterable[NodeDef]) -> None:
    """All op types are known, and are made of nodes alone."""
    unknown: dict[str, list[str]] = {}
    for node in nodes:
        opdef = OPDEFS.get(node.op)
        if opdef is None or any(a.kind == "func" for a in opdef.signature.attrs.values()):
            unknown.setdefault(node.op, []).append(node.name)
    if unknown:
        lines = [
            f"\n  {type} ({len(names)}): {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
            for type, names in sorted(unknown.items())
        ]
        raise NotFoundError(
            None, None, f"Op type not registered: the graph has {len(unknown)} op type(s) that "
            f"cannot be imported, each here with its nodes:{''.join(lines)}",
        )  # fmt: skip


def _check_versions(message: GraphDef) -> None:
    """The graph may be read by this version."""
    versions = message.versions
    if versions.min_consumer > GRAPH_DEF_VERSION:
        raise ValueError(
            f"GraphDef min consumer version {versions.min_consumer} above current version "
            f"{GRAPH_DEF_VERSION}: it was written by a later release, for later ones only"
        )
    if GRAPH_DEF_VERSION in versions.bad_consumers:
        raise ValueError(f"GraphDef disallows consumer version {GRAPH_DEF_VERSION}")


def _produced(op_list: Any) -> dict[tuple[str, str], bytes]:
    """(op type, attr) -> the default that the writer of the graph knew, as bytes."""
    return {
        (op.name, attr.name): attr.default_value.SerializeToString()
        for op in (op_list.op if op_list is not None else ())
        for attr in op.attr
        if attr.HasField("default_value")
    }


class _Importer:
    """Makes the operations of one GraphDef."""

    def __init__(
        self,
        graph: Graph,
        prefix: str,
        mapped: Mapping[str, Any],
        produced: Mapping[tuple[str, str], bytes],
        message: GraphDef,
        library: Library,
    ) -> None:
        self.graph, self.prefix, self.mapped, self.produced = graph, prefix, mapped, produced
        self.message, self.library = message, library
        self.producer = message.versions.producer
        #: Where no names are free, what is in front of them all.
        self.root = prefix
        self.made: dict[str, Operation] = {}
        #: The results of nodes; those of a call are of several operations, or absent.
        self.results: dict[str, Sequence[Tensor | None]] = {}
        #: Names in ``mapped`` that something has asked for.
        self.used: set[str] = set()

    def make(self, nodes: Sequence[NodeDef]) -> None:
        """Make all operations."""
        names = [node.name for node in nodes]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"import_graph_def: two nodes are named {twice!r}")
        for node in in_order(nodes):
            if self.library.calls(node):
                self.made[node.name], self.results[node.name] = make_calling(self, node)
            elif node.op == ABSENT:
                self.results[node.name] = [None]
            else:
                op = self.made[node.name] = self._operation(node)
                self.results[node.name] = op.outputs

    def inside(self, prefix: str, known: Mapping[str, Sequence[Tensor]]) -> _Importer:
        """The importer of a function whose arguments are ``known``."""
        other = _Importer(self.graph, prefix, {}, self.produced, self.message, self.library)
        other.root = self.root
        other.results.update(known)
        return other

    def result(self, text: str) -> Tensor | None:
        """What a function returns."""
        name, _, number = _key(text).rpartition(":")
        if name not in self.results or int(number) >= len(self.results[name]):
            raise ValueError(f"import_graph_def: a function returns {text!r}, which is not there")
        return self.results[name][int(number)]

    def free_name(self, name: str) -> str:
        """The name of a node here."""
        full = self.prefix + name
        if full in self.graph._by_name:
            return self.graph.unique_name(full.removeprefix(self.root))
        return full

    def operation(
        self,
        type: str,
        name: str,
        inputs: Sequence[Tensor],
        controls: Sequence[Operation],
        attrs: dict[str, Any],
        device: str = "",
    ) -> Operation:
        """Makes an operation of complete ``attrs``."""
        opdef = OPDEFS[type]
        dtypes = output_dtypes(opdef, attrs)
        shapes = infer_shapes(opdef, inputs, attrs, dtypes, name)
        with self.graph.device(device):
            op = self.graph.create_op(
                type, inputs, dtypes, shapes, name + "/", attrs, dict.fromkeys(controls)
            )
        note_writes(opdef, op)
        return op

    def _operation(self, node: NodeDef) -> Operation:
        opdef = OPDEFS[node.op]
        attrs = self._attrs(opdef, node)
        inputs = [self.tensor(text, node) for text in node.input if not text.startswith("^")]
        controls = [self.control(text, node) for text in node.input if text.startswith("^")]
        self._check_inputs(opdef, attrs, inputs, node)
        name = self.free_name(node.name)
        return self.operation(node.op, name, inputs, controls, attrs, node.device)

    # --------------------------------------------------------------------------------------- inputs

    def tensor(self, text: str, node: NodeDef) -> Tensor:
        key = _key(text)
        if key in self.mapped:
            self.used.add(key)
            value = self.mapped[key]
            if not isinstance(value, Tensor):
                raise TypeError(f"input_map: {text!r} is a tensor, got {value!r}")
            return value
        name, _, number = key.rpartition(":")
        outputs = self.results.get(name)
        if outputs is None:
            hint = did_you_mean(name, self.results)
            raise ValueError(f"Node {node.name!r}: Unknown input node {text!r}{hint}")
        if not number.isdigit() or int(number) >= len(outputs):
            raise ValueError(f"Node {node.name!r}: Connecting to invalid output {number} of source "
                             f"node {name} which has {len(outputs)} outputs")  # fmt: skip
        found = outputs[int(number)]
        if found is None:
            raise ValueError(f"Node {node.name!r}: input {text!r} has no value in this branch")
        return found

    def control(self, text: str, node: NodeDef) -> Operation:
        if text in self.mapped:
            self.used.add(text)
            return getattr(self.mapped[text], "op", self.mapped[text])
        op = self.made.get(text[1:])
        if op is None:
            raise ValueError(f"Node {node.name!r}: Unknown input node {text!r}")
        return op

    @staticmethod
    def _check_inputs(
        opdef: OpDef, attrs: Mapping[str, Any], inputs: Sequence[Tensor], node: NodeDef
    ) -> None:
        """Number and dtypes of the inputs are those of the op type."""
        expected: list[tuple[str, DType, bool]] = []
        for arg in opdef.signature.inputs:
            given = attrs[arg.dtype_attr] if arg.dtype_attr else DType(arg.dtype)
            count = attrs[arg.count_attr] if arg.count_attr else 1
            dtypes = given if isinstance(given, list) else [given] * count
            expected += [(arg.name, dtype, arg.is_ref) for dtype in dtypes]
        place = f"Node {node.name!r} (op: {node.op})"
        if len(expected) != len(inputs):
            raise ValueError(f"{place} takes {len(expected)} input(s), {len(inputs)} are given")
        for (name, dtype, is_ref), tensor in zip(expected, inputs, strict=True):
            if tensor.dtype.base_dtype is not dtype or (is_ref and not tensor.dtype.is_ref):
                wanted = dtype._as_ref if is_ref else dtype
                raise ValueError(
                    f"{place}: input {name!r} was passed {tensor.dtype.name} from {tensor.name} "
                    f"incompatible with expected {wanted.name}."
                )

    # ---------------------------------------------------------------------------------------- attrs

    def _attrs(self, opdef: OpDef, node: NodeDef) -> dict[str, Any]:
        specs = opdef.signature.attrs
        found: dict[str, Any] = {}
        place = f"Node {node.name!r} (op: {node.op})"
        for name, value in node.attr.items():
            spec = specs.get(name)
            try:
                if spec is not None:
                    found[name] = _value_of(value, spec.kind)
                elif name == "_class":
                    found[name] = [self._located(item) for item in value.list.s]
                elif name.startswith("_"):
                    if name != "_output_shapes" and value.WhichOneof("value") in _HINTS:
                        found[name] = _HINTS[value.WhichOneof("value") or ""](value)
                elif not self._means_nothing(node.op, name, value):
                    raise ValueError("it is not known here, and has not its default value")
            except (TypeError, ValueError) as error:
                raise ValueError(f"{place}: attr {name!r}: {error}") from None
        if node.op == "Placeholder" and self.producer < 24 and found.get("shape") == ():
            found["shape"] = None  # in those days the shape of a placeholder without one
        try:
            attrs = given_attrs(opdef, found)
        except TypeError as error:
            raise ValueError(f"{place}: {error}") from None
        for name, spec in specs.items():
            if name not in attrs:
                if spec.default is REQUIRED:
                    raise ValueError(f"{place}: NodeDef missing attr {name!r}")
                attrs[name] = spec.default
        return attrs

    def _located(self, text: bytes) -> str:
        """``loc:@x`` with the name that x has now."""
        here = text.decode()
        if not here.startswith("loc:@"):
            return here
        op = self.made.get(here[5:])
        return f"loc:@{self.prefix + here[5:] if op is None else op.name}"

    def _means_nothing(self, type: str, name: str, value: AttrValue) -> bool:
        """Whether an attr that is not known here asks for nothing that 1.15 would not do."""
        if name in _SILENT or self.produced.get((type, name)) == value.SerializeToString():
            return True
        kind = value.WhichOneof("value")
        if kind == "list":
            return not value.list.ListFields()
        if kind == "type":
            return as_dtype(value.type) is _NEWER.get(name)
        plain = getattr(value, kind) if kind in ("i", "f", "b", "s") else None
        return plain == _NEWER[name] if name in _NEWER else plain is not None and not plain

    # -------------------------------------------------------------------------------------- results

    def returned(self, text: str) -> Operation | Tensor:
        """The operation or tensor of a name."""
        if ":" in text and text in self.mapped:
            self.used.add(text)
            return self.mapped[text]
        name, colon, number = text.rpartition(":") if ":" in text else (text, "", "")
        op, results = self.made.get(name), self.results.get(name, ())
        if op is None or (colon and not (number.isdigit() and int(number) < len(results))):
            hint = did_you_mean(name, self.made) if op is None else ""
            raise ValueError(
                call_message(
                    f"Requested return_element {text!r} not found in graph_def.{hint}",
                    fix="write names as the GraphDef has them: [n.name for n in graph_def.node]",
                )
            )
        if not colon:
            return op
        found = results[int(number)]
        assert found is not None  # only functions have absent results
        return found


#: Field of AttrValue -> the value of a hint.
_HINTS: dict[str, Any] = {
    "s": lambda value: value.s.decode("utf-8", "replace"),
    "i": lambda value: value.i,
    "f": lambda value: value.f,
    "b": lambda value: value.b,
    "type": lambda value: as_dtype(value.type),
}


def _value_of(value: AttrValue, kind: str) -> Any:
    """The attr of ``kind`` as flowgraph holds it."""
    inner = kind[5:-1] if kind.startswith("list(") else kind
    expected = "list" if inner is not kind else _FIELD_OF_KIND[kind]
    if value.WhichOneof("value") != expected:
        raise ValueError(f"a {kind} is expected, got {value.WhichOneof('value')}")
    if inner is kind:
        return _plain(inner, getattr(value, expected))
    return [_plain(inner, item) for item in getattr(value.list, _FIELD_OF_KIND[inner])]


def _plain(kind: str, value: Any) -> Any:
    if kind == "type":
        return as_dtype(value)
    if kind == "shape":
        return dims_of(value)
    if kind == "tensor":
        return array_of(value)
    return value
