"""Waiting for other runs of the session: for an element in a queue, for room in one.

A session runs one thing at a time, under its lock.  A host operation that cannot go on lets go of
the lock until another run has done what it waits for::

    thread 1   run(dequeue)   holds | waits .......... | holds, goes on
    thread 2   run(enqueue)         | holds, finish()  |

All state of a resource is only touched under the lock, so nothing else need be protected.  What
was bound to the waiting run (its Executable) is not used by others meanwhile (runplan.py).

Read next: state.py, executor.py (what is checked after a wait).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from flowgraph.errors import CancelledError, DeadlineExceededError
from flowgraph.runtime.state import current_state

T = TypeVar("T")


class _Limit(threading.local):
    deadline: float | None = None


_limit = _Limit()


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Let runs in this block wait so long altogether; None: as the session says."""
    before = _limit.deadline
    if seconds is not None:
        _limit.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        _limit.deadline = before


class Waiter:
    """Something that a run may have to wait for.  All methods are called under the session's lock.

    Args:
        what: who would be cancelled, for the message: ``"Dequeue operation"``.
    """

    __slots__ = ("_condition", "_error", "_state", "_what", "done")

    def __init__(self, what: str) -> None:
        self._state, self._what = current_state(), what
        self._condition: threading.Condition | None = None
        self._error: Exception | None = None
        self.done = False

    def finish(self, error: Exception | None = None) -> None:
        """What is waited for has happened; or ``error`` says why it will not."""
        if not self.done:
            self.done, self._error = True, error
            if self._condition is not None:
                self._state.woken += 1
                self._condition.notify()

    def cancel(self) -> None:
        """It will not happen: the session is closed, or someone asked for this."""
        self.finish(self._cancelled())

    def _cancelled(self) -> CancelledError:
        return CancelledError(None, None, f"{self._what} was cancelled")

    def wait(self) -> None:
        """Return when finished; let other runs go on until then.

        Raises:
            the error of ``finish``.
            CancelledError: the session was closed.
            DeadlineExceededError: a time limit has passed.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        if not self.done:
            self._block()
            if self._state.closed and self._error is None:
                self._error = self._cancelled()  # what the run would go on with is not there
        if self._error is not None:
            raise self._error

    def _block(self) -> None:
        state = self._state
        if state.closed:
            self.cancel()
            return
        deadline = _limit.deadline
        if deadline is None and state.timeout is not None:
            deadline = time.monotonic() + state.timeout
        self._condition = threading.Condition(state.lock)
        state.waiters.add(self)
        state.waits += 1
        try:
            while not self.done:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise DeadlineExceededError(None, None, "Timed out waiting for notification")
                # NB: this lets go of the lock however often this thread holds it.
                self._condition.wait(left)
        finally:
            state.waiters.discard(self)
            if self.done:
                state.woken -= 1
                if not state.woken:
                    state.calm.notify_all()


def give_way() -> None:
    """Let those go on first who were woken: a lock is not fair.

    Else a thread that fills a queue takes the lock again and again until the queue is full, while
    the one that waited for its first element goes on waiting.
    """
    state = current_state()
    while state.woken:
        state.waits += 1
        state.calm.wait()
    if state.closed:
        raise CancelledError(None, None, "the session was closed")


class _Held(threading.local):
    def __init__(self) -> None:
        self.turns: list[Turns] = []


_held = _Held()


def give_up_turns() -> None:
    """A run of this thread has failed: what it has entered and not left is free again."""
    while _held.turns:
        _held.turns.pop().leave()


class Turns:
    """Lets one run at a time into a stretch in which it may wait; the others come in order."""

    def __init__(self, what: str) -> None:
        self._what, self._taken = what, False
        self._queue: list[Waiter] = []

    def enter(self) -> None:
        """Wait for the turn."""
        if not self._taken:
            self._taken = True
            return
        waiter = Waiter(self._what)
        self._queue.append(waiter)
        try:
            waiter.wait()
        except BaseException:
            if waiter in self._queue:
                self._queue.remove(waiter)
            elif waiter.done:  # it was our turn already
                self.leave()
            raise

    def leave(self) -> None:
        """Give the turn to the next."""
        if self._queue:
            self._queue.pop(0).finish()
        else:
            self._taken = False

    def enter_for_run(self) -> None:
        """``enter``; where the run fails before it leaves, it leaves then."""
        self.enter()
        _held.turns.append(self)

    def leave_in_run(self) -> None:
        """Leave what ``enter_for_run`` entered."""
        if self in _held.turns:
            _held.turns.remove(self)
            self.leave()

    def take(self, act: Callable[[], T]) -> T:
        """``act()`` in its turn."""
        self.enter()
        try:
            return act()
        finally:
            self.leave()
