"""Graph: an append-only list of operations, with names, scopes and collections.

Operations get unique names under the current name scope, control inputs from the open
control-dependency blocks, a device from the open device scopes, and the user's line.  Building is
linear: 100,000 operations take a few seconds.

Read next: apply.py (how a call becomes an Operation), default.py (the default graph).
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flowgraph.dtypes import DType
from flowgraph.errors import format_message
from flowgraph.graph import lookup
from flowgraph.graph.contexts import Context, usable
from flowgraph.graph.devices import merge_devices, parse_device
from flowgraph.graph.networkx import to_networkx
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.site import find_site, format_site
from flowgraph.graph.stack import graph_as_default
from flowgraph.shapes import Dims

__all__ = ["Graph", "Operation", "Tensor"]

_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$")
_INNER_SCOPE = re.compile(r"^[A-Za-z0-9_.\\/>-]*$")

#: A device scope: a canonical string, a function of the operation, or None, which ends outer ones.
DeviceScope = str | Callable[[Operation], str] | None


class _Block:
    """An open control-dependency block: what it waits for, and the operations made inside it.

    An operation whose inputs were made inside the block waits already, through them.
    """

    __slots__ = ("inputs", "members")

    def __init__(self, inputs: list[Operation]) -> None:
        self.inputs = inputs
        self.members: set[Operation] = set()


class _Scopes(threading.local):
    """The open scopes of one thread."""

    def __init__(self) -> None:
        self.name = ""  # "a/b", without trailing slash
        self.blocks: list[_Block] = []
        self.devices: list[DeviceScope] = []
        self.colocation: list[Operation] = []
        self.gradient_overrides: dict[str, str] = {}
        self.variable_creators: tuple[Callable[..., Any], ...] = ()
        self.container = ""
        self.context: Context | None = None


_SCOPE_FIX = "letters, digits and any of _.-/ make a name, e.g. 'hidden_1'"
_OPEN = "make all operations before the session's training loop, or use another tf.Graph"


def _complaint(headline: str, fix: str) -> str:
    return format_message(headline, (), ("", format_site(find_site())), fix)


class Graph:
    """A dataflow graph: operations and the tensors between them.

    Operations are made inside ``with graph.as_default():`` and never removed.
    """

    #: True for the graph that stands for eager execution (flowgraph/eager): it is asked to
    #: ``execute`` what would be added to another.
    executes = False
    #: True for the graph of a function that tf.function traces.
    building_function = False
    #: What tf.Variable makes while this is the default graph; None: itself.
    variable_class: type | None = None
    #: What branches and loops are made of.
    context_class: type[Context] = Context
    #: True for the graph of what was taken out of another (forgetting.py).
    forgotten = False
    #: In front of an operation's name where the name picks a random stream.
    stream_prefix = ""

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        #: (loss, variable) that ``minimize`` found no gradient for; see debug/lints.py.
        self._without_gradient: list[tuple[Any, Any]] = []
        self._by_name: dict[str, Operation] = {}
        self._names_in_use: dict[str, int] = {}  # lower-case name -> next number to try
        self._collections: dict[Hashable, list[Any]] = {}
        self._scopes = _Scopes()
        self._lock = threading.RLock()
        self._finalized = False
        #: How often it was changed otherwise than by new operations.
        self._edits = 0
        #: Who must know when an operation gets another control input: sessions, for their plans.
        self._listeners: weakref.WeakSet[Any] = weakref.WeakSet()
        self._unfeedable: set[Tensor] = set()
        self._unfetchable: set[Operation] = set()
        #: Variable operation -> number of the last operation that writes it.
        self._last_write: dict[Operation, int] = {}
        #: Name -> gradient function of a tf.custom_gradient of this graph.
        self._gradient_functions: dict[str, Callable[..., Any]] = {}
        self._seed: int | None = None

    # ------------------------------------------------------------------------------ making nodes

    def create_op(
        self,
        type: str,
        inputs: Sequence[Tensor],
        dtypes: Sequence[DType],
        shapes: Sequence[Dims],
        name: str = "",
        attrs: dict[str, Any] | None = None,
        control_inputs: Iterable[Operation] = (),
    ) -> Operation:
        """Append an operation; the low-level way, with everything inferred already.

        Args:
            type: the op type.   inputs: Tensors of this graph.
            dtypes, shapes: of the outputs.
            name: made unique in the current scope; taken as it stands when it ends in ``/``; the
                type when empty.
            attrs: complete attrs.
            control_inputs: in addition to those of the open control-dependency blocks.

        Raises:
            RuntimeError: the graph is finalized.
            ValueError: an input is of another graph, or an exact name is taken.
        """
        self._check_not_finalized()
        current = self._scopes.context
        for tensor in inputs:
            if tensor.op.graph is not self:
                inputs = self._own(type, inputs, name)
                break
        for tensor in inputs:
            if tensor.op._context is not None and tensor.op._context is not current:
                inputs = [usable(type, t, current, name) for t in inputs]
                break
        with self._lock:
            if name.endswith("/"):
                name = name[:-1]
                if name in self._by_name:
                    raise ValueError(f"there is already an operation named {name!r}")
                self._names_in_use.setdefault(name.lower(), 1)
            else:
                name = self.unique_name(name or type)
            number = len(self._operations)
            op = Operation(self, number, type, name, tuple(inputs), attrs or {}, find_site())
            op.outputs = [
                Tensor(op, i, dtype, dims)
                for i, (dtype, dims) in enumerate(zip(dtypes, shapes, strict=True))
            ]
            self._apply_scopes(op, control_inputs)
            for tensor in inputs:
                if tensor._consumers is None:
                    tensor._consumers = [op]
                else:
                    tensor._consumers.append(op)
            self._operations.append(op)
            self._by_name[name] = op
        return op

    def _own(self, type: str, inputs: Sequence[Tensor], name: str) -> Sequence[Tensor]:
        """``inputs``, of which some belong to another graph, as tensors of this one."""
        other = next(tensor for tensor in inputs if tensor.graph is not self)
        if other.graph.executes:
            raise RuntimeError(
                f"{type}: an eager tensor is used in a graph; build graphs of what they are made "
                "of, or use tf.function\n" + _mixed_graphs(type, inputs, other, name)
            )
        raise ValueError(_mixed_graphs(type, inputs, other, name))

    def _apply_scopes(self, op: Operation, control_inputs: Iterable[Operation]) -> None:
        scopes = self._scopes
        op._context = scopes.context
        if scopes.blocks or control_inputs:
            made_by = {tensor.op for tensor in op.inputs}
            waits = dict.fromkeys(control_inputs)
            for block in scopes.blocks:
                if made_by.isdisjoint(block.members):
                    waits.update(dict.fromkeys(i for i in block.inputs if i not in made_by))
                block.members.add(op)
            op._control_inputs = tuple(waits)
        if scopes.devices:
            op.device = self._device_of(op)
        if scopes.colocation:
            other = scopes.colocation[-1]
            op.attrs["_class"] = [text.decode() for text in other.colocation_groups()]
            op.device = other.device or op.device
        if scopes.gradient_overrides and op.type in scopes.gradient_overrides:
            op.attrs["_gradient_op_type"] = scopes.gradient_overrides[op.type]

    def _device_of(self, op: Operation) -> str:
        device = ""
        for scope in reversed(self._scopes.devices):  # innermost first
            if scope is None:
                break
            outer = scope if isinstance(scope, str) else (scope(op) or "")
            device = merge_devices(outer, device)
        return device

    # -------------------------------------------------------------------------------------- names

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """``name`` under the current name scope, with ``_1``, ``_2`` ... appended when it is taken.

        Names that differ only in case count as equal, so that they can be files anywhere.

        >>> g = Graph()
        >>> [g.unique_name(n) for n in ("x", "x", "X", "x_1")]
        ['x', 'x_1', 'X_2', 'x_1_1']
        """
        scope = self._scopes.name
        full = f"{scope}/{name}" if scope else name
        if not _NAME.match(full):
            raise ValueError(
                f"{full!r} is not a valid operation name: names start with a letter, digit or '.', "
                "and contain letters, digits and the characters _ . \\ / > -"
            )
        with self._lock:
            in_use = self._names_in_use
            key = full.lower()
            number = in_use.get(key, 0)
            if number == 0:
                if mark_as_used:
                    in_use[key] = 1
                return full
            candidate = f"{key}_{number}"
            while candidate in in_use:
                number += 1
                candidate = f"{key}_{number}"
            if mark_as_used:
                in_use[key] = number + 1
                in_use[candidate] = 1
            return f"{full}_{number}"

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Prefix the names made inside with ``name/``; yields the full prefix.

        Args:
            name: made unique, so a second scope ``a`` is ``a_1``; a name that ends in ``/`` enters
                exactly that scope; None or ``""`` goes back to the top.

        Raises:
            ValueError: not a valid scope name.
        """
        scopes = self._scopes
        before = scopes.name
        if not name:
            scopes.name = ""
        elif name.endswith("/"):
            scopes.name = name[:-1]
        else:
            pattern = _INNER_SCOPE if before else _NAME
            if not isinstance(name, str) or not pattern.match(name):
                raise ValueError(_complaint(f"{name!r} is not a valid scope name", _SCOPE_FIX))
            scopes.name = self.unique_name(name)
        try:
            yield scopes.name + "/" if scopes.name else ""
        finally:
            scopes.name = before

    def get_name_scope(self) -> str:
        """The current name scope, without trailing slash."""
        return self._scopes.name

    # ------------------------------------------------------------------------------------- scopes

    @contextmanager
    def control_dependencies(self, control_inputs: Iterable[Any] | None) -> Iterator[None]:
        """Operations made inside run after ``control_inputs``.

        Args:
            control_inputs: operations, tensors or variables of this graph; None forgets the blocks
                that are open around this one.

        Raises:
            TypeError: an element is none of these.
            ValueError: an element belongs to another graph.
        """
        scopes = self._scopes
        before = scopes.blocks
        if control_inputs is None:
            scopes.blocks = []
        else:
            waits = []
            for item in control_inputs:
                element = self.as_graph_element(getattr(item, "_control_element", item))
                waits.append(element.op if isinstance(element, Tensor) else element)
            known = {op for block in before for op in block.inputs}
            waits = [op for op in dict.fromkeys(waits) if op not in known]
            scopes.blocks = [*before, _Block(waits)]
        try:
            yield
        finally:
            scopes.blocks = before

    def _has_control_dependencies(self) -> bool:
        return any(block.inputs for block in self._scopes.blocks)

    @contextmanager
    def device(self, device_name_or_function: DeviceScope) -> Iterator[None]:
        """Operations made inside get this device.

        Args:
            device_name_or_function: a device string or a DeviceSpec, merged with the surrounding
                ones; a function from an operation to a string; None forgets the surrounding ones.
        """
        scope = device_name_or_function
        as_text = getattr(scope, "to_string", None)
        if as_text is not None:
            scope = as_text()
        if isinstance(scope, str):
            scope = parse_device(scope).to_string()
        elif scope is not None and not callable(scope):
            raise TypeError(f"a device is a string, a function or None, got {scope!r}")
        scopes = self._scopes
        before = scopes.devices
        scopes.devices = [*before, scope]
        try:
            yield
        finally:
            scopes.devices = before

    @contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Iterator[None]:
        """Operations made inside share the device of ``op``; None: stop doing so."""
        scopes = self._scopes
        before = scopes.colocation
        outer = [] if ignore_existing or op is None else before
        target = [] if op is None else [_operation_of(op)]
        scopes.colocation = [*outer, *target]
        try:
            yield
        finally:
            scopes.colocation = before

    @contextmanager
    def gradient_override_map(self, op_type_map: dict[str, str]) -> Iterator[None]:
        """Operations made inside take the gradient registered under another name.

        Args:
            op_type_map: op type -> name given to ``tf.RegisterGradient``.

        Raises:
            TypeError: not a dict of strings.
        """
        if not isinstance(op_type_map, dict) or not all(
            isinstance(text, str) for pair in op_type_map.items() for text in pair
        ):
            raise TypeError("gradient_override_map takes a dict from op type to gradient name")
        scopes = self._scopes
        before = scopes.gradient_overrides
        scopes.gradient_overrides = {**before, **op_type_map}
        try:
            yield
        finally:
            scopes.gradient_overrides = before

    @property
    def _variable_creators(self) -> tuple[Callable[..., Any], ...]:
        return self._scopes.variable_creators

    @contextmanager
    def _variable_creator_scope(self, creator: Callable[..., Any]) -> Iterator[None]:
        """Variables made inside are made by ``creator(next_creator, **arguments)``."""
        scopes = self._scopes
        before = scopes.variable_creators
        scopes.variable_creators = (*before, creator)
        try:
            yield
        finally:
            scopes.variable_creators = before

    @contextmanager
    def container(self, container_name: str) -> Iterator[str]:
        """Name the container of variables and queues made inside; kept, without effect."""
        scopes = self._scopes
        before, scopes.container = scopes.container, container_name
        try:
            yield container_name
        finally:
            scopes.container = before

    # ---------------------------------------------------------------------------- control flow

    @contextmanager
    def _inside(self, kind: str, name: str) -> Iterator[Context]:
        """Operations made in the block belong to a new branch or loop."""
        scopes = self._scopes
        before = scopes.context
        scopes.context = context = self.context_class(kind, name, before, len(self._operations))
        try:
            yield context
        finally:
            scopes.context = before

    @contextmanager
    def _outside_of_contexts(self) -> Iterator[None]:
        """Operations made in the block belong to no branch or loop: those of variables."""
        scopes = self._scopes
        before, scopes.context = scopes.context, None
        try:
            yield
        finally:
            scopes.context = before

    # -------------------------------------------------------------------------------- collections

    def add_to_collection(self, name: Hashable, value: Any) -> None:
        """Append ``value`` to the collection ``name``."""
        self._check_not_finalized()
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Append ``value`` to each of several collections (a list of names, or one name)."""
        names = (names,) if isinstance(names, str) else dict.fromkeys(names)
        for name in names:
            self.add_to_collection(name, value)

    def get_collection(self, name: Hashable, scope: str | None = None) -> list[Any]:
        """A copy of the collection; with ``scope``, the items whose name matches it from the start.

        ``scope`` is a regular expression; items without a name are left out then.
        """
        items = self._collections.get(name, [])
        if scope is None:
            return list(items)
        pattern = re.compile(scope)
        return [item for item in items if hasattr(item, "name") and pattern.match(item.name)]

    def get_collection_ref(self, name: Hashable) -> list[Any]:
        """The collection itself: changing the list changes the collection."""
        return self._collections.setdefault(name, [])

    def get_all_collection_keys(self) -> list[str]:
        """Names of the collections, those that are strings."""
        return [name for name in self._collections if isinstance(name, str)]

    @property
    def collections(self) -> list[Hashable]:
        """Names of all collections."""
        return list(self._collections)

    def clear_collection(self, name: Hashable) -> None:
        """Empty the collection ``name``."""
        self._check_not_finalized()
        self._collections.pop(name, None)

    # ------------------------------------------------------------------------------------ reading

    def get_operations(self) -> list[Operation]:
        """All operations, in the order they were made."""
        return list(self._operations)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation ``name``; errors as ``as_graph_element``."""
        if not isinstance(name, str):
            raise TypeError(f"an operation name is a string, got {name!r}")
        return lookup.element(self, name, allow_tensor=False, allow_operation=True)

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor ``name`` (``"x:0"``); errors as ``as_graph_element``."""
        if not isinstance(name, str):
            raise TypeError(f"a tensor name is a string, got {name!r}")
        return lookup.element(self, name, allow_tensor=True, allow_operation=False)

    def as_graph_element(
        self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True
    ) -> Any:
        """The Tensor or Operation of this graph that ``obj`` is or names.

        Args:
            obj: a Tensor, Operation or Variable, or a name: ``"x:0"`` is a tensor, ``"x"`` an
                operation.
            allow_tensor, allow_operation: which kinds the caller wants.

        Raises:
            TypeError: ``obj`` is nothing of the kind, or of the kind that is not wanted.
            ValueError: it belongs to another graph, or the name is of the wrong form.
            KeyError: no element has this name.
        """
        return lookup.element(self, obj, allow_tensor=allow_tensor, allow_operation=allow_operation)

    @property
    def version(self) -> int:
        """Grows with every operation made."""
        return len(self._operations)

    @property
    def seed(self) -> int | None:
        """The graph-level random seed, or None."""
        return self._seed

    @seed.setter
    def seed(self, seed: int | None) -> None:
        self._seed = seed

    # --------------------------------------------------------------- feeding, fetching, freezing

    def is_feedable(self, tensor: Any) -> bool:
        """False after ``prevent_feeding(tensor)``."""
        return tensor not in self._unfeedable

    def prevent_feeding(self, tensor: Tensor) -> None:
        """Make feeding ``tensor`` an error."""
        self._unfeedable.add(tensor)

    def is_fetchable(self, tensor_or_op: Any) -> bool:
        """False after ``prevent_fetching`` of the operation."""
        return _operation_of(tensor_or_op) not in self._unfetchable

    def prevent_fetching(self, op: Operation) -> None:
        """Make fetching ``op`` or its outputs an error."""
        self._unfetchable.add(op)

    @property
    def finalized(self) -> bool:
        """True after ``finalize()``."""
        return self._finalized

    def finalize(self) -> None:
        """Make the graph read-only: further operations are errors."""
        self._finalized = True

    def _unsafe_unfinalize(self) -> None:
        self._finalized = False

    def _check_not_finalized(self) -> None:
        if self._finalized:
            raise RuntimeError(_complaint("the graph is finalized and cannot be changed", _OPEN))

    def _edited(self) -> None:
        """Tell sessions of a change other than a new operation: their plans are out of date."""
        self._edits += 1
        for listener in list(self._listeners):
            listener._graph_edited()

    def as_default(self) -> Any:
        """Context manager: operations are made in this graph."""
        return graph_as_default(self)

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """The graph as a GraphDef: a message of its NodeDefs, in order.

        Args:
            from_version: only the operations made since the graph had this ``version``.
            add_shapes: put the static shapes of the outputs into the attr ``_output_shapes``.

        Raises:
            NotImplementedError: a branch or loop writes a variable.
        """
        from flowgraph.protos.exporting import graph_def

        return graph_def(self._operations[from_version or 0 :], add_shapes)

    def to_networkx(self) -> Any:
        """The graph as a networkx.MultiDiGraph for analyses.

        Nodes are operation names with attributes ``type``, ``device`` and ``attrs``; edges carry
        ``tensor`` (the name), ``input`` (the position), ``dtype`` and ``shape``, or
        ``control=True``.
        """
        return to_networkx(self)


def _mixed_graphs(type: str, inputs: Sequence[Tensor], other: Tensor, name: str) -> str:
    rows = [describe(f"input {i}", tensor) for i, tensor in enumerate(inputs)]
    if other.graph.forgotten:
        return lookup.replaced(other.op)
    return format_message(
        f"{type}: input {other.name!r} belongs to another graph than the new operation",
        rows,
        (name.rstrip("/") or type, format_site(find_site())),
        "build everything that runs together inside one `with graph.as_default():`",
    )


def _operation_of(item: Any) -> Operation:
    return item if isinstance(item, Operation) else item.op
