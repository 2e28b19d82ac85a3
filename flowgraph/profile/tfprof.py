"""``tf.profiler``: the profiler of TensorFlow 1, on this library's traces.

    opts = tf.profiler.ProfileOptionBuilder.float_operation()
    tf.profiler.profile(graph, cmd="scope", options=opts).total_float_ops

Parameters and flops come from static shapes, before anything runs (static_flops.py); times and
bytes from the RunMetadata of traced runs.  Operations that were fused ran together: their time is
divided among them by the elements that each computes, an estimate.

Read next: tables.py, whose ``tf.profile.table`` shows kernels as they ran.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from flowgraph.client_config import Message
from flowgraph.errors import did_you_mean
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation
from flowgraph.graph.site import format_site
from flowgraph.profile.run_metadata import RunMetadata
from flowgraph.profile.static_flops import static_flops
from flowgraph.profile.tfprof_options import ProfileOptionBuilder
from flowgraph.profile.timeline import Timeline
from flowgraph.shapes import num_elements
from flowgraph.view.costs import costs_of

_QUANTITIES = (
    "exec_micros", "cpu_exec_micros", "accelerator_exec_micros", "requested_bytes", "peak_bytes",
    "residual_bytes", "output_bytes", "parameters", "float_ops", "run_count", "definition_count",
)  # fmt: skip

#: Name in options -> field, how a number is written.
_SHOWN: dict[str, tuple[str, str, Callable[[float], str]]] = {}

_ROOT = "_TFProfRoot"
_COMMANDS = ("scope", "graph", "op", "code")

_FIELDS: dict[str, Any] = {
    "name": "",
    **dict.fromkeys(_QUANTITIES[:-1], 0),
    **{f"total_{name}": 0 for name in _QUANTITIES},
}


@export("profiler.GraphNodeProto")
class GraphNodeProto(Message):
    """A node of a report by scope: own figures, ``total_...`` with its children, ``children``."""

    FIELDS = {**_FIELDS, "devices": list, "children": list}


@export("profiler.MultiGraphNodeProto")
class MultiGraphNodeProto(Message):
    """A node of a report by type or line: figures, the ``graph_nodes`` in it, ``children``."""

    FIELDS = {**_FIELDS, "graph_nodes": list, "children": list}


class Checker(Message):
    """What one check advises: ``reports``, texts."""

    FIELDS = {"reports": list}


@export("profiler.AdviceProto")
class AdviceProto(Message):
    """``checkers``: name of a check -> Checker."""

    FIELDS = {"checkers": dict}


def _scaled(units: Sequence[tuple[float, str]], last: str) -> Callable[[float], str]:
    def text(value: float) -> str:
        for size, unit in units:
            if value >= size:
                return f"{value / size:.2f}{unit}"
        return f"{value:.0f}{last}"

    return text


_time = _scaled(((1e6, "sec"), (1e3, "ms")), "us")
_bytes = _scaled(((1e9, "GB"), (1e6, "MB"), (1e3, "KB")), "B")
_numbers = _scaled(((1e9, "b"), (1e6, "m"), (1e3, "k")), "")

_SHOWN.update(
    micros=("exec_micros", "execution time", _time),
    cpu_micros=("cpu_exec_micros", "cpu execution time", _time),
    accelerator_micros=("accelerator_exec_micros", "accelerator execution time", _time),
    bytes=("requested_bytes", "requested bytes", _bytes),
    peak_bytes=("peak_bytes", "peak bytes", _bytes),
    residual_bytes=("residual_bytes", "residual bytes", _bytes),
    output_bytes=("output_bytes", "output bytes", _bytes),
    params=("parameters", "# parameters", lambda value: f"{_numbers(value)} params"),
    float_ops=("float_ops", "# float_ops", lambda value: f"{_numbers(value)} flops"),
    occurrence=("definition_count", "occurrence", lambda value: f"{value:.0f}"),
)


class _Figures:
    """An operation, or a place in a tree, with what it took."""

    def __init__(self, name: str, op: Operation | None = None) -> None:
        self.name, self.op = name, op
        self.own = dict.fromkeys(_QUANTITIES, 0)
        self.children: dict[str, _Figures] = {}
        self.total: dict[str, int] = {}

    def add(self, other: dict[str, int]) -> None:
        for name, value in other.items():
            self.own[name] += value


def _measure(graph: Graph, metadata: Sequence[RunMetadata]) -> list[tuple[Operation, dict]]:
    """Every operation with its own figures."""
    costs = costs_of(metadata) if metadata else {}
    outputs: dict[str, int] = {}
    for item in metadata:
        assert item.trace is not None
        for part in item.trace.plans:
            for instr in part.plan.instrs:
                for value, operand in instr.outputs.items():
                    if value.node is not None and value.node.op is not None:
                        nbytes = operand.size * value.dtype.np.itemsize
                        outputs[value.node.op.name] = nbytes
    found = []
    for op in graph.get_operations():
        own = dict.fromkeys(_QUANTITIES, 0)
        own["definition_count"] = 1
        if op.type in ("Variable", "VariableV2", "VarHandleOp") and op.outputs:
            own["parameters"] = num_elements(op.outputs[0].dims) or 0
        own["float_ops"] = static_flops(op)
        cost = costs.get(op.name)
        if cost is not None:
            micros = -int(-cost.ns // 1000)  # NB: upwards, so that what ran is not hidden
            own["exec_micros"] = own["cpu_exec_micros"] = micros
            nbytes = outputs.get(op.name, 0)
            for name in ("requested_bytes", "peak_bytes", "residual_bytes", "output_bytes"):
                own[name] = nbytes
            own["run_count"] = 1
        found.append((op, own))
    return found


def _matches(texts: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(re.fullmatch(pattern, text) for pattern in patterns for text in texts)


def _types(op: Operation, trainable: set[str]) -> list[str]:
    return [op.type, "_trainable_variables"] if op.name in trainable else [op.type]


def _big_enough(figures: dict[str, int], options: dict[str, Any]) -> bool:
    limits = {**{k: v[0] for k, v in _SHOWN.items()}}
    return all(
        figures[field] >= options.get(f"min_{name}", 0)
        for name, field in limits.items()
        if name != "occurrence"
    )


def _tree(ops: list[tuple[Operation, dict]], cmd: str) -> _Figures:
    root = _Figures(_ROOT)
    for op, own in ops:
        if cmd in ("op", "code"):
            line = format_site(op.site) if cmd == "code" else ""
            key = op.type if cmd == "op" else line or "(no line)"
            place = root.children.setdefault(key, _Figures(key))
            place.add(own)
            place.children[op.name] = inner = _Figures(op.name, op)
            inner.add(own)
            continue
        place = root
        pieces = op.name.split("/")
        if cmd == "graph":
            pieces = [op.name]
        for depth in range(len(pieces)):
            name = "/".join(pieces[: depth + 1])
            place = place.children.setdefault(name, _Figures(name))
        place.op = op
        place.add(own)
    return root


def _keep(
    place: _Figures, options: dict[str, Any], account: Callable[[_Figures], bool]
) -> list[_Figures]:
    """A copy with what is shown, and its sums; in place of what is not shown its children."""
    if _matches([place.name], options["trim_name_regexes"]):
        return []
    counts = place.op is not None and account(place)
    shown = (
        (counts or place.op is None)
        and _matches([place.name], options["show_name_regexes"])
        and not _matches([place.name], options["hide_name_regexes"])
        and _big_enough(place.own, options)
    )
    kept = _Figures(place.name, place.op)
    if counts and (shown or not options["account_displayed_op_only"]):
        kept.add(place.own)
    inner = [found for child in place.children.values() for found in _keep(child, options, account)]
    kept.children = {child.name: child for child in inner}
    kept.total = {
        quantity: kept.own[quantity] + sum(child.total[quantity] for child in inner)
        for quantity in _QUANTITIES
    }
    is_needed = place.op is not None or inner
    return [kept] if place.name == _ROOT or (shown and is_needed) else inner


def _order(places: Iterable[_Figures], options: dict[str, Any]) -> list[_Figures]:
    by = options["order_by"]
    if by in _SHOWN:
        field = _SHOWN[by][0]
        return sorted(places, key=lambda place: (-place.total[field], place.name))
    return sorted(places, key=lambda place: place.name)


def _lines(place: _Figures, options: dict[str, Any], depth: int = 0) -> list[str]:
    if depth > options["max_depth"]:
        return []
    parts = []
    for name in options["select"]:
        if name in _SHOWN:
            field, _, text = _SHOWN[name]
            own = text(place.own[field]).split()[0] if place.op is not None else "--"
            parts.append(f"{own}/{text(place.total[field])}")
    size = ""
    if "params" in options["select"] and place.own["parameters"] and place.op is not None:
        size = "x".join(map(str, place.op.outputs[0].dims or ())) + ", "
    lines = [f"{'  ' * depth}{place.name} ({size}{', '.join(parts)})"]
    for child in _order(place.children.values(), options):
        lines += _lines(child, options, depth + 1)
    return lines


def _type_lines(root: _Figures, options: dict[str, Any]) -> list[str]:
    fields = [_SHOWN[name] for name in options["select"] if name in _SHOWN]
    rows = [["node name", *(title for _, title, _ in fields)]]
    for place in _order(root.children.values(), options):
        cells = [place.name]
        for field, _, text in fields:
            whole = root.total[field]
            share = place.total[field] / whole if whole else 0.0
            cells.append(f"{text(place.total[field])} ({share:.2%})")
        rows.append(cells)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _proto(place: _Figures, kind: type, options: dict[str, Any]) -> Any:
    fields: dict[str, Any] = {name: place.own[name] for name in _QUANTITIES[:-1]}
    fields.update({f"total_{name}": place.total[name] for name in _QUANTITIES})
    proto = kind(name=place.name, **fields)
    children = _order(place.children.values(), options)
    if kind is MultiGraphNodeProto and place.name != _ROOT:
        proto.graph_nodes.extend(_proto(child, GraphNodeProto, options) for child in children)
    else:
        proto.children.extend(_proto(child, kind, options) for child in children)
    return proto


def _run(
    graph: Graph, metadata: Sequence[RunMetadata], cmd: str, options: dict[str, Any]
) -> GraphNodeProto | MultiGraphNodeProto:
    if cmd not in _COMMANDS:
        raise ValueError(
            f"cmd={cmd!r}: it is one of {', '.join(_COMMANDS)}{did_you_mean(cmd, _COMMANDS)}"
        )
    options = {**ProfileOptionBuilder().build(), **options}
    trainable = {v.op.name for v in graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)}
    accounted = options["account_type_regexes"]
    starts = options["start_name_regexes"]

    def account(place: _Figures) -> bool:
        assert place.op is not None
        name = place.op.name
        prefixes = [name[:end] for end in range(1, len(name) + 1)]
        return _matches(_types(place.op, trainable), accounted) and _matches(prefixes, starts)

    (kept,) = _keep(_tree(_measure(graph, metadata), cmd), options, account)
    if cmd in ("op", "code"):
        for place in kept.children.values():
            place.own = dict(place.total)
        least = options.get("min_occurrence", 0)
        kept.children = {
            name: place
            for name, place in kept.children.items()
            if place.total["definition_count"] >= least
        }
    titles = " | ".join(_SHOWN[name][1] for name in options["select"] if name in _SHOWN)
    if cmd == "op":
        lines = _type_lines(kept, options)
    else:
        lines = [f"node name | {titles}", *_lines(kept, options)]
    _output("\n".join(lines) + "\n", options["output"], metadata)
    return _proto(kept, MultiGraphNodeProto if cmd in ("op", "code") else GraphNodeProto, options)


def _output(text: str, where: str, metadata: Sequence[RunMetadata]) -> None:
    kind, _, rest = where.partition(":")
    path = rest.partition("outfile=")[2]
    if kind == "stdout":
        print(text)
    elif kind == "file":
        Path(path).write_text(text, encoding="utf-8")
    elif kind == "timeline" and metadata:
        trace = Timeline(metadata[-1].step_stats).generate_chrome_trace_format(show_memory=True)
        Path(path).write_text(trace, encoding="utf-8")
    elif kind != "none":
        raise ValueError(
            f"output={where!r}: it is stdout, none, file:outfile=PATH, or, with a traced run, "
            "timeline:outfile=PATH"
        )


@export("profiler.profile")
def profile(
    graph: Graph | None = None,
    run_meta: RunMetadata | None = None,
    op_log: Any = None,
    cmd: str = "scope",
    options: dict[str, Any] | None = None,
) -> GraphNodeProto | MultiGraphNodeProto:
    """Parameters, flops, time or memory of a graph, printed and returned.

    Args:
        graph: the default graph by default.
        run_meta: of a traced run: times and bytes.
        op_log: accepted; nothing needs it.
        cmd: ``scope``: a tree of name scopes; ``graph``: a list of operations; ``op``: by type;
            ``code``: by the user's line.
        options: made by ``tf.profiler.ProfileOptionBuilder``.

    Returns:
        The root: a GraphNodeProto for ``scope`` and ``graph``, else a MultiGraphNodeProto.

    Raises:
        ValueError: an unknown ``cmd`` or output.

    >>> import flowgraph as tf
    >>> with tf.Graph().as_default() as graph:
    ...     w = tf.Variable(tf.zeros([3, 4]), name="w")
    >>> builder = tf.profiler.ProfileOptionBuilder
    >>> opts = builder(builder.trainable_variables_parameter()).with_empty_output().build()
    >>> tf.profiler.profile(graph, options=opts).total_parameters
    12
    """
    metadata = [] if run_meta is None or run_meta.trace is None else [run_meta]
    return _run(graph or get_default_graph(), metadata, cmd, options or {})


@export("profiler.advise")
def advise(
    graph: Graph | None = None,
    run_meta: RunMetadata | None = None,
    options: dict[str, Any] | None = None,
) -> AdviceProto:
    """What could be faster, printed and returned.

    Args:
        graph: the default graph by default.
        run_meta: of a traced run.
        options: names of checks to make (``ExpensiveOperationChecker``, ``OperationChecker``) as
            keys; by default all.

    Returns:
        An AdviceProto.
    """
    graph = graph or get_default_graph()
    metadata = [] if run_meta is None or run_meta.trace is None else [run_meta]
    found: dict[str, list[str]] = {"ExpensiveOperationChecker": [], "OperationChecker": []}
    costs = costs_of(metadata) if metadata else {}
    total = sum(cost.ns for cost in costs.values()) or 1.0
    for name, cost in sorted(costs.items(), key=lambda item: -item[1].ns)[:3]:
        try:
            line = format_site(graph.get_operation_by_name(name).site)
        except KeyError:
            line = ""
        about = " (estimated)" if cost.estimated else ""
        found["ExpensiveOperationChecker"].append(
            f"{name}: {cost.ns / 1000:.1f} us, {cost.ns / total:.1%}{about} in {cost.kernel}"
            f"  {line}".rstrip()
        )
    for item in metadata:
        assert item.trace is not None
        for part in item.trace.plans:
            found["OperationChecker"] += [
                f"{instr.nodes[-1].name} ({instr.label}) is run by Python: tf.explain tells why"
                for instr in part.plan.instrs
                if instr.is_host
            ]
    doubles = [
        op.name
        for op in graph.get_operations()
        if op.outputs and op.outputs[0].dtype.name == "float64" and static_flops(op)
    ]
    if doubles:
        found["OperationChecker"].append(
            f"{len(doubles)} operations compute in float64, {doubles[0]} first: float32 takes half "
            "the time and memory"
        )
    wanted = found if not options else {k: v for k, v in found.items() if k in options}
    for name, reports in wanted.items():
        print(f"{name}:\n" + "".join(f"  {report}\n" for report in reports or ["nothing found"]))
    return AdviceProto(checkers={name: Checker(reports=r) for name, r in wanted.items()})


@export("profiler.Profiler")
class Profiler:
    """Reports over several traced runs.

    Args:
        graph: the default graph by default.
        op_log: accepted; nothing needs it.
    """

    def __init__(self, graph: Graph | None = None, op_log: Any = None) -> None:
        self._graph = graph or get_default_graph()
        self._steps: dict[int, RunMetadata] = {}

    def add_step(self, step: int, run_meta: RunMetadata) -> None:
        """Add the traced run ``run_meta`` as number ``step``."""
        kept = RunMetadata()
        kept.CopyFrom(run_meta)
        self._steps[step] = kept

    def _profile(self, cmd: str, options: dict[str, Any]) -> Any:
        step = options.get("step", -1)
        if step >= 0 and step not in self._steps:
            raise ValueError(f"step {step} was not added; there are {sorted(self._steps)}")
        chosen = [self._steps[step]] if step >= 0 else list(self._steps.values())
        return _run(self._graph, [m for m in chosen if m.trace is not None], cmd, options)

    def profile_name_scope(self, options: dict[str, Any]) -> GraphNodeProto:
        """``profile`` with cmd ``scope`` and these ``options``."""
        return self._profile("scope", options)

    def profile_graph(self, options: dict[str, Any]) -> GraphNodeProto:
        """``profile`` with cmd ``graph`` and these ``options``."""
        return self._profile("graph", options)

    def profile_operations(self, options: dict[str, Any]) -> MultiGraphNodeProto:
        """``profile`` with cmd ``op`` and these ``options``."""
        return self._profile("op", options)

    def profile_python(self, options: dict[str, Any]) -> MultiGraphNodeProto:
        """``profile`` with cmd ``code`` and these ``options``."""
        return self._profile("code", options)

    def advise(self, options: dict[str, Any] | None = None) -> AdviceProto:
        """``tf.profiler.advise`` of the last step added, with these ``options``."""
        last = self._steps[max(self._steps)] if self._steps else None
        return advise(self._graph, last, options)
