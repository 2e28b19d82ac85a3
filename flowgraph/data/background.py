"""Elements prepared while others are used: prefetch, and map with several calls at a time.

A thread takes elements from the input and puts them into a bounded queue.  While it runs a native
plan the GIL is free, so preparing and training overlap.  Errors travel through the queue and come
out where the element would have: in ``get_next``.  Threads end with the iterator, and with the
process.

Order and values are those of the same pipeline without threads.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from flowgraph.data.functions import BoundFunction, Function
from flowgraph.data.node import Element, Env, Node, Rows, bad
from flowgraph.data.steps import Map
from flowgraph.data.structure import Component

#: Stands for as many as suit.
AUTOTUNE = -1
#: How many elements AUTOTUNE prepares.
_SOME = 2
#: Parts of arrays from so many bytes on are copied in the background.
_LARGE = 1 << 14


class Prefetch(Node):
    """The elements, up to ``buffer_size`` of them prepared in the background."""

    def __init__(self, source: Node, size: Component) -> None:
        self.inputs, self.arguments, self.structure = (source,), (size,), source.structure

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements of the input."""
        size = env.number(self.arguments[0])
        if size < -1:
            raise bad(f"prefetch: buffer_size must not be negative, not {size}")
        source = self.inputs[0].iterate(env)
        if size == 0:
            return source
        ahead = Ahead(source, _SOME if size == AUTOTUNE else size)
        env.shared.closers.append(ahead.close)
        return ahead

    def rows(self, env: Env) -> Rows | None:
        """Rows need no preparation."""
        return None


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_large_part(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not value.flags.owndata and value.nbytes >= _LARGE


class Ahead:
    """Iterator over what a thread prepares."""

    def __init__(self, source: Iterator[Element], size: int) -> None:
        self._ready: deque[tuple[bool, Any]] = deque()
        self._changed = threading.Condition()
        self._size, self._closed = size, False
        self._copies = cores() > 1
        self._source: Iterator[Element] | None = source
        self._thread: threading.Thread | None = None

    def _work(self) -> None:
        source = self._source
        while source is not None:
            with self._changed:
                while len(self._ready) >= self._size and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
            try:
                item: tuple[bool, Any] = True, self._prepared(next(source))
            except StopIteration:
                item = False, None
                source = None
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
                item = False, error
            with self._changed:
                self._ready.append(item)
                self._changed.notify_all()

    def _prepared(self, element: Element) -> Element:
        """Copies of what are parts of larger arrays: they would have to be copied later."""
        if not self._copies:
            return element
        return tuple([a.copy() if _is_large_part(a) else a for a in element])

    def __iter__(self) -> Ahead:
        return self

    def __next__(self) -> Element:
        with self._changed:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._work, name="flowgraph prefetch", daemon=True
                )
                self._thread.start()
            while not self._ready:
                if self._closed:
                    raise StopIteration
                self._changed.wait()
            good, value = self._ready[0]
            if good or value is not None:  # NB: the end stays the end
                self._ready.popleft()
                self._changed.notify_all()
        if good:
            return value
        if value is None:
            raise StopIteration
        raise value

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()


class ParallelMap(Map):
    """The function of each element, several at a time; the results in order."""

    def __init__(self, source: Node, function: Function, calls: Component) -> None:
        super().__init__(source, function)
        self.arguments = (calls,)

    def iterate(self, env: Env) -> Iterator[Element]:
        """The results."""
        calls = env.number(self.arguments[0])
        if calls < 1 and calls != AUTOTUNE:
            raise bad(f"map: num_parallel_calls must be greater than zero, not {calls}")
        workers = min(cores(), calls if calls > 0 else 8)
        source = self.inputs[0].iterate(env)
        if not self.function.is_pure or workers == 1:
            # NB: effects happen in the order of the elements.
            ahead = Ahead(map(BoundFunction(self.function, env), source), max(calls, _SOME))
            env.shared.closers.append(ahead.close)
            return ahead
        bound = [BoundFunction(self.function, env, number) for number in range(workers)]
        return _Several(source, bound, env, max(calls, workers))


class _Several:
    """Iterator over the results of calls that run side by side."""

    def __init__(
        self, source: Iterator[Element], functions: list[BoundFunction], env: Env, calls: int
    ) -> None:
        self._source, self._calls = source, calls
        self._free: deque[Callable[[Element], Element]] = deque(functions)
        self._pool = ThreadPoolExecutor(len(functions), "flowgraph map")
        self._waiting: deque[Future[Element]] = deque()
        env.shared.closers.append(lambda: self._pool.shutdown(False, cancel_futures=True))

    def _call(self, element: Element) -> Element:
        function = self._free.pop()  # NB: as many functions as threads
        try:
            return function(element)
        finally:
            self._free.append(function)

    def __iter__(self) -> _Several:
        return self

    def __next__(self) -> Element:
        while len(self._waiting) < self._calls:
            try:
                element = next(self._source)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - raised at its place in the order
                failed: Future[Element] = Future()
                failed.set_exception(error)
                self._waiting.append(failed)
                continue
            self._waiting.append(self._pool.submit(self._call, element))
        if not self._waiting:
            raise StopIteration
        return self._waiting.popleft().result()
