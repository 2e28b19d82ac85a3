"""The same run on two targets: which operation is the first whose results differ.

    cpu         kernels of native code             reference   the same plan, NumPy references
    cuda        the kernels' CUDA form, simulated  plain       the graph as written, op by op

Each target runs on a copy of the session's variables and random streams; host operations run once,
and the other target gets what they returned.  Targets that walk the same plan are compared kernel
by kernel, ``plain`` with another by the operations whose results that other leaves in memory.
Where the first kernel that differs computes several operations, both are done again without
fusion, so that each operation has a kernel of its own.

Read next: rows.py, walk.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph import config
from flowgraph.debug.rows import HostLog, Kernel, kernels, recording
from flowgraph.debug.walk import Source, Walk
from flowgraph.errors import did_you_mean, format_message
from flowgraph.fetching import expand_feeds, flatten_fetches, resolve_feed_key
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation
from flowgraph.graph.report import op_message
from flowgraph.graph.site import format_site
from flowgraph.optimize.frozen import Value
from flowgraph.runplan import RunPlan
from flowgraph.runtime.executor import Checker
from flowgraph.runtime.state import State
from flowgraph.session import get_default_session

Array = np.ndarray[Any, Any]

#: Operations whose results have elements that nobody has written yet: they may hold anything.
_UNWRITTEN = frozenset(("EmptyStack", "StackStore", "StackResize"))

TARGETS = ("cpu", "reference", "cuda", "plain")


@dataclass(frozen=True, eq=False)
class Difference:
    """What ``tf.debugging.diff`` found; ``str`` of it is the text for people.

    Attributes:
        op: the user's operation whose result differs first, or None (a value of the compiler's).
        name: of the result.
        a, b: the two arrays.   index: where they are furthest apart.
        operations: the user's operations that the kernel computes.
        message: the text.
    """

    op: Operation | None
    name: str
    a: Array
    b: Array
    index: tuple[int, ...]
    operations: tuple[Operation, ...]
    message: str

    def __str__(self) -> str:
        return self.message


@export("debugging.diff", "diff")
def diff(
    target_a: str,
    target_b: str,
    fetches: Any,
    feed_dict: Any = None,
    session: Any = None,
    rtol: float | None = None,
) -> Difference | None:
    """Run the same on two targets, and name the first operation whose results differ.

    Args:
        target_a, target_b: ``"cpu"`` (native), ``"reference"`` (the same plan, by NumPy),
            ``"cuda"`` (the kernels' CUDA text, simulated thread by thread: for small arrays) or
            ``"plain"`` (the graph as it is written, not optimised, op by op).
        fetches, feed_dict: as of ``Session.run``.
        session: whose variables are used (default: the default session); it is not changed.
        rtol: how far results may be apart, relative to the largest of the result (default: 1e-4
            for float32, 1e-10 for float64, 0 for integers).

    Returns:
        A Difference (print it), or None when nothing differs.

    Raises:
        ValueError: there is no target of that name, or no session.

    NB: not in TensorFlow.

    >>> import flowgraph as tf
    >>> x = tf.placeholder(tf.float32, [3])
    >>> y = tf.tanh(x * 2.0)
    >>> with tf.Session():
    ...     print(tf.debugging.diff("cpu", "plain", y, {x: [1, 2, 3]}))
    None
    """
    for target in (target_a, target_b):
        if target not in TARGETS:
            near = did_you_mean(str(target), TARGETS)
            raise ValueError(f"diff: there is no target {target!r}: {', '.join(TARGETS)}{near}")
    session = session or get_default_session()
    if session is None:
        raise ValueError("diff: no session is given, and there is no default session")
    with session._lock:
        run = _Run(session, fetches, expand_feeds(feed_dict) or {}, rtol)
        found = run.compare(target_a, target_b)
        if found is not None and len(found.operations) > 1:
            with config.override(DISABLE=config.get("DISABLE") | {"fuse"}):
                alone = run.compare(target_a, target_b)
            return alone or found
    return found


class _Host:
    """The part of a session that a RunPlan needs, with a state of its own."""

    def __init__(self, session: Any) -> None:
        self.graph = session.graph
        own = session._state
        self._state = state = State()
        state.variables = {name: array.copy() for name, array in own.variables.items()}
        state.initialized = set(own.initialized)
        state.counters = {name: counter.copy() for name, counter in own.counters.items()}
        state.resources = own.resources

    def _variable_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in self._state.variables.items()}


class _Run:
    """One run that targets are compared on."""

    def __init__(
        self, session: Any, fetches: Any, feeds: dict[Any, Any], rtol: float | None
    ) -> None:
        self.session, self.rtol = session, rtol
        self.leaves, _ = flatten_fetches(session.graph, fetches)
        self.feeds = [resolve_feed_key(session.graph, key) for key in feeds]
        self.values = tuple(feeds.values())
        self.hosts: list[tuple[str, tuple[Array, ...]]] | None = None

    def compare(self, a: str, b: str) -> Difference | None:
        """The first difference."""
        if "plain" in (a, b) and a != b:
            other = self.by_kernel(b if a == "plain" else a)
            pairs = _by_operation(other, self.plain())
            if a == "plain":
                pairs = ((name, op, y, x, ops) for name, op, x, y, ops in pairs)
        elif a == "plain":
            return None
        else:
            pairs = _pairwise(self.by_kernel(a), self.by_kernel(b))
        for name, op, x, y, operations in pairs:
            found = self.difference(x, y)
            if found is not None:
                text = _text(a, b, name, op, x, y, found, operations)
                return Difference(op, name, x, y, found, operations, text)
        return None

    def difference(self, a: Array, b: Array) -> tuple[int, ...] | None:
        """Where two results are furthest apart, if they are too far."""
        if a.shape != b.shape:
            return ()
        if a.dtype.kind not in "fc":
            bad = a != b
            return _place(bad.astype(float), a.shape) if bad.any() else None
        rtol = Checker.TOLERANCE.get(a.dtype.name, 1e-2) if self.rtol is None else self.rtol
        with np.errstate(all="ignore"):
            apart = np.abs(a - b)
            apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, apart)
            apart = np.where(np.isnan(apart), np.inf, apart)
            finite = np.abs(b[np.isfinite(b)])
        bound = rtol * max(1.0, float(np.max(finite, initial=0.0)))
        return _place(apart, a.shape) if apart.size and apart.max() > bound else None

    def by_kernel(self, target: str) -> list[Kernel]:
        """Every kernel's results on a target that walks a plan."""
        with config.override(TARGET="cpu" if target == "cuda" else target, CHECK=False):
            plan = RunPlan(_Host(self.session), self.leaves, self.feeds)  # type: ignore[arg-type]
            log: HostLog | None = self.hosts
            if log is None:
                self.hosts = []
                return kernels(plan, self.values, hook=recording(self.hosts), target=target)
            return kernels(plan, self.values, log, target=target)

    def plain(self) -> list[tuple[str, Any, Array]]:
        """Every operation's results: (name, op, array)."""
        host = _Host(self.session)
        plan = RunPlan(host, self.leaves, self.feeds)  # type: ignore[arg-type]
        known: dict[str, deque[tuple[Array, ...]]] = {}
        for name, arrays in self.hosts or ():
            known.setdefault(name, deque()).append(arrays)
        state = host._state
        source = Source(state, counters=state.counters, hosts=known)
        found = []
        for graph, feeds, _ in plan.plain_runs(self.values):
            for step in Walk(graph, feeds, source).steps():
                for value, array in zip(step.node.outputs, step.outputs, strict=True):
                    found.append((_name(value), step.op, array))
        return found


def _name(value: Value) -> str:
    return f"{value.node.name}:{value.index}"


def _may_be_unwritten(value: Value) -> bool:
    """A stack, or an element of one that a gradient reads for a branch that was not taken."""
    node = value.node
    if node.type == "GatherV2":
        return "While_grad/" in node.name
    return node.type in _UNWRITTEN


def _users(kernel: Kernel) -> tuple[Operation, ...]:
    return tuple(dict.fromkeys(n.op for n in kernel.instr.nodes if n.op is not None))


_Pair = tuple[str, Operation | None, Array, Array, tuple[Operation, ...]]


def _pairwise(a: Sequence[Kernel], b: Sequence[Kernel]) -> Iterator[_Pair]:
    """Results of the same plan on two targets."""
    for one, two in zip(a, b, strict=False):
        outputs = zip(one.outputs.items(), two.outputs.values(), strict=True)
        for (value, x), y in outputs:
            if _may_be_unwritten(value):
                continue
            yield _name(value), value.node.op, x, y, _users(one)


def _by_operation(a: Sequence[Kernel], b: Sequence[tuple[str, Any, Array]]) -> Iterator[_Pair]:
    """Results that a plan leaves in memory against those of the operations of that name."""
    plain: dict[str, deque[Array]] = {}
    for name, _, array in b:
        plain.setdefault(name, deque()).append(array)
    for kernel in a:
        for value, x in kernel.outputs.items():
            op = value.node.op
            known = plain.get(_name(value))
            # The compiler may put another computation under a name: only the same type counts.
            if _may_be_unwritten(value):
                continue
            if known and op is not None and op.type == value.node.type:
                y = known.popleft()
                if x.shape == y.shape and x.dtype == y.dtype:
                    yield _name(value), op, x, y, _users(kernel)


def _place(apart: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(apart)), shape))


def _text(
    target_a: str,
    target_b: str,
    name: str,
    op: Operation | None,
    a: Array,
    b: Array,
    index: tuple[int, ...],
    operations: tuple[Operation, ...],
) -> str:
    head = f"{target_a} and {target_b} differ first in {name!r}"
    if a.shape != b.shape:
        notes = [f"{target_a} has shape {list(a.shape)}, {target_b} {list(b.shape)}"]
    else:
        equal = a == b
        if a.dtype.kind in "fc":
            equal |= np.isnan(a) & np.isnan(b)
        count = a.size - int(np.sum(equal))
        at = f" at {list(index)}" if index else ""
        notes = [
            f"{target_a:<9} {a[index]!s}{at}",
            f"{target_b:<9} {b[index]!s}{at}",
            f"{count} of {a.size} values differ; these are furthest apart",
        ]
    if len(operations) > 1:
        listed = ", ".join(f"{o.type} {o.name!r} ({format_site(o.site)})" for o in operations)
        notes.append(f"one kernel computes {listed}")
    if op is None:
        return "\n".join([format_message(head), *(f"  {note}" for note in notes)])
    return op_message(f"{op.type}: {head}", op, notes=notes)
