"""RunMetadata and the records inside it: what a traced ``Session.run`` tells.

    RunMetadata.step_stats.dev_stats[device].node_stats[kernel]

There is one NodeExecStats per kernel, not per operation: operations that were fused ran together,
and how their time divides nobody has measured.  Its ``node_name`` is the last operation of the
kernel and ``timeline_label`` lists all of them.

The records are made when they are first read; while a program runs, a trace is two time stamps per
kernel.

Read next: trace.py (who fills it), tables.py and timeline.py (who reads it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.client_config import Message
from flowgraph.graph.export import export

if TYPE_CHECKING:
    from flowgraph.plan.plan import Plan

#: The name of the one device there is.
CPU_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"


@dataclass(frozen=True, slots=True)
class PlanTrace:
    """One walk over a plan, in ns since the epoch.

    Attributes:
        times: start and end of the first pass over each instruction; the last row is the whole,
            with the copies of results.  Neither compiling nor taking the feeds in belongs to it.
        walks: above 1: a sum over so many walks, where only the differences mean something.
        sums, passes_of: time of all passes over each instruction, and their number (several in a
            loop, 0 in a branch not taken); None: one in every walk.
        passes: row, start, end of single passes, where the plan has loops.
    """

    plan: Plan
    times: np.ndarray
    walks: int = 1
    sums: np.ndarray | None = None
    passes_of: np.ndarray | None = None
    passes: np.ndarray | None = None

    @property
    def elapsed(self) -> np.ndarray:
        """Time of each instruction, all passes together."""
        return self.times[:-1, 1] - self.times[:-1, 0] if self.sums is None else self.sums

    @property
    def calls(self) -> np.ndarray:
        """Passes over each instruction."""
        if self.passes_of is None:
            return np.full(len(self.times) - 1, self.walks, np.int64)
        return self.passes_of

    @property
    def whole_ns(self) -> int:
        """Time of the walks."""
        return int(self.times[-1, 1] - self.times[-1, 0])


@dataclass(frozen=True, slots=True)
class Trace:
    """One ``Session.run``, or a sum of ``runs``: the plans that were walked.

    Several in one run where sizes depend on values.
    """

    plans: Sequence[PlanTrace]
    runs: int = 1


class TensorDescription(Message):
    """dtype (TensorFlow's enum number) and shape of an output."""

    FIELDS = {"dtype": 0, "shape": list}


class NodeOutput(Message):
    """One output of a kernel that stays in memory."""

    FIELDS = {"slot": 0, "tensor_description": TensorDescription}


class AllocatorMemoryUsed(Message):
    """What a kernel needs for its results."""

    FIELDS = {"allocator_name": "", "total_bytes": 0, "peak_bytes": 0, "live_bytes": 0}


class NodeExecStats(Message):
    """One run of one kernel; times relative to ``all_start`` except that one.

    Times come in micros and in nanos: most kernels are shorter than a microsecond.
    ``in_use_bytes``, which is no field of TensorFlow's: of all results alive meanwhile.
    """

    FIELDS = {
        "node_name": "",
        "all_start_micros": 0,
        "op_start_rel_micros": 0,
        "op_end_rel_micros": 0,
        "all_end_rel_micros": 0,
        "memory": list,
        "output": list,
        "timeline_label": "",
        "scheduled_micros": 0,
        "thread_id": 0,
        "referenced_tensor": list,
        "all_start_nanos": 0,
        "op_start_rel_nanos": 0,
        "op_end_rel_nanos": 0,
        "all_end_rel_nanos": 0,
        "scheduled_nanos": 0,
        "in_use_bytes": 0,
    }


class DeviceStepStats(Message):
    """Everything that ran on one device."""

    FIELDS = {"device": "", "node_stats": list, "thread_names": dict}


class StepStats(Message):
    """Everything that ran, by device."""

    FIELDS = {"dev_stats": list}


@export("RunMetadata")
class RunMetadata(Message):
    """Filled by a ``Session.run`` with ``options=RunOptions(trace_level=FULL_TRACE)``.

    Attributes:
        step_stats: see the module.   partition_graphs, function_graphs: empty lists.
    """

    FIELDS = {
        "step_stats": StepStats,
        "cost_graph": list,
        "partition_graphs": list,
        "function_graphs": list,
    }

    @property
    def trace(self) -> Trace | None:
        """The raw trace that the records are made of; None before a traced run."""
        trace = vars(self).get("_trace")
        if callable(trace):
            trace = vars(self)["_trace"] = trace()
        return trace

    def set_trace(self, trace: Trace | Callable[[], Trace]) -> None:
        """Forget what was there and hold ``trace``, or what makes it when it is first read."""
        self.Clear()
        vars(self)["_trace"] = trace

    def CopyFrom(self, other: Any) -> None:
        """Take over everything of ``other``."""
        super().CopyFrom(other)
        if other.trace is not None:
            self.set_trace(other.trace)

    def _make(self, name: str, kind: type) -> Any:
        if name == "step_stats" and self.trace is not None:
            return _step_stats(self.trace)
        return kind()


def _step_stats(trace: Trace) -> StepStats:
    # Imported here: drawing memory needs sessions, which know RunMetadata.
    from flowgraph.view.memory import map_of

    stats = []
    for part in trace.plans:
        labels = [_names(instr) for instr in part.plan.instrs]
        live = map_of(part.plan).live.tolist()
        for row, start, end in _passes(part):
            stats.append(_node_stats(part.plan.instrs[row], *labels[row], live[row], start, end))
    return StepStats(dev_stats=[DeviceStepStats(device=CPU_DEVICE, node_stats=stats)])


def _passes(part: PlanTrace) -> list[tuple[int, int, int]]:
    """(row, start, end) of every pass; of loops those that were logged."""
    if part.passes is not None:
        found = part.passes.tolist()
    else:
        ran = np.flatnonzero(part.calls)
        found = np.column_stack([ran, part.times[ran]]).tolist()
    # Jumps are no operations of the graph.
    return [(row, start, end) for row, start, end in found if part.plan.instrs[row].jump is None]


def _names(instr: Any) -> tuple[str, str]:
    """Name and label of a kernel."""
    last = instr.nodes[-1]
    made = {node.name for node in instr.nodes}
    inputs = [v.node.name for v in instr.inputs if v.node is not None and v.node.name not in made]
    names = [name for name in dict.fromkeys(n.name for n in instr.nodes) if name != last.name]
    label = f"{last.name} = {instr.label}({', '.join(dict.fromkeys(inputs))})"
    if names:
        label += f" with {', '.join(names)}"
    return last.name, label


def _memory(instr: Any) -> AllocatorMemoryUsed:
    """Sizes of the results; they lie in the arena, so nothing is allocated while running."""
    sizes = [operand.size * value.dtype.size for value, operand in instr.outputs.items()]
    return AllocatorMemoryUsed(
        allocator_name="cpu", total_bytes=sum(sizes), peak_bytes=sum(sizes), live_bytes=sum(sizes)
    )


def _node_stats(
    instr: Any, name: str, label: str, live: int, start: int, end: int
) -> NodeExecStats:
    micros = (end // 1000) - (start // 1000)
    return NodeExecStats(
        node_name=name,
        all_start_micros=start // 1000,
        op_end_rel_micros=micros,
        all_end_rel_micros=micros,
        timeline_label=label,
        scheduled_micros=start // 1000,
        all_start_nanos=start,
        op_end_rel_nanos=end - start,
        all_end_rel_nanos=end - start,
        scheduled_nanos=start,
        memory=[_memory(instr)],
        in_use_bytes=live,
        output=[
            NodeOutput(
                slot=slot,
                tensor_description=TensorDescription(
                    dtype=value.dtype.as_datatype_enum, shape=list(operand.shape)
                ),
            )
            for slot, (value, operand) in enumerate(instr.outputs.items())
        ],
    )
