"""Profile tables: RunMetadata -> rows of kernels with times and rates.

    kernel    ops              calls    us  us/call  share  flops  GFLOP/s   bytes  GB/s  line
    MatMul    fc1/MatMul           2  41.2    20.60  93.0%  2.1 M     50.9  81.9 k   2.0  mlp.py:21
    Add+Relu  fc1: add, Relu       2   3.1     1.55   7.0%  16.4k      5.3  65.8 k  21.2  mlp.py:23

Flops and bytes are counted by walking the kernels' loops, not declared by hand.

Read next: run_metadata.py (where the times come from).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.errors import did_you_mean
from flowgraph.graph.site import format_site
from flowgraph.profile.run_metadata import RunMetadata, Trace

if TYPE_CHECKING:
    from flowgraph.view.roof import Roof


@dataclass(slots=True)
class Row:
    """One line of a table; times in ns, summed over calls.

    Attributes:
        label: types of the kernel's operations, or the scope or line that the row sums up.
        ops: names of the operations.
        estimated: True when time of fused kernels was divided to make this row.
        work: (flops, bytes, in float64) of a call -> how many calls: what a roof is compared with.
        members: with ``by="op"``: name, type, estimated share of the time and line of each
            operation that was fused into the kernel.
    """

    label: str
    ops: tuple[str, ...]
    calls: int = 0
    ns: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0
    lines: Counter[str] = field(default_factory=Counter)
    estimated: bool = False
    work: Counter[tuple[int, int, bool]] = field(default_factory=Counter)
    members: list[tuple[str, str, float, str]] = field(default_factory=list)

    def of_roof(self, roof: Roof) -> float:
        """The least time that this work takes on a machine, as a share of the time it took."""
        least = sum(
            roof.least_ns(flops, nbytes, double=double) * calls
            for (flops, nbytes, double), calls in self.work.items()
        )
        return least / self.ns if self.ns else 0.0

    @property
    def gflops(self) -> float:
        """Floating-point operations per ns."""
        return self.flops / self.ns if self.ns else 0.0

    @property
    def gbytes(self) -> float:
        """Bytes moved per ns."""
        return self.bytes / self.ns if self.ns else 0.0


#: What ``sort_by`` takes; numbers sort downwards.
SORT_KEYS: dict[str, Callable[[Row], Any]] = {
    "time": lambda row: -row.ns,
    "calls": lambda row: -row.calls,
    "flops": lambda row: -row.flops,
    "bytes": lambda row: -row.bytes,
    "gflops": lambda row: -row.gflops,
    "gbytes": lambda row: -row.gbytes,
    "name": lambda row: (row.label, row.ops),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, and the time of the whole runs; printing it gives the text form.

    Attributes:
        by: what a row is.   rows: sorted.   runs: number of traced runs.
        run_ns: time of the runs, kernels and what is between them.
        roof: show how near each row comes to what this machine can do.
        details: show the operations inside of each kernel.
    """

    by: str
    rows: list[Row]
    runs: int
    run_ns: float
    roof: bool = True
    details: bool = False

    @property
    def kernel_ns(self) -> float:
        """Time inside kernels, summed over all rows."""
        return sum(row.ns for row in self.rows)

    def __str__(self) -> str:
        return _to_text(self)


def table(
    run_metadata: RunMetadata | Iterable[RunMetadata],
    by: str = "op",
    sort_by: str = "time",
    row_limit: int | None = None,
    scope_depth: int = 1,
    *,
    roof: bool = True,
    details: bool = False,
) -> Table:
    """Where the time of traced runs went.

    Args:
        run_metadata: filled by ``Session.run``; several are summed up.
        by: what a row is.  ``op``: a kernel, with the operations fused into it; ``type``: the
            kernels of the same op types; ``scope``: a name scope; ``line``: a line of the user's
            program.  A kernel that spans several scopes or lines is divided among them by
            the elements that each operation computes, and such rows are marked ``est.``.
        sort_by: time, calls, flops, bytes, gflops, gbytes or name.
        scope_depth: how many levels of name scopes ``scope`` tells apart.
        row_limit: keep this many rows and sum up the rest in a last one.
        roof: print the column ``of roof``: the least time in which this machine could do a row's
            flops and move its bytes, as a share of the time it took.  The machine is measured
            once per process, in half a second.
        details: with ``by="op"``: below each kernel of several operations print those, each with
            its line and an estimate of its share.

    Raises:
        ValueError: nothing was traced; an unknown ``by`` or ``sort_by``.

    >>> import flowgraph as tf
    >>> with tf.Graph().as_default(), tf.Session() as sess:
    ...     x = tf.placeholder(tf.float32, [2])
    ...     y = tf.exp(x, name="y")
    ...     options, metadata = tf.RunOptions(trace_level=3), tf.RunMetadata()
    ...     _ = sess.run(y, {x: [1.0, 2.0]}, options=options, run_metadata=metadata)
    >>> [row.ops for row in table(metadata).rows]
    [('y',)]
    """
    given = [run_metadata] if isinstance(run_metadata, RunMetadata) else list(run_metadata)
    traces = [item.trace for item in given if item.trace is not None]
    if not traces:
        raise ValueError(
            "the RunMetadata holds no trace: pass it to Session.run together with "
            "options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)"
        )
    if by not in _GROUPINGS:
        hint = did_you_mean(by, _GROUPINGS)
        raise ValueError(f"by={by!r}: it is one of {', '.join(_GROUPINGS)}{hint}")
    if sort_by not in SORT_KEYS:
        hint = did_you_mean(sort_by, SORT_KEYS)
        raise ValueError(f"sort_by={sort_by!r}: it is one of {', '.join(SORT_KEYS)}{hint}")
    grouping = _by_scope(scope_depth) if by == "scope" else _GROUPINGS[by]
    rows = sorted(_collect(traces, grouping).values(), key=SORT_KEYS[sort_by])
    if row_limit is not None and len(rows) > row_limit:
        rows[row_limit:] = [_sum_up(rows[row_limit:])]
    run_ns = sum(part.whole_ns for t in traces for part in t.plans)
    return Table(by, rows, sum(trace.runs for trace in traces), run_ns, roof, details)


def _sum_up(rows: Sequence[Row]) -> Row:
    total = Row(f"{len(rows)} more", ())
    for row in rows:
        total.calls += row.calls
        total.ns += row.ns
        total.flops += row.flops
        total.bytes += row.bytes
        total.estimated |= row.estimated
        total.work.update(row.work)
    return total


# --------------------------------------------------------------------------------------- grouping

#: (key, label, nodes) of each row that an instruction adds to, and its share.
Parts = Iterator[tuple[Any, str, Sequence[Any], float]]


def _collect(traces: Sequence[Trace], grouping: Callable[[Any], Parts]) -> dict[Any, Row]:
    rows: dict[Any, Row] = {}
    for trace in traces:
        for part in trace.plans:
            measured = zip(
                part.plan.instrs, part.elapsed.tolist(), part.calls.tolist(), strict=True
            )
            for instr, ns, calls in measured:
                if not calls:  # in a branch that was not taken
                    continue
                for key, label, nodes, share in grouping(instr):
                    row = rows.setdefault(key, Row(label, ()))
                    row.ops = tuple(dict.fromkeys((*row.ops, *(n.name for n in nodes))))
                    row.calls += calls
                    row.ns += ns * share
                    row.flops += instr.flops * share * calls
                    row.bytes += instr.bytes_moved * share * calls
                    row.lines.update(line for n in nodes if (line := _line(n)))
                    row.estimated |= share != 1.0
                    if instr.kernel is not None:
                        row.work[instr.flops, instr.bytes_moved, _is_double(instr)] += calls * share
                    if grouping is _by_op and not row.members:
                        row.members = _members(instr)
    return rows


def _is_double(instr: Any) -> bool:
    return any(value.dtype.size >= 8 and value.dtype.is_floating for value in instr.outputs)


def _members(instr: Any) -> list[tuple[str, str, float, str]]:
    weights = [_elements(node) for node in instr.nodes]
    total = sum(weights)
    return [
        (node.name, node.type, weight / total if total else 1 / len(weights), _line(node))
        for node, weight in zip(instr.nodes, weights, strict=True)
    ]


def label_of(instr: Any) -> str:
    """What an instruction is called: the types of its operations."""
    if instr.jump is not None:
        return f"{instr.label} (jump)"
    return f"{instr.label} (copy)" if instr.is_copy else instr.label


def _by_op(instr: Any) -> Parts:
    label = label_of(instr)
    yield (label, *(n.name for n in instr.nodes)), label, instr.nodes, 1.0


def _by_type(instr: Any) -> Parts:
    label = label_of(instr)
    yield label, label, instr.nodes, 1.0


def _by_scope(depth: int) -> Callable[[Any], Parts]:
    def scope_of(node: Any) -> str:
        return "/".join([*node.name.split("/")[:-1][:depth], ""]) or "(top)"

    return lambda instr: _divided(instr, scope_of)


def _by_line(instr: Any) -> Parts:
    return _divided(instr, lambda node: _line(node) or "(no line)")


def _divided(instr: Any, key_of: Callable[[Any], str]) -> Parts:
    groups: dict[str, list[Any]] = {}
    for node in instr.nodes:
        groups.setdefault(key_of(node), []).append(node)
    weights = {key: sum(map(_elements, nodes)) for key, nodes in groups.items()}
    total = sum(weights.values())
    for key, nodes in groups.items():
        share = 1.0 if len(groups) == 1 else weights[key] / total if total else 1 / len(groups)
        yield key, key, nodes, share


def _elements(node: Any) -> int:
    """Elements of the largest array that ``node`` reads or computes."""
    return max(
        (int(np.prod(v.shape, dtype=np.int64)) for v in (*node.inputs, *node.outputs) if v.shape),
        default=1,
    )


def _line(node: Any) -> str:
    return format_site(node.op.site) if node.op is not None else ""


_GROUPINGS: dict[str, Callable[[Any], Parts]] = {
    "op": _by_op, "type": _by_type, "scope": _by_scope(1), "line": _by_line,
}  # fmt: skip


# ------------------------------------------------------------------------------------------ text

_OPS_WIDTH = 48
_FIRST_COLUMN = {"op": "kernel", "type": "kernel", "scope": "scope", "line": "line"}


def _to_text(table: Table) -> str:
    inside = table.kernel_ns
    header = [
        _FIRST_COLUMN[table.by], "ops", "calls", "us", "us/call", "share", "flops", "GFLOP/s",
        "bytes", "GB/s",
    ]  # fmt: skip
    cells = [header]
    for row in table.rows:
        cells.append([
            short_names([row.label], 40),
            short_names(row.ops),
            str(row.calls),
            f"{row.ns / 1000:.1f}" + (" est." if row.estimated else ""),
            f"{row.ns / 1000 / row.calls:.2f}",
            f"{row.ns / inside:.1%}" if inside else "",
            _count(row.flops),
            f"{row.gflops:.1f}" if row.flops else "",
            _count(row.bytes),
            f"{row.gbytes:.1f}" if row.bytes else "",
        ])  # fmt: skip
    if table.roof:
        # Imported here: it needs the sessions that import this package.
        from flowgraph.view.roof import measure_roof

        roof = measure_roof()
        header.append("of roof")
        for line, row in zip(cells[1:], table.rows, strict=True):
            line.append(f"{row.of_roof(roof):.0%}" if row.work else "")
    if table.by != "line":
        header.append("line")
        for line, row in zip(cells[1:], table.rows, strict=True):
            line.append(_lines(row.lines))
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    left_aligned = {0, 1, header.index("line") if "line" in header[1:] else 0}
    lines = []
    for number, line in enumerate(cells):
        padded = [
            text.ljust(width) if i in left_aligned else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
        members = table.rows[number - 1].members if number and table.details else ()
        if len(members) > 1:
            lines += [
                f"    {share:>6.1%} est.  {type}  {name}  {where}".rstrip()
                for name, type, share, where in members
            ]
    runs = f"{table.runs} run{'s' if table.runs != 1 else ''}"
    part = f" ({inside / table.run_ns:.1%})" if table.run_ns else ""
    lines.append(
        f"{runs}: {table.run_ns / 1000:.1f} us, of which {inside / 1000:.1f} us in kernels{part}"
    )
    return "\n".join(lines) + "\n"


def short_names(names: Sequence[str], width: int = _OPS_WIDTH) -> str:
    """Operation names in little room: the common scope once, and how many were left out.

    >>> short_names(["hidden1/add", "hidden1/Relu"])
    'hidden1: add, Relu'
    """
    scope = _common_scope(names) if len(names) > 1 else ""
    text = f"{scope[:-1]}: " if scope else ""
    for number, name in enumerate(names):
        piece = name[len(scope) :]
        if len(piece) > width:
            piece = f"{piece[: width // 3]}...{piece[-width // 2 :]}"
        piece = (", " if number else "") + piece
        left = len(names) - number
        if number and len(text) + len(piece) > width:
            return f"{text} +{left} more"
        text += piece
    return text


def _common_scope(names: Sequence[str]) -> str:
    """The name scope that all names share, with a final slash; ``""`` when there is none."""
    shared = []
    for parts in zip(*(name.split("/")[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0] + "/")
    return "".join(shared)


def _count(number: float) -> str:
    """A count with a unit: ``2.1 M``."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} " if number else ""


def _lines(lines: Counter[str]) -> str:
    """The first line, and how many others."""
    if not lines:
        return ""
    first = next(iter(lines))
    return first if len(lines) == 1 else f"{first} +{len(lines) - 1}"
