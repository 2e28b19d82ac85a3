"""Model: what the viewer's page knows of a graph, as one JSON object.

    scopes  [name, title, parent, kind]             parent before child; 0 is the graph itself
    nodes   {name, scope, title, kind, role, ...}   one list per field, an entry per node
    edges   [tail, head, [tensors], controls, writes]
    tensors [node, name or "", spec]                those that flow along an edge
    costs, values, steps                            where a run was traced or recorded

Nodes are the boxes of a picture with everything open (picture.py), so variables hold their reads
and slots, and operations their constant arguments.  A scope with more members than can be laid out
at once is given inner ones, of consecutive members: ``MatMul ... Relu_16``.

Read next: page.py, then assets/layout.js, which lays out one open scope at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.graph.node import Tensor
from flowgraph.graph.site import format_site, source_line
from flowgraph.view.costs import costs_of, static_bytes, total_cost
from flowgraph.view.labels import attribute_lines, box_notes, spec_text
from flowgraph.view.picture import Box, Picture, make_picture
from flowgraph.view.recording import Recording, value_text
from flowgraph.view.scopes import Scope

#: A scope with more members than MAX_MEMBERS gets inner scopes of at most GROUP_SIZE.
MAX_MEMBERS, GROUP_SIZE = 100, 40

#: Longest text of an attribute, in letters, and how many folded operations are listed.
_MAX_TEXT, _MAX_FOLDED = 120, 12

#: Kinds of scope.
_SCOPE, _GATHERED = 0, 1


class Table:
    """Texts and their numbers: each text is written once."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}

    def add(self, item: Any) -> int:
        """The number of ``item``."""
        return self.numbers.setdefault(item, len(self.numbers))

    def items(self) -> list[Any]:
        """All items, by number."""
        return list(self.numbers)


def make_model(
    what: Any = None,
    *,
    title: str | None = None,
    run_metadata: Any = None,
    values: Recording | None = None,
) -> dict[str, Any]:
    """The JSON object for a graph, or for what some fetches need; arguments as of view.html."""
    picture = make_picture(what, math.inf, fold_blocks=False)
    scopes, scope_of = _scopes(picture)
    boxes = sorted(picture.all_boxes(), key=lambda box: box.op._id if box.op else 0)
    number = {box: i for i, box in enumerate(boxes)}
    model: dict[str, Any] = {
        "title": title or "Graph",
        "operations": sum(len(box.ops) for box in boxes),
        "scopes": scopes,
        "nodes": _nodes(boxes, scope_of, scopes),
    }
    tensors: dict[Tensor, int] = {}
    model["edges"] = [
        [
            number[edge.tail],
            number[edge.head],
            [tensors.setdefault(t, len(tensors)) for t in edge.tensors],
            edge.controls,
            int(edge.writes),
        ]
        for edge in picture.edges
    ]
    box_of = {op: box for box in boxes for op in box.ops}
    order = boxes
    if run_metadata is not None:
        model["costs"], order = _costs(boxes, run_metadata)
    if values is not None:
        order = _in_order(boxes, values)
        for op in values.order:  # what nothing uses has a value, too
            for tensor in op.outputs:
                if tensor in values.values and op in box_of:
                    tensors.setdefault(tensor, len(tensors))
        model["values"] = _values(list(tensors), values)
    specs = Table()
    model["tensors"] = [
        [
            number[box_of[t.op]],
            "" if t.op is box_of[t.op].op and t.value_index == 0 else t.name,
            specs.add(spec_text(t)),
        ]
        for t in tensors
    ]
    model["specs"] = specs.items()
    model["steps"] = [number[box] for box in order]
    return model


# ------------------------------------------------------------------------------------------ scopes


def _scopes(picture: Picture) -> tuple[list[list[Any]], dict[Box, int]]:
    """Rows of the scopes, and the row of each box."""
    rows: list[list[Any]] = []
    scope_of: dict[Box, int] = {}

    def first_id(member: Box | Scope) -> int:
        if isinstance(member, Box):
            return member.op._id if member.op is not None else 0
        return min([op._id for op in member.all_ops()], default=0)

    def add(members: Sequence[Box | Scope], row: int) -> None:
        if len(members) > MAX_MEMBERS:
            members = _gathered(members)
        for member in members:
            if isinstance(member, Box):
                scope_of[member] = row
            elif isinstance(member, Scope):
                rows.append([member.name, member.title, row, _SCOPE])
                add(inside(member), len(rows) - 1)
            else:
                text = f"{_end(member, 0).title} ... {_end(member, -1).title}"
                rows.append([rows[row][0], text, row, _GATHERED])
                add(member, len(rows) - 1)

    def inside(scope: Scope) -> list[Box | Scope]:
        found: list[Box | Scope] = [*picture.boxes.get(scope, ()), *scope.scopes.values()]
        return sorted(found, key=first_id)

    rows.append(["", "", -1, _SCOPE])
    add(inside(picture.top), 0)
    return rows, scope_of


def _gathered(members: Sequence[Any]) -> list[Any]:
    """``members`` in parts of about equal sizes, nested until none has more than GROUP_SIZE."""
    levels = 2
    while GROUP_SIZE**levels < len(members):
        levels += 1
    size = math.ceil(len(members) ** (1 / levels) - 1e-9)
    found = list(members)
    for _ in range(levels - 1):
        found = [found[i : i + size] for i in range(0, len(found), size)]
    return found


def _end(member: Any, which: int) -> Any:
    """The first (0) or last (-1) of nested lists."""
    while isinstance(member, list):
        member = member[which]
    return member


# ------------------------------------------------------------------------------------------- nodes


def _nodes(
    boxes: Sequence[Box], scope_of: dict[Box, int], scopes: list[list[Any]]
) -> dict[str, Any]:
    types, devices, specs, sites, texts = Table(), Table(), Table(), Table(), Table()
    fields: dict[str, list[Any]] = {
        key: []
        for key in (
            "name", "scope", "title", "kind", "role", "type", "outputs", "device", "site",
            "notes", "attrs", "folded", "bytes",
        )
    }  # fmt: skip
    kinds, roles = Table(), Table()
    for box in boxes:
        op = box.op
        assert op is not None  # everything is open
        scope = scopes[scope_of[box]][0]
        inside = scope and box.name.startswith(scope + "/")
        row = {
            # Names inside their scope are told without it; no operation's name starts with "/".
            "name": box.name[len(scope) :] if inside else box.name,
            "scope": scope_of[box],
            "title": "" if inside and box.name == f"{scope}/{box.title}" else box.title,
            "kind": kinds.add(box.kind),
            "role": roles.add(box.role),
            "type": types.add(op.type),
            "outputs": [specs.add(spec_text(t)) for t in op.outputs],
            "device": devices.add(op.device),
            "site": sites.add(op.site),
            "notes": texts.add(_notes_of(box)),
            "attrs": texts.add("\n".join(line[:_MAX_TEXT] for line in attribute_lines(op))),
            "folded": [o.name for o in box.ops if o is not op][:_MAX_FOLDED],
            "bytes": static_bytes(op),
        }
        for key, value in row.items():
            fields[key].append(value)
    # NB: no whole paths: a page is for others to look at as well.
    lines = [[format_site(s), source_line(s)[:_MAX_TEXT] if s[0] else ""] for s in sites.items()]
    tables = {
        "kinds": kinds, "roles": roles, "types": types, "devices": devices, "specs": specs,
        "texts": texts,
    }  # fmt: skip
    return {**fields, "sites": lines, **{key: table.items() for key, table in tables.items()}}


def _notes_of(box: Box) -> str:
    """Notes other than the type and the shape, which the page has in fields of their own."""
    assert box.op is not None
    known = {box.op.type, *(spec_text(t) for t in box.op.outputs)}
    return "\n".join(note for note in box_notes(box) if note not in known)


# -------------------------------------------------------------------------- costs, values, order


def _costs(boxes: Sequence[Box], run_metadata: Any) -> tuple[dict[str, Any], list[Box]]:
    """Costs by node, and the nodes that ran in the order of their kernels."""
    costs = costs_of(run_metadata)
    kernels = Table()
    rows: list[list[Any]] = []
    numbers: dict[Box, int] = {}
    for i, box in enumerate(boxes):
        cost = total_cost(box.ops, costs)
        if cost is None:
            continue
        rows.append([
            i, round(cost.ns, 1), round(cost.flops), round(cost.bytes), int(cost.estimated),
            kernels.add((cost.number, cost.kernel)), cost.number,
        ])  # fmt: skip
        numbers[box] = cost.number
    ran = sorted(numbers, key=lambda box: numbers[box])
    return {"rows": rows, "kernels": [label for _, label in kernels.items()]}, ran


def _in_order(boxes: Sequence[Box], values: Recording) -> list[Box]:
    """The nodes that were recorded: first forward, then, where gradients were taken, backward."""
    ran = set(values.order)
    return [box for box in boxes if box.op in ran]


def _values(tensors: Sequence[Tensor], values: Recording) -> dict[str, Any]:
    """Texts, and for small arrays the numbers, of every tensor that was recorded."""
    rows = []
    for i, tensor in enumerate(tensors):
        array, gradient = values.values.get(tensor), values.gradients.get(tensor)
        if array is not None:
            rows.append([i, _shown(array), *([] if gradient is None else [_shown(gradient)])])
    return {
        "rows": rows,
        "target": values.target.name if values.target is not None else "",
        "backward": bool(values.gradients),
    }


#: Arrays up to this many elements are shown as a picture of cells.
_MAX_CELLS = 256


def _shown(array: np.ndarray) -> list[Any]:
    """A brief text, a long one, and [rows, columns, numbers] for the picture of cells or 0."""
    text = value_text(array, limit=12)
    brief = text if array.size <= 4 else str(list(array.shape))
    is_number = array.dtype.kind in "iufb"
    if is_number and array.size > 4:
        brief = f"mean {float(array.mean(dtype=np.float64)):.3g}"
    if not is_number or not 4 <= array.size <= _MAX_CELLS or array.ndim > 2:
        return [brief, text, 0]
    table = np.atleast_2d(array).astype(np.float64)
    numbers = [float(f"{x:.3g}") if math.isfinite(x) else None for x in table.ravel().tolist()]
    return [brief, text, [table.shape[0], table.shape[1], numbers]]
