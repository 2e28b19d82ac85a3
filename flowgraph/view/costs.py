"""Costs: RunMetadata -> what each operation took, for colours and lists.

    kernel Mul+Add+Tanh  3.1 us   ->   mul 1.0 us est., add 1.0 us est., Tanh 1.0 us est.

What ran together was measured together: the time, flops and bytes of a kernel are divided among its
operations by the elements that each computes, and then marked as estimates.

Read next: colours.py (boxes by cost), model.py (the viewer's lists).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flowgraph.graph.node import Operation
from flowgraph.profile.run_metadata import RunMetadata
from flowgraph.shapes import num_elements


@dataclass(slots=True)
class Cost:
    """What an operation, or all operations of a box, took in one run.

    Attributes:
        ns: time in nanoseconds.   flops, bytes: as counted in the kernel.
        estimated: True when the time of a kernel was divided.
        kernel: label of the kernel it ran in.   number: of the instruction, in order of running.
    """

    ns: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0
    estimated: bool = False
    kernel: str = ""
    number: int = -1

    def add(self, other: Cost) -> None:
        """Sum up; the first kernel keeps its number."""
        self.ns += other.ns
        self.flops += other.flops
        self.bytes += other.bytes
        self.estimated |= other.estimated
        if self.number < 0:
            self.number, self.kernel = other.number, other.kernel


def metadata_list(run_metadata: Any) -> list[RunMetadata]:
    """One RunMetadata or several, as a list of those that hold a trace.

    Raises:
        ValueError: none does.
    """
    given = [run_metadata] if isinstance(run_metadata, RunMetadata) else list(run_metadata)
    traced = [item for item in given if item.trace is not None]
    if not traced:
        raise ValueError(
            "the RunMetadata holds no trace: pass it to Session.run together with "
            "options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)"
        )
    return traced


def costs_of(run_metadata: RunMetadata | Iterable[RunMetadata]) -> dict[str, Cost]:
    """Operation name -> Cost, the mean of the traced runs.

    Operations without an entry did not run: nothing needed them, or the optimiser replaced them.
    """
    traced = metadata_list(run_metadata)
    runs = sum(item.trace.runs for item in traced if item.trace is not None)
    costs: dict[str, Cost] = {}
    for item in traced:
        assert item.trace is not None
        number = 0
        for part in item.trace.plans:
            measured = zip(
                part.plan.instrs, part.elapsed.tolist(), part.calls.tolist(), strict=True
            )
            for instr, ns, calls in measured:
                scale = calls / runs
                for name, share in _shares(instr.nodes) if calls else ():
                    cost = Cost(
                        ns * share / runs, instr.flops * share * scale,
                        instr.bytes_moved * share * scale, share != 1.0, instr.label, number,
                    )  # fmt: skip
                    costs.setdefault(name, Cost()).add(cost)
                number += 1
    return costs


def _shares(nodes: Sequence[Any]) -> list[tuple[str, float]]:
    """Operation names of a kernel and the part of it that each is taken to be."""
    weights: dict[str, int] = {}
    for node in nodes:
        name = node.op.name if node.op is not None else node.name
        weights[name] = weights.get(name, 0) + _elements(node)
    total = sum(weights.values())
    if len(weights) == 1 or not total:
        return [(name, 1 / len(weights)) for name in weights]
    return [(name, weight / total) for name, weight in weights.items()]


def _elements(node: Any) -> int:
    """Elements of the largest array that ``node`` reads or computes, as profile.table counts."""
    values = (*node.inputs, *node.outputs)
    return max([num_elements(v.shape) or 0 for v in values if v.shape], default=1)


def total_cost(ops: Iterable[Operation], costs: dict[str, Cost]) -> Cost | None:
    """The sum over ``ops``; None when none of them ran."""
    found = [costs[op.name] for op in ops if op.name in costs]
    if not found:
        return None
    total = Cost()
    for cost in found:
        total.add(cost)
    return total


def static_bytes(op: Operation) -> int | None:
    """Size of the outputs; None where a size is known only when running."""
    total = 0
    for tensor in op.outputs:
        count = num_elements(tensor.dims)
        if count is None or not tensor.dtype.base_dtype.size:  # strings have no size
            return None
        total += count * tensor.dtype.base_dtype.size
    return total


def time_text(ns: float) -> str:
    """``1.25 ms``."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def bytes_text(count: float) -> str:
    """``1.25 MB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.3g} B"
