"""The compiler's table of contents: every stage from the user's graph to a Plan, in order.

    freeze -> [PASSES] -> (feed shapes) -> specialize -> [CONCRETE_PASSES] -> order -> fuse -> lower
    -> plan

Codegen and binding follow in runtime/executor.py.  With FLOWGRAPH_DUMP=dir every form is written to
a numbered file of that directory; with FLOWGRAPH_VERIFY=2 every form is verified.

Read next: docs/design.md, or the modules in the order they are imported here.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial

from flowgraph import config
from flowgraph.codegen.compile import source
from flowgraph.collector import without_collector
from flowgraph.graph.node import Operation, Tensor
from flowgraph.lower.lowering import Lowering
from flowgraph.optimize import frozen, fuse
from flowgraph.optimize.algebra import simplify
from flowgraph.optimize.bodies import with_feed_shapes
from flowgraph.optimize.cse import merge_common
from flowgraph.optimize.flow import hoist, prune, sink
from flowgraph.optimize.fold import fold
from flowgraph.optimize.freeze import freeze
from flowgraph.optimize.frozen import FrozenGraph, eliminate_dead
from flowgraph.optimize.order import order_effects
from flowgraph.optimize.specialize import Staged, specialize
from flowgraph.plan import memory, plan
from flowgraph.plan.plan import Plan

Pass = Callable[[FrozenGraph], FrozenGraph]

#: (name, pass): once per (fetches, feeds); shapes may be unknown.  FLOWGRAPH_DISABLE takes names.
PASSES: tuple[tuple[str, Pass], ...] = (
    ("fold", fold),  # guarantees: no pure node of constants only
    ("algebra", simplify),  # needs: folded constants.  guarantees: no rule of the table applies
    ("cse", merge_common),  # needs: simplified forms, which are equal more often
    ("prune", prune),  # guarantees: branches and loops carry nothing that nobody uses
    ("sink", sink),  # needs: pruned branches.  guarantees: what one branch uses runs there
    ("hoist", hoist),  # guarantees: loops do not repeat what they do not change
    ("dce", eliminate_dead),  # guarantees: every node is needed
)

#: Once per feed signature, after specialisation: shape arithmetic is constant now.
CONCRETE_PASSES: tuple[tuple[str, Pass], ...] = (
    ("algebra", simplify),  # no-op reshapes and broadcasts go
    ("cse", merge_common),
    ("prune", prune),
    ("hoist", hoist),  # sizes are known now: more can leave
    ("dce", eliminate_dead),
)

_run_number = itertools.count()


class Dump:
    """Writes the stages of one (fetches, feeds) pair to FLOWGRAPH_DUMP/run<n>/, if that is set."""

    def __init__(self) -> None:
        root = config.get("DUMP")
        self.directory = ""
        self.step = 0
        if root:
            self.directory = os.path.join(root, f"run{next(_run_number):03d}")
            os.makedirs(self.directory, exist_ok=True)

    def write(self, stage: str, text: Callable[[], str], suffix: str = "txt") -> None:
        """Write one form; ``text`` is called only when dumping."""
        if self.directory:
            path = os.path.join(self.directory, f"{self.step:02d}_{stage}.{suffix}")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text())
            self.step += 1

    def note(self, name: str, before: FrozenGraph, after: FrozenGraph) -> None:
        """Pass ``name`` is done; for those who explain (profile/explaining.py)."""

    def note_regions(self, graph: FrozenGraph, regions: list[fuse.Region]) -> None:
        """A graph has been divided into kernels; as ``note``."""


@without_collector
def prepare(
    fetches: Sequence[Tensor | Operation],
    feeds: Sequence[Tensor],
    dump: Dump,
    around: Pass | None = None,
) -> FrozenGraph:
    """Graph -> optimised FrozenGraph whose feed sizes may still be unknown.

    around: what puts a loop around it (optimize/repeat.py).
    """
    graph = freeze(fetches, feeds)
    if around is not None:
        graph = around(graph)
    dump.write("frozen", lambda: frozen.to_text(graph))
    return _run_passes(PASSES, graph, dump)


def as_written(fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor]) -> FrozenGraph:
    """The graph of a run, not optimised: for walking it op by op (debug/walk.py).

    Only what loops and branches carry for nobody is gone, which may not be run: a loop that counts
    the iterations of another.
    """
    return _pruned(freeze(fetches, feeds))


def _pruned(graph: FrozenGraph) -> FrozenGraph:
    for node in graph.nodes:
        if node.bodies:
            node.attrs = {**node.attrs, **{k: _pruned(g) for k, g in node.bodies.items()}}
    return eliminate_dead(prune(graph))


@without_collector
def stage(
    graph: FrozenGraph,
    feed_shapes: Sequence[tuple[int, ...]],
    variable_shapes: dict[str, tuple[int, ...]],
) -> Staged:
    """FrozenGraph + sizes -> what can be planned now, and the rest if sizes depend on the run."""
    return specialize(with_feed_shapes(graph, feed_shapes, variable_shapes))


@without_collector
def make_plan(graph: FrozenGraph, dump: Dump, *, changed: bool = True) -> Plan:
    """Specialised FrozenGraph -> Plan; ``changed``: specialising found anything new."""
    dump.write("specialized", lambda: frozen.to_text(graph))
    if changed:
        graph = _run_passes(CONCRETE_PASSES, graph, dump)
    ordered, earlier = order_effects(graph)
    dump.write("ordered", lambda: frozen.to_text(ordered))
    max_members = 1 if "fuse" in config.get("DISABLE") else fuse.MAX_MEMBERS
    regions = fuse.fuse(ordered, earlier, max_members)
    dump.note_regions(ordered, regions)
    dump.write("fused", lambda: fuse.to_text(regions))
    result = Lowering(ordered, regions).run()
    memory.mark_fetch_slots(result)
    memory.assign_offsets(result)
    if config.get("VERIFY") >= 2:
        memory.verify(result)
    dump.write("plan", lambda: plan.to_text(result))
    _dump_kernels(result, dump)
    return result


def _run_passes(passes: Sequence[tuple[str, Pass]], graph: FrozenGraph, dump: Dump) -> FrozenGraph:
    disabled = config.get("DISABLE")
    for node in graph.nodes:
        if node.bodies:  # what is inside first: it may turn out to be constant
            node.attrs = {
                **node.attrs,
                **{k: _run_passes(passes, g, dump) for k, g in node.bodies.items()},
            }
    for name, run in passes:
        if name in disabled:
            continue
        before, graph = graph, run(graph)
        dump.note(name, before, graph)
        if config.get("VERIFY") >= 2:
            frozen.verify(graph)
        dump.write(name, partial(frozen.to_text, graph))
    return graph


def _dump_kernels(result: Plan, dump: Dump) -> None:
    if not dump.directory:
        return
    seen: set[object] = set()
    for row, instr in enumerate(result.instrs):
        if instr.kernel is None or instr.kernel in seen:
            continue
        seen.add(instr.kernel)
        dump.write(f"cpu_k{row:02d}", partial(source, instr.kernel), "py")
