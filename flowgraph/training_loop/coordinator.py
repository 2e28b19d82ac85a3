"""Coordinator: threads that stop together, and hand the first error to the one that waits.

    with coord.stop_on_exception():      in each thread
        while not coord.should_stop():
            ...
    coord.request_stop(); coord.join()   in the main thread; raises what a thread raised

Read next: monitored_session.py.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from flowgraph.errors import OutOfRangeError
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging


@export("train.Coordinator")
class Coordinator:
    """Stops a set of threads together.

    Args:
        clean_stop_exception_types: exceptions that end the threads without being an error;
            ``tf.errors.OutOfRangeError`` by default: the end of the data.

    >>> coord = tf.train.Coordinator()
    >>> with coord.stop_on_exception():
    ...     raise tf.errors.OutOfRangeError(None, None, "no more data")
    >>> coord.should_stop()
    True
    """

    def __init__(
        self, clean_stop_exception_types: tuple[type[BaseException], ...] | None = None
    ) -> None:
        if clean_stop_exception_types is None:
            clean_stop_exception_types = (OutOfRangeError,)
        self._clean = tuple(clean_stop_exception_types)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._joined = False
        self._threads: set[threading.Thread] = set()

    def request_stop(self, ex: Any = None) -> None:
        """Ask all threads to stop.

        Args:
            ex: why: an exception, or the triple of ``sys.exc_info()``.  The first one is raised
                by ``join``, unless it is of a clean type.

        Raises:
            TypeError: ``ex`` is neither.
            the exception itself, when the threads were joined already.
        """
        error = ex[1] if isinstance(ex, tuple) and len(ex) == 3 else ex
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"request_stop takes an exception or exc_info, got {ex!r}")
        with self._lock:
            if isinstance(error, self._clean):
                error = None
            if error is not None and self._joined:
                raise error
            if not self._stop.is_set():
                if error is not None:
                    logging.info("Error reported to Coordinator: %s, %s", type(error), error)
                    self._error = error
                self._stop.set()

    def clear_stop(self) -> None:
        """Take the request to stop back; threads can be started and joined again."""
        with self._lock:
            self._joined = False
            self._error = None
            self._stop.clear()

    def should_stop(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    @contextlib.contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """A block whose exceptions ask for a stop, with them as the reason, and end there."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001  join raises it in the main thread
            self.request_stop(error)

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Wait until a stop is asked for.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            Whether it was.
        """
        return self._stop.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Let ``join`` wait for ``thread``, too."""
        with self._lock:
            self._threads.add(thread)

    def join(
        self,
        threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Wait until all threads have ended.

        Args:
            threads: threads to wait for, besides the registered ones.
            stop_grace_period_secs: how long they may go on after a stop was asked for.
            ignore_live_threads: no error when some still do.

        Raises:
            the exception that a thread stopped with.
            RuntimeError: threads are still running after the grace period.
        """
        with self._lock:
            waiting = [*self._threads, *(t for t in threads or () if t not in self._threads)]
        # NB: most loops end within a moment; a second more each time would be felt
        pause = 0.001
        while any(t.is_alive() for t in waiting) and not self.wait_for_stop(pause):
            pause = min(2 * pause, 1.0)
        limit = time.monotonic() + stop_grace_period_secs
        if self.should_stop():
            for thread in waiting:
                thread.join(max(0.0, limit - time.monotonic()))
        live = [t.name for t in waiting if t.is_alive()]
        with self._lock:
            self._joined = True
            self._threads = set()
        self.raise_requested_exception()
        if live:
            text = f"Coordinator stopped with threads still running: {' '.join(live)}"
            if not ignore_live_threads:
                raise RuntimeError(text)
            logging.info("%s", text)

    @property
    def joined(self) -> bool:
        """Whether the threads were joined."""
        return self._joined

    def raise_requested_exception(self) -> None:
        """Raise the exception that a stop was asked for with, if there is one."""
        with self._lock:
            if self._error is not None:
                raise self._error


@export("train.LooperThread")
class LooperThread(threading.Thread):
    """A thread that calls a function again and again, until its coordinator stops.

    Args:
        coord: the Coordinator.
        timer_interval_secs: seconds from one call to the next; None: at once.
        target: the function; without one, subclasses say what ``run_loop`` does.
        args, kwargs: its arguments.

    Raises:
        ValueError: ``coord`` is no Coordinator.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(coord, Coordinator):
            raise ValueError(f"'coord' argument must be a Coordinator: {coord}")
        super().__init__(daemon=True)
        self._coord, self._interval = coord, timer_interval_secs
        self._call = target
        self._call_args, self._call_kwargs = tuple(args or ()), dict(kwargs or {})
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> LooperThread:
        """Start a LooperThread and return it.  Arguments as of the class."""
        thread = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        thread.start()
        return thread

    def run(self) -> None:
        """Call ``start_loop``, ``run_loop`` until the coordinator stops, and ``stop_loop``."""
        with self._coord.stop_on_exception():
            self.start_loop()
            if self._interval is None:
                while not self._coord.should_stop():
                    self.run_loop()
            else:
                due = time.monotonic()
                while not self._coord.wait_for_stop(max(0.0, due - time.monotonic())):
                    due += self._interval
                    self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called once, before the first ``run_loop``."""

    def stop_loop(self) -> None:
        """Called once, after the last ``run_loop``."""

    def run_loop(self) -> None:
        """Call the target."""
        if self._call is not None:
            self._call(*self._call_args, **self._call_kwargs)
