"""Picture -> graphviz.Digraph: shapes by kind, colours by role, frames for scopes.

Read next: render.py.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.site import format_site, source_line
from flowgraph.shapes import format_dims
from flowgraph.view.picture import (
    CONSTANT,
    GROUP,
    MIXED,
    OPERATION,
    PLACEHOLDER,
    SCOPE,
    VARIABLE,
    Box,
    Edge,
    Picture,
)
from flowgraph.view.roles import FORWARD, GRADIENT, INITIAL, UPDATE
from flowgraph.view.scopes import Scope

if TYPE_CHECKING:
    from graphviz import Digraph

#: Role -> (fill, line).  Told apart by people who see few colours as well.
ROLE_COLOURS = {
    FORWARD: ("#DCE9F7", "#2F6CAB"),
    GRADIENT: ("#FDE5CC", "#C76A12"),
    UPDATE: ("#DDF1DC", "#35823A"),
    INITIAL: ("#EEEEEE", "#7F7F7F"),
    MIXED: ("#ECE6F5", "#6B5796"),
}

#: Role -> what the legend says.
ROLE_TEXTS = {
    FORWARD: "forward", GRADIENT: "gradient", UPDATE: "update", INITIAL: "initialisation",
    MIXED: "several",
}  # fmt: skip

#: Kind -> Graphviz node attributes.
KIND_STYLES = {
    OPERATION: {"shape": "box", "style": "rounded,filled"},
    VARIABLE: {"shape": "cylinder", "style": "filled"},
    CONSTANT: {"shape": "ellipse", "style": "filled", "margin": "0.05,0.02"},
    PLACEHOLDER: {"shape": "parallelogram", "style": "filled", "margin": "0.02,0.05"},
    GROUP: {"shape": "ellipse", "style": "filled,dashed"},
    SCOPE: {"shape": "box", "style": "rounded,filled,bold", "peripheries": "1", "penwidth": "2"},
}

_FONT = "Helvetica"
_MUTED = "#666666"
#: Role of the box an edge leads to -> colour.  Forward edges stand out: they are read first.
_EDGE_COLOURS = {
    FORWARD: "#3C4A5C", GRADIENT: "#D9A066", UPDATE: "#7DB480", INITIAL: "#AAAAAA",
    MIXED: "#9A8DB8",
}  # fmt: skip
#: Forward edges also pull harder, so that the forward part lies straight.
_FORWARD_WEIGHT = "8"
#: Fills of frames, by nesting depth; deeper ones repeat the last.
_FRAME_FILLS = ("#F7F8FA", "#EFF1F5", "#E7EAF0")
_TITLE_WIDTH = 22
_ROOM_ABOVE = '<FONT POINT-SIZE="5"> </FONT><BR/>'


def to_digraph(picture: Picture, direction: str = "BT", title: str | None = None) -> Digraph:
    """The DOT form of ``picture``.

    Args:
        direction: where values flow: BT (as TensorBoard draws), TB, LR or RL.
        title: a heading.
    """
    import graphviz

    graph = graphviz.Digraph("flowgraph")
    graph.attr(
        rankdir=direction, fontname=_FONT, bgcolor="white", nodesep="0.25", ranksep="0.4",
        label=_heading(picture, title), labelloc="t", fontsize="14", pad="0.2", tooltip=" ",
    )  # fmt: skip
    graph.attr("node", fontname=_FONT, fontsize="11", height="0.3", margin="0.12,0.06")
    graph.attr(
        "edge", fontname=_FONT, fontsize="8", fontcolor=_MUTED,
        arrowsize="0.6", penwidth="0.9",
    )  # fmt: skip
    _add_scope(graph, picture, picture.top, direction)
    for edge in picture.edges:
        graph.edge(_quoted(edge.tail.name), _quoted(edge.head.name), **_edge_attributes(edge))
    return graph


def _add_scope(graph: Digraph, picture: Picture, scope: Scope, direction: str) -> None:
    for box in picture.boxes[scope]:
        graph.node(_quoted(box.name), **_node_attributes(box))
    for inner in scope.scopes.values():
        if inner.is_open:
            with graph.subgraph(name=f"cluster_{inner.name}/") as frame:
                frame.attr(**_frame_attributes(inner, direction))
                _add_scope(frame, picture, inner, direction)


def _quoted(name: str) -> str:
    # NB: the graphviz package reads a colon as a port and "<...>" as HTML; names have neither, but
    # may hold backslashes, which DOT reads as escapes.
    return name.replace("\\", "\\\\")


# ---------------------------------------------------------------------------------------- labels


def _heading(picture: Picture, title: str | None) -> str:
    """The title and, where there are several roles, what the colours mean: an HTML label."""
    roles = {box.role for box in picture.all_boxes()}
    rows = []
    if title:
        rows.append(f'<TR><TD COLSPAN="20"><B>{html.escape(title)}</B></TD></TR>')
    if len(roles) > 1:
        cells = []
        for role, (fill, line) in ROLE_COLOURS.items():
            if role in roles:
                cells.append(
                    f'<TD BGCOLOR="{fill}" COLOR="{line}" BORDER="1" WIDTH="14" HEIGHT="10"> </TD>'
                    f'<TD><FONT POINT-SIZE="10">{ROLE_TEXTS[role]}</FONT></TD>'
                )
        rows.append(f"<TR>{''.join(cells)}</TR>")
    if not rows:
        return ""
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="4">{"".join(rows)}</TABLE>>'


def _label(title: str, notes: list[str], *, bold: bool = False, low: bool = False) -> str:
    """An HTML label: the title, broken at slashes when it is long, and small notes below it.

    ``low`` leaves room above, for the lid of a cylinder.
    """
    lines = [html.escape(part) for part in _broken(title)]
    text = "<BR/>".join(f"<B>{line}</B>" if bold else line for line in lines)
    for note in notes:
        text += f'<BR/><FONT POINT-SIZE="8.5" COLOR="{_MUTED}">{html.escape(note)}</FONT>'
    return f"<{_ROOM_ABOVE}{text}>" if low else f"<{text}>"


def _broken(title: str) -> list[str]:
    lines = [""]
    for part in title.split("/"):
        piece = part if lines == [""] else "/" + part
        if lines[-1] and len(lines[-1]) + len(piece) > _TITLE_WIDTH:
            lines.append(piece)
        else:
            lines[-1] += piece
    return lines


def _spec(tensor: Tensor) -> str:
    return f"{tensor.dtype.base_dtype.name}{format_dims(tensor.dims)}"


def _notes(box: Box) -> list[str]:
    """The small lines below a node's title."""
    op = box.op
    if op is None:
        return [f"{len(box.ops)} operations"]
    if box.kind in (VARIABLE, PLACEHOLDER):
        return [_spec(op.outputs[0])]
    if box.kind == CONSTANT:
        value = _short_value(op)
        return [value] if value else []
    notes = []
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
        return _spec(op.outputs[0])
    text = np.array2string(value, separator=", ", formatter={"float_kind": _short_float})
    return text if len(text) <= 24 else _spec(op.outputs[0])


def _short_float(number: Any) -> str:
    return repr(float(f"{number:.5g}"))


# -------------------------------------------------------------------------------------- attributes


def _node_attributes(box: Box) -> dict[str, str]:
    fill, line = ROLE_COLOURS[box.role]
    return {
        **KIND_STYLES[box.kind],
        "label": _label(box.title, _notes(box), bold=box.kind == SCOPE, low=box.kind == VARIABLE),
        "fillcolor": "white" if box.kind == CONSTANT else fill,
        "color": line,
        "tooltip": _plain("\n".join(_node_tooltip(box))),
    }


def _frame_attributes(scope: Scope, direction: str) -> dict[str, str]:
    fill = _FRAME_FILLS[min(scope.depth, len(_FRAME_FILLS)) - 1]
    return {
        "label": _label(scope.title, [], bold=True), "labeljust": "l", "fontsize": "11",
        "style": "rounded,filled", "fillcolor": fill, "color": "#B5BCC9", "margin": "10",
        "labelloc": "b" if direction == "BT" else "t",
        "tooltip": _plain(f"{scope.name}/  {len(scope.all_ops())} nodes"),
    }  # fmt: skip


def _edge_attributes(edge: Edge) -> dict[str, str]:
    attributes = {"tooltip": _plain(_edge_tooltip(edge)), "color": _EDGE_COLOURS[edge.head.role]}
    if edge.tail.role == edge.head.role == FORWARD:
        attributes["weight"] = _FORWARD_WEIGHT
    leaves_forward = edge.tail.role == FORWARD and edge.head.role in (GRADIENT, UPDATE)
    if leaves_forward and edge.head.kind == SCOPE:
        # Every layer has such lines; they must not drown the forward part.
        attributes |= {"color": attributes["color"] + "90", "weight": "0"}
    if not edge.tensors:
        return attributes | {"style": "dashed", "arrowhead": "vee"}
    specs = Counter(_spec(tensor) for tensor in edge.tensors)
    count = len(edge.tensors)
    if len(specs) == 1:
        (text,) = specs
        text = text if count == 1 else f"{count}x {text}"
    else:
        text = f"{count} tensors"
    if not (leaves_forward and edge.head.kind == SCOPE):
        attributes |= {"label": f" {text} ", "labeltooltip": attributes["tooltip"]}
    if count > 1:
        attributes["penwidth"] = f"{0.9 + 0.5 * math.log2(count):.1f}"
    if edge.writes:
        attributes["dir"] = "both"
    return attributes


def _node_tooltip(box: Box) -> Iterator[str]:
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
        yield f"-> {tensor.name}  {_spec(tensor)}"
    if op.device:
        yield f"device {op.device}"
    for name, value in op.attrs.items():
        if not isinstance(value, (DType, np.ndarray)) and not name.startswith("_"):
            yield f"{name} = {value}"
    folded = [other.name for other in box.ops if other is not op]
    if folded:
        more = f" and {len(folded) - 8} more" if len(folded) > 8 else ""
        yield "with " + ", ".join(folded[:8]) + more


def _edge_tooltip(edge: Edge) -> str:
    if not edge.tensors:
        return f"{edge.tail.name} runs before {edge.head.name}"
    lines = [f"{name}  {spec}" for name, spec in dict.fromkeys(
        (tensor.name, _spec(tensor)) for tensor in edge.tensors
    )][:8]  # fmt: skip
    if edge.controls:
        lines.append(f"and {edge.controls} control dependencies")
    return "\n".join(lines) + f"\n-> {edge.head.name}"


def _plain(text: str) -> Any:
    """``text`` as DOT text: backslashes stand for themselves, line ends for line ends."""
    from graphviz import escape, nohtml

    return nohtml(escape(text.replace("\\", "\\")).replace("\n", "\\n"))
