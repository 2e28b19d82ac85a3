"""``tf.explain(fetches, feed)``: what the compiler does with a graph, why, and what it will cost.

    graph -> passes, with what each of them took away -> kernels -> memory, flops, bytes

Everything is read off the compiler's own forms; nothing runs.

Read next: compile.py (the passes), optimize/algebra.py (the rules), memory_timeline.py.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph import compile as compiler
from flowgraph.fetching import expand_feeds, feed_converter, flatten_fetches, resolve_feed_key
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import Compiled, Custom, Procedure, View
from flowgraph.graph.site import format_site
from flowgraph.optimize import algebra, fuse
from flowgraph.optimize.frozen import HOST, RESIZES, FrozenGraph, Node
from flowgraph.optimize.specialize import Staged
from flowgraph.plan.plan import Plan
from flowgraph.profile.memory_timeline import MemoryTimeline, timeline_of
from flowgraph.profile.tables import label_of, short_names
from flowgraph.session import BaseSession, get_default_session
from flowgraph.shapes import format_dims
from flowgraph.tensor_shape import TensorShape
from flowgraph.view.costs import bytes_text

#: What each pass is for.
WHY = {
    "fold": "depends on constants only: computed now",
    "algebra": "an identity gives the same for less",
    "cse": "computed twice from the same: once is enough",
    "prune": "carried through a loop or branch, but nobody uses it",
    "sink": "used in one branch only: moved there",
    "hoist": "the same in every pass of a loop: moved out of it",
    "dce": "nobody needs it any more",
}

_ROWS = 24


@dataclass(frozen=True, slots=True)
class PassReport:
    """What one pass did.

    Attributes:
        name: of compile.py's tables.   why: what it is for.
        before, after: numbers of nodes, those inside of loops and branches included.
        gone, made: (op type, name) of the nodes that it took away and that it made.
        rules: for ``algebra``: name of a rule, why it holds, names of the operations it changed.
    """

    name: str
    why: str
    before: int
    after: int
    gone: list[tuple[str, str]]
    made: list[tuple[str, str]]
    rules: list[tuple[str, str, list[str]]]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What ``tf.explain`` found; printing it tells everything.

    Attributes:
        operations: in the graph.   frozen: nodes that the fetches need.
        passes: in order; those after the sizes were known have a name that ends in ``, sizes
            known``.
        fused: labels and operations of kernels that compute several operations.
        host: (operation, op type, reason, line) of what Python runs.
        plan: what runs; None where nothing does.   memory: of the plan, exactly.
        flops, bytes: of one run; what stands in a loop counts once per pass, see ``loops``.
        kernels, views: native instructions, and operations that need no code.
        loops: instructions inside of loops: (label, flops, bytes) of each, for one pass.
        waits_for: operations whose values go to a rest whose sizes depend on them, which is
            planned while running.
    """

    operations: int
    frozen: int
    passes: list[PassReport]
    fused: list[tuple[str, tuple[str, ...]]]
    host: list[tuple[str, str, str, str]]
    plan: Plan
    memory: MemoryTimeline
    flops: int
    bytes: int
    kernels: int
    views: int
    loops: list[tuple[str, int, int]]
    waits_for: list[str]

    def __str__(self) -> str:
        return _to_text(self)


class _Recorder(compiler.Dump):
    """Listens to the compiler."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[str, FrozenGraph, FrozenGraph, list[Any]]] = []
        self.regions: list[fuse.Region] = []

    def note(self, name: str, before: FrozenGraph, after: FrozenGraph) -> None:
        """Keep what the pass got and made, and the rules that it applied."""
        rules = list(algebra.applied or ())
        if algebra.applied is not None:
            algebra.applied.clear()
        self.notes.append((name, before, after, rules))

    def note_regions(self, graph: FrozenGraph, regions: list[fuse.Region]) -> None:
        """Keep the kernels."""
        self.regions = regions


_lock = threading.Lock()


@contextmanager
def _rules_noted() -> Iterator[None]:
    with _lock:
        algebra.applied = []
        try:
            yield
        finally:
            algebra.applied = None


@export("explain")
def explain(
    fetches: Any, feed_dict: dict[Any, Any] | None = None, *, session: BaseSession | None = None
) -> Explanation:
    """What each optimisation pass does with a run and why, and what the run will cost.

    Nothing runs and no kernel is compiled.

    Args:
        fetches: as of ``Session.run``.
        feed_dict: as of ``Session.run``; instead of a value a ``tf.TensorShape`` will do.
        session: whose variables, where their sizes are not static; default: the default session.

    Returns:
        An Explanation: printing it shows every pass with its counts before and after, the kernels
        with their flops and bytes, what Python runs and why, and the memory at its peak.

    Raises:
        ValueError, TypeError: as ``Session.run``.

    >>> import flowgraph as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.placeholder(tf.float32, [2, 3])
    ...     y = tf.exp(x + 0.0) * (2.0 * tf.constant(3.0))
    ...     found = tf.explain(y, {x: tf.TensorShape([2, 3])})
    >>> found.kernels, found.flops, found.bytes, found.host
    (1, 66, 52, [])
    >>> [(p.name, p.rules[0][0]) for p in found.passes if p.rules]
    [('algebra', 'add zero')]
    """
    first = fetches
    while isinstance(first, (list, tuple, dict)) and first:
        first = next(iter(first.values() if isinstance(first, dict) else first))
    graph = getattr(first, "graph", None) or get_default_graph()
    leaves, _ = flatten_fetches(graph, fetches)
    given = expand_feeds(feed_dict or {})
    feeds = [resolve_feed_key(graph, key) for key in given]
    shapes = [_shape_of(t, v) for t, v in zip(feeds, given.values(), strict=True)]
    session = session or get_default_session()
    variables = {} if session is None else session._variable_shapes()
    recorder = _Recorder()
    with _rules_noted():
        wanted: list[Tensor | Operation] = [
            leaf for leaf in dict.fromkeys(leaves) if isinstance(leaf, (Tensor, Operation))
        ]
        frozen = compiler.freeze(wanted, feeds)
        graph_after = compiler.prepare(wanted, feeds, recorder)
        early = len(recorder.notes)
        staged = compiler.stage(graph_after, shapes, variables)
        plan = compiler.make_plan(staged.first, recorder, changed=staged.changed)
    passes = _reports(recorder.notes[:early], "") + _reports(
        recorder.notes[early:], ", sizes known"
    )
    return _explanation(len(graph.get_operations()), frozen, passes, recorder, staged, plan)


def _shape_of(tensor: Tensor, value: Any) -> tuple[int, ...]:
    if isinstance(value, TensorShape):
        sizes = tuple(size for size in value.as_list() if size is not None)
        if len(sizes) != value.ndims:
            raise ValueError(f"explain: the shape given for {tensor.name} has open sizes: {value}")
        return sizes
    return np.shape(feed_converter(tensor)(value))


def _explanation(
    operations: int,
    frozen: FrozenGraph,
    passes: list[PassReport],
    recorder: _Recorder,
    staged: Staged,
    plan: Plan,
) -> Explanation:
    native = [instr for instr in plan.instrs if instr.kernel is not None]
    host = [
        (node.name, node.type, host_reason(node), _line(node))
        for instr in plan.instrs
        if instr.is_host
        for node in instr.nodes
    ]
    inside: set[int] = set()
    for row, instr in enumerate(plan.instrs):
        if instr.jump is not None and instr.jump.target <= row:
            inside.update(range(instr.jump.target, row + 1))
    views = sum(1 for node in staged.first.nodes if fuse.is_view(node))
    fused = [
        (instr.label, tuple(node.name for node in instr.nodes))
        for instr in native
        if len(instr.nodes) > 1
    ]
    return Explanation(
        operations, _count(frozen), passes, fused, host, plan, timeline_of(plan),
        sum(i.flops for i in plan.instrs), sum(i.bytes_moved for i in plan.instrs), len(native),
        views,
        [(label_of(i), i.flops, i.bytes_moved) for row, i in enumerate(plan.instrs)
         if row in inside and i.kernel is not None],
        [value.node.name for value in staged.boundary] if staged.rest is not None else [],
    )  # fmt: skip


def _all_nodes(graph: FrozenGraph) -> Iterator[Node]:
    for node in graph.nodes:
        yield node
        for body in node.bodies.values():
            yield from _all_nodes(body)


def _count(graph: FrozenGraph) -> int:
    return sum(1 for _ in _all_nodes(graph))


def _reports(notes: Sequence[tuple[str, FrozenGraph, FrozenGraph, list[Any]]], when: str) -> list:
    reports = []
    for name, before, after, rules in notes:
        old = Counter((node.type, node.name) for node in _all_nodes(before))
        new = Counter((node.type, node.name) for node in _all_nodes(after))
        by_rule: dict[Any, list[str]] = {}
        for rule, node in rules:
            by_rule.setdefault(rule, []).append(node.name)
        reports.append(
            PassReport(
                name + when, WHY.get(name, ""), old.total(), new.total(),
                list((old - new).elements()), list((new - old).elements()),
                [(rule.name, rule.proof, names) for rule, names in by_rule.items()],
            )
        )  # fmt: skip
    return reports


def host_reason(node: Node) -> str:
    """Why Python runs an operation."""
    opdef = node.opdef
    assert opdef is not None
    if node.bodies:
        return "sizes change, or strings are carried, from one pass of the loop to the next"
    if opdef.effect == HOST:
        return "it acts outside of the graph: Python code, files, printing, queues"
    if any(value.dtype.np.hasobject for value in (*node.inputs, *node.outputs)):
        return "it works on strings"
    if node.attrs.get(RESIZES) or any(v.shape is None or None in v.shape for v in node.outputs):
        return "the size of its result is data"
    if opdef.kernel is None or isinstance(opdef.kernel, Compiled):
        return "there is no kernel that a plan can call"
    if isinstance(opdef.kernel, View):
        return "its index map cannot be told by strides"
    rule = opdef.kernel
    if isinstance(rule, Procedure) and any(node.inputs[i].node.const is None for i in rule.known):
        return "its kernel needs an argument that is no constant here"
    if isinstance(rule, (Custom, Procedure)):
        return "its kernel does not cover this case"
    kinds = sorted({value.dtype.name for value in (*node.inputs, *node.outputs)})
    return f"no kernel takes {', '.join(kinds)}"


def _line(node: Node) -> str:
    return format_site(node.op.site) if node.op is not None else ""


# ------------------------------------------------------------------------------------------- text


def _number(count: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count:g} "


def _types(nodes: Sequence[tuple[str, str]]) -> str:
    counts = Counter(type_ for type_, _ in nodes)
    return ", ".join(f"{n} {type_}" if n > 1 else type_ for type_, n in counts.most_common(8))


def _to_text(found: Explanation) -> str:
    lines = [
        f"{found.operations} operations in the graph; the fetches need {found.frozen}",
        "",
        "passes: nodes before and after",
    ]
    for report in found.passes:
        quiet = not report.gone and not report.made
        what = "nothing to do" if quiet else report.why
        lines.append(f"  {report.name:<22} {report.before:>5} -> {report.after:<5} {what}")
        if report.gone:
            names = short_names([name for _, name in report.gone])
            lines.append(f"{'':<39} gone: {_types(report.gone)}   {names}")
        if report.made:
            lines.append(f"{'':<39} made: {_types(report.made)}")
        for rule, proof, changed in report.rules:
            lines.append(f"{'':<39} rule {rule!r} ({proof}): {short_names(changed)}")
    lines += ["", *_plan_lines(found), "", str(found.memory).rstrip("\n")]
    if found.waits_for:
        waits_for = short_names(found.waits_for)
        lines.append(f"\nsizes depend on what this computes ({waits_for}):")
        lines.append("what follows is planned while running, and not told here")
    return "\n".join(lines) + "\n"


def _plan_lines(found: Explanation) -> list[str]:
    host = len(found.host)
    lines = [
        f"plan: {found.kernels} kernels, {host} run by Python, {found.views} views without code",
        f"  {_number(found.flops)}flops, {bytes_text(found.bytes)} read and written"
        + (", what stands in loops counted for one pass" if found.loops else ""),
    ]
    instrs = [instr for instr in found.plan.instrs if instr.jump is None]
    for instr in instrs[:_ROWS]:
        sizes = format_dims(next(iter(instr.outputs.values())).shape) if instr.outputs else ""
        names = short_names(tuple(dict.fromkeys(node.name for node in instr.nodes)))
        kind = "Python: " if instr.is_host else ""
        lines.append(
            f"  {kind}{label_of(instr)} {sizes}  {_number(instr.flops)}flops, "
            f"{bytes_text(instr.bytes_moved)}   {names}  {_line(instr.nodes[-1])}".rstrip()
        )
    if len(instrs) > _ROWS:
        lines.append(f"  ... and {len(instrs) - _ROWS} more")
    for name, type_, reason, line in found.host:
        lines.append(f"  Python runs {name} ({type_}): {reason}  {line}".rstrip())
    return lines
