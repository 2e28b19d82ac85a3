"""Picture -> graphviz.Digraph: shapes by kind, colours by role, frames for scopes.

Read next: render.py.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.graph.node import Operation, Tensor
from flowgraph.view.colours import Colouring
from flowgraph.view.labels import TITLE_WIDTH, alike_title, box_lines, box_notes, spec_text
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
from flowgraph.view.recording import Recording, value_text
from flowgraph.view.roles import FORWARD, GRADIENT, INITIAL, UPDATE
from flowgraph.view.scopes import Scope

if TYPE_CHECKING:
    from graphviz import Digraph

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
_MUTED = "#595959"
#: Role of the box an edge leads to -> colour.  Forward edges stand out: they are read first.
_EDGE_COLOURS = {
    FORWARD: "#3C4A5C", GRADIENT: "#D9A066", UPDATE: "#7DB480", INITIAL: "#AAAAAA",
    MIXED: "#9A8DB8",
}  # fmt: skip
#: Forward edges also pull harder, so that the forward part lies straight.
_FORWARD_WEIGHT = "8"
#: Fills of frames, by nesting depth; deeper ones repeat the last.
_FRAME_FILLS = ("#F7F8FA", "#EFF1F5", "#E7EAF0")
_ROOM_ABOVE = '<FONT POINT-SIZE="5"> </FONT><BR/>'


#: Of values and of gradients on edges.
_VALUE_COLOUR, _FLOW_COLOUR = "#1B5E20", "#C62828"


def to_digraph(
    picture: Picture,
    direction: str = "BT",
    title: str | None = None,
    colouring: Colouring | None = None,
    recording: Recording | None = None,
) -> Digraph:
    """The DOT form of ``picture``.

    Args:
        direction: where values flow: BT (as TensorBoard draws), TB, LR or RL.
        title: a heading.
        colouring: what fills tell; default: the roles.
        recording: values and gradients to write on the edges.
    """
    style = _Style(direction, colouring or Colouring(), recording)
    graph = new_digraph(direction, _heading(picture, title, style))
    _add_scope(graph, picture, picture.top, style)
    for edge in picture.edges:
        attributes = _edge_attributes(edge, style)
        graph.edge(quoted(edge.tail.name), quoted(edge.head.name), **attributes)
    return graph


def new_digraph(direction: str, heading: str) -> Digraph:
    """An empty Digraph with the fonts and widths of all pictures.

    Args:
        direction: as of to_digraph.   heading: text, or HTML in ``<>``.
    """
    import graphviz

    graph = graphviz.Digraph("flowgraph")
    graph.attr(
        rankdir=direction, fontname=_FONT, bgcolor="white", nodesep="0.25", ranksep="0.4",
        label=heading, labelloc="t", fontsize="14", pad="0.2", tooltip=" ",
    )  # fmt: skip
    graph.attr("node", fontname=_FONT, fontsize="11", height="0.3", margin="0.12,0.06")
    graph.attr(
        "edge", fontname=_FONT, fontsize="8", fontcolor=_MUTED,
        arrowsize="0.6", penwidth="0.9",
    )  # fmt: skip
    return graph


@dataclass(frozen=True, slots=True)
class _Style:
    """What all nodes and edges of one drawing share."""

    direction: str
    colouring: Colouring
    recording: Recording | None


def _add_scope(graph: Digraph, picture: Picture, scope: Scope, style: _Style) -> None:
    for box in picture.boxes[scope]:
        graph.node(quoted(box.name), **_node_attributes(box, style))
    for inner in scope.scopes.values():
        if inner.is_open:
            with graph.subgraph(name=f"cluster_{inner.name}/") as frame:
                frame.attr(**_frame_attributes(inner, style.direction))
                _add_scope(frame, picture, inner, style)


def quoted(name: str) -> str:
    """``name`` as the graphviz package wants it."""
    # NB: the graphviz package reads a colon as a port and "<...>" as HTML; names have neither, but
    # may hold backslashes, which DOT reads as escapes.
    return name.replace("\\", "\\\\")


# ---------------------------------------------------------------------------------------- labels


def _heading(picture: Picture, title: str | None, style: _Style) -> str:
    """The title and what the colours mean: an HTML label."""
    rows = []
    swatches = style.colouring.legend(picture.all_boxes())
    if title:
        rows.append(f'<TR><TD COLSPAN="20"><B>{html.escape(title)}</B></TD></TR>')
    if swatches:
        cells = []
        for (fill, line), text in swatches:
            cells.append(
                f'<TD BGCOLOR="{fill}" COLOR="{line}" BORDER="1" WIDTH="14" HEIGHT="10"> </TD>'
            )
            if text:
                cells.append(f'<TD><FONT POINT-SIZE="10">{html.escape(text)}</FONT></TD>')
        rows.append(f"<TR>{''.join(cells)}</TR>")
    if style.recording is not None:
        text = f'<FONT POINT-SIZE="10" COLOR="{_VALUE_COLOUR}">value</FONT>'
        if style.recording.target is not None:
            target = html.escape(style.recording.target.op.name)
            text += (
                f'<FONT POINT-SIZE="10" COLOR="{_FLOW_COLOUR}">'
                f"   {_FLOW_SIGN} gradient of {target}</FONT>"
            )
        rows.append(f'<TR><TD COLSPAN="20">{text}</TD></TR>')
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
        if lines[-1] and len(lines[-1]) + len(piece) > TITLE_WIDTH:
            lines.append(piece)
        else:
            lines[-1] += piece
    return lines


# -------------------------------------------------------------------------------------- attributes


def _node_attributes(box: Box, style: _Style) -> dict[str, str]:
    fill, line = style.colouring.colours(box)
    notes = [*box_notes(box), *style.colouring.notes(box)]
    title = alike_title(box.title, box.alike)
    label = _label(title, notes, bold=box.kind == SCOPE, low=box.kind == VARIABLE)
    if style.recording is not None and box.op is not None:
        ends = [t for t in box.op.outputs if not t._consumers]
        for text in _recorded(ends, [], style.recording):
            label = f'{label[:-1]}<BR/><FONT POINT-SIZE="8.5">{text}</FONT>>'
    by_role = type(style.colouring) is Colouring
    return {
        **KIND_STYLES[box.kind],
        "label": label,
        "fillcolor": "white" if box.kind == CONSTANT and by_role else fill,
        "color": line,
        "tooltip": plain("\n".join(box_lines(box))),
    }


def _frame_attributes(scope: Scope, direction: str) -> dict[str, str]:
    fill = _FRAME_FILLS[min(scope.depth, len(_FRAME_FILLS)) - 1]
    notes = [f"{len(scope.alike)} alike"] if scope.alike else []
    title = alike_title(scope.title, scope.alike)
    return {
        "label": _label(title, notes, bold=True), "labeljust": "l", "fontsize": "11",
        "style": "rounded,filled", "fillcolor": fill, "color": "#B5BCC9", "margin": "10",
        "labelloc": "b" if direction == "BT" else "t",
        "tooltip": plain(f"{scope.name}/  {len(scope.all_ops())} nodes"),
    }  # fmt: skip


def _edge_attributes(edge: Edge, style: _Style) -> dict[str, str]:
    attributes = {"tooltip": plain(_edge_tooltip(edge)), "color": _EDGE_COLOURS[edge.head.role]}
    if edge.tail.role == edge.head.role == FORWARD:
        attributes["weight"] = _FORWARD_WEIGHT
    leaves_forward = edge.tail.role == FORWARD and edge.head.role in (GRADIENT, UPDATE)
    if leaves_forward and edge.head.kind == SCOPE:
        # Every layer has such lines; they must not drown the forward part.
        attributes |= {"color": attributes["color"] + "90", "weight": "0"}
    if edge.is_back:
        attributes |= {"constraint": "false", "penwidth": "1.6"}
    if not edge.tensors:
        return attributes | {"style": "dashed", "arrowhead": "vee"}
    specs = Counter(spec_text(tensor) for tensor in edge.tensors)
    count = len(edge.tensors)
    if len(specs) == 1:
        (text,) = specs
        text = text if count == 1 else f"{count}x {text}"
    else:
        text = f"{count} tensors"
    if not (leaves_forward and edge.head.kind == SCOPE):
        attributes |= {"label": f" {text} ", "labeltooltip": attributes["tooltip"]}
        if style.recording is not None:
            lines = [html.escape(text), *_recorded(edge.tensors, edge.uses, style.recording)]
            attributes["label"] = f"<{'<BR/>'.join(lines)}>"
    if edge.is_back:
        attributes["label"] = f" to the next: {text} "
    elif count > 1:
        attributes["penwidth"] = f"{0.9 + 0.5 * math.log2(count):.1f}"
    if edge.writes:
        attributes["dir"] = "both"
    return attributes


def _edge_tooltip(edge: Edge) -> str:
    if not edge.tensors:
        return f"{edge.tail.name} runs before {edge.head.name}"
    lines = [f"{name}  {spec}" for name, spec in dict.fromkeys(
        (tensor.name, spec_text(tensor)) for tensor in edge.tensors
    )][:8]  # fmt: skip
    if edge.controls:
        lines.append(f"and {edge.controls} control dependencies")
    return "\n".join(lines) + f"\n-> {edge.head.name}"


#: Stands before what flows back.
_FLOW_SIGN = "\u2190"


def _recorded(
    tensors: list[Tensor], uses: list[tuple[Operation, int]], recording: Recording
) -> list[str]:
    """Value and gradient of the one tensor of an edge, as HTML; nothing for bundles."""
    if len(set(tensors)) != 1:
        return []
    lines = []
    tensor = tensors[0]
    if tensor in recording.values:
        text = html.escape(value_text(recording.values[tensor]))
        lines.append(f'<FONT COLOR="{_VALUE_COLOUR}">{text}</FONT>')
    flows = [recording.flows[use] for use in uses if use in recording.flows]
    if not uses and tensor in recording.gradients:
        flows = [recording.gradients[tensor]]
    if flows and len({flow.shape for flow in flows}) == 1:
        text = html.escape(value_text(np.sum(flows, axis=0, dtype=flows[0].dtype)))
        lines.append(f'<FONT COLOR="{_FLOW_COLOUR}">{_FLOW_SIGN} {text}</FONT>')
    return lines


def plain(text: str) -> Any:
    """``text`` as DOT text: backslashes stand for themselves, line ends for line ends."""
    from graphviz import escape, nohtml

    return nohtml(escape(text.replace("\\", "\\")).replace("\n", "\\n"))
