"""A graph as text, one operation a line, and back.

::

    %0 = Placeholder() {dtype: float32, shape: [?, 784]}  float32[?, 784]  'x'  train.py:3
    %4 = MatMul(%0, %3) {transpose_b: True}  float32[?, 64]  'dense/MatMul'  train.py:12
    %5 = NoOp(; %4)    'init'  train.py:13

``%4:1`` is output 1; what stands after ``;`` are control inputs.  Attrs that have their default,
and those that the inputs decide, are left out; a device other than "" follows the name as
``@/device:GPU:0``.

    to_text(from_text(text)) == text

Read next: verify.py.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.graph.attrs import given_attrs, normalize
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, REQUIRED, OpDef
from flowgraph.graph.site import NO_SITE, Site, format_site
from flowgraph.shapes import Dims, format_dims

#: Constants with more elements are printed without their values, unless asked for.
SHOWN_ELEMENTS = 16


# ------------------------------------------------------------------------------------- to text


def to_text(graph: Graph, shown_elements: int | None = SHOWN_ELEMENTS) -> str:
    """The operations of ``graph``, one a line.

    Args:
        shown_elements: print the values of constants up to this size; None prints all of them, so
            that ``from_text`` can read the result.
    """
    return "".join(operation_text(op, shown_elements) + "\n" for op in graph.get_operations())


def operation_text(op: Operation, shown_elements: int | None = SHOWN_ELEMENTS) -> str:
    """The line of one operation."""
    inputs = ", ".join(
        f"%{t.op._id}:{t.value_index}" if t.value_index else f"%{t.op._id}" for t in op.inputs
    )
    if op._control_inputs:
        inputs += "; " + ", ".join(f"%{other._id}" for other in op._control_inputs)
    shown = _shown_attrs(op)
    attrs = ", ".join(f"{name}: {_value_text(shown[name], shown_elements)}" for name in shown)
    outputs = ", ".join(f"{t.dtype.name}{format_dims(t.dims)}" for t in op.outputs)
    parts = [
        f"%{op._id} = {op.type}({inputs})" + (f" {{{attrs}}}" if attrs else ""),
        outputs,
        repr(op.name),
        *([f"@{op.device}"] if op.device else []),
        *([format_site(op.site)] if op.site != NO_SITE else []),
    ]
    return "  ".join(parts)


def _shown_attrs(op: Operation) -> dict[str, Any]:
    """The attrs that the op type and the inputs do not tell."""
    opdef = OPDEFS.get(op.type)
    if opdef is None:
        return op.attrs
    decided = _decided_by_inputs(opdef)
    shown = {}
    for name, value in op.attrs.items():
        spec = opdef.signature.attrs.get(name)
        if name in decided:
            continue
        if spec is not None and spec.default is not REQUIRED:
            if spec.kind == "shape" and spec.default is None and value is None:
                continue
            if type(value) is not np.ndarray and normalize(spec.kind, spec.default) == value:
                continue
        shown[name] = value
    return shown


def _decided_by_inputs(opdef: OpDef) -> set[str]:
    names: set[str] = set()
    for arg in opdef.signature.inputs:
        names.update(name for name in (arg.dtype_attr, arg.count_attr) if name)
    return names


def _value_text(value: Any, shown_elements: int | None) -> str:
    if isinstance(value, DType):
        return value.name
    if value is None or isinstance(value, tuple):
        return format_dims(value)
    if isinstance(value, list):
        return "[" + ", ".join(_value_text(item, shown_elements) for item in value) + "]"
    if isinstance(value, np.ndarray):
        spec = f"{as_dtype(value.dtype).name}{format_dims(value.shape)}"
        if shown_elements is not None and value.size > shown_elements:
            return f"tensor({spec}, ...)"
        items = ", ".join(_number_text(item) for item in value.reshape(-1).tolist())
        return f"tensor({spec}, [{items}])"
    if isinstance(value, (bool, int, float, complex, str, bytes)):
        return _number_text(value)
    return f"<{value!r}>"


def _number_text(value: Any) -> str:
    return repr(value).strip("()") if isinstance(value, complex) else repr(value)


# ------------------------------------------------------------------------------------- from text


class TextError(ValueError):
    """Text that is no graph: says the line and what was expected."""


_LINE = re.compile(r"%(\d+) = (\w+)\(")
_REAL = r"(?:nan|inf|\d[\d.]*(?:e[+-]?\d+)?)"
_TOKEN = re.compile(
    r"\s*(?:(?P<text>b?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))"
    rf"|(?P<number>[+-]?{_REAL}(?:[+-]{_REAL})?j?)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<mark><unknown>|\.\.\.|[\[\](){},:;?%@]))"
)


def from_text(text: str) -> Graph:
    """The graph that ``to_text`` printed.

    Raises:
        TextError: a line is not of the form, an input is not defined before it, or a constant was
            printed without its values.
    """
    graph = Graph()
    made: dict[int, Operation] = {}
    control: list[tuple[Operation, list[int]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            _Line(line).make(graph, made, control)
        except TextError as error:
            raise TextError(f"line {number}: {error}") from None
    for op, numbers in control:
        op._control_inputs = tuple(made[n] for n in numbers)
    return graph


class _Line:
    """Reads one line, token by token."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.position = 0

    def next(self) -> tuple[str, str]:
        match = _TOKEN.match(self.line, self.position)
        if match is None:
            raise TextError(f"cannot read {self.line[self.position : self.position + 30]!r}")
        self.position = match.end()
        kind = str(match.lastgroup)
        return kind, match.group(kind)

    def peek(self) -> str:
        before = self.position
        if self.line[before:].strip() == "":
            return ""
        token = self.next()[1]
        self.position = before
        return token

    def expect(self, token: str) -> None:
        found = self.next()[1]
        if found != token:
            raise TextError(f"expected {token!r}, found {found!r}")

    def accept(self, token: str) -> bool:
        if self.peek() == token:
            self.next()
            return True
        return False

    def make(
        self,
        graph: Graph,
        made: dict[int, Operation],
        control: list[tuple[Operation, list[int]]],
    ) -> None:
        """Add the line's operation to ``graph``."""
        start = _LINE.match(self.line)
        if start is None:
            raise TextError("expected '%<number> = <type>('")
        self.position = start.end()
        type = start.group(2)
        opdef = OPDEFS.get(type)
        if opdef is None:
            raise TextError(f"there is no op type {type!r}")
        inputs, waits = self.inputs(made)
        attrs = _complete(opdef, self.attrs(opdef), inputs)
        outputs = list(self.outputs())
        kind, name = self.next()
        if kind != "text":
            raise TextError(f"expected the name in quotes, found {name!r}")
        op = graph.create_op(
            type,
            inputs,
            [dtype for dtype, _ in outputs],
            [dims for _, dims in outputs],
            ast.literal_eval(name) + "/",
            attrs,
        )
        op.device, op.site = self.device_and_site()
        made[int(start.group(1))] = op
        if waits:
            control.append((op, waits))

    def inputs(self, made: dict[int, Operation]) -> tuple[list[Tensor], list[int]]:
        tensors: list[Tensor] = []
        waits: list[int] = []
        after_semicolon = False
        while not self.accept(")"):
            if self.accept(";"):
                after_semicolon = True
            elif self.accept(","):
                pass
            else:
                self.expect("%")
                number = self.integer()
                if after_semicolon:
                    waits.append(number)
                    continue
                index = self.integer() if self.accept(":") else 0
                if number not in made or index >= len(made[number].outputs):
                    raise TextError(f"%{number}:{index} is not defined before this line")
                tensors.append(made[number].outputs[index])
        return tensors, waits

    def integer(self) -> int:
        kind, token = self.next()
        if kind != "number" or not token.isdigit():
            raise TextError(f"expected a number, found {token!r}")
        return int(token)

    def attrs(self, opdef: OpDef) -> dict[str, Any]:
        attrs: dict[str, Any] = {}
        if not self.accept("{"):
            return attrs
        while not self.accept("}"):
            _, name = self.next()
            self.expect(":")
            value = self.value()
            spec = opdef.signature.attrs.get(name)
            if spec is not None:
                value = tuple(value) if spec.kind == "shape" and value is not None else value
            attrs[name] = value
            self.accept(",")
        return attrs

    def value(self) -> Any:
        kind, token = self.next()
        if kind == "text":
            return ast.literal_eval(token)
        if kind == "number":
            return _number(token)
        if token == "[":
            items = []
            while not self.accept("]"):
                items.append(self.value())
                self.accept(",")
            return items
        if token in ("?", "<unknown>"):
            return None
        if token == "tensor":
            return self.tensor()
        return _word(token)

    def tensor(self) -> np.ndarray[Any, Any]:
        self.expect("(")
        dtype, dims = self.spec()
        self.expect(",")
        if self.accept("..."):
            raise TextError(
                "the values of a constant were left out; print with shown_elements=None"
            )
        flat = self.value()
        self.expect(")")
        array = np.empty(len(flat), dtype.np)
        array[:] = flat
        return array.reshape(dims)

    def spec(self) -> tuple[DType, Dims]:
        _, word = self.next()
        dtype = _word(word)
        if not isinstance(dtype, DType):
            raise TextError(f"expected a dtype, found {word!r}")
        dims = self.value()
        return dtype, None if dims is None else tuple(dims)

    def outputs(self) -> Iterator[tuple[DType, Dims]]:
        while self.peek() and self.peek()[0] not in "'\"":
            yield self.spec()
            self.accept(",")

    def device_and_site(self) -> tuple[str, Site]:
        words = self.line[self.position :].split()
        device = ""
        if words and words[0].startswith("@"):
            device = words.pop(0)[1:]
        if not words:
            return device, NO_SITE
        file, _, number = " ".join(words).rpartition(":")
        return device, (file, int(number))


def _number(token: str) -> Any:
    if token.endswith("j"):
        return complex(token)
    if re.fullmatch(r"[+-]?\d+", token):
        return int(token)
    return float(token)


def _word(token: str) -> Any:
    words = {"True": True, "False": False, "None": None, "nan": math.nan, "inf": math.inf}
    if token in words:
        return words[token]
    try:
        return as_dtype(token)
    except TypeError:
        raise TextError(f"{token!r} is no value") from None


def _complete(opdef: OpDef, attrs: dict[str, Any], inputs: list[Tensor]) -> dict[str, Any]:
    """All attrs: those printed, the defaults, and those that the inputs decide."""
    complete = given_attrs(opdef, attrs)
    position = 0
    for arg in opdef.signature.inputs:
        if not arg.is_list:
            count = 1
        else:  # the other arguments are single: the list takes what they leave
            lists = [other for other in opdef.signature.inputs if other.is_list]
            singles = len(opdef.signature.inputs) - len(lists)
            count = (len(inputs) - singles) // len(lists)
        part = inputs[position : position + count]
        position += count
        if arg.count_attr:
            complete[arg.count_attr] = count
        if arg.dtype_attr and arg.is_list and not arg.count_attr:
            complete[arg.dtype_attr] = [t.dtype.base_dtype for t in part]
        elif arg.dtype_attr and part:
            complete[arg.dtype_attr] = part[0].dtype.base_dtype
    for name, spec in opdef.signature.attrs.items():
        if name not in complete and spec.default is not REQUIRED:
            complete[name] = normalize(spec.kind, spec.default)
    return complete
