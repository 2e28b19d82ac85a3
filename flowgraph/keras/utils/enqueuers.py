"""Batches that threads make ahead of the training: of a Sequence, or of a generator.

    enqueuer = OrderedEnqueuer(sequence)
    enqueuer.start(workers=2, max_queue_size=10)
    batches = enqueuer.get()          the batches in their order, over and over
    enqueuer.stop()

Everything is done by threads, also where Keras would start processes: NumPy works without the
GIL for the most part, and nothing has to be copied.
"""

from __future__ import annotations

import queue
import random
import threading
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

#: Seconds after which a waiting thread looks whether it is to stop.
_LOOK = 0.1


class SequenceEnqueuer:
    """Base class: a queue of batches that threads fill.

    Args:
        source: a Sequence or a generator.
        use_multiprocessing: accepted for Keras's programs: threads are used.
    """

    def __init__(self, source: Any, use_multiprocessing: bool = False) -> None:
        self.sequence, self.use_multiprocessing = source, use_multiprocessing
        self.queue: queue.Queue[Any] | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.workers = 0

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._thread is not None and not self._stopped.is_set()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Start to make batches.

        Args:
            workers: number of threads.
            max_queue_size: how many batches may wait.
        """
        self.workers = max(1, workers)
        self.queue = queue.Queue(max(1, max_queue_size))
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Stop making batches; those that wait are thrown away.

        Args:
            timeout: how many seconds to wait for the threads.
        """
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout)
        self._thread = None

    def _put(self, item: Any) -> bool:
        """Put an item into the queue; False when it was stopped meanwhile."""
        assert self.queue is not None
        while not self._stopped.is_set():
            try:
                self.queue.put(item, timeout=_LOOK)
                return True
            except queue.Full:
                pass
        return False

    @abstractmethod
    def _run(self) -> None:
        """What the thread does: fill the queue."""

    def get(self) -> Iterator[Any]:
        """The batches, in their order; errors in making one are raised here."""
        while self.is_running():
            assert self.queue is not None
            try:
                item = self.queue.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if item is None:
                return
            yield item.result()


class OrderedEnqueuer(SequenceEnqueuer):
    """Makes the batches of a Sequence, several at once, and gives them in order.

    Args:
        sequence: a Sequence.
        use_multiprocessing: accepted for Keras's programs: threads are used.
        shuffle: whether the batches of an epoch come in a random order.
    """

    def __init__(
        self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False
    ) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle

    def _run(self) -> None:
        with ThreadPoolExecutor(self.workers) as pool:
            while not self._stopped.is_set():
                order = list(range(len(self.sequence)))
                if not order:
                    self._put(None)
                    return
                if self.shuffle:
                    random.shuffle(order)
                waiting: list[Future[Any]] = []
                for index in order:
                    made = pool.submit(self.sequence.__getitem__, index)
                    waiting.append(made)
                    if not self._put(made):
                        return
                # NB: the data may change between epochs, so all of one is made before
                for made in waiting:
                    made.exception()
                self.sequence.on_epoch_end()


class GeneratorEnqueuer(SequenceEnqueuer):
    """Makes the batches of a generator ahead.

    Args:
        generator: a generator.
        use_multiprocessing: accepted for Keras's programs: a thread is used.
        wait_time, random_seed: accepted for Keras's programs.

    A generator makes one batch at a time, so more workers than one make nothing faster.
    """

    def __init__(
        self,
        generator: Any,
        use_multiprocessing: bool = False,
        wait_time: float = 0.05,
        random_seed: int | None = None,
    ) -> None:
        super().__init__(generator, use_multiprocessing)

    def _run(self) -> None:
        while not self._stopped.is_set():
            made: Future[Any] = Future()
            try:
                made.set_result(next(self.sequence))
            except StopIteration:
                self._put(None)
                return
            except Exception as error:  # noqa: BLE001  raised where the batch is wanted
                made.set_exception(error)
            if not self._put(made) or made.exception() is not None:
                return
