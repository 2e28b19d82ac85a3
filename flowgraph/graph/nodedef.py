"""NodeDef: an operation as ``print(x.op)`` shows it, in the words of TensorFlow's GraphDef.

Long constants are cut short.  The message of that name is in protos/graphs.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.errors import quote

_DT_NAMES = {"float16": "DT_HALF", "float32": "DT_FLOAT", "float64": "DT_DOUBLE"}


@dataclass(frozen=True, slots=True)
class NodeDef:
    """One node of a GraphDef.

    Attributes:
        name: the operation's name.   op: its type.   device: the device string.
        input: ``"a"`` for output 0 of a, ``"a:1"`` for output 1, ``"^a"`` for a control input.
        attr: attr name -> value, as flowgraph holds it.
    """

    name: str
    op: str
    input: list[str]
    device: str
    attr: dict[str, Any]

    @classmethod
    def of(cls, operation: Any) -> NodeDef:
        """The NodeDef of an Operation."""
        inputs = [
            tensor.name if tensor.value_index else tensor.op.name for tensor in operation.inputs
        ]
        inputs += [f"^{op.name}" for op in operation._control_inputs]
        return cls(operation.name, operation.type, inputs, operation.device, dict(operation.attrs))

    def __str__(self) -> str:
        lines = [f"name: {quote(self.name)}", f"op: {quote(self.op)}"]
        lines += [f"input: {quote(text)}" for text in self.input]
        if self.device:
            lines.append(f"device: {quote(self.device)}")
        for key in sorted(self.attr):
            lines += ["attr {", f"  key: {quote(key)}", "  value {"]
            lines += [f"    {line}" for line in _value_lines(self.attr[key])]
            lines += ["  }", "}"]
        return "\n".join(lines) + "\n"


def _dt_name(dtype: DType) -> str:
    base = dtype.base_dtype.name
    return _DT_NAMES.get(base, f"DT_{base.upper()}") + ("_REF" if dtype.is_ref else "")


def _dims_lines(dims: tuple[int | None, ...] | None) -> list[str]:
    if dims is None:
        return ["unknown_rank: true"]
    return [line for d in dims for line in ("dim {", f"  size: {-1 if d is None else d}", "}")]


def _tensor_lines(value: np.ndarray[Any, Any]) -> list[str]:
    lines = [f"dtype: {_dt_name(as_dtype(value.dtype))}", "tensor_shape {"]
    lines += [f"  {line}" for line in _dims_lines(value.shape)]
    lines.append("}")
    shown = value.reshape(-1)[:16].tolist()
    lines += [f"val: {item!r}" for item in shown]
    if value.size > len(shown):
        lines.append(f"# and {value.size - len(shown)} more")
    return lines


def _value_lines(value: Any) -> list[str]:
    if isinstance(value, DType):
        return [f"type: {_dt_name(value)}"]
    if isinstance(value, bool):
        return [f"b: {str(value).lower()}"]
    if isinstance(value, int):
        return [f"i: {value}"]
    if isinstance(value, float):
        return [f"f: {value!r}"]
    if isinstance(value, str):
        return [f"s: {quote(value)}"]
    if value is None or isinstance(value, tuple):
        return ["shape {", *(f"  {line}" for line in _dims_lines(value)), "}"]
    if isinstance(value, np.ndarray):
        return ["tensor {", *(f"  {line}" for line in _tensor_lines(value)), "}"]
    if isinstance(value, list):
        inner = [line for item in value for line in _value_lines(item)]
        return ["list {", *(f"  {line}" for line in inner), "}"]
    return [f"func {{ name: {quote(str(value))} }}"]
