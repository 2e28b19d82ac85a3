"""The words of a picture: specs, notes, and what a tooltip or the viewer's panel says of a box.

Read next: digraph.py and model.py, which show them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.graph.contexts import Context
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.site import format_site, source_line
from flowgraph.shapes import format_dims
from flowgraph.view.picture import CONSTANT, GROUP, PLACEHOLDER, VARIABLE, Box
from flowgraph.view.recording import value_text
from flowgraph.view.roles import INITIAL

#: Titles are broken, and names of several abbreviated, above this many letters.
TITLE_WIDTH = 22


def spec_text(tensor: Tensor) -> str:
    return f"{tensor.dtype.base_dtype.name}{format_dims(tensor.dims)}"


def box_notes(box: Box) -> list[str]:
    """The small lines below a node's title."""
    op = box.op
    if op is None:
        if box.alike:
            return [f"{len(box.alike)} alike, {len(box.ops) // len(box.alike)} operations each"]
        return [f"{len(box.ops)} operations"]
    if box.kind in (VARIABLE, PLACEHOLDER):
        return [spec_text(op.outputs[0])]
    if box.kind == CONSTANT:
        value = _short_value(op)
        return [value] if value else []
    notes = [f"{len(box.alike)} alike"] if box.alike else []
    if box.kind == GROUP and box.role == INITIAL and op._control_inputs:
        notes.append(f"initialises {len(op._control_inputs)} variables")
    elif box.title.rpartition("/")[2].rstrip("_0123456789") != op.type:
        notes.append(op.type)
    for tensor in op.inputs:
        constant = tensor.op
        if constant in box.ops and constant.name.startswith(op.name + "/") and tensor.dims == ():
            notes.append(f"{constant.name.rpartition('/')[2]} = {_short_value(constant)}")
    return notes


def _short_value(op: Operation) -> str:
    value = op.attrs.get("value")
    if not isinstance(value, np.ndarray) or value.size > 6:
        return spec_text(op.outputs[0])
    text = value_text(value)
    return text if len(text) <= 24 else spec_text(op.outputs[0])


def alike_title(title: str, names: list[str]) -> str:
    """``layer_0 ... layer_19``; of long names only what is common: ``update_layer_*/w``."""
    if len(title) > TITLE_WIDTH and names:
        return re.sub(r"\d+", "*", title)
    return f"{title} ... {names[-1][len(names[0]) - len(title) :]}" if names else title


def box_lines(box: Box) -> Iterator[str]:
    op = box.op
    if op is None:
        yield f"{box.name}  {len(box.ops)} operations"
        types = Counter(o.type for o in box.ops)
        yield ", ".join(f"{type} {count}" for type, count in types.most_common(8))
        return
    yield f"{op.name}  ({op.type})"
    if op.site[0]:
        line = source_line(op.site)
        yield f"{format_site(op.site)}" + (f":  {line}" if line else "")
    for tensor in op.outputs:
        yield f"-> {tensor.name}  {spec_text(tensor)}"
    if op.device:
        yield f"device {op.device}"
    yield from attribute_lines(op)
    folded = [other.name for other in box.ops if other is not op]
    if folded:
        more = f" and {len(folded) - 8} more" if len(folded) > 8 else ""
        yield "with " + ", ".join(folded[:8]) + more


def attribute_lines(op: Operation) -> Iterator[str]:
    """``transpose_a = True``: attributes other than dtypes and arrays."""
    for name, value in op.attrs.items():
        if not isinstance(value, (DType, np.ndarray, Context)) and not name.startswith("_"):
            yield f"{name} = {value}"
