"""Pictures of what the compiler made: the optimised graph with its fused kernels, and the plan.

    optimized   operations after all passes; a frame around those that run as one kernel
    plan        the instruction table: kernels in order, and the memory that they hand on

Both take a RunMetadata of a traced run, whose plans they then show with times, or fetches and
feeds, which are compiled up to the plan and not run.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph import compile as compiler
from flowgraph.fetching import expand_feeds, feed_converter, flatten_fetches, resolve_feed_key
from flowgraph.graph.node import Operation
from flowgraph.graph.site import format_site, source_line
from flowgraph.optimize.frozen import FEED, VARIABLE, Node, Value
from flowgraph.plan.plan import ARENA, CONST, Instr, Plan, Slot
from flowgraph.profile.run_metadata import RunMetadata
from flowgraph.session import BaseSession, get_default_session
from flowgraph.shapes import format_dims
from flowgraph.view.colours import HEAT, ROLE_COLOURS, heat_step
from flowgraph.view.costs import bytes_text, time_text
from flowgraph.view.digraph import KIND_STYLES, new_digraph, plain, quoted
from flowgraph.view.picture import CONSTANT, OPERATION, PLACEHOLDER, operations_of
from flowgraph.view.picture import VARIABLE as VARIABLE_BOX
from flowgraph.view.recording import value_text
from flowgraph.view.roles import FORWARD, GRADIENT, UPDATE, roles_of

if TYPE_CHECKING:
    from graphviz import Digraph

_FRAME = {"style": "rounded,filled", "fillcolor": "#F4F5F8", "color": "#8D97A8", "penwidth": "1.4"}
_EDGE = "#5D6B7E"


@dataclass(slots=True)
class Compiled:
    """A Plan, and the time of each of its instructions in ns where it was traced."""

    plan: Plan
    times: list[float] = field(default_factory=list)

    def time(self, row: int) -> float | None:
        """Of an instruction; None when the plan was not run."""
        return self.times[row] if self.times else None


def compiled(
    what: Any, feed_dict: dict[Any, Any] | None = None, session: BaseSession | None = None
) -> list[Compiled]:
    """The plans of a traced run, or the one of some fetches, which is not run.

    Raises:
        ValueError: a RunMetadata without a trace; sizes that depend on values: those plans exist
            only when running.
    """
    if isinstance(what, RunMetadata):
        if what.trace is None:
            raise ValueError(
                "the RunMetadata holds no trace: pass it to Session.run together with "
                "options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)"
            )
        return [
            Compiled(part.plan, part.elapsed.tolist())
            for part in what.trace.plans
        ]
    graph = operations_of(what)[0].graph
    leaves, _ = flatten_fetches(graph, what)
    given = expand_feeds(feed_dict or {})
    feeds = [resolve_feed_key(graph, key) for key in given]
    arrays = [feed_converter(t)(v) for t, v in zip(feeds, given.values(), strict=True)]
    dump = compiler.Dump()
    frozen = compiler.prepare(list(dict.fromkeys(leaves)), feeds, dump)
    session = session or get_default_session()
    variables = {} if session is None else session._variable_shapes()
    staged = compiler.stage(frozen, [np.shape(a) for a in arrays], variables)
    if staged.rest is not None:
        raise ValueError(
            "sizes in this graph depend on values, so its plan is made while it runs: give the "
            "RunMetadata of a traced run instead of the fetches"
        )
    return [Compiled(compiler.make_plan(staged.first, dump, changed=staged.changed))]


# --------------------------------------------------------------------------------- optimised graph


def optimized(
    what: Any,
    feed_dict: dict[Any, Any] | None = None,
    *,
    session: BaseSession | None = None,
    colour_by: str = "role",
    direction: str = "BT",
    title: str | None = None,
) -> Digraph:
    """The graph after all passes, with a frame around operations that were fused into one kernel.

    Constants are folded, common and dead operations gone; dotted boxes (a reshape, a slice) are
    views, for which no code runs.

    Args:
        what: a RunMetadata of a traced run, or fetches as of ``Session.run``, which are not run.
        feed_dict: with fetches: what they are fed; the shapes count.
        session: with fetches: whose variables, default the default session.
        colour_by: ``role``, or ``time`` (of a traced run).
        direction: where values flow: BT (up), TB, LR or RL.
        title: a heading.

    Returns:
        A ``graphviz.Digraph``, which ``tf.view.save`` also takes.

    Raises:
        ValueError: nothing was traced; sizes depend on values; ``time`` without a traced run.
    """
    parts = compiled(what, feed_dict, session)
    if colour_by not in ("role", "time"):
        raise ValueError(f"colour_by={colour_by!r}: it is role or time")
    if colour_by == "time" and not any(part.times for part in parts):
        raise ValueError("colour_by='time' needs the RunMetadata of a traced run")
    kernels = sum(1 for part in parts for instr in part.plan.instrs if instr.jump is None)
    operations = len({n for part in parts for instr in part.plan.instrs for n in instr.nodes})
    heading = f"{title + ': ' if title else ''}{operations} operations in {kernels} kernels"
    graph = new_digraph(direction, heading)
    _Optimized(graph, parts, colour_by).draw()
    return graph


class _Optimized:
    """Draws the nodes of the kernels; every FrozenGraph node once."""

    def __init__(self, graph: Digraph, parts: Sequence[Compiled], colour_by: str) -> None:
        self.graph, self.parts, self.colour_by = graph, parts, colour_by
        self.largest = max([max(part.times, default=0.0) for part in parts], default=0.0)
        self.drawn: dict[Node, str] = {}
        #: Feeds and variables are many nodes (a version of a variable, a body that uses it) of one
        #: name; slots of optimizers are drawn with their variable.
        self.by_name: dict[str, str] = {}
        self.lines: set[tuple[str, str, str]] = set()
        self.roles = roles_of_nodes(n for part in parts for i in part.plan.instrs for n in i.nodes)
        self.outside: list[Node] = []
        self.variables: Collection[str] = ()

    def draw(self) -> None:
        """Kernels with their members, then what they take, then all lines."""
        for part in self.parts:
            fetched = {operand.slot for operand in part.plan.fetches}
            for row, instr in enumerate(part.plan.instrs):
                if instr.jump is None and instr.nodes:
                    self._kernel(part, row, instr, fetched)
        self.by_name = {node.name: name for node, name in self.drawn.items()}
        inputs = [v.node for node in self.drawn for v in node.inputs if v.node is not None]
        self.variables = {node.name for node in inputs if node.type == VARIABLE}
        for node in list(self.drawn):
            self._inputs(node)
        while self.outside:
            self._inputs(self.outside.pop())

    def _kernel(self, part: Compiled, row: int, instr: Instr, fetched: set[Slot]) -> None:
        nodes = [n for n in instr.nodes if n not in self.drawn]
        time = part.time(row)
        note = f"kernel {row}" if instr.kernel is not None else f"host {row}"
        if time is not None:
            note += f"  {time_text(time)}"
        ends = {v.node for v, operand in instr.outputs.items() if operand.slot in fetched}
        heat = HEAT[heat_step(time or 0.0, self.largest)] if self.colour_by == "time" else ""
        if len(nodes) <= 1:
            for node in nodes:
                self._node(self.graph, node, [note], heat, fetched=node in ends)
            return
        with self.graph.subgraph(name=f"cluster_{self.parts.index(part)}_{row}") as frame:
            label = f"<<B>{html.escape(note)}</B>>"
            frame.attr(label=label, fontsize="10", labeljust="l", margin="8", **_FRAME)
            if heat:
                frame.attr(fillcolor=heat)
            for node in nodes:
                self._node(frame, node, [], heat, fetched=node in ends)

    def _node(
        self, graph: Any, node: Node, notes: list[str], heat: str, *, fetched: bool = False
    ) -> None:
        name = self.drawn[node] = f"{len(self.drawn)} {node.name}"
        fill, line = ROLE_COLOURS[self.roles.get(node, FORWARD)]
        title = node.name.split("/")[-1]
        lines = [node.type] if title.rstrip("_0123456789") != node.type else []
        for value in node.inputs:
            if value.node is not None and _is_small_constant(value.node):
                constant = value.node.name.split("/")[-1]
                lines.append(f"{constant} = {value_text(value.node.attrs['value'])}")
        lines += [*notes, *(["fetched"] if fetched else [])]
        graph.node(
            quoted(name), label=_label(title, lines), fillcolor=heat or fill, color=line,
            penwidth="2.2" if fetched else "1", tooltip=plain(_tooltip(node)),
            **KIND_STYLES[OPERATION],
        )  # fmt: skip

    def _inputs(self, node: Node) -> None:
        for value in node.inputs:
            if value.node is None or _is_small_constant(value.node):
                continue  # a loop variable, which inside comes from nowhere; or noted in the node
            if value.node not in self.drawn:
                self._outside(value.node)
            writes = value.node.type == VARIABLE and value.node.name in node.writes
            line = (self.drawn[value.node], self.drawn[node], _spec(value))
            if line in self.lines or line[0] == line[1]:
                continue
            self.lines.add(line)
            self.graph.edge(
                quoted(line[0]), quoted(line[1]), label=f" {_spec(value)} ",
                color="#7DB480" if writes else _EDGE, dir="both" if writes else "forward",
            )  # fmt: skip

    def _outside(self, node: Node) -> None:
        """A feed, variable, constant, or a view."""
        shared = node.name if node.type == FEED else main_name(node.name, self.variables)
        if node.type in (FEED, VARIABLE) and shared in self.by_name:
            self.drawn[node] = self.by_name[shared]
            return
        name = self.drawn[node] = f"{len(self.drawn)} {node.name}"
        if node.type in (FEED, VARIABLE):
            self.by_name[shared] = name
        title = node.name.split("/")[-1] if node.type != VARIABLE else shared
        kind, notes = {
            FEED: (PLACEHOLDER, ["feed"]),
            VARIABLE: (VARIABLE_BOX, []),
        }.get(node.type, (OPERATION, [node.type, "no code"]))
        style: dict[str, str] = {**KIND_STYLES[kind], "fillcolor": "#EEF2F7", "color": "#7F7F7F"}
        if node.type == "Const":
            kind = CONSTANT
            style = {**KIND_STYLES[CONSTANT], "fillcolor": "white", "color": "#7F7F7F"}
            array = node.const
            notes = [value_text(array)[:24]] if array is not None and array.size <= 4 else []
        elif kind == OPERATION:
            style |= {"style": "rounded,dotted", "fillcolor": "white"}
            self.outside.append(node)
        label = _label(title, notes, low=kind == VARIABLE_BOX)
        self.graph.node(quoted(name), label=label, tooltip=plain(_tooltip(node)), **style)


def _is_small_constant(node: Node) -> bool:
    return node.const is not None and node.const.size <= 4


def main_name(name: str, names: Collection[str]) -> str:
    """The variable that ``name`` is a slot of (``w`` for ``w/Adam``), or ``name``."""
    parts = name.split("/")
    outer = ("/".join(parts[:length]) for length in range(1, len(parts)))
    return next((found for found in outer if found in names), name)


# -------------------------------------------------------------------------------------------- plan


def plan(
    what: Any,
    feed_dict: dict[Any, Any] | None = None,
    *,
    session: BaseSession | None = None,
    title: str | None = None,
) -> Digraph:
    """The instruction table of a run: kernels from top to bottom, and the slots that they hand on.

    Each box is an instruction with its sizes, flops and bytes, and its time when it was traced; a
    line is a slot of memory with its place in the arena; dashed red lines are the jumps of branches
    and loops.

    Args:
        what, feed_dict, session: as of ``tf.view.optimized``.
        title: a heading.

    Returns:
        A ``graphviz.Digraph``, which ``tf.view.save`` also takes.

    Raises:
        ValueError: nothing was traced; sizes depend on values.
    """
    parts = compiled(what, feed_dict, session)
    size = bytes_text(max(part.plan.arena_nbytes for part in parts))
    rows = sum(len(part.plan.instrs) for part in parts)
    heading = f"{title + ': ' if title else ''}{rows} instructions, arena {size}"
    graph = new_digraph("TB", heading)
    for number, part in enumerate(parts):
        _draw_plan(graph, part, f"{number}." if len(parts) > 1 else "")
    return graph


def _draw_plan(graph: Digraph, part: Compiled, prefix: str) -> None:
    plan = part.plan
    largest = max(part.times, default=0.0)
    roles = roles_of_nodes(n for instr in plan.instrs for n in instr.nodes)
    written: dict[Slot, str] = {}
    for operand in plan.feeds:
        written[operand.slot] = _memory_node(graph, prefix, operand.slot, PLACEHOLDER)
    nodes: dict[str, str] = {}  # a variable and its slots are one node
    for name, operand in sorted(plan.variables.items()):
        main = main_name(name, plan.variables)
        if main not in nodes:
            nodes[main] = _memory_node(graph, prefix, operand.slot, VARIABLE_BOX, name)
        written[operand.slot] = nodes[main]
    for row, instr in enumerate(plan.instrs):
        _instruction(graph, f"{prefix}{row}", row, instr, part.time(row), largest, roles)
        if row:
            graph.edge(f"{prefix}{row - 1}", f"{prefix}{row}", style="invis", weight="20")
        if instr.jump is not None:
            _jump(graph, prefix, row, instr, plan)
        name = f"{prefix}{row}"
        takes: dict[str, list[str]] = {}
        for slot in dict.fromkeys(instr.reads()):
            if slot in written and written[slot] != name:
                takes.setdefault(written[slot], []).append(_slot_text(slot))
        gives = {written[s] for s in instr.writes() if s.kind == VARIABLE_BOX}
        for before, texts in takes.items():
            many = f"{len(texts)} slots" if len(texts) > 1 else texts[0]
            changes = before in gives
            graph.edge(
                before, name, label=f" {many} ", color="#7DB480" if changes else _EDGE,
                dir="both" if changes else "forward",
            )  # fmt: skip
        for after in sorted(gives - takes.keys()):
            graph.edge(name, after, color="#7DB480", constraint="false")
        written.update((s, name) for s in instr.writes() if s.kind != VARIABLE_BOX)
    for number, operand in enumerate(plan.fetches):
        name = f"{prefix}fetch {number}"
        label = _label("fetch", [f"{operand.dtype.name}{format_dims(operand.shape)}"])
        graph.node(name, label=label, shape="plaintext")
        if operand.slot in written:
            graph.edge(written[operand.slot], name, color=_EDGE)


def _memory_node(graph: Digraph, prefix: str, slot: Slot, kind: str, title: str = "") -> str:
    name = f"{prefix}slot {slot.number}"
    label = _label(title or slot.name, [bytes_text(slot.nbytes)], low=kind == VARIABLE_BOX)
    graph.node(name, label=label, fillcolor="#EEF2F7", color="#7F7F7F", **KIND_STYLES[kind])
    return name


def _instruction(
    graph: Digraph,
    name: str,
    row: int,
    instr: Instr,
    time: float | None,
    largest: float,
    roles: Mapping[Node, str],
) -> None:
    if instr.jump is not None:
        graph.node(name, label=_label(f"{row}  jump", [instr.label]), shape="diamond", margin="0")
        return
    notes = [format_dims(instr.extents)] if instr.extents else []
    if instr.kernel is None:
        notes = ["runs in Python"]
    counts = []
    if instr.flops:
        counts.append(bytes_text(instr.flops).replace("B", "flop"))
    if instr.bytes_moved:
        counts.append(bytes_text(instr.bytes_moved))
    notes.append("  ".join(counts))
    found = {roles[n] for n in instr.nodes if n in roles}
    role = next((r for r in (UPDATE, GRADIENT, FORWARD) if r in found), FORWARD)
    fill, line = ROLE_COLOURS[role]
    if time is not None:
        notes.append(time_text(time))
        fill = HEAT[heat_step(time, largest)]
    names = "\n".join(n.name for n in instr.nodes)
    graph.node(
        name, label=_label(f"{row}  {instr.label or 'copy'}", [n for n in notes if n]),
        fillcolor=fill, color=line, tooltip=plain(names or "copy"), **KIND_STYLES[OPERATION],
    )  # fmt: skip


def _jump(graph: Digraph, prefix: str, row: int, instr: Instr, plan: Plan) -> None:
    assert instr.jump is not None
    target = str(instr.jump.target)
    if instr.jump.target >= len(plan.instrs):  # the end
        if not plan.fetches:
            return
        target = "fetch 0"
    text = "always" if instr.jump.condition is None else f"when {instr.jump.when}".lower()
    graph.edge(
        f"{prefix}{row}", f"{prefix}{target}", label=f" {text} ", style="dashed",
        color="#C62828", constraint="false",
    )  # fmt: skip


def _slot_text(slot: Slot) -> str:
    if slot.kind == CONST:
        return bytes_text(slot.nbytes)
    place = f" @ {slot.offset}" if slot.kind == ARENA else ""
    return f"{bytes_text(slot.nbytes)}{place}"


# ------------------------------------------------------------------------------------------- words


def roles_of_nodes(nodes: Iterable[Node]) -> dict[Node, str]:
    """Roles by the user's operations behind the nodes; of others, by those that they feed."""
    found = list(nodes)
    graphs = {n.op.graph for n in found if isinstance(n.op, Operation)}
    by_op = {op: role for graph in graphs for op, role in roles_of(graph.get_operations()).items()}
    return {n: by_op[n.op] for n in found if n.op in by_op}


def _spec(value: Value) -> str:
    return f"{value.dtype.base_dtype.name}{format_dims(value.shape)}"


def _tooltip(node: Node) -> str:
    lines = [f"{node.name}  ({node.type})"]
    if node.op is not None and node.op.site[0]:
        lines.append(f"{format_site(node.op.site)}  {source_line(node.op.site)}")
    return "\n".join([*lines, *(f"-> {_spec(value)}" for value in node.outputs)])


def _label(title: str, notes: Sequence[str], *, low: bool = False) -> str:
    text = html.escape(title)
    for note in notes:
        text += f'<BR/><FONT POINT-SIZE="8.5" COLOR="#595959">{html.escape(note)}</FONT>'
    room = '<FONT POINT-SIZE="5"> </FONT><BR/>' if low else ""
    return f"<{room}{text}>"
