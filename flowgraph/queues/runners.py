"""QueueRunner: threads that fill a queue, and stop together.

    runner = tf.train.QueueRunner(queue, [enqueue] * 4)     four threads, each enqueues on and on
    tf.train.add_queue_runner(runner)                       sessions find it in the graph
    threads = tf.train.start_queue_runners(sess, coord)

When the data end (OutOfRangeError) the last thread closes the queue; another error stops the
coordinator, which hands it to the main thread; a stop cancels what waits.

Read next: producers.py, batching.py.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

from flowgraph.errors import (
    OpError,
    OutOfRangeError,
    error_code_from_exception_type,
    exception_type_from_error_code,
)
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.protos.meta_graphs import QueueRunnerDef
from flowgraph.queues.queue_classes import refuse_eager
from flowgraph.session import BaseSession, get_default_session


@export("train.QueueRunner", "train.queue_runner.QueueRunner")
class QueueRunner:
    """Fills a queue from threads, one for each of its enqueue operations.

    Args:
        queue: the queue.
        enqueue_ops: a list of operations; the same one several times makes several threads.
        close_op: closes the queue when the data end; ``queue.close()`` by default.
        cancel_op: closes it at once, and what waits to enqueue;
            ``queue.close(cancel_pending_enqueues=True)`` by default.
        queue_closed_exception_types: errors that mean the end of the data, not a failure;
            ``(tf.errors.OutOfRangeError,)`` by default.
        queue_runner_def: a QueueRunnerDef that says it all instead.
        import_scope: with ``queue_runner_def``: a prefix of the names in it.

    Raises:
        ValueError: queue or operations are missing, or given twice.
        TypeError: ``queue_closed_exception_types`` is no tuple of classes of tf.errors.

    >>> count = tf.Variable(0)
    >>> queue = tf.FIFOQueue(3, tf.int32, shapes=[])
    >>> runner = tf.train.QueueRunner(queue, [queue.enqueue(count.assign_add(1))])
    >>> three, coord = queue.dequeue_many(3), tf.train.Coordinator()
    >>> with tf.Session() as sess:
    ...     sess.run(count.initializer)
    ...     threads = runner.create_threads(sess, coord, start=True)
    ...     print(sess.run(three))
    ...     coord.request_stop()
    ...     coord.join(threads)
    [1 2 3]
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Sequence[Any] | None = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: tuple[type[OpError], ...] | None = None,
        queue_runner_def: QueueRunnerDef | None = None,
        import_scope: str | None = None,
    ) -> None:
        refuse_eager("tf.train.QueueRunner")
        if queue_runner_def is not None:
            if queue is not None or enqueue_ops:
                raise ValueError("queue_runner_def and queue are mutually exclusive.")
            self._from_def(queue_runner_def, import_scope)
        else:
            if queue is None or not enqueue_ops:
                raise ValueError("Must provide queue and enqueue_ops.")
            self._queue, self._enqueue_ops = queue, list(enqueue_ops)
            self._close_op = queue.close() if close_op is None else close_op
            if cancel_op is None:
                cancel_op = queue.close(cancel_pending_enqueues=True)
            self._cancel_op = cancel_op
            ends = queue_closed_exception_types or (OutOfRangeError,)
            if not isinstance(ends, tuple) or not all(
                isinstance(end, type) and issubclass(end, OpError) for end in ends
            ):
                raise TypeError(
                    "queue_closed_exception_types, when provided, must be a tuple of "
                    f"tf.errors types, but saw: {ends}"
                )
            self._ends = ends
        self._lock = threading.Lock()
        #: How many of its threads go on, by session.
        self._running: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._raised: list[Exception] = []

    def _from_def(self, said: QueueRunnerDef, scope: str | None) -> None:
        graph = get_default_graph()

        def found(name: str) -> Any:
            return graph.as_graph_element(f"{scope}/{name}" if scope else name)

        self._queue = found(said.queue_name)
        self._enqueue_ops = [found(name) for name in said.enqueue_op_name]
        self._close_op, self._cancel_op = found(said.close_op_name), found(said.cancel_op_name)
        self._ends = tuple(
            exception_type_from_error_code(code) for code in said.queue_closed_exception_types
        ) or (OutOfRangeError,)

    @property
    def queue(self) -> Any:
        """The queue."""
        return self._queue

    @property
    def enqueue_ops(self) -> list[Any]:
        """The operations that the threads run."""
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        """Closes the queue at the end of the data."""
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        """Closes the queue, cancelling what waits to enqueue."""
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple[type[OpError], ...]:
        """Errors that mean the end of the data."""
        return self._ends

    @property
    def exceptions_raised(self) -> list[Exception]:
        """Errors of the threads, where no coordinator takes them."""
        return self._raised

    @property
    def name(self) -> str:
        """The name of the queue."""
        return self._queue.name

    def _run(self, sess: Any, enqueue_op: Any, coord: Any) -> None:
        """What a thread does."""
        ended = False
        try:
            enqueue = sess.make_callable(enqueue_op)
            while coord is None or not coord.should_stop():
                enqueue()
        except self._ends:
            ended = True
        except Exception as error:
            if coord is not None:
                coord.request_stop(error)
            else:
                logging.error("Exception in QueueRunner: %s", error)
                with self._lock:
                    self._raised.append(error)
                raise
        finally:
            with self._lock:
                self._running[sess] -= 1
                last = not self._running[sess]
        if ended and last:
            self._try(sess, self._close_op)

    @staticmethod
    def _try(sess: Any, operation: Any) -> None:
        """Run what may fail: the queue may be closed already, and so may the session."""
        try:
            sess.run(operation)
        except Exception as error:  # noqa: BLE001
            logging.vlog(1, "Ignored exception: %s", error)

    def _close_on_stop(self, sess: Any, coord: Any) -> None:
        coord.wait_for_stop()
        self._try(sess, self._cancel_op)

    def create_threads(
        self, sess: Any, coord: Any = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """Threads that fill the queue.

        Args:
            sess: the session to run in.
            coord: a Coordinator that stops them, and gets their errors; one more thread then
                closes the queue when it stops.
            daemon: whether they end with the program.
            start: whether they are started; else call their ``start``.

        Returns:
            A list of threads; empty when those of this session still run.
        """
        with self._lock:
            if self._running.get(sess, 0) > 0:
                return []
            self._running[sess] = len(self._enqueue_ops)
            self._raised = []
        prefix = f"QueueRunnerThread-{self.name}"
        threads = [
            threading.Thread(target=self._run, args=(sess, op, coord), name=f"{prefix}-{op.name}")
            for op in self._enqueue_ops
        ]
        if coord is not None:
            threads.append(
                threading.Thread(
                    target=self._close_on_stop, args=(sess, coord), name=f"{prefix}-close_on_stop"
                )
            )
        for thread in threads:
            if coord is not None:
                coord.register_thread(thread)
            thread.daemon = daemon or thread.daemon
            if start:
                thread.start()
        return threads

    def to_proto(self, export_scope: str | None = None) -> QueueRunnerDef | None:
        """The names of its operations, as a message.

        Args:
            export_scope: leave this scope off the names; None is returned outside of it.
        """
        if export_scope and not self.name.startswith(f"{export_scope}/"):
            return None
        cut = len(export_scope) + 1 if export_scope else 0
        return QueueRunnerDef(
            queue_name=self.name[cut:],
            enqueue_op_name=[op.name[cut:] for op in self._enqueue_ops],
            close_op_name=self._close_op.name[cut:],
            cancel_op_name=self._cancel_op.name[cut:],
            queue_closed_exception_types=[error_code_from_exception_type(e) for e in self._ends],
        )

    @staticmethod
    def from_proto(
        queue_runner_def: QueueRunnerDef, import_scope: str | None = None
    ) -> QueueRunner:
        """A QueueRunner of the default graph.

        Args:
            queue_runner_def: of ``to_proto``.
            import_scope: a prefix of the names in it.
        """
        return QueueRunner(queue_runner_def=queue_runner_def, import_scope=import_scope)


@export("train.add_queue_runner", "train.queue_runner.add_queue_runner")
def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Let ``start_queue_runners`` find a QueueRunner.

    Args:
        qr: the QueueRunner.
        collection: of the graph, to which it is added.
    """
    get_default_graph().add_to_collection(collection, qr)


@export("train.start_queue_runners", "train.queue_runner.start_queue_runners")
def start_queue_runners(
    sess: Any = None,
    coord: Any = None,
    daemon: bool = True,
    start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Start the threads of all queue runners of the graph.

    Args:
        sess: a Session; the default one when None.  A MonitoredSession has started them already.
        coord: a Coordinator that stops them.
        daemon: whether the threads end with the program.
        start: False: they are only made.
        collection: where the queue runners are.

    Returns:
        A list of the threads.

    Raises:
        ValueError: there is no session.
        TypeError: ``sess`` is none.

    >>> name = tf.train.string_input_producer(["a", "b"], shuffle=False).dequeue()
    >>> with tf.Session() as sess:
    ...     coord = tf.train.Coordinator()
    ...     threads = tf.train.start_queue_runners(sess, coord)
    ...     print([sess.run(name) for _ in range(3)])
    ...     coord.request_stop()
    ...     coord.join(threads)
    [b'a', b'b', b'a']
    """
    refuse_eager("tf.train.start_queue_runners")
    if sess is None:
        sess = get_default_session()
        if sess is None:
            raise ValueError(
                "Cannot start queue runners: No default session is registered. Use `with "
                "sess.as_default()` or pass an explicit session to "
                "tf.start_queue_runners(sess=sess)"
            )
    if not isinstance(sess, BaseSession) and not isinstance(
        getattr(sess, "_sess", None), BaseSession
    ):
        if type(sess).__name__ in ("MonitoredSession", "SingularMonitoredSession"):
            return []
        raise TypeError(f"sess must be a `tf.Session` object. Given class: {type(sess)}")
    runners = sess.graph.get_collection(collection)
    if not runners:
        logging.warning(
            "`tf.train.start_queue_runners()` was called when no queue runners were defined. You "
            "can safely remove the call to this deprecated function."
        )
    threads: list[threading.Thread] = []
    for runner in runners:
        threads += runner.create_threads(sess, coord=coord, daemon=daemon, start=start)
    return threads
