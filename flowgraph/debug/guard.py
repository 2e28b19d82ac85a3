"""check_numerics: runs stay native; when a result is not finite, the run is done again, slowly.

    run 17 (native)   flag is NaN  ->  variables as before run 17  ->  run 17 op by op  ->  blame

A flag (flag.py) tells that something went wrong, at almost no cost.  To find out what, the state
from before the run is needed.  Copying it at every run would cost more than the kernels of small
networks save, so it is copied once in PERIOD runs, and in between feeds and the results of host
operations are kept: results are equal to the bit from run to run, so doing those runs again from
the copy gives the state before the one that failed.

One Guard belongs to a session; the RunPlans of the session call it.

Read next: blame.py (the slow run and what it tells).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.debug.blame import blame
from flowgraph.debug.flag import is_first_values, with_flag
from flowgraph.debug.rows import recording, replaying
from flowgraph.optimize.frozen import FrozenGraph
from flowgraph.plan.plan import COUNTER
from flowgraph.runtime.executor import Executable

if TYPE_CHECKING:
    from flowgraph.runplan import RunPlan
    from flowgraph.session import BaseSession

#: Runs from one copy of the variables to the next.
PERIOD = 64
#: Fed arrays of more bytes than this are not copied, but looked at in a few places.
MAX_COPIED_NBYTES = 16 << 10
_SAMPLES = 64
#: What is kept meanwhile, in bytes; above that the variables are copied sooner.
MAX_KEPT_NBYTES = 256 << 20

Execute = Callable[[Executable], list[Any]]
#: What host operations returned during one run: (name, arrays).
HostLog = list[tuple[str, tuple[np.ndarray, ...]]]


@dataclass(slots=True)
class Done:
    """A run that ended well, as is needed to do it again."""

    plan: RunPlan
    values: tuple[Kept, ...]
    hosts: HostLog


@dataclass(slots=True)
class Journal:
    """Variables and random streams at some time, and the runs since then.

    fed: large arrays by address.   copied: whose variables are among the copies.
    """

    variables: dict[str, np.ndarray | None] = field(default_factory=dict)
    counters: dict[str, np.ndarray] = field(default_factory=dict)
    runs: list[Done] = field(default_factory=list)
    nbytes: int = 0
    fed: dict[int, Kept] = field(default_factory=dict)
    copied: set[Executable] = field(default_factory=set)


class Kept:
    """A fed value, to be fed again.

    Large arrays are not copied: most programs feed parts of one array that does not change.  A few
    of their elements are noted, to notice when a program writes new data into the same memory.
    """

    __slots__ = ("_sample", "address", "value")

    def __init__(self, value: Any, *, copy: bool) -> None:
        self.value: Any
        self.address, self._sample = 0, b""
        if not isinstance(value, np.ndarray):
            self.value = list(value) if isinstance(value, list) else value
        elif copy or value.nbytes <= MAX_COPIED_NBYTES or value.dtype.hasobject:
            self.value = value.copy()
        else:
            self.value = value
            self.address, self._sample = address_of(value), _sample(value)

    def is_as_it_was(self) -> bool:
        """False when its memory holds other data now."""
        return not self.address or _sample(self.value) == self._sample

    @property
    def nbytes(self) -> int:
        """Of an array."""
        return self.value.nbytes if isinstance(self.value, np.ndarray) else 0


def address_of(array: np.ndarray) -> int:
    """Where the elements lie."""
    return int(array.__array_interface__["data"][0])


def _sample(array: np.ndarray) -> bytes:
    step = max(1, array.size // _SAMPLES)
    return array.reshape(-1)[::step].tobytes() if array.flags.c_contiguous else array.tobytes()


class Guard:
    """Watches the runs of one session."""

    def __init__(self, session: BaseSession) -> None:
        self.session = session
        self.journal = Journal()
        #: Memory of the last copies: fresh memory costs more than copying.
        self._spare: dict[str, np.ndarray] = {}
        #: The program feeds other data in the same memory: copy all of it.
        self._copies_feeds = False
        #: Runs so far.
        self.count = 0
        self._running = 0
        #: Runs overlapped (a py_func ran the session, a queue made one wait): no order to repeat.
        self._mixed = False

    def around(self, plan: RunPlan, make: Callable[[FrozenGraph], FrozenGraph] | None) -> Any:
        """What ``compile.prepare`` puts around the graph: ``make``, then the flag."""

        def prepared(graph: FrozenGraph) -> FrozenGraph:
            plan.flagged = not is_first_values(graph)
            if make is not None:
                graph = make(graph)
            return with_flag(graph, fetches=make is None) if plan.flagged else graph

        return prepared

    def forget(self) -> None:
        """Variables were changed by others."""
        self.journal = Journal()

    def run(self, plan: RunPlan, values: tuple[Any, ...], execute: Execute) -> list[Any]:
        """``plan.run_unguarded(values, execute)``, with blame for what is not finite.

        Raises:
            InvalidArgumentError: a result is not finite; variables are as before the run.
        """
        self.count += 1
        # NB: variables that initialise themselves do so before the run around them does anything.
        self._mixed = self._mixed or (self._running > 0 and plan.flagged)
        hosts: HostLog = []
        self._look_at_feeds(values)

        def watched(executable: Executable) -> list[Any]:
            self._copy(executable)
            executable.host_hook = recording(hosts)
            try:
                return execute(executable)
            finally:
                executable.host_hook = None

        self._running += 1
        ended = False
        try:
            results = self._run_natively(plan, values, hosts) if execute is Executable.run else None
            if results is None:
                results = plan.run_unguarded(values, watched)
            ended = True
        finally:
            self._running -= 1
            if not ended:
                self.forget()  # some variables may have been written, others not
        bad = self._is_bad(plan, results)
        if plan.flagged:
            results = results[:-1]
        if bad:
            self._fail(plan, values, hosts)
        self._note(plan, values, hosts)
        return results

    def _run_natively(
        self, plan: RunPlan, values: tuple[Any, ...], hosts: HostLog
    ) -> list[Any] | None:
        """The usual run, feeds taken in natively; None, having run nothing, where it cannot be."""
        stage = plan.current
        if stage is None or stage.busy or stage.staged.rest is not None:
            return None
        executable = stage.executable
        if executable.generation != executable.state.generation:
            return None
        self._copy(executable)
        executable.host_hook = recording(hosts)
        stage.busy = True
        try:
            return executable.attempt(values)
        finally:
            stage.busy = False
            executable.host_hook = None

    def _is_bad(self, plan: RunPlan, results: list[Any]) -> bool:
        if not plan.flagged:
            names = {name for node in plan.graph.nodes for name in node.writes}
            arrays = [self.session._state.variables[n] for n in names]
            return not all(_is_finite(a) for a in arrays)
        return bool(results[-1] != 0) or not all(_is_finite(a) for a in plan.stacks(results[:-1]))

    def _copy(self, executable: Executable) -> None:
        """Copy what the plan changes and no run since the last copy has changed."""
        journal, state = self.journal, executable.state
        if executable in journal.copied:
            return
        journal.copied.add(executable)
        for name in executable.plan.writes:
            if name not in journal.variables:
                known = name in state.initialized
                journal.variables[name] = self._copy_of(name) if known else None
        for slot in executable.plan.slots:
            if slot.kind == COUNTER and slot.name not in journal.counters:
                journal.counters[slot.name] = state.counter(slot.name).copy()

    def _note(self, plan: RunPlan, values: tuple[Any, ...], hosts: HostLog) -> None:
        journal = self.journal
        if self._mixed:
            if not self._running:
                self._mixed = False
                self.forget()
            return
        if not journal.variables and not journal.counters:
            return  # nothing has changed: nothing need be repeated
        kept = tuple(Kept(value, copy=self._copies_feeds) for value in values)
        journal.runs.append(Done(plan, kept, hosts))
        journal.fed.update((k.address, k) for k in kept if k.address)
        journal.nbytes += sum(k.nbytes for k in kept)
        journal.nbytes += sum(a.nbytes for _, arrays in hosts for a in arrays)
        if len(journal.runs) >= PERIOD or journal.nbytes > MAX_KEPT_NBYTES:
            self.forget()

    def _copy_of(self, name: str) -> np.ndarray:
        array, spare = self.session._state.variables[name], self._spare.get(name)
        if spare is None or spare.shape != array.shape or spare.dtype != array.dtype:
            spare = self._spare[name] = np.empty_like(array)
        np.copyto(spare, array)
        return spare

    def _look_at_feeds(self, values: tuple[Any, ...]) -> None:
        """Notice when the program feeds other data in the memory of an earlier feed."""
        fed = self.journal.fed
        for value in values:
            if isinstance(value, np.ndarray) and value.nbytes > MAX_COPIED_NBYTES:
                earlier = fed.get(address_of(value))
                if earlier is not None and not earlier.is_as_it_was():
                    self._copies_feeds = True
                    self.forget()
                    return

    # -------------------------------------------------------------------------------- failing

    def _fail(self, plan: RunPlan, values: tuple[Any, ...], hosts: HostLog) -> None:
        """Go back to the state before the run, and raise what blame says."""
        journal, self.journal = self.journal, Journal()
        fed = [kept for done in journal.runs for kept in done.values]
        repeatable = not self._mixed and all(kept.is_as_it_was() for kept in fed)
        if repeatable:
            self._go_back(journal)
        state = self.session._state
        variables = {name: array.copy() for name, array in state.variables.items()}
        counters = {name: counter.copy() for name, counter in state.counters.items()}
        error = blame(plan, values, hosts, run=self.count, repeatable=repeatable)
        for name, array in variables.items():  # blame may have done the run again
            state.replace(name, array)
        for name, counter in counters.items():
            state.counter(name)[...] = counter
        raise error

    def _go_back(self, journal: Journal) -> None:
        state = self.session._state
        for name, array in journal.variables.items():
            if array is not None:
                state.replace(name, array)
            else:
                state.initialized.discard(name)
                state.generation += 1  # plans look again whether it has a value
        for name, counter in journal.counters.items():
            state.counter(name)[...] = counter
        for done in journal.runs:
            repeat(done.plan, tuple(kept.value for kept in done.values), done.hosts)


def repeat(plan: RunPlan, values: tuple[Any, ...], hosts: HostLog) -> None:
    """Do a run again, natively, with what its host operations returned then."""
    known = replaying(hosts)

    def execute(executable: Executable) -> list[Any]:
        executable.host_hook = known
        try:
            return executable.run()
        finally:
            executable.host_hook = None
            executable.state.initialized.update(executable.plan.writes)

    plan.run_unguarded(values, execute)


def _is_finite(array: Any) -> bool:
    array = np.asarray(array)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
