"""MonitoredSession: a session that calls hooks, stops with its threads, and recovers.

    with MonitoredTrainingSession(checkpoint_dir=..., hooks=[StopAtStepHook(1000)]) as sess:
        while not sess.should_stop():
            sess.run(train_op)

One run is ``before_run`` of every hook, one ``Session.run`` of what the user and the hooks ask
for, and ``after_run`` of every hook.  A run that fails with AbortedError or UnavailableError is
made again in a new session, from the last checkpoint.

Read next: hooks.py; session_creators.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from flowgraph.client_config import RunOptions
from flowgraph.errors import AbortedError, OutOfRangeError, UnavailableError
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.profile.run_metadata import RunMetadata
from flowgraph.training_loop.checkpoint_hooks import CheckpointSaverHook
from flowgraph.training_loop.coordinator import Coordinator
from flowgraph.training_loop.hooks import StepCounterHook
from flowgraph.training_loop.scaffold import Scaffold
from flowgraph.training_loop.session_creators import (
    ChiefSessionCreator,
    SessionCreator,
    WorkerSessionCreator,
)
from flowgraph.training_loop.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from flowgraph.training_loop.summary_hooks import SummarySaverHook

#: Failures after which a MonitoredSession makes a new session and tries again.
_RECOVERABLE = (AbortedError, UnavailableError)


class _Together:
    """Several fetch structures in one flat list, so that the session finds their plan quickly."""

    def __init__(self) -> None:
        self.fetches: list[Any] = []
        self._parts: list[tuple[Any, int]] = []

    def add(self, structure: Any) -> None:
        if type(structure) in (list, tuple):
            members = list(structure)
        elif type(structure) is dict:
            members = list(structure.values())
        else:
            members = [structure]
        self.fetches += members
        self._parts.append((structure, len(members)))

    def split(self, values: list[Any]) -> list[Any]:
        """The results, one for each structure that was added."""
        results, at = [], 0
        for structure, size in self._parts:
            own = values[at : at + size]
            at += size
            kind = type(structure)
            if kind is list or kind is tuple:
                results.append(kind(own))
            elif kind is dict:
                results.append(dict(zip(structure, own, strict=True)))
            else:
                results.append(own[0])
        return results


class _Life:
    """One session from its making to its end, with the threads that belong to it."""

    def __init__(self, creator: SessionCreator, hooks: list[SessionRunHook], grace: float) -> None:
        self.session: Any = creator.create_session()
        # NB: here even the end of the data is an error, to be raised by the run that meets it
        self.coordinator = Coordinator(clean_stop_exception_types=())
        self._hooks, self._grace = hooks, grace
        self.stopped = False
        for runner in get_default_graph().get_collection(GraphKeys.QUEUE_RUNNERS):
            runner.create_threads(self.session, coord=self.coordinator, daemon=True, start=True)
        for hook in hooks:
            hook.after_create_session(self.session, self.coordinator)

    def should_stop(self) -> bool:
        """Whether to stop; of the errors of threads, only those to recover from are raised."""
        try:
            self.coordinator.raise_requested_exception()
        except _RECOVERABLE:
            raise
        except Exception:  # noqa: BLE001  raised when the session closes
            return True
        return self.coordinator.should_stop() or self.stopped

    def run(self, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        try:
            return self._run(fetches, feed_dict, options, run_metadata)
        except _RECOVERABLE:
            raise
        except Exception:
            try:  # a thread that could not go on may be the cause, and calls for a new session
                self.coordinator.raise_requested_exception()
            except _RECOVERABLE:
                raise
            except Exception:  # noqa: S110, BLE001  raised when the session closes
                pass
            raise

    def _run(self, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        if self.stopped:
            raise RuntimeError("Run called even after should_stop requested.")
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self.session)
        together, asking = _Together(), []
        together.add(fetches)
        feeds = dict(feed_dict) if feed_dict else {}
        hook_feeds: dict[Any, Any] = {}
        options = options or RunOptions()
        for hook in self._hooks:
            request = hook.before_run(context)
            if request is None:
                continue
            if request.fetches is not None:
                together.add(request.fetches)
                asking.append(hook)
            _check_feeds(hook_feeds, request.feed_dict, "two hooks")
            hook_feeds.update(request.feed_dict or {})
            options = _merged(options, request.options)
        _check_feeds(feeds, hook_feeds, "a SessionRunHook and user")
        feeds.update(hook_feeds)
        metadata = run_metadata if run_metadata is not None else RunMetadata()
        traced = options.trace_level > RunOptions.NO_TRACE
        extra = (options, metadata) if traced else (options,) if options.timeout_in_ms else ()
        if asking:
            values = self.session.run(together.fetches, feeds or None, *extra)
            result, *values = together.split(values)
        else:
            result, values = self.session.run(fetches, feeds or None, *extra), []
        of_hook = {id(hook): value for hook, value in zip(asking, values, strict=True)}
        for hook in self._hooks:
            hook.after_run(context, SessionRunValues(of_hook.get(id(hook)), options, metadata))
        self.stopped = self.stopped or context.stop_requested
        return result

    def close(self) -> None:
        try:
            self.coordinator.request_stop()
            self.coordinator.join(stop_grace_period_secs=self._grace, ignore_live_threads=True)
        finally:
            self.session.close()


def _check_feeds(one: dict[Any, Any], other: dict[Any, Any] | None, who: str) -> None:
    both = [key for key in other or () if key in one]
    if both:
        raise RuntimeError(f"Same tensor is fed by {who}. Conflict(s): {both}")


def _merged(options: Any, more: Any) -> Any:
    """RunOptions with all that both ask for."""
    if more is None:
        return options
    merged = RunOptions()
    merged.CopyFrom(options)
    merged.trace_level = max(options.trace_level, more.trace_level)
    merged.timeout_in_ms = max(options.timeout_in_ms, more.timeout_in_ms)
    merged.output_partition_graphs = options.output_partition_graphs or more.output_partition_graphs
    return merged


class _MonitoredSession:
    """What MonitoredSession and SingularMonitoredSession share."""

    def __init__(
        self,
        session_creator: SessionCreator | None,
        hooks: Iterable[SessionRunHook] | None,
        should_recover: bool,
        stop_grace_period_secs: float = 120,
    ) -> None:
        self._graph_was_finalized = get_default_graph().finalized
        self._hooks = list(hooks or ())
        for hook in self._hooks:
            hook.begin()
        self._creator = session_creator or ChiefSessionCreator()
        self._recovers, self._grace = should_recover, stop_grace_period_secs
        self._life: _Life | None = self._new_life()

    def _new_life(self) -> _Life:
        while True:
            try:
                return _Life(self._creator, self._hooks, self._grace)
            except _RECOVERABLE as error:
                if not self._recovers:
                    raise
                logging.info("Making a session failed, trying again: %s", error)

    @property
    def graph(self) -> Graph | None:
        """The graph; None after ``close``."""
        return None if self._life is None else self._life.session.graph

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """Compute ``fetches``, with the hooks around it.

        Args:
            fetches, feed_dict, options, run_metadata: as of ``Session.run``.

        Raises:
            RuntimeError: a stop was requested before, the session is closed, or a tensor is fed
                twice.
        """
        return self._attempt(lambda life: life.run(fetches, feed_dict, options, run_metadata))

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """Call a function that makes one step out of several runs.

        Args:
            step_fn: takes ``step_context``, a StepContext; may run its ``session``, which calls no
                hooks, and ``run_with_hooks``.

        Returns:
            What it returns.

        Raises:
            ValueError: ``step_fn`` takes other arguments.
            StopIteration: it called ``request_stop``; a ``with`` block of this session ends.
        """
        names = tuple(inspect.signature(step_fn).parameters)
        if names not in (("step_context",), ("self", "step_context")):
            raise ValueError(
                "`step_fn` may either have one `step_context` argument, or `self` and "
                f"`step_context` arguments if it's an instance method. Got {names} instead."
            )

        def step(life: _Life) -> Any:
            if life.stopped:
                raise RuntimeError("Run called even after should_stop requested.")

            def run(
                fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
            ) -> Any:
                return life.run(fetches, feed_dict, options, run_metadata)

            return step_fn(_MonitoredSession.StepContext(life.session, run))

        return self._attempt(step)

    def _attempt(self, act: Callable[[_Life], Any]) -> Any:
        while True:
            if self._life is None:
                raise RuntimeError("Session is already closed.")
            try:
                return act(self._life)
            except _RECOVERABLE as error:
                if not self._recovers:
                    raise
                logging.info("The session failed, going on in a new one: %s", error)
                self._close_quietly()
                self._life = self._new_life()

    def _close_quietly(self) -> None:
        try:
            assert self._life is not None
            self._life.close()
        except _RECOVERABLE:
            pass  # what made the threads fail is what is being recovered from

    def should_stop(self) -> bool:
        """Whether the loop should end: a hook or a thread asked for it, or the session is closed.

        The exception that a thread stopped with is raised by ``close``.
        """
        if self._life is None:
            return True
        try:
            return self._life.should_stop()
        except _RECOVERABLE as error:
            if not self._recovers:
                raise
            logging.info("A thread of the session failed, going on in a new one: %s", error)
            self._close_quietly()
            self._life = self._new_life()
            return False

    def close(self) -> None:
        """End the hooks, stop the threads and close the session."""
        self._close(ended_well=True)

    def _close(self, ended_well: bool) -> None:
        try:
            if ended_well and self._life is not None:
                for hook in self._hooks:
                    hook.end(self._life.session)
        finally:
            life, self._life = self._life, None
            try:
                if life is None:
                    raise RuntimeError("Session is already closed.")
                life.close()
            finally:
                if not self._graph_was_finalized and life is not None:
                    life.session.graph._unsafe_unfinalize()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        at_end = kind in (OutOfRangeError, StopIteration)
        self._close(ended_well=kind is None or at_end)
        return at_end

    class StepContext:
        """What ``run_step_fn`` hands over.

        Args:
            session: the Session.   run_with_hooks_fn: runs with the hooks around it.
        """

        def __init__(self, session: Any, run_with_hooks_fn: Callable[..., Any]) -> None:
            self._session, self._run = session, run_with_hooks_fn

        @property
        def session(self) -> Any:
            """The Session; running it calls no hooks."""
            return self._session

        def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
            """As ``run`` of the monitored session."""
            return self._run(*args, **kwargs)

        def request_stop(self) -> None:
            """End the loop: raises StopIteration."""
            raise StopIteration("step_fn has requested the iterations to stop.")


@export("train.MonitoredSession")
class MonitoredSession(_MonitoredSession):
    """A session with hooks, which goes on in a new session after a failure.

    Args:
        session_creator: makes the sessions; a ChiefSessionCreator by default.
        hooks: SessionRunHooks.
        stop_grace_period_secs: how long threads may go on after a stop.

    Making it finalizes the graph; closing it takes that back.  A ``with`` block of it ends without
    an error when the data does (``tf.errors.OutOfRangeError``).

    >>> step = tf.train.create_global_step()
    >>> up = step.assign_add(1)
    >>> with tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(last_step=3)]) as sess:
    ...     while not sess.should_stop():
    ...         print(sess.run(up))
    1
    2
    3
    """

    def __init__(
        self,
        session_creator: SessionCreator | None = None,
        hooks: Iterable[SessionRunHook] | None = None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        super().__init__(session_creator, hooks, True, stop_grace_period_secs)


@export("train.SingularMonitoredSession")
class SingularMonitoredSession(_MonitoredSession):
    """A session with hooks, which ends with a failure.

    Args:
        hooks: SessionRunHooks.
        scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path: as of
            ChiefSessionCreator.
        stop_grace_period_secs: how long threads may go on after a stop.
    """

    def __init__(
        self,
        hooks: Iterable[SessionRunHook] | None = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        creator = ChiefSessionCreator(
            scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path
        )
        super().__init__(creator, hooks, False, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """The Session; None after ``close``."""
        return None if self._life is None else self._life.session


#: Stands for an interval that was not given: None is "never".
_DEFAULT: Any = object()


@export("train.MonitoredTrainingSession")
def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: str | None = None,
    scaffold: Scaffold | None = None,
    hooks: Iterable[SessionRunHook] | None = None,
    chief_only_hooks: Iterable[SessionRunHook] | None = None,
    save_checkpoint_secs: Any = _DEFAULT,
    save_summaries_steps: Any = _DEFAULT,
    save_summaries_secs: Any = _DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = _DEFAULT,
    summary_dir: str | None = None,
    save_graph_def: bool = True,
) -> MonitoredSession:
    """A MonitoredSession with the hooks that training needs.

    Args:
        master: target of the session.
        is_chief: False waits for values of the variables, and saves nothing.
        checkpoint_dir: where checkpoints are, from which it goes on.
        scaffold: a Scaffold.
        hooks: further hooks.   chief_only_hooks: hooks only of the chief.
        save_checkpoint_secs: how often, in seconds; None or 0: never.
        save_checkpoint_steps: or in steps; without both, every 600 seconds.
        save_summaries_steps: how often summaries are written, in steps; None or 0: never.
        save_summaries_secs: or in seconds; without both, every 100 steps.
        config: ConfigProto of the session.
        stop_grace_period_secs: how long threads may go on after a stop.
        log_step_count_steps: how often steps in a second are logged, in steps; None or 0: never.
        max_wait_secs: how long a worker waits for the chief.
        summary_dir: where summaries go; ``checkpoint_dir`` by default.
        save_graph_def: accepted.

    >>> import tempfile
    >>> step = tf.train.create_global_step()
    >>> up = step.assign_add(1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for last in (3, 5):
    ...         hooks = [tf.train.StopAtStepHook(last_step=last)]
    ...         with tf.train.MonitoredTrainingSession("", True, folder, hooks=hooks) as sess:
    ...             while not sess.should_stop():
    ...                 print(sess.run(up))
    1
    2
    3
    4
    5
    """
    if save_checkpoint_secs is _DEFAULT and save_checkpoint_steps is _DEFAULT:
        save_checkpoint_secs, save_checkpoint_steps = 600, None
    if save_summaries_steps is _DEFAULT and save_summaries_secs is _DEFAULT:
        save_summaries_steps, save_summaries_secs = 100, None
    summary_steps = None if save_summaries_steps is _DEFAULT else save_summaries_steps
    summary_secs = None if save_summaries_secs is _DEFAULT else save_summaries_secs
    save_secs = None if save_checkpoint_secs is _DEFAULT else save_checkpoint_secs
    save_steps = None if save_checkpoint_steps is _DEFAULT else save_checkpoint_steps
    scaffold = scaffold or Scaffold()
    if not is_chief:
        creator: SessionCreator = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(creator, hooks, stop_grace_period_secs)
    every = list(chief_only_hooks or ())
    summary_dir = summary_dir or checkpoint_dir
    if summary_dir and log_step_count_steps and log_step_count_steps > 0:
        every.append(StepCounterHook(log_step_count_steps, output_dir=summary_dir))
    if summary_dir and (
        (summary_steps and summary_steps > 0) or (summary_secs and summary_secs > 0)
    ):
        every.append(SummarySaverHook(summary_steps, summary_secs, summary_dir, scaffold=scaffold))
    if checkpoint_dir and ((save_secs and save_secs > 0) or (save_steps and save_steps > 0)):
        every.append(
            CheckpointSaverHook(
                checkpoint_dir,
                save_secs=save_secs,
                save_steps=save_steps,
                scaffold=scaffold,
                save_graph_def=save_graph_def,
            )
        )
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(creator, [*every, *(hooks or ())], stop_grace_period_secs)
