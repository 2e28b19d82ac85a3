"""A queue of a session: elements, and those who wait to put some in or take some out.

Whoever wants something of the queue makes an Attempt and lines it up: enqueuing and closing in one
line, dequeuing in the other.  ``_advance`` lets the first of each line do what it can (an
``enqueue_many`` puts in what there is room for), again and again, until neither can go on; who is
done is woken.  So elements come and go in the order of the attempts, an attempt for more elements
than the capacity works, and no wake-up is lost: all of it happens under the session's lock.

Read next: stores.py (order of the elements), queue_ops.py (the operations).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.errors import CancelledError, OutOfRangeError
from flowgraph.ops.rules import invalid
from flowgraph.ops.texts import filled
from flowgraph.queues.stores import Element, Store
from flowgraph.runtime.waiting import Waiter, give_way
from flowgraph.shapes import Dims, is_compatible


def shape_text(dims: Dims) -> str:
    """``[?,2]``."""
    if dims is None:
        return "<unknown>"
    return "[" + ",".join("?" if d is None else str(d) for d in dims) + "]"


class _Attempt(Waiter):
    """Something to be done when it can be: ``step`` does what it can of it.

    moved: whether the last ``step`` changed the queue.
    """

    __slots__ = ("moved", "queue")

    def __init__(self, queue: HostQueue, what: str) -> None:
        super().__init__(what)
        self.queue, self.moved = queue, False

    def step(self) -> None:
        """Do what is possible now; ``finish`` when that is all."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Undo what can be undone: nobody waits for this any more."""


class _Enqueue(_Attempt):
    __slots__ = ("elements",)

    def __init__(self, queue: HostQueue, elements: Sequence[Element]) -> None:
        super().__init__(queue, "Enqueue operation")
        self.elements = deque(elements)

    def step(self) -> None:
        queue, store = self.queue, self.queue.store
        self.moved = False
        if queue.closed:
            self.finish(CancelledError(None, None, f"{queue} is closed."))
            return
        while self.elements and len(store) < queue.capacity:
            store.put(self.elements.popleft())
            self.moved = True
        if not self.elements:
            self.finish()


class _Close(_Attempt):
    __slots__ = ()

    def step(self) -> None:
        queue = self.queue
        self.moved = not queue.closed
        if queue.closed:
            text = f"Queue '{queue.name}' is already closed."
            self.finish(CancelledError(None, None, text))
            return
        queue.closed = True
        self.finish()


class _Dequeue(_Attempt):
    __slots__ = ("count", "few", "taken")

    def __init__(self, queue: HostQueue, count: int, few: bool) -> None:
        super().__init__(queue, "Dequeue operation")
        self.count, self.few = count, few
        self.taken: list[Element] = []

    def step(self) -> None:
        queue, store = self.queue, self.queue.store
        self.moved = False
        missing = self.count - len(self.taken)
        if queue.closed and len(store) < missing:
            store.put_back(self.taken)
            self.taken = []
            if not (self.few and len(store)):
                self.finish(
                    OutOfRangeError(
                        None, None,
                        f"{queue} is closed and has insufficient elements (requested "
                        f"{self.count}, current size {len(store)})",
                    )
                )  # fmt: skip
                return
            missing = self.count = len(store)
        for _ in range(min(missing, store.ready(queue.closed))):
            self.taken.append(store.take())
            self.moved = True
        if len(self.taken) == self.count:
            self.finish()

    def abandon(self) -> None:
        self.queue.store.put_back(self.taken)
        self.taken = []


class _Peek(_Attempt):
    """Waits until there is an element at a place, and leaves it there."""

    __slots__ = ("found", "place")

    def __init__(self, queue: HostQueue, place: int) -> None:
        super().__init__(queue, "Peek operation")
        self.place, self.found = place, ()

    def step(self) -> None:
        store = self.queue.store
        self.moved = False
        if len(store) > self.place:
            before = [store.take() for _ in range(self.place + 1)]
            self.found = before[-1]
            store.put_back(before)
            self.finish()


class HostQueue:
    """A queue.

    Args:
        kind: what it calls itself in errors: ``FIFOQueue``.
        name: its name in the session.
        capacity: how many elements it holds; negative: any number.
        dtypes: of the components.
        shapes: of the components, sizes may be None; empty: any.
        store: where the elements are.
        pads: whether a batch is padded to its largest element where sizes are None.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        capacity: int,
        dtypes: Sequence[DType],
        shapes: Sequence[Dims],
        store: Store,
        pads: bool = False,
    ) -> None:
        self.kind, self.name, self.store, self.pads = kind, name, store, pads
        self.given_capacity = capacity
        self.capacity: float = capacity if capacity >= 0 else float("inf")
        self.dtypes, self.shapes = list(dtypes), list(shapes)
        self.closed = False
        self._enqueuing: deque[_Attempt] = deque()
        self._dequeuing: deque[_Attempt] = deque()
        self._peeking: deque[_Attempt] = deque()

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"

    def __len__(self) -> int:
        return len(self.store)

    # ----------------------------------------------------------------------------- what is asked

    def enqueue(self, components: Sequence[Any]) -> None:
        """Put one element in; waits for room.

        Raises:
            CancelledError: the queue is closed, or was meanwhile.
            InvalidArgumentError: a shape is not the queue's.
        """
        self._check(components, ())
        self._do(_Enqueue(self, [tuple([np.array(c) for c in components])]), self._enqueuing)

    def enqueue_many(self, components: Sequence[Any]) -> None:
        """Put the rows of the components in, one element each; as ``enqueue``."""
        count = None
        for number, component in enumerate(components):
            if not np.ndim(component):
                raise invalid(f"component {number} of enqueue_many must have rows, got a scalar")
            count = len(component) if count is None else count
            if len(component) != count:
                raise invalid(
                    "All input tensors must have the same size in the 0th dimension. Component "
                    f"{number} has {len(component)}, and should have {count}"
                )
        self._check(components, (count,))
        copies = [np.array(c) for c in components]
        if self.closed or copies[0].shape[0]:
            self._do(_Enqueue(self, list(zip(*copies, strict=True))), self._enqueuing)

    def dequeue(self) -> Element:
        """The next element; waits until there is one.

        Raises:
            OutOfRangeError: the queue is closed and empty.
        """
        attempt = _Dequeue(self, 1, few=False)
        self._do(attempt, self._dequeuing)
        return attempt.taken[0]

    def dequeue_many(self, count: int, *, few: bool = False) -> Element:
        """The next ``count`` elements, each component stacked along a new first axis.

        Args:
            count: how many.   few: when the queue is closed, as many as there are will do.

        Raises:
            OutOfRangeError: the queue is closed and has not so many (few: none).
        """
        if count < 0:
            which = "DequeueUpToOp" if few else "DequeueManyOp"
            raise invalid(f"{which} requested {count} < 0 elements")
        if not self.shapes:
            raise invalid(
                f"{self.kind}'s DequeueMany and DequeueUpTo require the components to have "
                "specified shapes."
            )
        attempt = _Dequeue(self, count, few)
        if count:
            self._do(attempt, self._dequeuing)
        return tuple(
            self._stacked([element[k] for element in attempt.taken], dtype.np, dims)
            for k, (dtype, dims) in enumerate(zip(self.dtypes, self.shapes, strict=True))
        )

    def peek(self, place: int) -> Element:
        """The element at ``place``, which stays; waits until there is one."""
        if place < 0:
            raise invalid(f"index must not be negative, got {place}")
        attempt = _Peek(self, place)
        self._do(attempt, self._peeking)
        return attempt.found

    def clear(self) -> None:
        """Take everything out; who waits for room gets it."""
        while len(self.store):
            self.store.take()
        self._advance()

    def close_after_pending(self, cancel_pending: bool) -> None:
        """No more elements will come.

        Args:
            cancel_pending: those that wait for room are cancelled; otherwise they come in first.

        Raises:
            CancelledError: it was closed before.
        """
        attempt = _Close(self, "Close operation")
        if not cancel_pending:
            self._do(attempt, self._enqueuing)
            return
        for pending in self._enqueuing:
            pending.cancel()
        self._enqueuing.clear()
        attempt.step()  # NB: at once, or another might line up in between
        self._advance()
        attempt.wait()

    def close(self) -> None:
        """The session ends (its waiters are woken by it)."""
        self.closed = True

    # ---------------------------------------------------------------------------- how it is done

    def _do(self, attempt: _Attempt, line: deque[_Attempt]) -> None:
        give_way()
        if not line:  # nobody comes first
            attempt.step()
        if not attempt.done:
            line.append(attempt)
        if self._enqueuing or self._dequeuing or self._peeking:
            self._advance()
        try:
            attempt.wait()
        except BaseException:
            if attempt in line:
                line.remove(attempt)
            attempt.abandon()
            self._advance()
            raise

    def _advance(self) -> None:
        moving = True
        while moving:
            moving = False
            for line in (self._enqueuing, self._dequeuing):
                while line:
                    attempt = line[0]
                    if not attempt.done:  # one that was cancelled leaves the line by itself
                        attempt.step()
                        moving = moving or attempt.moved
                    if not attempt.done:
                        break
                    if line and line[0] is attempt:
                        line.popleft()
            for attempt in [*self._peeking]:  # these take nothing: none must wait for another
                attempt.step()
                if attempt.done:
                    self._peeking.remove(attempt)

    def _check(self, components: Sequence[Any], leading: tuple[int | None, ...]) -> None:
        for number, (component, dims) in enumerate(zip(components, self.shapes, strict=False)):
            wanted = dims if dims is None else (*leading, *dims)
            if not is_compatible(wanted, np.shape(component)):
                raise invalid(
                    f"Shape mismatch in tuple component {number}. Expected {shape_text(wanted)}, "
                    f"got {shape_text(np.shape(component))}"
                )

    def _stacked(self, rows: list[Any], dtype: Any, dims: Dims) -> Any:
        if not rows:
            return np.zeros((0, *(d or 0 for d in dims or ())), dtype)
        shape = np.shape(rows[0])
        if self.pads and dims is not None and None in dims:
            shape = tuple(max(sizes) for sizes in zip(*(np.shape(r) for r in rows), strict=True))
            stacked = np.full((len(rows), *shape), b"" if dtype.hasobject else 0, dtype)
            for place, row in zip(stacked, rows, strict=True):
                place[tuple(slice(size) for size in np.shape(row))] = row
            return stacked
        if dtype.hasobject:
            flat = [item for row in rows for item in np.reshape(np.asarray(row, object), -1)]
            return filled(flat, (len(rows), *shape))
        if not shape:
            return np.array(rows, dtype)
        return np.stack(rows)
