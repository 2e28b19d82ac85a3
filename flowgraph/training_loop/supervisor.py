"""Supervisor: a session with a thread that saves checkpoints; the older form of MonitoredSession.

    sv = tf.train.Supervisor(logdir="/tmp/run")
    with sv.managed_session() as sess:
        while not sv.should_stop():
            sess.run(train_op)

Read next: monitored_session.py.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flowgraph.errors import AbortedError
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.stack import graph_as_default
from flowgraph.ops.variables import (
    global_variables,
    global_variables_initializer,
    report_uninitialized_variables,
)
from flowgraph.platform import tf_logging as logging
from flowgraph.platform.gfile import MakeDirs
from flowgraph.saving.saver import Saver
from flowgraph.train.step_counter import get_global_step
from flowgraph.training_loop.coordinator import Coordinator, LooperThread
from flowgraph.training_loop.scaffold import Scaffold
from flowgraph.training_loop.session_manager import SessionManager


@export("train.Supervisor")
class Supervisor:
    """Prepares sessions, and saves checkpoints while they run.

    Args:
        graph: the graph; the default one.  It is finalized.
        ready_op, ready_for_local_init_op, init_op, init_feed_dict, local_init_op, init_fn: as of
            Scaffold (``init_fn`` takes the session); made where not given, None leaves them out.
        is_chief: False waits for values of the variables, and saves nothing.
        logdir: where checkpoints are; None: nowhere.
        saver: a Saver; None saves nothing.
        global_step: the step counter, behind the names of checkpoints.
        save_model_secs: seconds between checkpoints; 0: no thread saves.
        recovery_wait_secs: as of SessionManager.
        stop_grace_secs: how long threads may go on after a stop.
        checkpoint_basename: name of the checkpoints.
        session_manager: a SessionManager.
        local_init_run_options: RunOptions of ``local_init_op``.
        summary_op, summary_writer, save_summaries_secs: kept: nothing writes summaries.

    >>> v = tf.get_variable("v", initializer=2.0)
    >>> supervisor = tf.train.Supervisor()
    >>> with supervisor.managed_session() as sess:
    ...     print(sess.run(v))
    2.0
    """

    #: Stands for what is to be found or made.
    USE_DEFAULT = 0

    def __init__(
        self,
        graph: Any = None,
        ready_op: Any = USE_DEFAULT,
        ready_for_local_init_op: Any = USE_DEFAULT,
        is_chief: bool = True,
        init_op: Any = USE_DEFAULT,
        init_feed_dict: Any = None,
        local_init_op: Any = USE_DEFAULT,
        logdir: str | None = None,
        summary_op: Any = USE_DEFAULT,
        saver: Any = USE_DEFAULT,
        global_step: Any = USE_DEFAULT,
        save_summaries_secs: float = 120,
        save_model_secs: float = 600,
        recovery_wait_secs: float = 30,
        stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt",
        session_manager: Any = None,
        summary_writer: Any = USE_DEFAULT,
        init_fn: Callable[[Any], Any] | None = None,
        local_init_run_options: Any = None,
    ) -> None:
        self._graph = get_default_graph() if graph is None else graph
        self._is_chief, self._coord = is_chief, Coordinator()
        self._init_feed_dict, self._init_fn = init_feed_dict, init_fn
        self._logdir = logdir
        self._save_model_secs, self._save_summaries_secs = save_model_secs, save_summaries_secs
        self._grace = stop_grace_secs
        self._save_path = os.path.join(logdir, checkpoint_basename) if logdir else None
        with graph_as_default(self._graph):

            def part(given: Any, name: str, key: str, make: Callable[[], Any]) -> Any:
                # NB: never by ==, which tensors may overload
                default = isinstance(given, int) and given == Supervisor.USE_DEFAULT
                return Scaffold.get_or_default(name, key, make) if default else given

            self._ready_op = part(
                ready_op, "ready_op", GraphKeys.READY_OP, report_uninitialized_variables
            )
            self._ready_for_local_init_op = part(
                ready_for_local_init_op,
                "ready_for_local_init_op",
                GraphKeys.READY_FOR_LOCAL_INIT_OP,
                lambda: None,
            )
            self._init_op = part(
                init_op, "init_op", GraphKeys.INIT_OP, global_variables_initializer
            )
            self._local_init_op = part(
                local_init_op,
                "local_init_op",
                GraphKeys.LOCAL_INIT_OP,
                Scaffold.default_local_init_op,
            )
            self._summary_op = part(summary_op, "summary_op", GraphKeys.SUMMARY_OP, lambda: None)
            self._saver = part(
                saver,
                "saver",
                GraphKeys.SAVERS,
                lambda: Saver() if global_variables() else None,
            )
            self._global_step = (
                get_global_step()
                if isinstance(global_step, int) and global_step == Supervisor.USE_DEFAULT
                else global_step
            )
        self._summary_writer = None if isinstance(summary_writer, int) else summary_writer
        self._session_manager = session_manager or SessionManager(
            local_init_op=self._local_init_op,
            ready_op=self._ready_op,
            ready_for_local_init_op=self._ready_for_local_init_op,
            graph=self._graph,
            recovery_wait_secs=recovery_wait_secs,
            local_init_run_options=local_init_run_options,
        )
        self._graph.finalize()

    # ------------------------------------------------------------------------------------ sessions

    def prepare_or_wait_for_session(
        self,
        master: str = "",
        config: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        start_standard_services: bool = True,
    ) -> Any:
        """A session that is ready, with the threads of queues and checkpoints started.

        Args:
            master, config, wait_for_checkpoint, max_wait_secs: as of SessionManager.
            start_standard_services: start the thread that saves checkpoints.
        """
        self._coord.clear_stop()
        if self._is_chief:
            sess = self._session_manager.prepare_session(
                master,
                init_op=self._init_op,
                saver=self._saver,
                checkpoint_dir=self._logdir,
                wait_for_checkpoint=wait_for_checkpoint,
                max_wait_secs=max_wait_secs,
                config=config,
                init_feed_dict=self._init_feed_dict,
                init_fn=self._init_fn,
            )
            if start_standard_services:
                self.start_standard_services(sess)
        else:
            sess = self._session_manager.wait_for_session(master, config, max_wait_secs)
        self.start_queue_runners(sess)
        return sess

    @contextlib.contextmanager
    def managed_session(
        self,
        master: str = "",
        config: Any = None,
        start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Any]:
        """A block with a session, which ends with all threads; the end of the data is no error.

        Args:
            master, config, start_standard_services: as of ``prepare_or_wait_for_session``.
            close_summary_writer: as of ``stop``.
        """
        sess = None
        try:
            sess = self.prepare_or_wait_for_session(
                master, config, start_standard_services=start_standard_services
            )
            yield sess
        except Exception as error:  # noqa: BLE001  stop raises it, unless it is a clean end
            self.request_stop(error)
        finally:
            try:
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                if sess is not None:
                    sess.close()

    # ------------------------------------------------------------------------------------- threads

    def start_standard_services(self, sess: Any) -> list[LooperThread]:
        """Start the thread that saves checkpoints of ``sess``, if there is a ``logdir``.

        Returns:
            The threads.

        Raises:
            RuntimeError: this is not the chief.
        """
        if not self._is_chief:
            raise RuntimeError("Only chief supervisor can start standard services.")
        logging.info("Starting standard services.")
        if not self._logdir:
            logging.warning("Standard services need a 'logdir'")
            return []
        if self._saver is None or not self._save_model_secs:
            return []
        return [self.loop(self._save_model_secs, self._save, (sess,))]

    def _save(self, sess: Any) -> None:
        assert self._logdir is not None
        logging.info("Saving checkpoint to path %s", self._save_path)
        MakeDirs(self._logdir)
        self._saver.save(sess, self._save_path, global_step=self._global_step)

    def start_queue_runners(self, sess: Any, queue_runners: Any = None) -> list[Any]:
        """Start the threads of queue runners.

        Args:
            sess: the session.
            queue_runners: those of the graph by default.

        Returns:
            The threads.
        """
        if queue_runners is None:
            queue_runners = self._graph.get_collection(GraphKeys.QUEUE_RUNNERS)
        return [
            thread
            for runner in queue_runners
            for thread in runner.create_threads(sess, coord=self._coord, daemon=True, start=True)
        ]

    def loop(
        self,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> LooperThread:
        """Call a function in a thread of its own until the stop.

        Args:
            timer_interval_secs, target, args, kwargs: as of LooperThread.
        """
        return LooperThread.loop(self._coord, timer_interval_secs, target, args, kwargs)

    def stop(
        self,
        threads: Any = None,
        close_summary_writer: bool = True,
        ignore_live_threads: bool = False,
    ) -> None:
        """Stop all threads and wait for them.

        Args:
            threads, ignore_live_threads: as of ``Coordinator.join``.
            close_summary_writer: close the summary writer.

        Raises:
            as ``Coordinator.join``.
        """
        self._coord.request_stop()
        try:
            self._coord.join(threads, self._grace, ignore_live_threads)
        finally:
            if close_summary_writer and self._summary_writer is not None:
                self._summary_writer.close()

    def request_stop(self, ex: Any = None) -> None:
        """Ask all threads to stop; ``ex`` as of ``Coordinator.request_stop``."""
        self._coord.request_stop(ex)

    def should_stop(self) -> bool:
        """Whether a stop was asked for."""
        return self._coord.should_stop()

    def stop_on_exception(self) -> Any:
        """A block whose exceptions ask for a stop; see Coordinator."""
        return self._coord.stop_on_exception()

    def wait_for_stop(self) -> None:
        """Wait until a stop is asked for."""
        self._coord.wait_for_stop()

    def summary_computed(self, sess: Any, summary: Any, global_step: Any = None) -> None:
        """Hand ``summary``, of ``global_step`` in ``sess``, to the summary writer.

        Raises:
            RuntimeError: there is none.
        """
        if self._summary_writer is None:
            raise RuntimeError("Writing a summary requires a summary writer.")
        if global_step is None and self._global_step is not None:
            global_step = int(sess.run(self._global_step))
        self._summary_writer.add_summary(summary, global_step)

    PrepareSession = prepare_or_wait_for_session
    StartStandardServices = start_standard_services
    StartQueueRunners = start_queue_runners
    Loop = loop
    Stop = stop
    RequestStop = request_stop
    ShouldStop = should_stop
    StopOnException = stop_on_exception
    WaitForStop = wait_for_stop
    SummaryComputed = summary_computed

    # -------------------------------------------------------------------------------------- parts

    @property
    def is_chief(self) -> bool:
        """Whether this one initialises and saves."""
        return self._is_chief

    @property
    def coord(self) -> Coordinator:
        """The Coordinator of the threads."""
        return self._coord

    @property
    def session_manager(self) -> Any:
        """The SessionManager."""
        return self._session_manager

    @property
    def saver(self) -> Any:
        """The Saver, or None."""
        return self._saver

    @property
    def save_path(self) -> str | None:
        """The path of checkpoints, without steps; None without ``logdir``."""
        return self._save_path

    @property
    def save_model_secs(self) -> float:
        """Seconds between checkpoints."""
        return self._save_model_secs

    @property
    def save_summaries_secs(self) -> float:
        """Seconds between summaries, as given."""
        return self._save_summaries_secs

    @property
    def global_step(self) -> Any:
        """The step counter, or None."""
        return self._global_step

    @property
    def init_op(self) -> Any:
        """Initialises the variables."""
        return self._init_op

    @property
    def init_feed_dict(self) -> Any:
        """Feeds of ``init_op``."""
        return self._init_feed_dict

    @property
    def ready_op(self) -> Any:
        """Names what has no value."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        """Names what has no value and the initialiser of local variables needs."""
        return self._ready_for_local_init_op

    @property
    def summary_op(self) -> Any:
        """Text of summaries, or None."""
        return self._summary_op

    @property
    def summary_writer(self) -> Any:
        """The summary writer, or None."""
        return self._summary_writer


@export("train.basic_train_loop")
def basic_train_loop(
    supervisor: Supervisor,
    train_step_fn: Callable[..., Any],
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    master: str = "",
) -> None:
    """Call a function again and again until the supervisor stops; recovers from AbortedError.

    Args:
        supervisor: a Supervisor.
        train_step_fn: function of the session and ``args`` and ``kwargs``.
        args, kwargs: its further arguments.
        master: target of the session.
    """
    more, named = tuple(args or ()), dict(kwargs or {})
    while True:
        try:
            with supervisor.managed_session(master) as sess:
                while not supervisor.should_stop():
                    train_step_fn(sess, *more, **named)
            break
        except AbortedError as error:
            logging.info("The session failed, going on in a new one: %s", error)
