"""``Session.run_steps``: many steps in one native call.

Read next: optimize/repeat.py (the loop), runplan.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph import compile as compiler
from flowgraph.dtypes import bool_, int32
from flowgraph.fetching import Leaf, flatten_fetches, resolve_feed_key
from flowgraph.graph.apply import call
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.optimize.frozen import FrozenGraph
from flowgraph.optimize.repeat import repeat
from flowgraph.runplan import RunPlan
from flowgraph.shapes import Dims

if TYPE_CHECKING:
    from flowgraph.session import BaseSession


class StepsPlan(RunPlan):
    """A RunPlan whose graph runs the leaves many times."""

    def __init__(
        self,
        session: BaseSession,
        leaves: Sequence[Leaf],
        feeds: Sequence[Tensor],
        batched: Sequence[bool],
        room: int,
        *,
        every: bool,
        until: int | None,
    ) -> None:
        self.step_feeds, self.batched = list(feeds), list(batched)
        self.room, self.every, self.until = room, every, until
        # Placeholders of a graph of its own say what the loop is fed with.
        with Graph().as_default():
            given = [_placeholder(int32, ()), _placeholder(int32, (None, None))]
            for tensor, rows in zip(feeds, batched, strict=True):
                dims = tensor.dims
                if rows and dims is not None:
                    dims = (None, *dims[1:])
                given.append(_placeholder(tensor.dtype.base_dtype, dims))
        super().__init__(session, leaves, given, session._find_guard())

    def loop(self, step: FrozenGraph) -> FrozenGraph:
        """The graph that runs ``step`` many times."""
        return repeat(step, self.batched, self.room, every=self.every, until=self.until)

    def plain_runs(self, values: Sequence[Any]) -> Iterator[tuple[FrozenGraph, list[Any], str]]:
        """The steps one by one, not optimised."""
        arrays = [convert(value) for convert, value in zip(self.converts, values, strict=True)]
        steps, order, *given = arrays
        graph = compiler.as_written(self.fetched, self.step_feeds)
        for i in range(int(steps)):
            feeds = [
                array[order[i]] if rows else array
                for array, rows in zip(given, self.batched, strict=True)
            ]
            yield graph, feeds, f"step {i} of run_steps"

    def stacks(self, results: Sequence[Any]) -> list[Any]:
        """The rows that were written."""
        count, *stacks = results
        return [np.asarray(stack)[: int(count)] for stack in stacks]

    def prepare(self, fetches: Sequence[Tensor | Operation]) -> FrozenGraph:
        """The optimised graph of the loop."""
        around = self.loop if self.guard is None else self.guard.around(self, self.loop)
        return compiler.prepare(fetches, self.step_feeds, self.dump, around)

    def place(self, results: list[Any]) -> list[Any]:
        """The number of steps and the stacks, as they are."""
        return results


def _placeholder(dtype: Any, dims: Dims) -> Tensor:
    return call.Placeholder(dtype=dtype, shape=dims)


def run_steps(
    session: BaseSession,
    fetches: Any,
    steps: int | None,
    feed_dict: Mapping[Any, Any] | None,
    batches: Mapping[Any, Any] | None,
    batch_size: int | None,
    order: Any,
    until: Any,
    every: bool,
) -> Any:
    """See Session.run_steps."""
    rows, steps = _rows(batches or {}, batch_size, order, steps)
    leaves, rebuild = flatten_fetches(session.graph, fetches)
    tensors = dict.fromkeys(leaf for leaf in leaves if isinstance(leaf, Tensor))
    feeds = [resolve_feed_key(session.graph, key) for key in (*(batches or ()), *(feed_dict or ()))]
    batched = [True] * len(batches or ()) + [False] * len(feed_dict or ())
    wanted: list[Leaf] = list(leaves)
    if until is not None:
        (stop,), _ = flatten_fetches(session.graph, until)
        if not isinstance(stop, Tensor) or stop.dtype.base_dtype is not bool_ or stop.dims != ():
            raise TypeError(f"run_steps: until must be a bool tensor without axes, got {until!r}")
        wanted.append(stop)
        tensors.setdefault(stop)
    position: dict[Any, int] = {tensor: k for k, tensor in enumerate(tensors)}
    stop_at = None if until is None else position[stop]
    room = max(1, 1 << max(steps - 1, 0).bit_length()) if every else 1
    key = ("steps", tuple(wanted), tuple(feeds), tuple(batched), room, every, stop_at)
    with session._lock:
        plan = session._step_plans.get(key)
        if plan is None:
            plan = session._step_plans[key] = StepsPlan(
                session, wanted, feeds, batched, room, every=every, until=stop_at
            )
        values = (np.int32(steps), rows, *(batches or {}).values(), *(feed_dict or {}).values())
        done, *stacks = plan.run(values)
    count = int(done)
    results: list[Any] = []
    for leaf in leaves:
        stack = stacks[position[leaf]] if isinstance(leaf, Tensor) else None
        if stack is None or not (every or count):
            results.append(None)
        else:
            results.append(stack[:count] if every else stack[0][()])
    return rebuild(results)


def _rows(
    batches: Mapping[Any, Any], batch_size: int | None, order: Any, steps: int | None
) -> tuple[np.ndarray, int]:
    """The rows of each step's batch, and the number of steps."""
    counts = {len(np.asarray(array)) for array in batches.values()}
    if len(counts) > 1:
        raise ValueError(f"run_steps: batches are taken from arrays of {sorted(counts)} rows")
    if not batches:
        if order is not None or batch_size is not None:
            raise ValueError("run_steps: order and batch_size are for batches, which are not given")
        if steps is None:
            raise ValueError("run_steps: give the number of steps, or batches")
        return np.zeros((0, 0), np.int32), _count(steps)
    (total,) = counts
    if order is None:
        if batch_size is None:
            raise ValueError("run_steps: give batch_size, or order")
        if not batch_size >= 1:
            raise ValueError(f"run_steps: batch_size must be positive, got {batch_size}")
        full = total // batch_size
        rows = np.arange(full * batch_size, dtype=np.int32).reshape(full, batch_size)
        if steps is not None and full:
            rows = np.resize(rows, (_count(steps), batch_size))  # over and over
    else:
        rows = np.asarray(order, np.int32)
        if rows.ndim != 2:
            raise ValueError(f"run_steps: order must be [steps, batch], got shape {rows.shape}")
        if rows.size and not 0 <= rows.min() <= rows.max() < total:
            raise ValueError(f"run_steps: order names rows outside of [0, {total})")
    if steps is None:
        steps = len(rows)
    if _count(steps) > len(rows):
        raise ValueError(f"run_steps: {steps} steps, but order has {len(rows)}")
    return rows, steps


def _count(steps: Any) -> int:
    if not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ValueError(f"run_steps: steps must be a number of steps, got {steps!r}")
    return int(steps)
