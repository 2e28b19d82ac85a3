"""Pass ``fuse``: nodes that share loops become Regions, each one kernel.

    Mul, Add, Tanh, Sum(axis=1), Mul      ==>   Region(domain (8, 100), reduced (1,)): all five

A Region has a *domain* (the loops) and possibly *reduced* axes.  A member is *full* (one value per
point of the domain) or *row* (one value per kept index: a reduction's result and what is computed
from it).

    full member   its domain is the region's; it may use row members only where the reduced axes are
    the
                  trailing ones (softmax, layer norm: several passes over a row that stays in cache)
    row member    its domain is the region's without the reduced axes, or with size 1 there

Greedy, in program order: a node joins the latest region that makes one of its inputs, when the
loops agree and nothing else it needs is made later.  So region order is a valid execution order by
construction.

Needs: known shapes, order_effects.  Read next: lower/regions.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowgraph.graph.opdef import Compiled, Custom, Loops, OpDef, Procedure, View
from flowgraph.kernel.ir import KERNEL_DTYPES
from flowgraph.optimize.frozen import (
    CHECK,
    FEED,
    HOST,
    RESIZES,
    VARIABLE,
    VARIES,
    FrozenGraph,
    Node,
    Value,
)
from flowgraph.optimize.order import Edges
from flowgraph.optimize.views import inputs_read, is_view, storage, view_source

#: Members and distinct memory operands of one region.  More would spill registers and slow
#: compilation; 48 divides by the periods of most repeated chains, so that their regions are equal.
MAX_MEMBERS = 48
MAX_OPERANDS = 32

LOOPS, CUSTOM, FLOW, HOST_REGION = "loops", "custom", "flow", "host"


@dataclass(slots=True, eq=False)
class Region:
    """Nodes that become one instruction (or, for custom ones, a few)."""

    kind: str
    order: int
    nodes: list[Node] = field(default_factory=list)
    domain: tuple[int, ...] = ()
    reduced: tuple[int, ...] = ()
    operands: set[Value] = field(default_factory=set)
    #: Members whose values are per row; all others are full.
    rows: set[Node] = field(default_factory=set)

    @property
    def kept(self) -> tuple[int, ...]:
        """Domain axes that are not reduced."""
        return tuple(a for a in range(len(self.domain)) if a not in self.reduced)

    def refuses(self) -> bool:
        """True when a member checks its inputs: what it says of them needs them unchanged."""
        return any(n.effect == CHECK for n in self.nodes)

    def has_trailing_reduction(self) -> bool:
        """True when no kept axis of size > 1 stands behind a reduced one."""
        first = min(self.reduced)
        return all(self.domain[a] == 1 for a in self.kept if a > first)


def loops_of(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The node's own (domain, reduced axes)."""
    assert node.opdef is not None
    rule = node.opdef.kernel
    assert isinstance(rule, Loops)
    call = node.call()
    if rule.domain:
        domain = rule.domain(call)
    else:
        domain = broadcast_shape([v.shape for v in inputs_read(node)])
    return tuple(domain), tuple(rule.reduced(call)) if rule.reduced else ()


def broadcast_shape(shapes: list) -> tuple[int, ...]:
    """NumPy's broadcast of known shapes that are known to agree."""
    rank = max((len(s) for s in shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, rank - len(shape)):
            if size != 1:
                result[axis] = size
    return tuple(result)


def _varies(node: Node) -> bool:
    """True for an If or While that cannot run as jumps: sizes change, or it carries strings."""
    return VARIES in node.attrs or any(v.dtype.np.hasobject for v in node.outputs)


def runs_on_host(opdef: OpDef, node: Node) -> bool:
    """True when the reference runs the node as a host instruction."""
    if opdef.effect == HOST or opdef.kernel is None or isinstance(opdef.kernel, Compiled):
        return True
    values = (*node.inputs, *node.outputs)
    if node.attrs.get(RESIZES) or any(v.shape is None or None in v.shape for v in node.outputs):
        return True  # its sizes are data
    if isinstance(opdef.kernel, View):
        return not is_view(node)
    rule = opdef.kernel
    takes_complex = rule.parts
    if isinstance(rule, Procedure):
        takes_complex = rule.parts or rule.whole or bool(rule.moves)
    if isinstance(rule, Custom) and rule.reads is not None:
        values = tuple(node.inputs[i] for i in rule.reads)
    for dtype in (v.dtype for v in values):
        if dtype.name not in KERNEL_DTYPES and not (takes_complex and dtype.is_complex):
            return True
    if not isinstance(rule, Procedure):
        return False
    if any(node.inputs[i].node.const is None for i in rule.known):
        return True
    return rule.natively is not None and not rule.natively(node.call())


def fuse(graph: FrozenGraph, earlier: Edges, max_members: int = MAX_MEMBERS) -> list[Region]:
    """Regions in an order that respects data and ``earlier``; ``max_members=1`` fuses nothing."""
    return _Fuser(earlier, max_members).run(graph)


class _Fuser:
    def __init__(self, earlier: Edges, max_members: int) -> None:
        self.earlier, self.max_members = earlier, max_members
        self.regions: list[Region] = []
        self.region_of: dict[Node, Region] = {}

    def run(self, graph: FrozenGraph) -> list[Region]:
        for node in graph.nodes:
            if node.opdef is None or node.type == "Const":
                continue
            if node.bodies and not _varies(node):
                self.open(FLOW, node)
            elif node.bodies or runs_on_host(node.opdef, node):
                self.open(HOST_REGION, node)
            elif is_view(node):
                source = self.region_of.get(view_source(node).node)
                if source is not None:
                    self.region_of[node] = source
            elif isinstance(node.opdef.kernel, (Custom, Procedure)):
                self.open(CUSTOM, node)
            else:
                self.add_loops(node)
        return self.regions

    def open(self, kind: str, node: Node) -> Region:
        region = Region(kind, len(self.regions), [node])
        region.operands.update(inputs_read(node))
        self.regions.append(region)
        self.region_of[node] = region
        return region

    def add_loops(self, node: Node) -> None:
        domain, reduced = loops_of(node)
        latest = self.latest_dependency(node)
        if latest is not None and latest.kind == LOOPS:
            role = self.role_in(latest, node, domain, reduced)
            if role is not None:
                latest.nodes.append(node)
                latest.operands.update(v for v in inputs_read(node) if v.node not in latest.nodes)
                if reduced and not latest.reduced:
                    latest.reduced = reduced
                if role == "row" or reduced:
                    latest.rows.add(node)
                self.region_of[node] = latest
                return
        region = self.open(LOOPS, node)
        region.domain, region.reduced = domain, reduced
        if reduced:
            region.rows.add(node)

    def latest_dependency(self, node: Node) -> Region | None:
        """The last region that must have begun before ``node``, or None."""
        before = [v.node for v in node.inputs]
        before += node.after
        before += self.earlier.get(node, ())
        regions = [self.region_of[n] for n in before if n in self.region_of]
        return max(regions, key=lambda r: r.order, default=None)

    def role_in(
        self, region: Region, node: Node, domain: tuple[int, ...], reduced: tuple[int, ...]
    ) -> str | None:
        """``full`` or ``row`` when ``node`` can join ``region``, else None."""
        if len(region.nodes) >= self.max_members:
            return None
        if len(region.operands) + len(node.inputs) > MAX_OPERANDS:
            return None
        members = set(region.nodes)
        if any(is_view(v.node) and storage(v).node in members for v in inputs_read(node)):
            return None  # the same memory under another index map
        if node.effect == CHECK:
            # its complaint is worked out from the operands: they must be as they were
            if any(n.writes for n in members):
                return None
        elif any(n in members for n in node.after):
            return None
        if node.writes and region.refuses():
            return None  # as above
        if node.writes and any(set(node.writes) & set(n.writes) for n in members):
            return None  # two versions of one variable: one buffer cannot be stored twice
        if not self.may_overwrite_beside(region, node, members, reduced):
            return None
        internal = [v for v in inputs_read(node) if v.node in members]
        if domain == region.domain and self.is_full(region, node, internal, reduced):
            return "full"
        if region.reduced and not reduced and self.is_row(region, node, domain, internal):
            return "row"
        return None

    def may_overwrite_beside(
        self, region: Region, node: Node, members: set[Node], reduced: tuple[int, ...]
    ) -> bool:
        """A write may join readers of the old version only where each point is read first."""
        if not any(n in members for n in self.earlier.get(node, ())):
            return True
        if region.reduced or reduced:
            return False
        overwritten = {storage(node.inputs[i]) for i in range(len(node.writes))}
        return all(
            v in overwritten and v.shape == region.domain
            for member in members
            for v in inputs_read(member)
            if storage(v) in overwritten
        )

    def is_full(
        self, region: Region, node: Node, internal: list[Value], reduced: tuple[int, ...]
    ) -> bool:
        if reduced and region.reduced and reduced != region.reduced:
            return False
        if _has_own_index_map(node):
            return not internal
        axes = region.reduced or reduced
        for value in internal:
            if value.node in region.rows and value in _row_outputs(value.node, region):
                if not region.has_trailing_reduction():
                    return False
                if not _is_row_shape(value.sizes, region.domain, axes):
                    return False
            elif value.shape != region.domain:
                return False
        return True

    def is_row(
        self, region: Region, node: Node, domain: tuple[int, ...], internal: list[Value]
    ) -> bool:
        if _has_own_index_map(node):
            return False
        kept = tuple(region.domain[a] for a in region.kept)
        with_ones = tuple(
            1 if a in region.reduced else size for a, size in enumerate(region.domain)
        )
        if domain not in (kept, with_ones):
            return False
        return all(
            v.node in region.rows and v in _row_outputs(v.node, region) and v.shape == domain
            for v in internal
        )


def _has_own_index_map(node: Node) -> bool:
    rule = node.opdef.kernel  # type: ignore[union-attr]
    return isinstance(rule, Loops) and rule.operands is not None


def _row_outputs(node: Node, region: Region) -> set[Value]:
    """Outputs of a row or reducing member that hold one value per row."""
    return {v for v in node.outputs if is_row_output(v, region)}


def is_row_output(value: Value, region: Region) -> bool:
    """True when ``value`` (made by a member in ``region.rows``) has no reduced axes."""
    if value.shape != region.domain:
        return True
    # NB: with reduced axes of size 1, and kept form, both readings give the same memory.
    return all(region.domain[a] == 1 for a in region.reduced)


def _is_row_shape(
    shape: tuple[int, ...], domain: tuple[int, ...], reduced: tuple[int, ...]
) -> bool:
    """True when a row value of ``shape`` broadcasts back along the reduced axes by itself."""
    return shape == tuple(1 if a in reduced else size for a, size in enumerate(domain))


def external_outputs(regions: list[Region], graph: FrozenGraph) -> set[Value]:
    """Values that must exist in memory: fetched, written, or used outside their region."""
    region_of = {node: region for region in regions for node in region.nodes}
    needed = {storage(v) for v in graph.fetches} | set(graph.fetches)
    for node in graph.nodes:
        region = region_of.get(node)
        for value in inputs_read(node):
            base = storage(value)
            if region is None or base is not value or region_of.get(base.node) is not region:
                needed.add(base)
        if node.writes:
            needed.update(node.outputs)
    return needed


__all__ = [
    "CUSTOM",
    "FEED",
    "FLOW",
    "HOST_REGION",
    "LOOPS",
    "VARIABLE",
    "Region",
    "broadcast_shape",
    "external_outputs",
    "fuse",
    "loops_of",
    "runs_on_host",
]


def to_text(regions: list[Region]) -> str:
    """One line per region: kind, loops, members."""
    lines = []
    for region in regions:
        loops = ""
        if region.kind == LOOPS:
            loops = f" {list(region.domain)}"
            if region.reduced:
                loops += f" reduce {list(region.reduced)}"
        members = ", ".join(f"{n.type} {n.name!r}" for n in region.nodes)
        lines.append(f"{region.order}: {region.kind}{loops}: {members}")
    return "\n".join(lines) + "\n"
