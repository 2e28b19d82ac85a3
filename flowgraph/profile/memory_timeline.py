"""The memory of a run over its kernels: how much is in use when, and whose it is at the peak.

    peak 3.2 MB at kernel 7 of 21, MatMul gradients/fc1/MatMul_1          train.py:41
    ▁▂▃▅▆▇█▇▅▃▂▁
       1.6 MB  50.0%  fc1/Relu            train.py:33

Read off the plan, which gives every result its place before anything runs: exact, not sampled.

Read next: view/memory.py (who lies where), view/plots.py (``tf.view.plot_memory``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.graph.site import format_site
from flowgraph.plan.plan import Plan
from flowgraph.profile.run_metadata import RunMetadata
from flowgraph.view.costs import bytes_text, metadata_list
from flowgraph.view.memory import Buffer, MemoryMap, map_of

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 72


@dataclass(frozen=True, slots=True)
class MemoryTimeline:
    """Memory of one plan.

    Attributes:
        map: buffers and bytes alive by instruction (of the arena).
        lines: name of an operation -> the user's line.
    """

    map: MemoryMap
    lines: dict[str, str]

    @property
    def peak_bytes(self) -> int:
        """Everything that the plan needs at its peak: results, variables, constants, feeds."""
        return self.arena_peak + sum(self.map.outside.values())

    @property
    def arena_peak(self) -> int:
        """Bytes of results alive at the peak."""
        return int(self.map.live.max(initial=0))

    @property
    def owners(self) -> list[Buffer]:
        """What is alive at the peak, the largest first."""
        return self.map.owners()

    def __str__(self) -> str:
        if not self.map.live.size:
            return "no kernels\n"
        peak, count = self.map.peak, len(self.map.labels)
        most, arena = bytes_text(self.arena_peak), bytes_text(self.map.arena_nbytes)
        where = f"at kernel {peak + 1} of {count}, {self.map.labels[peak]}"
        lines = [f"results: at most {most}, {where}; in an arena of {arena}", _bars(self.map.live)]
        for owner in self.owners:
            share = owner.nbytes / max(self.arena_peak, 1)
            line = self.lines.get(owner.name, "")
            lines.append(
                f"  {bytes_text(owner.nbytes):>8}  {share:>6.1%}  {owner.name}  {line}".rstrip()
            )
        outside = ", ".join(f"{k}s {bytes_text(n)}" for k, n in self.map.outside.items() if n)
        lines.append(f"besides: {outside or 'nothing'}")
        lines.append(f"together at the peak: {bytes_text(self.peak_bytes)}")
        return "\n".join(lines) + "\n"


def _bars(live: np.ndarray) -> str:
    """A curve in one line of text; a column is the maximum of what it stands for."""
    columns = [int(part.max()) for part in np.array_split(live, min(_WIDTH, live.size))]
    top = max(*columns, 1)
    return "".join(_BARS[min(value * len(_BARS) // (top + 1), len(_BARS) - 1)] for value in columns)


def timeline_of(plan: Plan) -> MemoryTimeline:
    """The memory of one plan."""
    lines = {}
    for instr in plan.instrs:
        for node in instr.nodes:
            if node.op is not None:
                lines[node.name] = format_site(node.op.site)
    return MemoryTimeline(map_of(plan), lines)


def memory(run_metadata: RunMetadata | Iterable[RunMetadata]) -> MemoryTimeline:
    """How much memory the largest plan of traced runs needs, when, and whose it is.

    Args:
        run_metadata: filled by ``Session.run``, or several.

    Returns:
        A MemoryTimeline; printing it shows the curve over the kernels and the owners of the peak.

    Raises:
        ValueError: nothing was traced.
    """
    plans: list[Any] = []
    for item in metadata_list(run_metadata):
        assert item.trace is not None
        plans += [part.plan for part in item.trace.plans]
    return max(map(timeline_of, plans), key=lambda found: found.peak_bytes)
