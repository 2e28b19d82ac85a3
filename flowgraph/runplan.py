"""What one (fetches, feed keys) pair of ``Session.run`` knows: its graph, its plans, its shortcut.

    Entry      a fetch structure: how results go back into it, and the quick way to run it
      RunPlan    the leaves and feeds: the optimised FrozenGraph
        Stage      one set of feed shapes: an Executable, and what follows once its values are known

session.py imports this at the first run only: it brings the compiler with it.

Read next: compile.py (the stages of compilation), runtime/executor.py.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from flowgraph import compile as compiler
from flowgraph import config
from flowgraph.errors import UnimplementedError
from flowgraph.fetching import COMPOSITES, Leaf, check_feed_shape, feed_converter
from flowgraph.graph.node import Operation, Tensor
from flowgraph.lower.lowering import KEEPS_RESULTS, variables_read
from flowgraph.optimize.frozen import HOST, RANDOM, VARIABLE, WRITE, FrozenGraph
from flowgraph.optimize.specialize import Staged, continue_with
from flowgraph.plan.plan import Plan
from flowgraph.runtime.executor import Executable
from flowgraph.runtime.intake import DECLINED
from flowgraph.runtime.timing import Timing
from flowgraph.runtime.waiting import give_up_turns
from flowgraph.shapes import is_fully_known

if TYPE_CHECKING:
    from flowgraph.session import BaseSession

#: Initialisation (writes of freshly made values: no feeds, nothing read) up to this many random
#: numbers runs on the reference target: it runs once, so compiling kernels for it never pays.  The
#: rule looks at the plan only, never at clocks or caches: results are the same in every process.
MAX_REFERENCE_INITIAL_ELEMENTS = 4_000_000

#: Runs an Executable whose feeds are loaded: ``Executable.run``, or the profiler's timed way.
Execute = Callable[[Executable], list[Any]]


class Observer(Protocol):
    """Who watches all runs: a profiler."""

    def run(self, plan: RunPlan, values: tuple) -> list[Any]:
        """What ``plan.run(values)`` returns; gives it a way to execute."""

    def walk(self, executable: Executable) -> list[Any]:
        """What ``executable.run()`` returns."""

    def note(self, parts: list[tuple[Plan, Timing]], took: int) -> None:
        """A run that was traced: what was walked, and the ns that it took."""


#: Who watches now; the last one counts.
OBSERVERS: list[Observer] = []


def observe(observer: Observer) -> None:
    """Lead all runs of all sessions through ``observer``, until OBSERVERS has it no longer."""
    OBSERVERS.append(observer)
    for entry in list(_entries):
        entry.quick = None  # shortcuts pass everybody by


@dataclass(slots=True)
class Compiling:
    """What making plans has taken in this process so far: ns, and how many were made."""

    ns: int = 0
    plans: int = 0


COMPILING = Compiling()


#: Rebuilds a single fetch.
FIRST = itemgetter(0)


class Stage:
    """A plan for known sizes, and what follows it where sizes depend on its results."""

    def __init__(
        self,
        session: BaseSession,
        staged: Staged,
        converts: Sequence[Callable],
        dump: compiler.Dump,
    ) -> None:
        self.session, self.staged, self.dump = session, staged, dump
        begin = time.perf_counter_ns()
        plan = compiler.make_plan(staged.first, dump, changed=staged.changed)
        target = config.get("TARGET")
        if target == "cuda":
            raise UnimplementedError(
                None,
                None,
                "FLOWGRAPH_TARGET=cuda: Session does not run on CUDA devices yet (docs/cuda.md "
                "says what exists); use cpu or reference",
            )
        if is_initialization(staged.first, plan):
            target = "reference"
        self.executable = Executable(plan, session._state, target, converts)
        #: Where what follows only hands on results: the place of each fetch among them.
        self.handed_on = _handed_on(staged)
        if staged.rest is not None and self.handed_on is None:
            kept = [v.node.type in KEEPS_RESULTS for v in staged.boundary]
            self.executable.keep_results(kept)
        self.followers: dict[tuple, tuple[Stage, list[int]]] = {}
        self.busy = False
        COMPILING.ns += time.perf_counter_ns() - begin
        COMPILING.plans += 1

    @property
    def in_use(self) -> bool:
        """A run is in it: a nested one must take another, and so must one beside one that waits."""
        return self.busy or self.executable.in_host

    def run(self, execute: Execute = Executable.run) -> list[Any]:
        """Run with the loaded feeds."""
        results = execute(self.executable)
        if self.staged.rest is None:
            return results
        if self.handed_on is not None:
            return [results[place] for place in self.handed_on]
        arrays = [
            np.asarray(r, v.dtype.np) for r, v in zip(results, self.staged.boundary, strict=True)
        ]
        follower, fed = self.follower(arrays)
        given = [arrays[i] for i in fed]
        del results, arrays  # so that what they hold may be given away
        follower.executable.hand_over(given)
        return follower.run(execute)

    def follower(self, arrays: list[np.ndarray]) -> tuple[Stage, list[int]]:
        """The stage that continues after boundary values ``arrays``."""
        key = tuple(
            (a.shape, a.tobytes()) if by_value else a.shape
            for a, by_value in zip(arrays, self.staged.by_value, strict=True)
        )
        found = self.followers.get(key)
        if found is None:
            graph, fed = continue_with(self.staged, arrays)
            staged = compiler.stage(
                graph, [arrays[i].shape for i in fed], self.session._variable_shapes()
            )
            converts = [np.asarray] * len(fed)
            found = self.followers[key] = Stage(self.session, staged, converts, self.dump), fed
        return found


def _handed_on(staged: Staged) -> list[int] | None:
    """The places of the last fetches among the first part's results, if nothing is left to do."""
    if staged.rest is None or any(n.type != "Const" for n in staged.rest.nodes):
        return None
    if any(value not in staged.boundary for value in staged.rest.fetches):
        return None
    places = [staged.boundary.index(value) for value in staged.rest.fetches]
    # Equal tensors are fetched as different arrays.
    return places if len(set(places)) == len(places) else None


def is_initialization(graph: FrozenGraph, plan: Plan) -> bool:
    """True when a run only gives variables first values (MAX_REFERENCE_INITIAL_ELEMENTS)."""
    if graph.feeds or graph.fetches or plan.reads or not plan.writes:
        return False
    elements = 0
    for node in graph.nodes:
        if node.type == VARIABLE:
            continue
        if node.effect == HOST or (node.effect == WRITE and node.type != "Assign"):
            return False
        if node.effect == RANDOM:
            elements += sum(v.size for v in node.outputs)
    return elements <= MAX_REFERENCE_INITIAL_ELEMENTS


class RunPlan:
    """Everything that is known about one (fetches, feed keys) pair."""

    def __init__(
        self,
        session: BaseSession,
        leaves: Sequence[Leaf],
        feeds: Sequence[Tensor],
        guard: Any = None,
    ) -> None:
        self.session, self.feeds = session, list(feeds)
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        unique: dict[Leaf, int] = {}
        for leaf in tensors:
            unique.setdefault(leaf, len(unique))
        operations = list(dict.fromkeys(x for x in leaves if isinstance(x, Operation)))
        #: Per leaf, where its result stands, or -1.
        self.places = [unique[x] if isinstance(x, Tensor) else -1 for x in leaves]
        self.in_order = self.places == list(range(len(unique)))
        self.dump = compiler.Dump()
        self.fetched: list[Tensor | Operation] = [*unique, *operations]
        #: Watches for NaN and inf, where that was asked for: debug/guard.py.
        self.guard = guard
        #: With a guard: the last fetch is its flag.
        self.flagged = False
        begin = time.perf_counter_ns()
        self.graph = self.prepare(self.fetched)
        COMPILING.ns += time.perf_counter_ns() - begin
        self.sizeless = tuple(
            n.attrs["variable"]
            for n in self.graph.nodes
            if n.type == VARIABLE and not is_fully_known(n.outputs[0].shape)
        )
        read = variables_read(self.graph) if self.sizeless else ()
        self.sizeless_read = [name for name in self.sizeless if name in read]
        self.converts = [feed_converter(t) for t in self.feeds]
        #: By shapes; several of one kind when several runs were in it at one time.
        self.stages: dict[tuple, list[Stage]] = {}
        self.current: Stage | None = None
        self.is_forgotten = False
        if config.get("PROFILE"):
            # Imported here: runs without profile must not pay for it.
            from flowgraph.profile.everything import start

            start()

    def prepare(self, fetches: Sequence[Tensor | Operation]) -> FrozenGraph:
        """The optimised graph."""
        around = None if self.guard is None else self.guard.around(self, None)
        return compiler.prepare(fetches, self.feeds, self.dump, around)

    def plain_runs(self, values: Sequence[Any]) -> Iterator[tuple[FrozenGraph, list[Any], str]]:
        """What the run does, as written, not optimised: (graph, feeds, which step it is)."""
        feeds = [convert(value) for convert, value in zip(self.converts, values, strict=True)]
        yield compiler.as_written(self.fetched, self.feeds), feeds, ""

    def stacks(self, results: Sequence[Any]) -> list[Any]:
        """Arrays among the results that no flag covers."""
        return []

    def run(self, values: tuple, execute: Execute | None = None) -> list[Any]:
        """One result per leaf; ``execute`` runs an executable whose feeds are loaded."""
        if execute is None:
            if OBSERVERS:
                return OBSERVERS[-1].run(self, values)
            execute = Executable.run
        if self.guard is not None:
            return self.place(self.guard.run(self, values, execute))
        return self.place(self.run_unguarded(values, execute))

    def run_unguarded(self, values: tuple, execute: Execute) -> list[Any]:
        """What the plan fetches, in its order."""
        stage = self.current
        if (
            stage is None
            or stage.busy
            or stage.executable.generation != self.session._state.generation
            or not stage.executable.load(values)
        ):
            stage = self.find(values)
        stage.busy = True
        try:
            return stage.run(execute)
        except BaseException:
            give_up_turns()
            raise
        finally:
            stage.busy = False

    def place(self, results: list[Any]) -> list[Any]:
        """Results of the plan, one per leaf."""
        if self.in_order:
            return results
        return [None if place < 0 else results[place] for place in self.places]

    def quick(self, rebuild: Callable | None) -> Callable[[tuple], Any] | None:
        """A function that does ``rebuild(run(values))`` for feeds like the last, or None.

        It returns False, having run nothing, for feeds that are not like the last.
        """
        stage = self.current
        if stage is None or stage.staged.rest is not None or stage.executable.intake is None:
            return None
        if OBSERVERS or self.guard is not None:
            return None
        executable = stage.executable
        attempt, place = executable.attempt, self.place
        scalar = executable.scalar_intake
        if scalar is not None and self.places == [0] and rebuild is FIRST:
            take = scalar.call

            def quick_scalar(values: tuple) -> Any:
                result = take(values)
                if result is False and scalar.code() != DECLINED:
                    return executable.resume(scalar.code(), values)[0]
                return result

            return quick_scalar

        def quick(values: tuple) -> Any:
            results = attempt(values)
            if results is None:
                return False
            results = place(results)
            return results if rebuild is None else rebuild(results)

        return quick

    def find(self, values: Sequence[Any]) -> Stage:
        """The stage for these feeds, made if need be and loaded."""
        if self.is_forgotten:
            raise ValueError("what this callable runs was replaced when a cell ran again")
        arrays = [convert(value) for convert, value in zip(self.converts, values, strict=True)]
        for array, tensor in zip(arrays, self.feeds, strict=True):
            check_feed_shape(array.shape, tensor)
        state = self.session._state
        missing = [name for name in self.sizeless_read if name not in state.initialized]
        if missing:
            state.initialize(missing)  # their sizes decide what is planned
        variables = self.session._variable_shapes()
        shapes = [a.shape for a in arrays]
        key = (*shapes, *(variables.get(name) for name in self.sizeless))
        found = [s for s in self.stages.get(key, ()) if s.executable.generation == state.generation]
        stage = next((s for s in found if not s.in_use), None)
        if stage is None:
            staged = compiler.stage(self.graph, shapes, variables)
            stage = Stage(self.session, staged, self.converts, self.dump)
            found.append(stage)
        stage.executable.load(arrays)
        self.stages[key] = found
        self.current = stage
        return stage


def quick_rebuild(fetches: Any, rebuild: Callable) -> Callable | None:
    """A cheaper equal of ``rebuild`` for the usual fetches: one thing, or a flat list (None)."""
    structures = (list, tuple, Mapping, *COMPOSITES)
    if not isinstance(fetches, structures):
        return FIRST
    if type(fetches) is list and not any(isinstance(f, structures) for f in fetches):
        return None
    return rebuild


class Entry:
    """A fetch structure over a RunPlan: what ``run`` and callables look up.

    quick: see RunPlan.quick; kept while the buffers it points at stay where they are.
    """

    __slots__ = ("__weakref__", "plan", "quick", "rebuild")

    def __init__(self, plan: RunPlan, rebuild: Callable | None) -> None:
        self.plan, self.rebuild = plan, rebuild
        self.quick: Callable[[tuple], Any] | None = None
        _entries.add(self)

    def forget(self, operations: set[Operation]) -> None:
        """Operations were taken out of the graph: those who kept this entry cannot run it."""
        self.quick = None
        if any(node.op in operations for node in self.plan.graph.nodes):
            self.plan.is_forgotten = True
            self.plan.stages, self.plan.current = {}, None

    def run(self, values: tuple) -> Any:
        """The structure with its results."""
        session = self.plan.session
        results = self.plan.run(values)
        if session._state.generation != session._quick_generation:
            session._quick_generation = session._state.generation
            for entry in session._entries:
                entry.quick = None
        self.quick = self.plan.quick(self.rebuild)
        return results if self.rebuild is None else self.rebuild(results)


#: All that there are, so that an observer can take their shortcuts away.
_entries: weakref.WeakSet[Entry] = weakref.WeakSet()
