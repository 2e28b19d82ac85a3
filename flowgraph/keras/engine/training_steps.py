"""Step: what one batch runs; and many batches in one native call.

    step.once(values)               feeds arrays, fetches loss and metrics, runs the updates
    step.batch(values)              the same, by the plan that runs many, where that can be
    Batches(step, arrays, order)    batches by index out of whole arrays: ``run(first, count)``
                                    makes ``count`` steps inside the native plan (steps.py)

One batch or many run the same kernels in the same order: results are equal bit by bit.

Read next: training_loops.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.training_at_once import AtOnce
from flowgraph.keras.engine.training_data import feedable, rows_of
from flowgraph.steps import StepsPlan

#: Results of so many batches have room in every plan, so that one plan serves short epochs.
_ROOM = 1024


class Step:
    """What is run for one batch.

    Args:
        graph: of the model.
        feeds: placeholders that a batch is fed to.
        fetches: tensors; scalars if many batches are to run natively.
        operations: to be run too.
        training: the learning phase; None to leave it alone.
    """

    def __init__(
        self,
        graph: Any,
        feeds: Sequence[Any],
        fetches: Sequence[Any],
        operations: Sequence[Any] = (),
        training: bool | None = None,
    ) -> None:
        self.graph, self.feeds, self.fetches = graph, list(feeds), list(fetches)
        self.constants: list[tuple[Any, bool]] = []
        with graph.as_default():
            phase = K.learning_phase()
            if training is not None and not isinstance(phase, int):
                self.constants = [(phase, training)]
            with tf.name_scope("training"):
                self.operations = [tf.group(*operations)] if operations else []
                loss = self.fetches[0] if self.fetches else None
                self._until = None
                if loss is not None and loss.shape.ndims == 0 and loss.dtype.is_floating:
                    self._until = tf.logical_not(tf.is_finite(loss))
        self._sparse = any(not isinstance(x, tf.Tensor) for x in self.feeds)
        #: Whether many steps can run in one native call, as far as is known.
        self.native = not self._sparse
        self._at_once: AtOnce | None = None
        if graph.building_function:
            self.native, self._at_once = False, AtOnce(graph)
        self._prepared: tuple[Any, Any] = (None, None)

    def session(self) -> Any:
        """The session, with all variables initialized; what stands for it in eager mode."""
        if self._at_once is not None:
            return self._at_once
        with self.graph.as_default():
            session = K.get_session()
        if session.graph is not self.graph:
            raise ValueError(
                "the model was made in another graph than that of the session: K.clear_session or "
                "tf.reset_default_graph was called since, or another session is the default"
            )
        return session

    def once(self, values: Sequence[Any], session: Any = None) -> list[Any]:
        """The fetches for one batch.

        Args:
            values: of the feeds.
            session: ``self.session()``, where it is at hand.
        """
        session = self.session() if session is None else session
        constants = [value for _, value in self.constants]
        fetches = [*self.fetches, *self.operations]
        keys = [*self.feeds, *(key for key, _ in self.constants)]
        if self._sparse:
            values = [feedable(x) for x in values]
            results = session.run(fetches, dict(zip(keys, [*values, *constants], strict=True)))
            return results[: len(self.fetches)]
        known, run = self._prepared
        if known is not session:
            run = session.make_callable(fetches, keys)
            self._prepared = session, run
        return run(*values, *constants)[: len(self.fetches)]

    def batch(self, values: Sequence[Any]) -> list[Any]:
        """The fetches for one batch, bit by bit what ``many`` gives.

        Args:
            values: of the feeds, of one length.
        """
        session = self.session()
        if self.native and values and can_run_natively(values):
            arrays = as_fed(values, self.feeds)
            rows = np.arange(len(arrays[0]), dtype=np.int32)[None]
            results = self.many(session, arrays, rows, 1)
            if results is not None:
                return [stack[0] for stack in results]
        return self.once(values, session)

    def many(
        self,
        session: Any,
        arrays: Sequence[np.ndarray],
        rows: np.ndarray,
        count: int,
        *,
        until_invalid: bool = False,
    ) -> list[np.ndarray] | None:
        """The fetches of ``count`` batches, each stacked; None where that does not run natively.

        Args:
            session: ``self.session()``.
            arrays: of the feeds, whole and of their dtypes.
            rows: int32 [count or more, batch]: which rows make each batch.
            count: how many batches.
            until_invalid: whether the batch whose loss is not finite is the last.
        """
        leaves = [*self.fetches, *self.operations]
        stop = None
        if until_invalid and self._until is not None:
            leaves.append(self._until)
            stop = len(self.fetches)
        room = max(_ROOM, 1 << max(len(rows) - 1, 0).bit_length())
        key = (self, room, stop)
        values = (np.int32(count), rows, *arrays, *(value for _, value in self.constants))
        with session._lock:
            plan = session._step_plans.get(key)
            try:
                if plan is None:
                    feeds = [*self.feeds, *(key for key, _ in self.constants)]
                    batched = [True] * len(self.feeds) + [False] * len(self.constants)
                    plan = StepsPlan(session, leaves, feeds, batched, room, every=True, until=stop)
                if plan.current is None:
                    plan.find(values)
                    self.native = not _interpreted(plan)
            except (tf.errors.OpError, NotImplementedError):
                # A size that only the batch knows, say: then each batch is a run of its own.
                self.native = False
            if not self.native:
                return None
            session._step_plans[key] = plan
            done, *stacks = plan.run(values)
        # NB: a tensor that is fetched twice has one stack
        places = {x: k for k, x in enumerate(dict.fromkeys(self.fetches))}
        return [stacks[places[x]][: int(done)] for x in self.fetches]


def _interpreted(plan: StepsPlan) -> bool:
    """Whether the loop is walked in Python: where a size is known to no one before."""
    assert plan.current is not None
    instrs = plan.current.executable.plan.instrs
    return any(node.bodies for instr in instrs if instr.is_host for node in instr.nodes)


def as_fed(arrays: Sequence[Any], feeds: Sequence[Any]) -> list[Any]:
    """Arrays of numbers in the dtypes of the feeds; others as they are."""
    found = []
    for x, feed in zip(arrays, feeds, strict=True):
        if isinstance(x, np.ndarray) and x.dtype.kind in "buif":
            x = np.ascontiguousarray(x, feed.dtype.base_dtype.as_numpy_dtype)
        found.append(x)
    return found


def can_run_natively(arrays: Sequence[Any]) -> bool:
    """Whether batches can be taken out of these natively: NumPy arrays of numbers."""
    return all(isinstance(x, np.ndarray) and x.dtype.kind in "buif" for x in arrays)


class Batches:
    """The batches of an epoch.

    Args:
        step: what each runs.
        arrays: one for each feed, whole.
        order: the samples in the order in which they come.
        batch_size: samples of a batch; the last may have fewer.
        native: whether to try to run many in one call.
    """

    def __init__(
        self, step: Step, arrays: Sequence[Any], order: np.ndarray, batch_size: int, native: bool
    ) -> None:
        self.step, self.arrays, self.batch_size = step, arrays, batch_size
        self.session = step.session()
        self.full, rest = divmod(len(order), batch_size)
        self.count = self.full + (rest > 0)
        self.order, self.native = order, native and step.native
        if self.native:
            table = np.ascontiguousarray(order, np.int32)
            self._table = table[: self.full * batch_size].reshape(self.full, batch_size)
            self._rest = table[self.full * batch_size :].reshape(-1, rest) if rest else None

    def size(self, batch: int) -> int:
        """How many samples batch number ``batch`` has."""
        return min(self.batch_size, len(self.order) - batch * self.batch_size)

    def run(
        self, first: int, count: int, *, until_invalid: bool = False, alone: bool = False
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Run ``count`` batches from number ``first`` on, or as many as one call can.

        Args:
            first, count: numbers of batches.
            until_invalid: whether the batch whose loss is not finite is the last.
            alone: whether every call is for one batch, the epoch long.

        Returns:
            The sizes of those that were run, float64; the fetches, each stacked.
        """
        results = None
        if self.native:
            if first < self.full:
                count = min(count, self.full - first)
                rows = self._table
                if alone:
                    rows = rows[first : first + 1]
                elif first:
                    # The same shape as that of a whole epoch, so that one plan serves all.
                    rows = np.concatenate([rows[first:], rows[:first]])
            else:
                assert self._rest is not None
                count, rows = 1, self._rest
            results = self.step.many(
                self.session, self.arrays, rows, count, until_invalid=until_invalid
            )
            self.native = results is not None
        if results is None:
            count = 1
            start = first * self.batch_size
            ids: Any = self.order[start : start + self.size(first)]
            if len(ids) and ids[-1] - ids[0] == len(ids) - 1 and (np.diff(ids) == 1).all():
                ids = slice(int(ids[0]), int(ids[-1]) + 1)
            values = self.step.once([rows_of(x, ids) for x in self.arrays], self.session)
            results = [np.asarray(value)[None] for value in values]
        count = len(results[0]) if results else count
        sizes = np.full(count, self.size(first), np.float64)
        sizes[-1] = self.size(first + count - 1)
        return sizes, results


class Pace:
    """How many batches to run in one call, so that a progress bar moves every so often.

    Args:
        seconds: that a call should take; None for as many batches as there are.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.count = seconds, 1
        self._start = 0.0

    def begin(self, left: int) -> int:
        """How many of ``left`` batches to run now."""
        self._start = time.perf_counter()
        return left if self.seconds is None else min(left, self.count)

    def end(self, done: int) -> None:
        """Note that ``done`` batches were run since ``begin``."""
        if self.seconds is not None:
            per_batch = (time.perf_counter() - self._start) / max(done, 1)
            wanted = int(self.seconds / max(per_batch, 1e-9))
            self.count = max(1, min(wanted, 16 * self.count))
