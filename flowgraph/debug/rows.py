"""A native run, one kernel after the other: what each left in memory.

Read next: diff.py, blame.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.debug.simulator import can_simulate, run_simulated
from flowgraph.optimize.frozen import HOST, Value
from flowgraph.plan.plan import Instr
from flowgraph.runtime import faults, host, native
from flowgraph.runtime.executor import Executable

if TYPE_CHECKING:
    from flowgraph.runplan import RunPlan

Array = np.ndarray[Any, Any]
#: What host operations returned during a run: (name, arrays).
HostLog = Sequence[tuple[str, tuple[Array, ...]]]


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """An instruction that ran.

    row: in the plan.   outputs: what it left in memory; views that the next kernel may change.
    """

    row: int
    instr: Instr
    outputs: dict[Value, Array]


def run_rows(executable: Executable, target: str = "") -> Iterator[Kernel]:
    """Run a plan whose feeds are loaded, instruction by instruction.

    target: ``"cuda"`` simulates the kernels' CUDA form; otherwise the plan's own.
    """
    if executable.to_check:
        executable._check_initialized()
    if executable.has_fetch_slots:
        executable._make_fetch_memory()
    table = np.zeros((2, 4), np.int64)
    row = 0
    while row < len(executable.plan.instrs):
        instr = executable.plan.instrs[row]
        following = row + 1
        if target == "cuda" and can_simulate(instr):
            run_simulated(executable, instr)
        elif instr.kernel is not None and executable.target == "cpu" and target != "cuda":
            table[0] = executable.table[row]
            code = native.execute(table.ctypes.data, 0)
            if code != -1:
                raise faults.kernel_error(executable.plan, row, code % 256)
        else:
            following = executable._run_by_reference(row, instr)
        if instr.jump is None:
            made = {v: o for v, o in instr.outputs.items() if v.node is not None}  # not: copies
            yield Kernel(row, instr, {v: executable.window(o) for v, o in made.items()})
        row = following
    executable._note_initialized()


def kernels(
    plan: RunPlan, values: Sequence[Any], hosts: HostLog = (), *, hook: Any = None, target: str = ""
) -> list[Kernel]:
    """The instructions of a run, with copies of what they left in memory.

    hosts: what host operations return, instead of running again.   hook: a host hook instead.
    """
    found: list[Kernel] = []
    if hook is None:
        hook = replaying(hosts)

    def execute(executable: Executable) -> list[Any]:
        executable.host_hook = hook
        try:
            for kernel in run_rows(executable, target):
                copies = {value: array.copy() for value, array in kernel.outputs.items()}
                found.append(Kernel(kernel.row, kernel.instr, copies))
        finally:
            executable.host_hook = None
        return [fetch() for fetch in executable.fetchers]

    plan.run_unguarded(tuple(values), execute)
    return found


def recording(log: list[tuple[str, tuple[Array, ...]]]) -> Any:
    """A host hook that notes what host operations with effects return."""

    def run(executable: Executable, instr: Instr, bound: host.Bound) -> None:
        bound()
        (node,) = instr.nodes
        if node.effect == HOST and not node.writes:
            arrays = (executable.window(instr.outputs[v]) for v in node.outputs)
            log.append((node.name, tuple(array.copy() for array in arrays)))

    return run


def replaying(log: HostLog) -> Any:
    """A host hook: host operations with effects give what is in the log, in order."""
    known = iter(log)

    def run(executable: Executable, instr: Instr, bound: host.Bound) -> None:
        (node,) = instr.nodes
        if node.effect != HOST or node.writes:
            bound()
            return
        name, arrays = next(known)
        assert name == node.name, "runs are repeated in their order"
        for value, array in zip(node.outputs, arrays, strict=True):
            host.receiver(instr.outputs[value], executable)(array)

    return run
