"""Applying an op: ``apply_op("Mul", x, 2.0)`` makes the Operation and returns its output.

The steps, in order: name and scope · dtypes from the tensors among the inputs · convert the other
inputs (a number adopts the dtype of the tensors beside it) · complete the attrs · infer shapes ·
``Graph.create_op``.  Every mistake is reported here, at the user's line, in the form of errors.py.

Read next: opdef.py (what an op type says about itself), gradients.py (the other caller of op
rules).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.errors import did_you_mean, format_message
from flowgraph.graph.attrs import given_attrs
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import convert, is_plain, register_tensor_conversion_function, to_array
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.fixes import as_given, find_fix
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.opdef import OPDEFS, REQUIRED, WRITE, Arg, Call, OpDef
from flowgraph.graph.site import find_site, format_site
from flowgraph.graph.stack import graph_as_default
from flowgraph.graph.static import constant_value, constant_value_as_dims
from flowgraph.shapes import Dims, ShapeError, format_dims


def apply_op(type: str, /, *inputs: Any, name: str | None = None, **attrs: Any) -> Any:
    """Make an operation of ``type`` and return its output.

    Args:
        type: a registered op type.
        inputs: one per argument of the signature: tensors, variables, or values that become
            constants named after the argument; a list for list arguments.
        name: of the operation; the type when None.  A name that ends in ``/`` is taken as it
            stands.
        attrs: attrs; dtype attrs are found from the inputs, others have defaults.

    Returns:
        The output Tensor, a list of Tensors when the signature has several or a list of outputs, or
        the Operation when there are none.

    Raises:
        TypeError: dtypes do not match or are not allowed; a missing or unknown attr.
        ValueError: the shapes do not fit; tensors of different graphs; None as an input.
    """
    current = get_default_graph()
    if current.executes:
        return current.execute(type, inputs, name, attrs)  # type: ignore[attr-defined]
    opdef = OPDEFS.get(type)
    if opdef is None:
        raise TypeError(f"there is no op type {type!r}{did_you_mean(type, OPDEFS.known())}")
    graph = _graph_of(inputs)
    if graph is None or graph is current or current.building_function:
        return _apply(opdef, current, inputs, name or type, attrs)
    with graph_as_default(graph):
        return _apply(opdef, graph, inputs, name or type, attrs)


class _CallNamespace:
    """``call.Mul(a, b)`` is ``apply_op("Mul", a, b)``: how rules and op files use each other."""

    def __getattr__(self, type: str) -> Any:
        if type.startswith("__"):
            raise AttributeError(type)
        function = partial(apply_op, type)
        setattr(self, type, function)
        return function


call: Any = _CallNamespace()


class OpView:
    """An Operation as gradient rules see it: ``op.x`` is the input or output named x.

    List arguments are lists.  ``inputs``, ``outputs``, ``attrs``, ``type``, ``name`` and
    ``get_attr`` are the operation's own.  ``wants(op.x)`` is False when the gradient of that input
    leads nowhere, so that a rule need not make it (it may all the same).
    """

    def __init__(
        self, op: Operation, opdef: OpDef, wants: Callable[[Tensor], bool] = lambda tensor: True
    ) -> None:
        self.wants = wants
        # NB: arguments last, and never over the operation's own names.
        self.__dict__.update(_by_argument(opdef.signature.outputs, op.outputs, op.attrs))
        self.__dict__.update(_by_argument(opdef.signature.inputs, op.inputs, op.attrs))
        self.op, self.graph, self.name, self.type = op, op.graph, op.name, op.type
        self.inputs, self.outputs, self.attrs = op.inputs, op.outputs, op.attrs
        self.get_attr = op.get_attr

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        known = [key for key in self.__dict__ if key not in ("op", "graph")]
        raise AttributeError(f"{self.type} has no argument {name!r}{did_you_mean(name, known)}")


def _by_argument(
    args: Sequence[Arg], tensors: Sequence[Tensor], attrs: Mapping[str, Any]
) -> dict[str, Any]:
    """Argument name -> tensor, or list of tensors for list arguments."""
    found: dict[str, Any] = {}
    position = 0
    for arg in args:
        if arg.is_list:
            count = attrs[arg.count_attr] if arg.count_attr else len(attrs[arg.dtype_attr])
            found[arg.name] = list(tensors[position : position + count])
            position += count
        else:
            found[arg.name] = tensors[position]
            position += 1
    return found


def output_dtypes(opdef: OpDef, attrs: Mapping[str, Any]) -> list[DType]:
    """The dtypes of the outputs that the signature gives for complete ``attrs``."""
    dtypes: list[DType] = []
    for arg in opdef.signature.outputs:
        given = attrs[arg.dtype_attr] if arg.dtype_attr else DType(arg.dtype)
        if isinstance(given, list):
            dtypes.extend(given)
        else:
            one = given._as_ref if arg.is_ref else given
            dtypes.extend([one] * (attrs[arg.count_attr] if arg.count_attr else 1))
    return dtypes


def variable_of(tensor: Tensor) -> Operation:
    """The variable operation whose Ref reaches ``tensor`` (through Assign and its like)."""
    op = tensor.op
    while op.inputs and op.inputs[0].dtype.is_ref:
        op = op.inputs[0].op
    return op


def note_writes(opdef: OpDef, op: Operation) -> None:
    """Note which variables the new operation ``op`` writes."""
    if opdef.effect == WRITE:
        for tensor in op.inputs:
            if tensor.dtype.is_ref:
                op.graph._last_write[variable_of(tensor)] = op._id


def note_effects(graph: Graph, owner: Operation, contexts: Sequence[Context]) -> None:
    """Let ``owner`` wait for what its operations wait for, and write what they write."""
    owner._control_inputs = tuple(
        dict.fromkeys((*owner._control_inputs, *(c for x in contexts for c in x.controls)))
    )
    for context in contexts:
        for op in graph._operations[context.first : context.stop]:
            if context.has(op) and OPDEFS[op.type].effect == WRITE:
                for tensor in op.inputs:
                    if tensor.dtype.is_ref:
                        graph._last_write[variable_of(tensor)] = owner._id


def _graph_of(inputs: Sequence[Any]) -> Graph | None:
    """The graph of the first tensor or variable among the inputs, also inside lists."""
    for value in inputs:
        if isinstance(value, Tensor):
            graph = value.op.graph
            if not graph.executes:
                return graph
        if isinstance(value, (list, tuple)):
            found = _graph_of(value)
            if found is not None:
                return found
        elif isinstance(getattr(value, "graph", None), Graph) and not value.graph.executes:
            return value.graph
    return None


class _Inputs:
    """The inputs of one call: finds the dtypes, then converts what is no tensor yet."""

    __slots__ = ("attrs", "op_name", "opdef", "values")

    def __init__(
        self, opdef: OpDef, values: Sequence[Any], attrs: dict[str, Any], op_name: str
    ) -> None:
        args = opdef.signature.inputs
        if len(values) != len(args):
            names = ", ".join(arg.name for arg in args)
            raise TypeError(
                f"{opdef.type} takes {len(args)} input(s) ({names}), {len(values)} were given"
            )
        self.opdef, self.attrs, self.op_name = opdef, attrs, op_name
        self.values = list(values)

    def tensors(self) -> list[Tensor]:
        """The flat list of input tensors; completes the dtype and count attrs on the way."""
        args = self.opdef.signature.inputs
        for i, arg in enumerate(args):
            value = self.values[i]
            if not isinstance(value, Tensor) or arg.is_list or arg.is_ref:
                self.values[i] = self._admit(arg, value)
        for arg, value in zip(args, self.values, strict=True):
            if arg.dtype_attr and arg.dtype_attr not in self.attrs:
                self._find_dtype(arg, value)
        for attr, spec in self.opdef.signature.attrs.items():
            if spec.kind == "type" and attr not in self.attrs and spec.default is not REQUIRED:
                self._default_dtype(attr, spec.default)
        flat: list[Tensor] = []
        for i, arg in enumerate(args):
            value = self.values[i]
            if arg.is_list:
                value = self.values[i] = [
                    self._convert(arg, item, f"{arg.name}_{k}", k) for k, item in enumerate(value)
                ]
                flat.extend(value)
                if not arg.count_attr:
                    self.attrs[arg.dtype_attr] = [item.dtype.base_dtype for item in value]
            else:
                value = self.values[i] = self._convert(arg, value, arg.name)
                flat.append(value)
        return flat

    def _admit(self, arg: Arg, value: Any) -> Any:
        """``value`` with variables and other special types made tensors; lists checked."""
        if arg.is_list:
            if not isinstance(value, (list, tuple)):
                raise TypeError(
                    f"{self.opdef.type}: {arg.name!r} must be a list of tensors, got {value!r}"
                )
            if arg.count_attr:
                if self.attrs.setdefault(arg.count_attr, len(value)) != len(value):
                    raise ValueError(
                        f"{self.opdef.type}: lists given for {arg.count_attr!r} differ in length"
                    )
            return [item if is_plain(item) else convert(item, None, arg.name) for item in value]
        if value is None:
            raise ValueError(
                self._message(f"{arg.name!r} is None, which is no tensor", self._rows())
            )
        if arg.is_ref:
            tensor = None if is_plain(value) else convert(value, None, None, as_ref=True)
            if tensor is None or not tensor.dtype.is_ref:
                raise TypeError(
                    f"{self.opdef.type}: {arg.name!r} must be a variable, got {value!r}"
                )
            return tensor
        return value if is_plain(value) else convert(value, None, arg.name)

    def _find_dtype(self, arg: Arg, value: Any) -> None:
        """Set the dtype attr of ``arg`` from the first tensor in ``value``, if there is one."""
        if arg.is_list and not arg.count_attr:
            return  # every item keeps its own dtype
        tensor = _first_tensor(value)
        if tensor is not None:
            self.attrs[arg.dtype_attr] = tensor.dtype.base_dtype

    def _default_dtype(self, attr: str, default: DType) -> None:
        """Take the default dtype unless the values given say another one."""
        for arg, value in zip(self.opdef.signature.inputs, self.values, strict=True):
            if arg.dtype_attr == attr:
                try:
                    to_array(value, default)
                except (TypeError, ValueError):
                    return
        self.attrs[attr] = default

    def _convert(self, arg: Arg, value: Any, name: str, k: int | None = None) -> Tensor:
        """``value`` as a tensor of the dtype that ``arg`` asks for; ``k``: its place in a list."""
        label = arg.name if k is None else f"{arg.name}[{k}]"
        wanted = self._wanted(arg, k)
        if isinstance(value, Tensor):
            tensor = value
            if wanted is not None and value.dtype.base_dtype is not wanted:
                raise self._dtype_error(arg, label, value, wanted)
        else:
            try:
                tensor = convert(value, wanted, name)
            except (TypeError, ValueError) as error:
                if _first_tensor(value) is not None:
                    raise  # about a list of tensors, and complete
                if wanted is not None and isinstance(error, TypeError):
                    raise self._dtype_error(arg, label, value, wanted, str(error)) from None
                text = self._message(f"{label!r}: {error}", [_row(label, value)])
                raise type(error)(text) from None
        if arg.dtype_attr:
            base = tensor.dtype.base_dtype
            if not (arg.is_list and not arg.count_attr):
                self.attrs.setdefault(arg.dtype_attr, base)
            allowed = self.opdef.signature.attrs[arg.dtype_attr].allowed
            if allowed is not None and base.name not in allowed:
                headline = f"{label!r} cannot be {base.name}; it takes {_listed(allowed)}"
                raise self._type_error(headline, [_row(label, value)])
        return tensor

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Every input as given."""
        args = self.opdef.signature.inputs
        return [_row(arg.name, value) for arg, value in zip(args, self.values, strict=True)]

    def _wanted(self, arg: Arg, k: int | None) -> DType | None:
        if arg.dtype:
            return DType(arg.dtype)
        given = self.attrs.get(arg.dtype_attr)
        return given[k] if isinstance(given, list) and k is not None else given

    def _dtype_error(
        self, arg: Arg, label: str, value: Any, wanted: DType, why: str = ""
    ) -> TypeError:
        """The error for ``value``, which should be ``wanted``; shows all inputs concerned."""
        rows = []
        source = f"{arg.dtype_attr}={wanted.name} was asked for"
        for other, given in zip(self.opdef.signature.inputs, self.values, strict=True):
            if not (other is arg or (arg.dtype_attr and other.dtype_attr == arg.dtype_attr)):
                continue
            for k, item in enumerate(given if other.is_list else [given]):
                rows.append(_row(f"{other.name}[{k}]" if other.is_list else other.name, item))
                if isinstance(item, Tensor) and item.dtype.base_dtype is wanted:
                    source = f"{rows[-1][0]!r} is {wanted.name}"
        if not isinstance(value, Tensor):
            return self._type_error(f"{label!r} must be {wanted.name}: {why}", rows)
        dtype = value.dtype.base_dtype.name
        fix = f"convert it, e.g. tf.cast({label}, tf.{wanted.name})"
        if arg.dtype:
            return self._type_error(f"{label!r} must be {wanted.name}, not {dtype}", rows, fix)
        headline = f"{label!r} is {dtype}, but {source}: dtypes are not promoted"
        return self._type_error(headline, rows, fix)

    def _type_error(
        self, headline: str, rows: list[tuple[str, str, str, str]], fix: str = ""
    ) -> TypeError:
        return TypeError(self._message(headline, rows, fix))

    def _message(self, headline: str, rows: list[tuple[str, str, str, str]], fix: str = "") -> str:
        place = (self.op_name, format_site(find_site()))
        headline = f"{self.opdef.type}: {headline}"
        return format_message(headline, rows, place, fix or find_fix(headline, as_given(rows)))


def _listed(names: Iterable[str]) -> str:
    """dtype names in their usual order."""
    return ", ".join(sorted(names, key=lambda name: (name.rstrip("0123456789"), len(name), name)))


def _first_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (list, tuple)):
        for item in value:
            found = _first_tensor(item)
            if found is not None:
                return found
    return None


def _row(label: str, value: Any) -> tuple[str, str, str, str]:
    if isinstance(value, Tensor):
        return describe(label, value)
    if isinstance(value, (np.ndarray, np.generic)):
        return label, "array", f"{value.dtype.name}{format_dims(np.shape(value))}", ""
    text = repr(value)
    return label, text if len(text) <= 40 else text[:37] + "...", type(value).__name__, ""


def _apply(
    opdef: OpDef, graph: Graph, inputs: Sequence[Any], name: str, given: Mapping[str, Any]
) -> Any:
    attrs = given_attrs(opdef, given)
    scope = name if name.endswith("/") else graph.unique_name(name) + "/"
    scopes = graph._scopes
    before = scopes.name
    scopes.name = scope[:-1]  # constants made for the inputs lie under the op's name
    try:
        flat = _Inputs(opdef, inputs, attrs, scope[:-1]).tensors()
    finally:
        scopes.name = before
    for attr, spec in opdef.signature.attrs.items():
        if attr not in attrs:
            raise TypeError(f"{opdef.type}: attr {attr!r} ({spec.kind}) must be given")
    dtypes = output_dtypes(opdef, attrs)
    shapes = infer_shapes(opdef, flat, attrs, dtypes, scope[:-1])
    op = graph.create_op(opdef.type, flat, dtypes, shapes, scope, attrs)
    note_writes(opdef, op)
    outputs = opdef.signature.outputs
    if len(outputs) == 1 and not outputs[0].is_list:
        return op.outputs[0]
    return list(op.outputs) if op.outputs else op


def infer_shapes(
    opdef: OpDef,
    inputs: Sequence[Tensor],
    attrs: Mapping[str, Any],
    out_dtypes: Sequence[DType],
    op_name: str,
) -> Sequence[Dims]:
    """The output shapes that the op's infer rule gives for these inputs.

    Raises:
        ValueError: they do not fit; the text lists every input with the line that made it.
    """
    rule_call = Call(
        opdef.type,
        attrs,
        [tensor.dtype.base_dtype for tensor in inputs],
        [tensor.dims for tensor in inputs],
        out_dtypes,
        value=lambda i: constant_value(inputs[i]),
        partial=lambda i: constant_value_as_dims(inputs[i]),
    )
    try:
        return opdef.infer(rule_call)
    except ShapeError as error:
        labels = _labels(opdef, inputs, attrs)
        rows = [describe(label, tensor) for label, tensor in zip(labels, inputs, strict=True)]
        place = (op_name, format_site(find_site()))
        headline = f"{opdef.type}: {error.headline}"
        fix = error.fix or find_fix(headline, as_given(rows))
        raise ValueError(format_message(headline, rows, place, fix)) from None


def _labels(opdef: OpDef, inputs: Sequence[Tensor], attrs: Mapping[str, Any]) -> list[str]:
    """What messages call each input: ``x``, or ``values[1]``."""
    return [
        f"{name}[{k}]" if isinstance(item, list) else name
        for name, item in _by_argument(opdef.signature.inputs, inputs, attrs).items()
        for k in range(len(item) if isinstance(item, list) else 1)
    ]


def argument_labels(op: Operation) -> list[str]:
    """What messages call each input of ``op``."""
    try:
        labels = _labels(OPDEFS[op.type], op.inputs, op.attrs)
    except (IndexError, KeyError):  # what executed at once has no complete attrs
        labels = []
    # Loops have got more inputs than they list.
    return labels + [f"input {i}" for i in range(len(labels), len(op.inputs))]


# ------------------------------------------------------------------------------- lists of tensors


def _pack_list(
    value: Sequence[Any], dtype: DType | None = None, name: str | None = None, as_ref: bool = False
) -> Any:
    """Lists with tensors inside become one tensor: ``[x[0], 1.0]`` is ``Pack(x[0], 1.0)``."""
    tensor = _first_graph_value(value)
    if tensor is None:
        return NotImplemented
    dtype = dtype or tensor.dtype.base_dtype
    scope = get_default_graph().unique_name(name or "packed") + "/"

    def pack(items: Sequence[Any], name: str | None) -> Tensor:
        packed = []
        for item in items:
            if isinstance(item, (list, tuple)) and _first_graph_value(item) is not None:
                packed.append(pack(item, None))
            else:
                packed.append(item)
        return apply_op("Pack", packed, T=dtype, name=name)

    return pack(value, scope)


def _first_graph_value(value: Any) -> Any:
    """The first tensor or variable in nested lists, or None."""
    if isinstance(value, (list, tuple)):
        for item in value:
            found = _first_graph_value(item)
            if found is not None:
                return found
        return None
    return value if isinstance(value, Tensor) or hasattr(value, "_as_graph_element") else None


register_tensor_conversion_function((list, tuple), _pack_list, priority=99)
