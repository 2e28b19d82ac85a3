"""What a Session keeps between runs: variable buffers and the positions of random streams.

Buffers never move while their size stays the same, so plans may hold their addresses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

#: Buffers start on a cache line, which is also the widest vector (bytes).
ALIGNMENT = 64


def aligned_empty(nbytes: int) -> np.ndarray:
    """Uninitialised uint8 memory that starts on a cache line."""
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


class State:
    """Variables and counters of one session.

    Attributes:
        variables: name -> array; present once a plan refers to the variable.
        initialized: names that hold a value.
        resources: what host operations keep, by name; ``close()`` is called at the end.
        counters: random op name -> int64[1], 128-bit samples drawn so far.
        lock: the session's: held while anything of it runs, let go while a run waits (waiting.py).
        timeout: seconds that a run may wait; None: for ever.
        waiters: who waits now.   waits: how often a run has waited.
        woken: how many need not wait any more and have not gone on yet; ``calm``: none is left.
        closed: the session was closed.
        generation: grows whenever a buffer is replaced by one of another size; plans made for an
            older generation must be bound again.
    """

    def __init__(self, lock: Any = None, timeout: float | None = None) -> None:
        self.lock = threading.RLock() if lock is None else lock
        self.timeout = timeout
        self.waiters: set[Any] = set()
        self.waits = 0
        self.woken = 0
        self.calm = threading.Condition(self.lock)
        self.closed = False
        self.variables: dict[str, np.ndarray] = {}
        self.initialized: set[str] = set()
        self.counters: dict[str, np.ndarray] = {}
        self.resources: dict[str, Any] = {}
        self.generation = 0
        #: Gives variables their initial values, where that is wished; False where it is not.
        self.initialize: Callable[[Iterable[str]], bool] = lambda names: False

    def variable(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The buffer of a variable, made or replaced when there is none of this size."""
        array = self.variables.get(name)
        if array is None or array.dtype != dtype or array.shape != shape:
            if array is not None:
                self.generation += 1
            if dtype.hasobject:
                array = np.empty(shape, dtype)
            else:
                size = int(np.prod(shape, dtype=np.int64))
                array = aligned_empty(size * dtype.itemsize).view(dtype).reshape(shape)
            self.variables[name] = array
        return array

    def replace(self, name: str, value: np.ndarray) -> None:
        """Set a variable that may change its size.

        NB: an array of strings is never written to, so that results may share it.
        """
        array = self.variable(name, value.dtype, value.shape)
        if value.dtype.hasobject:
            self.variables[name] = value.copy()
        else:
            array[...] = value

    def counter(self, name: str) -> np.ndarray:
        """The stream position of a random op."""
        return self.counters.setdefault(name, np.zeros(1, np.int64))

    def close(self) -> None:
        """Wake those who wait, and end what resources have started."""
        self.closed = True
        for waiter in list(self.waiters):
            waiter.cancel()
        while self.resources:
            self.resources.popitem()[1].close()


class _Current(threading.local):
    state: State | None = None


_current = _Current()


def current_state() -> State:
    """The state of the session whose host operation this thread runs."""
    assert _current.state is not None, "only host operations of a session have a state"
    return _current.state


def find_resource(name: str) -> Any:
    """What host operations keep under ``name`` in the session that runs, or None."""
    return None if _current.state is None else _current.state.resources.get(name)


def set_current_state(state: State | None) -> State | None:
    """Say whose host operation runs next; whose was running until now."""
    before, _current.state = _current.state, state
    return before
